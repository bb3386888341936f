package stats_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// shelf is a source whose records can be put in and taken out while somebody reads.
type shelf struct {
	mu      sync.Mutex
	records []stats.Record // ascending by Start
	failAt  int            // after so many records of a scan it fails; 0: never
	down    bool           // it does not even say what days it has
	asked   []string       // what its days were asked for
}

var errDown = &stats.SourceError{Name: "pbx", Reason: "it does not answer"}

func (s *shelf) Name() string { return "pbx" }

func (s *shelf) put(records ...stats.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(slices.Clone(s.records), records...)
	slices.SortStableFunc(s.records, func(a, b stats.Record) int { return int(a.Start - b.Start) })
}

func (s *shelf) drop(which func(stats.Record) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = slices.DeleteFunc(slices.Clone(s.records), which)
}

func (s *shelf) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	s.mu.Lock()
	records, failAt := s.records, s.failAt
	s.mu.Unlock()
	for i := range records {
		r := records[i]
		if r.Start < scan.From.Unix() || r.Start >= scan.To.Unix() {
			continue
		}
		if failAt--; failAt == 0 {
			return errDown
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Days(_ context.Context, from, to stats.Day) (map[stats.Day]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	s.asked = append(s.asked, fmt.Sprint(int(to-from)))
	days := make(map[stats.Day]string)
	for _, r := range s.records {
		if d := stats.DayOf(r.Wall); d >= from && d < to {
			sum := sha256.Sum256(append([]byte(days[d]), string(r.UniqueID)+string(r.Disposition)...))
			days[d] = hex.EncodeToString(sum[:])
		}
	}
	return days, nil
}

// at is a record that began at a time such as "01 23:59:50" of March 2026 in UTC.
func at(when, id, disposition string, duration int64) stats.Record {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-03-"+when)
	if err != nil {
		panic(err)
	}
	return stats.Record{
		Wall: t.Unix(), Start: t.Unix(), Duration: duration, UniqueID: []byte(id), Dst: []byte("49" + id), Disposition: []byte(disposition), LastApp: []byte("Dial"),
	}
}

func march(day int) stats.Day { return stats.DayAt(time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC)) }

func marches(days ...int) []stats.Day {
	all := make([]stats.Day, len(days))
	for i, d := range days {
		all[i] = march(d)
	}
	return all
}

// ids counts the unique ids of what it sees, in a form of its own.
type ids map[string]uint64

func (c ids) Add(r *stats.Record)      { c[string(r.UniqueID)+" "+string(r.Disposition)]++ }
func (c ids) AddCall(call *stats.Call) { c[call.CallID+" "+call.Charge.String()]++ }

func (c ids) AppendTo(b []byte) []byte {
	for _, id := range slices.Sorted(maps.Keys(c)) {
		b = append(binary.AppendUvarint(append(binary.AppendUvarint(b, uint64(len(id))), id...), c[id]), '\n')
	}
	return b
}

func (c ids) MergeFrom(b []byte) error {
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || uint64(len(b)) < uint64(used)+n {
			return errors.New("it is not what was written")
		}
		id := string(b[used : used+int(n)])
		b = b[used+int(n):]
		times, used := binary.Uvarint(b)
		if used <= 0 || len(b) == used || b[used] != '\n' {
			return errors.New("it is not what was written")
		}
		c[id] += times
		b = b[used+1:]
	}
	return nil
}

// ledgerOf hands out calls as our own database does.
type ledgerOf []stats.Call

func (l ledgerOf) EachCall(_ context.Context, from, to time.Time, _ *stats.Account, each func(*stats.Call) error) error {
	for _, c := range l {
		if c.Start >= from.Unix() && c.Start < to.Unix() {
			if err := each(&c); err != nil {
				return err
			}
		}
	}
	return nil
}

// office is a Roller at work, and what it stands on.
type office struct {
	*stats.Roller

	t     *testing.T
	shelf *shelf
	store *store.Store
	db    storetest.Database
	kinds []stats.Kind
	now   time.Time
}

