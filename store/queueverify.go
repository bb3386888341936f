package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/queues"
)

// QueueVerdict is what came of a proof of all that is stored of the queue_log.
type QueueVerdict struct {
	Calls     int64
	Lines     int64 // of calls
	Events    int64 // of agents, or of no call
	Open      int64 // calls that go on
	Overdue   int64 // of them, those that the next sweep ends: nothing was heard of them for a day
	Entered   int64 // lines ENTERQUEUE, each different one once
	Counted   int64 // passages of which the log has no ENTERQUEUE
	NoAnswers int64
	Facts     queues.Facts // of all passages as they are stored
	Queues    []QueueCount // by their names
	Days      int64        // packed, of all zones
	Found     int64        // findings
	Findings  []QueueFinding
}

// QueueCount is who entered a queue, and what became of them.
type QueueCount struct {
	Queue            string
	Entered, Counted int64
	Facts            queues.Facts
}

// QueueFinding is something that is not as it follows from the lines.
type QueueFinding struct {
	CallID string // empty: it is not about a call
	Cause  string
}

// Clean tells whether all is as it must be.
func (v *QueueVerdict) Clean() bool { return v.Found == 0 }

// String is the finding as a sentence.
func (f QueueFinding) String() string {
	if f.CallID == "" {
		return f.Cause
	}
	return "call " + f.CallID + ": " + f.Cause
}

// Bounds of a proof: findings that are told, and calls that are looked at in one view of the database.
const (
	maxQueueFindings = 100
	verifiedAtOnce   = 500
)

// VerifyQueues proves what is stored of the queue_log: it puts each call together from its lines again and compares; everybody who
// entered a queue has gone in one way, waits or talks; packed days are what the rows say; and every name has its number. It may run
// beside whoever reads the log. progress, which may be nil, is told how many calls were looked at.
func (s *Store) VerifyQueues(ctx context.Context, progress func(calls int64)) (QueueVerdict, error) {
	v := queueVerifier{s: s, now: s.now()}
	for after, more := "", true; more; {
		err := s.inOneView(ctx, func(t *txn) error {
			var err error
			after, more, err = v.calls(ctx, t, after)
			return err
		})
		if err != nil {
			return v.QueueVerdict, fmt.Errorf("verify calls of queues: %w", translate(err))
		}
		if progress != nil {
			progress(v.Calls)
		}
	}
	if v.Entered+v.Counted != v.Facts.Offered {
		v.find("", "%d entered and %d were counted back, but %d passages are stored", v.Entered, v.Counted, v.Facts.Offered)
	}
	if err := v.Facts.Check(); err != nil {
		v.find("", "%v", err)
	}
	if err := v.queues(ctx); err != nil {
		return v.QueueVerdict, fmt.Errorf("verify queues: %w", translate(err))
	}
	if err := v.events(ctx); err != nil {
		return v.QueueVerdict, fmt.Errorf("verify events of queues: %w", translate(err))
	}
	if err := v.agents(ctx); err != nil {
		return v.QueueVerdict, fmt.Errorf("verify agents of queues: %w", translate(err))
	}
	if err := v.days(ctx); err != nil {
		return v.QueueVerdict, fmt.Errorf("verify packed days of queues: %w", translate(err))
	}
	return v.QueueVerdict, nil
}

// inOneView reads in a transaction that sees one state of the database.
func (s *Store) inOneView(ctx context.Context, do func(*txn) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect.name == serverDialect.name {
		options.Isolation = sql.LevelRepeatableRead
	}
	return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		return do(&txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect})
	}, options)
}

type queueVerifier struct {
	QueueVerdict
	s       *Store
	now     time.Time
	numbers [2]map[string]int32    // of names: of queues, of agents
	renewed bool                   // in this view
	counts  map[string]*QueueCount // by queues, what was counted of their lines
	stored  map[int32]*QueueCount  // by their numbers, of the passages
	pairs   map[[2]int32]bool      // of queues and agents that belong together, by what is stored
}

