package stats_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/stats"
)

// listed is a source of records in memory. They are handed out as a database does: all with the same buffers.
type listed struct {
	name    string
	records []stats.Record
	err     error // behind the records
	scans   []stats.Scan
}

func (l *listed) Name() string { return l.name }

// Each implements stats.Source.
func (l *listed) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	l.scans = append(l.scans, scan)
	var buffer []byte
	var handed stats.Record
	for i := range l.records {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := &l.records[i]
		if at := time.Unix(r.Start, 0); at.Before(scan.From) || !at.Before(scan.To) {
			continue
		}
		if scan.Account != nil && !slices.Contains(scan.Account.Names, string(r.Account)) {
			continue
		}
		handed = *r
		for i := range buffer {
			buffer[i] = '?' // what was handed out before is no longer valid
		}
		buffer = buffer[:0]
		for i, text := range texts(&handed) {
			if scan.Fields&(1<<i) == 0 {
				*text = nil
				continue
			}
			buffer = append(buffer, *text...)
			*text = buffer[len(buffer)-len(*text) : len(buffer) : len(buffer)]
		}
		if err := each(&handed); err != nil {
			return err
		}
	}
	return l.err
}

// texts are those of a record, in the order of Fields.
func texts(r *stats.Record) []*[]byte {
	return []*[]byte{
		&r.UniqueID, &r.CNum, &r.CNam, &r.CallerID, &r.Src, &r.Dst, &r.Context, &r.Channel, &r.DstChannel, &r.LastApp, &r.Disposition, &r.Account,
	}
}

// asText is a record as text.
func asText(r *stats.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %v %v", r.Start, r.Duration, r.BillSec, r.Own, r.OwnCallee)
	for _, text := range texts(r) {
		fmt.Fprintf(&b, " %q", *text)
	}
	return b.String()
}

const allFields = stats.FieldAccount<<1 - 1

