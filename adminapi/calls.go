package adminapi

import (
	"context"
	"net/http"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// nameJSON is a user in a newer object. A deleted one has an id, and no name any more.
type nameJSON struct {
	ID       int64  `json:"id"`
	Username string `json:"username,omitempty"`
}

// callJSON is a call in any state.
type callJSON struct {
	ID           int64        `json:"id"`
	CallID       string       `json:"call_id"`
	State        string       `json:"state"`
	User         *nameJSON    `json:"user"`
	Callee       *nameJSON    `json:"callee"`
	CallerID     string       `json:"caller_id"`
	Number       string       `json:"number"`
	AuthorizedAt time.Time    `json:"authorized_at"`
	DueAt        time.Time    `json:"due_at"`
	EndedAt      *time.Time   `json:"ended_at"`
	LimitSeconds int64        `json:"limit_seconds"`
	SliceSeconds int64        `json:"slice_seconds"`
	Seconds      int64        `json:"seconds"`
	Status       string       `json:"status"`
	Cause        int          `json:"cause"`
	PDD          *int64       `json:"pdd_ms"`
	Currency     string       `json:"currency"`
	Held         money.Amount `json:"held"`
	Charge       money.Amount `json:"charge"`
	Shortfall    money.Amount `json:"shortfall"`
	SettledBy    string       `json:"settled_by"`
	Unauthorized bool         `json:"unauthorized"`
	Disputed     int64        `json:"disputed_seconds"`
	Cut          string       `json:"cut"`
	Carriers     []string     `json:"carriers"` // to whom it was to be given, in order; as all that follows, for operators
	BuyCost      money.Amount `json:"buy_cost"`
	BuyCurrency  string       `json:"buy_currency"`
}

// explainJSON is a call with everything that led to its charge.
type explainJSON struct {
	Call     callJSON           `json:"call"`
	Evidence []models.Evidence  `json:"evidence"`
	Ending   string             `json:"ending"` // who released the hold, and when; empty: nobody
	Hold     *billing.LegPrice  `json:"hold"`   // null unless the call is open
	Legs     []billing.LegPrice `json:"legs"`   // none before the call is settled
	Charge   money.Amount       `json:"charge"`
	Entries  []postedJSON       `json:"entries"`

	Carriers    []billing.TriedCarrier `json:"carriers"`    // for operators
	Adjustments []models.Adjustment    `json:"adjustments"` // by re-ratings, oldest first
}

// postedJSON is an entry on an account of a user or of the house.
type postedJSON struct {
	TransactionID int64        `json:"transaction_id"`
	Account       string       `json:"account"`
	UserID        *int64       `json:"user_id"` // null: the house
	Amount        money.Amount `json:"amount"`
	PostedAt      time.Time    `json:"posted_at"`
}

func listCalls(r *request) error { return r.calls(r.api.Calls.ListCalls) }

func listHolds(r *request) error { return r.calls(r.api.Calls.ListHolds) }

func (r *request) calls(read func(context.Context, models.ListRequest) (models.List[models.Call], error)) error {
	l, err := r.listRequestOf(manyRows)
	if err != nil {
		return err
	}
	list, err := read(r.ctx(), l)
	if err != nil {
		return err
	}
	users, err := r.callUsers(list.Items...)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(c models.Call) int64 { return c.ID }, func(c models.Call) callJSON { return r.showCall(c, users) })
}

// listRequestOf is listRequest for newer lists, which take ?user=NAME besides.
func (r *request) listRequestOf(size int) (models.ListRequest, error) {
	l, err := r.listRequest(size)
	name := r.Query("user")
	if err != nil || name == "" {
		return l, err
	}
	user, err := r.api.Users.UserDetail(r.ctx(), name)
	if err == nil {
		err = r.mustSee(user.ID)
	}
	if isNotFound(err) {
		err = badRequest("user: there is no such user")
	}
	l.User = user.ID
	return l, err
}

func (r *request) callUsers(calls ...models.Call) (map[int64]models.UserDetail, error) {
	var ids []int64
	for _, c := range calls {
		ids = append(ids, c.UserID, c.CalleeID)
	}
	ids, err := r.visible(ids...)
	if err != nil {
		return nil, err
	}
	return r.api.Users.UsersByID(r.ctx(), ids)
}

// operates reports whether whoever asks may know what is the house's own business.
func (r *request) operates() bool {
	return !r.who.bound() && (r.who.user == nil || r.who.user.Admin)
}

