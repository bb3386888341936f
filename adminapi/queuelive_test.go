package adminapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/adminapi"
	ami "talktime/pbx"
	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/store/storetest"
)

// telephones is an Asterisk with two queues, and what its log says of today. Each time that somebody looks three seconds have passed.
type telephones struct {
	mu    sync.Mutex
	at    time.Time
	away  bool
	asked int
	waits []ami.QueueEntry // in sales
	iva   ami.QueueMember
}

func (p *telephones) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = p.at.Add(3 * time.Second)
	for i := range p.waits {
		p.waits[i].Wait += 3 * time.Second
	}
	return p.at
}

func (p *telephones) change(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *telephones) Snapshot(context.Context) (ami.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.away {
		return ami.Snapshot{}, &ami.StaleError{LastGood: time.Date(2027, 6, 9, 11, 59, 0, 0, time.UTC), Err: ami.ErrAway}
	}
	return ami.Snapshot{At: p.at, Queues: []ami.QueueState{
		{Name: "sales", Entries: slices.Clone(p.waits), Members: []ami.QueueMember{p.iva, {Name: "PJSIP/205", Interface: "PJSIP/205", Status: ami.DeviceUnavailable}}},
		{Name: "support", Members: []ami.QueueMember{{Name: "PJSIP/205", Interface: "PJSIP/205", Status: ami.DeviceUnavailable, Paused: true, PausedReason: "lunch"}}},
	}}, nil
}

func (p *telephones) Names(context.Context, reports.Scope) (ofQueues, ofAgents []queues.Name, err error) {
	return []queues.Name{{ID: 1, Key: "sales", Shown: "Sales & more"}}, []queues.Name{{Agent: true, ID: 1, Key: "PJSIP/205", Shown: "Jo"}}, nil
}

func (p *telephones) TodayByAgent(context.Context) (map[string]map[string]queues.Facts, error) {
	return map[string]map[string]queues.Facts{"sales": {
		"Iva Moss": {Offered: 3, CompletedByAgent: 2, Talking: 1, Held: 30, Talked: 400}, queues.None: {Offered: 1, Abandoned: 1},
	}}, nil
}

// liveSite has telephones, where Iva Moss talks to somebody from sales.
func liveSite(t *testing.T, edit ...func(*adminapi.Deps)) (*site, *telephones) {
	t.Helper()
	p := &telephones{
		at: time.Date(2027, 6, 9, 12, 0, 0, 0, time.UTC), waits: []ami.QueueEntry{{Position: 1, UniqueID: "1.1", CallerIDNum: "5550177", CallerIDName: "<b>R. Lund", Wait: 14 * time.Second}},
		iva: ami.QueueMember{Name: "Iva Moss", Interface: "PJSIP/204", Status: ami.DeviceInUse, InCall: true, Penalty: 2},
	}
	s := newSite(t, storetest.SQLite(t), append([]func(*adminapi.Deps){func(d *adminapi.Deps) {
		d.LiveQueues = live.New(live.Options{Asterisk: p, Log: p, Location: time.UTC, Now: p.now})
		d.Manager = func() live.ManagerStats { return live.ManagerStats{} }
	}}, edit...)...)
	return s, p
}

// grant gives somebody queues and agents to see.
func (s *site) grant(name, queues, agents string) {
	s.t.Helper()
	s.admin.put("/api/users/"+name+"/grants", fmt.Sprintf(`{"queues":[%s],"agents":[%s],"accounts":[]}`, queues, agents)).is(http.StatusOK)
}

