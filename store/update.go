package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// maxTries bounds how often a transaction is done, and maxLost how often when the database cannot be reached. A deadlock
// costs next to nothing, and may strike the same transaction several times when many want the same few calls.
const (
	maxTries = 12
	maxLost  = 5
)

// Update implements billing.Store.
//
// The first try does not look for calls that are said to be new. When a row is there already (a repeated request,
// or our own commit of which the answer was lost) the insert fails, and the next try loads them: then the same
// decision finds its work done. That is also how an unknown commit is resolved: by asking again, under the refs.
func (s *Store) Update(ctx context.Context, keys billing.Keys, decide func(*billing.State)) error {
	careful, uncertain := false, false
	if s.limits.Load() == nil { // nobody calls before it is known what bounds him
		if err := s.loadLimits(ctx); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		err := s.updateOnce(ctx, keys, careful, decide)
		uncertain = uncertain || errors.Is(err, billing.ErrUncertain)
		last := try == maxTries || try >= maxLost && isLost(err)
		if uncertain && err != nil && (last || !isTransient(err)) {
			return fmt.Errorf("%w: %w", billing.ErrUncertain, translate(err))
		}
		switch {
		case err == nil:
			return nil
		case isLocked(err):
			return fmt.Errorf("%w: %w", billing.ErrLocked, err)
		case isDuplicate(err):
			s.ids.redraw()
		case errors.Is(err, errLookAgain):
		case !isTransient(err):
			return translate(err)
		}
		if last || ctx.Err() != nil {
			return perhaps(uncertain, translate(err))
		}
		careful = true
		if !isDuplicate(err) && !errors.Is(err, errLookAgain) {
			wait := time.Duration(min(try, maxLost)) * 10 * time.Millisecond
			if err := pause(ctx, wait/2+rand.N(wait)); err != nil {
				return perhaps(uncertain, err)
			}
		}
	}
}

// perhaps is the error of a transaction of which an earlier try may have been committed.
func perhaps(uncertain bool, err error) error {
	if !uncertain || errors.Is(err, billing.ErrUncertain) {
		return err
	}
	return fmt.Errorf("%w: %w", billing.ErrUncertain, err)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) updateOnce(ctx context.Context, keys billing.Keys, careful bool, decide func(*billing.State)) error {
	conn, err := s.updates.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	tx := txn{store: s, conn: conn, dialect: s.dialect}
	if err := tx.decide(ctx, keys, careful, decide); err != nil {
		rollBack(ctx, conn)
		return err
	}
	if ctx.Err() != nil {
		rollBack(ctx, conn)
		return ctx.Err()
	}
	// Once it was sent, only its answer counts.
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		rollBack(ctx, conn)
		if isLost(err) {
			err = fmt.Errorf("%w: %w", billing.ErrUncertain, err)
		}
		return err
	}
	s.opened.remember(tx.opened)
	s.rememberHouse(&tx)
	for user, countries := range tx.visited {
		s.visited.put(user, countries)
	}
	return nil
}

// decide does all of a transaction but its end.
func (t *txn) decide(ctx context.Context, keys billing.Keys, careful bool, decide func(*billing.State)) error {
	if t.dialect.begin != "" {
		if _, err := t.conn.ExecContext(ctx, t.dialect.begin); err != nil {
			return err
		}
	}
	st, err := t.load(ctx, keys, careful)
	if err != nil {
		return err
	}
	if !careful && t.closed { // or was given other accounts while we waited for these
		return errLookAgain
	}
	decide(st)
	if len(st.Lacking) > 0 {
		if st, err = t.promoted(ctx, st.Lacking, keys, careful); err != nil {
			return err
		}
		decide(st)
	}
	if !careful && st.Unsure {
		return errLookAgain
	}
	if !careful && len(st.Doubt) > 0 {
		if err := t.lookAgain(ctx, st.Doubt); err != nil {
			return err
		}
	}
	return t.write(ctx, st)
}

