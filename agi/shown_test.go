package agi_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
)

// These tests are about channels whose dialplan dials by itself, several times, and shows us what came of it before we
// permit the next dial.

// shows puts the end of a dial on a channel.
func shows(c *agitest.Peer, status string, upFor time.Duration) {
	c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"], c.Vars["HANGUPCAUSE"] = status, "", "", "17"
	if status == "ANSWER" {
		c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = fmt.Sprint(int64(upFor/time.Second)), fmt.Sprint(upFor.Milliseconds())
		c.Vars["HANGUPCAUSE"] = "16"
	}
}

// again authorises a number on a channel that has called before; it is the channel's n-th script.
func (o *office) again(t *testing.T, c *agitest.Peer, number string, n int) *agitest.Peer {
	t.Helper()
	next := another(c, "authorize", number)
	agitest.Call(t, o.address, next)
	o.ended(t, next, n)
	return next
}

// TestATalkBeforeAnEmergencyCallIsCharged: dialling 112 must not make it free.
func TestATalkBeforeAnEmergencyCallIsCharged(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		o := newOffice(t)
		p := o.phone(100)
		first := p.does(t, "authorize", abroad, nil)
		o.ended(t, first, 1)
		o.clock.wait(50 * time.Second)
		shows(first, "ANSWER", 50*time.Second)
		if down {
			o.service.Close()
		}
		help := o.again(t, first, "112", 2)
		o.scripts.Wait()
		if help.Vars["TALKTIME_STATUS"] != "OK" {
			t.Errorf("the emergency call got %q", help.Vars["TALKTIME_STATUS"])
		}
		if down {
			service := o.reopen(t)
			for _, r := range o.spool.records {
				if r.Result == nil {
					continue
				}
				if _, err := service.Settle(t.Context(), *r.Result); err != nil {
					t.Error(err)
				}
			}
		} else {
			o.clock.wait(5 * time.Second)
			shows(help, "ANSWER", 55*time.Second)
			o.hangsUp(t, help)
		}
		if c := o.call(t, first); c.State != models.CallSettled || c.Seconds != 50 {
			t.Errorf("down %t: the talk before is %s with %d s", down, c.State, c.Seconds)
		}
		p.has(t, 50, 0)
	}
}

// locked is a billing whose rows are locked by somebody else, when a channel has shown something.
type locked struct {
	*billing.Service
	times atomic.Int32
}

func (l *locked) Authorize(ctx context.Context, req billing.CallRequest) (billing.Authorization, error) {
	if req.Shows != nil && l.times.Add(-1) >= 0 {
		return billing.Authorization{}, billing.ErrLocked
	}
	return l.Service.Authorize(ctx, req)
}

// TestWhatCannotBeTakenStaysOnTheChannel: no next dial is permitted, which would wipe it out.
func TestWhatCannotBeTakenStaysOnTheChannel(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	l := &locked{Service: o.service}
	l.times.Store(1)
	o.address = openAt(t, &agi.Scripts{Billing: l, Spool: o.spool}, o.log, o.clock.now)
	first := p.does(t, "authorize", abroad, nil)
	o.ended(t, first, 1)
	o.clock.wait(50 * time.Second)
	shows(first, "ANSWER", 50*time.Second)
	second := another(first, "authorize", abroad)
	agitest.Call(t, o.address, second)
	if second.Vars["TALKTIME_STATUS"] != "ERROR" || second.Vars["ANSWEREDTIME_MS"] != "50000" {
		t.Errorf("the channel has %v", second.Vars)
	}
	o.hangsUp(t, second)
	p.has(t, 50, 0)
}

// TestATalkOfACallThatWasGivenUpIsCharged when its channel dials again and still shows it.
func TestATalkOfACallThatWasGivenUpIsCharged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	first := p.does(t, "authorize", abroad, nil)
	o.ended(t, first, 1)
	o.clock.wait(50 * time.Second)
	shows(first, "ANSWER", 50*time.Second)
	if _, err := o.service.Settle(t.Context(), billing.CallResult{CallID: o.call(t, first).CallID, Exact: true, GiveUp: true, By: "reconciler"}); err != nil {
		t.Fatal(err)
	}
	p.has(t, 100, 0)
	second := o.again(t, first, abroad, 2)
	p.has(t, 50, 50)
	shows(second, "BUSY", 0)
	o.hangsUp(t, second)
	p.has(t, 50, 0)
}

// TestOnlyTheTalkIsCharged, not what rang in vain before it.
func TestOnlyTheTalkIsCharged(t *testing.T) {
	t.Parallel()
	for _, number := range []string{abroad, "59899555000"} {
		o := newOffice(t)
		p := o.phone(100)
		answered := o.clock.now()
		o.clock.wait(20 * time.Second) // in a menu that has answered
		first := p.does(t, "authorize", abroad, nil)
		o.ended(t, first, 1)
		o.clock.wait(40 * time.Second)
		shows(first, "NOANSWER", 0)
		second := o.again(t, first, number, 2)
		second.Vars["TALKTIME_ANSWERED"] = fmt.Sprintf("%d.000", o.clock.now().Unix())
		o.clock.wait(10 * time.Second)
		second.Vars["TALKTIME_ENDED"] = fmt.Sprintf("%d.000", o.clock.now().Unix())
		shows(second, "ANSWER", o.clock.now().Sub(answered))
		o.hangsUp(t, second)
		p.has(t, 90, 0)
	}
}

// TestAHoldThatIsOverIsNotInTheWay of the next call.
func TestAHoldThatIsOverIsNotInTheWay(t *testing.T) {
	t.Parallel()
	for _, number := range []string{abroad, "59899555000"} {
		o := newOffice(t)
		p := o.phone(60) // all of it is held
		first := p.does(t, "authorize", abroad, nil)
		o.ended(t, first, 1)
		o.clock.wait(5 * time.Second)
		shows(first, "ANSWER", 5*time.Second)
		o.clock.wait(90 * time.Second)
		second := o.again(t, first, number, 2)
		if second.Vars["TALKTIME_STATUS"] != "OK" || second.Vars["TALKTIME_SECONDS"] != "55" {
			t.Errorf("the channel has %v", second.Vars)
		}
		p.has(t, 55, 55)
		shows(second, "BUSY", 0)
		o.hangsUp(t, second)
		p.has(t, 55, 0)
	}
}
