package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/adminapi"
	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store/storetest"
)

const (
	norasSecret = "kx7-moss-tarn"
	addNora     = `{"account":"204","name":"Nora","secret":"` + norasSecret + `"}`
	addAda      = `{"account":"207","name":"Ada","secret":"ada-has-one-too","context":"from-office","port":5070,"avpf":true,"callgroup":"1,3-5"}`
)

// program is a client with a token of these scopes.
func (p *phoneSite) program(scopes ...string) *client {
	p.t.Helper()
	c := p.anonymous()
	_, secret, err := p.store.NewToken(p.t.Context(), models.NewToken{Name: strings.Join(scopes, "-"), Scopes: scopes}, "test")
	if err != nil {
		p.t.Fatal(err)
	}
	c.header.Set("Authorization", "Bearer "+secret)
	return c
}

// with is the client with a header more.
func (c *client) with(name, value string) *client {
	more := *c
	more.header = c.header.Clone()
	more.header.Set(name, value)
	return &more
}

// TestExtensions: made, read, changed and removed, and nothing else is touched.
func TestExtensions(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		reader, writer, knower := p.program("read"), p.program("write"), p.program("read", "secrets")
		p.admin.post("/api/pbx/extensions", addAda).is(http.StatusCreated)
		adas := p.rows()

		a := writer.post("/api/pbx/extensions", addNora).is(http.StatusCreated)
		if got := a.header.Get("Location"); !strings.HasSuffix(got, "/api/pbx/extensions/204") || a.header.Get("ETag") == "" || strings.Contains(a.body, norasSecret) {
			t.Errorf("%s %v", a.body, a.header)
		}
		writer.post("/api/pbx/extensions", addNora).is(http.StatusConflict)
		for c, secret := range map[*client]string{reader: extension.Mask, knower: norasSecret, p.admin: norasSecret} {
			o := c.get("/api/pbx/extensions/204").is(http.StatusOK).object()
			if o["secret"] != secret || o["name"] != "Nora" || o["account"] != "204" || o["host"] != "dynamic" || o["port"] != 5060.0 || o["avpf"] != false || len(o) != 27 {
				t.Errorf("%v", o)
			}
		}
		list := reader.get("/api/pbx/extensions").is(http.StatusOK).objects()
		if len(list) != 2 || list[0]["account"] != "204" || list[1]["account"] != "207" || list[1]["avpf"] != true || list[1]["secret"] != extension.Mask {
			t.Errorf("%v", list)
		}
		page := reader.get("/api/pbx/extensions?results_per_page=1&page=2").is(http.StatusOK)
		if all := page.objects(); len(all) != 1 || all[0]["account"] != "207" {
			t.Errorf("%v", all)
		}
		reader.get("/api/pbx/extensions?after=204").is(http.StatusBadRequest)
		if o := p.program("write", "secrets").patch("/api/pbx/extensions/207", `{}`).is(http.StatusOK).object(); o["secret"] != extension.Mask {
			t.Errorf("who may not read is shown %v", o["secret"])
		}

		// A change: what was not sent stays, and so does a secret that is sent as it was shown.
		before := knower.get("/api/pbx/extensions/204").object()
		after := writer.patch("/api/pbx/extensions/204", `{"context":"from-office","trustrpid":false,"qualifyfreq":30,"secret":"********"}`).is(http.StatusOK).object()
		before["context"], before["trustrpid"], before["qualifyfreq"], before["secret"] = "from-office", false, 30.0, extension.Mask
		if diff := cmp.Diff(before, after); diff != "" {
			t.Error(diff)
		}
		if o := knower.get("/api/pbx/extensions/204").object(); o["secret"] != norasSecret {
			t.Error("the secret has not stayed")
		}

		for _, tt := range []struct{ method, path, body, says string }{
			{"POST", "", `{"name":"X"}`, "account is missing; give one; secret is missing; give one"},
			{"POST", "", `{"account":"12a","name":"X","secret":"short","portt":1,"context":"a;b"}`, "account"},
			{"POST", "", `{"account":"205","name":"X","secret":"********"}`, "secret must be a secret"},
			{"POST", "", `{"account":"205","name":"X","secret":{"a":"long enough"}}`, "secret must be a string"},
			{"PATCH", "/204", `{"avpf":"perhaps","port":[]}`, "avpf must be true or false; port must be a number"},
			{"PATCH", "/204", `{"context":"x\n[evil]"}`, "context must have no line breaks"},
			{"PATCH", "/204", `{"port":70000,"nat":"maybe","wrong":1}`, "nat must be"},
			{"PATCH", "/204", `{"account":"999"}`, "account cannot be changed"},
		} {
			if o := writer.do(tt.method, "/api/pbx/extensions"+tt.path, tt.body).is(http.StatusBadRequest).object(); !strings.Contains(o["message"].(string), tt.says) {
				t.Errorf("%s: %s", tt.body, o["message"])
			}
		}
		if o := writer.patch("/api/pbx/extensions/204", `{"port":70000,"nat":"maybe","wrong":1}`).object(); !strings.Contains(o["message"].(string), "port must") || !strings.Contains(o["message"].(string), "wrong") {
			t.Errorf("not all that is wrong is named: %s", o["message"])
		}
		writer.patch("/api/pbx/extensions/999", `{"name":"X"}`).is(http.StatusNotFound)
		writer.delete("/api/pbx/extensions/999").is(http.StatusNotFound)
		reader.get("/api/pbx/extensions/x%27%20OR%201").is(http.StatusNotFound)
		reader.post("/api/pbx/extensions", addNora).is(http.StatusForbidden)
		writer.get("/api/pbx/extensions").is(http.StatusForbidden)

		if p.kind == "freepbx" {
			p.flags("204")
			if p.peer.reloads != 4 {
				t.Errorf("%d reloads for 4 changes", p.peer.reloads)
			}
		}
		writer.delete("/api/pbx/extensions/204").is(http.StatusNoContent)
		writer.delete("/api/pbx/extensions/204").is(http.StatusNotFound)
		if diff := cmp.Diff(adas, p.rows()); diff != "" {
			t.Errorf("another has changed:\n%s", diff)
		}
		want := []string{"extension.add 207", "extension.add 204", "extension.update 204", "extension.delete 204"}
		if got := p.lines(); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		for _, text := range []string{p.admin.get("/api/audit?results_per_page=100").body, reader.get("/api/pbx/changes").is(http.StatusOK).body, p.log.String()} {
			if strings.Contains(text, norasSecret) || strings.Contains(text, "ada-has-one-too") {
				t.Errorf("a secret: %s", text)
			}
		}
	})
}

