package adminapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/money"
	ami "talktime/pbx"
	"talktime/pbx/host"
	"talktime/store"
	"talktime/store/storetest"
)

const keptPath = "/api/api.php?cmd="

// exchange is an Asterisk that says what a test wants it to.
type exchange struct {
	peers    []ami.SIPPeer
	channels []ami.Channel
	err      error
	hangs    bool
}

func (e *exchange) wait(ctx context.Context) error {
	if e.hangs {
		<-ctx.Done()
		return fmt.Errorf("%w: no answer", ctx.Err())
	}
	return e.err
}

func (e *exchange) CoreShowChannels(ctx context.Context) ([]ami.Channel, error) {
	return e.channels, e.wait(ctx)
}

func (e *exchange) SIPPeers(ctx context.Context) ([]ami.SIPPeer, error) { return e.peers, e.wait(ctx) }
func (e *exchange) Peers(ctx context.Context) ([]ami.Peer, error)       { return nil, e.wait(ctx) }

func (e *exchange) Do(ctx context.Context, _ ami.Action) (ami.Message, error) {
	return ami.Message{{Key: "CoreProcessedCalls", Value: "905"}}, e.wait(ctx)
}

func (e *exchange) Command(ctx context.Context, _ string) ([]string, error) { return nil, e.wait(ctx) }

// kept edits the old PBX interface of a site.
func kept(edit func(*elastix.API)) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) { edit(&d.PBX.Kept) }
}

// key is a client with a key, and nothing else.
func (s *site) key(scopes ...string) *client {
	s.t.Helper()
	c := s.program(scopes...)
	c.header.Set("Authorization", strings.TrimPrefix(c.header.Get("Authorization"), "Bearer "))
	return c
}

// shows is a client that shows something as its key.
func (s *site) shows(header string) *client {
	c := s.anonymous()
	c.header.Set("Authorization", header)
	return c
}

