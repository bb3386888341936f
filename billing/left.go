package billing

import (
	"fmt"
	"slices"
	"time"

	"talktime/models"
)

// Lasting is an open call at some moment.
type Lasting struct {
	models.Call

	Elapsed time.Duration // how much of Limit has passed; 0 before the answer
}

// Left is for how many seconds each of a user's open calls, which are all in calls, can still last: one that somebody extends by what the user
// has, as it would be shared now; another one by what it holds. Of the accounts counts what is not held by these calls, for they may have been
// read a moment apart. Whether a number still has a rate is not asked.
func (p Policy) Left(user models.User, accounts []models.Account, calls []Lasting, now time.Time) ([]int64, error) {
	p.Rate = func(models.User, string, time.Time) (models.Rate, error) {
		return models.Rate{Currency: user.Currency}, nil
	}
	s := NewState()
	s.Accounts[user.ID] = heldBy(accounts, calls)
	left := make([]int64, len(calls))
	shared := map[string][]int{} // which of the calls share what there is in a currency
	for i, c := range calls {
		left[i] = c.left(c.Limit)
		if c.Keeper != 0 {
			s.Sharing[user.ID] = append(s.Sharing[user.ID], c.Call)
		}
		if c.Keeper != 0 && c.Cut == "" && c.Elapsed < seconds(c.Limit) {
			shared[c.Rate.Currency] = append(shared[c.Rate.Currency], i)
		}
	}
	for currency, of := range shared {
		wallet := s.purse(user.ID, currency)
		sharers := make([]sharer, len(of))
		longest := make([]int64, len(of))
		for n, i := range of {
			c := calls[i]
			_, most, err := p.mayLast(s, user, c.Call, wallet, now) // 0 when it is about to be cut
			if err != nil {
				return nil, err
			}
			longest[n] = most
			sharers[n] = sharer{id: c.ID, rate: c.Rate, elapsed: c.Elapsed, limit: c.Limit, most: max(most, c.Limit)}
		}
		plan, err := share(p.free(user, wallet, now), sharers)
		if err != nil {
			return nil, fmt.Errorf("share what user %d has: %w", user.ID, err)
		}
		for n, i := range of {
			left[i] = calls[i].left(min(plan[n], longest[n]))
		}
	}
	return left, nil
}

// left is how much is left of so many seconds.
func (c Lasting) left(seconds int64) int64 {
	return max(seconds-max(int64(c.Elapsed/time.Second), 0), 0)
}

// heldBy are accounts on which nothing is held but what these calls hold.
func heldBy(accounts []models.Account, calls []Lasting) []models.Account {
	accounts = slices.Clone(accounts)
	for i := range accounts {
		a := &accounts[i]
		a.Held = 0
		for _, c := range calls {
			for _, part := range c.Holds {
				if part.AccountID == a.ID {
					a.Held += part.Amount
				}
			}
		}
	}
	return accounts
}