// flags are those that FreePBX wants of each keyword.
func (p *phoneSite) flags(account string) {
	p.t.Helper()
	keywords := strings.Fields("deny secret dtmfmode canreinvite context host trustrpid sendrpid type nat port qualify qualifyfreq transport avpf icesupport encryption callgroup pickupgroup dial mailbox permit callerid callcounter faxdetect accountcode account")
	for i, keyword := range keywords {
		var flag int
		err := p.db.QueryRowContext(p.t.Context(), "SELECT flags FROM sip WHERE id = ? AND keyword = ?", account, keyword).Scan(&flag)
		if err != nil || flag != i+2 {
			p.t.Errorf("%s has the flag %d: %v", keyword, flag, err)
		}
	}
	var rows int
	if err := p.db.QueryRowContext(p.t.Context(), "SELECT COUNT(*) FROM sip WHERE id = ?", account).Scan(&rows); err != nil || rows != len(keywords) {
		p.t.Errorf("%d rows: %v", rows, err)
	}
}

// TestExtensionsDryRun: a dry run says what would be, and nothing is.
func TestExtensionsDryRun(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		p.admin.post("/api/pbx/extensions", addNora).is(http.StatusCreated)
		p.admin.post("/api/pbx/followme", `{"grpnum":"204","grplist":["204","0551234567#"]}`).is(http.StatusCreated)
		was, lines, reloads := p.rows(), p.lines(), p.peer.reloads
		differs := func(a answer) map[string]string {
			t.Helper()
			var o struct{ Differences []extension.Difference }
			a.is(http.StatusOK).into(&o)
			all := map[string]string{}
			for _, d := range o.Differences {
				all[d.Field] = d.Before + ">" + d.After
			}
			return all
		}
		if d := differs(p.admin.post("/api/pbx/extensions?dry_run=1", addAda)); d["name"] != ">Ada" || d["secret"] != "********>********" || d["port"] != ">5070" {
			t.Errorf("%v", d)
		}
		p.admin.post("/api/pbx/extensions?dry_run=1", addNora).is(http.StatusConflict)
		if d := differs(p.admin.patch("/api/pbx/extensions/204?dry_run=1", `{"name":"Nora","context":"from-office","secret":"another-secret"}`)); len(d) != 2 || d["context"] != "from-internal>from-office" || d["secret"] != "********>********" {
			t.Errorf("%v", d)
		}
		if d := differs(p.admin.delete("/api/pbx/extensions/204?dry_run=1")); d["name"] != "Nora>" {
			t.Errorf("%v", d)
		}
		if d := differs(p.admin.patch("/api/pbx/followme/204?dry_run=1", `{"grplist":["207"],"needsconf":true}`)); len(d) != 2 || d["grplist"] != "204-0551234567#>207" || d["needsconf"] != ">CHECKED" {
			t.Errorf("%v", d)
		}
		differs(p.admin.delete("/api/pbx/followme/204?dry_run=1"))
		p.admin.post("/api/pbx/followme?dry_run=1", `{"grpnum":"204","grplist":["207"]}`).is(http.StatusConflict)
		p.admin.post("/api/pbx/followme?dry_run=1", `{"grpnum":"999","grplist":["207"]}`).is(http.StatusBadRequest)
		p.admin.patch("/api/pbx/extensions/204?dry_run=1", `{"port":0}`).is(http.StatusBadRequest)
		p.admin.with("If-Match", `"other"`).patch("/api/pbx/extensions/204?dry_run=1", `{"port":1}`).is(http.StatusPreconditionFailed)
		p.admin.patch("/api/pbx/extensions/204?dry_run=x", `{}`).is(http.StatusBadRequest)
		if diff := cmp.Diff(was, p.rows()); diff != "" || !slices.Equal(lines, p.lines()) || p.peer.reloads != reloads {
			t.Errorf("a dry run changes something: %s", diff)
		}
		if all := p.admin.get("/api/pbx/changes").objects(); len(all) != 2 {
			t.Errorf("%v", all)
		}
	})
}

