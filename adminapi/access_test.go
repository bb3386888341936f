package adminapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/store/storetest"
)

// scopeTokens has one token for each scope, whose secret is the scope's name, and one with all of them but admin.
type scopeTokens struct{ adminapi.Tokens }

func (scopeTokens) Token(_ context.Context, secret string) (models.Token, error) {
	for i, s := range models.Scopes() {
		if s == secret {
			return models.Token{ID: int64(i + 1), Name: secret, Scopes: []string{secret}}, nil
		}
	}
	return models.Token{}, models.ErrNotFound
}

func (scopeTokens) ListTokens(context.Context, models.ListRequest) (models.List[models.Token], error) {
	return models.List[models.Token]{Items: []models.Token{}}, nil
}

func (scopeTokens) NewToken(_ context.Context, t models.NewToken, _ string) (models.Token, string, error) {
	return models.Token{ID: 9, Name: t.Name, Scopes: t.Scopes, ExpiresAt: t.ExpiresAt}, "tt_shown_once", nil
}

func (scopeTokens) TokenByID(context.Context, int64) (models.Token, error) {
	return models.Token{}, models.ErrNotFound
}

func (scopeTokens) RevokeToken(context.Context, int64, string) error { return models.ErrNotFound }

// TestAuthorisation is checklist 3: each path, asked by everybody who could ask.
func TestAuthorisation(t *testing.T) {
	onBoth(t, authorisation, func(d *adminapi.Deps) { d.Tokens, d.Groups = scopeTokens{}, &memoryGroups{} })
}

