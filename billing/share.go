package billing

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"talktime/models"
	"talktime/money"
)

// sharer is a call that goes on at the expense of somebody's money.
type sharer struct {
	id      int64 // of the call
	rate    models.Rate
	elapsed time.Duration // of limit; 0 before the answer
	limit   int64         // seconds that are held; 0 of a call that is about to begin
	most    int64         // seconds that it may last at the most
}

// share is up to which second each of some calls may last if they share what is free. As far as it goes all are held up to the same moment, in
// whole increments. What is left then goes to single ones, until nobody's next increment can be paid for. A call never gets less than
// it has.
func share(free money.Amount, calls []sharer) ([]int64, error) {
	calls = slices.Clone(calls)
	plan := make([]int64, len(calls))
	open := make([]int, 0, len(calls)) // those who may get more
	for i, c := range calls {
		calls[i].elapsed = max(c.elapsed, 0)
		calls[i].most = max(Affordable(c.rate, math.MaxInt64, c.most), c.limit)
		plan[i] = c.limit
		open = append(open, i)
	}
	if len(calls) == 1 { // as most are: there is nothing to search for
		held, err := calls[0].cost(plan[0])
		if err != nil {
			return nil, err
		}
		plan[0] = max(Affordable(calls[0].rate, held+free, calls[0].most), plan[0])
		return plan, nil
	}
	for len(open) > 0 {
		var next time.Duration
		free, next = level(free, calls, plan, open)
		free, open = rest(free, calls, plan, open, next)
	}
	return plan, nil
}

// first is up to which second the first of some calls may last, as share has it. While there is plenty for all until its next slice has passed,
// and another, and what a caller may be warned before, it is what that one could last alone: nextLimit makes the same of it. from is the
// second behind which that slice begins.
func first(free money.Amount, calls []sharer, from, slice int64) (int64, error) {
	const warned = 600 // seconds
	if until := max(from, BilledSeconds(calls[0].rate, from+slice)) + slice + warned; plenty(free, calls, seconds(until)-max(calls[0].elapsed, 0)) {
		calls = calls[:1]
	}
	plan, err := share(free, calls)
	if err != nil {
		return 0, err
	}
	return plan[0], nil
}

// plenty reports whether free pays for all of some calls until a moment.
func plenty(free money.Amount, calls []sharer, moment time.Duration) bool {
	for _, c := range calls {
		c.elapsed = max(c.elapsed, 0)
		more, err := c.more(c.limit, c.until(moment))
		if err != nil || more > free {
			return false
		}
		free -= more
	}
	return true
}

// grain is how exactly it is known when calls end. Whichever call is looked at, the same plan comes out: were each to leave the rest to another
// one, nobody would get it.
const grain = time.Millisecond

// level raises the plan of those calls that are open up to the same moment, the last that free pays for, and returns what is left of it,
// and the first moment for which it is not enough.
func level(free money.Amount, calls []sharer, plan []int64, open []int) (left money.Amount, tooFar time.Duration) {
	var furthest time.Duration
	for _, i := range open {
		furthest = max(furthest, seconds(calls[i].most)-calls[i].elapsed)
	}
	paid := make([]money.Amount, len(calls))
	for _, i := range open {
		paid[i], _ = calls[i].cost(plan[i]) // as it was counted before
	}
	n := sort.Search(int(furthest/grain)+2, func(n int) bool {
		remains := free
		for _, i := range open {
			cost, err := calls[i].cost(calls[i].until(time.Duration(n) * grain))
			if err != nil || cost-paid[i] > remains {
				return true
			}
			remains -= cost - paid[i]
		}
		return false
	})
	for _, i := range open {
		if until := calls[i].until(time.Duration(n-1) * grain); n > 0 && until > plan[i] {
			more, _ := calls[i].more(plan[i], until) // it was counted just now
			plan[i], free = until, free-more
		}
	}
	return free, time.Duration(n) * grain
}

// rest holds those calls that would end before a moment until then, the dearest first so that little is left, as far as free pays for it. It
// returns what is left of it, and who may get still more.
func rest(free money.Amount, calls []sharer, plan []int64, open []int, moment time.Duration) (left money.Amount, still []int) {
	price := func(i int, until int64) money.Amount {
		more, err := calls[i].more(plan[i], until)
		if err != nil {
			return math.MaxInt64
		}
		return more
	}
	prices := make([]money.Amount, len(calls))
	for _, i := range open {
		prices[i] = price(i, max(calls[i].until(moment), plan[i]))
	}
	slices.SortStableFunc(open, func(a, b int) int {
		return cmp.Or(cmp.Compare(prices[b], prices[a]), cmp.Compare(calls[a].id, calls[b].id))
	})
	for _, i := range open {
		if prices[i] <= free {
			plan[i], free = max(calls[i].until(moment), plan[i]), free-prices[i]
			still = append(still, i)
		}
	}
	return free, slices.DeleteFunc(still, func(i int) bool {
		until := BilledSeconds(calls[i].rate, plan[i]+1)
		return until > calls[i].most || price(i, until) > free
	})
}

// until is how long a call lasts, in whole increments, that does not end before a moment from now, but for what it may last at the most. It is
// never less than what is held.
func (c sharer) until(moment time.Duration) int64 {
	whole := int64((c.elapsed + moment + time.Second - 1) / time.Second)
	return max(min(BilledSeconds(c.rate, whole), c.most), c.limit)
}

// more is what it costs to hold a call up to a second that is held up to another one.
func (c sharer) more(held, until int64) (money.Amount, error) {
	before, err := c.cost(held)
	if err != nil {
		return 0, err
	}
	after, err := c.cost(until)
	return after - before, err
}

// cost is the price of a call's hold; of one that is about to begin there is none.
func (c sharer) cost(limit int64) (money.Amount, error) {
	if limit == 0 {
		return 0, nil
	}
	return holdCost(c.rate, limit)
}
