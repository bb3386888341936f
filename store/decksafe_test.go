package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
	"talktime/tariff"
)

// TestRollBackWithAnotherClock: what was taken back counts no more, though the clock of whoever took it back is ahead.
func TestRollBackWithAnotherClock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.user("marta", "555000204", "EUR", 100*money.Unit)
		m.activate("retail", m.version("retail", cents("49", 10)), time.Time{})
		m.clock = m.clock.Add(time.Minute)
		m.activate("retail", m.version("retail", cents("49", 1)), time.Time{})
		m.clock = m.clock.Add(time.Minute)
		m.refresh()
		m.want("555000204", "4917", 1)
		here := m.clock
		m.clock = here.Add(3 * time.Second)
		if v, err := m.store.RollBackDeck(t.Context(), "retail", 2, "test"); err != nil || v.Number != 1 {
			t.Fatal(v, err)
		}
		m.clock = here
		m.refresh()
		m.want("555000204", "4917", 10)
	})
}

// TestRollBackNamesWhatItTakes: a plan is not taken for the mistake that counts, and nothing is taken back twice.
func TestRollBackNamesWhatItTakes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.user("marta", "555000204", "EUR", 100*money.Unit)
		good, planned, wrong := m.version("retail", cents("49", 10)), m.version("retail", cents("49", 12)), m.version("retail", cents("49", 1))
		m.activate("retail", good, time.Time{})
		m.activate("retail", planned, m.clock.Add(time.Hour))
		m.clock = m.clock.Add(time.Minute)
		m.activate("retail", wrong, time.Time{})
		m.clock = m.clock.Add(time.Minute)
		if v, err := m.store.RollBackDeck(t.Context(), "retail", wrong, "test"); err != nil || v.Number != good || !v.Counts {
			t.Errorf("%+v, %v", v, err)
		}
		for range 2 {
			if _, err := m.store.RollBackDeck(t.Context(), "retail", wrong, "test"); !errors.Is(err, models.ErrConflict) {
				t.Errorf("once more: %v", err)
			}
		}
		m.refresh()
		m.want("555000204", "4917", 10)
		m.clock = m.clock.Add(time.Hour)
		m.want("555000204", "4917", 12)
		m.clock = m.clock.Add(-time.Hour)
		if v, err := m.store.RollBackDeck(t.Context(), "retail", planned, "test"); err != nil || v.Number != good {
			t.Errorf("%+v, %v", v, err)
		}
		m.refresh()
		m.clock = m.clock.Add(2 * time.Hour)
		m.want("555000204", "4917", 10)
		if _, err := m.store.RollBackDeck(t.Context(), "retail", 0, "test"); !errors.Is(err, models.ErrNoVersion) {
			t.Errorf("the only one: %v", err)
		}
	})
}

// TestHouseOfAFailedTransaction: accounts of the house that were made by a transaction that was rolled back are nobody's, until
// they are somebody else's.
func TestHouseOfAFailedTransaction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		joel := models.NewUser{Username: "joel", CLID: "555000205", Currency: "EUR", Balance: 12 * money.Unit}
		nowhere := models.Membership{Add: []int64{99999}}
		if _, err := s.NewUserWithProfile(t.Context(), joel, models.UserChange{Groups: &nowhere}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			if _, err := s.AddUser(t.Context(), models.NewUser{Username: name, Balance: 5 * money.Unit}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.NewUserWithProfile(t.Context(), joel, models.UserChange{}, "test"); err != nil {
			t.Fatal(err)
		}
		if report, err := s.Audit(t.Context()); err != nil || !report.Clean() {
			t.Errorf("%+v, %v", report.Differences, err)
		}
	})
}

// TestOneBrokenTariff keeps nobody else from calling, and is not used with half of its rates.
func TestOneBrokenTariff(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.deck("other", "USD", true)
		m.user("marta", "555000204", "EUR", 100*money.Unit)
		m.user("joel", "555000205", "USD", 100*money.Unit)
		m.activate("retail", m.version("retail", cents("4", 1), cents("4917", 100)), time.Time{})
		m.activate("other", m.version("other", cents("4", 2)), time.Time{})
		for _, damage := range []string{
			"DELETE FROM deck_rates WHERE prefix = '4917'", // by somebody's hand: half of it would be a wrong price
			"INSERT INTO deck_rates (version_id, n, prefix, per_minute, first_seconds) SELECT version_id, 2, '4917', -1, 1 FROM deck_rates WHERE n = 1 AND per_minute = 10000",
		} {
			if _, err := d.SQL(t).ExecContext(t.Context(), damage); err != nil {
				t.Fatal(err)
			}
			m.tariffs = &tariff.Tariffs{}
			m.refresh()
			if _, err := m.tariffs.Rate(models.User{Currency: "EUR"}, "4917", m.clock); !errors.Is(err, billing.ErrNoRate) || !strings.Contains(err.Error(), "cannot be used") {
				t.Errorf("%s: %v", damage, err)
			}
			if r, err := m.tariffs.Rate(models.User{Currency: "USD"}, "4917", m.clock); err != nil || r.Deck != "other" {
				t.Errorf("%s: %+v, %v", damage, r, err)
			}
		}
	})
}