// inOffices runs a test on a database of each sort, at noon of 6 March.
func inOffices(t *testing.T, test func(o *office)) {
	t.Helper()
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := database(t)
			o := &office{t: t, shelf: new(shelf), db: d, now: time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)}
			o.store = d.Open(t, func(c *store.Config) { c.Location = time.UTC })
			if _, err := o.store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			storetest.Audited(t, o.store)
			blank := func() stats.Counter { return ids{} }
			o.kinds = []stats.Kind{{Name: "all", Rule: "1", New: blank}, {Name: "calls", Rule: "1", Once: true, New: blank}}
			o.Roller = o.roller("first")
			test(o)
		})
	}
}

func (o *office) roller(holder string) *stats.Roller {
	return &stats.Roller{
		Source: o.shelf, Kinds: func(context.Context) ([]stats.Kind, error) { return o.kinds, nil }, Keeper: o.store,
		Location: time.UTC, Now: func() time.Time { return o.now }, Holder: holder,
	}
}

// passes expects that a Pass over everything counts just these days of March.
func (o *office) passes(want ...int) stats.Pass {
	o.t.Helper()
	p, err := o.Pass(o.t.Context(), 0)
	if err != nil {
		o.t.Fatal(err)
	}
	if !p.Ours || !slices.Equal(p.Counted, marches(want...)) {
		o.t.Fatalf("counted %v, want %v (ours: %t)", p.Counted, marches(want...), p.Ours)
	}
	return p
}

// keeps expects what is kept of a kind, by day of March.
func (o *office) keeps(kind, rule string, want map[int]string) {
	o.t.Helper()
	got := make(map[int]string)
	err := o.store.Load(o.t.Context(), "pbx", kind, rule, march(-300), march(300), func(day stats.Day, data []byte) error {
		c := ids{}
		if err := c.MergeFrom(data); err != nil {
			return err
		}
		text := ""
		for _, id := range slices.Sorted(maps.Keys(c)) {
			text += fmt.Sprintf("%d×%s, ", c[id], id)
		}
		got[int(day-march(0))] = strings.TrimSuffix(text, ", ")
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		o.t.Errorf("of %s is kept\n%v, want\n%v", kind, got, want)
	}
}

// verified expects that every kept day is what its records say, and how many there are.
func (o *office) verified(days int) {
	o.t.Helper()
	v, err := o.Verify(o.t.Context(), 0, march(300), func(d stats.Difference) error {
		o.t.Errorf("%s %s differs: %s", d.Day, d.Kind, d.Cause)
		return nil
	})
	if err != nil || !v.Ours || v.Days != days {
		o.t.Errorf("verified %+v, %v, want %d days", v, err, days)
	}
}

func (o *office) exec(query string, args ...any) {
	o.t.Helper()
	db := o.db.SQL(o.t)
	defer db.Close()
	if _, err := db.ExecContext(o.t.Context(), query, args...); err != nil {
		o.t.Fatal(err)
	}
}

// TestRollUpOfLateCalls: a call of which it is known late who answered it counts on the day on which it began, when calls of the next
// day have been counted already, however many there are.
func TestRollUpOfLateCalls(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.shelf.put(at("03 23:50:00", "3.1", "NO ANSWER", 1500), at("03 23:58:00", "3.2", "NO ANSWER", 600), at("04 00:05:00", "3.2", "ANSWERED", 7), at("05 09:00:00", "5.1", "BUSY", 7))
		begin := at("04 00:00:01", "", "", 0).Start
		for i := range int64(100_000) {
			o.shelf.records = append(o.shelf.records, stats.Record{
				Start: begin + i/120, Wall: begin + i/120, UniqueID: fmt.Appendf(nil, "4.%d", i%2), Disposition: []byte("ANSWERED"), Duration: 7, Dst: []byte("7"),
			})
		}
		o.shelf.put()
		o.passes(3, 4, 5)
		o.keeps("calls", "1", map[int]string{3: "1×3.1 NO ANSWER", 4: "1×3.2 ANSWERED, 1×4.0 ANSWERED, 1×4.1 ANSWERED", 5: "1×5.1 BUSY"})
		o.verified(3)
	})
}

