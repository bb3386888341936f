package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestAuditMissesNoStrangersHold: each account holds what its calls say, but a call says so of somebody else's account.
func TestAuditMissesNoStrangersHold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		db := d.Migrated(t)
		k := billing.New(billing.Options{Store: db, Policy: policy(60), Lanes: db.Lanes()})
		t.Cleanup(k.Close)
		var accounts [2]int64
		pool := d.SQL(t)
		for i, clid := range []string{"555000204", "555000205"} {
			u, err := db.AddUser(t.Context(), models.NewUser{Username: "u" + clid, CLID: clid, Balance: 100 * money.Unit}, "test")
			if err != nil {
				t.Fatal(err)
			}
			if err := pool.QueryRowContext(t.Context(), fmt.Sprint("SELECT id FROM accounts WHERE user_id = ", u.ID)).Scan(&accounts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := k.Authorize(t.Context(), request("555000204", "pbx-1.1")); err != nil {
			t.Fatal(err)
		}
		holdOn := func(account, other int64) {
			for _, query := range []string{
				fmt.Sprintf(`UPDATE calls SET holds = '[{"account":%d,"amount":"60"}]'`, account),
				fmt.Sprint("UPDATE accounts SET held = 60000000 WHERE id = ", account),
				fmt.Sprint("UPDATE accounts SET held = 0 WHERE id = ", other),
			} {
				if _, err := pool.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
		}
		holdOn(accounts[1], accounts[0])
		report, err := db.Audit(context.Background())
		if text := strings.Join(report.Differences, "; "); err != nil || !strings.Contains(text, fmt.Sprintf("hold 60 on account %d, which is not his", accounts[1])) {
			t.Errorf("the audit says %q, %v", text, err)
		}
		holdOn(accounts[0], accounts[1])
	})
}

// TestAuditOfKeptCalls: an open one is listed, for its user, and all that it may last is held. What was left on the list is no difference.
func TestAuditOfKeptCalls(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		db := d.Migrated(t)
		rules := policy(600)
		rules.Slice = 20
		k := billing.New(billing.Options{Store: db, Policy: rules, Lanes: db.Lanes()})
		t.Cleanup(k.Close)
		if _, err := db.AddUser(t.Context(), models.NewUser{Username: "marta", CLID: "555000204", Balance: 100 * money.Unit}, "test"); err != nil {
			t.Fatal(err)
		}
		req := request("555000204", "pbx-1.1")
		req.Keeper = 7
		if _, err := k.Authorize(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		pool := d.SQL(t)
		finds := func(edit, back, want string) {
			t.Helper()
			if _, err := pool.ExecContext(t.Context(), edit); err != nil {
				t.Fatal(err)
			}
			report, err := db.Audit(t.Context())
			if text := strings.Join(report.Differences, "; "); err != nil || text != want {
				t.Errorf("after %s the audit says %q, %v; want %q", edit, text, err, want)
			}
			if _, err := pool.ExecContext(t.Context(), back); err != nil {
				t.Fatal(err)
			}
		}
		const unlisted = "call pbx-1.1 is kept by 7, but not listed as kept"
		finds("DELETE FROM kept_calls", "INSERT INTO kept_calls SELECT user_id, id FROM calls", unlisted)
		finds("UPDATE kept_calls SET user_id = user_id + 1", "UPDATE kept_calls SET user_id = user_id - 1", unlisted)
		finds("UPDATE calls SET limit_seconds = 21", "UPDATE calls SET limit_seconds = 20", "call pbx-1.1 may last 21 s, which cost 21, but holds 20")
		if _, err := k.Settle(t.Context(), oneSecond("555000204", "pbx-1.1")); err != nil {
			t.Fatal(err)
		}
		finds("INSERT INTO kept_calls SELECT user_id, id FROM calls", "DELETE FROM kept_calls", "")
	})
}
