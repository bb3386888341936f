package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/livecalls"
	"talktime/models"
	ami "talktime/pbx"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

// liveAsterisk is an Asterisk with channels and a queue. It carries orders out, or answers with an error.
type liveAsterisk struct {
	mu       sync.Mutex
	channels []ami.Channel
	members  []ami.QueueMember
	answered string // TALKTIME_ANSWERED of all channels
	away     bool
	err      error // of every order
	orders   []string
	answers  chan struct{} // closed when telephones are answered; nil: at once
	now      time.Time     // each time somebody looks a second has passed; zero: the clock
}

func (x *liveAsterisk) clock() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now.IsZero() {
		return time.Now()
	}
	x.now = x.now.Add(time.Second)
	return x.now
}

func (x *liveAsterisk) change(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
}

func (x *liveAsterisk) CoreShowChannels(context.Context) ([]ami.Channel, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.away {
		return nil, fmt.Errorf("%w: 127.0.0.1:5038 refused", ami.ErrAway)
	}
	return slices.Clone(x.channels), nil
}

func (x *liveAsterisk) Do(context.Context, ami.Action) (ami.Message, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return ami.Message{{Key: "Value", Value: x.answered}}, nil
}

func (x *liveAsterisk) Subscribe(int, ...string) *ami.Subscription { return nil }

func (x *liveAsterisk) order(text string, args ...any) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.orders = append(x.orders, fmt.Sprintf(text, args...))
	return x.err
}

func (x *liveAsterisk) last() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.orders) == 0 {
		return ""
	}
	return x.orders[len(x.orders)-1]
}

func (x *liveAsterisk) Hangup(_ context.Context, channel string, cause int) error {
	err := x.order("hangup %s %d", channel, cause)
	if err == nil {
		x.change(func() {
			x.channels = slices.DeleteFunc(x.channels, func(c ami.Channel) bool { return c.Name == channel || c.UniqueID == channel })
		})
	}
	return err
}

func (x *liveAsterisk) Redirect(_ context.Context, channel, dialplan, exten string, priority int) error {
	return x.order("redirect %s %s %s %d", channel, dialplan, exten, priority)
}

func (x *liveAsterisk) Originate(ctx context.Context, o ami.Originate) error {
	if err := x.OriginateAsync(ctx, o); err != nil || x.answers == nil {
		return err
	}
	<-x.answers
	return nil
}

func (x *liveAsterisk) OriginateAsync(_ context.Context, o ami.Originate) error {
	id, _, _ := strings.Cut(o.ChannelID, "-")
	return x.order("originate %s %s %s@%s %q %q %s %v", id, o.Channel, o.Exten, o.Context, o.Number, o.Account, o.Ring, o.Variables)
}

func (x *liveAsterisk) QueueStatus(context.Context) ([]ami.QueueState, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.away {
		return nil, ami.ErrAway
	}
	return []ami.QueueState{{Name: "sales", Members: slices.Clone(x.members)}}, nil
}

func (x *liveAsterisk) QueueAdd(_ context.Context, queue string, m ami.NewMember) error {
	err := x.order("add %s %+v", queue, m)
	if err == nil {
		x.change(func() {
			x.members = append(x.members, ami.QueueMember{Name: m.Name, Interface: m.Interface, Membership: "dynamic", Penalty: m.Penalty, Paused: m.Paused})
		})
	}
	return err
}

func (x *liveAsterisk) QueueRemove(_ context.Context, queue, member string) error {
	return x.order("remove %s %s", queue, member)
}

func (x *liveAsterisk) QueuePause(_ context.Context, queue, member string, paused bool, reason string) error {
	err := x.order("pause %s %s %t %q", queue, member, paused, reason)
	if err == nil {
		x.change(func() { x.members[0].Paused, x.members[0].PausedReason = paused, reason })
	}
	return err
}

func (x *liveAsterisk) Peers(context.Context) ([]ami.Peer, error) {
	return []ami.Peer{{Name: "204", State: "Not in use", Status: "Reachable", Host: "192.0.2.17", Port: 5060, RoundTrip: 21 * time.Millisecond, UserAgent: "Phone", Contacts: 1}}, x.order("peers")
}

