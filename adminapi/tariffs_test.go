package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/tariff"
)

// deck makes a tariff past the API: its version 1 has two rates, and was activated twice.
func (s *site) deck(name, currency string) {
	s.t.Helper()
	ctx := s.t.Context()
	if _, err := s.store.AddDeck(ctx, models.RateDeck{Name: name, Currency: currency, Zone: "Europe/Berlin"}, "test"); err != nil {
		s.t.Fatal(err)
	}
	_, err := s.store.ImportActiveDeckVersion(ctx, name, "", "test", time.Time{}, func(yield func(models.DeckRate) error) error {
		for _, prefix := range []string{"49", "4917"} {
			r := models.DeckRate{Rate: models.Rate{Currency: currency, Prefix: prefix, Name: "to " + prefix, PerMinute: 60 * money.Unit, First: 1, Increment: 1}}
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.ActivateDeck(ctx, name, 1, time.Time{}, "test"); err != nil {
		s.t.Fatal(err)
	}
}

// csv sends a file of rates.
func (c *client) csv(path, text string) answer {
	c.site.t.Helper()
	a := c.send(http.MethodPost, path, text, "text/csv; charset=utf-8")
	a.what = short(a.what)
	return a
}

func (c *client) put(path, body string) answer {
	c.site.t.Helper()
	return c.do(http.MethodPut, path, body)
}

// shows fails the test unless the body has these values, each under a path such as rate.prefix.
func (a answer) shows(want map[string]any) {
	a.t.Helper()
	for path, v := range want {
		var got any = a.object()
		for part := range strings.SplitSeq(path, ".") {
			switch at := got.(type) {
			case map[string]any:
				got = at[part]
			case []any:
				var i int
				if _, err := fmt.Sscan(part, &i); err != nil || i >= len(at) {
					got = nil
				} else {
					got = at[i]
				}
			default:
				got = nil
			}
		}
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		if got != v {
			a.t.Errorf("%s: %s is %v, want %v: %s", a.what, path, got, v, short(a.body))
		}
	}
}

// audit holds the books against themselves.
func (s *site) audit() {
	s.t.Helper()
	report, err := s.store.Audit(s.t.Context())
	if err != nil || !report.Clean() {
		s.t.Errorf("the books: %+v, %v", report, err)
	}
}

const firstFile = "prefix,destination,rate,connect_fee,increment\n49,Germany,0.01,,\n+4917,Germany mobile,0.12,0.05,30/6\n1,USA,0.009,,60/60\n"

// TestTariffs: one is made, filled, activated, looked at, assigned, taken back and removed.
func TestTariffs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.admin.get("/api/tariffs").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		a := s.admin.post("/api/tariffs", `{"name":"retail","currency":"EUR","zone":"Europe/Berlin","default":true}`).is(http.StatusCreated)
		a.shows(map[string]any{"name": "retail", "currency": "EUR", "zone": "Europe/Berlin", "default": true, "version": nil, "rates": 0})
		if got := a.header.Get("Location"); got != s.url+"/api/tariffs/retail" {
			t.Errorf("it is at %s", got)
		}
		s.admin.post("/api/tariffs", `{"name":"carrier","currency":"EUR"}`).is(http.StatusCreated).shows(map[string]any{"zone": "UTC", "default": false})

		// Tried, then done.
		s.admin.csv("/api/tariffs/retail/versions?dry_run=1", firstFile).is(http.StatusOK).shows(map[string]any{
			"version": 0, "rates": 3, "added.count": 3, "added.first.1.prefix": "4917", "added.first.1.line": 3, "bad.count": 0, "unchanged": 0,
		})
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{"num_results": 0})
		a = s.admin.csv("/api/tariffs/retail/versions?activate=1&note=spring", firstFile).is(http.StatusCreated)
		a.shows(map[string]any{"version": 1, "rates": 3, "added.count": 3})
		if got := a.header.Get("Location"); got != s.url+"/api/tariffs/retail/versions/1" {
			t.Errorf("it is at %s", got)
		}
		s.admin.csv("/api/tariffs/carrier/versions?activate=1", "prefix,destination,rate\n49,Germany,0.005\n4917,Germany mobile,0.3\n").is(http.StatusCreated)
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{
			"num_results": 1, "objects.0.version": 1, "objects.0.rates": 3, "objects.0.note": "spring", "objects.0.actor": "admin", "objects.0.counts": true,
		})
		s.admin.get("/api/tariffs").is(http.StatusOK).shows(map[string]any{"num_results": 2, "objects.1.name": "retail", "objects.1.version": 1, "objects.1.rates": 3})
		s.admin.get("/api/tariffs?results_per_page=1&page=2").is(http.StatusOK).shows(map[string]any{"num_results": 2, "total_pages": 2, "objects.0.name": "retail", "objects.1": nil})

		// What a call costs: 95 s in steps of 30/6 are 96 s, 0.12 × 96 ÷ 60 = 0.192, and 0.05 besides.
		s.user(models.NewUser{Username: "marta", CLID: "555000204", Currency: "EUR", Balance: 12*money.Unit + money.Unit/2})
		explain := func(number, more string) answer {
			t.Helper()
			return s.admin.get("/api/rates/explain?user=marta&number=" + url.QueryEscape(number) + more)
		}
		explain("+491711", "&seconds=95").is(http.StatusOK).shows(map[string]any{
			"user": "marta", "number": "+491711", "tariff": "retail", "version": 1, "rate.prefix": "4917", "seconds": 95, "billed_seconds": 96, "cost": "0.242", "affordable_seconds": 6222,
		})
		explain("33", "").is(http.StatusConflict).shows(map[string]any{"message": `the tariff "retail" has no rate for this number`})
		explain("4930", "&at=2000-01-01").is(http.StatusConflict)

		// Another version, from a day on that is to come.
		const second = "destination;prefix;rate;connect_fee;increment\nGermany;49;0.02;;\nGermany mobile;4917;0.12;0.05;30/6\nUK;44;0.01;;\n"
		s.admin.csv("/api/tariffs/retail/versions?dry_run=1&cost=carrier&jump=20", second).is(http.StatusOK).shows(map[string]any{
			"added.count": 1, "changed.count": 1, "removed.count": 1, "unchanged": 1, "jumps.first.0.line": 2, "below_cost.first.0.prefix": "4917",
		})
		s.admin.csv("/api/tariffs/retail/versions?from="+url.QueryEscape("2100-01-01 00:00"), second).is(http.StatusCreated).shows(map[string]any{"version": 2})
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{
			"num_results": 2, "objects.0.version": 2, "objects.0.from": "2099-12-31T23:00:00Z", "objects.0.counts": false, "objects.1.counts": true, // midnight in Berlin
		})
		explain("4930", "").is(http.StatusOK).shows(map[string]any{"cost": "0.01", "version": 1})
		explain("4930", "&at=2100-01-02").is(http.StatusOK).shows(map[string]any{"cost": "0.02", "version": 2})
		s.admin.post("/api/tariffs/retail/rollback?version=2", "").is(http.StatusOK).shows(map[string]any{"version": 1, "counts": true})
		s.admin.post("/api/tariffs/retail/rollback?version=2", "").is(http.StatusConflict).shows(map[string]any{"message": `version 2 of the tariff "retail" neither counts nor is planned`})
		explain("4930", "&at=2100-01-02").is(http.StatusOK).shows(map[string]any{"version": 1})
		s.admin.post("/api/tariffs/retail/activations", `{"version":2}`).is(http.StatusCreated).shows(map[string]any{"version": 2, "counts": true})
		explain("4930", "").is(http.StatusOK).shows(map[string]any{"version": 2})
		s.admin.post("/api/tariffs/retail/rollback", "").is(http.StatusOK).shows(map[string]any{"version": 1})
		s.admin.post("/api/tariffs/retail/rollback", "").is(http.StatusConflict).shows(map[string]any{"message": `tariff "retail": there is no version before to go back to`})
		s.admin.post("/api/tariffs/retail/activations", `{"version":2,"from":"2100-06-01 12:00"}`).is(http.StatusCreated).shows(map[string]any{"from": "2100-06-01T10:00:00Z", "counts": false})

		s.admin.get("/api/tariffs/retail/rates").is(http.StatusOK).shows(map[string]any{
			"num_results": 3, "objects.1.row": 2, "objects.1.prefix": "4917", "objects.1.rate": "0.12", "objects.1.connect_fee": "0.05", "objects.1.first": 30, "objects.1.increment": 6,
		})
		s.admin.get("/api/tariffs/retail/rates?version=2").is(http.StatusOK).shows(map[string]any{"num_results": 3, "objects.2.destination": "UK"})
		s.admin.get("/api/tariffs/retail/rates?number=49171").is(http.StatusOK).shows(map[string]any{"num_results": 2, "objects.0.prefix": "49", "objects.1.prefix": "4917"})
		s.admin.get("/api/tariffs/retail/rates?number=%2B491").is(http.StatusOK).shows(map[string]any{"num_results": 2})

		// Who has which.
		s.admin.post("/api/tariffs", `{"name":"friends","currency":"EUR"}`).is(http.StatusCreated)
		s.admin.csv("/api/tariffs/friends/versions?activate=1", "prefix,destination,rate\n4,Europe,0.001\n").is(http.StatusCreated)
		s.admin.post("/api/groups", `{"name":"team","day":31,"month":1,"year":2099,"count":1,"value":5,"users":[2]}`).is(http.StatusCreated)
		for _, path := range []string{"/api/users/marta/tariff", "/api/groups/team/tariff"} {
			s.admin.get(path).says(http.StatusOK, `{"tariff":null}`)
		}
		s.admin.put("/api/groups/team/tariff", `{"tariff":"friends"}`).says(http.StatusOK, `{"tariff":"friends"}`)
		explain("4930", "").is(http.StatusOK).shows(map[string]any{"tariff": "friends", "rate.prefix": "4"})
		s.admin.put("/api/users/marta/tariff", `{"tariff":"retail"}`).says(http.StatusOK, `{"tariff":"retail"}`)
		s.admin.get("/api/users/marta/tariff").says(http.StatusOK, `{"tariff":"retail"}`)
		s.admin.get("/api/groups/team/tariff").says(http.StatusOK, `{"tariff":"friends"}`)
		explain("4930", "").is(http.StatusOK).shows(map[string]any{"tariff": "retail"})
		for _, taken := range []string{"retail", "friends"} {
			s.admin.delete("/api/tariffs/" + taken).is(http.StatusConflict)
		}
		s.admin.put("/api/users/marta/tariff", `{"tariff":null}`).says(http.StatusOK, `{"tariff":null}`)
		s.admin.put("/api/groups/team/tariff", `{"tariff":null}`).says(http.StatusOK, `{"tariff":null}`)
		s.admin.patch("/api/tariffs/friends", `{"default":true}`).is(http.StatusOK).shows(map[string]any{"default": true})
		s.admin.get("/api/tariffs/retail").is(http.StatusOK).shows(map[string]any{"default": false})
		explain("4930", "").is(http.StatusOK).shows(map[string]any{"tariff": "friends"})
		s.admin.patch("/api/tariffs/friends", `{"default":false}`).is(http.StatusOK).shows(map[string]any{"default": false})
		s.admin.delete("/api/tariffs/friends").is(http.StatusNoContent)
		s.admin.get("/api/tariffs/friends").is(http.StatusNotFound).shows(map[string]any{"message": `tariff "friends" does not exist`})

		var actions []string
		for _, line := range s.admin.get("/api/audit?results_per_page=100").is(http.StatusOK).objects() {
			actions = append(actions, fmt.Sprint(line["action"]))
		}
		for _, action := range []string{"tariff.add", "tariff.import", "tariff.activate", "tariff.rollback", "tariff.change", "tariff.delete", "user.tariff", "group.tariff"} {
			if !strings.Contains(strings.Join(actions, " "), action) {
				t.Errorf("the audit log does not tell of %s: %v", action, actions)
			}
		}
		s.audit()
	})
}

