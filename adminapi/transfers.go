package adminapi

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

type transferJSON struct {
	TransactionID int64        `json:"transaction_id"`
	From          string       `json:"from"`
	To            string       `json:"to"`
	Amount        money.Amount `json:"amount"`
	Currency      string       `json:"currency"`
	Ref           string       `json:"ref"`
	PostedAt      time.Time    `json:"posted_at"`
}

func createTransfer(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("from", "to", "amount"); err != nil {
		return err
	}
	if err := o.missing("from", "to", "amount"); err != nil {
		return err
	}
	key, err := r.idempotencyKey(byTransfers)
	if err != nil {
		return err
	}
	from, err := r.userIn(o, "from")
	if err != nil {
		return r.doneBefore(key, err)
	}
	to, err := r.userIn(o, "to")
	if err != nil {
		return r.doneBefore(key, err)
	}
	amount, err := o.amount("amount")
	switch {
	case err != nil:
		return err
	case amount <= 0:
		return badRequest("amount must be positive")
	case from.Currency == models.SEC && amount%money.Unit != 0:
		return badRequest("amount must be whole seconds")
	case from.ID == to.ID:
		return badRequest("from and to must be two users")
	case from.Currency != to.Currency:
		return refused(http.StatusConflict, "the users have different currencies")
	}
	show := func(done models.Transaction) transferJSON {
		return transferJSON{done.ID, from.Username, to.Username, amount, from.Currency, key.ref, done.PostedAt.UTC().Truncate(time.Microsecond)}
	}
	r.changing = false // billing says itself when nobody knows
	moved, err := r.api.Money.Transfer(r.ctx(), billing.Transfer{
		From: from.ID, To: to.ID, Amount: amount, Ref: key.ref, Key: key.whole, Not: key.not, Actor: r.who.actor(),
		Note: func(m billing.Moved) models.AuditLine {
			return auditLine(m.Transaction, "transfer.add", from.Username, show(m.Transaction))
		},
	})
	if err != nil {
		return key.refusal(err)
	}
	done, shown := moved.Transaction, show(moved.Transaction)
	r.Header("Location", "/api/balance/"+strconv.FormatInt(payerEntry(done), 10))
	r.json(http.StatusCreated, shown)
	return nil
}

// payerEntry is the id of the entry that takes from the payer. Users' entries have the ids from the transaction's on, in the
// order of their accounts; a transfer has no others.
func payerEntry(t models.Transaction) int64 {
	entries := slices.SortedFunc(slices.Values(t.Entries), func(a, b models.Entry) int { return cmp.Compare(a.AccountID, b.AccountID) })
	return t.ID + int64(slices.IndexFunc(entries, func(e models.Entry) bool { return e.Amount < 0 }))
}

// userIn is the user whose name a field has.
func (r *request) userIn(o object, field string) (models.UserDetail, error) {
	name, err := o.text(field)
	if err != nil {
		return models.UserDetail{}, err
	}
	user, err := r.api.Users.UserDetail(r.ctx(), name)
	if isNotFound(err) {
		err = badRequest(field + ": there is no such user")
	}
	return user, err
}
