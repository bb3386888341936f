package models

import "time"

// Refused is the record of a call that a user was refused.
type Refused struct {
	ID       int64
	At       time.Time
	UserID   int64
	CallID   string // of the channel
	CallerID string
	Number   string
	Status   string // NOCREDIT, LIMIT…
	Rule     string // of the limits; empty: it was none of them
	Reason   string // in words
}
