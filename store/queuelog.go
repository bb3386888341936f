package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"talktime/queues"
	"talktime/queues/feed"
)

// callsAtOnce is of how many calls the books are made in one go.
const callsAtOnce = 2000

// StoreQueueLog implements feed.Keeper.
func (s *Store) StoreQueueLog(ctx context.Context, holder string, b feed.Batch) (feed.Stored, error) {
	if b.Now.IsZero() {
		b.Now = s.now()
	}
	var done feed.Stored
	err := s.asQueueHolder(ctx, holder, func(t txn) error {
		w := queueWriter{txn: t, now: b.Now}
		err := w.store(ctx, &b)
		done = w.done
		return err
	})
	if err != nil {
		return feed.Stored{}, err
	}
	if s.dialect.name == sqliteDialect.name && len(b.Events) >= maxQueueRush {
		_ = pause(ctx, time.Duration(len(b.Events))*queueTurn) // it is stored, whatever becomes of ctx
	}
	return done, nil
}

// After a large batch was written to SQLite we let others write, who may be calls: for so long for each event, a third of the time it took.
const (
	maxQueueRush = 1000
	queueTurn    = 3 * time.Microsecond
)

// SweepQueueLog implements feed.Keeper.
func (s *Store) SweepQueueLog(ctx context.Context, holder string, now time.Time) (swept int, err error) {
	before := now.Add(-queues.Lifetime).UnixMicro()
	for {
		some := 0
		err := s.asQueueHolder(ctx, holder, func(t txn) error {
			w := queueWriter{txn: t, now: now}
			if err := w.begin(ctx); err != nil {
				return err
			}
			var err error
			if some, err = w.rebook(ctx, "since < ?", before); err != nil {
				return err
			}
			return w.end(ctx)
		})
		swept += some
		if err != nil || some < callsAtOnce {
			return swept, err
		}
	}
}

// queueWriter is a transaction of whoever reads the log.
type queueWriter struct {
	txn
	now     time.Time
	restart int64 // when Asterisk last started
	changed bool
	numbers [2]map[string]int32 // of names: of queues, of agents
	moments []int64             // at which something that is over came or went
	pairs   map[[2]int32]bool   // of queues and agents that belong together
	done    feed.Stored
}

func (w *queueWriter) begin(ctx context.Context) error {
	w.numbers, w.pairs = [2]map[string]int32{{}, {}}, map[[2]int32]bool{}
	return w.query(ctx, "SELECT restarted FROM queue_feed WHERE id = 1", nil, func(rows *sql.Rows) error { return rows.Scan(&w.restart) })
}

// end does what is due when the books are made.
func (w *queueWriter) end(ctx context.Context) error {
	if err := errors.Join(w.unpack(ctx), w.pair(ctx)); err != nil {
		return err
	}
	if !w.changed {
		return nil
	}
	_, err := w.conn.ExecContext(ctx, "UPDATE queue_feed SET changes = changes + 1, restarted = ? WHERE id = 1", w.restart)
	return err
}

func (w *queueWriter) store(ctx context.Context, b *feed.Batch) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	all := plausible(b)
	w.done.Beyond = len(b.Events) - len(all)
	calls, events := grouped(all)
	before := w.restart
	for _, e := range events {
		if e.Kind == queues.QueueStart {
			w.restart = max(w.restart, e.At)
		}
	}
	if err := w.storeEvents(ctx, events); err != nil {
		return fmt.Errorf("store events of queues and agents: %w", err)
	}
	for some := range slices.Chunk(calls, callsAtOnce) {
		if err := w.book(ctx, some, false); err != nil {
			return fmt.Errorf("store calls of queues: %w", err)
		}
	}
	if len(b.Events) > 0 { // whatever they are, None is a queue and an agent
		var none queueNames
		none.add(false, queues.None)
		none.add(true, queues.None)
		if err := w.number(ctx, &none); err != nil {
			return fmt.Errorf("store the names of queues and agents: %w", err)
		}
	}
	if w.restart > before {
		w.changed = true
		for some := callsAtOnce; some == callsAtOnce; {
			var err error
			if some, err = w.rebook(ctx, "last_at < ?", w.restart); err != nil {
				return fmt.Errorf("end calls of queues at a restart: %w", err)
			}
		}
	}
	var err error
	if w.done.File, err = w.storeQueueFile(ctx, b.File); err != nil {
		return fmt.Errorf("store how far the queue_log was read: %w", err)
	}
	if err := w.storeBadLines(ctx, w.done.File.ID, b.Bad, b.Now); err != nil {
		return fmt.Errorf("store lines that are none: %w", err)
	}
	w.done.Known = len(b.Events) - w.done.New - w.done.Beyond
	return w.end(ctx)
}

