package models

import (
	"errors"
	"slices"
	"time"

	"talktime/money"
)

// ErrNoDate says that a group has no refill date left.
var ErrNoDate = errors.New("no refill date left")

// ErrRefilling says that somebody is applying the refill that is next.
var ErrRefilling = errors.New("a refill is being applied; try again")

// DefaultRefill is what a refill is worth where nothing else is said: 20 minutes and 50 seconds.
const DefaultRefill = 1250 * money.Unit

// Modes of refills.
const (
	ModeTopUp = "topup" // raises each member's balance, of which a part may be held for calls, to the value, and never lowers one
	ModeAdd   = "add"   // adds the value to each member
)

// Group is a group of users with its members and what is left of its dates.
type Group struct {
	ID        int64
	Name      string       // unique
	AccountID *string      // what other systems call it; unique
	Value     money.Amount // of a refill, in each member's currency
	Mode      string
	Dates     []RefillDate // ascending
	Members   []int64      // in the order of their ids
}

// RefillDate is a day whose first moment, in the zone of the settings, is due for a refill.
type RefillDate struct {
	ID   int64
	Date time.Time
}

// NewGroup is what is needed to make a group.
type NewGroup struct {
	Name      string
	AccountID *string
	First     time.Time // the first refill's day, of which only the date counts
	Count     int       // monthly refills, the first included
	Value     *money.Amount
	Mode      string
	Users     []int64
}

// GroupChange is what is to become of a group. What is nil stays.
type GroupChange struct {
	Name      *string
	AccountID **string
	Value     *money.Amount
	Mode      *string
	Members   Membership // users of the group
}

// Membership is a change of a list of ids: All in its place, or some more and some less.
type Membership struct {
	All         *[]int64
	Add, Remove []int64
}

// Joining is what is to be in the list afterwards, whether it was before or not.
func (m Membership) Joining() []int64 {
	if m.All == nil {
		return m.Add
	}
	return slices.Concat(*m.All, m.Add)
}

// Len is how many ids are named.
func (m Membership) Len() int { return len(m.Joining()) + len(m.Remove) }

// Empty reports whether nothing is changed.
func (m Membership) Empty() bool { return m.All == nil && len(m.Add) == 0 && len(m.Remove) == 0 }

// Monthly are the days of count refills from a first one on: the same day of each month, or a month's last day where it
// is shorter. Only their dates count: they are midnights in UTC, since not every day has one elsewhere.
func Monthly(first time.Time, count int) []time.Time {
	year, month, day := first.Date()
	days := make([]time.Time, count)
	for i := range days {
		last := time.Date(year, month+time.Month(i)+1, 0, 0, 0, 0, 0, time.UTC).Day()
		days[i] = time.Date(year, month+time.Month(i), min(day, last), 0, 0, 0, 0, time.UTC)
	}
	return days
}
