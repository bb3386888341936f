package billing_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestShare: what some calls get of some money.
func TestShare(t *testing.T) {
	t.Parallel()
	type sharer = billing.Sharer
	s := func(passed float64) time.Duration { return time.Duration(passed * float64(time.Second)) }
	for name, c := range map[string]struct {
		free  int64
		calls []sharer
		want  []int64
	}{
		"none":                              {10, nil, []int64{}},
		"one":                               {10, []sharer{{1, rateOf(1), s(3), 5, 60}}, []int64{15}},
		"one with all that it may have":     {100, []sharer{{1, rateOf(1), s(3), 5, 60}}, []int64{60}},
		"one that has more than it may":     {100, []sharer{{1, rateOf(1), s(3), 5, 4}}, []int64{5}},
		"two alike":                         {10, []sharer{{1, rateOf(1), 0, 5, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{10, 10}},
		"an odd second":                     {11, []sharer{{1, rateOf(1), 0, 5, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{11, 10}},
		"an odd second, in the other order": {11, []sharer{{2, rateOf(1), 0, 5, 60}, {1, rateOf(1), 0, 5, 60}}, []int64{10, 11}},
		"one that is ahead":                 {10, []sharer{{1, rateOf(1), 0, 20, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{20, 15}},
		"one that began before":             {10, []sharer{{1, rateOf(1), s(15), 20, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{25, 10}},
		"part of a second":                  {10, []sharer{{1, rateOf(1), s(15.5), 20, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{25, 10}},
		"one has reached its end":           {30, []sharer{{1, rateOf(1), 0, 5, 7}, {2, rateOf(1), 0, 5, 60}}, []int64{7, 33}},
		"different rates":                   {28, []sharer{{1, rateOf(1), 0, 0, 60}, {2, rateOf(2), 0, 0, 60}, {3, rateOf(4), 0, 0, 60}}, []int64{4, 4, 4}},
		"a rest for the dearest":            {34, []sharer{{1, rateOf(1), 0, 0, 60}, {2, rateOf(2), 0, 0, 60}, {3, rateOf(4), 0, 0, 60}}, []int64{4, 5, 5}},
		"a rest for the cheapest":           {30, []sharer{{1, rateOf(4), 0, 0, 60}, {2, rateOf(3), 0, 0, 60}}, []int64{4, 4}},
		"a rest of several seconds":         {13, []sharer{{1, rateOf(9), 0, 0, 60}, {2, rateOf(1), 0, 0, 60}}, []int64{1, 4}},
		"minutes first":                     {100, []sharer{{1, prices["60"], 0, 0, 600}, {2, rateOf(1), 0, 0, 600}}, []int64{60, 40}},
		"a minute that is too much":         {150, []sharer{{1, prices["60"], 0, 60, 600}, {2, rateOf(1), s(10), 30, 600}}, []int64{120, 120}},
		"a minute that cannot be paid":      {59, []sharer{{1, prices["60"], s(58), 60, 600}, {2, rateOf(1), s(10), 30, 600}}, []int64{60, 89}},
		"a connect fee":                     {20, []sharer{{1, rateOf(1), 0, 5, 60}, {2, prices["10"], 0, 0, 60}}, []int64{8, 7}},
		"nothing to pay":                    {10, []sharer{{1, prices["0"], 0, 5, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{60, 15}},
		"nothing is free":                   {0, []sharer{{1, rateOf(1), 0, 5, 60}, {2, rateOf(1), 0, 7, 60}}, []int64{5, 7}},
		"past what is held":                 {10, []sharer{{1, rateOf(1), s(30), 5, 60}, {2, rateOf(1), 0, 7, 60}}, []int64{5, 17}},
		"before the beginning":              {10, []sharer{{1, rateOf(1), -s(1e9), 5, 60}, {2, rateOf(1), 0, 5, 60}}, []int64{10, 10}},
		"more than can be counted":          {10, []sharer{{1, models.Rate{PerMinute: 1 << 62}, 0, 1, 1 << 40}, {2, rateOf(1), 0, 5, 1 << 33}}, []int64{1, 15}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := billing.Share(units(c.free), c.calls); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%d, %v; want %d", got, err, c.want)
			}
		})
	}
}

func anySharer(t *rapid.T) billing.Sharer {
	c := billing.Sharer{Rate: anyRate(t)}
	c.Rate.PerMinute %= 100 * money.Unit
	c.Rate.ConnectFee %= 100 * money.Unit
	c.Rate.Minimum %= 100 * money.Unit
	c.Rate.First, c.Rate.Increment = min(c.Rate.First, 90), min(c.Rate.Increment, 90)
	c.Limit = billing.BilledSeconds(c.Rate, rapid.Int64Range(0, 300).Draw(t, "held"))
	c.Elapsed = time.Duration(rapid.Int64Range(0, c.Limit*1000).Draw(t, "elapsed")) * time.Millisecond
	c.Most = rapid.Int64Range(0, 2000).Draw(t, "most")
	return c
}

// plan is what some calls share, and what holds of it always.
type plan struct {
	*rapid.T
	free  money.Amount
	calls []billing.Sharer
	until []int64
}

func (p plan) price(i int, until int64) money.Amount {
	r := p.calls[i].Rate
	r.Grace = 0
	total := func(seconds int64) money.Amount {
		cost, err := billing.Cost(r, seconds)
		if err != nil {
			p.Fatal(err)
		}
		if seconds == 0 {
			return 0
		}
		return cost
	}
	return total(until) - total(p.calls[i].Limit)
}

// next is the next increment of a call, and whether it may have that.
func (p plan) next(i int) (until int64, may bool) {
	until = billing.BilledSeconds(p.calls[i].Rate, p.until[i]+1)
	return until, until <= p.calls[i].Most
}

func (p plan) ends(i int) time.Duration {
	return time.Duration(p.until[i])*time.Second - p.calls[i].Elapsed
}

// never is later than any call may end.
const never = time.Duration(1 << 62)

// earliest is when the first of those ends that might go on.
func (p plan) earliest() time.Duration {
	first := never
	for i := range p.calls {
		if _, may := p.next(i); may {
			first = min(first, p.ends(i))
		}
	}
	return first
}

func (p plan) check() {
	left := p.free
	for i, c := range p.calls {
		if p.until[i] < c.Limit || p.until[i] > max(c.Limit, c.Most) || p.until[i] > c.Limit && billing.BilledSeconds(c.Rate, p.until[i]) != p.until[i] && p.price(i, p.until[i]) > 0 {
			p.Fatalf("call %d may last %d s: %+v", i, p.until[i], c)
		}
		left -= p.price(i, p.until[i])
	}
	if left < 0 {
		p.Fatalf("%s more than there is: %d", -left, p.until)
	}
	for i := range p.calls {
		if next, may := p.next(i); may && p.price(i, next)-p.price(i, p.until[i]) <= left {
			p.Fatalf("%s are left, which pay for more of call %d: %d", left, i, p.until)
		}
	}
	first := p.earliest() // nobody could let it last longer, by giving less to the others
	if first == never {
		return
	}
	var cost money.Amount
	for i, c := range p.calls {
		whole := int64((c.Elapsed + first + time.Second) / time.Second)
		until := billing.BilledSeconds(c.Rate, whole)
		for until > c.Most && until > c.Limit {
			until -= max(c.Rate.Increment, 1)
		}
		cost += p.price(i, max(until, c.Limit))
	}
	if cost <= p.free {
		p.Fatalf("of %s all could last until %s and longer, for %s: %d", p.free, first, cost, p.until)
	}
}

// TestSharesHold: never more is shared than there is, nobody gets less than he has, nothing stays that pays for more, and the one who ends first
// ends as late as can be. With more money nobody ends earlier than the first did, and it is the same whoever asks, and when.
func TestSharesHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := plan{T: t, free: money.Amount(rapid.Int64Range(0, 2_000_000_000).Draw(t, "free"))}
		p.calls = rapid.SliceOfN(rapid.Custom(anySharer), 1, 5).Draw(t, "calls")
		for i := range p.calls {
			p.calls[i].ID = int64(i + 1)
		}
		var err error
		if p.until, err = billing.Share(p.free, p.calls); err != nil {
			t.Fatal(err)
		}
		p.check()
		more := p
		more.free += money.Amount(rapid.Int64Range(0, 1_000_000_000).Draw(t, "more"))
		if more.until, err = billing.Share(more.free, p.calls); err != nil {
			t.Fatal(err)
		}
		if more.check(); more.earliest() < p.earliest() {
			t.Fatalf("with %s more than %s the first ends earlier: %d, %d", more.free-p.free, p.free, p.until, more.until)
		}
		turned := slices.Clone(p.calls)
		slices.Reverse(turned)
		got, err := billing.Share(p.free, turned)
		if slices.Reverse(got); err != nil || !slices.Equal(got, p.until) {
			t.Fatalf("in another order %d, not %d; %v", got, p.until, err)
		}
		least := p.calls[0].Elapsed
		for _, c := range p.calls {
			least = min(least, c.Elapsed)
		}
		before, earlier := slices.Clone(p.calls), time.Duration(rapid.Int64Range(0, least.Milliseconds()).Draw(t, "ms earlier"))*time.Millisecond
		for i := range before {
			before[i].Elapsed -= earlier
		}
		if got, err = billing.Share(p.free, before); err != nil || !slices.Equal(got, p.until) {
			t.Fatalf("%s earlier %d, not %d; %v", earlier, got, p.until, err)
		}
		alone := billing.Sharer{ID: 99, Rate: rateOf(1), Limit: 5, Most: 5}
		one, err1 := billing.Share(p.free, p.calls[:1])
		two, err2 := billing.Share(p.free, []billing.Sharer{p.calls[0], alone})
		if err1 != nil || err2 != nil || one[0] != two[0] {
			t.Fatalf("alone %d, beside one that needs nothing %d", one, two)
		}
	})
}

// TestPlentyIsSharedAlike: while there is enough for all, nobody needs to know for how long, and each slice is as long as if it were known.
func TestPlentyIsSharedAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.SliceOfN(rapid.Custom(anySharer), 1, 5).Draw(t, "calls")
		for i := range calls {
			calls[i].ID = int64(i + 1)
		}
		free := money.Amount(rapid.OneOf(rapid.Int64Range(0, 2_000_000_000), rapid.Int64Range(0, 50_000_000_000)).Draw(t, "free"))
		slice := rapid.Int64Range(2, 3600).Draw(t, "slice")
		from := calls[0].Limit
		if rapid.Bool().Draw(t, "dialled again") {
			from = rapid.Int64Range(0, 2*calls[0].Limit+10).Draw(t, "from")
		}
		got, want, err := billing.NextLimits(free, calls, from, slice)
		if err != nil || got != want {
			t.Fatalf("%d s, not %d; %v", got, want, err)
		}
	})
}

// BenchmarkReview is one extension of a call that nobody shares the money of, and of one beside others.
func BenchmarkReview(b *testing.B) {
	for _, beside := range []int{0, 1, 9, 99, 999} {
		b.Run(fmt.Sprint("beside ", beside), func(b *testing.B) {
			k := newKeeping(b, 30, 180, with(func(p *billing.Policy) { p.MaxCallSeconds = 86_400 }))
			call := models.Call{ID: 1, CallID: "pbx-1.1", UserID: 1, Number: "1", State: models.CallOpen, Rate: rateOf(1), Limit: 30, Slice: 30, Keeper: keeperID}
			call.Rate.Currency = models.SEC
			call.AnsweredMS = k.clock.UnixMilli()
			call.Holds = []models.HoldPart{{AccountID: 1, Amount: units(30)}}
			account := models.Account{ID: 1, UserID: 1, Name: models.MainAccount, Currency: models.SEC, Status: models.AccountActive, Balance: units(1_000_000)}
			account.Held = units(30 * int64(beside+1))
			others := make([]models.Call, beside)
			for i := range others {
				others[i] = call
				others[i].ID, others[i].CallID = int64(i+2), fmt.Sprint("pbx-2.", i)
				others[i].AnsweredMS += int64(i * 37)
			}
			service := billing.New(billing.Options{Now: func() time.Time { return k.clock }, Policy: billing.Policy{Slice: 30, MaxCallSeconds: 86_400}, Store: loaded(func() *billing.State {
				st := billing.NewState()
				st.AddUser(models.User{ID: 1, Currency: models.SEC})
				st.Accounts[1] = []models.Account{account}
				st.Calls[call.CallID] = call
				st.Sharing[1] = others
				return st
			})})
			defer service.Close()
			k.wait(24)
			for b.Loop() {
				kept, err := service.Review(b.Context(), billing.Review{CallID: call.CallID, UserID: 1, Keeper: keeperID, Elapsed: 24 * time.Second})
				if err != nil || kept.Limit != 60 {
					b.Fatal(kept, err)
				}
			}
		})
	}
}

// loaded is a store that always has the same, and forgets all.
type loaded func() *billing.State

func (l loaded) Update(_ context.Context, _ billing.Keys, decide func(*billing.State)) error {
	decide(l())
	return nil
}
