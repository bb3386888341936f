package adminapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestCarriersOfCalls: operators see who was to take a call and what he asks; a program that is bound to the caller's account
// does not.
func TestCarriersOfCalls(t *testing.T) { onBoth(t, carriersOfCalls) }

func carriersOfCalls(t *testing.T, s *site) {
	s.marta()
	s.admin.patch("/api/users/marta", `{"account_id":"shop-7"}`).is(http.StatusOK)
	routed := policy
	routed.Route = func(models.User, string, models.Rate, time.Time) ([]models.Attempt, error) {
		return []models.Attempt{
			{Carrier: 1, Name: "alpha", Target: "PJSIP/4930@alpha"},
			{Carrier: 2, Name: "beta", Target: "PJSIP/4930@beta", Buy: models.Rate{Currency: "EUR", PerMinute: 60 * money.Unit, First: 1, Increment: 1}},
			{Carrier: 3, Name: "gamma", Target: "PJSIP/4930@gamma"},
		}, nil
	}
	service := billing.New(billing.Options{Store: s.store, Policy: routed})
	defer service.Close()
	who := billing.Identity{CallerID: "555000204"}
	if _, err := service.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.1", Identity: who, Number: "4930"}); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Advance(t.Context(), who, "pbx-1.1", 1, 40); err != nil {
		t.Fatal(err)
	}
	s.settle("pbx-1.1", "555000204", 12)
	s.call("pbx-1.2", "555000204", "4930", 3)

	for _, test := range []struct {
		name     string
		client   *client
		carriers int
		cost     string
		currency string
	}{{"an administrator", s.admin, 2, "12", "EUR"}, {"a program", s.program("read"), 2, "12", "EUR"}, {"a program of hers", s.bound("shop-7"), 0, "0", ""}} {
		var path string
		for _, call := range test.client.get("/api/calls").is(http.StatusOK).objects() {
			if call["call_id"] != "pbx-1.1" {
				if len(call["carriers"].([]any)) != 0 || call["buy_cost"] != "0" {
					t.Errorf("%s: a call without a route is %v", test.name, call)
				}
				continue
			}
			path = call["call_id"].(string)
			names := call["carriers"].([]any)
			if len(names) != test.carriers || call["buy_cost"] != test.cost || call["buy_currency"] != test.currency {
				t.Errorf("%s is shown %v", test.name, call)
			}
			explained := test.client.get("/api/calls/" + fmt.Sprintf("%.0f", call["id"]) + "/explain").is(http.StatusOK).object()
			tried := explained["carriers"].([]any)
			if len(tried) != test.carriers {
				t.Fatalf("%s is told %v", test.name, tried)
			}
			if test.carriers == 0 {
				continue
			}
			last := tried[1].(map[string]any)
			if names[1] != "beta" || last["name"] != "beta" || last["result"] != "took the call" || last["rate"].(map[string]any)["per_minute"] != "60" {
				t.Errorf("%s is told %v", test.name, tried)
			}
		}
		if path == "" {
			t.Errorf("%s does not see the call", test.name)
		}
	}
}
