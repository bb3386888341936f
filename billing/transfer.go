package billing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
)

// Transfer is a movement of money between two users of one currency.
type Transfer struct {
	From, To int64
	Amount   money.Amount // positive
	Ref      string       // makes the transfer safe to repeat
	Actor    string
	Key      string                       // as that of a Movement
	Not      []models.Ref                 // likewise
	Note     func(Moved) models.AuditLine // likewise
}

// Transfer moves money from one user to another, at most what is available, or finds it done under the same reference.
// It returns the payer's side. A *Refusal says why not; under a reference of another transfer it is models.ErrConflict.
func (s *Service) Transfer(ctx context.Context, t Transfer) (Moved, error) {
	if err := (Movement{Ref: t.Ref}).check(); err != nil {
		return Moved{}, err
	}
	keys := Keys{Users: []int64{t.From, t.To}, Refs: append([]models.Ref{t.ref()}, t.Not...)}
	var moved Moved
	err := s.do(ctx, strconv.FormatInt(t.From, 10), keys, nil, func(st *State) error {
		var c change
		var err error
		if c, moved, err = transfer(st, t, s.now()); err == nil {
			st.apply(c)
			st.note(t.Note, moved)
		}
		return err
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}

func (t Transfer) ref() models.Ref { return models.Ref{Kind: models.KindTransfer, Ref: t.Ref} }

func transfer(s *State, t Transfer, now time.Time) (change, Moved, error) {
	for _, id := range []int64{t.From, t.To} {
		if _, ok := s.Users[id]; !ok {
			return change{}, Moved{}, fmt.Errorf("user %d: %w", id, models.ErrNotFound)
		}
	}
	from, to := s.purse(t.From, s.Users[t.From].Currency), s.purse(t.To, s.Users[t.To].Currency)
	if done, ok := s.Transactions[t.ref()]; ok {
		return change{}, Moved{Transaction: done, UserID: t.From, Available: from.available(), Already: true}, t.same(done, purse{s.Accounts[t.From]}, purse{s.Accounts[t.To]})
	}
	for _, other := range t.Not {
		if _, ok := s.Transactions[other]; ok {
			return change{}, Moved{}, refuse(ErrRefUsed, "the reference %s belongs to another movement", strconv.Quote(t.Ref))
		}
	}
	account := to.main()
	switch {
	case t.From == t.To:
		return change{}, Moved{}, refuse(models.ErrInvalid, "a transfer needs two users")
	case t.Amount <= 0 || t.Amount > maxBalance:
		return change{}, Moved{}, refuse(models.ErrInvalid, "the amount must be positive and at most %s", maxBalance)
	case s.Users[t.From].Currency != s.Users[t.To].Currency:
		return change{}, Moved{}, refuse(models.ErrConflict, "the users have different currencies")
	case account == nil:
		return change{}, Moved{}, refuse(models.ErrConflict, "user %s has no open account", strconv.Quote(s.Users[t.To].Username))
	case from.movable() < t.Amount:
		return change{}, Moved{}, from.short(t.Amount)
	}
	sum, err := money.Add(account.Balance, t.Amount)
	if err != nil || sum > maxBalance {
		return change{}, Moved{}, refuse(models.ErrInvalid, "the balance would pass %s", maxBalance)
	}
	account.Balance = sum
	entries, _ := from.take(t.Amount, nil, lasting)
	done := models.Transaction{
		ID: s.NewID(), Ref: t.ref(), PostedAt: now, Actor: t.Actor, Key: t.Key,
		Entries: append(entries, models.Entry{AccountID: account.ID, Amount: t.Amount}),
	}
	accounts := slices.Concat(from.changed(s, t.From), to.changed(s, t.To))
	return change{accounts: accounts, transactions: []models.Transaction{done}}, Moved{Transaction: done, UserID: t.From, Available: from.available()}, nil
}

// same checks that a posted transaction is this very transfer.
func (t Transfer) same(done models.Transaction, from, to purse) error {
	var taken, given money.Amount
	for _, e := range done.Entries {
		switch {
		case from.account(e.AccountID) != nil:
			taken -= e.Amount
		case to.account(e.AccountID) != nil:
			given += e.Amount
		}
	}
	if taken != t.Amount || given != t.Amount {
		return refuse(ErrRefUsed, "the reference %s belongs to another transfer", strconv.Quote(t.Ref))
	}
	return nil
}

// short refuses an amount that cannot be taken out or given, and tells when promotional credit would have covered it.
func (p purse) short(amount money.Amount) error {
	if p.movable() < amount && amount <= p.available() {
		return refuse(ErrInsufficientFunds, "insufficient balance: promotional credit is for calls, and cannot be taken out or transferred")
	}
	return refuse(ErrInsufficientFunds, "insufficient balance")
}
