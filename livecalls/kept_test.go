package livecalls_test

import (
	"fmt"
	"testing"
	"time"

	"talktime/billing"
	"talktime/livecalls"
	"talktime/models"
	"talktime/money"
)

// kept is a call that somebody extends, of which a minute is held, answered before we listened; 0: not noted.
func kept(id int64, callID string, authorized, answered time.Time) models.Call {
	c := hold(id, callID, authorized)
	c.Keeper, c.Slice, c.Limit, c.Holds = 9, 60, 60, []models.HoldPart{{AccountID: id, Amount: money.Unit}}
	if !answered.IsZero() {
		c.AnsweredMS = answered.UnixMilli()
	}
	return c
}

func known[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

// TestKept: a call that somebody extends can last as long as its user can pay, and what it holds for less.
func TestKept(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{has: 5 * money.Unit}
	begun := time.Unix(1_800_000_000-30, 0)
	answered := begun.Add(10 * time.Second)
	again := kept(3, "h/3.1", begun.Add(-20*time.Second), answered.Add(-20*time.Second)) // dialled again 20 s after the first time
	again.Notes = []models.Evidence{{Source: billing.SourceRepeat, SeenAt: begun}}
	b.calls = []models.Call{kept(1, "h/1.1", begun, answered), kept(2, "h/2.1", begun, time.Time{}), again, kept(4, "h/4.1", begun, answered), hold(5, "h/5.1", begun)}
	a.answered["PJSIP/a-2"] = "1799999995.000000"
	a.answered["PJSIP/a-5"] = "1799999990.000000"
	a.set(channel("PJSIP/a-1", "1.1", "1.1", "B"), channel("PJSIP/b-1", "1.2", "1.1", "B"), channel("PJSIP/a-2", "2.1", "2.1", "C"), channel("PJSIP/b-2", "2.2", "2.1", "C"),
		channel("PJSIP/a-3", "3.1", "3.1", "D"), channel("PJSIP/b-3", "3.2", "3.1", "D"), channel("PJSIP/a-5", "5.1", "5.1", "E"), channel("PJSIP/b-5", "5.2", "5.1", "E"))
	s, _, _ := listening(t, a, b)
	p := now(t, s)
	for i, want := range []string{
		"20 0.333334 280 40", // noted by who extends it
		"5 0.083334 295 55",  // asked for
		"- - 260 20",         // what passed before it was dialled again counts, and of what was talked then nobody knows
		"- - - -",            // without a channel
		"10 0.166667 3590 -", // held as a whole
	} {
		c := p.Calls[i]
		if got := known(c.Talked) + " " + known(c.Cost) + " " + known(c.Left) + " " + known(c.SliceLeft); got != want {
			t.Errorf("call %d: %s, want %s", c.ID, got, want)
		}
	}
	if n := a.count("Getvar"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// TestKeptUnseen: where Asterisk says nothing of a call, its talk is known as it was noted, until it must be over.
func TestKeptUnseen(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	b := &books{has: 2 * money.Unit, calls: []models.Call{kept(1, "h/1.1", at.Add(-30*time.Second), at.Add(-20*time.Second)), kept(2, "h/2.1", at.Add(-30*time.Second), time.Time{})}}
	c := &clock{t: at}
	s := livecalls.New(livecalls.Options{Store: b, Now: c.now, Policy: billing.Policy{MaxCallSeconds: 3600}})
	p := now(t, s)
	if one := p.Calls[0]; !one.Talking || *one.Talked != 20 || *one.Left != 100 || *one.SliceLeft != 40 {
		t.Errorf("%+v", one)
	}
	if other := p.Calls[1]; other.Talked != nil || other.Left != nil || other.SliceLeft != nil {
		t.Errorf("%+v", other)
	}
	c.move(time.Minute)
	if one := now(t, s).Calls[0]; one.Talking || one.Talked != nil || one.Left != nil {
		t.Errorf("it must be over: %+v", one)
	}
}

// TestKeptTogether: calls of one user share what he has.
func TestKeptTogether(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	one, other := kept(1, "h/1.1", at.Add(-30*time.Second), at.Add(-20*time.Second)), kept(2, "h/2.1", at.Add(-30*time.Second), at.Add(-10*time.Second))
	other.UserID, other.Holds[0].AccountID = 1, 1
	b := &books{has: 3 * money.Unit, calls: []models.Call{one, other}}
	c := &clock{t: at}
	p := now(t, livecalls.New(livecalls.Options{Store: b, Now: c.now, Policy: billing.Policy{MaxCallSeconds: 3600}}))
	if one, other := *p.Calls[0].Left, *p.Calls[1].Left; one+other < 149 || one+other > 150 || one-other > 2 || other-one > 2 { // 180 s, of which 30 have passed
		t.Errorf("%d and %d s", one, other)
	}
	b.calls[0].Keeper = 0 // nobody extends it any more
	c.move(time.Second)
	p = now(t, livecalls.New(livecalls.Options{Store: b, Now: c.now, Policy: billing.Policy{MaxCallSeconds: 3600}}))
	if p.Calls[0].SliceLeft != nil || *p.Calls[0].Left != 39 || *p.Calls[1].Left != 109 {
		t.Errorf("%s of %d s, and %d s", known(p.Calls[0].SliceLeft), *p.Calls[0].Left, *p.Calls[1].Left)
	}
}
