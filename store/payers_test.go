package store_test

import (
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestPayers: who pays is read as calls see him: with what is held on his accounts, and the limits that count for him.
func TestPayers(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, ctx := d.Migrated(t), t.Context()
		marta, err := s.AddUser(ctx, models.NewUser{Username: "marta", CLID: "555000204", Balance: 100 * money.Unit}, "test")
		if err != nil {
			t.Fatal(err)
		}
		joel, err := s.AddUser(ctx, models.NewUser{Username: "joel", CLID: "555000205"}, "test")
		if err != nil {
			t.Fatal(err)
		}
		service := billing.New(billing.Options{Store: s, Policy: billing.Policy{MaxCallSeconds: 60, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"}}})
		defer service.Close()
		if _, err := service.Authorize(ctx, billing.CallRequest{CallID: "a", Identity: billing.Identity{CallerID: "555000204"}, Number: "5550111"}); err != nil {
			t.Fatal(err)
		}
		ids := []int64{joel.ID, marta.ID, 1 << 40}
		users, accounts, err := s.Payers(ctx, ids)
		if err != nil || len(users) != 2 || users[marta.ID].Username != "marta" || ids[0] != joel.ID {
			t.Fatalf("%+v, %v", users, err)
		}
		if a := accounts[marta.ID]; len(a) != 1 || a[0].Balance != 100*money.Unit || a[0].Held != 60*money.Unit || a[0].OpenCalls != 1 || a[0].Status != models.AccountActive {
			t.Errorf("%+v", a)
		}
		if l := users[marta.ID].Limits; l != nil {
			t.Errorf("limits %+v", l)
		}
		other := d.Open(t) // which permits no calls
		if _, _, err := other.Payers(ctx, ids); err != nil {
			t.Fatal(err)
		}
		if err := s.SetSiteLimits(ctx, models.Limits{Seconds: 30}, "test"); err != nil {
			t.Fatal(err)
		}
		if users, _, err := other.Payers(ctx, ids); err != nil || users[marta.ID].Limits == nil || users[marta.ID].Limits.Seconds != 30 {
			t.Errorf("%+v, %v", users, err)
		}
	})
}
