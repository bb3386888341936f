package reports_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
	"talktime/queues/reports"
)

// booth is a made-up call centre: some weeks of its log, and a question.
type booth struct {
	memory *memory
	zone   *time.Location
	now    time.Time
	start  time.Time
}

// zones change their clocks at two in the morning, at midnight, by half an hour, twice in a strange year, or never.
var zones = []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "Pacific/Apia", "Asia/Amman"}

// starts are near days on which some of these change.
var starts = []string{"2027-03-26", "2027-10-29", "2017-10-13", "2018-02-16", "2027-04-02", "2027-11-05", "2011-12-28", "2021-10-27", "2027-06-09"}

func drawBooth(t *rapid.T) *booth {
	z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	start, err := time.ParseInLocation(time.DateOnly, rapid.SampledFrom(starts).Draw(t, "start"), z)
	if err != nil {
		t.Fatal(err)
	}
	b := &booth{zone: z, start: start, now: start.Add(time.Duration(rapid.IntRange(1, 150).Draw(t, "now")) * time.Hour)}
	var lines []string
	for n := range rapid.IntRange(0, 40).Draw(t, "calls") {
		second := start.Unix() + int64(rapid.IntRange(0, 120*3600).Draw(t, "second"))
		if rapid.Bool().Draw(t, "midnight") {
			second = start.AddDate(0, 0, rapid.IntRange(0, 5).Draw(t, "day")).Unix() - int64(rapid.IntRange(-5, 20).Draw(t, "before"))
		}
		lines = append(lines, drawCall(t, fmt.Sprintf("%d.%d", second, n), second)...)
	}
	if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
		lines = append(lines, fmt.Sprintf("%d|NONE|NONE|NONE|QUEUESTART|", start.Unix()+int64(rapid.IntRange(0, 120*3600).Draw(t, "second"))))
	}
	b.memory = newMemory(func() time.Time { return b.now }, lines...)
	if rapid.Bool().Draw(t, "named") {
		b.memory.named = map[string]string{"sales": "Verkauf", "Iva Moss": "aa Iva", "support": rapid.SampledFrom([]string{"Hilfe", "Verkauf"}).Draw(t, "shown")}
	}
	return b
}

func drawCall(t *rapid.T, id string, second int64) (lines []string) {
	write := func(queue, agent, event string, params ...any) {
		line := fmt.Sprintf("%d|%s|%s|%s|%s|", second, id, queue, agent, event)
		for i, p := range params {
			if i > 0 {
				line += "|"
			}
			line += fmt.Sprint(p)
		}
		lines = append(lines, line)
	}
	number := rapid.SampledFrom([]string{"5550177", "+4955501234567", "055501234567", "anonymous", "", "204"}).Draw(t, "number")
	if rapid.IntRange(0, 2).Draw(t, "did") == 0 {
		write("NONE", "NONE", "DID", rapid.SampledFrom([]string{"100", "200"}).Draw(t, "dialled"))
	}
	if rapid.IntRange(0, 3).Draw(t, "tag") == 0 {
		write("NONE", "NONE", "TAG", "gold")
	}
	for range rapid.IntRange(1, 3).Draw(t, "queues") {
		queue := rapid.SampledFrom([]string{"sales", "support", "slow", "NONE"}).Draw(t, "queue")
		agent := rapid.SampledFrom([]string{"Iva Moss", "Bob", "PJSIP/204-0000000a", "NONE"}).Draw(t, "agent")
		second++
		write(queue, "NONE", "ENTERQUEUE", rapid.SampledFrom([]string{"", "http://a", "http://b"}).Draw(t, "url"), number, 1, "",
			rapid.SampledFrom([]string{"", "", "Sale"}).Draw(t, "tag"))
		wait := rapid.SampledFrom([]int64{0, 3, 15, 16, 90, 91, 4000}).Draw(t, "wait")
		second += wait
		if rapid.Bool().Draw(t, "rang") {
			write(queue, rapid.SampledFrom([]string{"Iva Moss", "Bob"}).Draw(t, "agent"), "RINGNOANSWER", 1000)
		}
		switch end := rapid.SampledFrom([]string{"ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY", "COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "TALKS", ""}).Draw(t, "end"); end {
		case "":
			return lines
		case "ABANDON", "EXITWITHTIMEOUT":
			write(queue, "NONE", end, 1, 1, wait)
		case "EXITWITHKEY":
			write(queue, "NONE", end, 5, 1, 1, wait)
		default:
			write(queue, agent, "CONNECT", wait, id+"9", min(wait, 4))
			talk := rapid.SampledFrom([]int64{0, 10, 60, 5000}).Draw(t, "talk")
			second += talk
			switch end {
			case "TALKS":
				return lines
			case "BLINDTRANSFER":
				write(queue, agent, end, "700", "internal", wait, talk, 1)
			default:
				write(queue, agent, end, wait, talk, 1)
			}
		}
	}
	return lines
}

func drawScope(t *rapid.T) reports.Scope {
	if rapid.Bool().Draw(t, "all") {
		return reports.Scope{All: true}
	}
	return reports.Scope{
		Queues: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"sales", "support", "slow", "NONE", "nowhere"}), 0, 3, rapid.ID).Draw(t, "granted queues"),
		Agents: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"Iva Moss", "Bob", "PJSIP/204", "NONE", "Nobody"}), 0, 3, rapid.ID).Draw(t, "granted agents"),
	}
}

