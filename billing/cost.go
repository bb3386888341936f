package billing

import (
	"fmt"
	"sort"

	"talktime/models"
	"talktime/money"
)

// secondsPerMinute turns prices for a minute into prices for seconds.
const secondsPerMinute = 60

// BilledSeconds rounds whole seconds of talk up to the increments of the rate: the first increment at once, then
// steps of the further one. No talk is no increment.
func BilledSeconds(r models.Rate, seconds int64) int64 {
	if seconds <= 0 {
		return 0
	}
	first, step := max(r.First, 1), max(r.Increment, 1)
	if seconds <= first {
		return first
	}
	return first + (seconds-first+step-1)/step*step
}

// Cost is the price of an answered call of that many whole seconds: connect fee, plus the price of the billed
// seconds rounded up once to a millionth, and at least the minimum. Talk within the grace is free. It never falls
// as talk grows. A negative number of seconds or a result out of range is an error.
func Cost(r models.Rate, seconds int64) (money.Amount, error) {
	if seconds < 0 {
		return 0, fmt.Errorf("cost of %d seconds: %w", seconds, models.ErrInvalid)
	}
	if r.Grace > 0 && seconds <= r.Grace {
		return 0, nil
	}
	talk, err := money.MulDiv(r.PerMinute, BilledSeconds(r, seconds), secondsPerMinute, money.Up)
	if err != nil {
		return 0, fmt.Errorf("cost of %d seconds: %w", seconds, err)
	}
	total, err := money.Add(talk, r.ConnectFee)
	if err != nil {
		return 0, fmt.Errorf("cost of %d seconds: %w", seconds, err)
	}
	return max(total, r.Minimum), nil
}

// holdCost is the cost of a call that is to last that long, which is what a hold must cover: grace never makes a
// hold smaller, for a call inside its grace may go on past it.
func holdCost(r models.Rate, seconds int64) (money.Amount, error) {
	r.Grace = 0
	return Cost(r, seconds)
}

// Affordable is the longest talk in whole seconds that amount pays for: a multiple of whole increments, at most
// limit, whose cost does not exceed amount. It is 0 when the first increment is not covered. A rate that costs
// nothing affords the limit.
func Affordable(r models.Rate, amount money.Amount, limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	if cost, err := holdCost(r, limit); err == nil && cost == 0 {
		return limit
	}
	first, step := max(r.First, 1), max(r.Increment, 1)
	if first > limit {
		return 0
	}
	// The number of increments that are too many, by binary search: cost never falls as talk grows.
	tooMany := sort.Search(int((limit-first)/step)+1, func(steps int) bool {
		cost, err := holdCost(r, first+int64(steps)*step)
		return err != nil || cost > amount
	})
	if tooMany == 0 {
		return 0
	}
	return first + int64(tooMany-1)*step
}
