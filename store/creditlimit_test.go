package store_test

import (
	"errors"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestCreditLimit: a user talks down to his limit and no further, and the limit cannot be taken from under what he owes.
func TestCreditLimit(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.activate("retail", m.version("retail", cents("49", 100)), time.Time{}) // 1 EUR a minute
		m.refresh()
		shop := m.user("shop", "555000204", "EUR", 0)
		limit := func(to money.Amount) error {
			_, err := m.store.ChangeUsers(t.Context(), []int64{shop.ID}, models.UserChange{CreditLimit: &to}, "test")
			return err
		}
		if _, err := m.costs("555000204", "4930"); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Errorf("without a limit: %v", err)
		}
		if err := limit(2 * money.Unit); err != nil {
			t.Fatal(err)
		}
		m.want("555000204", "4930", 100)
		m.want("555000204", "4930", 100)
		if _, err := m.costs("555000204", "4930"); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Errorf("beyond the limit: %v", err)
		}
		b, err := m.store.UserByName(t.Context(), "shop")
		if err != nil || b.Balance != -2*money.Unit || b.Available != 0 || b.Credit != 2*money.Unit {
			t.Errorf("%+v, %v", b, err)
		}
		if err := limit(2*money.Unit - 1); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Errorf("a limit below the debt: %v", err)
		}
		if _, err := m.service.Move(t.Context(), billing.Movement{Username: "shop", Amount: money.Unit, Ref: "paid"}); err != nil {
			t.Fatal(err)
		}
		if err := limit(money.Unit); err != nil {
			t.Error(err)
		}
		if err := limit(-1); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Errorf("a negative limit: %v", err)
		}
		// Who is deleted leaves his debt to the house.
		if had, err := m.store.DeleteUser(t.Context(), shop.ID, "test"); err != nil || had != -money.Unit {
			t.Errorf("%s, %v", had, err)
		}
		m.audit()
	})
}
