package billing

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
)

// DecideClose moves what a user has to the house account for deleted users, for a store that deletes him in the same
// transaction. His accounts must be loaded. While a call of his holds money it is models.ErrHoldIsOpen.
func DecideClose(st *State, userID int64, actor string, now time.Time) error {
	wallet := purse{slices.Clone(st.Accounts[userID])}
	if wallet.held() != 0 {
		return refuse(models.ErrHoldIsOpen, "the user has a call in progress, which holds money")
	}
	byCurrency := make(map[string][]models.Entry)
	for i := range wallet.accounts {
		if a := &wallet.accounts[i]; a.Balance != 0 {
			byCurrency[a.Currency] = append(byCurrency[a.Currency], models.Entry{AccountID: a.ID, Amount: -a.Balance})
			a.Balance = 0
		}
	}
	c := change{accounts: wallet.changed(st, userID)}
	for currency, entries := range byCurrency {
		closed := st.House(currency, models.HouseClosed)
		if closed == 0 {
			return noHouse(currency)
		}
		var sum money.Amount
		for _, e := range entries {
			sum -= e.Amount
		}
		if sum != 0 {
			entries = append(entries, models.Entry{AccountID: closed, Amount: sum})
		}
		ref := models.Ref{Kind: models.KindClosed, Ref: strconv.FormatInt(userID, 10)}
		if currency != models.SEC {
			ref.Ref = fmt.Sprintf("%d:%s", userID, currency)
		}
		c.transactions = append(c.transactions, models.Transaction{ID: st.NewID(), Ref: ref, PostedAt: now, Actor: actor, Entries: entries})
	}
	st.apply(c)
	return nil
}
