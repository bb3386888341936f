package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/models"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/store/storetest"
)

// TestQueueReading: what reports read is what the events come to.
func TestQueueReading(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		ctx := context.Background()
		rapid.Check(t, func(rt *rapid.T) {
			events := queueStream().Draw(rt, "events")
			d.empties()
			now := queueStart + rapid.SampledFrom([]int64{0, 90_000, 864_000}).Draw(rt, "now")
			for _, e := range events {
				now = max(now, e.At/queues.Second)
			}
			d.stores(now, events...)
			books := booksOf(events, now)
			names, err := d.QueueNames(ctx)
			if err != nil {
				rt.Fatal(err)
			}
			number := map[string]int32{}
			for _, n := range names {
				number[fmt.Sprint(n.Agent, n.Key)] = n.ID
			}
			second := rapid.SampledFrom([]int64{0, 10, 57_600, 86_400, 300_010, 864_000})
			from, to := (queueStart+second.Draw(rt, "from"))*queues.Second, (queueStart+second.Draw(rt, "to"))*queues.Second

			var want, got []string
			for i := range books {
				for n := range books[i].Passages {
					p := &books[i].Passages[n]
					if at := p.Moment(); at >= from && at < to && !p.Outcome.Open() {
						item := queues.Item{
							At: at, Queue: number["false"+p.Queue], Agent: number["true"+p.Agent], Outcome: p.Outcome, End: p.End, Wait: p.Wait, Ring: p.Ring, Talk: p.Talk,
							URL: p.URL[:min(len(p.URL), 254)], DID: short(books[i].DID),
						}
						want = append(want, fmt.Sprintf("%+v", queues.Detail{
							Item: item, CallID: books[i].ID, Number: n, Entered: p.Entered, Ended: p.Ended, Caller: short(p.Caller), Key: p.Key[:min(len(p.Key), 20)], Left: p.Left,
						}))
					}
				}
			}
			last := int64(0)
			agents := []int32{number["trueIva"], number["trueNONE"]}
			var some []string
			err = errors.Join(
				d.QueueDetails(ctx, from, to, nil, nil, func(i *queues.Detail) error {
					if i.At < last {
						rt.Fatal("not in their order")
					}
					last = i.At
					got = append(got, fmt.Sprintf("%+v", *i))
					if i.Queue == number["falsesales"] && slices.Contains(agents, i.Agent) {
						some = append(some, fmt.Sprintf("%+v", *i))
					}
					return nil
				}),
				d.QueueDetails(ctx, from, to, []int32{number["falsesales"]}, agents, func(i *queues.Detail) error {
					if len(some) == 0 || fmt.Sprintf("%+v", *i) != some[0] {
						rt.Fatalf("%+v is not one of %v", *i, some)
					}
					some = some[1:]
					return nil
				}),
				d.QueueDetails(ctx, from, to, []int32{}, nil, func(i *queues.Detail) error { return fmt.Errorf("%+v", i) }),
			)
			slices.Sort(want)
			slices.Sort(got)
			if diff := gocmp.Diff(want, got); diff != "" || err != nil || len(some) > 0 {
				rt.Fatal(diff, err, some)
			}

			w := queues.Wanted{
				From: from, To: to, Open: rapid.Bool().Draw(rt, "open"),
				ID:      rapid.SampledFrom([]string{"", "", "", "1.1", "a", "1.2 "}).Draw(rt, "id"),
				Caller:  rapid.SampledFrom([]string{"", "", "", "x", "5", "é"}).Draw(rt, "caller"),
				URL:     rapid.SampledFrom([]string{"", "", "", "x", strings.Repeat("é", 130)}).Draw(rt, "url"),
				Tag:     rapid.SampledFrom([]string{"", "", "", "x"}).Draw(rt, "tag"),
				DID:     rapid.SampledFrom([]string{"", "", "", "x", strings.Repeat("é", 130)}).Draw(rt, "did"),
				MinTalk: rapid.SampledFrom([]int64{0, 0, 0, 3}).Draw(rt, "talk"),
			}
			if rapid.IntRange(0, 3).Draw(rt, "queues") == 0 {
				w.Queues = []int32{number["falsesales"], number["falseslow "]}
			}
			if rapid.IntRange(0, 3).Draw(rt, "agents") == 0 {
				w.Agents = []int32{number["trueIva"]}
			}
			var wantCalls, gotCalls []string
			slices.SortFunc(books, func(a, b queues.Call) int { return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.ID, b.ID)) })
			for i := range books {
				b := &books[i]
				one := func(numbers []int32, of func(*queues.Passage) int32) bool {
					return numbers == nil || slices.ContainsFunc(b.Passages, func(p queues.Passage) bool { return slices.Contains(numbers, of(&p)) })
				}
				if b.Start >= from && b.Start < to && (w.Open || !b.Open()) && (w.ID == "" || b.ID == w.ID) && strings.Contains(b.Caller, w.Caller) &&
					(w.URL == "" || b.URL == w.URL) && (w.Tag == "" || b.Tag == w.Tag) && (w.DID == "" || b.DID == w.DID) && b.Talk >= w.MinTalk &&
					one(w.Queues, func(p *queues.Passage) int32 { return number["false"+p.Queue] }) &&
					one(w.Agents, func(p *queues.Passage) int32 { return number["true"+p.Agent] }) {
					wantCalls = append(wantCalls, b.ID)
				}
			}
			err = d.QueueCalls(ctx, w, func(id string, lines []byte) error {
				if i := slices.IndexFunc(books, func(b queues.Call) bool { return b.ID == id }); i < 0 || len(lines) == 0 {
					rt.Fatalf("there is no call %q", id)
				}
				if slices.Contains(wantCalls, id) { // others may come too
					gotCalls = append(gotCalls, id)
				}
				return nil
			})
			if diff := gocmp.Diff(wantCalls, gotCalls); diff != "" || err != nil {
				rt.Fatalf("%+v: %v, %s", w, err, diff)
			}
		})
	})
}