func authorisation(t *testing.T, s *site) {
	s.marta()
	s.joel()

	// What somebody who is let in is answered: these requests are not meant to succeed.
	bodies := map[string]string{
		"POST /api/users":            `{}`,
		"PATCH /api/users":           `{}`,
		"PATCH /api/users/:username": `{"shoe_size":44}`,
		"POST /api/balance":          `{}`,
	}
	// Who besides an administrator is let in.
	const nobody, everybody, self = "", "*", "marta"
	let := map[string]string{
		"GET /healthz": everybody, "GET /readyz": everybody, "GET /metrics": everybody /* on this machine */, "GET /": everybody, "GET /login": everybody, "POST /login": everybody,
		"GET /health": everybody, "GET /api/v1/:token/callstat": everybody, "GET /api/v1/:token/asrstat": everybody, // the token is in the path
		"GET /v2/accounts/:account/call_statistics/countries": "statistics", "GET /v2/accounts/:account/call_statistics/countries/:list": "statistics",
		"GET /v2/accounts/:account/call_statistics/csv": "statistics", "GET /v2/accounts/:account/call_statistics/:period": "statistics",
		"GET /api/stats/summary": self + " statistics", "GET /api/stats/destinations": self + " statistics", "GET /api/stats/heatmap": self + " statistics", "GET /api/stats/concurrent": self + " statistics",
		"GET /api/api.php": everybody, "POST /api/api.php": everybody, // it looks itself
		"GET /openapi.json": everybody, "GET /docs": everybody, "GET /docs/style.css": everybody,
		"GET /stats/rest/index.php": "marta joel statistics", "GET /qstats/rest/index.php": "marta joel statistics", "GET /rest/index.php": "marta joel statistics",
		"GET /api/queues": "statistics", "GET /api/queues/agents": "statistics", "GET /api/queues/summary": "statistics", "GET /api/queues/waits": "statistics", "GET /api/queues/agents/times": "statistics", // and whoever was granted something
		"GET /api/queues/calls": "statistics", "GET /api/queues/calls/:uniqueid": "statistics", "GET /api/queues/calls/:uniqueid/recording": "recordings", "GET /api/queues/abandoned": "statistics",
		"PATCH /api/queues/:queue": "admin", "PATCH /api/queues/agents/:agent": "admin", "GET /api/queues/import": "admin",
		"GET /api/pbx/recordings": "recordings", "GET /api/pbx/recordings/retention": "recordings", "GET /api/pbx/recordings/*file": "recordings", "DELETE /api/pbx/recordings/*file": "write", "GET /api/pbx/system": "read",
		"GET /api/queues/live": "statistics", "GET /api/queues/live/events": "statistics",
		"GET /api/pbx/extensions": "read", "POST /api/pbx/extensions": "write", "GET /api/pbx/extensions/:extension": "read", "PATCH /api/pbx/extensions/:extension": "write", "DELETE /api/pbx/extensions/:extension": "write",
		"GET /api/pbx/followme": "read", "POST /api/pbx/followme": "write", "GET /api/pbx/followme/:extension": "read", "PATCH /api/pbx/followme/:extension": "write", "DELETE /api/pbx/followme/:extension": "write",
		"GET /api/pbx/changes": "read", "POST /api/pbx/changes/:change/undo": "write", "POST /api/pbx/undo": "write",
		"GET /api/pbx/trunks": "read", "POST /api/pbx/trunks": "write", "GET /api/pbx/trunks/:trunk": "read", "PATCH /api/pbx/trunks/:trunk": "write", "DELETE /api/pbx/trunks/:trunk": "write",
		"GET /api/pbx/channels": "read", "GET /api/pbx/channels/:channel": "read", "DELETE /api/pbx/channels/:channel": "write", "POST /api/pbx/channels/:channel/redirect": "write",
		"GET /api/pbx/calls": "read", "GET /api/pbx/calls/events": "read", "POST /api/pbx/originate": "write", "GET /api/pbx/peers": "read", "GET /api/pbx/queues/:queuename/members": "read",
		"POST /api/pbx/queues/:queuename/members": "write", "PATCH /api/pbx/queues/:queuename/members/:member": "write", "DELETE /api/pbx/queues/:queuename/members/:member": "write",
		"GET /logout": everybody, "POST /logout": everybody, "GET /check": "marta joel",
		"GET /api/users": "read", "POST /api/users": "users", "PATCH /api/users": "users",
		"GET /api/users/:username": self + " read", "PATCH /api/users/:username": self + " users", "DELETE /api/users/:username": nobody, // with one scope alone: TestDeletingIsMoney
		"GET /api/balance": "read", "POST /api/balance": "money", "GET /api/balance/:id": "read",
		"PATCH /api/balance/:id": nobody, "DELETE /api/balance/:id": nobody,
		"GET /api/cdr": "cdr", "GET /api/cdr/:id": "cdr", "POST /api/cdr": nobody, "PATCH /api/cdr/:id": nobody, "DELETE /api/cdr/:id": nobody,
		"GET /check_voice_balance": "read", "POST /check_voice_balance": "read", "GET /check_data_balance": "read", "POST /check_data_balance": "read",
		"POST /api/voice_balance": "money",
		"GET /api/calls":          "read", "GET /api/calls/:id": "read", "GET /api/calls/:id/explain": "read",
		"GET /api/holds": "read", "GET /api/holds/:id": "read", "DELETE /api/holds/:id": "money",
		"GET /api/ledger": "read", "GET /api/audit": "admin", "POST /api/transfers": "money",
		"GET /api/tokens": "admin", "GET /api/tokens/:id": "admin", "POST /api/tokens": "admin", "DELETE /api/tokens/:id": "admin",
		"GET /api/users/:username/grants": "users", "PUT /api/users/:username/grants": "users",
		"GET /api/groups": "read", "POST /api/groups": "users", "GET /api/groups/:name": "read", "PATCH /api/groups/:name": "users", "DELETE /api/groups/:name": nobody,
		"GET /api/tariffs": "read", "POST /api/tariffs": "admin", "GET /api/tariffs/:tariff": "read", "PATCH /api/tariffs/:tariff": "admin", "DELETE /api/tariffs/:tariff": "admin",
		"GET /api/tariffs/:tariff/versions": "read", "POST /api/tariffs/:tariff/versions": "admin", "POST /api/tariffs/:tariff/activations": "admin",
		"POST /api/tariffs/:tariff/rollback": "admin", "GET /api/tariffs/:tariff/rates": "read", "GET /api/rates/explain": self + " read",
		"GET /api/notices": "admin", "GET /api/webhooks": "admin", "POST /api/webhooks": "admin", "GET /api/webhooks/:webhook": "admin", "PATCH /api/webhooks/:webhook": "admin",
		"DELETE /api/webhooks/:webhook": "admin", "POST /api/webhooks/:webhook/test": "admin",
		"GET /api/carriers": "read", "POST /api/carriers": "admin", "GET /api/carriers/:carrier": "read", "PATCH /api/carriers/:carrier": "admin", "DELETE /api/carriers/:carrier": "admin",
		"GET /api/routes": "read", "POST /api/routes": "admin", "GET /api/routes/:route": "read", "PATCH /api/routes/:route": "admin", "DELETE /api/routes/:route": "admin",
		"GET /api/vouchers": "read", "POST /api/vouchers": "money", "POST /api/vouchers/redeem": "marta joel money", "GET /api/vouchers/:batch": "read", "PATCH /api/vouchers/:batch": "money",
		"GET /api/cards": "read", "POST /api/cards": "money", "GET /api/cards/:batch": "read", "PATCH /api/cards/:batch": "money",
		"GET /api/routes/explain": "read",
		"GET /api/rerates":        "admin", "POST /api/rerates/preview": "admin", "POST /api/rerates": nobody, "GET /api/rerates/:rerate": "admin",
		"GET /api/limits": "read", "PUT /api/limits": "admin", "DELETE /api/limits": "admin", "GET /api/refusals": "read",
		"GET /api/groups/:name/limits": "read", "PUT /api/groups/:name/limits": "users", "DELETE /api/groups/:name/limits": "users",
		"GET /api/users/:username/limits": self + " read", "PUT /api/users/:username/limits": "users", "DELETE /api/users/:username/limits": "users",
		"GET /api/users/:username/tariff": "read", "PUT /api/users/:username/tariff": "users", "GET /api/groups/:name/tariff": "read", "PUT /api/groups/:name/tariff": "users",
	}
	askers := map[string]func() *client{"": s.anonymous}
	for _, name := range []string{"admin", "marta", "joel"} {
		c := s.login(name)
		askers[name] = func() *client { again := *c; return &again } // whatever /logout does to another
	}
	for _, scope := range models.Scopes() {
		askers["token "+scope] = func() *client {
			c := s.anonymous()
			c.header.Set("Authorization", "Bearer "+scope)
			return c
		}
	}
	for _, route := range adminapi.Routes() {
		what := route.Method + " " + route.Path
		who, listed := let[what]
		if !listed {
			t.Errorf("%s is in no row of the table", what)
			continue
		}
		path := strings.NewReplacer(":username", "marta", ":id", "77", ":name", "field-team", ":tariff", "retail", ":carrier", "north", ":webhook", "ops", ":route", "49", ":batch", "spring", ":token", reportToken, ":account", "all", ":list", "Fiji", ":period", "daily").Replace(route.Path)
		if route.Path == "/api/rates/explain" || strings.HasPrefix(route.Path, "/api/stats/") {
			path += "?user=marta"
		}
		if route.Method == http.MethodDelete {
			path = strings.Replace(path, "marta", "nobody", 1) // the others need her
		}
		if strings.HasSuffix(path, "/logout") {
			continue // it would end the sessions of this test; TestLogin has it
		}
		for name, asker := range askers {
			allowed := name == "admin" || who == everybody
			for _, other := range strings.Fields(who) {
				allowed = allowed || name == other || name == "token "+other
			}
			a := asker().do(route.Method, path, bodies[what])
			if route.JSON && bodies[what] == "" {
				a = asker().do(route.Method, path, `{"imsi":"1"}`)
			}
			refused := http.StatusForbidden
			if name == "" {
				refused = http.StatusUnauthorized
			}
			if path == "/login" && route.Method == http.MethodPost {
				continue // TestLogin has it
			}
			if (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) == allowed || !allowed && a.status != refused {
				t.Errorf("%s by %q: status %d, allowed %v: %s", what, name, a.status, allowed, a.body)
			}
			want := map[int]string{401: `{"message":"Not authenticated"}`, 403: `{"message":"Forbidden"}`}[a.status]
			more := strings.HasPrefix(a.body, `{"message":"Forbidden: `) // and which scope it needs too
			if strings.HasSuffix(route.Path, "/rest/index.php") {
				want = map[int]string{401: `{"error":"authentication required"}`, 403: `{"error":"Forbidden"}`}[a.status]
			}
			if route.Kept && !route.Access.Crossbar && want != "" && strings.TrimSpace(a.body) != want && !more {
				t.Errorf("%s by %q: %s", what, name, a.body)
			}
			if scope := string(route.Access.Scope); !route.Kept && strings.HasPrefix(path, "/api/") && scope != "" && strings.HasPrefix(name, "token ") && name != "token "+scope && a.status == http.StatusForbidden &&
				!strings.Contains(a.body, `"message":"Forbidden: this needs the scope `+scope+`"`) {
				t.Errorf("%s by %q does not say what is missing: %s", what, name, a.body)
			}
		}
	}
	for _, route := range adminapi.Routes() {
		if s := string(route.Access.Scope); s != "" && !slices.Contains(models.Scopes(), s) {
			t.Errorf("%s %s needs the scope %s, which no token can have", route.Method, route.Path, s)
		}
	}
	for what := range let {
		method, path, _ := strings.Cut(what, " ")
		found := false
		for _, route := range adminapi.Routes() {
			found = found || route.Method == method && route.Path == path
		}
		if !found {
			t.Errorf("there is no %s", what)
		}
	}
}

