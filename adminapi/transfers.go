package adminapi

import (
	"net/http"
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
	from, err := r.userIn(o, "from")
	if err != nil {
		return err
	}
	to, err := r.userIn(o, "to")
	if err != nil {
		return err
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
	ref, err := r.idempotencyKey()
	if err != nil {
		return err
	}
	moved, err := r.api.Money.Transfer(r.ctx(), billing.Transfer{From: from.ID, To: to.ID, Amount: amount, Ref: ref, Actor: r.who.actor()})
	if err != nil {
		return err
	}
	done := moved.Transaction
	shown := transferJSON{done.ID, from.Username, to.Username, amount, from.Currency, ref, done.PostedAt.UTC().Truncate(time.Microsecond)}
	if !moved.Already {
		if err := r.api.Ledger.Log(r.ctx(), r.who.actor(), "transfer.add", from.Username, nil, shown); err != nil {
			r.api.log.Error("a transfer is not in the audit log", "err", err, "ref", ref)
		}
	}
	r.Header("Location", "/api/balance/"+strconv.FormatInt(done.ID, 10))
	r.json(http.StatusCreated, shown)
	return nil
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
