package billing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// These tests are about words that come late, twice or in another order than things happened.

var martasFace = billing.Identity{CallerID: martaCLID}

// TestALateUndoKeepsTheHoldOfANewerDial: the first dial came to nothing, but the channel dials again by now.
func TestALateUndoKeepsTheHoldOfANewerDial(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]string{"of the same number": abroad, "of another": joelCLID} {
		d := newDesk(t)
		first := d.authorize("pbx-1.1", abroad)
		if err := d.Undo(t.Context(), martasFace, first); err != nil { // at once it gives back
			t.Fatal(err)
		}
		d.money(180, 0)
		first = d.authorize("pbx-1.2", abroad)
		d.wait(2)
		second := d.authorize("pbx-1.2", number)
		if err := d.Undo(t.Context(), martasFace, first); err != nil {
			t.Fatal(err)
		}
		if call := d.call("pbx-1.2"); call.State != models.CallOpen || call.Held() == 0 {
			t.Errorf("%s: the call is %s and holds %s", name, call.State, call.Held())
		}
		if err := d.Undo(t.Context(), martasFace, second); err != nil {
			t.Fatal(err)
		}
		d.money(180, 0)
	}
}

// TestAReplayLeavesTheNextCallOpen: the word about a channel's call waited in the spool until its next one was up.
func TestAReplayLeavesTheNextCallOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		res  billing.CallResult
		late time.Duration // by the clock of whoever saw it, after the end of the talk
	}{
		"the caller's leg, which names its call":    {billing.CallResult{Exact: true, Evidence: answered("caller", 7000)}, 0},
		"the same, by a clock that runs ahead":      {billing.CallResult{Exact: true, Evidence: answered("caller", 7000)}, time.Hour},
		"the reducer, which knows only its channel": {billing.CallResult{Evidence: answered("reducer", 7000)}, time.Second},
	} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		d.wait(7)
		res := c.res
		res.CallID, res.Identity, res.Evidence.SeenAt = "pbx-1.1", martasFace, d.clock.Add(c.late)
		giveUp := billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true}
		if _, err := d.Settle(t.Context(), giveUp); err != nil {
			t.Fatal(err)
		}
		for range 2 { // two more calls of the channel, of which the second is up
			d.wait(20)
			if auth := d.authorize("pbx-1.1", joelCLID); auth.CallID == "pbx-1.1#2" {
				d.settle(auth.CallID, unanswered("caller", "BUSY", 17))
			}
		}
		for i := range 3 {
			charge, err := d.Settle(t.Context(), res)
			if err != nil || charge.CallID != "pbx-1.1" || charge.Seconds != 7 || charge.Already != (i > 0) {
				t.Errorf("%s: %+v, %v", name, charge, err)
			}
		}
		if next := d.call("pbx-1.1#3"); next.State != models.CallOpen || len(next.Notes) != 0 {
			t.Errorf("%s: the next call is %s with the notes %+v", name, next.State, next.Notes)
		}
		d.money(173, 60)
	}
}

// TestWhatIsRememberedOfAChannelEndsWhenItDialsAgain, whatever is still on the channel.
func TestWhatIsRememberedOfAChannelEndsWhenItDialsAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(3)
	d.settle("pbx-1.1", answered("caller", 3006))
	d.authorize("pbx-1.1", joelCLID)
	if charge := d.settle("pbx-1.1", answered("reducer", 3006)); charge.CallID != "pbx-1.1#2" {
		t.Errorf("the reducer is told of %+v", charge)
	}
	d.money(177, 0)
}

// TestOnlyAFirstSettlementIsRemembered: what a call was charged when somebody else had settled it is looked up.
func TestOnlyAFirstSettlementIsRemembered(t *testing.T) {
	t.Parallel()
	d, g := gatedDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", answered("reducer", 3006))
	d.settle("pbx-1.1", answered("caller", 9006))
	before := g.asked.Load()
	if charge := d.settle("pbx-1.1", answered("reducer", 9006)); !charge.Disputed || g.asked.Load() == before {
		t.Errorf("answered from memory: %+v", charge)
	}
}

