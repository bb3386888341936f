package reports

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"talktime/queues"
)

// Service answers for a site. It is safe for use by many goroutines, and may not be copied.
type Service struct {
	Keeper     Keeper
	Recordings Recordings     // nil: none
	Outbound   Outbound       // nil: nobody knows whom we called
	Location   *time.Location // of days and of the clock on the wall
	Now        func() time.Time
	Log        *slog.Logger // nil: nobody reads it

	today   today
	unnamed atomic.Value // string: why the names of recordings were not found last
}

// Scope is what somebody may see: all, or the queues and agents that he was granted. A list that is empty does not restrict, unless
// both are: then there is nothing to see. With agents, what nobody was connected to is not seen, unless None is one of them.
type Scope struct {
	All    bool
	Queues []string // names as the log has them
	Agents []string // as queues.AgentKey has them
}

// SeesQueue tells whether somebody may see a queue, by its name in the log.
func (w Scope) SeesQueue(key string) bool { return w.All || !w.nothing() && among(w.Queues, key) }

// SeesAgent tells whether somebody may see an agent, by the name in the log without what differs from call to call (queues.AgentKey).
func (w Scope) SeesAgent(key string) bool { return w.All || !w.nothing() && among(w.Agents, key) }

// sees tells whether somebody may see what was counted of a queue and an agent.
func (w Scope) sees(queue, agent string) bool { return w.SeesQueue(queue) && w.SeesAgent(agent) }

func (w Scope) nothing() bool { return !w.All && len(w.Queues) == 0 && len(w.Agents) == 0 }

// among tells whether a name is one of those of a list; an empty list does not restrict.
func among(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// Filter says which passages are meant: those whose Moment is in a range, at certain times of the day, of some queues and agents.
type Filter struct {
	From, To time.Time // included, excluded
	Window   Window
	Queues   []string // names as the log has them; nil: all
	Agents   []string
}

// Window is a part of each day, by the clock on the wall, in seconds since midnight, both included. From above To goes over midnight.
// The zero value, and 0 to 86399, is the whole day.
type Window struct{ From, To int }

// Errors that are for whoever asks.
var (
	ErrUnknownReport = errors.New("unknown report")
	ErrTooMany       = errors.New("narrow the range") // more than MaxRows
	ErrNotFound      = errors.New("no such call, queue or agent")
)

// Names are the queues and the agents that somebody may see, in the order of what they are called. Who was granted queues only sees the
// agents of these, and who was granted agents only the queues of those. None is among them for those who may see all, or were granted it
// by that name.
func (s *Service) Names(ctx context.Context, who Scope) (queueNames, agentNames []queues.Name, err error) {
	names, err := s.Keeper.QueueNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		switch {
		case n.Agent && who.SeesAgent(n.Key) && (n.Key != queues.None || who.All || slices.Contains(who.Agents, n.Key)):
			agentNames = append(agentNames, n)
		case !n.Agent && who.SeesQueue(n.Key) && (n.Key != queues.None || who.All || slices.Contains(who.Queues, n.Key)):
			queueNames = append(queueNames, n)
		}
	}
	if !who.All && !who.nothing() {
		pairs, err := s.Keeper.QueueAgents(ctx)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case len(who.Agents) == 0:
			agentNames = beside(queueNames, 0, agentNames, pairs)
		case len(who.Queues) == 0:
			queueNames = beside(agentNames, 1, queueNames, pairs)
		}
	}
	slices.SortFunc(queueNames, byShown)
	slices.SortFunc(agentNames, byShown)
	return queueNames, agentNames, nil
}

// beside are those others that belong to one of the granted, whose numbers are at a side of the pairs.
func beside(granted []queues.Name, side int, others []queues.Name, pairs [][2]int32) []queues.Name {
	seen, belongs := map[int32]bool{}, map[int32]bool{}
	for _, n := range granted {
		seen[n.ID] = true
	}
	for _, p := range pairs {
		if seen[p[side]] {
			belongs[p[1-side]] = true
		}
	}
	return slices.DeleteFunc(others, func(n queues.Name) bool { return !belongs[n.ID] })
}

func byShown(a, b queues.Name) int {
	if c := strings.Compare(a.Shown, b.Shown); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
