package adminapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// FuzzBodies: whatever a client sends is answered, and never with an error of ours.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		`{"username":"marta","password":"secret7","clid":"5","imsi":"5","admin":"false","level":2,"account_id":null}`,
		`{"signal":"+","type_":"increase","value":"10.5","userId":1}`, `{"name":"x","q":{"filters":[{"name":"id_","op":"in","val":[1]}]}}`,
		`{"name":"g","day":"31","month":2,"year":2030,"count":1e3,"users":[{"id_":1},"2",3]}`, `{"tunel":{"add":[1],"remove":[]},"updateGroup":true}`,
		`{"name":"t","scopes":["read"],"expires_at":"2030-01-31T00:00:00Z"}`, `{"from":"a","to":"b","amount":1}`, `[]`, `{"\u0000":"\ud800"}`,
	} {
		f.Add(body)
	}
	s := newSite(f, storetest.SQLite(f), func(d *adminapi.Deps) { d.Tokens, d.Groups = scopeTokens{}, &memoryGroups{} })
	handler, err := adminapi.New(s.deps)
	if err != nil {
		f.Fatal(err)
	}
	var paths []adminapi.Route
	for _, r := range adminapi.Routes() {
		if r.JSON {
			paths = append(paths, r)
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, r := range paths {
			path := strings.NewReplacer(":username", "admin", ":name", "g").Replace(r.Path)
			request := httptest.NewRequest(r.Method, path, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			request.AddCookie(s.admin.cookie)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if answer.Code >= http.StatusInternalServerError || answer.Code == http.StatusUnauthorized {
				t.Errorf("%s %s %q: %d %s", r.Method, path, body, answer.Code, answer.Body)
			}
		}
	})
}

// TestCallback: only when the settings say so, and only for names of functions.
func TestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.JSONP = true })
	a := s.admin.get("/api/cdr?callback=app.show")
	a.says(http.StatusOK, `app.show({"data":{"num_results":0,"objects":[],"page":1,"total_pages":0},"meta":{"status":200}})`)
	if got := a.header.Get("Content-Type"); got != "application/javascript" {
		t.Errorf("the answer is %s", got)
	}
	for _, name := range []string{"alert(1)//", "a-b", "1a", "a%20b", "%3Cscript%3E"} {
		s.admin.get("/api/cdr?callback=" + name).is(http.StatusBadRequest)
	}
}
