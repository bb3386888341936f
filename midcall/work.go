package midcall

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"talktime/billing"
	"talktime/dialplan"
	"talktime/models"
	"talktime/pbx"
)

// Causes of a hang-up, by Q.850.
const (
	causeNormal  = 16
	causeExpired = 102 // recovery on timer expiry
)

// overtime is why a call is hung up whose end Asterisk has missed. The other reasons are billing's.
const overtime = "overtime"

// errOver means that there is no time left that a timer could be set to.
var errOver = errors.New("the paid time has passed")

// work looks at the calls when it is time, until ctx ends.
func (s *Service) work(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	every(ctx, grid, func() {
		calls, systems := s.due(s.o.Now())
		for _, c := range calls {
			working.Go(func() { s.tend(ctx, c) })
		}
		for _, a := range systems {
			working.Go(func() { s.compare(ctx, a) })
		}
	})
}

// due are the calls that must be looked at now, those that have waited longest before others, and the Asterisks whose calls must be compared
// with their channels. They are marked as being worked on. Of an Asterisk that is away nothing is due: what would be held could not be placed.
func (s *Service) due(now time.Time) (calls []*call, systems []*system) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.systems {
		if !a.there() {
			continue
		}
		var due []*call
		late := false
		for _, c := range a.calls {
			if !c.busy && !c.next.IsZero() && !c.next.After(now) {
				due = append(due, c)
			}
			late = late || now.Sub(c.end()) > overdue
		}
		slices.SortFunc(due, func(x, y *call) int { return x.next.Compare(y.next) })
		due = due[:min(len(due), turns-a.busy)]
		for _, c := range due {
			c.busy = true
		}
		a.busy += len(due)
		calls = append(calls, due...)
		if !a.checking && len(a.calls) > 0 && (a.check && now.Sub(a.checked) >= ordering || late && now.Sub(a.checked) >= checking) {
			a.check, a.checking, a.checked = false, true, now
			systems = append(systems, a)
		}
	}
	return calls, systems
}

