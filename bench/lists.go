package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// listRequest is a page of a list, and how long it may take.
type listRequest struct {
	name string
	path string
	goal float64 // milliseconds, of 95 in 100 requests
}

// listRequests are those over a site of some users, the first of whom has as many ledger entries.
func listRequests(users int) []listRequest {
	filtered := func(filter string) string { return "/api/users?q=" + url.QueryEscape(`{"filters":[`+filter+`]}`) }
	return []listRequest{
		{"users by clid", filtered(fmt.Sprintf(`{"name":"clid","op":"eq","val":%q}`, clid(users/2))), 5},
		{"users, page 1", "/api/users", 50},
		{"users, page 1,000", "/api/users?page=1000", 50},
		{"users, page 1,000 of 100 each", "/api/users?results_per_page=100&page=1000", 100},
		{"users after a key in the middle", fmt.Sprintf("/api/users?after=%d", users/2), 50},
		{"users by a filter that finds half of them, counted", filtered(fmt.Sprintf(`{"name":"id_","op":"gt","val":%d}`, users/2)), 300},
		{"ledger entries of all users, page 1", "/api/balance", 50},
		{"one user's ledger, page 1", "/api/ledger?user=" + username(1), 50},
		{"one user's ledger after a key in the middle", fmt.Sprintf("/api/ledger?user=%s&after=%d", username(1), 4*(users/2)), 50},
	}
}

// measureLists: pages of lists over a million users, and over the ledger of one user with a million entries.
func (b *bench) measureLists(ctx context.Context) error {
	users := 1_000_000
	if b.short {
		users = 200_000
	}
	onServer, err := b.newDatabase(ctx, "lists")
	if err != nil {
		return err
	}
	defer func() { _ = onServer.Close() }()
	file := filepath.Join(b.dir, "lists.db")
	inFile, err := openDatabase(ctx, "sqlite:"+file)
	if err != nil {
		return err
	}
	defer func() { _ = inFile.Close() }()
	var servers []*apiServer
	for _, db := range []*database{onServer, inFile} {
		b.progress("loading %s users, and one with as many ledger entries", group(int64(users)))
		if err := b.fillLists(ctx, db, file, users); err != nil {
			return err
		}
		s, err := b.api(ctx, db)
		if err != nil {
			return err
		}
		defer s.close()
		servers = append(servers, s)
	}
	requests := listRequests(users)
	rows := make([][]row, len(requests))
	for i := range requests {
		rows[i] = []row{{name: "MariaDB", unit: "ms"}, {name: "SQLite", unit: "ms"}}
	}
	for round := range b.rounds {
		for i, request := range requests {
			for j, s := range servers {
				took, err := s.oneByOne(ctx, request.path, b.each/time.Duration(len(requests)))
				if err != nil {
					return err
				}
				ms := float64(percentile(took, 95)) / float64(time.Millisecond)
				rows[i][j].got = append(rows[i][j].got, ms)
				b.progress("round %d/%d: %-55s %s %6.2f ms", round+1, b.rounds, request.name, rows[i][j].name, ms)
			}
		}
	}
	for _, s := range servers {
		if _, err := s.db.audit(ctx); err != nil {
			return err
		}
	}
	for i, request := range requests {
		slower := rows[i][0]
		if rows[i][1].got.median() > slower.got.median() {
			slower = rows[i][1]
		}
		f := figure{
			name: fmt.Sprintf("%s, %s rows, 95 in 100 requests", request.name, group(int64(users))), goal: request.goal, unit: "ms", atMost: true,
			got: slower.got, rows: rows[i],
		}
		if i == 0 {
			f.remarks = []string{"Each over HTTP with a token, one request at a time. The slower database counts."}
		}
		b.figures = append(b.figures, f)
	}
	return nil
}

// oneByOne asks for a page again and again for a while, at least twenty times, and returns what each took.
func (s *apiServer) oneByOne(ctx context.Context, path string, length time.Duration) (took []time.Duration, err error) {
	for end := time.Now().Add(length); len(took) < 20 || time.Now().Before(end); {
		start := time.Now()
		if err := s.ask(ctx, http.MethodGet, path, "", http.StatusOK); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// fillLists makes users, and as many ledger entries of the first one, as the program itself would have written them.
func (b *bench) fillLists(ctx context.Context, db *database, file string, users int) error {
	db.users = users
	series, concat, pad := fmt.Sprintf("seq_1_to_%d n", users), "CONCAT('%s', %s)", "LPAD(seq, %d, '0')"
	var conn *sql.DB
	var err error
	if strings.HasPrefix(db.dsn, "sqlite:") {
		series = fmt.Sprintf("(WITH RECURSIVE s(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < %d) SELECT seq FROM s) n", users)
		concat, pad = "'%s' || %s", "printf('%%0%dd', seq)"
		conn, err = sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	} else {
		conn, err = openSQL(db.dsn, 1)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	text := func(prefix string, digits int) string { return fmt.Sprintf(concat, prefix, fmt.Sprintf(pad, digits)) }
	statements := []string{
		fmt.Sprintf("INSERT INTO users (id, username, clid, imsi, created_at) SELECT seq, %s, %s, %s, '2025-01-01 00:00:00.000000' FROM %s",
			text("user", 7), text("55", 8), text("00101", 10), series),
		fmt.Sprintf("INSERT INTO accounts (id, user_id, name, balance) SELECT 100 + seq, seq, 'main', CASE seq WHEN 1 THEN %d ELSE 0 END FROM %s",
			int64(users)*1_000_000, series),
		fmt.Sprintf("INSERT INTO transactions (id, kind, ref, posted_at, actor) SELECT 4 * seq, 'topup', %s, '2025-01-01 00:00:00.000000', 'bench' FROM %s",
			text("bulk", 7), series),
		"INSERT INTO entries (account_id, tx_id, amount) SELECT 1, 4 * seq, -1000000 FROM " + series,
		"INSERT INTO entries (account_id, tx_id, amount) SELECT 101, 4 * seq, 1000000 FROM " + series,
		fmt.Sprintf("UPDATE counters SET value = value + %d WHERE name = 'users'", users),
	}
	if !strings.HasPrefix(db.dsn, "sqlite:") {
		statements = append(statements, "ANALYZE TABLE users, accounts, transactions, entries")
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.40s: %w", statement, err)
		}
		b.progress("  %.32s…", statement)
	}
	return nil
}
