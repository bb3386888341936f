package adminapi_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	ami "talktime/pbx"
	"talktime/pbx/extension"
	"talktime/store/storetest"
)

// trunkPeer is what an Asterisk would do with trunks: it refuses the codec refused, and a registration at refused.example.org.
type trunkPeer struct {
	tables extension.Trunks
	db     *sql.DB

	mu     sync.Mutex
	away   error
	anew   int
	states error
	next   time.Duration // of the registration
}

func (a *trunkPeer) set(away error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away, a.states = away, away
}

func (a *trunkPeer) is() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.away
}

func (a *trunkPeer) Accepted(ctx context.Context, name string) (bool, error) {
	if err := a.is(); err != nil {
		return false, err
	}
	t, err := a.tables.Trunk(ctx, name)
	return err == nil && t.Codecs != "refused", nil
}

func (a *trunkPeer) Sync(context.Context, string) error { return a.is() }

func (a *trunkPeer) remove(ctx context.Context, name string, tables ...string) error {
	err := a.is()
	for _, table := range tables {
		if err == nil {
			_, err = a.db.ExecContext(ctx, "DELETE FROM "+table+" WHERE id = ?", name)
		}
	}
	return err
}

func (a *trunkPeer) Forget(ctx context.Context, name string) error {
	return a.remove(ctx, name, "ps_endpoints", "ps_aors", "ps_auths")
}

func (a *trunkPeer) Unregister(ctx context.Context, name string) error {
	return a.remove(ctx, name, "ps_registrations")
}

func (a *trunkPeer) Register(ctx context.Context, name string) error {
	t, err := a.tables.Trunk(ctx, name)
	if err == nil && (!t.Register || t.Host == "refused.example.org") {
		err = models.ErrNotFound
	}
	return err
}

func (a *trunkPeer) RegisterAnew(context.Context, string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anew++
	return a.away
}

// PJSIPShowRegistrationsOutbound implements adminapi.TrunkStates.
func (a *trunkPeer) PJSIPShowRegistrationsOutbound(context.Context) ([]ami.Registration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return []ami.Registration{{Name: "north", Status: "Registered", Next: a.next}}, a.states
}

func (a *trunkPeer) EndpointContacts(_ context.Context, endpoints []string) []ami.Contact {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.states != nil || !slices.Contains(endpoints, "north") {
		return nil
	}
	return []ami.Contact{{Endpoint: "north", Status: "Reachable", RoundTrip: 1500 * time.Microsecond}}
}

// hides fails the test if an answer has a secret.
func hides(t *testing.T, a answer, secret string) answer {
	t.Helper()
	if strings.Contains(a.body, secret) {
		t.Errorf("a secret is shown: %s", a.body)
	}
	return a
}

// withTrunks is a site with trunks on a real database.
func withTrunks(t *testing.T) (*site, *trunkPeer) {
	t.Helper()
	s := newSite(t, storetest.SQLite(t))
	config, db := pbxTables(t, storetest.RealtimeTables+storetest.RegistrationTable)
	tables, err := s.store.OpenPBXRealtime(config, extension.Realtime{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tables.Close() })
	peer := &trunkPeer{tables: tables, db: db, next: 90 * time.Second}
	s.start(func(d *adminapi.Deps) {
		checked := extension.CheckedTrunks{TrunkBackend: tables, Asterisk: peer}
		recorded := extension.Recorded{Backend: tables, Trunks: checked, Log: s.store, Logger: slog.New(slog.NewJSONHandler(s.log, nil))}
		d.PBX.Extensions, d.PBX.Changes, d.PBX.Trunks, d.PBX.TrunkStates = recorded, recorded, extension.RecordedTrunks{TrunkBackend: checked, Recorded: recorded}, peer
	})
	return s, peer
}

