package queues

import (
	"cmp"
	"slices"
	"strings"
)

// Span is a stretch of time for which an agent was logged in, or paused.
type Span struct {
	Paused bool   // a pause; else a session
	Queue  string // None: a session or a pause for all queues (AGENTLOGIN, PAUSEALL)
	Reason string // of a pause, as the log has it
	Phone  bool   // a session that is itself a call (AGENTLOGIN): it ends when Asterisk does
	From   int64  // microseconds since 1970, UTC
	To     int64  // 0 = still open
}

// Seconds is how much of the span lies between two times; an open one goes on to the end. Parts add up to the whole.
func (s Span) Seconds(from, to int64) int64 {
	end := s.To
	if end == 0 {
		end = to
	}
	return seconds(max(s.From, from), min(end, to))
}

// Presence makes sessions and pauses of one agent (by AgentKey) from events, in any order, each as often as it likes to come; those that are
// not OfAgent are passed over. It begins with the spans that were open before the first of them, and gives those spans and the
// new ones, the open ones with To = 0, in the order of their beginning. To go on later, cut between two seconds: within one the log
// does not say what came first, so it is read in the way that makes sense (who was in goes out and comes in again).
//
//   - A session begins with ADDMEMBER, AGENTLOGIN or AGENTCALLBACKLOGIN and ends with REMOVEMEMBER or a logoff. A second beginning
//     changes nothing. A logoff without beginning counts it back from the seconds it names; a REMOVEMEMBER has none and is passed over.
//     Members written down in queues.conf have no sessions in the log.
//   - A pause begins with PAUSE and ends with UNPAUSE, the end of the session in that queue, or a PAUSE for another reason.
//     One in whose queue there is no session (members in queues.conf have none) ends after 12 hours at the latest.
//   - PAUSEALL is written beside the PAUSEs of each queue, without a reason. It pauses each queue that has a session; without
//     sessions it is one pause for queue None, which ends as soon as the agent works for any queue again. A PAUSE within a second of it
//     takes its place.
//   - QUEUESTART ends what was a call (Span.Phone). Members and pauses stay: Asterisk keeps them in its database or in ours.
func Presence(open []Span, events []Event) []Span {
	var near [32]int32
	order := arrange(events, near[:0])
	sorted := make([]*Event, len(order))
	for i, n := range order {
		sorted[i] = &events[n]
	}
	r := roster{}
	for _, s := range open {
		if s.To == 0 {
			r.open = append(r.open, s)
		}
	}
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].At == sorted[0].At {
			n++
		}
		r.moment(sorted[:n])
		sorted = sorted[n:]
	}
	spans := append(r.done, r.open...)
	slices.SortFunc(spans, compareSpans)
	return spans
}

// longestPause is after how long somebody who is in a pause without a session has forgotten it: no shift is longer.
const longestPause = 12 * 60 * 60 * Second

// roster is where one agent is logged in and paused. His queues are few: they are searched one by one.
type roster struct {
	open, done []Span
}

const (
	logins   = 1<<AgentLogin | 1<<AgentCallbackLogin | 1<<AddMember
	logoffs  = 1<<RemoveMember | 1<<AgentLogoff | 1<<AgentCallbackLogoff
	pauses   = 1 << Pause
	unpauses = 1 << Unpause
)

func (e *Event) is(kinds uint) bool { return kinds>>e.Kind&1 != 0 }

// moment takes the events of one time.
func (r *roster) moment(events []*Event) {
	r.forgotten(events[0].At)
	for _, e := range events {
		switch {
		case e.Kind == QueueStart:
			r.restart(e.At)
		case e.is(logins):
			if out := ofQueue(events, e.Queue, logoffs); out != nil && r.find(false, e.Queue) >= 0 && !r.ended(e) {
				r.logOff(out)
			}
			r.logIn(e)
		}
	}
	r.allQueues(events)
	for i, e := range events {
		if e.is(pauses|unpauses) && ofQueue(events[:i], e.Queue, pauses|unpauses) == nil {
			r.queue(e.Queue, events)
		}
	}
	for _, e := range events {
		if e.is(logoffs) && (ofQueue(events, e.Queue, logins) == nil || !r.ended(e)) {
			r.logOff(e)
		}
	}
}

// ofQueue is the first event of some kinds for a queue.
func ofQueue(events []*Event, queue string, kinds uint) *Event {
	for _, e := range events {
		if e.is(kinds) && e.Queue == queue {
			return e
		}
	}
	return nil
}

