package midcall

import (
	"context"
	"errors"
	"time"

	"talktime/pbx"
)

const (
	retrying = 3 * time.Second // between tries to learn our rights from an Asterisk that does not answer, and until one is said to be away
	deafness = time.Minute     // between looks whether events should have come that did not
)

// nobody is a channel that there never is. Who may not give an order hears that, and not that there is no such channel.
const nobody = "talktime/nobody"

// advice is how rights are given.
const advice = "give the user in manager.conf the rights of admin dialplan manager.conf; admin doctor tells more, and restart fastagi. Until then calls are held whole"

// able reports whether calls of an Asterisk can be kept from now on: its events have come by this connection, and it carries out our orders. A
// user without these rights is told so by nothing but that, and his calls would all end with their first slice. It is called with the lock held.
func (a *system) able() bool { return a.obeys() && a.hears == a.connection }

// obeys reports whether an Asterisk carries out our orders, so that its calls can be taken over. It is called with the lock held.
func (a *system) obeys() bool { return a.there() && a.may == a.connection }

// prover is what is known of an Asterisk whose calls shall be kept.
type prover struct {
	*system
	connection uint64    // that was seen last
	since      time.Time // when it was first seen
	known      bool      // it has answered whether we may give orders
	next       time.Time // when it is asked again
	deaf       bool      // it was said that its events do not come
	gone       time.Time // when it was there last
	kept, away bool      // as was logged last
}

// prove learns of each connection to an Asterisk whether its calls can be kept, and logs that, until ctx ends.
func (s *Service) prove(ctx context.Context, a *system) {
	p := &prover{system: a, gone: s.o.Now()}
	every(ctx, polling, func() {
		now := s.o.Now()
		s.mu.Lock()
		there, connection, heard, able := a.there(), a.connection, a.hears == a.connection, a.able()
		if a.doubted { // the channel that it was asked about must have been told of
			a.doubted, p.next = false, now
		}
		s.mu.Unlock()
		if there && connection != p.connection {
			p.connection, p.since, p.known, p.next, p.deaf = connection, now, false, now, false
		}
		switch {
		case !there || now.Before(p.next):
		case !p.known:
			s.rights(ctx, p, now)
		case !heard && !p.deaf:
			s.hark(ctx, p, now)
		}
		s.say(ctx, p, there, able, now)
	})
}

// rights asks for what needs each of the rights. An Asterisk that does not answer is asked again.
func (s *Service) rights(ctx context.Context, p *prover, now time.Time) {
	order := func(do func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, ordering)
		defer cancel()
		return unlessGone(do(ctx))
	}
	_, list := p.list(ctx)
	known := true
	var lacking []string
	for _, one := range []struct {
		right string
		err   error
	}{
		{"write=call (AbsoluteTimeout)", order(func(ctx context.Context) error { return p.Manager.AbsoluteTimeout(ctx, nobody, time.Second) })},
		{"write=call (Hangup)", order(func(ctx context.Context) error { return p.Manager.Hangup(ctx, nobody, causeNormal) })},
		{"write=system or reporting (CoreShowChannels)", list},
	} {
		if refused := (*pbx.RefusedError)(nil); errors.As(one.err, &refused) {
			lacking = append(lacking, one.right)
		} else if one.err != nil {
			known = false
			s.logOf(ctx, p.system, "it is not known what we may do", one.err)
		}
	}
	switch {
	case len(lacking) > 0:
		p.known, p.kept = true, false
		s.o.Logger.WarnContext(ctx, "calls are not kept: a right is missing", "asterisk", p.Name, "missing", lacking, "advice", advice)
	case known:
		p.known = true
		s.mu.Lock()
		defer s.mu.Unlock()
		p.may = p.connection // if there is another one by now, that is asked too
	}
	p.next = now.Add(retrying)
	if p.known {
		p.next = now.Add(deafness)
	}
}

// hark looks whether there are channels younger than the connection, of which no event has told: we may not read events then.
func (s *Service) hark(ctx context.Context, p *prover, now time.Time) {
	p.next = now.Add(deafness)
	list, err := p.list(ctx)
	if err != nil {
		return // it is refused, or comes another time
	}
	for _, c := range list {
		if c.Duration+retrying < now.Sub(p.since) {
			p.deaf, p.kept = true, false
			s.o.Logger.WarnContext(ctx, "calls are not kept: a right is missing", "asterisk", p.Name, "missing", []string{"read=call"}, "advice", advice)
			return
		}
	}
}

// say logs when calls of an Asterisk begin to be kept, and when it is away for more than a moment.
func (s *Service) say(ctx context.Context, p *prover, there, able bool, now time.Time) {
	if there {
		p.gone = now
	}
	switch {
	case able && !p.kept:
		p.kept, p.away = true, false
		s.o.Logger.InfoContext(ctx, "calls are kept", "asterisk", p.Name)
	case !there && !p.away && now.Sub(p.gone) >= retrying:
		p.kept, p.away = false, true
		s.o.Logger.WarnContext(ctx, "calls are not kept: Asterisk is away", "asterisk", p.Name, "effect", "calls end with their slices, new ones are held whole")
	}
}