func TestTrunks(t *testing.T) {
	t.Parallel()
	s, peer := withTrunks(t)
	s.admin.get("/api/pbx/trunks").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
	const body = `{"name":"north","host":"192.0.2.10","port":5080,"username":"acc","secret":"hush-hush","register":true,"codecs":["alaw","ulaw"],"send_callerid":"pai"}`
	hides(t, s.admin.post("/api/pbx/trunks?dry_run=1", body).is(http.StatusOK), "hush").shows(map[string]any{"differences.0.field": "name", "differences.0.after": "north"})
	s.admin.get("/api/pbx/trunks/north").is(http.StatusNotFound).has(`trunk \"north\" does not exist`)
	made := s.admin.post("/api/pbx/trunks", body).is(http.StatusCreated)
	made.shows(map[string]any{
		"name": "north", "host": "192.0.2.10", "port": 5080, "transport": "udp", "username": "acc", "secret": "hush-hush", "register": true, "contact_user": "acc", "from_user": "",
		"context": "talktime-incoming", "match.0": "192.0.2.10", "match.1": nil, "codecs.0": "alaw", "codecs.1": "ulaw", "dtmf_mode": "rfc4733", "direct_media": false, "send_callerid": "pai",
		"qualify_seconds": 60, "registration.status": "Registered", "registration.next_seconds": 90, "contact.status": "Reachable", "contact.roundtrip_ms": 1.5, "checked": nil,
	})
	if got := made.header.Get("Location"); got != s.url+"/api/pbx/trunks/north" {
		t.Errorf("it is at %s", got)
	}
	peer.mu.Lock()
	peer.next = 0
	peer.mu.Unlock()
	s.admin.get("/api/pbx/trunks/north").is(http.StatusOK).shows(map[string]any{"registration.status": "Registered", "registration.next_seconds": nil})
	tag := made.header.Get("ETag")
	if got := s.admin.get("/api/pbx/trunks/north").is(http.StatusOK).header.Get("ETag"); got != tag || tag == "" {
		t.Errorf("the tag is %s, not %s", got, tag)
	}
	reader := s.program("read")
	hides(t, reader.get("/api/pbx/trunks/north").is(http.StatusOK), "hush").shows(map[string]any{"secret": "********"})
	hides(t, reader.get("/api/pbx/trunks").is(http.StatusOK), "hush").shows(map[string]any{"num_results": 1, "objects.0.secret": "********", "objects.0.registration.status": "Registered"})
	s.program("read", "secrets").get("/api/pbx/trunks/north").is(http.StatusOK).shows(map[string]any{"secret": "hush-hush"})
	reader.patch("/api/pbx/trunks/north", `{}`).is(http.StatusForbidden)
	writer := s.program("write", "read")

	// Changes: what is not sent stays, a mask is no secret, and a condition is asked.
	writer.patch("/api/pbx/trunks/north?dry_run=1", `{"context":"c2","secret":"other"}`).is(http.StatusOK).shows(map[string]any{
		"differences.0.field": "secret", "differences.0.after": "********", "differences.1.field": "context", "differences.1.before": "talktime-incoming", "differences.2": nil,
	})
	stale := writer.with("If-Match", tag)
	stale.patch("/api/pbx/trunks/north", `{"context":"c2","secret":"********","match":[],"port":0}`).is(http.StatusOK).shows(map[string]any{"context": "c2", "port": 0, "match.0": nil, "secret": "********", "register": true})
	for _, who := range []*client{writer, s.admin} { // what is read may be sent back
		was := who.get("/api/pbx/trunks/north").is(http.StatusOK)
		if sent := who.patch("/api/pbx/trunks/north", was.body).is(http.StatusOK); sent.body != was.body {
			t.Errorf("%s has become %s", was.body, sent.body)
		}
		who.patch("/api/pbx/trunks/north", `{"registration":null,"contact":null}`).is(http.StatusOK)
		for _, other := range []string{`{"contact":"sip:192.0.2.66"}`, `{"registration":{"status":"Registered","user":"x"}}`, `{"registration":[]}`} {
			who.patch("/api/pbx/trunks/north", other).is(http.StatusBadRequest)
		}
	}
	s.program("write", "secrets").patch("/api/pbx/trunks/north", `{}`).is(http.StatusOK).shows(map[string]any{"secret": "********"})
	for _, path := range []string{"trunks", "extensions", "followme"} {
		s.admin.get("/api/pbx/" + path + "?after=1").is(http.StatusBadRequest)
		if link := s.admin.get("/api/pbx/" + path + "?results_per_page=1&page=1000").header.Get("Link"); strings.Contains(link, "after=") {
			t.Errorf("%s has the link %s", path, link)
		}
	}
	stale.patch("/api/pbx/trunks/north", `{"context":"c3"}`).is(http.StatusPreconditionFailed)
	stale.delete("/api/pbx/trunks/north").is(http.StatusPreconditionFailed)
	writer.patch("/api/pbx/trunks/north", `{"secret":"other-one"}`).is(http.StatusOK)
	if s.admin.get("/api/pbx/trunks/north").shows(map[string]any{"secret": "other-one", "context": "c2"}); peer.anew != 1 {
		t.Errorf("it has registered anew %d times", peer.anew)
	}
	for body, why := range map[string]string{
		`{"host":"a b"}`: "host must be", `{"shoes":"1"}`: "is not a field", `{"register":"perhaps"}`: "register must be true or false", `{"username":""}`: "a registration needs one",
		`{"match":["0.0.0.0/0"]}`: "no network larger than /8", `{"codecs":[]}`: "codecs must be", `{"codecs":["refused"]}`: "Asterisk refuses north", `{"host":"refused.example.org"}`: "Asterisk refuses north",
		`{"port":70000}`: "port must be", `{"match":[1]}`: "match must be", `{"name":"south"}`: "cannot be changed",
	} {
		writer.patch("/api/pbx/trunks/north", body).is(http.StatusBadRequest).has(why)
	}
	writer.post("/api/pbx/trunks", `{"name":"1001","host":"192.0.2.11"}`).is(http.StatusBadRequest).has("not digits alone")
	writer.post("/api/pbx/trunks", `{"name":"north","host":"192.0.2.11"}`).is(http.StatusConflict)
	writer.post("/api/pbx/trunks?dry_run=1", `{"name":"north","host":"192.0.2.11"}`).is(http.StatusConflict).has("there is a trunk north already")
	writer.post("/api/pbx/trunks", `{"name":"x","host":"192.0.2.11","secret":"********"}`).is(http.StatusBadRequest)
	writer.post("/api/pbx/trunks", `{"name":"x","host":"192.0.2.11","codecs":["refused"]}`).is(http.StatusBadRequest).has("Asterisk refuses x")
	s.admin.get("/api/pbx/trunks").shows(map[string]any{"num_results": 1, "objects.0.context": "c2", "objects.0.host": "192.0.2.10"})

	// Taken back.
	writer.patch("/api/pbx/trunks/north", `{"register":false}`).is(http.StatusOK).shows(map[string]any{"contact_user": "", "registration": nil})
	writer.post("/api/pbx/undo", "").is(http.StatusOK).shows(map[string]any{"kind": "trunk", "verb": "update", "account": "north", "differences.0.field": "register"})
	writer.delete("/api/pbx/trunks/north?dry_run=1").is(http.StatusOK).shows(map[string]any{"differences.0.before": "north"})
	writer.delete("/api/pbx/trunks/north").is(http.StatusNoContent)
	writer.get("/api/pbx/trunks/north").is(http.StatusNotFound)
	hides(t, writer.post("/api/pbx/undo", "").is(http.StatusOK), "other-one").shows(map[string]any{"verb": "add", "account": "north"})
	s.admin.get("/api/pbx/trunks/north").shows(map[string]any{"secret": "other-one", "register": true, "context": "c2", "contact_user": "acc"})

	// Asterisk is away.
	peer.set(errors.New("away"))
	writer.patch("/api/pbx/trunks/north", `{"context":"c4"}`).is(http.StatusOK).shows(map[string]any{"checked": false, "context": "c4", "contact": nil, "registration": nil})
	writer.delete("/api/pbx/trunks/north").is(http.StatusBadGateway) // Asterisk would register for ever
	writer.get("/api/pbx/trunks/north").is(http.StatusOK)
	peer.set(nil)
	writer.delete("/api/pbx/trunks/north").is(http.StatusNoContent)
	writer.get("/api/pbx/trunks/north").is(http.StatusNotFound)
	writer.delete("/api/pbx/trunks/north").is(http.StatusNotFound)

	actions := map[string]int{}
	for _, line := range s.admin.get("/api/audit?results_per_page=100").objects() {
		action := line["action"].(string)
		actions[action]++
		for _, state := range []string{"before", "after"} {
			if text, _ := line[state].(string); strings.Contains(text, "hush") || strings.Contains(text, "other-one") {
				t.Errorf("a secret is in the audit log: %s", text)
			}
		}
	}
	if actions["trunk.add"] != 1 || actions["trunk.update"] != 4 || actions["trunk.delete"] != 2 || actions["trunk.undo"] != 2 {
		t.Errorf("logged are %v", actions)
	}
	if strings.Contains(s.log.String(), "hush-hush") {
		t.Error("a secret is in the log")
	}
	s.audit()
}

