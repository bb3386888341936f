package stats_test

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/filter"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// What follows computes all reports once more, slowly and simply, by the words of their contracts: rows, maps, sorting. It must not use
// anything that the reports use.

// row is a record as a table has it.
type row struct {
	start, wall, duration, billsec                                      int64
	id, cnum, cnam, src, dst, channel, dstChannel, lastApp, disposition string
	own, ownCallee                                                      bool
}

// site is whose calls are invented.
var site = struct {
	zone               *time.Location
	extensions, trunks *regexp.Regexp
	access             string
}{mustLoad("America/New_York"), regexp.MustCompile(`^[0-9]{2,5}$`), regexp.MustCompile(`^PJSIP/trunk`), "00"}

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

// clerk invents calls.
type clerk struct {
	*rand.Rand

	rows    []row
	counter int
	past    []row // some of those that ended long ago
}

// invent makes n rows or a few more of calls in spring and autumn, ascending by start: in each of the zones that are asked for clocks
// change in both.
func invent(n int) []row {
	c := &clerk{Rand: rand.New(rand.NewPCG(5, 20260208))}
	for len(c.rows) < n {
		c.call()
	}
	slices.SortStableFunc(c.rows, func(a, b row) int { return cmp.Compare(a.start, b.start) })
	for i := range c.rows {
		_, offset := time.Unix(c.rows[i].start, 0).In(site.zone).Zone()
		c.rows[i].wall = c.rows[i].start + int64(offset)
	}
	return c.rows
}

func (c *clerk) one(of ...string) string     { return of[c.IntN(len(of))] }
func (c *clerk) chance(percent float64) bool { return 100*c.Float64() < percent }

// moment is when a call begins: more by day than by night, and remarkably many around midnight and where clocks change.
func (c *clerk) moment() int64 {
	month, day, days := time.February, 12, 62
	if c.IntN(2) == 1 {
		month, day, days = time.September, 20, 50
	}
	day += c.IntN(days)
	switch {
	case c.chance(2):
		return time.Date(2026, month, day, 0, 0, 0, 0, site.zone).Unix() + c.Int64N(121) - 60
	case c.chance(1):
		return []time.Time{
			time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC), // New York
			time.Date(2026, 4, 4, 14, 0, 0, 0, time.UTC), time.Date(2026, 9, 26, 14, 0, 0, 0, time.UTC), // Auckland
		}[c.IntN(4)].Unix() + c.Int64N(4*3600) - 2*3600
	}
	return time.Date(2026, month, day, 6+c.IntN(6)+c.IntN(7)+c.IntN(5), c.IntN(60), c.IntN(60), 0, site.zone).Unix()
}

func (c *clerk) length() int64 {
	switch {
	case c.chance(8):
		return 0
	case c.chance(10):
		return 85 + c.Int64N(12) // about what makes a call a long one
	case c.chance(0.3):
		return c.Int64N(70_000)
	}
	return int64(c.ExpFloat64() * 120)
}

func (c *clerk) uniqueID(start int64) string {
	c.counter++
	id := fmt.Sprintf("%d.%d", start, c.counter%100_000)
	switch {
	case c.chance(30):
		return c.one("pbx1-", "pbx2-", "a-b-") + id
	case c.chance(0.5):
		return fmt.Sprintf("nummer é %d", c.counter)
	case c.chance(0.3):
		return ""
	case c.chance(0.2):
		return fmt.Sprint(c.counter)
	case c.chance(0.1):
		return "0" + id
	}
	return id
}

func (c *clerk) extension() string {
	switch {
	case c.chance(2):
		return c.one("1999", "4000", "3999", "2000", "02005", "2001abc", "", "99", "20011", "002000", "٢٠٠١")
	case c.chance(10):
		return fmt.Sprintf("4930%06d", c.IntN(3000)) // inbound
	}
	return strconv.Itoa(2000 + c.IntN(90))
}

func (c *clerk) number() string {
	switch {
	case c.chance(8):
		return strconv.Itoa(2000 + c.IntN(90))
	case c.chance(2):
		return c.one("112", "s", "*98", "anonymous", "20011", "2001a", "+", "", "00", "000", "+2001", "1234é", "99999999999999999999999", "+0", "888888888888888888", "0123456789012345678")
	}
	prefix := c.one("+49", "49", "0049", "1", "+1242", "1242", "001242", "7", "77", "007", "+81", "44", "999", "00", "+", "21", "+211", "385")
	return prefix + strconv.Itoa(1_000_000+int(float64(5000)*c.Float64()*c.Float64()))
}

