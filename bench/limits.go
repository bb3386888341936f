package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/tariff"
)

// everyLimit bounds all that can be bounded of a user, and forbids none of the calls.
func everyLimit() models.Limits {
	countries := int64(10)
	return models.Limits{
		Calls: 1000, Seconds: 86_400, Hour: opening / 2, Day: opening / 2, Blocked: []string{"900", "901", "0900"}, Allowed: []string{"5", "59", "900123"},
		Quiet:        []models.Window{{Days: 1 << time.Sunday, Start: 180, End: 181}}, // a minute a week, in which this fails
		NewCountries: &countries, Premium: []string{"5980", "0137"}, PremiumCalls: 1_000_000,
	}
}

// measureLimits: what a large price list and every limit of a user cost a call, and what one limited carrier costs all of them.
func (b *bench) measureLimits(ctx context.Context) error {
	var plain, limited, carried *database
	for _, made := range []struct {
		name string
		into **database
	}{{"plain", &plain}, {"limited", &limited}, {"carried", &carried}} {
		db, err := b.newDatabase(ctx, made.name)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		if err := db.addUsers(ctx, accounts); err != nil {
			return err
		}
		*made.into = db
	}
	tariffs, err := limited.bound(ctx)
	if err != nil {
		return err
	}
	pool, err := carried.pool(ctx)
	if err != nil {
		return err
	}
	rows, err := b.inTurn(ctx,
		contender{"no limits", pairsUnit, plain.load(plain.Lanes(), 0, callers, accounts)},
		contender{group(deckRates) + " rates and every limit of a user", pairsUnit, limited.load(limited.Lanes(), 0, callers, accounts, func(p *billing.Policy) {
			p.Rate, p.Country = tariffs.Rate, func(number string) string { return number[:3] }
		})},
		contender{"all calls over one limited carrier", pairsUnit, carried.load(carried.Lanes(), 0, callers, accounts, func(p *billing.Policy) {
			p.Pools = func(string) []int64 { return []int64{pool} }
			p.Route = func(_ models.User, number string, sell models.Rate, _ time.Time) ([]models.Attempt, error) {
				return []models.Attempt{{Carrier: 1, Name: "bench", Target: "PJSIP/" + number + "@bench", Buy: sell, Pool: pool}}, nil
			}
		})},
	)
	if err != nil {
		return err
	}
	for _, db := range []*database{plain, limited, carried} {
		if _, err := db.audit(ctx); err != nil {
			return err
		}
	}
	b.figures = append(
		b.figures,
		figure{
			name: "calls with " + group(deckRates) + " rates and every limit of a user, against none", goal: 0.9, unit: "×", got: rows[1].got.over(rows[0].got), rows: rows,
			remarks: []string{"The limits: " + string(must(json.Marshal(everyLimit()))) + "."},
		},
		figure{name: "calls that all go over one limited carrier, against none", goal: 0.65, unit: "×", got: rows[2].got.over(rows[0].got)},
	)
	return nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// bound gives a database a large price list, and every user all limits.
func (d *database) bound(ctx context.Context) (*tariff.Tariffs, error) {
	if _, err := d.AddDeck(ctx, models.RateDeck{Name: "bench", Currency: models.SEC, Zone: "UTC", Default: true}, "bench"); err != nil {
		return nil, err
	}
	v, err := d.ImportDeckVersion(ctx, "bench", "", "bench", eachDeckRate)
	if err != nil {
		return nil, err
	}
	if _, err := d.ActivateDeck(ctx, "bench", v.Number, time.Time{}, "bench"); err != nil {
		return nil, err
	}
	if err := d.sql(ctx, "UPDATE users SET limits = ?", string(must(json.Marshal(everyLimit())))); err != nil {
		return nil, err
	}
	tariffs := &tariff.Tariffs{}
	_, err = tariffs.Refresh(ctx, d)
	return tariffs, err
}

// pool makes a pool that is never full.
func (d *database) pool(ctx context.Context) (int64, error) {
	const id = 1
	return id, d.sql(ctx, "INSERT INTO pools (id, name, most) VALUES (?, 'carrier:1', 1000000)", id)
}

// sql runs one statement.
func (d *database) sql(ctx context.Context, statement string, args ...any) error {
	db, err := openSQL(d.dsn, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%.40s: %w", statement, err)
	}
	return nil
}
