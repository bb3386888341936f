package reports_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
)

// memory keeps a log in memory, in the simplest way: whatever is asked, all calls are put together again.
type memory struct {
	mu     sync.Mutex
	events []queues.Event
	named  map[string]string // what queues and agents are called
	phones map[string]string // whose they are
	days   map[string][]byte // by zone and day
	now    func() time.Time
	change int64
	asked  map[string]int

	// What the calls come to, made again when there are more events or it is later.
	made struct {
		change  int64
		at      time.Time
		calls   []queues.Call
		details []queues.Detail
		names   []queues.Name
	}
}

func newMemory(now func() time.Time, lines ...string) *memory {
	m := &memory{named: map[string]string{}, days: map[string][]byte{}, now: now, asked: map[string]int{}}
	m.add(lines...)
	return m
}

func (m *memory) add(lines ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var p queues.Parser
	for _, line := range lines {
		e, err := p.Parse(line)
		if err != nil {
			panic(err)
		}
		m.events = append(m.events, e)
	}
	m.change++
}

// locked counts what is asked, and lets nobody else in.
func (m *memory) locked(what string) func() {
	m.mu.Lock()
	m.asked[what]++
	return m.mu.Unlock
}

func (m *memory) make() {
	if m.made.calls != nil && m.made.change == m.change && m.made.at.Equal(m.now()) {
		return
	}
	m.made.change, m.made.at = m.change, m.now()
	m.made.names, m.made.calls = m.makeNames(), m.makeCalls()
	m.made.details = m.makeDetails()
}

func (m *memory) calls() []queues.Call     { m.make(); return m.made.calls }
func (m *memory) details() []queues.Detail { m.make(); return m.made.details }

func (m *memory) names() []queues.Name {
	m.make()
	for i := range m.made.names {
		n := &m.made.names[i]
		if n.Shown = m.named[n.Key]; n.Shown == "" {
			n.Shown = n.Key
		}
	}
	return m.made.names
}

func (m *memory) makeCalls() []queues.Call {
	var ids []string
	events, restart := map[string][]queues.Event{}, int64(0)
	for _, e := range m.events {
		switch {
		case e.Kind == queues.QueueStart:
			restart = max(restart, e.At)
		case e.CallID != queues.None && !e.Kind.OfAgent():
			if events[e.CallID] == nil {
				ids = append(ids, e.CallID)
			}
			events[e.CallID] = append(events[e.CallID], e)
		}
	}
	start := queues.Event{At: restart, Kind: queues.QueueStart, Name: "QUEUESTART", CallID: "NONE", Queue: "NONE", Agent: "NONE"}
	calls := []queues.Call{}
	for _, id := range ids {
		calls = append(calls, queues.Assemble(append(slices.Clone(events[id]), start), m.now()))
	}
	slices.SortStableFunc(calls, func(a, b queues.Call) int { return cmp.Compare(a.Start, b.Start) })
	return calls
}

func (m *memory) makeNames() []queues.Name {
	var names []queues.Name
	numbers := map[bool]int32{}
	known := map[string]bool{}
	for _, e := range m.events {
		for agent, key := range map[bool]string{false: e.Queue, true: queues.AgentKey(e.Agent)} {
			if known[fmt.Sprint(agent, key)] {
				continue
			}
			known[fmt.Sprint(agent, key)] = true
			numbers[agent]++
			names = append(names, queues.Name{Agent: agent, ID: numbers[agent], Key: key})
		}
	}
	return names
}

func (m *memory) number(agent bool, key string) int32 {
	for _, n := range m.names() {
		if n.Agent == agent && n.Key == key {
			return n.ID
		}
	}
	panic("no such name: " + key)
}

func (m *memory) makeDetails() []queues.Detail {
	ids := map[queues.Name]int32{}
	for _, n := range m.made.names {
		ids[queues.Name{Agent: n.Agent, Key: n.Key}] = n.ID
	}
	var all []queues.Detail
	for _, c := range m.made.calls {
		for i, p := range c.Passages {
			if p.Outcome.Open() {
				continue
			}
			all = append(all, queues.Detail{Item: queues.Item{
				At: p.Moment(), Queue: ids[queues.Name{Key: p.Queue}], Agent: ids[queues.Name{Agent: true, Key: p.Agent}],
				Outcome: p.Outcome, End: p.End, Wait: p.Wait, Ring: p.Ring, Talk: p.Talk, URL: p.URL, DID: c.DID,
			}, CallID: c.ID, Number: i, Entered: p.Entered, Ended: p.Ended, Caller: p.Caller, Key: p.Key, Left: p.Left})
		}
		for _, n := range c.NoAnswers {
			all = append(all, queues.Detail{Item: queues.Item{
				At: n.At, Queue: ids[queues.Name{Key: n.Queue}], Agent: ids[queues.Name{Agent: true, Key: n.Agent}], NoAnswer: true, Millis: n.Millis,
			}})
		}
	}
	slices.SortStableFunc(all, func(a, b queues.Detail) int { return cmp.Compare(a.At, b.At) })
	return all
}

func (m *memory) QueueNames(context.Context) ([]queues.Name, error) {
	defer m.locked("names")()
	return m.names(), nil
}

func (m *memory) QueueAgents(context.Context) ([][2]int32, error) {
	defer m.locked("pairs")()
	pairs := map[[2]int32]bool{}
	for _, e := range m.events {
		switch {
		case e.Kind.OfAgent() && (e.Queue == queues.None || e.Agent == queues.None):
		case e.Kind.OfAgent() || e.Kind.OfCall():
			pairs[[2]int32{m.number(false, e.Queue), m.number(true, queues.AgentKey(e.Agent))}] = true
		}
	}
	return slices.Collect(maps.Keys(pairs)), nil
}

