package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// Audit derives everything again from the ledger and the calls, in one consistent view of the database, so that it
// may run beside live traffic.
func (s *Store) Audit(ctx context.Context) (billing.AuditReport, error) {
	report := billing.AuditReport{Differences: []string{}}
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect.name == serverDialect.name {
		options.Isolation = sql.LevelRepeatableRead
	}
	err := s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		a := auditor{
			txn: txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}, report: &report, held: map[holder]money.Amount{},
			open: map[int64]int64{}, pooled: map[int64]int64{}, listed: map[int64]int64{},
		}
		for _, step := range []func(context.Context) error{a.counts, a.transactions, a.kept, a.calls, a.rerates, a.accounts, a.pools, a.strays} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	}, options)
	if err != nil {
		return report, fmt.Errorf("audit: %w", translate(err))
	}
	return report, nil
}

// holder is an account, and the user whose open calls hold money on it.
type holder struct{ account, user int64 }

type auditor struct {
	txn
	report  *billing.AuditReport
	held    map[holder]money.Amount // from the open calls
	open    map[int64]int64         // calls of a user
	pooled  map[int64]int64         // open calls in a pool
	listed  map[int64]int64         // users of the calls that are listed as kept
	entries int64                   // that belong to a transaction
	charges int64                   // transactions that are a call's
	posted  int64                   // of them, those whose call was found
	adjusts int64                   // transactions of re-ratings
}

func (a *auditor) counts(ctx context.Context) error {
	return a.query(ctx, `SELECT (SELECT COUNT(*) FROM accounts WHERE user_id <> 0), (SELECT COUNT(*) FROM transactions),
		(SELECT COUNT(*) FROM entries)`, nil, func(rows *sql.Rows) error {
		return rows.Scan(&a.report.Accounts, &a.report.Transactions, &a.report.Entries)
	})
}

// transactions: each has two entries or more, none zero, summing to zero in each currency. The rows are added up here,
// in the order in which the database finds them: a server that had to group them all before the first row would pass
// the time limit of a statement when the ledger is long.
func (a *auditor) transactions(ctx context.Context) error {
	var t struct {
		id        int64
		kind, ref string
		entries   int64
		zeros     int64
		sums      map[string]money.Amount
	}
	check := func() {
		if t.id != 0 && (t.entries < 2 || t.zeros > 0) {
			a.report.Differ("transaction %d (%s %s) has %d entries, %d of them zero", t.id, t.kind, t.ref, t.entries, t.zeros)
		}
		for currency, sum := range t.sums {
			if sum != 0 {
				a.report.Differ("transaction %d (%s %s) has entries in %s with the sum %s", t.id, t.kind, t.ref, currency, sum)
			}
		}
	}
	err := a.query(ctx, `SELECT t.id, t.kind, t.ref, acc.currency, e.account_id, e.amount
		FROM transactions t LEFT JOIN entries e ON e.tx_id = t.id LEFT JOIN accounts acc ON acc.id = e.account_id ORDER BY t.id`,
		nil, func(rows *sql.Rows) error {
			var id int64
			var kind, ref string
			var currency sql.NullString
			var account sql.NullInt64
			var amount sql.NullInt64
			if err := rows.Scan(&id, &kind, &ref, &currency, &account, &amount); err != nil {
				return err
			}
			if id != t.id {
				check()
				t.id, t.kind, t.ref, t.entries, t.zeros, t.sums = id, kind, ref, 0, 0, make(map[string]money.Amount, 1)
				switch kind {
				case models.KindCall:
					a.charges++
				case models.KindRerate:
					a.adjusts++
				}
			}
			if !account.Valid {
				return nil
			}
			if !currency.Valid {
				a.report.Differ("transaction %d (%s %s) has an entry on account %d, which does not exist", id, kind, ref, account.Int64)
			}
			a.entries++
			t.entries++
			t.sums[currency.String] += money.Amount(amount.Int64)
			if amount.Int64 == 0 {
				t.zeros++
			}
			return nil
		})
	check()
	return err
}

