package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// market is a database with users and the rates that calls have there.
type market struct {
	t       *testing.T
	store   *store.Store
	tariffs *tariff.Tariffs
	service *billing.Service
	clock   time.Time
	calls   int
}

func newMarket(t *testing.T, d storetest.Database) *market {
	t.Helper()
	m := &market{t: t, tariffs: &tariff.Tariffs{}, clock: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return m.clock }
	d.Migrated(t)
	m.store = d.Open(t, func(c *store.Config) { c.Now = now })
	policy := billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
		Rate: m.tariffs.Rate,
	}
	m.service = billing.New(billing.Options{Store: m.store, Policy: policy, Now: now, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(m.service.Close)
	return m
}

func (m *market) refresh() {
	m.t.Helper()
	if _, err := m.tariffs.Refresh(m.t.Context(), m.store); err != nil {
		m.t.Fatal(err)
	}
}

func (m *market) deck(name, currency string, byDefault bool) {
	m.t.Helper()
	deck := models.RateDeck{Name: name, Currency: currency, Zone: "Europe/Berlin", Default: byDefault}
	if _, err := m.store.AddDeck(m.t.Context(), deck, "test"); err != nil {
		m.t.Fatal(err)
	}
}

// version imports prices a minute by prefix.
func (m *market) version(deck string, rates ...models.DeckRate) int {
	m.t.Helper()
	v, err := m.store.ImportDeckVersion(m.t.Context(), deck, "a note", "test", func(yield func(models.DeckRate) error) error {
		for _, r := range rates {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if v.Rates != int64(len(rates)) {
		m.t.Errorf("%+v of %d rates", v, len(rates))
	}
	return v.Number
}

func (m *market) activate(deck string, number int, from time.Time) {
	m.t.Helper()
	if _, err := m.store.ActivateDeck(m.t.Context(), deck, number, from, "test"); err != nil {
		m.t.Fatal(err)
	}
}

func (m *market) user(name, clid, currency string, balance money.Amount) models.User {
	m.t.Helper()
	u, err := m.store.AddUser(m.t.Context(), models.NewUser{Username: name, CLID: clid, Currency: currency, Balance: balance}, "test")
	if err != nil {
		m.t.Fatal(err)
	}
	return u
}

// costs is what a minute to a number costs a caller; it charges him.
func (m *market) costs(clid, number string) (money.Amount, error) {
	m.t.Helper()
	m.calls++
	id := fmt.Sprintf("pbx-%d.1", m.calls)
	if _, err := m.service.Authorize(m.t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: number}); err != nil {
		return 0, err
	}
	charge, err := m.service.Settle(m.t.Context(), billing.CallResult{CallID: id, Evidence: minute()})
	if err != nil {
		m.t.Fatal(err)
	}
	return charge.Amount, nil
}

func (m *market) want(clid, number string, cents money.Amount) {
	m.t.Helper()
	got, err := m.costs(clid, number)
	if err != nil || got != cents*money.Unit/100 {
		m.t.Errorf("%s calls %s: %s (%v), want %d cents", clid, number, got, err, cents)
	}
}

func (m *market) audit() {
	m.t.Helper()
	report, err := m.store.Audit(m.t.Context())
	if err != nil || len(report.Differences) > 0 {
		m.t.Errorf("%+v, %v", report, err)
	}
}

func cents(prefix string, n money.Amount) models.DeckRate {
	return models.DeckRate{Rate: models.Rate{Prefix: prefix, Name: "to " + prefix, PerMinute: n * money.Unit / 100, First: 1, Increment: 1}}
}

// minute is the end of a call whose channel was answered for one.
func minute() models.Evidence {
	ms := int64(60_000)
	return models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true}
}

// TestDecksPriceCalls: a user's own deck goes before that of his group, and that before the default; a version counts from its
// time on, and can be taken back.
func TestDecksPriceCalls(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		marta := m.user("marta", "555000204", "EUR", 100*money.Unit)
		m.user("joel", "555000205", "EUR", 100*money.Unit)
		m.user("ana", "555000206", "", 1000*money.Unit)
		if _, err := m.costs("555000204", "4930"); !errors.Is(err, tariff.ErrNotLoaded) || !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("before the decks are known: %v", err)
		}
		m.refresh()
		m.want("555000206", "4930", 60_00) // the built-in tariff is for seconds
		if _, err := m.costs("555000204", "4930"); !errors.Is(err, billing.ErrNoRate) {
			t.Errorf("euros without a tariff: %v", err)
		}

		m.deck("retail", "EUR", true)
		m.deck("friends", "EUR", false)
		m.deck("own", "EUR", false)
		m.deck("seconds", "SEC", false)
		first := m.version("retail", cents("49", 2), cents("4917", 20))
		m.activate("retail", first, time.Time{})
		m.activate("friends", m.version("friends", cents("49", 1)), time.Time{})
		m.activate("own", m.version("own", cents("", 3)), time.Time{})
		m.activate("seconds", m.version("seconds", cents("", 120_00)), time.Time{})
		m.refresh()
		m.want("555000204", "4930", 2)
		m.want("555000204", "491711", 20)
		if _, err := m.costs("555000204", "33"); !errors.Is(err, billing.ErrNoRate) {
			t.Errorf("a number without a rate: %v", err)
		}

		ten := 10 * money.Unit
		g := group(t, m.store, models.NewGroup{Name: "g", Value: &ten, First: m.clock, Count: 1, Users: []int64{marta.ID}})
		if err := m.store.AssignGroupDeck(t.Context(), g.Name, "friends", "test"); err != nil {
			t.Fatal(err)
		}
		m.refresh()
		m.want("555000204", "4930", 1)
		m.want("555000205", "4930", 2)
		if err := m.store.AssignGroupDeck(t.Context(), g.Name, "seconds", "test"); err != nil {
			t.Fatal(err)
		}
		m.refresh()
		m.want("555000204", "4930", 2) // a deck in another currency is not for her
		if err := m.store.AssignDeck(t.Context(), marta.ID, "own", "test"); err != nil {
			t.Fatal(err)
		}
		m.want("555000204", "4930", 3) // without a refresh: it stands with the user
		if err := m.store.AssignDeck(t.Context(), marta.ID, "seconds", "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("a deck in another currency: %v", err)
		}
		if err := m.store.RemoveDeck(t.Context(), "own", "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("a deck that somebody has is removed: %v", err)
		}
		if err := m.store.AssignDeck(t.Context(), marta.ID, "", "test"); err != nil {
			t.Fatal(err)
		}
		m.want("555000204", "4930", 2)

		second := m.version("retail", cents("49", 5))
		m.want("555000204", "4930", 2)
		m.activate("retail", second, m.clock.Add(time.Hour))
		m.refresh()
		m.want("555000204", "4930", 2)
		m.clock = m.clock.Add(time.Hour)
		m.want("555000204", "4930", 5) // nobody need read anything at that moment
		if _, err := m.costs("555000204", "4917"); err != nil {
			t.Errorf("the longer prefix has gone, the shorter has not: %v", err)
		}
		m.refresh()
		m.want("555000204", "4930", 5)
		if v, err := m.store.RollBackDeck(t.Context(), "retail", 0, "test"); err != nil || v.Number != first || !v.Counts {
			t.Errorf("%+v, %v", v, err)
		}
		m.refresh()
		m.want("555000204", "4930", 2)
		if _, err := m.store.RollBackDeck(t.Context(), "retail", 0, "test"); !errors.Is(err, models.ErrNoVersion) {
			t.Errorf("nothing is left to go back to: %v", err)
		}
		if _, err := m.store.ActivateDeck(t.Context(), "retail", second, m.clock.Add(-time.Second), "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("a version that counts from yesterday on: %v", err)
		}
		if _, err := m.store.ActivateDeck(t.Context(), "retail", 99, time.Time{}, "test"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a version that there is not: %v", err)
		}
		m.audit()
	})
}

