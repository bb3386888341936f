package billing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestExplanationSaysWhatWasDone: a step speaks of truncation, increments and rounding as they were.
func TestExplanationSaysWhatWasDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate models.Rate
		want string
	}{
		"by the second": {models.SecondRate(), "6 s of talk, charged by the second; × 60 per minute ÷ 60"},
		"increments":    {models.Rate{Currency: "EUR", PerMinute: 600_000, First: 60, Increment: 6}, "6 s of talk in increments of 60/6: 60 s; × 0.6 per minute ÷ 60"},
		"rounded": {
			models.Rate{Currency: "EUR", PerMinute: 1, First: 1, Increment: 1},
			"6 s of talk, charged by the second; × 0.000001 per minute ÷ 60, rounded up to a millionth",
		},
	} {
		want := []string{"6.333 s were measured (the reducer, ANSWEREDTIME_MS); whole seconds count: 6 s", c.want}
		if got := steps(t, settled(models.Call{Rate: c.rate}, 6, answered("reducer", 6333))); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func settled(call models.Call, seconds int64, notes ...models.Evidence) models.Call {
	call.State, call.Seconds, call.Notes = models.CallSettled, seconds, notes
	return call
}

// steps are what the steps of all legs of a call do.
func steps(t *testing.T, call models.Call) []string {
	t.Helper()
	legs, err := billing.Explain(call)
	if err != nil {
		t.Fatal(err)
	}
	var does []string
	for _, leg := range legs {
		for _, step := range leg.Steps {
			does = append(does, step.Does)
		}
	}
	return does
}

// TestExplanationNamesTheMeasure: what the seconds were read from is named, and nothing is where that is not certain.
func TestExplanationNamesTheMeasure(t *testing.T) {
	t.Parallel()
	second := models.SecondRate()
	disputed := settled(models.Call{Rate: second, Disputed: 9}, 6, answered("reducer", 6333))
	for name, c := range map[string]struct {
		call models.Call
		want string
	}{
		"the caller's leg": {settled(models.Call{Rate: second}, 3, answered("caller", 3006), answered("reducer", 3010)), "3.006 s were measured (the caller's leg, ANSWEREDTIME_MS); whole seconds count: 3 s"},
		"a row":            {settled(models.Call{Rate: second}, 42, cdr("ANSWER", n(42))), "42 s were measured (the CDR database, billsec)"},
		"billsec of the leg": {
			settled(models.Call{Rate: second}, 4, redirected(0, 4), models.Evidence{Source: billing.SourceReducer, Over: true}), "4 s were measured (CDR(billsec))",
		},
		"a channel that was up before": {
			settled(models.Call{Rate: second, UpBefore: 8006}, 5, answered("caller", 13_106)),
			"5.1 s were measured (the caller's leg, ANSWEREDTIME_MS less the 8.006 s that the channel was up before); whole seconds count: 5 s",
		},
		"a channel that may have been up before": {
			settled(models.Call{Rate: second, UpBefore: -8000}, 5, answered("caller", 13_000)),
			"5 s were measured (the caller's leg, ANSWEREDTIME_MS less the 8 s that the channel may have been up before)",
		},
		"the callee's own answer": {
			settled(models.Call{Rate: second, UpBefore: -8000}, 4, marked(answered("caller", 13_006), 0, 9006, 13_010)),
			"4.004 s were measured (from the callee's answer to the end, on Asterisk's clock); whole seconds count: 4 s",
		},
		"no evidence is kept":        {settled(models.Call{Rate: second}, 6), "6 s of talk, charged by the second; × 60 per minute ÷ 60"},
		"evidence of something else": {settled(models.Call{Rate: second}, 6, answered("caller", 3006)), "6 s of talk, charged by the second; × 60 per minute ÷ 60"},
		"disputed":                   {disputed, "6 s of talk, charged by the second; × 60 per minute ÷ 60"},
	} {
		if got := steps(t, c.call)[0]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestExplanationOfAHold: what an open call holds is the price of its limit, without grace.
func TestExplanationOfAHold(t *testing.T) {
	t.Parallel()
	rate := models.Rate{Currency: "EUR", PerMinute: 6 * money.Unit, ConnectFee: money.Unit, First: 60, Increment: 6, Grace: 70}
	call := models.Call{State: models.CallOpen, Rate: rate, Limit: 66, Holds: []models.HoldPart{{AccountID: 1, Amount: 76 * money.Unit / 10}}}
	hold, err := billing.ExplainHold(call)
	if err != nil {
		t.Fatal(err)
	}
	if hold.Cost != call.Held() || len(hold.Steps) != 3 || hold.Rate != rate {
		t.Errorf("%+v", hold)
	}
	call.State = models.CallSettled
	if hold, err := billing.ExplainHold(call); hold != nil || err != nil {
		t.Errorf("a settled call: %v, %v", hold, err)
	}
}

// TestExplanationOfASlice says true words of a call that is kept.
func TestExplanationOfASlice(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	words := func(want string) {
		t.Helper()
		hold, err := billing.ExplainHold(k.call("pbx-1.1"))
		if err != nil || hold.Steps[0].Does != want || hold.Cost != k.call("pbx-1.1").Held() || strings.Contains(fmt.Sprint(hold.Steps), "earlier") {
			t.Errorf("%+v, %v; want %q", hold, err, want)
		}
	}
	k.permit("pbx-1.1", "1")
	words("the hold pays for 5 s of talk, and is extended while the call goes on")
	k.at(4)
	words("the hold pays for 10 s of talk, and is extended while the call goes on")
	k.wait(4)
	if _, err := k.ask("pbx-1.1", "1", 0); err != nil {
		t.Fatal(err)
	}
	words("the hold pays for 40 s of talk, the limit of the call")
}

// TestEnding: what was released says by whom, when and why.
func TestEnding(t *testing.T) {
	t.Parallel()
	ended := time.Date(2026, 3, 1, 11, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		call  models.Call
		actor string
		want  string
	}{
		{
			models.Call{State: models.CallReleased, SettledBy: billing.SourceReducer, Status: "BUSY", Ended: &ended},
			"",
			"Released by the reducer: nobody answered (BUSY). The call had ended by 2026-03-01 11:30:00 UTC. Nothing was charged, and",
		},
		{models.Call{State: models.CallReleased, SettledBy: billing.SourceCaller, Ended: &ended}, "", "Released by the caller's leg: the call was not made."},
		{
			models.Call{State: models.CallUnreconciled, SettledBy: billing.SourceOperator, Ended: &ended},
			"ops",
			`Released by the operator "ops" at 2026-03-01 11:30:00 UTC without anybody's word of how long was talked.`,
		},
		{models.Call{State: models.CallUnreconciled, SettledBy: billing.SourceOperator, Ended: &ended}, "", "Released by an operator at"},
		{models.Call{State: models.CallUnreconciled, SettledBy: billing.SourceReconciler, Ended: &ended}, "", "Released by the reconciler at"},
		{
			models.Call{State: models.CallUnreconciled, SettledBy: billing.SourceReducer, Unauthorized: true, Ended: &ended},
			"",
			"Reported by the reducer at 2026-03-01 11:30:00 UTC, and never authorised. Nothing was held and nothing charged: it is not known who called.",
		},
		{
			models.Call{State: models.CallUnreconciled, SettledBy: billing.SourceReducer, UserID: 7, Unauthorized: true, Ended: &ended},
			"",
			"Reported by the reducer at 2026-03-01 11:30:00 UTC, and never authorised. Nothing was held and nothing charged; further evidence may",
		},
	} {
		if text := billing.Ending(c.call, c.actor, time.UTC); !strings.HasPrefix(text, c.want) {
			t.Errorf("%q, want %q", text, c.want)
		}
	}
	for _, state := range []models.CallState{models.CallOpen, models.CallSettled, models.CallEmergency} {
		if text := billing.Ending(models.Call{State: state, Ended: &ended}, "", time.UTC); text != "" {
			t.Errorf("%s: %q", state, text)
		}
	}
}

// TestCarriersOfACall: those that were tried, and what became of the last one.
func TestCarriersOfACall(t *testing.T) {
	t.Parallel()
	attempts := []models.Attempt{{Name: "alpha", Target: "PJSIP/1@alpha"}, {Name: "beta", Target: "PJSIP/1@beta"}, {Name: "gamma"}}
	to := func(state models.CallState, status string, at int) models.Call {
		return models.Call{State: state, Status: status, Routing: models.Routing{Attempts: attempts, At: at}}
	}
	for _, test := range []struct {
		name   string
		call   models.Call
		names  string
		result string
	}{
		{"no route", models.Call{State: models.CallSettled}, "", ""},
		{"the first, in progress", to(models.CallOpen, "", 0), "alpha", "is the one the call was given to"},
		{"answered by the second", to(models.CallSettled, "ANSWER", 1), "alpha beta", "took the call"},
		{"nobody answered", to(models.CallReleased, "NOANSWER", 1), "alpha beta", "took the call, which nobody answered"},
		{"none could", to(models.CallReleased, "CONGESTION", 2), "alpha beta gamma", "could not take the call"},
		{"never dialled", to(models.CallReleased, "", 0), "alpha", "is the one the call was given to"},
	} {
		if got := strings.Join(billing.CarrierNames(test.call), " "); got != test.names {
			t.Errorf("%s: %q, want %q", test.name, got, test.names)
		}
		tried := billing.Carriers(test.call)
		for i, c := range tried {
			want := "could not take the call, or had no room for it"
			if i == len(tried)-1 {
				want = test.result
			}
			if c.Result != want || c.Target != attempts[i].Target {
				t.Errorf("%s: %+v, want %q", test.name, c, want)
			}
		}
	}
}
