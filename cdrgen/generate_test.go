package cdrgen_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"talktime/cdrgen"
	"talktime/stats"
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func month(t testing.TB, rows int64) cdrgen.Config {
	l := berlin(t)
	return cdrgen.Config{
		Seed: 7, From: time.Date(2026, 3, 1, 0, 0, 0, 0, l), To: time.Date(2026, 4, 1, 0, 0, 0, 0, l), Rows: rows, Location: l,
	}
}

// TestDistribution: the rows are what the package's documentation says.
func TestDistribution(t *testing.T) {
	t.Parallel()
	const rows = 200_000
	c := month(t, rows)
	counts := map[string]int{}
	calls := map[string]bool{}
	extensions, numbers := map[string]int{}, map[string]int{}
	var outbound, n int
	var talk []int64
	var last int64
	var lastID string
	unique := regexp.MustCompile(`^1[0-9]{9}\.[0-9]+$`)
	err := cdrgen.Each(c, func(r *cdrgen.Row) error {
		n++
		if r.Wall < last || r.Start < c.From.Unix() || r.Start >= c.To.Unix() {
			t.Fatalf("row %d begins at %d, the one before at %d", n, r.Wall, last)
		}
		last = r.Wall
		if shown := time.Unix(r.Start, 0).In(c.Location); stats.WallOf(shown) != r.Wall {
			t.Fatalf("row %d: it is %v when the wall says %d", n, shown, r.Wall)
		}
		if r.BillSec < 0 || r.BillSec > r.Duration || r.Duration > 5*60*60 || len(r.Dst) == 0 || len(r.Channel) == 0 || !unique.Match(r.UniqueID) {
			t.Fatalf("row %d is %+v", n, r)
		}
		fresh := !calls[string(r.UniqueID)]
		calls[string(r.UniqueID)] = true
		if fresh {
			if id := string(r.UniqueID); lastID != "" && id[:10] < lastID[:10] {
				t.Fatalf("%s comes after %s", id, lastID)
			} else {
				lastID = id
			}
			counts["weekday "+time.Unix(r.Wall, 0).UTC().Weekday().String()]++
			counts[fmt.Sprintf("hour %02d", time.Unix(r.Wall, 0).UTC().Hour())]++
		}
		if time.Unix(r.Wall, 0).UTC().YearDay() != time.Unix(r.Wall+r.Duration, 0).UTC().YearDay() {
			counts["over midnight"]++
		}
		switch {
		case string(r.Dst) == "h":
			counts["twin"]++
		case string(r.Context) == "from-internal" && len(r.OutboundCNum) > 0 && fresh:
			outbound++
			extensions[string(r.CNum)]++
			counts[string(r.Disposition)]++
			if string(r.Disposition) == "ANSWERED" {
				talk = append(talk, r.BillSec)
			}
			switch number := string(r.Dst); {
			case number[0] == '+':
				counts["+"]++
			case strings.HasPrefix(number, "00"):
				counts["00"]++
			case number[0] == '0':
				counts["national"]++
			case len(number) > 6:
				counts["plain"]++
			default:
				counts["short"]++
			}
			numbers[strings.TrimLeft(string(r.Dst), "+0")]++
		case len(r.OutboundCNum) > 0:
			counts["second leg"]++
		case len(r.Dst) == 4 && string(r.Context) == "from-internal":
			counts["internal"]++
		case len(r.DID) > 0 && string(r.LastApp) == "Queue":
			counts["queue"]++
			if string(r.Disposition) == "NO ANSWER" && r.BillSec > 0 {
				counts["queue unanswered"]++
			}
		case len(r.DID) > 0:
			counts["inbound"]++
		}
		return nil
	})
	if err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	share := func(what string, of int, want, tolerance float64) {
		t.Helper()
		if got := 100 * float64(counts[what]) / float64(of); math.Abs(got-want) > tolerance {
			t.Errorf("%s: %.2f %%, want %.1f", what, got, want)
		}
	}
	for what, want := range map[string]float64{
		"ANSWERED": 55, "NO ANSWER": 25, "BUSY": 10, "FAILED": 6, "CONGESTION": 4, "national": 8, "short": 2, "plain": 45, "+": 27, "00": 18,
	} {
		share(what, outbound, want, 0.6)
	}
	counts["outbound"], counts["rows"] = outbound, n
	share("outbound", len(calls), 54, 0.6)
	share("internal", len(calls), 12.6, 1)
	share("rows", len(calls), 130, 3)
	share("hour 10", len(calls), 10.1, 0.5)
	share("hour 03", len(calls), 0.5, 0.2)
	share("weekday Saturday", len(calls), 5.9, 0.8) // 4 Saturdays of a month of 22 working days, 4 Saturdays and 5 Sundays
	for _, what := range []string{"twin", "second leg", "queue", "queue unanswered", "inbound", "over midnight", "weekday Sunday"} {
		if counts[what] < 10 {
			t.Errorf("%s: only %d", what, counts[what])
		}
	}
	slices.Sort(talk)
	var sum int64
	for _, s := range talk {
		sum += s
	}
	if median, mean := talk[len(talk)/2], sum/int64(len(talk)); median < 68 || median > 82 || mean < 140 || mean > 200 {
		t.Errorf("talk has the median %d and the mean %d", median, mean)
	}
	busiest := 0
	for _, n := range extensions {
		busiest = max(busiest, n)
	}
	if len(extensions) < 1900 || float64(busiest)/float64(outbound) < 0.02 || len(numbers) < outbound/10 || len(numbers) > outbound*8/10 {
		t.Errorf("%d extensions, the busiest has %d of %d calls; %d numbers", len(extensions), busiest, outbound, len(numbers))
	}
	if testing.Verbose() {
		t.Log(len(calls), outbound, counts, len(extensions), busiest, len(numbers))
	}
}