func (m *memory) QueueItems(_ context.Context, from, to int64, each func(*queues.Item) error) error {
	defer m.locked("items")()
	for _, d := range m.details() {
		if d.At >= from && d.At < to {
			m.asked["item"]++
			if err := each(&d.Item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) QueueDays(_ context.Context, zone string, first, end int, each func(day int, data []byte) error) error {
	defer m.locked("days")()
	for day := first; day < end; day++ {
		if data := m.days[fmt.Sprint(zone, day)]; data != nil {
			m.asked["day"]++
			if err := each(day, data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) QueueDetails(_ context.Context, from, to int64, queueIDs, agentIDs []int32, each func(*queues.Detail) error) error {
	defer m.locked("details")()
	for _, d := range m.details() {
		if d.NoAnswer || d.At < from || d.At >= to || queueIDs != nil && !slices.Contains(queueIDs, d.Queue) || agentIDs != nil && !slices.Contains(agentIDs, d.Agent) {
			continue
		}
		if err := each(&d); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) lines(id string) []byte {
	var b []byte
	for _, e := range m.events {
		if e.CallID == id {
			b = append(e.AppendTo(b), '\n')
		}
	}
	return b
}

// QueueCalls hands over what is wanted and no more: what is forgotten to be asked for is missed.
func (m *memory) QueueCalls(_ context.Context, w queues.Wanted, each func(id string, lines []byte) error) error {
	defer m.locked("calls")()
	ids := func(agent bool, numbers []int32) func(key string) bool {
		return func(key string) bool { return slices.Contains(numbers, m.number(agent, key)) }
	}
	for _, c := range m.calls() {
		queue, agent := ids(false, w.Queues), ids(true, w.Agents)
		switch {
		case c.Start < w.From || c.Start >= w.To || w.ID != "" && c.ID != w.ID || !w.Open && c.Open():
		case w.Queues != nil && !slices.ContainsFunc(c.Passages, func(p queues.Passage) bool { return queue(p.Queue) }):
		case w.Agents != nil && !slices.ContainsFunc(c.Passages, func(p queues.Passage) bool { return p.Connected != 0 && agent(p.Agent) }):
		case !strings.Contains(c.Caller, w.Caller) || w.URL != "" && c.URL != w.URL || w.Tag != "" && c.Tag != w.Tag || w.DID != "" && c.DID != w.DID:
		case c.Talk < w.MinTalk:
		default:
			lines := m.lines(c.ID)
			if err := each(c.ID, lines); err != nil {
				return err
			}
			clear(lines)
		}
	}
	return nil
}

func (m *memory) OpenQueueCalls(_ context.Context, each func(id string, lines []byte) error) error {
	defer m.locked("open")()
	for _, c := range m.calls() {
		if c.Open() {
			if err := each(c.ID, m.lines(c.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) QueueCall(_ context.Context, id string) ([]byte, error) {
	defer m.locked("call")()
	return m.lines(id), nil
}

func (m *memory) QueueRestart(context.Context) (int64, error) {
	defer m.locked("restart")()
	restart := int64(0)
	for _, e := range m.events {
		if e.Kind == queues.QueueStart {
			restart = max(restart, e.At)
		}
	}
	return restart, nil
}

func (m *memory) AgentEvents(_ context.Context, from, to int64, each func(*queues.Event) error) error {
	defer m.locked("agents")()
	sorted := slices.SortedStableFunc(slices.Values(m.events), func(a, b queues.Event) int { return cmp.Compare(a.At, b.At) })
	for _, e := range sorted {
		if e.At >= from && e.At < to && (e.Kind.OfAgent() || e.Kind == queues.QueueStart) {
			if err := each(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) QueueMembers(context.Context) (map[string]string, error) {
	defer m.locked("members")()
	return m.phones, nil
}

func (m *memory) QueueChange(context.Context) (int64, error) {
	defer m.locked("change")()
	return m.change, nil
}

func (m *memory) UnpackedQueueDay(_ context.Context, zone string, from, to int64) (int64, error) {
	defer m.locked("unpacked")()
	for _, d := range m.details() {
		packed := false
		for key, data := range m.days {
			first, end, err := queues.DayRange(data)
			packed = packed || err == nil && strings.HasPrefix(key, zone) && d.At >= first && d.At < end
		}
		if d.At >= from && d.At < to && !packed {
			return d.At, nil
		}
	}
	return 0, nil
}

func (m *memory) PackQueueDay(_ context.Context, _, zone string, day int, from, to int64, pack func(items []queues.Item) []byte) error {
	defer m.locked("pack")()
	var items []queues.Item
	for _, d := range m.details() {
		if d.At >= from && d.At < to {
			items = append(items, d.Item)
		}
	}
	m.days[fmt.Sprint(zone, day)] = bytes.Clone(pack(items))
	return nil
}

// service answers from a log, at a time.
func service(m *memory, zone *time.Location) *reports.Service {
	return &reports.Service{Keeper: m, Location: zone, Now: m.now}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// at is a time on a clock: 2027-06-09 08:15:28.
func at(t testing.TB, zone *time.Location, text string) time.Time {
	t.Helper()
	moment, err := time.ParseInLocation(time.DateTime, text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}
