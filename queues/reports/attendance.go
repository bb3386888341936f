package reports

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"talktime/queues"
)

// AgentTime is how long an agent was there.
type AgentTime struct {
	Key, Shown string
	queues.Attendance
	Facts queues.Facts // what was counted of the agent meanwhile
}

// How much of the log of agents is in memory at once.
const (
	maxPending = 50_000    // events not yet read into sessions
	maxSpans   = 1_000_000 // sessions and pauses in the range
)

// Attendance is sessions and pauses of agents in a range (the window does not count), up to now, in the order of their names. Of queues that are
// not meant there is nothing in it; sessions and pauses for all queues count. Who was neither there nor called is not in the list.
// ErrTooMany if there are more than a million sessions and pauses.
//
// Sessions of a telephone count for its owner, when it is shown under the name that he has in the log, or else when Asterisk says whose
// it is: as it is set up at first, the log names the telephone where a member is added, and the member where he makes a pause.
//
// The whole log of agents before the end of the range is read: somebody may have logged in years ago.
func (s *Service) Attendance(ctx context.Context, who Scope, f Filter) ([]AgentTime, error) {
	if now := s.Now(); f.To.After(now) {
		f.To = now
	}
	f.Window = Window{}
	v, err := s.view(ctx, who, f)
	if err != nil {
		return nil, err
	}
	if v.agents.members, err = s.Keeper.QueueMembers(ctx); err != nil {
		return nil, err
	}
	counted, err := s.figures(ctx, v, ByAgent, false)
	if err != nil || who.nothing() || v.from >= v.to {
		return nil, err
	}
	all := map[string]*AgentTime{}
	agent := func(key string) *AgentTime {
		if all[key] == nil {
			all[key] = &AgentTime{Key: key, Shown: v.agents.called(key)}
		}
		return all[key]
	}
	for i := range counted {
		if counted[i].Key != queues.None {
			agent(v.agents.person(counted[i].Key)).Facts.Merge(&counted[i].Facts)
		}
	}
	_, seen, err := s.Names(ctx, who)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(seen)) // sessions for all queues do not tell whose agent somebody is
	for _, n := range seen {
		known[n.Key] = true
	}
	roll := rollCall{view: v, agents: map[string]*presence{}}
	roll.meant = func(key string) bool {
		return key != queues.None && who.SeesAgent(key) && (who.All || known[key]) && meant(f.Agents, key, v.agents.called(key))
	}
	if err := s.Keeper.AgentEvents(ctx, 0, v.to, roll.add); err != nil {
		return nil, err
	}
	if err := roll.fold(); err != nil {
		return nil, err
	}
	for key, p := range roll.agents {
		spans := slices.DeleteFunc(append(p.done, p.open...), func(span queues.Span) bool {
			return span.Queue != queues.None && (!who.SeesQueue(span.Queue) || !meant(f.Queues, span.Queue, v.queues.called(span.Queue)))
		})
		there := queues.Attend(spans, v.from, v.to)
		if p.named && (there.Sessions > 0 || there.Pauses > 0 || there.LoggedIn > 0 || there.Paused > 0) {
			agent(key).Attendance = there
		}
	}
	list := make([]AgentTime, 0, len(all))
	for _, a := range all {
		list = append(list, *a)
	}
	slices.SortFunc(list, func(a, b AgentTime) int {
		return cmp.Or(strings.Compare(a.Shown, b.Shown), strings.Compare(a.Key, b.Key))
	})
	return list, nil
}

// rollCall reads the log of all agents. Events wait until there are many, or no more: then they become sessions and pauses.
type rollCall struct {
	view     *view
	meant    func(key string) bool
	agents   map[string]*presence
	restarts []queues.Event // since events were read last
	pending  int
	spans    int
	last     int64
}

// presence is what is known of one agent.
type presence struct {
	named  bool // there is more than PAUSEALL of a telephone of which nobody knows whose it is
	events []queues.Event
	open   []queues.Span
	done   []queues.Span // over, and in the range
}

func (r *rollCall) add(e *queues.Event) error {
	if r.pending >= maxPending && e.At/queues.Second != r.last/queues.Second { // within a second the log does not say what came first
		if err := r.fold(); err != nil {
			return err
		}
	}
	r.last = e.At
	r.pending++
	if e.Kind == queues.QueueStart {
		r.restarts = append(r.restarts, *e)
		return nil
	}
	key := r.view.agents.person(queues.AgentKey(e.Agent))
	if !e.Kind.OfAgent() || !r.meant(key) {
		return nil
	}
	p := r.agents[key]
	if p == nil {
		p = &presence{}
		r.agents[key] = p
	}
	p.named = p.named || e.Kind != queues.PauseAll && e.Kind != queues.UnpauseAll || key != queues.AgentKey(e.Agent)
	p.events = append(p.events, *e)
	return nil
}

// fold makes sessions and pauses of the events that wait.
func (r *rollCall) fold() error {
	for _, p := range r.agents {
		if len(p.events) == 0 && len(p.open) == 0 {
			continue
		}
		spans := queues.Presence(p.open, append(p.events, r.restarts...))
		p.events, p.open = nil, nil
		for _, span := range spans {
			switch {
			case span.To == 0:
				p.open = append(p.open, span)
			case span.To >= r.view.from:
				p.done = append(p.done, span)
				if r.spans++; r.spans > maxSpans {
					return fmt.Errorf("%w: it has more than %d sessions and pauses", ErrTooMany, maxSpans)
				}
			}
		}
	}
	r.restarts, r.pending = nil, 0
	return nil
}