// TestKeptPBXKeys: the plain answers, keys with and without Bearer, their scopes, and those that are none.
func TestKeptPBXKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := time.Now()
		s.marta()
		s.start(kept(func(a *elastix.API) { a.Asterisk = &exchange{} }), func(d *adminapi.Deps) { d.Now = func() time.Time { return now } })
		s.admin = s.login("admin")
		reader := s.key("read")
		secret := reader.header.Get("Authorization")
		other := "A"
		if strings.HasSuffix(secret, other) {
			other = "B"
		}
		similar := secret[:len(secret)-1] + other
		for _, tt := range []struct {
			name   string
			who    *client
			method string
			query  string
			status int
			body   string
		}{
			{"no cmd", s.anonymous(), "GET", "", 200, "test"},
			{"no cmd by POST", s.anonymous(), "POST", "", 200, "test"},
			{"no cmd, a wrong key", s.shows("nonsense"), "GET", "", 200, "test"},
			{"no key", s.anonymous(), "GET", "?cmd=sippeers", 401, "key not found"},
			{"no key, another command", s.anonymous(), "POST", "?cmd=x", 401, "key not found"},
			{"a cookie", s.admin, "GET", "?cmd=sippeers", 401, "key not found"},
			{"a key that is none", s.shows(similar), "GET", "?cmd=sippeers", 401, "key not matched"},
			{"one with Bearer", s.shows("Bearer " + similar), "GET", "?cmd=sippeers", 401, "key not matched"},
			{"Bearer alone", s.shows("Bearer"), "GET", "?cmd=sippeers", 401, "key not matched"},
			{"a password", s.basicClient("admin", "secret7"), "GET", "?cmd=sippeers", 401, "key not matched"},
			{"a wrong key, another command", s.shows("x"), "GET", "?cmd=x", 401, "key not matched"},
			{"a key", reader, "GET", "?cmd=sippeers", 200, "[]"},
			{"a key with Bearer", s.shows("bearer  " + secret), "POST", "?cmd=sippeers", 200, "[]"},
			{"another command", reader, "GET", "?cmd=parkedcalls", 404, "cmd not matched"},
			{"another scope", reader, "POST", "?cmd=cdrreport", 403, `{"status":"FORBIDDEN","code":403}`},
			{"a change by GET", s.key("write"), "GET", "?cmd=deleteextension&account=204", 405, `{"status":"METHOD NOT ALLOWED","code":405}`},
			{"a change that is nowhere", s.key("write", "read"), "POST", "?cmd=deleteextension", 501, `{"status":"NOT CONFIGURED","code":501}`},
			{"a token for something else", s.key("statistics", "users", "money", "admin"), "POST", "?cmd=auth", 403, `{"status":"FORBIDDEN","code":403}`},
			{"no method of ours", reader, "PUT", "?cmd=sippeers", 405, `{"status":"METHOD NOT ALLOWED","code":405}`},
		} {
			a := tt.who.send(tt.method, "/api/api.php"+tt.query, "", "")
			a.what = tt.name
			a.says(tt.status, tt.body)
			want := "application/json"
			if !strings.HasPrefix(tt.body, "{") && !strings.HasPrefix(tt.body, "[") {
				want = "text/plain; charset=utf-8"
			}
			if got := a.header.Get("Content-Type"); got != want || a.header.Get("Cache-Control") != "no-store" || (tt.status == 405) != (a.header.Get("Allow") != "") {
				t.Errorf("%s: %v", tt.name, a.header)
			}
		}
		s.admin.patch("/api/users/marta", `{"account_id":"shop-7"}`).is(http.StatusOK)
		hers := s.bound("shop-7") // whose scopes are all
		for _, cmd := range []string{"sippeers", "auth", "cdrreport", "getwavfile&name=/a.wav", "deleteextension"} {
			hers.send("POST", keptPath+cmd, "", "").says(http.StatusForbidden, `{"status":"FORBIDDEN","code":403}`)
		}
		if head := reader.send("HEAD", keptPath+"sippeers", "", "").is(http.StatusOK); head.body != "" || head.header.Get("Content-Length") != "2" || head.header.Get("Content-Type") != "application/json" {
			t.Errorf("%q %v", head.body, head.header)
		}
		expires := now.Add(time.Hour)
		_, brief, err := s.store.NewToken(t.Context(), models.NewToken{Name: "brief", Scopes: []string{"read"}, ExpiresAt: &expires}, "test")
		if err != nil {
			t.Fatal(err)
		}
		s.shows(brief).get(keptPath + "sippeers").is(http.StatusOK)
		if log := s.log.String(); strings.Contains(log, secret) || strings.Contains(log, brief) || strings.Contains(log, "cmd=") || !strings.Contains(log, `"actor":"token/read"`) {
			t.Errorf("the log has a key, or not who asked:\n%s", log)
		}

		// Forms.
		patient := s.shows(secret)
		patient.header.Set("Expect", "100-continue") // else the connection may be closed before the answer is read
		if a := patient.form(keptPath+"getfollowmeextension", strings.Repeat("x", 1<<20+1)); a.status != http.StatusRequestEntityTooLarge || strings.TrimSpace(a.body) != `{"status":"REQUEST ENTITY TOO LARGE","code":413}` {
			t.Errorf("%d %s", a.status, a.body)
		}
		reader.post(keptPath+"sippeers", `{}`).says(http.StatusUnsupportedMediaType, `{"status":"UNSUPPORTED MEDIA TYPE","code":415}`)
		foreign := s.shows(secret)
		foreign.header.Set("Sec-Fetch-Site", "cross-site")
		foreign.form(keptPath+"sippeers", "").says(http.StatusForbidden, `{"status":"FORBIDDEN","code":403}`)
	})
}

// TestKeptPBXWrongKeys: whoever tries has to stop after a while; nobody with a key has, be he beside him, and he may still log in.
func TestKeptPBXWrongKeys(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(15 * time.Minute).Add(time.Minute)
	s := newSite(t, storetest.SQLite(t), kept(func(a *elastix.API) { a.Asterisk = &exchange{} }), func(d *adminapi.Deps) {
		d.Now, d.Proxies = func() time.Time { return now }, loopback
	})
	reader := s.key("read")
	from := func(who *client, address string) answer {
		again := *who
		again.header = who.header.Clone()
		again.header.Set("X-Forwarded-For", address)
		return again.get(keptPath + "sippeers")
	}
	wrong := s.shows("tt" + strings.Repeat("A", 26))
	for range 200 {
		from(wrong, "198.51.100.7").says(http.StatusUnauthorized, "key not matched")
	}
	for range 2 {
		from(reader, "198.51.100.7").says(http.StatusOK, "[]")
		if a := from(wrong, "198.51.100.7"); a.status != http.StatusTooManyRequests || strings.TrimSpace(a.body) != `{"status":"TOO MANY REQUESTS","code":429}` || a.header.Get("Retry-After") != "841" {
			t.Errorf("%d %s %v", a.status, a.body, a.header)
		}
	}
	from(reader, "198.51.100.8").says(http.StatusOK, "[]")
	login := s.anonymous()
	login.header.Set("X-Forwarded-For", "198.51.100.7")
	login.form("/login", "username=admin&password="+secret).is(http.StatusOK)
	now = now.Add(15 * time.Minute)
	from(wrong, "198.51.100.7").says(http.StatusUnauthorized, "key not matched")
}

