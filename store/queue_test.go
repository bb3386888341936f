package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/models"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/queues/reports"
	"talktime/store"
	"talktime/store/storetest"
)

var (
	_ feed.Keeper        = (*store.Store)(nil)
	_ reports.Keeper     = (*store.Store)(nil)
	_ reports.PackKeeper = (*store.Store)(nil)
)

const (
	queueStart = int64(1812528000) // 9 June 2027, 08:00 UTC
	queueEnd   = queueStart + 10*86400
)

// queueDesk is a database into which a queue_log is read.
type queueDesk struct {
	testing.TB
	*store.Store
	db   *sql.DB
	file feed.File
}

func newQueueDesk(t testing.TB, d storetest.Database) *queueDesk {
	t.Helper()
	d.Config.Now = func() time.Time { return time.Unix(queueEnd, 0) }
	d.Config.Location = time.UTC
	desk := &queueDesk{TB: t, Store: d.Migrated(t), db: d.SQL(t), file: feed.File{Kind: feed.KindFile, Name: "queue_log"}}
	desk.claims("one", true)
	return desk
}

func (d *queueDesk) claims(holder string, want bool) {
	d.Helper()
	if ours, err := d.ClaimQueueLog(context.Background(), holder, time.Hour); err != nil || ours != want {
		d.Fatalf("%s claims the log: %t, %v", holder, ours, err)
	}
}

func (d *queueDesk) exec(statement string, args ...any) {
	d.Helper()
	if _, err := d.db.ExecContext(context.Background(), statement, args...); err != nil {
		d.Fatalf("%s: %v", statement, err)
	}
}

// empties the tables.
func (d *queueDesk) empties() {
	d.Helper()
	tx, err := d.db.BeginTx(context.Background(), nil)
	if err != nil {
		d.Fatal(err)
	}
	for _, table := range []string{"queue_files", "queue_bad_lines", "queue_names", "queue_calls", "queue_items", "queue_open_calls", "queue_events", "queue_days", "queue_agents"} {
		if _, err := tx.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
			d.Fatal(err)
		}
	}
	if _, err := tx.ExecContext(context.Background(), "UPDATE queue_feed SET restarted = 0"); err != nil {
		d.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		d.Fatal(err)
	}
	d.file.ID = 0
}

func (d *queueDesk) stores(now int64, events ...queues.Event) feed.Stored {
	d.Helper()
	done, err := d.StoreQueueLog(context.Background(), "one", feed.Batch{File: d.file, Events: events, Now: time.Unix(now, 0)})
	if err != nil {
		d.Fatal(err)
	}
	if done.New+done.Known+done.Beyond != len(events) {
		d.Fatalf("%d events: %+v", len(events), done)
	}
	d.file = done.File
	return done
}

func (d *queueDesk) sweeps(now int64) int {
	d.Helper()
	n, err := d.SweepQueueLog(context.Background(), "one", time.Unix(now, 0))
	if err != nil {
		d.Fatal(err)
	}
	return n
}

// packs days that are over.
func (d *queueDesk) packs(now int64, most int) int {
	d.Helper()
	p := reports.Packer{Keeper: d.Store, Location: time.UTC, Now: func() time.Time { return time.Unix(now, 0) }}
	n, err := p.Pack(context.Background(), "one", most)
	if err != nil {
		d.Fatal(err)
	}
	return n
}

func (d *queueDesk) verified() store.QueueVerdict {
	d.Helper()
	v, err := d.VerifyQueues(context.Background(), nil)
	if err != nil {
		d.Fatal(err)
	}
	return v
}

func (d *queueDesk) isProven() store.QueueVerdict {
	d.Helper()
	v := d.verified()
	if !v.Clean() {
		d.Fatalf("%d findings: %v", v.Found, v.Findings)
	}
	return v
}