func TestLiveQueues(t *testing.T) {
	t.Parallel()
	s, p := liveSite(t)
	s.marta()
	s.joel()
	want := `{
		"at": "2027-06-09T12:00:03Z", "today_since": "2027-06-09T00:00:00Z", "live": true, "last_live_at": null, "why": null, "queues": [{
			"queue": "sales", "name": "Sales & more", "known": true,
			"now": {"waiting": 1, "longest_wait_seconds": 17, "agents": 1, "logged_off": 1, "with_penalty": 1, "busy": 1, "paused": 0},
			"today": {"answered": 3, "talking": 1, "unanswered": 1, "abandoned": 1, "abandon_rate": 25.00, "mean_wait_seconds": 10, "mean_talk_seconds": 200},
			"waiting": [{"position": 1, "number": "5550177", "name": "<b>R. Lund", "wait_seconds": 17, "call_id": "1.1"}],
			"agents": [
				{"agent": "Iva Moss", "name": "Iva Moss", "location": "PJSIP/204", "status": "busy", "penalty": 2, "paused": false, "pause_reason": "", "pause_seconds": 0,
					"last_call_seconds": null, "from_queue": "sales", "caller": "", "call_seconds": 0},
				{"agent": "PJSIP/205", "name": "Jo", "location": "PJSIP/205", "status": "unavailable", "penalty": 0, "paused": false, "pause_reason": "", "pause_seconds": 0,
					"last_call_seconds": null, "from_queue": "", "caller": "", "call_seconds": 0}
			]
		}, {
			"queue": "support", "name": "support", "known": true,
			"now": {"waiting": 0, "longest_wait_seconds": 0, "agents": 0, "logged_off": 1, "with_penalty": 0, "busy": 0, "paused": 0},
			"today": {"answered": 0, "talking": 0, "unanswered": 0, "abandoned": 0, "abandon_rate": null, "mean_wait_seconds": 0, "mean_talk_seconds": 0},
			"waiting": [],
			"agents": [{"agent": "PJSIP/205", "name": "Jo", "location": "PJSIP/205", "status": "unavailable", "penalty": 0, "paused": true, "pause_reason": "lunch", "pause_seconds": 0,
				"last_call_seconds": null, "from_queue": "", "caller": "", "call_seconds": 0}]
		}]}`
	var wanted, got any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	s.admin.get("/api/queues/live").is(http.StatusOK).into(&got)
	delete(got.(map[string]any), "at") // others have looked at the clock
	delete(wanted.(map[string]any), "at")
	for _, q := range got.(map[string]any)["queues"].([]any)[:1] {
		now, first := q.(map[string]any)["now"].(map[string]any), q.(map[string]any)["waiting"].([]any)[0].(map[string]any)
		if now["longest_wait_seconds"] != first["wait_seconds"] || first["wait_seconds"].(float64) < 17 {
			t.Errorf("the first waits %v seconds, the longest %v", first["wait_seconds"], now["longest_wait_seconds"])
		}
		now["longest_wait_seconds"], first["wait_seconds"] = 17.0, 17.0
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}

	marta := s.login("marta")
	names := func(c *client, path string) string {
		t.Helper()
		var picture struct{ Queues []struct{ Queue string } }
		c.get(path).is(http.StatusOK).into(&picture)
		var all []string
		for _, q := range picture.Queues {
			all = append(all, q.Queue)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ queues, agents, query, want string }{
		{`"sales"`, "", "", "sales"},
		{`"sales"`, "", "?queue=support", ""},
		{`"support"`, "", "", "support"},
		{"", `"Iva Moss"`, "", "sales"},
		{"", `"nobody"`, "", ""},
		{`"sales"`, "", "?queue=" + url.QueryEscape("Sales & more"), "sales"},
		{`"sales","support"`, "", "?queue=support,x", "support"},
		{`"sales","support"`, "", "?queue=support&queue=sales", "sales support"},
		{`"x"`, "", "", ""},
	} {
		s.grant("marta", c.queues, c.agents)
		if got := names(marta, "/api/queues/live"+c.query); got != c.want {
			t.Errorf("with the queues %s and agents %s %s she sees %q, want %q", c.queues, c.agents, c.query, got, c.want)
		}
	}
	s.grant("marta", `"support"`, "")
	if body := marta.get("/api/queues/live").body; strings.Contains(body, "Iva") || strings.Contains(body, "5550177") || strings.Contains(body, "ales") {
		t.Errorf("she sees what she was not granted: %s", body)
	}
	s.anonymous().get("/api/queues/live").is(http.StatusUnauthorized)
	joel := s.login("joel") // who was granted nothing
	joel.get("/api/queues/live").is(http.StatusForbidden)
	joel.get("/api/queues/live/events").is(http.StatusForbidden)

	p.change(func() { p.away = true })
	var away struct {
		Live bool      `json:"live"`
		Last time.Time `json:"last_live_at"`
		Why  string    `json:"why"`
	}
	s.admin.get("/api/queues/live").is(http.StatusOK).into(&away)
	if away.Live || away.Why != "the manager interface of Asterisk is away" || !away.Last.Equal(time.Date(2027, 6, 9, 11, 59, 0, 0, time.UTC)) {
		t.Errorf("without Asterisk: %+v", away)
	}
	if got := names(s.admin, "/api/queues/live"); got != "sales" {
		t.Errorf("without Asterisk there are the queues %s", got)
	}
}

// stream reads events as they come.
type stream struct {
	t        *testing.T
	response *http.Response
	in       *bufio.Reader
	stop     context.CancelFunc
}

func (c *client) stream(t *testing.T) *stream {
	t.Helper()
	return c.streamOf(t, "/api/queues/live/events")
}

func (c *client) streamOf(t *testing.T, path string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.site.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = c.header.Clone()
	request.Header.Set("Last-Event-Id", "nonsense; 7")
	if c.cookie != nil {
		request.AddCookie(c.cookie)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return &stream{t, response, bufio.NewReader(response.Body), cancel}
}

// next is the next picture; ok is false at the end of the stream.
func (s *stream) next() (picture map[string]any, ok bool) {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return nil, false
		}
		if data, is := strings.CutPrefix(line, "data: "); is {
			if err := json.Unmarshal([]byte(data), &picture); err != nil {
				s.t.Fatalf("%v: %s", err, data)
			}
			return picture, true
		}
	}
}

