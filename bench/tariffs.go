package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/tariff"
)

// deckRates is how many rates a large wholesale list has.
const deckRates = 300_000

// eachDeckRate hands over a list in which every number of the calls has a rate, most of them one of their own. All cost a SEC
// a second, so that the calls do too.
func eachDeckRate(yield func(models.DeckRate) error) error {
	for i := range deckRates {
		prefix := "598" + strconv.Itoa(10_000+i) // 5 digits behind the country
		if i >= 80_000 {
			prefix = "598" + strconv.Itoa(100_000+3*(i-80_000)) // a third of those with 6
		}
		r := models.DeckRate{Rate: models.SecondRate()}
		r.Prefix, r.Name = prefix, "Destination "+strconv.Itoa(i/100)
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// measureTariffs: how fast a large price list is searched and imported, and what it costs each call.
func (b *bench) measureTariffs(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "tariffs")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	inFile, err := openDatabase(ctx, "sqlite:"+filepath.Join(b.dir, "tariffs.db"))
	if err != nil {
		return err
	}
	defer func() { _ = inFile.Close() }()
	deck := models.RateDeck{Name: "bench", Currency: models.SEC, Zone: "UTC", Default: true}
	for _, d := range []*database{db, inFile} {
		if _, err := d.AddDeck(ctx, deck, "bench"); err != nil {
			return err
		}
	}
	version := 0
	importing := func(d *database) func(context.Context, time.Duration) (measured, error) {
		return func(ctx context.Context, _ time.Duration) (measured, error) {
			start := time.Now()
			v, err := d.ImportDeckVersion(ctx, deck.Name, "", "bench", eachDeckRate)
			version = v.Number
			return measured{value: time.Since(start).Seconds()}, err
		}
	}
	imports, err := b.inTurn(ctx, contender{"MariaDB", "s", importing(db)}, contender{"SQLite", "s", importing(inFile)})
	if err != nil {
		return err
	}
	if _, err := db.ActivateDeck(ctx, deck.Name, version, time.Time{}, "bench"); err != nil {
		return err
	}
	tariffs := &tariff.Tariffs{}
	start := time.Now()
	if _, err := tariffs.Refresh(ctx, db); err != nil {
		return err
	}
	loading := time.Since(start)
	calls, err := b.inTurn(ctx,
		contender{"the built-in tariff", pairsUnit, db.load(db.Lanes(), 0, callers, accounts)},
		contender{group(deckRates) + " rates", pairsUnit, db.load(db.Lanes(), 0, callers, accounts, func(p *billing.Policy) { p.Rate = tariffs.Rate })},
		contender{"finding a rate", "ns", finding(tariffs)},
	)
	if err != nil {
		return err
	}
	report, err := db.audit(ctx)
	if err != nil {
		return err
	}
	b.figures = append(
		b.figures,
		figure{
			name: "finding a rate among " + group(deckRates), goal: 500, unit: "ns", atMost: true, got: calls[2].got,
			remarks: []string{fmt.Sprintf("One after the other, for random numbers. It takes %.1f s to read them all from MariaDB.", loading.Seconds())},
		},
		figure{
			name: "calls with " + group(deckRates) + " rates, against the built-in tariff", goal: 0.9, unit: "×", got: calls[1].got.over(calls[0].got), rows: calls[:2],
			remarks: []string{fmt.Sprintf("Most calls have a rate that none before had. Audited afterwards: %s calls, no difference.", group(report.Calls))},
		},
		figure{name: "import of " + group(deckRates) + " rates, MariaDB", goal: 5, unit: "s", atMost: true, got: imports[0].got},
		figure{name: "import of " + group(deckRates) + " rates, SQLite", goal: 10, unit: "s", atMost: true, got: imports[1].got},
	)
	return nil
}

// finding measures one look-up, in nanoseconds.
func finding(tariffs *tariff.Tariffs) func(context.Context, time.Duration) (measured, error) {
	return func(_ context.Context, length time.Duration) (measured, error) {
		numbers := make([]string, 1<<16)
		for i := range numbers {
			numbers[i] = "598" + strconv.Itoa(10_000_000+rand.IntN(80_000_000))
		}
		user, now := models.User{Currency: models.SEC}, time.Now()
		start, n := time.Now(), 0
		for time.Since(start) < length {
			for _, number := range numbers {
				if _, err := tariffs.Rate(user, number, now); err != nil {
					return measured{}, fmt.Errorf("%s: %w", number, err)
				}
			}
			n += len(numbers)
		}
		return measured{value: float64(time.Since(start)) / float64(n)}, nil
	}
}
