package models

import (
	"fmt"
	"strings"
	"time"

	"talktime/money"
)

// MaxRerateName is how long the name of a re-rating may be, in characters.
const MaxRerateName = 40

// RerateFilter names settled calls, and what they are to cost.
type RerateFilter struct {
	From    time.Time `json:"from"` // calls authorised from then on
	To      time.Time `json:"to"`   // and before then
	User    string    `json:"user"` // who pays; empty: everybody
	Group   string    `json:"group"`
	Prefix  string    `json:"prefix"`  // of the number dialled last
	Tariff  string    `json:"tariff"`  // by which they are priced
	Version int       `json:"version"` // of it, whenever it counted; 0: the one that counts for the time of each call
}

// Validate returns ErrInvalid for a filter that makes no sense.
func (f RerateFilter) Validate() error {
	switch {
	case f.From.IsZero() || f.To.IsZero() || !f.From.Before(f.To):
		return fmt.Errorf("%w: a re-rating is of the calls from one time on and before a later one", ErrInvalid)
	case f.From.Year() < 1 || f.To.Year() > 9999:
		return fmt.Errorf("%w: the times of a re-rating must be in the years 1 to 9999", ErrInvalid)
	case f.Tariff == "":
		return fmt.Errorf("%w: a re-rating needs a tariff", ErrInvalid)
	case f.Version < 0:
		return fmt.Errorf("%w: the versions of a tariff are numbered from 1", ErrInvalid)
	case len(f.Prefix) > 40 || strings.Trim(f.Prefix, "0123456789+*#") != "":
		return fmt.Errorf("%w: the prefix %.40q may have only digits, +, * and #", ErrInvalid, f.Prefix)
	}
	return nil
}

// RepricedCall is a call that a re-rating looks at.
type RepricedCall struct {
	ID         int64        `json:"id"`
	CallID     string       `json:"call_id"`
	UserID     int64        `json:"user_id"`
	Number     string       `json:"number"`
	Authorized time.Time    `json:"authorized_at"`
	Seconds    int64        `json:"seconds"`
	Currency   string       `json:"currency"`
	Charged    money.Amount `json:"charged"`    // with the adjustments so far
	Cost       money.Amount `json:"cost"`       // by the tariff; as charged for a call that is left
	Difference money.Amount `json:"difference"` // negative: the customer gets money back
	Left       string       `json:"left"`       // why the call is not touched; empty: it is
}

// RepricedUser is a customer with the sums over his calls.
type RepricedUser struct {
	UserID     int64        `json:"user_id"`
	User       string       `json:"user"` // empty: deleted
	Calls      int64        `json:"calls"`
	Left       int64        `json:"left"` // of them, those that are not touched; they are not in the sums
	Charged    money.Amount `json:"charged"`
	Cost       money.Amount `json:"cost"`
	Difference money.Amount `json:"difference"`
}

// ReratePreview is what a re-rating would do. Currency is that of all its sums.
type ReratePreview struct {
	Filter   RerateFilter   `json:"filter"`
	Currency string         `json:"currency"`
	Digest   string         `json:"digest"` // of everything that would be done
	Total    RepricedUser   `json:"total"`  // of no user
	Users    []RepricedUser `json:"users"`  // by id
}

// Rerate is a re-rating that was posted, or is being.
type Rerate struct {
	ID        int64        `json:"id"`
	Name      string       `json:"name"`
	Filter    RerateFilter `json:"filter"`
	Digest    string       `json:"digest"`
	Actor     string       `json:"actor"`
	CreatedAt time.Time    `json:"created_at"`
	DoneAt    *time.Time   `json:"done_at"` // nil: a part is still to be done
	Currency  string       `json:"currency"`
	Calls     int64        `json:"calls"` // that it has looked at
	Adjusted  int64        `json:"adjusted"`
	Left      int64        `json:"left"`      // for the reasons that its calls have
	Credited  money.Amount `json:"credited"`  // to customers, and to the house for what they had not covered
	Charged   money.Amount `json:"charged"`   // to customers, and what they could not cover
	Uncovered money.Amount `json:"uncovered"` // of Charged
}

// Adjustment is what a re-rating did to a call, or why it did nothing.
type Adjustment struct {
	Rerate     string       `json:"rerate"` // its name
	CallID     string       `json:"call_id"`
	UserID     int64        `json:"user_id"`
	Before     money.Amount `json:"before"` // charged until then
	After      money.Amount `json:"after"`
	Difference money.Amount `json:"difference"`
	Uncovered  money.Amount `json:"uncovered"` // of what is charged now: what nobody's money covers
	Posted     int64        `json:"transaction_id"`
	PostedAt   *time.Time   `json:"posted_at"` // nil: nothing was
	Left       string       `json:"left"`
}