func (b *booth) drawFilter(t *rapid.T) reports.Filter {
	moment := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" at midnight") {
			return b.start.AddDate(0, 0, rapid.IntRange(-1, 6).Draw(t, name))
		}
		return b.start.Add(time.Duration(rapid.IntRange(-3600, 130*3600).Draw(t, name)) * time.Second)
	}
	f := reports.Filter{From: moment("from"), To: moment("to")}
	if rapid.Bool().Draw(t, "window") {
		second := rapid.OneOf(rapid.IntRange(0, 86399), rapid.SampledFrom([]int{0, 3600, 7200, 86399}))
		f.Window = reports.Window{From: second.Draw(t, "window from"), To: second.Draw(t, "window to")}
	}
	if rapid.Bool().Draw(t, "by queue") {
		f.Queues = rapid.SliceOfN(rapid.SampledFrom([]string{"sales", "Verkauf", "support", "NONE", "nowhere"}), 0, 2).Draw(t, "queues")
	}
	if rapid.Bool().Draw(t, "by agent") {
		f.Agents = rapid.SliceOfN(rapid.SampledFrom([]string{"Iva Moss", "aa Iva", "Bob", "PJSIP/204", "NONE"}), 0, 2).Draw(t, "agents")
	}
	return f
}

// The reference: as plain as can be, from the passages themselves.

func listed(list []string, key, shown string) bool {
	return len(list) == 0 || slices.Contains(list, key) || slices.Contains(list, shown)
}

func granted(who reports.Scope, queue, agent string) bool {
	if who.All {
		return true
	}
	if len(who.Queues) == 0 && len(who.Agents) == 0 {
		return false
	}
	return (len(who.Queues) == 0 || slices.Contains(who.Queues, queue)) && (len(who.Agents) == 0 || slices.Contains(who.Agents, agent))
}

func (b *booth) called(key string) string {
	if shown := b.memory.named[key]; shown != "" {
		return shown
	}
	return key
}

func (b *booth) inTime(f reports.Filter, micros int64) bool {
	moment := time.UnixMicro(micros)
	if moment.Before(f.From) || !moment.Before(f.To) {
		return false
	}
	h, m, s := moment.In(b.zone).Clock()
	second := h*3600 + m*60 + s
	switch w := f.Window; {
	case w == reports.Window{}:
		return true
	case w.From <= w.To:
		return w.From <= second && second <= w.To
	default:
		return second >= w.From || second <= w.To
	}
}

// each hands over all passages that are over and meant, with their calls, by their moments.
func (b *booth) each(who reports.Scope, f reports.Filter, each func(c *queues.Call, p *queues.Passage)) {
	for _, c := range b.memory.calls() {
		for i := range c.Passages {
			p := &c.Passages[i]
			if !p.Outcome.Open() && granted(who, p.Queue, p.Agent) && b.inTime(f, p.Moment()) &&
				listed(f.Queues, p.Queue, b.called(p.Queue)) && listed(f.Agents, p.Agent, b.called(p.Agent)) {
				each(&c, p)
			}
		}
	}
}

