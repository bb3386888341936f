package queues_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

// stretches are spans as lines.
func stretches(spans []queues.Span) string {
	sec := func(micros int64) string {
		if micros == 0 {
			return "-"
		}
		return fmt.Sprint((micros - at(0)) / queues.Second)
	}
	var b strings.Builder
	for _, s := range spans {
		what := "session"
		if s.Paused {
			what = strings.TrimSpace("pause " + s.Reason)
		}
		fmt.Fprintf(&b, "%s %s %s..%s\n", s.Queue, what, sec(s.From), sec(s.To))
	}
	return b.String()
}

func TestPresence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, events, want string }{
		{"a day with a pause", `
			0|sales|Iva|ADDMEMBER|
			100|sales|Iva|PAUSE|lunch
			160|sales|Iva|UNPAUSE|
			500|sales|Iva|REMOVEMEMBER|`, `
			sales session 0..500
			sales pause lunch 100..160`},
		{"two queues, one left early", `
			0|sales|Iva|ADDMEMBER|
			0|support|Iva|ADDMEMBER|
			50|support|Iva|REMOVEMEMBER|`, `
			sales session 0..-
			support session 0..50`},
		{"in twice, out twice", `
			0|sales|Iva|ADDMEMBER|
			10|sales|Iva|ADDMEMBER|
			50|sales|Iva|REMOVEMEMBER|
			60|sales|Iva|REMOVEMEMBER|`, `
			sales session 0..50`},
		{"a pause for another reason", `
			0|sales|Iva|PAUSE|lunch
			60|sales|Iva|PAUSE|training
			60|sales|Iva|PAUSE|
			90|sales|Iva|PAUSE|training
			100|sales|Iva|UNPAUSE|`, `
			sales pause lunch 0..60
			sales pause training 60..100`},
		{"paused everywhere: once for each queue, with the reason", `
			0|sales|Iva|ADDMEMBER|
			0|support|Iva|ADDMEMBER|
			60|NONE|Iva|PAUSEALL|
			60|sales|Iva|PAUSE|lunch
			60|support|Iva|PAUSE|lunch
			90|NONE|Iva|UNPAUSEALL|
			90|sales|Iva|UNPAUSE|
			90|support|Iva|UNPAUSE|`, `
			sales session 0..-
			support session 0..-
			sales pause lunch 60..90
			support pause lunch 60..90`},
		{"paused everywhere, of a member without sessions; works for one queue again", `
			60|NONE|Iva|PAUSEALL|
			60|sales|Iva|PAUSE|
			60|support|Iva|PAUSE|
			90|support|Iva|UNPAUSE|`, `
			sales pause 60..-
			support pause 60..90`},
		{"paused everywhere, of a member without sessions, as nothing else says", `
			60|NONE|Iva|PAUSEALL|
			90|support|Iva|UNPAUSE|`, `
			NONE pause 60..90`},
		{"paused everywhere, the reason in the next second", `
			0|sales|Iva|ADDMEMBER|
			59|NONE|Iva|PAUSEALL|
			60|sales|Iva|PAUSE|lunch
			90|sales|Iva|UNPAUSE|`, `
			sales session 0..-
			sales pause lunch 59..90`},
		{"a pause that was forgotten, where there is no session; in the next one there is", `
			0|sales|Iva|PAUSE|lunch
			0|support|Iva|PAUSE|lunch
			10|support|Iva|ADDMEMBER|
			43300|sales|Iva|PAUSE|lunch
			43400|sales|Iva|UNPAUSE|
			43500|support|Iva|REMOVEMEMBER|`, `
			sales pause lunch 0..43200
			support pause lunch 0..43500
			support session 10..43500
			sales pause lunch 43300..43400`},
		{"added in a pause", `
			0|sales|Iva|ADDMEMBER|PAUSED
			9|sales|Iva|UNPAUSE|`, `
			sales session 0..-
			sales pause 0..9`},
		{"gone in a pause", `
			0|sales|Iva|ADDMEMBER|
			0|NONE|Iva|PAUSEALL|
			5|sales|Iva|REMOVEMEMBER|`, `
			sales session 0..5
			sales pause 0..5`},
		{"out and in again within a second", `
			0|sales|Iva|ADDMEMBER|
			50|sales|Iva|REMOVEMEMBER|
			50|sales|Iva|ADDMEMBER|
			90|sales|Iva|REMOVEMEMBER|`, `
			sales session 0..50
			sales session 50..90`},
		{"in and out within a second", `
			50|sales|Iva|ADDMEMBER|
			50|sales|Iva|PAUSE|
			50|sales|Iva|UNPAUSE|
			50|sales|Iva|REMOVEMEMBER|`, `
			sales session 50..50
			sales pause 50..50`},
		{"paused everywhere and back within a second", `
			0|sales|Iva|ADDMEMBER|
			50|NONE|Iva|PAUSEALL|
			50|sales|Iva|PAUSE|
			50|sales|Iva|UNPAUSE|`, `
			sales session 0..-
			sales pause 50..50`},
		{"out of a pause and into the next within a second", `
			0|sales|Iva|PAUSE|lunch
			50|sales|Iva|UNPAUSE|
			50|sales|Iva|PAUSE|coffee`, `
			sales pause lunch 0..50
			sales pause coffee 50..-`},
		{"logins by telephone, the second ended by a restart", `
			0|NONE|Agent/1001|AGENTLOGIN|SIP/204-1
			300|NONE|Agent/1001|AGENTLOGOFF|SIP/204-1|300
			400|NONE|Agent/1001|AGENTLOGIN|SIP/204-2
			450|NONE|Agent/1001|PAUSEALL|
			500|NONE|NONE|QUEUESTART|`, `
			NONE session 0..300
			NONE session 400..500
			NONE pause 450..500`},
		{"a logoff whose login is not there", `
			300|NONE|Agent/1001|AGENTLOGOFF|SIP/204-1|250
			900|NONE|Agent/1001|AGENTCALLBACKLOGOFF|204@agents|100|Autologoff
			950|NONE|Agent/1001|AGENTCALLBACKLOGOFF|204@agents`, `
			NONE session 50..300
			NONE session 800..900`},
		{"members and callers-back stay when Asterisk starts anew", `
			0|sales|Iva|ADDMEMBER|
			0|NONE|Iva|AGENTCALLBACKLOGIN|204@agents
			10|sales|Iva|PAUSE|lunch
			20|NONE|NONE|QUEUESTART|
			20|sales|Iva|ADDMEMBER|`, `
			NONE session 0..-
			sales session 0..-
			sales pause lunch 10..-`},
		{"what is not about presence", `
			0|sales|NONE|ENTERQUEUE||1|1
			5|sales|Iva|CONNECT|5|1.1|2
			9|sales|Iva|UNPAUSE|
			9|sales|Iva|NEWS|`, ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			events := script(t, test.events)
			if diff := cmp.Diff(trimmed(test.want), stretches(queues.Presence(nil, events))); diff != "" {
				t.Error(diff)
			}
			slices.Reverse(events)
			if diff := cmp.Diff(trimmed(test.want), stretches(queues.Presence(nil, append(events, events...)))); diff != "" {
				t.Error("backwards and twice:", diff)
			}
		})
	}
}