// rollBack leaves a connection as it was before the transaction, or else has it thrown away.
func rollBack(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// errLookAgain says that a call which was said to be new exists, and that a decision rested on its absence; or that what was read of
// a user does not belong together.
var errLookAgain = errors.New("what was read has changed meanwhile")

// lookAgain returns errLookAgain when one of the calls exists. It locks nothing: calls are locked before accounts.
func (t *txn) lookAgain(ctx context.Context, callIDs []string) error {
	return chunks(t.dialect.maxParams, callIDs, func(ids []string) error {
		return t.query(ctx, "SELECT id FROM calls WHERE call_id IN ("+marks(len(ids))+") LIMIT 1", anys(ids),
			func(*sql.Rows) error { return errLookAgain })
	})
}

// txn is one database transaction of ours.
type txn struct {
	store   *Store
	conn    gorm.ConnPool
	dialect dialect
	loaded  map[string]bool // CallIDs that are in the table
	opened  []models.Call   // that it makes
	closed  bool            // a user has no open account

	disputed map[string]bool                // CallIDs that were disputed already
	visited  map[int64]map[string]time.Time // countries of the users who have called a new one

	house map[houseKey]int64 // accounts that it has read; nobody else may know them before its commit, for it may have made them
}

// load locks and reads the rows that keys name. The order is always calls, then pools, then accounts by owner, so that two
// transactions never wait for each other in a circle.
func (t *txn) load(ctx context.Context, keys billing.Keys, careful bool) (*billing.State, error) {
	st := billing.NewState()
	st.NewID = t.store.ids.next
	t.loaded, t.disputed = make(map[string]bool), make(map[string]bool)
	calls := keys.Calls
	if careful {
		calls = append(slices.Clone(calls), keys.NewCalls...)
	}
	if err := t.loadCalls(ctx, st, calls); err != nil {
		return nil, fmt.Errorf("load calls: %w", err)
	}
	keys = keys.Knowing(func(callID string) bool { return t.loaded[callID] })
	if err := t.loadUsers(ctx, st, keys); err != nil {
		return nil, fmt.Errorf("load users: %w", err)
	}
	users := payers(st, keys)
	if err := t.loadPools(ctx, st, keys, users); err != nil {
		return nil, fmt.Errorf("load pools: %w", err)
	}
	if err := t.loadAccounts(ctx, st, users); err != nil {
		return nil, fmt.Errorf("load accounts: %w", err)
	}
	if err := t.loadVisited(ctx, st, careful); err != nil {
		return nil, fmt.Errorf("load countries: %w", err)
	}
	for id, accounts := range st.Accounts {
		u, known := st.Users[id]
		t.closed = t.closed || known && !slices.ContainsFunc(accounts, func(a models.Account) bool { return a.Status != models.AccountClosed })
		if known && slices.ContainsFunc(accounts, func(a models.Account) bool { return a.Currency != u.Currency && a.Status != models.AccountClosed }) {
			return nil, fmt.Errorf("%w: %w", errLookAgain, models.ErrUnavailable) // it was changed between the two
		}
	}
	if err := t.loadTransactions(ctx, st, keys.Refs); err != nil {
		return nil, fmt.Errorf("load transactions: %w", err)
	}
	return st, t.useHouse(ctx, st)
}

const callColumns = `id, call_id, user_id, callee_id, caller_id, number, state, rate, limit_seconds, holds, legs,
	authorized_at, due_at, up_before_ms, attempts, dials, notes, ended_at, seconds, talked_ms, status, cause, charge,
	shortfall, settled_by, unauthorized, disputed, routing, carrier_id, buy_cost`

func (t *txn) loadCalls(ctx context.Context, st *billing.State, ids []string) error {
	if err := t.queryCalls(ctx, st, ids); err != nil {
		return err
	}
	var further []string
	for _, c := range st.Calls {
		for n := max(2, c.Attempts-maxAttempts); n <= c.Attempts; n++ {
			further = append(further, fmt.Sprintf("%s#%d", c.CallID, n))
		}
	}
	return t.queryCalls(ctx, st, further)
}

// maxAttempts bounds how many of the latest calls of a channel are loaded: late evidence may be about any of them.
const maxAttempts = 16

// queryCalls locks and reads calls. Of those that this process has made itself it reads only whether somebody has written
// to them since.
func (t *txn) queryCalls(ctx context.Context, st *billing.State, ids []string) error {
	ours, ids := t.store.opened.take(ids)
	err := chunks(t.dialect.maxParams, sortedKeys(ours), func(ids []string) error {
		query := "SELECT call_id FROM calls WHERE writes = 0 AND call_id IN (" + marks(len(ids)) + ")" + t.dialect.forUpdate
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			if err == nil {
				st.Calls[id], t.loaded[id] = ours[id], true
				delete(ours, id)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return t.queryWholeCalls(ctx, st, append(ids, sortedKeys(ours)...))
}

func (t *txn) queryWholeCalls(ctx context.Context, st *billing.State, ids []string) error {
	return chunks(t.dialect.maxParams, ids, func(ids []string) error {
		query := "SELECT " + callColumns + " FROM calls WHERE call_id IN (" + marks(len(ids)) + ")" + t.dialect.forUpdate
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			c, err := scanCall(rows)
			if err == nil {
				st.Calls[c.CallID] = c
				t.loaded[c.CallID] = true
				if isDisputed(c) {
					t.disputed[c.CallID] = true
				}
			}
			return err
		})
	})
}

// scanCall reads a row of callColumns, and into more what was selected behind them.
func scanCall(rows *sql.Rows, more ...any) (models.Call, error) {
	var c models.Call
	var rate string
	var holds, legs, notes, routing sql.NullString
	var ended sql.NullTime
	var carrier int64
	fields := []any{
		&c.ID, &c.CallID, &c.UserID, &c.CalleeID, &c.CallerID, &c.Number, &c.State, &rate, &c.Limit, &holds, &legs,
		&c.Authorized, &c.Due, &c.UpBefore, &c.Attempts, &c.Dials, &notes, &ended, &c.Seconds, &c.TalkedMS, &c.Status, &c.Cause,
		&c.Charge, &c.Shortfall, &c.SettledBy, &c.Unauthorized, &c.Disputed, &routing, &carrier, &c.BuyCost,
	}
	if err := rows.Scan(append(fields, more...)...); err != nil {
		return models.Call{ID: c.ID, CallID: c.CallID}, fmt.Errorf("call %s: %w", c.CallID, err)
	}
	if ended.Valid {
		c.Ended = &ended.Time
	}
	var bad error
	var err error
	if c.Rate, err = rates.get(rate); err != nil {
		bad = fmt.Errorf("call %s: %w: rate: %w", c.CallID, errUnreadable, err)
	}
	for _, column := range []struct {
		name, text string
		into       any
	}{{"holds", holds.String, &c.Holds}, {"legs", legs.String, &c.Legs}, {"notes", notes.String, &c.Notes}, {"routing", routing.String, &c.Routing}} {
		if column.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(column.text), column.into); err != nil {
			bad = fmt.Errorf("call %s: %w: %s: %w", c.CallID, errUnreadable, column.name, err)
		}
	}
	return c, bad
}

// errUnreadable says that a column of a call is not what we write. The call comes with it, without that column.
var errUnreadable = errors.New("the database has something that cannot be read")

// payers are the users whose money may move.
func payers(st *billing.State, keys billing.Keys) []int64 {
	users := slices.Clone(keys.Users)
	for _, c := range st.Calls {
		if c.UserID != 0 && (c.State == models.CallOpen || c.State == models.CallUnreconciled) {
			users = append(users, c.UserID)
		}
	}
	for _, named := range []struct {
		values []string
		index  map[string]int64
	}{{keys.CLIDs, st.ByCLID}, {keys.Usernames, st.ByUsername}, {keys.IMSIs, st.ByIMSI}} {
		for _, value := range named.values {
			if id, ok := named.index[value]; ok {
				users = append(users, id)
			}
		}
	}
	return users
}

const userColumns = "id, username, password_hash, clid, imsi, admin, currency, epoch, created_at, deck_id, limits"

// groupDeck is the rate deck of the first of a user's groups that has one in his currency.
const groupDeck = "COALESCE((SELECT dd.id FROM members dm JOIN user_groups dg ON dg.id = dm.group_id JOIN decks dd ON dd.id = dg.deck_id" +
	" WHERE dm.user_id = users.id AND dd.currency = users.currency ORDER BY dg.id LIMIT 1), 0)"

// loadUsers finds the users that keys name. A name that belongs to a user who was found already, by his clid for
// instance, is not looked up again: all of them are unique.
func (t *txn) loadUsers(ctx context.Context, st *billing.State, keys billing.Keys) error {
	for _, lookup := range []struct {
		column string
		values []string
		index  map[string]int64
	}{
		{"clid", slices.Concat(keys.CLIDs, keys.Callees), st.ByCLID},
		{"username", keys.Usernames, st.ByUsername},
		{"imsi", keys.IMSIs, st.ByIMSI},
	} {
		unknown := make([]string, 0, len(lookup.values))
		for _, value := range lookup.values {
			if _, found := lookup.index[value]; !found {
				unknown = append(unknown, value)
			}
		}
		if err := queryUsers(ctx, t, st, lookup.column, unknown); err != nil {
			return err
		}
	}
	return queryUsers(ctx, t, st, "id", slices.Concat(keys.Users, unrated(st)))
}

// unrated are the users of calls that have no rate yet: finding one takes more than who pays.
func unrated(st *billing.State) []int64 {
	var users []int64
	for _, c := range st.Calls {
		if c.UserID != 0 && c.State == models.CallUnreconciled && c.Rate.Currency == "" {
			users = append(users, c.UserID)
		}
	}
	return users
}

func queryUsers[T comparable](ctx context.Context, t *txn, st *billing.State, column string, values []T) error {
	groups, limits := "0", t.store.limits.Load()
	if t.store.groupDecks.Load() { // most sites have none: they need not pay for it
		groups = groupDeck
	}
	groups += limits.column()
	return chunks(t.dialect.maxParams, values, func(values []T) error {
		query := "SELECT " + userColumns + ", " + groups + " FROM users WHERE " + column + " IN (" + marks(len(values)) + ")"
		return t.query(ctx, query, anys(values), func(rows *sql.Rows) error {
			var deck int64
			var group sql.NullString
			u, own, err := scanLimitedUser(rows, &deck, &group)
			u.GroupDeck = deck
			if err == nil {
				u.Limits, err = limits.of(own, group.String)
			}
			if err == nil {
				st.AddUser(u)
			}
			return err
		})
	})
}

// scanUser reads userColumns, and what stands behind them.
func scanUser(rows *sql.Rows, more ...any) (models.User, error) {
	u, _, err := scanLimitedUser(rows, more...)
	return u, err
}

// scanLimitedUser does what scanUser does, and returns the text of his own limits.
func scanLimitedUser(rows *sql.Rows, more ...any) (u models.User, limits string, err error) {
	var own sql.NullString
	err = rows.Scan(append([]any{&u.ID, &u.Username, &u.PasswordHash, &u.CLID, &u.IMSI, &u.Admin, &u.Currency, &u.Epoch, &u.CreatedAt, &u.Deck, &own}, more...)...)
	return u, own.String, err
}

const (
	accountColumns = "id, user_id, name, currency, balance, held, credit_limit, status, burn, open_calls"
	// Few accounts have any of these: the others need not pay for them.
	accountExtras = "hour, spent_hour, spent_day, premium_day, premium_calls, warn, expires_at"
)

// extras is an expression for accountExtras, and whether the account has expired, as an array in JSON; NULL where there are none.
func (d dialect) extras() string {
	return ", CASE WHEN hour = 0 AND premium_day = 0 AND warn IS NULL AND expires_at IS NULL THEN NULL ELSE JSON_ARRAY(" + accountExtras +
		", CASE WHEN expires_at <= " + d.now + " THEN 1 ELSE 0 END) END"
}

// readExtras gives an account what extras has read of it.
func readExtras(a *models.Account, text string) error {
	fields := strings.Split(strings.Trim(text, "[]"), ",")
	if len(fields) != 8 {
		return fmt.Errorf("account %d: %w: %s", a.ID, errUnreadable, text)
	}
	var numbers [8]int64
	for i, field := range fields {
		field = strings.TrimSpace(field)
		var err error
		switch {
		case field == "null":
			continue
		case i == 6:
			a.Expires, err = time.Parse(stampLayout, strings.Trim(field, `"`))
		default:
			numbers[i], err = strconv.ParseInt(field, 10, 64)
		}
		if err != nil {
			return fmt.Errorf("account %d: %w: %w", a.ID, errUnreadable, err)
		}
		if i == 5 {
			warn := money.Amount(numbers[i])
			a.Warn = &warn
		}
	}
	a.Hour, a.SpentHour, a.SpentDay = numbers[0], money.Amount(numbers[1]), money.Amount(numbers[2])
	a.PremiumDay, a.PremiumCalls, a.Expired = numbers[3], numbers[4], numbers[7] == 1
	return nil
}

func (t *txn) loadAccounts(ctx context.Context, st *billing.State, users []int64) error {
	slices.Sort(users)
	users = slices.Compact(users)
	err := chunks(t.dialect.maxParams, users, func(users []int64) error {
		query := "SELECT " + accountColumns + t.dialect.extras() + " FROM accounts" + t.dialect.useOwner +
			" WHERE user_id IN (" + marks(len(users)) + ")" + t.dialect.forUpdate
		return t.query(ctx, query, anys(users), func(rows *sql.Rows) error {
			var a models.Account
			var extras sql.NullString
			err := rows.Scan(&a.ID, &a.UserID, &a.Name, &a.Currency, &a.Balance, &a.Held, &a.CreditLimit, &a.Status, &a.Burn, &a.OpenCalls, &extras)
			if err == nil && extras.Valid {
				err = readExtras(&a, extras.String)
			}
			st.Accounts[a.UserID] = append(st.Accounts[a.UserID], a)
			return err
		})
	})
	for _, accounts := range st.Accounts {
		slices.SortFunc(accounts, billing.BurnOrder)
	}
	return err
}

func (t *txn) loadTransactions(ctx context.Context, st *billing.State, refs []models.Ref) error {
	for _, ref := range refs {
		var found models.Transaction
		query := "SELECT t.id, t.posted_at, t.actor, e.account_id, e.amount, p.expires_at FROM transactions t JOIN entries e ON e.tx_id = t.id" +
			" LEFT JOIN promotions p ON p.tx_id = t.id WHERE t.kind = ? AND t.ref = ?"
		err := t.query(ctx, query, []any{ref.Kind, ref.Ref}, func(rows *sql.Rows) error {
			var e models.Entry
			var expires sql.NullTime
			err := rows.Scan(&found.ID, &found.PostedAt, &found.Actor, &e.AccountID, &e.Amount, &expires)
			found.Entries, found.Expires = append(found.Entries, e), expires.Time
			return err
		})
		if err != nil {
			return err
		}
		if found.ID != 0 {
			found.Ref = ref
			st.Transactions[ref] = found
		}
	}
	return nil
}

// useHouse gives the state the ids of the house accounts. They never change, so they are read once for each
// currency.
func (t *txn) useHouse(ctx context.Context, st *billing.State) error {
	currencies := make(map[string]bool)
	for _, u := range st.Users {
		currencies[u.Currency] = true
	}
	for _, c := range st.Calls {
		currencies[c.Rate.Currency] = true
	}
	for currency := range currencies {
		if err := t.readHouse(ctx, currency); err != nil {
			return fmt.Errorf("load house accounts: %w", err)
		}
	}
	st.House = func(currency, name string) int64 {
		key := houseKey{currency, name}
		if id, ok := t.house[key]; ok {
			return id
		}
		t.store.mu.RLock()
		defer t.store.mu.RUnlock()
		return t.store.house[key]
	}
	return nil
}

// readHouse reads the house's accounts of a currency, unless the store knows them.
func (t *txn) readHouse(ctx context.Context, currency string) error {
	t.store.mu.RLock()
	_, known := t.store.house[houseKey{currency, models.HouseCash}]
	t.store.mu.RUnlock()
	if known {
		return nil
	}
	return t.query(ctx, "SELECT id, name FROM accounts WHERE user_id = 0 AND currency = ?", []any{currency}, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		if t.house == nil {
			t.house = map[houseKey]int64{}
		}
		t.house[houseKey{currency, name}] = id
		return err
	})
}

