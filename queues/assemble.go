package queues

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Lifetime is how long a caller waits or talks at most: of whom the log has said nothing else for longer, it has missed the end.
const Lifetime = 24 * time.Hour

const (
	reach = 64         // passages back in which an event looks for its own: bounds the work of a log that somebody made up
	slack = 2 * Second // times that are counted back meet within this
)

// Assemble makes the books of one call from its events, in any order, each as often as it likes to come. The same events make the
// same books; events that come later correct them.
//
// Add to them the QUEUESTARTs of the log, the last one at least: when Asterisk started again, what was open had ended, at the last
// event that is known of it. So has what has been open for longer than Lifetime at now, and a passage behind which another one began;
// the latter at that moment. Their outcome is Answered where an agent was connected, else Lost; their final event is LostEvent.
// Other events without a call, and those of agents, are passed over.
func Assemble(events []Event, now time.Time) Call {
	var near [32]int32
	order := arrange(events, near[:0])
	a := assembly{call: Call{Queue: None, Agent: None}}
	entries := 0
	for _, n := range order {
		if events[n].Kind == EnterQueue {
			entries++
		}
	}
	if len(order) > 0 {
		a.call.Passages = make([]Passage, 0, max(entries, 1))
	}
	for _, n := range order {
		e := &events[n]
		switch {
		case e.Kind == QueueStart:
			a.restart = e.At
		case e.Kind == Custom:
			a.note(e)
		case e.Kind.OfCall():
			a.take(e)
		}
	}
	if len(a.call.Passages) == 0 {
		a.call.Passages = nil
		a.call.noted(a.call.Notes)
		return a.call
	}
	a.finish(now.UnixMicro())
	a.call.noted(a.call.Notes)
	return a.call
}

// arrange puts the numbers of the events into order, each different event once.
func arrange(events []Event, order []int32) []int32 {
	sorted := true
	for i := range events {
		if i > 0 && Compare(&events[i-1], &events[i]) >= 0 {
			sorted = false
		}
		order = append(order, int32(i))
	}
	if sorted {
		return order
	}
	slices.SortFunc(order, func(i, j int32) int { return Compare(&events[i], &events[j]) })
	return slices.CompactFunc(order, func(i, j int32) bool { return events[i] == events[j] })
}

// assembly is a call that is being put together. Its passages are in the order in which events mentioned them first.
type assembly struct {
	call    Call
	restart int64
}

// note takes what dialplans write about a call.
func (a *assembly) note(e *Event) {
	c := &a.call
	if c.ID == "" && e.CallID != None {
		c.ID = e.CallID
	}
	if n := (Note{Name: e.Name, Queue: e.Queue, Agent: AgentKey(e.Agent), Text: e.Params[0]}); n.Text != "" && (n.Name == "DID" || n.Name == "TAG") {
		c.Notes = append(c.Notes, n)
	}
}

func (a *assembly) take(e *Event) {
	c := &a.call
	if c.First == "" {
		c.ID, c.First, c.Start = e.CallID, e.Name, e.At
	}
	switch e.Kind {
	case EnterQueue:
		a.enter(e)
	case RingNoAnswer, RingCanceled:
		a.ring(e)
	case AgentDump, SysCompat:
		a.fail(e)
	case Connect:
		a.connect(e)
	case CompleteAgent, CompleteCaller, Transfer, BlindTransfer, AttendedTransfer:
		a.hangUp(e)
	default:
		a.leave(e)
	}
	c.End = max(c.End, e.At)
}

// enter begins a passage. Which one an exit of the same second belongs to is found by how long it took, not by their order.
func (a *assembly) enter(e *Event) {
	position, _ := number(e.Params[2])
	a.call.Passages = append(a.call.Passages, Passage{
		Queue: e.Queue, Entered: e.At, URL: e.Params[0], Caller: e.Params[1], Position: position, CallerName: e.Params[3], Tag: e.Params[4],
		Agent: None, Last: e.At,
	})
}

// begin makes a passage of which the log has no beginning. Nobody is in two queues at once: it begins behind the last event so far.
func (a *assembly) begin(e *Event, entered int64) *Passage {
	a.call.Passages = append(a.call.Passages, Passage{
		Queue: e.Queue, Entered: min(max(entered, a.call.End), e.At), Counted: true, Agent: None, Last: e.At,
	})
	return &a.call.Passages[len(a.call.Passages)-1]
}

// recount counts the beginning of a passage back from what is known now, if the log does not have it.
func (a *assembly) recount(p *Passage, entered int64, known bool) {
	if !p.Counted || !known {
		return
	}
	passages, floor := a.call.Passages, int64(0)
	for i := max(len(passages)-reach, 0); i < len(passages) && &passages[i] != p; i++ {
		floor = max(floor, passages[i].Last)
	}
	p.Entered = max(min(p.Entered, entered), floor)
}

