package reports

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/queues"
)

// MaxRows is how many rows a list has at most.
const MaxRows = 100_000

// Page is a part of a list: so many rows behind so many others. The zero value is all of it, of which there are MaxRows at most.
type Page struct{ Skip, Rows int }

// takes tells whether a row is on the page, by its number from 0.
func (p Page) takes(n int) (bool, error) {
	if p == (Page{}) && n == MaxRows {
		return false, fmt.Errorf("%w: it has more than %d calls", ErrTooMany, MaxRows)
	}
	return p == Page{} || n >= p.Skip && n-p.Skip < p.Rows, nil
}

// cut is what is on the page of a list that is there.
func cut[T any](p Page, list []T) []T {
	if p == (Page{}) {
		return list
	}
	skip := min(p.Skip, len(list))
	return list[skip:min(skip+p.Rows, len(list))]
}

// Row is a passage in a list, with names for people and the recording.
type Row struct {
	queues.Detail
	QueueKey, QueueShown string
	AgentKey, AgentShown string
	Recording            string // name of the file; empty: none is known, or the call passed a queue that may not be seen and that it may name
}

// Search says which calls are looked for: those that go on are none.
type Search struct {
	Filter        // by their first event; the call passed one of the queues, one of the agents was connected
	ID     string // unique id
	Caller string // part of the number
	URL    string
	Tag    string
	DID    string
	Talk   Seconds // of the whole call
	Wait   Seconds // in the last queue
}

// Seconds is a range, both included; the zero value is any. Max 0 is no upper bound, and one below 0 is as good as that of no second at all.
type Seconds struct{ Min, Max int64 }

func (s Seconds) has(n int64) bool { return n >= s.Min && (s.Max == 0 || n <= max(s.Max, 0)) }

// FoundCall is a call that was looked for. Of one that somebody may see in part, it is that part (queues.Call.Only), without the recording:
// its name often has that of the first queue.
type FoundCall struct {
	queues.Call
	QueueShown, AgentShown, Recording string
}

// PageOfRows is a page of the passages that were answered, or of those that were not, by the moment they were connected or ended, and how
// many there are, which may be any number. ErrTooMany for more than MaxRows without a page.
func (s *Service) PageOfRows(ctx context.Context, who Scope, f Filter, answered bool, p Page) (rows []Row, all int, err error) {
	v, err := s.view(ctx, who, f)
	if err != nil {
		return nil, 0, err
	}
	clock := wall{zone: s.Location}
	err = s.details(ctx, v, func(d *queues.Detail) error {
		if (d.Outcome == queues.Answered) != answered || !v.window.has(clock.seconds(d.At)) {
			return nil
		}
		takes, err := p.takes(all)
		all++
		if takes {
			rows = append(rows, v.row(d))
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.At, b.At) })
	partial := s.partial(ctx, who, v, rows)
	names := s.recordings(ctx, len(rows), func(i int) (string, int64, int64) { return rows[i].CallID, rows[i].Entered, rows[i].Ended })
	for i := range rows {
		if !partial(rows[i].CallID) {
			rows[i].Recording = names[rows[i].CallID]
		}
	}
	return rows, all, nil
}

// partial tells of which calls of rows somebody may not see all passages, or it is not known. It reads these calls.
func (s *Service) partial(ctx context.Context, who Scope, v *view, rows []Row) func(id string) bool {
	if who.All || s.Recordings == nil || len(rows) == 0 {
		return func(string) bool { return !who.All }
	}
	whole := make(map[string]bool, len(rows))
	wanted := queues.Wanted{From: rows[0].Entered, To: rows[0].Entered, Open: true}
	for i := range rows {
		whole[rows[i].CallID] = false
		wanted.From, wanted.To = min(wanted.From, rows[i].Entered), max(wanted.To, rows[i].Entered)
	}
	wanted.From, wanted.To = wanted.From-queues.Lifetime.Microseconds(), wanted.To+1
	wanted.Queues, _ = v.queues.ids()
	var events []queues.Event
	err := s.Keeper.QueueCalls(ctx, wanted, func(id string, lines []byte) error {
		if _, meant := whole[id]; meant {
			events = eventsOf(events[:0], string(lines))
			call := queues.Assemble(events, s.Now())
			whole[call.ID] = !slices.ContainsFunc(call.Passages, func(p queues.Passage) bool { return !who.sees(p.Queue, p.Agent) })
		}
		return nil
	})
	if err != nil {
		s.log().Warn("names of recordings are missing in a list of queue calls", "err", err)
		return func(string) bool { return true }
	}
	return func(id string) bool { return !whole[id] }
}

// details hands over the passages of a view, whatever the window is.
func (s *Service) details(ctx context.Context, v *view, each func(*queues.Detail) error) error {
	queueIDs, some := v.queues.ids()
	agentIDs, also := v.agents.ids()
	if v.from >= v.to || !some || !also {
		return nil
	}
	return s.Keeper.QueueDetails(ctx, v.from, v.to, queueIDs, agentIDs, func(d *queues.Detail) error {
		if d.NoAnswer || d.At < v.from || d.At >= v.to || !v.queues.has(d.Queue) || !v.agents.has(d.Agent) {
			return nil
		}
		return each(d)
	})
}

