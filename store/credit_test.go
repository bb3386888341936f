package store_test

import (
	"fmt"
	"testing"

	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestCredit adds up what users have, and leaves the house out.
func TestCredit(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := database(t).Migrated(t)
			credit := func(want money.Amount) {
				t.Helper()
				sums, err := s.Credit(t.Context())
				if err != nil || sums == nil || sums[models.SEC] != want {
					t.Errorf("users have %v, want %s (%v)", sums, want, err)
				}
			}
			credit(0)
			for n, name := range []string{"marta", "joel"} {
				if _, err := s.AddUser(t.Context(), models.NewUser{Username: name, Balance: money.Amount(n+1) * 600 * money.Unit}, "test"); err != nil {
					t.Fatal(err)
				}
			}
			credit(1800 * money.Unit)
			for n := range 12 { // together more than there are numbers for
				if _, err := s.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("u", n), Balance: 900_000_000_000 * money.Unit}, "test"); err != nil {
					t.Fatal(err)
				}
				if n == 8 {
					credit(1800*money.Unit + 9*900_000_000_000*money.Unit)
				}
			}
			credit(money.Max)
			storetest.Audited(t, s)
		})
	}
}
