package adminapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	ami "talktime/pbx"
)

// tokenFor is a client with a token of these scopes.
func (s *site) tokenFor(scopes ...string) *client {
	s.t.Helper()
	_, secret, err := s.store.NewToken(s.t.Context(), models.NewToken{Name: strings.Join(scopes, "-"), Scopes: scopes}, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	return s.anonymous().with("Authorization", "Bearer "+secret)
}

// TestOrderedVariables: only variables that nothing of Asterisk's reads are set, to what no shell and no dialplan reads more into.
func TestOrderedVariables(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.orders = nil })
	originate := func(name, value string) answer {
		return s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"1","variables":{"`+name+`":"`+value+`"}}`)
	}
	for _, name := range []string{
		"MIXMON_POST", "MONITOR_EXEC", "MONITOR_EXEC_ARGS", "MONITOR_OPTIONS", "MIXMONITOR_FILENAME", "TALKTIME_ANSWERED", "__TALKTIME_FOLLOWED", "ANSWEREDTIME", "CDR(x)", "_CTC", "__X_A",
		"ctc", "CTc", "X", "XA", "AX_", "", "X_" + strings.Repeat("A", 41), "CTC-A", "CTC A",
	} {
		originate(name, "1").tells(http.StatusBadRequest, "name of a variable")
	}
	for _, value := range []string{"/bin/sh", "a b", "$A", "${A}", "a;b", "a&b", "a|b", "`id`", "a,b", "a=b", "a*", "a#", `a\\b`, `a\"`, "a'", "a<b", strings.Repeat("a", 201), `a\nb`} {
		originate("CTC", value).tells(http.StatusBadRequest, "a value has at most")
	}
	s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"1","variables":{"CTC":null}}`).is(http.StatusBadRequest)
	if got := x.last(); got != "" {
		t.Errorf("Asterisk was told %q", got)
	}
	for _, name := range []string{"CTC", "CTC_ID", "X_", "X_" + strings.Repeat("9", 40)} {
		originate(name, "a.B_1:2@c+d-e").is(http.StatusAccepted)
	}
}

// TestOrderedTelephones: only a telephone is made to ring, and what it reaches is a context that charges.
func TestOrderedTelephones(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	s.start(func(d *adminapi.Deps) {
		d.PBX, d.DialTechs = x.orderedBy(s.store), []string{"PJSIP", "SIP", "Local", "AudioSocket", "UnicastRTP"}
	})
	s.admin = s.login("admin")
	x.change(func() { x.orders = nil })
	for _, device := range []string{
		"PJSIP/4930123@carrier", "PJSIP/204/sip:4930123@host", "PJSIP/204/x", "PJSIP/sip:4930123", "PJSIP/204:5060", "PJSIP/", "PJSIP/a b", "PJSIP/204&PJSIP/205", "PJSIP/" + strings.Repeat("1", 81),
		"PJSIP", "204", "/204", "pjsip/204", "IAX2/204", "DAHDI/g1", "Local/4930123@from-internal", "Local/204", "local/204", "AudioSocket/127.0.0.1:9092", "AudioSocket/a", "UnicastRTP/a", "PJSIP/204\n",
		"PJSIP/south", "SIP/south",
	} {
		device = strings.ReplaceAll(device, "\n", `\n`)
		s.admin.post("/api/pbx/originate", `{"channel":"`+device+`","exten":"1"}`).tells(http.StatusBadRequest, "channel")
		if device != "Local/4930123@from-internal" {
			s.admin.post("/api/pbx/queues/sales/members", `{"interface":"`+device+`"}`).tells(http.StatusBadRequest, "interface")
		}
	}
	for _, body := range []string{`{"extension":"south","exten":"1"}`, `{"extension":"","exten":"1"}`, `{"extension":"204@carrier","exten":"1"}`} {
		s.admin.post("/api/pbx/originate", body).tells(http.StatusBadRequest, "extension")
	}
	for _, context := range []string{"talktime-caller", "FROM-INTERNAL", "", "from-internal,from-queue"} {
		for path, body := range map[string]string{"/api/pbx/originate": `{"extension":"204","exten":"1","context":"`, "/api/pbx/channels/1.3/redirect": `{"exten":"1","context":"`} {
			s.admin.post(path, body+context+`"}`).tells(http.StatusBadRequest, "TALKTIME_PBX_CONTEXTS: from-internal, from-queue")
		}
	}
	for _, device := range []string{"Local/204@talktime-incoming", "Local/204@talktime-incoming/n"} {
		s.admin.post("/api/pbx/queues/sales/members", `{"interface":"`+device+`"}`).tells(http.StatusBadRequest, "TALKTIME_PBX_CONTEXTS")
	}
	for _, device := range []string{"Local/204@from-internal/nm", "Local/204a@from-internal", "Local/204@from-internal/n/x"} {
		s.admin.post("/api/pbx/queues/sales/members", `{"interface":"`+device+`"}`).tells(http.StatusBadRequest, "interface")
	}
	if got := x.last(); got != "" {
		t.Errorf("Asterisk was told %q", got)
	}
	for device, order := range map[string]string{"SIP/204": "SIP/204", "PJSIP/204": "PJSIP/204"} {
		s.admin.post("/api/pbx/originate", `{"channel":"`+device+`","exten":"1"}`).is(http.StatusAccepted)
		if got := x.last(); !strings.HasPrefix(got, "originate talktime "+order+" 1@from-internal") {
			t.Errorf("Asterisk was told %q", got)
		}
	}
	s.admin.post("/api/pbx/queues/sales/members", `{"interface":"Local/204@from-internal"}`).is(http.StatusCreated)
}

