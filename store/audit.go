package store

import (
	"context"
	"database/sql"
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
		a := auditor{txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}, &report, map[int64]money.Amount{}}
		for _, step := range []func(context.Context) error{a.counts, a.transactions, a.calls, a.accounts, a.strays} {
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

type auditor struct {
	txn
	report *billing.AuditReport
	held   map[int64]money.Amount // by account, from the open calls
}

func (a *auditor) counts(ctx context.Context) error {
	return a.query(ctx, `SELECT (SELECT COUNT(*) FROM accounts WHERE user_id <> 0), (SELECT COUNT(*) FROM transactions),
		(SELECT COUNT(*) FROM entries)`, nil, func(rows *sql.Rows) error {
		return rows.Scan(&a.report.Accounts, &a.report.Transactions, &a.report.Entries)
	})
}

// transactions: each has two entries or more, none zero, summing to zero in each currency.
func (a *auditor) transactions(ctx context.Context) error {
	return a.query(ctx, `SELECT t.id, t.kind, t.ref, COALESCE(acc.currency, '?'), COUNT(e.amount), COALESCE(SUM(e.amount), 0),
			COALESCE(SUM(CASE WHEN e.amount = 0 THEN 1 ELSE 0 END), 0)
		FROM transactions t LEFT JOIN entries e ON e.tx_id = t.id LEFT JOIN accounts acc ON acc.id = e.account_id
		GROUP BY t.id, t.kind, t.ref, acc.currency
		HAVING COUNT(e.amount) < 2 OR COALESCE(SUM(e.amount), 0) <> 0 OR COALESCE(SUM(CASE WHEN e.amount = 0 THEN 1 ELSE 0 END), 0) > 0`,
		nil, func(rows *sql.Rows) error {
			var id, entries, zeros int64
			var sum money.Amount
			var kind, ref, currency string
			err := rows.Scan(&id, &kind, &ref, &currency, &entries, &sum, &zeros)
			a.report.Differ("transaction %d (%s %s) has %d entries in %s, %d of them zero, with the sum %s", id, kind, ref, entries, currency, zeros, sum)
			return err
		})
}

// calls: each is charged what its seconds cost, once, and the ledger says the same.
func (a *auditor) calls(ctx context.Context) error {
	columns := ""
	for i, name := range splitColumns(callColumns) {
		if i > 0 {
			columns += ", "
		}
		columns += "c." + name
	}
	return a.query(ctx, "SELECT "+columns+`, COUNT(DISTINCT t.id),
			COALESCE(SUM(CASE WHEN acc.user_id <> 0 THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'revenue' THEN e.amount ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN acc.user_id = 0 AND acc.name = 'shortfall' THEN e.amount ELSE 0 END), 0)
		FROM calls c LEFT JOIN transactions t ON t.kind = 'call' AND t.ref = c.call_id
			LEFT JOIN entries e ON e.tx_id = t.id LEFT JOIN accounts acc ON acc.id = e.account_id
		GROUP BY c.id`, nil, func(rows *sql.Rows) error {
		var posted int64
		var customer, revenue, shortfall money.Amount
		c, err := scanCall(rows, &posted, &customer, &revenue, &shortfall)
		if err != nil {
			return err
		}
		if c.State == models.CallOpen {
			for _, part := range c.Holds {
				a.held[part.AccountID] += part.Amount
			}
		}
		a.report.CheckCall(c, customer, revenue, shortfall, posted)
		return nil
	})
}

// accounts: balance is the sum of the entries, held the sum of the open holds, and available is not negative.
func (a *auditor) accounts(ctx context.Context) error {
	err := a.query(ctx, `SELECT a.id, a.user_id, a.balance, a.held, a.credit_limit, COALESCE(SUM(e.amount), 0)
		FROM accounts a LEFT JOIN entries e ON e.account_id = a.id WHERE a.user_id <> 0
		GROUP BY a.id, a.user_id, a.balance, a.held, a.credit_limit`, nil, func(rows *sql.Rows) error {
		var acc models.Account
		var sum money.Amount
		if err := rows.Scan(&acc.ID, &acc.UserID, &acc.Balance, &acc.Held, &acc.CreditLimit, &sum); err != nil {
			return err
		}
		if acc.Balance != sum {
			a.report.Differ("account %d of user %d has a balance of %s, but entries of %s", acc.ID, acc.UserID, acc.Balance, sum)
		}
		if acc.Held != a.held[acc.ID] {
			a.report.Differ("account %d of user %d holds %s, but its open calls hold %s", acc.ID, acc.UserID, acc.Held, a.held[acc.ID])
		}
		if acc.Available() < 0 {
			a.report.Differ("account %d of user %d has %s available", acc.ID, acc.UserID, acc.Available())
		}
		delete(a.held, acc.ID)
		return nil
	})
	for id, amount := range a.held {
		a.report.Differ("open calls hold %s on account %d, which is no customer's", amount, id)
	}
	return err
}

// strays: nothing refers to what is not there.
func (a *auditor) strays(ctx context.Context) error {
	for _, stray := range []struct{ what, query string }{
		{"entries without a transaction", "SELECT e.tx_id FROM entries e LEFT JOIN transactions t ON t.id = e.tx_id WHERE t.id IS NULL"},
		{"entries without an account", "SELECT e.tx_id FROM entries e LEFT JOIN accounts a ON a.id = e.account_id WHERE a.id IS NULL"},
		{"call charges without a call", "SELECT t.id FROM transactions t LEFT JOIN calls c ON c.call_id = t.ref WHERE t.kind = 'call' AND c.id IS NULL"},
		{"house accounts with a balance", "SELECT id FROM accounts WHERE user_id = 0 AND (balance <> 0 OR held <> 0)"},
		{"users without an account", "SELECT u.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE a.id IS NULL"},
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