func (b *booth) figures(who reports.Scope, f reports.Filter, by reports.By) map[string]reports.Figures {
	all := map[string]reports.Figures{}
	key := func(queue, agent string, micros int64) string {
		moment := time.UnixMicro(micros).In(b.zone)
		switch by {
		case reports.ByAll:
			return "all"
		case reports.ByQueue:
			return queue
		case reports.ByAgent:
			return agent
		case reports.ByHour:
			return moment.Format("15")
		case reports.ByWeekday:
			return fmt.Sprint((int(moment.Weekday())+6)%7 + 1)
		case reports.ByDay:
			return moment.Format(time.DateOnly)
		default:
			return moment.Format("2006-01")
		}
	}
	b.each(who, f, func(c *queues.Call, p *queues.Passage) {
		k := key(p.Queue, p.Agent, p.Moment())
		switch by {
		case reports.ByOutcome:
			k = p.Outcome.String()
		case reports.ByURL:
			k = p.URL
		case reports.ByDID:
			k = c.DID
		default:
		}
		g := all[k]
		g.Facts.Add(p)
		g.Waits.AddItem(&queues.Item{Outcome: p.Outcome, Wait: p.Wait})
		all[k] = g
	})
	if by == reports.ByOutcome || by == reports.ByURL || by == reports.ByDID {
		return all
	}
	for _, c := range b.memory.calls() {
		for _, n := range c.NoAnswers {
			if granted(who, n.Queue, n.Agent) && b.inTime(f, n.At) && listed(f.Queues, n.Queue, b.called(n.Queue)) && listed(f.Agents, n.Agent, b.called(n.Agent)) {
				g := all[key(n.Queue, n.Agent, n.At)]
				g.Facts.NoAnswers++
				g.Facts.NoAnswerMS += n.Millis
				all[key(n.Queue, n.Agent, n.At)] = g
			}
		}
	}
	return all
}

// pack packs what there is to pack, some of it, or nothing; and perhaps somebody breaks a day.
func (b *booth) pack(t *rapid.T) {
	packer := reports.Packer{Keeper: b.memory, Location: b.zone, Now: func() time.Time { return b.now }}
	if _, err := packer.Pack(t.Context(), "me", rapid.SampledFrom([]int{0, 1, 3, 100}).Draw(t, "packed")); err != nil {
		t.Fatal(err)
	}
	for key, data := range b.memory.days {
		switch rapid.IntRange(0, 9).Draw(t, "lost") {
		case 0:
			delete(b.memory.days, key)
		case 1:
			b.memory.days[key] = data[:len(data)-1]
		}
	}
}