func TestAttend(t *testing.T) {
	t.Parallel()
	spans := queues.Presence(nil, script(t, `
		0|sales|Iva|ADDMEMBER|
		100|support|Iva|ADDMEMBER|
		200|sales|Iva|PAUSE|lunch
		200|support|Iva|PAUSE|lunch
		260|sales|Iva|UNPAUSE|
		300|support|Iva|UNPAUSE|
		400|support|Iva|PAUSE|training
		500|sales|Iva|REMOVEMEMBER|
		600|support|Iva|REMOVEMEMBER|
		900|sales|Iva|ADDMEMBER|`))
	// support was paused from 200 for lunch; UNPAUSE at 300 ends it; from 400 to its end at 600 for training.
	for _, test := range []struct {
		from, to int64
		want     queues.Attendance
	}{
		{0, 1000, queues.Attendance{Sessions: 3, LoggedIn: 700, Pauses: 3, Paused: 300, Ready: 400, Reasons: []queues.Reason{{"lunch", 2, 100}, {"training", 1, 200}}}},
		{0, 230, queues.Attendance{Sessions: 2, LoggedIn: 230, Pauses: 2, Paused: 30, Ready: 200, Reasons: []queues.Reason{{"lunch", 2, 30}}}},
		{230, 450, queues.Attendance{LoggedIn: 220, Pauses: 1, Paused: 120, Ready: 100, Reasons: []queues.Reason{{"lunch", 0, 70}, {"training", 1, 50}}}},
		{450, 1000, queues.Attendance{Sessions: 1, LoggedIn: 250, Paused: 150, Ready: 100, Reasons: []queues.Reason{{"training", 0, 150}}}},
		{700, 900, queues.Attendance{}},
	} {
		if diff := cmp.Diff(test.want, queues.Attend(spans, at(test.from), at(test.to))); diff != "" {
			t.Errorf("%d..%d: %s", test.from, test.to, diff)
		}
	}
}

