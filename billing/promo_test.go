package billing_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// promoDesk is a desk whose money expires by its own clock. Marta has 180 that stay.
func promoDesk(t *testing.T) *desk {
	d := newDesk(t)
	d.store.now = func() time.Time { return d.clock }
	return d
}

// promote gives Marta units that expire after some hours.
func (d *desk) promote(units, hours int64) billing.Moved {
	d.Helper()
	moved, err := d.Move(d.Context(), d.promotion(units, hours))
	if err != nil {
		d.Fatal(err)
	}
	return moved
}

func (d *desk) promotion(units, hours int64) billing.Movement {
	return billing.Movement{
		Username: "marta", Amount: money.Amount(units) * money.Unit, Ref: fmt.Sprint("promo-", len(d.store.posted)), Actor: "test",
		Expires: d.clock.Add(time.Duration(hours) * time.Hour),
	}
}

// expire takes away what has expired, as the job does.
func (d *desk) expire() (n int) {
	d.Helper()
	err := d.store.Update(d.Context(), billing.Keys{Users: []int64{d.marta.ID}}, func(st *billing.State) {
		var err error
		if n, err = billing.DecideExpire(st, []int64{d.marta.ID}, "test", d.clock); err != nil {
			d.Fatal(err)
		}
	})
	if err != nil {
		d.Fatal(err)
	}
	return n
}

// accountsOf are a user's accounts by name.
func (d *desk) accountsOf(u models.User) map[string]models.Account {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	found := map[string]models.Account{}
	for _, a := range d.store.accounts {
		if a.UserID == u.ID {
			found[a.Name] = a
		}
	}
	return found
}

// has expects the balances of Marta's main account and of those with promotional credit, by the hours until they expire.
func (d *desk) has(main int64, promos map[int64]int64) {
	d.Helper()
	got := map[int64]int64{}
	for name, a := range d.accountsOf(d.marta) {
		switch {
		case name == models.MainAccount:
			if a.Balance != money.Amount(main)*money.Unit {
				d.Errorf("the main account has %s, want %d", a.Balance, main)
			}
		case a.Balance != 0:
			got[int64(a.Expires.Sub(d.clock)/time.Hour)] += a.Balance.Whole()
		}
	}
	if !maps.Equal(got, promos) {
		d.Errorf("promotional credit is %v, want %v", got, promos)
	}
}

func (d *desk) mayTalk(seconds int64) {
	d.Helper()
	available, _, err := d.Available(d.Context(), billing.Identity{CallerID: martaCLID})
	if err != nil || available != money.Amount(seconds)*money.Unit {
		d.Errorf("available are %s, %v; want %d", available, err, seconds)
	}
}

// TestWhatExpiresFirstIsSpentFirst: one hold has parts of several accounts, and what was held first pays first.
func TestWhatExpiresFirstIsSpentFirst(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	d.promote(10, 48)
	d.promote(20, 24)
	d.has(180, map[int64]int64{24: 20, 48: 10})
	d.mayTalk(210)
	d.authorize("pbx-1.1", abroad)
	accounts := d.accountsOf(d.marta)
	var parts []string
	for _, part := range d.call("pbx-1.1").Holds {
		for name, a := range accounts {
			if a.ID == part.AccountID {
				parts = append(parts, fmt.Sprintf("%s %d", name, part.Amount.Whole()))
			}
		}
	}
	if len(parts) != 3 || parts[2] != "main 30" || parts[0][len(parts[0])-2:] != "20" || parts[1][len(parts[1])-2:] != "10" {
		t.Errorf("held %v", parts)
	}
	d.settle("pbx-1.1", answered("caller", 25_000))
	d.has(180, map[int64]int64{48: 5})
	d.authorize("pbx-1.2", abroad)
	d.settle("pbx-1.2", answered("caller", 50_000))
	d.has(135, map[int64]int64{})
}