// TestCallKeepsItsRate: who is talking when another version begins to count pays what he was told.
func TestCallKeepsItsRate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.user("marta", "555000204", "EUR", 10*money.Unit)
		m.deck("retail", "EUR", true)
		m.activate("retail", m.version("retail", cents("49", 2)), time.Time{})
		m.activate("retail", m.version("retail", cents("49", 50)), m.clock.Add(30*time.Second))
		m.refresh()
		request := billing.CallRequest{CallID: "pbx-99.1", Identity: billing.Identity{CallerID: "555000204"}, Number: "4930"}
		if _, err := m.service.Authorize(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		m.clock = m.clock.Add(time.Minute)
		charge, err := m.service.Settle(t.Context(), billing.CallResult{CallID: "pbx-99.1", Evidence: minute()})
		if err != nil || charge.Amount != money.Unit/50 {
			t.Errorf("%+v, %v", charge, err)
		}
		m.want("555000204", "4930", 50)
		calls, err := m.store.CallsByID(t.Context(), []string{"pbx-99.1"})
		if rate := calls["pbx-99.1"].Rate; err != nil || rate.Deck != "retail" || rate.Version != 1 || rate.Prefix != "49" || rate.Name != "to 49" {
			t.Errorf("%+v, %v", rate, err)
		}
		m.audit()
	})
}

