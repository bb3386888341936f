package billing

import (
	"strconv"

	"talktime/models"
)

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
