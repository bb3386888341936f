package midcall

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/dialplan"
	"talktime/pbx"
)

// listen hears what becomes of the channels of an Asterisk, until ctx ends.
func (s *Service) listen(ctx context.Context, a *system) {
	heard := a.Manager.Subscribe(events, pbx.Connected, "Newchannel", "DialEnd", "Hangup")
	defer heard.Close()
	var dropped uint64
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-heard.Events():
			if !open {
				return
			}
			s.hear(a, e, s.o.Now())
		}
		if len(heard.Events()) > 0 {
			continue
		}
		if n := heard.Dropped(); n != dropped { // those that did not fit last, with no event behind them that says so
			dropped = n
			s.mu.Lock()
			a.check = true
			s.mu.Unlock()
		}
	}
}

func (s *Service) hear(a *system, e pbx.Event, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Connection != a.connection {
		a.checked = time.Time{} // whatever went wrong by the last one
	}
	if e.Missed > 0 || e.Connection != a.connection {
		a.check, a.connection = true, e.Connection
	}
	if e.Get("Event") != pbx.Connected {
		a.hears = e.Connection
	}
	id := e.Get("Uniqueid")
	caller := a.calls[id]
	switch e.Get("Event") {
	case "DialEnd":
		callee := e.Get("DestUniqueid")
		switch {
		case caller == nil || !strings.EqualFold(e.Get("DialStatus"), "ANSWER"):
		case callee == "" || callee == id:
			a.check = true // it does not say by whom
		default:
			caller.answer(callee, now, now)
		}
	case "Hangup":
		if caller != nil {
			s.hangUp(caller, now)
		}
		if c := a.callees[id]; c != nil {
			s.left(c, now)
		}
	}
}

// left notes that the callee has gone. It is called with the lock held.
func (s *Service) left(c *call, now time.Time) {
	c.leave()
	if !c.hung.IsZero() {
		s.forget(c)
		return
	}
	c.alone, c.next = true, now.Add(ending)
}

// found is a channel of a call with whom it talks, of which no event has told.
type found struct {
	call   *call
	name   string // of the caller's channel
	callee string
}

// compare sees from the channels that there are what became of the calls that were kept before, as far as no event has told.
func (s *Service) compare(ctx context.Context, a *system) {
	asked := s.o.Now()
	list, err := a.list(ctx)
	s.logOf(ctx, a, "the channels of kept calls are not known", err)
	var answers []found
	s.mu.Lock()
	a.checking = false
	if err != nil { // again after checking
		a.check, a.checked = true, s.o.Now().Add(checking-ordering)
	} else {
		answers = s.match(a, list, asked)
	}
	s.mu.Unlock()
	for _, f := range answers {
		at := s.answerOf(ctx, a, f.name, f.call.dialled, f.call.dialled)
		s.mu.Lock()
		if now := s.o.Now(); !f.call.gone && f.call.heard.Before(asked) {
			f.call.answer(f.callee, at, now)
		}
		s.mu.Unlock()
	}
}

// list asks for the channels that there are.
func (a *system) list(ctx context.Context) ([]pbx.Channel, error) {
	ctx, cancel := context.WithTimeout(ctx, listing)
	defer cancel()
	return a.Manager.CoreShowChannels(ctx)
}

// match forgets calls whose channels have gone, and returns those that have a callee by now. It is called with the lock held.
func (s *Service) match(a *system, list []pbx.Channel, asked time.Time) (answers []found) {
	channels, bridges := sorted(list)
	now := s.o.Now()
	for _, c := range slices.Collect(maps.Values(a.calls)) {
		if !c.heard.Before(asked) {
			continue
		}
		if _, there := channels[c.callee]; c.callee != "" && !there {
			s.left(c, now)
		}
		caller, there := channels[c.uniqueID]
		if !there {
			s.hangUp(c, now)
		} else if callee := partner(caller, bridges); c.callee == "" && callee != "" {
			answers = append(answers, found{c, caller.Name, callee})
		}
	}
	return answers
}

// sorted finds channels by their unique ids, and those of a bridge.
func sorted(list []pbx.Channel) (channels map[string]pbx.Channel, bridges map[string][]string) {
	channels, bridges = make(map[string]pbx.Channel, len(list)), map[string][]string{}
	for _, c := range list {
		channels[c.UniqueID] = c
		if c.BridgeID != "" {
			bridges[c.BridgeID] = append(bridges[c.BridgeID], c.UniqueID)
		}
	}
	return channels, bridges
}

// partner is the unique id of the channel that is in a bridge with another one; "": none is.
func partner(c pbx.Channel, bridges map[string][]string) string {
	for _, id := range bridges[c.BridgeID] {
		if id != c.UniqueID {
			return id
		}
	}
	return ""
}

// noting is how long before the answer counts the routine of our dialplan notes it. Who is cut a millisecond too early loses a second.
const noting = 20 * time.Millisecond

// answerOf is when the last dial of a channel was answered, as the routine of our dialplan has noted it by Asterisk's clock, which is asked
// for its time. Where that is not known it is the given moment, and never before the earliest one.
func (s *Service) answerOf(ctx context.Context, a *system, channel string, earliest, unknown time.Time) time.Time {
	ctx, cancel := context.WithTimeout(ctx, ordering)
	defer cancel()
	noted, known := a.clock(ctx, channel, dialplan.VarAnswered)
	if !known {
		return unknown
	}
	asked := s.o.Now()
	now, known := a.clock(ctx, channel, "STRFTIME(,,%s.%3q)")
	at := asked.Add(-time.Duration(now-noted) * time.Millisecond)
	if !known {
		at = asked.Add(-asked.Sub(time.UnixMilli(noted)))
	}
	switch {
	case at.After(asked), !known && at.Before(earliest): // it is of another clock, or of an earlier dial
		return unknown
	case at.Before(earliest):
		return earliest
	}
	return at.Add(noting)
}

// clock asks for a variable of a channel that is a Unix time, or a function that returns one, and returns it in milliseconds.
func (a *system) clock(ctx context.Context, channel, name string) (ms int64, known bool) {
	const milliseconds = 3
	value, err := a.variable(ctx, channel, name)
	whole, fraction, _ := strings.Cut(value, ".")
	if err != nil || len(fraction) != milliseconds {
		return 0, false
	}
	ms, err = strconv.ParseInt(whole+fraction, 10, 64)
	return ms, err == nil
}

// since is the moment of a Unix time in milliseconds, with our monotonic reading, and not in the future.
func (s *Service) since(ms int64) time.Time {
	now := s.o.Now()
	return now.Add(-max(now.Sub(time.UnixMilli(ms)), 0))
}