// TestKeptPBXParts: what curl sends of an array of PHP is a form.
func TestKeptPBXParts(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), withFreePBX(t))
	key := s.key("write", "read", "secrets")
	parts := func(pairs ...string) (body, contentType string) {
		var text strings.Builder
		w := multipart.NewWriter(&text)
		for i := 0; i < len(pairs); i += 2 {
			if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.CreateFormFile("account", "999"); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		return text.String(), w.FormDataContentType()
	}
	body, contentType := parts("account", "1", "account", "204", "name", "Nora & 50% +Söhne=", "secret", "kx7-moss-tarn")
	key.send(http.MethodPost, keptPath+"addextension", body, contentType).says(http.StatusOK, `{"status": "INSERT OK", "code": 200}`)
	if o := s.admin.get("/api/pbx/extensions/204").is(http.StatusOK).object(); o["name"] != "Nora & 50% +Söhne=" || o["secret"] != "kx7-moss-tarn" {
		t.Errorf("%v", o)
	}
	body, contentType = parts()
	key.send(http.MethodPost, keptPath+"getallfollowmeextensions", body, contentType).says(http.StatusOK, `[]`)
	const bad = `{"status":"BAD REQUEST","code":400}`
	key.send(http.MethodPost, keptPath+"getallfollowmeextensions", body[:len(body)/2], contentType).says(http.StatusBadRequest, bad)
	key.send(http.MethodPost, keptPath+"getallfollowmeextensions", body, "multipart/form-data").says(http.StatusBadRequest, bad)
	key.send(http.MethodPost, keptPath+"getallfollowmeextensions", "", contentType).says(http.StatusBadRequest, bad)
}

// lordword is what auth tells.
func (c *client) lordword() (user, word string) {
	c.site.t.Helper()
	a := c.send(http.MethodPost, keptPath+"auth", "", "").is(http.StatusOK)
	coded, _ := a.object()["lordword"].(string)
	text, err := base64.StdEncoding.DecodeString(coded)
	user, word, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || len(a.object()) != 1 || a.header.Get("Cache-Control") != "no-store" {
		c.site.t.Fatalf("%s: %v", a.body, err)
	}
	return user, word
}

// managerPair is an account at the manager interface.
type managerPair struct{}

func (managerPair) Account(context.Context) (user, secret string, err error) {
	return "talktime", "ami-Secret-77", nil
}

