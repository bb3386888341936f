package routing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/tariff"
)

// Table is all carriers and routes as they were at one moment. It never changes.
type Table struct {
	revision int64
	carriers []*carrier
	routes   map[string]*route // by prefix
	longest  int               // digits of the longest prefix
}

type carrier struct {
	models.Carrier

	dial  []string // what stands around the number in his template
	valid bool     // what that gives may be dialled
}

type route struct {
	models.Route

	carriers []*carrier
	pools    []int64 // of those who may have only so many calls
}

// NewTable makes a Table of carriers and routes. techs are the technologies that may be dialled. revision tells which state of the
// database that is. Carriers that a route names and that there are not are left out.
func NewTable(revision int64, carriers []models.Carrier, routes []models.Route, techs []string) *Table {
	t := &Table{revision: revision, routes: make(map[string]*route, len(routes))}
	byID := make(map[int64]*carrier, len(carriers))
	for _, c := range carriers {
		one := &carrier{c, strings.Split(c.Dial, models.NumberMark), CheckDial(c.Dial, techs) == nil}
		t.carriers = append(t.carriers, one)
		byID[c.ID] = one
	}
	for _, r := range routes {
		one := &route{Route: r}
		for _, id := range r.Carriers {
			c := byID[id]
			if c == nil {
				continue
			}
			one.carriers = append(one.carriers, c)
			if pool := c.pool(); pool != 0 {
				one.pools = append(one.pools, pool)
			}
		}
		t.routes[r.Prefix] = one
		t.longest = max(t.longest, len(r.Prefix))
	}
	return t
}

// CheckDial is why a dial template cannot be used, in one sentence: what it gives must be Tech/resource, with a technology of
// techs.
func CheckDial(template string, techs []string) error {
	if billing.ValidTarget(strings.ReplaceAll(template, models.NumberMark, "1"), techs) {
		return nil
	}
	return fmt.Errorf("%w: %q gives nothing that can be dialled: it must be like PJSIP/%s@carrier1, with a technology of TALKTIME_DIAL_TECHS (%s)",
		models.ErrInvalid, template, models.NumberMark, strings.Join(techs, ", "))
}

// pool is where a carrier's calls count; 0: he takes any number.
func (c *carrier) pool() int64 {
	if c.Channels == 0 {
		return 0
	}
	return c.PoolID
}

// find is the route with the longest prefix that begins a number; nil when none does. A leading + does not count.
func (t *Table) find(number string) *route {
	number = strings.TrimPrefix(number, "+")
	for n := min(len(number), t.longest); n >= 0; n-- {
		if r := t.routes[number[:n]]; r != nil {
			return r
		}
	}
	return nil
}

// Pools are those in which a call to a number may come to count, whoever of its carriers gets it.
func (t *Table) Pools(number string) []int64 {
	if r := t.find(number); r != nil {
		return r.pools
	}
	return nil
}

// Call is a call that is looking for a carrier.
type Call struct {
	Number  string
	Sell    models.Rate // what is charged for it
	At      time.Time   // when it begins
	Longest int64       // seconds that a call may last at all
}

// Why a carrier is not tried.
var (
	errDisabled = errors.New("he is disabled")
	errDial     = errors.New("his dial template gives nothing that can be dialled")
	errShort    = errors.New("nothing of the number is left when its first digits are stripped")
	errLoss     = errors.New("he asks more than is charged")
)

// candidate is a carrier of a route, and what speaks against him.
type candidate struct {
	carrier *carrier
	buy     models.Rate  // what he asks
	minute  money.Amount // the price of a call of a minute
	priced  bool         // those two are known
	loses   bool         // he asks more than is charged
	noRate  error        // his deck has none, and why
	why     error        // he is not tried; nil: he is
}

