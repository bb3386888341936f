package billing_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// countryOf takes the first three digits for the code of a country, but for numbers that begin with 0.
func countryOf(number string) string {
	if strings.HasPrefix(number, "0") || len(number) < 7 {
		return ""
	}
	return number[:3]
}

// limited is a desk whose Marta has limits.
func limited(t testing.TB, l models.Limits, edit ...func(*billing.Options)) *desk {
	t.Helper()
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, append([]func(*billing.Options){with(func(p *billing.Policy) { p.Country = countryOf })}, edit...)...)
	d.limit(l)
	return d
}

func (d *desk) limit(l models.Limits) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	u := d.store.users[d.marta.ID]
	u.Limits = &l
	d.store.users[d.marta.ID] = u
}

// shared has the calls of some users count in a pool.
func (d *desk) shared(most int64, users ...models.User) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.pools[77] = models.Pool{ID: 77, Name: "group:7", Most: most}
	for _, u := range users {
		d.store.poolsOf[u.ID] = []int64{77}
	}
}

// forbids expects that a rule refuses a call, and that nothing changes but the record.
func (d *desk) forbids(rule, callID, number, reason string) {
	d.Helper()
	d.store.mu.Lock()
	accounts, calls, pools, posted, refusals := maps.Clone(d.store.accounts), len(d.store.calls), maps.Clone(d.store.pools), len(d.store.posted), len(d.store.refused)
	d.store.mu.Unlock()
	before := d.call(callID)
	_, err := d.Authorize(d.Context(), d.request(callID, number))
	var refusal *billing.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, billing.ErrLimit) || refusal.Rule != rule || !strings.Contains(refusal.Reason, reason) {
		d.Fatalf("%s to %s: got %v, want %s to refuse it: %s", callID, number, err, rule, reason)
	}
	if got := billing.StatusOf(err); got != "LIMIT" {
		d.Errorf("the status is %s", got)
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if !maps.Equal(accounts, d.store.accounts) || calls != len(d.store.calls) || !maps.Equal(pools, d.store.pools) || posted != len(d.store.posted) {
		d.Errorf("a refusal by %s changed something: %+v, before %+v", rule, d.store.accounts, accounts)
	}
	if after := d.store.calls[callID]; after.Number != before.Number || after.Held() != before.Held() || after.Dials != before.Dials {
		d.Errorf("a refusal by %s changed the call: %+v, before %+v", rule, after, before)
	}
	last := models.Refused{}
	if n := len(d.store.refused); n == refusals+1 {
		last = d.store.refused[n-1]
	}
	want := models.Refused{
		At: d.clock, UserID: d.marta.ID, CallID: callID, CallerID: martaCLID, Number: number, Status: "LIMIT", Rule: rule, Reason: refusal.Reason,
	}
	if last != want {
		d.Errorf("the record is %+v, want %+v", last, want)
	}
}

func (d *desk) talk(callID, number string, seconds int64) {
	d.Helper()
	auth := d.authorize(callID, number)
	d.settle(auth.CallID, answered(billing.SourceReducer, seconds*1000))
}

func units(n int64) money.Amount { return money.Amount(n) * money.Unit }

func window(t testing.TB, text string) models.Window {
	t.Helper()
	var w models.Window
	if err := w.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Calls: 2, Seconds: 10})
	d.authorize("a", abroad)
	d.authorize("b", abroad)
	d.forbids(models.RuleCalls, "c", abroad, "2 calls at once")
	d.authorize("a", abroad) // the same again is no further call
	d.settle("a", unanswered(billing.SourceReducer, "BUSY", 17))
	d.authorize("c", abroad)
	d.forbids(models.RuleCalls, "d", abroad, "2 calls at once")
	if got := d.account(d.marta).OpenCalls; got != 2 {
		t.Errorf("%d calls are counted", got)
	}
	d.authorize("c", joelCLID) // redirected: no further call either
	d.settle("b", answered(billing.SourceReducer, 3000))
	d.settle("c", answered(billing.SourceReducer, 3000))
	if got := d.account(d.marta).OpenCalls; got != 0 {
		t.Errorf("%d calls are counted when all have ended", got)
	}
}