// rememberHouse keeps what a transaction has read of the house, once it is committed.
func (s *Store) rememberHouse(t *txn) {
	if len(t.house) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.house, t.house)
}

// errTakenID says that another process, which drew the same slot, has posted something under an id that we gave.
var errTakenID = errors.New("an id of ours is taken")

// write stores what was decided. Accounts come first: they are the rows that others wait for.
func (t *txn) write(ctx context.Context, st *billing.State) error {
	if err := t.writeAccounts(ctx, st); err != nil {
		return fmt.Errorf("write accounts: %w", err)
	}
	if err := t.writePools(ctx, st.ChangedPools); err != nil {
		return fmt.Errorf("write pools: %w", err)
	}
	if err := t.writeTransactions(ctx, st.Posted); isDuplicate(err) {
		return fmt.Errorf("write transactions: %w: %w", errTakenID, err)
	} else if err != nil {
		return fmt.Errorf("write transactions: %w", err)
	}
	if err := t.writeCalls(ctx, st.ChangedCalls); err != nil {
		return fmt.Errorf("write calls: %w", err)
	}
	if err := t.writeLog(ctx, st.Logged); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	if err := t.writeRefused(ctx, st.Refused); err != nil {
		return fmt.Errorf("write refusals: %w", err)
	}
	if err := t.writeNotices(ctx, st.Notices); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	if err := t.writeVisited(ctx, st); err != nil {
		return fmt.Errorf("write countries: %w", err)
	}
	return nil
}

