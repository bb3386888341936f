package billing

import (
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
)

// Sharer is a call that shares what is free.
type Sharer struct {
	ID          int64
	Rate        models.Rate
	Elapsed     time.Duration
	Limit, Most int64
}

// Share is up to which second each of some calls may last.
func Share(free money.Amount, calls []Sharer) ([]int64, error) {
	sharers := make([]sharer, len(calls))
	for i, c := range calls {
		sharers[i] = sharer{c.ID, c.Rate, c.Elapsed, c.Limit, c.Most}
	}
	return share(free, sharers)
}

// NextLimits are to how many seconds the first of some calls is extended, as it is done, and after a full search.
func NextLimits(free money.Amount, calls []Sharer, from, slice int64) (got, want int64, err error) {
	sharers := make([]sharer, len(calls))
	for i, c := range calls {
		sharers[i] = sharer{c.ID, c.Rate, c.Elapsed, c.Limit, c.Most}
	}
	last, err := first(free, sharers, from, slice)
	if err != nil {
		return 0, 0, err
	}
	plan, err := share(free, sharers)
	if err != nil {
		return 0, 0, err
	}
	next := func(last int64) int64 {
		if last <= from {
			return last
		}
		return nextLimit(calls[0].Rate, from, last, slice)
	}
	return next(last), next(plan[0]), nil
}

// Remember lets n calls be settled and returns how many of them are remembered, of each generation.
func Remember(n int) (young, older int) {
	var r recent
	ms := int64(3006)
	for i := range n {
		id := strconv.Itoa(i)
		res := CallResult{CallID: id, Evidence: models.Evidence{Source: SourceCaller, DialStatus: dialAnswered, AnsweredMS: &ms}}
		r.remember(res, Charge{CallID: id, State: models.CallSettled})
		res.Evidence.Source = SourceReducer
		if _, ok := r.same(res); !ok {
			return 0, 0
		}
	}
	return len(r.young), len(r.older)
}