func (c *clerk) channel() string {
	return fmt.Sprintf("%s-%08x", c.one("PJSIP/trunk", "PJSIP/trunk-b", "PJSIP/2001", "PJSIP/2002", "Local/2001@a"), c.IntN(1<<20))
}

func (c *clerk) disposition() string {
	return c.one("ANSWERED", "ANSWERED", "ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION")
}

// leg adds a row of a call, as it was or as it is said to be.
func (c *clerk) leg(r row, at int64, disposition string, duration int64) row {
	r.start, r.disposition, r.duration, r.billsec = at, disposition, duration, 0
	if disposition == "ANSWERED" || c.chance(1) { // of an abandoned queue call billsec is above 0 too
		r.billsec = duration - min(duration, c.Int64N(20))
	}
	c.rows = append(c.rows, r)
	return r
}

// call adds the rows of a call, or of several with the same unique id.
func (c *clerk) call() {
	start := c.moment()
	r := row{
		id: c.uniqueID(start), cnum: c.extension(), src: c.extension(), dst: c.number(), channel: c.channel(), dstChannel: c.channel(),
		lastApp: "Dial", own: c.chance(3), ownCallee: c.chance(3),
	}
	if c.chance(4) {
		r.lastApp = c.one("Busy", "Congestion", "Queue", "Playback", "dial", "")
	}
	if c.chance(70) {
		r.cnam = fmt.Sprintf("Nr. %s im %d. Monat", r.cnum, time.Unix(start, 0).In(site.zone).Month())
	}
	if len(c.past) > 0 && c.chance(1) { // Asterisk was started anew, and counts from 0 again
		i := c.IntN(len(c.past))
		before := c.past[i]
		c.past = slices.Delete(c.past, i, i+1) // never twice: of two records that agree in all that counts nobody says which is the call's
		if start = before.start + before.duration + 61 + c.Int64N(3*86400); c.chance(30) {
			start = before.start + before.duration + 61
		}
		r.id = before.id
	}
	last := c.leg(r, start, c.disposition(), c.length())
	switch {
	case last.disposition == "ANSWERED" && c.chance(30): // what ran in the extension h
		twin := last
		twin.dst = "h"
		c.leg(twin, last.start+last.duration, c.one("ANSWERED", "NO ANSWER"), c.Int64N(3))
	case c.chance(6): // legs at once, of which one may be answered
		for i := range 1 + c.IntN(3) {
			other := r
			other.dst, other.dstChannel = c.number(), c.channel()
			c.leg(other, last.start, c.one("NO ANSWER", "NO ANSWER", "BUSY", "ANSWERED"), last.duration+int64(i)+1)
		}
	case c.chance(6): // one after the other
		for range 1 + c.IntN(4) {
			next := r
			if c.chance(50) {
				next.dst = c.number()
			}
			gap := c.Int64N(62) // more than a minute is another call
			if c.chance(20) {
				gap = 60 + c.Int64N(2)
			}
			last = c.leg(next, last.start+max(last.duration+gap, 1), c.disposition(), min(c.length(), 10_000))
		}
	case c.chance(2) && last.duration > 1: // forked
		c.leg(r, last.start+1+c.Int64N(last.duration), "ANSWERED", c.length()%1000)
	case c.chance(2) && last.duration < 10_000 && r.id != "":
		c.past = append(c.past, last)
	}
}

// rowSource hands out rows as a database does.
type rowSource struct {
	rows []row
	days func() map[stats.Day]string
}

func newRowSource(rows []row) *rowSource {
	return &rowSource{rows, sync.OnceValue(func() map[stats.Day]string {
		many := make(map[stats.Day]int)
		for _, r := range rows {
			many[stats.DayOf(r.wall)]++
		}
		days := make(map[stats.Day]string)
		for d, n := range many {
			days[d] = strconv.Itoa(n)
		}
		return days
	})}
}

func (*rowSource) Name() string { return "rows" }

func (s *rowSource) Days(_ context.Context, from, to stats.Day) (map[stats.Day]string, error) {
	some := make(map[stats.Day]string)
	for d, text := range s.days() {
		if d >= from && d < to {
			some[d] = text
		}
	}
	return some, nil
}