func (t *txn) writeLog(ctx context.Context, lines []models.AuditLine) error {
	if len(lines) == 0 {
		return nil
	}
	w := t.insert("audit_log", "at", "actor", "action", "target", "before_json", "after_json")
	for _, l := range lines {
		w.row(stamp(l.At), truncate(l.Actor, 80), l.Action, truncate(l.Target, 160), sql.NullString{String: l.Before, Valid: l.Before != ""},
			sql.NullString{String: l.After, Valid: l.After != ""})
	}
	return w.exec(ctx)
}

func (t *txn) writeAccounts(ctx context.Context, st *billing.State) error {
	if len(st.ChangedAccounts) == 0 {
		return nil
	}
	// The credit limit is for the CHECK constraint, which the database also holds against the row that is not inserted.
	w := t.insert("accounts", "id", "balance", "held", "credit_limit", "open_calls")
	w.update("balance", "held", "open_calls")
	// Few users have limits for which there is more to count.
	counting := t.insert("accounts", append(slices.Clone(w.columns), "hour", "spent_hour", "spent_day", "premium_day", "premium_calls")...)
	counting.update(append(slices.Clone(w.updates), counting.columns[len(w.columns):]...)...)
	for _, id := range sortedKeys(st.ChangedAccounts) {
		a := st.ChangedAccounts[id]
		if a.Hour == 0 && a.PremiumDay == 0 {
			w.row(a.ID, int64(a.Balance), int64(a.Held), int64(a.CreditLimit), a.OpenCalls)
		} else {
			counting.row(a.ID, int64(a.Balance), int64(a.Held), int64(a.CreditLimit), a.OpenCalls, a.Hour, int64(a.SpentHour), int64(a.SpentDay),
				a.PremiumDay, a.PremiumCalls)
		}
	}
	if err := w.exec(ctx); err != nil {
		return err
	}
	if err := counting.exec(ctx); err != nil {
		return err
	}
	return t.writeExpiries(ctx, st.Expiries)
}

