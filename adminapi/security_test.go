package adminapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/models"
	"talktime/store/storetest"
)

// TestNoOtherSiteMayWrite: each path that changes something refuses what a browser sends from another site, before it
// looks at anything else; whoever is no browser is let through.
func TestNoOtherSiteMayWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		before := s.admin.get("/api/audit").body
		unsafe := 0
		for _, route := range adminapi.Routes() {
			if route.Method == http.MethodGet {
				continue
			}
			unsafe++
			path := strings.NewReplacer(":username", "marta", ":id", "1", ":name", "x").Replace(route.Path)
			for _, header := range []http.Header{
				{"Sec-Fetch-Site": {"cross-site"}},
				{"Sec-Fetch-Site": {"same-site"}},
				{"Origin": {"https://evil.example"}},
				{"Origin": {"null"}},
				{"Origin": {s.url + ".evil.example"}},
				{"Origin": {strings.Replace(s.url, "http:", "https:", 1) + "1"}},
			} {
				for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
					foreign := s.admin.at(s)
					foreign.header = header
					if a := foreign.send(route.Method, path, `{}`, contentType); a.status != http.StatusForbidden {
						t.Errorf("%s %s as %s from %v: %d %s", route.Method, path, contentType, header, a.status, a.body)
					}
				}
			}
		}
		if unsafe < 15 {
			t.Errorf("%d paths change something", unsafe)
		}
		if after := s.admin.get("/api/audit").body; after != before {
			t.Errorf("something was done: %s", after)
		}
		for _, header := range []http.Header{{}, {"Origin": {s.url}}, {"Sec-Fetch-Site": {"same-origin"}}, {"Sec-Fetch-Site": {"none"}}} {
			own := s.admin.at(s)
			own.header = header
			own.post("/api/balance", `{"signal":"+","value":5,"userId":1}`).is(http.StatusCreated)
		}
	})
}

// TestHeadersOnEveryAnswer: what keeps browsers from doing harm with an answer is on all of them, refusals and errors of
// ours too.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	marta := s.login("marta")
	answers := []answer{
		s.admin.get("/api/users"), s.admin.post("/api/users", newUser("ana", "777")), s.admin.post("/api/users", newUser("ana", "777")), s.admin.delete("/api/users/ana"),
		s.admin.get("/api/users/ana"), s.admin.get("/api/nothing"), s.admin.get("/nothing"), s.admin.delete("/api/users"), s.admin.post("/api/users", "{"),
		s.admin.send(http.MethodPost, "/api/users", "x", "text/plain"), s.anonymous().get("/api/users"),
		marta.get("/api/users"), marta.get("/check"), s.anonymous().form("/login", "username=x&password=y"), s.anonymous().get("/login"), s.admin.get("/api/calls?q=7"),
		s.admin.do("OPTIONS", "/api/users", ""), s.admin.do("TRACE", "/api/users", ""), s.admin.do("HEAD", "/api/users", ""), s.anonymous().get("/readyz"), s.admin.get("/api/users?callback=x"),
	}
	foreign := s.admin.at(s)
	foreign.header = http.Header{"Origin": {"https://evil.example"}}
	answers = append(answers, foreign.delete("/api/users/marta"))
	long := s.raw(t, fmt.Sprintf("POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<20+1)) // whose body is not read
	answers = append(answers, answer{t, "a long body", long.StatusCode, long.Header, ""})
	for range 11 {
		answers = append(answers, s.anonymous().form("/login", "username=y&password=y"))
	}
	statuses := map[int]bool{}
	for _, a := range answers {
		statuses[a.status] = true
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s, %d: %s is %q", a.what, a.status, name, got)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} {
			if !strings.Contains(csp, part) || strings.Contains(csp, "unsafe") {
				t.Errorf("%s, %d: %q", a.what, a.status, csp)
			}
		}
		if a.status != http.StatusNoContent && a.header.Get("Content-Type") == "" {
			t.Errorf("%s, %d: it says not what it is", a.what, a.status)
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: other origins may read it: %s", a.what, got)
		}
	}
	for _, status := range []int{200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 429} {
		if !statuses[status] {
			t.Errorf("no answer had the status %d", status)
		}
	}
	for _, fault := range []broken{{bad: true}, {err: errors.New("a failure")}, {err: models.ErrUnavailable}} {
		s.start(func(d *adminapi.Deps) { fault.Users = d.Users; d.Users = fault })
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/users", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(s.admin.cookie)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode < 500 || response.Header.Get("X-Frame-Options") != "DENY" || response.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%d: %v", response.StatusCode, response.Header)
		}
	}
}