// TestOrderedAtWhoseCost: a program that may not move money names nobody who is charged.
func TestOrderedAtWhoseCost(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.orders = nil })
	writer, money := s.tokenFor("write"), s.tokenFor("write", "money")
	for body, status := range map[string]int{
		`{"extension":"204","exten":"1","account":"acc42"}`:      http.StatusForbidden,
		`{"extension":"204","exten":"1","caller_id":"205"}`:      http.StatusForbidden,
		`{"channel":"PJSIP/204","exten":"1","caller_id":"205"}`:  http.StatusForbidden,
		`{"channel":"PJSIP/204","exten":"1","account":"acc42"}`:  http.StatusForbidden,
		`{"extension":"204","exten":"1","caller_id":"204"}`:      http.StatusAccepted,
		`{"channel":"PJSIP/204","exten":"1","caller_id":"204"}`:  http.StatusAccepted,
		`{"channel":"PJSIP/204","exten":"1"}`:                    http.StatusAccepted,
		`{"extension":"204","exten":"1","account":""}`:           http.StatusAccepted,
		`{"extension":"204","exten":"1","variables":{"X_A":""}}`: http.StatusAccepted,
	} {
		before := len(x.all())
		if a := writer.post("/api/pbx/originate", body).is(status); status == http.StatusForbidden && !strings.Contains(a.body, "scope money") {
			t.Errorf("%s: %s", body, a.body)
		}
		if told := len(x.all()) > before; told != (status == http.StatusAccepted) {
			t.Errorf("%s: Asterisk was told: %t", body, told)
		}
		money.post("/api/pbx/originate", body).is(http.StatusAccepted)
		s.admin.post("/api/pbx/originate", body).is(http.StatusAccepted)
	}
}

// all are the orders that were given.
func (x *liveAsterisk) all() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.orders...)
}

