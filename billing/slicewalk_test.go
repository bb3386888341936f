package billing_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// living is a call of the walk, as it is in Asterisk: its timer ends it, whatever becomes of its keeper.
type living struct {
	billing.Authorization
	since time.Time // answered; zero: it rings
	until int64     // seconds
	kept  bool      // somebody extends it still
}

// phones is a random walk of one user's calls that are held in slices: they are answered, extended, cut and hung up, and keepers, settlements
// and the connection to Asterisk are lost.
type phones struct {
	store   *memory
	service *billing.Service
	user    models.User
	clock   time.Time
	slice   int64
	living  []*living
	begun   int
	refs    int
	untold  map[string]bool // ended, and nobody tells of it
}

func anyPhones(t *rapid.T) *phones {
	w := &phones{store: newMemory(), clock: authorized, slice: rapid.SampledFrom([]int64{2, 5, 30, 300}).Draw(t, "slice"), untold: map[string]bool{}}
	p := policy()
	p.MaxCallSeconds, p.Slice, p.Rate = rapid.Int64Range(60, 600).Draw(t, "longest call"), w.slice, priced
	w.service = billing.New(billing.Options{Store: w.store, Policy: p, Now: func() time.Time { return w.clock }})
	w.user = w.store.addUser("marta", martaCLID, "")
	w.store.addAccount(models.Account{UserID: w.user.ID, Name: "bonus", Burn: 1, Balance: units(rapid.Int64Range(0, 50).Draw(t, "bonus"))})
	w.move(t, rapid.Int64Range(1, 300).Draw(t, "balance"))
	return w
}

func (w *phones) id() billing.Identity { return billing.Identity{CallerID: martaCLID} }

// move puts money in, or takes out what may be.
func (w *phones) move(t *rapid.T, n int64) {
	w.refs++
	_, err := w.service.Move(t.Context(), billing.Movement{Username: "marta", Amount: units(n), Ref: fmt.Sprint("ref", w.refs), Actor: "rapid"})
	var refusal *billing.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
}

func (w *phones) begin(t *rapid.T) {
	if len(w.living) > 5 {
		t.Skip("enough")
	}
	w.begun++
	req := billing.CallRequest{
		CallID: fmt.Sprint("pbx-1.", w.begun), Identity: w.id(), Keeper: rapid.SampledFrom([]int64{0, keeperID, keeperID, keeperID}).Draw(t, "keeper"),
		Number: rapid.SampledFrom([]string{"1", "2", "4", "60", "66", "6", "10", "15", "0"}).Draw(t, "number"),
	}
	auth, err := w.service.Authorize(t.Context(), req)
	var refusal *billing.Refusal
	switch {
	case err == nil:
		w.living = append(w.living, &living{Authorization: auth, until: auth.Seconds, kept: auth.Keeper != 0})
	case !errors.As(err, &refusal):
		t.Fatal(err)
	}
}

// ends is when Asterisk ends a call.
func (l *living) ends(w *phones) time.Time {
	if l.since.IsZero() {
		return w.store.calls[l.CallID].Authorized.Add(time.Duration(l.Ring) * time.Second)
	}
	return l.since.Add(time.Duration(l.until) * time.Second)
}

// any is one of those calls, which are of a kind.
func (w *phones) any(t *rapid.T, kind func(*living) bool) *living {
	calls := slices.DeleteFunc(slices.Clone(w.living), func(l *living) bool { return !kind(l) })
	if len(calls) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(calls).Draw(t, "call")
}

func (w *phones) review(t *rapid.T, l *living) {
	r := billing.Review{CallID: l.CallID, UserID: w.user.ID, Identity: w.id(), Keeper: keeperID}
	if !l.since.IsZero() {
		r.Elapsed = max(w.clock.Sub(l.since), 1)
	}
	kept, err := w.service.Review(t.Context(), r)
	switch {
	case err != nil || kept.Over:
		t.Fatalf("%+v, %v, of %+v", kept, err, w.store.calls[l.CallID])
	case kept.Cut != "":
		w.end(t, l)
	case rapid.IntRange(0, 9).Draw(t, "placed") > 0: // else Asterisk did not hear of it
		l.until = kept.Until
	}
}

// end is the end of a call, of which nobody may tell.
func (w *phones) end(t *rapid.T, l *living) {
	w.living = slices.DeleteFunc(w.living, func(other *living) bool { return other == l })
	if rapid.IntRange(0, 4).Draw(t, "told") == 0 {
		w.untold[l.CallID] = true
		return
	}
	e := unanswered("reducer", "NOANSWER", 19)
	talked := int64(0)
	if !l.since.IsZero() {
		ms := w.clock.Sub(l.since).Milliseconds()
		talked = ms / 1000
		e = answered("reducer", ms+min(rapid.Int64Range(0, 300).Draw(t, "late by"), 999-ms%1000))
	}
	charge, err := w.service.Settle(t.Context(), billing.CallResult{CallID: l.CallID, Identity: w.id(), Evidence: e})
	if err != nil {
		t.Fatal(err)
	}
	call := w.store.calls[l.CallID]
	rate, cost := call.Rate, money.Amount(0)
	if !l.since.IsZero() {
		if cost, err = billing.Cost(rate, talked); err != nil {
			t.Fatal(err)
		}
	}
	if charge.Amount != cost || call.Shortfall != 0 || len(call.Holds) > 0 {
		t.Fatalf("%d s were charged %s, for %s, with a shortfall of %s: %+v", talked, charge.Amount, cost, call.Shortfall, call)
	}
}