func short(text string) string { return text[:min(len(text), 100)] } // the é of the test are two bytes each

// booksOf are the calls that events make.
func booksOf(events []queues.Event, now int64) (all []queues.Call) {
	calls, starts := map[string][]queues.Event{}, []queues.Event(nil)
	for _, e := range events {
		if e.CallID != "NONE" && e.CallID != "REALTIME" {
			calls[e.CallID] = append(calls[e.CallID], e)
		}
		if e.Kind == queues.QueueStart {
			starts = append(starts, e)
		}
	}
	for id, events := range calls {
		c := queues.Assemble(append(events, starts...), time.Unix(now, 0))
		c.ID = id
		all = append(all, c)
	}
	return all
}

// TestQueueStreamsStop: an error of whoever reads ends the reading and comes back as it is; so does the end of a context.
func TestQueueStreamsStop(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		d.stores(queueEnd, queueEvents(t,
			"1812528010|1.1|sales|NONE|ENTERQUEUE|x|5550177|1", "1812528080|1.1|sales|Iva|COMPLETECALLER|10|60|1", "1812528010|1.2|sales|Iva|PAUSE|",
			fmt.Sprint(queueEnd-5)+"|1.3|sales|NONE|ENTERQUEUE|x|5550177|1",
		)...)
		d.packs(queueEnd, 1)
		enough := errors.New("enough")
		to := queueEnd * queues.Second
		for name, read := range map[string]func(context.Context) error{
			"items": func(ctx context.Context) error {
				return d.QueueItems(ctx, 0, to, func(*queues.Item) error { return enough })
			},
			"details": func(ctx context.Context) error {
				return d.QueueDetails(ctx, 0, to, nil, nil, func(*queues.Detail) error { return enough })
			},
			"days": func(ctx context.Context) error {
				return d.QueueDays(ctx, "UTC", 0, 99_999, func(int, []byte) error { return enough })
			},
			"calls": func(ctx context.Context) error {
				return d.QueueCalls(ctx, queues.Wanted{To: to}, func(string, []byte) error { return enough })
			},
			"open": func(ctx context.Context) error {
				return d.OpenQueueCalls(ctx, func(string, []byte) error { return enough })
			},
			"agents": func(ctx context.Context) error {
				return d.AgentEvents(ctx, 0, to, func(*queues.Event) error { return enough })
			},
		} {
			if err := read(t.Context()); !errors.Is(err, enough) {
				t.Errorf("%s: %v", name, err)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := read(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, ended: %v", name, err)
			}
		}
	})
}