// TestScopeWords: something is said of exactly those scopes that a route asks for.
func TestScopeWords(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, route := range adminapi.Routes() {
		used[string(route.Access.Scope)] = true
	}
	used[string(adminapi.ScopeSecrets)] = true // what is shown depends on it, not who may ask
	for _, scope := range models.Scopes() {
		if said := models.ScopePermits(scope); (said != models.ScopePermits("")) != used[scope] {
			t.Errorf("%s is said to permit %q", scope, said)
		}
	}
	for scope := range used {
		if scope != "" && !slices.Contains(models.Scopes(), scope) {
			t.Errorf("no token has the scope %s", scope)
		}
	}
}

// TestTokens: a token that is wrong is refused, even beside a good cookie, and none makes administrators unasked.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Tokens = scopeTokens{} })
	s.marta()
	wrong := *s.admin
	for _, header := range []string{"Bearer nonsense", "Bearer ", "Bearer", "Basic YWRtaW46c2VjcmV0Nw==", "nonsense"} {
		wrong.header = http.Header{"Authorization": {header}}
		a := wrong.get("/api/users").is(http.StatusUnauthorized)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: nobody says how to authenticate", header)
		}
	}
	users := s.anonymous()
	users.header.Set("Authorization", "bearer users")
	users.post("/api/users", newUser("eve", "5550001")).is(http.StatusCreated)
	users.post("/api/users", strings.Replace(newUser("eva", "5550002"), "false", "true", 1)).is(http.StatusForbidden)
	users.patch("/api/users/eve", `{"name":"Eve","clid":"5550003"}`).is(http.StatusOK)
	users.patch("/api/users/eve", `{"admin":true}`).is(http.StatusForbidden)
	users.patch("/api/users/eve", `{"level":0}`).is(http.StatusForbidden)
	users.patch("/api/users/admin", `{"password":"another7"}`).is(http.StatusForbidden)
	users.delete("/api/users/admin").is(http.StatusForbidden)

	money := s.anonymous()
	money.header.Set("Authorization", "Bearer money")
	money.post("/api/balance", `{"signal":"+","value":5,"userId":2}`).is(http.StatusCreated)
	if log := s.admin.get("/api/audit"); !strings.Contains(log.body, `"actor":"token/money"`) || !strings.Contains(log.body, `"actor":"token/users"`) {
		t.Errorf("%s", log.body)
	}
}

