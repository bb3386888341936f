package store

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"talktime/queues"
)

// Bounds of what is kept of one call: somebody may write a log in which all lines are of the same one. The earliest events are kept,
// so that it does not matter in which order they come.
const (
	maxCallEvents = 20_000
	maxCallBytes  = 2 << 20 // of its lines
)

// Bytes of texts in columns.
const (
	maxQueueText = 100
	maxQueueURL  = 255
	maxQueueKey  = 20
)

// noAnswerOutcome stands in queue_items for a telephone that rang in vain.
const noAnswerOutcome = 100

// finalNames are the final events by their numbers in queue_items, which stay as they are.
var finalNames = [...]string{ //nolint:gochecknoglobals // a table
	"", queues.LostEvent, "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY",
	"EXITWITHKEY", "AGENTDUMP", "SYSCOMPAT", "CONNECT", "ENTERQUEUE", "RINGNOANSWER", "RINGCANCELED",
	"WITHDRAW",
}

func finalNumber(name string) uint8 {
	return uint8(max(slices.Index(finalNames[:], name), 0)) //nolint:gosec // few
}

// ofCall tells whether an event belongs to a call, and stands among its lines.
func ofCall(e *queues.Event) bool {
	switch e.CallID {
	case "", queues.None, "REALTIME", "MANAGER", "CLI":
		return false
	}
	return true
}

// queueCall is a call whose books are made.
type queueCall struct {
	id     string
	events []queues.Event // that were read; then all, each once and in order

	stored bool   // it is in the tables
	log    []byte // its lines there; then as they are to be
	books  queues.Call
	before []queueItem // in the tables
	items  []queueItem
}

// add puts the events that were read to those that are stored, and tells whether there are others now: how many more, and for how many
// there is no room. log is then what is to be stored.
func (c *queueCall) add() (changed bool, more, beyond int) {
	old := c.log
	c.arrange()
	if c.log, beyond = c.lines(); bytes.Equal(c.log, old) {
		return false, 0, beyond
	}
	if len(old) == 0 {
		return len(c.log) > 0, len(c.events), beyond
	}
	stored := parseLines(string(old))
	c.events = append(c.events, stored...)
	c.arrange()
	c.log, more = c.lines()
	return !bytes.Equal(c.log, old), max(len(c.events)-len(stored), 0), beyond + more
}

// arrange puts events into order, each once.
func (c *queueCall) arrange() {
	for i := 1; i < len(c.events); i++ {
		if queues.Compare(&c.events[i-1], &c.events[i]) >= 0 {
			slices.SortFunc(c.events, func(a, b queues.Event) int { return queues.Compare(&a, &b) })
			c.events = slices.Compact(c.events)
			return
		}
	}
}

// lines writes the events down as far as there is room, and forgets those beyond.
func (c *queueCall) lines() (log []byte, beyond int) {
	log = make([]byte, 0, 64*len(c.events))
	kept := c.events[:0]
	for i := range c.events {
		end := len(log)
		log = append(c.events[i].AppendTo(log), '\n')
		switch {
		case len(log)-end > queues.MaxLine: // nobody could read it again
			log = log[:end]
			beyond++
			continue
		case len(kept) == maxCallEvents || len(log) > maxCallBytes:
			beyond += len(c.events) - i
			c.events = kept
			return log[:end], beyond
		}
		kept = append(kept, c.events[i])
	}
	c.events = kept
	return log, beyond
}

// parseLines reads events as they are stored.
func parseLines(log string) []queues.Event {
	events := make([]queues.Event, 0, len(log)/48+1)
	var p queues.Parser
	for len(log) > 0 {
		line := log
		if i := strings.IndexByte(log, '\n'); i >= 0 {
			line, log = log[:i], log[i+1:]
		} else {
			log = ""
		}
		if e, err := p.Parse(line); err == nil {
			events = append(events, e)
		}
	}
	return events
}

