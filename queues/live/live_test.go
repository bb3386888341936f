package live_test

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"talktime/pbx"
	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	//go:embed testdata/queue-status.txt
	queueStatus string
	//go:embed testdata/core-show-channels.txt
	coreShowChannels string
)

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// log is what is stored of today.
type log struct {
	mu      sync.Mutex
	queues  []queues.Name
	agents  []queues.Name
	today   map[string]map[string]queues.Facts
	counted int
	err     error
}

func (l *log) Names(context.Context, reports.Scope) (ofQueues, ofAgents []queues.Name, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queues, l.agents, l.err
}

func (l *log) TodayByAgent(context.Context) (map[string]map[string]queues.Facts, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted++
	return l.today, l.err
}

// site is Asterisk, the log and the pictures of both.
type site struct {
	*testing.T
	manager  *manager
	client   *pbx.Client
	clock    *clock
	log      *log
	pictures *live.Pictures
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, manager: newManager(), clock: &clock{at: time.Unix(1795211574, 0)}, log: &log{}}
	s.client = s.manager.client(t, pbx.Options{Now: s.clock.now})
	wait(t, "a connection", func() bool { return s.client.Stats().Connected })
	s.pictures = live.New(live.Options{Asterisk: s.client, Log: s.log, Location: time.UTC, Now: s.clock.now})
	return s
}

func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}

func (s *site) now() *live.Picture {
	s.Helper()
	p, err := s.pictures.Now(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// agents are those of a queue by name.
func agents(t *testing.T, p *live.Picture, queue string) map[string]live.Agent {
	t.Helper()
	of := map[string]live.Agent{}
	for _, q := range p.Queues {
		if q.Key == queue {
			for _, a := range q.Agents {
				of[a.Shown] = a
			}
			return of
		}
	}
	t.Fatalf("there is no queue %s", queue)
	return nil
}

var plain = cmpopts.IgnoreUnexported(live.Queue{})

// TestSample: a call through a queue, as a real Asterisk told of it.
func TestSample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.manager.set(func(m *manager) {
		m.lists["QueueStatus"], m.lists["CoreShowChannels"] = sample(queueStatus), sample(coreShowChannels)
	})
	got := s.now()
	want := &live.Picture{
		At: s.clock.now(), Day: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), Live: true, Why: got.Why,
		Queues: []live.Queue{
			{Key: "slow", Shown: "slow", Known: true, Agents: []live.Agent{
				{Key: "Agent Three", Shown: "Agent Three", Location: "PJSIP/agent3", Status: live.NotInUse, LoggedIn: true, LastCall: live.NoCall},
			}},
			{Key: "support", Shown: "support", Known: true, Agents: []live.Agent{
				{
					Key: "Agent One", Shown: "Agent One", Location: "PJSIP/agent1", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: 31,
					From: "support", Caller: "59899000003",
				},
				{Key: "Agent Two", Shown: "Agent Two", Location: "PJSIP/agent2", Status: live.NotInUse, LoggedIn: true, Penalty: 1, LastCall: live.NoCall},
			}},
		},
	}
	if d := cmp.Diff(want, got, plain); d != "" {
		t.Error(d)
	}
	if got, want := got.Queues[1].Counts(), (live.Counts{Agents: 2, Penalised: 1, Busy: 1}); got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
}