// TestRedirectCallee: who is called in a call that holds money is not sent elsewhere, where nobody would pay and nothing would end it.
func TestRedirectCallee(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.orders = nil })
	s.admin.post("/api/pbx/channels/1.2/redirect", `{"exten":"600"}`).tells(http.StatusConflict, "nobody would pay")
	s.admin.post("/api/pbx/channels/PJSIP%2Fcarrier-000000c0/redirect", `{"exten":"600"}`).is(http.StatusConflict)
	if got := x.last(); got != "" {
		t.Errorf("Asterisk was told %q", got)
	}
	// Somebody who has looked before does not make it one of nobody's.
	x.change(func() { x.channels[1].BridgeID, x.channels[1].LinkedID = "", "1.2" })
	s.deps.PBX.Live.Forget()
	s.admin.get("/api/pbx/channels/1.3").is(http.StatusOK)
	x.change(func() { x.channels[1].BridgeID, x.channels[1].LinkedID = "B", "1.1" })
	s.admin.post("/api/pbx/channels/1.2/redirect", `{"exten":"600"}`).is(http.StatusConflict)
}

// TestOrdersMeanTheChannel: an order reaches the channel that was meant, though channels have exchanged their names since the last look, and
// whatever its name looks like.
func TestOrdersMeanTheChannel(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() {
		x.channels = append(x.channels, ami.Channel{Name: `Local/a,b&"c"@ctx-0002;1`, StateDesc: "Up", UniqueID: "1.9", LinkedID: "1.9"})
	})
	s.deps.PBX.Live.Forget()
	s.admin.get("/api/pbx/channels/1.9").is(http.StatusOK)
	x.change(func() { x.channels[0].Name, x.channels[2].Name = localName, plainName })
	s.admin.delete("/api/pbx/channels/1.3").is(http.StatusNoContent)
	if got := x.last(); got != "hangup 1.3 16" {
		t.Errorf("Asterisk was told %q", got)
	}
	if line := s.audited("channel.hangup"); !strings.Contains(line, plainName) {
		t.Errorf("the audit log says %s", line)
	}
	s.admin.delete("/api/pbx/channels/1.9").is(http.StatusNoContent)
	if got := x.last(); got != "hangup 1.9 16" {
		t.Errorf("Asterisk was told %q", got)
	}
	x.change(func() { x.channels[0].Name, x.channels[1].Name = x.channels[1].Name, x.channels[0].Name })
	s.admin.post("/api/pbx/channels/Local%2F204@ctx-0001;2/redirect", `{"exten":"600"}`).is(http.StatusConflict) // he is the callee now
}

// TestArgumentsOfDialplan: codes that callers have typed are not for everybody who may look at calls.
func TestArgumentsOfDialplan(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	const code = "redeem,4711-0815"
	x.change(func() { x.channels[0].Application, x.channels[0].ApplicationData = "AGI", code })
	for _, tt := range []struct {
		who  *client
		sees string
	}{{s.tokenFor("read"), "********"}, {s.tokenFor("read", "secrets"), code}, {s.admin, code}} {
		all := tt.who.get("/api/pbx/channels").is(http.StatusOK).objects()
		one := tt.who.get("/api/pbx/channels/1.1").is(http.StatusOK).object()
		if all[0]["application_data"] != tt.sees || one["application_data"] != tt.sees || all[1]["application_data"] != "" {
			t.Errorf("%v, %v instead of %s", all, one, tt.sees)
		}
	}
}

// TestOriginateWaiters: those who wait are so many at most; who does not wait is none of them.
func TestOriginateWaiters(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	const most = 64
	answers := make(chan struct{})
	x.change(func() { x.orders, x.answers = nil, answers })
	const call = `{"extension":"204","exten":"1","wait":true}`
	var waiting sync.WaitGroup
	for range most {
		waiting.Go(func() { s.admin.post("/api/pbx/originate", call).is(http.StatusOK) })
	}
	for len(x.all()) < most {
		time.Sleep(time.Millisecond)
	}
	if a := s.admin.post("/api/pbx/originate", call).is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" || len(x.all()) != most {
		t.Errorf("%v %s", a.header, a.body)
	}
	s.admin.post("/api/pbx/originate", strings.Replace(call, "true", "false", 1)).is(http.StatusAccepted)
	close(answers)
	waiting.Wait()
	s.admin.post("/api/pbx/originate", call).is(http.StatusOK)
}
