package stats_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/money"
	"talktime/stats"
)

// calls are calls of ours in memory.
type calls []stats.Call

func (all calls) EachCall(_ context.Context, from, to time.Time, account *stats.Account, each func(*stats.Call) error) error {
	for _, c := range all {
		if c.Start < from.Unix() || c.Start >= to.Unix() || account != nil && !slices.Contains(account.Users, c.User) {
			continue
		}
		if err := each(&c); err != nil {
			return err
		}
	}
	return nil
}

// rolledDays keep what each kind counted of each day, in two pieces where there are several calls.
type rolledDays struct {
	kinds map[string]stats.CallKind
	days  map[stats.Day]map[string][][]byte
	asked int
}

func rollUp(t *testing.T, s *stats.Service, days []stats.Day) *rolledDays {
	t.Helper()
	r := &rolledDays{map[string]stats.CallKind{}, map[stats.Day]map[string][][]byte{}, 0}
	for _, kind := range s.CallKinds() {
		r.kinds[kind.Name] = kind
	}
	for _, day := range days {
		r.days[day] = map[string][][]byte{}
		for name, kind := range r.kinds {
			pieces := []stats.CallCounter{kind.New(), kind.New()}
			n := 0
			err := s.Calls.EachCall(t.Context(), day.Begin(s.Location), (day + 1).Begin(s.Location), nil, func(c *stats.Call) error {
				pieces[n%2].AddCall(c)
				n++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range pieces {
				r.days[day][name] = append(r.days[day][name], piece.AppendTo(nil))
			}
		}
	}
	return r
}

func (r *rolledDays) Load(_ context.Context, source, kind, rule string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	if known, ok := r.kinds[kind]; !ok || known.Rule != rule || source != stats.OwnName {
		return fmt.Errorf("nobody keeps %s %s by %s", source, kind, rule)
	}
	r.asked++
	for day := from; day < to; day++ {
		for _, piece := range r.days[day][kind] {
			if err := each(day, piece); err != nil {
				return err
			}
		}
	}
	return nil
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// randomCalls are calls of six days, in some currencies, with causes that there are and some that there are not.
func randomCalls(r *rand.Rand, from time.Time, n int) calls {
	all := make(calls, n)
	for i := range all {
		c := stats.Call{
			ID: int64(i), Start: from.Unix() + r.Int64N(6*24*3600), User: r.Int64N(4), Number: pick(r, "4930123", "+43660123", "12425551", "12125551", "0900", "", "79161234567", "+"),
			Carrier: r.Int64N(3), Status: pick(r, "BUSY", "NOANSWER", "CANCEL", "CHANUNAVAIL", ""), Cause: pick(r, 0, 1, 16, 17, 18, 19, 21, 34, 127),
			Duration: r.Int64N(100_000), PDD: pick[int64](r, -1, 0, 300, 4711),
		}
		if c.Answered = r.IntN(2) == 0; c.Answered {
			c.Seconds, c.Status, c.Cause = r.Int64N(4000), "ANSWER", 16
			c.Currency, c.Charge = pick(r, "SEC", "EUR", "USD"), money.Amount(r.Int64N(1e9))
			c.Prefix, c.Label = pick(r, "49", "43", ""), pick(r, "Germany", "Österreich & Co", "built-in")
			if c.Carrier != 0 {
				c.Cost, c.CostIn = money.Amount(r.Int64N(1e8)), pick(r, "", "EUR", "GBP")
			}
		}
		all[i] = c
	}
	slices.SortFunc(all, func(a, b stats.Call) int { return int(a.Start - b.Start) })
	return all
}

// TestRawIsRollUp: whatever is asked for, it is the same from the calls and from what was counted of days before, to the last
// millionth, whichever days these are, wherever the site is and wherever whoever asks is.
func TestRawIsRollUp(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Vienna", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "America/Santiago", "Pacific/Chatham"}
	periods := []stats.Period{stats.ByNone, stats.ByHour, stats.ByDay, stats.ByWeek, stats.ByMonth}
	dimensions := []stats.Dimension{stats.OfNone, stats.OfUser, stats.OfGroup, stats.OfCountry, stats.OfDestination, stats.OfCarrier, stats.OfCause}
	groups := map[int64][]int64{1: {7}, 2: {7, 8}}
	origins := map[stats.Origin]int{}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		site := zone(t, pick(r, zones...))
		// Clocks change on March 29th, April 5th, October 4th, October 25th.
		from := time.Date(2026, pick(r, time.March, time.April, time.October), pick(r, 2, 23, 26), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
		raw := stats.New(stats.Options{Calls: randomCalls(r, from, 1000), Location: site})
		var days []stats.Day
		for day := stats.DayAt(from); day < stats.DayAt(from)+8; day++ {
			if seed%3 == 0 || r.IntN(4) > 0 {
				days = append(days, day)
			}
		}
		kept := rollUp(t, raw, days)
		rolled := stats.New(stats.Options{Calls: raw.Calls, Location: site, RollUps: kept})
		for range 25 {
			q := stats.Query{Location: zone(t, pick(r, zones...)), By: pick(r, periods...), Of: pick(r, dimensions...), Groups: groups}
			q.From = from.Add(time.Duration(r.IntN(3*24)) * time.Hour)
			q.To = q.From.Add(time.Duration(1+r.IntN(6*24*60)) * time.Minute)
			if r.IntN(2) == 0 { // whole days
				q.From, q.To = stats.DayAt(q.From).Begin(q.Location), (stats.DayAt(q.To) + 1).Begin(q.Location)
			}
			switch r.IntN(6) {
			case 0:
				q.Account = &stats.Account{Users: []int64{1, 3}}
			case 1:
				q.Country = new(string)
				*q.Country = pick(r, "49", "1", "1242", "")
			case 2:
				q.Carrier = new(int64)
				*q.Carrier = r.Int64N(3)
			}
			want, err := raw.Summary(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rolled.Summary(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			origins[got.Origin]++
			want.Origin, got.Origin = "", ""
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("seed %d, site %s: %+v\n%s", seed, site, q, cmp.Diff(want, got))
			}
			var attempts int64
			for _, row := range want.Rows {
				attempts += row.Attempts
				if row.From.Before(q.From) || row.To.After(q.To) || !row.From.Before(row.To) {
					t.Fatalf("a row is from %s to %s", row.From, row.To)
				}
			}
			if q.Of != stats.OfGroup && attempts != want.Total.Attempts {
				t.Fatalf("rows have %d attempts, all together %d", attempts, want.Total.Attempts)
			}
			heat, err := raw.HeatMap(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			rolledHeat, err := rolled.HeatMap(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			heat.Origin, rolledHeat.Origin = "", ""
			if !reflect.DeepEqual(heat, rolledHeat) {
				t.Fatalf("seed %d, site %s: heat map %+v\n%s", seed, site, q, cmp.Diff(heat, rolledHeat))
			}
		}
	}
	for _, origin := range []stats.Origin{stats.FromRaw, stats.FromRollUps, stats.FromBoth} {
		if origins[origin] < 10 {
			t.Errorf("%d answers were %s: the test shows nothing of those", origins[origin], origin)
		}
	}
}

// figures are those of a row in one line.
func figures(f *stats.Figures) string {
	known := func(value fmt.Stringer, ok bool) string {
		if !ok {
			return "-"
		}
		return value.String()
	}
	pdd := "-"
	if ms, ok := f.PDD(); ok {
		pdd = fmt.Sprint(ms)
	}
	asr, okASR := f.ASR()
	ner, okNER := f.NER()
	acd, okACD := f.ACD()
	text := fmt.Sprintf("%d/%d asr %s ner %s acd %s pdd %s/%d min %s", f.Answered, f.Attempts, known(asr, okASR), known(ner, okNER), known(acd, okACD), pdd, f.PDDCalls, f.Minutes())
	for _, s := range f.Sums {
		text += fmt.Sprintf(" %s %s-%s=%s", s.Currency, s.Revenue, s.Cost, s.Margin())
	}
	return text
}

func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	a, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// brokenRollUps hand out a day, and then something that is none, or fail.
type brokenRollUps struct {
	*rolledDays

	err error
}

func (b brokenRollUps) Load(ctx context.Context, source, kind, rule string, from, _ stats.Day, each func(stats.Day, []byte) error) error {
	if err := b.rolledDays.Load(ctx, source, kind, rule, from, from+1, each); err != nil {
		return err
	}
	if b.err != nil {
		return b.err
	}
	return each(from+1, []byte("not a roll-up"))
}

// TestBrokenRollUps: what cannot be read is counted from the calls, none of them twice.
func TestBrokenRollUps(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	raw := stats.New(stats.Options{Calls: randomCalls(rand.New(rand.NewPCG(7, 7)), from, 500), Location: time.UTC})
	q := stats.Query{From: from, To: from.AddDate(0, 0, 6), By: stats.ByDay, Of: stats.OfCountry, Location: time.UTC}
	want, err := raw.Summary(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	wantHeat, err := raw.HeatMap(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range []error{nil, errors.New("the server has gone away")} {
		broken := stats.New(stats.Options{Calls: raw.Calls, Location: time.UTC, RollUps: brokenRollUps{rollUp(t, raw, []stats.Day{stats.DayAt(from)}), failure}})
		got, err := broken.Summary(t.Context(), q)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v\n%s", err, d)
		}
		gotHeat, err := broken.HeatMap(t.Context(), q)
		if d := cmp.Diff(wantHeat, gotHeat); d != "" || err != nil {
			t.Errorf("%v\n%s", err, d)
		}
	}
}

// TestFigures: by hand.
func TestFigures(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	answered := func(seconds int64, charge, currency, cost, costIn string, pdd int64) stats.Call {
		return stats.Call{
			Answered: true, Seconds: seconds, Charge: amount(t, charge), Currency: currency, Cost: amount(t, cost), CostIn: costIn, PDD: pdd, Status: "ANSWER", Cause: 16, Number: "4930",
		}
	}
	failed := func(status string, cause int, pdd int64) stats.Call {
		return stats.Call{Status: status, Cause: cause, PDD: pdd, Number: "4930"}
	}
	for _, tt := range []struct {
		what  string
		calls calls
		want  string
	}{
		{"one call", calls{answered(90, "1.5", "EUR", "0.6", "EUR", 1200)}, "1/1 asr 100.0 ner 100.0 acd 90.0 pdd 1200/1 min 1.5 EUR 1.5-0.6=0.9"},
		{
			"what carriers ask in another currency is not taken off",
			calls{answered(60, "1", "EUR", "0.3", "USD", -1), answered(30, "60", "SEC", "0", "", -1)},
			"2/2 asr 100.0 ner 100.0 acd 45.0 pdd -/0 min 1.5 EUR 1-0=1 SEC 60-0=60 USD 0-0.3=-0.3",
		},
		{"a cost without a currency is in that of the charge", calls{answered(60, "1", "EUR", "1.25", "", -1)}, "1/1 asr 100.0 ner 100.0 acd 60.0 pdd -/0 min 1.0 EUR 1-1.25=-0.25"},
		{"busy by its cause, by its status, and neither", calls{failed("", 17, -1), failed("BUSY", 0, -1), failed("CHANUNAVAIL", 0, -1)}, "0/3 asr 0.0 ner 66.67 acd - pdd -/0 min 0.0"},
		{"the cause wins over the status", calls{failed("BUSY", 34, -1), failed("CHANUNAVAIL", 21, -1)}, "0/2 asr 0.0 ner 50.0 acd - pdd -/0 min 0.0"},
		{"127 is no cause", calls{failed("NOANSWER", 127, -1), failed("CONGESTION", 127, -1)}, "0/2 asr 0.0 ner 50.0 acd - pdd -/0 min 0.0"},
		{"who gives up had reached him if it rang", calls{failed("CANCEL", 127, 800), failed("CANCEL", 0, 0), failed("CANCEL", 127, -1)}, "0/3 asr 0.0 ner 66.67 acd - pdd 400/2 min 0.0"},
		{"thirds", calls{answered(1, "0", "SEC", "0", "", 1), failed("", 1, 1), failed("", 1, 2)}, "1/3 asr 33.33 ner 33.33 acd 1.0 pdd 1/3 min 0.02 SEC 0-0=0"},
		{"nothing", nil, "0/0 asr 0.0 ner 0.0 acd - pdd -/0 min 0.0"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			for i := range tt.calls {
				tt.calls[i].Start = at.Unix()
			}
			s, err := stats.New(stats.Options{Calls: tt.calls, Location: time.UTC}).Summary(t.Context(), stats.Query{From: at, To: at.Add(time.Hour), By: stats.ByNone, Of: stats.OfNone, Location: time.UTC})
			if err != nil {
				t.Fatal(err)
			}
			if len(tt.calls) == 0 {
				if len(s.Rows) != 0 || s.Total.Attempts != 0 {
					t.Errorf("%+v", s)
				}
				return
			}
			if got := figures(&s.Rows[0].Figures); got != tt.want || len(s.Rows) != 1 || figures(&s.Total) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestPeriods: where days, hours and weeks begin, on days on which clocks change.
func TestPeriods(t *testing.T) {
	t.Parallel()
	each := func(from string, n int, step time.Duration) calls {
		begin, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		var all calls
		for i := range n {
			all = append(all, stats.Call{Start: begin.Add(time.Duration(i) * step).Unix(), PDD: -1})
		}
		return all
	}
	for _, tt := range []struct {
		what, zone string
		by         stats.Period
		calls      calls
		want       []string
	}{
		{
			"the hour that clocks skip", "Europe/Vienna", stats.ByHour, each("2026-03-29T00:00:00Z", 4, 30*time.Minute),
			[]string{"2026-03-29T01:00:00+01:00 2", "2026-03-29T03:00:00+02:00 2"},
		},
		{
			"the hour that comes twice is two hours", "Europe/Vienna", stats.ByHour, each("2026-10-25T00:00:00Z", 6, 30*time.Minute),
			[]string{"2026-10-25T02:00:00+02:00 2", "2026-10-25T02:00:00+01:00 2", "2026-10-25T03:00:00+01:00 2"},
		},
		{"a day of 23 hours", "Europe/Vienna", stats.ByDay, each("2026-03-28T23:00:00Z", 24, time.Hour), []string{"2026-03-29T00:00:00+01:00 23", "2026-03-30T00:00:00+02:00 1"}},
		{"a day of 25 hours", "Europe/Vienna", stats.ByDay, each("2026-10-24T22:00:00Z", 26, time.Hour), []string{"2026-10-25T00:00:00+02:00 25", "2026-10-26T00:00:00+01:00 1"}},
		{"half an hour", "Asia/Kolkata", stats.ByHour, each("2026-03-14T00:00:00Z", 3, 30*time.Minute), []string{"2026-03-14T05:00:00+05:30 1", "2026-03-14T06:00:00+05:30 2"}},
		{"three quarters", "Asia/Kathmandu", stats.ByDay, each("2026-03-14T18:00:00Z", 3, 15*time.Minute), []string{"2026-03-14T00:00:00+05:45 1", "2026-03-15T00:00:00+05:45 2"}},
		{
			"clocks that are set back by half an hour", "Australia/Lord_Howe", stats.ByHour, each("2026-04-04T14:00:00Z", 5, 30*time.Minute),
			[]string{"2026-04-05T01:00:00+11:00 2", "2026-04-05T01:30:00+10:30 1", "2026-04-05T02:00:00+10:30 2"},
		},
		{"a midnight that clocks skip", "America/Santiago", stats.ByDay, each("2026-09-06T03:30:00Z", 3, 30*time.Minute), []string{"2026-09-05T00:00:00-04:00 1", "2026-09-06T01:00:00-03:00 2"}},
		{"weeks begin on Monday", "UTC", stats.ByWeek, each("2026-12-27T12:00:00Z", 3, 12*time.Hour), []string{"2026-12-21T00:00:00Z 1", "2026-12-28T00:00:00Z 2"}},
		{"a week over the end of the year", "UTC", stats.ByWeek, each("2026-12-31T12:00:00Z", 3, 24*time.Hour), []string{"2026-12-28T00:00:00Z 3"}},
		{"months", "Pacific/Auckland", stats.ByMonth, each("2026-03-31T10:30:00Z", 2, time.Hour), []string{"2026-03-01T00:00:00+13:00 1", "2026-04-01T00:00:00+13:00 1"}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			l := zone(t, tt.zone)
			first, last := time.Unix(tt.calls[0].Start, 0), time.Unix(tt.calls[len(tt.calls)-1].Start+1, 0)
			s, err := stats.New(stats.Options{Calls: tt.calls, Location: time.UTC}).Summary(t.Context(), stats.Query{From: first, To: last, By: tt.by, Of: stats.OfNone, Location: l})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range s.Rows {
				got = append(got, fmt.Sprintf("%s %d", row.Start.Format(time.RFC3339), row.Attempts))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSummaryRefuses what nobody could read.
func TestSummaryRefuses(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var many calls
	for i := range int64(stats.MaxRows + 1) {
		many = append(many, stats.Call{Start: from.Unix(), User: i, PDD: -1})
	}
	s := stats.New(stats.Options{Calls: many, Location: time.UTC})
	for _, tt := range []struct {
		by   stats.Period
		days int
		of   stats.Dimension
		says string
	}{
		{stats.ByHour, 92, stats.OfNone, ""},
		{stats.ByHour, 93, stats.OfNone, "range too large: by hour it is 92 days at most"},
		{stats.ByDay, 1096, stats.OfNone, ""},
		{stats.ByDay, 1098, stats.OfNone, "range too large: by day it is 3 years at most"},
		{stats.ByNone, 3000, stats.OfNone, ""},
		{stats.ByNone, 4000, stats.OfNone, "range too large: by none it is 10 years at most"},
		{stats.ByMonth, 7000, stats.OfNone, ""},
		{stats.ByMonth, 8000, stats.OfNone, "range too large: by month it is 20 years at most"},
		{stats.ByDay, 1, stats.OfUser, "range too large: there are more than 200000 rows; ask for a shorter time, or for longer periods"},
	} {
		_, err := s.Summary(t.Context(), stats.Query{From: from, To: from.AddDate(0, 0, tt.days), By: tt.by, Of: tt.of, Location: time.UTC})
		if said := fmt.Sprint(err); tt.says == "" && err != nil || tt.says != "" && (said != tt.says || !errors.Is(err, stats.ErrRange)) {
			t.Errorf("%d days by %s of %s: %v", tt.days, tt.by, tt.of, err)
		}
	}
	if _, err := s.Concurrent(t.Context(), stats.Query{From: from, To: from.AddDate(0, 0, 32), By: stats.ByHour, Location: time.UTC}); !errors.Is(err, stats.ErrRange) {
		t.Errorf("calls at once of 32 days: %v", err)
	}
}

// TestRollUpsThatAreNone are refused, never a panic: each kind with what it wrote, cut off or changed.
func TestRollUpsThatAreNone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	all := randomCalls(r, time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC), 60)
	for _, kind := range stats.New(stats.Options{Location: time.UTC}).CallKinds() {
		counter := kind.New()
		for i := range all {
			counter.AddCall(&all[i])
		}
		whole := counter.AppendTo(nil)
		again := kind.New()
		if err := again.MergeFrom(whole); err != nil || string(again.AppendTo(nil)) != string(whole) {
			t.Errorf("%s does not read what it wrote: %v", kind.Name, err)
		}
		for n := range whole {
			if err := kind.New().MergeFrom(whole[:n]); err == nil {
				t.Errorf("%s reads the first %d of %d bytes", kind.Name, n, len(whole))
			}
			changed := slices.Clone(whole)
			changed[n] ^= byte(1 + r.IntN(255))
			_ = kind.New().MergeFrom(changed)
		}
		if err := kind.New().MergeFrom(append(slices.Clone(whole), 0)); err == nil {
			t.Errorf("%s reads more than it wrote", kind.Name)
		}
	}
}

// TestHeatMap: by hand, in a zone of three quarters of an hour.
func TestHeatMap(t *testing.T) {
	t.Parallel()
	sunday := time.Date(2026, 3, 15, 18, 0, 0, 0, time.UTC) // Sunday 23:45 in Kathmandu
	all := calls{
		{Start: sunday.Unix(), Answered: true, Seconds: 90, PDD: -1},
		{Start: sunday.Add(20 * time.Minute).Unix(), PDD: -1},
		{Start: sunday.Add(7*24*time.Hour + time.Minute).Unix(), Answered: true, Seconds: 30, PDD: -1},
	}
	heat, err := stats.New(stats.Options{Calls: all, Location: time.UTC}).HeatMap(t.Context(), stats.Query{From: sunday.AddDate(0, 0, -1), To: sunday.AddDate(0, 0, 9), Location: zone(t, "Asia/Kathmandu")})
	if err != nil {
		t.Fatal(err)
	}
	for day, hours := range heat.Hours {
		for hour, f := range hours {
			want := "0/0 asr -"
			switch {
			case day == 6 && hour == 23:
				want = "2/2 asr 100.0"
			case day == 0 && hour == 0:
				want = "0/1 asr 0.0"
			}
			if got := figures(&f); !strings.HasPrefix(got, want) {
				t.Errorf("day %d hour %d: %s", day, hour, got)
			}
		}
	}
	if f := heat.Hours[6][23]; f.Seconds != 120 || heat.Total.Attempts != 3 {
		t.Errorf("%+v", heat.Total)
	}
}

// TestConcurrent: by hand, with calls that began before the time that is asked for, end behind it, or follow each other.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	at := func(minute, second int) int64 { return from.Unix() + int64(60*minute+second) }
	all := calls{
		{User: 1, Start: at(-24*60, 0), Duration: 24*3600 + 30}, // ends in the first minute
		{User: 1, Start: at(-10, 0), Duration: 600},             // ends when it begins
		{User: 1, Start: at(0, 10), Duration: 20},
		{User: 2, Start: at(0, 30), Duration: 90}, // begins when two others end
		{User: 2, Start: at(1, 0), Duration: 0},
		{User: 2, Start: at(2, 59), Duration: 100_000},
		{User: 2, Start: at(3, 0), Duration: 5},
	}
	s := stats.New(stats.Options{Calls: all, Location: time.UTC})
	c, err := s.Concurrent(t.Context(), stats.Query{From: from, To: from.Add(3 * time.Minute), By: stats.ByMinute, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range c.Slots {
		got = append(got, fmt.Sprintf("%s %d %s", b.From.Format("15:04"), b.Most, b.Mean()))
	}
	// First minute: 30 + 20 + 30 seconds of calls; second: 60; third: 1.
	if d := cmp.Diff([]string{"09:00 2 1.33", "09:01 1 1.0", "09:02 1 0.02"}, got); d != "" || c.Most != 2 || c.Calls != 4 {
		t.Errorf("%d at once, %d calls\n%s", c.Most, c.Calls, d)
	}
	if c, err = s.Concurrent(t.Context(), stats.Query{From: from, To: from.Add(3 * time.Minute), By: stats.ByHour, Location: time.UTC, Account: &stats.Account{Users: []int64{2}}}); err != nil || c.Most != 1 || len(c.Slots) != 1 {
		t.Errorf("%+v %v", c, err)
	}
}

// TestConcurrentForDays: a call that somebody wrote down as one of years is there for 26 hours, whatever range is asked for.
func TestConcurrentForDays(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	s := stats.New(stats.Options{Calls: calls{{Start: begin.Unix(), Duration: 1<<31 - 1}}, Location: time.UTC})
	seconds := func(from, to time.Time) (sum int64) {
		c, err := s.Concurrent(t.Context(), stats.Query{From: from, To: to, By: stats.ByHour, Location: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		for _, slot := range c.Slots {
			sum += slot.Seconds
		}
		return sum
	}
	whole, pieces := seconds(begin, begin.AddDate(0, 0, 4)), int64(0)
	for day := range 4 {
		pieces += seconds(begin.AddDate(0, 0, day), begin.AddDate(0, 0, day+1))
	}
	if whole != 26*3600 || pieces != whole {
		t.Errorf("%d seconds in one go, %d by the day", whole, pieces)
	}
}

// TestConcurrentAgainstCounting: every second counted by itself comes to the same.
func TestConcurrentAgainstCounting(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	begin := time.Date(2026, 10, 25, 0, 10, 0, 0, time.UTC)
	var all calls
	for range 300 {
		all = append(all, stats.Call{Start: begin.Unix() - 4000 + r.Int64N(12_000), Duration: r.Int64N(3000)})
	}
	q := stats.Query{From: begin, To: begin.Add(2 * time.Hour), By: stats.ByQuarter, Location: zone(t, "Europe/Vienna")}
	c, err := stats.New(stats.Options{Calls: all, Location: time.UTC}).Concurrent(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	next := begin
	for _, b := range c.Slots {
		var most, sum int64
		for at := b.From.Unix(); at < b.To.Unix(); at++ {
			var now int64
			for _, call := range all {
				if call.Start <= at && at < call.Start+call.Duration {
					now++
				}
			}
			most, sum = max(most, now), sum+now
		}
		if b.Most != most || b.Seconds != sum || !b.From.Equal(next) {
			t.Errorf("%s: %d and %d, want %d and %d", b.From, b.Most, b.Seconds, most, sum)
		}
		next = b.To
	}
	if !next.Equal(q.To) || len(c.Slots) != 9 {
		t.Errorf("%d periods until %s", len(c.Slots), next)
	}
}
