package billing

import (
	"errors"
	"fmt"

	"talktime/models"
)

// Reasons for refusing a call or a movement of money; errors.Is tells them apart. A refusal is a [Refusal] that
// wraps one of them and says why in words.
var (
	ErrInsufficientFunds = errors.New("insufficient balance")
	ErrUnknownCaller     = errors.New("unknown caller")
	ErrUnknownCallee     = errors.New("unknown callee")
	ErrAccountBlocked    = errors.New("account is blocked")
	ErrLimit             = errors.New("a limit is reached")
	ErrNoRate            = errors.New("no rate")
	ErrIdentityConflict  = errors.New("the call belongs to another user")
	ErrBusy              = errors.New("too many operations are waiting")
)

// ErrCalledBefore answers a request that is Fresh from a channel which has called before: what the channel still shows
// of that is asked for first. The next dial would wipe it out.
var ErrCalledBefore = errors.New("the channel has called before")

// ErrRefUsed answers a movement whose reference, or another that it must not meet, was used for something else.
var ErrRefUsed = fmt.Errorf("%w: the reference was used for something else", models.ErrConflict)

// Refusal is a decision against a request, as opposed to a failure. Reason is one clause fit for a phone's
// dialplan and a log: it names no secrets. Detail is for the log alone: whoever hears of it could learn who else has an
// account. It is often empty. Rule is the limit that forbids it, one of models.Rule…; empty: none does.
type Refusal struct {
	Err    error
	Reason string
	Detail string
	Rule   string
}

func (r *Refusal) Error() string { return r.Reason }

// Unwrap gives the reason's kind.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuse makes a [Refusal] for a store's own decision.
func Refuse(kind error, reason string) error { return &Refusal{Err: kind, Reason: reason} }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{Err: kind, Reason: fmt.Sprintf(format, args...)}
}

// What a dialplan, and the record of a refused call, are told of a refusal.
const (
	StatusOK            = "OK"
	StatusNoCredit      = "NOCREDIT"
	StatusUnknownCaller = "UNKNOWNCALLER"
	StatusUnknownCallee = "UNKNOWNCALLEE"
	StatusBlocked       = "BLOCKED"
	StatusLimit         = "LIMIT"
	StatusNoRate        = "NORATE"
	StatusError         = "ERROR"
)

// StatusOf is the class of an error in one word. In doubt it is StatusError.
func StatusOf(err error) string {
	switch {
	case err == nil:
		return StatusOK
	case errors.Is(err, ErrInsufficientFunds):
		return StatusNoCredit
	case errors.Is(err, ErrUnknownCaller):
		return StatusUnknownCaller
	case errors.Is(err, ErrUnknownCallee):
		return StatusUnknownCallee
	case errors.Is(err, ErrAccountBlocked):
		return StatusBlocked
	case errors.Is(err, ErrLimit):
		return StatusLimit
	case errors.Is(err, ErrNoRate):
		return StatusNoRate
	}
	return StatusError
}