// books are all tables but positions, with names in the place of their numbers.
func (d *queueDesk) books() []string {
	d.Helper()
	var all []string
	for _, query := range []string{
		"SELECT 'call', call_id, started, ended, talk, COALESCE(caller, '<>'), COALESCE(url, '<>'), COALESCE(did, '<>'), COALESCE(tag, '<>'), log FROM queue_calls",
		`SELECT 'item', i.call_id, i.n, i.moment, q.name, a.name, outcome, final, counted, entered, ended, wait, ring, talk, place, caller, url, did, pressed
			FROM queue_items i JOIN queue_names q ON q.agent = FALSE AND q.id = queue_id JOIN queue_names a ON a.agent = TRUE AND a.id = agent_id`,
		"SELECT 'open', call_id, since, last_at FROM queue_open_calls",
		"SELECT 'event', at, line FROM queue_events",
		"SELECT 'name', agent, name, shown FROM queue_names",
		"SELECT 'restarted', restarted FROM queue_feed",
		"SELECT 'day', zone, day, part, from_at, to_at FROM queue_days",
		"SELECT 'items', COUNT(*) FROM queue_items",
	} {
		all = append(all, d.rows(query)...)
	}
	slices.Sort(all)
	return all
}

// rows are those of a SELECT as text.
func (d *queueDesk) rows(query string) (all []string) {
	d.Helper()
	rows, err := d.db.QueryContext(context.Background(), query)
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		d.Fatal(err)
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(sql.NullString)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			d.Fatal(err)
		}
		line := ""
		for _, v := range values {
			line += fmt.Sprintf("%q ", v.(*sql.NullString).String)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		d.Fatal(err)
	}
	return all
}