// shows fails the test unless the next picture has a text in it, as JSON writes it, and not another.
func (s *stream) shows(text, not string) {
	s.t.Helper()
	picture, ok := s.next()
	body, err := json.Marshal(picture)
	if err != nil {
		s.t.Fatal(err)
	}
	if !ok || !strings.Contains(string(body), text) || not != "" && strings.Contains(string(body), not) {
		s.t.Errorf("the next picture (%v) is %s, which should have %q and not %q", ok, body, text, not)
	}
}

// ends fails the test when there is another picture.
func (s *stream) ends() {
	s.t.Helper()
	if picture, ok := s.next(); ok {
		s.t.Errorf("the stream goes on with %v", picture)
	}
}

func running(d *adminapi.Deps) { d.Stop = nil }

// TestLiveEvents: the picture comes at the begin, and again when it has changed, which seconds that pass by do not do.
func TestLiveEvents(t *testing.T) {
	t.Parallel()
	s, p := liveSite(t, running)
	events := s.admin.stream(t)
	if kind := events.response.Header.Get("Content-Type"); events.response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%d %s", events.response.StatusCode, kind)
	}
	events.shows(`"busy":1`, "5550188")
	var begin, asked int
	p.change(func() { begin = p.asked })
	for asked < begin+2 { // pictures of which nothing is new but seconds
		p.now()
		time.Sleep(10 * time.Millisecond)
		p.change(func() { asked = p.asked })
	}
	p.change(func() { p.waits = append(p.waits, ami.QueueEntry{Position: 2, CallerIDNum: "5550188"}) })
	events.shows("5550188", "")
	p.change(func() { p.iva.Status, p.iva.InCall = ami.DeviceNotInUse, false })
	events.shows("not in use", `"busy":1`)
	p.change(func() { p.away = true })
	events.shows(`"live":false`, "5550177")
	p.change(func() { p.away = false })
	events.shows(`"live":true`, "")
	if m := s.admin.get("/metrics").metrics(); m["talktime_queue_streams"] != 1 {
		t.Errorf("the metrics count %v streams", m["talktime_queue_streams"])
	}
	s.admin.send(http.MethodHead, "/api/queues/live/events", "", "").is(http.StatusOK)
}