// TestRollUp counts whole days once they have been over for two hours, empty ones between them too.
func TestRollUp(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.passes()
		o.shelf.put(at("01 10:00:00", "1.1", "BUSY", 1), at("01 10:00:00", "1.2", "ANSWERED", 9), at("01 10:00:05", "1.1", "ANSWERED", 9), at("03 00:00:00", "3.1", "FAILED", 0),
			at("05 23:59:59", "5.1", "ANSWERED", 3), at("06 11:00:00", "6.1", "ANSWERED", 1))
		if p := o.passes(1, 2, 3, 4, 5); p.Records != 5 || p.Removed != 0 {
			o.t.Errorf("the pass is %+v", p)
		}
		o.keeps("all", "1", map[int]string{1: "1×1.1 ANSWERED, 1×1.1 BUSY, 1×1.2 ANSWERED", 2: "", 3: "1×3.1 FAILED", 4: "", 5: "1×5.1 ANSWERED"})
		o.keeps("calls", "1", map[int]string{1: "1×1.1 ANSWERED, 1×1.2 ANSWERED", 2: "", 3: "1×3.1 FAILED", 4: "", 5: "1×5.1 ANSWERED"})
		o.passes()
		o.now = time.Date(2026, 3, 7, 1, 59, 59, 0, time.UTC)
		o.passes()
		o.now = o.now.Add(time.Second)
		o.passes(5, 6) // of 5 March some calls may have been answered on the 6th
		o.verified(6)
		figures, err := o.store.Figures(o.t.Context())
		if err != nil || len(figures.RollUps) != 1 || figures.RollUps[0].Days != 6 || figures.RollUps[0].Stale != 0 || figures.RollUps[0].Passed.IsZero() {
			o.t.Errorf("the figures are %+v, %v", figures.RollUps, err)
		}
	})
}

// TestLateRecords have their day counted anew, and those beside it: a call may go on over midnight.
func TestLateRecords(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		for d := 1; d <= 5; d++ {
			o.shelf.put(at(fmt.Sprintf("%02d 23:59:55", d), fmt.Sprintf("%d.1", d), "NO ANSWER", 2))
		}
		o.passes(1, 2, 3, 4, 5)
		o.shelf.put(at("03 00:00:05", "2.1", "ANSWERED", 90))
		o.passes(2, 3, 4)
		o.keeps("calls", "1", map[int]string{1: "1×1.1 NO ANSWER", 2: "", 3: "1×2.1 ANSWERED, 1×3.1 NO ANSWER", 4: "1×4.1 NO ANSWER", 5: "1×5.1 NO ANSWER"})
		o.verified(5)
		o.shelf.put(at("01 00:00:00", "1.0", "ANSWERED", 1))
		o.passes(1, 2)
		o.shelf.drop(func(r stats.Record) bool { return stats.DayOf(r.Wall) == march(4) })
		o.passes(3, 4, 5)
		o.keeps("all", "1", map[int]string{1: "1×1.0 ANSWERED, 1×1.1 NO ANSWER", 2: "1×2.1 NO ANSWER", 3: "1×2.1 ANSWERED, 1×3.1 NO ANSWER", 4: "", 5: "1×5.1 NO ANSWER"})
		o.shelf.drop(func(r stats.Record) bool { return stats.DayOf(r.Wall) <= march(2) })
		if p := o.passes(3); p.Removed != 2 {
			o.t.Errorf("the pass is %+v", p)
		}
		o.verified(3)
		o.shelf.drop(func(stats.Record) bool { return true })
		if p := o.passes(); p.Removed != 3 {
			o.t.Errorf("the pass is %+v", p)
		}
		o.verified(0)
	})
}

