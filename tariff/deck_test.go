package tariff_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/models"
	"talktime/money"
	"talktime/tariff"
)

func deckRate(prefix string, perMinute money.Amount) models.DeckRate {
	return models.DeckRate{Rate: models.Rate{Currency: "EUR", Prefix: prefix, PerMinute: perMinute, First: 1, Increment: 1}}
}

func newDeck(t testing.TB, zone string, rates ...models.DeckRate) *tariff.Deck {
	t.Helper()
	in, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	deck, err := tariff.NewDeck(rates, in)
	if err != nil {
		t.Fatal(err)
	}
	return deck
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestLongestPrefix(t *testing.T) {
	t.Parallel()
	now := instant(t, "2026-03-02T12:00:00Z")
	deck := newDeck(t, "UTC", deckRate("49", 1), deckRate("4", 2), deckRate("4930", 3), deckRate("491", 4), deckRate("*99", 5),
		deckRate("0", 6), deckRate("1234567890123456", 7), deckRate("5", 8))
	for number, want := range map[string]string{
		"49": "49", "4930123": "4930", "493": "49", "49170": "491", "4": "4", "48999": "4", "*99#": "*99", "*9": "",
		"0049": "0", "+4930": "4930", "+": "", "1234567890123456789": "1234567890123456", "123456789012345": "",
		"5": "5", "": "", "#": "", "6": "", "3": "", "4 9": "", "+49x": "", "99": "",
	} {
		rate, ok := deck.Find(number, now)
		if ok != (want != "") || rate.Prefix != want {
			t.Errorf("%q: prefix %q, %v; want %q", number, rate.Prefix, ok, want)
		}
	}
	everything := newDeck(t, "UTC", deckRate("", 1), deckRate("7", 2))
	for number, want := range map[string]string{"": "", "1": "", "71": "7", "#": ""} {
		if rate, ok := everything.Find(number, now); !ok || rate.Prefix != want {
			t.Errorf("%q: prefix %q, %v; want %q", number, rate.Prefix, ok, want)
		}
	}
	if _, ok := newDeck(t, "UTC").Find("49", now); ok {
		t.Error("a deck without rates has a rate")
	}
}

// TestRateHolds: instants and hours, on the days on which the clock is put forward and back too. Zone Europe/Berlin is an hour
// before UTC in winter and two in summer; in 2026 it changes on 29 March at 01:00 UTC and on 25 October at 01:00 UTC.
func TestRateHolds(t *testing.T) {
	t.Parallel()
	const sunday, monday, saturday, sundays = 1 << time.Sunday, 1 << time.Monday, 1 << time.Saturday, 1<<time.Saturday | 1<<time.Sunday
	from, to := instant(t, "2026-03-02T12:00:00Z"), instant(t, "2026-03-03T12:00:00Z")
	hours := func(days models.Days, start, end int) models.DeckRate {
		r := deckRate("49", 1)
		r.Days, r.Start, r.End = days, start, end
		return r
	}
	effective := deckRate("49", 1)
	effective.From, effective.To = from, to
	for name, c := range map[string]struct {
		rate     models.DeckRate
		in, outs []string
	}{
		"from and to": {effective, []string{"2026-03-02T12:00:00Z", "2026-03-03T11:59:59.999Z"}, []string{"2026-03-02T11:59:59.999Z", "2026-03-03T12:00:00Z"}},
		"by day": {
			hours(0, 8*60, 18*60),
			[]string{"2026-01-05T07:00:00Z", "2026-01-05T16:59:59Z", "2026-07-06T06:00:00Z"},
			[]string{"2026-01-05T06:59:59Z", "2026-01-05T17:00:00Z", "2026-07-06T05:59:59Z", "2026-07-06T16:00:00Z"},
		},
		"by night": {
			hours(0, 22*60, 6*60),
			[]string{"2026-01-05T21:00:00Z", "2026-01-05T23:00:00Z", "2026-01-06T04:59:59Z"},
			[]string{"2026-01-05T20:59:59Z", "2026-01-06T05:00:00Z"},
		},
		"the night of a Saturday ends on Sunday": {
			hours(saturday, 22*60, 6*60),
			[]string{"2026-01-10T21:30:00Z", "2026-01-11T04:30:00Z"},
			[]string{"2026-01-10T04:30:00Z", "2026-01-11T21:30:00Z", "2026-01-12T04:30:00Z"},
		},
		"weekend": {
			hours(sundays, 0, 0), []string{"2026-01-09T23:00:00Z", "2026-01-11T22:59:59Z"}, []string{"2026-01-09T22:59:59Z", "2026-01-11T23:00:00Z"},
		},
		"two o'clock on the day without it": {
			hours(sunday, 2*60, 3*60), []string{"2026-03-22T01:30:00Z"}, []string{"2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"}, // 01:59:59, then 03:00
		},
		"two o'clock on the day that has it twice": {
			hours(sunday, 2*60, 3*60), []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}, []string{"2026-10-24T23:59:59Z", "2026-10-25T02:00:00Z"},
		},
		"until midnight": {hours(monday, 18*60, 0), []string{"2026-01-05T17:00:00Z", "2026-01-05T22:59:59Z"}, []string{"2026-01-05T16:59:59Z", "2026-01-05T23:00:00Z"}},
	} {
		deck := newDeck(t, "Europe/Berlin", c.rate)
		for _, at := range c.in {
			if _, ok := deck.Find("4930", instant(t, at)); !ok {
				t.Errorf("%s: it does not hold at %s", name, at)
			}
		}
		for _, at := range c.outs {
			if _, ok := deck.Find("4930", instant(t, at)); ok {
				t.Errorf("%s: it holds at %s", name, at)
			}
		}
	}
}

