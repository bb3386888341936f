package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"talktime/models"
	"talktime/queues"
)

// streamQueues is a search (see streamSearch): models.ErrSlowSearch when it takes too long, and models.ErrSearches when too many others
// are under way. An error of the function comes back as it is.
func (s *Store) streamQueues(ctx context.Context, query string, args []any, row func([]driver.Value) error) error {
	limited, cancel := context.WithTimeout(ctx, s.searchTime)
	defer cancel()
	began := false
	err := s.streamSearch(limited, query, args, func(v []driver.Value) error {
		began = true
		return row(v)
	})
	var stopped stopError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stopped):
		return stopped.error
	case ctx.Err() != nil:
		return ctx.Err()
	case isTimeout(err) && !began && s.searches.Stats().InUse >= maxSearches:
		return models.ErrSearches
	case isTimeout(err):
		return models.ErrSlowSearch
	}
	return translate(err)
}

const itemColumns = "moment, queue_id, agent_id, outcome, final, wait, ring, talk, url, did"

func scanQueueItem(rows *sql.Rows, i *queues.Item) error {
	var outcome, final uint8
	if err := rows.Scan(&i.At, &i.Queue, &i.Agent, &outcome, &final, &i.Wait, &i.Ring, &i.Talk, &i.URL, &i.DID); err != nil {
		return err
	}
	finishItem(i, outcome, final)
	return nil
}

func finishItem(i *queues.Item, outcome, final uint8) {
	if i.NoAnswer = outcome == noAnswerOutcome; i.NoAnswer {
		i.Millis, i.Ring = i.Ring, 0
		return
	}
	i.Outcome = queues.Outcome(outcome)
	if int(final) < len(finalNames) {
		i.End = finalNames[final]
	}
}

// itemReader reads items of rows as the driver gives them. Texts that repeat are made once.
type itemReader struct {
	texts map[string]string
	buf   []byte
}

// maxItemTexts bounds how many texts are kept in mind.
const maxItemTexts = 10_000

func (r *itemReader) text(v driver.Value) string {
	b := valueText(v, &r.buf)
	if len(b) == 0 {
		return ""
	}
	if text, ok := r.texts[string(b)]; ok {
		return text
	}
	if r.texts == nil || len(r.texts) >= maxItemTexts {
		r.texts = map[string]string{}
	}
	text := string(b)
	r.texts[text] = text
	return text
}

func (r *itemReader) read(v []driver.Value, i *queues.Item) {
	*i = queues.Item{
		At: numberOf(v[0]), Queue: int32(numberOf(v[1])), Agent: int32(numberOf(v[2])), //nolint:gosec // columns of that width
		Wait: numberOf(v[5]), Ring: numberOf(v[6]), Talk: numberOf(v[7]), URL: r.text(v[8]), DID: r.text(v[9]),
	}
	finishItem(i, uint8(numberOf(v[3])), uint8(numberOf(v[4]))) //nolint:gosec // columns of that width
}

// QueueItems implements reports.Keeper.
func (s *Store) QueueItems(ctx context.Context, from, to int64, each func(*queues.Item) error) error {
	var r itemReader
	var i queues.Item
	query := "SELECT " + itemColumns + " FROM queue_items" + s.byPrimaryKey() + " WHERE moment >= ? AND moment < ? AND outcome > 1"
	return s.streamQueues(ctx, query, []any{from, to}, func(v []driver.Value) error {
		r.read(v, &i)
		return each(&i)
	})
}

// QueueDetails implements reports.Keeper.
func (s *Store) QueueDetails(ctx context.Context, from, to int64, queueIDs, agentIDs []int32, each func(*queues.Detail) error) error {
	query := "SELECT " + itemColumns + ", call_id, n, entered, ended, caller, pressed, place FROM queue_items" + s.byPrimaryKey() +
		" WHERE moment >= ? AND moment < ? AND outcome > 1 AND n >= 0"
	args := []any{from, to}
	query, args = amongIDs(query, args, "queue_id", queueIDs)
	query, args = amongIDs(query, args, "agent_id", agentIDs)
	var r itemReader
	var d queues.Detail
	return s.streamQueues(ctx, query+" ORDER BY moment, call_id, n", args, func(v []driver.Value) error {
		r.read(v, &d.Item)
		d.CallID = string(valueText(v[10], &r.buf))
		d.Number, d.Entered, d.Ended, d.Left = int(numberOf(v[11])), numberOf(v[12]), numberOf(v[13]), numberOf(v[16])
		d.Caller = string(valueText(v[14], &r.buf)) // before the buffer is used again
		d.Key = r.text(v[15])
		return each(&d)
	})
}

