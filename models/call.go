package models

import (
	"time"

	"talktime/money"
)

// CallState says where in its life a call is.
type CallState string

// The states of a call. Only an open call holds money.
const (
	CallOpen         CallState = "open"         // authorised; money is held
	CallSettled      CallState = "settled"      // charged (perhaps 0) for talk
	CallReleased     CallState = "released"     // ended without an answer
	CallUnreconciled CallState = "unreconciled" // the hold was released without knowing what was talked
	CallEmergency    CallState = "emergency"    // always passes, never billed
)

// Call is one authorised attempt to reach a number. A channel that dials again after its first call was closed
// makes a further Call, whose CallID is that of the channel with "#2", "#3"… behind it.
type Call struct {
	ID         int64
	CallID     string // of the channel, qualified by the Asterisk it comes from; unique
	UserID     int64  // 0: not a user of ours
	CalleeID   int64  // 0: not a user of ours
	CallerID   string // as delivered
	Number     string // dialled
	State      CallState
	Rate       Rate  // snapshot at authorisation
	Limit      int64 // seconds that the hold pays for
	Holds      []HoldPart
	Legs       []Leg // earlier legs under the same hold, oldest first
	Authorized time.Time
	Due        time.Time // when, at the latest, the call must have ended
	UpBefore   int64     // milliseconds that the channel had been up when this call was dialled; negative: at most so many
	Attempts   int       // on the first Call of a channel: how many Calls the channel has made
	Dials      int       // how often it was authorised: once, and again for each further dial under its hold
	Routing    Routing   // where it goes, and in which pools it counts

	// Of a call that is held in slices.
	Slice      int64  // seconds of a slice; 0: all of the call was held at once
	Keeper     int64  // the process that extends it; 0: nobody does
	AnsweredMS int64  // when its last leg was answered, by the keeper's clock, Unix time; 0: not yet, or not known
	Cut        string // why it was ended by us; empty: it was not

	// What is known of the talk. Evidence is kept as notes until the call is settled.
	Notes    []Evidence
	Ended    *time.Time // when we learned that it was over
	Seconds  int64      // billable, once settled
	TalkedMS int64      // milliseconds behind Seconds, where known; of the channel, not of the last leg
	Status   string     // Asterisk's DIALSTATUS
	Cause    int        // Q.850 hangup cause, 0 = unknown
	PDD      *int64     // milliseconds from the dial to the first ringing or early media; nil = unknown

	Charge       money.Amount // total, in the rate's currency
	Shortfall    money.Amount // part of Charge that nobody's money covered
	BuyCost      money.Amount // what the carriers ask for it, in the currency of the last one's deck
	SettledBy    string       // caller, reducer, reconciler, operator
	Unauthorized bool         // charged although it was never authorised
	Disputed     int64        // seconds of talk that later evidence claims; 0 = none does
}

// Held is the money that an open call holds.
func (c Call) Held() money.Amount {
	var sum money.Amount
	for _, part := range c.Holds {
		sum += part.Amount
	}
	return sum
}

// HoldPart is the part of a hold that lies on one account.
type HoldPart struct {
	AccountID int64        `json:"account"`
	Amount    money.Amount `json:"amount"`
}

// Leg is a destination that a call was talking to before it was dialled on under the same hold.
type Leg struct {
	Number     string    `json:"number"`
	Rate       Rate      `json:"rate"`
	Authorized time.Time `json:"authorized"`
	Seconds    int64     `json:"seconds,omitempty"` // billable, once settled
	Buy        Rate      `json:"buy,omitzero"`      // of the carrier; zero where none was
	Carrier    int64     `json:"carrier,omitempty"`
}

// Evidence is what one witness saw of a call. A nil pointer means that the witness does not know.
type Evidence struct {
	Source     string    `json:"source"`                  // caller, reducer, cdr
	Leg        int       `json:"leg,omitempty"`           // 0 = the first leg under the hold
	Dial       int       `json:"dial,omitempty"`          // which authorisation of the Call it tells of, from 1; 0 = unknown
	DialStatus string    `json:"dialstatus,omitempty"`    // ANSWER, BUSY… as Asterisk says; empty = unknown
	AnsweredMS *int64    `json:"answered_ms,omitempty"`   // since the channel's own answer, from ANSWEREDTIME_MS
	Answered   *int64    `json:"answered,omitempty"`      // the same in whole seconds, from ANSWEREDTIME
	BillSec    *int64    `json:"billsec,omitempty"`       // CDR(billsec), of this leg alone
	CalleeUpMS *int64    `json:"callee_up_ms,omitempty"`  // Unix time at which the callee answered, from TALKTIME_ANSWERED
	ChannelUp  *int64    `json:"channel_up_ms,omitempty"` // Unix time at which the caller's channel was answered
	EndedMS    *int64    `json:"ended_ms,omitempty"`      // Unix time of the end, on Asterisk's clock
	Cause      int       `json:"cause,omitempty"`
	PDD        *int64    `json:"pdd_ms,omitempty"` // from the dial to the first ringing or early media, from RINGTIME_MS and PROGRESSTIME_MS
	Over       bool      `json:"over,omitempty"`   // the channel has ended
	SeenAt     time.Time `json:"seen_at,omitzero"` // by our clock
}
