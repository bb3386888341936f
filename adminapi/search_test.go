package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// found asks for a list by a query, and returns one field of each object.
func (c *client) found(path, q, field string) string {
	c.site.t.Helper()
	a := c.get(path + "?results_per_page=100&q=" + url.QueryEscape(q)).is(http.StatusOK)
	var values []string
	for _, o := range a.objects() {
		values = append(values, fmt.Sprint(o[field]))
	}
	if n := a.object()["num_results"]; n != float64(len(values)) {
		c.site.t.Errorf("%s: %v results, %d objects", q, n, len(values))
	}
	return strings.Join(values, " ")
}

// TestSearch is checklist 9, but for groups.
func TestSearch(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 2
		s.joel()  // 3
		s.user(models.NewUser{Username: "Ana", CLID: "777", Balance: 5 * money.Unit})
		s.call("pbx-1.1", "555000204", "555000205", 42)
		s.call("pbx-1.2", "555000204", "59899123000", 10)
		where := func(filters string) string { return `{"filters":[` + filters + `]}` }
		for _, tt := range []struct{ q, want string }{
			{`{}`, "admin marta joel Ana"},
			{where(`{"name":"username","op":"==","val":"marta"}`), "marta"},
			{where(`{"name":"clid","op":"eq","val":"555000205"}`), "joel"},
			{where(`{"name":"id_","op":"equals","val":3}`), "joel"},
			{where(`{"name":"id_","op":"equal_to","val":"3"}`), "joel"},
			{where(`{"name":"id_","op":"!=","val":3}`), "admin marta Ana"},
			{where(`{"name":"imsi","op":"does_not_equal","val":"x"}`), "marta joel"}, // null satisfies nothing
			{where(`{"name":"id_","op":"gt","val":2}`), "joel Ana"},
			{where(`{"name":"id_","op":">=","val":2},{"name":"id_","op":"lt","val":4}`), "marta joel"},
			{where(`{"name":"id_","op":"in","val":[2,4]}`), "marta Ana"},
			{where(`{"name":"id_","op":"not_in","val":[2,4]}`), "admin joel"},
			{where(`{"name":"id_","op":"in","val":[]}`), ""},
			{where(`{"name":"imsi","op":"is_null"}`), "admin Ana"},
			{where(`{"name":"clid","op":"is_not_null"}`), "marta joel Ana"},
			{where(`{"name":"username","op":"like","val":"%a%"}`), "admin marta Ana"},
			{where(`{"name":"username","op":"like","val":"a%"}`), "admin"},
			{where(`{"name":"username","op":"ilike","val":"a%"}`), "admin Ana"},
			{where(`{"name":"username","op":"eq","val":"ana"}`), ""},
			{where(`{"name":"admin","op":"eq","val":true}`), "admin"},
			{where(`{"name":"level","op":"eq","val":0}`), "admin"},
			{where(`{"name":"BallanceUser","op":"gt","val":100}`), "marta"},
			{where(`{"name":"balance","op":"eq","val":"128"}`), "marta"},
			{where(`{"or":[{"name":"id_","op":"eq","val":1},{"and":[{"name":"id_","op":"gt","val":2},{"name":"imsi","op":"is_null"}]}]}`), "admin Ana"},
			{where(`{"name":"originated_calls","op":"any","val":{"name":"billsec","op":"ge","val":42}}`), "marta"},
			{where(`{"name":"received_calls__billsec","op":"any","val":42}`), "joel"},
			{`{"order_by":[{"field":"username","direction":"desc"}],"filters":[{"name":"id_","op":"gt","val":1}]}`, "marta joel Ana"},
			{`{"order_by":[{"field":"admin"},{"field":"id_","direction":"desc"}]}`, "Ana joel marta admin"},
			{`{"group_by":[{"field":"admin"}]}`, "admin marta"},
			{`{"limit":2,"offset":1}`, "marta joel"},
			{`{"limit":2,"offset":9}`, ""},
			{`{"filters":[{"name":"id_","op":"gt","field":"id_"}]}`, ""},
		} {
			if got := s.admin.found("/api/users", tt.q, "username"); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.q, got, tt.want)
			}
		}
		for _, tt := range []struct{ path, q, field, want string }{
			{"/api/balance", where(`{"name":"usersId","op":"eq","val":2},{"name":"signal","op":"eq","val":"-"}`), "value", "42 10"},
			{"/api/balance", where(`{"name":"date","op":"lt","val":"CURRENT_DATE"}`), "value", ""},
			{"/api/balance", where(`{"name":"date","op":"le","val":"2100-01-01T00:00:00"},{"name":"value","op":"gt","val":100}`), "value", "180"},
			{"/api/cdr", where(`{"name":"to_user_id","op":"is_null"}`), "billsec", "10"},
			{"/api/cdr", where(`{"name":"to_user__username","op":"has","val":"joel"}`), "billsec", "42"},
			{"/api/cdr", where(`{"name":"answer","op":"gt","val":"2020-01-01T00:00:00"},{"name":"answer","op":"lt","val":"2100-01-01"}`), "billsec", "42 10"},
			{"/api/cdr", where(`{"name":"answer","op":"gt","val":"2100-01-01T00:00:00"}`), "billsec", ""},
			{"/api/calls", where(`{"name":"charge","op":"ge","val":"42"}`), "number", "555000205"},
			{"/api/calls", where(`{"name":"state","op":"eq","val":"open"}`), "number", ""},
			{"/api/ledger", where(`{"name":"kind","op":"eq","val":"call"}`), "amount", "-10 -42"},
			{"/api/holds", where(`{"name":"number","op":"like","val":"5%"}`), "number", ""},
			{"/api/audit", where(`{"name":"action","op":"eq","val":"nothing"}`), "action", ""},
		} {
			if got := s.admin.found(tt.path, tt.q, tt.field); got != tt.want {
				t.Errorf("%s %s: %q, want %q", tt.path, tt.q, got, tt.want)
			}
		}
		ask := func(q string) answer { return s.admin.get("/api/users?q=" + url.QueryEscape(q)) }
		// A server cannot compare this with digits, and says so; it is the client's mistake.
		if a := ask(where(`{"name":"clid","op":"eq","val":"ü"}`)); a.status != http.StatusOK && a.status != http.StatusBadRequest {
			t.Errorf("%d %s", a.status, a.body)
		}
		if one := ask(`{"single":true,"filters":[{"name":"id_","op":"eq","val":2}]}`).is(http.StatusOK).object(); one["username"] != "marta" {
			t.Errorf("%v", one)
		}
		ask(`{"single":true,"filters":[{"name":"id_","op":"eq","val":99}]}`).says(http.StatusNotFound, `{"message":"No result found"}`)
		ask(`{"single":true}`).says(http.StatusBadRequest, `{"message":"Multiple results found"}`)
		for _, q := range []string{"{", "nonsense", " "} {
			ask(q).says(http.StatusBadRequest, `{"message":"Unable to decode data"}`)
		}
		const noValue = `id_ cannot be compared with null, or nothing: is_null and is_not_null are for that`
		for q, why := range map[string]string{
			where(`{"name":"password","op":"eq","val":"x"}`): `there is no field "password"`, where(`{"name":"password_hash","op":"like","val":"$%"}`): `there is no field "password_hash"`,
			`{"order_by":[{"field":"password"}]}`: `there is no field "password"`, `{"group_by":[{"field":"password"}]}`: `there is no field "password"`,
			where(`{"name":"id_","op":"eq","val":null}`): noValue, where(`{"name":"id_","op":"eq"}`): noValue, where(`{"name":"id_","op":"asc"}`): `the filter of "id_" has no operator that there is`,
			where(`{"name":"originated_calls__from_user__password","op":"any","val":1}`): `there is no relation "from_user"`, `[]`: `it must be an object`,
			`{"limit":-1}`: `limit must be a whole number from 0 to 9007199254740992`, where(`{"name":"received_calls","op":"has","val":{"name":"billsec","op":"eq","val":1}}`): `has is not for the relation received_calls`,
			`{"filter":[{"name":"id_","op":"eq","val":2}]}`: `there is no part "filter" of a query; there are filters, order_by, group_by, limit, offset, single`, // and not everything there is
			where(`{"name":"id_","op":"eq","val":"a<b>"}`):  `id_ cannot be compared with such a value`,
		} {
			a := ask(q).is(http.StatusBadRequest)
			if o := a.object(); o["message"] != "Unable to construct query" || o["detail"] != why {
				t.Errorf("%s: %s, want %q", q, a.body, why)
			}
		}
		s.admin.get("/api/users?after=1&q=" + url.QueryEscape(`{"order_by":[{"field":"username"}]}`)).is(http.StatusBadRequest)
		if a := s.admin.get("/api/calls?q=7").is(http.StatusBadRequest); a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s", a.body)
		}

		// Change many.
		s.admin.patch("/api/users", `{"name":"Kin","q":{"filters":[{"name":"id_","op":"in","val":[2,3]}]}}`).says(http.StatusOK, `{"num_modified":2}`)
		if got := s.admin.found("/api/users", where(`{"name":"name","op":"eq","val":"Kin"}`), "username"); got != "marta joel" {
			t.Errorf("changed: %s", got)
		}
		s.admin.patch("/api/users", `{"name":"Kin","q":{"filters":[{"name":"id_","op":"eq","val":99}]}}`).says(http.StatusOK, `{"num_modified":0}`)
		s.admin.patch("/api/users", `{"clid":"888","q":{"filters":[{"name":"id_","op":"in","val":[2,3]}]}}`).is(http.StatusConflict)
		if got := s.admin.found("/api/users", where(`{"name":"clid","op":"eq","val":"888"}`), "username"); got != "" {
			t.Errorf("half a change was made: %s", got)
		}
		s.admin.patch("/api/users", `{"shoes":1,"q":{"filters":[{"name":"id_","op":"eq","val":2}]}}`).is(http.StatusBadRequest)
		s.admin.patch("/api/users", `{"admin":false,"q":{"filters":[{"name":"id_","op":"gt","val":0}]}}`).says(http.StatusConflict, `{"message":"this is the last administrator"}`)
	})
}

