package feed_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"talktime/queues"
	"talktime/queues/feed"
)

func TestSwitchesBetweenFileAndTable(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.atLeast(eventTime(1000))
	s.write(s.path, logOf(0, 10))
	s.mustLook()
	var rows []feed.Row
	add := func(from, to int, fraction string) { // what the table has of the same lines
		for n := from; n < to; n++ {
			rows = append(rows, rowOf(int64(len(rows)+1), n, fraction))
		}
	}
	add(5, 15, ".700000")
	fake := &fakeTable{rows: &rows}
	s.table = fake
	s.restart()
	s.mustLook()
	if len(s.keeper.events) != 15 {
		t.Fatalf("%d events, want 15:\n%s", len(s.keeper.events), strings.Join(s.keeper.lines(), "\n"))
	}
	// And back: the file has all of it.
	s.table = nil
	s.write(s.path, logOf(10, 20))
	s.restart()
	s.mustLook()
	if len(s.keeper.events) != 20 {
		t.Fatalf("%d events, want 20:\n%s", len(s.keeper.events), strings.Join(s.keeper.lines(), "\n"))
	}
	add(15, 25, ".700000")
	s.table = fake
	s.restart()
	s.mustLook()
	if len(s.keeper.events) != 25 {
		t.Fatalf("%d events, want 25:\n%s", len(s.keeper.events), strings.Join(s.keeper.lines(), "\n"))
	}
}

// rowOf is the n-th line as a row.
func rowOf(id int64, n int, fraction string) feed.Row {
	var p queues.Parser
	e, err := p.Parse(line(n))
	if err != nil {
		panic(err)
	}
	return feed.Row{
		ID: id, At: e.Time().Format(time.DateTime) + fraction, CallID: e.CallID, Queue: e.Queue, Agent: e.Agent, Event: e.Name,
		Params: []string{e.Params[0], e.Params[1], e.Params[2], "", ""},
	}
}

// fakeTable is a table in memory.
type fakeTable struct {
	rows   *[]feed.Row
	plain  bool // without ids
	zone   *time.Location
	failed error
	asked  int
}

func (f *fakeTable) Name() string { return "db:3306/asterisk.queue_log" }

func (f *fakeTable) Numbered(context.Context) (bool, error) { return !f.plain, f.failed }

func (f *fakeTable) Last(context.Context) (last int64, err error) {
	for _, r := range *f.rows {
		last = max(last, r.ID)
	}
	return last, f.failed
}

func (f *fakeTable) Rows(_ context.Context, after int64, most int) (rows []feed.Row, err error) {
	f.asked++
	sorted := append([]feed.Row{}, *f.rows...)
	if f.plain {
		from := time.UnixMicro(after).In(cmp.Or(f.zone, time.UTC)).Format(time.DateTime)
		sortRows(sorted, func(a, b feed.Row) int { return strings.Compare(a.At, b.At) })
		for _, r := range sorted {
			if r.At >= from && len(rows) < most {
				r.ID = 0
				rows = append(rows, r)
			}
		}
		return rows, f.failed
	}
	sortRows(sorted, func(a, b feed.Row) int { return int(a.ID - b.ID) })
	for _, r := range sorted {
		if r.ID > after && len(rows) < most {
			rows = append(rows, r)
		}
	}
	return rows, f.failed
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("without ids %t", plain), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, t.TempDir())
			var rows []feed.Row
			fake := &fakeTable{rows: &rows, plain: plain}
			s.table, s.lines = fake, 7
			s.restart()
			s.mustLook()
			for n := range 100 {
				if n != 50 {
					rows = append(rows, rowOf(int64(3*n+1), n, ""))
				}
			}
			s.mustLook()
			rows = append(rows, rowOf(3*50+1, 50, "")) // seen late
			rows = append(rows, feed.Row{ID: 301, At: "yesterday", Event: "CONNECT"})
			s.mustLook()
			s.same(logOf(0, 100))
			if f := s.keeper.files[0]; f.Kind != feed.KindTable || f.Bad != 1 || f.Lines != 101 || !strings.HasPrefix(f.Name, fake.Name()) {
				t.Errorf("%+v", f)
			}
			for range 3 {
				s.mustLook()
			}
			if s.keeper.files[0].Lines != 101 {
				t.Error("rows are read again and again")
			}
			fake.failed = errors.New("the database is away")
			if err := s.look(); !errors.Is(err, fake.failed) {
				t.Errorf("%v", err)
			}
			fake.failed = nil
			s.restart()
			rows = append(rows, rowOf(400, 100, ""))
			s.mustLook()
			s.same(logOf(0, 101))
			if plain {
				return
			}
			// Emptied: ids begin anew.
			rows = nil
			s.mustLook()
			for n := range 30 {
				rows = append(rows, rowOf(int64(n+1), 101+n, ""))
			}
			s.mustLook()
			s.same(logOf(0, 131))
			// The same while nobody looked, and more rows than before.
			rows = nil
			for n := range 60 {
				rows = append(rows, rowOf(int64(n+1), 131+n, ""))
			}
			s.restart()
			s.mustLook()
			s.same(logOf(0, 191))
		})
	}
}

func TestIDsBeginAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	var rows []feed.Row
	s.table = &fakeTable{rows: &rows}
	for restart := range 2 {
		rows = nil
		for n := range 2000 {
			rows = append(rows, rowOf(int64(n+1), 10_000*restart+n, ""))
		}
		s.restart()
		s.mustLook()
		rows = nil
		for n := range 4000 {
			rows = append(rows, rowOf(int64(n+1), 10_000*restart+2000+n, ""))
		}
		if restart == 0 {
			s.restart()
		}
		s.mustLook()
	}
	s.same(logOf(0, 6000) + logOf(10_000, 16_000))
}

// atLeast sets the clock forward, where that of the machine is behind the events.
func (s *site) atLeast(now time.Time) {
	if s.now.Before(now) {
		s.now = now
	}
}

func eventTime(n int) time.Time { return time.Unix(int64(1795211500+n), 0) }

func berlin(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// autumn are the moments of the night in which clocks are set back, one each five minutes for three hours, and their rows.
func autumn(zone *time.Location) (times []time.Time, rows []feed.Row) {
	begin := time.Date(2027, 10, 30, 23, 30, 0, 0, time.UTC)
	for n := range 36 {
		at := begin.Add(time.Duration(n) * 5 * time.Minute)
		times = append(times, at)
		rows = append(rows, feed.Row{ID: int64(n + 1), At: at.In(zone).Format(time.DateTime), CallID: fmt.Sprint(n, ".1"), Queue: "q", Agent: "NONE", Event: "ENTERQUEUE", Params: []string{"", "1", "1", "", ""}})
	}
	return times, rows
}

func TestRepeatedHour(t *testing.T) {
	t.Parallel()
	zone := berlin(t)
	times, all := autumn(zone)
	for _, plain := range []bool{false, true} {
		for _, restarts := range []string{"never", "at the end", "always", "turns"} {
			t.Run(fmt.Sprintf("without ids %t, restarted %s", plain, restarts), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, t.TempDir())
				var rows []feed.Row
				s.table = &fakeTable{rows: &rows, plain: plain, zone: zone}
				restart := func(holder string) *feed.Follower {
					s.restart()
					s.f.Location, s.f.Holder = zone, holder
					return s.f
				}
				first, other := restart("first"), (*feed.Follower)(nil)
				if restarts == "turns" {
					s.f = nil
					other = restart("other")
				}
				for n, row := range all {
					s.now = times[n].Add(time.Second)
					rows = append(rows, row)
					if restarts == "turns" && n%3 == 0 {
						s.keeper.holder = ""
						first, other = other, first
						s.f = first
					}
					s.mustLook()
					s.now = s.now.Add(time.Minute)
					s.mustLook()
					if restarts == "always" {
						restart("first")
					}
				}
				restart("first")
				s.mustLook()
				exact := !plain || restarts == "never" || restarts == "at the end" // without ids a restart may cost an hour, but doubles nothing
				got := make(map[int64]bool)
				for e := range s.keeper.events {
					got[e.At] = true
				}
				for _, at := range times {
					if exact && !got[at.UnixMicro()] {
						t.Errorf("nothing is stored of %v", at)
					}
				}
				if len(s.keeper.events) != len(all) {
					t.Errorf("%d events of %d rows", len(s.keeper.events), len(all))
				}
			})
		}
	}
}

