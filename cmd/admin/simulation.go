package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/dialplan"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
)

// simulation is a game at play.
type simulation struct {
	game    *game
	db      *store.Store
	service *billing.Service // for refills
	system  string           // Asterisk's name, which makes our unique ids ours
	started time.Time
	callers chan caller // those who are not in a call

	mu    sync.Mutex
	tally tally
}

func newSimulation(g *game, db *store.Store, callers []caller) *simulation {
	// With fewer users than calls at once, some users call several times at once.
	places := max(len(callers), g.concurrency)
	s := &simulation{
		game: g, db: db, service: billing.New(billing.Options{Store: db}), system: "sim" + strings.ToLower(rand.Text()[:8]),
		started: time.Now(), callers: make(chan caller, places), tally: newTally(),
	}
	for i := range places {
		s.callers <- callers[i%len(callers)]
	}
	return s
}

// note changes the tally.
func (s *simulation) note(change func(*tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.tally)
}

// run plays the calls and returns when all of them have ended.
func (s *simulation) run(ctx context.Context, p *progress) {
	var calls sync.WaitGroup
	places := make(chan struct{}, s.game.concurrency)
	next := time.Now()
	for n := 1; s.game.loop || n <= s.game.calls; n++ {
		if s.game.rate > 0 {
			next = next.Add(time.Duration(float64(time.Second) / s.game.rate))
			if !wiring.Pause(ctx, time.Until(next)) {
				break
			}
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		who := <-s.callers
		calls.Go(func() {
			s.call(ctx, n, who)
			s.callers <- who
			<-places
		})
		s.note(func(t *tally) { p.show("%d calls, %d answered, %d refused", t.calls, t.answered, t.refusals()) })
		if err := s.verify(context.WithoutCancel(ctx), false); err != nil {
			s.note(func(t *tally) { t.trouble(err) })
		}
	}
	calls.Wait()
	p.clear()
}

// call plays one call, from the greeting to the h extension.
func (s *simulation) call(ctx context.Context, n int, who caller) {
	leg := &leg{sim: s, signals: ctx}
	p := &agitest.Peer{
		Greeting: agitest.Greeting{
			Script: s.game.script, Extension: s.game.number, CallerID: who.clid, AccountCode: who.username,
			Channel:  fmt.Sprintf("PJSIP/%s-%08x", who.clid, n),
			UniqueID: fmt.Sprintf("%s-%d.%d", s.system, s.started.Unix(), n),
		},
		Vars: map[string]string{"DIALPLAN_EXISTS(" + dialplan.AnsweredRoutine + ",s,1)": "1"},
	}
	leg.peer, p.Dial = p, leg.dial
	leg.asked = time.Now()
	// The conversation goes on to its end even when the simulation is to stop: only the talk is cut short.
	err := s.converse(ctx, p, s.game.longest)
	status := p.Vars[dialplan.VarStatus]
	if s.game.script == "authorize" && err == nil && status == agi.StatusOK {
		err = dialOurselves(p, p.Vars[dialplan.VarDialArgs]+"iU("+dialplan.AnsweredRoutine+")")
	}
	s.note(func(t *tally) {
		switch {
		case err != nil:
			t.trouble(err)
		case !leg.dialled && status == "":
			t.trouble(errors.New("fastagi ended the conversation without an answer"))
		}
		t.count(leg, status)
	})
	lost := s.hangUp(ctx, p)
	if s.game.loop && !leg.dialled {
		if status == agi.StatusNoCredit && who.demo {
			s.refill(context.WithoutCancel(ctx), who)
		}
		wiring.Pause(ctx, time.Second) // nobody dials again at once
	}
	if leg.dialled {
		s.note(func(t *tally) {
			t.pending = append(t.pending, expectation{p.UniqueID, leg.talked, leg.answered, lost && s.game.script == "authorize"})
		})
	}
}

// dialOurselves has the simulated Asterisk dial as its dialplan would: it is told so over a wire of its own.
func dialOurselves(p *agitest.Peer, args string) error {
	asterisk, dialplan := net.Pipe()
	told := make(chan error, 1)
	go func() {
		told <- errors.Join(execDial(dialplan, args), dialplan.Close())
	}()
	again := &agitest.Peer{Greeting: p.Greeting, Vars: p.Vars, Dial: p.Dial}
	return errors.Join(again.Run(asterisk), <-told)
}

// execDial reads the greeting and answers it with Dial.
func execDial(conn net.Conn, args string) error {
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\n" {
			break
		}
	}
	if _, err := fmt.Fprintf(conn, "EXEC Dial %q\n", args); err != nil {
		return err
	}
	_, err := lines.ReadString('\n')
	return err
}

// patience is how long fastagi may take for everything but the talk.
const patience = 30 * time.Second

// converse runs one AGI conversation.
func (s *simulation) converse(ctx context.Context, p *agitest.Peer, talk time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), talk+patience)
	defer cancel()
	return p.Call(ctx, s.game.addr)
}