// TestWrongTariffs: what is wrong is told, and changes nothing.
func TestWrongTariffs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.admin.post("/api/tariffs", `{"name":"retail","currency":"EUR"}`).is(http.StatusCreated)
		s.admin.csv("/api/tariffs/retail/versions?activate=1", firstFile).is(http.StatusCreated)
		s.admin.post("/api/tariffs", `{"name":"seconds","currency":"SEC"}`).is(http.StatusCreated)
		for _, c := range []struct {
			method, path, body, kind string
			status                   int
			says                     string
		}{
			{"POST", "/api/tariffs", `{"name":"retail","currency":"EUR"}`, "", 409, `there is a tariff "retail" already`},
			{"POST", "/api/tariffs", `{"name":"x"}`, "", 400, "missing field: currency"},
			{"POST", "/api/tariffs", `{"name":"x/y","currency":"EUR"}`, "", 400, "the name of a tariff"},
			{"POST", "/api/tariffs", `{"name":"x","currency":"euro"}`, "", 400, "3 to 8 capital letters"},
			{"POST", "/api/tariffs", `{"name":"x","currency":"EUR","zone":"Moon"}`, "", 400, "there is no time zone"},
			{"POST", "/api/tariffs", `{"name":"x","currency":"EUR","price":1}`, "", 400, "price: unknown field"},
			{"PATCH", "/api/tariffs/retail", `{"currency":"USD"}`, "", 400, "currency: unknown field"},
			{"PATCH", "/api/tariffs/nothing", `{"default":true}`, "", 404, `tariff "nothing" does not exist`},
			{"GET", "/api/tariffs?q={}", "", "", 400, "this list takes no q"},
			{"GET", "/api/tariffs?page=1001", "", "", 400, "after"},
			{"DELETE", "/api/tariffs/nothing", "", "", 404, "does not exist"},
			{"GET", "/api/tariffs/nothing/versions", "", "", 404, "does not exist"},
			{"GET", "/api/tariffs/seconds/rates", "", "", 404, `no version of the tariff "seconds" counts`},
			{"GET", "/api/tariffs/retail/rates?version=9", "", "", 404, `version 9 of tariff "retail" does not exist`},
			{"GET", "/api/tariffs/retail/rates?number=49a", "", "", 400, "digits"},
			{"GET", "/api/tariffs/retail/rates?page=1001", "", "", 400, "after"},
			{"POST", "/api/tariffs/retail/activations", `{"version":9}`, "", 404, "does not exist"},
			{"POST", "/api/tariffs/retail/activations", `{"version":1,"from":"2001-01-01"}`, "", 400, "from a past time on"},
			{"POST", "/api/tariffs/retail/activations", `{"version":1,"from":"someday"}`, "", 400, "is no time such as"},
			{"POST", "/api/tariffs/retail/activations", `{"version":1,"from":"9999-12-31T23:59:59-10:00"}`, "", 400, "before the year 10000"},
			{"POST", "/api/tariffs/nothing/rollback", "", "", 404, "does not exist"},
			{"POST", "/api/tariffs/retail/rollback?version=x", "", "", 400, "version must be"},
			{"PUT", "/api/users/marta/tariff", `{"tariff":"retail"}`, "", 409, "is in EUR, but the money of the user is SEC"},
			{"PUT", "/api/users/marta/tariff", `{"tariff":"nothing"}`, "", 404, "does not exist"},
			{"PUT", "/api/users/marta/tariff", `{"tariff":""}`, "", 400, "or null for none"},
			{"PUT", "/api/users/marta/tariff", `{}`, "", 400, "missing field: tariff"},
			{"PUT", "/api/users/nobody/tariff", `{"tariff":null}`, "", 404, ""},
			{"PUT", "/api/groups/nothing/tariff", `{"tariff":null}`, "", 404, ""},
			{"GET", "/api/groups/nothing/tariff", "", "", 404, ""},
			{"GET", "/api/rates/explain?user=nobody&number=49", "", "", 404, `user "nobody" does not exist`},
			{"GET", "/api/rates/explain?number=49", "", "", 400, "user is missing"},
			{"GET", "/api/rates/explain?user=marta", "", "", 400, "number must be"},
			{"GET", "/api/rates/explain?user=marta&number=49&seconds=x", "", "", 400, "seconds must be"},
			{"GET", "/api/rates/explain?user=marta&number=49&at=0000-01-01T00:00:00%2B01:00", "", "", 400, "between 1970 and 9999"},

			{"POST", "/api/tariffs/retail/versions", firstFile, "application/json", 415, "text/csv"},
			{"POST", "/api/tariffs/retail/versions", firstFile, "", 415, "text/csv"},
			{"POST", "/api/tariffs/nothing/versions", firstFile, "text/csv", 404, `tariff "nothing" does not exist`},
			{"POST", "/api/tariffs/retail/versions?activate=1&from=2100-01-01", firstFile, "text/csv", 400, "cannot go together"},
			{"POST", "/api/tariffs/retail/versions?from=2001-01-01", firstFile, "text/csv", 400, "from a past time on"},
			{"POST", "/api/tariffs/retail/versions?jump=-1", firstFile, "text/csv", 400, "jump must be"},
			{"POST", "/api/tariffs/retail/versions?dry_run=maybe", firstFile, "text/csv", 400, "dry_run must be"},
			{"POST", "/api/tariffs/retail/versions?cost=nothing", firstFile, "text/csv", 404, "does not exist"},
			{"POST", "/api/tariffs/retail/versions?cost=seconds", firstFile, "text/csv", 400, "different currencies"},
			{"POST", "/api/tariffs/retail/versions?note=" + strings.Repeat("x", 121), firstFile, "text/csv", 400, "note must"},
			{"POST", "/api/tariffs/retail/versions", "", "text/csv", 400, "the file is empty"},
			{"POST", "/api/tariffs/retail/versions", "prefix,destination\n", "text/csv", 400, `the column "rate" is missing`},
			{"POST", "/api/tariffs/retail/versions", "prefix,destination,rate\n", "text/csv", 400, "it has no rates"},
			{"POST", "/api/tariffs/retail/versions", "\xff\xfep", "text/csv", 400, "UTF-16"},
			{"POST", "/api/tariffs/retail/versions", "prefix,destination,rate\n" + strings.Repeat("49,x,free\n", 3), "text/csv", 400, "3 bad rows"},
			{"POST", "/api/tariffs/retail/versions", "prefix,destination,rate,to\n49,x,1,9999-12-31T23:59:59-10:00\n", "text/csv", 400, "1 bad rows"},
		} {
			if c.kind == "" && c.body != "" && c.body != firstFile {
				c.kind = "application/json"
			}
			a := s.admin.send(c.method, c.path, c.body, c.kind)
			if a.status != c.status || !strings.Contains(a.body, strings.ReplaceAll(c.says, `"`, `\"`)) {
				t.Errorf("%s: %d %s; want %d, %s", short(a.what), a.status, short(a.body), c.status, c.says)
			}
			if got := a.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("%s is answered with %s", short(a.what), got)
			}
		}
		// The findings are in the refusal, also of what is only tried.
		for _, query := range []string{"", "?dry_run=1"} {
			s.admin.csv("/api/tariffs/retail/versions"+query, "prefix,destination,rate\n49 30,Berlin,0.01\n49,Germany,free\n44,UK,0.01\n44,UK,0.02\n").is(http.StatusBadRequest).shows(map[string]any{
				"message": "2 bad rows and 1 duplicates; nothing was imported", "status": 400, "bad.count": 2, "bad.first.0.line": 2,
				"bad.first.0.text": `prefix: "49 30" has a blank`, "duplicates.first.0.line": 5, "duplicates.first.0.prefix": "44",
			})
		}
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{"num_results": 1, "objects.0.version": 1})
	})
}

