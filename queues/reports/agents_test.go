package reports_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
	"talktime/queues/reports"
)

// Iva logs in on the day before, pauses twice, and has one call; of PJSIP/204 there is only that all its queues were paused.
var desk = []string{
	"1812445200|NONE|sales|Iva Moss|ADDMEMBER|",             // 2027-06-08 09:00:00
	"1812445300|NONE|sales|Iva Moss|PAUSE|lunch",            // before the range
	"1812445400|NONE|sales|Iva Moss|UNPAUSE|",               //
	"1812499000|NONE|sales|Iva Moss|PAUSE|night",            // 2027-06-08 23:56:40, over midnight
	"1812499200|NONE|sales|Iva Moss|UNPAUSE|",               // midnight
	"1812531600|NONE|sales|Iva Moss|PAUSE|lunch",            // 09:00:00
	"1812531600|NONE|NONE|PJSIP/204|PAUSEALL|lunch",         //
	"1812531600|NONE|support|Bob|ADDMEMBER|",                //
	"1812531700|NONE|sales|Iva Moss|UNPAUSE|",               //
	"1812531700|NONE|NONE|PJSIP/204|UNPAUSEALL|",            //
	"1812531800|NONE|sales|Iva Moss|PAUSE|lunch",            //
	"1812531900|NONE|sales|Iva Moss|REMOVEMEMBER|",          // 09:05:00, and so the pause
	"1812531950|NONE|support|Bob|PAUSE|",                    // open
	"1812531960|1.1|support|NONE|ENTERQUEUE||5550177|1",     //
	"1812531965|1.1|support|Bob|CONNECT|5|1.2|3",            //
	"1812531995|1.1|support|Bob|COMPLETEAGENT|5|30|1",       //
	"1812532000|2.1|sales|NONE|ENTERQUEUE||5550178|1",       //
	"1812532001|2.1|sales|PJSIP/9-0000000a|RINGNOANSWER|90", //
	"1812532009|2.1|sales|NONE|ABANDON|1|1|9",               //
}

func TestAttendance(t *testing.T) {
	t.Parallel()
	now := time.Unix(1812532050, 0)
	s := service(newMemory(func() time.Time { return now }, desk...), time.UTC)
	table := func(who reports.Scope, f reports.Filter) (rows []string) {
		t.Helper()
		list, err := s.Attendance(t.Context(), who, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			row := fmt.Sprintf("%s: %d sessions %d s, %d pauses %d s, ready %d s, %d answered, %d missed;",
				a.Shown, a.Sessions, a.LoggedIn, a.Pauses, a.Paused, a.Ready, a.Facts.Answered(), a.Facts.NoAnswers)
			for _, r := range a.Reasons {
				row += fmt.Sprintf(" %s %d %d s", r.Reason, r.Pauses, r.Seconds)
			}
			rows = append(rows, row)
		}
		return rows
	}
	bob := "Bob: 1 sessions 450 s, 1 pauses 100 s, ready 350 s, 1 answered, 0 missed;  1 100 s"
	iva := "Iva Moss: 0 sessions 32700 s, 2 pauses 200 s, ready 32500 s, 0 answered, 0 missed; lunch 2 200 s"
	phone := "PJSIP/9: 0 sessions 0 s, 0 pauses 0 s, ready 0 s, 0 answered, 1 missed;"
	f := utcDay(9)
	f.Window = reports.Window{From: 1, To: 2} // does not count
	queue, agent, before := f, f, utcDay(8)
	queue.Queues, agent.Agents = []string{"sales"}, []string{"Bob", "PJSIP/204"}
	later := reports.Filter{From: now.Add(-time.Minute), To: now.Add(-40 * time.Second)}
	for _, test := range []struct {
		name string
		who  reports.Scope
		f    reports.Filter
		want []string
	}{
		{"all", everything, f, []string{bob, iva, phone}},
		{"nothing granted", reports.Scope{}, f, nil},
		{"one queue granted", reports.Scope{Queues: []string{"support"}}, f, []string{bob}},
		{"one agent granted", reports.Scope{Agents: []string{"Iva Moss"}}, f, []string{iva}},
		{"one queue asked for", everything, queue, []string{iva, phone}},
		{"agents asked for", everything, agent, []string{bob}},
		{"the day before", everything, before, []string{"Iva Moss: 1 sessions 54000 s, 2 pauses 300 s, ready 53700 s, 0 answered, 0 missed; lunch 1 100 s night 1 200 s"}},
		{"seconds", everything, later, []string{"Bob: 0 sessions 20 s, 0 pauses 20 s, ready 0 s, 0 answered, 0 missed;  0 20 s", phone}},
	} {
		if diff := gocmp.Diff(test.want, table(test.who, test.f)); diff != "" {
			t.Error(test.name, diff)
		}
	}
}

