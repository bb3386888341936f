package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/dialcode"
	"talktime/internal/password"
	"talktime/livecalls"
	"talktime/models"
	"talktime/money"
	ami "talktime/pbx"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// onBoth runs a test on a site of each kind of database.
func onBoth(t *testing.T, test func(*testing.T, *site), edit ...func(*adminapi.Deps)) {
	t.Helper()
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, newSite(t, storetest.SQLite(t), edit...))
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		test(t, newSite(t, storetest.OnShared(t), edit...))
	})
}

// site is an admin server with a database, and an administrator with the password secret7.
type site struct {
	t        testing.TB
	database storetest.Database
	store    *store.Store
	service  *billing.Service
	deps     adminapi.Deps
	url      string
	log      *safeBuffer
	admin    *client
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *safeBuffer) discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = bytes.Buffer{}
}

const (
	secret      = "secret7"
	reportToken = "wD4kq-reports"
)

// secretHash is made once: hashing takes its time by design.
var secretHash = sync.OnceValues(func() (string, error) { return password.New(1).Hash(context.Background(), secret) })

func newSite(t testing.TB, d storetest.Database, edit ...func(*adminapi.Deps)) *site {
	t.Helper()
	s := &site{t: t, database: d, store: d.Migrated(t), log: &safeBuffer{}}
	s.user(models.NewUser{Username: "admin", Admin: true})
	s.start(edit...)
	s.admin = s.login("admin")
	return s
}