// TestDevices: each state that Asterisk knows of a telephone, with and without a call.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.manager.set(func(m *manager) {
		m.lists["QueueStatus"] = []string{
			params("sales"), params("empty"),
			member("sales", "unknown", "PJSIP/100", 0), member("sales", "idle", "PJSIP/101", 1), member("sales", "of a queue", "PJSIP/102", 2, "InCall: 1"),
			member("sales", "dials out", "PJSIP/103", 2), member("sales", "no channel", "PJSIP/104", 3), member("sales", "invalid", "PJSIP/105", 4),
			member("sales", "unavailable", "PJSIP/106", 5, "Paused: 1", "Penalty: 3"), member("sales", "rings", "PJSIP/107", 6),
			member("sales", "talks and rings", "PJSIP/108", 7), member("sales", "on hold", "PJSIP/109", 8, "Penalty: 2"), member("sales", "odd", "PJSIP/110", 99),
			member("sales", "paused", "PJSIP/111", 1, "Paused: 1", "PausedReason: lunch", "LastPause: 1795211514", "LastCall: 1795211474"),
			member("sales", "calls a queue", "PJSIP/112", 2), member("sales", "local", "Local/113@agents/n", 2, "StateInterface: PJSIP/113"),
			member("sales", "by its word", "PJSIP/114", 2, "InCall: 1"), member("sales", "two calls", "PJSIP/115", 2), member("sales", "PJSIP/12", "PJSIP/12", 2),
			member("sales", "case", "pjsip/Hans-Peter", 2), member("sales", "ahead", "PJSIP/116", 1, "LastCall: 1795219999", "Paused: 1", "LastPause: 1795219999"),
		}
		m.lists["CoreShowChannels"] = []string{
			channel("PJSIP/out-00000001", 6, "Queue(sales,tT,,,60)", "102", "b1", "L1", "00:02:05"),
			channel("PJSIP/102-00000002", 6, "AppQueue((Outgoing Line))", "5550199", "b1", "L1", "00:01:01"),
			channel("PJSIP/103-00000003", 6, "Dial(PJSIP/5551234@trunk,30)", "5551234", "b2", "L2", "00:00:44"),
			channel("PJSIP/trunk-00000004", 6, "AppDial((Outgoing Line))", "103", "b2", "L2", "00:00:43"),
			channel("PJSIP/out-00000005", 6, "Queue(sales)", "", "", "L3", "00:00:09"),
			channel("PJSIP/107-00000006", 5, "AppQueue((Outgoing Line))", "5550188", "", "L3", "00:00:03"),
			channel("PJSIP/108-00000007", 6, "Dial(PJSIP/1@trunk)", "5554321", "b3", "L4", "00:10:00"),
			channel("PJSIP/108-00000008", 5, "AppQueue((Outgoing Line))", "5550188", "", "L3", "00:00:03"),
			channel("PJSIP/109-00000009", 6, "AppQueue((Outgoing Line))", "5550177", "b4", "L5", "01:00:00"),
			channel("PJSIP/out-0000000a", 6, "Queue(support,,,,12)", "109", "b4", "L5", "01:00:10"),
			channel("PJSIP/112-0000000b", 6, "Queue(support)", "", "", "L6", "00:00:20"),
			channel("PJSIP/out-0000000c", 6, "Queue(sales)", "", "b5", "L7", "00:03:00"),
			channel("Local/113@agents-00000001;1", 6, "AppQueue((Outgoing Line))", "5550166", "b5", "L7", "00:02:00"),
			channel("Local/113@agents-00000001;2", 6, "Dial(PJSIP/113)", "", "b6", "L7", "00:02:00"),
			channel("PJSIP/113-0000000d", 6, "AppDial((Outgoing Line))", "5550166", "b6", "L7", "00:01:59"),
			channel("PJSIP/114-0000000e", 6, "AppQueue((Outgoing Line))", "5550155", "b7", "L8", "00:00:30"),
			channel("PJSIP/115-0000000f", 6, "Dial(PJSIP/2@trunk)", "5559999", "b8", "L9", "00:00:05"),
			channel("PJSIP/115-00000010", 6, "AppQueue((Outgoing Line))", "5550144", "b9", "La", "00:04:00"),
			channel("PJSIP/out-00000011", 6, "Queue(sales)", "", "b9", "La", "00:05:00"),
			channel("PJSIP/12-00000012", 4, "Dial(PJSIP/3@trunk)", "", "", "Lb", "00:00:02"),
			channel("PJSIP/hans-peter-00000013", 6, "Dial(PJSIP/4@trunk)", "5558888", "bc", "Lc", "00:00:06"),
		}
	})
	got := agents(t, s.now(), "sales")
	for name, want := range map[string]live.Agent{
		"unknown":         {Location: "PJSIP/100", Status: live.Unknown, LastCall: live.NoCall},
		"idle":            {Location: "PJSIP/101", Status: live.NotInUse, LoggedIn: true, LastCall: live.NoCall},
		"of a queue":      {Location: "PJSIP/102", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall, From: "sales", Caller: "5550199", Duration: 61},
		"dials out":       {Location: "PJSIP/103", Status: live.DialOut, LoggedIn: true, InCall: true, LastCall: live.NoCall, Caller: "5551234", Duration: 44},
		"no channel":      {Location: "PJSIP/104", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall},
		"invalid":         {Location: "PJSIP/105", Status: live.Unavailable, LastCall: live.NoCall},
		"unavailable":     {Location: "PJSIP/106", Status: live.Unavailable, LastCall: live.NoCall, Penalty: 3, Paused: true},
		"rings":           {Location: "PJSIP/107", Status: live.Ringing, LoggedIn: true, LastCall: live.NoCall, From: "sales", Caller: "5550188", Duration: 3},
		"talks and rings": {Location: "PJSIP/108", Status: live.DialOut, LoggedIn: true, InCall: true, LastCall: live.NoCall, Caller: "5554321", Duration: 600},
		"on hold":         {Location: "PJSIP/109", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall, Penalty: 2, From: "support", Caller: "5550177", Duration: 3600},
		"odd":             {Location: "PJSIP/110", Status: live.Unknown, LastCall: live.NoCall},
		"paused":          {Location: "PJSIP/111", Status: live.NotInUse, LoggedIn: true, LastCall: 100, Paused: true, Reason: "lunch", PausedFor: 60},
		"calls a queue":   {Location: "PJSIP/112", Status: live.DialOut, LoggedIn: true, InCall: true, LastCall: live.NoCall, Duration: 20},
		"local":           {Location: "Local/113@agents/n", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall, From: "sales", Caller: "5550166", Duration: 120},
		"by its word":     {Location: "PJSIP/114", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall, From: "sales", Caller: "5550155", Duration: 30},
		"two calls":       {Location: "PJSIP/115", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: live.NoCall, From: "sales", Caller: "5550144", Duration: 240},
		"PJSIP/12":        {Location: "PJSIP/12", Status: live.DialOut, LoggedIn: true, InCall: true, LastCall: live.NoCall, Duration: 2},
		"case":            {Location: "pjsip/Hans-Peter", Status: live.DialOut, LoggedIn: true, InCall: true, LastCall: live.NoCall, Caller: "5558888", Duration: 6},
		"ahead":           {Location: "PJSIP/116", Status: live.NotInUse, LoggedIn: true, Paused: true},
	} {
		want.Key, want.Shown = name, name
		if d := cmp.Diff(want, got[name]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, q := range s.now().Queues {
		want := live.Counts{}
		if q.Key == "sales" { // all 19 but unknown, odd, invalid and unavailable are logged in
			want = live.Counts{Agents: 15, LoggedOff: 4, Penalised: 1, Busy: 11, Paused: 2}
		}
		if got := q.Counts(); got != want {
			t.Errorf("%s: counts are %+v, want %+v", q.Key, got, want)
		}
	}
}

// TestWaiting: callers by their position, with the longest wait.
func TestWaiting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.manager.set(func(m *manager) {
		m.lists["QueueStatus"] = []string{
			params("sales"), entry("sales", 2, "5550178", "unknown", 17), entry("sales", 1, "5550177", "R. Lund", 40), entry("sales", 3, "<unknown>", "", 0), params("support"),
		}
	})
	p := s.now()
	want := []live.Caller{
		{Position: 1, Number: "5550177", Name: "R. Lund", Wait: 40, ID: "1795211600.1"},
		{Position: 2, Number: "5550178", Wait: 17, ID: "1795211600.2"},
		{Position: 3, ID: "1795211600.3"},
	}
	if d := cmp.Diff(want, p.Queues[0].Waiting); d != "" {
		t.Error(d)
	}
	if got, want := p.Queues[0].Counts(), (live.Counts{Waiting: 3, LongestWait: 40}); got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
	if q := p.Queues[1]; q.Key != "support" || len(q.Waiting) != 0 || q.Counts() != (live.Counts{}) {
		t.Errorf("the empty queue is %+v", q)
	}
}