// TestQueueNamesStay: numbers never change, whatever is read and however often the database is opened; names for people can.
func TestQueueNamesStay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		ctx := t.Context()
		d.stores(queueEnd, queueEvents(t, "1812528010|1.1|sales|Iva|CONNECT|10||5", "1812528011|1.2|b|Bob|CONNECT|10||5")...)
		named, err := d.RenameQueue(ctx, 2, "Büro", "op")
		if diff := gocmp.Diff(queues.Name{ID: 2, Key: "b", Shown: "Büro"}, named); err != nil || diff != "" {
			t.Fatal(diff, err)
		}
		if _, err := d.RenameAgent(ctx, 1, "Iva Moss", "op"); err != nil {
			t.Fatal(err)
		}
		other := &queueDesk{TB: t, Store: database.Open(t), file: d.file}
		other.stores(queueEnd, queueEvents(t, "1812528010|1.3|a|Ann|CONNECT|10||5", "1812528011|1.4|sales|Bob|CONNECT|10||5")...)
		want := []queues.Name{
			{ID: 1, Key: "sales", Shown: "sales"},
			{ID: 2, Key: "b", Shown: "Büro"},
			{ID: 3, Key: "NONE", Shown: "NONE"},
			{ID: 4, Key: "a", Shown: "a"},
			{Agent: true, ID: 1, Key: "Iva", Shown: "Iva Moss"},
			{Agent: true, ID: 2, Key: "NONE", Shown: "NONE"},
			{Agent: true, ID: 3, Key: "Bob", Shown: "Bob"},
			{Agent: true, ID: 4, Key: "Ann", Shown: "Ann"},
		}
		names, err := other.QueueNames(ctx)
		if diff := gocmp.Diff(want, names); err != nil || diff != "" {
			t.Error(diff, err)
		}
		change, err := d.QueueChange(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if named, err := d.RenameQueue(ctx, 2, "", "op"); err != nil || named.Shown != "b" {
			t.Error(named, err)
		}
		if now, err := d.QueueChange(ctx); err != nil || now == change {
			t.Error("a new name is no change", err)
		}
		for _, bad := range []string{"a\nb", strings.Repeat("ä", 151), "\xff"} {
			if _, err := d.RenameAgent(ctx, 2, bad, "op"); !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for _, taken := range []string{"sales", "Büro"} {
			if _, err := d.RenameQueue(ctx, 4, taken, "op"); (taken == "sales") != errors.Is(err, models.ErrConflict) || taken != "sales" && err != nil {
				t.Errorf("%s: %v", taken, err)
			}
		}
		if _, err := d.RenameQueue(ctx, 2, "Büro", "op"); !errors.Is(err, models.ErrConflict) {
			t.Error(err)
		}
		if _, err := d.RenameAgent(ctx, 5, "x", "op"); !errors.Is(err, models.ErrNotFound) {
			t.Error(err)
		}
		var actions []string
		for _, row := range d.rows("SELECT action, target, before_json, after_json FROM audit_log ORDER BY id") {
			actions = append(actions, strings.ReplaceAll(strings.ReplaceAll(row, `\"`, ""), ": ", ":"))
		}
		wantActions := []string{
			`"queue.rename" "b" "{shown:b}" "{shown:Büro}" `,
			`"agent.rename" "Iva" "{shown:Iva}" "{shown:Iva Moss}" `,
			`"queue.rename" "b" "{shown:Büro}" "{shown:b}" `,
			`"queue.rename" "a" "{shown:a}" "{shown:Büro}" `,
		}
		if diff := gocmp.Diff(wantActions, actions); diff != "" {
			t.Error(diff)
		}
		d.isProven()
	})
}