// calls: each is charged what its seconds cost, once, and the ledger says the same.
func (a *auditor) calls(ctx context.Context) error {
	return a.query(ctx, "SELECT "+qualified("c", callColumns)+`, COUNT(DISTINCT t.id),
			COALESCE(SUM(CASE WHEN acc.user_id <> 0 AND acc.user_id = c.user_id THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'revenue' THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'shortfall' THEN e.amount ELSE 0 END), 0)
		FROM calls c LEFT JOIN transactions t ON t.kind = 'call' AND t.ref = c.call_id
			LEFT JOIN entries e ON e.tx_id = t.id LEFT JOIN accounts acc ON acc.id = e.account_id
		GROUP BY c.id`, nil, func(rows *sql.Rows) error {
		var posted int64
		var customer, revenue, shortfall money.Amount
		c, err := scanCall(rows, &posted, &customer, &revenue, &shortfall)
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		if c.State == models.CallOpen {
			a.open[c.UserID]++
			for _, id := range c.Routing.Pools {
				a.pooled[id]++
			}
			for _, part := range c.Holds {
				a.held[holder{part.AccountID, c.UserID}] += part.Amount
			}
		}
		a.posted += posted
		if err != nil {
			a.report.Calls++
			a.report.Differ("%s", err)
			return nil
		}
		a.report.CheckCall(c, customer, revenue, shortfall, posted)
		if isKept(c) {
			a.checkKept(c)
		}
		return nil
	})
}

// kept reads the list of calls that somebody extends. A program of before there were any leaves those on it that it closes.
func (a *auditor) kept(ctx context.Context) error {
	return a.query(ctx, "SELECT user_id, call_key FROM kept_calls", nil, func(rows *sql.Rows) error {
		var user, call int64
		err := rows.Scan(&user, &call)
		a.listed[call] = user
		return err
	})
}

// checkKept: an open call that somebody extends is listed, so that its user's other calls know of it, and all that it may last is held.
func (a *auditor) checkKept(c models.Call) {
	if user, ok := a.listed[c.ID]; !ok || user != c.UserID {
		a.report.Differ("call %s is kept by %d, but not listed as kept", c.CallID, c.Keeper)
	}
	if c.Limit == 0 {
		return
	}
	rate := c.Rate
	rate.Grace = 0 // it may go on past it
	if cost, err := billing.Cost(rate, c.Limit); err != nil || c.Held() < cost {
		a.report.Differ("call %s may last %d s, which cost %s, but holds %s", c.CallID, c.Limit, cost, c.Held())
	}
}

// rerates: each adjustment follows the one before it, beginning with the charge of its call, never makes that negative, and the
// ledger says the same of the call's own user.
func (a *auditor) rerates(ctx context.Context) error {
	var call int64
	var charge, shortfall money.Amount
	found := int64(0)
	err := a.query(ctx, `SELECT r.call_key, r.charge_before, r.charge_after, r.shortfall_before, r.shortfall_after, c.charge, c.shortfall, COUNT(DISTINCT t.id),
			COALESCE(SUM(CASE WHEN acc.user_id <> 0 AND acc.user_id = c.user_id THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'revenue' THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'shortfall' THEN e.amount ELSE 0 END), 0)
		FROM rerated_calls r LEFT JOIN calls c ON c.id = r.call_key AND c.state = 'settled' LEFT JOIN transactions t ON t.id = r.tx_id AND t.kind = 'rerate'
			LEFT JOIN entries e ON e.tx_id = t.id LEFT JOIN accounts acc ON acc.id = e.account_id
		WHERE r.tx_id <> 0 GROUP BY r.call_key, r.rerate_id ORDER BY r.call_key, r.rerate_id`, nil, func(rows *sql.Rows) error {
		var key, posted int64
		var before, after, shortBefore, shortAfter, customer, revenue, house money.Amount
		var first, firstShort sql.NullInt64
		if err := rows.Scan(&key, &before, &after, &shortBefore, &shortAfter, &first, &firstShort, &posted, &customer, &revenue, &house); err != nil {
			return err
		}
		if key != call {
			call, charge, shortfall = key, money.Amount(first.Int64), money.Amount(firstShort.Int64)
		}
		found += posted
		switch {
		case !first.Valid:
			a.report.Differ("call %d was re-rated, but there is no such settled call", key)
		case posted != 1:
			a.report.Differ("call %d was re-rated from %s to %s, but the ledger has nothing of it", key, before, after)
		case before != charge || shortBefore != shortfall:
			a.report.Differ("call %d was re-rated from %s with a shortfall of %s, but was charged %s with a shortfall of %s", key, before, shortBefore, charge, shortfall)
		case after < 0 || shortAfter < 0 || shortAfter > after:
			a.report.Differ("call %d was re-rated to %s with a shortfall of %s", key, after, shortAfter)
		case revenue != after-before || house != shortBefore-shortAfter || customer != -revenue-house:
			a.report.Differ("call %d was re-rated from %s to %s, with a shortfall of %s and then %s, but the ledger has customer %s, revenue %s, shortfall %s",
				key, before, after, shortBefore, shortAfter, customer, revenue, house)
		}
		charge, shortfall = after, shortAfter
		return nil
	})
	if err == nil && found != a.adjusts {
		a.report.Differ("%d adjustments are without a call", a.adjusts-found)
	}
	return err
}

