package adminapi_test

import (
	"net/http"
	"testing"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// carrier makes a carrier past the API.
func (s *site) carrier(name string) {
	s.t.Helper()
	c := models.Carrier{Name: name, Dial: "PJSIP/{number}@" + name, Enabled: true}
	if _, err := s.store.AddCarrier(s.t.Context(), c, "test"); err != nil {
		s.t.Fatal(err)
	}
}

// route makes a route past the API.
func (s *site) route(prefix string, carriers ...string) {
	s.t.Helper()
	r := models.Route{Prefix: prefix, Order: models.OrderListed, Loss: models.LossSkip, Names: carriers}
	if _, err := s.store.AddRoute(s.t.Context(), r, "test"); err != nil {
		s.t.Fatal(err)
	}
}

// TestCarriersAndRoutes: they are made, looked at, changed, explained and removed.
func TestCarriersAndRoutes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.deck("retail", "EUR")
		s.user(models.NewUser{Username: "marta", CLID: "555000204", Currency: "EUR", Balance: 1000 * money.Unit})
		if err := s.store.SetDefaultDeck(t.Context(), "retail", true, "test"); err != nil {
			t.Fatal(err)
		}
		s.deck("dear", "EUR")
		s.admin.csv("/api/tariffs/dear/versions?activate=1", "prefix,destination,rate\n49,Germany,61\n").is(http.StatusCreated)
		s.admin.get("/api/carriers").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		s.admin.get("/api/routes").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)

		a := s.admin.post("/api/carriers", `{"name":"north","dial":"PJSIP/{number}@north","strip":2,"prepend":"0","tariff":"retail","channels":7}`).is(http.StatusCreated)
		a.shows(map[string]any{"name": "north", "dial": "PJSIP/{number}@north", "strip": 2, "prepend": "0", "tariff": "retail", "currency": "EUR", "channels": 7, "calls": 0, "enabled": true})
		if got := a.header.Get("Location"); got != s.url+"/api/carriers/north" {
			t.Errorf("he is at %s", got)
		}
		s.admin.post("/api/carriers", `{"name":"dear","dial":"PJSIP/{number}@dear","tariff":"dear"}`).is(http.StatusCreated).shows(map[string]any{"channels": 0, "strip": 0, "prepend": ""})
		s.admin.post("/api/carriers", `{"name":"unknown","dial":"PJSIP/{number}@unknown","enabled":false}`).is(http.StatusCreated).shows(map[string]any{"tariff": nil, "currency": nil, "enabled": false})
		s.admin.get("/api/carriers?results_per_page=1&page=2").is(http.StatusOK).shows(map[string]any{"num_results": 3, "objects.0.name": "north", "objects.1": nil})

		a = s.admin.post("/api/routes", `{"prefix":"+49","carriers":["dear","north","unknown"]}`).is(http.StatusCreated)
		a.shows(map[string]any{
			"prefix": "49", "order": "listed", "loss": "skip", "carriers.0": "dear", "carriers.2": "unknown",
			"warnings.0": "route 49: nobody knows what carrier unknown asks, so that calls by him may cost more than is charged",
		})
		if got := a.header.Get("Location"); got != s.url+"/api/routes/49" {
			t.Errorf("it is at %s", got)
		}
		s.admin.post("/api/routes", `{"prefix":"all","carriers":["north"],"order":"cheapest","loss":"alert"}`).is(http.StatusCreated).shows(map[string]any{"prefix": "all", "loss": "alert"})
		s.admin.get("/api/routes").is(http.StatusOK).shows(map[string]any{"num_results": 2, "objects.0.prefix": "all", "objects.1.prefix": "49"})

		explain := func(more string) answer {
			t.Helper()
			return s.admin.get("/api/routes/explain?user=marta&number=" + more)
		}
		explain("%2B4930123").is(http.StatusOK).shows(map[string]any{
			"user": "marta", "route": "49", "order": "listed", "loss": "skip", "minute": "60", "sell.prefix": "49", "refused": "",
			"carriers.0.carrier": "dear", "carriers.0.tried": false, "carriers.0.skipped": "he asks more than is charged", "carriers.0.loses": true, "carriers.0.minute": "61",
			"carriers.1.carrier": "north", "carriers.1.tried": true, "carriers.1.sent": "030123", "carriers.1.target": "PJSIP/030123@north", "carriers.1.loses": false, "carriers.1.channels": 7,
			"carriers.2.skipped": "he is disabled", "carriers.2.buy": nil, "carriers.2.loses": nil,
		})
		explain("33").is(http.StatusConflict) // it has no rate
		s.admin.patch("/api/carriers/north", `{"enabled":false}`).is(http.StatusOK).shows(map[string]any{"enabled": false, "channels": 7})
		explain("4930123").is(http.StatusOK).shows(map[string]any{"refused": "no carrier takes a call to this number for what is charged"})
		s.admin.patch("/api/routes/49", `{"loss":"allow","order":"cheapest","carriers":["north","dear"]}`).is(http.StatusOK).shows(map[string]any{
			"loss": "allow", "order": "cheapest", "carriers.0": "north", "carriers.2": nil, "warnings.0": nil,
		})
		explain("4930123").is(http.StatusOK).shows(map[string]any{"carriers.1.carrier": "dear", "carriers.1.tried": true, "refused": ""})
		s.admin.patch("/api/carriers/north", `{"enabled":true,"tariff":null,"channels":0,"strip":0,"prepend":"","dial":"PJSIP/{number}@south"}`).is(http.StatusOK).shows(map[string]any{
			"tariff": nil, "channels": 0, "strip": 0, "prepend": "", "dial": "PJSIP/{number}@south",
		})
		s.admin.patch("/api/carriers/north", `{}`).is(http.StatusOK)
		s.admin.patch("/api/routes/49", `{}`).is(http.StatusOK)

		// What is wrong is told, and changes nothing.
		for body, why := range map[string]string{
			`{"name":"x","dial":"PJSIP/1@x"}`:                      "with {number} where the number goes",
			`{"name":"x","dial":"Local/{number}@x"}`:               "a technology of TALKTIME_DIAL_TECHS",
			`{"name":"x","dial":"PJSIP/{number}@x,60,g"}`:          "gives nothing that can be dialled",
			`{"name":"x y","dial":"PJSIP/{number}@x"}`:             "the name of a carrier must be",
			`{"name":"x","dial":"PJSIP/{number}@x","prepend":"a"}`: "prepend must be",
			`{"name":"x","dial":"PJSIP/{number}@x","strip":41}`:    "strip must be",
			`{"name":"x","dial":"PJSIP/{number}@x","channels":-1}`: "channels must be",
			`{"name":"x","dial":"PJSIP/{number}@x","shoes":1}`:     "shoes",
			`{"name":"x"}`: "missing field: dial",
			`{"name":"x","dial":"PJSIP/{number}@x","tariff":7,"strip":{}}`: "strip must be a number",
		} {
			s.admin.post("/api/carriers", body).is(http.StatusBadRequest).has(why)
		}
		s.admin.post("/api/carriers", `{"name":"x","dial":"PJSIP/{number}@x","tariff":"nothing"}`).is(http.StatusNotFound)
		s.admin.post("/api/carriers", `{"name":"north","dial":"PJSIP/{number}@x"}`).is(http.StatusConflict).has(`there is a carrier \"north\" already`)
		for body, why := range map[string]string{
			`{"prefix":"x","carriers":["north"]}`:                  "must have 1 to 16 digits",
			`{"prefix":"","carriers":["north"]}`:                   "prefix must be the first digits",
			`{"prefix":"4","carriers":[]}`:                         "carriers must be a list",
			`{"prefix":"4","carriers":[null]}`:                     "carriers must be a list",
			`{"prefix":"4","carriers":"north"}`:                    "carriers must be a list",
			`{"prefix":"4","carriers":["north","north"]}`:          "each carrier once",
			`{"prefix":"4","carriers":["north"],"order":"random"}`: "order must be listed or cheapest",
			`{"prefix":"4","carriers":["north"],"loss":"hope"}`:    "loss must be skip",
		} {
			s.admin.post("/api/routes", body).is(http.StatusBadRequest).has(why)
		}
		s.admin.post("/api/routes", `{"prefix":"4","carriers":["nobody"]}`).is(http.StatusNotFound)
		s.admin.post("/api/routes", `{"prefix":"49","carriers":["north"]}`).is(http.StatusConflict).has("there is a route for 49 already")
		s.admin.get("/api/routes/4").is(http.StatusNotFound).has(`route \"4\" does not exist`)
		s.admin.get("/api/routes/%C3%BC").is(http.StatusNotFound)
		s.admin.get("/api/carriers/nobody").is(http.StatusNotFound)
		s.admin.patch("/api/carriers/nobody", `{"strip":1}`).is(http.StatusNotFound)
		s.admin.patch("/api/routes/4", `{"loss":"skip"}`).is(http.StatusNotFound)
		explain("x").is(http.StatusBadRequest)
		explain("49&at=someday").is(http.StatusBadRequest)
		s.admin.get("/api/routes/explain?number=49").is(http.StatusBadRequest)
		s.admin.get("/api/routes/explain?number=49&user=nobody").is(http.StatusNotFound)

		// In use.
		s.admin.delete("/api/carriers/north").is(http.StatusConflict).has("takes calls of the routes all, 49")
		s.admin.delete("/api/tariffs/dear").is(http.StatusConflict).has("1 carriers ask")
		s.admin.delete("/api/routes/49").is(http.StatusNoContent)
		s.admin.delete("/api/routes/all").is(http.StatusNoContent)
		s.admin.delete("/api/routes/49").is(http.StatusNotFound)
		explain("4930123").is(http.StatusOK).shows(map[string]any{"route": nil, "carriers.0": nil})
		s.admin.delete("/api/carriers/north").is(http.StatusNoContent)
		s.admin.delete("/api/carriers/dear").is(http.StatusNoContent)
		s.admin.delete("/api/carriers/dear").is(http.StatusNotFound)
		s.admin.delete("/api/tariffs/dear").is(http.StatusNoContent)

		actions := map[string]int{}
		for _, line := range s.admin.get("/api/audit?results_per_page=100").objects() {
			actions[line["action"].(string)]++
		}
		for action, want := range map[string]int{"carrier.add": 3, "carrier.change": 3, "carrier.delete": 2, "route.add": 2, "route.change": 2, "route.delete": 2} {
			if actions[action] != want {
				t.Errorf("%s is logged %d times, want %d", action, actions[action], want)
			}
		}
		s.audit()
	})
}

// TestRoutesWithoutRouting: a site without routing has no such paths.
func TestRoutesWithoutRouting(t *testing.T) {
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Routing = nil })
	s.admin.get("/api/routes").is(http.StatusNotFound)
	s.admin.get("/api/carriers").is(http.StatusNotFound)
}
