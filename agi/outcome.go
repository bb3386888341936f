package agi

import (
	"errors"
	"strings"

	"talktime/billing"
	"talktime/models"
)

// What TALKTIME_STATUS may say.
const (
	StatusOK            = billing.StatusOK
	StatusNoCredit      = billing.StatusNoCredit
	StatusUnknownCaller = billing.StatusUnknownCaller
	StatusUnknownCallee = billing.StatusUnknownCallee
	StatusBlocked       = billing.StatusBlocked
	StatusLimit         = billing.StatusLimit
	StatusNoRate        = billing.StatusNoRate
	StatusError         = billing.StatusError
)

// Outcome is how a refusal reaches the dialplan and the phone.
type Outcome struct {
	Status   string
	Celcom   string // the same in the fewer words of old dialplans
	Reason   string
	Internal bool // a failure of ours, not a decision
}

// prompt is the recording that says it.
func (o Outcome) prompt() string { return strings.ToLower(o.Status) }

// outcomeOf is the only place where errors become words for a phone. In doubt a call is refused with ERROR.
func outcomeOf(err error) Outcome {
	var refusal *billing.Refusal
	o := Outcome{Status: billing.StatusOf(err), Reason: "internal error", Internal: true}
	if errors.As(err, &refusal) {
		o.Reason, o.Internal = refusal.Reason, false
	}
	if o.Internal && (errors.Is(err, models.ErrUnavailable) || errors.Is(err, billing.ErrBusy) || errors.Is(err, billing.ErrLocked)) {
		o.Reason = "the database does not answer"
	}
	o.Celcom = o.Status
	switch o.Status {
	case StatusBlocked, StatusLimit:
		o.Celcom = StatusNoCredit
	case StatusNoRate:
		o.Celcom = StatusUnknownCallee
	}
	return o
}