// TestRightsOfTariffs: administrators and tokens for it change tariffs, tokens that read read them, and users are told what their own calls cost.
func TestRightsOfTariffs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.deck("retail", models.SEC)
		s.admin.post("/api/groups", `{"name":"team","day":31,"month":1,"year":2099,"count":1}`).is(http.StatusCreated)
		marta := s.login("marta")
		may := map[string]*client{
			"admin": s.admin, "nobody": s.anonymous(), "marta": marta, "read": s.program("read"), "users": s.program("users"), "money": s.program("money"), "all but admin": s.program("read", "cdr", "write", "users", "money"),
			"admin token": s.program("admin"),
		}
		admins, readers, changers := "admin, admin token", "admin, read, all but admin", "admin, users, all but admin"
		for _, c := range []struct{ method, path, body, who string }{
			{"GET", "/api/tariffs", "", readers},
			{"GET", "/api/tariffs/retail", "", readers},
			{"GET", "/api/tariffs/retail/versions", "", readers},
			{"GET", "/api/tariffs/retail/rates", "", readers},
			{"GET", "/api/users/marta/tariff", "", readers},
			{"GET", "/api/groups/team/tariff", "", readers},
			{"GET", "/api/rates/explain?user=joel&number=49", "", readers},
			{"GET", "/api/rates/explain?user=marta&number=49", "", readers + ", marta"},
			{"POST", "/api/tariffs", `{}`, admins},
			{"PATCH", "/api/tariffs/retail", `{}`, admins},
			{"POST", "/api/tariffs/retail/activations", `{}`, admins},
			{"POST", "/api/tariffs/nothing/rollback", "", admins},
			{"DELETE", "/api/tariffs/nothing", "", admins},
			{"PUT", "/api/users/marta/tariff", `{}`, changers},
			{"PUT", "/api/groups/team/tariff", `{}`, changers},
			{"POST", "/api/tariffs/retail/versions", "", admins},
		} {
			for name, who := range may {
				a := who.do(c.method, c.path, c.body)
				allowed := a.status != http.StatusForbidden && a.status != http.StatusUnauthorized
				want := strings.Contains(", "+c.who+",", ", "+name+",")
				if allowed != want {
					t.Errorf("%s: %s is answered with %d: %s", a.what, name, a.status, a.body)
				}
			}
		}
		// Nobody is asked about another by naming both.
		marta.get("/api/rates/explain?user=joel&user=marta&number=49").is(http.StatusForbidden)
		marta.get("/api/rates/explain?number=49").is(http.StatusForbidden)
		hers := s.bound("2")
		hers.get("/api/rates/explain?user=marta&number=49").is(http.StatusForbidden)
		hers.get("/api/tariffs").is(http.StatusForbidden)
	})
}