// TestLookIsFrugal: what is old is looked at less often.
func TestLookIsFrugal(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.shelf.put(at("01 10:00:00", "1.1", "BUSY", 1))
		look := func(want ...stats.Day) {
			o.t.Helper()
			if p, err := o.Look(o.t.Context()); err != nil || !slices.Equal(p.Counted, want) {
				o.t.Errorf("counted %v, %v, want %v", p.Counted, err, want)
			}
		}
		look(marches(1, 2, 3, 4, 5)...)
		o.shelf.put(at("05 10:00:00", "5.1", "BUSY", 1))
		look(marches(4, 5)...)
		old := at("01 10:00:00", "0.1", "BUSY", 1)
		old.Start -= 15 * 86400
		old.Wall = old.Start
		o.shelf.put(old)
		o.now = o.now.Add(59 * time.Minute)
		look()
		o.now = o.now.Add(time.Minute)
		var since []stats.Day
		for d := march(-14); d < march(1); d++ { // the empty days between too
			since = append(since, d)
		}
		look(since...)
		old.Start -= 100 * 86400
		old.Wall = old.Start
		o.shelf.put(old)
		o.now = o.now.Add(2 * time.Hour)
		look()
		o.now = o.now.Add(21 * time.Hour)
		if p, err := o.Look(o.t.Context()); err != nil || len(p.Counted) < 99 {
			o.t.Errorf("counted %v, %v", p.Counted, err)
		}
		o.verified(121)
		if want := []string{"4", "36"}; !slices.Contains(o.shelf.asked, want[0]) || !slices.Contains(o.shelf.asked, want[1]) {
			o.t.Errorf("was asked for so many days: %v", o.shelf.asked)
		}
	})
}

// dying is a Keeper whose process is killed when it has kept some days.
type dying struct {
	*store.Store

	days int
}

var errKilled = errors.New("killed")

func (d *dying) Keep(ctx context.Context, source, holder string, day stats.KeptDay, counted []stats.Counted) error {
	if d.days--; d.days < 0 {
		return errKilled
	}
	return d.Store.Keep(ctx, source, holder, day, counted)
}
func (d *dying) Passed(context.Context, string, string, int, bool) error { return errKilled }
func (d *dying) Unclaim(context.Context, string, string) error           { return errKilled }

// TestKilledBetweenDays: another process goes on as soon as the claim has run out, with what is left.
func TestKilledBetweenDays(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		for d := 1; d <= 5; d++ {
			o.shelf.put(at(fmt.Sprintf("%02d 12:00:00", d), fmt.Sprintf("%d.1", d), "ANSWERED", 2))
		}
		o.Keeper = &dying{o.store, 2}
		if p, err := o.Pass(o.t.Context(), 0); !errors.Is(err, errKilled) || !slices.Equal(p.Counted, marches(1, 2)) {
			o.t.Fatalf("the pass is %+v, %v", p, err)
		}
		o.Roller = o.roller("second")
		if p, err := o.Pass(o.t.Context(), 0); err != nil || p.Ours {
			o.t.Fatalf("the pass is %+v, %v", p, err)
		}
		o.exec("UPDATE rollup_sources SET claimed_until = '2020-01-01 00:00:00'")
		o.passes(3, 4, 5)
		o.verified(5)

		o.shelf.put(at("03 12:00:00", "3.2", "ANSWERED", 2)) // and of the days that one change touches
		o.Roller = o.roller("third")
		o.Keeper = &dying{o.store, 1}
		if _, err := o.Pass(o.t.Context(), 0); !errors.Is(err, errKilled) {
			o.t.Fatal(err)
		}
		o.exec("UPDATE rollup_sources SET claimed_until = '2020-01-01 00:00:00'")
		o.Roller = o.roller("fourth")
		o.passes(3, 4)
		o.verified(5)
	})
}

// TestTwoRollers at once, while records come, count everything once.
func TestTwoRollers(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		var others sync.WaitGroup
		for i := range 4 {
			r := o.roller(fmt.Sprint("other ", i))
			others.Go(func() {
				for range 15 {
					_, err := r.Pass(o.t.Context(), 0)
					if err != nil && !errors.Is(err, models.ErrUnavailable) {
						o.t.Error(err)
					}
				}
			})
		}
		for i := range 60 {
			o.shelf.put(at(fmt.Sprintf("%02d 12:00:%02d", 1+i%5, i), fmt.Sprintf("%d.1", i), "ANSWERED", 2))
		}
		others.Wait()
		if _, err := o.Pass(o.t.Context(), 0); err != nil {
			o.t.Fatal(err)
		}
		o.verified(5)
	})
}

