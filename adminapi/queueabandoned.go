package adminapi

import (
	"net/http"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
	"talktime/stats/sheet"
)

// callbackJSON is a caller who gave up, and what became of him.
type callbackJSON struct {
	UniqueID      string     `json:"uniqueid"`
	Caller        string     `json:"caller"`
	Queue         string     `json:"queue"`
	QueueName     string     `json:"queue_name"`
	AbandonedAt   time.Time  `json:"abandoned_at"`
	Wait          int64      `json:"wait_seconds"`
	DID           string     `json:"did"`
	State         string     `json:"state"`
	AgainAt       *time.Time `json:"again_at"`
	AgainUniqueID *string    `json:"again_uniqueid"`
	AgainOutcome  *string    `json:"again_outcome"`
	CalledBackAt  *time.Time `json:"called_back_at"`
	Href          *string    `json:"href"`
}

// What became of a caller who gave up.
const (
	callbackAnswered = "answered"    // he called again and was answered
	callbackCalled   = "called_back" // somebody called him
	callbackOpen     = "open"        // neither; he may have called again in vain
)

// abandonedJSON are callers who gave up.
type abandonedJSON struct {
	statRange
	Within     int64             `json:"within_hours"`
	Abandoned  int               `json:"abandoned"`
	Answered   int               `json:"answered_again"`
	CalledBack int               `json:"called_back"`
	Open       int               `json:"open"`
	Formulas   map[string]string `json:"formulas"`
	envelope[callbackJSON]
}

// showAbandoned lists callers who gave up, with what became of them.
func showAbandoned(r *request, q queueQuery) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	if l.After != 0 {
		return badRequest("this list has no after: ask for its pages, or for another time")
	}
	within, err := r.wholeBetween("within", 1, 30*24, 24)
	if err != nil {
		return err
	}
	state, err := among(r, "state", "all", callbackOpen, callbackCalled, callbackAnswered)
	if err != nil {
		return err
	}
	found, err := r.api.Queues.Callbacks(r.ctx(), q.who, q.filter, time.Duration(within)*time.Hour)
	if err != nil {
		return err
	}
	shown := abandonedJSON{statRange: q.shown(), Within: within, Abandoned: len(found), Formulas: formulasOf(queueFormulas(0, 0), "answered_again", "called_back", "open")}
	var rows []callbackJSON
	for i := range found {
		row := r.showCallback(&found[i])
		switch row.State {
		case callbackAnswered:
			shown.Answered++
		case callbackCalled:
			shown.CalledBack++
		default:
			shown.Open++
		}
		if state == "all" || state == row.State {
			rows = append(rows, row)
		}
	}
	if q.format != "json" {
		r.truncated(min(len(rows), q.limit), len(rows))
		return r.export(q.statQuery, "abandoned", callbackTable(rows[:min(len(rows), q.limit)]))
	}
	first := min((l.Number-1)*l.Size, len(rows))
	shown.Objects = append([]callbackJSON{}, rows[first:min(first+l.Size, len(rows))]...)
	shown.NumResults, shown.Page, shown.TotalPages = int64(len(rows)), l.Number, int64((len(rows)+l.Size-1)/l.Size)
	r.answer(http.StatusOK, shown)
	return nil
}

func (r *request) showCallback(c *reports.Callback) callbackJSON {
	zone := r.queueZone()
	shown := callbackJSON{
		UniqueID: c.CallID, Caller: c.Caller, Queue: c.QueueKey, QueueName: c.QueueShown, AbandonedAt: *logTime(c.Ended, zone), Wait: c.Wait, DID: c.DID,
		State: callbackOpen, Href: queueCallPath(c.CallID, ""),
	}
	if c.Again != nil {
		outcome := c.Again.Outcome.String()
		shown.AgainAt, shown.AgainUniqueID, shown.AgainOutcome = logTime(c.Again.Entered, zone), &c.Again.CallID, &outcome
	}
	if !c.CalledBack.IsZero() {
		at := c.CalledBack.In(zone)
		shown.CalledBackAt, shown.State = &at, callbackCalled
	}
	if c.Again != nil && c.Again.Outcome == queues.Answered {
		shown.State = callbackAnswered
	}
	return shown
}

func callbackTable(rows []callbackJSON) sheet.Table {
	t := sheet.Table{Name: "Abandoned", Columns: []string{
		"abandoned_at", "uniqueid", "caller", "queue", "queue_name", "wait_seconds", "did", "state", "again_at", "again_uniqueid", "again_outcome", "called_back_at", "href",
	}}
	when := func(at *time.Time) sheet.Cell {
		if at == nil {
			return sheet.Cell{}
		}
		return sheet.Text(at.Format(time.RFC3339))
	}
	for _, row := range rows {
		t.Rows = append(t.Rows, []sheet.Cell{
			sheet.Text(row.AbandonedAt.Format(time.RFC3339)), sheet.Text(row.UniqueID), sheet.Text(row.Caller), sheet.Text(row.Queue), sheet.Text(row.QueueName), sheet.Whole(row.Wait), sheet.Text(row.DID), sheet.Text(row.State),
			when(row.AgainAt), sheet.Text(valueOf(row.AgainUniqueID)), sheet.Text(valueOf(row.AgainOutcome)), when(row.CalledBackAt), sheet.Text(valueOf(row.Href)),
		})
	}
	return t
}