// many is a file of so many rates.
func many(n int, perMinute string) string {
	var b strings.Builder
	b.WriteString("prefix,destination,rate,increment\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,destination %d,%s,60/1\n", 10_000_000+i, i%200, perMinute)
	}
	return b.String()
}

// announced tells when an import into the tariff other has its turn.
type announced struct {
	adminapi.Tariffs

	begun chan struct{}
}

func (a announced) Deck(ctx context.Context, name string) (models.RateDeck, error) {
	if name == "other" {
		a.begun <- struct{}{}
	}
	return a.Tariffs.Deck(ctx, name)
}

// TestImportsOfManyRates: one at a time, all or nothing, and in pages.
func TestImportsOfManyRates(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const rates = 20_000
		s.deck("other", "EUR")
		s.admin.post("/api/tariffs", `{"name":"retail","currency":"EUR"}`).is(http.StatusCreated)
		s.admin.csv("/api/tariffs/retail/versions?activate=1", many(rates, "0.01")).is(http.StatusCreated).shows(map[string]any{"version": 1, "rates": rates, "added.count": rates, "added.first.999.line": 1001, "added.first.1000": nil})
		if a := s.admin.csv("/api/tariffs/retail/versions?dry_run=1&jump=50", many(rates, "0.02")).is(http.StatusOK); len(a.body) > 1<<20 {
			t.Errorf("the report has %d bytes", len(a.body))
		} else {
			a.shows(map[string]any{"changed.count": rates, "jumps.count": rates, "jumps.first.0.prefix": "10000000"})
		}

		// Pages, and what comes behind them.
		a := s.admin.get("/api/tariffs/retail/rates?page=3&results_per_page=50").is(http.StatusOK)
		a.shows(map[string]any{"num_results": rates, "page": 3, "total_pages": rates / 50, "objects.0.row": 101, "objects.49.row": 150})
		if link := a.header.Get("Link"); !strings.Contains(link, "page=4&results_per_page=50>; rel=\"next\"") {
			t.Errorf("the next page is %s", link)
		}
		a = s.admin.get(fmt.Sprintf("/api/tariffs/retail/rates?after=%d", rates-150)).is(http.StatusOK)
		a.shows(map[string]any{"objects.0.row": rates - 149, "objects.99.row": rates - 50})
		if link := a.header.Get("Link"); !strings.Contains(link, fmt.Sprintf("after=%d", rates-50)) {
			t.Errorf("the next page is %s", link)
		}
		s.admin.get("/api/tariffs/retail/rates?number=100001&results_per_page=10&page=2").is(http.StatusOK).shows(map[string]any{"num_results": 100, "total_pages": 10, "objects.0.prefix": "10000110"})
		s.admin.get("/api/tariffs/retail/rates?number=100001&results_per_page=10&after=195").is(http.StatusOK).shows(map[string]any{"objects.0.row": 196, "objects.5": nil})

		// While one goes on, another has to wait; calls and everything else do not.
		body, end := io.Pipe()
		done := make(chan error, 1)
		go func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/tariffs/other/versions", body)
			if err != nil {
				done <- err
				return
			}
			request.AddCookie(s.admin.cookie)
			request.Header.Set("Content-Type", "text/csv")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				done <- err
				return
			}
			defer response.Body.Close()
			var made struct{ Version int }
			err = json.NewDecoder(response.Body).Decode(&made)
			if response.StatusCode != http.StatusCreated || made.Version != 2 {
				err = errors.Join(err, fmt.Errorf("status %d, version %d", response.StatusCode, made.Version))
			}
			done <- err
		}()
		if _, err := io.WriteString(end, many(1000, "1")); err != nil { // enough for a client to send it
			t.Fatal(err)
		}
		<-s.deps.Tariffs.(announced).begun
		for _, query := range []string{"", "?dry_run=1"} {
			a := s.admin.csv("/api/tariffs/retail/versions"+query, firstFile).is(http.StatusTooManyRequests)
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "another file of rates is being imported") {
				t.Errorf("%v %s", a.header, a.body)
			}
		}
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{"num_results": 1})
		if err := end.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.admin.csv("/api/tariffs/retail/versions", many(3, "0.02")).is(http.StatusCreated).shows(map[string]any{"version": 2})
	}, func(d *adminapi.Deps) { d.Tariffs = announced{d.Tariffs, make(chan struct{}, 1)} })
}

