package adminapi_test

import (
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// example is a line for curl, as it stands on the page.
type example struct {
	method, path, body, cookies string
	header                      http.Header
}

var (
	shownCurl = regexp.MustCompile(`<pre><code>(curl [^<]*)</code></pre>`)
	shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[^ ]+`)
)

func readCurl(t *testing.T, line, server string) example {
	t.Helper()
	e := example{method: http.MethodGet, header: http.Header{}}
	words := shellWord.FindAllString(line, -1)[1:]
	for i, word := range words {
		words[i] = strings.Trim(word, `'"`)
	}
	for len(words) > 1 {
		switch words[0] {
		case "-X":
			e.method = words[1]
		case "-d":
			e.body = words[1]
			if e.method == http.MethodGet {
				e.method = http.MethodPost
			}
		case "-H":
			name, value, _ := strings.Cut(words[1], ": ")
			e.header.Set(name, value)
		case "-b", "-c":
			e.cookies = words[0]
		default:
			t.Fatalf("%s: what is %q?", line, words[0])
		}
		words = words[2:]
	}
	if len(words) != 1 || !strings.HasPrefix(words[0], server) {
		t.Fatalf("%s asks somebody else than %s", line, server)
	}
	e.path = strings.TrimPrefix(words[0], server)
	return e
}

// TestExamplesOfDocs: what the page says one may try does what it says, on a site that has nobody yet but those whom the
// examples make.
func TestExamplesOfDocs(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Asterisk = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, withRecording(t), withFreePBX(t), withMemoryTrunks, withSteadyAsterisk(t))
	s.keeps(wednesday...)
	program := s.program("read", "cdr", "users", "money", "admin", "statistics", "recordings", "write")
	var first, others, logins, logouts, last []example
	for _, found := range shownCurl.FindAllStringSubmatch(s.anonymous().get("/docs").is(http.StatusOK).body, -1) {
		switch e := readCurl(t, html.UnescapeString(found[1]), s.url); {
		case e.method == http.MethodPost && e.path == "/api/users":
			first = append(first, e)
		case e.path == "/login" && e.method == http.MethodPost:
			logins = append([]example{e}, logins...)
		case e.path == "/logout" && e.method == http.MethodPost:
			logouts = append(logouts, e)
		case e.cookies == "-b" && !strings.HasPrefix(e.path, "/api/"):
			logins = append(logins, e) // with the cookie of the login
		case e.method == http.MethodDelete:
			last = append(last, e)
		default:
			others = append(others, e)
		}
	}
	if len(first) != 1 || len(logins) < 2 || len(logouts) != 1 {
		t.Fatalf("%d examples make users, %d need a login, %d log out", len(first), len(logins), len(logouts))
	}
	person := s.anonymous()
	try := func(e example) {
		who := &client{site: s, header: e.header}
		switch {
		case e.header.Get("Authorization") != "":
			e.header.Set("Authorization", program.header.Get("Authorization")) // "Bearer $TOKEN"
		case e.cookies == "-b" && strings.HasPrefix(e.path, "/api/"):
			who.cookie = s.admin.cookie
		case e.cookies == "-b":
			who.cookie = person.cookie
		}
		a := who.send(e.method, e.path, e.body, e.header.Get("Content-Type"))
		if e.cookies == "-c" {
			person.keep(a)
		}
		switch {
		case a.status < http.StatusBadRequest:
		case a.status == http.StatusNotFound && regexp.MustCompile(`/7(/|$)`).MatchString(e.path): // there is none with that id
		case a.status == http.StatusMethodNotAllowed && strings.HasPrefix(e.path, "/api/balance/"): // that is what they are there to say
		case a.status == http.StatusNotFound && e.path == "/api/vouchers/redeem": // nobody has made that code
		case a.status == http.StatusConflict && strings.HasSuffix(e.path, "/rollback"): // there is no version before the first
		case a.status == http.StatusConflict && e.path == "/api/rerates": // nobody was shown that digest
		case a.status == http.StatusNotFound && strings.HasPrefix(e.path, "/api/rerates/"): // so it was not posted
		case a.status == http.StatusNotFound && e.method == http.MethodDelete && e.path == "/api/pbx/followme/204": // the undo above took it back
		default:
			t.Errorf("%s %s %s: %d %s", e.method, e.path, e.body, a.status, short(a.body))
		}
	}
	try(first[0])
	s.joel()
	s.admin.post("/api/groups", `{"name":"field-team","day":31,"month":1,"year":2099,"count":12,"value":60}`).is(http.StatusCreated)
	s.admin.post("/api/balance", fmt.Sprintf(`{"userId":2,"value":%d,"signal":"+"}`, 600)).is(http.StatusCreated)
	rank := func(e example) int { // behind those who need them
		return slices.Index([]string{"/api/groups/field-team", "/api/users/marta", "/api/carriers/north", "/api/tariffs/retail", "/api/pbx/extensions/204"}, e.path)
	}
	slices.SortStableFunc(last, func(a, b example) int { return rank(a) - rank(b) })
	for _, e := range slices.Concat(others, logins, logouts, last) {
		try(e)
	}
}