// TestAttendanceOfTelephone: the log names the telephone where a member is added, and the member where he makes a pause and talks.
func TestAttendanceOfTelephone(t *testing.T) {
	t.Parallel()
	m := newMemory(func() time.Time { return time.Unix(1812540000, 0) },
		"1812531600|MANAGER|sales|PJSIP/204|ADDMEMBER|",
		"1812531700|NONE|sales|Iva Moss|PAUSE|lunch",
		"1812531800|NONE|sales|Iva Moss|UNPAUSE|",
		"1812531900|1.1|sales|NONE|ENTERQUEUE||5550177|1",
		"1812531905|1.1|sales|Iva Moss|CONNECT|5|1.2|3",
		"1812531935|1.1|sales|Iva Moss|COMPLETEAGENT|5|30|1",
		"1812532000|MANAGER|sales|PJSIP/204|REMOVEMEMBER|",
	)
	iva := map[string]string{"PJSIP/204": "Iva Moss"} // as Asterisk says
	for _, test := range []struct {
		named, phones map[string]string
		who           reports.Scope
		want          []string
	}{
		{nil, iva, everything, []string{"Iva Moss 1 400 100 1"}},
		{nil, iva, reports.Scope{Agents: []string{"Iva Moss"}}, []string{"Iva Moss 1 400 100 1"}},
		{nil, iva, reports.Scope{Agents: []string{"PJSIP/204"}}, nil},
		{map[string]string{"PJSIP/204": "Iva Moss"}, map[string]string{"PJSIP/204": "Bob"}, everything, []string{"Iva Moss 1 400 100 1"}},
		{map[string]string{"PJSIP/204": "Desk 4"}, iva, everything, []string{"PJSIP/204 1 400 0 0", "Iva Moss 0 0 100 1"}},
		{map[string]string{"Iva Moss": "Iva"}, iva, everything, []string{"Iva Moss 1 400 100 1"}},
		{nil, map[string]string{"PJSIP/204": "Bob"}, everything, []string{"Bob 1 400 0 0", "Iva Moss 0 0 100 1"}}, // the log has not named him yet
		{nil, nil, everything, []string{"Iva Moss 0 0 100 1", "PJSIP/204 1 400 0 0"}},
		{map[string]string{"PJSIP/204": "Iva Moss"}, nil, everything, []string{"Iva Moss 1 400 100 1"}},
		{map[string]string{"PJSIP/204": "Iva Moss"}, nil, reports.Scope{Agents: []string{"Iva Moss"}}, []string{"Iva Moss 1 400 100 1"}},
		{map[string]string{"PJSIP/204": "Iva Moss"}, nil, reports.Scope{Agents: []string{"PJSIP/204"}}, nil},
		{map[string]string{"PJSIP/204": "Desk 4"}, nil, everything, []string{"PJSIP/204 1 400 0 0", "Iva Moss 0 0 100 1"}},
	} {
		m.named, m.phones = test.named, test.phones
		list, err := service(m, time.UTC).Attendance(t.Context(), test.who, utcDay(9))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			got = append(got, fmt.Sprint(a.Key, " ", a.Sessions, " ", a.LoggedIn, " ", a.Paused, " ", a.Facts.Answered()))
		}
		if diff := gocmp.Diff(test.want, got); diff != "" {
			t.Error(test.named, test.phones, diff)
		}
	}
}

// TestAttendanceOfForgottenPause: it goes on no longer than a shift, in each day's list and in that of all days; PAUSEALL of a telephone is its owner's.
func TestAttendanceOfForgottenPause(t *testing.T) {
	t.Parallel()
	m := newMemory(func() time.Time { return time.Unix(1812900000, 0) },
		"1812531600|NONE|sales|Eve|PAUSE|lunch", // 2027-06-09 09:00:00; a member of queues.conf, or whose telephone is another agent
		"1812531600|NONE|NONE|PJSIP/204|PAUSEALL|",
		"1812531600|NONE|sales|Iva Moss|PAUSE|lunch",
		"1812531700|NONE|NONE|PJSIP/204|UNPAUSEALL|",
		"1812571200|NONE|NONE|PJSIP/204|PAUSEALL|", // 20:00
		"1812700000|NONE|NONE|NONE|QUEUESTART|",
		"1812800000|NONE|sales|Eve|UNPAUSE|",
	)
	m.phones = map[string]string{"PJSIP/204": "Iva Moss"}
	for _, test := range []struct {
		from, to int
		want     []string
	}{
		{9, 10, []string{"Eve 1 43200", "Iva Moss 2 14500"}},
		{10, 11, []string{"Iva Moss 0 28800"}},
		{11, 12, nil},
		{9, 13, []string{"Eve 1 43200", "Iva Moss 2 43300"}},
	} {
		f := utcDay(test.from)
		f.To = utcDay(test.to).From
		list, err := service(m, time.UTC).Attendance(t.Context(), everything, f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			got = append(got, fmt.Sprint(a.Key, " ", a.Pauses, " ", a.Paused))
		}
		if diff := gocmp.Diff(test.want, got); diff != "" {
			t.Error(test.from, test.to, diff)
		}
	}
}