// TestAllAgain: the row that was read last is changed long after an autumn.
func TestAllAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	zone := berlin(t)
	_, rows := autumn(zone)
	for n := range 2000 {
		at := time.Date(2027, 12, 1, 0, 0, n, 0, time.UTC)
		rows = append(rows, feed.Row{ID: int64(100 + n), At: at.Format(time.DateTime), CallID: fmt.Sprint(n, ".2"), Queue: "q", Agent: "NONE", Event: "ENTERQUEUE", Params: []string{"", "1", "1", "", ""}})
	}
	s.atLeast(time.Date(2027, 12, 2, 0, 0, 0, 0, time.UTC))
	s.table = &fakeTable{rows: &rows}
	s.restart()
	s.f.Location = zone
	s.mustLook()
	rows[len(rows)-1].Params[4] = "Sale"
	s.mustLook()
	if len(s.keeper.events) != len(rows)+1 {
		t.Errorf("%d events of %d rows, of which one was changed", len(s.keeper.events), len(rows))
	}
}

func TestZoneIsChanged(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("without ids %t", plain), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, t.TempDir())
			s.atLeast(eventTime(10_000))
			var rows []feed.Row
			fake := &fakeTable{rows: &rows, plain: plain}
			s.table = fake
			for n := range 300 {
				rows = append(rows, rowOf(int64(n+1), n, ""))
			}
			s.restart()
			s.mustLook()
			for n, zone := range []*time.Location{berlin(t), berlin(t), time.UTC} {
				fake.zone = zone
				s.restart()
				s.f.Location = zone
				s.mustLook()
				for k := range 2 {
					rows = append(rows, rowOf(int64(len(rows)+1), 300+10*n+k, ""))
					s.mustLook()
				}
			}
			if len(s.keeper.events) != len(rows) || s.keeper.files[0].Lines != int64(len(rows)) {
				t.Errorf("%d rows, %d events, %d lines\n%s", len(rows), len(s.keeper.events), s.keeper.files[0].Lines, s.log)
			}
			if n := strings.Count(s.log.String(), "the zone of the times"); n != 2 {
				t.Errorf("told %d times:\n%s", n, s.log)
			}
		})
	}
}

// TestClockIsAhead: one event from the future does not keep others out, a log that lies in the future is read, and clocks are set back.
func TestClockIsAhead(t *testing.T) {
	t.Parallel()
	events := func(s *site, want int) {
		t.Helper()
		if len(s.keeper.events) != want {
			t.Errorf("%d events, want %d: %+v\n%s", len(s.keeper.events), want, s.keeper.files, s.log)
		}
	}
	const future = "4102444800|NONE|NONE|NONE|QUEUESTART|\n"
	for _, text := range []string{future + logOf(0, 10), logOf(0, 5) + future + logOf(5, 10), logOf(0, 10) + future} {
		s := newSite(t, t.TempDir())
		s.atLeast(eventTime(100))
		s.write(s.path, text)
		s.mustLook()
		var rows []feed.Row
		s.table = &fakeTable{rows: &rows}
		s.restart()
		for n := 10; n < 30; n++ {
			rows = append(rows, rowOf(int64(n), n, ""))
		}
		s.mustLook()
		events(s, 31)
	}
	for _, first := range []int{0, 5, 10} {
		s := newSite(t, t.TempDir())
		s.now = eventTime(0)
		var rows []feed.Row
		s.table = &fakeTable{rows: &rows, plain: true}
		s.restart()
		for n := range 20 {
			row := rowOf(0, n, "")
			if n == first {
				row.At = s.now.AddDate(1, 0, 0).Format(time.DateTime)
			}
			rows = append(rows, row)
			s.mustLook()
		}
		events(s, 20)
		s.restart()
		s.mustLook()
		events(s, 20)
		if lines := s.keeper.files[0].Lines; lines != 20 {
			t.Errorf("%d lines", lines)
		}
	}
	s := newSite(t, t.TempDir()) // all of it, and then it is set back
	s.now = eventTime(-3600 * 24 * 400)
	var rows []feed.Row
	s.table = &fakeTable{rows: &rows, plain: true, zone: time.UTC}
	s.restart()
	for n := range 50 {
		rows = append(rows, rowOf(0, n, ""))
		s.mustLook()
	}
	events(s, 50)
	s.now = eventTime(100)
	s.mustLook()
	for n := range 20 {
		row := rowOf(0, 100+n, "")
		if n < 5 {
			row.At = s.now.Add(30 * time.Minute).UTC().Format(time.DateTime)
		} else {
			row.At = s.now.UTC().Format(time.DateTime)
		}
		rows = append(rows, row)
		s.mustLook()
		if n == 10 {
			s.restart()
		}
	}
	events(s, 70)
}