// everyCall is what EachCall hands out of a range.
func everyCall(t *testing.T, source stats.Source, from, to int64) []string {
	t.Helper()
	var calls []string
	last := int64(0)
	scan := stats.Scan{From: time.Unix(from, 0), To: time.Unix(to, 0), Fields: allFields}
	err := stats.EachCall(t.Context(), source, scan, stats.Picking{Ordered: true}, func(r *stats.Record) error {
		if r.Start < last {
			t.Errorf("%d came after %d", r.Start, last)
		}
		last = r.Start
		calls = append(calls, asText(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var unordered []string
	err = stats.EachCall(t.Context(), source, scan, stats.Picking{}, func(r *stats.Record) error {
		unordered = append(unordered, asText(r))
		return nil
	})
	if sorted := slices.Sorted(slices.Values(calls)); err != nil || !slices.Equal(slices.Sorted(slices.Values(unordered)), sorted) {
		t.Fatalf("without an order there are other calls: %v\n%s", err, difference(unordered, calls))
	}
	return calls
}

// simply picks the records that stand for calls in the plainest way: all records of a channel, cut where there is a gap, and at
// midnight where the call is older than six hours.
func simply(records []stats.Record) []stats.Record {
	channels := make(map[string][]stats.Record)
	var calls []stats.Record
	for _, r := range records {
		switch {
		case string(r.Dst) == "h":
		case len(r.UniqueID) == 0:
			calls = append(calls, r)
		default:
			channels[string(r.UniqueID)] = append(channels[string(r.UniqueID)], r)
		}
	}
	for _, channel := range channels {
		slices.SortStableFunc(channel, func(a, b stats.Record) int { return cmp.Compare(a.Start, b.Start) })
		for len(channel) > 0 {
			end, n := channel[0].Start, 0
			over := (channel[0].Start+6*3600)/86400*86400 + 86400 // the first midnight of which the call is older than that
			for n < len(channel) && channel[n].Start <= end+60 && channel[n].Start < over {
				end = max(end, channel[n].Start+min(channel[n].Duration, 12*3600))
				n++
			}
			calls = append(calls, representative(channel[:n]))
			channel = channel[n:]
		}
	}
	return calls
}

func representative(call []stats.Record) stats.Record {
	candidates := slices.DeleteFunc(slices.Clone(call), func(r stats.Record) bool { return string(r.Disposition) != "ANSWERED" })
	if len(candidates) == 0 {
		candidates = call
	}
	return slices.MinFunc(candidates, func(a, b stats.Record) int {
		c := cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Duration, a.Duration), cmp.Compare(b.BillSec, a.BillSec), bytes.Compare(a.Dst, b.Dst))
		return cmp.Or(c, bytes.Compare(a.Src, b.Src), bytes.Compare(a.CNum, b.CNum), bytes.Compare(a.Channel, b.Channel), bytes.Compare(a.DstChannel, b.DstChannel),
			bytes.Compare(a.Disposition, b.Disposition))
	})
}

// sometime are records of calls as Asterisk writes them, and stranger ones: chains of legs, legs at once, twins of h, channels that
// come back after a while, records without a channel.
func sometime(r *rand.Rand, n int, span, longest int64) []stats.Record {
	var records []stats.Record
	pick := func(of ...string) []byte { return []byte(of[r.IntN(len(of))]) }
	for len(records) < n {
		start := int64(1_700_000_000) + r.Int64N(span)
		id := fmt.Appendf(nil, "%d.%d", start, r.IntN(3))
		if r.IntN(50) == 0 {
			id = nil
		}
		for range 1 + r.IntN(4) {
			one := stats.Record{
				Wall: start + 3600, Start: start, Duration: r.Int64N(90), UniqueID: id, CNum: pick("2001", "2002", "49301234567"), Dst: pick("h", "2003", "4915112345678", "600"),
				Src: pick("2001", ""), Channel: pick("PJSIP/2001-0000001a", "PJSIP/trunk-0000001b"), DstChannel: pick("", "PJSIP/2003-1", "PJSIP/trunk-2"),
				Disposition: pick("ANSWERED", "NO ANSWER", "BUSY", "FAILED"), CNam: pick("", "Ines Roth", `a "b"`), LastApp: pick("Dial", "Queue"), Account: pick("", "acme"),
			}
			one.BillSec = r.Int64N(one.Duration + 1)
			if r.IntN(40) == 0 {
				one.Duration = r.Int64N(longest)
			}
			records = append(records, one)
			switch r.IntN(4) {
			case 0: // at once
			case 1: // in turn
				start += one.Duration
			case 2:
				start += one.Duration + 58 + r.Int64N(5) // around the gap
			default:
				start += r.Int64N(200)
			}
		}
	}
	r.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b stats.Record) int { return cmp.Compare(a.Start, b.Start) })
	return records
}

// TestOnceIsSimple: what is picked in passing is what anybody would pick who had all records at once, in any order of those of one
// second, and ranges side by side have each call once.
func TestOnceIsSimple(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		span := []int64{300, 4000, 40_000, 400_000}[round%4]
		longest := []int64{5000, 100_000}[round%2] // of the latter some make calls longer than a day
		records := sometime(r, 400, span, longest)
		var want []string
		for _, call := range simply(records) {
			want = append(want, asText(&call))
		}
		slices.Sort(want)
		const from = 1_700_000_000 - 100
		to := records[len(records)-1].Start + 1
		whole := everyCall(t, &listed{records: records}, from, to)
		if got := slices.Sorted(slices.Values(whole)); !slices.Equal(got, want) {
			t.Fatalf("round %d: %d calls, want %d\n%s", round, len(got), len(want), difference(got, want))
		}
		other := slices.Clone(records)
		r.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		slices.SortStableFunc(other, func(a, b stats.Record) int { return cmp.Compare(a.Start, b.Start) })
		if got := everyCall(t, &listed{records: other}, from, to); !slices.Equal(got, whole) {
			t.Fatalf("round %d: the order within a second matters\n%s", round, difference(got, whole))
		}
		var tiles []string
		for at := int64(from); at < to; {
			next := min(to, at+1+r.Int64N((to-from)/10))
			tiles = append(tiles, everyCall(t, &listed{records: records}, at, next)...)
			at = next
		}
		if !slices.Equal(tiles, whole) {
			t.Fatalf("round %d: ranges side by side differ from the whole\n%s", round, difference(tiles, whole))
		}
	}
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, s := range got {
		if !slices.Contains(want, s) {
			b.WriteString("not wanted: " + s + "\n")
		}
	}
	for _, s := range want {
		if !slices.Contains(got, s) {
			b.WriteString("lacks: " + s + "\n")
		}
	}
	return b.String()
}