func (x *liveAsterisk) SIPPeers(context.Context) ([]ami.SIPPeer, error) {
	if err := x.order("sippeers"); err != nil {
		return nil, err
	}
	return []ami.SIPPeer{{ObjectName: "trunk", IPaddress: "-none-", IPport: "0", Status: "UNKNOWN"}}, nil
}

const (
	plainName = "PJSIP/204-000000bf"
	localName = "Local/204@ctx-0001;2"
)

// liveAsteriskSite has an Asterisk, where marta talks to somebody since 30 seconds, and a channel of nobody.
func liveAsteriskSite(t *testing.T) (*site, *liveAsterisk) {
	t.Helper()
	begun := time.Now().Add(-30 * time.Second).Truncate(time.Second)
	x := &liveAsterisk{
		answered: fmt.Sprintf("%d.25", begun.Unix()),
		channels: []ami.Channel{
			{Name: plainName, State: 6, StateDesc: "Up", CallerIDNum: "555000204", ConnectedLineNum: "4930123", UniqueID: "1.1", LinkedID: "1.1", BridgeID: "B", Exten: "4930123", Context: "from-phones", Priority: 4, Application: "Dial", Duration: 31 * time.Second},
			{Name: "PJSIP/carrier-000000c0", State: 6, StateDesc: "Up", CallerIDNum: "4930123", UniqueID: "1.2", LinkedID: "1.1", BridgeID: "B"},
			{Name: localName, State: 5, StateDesc: "Ringing", CallerIDNum: "204", UniqueID: "1.3", LinkedID: "1.3"},
		},
		members: []ami.QueueMember{{Name: "Iva Moss", Interface: "PJSIP/204", Membership: "static", Status: ami.DeviceInUse, Penalty: 1, LastCall: begun}},
	}
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		d.PBX = x.orderedBy(d.Users.(*store.Store))
	})
	s.marta()
	s.call("127.0.0.1/1.1", "555000204", "4930123", -1)
	if _, err := s.database.SQL(t).Exec("UPDATE calls SET authorized_at = ?", begun.Add(-time.Second).UTC().Format("2006-01-02 15:04:05.000000")); err != nil {
		t.Fatal(err)
	}
	return s, x
}

// orderedBy is what the API may do with it, beside a trunk south.
func (x *liveAsterisk) orderedBy(db *store.Store) *adminapi.PBX {
	return &adminapi.PBX{
		Log: db, Switch: x, Live: livecalls.New(livecalls.Options{Asterisk: x, Store: db, Now: x.clock}),
		Contexts: []string{"from-internal", "from-queue"}, Trunks: &memoryTrunks{kept: map[string]extension.Trunk{"south": {Name: "south"}}},
	}
}

// tells fails the test unless the answer has a status, and a text in it.
func (a answer) tells(status int, text string) {
	a.t.Helper()
	if a.is(status); !strings.Contains(a.body, text) {
		a.t.Errorf("%s: %s has no %s", a.what, a.body, text)
	}
}

// audited is the newest line of the audit log of an action; "" without one.
func (s *site) audited(action string) string {
	s.t.Helper()
	for _, line := range s.admin.get("/api/audit").is(http.StatusOK).objects() {
		if line["action"] == action {
			text, err := json.Marshal(line)
			if err != nil {
				s.t.Fatal(err)
			}
			return string(text)
		}
	}
	return ""
}

