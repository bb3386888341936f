package stats_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/stats"
)

// db is a CDR database in memory.
type db struct {
	name    string
	records []stats.Record
	err     error
	hangs   bool // it does not answer
	panics  bool
	scans   []stats.Scan
}

func (d *db) Name() string { return d.name }

func (d *db) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	d.scans = append(d.scans, scan)
	switch {
	case d.hangs:
		<-ctx.Done()
		return ctx.Err()
	case d.panics:
		panic("a mistake with a password in it")
	case d.err != nil:
		return d.err
	}
	for _, r := range d.records {
		if r.Start >= scan.From.Unix() && r.Start < scan.To.Unix() {
			if err := each(&r); err != nil {
				return err
			}
		}
	}
	return nil
}

// table is a database with these rows: calldate, uniqueid, cnum, cnam, dst, lastapp, disposition, billsec, with a word of several cells.
func table(t testing.TB, name string, zone *time.Location, rows ...string) *db {
	t.Helper()
	d := &db{name: name}
	for _, row := range rows {
		c := strings.Split(row, "|")
		if len(c) != 8 {
			t.Fatalf("%s has %d cells", row, len(c))
		}
		for i := range c {
			c[i] = strings.TrimSpace(c[i])
		}
		wall, err := time.Parse(time.DateTime, c[0])
		if err != nil {
			t.Fatal(err)
		}
		var billsec int64
		if _, err := fmt.Sscan(c[7], &billsec); err != nil {
			t.Fatal(err)
		}
		d.records = append(d.records, stats.Record{
			Wall: wall.Unix(), Start: stats.NewClock(zone).Unix(wall.Unix()), Duration: billsec + 5, BillSec: billsec, UniqueID: []byte(c[1]), CNum: []byte(c[2]), CNam: []byte(c[3]), Dst: []byte(c[4]),
			LastApp: []byte(c[5]), Disposition: []byte(c[6]),
		})
	}
	slices.SortStableFunc(d.records, func(a, b stats.Record) int { return cmp.Compare(a.Start, b.Start) })
	return d
}

// directoryDB is a database that knows names of extensions.
type directoryDB struct {
	*db

	names map[string]string
	err   error
	asked int
}

func (l *directoryDB) Directory(context.Context) (map[string]string, error) {
	l.asked++
	return l.names, l.err
}

// codedDB is a database with a table country_codes.
type codedDB struct {
	*db

	codes stats.Codes
	err   error
	asked int
}

func (c *codedDB) CountryCodes(context.Context) (stats.Codes, error) {
	c.asked++
	return c.codes, c.err
}

// now is a Wednesday.
var now = time.Date(2026, 2, 11, 15, 30, 0, 0, time.UTC)

func service(edit func(*stats.Options), sources ...stats.Source) *stats.Service {
	o := stats.Options{Sources: sources, Location: time.UTC, Now: func() time.Time { return now }}
	if edit != nil {
		edit(&o)
	}
	return stats.New(o)
}