// TestLongFileOfRates: more than any other body, and not without a limit.
func TestLongFileOfRates(t *testing.T) {
	onBoth(t, func(_ *testing.T, s *site) {
		s.admin.post("/api/tariffs", `{"name":"retail","currency":"EUR"}`).is(http.StatusCreated)
		line := "4930," + strings.Repeat("x", 190) + ",0.01,2026-01-01,\n"
		header := "prefix,destination,rate,from,to\n"
		s.admin.csv("/api/tariffs/retail/versions?dry_run=1", header+strings.Repeat(line, 2<<20/len(line))).is(http.StatusBadRequest) // but not for its length
		s.admin.csv("/api/tariffs/retail/versions", "prefix,destination,rate\n"+strings.Repeat("1,,1\n", 500_001)).is(http.StatusBadRequest).shows(map[string]any{"message": "it has more than 500000 rates; nothing was imported"})
		patient := *s.admin
		patient.header = http.Header{"Expect": {"100-continue"}} // else the connection may be closed before the answer is read
		patient.csv("/api/tariffs/retail/versions", strings.Repeat(line, 64<<20/len(line)+1)).is(http.StatusRequestEntityTooLarge)
		s.admin.get("/api/tariffs/retail/versions").is(http.StatusOK).shows(map[string]any{"num_results": 0})
	})
}