// TestLiveRights: what somebody may see no more, he is sent no more.
func TestLiveRights(t *testing.T) {
	t.Parallel()
	s, p := liveSite(t, running)
	s.marta()
	s.joel()
	s.grant("marta", `"sales","support"`, "")
	s.grant("joel", `"gone"`, "")
	marta, joel := s.login("marta"), s.login("joel")
	program, id := s.anonymous(), s.programToken("statistics")
	program.header.Set("Authorization", "Bearer "+id)
	events, others, ofProgram := marta.stream(t), joel.stream(t), program.stream(t)
	events.shows("5550177", "")
	others.shows(`"queues":[]`, "sales")
	ofProgram.shows("5550177", "")

	s.grant("marta", `"support"`, "")
	events.shows("support", "5550177")
	p.change(func() { p.waits = nil })
	ofProgram.shows("sales", "5550177")
	marta.get("/logout").is(http.StatusOK)
	events.ends()
	var tokens struct {
		Objects []struct {
			ID int64 `json:"id"`
		}
	}
	s.admin.get("/api/tokens").is(http.StatusOK).into(&tokens)
	for _, one := range tokens.Objects {
		s.admin.delete(fmt.Sprintf("/api/tokens/%d", one.ID)).is(http.StatusNoContent)
	}
	ofProgram.ends()
	s.grant("joel", "", "")
	others.ends()
}

// programToken makes a token.
func (s *site) programToken(scopes string) string {
	s.t.Helper()
	var made struct{ Token string }
	s.admin.post("/api/tokens", `{"name":"wall-board","scopes":["`+scopes+`"]}`).is(http.StatusCreated).into(&made)
	return made.Token
}

// TestLiveStreams: nobody has more than his share, and a server that stops keeps none.
func TestLiveStreams(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	s, _ := liveSite(t, func(d *adminapi.Deps) { d.Stop = stop })
	s.marta()
	s.grant("marta", `"sales"`, "")
	marta := s.login("marta")
	var all []*stream
	for range 8 {
		events := marta.stream(t)
		events.shows("sales", "")
		all = append(all, events)
	}
	a := marta.get("/api/queues/live/events").is(http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("one too many is told %v %s", a.header, a.body)
	}
	others := s.admin.stream(t)
	others.shows("sales", "")
	all[0].stop()
	again := s.waitFor(func() *stream {
		events := marta.stream(t)
		if events.response.StatusCode != http.StatusOK {
			return nil
		}
		return events
	})
	again.shows("sales", "")
	close(stop)
	for _, events := range append(all[1:], again, others) {
		events.ends()
	}
}

// waitFor asks until there is a stream.
func (s *site) waitFor(ask func() *stream) *stream {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if events := ask(); events != nil {
			return events
		}
	}
	s.t.Fatal("there is no place within 20 seconds")
	return nil
}

