package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

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