// count is what is counted of a queue.
func (v *queueVerifier) count(name string) *QueueCount {
	if v.counts == nil {
		v.counts = make(map[string]*QueueCount)
	}
	if v.counts[name] == nil {
		v.counts[name] = &QueueCount{Queue: name}
	}
	return v.counts[name]
}

func (v *queueVerifier) find(call, format string, args ...any) {
	v.Found++
	if len(v.Findings) < maxQueueFindings {
		v.Findings = append(v.Findings, QueueFinding{call, fmt.Sprintf(format, args...)})
	}
}

// queues puts together what was counted of each queue.
func (v *queueVerifier) queues(ctx context.Context) error {
	err := v.s.inOneView(ctx, func(t *txn) error { return v.readNames(ctx, t) })
	if err != nil {
		return err
	}
	for name, id := range v.numbers[0] {
		if c := v.stored[id]; c != nil {
			v.count(name).Counted, v.count(name).Facts = c.Counted, c.Facts
		}
	}
	for _, name := range sortedKeys(v.counts) {
		c := v.counts[name]
		if c.Entered+c.Counted != c.Facts.Offered {
			v.find("", "queue %s: %d entered and %d were counted back, but %d passages are stored", name, c.Entered, c.Counted, c.Facts.Offered)
		}
		v.Queues = append(v.Queues, *c)
	}
	return nil
}

func (v *queueVerifier) pair(queue, agent int32) {
	if v.pairs == nil {
		v.pairs = map[[2]int32]bool{}
	}
	v.pairs[[2]int32{queue, agent}] = true
}

// agents sees to it that queues and agents that belong together are known to, and that they have names. There may be more pairs: of what
// is not so any more.
func (v *queueVerifier) agents(ctx context.Context) error {
	return v.s.inOneView(ctx, func(t *txn) error {
		if err := v.readNames(ctx, t); err != nil {
			return err
		}
		var named [2]map[int32]bool
		for kind, numbers := range v.numbers {
			named[kind] = map[int32]bool{}
			for _, id := range numbers {
				named[kind][id] = true
			}
		}
		if v.Calls+v.Events > 0 && (v.numbers[0][queues.None] == 0 || v.numbers[1][queues.None] == 0) {
			v.find("", "%s has no number", queues.None)
		}
		err := t.query(ctx, "SELECT queue_id, agent_id FROM queue_agents", nil, func(rows *sql.Rows) error {
			var queue, agent int32
			err := rows.Scan(&queue, &agent)
			if !named[0][queue] || !named[1][agent] {
				v.find("", "queue %d and agent %d belong together, but have no names", queue, agent)
			}
			delete(v.pairs, [2]int32{queue, agent})
			return err
		})
		for p := range v.pairs {
			v.find("", "it is not known that queue %d and agent %d belong together", p[0], p[1])
		}
		return err
	})
}

// openRow is a row of queue_open_calls.
type openRow struct{ since, last int64 }

