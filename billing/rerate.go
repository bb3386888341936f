package billing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"talktime/models"
	"talktime/money"
)

// Why a re-rating leaves a call as it is.
var (
	ErrOtherCurrency = errors.New("its price is in another currency")
	ErrNoAccount     = errors.New("the user has no open account in its currency")
)

// Recost is what a settled call would have cost at other rates: each leg that counts at the rate of its number when it was
// authorised. The rest is CallCost's. What rate returns for a leg is returned; ErrOtherCurrency for a rate that is not in the
// currency of the call.
func Recost(call models.Call, rate func(number string, at time.Time) (models.Rate, error)) (money.Amount, error) {
	other := models.Call{Seconds: call.Seconds, Rate: call.Rate}
	find := func(number string, at time.Time) (models.Rate, error) {
		r, err := rate(number, at)
		if err == nil && r.Currency != call.Rate.Currency {
			err = ErrOtherCurrency
		}
		return r, err
	}
	last := call.Seconds
	for _, leg := range call.Legs {
		last -= leg.Seconds
		if leg.Seconds != 0 { // of the others nobody asks what they cost
			r, err := find(leg.Number, leg.Authorized)
			if err != nil {
				return 0, err
			}
			leg.Rate = r
		}
		other.Legs = append(other.Legs, leg)
	}
	if last != 0 || len(call.Legs) == 0 || call.Seconds == 0 {
		var err error
		if other.Rate, err = find(call.Number, call.Authorized); err != nil {
			return 0, err
		}
	}
	return CallCost(other)
}

// Adjust is what a settled call is to cost from now on.
type Adjust struct {
	CallID    string
	Charge    money.Amount // of the settlement with all adjustments since
	Shortfall money.Amount // of that: what nobody's money has covered
	Cost      money.Amount // what it is to be instead of Charge

	Paid  map[int64]money.Amount // by the accounts of the user, Charge less Shortfall in all; needed when Cost is less
	Ref   string                 // of the transaction
	Actor string
}

// Adjusted is what became of it.
type Adjusted struct {
	Transaction int64        // its id; 0: there was nothing to do
	Shortfall   money.Amount // of the new charge
}

// DecideRerate adjusts the charge of a call, which must be loaded with its user's accounts. The call stays as it is: history is
// not changed. What is too much first makes up for what nobody had covered; the rest goes back to the accounts that paid, the one
// that was spent last first: the customer never gets more than he paid, and no promotional credit becomes other money. What is too little is taken from what he has available, and what that does not cover is a shortfall: he never
// passes his limit. ErrNoAccount when he has no open account any more, and a *Refusal for a balance beyond all bounds.
// What he may spend in an hour or a day is not touched: that was another time.
func DecideRerate(st *State, a Adjust, now time.Time) (Adjusted, error) {
	call, known := st.Calls[a.CallID]
	switch {
	case !known || call.State != models.CallSettled:
		return Adjusted{}, fmt.Errorf("re-rate call %s: %w: it is not settled", a.CallID, models.ErrConflict)
	case a.Cost < 0 || a.Shortfall < 0 || a.Shortfall > a.Charge:
		return Adjusted{}, fmt.Errorf("re-rate call %s from %s with a shortfall of %s to %s: %w", a.CallID, a.Charge, a.Shortfall, a.Cost, models.ErrInvalid)
	case a.Cost == a.Charge:
		return Adjusted{Shortfall: a.Shortfall}, nil
	}
	revenue, shortfall := st.House(call.Rate.Currency, models.HouseRevenue), st.House(call.Rate.Currency, models.HouseShortfall)
	if revenue == 0 || shortfall == 0 {
		return Adjusted{}, fmt.Errorf("re-rate call %s: %w", a.CallID, noHouse(call.Rate.Currency))
	}
	wallet := st.purse(call.UserID, call.Rate.Currency)
	if wallet.main() == nil {
		return Adjusted{}, ErrNoAccount
	}
	var entries []models.Entry
	left := a.Shortfall
	if dearer := a.Cost - a.Charge; dearer > 0 {
		var uncovered money.Amount
		entries, uncovered = wallet.take(dearer, nil, spendable)
		left += uncovered
	} else {
		house := min(a.Shortfall, -dearer)
		left -= house
		var err error
		if entries, err = wallet.giveBack(-dearer-house, a.Paid); err != nil {
			return Adjusted{}, err
		}
	}
	entries = append(entries, models.Entry{AccountID: revenue, Amount: a.Cost - a.Charge})
	if left != a.Shortfall {
		entries = append(entries, models.Entry{AccountID: shortfall, Amount: a.Shortfall - left})
	}
	posted := models.Transaction{ID: st.NewID(), Ref: models.Ref{Kind: models.KindRerate, Ref: a.Ref}, PostedAt: now, Actor: a.Actor, Entries: entries}
	st.apply(change{accounts: wallet.changed(st, call.UserID), transactions: []models.Transaction{posted}})
	return Adjusted{posted.ID, left}, nil
}

// giveBack puts amount on the accounts that paid it, the last in burn order first, and what these do not take on the main one.
func (p purse) giveBack(amount money.Amount, paid map[int64]money.Amount) (entries []models.Entry, err error) {
	parts := map[int64]money.Amount{}
	for _, a := range slices.Backward(p.accounts) {
		if open(a) {
			parts[a.ID] = min(amount, max(paid[a.ID], 0))
			amount -= parts[a.ID]
		}
	}
	parts[p.main().ID] += amount
	for i := range p.accounts {
		a := &p.accounts[i]
		if parts[a.ID] == 0 {
			continue
		}
		if a.Balance, err = money.Add(a.Balance, parts[a.ID]); err != nil || a.Balance > maxBalance {
			return nil, refuse(models.ErrInvalid, "the balance would pass %s", maxBalance)
		}
		entries = append(entries, models.Entry{AccountID: a.ID, Amount: parts[a.ID]})
	}
	return entries, nil
}
