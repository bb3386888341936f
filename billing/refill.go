package billing

import (
	"errors"
	"fmt"
	"time"

	"talktime/models"
	"talktime/money"
)

// Refill is what the members of a group get on one of its dates.
type Refill struct {
	ID    int64 // of the date
	Value money.Amount
	Mode  string // models.ModeTopUp, models.ModeAdd
	Actor string
}

// DecideRefill gives users what a refill gives them, for a store that marks them as done in the same transaction. Their
// accounts must be loaded. It returns those who could not be given it, and why; the others have it all the same.
func DecideRefill(st *State, users []int64, r Refill, now time.Time) (left map[int64]error, err error) {
	left = make(map[int64]error)
	for _, user := range users {
		amount := r.Value
		if r.Mode == models.ModeTopUp {
			for _, a := range st.purse(user, st.Users[user].Currency).accounts {
				if a.Expires.IsZero() { // a promotion comes on top of it
					amount -= a.Balance
				}
			}
		}
		if amount <= 0 {
			continue
		}
		c, _, err := Policy{}.move(st, Movement{UserID: user, Amount: amount, Ref: fmt.Sprintf("%d/%d", r.ID, user), Actor: r.Actor, refill: true}, now)
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			left[user] = err
		case err != nil:
			return nil, err
		default:
			st.apply(c)
		}
	}
	return left, nil
}