// TestNobodyDialsTheSameNumberForever under one hold, for every dial is noted in the call.
func TestNobodyDialsTheSameNumberForever(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.MaxCallSeconds = 7200 }))
	d.topUp("marta", 1000)
	for i := range 500 {
		d.wait(1)
		_, err := d.Authorize(t.Context(), d.request("pbx-1.1", abroad))
		if err == nil {
			continue
		}
		refused(t, err, billing.ErrLimit)
		if notes := len(d.call("pbx-1.1").Notes); i != 101 || notes != 100 {
			t.Errorf("refused after %d dials and %d notes", i, notes)
		}
		return
	}
	t.Error("five hundred dials under one hold")
}

// TestAHookThatNeverTiresIsForgotten, and not what was said first.
func TestAHookThatNeverTiresIsForgotten(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", redirected(0, 7))
	for i := range 1000 {
		d.settle("pbx-1.1", models.Evidence{Source: "caller", DialStatus: "ANSWER", Cause: i})
	}
	notes := d.call("pbx-1.1").Notes
	if len(notes) != 200 || notes[0].BillSec == nil || notes[199].Cause != 999 {
		t.Errorf("%d notes, the first %+v, the last %+v", len(notes), notes[0], notes[len(notes)-1])
	}
}

// TestLateWordsAddUp: neither of two witnesses who come after the call was given up knows enough, but both do.
func TestLateWordsAddUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	if _, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true}); err != nil {
		t.Fatal(err)
	}
	ended := models.Evidence{Source: "reducer", DialStatus: "ANSWER", BillSec: n(0), Over: true}
	for range 3 {
		if charge := d.settle("pbx-1.1", ended); charge.State != models.CallUnreconciled || !charge.Already {
			t.Errorf("%+v", charge)
		}
	}
	if notes := d.call("pbx-1.1").Notes; len(notes) != 1 {
		t.Errorf("the same word is noted %d times", len(notes))
	}
	if charge := d.settle("pbx-1.1", redirected(0, 7)); charge.State != models.CallSettled || charge.Seconds != 7 {
		t.Errorf("%+v", charge)
	}
	d.money(173, 0)
}

// TestLateWordsAreBounded, however many hooks tell of a call that was given up.
func TestLateWordsAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	if _, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		d.settle("pbx-1.1", models.Evidence{Source: "reducer", DialStatus: "ANSWER", Cause: i, Over: true})
	}
	if notes := len(d.call("pbx-1.1").Notes); notes != 100 {
		t.Errorf("%d notes", notes)
	}
}

// TestAPaidCallAfterAnEmergencyCall pays for none of its seconds. ANSWEREDTIME counts from the channel's first answer:
// when the emergency number answered nobody noted, so that its ringing, too, is taken off the call that follows.
func TestAPaidCallAfterAnEmergencyCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ringing, talk int64 // of the emergency call, in seconds
		want          int64 // of the ten seconds that follow
	}{
		"answered at once":      {0, 60, 10},
		"answered after 4 s":    {4, 56, 6},
		"rung for a minute":     {60, 0, 0}, // and nobody answered: all of it may have been talk
		"a talk of ten minutes": {1, 600, 9},
	} {
		d := newDesk(t)
		if err := d.RecordEmergency(t.Context(), d.request("pbx-1.1", "112")); err != nil {
			t.Fatal(err)
		}
		d.wait(float64(c.ringing + c.talk))
		auth := d.authorize("pbx-1.1", abroad)
		if auth.CallID != "pbx-1.1#2" {
			t.Fatalf("%s: %+v", name, auth)
		}
		d.wait(10)
		charge := d.settle("pbx-1.1", answered("reducer", (c.talk+10)*1000))
		if charge.Seconds != c.want || charge.State != models.CallSettled {
			t.Errorf("%s: %+v, want %d s", name, charge, c.want)
		}
		d.money(180-c.want, 0)
	}
}