// TestFilesApart: of the table what lies between two files is taken.
func TestFilesApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.atLeast(eventTime(1000))
	for n, text := range []string{logOf(0, 10), logOf(90, 100)} {
		path := fmt.Sprint(s.path, n)
		s.write(path, text)
		if _, err := s.f.Import(t.Context(), path, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	var rows []feed.Row
	for n := range 110 {
		rows = append(rows, rowOf(int64(n+1), n, ".250000"))
	}
	s.table = &fakeTable{rows: &rows}
	s.restart()
	s.mustLook()
	if len(s.keeper.events) != 110 || !strings.Contains(s.log.String(), "events=20") {
		t.Errorf("%d events, want 110\n%s", len(s.keeper.events), s.log)
	}
}

// TestTurnsOfATable: what two servers read by turns is counted once, and a row that is seen late is taken.
func TestTurnsOfATable(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("without ids %t", plain), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, t.TempDir())
			s.atLeast(eventTime(1000))
			var rows []feed.Row
			for n := range 500 {
				rows = append(rows, rowOf(int64(2*n+2), n, ""))
			}
			rows[400].At = "nonsense"
			s.table = &fakeTable{rows: &rows, plain: plain}
			s.restart()
			first := s.f
			s.f = nil
			s.restart()
			other := s.f
			other.Holder = "another"
			for n := range 120 {
				if n%10 == 0 {
					rows = append(rows, rowOf(int64(1002+2*n), 500+n, ""))
				}
				if n == 60 {
					rows = append(rows, rowOf(999, 499, ".5")) // late
				}
				s.now = s.now.Add(time.Second)
				_, _ = first.Look(t.Context())
				_, _ = other.Look(t.Context())
			}
			first.Close(t.Context())
			if f := s.keeper.files[0]; f.Lines < 512 || f.Lines > 513 || f.Bad != 1 || len(s.keeper.events) != 512 {
				t.Errorf("%d events of 513 rows, of which one is none: %+v", len(s.keeper.events), f)
			}
		})
	}
}

// TestTableIsNotStored: rows that were given out when storing failed are given out again.
func TestTableIsNotStored(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		s := newSite(t, t.TempDir())
		s.atLeast(eventTime(1000))
		var rows []feed.Row
		s.table, s.lines = &fakeTable{rows: &rows, plain: plain}, 7
		s.restart()
		for n := range 100 {
			rows = append(rows, rowOf(int64(n+1), n, ""))
			s.keeper.failing = func() (error, error) { return errors.New("the database is away"), nil }
			if err := s.look(); !errors.Is(err, feed.ErrStore) {
				t.Fatalf("look: %v", err)
			}
			if s.keeper.failing = nil; n%5 == 0 {
				s.mustLook()
			}
		}
		s.mustLook()
		s.same(logOf(0, 100))
		if lines := s.keeper.files[0].Lines; lines != 100 {
			t.Errorf("%d lines", lines)
		}
	}
}
