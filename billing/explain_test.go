package billing_test

import (
	"testing"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestExplanationAddsUp: the steps of a price are the price, and the prices of the legs are the charge.
func TestExplanationAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := func() models.Rate {
			amount := rapid.Int64Range(0, 10_000_000)
			return models.Rate{
				Currency: "EUR", PerMinute: money.Amount(amount.Draw(t, "per minute")), ConnectFee: money.Amount(amount.Draw(t, "fee")),
				Minimum: money.Amount(amount.Draw(t, "minimum")), First: rapid.Int64Range(0, 90).Draw(t, "first"),
				Increment: rapid.Int64Range(0, 90).Draw(t, "increment"), Grace: rapid.Int64Range(0, 5).Draw(t, "grace"),
			}
		}
		seconds := rapid.Int64Range(0, 7200)
		call := models.Call{Rate: rate(), Seconds: seconds.Draw(t, "seconds")}
		for range rapid.IntRange(0, 3).Draw(t, "legs") {
			leg := models.Leg{Rate: rate(), Seconds: rapid.Int64Range(0, call.Seconds).Draw(t, "of leg")}
			call.Legs = append(call.Legs, leg)
			call.Seconds += leg.Seconds
		}
		want, err := billing.CallCost(call)
		if err != nil {
			t.Fatal(err)
		}
		legs, err := billing.Explain(call)
		if err != nil {
			t.Fatal(err)
		}
		var total money.Amount
		for _, leg := range legs {
			var sum money.Amount
			for _, step := range leg.Steps {
				sum += step.Amount
			}
			if sum != leg.Cost {
				t.Fatalf("the steps %+v add up to %s, not %s", leg.Steps, sum, leg.Cost)
			}
			total += sum
		}
		if total != want {
			t.Fatalf("the legs add up to %s, the charge is %s", total, want)
		}
	})
}