func (r *request) showCall(c models.Call, users map[int64]models.UserDetail) callJSON {
	name := func(id int64) *nameJSON {
		if id == 0 {
			return nil
		}
		return &nameJSON{id, users[id].Username}
	}
	shown := callJSON{
		ID: c.ID, CallID: c.CallID, State: string(c.State), User: name(c.UserID), Callee: name(c.CalleeID), CallerID: c.CallerID,
		Number: c.Number, AuthorizedAt: c.Authorized.UTC(), DueAt: c.Due.UTC(), EndedAt: c.Ended, LimitSeconds: c.Limit, SliceSeconds: c.Slice, Seconds: c.Seconds,
		Status: c.Status, Cause: c.Cause, PDD: c.PDD, Currency: c.Rate.Currency, Held: c.Held(), Charge: c.Charge, Shortfall: c.Shortfall,
		SettledBy: c.SettledBy, Unauthorized: c.Unauthorized, Disputed: c.Disputed, Cut: c.Cut, Carriers: []string{},
	}
	if carrier, routed := c.Routing.Carrier(); routed && r.operates() {
		shown.Carriers, shown.BuyCost, shown.BuyCurrency = billing.CarrierNames(c), c.BuyCost, carrier.Buy.Currency
	}
	return shown
}

// call is the call in the path.
func (r *request) call() (models.Call, error) {
	id, err := r.id()
	if err != nil {
		return models.Call{}, err
	}
	c, err := r.api.Calls.CallByKey(r.ctx(), id)
	if err == nil {
		err = r.mustSee(c.UserID)
	}
	return c, err
}

func getCall(r *request) error {
	c, err := r.call()
	if err != nil {
		return err
	}
	return r.answerCall(c)
}

func (r *request) answerCall(c models.Call) error {
	users, err := r.callUsers(c)
	if err == nil {
		r.answer(http.StatusOK, r.showCall(c, users))
	}
	return err
}

func explainCall(r *request) error {
	c, err := r.call()
	if err != nil {
		return err
	}
	users, err := r.callUsers(c)
	if err != nil {
		return err
	}
	answer := explainJSON{
		Call: r.showCall(c, users), Evidence: c.Notes, Charge: c.Charge, Entries: []postedJSON{}, Carriers: []billing.TriedCarrier{},
	}
	if r.operates() {
		answer.Carriers = billing.Carriers(c)
	}
	if answer.Evidence == nil {
		answer.Evidence = []models.Evidence{}
	}
	var entries []models.NamedEntry
	if answer.Ending, err = r.ending(c, time.UTC); err != nil {
		return err
	}
	if answer.Hold, err = billing.ExplainHold(c); err != nil {
		return err
	}
	answer.Adjustments = []models.Adjustment{}
	if r.api.Rerates != nil {
		if answer.Adjustments, err = r.api.Rerates.CallAdjustments(r.ctx(), c.ID); err != nil {
			return err
		}
	}
	answer.Legs, entries, err = r.explanation(c)
	for _, e := range entries {
		answer.Entries = append(answer.Entries, postedJSON{e.ID, e.Account, known(e.UserID), e.Amount, e.PostedAt.UTC()})
	}
	if err == nil {
		r.answer(http.StatusOK, answer)
	}
	return err
}

// explanation is how the charge of a call comes about, of which there is nothing before the call is settled, and what
// was posted for it.
func (r *request) explanation(c models.Call) ([]billing.LegPrice, []models.NamedEntry, error) {
	legs := []billing.LegPrice{}
	if c.State == models.CallSettled {
		var err error
		if legs, err = billing.Explain(c); err != nil {
			return nil, nil, err
		}
	}
	entries, err := r.api.Ledger.CallEntries(r.ctx(), c.CallID)
	return legs, entries, err
}

// ending says who released a call and when. Which operator it was is for administrators.
func (r *request) ending(c models.Call, zone *time.Location) (string, error) {
	actor := ""
	if c.SettledBy == billing.SourceOperator && r.operates() {
		var err error
		if actor, err = r.api.Calls.ReleasedBy(r.ctx(), c.ID); err != nil {
			return "", err
		}
	}
	return billing.Ending(c, actor, zone), nil
}

// getHold and releaseHold speak of the call that holds the money.
func getHold(r *request) error {
	c, err := r.hold()
	if err != nil {
		return err
	}
	return r.answerCall(c)
}

// hold is the call in the path, as long as it holds money.
func (r *request) hold() (models.Call, error) {
	c, err := r.call()
	if err == nil && c.State != models.CallOpen {
		err = models.ErrNotFound
	}
	return c, err
}

func releaseHold(r *request) error {
	c, err := r.hold()
	if err == nil {
		err = r.release(c)
	}
	if err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

// release gives back the money that a call holds. That ends no talk; when evidence of one comes later, the call is
// still charged, and until then it is listed as unreconciled. Once it holds nothing any more, that is models.ErrNotFound.
func (r *request) release(c models.Call) error {
	_, _, err := r.api.Money.GiveUp(r.ctx(), c.CallID, r.who.actor())
	return err
}