// TestImportIsAllOrNothing: what fails leaves no version and no rates, and versions have their own numbers though several are
// imported at once.
func TestImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		broken := errors.New("the disk of the file is gone")
		for what, last := range map[string]func(yield func(models.DeckRate) error) error{
			"an error":       func(func(models.DeckRate) error) error { return broken },
			"a wrong rate":   func(yield func(models.DeckRate) error) error { return yield(cents("4x", 1)) },
			"an ended wait":  func(func(models.DeckRate) error) error { return context.Canceled },
			"a second after": func(yield func(models.DeckRate) error) error { return errors.Join(yield(cents("1", 1)), broken) },
		} {
			_, err := m.store.ImportDeckVersion(t.Context(), "retail", "", "test", func(yield func(models.DeckRate) error) error {
				for i := range 4100 {
					if err := yield(cents(fmt.Sprint(i), 1)); err != nil {
						return err
					}
				}
				return last(yield)
			})
			if err == nil {
				t.Errorf("%s: imported", what)
			}
		}
		var left int
		if err := d.SQL(t).QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM deck_versions) + (SELECT COUNT(*) FROM deck_rates)").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows are left, %v", left, err)
		}
		numbers := make(chan int, 4)
		var all sync.WaitGroup
		for _, prefix := range []string{"1", "2", "3"} {
			all.Go(func() { numbers <- m.version("retail", cents(prefix, 1)) })
		}
		all.Wait()
		if a, b, c := <-numbers, <-numbers, <-numbers; a == b || b == c || a == c {
			t.Errorf("versions %d, %d and %d", a, b, c)
		}
		if _, err := m.store.ImportDeckVersion(t.Context(), "nothing", "", "test", nil); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a deck that there is not: %v", err)
		}
	})
}

// TestRatesAroundANumber: those that could price it, and those inside it.
func TestRatesAroundANumber(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		night := cents("49", 1)
		night.Days, night.Start, night.End = 0b0111110, 22*60, 6*60
		night.From, night.To = m.clock, m.clock.Add(time.Hour)
		number := m.version("retail", cents("4917", 4), cents("", 1), cents("4", 2), night, cents("49*", 3), cents("5", 5), cents("48", 6))
		var got []string
		err := m.store.EachDeckRate(t.Context(), "retail", number, "49", func(n int64, r models.DeckRate) error {
			got = append(got, fmt.Sprint(n, " ", r.Prefix))
			if r.Prefix == "49" && (r.Days != night.Days || r.Start != night.Start || r.End != night.End || !r.From.Equal(night.From) || !r.To.Equal(night.To)) {
				t.Errorf("%+v", r)
			}
			return nil
		})
		if want := "[1 4917 2  3 4 4 49 5 49*]"; err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v; want %s", got, err, want)
		}
	})
}