func day(t testing.TB, date string, zone *time.Location) stats.Range {
	t.Helper()
	r, err := stats.ParseDate(date, now, zone)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// extensions writes the lines of callstat one after the other: number name calls minutes long minutes numbers.
func extensions(t testing.TB, s *stats.Service, r stats.Range) string {
	t.Helper()
	report, err := s.CallStat(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range report.Extensions {
		fmt.Fprintf(&b, "%s %q %d %v %d %v %d\n", e.CNum, e.CNam, e.Calls, e.Talk, e.LongCalls, e.LongTalk, e.Numbers)
	}
	for _, e := range report.Errors {
		fmt.Fprintf(&b, "! %s\n", e.Error())
	}
	return b.String()
}

// countries writes the lines of asrstat: code name answered calls percentage numbers minutes.
func countries(t testing.TB, s *stats.Service, r stats.Range) string {
	t.Helper()
	report, err := s.ASR(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, source := range report.Sources {
		if len(report.Sources) > 1 {
			fmt.Fprintf(&b, "%s:\n", source.Source)
		}
		if source.Err != nil {
			fmt.Fprintf(&b, "! %s\n", source.Err.Error())
		}
		for _, c := range source.Countries {
			code, name := "null", "null"
			if c.Code != nil {
				code, name = *c.Code, *c.Country
			}
			fmt.Fprintf(&b, "%s %s %d %d %v %d %v\n", code, name, c.Answered, c.Calls, c.ASR, c.Numbers, c.Talk)
		}
	}
	return b.String()
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got = strings.TrimSpace(got); got != strings.TrimSpace(want) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// TestCallStatSelection is checklist 3, 4 and 5: each rule alone.
func TestCallStatSelection(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		rows []string
		want string
	}{
		"the first and the last second": {[]string{
			"2026-02-10 23:59:59|1.1|2104||493|Dial|ANSWERED|60", "2026-02-11 00:00:00|1.2|2104||493|Dial|ANSWERED|60",
			"2026-02-11 23:59:59|1.3|2104||493|Dial|ANSWERED|60", "2026-02-12 00:00:00|1.4|2104||493|Dial|ANSWERED|60",
		}, `2104 "" 2 2.0 0 0.0 1`},
		"lastapp": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|NO ANSWER|0", "2026-02-11 10:00:01|1.2|2104||493|Busy|BUSY|0", "2026-02-11 10:00:02|1.3|2104||493|Congestion|CONGESTION|0",
			"2026-02-11 10:00:03|1.4|2104||493|Queue|ANSWERED|60", "2026-02-11 10:00:04|1.5|2104||493|Playback|ANSWERED|60", "2026-02-11 10:00:05|1.6|2104||493||ANSWERED|60",
			"2026-02-11 10:00:06|1.7|2104||493|Dialer|ANSWERED|60",
		}, `2104 "" 3 0.0 0 0.0 1`},
		"disposition": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|60", "2026-02-11 10:00:01|1.2|2104||493|Dial|NO ANSWER|5", "2026-02-11 10:00:02|1.3|2104||493|Dial|BUSY|5",
			"2026-02-11 10:00:03|1.4|2104||493|Dial|CONGESTION|5", "2026-02-11 10:00:04|1.5|2104||493|Dial|FAILED|60",
		}, `2104 "" 4 1.0 0 0.0 1`},
		"dst of 3, 4 and 5 digits, with + and with a letter": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|60", "2026-02-11 10:00:01|1.2|2104||4930|Dial|ANSWERED|60", "2026-02-11 10:00:02|1.3|2104||49301|Dial|ANSWERED|60",
			"2026-02-11 10:00:03|1.4|2104||+493|Dial|ANSWERED|60", "2026-02-11 10:00:04|1.5|2104||493a|Dial|ANSWERED|60", "2026-02-11 10:00:05|1.6|2104||+4930|Dial|ANSWERED|60",
		}, `2104 "" 5 5.0 0 0.0 5`},
		"cnum": {[]string{
			"2026-02-11 10:00:00|1.1|1999||493|Dial|ANSWERED|60", "2026-02-11 10:00:01|1.2|2000||493|Dial|ANSWERED|60", "2026-02-11 10:00:02|1.3|3999||493|Dial|ANSWERED|60",
			"2026-02-11 10:00:03|1.4|4000||493|Dial|ANSWERED|60", "2026-02-11 10:00:04|1.5|2001abc||493|Dial|ANSWERED|60", "2026-02-11 10:00:05|1.6|||493|Dial|ANSWERED|60",
			"2026-02-11 10:00:06|1.7|+2001||493|Dial|ANSWERED|60", "2026-02-11 10:00:07|1.8|2001.0||493|Dial|ANSWERED|60", "2026-02-11 10:00:08|1.9|00000000000000000000000002001||493|Dial|ANSWERED|60",
			"2026-02-11 10:00:09|1.10|20010000000000000000000000000||493|Dial|ANSWERED|60", "2026-02-11 10:00:10|1.11|-2001||493|Dial|ANSWERED|60",
		}, "2000 \"\" 1 1.0 0 0.0 1\n00000000000000000000000002001 \"\" 1 1.0 0 0.0 1\n3999 \"\" 1 1.0 0 0.0 1"},
		"90 seconds are not long, 91 are": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|90", "2026-02-11 10:00:01|1.2|2104||493|Dial|ANSWERED|91",
		}, `2104 "" 2 3.02 1 1.52 1`},
		"answered in Busy is no talk": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Busy|ANSWERED|600", "2026-02-11 10:00:01|1.2|2104||493|Congestion|ANSWERED|600",
		}, `2104 "" 2 0.0 0 0.0 1`},
		"one call of several rows": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|100", "2026-02-11 10:00:00|1.1|2104||494|Dial|ANSWERED|200", "2026-02-11 10:09:00|1.1|2104||495|Dial|NO ANSWER|0",
		}, `2104 "" 1 5.0 1 5.0 3`},
		"one number that is called twice": {[]string{
			"2026-02-11 10:00:00|1.1|2104||493|Dial|BUSY|0", "2026-02-11 11:00:00|1.2|2104||493|Dial|BUSY|0", "2026-02-11 11:00:00|1.3|2104||+493|Dial|BUSY|0",
		}, `2104 "" 3 0.0 0 0.0 2`},
		"the last name that is one": {[]string{
			"2026-02-11 10:00:00|1.1|2104|Ines|493|Dial|BUSY|0", "2026-02-11 11:00:00|1.2|2104|Ines Roth|493|Dial|BUSY|0", "2026-02-11 12:00:00|1.3|2104||493|Dial|BUSY|0",
			"2026-02-11 13:00:00|1.4|2104|Otto|493|Queue|BUSY|0",
		}, `2104 "Ines Roth" 3 0.0 0 0.0 1`},
		"order: talk, then the number": {[]string{
			"2026-02-11 10:00:00|1.1|2105||493|Dial|ANSWERED|60", "2026-02-11 10:00:01|1.2|02104||493|Dial|ANSWERED|60", "2026-02-11 10:00:02|1.3|2104||493|Dial|ANSWERED|60",
			"2026-02-11 10:00:03|1.4|3000||493|Dial|ANSWERED|61", "2026-02-11 10:00:04|1.5|2001||493|Dial|BUSY|0",
		}, "3000 \"\" 1 1.02 0 0.0 1\n02104 \"\" 1 1.0 0 0.0 1\n2104 \"\" 1 1.0 0 0.0 1\n2105 \"\" 1 1.0 0 0.0 1\n2001 \"\" 1 0.0 0 0.0 1"},
	} {
		same(t, what, extensions(t, service(nil, table(t, "pbx1", time.UTC, tt.rows...)), day(t, "2026-02-11", time.UTC)), tt.want)
	}
}

