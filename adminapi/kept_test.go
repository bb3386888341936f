package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/livecalls"
)

// TestKeptCalls: of a call that is held in slices it is shown how long it can last, and why it was cut.
func TestKeptCalls(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // who has 180 s
		p := policy
		p.Slice = 5
		service := billing.New(billing.Options{Store: s.store, Policy: p})
		defer service.Close()
		who := billing.Identity{CallerID: "555000204"}
		auth, err := service.Authorize(t.Context(), billing.CallRequest{CallID: "h/1.1", Identity: who, Number: "4930123", Keeper: 7})
		if err != nil {
			t.Fatal(err)
		}
		review := billing.Review{CallID: auth.CallID, UserID: auth.UserID, Keeper: 7, Identity: who, Elapsed: time.Second}
		if kept, err := service.Review(t.Context(), review); err != nil || kept.Cut != "" || kept.Over {
			t.Fatalf("%+v, %v", kept, err)
		}
		s.start(func(d *adminapi.Deps) {
			d.PBX = &adminapi.PBX{Live: livecalls.New(livecalls.Options{Store: s.store, Policy: p})}
		})
		s.admin = s.login("admin")
		var live struct{ Calls []map[string]any }
		s.admin.get("/api/pbx/calls").is(http.StatusOK).into(&live)
		c := live.Calls[0]
		talked := c["talked_seconds"].(float64)
		if c["slice_seconds"] != 5.0 || c["slice_left"] != c["limit_seconds"].(float64)-talked || c["seconds_left"] != 180-talked || c["cost_so_far"] != fmt.Sprint(talked) {
			t.Errorf("%v", c)
		}
		if page := s.admin.get("/live").is(http.StatusOK).body; !strings.Contains(page, "held: <span data-left=") || !strings.Contains(page, "as far as its holds tell") {
			t.Errorf("%s", page)
		}

		path := fmt.Sprintf("/api/calls/%.0f", c["id"])
		s.admin.get(path).shows(map[string]any{"slice_seconds": 5.0, "cut": ""})
		s.admin.patch("/api/users/marta", `{"blocked":true}`).is(http.StatusOK)
		if kept, err := service.Review(t.Context(), review); err != nil || kept.Cut != billing.CutBlocked {
			t.Fatalf("%+v, %v", kept, err)
		}
		s.admin.get(path).shows(map[string]any{"slice_seconds": 5.0, "cut": "blocked"})
		if got := s.admin.get(path + "/explain").is(http.StatusOK).object()["call"].(map[string]any); got["cut"] != "blocked" {
			t.Errorf("%v", got)
		}
		page := fmt.Sprintf("/calls/%.0f", c["id"])
		s.admin.get(page).tells(http.StatusOK, "the account was blocked")
		s.admin.get(page).tells(http.StatusOK, "5 seconds at a time")
		for cut, want := range map[string]int{"blocked": 1, "limit": 0} {
			query := `{"filters":[{"name":"cut","op":"eq","val":"` + cut + `"},{"name":"slice_seconds","op":"gt","val":0}]}`
			if got := len(s.admin.get("/api/calls?q=" + url.QueryEscape(query)).is(http.StatusOK).objects()); got != want {
				t.Errorf("%d calls were cut by %s", got, cut)
			}
		}
	})
}