// amongIDs adds a condition on a column of numbers; nil is none. The numbers are ours: they stand in the statement, since SQLite binds
// many of them slowly.
func amongIDs(query string, args []any, column string, ids []int32) (string, []any) {
	if ids == nil {
		return query, args
	}
	return query + " AND " + column + listed(ids), args
}

// listed is " IN (1,2,3)", or what nothing fits.
func listed(ids []int32) string {
	if len(ids) == 0 {
		return " < 0"
	}
	text := " IN ("
	for i, id := range ids {
		if i > 0 {
			text += ","
		}
		text += strconv.Itoa(int(id))
	}
	return text + ")"
}

// QueueCalls implements reports.Keeper. Texts are compared with those of the whole call (queues.Call).
func (s *Store) QueueCalls(ctx context.Context, w queues.Wanted, each func(id string, lines []byte) error) error {
	query := "SELECT c.call_id, c.log FROM queue_calls c"
	if w.ID == "" && s.dialect.name != sqliteDialect.name {
		query += " FORCE INDEX (queue_calls_started)" // which is their order: to sort all these lines takes long
	}
	query += " WHERE c.started >= ? AND c.started < ?"
	args := []any{w.From, w.To}
	and := func(condition string, values ...any) {
		query += " AND " + condition
		args = append(args, values...)
	}
	if w.ID != "" {
		and("c.call_id = ?", w.ID)
	}
	for _, text := range []struct{ column, value string }{{"url", w.URL}, {"tag", w.Tag}, {"did", w.DID}} {
		if text.value != "" {
			and("(c."+text.column+" IS NULL OR c."+text.column+" = ?)", text.value)
		}
	}
	if w.Caller != "" {
		and("(c.caller IS NULL OR INSTR(c.caller, ?) > 0)", w.Caller)
	}
	if w.MinTalk > 0 {
		and("c.talk >= ?", w.MinTalk)
	}
	if !w.Open {
		and("NOT EXISTS (SELECT 1 FROM queue_open_calls o WHERE o.call_id = c.call_id)")
	}
	if w.Queues != nil {
		and("EXISTS (SELECT 1 FROM queue_items q WHERE q.call_id = c.call_id AND q.n >= 0 AND q.queue_id" + listed(w.Queues) + ")")
	}
	if w.Agents != nil {
		and("EXISTS (SELECT 1 FROM queue_items a WHERE a.call_id = c.call_id AND a.n >= 0 AND a.agent_id" + listed(w.Agents) + ")")
	}
	return s.streamCalls(ctx, query+" ORDER BY c.started, c.call_id", args, each)
}

func (s *Store) streamCalls(ctx context.Context, query string, args []any, each func(id string, lines []byte) error) error {
	var ids, logs []byte
	return s.streamQueues(ctx, query, args, func(v []driver.Value) error {
		return each(string(valueText(v[0], &ids)), valueText(v[1], &logs))
	})
}

// OpenQueueCalls implements reports.Keeper.
func (s *Store) OpenQueueCalls(ctx context.Context, each func(id string, lines []byte) error) error {
	return s.streamCalls(ctx, "SELECT c.call_id, c.log FROM queue_open_calls o JOIN queue_calls c ON c.call_id = o.call_id", nil, each)
}

// QueueCall implements reports.Keeper.
func (s *Store) QueueCall(ctx context.Context, id string) (lines []byte, err error) {
	err = s.each(ctx, "SELECT log FROM queue_calls WHERE call_id = ?", []any{id}, func(rows *sql.Rows) error { return rows.Scan(&lines) })
	return lines, err
}

// AgentEvents implements reports.Keeper.
func (s *Store) AgentEvents(ctx context.Context, from, to int64, each func(*queues.Event) error) error {
	var p queues.Parser
	var buf []byte
	query := "SELECT line FROM queue_events" + s.byPrimaryKey() + " WHERE at >= ? AND at < ? ORDER BY at, digest"
	return s.streamQueues(ctx, query, []any{from, to}, func(v []driver.Value) error {
		e, err := p.Parse(string(valueText(v[0], &buf)))
		if err != nil {
			return fmt.Errorf("read an event of queues that is stored: %w", err)
		}
		if !e.Kind.OfAgent() && e.Kind != queues.QueueStart {
			return nil
		}
		return each(&e)
	})
}
