package midcall

import (
	"time"

	"talktime/billing"
)

const (
	hangOver  = 300 * time.Millisecond  // that the callee's channel may outlive the caller's
	answering = 200 * time.Millisecond  // from the event of the answer until Dial has surely set its own limit
	ending    = time.Second             // that the caller's timer is behind the callee's
	overdue   = 1200 * time.Millisecond // after its last second, at which a call must have ended
	checking  = 10 * time.Second        // between looks whether calls whose end is overdue are still there
	nearly    = 250 * time.Millisecond  // before the end of a slice: the next one comes late
)

// unplaced is the second at which the timers end a call when they do not, or nobody knows.
const unplaced = -1

// call is a call that is kept. Seconds are those of the hold's limit, in which what had passed before the dial counts.
type call struct {
	system            *system
	uniqueID, channel string // of the caller
	id                string // billing's
	user              int64
	identity          billing.Identity
	leg               int
	slice             int64
	base              time.Duration // that had passed before the dial

	// What follows belongs to the Service's mutex.
	answered time.Time // zero: it rings
	callee   string    // unique id of who is talked with; "": nobody, or he has gone
	heard    time.Time // when the channels were told last by an event, or by a call script
	dialled  time.Time
	deadline time.Time // of a call that rings: it must have ended then

	limit, until int64     // as billing said last
	last         int64     // second at which it will end if nothing changes, extended as it may be; 0: not known
	placed       int64     // second at which the timers end the call
	edge         int64     // until, before it grew
	grown        time.Time // when the slice that is not placed yet was due; zero: all are
	short        bool      // there was nothing to extend it with
	refused      bool      // no limit can be set for this callee
	warned       bool
	alone        bool      // the callee has gone, and the caller may have got another one
	hung         time.Time // when the caller's channel had ended; zero: it has not
	cut          string    // why it is hung up; "": it is not
	ended        bool      // Asterisk was told so

	next    time.Time // when it is looked at; zero: when something happens
	look    bool      // something has happened that billing must be asked about
	unsure  bool      // billing could not be asked: the channel may have another call by now
	pending bool      // billing has said how long it may last, but Asterisk did not answer
	busy    bool
	gone    bool // it is not kept any more
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// elapsed is how much of the limit has passed. It is 0 before the answer, and more from then on.
func (c *call) elapsed(now time.Time) time.Duration {
	if c.answered.IsZero() {
		return 0
	}
	return c.base + max(now.Sub(c.answered), 1)
}

// at is when so much of the limit has passed.
func (c *call) at(elapsed time.Duration) time.Time { return c.answered.Add(elapsed - c.base) }

// talks reports whether somebody is talked with whose timer can be moved.
func (c *call) talks() bool {
	return !c.answered.IsZero() && c.callee != "" && !c.refused && c.hung.IsZero()
}

// end is when the call must have ended.
func (c *call) end() time.Time {
	if c.answered.IsZero() {
		return c.deadline
	}
	return c.at(seconds(c.until))
}

// keep takes a call up, in the place of an earlier dial of its channel. Who only says the channel's id, as another peer may, takes nobody's
// place. It is called with the lock held.
func (s *Service) keep(c *call) {
	if before := c.system.calls[c.uniqueID]; before != nil {
		if before.hung.IsZero() && billing.ChannelOf(before.id) != billing.ChannelOf(c.id) {
			return // it ends at its first slice
		}
		s.forget(before)
	}
	c.system.calls[c.uniqueID] = c
	if c.callee != "" {
		c.system.callees[c.callee] = c
	}
}

// forget keeps a call no longer. It is called with the lock held.
func (s *Service) forget(c *call) {
	if c.gone {
		return
	}
	c.gone = true
	if !c.grown.IsZero() {
		s.figures.Released++
	}
	c.leave()
	delete(c.system.calls, c.uniqueID)
}

// leave notes that nobody is talked with any more. It is called with the lock held.
func (c *call) leave() {
	if c.system.callees[c.callee] == c {
		delete(c.system.callees, c.callee)
	}
	c.callee = ""
}

// answer notes that a callee was connected at a moment. Both timers are set then: Dial has limited the callee alone, who may leave the caller to
// somebody else. A further callee, to whom the caller was sent on without asking us, has no limit at all. It is called with the lock held.
func (c *call) answer(callee string, at, now time.Time) {
	if c.callee == callee || !c.hung.IsZero() {
		return
	}
	c.leave()
	c.callee, c.refused, c.pending, c.heard = callee, false, false, now
	c.system.callees[callee] = c
	c.placed, c.look, c.next = unplaced, true, now
	if c.answered.IsZero() {
		c.answered, c.next = at, now.Add(answering)
		c.refused = c.elapsed(now) >= seconds(c.limit) // as it may look when it was not heard: the limit of Dial counts
	}
}

// hangUp notes that the caller has gone. Whoever he leaves behind has a little time to go too. It is called with the lock held.
func (s *Service) hangUp(c *call, now time.Time) {
	if !c.hung.IsZero() {
		return
	}
	c.hung, c.next = now, now.Add(hangOver)
	if c.callee == "" {
		s.forget(c)
	}
}

// look has billing asked about the calls of users, or of all. It is called with the lock held.
func (s *Service) look(users []int64, all bool, now time.Time) {
	if len(users) == 0 && !all {
		return
	}
	wanted := make(map[int64]bool, len(users))
	for _, u := range users {
		wanted[u] = true
	}
	for _, a := range s.systems {
		for _, c := range a.calls {
			if !all && !wanted[c.user] || !c.hung.IsZero() || c.cut != "" {
				continue
			}
			c.look = true
			if c.next.IsZero() || c.placed != unplaced && c.next.After(now) { // else it is looked at in a moment, when Dial has set its own limit
				c.next = now
			}
		}
	}
}

// plan is when a call is looked at next, of which billing has just said how long it may last.
func (s *Service) plan(c *call, now time.Time) time.Time {
	if !c.talks() {
		return time.Time{}
	}
	if c.placed != c.until { // Asterisk did not answer
		if again := now.Add(polling); again.Before(c.end()) || now.After(c.end()) {
			return again
		}
		return c.end()
	}
	const half = 2
	lead := seconds(billing.Lead(c.slice))
	end := c.at(seconds(c.limit))
	next := end.Add(-lead)
	switch again := end.Add(-lead / half); {
	case next.After(now):
	case !c.short:
		next = now.Add(grid) // it grew by less than the lead
	case again.After(now):
		next = again
	default:
		next = c.end().Add(overdue)
	}
	warning := c.at(seconds(c.last - s.o.WarnSeconds))
	if c.system.warner != nil && c.last > 0 && warning.After(now) && warning.Before(next) {
		next = warning
	}
	if last := c.end().Add(overdue); last.Before(next) {
		next = last
	}
	return next
}