// TestSameSeed gives the same rows, and another seed others.
func TestSameSeed(t *testing.T) {
	t.Parallel()
	made := func(seed uint64) (b []byte) {
		c := month(t, 3000)
		c.Seed = seed
		if err := cdrgen.Each(c, func(r *cdrgen.Row) error { b = r.AppendTSV(b); return nil }); err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := made(1)
	if !bytes.Equal(first, made(1)) || bytes.Equal(first, made(2)) {
		t.Error("the seed does not decide")
	}
}

// TestClocksSet: nothing begins in an hour that is skipped, and what comes twice is the earlier one.
func TestClocksSet(t *testing.T) {
	t.Parallel()
	l := berlin(t)
	for _, day := range []time.Time{time.Date(2026, 3, 29, 0, 0, 0, 0, l), time.Date(2026, 10, 25, 0, 0, 0, 0, l)} {
		c := cdrgen.Config{From: day, To: day.AddDate(0, 0, 1), Rows: 50_000, Location: l}
		var second, n int
		err := cdrgen.Each(c, func(r *cdrgen.Row) error {
			n++
			shown := time.Unix(r.Start, 0).In(l)
			if stats.WallOf(shown) != r.Wall {
				t.Fatalf("%v is not what the wall says: %d", shown, r.Wall)
			}
			if earlier := shown.Add(-time.Hour); stats.WallOf(earlier) == r.Wall {
				t.Fatalf("%v is the second time", shown)
			}
			if shown.Hour() == 2 {
				second++
			}
			return nil
		})
		if err != nil || n != 50_000 || (second == 0) != (day.Month() == time.March) {
			t.Errorf("%v: %d rows, %d between 2 and 3, %v", day, n, second, err)
		}
	}
}

// TestCalls gives whole calls, and any span of time will do.
func TestCalls(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 5, 5, 12, 7, 30, 0, time.UTC)
	ids := map[string]bool{}
	err := cdrgen.Each(cdrgen.Config{Calls: 500, From: from, To: from.Add(time.Second), Extensions: 1}, func(r *cdrgen.Row) error {
		ids[string(r.UniqueID)] = true
		if r.Start != from.Unix() || len(r.OutboundCNum) > 0 && string(r.CNum) != "2000" {
			t.Errorf("%+v", r)
		}
		return nil
	})
	if err != nil || len(ids) != 500 {
		t.Errorf("%d calls, %v", len(ids), err)
	}
	stop := errors.New("enough")
	if err := cdrgen.Each(month(t, 10), func(*cdrgen.Row) error { return stop }); err != stop { //nolint:errorlint // the very same
		t.Error(err)
	}
	for name, c := range map[string]cdrgen.Config{
		"nothing wanted": {From: from, To: from.Add(time.Hour)},
		"both wanted":    {From: from, To: from.Add(time.Hour), Rows: 1, Calls: 1},
		"no time":        {From: from, To: from, Rows: 1},
		"backwards":      {From: from, To: from.Add(-time.Hour), Rows: 1},
		"long ago":       {To: from, Rows: 1},
		"nobody":         {From: from, To: from.Add(time.Hour), Rows: 1, Extensions: -1},
		"a skipped hour": {From: time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC), To: time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC), Rows: 1, Location: berlin(t)},
	} {
		if err := cdrgen.Each(c, func(*cdrgen.Row) error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestForms: the same values stand in every form of a row.
func TestForms(t *testing.T) {
	t.Parallel()
	columns := strings.Split(cdrgen.Columns, ",")
	quoted := false
	err := cdrgen.Each(month(t, 3000), func(r *cdrgen.Row) error {
		line := r.AppendCSV(nil)
		quoted = quoted || bytes.Contains(line, []byte(`\""`))
		fields, err := csv.NewReader(bytes.NewReader(line)).Read()
		if err != nil || len(fields) != 18 {
			t.Fatalf("%s: %v", line, err)
		}
		tsv := strings.Split(strings.TrimSuffix(string(r.AppendTSV(nil)), "\n"), "\t")
		values := r.Values()
		if len(tsv) != len(columns) || len(values) != len(columns) {
			t.Fatalf("%d columns are %d in %q and %d values", len(columns), len(tsv), tsv, len(values))
		}
		by := map[string]string{}
		for i, column := range columns {
			by[column] = fmt.Sprint(values[i])
			if got := strings.ReplaceAll(tsv[i], `\\`, `\`); got != by[column] {
				t.Fatalf("%s is %s and %s", column, got, by[column])
			}
		}
		var record stats.Record
		r.Record(&record)
		start, err := time.Parse(time.DateTime, fields[9])
		if err != nil || start.Unix() != record.Wall || fields[9] != by["calldate"] {
			t.Fatalf("%s, %v", fields[9], err)
		}
		ended, err := time.Parse(time.DateTime, fields[11])
		if err != nil || ended.Sub(start) != time.Duration(r.Duration)*time.Second || (fields[10] == "") != (by["disposition"] != "ANSWERED") {
			t.Fatalf("%s", line)
		}
		for i, column := range map[int]string{0: "accountcode", 1: "src", 2: "dst", 3: "dcontext", 4: "clid", 7: "lastapp", 14: "disposition", 16: "uniqueid"} {
			if fields[i] != by[column] {
				t.Fatalf("%s is %s and %s", column, fields[i], by[column])
			}
		}
		if fields[12] != strconv.FormatInt(record.Duration, 10) || fields[13] != strconv.FormatInt(record.BillSec, 10) || string(record.CNum) != by["cnum"] {
			t.Fatalf("%s", line)
		}
		return nil
	})
	if err != nil || !quoted {
		t.Errorf("names with quotes: %v, %v", quoted, err)
	}
}

func BenchmarkEach(b *testing.B) {
	c := month(b, int64(b.N))
	b.ReportAllocs()
	n := 0
	if err := cdrgen.Each(c, func(*cdrgen.Row) error { n++; return nil }); err != nil || n != b.N {
		b.Fatal(n, err)
	}
}