// TestEndlessQueueLog: somebody makes up a log of one call, or of names without end. What is kept is bounded, and does not depend on the
// order.
func TestEndlessQueueLog(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		var events []queues.Event
		for i := range int64(24_000) {
			e := queues.Event{At: (queueStart + i) * queues.Second, CallID: "1.1", Queue: fmt.Sprint("q", i%7), Agent: "Iva", Params: [5]string{"", "1", fmt.Sprint(i)}}
			e.Name = [...]string{"ENTERQUEUE", "RINGNOANSWER", "CONNECT"}[i%3]
			e.Kind = queues.KindOf(e.Name)
			events = append(events, e)
		}
		var books [2][]string
		for round := range 2 {
			d.empties()
			beyond := 0
			for some := range slices.Chunk(events, 8000) {
				beyond += d.stores(queueEnd, some...).Beyond
			}
			if beyond != 4000 {
				t.Errorf("%d events are beyond what is kept", beyond)
			}
			books[round] = d.books()
			slices.Reverse(events)
		}
		if diff := gocmp.Diff(books[0], books[1]); diff != "" {
			t.Error(diff[:min(len(diff), 1000)])
		}
		d.isProven()

		d.empties()
		long := strings.Repeat("x", 16_000)
		var big []queues.Event
		for i := range 300 {
			big = append(big, queueEvents(t, fmt.Sprintf("%d|1.1|q|a|NEWS|%s", queueStart+int64(i), long))...)
		}
		big = append(big, queues.Event{At: 5e15, CallID: "1.2", Queue: "q", Agent: "a", Name: "X", Params: [5]string{strings.Repeat("x", 17_000)}})
		if done := d.stores(queueEnd, big...); done.New != 130 || done.Beyond != 171 {
			t.Errorf("%+v", done)
		}
		if done := d.stores(queueEnd, big...); done.New != 0 || done.Beyond != 171 || done.Calls != 0 {
			t.Errorf("%+v", done)
		}
		var names []queues.Event
		for i := range 5000 {
			names = append(names, queueEvents(t, fmt.Sprintf("%d|2.%dé|qé%d|agent é%d|CONNECT|1|é", queueStart+int64(i), i, i, i), fmt.Sprintf("%d|NONE|pé%d|agent' é%d|PAUSE|é", queueStart+int64(i), i, i))...)
		}
		d.stores(queueEnd, names...)
		d.isProven()
		var bad []feed.BadLine
		for i := range int64(900) {
			bad = append(bad, feed.BadLine{Position: i, Line: long, Why: long})
		}
		for range 2 {
			if _, err := d.StoreQueueLog(t.Context(), "one", feed.Batch{File: d.file, Bad: bad}); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := d.QueueBadLines(t.Context(), 1000); err != nil || len(kept) != 300 || kept[0].Position != 899 {
			t.Errorf("%d bad lines are kept: %v", len(kept), err)
		}
	})
}

// TestQueueMembers: the latest name of a telephone counts, and only what changed is written.
func TestQueueMembers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		ctx := t.Context()
		writes := func() (rows []string) {
			t.Helper()
			found, err := d.db.QueryContext(ctx, "SELECT interface, name, seen_at FROM queue_members ORDER BY interface")
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			for found.Next() {
				var phone, name, seen string
				if err := found.Scan(&phone, &name, &seen); err != nil {
					t.Fatal(err)
				}
				rows = append(rows, phone+" "+name+" "+seen)
			}
			return append(rows, fmt.Sprint(found.Err()))
		}
		long := strings.Repeat("x", 151)
		var before []string
		for _, step := range []struct{ keep, want map[string]string }{
			{nil, map[string]string{}},
			{map[string]string{"PJSIP/204": "Iva Moss", "PJSIP/205": "Zoë\xff", long: "a", "b": long}, map[string]string{"PJSIP/204": "Iva Moss", "PJSIP/205": "Zoë\xff"}},
			{map[string]string{"PJSIP/204": "Iva Moss"}, map[string]string{"PJSIP/204": "Iva Moss", "PJSIP/205": "Zoë\xff"}},
			{map[string]string{"PJSIP/204": "Bob", "pjsip/204": "Eve"}, map[string]string{"PJSIP/204": "Bob", "pjsip/204": "Eve", "PJSIP/205": "Zoë\xff"}},
		} {
			if err := d.KeepQueueMembers(ctx, step.keep); err != nil {
				t.Fatal(err)
			}
			got, err := d.QueueMembers(ctx)
			if diff := gocmp.Diff(step.want, got); diff != "" || err != nil {
				t.Fatal(diff, err)
			}
			now := writes()
			if len(before) > 0 && len(before) == len(now) && !slices.Equal(before, now) && len(step.keep) == 1 {
				t.Errorf("written again: %q, %q", before, now)
			}
			before = now
		}
		storetest.Audited(t, d.Store)
	})
}