func (s *rowSource) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	first, _ := slices.BinarySearchFunc(s.rows, scan.From.Unix(), func(r row, at int64) int { return cmp.Compare(r.start, at) })
	var r stats.Record
	var buffer []byte
	for i := first; i < len(s.rows) && s.rows[i].start < scan.To.Unix(); i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		from := &s.rows[i]
		r = stats.Record{Start: from.start, Wall: from.wall, Duration: from.duration, BillSec: from.billsec, Own: from.own, OwnCallee: from.ownCallee}
		buffer = buffer[:0]
		for _, text := range []struct {
			field stats.Fields
			from  string
			to    *[]byte
		}{
			{stats.FieldUniqueID, from.id, &r.UniqueID},
			{stats.FieldCNum, from.cnum, &r.CNum},
			{stats.FieldCNam, from.cnam, &r.CNam},
			{stats.FieldSrc, from.src, &r.Src},
			{stats.FieldDst, from.dst, &r.Dst},
			{stats.FieldChannel, from.channel, &r.Channel},
			{stats.FieldDstChannel, from.dstChannel, &r.DstChannel},
			{stats.FieldLastApp, from.lastApp, &r.LastApp},
			{stats.FieldDisposition, from.disposition, &r.Disposition},
		} {
			if scan.Fields&text.field != 0 {
				buffer = append(buffer, text.from...)
				*text.to = buffer[len(buffer)-len(text.from) : len(buffer) : len(buffer)]
			}
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	return nil
}

// decimals is a / b with two decimals, rounded half away from zero.
func decimals(a, b int64) string {
	if b == 0 {
		return "0.00"
	}
	return big.NewRat(a, b).FloatString(2)
}

func shown(h stats.Hundredths) string { return fmt.Sprintf("%d.%02d", h/100, h%100) }

func onlyDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
func internal(dst string) bool { return len(dst) == 4 && onlyDigits(dst) }

// callstat is the report by the contract: lines in any order, by number.
func (q *quiz) callstat(from, to int64) map[string]string {
	type sums struct {
		name             string
		named            int64
		talk, long       int64
		ids, longs, dsts map[string]bool
	}
	all := make(map[string]*sums)
	for _, r := range q.rows {
		inRange := onlyDigits(r.cnum) && len(r.cnum) < 18
		if inRange {
			n, _ := strconv.ParseInt(r.cnum, 10, 64)
			inRange = n >= 2000 && n <= 3999
		}
		if r.start < from || r.start >= to || !inRange && !r.own || r.lastApp != "Dial" && r.lastApp != "Busy" && r.lastApp != "Congestion" ||
			r.disposition == "FAILED" || internal(r.dst) {
			continue
		}
		x := all[r.cnum]
		if x == nil {
			x = &sums{ids: map[string]bool{}, longs: map[string]bool{}, dsts: map[string]bool{}}
			all[r.cnum] = x
		}
		x.ids[r.id], x.dsts[r.dst] = true, true
		if r.cnam != "" && r.start >= x.named {
			x.name, x.named = r.cnam, r.start
		}
		if r.lastApp == "Dial" && r.disposition == "ANSWERED" {
			x.talk += r.billsec
			if r.billsec > 90 {
				x.longs[r.id] = true
				x.long += r.billsec
			}
		}
	}
	lines := make(map[string]string)
	for number, x := range all {
		lines[number] = fmt.Sprintf("%q %d %s %d %s %d", x.name, len(x.ids), decimals(x.talk, 60), len(x.longs), decimals(x.long, 60), len(x.dsts))
	}
	return lines
}

// asrstat is the report by the contract: lines in order.
func (q *quiz) asrstat(from, to int64) []string {
	type sums struct {
		code                string
		talk                int64
		ids, answered, dsts map[string]bool
	}
	codes := stats.BuiltInCodes()
	all := make(map[string]*sums)
	for _, r := range q.rows {
		if r.start < from || r.start >= to || r.lastApp != "Dial" || internal(r.dst) || !slices.Contains([]string{"ANSWERED", "NO ANSWER", "BUSY", "FAILED"}, r.disposition) {
			continue
		}
		number, code := strings.TrimPrefix(r.dst, "+"), ""
		if number == r.dst {
			number = strings.TrimPrefix(number, site.access)
		}
		for n := range len(number) + 1 {
			if codes[number[:n]] != "" {
				code = number[:n]
			}
		}
		x := all[code]
		if x == nil {
			x = &sums{code: code, ids: map[string]bool{}, answered: map[string]bool{}, dsts: map[string]bool{}}
			all[code] = x
		}
		x.ids[r.id], x.dsts[r.dst] = true, true
		if r.disposition == "ANSWERED" {
			x.answered[r.id] = true
			x.talk += r.billsec
		}
	}
	var list []*sums
	for _, x := range all {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *sums) int {
		switch {
		case len(a.ids) != len(b.ids):
			return len(b.ids) - len(a.ids)
		case a.code == "":
			return 1
		case b.code == "":
			return -1
		}
		return strings.Compare(a.code, b.code)
	})
	var lines []string
	for _, x := range list {
		name := "null null"
		if x.code != "" {
			name = "+" + x.code + " " + codes[x.code]
		}
		lines = append(lines, fmt.Sprintf("%s %d %d %s %d %s", name, len(x.answered), len(x.ids), decimals(100*int64(len(x.answered)), int64(len(x.ids))), len(x.dsts), decimals(x.talk, 60)))
	}
	return lines
}

