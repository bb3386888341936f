package voucher

import (
	"fmt"
	"time"

	"talktime/models"
	"talktime/money"
)

// ShownBatch is a batch as operators are shown it.
type ShownBatch struct {
	ID         int64        `json:"id"`
	Name       string       `json:"name"`
	Count      int          `json:"count"`
	Amount     money.Amount `json:"amount"`
	Currency   string       `json:"currency"`
	ValidUntil *time.Time   `json:"valid_until"`
	CreditDays int          `json:"credit_days"`
	Tariff     *string      `json:"tariff"`
	Language   *string      `json:"language"`
	First      string       `json:"first"`
	Last       string       `json:"last"`
	Redeemed   int64        `json:"redeemed"`
	Blocked    int64        `json:"blocked"`
	Expired    int64        `json:"expired"`
	Left       int64        `json:"left"`
	Worth      money.Amount `json:"worth"`
	CreatedAt  time.Time    `json:"created_at"`
	Actor      string       `json:"actor"`
}

// Show is a batch as operators are shown it.
func Show(b models.Batch) ShownBatch {
	return ShownBatch{
		ID: b.ID, Name: b.Name, Count: b.Count, Amount: b.Amount, Currency: b.Currency, ValidUntil: b.ValidUntil, CreditDays: b.CreditDays,
		Tariff: orNil(b.Deck), Language: orNil(b.Language), First: b.First, Last: b.Last,
		Redeemed: b.Redeemed, Blocked: b.Blocked, Expired: b.Expired, Left: b.Left, Worth: b.Worth, CreatedAt: b.CreatedAt, Actor: b.Actor,
	}
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// ParseUntil reads until when something is valid: the whole of a day, or up to a time, in a zone unless it says another. It returns
// the first instant at which it is no more.
func ParseUntil(text string, zone *time.Location) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if at, err := time.ParseInLocation("2006-01-02 15:04", text, zone); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%q is no day such as 2030-12-31, and no time such as 2030-12-31 18:00", text)
}