// talked are facts of answered calls, some of which still go on.
func talked(answered, talking, abandoned int64) queues.Facts {
	return queues.Facts{Offered: answered + talking + abandoned, CompletedByAgent: answered, Talking: talking, Abandoned: abandoned}
}

// granted is a log and an Asterisk with two queues, of which some is seen by those who were granted it.
func granted(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.log.queues = []queues.Name{{ID: 1, Key: "sales", Shown: "Sales"}, {ID: 2, Key: "old", Shown: "Old"}, {ID: 3, Key: queues.None, Shown: queues.None}}
	s.log.agents = []queues.Name{{Agent: true, ID: 1, Key: "Iva Moss", Shown: "Iva"}, {Agent: true, ID: 2, Key: "PJSIP/205", Shown: "Jo"}}
	s.log.today = map[string]map[string]queues.Facts{
		"sales": {"Iva Moss": talked(3, 1, 0), "PJSIP/205": talked(2, 0, 0), queues.None: talked(0, 0, 4)}, "old": {queues.None: talked(0, 0, 1)},
		queues.None: {"Iva Moss": {NoAnswers: 1}},
	}
	s.manager.set(func(m *manager) {
		m.lists["QueueStatus"] = []string{
			params("sales"), member("sales", "Iva Moss", "PJSIP/204", 2, "InCall: 1"), member("sales", "PJSIP/205", "PJSIP/205", 2), entry("sales", 1, "5550177", "", 5),
			params("support"), member("support", "PJSIP/205", "PJSIP/205", 2, "InCall: 1"),
		}
		m.lists["CoreShowChannels"] = []string{
			channel("PJSIP/out-00000005", 6, "Queue(support)", "", "", "L3", "00:00:09"),
			channel("PJSIP/205-00000006", 6, "AppQueue((Outgoing Line))", "5550188", "", "L3", "00:00:03"),
		}
	})
	return s
}