// oneOfEach are the rows that stand for calls.
func oneOfEach(rows []row) []row {
	var calls []row
	byID := make(map[string][]row)
	for _, r := range rows {
		switch {
		case r.dst == "h":
		case r.id == "":
			calls = append(calls, r)
		default:
			byID[r.id] = append(byID[r.id], r)
		}
	}
	for _, list := range byID {
		for len(list) > 0 {
			n, end := 1, list[0].start+min(list[0].duration, 12*3600)
			sixHoursLater := time.Unix(list[0].start+6*3600, 0).In(site.zone)
			midnight := time.Date(sixHoursLater.Year(), sixHoursLater.Month(), sixHoursLater.Day()+1, 0, 0, 0, 0, site.zone).Unix()
			for n < len(list) && list[n].start <= end+60 && list[n].start < midnight {
				end = max(end, list[n].start+min(list[n].duration, 12*3600))
				n++
			}
			best := list[0]
			for _, r := range list[1:n] {
				answered, before := r.disposition == "ANSWERED", best.disposition == "ANSWERED"
				if answered && !before || answered == before && r.start == best.start && r.duration > best.duration {
					best = r
				}
			}
			calls, list = append(calls, best), list[n:]
		}
	}
	return calls
}

// inside reports whether a number is one of the site's.
func inside(number, channel string) bool {
	return number != "" && site.extensions.MatchString(number) && !site.trunks.MatchString(channel)
}

func direction(r row) string {
	caller := r.cnum
	if caller == "" {
		caller = r.src
	}
	switch {
	case !r.own && !inside(caller, r.channel):
		return "inbound"
	case r.ownCallee || inside(r.dst, r.dstChannel):
		return "internal"
	}
	return "outbound"
}

// buckets is the report by the contract: a line for each period, and one for each group of it.
func (q *quiz) buckets(period stats.BucketPeriod, grouping stats.Grouping, zone *time.Location, from, to int64) []string {
	all := make(map[string][]int64)
	for _, r := range q.calls() {
		if r.start < from || r.start >= to {
			continue
		}
		t := time.Unix(r.start, 0).In(zone)
		year, month, day := t.Date()
		hour := 0
		switch period {
		case stats.Hourly:
			hour = t.Hour()
		case stats.Weekly:
			day -= (int(t.Weekday()) + 6) % 7
		case stats.Monthly:
			day = 1
		case stats.Daily:
		}
		key := time.Date(year, month, day, hour, 0, 0, 0, time.UTC).Format(time.DateTime)
		all[key] = append(all[key], r.duration)
		switch grouping {
		case stats.ByDirection:
			key += " " + direction(r)
		case stats.ByUnanswered:
			if r.disposition == "ANSWERED" {
				key += " 0"
			} else {
				key += " 1"
			}
		default:
			continue
		}
		all[key] = append(all[key], r.duration)
	}
	var lines []string
	for key, durations := range all {
		slices.Sort(durations)
		n, sum := len(durations), int64(0)
		for _, d := range durations {
			sum += d
		}
		lines = append(lines, fmt.Sprintf("%s: %d %d %d %s %s", key, n, durations[n-1], durations[0], decimals(durations[(n-1)/2]+durations[n/2], 2), decimals(sum, int64(n))))
	}
	slices.Sort(lines)
	return lines
}

// quiz is what is asked of a Service, with the right answers.
type quiz struct {
	rows      []row
	calls     func() []row
	questions []question
}

