package queues_test

import (
	"fmt"
	"time"

	"talktime/queues"
)

// A file is cut into lines and parsed; the events of a call become its books; the books are counted, and the figures come from
// the counts.
func Example() {
	lines := queues.NewLines(0)
	_, _ = lines.Write([]byte(`1812528928|1812528928.11|sales|NONE|ENTERQUEUE||5550177|1
1812528940|1812528928.11|sales|Iva Moss|CONNECT|12|1812528935.12|5
1812529141|1812528928.11|sales|Iva Moss|COMPLETECALLER|12|201|1
18125291`))

	var parser queues.Parser
	var events []queues.Event
	for lines.Next() {
		event, err := parser.Parse(lines.Line())
		if err != nil {
			fmt.Println(err)
			continue
		}
		events = append(events, event)
	}
	fmt.Println(len(events), "events; go on at byte", lines.End())

	call := queues.Assemble(events, time.Unix(1812529200, 0))
	p := call.Passages[0]
	fmt.Println(p.Queue, p.Agent, p.Outcome, p.End, "waited", p.Wait, "rang", p.Ring, "talked", p.Talk)

	var facts queues.Facts
	for i := range call.Passages {
		facts.Add(&call.Passages[i])
	}
	fmt.Println("ASA", facts.ASA(), "AHT", facts.AHT(10))
	fmt.Println(queues.ByHoldTime(&facts).Rows[0])
	// Output:
	// 3 events; go on at byte 189
	// sales Iva Moss answered COMPLETECALLER waited 12 rang 5 talked 201
	// ASA 12.00 AHT 211.00
	// [15 1 1 100.00]
}

// Sessions and pauses of an agent. What is open goes on to the end of the range.
func ExamplePresence() {
	var parser queues.Parser
	var events []queues.Event
	for _, line := range []string{
		"1812528000|MANAGER|sales|Iva Moss|ADDMEMBER|",
		"1812531600|NONE|sales|Iva Moss|PAUSE|lunch",
		"1812533400|NONE|sales|Iva Moss|UNPAUSE|",
	} {
		event, err := parser.Parse(line)
		if err != nil {
			fmt.Println(err)
			return
		}
		events = append(events, event)
	}
	spans := queues.Presence(nil, events)
	a := queues.Attend(spans, 1812528000*queues.Second, 1812542400*queues.Second)
	fmt.Println(a.LoggedIn, a.Paused, a.Ready, a.Reasons)
	// Output:
	// 14400 1800 12600 [{lunch 1 1800}]
}