// allQueues takes PAUSEALL and UNPAUSEALL; of both in one moment that comes first which changes something.
func (r *roster) allQueues(events []*Event) {
	paused := slices.ContainsFunc(r.open, func(s Span) bool { return s.Paused })
	var pause, unpause *Event
	for _, e := range events {
		switch e.Kind {
		case PauseAll:
			pause = e
		case UnpauseAll:
			unpause = e
		default:
		}
	}
	if unpause != nil && paused {
		r.unpauseAll(unpause.At)
	}
	if pause != nil {
		r.pauseAll(pause)
	}
	if unpause != nil && !paused {
		r.unpauseAll(unpause.At)
	}
}

// queue takes PAUSE and UNPAUSE of one queue, in the same way.
func (r *roster) queue(queue string, events []*Event) {
	at := events[0].At
	i := r.find(true, queue)
	paused := i >= 0 && r.open[i].From < at
	unpause := ofQueue(events, queue, unpauses) != nil
	if unpause && paused {
		r.unpause(queue, at)
	}
	for _, e := range events {
		if e.is(pauses) && e.Queue == queue {
			r.pause(queue, e.Params[0], at)
		}
	}
	if unpause && !paused {
		r.unpause(queue, at)
	}
}

func (r *roster) logIn(e *Event) {
	if r.find(false, e.Queue) >= 0 {
		return
	}
	r.open = append(r.open, Span{Queue: e.Queue, Phone: e.Kind == AgentLogin, From: e.At})
	if e.Kind == AddMember && e.Params[0] == "PAUSED" {
		r.pause(e.Queue, "", e.At)
	}
}

func (r *roster) logOff(e *Event) {
	i := r.find(false, e.Queue)
	if i < 0 {
		if lasted, known := span(e.Params[1]); known && e.Kind != RemoveMember {
			phone := e.Kind == AgentLogoff
			r.done = append(r.done, Span{Queue: e.Queue, Phone: phone, From: e.At - lasted*Second, To: e.At})
		}
		return
	}
	r.end(i, e.At)
	r.gone(e.Queue, e.At)
}

// gone ends what pauses there were with the session of a queue, and with the last session.
func (r *roster) gone(queue string, at int64) {
	if i := r.find(true, queue); i >= 0 {
		r.end(i, at)
	}
	if slices.ContainsFunc(r.open, func(s Span) bool { return !s.Paused }) {
		return
	}
	if i := r.find(true, None); i >= 0 {
		r.end(i, at)
	}
}

// forgotten ends the pauses that were forgotten before a time.
func (r *roster) forgotten(at int64) {
	for i := len(r.open) - 1; i >= 0; i-- {
		if s := r.open[i]; s.Paused && s.From+longestPause <= at && r.find(false, s.Queue) < 0 {
			r.end(i, s.From+longestPause)
		}
	}
}

func (r *roster) restart(at int64) {
	for {
		i := slices.IndexFunc(r.open, func(s Span) bool { return s.Phone })
		if i < 0 {
			return
		}
		queue := r.open[i].Queue
		r.end(i, at)
		r.gone(queue, at)
	}
}

func (r *roster) pause(queue, reason string, at int64) {
	if i := r.find(true, queue); i >= 0 {
		switch {
		case reason == "" || reason == r.open[i].Reason:
			return
		case r.open[i].From == at, r.open[i].Reason == "" && at-r.open[i].From <= Second:
			r.open[i].Reason = reason
			return
		}
		r.end(i, at)
	}
	if i := r.find(true, None); i >= 0 && r.open[i].Reason == "" && at-r.open[i].From <= Second && queue != None {
		r.open = slices.Delete(r.open, i, i+1) // PAUSEALL, which this one belongs to
	}
	r.open = append(r.open, Span{Paused: true, Queue: queue, Reason: reason, From: at})
}

func (r *roster) unpause(queue string, at int64) {
	for _, q := range [...]string{queue, None} {
		if i := r.find(true, q); i >= 0 {
			r.end(i, at)
		}
	}
}

func (r *roster) pauseAll(e *Event) {
	anywhere := false
	for _, s := range slices.Clone(r.open) {
		if !s.Paused {
			anywhere = true
			r.pause(s.Queue, e.Params[0], e.At)
		}
	}
	if !anywhere {
		r.pause(None, e.Params[0], e.At)
	}
}

