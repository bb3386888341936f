package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"talktime/billing"
)

// TestLimits: those of users, groups and everybody are set, shown with where they come from, hold, and are taken away.
func TestLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.admin.post("/api/groups", `{"name":"team","day":31,"month":1,"year":2099,"count":1,"value":5,"users":[2]}`).is(http.StatusCreated)
		none := `{"calls":0,"seconds":0,"hour":"0","day":"0","blocked":[],"allowed":[],"quiet":[],"new_countries":null,"premium":[],"premium_calls":0`
		s.admin.get("/api/limits").says(http.StatusOK, none+"}")
		s.admin.get("/api/groups/team/limits").says(http.StatusOK, none+`,"shared_calls":0,"shared_open":0}`)
		s.admin.get("/api/users/marta/limits").says(http.StatusOK, `{"own":`+none+`},"effective":`+none+`},"sources":[],"shared":[]}`)

		s.admin.put("/api/limits", `{"calls":9,"seconds":600,"quiet":["22:00-06:00","sat,sun 00:00-00:00"]}`).is(http.StatusOK).shows(map[string]any{
			"calls": 9, "quiet.0": "22:00-06:00", "quiet.1": "sat,sun 00:00-00:00", "hour": "0",
		})
		s.admin.put("/api/groups/team/limits", `{"calls":4,"hour":"10.5","shared_calls":7}`).is(http.StatusOK).shows(map[string]any{"calls": 4, "hour": "10.5", "shared_calls": 7, "shared_open": 0, "seconds": 0})
		s.admin.put("/api/users/marta/limits", `{"calls":2,"day":20,"blocked":["900"],"allowed":["49","4930"],"new_countries":0,"premium":["800"],"premium_calls":3}`).is(http.StatusOK).shows(map[string]any{
			"own.calls": 2, "own.hour": "0", "own.day": "20", "own.new_countries": 0, "effective.calls": 2, "effective.hour": "10.5", "effective.seconds": 600,
			"sources.0.limit": "calls", "sources.0.from": "user", "sources.0.group": nil, "sources.2.limit": "hour", "sources.2.from": "group", "sources.2.group": "team",
			"sources.1.from": "site", "shared.0.group": "team", "shared.0.calls": 7, "shared.0.open": 0,
		})
		s.login("marta").get("/api/users/marta/limits").is(http.StatusOK).shows(map[string]any{"effective.calls": 2})
		s.login("marta").get("/api/users/joel/limits").is(http.StatusForbidden)
		s.login("marta").put("/api/users/marta/limits", `{}`).is(http.StatusForbidden)
		s.admin.get("/api/users/joel/limits").is(http.StatusOK).shows(map[string]any{"own.calls": 0, "effective.calls": 9, "sources.0.from": "site"})

		// PUT replaces all.
		s.admin.put("/api/users/marta/limits", `{"seconds":30,"new_countries":null}`).is(http.StatusOK).shows(map[string]any{"own.calls": 0, "own.new_countries": nil, "effective.calls": 4, "effective.seconds": 30})
		s.admin.put("/api/groups/team/limits", `{"shared_calls":7}`).is(http.StatusOK).shows(map[string]any{"calls": 0, "hour": "0", "shared_calls": 7})
		s.admin.delete("/api/users/marta/limits").is(http.StatusNoContent)
		s.admin.delete("/api/groups/team/limits").is(http.StatusNoContent)
		s.admin.delete("/api/limits").is(http.StatusNoContent)
		s.admin.get("/api/users/marta/limits").says(http.StatusOK, `{"own":`+none+`},"effective":`+none+`},"sources":[],"shared":[]}`)

		for _, wrong := range []struct {
			method, path, body string
			status             int
			says               string
		}{
			{"PUT", "/api/limits", `{"calls":-1}`, 400, "calls must be a whole number between 0"},
			{"PUT", "/api/limits", `{"hour":"-1"}`, 400, "in an hour or a day must be from 0"},
			{"PUT", "/api/limits", `{"hour":"x"}`, 400, "hour must be a decimal number"},
			{"PUT", "/api/limits", `{"blocked":"900"}`, 400, "blocked must be a list of strings"},
			{"PUT", "/api/limits", `{"blocked":null}`, 400, "blocked must be a list of strings"},
			{"PUT", "/api/limits", `{"blocked":["9a"]}`, 400, "in blocked must have 1 to 16 digits"},
			{"PUT", "/api/limits", `{"quiet":["noon"]}`, 400, "is no window of time"},
			{"PUT", "/api/limits", `{"shared_calls":1}`, 400, "shared_calls: unknown field"},
			{"PUT", "/api/users/marta/limits", `{"shared_calls":1}`, 400, "shared_calls: unknown field"},
			{"PUT", "/api/users/marta/limits", `{"blocked":["49"],"allowed":["49"]}`, 400, "cannot be both blocked and allowed"},
			{"PUT", "/api/users/marta/limits", `{"new_countries":-1}`, 400, "new_countries"},
			{"PUT", "/api/users/nobody/limits", `{}`, 404, ""},
			{"GET", "/api/users/nobody/limits", "", 404, ""},
			{"DELETE", "/api/users/nobody/limits", "", 404, ""},
			{"PUT", "/api/groups/nothing/limits", `{}`, 404, ""},
			{"GET", "/api/groups/nothing/limits", "", 404, ""},
			{"DELETE", "/api/groups/nothing/limits", "", 404, ""},
		} {
			a := s.admin.send(wrong.method, wrong.path, wrong.body, "application/json")
			if a.is(wrong.status); wrong.says != "" {
				a.has(wrong.says)
			}
		}
		s.admin.get("/api/limits").says(http.StatusOK, none+"}")

		var actions []string
		for _, line := range s.admin.get("/api/audit?results_per_page=100").is(http.StatusOK).objects() {
			actions = append(actions, fmt.Sprint(line["action"]))
		}
		for _, action := range []string{"site.limits", "group.limits", "user.limits"} {
			if !strings.Contains(strings.Join(actions, " "), action) {
				t.Errorf("the audit log does not tell of %s: %v", action, actions)
			}
		}
		s.audit()
	})
}

