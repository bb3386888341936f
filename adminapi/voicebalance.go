package adminapi

import (
	"net/http"
	"strconv"

	"talktime/money"
)

// Origins of a movement, in the words of a later version of the original.
const (
	originWeb      = "web"
	originCall     = "call"
	originSchedule = "schedule"
)

type voiceMovementRequest struct {
	From   *int64 `json:"from_user_id" required:"false"`
	UserID *int64 `json:"userId" required:"false"`
	Value  int64  `json:"value"`
	Origin string `json:"origin" required:"false"`
	To     *int64 `json:"to_user_id" required:"false"`
}

// voiceMovementJSON is a movement of money as a later version of the original showed it.
type voiceMovementJSON struct {
	ID     int64  `json:"_id"`
	From   int64  `json:"from_user_id"`
	To     *int64 `json:"to_user_id"`
	Value  int64  `json:"value"`
	Origin string `json:"origin"`
	Date   string `json:"date"`
}

// createVoiceBalance is createBalance with a signed value.
func createVoiceBalance(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("from_user_id", "userId", "value", "origin", "to_user_id"); err != nil {
		return err
	}
	if !o.has("userId") {
		o["userId"] = o["from_user_id"]
	}
	if !o.has("from_user_id") && string(o["userId"]) == "" {
		return badRequest("missing field: from_user_id")
	}
	if err := o.missing("value"); err != nil {
		return err
	}
	shown := voiceMovementJSON{Origin: originWeb}
	if o.has("origin") {
		if shown.Origin, err = o.text("origin"); err != nil {
			return err
		}
	}
	switch shown.Origin {
	case originWeb, originCall, originSchedule:
	default:
		return badRequest("origin must be web, call or schedule")
	}
	if shown.Value, err = o.whole("value", -maxValue, maxValue); err != nil {
		return err
	}
	if shown.Value == 0 {
		return badRequest("value must not be zero")
	}
	if shown.To, err = o.party("to_user_id"); err != nil {
		return err
	}
	key, err := r.idempotencyKey(byVoiceBalance)
	if err != nil {
		return err
	}
	user, err := r.payee(o)
	if err != nil {
		return r.doneBefore(key, err)
	}
	entry, _, err := r.move(user, money.Amount(shown.Value)*money.Unit, key)
	if err != nil {
		return err
	}
	shown.ID, shown.From, shown.Date = entry.ID, user.ID, r.api.naive(entry.PostedAt)
	r.Header("Location", "/api/balance/"+strconv.FormatInt(entry.ID, 10))
	r.json(http.StatusCreated, shown)
	return nil
}

// dataBalance answers what the original answered for whoever has no data: nobody has, because none is sold here.
func dataBalance(r *request) error {
	if err := r.mayAskBalances(); err != nil {
		return err
	}
	if _, err := r.imsi(); err != nil {
		return err
	}
	r.Data(http.StatusOK, "text/plain; charset=utf-8", []byte("none"))
	return nil
}

// party is the id of one side of a call, or nil for whoever is no user of ours.
func (o object) party(name string) (*int64, error) {
	if !o.has(name) || o.isNull(name) {
		return nil, nil //nolint:nilnil // nobody is a value here
	}
	id, err := o.whole(name, 1, 1<<53)
	if err != nil {
		return nil, badRequest(name + ": there is no such user")
	}
	return &id, nil
}