// TestHeldMoneyDoesNotExpire: a call that began in time is paid with it, and what it gives back is gone.
func TestHeldMoneyDoesNotExpire(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	d.promote(100, 1)
	d.authorize("pbx-1.1", abroad) // holds 60 of it
	d.wait(3600)
	d.mayTalk(180)
	if n := d.expire(); n != 1 {
		t.Errorf("%d accounts expired", n)
	}
	d.has(180, map[int64]int64{0: 60})
	if n := d.expire(); n != 0 {
		t.Errorf("held money expired")
	}
	d.settle("pbx-1.1", answered("caller", 25_000))
	d.has(180, map[int64]int64{0: 35})
	d.mayTalk(180)
	d.authorize("pbx-1.2", abroad)
	for _, part := range d.call("pbx-1.2").Holds {
		if part.AccountID != d.accountsOf(d.marta)[models.MainAccount].ID {
			t.Errorf("what has expired is held: %v", part)
		}
	}
	d.settle("pbx-1.2", answered("caller", 10_000))
	if n := d.expire(); n != 1 {
		t.Errorf("%d accounts expired", n)
	}
	d.has(170, map[int64]int64{})
}

// TestRedirectKeepsWhatHasExpired: what was talked before a redirect is paid by the credit that was held for it, even if that has
// expired meanwhile; what comes after the redirect is not.
func TestRedirectKeepsWhatHasExpired(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	d.promote(100, 1)
	d.wait(3590)
	d.authorize("pbx-1.1", abroad) // holds 60 of it
	d.wait(30)
	auth := d.authorize("pbx-1.1", "5511999999")
	if auth.Leg != 1 || auth.Seconds != 60 {
		t.Errorf("the redirect got %+v", auth)
	}
	promo := money.Amount(0)
	for _, part := range d.call("pbx-1.1").Holds {
		if part.AccountID != d.accountsOf(d.marta)[models.MainAccount].ID {
			promo += part.Amount
		}
	}
	if promo != 30*money.Unit {
		t.Errorf("%s of what has expired are held, want what was talked for", promo)
	}
	d.expire()
	d.has(180, map[int64]int64{0: 30})
	e := answered(billing.SourceReducer, 50_000)
	e.Leg = 1
	if charge := d.settle("pbx-1.1", e); charge.Amount != 50*money.Unit {
		t.Errorf("%+v", charge)
	}
	d.has(160, map[int64]int64{})
	if found := d.store.audit(); len(found) > 0 {
		t.Error(found)
	}
}

// TestPromisesAreKept: with three accounts in use a further promotion never shortens what another was promised.
func TestPromisesAreKept(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	for _, hours := range []int64{10, 20, 30, 10, 20, 30} {
		d.promote(1, hours)
	}
	d.has(180, map[int64]int64{10: 2, 20: 2, 30: 2})
	d.promote(1, 15) // lives as long as the next one
	d.promote(1, 1)
	d.has(180, map[int64]int64{10: 3, 20: 3, 30: 2})
	d.promote(1, 40) // the last one lives as long as it
	d.has(180, map[int64]int64{10: 3, 20: 3, 40: 3})
	d.wait(10 * 3600) // what has expired makes room, though nobody took it away yet
	d.promote(1, 5)
	d.has(180, map[int64]int64{5: 1, 10: 3, 30: 3})
	if len(d.accountsOf(d.marta)) != 1+billing.MaxPromos {
		t.Errorf("%v", d.accountsOf(d.marta))
	}
}

// TestExpiredAccountsInUseTakeNothing: calls that hold the rest of three expired accounts leave no room, and say so.
func TestExpiredAccountsInUseTakeNothing(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	for i := range int64(3) {
		d.promote(60, 1+i)
		d.authorize(fmt.Sprint("pbx-1.", i), abroad)
	}
	d.wait(3 * 3600)
	_, err := d.Move(t.Context(), d.promotion(5, 1))
	refused(t, err, models.ErrConflict)
	d.settle("pbx-1.0", answered("caller", 60_000))
	d.promote(5, 1)
	d.has(180, map[int64]int64{1: 5, -1: 60, 0: 60})
}

