package adminapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// lists are the paths of all lists.
func lists() []string {
	return []string{
		"/api/users", "/api/groups", "/api/balance", "/api/cdr", "/api/calls", "/api/holds", "/api/ledger", "/api/tokens", "/api/audit",
	}
}

// FuzzQueries: whatever is asked of whichever list is answered, and never with an error of ours.
func FuzzQueries(f *testing.F) {
	for _, q := range []string{
		`{"filters":[{"name":"username","op":"like","val":"%a%"},{"name":"id_","op":"in","val":[1,"2"]}],"order_by":[{"field":"id_","direction":"desc"}]}`,
		`{"filters":[{"or":[{"name":"tunel","op":"any","val":{"name":"name","op":"eq","val":"x"}},{"name":"id_","op":">","field":"id_"}]}],"single":true}`,
		`{"filters":[{"name":"usersId","op":"eq","val":2},{"name":"date","op":"lt","val":"CURRENT_DATE"}],"group_by":[{"field":"usersId"}],"limit":3,"offset":1}`,
		`{"filters":[{"name":"to_user__username","op":"has","val":"joel"},{"name":"answer","op":"gt","val":"2020-01-01"}]}`,
		`{"filters":[{"name":"id","op":"eq","val":9223372036854775807},{"name":"user_id","op":"==","val":-9223372036854775808}]}`,
		`{"filters":[{"name":"posted_at","op":"ge","val":"9999-12-31T23:59:59"},{"name":"amount","op":"lt","val":"1e9"}]}`,
		`{"filters":[{"name":"id_","op":"in","val":[-9223372036854775808,9223372036854775807]}],"order_by":[{"field":"usersId"}]}`,
		`{"filters":[{"name":"dates_to_update__date","op":"any","val":"2030-02-31"}]}`, `{"filters":[{"name":"clid","op":"ilike","val":"\u0000\\"}]}`, `{`, `[]`, `{"limit":9007199254740992,"offset":9007199254740992}`,
	} {
		f.Add(q, "1", "10", "", "marta")
		f.Add(q, "99999999999999999999", "-1", "9223372036854775807", "")
	}
	f.Add("", "1000", "100", "-9223372036854775808", "\x00")
	s := newSite(f, storetest.SQLite(f))
	s.marta()
	s.joel()
	s.call("pbx-1.1", "555000204", "555000205", 42)
	s.admin.post("/api/groups", `{"name":"x","day":1,"month":1,"year":3000,"count":2,"users":[2]}`).is(http.StatusCreated)
	s.admin.post("/api/transfers", `{"from":"marta","to":"joel","amount":5}`).is(http.StatusCreated)
	handler, err := adminapi.New(s.deps)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, q, page, size, after, user string) {
		for _, path := range lists() {
			query := url.Values{"q": {q}, "page": {page}, "results_per_page": {size}, "after": {after}, "user": {user}}
			for name, values := range query {
				if values[0] == "" {
					query.Del(name)
				}
			}
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?"+query.Encode(), nil)
			request.AddCookie(s.admin.cookie)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			switch answer.Code {
			case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
			default:
				t.Errorf("GET %s?%s: %d %s\n%s", path, query.Encode(), answer.Code, answer.Body, s.log)
			}
			s.log.discard()
		}
	})
}
