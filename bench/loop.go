package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"
)

// loop is what somebody would write by hand who knows SQL and nothing else: the least that prepaid billing can do, one
// commit for each step. It keeps no calls, no rates and one line of ledger for a call.
type loop struct {
	db    *sql.DB
	users int
}

var loopSchema = []string{
	"CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, held BIGINT NOT NULL) ENGINE=InnoDB",
	`CREATE TABLE hold (id BIGINT AUTO_INCREMENT PRIMARY KEY, account_id BIGINT NOT NULL, amount BIGINT NOT NULL,
		state TINYINT NOT NULL DEFAULT 0) ENGINE=InnoDB`,
	`CREATE TABLE ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, account_id BIGINT NOT NULL, hold_id BIGINT NOT NULL,
		amount BIGINT NOT NULL) ENGINE=InnoDB`,
}

// newLoop makes the loop's own database on the server that ours is on.
func (b *bench) newLoop(ctx context.Context, name string, users, connections int) (*loop, error) {
	server, err := b.mariadb(ctx)
	if err != nil {
		return nil, err
	}
	if err := server.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	db, err := openSQL(server.DSN(name), connections)
	if err != nil {
		return nil, err
	}
	l := &loop{db: db, users: users}
	for _, statement := range loopSchema {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	_, err = db.ExecContext(ctx, "INSERT INTO account SELECT seq, ?, 0 FROM seq_1_to_1000000 WHERE seq <= ?", int64(opening), users)
	return l, err
}

func (l *loop) close() error { return l.db.Close() }

func (l *loop) pairs(connections int) func(context.Context, time.Duration) (measured, error) {
	return func(ctx context.Context, d time.Duration) (measured, error) {
		l.db.SetMaxOpenConns(connections)
		l.db.SetMaxIdleConns(connections)
		return throughput(ctx, connections, d, func(ctx context.Context, r *rand.Rand) error {
			account := 1 + r.Int64N(int64(l.users))
			hold, err := l.hold(ctx, account)
			if err != nil {
				return err
			}
			return l.settle(ctx, account, hold)
		})
	}
}

const (
	loopHold   = 7200 * 1_000_000
	loopCharge = 42 * 1_000_000
)

// hold is also the minimal durable transaction that latency is compared to.
func (l *loop) hold(ctx context.Context, account int64) (int64, error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := exactlyOne(tx.ExecContext(ctx, "UPDATE account SET held=held+? WHERE id=? AND balance-held>=?", loopHold, account, loopHold)); err != nil {
		return 0, err
	}
	done, err := tx.ExecContext(ctx, "INSERT INTO hold (account_id, amount) VALUES (?, ?)", account, loopHold)
	if err != nil {
		return 0, err
	}
	id, err := done.LastInsertId()
	if err != nil {
		return 0, err
	}
	return id, tx.Commit()
}

func (l *loop) settle(ctx context.Context, account, hold int64) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := exactlyOne(tx.ExecContext(ctx, "UPDATE hold SET state=1 WHERE id=? AND state=0", hold)); err != nil {
		return err
	}
	if err := exactlyOne(tx.ExecContext(ctx, "UPDATE account SET balance=balance-?, held=held-? WHERE id=?", loopCharge, loopHold, account)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO ledger (account_id, hold_id, amount) VALUES (?, ?, ?)", account, hold, -loopCharge); err != nil {
		return err
	}
	return tx.Commit()
}

func exactlyOne(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("the loop changed %d rows, not 1 (%w)", n, err)
	}
	return nil
}
