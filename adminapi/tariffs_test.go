package adminapi_test

import (
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
)

// deck makes a tariff past the API: its version 1 has two rates, and was activated twice.
func (s *site) deck(name, currency string) {
	s.t.Helper()
	ctx := s.t.Context()
	if _, err := s.store.AddDeck(ctx, models.RateDeck{Name: name, Currency: currency, Zone: "Europe/Berlin"}, "test"); err != nil {
		s.t.Fatal(err)
	}
	_, err := s.store.ImportActiveDeckVersion(ctx, name, "", "test", time.Time{}, func(yield func(models.DeckRate) error) error {
		for _, prefix := range []string{"49", "4917"} {
			r := models.DeckRate{Rate: models.Rate{Currency: currency, Prefix: prefix, Name: "to " + prefix, PerMinute: 60 * money.Unit, First: 1, Increment: 1}}
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.ActivateDeck(ctx, name, 1, time.Time{}, "test"); err != nil {
		s.t.Fatal(err)
	}
}

func TestTodo(t *testing.T) { t.Parallel() }
