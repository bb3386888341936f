package billing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// books is a random walk through everything that moves money.
type books struct {
	store   *memory
	service *billing.Service
	clock   time.Time
	clids   []string
	names   []string
	last    *billing.CallResult
	granted []billing.Authorization
	final   map[string]money.Amount // what settled calls cost: it never changes
	lost    map[string]bool         // calls whose hold was given up before they were settled
	refs    int
}

var channelIDs = []string{"pbx-1.1", "pbx-1.2", "pbx-1.3", "10.0.0.1/1795212652.4"}

func anyBooks(t *rapid.T) *books {
	b := &books{store: newMemory(), clock: authorized, final: map[string]money.Amount{}, lost: map[string]bool{}}
	rates := map[string]models.Rate{}
	for _, number := range []string{"1", "2", "3", "4"} {
		r := rapid.Custom(anyRate).Draw(t, "rate of "+number)
		r.Currency = models.SEC
		if rapid.IntRange(0, 9).Draw(t, "beyond all means") > 0 {
			r.PerMinute %= 100 * money.Unit
		}
		rates[number] = r
	}
	p := policy()
	p.MaxCallSeconds = rapid.Int64Range(1, 600).Draw(t, "longest call")
	p.Slice = rapid.SampledFrom([]int64{0, 2, 5, 30, 300}).Draw(t, "slice")
	p.Rate = func(_ models.User, number string, _ time.Time) (models.Rate, error) {
		if r, ok := rates[number]; ok {
			return r, nil
		}
		return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
	}
	b.service = billing.New(billing.Options{Store: b.store, Policy: p, Now: func() time.Time { return b.clock }})
	for i := range 3 {
		clid, name := fmt.Sprint("55500020", i), fmt.Sprint("user", i)
		u := b.store.addUser(name, clid, "")
		_, err := b.service.Move(t.Context(), billing.Movement{Username: name, Amount: 300 * money.Unit, Ref: "first of " + name})
		if err != nil {
			t.Fatal(err)
		}
		b.clids, b.names = append(b.clids, clid), append(b.names, name)
		if i == 1 {
			b.store.addAccount(models.Account{UserID: u.ID, Name: "bonus", Burn: 1, Balance: 30 * money.Unit})
			b.store.addAccount(models.Account{UserID: u.ID, Name: "late", Burn: 200, Balance: 5})
		}
		if i == 2 {
			b.store.change(u.ID, func(a *models.Account) { a.CreditLimit = 50 * money.Unit })
		}
	}
	return b
}

func (b *books) identity(t *rapid.T) billing.Identity {
	return billing.Identity{CallerID: rapid.SampledFrom(b.clids).Draw(t, "caller")}
}

func channel(t *rapid.T) string { return rapid.SampledFrom(channelIDs).Draw(t, "channel") }

func (b *books) authorize(t *rapid.T) {
	req := billing.CallRequest{
		CallID: channel(t), Identity: b.identity(t), Number: rapid.SampledFrom([]string{"1", "2", "3", "4", "5"}).Draw(t, "number"),
		Ring: rapid.Int64Range(0, 100).Draw(t, "ring"), Keeper: anyKeeper(t),
	}
	auth, err := b.service.Authorize(t.Context(), req)
	var refusal *billing.Refusal
	if err != nil {
		if !errors.As(err, &refusal) {
			t.Fatalf("authorize %+v: %v", req, err)
		}
		return
	}
	b.granted = append(b.granted, auth)
	call := b.store.calls[auth.CallID]
	if auth.Seconds < 1 || auth.Seconds > 600 || call.State != models.CallOpen || call.Number != req.Number {
		t.Fatalf("authorized %+v for %+v", auth, call)
	}
	if call.Due.Before(b.clock.Add(time.Duration(auth.Ring+auth.Seconds) * time.Second)) {
		t.Fatalf("due at %s, now %s, %+v", call.Due, b.clock, auth)
	}
	if auth.Repeated && auth.Leg == len(call.Legs) && call.Authorized != b.clock {
		return // it goes on under the hold that it has
	}
	rate := call.Rate
	rate.Grace = 0
	cost, err := billing.Cost(rate, auth.Seconds)
	if err != nil || call.Held() < cost || len(call.Legs) == 0 && call.Held() != cost {
		t.Fatalf("%d s cost %s, %v; held are %s", auth.Seconds, cost, err, call.Held())
	}
}

func anyKeeper(t *rapid.T) int64 { return rapid.SampledFrom([]int64{0, 7, 7, 8}).Draw(t, "keeper") }