func queueEvents(t testing.TB, lines ...string) []queues.Event {
	t.Helper()
	var p queues.Parser
	var events []queues.Event
	for _, line := range lines {
		e, err := p.Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// TestQueueLogIsStored, once, however often it is read.
func TestQueueLogIsStored(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		ctx := t.Context()
		batch := feed.Batch{
			File: feed.File{Kind: feed.KindFile, Name: "/var/log/queue_log", Position: 900, Size: 1000, Lines: 8, Bad: 1, Last: 1812529141e6},
			Events: queueEvents(t,
				"1812528900|NONE|NONE|NONE|QUEUESTART|",
				"1812528901|NONE|sales|Iva Moss|ADDMEMBER|",
				"1812528928|1.11|sales|NONE|ENTERQUEUE|x|5550177|1",
				"1812528930|1.11|sales|Bob|RINGNOANSWER|1500",
				"1812528940|1.11|sales|Iva Moss|CONNECT|12|1.12|5",
				"1812529141|1.11|sales|Iva Moss|COMPLETECALLER|12|201|1",
				"1812529141|1.12|sales|NONE|ENTERQUEUE||5550178|1",
				"1812529141|1.12 |sales |NONE|ENTERQUEUE||5550178|1",
				"1812529141|A|Sales|NONE|ENTERQUEUE||5550178|1",
				"1812529141|a|sales|NONE|ENTERQUEUE||5550178|1",
				"1812529142|a|sales|Bob|PAUSE|lunch",
			),
			Bad: []feed.BadLine{{Position: 7, Line: "hello\x00\xff", Why: "it is none"}},
			Now: time.Unix(1812529200, 0),
		}
		done, err := d.StoreQueueLog(ctx, "one", batch)
		if err != nil {
			t.Fatal(err)
		}
		if done.New != 11 || done.Known != 0 || done.Calls != 5 || done.Beyond != 0 || done.File.ID == 0 {
			t.Errorf("%+v", done)
		}
		change, err := d.QueueChange(ctx)
		if err != nil || change == 0 {
			t.Error(change, err)
		}
		batch.File = done.File
		batch.File.Read = time.Unix(1812529300, 5000).UTC()
		again, err := d.StoreQueueLog(ctx, "one", batch)
		if err != nil || again.New != 0 || again.Known != 11 || again.Calls != 0 {
			t.Errorf("%+v, %v", again, err)
		}
		if now, err := d.QueueChange(ctx); err != nil || now != change {
			t.Errorf("changed to %d: %v", now, err)
		}
		var items []queues.Item
		if err := d.QueueItems(ctx, 0, queueEnd*queues.Second, func(i *queues.Item) error { items = append(items, *i); return nil }); err != nil {
			t.Fatal(err)
		}
		want := []queues.Item{
			{At: 1812528930e6, Queue: 1, Agent: 3, NoAnswer: true, Millis: 1500},
			{At: 1812528940e6, Queue: 1, Agent: 1, Outcome: queues.Answered, End: "COMPLETECALLER", Wait: 12, Ring: 5, Talk: 201, URL: "x"},
		}
		names, err := d.QueueNames(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantNames := []queues.Name{
			{ID: 1, Key: "sales", Shown: "sales"},
			{ID: 2, Key: "sales ", Shown: "sales "},
			{ID: 3, Key: "Sales", Shown: "Sales"},
			{ID: 4, Key: "NONE", Shown: "NONE"},
			{Agent: true, ID: 1, Key: "Iva Moss", Shown: "Iva Moss"},
			{Agent: true, ID: 2, Key: "Bob", Shown: "Bob"},
			{Agent: true, ID: 3, Key: "NONE", Shown: "NONE"},
		}
		want[0].Agent = 2
		if diff := cmp.Diff(want, items); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(wantNames, names); diff != "" {
			t.Error(diff)
		}
		files, err := d.QueueLogFiles(ctx)
		if diff := cmp.Diff([]feed.File{batch.File}, files); err != nil || diff != "" {
			t.Error(diff, err)
		}
		bad, err := d.QueueBadLines(ctx, 10)
		if err != nil || len(bad) != 1 || bad[0].Line != "hello\x00?" || bad[0].Position != 7 || bad[0].File != "/var/log/queue_log" {
			t.Errorf("%+v, %v", bad, err)
		}
		restart, err := d.QueueRestart(ctx)
		if err != nil || restart != 1812528900e6 {
			t.Error(restart, err)
		}
		lines, err := d.QueueCall(ctx, "a")
		if err != nil || string(lines) != "1812529141|a|sales|NONE|ENTERQUEUE||5550178|1\n1812529142|a|sales|Bob|PAUSE|lunch\n" {
			t.Errorf("%q, %v", lines, err)
		}
		if lines, err := d.QueueCall(ctx, "b"); err != nil || lines != nil {
			t.Errorf("%q, %v", lines, err)
		}
		var agents []string
		err = d.AgentEvents(ctx, 0, queueEnd*queues.Second, func(e *queues.Event) error { agents = append(agents, e.Name); return nil })
		if diff := cmp.Diff([]string{"QUEUESTART", "ADDMEMBER", "PAUSE"}, agents); err != nil || diff != "" {
			t.Error(diff, err)
		}
		v := d.isProven()
		if v.Calls != 5 || v.Open != 4 || v.Overdue != 4 || v.Entered != 5 || v.Facts.Offered != 5 || v.Facts.Waiting != 4 || v.NoAnswers != 1 || v.Events != 3 {
			t.Errorf("%+v", v)
		}
		f, err := d.QueueFigures(ctx)
		wantFigures := models.QueueFigures{
			Files: 1, Lines: 8, BadLines: 1, Position: 900, Size: 1000, LastEvent: time.Unix(1812529141, 0).UTC(), LastRead: batch.File.Read, OpenCalls: 4, Unpacked: 1,
		}
		if diff := cmp.Diff(wantFigures, f); err != nil || diff != "" || f.Behind() != 100 {
			t.Error(diff, err)
		}
		if n := d.sweeps(queueEnd); n != 4 || d.isProven().Facts.Lost != 4 {
			t.Errorf("%d calls are swept", n)
		}
		if n := d.sweeps(queueEnd); n != 0 {
			t.Errorf("%d calls are swept again", n)
		}
	})
}

// TestQueueHolders: only who has claimed the log writes.
func TestQueueHolders(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		ctx := t.Context()
		d.claims("two", false)
		d.claims("one", true)
		event := queueEvents(t, "1812528928|1.11|sales|NONE|ENTERQUEUE||5550177|1")
		denied := func(holder string) {
			t.Helper()
			_, err := d.StoreQueueLog(ctx, holder, feed.Batch{File: d.file, Events: event})
			_, swept := d.SweepQueueLog(ctx, holder, time.Unix(queueEnd, 0))
			packed := d.PackQueueDay(ctx, holder, "UTC", 1, 0, 1, func([]queues.Item) []byte { return nil })
			for _, err := range []error{err, swept, packed, d.ForgetQueueDays(ctx, holder)} {
				if !errors.Is(err, feed.ErrNotOurs) {
					t.Errorf("%q is let: %v", holder, err)
				}
			}
		}
		denied("two")
		if err := d.UnclaimQueueLog(ctx, "two"); err != nil {
			t.Fatal(err)
		}
		d.claims("two", false)
		if err := d.UnclaimQueueLog(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		denied("one")
		denied("")
		d.claims("two", true)
		denied("one")
		d.exec("UPDATE queue_feed SET claimed_until = '2020-01-01 00:00:00'")
		d.claims("one", true)
		denied("two")
		d.stores(queueStart, event...)
		d.file.ID = 77
		if _, err := d.StoreQueueLog(ctx, "one", feed.Batch{File: d.file}); err == nil {
			t.Error("a file that nobody knows is noted")
		}
	})
}