// hangUp runs the h extension, unless chance has it that it is lost, and perhaps twice.
func (s *simulation) hangUp(ctx context.Context, p *agitest.Peer) (lost bool) {
	if chance(s.game.lost) {
		s.note(func(t *tally) { t.lost++ })
		return true
	}
	times := 1
	if chance(s.game.duplicates) {
		times = 2
		s.note(func(t *tally) { t.duplicates++ })
	}
	p.Vars[dialplan.VarEnded] = epoch(time.Now())
	var running sync.WaitGroup
	for range times {
		h := p.H("reducer")
		h.Vars = maps.Clone(h.Vars)
		running.Go(func() {
			asked := time.Now()
			err := s.converse(ctx, h, 0)
			s.note(func(t *tally) {
				t.reducers++
				if err != nil {
					t.trouble(err)
				}
				t.reduce.add(time.Since(asked))
			})
		})
	}
	running.Wait()
	return false
}

// leg is what comes of one Dial.
type leg struct {
	sim     *simulation
	signals context.Context // its end ends the talk; the conversation has another
	peer    *agitest.Peer
	asked   time.Time

	dialled  bool
	unbound  bool // dialled without a limit
	answered bool
	status   string
	talked   time.Duration
}

// maxRinging is how long a simulated phone rings.
const maxRinging = 100 * time.Millisecond

// dial is Asterisk's Dial: it rings, talks and ends in real time.
func (l *leg) dial(d *agitest.Dial) {
	l.sim.note(func(t *tally) { t.authorize.add(time.Since(l.asked)) })
	l.dialled, l.unbound = true, d.Limit <= 0
	d.Ringing = min(roll(maxRinging/5, maxRinging), time.Duration(d.Ring)*time.Second)
	fate := mathrand.IntN(100) //nolint:gosec // dice
	switch {
	case !wiring.Pause(l.signals, d.Ringing):
		d.Status = "CANCEL"
	case fate < l.sim.game.busy:
		d.Status = "BUSY"
	case fate < l.sim.game.busy+l.sim.game.noAnswer:
		d.Status = "NOANSWER"
	default:
		d.Status = "ANSWER"
		l.talk(d)
	}
	l.status = d.Status
}

// talk lets the two talk, until one of them hangs up or the limit cuts them off.
func (l *leg) talk(d *agitest.Dial) {
	vars, began := l.peer.Vars, time.Now()
	vars["CDR(answer,u)"] = epoch(began)
	if strings.Contains(d.Options, "U("+dialplan.AnsweredRoutine+")") {
		vars[dialplan.VarAnswered] = epoch(began)
	}
	wanted := roll(l.sim.game.shortest, l.sim.game.longest)
	if d.Limit > 0 {
		wanted = min(wanted, d.Limit)
	}
	stopped := !wiring.Pause(l.signals, wanted)
	d.Talk = time.Since(began)
	vars["STRFTIME(,,%s.%3q)"] = epoch(began.Add(d.Talk))
	if d.Limit > 0 {
		d.Talk = min(d.Talk, d.Limit)
	}
	d.CallerHungUp = stopped || chance(50)
	l.answered, l.talked = true, d.Talk
}

// epoch writes an instant as Asterisk's STRFTIME(,,%s.%3q) does.
func epoch(t time.Time) string { return fmt.Sprintf("%d.%03d", t.Unix(), t.Nanosecond()/1_000_000) }

func chance(percent int) bool {
	return mathrand.IntN(100) < percent //nolint:gosec // dice
}

// roll returns a duration between two, both included.
func roll(low, high time.Duration) time.Duration {
	return low + mathrand.N(high-low+1) //nolint:gosec // dice
}

// verifyRows is how many calls are compared with the database together.
const verifyRows = 200

// verify compares calls that have ended with what the database has for them: a full chunk of them, or with all those
// that are left.
func (s *simulation) verify(ctx context.Context, all bool) error {
	var due []expectation
	s.note(func(t *tally) {
		if len(t.pending) >= verifyRows || all {
			due, t.pending = t.pending, nil
		}
	})
	for len(due) > 0 {
		part := due[:min(len(due), verifyRows)]
		due = due[len(part):]
		ids := make([]string, len(part))
		for i, e := range part {
			ids[i] = e.callID
		}
		calls, err := s.db.CallsByID(ctx, ids)
		if err != nil {
			return fmt.Errorf("compare the calls with the database: %w", err)
		}
		s.note(func(t *tally) {
			for _, e := range part {
				call, found := calls[e.callID]
				t.compare(e, call, found)
			}
		})
	}
	return nil
}

// expectation is what the database must say of a call that was dialled.
type expectation struct {
	callID   string
	talked   time.Duration
	answered bool
	unheard  bool // nobody has told how it ended, which is left to the reconciler
}

// compare holds a call against what was played.
func (t *tally) compare(e expectation, call models.Call, found bool) {
	seconds := int64(e.talked / time.Second)
	switch {
	case !found:
		t.differ("call %s was dialled, but is not in the database; does fastagi use another?", e.callID)
	case e.unheard && call.State == models.CallOpen:
		t.left++
	case e.unheard:
		t.reconciled++
	case call.State == models.CallOpen, call.State == models.CallUnreconciled:
		t.open++
	case e.answered && call.State != models.CallSettled:
		t.differ("call %s talked %d s, but is %s", e.callID, seconds, call.State)
	case call.Seconds != seconds:
		t.differ("call %s talked %d s, but %d s are charged", e.callID, seconds, call.Seconds)
	}
	t.charged += call.Seconds
	if call.Rate.Currency == models.SEC {
		t.charge += call.Charge
	}
}
