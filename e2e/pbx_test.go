package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/dialplan"
	"talktime/e2e/lab"
	"talktime/pbx"
	"talktime/store/storetest"
)

// office is a telephone system with our samples, and the Talktime that manages it and bills it.
type office struct {
	*site
	*lab.Lab
	t      *testing.T
	tables *sql.DB // that Asterisk reads
	cdr    *sql.DB
	base   string // of the admin server
	token  string
	client *pbx.Client // with Talktime's account
}

// pbxDialplan has what the samples leave to the operator.
const pbxDialplan = `
#include extensions-talktime.conf
#include extensions-internal.conf

[from-internal]
exten => 6500,1,Queue(desk)
 same => n,Hangup()
`

const pbxQueues = "[general]\nlog_membername_as_agent = yes\n\n[desk]\nstrategy = ringall\ntimeout = 10\n\n[support]\nmember => PJSIP/agent6\n"

func newOffice(t *testing.T) *office {
	t.Helper()
	lab.Require(t)
	calls, err := dialplan.Read("cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	server := storetest.Shared(t)
	tables, cdr := server.NewDatabase(t), server.NewDatabase(t)
	o := &office{t: t, site: newSite(t, server.NewDatabase(t), nil), tables: storetest.Open(t, tables), cdr: storetest.Open(t, cdr)}
	o.Lab = lab.Start(t, lab.Options{
		FastAGI: o.site.addr, CDRDatabase: cdr, CDRSchema: string(calls), Realtime: tables, Context: "from-internal",
		Extensions: pbxDialplan, Files: map[string]string{"queues.conf": pbxQueues},
	})
	o.logs(t, "WARNING", "ERROR") // of our samples
	settings := cdrSettings(t, cdr)
	maps.Copy(settings, map[string]string{
		"TALKTIME_AMI_ADDR": o.AMIAddr, "TALKTIME_AMI_USER": lab.Talktime, "TALKTIME_AMI_SECRET": lab.TalktimeSecret,
		"TALKTIME_ARI_URL": o.ARIURL, "TALKTIME_ARI_USER": lab.Talktime, "TALKTIME_ARI_PASSWORD": lab.TalktimeSecret,
		"TALKTIME_PBX_BACKEND": "realtime", "TALKTIME_PBX_DATABASE_URL": o.PBXDatabase(), "TALKTIME_RECORDINGS": o.Path("spool/monitor"),
	})
	o.base, _ = o.serveAdmin(t, settings, lab.TalktimeSecret, phoneSecret)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(o.site.admin(0, "token", "add", "--name", "pbx", "--scopes", "read,write,cdr,recordings,money", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	o.token = made.Token
	if o.client, err = pbx.Open(pbx.AMI{Addr: o.AMIAddr, User: lab.Talktime, Secret: lab.TalktimeSecret}, pbx.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.client.Close)
	return o
}

// phoneSecret is that of a telephone, with what Asterisk's tables have a meaning for.
const phoneSecret = "secret^3B-of-a-telephone"

// do sends a request, and returns the answer.
func (o *office) do(t *testing.T, method, path string, body any, headers ...string) (status int, header http.Header, text []byte) {
	t.Helper()
	var content io.Reader = http.NoBody
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		content, kind = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, o.base+path, content)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	if body != nil {
		request.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, text
}

// must sends a request of which the answer is known, and reads that.
func (o *office) must(t *testing.T, want int, method, path string, body, into any) {
	t.Helper()
	status, _, text := o.do(t, method, path, body)
	if status != want {
		t.Fatalf("%s %s: %d, want %d\n%s", method, path, status, want, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// kept is an answer of the old interface to a command.
func (o *office) kept(t *testing.T, want int, command string, parameters ...string) []byte {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	status, _, text := o.do(t, http.MethodPost, "/api/api.php?cmd="+command, form)
	if status != want {
		t.Fatalf("%s %v: %d, want %d\n%s", command, parameters, status, want, text)
	}
	return text
}

// registers checks the answer to a telephone that registers.
func registers(t *testing.T, p *lab.Telephone, want int) {
	t.Helper()
	if code, err := p.Register(t.Context()); err != nil || code != want {
		t.Errorf("%s registers: %d %v, want %d", p.Account, code, err, want)
	}
}

// extension makes an extension, and the telephone of it, which registers.
func (o *office) extension(t *testing.T, account string) *lab.Telephone {
	t.Helper()
	o.must(t, http.StatusCreated, http.MethodPost, "/api/pbx/extensions", map[string]any{"account": account, "name": "Nora " + account, "secret": phoneSecret}, nil)
	p := o.Telephone(account, phoneSecret)
	registers(t, p, 200)
	return p
}

// rings waits for a telephone to be called, and returns the call, its nth.
func rings(t *testing.T, p *lab.Telephone, nth int) *lab.Line {
	t.Helper()
	lab.Eventually(t, 15*time.Second, func() bool { return len(p.Received()) >= nth }, "%s is called", p.Account)
	return p.Received()[nth-1]
}

func isUp(t *testing.T, line *lab.Line) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() bool { return line.Code() != 0 }, "an answer")
	if !line.Up() {
		t.Fatalf("the call came to nothing: %d", line.Code())
	}
}

func isOver(t *testing.T, lines ...*lab.Line) {
	t.Helper()
	for _, line := range lines {
		lab.Eventually(t, 10*time.Second, line.Over, "the end of a call")
	}
}

func hangUp(t *testing.T, line *lab.Line) {
	t.Helper()
	if err := line.HangUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// logs checks that Asterisk has written nothing with one of some words in it.
func (o *office) logs(t *testing.T, words ...string) {
	t.Helper()
	log, err := os.ReadFile(o.Path("log/full"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		// The library says so now and then when it starts.
		if !strings.Contains(line, "PJSIP_SAFE_MODULE") && slices.ContainsFunc(words, func(word string) bool { return strings.Contains(line, word) }) {
			t.Errorf("Asterisk says %s", line)
		}
	}
}

// TestPBX manages telephones, lines and calls of a real Asterisk, all without a reload.
func TestPBX(t *testing.T) {
	o := newOffice(t)
	// What is alone with Asterisk comes first.
	t.Run("live calls", o.live)
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"an extension":                    o.anExtension,
			"extensions of the old interface": o.keptExtension,
			"follow-me":                       o.followMe,
			"recording":                       o.recording,
			"redirect":                        o.redirect,
			"queue":                           o.queue,
			"originate":                       o.originate,
			"trunk":                           o.trunk,
			"words":                           o.words,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	o.logs(t, "Reloading")
	uptime, err := o.CLI(t.Context(), "core show uptime seconds")
	if fields := strings.Fields(uptime); err != nil || len(fields) != 6 || fields[2] != fields[5] {
		t.Errorf("Asterisk was reloaded: %s %v", uptime, err)
	}
}

// calls has one telephone call another and returns both ends.
func calls(t *testing.T, from, to *lab.Telephone) (caller, callee *lab.Line) {
	t.Helper()
	nth := len(to.Received()) + 1
	caller = from.Dial(to.Account)
	callee = rings(t, to, nth)
	isUp(t, caller)
	return caller, callee
}

// says checks who the callee was told calls.
func says(t *testing.T, callee *lab.Line, want string) {
	t.Helper()
	if from, _, _ := strings.Cut(callee.From, "@"); from != want {
		t.Errorf("the callee is told of %s, want %s", from, want)
	}
}

func (o *office) anExtension(t *testing.T) {
	early := o.Telephone("2101", phoneSecret)
	registers(t, early, 401)
	ana, ben := o.extension(t, "2101"), o.extension(t, "2102")
	registers(t, early, 200)
	registers(t, ana, 200)
	caller, callee := calls(t, ana, ben)
	says(t, callee, `"Nora 2101" <sip:2101`)
	hangUp(t, caller)
	isOver(t, callee)

	shownRow, err := o.CLI(t.Context(), "pjsip show endpoint 2101")
	for _, want := range []string{"allow_transfer:false", "rtp_timeout:60"} { // by the table, not by us
		if err != nil || !strings.Contains(strings.ReplaceAll(shownRow, " ", ""), want) {
			t.Errorf("no %s in %s %v", want, shownRow, err)
		}
	}

	one := "/api/pbx/extensions/2101"
	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"secret": "another-secret"}, nil)
	registers(t, ana, 401)
	ana.SetSecret("another-secret")
	registers(t, ana, 200)
	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"callerid": "Ana, the <2101>"}, nil)
	caller, callee = calls(t, ana, ben)
	says(t, callee, `"Ana, the" <sip:2101`)
	hangUp(t, callee)
	isOver(t, caller)
	var source, id string
	lab.Eventually(t, 5*time.Second, func() bool {
		return o.cdr.QueryRowContext(t.Context(), "SELECT src, clid FROM cdr WHERE dst = '2102' ORDER BY id DESC LIMIT 1").Scan(&source, &id) == nil
	}, "a call record")
	if source != "2101" || id != `"Ana, the" <2101>` {
		t.Errorf("the record has %s %s", source, id)
	}

	// What Asterisk refuses is taken back: with this column the row is none for it. What it refused before stays as it is wanted.
	mustExec(t, o.tables, "CREATE TRIGGER refused BEFORE UPDATE ON ps_endpoints FOR EACH ROW SET NEW.allow = IF(NEW.callerid LIKE '%Refused%', 'nosuch', 'ulaw')")
	status, _, text := o.do(t, http.MethodPatch, "/api/pbx/extensions/2102", map[string]any{"name": "Refused"})
	if status != http.StatusBadRequest || !strings.Contains(string(text), "Asterisk refuses 2102") {
		t.Errorf("%d %s", status, text)
	}
	mustExec(t, o.tables, "DROP TRIGGER refused")
	mustExec(t, o.tables, "UPDATE ps_endpoints SET allow = 'nosuch' WHERE id = '2102'")
	status, _, text = o.do(t, http.MethodPatch, "/api/pbx/extensions/2102", map[string]any{"dtmfmode": "info"})
	if status != http.StatusOK || !strings.Contains(string(text), `"checked":false`) {
		t.Errorf("%d %s", status, text)
	}
	mustExec(t, o.tables, "UPDATE ps_endpoints SET allow = 'ulaw' WHERE id = '2102'")
	o.must(t, http.StatusOK, http.MethodPatch, "/api/pbx/extensions/2102", map[string]any{"dtmfmode": "rfc2833"}, nil)
	var shown struct{ Name, Secret string }
	o.must(t, http.StatusOK, http.MethodGet, "/api/pbx/extensions/2102", nil, &shown)
	if shown.Name != "Nora 2102" || shown.Secret != "********" {
		t.Errorf("%+v", shown)
	}

	o.must(t, http.StatusNoContent, http.MethodDelete, one, nil, nil)
	registers(t, ana, 401)
	o.gone(t, "2101")
	if line := ben.Dial("2101"); true {
		isOver(t, line)
		if line.Code() == 200 {
			t.Error("an extension was called that is deleted")
		}
	}
	var changes struct {
		Objects []struct {
			ID            int64
			Verb, Account string
		}
	}
	o.must(t, http.StatusOK, http.MethodGet, "/api/pbx/changes", nil, &changes)
	for _, change := range changes.Objects {
		if change.Account == "2101" {
			o.must(t, http.StatusOK, http.MethodPost, fmt.Sprintf("/api/pbx/changes/%d/undo", change.ID), nil, nil)
			break
		}
	}
	registers(t, ana, 200)
}

// gone checks that Asterisk remembers nothing of an extension.
func (o *office) gone(t *testing.T, account string) {
	t.Helper()
	contacts, err := o.client.PJSIPShowContacts(t.Context())
	if err != nil || slices.ContainsFunc(contacts, func(c pbx.Contact) bool { return c.AOR == account }) {
		t.Errorf("contacts %v %v", contacts, err)
	}
	endpoints, err := o.client.PJSIPShowEndpoints(t.Context())
	if err != nil || slices.ContainsFunc(endpoints, func(e pbx.Endpoint) bool { return e.Name == account }) {
		t.Errorf("endpoints %v %v", endpoints, err)
	}
}

// keptExtension does the same by the old interface.
func (o *office) keptExtension(t *testing.T) {
	one := o.Telephone("2151", "kept-secret")
	registers(t, one, 401)
	for _, account := range []string{"2151", "2152"} {
		o.kept(t, 200, "addextension", "account", account, "name", "Kept", "secret", "kept-secret")
	}
	other := o.Telephone("2152", "kept-secret")
	registers(t, one, 200)
	registers(t, other, 200)
	caller, callee := calls(t, one, other)
	says(t, callee, `"Kept" <sip:2151`)
	hangUp(t, caller)
	isOver(t, callee)
	o.kept(t, 409, "addextension", "account", "2151", "name", "Kept", "secret", "kept-secret")
	o.kept(t, 200, "updateextension", "account", "2151", "secret", "kept-secret-2")
	registers(t, one, 401)
	one.SetSecret("kept-secret-2")
	registers(t, one, 200)

	o.kept(t, 200, "addfollowmeextension", "grpnum", "2151", "grplist", "2152", "strategy", "ringall")
	nth := len(other.Received())
	line := other.Dial("2151") // rings itself
	rings(t, other, nth+1)
	isUp(t, line)
	hangUp(t, line)
	o.kept(t, 200, "deletefollowmeextension", "grpnum", "2151")
	caller, callee = calls(t, other, one)
	hangUp(t, caller)
	isOver(t, callee)

	o.kept(t, 200, "deleteextension", "account", "2151")
	o.kept(t, 404, "deleteextension", "account", "2151")
	registers(t, one, 401)
	o.gone(t, "2151")
}

// followMe rings whom the list names, each change from the next call on.
func (o *office) followMe(t *testing.T) {
	o.user("2201", 4)
	var phones []*lab.Telephone
	for i := range 4 {
		phones = append(phones, o.extension(t, fmt.Sprint(2201+i)))
	}
	followed, first, second, caller := phones[0], phones[1], phones[2], phones[3]
	first.Does(lab.Rings)
	second.Does(lab.Rings)
	const one = "/api/pbx/followme/2201"
	o.must(t, http.StatusCreated, http.MethodPost, "/api/pbx/followme", map[string]any{"grpnum": "2201", "strategy": "ringall", "grplist": []string{"2202", "2203"}}, nil)
	line := caller.Dial("2201")
	a, b := rings(t, first, 1), rings(t, second, 1)
	if a.Over() || b.Over() || line.Code() != 0 {
		t.Error("the two do not ring together")
	}
	says(t, b, `"Nora 2204" <sip:2204`)
	if err := b.Pick(); err != nil {
		t.Error(err)
	}
	isUp(t, line)
	isOver(t, a)
	hangUp(t, line)
	isOver(t, b)

	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"strategy": "hunt", "grptime": 2}, nil)
	line = caller.Dial("2201")
	a = rings(t, first, 2)
	if len(second.Received()) != 1 {
		t.Error("both ring, though they are to be hunted")
	}
	isOver(t, a)
	b = rings(t, second, 2)
	hangUp(t, line)
	isOver(t, line, b)
	if n := len(followed.Received()); n != 0 {
		t.Errorf("the followed telephone was called %d times", n)
	}

	// A number outside is billed to who is followed, and cut when he has no more.
	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"grptime": 20, "grplist": []string{answers + "#"}}, nil)
	line = caller.Dial("2201")
	isUp(t, line)
	isOver(t, line)
	o.settles(t, "2201", 0)

	o.must(t, http.StatusNoContent, http.MethodDelete, one, nil, nil)
	line, callee := calls(t, caller, followed)
	hangUp(t, line)
	isOver(t, callee)
}
