package adminapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/store/storetest"
)

// TestLogin is checklist 1.
func TestLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		nobody := s.anonymous()
		nobody.get("/check").is(http.StatusUnauthorized)
		if a := nobody.get("/login").is(http.StatusOK); !strings.Contains(a.body, `<form method="post" action="/login">`) {
			t.Errorf("the form: %s", a.body)
		}
		a := nobody.form("/login", "username=marta&password=secret7")
		a.says(http.StatusOK, "Hello, cross-origin-world!")
		if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
			t.Errorf("the answer to a form is %s", got)
		}
		flags := a.header.Get("Set-Cookie")
		for _, flag := range []string{"session=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=43200"} {
			if !strings.Contains(flags, flag) {
				t.Errorf("the cookie lacks %s: %s", flag, flags)
			}
		}
		if strings.Contains(flags, "Secure") {
			t.Errorf("the cookie of a plain connection would not come back: %s", flags)
		}
		marta := s.anonymous()
		marta.keep(a)
		if a := marta.get("/check").is(http.StatusOK); !strings.Contains(a.body, "marta") {
			t.Errorf("check: %s", a.body)
		}
		if a := marta.get("/").is(http.StatusOK); !strings.Contains(a.body, "Hello, marta!") {
			t.Errorf("home: %s", a.body)
		}

		for _, wrong := range []string{"username=marta&password=wrong77", "username=nobody&password=secret7", "username=marta", ""} {
			a := nobody.form("/login", wrong).is(http.StatusUnauthorized)
			if !strings.Contains(a.body, "Username or Password is invalid") || !strings.Contains(a.body, "<form") {
				t.Errorf("%q: %s", wrong, a.body)
			}
		}
		nobody.post("/login", `{"username":"marta","password":"wrong77"}`).says(http.StatusUnauthorized, `{"message":"Username or Password is invalid"}`)
		asks := s.anonymous()
		asks.header.Set("Accept", "application/json")
		asks.form("/login", "username=marta&password=wrong77").says(http.StatusUnauthorized, `{"message":"Username or Password is invalid"}`)
		nobody.post("/login", `{"username":"marta","password":"secret7"}`).
			says(http.StatusOK, `{"roles":["user"],"displayName":"marta","username":"marta","id":2}`)
		nobody.post("/login", `{"username":"admin","password":"secret7"}`).
			says(http.StatusOK, `{"roles":["admin"],"displayName":"admin","username":"admin","id":1}`)
		nobody.post("/login", `{"username":1,`).says(http.StatusBadRequest, `{"message":"Unable to decode data"}`)
		nobody.post("/login", `{"username":[],"password":{}}`).is(http.StatusBadRequest)
		nobody.send(http.MethodPost, "/login", "x", "text/plain").is(http.StatusUnsupportedMediaType)

		copied := s.anonymous()
		copied.cookie = marta.cookie
		marta.get("/logout").is(http.StatusOK)
		copied.get("/check").is(http.StatusUnauthorized) // the session has ended, not only the cookie
		marta.get("/logout").is(http.StatusOK)
	})
}

// TestSessions: what ends them, and what does not.
func TestSessions(t *testing.T) {
	onBoth(t, func(_ *testing.T, s *site) {
		s.marta()
		here, there := s.login("marta"), s.login("marta")
		here.keep(here.patch("/api/users/marta", `{"password":"another7"}`).is(http.StatusOK))
		here.get("/check").is(http.StatusOK)
		there.get("/check").is(http.StatusUnauthorized)
		s.anonymous().form("/login", "username=marta&password=secret7").is(http.StatusUnauthorized)
		s.anonymous().form("/login", "username=marta&password=another7").is(http.StatusOK)

		forged := s.anonymous()
		value := []byte(here.cookie.Value)
		value[len(value)/2] ^= 1
		forged.cookie = &http.Cookie{Name: "session", Value: string(value)}
		forged.get("/check").is(http.StatusUnauthorized)
		forged.get("/login").is(http.StatusOK)

		// Another server on the same database knows the session; a day later nobody does.
		s.start()
		here.get("/check").is(http.StatusOK)
		s.start(func(d *adminapi.Deps) { d.Now = func() time.Time { return time.Now().Add(13 * time.Hour) } })
		here.get("/check").is(http.StatusUnauthorized)
		s.start()

		s.admin.delete("/api/users/marta").is(http.StatusNoContent)
		here.get("/check").is(http.StatusUnauthorized)
	})
}

