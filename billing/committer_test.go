package billing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// gated is a store that asks a test before each update, and may be made to wait or to fail.
type gated struct {
	*memory
	mu     sync.Mutex
	before func(ctx context.Context, keys billing.Keys) error
	asked  atomic.Int64
}

func (g *gated) Update(ctx context.Context, keys billing.Keys, decide func(*billing.State)) error {
	g.asked.Add(1)
	g.mu.Lock()
	before := g.before
	g.mu.Unlock()
	if before != nil {
		if err := before(ctx, keys); err != nil {
			return err
		}
	}
	return g.memory.Update(ctx, keys, decide)
}

func (g *gated) set(before func(context.Context, billing.Keys) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

// gatedDesk is a desk whose store can be held up. Joel has money too.
func gatedDesk(t *testing.T, edit ...func(*billing.Options)) (*desk, *gated) {
	t.Helper()
	g := &gated{}
	d := newDesk(t, append([]func(*billing.Options){func(o *billing.Options) {
		g.memory = o.Store.(*memory)
		o.Store = g
	}}, edit...)...)
	d.topUp("joel", 180)
	return d, g
}

func of(clid, callID string) billing.CallRequest {
	return billing.CallRequest{CallID: callID, Identity: billing.Identity{CallerID: clid}, Number: abroad}
}

// later runs an authorisation beside the test.
func (d *desk) later(ctx context.Context, req billing.CallRequest) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := d.Authorize(ctx, req)
		done <- err
	}()
	return done
}

func TestOperationsThatArriveDuringACommitShareTheNext(t *testing.T) {
	t.Parallel()
	for batch, commits := range map[int]int{0: 2, 4: 4, 1: 11} {
		synctest.Test(t, func(t *testing.T) {
			d, g := gatedDesk(t, func(o *billing.Options) { o.Batch = batch })
			gate := make(chan struct{})
			g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
			before := d.store.commits
			var results []<-chan error
			for i := range 11 {
				results = append(results, d.later(t.Context(), of(martaCLID, fmt.Sprint("pbx-1.", i))))
				synctest.Wait() // the first is being committed, the others wait
			}
			close(gate)
			granted := 0
			for _, r := range results {
				if <-r == nil {
					granted++
				}
			}
			if got := d.store.commits - before; got != commits || granted != 3 {
				t.Errorf("batches of %d: %d commits and %d permissions, want %d and 3", batch, got, granted, commits)
			}
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t, func(o *billing.Options) { o.Lanes, o.Batch = 4096, 1 }) // two places in each lane
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		var results []<-chan error
		for i := range 5 {
			results = append(results, d.later(t.Context(), of(martaCLID, fmt.Sprint("pbx-1.", i))))
			synctest.Wait()
		}
		for _, r := range results[3:] {
			if err := <-r; !errors.Is(err, billing.ErrBusy) {
				t.Errorf("the queue was full, but: %v", err)
			}
		}
		close(gate)
		for _, r := range results[:3] {
			if err := <-r; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAHoldThatNobodyWaitsForIsReleased: the caller went away, or was refused after three seconds, while the commit ran.
func TestAHoldThatNobodyWaitsForIsReleased(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leave func(cancel func())
		want  error
	}{
		"the caller goes":     {func(cancel func()) { cancel() }, context.Canceled},
		"the commit is slow":  {func(func()) { time.Sleep(4 * time.Second) }, models.ErrUnavailable},
		"both, and a restart": {func(cancel func()) { time.Sleep(2 * time.Second); cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, g := gatedDesk(t)
				gate := make(chan struct{})
				g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				result := d.later(ctx, of(martaCLID, "pbx-1.1"))
				synctest.Wait()
				queued := d.later(ctx, of(martaCLID, "pbx-1.2"))
				synctest.Wait()
				c.leave(cancel)
				for r, begun := range map[<-chan error]bool{result: true, queued: false} {
					if err := <-r; !errors.Is(err, c.want) || errors.Is(err, billing.ErrUncertain) != begun {
						t.Errorf("begun %t: got %v, want %v", begun, err, c.want)
					}
				}
				close(gate)
				synctest.Wait()
				if call := d.call("pbx-1.1"); call.State != models.CallReleased {
					t.Errorf("the call is %q", call.State)
				}
				if call := d.call("pbx-1.2"); call.CallID != "" {
					t.Errorf("an operation that still waited was committed: %+v", call)
				}
				d.money(180, 0)
			})
		})
	}
}

func TestCloseReleasesWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		result := d.later(ctx, of(martaCLID, "pbx-1.1"))
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		closed := make(chan struct{})
		go func() { d.Close(); close(closed) }()
		synctest.Wait()
		close(gate)
		<-closed
		d.money(180, 0)
	})
}