// TestIfMatch: of many who have read the same, one changes it.
func TestIfMatch(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		p.admin.post("/api/pbx/extensions", addNora).is(http.StatusCreated)
		tag := p.admin.get("/api/pbx/extensions/204").header.Get("ETag")
		if tag != p.program("read").get("/api/pbx/extensions/204").header.Get("ETag") {
			t.Error("the tag depends on who asks")
		}
		const many = 8
		var each [many]int
		var wait sync.WaitGroup
		for i := range many {
			wait.Go(func() {
				each[i] = p.admin.with("If-Match", tag).patch("/api/pbx/extensions/204", fmt.Sprintf(`{"secret":"a-new-secret-%d"}`, i)).status
			})
		}
		wait.Wait()
		slices.Sort(each[:])
		if want := [many]int{200, 412, 412, 412, 412, 412, 412, 412}; each != want {
			t.Errorf("%v", each)
		}
		p.admin.with("If-Match", tag).delete("/api/pbx/extensions/204").is(http.StatusPreconditionFailed)
		now := p.admin.get("/api/pbx/extensions/204").is(http.StatusOK).header.Get("ETag")
		if now == tag {
			t.Error("another secret has the same tag")
		}
		p.admin.with("If-Match", `"x", `+now).delete("/api/pbx/extensions/204").is(http.StatusNoContent)
		p.admin.with("If-Match", "*").delete("/api/pbx/extensions/204").is(http.StatusNotFound)
	})
}