// TestRefusals: what users were refused is listed with the rule that did it, and found.
func TestRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.admin.get("/api/refusals").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		s.admin.put("/api/users/marta/limits", `{"blocked":["900"],"calls":1}`).is(http.StatusOK)
		service := billing.New(billing.Options{Store: s.store, Policy: policy, Lanes: 1})
		t.Cleanup(service.Close)
		ask := func(callID, clid, number string) {
			_, _ = service.Authorize(t.Context(), billing.CallRequest{CallID: callID, Identity: billing.Identity{CallerID: clid}, Number: number})
		}
		ask("pbx-1", "555000204", "9001234")
		ask("pbx-2", "555000204", "4930123456")
		ask("pbx-3", "555000204", "4930123456")
		ask("pbx-4", "555000205", "4930123456") // who has no money
		ask("pbx-5", "555999999", "4930123456") // whom nobody knows
		s.admin.get("/api/refusals").is(http.StatusOK).shows(map[string]any{
			"num_results": 3, "objects.0.user.username": "joel", "objects.0.status": "NOCREDIT", "objects.0.rule": "", "objects.0.reason": "no credit",
			"objects.1.rule": "calls", "objects.1.call_id": "pbx-3", "objects.2.rule": "blocked", "objects.2.status": "LIMIT", "objects.2.number": "9001234", "objects.2.caller_id": "555000204",
		})
		s.admin.get("/api/refusals?user=marta&results_per_page=1").is(http.StatusOK).shows(map[string]any{"num_results": 2, "objects.0.rule": "calls", "objects.1": nil})
		for _, filter := range []string{
			`{"name":"rule","op":"eq","val":"blocked"}`, `{"name":"number","op":"eq","val":"9001234"}`, `{"name":"status","op":"eq","val":"NOCREDIT"}`, `{"name":"user","op":"eq","val":"joel"}`,
		} {
			s.admin.get("/api/refusals?q=" + url.QueryEscape(`{"filters":[`+filter+`]}`)).is(http.StatusOK).shows(map[string]any{"num_results": 1})
		}
		s.admin.get("/api/refusals?q=" + url.QueryEscape(`{"filters":[{"name":"at","op":"lt","val":"2020-01-01"}]}`)).is(http.StatusOK).shows(map[string]any{"num_results": 0})
		s.admin.get("/api/refusals?q=" + url.QueryEscape(`{"filters":[{"name":"reason","op":"eq","val":"x"}]}`)).is(http.StatusBadRequest)
		s.login("marta").get("/api/refusals").is(http.StatusForbidden)

		// On the pages.
		s.admin.get("/refused").is(http.StatusOK).has("9001234").has("numbers that begin like this are blocked").has("joel")
		if a := s.admin.get("/refused?user=joel").is(http.StatusOK).has("no credit"); strings.Contains(a.body, "9001234") {
			t.Error("calls of others are in the list of one")
		}
		s.admin.get("/refused?user=nobody").is(http.StatusBadRequest).has("There is no such user.")
		s.admin.get("/calls").is(http.StatusOK).has(`href="/refused"`)
		s.admin.get("/users/marta").is(http.StatusOK).has("at most 1 calls at once").has("no numbers that begin with 900")
		s.login("marta").get("/refused").is(http.StatusForbidden)
		s.audit()
	})
}