// TestAnAbandonedRepeatKeepsTheHold: the first caller may be talking on it.
func TestAnAbandonedRepeatKeepsTheHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		d.authorize("pbx-1.1", abroad)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		result := d.later(ctx, of(martaCLID, "pbx-1.1"))
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(gate)
		synctest.Wait()
		d.money(180, 60)
	})
}

func TestAnAbandonedSettlementStands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		d.authorize("pbx-1.1", abroad)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		res := billing.CallResult{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: martaCLID}, Evidence: answered("caller", 5000)}
		go func() {
			_, err := d.Settle(ctx, res)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(gate)
		synctest.Wait()
		d.money(175, 0)
		if charge, err := d.Settle(t.Context(), res); err != nil || !charge.Already || charge.Seconds != 5 {
			t.Errorf("from the spool: %+v, %v", charge, err)
		}
	})
}

// poison fails every update that has anything to do with a call.
func poison(callID string, err error) func(context.Context, billing.Keys) error {
	return func(_ context.Context, keys billing.Keys) error {
		if slices.Contains(keys.NewCalls, callID) || slices.Contains(keys.Calls, callID) {
			return err
		}
		return nil
	}
}

func TestAPoisonedBatchIsTakenApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		first := d.later(t.Context(), of(joelCLID, "pbx-0.1"))
		synctest.Wait()
		bad := errors.New("incorrect string value")
		results := map[string]<-chan error{}
		for _, req := range []billing.CallRequest{
			of(martaCLID, "pbx-1.1"), of(martaCLID, "pbx-1.2"), of(martaCLID, "pbx-1.3"), of(joelCLID, "pbx-2.1"),
		} {
			results[req.CallID] = d.later(t.Context(), req)
		}
		synctest.Wait()
		g.set(poison("pbx-1.2", bad))
		close(gate)
		if err := <-first; err != nil {
			t.Error(err)
		}
		for id, r := range results {
			switch err := <-r; {
			case id == "pbx-1.2" && !errors.Is(err, bad):
				t.Errorf("the poisoned call: %v", err)
			case id != "pbx-1.2" && err != nil:
				t.Errorf("%s: %v", id, err)
			}
		}
		d.money(180, 120)
	})
}

// lockedBy makes the rows of users wait for two seconds, as a database does, and then fail.
func lockedBy(clids ...string) func(context.Context, billing.Keys) error {
	return func(ctx context.Context, keys billing.Keys) error {
		if !slices.ContainsFunc(clids, func(clid string) bool { return slices.Contains(keys.CLIDs, clid) }) {
			return nil
		}
		select {
		case <-time.After(2 * time.Second):
			return fmt.Errorf("%w: lock wait timeout", billing.ErrLocked)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestALockedAccountHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		first := d.later(t.Context(), of(joelCLID, "pbx-0.1"))
		synctest.Wait()
		marta, joel := d.later(t.Context(), of(martaCLID, "pbx-1.1")), d.later(t.Context(), of(joelCLID, "pbx-2.1"))
		synctest.Wait()
		g.set(lockedBy(martaCLID))
		close(gate)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := <-joel; err != nil {
			t.Errorf("joel, in the batch with the locked account: %v", err)
		}
		if err := <-marta; err == nil {
			t.Error("marta's rows were locked, but she was permitted")
		}
		// From now on she waits apart.
		start := time.Now()
		marta = d.later(t.Context(), of(martaCLID, "pbx-1.2"))
		synctest.Wait()
		if _, err := d.Authorize(t.Context(), of(joelCLID, "pbx-2.2")); err != nil || time.Since(start) > time.Second {
			t.Errorf("joel after %s: %v", time.Since(start), err)
		}
		if err := <-marta; err == nil {
			t.Error("marta's rows were locked, but she was permitted")
		}
		g.set(nil)
		time.Sleep(10 * time.Second) // the quarantine ends
		asked := g.asked.Load()
		if _, err := d.Authorize(t.Context(), of(martaCLID, "pbx-1.3")); err != nil || g.asked.Load() != asked+1 {
			t.Errorf("marta, once her rows are free: %v", err)
		}
		d.money(180, 60)
	})
}

