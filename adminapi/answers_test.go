package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestPlainAnswers: what stands in JSON is not written for HTML, and no browser takes it for that.
func TestPlainAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	const name = `<Marta> & 'Co' \u003c` // with a backslash that is none of JSON's
	for _, a := range []answer{
		s.admin.patch("/api/users/marta", fmt.Sprintf(`{"name":%q}`, name)), s.admin.get("/api/users"), s.admin.get("/api/users/marta"), s.admin.get("/api/audit"),
		s.admin.get("/openapi.json"), s.admin.get("/api/tokens/x<y>"), s.admin.post("/api/users", `{"<x>":1}`),
	} {
		for _, escape := range []string{`\u003c`, `\u003e`, `\u0026`} {
			if strings.Contains(strings.ReplaceAll(a.body, `\\`, ""), escape) {
				t.Errorf("%s has %s: %.300s", a.what, escape, a.body)
			}
		}
		if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/") || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is %s", a.what, got)
		}
	}
	if got := s.admin.get("/api/users/marta").object()["name"]; got != name {
		t.Errorf("%q", got)
	}
}

// TestIcon: browsers ask for it wherever they are, and find no mistake.
func TestIcon(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for _, c := range []*client{s.admin, s.anonymous()} {
		a := c.get("/favicon.ico").is(http.StatusNoContent)
		if a.body != "" || !strings.Contains(a.header.Get("Cache-Control"), "max-age") {
			t.Errorf("%v %s", a.header, a.body)
		}
	}
}

// TestLoginWithoutWords names what is missing.
func TestLoginWithoutWords(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for body, want := range map[string]string{
		`{}`: "missing field: username", `{"username":"admin"}`: "missing field: password", `{"password":"secret7"}`: "missing field: username",
	} {
		s.anonymous().post("/login", body).says(http.StatusBadRequest, `{"message":"`+want+`"}`)
	}
	s.anonymous().post("/login", `{"username":"admin","password":null}`).is(http.StatusBadRequest)
	s.anonymous().post("/login", `{"username":"admin","password":""}`).is(http.StatusUnauthorized)
}

// TestLastPage is only named where it may be asked for.
func TestLastPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for _, path := range []string{"/api/groups", "/api/calls", "/api/ledger", "/api/cdr", "/api/tokens", `/api/users?q={"filters":[{"name":"id_","op":"eq","val":99}]}`} {
		if a := s.admin.get(path).is(http.StatusOK); a.header.Get("Link") != "" || len(a.objects()) != 0 {
			t.Errorf("%s: %q", path, a.header.Get("Link"))
		}
	}
	s.fill(1_001) // and admin
	for query, want := range map[string]string{
		"?results_per_page=1&page=2": `page=3&results_per_page=1>; rel="next"`, // the last is page 1002
		"?results_per_page=2":        `page=501&results_per_page=2>; rel="last"`,
		`?results_per_page=1&q={"filters":[{"name":"id_","op":"le","val":1000}]}`: `%22%3A1000%7D%5D%7D>; rel="last"`,
	} {
		link := s.admin.get("/api/users" + query).is(http.StatusOK).header.Get("Link")
		if !strings.Contains(link, want) || strings.Contains(link, "last") && strings.Contains(link, "page=1002") || strings.Count(want, "last") != strings.Count(link, `"last"`) {
			t.Errorf("%s: %s, want %s", query, link, want)
		}
	}
}

// adding is a store that adds up its accounts more than once.
type adding struct {
	adminapi.Users
	mu    sync.Mutex
	asked int
	fails bool
}

func (a *adding) Credit(context.Context) (map[string]money.Amount, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.fails {
		return nil, errors.Join(models.ErrUnavailable, errors.New("x"))
	}
	return map[string]money.Amount{models.SEC: money.Amount(a.asked) * money.Unit}, nil
}

// TestCreditIsRemembered for half a minute, however many look at the overview at once, and a failure is not.
func TestCreditIsRemembered(t *testing.T) {
	t.Parallel()
	store := &adding{fails: true}
	var mu sync.Mutex
	now := time.Now()
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		store.Users, d.Users = d.Users, store
		d.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	for range 2 {
		s.admin.get("/").is(http.StatusServiceUnavailable)
	}
	store.mu.Lock()
	store.fails, store.asked = false, 0
	store.mu.Unlock()
	looks := func(want int) {
		t.Helper()
		var all []func()
		for range 20 {
			all = append(all, func() {
				s.admin.page("/").has(fmt.Sprintf(`Credit of users</dt><dd><span class="amount">%d&nbsp;s`, want))
			})
		}
		together(all...)
		if store.mu.Lock(); store.asked != want {
			t.Errorf("the accounts were added up %d times, want %d", store.asked, want)
		}
		store.mu.Unlock()
	}
	looks(1)
	pass(29 * time.Second)
	looks(1)
	pass(2 * time.Second)
	looks(2)
}

// failing notes under which keys failed logins are counted.
type failing struct {
	adminapi.Sessions
	mu   sync.Mutex
	keys []string
}

func (f *failing) LoginFailed(ctx context.Context, who string, since time.Time) error {
	f.mu.Lock()
	f.keys = append(f.keys, who)
	f.mu.Unlock()
	return f.Sessions.LoginFailed(ctx, who, since)
}

// TestAddressLimit: whoever tries one password with each name is stopped, and nobody at another address is.
func TestAddressLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := time.Date(2026, 6, 1, 12, 1, 0, 0, time.UTC)
		sessions := &failing{Sessions: s.store}
		start := func() {
			s.start(func(d *adminapi.Deps) {
				d.Proxies, d.Sessions, d.Now = loopback, sessions, func() time.Time { return now }
			})
		}
		start()
		from := func(address, name, password string) answer {
			c := s.anonymous()
			c.header.Set("X-Forwarded-For", address)
			return c.form("/login", "username="+name+"&password="+password)
		}
		from("2001:db8:1:2::1", "user1", "summer2026").is(http.StatusUnauthorized)
		from("2001:db8:1:2::2", "user2", "summer2026").is(http.StatusUnauthorized)
		if len(sessions.keys) != 4 || sessions.keys[1] != sessions.keys[3] || sessions.keys[0] == sessions.keys[2] {
			t.Fatalf("the failures are counted under %q", sessions.keys)
		}
		from("2001:db8:1:2::1", "admin", secret).is(http.StatusOK) // which does not make up for them
		for range 198 {
			if err := s.store.LoginFailed(t.Context(), sessions.keys[1], now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		a := from("2001:db8:1:2::ffff", "admin", secret).is(http.StatusTooManyRequests)
		if wait := a.header.Get("Retry-After"); wait != fmt.Sprint(14*60+1) {
			t.Errorf("he is told to wait %s s", wait)
		}
		start() // another server knows it too
		from("2001:db8:1:2::1", "admin", secret).is(http.StatusTooManyRequests)
		from("2001:db8:1:3::1", "admin", secret).is(http.StatusOK)
		from("192.0.2.1", "admin", secret).is(http.StatusOK)
		now = now.Add(14 * time.Minute) // the next quarter of an hour
		from("2001:db8:1:2::1", "admin", secret).is(http.StatusOK)
	})
}
