package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// keptCall is a call on a telephone: it ends at its limit, whoever looks.
type keptCall struct {
	auth     billing.Authorization
	answered time.Time // zero: it rings
	limit    int64     // of Asterisk's timers, in seconds
	keeper   int64
}

// keptWalk is one user's calls, kept by two processes that die and come back, while his money comes and goes.
type keptWalk struct {
	*rapid.T
	services [2]*billing.Service
	stores   [2]*store.Store
	alive    [2]bool
	clock    time.Time
	user     models.User
	clid     string
	calls    []*keptCall
	rates    map[string]models.Rate
	made     int
	refs     int
}

// keeperOf is the id of one of the two processes.
func keeperOf(i int) int64 { return int64(i + 1) }

func (w *keptWalk) either(what string) int { return rapid.IntRange(0, 1).Draw(w.T, what) }

func (w *keptWalk) face() billing.Identity { return billing.Identity{CallerID: w.clid} }

// calls somebody, who may answer.
func (w *keptWalk) begin() {
	i := w.either("who permits it")
	req := billing.CallRequest{
		CallID: fmt.Sprintf("pbx-%s.%d", w.clid, w.made), Identity: w.face(), Number: rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(w.T, "number"),
	}
	if w.made++; w.alive[i] {
		req.Keeper = keeperOf(i)
	}
	auth, err := w.services[i].Authorize(w.Context(), req)
	var refusal *billing.Refusal
	if errors.As(err, &refusal) {
		return
	}
	if err != nil {
		w.Fatal(err)
	}
	c := &keptCall{auth: auth, limit: auth.Seconds, keeper: auth.Keeper}
	w.calls = append(w.calls, c)
	if rapid.IntRange(0, 9).Draw(w.T, "answered") > 0 {
		c.answered = w.clock
	}
}

func (c *keptCall) elapsed(now time.Time) time.Duration {
	if c.answered.IsZero() {
		return 0
	}
	return now.Sub(c.answered)
}

// look has the keeper of a call look at it; it tells whether the call is cut.
func (w *keptWalk) look(c *keptCall) (cut bool) {
	if c.keeper == 0 || !w.alive[c.keeper-1] {
		return false
	}
	kept, err := w.services[c.keeper-1].Review(w.Context(), billing.Review{
		CallID: c.auth.CallID, UserID: w.user.ID, Keeper: c.keeper, Identity: w.face(), Elapsed: c.elapsed(w.clock),
	})
	switch {
	case err != nil:
		w.Fatal(err)
	case kept.Over:
		w.Fatalf("%s is over: %+v", c.auth.CallID, kept)
	case kept.Cut != "":
		return true
	case kept.Limit < c.limit:
		w.Fatalf("%s was held for %d s, and is for %d", c.auth.CallID, c.limit, kept.Limit)
	}
	if rapid.IntRange(0, 9).Draw(w.T, "placed") > 0 { // else Asterisk did not take it
		c.limit = kept.Limit
	}
	return false
}

// tick lets a second pass: calls are extended when it is time, and end when theirs is up.
func (w *keptWalk) tick() {
	w.clock = w.clock.Add(time.Second)
	for _, c := range append([]*keptCall(nil), w.calls...) {
		elapsed := int64(c.elapsed(w.clock) / time.Second)
		switch {
		case c.answered.IsZero():
		case elapsed >= c.limit:
			w.end(c)
		case c.keeper != 0 && elapsed >= c.limit-billing.Lead(walkSlice) && w.look(c):
			w.end(c)
		}
	}
}

// end hangs up.
func (w *keptWalk) end(c *keptCall) {
	ms := c.elapsed(w.clock).Milliseconds()
	e := models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true, SeenAt: w.clock}
	if c.answered.IsZero() {
		e.DialStatus, e.AnsweredMS = "CANCEL", nil
	}
	charge, err := w.services[w.either("who settles it")].Settle(w.Context(), billing.CallResult{CallID: c.auth.CallID, Identity: w.face(), Evidence: e})
	if err != nil || charge.State == models.CallOpen {
		w.Fatalf("settle %s: %+v, %v", c.auth.CallID, charge, err)
	}
	found, err := w.stores[0].CallsByID(w.Context(), []string{c.auth.CallID})
	if err != nil {
		w.Fatal(err)
	}
	call := found[c.auth.CallID]
	most, err := billing.Cost(call.Rate, ms/1000)
	if err != nil || !c.answered.IsZero() && call.Charge > most || c.answered.IsZero() && call.Charge != 0 || call.Shortfall != 0 {
		w.Fatalf("%+v was charged %s, with a shortfall of %s, for a talk of %d ms; %v", call.Rate, call.Charge, call.Shortfall, ms, err)
	}
	for i := range w.calls {
		if w.calls[i] == c {
			w.calls = append(w.calls[:i:i], w.calls[i+1:]...)
			return
		}
	}
}

