package stats_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"talktime/filter"
	"talktime/stats"
)

// first is a source that knows when its first record began.
type first struct{ *listed }

// First implements stats.FirstSource.
func (f first) First(context.Context) (time.Time, error) {
	for _, r := range f.records {
		if t := time.Unix(r.Start, 0); t.Year() >= 2000 {
			return t, nil
		}
	}
	return time.Time{}, nil
}

// dayShelf keeps roll-ups that were counted of whole days.
type dayShelf map[stats.Day][]byte

// Load implements stats.RollUps.
func (s dayShelf) Load(_ context.Context, _, kind, _ string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	for day := from; day < to; day++ {
		if data, ok := s[day]; ok && kind == "quarters" {
			if err := each(day, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// rolled counts days of a source.
func rolled(t *testing.T, source stats.Source, zone *time.Location, from, to stats.Day) dayShelf {
	t.Helper()
	s := make(dayShelf)
	for day := from; day < to; day++ {
		c := stats.NewQuarters(officeInside)
		err := stats.EachCall(t.Context(), source, stats.Scan{From: day.Begin(zone), To: (day + 1).Begin(zone), Fields: allFields}, stats.Picking{Location: zone}, func(r *stats.Record) error {
			c.Add(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s[day] = c.AppendTo(nil)
	}
	return s
}

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// test reads filters.
func test(t testing.TB, filters string) *filter.Test {
	t.Helper()
	q, err := filter.Parse(`{"filters":[`+filters+`]}`, stats.CallFields(), filter.Options{Now: time.Unix(1_700_000_000, 0)})
	if err != nil {
		t.Fatalf("%s: %v", filters, err)
	}
	return q.Test
}

// plain is a call as anybody would describe it.
type plain struct {
	start, duration       int64
	direction, unanswered string
}

// plainly counts calls in the slowest way: every call by itself, every list of lengths sorted.
func plainly(calls []plain, period string, zone *time.Location, group func(plain) string) []stats.Bucket {
	lengths := make(map[int64]map[string][]int64)
	for _, c := range calls {
		at := time.Unix(c.start, 0).In(zone)
		year, month, day := at.Date()
		hour := 0
		switch period {
		case "hourly":
			hour = at.Hour()
		case "weekly":
			day -= (int(at.Weekday()) + 6) % 7
		case "monthly":
			day = 1
		}
		begin := time.Date(year, month, day, hour, 0, 0, 0, time.UTC).Unix()
		if lengths[begin] == nil {
			lengths[begin] = make(map[string][]int64)
		}
		lengths[begin][""] = append(lengths[begin][""], c.duration)
		if group != nil {
			lengths[begin][group(c)] = append(lengths[begin][group(c)], c.duration)
		}
	}
	var list []stats.Bucket
	for begin, groups := range lengths {
		b := stats.Bucket{Begin: begin, BucketFigures: plainFigures(groups[""])}
		for key, all := range groups {
			if key != "" {
				b.Groups = append(b.Groups, stats.Group{Key: key, BucketFigures: plainFigures(all)})
			}
		}
		slices.SortFunc(b.Groups, func(a, b stats.Group) int { return cmp.Compare(a.Key, b.Key) })
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b stats.Bucket) int { return cmp.Compare(a.Begin, b.Begin) })
	return list
}

func plainFigures(lengths []int64) stats.BucketFigures {
	slices.Sort(lengths)
	n, sum := int64(len(lengths)), int64(0)
	for _, l := range lengths {
		sum += l
	}
	median := (lengths[(n-1)/2] + lengths[n/2]) * 50
	mean := sum * 100 / n
	if 2*(sum*100%n) >= n {
		mean++
	}
	return stats.BucketFigures{Total: n, Shortest: lengths[0], Longest: lengths[n-1], Median: stats.Hundredths(median), Mean: stats.Hundredths(mean)}
}

func sameBuckets(a, b []stats.Bucket) bool {
	return slices.EqualFunc(a, b, func(a, b stats.Bucket) bool {
		return a.Begin == b.Begin && a.BucketFigures == b.BucketFigures && slices.Equal(a.Groups, b.Groups)
	})
}

// TestBucketsAgree: records, roll-ups and both together give what plain arithmetic gives, for every period, group and zone, by filters
// of every kind.
func TestBucketsAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	const from = 1_729_000_000 // over the end of summer time in Europe and America, and its begin in the south
	records := sometime(r, 1500, 40*86400, 4000)
	for i := range records {
		records[i].Start += from - 1_700_000_000
		records[i].Wall = records[i].Start
	}
	zone := location(t, "Europe/Berlin")
	var calls []plain
	for _, c := range simply(records) {
		inside := func(number, channel []byte) bool {
			return len(number) == 4 && !slices.Equal(channel[:min(11, len(channel))], []byte("PJSIP/trunk"))
		}
		direction := "inbound"
		if inside(c.CNum, c.Channel) {
			if direction = "outbound"; inside(c.Dst, c.DstChannel) || string(c.Dst) == "600" && inside([]byte("0600"), c.DstChannel) {
				direction = "internal"
			}
		}
		calls = append(calls, plain{c.Start, c.Duration, direction, map[bool]string{true: "0", false: "1"}[string(c.Disposition) == "ANSWERED"]})
	}
	source := first{&listed{name: "pbx", records: records}}
	today := time.Unix(from+50*86400, 0)
	day := stats.DayAt(time.Unix(from, 0).In(zone))
	all := rolled(t, source, zone, day-1, day+60)
	some := make(dayShelf)
	for day, data := range all {
		if day%3 != 0 {
			some[day] = data
		}
	}
	services := make(map[string]*stats.Service)
	for name, kept := range map[string]stats.RollUps{"raw": nil, "rollup": all, "rollup+raw": some} {
		services[name] = stats.New(stats.Options{Sources: []stats.Source{source}, RollUps: kept, Location: zone, Inside: officeInside, Now: func() time.Time { return today }})
	}
	at := func(s int64) string { return time.Unix(s, 0).UTC().Format(time.RFC3339) }
	noon := int64(from/900*900) + 9*86400
	places := []*time.Location{
		time.UTC, location(t, "Pacific/Auckland"), location(t, "America/New_York"), location(t, "Asia/Kathmandu"), location(t, "Etc/GMT+5"),
		location(t, "Australia/Lord_Howe"), time.FixedZone("of a sundial", 1000), // whose hours cut quarters of an hour
	}
	for i, tt := range []struct {
		filters string
		holds   func(plain) bool
		quarter bool // may be told from roll-ups
	}{
		{"", func(plain) bool { return true }, true},
		{`{"name":"call_time","op":"ge","val":"` + at(noon) + `"},{"name":"call_time","op":"lt","val":"` + at(noon+10*86400) + `"}`, func(c plain) bool { return c.start >= noon && c.start < noon+10*86400 }, true},
		{`{"name":"call_time","op":"gt","val":"` + at(noon-1) + `"},{"name":"call_time","op":"le","val":"` + at(noon+899) + `"}`, func(c plain) bool { return c.start >= noon && c.start < noon+900 }, true},
		{`{"name":"call_time","op":"gt","val":"` + at(noon) + `"}`, func(c plain) bool { return c.start > noon }, false},
		{`{"name":"call_time","op":"lt","val":"` + at(noon+7) + `"}`, func(c plain) bool { return c.start < noon+7 }, false},
		{`{"name":"call_direction","op":"eq","val":"inbound"}`, func(c plain) bool { return c.direction == "inbound" }, true},
		{`{"name":"call_direction","op":"in","val":["internal","outbound"]},{"name":"unanswered","op":"eq","val":1}`, func(c plain) bool { return c.direction != "inbound" && c.unanswered == "1" }, true},
		{
			`{"or":[{"name":"unanswered","op":"eq","val":true},{"and":[{"name":"call_time","op":"ge","val":"` + at(noon) + `"},{"name":"call_direction","op":"like","val":"in%"}]}]}`,
			func(c plain) bool { return c.unanswered == "1" || c.start >= noon && c.direction != "outbound" }, true,
		},
		{`{"name":"caller_zone_id","op":"eq","val":49}`, nil, false},
		{`{"name":"caller_zone_id","op":"eq","field":"callee_zone_id"}`, nil, false},
		{`{"name":"caller_id_name","op":"is_not_null"}`, func(plain) bool { return true }, false},
		{`{"name":"call_time","op":"in","val":[]}`, func(plain) bool { return false }, true},
		{`{"name":"unanswered","op":"is_null"}`, func(plain) bool { return false }, true},
	} {
		var wanted []plain
		for _, c := range calls {
			if tt.holds != nil && tt.holds(c) {
				wanted = append(wanted, c)
			}
		}
		condition := test(t, tt.filters)
		for _, period := range []string{"hourly", "daily", "weekly", "monthly"} {
			if i > 2 && (period == "weekly" || period == "monthly") {
				continue // the first ones have shown that
			}
			p, _ := stats.BucketPeriodOf(period)
			for _, place := range places {
				for grouping, group := range map[string]func(plain) string{"": nil, "call_direction": func(c plain) string { return c.direction }, "unanswered": func(c plain) string { return c.unanswered }} {
					g, _ := stats.GroupingOf(grouping)
					want := plainly(wanted, period, place, group)
					for name, service := range services {
						got, err := service.Buckets(t.Context(), stats.BucketQuery{Period: p, Grouping: g, Zone: place, Filter: condition})
						if err != nil {
							t.Fatal(err)
						}
						if tt.holds != nil && !sameBuckets(got.Buckets, want) {
							t.Fatalf("%s, %s, %s, by %q, %s:\n got %+v\nwant %+v", name, period, place, grouping, tt.filters, got.Buckets, want)
						}
						quarters := tt.quarter && place != places[6]
						if raw := got.Origin == stats.FromRaw; name == "raw" && !raw || len(got.Buckets) > 100 && name != "raw" && raw == quarters {
							t.Errorf("%s, %s: it was counted from %s", name, tt.filters, got.Origin)
						}
					}
				}
			}
		}
	}
}

// TestQuartersAreKept: what was written is counted again, however it is put together, and what was not written is refused.
func TestQuartersAreKept(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	whole, apart := stats.NewQuarters(officeInside), stats.NewQuarters(officeInside)
	parts := []*stats.Quarters{stats.NewQuarters(officeInside), stats.NewQuarters(officeInside), stats.NewQuarters(officeInside)}
	for _, record := range sometime(r, 4000, 86400, 40_000) {
		whole.Add(&record)
		parts[r.IntN(3)].Add(&record)
	}
	for _, p := range parts {
		if err := apart.MergeFrom(p.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	text := whole.AppendTo(nil)
	if string(text) != string(apart.AppendTo(nil)) {
		t.Error("parts come to something else than the whole")
	}
	for n := 0; n < len(text); n += 1 + n/50 {
		if err := stats.NewQuarters(officeInside).MergeFrom(text[:n]); err == nil && n > 0 {
			t.Fatalf("%d of %d bytes are taken for everything", n, len(text))
		}
	}
	if err := stats.NewQuarters(officeInside).MergeFrom(append(text, 0)); err == nil {
		t.Error("more than everything is taken")
	}
}

// FuzzQuarters: nothing that stands in a database breaks the reader.
func FuzzQuarters(f *testing.F) {
	c := stats.NewQuarters(officeInside)
	for _, r := range sometime(rand.New(rand.NewPCG(1, 1)), 50, 86400, 4000) {
		c.Add(&r)
	}
	f.Add(c.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := stats.NewQuarters(officeInside)
		if c.MergeFrom(b) == nil {
			again := stats.NewQuarters(officeInside)
			if err := again.MergeFrom(c.AppendTo(nil)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRange: what is asked for is bounded by what is there, and by what may be read.
func TestRange(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 6, 17, 12, 0, 0, 0, time.UTC)
	old := stats.Record{Start: now.AddDate(-4, 0, 0).Unix(), UniqueID: []byte("1.1"), Dst: []byte("7"), Disposition: []byte("ANSWERED")}
	young, wrong := old, old
	young.Start, wrong.Start = now.AddDate(0, 0, -20).Unix(), time.Date(1980, 1, 6, 0, 0, 0, 0, time.UTC).Unix()
	for _, tt := range []struct {
		what    string
		source  stats.Source
		period  string
		filters string
		buckets int
		refused bool
	}{
		{"four years raw", first{&listed{records: []stats.Record{old, young}}}, "monthly", "", 2, false},
		{"the last year of them", first{&listed{records: []stats.Record{old, young}}}, "monthly", `{"name":"call_time","op":"ge","val":"2026-06-18"}`, 1, false},
		{"a year and a day", first{&listed{records: []stats.Record{old, young}}}, "monthly", `{"name":"call_time","op":"ge","val":"2026-06-14"}`, 1, false},
		{"what is there is short", first{&listed{records: []stats.Record{young}}}, "hourly", `{"name":"call_time","op":"ge","val":"1970-01-01"}`, 1, false},
		{"without bounds", first{&listed{records: []stats.Record{young}}}, "hourly", "", 1, false},
		{"to the end of time", first{&listed{records: []stats.Record{young}}}, "hourly", `{"name":"call_time","op":"lt","val":"9999-12-31"}`, 1, false},
		{"nothing is there", first{&listed{}}, "hourly", "", 0, false},
		{"nobody knows when it begins", &listed{records: []stats.Record{old, young}}, "monthly", "", 1, false},
		{"nobody knows, and long ago is asked for", &listed{records: []stats.Record{old, young}}, "monthly", `{"name":"call_time","op":"ge","val":"1970-01-01"}`, 0, true},
		{"a day of long ago", first{&listed{records: []stats.Record{old, young}}}, "hourly", `{"name":"call_time","op":"lt","val":"2023-06-18"}`, 1, false},
		{"one of a wrong clock", first{&listed{records: []stats.Record{wrong, young}}}, "hourly", "", 1, false},
		{"one of a wrong clock, and no bound either", first{&listed{records: []stats.Record{wrong, young}}}, "hourly", `{"name":"call_time","op":"ge","val":"0001-01-01"}`, 1, false},
		{"that one alone", first{&listed{records: []stats.Record{wrong, young}}}, "hourly", `{"name":"call_time","op":"lt","val":"1980-02-01"},{"name":"call_time","op":"ge","val":"1980-01-01"}`, 1, false},
		{"never", first{&listed{records: []stats.Record{old, young}}}, "hourly", `{"name":"call_time","op":"lt","val":"2023-06-18"},{"name":"call_time","op":"gt","val":"2023-06-19"}`, 0, false},
	} {
		service := stats.New(stats.Options{Sources: []stats.Source{tt.source}, Location: time.UTC, Now: func() time.Time { return now }})
		p, _ := stats.BucketPeriodOf(tt.period)
		got, err := service.Buckets(t.Context(), stats.BucketQuery{Period: p, Zone: time.UTC, Filter: test(t, tt.filters)})
		if errors.Is(err, stats.ErrRange) != tt.refused || !tt.refused && err != nil || len(got.Buckets) != tt.buckets {
			t.Errorf("%s: %d buckets, %v", tt.what, len(got.Buckets), err)
		}
	}

	// From roll-ups years are read, but not more than 20,000 periods.
	source := first{&listed{records: []stats.Record{old, young}}}
	day := stats.DayOf(old.Start)
	service := stats.New(stats.Options{Sources: []stats.Source{source}, Location: time.UTC, RollUps: rolled(t, source, time.UTC, day, day+4*366), Now: func() time.Time { return now }})
	for period, refused := range map[stats.BucketPeriod]bool{stats.Monthly: false, stats.Daily: false, stats.Hourly: true} {
		got, err := service.Buckets(t.Context(), stats.BucketQuery{Period: period, Zone: time.UTC})
		if errors.Is(err, stats.ErrRange) != refused || !refused && len(got.Buckets) != 2 {
			t.Errorf("%s: %d buckets, %v", period, len(got.Buckets), err)
		}
	}
}

// TestOneGoesBackTooFar: of a source with too much the others' figures do not suffer; only when all have too much is too much asked.
func TestOneGoesBackTooFar(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 6, 17, 12, 0, 0, 0, time.UTC)
	row := func(start time.Time) stats.Record {
		return stats.Record{Start: start.Unix(), UniqueID: []byte("1.1"), Dst: []byte("7"), Disposition: []byte("ANSWERED")}
	}
	old := first{&listed{name: "old", records: []stats.Record{row(now.AddDate(-26, 0, 0)), row(now.AddDate(0, 0, -3))}}}
	young := first{&listed{name: "young", records: []stats.Record{row(now.AddDate(0, 0, -2))}}}
	down := first{&listed{name: "down", records: young.records, err: &stats.SourceError{Name: "down", Reason: "it does not answer"}}}
	for what, tt := range map[string]struct {
		sources []stats.Source
		errors  []string
		failed  bool
		refused bool
	}{
		"one":            {[]stats.Source{old, young}, []string{"Error querying old: range too large"}, false, false},
		"all":            {[]stats.Source{old, old}, nil, false, true},
		"one alone":      {[]stats.Source{old}, nil, false, true},
		"others are ill": {[]stats.Source{old, down}, []string{"Error querying old: range too large", "Error querying down: it does not answer"}, true, false},
	} {
		service := stats.New(stats.Options{Sources: tt.sources, Location: time.UTC, Now: func() time.Time { return now }})
		got, err := service.Buckets(t.Context(), stats.BucketQuery{Period: stats.Monthly, Zone: time.UTC})
		var said []string
		for _, e := range got.Errors {
			said = append(said, e.Error())
		}
		if errors.Is(err, stats.ErrRange) != tt.refused || !tt.refused && err != nil || !slices.Equal(said, tt.errors) || got.Failed != tt.failed || (len(got.Buckets) == 1) != (what == "one") {
			t.Errorf("%s: %+v, %q, %v", what, got, said, err)
		}
	}
}

// TestAnyBounds: bounds that no database knows are bounds all the same.
func TestAnyBounds(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 6, 17, 12, 0, 0, 0, time.UTC)
	row := func(start time.Time) stats.Record {
		return stats.Record{Start: start.Unix(), UniqueID: []byte("1.1"), Dst: []byte("7"), Disposition: []byte("ANSWERED")}
	}
	source := &listed{records: []stats.Record{row(now.AddDate(-3, 0, 0)), row(now.AddDate(0, 0, -3))}}
	service := stats.New(stats.Options{Sources: []stats.Source{source}, Location: time.UTC, Now: func() time.Time { return now }})
	for filters, want := range map[string]int{
		`{"name":"call_time","op":"ge","val":"0001-01-01"}`: 2, `{"name":"call_time","op":"ge","val":"1970-01-01"}`: 2, `{"name":"call_time","op":"le","val":"9999-12-31T23:59:59"}`: 0, "": 1,
		`{"name":"call_time","op":"ge","val":"2020-01-01"},{"name":"call_time","op":"le","val":"9999-12-31T23:59:59"}`: 2, `{"name":"call_time","op":"le","val":"0001-01-01"}`: 0,
		`{"name":"call_time","op":"ge","val":"0001-01-01"},{"name":"call_time","op":"le","val":"9999-12-31T23:59:59"}`: 2,
	} {
		source.scans = nil
		n := 0
		err := service.Lines(t.Context(), stats.LineQuery{Filter: test(t, filters)}, func(*stats.Line) error { n++; return nil })
		if err != nil || n != want {
			t.Errorf("%s: %d lines, %v; want %d", filters, n, err, want)
		}
		for _, scan := range source.scans {
			if y := scan.To.UTC().Year(); y > 9999 || y == 9999 && scan.To.After(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) || scan.From.Year() < 1968 {
				t.Errorf("%s: it reads from %s to %s", filters, scan.From.UTC(), scan.To.UTC())
			}
		}
	}
}

// TestQuartersBefore1970 are those in which calls began.
func TestQuartersBefore1970(t *testing.T) {
	t.Parallel()
	for start, want := range map[int64]int64{-1: -900, -899: -900, -900: -900, -901: -1800, 0: 0, 899: 0, 900: 900} {
		c := stats.NewQuarters(officeInside)
		c.Add(&stats.Record{Start: start})
		c.Each(func(q stats.Quarter) {
			if q.Start != want {
				t.Errorf("%d lies in the quarter of %d, want %d", start, q.Start, want)
			}
		})
	}
}

// yearsShelf makes up a roll-up for each day: those of a week, again and again.
type yearsShelf struct {
	week [][]byte // of the first of January 1970
	most *uint64  // bytes of the heap in use
}

// Load implements stats.RollUps.
func (s yearsShelf) Load(_ context.Context, _, _, _ string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	for day := from; day < to; day++ {
		was := s.week[day%7]
		data := binary.AppendVarint(was[:1:1], 96*int64(day)) // how many quarters there are, and which is the first
		if err := each(day, append(data, was[2:]...)); err != nil {
			return err
		}
		if day%100 == 0 {
			s.measure()
		}
	}
	return nil
}

func (s yearsShelf) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	*s.most = max(*s.most, m.HeapInuse)
}

// TestYearsAreSmall: a report over years keeps a few tens of MiB, by the day as by the hour.
func TestYearsAreSmall(t *testing.T) { // not at the same time as others
	if testing.Short() || raced {
		t.Skip("it counts a hundred million calls")
	}
	r := rand.New(rand.NewPCG(5, 5))
	week := make([][]byte, 7)
	for day := range week {
		c := stats.NewQuarters(officeInside)
		for i := range 27_000 {
			c.Add(&stats.Record{Start: int64(i%96) * 900, Duration: int64(math.Exp(4.2 + 1.2*r.NormFloat64())), CNum: []byte([]string{"2001", "493012345678"}[i%2])})
		}
		week[day] = c.AppendTo(nil)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	var before, most uint64
	shelf := yearsShelf{week, &before}
	shelf.measure()
	for period, years := range map[stats.BucketPeriod]int{stats.Daily: 10, stats.Hourly: 2} {
		begin := now.AddDate(-years, 0, 0)
		sources := make([]stats.Source, 1)
		sources[0] = first{&listed{records: []stats.Record{{Start: begin.Unix()}}}}
		most = 0
		service := stats.New(stats.Options{Sources: sources, Location: time.UTC, RollUps: yearsShelf{week, &most}, Limit: time.Hour, Now: func() time.Time { return now.AddDate(0, 0, -1) }})
		got, err := service.Buckets(t.Context(), stats.BucketQuery{Period: period, Grouping: stats.ByDirection, Zone: time.UTC})
		var total int64
		for _, b := range got.Buckets {
			total += b.Total
		}
		if err != nil || total != 27_000*int64(now.Sub(begin)/(24*time.Hour)) {
			t.Errorf("%s: %d calls, %v", period, total, err)
		}
		t.Logf("%s, %d years: %d MiB", period, years, (most-before)>>20)
		if most-before > 60<<20 {
			t.Errorf("%s: %d MiB are in use", period, (most-before)>>20)
		}
	}
}

// TestSourcesTogether: figures of several sources are put together; one that fails is left out and named.
func TestSourcesTogether(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_100_000, 0)
	row := func(start, duration int64, id string) stats.Record {
		return stats.Record{Start: 1_700_000_000 + start, Duration: duration, UniqueID: []byte(id), Dst: []byte("7"), Disposition: []byte("ANSWERED")}
	}
	a, b := &listed{name: "a", records: []stats.Record{row(0, 5, "1.1"), row(9, 7, "1.2")}}, &listed{name: "b", records: []stats.Record{row(3, 60, "1.1")}}
	broken := &listed{name: "c", err: &stats.SourceError{Name: "c", Reason: "it does not answer"}}
	service := func(sources ...stats.Source) *stats.Service {
		return stats.New(stats.Options{Sources: sources, Location: time.UTC, Now: func() time.Time { return now }})
	}
	got, err := service(a, broken, b).Buckets(t.Context(), stats.BucketQuery{Zone: time.UTC})
	if err != nil || len(got.Buckets) != 1 || got.Failed || len(got.Errors) != 1 || got.Errors[0].Name != "c" {
		t.Fatalf("%+v, %v", got, err)
	}
	if f := got.Buckets[0].BucketFigures; f != (stats.BucketFigures{Total: 3, Shortest: 5, Longest: 60, Median: 700, Mean: 2400}) {
		t.Errorf("%+v", f)
	}
	if got, err := service(broken).Buckets(t.Context(), stats.BucketQuery{Zone: time.UTC}); err != nil || !got.Failed {
		t.Errorf("%+v, %v", got, err)
	}
	list := func(s *stats.Service, q stats.LineQuery) (starts []int64, err error) {
		err = s.Lines(t.Context(), q, func(l *stats.Line) error {
			starts = append(starts, l.Start-1_700_000_000)
			return nil
		})
		return starts, err
	}
	if got, err := list(service(a, b), stats.LineQuery{}); err != nil || !slices.Equal(got, []int64{0, 3, 9}) {
		t.Errorf("%d, %v", got, err)
	}
	var failed *stats.SourceError
	if _, err := list(service(a, broken, b), stats.LineQuery{}); !errors.As(err, &failed) {
		t.Errorf("a list lacks a source, and nobody says so: %v", err)
	}
}

// TestLines are sorted, and cut into pages.
func TestLines(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	records := sometime(r, 2000, 86400, 4000)
	var sources []stats.Source
	for i := range 3 {
		var part []stats.Record
		for j, record := range records {
			if j%3 == i {
				record.UniqueID = fmt.Appendf(nil, "%d.%d", i, j) // each row is a call
				part = append(part, record)
			}
		}
		sources = append(sources, &listed{name: fmt.Sprint(i), records: part})
	}
	for n, sources := range map[int][]stats.Source{1: sources[:1], 3: sources} {
		service := stats.New(stats.Options{Sources: sources, Inside: officeInside, Location: time.UTC, Now: func() time.Time { return time.Unix(1_700_200_000, 0) }})
		list := func(q stats.LineQuery) (lines []stats.Line) {
			err := service.Lines(t.Context(), q, func(l *stats.Line) error {
				c := *l
				record := *l.Record
				record.UniqueID, record.CNam = slices.Clone(record.UniqueID), slices.Clone(record.CNam)
				c.Record, c.CallerIDName = &record, slices.Clone(l.CallerIDName)
				lines = append(lines, c)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return lines
		}
		ids := func(lines []stats.Line) (ids []string) {
			for _, l := range lines {
				ids = append(ids, string(l.UniqueID))
			}
			return ids
		}
		all := list(stats.LineQuery{})
		if !slices.IsSortedFunc(all, func(a, b stats.Line) int { return cmp.Compare(a.Start, b.Start) }) || len(all) < 400*n {
			t.Fatalf("%d sources: %d calls in the wrong order", n, len(all))
		}
		if got := list(stats.LineQuery{Offset: 10, Limit: 25}); !slices.Equal(ids(got), ids(all[10:35])) {
			t.Errorf("%d sources: another page", n)
		}
		if got := list(stats.LineQuery{Offset: int64(len(all)) - 3, Limit: 25}); !slices.Equal(ids(got), ids(all[len(all)-3:])) {
			t.Errorf("%d sources: another last page", n)
		}
		backwards := list(stats.LineQuery{Order: []filter.Order{{Field: "call_time", Desc: true}}})
		if !slices.IsSortedFunc(backwards, func(a, b stats.Line) int { return cmp.Compare(b.Start, a.Start) }) || len(backwards) != len(all) {
			t.Errorf("%d sources: not backwards", n)
		}
		want := slices.Clone(all)
		slices.SortStableFunc(want, func(a, b stats.Line) int {
			zone := func(z *stats.Zone) int64 {
				if z == nil {
					return -1
				}
				return z.ID
			}
			return cmp.Or(cmp.Compare(zone(a.CalleeZone), zone(b.CalleeZone)), cmp.Compare(string(b.CallerIDName), string(a.CallerIDName)))
		})
		got := list(stats.LineQuery{Order: []filter.Order{{Field: "callee_zone_id"}, {Field: "caller_id_name", Desc: true}}, Limit: 300})
		if !slices.Equal(ids(got), ids(want[:300])) {
			t.Errorf("%d sources: sorted otherwise", n)
		}
	}
}

// TestManyAreNotSorted: sorting needs memory.
func TestManyAreNotSorted(t *testing.T) {
	t.Parallel()
	many := &listed{records: make([]stats.Record, 100_001)}
	for i := range many.records {
		many.records[i] = stats.Record{Start: 1_700_000_000 + int64(i), Dst: []byte("7"), Disposition: []byte("BUSY")}
	}
	service := stats.New(stats.Options{Sources: []stats.Source{many}, Location: time.UTC, Now: func() time.Time { return time.Unix(1_700_200_000, 0) }})
	byName := []filter.Order{{Field: "caller_id_name"}}
	n := 0
	count := func(*stats.Line) error { n++; return nil }
	if err := service.Lines(t.Context(), stats.LineQuery{Order: byName}, count); !errors.Is(err, stats.ErrManySorted) || n > 0 {
		t.Errorf("%d, %v", n, err)
	}
	if err := service.Lines(t.Context(), stats.LineQuery{Order: byName, Filter: test(t, `{"name":"call_time","op":"gt","val":"`+time.Unix(1_700_000_000, 0).UTC().Format(time.RFC3339)+`"}`)}, count); err != nil || n != 100_000 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestBucketFields: whoever does not know a field is told so.
func TestBucketFields(t *testing.T) {
	t.Parallel()
	var names []string
	for name := range stats.CallFields().Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	text, err := json.Marshal(names)
	if err != nil || string(text) != `["call_direction","call_time","callee_zone_id","caller_id_name","caller_zone_id","unanswered"]` {
		t.Errorf("%s, %v", text, err)
	}
}