func TestGroupCalls(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Seconds: 10})
	d.shared(2, d.marta, d.joel)
	d.topUp("joel", 50)
	d.authorize("a", abroad)
	if _, err := d.Authorize(t.Context(), of(joelCLID, "b")); err != nil {
		t.Fatal(err)
	}
	d.forbids(models.RuleGroupCalls, "c", abroad, "group's limit of 2 calls at once")
	if _, err := d.Authorize(t.Context(), of(joelCLID, "c")); !errors.Is(err, billing.ErrLimit) {
		t.Errorf("Joel's second call: %v", err)
	}
	d.authorize("a", joelCLID) // a redirect is no further call
	if got := d.store.pools[77].Calls; got != 2 {
		t.Errorf("%d calls are counted", got)
	}
	d.settle("a", answered(billing.SourceReducer, 1000))
	d.authorize("c", abroad)
	d.settle("c", unanswered(billing.SourceReducer, "CANCEL", 127))
	d.settle("b", unanswered(billing.SourceReducer, "CANCEL", 127))
	if got := d.store.pools[77].Calls; got != 0 {
		t.Errorf("%d calls are counted when all have ended", got)
	}
}

// TestSecondsOfACall: a limit that is shorter than what is billed at least leaves no call at all.
func TestSecondsOfACall(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Seconds: 7})
	if auth := d.authorize("a", abroad); auth.Seconds != 7 {
		t.Errorf("he may talk for %d s", auth.Seconds)
	}
	thirty := func(models.User, string, time.Time) (models.Rate, error) {
		r := models.SecondRate()
		r.First, r.Increment = 30, 6
		return r, nil
	}
	d = limited(t, models.Limits{Seconds: 29}, with(func(p *billing.Policy) { p.Rate = thirty }))
	d.forbids(models.RuleSeconds, "a", abroad, "29 seconds, which is less than the first that are billed")
	d.limit(models.Limits{Seconds: 35})
	if auth := d.authorize("a", abroad); auth.Seconds != 30 {
		t.Errorf("he may talk for %d s", auth.Seconds)
	}
}

// TestSpendingByTheHour: what calls have cost counts, and what those in progress hold; until the clock strikes.
func TestSpendingByTheHour(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Hour: units(50)})
	if auth := d.authorize("a", abroad); auth.Seconds != 50 {
		t.Errorf("he may talk for %d s", auth.Seconds)
	}
	d.forbids(models.RuleHour, "b", abroad, "the limit of 50 for calls in an hour")
	d.wait(20)
	d.settle("a", answered(billing.SourceReducer, 20_000))
	if auth := d.authorize("b", abroad); auth.Seconds != 30 {
		t.Errorf("he may talk for %d s after 20", auth.Seconds)
	}
	d.settle("b", answered(billing.SourceReducer, 30_000))
	d.forbids(models.RuleHour, "c", abroad, "in an hour")
	d.wait(3600)
	if auth := d.authorize("c", abroad); auth.Seconds != 50 {
		t.Errorf("he may talk for %d s in the next hour", auth.Seconds)
	}
	d.wait(3600) // the call reaches into an hour in which it is not paid yet: what it holds counts there
	d.forbids(models.RuleHour, "d", abroad, "in an hour")
	d.settle("c", answered(billing.SourceReducer, 50_000))
	d.forbids(models.RuleHour, "d", abroad, "in an hour")
	if len(d.store.notices) == 0 || d.store.notices[0].Kind != models.NoticeBrake {
		t.Errorf("the notices are %+v", d.store.notices)
	}
}

func TestSpendingByTheDay(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Hour: units(50), Day: units(70)})
	d.talk("a", abroad, 50)
	d.wait(3600) // 23:00
	if auth := d.authorize("b", abroad); auth.Seconds != 20 {
		t.Errorf("he may talk for %d s", auth.Seconds)
	}
	d.settle("b", answered(billing.SourceReducer, 20_000))
	d.forbids(models.RuleDay, "c", abroad, "the limit of 70 for calls in a day")
	d.wait(3599)
	d.forbids(models.RuleDay, "c", abroad, "in a day")
	d.wait(1)
	if auth := d.authorize("c", abroad); auth.Seconds != 50 {
		t.Errorf("he may talk for %d s on the next day", auth.Seconds)
	}
}