// review looks at any call, as its keeper would or another one.
func (b *books) review(t *rapid.T) {
	before := b.store.calls[rapid.SampledFrom(slices.Sorted(b.callIDs())).Draw(t, "call")]
	r := billing.Review{
		CallID: before.CallID, UserID: before.UserID, Keeper: anyKeeper(t), Leg: rapid.IntRange(0, 2).Draw(t, "leg"),
		Elapsed: time.Duration(rapid.Int64Range(-1, before.Limit*1000+2000).Draw(t, "elapsed ms")) * time.Millisecond,
	}
	if before.CallID == "" {
		t.Skip("no such call")
	}
	kept, err := b.service.Review(t.Context(), r)
	if err != nil {
		t.Fatalf("review %+v: %v", r, err)
	}
	call := b.store.calls[before.CallID]
	switch mine := before.State == models.CallOpen && before.Keeper != 0 && before.Keeper == r.Keeper && len(before.Legs) == r.Leg; {
	case kept.Over && (call.Limit != before.Limit || call.Held() != before.Held()) || kept.Over && kept.Cut != "" || !kept.Over && !mine:
		t.Fatalf("%+v, before %+v, now %+v", kept, before, call)
	case kept.Over:
	case kept.Cut != call.Cut || kept.Cut == "" && (kept.Limit != call.Limit || kept.Until > kept.Limit || kept.Limit < before.Limit):
		t.Fatalf("%+v, before %+v, now %+v", kept, before, call)
	case kept.Grown != (call.Limit > before.Limit) || kept.Grown && (r.Elapsed <= 0 || kept.Short || call.Due.Before(b.clock.Add(time.Duration(call.Limit)*time.Second-r.Elapsed))):
		t.Fatalf("%+v after %s, before %+v, now %+v", kept, r.Elapsed, before, call)
	}
}

// block blocks a user, or frees him.
func (b *books) block(t *rapid.T) {
	user := b.store.users[b.userID(rapid.SampledFrom(b.names).Draw(t, "user"))]
	status := rapid.SampledFrom([]models.AccountStatus{models.AccountActive, models.AccountBlocked}).Draw(t, "status")
	b.store.change(user.ID, func(a *models.Account) { a.Status = status })
}

func (b *books) userID(name string) int64 {
	for id, u := range b.store.users {
		if u.Username == name {
			return id
		}
	}
	return 0
}

func (b *books) evidence(t *rapid.T) models.Evidence {
	source := rapid.SampledFrom([]string{"caller", "reducer", "cdr"}).Draw(t, "source")
	ms := rapid.OneOf(rapid.Int64Range(0, 5000), rapid.Int64Range(0, 700_000)).Draw(t, "ms")
	e := rapid.SampledFrom([]models.Evidence{
		answered(source, ms), answered(source, ms), answered(source, ms), redirected(0, ms/1000), unanswered(source, "BUSY", 17),
		unanswered(source, "CANCEL", 127), cdr("ANSWER", n(ms/1000)), cdr("NOANSWER", nil),
		{Source: source},
		{Source: "reducer", Over: true},
		marked(answered(source, ms), 0, ms/2, ms),
	}).Draw(t, "evidence")
	e.Leg = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "leg")
	if late := rapid.Int64Range(-1, 200).Draw(t, "seen so long ago"); late >= 0 {
		e.SeenAt = b.clock.Add(-time.Duration(late) * time.Second)
	}
	return e
}

func (b *books) settle(t *rapid.T, res billing.CallResult) {
	before := b.store.calls[res.CallID]
	charge, err := b.service.Settle(t.Context(), res)
	if errors.Is(err, money.ErrOverflow) {
		return
	}
	if err != nil {
		t.Fatalf("settle %+v: %v", res, err)
	}
	if charge.State == models.CallUnreconciled {
		b.lost[charge.CallID] = true
	}
	if charge.Already && charge.State != models.CallUnreconciled && before.CallID == charge.CallID && before.Charge != charge.Amount {
		t.Fatalf("%+v, but the call had been charged %s", charge, before.Charge)
	}
	if call := b.store.calls[charge.CallID]; charge.CallID != "" && (call.Charge != charge.Amount || call.State != charge.State) {
		t.Fatalf("answered %+v, kept %+v", charge, call)
	}
	b.last = &res
}

func (b *books) move(t *rapid.T) {
	m := billing.Movement{
		Username: rapid.SampledFrom(b.names).Draw(t, "user"), Actor: "rapid",
		Amount: money.Amount(rapid.OneOf(rapid.Int64Range(-50_000_000, 200_000_000), rapid.Int64Range(-5, 5)).Draw(t, "amount")),
	}
	if rapid.IntRange(0, 3).Draw(t, "again") > 0 {
		b.refs++
	}
	m.Ref = fmt.Sprint("ref", b.refs)
	moved, err := b.service.Move(t.Context(), m)
	var refusal *billing.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("move %+v: %v", m, err)
	}
	if err == nil && (moved.Available < 0 || len(moved.Transaction.Entries) < 2) {
		t.Fatalf("moved %+v", moved)
	}
}