// accounts: balance is the sum of the entries, held the sum of the open holds, and available is not negative.
func (a *auditor) accounts(ctx context.Context) error {
	err := a.query(ctx, `SELECT a.id, a.user_id, a.name, a.status, a.balance, a.held, a.credit_limit, a.open_calls, COALESCE(SUM(e.amount), 0)
		FROM accounts a LEFT JOIN entries e ON e.account_id = a.id WHERE a.user_id <> 0
		GROUP BY a.id`, nil, func(rows *sql.Rows) error {
		var acc models.Account
		var sum money.Amount
		if err := rows.Scan(&acc.ID, &acc.UserID, &acc.Name, &acc.Status, &acc.Balance, &acc.Held, &acc.CreditLimit, &acc.OpenCalls, &sum); err != nil {
			return err
		}
		if acc.Balance != sum {
			a.report.Differ("account %d of user %d has a balance of %s, but entries of %s", acc.ID, acc.UserID, acc.Balance, sum)
		}
		owner := holder{acc.ID, acc.UserID}
		if acc.Held != a.held[owner] {
			a.report.Differ("account %d of user %d holds %s, but its open calls hold %s", acc.ID, acc.UserID, acc.Held, a.held[owner])
		}
		if acc.Available() < 0 {
			a.report.Differ("account %d of user %d has %s available", acc.ID, acc.UserID, acc.Available())
		}
		open := a.open[acc.UserID]
		if acc.Name != models.MainAccount || acc.Status == models.AccountClosed {
			open = 0 // the main account counts them
		}
		if acc.OpenCalls != open {
			a.report.Differ("account %d of user %d counts %d calls in progress, but there are %d", acc.ID, acc.UserID, acc.OpenCalls, open)
		}
		delete(a.held, owner)
		return nil
	})
	for h, amount := range a.held {
		a.report.Differ("open calls of user %d hold %s on account %d, which is not his", h.user, amount, h.account)
	}
	return err
}

// pools: each counts the open calls that are in it.
func (a *auditor) pools(ctx context.Context) error {
	return a.query(ctx, "SELECT id, name, calls FROM pools", nil, func(rows *sql.Rows) error {
		var p models.Pool
		err := rows.Scan(&p.ID, &p.Name, &p.Calls)
		if p.Calls != a.pooled[p.ID] {
			a.report.Differ("pool %d (%s) counts %d calls in progress, but there are %d", p.ID, p.Name, p.Calls, a.pooled[p.ID])
		}
		return err
	})
}

// strays: nothing refers to what is not there. Where the counts agree there is nothing to look for.
func (a *auditor) strays(ctx context.Context) error {
	if a.entries != a.report.Entries {
		a.report.Differ("%d entries are without a transaction", a.report.Entries-a.entries)
	}
	if a.charges != a.posted {
		a.report.Differ("%d call charges are without a call", a.charges-a.posted)
	}
	for _, stray := range []struct{ what, query string }{
		{"house account with a balance", "SELECT id FROM accounts WHERE user_id = 0 AND (balance <> 0 OR held <> 0)"},
		{"account of no user", "SELECT a.id FROM accounts a LEFT JOIN users u ON u.id = a.user_id WHERE a.user_id <> 0 AND u.id IS NULL"},
		{"redeemed voucher without its money", "SELECT v.serial FROM vouchers v WHERE v.state = 'used' AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.kind = 'voucher' AND t.ref = v.serial)"},
		{"voucher that was posted, but is not redeemed", "SELECT t.id FROM transactions t WHERE t.kind = 'voucher' AND NOT EXISTS (SELECT 1 FROM vouchers v WHERE v.serial = t.ref AND v.state = 'used')"},
		{"user without an account", "SELECT u.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE a.id IS NULL"},
	} {
		err := a.query(ctx, stray.query, nil, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			a.report.Differ("%s: %d", stray.what, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