// TestCallStatOfUsers: the range is for those who are none of ours, and another one can be set.
func TestCallStatOfUsers(t *testing.T) {
	t.Parallel()
	d := table(t, stats.OwnName, time.UTC, "2026-02-11 10:00:00|1.1|555000204|Marta|493|Dial|ANSWERED|60", "2026-02-11 10:00:00|1.2|marta||493|Dial|ANSWERED|60",
		"2026-02-11 10:00:00|1.3|12|Otto|493|Dial|ANSWERED|120", "2026-02-11 10:00:00|1.4|777|x|493|Dial|ANSWERED|60")
	d.records[0].Own, d.records[1].Own = true, true
	s := service(func(o *stats.Options) { o.FirstExtension, o.LastExtension = 10, 20 }, d)
	same(t, "users", extensions(t, s, day(t, "", time.UTC)), "12 \"Otto\" 1 2.0 1 2.0 1\n555000204 \"Marta\" 1 1.0 0 0.0 1\nmarta \"\" 1 1.0 0 0.0 1")
}

// TestCallStatOfSeveral is checklist 6: sums, names, order.
func TestCallStatOfSeveral(t *testing.T) {
	t.Parallel()
	one := table(t, "pbx1", time.UTC, "2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|31", "2026-02-11 10:00:00|1.2|2105|Old|493|Dial|ANSWERED|100")
	two := table(t, "pbx2", time.UTC, "2026-02-11 10:00:00|1.1|2104|Ines|493|Dial|ANSWERED|31", "2026-02-11 10:00:00|1.2|2105|New|494|Dial|ANSWERED|100")
	// 31 s are 0.52 min in each; the seconds are added first: 62 s are 1.03, and not 1.04. What both have counts twice.
	same(t, "sums", extensions(t, service(nil, one, two), day(t, "", time.UTC)), "2105 \"Old\" 2 3.33 2 3.33 2\n2104 \"Ines\" 2 1.03 0 0.0 2")
}

