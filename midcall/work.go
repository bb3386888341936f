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
			working.Go(func() {
				if s.tend(ctx, c) {
					s.warn(ctx, c)
				}
			})
		}
		for _, a := range systems {
			working.Go(func() { s.compare(ctx, a) })
		}
	})
}

// due are the calls that must be looked at now, those that must end first before others, and the Asterisks whose calls must be compared
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
		slices.SortFunc(due, func(x, y *call) int { return x.end().Compare(y.end()) })
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

// tend does what is to be done about a call that is due, and reports whether it goes on.
func (s *Service) tend(ctx context.Context, c *call) bool {
	s.mu.Lock()
	due, ask := c.next, c.look || c.unsure || !c.pending
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
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy = false
	c.system.busy--
	now := s.o.Now()
	if c.next.IsZero() { // else something has happened meanwhile
		c.next = s.plan(c, now)
	}
	return !hung && !cut
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
	c.unsure = err != nil
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
		s.logOf(ctx, c.system, "slices of calls cannot be placed", unlessGone(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	switch {
	case c.gone || c.callee != callee: // something else has happened to it meanwhile
	case err == nil:
		c.placed = until
		s.placed(c, now)
	case errors.Is(err, errOver):
		if !c.unsure { // else it may be a dial by now that another process has permitted
			c.cut = overtime
		}
	case !refused(err):
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
	if s.cutOff(c, err) {
		s.o.Logger.InfoContext(ctx, "a call was cut", "call_id", c.id, "why", c.cut)
	}
}

// cutOff notes what became of the order to hang up a call's caller, and reports whether it was the first that was carried out.
func (s *Service) cutOff(c *call, err error) (first bool) {
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
		return true
	}
	return false
}

// endCallee hangs up who was left behind by a caller: nobody pays for what he talks with others, unless he has called them himself, or they
// pay, to whom the caller has handed him over.
func (s *Service) endCallee(ctx context.Context, c *call) {
	s.mu.Lock()
	callee := c.callee
	if c.system.calls[callee] != nil {
		callee = ""
	}
	s.mu.Unlock()
	err := models.ErrNotFound
	if callee != "" {
		err = s.endLeft(ctx, c, callee)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.next = s.o.Now().Add(ordering)
	if errors.Is(err, models.ErrNotFound) || errors.Is(err, errHelp) {
		s.forget(c)
	}
}

// endLeft hangs up a callee who was left behind by the caller of c. The error is models.ErrNotFound also when somebody else pays for him.
func (s *Service) endLeft(ctx context.Context, c *call, callee string) error {
	list, err := c.system.list(ctx)
	s.logOf(ctx, c.system, "it is not known with whom callees talk on", err)
	if err != nil && !refused(err) {
		return err // his timer ends what is paid
	}
	if s.handOver(c, callee, list) {
		return models.ErrNotFound
	}
	return s.hangup(ctx, c, callee, causeNormal)
}

// handOver makes the callee of c that of the kept call whose caller he talks with by now. It reports false when he does not.
func (s *Service) handOver(c *call, callee string, list []pbx.Channel) bool {
	channels, bridges := sorted(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	payer := c.system.calls[partner(channels[callee], bridges)]
	if payer == nil || payer == c || !payer.hung.IsZero() {
		return false
	}
	now := s.o.Now()
	payer.answer(callee, now, now)
	return true
}

// refused reports whether an error is Asterisk's "no", and not that it did not answer.
func refused(err error) bool {
	no := (*pbx.RefusedError)(nil)
	return errors.As(err, &no)
}

// errHelp means that a channel calls an emergency number, and is left alone.
var errHelp = errors.New("the channel calls for help")

// hangup ends a channel of a call, unless it calls for help by now: another process may have permitted that.
func (s *Service) hangup(ctx context.Context, c *call, channel string, cause int) error {
	help, err := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, asking)
		defer cancel()
		return c.system.variable(ctx, channel, dialplan.VarEmergency)
	}()
	if help == "1" {
		return errHelp
	}
	if err != nil && !refused(err) {
		s.logOf(ctx, c.system, "it is not known whether channels call for help, which are not hung up", err)
		return err
	}
	order, cancel := context.WithTimeout(ctx, ordering)
	defer cancel()
	err = c.system.Manager.Hangup(order, channel, cause)
	s.logOf(ctx, c.system, "calls cannot be cut", unlessGone(err))
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
	s.logOf(ctx, c.system, "callers are not warned of the end", err)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.figures.Warned++
	}
}
