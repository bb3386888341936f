package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestWhatIsRememberedOfACallIsItsRow, and what somebody else has written to the row counts all the same.
func TestWhatIsRememberedOfACallIsItsRow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		other := d.Open(t)
		members(t, s, 1, 1000*money.Unit)
		policy := billing.Policy{
			MaxCallSeconds: 100, RingSeconds: 40, Identify: []string{"callerid", "account"}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
		}
		serve := func(s *store.Store) *billing.Service {
			service := billing.New(billing.Options{Store: s, Policy: policy})
			t.Cleanup(service.Close)
			return service
		}
		here, there := serve(s), serve(other)
		call := func(uniqueID string) string {
			id := billing.Identity{CallerID: "5000"}
			if _, err := here.Authorize(t.Context(), billing.CallRequest{CallID: uniqueID, Identity: id, Number: "59899"}); err != nil {
				t.Fatal(err)
			}
			return uniqueID
		}
		settle := func(service *billing.Service, id string, ms int64) models.Call {
			e := models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true, SeenAt: time.Now()}
			if _, err := service.Settle(t.Context(), billing.CallResult{CallID: id, Identity: billing.Identity{CallerID: "5000"}, Evidence: e}); err != nil {
				t.Fatal(err)
			}
			calls, err := s.CallsByID(t.Context(), []string{id})
			if err != nil {
				t.Fatal(err)
			}
			return calls[id]
		}

		first := call("pbx-1.1")
		remembered, ok := s.Opened(first)
		if !ok {
			t.Fatal("the call is not remembered")
		}
		stored, err := s.CallsByID(t.Context(), []string{first})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored[first], remembered); diff != "" {
			t.Errorf("remembered is another call than stored:\n%s", diff)
		}
		if c := settle(here, first, 7000); c.Seconds != 7 || c.State != models.CallSettled {
			t.Errorf("settled from memory: %+v", c)
		}

		// The other process settles it; here it is found done, and not charged a second time.
		second := call("pbx-1.2")
		if _, ok := s.Opened(second); !ok {
			t.Fatal("the call is not remembered")
		}
		settle(there, second, 9000)
		if c := settle(here, second, 30000); c.Seconds != 9 || c.Disputed != 30 {
			t.Errorf("settled by somebody else: %+v", c)
		}
		if got := balances(t, s); got[1000-7-9] != 1 {
			t.Errorf("balances %v", got)
		}
	})
}