// TestVoiceBalance: for telephone systems, and for nobody else.
func TestVoiceBalance(t *testing.T) { onBoth(t, voiceBalance) }

func voiceBalance(t *testing.T, s *site) {
	s.marta()
	s.anonymous().post("/check_voice_balance", `{"imsi":"001010000000204"}`).is(http.StatusUnauthorized)
	s.start(func(d *adminapi.Deps) { d.Asterisk = loopback })
	asterisk := s.anonymous()
	a := asterisk.post("/check_voice_balance", `{"imsi":"001010000000204"}`)
	a.says(http.StatusOK, "180")
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
		t.Errorf("the answer is %s", got)
	}
	asterisk.get("/check_voice_balance?imsi=001010000000204").says(http.StatusOK, "180")
	for _, body := range []string{`{"imsi":"1010000000204"}`, `{"imsi":"x"}`, `{"imsi":""}`} {
		asterisk.post("/check_voice_balance", body).says(http.StatusOK, "none")
	}
	asterisk.post("/check_voice_balance", `{}`).is(http.StatusBadRequest)
	asterisk.post("/check_voice_balance", `{"imsi":{}}`).is(http.StatusBadRequest)
	s.start(func(d *adminapi.Deps) { // in one and the same second
		d.Asterisk, d.Now = loopback, func() time.Time { return time.Unix(1900000000, 0) }
	})
	for n := range 51 {
		want := http.StatusOK
		if n == 50 {
			want = http.StatusTooManyRequests
		}
		asterisk.post("/check_voice_balance", `{"imsi":"1"}`).is(want)
	}
}