// taking is a Keeper during whose work another process claims the source.
type taking struct {
	*store.Store

	take func()
}

func (k *taking) Keep(ctx context.Context, source, holder string, day stats.KeptDay, counted []stats.Counted) error {
	k.take()
	return k.Store.Keep(ctx, source, holder, day, counted)
}

// TestWhoeverLostItsClaim keeps nothing any more.
func TestWhoeverLostItsClaim(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.shelf.put(at("05 10:00:00", "5.1", "BUSY", 1))
		o.Keeper = &taking{o.store, func() { o.exec("UPDATE rollup_sources SET claimed_by = 'somebody'") }}
		if p, err := o.Pass(o.t.Context(), 0); !errors.Is(err, stats.ErrNotOurs) || len(p.Counted) != 0 {
			o.t.Errorf("the pass is %+v, %v", p, err)
		}
		o.keeps("all", "1", map[int]string{})
	})
}

// TestRuleChange: what was counted by other settings is not used, and counted anew.
func TestRuleChange(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.shelf.put(at("04 10:00:00", "4.1", "BUSY", 1), at("05 10:00:00", "5.1", "BUSY", 1))
		o.passes(4, 5)
		o.kinds[1].Rule = "2"
		o.keeps("calls", "2", map[int]string{})
		o.passes(4, 5)
		o.keeps("calls", "1", map[int]string{})
		o.keeps("calls", "2", map[int]string{4: "1×4.1 BUSY", 5: "1×5.1 BUSY"})
		o.kinds = append(o.kinds, stats.Kind{Name: "more", New: o.kinds[0].New})
		o.passes(4, 5)
		elsewhere := o.db.Open(o.t, func(c *store.Config) { c.Location = time.FixedZone("elsewhere", 3600) })
		err := elsewhere.Load(o.t.Context(), "pbx", "more", "", 0, march(300), func(d stats.Day, _ []byte) error { return fmt.Errorf("%s of another zone", d) })
		if err != nil {
			o.t.Error(err)
		}
		o.kinds = o.kinds[1:] // what nobody counts any more does not matter, and goes with the next rebuild
		o.passes()
		if p, err := o.Rebuild(o.t.Context(), march(5), march(6)); err != nil || !slices.Equal(p.Counted, marches(5)) {
			o.t.Errorf("rebuilt %+v, %v", p, err)
		}
		o.keeps("all", "1", map[int]string{4: "1×4.1 BUSY"})
		o.keeps("calls", "2", map[int]string{4: "1×4.1 BUSY", 5: "1×5.1 BUSY"})
		o.verified(2)
	})
}

// TestSourceGoesAway in the middle of a pass: whole days stay, the others come when it is back.
func TestSourceGoesAway(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		for d := 1; d <= 5; d++ {
			o.shelf.put(at(fmt.Sprintf("%02d 12:00:00", d), fmt.Sprintf("%d.1", d), "ANSWERED", 2), at(fmt.Sprintf("%02d 13:00:00", d), fmt.Sprintf("%d.2", d), "ANSWERED", 2))
		}
		o.shelf.failAt = 6 // in the middle of the third
		var down *stats.SourceError
		if p, err := o.Pass(o.t.Context(), 0); !errors.As(err, &down) || !slices.Equal(p.Counted, marches(1, 2)) {
			o.t.Fatalf("the pass is %+v, %v", p, err)
		}
		figures, err := o.store.Figures(o.t.Context())
		if err != nil || len(figures.RollUps) != 1 || figures.RollUps[0].Days != 2 || figures.RollUps[0].Stale != 3 || !figures.RollUps[0].Passed.IsZero() {
			o.t.Errorf("the figures are %+v, %v", figures.RollUps, err)
		}
		o.shelf.failAt = 0
		o.passes(3, 4, 5)
		o.shelf.down = true
		for name, err := range map[string]error{
			"pass": second(o.Pass(o.t.Context(), 0)), "rebuild": second(o.Rebuild(o.t.Context(), 0, march(300))),
			"verify": second(o.Verify(o.t.Context(), 0, march(300), nil)),
		} {
			if !errors.As(err, &down) {
				o.t.Errorf("%s: %v", name, err)
			}
		}
		o.shelf.down = false
		o.passes() // nothing was forgotten
		o.verified(5)
	})
}

