package livecalls

import (
	"slices"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
)

// Picture is the channels and the open calls of one moment. Readers share it: it must not be changed.
type Picture struct {
	At       time.Time // by our clock
	Asterisk bool      // it has said which channels there are
	Why      error     // it has not; nil: it has

	Channels []Channel // all that Asterisk has, in its order; those of calls of ours and others
	// Calls hold money, oldest first: those with a channel, those that have missed it only for a moment, or all when Asterisk is away.
	Calls   []*Call
	Stuck   []*Call // that hold money although Asterisk has had no channel of theirs for a while, oldest first
	Foreign []*Call // that another Asterisk has, oldest first; of their talk is known what whoever extends them has noted
}

// Role is what a channel is in a call of ours.
type Role string

// The roles.
const (
	Caller Role = "caller" // who pays
	Callee Role = "callee"
)

// Channel is a channel with the call of ours that it belongs to.
type Channel struct {
	*pbx.Channel

	Call *Call // nil: none
	Role Role  // in the call; "" without one
}

// Call is an open call, at the moment of the Picture.
type Call struct {
	models.Call

	Username       string // of who pays; "": not known
	CalleeUsername string // "": not a user of ours

	Caller *pbx.Channel // nil: Asterisk has none, or is away
	Callee *pbx.Channel // whom it is connected to, or who rings; nil: not known

	Answered *time.Time // of the last leg; nil: it was not, as far as is known
	Exact    bool       // the moment of the answer was seen, not asked for later
	Talking  bool       // the talk goes on
	Talked   *int64     // whole seconds, all legs together; nil: not answered, or not known of each leg
	Cost     *money.Amount
	// Left is for how many seconds it can still last; nil: not answered. One that somebody extends lasts as long as its user can pay for it and
	// for his other calls, as they share now what he has; another one as long as what it holds pays for.
	Left      *int64
	SliceLeft *int64 // seconds that what it holds still pays for, of one that somebody extends; nil: of another, or not answered

	Unreadable error // why no more than its ids is known; nil: all is known
}

// kept reports whether somebody extends the call.
func (c *Call) kept() bool { return c.Keeper != 0 && c.Cut == "" && c.Unreadable == nil }

// noted is the answer to the last dial, as whoever extends the call has noted it; zero: it was not noted.
func (c *Call) noted() time.Time {
	if c.AnsweredMS == 0 {
		return time.Time{}
	}
	return time.UnixMilli(c.AnsweredMS).Add(c.again()) // what passed before a further dial counts as talked
}

// again is how long after the first dial of its leg the last one was permitted.
func (c *Call) again() time.Duration { return max(c.dialled().Sub(c.Authorized), 0) }

// elapsed is how much of its Limit has passed at a moment; 0 before the answer.
func (c *Call) elapsed(now time.Time) time.Duration {
	switch {
	case c.AnsweredMS != 0:
		return max(now.Sub(time.UnixMilli(c.AnsweredMS)), 0)
	case c.Left != nil:
		return seconds(c.Limit - *c.Left)
	}
	return 0
}