// calls looks at some calls behind one, and tells where to go on.
func (v *queueVerifier) calls(ctx context.Context, t *txn, after string) (last string, more bool, err error) {
	v.renewed = false
	err = t.query(ctx, "SELECT call_id FROM queue_calls WHERE call_id > ? ORDER BY call_id LIMIT ?", []any{after, verifiedAtOnce}, func(rows *sql.Rows) error {
		v.Calls++
		return rows.Scan(&last)
	})
	if err != nil {
		return "", false, err
	}
	// Behind the last one there may be rows of no call.
	within, args := "call_id > ?", []any{after}
	if more = last != ""; more {
		within, args = within+" AND call_id <= ?", append(args, last)
	}
	items := map[string][]queueItem{}
	err = t.query(ctx, "SELECT call_id, "+queueItemColumns+" FROM queue_items WHERE "+within, args, func(rows *sql.Rows) error {
		var id sql.RawBytes
		var i queueItem
		err := scanItem(rows, &id, &i)
		items[string(id)] = append(items[string(id)], i)
		return err
	})
	if err != nil {
		return "", false, err
	}
	open := map[string]openRow{}
	err = t.query(ctx, "SELECT call_id, since, last_at FROM queue_open_calls WHERE "+within, args, func(rows *sql.Rows) error {
		var id string
		var o openRow
		err := rows.Scan(&id, &o.since, &o.last)
		open[id] = o
		return err
	})
	if err != nil {
		return "", false, err
	}
	var restart int64
	if err := t.query(ctx, "SELECT restarted FROM queue_feed", nil, func(rows *sql.Rows) error { return rows.Scan(&restart) }); err != nil {
		return "", false, err
	}
	var agents []queues.Event
	var all []*queueCall
	err = t.query(ctx, "SELECT call_id, started, ended, talk, caller, url, did, tag, log FROM queue_calls WHERE "+within+" ORDER BY call_id", args, func(rows *sql.Rows) error {
		var row callRow
		if err := rows.Scan(&row.id, &row.started, &row.ended, &row.talk, &row.texts[0], &row.texts[1], &row.texts[2], &row.texts[3], &row.log); err != nil {
			return err
		}
		o, is := open[row.id]
		c := v.call(&row, is, o, restart, &agents)
		c.before = items[row.id]
		c.log = nil
		all = append(all, c)
		delete(items, row.id)
		delete(open, row.id)
		return nil
	})
	if err != nil {
		return "", false, err
	}
	for _, c := range all {
		if err := v.items(ctx, t, c); err != nil {
			return "", false, err
		}
	}
	for _, id := range sortedKeys(items) {
		v.find(id, "there are passages of it, but no lines")
	}
	for _, id := range sortedKeys(open) {
		v.find(id, "it goes on, but there are no lines of it")
	}
	for i := range agents {
		if err := v.besides(ctx, t, &agents[i]); err != nil {
			return "", false, err
		}
	}
	return last, more, nil
}

// callRow is a row of queue_calls.
type callRow struct {
	id                   string
	started, ended, talk int64
	texts                [4]sql.NullString
	log                  []byte
}

// call compares a call with its lines; its items are compared later, when the statement is done. It collects events of agents.
func (v *queueVerifier) call(row *callRow, open bool, o openRow, restart int64, agents *[]queues.Event) *queueCall {
	c := &queueCall{id: row.id, events: parseLines(string(row.log))}
	v.Lines += int64(bytes.Count(row.log, []byte("\n")))
	c.arrange()
	if again, _ := c.lines(); !bytes.Equal(again, row.log) {
		v.find(c.id, "its lines are not written down in their order, each once")
	}
	for i := range c.events {
		e := &c.events[i]
		if e.CallID != c.id {
			v.find(c.id, "one of its lines is of call %s", e.CallID)
		}
		if e.Kind == queues.EnterQueue {
			v.Entered++
			v.count(e.Queue).Entered++
		}
		if e.Kind.OfAgent() || e.Kind == queues.QueueStart {
			*agents = append(*agents, *e)
		}
	}
	now := v.now
	if open { // until it is swept
		v.Open++
		if limit := time.UnixMicro(o.since).Add(queues.Lifetime); now.After(limit) {
			now = limit
			v.Overdue++
		}
	}
	c.assemble(restart, now)
	since, is := openSince(&c.books)
	switch {
	case is != open:
		v.find(c.id, "by its lines it goes on: %t, but stored is %t", is, open)
	case open && (o != openRow{since, c.books.End}):
		v.find(c.id, "since when it goes on is not what its lines say")
	}
	for i, want := range searchedTexts(&c.books) {
		text, known := want.(string)
		if row.texts[i].Valid != known || row.texts[i].String != text {
			v.find(c.id, "its caller, URL, DID or tag are not what its lines say")
			break
		}
	}
	if row.started != c.books.Start || row.ended != c.books.End || row.talk != c.books.Talk {
		v.find(c.id, "its begin, its end or how long was talked are not what its lines say")
	}
	return c
}

