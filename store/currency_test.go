package store_test

import (
	"errors"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestMoneyOfAnotherCurrency: what was read of a user while his currency was being changed does not belong together; nothing is
// posted of it.
func TestMoneyOfAnotherCurrency(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		u := m.user("marta", "555000204", "SEC", 0)
		top := billing.Movement{UserID: u.ID, Amount: money.Unit, Ref: "one", Actor: "test"}
		set := func(currency string) {
			t.Helper()
			if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE users SET currency = ? WHERE id = ?", currency, u.ID); err != nil {
				t.Fatal(err)
			}
		}
		m.deck("retail", "EUR", true) // the house has accounts in EUR
		set("EUR")
		if _, err := m.service.Move(t.Context(), top); !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("a SEC account was topped up in EUR: %v", err)
		}
		set("SEC")
		if _, err := m.service.Move(t.Context(), top); err != nil {
			t.Error(err)
		}
		m.audit()
	})
}