// TestFollowMes: each is by itself.
func TestFollowMes(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		const nora, ada = `{"grpnum":"204","grplist":["204","0551234567#"],"pre_ring":7}`, `{"grpnum":"207","grplist":"207, 208\n0559#","strategy":"hunt","needsconf":true}`
		p.admin.post("/api/pbx/followme", nora).is(http.StatusBadRequest) // there is no such extension
		p.admin.post("/api/pbx/extensions", addNora).is(http.StatusCreated)
		p.admin.post("/api/pbx/extensions", addAda).is(http.StatusCreated)
		p.admin.post("/api/pbx/followme", nora).is(http.StatusCreated)
		p.admin.post("/api/pbx/followme", nora).is(http.StatusConflict)
		a := p.admin.post("/api/pbx/followme", ada).is(http.StatusCreated).object()
		want := map[string]any{
			"grpnum": "207", "strategy": "hunt", "grptime": 20.0, "grppre": "", "grplist": []any{"207", "208", "0559#"}, "annmsg_id": 0.0, "postdest": "ext-local,207,dest", "dring": "",
			"remotealert_id": 0.0, "needsconf": true, "toolate_id": 0.0, "pre_ring": 0.0, "ringing": "Ring",
		}
		if diff := cmp.Diff(want, a); diff != "" {
			t.Error(diff)
		}
		if p.kind == "freepbx" && (p.peer.under("AMPUSER/204/followme/") != 7 || p.peer.under("AMPUSER/207/followme/") != 7) {
			t.Errorf("%v", p.peer.keys)
		}
		for _, strategy := range extension.Strategies() {
			if o := p.admin.patch("/api/pbx/followme/204", `{"strategy":"`+strategy+`"}`).is(http.StatusOK).object(); o["strategy"] != strategy || o["pre_ring"] != 7.0 {
				t.Errorf("%v", o)
			}
		}
		for _, body := range []string{`{"strategy":"all"}`, `{"grptime":0}`, `{"grptime":61}`, `{"grplist":[]}`, `{"grplist":["1;2"]}`, `{"grplist":{"a":1}}`, `{"ringing":"jazz"}`, `{"ring":1}`} {
			p.admin.patch("/api/pbx/followme/204", body).is(http.StatusBadRequest)
		}
		if diff := cmp.Diff(want, p.admin.get("/api/pbx/followme/207").is(http.StatusOK).object()); diff != "" {
			t.Errorf("the second has changed with the first: %s", diff)
		}
		if list := p.admin.get("/api/pbx/followme").is(http.StatusOK).objects(); len(list) != 2 || list[1]["grpnum"] != "207" {
			t.Errorf("%v", list)
		}
		p.admin.delete("/api/pbx/followme/204").is(http.StatusNoContent)
		p.admin.get("/api/pbx/followme/204").is(http.StatusNotFound)
		p.admin.delete("/api/pbx/followme/204").is(http.StatusNotFound)
		p.admin.delete("/api/pbx/extensions/207").is(http.StatusNoContent)
		p.admin.get("/api/pbx/followme/207").is(http.StatusNotFound)
		if p.kind == "freepbx" && len(p.peer.keys) > 0 {
			t.Errorf("%v", p.peer.keys)
		}
		if slices.ContainsFunc(p.rows(), func(row string) bool { return strings.HasPrefix(row, "follow") }) {
			t.Errorf("%v", p.rows())
		}
	})
}