// TestHoursOfTheZone: in Berlin, the hour from two to three is twice as long when summer time ends, and there is none when it
// begins; and the day is another one than in UTC.
func TestHoursOfTheZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	d := limited(t, models.Limits{Hour: units(10), Day: units(45)}, with(func(p *billing.Policy) { p.Location = berlin }))
	d.clock = time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 02:30 in summer
	d.talk("a", abroad, 10)
	d.wait(3600) // 02:30 in winter
	d.forbids(models.RuleHour, "b", abroad, "in an hour")
	d.wait(1800) // 03:00
	d.talk("b", abroad, 10)

	d.clock = time.Date(2027, 3, 28, 0, 59, 59, 0, time.UTC) // 01:59:59 in winter
	d.talk("c", abroad, 10)
	d.wait(1) // 03:00 in summer
	d.talk("d", abroad, 10)
	d.clock = time.Date(2027, 3, 28, 20, 0, 0, 0, time.UTC) // 22:00
	d.talk("e", abroad, 10)
	d.clock = time.Date(2027, 3, 28, 21, 59, 59, 0, time.UTC) // 23:59:59
	d.talk("f", abroad, 10)
	d.clock = time.Date(2027, 3, 28, 22, 0, 0, 0, time.UTC) // midnight
	d.talk("g", abroad, 10)
}

// TestClocksApart: a process whose clock is a little behind goes on to count in the hour that another one has begun.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Hour: units(30), Premium: []string{"900"}, PremiumCalls: 1})
	d.clock = time.Date(2026, 11, 21, 0, 0, 5, 0, time.UTC)
	d.talk("a", "9001234", 30)
	d.wait(-10)
	d.forbids(models.RulePremium, "b", "9001234", "1 calls a day")
	d.forbids(models.RuleHour, "b", abroad, "in an hour")
	d.wait(10)
	d.forbids(models.RuleHour, "b", abroad, "in an hour")
	d.wait(-3600) // that is no clock that is a little behind
	d.talk("b", abroad, 30)
}

// TestHoldsBeyondTheHour: what a call costs above its hold counts too.
func TestHoldsBeyondTheHour(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Hour: units(20)})
	d.authorize("a", abroad)
	d.settle("a", answered(billing.SourceReducer, 25_000))
	if got := d.account(d.marta).SpentHour; got != units(25) {
		t.Errorf("%s are counted", got)
	}
	d.forbids(models.RuleHour, "b", abroad, "in an hour")
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Calls: 100, Seconds: 1, Blocked: []string{"49", "59899"}, Allowed: []string{"59", "4930", "598991"}})
	for i, c := range []struct{ number, rule string }{
		{"4917112345", models.RuleBlocked},
		{"+4917112345", models.RuleBlocked},
		{"493012345", ""}, // the longest decides
		{"+493012345", ""},
		{"4420712345", models.RuleAllowed}, // none fits
		{"5980001", ""},
		{"598990001", models.RuleBlocked},
		{"598991001", ""},
		{"5", models.RuleAllowed},
	} {
		id := fmt.Sprint("c", i)
		if c.rule == "" {
			d.authorize(id, c.number)
		} else {
			d.forbids(c.rule, id, c.number, "number")
		}
	}
	d.limit(models.Limits{Blocked: []string{"4930"}, Seconds: 1})
	d.authorize("x", "4917112345")
	d.forbids(models.RuleBlocked, "y", "4930", "numbers that begin like this are blocked")
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Seconds: 1, Quiet: []models.Window{window(t, "22:00-06:00"), window(t, "sat 12:00-13:00")}})
	day := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) } // the 20th is a Friday
	for i, c := range []struct {
		at    time.Time
		quiet string
	}{
		{day(20, 21, 59), ""},
		{day(20, 22, 0), "22:00-06:00"},
		{day(20, 23, 59), "22:00-06:00"},
		{day(21, 0, 0), "22:00-06:00"},
		{day(21, 5, 59), "22:00-06:00"},
		{day(21, 6, 0), ""},
		{day(21, 12, 0), "sat 12:00-13:00"},
		{day(21, 13, 0), ""},
		{day(22, 12, 0), ""},
	} {
		d.clock = c.at
		if id := fmt.Sprint("q", i); c.quiet == "" {
			d.talk(id, abroad, 1)
		} else {
			d.forbids(models.RuleQuiet, id, abroad, "quiet hours "+c.quiet)
		}
	}
}