// TestCountsOfMany: exact up to ten thousand, and beyond as far as the time allows.
func TestCountsOfMany(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.fill(10_500)
	a := s.admin.get("/api/users?page=2&results_per_page=100").is(http.StatusOK)
	if got := a.object()["num_results"]; got != 10_501.0 || a.header.Get("X-Count") != "" {
		t.Errorf("%v, %q", got, a.header.Get("X-Count"))
	}
	a = s.admin.get("/api/users?q=" + url.QueryEscape(`{"filters":[{"name":"id_","op":"le","val":10010}]}`)).is(http.StatusOK)
	if got := a.object()["num_results"]; got != 10_001.0 && a.header.Get("X-Count") == "" { // admin, and 10,000
		t.Errorf("%v, %q", got, a.header.Get("X-Count"))
	}
	a = s.admin.get("/api/users?q=" + url.QueryEscape(`{"filters":[{"name":"id_","op":"le","val":10009}]}`)).is(http.StatusOK)
	if got := a.object()["num_results"]; got != 10_000.0 || a.header.Get("X-Count") != "" {
		t.Errorf("%v, %q", got, a.header.Get("X-Count"))
	}
	s.admin.get("/api/users?page=1001&results_per_page=10").is(http.StatusBadRequest)
	if a := s.admin.get("/api/users?page=1000&results_per_page=10").is(http.StatusOK); !strings.Contains(a.header.Get("Link"), "after=10009>; rel=\"next\"") {
		t.Errorf("%s", a.header.Get("Link"))
	}
	// A ledger so long is not counted further, and read to its end all the same.
	a = s.admin.get("/api/ledger?user=admin&page=101&results_per_page=100").is(http.StatusOK)
	if got := a.object()["num_results"]; got != 10_001.0 || a.header.Get("X-Count") != "at-least" || len(a.objects()) != 100 ||
		!strings.Contains(a.header.Get("Link"), `page=102&results_per_page=100&user=admin>; rel="next"`) || strings.Contains(a.header.Get("Link"), "last") {
		t.Errorf("%v, %q, %s", got, a.header.Get("X-Count"), a.header.Get("Link"))
	}
	if a = s.admin.get("/api/ledger?user=admin&page=106&results_per_page=100"); len(a.objects()) != 0 || a.header.Get("Link") != "" {
		t.Errorf("behind the end: %s, %s", a.header.Get("Link"), a.body)
	}
	if got := s.admin.get("/api/users?page=1051&results_per_page=100").is(http.StatusOK).objects(); len(got) != 0 {
		t.Errorf("%d objects behind the end", len(got))
	}
	if got := s.admin.get("/api/users?after=10009&results_per_page=5").objects(); len(got) != 5 || got[0]["id_"] != 10010.0 {
		t.Errorf("%v", got)
	}
}