// TestLiveChannels: the list is what Asterisk has, with the money of marta's call on both of its channels.
func TestLiveChannels(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	all := s.admin.get("/api/pbx/channels").is(http.StatusOK).objects()
	var names []string
	for _, c := range all {
		names = append(names, c["channel"].(string))
	}
	if got := strings.Join(names, " "); got != plainName+" PJSIP/carrier-000000c0 "+localName {
		t.Fatalf("channels %s", got)
	}
	call := all[0]["call"].(map[string]any)
	if user := call["user"].(map[string]any); user["username"] != "marta" || all[0]["role"] != "caller" || all[1]["role"] != "callee" || all[2]["role"] != nil || all[2]["call"] != nil {
		t.Errorf("%v", all)
	}
	talked := call["talked_seconds"].(float64)
	if talked < 29 || talked > 60 || call["cost_so_far"] != fmt.Sprint(talked) || call["seconds_left"] != 180-talked || call["answered_exact"] != false || call["currency"] != "SEC" {
		t.Errorf("talked %v, cost %v, left %v: %v", talked, call["cost_so_far"], call["seconds_left"], call)
	}
	for query, want := range map[string]int{"?user=marta": 2, "?user=joel": 0, "?state=up": 2, "?state=Ringing": 1, "?number=4930": 2, "?user=marta&state=Ringing": 0, "?results_per_page=2": 2, "?results_per_page=2&page=2": 1} {
		if got := len(s.admin.get("/api/pbx/channels" + query).is(http.StatusOK).objects()); got != want {
			t.Errorf("%s: %d channels, want %d", query, got, want)
		}
	}
	s.admin.get("/api/pbx/channels?q=x").is(http.StatusBadRequest)
	// Names of channels have slashes in them.
	for _, path := range []string{"PJSIP%2F204-000000bf", "1.1"} {
		if got := s.admin.get("/api/pbx/channels/" + path).is(http.StatusOK).object()["channel"]; got != plainName {
			t.Errorf("%s is %v", path, got)
		}
	}
	for _, path := range []string{"Local%2F204@ctx-0001;2", "Local%2F204%40ctx-0001%3B2", "1.3"} {
		if got := s.admin.get("/api/pbx/channels/" + path).is(http.StatusOK).object()["channel"]; got != localName {
			t.Errorf("%s is %v", path, got)
		}
	}
	s.admin.get("/api/pbx/channels/PJSIP%2Fnobody").is(http.StatusNotFound)

	var calls struct {
		Asterisk bool
		Why      *string
		Calls    []map[string]any
		Stuck    []map[string]any `json:"holds_without_channel"`
	}
	s.admin.get("/api/pbx/calls").is(http.StatusOK).into(&calls)
	if !calls.Asterisk || len(calls.Calls) != 1 || calls.Calls[0]["caller_channel"] != plainName || calls.Calls[0]["callee_channel"] != "PJSIP/carrier-000000c0" {
		t.Errorf("%+v", calls)
	}
	look := func() {
		t.Helper()
		s.deps.PBX.Live.Forget()
		s.admin.get("/api/pbx/calls").is(http.StatusOK).into(&calls)
	}
	x.change(func() { x.channels, x.now = nil, time.Now() })
	if look(); len(calls.Calls) != 1 || calls.Calls[0]["caller_channel"] != nil || len(calls.Stuck) != 0 {
		t.Errorf("at once without its channel: %+v", calls)
	}
	for range 5 {
		look()
	}
	if len(calls.Calls) != 0 || len(calls.Stuck) != 1 {
		t.Errorf("without its channel: %+v", calls)
	}
	x.change(func() { x.away = true })
	if look(); calls.Asterisk || *calls.Why != "the manager interface of Asterisk is away" || len(calls.Calls) != 1 || calls.Calls[0]["cost_so_far"] != nil {
		t.Errorf("without Asterisk: %+v", calls)
	}
	s.admin.get("/api/pbx/channels").is(http.StatusBadGateway)
	s.admin.delete("/api/pbx/channels/1.1").is(http.StatusBadGateway)
}