// row is a passage with its names.
func (v *view) row(d *queues.Detail) Row {
	r := Row{Detail: *d}
	r.QueueKey, r.QueueShown = v.queues.key(d.Queue)
	r.AgentKey, r.AgentShown = v.agents.key(d.Agent)
	return r
}

// Search finds calls, in the order of their first events. ErrTooMany for more than MaxRows.
func (s *Service) Search(ctx context.Context, who Scope, w Search) ([]FoundCall, error) {
	found, _, err := s.PageOfSearch(ctx, who, w, Page{})
	return found, err
}

// PageOfSearch is a page of what Search finds, and how many calls that are. There may be any number of them for those who see all; parts
// of calls are put into an order before they are cut into pages, so that others have ErrTooMany here, too.
func (s *Service) PageOfSearch(ctx context.Context, who Scope, w Search, p Page) (found []FoundCall, all int, err error) {
	v, err := s.view(ctx, who, w.Filter)
	if err != nil {
		return nil, 0, err
	}
	wanted, some := v.wanted(who, &w)
	if !some {
		return nil, 0, nil
	}
	restart, err := s.Keeper.QueueRestart(ctx)
	if err != nil {
		return nil, 0, err
	}
	taken := p
	if !who.All {
		taken = Page{}
	}
	partial := map[string]bool{}
	finder := finder{service: s, who: who, view: v, search: &w, restart: restart, now: s.Now(), wall: wall{zone: s.Location}}
	err = s.Keeper.QueueCalls(ctx, wanted, func(_ string, lines []byte) error {
		call, ok := finder.find(lines)
		if !ok {
			return nil
		}
		takes, err := taken.takes(all)
		all++
		if takes {
			partial[call.ID] = finder.partial
			found = append(found, FoundCall{Call: call, QueueShown: v.queues.called(call.Queue), AgentShown: v.agents.called(call.Agent)})
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(found, func(a, b FoundCall) int { return cmp.Compare(a.Start, b.Start) })
	if taken != p {
		found = cut(p, found)
	}
	names := s.recordings(ctx, len(found), func(i int) (string, int64, int64) { return found[i].ID, found[i].Start, found[i].End })
	for i := range found {
		if !partial[found[i].ID] {
			found[i].Recording = names[found[i].ID]
		}
	}
	return found, all, nil
}

// wanted is what is asked of the store; some is false if nothing can be found. Who may see a part of the calls asks for more of them: the
// part has a beginning, sums and texts of its own.
func (v *view) wanted(who Scope, w *Search) (wanted queues.Wanted, some bool) {
	queueIDs, some := v.queues.ids()
	agentIDs, also := v.agents.ids()
	if v.from >= v.to || !some || !also {
		return wanted, false
	}
	for _, id := range agentIDs {
		if key, _ := v.agents.key(id); key == queues.None {
			agentIDs = nil // nobody was connected
			break
		}
	}
	wanted = queues.Wanted{From: v.from, To: v.to, ID: w.ID, Queues: queueIDs, Agents: agentIDs, DID: w.DID}
	if who.All {
		wanted.Caller, wanted.URL, wanted.Tag, wanted.MinTalk = w.Caller, w.URL, w.Tag, w.Talk.Min
	} else {
		wanted.From -= queues.Lifetime.Microseconds()
	}
	return wanted, true
}

// finder looks at calls one by one.
type finder struct {
	service *Service
	who     Scope
	view    *view
	search  *Search
	restart int64
	now     time.Time
	wall    wall
	events  []queues.Event
	partial bool // of the call that was found last there is more than may be seen
}

// find puts a call together and tells whether it is one of those that are looked for.
func (f *finder) find(lines []byte) (queues.Call, bool) {
	f.events = eventsOf(f.events[:0], string(lines))
	f.events = append(f.events, restarted(f.restart))
	call := queues.Assemble(f.events, f.now)
	if len(call.Passages) == 0 || call.Open() {
		return call, false
	}
	if !f.who.All {
		part, some := call.Only(f.who.sees)
		f.partial = len(part.Passages) < len(call.Passages)
		if call = part; !some {
			return call, false
		}
	}
	w, v := f.search, f.view
	switch {
	case call.Start < v.from || call.Start >= v.to || !v.window.has(f.wall.seconds(call.Start)):
	case w.ID != "" && call.ID != w.ID || !strings.Contains(call.Caller, w.Caller):
	case w.URL != "" && call.URL != w.URL || w.Tag != "" && call.Tag != w.Tag || w.DID != "" && call.DID != w.DID:
	case !w.Talk.has(call.Talk) || !w.Wait.has(call.Wait):
	default:
		return call, f.passed(&call)
	}
	return call, false
}

// passed tells whether a call passed one of the queues, and one of the agents was connected.
func (f *finder) passed(call *queues.Call) bool {
	queue := len(f.search.Queues) == 0
	agent := len(f.search.Agents) == 0 || call.Agent == queues.None && meant(f.search.Agents, call.Agent, f.view.agents.called(call.Agent))
	for i := range call.Passages {
		p := &call.Passages[i]
		queue = queue || meant(f.search.Queues, p.Queue, f.view.queues.called(p.Queue))
		agent = agent || p.Connected != 0 && meant(f.search.Agents, p.Agent, f.view.agents.called(p.Agent))
	}
	return queue && agent
}

// restarted is that Asterisk started.
func restarted(at int64) queues.Event {
	return queues.Event{At: at, Kind: queues.QueueStart, CallID: queues.None, Queue: queues.None, Agent: queues.None, Name: "QUEUESTART"}
}

// eventsOf reads the lines of a call as they are stored.
func eventsOf(events []queues.Event, lines string) []queues.Event {
	var p queues.Parser
	for line := range strings.Lines(lines) {
		if e, err := p.Parse(line); err == nil { // it was parsed before it was stored
			events = append(events, e)
		}
	}
	return events
}

// CallEvent is an event of a call.
type CallEvent struct {
	queues.Event
	QueueShown, AgentShown string
}

// Call is all events of a call that somebody may see, in order, with what queues and agents are called; none if there is no such call. A
// call is seen if it passed one of the queues, and was with one of the agents, that somebody was granted; of it the events of those, and
// the events without a queue or an agent.
func (s *Service) Call(ctx context.Context, who Scope, id string) ([]CallEvent, error) {
	if id == "" || id == queues.None || who.nothing() {
		return nil, nil
	}
	lines, err := s.Keeper.QueueCall(ctx, id)
	if err != nil || lines == nil {
		return nil, err
	}
	events := eventsOf(nil, string(lines))
	slices.SortFunc(events, func(a, b queues.Event) int { return queues.Compare(&a, &b) })
	events = slices.Compact(events)
	call := queues.Assemble(slices.Clone(events), s.Now())
	byPassage(events, &call)
	if !who.All {
		queue := slices.ContainsFunc(call.Passages, func(p queues.Passage) bool { return who.SeesQueue(p.Queue) })
		agent := slices.ContainsFunc(call.Passages, func(p queues.Passage) bool { return who.SeesAgent(p.Agent) })
		if !queue || !agent {
			return nil, nil
		}
	}
	v, err := s.view(ctx, Scope{All: true}, Filter{})
	if err != nil {
		return nil, err
	}
	var seen []CallEvent
	for _, e := range events {
		agent := queues.AgentKey(e.Agent)
		if (e.Queue == queues.None || who.SeesQueue(e.Queue)) && (agent == queues.None || who.SeesAgent(agent)) {
			seen = append(seen, CallEvent{Event: e, QueueShown: v.queues.called(e.Queue), AgentShown: v.agents.called(agent)})
		}
	}
	return seen, nil
}

// byPassage puts events of one moment into the order of the passages that they are of. A file does not tell what came first within a second,
// and the end of a passage would else stand behind the beginning of the next one. A call with more events than anybody reads is left as it is.
func byPassage(events []queues.Event, call *queues.Call) {
	if len(events) > maxRead {
		return
	}
	passage := func(e *queues.Event) int {
		return slices.IndexFunc(call.Passages, func(p queues.Passage) bool {
			return p.Queue == e.Queue && e.At <= p.Last && (e.At == p.Entered || e.At > p.Entered && e.Kind != queues.EnterQueue)
		})
	}
	slices.SortStableFunc(events, func(a, b queues.Event) int {
		if a.At != b.At {
			return cmp.Compare(a.At, b.At)
		}
		return cmp.Compare(passage(&a), passage(&b))
	})
}

// maxRead is how many events of a call somebody may want to read.
const maxRead = 1000

// Recordings are asked for in so many calls at a time. A call may have come to its queue a while after it came to Asterisk.
const (
	recordingsAtOnce = 1000
	recordingsBefore = queues.Lifetime
	recordingsAfter  = time.Minute
)

// recordings are the names of files by the ids of calls. Without them a list is still a list: errors are logged.
func (s *Service) recordings(ctx context.Context, n int, call func(i int) (id string, from, to int64)) map[string]string {
	all := map[string]string{}
	if s.Recordings == nil {
		return all
	}
	for at := 0; at < n; at += recordingsAtOnce {
		ids := make([]string, 0, recordingsAtOnce)
		first, last := int64(1<<63-1), int64(0)
		for i := at; i < min(at+recordingsAtOnce, n); i++ {
			id, from, to := call(i)
			ids = append(ids, id)
			first, last = min(first, from), max(last, to)
		}
		slices.Sort(ids)
		found, err := s.Recordings.Recordings(ctx, slices.Compact(ids), time.UnixMicro(first).Add(-recordingsBefore), time.UnixMicro(last).Add(recordingsAfter))
		if before := s.unnamed.Swap(fmt.Sprint(err)); err != nil && before != fmt.Sprint(err) { // not with each list
			s.log().Warn("names of recordings are missing in lists of queue calls", "err", err)
		}
		if err != nil {
			return all
		}
		for id, name := range found {
			all[id] = name
		}
	}
	return all
}
