package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
)

// TestRerates: calls are priced anew after a look, once, and only by who may move money.
func TestRerates(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		u := s.marta() // 180 SEC
		ms := int64(60_000)
		service := billing.New(billing.Options{Store: s.store, Policy: policy})
		t.Cleanup(service.Close)
		if _, err := service.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: *u.CLID}, Number: "4930"}); err != nil {
			t.Fatal(err)
		}
		e := models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true}
		if _, err := service.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", Evidence: e}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.AddDeck(t.Context(), models.RateDeck{Name: "half", Currency: "SEC", Zone: "UTC"}, "test"); err != nil {
			t.Fatal(err)
		}
		s.admin.csv("/api/tariffs/half/versions", "prefix,destination,rate\n49,Germany,30\n").is(http.StatusCreated)
		filter := fmt.Sprintf(`"tariff":"half","from":"2020-01-01","to":%q,"version":1`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))

		s.admin.get("/api/rerates").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		preview := s.admin.post("/api/rerates/preview", "{"+filter+`,"user":"marta","prefix":"49"}`).is(http.StatusOK)
		preview.shows(map[string]any{"total.calls": 1, "total.difference": "-30", "users.0.user": "marta", "users.0.charged": "60", "users.0.cost": "30", "currency": "SEC"})
		s.admin.post("/api/rerates/preview", "{"+filter+`,"prefix":"33"}`).is(http.StatusOK).shows(map[string]any{"total.calls": 0})
		digest := s.admin.post("/api/rerates/preview", "{"+filter+"}").is(http.StatusOK).object()["digest"]
		body := fmt.Sprintf(`{"name":"january","expect":%q,%s}`, digest, filter)

		_, secret, err := s.store.NewToken(t.Context(), models.NewToken{Name: "no-money", Scopes: []string{"admin"}}, "test")
		if err != nil {
			t.Fatal(err)
		}
		poor := s.anonymous()
		poor.header.Set("Authorization", "Bearer "+secret)
		poor.post("/api/rerates", body).is(http.StatusForbidden)
		s.admin.post("/api/rerates", fmt.Sprintf(`{"name":"january","expect":"00",%s}`, filter)).is(http.StatusConflict)

		a := s.admin.post("/api/rerates", body).is(http.StatusCreated)
		a.shows(map[string]any{"name": "january", "calls": 1, "adjusted": 1, "credited": "30", "charged": "0", "actor": "admin", "filter.tariff": "half"})
		if got := a.header.Get("Location"); got != s.url+"/api/rerates/january" {
			t.Errorf("Location is %q", got)
		}
		s.admin.post("/api/rerates", body).is(http.StatusCreated).shows(map[string]any{"adjusted": 1})
		s.admin.get("/api/rerates/january").is(http.StatusOK).shows(map[string]any{"digest": digest, "left": 0})
		s.admin.get("/api/rerates/none").is(http.StatusNotFound)
		if all := s.admin.get("/api/rerates").objects(); len(all) != 1 || all[0]["name"] != "january" {
			t.Errorf("%v", all)
		}
		if b, err := s.store.UserByName(t.Context(), "marta"); err != nil || b.Balance.String() != "150" {
			t.Errorf("marta has %s, %v", b.Balance, err)
		}
		call := s.admin.get("/api/calls").objects()[0]
		s.admin.get(fmt.Sprintf("/api/calls/%.0f/explain", call["id"])).is(http.StatusOK).shows(map[string]any{
			"charge": "60", "adjustments.0.rerate": "january", "adjustments.0.difference": "-30", "adjustments.0.before": "60",
		})

		for body, want := range map[string]int{
			`{}`: http.StatusBadRequest, `{` + filter + `,"more":1}`: http.StatusBadRequest, `{` + filter + `,"prefix":"4%"}`: http.StatusBadRequest,
			`{` + strings.Replace(filter, "half", "none", 1) + `}`:               http.StatusNotFound,
			`{` + strings.Replace(filter, "2020-01-01", "soon", 1) + `}`:         http.StatusBadRequest,
			`{` + strings.Replace(filter, "2020", "2999", 1) + `}`:               http.StatusBadRequest,
			`{` + filter + `,"user":"nobody"}`:                                   http.StatusNotFound,
			`{` + filter + `,"group":"none"}`:                                    http.StatusNotFound,
			`{` + strings.Replace(filter, `"version":1`, `"version":7`, 1) + `}`: http.StatusNotFound,
			`{` + strings.Replace(filter, `"version":1`, `"version":0`, 1) + `}`: http.StatusConflict,
		} {
			if a := s.admin.post("/api/rerates/preview", body); a.status != want {
				t.Errorf("%s: %d %s, want %d", body, a.status, a.body, want)
			}
		}
	})
}
