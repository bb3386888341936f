package adminapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/queues"
	"talktime/queues/reports"
	"talktime/stats"
)

// QueueNames give queues and agents the names by which people know them.
type QueueNames interface {
	// RenameQueue and RenameAgent are models.ErrNotFound for what there is not. An empty name is that of the log.
	RenameQueue(ctx context.Context, id int32, shown, actor string) (queues.Name, error)
	RenameAgent(ctx context.Context, id int32, shown, actor string) (queues.Name, error)
}

// queueSLA is within how many seconds callers are to be connected, unless somebody says otherwise.
const queueSLA = 20

// secondsOfDay is how many seconds a day has on the wall.
const secondsOfDay = 24 * 60 * 60

// wholeDay is a window that leaves nothing out.
var wholeDay = reports.Window{From: 0, To: secondsOfDay - 1}

// maxQueueNames is how many queues or agents a request may name.
const maxQueueNames = 1000

// ofQueues reports whether the route counts what happened in queues, which may take long.
func (route Route) ofQueues() bool {
	switch strings.TrimPrefix(route.Path, "/api/queues/") {
	case "summary", "waits", "agents/times", "calls", "abandoned":
		return true
	}
	return false
}

// queueQuery is what a request asks of the statistics of queues.
type queueQuery struct {
	statQuery

	who    reports.Scope
	filter reports.Filter
}

// queueStatistics makes a handler of figures of queues, which has its turn with those of other statistics.
func queueStatistics(handle func(*request, queueQuery) error) handler {
	return statistics(func(r *request) error {
		q, err := r.queueQuery()
		if err != nil {
			return err
		}
		return aboutQueues(handle(r, q))
	})
}

// aboutQueues says what of a question is wrong.
func aboutQueues(err error) error {
	switch {
	case errors.Is(err, reports.ErrTooMany):
		return badRequest("there are more than " + strconv.Itoa(reports.MaxRows) + " calls; ask for a shorter time")
	case errors.Is(err, reports.ErrNotFound):
		return failure{status: http.StatusNotFound}
	}
	return err
}

// ownScope is what whoever asks may see. People who were granted nothing of the queues are told so.
func (r *request) ownScope() (reports.Scope, error) {
	who, err := r.queueScope()
	if err == nil && !who.All && len(who.Queues) == 0 && len(who.Agents) == 0 {
		err = refused(http.StatusForbidden, "Forbidden: no queue and no agent was granted to you")
	}
	return who, err
}

// queueZone is the zone of days and of the clock on the wall.
func (r *request) queueZone() *time.Location { return cmp.Or(r.api.Queues.Location, r.api.Location) }

// queueQuery reads what all statistics of queues take. Their days are those of the server alone.
func (r *request) queueQuery() (q queueQuery, err error) {
	if q.who, err = r.ownScope(); err != nil {
		return q, err
	}
	q.Location = r.queueZone()
	if err = r.statTime(&q.Query); err != nil {
		return q, err
	}
	if q.format, err = among(r, "format", "json", "csv", "xlsx"); err != nil {
		return q, err
	}
	if q.limit, err = r.statLimit(statRows); err != nil {
		return q, err
	}
	q.filter.From, q.filter.To = q.From, q.To
	if q.filter.Window, err = r.queueWindow(); err != nil {
		return q, err
	}
	if q.filter.Queues, err = r.nameList("queue"); err != nil {
		return q, err
	}
	q.filter.Agents, err = r.nameList("agent")
	return q, err
}

// queueWindow reads the part of each day that is meant: day_from is in it, day_to is not.
func (r *request) queueWindow() (w reports.Window, err error) {
	from, err := r.clock("day_from", 0)
	if err != nil {
		return w, err
	}
	to, err := r.clock("day_to", secondsOfDay)
	if err != nil {
		return w, err
	}
	if from == secondsOfDay {
		return w, badRequest("day_from must be before 24:00")
	}
	if from == to {
		return w, badRequest("day_from and day_to must differ")
	}
	return reports.Window{From: from, To: (to + secondsOfDay - 1) % secondsOfDay}, nil // as an end, 00:00 is 24:00
}

// clock reads a time of the day, in seconds from midnight.
func (r *request) clock(name string, otherwise int) (int, error) {
	text := r.Query(name)
	if text == "" {
		return otherwise, nil
	}
	if text == "24:00" || text == "24:00:00" {
		return secondsOfDay, nil
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.Parse(layout, text); err == nil && len(text) == len(layout) {
			return t.Hour()*3600 + t.Minute()*60 + t.Second(), nil
		}
	}
	return 0, badRequest(name + " must be a time of the day, such as 08:00 or 17:30:00")
}