// TestQueueLogByTwoAtOnce: two that read the same log beside each other, one of which does not know that it has lost the claim.
func TestQueueLogByTwoAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		other := database.Open(t)
		var lines []string
		for i := range 200 {
			lines = append(lines, fmt.Sprintf("%d|1.%d|q%d|NONE|ENTERQUEUE||5550177|1", queueStart+int64(i), i, i%7), fmt.Sprintf("%d|1.%d|q%d|NONE|ABANDON|1|1|3", queueStart+3+int64(i), i, i%7))
		}
		events := queueEvents(t, lines...)
		var wg sync.WaitGroup
		for _, s := range []*store.Store{d.Store, other} {
			wg.Go(func() {
				for some := range slices.Chunk(events, 10) {
					err := untilDone(t.Context(), func() error {
						_, err := s.StoreQueueLog(t.Context(), "one", feed.Batch{File: feed.File{Kind: feed.KindFile}, Events: some, Now: time.Unix(queueEnd, 0)})
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if v := d.isProven(); v.Calls != 200 || v.Facts.Abandoned != 200 {
			t.Errorf("%+v", v)
		}
	})
}

// queueStream makes up events that belong together and others that do not.
func queueStream() *rapid.Generator[[]queues.Event] {
	names := []string{
		"ENTERQUEUE", "ENTERQUEUE", "ENTERQUEUE", "CONNECT", "CONNECT", "COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY",
		"RINGNOANSWER", "AGENTDUMP", "WITHDRAW", "TAG", "DID", "NEWS", "PAUSE", "ADDMEMBER", "AGENTLOGIN", "QUEUESTART", "CONFIGRELOAD",
	}
	event := rapid.Custom(func(t *rapid.T) queues.Event {
		second := rapid.Int64Range(0, 20).Draw(t, "second") + rapid.SampledFrom([]int64{0, 0, 0, 57_590, 86_400, 86_410, 300_000}).Draw(t, "day")
		e := queues.Event{
			At:     (queueStart+second)*queues.Second + rapid.SampledFrom([]int64{0, 0, 0, 500_000}).Draw(t, "fraction"),
			CallID: rapid.SampledFrom([]string{"1.1", "1.1", "1.2", "1.2 ", "a", "A", "ä", "NONE", "REALTIME"}).Draw(t, "call"),
			Queue:  rapid.SampledFrom([]string{"sales", "sales", "Sales", "slow ", "NONE"}).Draw(t, "queue"),
			Agent:  rapid.SampledFrom([]string{"Iva", "Bob", "bob", "NONE", "SIP/1-0000000a"}).Draw(t, "agent"),
			Name:   rapid.SampledFrom(names).Draw(t, "event"),
		}
		for i := range e.Params {
			e.Params[i] = rapid.SampledFrom([]string{"", "", "0", "1", "5", "30", "x", "9999999999", strings.Repeat("é", 130)}).Draw(t, "parameter")
		}
		if rapid.IntRange(0, 15).Draw(t, "start") == 0 {
			e = queues.Event{At: e.At, CallID: queues.None, Queue: queues.None, Agent: queues.None, Name: "QUEUESTART"}
		}
		e.Kind = queues.KindOf(e.Name)
		return e
	})
	return rapid.SliceOfN(event, 1, 60)
}

// TestQueueStartOfTheFuture: a machine that started with a wrong clock ends no calls; a log that lies in the future as a whole is read as others.
func TestQueueStartOfTheFuture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		for name, test := range map[string]struct {
			lines     []string
			restarted int64
			open      int
		}{
			"by an hour":         {[]string{"1812531600|NONE|NONE|NONE|QUEUESTART|"}, 1812531600e6, 0},
			"by more":            {[]string{"1812531601|NONE|NONE|NONE|QUEUESTART|"}, 0, 1},
			"of 2100":            {[]string{"1812528001|NONE|NONE|NONE|QUEUESTART|", "4102444800|NONE|NONE|NONE|QUEUESTART|"}, 1812528001e6, 0},
			"with calls as late": {[]string{"4102444800|NONE|NONE|NONE|QUEUESTART|", "4102444800|1.2|sales|NONE|ENTERQUEUE||5550178|1"}, 4102444800e6, 1},
		} {
			d.empties()
			d.stores(queueStart, queueEvents(t, append([]string{"1812528000|1.1|sales|NONE|ENTERQUEUE||5550177|1"}, test.lines...)...)...)
			if restart, err := d.QueueRestart(t.Context()); err != nil || restart != test.restarted {
				t.Errorf("%s: %d, %v", name, restart, err)
			}
			if open := len(d.rows("SELECT call_id FROM queue_open_calls")); open != test.open {
				t.Errorf("%s: %d calls go on", name, open)
			}
			d.isProven()
		}
	})
}