// memoryTrunks keeps trunks in memory.
type memoryTrunks struct {
	mu   sync.Mutex
	kept map[string]extension.Trunk
}

var _ extension.TrunkBackend = (*memoryTrunks)(nil)

func withMemoryTrunks(d *adminapi.Deps) {
	d.PBX.Trunks = &memoryTrunks{kept: map[string]extension.Trunk{}}
}

// trunk makes a trunk past the API.
func (s *site) trunk(name string) {
	s.t.Helper()
	made, err := extension.Rules{}.NewTrunk(extension.Patch{"name": name, "host": "192.0.2.10", "username": "acc"})
	if err == nil {
		_, err = s.deps.PBX.Trunks.(extension.TrunkBackend).AddTrunk(s.t.Context(), made)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (m *memoryTrunks) Trunks(context.Context) ([]extension.Trunk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.kept), func(a, b extension.Trunk) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (m *memoryTrunks) Trunk(_ context.Context, name string) (extension.Trunk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, there := m.kept[name]; there {
		return t, nil
	}
	return extension.Trunk{}, models.ErrNotFound
}

func (m *memoryTrunks) AddTrunk(_ context.Context, t extension.Trunk) (extension.Trunk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.kept[t.Name]; there {
		return extension.Trunk{}, models.ErrConflict
	}
	m.kept[t.Name] = t
	return t, nil
}

func (m *memoryTrunks) PreviewTrunk(ctx context.Context, name string, p extension.Patch) (before, after extension.Trunk, err error) {
	if before, err = m.Trunk(ctx, name); err == nil {
		after, err = extension.Rules{}.ChangeTrunk(before, p)
	}
	return before, after, err
}

func (m *memoryTrunks) UpdateTrunk(ctx context.Context, name string, p extension.Patch, check func(extension.Trunk) error) (before, after extension.Trunk, err error) {
	if before, after, err = m.PreviewTrunk(ctx, name, p); err == nil {
		err = extension.Passes(check, before)
	}
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.kept[name] = after
	}
	return before, after, err
}

func (m *memoryTrunks) DeleteTrunk(ctx context.Context, name string, check func(extension.Trunk) error) (extension.Trunk, error) {
	t, err := m.Trunk(ctx, name)
	if err == nil {
		err = extension.Passes(check, t)
	}
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.kept, name)
	}
	return t, err
}