// TestOnce shows what the rule means.
func TestOnce(t *testing.T) {
	t.Parallel()
	row := func(start, duration int64, id, dst, disposition string) stats.Record {
		return stats.Record{Start: 1_700_000_000 + start, Duration: duration, UniqueID: []byte(id), Dst: []byte(dst), Disposition: []byte(disposition)}
	}
	for what, tt := range map[string]struct {
		rows []stats.Record
		want []string // "start dst"
	}{
		"the twin that ran in h":           {[]stats.Record{row(0, 9, "1.1", "600", "ANSWERED"), row(9, 0, "1.1", "h", "ANSWERED")}, []string{"0 600"}},
		"an h before anybody answers":      {[]stats.Record{row(0, 9, "1.1", "h", "ANSWERED"), row(0, 9, "1.1", "600", "BUSY")}, []string{"0 600"}},
		"legs in turn":                     {[]stats.Record{row(0, 9, "1.1", "1", "BUSY"), row(9, 9, "1.1", "2", "NO ANSWER"), row(18, 30, "1.1", "3", "ANSWERED")}, []string{"18 3"}},
		"legs at once":                     {[]stats.Record{row(0, 9, "1.1", "1", "NO ANSWER"), row(0, 40, "1.1", "2", "ANSWERED"), row(0, 9, "1.1", "3", "NO ANSWER")}, []string{"0 2"}},
		"two answered at once":             {[]stats.Record{row(0, 9, "1.1", "1", "ANSWERED"), row(0, 40, "1.1", "2", "ANSWERED")}, []string{"0 2"}},
		"answered again later":             {[]stats.Record{row(0, 9, "1.1", "1", "ANSWERED"), row(9, 40, "1.1", "2", "ANSWERED")}, []string{"0 1"}},
		"nobody answered":                  {[]stats.Record{row(0, 9, "1.1", "1", "NO ANSWER"), row(9, 40, "1.1", "2", "BUSY")}, []string{"0 1"}},
		"a minute after the end":           {[]stats.Record{row(0, 9, "1.1", "1", "NO ANSWER"), row(69, 4, "1.1", "2", "ANSWERED")}, []string{"69 2"}},
		"more than a minute after the end": {[]stats.Record{row(0, 9, "1.1", "1", "NO ANSWER"), row(70, 4, "1.1", "2", "ANSWERED")}, []string{"0 1", "70 2"}},
		"a long leg holds the call":        {[]stats.Record{row(0, 500, "1.1", "1", "NO ANSWER"), row(3, 5, "1.1", "2", "BUSY"), row(450, 5, "1.1", "3", "ANSWERED")}, []string{"450 3"}},
		"two channels":                     {[]stats.Record{row(0, 9, "1.1", "1", "ANSWERED"), row(0, 9, "1.2", "1", "ANSWERED")}, []string{"0 1", "0 1"}},
		"no channels":                      {[]stats.Record{row(0, 9, "", "1", "ANSWERED"), row(0, 9, "", "1", "ANSWERED")}, []string{"0 1", "0 1"}},
		"the order of answers":             {[]stats.Record{row(0, 60, "1.1", "1", "BUSY"), row(5, 9, "1.2", "2", "ANSWERED"), row(30, 3, "1.1", "3", "ANSWERED")}, []string{"5 2", "30 3"}},
		"who waits keeps others waiting":   {[]stats.Record{row(0, 60, "1.1", "1", "BUSY"), row(5, 9, "1.2", "2", "ANSWERED")}, []string{"0 1", "5 2"}},
	} {
		var got []string
		err := stats.EachCall(t.Context(), &listed{records: tt.rows}, stats.Scan{From: time.Unix(1_700_000_000, 0), To: time.Unix(1_700_001_000, 0)}, stats.Picking{Ordered: true}, func(r *stats.Record) error {
			got = append(got, fmt.Sprintf("%d %s", r.Start-1_700_000_000, r.Dst))
			return nil
		})
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, tt.want)
		}
	}
}

