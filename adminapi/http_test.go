package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/models"
	"talktime/store/storetest"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// TestConventions are those of every path.
func TestConventions(t *testing.T) { onBoth(t, conventions) }

func conventions(t *testing.T, s *site) {
	s.marta()
	for _, tt := range []struct {
		what, method, path, body, contentType string
		want                                  int
		says                                  string
	}{
		{"a slash at the end", "GET", "/api/users/", "", "", 404, `{"message":"not found"}`},
		{"a slash behind a name", "GET", "/api/users/marta/", "", "", 404, `{"message":"not found"}`},
		{"no such path", "GET", "/api/nothing", "", "", 404, `{"message":"not found"}`},
		{"no such user", "GET", "/api/users/nobody", "", "", 404, `{}`},
		{"no such user to change", "PATCH", "/api/users/nobody", `{"name":"x"}`, "application/json", 404, `{}`},
		{"no such user to delete", "DELETE", "/api/users/nobody", "", "", 404, `{}`},
		{"no such entry", "GET", "/api/balance/77", "", "", 404, `{}`},
		{"an entry that is no number", "GET", "/api/balance/x", "", "", 404, `{}`},
		{"no such record", "GET", "/api/cdr/99999999999999999999", "", "", 404, `{}`},
		{"the whole collection deleted", "DELETE", "/api/users", "", "", 405, `{"message":"method not allowed"}`},
		{"put", "PUT", "/api/users/marta", `{}`, "application/json", 405, `{"message":"method not allowed"}`},
		{"put of a collection", "PUT", "/api/balance", `{}`, "application/json", 405, `{"message":"method not allowed"}`},
		{"an entry changed", "PATCH", "/api/balance/1", `{}`, "application/json", 405, `{"message":"method not allowed"}`},
		{"an entry deleted", "DELETE", "/api/balance/1", "", "", 405, `{"message":"method not allowed"}`},
		{"a form", "POST", "/api/users", "a=b", "application/x-www-form-urlencoded", 415, `{"message":"Request must have \"Content-Type: application/json\" header"}`},
		{"no content type", "POST", "/api/users", "", "", 415, `{"message":"Request must have \"Content-Type: application/json\" header"}`},
		{"no content type of a change", "PATCH", "/api/users/marta", "", "", 415, `{"message":"Request must have \"Content-Type: application/json\" header"}`},
		{"a charset", "PATCH", "/api/users/marta", `{}`, "application/json; charset=utf-8", 200, ""},
		{"no JSON", "POST", "/api/users", `{"a"`, "application/json", 400, `{"message":"Unable to decode data"}`},
		{"an empty body", "POST", "/api/users", ``, "application/json", 400, `{"message":"Unable to decode data"}`},
		{"a list", "POST", "/api/users", `[]`, "application/json", 400, `{"message":"Unable to decode data"}`},
		{"null", "POST", "/api/users", `null`, "application/json", 400, `{"message":"Unable to decode data"}`},
		{"two objects", "POST", "/api/users", `{}{}`, "application/json", 400, `{"message":"Unable to decode data"}`},
		{"no UTF-8", "POST", "/api/users", "{\"username\":\"\xff\"}", "application/json", 400, `{"message":"Unable to decode data"}`},
		{"deep nonsense", "POST", "/api/users", strings.Repeat("[", 100_000), "application/json", 400, `{"message":"Unable to decode data"}`},
		{"a zero in the path", "GET", "/api/users/%00", "", "", 404, `{}`},
		{"text that is none in the path", "GET", "/api/users/%ff", "", "", 404, `{}`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			a := s.admin.send(tt.method, tt.path, tt.body, tt.contentType).is(tt.want)
			if got := strings.TrimSpace(a.body); tt.says != "" && got != tt.says {
				t.Errorf("got %s, want %s", got, tt.says)
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("the answer is %s", got)
			}
			if tt.want == 405 && a.header.Get("Allow") == "" {
				t.Error("nobody says what is allowed")
			}
		})
	}
}