// TestALoneLockedOperationMarksItsAccount, so that the next one holds nobody up.
func TestALoneLockedOperationMarksItsAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		g.set(lockedBy(martaCLID))
		if _, err := d.Authorize(t.Context(), of(martaCLID, "pbx-1.1")); !errors.Is(err, billing.ErrLocked) {
			t.Error(err)
		}
		marta := d.later(t.Context(), of(martaCLID, "pbx-1.2"))
		synctest.Wait()
		start := time.Now()
		if _, err := d.Authorize(t.Context(), of(joelCLID, "pbx-2.1")); err != nil || time.Since(start) > 0 {
			t.Errorf("joel waited %s behind a locked account: %v", time.Since(start), err)
		}
		if err := <-marta; err == nil {
			t.Error("marta's rows were locked, but she was permitted")
		}
	})
}

// TestAStormOnALockedAccountStaysSmall: it neither takes all places beside the lanes nor is committed afterwards.
func TestAStormOnALockedAccountStaysSmall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		for i := range 3 {
			d.store.addUser(fmt.Sprint("other", i), fmt.Sprint("66", i), "")
			d.topUp(fmt.Sprint("other", i), 60)
		}
		g.set(lockedBy(martaCLID))
		storm := make(chan error, 4000)
		for i := range 1000 { // ten seconds, a hundred a second
			go func() {
				_, err := d.Authorize(t.Context(), of(martaCLID, fmt.Sprint("pbx-1.", i)))
				storm <- err
			}()
			if i == 500 { // another account is locked too, in the middle of it
				g.set(lockedBy(martaCLID, "660"))
				go func() { _, _ = d.Authorize(t.Context(), of("660", "pbx-3.1")) }()
			}
			if i > 20 && i%50 == 0 {
				start := time.Now()
				req := of(joelCLID, fmt.Sprint("pbx-2.", i))
				if _, err := d.Authorize(t.Context(), req); err != nil || time.Since(start) > 2500*time.Millisecond {
					t.Errorf("joel after %s: %v", time.Since(start), err)
				}
				if err := d.Release(t.Context(), req.Identity, req.CallID, "caller"); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if asked := g.asked.Load(); asked > 200 {
			t.Errorf("the store was asked %d times for an account that it cannot give", asked)
		}
		g.set(nil)
		time.Sleep(20 * time.Second)
		granted := 0
		for range 1000 {
			if <-storm == nil {
				granted++
			}
		}
		synctest.Wait()
		if a := d.account(d.marta); a.Held != money.Amount(60*granted)*money.Unit {
			t.Errorf("%d were permitted, %s is held", granted, a.Held)
		}
		d.topUp("marta", 60)
		if _, err := d.Authorize(t.Context(), of(martaCLID, "pbx-9.1")); err != nil {
			t.Errorf("marta, once her rows are free: %v", err)
		}
	})
}

func TestADatabaseThatIsAwayFailsAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error {
			<-gate
			return fmt.Errorf("dial: %w", models.ErrUnavailable)
		})
		results := []<-chan error{d.later(t.Context(), of(joelCLID, "pbx-0.1"))}
		synctest.Wait()
		for i := range 20 {
			results = append(results, d.later(t.Context(), of([]string{martaCLID, joelCLID}[i%2], fmt.Sprint("pbx-1.", i))))
		}
		synctest.Wait()
		before := g.asked.Load()
		close(gate)
		for _, r := range results {
			if err := <-r; !errors.Is(err, models.ErrUnavailable) {
				t.Error(err)
			}
		}
		if got := g.asked.Load() - before; got != 1 {
			t.Errorf("a batch that could not be committed was tried %d times", got)
		}
		g.set(nil)
		d.authorize("pbx-2.1", abroad)
	})
}

func TestCloseCommitsWhatWaitsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		var results []<-chan error
		for i := range 3 {
			results = append(results, d.later(t.Context(), of(martaCLID, fmt.Sprint("pbx-1.", i))))
			synctest.Wait()
		}
		closed := make(chan struct{})
		go func() { d.Close(); d.Close(); close(closed) }()
		synctest.Wait()
		if _, err := d.Authorize(t.Context(), of(martaCLID, "pbx-2.1")); !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
		close(gate)
		for _, r := range results {
			if err := <-r; err != nil {
				t.Error(err)
			}
		}
		<-closed
		d.money(180, 180)
	})
}

// twice lets every decision be taken twice, as after a deadlock, and throws the first one away.
type twice struct{ *memory }

func (s twice) Update(ctx context.Context, keys billing.Keys, decide func(*billing.State)) error {
	s.mu.Lock()
	decide(s.load(keys, false))
	s.mu.Unlock()
	return s.memory.Update(ctx, keys, decide)
}