// TestCallsAtImportedRates: a call costs what the API told, also one that goes on while the price changes.
func TestCallsAtImportedRates(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.admin.post("/api/users", `{"username":"marta","password":"secret7","clid":"555000204","imsi":"001010000000204","admin":false,"currency":"EUR"}`).
			is(http.StatusCreated).shows(map[string]any{"currency": "EUR", "balance": "0"})
		s.admin.post("/api/balance", `{"userId":2,"value":"12.5","signal":"+"}`).is(http.StatusCreated)
		s.admin.post("/api/tariffs", `{"name":"retail","currency":"EUR","default":true}`).is(http.StatusCreated)
		s.admin.csv("/api/tariffs/retail/versions?activate=1", firstFile).is(http.StatusCreated)
		var tariffs tariff.Tariffs
		priced := policy
		priced.Rate = tariffs.Rate
		service := billing.New(billing.Options{Store: s.store, Policy: priced})
		defer service.Close()
		refresh := func() {
			t.Helper()
			if _, err := tariffs.Refresh(t.Context(), s.store); err != nil {
				t.Fatal(err)
			}
		}
		who := billing.Identity{CallerID: "555000204"}
		begin := func(id string) {
			t.Helper()
			if _, err := service.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: who, Number: "491711"}); err != nil {
				t.Fatal(err)
			}
		}
		end := func(id string, seconds int64) money.Amount {
			t.Helper()
			ms := seconds * 1000
			charge, err := service.Settle(t.Context(), billing.CallResult{
				CallID: id, Identity: who, Evidence: models.Evidence{Source: "reducer", DialStatus: "ANSWER", AnsweredMS: &ms, Over: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			return charge.Amount
		}
		refresh()
		told := s.admin.get("/api/rates/explain?user=marta&number=491711&seconds=95").is(http.StatusOK).object()["cost"]
		begin("pbx-1.1")
		s.admin.csv("/api/tariffs/retail/versions?activate=1", strings.ReplaceAll(firstFile, "0.12", "0.24")).is(http.StatusCreated)
		refresh()
		if cost := end("pbx-1.1", 95); cost.String() != told || told != "0.242" {
			t.Errorf("it costs %s, and %v was told", cost, told)
		}
		told = s.admin.get("/api/rates/explain?user=marta&number=491711&seconds=95").is(http.StatusOK).object()["cost"]
		begin("pbx-2.1")
		if cost := end("pbx-2.1", 95); cost.String() != told || told != "0.434" {
			t.Errorf("it costs %s, and %v was told", cost, told)
		}
		s.admin.get("/api/users/marta").is(http.StatusOK).shows(map[string]any{"balance": "11.824"})
		s.admin.get("/api/calls").is(http.StatusOK).shows(map[string]any{"objects.0.charge": "0.434", "objects.0.currency": "EUR"})
		s.audit()
	})
}

