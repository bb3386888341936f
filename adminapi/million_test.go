package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"talktime/store/storetest"
)

// BenchmarkManyUsers measures lists over TALKTIME_BENCH_USERS users (100,000), on both databases.
func BenchmarkManyUsers(b *testing.B) {
	users, err := strconv.Atoi(os.Getenv("TALKTIME_BENCH_USERS"))
	if err != nil {
		users = 100_000
	}
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, database(b))
			s.fill(users)
			for what, path := range map[string]string{
				"first page": "/api/users", "page 1000": "/api/users?page=1000", "after": fmt.Sprintf("/api/users?after=%d", users/2),
				"one": fmt.Sprintf("/api/users/user%d", users/2), "balance": "/api/balance", "ledger": "/api/ledger", "ledger of one": "/api/ledger?user=admin",
				"clid": "/api/users?q=" + url.QueryEscape(fmt.Sprintf(`{"filters":[{"name":"clid","op":"eq","val":"%d"}]}`, 5000000+users/2)),
			} {
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						if a := s.admin.get(path); a.status != http.StatusOK {
							b.Skip(a.body)
						}
					}
				})
			}
		})
	}
}

// fill makes users, and as many ledger entries of the administrator's, past all our code.
func (s *site) fill(users int) {
	s.t.Helper()
	db := s.database.SQL(s.t)
	exec := func(statement string) {
		s.t.Helper()
		if _, err := db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatal(err)
		}
	}
	start := time.Now()
	series := fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) n", users)
	concat := func(prefix, value string) string { return "CONCAT('" + prefix + "', " + value + ")" }
	if s.database.Server == nil {
		concat = func(prefix, value string) string { return "'" + prefix + "' || (" + value + ")" }
	} else {
		exec("SET GLOBAL max_recursive_iterations = 100000000")
		db = s.database.SQL(s.t)
	}
	exec("INSERT INTO users (id, username, clid, imsi, created_at) SELECT 10 + i, " + concat("user", "i") + ", " + concat("", "5000000 + i") + ", " +
		concat("00", "i") + ", '2026-01-01 00:00:00' FROM " + series)
	exec("INSERT INTO accounts (user_id, name, currency, balance) SELECT 10 + i, 'main', 'SEC', 0 FROM " + series)
	exec("INSERT INTO transactions (id, kind, ref, posted_at, actor) SELECT i, 'topup', " + concat("bulk", "i") + ", '2026-01-01 00:00:00', 'test' FROM " + series)
	exec("INSERT INTO entries (account_id, tx_id, amount) SELECT a.id, i, 1000000 FROM accounts a, " + series + " WHERE a.user_id = 1")
	exec("INSERT INTO entries (account_id, tx_id, amount) SELECT 1, i, -1000000 FROM " + series)
	exec(fmt.Sprintf("UPDATE accounts SET balance = %d WHERE user_id = 1", users*1_000_000))
	exec(fmt.Sprintf("UPDATE counters SET value = value + %d WHERE name = 'users'", users))
	if s.database.Server == nil {
		exec("ANALYZE")
	} else {
		exec("ANALYZE TABLE users, accounts, entries, transactions")
	}
	s.t.Logf("%d users in %s", users, time.Since(start).Round(time.Second))
}