// TestPromotionalCreditIsForCalls: it is not taken out and not transferred, and cannot be promised for the past.
func TestPromotionalCreditIsForCalls(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	first := d.promotion(50, 24)
	if _, err := d.Move(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	_, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: -181 * money.Unit, Ref: "out"})
	if reason := refused(t, err, billing.ErrInsufficientFunds); !strings.HasPrefix(reason, "insufficient balance: promotional credit") {
		t.Error(reason)
	}
	_, err = d.Transfer(t.Context(), billing.Transfer{From: d.marta.ID, To: d.joel.ID, Amount: 181 * money.Unit, Ref: "gift"})
	if reason := refused(t, err, billing.ErrInsufficientFunds); !strings.HasPrefix(reason, "insufficient balance: promotional credit") {
		t.Error(reason)
	}
	past := d.promotion(1, 0)
	_, err = d.Move(t.Context(), past)
	refused(t, err, models.ErrInvalid)
	far := d.promotion(1, 101*366*24)
	_, err = d.Move(t.Context(), far)
	refused(t, err, models.ErrInvalid)
	out := d.promotion(-1, 1)
	_, err = d.Move(t.Context(), out)
	refused(t, err, models.ErrInvalid)

	again, err := d.Move(t.Context(), first)
	if err != nil || !again.Already || again.Transaction.Expires != first.Expires {
		t.Errorf("%+v, %v", again, err)
	}
	for _, other := range []time.Time{{}, first.Expires.Add(time.Hour)} {
		m := first
		m.Expires = other
		_, err = d.Move(t.Context(), m)
		refused(t, err, billing.ErrRefUsed)
	}
	d.has(180, map[int64]int64{24: 50})
	if _, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: -180 * money.Unit, Ref: "out"}); err != nil {
		t.Error(err)
	}
	d.has(0, map[int64]int64{24: 50})
	d.mayTalk(50)
}