// TestRateGoesFirst: of several rates of a prefix the most particular counts, then the latest; where none holds, the rate of a
// shorter prefix does.
func TestRateGoesFirst(t *testing.T) {
	t.Parallel()
	always, later, night, ended, short := deckRate("49", 1), deckRate("49", 2), deckRate("49", 3), deckRate("4930", 4), deckRate("4", 5)
	later.From = instant(t, "2026-06-01T00:00:00Z")
	night.Start, night.End = 22*60, 6*60
	ended.To = instant(t, "2026-02-01T00:00:00Z")
	deck := newDeck(t, "UTC", always, later, night, ended, short, deckRate("49", 6))
	for at, want := range map[string]money.Amount{
		"2026-01-10T12:00:00Z": 4, "2026-02-01T06:00:00Z": 1, "2026-06-01T12:00:00Z": 2, "2026-06-01T23:00:00Z": 3, "2026-02-03T02:00:00Z": 3,
	} {
		if rate, _ := deck.Find("493099", instant(t, at)); rate.PerMinute != want {
			t.Errorf("at %s the rate %s counts, want %s", at, rate.PerMinute, want)
		}
	}
}

func TestDeckRefusesWrongRates(t *testing.T) {
	t.Parallel()
	change := func(with func(*models.DeckRate)) models.DeckRate {
		r := deckRate("49", 1)
		with(&r)
		return r
	}
	for name, r := range map[string]models.DeckRate{
		"letters":        deckRate("49a", 1),
		"a blank":        deckRate("49 3", 1),
		"too long":       deckRate(strings.Repeat("1", models.MaxPrefix+1), 1),
		"negative price": deckRate("49", -1),
		"no increment":   change(func(r *models.DeckRate) { r.Increment = 0 }),
		"no first":       change(func(r *models.DeckRate) { r.First = 0 }),
		"long increment": change(func(r *models.DeckRate) { r.First = models.MaxIncrement + 1 }),
		"negative grace": change(func(r *models.DeckRate) { r.Grace = -1 }),
		"negative fee":   change(func(r *models.DeckRate) { r.ConnectFee = -1 }),
		"late hour":      change(func(r *models.DeckRate) { r.Start = models.MinutesOfDay }),
		"eighth day":     change(func(r *models.DeckRate) { r.Days = 1 << 7 }),
		"ends at once": change(func(r *models.DeckRate) {
			r.From, r.To = instant(t, "2026-06-01T00:00:00Z"), instant(t, "2026-06-01T00:00:00Z")
		}),
	} {
		if _, err := tariff.NewDeck([]models.DeckRate{r}, time.UTC); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeckFindsWhatASearchOfAllFinds: on random decks of few digits, where prefixes often begin one another.
func TestDeckFindsWhatASearchOfAllFinds(t *testing.T) {
	t.Parallel()
	start := instant(t, "2026-01-01T00:00:00Z")
	hour := func(n int) time.Time {
		if n < 0 {
			return time.Time{}
		}
		return start.Add(time.Duration(n) * time.Hour)
	}
	rapid.Check(t, func(t *rapid.T) {
		var rates []models.DeckRate
		for i := range rapid.IntRange(0, 60).Draw(t, "rates") {
			r := models.DeckRate{Rate: models.Rate{
				Currency: "EUR", Prefix: rapid.StringMatching(`[01*]{0,5}`).Draw(t, "prefix"), PerMinute: money.Amount(i), First: 1, Increment: 1,
			}}
			from := rapid.IntRange(-8, 6).Draw(t, "from")
			r.From = hour(from)
			if n := rapid.IntRange(-8, 8).Draw(t, "to"); n > from {
				r.To = hour(n)
			}
			rates = append(rates, r)
		}
		deck, err := tariff.NewDeck(rates, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		number := rapid.StringMatching(`\+?[01*]{0,7}`).Draw(t, "number")
		at := hour(rapid.IntRange(0, 9).Draw(t, "at"))
		want := -1
		for i, r := range rates {
			if !strings.HasPrefix(strings.TrimPrefix(number, "+"), r.Prefix) || at.Before(r.From) || !r.To.IsZero() && !at.Before(r.To) {
				continue
			}
			if want < 0 || len(r.Prefix) > len(rates[want].Prefix) || len(r.Prefix) == len(rates[want].Prefix) && r.From.After(rates[want].From) {
				want = i
			}
		}
		got, ok := deck.Find(number, at)
		if ok != (want >= 0) || ok && got != rates[want].Rate {
			t.Fatalf("%s at %s: %v, %v; want rate %d", number, at, got, ok, want)
		}
	})
}

// syntheticDeck is so many rates as a wholesale list has them: of countries, of their networks, and of ranges of numbers.
func syntheticDeck(n int) []models.DeckRate {
	rates := make([]models.DeckRate, n)
	for i := range rates {
		rates[i] = deckRate(fmt.Sprintf("%02d%d", 1+i%97, i/97), money.Amount(i+1))
	}
	return rates
}

func BenchmarkDeckFind(b *testing.B) {
	rates := syntheticDeck(300_000)
	deck := newDeck(b, "Europe/Berlin", rates...)
	at := instant(b, "2026-03-02T12:00:00Z")
	numbers := make([]string, 4096)
	for i := range numbers {
		numbers[i] = rates[(i*7919*31)%len(rates)].Prefix + "55501"
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := deck.Find(numbers[i%len(numbers)], at); !ok {
			b.Fatal("no rate")
		}
	}
}

// TestManyPrefixesOfACountry: where thousands of prefixes begin alike, each is found, and what begins it.
func TestManyPrefixesOfACountry(t *testing.T) {
	t.Parallel()
	rates := []models.DeckRate{deckRate("598", 1), deckRate("5", 2), deckRate("5980", 3), deckRate("598099999", 4), deckRate("6", 5)}
	for i := range 5000 {
		rates = append(rates, deckRate(fmt.Sprintf("598%d", 10_000+i*7), money.Amount(100+i)))
	}
	deck := newDeck(t, "UTC", rates...)
	now := instant(t, "2026-03-02T12:00:00Z")
	for i := range 5000 {
		for _, c := range []struct{ number, want string }{
			{fmt.Sprintf("598%d", 10_000+i*7), fmt.Sprintf("598%d", 10_000+i*7)},
			{fmt.Sprintf("598%d123", 10_000+i*7), fmt.Sprintf("598%d", 10_000+i*7)},
			{fmt.Sprintf("598%d123", 10_001+i*7), "598"},
		} {
			if rate, ok := deck.Find(c.number, now); !ok || rate.Prefix != c.want {
				t.Fatalf("%s: %s, want %s", c.number, rate.Prefix, c.want)
			}
		}
	}
	for number, want := range map[string]string{
		"598": "598", "5981": "598", "59": "5", "5980": "5980", "59809": "5980", "598099999": "598099999", "5980999991": "598099999", "599": "5",
		"59899999": "598", "598#": "598", "597999999": "5", "6": "6",
	} {
		if rate, ok := deck.Find(number, now); !ok || rate.Prefix != want {
			t.Errorf("%s: %s, want %s", number, rate.Prefix, want)
		}
	}
}

func TestFindingARateAllocatesNothing(t *testing.T) {
	deck := newDeck(t, "Europe/Berlin", syntheticDeck(2000)...)
	at := instant(t, "2026-03-02T12:00:00Z")
	if n := testing.AllocsPerRun(100, func() { deck.Find("+01123", at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