func (t *txn) writeTransactions(ctx context.Context, posted []models.Transaction) error {
	if len(posted) == 0 {
		return nil
	}
	transactions := t.insert("transactions", "id", "kind", "ref", "posted_at", "actor")
	entries := t.insert("entries", "tx_id", "account_id", "amount")
	keys, promotions := t.insert("client_keys", "client_key", "tx_id"), t.insert("promotions", "tx_id", "expires_at")
	for _, tx := range posted {
		transactions.row(tx.ID, tx.Ref.Kind, tx.Ref.Ref, stamp(tx.PostedAt), truncate(tx.Actor, 80))
		if tx.Key != "" {
			keys.row(tx.Key, tx.ID)
		}
		if !tx.Expires.IsZero() {
			promotions.row(tx.ID, stamp(tx.Expires))
		}
		for _, e := range tx.Entries {
			entries.row(tx.ID, e.AccountID, int64(e.Amount))
		}
	}
	if err := transactions.exec(ctx); err != nil {
		return err
	}
	if err := keys.exec(ctx); err != nil {
		return err
	}
	if err := promotions.exec(ctx); err != nil {
		return err
	}
	return entries.exec(ctx)
}

// writeCalls inserts new calls with what an authorisation knows, and closed or otherwise changed ones whole.
func (t *txn) writeCalls(ctx context.Context, calls map[string]models.Call) error {
	opened := t.insert("calls", "id", "call_id", "user_id", "callee_id", "caller_id", "number", "rate", "limit_seconds",
		"holds", "authorized_at", "due_at")
	routed := t.insert("calls", append(slices.Clone(opened.columns), "routing", "carrier_id")...)
	ended := t.insert("calls", "id", "state", "notes", "ended_at", "seconds", "talked_ms", "status", "cause", "charge", "settled_by", "buy_cost")
	ended.update(append(slices.Clone(ended.columns[1:]), "holds")...) // holds becomes what it would be in a new row: NULL
	// Only a row that was loaded, and so is locked, may be overwritten. A new one must be refused when somebody else
	// has made it meanwhile.
	fresh := t.insert("calls", splitColumns(callColumns)...)
	whole := t.insert("calls", splitColumns(callColumns)...)
	whole.update(whole.columns[1:]...)
	disputed := 0
	for _, id := range sortedKeys(calls) {
		c := calls[id]
		switch now := isDisputed(c); {
		case now && !t.disputed[id]:
			disputed++
		case !now && t.disputed[id]:
			disputed--
		}
		holds, notes := jsonText(c.Holds), jsonText(c.Notes)
		switch {
		case !t.loaded[id] && c.State == models.CallOpen && c.UpBefore == 0 && c.Attempts == 1 && c.Dials == 1 && c.Ended == nil &&
			len(c.Legs) == 0 && len(c.Notes) == 0 && c.BuyCost == 0:
			fields := []any{c.ID, c.CallID, c.UserID, c.CalleeID, truncate(c.CallerID, 80), c.Number, rateText(c.Rate), c.Limit, holds, stamp(c.Authorized), stamp(c.Due)}
			if c.Routing.Empty() {
				opened.row(fields...)
			} else {
				routed.row(append(fields, jsonText(c.Routing), carrierOf(c))...)
			}
			c.CallerID, c.Authorized, c.Due = truncate(c.CallerID, 80), asStored(c.Authorized), asStored(c.Due)
			t.opened = append(t.opened, c)
		case t.loaded[id] && c.State != models.CallOpen && len(c.Holds) == 0 && len(c.Legs) == 0 && c.Disputed == 0 &&
			c.Shortfall == 0 && c.Attempts == 1 && c.Routing.At == 0 && !c.Unauthorized:
			ended.row(c.ID, string(c.State), notes, stampPtr(c.Ended), c.Seconds, c.TalkedMS, ascii(c.Status, 16), c.Cause,
				int64(c.Charge), c.SettledBy, int64(c.BuyCost))
		default:
			w := fresh
			if t.loaded[id] {
				w = whole
			}
			w.row(c.ID, c.CallID, c.UserID, c.CalleeID, truncate(c.CallerID, 80), ascii(c.Number, 40), string(c.State),
				rateText(c.Rate), c.Limit, holds, jsonText(c.Legs), stamp(c.Authorized), stamp(c.Due), c.UpBefore, c.Attempts, c.Dials, notes,
				stampPtr(c.Ended), c.Seconds, c.TalkedMS, ascii(c.Status, 16), c.Cause, int64(c.Charge), int64(c.Shortfall),
				c.SettledBy, c.Unauthorized, c.Disputed, jsonText(c.Routing), carrierOf(c), int64(c.BuyCost))
		}
	}
	ended.counted, whole.counted = "writes", "writes"
	for _, w := range []*inserter{opened, routed, fresh, ended, whole} {
		if err := w.exec(ctx); err != nil {
			return err
		}
	}
	if disputed == 0 {
		return nil
	}
	_, err := t.conn.ExecContext(ctx, "UPDATE counters SET value = value + ? WHERE name = 'disputed'", disputed)
	return err
}

