// Package reports answers questions about queues and agents from what was stored of the queue_log. It is the one place where their
// figures come from: the kept interface, our own and the page translate.
package reports

import (
	"context"
	"time"

	"talktime/queues"
)

// Keeper has what was stored. Times are microseconds since 1970, from included, to excluded.
type Keeper interface {
	// QueueNames are all queues and agents, None among them.
	QueueNames(ctx context.Context) ([]queues.Name, error)
	// QueueAgents are the numbers of queues and agents that belong together, a queue and an agent each: the log named both in one line of
	// a call, or of an agent's session or pause. None as an agent belongs to every queue that somebody entered.
	QueueAgents(ctx context.Context) ([][2]int32, error)
	// QueueItems hands over what is counted of a range, in no order. The item is valid until the next.
	QueueItems(ctx context.Context, from, to int64, each func(*queues.Item) error) error
	// QueueDays hands over the packed days (see queues.Day) that there are in a range, in their order; first to before end, in days since
	// 1970 by the clock of a zone.
	QueueDays(ctx context.Context, zone string, first, end int, each func(day int, data []byte) error) error
	// QueueDetails hands over passages that are over, by Moment, in its order. Nil lists are no restriction. The detail is valid until the next.
	QueueDetails(ctx context.Context, from, to int64, queueIDs, agentIDs []int32, each func(*queues.Detail) error) error
	// QueueCalls hands over the lines of calls (Event.AppendTo, each with a line end) in the order of their first events; at least those
	// that are wanted, perhaps others: the caller puts them together and looks. Both are valid until the next.
	QueueCalls(ctx context.Context, w queues.Wanted, each func(id string, lines []byte) error) error
	// OpenQueueCalls hands over the lines of all calls that still go on, in no order.
	OpenQueueCalls(ctx context.Context, each func(id string, lines []byte) error) error
	// QueueCall is the lines of one call; nil if there is none.
	QueueCall(ctx context.Context, id string) ([]byte, error)
	// QueueRestart is when Asterisk last started, by the log; 0: it does not say.
	QueueRestart(ctx context.Context) (int64, error)
	// AgentEvents hands over the events that make sessions and pauses (queues.Kind.OfAgent), and every QUEUESTART, by their time. The
	// event is valid until the next.
	AgentEvents(ctx context.Context, from, to int64, each func(*queues.Event) error) error
	// QueueMembers are the names of members by their interfaces, both as queues.AgentKey has them, as Asterisk said last.
	QueueMembers(ctx context.Context) (map[string]string, error)
	// QueueChange is a number that another one takes the place of whenever something is stored.
	QueueChange(ctx context.Context) (int64, error)
}

// Recordings finds the files in which calls were recorded.
type Recordings interface {
	// Recordings are the names of files by the unique ids of calls; those of calls between two times that have one.
	Recordings(ctx context.Context, ids []string, from, to time.Time) (map[string]string, error)
}