// TestFigures: from packed days, from rows, and from both together, all figures are those of the passages themselves.
func TestFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		b.pack(t)
		s := service(b.memory, b.zone)
		for range 3 {
			who, f := drawScope(t), b.drawFilter(t)
			for _, by := range []reports.By{
				reports.ByAll, reports.ByQueue, reports.ByAgent, reports.ByHour, reports.ByWeekday, reports.ByDay, reports.ByMonth, reports.ByOutcome, reports.ByURL, reports.ByDID,
			} {
				got, err := s.Figures(t.Context(), who, f, by)
				if err != nil {
					t.Fatal(err)
				}
				want := b.figures(who, f, by)
				keys := slices.Sorted(maps.Keys(want))
				if len(got) != len(keys) {
					t.Fatalf("by %s of %+v: %d, want %d %v", by, f, len(got), len(keys), keys)
				}
				for i, key := range keys {
					shown := key
					if by == reports.ByQueue || by == reports.ByAgent {
						shown = b.called(key)
					}
					w := want[key]
					if got[i].Key != key || got[i].Shown != shown || got[i].Facts != w.Facts || !slices.Equal(got[i].Waits.Steps(), w.Waits.Steps()) {
						t.Fatalf("by %s of %+v: %+v, want %s %+v", by, f, got[i], key, w)
					}
					if err := got[i].Facts.Check(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// TestRows: lists are the passages themselves, too.
func TestRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		s := service(b.memory, b.zone)
		who, f := drawScope(t), b.drawFilter(t)
		for _, answered := range []bool{true, false} {
			rows, err := s.Rows(t.Context(), who, f, answered)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			b.each(who, f, func(c *queues.Call, p *queues.Passage) {
				if (p.Outcome == queues.Answered) == answered {
					want = append(want, fmt.Sprint(p.Moment(), c.ID, p.Queue, b.called(p.Queue), p.Agent, b.called(p.Agent), p.Caller, p.End, p.Wait, p.Ring, p.Talk, p.URL, c.DID))
				}
			})
			for i, r := range rows {
				if i > 0 && rows[i-1].At > r.At {
					t.Fatal("not in order")
				}
				got = append(got, fmt.Sprint(r.At, r.CallID, r.QueueKey, r.QueueShown, r.AgentKey, r.AgentShown, r.Caller, r.End, r.Wait, r.Ring, r.Talk, r.URL, r.DID))
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// TestSearch: calls are found by what somebody may see of them.
func TestSearch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		s := service(b.memory, b.zone)
		who := drawScope(t)
		w := reports.Search{Filter: b.drawFilter(t)}
		draw := func(text *string, of ...string) {
			*text = rapid.SampledFrom(append(of, "", "", "")).Draw(t, "looked for")
		}
		draw(&w.Caller, "555", "anonymous")
		draw(&w.URL, "http://a")
		draw(&w.Tag, "gold", "Sale")
		draw(&w.DID, "100")
		if calls := b.memory.calls(); len(calls) > 0 && rapid.IntRange(0, 9).Draw(t, "by id") == 0 {
			w.ID = calls[0].ID
		}
		w.Talk = rapid.SampledFrom([]reports.Seconds{{}, {}, {Min: 10}, {Max: 60}, {Min: 10, Max: 60}}).Draw(t, "talk")
		w.Wait = rapid.SampledFrom([]reports.Seconds{{}, {}, {Min: 15}, {Min: 16, Max: 90}}).Draw(t, "wait")
		found, err := s.Search(t.Context(), who, w)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, c := range b.memory.calls() {
			if text, ok := b.found(who, &w, &c); ok {
				want = append(want, text)
			}
		}
		for i, c := range found {
			if i > 0 && found[i-1].Start > c.Start {
				t.Fatal("not in order")
			}
			got = append(got, fmt.Sprint(c.Start, c.ID, c.Queue, c.QueueShown, c.Agent, c.AgentShown, c.Wait, c.Waits, c.Talk, c.Final, len(c.Passages), c.Tag, c.URL))
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v\n%+v\n%s", who, w, diff)
		}
	})
}

// found is the part of a call that somebody may see, if it is looked for.
func (b *booth) found(who reports.Scope, w *reports.Search, c *queues.Call) (string, bool) {
	var seen []queues.Passage
	tags := ""
	for _, p := range c.Passages {
		if p.Tag != "" {
			tags = p.Tag
		}
		if granted(who, p.Queue, p.Agent) {
			seen = append(seen, p)
		}
	}
	if len(seen) == 0 || c.Open() {
		return "", false
	}
	start, tag := c.Start, c.Tag
	if seen[0].Entered != c.Passages[0].Entered {
		start = seen[0].Entered
	}
	if len(seen) < len(c.Passages) && tag == tags { // of a passage, not of the call
		tag = ""
		for _, p := range seen {
			if p.Tag != "" {
				tag = p.Tag
			}
		}
	}
	caller, url, agent := "", "", "NONE"
	waits, talk := int64(0), int64(0)
	queue, connected := len(w.Queues) == 0, len(w.Agents) == 0
	for _, p := range seen {
		caller, url = firstOf(caller, p.Caller), firstOf(url, p.URL)
		waits += p.Wait
		talk += p.Talk
		queue = queue || listed(w.Queues, p.Queue, b.called(p.Queue))
		if p.Connected != 0 {
			agent = p.Agent
			connected = connected || listed(w.Agents, p.Agent, b.called(p.Agent))
		}
	}
	last := seen[len(seen)-1]
	connected = connected || agent == "NONE" && slices.Contains(w.Agents, "NONE")
	within := func(s reports.Seconds, n int64) bool { return n >= s.Min && (s.Max == 0 || n <= s.Max) }
	ok := b.inTime(w.Filter, start) && queue && connected && strings.Contains(caller, w.Caller) && (w.ID == "" || c.ID == w.ID) &&
		(w.URL == "" || w.URL == url) && (w.Tag == "" || w.Tag == tag) && (w.DID == "" || w.DID == c.DID) && within(w.Talk, talk) && within(w.Wait, last.Wait)
	return fmt.Sprint(start, c.ID, last.Queue, b.called(last.Queue), agent, b.called(agent), last.Wait, waits, talk, last.End, len(seen), tag, url), ok
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestTodayCounts: today is what began, was connected or ended since midnight.
func TestTodayCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		s := service(b.memory, b.zone)
		got, err := s.Today(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		byAgent, err := s.TodayByAgent(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want, each := map[string]queues.Facts{}, map[string]map[string]queues.Facts{}
		add := func(queue, agent string, micros int64, f queues.Facts) {
			if time.UnixMicro(micros).In(b.zone).Format(time.DateOnly) == b.now.In(b.zone).Format(time.DateOnly) {
				sum := want[queue]
				sum.Merge(&f)
				want[queue] = sum
				if each[queue] == nil {
					each[queue] = map[string]queues.Facts{}
				}
				one := each[queue][agent]
				one.Merge(&f)
				each[queue][agent] = one
			}
		}
		for _, c := range b.memory.calls() {
			for i := range c.Passages {
				var f queues.Facts
				f.Add(&c.Passages[i])
				add(c.Passages[i].Queue, c.Passages[i].Agent, c.Passages[i].Moment(), f)
			}
			for _, n := range c.NoAnswers {
				add(n.Queue, n.Agent, n.At, queues.Facts{NoAnswers: 1, NoAnswerMS: n.Millis})
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(each, byAgent); diff != "" {
			t.Fatal(diff)
		}
	})
}
