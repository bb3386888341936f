package routing

import (
	"time"

	"talktime/models"
)

// ShownCarrier is a carrier as programs see him.
type ShownCarrier struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Dial      string    `json:"dial"`
	Strip     int       `json:"strip"`
	Prepend   string    `json:"prepend"`
	Tariff    *string   `json:"tariff"`   // what he asks; null: nobody knows
	Currency  *string   `json:"currency"` // of that
	Channels  int64     `json:"channels"` // calls at once; 0: any number
	Calls     int64     `json:"calls"`    // in progress, of those that are counted
	Enabled   bool      `json:"enabled"`
	CreatedAt time.Time `json:"created_at"`
}

// ShowCarrier is a carrier as programs see him.
func ShowCarrier(c models.Carrier) ShownCarrier {
	shown := ShownCarrier{
		ID: c.ID, Name: c.Name, Dial: c.Dial, Strip: c.Strip, Prepend: c.Prepend, Channels: c.Channels, Calls: c.Calls, Enabled: c.Enabled, CreatedAt: c.CreatedAt.UTC(),
	}
	if c.DeckID != 0 {
		shown.Tariff, shown.Currency = &c.Deck, &c.Currency
	}
	return shown
}

// ShownRoute is a route as programs see it.
type ShownRoute struct {
	ID        int64     `json:"id"`
	Prefix    string    `json:"prefix"` // all: of all numbers
	Order     string    `json:"order"`
	Loss      string    `json:"loss"`
	Carriers  []string  `json:"carriers"`
	Warnings  []string  `json:"warnings"` // where its loss guard cannot tell
	CreatedAt time.Time `json:"created_at"`
}

// ShowRoute is a route as programs see it, with what its loss guard cannot compare: see [Table.Unguarded].
func (t *Table) ShowRoute(r models.Route, currencies []string) ShownRoute {
	shown := ShownRoute{r.ID, r.Shown(), r.Order, r.Loss, r.Names, t.Unguarded(&r.Prefix, currencies), r.CreatedAt.UTC()}
	if shown.Warnings == nil {
		shown.Warnings = []string{}
	}
	return shown
}
