package elastix_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/pbx"
	"talktime/store"
)

var (
	_ elastix.Asterisk   = (*pbx.Client)(nil)
	_ elastix.Recordings = (*pbx.Recordings)(nil)
	_ elastix.CDRs       = (*store.CDRStatistics)(nil)
)

var everything = &elastix.Key{Name: "reports", Scopes: []string{elastix.ScopeRead, elastix.ScopeCDR, elastix.ScopeRecordings, elastix.ScopeWrite, elastix.ScopeSecrets}}

// at is a moment that a clock in Vienna shows as 11:55:42.
func api(a elastix.API) elastix.API {
	a.Now = func() time.Time { return time.Date(2027, 3, 9, 10, 55, 42, 0, time.UTC) }
	a.Location = time.FixedZone("CET", 3600)
	return a
}

// post sends a command with a form, by a key that may everything.
func post(t testing.TB, a elastix.API, cmd, form string) elastix.Answer {
	t.Helper()
	return api(a).Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=" + cmd, Form: form, Sent: true, Key: everything})
}

// says fails the test unless an answer is this one, byte for byte.
func says(t testing.TB, name string, got elastix.Answer, status int, body string) {
	t.Helper()
	if got.Status != status || string(got.Body) != body {
		t.Errorf("%s:\n got %d %s\nwant %d %s", name, got.Status, got.Body, status, body)
	}
	if kind := got.Type; kind == "application/json" != json.Valid(got.Body) {
		t.Errorf("%s: it is %s: %s", name, kind, got.Body)
	}
}

const (
	forbidden   = `{"status":"FORBIDDEN","code":403}`
	away        = `{"status":"ASTERISK UNAVAILABLE","code":502}`
	noDatabase  = `{"status":"DATABASE UNAVAILABLE","code":503}`
	noCommand   = `{"status":"NOT CONFIGURED","code":501}`
	noMethod    = `{"status":"METHOD NOT ALLOWED","code":405}`
	noFile      = `{"status": "File not found", "code": 404}`
	notFound    = `{"status":"NOT FOUND","code":404}`
	existsError = `{"status":"ALREADY EXISTS","code":409}`
)

func wrong(name string) string { return `{"status":"INVALID PARAMETER: ` + name + `","code":400}` }

// TestWhoMayAsk: the plain texts of the script, the scopes, and the methods.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	reader := &elastix.Key{Name: "r", Scopes: []string{elastix.ScopeRead}}
	for _, tt := range []struct {
		name   string
		r      elastix.Request
		status int
		body   string
	}{
		{"no cmd", elastix.Request{Method: "GET"}, 200, "test"},
		{"no cmd by a key", elastix.Request{Method: "POST", Query: "x=1", Form: "cmd=activecall", Sent: true, Key: reader}, 200, "test"},
		{"no key", elastix.Request{Method: "GET", Query: "cmd=activecall"}, 401, "key not found"},
		{"no key, unknown cmd", elastix.Request{Method: "GET", Query: "cmd=x"}, 401, "key not found"},
		{"wrong key", elastix.Request{Method: "GET", Query: "cmd=activecall", Sent: true}, 401, "key not matched"},
		{"wrong key, unknown cmd", elastix.Request{Method: "GET", Query: "cmd=x", Sent: true}, 401, "key not matched"},
		{"unknown cmd", elastix.Request{Method: "GET", Query: "cmd=x", Sent: true, Key: reader}, 404, "cmd not matched"},
		{"cmd without a value", elastix.Request{Method: "GET", Query: "cmd", Sent: true, Key: reader}, 404, "cmd not matched"},
		{"raw AMI", elastix.Request{Method: "GET", Query: "cmd=parkedcalls", Sent: true, Key: reader}, 404, "cmd not matched"},
		{"in capitals", elastix.Request{Method: "GET", Query: "cmd=ActiveCall", Sent: true, Key: reader}, 404, "cmd not matched"},
		{"a method that reads nothing", elastix.Request{Method: "DELETE", Query: "cmd=sippeers", Sent: true, Key: reader}, 405, noMethod},
		{"a change by GET", elastix.Request{Method: "GET", Query: "cmd=addextension", Sent: true, Key: everything}, 405, noMethod},
		{"a change by HEAD", elastix.Request{Method: "HEAD", Query: "cmd=deleteextension&account=204", Sent: true, Key: everything}, 405, noMethod},
		{"auth by GET", elastix.Request{Method: "GET", Query: "cmd=auth", Sent: true, Key: everything}, 405, noMethod},
		{"not configured", elastix.Request{Method: "HEAD", Query: "cmd=activecall", Sent: true, Key: reader}, 501, noCommand},
	} {
		answer := api(elastix.API{}).Do(t.Context(), tt.r)
		says(t, tt.name, answer, tt.status, tt.body)
		if (answer.Allow != "") != (tt.status == 405) {
			t.Errorf("%s: Allow: %s", tt.name, answer.Allow)
		}
	}
	for _, c := range elastix.Commands() {
		for _, scope := range everything.Scopes {
			answer := api(elastix.API{}).Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=" + c.Name, Sent: true, Key: &elastix.Key{Scopes: []string{scope}}})
			if allowed := answer.Status != 403; allowed != (c.Scope == "" || c.Scope == scope) {
				t.Errorf("%s with the scope %s: %d %s", c.Name, scope, answer.Status, answer.Body)
			}
			if answer.Status == 403 {
				says(t, c.Name, answer, 403, forbidden)
			}
		}
	}
}