// TestPagesOfRates: they are found by their rows, those around a number by their prefixes, and none by reading all of a version.
func TestPagesOfRates(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		rates := make([]models.DeckRate, 5000)
		for i := range rates {
			rates[i] = cents(fmt.Sprint(100_000+i), 1)
		}
		m.version("retail", rates...)
		number := m.version("retail", rates...)
		versions, err := m.store.DeckVersions(t.Context(), "retail")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.SQL(t).ExecContext(t.Context(), map[bool]string{true: "ANALYZE", false: "ANALYZE TABLE deck_rates"}[d.Server == nil]); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			around string
			page   models.ListRequest
			first  string
			total  int64
		}{
			{"", models.ListRequest{Number: 1, Size: 100}, "1 100000", 5000},
			{"", models.ListRequest{Number: 50, Size: 100}, "4901 104900", 5000},
			{"", models.ListRequest{Number: 51, Size: 100}, "", 5000},
			{"", models.ListRequest{Number: 1, Size: 100, After: 4990}, "4991 104990", 5000},
			{"10012", models.ListRequest{Number: 1, Size: 3}, "121 100120", 10},
			{"10012", models.ListRequest{Number: 2, Size: 3}, "124 100123", 10},
			{"10012", models.ListRequest{Number: 1, Size: 3, After: 128}, "129 100128", 10},
			{"10012345", models.ListRequest{Number: 1, Size: 3}, "124 100123", 1},
			{"99", models.ListRequest{Number: 1, Size: 3}, "", 0},
		} {
			list, err := m.store.DeckRates(t.Context(), "retail", number, c.around, c.page)
			first := ""
			if len(list.Items) > 0 {
				first = fmt.Sprint(list.Items[0].N, " ", list.Items[0].Prefix)
			}
			if err != nil || first != c.first || list.Total != c.total || len(list.Items) > c.page.Size {
				t.Errorf("%q %+v: %q of %d, %d rows, %v", c.around, c.page, first, list.Total, len(list.Items), err)
			}
			plan, err := m.store.RatesPlan(t.Context(), versions[0].ID, c.around, c.page)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range plan {
				bad := step.How == "ALL" || step.How == "index" || strings.HasPrefix(step.How, "SCAN")
				if bad || c.around == "" && step.Key != "" && step.Key != "PRIMARY" {
					t.Errorf("%q %+v: %+v", c.around, c.page, step)
				}
			}
			t.Logf("%q %+v: %+v", c.around, c.page, plan)
		}
		if _, err := m.store.DeckRates(t.Context(), "retail", 9, "", models.ListRequest{Number: 1, Size: 10}); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a version that there is not: %v", err)
		}
	})
}

// TestImportCounts: what is imported to count does so, with its version or not at all, also when its time came meanwhile.
func TestImportCounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		one := func(yield func(models.DeckRate) error) error { return yield(cents("49", 1)) }
		for _, from := range []time.Time{{}, m.clock.Add(-time.Second), m.clock.Add(time.Hour)} {
			v, err := m.store.ImportActiveDeckVersion(t.Context(), "retail", "", "test", from, one)
			if err != nil {
				t.Fatal(err)
			}
			versions, err := m.store.DeckVersions(t.Context(), "retail")
			if err != nil || versions[0].Number != v.Number || versions[0].From == nil || versions[0].Counts != !from.After(m.clock) {
				t.Errorf("%v: %+v, %v", from, versions, err)
			}
			if want := slices.MaxFunc([]time.Time{from, m.clock}, time.Time.Compare); !versions[0].From.Equal(want) {
				t.Errorf("it counts from %s on, not %s", versions[0].From, want)
			}
		}
		broken := errors.New("the line is gone")
		if _, err := m.store.ImportActiveDeckVersion(t.Context(), "retail", "", "test", time.Time{}, func(func(models.DeckRate) error) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		if versions, err := m.store.DeckVersions(t.Context(), "retail"); err != nil || len(versions) != 3 {
			t.Errorf("%+v, %v", versions, err)
		}
		m.audit()
	})
}