// TestKeptPBXAuth: a token works in every process, for a quarter of an hour, and not without its key.
func TestKeptPBXAuth(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := time.Now().Truncate(time.Second)
		site := []func(*adminapi.Deps){
			kept(func(a *elastix.API) { a.Asterisk, a.CDRs = &exchange{}, s.store.OwnRecords(time.UTC) }), func(d *adminapi.Deps) { d.Now = func() time.Time { return now } },
		}
		s.start(site...)
		s.admin = s.login("admin")
		key := s.key("read", "secrets")
		user, word := key.lordword()
		if _, again := key.lordword(); user != "read-secrets" || again == word || len(word) < 50 || strings.Contains(word, ":") {
			t.Errorf("%s %s %s", user, word, again)
		}
		s.start(site...) // another process
		s.admin = s.login("admin")
		short := s.shows(word)
		short.get(keptPath+"sippeers").says(http.StatusOK, "[]")
		s.shows("Bearer "+word).get(keptPath+"sippeers").says(http.StatusOK, "[]")
		short.get(keptPath + "cdrreport").is(http.StatusForbidden) // its key may not
		s.shows("Bearer " + word).get("/api/users").is(http.StatusUnauthorized)
		for i := range len(word) { // nor is any other one
			changed := []byte(word)
			changed[i] = 'A' + byte(i%26)
			if changed[i] == word[i] {
				changed[i] = 'b'
			}
			if i%5 == 0 {
				s.shows(string(changed)).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")
			}
		}
		for _, other := range []string{word[:len(word)-1], word + "A", "ts", "ts" + strings.Repeat("_", len(word)-2), strings.ToUpper(word)} {
			s.shows(other).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")
		}
		now = now.Add(15*time.Minute - time.Second)
		_, longer := short.lordword() // does not live longer than what it was made of
		s.shows(longer).get(keptPath + "sippeers").is(http.StatusOK)
		short.get(keptPath + "sippeers").is(http.StatusOK)
		now = now.Add(time.Second)
		short.get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")
		s.shows(longer).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")

		// With its key.
		_, word = key.lordword()
		s.shows(word).get(keptPath + "sippeers").is(http.StatusOK)
		tokens, err := s.store.ListTokens(t.Context(), models.ListRequest{Number: 1, Size: 9})
		if err != nil || len(tokens.Items) != 1 {
			t.Fatal(err, tokens)
		}
		if err := s.store.RevokeToken(t.Context(), tokens.Items[0].ID, "test"); err != nil {
			t.Fatal(err)
		}
		s.shows(word).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")
		s.key("read") // on SQLite it has the id of the other
		s.shows(word).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")
		soon := now.Add(time.Minute)
		_, brief, err := s.store.NewToken(t.Context(), models.NewToken{Name: "brief", Scopes: []string{"read"}, ExpiresAt: &soon}, "test")
		if err != nil {
			t.Fatal(err)
		}
		_, word = s.shows(brief).lordword()
		s.shows(word).get(keptPath + "sippeers").is(http.StatusOK)
		now = soon
		s.shows(word).get(keptPath+"sippeers").says(http.StatusUnauthorized, "key not matched")

		// The account of the manager interface is told where a site wants that, to whoever may know it.
		s.start(append(site, kept(func(a *elastix.API) { a.Manager = managerPair{} }))...)
		s.admin = s.login("admin")
		if user, word = s.key("secrets", "cdr").lordword(); user != "talktime" || word != "ami-Secret-77" {
			t.Errorf("%s:%s", user, word)
		}
		if user, word = s.key("cdr", "write").lordword(); user != "cdr-write" || strings.Contains(word, "ami-Secret") {
			t.Errorf("%s:%s", user, word)
		}
		if lines := s.noted("manager.read"); len(lines) != 1 || lines[0].Actor != "token/secrets-cdr" || lines[0].Target != "talktime" {
			t.Errorf("%+v", lines)
		}
		if log := s.log.String(); strings.Contains(log, word) || strings.Contains(log, "ami-Secret-77") || strings.Contains(log, longer) {
			t.Error("the log has a secret")
		}
	})
}