// assemble makes the books.
func (c *queueCall) assemble(restart int64, now time.Time) {
	events := c.events
	if restart != 0 && len(events) > 0 {
		start := queues.Event{At: restart, Kind: queues.QueueStart, CallID: queues.None, Queue: queues.None, Agent: queues.None, Name: "QUEUESTART"}
		at, _ := slices.BinarySearchFunc(events, start, func(a, b queues.Event) int { return queues.Compare(&a, &b) })
		events = slices.Insert(events[:len(events):len(events)], at, start)
	}
	c.books = queues.Assemble(events, now)
}

// queueItem is a row of queue_items.
type queueItem struct {
	moment       int64
	n            int32
	queue, agent int32
	outcome      uint8
	final        uint8
	counted      bool
	entered      int64
	ended        int64
	wait         int64
	ring         int64
	talk         int64
	place        int64
	caller       string
	url          string
	did          string
	pressed      string
}

// over tells whether reports count it.
func (i *queueItem) over() bool { return !queues.Outcome(i.outcome).Open() }

// itemsOf are the rows of a call; number gives the numbers of names.
func itemsOf(c *queues.Call, number func(agent bool, name string) int32) []queueItem {
	if len(c.Passages)+len(c.NoAnswers) == 0 {
		return nil
	}
	items := make([]queueItem, 0, len(c.Passages)+len(c.NoAnswers))
	did := queueText(c.DID, maxQueueText)
	for n := range c.Passages {
		p := &c.Passages[n]
		items = append(items, queueItem{
			moment: p.Moment(), n: int32(n), queue: number(false, p.Queue), agent: number(true, p.Agent),
			outcome: uint8(p.Outcome), final: finalNumber(p.End), counted: p.Counted, entered: p.Entered, ended: p.Ended, wait: p.Wait, ring: p.Ring, talk: p.Talk,
			place: p.Left, caller: queueText(p.Caller, maxQueueText), url: queueText(p.URL, maxQueueURL), did: did, pressed: queueText(p.Key, maxQueueKey),
		})
	}
	for n := range c.NoAnswers {
		a := &c.NoAnswers[n]
		items = append(items, queueItem{
			moment: a.At, n: int32(-1 - n), queue: number(false, a.Queue), agent: number(true, a.Agent),
			outcome: noAnswerOutcome, ring: a.Millis,
		})
	}
	return items
}

// openSince is when the passage began that still goes on, the talk if there is one; false when none does.
func openSince(c *queues.Call) (int64, bool) {
	if !c.Open() {
		return 0, false
	}
	last := &c.Passages[len(c.Passages)-1]
	return max(last.Entered, last.Connected), true
}

// queueText is the begin of a text as a column takes it.
func queueText(text string, most int) string {
	if len(text) <= most && utf8.ValidString(text) {
		return text
	}
	text = string(bytes.ToValidUTF8([]byte(text), []byte("?")))
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// searchedTexts are caller, URL, DID and tag of a call as a search looks at them in queue_calls: NULL when a text is too long, or when
// passages or notes say something else, of which somebody may see that one alone. Then the lines decide.
func searchedTexts(c *queues.Call) (texts [4]any) {
	for i, text := range [...]struct {
		text string
		most int
	}{{c.Caller, maxQueueText}, {c.URL, maxQueueURL}, {c.DID, maxQueueText}, {c.Tag, maxQueueText}} {
		if len(text.text) <= text.most {
			texts[i] = text.text
		}
	}
	differ := func(text, whole string) bool { return text != "" && text != whole }
	for i := range c.Passages {
		p := &c.Passages[i]
		if differ(p.Caller, c.Caller) {
			texts[0] = nil
		}
		if differ(p.URL, c.URL) {
			texts[1] = nil
		}
		if differ(p.Tag, c.Tag) {
			texts[3] = nil
		}
	}
	for _, n := range c.Notes {
		switch {
		case n.Name == "DID" && n.Text != c.DID:
			texts[2] = nil
		case n.Name == "TAG" && n.Text != c.Tag:
			texts[3] = nil
		}
	}
	return texts
}