// TestCallStatOfBrokenSources is checklist 7: what one database suffers costs the others nothing.
func TestCallStatOfBrokenSources(t *testing.T) {
	t.Parallel()
	good := table(t, "pbx1", time.UTC, "2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|60")
	down := &db{name: "pbx2", err: &stats.SourceError{Name: "pbx2", Addr: "pbx2:3306", Connect: true, Reason: "it cannot be reached", Err: errors.New("dial tcp: user root with password geheim")}}
	hung := &db{name: "pbx3", hangs: true}
	bad := &db{name: "pbx4", err: fmt.Errorf("reading: %w", &stats.SourceError{Name: "pbx4", Addr: "pbx4:3306", Reason: "the table cdr has no column cnum", Err: errors.New("Error 1054 in geheim")})}
	odd := &db{name: "pbx5", err: errors.New("geheim")}
	mad := &db{name: "pbx6", panics: true}
	var log bytes.Buffer
	s := service(func(o *stats.Options) {
		o.Limit, o.Logger = time.Second, slog.New(slog.NewJSONHandler(&log, nil))
	}, hung, down, good, bad, odd, mad)
	failed := "! Error querying pbx3: it does not answer within 1 s\n! Failed to connect to pbx2 at pbx2:3306\n"
	rest := "! Error querying pbx4: the table cdr has no column cnum\n! Error querying pbx5: internal error\n! Error querying pbx6: internal error\n"
	same(t, "callstat", extensions(t, s, day(t, "", time.UTC)), "2104 \"\" 1 1.0 0 0.0 1\n"+failed+rest)
	same(t, "asrstat", countries(t, s, day(t, "", time.UTC)), `pbx3:
! Error querying pbx3: it does not answer within 1 s
pbx2:
! Failed to connect to pbx2 at pbx2:3306
pbx1:
+49 Germany 1 1 100.0 1 1.0
pbx4:
! Error querying pbx4: the table cdr has no column cnum
pbx5:
! Error querying pbx5: internal error
pbx6:
! Error querying pbx6: internal error`)
	same(t, "all down", extensions(t, service(nil, down), day(t, "", time.UTC)), "! Failed to connect to pbx2 at pbx2:3306")

	// One line for each source and report; the log has what the driver said.
	var lines []string
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == "statistics" {
			lines = append(lines, fmt.Sprint(entry["report"], " ", entry["source"], " ", entry["records"], " ", entry["level"]))
		}
		if entry["source"] == "pbx1" && (entry["from"] != "2026-02-11T00:00:00Z" || entry["to"] != "2026-02-12T00:00:00Z" || entry["duration_ms"] != 0.0 || entry["err"] != "" || entry["origin"] != "raw") {
			t.Errorf("%s", line)
		}
		if entry["source"] == "pbx2" && !strings.Contains(fmt.Sprint(entry["err"]), "dial tcp") {
			t.Errorf("the log lacks why: %s", line)
		}
	}
	slices.Sort(lines)
	want := []string{"asrstat pbx1 1 INFO", "asrstat pbx2 0 WARN", "asrstat pbx3 0 WARN", "asrstat pbx4 0 WARN", "asrstat pbx5 0 WARN", "asrstat pbx6 0 WARN"}
	for _, line := range want[:6] {
		want = append(want, strings.Replace(line, "asrstat", "callstat", 1))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.CallStat(ctx, day(t, "", time.UTC)); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more, and is answered: %v", err)
	}
}

// TestDirectory is checklist 8.
func TestDirectory(t *testing.T) {
	t.Parallel()
	one := &directoryDB{
		db: table(t, "pbx1", time.UTC, "2026-02-11 10:00:00|1.1|2104||493|Dial|ANSWERED|60", "2026-02-11 10:00:00|1.2|2105|Own Name|493|Dial|ANSWERED|30", "2026-02-11 10:00:00|1.3|2107|Unlisted|493|Dial|BUSY|0"),
		names: map[string]string{
			"2104": `sip, x,  Ines Roth <2104>`, "2105": "Other Name <2105>", "2106": `"Otto" <2106>`, "2110": "", "1999": "Too low", "4000": "Too high", "2a": "None", "3999": "  Last  ",
		},
	}
	two := table(t, "pbx2", time.UTC, "2026-02-11 10:00:00|1.1|2104|From Two|493|Dial|ANSWERED|60")
	want := "2104 \"Ines Roth\" 2 2.0 0 0.0 2\n2105 \"Own Name\" 1 0.5 0 0.0 1\n2106 \"Otto\" 0 0.0 0 0.0 0\n2107 \"Unlisted\" 1 0.0 0 0.0 1\n2110 \"\" 0 0.0 0 0.0 0\n3999 \"Last\" 0 0.0 0 0.0 0"
	s := service(nil, one, two)
	same(t, "names", extensions(t, s, day(t, "", time.UTC)), want)
	one.names = nil
	same(t, "names that are remembered", extensions(t, s, day(t, "", time.UTC)), want)
	if one.asked != 1 {
		t.Errorf("the directory was asked for %d times", one.asked)
	}
	plain := "2104 \"From Two\" 2 2.0 0 0.0 2\n2105 \"Own Name\" 1 0.5 0 0.0 1\n2107 \"Unlisted\" 1 0.0 0 0.0 1"
	same(t, "no such table", extensions(t, service(nil, one, two), day(t, "", time.UTC)), plain)
	one.err = errors.New("denied")
	same(t, "a table that cannot be read", extensions(t, service(nil, one, two), day(t, "", time.UTC)), plain)
	// Two names for one extension in the range: nothing is lost, and the last one counts.
	renamed := table(t, "pbx1", time.UTC, "2026-02-11 10:00:00|1.1|2104|Ines Alt|493|Dial|ANSWERED|60", "2026-02-11 11:00:00|1.2|2104|Ines Roth|494|Dial|ANSWERED|60")
	same(t, "two names", extensions(t, service(nil, renamed), day(t, "", time.UTC)), `2104 "Ines Roth" 2 2.0 0 0.0 2`)
}

