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
