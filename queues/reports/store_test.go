package reports_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/queues"
	"talktime/queues/feed"
	"talktime/queues/queuegen"
	"talktime/queues/reports"
	"talktime/store"
	"talktime/store/storetest"
)

// kept is a store with a log that was made up.
func kept(t testing.TB, d storetest.Database, zone *time.Location, now time.Time, events []queues.Event) *store.Store {
	t.Helper()
	d.Config.Now = func() time.Time { return now }
	d.Config.Location = zone
	s := d.Migrated(t)
	if ours, err := s.ClaimQueueLog(context.Background(), "me", time.Hour); err != nil || !ours {
		t.Fatal(ours, err)
	}
	file := feed.File{Kind: feed.KindFile, Name: "queue_log"}
	for len(events) > 0 {
		n := min(len(events), 10_000)
		stored, err := s.StoreQueueLog(context.Background(), "me", feed.Batch{File: file, Events: events[:n], Now: now})
		if err != nil {
			t.Fatal(err)
		}
		file, events = stored.File, events[n:]
	}
	return s
}

func generated(t testing.TB, c queuegen.Config) (events []queues.Event) {
	t.Helper()
	if err := queuegen.Each(c, func(e *queues.Event) error { events = append(events, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return events
}

// TestStores: from a database comes what comes from memory, whatever is asked: from rows, from packed days, and from both.
func TestStores(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	from := time.Date(2027, 10, 29, 0, 0, 0, 0, berlin) // clocks are put back on the 31st
	now := from.AddDate(0, 0, 4).Add(-9 * time.Hour)
	events := generated(t, queuegen.Config{Seed: 3, From: from, To: now, Calls: 300, Queues: 3, Agents: 12, Location: berlin})
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := kept(t, database(t), berlin, now, events)
			want := newMemory(func() time.Time { return now })
			want.events = events
			compare := &comparison{T: t, random: rand.New(rand.NewPCG(1, 2)), from: from, got: &reports.Service{Keeper: db, Location: berlin, Now: want.now}, want: service(want, berlin)}
			compare.both()
			packer := reports.Packer{Keeper: db, Location: berlin, Now: want.now}
			for _, n := range []int{1, 2, 0} {
				if packed, err := packer.Pack(t.Context(), "me", max(n, 1)); err != nil || packed != n {
					t.Fatalf("packed %d, want %d: %v", packed, n, err)
				}
				compare.both()
			}
			storetest.Audited(t, db)
		})
	}
}

// comparison asks two the same.
type comparison struct {
	*testing.T
	random    *rand.Rand
	from      time.Time
	got, want *reports.Service
}

func (c *comparison) both() {
	ctx := c.Context()
	queueNames, agentNames, err := c.want.Names(ctx, everything)
	if err != nil {
		c.Fatal(err)
	}
	pick := func(names []queues.Name) (some []string) {
		for c.random.IntN(2) == 0 {
			some = append(some, names[c.random.IntN(len(names))].Key)
		}
		return some
	}
	for range 12 {
		who := everything
		if c.random.IntN(2) == 0 {
			who = reports.Scope{Queues: pick(queueNames), Agents: pick(agentNames)}
		}
		f := reports.Filter{From: c.from.AddDate(0, 0, c.random.IntN(3)), To: c.from.AddDate(0, 0, 2+c.random.IntN(3))}
		if c.random.IntN(2) == 0 {
			f.From, f.Window = f.From.Add(time.Duration(c.random.IntN(86400))*time.Second), reports.Window{From: c.random.IntN(86400), To: c.random.IntN(86400)}
		}
		if c.random.IntN(3) == 0 {
			f.Queues, f.Agents = pick(queueNames), pick(agentNames)
		}
		w := reports.Search{Filter: f, Talk: reports.Seconds{Min: int64(c.random.IntN(2) * 60)}}
		for name, ask := range map[string]func(s *reports.Service) (any, error){
			"queue":      func(s *reports.Service) (any, error) { return s.Figures(ctx, who, f, reports.ByQueue) },
			"agent":      func(s *reports.Service) (any, error) { return s.Figures(ctx, who, f, reports.ByAgent) },
			"url":        func(s *reports.Service) (any, error) { return s.Figures(ctx, who, f, reports.ByURL) },
			"hour":       func(s *reports.Service) (any, error) { return s.Figures(ctx, who, f, reports.ByHour) },
			"rows":       func(s *reports.Service) (any, error) { return bare(s.Rows(ctx, who, f, true)) },
			"unanswered": func(s *reports.Service) (any, error) { return bare(s.Rows(ctx, who, f, false)) },
			"search": func(s *reports.Service) (any, error) {
				found, err := s.Search(ctx, who, w)
				ids := map[string]queues.Call{}
				for _, call := range found {
					ids[call.ID] = call.Call
				}
				return ids, err
			},
			"attendance": func(s *reports.Service) (any, error) { return s.Attendance(ctx, who, f) },
			"callbacks": func(s *reports.Service) (any, error) {
				list, err := s.Callbacks(ctx, who, f, 24*time.Hour)
				texts := map[string]string{}
				for _, l := range list {
					again := ""
					if l.Again != nil {
						again = fmt.Sprint(l.Again.Entered)
					}
					texts[fmt.Sprint(l.CallID, l.Number)] = again
				}
				return texts, err
			},
			"today": func(s *reports.Service) (any, error) { return s.Today(ctx) },
			"names": func(s *reports.Service) (any, error) {
				q, a, err := s.Names(ctx, who)
				return len(q)*1000 + len(a), err
			},
		} {
			want, err := ask(c.want)
			if err != nil {
				c.Fatal(err)
			}
			got, err := ask(c.got)
			if err != nil || !reflect.DeepEqual(want, got) {
				c.Fatalf("%s of %+v for %+v: %v\n%s", name, f, who, err, gocmp.Diff(want, got, gocmp.AllowUnexported(queues.Waits{})))
			}
		}
	}
}

// bare are rows without the numbers of names, by their calls: of one moment there are several.
func bare(rows []reports.Row, err error) (map[string]reports.Row, error) {
	all := map[string]reports.Row{}
	for i := range rows {
		rows[i].Queue, rows[i].Agent = 0, 0
		all[fmt.Sprint(rows[i].CallID, rows[i].Number)] = rows[i]
	}
	return all, err
}