// items compares the passages of a call, and the telephones that rang in vain, with what its lines say.
func (v *queueVerifier) items(ctx context.Context, t *txn, c *queueCall) error {
	if err := v.names(ctx, t, c); err != nil {
		return err
	}
	unnamed := false
	c.items = itemsOf(&c.books, func(agent bool, name string) int32 {
		n := v.numbers[nameKind(agent)][name]
		unnamed = unnamed || n == 0
		return n
	})
	if unnamed {
		v.find(c.id, "a queue or an agent of it has no number")
	}
	order := func(a, b queueItem) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.moment, b.moment)) }
	slices.SortFunc(c.items, order)
	slices.SortFunc(c.before, order)
	if !slices.Equal(c.items, c.before) {
		v.find(c.id, "its passages are not what its lines say")
	}
	for i := range c.before {
		item := &c.before[i]
		v.pair(item.queue, item.agent)
		stored := queues.Item{Outcome: queues.Outcome(item.outcome), Wait: item.wait, Ring: item.ring, Talk: item.talk}
		q := v.stored[item.queue]
		if q == nil {
			if v.stored == nil {
				v.stored = make(map[int32]*QueueCount)
			}
			q = new(QueueCount)
			v.stored[item.queue] = q
		}
		if item.counted {
			v.Counted++
			q.Counted++
		}
		if int(item.final) >= len(finalNames) {
			v.find(c.id, "the number %d of a final event is none", item.final)
			continue
		}
		finishItem(&stored, item.outcome, item.final)
		if stored.NoAnswer {
			v.NoAnswers++
		}
		v.Facts.AddItem(&stored)
		q.Facts.AddItem(&stored)
	}
	return nil
}

// names reads the names again when one of a call is not known: they become more meanwhile.
func (v *queueVerifier) names(ctx context.Context, t *txn, c *queueCall) error {
	known := v.numbers[0] != nil
	for i := range c.books.Passages {
		p := &c.books.Passages[i]
		known = known && v.numbers[0][p.Queue] != 0 && v.numbers[1][p.Agent] != 0
	}
	for i := range c.books.NoAnswers {
		a := &c.books.NoAnswers[i]
		known = known && v.numbers[0][a.Queue] != 0 && v.numbers[1][a.Agent] != 0
	}
	if known || v.renewed {
		return nil
	}
	v.renewed = true
	return v.readNames(ctx, t)
}

func (v *queueVerifier) readNames(ctx context.Context, t *txn) error {
	v.numbers = [2]map[string]int32{{}, {}}
	return t.query(ctx, "SELECT agent, id, name FROM queue_names", nil, func(rows *sql.Rows) error {
		var agent bool
		var id int32
		var name string
		err := rows.Scan(&agent, &id, &name)
		v.numbers[nameKind(agent)][name] = id
		return err
	})
}

// besides sees to it that an event of an agent that is among the lines of a call stands among the events of agents too.
func (v *queueVerifier) besides(ctx context.Context, t *txn, e *queues.Event) error {
	there := false
	digest := sha256.Sum256(e.AppendTo(nil))
	err := t.query(ctx, "SELECT 1 FROM queue_events WHERE at = ? AND digest = ?", []any{e.At, digest[:16]}, func(*sql.Rows) error {
		there = true
		return nil
	})
	if !there {
		v.find(e.CallID, "its %s is not among the events of agents", e.Name)
	}
	return err
}