// TestRefillsComeOnTopOfPromotions: a refill that raises balances to a value does not count what expires.
func TestRefillsComeOnTopOfPromotions(t *testing.T) {
	t.Parallel()
	d := promoDesk(t)
	d.promote(500, 24)
	err := d.store.Update(t.Context(), billing.Keys{Users: []int64{d.marta.ID}}, func(st *billing.State) {
		r := billing.Refill{ID: 1, Value: 200 * money.Unit, Mode: models.ModeTopUp}
		if left, err := billing.DecideRefill(st, []int64{d.marta.ID}, r, d.clock); err != nil || len(left) > 0 {
			t.Error(left, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	d.has(200, map[int64]int64{24: 500})
}

// promoWalk takes random steps with promotional credit.
type promoWalk struct {
	*desk
	open   []string
	before map[int64]models.Account
	n      int
}

func (w *promoWalk) accounts() map[int64]models.Account {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return maps.Clone(w.store.accounts)
}

func (w *promoWalk) ref() string {
	w.n++
	return fmt.Sprint("walk-", w.n)
}

func (w *promoWalk) over(a models.Account) bool {
	return !a.Expires.IsZero() && !a.Expires.After(w.clock)
}

// check holds whatever was done against what must be true.
func (w *promoWalk) check(t *rapid.T) {
	if differences := w.store.audit(); len(differences) > 0 {
		t.Fatalf("%q", differences)
	}
	now := w.accounts()
	for ref, posted := range w.store.posted {
		users := 0
		for _, e := range posted.Entries {
			if a, ok := now[e.AccountID]; ok {
				users++
				if a.Name != models.MainAccount && (ref.Kind == models.KindDebit || ref.Kind == models.KindTransfer) {
					t.Fatalf("%v moved promotional credit", ref)
				}
			}
		}
		if users > 4 {
			t.Fatalf("%v has entries of %d accounts", ref, users)
		}
	}
	for id, a := range w.before {
		if a.Balance > 0 && !w.over(a) && now[id].Expires.Before(a.Expires) {
			t.Fatalf("what was promised until %s expires at %s", a.Expires, now[id].Expires)
		}
	}
	w.before = now
}

func (w *promoWalk) settleOne(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no call")
	}
	i := rapid.IntRange(0, len(w.open)-1).Draw(t, "call")
	id := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	held := map[int64]money.Amount{}
	for _, part := range w.call(id).Holds {
		held[part.AccountID] += part.Amount
	}
	seconds := rapid.Int64Range(0, 70).Draw(t, "seconds")
	e := answered("caller", seconds*1000)
	if seconds == 0 {
		e = unanswered("caller", "BUSY", 17)
	}
	charge, err := w.Settle(t.Context(), billing.CallResult{CallID: id, Evidence: e})
	if err != nil || charge.Amount != money.Amount(seconds)*money.Unit {
		t.Fatalf("%+v, %v", charge, err)
	}
	var paid money.Amount
	for _, entry := range w.store.posted[models.Ref{Kind: models.KindCall, Ref: id}].Entries {
		a, ok := w.before[entry.AccountID]
		if !ok {
			continue
		}
		paid -= entry.Amount
		if w.over(a) && -entry.Amount > held[a.ID] {
			t.Fatalf("%s of an expired account were spent, of which the call held %s", -entry.Amount, held[a.ID])
		}
	}
	if call := w.call(id); paid+call.Shortfall != charge.Amount {
		t.Fatalf("%s were paid and %s were short of a charge of %s", paid, call.Shortfall, charge.Amount)
	}
}

func (w *promoWalk) begin(t *rapid.T) {
	id := w.ref()
	auth, err := w.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-" + id, Identity: billing.Identity{CallerID: martaCLID}, Number: abroad})
	var refusal *billing.Refusal
	if errors.As(err, &refusal) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w.open = append(w.open, auth.CallID)
	for _, part := range w.call(auth.CallID).Holds {
		if w.over(w.before[part.AccountID]) {
			t.Fatalf("%s are held that have expired", part.Amount)
		}
	}
}

func (w *promoWalk) moveSome(t *rapid.T, m billing.Movement) {
	moved, err := w.Move(t.Context(), m)
	var refusal *billing.Refusal
	switch {
	case errors.As(err, &refusal):
	case err != nil:
		t.Fatal(err)
	case !m.Expires.IsZero() && !moved.Already:
		a := w.accounts()[moved.Transaction.Entries[0].AccountID]
		if a.Expires.Before(m.Expires) {
			t.Fatalf("promised until %s, but it expires at %s", m.Expires, a.Expires)
		}
	}
}

// TestPromotionsHoldTogether takes random steps, and looks after each of them whether everything still holds.
func TestPromotionsHoldTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &desk{store: newMemory(), clock: authorized}
		d.store.now = func() time.Time { return d.clock }
		d.Service = billing.New(billing.Options{Store: d.store, Policy: policy(), Now: func() time.Time { return d.clock }})
		defer d.Close()
		d.marta, d.joel = d.store.addUser("marta", martaCLID, ""), d.store.addUser("joel", joelCLID, "")
		w := &promoWalk{desk: d, before: map[int64]models.Account{}}
		units := func(t *rapid.T) money.Amount {
			return money.Amount(rapid.Int64Range(1, 90).Draw(t, "units")) * money.Unit
		}
		t.Repeat(map[string]func(*rapid.T){
			"": w.check,
			"promote": func(t *rapid.T) {
				hours := rapid.Int64Range(1, 8).Draw(t, "hours")
				w.moveSome(t, billing.Movement{
					Username: "marta", Amount: units(t), Ref: w.ref(), Expires: d.clock.Add(time.Duration(hours) * time.Hour),
				})
			},
			"top up": func(t *rapid.T) { w.moveSome(t, billing.Movement{Username: "marta", Amount: units(t), Ref: w.ref()}) },
			"take":   func(t *rapid.T) { w.moveSome(t, billing.Movement{Username: "marta", Amount: -units(t), Ref: w.ref()}) },
			"transfer": func(t *rapid.T) {
				_, err := d.Transfer(t.Context(), billing.Transfer{From: d.marta.ID, To: d.joel.ID, Amount: units(t), Ref: w.ref()})
				var refusal *billing.Refusal
				if err != nil && !errors.As(err, &refusal) {
					t.Fatal(err)
				}
			},
			"authorize": w.begin,
			"settle":    w.settleOne,
			"wait": func(t *rapid.T) {
				d.clock = d.clock.Add(time.Duration(rapid.Int64Range(1, 3).Draw(t, "hours")) * time.Hour)
			},
			"expire": func(t *rapid.T) {
				err := d.store.Update(t.Context(), billing.Keys{Users: []int64{d.marta.ID}}, func(st *billing.State) {
					if _, err := billing.DecideExpire(st, []int64{d.marta.ID}, "test", d.clock); err != nil {
						t.Fatal(err)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}
