package callcenter

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"talktime/queues/reports"
)

// Reports that are lists of passages.
const (
	answeredDetail   = "answered_calls_detail"
	unansweredDetail = "unanswered_calls_detail"
)

// reportNames are the reports of the original's list, in its order; further ones are known to its clients all the same.
var reportNames = []string{
	answeredDetail, "answered_calls_by_queue", "answered_calls_by_agent", "answered_calls_by_url", "answered_calls_by_did",
	"answered_calls_by_holdtime", "answered_calls_by_event",
}

var furtherReports = []string{unansweredDetail, "distribution_by_queue"}

// report is one of them, a page of it.
func (a API) report(ctx context.Context, q *query, name string) (Answer, error) {
	unknown := Refusal(http.StatusNotFound, reports.ErrUnknownReport.Error())
	if !slices.Contains(reportNames, name) && !slices.Contains(furtherReports, name) {
		return unknown, nil
	}
	f, p := q.filter(a.Now(), a.Location), q.page()
	switch {
	case q.wrong != "":
		return refused(q.wrong)
	case name == answeredDetail, name == unansweredDetail:
		rows, all, err := a.Service.PageOfRows(ctx, a.Who, f, name == answeredDetail, p.part())
		return paged(p, all, rows, a.writeRow), err
	}
	table, err := a.Service.Report(ctx, a.Who, f, name)
	if errors.Is(err, reports.ErrUnknownReport) {
		return unknown, nil
	}
	from, to := p.of(len(table.Rows))
	return paged(p, len(table.Rows), table.Rows[from:to], func(w *writer, row *[]string) { writeTableRow(w, table.Columns, *row) }), err
}

// search finds calls.
func (a API) search(ctx context.Context, q *query) (Answer, error) {
	s, p := q.search(q.filter(a.Now(), a.Location)), q.page()
	if q.wrong != "" {
		return refused(q.wrong)
	}
	calls, all, err := a.Service.PageOfSearch(ctx, a.Who, s, p.part())
	return paged(p, all, calls, a.writeCall), err
}

// paged is the rows of a page in the envelope, which says how many there are altogether.
func paged[T any](p page, all int, rows []T, write func(*writer, *T)) Answer {
	return Answer{Status: http.StatusOK, content: func(w *writer) {
		w.raw("{")
		w.pairs("page", number(p.number), "total", number(p.count(all)), "records", number(all))
		w.raw(`,"rows":[`)
		for i := range rows {
			if i > 0 {
				w.raw(",")
			}
			write(w, &rows[i])
		}
		w.raw("]}")
	}}
}

func writeTableRow(w *writer, columns, row []string) {
	w.raw("{")
	for i, column := range columns {
		if i > 0 {
			w.raw(",")
		}
		w.pairs(column, row[i])
	}
	w.raw("}")
}

// writeRow writes a passage.
func (a API) writeRow(w *writer, r *reports.Row) {
	w.object("datetime", a.stamp(r.At, "02-01-2006 15:04:05"), "queue", r.QueueKey, "agent", r.AgentKey, "callerid", r.Caller, "event", r.End,
		"waitTime", number(r.Wait), "ringTime", number(r.Ring), "callTime", number(r.Talk), "agentName", r.AgentShown, "queueName", r.QueueShown,
		"recording", r.Recording, "uniqueid", r.CallID, "callflow", a.callFlow(r.CallID), "url", r.URL, "did", r.DID)
}

// writeCall writes a call.
func (a API) writeCall(w *writer, c *reports.FoundCall) {
	w.object("firstEvent", c.First, "overflow", number(len(c.Passages)), "uniqueid", c.ID, "callerid", c.Caller,
		"dateStart", a.stamp(c.Start, time.DateTime), "dateEnd", a.stamp(c.End, time.DateTime), "event", c.Final, "agent", c.Agent, "queue", c.Queue,
		"waitTime", number(c.Wait), "talkTime", number(c.Talk), "combinedWaitTime", number(c.Waits), "totalDuration", number(c.Duration()),
		"recordingFilename", c.Recording, "agent_name", c.AgentShown, "queue_name", c.QueueShown, "callflow", a.callFlow(c.ID))
}

// callFlow is where the events of a call are.
func (a API) callFlow(id string) string {
	return a.Base + "/rest/index.php?entity=call/" + url.QueryEscape(id)
}
