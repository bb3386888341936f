package adminapi_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/models"
	"talktime/store/storetest"
)

// freezer stands between a site and its database server. While it is frozen nothing passes and nobody is told: that is a
// server that has stopped, or a network that swallows everything.
type freezer struct {
	net.Listener
	mu     sync.Mutex
	thawed *sync.Cond
	asks   bool   // what clients say is held back
	hears  bool   // what the server says is
	at     string // the statement that freezes everything; empty: none
	passes bool   // it reaches the server, only the answer does not come back
}

// frozenSite is a site on MariaDB behind a freezer.
func frozenSite(t *testing.T, edit ...func(*adminapi.Deps)) (*site, *freezer) {
	t.Helper()
	direct := storetest.OnShared(t)
	direct.Migrated(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{Listener: listener}
	f.thawed = sync.NewCond(&f.mu)
	go f.serve(direct.Config.Addr)
	t.Cleanup(func() { f.thaw(); _ = f.Close() })
	behind := direct
	behind.Config.Addr = f.Addr().String()
	usual := func(d *adminapi.Deps) { d.Patience = 0 }
	return newSite(t, behind, append([]func(*adminapi.Deps){usual}, edit...)...), f
}

func (f *freezer) serve(server string) {
	for {
		client, err := f.Accept()
		if err != nil {
			return
		}
		conn, err := net.Dial("tcp", server)
		if err != nil {
			_ = client.Close()
			continue
		}
		go f.pass(conn, client, true)
		go f.pass(client, conn, false)
	}
}

// pass carries what one side says to the other.
func (f *freezer) pass(to, from net.Conn, asks bool) {
	defer to.Close()
	defer from.Close()
	said := make([]byte, 64<<10)
	for {
		n, err := from.Read(said)
		if err != nil {
			return
		}
		f.mu.Lock()
		if asks && f.at != "" && bytes.Contains(said[:n], []byte(f.at)) {
			f.at, f.asks, f.hears = "", !f.passes, true
		}
		for asks && f.asks || !asks && f.hears {
			f.thawed.Wait()
		}
		f.mu.Unlock()
		if _, err := to.Write(said[:n]); err != nil {
			return
		}
	}
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks, f.hears = true, true
}

// freezeAt freezes everything once a statement is sent, which still reaches the server or does not.
func (f *freezer) freezeAt(statement string, passes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.passes = statement, passes
}

func (f *freezer) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks, f.hears, f.at = false, false, ""
	f.thawed.Broadcast()
}

// TestFrozenDatabase: what needs no database is answered as ever, and all else says that there is none. Afterwards all is
// well again.
func TestFrozenDatabase(t *testing.T) {
	t.Parallel()
	s, f := frozenSite(t)
	s.marta()
	made := s.admin.post("/api/tokens", `{"name":"till","scopes":["admin","read","cdr","money","users"]}`).is(http.StatusCreated).object()
	till := s.anonymous()
	till.header.Set("Authorization", "Bearer "+made["token"].(string))
	f.freeze()
	well := map[string]int{
		"/healthz": 200, "/health": 200, "/docs": 200, "/docs/style.css": 200, "/openapi.json": 200, "/static/:file": 404, "/favicon.ico": 204, "/login": 200,
		"/api/api.php": 200,                                                          // asked for nothing
		"/metrics":     200, "/check_voice_balance": 401, "/check_data_balance": 401, // nobody may ask here
	}
	unavailable := func(a answer) {
		t.Helper()
		if a.is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: nobody says when to come back", a.what)
		}
	}
	var asked []func()
	for _, route := range slices.Concat(adminapi.Routes(), adminapi.Pages()) {
		path := strings.NewReplacer(":username", "marta", ":id", "1", ":name", "team").Replace(route.Path)
		body := ""
		if route.Method != http.MethodGet {
			body = `{"username":"marta","password":"secret7"}`
		}
		asked = append(asked, func() {
			switch status, needsNone := well[route.Path]; {
			case route.Path == "/readyz":
				s.admin.get(path).is(http.StatusServiceUnavailable)
			case needsNone && (route.Method == http.MethodGet || route.Path == "/api/api.php"):
				asker := s.admin
				if strings.HasPrefix(route.Path, "/check_") {
					asker = s.anonymous()
				}
				asker.get(path).is(status)
			default:
				unavailable(s.admin.do(route.Method, path, body))
				if route.Access.Scope != "" {
					unavailable(till.do(route.Method, path, body))
				}
			}
		})
	}
	together(asked...)
	f.thaw()
	s.admin.get("/api/users").is(http.StatusOK)
	till.get("/api/users").is(http.StatusOK)
	s.login("marta").get("/check").is(http.StatusOK)
}