// TestManagerMetrics: what the connection to Asterisk did.
func TestManagerMetrics(t *testing.T) {
	t.Parallel()
	s, _ := liveSite(t, func(d *adminapi.Deps) {
		d.Manager = func() live.ManagerStats {
			return live.ManagerStats{Connected: true, Connects: 2, Failures: 3, Dropped: 4, Timeouts: 5, Short: 6}
		}
	})
	m := s.admin.get("/metrics").is(http.StatusOK).metrics()
	for name, want := range map[string]float64{
		"talktime_ami_connected": 1, "talktime_ami_connects_total": 2, "talktime_ami_connect_failures_total": 3, "talktime_ami_events_dropped_total": 4,
		`talktime_ami_requests_failed_total{why="timeout"}`: 5, `talktime_ami_protocol_errors_total{kind="short"}`: 6, `talktime_ami_protocol_errors_total{kind="late"}`: 0,
	} {
		if got, ok := m[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
}

// TestQueuesPage: everything of the picture, in its place, for whoever may see it.
func TestQueuesPage(t *testing.T) {
	t.Parallel()
	s, p := liveSite(t)
	s.marta()
	p.change(func() {
		p.iva.Paused, p.iva.PausedReason, p.iva.LastPause = true, `"coffee"`, time.Date(2027, 6, 9, 11, 50, 0, 0, time.UTC)
		p.iva.LastCall = time.Date(2027, 6, 9, 11, 0, 0, 0, time.UTC)
	})
	page := s.admin.page("/queues")
	page.has(`<a href="/queues" aria-current="page">Queues</a>`, `<script type="module" src="/static/queues-`, `data-events="/api/queues/live/events" data-part="/queues/now"`,
		`<dt>Waiting now</dt><dd>1</dd>`, `<dt>Agents there</dt><dd>1</dd>`, `<dt>Paused</dt><dd>1</dd>`, `<dt>Answered today</dt><dd>3</dd>`, "<dd>25.0\u00a0%</dd>",
		`Sales &amp; more <small class="note">sales</small>`, `5550177 <small class="note">&lt;b&gt;R. Lund</small>`, `<span class="state">busy</span> <small class="note">paused: &#34;coffee&#34;</small>`,
		`<td role="cell" data-label="Queues">Sales &amp; more, support</td>`, `<span class="state alert">unavailable</span> <small class="note">paused in support: lunch</small>`,
		`<td role="cell" class="number">0:00:10</td>`, `<td role="cell" class="number">0:03:20</td>`, `<a href="/api/queues/calls?format=csv&amp;queue=sales">CSV</a>`, `<noscript>`)
	if strings.Contains(page.body, "Nothing is known") {
		t.Error("the page says that nothing is known")
	}
	part := s.admin.get("/queues/now").is(http.StatusOK)
	if part.has("5550177", "Queues now"); strings.Contains(part.body, "<html") || strings.Contains(part.body, "<script") {
		t.Errorf("the part is a page:\n%s", part.body)
	}

	marta := s.login("marta")
	marta.get("/queues/now").is(http.StatusForbidden)
	none := marta.get("/queues").is(http.StatusForbidden).has("no queue and no agent was granted to you")
	if strings.Contains(none.body, `"/queues"`) || strings.Contains(none.body, "Iva") {
		t.Error("whoever was granted nothing sees some of it, or the entry of the menu")
	}
	s.grant("marta", `"gone"`, "")
	marta.page("/queues").has("There are no queues that you may see.")
	s.grant("marta", `"support"`, "")
	some := marta.page("/queues").has(`<a href="/queues" aria-current="page">Queues</a>`, "support", "Jo")
	if strings.Contains(some.body, "ales") || strings.Contains(some.body, "Iva") || strings.Contains(some.body, "5550177") {
		t.Errorf("she sees what she was not granted:\n%s", some.body)
	}
	p.change(func() { p.away = true })
	s.admin.page("/queues").has("Nothing is known of who waits and who is there: the manager interface of Asterisk is away, since 2027-06-09 11:59:00.", `<dt>Answered today</dt><dd>3</dd>`)

	s.start(func(d *adminapi.Deps) { d.LiveQueues = nil })
	admin := s.login("admin")
	admin.get("/queues").is(http.StatusNotFound)
	if home := admin.page("/"); strings.Contains(home.body, `"/queues"`) {
		t.Error("there is an entry of the menu, and no page")
	}

	s.start() // there is neither Asterisk nor a queue in the log
	admin = s.login("admin")
	if home := admin.page("/queues").has("There are no queues that you may see."); strings.Contains(home.body, `href="/queues" aria`) {
		t.Error("there is an entry of the menu, and no queue")
	}
}