func (b *books) check(t *rapid.T) {
	if differences := b.store.audit(); len(differences) > 0 {
		t.Fatalf("%q", differences)
	}
	charges := 0
	for ref := range b.store.posted {
		if ref.Kind == models.KindCall {
			charges++
		}
	}
	settled := 0
	for id, c := range b.store.calls {
		b.explained(t, c)
		if c.Charge > 0 {
			settled++
		}
		if c.State != models.CallSettled && c.State != models.CallReleased {
			continue
		}
		if cost, ok := b.final[id]; ok && cost != c.Charge {
			t.Fatalf("call %s was charged %s and is now %s", id, cost, c.Charge)
		}
		b.final[id] = c.Charge
		// Nobody talks on money that is not there: within the limit the hold covers it all.
		if !b.lost[id] && !c.Unauthorized && len(c.Legs) == 0 && c.Seconds <= c.Limit && c.Shortfall != 0 {
			t.Fatalf("call %s of %d s, limit %d, has a shortfall of %s", id, c.Seconds, c.Limit, c.Shortfall)
		}
	}
	if charges != settled {
		t.Fatalf("%d charges for %d calls that cost anything", charges, settled)
	}
}

// explained checks that what is told of a call is true: its hold is the price of its limit, and its seconds are those of
// the measure that is named, whatever way it was settled.
func (b *books) explained(t *rapid.T, c models.Call) {
	hold, err := billing.ExplainHold(c)
	if err != nil {
		t.Fatal(err)
	}
	if c.State == models.CallOpen {
		var sum money.Amount
		for _, step := range hold.Steps {
			sum += step.Amount
		}
		if hold.Cost != c.Held() || sum != c.Held() || len(c.Legs) == 0 && strings.Contains(fmt.Sprint(hold.Steps), "earlier legs") {
			t.Fatalf("%s is held, explained as %+v", c.Held(), hold)
		}
	}
	if c.State != models.CallSettled {
		return
	}
	legs, err := billing.Explain(c)
	if err != nil {
		t.Fatal(err)
	}
	var measured float64
	_, err = fmt.Sscanf(legs[0].Steps[0].Does, "%f s were measured", &measured)
	if told := err == nil; told != (c.Disputed == 0) || told && int64(measured) != c.Seconds {
		t.Fatalf("call %+v is explained as %+v", c, legs[0].Steps)
	}
}

// TestTheBooksAlwaysBalance takes random steps, and looks after each of them whether everything still holds.
func TestTheBooksAlwaysBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := anyBooks(t)
		defer b.service.Close()
		t.Repeat(map[string]func(*rapid.T){
			"":          b.check,
			"authorize": b.authorize,
			"settle": func(t *rapid.T) {
				b.settle(t, billing.CallResult{
					CallID: rapid.SampledFrom(slices.Sorted(b.callIDs())).Draw(t, "call"), Identity: b.identity(t), Number: "1", Evidence: b.evidence(t),
					Exact: rapid.IntRange(0, 3).Draw(t, "exact") == 0, Emergency: rapid.IntRange(0, 9).Draw(t, "emergency") == 0,
				})
			},
			"undo": func(t *rapid.T) {
				if len(b.granted) == 0 {
					t.Skip("nothing was authorised yet")
				}
				if err := b.service.Undo(t.Context(), b.identity(t), rapid.SampledFrom(b.granted).Draw(t, "authorisation")); err != nil {
					t.Fatal(err)
				}
			},
			"settle again": func(t *rapid.T) {
				if b.last == nil {
					t.Skip("nothing was settled yet")
				}
				b.settle(t, *b.last)
			},
			"give up": func(t *rapid.T) {
				id := rapid.SampledFrom(slices.Sorted(b.callIDs())).Draw(t, "call")
				b.settle(t, billing.CallResult{
					CallID: id, Exact: rapid.Bool().Draw(t, "exact"), By: billing.SourceReconciler, GiveUp: true, Dial: rapid.IntRange(0, 2).Draw(t, "dial"),
				})
			},
			"release": func(t *rapid.T) {
				id := rapid.SampledFrom(slices.Sorted(b.callIDs())).Draw(t, "call")
				if err := b.service.Release(t.Context(), b.identity(t), id, "rapid"); err != nil {
					t.Fatal(err)
				}
			},
			"emergency": func(t *rapid.T) {
				if err := b.service.RecordEmergency(t.Context(), billing.CallRequest{CallID: channel(t), Identity: b.identity(t), Number: "112"}); err != nil {
					t.Fatal(err)
				}
			},
			"move":   b.move,
			"review": b.review,
			"block":  b.block,
			"wait": func(t *rapid.T) {
				b.clock = b.clock.Add(time.Duration(rapid.Int64Range(0, 100_000).Draw(t, "ms")) * time.Millisecond)
			},
		})
	})
}

// callIDs are those of the channels, and of all calls that they made.
func (b *books) callIDs() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, id := range channelIDs {
			if !yield(id) {
				return
			}
		}
		for id := range b.store.calls {
			if !slices.Contains(channelIDs, id) && !yield(id) {
				return
			}
		}
	}
}
