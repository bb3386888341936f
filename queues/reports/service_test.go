package reports_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/queues"
	"talktime/queues/reports"
)

var everything = reports.Scope{All: true}

// nine is nine o'clock of the day that most of these logs are of.
const nine = 1812531600 // 2027-06-09 09:00:00 UTC

func utcDay(day int) reports.Filter {
	return reports.Filter{From: time.Date(2027, 6, day, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 6, day+1, 0, 0, 0, 0, time.UTC)}
}

func atTen() time.Time { return time.Unix(nine+3600, 0) }

// calls are those of the queue sales, with 12 seconds of waiting.
func answered(n int, queue, agent string) (lines []string) {
	for i := range n {
		id := fmt.Sprintf("%s.%d", queue, i)
		lines = append(lines,
			fmt.Sprintf("%d|%s|%s|NONE|ENTERQUEUE||5550177|1", nine+i, id, queue),
			fmt.Sprintf("%d|%s|%s|%s|CONNECT|12|%s9|5", nine+i+12, id, queue, agent, id),
			fmt.Sprintf("%d|%s|%s|%s|COMPLETECALLER|12|30|1", nine+i+42, id, queue, agent))
	}
	return lines
}

func report(t *testing.T, s *reports.Service, who reports.Scope, f reports.Filter, name string) [][]string {
	t.Helper()
	table, err := s.Report(t.Context(), who, f, name)
	if err != nil {
		t.Fatal(err)
	}
	return table.Rows
}

// Published figures: 165 of 232 are 71.12 %.
func TestReportByQueue(t *testing.T) {
	t.Parallel()
	s := service(newMemory(atTen, append(answered(165, "sales", "Iva Moss"), answered(67, "support", "Bob")...)...), time.UTC)
	want := [][]string{{"sales", "165", "71.12"}, {"support", "67", "28.88"}}
	if diff := cmp.Diff(want, report(t, s, everything, utcDay(9), "answered_calls_by_queue")); diff != "" {
		t.Error(diff)
	}
	if rows := report(t, s, everything, utcDay(10), "answered_calls_by_queue"); len(rows) != 0 {
		t.Error(rows)
	}
	t.Run("somebody who may see one queue sees all of that", func(t *testing.T) {
		t.Parallel()
		want := [][]string{{"sales", "165", "100.00"}}
		if diff := cmp.Diff(want, report(t, s, reports.Scope{Queues: []string{"sales"}}, utcDay(9), "answered_calls_by_queue")); diff != "" {
			t.Error(diff)
		}
		if rows := report(t, s, reports.Scope{}, utcDay(9), "answered_calls_by_queue"); len(rows) != 0 {
			t.Error("who was granted nothing saw ", rows)
		}
		f := utcDay(9)
		f.Queues = []string{"support"}
		for _, name := range []string{"answered_calls_by_queue", "answered_calls_by_agent", "answered_calls_by_url", "answered_calls_by_did", "answered_calls_by_holdtime", "answered_calls_by_event", "distribution_by_queue"} {
			if rows := report(t, s, reports.Scope{Queues: []string{"sales"}}, f, name); len(rows) != 0 {
				t.Error(name, rows)
			}
		}
	})
	t.Run("one called differently is the same", func(t *testing.T) {
		t.Parallel()
		m := newMemory(atTen, append(answered(3, "sales", "Iva Moss"), answered(1, "support", "Bob")...)...)
		m.named = map[string]string{"sales": "Zu verkaufen"}
		want := [][]string{{"Zu verkaufen", "3", "75.00"}, {"support", "1", "25.00"}}
		if diff := cmp.Diff(want, report(t, service(m, time.UTC), everything, utcDay(9), "answered_calls_by_queue")); diff != "" {
			t.Error(diff)
		}
		m.named["support"] = "Zu verkaufen"
		want = [][]string{{"sales", "3", "75.00"}, {"support", "1", "25.00"}}
		if diff := cmp.Diff(want, report(t, service(m, time.UTC), everything, utcDay(9), "answered_calls_by_queue")); diff != "" {
			t.Error(diff)
		}
	})
	if _, err := s.Report(t.Context(), everything, utcDay(9), "answered_calls_by_moon"); !errors.Is(err, reports.ErrUnknownReport) {
		t.Error(err)
	}
	if _, err := s.Figures(t.Context(), everything, utcDay(9), "moon"); !errors.Is(err, reports.ErrUnknownReport) {
		t.Error(err)
	}
}

