package store_test

import (
	"slices"
	"testing"

	"talktime/models"
	"talktime/store/storetest"
)

// TestEveryCurrencyHasAHouse: also one that was there before the house had all of its accounts.
func TestEveryCurrencyHasAHouse(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", false)
		rows, err := d.SQL(t).QueryContext(t.Context(), "SELECT currency, name FROM accounts WHERE user_id = 0 ORDER BY currency, name")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		got := map[string][]string{}
		for rows.Next() {
			var currency, name string
			if err := rows.Scan(&currency, &name); err != nil {
				t.Fatal(err)
			}
			got[currency] = append(got[currency], name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if want := []string{"cash", "closed", "expired", "revenue", "shortfall"}; !slices.Equal(got["EUR"], want) || !slices.Equal(got[models.SEC], want) {
			t.Errorf("the house has %v", got)
		}
		m.audit()
	})
}