// TestMoneyInAFreeze: whoever is not answered is told that nobody knows, and what he repeats under the same key is done
// once, whether the first had reached the server or not.
func TestMoneyInAFreeze(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, body string
		freezes          string
		reached          bool
	}{
		{"a top-up that was made", "/api/balance", `{"signal":"+","value":"10","userId":2}`, "COMMIT", true},
		{"a top-up that was not", "/api/balance", `{"signal":"+","value":"10","userId":2}`, "INSERT INTO entries", true},
		{"a removal that will be", "/api/voice_balance", `{"from_user_id":2,"value":-10}`, "COMMIT", false},
		{"a transfer that was made", "/api/transfers", `{"from":"marta","to":"joel","amount":"10"}`, "COMMIT", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, f := frozenSite(t)
			s.marta()
			s.joel()
			payer := s.admin.keyed("receipt-1017")
			f.freezeAt(tt.freezes, tt.reached)
			a := payer.post(tt.path, tt.body).is(http.StatusServiceUnavailable)
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "this may have been done or not") {
				t.Errorf("%s", a.body)
			}
			f.thaw()
			first := payer.post(tt.path, tt.body).is(http.StatusCreated)
			payer.post(tt.path, tt.body).says(http.StatusCreated, strings.TrimSpace(first.body))
			transactions := map[any]bool{}
			for _, e := range s.admin.get("/api/ledger").objects() {
				transactions[e["transaction_id"]] = true
			}
			if len(transactions) != 2 { // marta's opening balance is one
				t.Errorf("%d transactions were posted", len(transactions))
			}
			if n := strings.Count(s.admin.get("/api/audit").body, "receipt-1017"); n != 1 {
				t.Errorf("the audit log has it %d times", n)
			}
		})
	}
}

// hasty notes what is asked of a database that does not answer, and how long the answer may take.
type hasty struct {
	t     *testing.T
	mu    sync.Mutex
	asked []string
}

func (h *hasty) within(ctx context.Context, what string, most time.Duration) error {
	deadline, ok := ctx.Deadline()
	if left := time.Until(deadline); !ok || left > most {
		h.t.Errorf("%s may take %s, want at most %s", what, left, most)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, what)
	return context.DeadlineExceeded
}

type hastyUsers struct {
	adminapi.Users
	*hasty
}

func (h hastyUsers) ListUsers(ctx context.Context, _ models.ListRequest) (l models.List[models.UserDetail], err error) {
	return l, h.within(ctx, "a list", 10*time.Second)
}

func (h hastyUsers) ChangeUsers(ctx context.Context, ids []int64, _ models.UserChange, _ string) (int, error) {
	if len(ids) > 1 {
		return 0, h.within(ctx, "a change of many users", 50*time.Second)
	}
	return 0, h.within(ctx, "a change", 10*time.Second)
}

type hastyGroups struct {
	adminapi.Groups
	*hasty
}

func (h hastyGroups) NewGroup(ctx context.Context, _ models.NewGroup, _ string) (g models.Group, err error) {
	return g, h.within(ctx, "a new group", 50*time.Second)
}

type hastyMoney struct {
	adminapi.Money
	*hasty
}

func (h hastyMoney) Move(ctx context.Context, _ billing.Movement) (m billing.Moved, err error) {
	return m, h.within(ctx, "a movement of money", 10*time.Second)
}

type hastyTokens struct {
	adminapi.Tokens
	*hasty
}

func (h hastyTokens) Token(ctx context.Context, _ string) (t models.Token, err error) {
	return t, h.within(ctx, "a token", 3*time.Second)
}

type hastySessions struct {
	adminapi.Sessions
	*hasty
	stopped bool
}

