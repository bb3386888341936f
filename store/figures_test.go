package store_test

import (
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestFigures: what the counters and indexes say is what there is.
func TestFigures(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := d(t)
			s := d.Migrated(t)
			ctx := t.Context()
			for _, u := range []models.NewUser{{Username: "marta", CLID: "555000204", Balance: 100 * money.Unit}, {Username: "joel", CLID: "555000205", Balance: 5 * money.Unit}} {
				if _, err := s.AddUser(ctx, u, "test"); err != nil {
					t.Fatal(err)
				}
			}
			service := billing.New(billing.Options{Store: s, Policy: billing.Policy{
				MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
			}})
			defer service.Close()
			permit := func(clid, id string) {
				t.Helper()
				who := billing.Identity{CallerID: clid}
				if _, err := service.Authorize(ctx, billing.CallRequest{CallID: id, Identity: who, Number: "5550111"}); err != nil {
					t.Fatal(err)
				}
			}
			talked := func(clid, id, source string, ms int64) {
				t.Helper()
				_, err := service.Settle(ctx, billing.CallResult{
					CallID: id, Identity: billing.Identity{CallerID: clid}, Number: "5550111",
					Evidence: models.Evidence{Source: source, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true},
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			permit("555000204", "a")
			permit("555000205", "b")
			permit("555000204", "c")
			talked("555000204", "c", "reducer", 3000)
			talked("555000204", "c", "cdr", 4000) // disputed now
			talked("555000204", "c", "cdr", 5000) // still, and once
			talked("999", "d", "reducer", 1000)   // of nobody

			f, err := s.Figures(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if f.Users != 2 || f.OpenCalls != 2 || f.Disputed != 1 || f.Unreconciled != 1 || f.Held[models.SEC] != 65*money.Unit || len(f.Held) != 1 {
				t.Errorf("figures: %+v", f)
			}
			if f.OldestOpen < 0 || f.OldestOpen > time.Since(began)+time.Second || f.Skew.Abs() > time.Second || f.LastCall.Before(began.Add(-time.Second)) {
				t.Errorf("times: %+v", f)
			}
			if !f.NextRefill.IsZero() {
				t.Errorf("a refill without a group: %v", f.NextRefill)
			}
			first := time.Date(2199, 3, 31, 0, 0, 0, 0, time.UTC)
			if _, err := s.NewGroup(ctx, models.NewGroup{Name: "team", First: first, Count: 3, Mode: models.ModeAdd}, "test"); err != nil {
				t.Fatal(err)
			}
			if f, err = s.Figures(ctx); err != nil || f.NextRefill.Format(time.DateOnly) != "2199-03-31" {
				t.Errorf("next refill %v (%v)", f.NextRefill, err)
			}
			n, err := s.CountCalls(ctx)
			if err != nil || n.Disputed != f.Disputed || n.Unreconciled != f.Unreconciled || n.Open != f.OpenCalls {
				t.Errorf("counted %+v (%v), figures %+v", n, err, f)
			}
		})
	}
}
