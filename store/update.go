package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
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
	s.watchKeepers(ctx)
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
	kept     map[string]bool                // CallIDs that somebody extends already
	visited  map[int64]map[string]time.Time // countries of the users who have called a new one

	house map[houseKey]int64 // accounts that it has read; nobody else may know them before its commit, for it may have made them
}

// load locks and reads the rows that keys name. The order is always calls, then pools, then accounts by owner, so that two
// transactions never wait for each other in a circle.
func (t *txn) load(ctx context.Context, keys billing.Keys, careful bool) (*billing.State, error) {
	st := billing.NewState()
	st.NewID = t.store.ids.next
	t.loaded, t.disputed, t.kept = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	calls := keys.Calls
	if careful {
		calls = append(slices.Clone(calls), keys.NewCalls...)
	}
	if err := t.loadCalls(ctx, st, calls); err != nil {
		return nil, fmt.Errorf("load calls: %w", err)
	}
	for id, c := range st.Calls {
		t.kept[id] = isKept(c)
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
	if keys.Share {
		if err := t.loadSharing(ctx, st, users); err != nil {
			return nil, fmt.Errorf("load calls that share money: %w", err)
		}
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
	if err := t.writeMoves(ctx, st.Moved); err != nil { // last: see moveLate
		return fmt.Errorf("write moves: %w", err)
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