// TestWhatAnEmergencyCallTalkedIsNotPaidLater, not even two calls later: the one between tells of its own talk alone.
func TestWhatAnEmergencyCallTalkedIsNotPaidLater(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.RecordEmergency(t.Context(), d.request("pbx-1.1", "112")); err != nil {
		t.Fatal(err)
	}
	d.wait(1)
	d.authorize("pbx-1.1", abroad)
	d.wait(1)
	away := redirected(0, 1)
	away.Dial, away.SeenAt = 1, d.clock
	d.settle("pbx-1.1#2", away)
	d.authorize("pbx-1.1", abroad)
	busy := unanswered("caller", "BUSY", 17)
	busy.Dial, busy.SeenAt = 2, d.clock
	d.settle("pbx-1.1#2", busy)
	req := d.request("pbx-1.1", abroad)
	req.Shows = &models.Evidence{Source: billing.SourceCaller, DialStatus: "BUSY", BillSec: n(0)}
	if auth, err := d.Authorize(t.Context(), req); err != nil || auth.CallID != "pbx-1.1#3" {
		t.Fatalf("%+v, %v", auth, err)
	}
	if up := d.call("pbx-1.1#3").UpBefore; up != -2000 {
		t.Errorf("the channel had been up for %d ms, want at most 2000", up)
	}
	d.wait(1)
	d.settle("pbx-1.1#3", answered("caller", 3000)) // a second with help, one under each call
	d.money(178, 0)
}

// TestGivingUpMeansOneDial: the channel has dialled again since the reconciler looked.
func TestGivingUpMeansOneDial(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		d.wait(200)
		r := d.reconciler()
		r.Calls = openCalls{desk: d, onClaim: sync.OnceFunc(func() { d.authorize("pbx-1.1", joelCLID) })}
		report, err := r.Run(t.Context(), all)
		if err != nil || report.Left != 1 || d.call("pbx-1.1").State != models.CallOpen {
			t.Errorf("%+v, %v; the call is %s", report, err, d.call("pbx-1.1").State)
		}
		d.money(180, 120)
	}
}

// unsure is a store whose answers to some commits are lost for good.
type unsure struct {
	*memory
	mu     sync.Mutex
	lose   bool // the answer to the next update
	stored bool // which took place all the same
}

func (u *unsure) Update(ctx context.Context, keys billing.Keys, decide func(*billing.State)) error {
	u.mu.Lock()
	lose, stored := u.lose, u.stored
	u.lose = false
	u.mu.Unlock()
	if lose && !stored {
		decide(billing.NewState()) // as far as it came
		return fmt.Errorf("%w: %w", billing.ErrUncertain, models.ErrUnavailable)
	}
	err := u.memory.Update(ctx, keys, decide)
	if lose {
		return fmt.Errorf("%w: %w", billing.ErrUncertain, models.ErrUnavailable)
	}
	return err
}

// TestAnUncertainPermissionIsLookedUpAndGivenBack: the caller was refused, so that nothing may stay held.
func TestAnUncertainPermissionIsLookedUpAndGivenBack(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			u := &unsure{lose: false, stored: stored}
			d := newDesk(t, func(o *billing.Options) {
				u.memory = o.Store.(*memory)
				o.Store = u
			})
			u.mu.Lock()
			u.lose = true
			u.mu.Unlock()
			_, err := d.Authorize(t.Context(), d.request("pbx-1.1", abroad))
			if !errors.Is(err, billing.ErrUncertain) || !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			synctest.Wait()
			if call := d.call("pbx-1.1"); stored && call.State != models.CallReleased || !stored && call.State != "" {
				t.Errorf("stored %t: the call is %q", stored, call.State)
			}
			d.money(180, 0)
		})
	}
}

