package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestListsScanNoTable: the first page of a list costs the same however many rows there are. Each list is read along an
// index from the right place, and nothing is sorted.
func TestListsScanNoTable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		crowd(t, s, 2000)
		many(t, d, 2000)
		plans, err := s.Plans(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(plans) < 40 {
			t.Errorf("%d plans", len(plans))
		}
		for name, plan := range plans {
			server := d.Server != nil
			few := strings.HasPrefix(name, "ledger") && (strings.HasSuffix(name, "by id") || strings.HasSuffix(name, "by id_")) // those of four transactions are sorted
			few = few || strings.Contains(name, "of a group only")                                                              // the rows of its members are found, and then sorted
			for _, step := range plan {
				sorted := strings.Contains(step.Extra, "filesort") || strings.Contains(step.Extra, "temporary")
				switch {
				case server && (step.How == "ALL" || step.How == "index" && step.Key == "" || sorted && !few),
					!server && (strings.HasPrefix(step.How, "SCAN") || strings.Contains(step.How, "TEMP B-TREE") && !few):
					t.Errorf("%s: %+v", name, plan)
				case step.Key == "accounts_owner" && !strings.Contains(name, "of one user") && !few, strings.Contains(step.How, "accounts_owner") && !few:
					t.Errorf("%s goes through the accounts: %+v", name, plan)
				}
			}
		}
		// What is of a group is found by its members, not among what is of everybody.
		for name, step := range map[string]store.PlanStep{
			"call records, of a group only": {Table: "c", Key: "calls_user"}, "call records, of a group only, after a key": {Table: "c", Key: "calls_user"},
			"calls, of a group only": {Table: "c", Key: "calls_user"}, "calls, of a group only, after a key": {Table: "c", Key: "calls_user"},
			"ledger, of a group only": {Table: "e", Key: "PRIMARY"}, "ledger, of a group only, after a key": {Table: "e", Key: "PRIMARY"},
			"ledger entries, of a group only": {Table: "e", Key: "PRIMARY"}, "ledger entries, of a group only, after a key": {Table: "e", Key: "PRIMARY"},
		} {
			found := false
			for _, got := range plans[name] {
				found = found || got.Table == step.Table && got.Key == step.Key && got.How == "ref" ||
					strings.Contains(got.How, "SEARCH "+step.Table+" USING") && strings.Contains(got.How, step.Key) && strings.Contains(got.How, "_id=?")
			}
			if !found {
				t.Errorf("%s: %+v", name, plans[name])
			}
		}
		// A call is found by who takes part in it, not among all that were settled.
		for name, key := range map[string]string{
			"call records, by from_user_id": "calls_user", "call records, by to_user_id": "calls_callee", "call records, of one user": "calls_user", "calls, of one user only": "calls_user", "calls, by user_id": "calls_user", "a user's calls": "calls_user", "calls to a user": "calls_callee",
		} {
			if got := plans[name][0]; got.Key != key && !strings.Contains(got.How, key) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// many makes groups, tokens and lines of the audit log, past all our code, and tells the database how many rows there are.
func many(t *testing.T, d storetest.Database, n int) {
	t.Helper()
	db := d.SQL(t)
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for first := 1; first <= n; first += 500 {
		var groups, tokens, lines []string
		for i := first; i < first+500; i++ {
			groups = append(groups, fmt.Sprintf("('group%d', 'topup')", i))
			tokens = append(tokens, fmt.Sprintf("('token%d', '%064d', 'read', '2026-01-01 00:00:00')", i, i))
			lines = append(lines, fmt.Sprintf("('2026-01-01 00:00:00', 'test', 'nothing', '%d')", i))
		}
		exec("INSERT INTO user_groups (name, mode) VALUES " + strings.Join(groups, ","))
		exec("INSERT INTO tokens (name, hash, scopes, created_at) VALUES " + strings.Join(tokens, ","))
		exec("INSERT INTO audit_log (at, actor, action, target) VALUES " + strings.Join(lines, ","))
	}
	exec("INSERT INTO members (group_id, user_id) VALUES (7, 8), (7, 9), (7, 10), (8, 8)")
	// Half of all calls are settled, for nothing.
	exec("UPDATE calls SET state = 'settled', rate = '{\"currency\":\"SEC\",\"per_minute\":\"0\",\"first\":1,\"increment\":1}' WHERE user_id > 25")
	if d.Server == nil {
		return // nobody analyses an SQLite file
	}
	exec("ANALYZE TABLE members, users, accounts, profiles, entries, transactions, calls, user_groups, tokens, audit_log")
}

// crowd makes users with some money and some calls.
func crowd(t *testing.T, s *store.Store, users int) {
	t.Helper()
	err := s.ImportUsers(t.Context(), "test", "test", func(yield func(models.NewUser) error) error {
		for n := range users {
			u := models.NewUser{Username: fmt.Sprintf("user%d", n), CLID: fmt.Sprint(5550 + n), IMSI: fmt.Sprint(n), Balance: money.Unit}
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), billing.Keys{}, func(st *billing.State) {
		for n := range users {
			c := models.Call{
				ID: st.NewID(), CallID: fmt.Sprintf("pbx-1.%d", n), UserID: int64(n%50 + 1), CalleeID: int64(n%40 + 1), State: models.CallReleased,
				Rate: models.SecondRate(), Attempts: 1, Dials: 1,
			}
			st.ChangedCalls[c.CallID] = c
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLongCounts: beyond what is counted at once, to the last row while there is time, and at least what is promised when
// there is none.
func TestLongCounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t) // entries without transactions would not pass the audit
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		db := d.SQL(t)
		exec := func(statement string) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		exec("INSERT INTO accounts (id, user_id) VALUES (101, 1), (102, 2)")
		var entries, transactions []string
		for tx := 1; tx <= 30_000; tx++ { // two entries of users in each but the first, so that they lie across the steps
			transactions = append(transactions, fmt.Sprintf("(%d, 'topup', '%d', '2026-01-01 00:00:00', '')", tx, tx))
			entries = append(entries, fmt.Sprintf("(102, %d, 1), (1, %d, -1)", tx, tx))
			if tx > 1 {
				entries = append(entries, fmt.Sprintf("(101, %d, 1)", tx))
			}
			if tx%500 == 0 {
				exec("INSERT INTO transactions (id, kind, ref, posted_at, actor) VALUES " + strings.Join(transactions, ","))
				exec("INSERT INTO entries (account_id, tx_id, amount) VALUES " + strings.Join(entries, ","))
				entries, transactions = nil, nil
			}
		}
		for _, tt := range []struct {
			where  string
			within time.Duration
			least  int64
			more   bool
		}{
			{"e.tx_id > ?", time.Minute, 59_999, false},
			{"e.tx_id > ? AND a.user_id = 1", time.Minute, 29_999, false},
			{"e.tx_id > ? AND e.tx_id <= 5000", time.Minute, 9_999, false},
			{"e.tx_id > ?", -time.Second, 10_001, true},
		} {
			n, atLeast, err := s.CountRows(t.Context(), true, tt.where, tt.within, 0)
			if n != tt.least || atLeast != tt.more || err != nil {
				t.Errorf("%s within %s: %d, %v, %v", tt.where, tt.within, n, atLeast, err)
			}
		}
	})
}

// TestUsersAreCounted: by a counter that every way of making and deleting them keeps right.
func TestUsersAreCounted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		is := func(want int64) {
			t.Helper()
			if n, err := s.Counter(t.Context()); n != want || err != nil {
				t.Errorf("%d users are counted, not %d (%v)", n, want, err)
			}
		}
		crowd(t, s, 1100)
		is(1100)
		admin, err := s.NewUserWithProfile(t.Context(), models.NewUser{Username: "admin", Admin: true}, models.UserChange{}, "test")
		if err != nil {
			t.Fatal(err)
		}
		is(1101)
		if _, err := s.AddUser(t.Context(), models.NewUser{Username: "admin"}, "test"); err == nil {
			t.Error("a name was given twice")
		}
		is(1101)
		if _, err := s.DeleteUser(t.Context(), admin.ID, "test"); err == nil {
			t.Error("the last administrator was deleted")
		}
		is(1101)
		for id := range int64(3) {
			if _, err := s.DeleteUser(t.Context(), id+1, "test"); err != nil {
				t.Error(err)
			}
		}
		is(1098)
		// Both at once: one of them is too late.
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := s.DeleteUser(t.Context(), 9, "test")
				done <- err
			}()
		}
		if a, b := <-done, <-done; (a == nil) == (b == nil) {
			t.Errorf("%v, %v", a, b)
		}
		is(1097)
		if n, atLeast, err := s.CountRows(t.Context(), false, "u.username LIKE ?", time.Minute, "user%"); n != 1096 || atLeast || err != nil {
			t.Errorf("%d, %v, %v", n, atLeast, err)
		}
	})
}