// TestRatesThatNoDatabaseKeeps are refused before they are stored.
func TestRatesThatNoDatabaseKeeps(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	moment, dear, fee := cents("49", 1), cents("49", 1), cents("49", 1)
	moment.From, moment.To = at, at.Add(100*time.Nanosecond)
	dear.PerMinute, fee.ConnectFee = models.MaxPrice+1, models.MaxPrice+1
	for name, r := range map[string]models.DeckRate{"shorter than a microsecond": moment, "a price": dear, "a fee": fee} {
		if err := r.Validate(); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dear.PerMinute, dear.ConnectFee, dear.Minimum = models.MaxPrice, models.MaxPrice, models.MaxPrice
	if cost, err := billing.Cost(dear.Rate, models.MaxIncrement); err != nil || cost != (models.MaxIncrement/60+1)*models.MaxPrice {
		t.Errorf("the dearest call costs %s, %v", cost, err)
	}
	limit := models.MaxCredit + 1
	if err := (models.UserChange{CreditLimit: &limit}).Validate(); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("a limit: %v", err)
	}
	m := newMarket(t, storetest.SQLite(t))
	m.deck("retail", "EUR", true)
	late, err := time.Parse(time.RFC3339, "9999-12-31T23:59:59-10:00")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.store.ActivateDeck(t.Context(), "retail", m.version("retail", cents("49", 1)), late, "test"); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("a year that no column holds: %v", err)
	}
}

// TestDefaultStays: the tariff of everybody is not removed under them, nor does one without rates take its place; and of several
// that want to be it at once, one is.
func TestDefaultStays(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.user("marta", "555000204", "", 1000*money.Unit)
		m.deck("seconds", "SEC", true)
		m.refresh()
		m.want("555000204", "4917", 60_00) // its rates are still to come
		m.activate("seconds", m.version("seconds", cents("49", 120_00)), time.Time{})
		m.refresh()
		m.want("555000204", "4917", 120_00)
		if err := m.store.RemoveDeck(t.Context(), "seconds", "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("removed: %v", err)
		}
		if _, err := m.store.AddDeck(t.Context(), models.RateDeck{Name: "empty", Currency: "SEC", Zone: "UTC", Default: true}, "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("in its place: %v", err)
		}
		m.deck("empty", "SEC", false)
		if err := m.store.SetDefaultDeck(t.Context(), "empty", true, "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("without rates: %v", err)
		}
		stores := []*store.Store{d.Open(t), d.Open(t)}
		for round := range 10 {
			currency := fmt.Sprintf("XX%c", 'A'+round)
			var all sync.WaitGroup
			for i, s := range stores {
				all.Go(func() {
					deck := models.RateDeck{Name: fmt.Sprint(currency, i), Currency: currency, Zone: "UTC", Default: true}
					if _, err := s.AddDeck(t.Context(), deck, "test"); err != nil && !errors.Is(err, models.ErrConflict) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			decks, err := m.store.Decks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, one := range decks {
				if one.Currency == currency && one.Default {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d defaults in %s", n, currency)
			}
		}
		m.audit()
	})
}

// TestRepeatNeedsNoRate: a channel that dials the same number again under its hold goes on, though the number has no rate any more.
func TestRepeatNeedsNoRate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.user("marta", "555000204", "EUR", 100*money.Unit)
		m.activate("retail", m.version("retail", cents("49", 10)), time.Time{})
		m.refresh()
		request := billing.CallRequest{CallID: "pbx-99.1", Identity: billing.Identity{CallerID: "555000204"}, Number: "4917"}
		if _, err := m.service.Authorize(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		m.clock = m.clock.Add(5 * time.Second)
		m.activate("retail", m.version("retail", cents("48", 10)), time.Time{})
		m.refresh()
		if auth, err := m.service.Authorize(t.Context(), request); err != nil || !auth.Repeated || auth.Seconds != 55 {
			t.Errorf("%+v, %v", auth, err)
		}
		if charge, err := m.service.Settle(t.Context(), billing.CallResult{CallID: "pbx-99.1", Evidence: minute()}); err != nil || charge.Amount != money.Unit/10 {
			t.Errorf("%+v, %v", charge, err)
		}
		m.audit()
	})
}

// TestLongNamesFit into the column that keeps the rate of a call.
func TestLongNamesFit(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		name := strings.Repeat("d", 64)
		m.deck(name, "EUR", true)
		m.user("marta", "555000204", "EUR", 100*money.Unit)
		r := cents("4917", 10)
		r.Name = strings.Repeat(`&<"`, 26) + "&<"
		r.ConnectFee, r.Minimum, r.First, r.Increment, r.Grace = 100_001, 100_002, 60, 60, 59
		m.activate(name, m.version(name, r), time.Time{})
		m.refresh()
		if _, err := m.costs("555000204", "4917"); err != nil {
			t.Error(err)
		}
	})
}
