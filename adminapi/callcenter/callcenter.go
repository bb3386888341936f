package callcenter

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
)

// Service has the figures. It is reports.Service.
type Service interface {
	Names(ctx context.Context, who reports.Scope) (queueNames, agentNames []queues.Name, err error)
	Report(ctx context.Context, who reports.Scope, f reports.Filter, name string) (queues.Table, error)
	PageOfRows(ctx context.Context, who reports.Scope, f reports.Filter, answered bool, p reports.Page) (rows []reports.Row, all int, err error)
	PageOfSearch(ctx context.Context, who reports.Scope, w reports.Search, p reports.Page) (found []reports.FoundCall, all int, err error)
	Call(ctx context.Context, who reports.Scope, id string) ([]reports.CallEvent, error)
}

// API answers one who asks.
type API struct {
	Service  Service
	Realtime *Realtime      // shared by all; nil: nothing is known of how queues are now
	Location *time.Location // of days and of all times
	Now      func() time.Time
	Who      reports.Scope
	Base     string // what stands before /rest/index.php in the path that was asked for
}

// Answer is what is sent back: JSON.
type Answer struct {
	Status  int
	Away    bool // Asterisk is away, so nothing is known of how queues are now
	content func(*writer)
}

// WriteTo writes the body. It implements io.WriterTo.
func (a Answer) WriteTo(to io.Writer) (int64, error) {
	w := &writer{to: to}
	a.content(w)
	w.flush()
	return w.n, w.err
}

// Refusal is the answer that says what is wrong.
func Refusal(status int, what string) Answer {
	return Answer{Status: status, content: func(w *writer) { w.object("error", what) }}
}

func refused(what string) (Answer, error) { return Refusal(http.StatusBadRequest, what), nil }

// Get answers a question: the query of a URL, as it was sent. Errors are those of the service that no client can help, and that of ctx.
func (a API) Get(ctx context.Context, text string) (Answer, error) {
	q := parseQuery(text)
	entity, argument, deeper := strings.Cut(q.one("entity"), "/")
	if q.wrong != "" {
		return refused(q.wrong)
	}
	var answer Answer
	var err error
	switch entity + map[bool]string{true: "/"}[deeper] {
	case "reports":
		answer = listing("report", reportNames)
	case "reports/":
		answer, err = a.report(ctx, &q, argument)
	case "queues", "agents":
		answer, err = a.names(ctx, entity, "")
	case "queues/", "agents/":
		answer, err = a.names(ctx, entity, cmp.Or(argument, "/")) // which is nobody's
	case "call/":
		answer, err = a.call(ctx, argument)
	case "search":
		answer, err = a.search(ctx, &q)
	case "realtime":
		answer, err = a.realtime(ctx, &q)
	default:
		answer = Refusal(http.StatusNotFound, "unknown entity")
	}
	if errors.Is(err, reports.ErrTooMany) {
		return refused(reports.ErrTooMany.Error())
	}
	return answer, err
}

// listing is a list of values under a key each.
func listing(key string, values []string) Answer {
	return Answer{Status: http.StatusOK, content: func(w *writer) {
		w.raw(`{"data":[`)
		for i, v := range values {
			if i > 0 {
				w.raw(",")
			}
			w.object(key, v)
		}
		w.raw("]}")
	}}
}

// names lists queues or agents, with the entry that stands for all of them; or has one of them, by its id.
func (a API) names(ctx context.Context, entity, id string) (Answer, error) {
	names, agents, err := a.Service.Names(ctx, a.Who)
	if err != nil {
		return Answer{}, err
	}
	kind := "queue"
	if entity == "agents" {
		kind, names = "agent", agents
	}
	names = append(slices.Clone(names), queues.Name{ID: -1, Key: "ALL", Shown: "ALL"})
	slices.SortFunc(names, func(a, b queues.Name) int {
		return cmp.Or(strings.Compare(a.Shown, b.Shown), cmp.Compare(a.ID, b.ID))
	})
	if id != "" {
		names = slices.DeleteFunc(names, func(n queues.Name) bool { return number(n.ID) != id })
	}
	status := http.StatusOK
	if len(names) == 0 {
		status = http.StatusNotFound
	}
	return Answer{Status: status, content: func(w *writer) {
		w.raw(`{"data":[`)
		for i, n := range names {
			if i > 0 {
				w.raw(",")
			}
			w.object(kind+"_id", number(n.ID), kind, n.Key, kind+"_name", n.Shown)
		}
		w.raw("]}")
	}}, nil
}

// call is the events of a call.
func (a API) call(ctx context.Context, id string) (Answer, error) {
	odd := func(c rune) bool {
		return !strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-", c)
	}
	if id == "" || len(id) > queues.MaxName || strings.ContainsFunc(id, odd) {
		return refused("the unique id of a call has letters, digits, points, underscores and dashes")
	}
	events, err := a.Service.Call(ctx, a.Who, id)
	if err != nil && !errors.Is(err, reports.ErrNotFound) {
		return Answer{}, err
	}
	pages := "1"
	if len(events) == 0 {
		pages = "0"
	}
	return Answer{Status: http.StatusOK, content: func(w *writer) {
		w.raw("{")
		w.pairs("totalpages", pages, "currpage", "1", "totalrecords", number(len(events)))
		w.raw(`,"data":[`)
		for i := range events {
			if i > 0 {
				w.raw(",")
			}
			e := &events[i]
			w.object("id", number(i+1), "uniqueid", e.CallID, "datetime", a.stamp(e.At, time.DateTime), "queue", e.Queue, "agent", e.Agent, "event", e.Name,
				"info1", e.Params[0], "info2", e.Params[1], "info3", e.Params[2], "info4", e.Params[3], "info5", e.Params[4],
				"agentName", e.AgentShown, "queueName", e.QueueShown)
		}
		w.raw("]}")
	}}, nil
}

// stamp writes a time, in microseconds since 1970.
func (a API) stamp(at int64, layout string) string {
	return time.UnixMicro(at).In(a.Location).Format(layout)
}