func TestPremiumCalls(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Seconds: 1, Premium: []string{"900", "0900"}, PremiumCalls: 2})
	d.talk("a", "9001234", 1)
	d.talk("b", "+4930123456", 1)
	d.talk("c", "09001234", 1)
	d.forbids(models.RulePremium, "d", "9005678", "2 calls a day to premium numbers")
	d.talk("d", "4930123456", 1)
	d.wait(2 * 3600) // the next day
	d.talk("e", "9005678", 1)
	d.limit(models.Limits{Premium: []string{"900"}})
	d.forbids(models.RulePremium, "f", "9005678", "0 calls a day")
}

func TestNewCountries(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Seconds: 1, NewCountries: n(2)})
	d.talk("a", "4911234567", 1)
	d.talk("b", "4921234567", 1)
	d.talk("c", "4911234567", 1) // known
	d.talk("d", "0301234567", 1) // at home
	d.talk("e", joelCLID, 1)     // a subscriber
	d.forbids(models.RuleNewCountries, "f", "4931234567", "country code 493 is new, and the limit of 2 new countries a day")
	d.wait(2 * 3600) // the next day
	d.talk("f", "4931234567", 1)
	d.talk("g", "4941234567", 1)
	d.forbids(models.RuleNewCountries, "h", "4951234567", "495")
	d.limit(models.Limits{NewCountries: n(0)})
	d.talk("h", "4911234567", 1)
	d.forbids(models.RuleNewCountries, "i", "4961234567", "0 new countries")
}

// TestRedirectIsLimited: a channel that dials on under its hold is no further call, but it may reach no more than a new one.
func TestRedirectIsLimited(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Calls: 1, Hour: units(40), Blocked: []string{"900"}, Premium: []string{"800"}, PremiumCalls: 1, NewCountries: n(1)})
	d.shared(1, d.marta)
	d.authorize("a", "4911234567")
	d.wait(10)
	d.forbids(models.RuleBlocked, "a", "9001234", "blocked")
	d.forbids(models.RuleNewCountries, "a", "4921234567", "new countries")
	if auth := d.authorize("a", "4911111111"); !auth.Repeated || auth.Leg != 1 || auth.Seconds != 30 {
		t.Errorf("redirected: %+v", auth) // ten of the forty may have been talked
	}
	if got, pool := d.account(d.marta).OpenCalls, d.store.pools[77].Calls; got != 1 || pool != 1 {
		t.Errorf("%d and %d calls are counted", got, pool)
	}
	d.wait(5)
	if auth := d.authorize("a", "0800"); auth.Leg != 2 || auth.Seconds != 25 {
		t.Errorf("redirected again: %+v", auth)
	}
	d.wait(26) // nothing of the hour is left
	d.forbids(models.RuleHour, "a", "4911234567", "in an hour")
	d.settle("a", answered(billing.SourceReducer, 40_000))
}

// TestEmergencyPassesLimits: nothing bounds a call for help.
func TestEmergencyPassesLimits(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{Calls: 1, Allowed: []string{"49"}, Quiet: []models.Window{window(t, "00:00-00:00")}, NewCountries: n(0)})
	d.shared(1, d.marta)
	d.forbids(models.RuleQuiet, "a", "491234567", "quiet")
	if _, ok, err := d.Emergency(d.request("b", "112")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := d.RecordEmergency(t.Context(), d.request("b", "112")); err != nil {
		t.Fatal(err)
	}
	if got, pool := d.account(d.marta).OpenCalls, d.store.pools[77].Calls; got != 0 || pool != 0 {
		t.Errorf("%d and %d calls are counted", got, pool)
	}
}

// TestUnknownCallersLeaveNoRecord: they could fill the database.
func TestUnknownCallersLeaveNoRecord(t *testing.T) {
	t.Parallel()
	d := limited(t, models.Limits{})
	if _, err := d.Authorize(t.Context(), of("555999", "a")); !errors.Is(err, billing.ErrUnknownCaller) {
		t.Fatal(err)
	}
	if _, err := d.Authorize(t.Context(), of(joelCLID, "b")); !errors.Is(err, billing.ErrInsufficientFunds) {
		t.Fatal(err)
	}
	if len(d.store.refused) != 1 || d.store.refused[0].Status != "NOCREDIT" || d.store.refused[0].Rule != "" || d.store.refused[0].UserID != d.joel.ID {
		t.Errorf("the records are %+v", d.store.refused)
	}
}