func (h *hastySessions) SessionUser(ctx context.Context, user int64, session string) (models.User, bool, error) {
	if h.stopped {
		return models.User{}, false, h.within(ctx, "a session", 3*time.Second)
	}
	return h.Sessions.SessionUser(ctx, user, session)
}

// TestPatience: nothing is asked of a database without saying for how long, and nobody is told that something was not
// done when it may have been.
func TestPatience(t *testing.T) {
	t.Parallel()
	h := &hasty{t: t}
	sessions := &hastySessions{hasty: h}
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		d.Patience = 0
		sessions.Sessions = d.Sessions
		d.Users, d.Groups, d.Money = hastyUsers{d.Users, h}, hastyGroups{d.Groups, h}, hastyMoney{d.Money, h}
		d.Tokens, d.Sessions = hastyTokens{d.Tokens, h}, sessions
		d.Ready = func(ctx context.Context) error { return h.within(ctx, "ready", 2*time.Second) }
	})
	s.marta()
	s.joel()
	const gone, doubt = "the database cannot be reached; try again", "this may have been done or not"
	program := s.anonymous()
	program.header.Set("Authorization", "Bearer x")
	for _, tt := range []struct {
		who                      *client
		method, path, body, says string
	}{
		{s.admin, "GET", "/api/users", "", gone},
		{s.admin, "PATCH", "/api/users/marta", `{"name":"M"}`, doubt},
		{s.admin, "PATCH", "/api/users", `{"q":{"filters":[{"name":"admin","op":"eq","val":false}]},"name":"M"}`, doubt},
		{s.admin, "POST", "/api/groups", `{"name":"team","day":1,"month":1,"year":2130,"count":1,"users":[]}`, doubt},
		{s.admin, "POST", "/api/balance", `{"signal":"+","value":"10","userId":2}`, gone}, // billing knows that it was not done
		{program, "POST", "/api/balance", `{"signal":"+","value":"10","userId":2}`, gone}, // nobody got that far
		{s.anonymous(), "GET", "/readyz", "", "unavailable"},
	} {
		a := tt.who.do(tt.method, tt.path, tt.body).is(http.StatusServiceUnavailable)
		if !strings.Contains(a.body, tt.says) || a.header.Get("Retry-After") == "" && tt.path != "/readyz" {
			t.Errorf("%s: %s", a.what, a.body)
		}
	}
	sessions.stopped = true
	s.admin.get("/").is(http.StatusServiceUnavailable)
	s.admin.get("/logout").is(http.StatusServiceUnavailable) // else it would claim to have ended the session
	s.admin.get("/login").is(http.StatusOK)
	want := []string{"a list", "a change", "a change of many users", "a new group", "a movement of money", "a token", "ready", "a session", "a session", "a session"}
	if !slices.Equal(h.asked, want) {
		t.Errorf("asked %q, want %q", h.asked, want)
	}
}

// TestLockedElsewhere: somebody with a database client keeps everything locked. Nobody takes that for a mistake of ours.
func TestLockedElsewhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.admin.post("/api/groups", plainGroup("team")).is(http.StatusCreated)
		conn, err := s.database.SQL(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		locks := []string{"BEGIN IMMEDIATE"}
		if s.database.Server != nil {
			locks = []string{"BEGIN", "SELECT * FROM users FOR UPDATE", "SELECT * FROM accounts FOR UPDATE", "SELECT * FROM user_groups FOR UPDATE"}
		}
		for _, lock := range locks {
			if _, err := conn.ExecContext(t.Context(), lock); err != nil {
				t.Fatal(err)
			}
		}
		changes := []func() answer{
			func() answer { return s.admin.patch("/api/users/marta", `{"name":"Marta"}`) },
			func() answer { return s.admin.patch("/api/groups/team", `{"name":"crew"}`) },
		}
		for _, change := range changes {
			if a := change().is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "may have been done or not") {
				t.Errorf("%s: %s", a.what, a.body)
			}
		}
		s.admin.post("/api/balance", `{"signal":"+","value":"10","userId":2}`).is(http.StatusServiceUnavailable)
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			change().is(http.StatusOK)
		}
	})
}