// noted are the lines of the audit log about an action.
func (s *site) noted(action string) []models.AuditLine {
	s.t.Helper()
	all, err := s.store.ListAudit(s.t.Context(), models.ListRequest{Number: 1, Size: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(all.Items, func(l models.AuditLine) bool { return l.Action != action })
}

// TestKeptPBXAsterisk: peers and calls as the manager interface tells them; and when it tells nothing.
func TestKeptPBXAsterisk(t *testing.T) {
	t.Parallel()
	pbx := &exchange{
		peers: []ami.SIPPeer{{Channeltype: "SIP", ObjectName: "204", ChanObjectType: "peer", IPaddress: "2001:db8::7", IPport: "5060", Status: "OK (21 ms)"}},
		channels: []ami.Channel{
			{Name: "SIP/204-1", Context: "macro-dial-one", Exten: "s", Priority: 43, StateDesc: "Up", Application: "Dial", ApplicationData: "SIP/207,,tr", CallerIDNum: "204", Duration: 69 * time.Second, BridgeID: "b", LinkedID: "l"},
			{Name: "SIP/207-2", StateDesc: "Up", BridgeID: "b", LinkedID: "l"},
		},
	}
	s := newSite(t, storetest.SQLite(t), kept(func(a *elastix.API) { a.Asterisk, a.Patience = pbx, 50*time.Millisecond }))
	key := s.key("read")
	key.get(keptPath+"sippeers").says(http.StatusOK, `[{"Event":"PeerEntry","Channeltype":"SIP","ObjectName":"204","ChanObjectType":"peer","IPaddress":"2001:db8::7","IPport":"5060","Dynamic":"","AutoForcerport":"","Forcerport":"","AutoComedia":"","Comedia":"","VideoSupport":"","TextSupport":"","ACL":"","Status":"OK (21 ms)","RealtimeDevice":"","Description":""}]`)
	key.form(keptPath+"activecall", "").says(http.StatusOK, `[{"Channel":"SIP/204-1","Context":"macro-dial-one","Extension":"s","Prio":"43","State":"Up","Application":"Dial","Data":"SIP/207,,tr","CallerID":"204","Duration":"00:01:09","Accountcode":"","PeerAccount":"","BridgedTo":"SIP/207-2"},`+
		`{"Channel":"SIP/207-2","Context":"","Extension":"","Prio":"0","State":"Up","Application":"","Data":"","CallerID":"","Duration":"00:00:00","Accountcode":"","PeerAccount":"","BridgedTo":"SIP/204-1"},"2 active channels","1 active call","905 calls processed"]`)
	for _, how := range []exchange{{err: ami.ErrAway}, {err: &ami.RefusedError{Reason: "Permission denied"}}, {hangs: true}} {
		*pbx = how
		for _, cmd := range []string{"sippeers", "activecall"} {
			key.get(keptPath+cmd).says(http.StatusBadGateway, `{"status":"ASTERISK UNAVAILABLE","code":502}`)
		}
	}
	if !strings.Contains(s.log.String(), "Permission denied") || !strings.Contains(s.log.String(), "no answer") {
		t.Error("the log does not say why")
	}
}

// machine is one that is always the same.
type machine struct{ fails error }

func (m machine) Resources(context.Context) (host.Resources, error) {
	return host.Resources{Up: 3*time.Hour + 25*time.Minute, Users: 1, Load: [3]float64{0.19, 0.19, 0.25}}, m.fails
}

func (m machine) Disk(context.Context, string) (host.Disk, error) {
	return host.Disk{Device: "/dev/sda2", Mount: "/", Size: 52e9, Used: 17e9, Avail: 34e9, Percent: 34}, m.fails
}

func (m machine) FolderSize(_ context.Context, path string) (int64, error) {
	return int64(len(path)) << 10, m.fails
}

func (m machine) Firewall(context.Context) (host.Firewall, error) {
	return host.Firewall{Program: "iptables", Text: "-P INPUT DROP\n-A INPUT -s \"x\"\n", Rules: 1, Running: true}, m.fails
}

// TestKeptPBXHost: how the machine is, and the settings of telephones that are in a file.
func TestKeptPBXHost(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sip_additional.conf")
	api := func(code, rules bool, m machine) func(*adminapi.Deps) {
		return kept(func(a *elastix.API) {
			a.Host, a.Code, a.ShowRules = m, code, rules
			a.SIPFile = func() (io.ReadCloser, error) { return os.Open(file) }
		})
	}
	s := newSite(t, storetest.SQLite(t), api(false, false, machine{}))
	key, secrets := s.key("read"), s.key("read", "secrets")
	key.get(keptPath+"sipextensions").says(http.StatusOK, `{}`)
	if err := os.WriteFile(file, []byte("x=1\n; a comment\n#include y.conf\n[204](+)\nsecret=a=b\nhost=static\nhost=>dynamic\n[broken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key.get(keptPath+"sipextensions").says(http.StatusOK, `{"204":{"host":"dynamic","secret":"********"}}`)
	secrets.get(keptPath+"sipextensions").says(http.StatusOK, `{"204":{"host":"dynamic","secret":"a=b"}}`)
	if at, _ := key.get(keptPath + "systemresources").is(http.StatusOK).object()["datetime"].(string); !strings.HasSuffix(at, " up  3:25") {
		t.Error(at)
	}
	flat := `{"size":"52G","used":"17G","avail":"34G","usepercent":"34%","mount":"/","harddisk":"/dev/sda2","logs":"8.0K","thirdparty":"4.0K","voicemails":"29K","backups":"15K","configuration":"4.0K","recording":"27K"}`
	key.get(keptPath+"getharddrivers").says(http.StatusOK, flat)
	key.get(keptPath+"getiptablesstatus").says(http.StatusOK, `{"pid":"iptables: 1 rule","is_exist":"true"}`)
	s.start(api(true, true, machine{}))
	key.site, key.header = s, key.header.Clone()
	key.get(keptPath+"getiptablesstatus").says(http.StatusOK, `{"pid":"-P INPUT DROP\n-A INPUT -s \"x\"\n","is_exist":true}`)
	if disk := key.get(keptPath + "getharddrivers").is(http.StatusOK).object(); fmt.Sprint(disk["logs"]) != "[8.0K /var/log]" {
		t.Errorf("%v", disk)
	}
	s.start(api(false, true, machine{fs.ErrPermission}))
	key.get(keptPath+"getiptablesstatus").says(http.StatusOK, `{"pid":"","is_exist":"false"}`)
	key.get(keptPath+"systemresources").says(http.StatusServiceUnavailable, `{"status":"HOST UNAVAILABLE","code":503}`)
}

// TestKeptPBXCDRs: calls of ours, and those of a CDR database, as the script listed them.
func TestKeptPBXCDRs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.user(models.NewUser{Username: "marta", CLID: "555000204", Balance: 100_000 * money.Unit})
		calls := s.traffic()
		calls.call("2026-03-28T22:59:59Z", "555000204", "4930111", 10, "ANSWER", 16)
		calls.call("2026-03-29T12:00:00Z", "555000204", "4930#1", 0, "BUSY", 17)
		calls.call("2026-11-20T12:00:00Z", "555000204", "600", 0, "NOANSWER", 16)
		calls.call("2026-11-20T12:00:01Z", "555000204", "4930333", 0, "CONGESTION", 34)
		calls.call("2026-11-20T23:30:00Z", "555000204", "4930444", 5, "ANSWER", 16)
		calls.exec("UPDATE calls SET number = 's' WHERE number = '600'")
		s.start(func(d *adminapi.Deps) {
			d.Location = vienna(t)
			d.PBX.Kept.CDRs = s.store.OwnRecords(d.Location)
		})
		key := s.key("cdr")
		keptCDRs(t, key, map[string]string{
			"": "2026-11-21 00:30:00 4930444,2026-03-29 14:00:00 4930#1,2026-03-28 23:59:59 4930111", "include_s=1&limit=2": "2026-11-21 00:30:00 4930444,2026-11-20 13:00:00 s",
			"start_date=2026-03-29": "2026-11-21 00:30:00 4930444,2026-03-29 14:00:00 4930#1", "end_date=2026-03-28": "2026-03-28 23:59:59 4930111",
			"start_date=2026-03-28+23:59:59&end_date=2026-03-28+23:59:59": "2026-03-28 23:59:59 4930111", "start_date=2026-03-29&end_date=2026-03-29": "2026-03-29 14:00:00 4930#1",
			"status=busy": "2026-03-29 14:00:00 4930#1", "field_name=dst&field_pattern=%23": "2026-03-29 14:00:00 4930#1", "field_name=accountcode&field_pattern=ART": "2026-11-21 00:30:00 4930444,2026-03-29 14:00:00 4930#1,2026-03-28 23:59:59 4930111",
			"recordings=only": "", "recordings=without&limit=1": "2026-11-21 00:30:00 4930444",
		})
		key.get(keptPath+"cdrreport&status=busy").says(http.StatusOK, `[{"calldate":"2026-03-29 14:00:00","clid":"555000204","src":"555000204","dst":"4930#1","dcontext":"","channel":"","dstchannel":"","lastapp":"Dial","lastdata":"",`+
			`"duration":"2","billsec":"0","disposition":"BUSY","amaflags":"","accountcode":"marta","uniqueid":"traffic-2.1","userfield":"","recordingfile":"","cnum":"555000204","cnam":"marta","outbound_cnum":"","outbound_cnam":"","dst_cnam":"","did":""}]`)
		s.start(kept(func(a *elastix.API) { a.CDRs, a.IncludeS = s.store.OwnRecords(time.UTC), true }))
		keptCDRs(t, s.shows(key.header.Get("Authorization")), map[string]string{"limit=2": "2026-11-20 23:30:00 4930444,2026-11-20 12:00:00 s"})
	})
}

// keptCDRs asks for reports, and compares dates and numbers.
func keptCDRs(t *testing.T, key *client, questions map[string]string) {
	t.Helper()
	for query, want := range questions {
		var rows []map[string]string // all values are texts
		query := strings.NewReplacer(" ", "+", "'", "%27").Replace(query)
		key.get(keptPath + "cdrreport&" + query).is(http.StatusOK).into(&rows)
		var got []string
		for _, row := range rows {
			got = append(got, row["calldate"]+" "+row["dst"])
			if len(row) != 23 {
				t.Errorf("%s: %d columns: %v", query, len(row), row)
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s:\n got %s\nwant %s", query, strings.Join(got, ","), want)
		}
		if a := key.form(keptPath+"cdrreport", query).is(http.StatusOK); len(rows) != strings.Count(a.body, `"calldate"`) {
			t.Errorf("%s by POST: %s", query, a.body)
		}
	}
}

// TestKeptPBXForeignCDRs: of a CDR database, whose rows are as Asterisk wrote them; what is wrong in a question is said, and does nothing.
func TestKeptPBXForeignCDRs(t *testing.T) {
	t.Parallel()
	source, db, config := foreignPBX(t, "pbx1", `INSERT INTO cdr (calldate, clid, src, dst, channel, lastapp, duration, billsec, disposition, amaflags, uniqueid, recordingfile) VALUES
		('2027-03-09 14:02:11', '"Nora" <204>', '204', '0551234567', 'SIP/204-0000001a', 'Dial', 61, 48, 'ANSWERED', 3, '1804596131.52', 'out-1.wav'),
		('2027-03-09 14:05:00', '"Nora" <204>', '204', '100_1', 'SIP/204-0000001b', 'Dial', 6, 0, 'NO ANSWER', 3, '1804596300.53', ''),
		('2027-03-10 00:00:00', '', '205', 's', 'SIP/205-1', 'Playback', 6, 6, 'ANSWERED', 3, '1804632000.54', ''),
		('2027-03-10 00:00:01', '', '205', '9', 'SIP/205-2', 'Dial', 6, 0, 'CONGESTION', 3, '1804632001.55', '')`)
	s := newSite(t, storetest.SQLite(t), kept(func(a *elastix.API) { a.CDRs = source.(*store.CDRStatistics) }))
	key := s.key("cdr")
	const first, second = "2027-03-09 14:05:00 100_1", "2027-03-09 14:02:11 0551234567"
	keptCDRs(t, key, map[string]string{
		"": first + "," + second, "status=ALL": first + "," + second, "status=": first + "," + second, "status=no+answer": first, "recordings=only": second, "recordings=without": first, "limit=1": first, "limit=10000": first + "," + second,
		"include_s=1&limit=1": "2027-03-10 00:00:00 s", "field_name=dst&field_pattern=_": first, "field_name=src&field_pattern=' OR 1=1 -- ": "",
		"field_name=channel&field_pattern=1A": second, "start_date=2027-03-09 14:02:12": first, "end_date=2027-03-09 14:02:11": second, "recordings=all&x=y": first + "," + second,
	})
	bad := map[string]string{
		"limit=0": "limit", "limit=-1": "limit", "limit=10001": "limit", "limit=ten": "limit", "limit=1;DROP TABLE cdr": "limit", "status=CONGESTION": "status", "status=' OR ''='": "status", "field_name=src": "field_pattern",
		"field_pattern=1": "field_name", "field_name=clid&field_pattern=1": "field_name", "field_name=src)--&field_pattern=1": "field_name", "start_date=yesterday": "start_date", "start_date=2027-02-30": "start_date",
		"end_date=2027-03-09' OR '1'='1": "end_date", "start_date=2027-03-10&end_date=2027-03-09": "start_date", "recordings=some": "recordings", "custom=1=1": "custom", "include_s=2": "include_s",
		"field_name=src&field_pattern=%00": "field_pattern", "field_name=src&field_pattern=%ff": "field_pattern", "end_date=%zz": "end_date",
	}
	for query, name := range bad {
		escaped := strings.NewReplacer(" ", "+", "'", "%27", ";", "%3B").Replace(query)
		key.get(keptPath+"cdrreport&"+escaped).says(http.StatusBadRequest, `{"status":"INVALID PARAMETER: `+name+`","code":400}`)
		key.form(keptPath+"cdrreport", escaped).says(http.StatusBadRequest, `{"status":"INVALID PARAMETER: `+name+`","code":400}`)
	}
	key.form(keptPath+"cdrreport&limit=1", "limit=0").is(http.StatusBadRequest) // the body wins
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM cdr").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d rows are left: %v", n, err)
	}
	config.Addr = "127.0.0.1:1"
	gone := openPBX(t, config)
	s.start(kept(func(a *elastix.API) { a.CDRs = gone.(*store.CDRStatistics) }))
	s.shows(key.header.Get("Authorization")).get(keptPath+"cdrreport").says(http.StatusServiceUnavailable, `{"status":"DATABASE UNAVAILABLE","code":503}`)
}