// TestAttendanceOfManyEvents: read in pieces or in one, sessions and pauses are the same.
func TestAttendanceOfManyEvents(t *testing.T) {
	t.Parallel()
	var lines []string
	var events []queues.Event
	random := uint64(7)
	for i := range 120_000 {
		random = random*6364136223846793005 + 1442695040888963407
		second := 1812400000 + i/3
		name := []string{"ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "AGENTLOGIN", "AGENTLOGOFF"}[random>>40%8]
		agent := []string{"Bob", "Iva Moss", "Eve"}[random>>50%3]
		line := fmt.Sprintf("%d|NONE|%s|%s|%s|", second, []string{"a", "b"}[random>>60%2], agent, name)
		if i%1000 == 0 {
			line = fmt.Sprintf("%d|NONE|NONE|NONE|QUEUESTART|", second)
		}
		lines = append(lines, line)
	}
	m := newMemory(func() time.Time { return time.Unix(1812500000, 0) }, lines...)
	f := reports.Filter{From: time.Unix(1812410000, 0), To: time.Unix(1812439000, 0)}
	list, err := service(m, time.UTC).Attendance(t.Context(), everything, f)
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for _, a := range list {
		events = events[:0]
		for _, e := range m.events {
			if (e.Agent == a.Key || e.Kind == queues.QueueStart) && e.At < f.To.UnixMicro() {
				events = append(events, e)
			}
		}
		want := queues.Attend(queues.Presence(nil, events), f.From.UnixMicro(), f.To.UnixMicro())
		if diff := gocmp.Diff(want, a.Attendance); diff != "" {
			t.Error(a.Key, diff)
		}
	}
}

type outbound struct {
	calls map[string]time.Time
	err   error
}

func (o *outbound) AnsweredCalls(_ context.Context, from, to time.Time, each func(string, time.Time) error) error {
	for number, at := range o.calls {
		if !at.Before(from) && at.Before(to) {
			if err := each(number, at); err != nil {
				return err
			}
		}
	}
	return o.err
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	var lines []string
	call := func(id, queue, number string, second int, answered bool) {
		lines = append(lines, fmt.Sprintf("%d|%s|%s|NONE|ENTERQUEUE||%s|1", nine+second, id, queue, number))
		if answered {
			lines = append(lines, fmt.Sprintf("%d|%s|%s|Bob|CONNECT|10|9|3", nine+second+10, id, queue), fmt.Sprintf("%d|%s|%s|Bob|COMPLETECALLER|10|20|1", nine+second+30, id, queue))
		} else {
			lines = append(lines, fmt.Sprintf("%d|%s|%s|NONE|ABANDON|1|1|10", nine+second+10, id, queue))
		}
	}
	call("a1", "sales", "+49 30 5550177", 0, false)
	call("a2", "sales", "0305550177", 10, false)
	call("a3", "support", "0049305550177", 60, true)
	call("b1", "sales", "anonymous", 100, false)
	call("b2", "sales", "anonymous", 120, true)
	call("c1", "sales", "204", 200, false)
	call("c2", "sales", "1204", 220, true)
	call("c3", "sales", "204", 4000, true) // too late
	call("d1", "sales", "000", 300, false)
	call("d2", "sales", "000", 320, true)
	lines = append(lines, // one call that is given up in two queues
		fmt.Sprintf("%d|e1|sales|NONE|ENTERQUEUE||5550188|1", nine+400), fmt.Sprintf("%d|e1|sales|NONE|ABANDON|1|1|5", nine+405),
		fmt.Sprintf("%d|e1|support|NONE|ENTERQUEUE||5550188|1", nine+405), fmt.Sprintf("%d|e1|support|NONE|ABANDON|1|1|5", nine+410))
	s := service(newMemory(func() time.Time { return time.Unix(nine+9000, 0) }, lines...), time.UTC)
	list := func(who reports.Scope, f reports.Filter) (rows []string) {
		t.Helper()
		callbacks, err := s.Callbacks(t.Context(), who, f, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range callbacks {
			row := c.CallID + " " + c.QueueKey
			if c.Again != nil {
				row += fmt.Sprint(" again ", c.Again.CallID, " ", c.Again.QueueKey, " ", c.Again.Outcome)
			}
			if !c.CalledBack.IsZero() {
				row += fmt.Sprint(" called back after ", (c.CalledBack.UnixMicro()-c.Ended)/queues.Second)
			}
			rows = append(rows, row)
		}
		return rows
	}
	check := func(name string, got []string, want ...string) {
		t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(name, diff)
		}
	}
	check("all", list(everything, utcDay(9)), "a1 sales again a3 support answered", "a2 sales again a3 support answered", "b1 sales", "c1 sales", "d1 sales", "e1 sales", "e1 support")
	check("who may not see support is not told of it", list(reports.Scope{Queues: []string{"sales"}}, utcDay(9)), "a1 sales again a2 sales abandoned", "a2 sales", "b1 sales", "c1 sales", "d1 sales", "e1 sales")
	f := utcDay(9)
	f.Queues = []string{"sales"}
	check("the filter is about the abandoned", list(everything, f)[:2], "a1 sales again a3 support answered", "a2 sales again a3 support answered")
	check("nobody was connected to Bob", list(reports.Scope{Agents: []string{"Bob"}}, utcDay(9)))
	f.Window = reports.Window{From: 9*3600 + 200, To: 9*3600 + 220}
	check("window", list(everything, f), "c1 sales")

	out := &outbound{calls: map[string]time.Time{
		"204": time.Unix(nine+300, 0), "anonymous": time.Unix(nine+150, 0), "0049305550177": time.Unix(nine+15, 0), "+49305550177": time.Unix(nine+3000, 0), "5550188": time.Unix(nine+9000, 0),
	}}
	s.Outbound = out
	check("called back", list(everything, utcDay(9)), "a1 sales again a3 support answered called back after 5", "a2 sales again a3 support answered called back after 2980",
		"b1 sales", "c1 sales called back after 90", "d1 sales", "e1 sales", "e1 support")
	out.err = errors.New("no database")
	check("one of several sources fails", list(everything, f), "c1 sales called back after 90")
}

// TestCallbacksOfMany compares with the plain question for each abandoned passage.
func TestCallbacksOfMany(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		who, f := drawScope(t), b.drawFilter(t)
		within := time.Duration(rapid.IntRange(0, 48).Draw(t, "within")) * time.Hour
		got, err := service(b.memory, b.zone).Callbacks(t.Context(), who, f, within)
		if err != nil {
			t.Fatal(err)
		}
		type passage struct {
			call string
			queues.Passage
		}
		var all []passage
		b.each(who, reports.Filter{From: time.Unix(0, 0), To: time.Unix(1<<33, 0)}, func(c *queues.Call, p *queues.Passage) {
			all = append(all, passage{c.ID, *p})
		})
		slices.SortStableFunc(all, func(a, b passage) int { return cmp.Compare(a.Entered, b.Entered) })
		same := map[string]string{"+4955501234567": "501234567", "055501234567": "501234567", "5550177": "5550177", "204": "204"}
		n := 0
		b.each(who, f, func(c *queues.Call, p *queues.Passage) {
			if p.Outcome != queues.Abandoned {
				return
			}
			n++
			again, answered := int64(-1), false
			for _, later := range all {
				if (again < 0 || !answered && later.Outcome == queues.Answered) && later.call != c.ID && same[p.Caller] != "" && same[p.Caller] == same[later.Caller] && later.Entered >= p.Ended && later.Entered <= p.Ended+within.Microseconds() {
					again, answered = later.Entered, later.Outcome == queues.Answered
				}
			}
			i := slices.IndexFunc(got, func(g reports.Callback) bool { return g.CallID == c.ID && g.Ended == p.Ended && g.QueueKey == p.Queue })
			if i < 0 {
				t.Fatal("missing: ", c.ID)
			}
			if g := got[i].Again; (g == nil) != (again < 0) || g != nil && g.Entered != again {
				t.Fatalf("%s again %+v, want %d", c.ID, g, again)
			}
		})
		if n != len(got) {
			t.Fatalf("%d callbacks, want %d", len(got), n)
		}
	})
}