// nameList reads a parameter that may be repeated, and be a list with commas. A name with a comma in it is one of them, too.
func (r *request) nameList(parameter string) (names []string, err error) {
	for _, text := range r.QueryArray(parameter) {
		if strings.Contains(text, ",") {
			names = append(names, text)
		}
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	if len(names) > maxQueueNames {
		return nil, badRequest(parameter + " has more than " + strconv.Itoa(maxQueueNames) + " names")
	}
	return names, nil
}

// wholeBetween reads a whole number between two others.
func (r *request) wholeBetween(name string, least, most, otherwise int64) (int64, error) {
	text := r.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(name + " must be a whole number between " + strconv.FormatInt(least, 10) + " and " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

// hundredths reads what the figures of queues are written as: 71.12.
func hundredths(text string) stats.Hundredths {
	whole, part, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	if err != nil {
		panic(err) // figures of ours
	}
	return stats.Hundredths(n)
}

// logTime is a moment of the log in a zone; nil for 0, which is none.
func logTime(micros int64, zone *time.Location) *time.Time {
	if micros == 0 {
		return nil
	}
	t := time.UnixMicro(micros).In(zone)
	return &t
}

// queueJSON is a queue.
type queueJSON struct {
	ID    int32           `json:"id"`
	Queue string          `json:"queue"`
	Name  string          `json:"name"`
	Today *queueTodayJSON `json:"today"`
}

type queueAgentJSON struct {
	ID    int32  `json:"id"`
	Agent string `json:"agent"`
	Name  string `json:"name"`
}

// queueTodayJSON is what happened in a queue since midnight.
type queueTodayJSON struct {
	Offered    int64 `json:"offered"`
	Waiting    int64 `json:"waiting"`
	Talking    int64 `json:"talking"`
	Answered   int64 `json:"answered"`
	Unanswered int64 `json:"unanswered"`
	Abandoned  int64 `json:"abandoned"`
}

// listed are the names that the log has for something: None is nothing.
func listed(all []queues.Name) (some []queues.Name) {
	for _, n := range all {
		if n.Key != queues.None {
			some = append(some, n)
		}
	}
	return some
}

// nameRequest reads what lists of names take.
func (r *request) nameRequest() (l models.ListRequest, who reports.Scope, err error) {
	if who, err = r.ownScope(); err == nil {
		l, err = r.plainList()
	}
	return l, who, err
}

func idOf(n queues.Name) int64 { return int64(n.ID) }

func listQueues(r *request) error {
	l, who, err := r.nameRequest()
	if err != nil {
		return err
	}
	names, _, err := r.api.Queues.Names(r.ctx(), who)
	if err != nil {
		return err
	}
	today, err := r.queuesToday(who)
	if err != nil {
		return err
	}
	return answerList(r, l, pageOf(l, listed(names), idOf), idOf, func(n queues.Name) queueJSON {
		f := today[n.Key]
		return queueJSON{n.ID, n.Key, n.Shown, &queueTodayJSON{f.Offered, f.Waiting, f.Talking, f.Answered(), f.Unanswered(), f.Abandoned}}
	})
}

func listQueueAgents(r *request) error {
	l, who, err := r.nameRequest()
	if err != nil {
		return err
	}
	_, names, err := r.api.Queues.Names(r.ctx(), who)
	if err != nil {
		return err
	}
	return answerList(r, l, pageOf(l, listed(names), idOf), idOf, showQueueAgent)
}

func showQueueAgent(n queues.Name) queueAgentJSON { return queueAgentJSON{n.ID, n.Key, n.Shown} }

// queuesToday is what somebody may see of today, by queue.
func (r *request) queuesToday(who reports.Scope) (map[string]queues.Facts, error) {
	if who.All || len(who.Agents) == 0 {
		return r.api.Queues.Today(r.ctx())
	}
	agents, err := r.api.Queues.TodayByAgent(r.ctx())
	today := make(map[string]queues.Facts)
	for queue, of := range agents {
		var sum queues.Facts
		for agent, f := range of {
			if who.SeesAgent(agent) {
				sum.Merge(&f)
			}
		}
		today[queue] = sum
	}
	return today, err
}

func renameQueue(r *request) error {
	n, err := r.renamed("queue", r.api.QueueNames.RenameQueue)
	if err != nil {
		return err
	}
	r.json(http.StatusOK, queueJSON{ID: n.ID, Queue: n.Key, Name: n.Shown})
	return nil
}

func renameQueueAgent(r *request) error {
	n, err := r.renamed("agent", r.api.QueueNames.RenameAgent)
	if err != nil {
		return err
	}
	r.json(http.StatusOK, showQueueAgent(n))
	return nil
}

// renamed gives what the path names the name that the body says.
func (r *request) renamed(parameter string, rename func(context.Context, int32, string, string) (queues.Name, error)) (queues.Name, error) {
	id, err := strconv.ParseInt(r.Param(parameter), 10, 32)
	if err != nil || id < 1 {
		return queues.Name{}, failure{status: http.StatusNotFound}
	}
	o, err := r.object()
	if err != nil {
		return queues.Name{}, err
	}
	if err := o.unknown("name"); err != nil {
		return queues.Name{}, err
	}
	if err := o.missing("name"); err != nil {
		return queues.Name{}, err
	}
	name := ""
	if !o.isNull("name") {
		if name, err = o.text("name"); err != nil {
			return queues.Name{}, err
		}
		if name == "" {
			return queues.Name{}, badRequest("name must not be empty; null is the name in the log")
		}
	}
	return rename(r.ctx(), int32(id), name, r.who.actor())
}