// TestCookieFlags: of a plain connection, of TLS, behind a proxy that we believe and one that we do not.
func TestCookieFlags(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	handler := func(edit func(*adminapi.Deps)) http.Handler {
		d := s.deps
		edit(&d)
		h, err := adminapi.New(d)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	plain := func(h http.Handler) *httptest.Server { return httptest.NewServer(h) }
	for _, tt := range []struct {
		what   string
		server func(http.Handler) *httptest.Server
		proxy  []netip.Prefix
		proto  string
		secure bool
	}{
		{"plain", plain, nil, "", false},
		{"TLS", httptest.NewTLSServer, nil, "", true},
		{"TLS, whatever a stranger says", httptest.NewTLSServer, nil, "http", true},
		{"a stranger says TLS", plain, nil, "https", false},
		{"another proxy says TLS", plain, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "https", false},
		{"our proxy says TLS", plain, loopback, "https", true},
		{"our proxy says plain", plain, loopback, "http", false},
		{"our proxy says nonsense", plain, loopback, "https, http", false},
	} {
		server := tt.server(handler(func(d *adminapi.Deps) { d.Proxies = tt.proxy }))
		t.Cleanup(server.Close)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/login", strings.NewReader("username=admin&password="+secret))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tt.proto != "" {
			request.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		cookies := response.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: %d, %v", tt.what, response.StatusCode, cookies)
		}
		c := cookies[0]
		if c.Name != "session" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != tt.secure || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: %s", tt.what, c)
		}
		if hsts := response.Header.Get("Strict-Transport-Security"); (hsts != "") != tt.secure {
			t.Errorf("%s: Strict-Transport-Security is %q", tt.what, hsts)
		}
	}
}

// raw writes bytes to the server that no HTTP client would write, and returns the answer.
func (s *site) raw(t *testing.T, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.80q: %v", text, err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestAHundredMegabytes are refused: at once where the length is told, else soon after the limit.
func TestAHundredMegabytes(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	const size = 100 << 20
	head := "Host: x\r\nContent-Type: %s\r\nCookie: session=" + s.admin.cookie.Value + "\r\n"
	for path, contentType := range map[string]string{"/api/users": "application/json", "/login": "application/x-www-form-urlencoded"} {
		// Not a byte of the body is sent: whoever waits for some does not answer.
		if a := s.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\n"+head+"Content-Length: %d\r\n\r\n", path, contentType, size)); a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s", path, a.Status)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\n"+head+"Transfer-Encoding: chunked\r\n\r\n", path, contentType); err != nil {
			t.Fatal(err)
		}
		chunk := append([]byte("10000\r\n"), append(bytes.Repeat([]byte("x"), 1<<16), "\r\n"...)...)
		little := strings.Repeat(string(chunk), 17) // one chunk more than the limit
		if a := s.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\n"+head+"Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", path, contentType, little)); a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s in chunks: %s", path, a.Status)
		}
		sent := 0
		for ; sent < size && err == nil; sent += 1 << 16 {
			_, err = conn.Write(chunk)
		}
		conn.Close()
		if sent >= size/2 { // what lies in the buffers of the kernel is a few megabytes
			t.Errorf("%s: %d bytes were taken", path, sent)
		}
	}
	s.admin.get("/check").is(http.StatusOK)
}