// candidates adds to a list the carriers of a route in the order in which they are tried, and those that are not.
func (r *route) candidates(list []candidate, decks *tariff.Decks, call Call) []candidate {
	for _, c := range r.carriers {
		one := candidate{carrier: c}
		if c.DeckID != 0 {
			if one.buy, one.noRate = decks.Of(c.DeckID, call.Number, call.At); one.noRate == nil {
				var err error
				one.minute, err = billing.Cost(one.buy, comparedMinute)
				one.priced = err == nil
				one.loses, _ = Loses(one.buy, call.Sell, call.Longest)
			}
		}
		one.why = r.against(&one, call.Number)
		list = append(list, one)
	}
	if r.Order == models.OrderCheapest {
		first := slices.IndexFunc(list, func(c candidate) bool { return c.priced })
		if first < 0 {
			return list
		}
		currency := list[first].buy.Currency
		slices.SortStableFunc(list, func(a, b candidate) int {
			known, other := a.priced && a.buy.Currency == currency, b.priced && b.buy.Currency == currency
			switch {
			case known && other:
				return cmp.Compare(a.minute, b.minute)
			case known:
				return -1
			case other:
				return 1
			}
			return 0
		})
	}
	return list
}

// against is why a candidate is not tried; nil: nothing speaks against him.
func (r *route) against(c *candidate, number string) error {
	switch {
	case !c.carrier.Enabled:
		return errDisabled
	case !c.carrier.valid:
		return errDial
	case c.carrier.Strip >= len(strings.TrimPrefix(number, "+")):
		return errShort
	case c.noRate != nil:
		return c.noRate
	case c.loses && r.Loss == models.LossSkip:
		return errLoss
	}
	return nil
}

// Seconds of talk at which what a carrier asks is compared with what is charged, beside the longest call.
const (
	comparedSecond = 1
	comparedMinute = 60
)

// Loses reports whether a call costs more than is charged for it: one of a second, of a minute or of the longest that there may be,
// each priced by billing.Cost. Only prices in the same currency can be compared; known is false for others.
func Loses(buy, sell models.Rate, longest int64) (loses, known bool) {
	if buy.Currency != sell.Currency {
		return false, false
	}
	for _, seconds := range [...]int64{comparedSecond, comparedMinute, longest} {
		costs, err := billing.Cost(buy, seconds)
		if err != nil {
			return true, true // it is out of all bounds
		}
		if charged, err := billing.Cost(sell, seconds); err == nil && costs > charged {
			return true, true
		}
	}
	return false, true
}

// Attempts are the carriers to whom a call is given, in the order in which they are tried; none when no route is for its number. A
// *billing.Refusal when there is a route of which nothing is left.
func (t *Table) Attempts(decks *tariff.Decks, call Call) ([]models.Attempt, error) {
	r := t.find(call.Number)
	if r == nil {
		return nil, nil
	}
	var few [8]candidate
	list := r.candidates(few[:0], decks, call)
	n := 0
	for i := range list {
		if list[i].why == nil {
			n++
		}
	}
	if n == 0 {
		return nil, r.nothing(list)
	}
	attempts := make([]models.Attempt, 0, n)
	for i := range list {
		if c := &list[i]; c.why == nil {
			attempts = append(attempts, models.Attempt{
				Carrier: c.carrier.ID, Name: c.carrier.Name, Target: c.carrier.target(call.Number), Buy: c.buy, Pool: c.carrier.pool(),
				Loss: c.loses && r.Loss == models.LossAlert,
			})
		}
	}
	return attempts, nil
}

// target is what is dialled for a number, of which something is left when it is rewritten.
func (c *carrier) target(number string) string {
	sent, _ := c.Rewrite(number)
	return strings.Join(c.dial, sent)
}

// nothing refuses a call that no carrier of its route can or may take.
func (r *route) nothing(list []candidate) error {
	refusal := &billing.Refusal{Err: billing.ErrNoRate, Reason: "no carrier can take a call to this number now"}
	var why []string
	for i := range list {
		c := &list[i]
		if errors.Is(c.why, errLoss) {
			refusal.Rule, refusal.Reason = models.RuleLoss, "no carrier takes a call to this number for what is charged"
		}
		why = append(why, c.carrier.Name+": "+c.words())
	}
	refusal.Detail = "route " + r.Shown() + " has no carrier left: " + strings.Join(why, "; ")
	return refusal
}

// words are why a candidate is not tried; empty: he is.
func (c *candidate) words() string {
	switch {
	case c.why == nil:
		return ""
	case c.noRate != nil && errors.Is(c.why, c.noRate):
		return fmt.Sprintf("his tariff %q says no price: %s", c.carrier.Deck, c.why)
	}
	return c.why.Error()
}