// events looks at the lines that are of agents or of no call.
func (v *queueVerifier) events(ctx context.Context) error {
	restarted := int64(0)
	var p queues.Parser
	at, digest := int64(-1), []byte{}
	for more := true; more; {
		more = false
		err := v.s.inOneView(ctx, func(t *txn) error {
			if err := v.readNames(ctx, t); err != nil {
				return err
			}
			query := "SELECT at, digest, line FROM queue_events WHERE at > ? OR at = ? AND digest > ? ORDER BY at, digest LIMIT 10000"
			return t.query(ctx, query, []any{at, at, digest}, func(rows *sql.Rows) error {
				var line string
				if err := rows.Scan(&at, &digest, &line); err != nil {
					return err
				}
				more = true
				v.Events++
				e, err := p.Parse(line)
				sum := sha256.Sum256([]byte(line))
				switch {
				case err != nil || e.At != at || !bytes.Equal(sum[:16], digest):
					v.find("", "the event of %d is not written down as it was read", at)
				case e.Kind == queues.QueueStart:
					restarted = max(restarted, e.At)
				case e.Kind.OfAgent() && (v.numbers[0][e.Queue] == 0 || v.numbers[1][queues.AgentKey(e.Agent)] == 0):
					v.find("", "the queue or the agent of an event of %d has no number", at)
				case pairs(&e):
					v.pair(v.numbers[0][e.Queue], v.numbers[1][queues.AgentKey(e.Agent)])
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	// One may have come meanwhile.
	stored, err := v.s.QueueRestart(ctx)
	if err == nil && stored < restarted {
		v.find("", "Asterisk last started at %d by the log, but %d is stored", restarted, stored)
	}
	if err == nil && stored > restarted {
		there, err := v.s.number(ctx, "SELECT COUNT(*) FROM queue_events WHERE at = ? AND INSTR(line, ?) > 0", stored, "|QUEUESTART|")
		if err == nil && there == 0 {
			v.find("", "Asterisk last started at %d by the log, but %d is stored", restarted, stored)
		}
		return err
	}
	return err
}

// days compares packed days with the rows.
func (v *queueVerifier) days(ctx context.Context) error {
	type key struct {
		zone string
		day  int
	}
	var days []key
	err := v.s.each(ctx, "SELECT DISTINCT zone, day FROM queue_days ORDER BY zone, day", nil, func(rows *sql.Rows) error {
		var k key
		err := rows.Scan(&k.zone, &k.day)
		days = append(days, k)
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range days {
		if err := v.s.inOneView(ctx, func(t *txn) error { return v.day(ctx, t, k.zone, k.day) }); err != nil {
			return err
		}
	}
	return nil
}

func (v *queueVerifier) day(ctx context.Context, t *txn, zone string, day int) error {
	var data []byte
	var from, to int64
	parts, inOrder := 0, true
	err := t.query(ctx, "SELECT part, from_at, to_at, data FROM queue_days WHERE zone = ? AND day = ? ORDER BY part", []any{zone, day}, func(rows *sql.Rows) error {
		var part int
		var some []byte
		err := rows.Scan(&part, &from, &to, &some)
		inOrder = inOrder && part == parts
		parts++
		data = append(data, some...)
		return err
	})
	if err != nil || parts == 0 { // it was unpacked meanwhile
		return err
	}
	v.Days++
	if !inOrder {
		v.find("", "of the packed day %d of %s a part is missing", day, zone)
		return nil
	}
	var packed, rows []queues.Item
	if err := queues.ReadDay(data, func(i *queues.Item) error { packed = append(packed, *i); return nil }); err != nil {
		if !errors.Is(err, queues.ErrDay) {
			return err
		}
		v.find("", "the packed day %d of %s cannot be read: %v", day, zone, err)
		return nil
	}
	if rows, err = t.itemsBetween(ctx, from, to); err != nil {
		return err
	}
	slices.SortFunc(packed, compareItems)
	slices.SortFunc(rows, compareItems)
	if !slices.Equal(packed, rows) {
		v.find("", "the packed day %d of %s is not what the rows say", day, zone)
	}
	return nil
}

// compareItems is any order, in which only equal ones are equal.
func compareItems(a, b queues.Item) int {
	truth := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Agent, b.Agent), cmp.Compare(truth(a.NoAnswer), truth(b.NoAnswer)),
		cmp.Compare(a.Millis, b.Millis), cmp.Compare(a.Outcome, b.Outcome), strings.Compare(a.End, b.End), cmp.Compare(a.Wait, b.Wait), cmp.Compare(a.Ring, b.Ring),
		cmp.Compare(a.Talk, b.Talk), strings.Compare(a.URL, b.URL), strings.Compare(a.DID, b.DID))
}