// wait lets time pass, and ends calls at their very time.
func (w *phones) wait(t *rapid.T, d time.Duration) {
	for until := w.clock.Add(d); w.clock.Before(until); {
		next := until
		for _, l := range w.living {
			if end := l.ends(w); end.Before(next) {
				next = end
			}
		}
		if next.After(w.clock) {
			w.clock = next
		}
		for _, l := range slices.Clone(w.living) {
			if !l.ends(w).After(w.clock) {
				w.end(t, l)
			}
		}
	}
}

// work does for all calls what a keeper that never sleeps does, for a while.
func (w *phones) work(t *rapid.T) {
	for range rapid.IntRange(1, 60).Draw(t, "tenths") {
		w.wait(t, 100*time.Millisecond)
		for _, l := range slices.Clone(w.living) {
			if l.kept && !l.since.IsZero() && w.clock.Sub(l.since) >= time.Duration(l.until-billing.Lead(w.slice))*time.Second {
				w.review(t, l)
			}
		}
	}
}

// reconcile gives up whatever should have ended long ago, and nobody has told of.
func (w *phones) reconcile(t *rapid.T) {
	for id, c := range w.store.calls {
		if c.State != models.CallOpen || w.clock.Sub(c.Due) <= billing.ReconcileGrace {
			continue
		}
		if !w.untold[id] {
			t.Fatalf("call %s goes on, and is due at %s, now is %s", id, c.Due, w.clock)
		}
		if _, err := w.service.Settle(t.Context(), billing.CallResult{CallID: id, Exact: true, By: billing.SourceReconciler, GiveUp: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *phones) check(t *rapid.T) {
	if differences := w.store.audit(); len(differences) > 0 {
		t.Fatalf("%q", differences)
	}
	for _, l := range w.living {
		c := w.store.calls[l.CallID]
		if l.until > c.Limit || c.State != models.CallOpen {
			t.Fatalf("%d s lie in Asterisk: %+v", l.until, c)
		}
		if c.Due.Before(l.ends(w)) {
			t.Fatalf("due at %s, and goes on until %s: %+v", c.Due, l.ends(w), c)
		}
	}
}

// TestSlicesAlwaysHold: whatever is done to calls that are held in slices, nobody talks on money that is not there, each is charged what was
// talked, and every hold ends.
func TestSlicesAlwaysHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := anyPhones(t)
		defer w.service.Close()
		t.Repeat(map[string]func(*rapid.T){
			"":      w.check,
			"begin": w.begin,
			"answer": func(t *rapid.T) {
				l := w.any(t, func(l *living) bool { return l.since.IsZero() })
				l.since = w.clock
			},
			"work": w.work,
			"review": func(t *rapid.T) {
				w.review(t, w.any(t, func(l *living) bool { return l.kept }))
			},
			"hang up":   func(t *rapid.T) { w.end(t, w.any(t, func(*living) bool { return true })) },
			"move":      func(t *rapid.T) { w.move(t, rapid.Int64Range(-30, 40).Draw(t, "units")) },
			"reconcile": w.reconcile,
			"lose a keeper": func(t *rapid.T) {
				w.any(t, func(l *living) bool { return l.kept }).kept = false
			},
			"block": func(t *rapid.T) {
				status := rapid.SampledFrom([]models.AccountStatus{models.AccountActive, models.AccountActive, models.AccountBlocked}).Draw(t, "status")
				w.store.change(w.user.ID, func(a *models.Account) { a.Status = status })
			},
			"limits": func(t *rapid.T) {
				u := w.store.users[w.user.ID]
				u.Limits = &models.Limits{
					Seconds: rapid.SampledFrom([]int64{0, 0, 20, 100}).Draw(t, "seconds"), Hour: units(rapid.SampledFrom([]int64{0, 0, 30, 100}).Draw(t, "hour")),
					Blocked: rapid.SampledFrom([][]string{nil, nil, nil, {"4"}}).Draw(t, "blocked"),
				}
				w.store.users[w.user.ID] = u
			},
			"wait": func(t *rapid.T) { w.wait(t, time.Duration(rapid.Int64Range(0, 90_000).Draw(t, "ms"))*time.Millisecond) },
		})
		for len(w.living) > 0 { // nobody begins another
			w.wait(t, time.Minute)
		}
		w.clock = w.clock.Add(billing.ReconcileGrace + time.Hour)
		w.reconcile(t)
		w.check(t)
		for id, a := range w.store.accounts {
			if a.Held != 0 || a.OpenCalls != 0 || a.Balance < 0 {
				t.Fatalf("in the end account %d has %+v", id, a)
			}
		}
	})
}

// TestSharesOfTheRichest: no sum is beyond all bounds.
func TestSharesOfTheRichest(t *testing.T) {
	t.Parallel()
	calls := []billing.Sharer{{ID: 1, Rate: rateOf(1_000_000), Limit: 1, Most: math.MaxInt32}, {ID: 2, Rate: rateOf(1), Limit: 1, Most: math.MaxInt32}}
	got, err := billing.Share(1_000_000_000_000*money.Unit, calls)
	if err != nil || got[0] < 900_000 || got[0]-got[1] > 1 {
		t.Errorf("%d, %v", got, err)
	}
}