// Hold times at 15/16 and 90/91 seconds, ends of all kinds, URLs and dialled numbers.
func TestReportsOfOneDay(t *testing.T) {
	t.Parallel()
	var lines []string
	ends := []string{"COMPLETEAGENT|%d|100|1", "COMPLETECALLER|%d|50|1", "BLINDTRANSFER|700|internal|%d|10|1", "ATTENDEDTRANSFER|BRIDGE|9f3c|%d|20|1", "TRANSFER|700|internal|%d|20|1", "COMPLETECALLER|%d|0|1"}
	for i, wait := range []int{0, 15, 16, 90, 91, 4000} {
		id, began := fmt.Sprintf("1.%d", i), nine-9000+i
		url, agent := []string{"", "http://a", "http://b"}[i%3], []string{"Iva Moss", "Bob"}[i%2]
		if i%2 == 0 {
			lines = append(lines, fmt.Sprintf("%d|%s|NONE|NONE|DID|5550100", began, id))
		}
		lines = append(lines,
			fmt.Sprintf("%d|%s|sales|NONE|ENTERQUEUE|%s|5550177|1", began, id, url),
			fmt.Sprintf("%d|%s|sales|%s|CONNECT|%d|%s9|3", began+wait, id, agent, wait, id),
			fmt.Sprintf("%d|%s|sales|%s|%s", began+wait+100, id, agent, fmt.Sprintf(ends[i], wait)))
	}
	lines = append(lines, fmt.Sprintf("%d|2.1|sales|NONE|ENTERQUEUE||5550188|1", nine), fmt.Sprintf("%d|2.1|sales|NONE|ABANDON|1|1|30", nine+30))
	s := service(newMemory(atTen, lines...), time.UTC)
	for name, want := range map[string][][]string{
		"answered_calls_by_holdtime": {
			{"15", "2", "2", "33.33"}, {"30", "3", "1", "50.00"}, {"45", "3", "0", "50.00"}, {"60", "3", "0", "50.00"}, {"75", "3", "0", "50.00"}, {"90", "4", "1", "66.67"}, {"91+", "6", "2", "100.00"},
		},
		"answered_calls_by_event": {
			{"ATTENDEDTRANSFER", "1", "16.67"}, {"BLINDTRANSFER", "1", "16.67"}, {"COMPLETEAGENT", "1", "16.67"}, {"COMPLETECALLER", "2", "33.33"}, {"TRANSFER", "1", "16.67"},
		},
		"answered_calls_by_url": {{"", "2", "33.33"}, {"http://a", "2", "33.33"}, {"http://b", "2", "33.33"}},
		"answered_calls_by_did": {{"", "3", "50.00"}, {"5550100", "3", "50.00"}},
		"answered_calls_by_agent": {
			{"Bob", "3", "50.00", "70", "35.00", "23.33", "4105", "1368.33"}, {"Iva Moss", "3", "50.00", "130", "65.00", "43.33", "107", "35.67"},
		},
		"distribution_by_queue": {{"sales", "7", "100.00", "6", "85.71", "1", "14.29", "1", "14.29", "33.33", "702.00"}},
	} {
		if diff := cmp.Diff(want, report(t, s, everything, utcDay(9), name)); diff != "" {
			t.Error(name, diff)
		}
	}
	rows, err := s.Rows(t.Context(), everything, utcDay(9), false)
	if err != nil || len(rows) != 1 || rows[0].CallID != "2.1" || rows[0].AgentKey != "NONE" || rows[0].Wait != 30 || rows[0].End != "ABANDON" {
		t.Error(rows, err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	m := newMemory(atTen, append(append(answered(1, "2000", "Andy"), answered(1, "9", "andrea")...), answered(1, "NO", "B.Obama")...)...)
	m.named = map[string]string{"9": "zz"}
	s := service(m, time.UTC)
	names := func(who reports.Scope) string {
		t.Helper()
		q, a, err := s.Names(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, n := range append(q, a...) {
			text += n.Shown + " "
		}
		return text
	}
	for _, test := range []struct {
		who  reports.Scope
		want string
	}{
		{everything, "2000 NO zz Andy B.Obama NONE andrea "},
		{reports.Scope{}, ""},
		{reports.Scope{Queues: []string{"9", "nowhere"}}, "zz andrea "},
		{reports.Scope{Queues: []string{"nowhere"}}, ""},
		{reports.Scope{Agents: []string{"Andy", "andrea"}}, "2000 zz Andy andrea "},
		{reports.Scope{Agents: []string{"NONE"}}, "2000 NO zz NONE "},
		{reports.Scope{Queues: []string{"9"}, Agents: []string{"NONE"}}, "zz NONE "},
		{reports.Scope{Queues: []string{"zz"}, Agents: []string{"Andy"}}, "Andy "},
	} {
		if got := names(test.who); got != test.want {
			t.Errorf("%+v: %q, want %q", test.who, got, test.want)
		}
	}
}

// racing stores something between the question for packed days and that for what is not packed.
type racing struct {
	*memory
	then func()
}

func (r *racing) QueueItems(ctx context.Context, from, to int64, each func(*queues.Item) error) error {
	if then := r.then; then != nil {
		r.then = nil
		then()
	}
	return r.memory.QueueItems(ctx, from, to, each)
}

// TestReportWhileStored: a call that goes on from a packed day into today is counted once.
func TestReportWhileStored(t *testing.T) {
	t.Parallel()
	const midnight = nine - 9*3600
	line := func(at int64, rest string) string { return fmt.Sprintf("%d|1.1|q|%s", at, rest) }
	m := newMemory(atTen, line(midnight-20, "NONE|ENTERQUEUE||5|1"), line(midnight-10, "A|RINGNOANSWER|1000"), line(midnight-5, "NONE|ABANDON|1|1|15"))
	packer := reports.Packer{Keeper: m, Location: time.UTC, Now: m.now}
	if n, err := packer.Pack(t.Context(), "me", 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	s := service(m, time.UTC)
	s.Keeper = &racing{m, func() {
		clear(m.days) // as the store forgets the days that it touches
		m.events = nil
		m.add(line(midnight-20, "NONE|ENTERQUEUE||5|1"), line(midnight-10, "A|RINGNOANSWER|1000"), line(midnight+5, "A|CONNECT|25|z|2"), line(midnight+50, "A|COMPLETECALLER|25|45|1"))
	}}
	f := utcDay(8)
	f.To = f.To.AddDate(0, 0, 1)
	all, err := s.Figures(t.Context(), everything, f, reports.ByAll)
	if err != nil || len(all) != 1 || all[0].Facts.Offered != 1 || all[0].Facts.Answered() != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestClockChanges: in the night in which clocks are put back the window from two to three is two hours long, in spring there is none.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for day, want := range map[string]int64{"2027-10-31": 2, "2027-03-28": 0, "2027-06-09": 1} {
		midnight := at(t, berlin, day+" 00:00:00")
		var lines []string
		for quarter := range 26 * 4 {
			second := midnight.Unix() + int64(quarter)*900
			lines = append(lines, fmt.Sprintf("%d|%d.1|a|NONE|ENTERQUEUE||1|1", second, quarter), fmt.Sprintf("%d|%d.1|a|NONE|ABANDON|1|1|0", second, quarter))
		}
		m := newMemory(func() time.Time { return midnight.AddDate(0, 0, 3) }, lines...)
		s := service(m, berlin)
		f := reports.Filter{From: midnight, To: midnight.AddDate(0, 0, 1), Window: reports.Window{From: 2 * 3600, To: 3*3600 - 1}}
		for range 2 { // from rows, then from the packed day
			figures, err := s.Figures(t.Context(), everything, f, reports.ByAll)
			if err != nil {
				t.Fatal(err)
			}
			if want == 0 && len(figures) != 0 || want > 0 && (len(figures) != 1 || figures[0].Facts.Abandoned != 4*want) {
				t.Errorf("%s: %+v", day, figures)
			}
			whole := f
			whole.Window = reports.Window{}
			figures, err = s.Figures(t.Context(), everything, whole, reports.ByDay)
			if err != nil || len(figures) != 1 || figures[0].Key != day || figures[0].Facts.Abandoned != 4*(23+want) {
				t.Errorf("%s: %+v %v", day, figures, err)
			}
			packer := reports.Packer{Keeper: m, Location: berlin, Now: m.now}
			if n, err := packer.Pack(t.Context(), "me", 10); err != nil || n > 2 {
				t.Fatal(n, err)
			}
		}
		if m.asked["day"] != 2 {
			t.Error("the packed day was not read: ", m.asked)
		}
	}
}

// TestPacker: days that are over are packed once, the others not at all.
func TestPacker(t *testing.T) {
	t.Parallel()
	now := time.Unix(1812585990, 0) // 2027-06-10 00:06:30
	m := newMemory(func() time.Time { return now }, append(answered(3, "sales", "Bob"), twoQueues...)...)
	s := service(m, time.UTC)
	pack := func(want int) {
		t.Helper()
		packer := reports.Packer{Keeper: m, Location: time.UTC, Now: m.now}
		if n, err := packer.Pack(t.Context(), "me", 100); err != nil || n != want {
			t.Errorf("packed %d, want %d: %v", n, want, err)
		}
	}
	pack(0) // it has hardly been over
	now = now.Add(time.Hour)
	pack(1)
	pack(0)
	now = now.AddDate(0, 0, 1)
	pack(1)
	f := utcDay(9)
	f.To = f.To.AddDate(0, 0, 1)
	clear(m.asked)
	if rows := report(t, s, everything, f, "answered_calls_by_queue"); !slices.EqualFunc(rows, [][]string{{"sales", "4", "80.00"}, {"support", "1", "20.00"}}, slices.Equal[[]string]) {
		t.Error(rows)
	}
	if m.asked["item"] != 0 || m.asked["day"] != 2 {
		t.Error(m.asked)
	}
	t.Run("nothing is looked for when nothing has changed", func(t *testing.T) {
		packer := reports.Packer{Keeper: m, Location: time.UTC, Now: m.now}
		pack := func(want, looks int) {
			t.Helper()
			clear(m.asked)
			if n, err := packer.Pack(t.Context(), "me", 100); err != nil || n != want || m.asked["unpacked"] != looks {
				t.Errorf("packed %d, want %d, and looked %d times, want %d: %v", n, want, m.asked["unpacked"], looks, err)
			}
		}
		pack(0, 1)
		pack(0, 0)
		m.add(answered(1, "late", "Bob")...)
		pack(0, 1)
		m.add(fmt.Sprintf("%d|last|sales|NONE|ENTERQUEUE||1|1", now.Unix()), fmt.Sprintf("%d|last|sales|NONE|ABANDON|1|1|1", now.Unix()+1))
		pack(0, 1)
		now = now.AddDate(0, 0, 1)
		pack(1, 2)
		pack(0, 0)
	})
	t.Run("days of another zone are another's", func(t *testing.T) {
		clear(m.asked)
		report(t, service(m, zone(t, "Asia/Kathmandu")), everything, f, "answered_calls_by_queue")
		if m.asked["day"] != 0 || m.asked["item"] == 0 {
			t.Error(m.asked)
		}
	})
}

// TestTooManyGroups: so is a table of more URLs, of packed days and of others.
func TestTooManyGroups(t *testing.T) {
	t.Parallel()
	urls := func(n int, packed bool) error {
		m := newMemory(func() time.Time { return time.Unix(nine+48*3600, 0) }, answered(1, "sales", "Bob")...)
		for i := range n {
			d := m.details()[0]
			d.URL, d.At = fmt.Sprint(i), d.At+int64(i)
			m.made.details = append(m.made.details, d)
		}
		if packed {
			packer := reports.Packer{Keeper: m, Location: time.UTC, Now: m.now}
			if n, err := packer.Pack(t.Context(), "me", 2); n != 1 {
				t.Errorf("packed %d: %v", n, err)
			}
		}
		_, err := service(m, time.UTC).Report(t.Context(), everything, utcDay(9), "answered_calls_by_url")
		return err
	}
	for _, packed := range []bool{false, true} {
		if err := urls(reports.MaxRows-1, packed); err != nil { // and the empty one
			t.Error(packed, err)
		}
		if err := urls(reports.MaxRows, packed); !errors.Is(err, reports.ErrTooMany) {
			t.Error(packed, err)
		}
	}
}
