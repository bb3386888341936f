package tariff

import (
	"context"
	"fmt"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// Prices is the database that tells what calls would cost.
type Prices interface {
	UserByName(ctx context.Context, username string) (models.Balance, error)
	// Caller returns a user as calls see him, with the rate deck of his groups.
	Caller(ctx context.Context, id int64) (models.User, error)
	// DecksFor reads of the decks that counted at an instant what can price a number.
	DecksFor(ctx context.Context, at time.Time, number string) (*Decks, error)
}

// Question is about the price of a call.
type Question struct {
	User    string // his name
	Number  string
	At      time.Time // when the call begins
	Seconds int64     // of talk
	Longest int64     // seconds that a call may last at all
}

// Explanation is what a call would cost, and why.
type Explanation struct {
	User    string              `json:"user"`
	Number  string              `json:"number"`
	At      time.Time           `json:"at"`
	Tariff  string              `json:"tariff"`  // empty: the built-in one
	Version int                 `json:"version"` // of the tariff; 0: the built-in one has none
	Since   *time.Time          `json:"since"`   // when that version began to count
	Rate    models.Rate         `json:"rate"`
	Seconds int64               `json:"seconds"`
	Billed  int64               `json:"billed_seconds"`
	Steps   []billing.PriceStep `json:"steps"`
	Cost    money.Amount        `json:"cost"`
	Affords int64               `json:"affordable_seconds"` // what the user's money pays for now; Question.Longest at most
}

// Explain asks the same code as a call does. Past prices are told too; who has which deck is taken as it is now.
// models.ErrNotFound when there is no such user, and a billing.Refusal, billing.ErrNoRate, when the number has no rate.
func Explain(ctx context.Context, from Prices, q Question) (Explanation, error) {
	if q.Number == "" || strings.Trim(q.Number, "0123456789+*#") != "" {
		return Explanation{}, fmt.Errorf("%w: the number %.40q may have only digits, +, * and #", models.ErrInvalid, q.Number)
	}
	balance, err := from.UserByName(ctx, q.User)
	if err != nil {
		return Explanation{}, err
	}
	u, err := from.Caller(ctx, balance.ID)
	if err != nil {
		return Explanation{}, err
	}
	decks, err := from.DecksFor(ctx, q.At, q.Number)
	if err != nil {
		return Explanation{}, err
	}
	m, why, ok := decks.Find(u, q.Number, q.At)
	if !ok {
		return Explanation{}, billing.Refuse(billing.ErrNoRate, why)
	}
	price, err := billing.Price(q.Number, m.Rate, q.Seconds)
	if err != nil {
		return Explanation{}, err
	}
	told := Explanation{
		User: q.User, Number: q.Number, At: q.At.UTC(), Tariff: m.Deck.Name, Version: m.Rate.Version, Rate: m.Rate, Seconds: q.Seconds,
		Billed: price.BilledSeconds, Steps: price.Steps, Cost: price.Cost, Affords: billing.Affordable(m.Rate, balance.Available, q.Longest),
	}
	if m.Deck.ID != 0 {
		since := m.From.UTC()
		told.Since = &since
	}
	return told, nil
}