// TestASR is checklist 9 and 10.
func TestASR(t *testing.T) {
	t.Parallel()
	row := func(id, dst, disposition string, billsec int) string {
		return fmt.Sprintf("2026-02-11 10:00:00|%s|777||%s|Dial|%s|%d", id, dst, disposition, billsec)
	}
	for what, tt := range map[string]struct {
		rows []string
		want string
	}{
		"the longest prefix": {[]string{
			row("1.1", "12125550100", "ANSWERED", 60), row("1.2", "12425550100", "ANSWERED", 60), row("1.3", "79161234567", "ANSWERED", 60), row("1.4", "77011234567", "BUSY", 0), row("1.5", "77011234568", "BUSY", 0),
		}, "+77 Kazakhstan 0 2 0.0 2 0.0\n+1 United States 1 1 100.0 1 1.0\n+1242 Bahamas 1 1 100.0 1 1.0\n+7 Russia 1 1 100.0 1 1.0"},
		"with and without +": {[]string{row("1.1", "+4930123", "ANSWERED", 60), row("1.2", "4930123", "BUSY", 0), row("1.3", "004930123", "BUSY", 0)}, "+49 Germany 1 2 50.0 2 1.0\nnull null 0 1 0.0 1 0.0"},
		"unknown":            {[]string{row("1.1", "0301", "BUSY", 0), row("1.2", "030123", "BUSY", 0), row("1.3", "s", "ANSWERED", 6), row("1.4", "h", "ANSWERED", 0)}, "null null 2 3 66.67 3 0.1"},
		"a forked call":      {[]string{row("1.1", "4930123", "NO ANSWER", 0), row("1.1", "4930123", "ANSWERED", 90), row("1.2", "4930124", "NO ANSWER", 0)}, "+49 Germany 1 2 50.0 2 1.5"},
		"dispositions": {[]string{
			row("1.1", "4930123", "FAILED", 0), row("1.2", "4930123", "CONGESTION", 0), row("1.3", "4930123", "", 0), row("1.4", "4930123", "BUSY", 0), row("1.5", "4930123", "NO ANSWER", 7), row("1.6", "4930123", "UNKNOWN", 0),
		}, "+49 Germany 0 3 0.0 1 0.0"},
		"lastapp and digits": {[]string{
			"2026-02-11 10:00:00|1.1|2104||4930123|Busy|BUSY|0", "2026-02-11 10:00:00|1.2|2104||4930123|Queue|ANSWERED|60", row("1.3", "4930", "ANSWERED", 60), row("1.4", "49301", "ANSWERED", 60), row("1.5", "493", "BUSY", 0),
		}, "+49 Germany 1 2 50.0 2 1.0"},
		"a third and two thirds": {[]string{
			row("1.1", "491", "ANSWERED", 1), row("1.2", "491", "BUSY", 0), row("1.3", "491", "BUSY", 0), row("1.4", "441", "ANSWERED", 1), row("1.5", "441", "ANSWERED", 1), row("1.6", "441", "BUSY", 0),
		}, "+44 United Kingdom 2 3 66.67 1 0.03\n+49 Germany 1 3 33.33 1 0.02"},
		"nothing": {nil, ""},
	} {
		same(t, what, countries(t, service(nil, table(t, "pbx1", time.UTC, tt.rows...)), day(t, "", time.UTC)), tt.want)
	}
	rows := []string{row("1.1", "4930123", "ANSWERED", 60), row("1.2", "00114930", "BUSY", 0), row("1.3", "1242555", "BUSY", 0)}
	same(t, "bare digits", countries(t, service(func(o *stats.Options) { o.BareCodes = true }, table(t, "pbx1", time.UTC, rows...)), day(t, "", time.UTC)),
		"1242 Bahamas 0 1 0.0 1 0.0\n49 Germany 1 1 100.0 1 1.0\nnull null 0 1 0.0 1 0.0")
	same(t, "access prefixes", countries(t, service(func(o *stats.Options) { o.AccessPrefixes = []string{"00", "0011"} }, table(t, "pbx1", time.UTC, rows...)), day(t, "", time.UTC)),
		"+49 Germany 1 2 50.0 2 1.0\n+1242 Bahamas 0 1 0.0 1 0.0")

	// With a table of the server's, and two databases, which are not put together.
	foreign := &codedDB{db: table(t, "pbx1", time.UTC, rows...), codes: stats.Codes{"49": "Deutschland", "1": "USA"}}
	s := service(nil, foreign, table(t, "pbx2", time.UTC, rows...))
	want := "pbx1:\n1 USA 0 1 0.0 1 0.0\n49 Deutschland 1 1 100.0 1 1.0\nnull null 0 1 0.0 1 0.0\npbx2:\n+1242 Bahamas 0 1 0.0 1 0.0\n+49 Germany 1 1 100.0 1 1.0\nnull null 0 1 0.0 1 0.0"
	same(t, "a server's table", countries(t, s, day(t, "", time.UTC)), want)
	foreign.codes = nil
	same(t, "a table that is remembered", countries(t, s, day(t, "", time.UTC)), want)
	if foreign.asked != 1 {
		t.Errorf("the codes were asked for %d times", foreign.asked)
	}
	same(t, "no table", countries(t, service(nil, foreign), day(t, "", time.UTC)), "+1242 Bahamas 0 1 0.0 1 0.0\n+49 Germany 1 1 100.0 1 1.0\nnull null 0 1 0.0 1 0.0")
	foreign.err = &stats.SourceError{Name: "pbx1", Addr: "pbx1:3306", Connect: true}
	same(t, "a server that does not answer", countries(t, service(nil, foreign), day(t, "", time.UTC)), "! Failed to connect to pbx1 at pbx1:3306")
}

