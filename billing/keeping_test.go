package billing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// keeperID is who extends calls in these tests.
const keeperID = 7

// prices are those of some numbers. A unit is a second of most; so is what a call costs that is told of in units.
var prices = map[string]models.Rate{
	"1": rateOf(1), "2": rateOf(2), "4": rateOf(4),
	"60": {PerMinute: 60 * money.Unit, First: 60, Increment: 60},
	"61": {PerMinute: 60 * money.Unit, First: 1, Increment: 60},
	"66": {PerMinute: 60 * money.Unit, First: 60, Increment: 6},
	"6":  {PerMinute: 60 * money.Unit, First: 6, Increment: 6},
	"10": {PerMinute: 60 * money.Unit, ConnectFee: 10 * money.Unit, First: 1, Increment: 1},
	"15": {PerMinute: 60 * money.Unit, Minimum: 15 * money.Unit, First: 1, Increment: 1},
	"0":  {First: 1, Increment: 1},
}

func priced(_ models.User, number string, _ time.Time) (models.Rate, error) {
	r, ok := prices[number]
	if !ok {
		return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
	}
	r.Currency = models.SEC
	return r, nil
}

// talk is a call that goes on. It was answered as soon as it was dialled.
type talk struct {
	billing.Authorization
	number string
	passed time.Duration // of the limit, before it was answered
	since  time.Time
	limit  int64
	until  int64 // what lies in Asterisk
	short  bool
	over   bool
	ended  time.Time
	charge billing.Charge
	cut    string
}

// keeping is a desk with a keeper, and phones that talk until they are cut off. All of them are Marta's.
type keeping struct {
	*desk
	slice  int64
	talks  []*talk
	looked int                                                        // what of the store's moves was seen
	rate   *func(models.User, string, time.Time) (models.Rate, error) // where a test changes them
}

// newKeeping gives Marta a balance, in units.
func newKeeping(t testing.TB, slice, balance int64, edit ...func(*billing.Options)) *keeping {
	t.Helper()
	k := &keeping{slice: slice, desk: newDesk(t, append([]func(*billing.Options){with(func(p *billing.Policy) {
		p.Slice, p.Rate, p.MaxCallSeconds = slice, priced, 7200
	})}, edit...)...)}
	if balance != 180 {
		k.topUp("marta", balance-180)
	}
	return k
}

func (d *desk) ask(callID, number string, keeper int64) (billing.Authorization, error) {
	req := d.request(callID, number)
	req.Keeper = keeper
	return d.Authorize(d.Context(), req)
}

// permit expects a permission for a call that is kept.
func (d *desk) permit(callID, number string) billing.Authorization {
	d.Helper()
	auth, err := d.ask(callID, number, keeperID)
	if err != nil {
		d.Fatalf("authorize %s to %s: %v", callID, number, err)
	}
	return auth
}

func (d *desk) review(r billing.Review) billing.Kept {
	d.Helper()
	if r.CallID == "" {
		r.CallID = "pbx-1.1"
	}
	if r.Keeper == 0 {
		r.Keeper = keeperID
	}
	r.UserID, r.Identity = d.marta.ID, billing.Identity{CallerID: martaCLID}
	kept, err := d.Review(d.Context(), r)
	if err != nil {
		d.Fatalf("review %+v: %v", r, err)
	}
	return kept
}

// at reviews the first call when so much of its limit has passed, which the clock is not asked for.
func (d *desk) at(elapsed float64) billing.Kept {
	d.Helper()
	return d.review(billing.Review{Elapsed: time.Duration(elapsed * float64(time.Second))})
}

// begin dials a number, and somebody answers.
func (k *keeping) begin(number string) *talk {
	k.Helper()
	auth := k.permit(fmt.Sprint("pbx-1.", len(k.talks)+1), number)
	t := &talk{Authorization: auth, number: number, since: k.clock, limit: auth.Limit, until: auth.Limit}
	t.passed = time.Duration(auth.Limit-auth.Seconds) * time.Second
	k.talks = append(k.talks, t)
	k.look(t) // so that it is known since when it talks
	return t
}

func (k *keeping) elapsed(t *talk) time.Duration { return k.clock.Sub(t.since) + t.passed }

// look reviews a call, and does what it says.
func (k *keeping) look(t *talk) {
	k.Helper()
	kept := k.review(billing.Review{CallID: t.CallID, Leg: t.Leg, Elapsed: max(k.elapsed(t), 1)})
	if kept.Cut != "" {
		t.cut = kept.Cut
		k.end(t)
		return
	}
	if !kept.Over {
		t.limit, t.until, t.short = kept.Limit, kept.Until, kept.Short
	}
}

// end hangs up, and settles by what Asterisk measured, which is some milliseconds more.
func (k *keeping) end(t *talk) {
	k.Helper()
	t.over, t.ended = true, k.clock
	t.charge = k.settle(t.CallID, answered("reducer", (k.elapsed(t)-t.passed).Milliseconds()+7))
}

// tick lets a tenth of a second pass.
func (k *keeping) tick() {
	k.Helper()
	k.wait(0.1)
	for _, t := range k.talks {
		if !t.over && k.elapsed(t) >= time.Duration(t.until)*time.Second {
			k.end(t)
		}
	}
	k.store.mu.Lock()
	moved := slices.Contains(k.store.moved[k.looked:], k.marta.ID)
	k.looked = len(k.store.moved)
	k.store.mu.Unlock()
	for _, t := range k.talks {
		late := time.Duration(t.limit-billing.Lead(k.slice))*time.Second <= k.elapsed(t)
		if !t.over && (moved || late && !t.short) {
			k.look(t)
		}
	}
}

// run lets time pass, in seconds; 0: until nobody talks any more.
func (k *keeping) run(seconds float64) {
	k.Helper()
	end := k.clock.Add(time.Duration(seconds * float64(time.Second)))
	for range 100_000 {
		talking := slices.ContainsFunc(k.talks, func(t *talk) bool { return !t.over })
		if seconds > 0 && !k.clock.Before(end) || seconds == 0 && !talking {
			return
		}
		k.tick()
	}
	k.Fatal("they talk for ever")
}

// talked expects for how many seconds each call was charged.
func (k *keeping) talked(want ...int64) {
	k.Helper()
	var got []int64
	for _, t := range k.talks {
		got = append(got, t.charge.Seconds)
		if c := k.call(t.CallID); c.Shortfall != 0 {
			k.Errorf("call %s has a shortfall of %s", t.CallID, c.Shortfall)
		}
	}
	if !slices.Equal(got, want) {
		k.Errorf("%d were talked, want %d", got, want)
	}
}