// TestSecurity: headers, foreign origins, long bodies, and what reaches the log.
func TestSecurity(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for _, path := range []string{"/", "/login", "/api/users", "/api/nothing", "/healthz"} {
		a := s.admin.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
			"Content-Security-Policy": "frame-ancestors 'none'",
		} {
			if got := a.header.Get(name); !strings.Contains(got, want) {
				t.Errorf("GET %s: %s is %q", path, name, got)
			}
		}
		if csp := a.header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
			t.Errorf("unsafe: %s", csp)
		}
	}

	foreign := *s.admin
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {"same-site"}}} {
		foreign.header = header
		foreign.post("/api/balance", `{"signal":"+","value":5,"userId":1}`).is(http.StatusForbidden)
		foreign.form("/login", "username=admin&password=secret7").is(http.StatusForbidden)
		foreign.delete("/api/users/admin").is(http.StatusForbidden)
	}
	foreign.header = http.Header{"Origin": {s.url}, "Sec-Fetch-Site": {"same-origin"}}
	foreign.post("/api/balance", `{"signal":"+","value":5,"userId":1}`).is(http.StatusCreated)

	// Half of what is too long is not; TestAHundredMegabytes has what is.
	s.admin.post("/api/users", `{"username":"`+strings.Repeat("x", 1<<19)+`"}`).is(http.StatusBadRequest)

	smuggler := s.anonymous()
	smuggler.header.Set("X-Request-Id", "forged")
	smuggler.header.Set("X-Forwarded-For", "203.0.113.9")
	smuggler.get("/api/users/a%0A%7B%22msg%22:%22forged%22%7D%1b%5b31m").is(http.StatusUnauthorized)
	smuggler.get("/api/v1/tt_verysecret/callstat?x=alsosecret").is(http.StatusUnauthorized)
	for line := range strings.Lines(s.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line of the log is not one: %q", line)
		}
		if entry["msg"] == "forged" || entry["request_id"] == "forged" || entry["client"] == "203.0.113.9" {
			t.Errorf("forged: %s", line)
		}
	}
	log := s.log.String()
	for _, word := range []string{"verysecret", "alsosecret", s.admin.cookie.Value, "\x1b"} {
		if strings.Contains(log, word) {
			t.Errorf("the log has %q", word)
		}
	}
	if !strings.Contains(log, `"path":"/api/v1/***/callstat"`) || !strings.Contains(log, `"actor":"admin"`) {
		t.Errorf("the log lacks what it should have:\n%s", log)
	}
}

// TestProxies: only those that the settings name are believed.
func TestProxies(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	secure := func() bool {
		c := s.anonymous()
		c.header.Set("X-Forwarded-Proto", "https")
		a := c.form("/login", "username=admin&password=secret7").is(http.StatusOK)
		cookie := strings.Contains(a.header.Get("Set-Cookie"), "Secure")
		if (a.header.Get("Strict-Transport-Security") != "") != cookie {
			t.Error("the cookie and the header disagree about TLS")
		}
		return cookie
	}
	if secure() {
		t.Error("a stranger's word is taken")
	}
	s.start(func(d *adminapi.Deps) { d.Proxies, d.PublicURL = loopback, "https://talk.example/" })
	if !secure() {
		t.Error("the proxy's word is not taken")
	}
	public := *s.admin
	public.header = http.Header{"Origin": {"https://talk.example"}}
	public.post("/api/balance", `{"signal":"+","value":5,"userId":1}`).is(http.StatusCreated)
	if _, err := adminapi.New(adminapi.Deps{PublicURL: "nonsense"}); err == nil {
		t.Error("a public URL that is none is taken")
	}
}

// broken is a store whose parts fail.
type broken struct {
	adminapi.Users
	err error
	bad bool
}

func (b broken) ListUsers(context.Context, models.ListRequest) (models.List[models.UserDetail], error) {
	if b.bad {
		panic("a bug with a secret in it")
	}
	return models.List[models.UserDetail]{}, b.err
}

// TestErrorsOfOurs tell nothing but a name under which the log has them.
func TestErrorsOfOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	quiet := func(a answer) {
		t.Helper()
		id := a.header.Get("X-Request-Id")
		if id == "" || strings.Contains(a.body, "secret") || !strings.Contains(a.body, id) || !strings.Contains(s.log.String(), id) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	ask := func() answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/users", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(s.admin.cookie)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{t, "GET /api/users", response.StatusCode, response.Header, string(body)}
	}
	for _, b := range []broken{{bad: true}, {err: errors.New("a failure with a secret in it")}} {
		s.start(func(d *adminapi.Deps) { b.Users = d.Users; d.Users = b })
		quiet(ask().is(http.StatusInternalServerError))
	}
	s.start(func(d *adminapi.Deps) { d.Users = broken{Users: d.Users, err: models.ErrUnavailable} })
	if a := ask().is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" {
		t.Errorf("%s", a.body)
	}
	s.start(func(d *adminapi.Deps) { d.Ready = func(context.Context) error { return errors.New("not yet") } })
	s.anonymous().get("/readyz").says(http.StatusServiceUnavailable, `{"status":"unavailable","message":"not yet"}`)
	s.anonymous().get("/healthz").says(http.StatusOK, `{"status":"ok"}`)
}
