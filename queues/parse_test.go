package queues_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"talktime/queues"
)

// at is a moment of the tests, seconds after 2027-06-09 08:00:00 UTC.
func at(seconds int64) int64 { return (1812528000 + seconds) * queues.Second }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, line string
		want       queues.Event
	}{
		{
			"three parameters", "1812528000|1812528000.11|sales|NONE|ENTERQUEUE||5550177|1",
			queues.Event{Kind: queues.EnterQueue, CallID: "1812528000.11", Queue: "sales", Agent: "NONE", Name: "ENTERQUEUE", Params: [5]string{"", "5550177", "1"}},
		},
		{
			"four parameters and a tag", "1812528000|1.11|sales|NONE|ENTERQUEUE|http://x/?a=b|5550177|2|R. Lund|Sale\r\n",
			queues.Event{Kind: queues.EnterQueue, CallID: "1.11", Queue: "sales", Agent: "NONE", Name: "ENTERQUEUE", Params: [5]string{"http://x/?a=b", "5550177", "2", "R. Lund", "Sale"}},
		},
		{
			"no parameters, no bar", "1812528000|NONE|NONE|NONE|QUEUESTART",
			queues.Event{Kind: queues.QueueStart, CallID: "NONE", Queue: "NONE", Agent: "NONE", Name: "QUEUESTART"},
		},
		{
			"empty names are NONE", "1812528000||||CONFIGRELOAD|",
			queues.Event{Kind: queues.ConfigReload, CallID: "NONE", Queue: "NONE", Agent: "NONE", Name: "CONFIGRELOAD"},
		},
		{
			"a line of a dialplan", "1812528000|1.11|NONE|NONE|DID|5550100",
			queues.Event{Kind: queues.Custom, CallID: "1.11", Queue: "NONE", Agent: "NONE", Name: "DID", Params: [5]string{"5550100"}},
		},
		{
			"an event that nobody knows", "1812528000|1.11|q|a|Moon|1||3",
			queues.Event{Kind: queues.Custom, CallID: "1.11", Queue: "q", Agent: "a", Name: "Moon", Params: [5]string{"1", "", "3"}},
		},
		{
			"six parameters: the last has the rest", "1812528000|1.11|q|a|ATTENDEDTRANSFER|LINK|PJSIP/a|PJSIP/b|5|30|1",
			queues.Event{Kind: queues.AttendedTransfer, CallID: "1.11", Queue: "q", Agent: "a", Name: "ATTENDEDTRANSFER", Params: [5]string{"LINK", "PJSIP/a", "PJSIP/b", "5", "30|1"}},
		},
		{
			"umlauts stay, broken ones are repaired", "1812528000|1.11|q|J\xfcrgen Müller|CONNECT|1|\x1b2|3",
			queues.Event{Kind: queues.Connect, CallID: "1.11", Queue: "q", Agent: "J?rgen Müller", Name: "CONNECT", Params: [5]string{"1", "?2", "3"}},
		},
	} {
		test.want.At = at(0)
		var p queues.Parser
		got, err := p.Parse(test.line)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
		again, err := p.Parse(got.String())
		if err != nil || again != got || again.Key() != got.Key() {
			t.Errorf("%s: printed as %q it is %+v, %v", test.name, got.String(), again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", queues.MaxLine)
	for _, test := range []struct{ name, line, want string }{
		{"nothing", "", "it is empty"},
		{"an end of line", "\r\n", "it is empty"},
		{"words", "hello", "it has no event"},
		{"half a line", "1812528000|1812528000.11|sales|NO", "it has no event"},
		{"an empty event", "1812528000|1.1|sales|NONE||1", "it has no event"},
		{"no time", "|1.1|q|a|CONNECT|1", `its time "" is neither`},
		{"a time that is a word", "today|1.1|q|a|CONNECT|1", `its time "today" is neither`},
		{"a negative time", "-5|1.1|q|a|CONNECT|1", "is neither"},
		{"a time of eleven digits", "18125280000|1.1|q|a|CONNECT|1", "is neither"},
		{"a bare point", "1812528000.|1.1|q|a|CONNECT|1", "is neither"},
		{"a fraction that is none", "1812528000.1e5|1.1|q|a|CONNECT|1", "is neither"},
		{"a clock that was not set", "86400|1.1|q|a|CONNECT|1", "before 1971"},
		{"the 31st of February", "2027-02-31 08:00:00|1.1|q|a|CONNECT|1", "no date and time"},
		{"a leap second", "2016-12-31 23:59:60|1.1|q|a|CONNECT|1", "no date and time"},
		{"a date without time", "2027-02-03|1.1|q|a|CONNECT|1", "is neither"},
		{"a year before 1971", "1969-02-03 08:00:00|1.1|q|a|CONNECT|1", "no date and time"},
		{"an endless time", strings.Repeat("1", 500) + "|1.1|q|a|CONNECT|1", "its time has 500 characters"},
		{"what a file system leaves", "\x00\x00\x001812528000|1.1|q|a|CONNECT|1", "zero byte"},
		{"a line too long", "1812528000|1.1|q|a|TAG|" + long, "it has 16407 bytes or more; at most 16384 are read"},
		{"a queue too long", "1812528000|1.1|" + long[:200] + "|a|TAG|", "its queue has 200 bytes; at most 150 are allowed"},
	} {
		var p queues.Parser
		_, err := p.Parse(test.line)
		if !errors.Is(err, queues.ErrMalformed) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	var p queues.Parser
	if _, err := p.Parse("1812528000|1.1|q|a|TAG|" + long[:queues.MaxLine-23] + "\r\n"); err != nil {
		t.Errorf("the longest line: %v", err)
	}
}

func TestParseTimes(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		zone *time.Location
		last string
		want string
	}{
		{"1812528000", nil, "", "2027-06-09T08:00:00Z"},
		{"1812528000", berlin, "", "2027-06-09T08:00:00Z"},
		{"1812528000.5", nil, "", "2027-06-09T08:00:00.5Z"},
		{"1812528000.000001", nil, "", "2027-06-09T08:00:00.000001Z"},
		{"1812528000.0000019", nil, "", "2027-06-09T08:00:00.000001Z"},
		{"2026-11-20 21:52:12.198222", nil, "", "2026-11-20T21:52:12.198222Z"},
		{"2026-11-20T21:52:12", berlin, "", "2026-11-20T20:52:12Z"},
		{"2027-06-09 10:00:00", berlin, "", "2027-06-09T08:00:00Z"},
		// 31 October 2027: at 03:00 the clock goes back to 02:00.
		{"2027-10-31 01:59:59", berlin, "", "2027-10-30T23:59:59Z"},
		{"2027-10-31 02:10:00", berlin, "", "2027-10-31T00:10:00Z"},
		{"2027-10-31 02:10:00", berlin, "2027-10-31T00:20:00Z", "2027-10-31T00:10:00Z"}, // a little out of order
		{"2027-10-31 02:10:00", berlin, "2027-10-31T00:55:00Z", "2027-10-31T01:10:00Z"}, // the second time
		{"2027-10-31 02:10:00", berlin, "2027-10-31T03:10:00Z", "2027-10-31T01:10:00Z"},
		{"2027-10-31 02:10:00", berlin, "2027-11-07T00:00:00Z", "2027-10-31T00:10:00Z"}, // it is read again: nobody knows
		{"2027-10-31 02:10:00", berlin, "2100-01-01T00:00:00Z", "2027-10-31T00:10:00Z"}, // a clock was wrong
		{"2027-10-31 03:00:00", berlin, "2027-10-31T00:55:00Z", "2027-10-31T02:00:00Z"},
		// 28 March 2027: at 02:00 it goes forward to 03:00. There is no 02:30; it must be something, the same always.
		{"2027-03-28 01:59:59", berlin, "", "2027-03-28T00:59:59Z"},
		{"2027-03-28 02:30:00", berlin, "", "2027-03-28T01:30:00Z"},
		{"2027-03-28 03:00:00", berlin, "", "2027-03-28T01:00:00Z"},
	} {
		p := queues.Parser{Zone: test.zone}
		if test.last != "" {
			last, err := time.Parse(time.RFC3339, test.last)
			if err != nil {
				t.Fatal(err)
			}
			p.Last = last.UnixMicro()
		}
		e, err := p.Parse(test.text + "|1.1|q|a|CONNECT|1|2|3")
		if got := e.Time().Format(time.RFC3339Nano); err != nil || got != test.want {
			t.Errorf("%s after %q: %s, not %s (%v)", test.text, test.last, got, test.want, err)
		}
	}
}

// TestParseTimesAgain: one line from the future, and what is read a second time, do not change how the repeated hour is read.
func TestParseTimesAgain(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p := queues.Parser{Zone: berlin}
	for range 2 {
		var got []string
		for _, text := range []string{"2027-10-30 12:00:00", "2027-10-31 02:50:00", "2099-12-31 00:00:00", "2027-10-31 02:55:00", "2027-10-31 02:05:00", "2027-10-31 03:05:00"} {
			e, err := p.Parse(text + "|1.1|q|a|CONNECT|1|2|3")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Time().Format("02T15:04"))
		}
		if all := strings.Join(got, " "); all != "30T10:00 31T00:50 30T23:00 31T00:55 31T01:05 31T02:05" {
			t.Errorf("read as %s", all)
		}
	}
	for text, want := range map[string]bool{"2027-10-31 02:00:00": true, "2027-10-31 02:59:59.5": true, "2027-10-31 03:00:00": false, "2027-03-28 02:30:00": false, "1824944400": false, "": false} {
		first, second, twice := p.Twice(text)
		if twice != want || twice && second-first != 3600*queues.Second {
			t.Errorf("%q: %d, %d, %t", text, first, second, twice)
		}
	}
}

func TestParseRow(t *testing.T) {
	t.Parallel()
	var p queues.Parser
	fromLine, err := p.Parse("1795211544.297114|1795211531.179|slow|NONE|EXITWITHTIMEOUT|1|1|12")
	if err != nil {
		t.Fatal(err)
	}
	row := []string{"2026-11-20 21:52:24.297114", "1795211531.179", "slow", "NONE", "EXITWITHTIMEOUT"}
	for name, params := range map[string][]string{"five columns": {"1", "1", "12", "", ""}, "one column": {"1|1|12"}, "three": {"1", "1", "12"}} {
		if got, err := p.ParseRow(row[0], row[1], row[2], row[3], row[4], params...); err != nil || got != fromLine {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := p.ParseRow(row[0], row[1], "sl|ow", row[3], row[4]); !errors.Is(err, queues.ErrMalformed) {
		t.Errorf("a bar in a queue: %v", err)
	}
}

func TestAgentKey(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Iva Moss": "Iva Moss", "NONE": "NONE", "": "", "Agent/1001": "Agent/1001", "SIP/204": "SIP/204",
		"SIP/204-0000a1b2": "SIP/204", "PJSIP/204-0000000f": "PJSIP/204", "PJSIP/my-agent-0000000f": "PJSIP/my-agent",
		"Local/204@agents-00000007;1": "Local/204@agents", "Local/204@agents/n": "Local/204@agents", "Local/204@agents": "Local/204@agents",
		"Moss-0000a1b2": "Moss-0000a1b2", "Day / Night-12345678": "Day / Night-12345678", "SIP/-0000a1b2": "SIP/-0000a1b2", "PJSIP/204-desk": "PJSIP/204-desk",
		"PJSIP/acme-55501234": "PJSIP/acme-55501234", "PJSIP/acme-55501234-00fffffe": "PJSIP/acme-55501234",
	} {
		if got := queues.AgentKey(agent); got != want {
			t.Errorf("%q is %q, not %q", agent, got, want)
		}
	}
}

func TestKeyTellsEventsApart(t *testing.T) {
	t.Parallel()
	var p queues.Parser
	seen := map[int64]string{}
	for _, line := range []string{
		"1812528000|1.1|q|a|CONNECT|1|2|3", "1812528001|1.1|q|a|CONNECT|1|2|3", "1812528000.5|1.1|q|a|CONNECT|1|2|3", "1812528000|1.2|q|a|CONNECT|1|2|3",
		"1812528000|1.1|r|a|CONNECT|1|2|3", "1812528000|1.1|q|b|CONNECT|1|2|3", "1812528000|1.1|q|a|ABANDON|1|2|3", "1812528000|1.1|q|a|CONNECT|12||3",
		"1812528000|1.1|q|a|CONNECT|1|2|", "1812528000|1.1|qa|NONE|CONNECT|1|2|3", "1812528000|1.1|q|a|CONNECT||1|2|3",
	} {
		e, err := p.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if other, there := seen[e.Key()]; there {
			t.Errorf("%s and %s have one key", line, other)
		}
		seen[e.Key()] = line
	}
	e, err := p.Parse("1812528000|1812528000.11|sales|NONE|ENTERQUEUE||5550177|1")
	if err != nil || e.Key() != 4767503963972907660 { // databases have these numbers: they never change
		t.Errorf("key %d, %v", e.Key(), err)
	}
}

// FuzzParse: nothing panics, and what parses prints to a line that parses to an equal event.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"1812528000|1812528000.11|sales|NONE|ENTERQUEUE||5550177|1|R. Lund|Sale", "1812528000.25|NONE|NONE|NONE|QUEUESTART|", "2026-11-20 21:52:12.198222|1.1|q|a|CONNECT|1|2|3",
		"1812528000|1.11|q|a|ATTENDEDTRANSFER|LINK|PJSIP/a|PJSIP/b|5|30|1", "2027-10-31 02:10:00|a|b|c|d|e\r", "|||||", "1812528000|||\xff|\x01|\t\r", "9999999999|a|b|c|d|||||||",
	} {
		f.Add(line)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := queues.Parser{Zone: berlin}
		e, err := p.Parse(line)
		if err != nil {
			if !errors.Is(err, queues.ErrMalformed) || e != (queues.Event{}) {
				t.Fatalf("%q: %+v, %v", line, e, err)
			}
			return
		}
		if len(line) > queues.MaxLine-64 {
			return // printed, its time may have more digits
		}
		for _, zone := range []*time.Location{nil, berlin} {
			p = queues.Parser{Zone: zone}
			again, err := p.Parse(e.String())
			if err != nil || again != e || queues.Compare(&again, &e) != 0 || again.Key() != e.Key() {
				t.Fatalf("%q: %+v, printed as %q it is %+v, %v", line, e, e.String(), again, err)
			}
		}
		if key := queues.AgentKey(e.Agent); queues.AgentKey(e.Agent) != key || len(key) > len(e.Agent) {
			t.Fatalf("%q: key %q", e.Agent, key)
		}
		_ = queues.Assemble([]queues.Event{e}, time.Unix(1812528000, 0))
		_ = queues.Presence(nil, []queues.Event{e})
	})
}