// TestARepeatThatWasNotDialled is noted as come to nothing: only so is it known, when the channel's own end is seen by
// nobody, that the first dial's talk was all.
func TestARepeatThatWasNotDialled(t *testing.T) {
	t.Parallel()
	for noted, want := range map[bool]models.CallState{true: models.CallSettled, false: models.CallUnreconciled} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		d.settle("pbx-1.1", redirected(0, 7))
		d.wait(10)
		if auth := d.authorize("pbx-1.1", abroad); !auth.Repeated {
			t.Fatalf("%+v", auth)
		}
		if noted {
			d.settle("pbx-1.1", models.Evidence{Source: "caller", DialStatus: "CANCEL"})
		}
		d.money(180, 60)
		charge, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceOperator, GiveUp: true})
		if err != nil || charge.State != want || noted && charge.Seconds != 7 {
			t.Errorf("noted %t: %+v, %v", noted, charge, err)
		}
	}
}

// TestWhicheverClockIsBehindDecides when a call is given up: ours, or the database's.
func TestWhicheverClockIsBehindDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, theirs time.Duration // after the end of the limit
		want         models.CallState
	}{
		{2 * time.Minute, 2 * time.Minute, models.CallUnreconciled},
		{2 * time.Minute, 30 * time.Second, models.CallOpen},
		{30 * time.Second, 2 * time.Minute, models.CallOpen},
		{-time.Hour, 2 * time.Minute, models.CallOpen},
		{2 * time.Minute, -time.Hour, models.CallOpen},
	} {
		d := newDesk(t)
		due := d.clock.Add(100 * time.Second)
		d.authorize("pbx-1.1", abroad)
		d.wait((100*time.Second + c.theirs).Seconds())
		r := d.reconciler()
		r.Now = func() time.Time { return due.Add(c.ours) }
		if _, err := r.Run(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if call := d.call("pbx-1.1"); call.State != c.want {
			t.Errorf("our clock at %s, the database's at %s: the call is %s, want %s", c.ours, c.theirs, call.State, c.want)
		}
	}
}

// TestPatienceHasAnEnd: a witness who cannot be reached holds nobody's money for longer than a day.
func TestPatienceHasAnEnd(t *testing.T) {
	t.Parallel()
	away := errors.New("no route to host")
	for name, edit := range map[string]func(*billing.Reconciler){
		"a CDR database":        cdrs(rows{nil, away}),
		"the list of live ones": func(r *billing.Reconciler) { r.Live = channels{nil, away} },
	} {
		for age, want := range map[time.Duration]models.CallState{
			24 * time.Hour: models.CallOpen, 24*time.Hour + time.Second: models.CallUnreconciled,
		} {
			d := newDesk(t)
			d.authorize("pbx-1.1", abroad)
			d.wait((100*time.Second + age).Seconds())
			r := d.reconciler()
			edit(r)
			r.Now = func() time.Time { return d.clock }
			if _, err := r.Run(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if call := d.call("pbx-1.1"); call.State != want {
				t.Errorf("%s away, %s late: the call is %s, want %s", name, age, call.State, want)
			}
		}
	}
	// But a channel that is known to be up is: its phones talk, whatever we once permitted.
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(200_000)
	r := d.reconciler()
	live(billing.UniqueID("pbx-1.1"))(r)
	r.Now = func() time.Time { return d.clock }
	if _, err := r.Run(t.Context(), false); err != nil || d.call("pbx-1.1").State != models.CallOpen {
		t.Errorf("%v; the call is %s", err, d.call("pbx-1.1").State)
	}
}

// TestALostDatabaseIsSaidOnce, and that it is back, however many calls find out.
func TestALostDatabaseIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d, g := gatedDesk(t, func(o *billing.Options) {
			o.Logger, o.Lanes = slog.New(slog.NewTextHandler(&log, nil)), 4
		})
		for range 2 {
			g.set(func(context.Context, billing.Keys) error { return fmt.Errorf("dial: %w", models.ErrUnavailable) })
			var results []<-chan error
			for i := range 20 {
				results = append(results, d.later(t.Context(), of(fmt.Sprint("55500020", i), fmt.Sprint("pbx-1.", i))))
			}
			for _, r := range results {
				if err := <-r; !errors.Is(err, models.ErrUnavailable) {
					t.Error(err)
				}
			}
			g.set(nil)
			for range 5 {
				if _, _, err := d.Available(t.Context(), martasFace); err != nil {
					t.Error(err)
				}
			}
		}
		synctest.Wait()
		var said []string
		for line := range strings.Lines(log.String()) {
			_, message, _ := strings.Cut(line, `msg="`)
			message, _, _ = strings.Cut(message, `"`)
			said = append(said, message)
		}
		away, back := "the database cannot be reached: all calls are refused until it can", "the database can be reached"
		if want := []string{away, back, away, back}; !slices.Equal(said, want) {
			t.Errorf("the log says %q", said)
		}
	})
}