// TestDecidingAgainLeavesNoTraceOfTheFirstTime: a decision does nothing but decide.
func TestDecidingAgainLeavesNoTraceOfTheFirstTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *billing.Options) { o.Store = twice{o.Store.(*memory)} })
	d.authorize("pbx-1.1", abroad)
	d.money(180, 60)
	d.wait(20)
	d.authorize("pbx-1.1", joelCLID)
	d.settle("pbx-1.1", redirected(0, 20))
	d.settle("pbx-1.1", onLeg(1, answered("caller", 30_000)))
	if call := d.call("pbx-1.1"); len(call.Legs) != 1 || len(call.Notes) != 2 || call.Seconds != 30 {
		t.Errorf("%+v", call)
	}
	d.authorize("pbx-1.1", abroad)
	if call := d.call("pbx-1.1"); call.Attempts != 2 {
		t.Errorf("%d attempts", call.Attempts)
	}
	d.money(150, 60)
}

func TestAReducerWhoSawTheSameAsksNobody(t *testing.T) {
	t.Parallel()
	d, g := gatedDesk(t)
	d.authorize("pbx-1.1", abroad)
	charge := d.settle("pbx-1.1", answered("caller", 3006))
	before := g.asked.Load()
	again := d.settle("pbx-1.1", answered("reducer", 3006))
	if !again.Already || again.Seconds != charge.Seconds || again.Amount != charge.Amount || again.CallID != charge.CallID {
		t.Errorf("%+v, want %+v, already", again, charge)
	}
	if g.asked.Load() != before {
		t.Error("the store was asked")
	}
	for name, e := range map[string]models.Evidence{
		"a longer talk":  answered("reducer", 3007),
		"another status": unanswered("reducer", "BUSY", 17),
		"another source": cdr("ANSWER", n(3)),
	} {
		before := g.asked.Load()
		d.settle("pbx-1.1", e)
		if g.asked.Load() == before {
			t.Errorf("%s: answered from memory", name)
		}
	}
}

// TestASecondBusyCallIsNotTakenForTheFirst: what is remembered of a channel must not hide its open call.
func TestASecondBusyCallIsNotTakenForTheFirst(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", unanswered("caller", "BUSY", 17))
	d.authorize("pbx-1.1", joelCLID) // its caller's leg dies
	if charge := d.settle("pbx-1.1", unanswered("reducer", "BUSY", 17)); charge.State != models.CallReleased || charge.CallID != "pbx-1.1#2" {
		t.Errorf("%+v", charge)
	}
	d.money(180, 0)
}

// TestTwoTalksInOneSecondAreNotTakenForOne, where ANSWEREDTIME is all that is known.
func TestTwoTalksInOneSecondAreNotTakenForOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := models.Evidence{Source: "caller", DialStatus: "ANSWER", Answered: n(3)}
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", e)
	d.authorize("pbx-1.1", joelCLID)
	e.Source = "reducer"
	if charge := d.settle("pbx-1.1", e); charge.CallID != "pbx-1.1#2" || charge.State != models.CallSettled {
		t.Errorf("%+v", charge)
	}
	d.money(177, 0)
}

// TestWhatWaitsBesideTheLanesIsBounded too.
func TestWhatWaitsBesideTheLanesIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := gatedDesk(t)
		g.set(lockedBy(martaCLID))
		if err := <-d.later(t.Context(), of(martaCLID, "pbx-0.1")); err == nil { // from now on she runs apart
			t.Error("marta's rows were locked, but she was permitted")
		}
		gate := make(chan struct{})
		g.set(func(context.Context, billing.Keys) error { <-gate; return nil })
		results := []<-chan error{d.later(t.Context(), of(martaCLID, "pbx-0.2"))}
		synctest.Wait()
		for i := range 300 {
			results = append(results, d.later(t.Context(), of(martaCLID, fmt.Sprint("pbx-1.", i))))
		}
		synctest.Wait()
		close(gate)
		busy := 0
		for _, r := range results {
			if errors.Is(<-r, billing.ErrBusy) {
				busy++
			}
		}
		if busy != 300-256 {
			t.Errorf("%d were turned away, want 44", busy)
		}
	})
}

// TestWhatIsRememberedIsBounded and the newest is still known.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	young, older := billing.Remember(50_000)
	if young+older > 2*16384 || young+older < 16384 {
		t.Errorf("%d and %d settlements are remembered", young, older)
	}
}
