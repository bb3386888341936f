package queuegen_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/queues"
	"talktime/queues/queuegen"
)

func november(t testing.TB) queuegen.Config {
	t.Helper()
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return queuegen.Config{Seed: 3, From: time.Date(2026, 10, 1, 0, 0, 0, 0, l), To: time.Date(2026, 11, 1, 0, 0, 0, 0, l), Location: l}
}

// log is what was invented, by call.
type log struct {
	lines   int64
	starts  []queues.Event
	calls   map[string][]queues.Event
	agents  map[string][]queues.Event
	names   map[string]int
	last    int64
	persons map[string]int64 // until when an agent talks
}

func read(t *testing.T, c queuegen.Config) log {
	t.Helper()
	l := log{calls: map[string][]queues.Event{}, agents: map[string][]queues.Event{}, names: map[string]int{}, persons: map[string]int64{}}
	err := queuegen.Each(c, func(e *queues.Event) error {
		l.lines++
		l.names[e.Name]++
		if e.At < l.last || e.At < c.From.UnixMicro() {
			t.Fatalf("line %d is of %v, the one before of %d", l.lines, e, l.last)
		}
		l.last = e.At
		agent := queues.AgentKey(e.Agent)
		switch {
		case e.Kind == queues.QueueStart:
			l.starts = append(l.starts, *e)
			clear(l.persons)
		case e.Kind.OfAgent():
			l.agents[agent] = append(l.agents[agent], *e)
		case e.Kind == queues.Connect:
			if l.persons[agent] > e.At {
				t.Fatalf("%s talks to two callers: %v", agent, e)
			}
			l.persons[agent] = 1 << 62
			fallthrough
		default:
			if strings.HasPrefix(e.Name, "COMPLETE") || strings.HasSuffix(e.Name, "TRANSFER") {
				l.persons[agent] = e.At
			}
			l.calls[e.CallID] = append(l.calls[e.CallID], *e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestBooks: calls add up, and are about what a call centre has.
func TestBooks(t *testing.T) {
	t.Parallel()
	c := november(t)
	c.Calls = 30_000
	l := read(t, c)
	var facts queues.Facts
	var waits queues.Waits
	twice, overflow, midnight := 0, 0, 0
	for id, events := range l.calls {
		if id == "NONE" {
			continue
		}
		call := queues.Assemble(append(slices.Clone(events), l.starts...), c.To.AddDate(0, 0, 2))
		if call.Open() || len(call.Passages) == 0 {
			t.Fatalf("%s has not ended: %v", id, events)
		}
		connected := 0
		for i := range call.Passages {
			p := &call.Passages[i]
			facts.Add(p)
			waits.AddItem(&queues.Item{Outcome: p.Outcome, Wait: p.Wait})
			if p.Connected > 0 {
				connected++
			}
		}
		if connected > 1 {
			twice++
		}
		if len(call.Passages) > 1 {
			overflow++
		}
		if time.UnixMicro(call.Start).In(c.Location).Day() != time.UnixMicro(call.End).In(c.Location).Day() {
			midnight++
		}
	}
	if err := facts.Check(); err != nil {
		t.Error(err)
	}
	if n := len(l.calls) - 1; n != 30_000 {
		t.Errorf("%d calls", n)
	}
	for _, name := range []string{
		"ENTERQUEUE", "CONNECT", "COMPLETEAGENT", "COMPLETECALLER", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "TRANSFER", "BLINDTRANSFER",
		"ATTENDEDTRANSFER", "RINGNOANSWER", "RINGCANCELED", "DID", "TAG", "ADDMEMBER", "REMOVEMEMBER", "AGENTLOGIN", "AGENTLOGOFF", "PAUSE", "UNPAUSE", "PAUSEALL",
		"UNPAUSEALL", "QUEUESTART", "CONFIGRELOAD",
	} {
		if l.names[name] == 0 {
			t.Errorf("there is no %s", name)
		}
	}
	if twice == 0 || overflow == 0 || midnight == 0 {
		t.Errorf("%d calls connected twice, %d over several queues, %d over midnight", twice, overflow, midnight)
	}
	gone := float64(facts.Abandoned) / float64(facts.Offered)
	if per := float64(l.lines) / 30_000; per < 3.4 || per > 4.6 || gone < 0.03 || gone > 0.2 {
		t.Errorf("%.2f lines a call, %.3f abandoned", per, gone)
	}
	var there queues.Attendance
	for _, events := range l.agents {
		there.Merge(queues.Attend(queues.Presence(nil, events), c.From.UnixMicro(), c.To.UnixMicro()))
	}
	busy := float64(facts.Talked) / float64(there.Ready)
	if busy < 0.15 || busy > 0.95 || len(there.Reasons) != 5 {
		t.Errorf("agents talk %.2f of the time, their pauses: %v", busy, there.Reasons)
	}
	t.Logf("%d lines, abandoned %.3f, within 20 s %s %%, AHT %s, busy %.2f of %d agents; %d twice, %d over several queues, %d over midnight\n%+v",
		l.lines, gone, waits.ServiceLevel(20), facts.AHT(0), busy, len(l.agents), twice, overflow, midnight, facts)
}

// TestSameSeed: as many lines as were asked for, which any parser reads, and the same each time.
func TestSameSeed(t *testing.T) {
	t.Parallel()
	c := november(t)
	c.Lines = 20_000
	var texts [3]bytes.Buffer
	for i := range texts {
		if i == 2 {
			c.Seed++
		}
		if n, err := queuegen.Write(&texts[i], c); err != nil || n != c.Lines {
			t.Fatalf("%d lines, %v", n, err)
		}
	}
	if !bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) || bytes.Equal(texts[0].Bytes(), texts[2].Bytes()) {
		t.Error("a seed does not say what is invented")
	}
	var p queues.Parser
	n := int64(0)
	for line := range strings.Lines(texts[0].String()) {
		e, err := p.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if n++; e.Kind == queues.Custom && e.Name != "DID" && e.Name != "TAG" {
			t.Fatal(e)
		}
	}
	if n != c.Lines {
		t.Errorf("%d lines", n)
	}
	if late := time.UnixMicro(p.Last); late.Before(c.To.Add(-48*time.Hour)) || late.After(c.To.Add(24*time.Hour)) {
		t.Errorf("the log ends at %v", late)
	}
}

func TestFewAndMany(t *testing.T) {
	t.Parallel()
	for _, c := range []queuegen.Config{{Lines: 1}, {Lines: 7, Queues: 1, Agents: 1}, {Calls: 1, Queues: 20}, {Calls: 500, Agents: 3}, {Lines: 3000, Queues: 40}} {
		base := november(t)
		c.From, c.To = base.From, base.To
		n, err := queuegen.Write(io.Discard, c)
		if err != nil || n == 0 || c.Lines > 0 && n != c.Lines {
			t.Errorf("%+v: %d lines, %v", c, n, err)
		}
	}
	base := november(t)
	for _, c := range []queuegen.Config{
		{From: base.From, To: base.To},
		{From: base.From, To: base.To, Lines: 1, Calls: 1},
		{From: base.To, To: base.From, Lines: 1},
		{From: base.From, To: base.To, Lines: -1},
		{From: base.From, To: base.To, Lines: 1, Queues: 1001},
		{Lines: 1},
	} {
		if _, err := queuegen.Write(io.Discard, c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	stop := errors.New("stop")
	base.Lines = 100
	if err := queuegen.Each(base, func(*queues.Event) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	c := november(b)
	c.Lines = 500_000
	for b.Loop() {
		if _, err := queuegen.Write(io.Discard, c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(c.Lines)/b.Elapsed().Seconds(), "lines/s")
}