// TestARefusalIsNoSignThatTheDatabaseIsAway, nor is a call whose caller has gone.
func TestARefusalIsNoSignThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := newDesk(t, func(o *billing.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	_, err := d.Authorize(t.Context(), of(joelCLID, "pbx-1.1"))
	refused(t, err, billing.ErrInsufficientFunds)
	if _, err := d.Move(t.Context(), billing.Movement{Username: "nobody", Amount: money.Unit, Ref: "r"}); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log.String())
	}
}

// TestAfterAnEmergencyCallTheExactMeasureCounts, not the guess how long the channel may have been up.
func TestAfterAnEmergencyCallTheExactMeasureCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.RecordEmergency(t.Context(), d.request("pbx-1.1", "112")); err != nil {
		t.Fatal(err)
	}
	d.wait(600) // nobody answered
	auth := d.authorize("pbx-1.1", abroad)
	callee := d.clock.UnixMilli()
	d.wait(40)
	word := answered("caller", 40_000)
	word.CalleeUpMS, word.ChannelUp, word.EndedMS = &callee, &callee, n(d.clock.UnixMilli())
	charge, err := d.Settle(t.Context(), billing.CallResult{CallID: auth.CallID, Exact: true, Identity: martasFace, Evidence: word})
	if err != nil || charge.Seconds != 40 {
		t.Errorf("%+v, %v; want 40 s", charge, err)
	}
	d.money(140, 0)
}

// TestPermissionsThatWereNotDialled give the hold back when all of them are taken back, in whatever order.
func TestPermissionsThatWereNotDialled(t *testing.T) {
	t.Parallel()
	for _, number := range []string{abroad, joelCLID} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			d := newDesk(t)
			permissions := []billing.Authorization{d.authorize("pbx-1.1", abroad)}
			d.wait(2)
			permissions = append(permissions, d.authorize("pbx-1.1", number))
			for i, which := range order {
				if err := d.Undo(t.Context(), martasFace, permissions[which]); err != nil {
					t.Fatal(err)
				}
				if open := d.call("pbx-1.1").State == models.CallOpen; open != (i == 0) {
					t.Errorf("%s, %v: after %d of them the call is open: %t", number, order, i+1, open)
				}
			}
			d.money(180, 0)
		}
	}
}

// TestAWordIsKnownByItsDial: the clock of the process that saw BUSY is ahead of the one that permitted the next dial.
func TestAWordIsKnownByItsDial(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.authorize("pbx-1.1", abroad)
	d.wait(3)
	busy := unanswered("caller", "BUSY", 17)
	busy.Dial, busy.SeenAt = first.Dial, d.clock.Add(2*time.Second)
	d.wait(1)
	if second := d.authorize("pbx-1.1", abroad); !second.Repeated {
		t.Fatalf("%+v", second)
	}
	d.wait(10)
	if charge := d.settle("pbx-1.1", busy); charge.State != models.CallOpen {
		t.Errorf("released while the phones talk: %+v", charge)
	}
	d.wait(30)
	if charge := d.settle("pbx-1.1", answered("reducer", 40_000)); charge.Seconds != 40 {
		t.Errorf("%+v, want 40 s", charge)
	}
}