func (r *roster) unpauseAll(at int64) {
	for i := len(r.open) - 1; i >= 0; i-- {
		if r.open[i].Paused {
			r.end(i, at)
		}
	}
}

// find is where among the open ones the session or the pause of a queue is; -1 where there is none.
func (r *roster) find(paused bool, queue string) int {
	return slices.IndexFunc(r.open, func(s Span) bool { return s.Paused == paused && s.Queue == queue })
}

// end closes an open span.
func (r *roster) end(i int, at int64) {
	s := r.open[i]
	s.To = at
	r.done = append(r.done, s)
	r.open = slices.Delete(r.open, i, i+1)
}

// ended tells whether a session of the event's queue ended in the event's moment.
func (r *roster) ended(e *Event) bool {
	for i := len(r.done) - 1; i >= 0 && r.done[i].To == e.At; i-- {
		if !r.done[i].Paused && r.done[i].Queue == e.Queue {
			return true
		}
	}
	return false
}

// compareSpans is by beginning, sessions before pauses.
func compareSpans(a, b Span) int {
	if a.Paused != b.Paused && a.From == b.From {
		if b.Paused {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.From, b.From), strings.Compare(a.Queue, b.Queue), cmp.Compare(a.To, b.To), strings.Compare(a.Reason, b.Reason))
}

// Attendance is how long an agent was there in a range of time. Of ranges side by side it adds up (Merge).
type Attendance struct {
	Sessions int64 // that began in the range
	LoggedIn int64 // seconds in at least one session
	Pauses   int64 // that began in the range; a pause for three queues is three
	Paused   int64 // seconds in at least one pause
	Ready    int64 // seconds logged in and in no pause
	Reasons  []Reason
}

// Reason is the pauses for one reason.
type Reason struct {
	Reason  string // empty where none was given
	Pauses  int64
	Seconds int64 // with at least one of them
}

// Attend counts the spans of one agent from (included) to to (excluded), both as Event.At, to not after now. Hand in the spans of one queue to
// count that queue alone.
func Attend(spans []Span, from, to int64) Attendance {
	var r roster
	for _, s := range spans {
		if s.To == 0 {
			r.open = append(r.open, s)
		} else {
			r.done = append(r.done, s)
		}
	}
	r.forgotten(to)
	sorted := append(r.done, r.open...)
	slices.SortFunc(sorted, compareSpans)
	began := func(s Span) int64 {
		if s.From >= from && s.From < to {
			return 1
		}
		return 0
	}
	var a Attendance
	for _, s := range sorted {
		switch {
		case s.Seconds(from, to) == 0 && began(s) == 0:
		case !s.Paused:
			a.Sessions += began(s)
		default:
			a.Pauses += began(s)
			a.reason(s.Reason).Pauses += began(s)
		}
	}
	a.LoggedIn = covered(sorted, from, to, func(s Span) bool { return !s.Paused })
	a.Paused = covered(sorted, from, to, func(s Span) bool { return s.Paused })
	a.Ready = covered(sorted, from, to, func(Span) bool { return true }) - a.Paused
	for i := range a.Reasons {
		r := &a.Reasons[i]
		r.Seconds = covered(sorted, from, to, func(s Span) bool { return s.Paused && s.Reason == r.Reason })
	}
	return a
}

// reason finds the pauses for a reason, or makes them.
func (a *Attendance) reason(text string) *Reason {
	i, there := slices.BinarySearchFunc(a.Reasons, text, func(r Reason, text string) int { return strings.Compare(r.Reason, text) })
	if !there {
		a.Reasons = slices.Insert(a.Reasons, i, Reason{Reason: text})
	}
	return &a.Reasons[i]
}

// Merge adds the same agent's attendance in another range, or another agent's.
func (a *Attendance) Merge(b Attendance) {
	a.Sessions += b.Sessions
	a.LoggedIn += b.LoggedIn
	a.Pauses += b.Pauses
	a.Paused += b.Paused
	a.Ready += b.Ready
	for _, more := range b.Reasons {
		r := a.reason(more.Reason)
		r.Pauses += more.Pauses
		r.Seconds += more.Seconds
	}
}

// covered is the seconds of a range in which at least one of some spans was. They are in the order of their beginning.
func covered(spans []Span, from, to int64, which func(Span) bool) int64 {
	total := int64(0)
	for _, s := range spans {
		if which(s) {
			total += s.Seconds(from, to)
			if s.To == 0 {
				return total
			}
			from = max(from, s.To)
		}
	}
	return total
}
