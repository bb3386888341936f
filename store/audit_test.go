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