// TestDaysOfChange is the rest of checklist 3: on the days on which clocks change each row is on the day that it says.
func TestDaysOfChange(t *testing.T) {
	t.Parallel()
	for zone, days := range map[string][]string{"Europe/Berlin": {"2026-03-29", "2026-10-25"}, "America/New_York": {"2026-03-08", "2026-11-01"}, "America/Sao_Paulo": {"2018-11-04", "2018-02-17"}} {
		l, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, date := range days {
			d, err := time.Parse(time.DateOnly, date)
			if err != nil {
				t.Fatal(err)
			}
			var rows []string
			for i, clock := range []string{"00:00:00", "01:30:00", "02:30:00", "03:30:00", "23:59:59"} {
				rows = append(rows, fmt.Sprintf("%s %s|1.%d|2104||493|Dial|ANSWERED|60", date, clock, i+2))
			}
			rows = append(rows, d.AddDate(0, 0, -1).Format(time.DateOnly)+" 23:59:59|1.1|2104||493|Dial|ANSWERED|60", d.AddDate(0, 0, 1).Format(time.DateOnly)+" 00:00:00|1.9|2104||493|Dial|ANSWERED|60")
			s := service(func(o *stats.Options) { o.Location = l }, table(t, "pbx1", l, rows...))
			same(t, zone+" "+date, extensions(t, s, day(t, date, l)), `2104 "" 5 5.0 0 0.0 1`)
		}
	}
}

// kept are roll-ups in memory, by source, kind, rule and day.
type kept struct {
	days map[string][]byte
	err  error
}

func keyOf(source, kind, rule string, day stats.Day) string {
	return fmt.Sprint(source, "/", kind, "/", rule, "/", day)
}

func (k *kept) Load(_ context.Context, source, kind, rule string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	for day := from; day < to; day++ {
		if data, ok := k.days[keyOf(source, kind, rule, day)]; ok {
			if err := each(day, data); err != nil {
				return err
			}
		}
	}
	return k.err
}

