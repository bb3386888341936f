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
	heard := a.Manager.Subscribe(events, pbx.Connected, "DialEnd", "Hangup")
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
	if e.Missed > 0 || e.Connection != a.connection {
		a.check, a.connection = true, e.Connection
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
	s.log(ctx, "the channels of kept calls are not known", err)
	var answers []found
	s.mu.Lock()
	a.checking = false
	if err != nil {
		a.check = true
	} else {
		answers = s.match(a, list, asked)
	}
	s.mu.Unlock()
	for _, f := range answers {
		at := s.answerOf(ctx, a, f.name, f.call.dialled)
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

// clocks is how far the clock of Asterisk, or of another keeper, may be from ours.
const clocks = 2 * time.Second

// answerOf is when the last dial of a channel was answered, as the routine of our dialplan has noted it. Where it has not, that is when it was
// dialled: never later than the truth.
func (s *Service) answerOf(ctx context.Context, a *system, channel string, dialled time.Time) time.Time {
	ctx, cancel := context.WithTimeout(ctx, ordering)
	defer cancel()
	value, err := a.variable(ctx, channel, dialplan.VarAnswered)
	if err != nil {
		return dialled
	}
	whole, fraction, _ := strings.Cut(value, ".")
	const milliseconds = 3
	ms, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != milliseconds {
		return dialled
	}
	at := s.since(ms)
	if at.Before(dialled.Add(-clocks)) || s.o.Now().Before(at.Add(-clocks)) { // it is of an earlier dial, or of another clock
		return dialled
	}
	return at
}

// since is the moment of a Unix time in milliseconds, with our monotonic reading, and not in the future.
func (s *Service) since(ms int64) time.Time {
	now := s.o.Now()
	return now.Add(-max(now.Sub(time.UnixMilli(ms)), 0))
}