// stopped is that a server stops.
var stopped = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// start serves the site, once more if need be, as another process would.
func (s *site) start(edit ...func(*adminapi.Deps)) {
	s.t.Helper()
	s.service = billing.New(billing.Options{Store: s.store, Lanes: s.store.Lanes()})
	s.t.Cleanup(s.service.Close)
	s.deps = adminapi.Deps{
		Users: s.store, Sessions: s.store, Ledger: s.store, Calls: s.store, Money: s.service, Tokens: s.store, Groups: s.store, Grants: s.store, Tariffs: s.store, LongestCall: 2 * time.Hour,
		Limits: s.store, Country: dialcode.Country, Vouchers: s.store, Notices: s.store, Routing: s.store, Rerates: s.store, DialTechs: policy.DialTechs,
		Figures: s.store, Version: "v1.2.3", Stats: stats.New(stats.Options{Location: time.UTC, Calls: s.store}), StatisticsToken: reportToken, CallFacts: s.store, Accounts: s.store,
		Queues:     &reports.Service{Keeper: s.store, Outbound: stats.AnsweredBy{s.store.OwnRecords(time.UTC)}, Location: time.UTC, Now: time.Now},
		QueueNames: s.store, QueueFeed: s.store, Recordings: ami.NewRecordings(s.t.TempDir()),
		Ready:    func(ctx context.Context) error { return s.store.Ping(ctx) },
		Location: time.UTC, Logger: slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	s.deps.PBX = &adminapi.PBX{Log: s.store, Live: livecalls.New(livecalls.Options{Store: s.store})}
	s.deps.LiveQueues = live.New(live.Options{Log: s.deps.Queues, Location: time.UTC})
	s.deps.Stop = stopped         // or what is sent for as long as somebody reads would be read for ever
	s.deps.Patience = time.Minute // the race detector has the tests take their time
	for _, e := range edit {
		e(&s.deps)
	}
	handler, err := adminapi.New(s.deps)
	if err != nil {
		s.t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	s.t.Cleanup(server.Close)
	s.url = server.URL
}

// user makes a user past the API.
func (s *site) user(u models.NewUser) models.User {
	s.t.Helper()
	hash, err := secretHash()
	if err != nil {
		s.t.Fatal(err)
	}
	u.PasswordHash = hash
	user, err := s.store.AddUser(s.t.Context(), u, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

// marta has 180 seconds.
func (s *site) marta() models.User {
	s.t.Helper()
	return s.user(models.NewUser{Username: "marta", CLID: "555000204", IMSI: "001010000000204", Balance: 180 * money.Unit})
}

func (s *site) joel() models.User {
	s.t.Helper()
	return s.user(models.NewUser{Username: "joel", CLID: "555000205", IMSI: "001010000000205"})
}

var policy = billing.Policy{
	MaxCallSeconds: 7200, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk",
	SubscriberDial: "PJSIP/IMSI{imsi}@openbts", DialTechs: []string{"PJSIP"},
}

// call is a call of marta's that talked for some seconds.
func (s *site) call(id, clid, number string, seconds int64) {
	s.t.Helper()
	who := billing.Identity{CallerID: clid}
	service := billing.New(billing.Options{Store: s.store, Policy: policy})
	defer service.Close()
	_, err := service.Authorize(s.t.Context(), billing.CallRequest{CallID: id, Identity: who, Number: number})
	if err != nil {
		s.t.Fatal(err)
	}
	if seconds >= 0 { // else it goes on
		s.settle(id, clid, seconds)
	}
}

// refused asks for a call that is not permitted.
func (s *site) refused(id, clid, number string) {
	s.t.Helper()
	service := billing.New(billing.Options{Store: s.store, Policy: policy})
	defer service.Close()
	var refusal *billing.Refusal
	_, err := service.Authorize(s.t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: number})
	if !errors.As(err, &refusal) {
		s.t.Fatalf("call %s: %v", id, err)
	}
}

// settle ends a call after so much talk.
func (s *site) settle(id, clid string, seconds int64) {
	s.t.Helper()
	service := billing.New(billing.Options{Store: s.store, Policy: policy})
	defer service.Close()
	ms := seconds * 1000
	_, err := service.Settle(s.t.Context(), billing.CallResult{
		CallID: id, Identity: billing.Identity{CallerID: clid}, Evidence: models.Evidence{Source: "reducer", DialStatus: "ANSWER", AnsweredMS: &ms, Over: true},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// client is somebody with a cookie, a token or neither.
type client struct {
	site   *site
	cookie *http.Cookie
	header http.Header
}

func (s *site) anonymous() *client { return &client{site: s, header: http.Header{}} }

func (s *site) login(name string) *client {
	s.t.Helper()
	c := s.anonymous()
	a := c.form("/login", "username="+name+"&password="+secret)
	a.is(http.StatusOK)
	c.keep(a)
	return c
}

// keep takes over the cookie of an answer.
func (c *client) keep(a answer) {
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Name == "session" {
			c.cookie = cookie
		}
	}
}

type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

func (c *client) form(path, body string) answer {
	c.site.t.Helper()
	return c.send(http.MethodPost, path, body, "application/x-www-form-urlencoded")
}

// do sends a request with a JSON body, or with none.
func (c *client) do(method, path, body string) answer {
	c.site.t.Helper()
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	return c.send(method, path, body, contentType)
}

func (c *client) get(path string) answer { c.site.t.Helper(); return c.do(http.MethodGet, path, "") }

func (c *client) post(path, body string) answer {
	c.site.t.Helper()
	return c.do(http.MethodPost, path, body)
}

func (c *client) patch(path, body string) answer {
	c.site.t.Helper()
	return c.do(http.MethodPatch, path, body)
}

func (c *client) delete(path string) answer {
	c.site.t.Helper()
	return c.do(http.MethodDelete, path, "")
}

func (c *client) send(method, path, body, contentType string) answer {
	t := c.site.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.site.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.cookie != nil {
		req.AddCookie(c.cookie)
	}
	response, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusInternalServerError {
		t.Errorf("%s %s is an internal error: %s\n%s", method, path, text, c.site.log)
	}
	return answer{t, method + " " + path + " " + body, response.StatusCode, response.Header, string(text)}
}

// is fails the test when the answer has another status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// says fails the test when the body is not this one.
func (a answer) says(status int, body string) {
	a.t.Helper()
	a.is(status)
	if strings.TrimSpace(a.body) != body {
		a.t.Errorf("%s:\n got %s\nwant %s", a.what, a.body, body)
	}
}

// into decodes the body.
func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Errorf("%s: %v: %s", a.what, err, a.body)
	}
}

// object is the body as an object.
func (a answer) object() map[string]any {
	a.t.Helper()
	var o map[string]any
	a.into(&o)
	return o
}

// objects are those in the body's list.
func (a answer) objects() []map[string]any {
	a.t.Helper()
	var list struct{ Objects []map[string]any }
	a.into(&list)
	return list.Objects
}

func newUser(name, clid string) string {
	return fmt.Sprintf(`{"username":%q,"password":"secret7","clid":%q,"imsi":"0010%s","admin":false}`, name, clid, clid)
}