func TestScopesOfCommands(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	for _, c := range elastix.Commands() {
		scope := c.Scope
		if c.Reads {
			scope += "+GET"
		}
		got[scope] = append(got[scope], c.Name)
	}
	for scope, want := range map[string]string{
		"":                "auth",
		"read+GET":        "sippeers sipextensions systemresources getharddrivers getiptablesstatus activecall getfollowmeextension getallfollowmeextensions",
		"cdr+GET":         "cdrreport",
		"recordings+GET":  "getwavfile",
		"write":           "addextension updateextension deleteextension addfollowmeextension updatefollowmeextension deletefollowmeextension",
		"secrets":         "",
		"recordings":      "",
		"secrets+GET":     "",
		"write+GET":       "",
		"read":            "",
		"cdr":             "",
		"nothing at all!": "",
	} {
		if strings.Join(got[scope], " ") != want {
			t.Errorf("%q: %q", scope, got[scope])
		}
	}
}

type tokens struct{ err error }

func (i tokens) Issue(_ context.Context, key elastix.Key) (string, error) {
	return "token-of-" + key.Name, i.err
}

type manager struct{ err error }

func (m manager) Account(context.Context) (user, secret string, err error) {
	return "admin", "amp111", m.err
}

func TestAuth(t *testing.T) {
	t.Parallel()
	word := func(text string) string {
		return `{"lordword":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`
	}
	ask := func(a elastix.API, scopes ...string) elastix.Answer {
		return api(a).Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=auth", Sent: true, Key: &elastix.Key{Name: "reports", Scopes: scopes}})
	}
	answer := ask(elastix.API{Tokens: tokens{}}, elastix.ScopeCDR)
	says(t, "a token", answer, 200, word("reports:token-of-reports"))
	if !answer.NoStore || answer.Audit != nil || answer.Cause != nil {
		t.Errorf("%+v", answer)
	}
	says(t, "a token, with the scope", ask(elastix.API{Tokens: tokens{}}, elastix.ScopeSecrets), 200, word("reports:token-of-reports"))
	says(t, "shown, without the scope", ask(elastix.API{Tokens: tokens{}, Manager: manager{}}, elastix.ScopeRead, elastix.ScopeWrite), 200, word("reports:token-of-reports"))
	says(t, "shown", ask(elastix.API{Tokens: tokens{}, Manager: manager{}}, elastix.ScopeSecrets), 200, word("admin:amp111"))
	says(t, "cannot be read", ask(elastix.API{Manager: manager{os.ErrPermission}}, elastix.ScopeSecrets), 502, away)
	says(t, "cannot be made", ask(elastix.API{Tokens: tokens{models.ErrUnavailable}}, elastix.ScopeCDR), 503, noDatabase)
	says(t, "nobody makes them", ask(elastix.API{}, elastix.ScopeCDR), 501, noCommand)
	says(t, "who may nothing", ask(elastix.API{Tokens: tokens{}, Manager: manager{}}), 403, forbidden)
	if shown := ask(elastix.API{Manager: manager{}}, elastix.ScopeSecrets); shown.Audit == nil || shown.Audit.Verb != "manager.read" || !shown.NoStore {
		t.Errorf("%+v", shown)
	}
}