// TestLiveOrders: each order reaches Asterisk as it was meant, and stands in the audit log.
func TestLiveOrders(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	post, del := s.admin.post, s.admin.delete
	for _, tt := range []struct {
		name   string
		do     func() answer
		status int
		order  string
		action string // in the audit log
		log    string // in that line
	}{
		{"redirect", func() answer {
			return post("/api/pbx/channels/Local%2F204@ctx-0001;2/redirect", `{"context":"from-queue","exten":"600"}`)
		}, http.StatusNoContent, "redirect 1.3 from-queue 600 1", "channel.redirect", `"exten":"600"`},
		{
			"redirect who pays", func() answer { return post("/api/pbx/channels/1.1/redirect", `{"exten":"600"}`) },
			http.StatusNoContent, "redirect 1.1 from-internal 600 1", "channel.redirect", `"context":"from-internal"`,
		},
		{"hang up", func() answer { return del("/api/pbx/channels/PJSIP%2F204-000000bf?cause=102") }, http.StatusNoContent, "hangup 1.1 102", "channel.hangup", `"user":"marta"`},
		{"hang up what is gone", func() answer { return del("/api/pbx/channels/PJSIP%2F204-000000bf") }, http.StatusNotFound, "", "", ""},
		{"click to call", func() answer {
			return post("/api/pbx/originate", `{"extension":"204","exten":"4930123","account":"acc42","variables":{"CTC":"yes"}}`)
		}, http.StatusAccepted, `originate talktime PJSIP/204 4930123@from-internal "204" "acc42" 30s [{CTC yes}]`, "call.originate", `"CTC":"yes"`},
		{"click to call, and wait", func() answer {
			return post("/api/pbx/originate", `{"channel":"PJSIP/desk_1.b-c","exten":"4930123","context":"from-queue","caller_id":"99","timeout_seconds":5,"wait":true}`)
		}, http.StatusOK, `originate talktime PJSIP/desk_1.b-c 4930123@from-queue "99" "" 5s []`, "call.originate", `"wait":true`},
		{"add", func() answer {
			return post("/api/pbx/queues/sales/members", `{"interface":"Local/205@from-queue/n","name":"Jo","penalty":3,"paused":true}`)
		}, http.StatusCreated, "add sales {Interface:Local/205@from-queue/n Name:Jo StateInterface: Penalty:3 Paused:true}", "member.add", `Local/205@from-queue/n`},
		{"pause", func() answer {
			return s.admin.patch("/api/pbx/queues/sales/members/PJSIP%2F204", `{"paused":true,"reason":"lunch"}`)
		}, http.StatusOK, `pause sales PJSIP/204 true "lunch"`, "member.pause", `"paused":false`},
		{"remove", func() answer { return del("/api/pbx/queues/sales/members/Local%2F205@from-queue%2Fn") }, http.StatusNoContent, "remove sales Local/205@from-queue/n", "member.remove", `"penalty":3`},
		{"of no queue", func() answer { return s.admin.get("/api/pbx/queues/nothing/members") }, http.StatusNotFound, "", "", ""},
		{"no member", func() answer { return del("/api/pbx/queues/sales/members/PJSIP%2F999") }, http.StatusNotFound, "", "", ""},
	} {
		x.change(func() { x.orders = nil })
		a := tt.do().is(tt.status)
		if got := x.last(); got != tt.order {
			t.Errorf("%s: Asterisk was told %q, want %q", tt.name, got, tt.order)
		}
		if tt.action != "" {
			if line := s.audited(tt.action); !strings.Contains(line, tt.log) || !strings.Contains(line, `"actor":"admin"`) {
				t.Errorf("%s: the audit log says %s", tt.name, line)
			}
		}
		if tt.name == "click to call, and wait" && !strings.Contains(a.body, `"answered":true`) {
			t.Errorf("%s", a.body)
		}
	}
	members := s.admin.get("/api/pbx/queues/sales/members").is(http.StatusOK).objects()
	if len(members) != 2 || members[0]["paused"] != true || members[0]["status"] != "in use" || members[1]["name"] != "Jo" {
		t.Errorf("%v", members)
	}
	peers := s.admin.get("/api/pbx/peers").is(http.StatusOK).objects()
	if len(peers) != 2 || peers[0]["round_trip_ms"] != 21.0 || peers[1]["technology"] != "SIP" || peers[1]["host"] != "" {
		t.Errorf("%v", peers)
	}
}

