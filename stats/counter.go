package stats

import (
	"context"
	"time"

	"talktime/money"
)

// Counter counts records: of a range that somebody asks for, or of a day for a roll-up. What AppendTo wrote, MergeFrom counts again,
// so that many days together come to exactly what their records would.
type Counter interface {
	Add(*Record)
	AppendTo(b []byte) []byte
	MergeFrom(b []byte) error // errCells when it is not what AppendTo wrote
}

// Kind is a way to count records.
type Kind struct {
	Name   string // in the table of roll-ups: extensions, countries, quarters
	Rule   string // what of the settings matters to the figures; a roll-up that was counted by another rule is not used
	Fields Fields
	Select Selection
	Once   bool // of the records of one call it wants to see one (see Once)
	New    func() Counter
}

// RollUps keep what was counted of whole days.
type RollUps interface {
	// Load hands out what was counted of the days from (included) to to (excluded) that are kept, by this rule and up to date, in
	// their order. A day comes in one piece or more, one after the other. Days that are not handed out must be counted anew.
	Load(ctx context.Context, source, kind, rule string, from, to Day, each func(day Day, data []byte) error) error
}

// Call is what statistics need of one call of ours that has ended, money included. Its texts may be kept.
type Call struct {
	ID       int64
	CallID   string
	Start    int64 // when it was permitted, Unix seconds
	Wall     int64 // the same by the site's clock on the wall
	User     int64 // 0: nobody of ours
	Callee   int64 // 0: nobody of ours
	Number   string
	Prefix   string // of the rate, empty where it has none
	Label    string // what the rate calls the destination
	Carrier  int64  // who was dialled last; 0: none
	Status   string // Asterisk's DIALSTATUS; empty where unknown
	Cause    int    // Q.850; 0 = unknown
	Seconds  int64  // billed talk
	Duration int64  // from start to end, in seconds
	PDD      int64  // milliseconds from dialling to ringing or progress; negative = unknown
	Charge   money.Amount
	Cost     money.Amount // what the carriers ask for it
	Currency string       // of the charge
	CostIn   string       // currency of Cost; empty: that of the charge
	Answered bool
}

// Calls is where calls of ours are found.
type Calls interface {
	// EachCall hands out calls that ended and began from (included) to to (excluded), nearly in the order of their start.
	EachCall(ctx context.Context, from, to time.Time, account *Account, each func(*Call) error) error
}

// CallCounter counts calls of ours, as Counter counts records.
type CallCounter interface {
	AddCall(*Call)
	AppendTo(b []byte) []byte
	MergeFrom(b []byte) error
}

// CallKind is a way to count calls of ours.
type CallKind struct {
	Name string
	Rule string
	New  func() CallCounter
}