// readTrunks are those of FreePBX.
type readTrunks []extension.Trunk

func (r readTrunks) Trunks(context.Context) ([]extension.Trunk, error) { return r, nil }

func (r readTrunks) Trunk(_ context.Context, name string) (extension.Trunk, error) {
	if i := slices.IndexFunc(r, func(t extension.Trunk) bool { return t.Name == name }); i >= 0 {
		return r[i], nil
	}
	return extension.Trunk{}, models.ErrNotFound
}

// TestTrunksThatAreOnlyRead, and those of a site that has no telephone system.
func TestTrunksThatAreOnlyRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	changes := func(status int, why string) {
		t.Helper()
		s.admin.post("/api/pbx/trunks", `{"name":"x","host":"h"}`).is(status).has(why)
		s.admin.patch("/api/pbx/trunks/north", `{}`).is(status).has(why)
		s.admin.delete("/api/pbx/trunks/north").is(status).has(why)
	}
	s.admin.get("/api/pbx/trunks").is(http.StatusNotImplemented).has("TALKTIME_PBX_BACKEND")
	changes(http.StatusNotImplemented, "TALKTIME_PBX_BACKEND")
	s.start(func(d *adminapi.Deps) {
		d.PBX.Trunks = readTrunks{{Name: "north", Host: "192.0.2.10", Secret: "hush-hush", Register: true}}
	})
	s.program("read").get("/api/pbx/trunks").is(http.StatusOK).shows(map[string]any{"num_results": 1, "objects.0.name": "north", "objects.0.secret": "********", "objects.0.registration": nil})
	s.admin.get("/api/pbx/trunks/north").is(http.StatusOK)
	s.admin.get("/api/pbx/trunks/south").is(http.StatusNotFound)
	changes(http.StatusNotImplemented, "changed in FreePBX")
}