// TestPresenceInParts: cut between two seconds and gone on from what was open, the spans are the same; and days add up to the month.
func TestPresenceInParts(t *testing.T) {
	t.Parallel()
	names := []string{
		"ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "AGENTLOGIN", "AGENTLOGOFF", "AGENTCALLBACKLOGIN", "AGENTCALLBACKLOGOFF", "QUEUESTART",
	}
	unit := int64(1) // seconds
	one := rapid.Custom(func(t *rapid.T) queues.Event {
		e := queues.Event{
			At: at(unit * rapid.Int64Range(0, 60).Draw(t, "second")), CallID: "NONE", Agent: "Iva",
			Queue: rapid.SampledFrom([]string{"a", "b", "NONE"}).Draw(t, "queue"), Name: rapid.SampledFrom(names).Draw(t, "event"),
		}
		e.Params[0] = rapid.SampledFrom([]string{"", "lunch", "PAUSED"}).Draw(t, "reason")
		e.Params[1] = rapid.SampledFrom([]string{"", "0", "5"}).Draw(t, "login")
		e.Kind = queues.KindOf(e.Name)
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		unit = rapid.SampledFrom([]int64{1, 3600}).Draw(t, "unit")
		events := rapid.SliceOfN(one, 0, 60).Draw(t, "events")
		whole := queues.Presence(nil, events)
		if again := queues.Presence(nil, shuffled(t, events)); !slices.Equal(whole, again) {
			t.Fatalf("%s\n%s", stretches(whole), stretches(again))
		}
		cut := at(unit * rapid.Int64Range(0, 61).Draw(t, "cut"))
		var before, after []queues.Event
		for _, e := range events {
			if e.At < cut {
				before = append(before, e)
			} else {
				after = append(after, e)
			}
		}
		var parts, open []queues.Span
		for _, s := range queues.Presence(nil, before) {
			if s.To == 0 {
				open = append(open, s)
			} else {
				parts = append(parts, s)
			}
		}
		parts = append(parts, queues.Presence(open, after)...)
		if strings.Join(lines(parts), "") != strings.Join(lines(whole), "") {
			t.Fatalf("whole\n%sin parts\n%s", stretches(whole), stretches(parts))
		}
		sum := queues.Attend(whole, at(0), cut)
		sum.Merge(queues.Attend(whole, cut, at(100*unit)))
		if unit > 1 { // what comes later does not change the pauses before it
			was, is := queues.Attend(queues.Presence(nil, before), at(0), cut), queues.Attend(whole, at(0), cut)
			if was.Paused != is.Paused || !slices.Equal(was.Reasons, is.Reasons) {
				t.Fatalf("%+v and then %+v\n%s", was, is, stretches(whole))
			}
		}
		if all := queues.Attend(whole, at(0), at(100*unit)); !reflect.DeepEqual(all, sum) {
			t.Fatal(cmp.Diff(all, sum))
		}
		if sum.LoggedIn > 100*unit || sum.Paused > 100*unit || sum.Ready < 0 || sum.Ready > sum.LoggedIn {
			t.Fatalf("%+v", sum)
		}
	})
}

func lines(spans []queues.Span) []string {
	var all []string
	for _, s := range spans {
		all = append(all, fmt.Sprintf("%+v\n", s))
	}
	slices.Sort(all)
	return all
}