// TestLimitsHold: whatever is authorised, settled and given up in whatever order, no hour's charges exceed the limit of an hour,
// nor do the calls at once, and the counters are what they count.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := models.Limits{
			Calls: rapid.Int64Range(1, 4).Draw(t, "calls"), Hour: units(rapid.Int64Range(1, 300).Draw(t, "hour")), Day: units(rapid.Int64Range(1, 900).Draw(t, "day")),
		}
		m := newMemory()
		clock := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
		service := billing.New(billing.Options{Store: m, Policy: policy(), Now: func() time.Time { return clock }})
		defer service.Close()
		most := rapid.Int64Range(1, 5).Draw(t, "shared")
		m.pools[77] = models.Pool{ID: 77, Most: most}
		clids := []string{"5550001", "5550002"}
		for i, clid := range clids {
			u := m.addUser(fmt.Sprint("user", i), clid, "")
			u.Limits = &limits
			m.users[u.ID] = u
			m.poolsOf[u.ID] = []int64{77}
			if _, err := service.Move(t.Context(), billing.Movement{Username: u.Username, Amount: units(100_000), Ref: u.Username}); err != nil {
				t.Fatal(err)
			}
		}
		started := map[string]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"authorize": func(t *rapid.T) {
				clid := rapid.SampledFrom(clids).Draw(t, "caller")
				id := fmt.Sprint(clid, "-", rapid.IntRange(1, 12).Draw(t, "channel"))
				req := billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: rapid.SampledFrom([]string{"491", "492"}).Draw(t, "number")}
				auth, err := service.Authorize(t.Context(), req)
				var refusal *billing.Refusal
				if err != nil && !errors.As(err, &refusal) {
					t.Fatal(err)
				}
				if err == nil {
					started[auth.CallID] = true
				}
			},
			"settle": func(t *rapid.T) {
				if len(started) == 0 {
					return
				}
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(started))).Draw(t, "call")
				call := m.calls[id]
				talked := rapid.Int64Range(0, max(call.Limit, 0)).Draw(t, "seconds") * 1000
				e := answered(billing.SourceReducer, talked)
				e.Leg = len(call.Legs)
				if _, err := service.Settle(t.Context(), billing.CallResult{CallID: id, Exact: true, Evidence: e}); err != nil {
					t.Fatal(err)
				}
			},
			"give up": func(t *rapid.T) {
				if len(started) == 0 {
					return
				}
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(started))).Draw(t, "call")
				delete(started, id) // what is said of it later is charged whatever the limits say
				if _, _, err := service.GiveUp(t.Context(), id, "test"); err != nil && !errors.Is(err, models.ErrNotFound) {
					t.Fatal(err)
				}
			},
			"wait": func(t *rapid.T) {
				clock = clock.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				if found := m.audit(); len(found) > 0 {
					t.Fatal(found)
				}
				open, hours, days := map[int64]int64{}, map[string]money.Amount{}, map[string]money.Amount{}
				var all int64
				for _, c := range m.calls {
					if c.State == models.CallOpen {
						open[c.UserID]++
						all++
					}
				}
				for _, tx := range m.posted {
					for _, e := range tx.Entries {
						if user := m.accounts[e.AccountID].UserID; tx.Ref.Kind == models.KindCall && user != 0 {
							hours[fmt.Sprint(user, tx.PostedAt.Format(" 2006-01-02 15"))] -= e.Amount
							days[fmt.Sprint(user, tx.PostedAt.Format(" 2006-01-02"))] -= e.Amount
						}
					}
				}
				for hour, spent := range hours {
					if spent > limits.Hour {
						t.Fatalf("%s were spent in hour %s, of at most %s", spent, hour, limits.Hour)
					}
				}
				for day, spent := range days {
					if spent > limits.Day {
						t.Fatalf("%s were spent on day %s, of at most %s", spent, day, limits.Day)
					}
				}
				for _, a := range m.accounts {
					if a.OpenCalls != open[a.UserID] || a.OpenCalls > limits.Calls {
						t.Fatalf("account %d counts %d calls of at most %d; there are %d", a.ID, a.OpenCalls, limits.Calls, open[a.UserID])
					}
				}
				if got := m.pools[77].Calls; got != all || got > most {
					t.Fatalf("the pool counts %d calls of at most %d; there are %d", got, most, all)
				}
			},
		})
	})
}