// ring notes whose telephone rang in vain.
func (a *assembly) ring(e *Event) {
	millis, _ := span(e.Params[0])
	began := e.At - millis*1000
	p := a.nearest(e, began, func(p *Passage) (int64, bool) { return p.Entered, p.waits() && p.Entered <= began })
	if p == nil {
		p = a.nearest(e, began, func(p *Passage) (int64, bool) { return p.Entered, p.waits() })
	}
	if p == nil { // another agent was faster, or the caller: written a little late
		p = a.nearest(e, began, func(p *Passage) (int64, bool) { return p.Entered, p.Ended == 0 || began <= p.Ended })
	}
	if p == nil {
		p = a.begin(e, began)
	}
	if p.waits() {
		p.End = "" // dumped by one agent, offered to the next
	}
	p.Last = max(p.Last, e.At)
	if e.Kind == RingNoAnswer {
		p.NoAnswers++
		p.NoAnswerMS += millis
		a.call.NoAnswers = append(a.call.NoAnswers, NoAnswer{At: e.At, Queue: e.Queue, Agent: AgentKey(e.Agent), Millis: millis})
	}
}

// fail notes that a caller was not put through after all. He may still be in the queue: it is the end only if nothing follows.
func (a *assembly) fail(e *Event) {
	p := a.nearest(e, e.At, func(p *Passage) (int64, bool) { return p.Entered, p.waits() })
	if p == nil {
		if p = a.talk(e, e.At, false); p != nil {
			p.hangUp(e, 0, false)
			p.End = LostEvent
			return
		}
		p = a.begin(e, e.At)
	}
	p.End, p.Last = e.Name, e.At
}

func (a *assembly) connect(e *Event) {
	hold, known := span(e.Params[0])
	p := a.nearest(e, e.At-hold*Second, func(p *Passage) (int64, bool) { return p.Entered, p.waits() })
	if p == nil {
		p = a.begin(e, e.At-hold*Second)
	}
	a.recount(p, e.At-hold*Second, known)
	if !known {
		hold = seconds(p.Entered, e.At)
	}
	p.Agent, p.Channel, p.Connected, p.Wait, p.Last, p.End = AgentKey(e.Agent), e.Params[1], e.At, hold, e.At, ""
	p.Ring, _ = span(e.Params[2])
}

// hangUp ends a talk.
func (a *assembly) hangUp(e *Event) {
	hold, talk, position := talked(e)
	lasted, known := span(talk)
	waited, holdKnown := span(hold)
	connected := e.At - lasted*Second
	p := a.talk(e, connected, known)
	if p == nil { // its CONNECT is missing
		p = a.nearest(e, connected-waited*Second, func(p *Passage) (int64, bool) { return p.Entered, p.waits() })
	}
	if p == nil {
		p = a.begin(e, connected-waited*Second)
	}
	if p.Connected == 0 {
		a.recount(p, connected-waited*Second, holdKnown && known)
		p.Agent, p.Connected = AgentKey(e.Agent), max(connected, p.Entered)
		if p.Wait = waited; !holdKnown {
			p.Wait = seconds(p.Entered, p.Connected)
		}
	}
	if p.Position == 0 {
		p.Position, _ = number(position)
	}
	p.hangUp(e, lasted, known)
	p.Target = target(e)
}

// talk finds the talk that began at a moment, if that is known: with this agent; else one that had ended already, since there are two
// ends in the log when both hang up at once; else with any agent.
func (a *assembly) talk(e *Event, connected int64, known bool) *Passage {
	agent := AgentKey(e.Agent)
	p := a.nearest(e, connected, func(p *Passage) (int64, bool) { return p.Connected, p.talks() && p.Agent == agent })
	if p == nil {
		p = a.nearest(e, connected, func(p *Passage) (int64, bool) {
			same := p.Ended != 0 && p.Connected != 0 && p.Agent == agent
			return p.Connected, same && (known && apart(p.Connected, connected) <= slack || !known && apart(p.Ended, e.At) <= slack)
		})
	}
	if p == nil {
		p = a.nearest(e, connected, func(p *Passage) (int64, bool) { return p.Connected, p.talks() })
	}
	return p
}

// leave ends waiting in a queue.
func (a *assembly) leave(e *Event) {
	key, position, original, wait := left(e)
	lasted, known := span(wait)
	entered := e.At - lasted*Second
	p := a.nearest(e, entered, func(p *Passage) (int64, bool) { return p.Entered, p.waits() })
	if p == nil { // two ends of one passage; who talked, did not leave before
		p = a.nearest(e, entered, func(p *Passage) (int64, bool) {
			return p.Entered, known && apart(p.Entered, entered) <= slack || !known && (p.Ended == 0 || apart(p.Ended, e.At) <= slack)
		})
	}
	if p == nil {
		p = a.begin(e, entered)
	}
	if p.Connected != 0 {
		if p.talks() {
			p.hangUp(e, 0, false)
			p.End = LostEvent // what ends talks is missing
		}
		return
	}
	a.recount(p, entered, known)
	if p.Wait = lasted; !known {
		p.Wait = seconds(p.Entered, e.At)
	}
	p.Left, _ = number(position)
	if p.Position == 0 {
		p.Position, _ = number(original)
	}
	p.Key, p.End, p.Last, p.Ended, p.Outcome = key, e.Name, e.At, e.At, outcomeOf(e.Kind)
}

