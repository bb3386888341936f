package store_test

import (
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/store/storetest"
)

// TestRecount: what a program left behind that did not count is put right, and nothing else.
func TestRecount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, db := d.Migrated(t), d.SQL(t)
		for _, u := range []models.NewUser{{Username: "marta", CLID: "555000204", Balance: 600_000_000}, {Username: "joel", CLID: "555000205", Balance: 600_000_000}} {
			if _, err := s.AddUser(t.Context(), u, "test"); err != nil {
				t.Fatal(err)
			}
		}
		service := billing.New(billing.Options{Store: s, Policy: policy(60)})
		defer service.Close()
		for _, id := range []string{"pbx-1.1", "pbx-1.2"} {
			req := billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: "555000204"}, Number: "59899123000"}
			if _, err := service.Authorize(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		recount := func(want int) {
			t.Helper()
			if wrong, err := s.Recount(t.Context()); err != nil || wrong != want {
				t.Errorf("%d were wrong, want %d; %v", wrong, want, err)
			}
			report, err := s.Audit(t.Context())
			if err != nil || len(report.Differences) > 0 {
				t.Errorf("%v, %v", report.Differences, err)
			}
		}
		recount(0)
		for _, statement := range []string{
			"UPDATE accounts SET open_calls = 0 WHERE user_id = 1", "UPDATE accounts SET open_calls = 1 WHERE user_id = 2",
			"INSERT INTO pools (name, most, calls) VALUES ('carrier:7', 3, -1)",
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		recount(3)
		recount(0)
	})
}