// tend does what is to be done about a call that is due.
func (s *Service) tend(ctx context.Context, c *call) {
	s.mu.Lock()
	due, ask := c.next, c.look || !c.pending
	c.next, c.look, c.pending = time.Time{}, false, false
	if c.alone { // is there somebody of whom no event has told?
		c.alone, c.system.check = false, true
	}
	hung, cut := !c.hung.IsZero(), c.cut != ""
	s.mu.Unlock()
	if !hung && !cut && ask {
		cut = s.review(ctx, c, due)
	}
	if !hung && !cut {
		cut = s.place(ctx, c)
	}
	switch {
	case hung:
		s.endCallee(ctx, c)
	case cut:
		s.endCaller(ctx, c)
	default:
		s.warn(ctx, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy = false
	c.system.busy--
	now := s.o.Now()
	if c.next.IsZero() { // else something has happened meanwhile
		c.next = s.plan(c, now)
	}
}

// review asks billing what becomes of a call, and reports whether it must be hung up. Who cannot be extended is asked about as if nobody had
// answered: he may be cut.
func (s *Service) review(ctx context.Context, c *call, due time.Time) (cut bool) {
	s.mu.Lock()
	r := billing.Review{CallID: c.id, UserID: c.user, Keeper: s.id, Identity: c.identity, Leg: c.leg}
	if c.talks() {
		r.Elapsed = c.elapsed(s.o.Now())
	}
	s.mu.Unlock()
	kept, err := func() (billing.Kept, error) {
		ctx, cancel := context.WithTimeout(ctx, deciding)
		defer cancel()
		return s.o.Ledger.Review(ctx, r)
	}()
	s.log(ctx, "the next slice of calls cannot be held", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	switch {
	case c.gone:
	case err != nil:
		c.next = now.Add(polling)
		if now.After(c.end()) && r.Elapsed > 0 {
			c.next = now.Add(ordering) // Asterisk has ended it, or billing says later that it must end
		}
	case kept.Over:
		s.forget(c)
	case kept.Cut != "":
		c.cut = kept.Cut
	default:
		s.learn(c, kept, due)
		if c.talks() && now.Sub(c.end()) >= ending { // Asterisk should have ended it
			c.cut = overtime
		}
	}
	return c.cut != ""
}

// learn notes what billing has said of a call that goes on. It is called with the lock held.
func (s *Service) learn(c *call, kept billing.Kept, due time.Time) {
	if kept.Limit > c.limit && c.grown.IsZero() {
		c.edge, c.grown = c.until, due
	}
	if kept.Short && !c.short {
		s.figures.Short++
	}
	c.limit, c.until, c.last, c.short = kept.Limit, kept.Until, kept.Last, kept.Short
}

// place moves both timers of a call to its last second, if they are not there, and reports whether it must be hung up, since that has passed.
func (s *Service) place(ctx context.Context, c *call) (cut bool) {
	s.mu.Lock()
	callee, until := c.callee, c.until
	idle := c.gone || !c.talks() || c.placed == until
	s.mu.Unlock()
	if idle {
		return false
	}
	who, err := s.move(ctx, c, callee, until)
	if !errors.Is(err, errOver) {
		s.log(ctx, "slices of calls cannot be placed", unlessGone(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	refused := (*pbx.RefusedError)(nil)
	switch {
	case c.gone || c.callee != callee: // something else has happened to it meanwhile
	case err == nil:
		c.placed = until
		s.placed(c, now)
	case errors.Is(err, errOver):
		c.cut = overtime
	case !errors.As(err, &refused):
		c.pending = true // it did not answer
	default:
		s.figures.Refused++
		switch {
		case !errors.Is(err, models.ErrNotFound):
			c.refused = true
		case who == callee:
			c.leave()
		default:
			s.hangUp(c, now)
		}
	}
	return c.cut != ""
}

// placed counts a slice that Asterisk has taken. It is called with the lock held.
func (s *Service) placed(c *call, now time.Time) {
	if c.grown.IsZero() {
		return
	}
	took := now.Sub(c.grown)
	s.figures.Placed++
	if !now.Before(c.at(seconds(c.edge)).Add(-nearly)) {
		s.figures.Late++
	}
	c.grown = time.Time{}
	bounds := models.LatencyBounds()
	i := slices.IndexFunc(bounds, func(bound time.Duration) bool { return took <= bound })
	if i < 0 {
		i = len(bounds)
	}
	s.figures.Latency[i]++
	s.figures.LatencySum += took.Microseconds()
}

// move sets the timers of the callee, which counts, and of the caller. A timer runs from the moment at which Asterisk carries the order out:
// when its answer takes long the same is said again, on the safe side, until it comes at once. The error is errOver, or that of an order to
// the channel who; then nothing is said of the other one.
func (s *Service) move(ctx context.Context, c *call, callee string, until int64) (who string, err error) {
	const slow, most = 100 * time.Millisecond, 4
	var late time.Duration
	for range most {
		sent := s.o.Now()
		rest := seconds(until) - c.elapsed(sent)
		if rest < time.Millisecond {
			return callee, errOver
		}
		if err := s.limit(ctx, c, callee, max(rest-late, time.Millisecond)); err != nil {
			return callee, err
		}
		took := s.o.Now().Sub(sent)
		if err := s.limit(ctx, c, c.uniqueID, max(rest-took-late, 0)+ending); err != nil {
			return c.uniqueID, err
		}
		if max(took, late) <= slow {
			break
		}
		late = took
	}
	return "", nil
}

func (s *Service) limit(ctx context.Context, c *call, channel string, rest time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(ordering, rest))
	defer cancel()
	return c.system.Manager.AbsoluteTimeout(ctx, channel, rest)
}

// endCaller hangs a call up, which ends with its caller's channel, again and again while that is there.
func (s *Service) endCaller(ctx context.Context, c *call) {
	err := s.hangup(ctx, c, c.uniqueID, causeExpired)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if c.hung.IsZero() {
		c.next = now.Add(ordering)
	}
	switch {
	case errors.Is(err, errHelp):
		s.forget(c)
	case errors.Is(err, models.ErrNotFound):
		s.hangUp(c, now)
	case err == nil && !c.ended:
		c.ended = true
		s.figures.Cut++
		s.o.Logger.InfoContext(ctx, "a call was cut", "call_id", c.id, "why", c.cut)
	}
}

// endCallee hangs up who was left behind by a caller: nobody pays for what he talks with others, unless he has called them himself.
func (s *Service) endCallee(ctx context.Context, c *call) {
	s.mu.Lock()
	callee := c.callee
	if c.system.calls[callee] != nil {
		callee = ""
	}
	s.mu.Unlock()
	err := models.ErrNotFound
	if callee != "" {
		err = s.hangup(ctx, c, callee, causeNormal)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.next = s.o.Now().Add(ordering)
	if errors.Is(err, models.ErrNotFound) || errors.Is(err, errHelp) {
		s.forget(c)
	}
}

// errHelp means that a channel calls an emergency number, and is left alone.
var errHelp = errors.New("the channel calls for help")

// hangup ends a channel of a call, unless it calls for help by now: another process may have permitted that.
func (s *Service) hangup(ctx context.Context, c *call, channel string, cause int) error {
	help, _ := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, asking)
		defer cancel()
		return c.system.variable(ctx, channel, dialplan.VarEmergency)
	}()
	if help == "1" {
		return errHelp
	}
	order, cancel := context.WithTimeout(ctx, ordering)
	defer cancel()
	err := c.system.Manager.Hangup(order, channel, cause)
	s.log(ctx, "calls cannot be cut", unlessGone(err))
	return err
}

func unlessGone(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	return err
}

// warn tells the caller that the end is near, once for each end that comes near.
func (s *Service) warn(ctx context.Context, c *call) {
	s.mu.Lock()
	rest := c.at(seconds(c.last)).Sub(s.o.Now())
	near := rest <= seconds(s.o.WarnSeconds)
	idle := c.system.warner == nil || c.gone || !c.talks() || c.last == 0 || rest <= 0 || !near || c.warned
	if c.warned = c.warned && near; !idle {
		c.warned = true
	}
	s.mu.Unlock()
	if idle {
		return
	}
	err := c.system.warner.warn(ctx, c.channel)
	s.log(ctx, "callers are not warned of the end", err)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.figures.Warned++
	}
}
