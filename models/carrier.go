package models

import (
	"slices"
	"strings"
	"time"
)

// Carrier is somebody who takes calls to numbers of others.
type Carrier struct {
	ID        int64  // never given again
	Name      string // unique
	Dial      string // "PJSIP/{number}@carrier1"
	Strip     int    // digits that are taken off the front of the number
	Prepend   string // what is put in front of the rest
	DeckID    int64  // of the rate deck with what he asks; 0: nobody knows
	Deck      string // its name
	Currency  string // of that
	Channels  int64  // calls at once; 0: any number
	PoolID    int64  // in which those are counted; 0: they never were
	Calls     int64  // that are counted there now: those that began while there was a bound
	Enabled   bool
	CreatedAt time.Time
}

// CarrierChange is what is to become of a carrier. What is nil stays.
type CarrierChange struct {
	Dial     *string
	Strip    *int
	Prepend  *string
	Deck     *string // its name; empty: none
	Channels *int64
	Enabled  *bool
}

// With is the carrier as a change leaves him.
func (c Carrier) With(change CarrierChange) Carrier {
	to(&c.Dial, change.Dial)
	to(&c.Strip, change.Strip)
	to(&c.Prepend, change.Prepend)
	to(&c.Deck, change.Deck)
	to(&c.Channels, change.Channels)
	to(&c.Enabled, change.Enabled)
	return c
}

func to[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// NumberMark stands in a dial template for the number.
const NumberMark = "{number}"

// Bounds of carriers and routes.
const (
	maxTemplate = 120
	maxStrip    = 40
	maxPrepend  = 16
	maxCarriers = 20
)

// Validate reports what is wrong with a carrier, in one sentence. Whether his dial template may be dialled is for who knows the
// settings.
func (c Carrier) Validate() error {
	switch {
	case !deckName.MatchString(c.Name):
		return invalid("the name of a carrier must be 1 to 64 letters, digits, dots, dashes or underscores, and not begin with a sign, but is %.70q", c.Name)
	case len(c.Dial) > maxTemplate || !strings.Contains(c.Dial, NumberMark):
		return invalid("dial must be a template of at most %d characters with %s where the number goes, such as PJSIP/%s@carrier1, but is %.130q", maxTemplate, NumberMark, NumberMark, c.Dial)
	case strings.IndexFunc(c.Dial, func(r rune) bool { return r < '!' || r > '~' }) >= 0:
		return invalid("dial must have no blanks and no letters that are not ASCII, but is %.130q", c.Dial)
	case c.Strip < 0 || c.Strip > maxStrip:
		return invalid("strip must be 0 to %d digits", maxStrip)
	case len(c.Prepend) > maxPrepend || strings.Trim(c.Prepend, "0123456789+*#") != "":
		return invalid("prepend must be at most %d digits, +, * or #, but is %.40q", maxPrepend, c.Prepend)
	case c.Channels < 0 || c.Channels > maxAtOnce:
		return invalid("channels must be from 0, for any number, to %d", maxAtOnce)
	}
	return nil
}

// Rewrite is a number as the carrier is sent it: without the + before it, without the digits that are stripped, and behind what
// is prepended. False when nothing is left of it.
func (c Carrier) Rewrite(number string) (string, bool) {
	number = strings.TrimPrefix(number, "+")
	if c.Strip >= len(number) {
		return "", false
	}
	return c.Prepend + number[c.Strip:], true
}

// The orders in which the carriers of a route are tried.
const (
	OrderListed   = "listed"   // as the route names them
	OrderCheapest = "cheapest" // who asks least first
)

// What becomes of a carrier who asks more than is charged.
const (
	LossSkip  = "skip"  // he is left out
	LossAllow = "allow" // he is dialled
	LossAlert = "alert" // he is dialled, and it is told
)

// Route says which carriers take the calls to numbers with a prefix.
type Route struct {
	ID        int64
	Prefix    string // empty: of all numbers
	Order     string
	Loss      string
	Carriers  []int64  // their ids, the first one first
	Names     []string // of those
	CreatedAt time.Time
}

// RouteChange is what is to become of a route. What is nil stays.
type RouteChange struct {
	Order    *string
	Loss     *string
	Carriers []string // their names
}

// With is the route as a change leaves it.
func (r Route) With(change RouteChange) Route {
	to(&r.Order, change.Order)
	to(&r.Loss, change.Loss)
	if change.Carriers != nil {
		r.Names = change.Carriers
	}
	return r
}

// AllNumbers is what people write for the empty prefix.
const AllNumbers = "all"

// Shown is the prefix in words.
func (r Route) Shown() string {
	if r.Prefix == "" {
		return AllNumbers
	}
	return r.Prefix
}

// ParsePrefix reads a prefix as people write it.
func ParsePrefix(text string) string {
	if text == AllNumbers {
		return ""
	}
	return strings.TrimPrefix(text, "+")
}

// ValidPrefix reports whether a text can begin numbers; the empty one begins all.
func ValidPrefix(text string) bool {
	return len(text) <= MaxPrefix && strings.Trim(text, "0123456789*#") == ""
}

// Validate reports what is wrong with a route, in one sentence.
func (r Route) Validate() error {
	switch {
	case !ValidPrefix(r.Prefix):
		return invalid("prefix %.40q must have 1 to %d digits, * or #, or be %s", r.Prefix, MaxPrefix, AllNumbers)
	case r.Order != OrderListed && r.Order != OrderCheapest:
		return invalid("order must be %s or %s, but is %.40q", OrderListed, OrderCheapest, r.Order)
	case r.Loss != LossSkip && r.Loss != LossAllow && r.Loss != LossAlert:
		return invalid("loss must be %s, %s or %s, but is %.40q", LossSkip, LossAllow, LossAlert, r.Loss)
	case len(r.Carriers) == 0 || len(r.Carriers) > maxCarriers:
		return invalid("a route must have 1 to %d carriers", maxCarriers)
	}
	for i, id := range r.Carriers {
		if slices.Contains(r.Carriers[:i], id) {
			return invalid("a route names each carrier once")
		}
	}
	return nil
}
