package main

import (
	"context"
	"fmt"
	"strings"

	"talktime/money"
)

// A database that has been in use for a while: each user has topped up once and made callsEach calls, which is 2 + 2 ×
// callsEach entries in the ledger.
const callsEach = 4

// measureGrowth: the cost of a call must not depend on how many users there are and how long the ledger is.
func (b *bench) measureGrowth(ctx context.Context) error {
	small, large := 1_000, 100_000
	if b.full {
		large = 1_000_000
	}
	if b.short {
		large = 20_000
	}
	var databases []*database
	for _, users := range []int{small, large} {
		b.progress("loading %s users, %s ledger entries", group(int64(users)), group(int64(users*(2+2*callsEach))))
		db, err := b.newDatabase(ctx, fmt.Sprintf("growth_%d", users))
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		if err := b.grow(ctx, db, users); err != nil {
			return fmt.Errorf("load %d users: %w", users, err)
		}
		databases = append(databases, db)
	}
	var contenders []contender
	for _, db := range databases {
		name := fmt.Sprintf("%s users, %s ledger entries", group(int64(db.users)), group(int64(db.users*(2+2*callsEach))))
		contenders = append(contenders, contender{name, pairsUnit, db.load(db.Lanes(), 0, callers, db.users)})
	}
	rows, err := b.inTurn(ctx, contenders...)
	if err != nil {
		return err
	}
	for _, db := range databases {
		b.progress("auditing %s users", group(int64(db.users)))
		if _, err := db.audit(ctx); err != nil {
			return err
		}
	}
	remark := fmt.Sprintf("Each user had made %d calls before.", callsEach)
	if !b.full {
		remark += " The full size, a million users and ten million entries, is measured by `go run ./bench -full`."
	}
	b.figures = append(b.figures, figure{
		name: fmt.Sprintf("cost of a call, %s users against %s", group(int64(large)), group(int64(small))), goal: 1.3, unit: "×", atMost: true,
		got: rows[0].got.over(rows[1].got), rows: rows, remarks: []string{remark},
	})
	return nil
}

// grow fills an empty database with users and a history, as the program itself would have written it.
func (b *bench) grow(ctx context.Context, db *database, users int) error {
	calls := users * callsEach
	db.users, db.pairs.loaded = users, int64(calls)
	conn, err := openSQL(db.dsn, 1)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	amount := func(a money.Amount) string { return fmt.Sprint(int64(a)) }
	fill := strings.NewReplacer(
		"$users", fmt.Sprint(users), "$calls", fmt.Sprint(calls), "$opening", amount(opening), "$charge", amount(talk*money.Unit),
		"$each", fmt.Sprint(callsEach), "$talk", fmt.Sprint(talk),
	)
	// Accounts are numbered from 101, top-ups from 1 and calls from 100,000,001: all below the ids that are made from the
	// time of day.
	for _, statement := range []string{
		"SET SESSION unique_checks = 0, foreign_key_checks = 0",
		`INSERT INTO users (id, username, clid, imsi, created_at) SELECT seq, CONCAT('user', LPAD(seq, 7, '0')), CONCAT('55', LPAD(seq, 8, '0')),
			CONCAT('00101', LPAD(seq, 10, '0')), '2025-01-01' FROM seq_1_to_$users`,
		`INSERT INTO accounts (id, user_id, name, balance) SELECT 100 + seq, seq, 'main', $opening - $each * $charge FROM seq_1_to_$users`,
		`INSERT INTO transactions (id, kind, ref, posted_at, actor)
			SELECT seq, 'topup', CONCAT('opening:', seq), '2025-01-01', 'bench' FROM seq_1_to_$users
			UNION ALL SELECT 100000000 + seq, 'call', CONCAT('old-', 1600000000 + seq DIV 100, '.', seq), '2025-01-02', 'caller' FROM seq_1_to_$calls`,
		`INSERT INTO entries (account_id, tx_id, amount)
			SELECT 1, seq, -$opening FROM seq_1_to_$users
			UNION ALL SELECT 2, 100000000 + seq, $charge FROM seq_1_to_$calls
			UNION ALL SELECT 100 + seq, seq, $opening FROM seq_1_to_$users
			UNION ALL SELECT 101 + (seq - 1) MOD $users, 100000000 + seq, -$charge FROM seq_1_to_$calls
			ORDER BY 1, 2`,
		`INSERT INTO calls (id, call_id, user_id, caller_id, number, state, rate, limit_seconds, authorized_at, due_at, notes, ended_at, seconds, talked_ms,
				status, cause, charge, settled_by)
			SELECT 100000000 + seq, CONCAT('old-', 1600000000 + seq DIV 100, '.', seq), 1 + (seq - 1) MOD $users,
				CONCAT('55', LPAD(1 + (seq - 1) MOD $users, 8, '0')), CONCAT('598', 10000000 + seq), 'settled',
				'{"currency":"SEC","per_minute":"60","first":1,"increment":1,"name":"built-in"}', 7200, '2025-01-02', '2025-01-02 02:00:40',
				'[{"source":"caller","dialstatus":"ANSWER","answered_ms":42250,"answered":42,"billsec":42,"cause":16}]', '2025-01-02 00:01:00',
				$talk, 42250, 'ANSWER', 16, $charge, 'caller' FROM seq_1_to_$calls`,
		"ANALYZE TABLE users, accounts, transactions, entries, calls",
	} {
		if _, err := conn.ExecContext(ctx, fill.Replace(statement)); err != nil {
			return fmt.Errorf("%.40s: %w", statement, err)
		}
		b.progress("  %.32s…", statement)
	}
	return nil
}
