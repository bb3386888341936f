package models

import "time"

// What a Provision is to make happen.
const (
	ProvisionCreate = "create"
	ProvisionDelete = "delete"
)

// Provision is something that a node manager is still to be told about a SIM card.
type Provision struct {
	ID       int64
	UserID   int64 // whose card it is or was
	Action   string
	IMSI     string
	CLID     string // of a card that is made known; may be empty
	Made     time.Time
	Due      time.Time // of the next try
	Refusals int       // so far
	Error    string    // of the last try; empty: there was none, or nobody knows what became of it
	GivenUp  bool      // it is not tried any more
}