// TestUndoExtensions: each kind of change, there and back; what somebody has changed since stays.
func TestUndoExtensions(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		writer := p.program("write")
		writer.post("/api/pbx/undo", "").is(http.StatusNotFound)
		for _, c := range []struct{ method, path, body string }{
			{"POST", "extensions", addNora},
			{"PATCH", "extensions/204", `{"secret":"another-secret","name":"Nora Moss","qualify":"no"}`},
			{"POST", "followme", `{"grpnum":"204","grplist":["204","0551234567#"]}`},
			{"PATCH", "followme/204", `{"strategy":"memoryhunt"}`},
			{"DELETE", "followme/204", ""},
		} {
			was := p.rows()
			if s := writer.do(c.method, "/api/pbx/"+c.path, c.body).status; s >= 300 {
				t.Fatalf("%v: %d", c, s)
			}
			is, changes := p.rows(), p.admin.get("/api/pbx/changes").body
			p.admin.post("/api/pbx/undo", "").is(http.StatusNotFound).has("no change of yours", "GET /api/pbx/changes") // it is somebody else's
			would := writer.post("/api/pbx/undo?dry_run=1", "").is(http.StatusOK).object()
			writer.post("/api/pbx/undo?dry_run=1&dry_run=0", "").is(http.StatusBadRequest)
			writer.post("/api/pbx/undo?dryrun=1", "").is(http.StatusBadRequest)
			writer.post(fmt.Sprintf("/api/pbx/changes/%.0f/undo?dry_run=true", would["undoes"]), "").is(http.StatusOK)
			if diff := cmp.Diff(is, p.rows()); diff != "" || p.admin.get("/api/pbx/changes").body != changes {
				t.Errorf("a dry run of taking %v back changes something: %s", c, diff)
			}
			done := writer.post("/api/pbx/undo", "").is(http.StatusOK).object()
			if diff := cmp.Diff(would, done); diff != "" {
				t.Errorf("taking %v back is not what was said: %s", c, diff)
			}
			writer.post(fmt.Sprintf("/api/pbx/changes/%.0f/undo?dry_run=1", done["undoes"]), "").is(http.StatusConflict)
			if diff := cmp.Diff(was, p.rows()); diff != "" || len(done["differences"].([]any)) == 0 {
				t.Errorf("%v is not taken back: %s", c, diff)
			}
			latest := p.admin.get("/api/pbx/changes").objects()
			if latest[0]["undoes"] != done["undoes"] || latest[1]["undone"] != true || latest[0]["actor"] != "token/write" {
				t.Errorf("%v", latest[:2])
			}
			writer.post(fmt.Sprintf("/api/pbx/changes/%.0f/undo", done["undoes"]), "").is(http.StatusConflict)
			writer.post(fmt.Sprintf("/api/pbx/changes/%.0f/undo", latest[0]["id"]), "").is(http.StatusOK)
			if diff := cmp.Diff(is, p.rows()); diff != "" {
				t.Errorf("%v is not made again: %s", c, diff)
			}
		}
		// With its follow-me.
		writer.post("/api/pbx/undo", "").is(http.StatusOK)
		was := p.rows()
		writer.delete("/api/pbx/extensions/204").is(http.StatusNoContent)
		if len(p.rows()) != 0 {
			t.Errorf("%v", p.rows())
		}
		writer.post("/api/pbx/undo?dry_run=1", "").is(http.StatusOK).has(`"verb":"add"`, "0551234567")
		writer.post("/api/pbx/undo", "").is(http.StatusOK)
		if diff := cmp.Diff(was, p.rows()); diff != "" {
			t.Error(diff)
		}

		// Somebody else has changed it since.
		writer.patch("/api/pbx/extensions/204", `{"context":"from-office"}`).is(http.StatusOK)
		if _, _, err := p.other.Update(t.Context(), "204", extension.Patch{"secret": "somebody-elses"}, nil); err != nil {
			t.Fatal(err)
		}
		was = p.rows()
		writer.post("/api/pbx/undo?dry_run=1", "").is(http.StatusConflict).has("204 is not as change")
		if o := writer.post("/api/pbx/undo", "").is(http.StatusConflict).object(); !strings.Contains(o["message"].(string), "204 is not as change") {
			t.Errorf("%v", o)
		}
		if diff := cmp.Diff(was, p.rows()); diff != "" {
			t.Error(diff)
		}
		writer.post("/api/pbx/changes/999/undo", "").is(http.StatusNotFound)
		writer.post("/api/pbx/changes/999/undo?dry_run=1", "").is(http.StatusNotFound)
		writer.post("/api/pbx/changes/x/undo", "").is(http.StatusNotFound)
		p.program("read").post("/api/pbx/undo", "").is(http.StatusForbidden)
		for _, text := range []string{p.admin.get("/api/audit?results_per_page=100").body, p.admin.get("/api/pbx/changes").body, p.log.String()} {
			if strings.Contains(text, norasSecret) || strings.Contains(text, "another-secret") {
				t.Errorf("a secret: %s", text)
			}
		}
		if lines := p.lines(); !slices.Contains(lines, "extension.undo 204") || !slices.Contains(lines, "followme.undo 204") {
			t.Errorf("%v", lines)
		}
	})
}

// TestAsteriskAway: a change that is made stays, and is told from one that counts.
func TestAsteriskAway(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		p.peer.set(errors.New("it is away with " + norasSecret))
		field, value := "reload", any("failed")
		if p.kind == "realtime" {
			field, value = "checked", false
		}
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "extensions", addNora, 201},
			{"PATCH", "extensions/204", `{"name":"Nora Moss"}`, 200},
			{"DELETE", "extensions/204", "", 200},
			{"POST", "undo", "", 200},
		} {
			if o := p.admin.do(c.method, "/api/pbx/"+c.path, c.body).is(c.status).object(); o[field] != value {
				t.Errorf("%v: %v", c, o)
			}
		}
		if o := p.admin.get("/api/pbx/extensions/204").is(http.StatusOK).object(); o["name"] != "Nora Moss" {
			t.Errorf("%v", o)
		}
		p.peer.set(nil)
		if p.kind == "freepbx" {
			return
		}
		was := p.rows()
		for _, a := range []answer{
			p.admin.patch("/api/pbx/extensions/204", `{"context":"refused","secret":"never-kept-one"}`),
			p.admin.post("/api/pbx/extensions", strings.Replace(addAda, "from-office", "refused", 1)),
		} {
			if o := a.is(http.StatusBadRequest).object(); !strings.Contains(o["message"].(string), "Asterisk refuses 20") {
				t.Errorf("%v", o)
			}
		}
		if diff := cmp.Diff(was, p.rows()); diff != "" {
			t.Errorf("what Asterisk refuses has left something: %s", diff)
		}
	})
}