// keep counts a day of a source by all kinds, as a roll-up is counted.
func (k *kept) keep(t testing.TB, s *stats.Service, source stats.Source, day stats.Day, l *time.Location) {
	t.Helper()
	kinds, err := s.Kinds(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if kind.Once {
			continue
		}
		c := kind.New()
		err := source.Each(t.Context(), stats.Scan{From: day.Begin(l), To: (day + 1).Begin(l), Fields: kind.Fields, Select: kind.Select}, func(r *stats.Record) error { c.Add(r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		k.days[keyOf(source.Name(), kind.Name, kind.Rule, day)] = c.AppendTo(nil)
	}
}

// invented are random calls of some days.
func invented(random *rand.Rand, l *time.Location, first stats.Day, days int) []stats.Record {
	clock, records := stats.NewClock(l), []stats.Record{}
	pick := func(of ...string) []byte { return []byte(of[random.IntN(len(of))]) }
	for i := range 4000 {
		wall := int64(first)*86400 + random.Int64N(int64(days)*86400)
		id := fmt.Appendf(nil, "%d.%d", wall, i)
		if random.IntN(5) == 0 {
			id = pick("1.1", "1.2", "x", "") // of several days
		}
		name := ""
		if random.IntN(3) == 0 {
			name = fmt.Sprintf("Name %d", random.IntN(4))
		}
		records = append(records, stats.Record{
			Wall: wall, Start: clock.Unix(wall), BillSec: random.Int64N(200), UniqueID: id, CNum: fmt.Appendf(nil, "%d", 1995+random.IntN(30)), CNam: []byte(name),
			Dst: pick("493", "4930", "49301", "+4930123", "12425550100", "12125550100", "77011234567", "030123", "s", fmt.Sprint(4400000+random.IntN(500))), LastApp: pick("Dial", "Dial", "Dial", "Busy", "Congestion", "Queue"),
			Disposition: pick("ANSWERED", "ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"), Own: random.IntN(20) == 0,
		})
	}
	slices.SortStableFunc(records, func(a, b stats.Record) int { return cmp.Compare(a.Start, b.Start) })
	return records
}

// TestRollUpsAreRecords: whichever days were counted before, the reports are the same to the last digit, and say where they come from.
func TestRollUpsAreRecords(t *testing.T) {
	t.Parallel()
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	first := stats.DayOf(time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC).Unix())
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 4))
		d := &db{name: "pbx1", records: invented(random, l, first, 14)}
		k := &kept{days: map[string][]byte{}}
		zone := func(o *stats.Options) { o.Location = l }
		raw, rolled := service(zone, d), service(func(o *stats.Options) { o.Location, o.RollUps = l, k }, d)
		for day := first; day < first+14; day++ {
			if seed == 0 || random.IntN(3) > 0 && seed > 1 {
				k.keep(t, raw, d, day, l)
			}
		}
		for range 6 {
			from := first.Begin(l).Add(time.Duration(random.IntN(10*86400)) * time.Second)
			r := stats.Range{From: from, To: from.Add(time.Duration(random.IntN(4*86400)) * time.Second)}
			if random.IntN(2) == 0 {
				day := first + stats.Day(random.IntN(8))
				r = stats.Range{From: day.Begin(l), To: (day + stats.Day(random.IntN(6))).Begin(l)}
			}
			d.scans = nil
			want, got := extensions(t, raw, r), extensions(t, rolled, r)
			same(t, fmt.Sprint(seed, " ", r), got, want)
			wanted, counted := countries(t, raw, r), countries(t, rolled, r)
			same(t, fmt.Sprint(seed, " ", r), counted, wanted)
			report, err := rolled.CallStat(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			whole, missing := 0, false
			for at := r.From; at.Before(r.To); {
				next := (stats.DayAt(at.In(l)) + 1).Begin(l)
				_, have := k.days[keyOf("pbx1", "extensions", "2000-3999", stats.DayAt(at.In(l)))]
				if full := stats.DayAt(at.In(l)).Begin(l).Equal(at) && !next.After(r.To); full && have {
					whole++
				} else {
					missing = true
				}
				at = next
			}
			origin := stats.FromRaw
			if whole > 0 {
				origin = map[bool]stats.Origin{false: stats.FromRollUps, true: stats.FromBoth}[missing]
			}
			if report.Origin != origin {
				t.Errorf("%d %v is from %s, not from %s", seed, r, report.Origin, origin)
			}
		}
	}
}