// TestLoginLimit: failures count for a user at an address, on all servers together.
func TestLoginLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		proxied := func(d *adminapi.Deps) { d.Proxies = loopback }
		s.start(proxied)
		from := func(address string) *client {
			c := s.anonymous()
			c.header.Set("X-Forwarded-For", address)
			return c
		}
		for n := range 10 {
			if n == 5 {
				s.start(proxied) // another server
			}
			from("192.0.2.1").form("/login", fmt.Sprintf("username=marta&password=wrong%d", n)).is(http.StatusUnauthorized)
		}
		a := from("192.0.2.1").form("/login", "username=marta&password=secret7").is(http.StatusTooManyRequests)
		if a.header.Get("Retry-After") == "" {
			t.Error("nobody says when to try again")
		}
		from("192.0.2.1").post("/login", `{"username":"marta","password":"secret7"}`).is(http.StatusTooManyRequests)
		from("192.0.2.2").form("/login", "username=marta&password=secret7").is(http.StatusOK)
		from("192.0.2.1").form("/login", "username=joel&password=secret7").is(http.StatusOK)

		// The window passes, and a success forgets what was before it.
		s.start(proxied, func(d *adminapi.Deps) { d.Now = func() time.Time { return time.Now().Add(16 * time.Minute) } })
		from("192.0.2.1").form("/login", "username=marta&password=secret7").is(http.StatusOK)
		s.start(proxied)
		from("192.0.2.1").form("/login", "username=marta&password=secret7").is(http.StatusTooManyRequests)
	})
}

// TestPasswordsAreHashed is checklist 2: what is stored, and what is shown.
func TestPasswordsAreHashed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.admin.post("/api/users", newUser("marta", "555000204")).is(http.StatusCreated)
		var stored string
		if err := s.database.SQL(t).QueryRow("SELECT password_hash FROM users WHERE username = 'marta'").Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(stored, "$argon2id$") {
			t.Errorf("%s is stored", stored)
		}
		s.admin.patch("/api/users/marta", `{"password":"newsecret7"}`).is(http.StatusOK)
		s.admin.post("/api/balance", `{"signal":"+","value":5,"userId":2}`).is(http.StatusCreated)
		for _, path := range []string{"/api/users", "/api/users/marta", "/api/balance", "/api/cdr", "/api/audit", "/api/ledger", "/api/calls"} {
			a := s.admin.get(path).is(http.StatusOK)
			for _, word := range []string{"argon2", stored, "secret7", "password_hash"} {
				if strings.Contains(a.body, word) {
					t.Errorf("GET %s reveals %s", path, word)
				}
			}
		}
		for _, word := range []string{"secret7", "argon2"} {
			if strings.Contains(s.log.String(), word) {
				t.Errorf("the log has %s", word)
			}
		}
	})
}

// TestManyLoginsAtOnce: as many as come from a few addresses are answered, and none is an error of ours.
func TestManyLoginsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Proxies = loopback })
	s.user(models.NewUser{Username: "guest"})
	done := make(chan int)
	for n := range 20 {
		go func() {
			done <- s.through(fmt.Sprint("192.0.2.", n/8)).form("/login", "username=guest&password=secret7").status
		}()
	}
	for range 20 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
}

// through is somebody at an address, behind a proxy.
func (s *site) through(address string) *client {
	c := s.anonymous()
	c.header.Set("X-Forwarded-For", address)
	return c
}