// carrierOf is the id of the carrier to whom a call was given last; 0: none.
func carrierOf(c models.Call) int64 {
	carrier, _ := c.Routing.Carrier()
	return carrier.Carrier
}

// isDisputed reports whether evidence claims a longer talk than was charged.
func isDisputed(c models.Call) bool { return c.Disputed > c.Seconds }

// Most calls of a time have the same few rates, so these are not written and read anew for each.
var (
	rates = memo[string, models.Rate]{of: func(text string) (r models.Rate, err error) {
		if text != "" {
			err = json.Unmarshal([]byte(text), &r)
		}
		return r, err
	}}
	rateTexts = memo[models.Rate, string]{of: func(r models.Rate) (string, error) {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // the column is short
		err := encoder.Encode(r)
		short := strings.TrimSuffix(text.String(), "\n")
		rates.put(short, r) // it is read when the call ends
		return short, err
	}}
)

func rateText(r models.Rate) string {
	text, err := rateTexts.get(r)
	if err != nil {
		panic(fmt.Sprintf("a rate cannot be written as JSON: %v", err)) // plain record of ours
	}
	return text
}

// jsonText is v as JSON, nil when it is empty.
func jsonText(v any) any {
	switch v := v.(type) {
	case []models.HoldPart:
		if len(v) == 0 {
			return nil
		}
	case []models.Leg:
		if len(v) == 0 {
			return nil
		}
	case []models.Evidence:
		if len(v) == 0 {
			return nil
		}
	case models.Routing:
		if v.Empty() {
			return nil
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written as JSON: %v", v, err)) // plain records of ours
	}
	return string(text)
}

// ascii is truncate for columns that take nothing else.
func ascii(s string, width int) string {
	return truncate(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s), width)
}

// truncate cuts text that comes from outside to the width of its column, at a character.
func truncate(s string, width int) string {
	s = strings.ToValidUTF8(s, "?")
	for i := range s {
		if width == 0 {
			return s[:i]
		}
		width--
	}
	return s
}
