package routing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/tariff"
)

// Facts are a database that tells where calls go, and what they cost.
type Facts interface {
	Source
	tariff.Prices
}

// Question is about the way of a call.
type Question struct {
	User    string // his name
	Number  string
	At      time.Time // when the call begins
	Longest int64     // seconds that a call may last at all
	Techs   []string  // technologies that may be dialled
}

// Way is where a call goes, and why.
type Way struct {
	User     string       `json:"user"`
	Number   string       `json:"number"`
	At       time.Time    `json:"at"`
	Sell     models.Rate  `json:"sell"`   // what is charged for it
	Minute   money.Amount `json:"minute"` // the price of a call of a minute
	Route    *string      `json:"route"`  // its prefix; null: none is for the number, which goes to TALKTIME_DIAL
	Order    string       `json:"order"`
	Loss     string       `json:"loss"`
	Carriers []Choice     `json:"carriers"` // in the order in which they are tried
	Refused  string       `json:"refused"`  // why the call would be refused; empty: it would not be
}

// Choice is a carrier of a route, and what speaks for and against him.
type Choice struct {
	Carrier  string        `json:"carrier"`
	Tried    bool          `json:"tried"`
	Skipped  string        `json:"skipped"`  // why he is not tried; empty: he is
	Sent     string        `json:"sent"`     // the number, as he gets it
	Target   string        `json:"target"`   // what is dialled
	Buy      *models.Rate  `json:"buy"`      // what he asks; null: nobody knows
	Minute   *money.Amount `json:"minute"`   // his price of a call of a minute; null: nobody knows
	Loses    *bool         `json:"loses"`    // whether he asks more than is charged; null: that cannot be compared
	Channels int64         `json:"channels"` // calls that he takes at once; 0: any number
}

// Explain asks the same code as a call does. What holds now is told, and what carriers asked at another time; a limit of channels is
// not looked at, since it depends on the calls in progress. models.ErrNotFound when there is no such user, and a billing.Refusal,
// billing.ErrNoRate, when the number has no rate.
func Explain(ctx context.Context, from Facts, q Question) (Way, error) {
	price, err := tariff.Explain(ctx, from, tariff.Question{User: q.User, Number: q.Number, At: q.At, Seconds: comparedMinute, Longest: q.Longest})
	if err != nil {
		return Way{}, err
	}
	decks, err := from.DecksFor(ctx, q.At, q.Number)
	if err != nil {
		return Way{}, err
	}
	table, err := Load(ctx, from, q.Techs)
	if err != nil {
		return Way{}, err
	}
	told := Way{User: q.User, Number: q.Number, At: price.At, Sell: price.Rate, Minute: price.Cost, Carriers: []Choice{}}
	call := Call{q.Number, price.Rate, q.At, q.Longest}
	r := table.find(call.Number)
	if r == nil {
		return told, nil
	}
	told.Route, told.Order, told.Loss = new(r.Prefix), r.Order, r.Loss
	for _, c := range r.candidates(nil, decks, call) {
		told.Carriers = append(told.Carriers, c.show(call))
	}
	if _, err := table.Attempts(decks, call); err != nil {
		told.Refused = err.Error()
	}
	return told, nil
}

func (c *candidate) show(call Call) Choice {
	shown := Choice{Carrier: c.carrier.Name, Tried: c.why == nil, Skipped: c.words(), Channels: c.carrier.Channels}
	if sent, ok := c.carrier.Rewrite(call.Number); ok {
		shown.Sent, shown.Target = sent, c.carrier.target(call.Number)
	}
	if c.priced {
		shown.Buy, shown.Minute = &c.buy, &c.minute
		if loses, known := Loses(c.buy, call.Sell, call.Longest); known {
			shown.Loses = &loses
		}
	}
	return shown
}

// Faults are what keeps carriers and routes from being of use at an instant, each in one sentence.
func (t *Table) Faults(decks *tariff.Decks, at time.Time) []string {
	var faults []string
	for _, c := range t.carriers {
		if !c.valid {
			faults = append(faults, fmt.Sprintf("carrier %s cannot be dialled by the template %s", c.Name, c.Dial))
		}
		if c.DeckID == 0 {
			continue
		}
		if err := decks.Counts(c.DeckID, at); err != nil {
			faults = append(faults, fmt.Sprintf("carrier %s gets no calls, because of his tariff %s: %s", c.Name, c.Deck, err))
		}
	}
	for _, r := range t.sorted() {
		if !slices.ContainsFunc(r.carriers, func(c *carrier) bool { return c.Enabled }) {
			faults = append(faults, fmt.Sprintf("route %s has no carrier that is enabled: its calls are refused", r.Shown()))
		}
	}
	return faults
}

// Unguarded are the carriers of a route, of all routes for a nil prefix, whose prices its loss guard cannot compare with what is
// charged to those who pay in the given currencies. Each is told in one sentence.
func (t *Table) Unguarded(prefix *string, currencies []string) []string {
	var told []string
	for _, r := range t.sorted() {
		if r.Loss == models.LossAllow || prefix != nil && r.Prefix != *prefix {
			continue
		}
		for _, c := range r.carriers {
			if c.DeckID == 0 {
				told = append(told, fmt.Sprintf("route %s: nobody knows what carrier %s asks, so that calls by him may cost more than is charged", r.Shown(), c.Name))
				continue
			}
			// SEC is talk time: whoever gives that away knows that it costs money.
			others := slices.DeleteFunc(slices.Clone(currencies), func(currency string) bool { return currency == c.Currency || currency == models.SEC })
			if len(others) > 0 {
				told = append(told, fmt.Sprintf("route %s: carrier %s asks %s, which cannot be compared with what is charged in %s, and may be more",
					r.Shown(), c.Name, c.Currency, strings.Join(others, ", ")))
			}
		}
	}
	return told
}

// sorted are the routes by prefix.
func (t *Table) sorted() []*route {
	routes := make([]*route, 0, len(t.routes))
	for _, r := range t.routes {
		routes = append(routes, r)
	}
	slices.SortFunc(routes, func(a, b *route) int { return strings.Compare(a.Prefix, b.Prefix) })
	return routes
}
