package models

import (
	"fmt"
	"strings"
	"time"

	"talktime/money"
)

// RateDeck is a price list in one currency. Its prices are in versions, of which one counts at a time.
type RateDeck struct {
	ID        int64
	Name      string // unique
	Currency  string
	Zone      string // of its hours of the day; an IANA name
	Default   bool   // for users of its currency to whom nothing else is assigned
	CreatedAt time.Time
}

// DeckRate is a row of a version of a deck: the rate for numbers with a prefix, while it holds. Its Currency is the deck's,
// and its Name that of the destination.
type DeckRate struct {
	Rate

	From, To time.Time // first instant, and first instant no more; zero = always
	Days     Days      // on which it holds; 0 = on all
	Start    int       // minute of the day from which it holds; the night from 22:00 to 6:00 belongs to the day on which it begins
	End      int       // minute of the day at which it ends; the same as Start = all day
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Days is a set of days of the week: bit 0 is Sunday, as in time.Weekday.
type Days uint8

// Has reports whether a day is in the set; every day is in the empty one.
func (d Days) Has(day time.Weekday) bool { return d == 0 || d&(1<<day) != 0 }

// MinutesOfDay is how many minutes a day has on the clock.
const MinutesOfDay = 24 * 60

// MaxPrefix is how many digits a prefix may have.
const MaxPrefix = 16

// Validate reports what is wrong with a rate, in one sentence.
func (r DeckRate) Validate() error {
	switch {
	case len(r.Prefix) > MaxPrefix || strings.Trim(r.Prefix, "0123456789*#") != "":
		return invalid("prefix %.40q must have at most %d digits, * or #", r.Prefix, MaxPrefix)
	case r.PerMinute > MaxPrice || r.ConnectFee > MaxPrice || r.Minimum > MaxPrice:
		return invalid("prices of prefix %q must be at most %s", r.Prefix, MaxPrice)
	case r.PerMinute < 0 || r.ConnectFee < 0 || r.Minimum < 0:
		return invalid("prices of prefix %q must not be negative", r.Prefix)
	case r.First < 1 || r.First > MaxIncrement || r.Increment < 1 || r.Increment > MaxIncrement:
		return invalid("increments of prefix %q must be 1 to %d seconds", r.Prefix, MaxIncrement)
	case r.Grace < 0 || r.Grace > MaxIncrement:
		return invalid("grace of prefix %q must be 0 to %d seconds", r.Prefix, MaxIncrement)
	case !r.From.IsZero() && !r.To.IsZero() && !stored(r.From).Before(stored(r.To)):
		return invalid("the rate of prefix %q ends before it begins", r.Prefix)
	case !storable(r.From) || !storable(r.To):
		return invalid("the times of prefix %q must be between 1970 and 9999", r.Prefix)
	case r.Start < 0 || r.Start >= MinutesOfDay || r.End < 0 || r.End >= MinutesOfDay:
		return invalid("hours of prefix %q must be between 00:00 and 23:59", r.Prefix)
	case r.Days >= 1<<7:
		return invalid("days of prefix %q must be days of the week", r.Prefix)
	}
	return nil
}

// storable reports whether every database can keep an instant.
func storable(t time.Time) bool {
	year := t.UTC().Year()
	return t.IsZero() || 1970 <= year && year <= 9999
}

// stored is an instant as databases keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// MaxPrice is the highest price of a minute, fee or minimum: the longest call at it is far from what an amount can be.
const MaxPrice = 1_000_000 * money.Unit

// MaxIncrement is the longest increment, and the longest grace, in seconds: the longest call that there can be.
const MaxIncrement = 86400