// TestLiveOrdersFail: what Asterisk refuses, and what became of nobody knows, is told apart.
func TestLiveOrdersFail(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	refusedBy := func(words string, kind error) error {
		return fmt.Errorf("%w (%w)", &ami.RefusedError{Action: "Order", Reason: words}, kind)
	}
	orders := map[string]func() answer{
		"channel.hangup":   func() answer { return s.admin.delete("/api/pbx/channels/1.1") },
		"channel.redirect": func() answer { return s.admin.post("/api/pbx/channels/1.1/redirect", `{"exten":"1"}`) },
		"call.originate": func() answer {
			return s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"1"}`)
		},
		"member.add": func() answer { return s.admin.post("/api/pbx/queues/sales/members", `{"interface":"PJSIP/205"}`) },
		"member.pause": func() answer {
			return s.admin.patch("/api/pbx/queues/sales/members/PJSIP%2F204", `{"paused":true}`)
		},
		"member.remove": func() answer { return s.admin.delete("/api/pbx/queues/sales/members/PJSIP%2F204") },
	}
	for _, tt := range []struct {
		err    error
		status int
		says   string
	}{
		{refusedBy("No such thing", models.ErrNotFound), http.StatusNotFound, ""},
		{refusedBy("not now", models.ErrConflict), http.StatusConflict, "Asterisk refused: not now"},
		{&ami.RefusedError{Action: "Order", Reason: "Permission denied"}, http.StatusBadGateway, "Asterisk refused Order: Permission denied; it wants more rights"},
		{ami.ErrAway, http.StatusBadGateway, "nothing was done"},
		{fmt.Errorf(`"a b" cannot be a channel: %w`, models.ErrInvalid), http.StatusBadRequest, "cannot be a channel"},
		{fmt.Errorf("%w: Hangup: %w", ami.ErrUncertain, ami.ErrAway), http.StatusServiceUnavailable, "may have been done or not"},
	} {
		x.change(func() { x.err = tt.err })
		for action, order := range orders {
			a := order().is(tt.status)
			if !strings.Contains(a.body, tt.says) {
				t.Errorf("%s, %v: %s", action, tt.err, a.body)
			}
			if line := s.audited(action); (line != "") != errors.Is(tt.err, ami.ErrUncertain) || line != "" && !strings.Contains(line, "uncertain") {
				t.Errorf("%s, %v: the audit log says %s", action, tt.err, line)
			}
		}
	}
	x.change(func() { x.err = &ami.UnansweredError{Reason: 5} })
	s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"1","wait":true}`).tells(http.StatusOK, "the telephone is busy")
	x.change(func() { x.err = errors.ErrUnsupported }) // neither PJSIP nor chan_sip
	s.admin.get("/api/pbx/peers").is(http.StatusOK)
}

// TestLiveOrdersBounds: what cannot be meant does not reach Asterisk.
func TestLiveOrdersBounds(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.orders = nil })
	for _, body := range []string{
		`{}`, `[]`, `{"extension":"204"}`, `{"exten":"1"}`, `{"channel":"PJSIP/1","extension":"1","exten":"1"}`,
		`{"extension":"2 04","exten":"1"}`, `{"extension":"204/../x","exten":"1"}`, `{"extension":"204","exten":"1","timeout_seconds":0}`,
		`{"extension":"204","exten":"1","timeout_seconds":500}`, `{"extension":"204","exten":"1","wait":"perhaps"}`, `{"extension":"204","exten":"1","speed":1}`,
		`{"extension":"204","exten":"1","variables":[]}`, `{"extension":"204","exten":"1","variables":{"A(b)":"1"}}`, `{"extension":"204","exten":"1","variables":{"A":"${SHELL(x)}"}}`,
		`{"extension":"204","exten":"1","variables":{"A":"x\r\nAction: Command"}}`, `{"extension":"204","exten":"1","variables":{"A":"x,B=1"}}`,
		`{"extension":"204","exten":"1","variables":{"__TALKTIME_ANSWERED":"1"}}`, `{"extension":"204","exten":"1","variables":{"AnsweredTime":"1"}}`,
	} {
		s.admin.post("/api/pbx/originate", body).is(http.StatusBadRequest)
	}
	for _, body := range []string{`{}`, `{"context":"from-queue"}`, `{"exten":"1","priority":1}`, `{"exten":"1","context":"a"}`, `{"exten":"1","context":""}`, `{"exten":"1","x":1}`} {
		s.admin.post("/api/pbx/channels/1.1/redirect", body).is(http.StatusBadRequest)
	}
	for _, cause := range []string{"0", "128", "x", "-1"} {
		s.admin.delete("/api/pbx/channels/1.1?cause=" + cause).is(http.StatusBadRequest)
	}
	s.admin.post("/api/pbx/queues/sales/members", `{"interface":"PJSIP/1","penalty":-1}`).is(http.StatusBadRequest)
	s.admin.patch("/api/pbx/queues/sales/members/PJSIP%2F204", `{"reason":"lunch"}`).is(http.StatusBadRequest)
	if got := x.last(); got != "" {
		t.Errorf("Asterisk was told %q", got)
	}
}

