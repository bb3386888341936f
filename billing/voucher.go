package billing

import (
	"errors"
	"time"

	"talktime/models"
	"talktime/money"
)

// Voucher is one that a user redeems.
type Voucher struct {
	Serial   string
	UserID   int64
	Amount   money.Amount
	Currency string
	Expires  time.Time // of the credit; zero: it stays
	Actor    string
}

// Keys are the rows that redeeming it needs.
func (v Voucher) Keys() Keys { return Keys{Users: []int64{v.UserID}, Refs: []models.Ref{v.ref()}} }

func (v Voucher) ref() models.Ref { return models.Ref{Kind: models.KindVoucher, Ref: v.Serial} }

// DecideVoucher puts a voucher's amount on its user's account, for a store that marks it as redeemed in the same transaction. A
// serial that was posted before is models.ErrVoucherUsed, whatever the voucher says of itself. Where it fills State.Lacking
// it returns an error, and is to be asked again with what is lacking.
func DecideVoucher(st *State, v Voucher, now time.Time) (Moved, error) {
	user, ok := st.Users[v.UserID]
	switch {
	case !ok:
		return Moved{}, refuse(models.ErrNotFound, "there is no such user")
	case user.Currency != v.Currency:
		return Moved{}, refuse(models.ErrConflict, "the voucher is worth %s, but the user's money is %s", v.Currency, user.Currency)
	}
	c, moved, err := Policy{}.move(st, Movement{
		UserID: v.UserID, Amount: v.Amount, Ref: v.Serial, Actor: v.Actor, Expires: v.Expires, voucher: true,
	}, now)
	switch {
	case moved.Already || errors.Is(err, ErrRefUsed):
		return Moved{}, models.ErrVoucherUsed
	case err != nil:
		return Moved{}, err
	}
	st.apply(c)
	return moved, nil
}

// Available is what a user whose accounts are loaded may spend now.
func (s *State) Available(userID int64) money.Amount {
	return s.purse(userID, s.Users[userID].Currency).available()
}