// nearest finds among the passages through the queue of an event, whose times fit, the one whose time is nearest to what is expected;
// of two equally near the first.
func (a *assembly) nearest(e *Event, expected int64, fits func(*Passage) (int64, bool)) *Passage {
	passages := a.call.Passages
	var found *Passage
	var distance int64
	for i := max(len(passages)-reach, 0); i < len(passages); i++ {
		p := &passages[i]
		if p.Queue != e.Queue {
			continue
		}
		at, ok := fits(p)
		if d := apart(at, expected); ok && (found == nil || d < distance) {
			found, distance = p, d
		}
	}
	return found
}

func (p *Passage) waits() bool { return p.Ended == 0 && p.Connected == 0 }
func (p *Passage) talks() bool { return p.Ended == 0 && p.Connected != 0 }

// hangUp ends the talk of a passage.
func (p *Passage) hangUp(e *Event, talk int64, known bool) {
	if p.Talk = talk; !known {
		p.Talk = seconds(p.Connected, e.At)
	}
	p.End, p.Last, p.Ended, p.Outcome = e.Name, e.At, e.At, Answered
}

// finish gives passages that have no end theirs, puts them into order, and sums up.
func (a *assembly) finish(now int64) {
	c := &a.call
	slices.SortStableFunc(c.Passages, byTime)
	for i := range c.Passages {
		p := &c.Passages[i]
		switch {
		case p.Ended != 0:
		case p.End != "":
			p.Ended, p.Outcome = p.Last, outcomeOf(KindOf(p.End))
			p.Wait = seconds(p.Entered, p.Ended)
		case i+1 < len(c.Passages):
			p.lose(max(p.Last, c.Passages[i+1].Entered))
		case a.restart > c.End || now-max(p.Entered, p.Connected) > Lifetime.Microseconds():
			p.lose(p.Last)
		case p.Connected != 0:
			p.Outcome = Talking
		}
		c.sum(p)
	}
}

// byTime is the order in which passages began; of two that began in one second the one that ended first.
func byTime(a, b Passage) int {
	ended := func(p *Passage) int64 {
		if p.Ended == 0 {
			return math.MaxInt64
		}
		return p.Ended
	}
	return cmp.Or(cmp.Compare(a.Entered, b.Entered), cmp.Compare(ended(&a), ended(&b)), cmp.Compare(a.Last, b.Last))
}

// lose ends a passage of whose end the log has nothing.
func (p *Passage) lose(at int64) {
	p.Ended, p.End, p.Outcome = at, LostEvent, Lost
	if p.Connected != 0 {
		p.Outcome, p.Talk = Answered, seconds(p.Connected, at)
		return
	}
	p.Wait = seconds(p.Entered, at)
}

func outcomeOf(kind Kind) Outcome {
	switch kind {
	case Abandon:
		return Abandoned
	case ExitWithTimeout:
		return TimedOut
	case ExitEmpty:
		return Emptied
	case ExitWithKey:
		return Keyed
	case Withdraw:
		return Withdrawn
	case AgentDump:
		return Dumped
	case SysCompat:
		return Incompatible
	default:
		return Lost
	}
}

// talked are hold time, talk time and original position of an event that ends a talk, as texts.
func talked(e *Event) (hold, talk, position string) {
	switch p := &e.Params; e.Kind {
	case CompleteAgent, CompleteCaller:
		return p[0], p[1], p[2]
	case AttendedTransfer:
		if p[0] == "LINK" { // names two channels where others have one thing
			talk, position = cut(p[4])
			return p[3], talk, position
		}
		return p[2], p[3], p[4]
	default:
		return p[2], p[3], p[4]
	}
}

// left are key, position, original position and waiting time of an event that ends waiting, as texts.
func left(e *Event) (key, position, original, wait string) {
	p := &e.Params
	if e.Kind == ExitWithKey {
		return p[0], p[1], p[2], p[3]
	}
	return "", p[0], p[1], p[2]
}

// target is where a transfer went.
func target(e *Event) string {
	p := &e.Params
	switch {
	case e.Kind == AttendedTransfer && p[0] == "LINK":
		return p[1] + " " + p[2]
	case e.Kind == AttendedTransfer:
		return p[1]
	case e.Kind != Transfer && e.Kind != BlindTransfer:
		return ""
	case p[1] == "":
		return p[0]
	default:
		return p[0] + "@" + p[1]
	}
}

func cut(text string) (before, after string) {
	for i := range len(text) {
		if text[i] == '|' {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// span reads a duration, in seconds or milliseconds. One of more than 100 days is none.
func span(text string) (int64, bool) {
	n, ok := number(text)
	if !ok || n > 8_640_000 {
		return 0, false
	}
	return n, true
}

func apart(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}