// TestLiveUnconfigured: without a manager interface the holds are shown, and everything else is said to be missing.
func TestLiveUnconfigured(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		d.PBX = &adminapi.PBX{Log: d.Users.(*store.Store), Live: livecalls.New(livecalls.Options{Store: d.Users.(*store.Store)})}
	})
	s.marta()
	s.call("127.0.0.1/1.1", "555000204", "4930123", -1)
	s.admin.get("/api/pbx/calls").tells(http.StatusOK, `"asterisk":false`)
	for _, path := range []string{"/api/pbx/channels", "/api/pbx/channels/1.1", "/api/pbx/peers", "/api/pbx/queues/sales/members"} {
		s.admin.get(path).is(http.StatusNotImplemented)
	}
	s.admin.delete("/api/pbx/channels/1.1").is(http.StatusNotImplemented)
	s.admin.post("/api/pbx/originate", `{}`).is(http.StatusNotImplemented)
	page := s.admin.get("/live").is(http.StatusOK).body
	if !strings.Contains(page, "no manager interface of Asterisk is set up") || !strings.Contains(page, "4930123") || strings.Contains(page, "Hang up") {
		t.Errorf("%s", page)
	}
}

// TestCallEvents: the calls come at the begin, when one changes, and every few seconds for what they cost.
func TestCallEvents(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.now = time.Now() })
	s.start(func(d *adminapi.Deps) {
		d.PBX = &adminapi.PBX{Log: s.store, Switch: x, Live: livecalls.New(livecalls.Options{Asterisk: x, Store: s.store, Now: x.clock})}
		d.Stop, d.Now = nil, x.clock
	})
	s.admin = s.login("admin")
	st := s.admin.streamOf(t, "/api/pbx/calls/events")
	st.shows(`"caller_channel":"`+plainName+`"`, "")
	st.shows(plainName, "") // after five seconds, for what it costs
	x.change(func() { x.channels = nil })
	for {
		picture, ok := st.next()
		if stuck := picture["holds_without_channel"].([]any); ok && len(stuck) == 1 && len(picture["calls"].([]any)) == 0 {
			break
		} else if !ok || len(stuck) != 0 {
			t.Fatalf("%v", picture)
		}
	}
	st.stop()
	s.joel()
	s.login("joel").get("/api/pbx/calls/events").is(http.StatusForbidden)
}