func second[T any](_ T, err error) error { return err }

// TestVerifyFinds what is kept and is not what the records say.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		o.shelf.put(at("02 10:00:00", "2.1", "BUSY", 1), at("03 10:00:00", "3.1", "BUSY", 1), at("04 10:00:00", "4.1", "BUSY", 1), at("05 10:00:00", "5.1", "BUSY", 1))
		o.passes(2, 3, 4, 5)
		o.exec("UPDATE rollups SET data = ? WHERE kind = 'all' AND day = ?", ids{"3.2 BUSY": 1}.AppendTo(nil), march(3))
		o.exec("UPDATE rollups SET data = ? WHERE kind = 'calls' AND day = ?", []byte("rubbish"), march(3))
		o.exec("DELETE FROM rollups WHERE kind = 'all' AND day = ?", march(2))
		o.shelf.put(at("05 11:00:00", "5.2", "BUSY", 1))
		var got []string
		_, err := o.Verify(o.t.Context(), 0, march(300), func(d stats.Difference) error {
			got = append(got, fmt.Sprintf("%s %s %t %s", d.Day, d.Kind, d.Stale, d.Cause))
			return nil
		})
		want := []string{
			"2026-03-02 all false nothing is kept", "2026-03-03 all false the records give other figures", "2026-03-03 calls false what is kept cannot be read",
			"2026-03-05 all true the records give other figures", "2026-03-05 calls true the records give other figures",
		}
		if err != nil || !slices.Equal(got, want) {
			o.t.Errorf("found %q, %v", got, err)
		}
		if p, err := o.Rebuild(o.t.Context(), 0, march(300)); err != nil || len(p.Counted) != 4 {
			o.t.Errorf("rebuilt %+v, %v", p, err)
		}
		o.verified(4)
	})
}

// TestLongDay: what was counted of a day may be longer than a row.
func TestLongDay(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		for i := range 30_000 {
			o.shelf.records = append(o.shelf.records, at("05 10:00:00", fmt.Sprintf("%s.%d", strings.Repeat("x", 90), i), "BUSY", 1))
		}
		o.passes(5)
		pieces, c := 0, ids{}
		err := o.store.Load(o.t.Context(), "pbx", "all", "1", march(5), march(6), func(_ stats.Day, data []byte) error {
			pieces++
			return c.MergeFrom(data)
		})
		if err != nil || pieces != 1 || len(c) != 30_000 {
			o.t.Errorf("%d pieces of %d records, %v", pieces, len(c), err)
		}
		o.verified(1)
		o.shelf.drop(func(r stats.Record) bool { return !strings.HasSuffix(string(r.UniqueID), ".7") })
		o.passes(5)
		o.verified(1)
	})
}

// TestMoneyIsRolledUp beside the records, in the same day.
func TestMoneyIsRolledUp(t *testing.T) {
	t.Parallel()
	inOffices(t, func(o *office) {
		r := at("05 10:00:00", "5.1", "ANSWERED", 1)
		o.shelf.put(r)
		o.Calls = ledgerOf{{CallID: "5.1", Start: r.Start, Wall: r.Wall, Charge: 3 * money.Unit}, {CallID: "4.1", Start: r.Start - 86400, Wall: r.Wall - 86400}}
		o.CallKinds = []stats.CallKind{{Name: "money", Rule: "1", New: func() stats.CallCounter { return ids{} }}}
		o.passes(5)
		o.keeps("money", "1", map[int]string{5: "1×5.1 3"})
		o.verified(1)
	})
}