type question struct {
	name   string
	right  func() []string
	answer func(context.Context, *stats.Service) ([]string, stats.Origin, error)
	origin stats.Origin // where there are roll-ups
}

func (q *quiz) add(name string, right func() []string, answer func(context.Context, *stats.Service) ([]string, stats.Origin, error), origin stats.Origin) {
	q.questions = append(q.questions, question{name, sync.OnceValue(right), answer, origin}) // asked for each way to count
}

func newQuiz(rows []row) *quiz {
	q := &quiz{rows: rows, calls: sync.OnceValue(func() []row { return oneOfEach(rows) })}
	at := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, site.zone)
	}
	for _, r := range []struct {
		name     string
		from, to time.Time
		origin   stats.Origin
	}{
		{"March", at(3, 1, 0), at(4, 1, 0), stats.FromRollUps},
		{"a year", at(1, 1, 0), at(12, 1, 0), stats.FromBoth}, // it has not begun when there are calls
		{"the day that clocks are put back", at(11, 1, 0), at(11, 2, 0), stats.FromRollUps},
		{"some days and hours", at(3, 6, 11), at(3, 19, 17), stats.FromBoth},
		{"hours", at(3, 8, 1), at(3, 8, 15), stats.FromRaw},
	} {
		from, to, asked := r.from.Unix(), r.to.Unix(), stats.Range{From: r.from, To: r.to}
		callstat := func() (lines []string) {
			for number, line := range q.callstat(from, to) {
				lines = append(lines, number+" "+line)
			}
			slices.Sort(lines)
			return lines
		}
		q.add("callstat of "+r.name, callstat, func(ctx context.Context, s *stats.Service) ([]string, stats.Origin, error) {
			return callstatLines(s.CallStat(ctx, asked))
		}, r.origin)
		q.add("asrstat of "+r.name, func() []string { return q.asrstat(from, to) }, func(ctx context.Context, s *stats.Service) ([]string, stats.Origin, error) {
			return asrLines(s.ASR(ctx, asked))
		}, r.origin)
	}
	for i, zone := range []string{"UTC", "Pacific/Auckland", "Asia/Kolkata", "America/New_York"} {
		l := mustLoad(zone)
		for period := stats.Hourly; period <= stats.Monthly; period++ {
			for grouping := stats.Ungrouped; grouping <= stats.ByUnanswered; grouping++ {
				if period != stats.Hourly && int(grouping) != (i+int(period))%3 { // enough of them
					continue
				}
				from, to := time.Date(2026, 2, 1, 0, 0, 0, 0, l), time.Date(2026, 12, 1, 0, 0, 0, 0, l)
				switch grouping { // and over both changes of clocks of the zone
				case stats.ByDirection:
					from = time.Date(2026, 9, 24, 5, 30, 0, 0, l)
				case stats.ByUnanswered:
					to = time.Date(2026, 4, 10, 0, 0, 0, 0, l)
				default:
				}
				q.add(fmt.Sprintf("%s in %s grouped by %d", period, zone, grouping),
					func() []string { return q.buckets(period, grouping, l, from.Unix(), to.Unix()) },
					func(ctx context.Context, s *stats.Service) ([]string, stats.Origin, error) {
						return bucketLines(ctx, s, stats.BucketQuery{Period: period, Grouping: grouping, Zone: l}, from, to)
					}, stats.FromBoth)
			}
		}
	}
	return q
}

func firstError(err error, all []*stats.SourceError) error {
	if err == nil && len(all) > 0 {
		return all[0]
	}
	return err
}

func callstatLines(report stats.CallStat, err error) (lines []string, origin stats.Origin, _ error) {
	for i, x := range report.Extensions {
		lines = append(lines, fmt.Sprintf("%s %q %d %s %d %s %d", x.CNum, x.CNam, x.Calls, shown(x.Talk), x.LongCalls, shown(x.LongTalk), x.Numbers))
		if i > 0 && report.Extensions[i-1].Talk < x.Talk {
			err = cmp.Or(err, fmt.Errorf("%s stands behind those who talked less", x.CNum))
		}
	}
	slices.Sort(lines)
	return lines, report.Origin, firstError(err, report.Errors)
}

func asrLines(report stats.ASR, err error) (lines []string, origin stats.Origin, _ error) {
	for _, source := range report.Sources {
		if source.Err != nil {
			return nil, report.Origin, source.Err
		}
		for _, x := range source.Countries {
			name := "null null"
			if x.Code != nil && x.Country != nil {
				name = *x.Code + " " + *x.Country
			}
			lines = append(lines, fmt.Sprintf("%s %d %d %s %d %s", name, x.Answered, x.Calls, shown(x.ASR), x.Numbers, shown(x.Talk)))
		}
	}
	return lines, report.Origin, err
}