// TestLivePage: an operator sees the calls, is asked, and hangs one up.
func TestLivePage(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	page := s.admin.get("/live").is(http.StatusOK).body
	for _, want := range []string{`<a href="/users/marta">marta</a>`, "4930123", `href="/live/1.1/hangup"`, "talking", `aria-current="page">Live calls</a>`, "data-left="} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if part := s.admin.get("/live/now").is(http.StatusOK).body; strings.Contains(part, "<html") || !strings.Contains(part, "4930123") {
		t.Errorf("%s", part)
	}
	s.admin.get("/live/1.1/hangup").tells(http.StatusOK, "The call of marta to 4930123 is ended at once.")
	s.admin.get("/live/1.1/hangup").tells(http.StatusOK, `value="127.0.0.1/1.1"`)
	s.admin.form("/live/1.1/hangup", "").tells(http.StatusConflict, "no longer in the call that was shown")
	s.admin.form("/live/1.1/hangup", "call=127.0.0.1%2F1.7").is(http.StatusConflict)
	if got := x.last(); got != "" {
		t.Errorf("Asterisk was told %q", got)
	}
	s.admin.form("/live/1.1/hangup", "call=127.0.0.1%2F1.1").is(http.StatusSeeOther)
	if got := x.last(); got != "hangup 1.1 16" {
		t.Errorf("Asterisk was told %q", got)
	}
	s.admin.get("/live/1.1/hangup").is(http.StatusNotFound)
	marta := s.login("marta")
	for _, path := range []string{"/live", "/live/now", "/live/1.3/hangup"} {
		marta.get(path).is(http.StatusForbidden)
	}
	marta.form("/live/1.3/hangup", "").is(http.StatusForbidden)
	if strings.Contains(marta.get("/").body, "Live calls") {
		t.Error("she sees the entry of the menu")
	}
	x.change(func() { x.away = true })
	s.deps.PBX.Live.Forget()
	if page := s.admin.get("/live").is(http.StatusOK).body; !strings.Contains(page, "the manager interface of Asterisk is away") {
		t.Errorf("%s", page)
	}
}

// steadyAsterisk refuses what no Asterisk could be told, and carries everything else out without being another afterwards.
type steadyAsterisk struct {
	*liveAsterisk

	client *ami.Client // that is never connected
}

// unless it was refused before it could be sent, it was done.
func steady(err error) error {
	if errors.Is(err, ami.ErrAway) {
		return nil
	}
	return err
}

func (a steadyAsterisk) Hangup(ctx context.Context, channel string, cause int) error {
	return steady(a.client.Hangup(ctx, channel, cause))
}

func (a steadyAsterisk) Redirect(ctx context.Context, channel, dialplan, exten string, priority int) error {
	return steady(a.client.Redirect(ctx, channel, dialplan, exten, priority))
}

func (a steadyAsterisk) Originate(ctx context.Context, o ami.Originate) error {
	return steady(a.client.OriginateAsync(ctx, o))
}

func (a steadyAsterisk) OriginateAsync(ctx context.Context, o ami.Originate) error {
	return steady(a.client.OriginateAsync(ctx, o))
}

func (a steadyAsterisk) QueueAdd(ctx context.Context, queue string, m ami.NewMember) error {
	return steady(a.client.QueueAdd(ctx, queue, m))
}

func (a steadyAsterisk) QueueRemove(ctx context.Context, queue, member string) error {
	return steady(a.client.QueueRemove(ctx, queue, member))
}

func (a steadyAsterisk) QueuePause(ctx context.Context, queue, member string, paused bool, reason string) error {
	return steady(a.client.QueuePause(ctx, queue, member, paused, reason))
}

// withSteadyAsterisk has a channel 1795211573.187, and a queue sales with the member PJSIP/204.
func withSteadyAsterisk(t testing.TB) func(*adminapi.Deps) {
	t.Helper()
	client, err := ami.Open(ami.AMI{Addr: "127.0.0.1:1", User: "u", Secret: "s"}, ami.Options{Dial: func(context.Context) (net.Conn, error) { return nil, ami.ErrAway }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	a := steadyAsterisk{client: client, liveAsterisk: &liveAsterisk{
		channels: []ami.Channel{{Name: plainName, State: 6, StateDesc: "Up", CallerIDNum: "555000204", UniqueID: "1795211573.187", LinkedID: "1795211573.187"}},
		members:  []ami.QueueMember{{Name: "Iva Moss", Interface: "PJSIP/204", Membership: "dynamic", Status: ami.DeviceInUse}},
	}}
	return func(d *adminapi.Deps) {
		d.PBX.Contexts = []string{"from-internal"}
		d.PBX.Switch, d.PBX.Live = a, livecalls.New(livecalls.Options{Asterisk: a, Store: d.Users.(*store.Store)})
	}
}