// TestNothingIsSmuggledIntoTheLog: whatever a request says, each line of the log is one JSON object of ours, of printable
// text.
func TestNothingIsSmuggledIntoTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.user(models.NewUser{Username: "mallory"})
	const evil = "a\r\n{\"msg\":\"forged\",\"level\":\"ERROR\"}\r\n\x1b[31m\u202e\u2028\x00\xff\x7f"
	escaped := url.PathEscape(evil)
	for _, who := range []*client{s.anonymous(), s.admin} {
		for _, path := range []string{
			"/" + escaped, "/api/users/" + escaped, "/api/groups/" + escaped, "/api/v1/" + escaped + "/csv", "/api/balance/" + escaped, "/check_voice_balance?imsi=" + escaped,
			"/api/users?q=" + escaped, "/api/users?page=" + escaped + "&after=" + escaped, "/api/calls?user=" + escaped, "/" + strings.Repeat(escaped, 50),
		} {
			who.get(path)
		}
		text, err := json.Marshal(strings.ToValidUTF8(evil, ""))
		if err != nil {
			t.Fatal(err)
		}
		for path, body := range map[string]string{
			"/login": `{"username":%s,"password":%s}`, "/api/users": `{"username":%s,"password":%s,"clid":"1","imsi":"1","admin":false}`,
			"/api/groups": `{"name":%s,"day":1,"month":1,"year":3000,"count":1,"mode":%s}`, "/api/transfers": `{"from":%s,"to":%s,"amount":1}`,
		} {
			who.post(path, fmt.Sprintf(body, text, text))
		}
	}
	s.anonymous().form("/login", "username="+url.QueryEscape(evil)+"&password=x")
	// Where a proxy is believed, what it passes on may still be anybody's.
	for _, proxies := range [][]netip.Prefix{nil, loopback} {
		s.start(func(d *adminapi.Deps) { d.Proxies = proxies })
		for _, value := range []string{"forged\x1b[31m", "203.0.113.9, forged", "\xff\xfe", "203.0.113.9\"}", strings.Repeat("9", 5000), "\u202e1.2.3.4"} {
			for _, name := range []string{"User-Agent", "X-Request-Id", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Host", "Referer", "Authorization", "Cookie"} {
				s.raw(t, "GET /check HTTP/1.1\r\nHost: x\r\n"+name+": "+value+"\r\n\r\n")
			}
			s.raw(t, "GET /check HTTP/1.1\r\nHost: x"+"\r\nX-Forwarded-For: 203.0.113.9\r\nX: "+value+"\r\n\r\n")
		}
		s.raw(t, "GET /\xff\x1b[31mforged HTTP/1.1\r\nHost: x\r\n\r\n")
		s.raw(t, "FORGED\x1b /check HTTP/1.1\r\nHost: x\r\n\r\n")
		s.raw(t, "F{\"msg\":\"forged\"} /check HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	lines := 0
	for line := range strings.Lines(s.log.String()) {
		lines++
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("a line of the log is not one: %q", line)
		}
		if entry["msg"] == "forged" || len(line) > 2000 || strings.Contains(fmt.Sprint(entry["request_id"]), "forged") {
			t.Errorf("forged: %q", line)
		}
		for name, value := range entry {
			if text, ok := value.(string); ok && strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' || r == '\u2028' || r == '\ufffd' }) && name != "stack" {
				t.Errorf("%s is %q", name, text)
			}
		}
		if _, err := netip.ParseAddr(fmt.Sprint(entry["client"])); entry["msg"] == "request" && err != nil {
			t.Errorf("the client is %q", entry["client"])
		}
	}
	if lines < 100 {
		t.Errorf("%d lines", lines)
	}
	if strings.Contains(s.log.String(), secret) || strings.Contains(s.log.String(), s.admin.cookie.Value) {
		t.Error("a secret is in the log")
	}
}