func (w *keptWalk) any(what string) *keptCall {
	if len(w.calls) == 0 {
		return nil
	}
	return w.calls[rapid.IntRange(0, len(w.calls)-1).Draw(w.T, what)]
}

func (w *keptWalk) step(what string) {
	switch what {
	case "call":
		w.begin()
	case "time":
		for range rapid.IntRange(1, 12).Draw(w.T, "seconds") {
			w.tick()
		}
	case "money":
		w.refs++
		_, err := w.services[w.either("who moves it")].Move(w.Context(), billing.Movement{
			UserID: w.user.ID, Amount: money.Amount(rapid.Int64Range(-20, 20).Draw(w.T, "amount"))*money.Unit + 1, Ref: fmt.Sprint(w.clid, "/", w.refs), Actor: "test",
		})
		var refusal *billing.Refusal
		if err != nil && !errors.As(err, &refusal) {
			w.Fatal(err)
		}
		w.lookAtAll()
	case "block":
		to := rapid.Bool().Draw(w.T, "blocked")
		if _, err := w.stores[0].ChangeUsers(w.Context(), []int64{w.user.ID}, models.UserChange{Blocked: &to}, "test"); err != nil {
			w.Fatal(err)
		}
		w.lookAtAll()
	case "hang up":
		if c := w.any("which ends"); c != nil {
			w.end(c)
		}
	case "crash":
		i := w.either("who dies")
		w.alive[i] = !w.alive[i]
	case "take":
		w.take()
	}
}

func (w *keptWalk) lookAtAll() {
	for _, c := range append([]*keptCall(nil), w.calls...) {
		if w.look(c) {
			w.end(c)
		}
	}
}

// take has the one who lives take over the calls of the one who does not.
func (w *keptWalk) take() {
	for _, c := range w.calls {
		if c.keeper == 0 || w.alive[c.keeper-1] {
			continue
		}
		other := 3 - c.keeper
		found, err := w.stores[0].CallsByID(w.Context(), []string{c.auth.CallID})
		if err != nil {
			w.Fatal(err)
		}
		taken, err := w.stores[other-1].TakeCall(w.Context(), found[c.auth.CallID], other)
		if err != nil || !taken {
			w.Fatalf("%s is taken: %t, %v", c.auth.CallID, taken, err)
		}
		c.keeper = other
	}
}

const walkSlice = 10

// TestNobodyOwesForKeptCalls, whatever becomes of them, their keepers and the money meanwhile; and every hold ends.
func TestNobodyOwesForKeptCalls(t *testing.T) {
	t.Parallel()
	d := storetest.SQLite(t)
	stores := [2]*store.Store{d.Migrated(t), d.Open(t)}
	pool := d.SQL(t)
	var n atomic.Int64
	rates := map[string]models.Rate{}
	for i, r := range []models.Rate{
		{PerMinute: 60 * money.Unit, First: 1, Increment: 1},
		{PerMinute: 30 * money.Unit, First: 30, Increment: 6, ConnectFee: 2 * money.Unit},
		{PerMinute: 90 * money.Unit, First: 1, Increment: 7, Minimum: 3 * money.Unit},
		{PerMinute: 7_000_001, First: 60, Increment: 60, Grace: 3},
	} {
		r.Currency = models.SEC
		rates[fmt.Sprint(i+1)] = r
	}
	rapid.Check(t, func(t *rapid.T) {
		w := &keptWalk{T: t, stores: stores, alive: [2]bool{true, true}, clock: began, clid: fmt.Sprintf("777%06d", n.Add(1)), rates: rates}
		rules := policy(200)
		rules.Slice = walkSlice
		rules.Rate = func(_ models.User, number string, _ time.Time) (models.Rate, error) { return w.rates[number], nil }
		for i, s := range stores {
			w.services[i] = billing.New(billing.Options{Store: s, Policy: rules, Lanes: s.Lanes(), Now: func() time.Time { return w.clock }})
			defer w.services[i].Close()
		}
		var err error
		balance := money.Amount(rapid.Int64Range(1, 150).Draw(t, "balance")) * money.Unit
		if w.user, err = stores[0].AddUser(context.Background(), models.NewUser{Username: "w" + w.clid, CLID: w.clid, Balance: balance}, "test"); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			w.step(rapid.SampledFrom([]string{"call", "call", "call", "time", "time", "time", "money", "block", "hang up", "crash", "take"}).Draw(t, "step"))
		}
		for len(w.calls) > 0 {
			if w.tick(); len(w.calls) > 0 && w.calls[0].answered.IsZero() {
				w.end(w.calls[0])
			}
		}
		b, err := stores[0].UserByName(context.Background(), w.user.Username)
		if err != nil || b.Held != 0 || b.Balance < 0 {
			t.Errorf("%s, of which %s is held; %v", b.Balance, b.Held, err)
		}
		var kept int
		if err := pool.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM kept_calls").Scan(&kept); err != nil || kept != 0 {
			t.Errorf("%d calls are listed as kept, %v", kept, err)
		}
	})
}