// TestCurrencyOfUsers is chosen when a user is made, and may be changed while he has nothing.
func TestCurrencyOfUsers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.admin.post("/api/users", `{"username":"x","password":"secret7","clid":"1","imsi":"1","admin":false,"currency":"euro"}`).is(http.StatusBadRequest)
		s.admin.post("/api/users", newUser("ana", "555000301")).is(http.StatusCreated).shows(map[string]any{"currency": "SEC", "id_": 3})
		s.deck("seconds", models.SEC)
		s.admin.put("/api/users/ana/tariff", `{"tariff":"seconds"}`).is(http.StatusOK)
		s.admin.patch("/api/users/ana", `{"currency":"euro"}`).is(http.StatusBadRequest)
		s.admin.patch("/api/users/ana", `{"currency":"EUR","name":"Ana"}`).is(http.StatusOK).shows(map[string]any{"currency": "EUR", "name": "Ana"})
		s.admin.get("/api/users/ana/tariff").says(http.StatusOK, `{"tariff":null}`) // it is in SEC
		s.admin.post("/api/balance", `{"userId":3,"value":"0.5","signal":"+"}`).is(http.StatusCreated)
		s.admin.get("/api/ledger?user=ana").is(http.StatusOK).shows(map[string]any{"objects.0.currency": "EUR", "objects.0.amount": "0.5"})

		refused := func(name, why string) {
			t.Helper()
			a := s.admin.patch("/api/users/"+name, `{"currency":"USD","name":"nothing of this"}`).is(http.StatusConflict)
			if !strings.Contains(a.body, why) {
				t.Errorf("%s", a.body)
			}
			if got := s.admin.get("/api/users/" + name).object(); got["currency"] == "USD" || got["name"] == "nothing of this" {
				t.Errorf("half of it is done: %v", got)
			}
		}
		refused("ana", "the balance is not 0")
		s.admin.post("/api/balance", `{"userId":3,"value":"0.5","signal":"-"}`).is(http.StatusCreated)
		s.admin.post("/api/balance", `{"userId":3,"value":"0.5","signal":"+","expires":"30d"}`).is(http.StatusCreated)
		refused("ana", "with all promotional credit")
		s.promotionsExpire()
		s.admin.patch("/api/users/ana", `{"currency":"SEC"}`).is(http.StatusOK).shows(map[string]any{"currency": "SEC", "balance": "0"})
		s.admin.post("/api/balance", `{"userId":3,"value":7,"signal":"+"}`).is(http.StatusCreated)
		s.admin.get("/api/users/ana").is(http.StatusOK).shows(map[string]any{"balance": "7", "available": "7"})
		s.admin.post("/api/balance", `{"userId":3,"value":7,"signal":"-"}`).is(http.StatusCreated)
		s.admin.patch("/api/users/ana", `{"currency":"EUR"}`).is(http.StatusOK)
		s.admin.post("/api/balance", `{"userId":3,"value":"0.5","signal":"+"}`).is(http.StatusCreated)
		refused("ana", "the balance is not 0")
		refused("marta", "the currency of marta stays SEC")
		s.admin.post("/api/users", newUser("joel", "555000302")).is(http.StatusCreated)
		s.admin.post("/api/groups", `{"name":"team","day":31,"month":1,"year":2099,"count":1,"users":[4]}`).is(http.StatusCreated)
		refused("joel", "take the user out of all groups first")
		s.login("marta").patch("/api/users/marta", `{"currency":"EUR"}`).is(http.StatusForbidden)
		s.admin.patch("/api/users", `{"q":{"filters":[{"name":"username","op":"in","val":["joel","marta"]}]},"currency":"EUR"}`).is(http.StatusConflict)

		line := s.admin.get("/api/audit?q=" + url.QueryEscape(`{"filters":[{"name":"action","op":"eq","val":"user.change"},{"name":"target","op":"eq","val":"ana"}],"limit":1,"order_by":[{"field":"id"}]}`)).is(http.StatusOK)
		line.shows(map[string]any{"objects.0.before.currency": "SEC", "objects.0.after.currency": "EUR", "objects.0.actor": "admin"})
		s.audit()
	})
}

// TestTariffsMissing: a server without tariffs has no such routes.
func TestTariffsMissing(t *testing.T) {
	onBoth(t, func(_ *testing.T, s *site) { s.admin.get("/api/tariffs").is(http.StatusNotFound) }, func(d *adminapi.Deps) { d.Tariffs = nil })
}