// TestKeptInterfaceIsRecorded: what the old interface changes can be taken back by the new one, and is one line of the audit log.
func TestKeptInterfaceIsRecorded(t *testing.T) {
	onEachBackend(t, func(t *testing.T, p *phoneSite) {
		kept := p.program("write")
		kept.form("/api/api.php?cmd=addextension", "account=204&name=Nora&secret="+norasSecret).says(http.StatusOK, `{"status": "INSERT OK", "code": 200}`)
		kept.form("/api/api.php?cmd=addfollowmeextension", "grpnum=204&grplist=204,0551234567%23").says(http.StatusOK, `{"status": "INSERT OK", "code": 200}`)
		was := p.rows()
		kept.form("/api/api.php?cmd=updateextension", "account=204&context=from-office").says(http.StatusOK, `{"status": "UPDATE OK", "code": 200}`)
		kept.post("/api/pbx/undo", "").is(http.StatusOK)
		kept.form("/api/api.php?cmd=deleteextension", "account=204").says(http.StatusOK, `{"status": "DELETE OK", "code": 200}`)
		kept.post("/api/pbx/undo", "").is(http.StatusOK)
		if diff := cmp.Diff(was, p.rows()); diff != "" {
			t.Error(diff)
		}
		want := []string{"extension.add 204", "followme.add 204", "extension.update 204", "extension.undo 204", "extension.delete 204", "extension.undo 204"}
		if got := p.lines(); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		for _, o := range p.admin.get("/api/pbx/changes").objects() {
			if o["actor"] == "" {
				t.Errorf("nobody did %v", o)
			}
		}
	})
}

// TestNoBackend: nothing is configured.
func TestNoBackend(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for _, path := range []string{"extensions", "extensions/204", "followme", "followme/204", "changes"} {
		var o map[string]any
		if err := json.Unmarshal([]byte(s.admin.get("/api/pbx/"+path).is(http.StatusNotImplemented).body), &o); err != nil || !strings.Contains(o["message"].(string), "TALKTIME_PBX_BACKEND") {
			t.Errorf("%v, %v", o, err)
		}
	}
	s.admin.post("/api/pbx/undo", "").is(http.StatusNotImplemented)
}

// TestPBXParameters: a parameter that is spelt otherwise is refused, rather than that something else is done than was asked for.
func TestPBXParameters(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	tried := 0
	for _, route := range adminapi.Routes() {
		if !strings.HasPrefix(route.Path, "/api/pbx/") {
			continue
		}
		tried++
		path := []string{}
		for part := range strings.SplitSeq(route.Path, "/") {
			if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "*") {
				part = "7"
			}
			path = append(path, part)
		}
		s.admin.do(route.Method, strings.Join(path, "/")+"?dry-run=1", "{}").is(http.StatusBadRequest).has(`there is no parameter \"dry-run\"`)
	}
	if tried < 20 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// stoppedLog is a database that has stopped. It fails the test if it would have to be waited for without end.
type stoppedLog struct{ t *testing.T }

func (l stoppedLog) wait(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		l.t.Error("a line is waited for without end")
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l stoppedLog) Log(ctx context.Context, _, _, _ string, _, _ any) error { return l.wait(ctx) }

func (l stoppedLog) AddPBXChange(ctx context.Context, _ extension.Change) error { return l.wait(ctx) }

func (l stoppedLog) PBXChanges(context.Context) ([]extension.Change, error) { return nil, nil }

// TestChangeWithoutNotes: a change that is made is answered although it cannot be noted anywhere.
func TestChangeWithoutNotes(t *testing.T) {
	t.Parallel()
	p := newPhoneSite(t, newSite(t, storetest.SQLite(t)), "freepbx")
	recorded, is := p.deps.PBX.Extensions.(extension.Recorded)
	if !is {
		t.Fatal("nothing notes changes")
	}
	recorded.Log = stoppedLog{t}
	p.start(func(d *adminapi.Deps) {
		d.PBX.Extensions, d.PBX.Log = recorded, stoppedLog{t}
	})
	p.admin = p.login("admin")
	p.admin.post("/api/pbx/extensions", addNora).is(http.StatusCreated)
	if log := p.log.String(); !strings.Contains(log, "a change is missing in the audit log") || !strings.Contains(log, "cannot be undone") {
		t.Error(log)
	}
}