// TestOnceReadsNoFurther than until nobody can answer any more.
func TestOnceReadsNoFurther(t *testing.T) {
	t.Parallel()
	at := func(s int64) time.Time { return time.Unix(1_700_000_000+s, 0) }
	row := func(start, duration int64, disposition string) stats.Record {
		return stats.Record{Start: 1_700_000_000 + start, Duration: duration, UniqueID: []byte("1.1"), Dst: []byte("7"), Disposition: []byte(disposition)}
	}
	const back = -80_000 - 6*3600 - 12*3600 - 60 // before midnight
	for what, tt := range map[string]struct {
		rows []stats.Record
		want [][2]int64
	}{
		"answered":   {[]stats.Record{row(95, 500, "ANSWERED")}, [][2]int64{{back, 100}}},
		"unanswered": {[]stats.Record{row(95, 20, "BUSY")}, [][2]int64{{back, 100}, {100, 176}}},
		"and again":  {[]stats.Record{row(95, 20, "BUSY"), row(170, 4, "BUSY"), row(200, 1, "ANSWERED")}, [][2]int64{{back, 100}, {100, 176}, {176, 235}}},
		"before":     {[]stats.Record{row(20, 5, "BUSY")}, [][2]int64{{back, 100}}},
		"outside":    {[]stats.Record{row(-5, 50, "BUSY"), row(99, 50, "BUSY")}, [][2]int64{{back, 100}}},
	} {
		source := &listed{records: tt.rows}
		if err := stats.EachCall(t.Context(), source, stats.Scan{From: at(0), To: at(100)}, stats.Picking{}, func(*stats.Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
		var got [][2]int64
		for _, s := range source.scans {
			got = append(got, [2]int64{s.From.Unix() - 1_700_000_000, s.To.Unix() - 1_700_000_000})
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: it read %d, want %d", what, got, tt.want)
		}
	}
}

// TestOnceIsBounded: whatever a database says, no more is kept than there is room for.
func TestOnceIsBounded(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{true, false} {
		onceIsBounded(t, ordered)
	}
}

func onceIsBounded(t *testing.T, ordered bool) {
	t.Helper()
	const n = 200_000
	for what, row := range map[string]func(i int64, r *stats.Record){
		"calls that last a day":         func(i int64, r *stats.Record) { r.Start, r.Duration = i/10, 86400 },
		"everything in one second":      func(_ int64, r *stats.Record) { r.Start = 7 },
		"calls that end as they should": func(i int64, r *stats.Record) { r.Start, r.Duration = i, 30 },
	} {
		handed, ahead := 0, int64(0)
		once := stats.NewOnce(time.Unix(0, 0), time.Unix(1<<40, 0), stats.Picking{Ordered: ordered}, func(*stats.Record) error { handed++; return nil })
		r := stats.Record{Dst: []byte("7"), Disposition: []byte("BUSY")}
		for i := range int64(n) {
			r.UniqueID = fmt.Appendf(r.UniqueID[:0], "1.%d", i)
			row(i, &r)
			if err := once.Add(&r); err != nil {
				t.Fatal(err)
			}
			ahead = max(ahead, i-int64(handed))
		}
		if err := once.End(); err != nil || handed != n || ahead > 140_000 {
			t.Errorf("%s (%t): %d of %d were handed out, %d waited; %v", what, ordered, handed, n, ahead, err)
		}
	}
}

// busy are records of a quarter of an hour, so many in a second, all of them answered but for one call: it rings for ten minutes, and
// is answered by somebody else then.
func busy(perSecond int) []stats.Record {
	row := func(start, duration int64, id, disposition string) stats.Record {
		return stats.Record{Start: 1_700_000_000 + start, Duration: duration, UniqueID: []byte(id), Dst: []byte("7"), Disposition: []byte(disposition)}
	}
	records := []stats.Record{row(0, 600, "1.1", "NO ANSWER")}
	for second := range int64(900) {
		if second == 600 {
			records = append(records, row(600, 30, "1.1", "ANSWERED"))
		}
		for i := range perSecond {
			records = append(records, row(second, 20, fmt.Sprintf("2.%d.%d", second, i), "ANSWERED"))
		}
	}
	return records
}

// TestOnceAmongMany: who is counted does not depend on how much else there is, and what is decided does not wait for what is not.
func TestOnceAmongMany(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []int{10, 130} {
		records := busy(perSecond)
		service := stats.New(stats.Options{Sources: []stats.Source{&listed{records: records}}, Location: time.UTC, Now: func() time.Time { return time.Unix(1_700_001_000, 0) }})
		report, err := service.Buckets(t.Context(), stats.BucketQuery{Period: stats.Monthly, Grouping: stats.ByUnanswered, Zone: time.UTC})
		if err != nil || len(report.Buckets) != 1 || len(report.Buckets[0].Groups) != 1 || report.Buckets[0].Groups[0].Key != "0" || report.Buckets[0].Total != int64(900*perSecond+1) {
			t.Errorf("%d a second: %+v, %v", perSecond, report.Buckets, err)
		}
		if longest := report.Buckets[0].Longest; longest != 30 {
			t.Errorf("%d a second: the longest took %d s", perSecond, longest)
		}
		handed, waiting := 0, 0
		once := stats.NewOnce(time.Unix(0, 0), time.Unix(1<<40, 0), stats.Picking{}, func(*stats.Record) error { handed++; return nil })
		for i := range records {
			if err := once.Add(&records[i]); err != nil {
				t.Fatal(err)
			}
			waiting = max(waiting, i+1-handed)
		}
		if waiting > perSecond+2 {
			t.Errorf("%d a second: %d wait for one", perSecond, waiting)
		}
	}
}

// TestOnceLetsGo: calls that nobody answers do not wait for one that rings longer.
func TestOnceLetsGo(t *testing.T) {
	t.Parallel()
	const n = 100_000
	handed, waiting := 0, 0
	once := stats.NewOnce(time.Unix(0, 0), time.Unix(1<<40, 0), stats.Picking{}, func(*stats.Record) error { handed++; return nil })
	for i := range n {
		r := stats.Record{Start: int64(i / 50), Duration: 5, UniqueID: fmt.Appendf(nil, "1.%d", i), Dst: []byte("7"), Disposition: []byte("BUSY")}
		if i == 0 {
			r.Duration = 5000
		}
		if err := once.Add(&r); err != nil {
			t.Fatal(err)
		}
		waiting = max(waiting, i+1-handed)
	}
	if waiting > 2*66*50+1000 { // 66 seconds of calls are undecided
		t.Errorf("%d of %d wait", waiting, n)
	}
	if err := once.End(); err != nil || handed != n {
		t.Errorf("%d of %d were handed out, %v", handed, n, err)
	}
}

// TestLongChains: a channel that goes on for days is cut in the same places by every range, also where clocks change.
func TestLongChains(t *testing.T) {
	t.Parallel()
	zone := location(t, "Europe/Berlin")
	for _, month := range []time.Month{time.January, time.March, time.October} {
		begin := time.Date(2026, month, 20, 3, 0, 0, 0, zone)
		var records []stats.Record
		for i := range 400 {
			records = append(records, stats.Record{
				Start: begin.Unix() + int64(i)*3000, Duration: 2990, UniqueID: []byte("1.1"), Dst: fmt.Append(nil, i), Disposition: []byte([]string{"NO ANSWER", "BUSY"}[i%2]),
			})
		}
		read := func(from, to time.Time, hours int) (calls []string) {
			for _, ordered := range []bool{true, false} {
				calls = nil
				for at := from; at.Before(to); at = at.Add(time.Duration(hours) * time.Hour) {
					err := stats.EachCall(t.Context(), &listed{records: records}, stats.Scan{From: at, To: at.Add(time.Duration(hours) * time.Hour)}, stats.Picking{Location: zone, Ordered: ordered},
						func(r *stats.Record) error {
							calls = append(calls, time.Unix(r.Start, 0).In(zone).Format("02 15:04"))
							return nil
						})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			return calls
		}
		whole := read(begin, begin.AddDate(0, 0, 15), 24*16)
		if len(whole) < 14 || len(whole) > 15 {
			t.Errorf("%s: %d calls in 14 days: %q", month, len(whole), whole)
		}
		for _, hours := range []int{1, 7, 24, 31} {
			if got := read(begin, begin.AddDate(0, 0, 15), hours); !slices.Equal(got, whole) {
				t.Errorf("%s: by %d hours it is %q, in one go %q", month, hours, got, whole)
			}
		}
	}
}

// TestOneDayBefore: what is counted of a day does not depend on more than the day before it, which its signature covers, however
// short that is.
func TestOneDayBefore(t *testing.T) {
	t.Parallel()
	for name, days := range map[string][2]string{"Europe/Berlin": {"2026-03-28", "2026-03-31"}, "America/Asuncion": {"2023-03-25", "2023-03-28"}, "Antarctica/Troll": {"2026-03-28", "2026-03-31"}} {
		zone := location(t, name)
		from, _ := time.ParseInLocation(time.DateOnly, days[0], zone)
		to, _ := time.ParseInLocation(time.DateOnly, days[1], zone)
		for day := stats.DayAt(from); day < stats.DayAt(to); day++ {
			source := new(listed)
			scan := stats.Scan{From: day.Begin(zone), To: (day + 1).Begin(zone)}
			if err := stats.EachCall(t.Context(), source, scan, stats.Picking{Location: zone}, func(*stats.Record) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if got := source.scans[0].From; got.Before((day - 1).Begin(zone)) {
				t.Errorf("%s: for %s it reads from %s on", name, day, got.In(zone))
			}
		}
	}
}

// TestOnceMakesNothing: a record costs no allocation.
func TestOnceMakesNothing(t *testing.T) {
	once := stats.NewOnce(time.Unix(0, 0), time.Unix(1<<40, 0), stats.Picking{Ordered: true}, func(*stats.Record) error { return nil })
	r := stats.Record{Dst: []byte("7"), Disposition: []byte("BUSY"), Duration: 30, CNam: []byte("Ines Roth")}
	add := func(from, n int64) func() {
		return func() {
			for range n {
				r.Start++
				r.UniqueID = fmt.Appendf(r.UniqueID[:0], "%d.%d", r.Start, from)
				if err := once.Add(&r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	add(0, 20_000)()
	if made := testing.AllocsPerRun(10, add(1, 10_000)); made > 20_100 { // two of Appendf for each
		t.Errorf("%.0f allocations for 10000 records", made)
	}
}
