package billing_test

import (
	"fmt"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestLeft: calls that somebody extends share what their user has; the others last as long as they hold.
func TestLeft(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	call := func(keeper, limit int64, elapsed time.Duration) billing.Lasting {
		c := models.Call{UserID: 1, State: models.CallOpen, Keeper: keeper, Limit: limit, Slice: 5}
		c.Rate = models.Rate{Currency: "EUR", PerMinute: 60 * money.Unit, First: 1, Increment: 1} // a unit a second
		c.Holds = []models.HoldPart{{AccountID: 7, Amount: money.Amount(limit) * money.Unit}}
		return billing.Lasting{Call: c, Elapsed: elapsed}
	}
	slow := call(9, 5, time.Second)
	slow.Rate.PerMinute, slow.Holds[0].Amount = 30*money.Unit, 2_500_000
	cut := call(9, 10, 3*time.Second)
	cut.Cut = billing.CutBlocked
	other := call(9, 10, 3*time.Second)
	other.Rate.Currency, other.Holds = "USD", []models.HoldPart{{AccountID: 8, Amount: 10 * money.Unit}}
	for _, tt := range []struct {
		name    string
		balance int64
		limits  *models.Limits
		calls   []billing.Lasting
		want    string
	}{
		{"one call has it all", 40, nil, []billing.Lasting{call(9, 10, 3500*time.Millisecond)}, "[37]"},
		{"before the answer", 40, nil, []billing.Lasting{call(9, 10, 0)}, "[40]"},
		{"nobody extends it", 40, nil, []billing.Lasting{call(0, 10, 3*time.Second)}, "[7]"},
		{"two share", 40, nil, []billing.Lasting{call(9, 10, 6*time.Second), call(9, 5, time.Second)}, "[17 16]"},
		{"two rates share", 40, nil, []billing.Lasting{call(9, 10, 4*time.Second), slow}, "[24 23]"},
		{"beside one that is held as a whole", 40, nil, []billing.Lasting{call(9, 10, 4*time.Second), call(0, 20, 0)}, "[16 20]"},
		{"nothing but what is held", 10, nil, []billing.Lasting{call(9, 10, 4*time.Second)}, "[6]"},
		{"no longer than calls may last", 100_000, nil, []billing.Lasting{call(9, 10, 4*time.Second)}, "[3596]"},
		{"no longer than his calls may last", 100_000, &models.Limits{Seconds: 60}, []billing.Lasting{call(9, 10, 4*time.Second)}, "[56]"},
		{"no dearer than his calls may be in an hour", 100_000, &models.Limits{Hour: 30 * money.Unit}, []billing.Lasting{call(9, 10, 4*time.Second)}, "[26]"},
		{"a limit that forbids it by now", 40, &models.Limits{Seconds: 3}, []billing.Lasting{call(9, 10, 4*time.Second)}, "[0]"},
		{"about to be cut", 40, nil, []billing.Lasting{cut}, "[7]"},
		{"another currency", 40, nil, []billing.Lasting{call(9, 10, 4*time.Second), other}, "[36 17]"},
		{"over", 10, nil, []billing.Lasting{call(9, 10, time.Minute)}, "[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			accounts := []models.Account{
				{ID: 7, UserID: 1, Name: models.MainAccount, Currency: "EUR", Status: models.AccountActive, Balance: money.Amount(tt.balance) * money.Unit, Held: 5 * money.Unit, Hour: 1},
				{ID: 8, UserID: 1, Name: models.MainAccount, Currency: "USD", Status: models.AccountActive, Balance: 20 * money.Unit},
			}
			p := billing.Policy{MaxCallSeconds: 3600, Slice: 5}
			left, err := p.Left(models.User{ID: 1, Currency: "EUR", Limits: tt.limits}, accounts, tt.calls, now)
			if got := fmt.Sprint(left); err != nil || got != tt.want {
				t.Errorf("%s, %v, want %s", got, err, tt.want)
			}
			if accounts[0].Held != 5*money.Unit {
				t.Error("the accounts were changed")
			}
		})
	}
}

// TestLeftBlocked: of an account that is blocked nothing is left, for its calls are about to end.
func TestLeftBlocked(t *testing.T) {
	t.Parallel()
	c := billing.Lasting{Call: models.Call{UserID: 1, State: models.CallOpen, Keeper: 9, Limit: 10, Rate: models.Rate{Currency: "EUR", PerMinute: money.Unit}}}
	accounts := []models.Account{{ID: 7, UserID: 1, Name: models.MainAccount, Currency: "EUR", Status: models.AccountBlocked, Balance: money.Unit}}
	left, err := billing.Policy{MaxCallSeconds: 3600}.Left(models.User{ID: 1, Currency: "EUR"}, accounts, []billing.Lasting{c}, time.Now())
	if err != nil || left[0] != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestCutWords(t *testing.T) {
	t.Parallel()
	for cut, want := range map[string]string{
		"": "", billing.CutBlocked: "the account was blocked.", billing.CutNoRate: "its number had no rate any more.", billing.CutLimit: "a limit of the user forbade it by then.", "else": "else.",
	} {
		if want != "" {
			want = "It was ended while it went on: " + want
		}
		if got := billing.CutWords(models.Call{Cut: cut}); got != want {
			t.Errorf("%q: %q", cut, got)
		}
	}
}
