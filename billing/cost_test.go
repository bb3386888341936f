package billing_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

func amount(t testing.TB, s string) money.Amount {
	t.Helper()
	a, err := money.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCost(t *testing.T) {
	t.Parallel()
	perMinute := func(price string, first, step int64) models.Rate {
		return models.Rate{Currency: "EUR", PerMinute: amount(t, price), First: first, Increment: step}
	}
	with := func(r models.Rate, change func(*models.Rate)) models.Rate { change(&r); return r }
	for name, c := range map[string]struct {
		rate    models.Rate
		seconds int64
		want    string
	}{
		"a SEC for each second":                    {models.SecondRate(), 42, "42"},
		"no talk costs no SEC":                     {models.SecondRate(), 0, "0"},
		"30/6: one second pays the first 30":       {perMinute("0.60", 30, 6), 1, "0.3"},
		"30/6: exactly 30":                         {perMinute("0.60", 30, 6), 30, "0.3"},
		"30/6: 31 pays 36":                         {perMinute("0.60", 30, 6), 31, "0.36"},
		"30/6: 36 pays 36":                         {perMinute("0.60", 30, 6), 36, "0.36"},
		"60/60: 61 pays two minutes":               {perMinute("0.25", 60, 60), 61, "0.5"},
		"a fraction of a millionth is rounded up":  {perMinute("0.0001", 1, 1), 1, "0.000002"}, // 1.67
		"rounded once, not for each increment":     {perMinute("0.0001", 1, 1), 3, "0.000005"},
		"connect fee is charged once":              {with(perMinute("0.6", 1, 1), func(r *models.Rate) { r.ConnectFee = amount(t, "0.05") }), 10, "0.15"},
		"connect fee is due without a second":      {with(perMinute("0.6", 1, 1), func(r *models.Rate) { r.ConnectFee = amount(t, "0.05") }), 0, "0.05"},
		"minimum lifts a short call":               {with(perMinute("0.6", 1, 1), func(r *models.Rate) { r.Minimum = amount(t, "0.2") }), 10, "0.2"},
		"minimum does not add to a long call":      {with(perMinute("0.6", 1, 1), func(r *models.Rate) { r.Minimum = amount(t, "0.2") }), 30, "0.3"},
		"talk within the grace is free":            {with(perMinute("0.6", 60, 60), func(r *models.Rate) { r.Grace, r.ConnectFee = 3, money.Unit }), 3, "0"},
		"past the grace all of it counts":          {with(perMinute("0.6", 1, 1), func(r *models.Rate) { r.Grace = 3 }), 4, "0.04"},
		"increments of zero are taken as a second": {perMinute("0.6", 0, 0), 7, "0.07"},
	} {
		got, err := billing.Cost(c.rate, c.seconds)
		if want := amount(t, c.want); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestCostRefusesWhatItCannotSay(t *testing.T) {
	t.Parallel()
	if _, err := billing.Cost(models.SecondRate(), -1); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("negative seconds: %v", err)
	}
	dear := models.Rate{PerMinute: money.Max, First: 1, Increment: 1}
	if _, err := billing.Cost(dear, 61); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("overflow: %v", err)
	}
	if got := billing.Affordable(dear, money.Max, 7200); got != 60 {
		t.Errorf("the largest amount affords %d seconds at the largest price, want 60", got)
	}
}

func TestAffordable(t *testing.T) {
	t.Parallel()
	grace := models.Rate{PerMinute: 60 * money.Unit, First: 10, Increment: 10, Grace: 30}
	free := models.Rate{First: 60, Increment: 60}
	for name, c := range map[string]struct {
		rate          models.Rate
		amount        money.Amount
		limit, wanted int64
	}{
		"a second for each SEC":                   {models.SecondRate(), 180 * money.Unit, 7200, 180},
		"the call maximum":                        {models.SecondRate(), 180 * money.Unit, 60, 60},
		"a part of a second is none":              {models.SecondRate(), money.Unit - 1, 60, 0},
		"nothing":                                 {models.SecondRate(), 0, 60, 0},
		"debt":                                    {models.SecondRate(), -5, 60, 0},
		"grace never counts":                      {grace, 9 * money.Unit, 7200, 0},
		"whole increments only":                   {grace, 29 * money.Unit, 7200, 20},
		"whole increments within the maximum":     {grace, 1000 * money.Unit, 55, 50},
		"first increment longer than the maximum": {models.Rate{PerMinute: 1, First: 60, Increment: 1}, money.Max, 30, 0},
		"a price of zero affords the maximum":     {free, 0, 7201, 7201},
		"no time allowed":                         {free, 0, 0, 0},
	} {
		if got := billing.Affordable(c.rate, c.amount, c.limit); got != c.wanted {
			t.Errorf("%s: got %d, want %d", name, got, c.wanted)
		}
	}
}

func anyRate(t *rapid.T) models.Rate {
	price := rapid.OneOf(rapid.Int64Range(0, 5_000_000), rapid.Int64Range(0, int64(money.Max)))
	return models.Rate{
		PerMinute:  money.Amount(price.Draw(t, "per_minute")),
		ConnectFee: money.Amount(rapid.Int64Range(0, 2_000_000).Draw(t, "connect_fee")),
		Minimum:    money.Amount(rapid.Int64Range(0, 2_000_000).Draw(t, "minimum")),
		First:      rapid.Int64Range(1, 120).Draw(t, "first"),
		Increment:  rapid.Int64Range(1, 120).Draw(t, "increment"),
		Grace:      rapid.Int64Range(0, 60).Draw(t, "grace"),
	}
}

// TestAffordableIsPaidFor: what is affordable costs at most the amount, and one increment more would not.
func TestAffordableIsPaidFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := anyRate(t)
		have := money.Amount(rapid.OneOf(rapid.Int64Range(0, 100_000_000), rapid.Int64()).Draw(t, "amount"))
		limit := rapid.Int64Range(1, 86400).Draw(t, "limit")
		got := billing.Affordable(rate, have, limit)
		if got < 0 || got > limit {
			t.Fatalf("%d is outside 0…%d", got, limit)
		}
		ungraced := rate
		ungraced.Grace = 0
		if got > 0 {
			cost, err := billing.Cost(ungraced, got)
			if err != nil || cost > have && cost != 0 {
				t.Fatalf("%d seconds cost %s, %v, of %s", got, cost, err, have)
			}
		}
		next := rate.First
		if got > 0 {
			next = got + rate.Increment
		}
		if next > limit {
			return
		}
		if cost, err := billing.Cost(ungraced, next); err == nil && cost <= have {
			t.Fatalf("%d seconds would cost %s of %s, but only %d were afforded", next, cost, have, got)
		}
	})
}

func TestCostNeverFalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := anyRate(t)
		seconds := rapid.Int64Range(0, 86400).Draw(t, "seconds")
		more := seconds + rapid.Int64Range(0, 1000).Draw(t, "more")
		a, errA := billing.Cost(rate, seconds)
		b, errB := billing.Cost(rate, more)
		if errA != nil && errB == nil || errB == nil && a > b || a < 0 {
			t.Fatalf("cost(%d) = %s, %v; cost(%d) = %s, %v", seconds, a, errA, more, b, errB)
		}
	})
}

func FuzzAffordable(f *testing.F) {
	f.Add(int64(60_000_000), int64(0), int64(0), int64(1), int64(1), int64(0), int64(180_000_000), int64(7200))
	f.Fuzz(func(t *testing.T, perMinute, connect, minimum, first, step, grace, have, limit int64) {
		if perMinute < 0 || connect < 0 || minimum < 0 || limit > 86400 || first > 86400 || step > 86400 {
			return
		}
		rate := models.Rate{
			PerMinute: money.Amount(perMinute), ConnectFee: money.Amount(connect),
			Minimum: money.Amount(minimum), First: first, Increment: step, Grace: grace,
		}
		got := billing.Affordable(rate, money.Amount(have), limit)
		if got == 0 {
			return
		}
		cost, err := billing.Cost(rate, got)
		if err != nil || cost > 0 && cost > money.Amount(have) || got > limit {
			t.Fatalf("afforded %d of at most %d, cost %s, %v, have %d", got, limit, cost, err, have)
		}
	})
}

func ExampleCost() {
	perMinute, _ := money.Parse("0.12")
	rate := models.Rate{Currency: "EUR", PerMinute: perMinute, First: 30, Increment: 6}
	for _, seconds := range []int64{1, 30, 31, 60} {
		cost, _ := billing.Cost(rate, seconds)
		fmt.Println(seconds, "s →", billing.BilledSeconds(rate, seconds), "s →", cost, rate.Currency)
	}
	// Output:
	// 1 s → 30 s → 0.06 EUR
	// 30 s → 30 s → 0.06 EUR
	// 31 s → 36 s → 0.072 EUR
	// 60 s → 60 s → 0.12 EUR
}