// TestQueueAgents: queues and agents belong together whom a line of a call names, or of an agent. None has its numbers from the first line on.
func TestQueueAgents(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		pairs := func() (pairs []string) {
			names, err := d.QueueNames(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			called := map[bool]map[int32]string{false: {}, true: {}}
			for _, n := range names {
				called[n.Agent][n.ID] = n.Key
			}
			all, err := d.QueueAgents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range all {
				pairs = append(pairs, called[false][p[0]]+" "+called[true][p[1]])
			}
			slices.Sort(pairs)
			return pairs
		}
		d.stores(queueEnd, queueEvents(t, "1812528000|CLI|NONE|NONE|QUEUESTART|")...)
		if names, err := d.QueueNames(t.Context()); err != nil || len(names) != 2 || names[0] != (queues.Name{ID: 1, Key: "NONE", Shown: "NONE"}) || !names[1].Agent || pairs() != nil {
			t.Errorf("%+v, %v", names, err)
		}
		lines := queueEvents(t,
			"1812528001|CLI|sales|Iva|ADDMEMBER|", "1812528002|NONE|NONE|Cid|PAUSEALL|", "1812528003|1.1|support|NONE|ENTERQUEUE||5550177|1",
			"1812528004|1.1|support|Bob|RINGNOANSWER|1000", "1812528005|1.1|support|PJSIP/9-0000000a|CONNECT|2||1", "1812528006|1.1|vip|Boss|TAG|secret")
		for range 2 {
			d.stores(queueEnd, lines...)
			if diff := cmp.Diff([]string{"sales Iva", "support Bob", "support NONE", "support PJSIP/9"}, pairs()); diff != "" {
				t.Error(diff)
			}
		}
		if calls := d.rows("SELECT call_id FROM queue_calls"); len(calls) != 1 {
			t.Errorf("calls %v", calls)
		}
		d.isProven()
	})
}

// TestQueueLogInAnyOrder: shuffled, with copies, cut into batches anywhere, swept, packed and repeated in between, the same events make the
// same books as in one go; and these are proven at every step.
func TestQueueLogInAnyOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		rapid.Check(t, func(rt *rapid.T) {
			events := queueStream().Draw(rt, "events")
			d.empties()
			d.stores(queueEnd, events...)
			d.packs(queueEnd, 100)
			d.isProven()
			want := d.books()

			d.empties()
			random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0))
			all := slices.Clone(events)
			for _, e := range events {
				if random.IntN(3) == 0 {
					all = append(all, e)
				}
			}
			if random.IntN(4) > 0 {
				random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
			now := queueStart
			for len(all) > 0 {
				n := random.IntN(len(all)) + 1 + len(all)/8
				n = min(n, len(all))
				now += random.Int64N(queueEnd - now)
				for _, e := range all[:n] {
					now = max(now, e.At/queues.Second) // nobody reads a line before it is written
				}
				d.stores(now, all[:n]...)
				switch random.IntN(5) {
				case 0:
					d.stores(now, all[:n]...) // again
				case 1:
					d.sweeps(now)
				case 2:
					d.packs(queueEnd, random.IntN(3))
					d.isProven()
				}
				all = all[n:]
			}
			d.sweeps(queueEnd)
			d.packs(queueEnd, 100)
			d.isProven()
			if diff := cmp.Diff(want, d.books()); diff != "" {
				rt.Fatal(diff)
			}
			change, err := d.QueueChange(context.Background())
			if err != nil {
				rt.Fatal(err)
			}
			if done := d.stores(queueEnd, events...); done.New != 0 || done.Calls != 0 {
				rt.Fatalf("read again: %+v", done)
			}
			if now, err := d.QueueChange(context.Background()); err != nil || now != change {
				rt.Fatalf("read again, it changed: %v", err)
			}
			if diff := cmp.Diff(want, d.books()); diff != "" {
				rt.Fatal(diff)
			}
		})
	})
}

