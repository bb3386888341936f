package adminapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/internal/password"
	"talktime/models"
	"talktime/store/storetest"
)

// basicClient shows a name and a password with each request, from afar.
func (s *site) basicClient(name, secret string) *client {
	c := s.anonymous()
	c.header.Set("Via", "1.1 proxy")
	c.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+secret)))
	return c
}

// countedSessions counts how often somebody who logs in is looked up, which is before each comparison.
type countedSessions struct {
	adminapi.Sessions

	compared atomic.Int64
}

func (s *countedSessions) LoginUser(ctx context.Context, username string) (models.User, error) {
	s.compared.Add(1)
	return s.Sessions.LoginUser(ctx, username)
}

// TestBasic is HTTP Basic on a route that takes it.
func TestBasic(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		user := s.marta()
		now := time.Now()
		sessions := &countedSessions{Sessions: s.store}
		counting := func(d *adminapi.Deps) { d.Sessions, d.Now = sessions, func() time.Time { return now } }
		s.start(counting)
		compares := func(what string, want int64, do func()) {
			t.Helper()
			sessions.compared.Store(0)
			do()
			if got := sessions.compared.Load(); got != want {
				t.Errorf("%s: a password was compared %d times, want %d", what, got, want)
			}
		}
		admin, marta := s.basicClient("admin", secret), s.basicClient("marta", secret)
		compares("first", 1, func() { admin.get("/metrics").is(http.StatusOK) })
		compares("again", 0, func() { admin.get("/metrics").is(http.StatusOK) })
		compares("no administrator", 1, func() { marta.get("/metrics").is(http.StatusForbidden) })
		compares("no administrator again", 0, func() { marta.get("/metrics").is(http.StatusForbidden) })
		compares("wrong", 2, func() {
			for range 2 { // what was wrong is not remembered
				a := s.basicClient("admin", "wrong77").get("/metrics").is(http.StatusUnauthorized)
				if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="Talktime", charset="UTF-8"` {
					t.Errorf("WWW-Authenticate: %s", got)
				}
			}
		})
		compares("nobody", 1, func() { s.basicClient("nobody", secret).get("/metrics").is(http.StatusUnauthorized) })
		now = now.Add(5 * time.Minute)
		compares("five minutes later", 1, func() { admin.get("/metrics").is(http.StatusOK) })

		// Elsewhere it is no way in, not even on a page for everybody, and no other route offers it.
		for _, path := range []string{"/api/users", "/api/users/admin", "/login", "/check"} {
			a := admin.get(path).is(http.StatusUnauthorized)
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="talktime"` {
				t.Errorf("%s: WWW-Authenticate: %s", path, got)
			}
		}
		for _, odd := range []string{"Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x"} {
			c := s.basicClient("", "")
			c.header.Set("Authorization", odd)
			c.get("/metrics").is(http.StatusUnauthorized)
		}

		// A new password ends it at once, on this server and on another.
		s.admin.patch("/api/users/marta", `{"admin":true}`).is(http.StatusOK)
		marta.get("/metrics").is(http.StatusOK)
		hash, err := password.New(1).Hash(t.Context(), "another7")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.ChangeUsers(t.Context(), []int64{user.ID}, models.UserChange{PasswordHash: &hash}, "test"); err != nil {
			t.Fatal(err)
		}
		marta.get("/metrics").is(http.StatusUnauthorized)
		marta = s.basicClient("marta", "another7")
		marta.get("/metrics").is(http.StatusOK)
		compares("the new one", 0, func() { marta.get("/metrics").is(http.StatusOK) })
		s.admin.patch("/api/users/marta", `{"username":"mara"}`).is(http.StatusOK)
		marta.get("/metrics").is(http.StatusUnauthorized)
		marta = s.basicClient("mara", "another7")
		marta.get("/metrics").is(http.StatusOK)
		s.admin.delete("/api/users/mara").is(http.StatusNoContent)
		marta.get("/metrics").is(http.StatusUnauthorized)
	})
}

// TestBasicLimit: wrong passwords count as at /login, and take no memory. Nothing runs beside it that takes some.
func TestBasicLimit(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	sessions := &countedSessions{Sessions: s.store}
	s.start(func(d *adminapi.Deps) { d.Sessions = sessions })
	for n := range 10 {
		s.basicClient("admin", fmt.Sprintf("wrong%d", n)).get("/metrics").is(http.StatusUnauthorized)
	}
	s.basicClient("admin", secret).get("/metrics").is(http.StatusTooManyRequests)
	s.anonymous().form("/login", "username=admin&password=secret7").is(http.StatusTooManyRequests)

	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	try := func(from, to int) {
		for n := from; n < to; n++ {
			s.basicClient("admin", fmt.Sprintf("%d%04096d", n, 0)).get("/metrics").is(http.StatusTooManyRequests)
		}
	}
	s.log.discard()
	try(0, 50)
	before := memory()
	try(50, 1050)
	s.log.discard()
	if grown := int64(memory()) - int64(before); grown > 1<<20 {
		t.Errorf("1,000 wrong passwords of 4 KiB each took %d bytes for good", grown)
	}
}