// talkUnseen works out the same as talk where Asterisk says nothing of a call, by what is noted of it. A call that must be over by now does not talk.
func (c *Call) talkUnseen(now time.Time) {
	if at := c.noted(); c.Unreadable == nil && !at.IsZero() && c.elapsed(now) <= seconds(c.Limit) {
		c.talk(now, []answer{{at: at}}, time.Time{})
	}
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// dialled is when the last dial was permitted: of a leg that was dialled again that is later than the leg.
func (c *Call) dialled() time.Time {
	at := c.Authorized
	for _, e := range c.Notes {
		if e.Source == billing.SourceRepeat && e.Leg == len(c.Legs) && e.SeenAt.After(at) {
			at = e.SeenAt
		}
	}
	return at
}

// talk works out what a call has cost until a moment, by what is known of its answers, which were all heard since a moment; zero: never. It
// never takes back what it said before, but says nothing any more of legs whose answers may have been lost.
func (c *Call) talk(now time.Time, known []answer, since time.Time) {
	priced, answered, certain := models.Call{Rate: c.Rate, Legs: slices.Clone(c.Legs)}, false, true
	for i := range priced.Legs {
		leg, end := &priced.Legs[i], c.Authorized
		if i+1 < len(priced.Legs) {
			end = priced.Legs[i+1].Authorized
		}
		leg.Seconds = 0
		first, over := talkOf(known, leg.Authorized, end, i == 0)
		if first != nil {
			leg.Seconds = whole(over.Sub(first.at))
			priced.Seconds += leg.Seconds
			answered = true
		}
		certain = certain && c.certain(i, leg.Authorized, first, since)
	}
	first, over := talkOf(known, c.Authorized, time.Time{}, len(c.Legs) == 0)
	if first != nil {
		c.Talking = over.IsZero()
		if c.Talking {
			over = now
		}
		at, talked, left := first.at, whole(over.Sub(first.at)), c.left(now, known)
		c.Answered, c.Exact, c.Left = &at, first.exact, &left
		priced.Seconds += talked
	}
	if first == nil && !answered || !certain || !c.certain(len(c.Legs), c.Authorized, first, since) {
		return
	}
	talked, held := priced.Seconds, c.Held()
	var cost money.Amount // nothing yet before the first second: which leg's price that would be is not known
	var err error
	if talked > 0 {
		cost, err = billing.CallCost(priced)
	}
	if err != nil { // more than can be counted
		cost = held
	}
	cost = min(cost, held)
	c.Talked, c.Cost = &talked, &cost
}

// certain reports whether the first answer of a leg, nil for none, is all that there is to know of it. Asterisk, when it is asked, knows
// only the answer to the last dial.
func (c *Call) certain(leg int, authorized time.Time, first *answer, since time.Time) bool {
	if !since.IsZero() && !authorized.Before(since) {
		return true
	}
	repeated := slices.ContainsFunc(c.Notes, func(e models.Evidence) bool { return e.Source == billing.SourceRepeat && e.Leg == leg })
	return first != nil && !repeated
}

// left is for how many seconds the hold still pays. A dial to the same number again may last no longer than the first one might have, had that
// been answered at once.
func (c *Call) left(now time.Time, known []answer) int64 {
	dialled := c.dialled()
	left := c.Limit - whole(dialled.Sub(c.Authorized))
	first, over := talkOf(known, dialled, time.Time{}, len(c.Legs) == 0 || dialled.After(c.Authorized))
	if first != nil {
		if over.IsZero() {
			over = now
		}
		left -= whole(over.Sub(first.at))
	}
	return max(left, 0)
}

// talkOf is the first answer of a leg that was permitted at from and followed by another one at to, zero for the last, and when the talk was
// over, zero when it goes on. A leg that was dialled again counts from its first answer on, as Asterisk does. The clocks of who permits and
// of who hears of an answer may differ a little: what was answered just before the first leg counts as well, unless it was over by then.
func talkOf(known []answer, from, to time.Time, isFirst bool) (first *answer, over time.Time) {
	for i := range known {
		a := &known[i]
		early := isFirst && !a.at.Before(from.Add(-clocks)) && (a.over.IsZero() || a.over.After(from))
		if a.at.Before(from) && !early || !to.IsZero() && !a.at.Before(to) {
			continue
		}
		if first == nil {
			first = a
		}
		over = a.over
	}
	if !to.IsZero() && (over.IsZero() || over.After(to)) {
		over = to
	}
	return first, over
}

func whole(d time.Duration) int64 { return max(int64(d/time.Second), 0) }

// join makes a picture of what Asterisk and the store say.
func join(at time.Time, channels []pbx.Channel, calls []*Call, memory *memory, home *home) *Picture {
	p := &Picture{At: at, Channels: make([]Channel, len(channels))}
	callers := home.callers(channels, calls)
	of := links{of: map[string]*Call{}, bridges: map[string]*Call{}, linked: map[string]*Call{}}
	for i := range channels {
		c := &channels[i]
		p.Channels[i].Channel = c
		if call := callers[c.UniqueID]; call != nil {
			call.Caller = c
			p.Channels[i].Call, p.Channels[i].Role = call, Caller
			of.add(c, call)
		}
	}
	for i := range channels {
		c := &p.Channels[i]
		if c.Call != nil {
			continue
		}
		if call := of.callee(c.Channel, memory); call != nil {
			c.Call, c.Role = call, Callee
			if call.Callee == nil || better(c.Channel, call.Callee, call.Caller) {
				call.Callee = c.Channel
			}
		}
	}
	return p
}

// better reports whether a channel is rather the other end of a caller's than another one: it is connected to him, or up.
func better(c, than, caller *pbx.Channel) bool {
	worth := func(c *pbx.Channel) int {
		switch {
		case c.BridgeID != "" && c.BridgeID == caller.BridgeID:
			return 2
		case c.State == stateUp:
			return 1
		}
		return 0
	}
	return worth(c) > worth(than)
}

// stateUp is Asterisk's number for a channel that was answered.
const stateUp = 6

// links find the call of a channel that has none itself.
type links struct {
	of      map[string]*Call // by unique id of the caller
	bridges map[string]*Call // by bridge; nil: of several
	linked  map[string]*Call // by linked id; nil: of several
}

func (l *links) add(c *pbx.Channel, call *Call) {
	l.of[c.UniqueID] = call
	only(l.bridges, c.BridgeID, call)
	only(l.linked, c.LinkedID, call)
}

// only notes the call of a key, or that there are several.
func only(of map[string]*Call, key string, call *Call) {
	if _, taken := of[key]; taken {
		call = nil
	}
	if key != "" {
		of[key] = call
	}
}

// callee is the call whose other end a channel is: he who was seen to be dialled for it, who is connected to its caller, or who belongs to the
// only call of ours among the channels of one call of Asterisk's, which he did not begin. Nil: none, or of several.
func (l *links) callee(c *pbx.Channel, memory *memory) *Call {
	if call := l.of[memory.callerOf(c.UniqueID)]; call != nil {
		return call
	}
	if call := l.bridges[c.BridgeID]; call != nil {
		return call
	}
	if c.UniqueID == c.LinkedID {
		return nil
	}
	return l.linked[c.LinkedID]
}