// dyingContext ends when it was looked at so often.
type dyingContext struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *dyingContext) Done() <-chan struct{} {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Done()
}

// TestQueueBatchIsWhole: a batch that is broken off at any statement has stored all or nothing, and can be stored again.
func TestQueueBatchIsWhole(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		random := rand.New(rand.NewPCG(5, 6))
		first := queueStream().Filter(func(e []queues.Event) bool { return len(e) > 20 }).Example(1)
		second := queueStream().Filter(func(e []queues.Event) bool { return len(e) > 20 }).Example(2)
		broken := 0
		for range 60 {
			d.empties()
			d.stores(queueEnd, first...)
			d.packs(queueEnd, 100)
			before := d.books()
			parent, cancel := context.WithCancel(t.Context())
			ctx := &dyingContext{Context: parent, cancel: cancel}
			ctx.left.Store(random.Int64N(200))
			_, err := d.StoreQueueLog(ctx, "one", feed.Batch{File: d.file, Events: second, Now: time.Unix(queueEnd, 0)})
			cancel()
			if err != nil {
				broken++
				if diff := cmp.Diff(before, d.books()); diff != "" {
					t.Fatalf("after %v: %s", err, diff)
				}
			} else if slices.Equal(before, d.books()) {
				t.Fatal("nothing was stored")
			}
			untilStored := func() error {
				_, err := d.StoreQueueLog(t.Context(), "one", feed.Batch{File: d.file, Events: second, Now: time.Unix(queueEnd, 0)})
				return err
			}
			if err := untilDone(t.Context(), untilStored); err != nil { // the server may still be taking back
				t.Fatal(err)
			}
			d.isProven()
		}
		if broken < 10 || broken > 59 {
			t.Errorf("%d of 60 were broken off", broken)
		}
	})
}

// TestQueueLogAsFile: a server that reads rows as a file gets the same bytes as one that takes no files.
func TestQueueLogAsFile(t *testing.T) {
	t.Parallel()
	d := newQueueDesk(t, storetest.OnShared(t))
	odd := []string{`\N`, `\`, `a\b`, `\\n`, `\t`, "\t", "\n", "\x00", "\\\n", `"'`, "é\\", " x ", ""}
	var events []queues.Event
	for i := range int64(400) {
		text := odd[i%int64(len(odd))]
		e := queues.Event{
			At: (queueStart + i) * queues.Second, Kind: queues.EnterQueue, Name: "ENTERQUEUE", CallID: fmt.Sprint("1.", i, strings.Trim(text, "\x00\n")), Queue: "q" + text,
			Agent: queues.None, Params: [5]string{text, "2" + text, "1", text, text},
		}
		left := e
		left.At, left.Kind, left.Name, left.Params = e.At+queues.Second, queues.ExitWithKey, "EXITWITHKEY", [5]string{"5" + text, "1", "1", "1", ""}
		events = append(events, e, left)
	}
	d.stores(queueEnd, events...)
	if !store.LoadsFiles(d.Store) {
		t.Error("the server is believed to take no files")
	}
	loaded := d.books()
	d.empties()
	d.exec("SET GLOBAL local_infile = 0")
	done := d.stores(queueEnd, events...)
	d.exec("SET GLOBAL local_infile = 1")
	if store.LoadsFiles(d.Store) {
		t.Error("the server is believed to take files")
	}
	if diff := cmp.Diff(loaded, d.books()); diff != "" || len(loaded) < 800 || done.Calls != 400 {
		t.Errorf("%d rows of %d calls: %s", len(loaded), done.Calls, diff)
	}
}