// clockSlack is how far the clock of an Asterisk may be ahead of ours.
const clockSlack = time.Hour

// plausible are the events of a batch without each QUEUESTART that is later than our own time, and than all calls beside it: a machine
// that starts with a wrong clock may write one of years to come, which would end every call until then.
func plausible(b *feed.Batch) []queues.Event {
	latest := b.Now.Add(clockSlack).UnixMicro()
	for i := range b.Events {
		if e := &b.Events[i]; e.Kind.OfCall() {
			latest = max(latest, e.At)
		}
	}
	early := func(e queues.Event) bool { return e.Kind == queues.QueueStart && e.At > latest }
	if !slices.ContainsFunc(b.Events, early) {
		return b.Events
	}
	return slices.DeleteFunc(slices.Clone(b.Events), early) // they are the caller's
}

// grouped are the events by their calls, in the order of first sight, and those that are of agents or of no call.
func grouped(all []queues.Event) (calls []*queueCall, events []*queues.Event) {
	found := make(map[string]*queueCall, len(all)/3+1)
	for i := range all {
		e := &all[i]
		if !ofCall(e) {
			events = append(events, e)
			continue
		}
		if e.Kind.OfAgent() || e.Kind == queues.QueueStart {
			events = append(events, e)
		}
		c := found[e.CallID]
		if c == nil {
			c = &queueCall{id: e.CallID}
			found[e.CallID] = c
			calls = append(calls, c)
		}
		c.events = append(c.events, *e)
	}
	return calls, events
}

// storeEvents stores events that are of agents or of no call, and gives the names in them their numbers.
func (w *queueWriter) storeEvents(ctx context.Context, events []*queues.Event) error {
	if len(events) == 0 {
		return nil
	}
	alone, ofCalls := w.bulk("queue_events", "at, digest, line"), w.bulk("queue_events", "at, digest, line")
	alone.once, ofCalls.once = true, true
	var names queueNames
	for _, e := range events {
		if e.Kind.OfAgent() {
			names.add(false, e.Queue)
			names.add(true, queues.AgentKey(e.Agent))
		}
		rows, line := alone, e.AppendTo(nil)
		if ofCall(e) { // and counted there
			rows = ofCalls
		}
		if len(line) > queues.MaxLine { // nobody could read it again
			if rows == alone {
				w.done.Beyond++
			}
			continue
		}
		digest := sha256.Sum256(line)
		if err := rows.add(ctx, len(line), e.At, digest[:16], line); err != nil {
			return err
		}
	}
	if err := errors.Join(alone.flush(ctx), ofCalls.flush(ctx)); err != nil {
		return err
	}
	w.done.New += int(alone.affected)
	w.changed = w.changed || alone.affected+ofCalls.affected > 0
	if err := w.number(ctx, &names); err != nil {
		return err
	}
	for _, e := range events {
		if pairs(e) {
			w.pairs[[2]int32{w.numbers[0][e.Queue], w.numbers[1][queues.AgentKey(e.Agent)]}] = true
		}
	}
	return nil
}