// asterisk says what it was given.
type asterisk struct {
	peers     []pbx.SIPPeer
	noPeers   error // there is no chan_sip
	endpoints []pbx.Peer
	channels  []pbx.Channel
	status    pbx.Message
	lines     []string
	err       error // of everything
}

func (a *asterisk) hang(ctx context.Context) error {
	if errors.Is(a.err, context.DeadlineExceeded) {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.err
}

func (a *asterisk) CoreShowChannels(ctx context.Context) ([]pbx.Channel, error) {
	return a.channels, a.hang(ctx)
}

func (a *asterisk) SIPPeers(ctx context.Context) ([]pbx.SIPPeer, error) {
	if a.noPeers != nil {
		return nil, a.noPeers
	}
	return a.peers, a.hang(ctx)
}

func (a *asterisk) Peers(ctx context.Context) ([]pbx.Peer, error) { return a.endpoints, a.hang(ctx) }

func (a *asterisk) Do(_ context.Context, action pbx.Action) (pbx.Message, error) {
	if a.status == nil {
		return nil, &pbx.RefusedError{Action: action.Name, Reason: "Permission denied"}
	}
	return a.status, nil
}

func (a *asterisk) Command(_ context.Context, command string) ([]string, error) {
	if a.lines == nil || command != "core show calls" {
		return nil, &pbx.RefusedError{Action: "Command", Reason: "Permission denied"}
	}
	return a.lines, nil
}

const (
	peer2001 = `{"Event":"PeerEntry","Channeltype":"SIP","ObjectName":"2001","ChanObjectType":"peer","IPaddress":"-none-","IPport":"0","Dynamic":"yes","AutoForcerport":"yes","Forcerport":"no","AutoComedia":"no","Comedia":"no","VideoSupport":"no","TextSupport":"no","ACL":"no","Status":"Unmonitored","RealtimeDevice":"no","Description":""}`
	peer2002 = `{"Event":"PeerEntry","Channeltype":"SIP","ObjectName":"2002","ChanObjectType":"peer","IPaddress":"2001:db8:: 7","IPport":"5180","Dynamic":"no","AutoForcerport":"","Forcerport":"","AutoComedia":"","Comedia":"","VideoSupport":"","TextSupport":"","ACL":"","Status":"OK (1 ms)","RealtimeDevice":"","Description":"a: b: <c>"}`
)

func TestSIPPeers(t *testing.T) {
	t.Parallel()
	sent2001 := pbx.SIPPeer{
		Channeltype: "SIP", ObjectName: "2001", ChanObjectType: "peer", IPaddress: "-none-", IPport: "0", Dynamic: "yes", AutoForcerport: "yes", Forcerport: "no",
		AutoComedia: "no", Comedia: "no", VideoSupport: "no", TextSupport: "no", ACL: "no", Status: "Unmonitored", RealtimeDevice: "no",
	}
	sent2002 := pbx.SIPPeer{Channeltype: "SIP", ObjectName: "2002", ChanObjectType: "peer", IPaddress: "2001:db8:: 7", IPport: "5180", Dynamic: "no", Status: "OK (1 ms)", Description: "a: b: <c>"}
	refused := &pbx.RefusedError{Action: "SIPpeers", Reason: "Permission denied"}
	unsupported := fmt.Errorf("%w (%w)", &pbx.RefusedError{Action: "SIPpeers", Reason: "Invalid/unknown command"}, errors.ErrUnsupported)
	endpoints := []pbx.Peer{{Name: "1001", Status: "Reachable", Host: "2001:db8::1", Port: 5061, RoundTrip: 21 * time.Millisecond}, {Name: "1002"}}
	const first = `{"Event":"PeerEntry","Channeltype":"PJSIP","ObjectName":"1001","ChanObjectType":"peer","IPaddress":"2001:db8::1","IPport":"5061","Dynamic":"yes","AutoForcerport":"no","Forcerport":"no","AutoComedia":"no","Comedia":"no","VideoSupport":"no","TextSupport":"no","ACL":"no","Status":"OK (21 ms)","RealtimeDevice":"no","Description":""}`
	second := strings.NewReplacer("1001", "1002", "2001:db8::1", "-none-", "5061", "0", "OK (21 ms)", "UNKNOWN").Replace(first)
	for _, tt := range []struct {
		name   string
		a      elastix.API
		status int
		body   string
	}{
		{"none", elastix.API{Asterisk: &asterisk{}}, 200, `[]`},
		{"one", elastix.API{Asterisk: &asterisk{peers: []pbx.SIPPeer{sent2001}, endpoints: endpoints}}, 200, `[` + peer2001 + `]`},
		{"in Asterisk's order", elastix.API{Asterisk: &asterisk{peers: []pbx.SIPPeer{sent2002, sent2001}}}, 200, `[` + peer2002 + `,` + peer2001 + `]`},
		{"many", elastix.API{Asterisk: &asterisk{peers: slices.Repeat([]pbx.SIPPeer{sent2001}, 2000)}}, 200, "[" + strings.TrimSuffix(strings.Repeat(peer2001+",", 2000), ",") + "]"},
		{"refused", elastix.API{Asterisk: &asterisk{noPeers: refused, endpoints: endpoints}}, 502, away},
		{"endpoints", elastix.API{Asterisk: &asterisk{noPeers: unsupported, endpoints: endpoints}}, 200, `[` + first + `,` + second + `]`},
		{"no endpoints", elastix.API{Asterisk: &asterisk{noPeers: unsupported}}, 200, `[]`},
		{"endpoints not wanted", elastix.API{NoPJSIPPeers: true, Asterisk: &asterisk{noPeers: unsupported, endpoints: endpoints}}, 502, away},
		{"neither", elastix.API{Asterisk: &asterisk{noPeers: unsupported, err: unsupported}}, 502, away},
		{"away", elastix.API{Asterisk: &asterisk{err: pbx.ErrAway}}, 502, away},
		{"hangs", elastix.API{Asterisk: &asterisk{err: context.DeadlineExceeded}, Patience: time.Millisecond}, 502, away},
	} {
		answer := post(t, tt.a, "sippeers", "")
		says(t, tt.name, answer, tt.status, tt.body)
		if (answer.Cause == nil) != (answer.Status == 200) {
			t.Errorf("%s: the log says %v", tt.name, answer.Cause)
		}
	}
}

// TestActiveCallHides: PINs, and codes of vouchers, are arguments too; where a call goes everybody may see who may see calls.
func TestActiveCallHides(t *testing.T) {
	t.Parallel()
	const code = "agi://127.0.0.1/redeem,4711-0815"
	all := []pbx.Channel{{Name: "PJSIP/1-1", Application: "AGI", ApplicationData: code}, {Name: "PJSIP/1-2", Application: "Authenticate", ApplicationData: code}, {Name: "PJSIP/1-3", Application: "Dial", ApplicationData: "SIP/207,,tr"}, {Name: "PJSIP/1-4", Application: "AGI"}}
	for _, tt := range []struct {
		key  *elastix.Key
		want string
	}{{&elastix.Key{Name: "r", Scopes: []string{elastix.ScopeRead}}, "********|********|SIP/207,,tr|"}, {everything, code + "|" + code + "|SIP/207,,tr|"}} {
		a := elastix.API{Asterisk: &asterisk{channels: all}}
		answer := a.Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=activecall", Sent: true, Key: tt.key})
		var shown []any
		if err := json.Unmarshal(answer.Body, &shown); err != nil {
			t.Fatal(err)
		}
		var data []string
		for _, one := range shown[:len(all)] {
			data = append(data, fmt.Sprint(one.(map[string]any)["Data"]))
		}
		if got := strings.Join(data, "|"); got != tt.want {
			t.Errorf("%v sees %s, want %s", tt.key.Scopes, got, tt.want)
		}
	}
}

func TestActiveCall(t *testing.T) {
	t.Parallel()
	status := pbx.Message{{Key: "CoreProcessedCalls", Value: "905"}}
	caller := pbx.Channel{
		Name: "SIP/204-0000001a", Context: "macro-dial-one", Exten: "s", Priority: 43, StateDesc: "Up", Application: "Dial", ApplicationData: "SIP/207,,tr",
		CallerIDNum: "204", Duration: 69 * time.Second, LinkedID: "1.1", BridgeID: "b1",
	}
	callee := pbx.Channel{
		Name: "SIP/207-0000001b", Context: "from-internal", Priority: 1, StateDesc: "Up", Application: "AppDial", ApplicationData: "(Outgoing Line)",
		CallerIDNum: "207", Duration: 61 * time.Second, LinkedID: "1.1", BridgeID: "b1", AccountCode: "acc",
	}
	third := pbx.Channel{Name: "Local/204@from-queue-00000001;2", Context: "c", Exten: "1", Priority: 2, StateDesc: "Dialing Offhook", Duration: 100*time.Hour + 3599*time.Second, LinkedID: "1.7", BridgeID: "b1"}
	ringing := pbx.Channel{Name: "SIP/208-1", Context: "c", Exten: `a"\<b>`, Priority: 1, StateDesc: "Ringing", LinkedID: "1.9"}
	const (
		first  = `{"Channel":"SIP/204-0000001a","Context":"macro-dial-one","Extension":"s","Prio":"43","State":"Up","Application":"Dial","Data":"SIP/207,,tr","CallerID":"204","Duration":"00:01:09","Accountcode":"","PeerAccount":"","BridgedTo":"SIP/207-0000001b"}`
		second = `{"Channel":"SIP/207-0000001b","Context":"from-internal","Extension":"","Prio":"1","State":"Up","Application":"AppDial","Data":"(Outgoing Line)","CallerID":"207","Duration":"00:01:01","Accountcode":"acc","PeerAccount":"","BridgedTo":"SIP/204-0000001a"}`
		last   = `{"Channel":"Local/204@from-queue-00000001;2","Context":"c","Extension":"1","Prio":"2","State":"Unknown","Application":"","Data":"","CallerID":"","Duration":"100:59:59","Accountcode":"","PeerAccount":"","BridgedTo":"SIP/204-0000001a"}`
		rings  = `{"Channel":"SIP/208-1","Context":"c","Extension":"a\"\\<b>","Prio":"1","State":"Ringing","Application":"","Data":"","CallerID":"","Duration":"00:00:00","Accountcode":"","PeerAccount":"","BridgedTo":"(None)"}`
	)
	for _, tt := range []struct {
		name   string
		a      asterisk
		body   string
		silent bool // nobody knows how many calls there were
	}{
		{"idle", asterisk{status: status}, `["0 active channels","0 active calls","905 calls processed"]`, false},
		{"bridged", asterisk{status: status, channels: []pbx.Channel{caller, callee}}, `[` + first + `,` + second + `,"2 active channels","1 active call","905 calls processed"]`, false},
		{"a bridge of three", asterisk{status: status, channels: []pbx.Channel{caller, callee, third}}, `[` + first + `,` + second + `,` + last + `,"3 active channels","2 active calls","905 calls processed"]`, false},
		{"ringing, the first call", asterisk{status: pbx.Message{{Key: "CoreProcessedCalls", Value: "1"}}, channels: []pbx.Channel{ringing}}, `[` + rings + `,"1 active channel","1 active call","1 call processed"]`, false},
		{"an old Asterisk", asterisk{status: pbx.Message{}, lines: []string{"0 active calls", "12 calls processed"}}, `["0 active channels","0 active calls","12 calls processed"]`, false},
		{"no right to the status", asterisk{lines: []string{"1 active call", "1 call processed"}}, `["0 active channels","0 active calls","1 call processed"]`, false},
		{"no right to either", asterisk{}, `["0 active channels","0 active calls","0 calls processed"]`, true},
		{"it does not say", asterisk{lines: []string{"nothing"}}, `["0 active channels","0 active calls","0 calls processed"]`, true},
	} {
		answer := post(t, elastix.API{Asterisk: &tt.a}, "activecall", "")
		says(t, tt.name, answer, 200, tt.body)
		if (answer.Cause != nil) != tt.silent {
			t.Errorf("%s: the log says %v", tt.name, answer.Cause)
		}
	}
	for _, state := range []string{"Down", "Rsrvd", "OffHook", "Dialing", "Ring", "Ringing", "Up", "Busy", "Unknown"} {
		ringing.StateDesc = state
		says(t, state, post(t, elastix.API{Asterisk: &asterisk{status: status, channels: []pbx.Channel{ringing}}}, "activecall", ""), 200,
			`[`+strings.Replace(rings, "Ringing", state, 1)+`,"1 active channel","1 active call","905 calls processed"]`)
	}
	says(t, "away", post(t, elastix.API{Asterisk: &asterisk{err: pbx.ErrAway}}, "activecall", ""), 502, away)
	says(t, "hangs", post(t, elastix.API{Asterisk: &asterisk{err: context.DeadlineExceeded}, Patience: time.Millisecond}, "activecall", ""), 502, away)
}

// FuzzParameters: whatever is sent, there is an answer in JSON or one of the plain texts, and a query that Go's own parser takes means the
// same to both, but that of several values the last one counts.
func FuzzParameters(f *testing.F) {
	f.Add("cmd=cdrreport&limit=5", "limit=6&field_name=src&field_pattern=%25_")
	f.Add("cmd=cdrreport;x=1&field_pattern=a;b&field_name=dst", "")
	f.Add("cmd=cdrreport&limit=%zz", "%zz=1&=&&a")
	f.Add("cmd=addextension", "account=204&name=Nora&secret=%00")
	f.Add("cmd=getwavfile&name=%ff%00..%2f", "")
	f.Add("cmd=getfollowmeextension", "grpnum=204")
	f.Fuzz(func(t *testing.T, query, form string) {
		table := &cdrs{}
		a := api(elastix.API{CDRs: table, Recordings: pbx.NewRecordings("/nowhere/at/all"), Asterisk: &asterisk{}, Extensions: &backend{}})
		answer := a.Do(t.Context(), elastix.Request{Method: "POST", Query: query, Form: form, Sent: true, Key: everything})
		texts := []string{"test", "cmd not matched"}
		if answer.Type == "application/json" && !json.Valid(answer.Body) || answer.Type != "application/json" && !slices.Contains(texts, string(answer.Body)) || answer.Status >= 502 {
			t.Errorf("%d %s %q", answer.Status, answer.Type, answer.Body)
		}
		values, err := url.ParseQuery(form)
		if err != nil || len(values["field_pattern"]) == 0 || values.Has("") || answer.Status != 200 || table.asked.Column == "" {
			return
		}
		if list := values["field_pattern"]; table.asked.Contains != list[len(list)-1] {
			t.Errorf("%q is searched for, not %q", table.asked.Contains, list)
		}
	})
}