// TestLoginFlood: whoever tries many passwords at once is told to wait, and keeps nobody else from logging in.
func TestLoginFlood(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Proxies = loopback })
	for what, try := range map[string]func(c *client, n int) answer{
		"at /login": func(c *client, n int) answer {
			return c.form("/login", fmt.Sprintf("username=u%d&password=wrong77", n))
		},
		"with HTTP Basic": func(c *client, n int) answer {
			c.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "v%d:wrong77", n)))
			return c.get("/metrics")
		},
	} {
		const tries = 400
		done := make(chan answer, tries)
		for n := range tries {
			go func() { done <- try(s.through(fmt.Sprintf("2001:db8:0:1::%x", n)), n) }()
		}
		counts := map[int]int{}
		count := func(a answer) {
			counts[a.status]++
			if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
				t.Errorf("%s: nobody says when to try again", what)
			}
		}
		for counts[http.StatusTooManyRequests] == 0 && counts[http.StatusUnauthorized] < tries {
			count(<-done)
		}
		for n := range 3 {
			s.through(fmt.Sprintf("2001:db8:0:%x::1", n+2)).form("/login", "username=admin&password="+secret).is(http.StatusOK)
		}
		for counts[http.StatusUnauthorized]+counts[http.StatusTooManyRequests] < tries && len(counts) < 3 {
			count(<-done)
		}
		if counts[http.StatusUnauthorized] == 0 || counts[http.StatusTooManyRequests] == 0 || len(counts) > 2 {
			t.Errorf("%s: the answers have these statuses: %v", what, counts)
		}
	}
}

// askedSessions notes what is asked in which order.
type askedSessions struct {
	adminapi.Sessions

	asked []string
}

func (s *askedSessions) LoginUser(ctx context.Context, username string) (models.User, error) {
	s.asked = append(s.asked, "LoginUser")
	return s.Sessions.LoginUser(ctx, username)
}

func (s *askedSessions) LoginFailures(ctx context.Context, who string, since time.Time) (int, error) {
	s.asked = append(s.asked, "LoginFailures")
	return s.Sessions.LoginFailures(ctx, who, since)
}

func (s *askedSessions) LoginFailed(ctx context.Context, who string, since time.Time) error {
	s.asked = append(s.asked, "LoginFailed")
	return s.Sessions.LoginFailed(ctx, who, since)
}

func (s *askedSessions) LoginWorked(ctx context.Context, who string) error {
	s.asked = append(s.asked, "LoginWorked")
	return s.Sessions.LoginWorked(ctx, who)
}

func (s *askedSessions) Rehashed(ctx context.Context, userID int64, old, hash string) error {
	s.asked = append(s.asked, "Rehashed")
	return s.Sessions.Rehashed(ctx, userID, old, hash)
}

func (s *askedSessions) SessionUser(ctx context.Context, userID int64, session string) (models.User, bool, error) {
	s.asked = append(s.asked, "SessionUser")
	return s.Sessions.SessionUser(ctx, userID, session)
}

// TestLoginTellsNoNames: the database is asked the same for a name that somebody has and for one that nobody has, and
// nothing of what he has. What comparing takes is in the tests of the passwords.
func TestLoginTellsNoNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	s.user(models.NewUser{Username: "gone"})
	s.admin.delete("/api/users/gone").is(http.StatusNoContent)
	sessions := &askedSessions{Sessions: s.store}
	s.start(func(d *adminapi.Deps) { d.Sessions, d.Users = sessions, nil })
	want := []string{"LoginFailures", "LoginFailures", "LoginUser", "LoginFailed", "LoginFailed"}
	for _, name := range []string{"marta", "nobody", "gone", "marta%20", "a%FF", "a/b", ""} {
		for range 2 {
			sessions.asked = nil
			s.anonymous().form("/login", "username="+name+"&password=wrong77").is(http.StatusUnauthorized)
			if !slices.Equal(sessions.asked, want) {
				t.Errorf("%q: the database is asked %v, want %v", name, sessions.asked, want)
			}
		}
	}
	s.anonymous().form("/login", "username=marta&password="+secret).is(http.StatusOK)
}