// pairs tells whether an event of an agent says that queue and agent belong together.
func pairs(e *queues.Event) bool {
	return e.Kind.OfAgent() && e.Queue != queues.None && e.Agent != queues.None
}

// pair stores which queues and agents belong together.
func (w *queueWriter) pair(ctx context.Context) error {
	rows := w.bulk("queue_agents", "queue_id, agent_id")
	rows.once = true
	all := slices.SortedFunc(maps.Keys(w.pairs), func(a, b [2]int32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, p := range all {
		if err := rows.add(ctx, 0, p[0], p[1]); err != nil {
			return err
		}
	}
	if err := rows.flush(ctx); err != nil {
		return err
	}
	w.changed = w.changed || rows.affected > 0
	return nil
}

// rebook makes the books of some open calls anew, which ends them: those of which a time is before a bound that is far enough.
func (w *queueWriter) rebook(ctx context.Context, condition string, bound int64) (int, error) {
	var calls []*queueCall
	err := w.query(ctx, "SELECT call_id FROM queue_open_calls WHERE "+condition+" ORDER BY call_id LIMIT ?", []any{bound, callsAtOnce}, func(rows *sql.Rows) error {
		c := &queueCall{}
		err := rows.Scan(&c.id)
		calls = append(calls, c)
		return err
	})
	if err != nil || len(calls) == 0 {
		return 0, err
	}
	return len(calls), w.book(ctx, calls, true)
}

// book stores calls with the books that their events make, together with those that are there; again makes also those anew of which
// nothing new was read.
func (w *queueWriter) book(ctx context.Context, calls []*queueCall, again bool) error {
	if err := w.loadLogs(ctx, calls); err != nil {
		return err
	}
	changed := make([]*queueCall, 0, len(calls))
	var names queueNames
	for _, c := range calls {
		if again {
			c.events = parseLines(string(c.log))
			c.arrange()
		} else {
			other, more, beyond := c.add()
			w.done.New += more
			w.done.Beyond += beyond
			if !other {
				continue
			}
		}
		c.assemble(w.restart, w.now)
		names.addCall(c)
		changed = append(changed, c)
	}
	if len(changed) == 0 {
		return nil
	}
	w.changed = true
	w.done.Calls += len(changed)
	if err := w.number(ctx, &names); err != nil {
		return err
	}
	for _, c := range changed {
		c.items = itemsOf(&c.books, func(agent bool, name string) int32 { return w.numbers[nameKind(agent)][name] })
		for i := range c.items {
			w.pairs[[2]int32{c.items[i].queue, c.items[i].agent}] = true
			w.pairs[[2]int32{c.items[i].queue, w.numbers[1][queues.None]}] = true
		}
	}
	if err := w.forget(ctx, changed); err != nil {
		return err
	}
	return w.write(ctx, changed)
}

// loadLogs reads the lines of calls that are there.
func (w *queueWriter) loadLogs(ctx context.Context, calls []*queueCall) error {
	byID := make(map[string]*queueCall, len(calls))
	ids := make([]string, len(calls))
	for i, c := range calls {
		byID[c.id], ids[i] = c, c.id
	}
	for some := range slices.Chunk(ids, w.atOnce()) {
		err := w.query(ctx, "SELECT call_id, log FROM queue_calls WHERE call_id IN ("+marks(len(some))+")", anys(some), func(rows *sql.Rows) error {
			var id, log sql.RawBytes
			if err := rows.Scan(&id, &log); err != nil {
				return err
			}
			c := byID[string(id)]
			c.stored, c.log = true, slices.Clone([]byte(log))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// atOnce is how many values a list of one statement has.
func (t *txn) atOnce() int { return min(t.dialect.maxParams, 1000) }

const queueItemColumns = "moment, n, queue_id, agent_id, outcome, final, counted, entered, ended, wait, ring, talk, place, caller, url, did, pressed"

func scanItem(rows *sql.Rows, id *sql.RawBytes, i *queueItem) error {
	var caller, url, did, pressed sql.RawBytes
	err := rows.Scan(id, &i.moment, &i.n, &i.queue, &i.agent, &i.outcome, &i.final, &i.counted, &i.entered, &i.ended, &i.wait, &i.ring, &i.talk, &i.place,
		&caller, &url, &did, &pressed)
	i.caller, i.url, i.did, i.pressed = string(caller), string(url), string(did), string(pressed)
	return err
}

// forget takes out of the tables what is there of calls and is not to stay.
func (w *queueWriter) forget(ctx context.Context, calls []*queueCall) error {
	byID := map[string]*queueCall{}
	var ids []string
	for _, c := range calls {
		if c.stored {
			byID[c.id] = c
			ids = append(ids, c.id)
		}
	}
	for some := range slices.Chunk(ids, w.atOnce()) {
		list := "(" + marks(len(some)) + ")"
		err := w.query(ctx, "SELECT call_id, "+queueItemColumns+" FROM queue_items WHERE call_id IN "+list, anys(some), func(rows *sql.Rows) error {
			var id sql.RawBytes
			var i queueItem
			if err := scanItem(rows, &id, &i); err != nil {
				return err
			}
			c := byID[string(id)]
			c.before = append(c.before, i)
			return nil
		})
		if err != nil {
			return err
		}
		for _, table := range []string{"queue_calls", "queue_open_calls"} {
			if _, err := w.conn.ExecContext(ctx, "DELETE FROM "+table+" WHERE call_id IN "+list, anys(some)...); err != nil {
				return err
			}
		}
	}
	var gone []any
	flush := func() error {
		if len(gone) == 0 {
			return nil
		}
		one := " OR moment = ? AND call_id = ? AND n = ?"
		_, err := w.conn.ExecContext(ctx, "DELETE FROM queue_items WHERE "+strings.Repeat(one, len(gone)/3)[4:], gone...)
		gone = gone[:0]
		return err
	}
	for _, id := range ids {
		c := byID[id]
		if len(c.before) == 0 {
			continue
		}
		stays := make(map[queueItem]bool, len(c.items))
		for _, i := range c.items {
			stays[i] = true
		}
		was := make(map[queueItem]bool, len(c.before))
		for _, i := range c.before {
			was[i] = true
			if stays[i] {
				continue
			}
			w.touch(&i)
			if gone = append(gone, i.moment, id, i.n); len(gone) == 150 {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		c.items = slices.DeleteFunc(c.items, func(i queueItem) bool { return was[i] })
	}
	return flush()
}

// touch notes that what is packed of a moment is not right any more.
func (w *queueWriter) touch(i *queueItem) {
	if i.over() {
		w.moments = append(w.moments, i.moment)
	}
}

// write puts calls into the tables.
func (w *queueWriter) write(ctx context.Context, calls []*queueCall) error {
	logs := w.bulk("queue_calls", "call_id, started, ended, talk, caller, url, did, tag, log")
	items := w.bulk("queue_items", "call_id, "+queueItemColumns)
	open := w.bulk("queue_open_calls", "call_id, since, last_at")
	for _, c := range calls {
		b := &c.books
		texts := searchedTexts(b)
		if err := logs.add(ctx, len(c.log), c.id, b.Start, b.End, b.Talk, texts[0], texts[1], texts[2], texts[3], c.log); err != nil {
			return err
		}
		for n := range c.items {
			i := &c.items[n]
			w.touch(i)
			err := items.add(ctx, len(i.caller)+len(i.url)+len(i.did), c.id, i.moment, i.n, i.queue, i.agent, i.outcome, i.final, i.counted, i.entered, i.ended, i.wait, i.ring,
				i.talk, i.place, i.caller, i.url, i.did, i.pressed)
			if err != nil {
				return err
			}
		}
		if since, is := openSince(b); is {
			if err := open.add(ctx, 0, c.id, since, b.End); err != nil {
				return err
			}
		}
	}
	return errors.Join(logs.flush(ctx), items.flush(ctx), open.flush(ctx))
}

// unpack forgets packed days in which something came or went.
func (w *queueWriter) unpack(ctx context.Context) error {
	if len(w.moments) == 0 {
		return nil
	}
	slices.Sort(w.moments)
	first, last := w.moments[0], w.moments[len(w.moments)-1]
	type packed struct {
		zone string
		day  int
	}
	var stale []packed
	err := w.query(ctx, "SELECT zone, day, from_at, to_at FROM queue_days WHERE from_at <= ? AND to_at > ? AND part = 0", []any{last, first}, func(rows *sql.Rows) error {
		var p packed
		var from, to int64
		if err := rows.Scan(&p.zone, &p.day, &from, &to); err != nil {
			return err
		}
		if at, _ := slices.BinarySearch(w.moments, from); at < len(w.moments) && w.moments[at] < to {
			stale = append(stale, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range stale {
		if _, err := w.conn.ExecContext(ctx, "DELETE FROM queue_days WHERE zone = ? AND day = ?", p.zone, p.day); err != nil {
			return err
		}
	}
	return nil
}

// queueNames are names in the order of first sight.
type queueNames struct {
	order [2][]string
	seen  [2]map[string]bool
}

func nameKind(agent bool) int {
	if agent {
		return 1
	}
	return 0
}

func (n *queueNames) add(agent bool, name string) {
	kind := nameKind(agent)
	if n.seen[kind] == nil {
		n.seen[kind] = map[string]bool{}
	}
	if !n.seen[kind][name] {
		n.seen[kind][name] = true
		n.order[kind] = append(n.order[kind], name)
	}
}

// addCall adds the names of a call. They are those of its events, so that it does not matter in which order these came.
func (n *queueNames) addCall(c *queueCall) {
	for i := range c.events {
		if e := &c.events[i]; e.Kind.OfCall() {
			n.add(false, e.Queue)
			n.add(true, queues.AgentKey(e.Agent))
		}
	}
	if len(c.books.Passages) > 0 {
		n.add(true, queues.None)
	}
}

// number finds the numbers of names, and gives one to each that has none yet.
func (w *queueWriter) number(ctx context.Context, names *queueNames) error {
	for kind, wanted := range names.order {
		numbers := w.numbers[kind]
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return numbers[name] != 0 })
		for some := range slices.Chunk(wanted, w.atOnce()-1) {
			err := w.query(ctx, "SELECT id, name FROM queue_names WHERE agent = ? AND name IN ("+marks(len(some))+")", append([]any{kind == 1}, anys(some)...), func(rows *sql.Rows) error {
				var id int32
				var name sql.RawBytes
				err := rows.Scan(&id, &name)
				numbers[string(name)] = id
				return err
			})
			if err != nil {
				return err
			}
		}
		wanted = slices.DeleteFunc(wanted, func(name string) bool { return numbers[name] != 0 })
		if len(wanted) == 0 {
			continue
		}
		last := int32(0)
		err := w.query(ctx, "SELECT COALESCE(MAX(id), 0) FROM queue_names WHERE agent = ?", []any{kind == 1}, func(rows *sql.Rows) error { return rows.Scan(&last) })
		if err != nil {
			return err
		}
		if int(last) > math.MaxInt32-len(wanted) {
			return errors.New("the queue_log names too many queues and agents")
		}
		rows := w.bulk("queue_names", "agent, id, name")
		for _, name := range wanted {
			last++
			numbers[name] = last
			if err := rows.add(ctx, len(name), kind == 1, last, name); err != nil {
				return err
			}
		}
		if err := rows.flush(ctx); err != nil {
			return err
		}
		w.changed = true
	}
	return nil
}