func bucketLines(ctx context.Context, s *stats.Service, q stats.BucketQuery, from, to time.Time) (lines []string, origin stats.Origin, _ error) {
	parsed, err := filter.Parse(fmt.Sprintf(`{"filters":[{"name":"call_time","op":"ge","val":%q},{"name":"call_time","op":"lt","val":%q}]}`,
		from.Format(time.RFC3339), to.Format(time.RFC3339)), stats.CallFields(), filter.Options{Now: to, Location: q.Zone})
	if err != nil {
		return nil, "", err
	}
	q.Filter = parsed.Test
	report, err := s.Buckets(ctx, q)
	line := func(key string, f stats.BucketFigures) {
		lines = append(lines, fmt.Sprintf("%s: %d %d %d %s %s", key, f.Total, f.Longest, f.Shortest, shown(f.Median), shown(f.Mean)))
	}
	for _, b := range report.Buckets {
		key := time.Unix(b.Begin, 0).UTC().Format(time.DateTime)
		line(key, b.BucketFigures)
		for _, g := range b.Groups {
			line(key+" "+g.Key, g.BucketFigures)
		}
	}
	slices.Sort(lines)
	return lines, report.Origin, firstError(err, report.Errors)
}

// ask compares all answers of a Service with the right ones.
func (q *quiz) ask(t *testing.T, s *stats.Service) {
	t.Helper()
	for _, question := range q.questions {
		begun := time.Now()
		got, origin, err := question.answer(t.Context(), s)
		took := time.Since(begun)
		if err != nil {
			t.Fatalf("%s: %v", question.name, err)
		}
		want := question.right()
		if len(want) == 0 {
			t.Errorf("%s: there is nothing to count", question.name)
		}
		wrong := 0
		for i := range max(len(got), len(want)) {
			g, w := "nothing", "nothing"
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			if g != w {
				if wrong++; wrong < 4 {
					t.Errorf("%s: line %d of %d is\n%s, want\n%s", question.name, i, len(want), g, w)
				}
			}
		}
		if expected := question.origin; s.RollUps != nil && origin != expected {
			t.Errorf("%s: counted from %s, want %s", question.name, origin, expected)
		}
		t.Logf("%-45s %5d lines from %s in %s", question.name, len(want), origin, took.Round(time.Millisecond))
	}
}

// TestReference: a million rows give the same figures to the last digit, whether they are counted as the contracts say, from records, or
// from roll-ups of either database.
func TestReference(t *testing.T) {
	t.Parallel()
	n := 1_000_000
	if testing.Short() || raced {
		n = 50_000
	}
	rows := invent(n)
	q, source := newQuiz(rows), newRowSource(rows)
	now := func() time.Time { return time.Date(2026, 12, 2, 12, 0, 0, 0, time.UTC) }
	service := func(rollUps stats.RollUps) *stats.Service {
		return stats.New(stats.Options{
			Sources: []stats.Source{source}, RollUps: rollUps, Location: site.zone, Limit: 10 * time.Minute, Now: now, AccessPrefixes: []string{site.access},
			Inside: stats.Inside{Extensions: site.extensions, Trunks: site.trunks},
		})
	}
	t.Run("records", func(t *testing.T) {
		t.Parallel()
		q.ask(t, service(nil))
	})
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := database(t).Open(t, func(c *store.Config) { c.Location = site.zone })
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			storetest.Audited(t, s)
			counts := service(s)
			roller := &stats.Roller{
				Source: source, Kinds: func(ctx context.Context) ([]stats.Kind, error) { return counts.Kinds(ctx, source) },
				Keeper: s, Location: site.zone, Now: now, Holder: "test",
			}
			begun := time.Now()
			pass, err := roller.Pass(t.Context(), 0)
			if err != nil || !pass.Ours || pass.Records != int64(len(rows)) {
				t.Fatalf("the pass is %d days, %d of %d records, %v", len(pass.Counted), pass.Records, len(rows), err)
			}
			t.Logf("%d days of %.0f records/s are rolled up", len(pass.Counted), float64(pass.Records)/time.Since(begun).Seconds())
			q.ask(t, counts)
		})
	}
}