// TestRollUpsReadNothing: of days that are kept no record is read, and of a run of days that are not all are read at once.
func TestRollUpsReadNothing(t *testing.T) {
	t.Parallel()
	first := stats.DayAt(now) - 10
	d := &db{name: "pbx1", records: invented(rand.New(rand.NewPCG(1, 1)), time.UTC, first, 10)}
	k := &kept{days: map[string][]byte{}}
	s := service(func(o *stats.Options) { o.RollUps = k }, d)
	for _, i := range []stats.Day{1, 2, 3, 6, 7} {
		k.keep(t, s, d, first+i, time.UTC)
	}
	d.scans = nil
	extensions(t, s, stats.Range{From: first.Begin(time.UTC).Add(time.Hour), To: (first + 9).Begin(time.UTC).Add(time.Hour)})
	var read []string
	for _, scan := range d.scans {
		read = append(read, fmt.Sprintf("%.0f-%.0f", scan.From.Sub(first.Begin(time.UTC)).Hours(), scan.To.Sub(first.Begin(time.UTC)).Hours()))
		if scan.Select != stats.Dialled || scan.Fields&stats.FieldCNum == 0 || scan.Fields&stats.FieldChannel != 0 {
			t.Errorf("%+v", scan)
		}
	}
	if want := []string{"1-24", "96-144", "192-217"}; !slices.Equal(read, want) {
		t.Errorf("%v were read, not %v", read, want)
	}
}

// TestBadRollUps: what cannot be read, or comes from another rule, is counted from records.
func TestBadRollUps(t *testing.T) {
	t.Parallel()
	first := stats.DayAt(now) - 10
	d := &db{name: "pbx1", records: invented(rand.New(rand.NewPCG(1, 1)), time.UTC, first, 10)}
	r := stats.Range{From: first.Begin(time.UTC), To: (first + 10).Begin(time.UTC)}
	want := extensions(t, service(nil, d), r)
	wanted := countries(t, service(nil, d), r)
	fill := func() *kept {
		k := &kept{days: map[string][]byte{}}
		for i := range stats.Day(10) {
			k.keep(t, service(nil, d), d, first+i, time.UTC)
		}
		return k
	}
	spoil := map[string]func(*kept){
		"cut off": func(k *kept) {
			for key, data := range k.days {
				if strings.HasSuffix(key, fmt.Sprint("/", first+5)) {
					k.days[key] = data[:len(data)-1]
				}
			}
		},
		"nonsense": func(k *kept) {
			for key := range k.days {
				k.days[key] = []byte{0xff, 0xff, 0xff}
			}
		},
		"more": func(k *kept) {
			for key := range k.days {
				k.days[key] = append(k.days[key], 7)
			}
		},
		"a failure": func(k *kept) { k.err = errors.New("lock wait timeout") },
		"not there": func(k *kept) { clear(k.days) },
		"other rule": func(k *kept) {
			for key, data := range maps.Clone(k.days) {
				delete(k.days, key)
				k.days[strings.NewReplacer("2000-3999", "2000-2999").Replace(key)] = data[:0]
			}
		},
	}
	for what, change := range spoil {
		k := fill()
		change(k)
		s := service(func(o *stats.Options) { o.RollUps = k }, d)
		same(t, what, extensions(t, s, r), want)
		if what != "other rule" {
			same(t, what, countries(t, s, r), wanted)
		}
	}
	other := service(func(o *stats.Options) { o.RollUps, o.FirstExtension, o.LastExtension = fill(), 2000, 2005 }, d)
	same(t, "other extensions", extensions(t, other, r), extensions(t, service(func(o *stats.Options) { o.FirstExtension, o.LastExtension = 2000, 2005 }, d), r))
}

// TestHundredths are written as the contract's samples are.
func TestHundredths(t *testing.T) {
	t.Parallel()
	for h, want := range map[stats.Hundredths]string{0: "0.0", 6250: "62.5", 1420: "14.2", 937: "9.37", 1875: "18.75", 10000: "100.0", 5: "0.05", 50: "0.5", 3333: "33.33", 123456789: "1234567.89", 100: "1.0", 101: "1.01", 110: "1.1"} {
		if got, err := json.Marshal(h); err != nil || string(got) != want {
			t.Errorf("%d: %s, want %s (%v)", h, got, want, err)
		}
	}
}
