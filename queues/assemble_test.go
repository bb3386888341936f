package queues_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/queues"
)

// script makes events of lines "second|queue|agent|EVENT|parameters"; the second counts from 2027-06-09 08:00:00 UTC.
func script(t *testing.T, text string) []queues.Event {
	t.Helper()
	var p queues.Parser
	var events []queues.Event
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		var second int64
		stamp, rest, _ := strings.Cut(line, "|")
		if _, err := fmt.Sscan(stamp, &second); err != nil {
			t.Fatal(err)
		}
		callID := "1812528000.11"
		if strings.HasPrefix(rest, "NONE|NONE|QUEUESTART") {
			callID = queues.None
		}
		e, err := p.Parse(fmt.Sprintf("%d|%s|%s", 1812528000+second, callID, rest))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// books are a call as lines: the call first, then its passages.
func books(c *queues.Call) string {
	sec := func(micros int64) string {
		if micros == 0 {
			return "-"
		}
		return fmt.Sprint((micros - at(0)) / queues.Second)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s..%s %s queue=%s agent=%s wait=%d waits=%d talk=%d overflow=%d\n",
		c.First, sec(c.Start), sec(c.End), or(c.Final), c.Queue, c.Agent, c.Wait, c.Waits, c.Talk, len(c.Passages))
	for i := range c.Passages {
		p := &c.Passages[i]
		fmt.Fprintf(&b, "%s %s/%s/%s %s %s agent=%s wait=%d ring=%d talk=%d", p.Queue, sec(p.Entered), sec(p.Connected), sec(p.Ended),
			p.Outcome, or(p.End), p.Agent, p.Wait, p.Ring, p.Talk)
		if p.Counted {
			b.WriteString(" counted")
		}
		if p.NoAnswers > 0 {
			fmt.Fprintf(&b, " noanswer=%d/%dms", p.NoAnswers, p.NoAnswerMS)
		}
		if p.Target != "" {
			fmt.Fprintf(&b, " to=%s", p.Target)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// trimmed is a text without the indentation of the tables.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func TestAssemble(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		after  int64 // seconds at which somebody looks; 0: 10000
		events string
		want   string
	}{
		{"answered, the caller hangs up", 0, `
			0|sales|NONE|ENTERQUEUE||5550177|1
			12|sales|Iva Moss|CONNECT|12|1812528007.12|5
			213|sales|Iva Moss|COMPLETECALLER|12|201|1`, `
			ENTERQUEUE 0..213 COMPLETECALLER queue=sales agent=Iva Moss wait=12 waits=12 talk=201 overflow=1
			sales 0/12/213 answered COMPLETECALLER agent=Iva Moss wait=12 ring=5 talk=201`},
		{"hold and talk are what Asterisk says, not what rounded times say", 0, `
			0|sales|NONE|ENTERQUEUE||5550177|1
			13|sales|Iva Moss|CONNECT|12|1812528007.12|5
			213|sales|Iva Moss|COMPLETEAGENT|12|201|1`, `
			ENTERQUEUE 0..213 COMPLETEAGENT queue=sales agent=Iva Moss wait=12 waits=12 talk=201 overflow=1
			sales 0/13/213 answered COMPLETEAGENT agent=Iva Moss wait=12 ring=5 talk=201`},
		{"abandoned", 0, `
			0|sales|NONE|ENTERQUEUE||5550177|3
			31|sales|NONE|ABANDON|2|3|31`, `
			ENTERQUEUE 0..31 ABANDON queue=sales agent=NONE wait=31 waits=31 talk=0 overflow=1
			sales 0/-/31 abandoned ABANDON agent=NONE wait=31 ring=0 talk=0`},
		{"rang in vain, then timed out", 0, `
			0|slow|NONE|ENTERQUEUE||5550177|1
			4|slow|Agent Three|RINGNOANSWER|4000
			9|slow|Agent Three|RINGNOANSWER|4000
			12|slow|Agent Three|RINGNOANSWER|2000
			12|slow|NONE|EXITWITHTIMEOUT|1|1|12`, `
			ENTERQUEUE 0..12 EXITWITHTIMEOUT queue=slow agent=NONE wait=12 waits=12 talk=0 overflow=1
			slow 0/-/12 timeout EXITWITHTIMEOUT agent=NONE wait=12 ring=0 talk=0 noanswer=3/10000ms`},
		{"out with a key, new and old form", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			8|a|NONE|EXITWITHKEY|0|1|1|8
			9|b|NONE|ENTERQUEUE||5550177|1
			29|b|NONE|EXITWITHKEY|7|1`, `
			ENTERQUEUE 0..29 EXITWITHKEY queue=b agent=NONE wait=20 waits=28 talk=0 overflow=2
			a 0/-/8 key EXITWITHKEY agent=NONE wait=8 ring=0 talk=0
			b 9/-/29 key EXITWITHKEY agent=NONE wait=20 ring=0 talk=0`},
		{"overflow over three queues within seconds", 0, `
			0|b|NONE|ENTERQUEUE||5550177|1
			10|b|NONE|EXITWITHTIMEOUT|1|1|10
			10|c|NONE|ENTERQUEUE||5550177|1
			10|c|NONE|EXITEMPTY|1|1|0
			10|a|NONE|ENTERQUEUE||5550177|1
			17|a|Iva|CONNECT|7|1812528012.12|2
			47|a|Iva|COMPLETEAGENT|7|30|1`, `
			ENTERQUEUE 0..47 COMPLETEAGENT queue=a agent=Iva wait=7 waits=17 talk=30 overflow=3
			b 0/-/10 timeout EXITWITHTIMEOUT agent=NONE wait=10 ring=0 talk=0
			c 10/-/10 empty EXITEMPTY agent=NONE wait=0 ring=0 talk=0
			a 10/17/47 answered COMPLETEAGENT agent=Iva wait=7 ring=2 talk=30`},
		{"the same queue again in the second in which it was left", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			10|a|NONE|EXITWITHTIMEOUT|1|1|10
			10|a|NONE|ENTERQUEUE||5550177|2
			25|a|NONE|ABANDON|2|2|15`, `
			ENTERQUEUE 0..25 ABANDON queue=a agent=NONE wait=15 waits=25 talk=0 overflow=2
			a 0/-/10 timeout EXITWITHTIMEOUT agent=NONE wait=10 ring=0 talk=0
			a 10/-/25 abandoned ABANDON agent=NONE wait=15 ring=0 talk=0`},
		{"transferred blindly into another queue: two connects", 0, `
			0|sales|NONE|ENTERQUEUE||5550177|1
			5|sales|Iva|CONNECT|5|1812528001.12|4
			65|sales|Iva|BLINDTRANSFER|700|internal|5|60|1
			65|support|NONE|ENTERQUEUE||5550177|1
			70|support|Bob|CONNECT|5|1812528066.13|5
			100|support|Bob|COMPLETECALLER|5|30|1`, `
			ENTERQUEUE 0..100 COMPLETECALLER queue=support agent=Bob wait=5 waits=10 talk=90 overflow=2
			sales 0/5/65 answered BLINDTRANSFER agent=Iva wait=5 ring=4 talk=60 to=700@internal
			support 65/70/100 answered COMPLETECALLER agent=Bob wait=5 ring=5 talk=30`},
		{"transferred back into the same queue to the same agent, the transfer written late", 0, `
			0|sales|NONE|ENTERQUEUE||5550177|1
			5|sales|Iva|CONNECT|5|1812528001.12|4
			65|sales|NONE|ENTERQUEUE||5550177|1
			66|sales|Iva|BLINDTRANSFER|700|internal|5|61|1
			70|sales|Iva|CONNECT|5|1812528066.13|5
			100|sales|Iva|COMPLETECALLER|5|30|1`, `
			ENTERQUEUE 0..100 COMPLETECALLER queue=sales agent=Iva wait=5 waits=10 talk=91 overflow=2
			sales 0/5/66 answered BLINDTRANSFER agent=Iva wait=5 ring=4 talk=61 to=700@internal
			sales 65/70/100 answered COMPLETECALLER agent=Iva wait=5 ring=5 talk=30`},
		{"transfers: old form, attended to a bridge, attended by linked channels", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			1|a|Iva|CONNECT|1|1.12|1
			11|a|Iva|TRANSFER|701|default|1|10|1
			20|b|NONE|ENTERQUEUE||5550177|1
			22|b|Bob|CONNECT|2|1.13|1
			42|b|Bob|ATTENDEDTRANSFER|BRIDGE|9f3c|2|20|1
			50|c|NONE|ENTERQUEUE||5550177|1
			53|c|Eve|CONNECT|3|1.14|1
			83|c|Eve|ATTENDEDTRANSFER|LINK|PJSIP/a-01|PJSIP/b-02|3|30|1`, `
			ENTERQUEUE 0..83 ATTENDEDTRANSFER queue=c agent=Eve wait=3 waits=6 talk=60 overflow=3
			a 0/1/11 answered TRANSFER agent=Iva wait=1 ring=1 talk=10 to=701@default
			b 20/22/42 answered ATTENDEDTRANSFER agent=Bob wait=2 ring=1 talk=20 to=9f3c
			c 50/53/83 answered ATTENDEDTRANSFER agent=Eve wait=3 ring=1 talk=30 to=PJSIP/a-01 PJSIP/b-02`},
		{"an old transfer that says nothing of times", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|CONNECT|4|1.12
			30|a|Iva|TRANSFER|701|default`, `
			ENTERQUEUE 0..30 TRANSFER queue=a agent=Iva wait=4 waits=4 talk=26 overflow=1
			a 0/4/30 answered TRANSFER agent=Iva wait=4 ring=0 talk=26 to=701@default`},
		{"agents as channels", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|SIP/204-0000a1b2|CONNECT|4|1.12|2
			30|a|SIP/204-0000a1b2|COMPLETEAGENT|4|26|1`, `
			ENTERQUEUE 0..30 COMPLETEAGENT queue=a agent=SIP/204 wait=4 waits=4 talk=26 overflow=1
			a 0/4/30 answered COMPLETEAGENT agent=SIP/204 wait=4 ring=2 talk=26`},
		{"both hang up in one second: one talk", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|CONNECT|4|1.12|2
			30|a|Iva|COMPLETEAGENT|4|26|1
			30|a|Iva|COMPLETECALLER|4|26|1`, `
			ENTERQUEUE 0..30 COMPLETECALLER queue=a agent=Iva wait=4 waits=4 talk=26 overflow=1
			a 0/4/30 answered COMPLETECALLER agent=Iva wait=4 ring=2 talk=26`},
		{"the agent hangs up in the announcement, another takes it", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|AGENTDUMP|
			9|a|Bob|CONNECT|9|1.12|2
			30|a|Bob|COMPLETEAGENT|9|21|1`, `
			ENTERQUEUE 0..30 COMPLETEAGENT queue=a agent=Bob wait=9 waits=9 talk=21 overflow=1
			a 0/9/30 answered COMPLETEAGENT agent=Bob wait=9 ring=2 talk=21`},
		{"dumped by an agent, and nothing more", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|AGENTDUMP|`, `
			ENTERQUEUE 0..4 AGENTDUMP queue=a agent=NONE wait=4 waits=4 talk=0 overflow=1
			a 0/-/4 dumped AGENTDUMP agent=NONE wait=4 ring=0 talk=0`},
		{"dumped, and Asterisk starts again", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|AGENTDUMP|
			50|NONE|NONE|QUEUESTART|`, `
			ENTERQUEUE 0..4 AGENTDUMP queue=a agent=NONE wait=4 waits=4 talk=0 overflow=1
			a 0/-/4 dumped AGENTDUMP agent=NONE wait=4 ring=0 talk=0`},
		{"dumped, and in the next queue", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|AGENTDUMP|
			50|b|NONE|ENTERQUEUE||5550177|1`, `
			ENTERQUEUE 0..50 - queue=b agent=NONE wait=0 waits=4 talk=0 overflow=2
			a 0/-/4 dumped AGENTDUMP agent=NONE wait=4 ring=0 talk=0
			b 50/-/- waiting - agent=NONE wait=0 ring=0 talk=0`},
		{"no common codec, then gone", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|SYSCOMPAT|
			4|a|NONE|ABANDON|1|1|4`, `
			ENTERQUEUE 0..4 ABANDON queue=a agent=NONE wait=4 waits=4 talk=0 overflow=1
			a 0/-/4 abandoned ABANDON agent=NONE wait=4 ring=0 talk=0`},
		{"no common codec", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|SYSCOMPAT|`, `
			ENTERQUEUE 0..4 SYSCOMPAT queue=a agent=NONE wait=4 waits=4 talk=0 overflow=1
			a 0/-/4 incompatible SYSCOMPAT agent=NONE wait=4 ring=0 talk=0`},
		{"the caller gives up while a telephone rings", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|RINGCANCELED|3000
			7|a|NONE|ABANDON|1|1|7`, `
			ENTERQUEUE 0..7 ABANDON queue=a agent=NONE wait=7 waits=7 talk=0 overflow=1
			a 0/-/7 abandoned ABANDON agent=NONE wait=7 ring=0 talk=0`},
		{"another was faster: written late, changes nothing", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5
			8|a|Bob|RINGNOANSWER|5000
			9|a|Iva|COMPLETEAGENT|7|2|1`, `
			ENTERQUEUE 0..9 COMPLETEAGENT queue=a agent=Iva wait=7 waits=7 talk=2 overflow=1
			a 0/7/9 answered COMPLETEAGENT agent=Iva wait=7 ring=5 talk=2 noanswer=1/5000ms`},

		{"back in the same queue with another agent, an old transfer written late", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			5|a|Iva|CONNECT|5|1.12|4
			65|a|NONE|ENTERQUEUE||5550177|1
			66|a|Bob|CONNECT|1|1.13|1
			67|a|Iva|TRANSFER|701|default
			90|a|Bob|COMPLETEAGENT|1|24|1`, `
			ENTERQUEUE 0..90 COMPLETEAGENT queue=a agent=Bob wait=1 waits=6 talk=86 overflow=2
			a 0/5/67 answered TRANSFER agent=Iva wait=5 ring=4 talk=62 to=701@default
			a 65/66/90 answered COMPLETEAGENT agent=Bob wait=1 ring=1 talk=24`},
		{"dumped by one agent, offered to the next, still waiting", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|AGENTDUMP|
			9|a|Bob|RINGNOANSWER|4000`, `
			ENTERQUEUE 0..9 - queue=a agent=NONE wait=0 waits=0 talk=0 overflow=1
			a 0/-/- waiting - agent=NONE wait=0 ring=0 talk=0 noanswer=1/4000ms`},
		{"the agent is lost in the middle of a talk", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|CONNECT|4|1.12|1
			9|a|Iva|AGENTDUMP|`, `
			ENTERQUEUE 0..9 LOST queue=a agent=Iva wait=4 waits=4 talk=5 overflow=1
			a 0/4/9 answered LOST agent=Iva wait=4 ring=1 talk=5`},
		{"the caller gives up in the middle of a talk, of which the end is missing", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			4|a|Iva|CONNECT|4|1.12|1
			9|a|NONE|ABANDON|1|1|9`, `
			ENTERQUEUE 0..9 LOST queue=a agent=Iva wait=4 waits=4 talk=5 overflow=1
			a 0/4/9 answered LOST agent=Iva wait=4 ring=1 talk=5`},
		{"taken out of the queue", 0, `
			0|a|NONE|ENTERQUEUE||5550177|2
			30|a|NONE|WITHDRAW|1|2|30|to voicemail`, `
			ENTERQUEUE 0..30 WITHDRAW queue=a agent=NONE wait=30 waits=30 talk=0 overflow=1
			a 0/-/30 withdrawn WITHDRAW agent=NONE wait=30 ring=0 talk=0`},
		{"taken out of the queue, of whose beginning nothing is known", 0, `
			30|a|NONE|WITHDRAW|1|2|30|`, `
			WITHDRAW 30..30 WITHDRAW queue=a agent=NONE wait=30 waits=30 talk=0 overflow=1
			a 0/-/30 withdrawn WITHDRAW agent=NONE wait=30 ring=0 talk=0 counted`},

		{"still waiting", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1`, `
			ENTERQUEUE 0..0 - queue=a agent=NONE wait=0 waits=0 talk=0 overflow=1
			a 0/-/- waiting - agent=NONE wait=0 ring=0 talk=0`},
		{"still talking", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5`, `
			ENTERQUEUE 0..7 - queue=a agent=Iva wait=7 waits=7 talk=0 overflow=1
			a 0/7/- talking - agent=Iva wait=7 ring=5 talk=0`},
		{"answered once, waiting again", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5
			20|a|Iva|BLINDTRANSFER|b|x|7|13|1
			20|b|NONE|ENTERQUEUE||5550177|1`, `
			ENTERQUEUE 0..20 - queue=b agent=Iva wait=0 waits=7 talk=13 overflow=2
			a 0/7/20 answered BLINDTRANSFER agent=Iva wait=7 ring=5 talk=13 to=b@x
			b 20/-/- waiting - agent=NONE wait=0 ring=0 talk=0`},
		{"talking for 24 hours to the second", 86407, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5`, `
			ENTERQUEUE 0..7 - queue=a agent=Iva wait=7 waits=7 talk=0 overflow=1
			a 0/7/- talking - agent=Iva wait=7 ring=5 talk=0`},
		{"talking for longer: ended at the last event", 86408, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5
			8|a|Bob|RINGNOANSWER|5000`, `
			ENTERQUEUE 0..8 LOST queue=a agent=Iva wait=7 waits=7 talk=1 overflow=1
			a 0/7/8 answered LOST agent=Iva wait=7 ring=5 talk=1 noanswer=1/5000ms`},
		{"waiting for longer: lost", 86401, `
			0|a|NONE|ENTERQUEUE||5550177|1
			15|a|Bob|RINGNOANSWER|15000`, `
			ENTERQUEUE 0..15 LOST queue=a agent=NONE wait=15 waits=15 talk=0 overflow=1
			a 0/-/15 lost LOST agent=NONE wait=15 ring=0 talk=0 noanswer=1/15000ms`},
		{"the end of a long wait is known after all", 200000, `
			0|a|NONE|ENTERQUEUE||5550177|1
			90000|a|NONE|ABANDON|1|1|90000`, `
			ENTERQUEUE 0..90000 ABANDON queue=a agent=NONE wait=90000 waits=90000 talk=0 overflow=1
			a 0/-/90000 abandoned ABANDON agent=NONE wait=90000 ring=0 talk=0`},
		{"Asterisk starts anew while somebody waits", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			15|a|Bob|RINGNOANSWER|15000
			40|NONE|NONE|QUEUESTART|`, `
			ENTERQUEUE 0..15 LOST queue=a agent=NONE wait=15 waits=15 talk=0 overflow=1
			a 0/-/15 lost LOST agent=NONE wait=15 ring=0 talk=0 noanswer=1/15000ms`},
		{"Asterisk starts anew while somebody talks", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|Iva|CONNECT|7|1.12|5
			40|NONE|NONE|QUEUESTART|`, `
			ENTERQUEUE 0..7 LOST queue=a agent=Iva wait=7 waits=7 talk=0 overflow=1
			a 0/7/7 answered LOST agent=Iva wait=7 ring=5 talk=0`},
		{"Asterisk started before, and in the same second", 60, `
			-5|NONE|NONE|QUEUESTART|
			0|NONE|NONE|QUEUESTART|
			0|a|NONE|ENTERQUEUE||5550177|1`, `
			ENTERQUEUE 0..0 - queue=a agent=NONE wait=0 waits=0 talk=0 overflow=1
			a 0/-/- waiting - agent=NONE wait=0 ring=0 talk=0`},
		{"another Asterisk started, this call went on", 60, `
			0|a|NONE|ENTERQUEUE||5550177|1
			3|NONE|NONE|QUEUESTART|
			7|a|NONE|ABANDON|1|1|7`, `
			ENTERQUEUE 0..7 ABANDON queue=a agent=NONE wait=7 waits=7 talk=0 overflow=1
			a 0/-/7 abandoned ABANDON agent=NONE wait=7 ring=0 talk=0`},

		{"COMPLETEAGENT alone", 0, `
			100|a|Iva|COMPLETEAGENT|7|60|1`, `
			COMPLETEAGENT 100..100 COMPLETEAGENT queue=a agent=Iva wait=7 waits=7 talk=60 overflow=1
			a 33/40/100 answered COMPLETEAGENT agent=Iva wait=7 ring=0 talk=60 counted`},
		{"COMPLETEAGENT without CONNECT", 0, `
			30|a|NONE|ENTERQUEUE||5550177|1
			100|a|Iva|COMPLETEAGENT|7|60|1`, `
			ENTERQUEUE 30..100 COMPLETEAGENT queue=a agent=Iva wait=7 waits=7 talk=60 overflow=1
			a 30/40/100 answered COMPLETEAGENT agent=Iva wait=7 ring=0 talk=60`},
		{"CONNECT without ENTERQUEUE", 0, `
			20|a|Iva|CONNECT|7|1.12|5
			80|a|Iva|COMPLETEAGENT|7|60|1`, `
			CONNECT 20..80 COMPLETEAGENT queue=a agent=Iva wait=7 waits=7 talk=60 overflow=1
			a 13/20/80 answered COMPLETEAGENT agent=Iva wait=7 ring=5 talk=60 counted`},
		{"ABANDON alone", 0, `
			20|a|NONE|ABANDON|1|1|7`, `
			ABANDON 20..20 ABANDON queue=a agent=NONE wait=7 waits=7 talk=0 overflow=1
			a 13/-/20 abandoned ABANDON agent=NONE wait=7 ring=0 talk=0 counted`},
		{"rang in vain before anything is known, then answered", 0, `
			20|a|Bob|RINGNOANSWER|5000
			25|a|Iva|CONNECT|20|1.12|3
			35|a|Iva|COMPLETEAGENT|20|10|1`, `
			RINGNOANSWER 20..35 COMPLETEAGENT queue=a agent=Iva wait=20 waits=20 talk=10 overflow=1
			a 5/25/35 answered COMPLETEAGENT agent=Iva wait=20 ring=3 talk=10 counted noanswer=1/5000ms`},
		{"the exit from the first queue is missing", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			5|a|Bob|RINGNOANSWER|5000
			60|b|NONE|ENTERQUEUE||5550177|1
			67|b|Iva|CONNECT|7|1.12|5
			80|b|Iva|COMPLETEAGENT|7|13|1`, `
			ENTERQUEUE 0..80 COMPLETEAGENT queue=b agent=Iva wait=7 waits=67 talk=13 overflow=2
			a 0/-/60 lost LOST agent=NONE wait=60 ring=0 talk=0 noanswer=1/5000ms
			b 60/67/80 answered COMPLETEAGENT agent=Iva wait=7 ring=5 talk=13`},
		{"the transfer is missing", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			5|a|Bob|CONNECT|5|1.12|5
			60|b|NONE|ENTERQUEUE||5550177|1
			67|b|NONE|ABANDON|1|1|7`, `
			ENTERQUEUE 0..67 ABANDON queue=b agent=Bob wait=7 waits=12 talk=55 overflow=2
			a 0/5/60 answered LOST agent=Bob wait=5 ring=5 talk=55
			b 60/-/67 abandoned ABANDON agent=NONE wait=7 ring=0 talk=0`},
		{"an entry into the second queue is missing: nobody is in two queues", 0, `
			0|a|NONE|ENTERQUEUE||5550177|1
			30|a|NONE|EXITWITHTIMEOUT|1|1|30
			40|b|Iva|CONNECT|20|1.12|5
			50|b|Iva|COMPLETEAGENT|20|10|1`, `
			ENTERQUEUE 0..50 COMPLETEAGENT queue=b agent=Iva wait=20 waits=50 talk=10 overflow=2
			a 0/-/30 timeout EXITWITHTIMEOUT agent=NONE wait=30 ring=0 talk=0
			b 30/40/50 answered COMPLETEAGENT agent=Iva wait=20 ring=5 talk=10 counted`},
		{"linked channels alone", 0, `
			100|a|Iva|ATTENDEDTRANSFER|LINK|x|y|7|60|1`, `
			ATTENDEDTRANSFER 100..100 ATTENDEDTRANSFER queue=a agent=Iva wait=7 waits=7 talk=60 overflow=1
			a 33/40/100 answered ATTENDEDTRANSFER agent=Iva wait=7 ring=0 talk=60 counted to=x y`},
		{"a telephone that rang is all there is of the second queue", 200000, `
			0|a|NONE|ENTERQUEUE||5550177|1
			30|a|NONE|EXITWITHTIMEOUT|1|1|30
			32|b|Iva|RINGNOANSWER|5000`, `
			ENTERQUEUE 0..32 LOST queue=b agent=NONE wait=2 waits=32 talk=0 overflow=2
			a 0/-/30 timeout EXITWITHTIMEOUT agent=NONE wait=30 ring=0 talk=0
			b 30/-/32 lost LOST agent=NONE wait=2 ring=0 talk=0 counted noanswer=1/5000ms`},
		{"texts for numbers, negative times, years of waiting", 0, `
			0|a|NONE|ENTERQUEUE||5550177|first
			7|a|Iva|CONNECT|-3|1.12|soon
			20|a|Iva|COMPLETEAGENT|x|99999999|?`, `
			ENTERQUEUE 0..20 COMPLETEAGENT queue=a agent=Iva wait=7 waits=7 talk=13 overflow=1
			a 0/7/20 answered COMPLETEAGENT agent=Iva wait=7 ring=0 talk=13`},
		{"what a dialplan writes is about the call, not of it", 0, `
			-2|NONE|NONE|DID|5550100
			0|a|NONE|ENTERQUEUE||5550177|1
			7|a|NONE|ABANDON|1|1|7
			60|a|NONE|TAG|Sale`, `
			ENTERQUEUE 0..7 ABANDON queue=a agent=NONE wait=7 waits=7 talk=0 overflow=1
			a 0/-/7 abandoned ABANDON agent=NONE wait=7 ring=0 talk=0`},
		{"no call at all", 0, `
			0|NONE|NONE|DID|5550100
			0|a|Iva|ADDMEMBER|`, `
			- -..- - queue=NONE agent=NONE wait=0 waits=0 talk=0 overflow=0`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			events := script(t, test.events)
			now := time.UnixMicro(at(10000))
			if test.after != 0 {
				now = time.UnixMicro(at(test.after))
			}
			call := queues.Assemble(events, now)
			want := strings.Replace(trimmed(test.want), "- -..-", " -..-", 1)
			if diff := cmp.Diff(want, books(&call)); diff != "" {
				t.Fatal(diff)
			}
			checkBooks(t, &call)
			random := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				twice := slices.Concat(events, events[:random.IntN(len(events)+1)])
				random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
				before := slices.Clone(twice)
				if again := queues.Assemble(twice, now); !reflect.DeepEqual(again, call) {
					t.Fatalf("shuffled and with some twice:\n%v\n%s", twice, cmp.Diff(call, again))
				}
				if !slices.Equal(before, twice) {
					t.Fatal("the events were changed")
				}
			}
		})
	}
}

// checkBooks tests what holds for any call.
func checkBooks(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, c *queues.Call,
) {
	t.Helper()
	var f queues.Facts
	var w queues.Waits
	count(c, func(_ int64, _, _ string, g *queues.Facts) { f.Merge(g) })
	var waits, talk, noAnswers int64
	for i := range c.Passages {
		p := &c.Passages[i]
		waited(&w, p)
		waits += p.Wait
		talk += p.Talk
		noAnswers += p.NoAnswers
		ended, open := p.Ended != 0, p.Outcome.Open()
		if ended == open || ended != (p.End != "") || (p.Connected != 0) != (p.Outcome == queues.Talking || p.Outcome == queues.Answered) ||
			p.Agent != queues.None && p.Connected == 0 {
			t.Fatalf("passage %d contradicts itself: %+v", i, *p)
		}
		if p.Wait < 0 || p.Talk < 0 || p.Ring < 0 || p.Entered <= 0 || ended && p.Ended < p.Entered || p.Connected != 0 && p.Connected < p.Entered {
			t.Fatalf("passage %d has impossible times: %+v", i, *p)
		}
		if open && i < len(c.Passages)-1 {
			t.Fatalf("passage %d is open, and another began behind it", i)
		}
	}
	connected, unanswered := w.Total()
	if err := f.Check(); err != nil || f.Offered != int64(len(c.Passages)) || connected != f.Connected() || unanswered != f.Unanswered() {
		t.Fatalf("%d passages: %+v, %d connected and %d unanswered by their waits, %v", len(c.Passages), f, connected, unanswered, err)
	}
	if waits != c.Waits || talk != c.Talk || noAnswers != int64(len(c.NoAnswers)) || noAnswers != f.NoAnswers || c.Duration() < 0 ||
		len(c.Passages) > 0 && c.Open() != (c.Final == "") {
		t.Fatalf("the call does not add up: %+v", *c)
	}
}

func TestCallTexts(t *testing.T) {
	t.Parallel()
	call := queues.Assemble(script(t, `
		-2|NONE|NONE|DID|5550100
		0|a|NONE|ENTERQUEUE|http://crm/?1|5550177|2|R. Lund|Hot
		5|a|NONE|EXITWITHKEY|9|1|2|5
		6|b|NONE|ENTERQUEUE|http://crm/?2|5550177|3|R. Lund|Cold
		9|b|Iva|CONNECT|3|1812528007.12|2
		12|b|Iva|COMPLETEAGENT|3|3|3
		13|NONE|NONE|INFO|nothing`), time.UnixMicro(at(100)))
	p, q := call.Passages[0], call.Passages[1]
	got := []any{
		call.ID, call.DID, call.Tag, call.URL, call.Caller, p.URL, p.Caller, p.CallerName, p.Tag, p.Position, p.Left, p.Key, q.URL, q.Tag, q.Position, q.Channel,
		call.Duration(), p.Moment() - at(0), q.Moment() - at(0),
	}
	want := []any{
		"1812528000.11", "5550100", "Cold", "http://crm/?1", "5550177", "http://crm/?1", "5550177", "R. Lund", "Hot", int64(2), int64(1), "9", "http://crm/?2", "Cold", int64(3), "1812528007.12",
		int64(12), 5 * queues.Second, 9 * queues.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	call = queues.Assemble(script(t, "0|a|NONE|ENTERQUEUE||5550177|2||Hot\n9|NONE|NONE|TAG|Sale"), time.UnixMicro(at(100)))
	if call.Tag != "Sale" {
		t.Errorf("the tag is %q", call.Tag)
	}
}

// TestRealLog is what an Asterisk wrote into its table; the books were made by hand.
func TestRealLog(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("testdata/queue_log-table.txt")
	if err != nil {
		t.Fatal(err)
	}
	var p queues.Parser
	var starts []queues.Event
	calls := map[string][]queues.Event{}
	for i, line := range strings.Split(strings.TrimRight(string(table), "\n"), "\n") {
		if i == 0 {
			continue // names of the columns
		}
		f := strings.Split(line, "\t")
		e, err := p.ParseRow(f[1], f[2], f[3], f[4], f[5], f[6:]...)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		switch {
		case e.Kind == queues.QueueStart:
			starts = append(starts, e)
		case e.Kind.OfCall():
			calls[e.CallID] = append(calls[e.CallID], e)
		}
	}
	if len(starts) != 3 || len(calls) != 4 {
		t.Fatalf("%d starts and %d calls", len(starts), len(calls))
	}
	want := map[string]string{
		"1795211531.178": "support answered COMPLETECALLER Agent One 59899000003 wait=0 ring=0 talk=11 noanswer=0/0",
		"1795211531.179": "slow timeout EXITWITHTIMEOUT NONE 59899000004 wait=12 ring=0 talk=0 noanswer=3/10000",
		"1795211573.188": "support answered COMPLETECALLER Agent One 59899000003 wait=0 ring=0 talk=5 noanswer=0/0",
		"1795211593.194": "support answered COMPLETECALLER Agent One 59899000003 wait=0 ring=0 talk=3 noanswer=0/0",
	}
	var all queues.Facts
	for id, events := range calls {
		call := queues.Assemble(slices.Concat(starts, events), time.UnixMicro(p.Last))
		checkBooks(t, &call)
		count(&call, func(_ int64, _, _ string, f *queues.Facts) { all.Merge(f) })
		q := call.Passages[0]
		got := fmt.Sprintf("%s %s %s %s %s wait=%d ring=%d talk=%d noanswer=%d/%d", q.Queue, q.Outcome, q.End, q.Agent, call.Caller, q.Wait, q.Ring, q.Talk, q.NoAnswers, q.NoAnswerMS)
		if len(call.Passages) != 1 || got != want[id] {
			t.Errorf("%s: %s", id, got)
		}
	}
	if all.Offered != 4 || all.CompletedByCaller != 3 || all.TimedOut != 1 || all.Talked != 19 || all.NoAnswerMS != 10000 {
		t.Errorf("all together: %+v", all)
	}
}