// shown is a picture in a few words: of each queue its figures, who waits and who is there, with the other end of his call.
func shown(p *live.Picture) string {
	var b strings.Builder
	for _, q := range p.Queues {
		b.WriteString(q.Shown + ":")
		for _, c := range q.Waiting {
			b.WriteString(" " + c.Number)
		}
		for _, a := range q.Agents {
			b.WriteString(" " + a.Shown + "(" + string(a.Status) + " " + a.From + " " + a.Caller + ")")
		}
		f := q.Today
		for n, text := range map[int64]string{f.Connected(): " answered", f.Abandoned: " gone"} {
			if n > 0 {
				b.WriteString(strings.Repeat("+", int(n)) + text)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestOnly: nobody is shown what he was not granted, nor can he work it out.
func TestOnly(t *testing.T) {
	t.Parallel()
	p := granted(t).now()
	const iva, jo, joElsewhere = " Iva(busy sales )", " Jo(busy support 5550188)", " Jo(busy  )"
	for _, c := range []struct {
		what string
		who  reports.Scope
		keys []string
		want []string // of each queue
	}{
		{"all", reports.Scope{All: true}, nil, []string{"Old:", "Sales: 5550177" + iva + jo, "support:" + jo}},
		{"all, one asked for", reports.Scope{All: true}, []string{"sales"}, []string{"Sales: 5550177" + iva + jo}},
		{"nothing granted", reports.Scope{}, nil, nil},
		{"nothing granted, one asked for", reports.Scope{}, []string{"sales"}, nil},
		{"a queue", reports.Scope{Queues: []string{"sales"}}, nil, []string{"Sales: 5550177" + iva + joElsewhere}},
		{"a queue, another asked for", reports.Scope{Queues: []string{"sales"}}, []string{"support"}, nil},
		{"an agent", reports.Scope{Agents: []string{"PJSIP/205"}}, nil, []string{"Sales:" + jo, "support:" + jo}},
		{"an agent of a queue", reports.Scope{Queues: []string{"sales"}, Agents: []string{"Iva Moss"}}, nil, []string{"Sales:" + iva}},
		{"nobody's calls too", reports.Scope{Queues: []string{"sales"}, Agents: []string{"Iva Moss", queues.None}}, nil, []string{"Sales: 5550177" + iva}},
		{"a queue that there is not", reports.Scope{Queues: []string{"x"}}, nil, nil},
		{"none asked for", reports.Scope{All: true}, []string{}, nil},
	} {
		part := p.Only(c.who, c.keys)
		var got []string
		for line := range strings.Lines(shown(part)) {
			line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "+")
			got = append(got, strings.TrimRight(line, " "))
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
	for _, c := range []struct {
		what            string
		who             reports.Scope
		answered, gone  int64
		agents, waiting int
	}{
		{"all", reports.Scope{All: true}, 6, 4, 2, 1},
		{"a queue", reports.Scope{Queues: []string{"sales"}}, 6, 4, 2, 1},
		{"an agent", reports.Scope{Agents: []string{"Iva Moss"}}, 4, 0, 1, 0},
		{"nobody", reports.Scope{Queues: []string{"sales"}, Agents: []string{queues.None}}, 0, 4, 0, 1},
	} {
		for _, q := range p.Only(c.who, []string{"sales"}).Queues {
			n := q.Counts()
			if q.Today.Connected() != c.answered || q.Today.Abandoned != c.gone || n.Agents != c.agents || n.Waiting != c.waiting {
				t.Errorf("%s: %+v, %d answered, %d gone", c.what, n, q.Today.Connected(), q.Today.Abandoned)
			}
		}
	}
	if p.Only(reports.Scope{All: true}, nil) != p {
		t.Error("whoever sees all is shown a copy")
	}
}

// TestShared: 200 readers at once, and again within two seconds, cost one question.
func TestShared(t *testing.T) {
	t.Parallel()
	s := granted(t)
	read := func() *live.Picture {
		t.Helper()
		pictures := make([]*live.Picture, 200)
		var all sync.WaitGroup
		for i := range pictures {
			all.Go(func() {
				var err error
				if pictures[i], err = s.pictures.Now(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, p := range pictures {
			if p != pictures[0] {
				t.Fatal("readers have different pictures")
			}
		}
		return pictures[0]
	}
	first := read()
	s.clock.pass(1999 * time.Millisecond)
	if read() != first {
		t.Error("the picture was made anew within two seconds")
	}
	s.clock.pass(time.Millisecond)
	if p := read(); p == first || !p.At.Equal(s.clock.now()) {
		t.Error("the picture is older than two seconds")
	}
	if n, m := s.manager.times("QueueStatus"), s.manager.times("CoreShowChannels"); n != 2 || m != 2 || s.log.counted != 2 {
		t.Errorf("Asterisk was asked %d and %d times, the log %d times", n, m, s.log.counted)
	}
}

// TestGoneAway: whoever asked first does not take the picture from the others by going away.
func TestGoneAway(t *testing.T) {
	t.Parallel()
	s := granted(t)
	held := make(chan struct{})
	s.manager.set(func(m *manager) { m.held["QueueStatus"] = held })
	ctx, cancel := context.WithCancel(t.Context())
	firstDone, otherDone := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.pictures.Now(ctx); firstDone <- err }()
	wait(t, "a question", func() bool { return s.manager.times("QueueStatus") == 1 })
	go func() { _, err := s.pictures.Now(t.Context()); otherDone <- err }()
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.pictures.Now(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever does not wait gets %v", err)
	}
	cancel()
	close(held)
	if err := <-otherDone; err != nil {
		t.Error(err)
	}
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
}

// TestAway: without Asterisk there is what the log says, and since when nothing is known.
func TestAway(t *testing.T) {
	t.Parallel()
	s := granted(t)
	before := s.clock.now()
	if !s.now().Live {
		t.Fatal("no picture to begin with")
	}
	s.manager.goAway()
	wait(t, "the end of the connection", func() bool { return !s.client.Stats().Connected })
	s.clock.pass(2 * time.Second)
	p := s.now()
	if p.Live || !p.Since.Equal(before) || p.Why != "the manager interface of Asterisk is away" || !p.At.Equal(s.clock.now()) {
		t.Errorf("got %+v", p)
	}
	if got, want := shown(p), "Old:+ gone\nSales:"; !strings.HasPrefix(got, want) || strings.Contains(got, "5550177") || strings.Contains(got, "Iva") {
		t.Errorf("without Asterisk there is:\n%s", got)
	}
	for _, q := range p.Queues {
		if q.Known || q.Counts() != (live.Counts{}) {
			t.Errorf("%s is %+v", q.Key, q)
		}
	}
	without := live.New(live.Options{Log: s.log, Location: time.UTC, Now: s.clock.now})
	p, err := without.Now(t.Context())
	if err != nil || p.Live || !p.Since.IsZero() || p.Why == "" || len(p.Queues) != 2 {
		t.Errorf("without a manager interface: %+v, %v", p, err)
	}
}

// TestTrouble: an Asterisk that refuses or lies costs its own part of the picture only.
func TestTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, action, says, why string
	}{
		{"no right", "QueueStatus", "Response: Error\nActionID: @\nMessage: Permission denied\n\n", "Asterisk refused QueueStatus: Permission denied"},
		{"no right for channels", "CoreShowChannels", "Response: Error\nActionID: @\nMessage: Permission denied\n\n", "Asterisk refused CoreShowChannels: Permission denied"},
		{
			"items are missing", "QueueStatus", "Response: Success\nActionID: @\nEventList: start\n\n" + params("sales") + "\nActionID: @\n\n" +
				"Event: QueueStatusComplete\nActionID: @\nEventList: Complete\nListItems: 700\n\n", "what Asterisk answered makes no sense",
		},
	} {
		s := granted(t)
		s.manager.set(func(m *manager) { m.says[c.action] = c.says })
		if p := s.now(); p.Live || p.Why != c.why || len(p.Queues) != 2 || p.Queues[1].Today.Connected() != 6 {
			t.Errorf("%s: %+v", c.what, p)
		}
		s.manager.set(func(m *manager) { delete(m.says, c.action) })
		s.clock.pass(2 * time.Second)
		if p := s.now(); !p.Live || len(p.Queues) != 3 {
			t.Errorf("%s, and well again: %+v", c.what, p)
		}
	}
}

// TestNonsense: fields that make no sense hide nothing else.
func TestNonsense(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.manager.set(func(m *manager) {
		m.lists["QueueStatus"] = []string{
			params(""), member("", "ghost", "PJSIP/1", 1), params("NONE"), params("sales"), params("sales"), member("sales", "", "", 2, "LastPause: -1", "Paused: 7", "Penalty: -4"),
			member("sales", "", "PJSIP/2", -1), entry("sales", -5, "1", "", -60), entry("sales", 1, "2", "", 9), "Event: QueueMember\nQueue: sales",
		}
		m.lists["CoreShowChannels"] = []string{
			channel("", 6, "Queue()", "", "", "", "99:99:99"), channel("-", 6, "Queue( )", "", "", "", "x"), channel("PJSIP/", 6, "AppQueue", "", "", "", ""), "Event: CoreShowChannel",
		}
	})
	p := s.now()
	if !p.Live || len(p.Queues) != 1 || len(p.Queues[0].Agents) != 3 || len(p.Queues[0].Waiting) != 2 || p.Queues[0].Waiting[1].Number != "2" {
		t.Errorf("got %+v", p)
	}
	if n := p.Queues[0].Counts(); n.LongestWait != 9 || n.LoggedOff != 2 {
		t.Errorf("counts are %+v", n)
	}
}

// TestSlow: an Asterisk that answers nothing keeps one waiting in two seconds, not everybody.
func TestSlow(t *testing.T) {
	t.Parallel()
	s := granted(t)
	s.manager.goAway()
	wait(t, "the end of the connection", func() bool { return !s.client.Stats().Connected })
	away := s.now()
	held := make(chan struct{})
	slow := &stalled{asked: make(chan struct{}), answer: held}
	pictures := live.New(live.Options{Asterisk: slow, Log: s.log, Location: time.UTC, Now: s.clock.now})
	done := make(chan *live.Picture)
	ask := func() { p, _ := pictures.Now(t.Context()); done <- p }
	go ask()
	<-slow.asked
	held <- struct{}{}
	first := <-done
	if first.Live || away.Live {
		t.Fatal("there is an Asterisk")
	}
	s.clock.pass(5 * time.Second)
	go ask()
	<-slow.asked // and does not answer
	for range 200 {
		if p, err := pictures.Now(t.Context()); p != first || err != nil {
			t.Fatalf("while Asterisk is asked again: %+v, %v", p, err)
		}
	}
	held <- struct{}{}
	if p := <-done; p == first {
		t.Error("the picture was not made anew")
	}
}

// stalled is an Asterisk that is away, and takes its time to be.
type stalled struct{ asked, answer chan struct{} }

func (s *stalled) Snapshot(context.Context) (pbx.Snapshot, error) {
	s.asked <- struct{}{}
	<-s.answer
	return pbx.Snapshot{}, &pbx.StaleError{Err: context.DeadlineExceeded}
}

// TestMidnight: figures are those of today, also within two seconds of midnight.
func TestMidnight(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.clock.at = time.Date(2026, 11, 21, 23, 59, 59, 500_000_000, vienna)
	s.pictures = live.New(live.Options{Asterisk: s.client, Log: s.log, Location: vienna, Now: s.clock.now})
	s.log.today = map[string]map[string]queues.Facts{"sales": {"Iva Moss": talked(7, 0, 0)}}
	s.manager.set(func(m *manager) { m.lists["QueueStatus"] = []string{params("sales")} })
	if p := s.now(); p.Queues[0].Today.Connected() != 7 || !p.Day.Equal(time.Date(2026, 11, 21, 0, 0, 0, 0, vienna)) {
		t.Errorf("before midnight: %+v", p)
	}
	s.log.today = nil
	s.clock.pass(time.Second)
	if p := s.now(); p.Queues[0].Today.Connected() != 0 || !p.Day.Equal(time.Date(2026, 11, 22, 0, 0, 0, 0, vienna)) || !p.Live {
		t.Errorf("after midnight: %+v", p)
	}
	if n := s.manager.times("QueueStatus"); n != 1 {
		t.Errorf("Asterisk was asked %d times", n)
	}
}

// TestLogAway: without the log there are no figures of today, so there is no picture.
func TestLogAway(t *testing.T) {
	t.Parallel()
	s := granted(t)
	s.log.err = errors.New("the database is away")
	if p, err := s.pictures.Now(t.Context()); p != nil || !errors.Is(err, s.log.err) {
		t.Errorf("got %+v, %v", p, err)
	}
	s.log.err = nil
	if p := s.now(); !p.Live {
		t.Errorf("got %+v", p)
	}
}