const noRecording = `{"status": "File not found", "code": 404}`

// TestKeptPBXExtensions: extensions and follow-mes in the tables of a telephone system; each change is noted, and others stay as they are.
func TestKeptPBXExtensions(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		const inserted, updated, deleted = `{"status": "INSERT OK", "code": 200}`, `{"status": "UPDATE OK", "code": 200}`, `{"status": "DELETE OK", "code": 200}`
		const exists, missing = `{"status":"ALREADY EXISTS","code":409}`, `{"status":"NOT FOUND","code":404}`
		writer, reader, secrets := p.key("write"), p.key("read"), p.key("read", "secrets")
		writer.form(keptPath+"addextension", "account=204&name=Nora&secret=keep-it-long-1").says(http.StatusOK, inserted)
		writer.form(keptPath+"addextension", "account=300&name=Otto&secret=keep-it-long-2&context=other").says(http.StatusOK, inserted)
		writer.form(keptPath+"addfollowmeextension", "grpnum=300&grplist=300,0551234567%23&strategy=hunt").says(http.StatusOK, inserted)
		before := p.rows()
		writer.form(keptPath+"addextension", "account=204&name=Eve&secret=keep-it-long-3").says(http.StatusConflict, exists)
		writer.form(keptPath+"updateextension", "account=999&name=Eve").says(http.StatusNotFound, missing)
		writer.form(keptPath+"deleteextension", "account=999").says(http.StatusNotFound, missing)
		writer.form(keptPath+"updatefollowmeextension", "grpnum=204&grptime=20").says(http.StatusNotFound, missing)
		writer.form(keptPath+"deletefollowmeextension", "grpnum=204").says(http.StatusNotFound, missing)
		writer.form(keptPath+"addfollowmeextension", "grpnum=300&grplist=1").says(http.StatusConflict, exists)
		writer.send("POST", keptPath+"deleteextension&account=204", "", "").says(http.StatusBadRequest, `{"status":"INVALID PARAMETER: account","code":400}`) // it counts in the body alone
		writer.get(keptPath + "deleteextension&account=204").is(http.StatusMethodNotAllowed)
		reader.form(keptPath+"deleteextension", "account=204").is(http.StatusForbidden)
		for _, wrong := range [][2]string{
			{"name", "a%0a[b]"},
			{"name", "a%0d%0asecret=x"},
			{"secret", "short"},
			{"secret", "keep-it%0along"},
			{"context", "a;b"},
			{"callerid", "x%0ay"},
			{"port", "65536"},
			{"type", "trunk"},
			{"deny", "everybody"},
			{"nat", "%00"},
			{"dial", "SIP/1%0a%0dx"},
			{"mailbox", "[x]"},
		} {
			says := `{"status":"INVALID PARAMETER: ` + wrong[0] + `","code":400}`
			writer.form(keptPath+"updateextension", "account=204&"+wrong[0]+"="+wrong[1]).says(http.StatusBadRequest, says)
			writer.form(keptPath+"addextension", "account=205&name=x&secret=keep-it-long-4&"+wrong[0]+"="+wrong[1]).says(http.StatusBadRequest, says)
		}
		if after := p.rows(); !slices.Equal(after, before) {
			t.Errorf("before\n%s\nafter\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		writer.form(keptPath+"updateextension", "account=204&name=Nora+Paz&callerid=Nora+Paz+<204>").says(http.StatusOK, updated)
		var shown map[string]map[string]string
		reader.get(keptPath + "sipextensions").is(http.StatusOK).into(&shown)
		if len(shown) != 2 || shown["204"]["secret"] != "********" || shown["204"]["callerid"] != "Nora Paz <204>" || shown["300"]["context"] != "other" {
			t.Errorf("%v", shown)
		}
		secrets.get(keptPath + "sipextensions").is(http.StatusOK).into(&shown)
		if shown["204"]["secret"] != "keep-it-long-1" || shown["300"]["secret"] != "keep-it-long-2" {
			t.Errorf("%v", shown)
		}
		const of300 = `{"grpnum":"300","strategy":"hunt","grptime":"20","grppre":"","grplist":"300-0551234567#","annmsg_id":"0","postdest":"ext-local,300,dest","dring":"","remotealert_id":"0","needsconf":"","toolate_id":"0","pre_ring":"0","ringing":"Ring"}`
		reader.get(keptPath+"getfollowmeextension&grpnum=300").says(http.StatusOK, "["+of300+"]")
		reader.get(keptPath+"getfollowmeextension&grpnum=204").says(http.StatusOK, "[]")
		writer.form(keptPath+"addfollowmeextension", "grpnum=204&grplist=204").says(http.StatusOK, inserted)
		writer.form(keptPath+"updatefollowmeextension", "grpnum=204&grptime=45").says(http.StatusOK, updated)
		if all := reader.form(keptPath+"getallfollowmeextensions", "").is(http.StatusOK); !strings.Contains(all.body, of300) || !strings.Contains(all.body, `"grptime":"45"`) {
			t.Error(all.body)
		}
		writer.form(keptPath+"deletefollowmeextension", "grpnum=204").says(http.StatusOK, deleted)
		writer.form(keptPath+"deleteextension", "account=300").says(http.StatusOK, deleted)
		want := []string{
			"extension.add 204", "extension.add 300", "followme.add 300", "extension.update 204", "followme.add 204", "followme.update 204", "followme.delete 204", "extension.delete 300",
		}
		if got := p.lines(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if log := p.log.String() + p.admin.get("/api/audit?results_per_page=100").body; strings.Contains(log, "keep-it-long") || !strings.Contains(log, "token/write") {
			t.Error("a secret is in a log, or nobody's name")
		}
	})
}
