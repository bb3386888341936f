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
// account. It is often empty.
type Refusal struct {
	Err    error
	Reason string
	Detail string
}

func (r *Refusal) Error() string { return r.Reason }

// Unwrap gives the reason's kind.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuse makes a [Refusal] for a store's own decision.
func Refuse(kind error, reason string) error { return &Refusal{Err: kind, Reason: reason} }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{Err: kind, Reason: fmt.Sprintf(format, args...)}
}
