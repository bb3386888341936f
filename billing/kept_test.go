package billing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
)

// held expects what the first call's limit is, and what the account holds for it.
func (k *keeping) held(limit, held int64) {
	k.Helper()
	if c, a := k.call("pbx-1.1"), k.account(k.marta); c.Limit != limit || a.Held != units(held) || c.Held() != units(held) {
		k.Errorf("%d s hold %s, %s in all; want %d s, %d", c.Limit, c.Held(), a.Held, limit, held)
	}
}

// TestReviewOfWhatIsOver: it is not open, or another keeper's, or talks on another leg, or has called for help.
func TestReviewOfWhatIsOver(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	k.permit("pbx-1.1", "1")
	for name, r := range map[string]billing.Review{
		"no such call":     {CallID: "pbx-1.9", Elapsed: 4 * time.Second},
		"another keeper":   {Keeper: keeperID + 1, Elapsed: 4 * time.Second},
		"a leg to come":    {Leg: 1, Elapsed: 4 * time.Second},
		"a leg before all": {Leg: -1, Elapsed: 4 * time.Second},
	} {
		if kept := k.review(r); kept != (billing.Kept{Over: true}) {
			t.Errorf("%s: %+v", name, kept)
		}
	}
	k.held(5, 5)
	if _, err := k.Review(t.Context(), billing.Review{CallID: "pbx 1"}); !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
	k.wait(4)
	k.permit("pbx-1.1", "2")
	if kept := k.at(4); !kept.Over {
		t.Errorf("the first leg, after a redirect: %+v", kept)
	}
	if kept := k.review(billing.Review{Leg: 1, Elapsed: 4 * time.Second}); kept.Limit != 10 {
		t.Errorf("the second leg: %+v", kept)
	}
	if err := k.RecordEmergency(t.Context(), k.request("pbx-1.1", "112")); err != nil {
		t.Fatal(err)
	}
	k.block(k.marta)
	if kept := k.review(billing.Review{Leg: 1, Elapsed: 9 * time.Second}); !kept.Over || k.call("pbx-1.1").Cut != "" {
		t.Errorf("while it calls for help: %+v", kept)
	}
	k.settle("pbx-1.1", onLeg(1, answered("reducer", 8_000)))
	if kept := k.review(billing.Review{Leg: 1, Elapsed: 9 * time.Second}); !kept.Over {
		t.Errorf("settled: %+v", kept)
	}
}

// TestReviewBeforeTheAnswer extends nothing, whatever the clock says.
func TestReviewBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	k.permit("pbx-1.1", "1")
	k.wait(39)
	for _, elapsed := range []float64{0, -1, -1e9} {
		if kept := k.at(elapsed); kept != (billing.Kept{Limit: 5, Until: 5}) {
			t.Errorf("%+v", kept)
		}
	}
	if c := k.call("pbx-1.1"); c.AnsweredMS != 0 {
		t.Errorf("answered at %d", c.AnsweredMS)
	}
	k.at(0.25)
	if c := k.call("pbx-1.1"); c.AnsweredMS != k.clock.Add(-250*time.Millisecond).UnixMilli() {
		t.Errorf("answered at %d", c.AnsweredMS)
	}
	k.held(5, 5)
}

// TestLateReviews: what has run out is not extended any more, for the call has ended.
func TestLateReviews(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		elapsed float64
		limit   int64
		last    int64
	}{{4.999, 10, 40}, {5, 5, 0}, {5.4, 5, 0}, {60, 5, 0}, {1e9, 5, 0}} {
		k := newKeeping(t, 5, 40)
		k.permit("pbx-1.1", "1")
		kept := k.at(c.elapsed)
		if want := (billing.Kept{Limit: c.limit, Until: c.limit, Grown: c.limit > 5, Short: c.limit == 5, Last: c.last}); kept != want {
			t.Errorf("after %v s: %+v, want %+v", c.elapsed, kept, want)
		}
		k.held(c.limit, c.limit)
	}
}

// TestDueIsTheEndOfTheSlice: the reconciler comes a while after it, and not before.
func TestDueIsTheEndOfTheSlice(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 300, 9000)
	k.permit("pbx-1.1", "1")
	k.wait(38) // it was answered after 38 s
	k.at(0.001)
	for range 3 {
		k.wait(290)
		c := k.call("pbx-1.1")
		elapsed := k.clock.Sub(time.UnixMilli(c.AnsweredMS))
		kept := k.at(elapsed.Seconds())
		if end := k.clock.Add(time.Duration(kept.Limit)*time.Second - elapsed); !kept.Grown || k.call("pbx-1.1").Due.Sub(end).Abs() > time.Millisecond {
			t.Errorf("due at %s, its end is %s: %+v", k.call("pbx-1.1").Due, end, kept)
		}
		k.wait(10)
	}
	k.clock = k.call("pbx-1.1").Due.Add(billing.ReconcileGrace)
	for _, left := range []int{1, 0} {
		report, err := k.reconciler().Run(t.Context(), false)
		if err != nil || report.Left != left || report.Unreconciled != 1-left {
			t.Errorf("%+v, %v", report, err)
		}
		k.wait(0.001)
	}
	k.money(9000, 0)
}

// TestTheDeadTakeNoShare: a call that has ended, and is not settled yet, keeps what it holds and no more.
func TestTheDeadTakeNoShare(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	dead := k.begin("1")
	k.begin("1")
	k.run(2)
	dead.over = true // and nobody tells of it
	k.run(0)
	if got := k.talks[1].charge.Seconds; got != 35 {
		t.Errorf("the other talked for %d s, want 35", got)
	}
	k.money(5, 5)
	k.settle(dead.CallID, answered("reducer", 2_007))
	k.money(3, 0)

	k = newKeeping(t, 5, 40) // one that rang out
	k.permit("pbx-1.9", "1")
	k.wait(48)
	k.begin("1")
	k.run(0)
	if got := k.talks[0].charge.Seconds; got != 35 {
		t.Errorf("the other talked for %d s, want 35", got)
	}
}

// TestLimitsThatChange: a lower one shortens a call, and a higher one lets it go on.
func TestLimitsThatChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number      string
		lower       models.Limits
		held, until int64 // at 11 s
		higher      models.Limits
		limit       int64 // then, 2 s before the end of what was held
	}{
		"the longest call":            {"1", models.Limits{Seconds: 13}, 15, 13, models.Limits{Seconds: 30}, 20},
		"an hour":                     {"1", models.Limits{Hour: units(12)}, 15, 12, models.Limits{Hour: units(17)}, 17},
		"a day":                       {"1", models.Limits{Day: units(12)}, 15, 12, models.Limits{Day: units(500)}, 20},
		"an hour, of sixes":           {"6", models.Limits{Hour: units(16)}, 18, 12, models.Limits{Hour: units(29)}, 24},
		"the longest call of minutes": {"60", models.Limits{Seconds: 30, Hour: units(500)}, 60, 30, models.Limits{}, 120},
		"none":                        {"1", models.Limits{}, 15, 15, models.Limits{Quiet: []models.Window{}}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, 5, 180)
			k.permit("pbx-1.1", c.number)
			for _, elapsed := range []float64{4, 8.5, 10} {
				k.at(elapsed)
			}
			k.held(c.held, c.held)
			k.limit(c.lower)
			if kept := k.at(11); kept.Limit != c.held || kept.Until != c.until {
				t.Errorf("%+v, want until %d s", kept, c.until)
			}
			k.limit(c.higher)
			if kept := k.at(float64(c.held) - 1.5); kept.Limit != c.limit || kept.Until != c.limit {
				t.Errorf("%+v, want until %d s", kept, c.limit)
			}
		})
	}
}

// TestWhoBeganLastEndsFirst: where a limit is lowered below what is held, the older call stays as far as the limit goes, beside what the younger
// one has talked.
func TestWhoBeganLastEndsFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hour, until int64 // of the older one; 0: cut
		younger     int64
		both        bool // have talked for 2 s
	}{
		"room for one":                {hour: 5, until: 5},
		"room for one and a bit":      {hour: 7, until: 5, younger: 2},
		"room for none":               {hour: 0},
		"room for less than one":      {hour: 3, until: 3},
		"room for both":               {hour: 10, until: 5, younger: 5},
		"one, beside what was talked": {hour: 6, until: 4, both: true},
		"what was talked":             {hour: 4, both: true},
	} {
		k := newKeeping(t, 5, 180)
		k.permit("pbx-1.1", "1")
		k.permit("pbx-1.2", "1")
		var elapsed time.Duration
		if c.both {
			elapsed = 2 * time.Second
			k.wait(2)
			k.at(2)
			k.review(billing.Review{CallID: "pbx-1.2", Elapsed: elapsed})
		}
		if c.hour == 0 {
			k.limit(models.Limits{Hour: 1})
		} else {
			k.limit(models.Limits{Hour: units(c.hour)})
		}
		for id, until := range map[string]int64{"pbx-1.1": c.until, "pbx-1.2": c.younger} {
			kept := k.review(billing.Review{CallID: id, Elapsed: elapsed})
			if until == 0 && kept.Cut != billing.CutLimit || until > 0 && kept != (billing.Kept{Limit: 5, Until: until, Last: kept.Last}) {
				t.Errorf("%s: %s: %+v, want until %d s", name, id, kept, until)
			}
		}
	}
}

// TestTheBudgetIsShared: calls at once do not spend more than the limit of an hour, and end together when it is reached.
func TestTheBudgetIsShared(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 180)
	k.limit(models.Limits{Hour: units(40), Seconds: 1000})
	k.begin("1")
	k.run(5)
	k.begin("1")
	k.run(0)
	if apart := k.talks[0].ended.Sub(k.talks[1].ended).Abs(); apart > time.Second {
		t.Errorf("they end %s apart", apart)
	}
	k.money(140, 0)
	if _, err := k.ask("pbx-1.9", "1", keeperID); !errors.Is(err, billing.ErrLimit) {
		t.Error(err)
	}
}

// TestCreditLimits: what a slice holds stays, and what comes after it follows the limit.
func TestCreditLimits(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 12)
	credit := func(n int64) { k.store.change(k.marta.ID, func(a *models.Account) { a.CreditLimit = units(n) }) }
	k.begin("1")
	k.run(9.5)
	k.held(12, 12)
	credit(10)
	k.look(k.talks[0]) // as it is told of it
	k.run(5)
	k.held(17, 17)
	credit(5) // all of which is held
	k.run(0)
	k.talked(17)
	k.money(-5, 0)
}

// TestSlicesOfPromotionalCredit: what a slice holds may expire, and is spent first all the same.
func TestSlicesOfPromotionalCredit(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 180)
	k.store.now = func() time.Time { return k.clock }
	k.permit("pbx-1.1", "1") // of what stays
	k.promote(7, 1)
	k.at(4) // of what expires
	k.promote(2, 48)
	k.at(9) // the rest of that, 2 of the other, and 1 of what stays
	hold := func(want ...int64) {
		t.Helper()
		var got []int64
		for _, part := range k.call("pbx-1.1").Holds {
			got = append(got, part.Amount.Whole())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("held are %d, want %d", got, want)
		}
	}
	hold(7, 2, 6)
	k.wait(3600)
	k.expire()
	k.has(180, map[int64]int64{0: 7, 47: 2}) // it was promised to the call
	k.at(14)
	hold(7, 2, 11)
	k.settle("pbx-1.1", answered("reducer", 8_100))
	k.expire()
	k.has(180, map[int64]int64{47: 1})
}

// TestTheSameNumberAgain: what has passed is not held twice, and what is left is a slice.
func TestTheSameNumberAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		balance        int64
		after          float64
		seconds, limit int64 // of the second dial; 0: refused
	}{
		"at once":           {40, 0, 5, 5},
		"in time":           {40, 3.5, 5, 8},
		"late":              {40, 30, 5, 35}, // as the clock says
		"with the rest":     {7, 4, 2, 6},    // the half of 3, and no less than 2
		"with nothing more": {5, 3, 2, 5},
		"when all is spent": {5, 5, 0, 5},
		"too late":          {40, 40, 0, 5},
		"far too late":      {40, 1e6, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, 5, c.balance)
			k.permit("pbx-1.1", "1")
			limit := k.call("pbx-1.1").Limit
			for limit < 5 {
				limit = k.at(float64(limit) - 1).Limit
			}
			k.wait(c.after)
			auth, err := k.ask("pbx-1.1", "1", keeperID+1)
			k.held(c.limit, c.limit)
			if c.seconds == 0 {
				if reason := refused(t, err, billing.ErrInsufficientFunds); reason != "the time held for this call has passed" {
					t.Error(reason)
				}
				return
			}
			call := k.call("pbx-1.1")
			if err != nil || !auth.Repeated || auth.Seconds != c.seconds || auth.Limit != c.limit || auth.Affords < auth.Seconds || auth.Keeper != keeperID+1 || call.Keeper != keeperID+1 {
				t.Errorf("%+v, %v", auth, err)
			}
			if end := k.clock.Add(time.Duration(auth.Ring+auth.Seconds) * time.Second); call.AnsweredMS != 0 || call.Due.Before(end) {
				t.Errorf("due at %s, want %s: %+v", call.Due, end, call)
			}
		})
	}
}

// TestTheSameNumberForbiddenMeanwhile: what would end a call that goes on lets none begin again under its hold.
func TestTheSameNumberForbiddenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limits models.Limits
		rate   func(models.User, string, time.Time) (models.Rate, error)
		want   error
	}{
		{models.Limits{Blocked: []string{"1"}}, priced, billing.ErrLimit},
		{models.Limits{Seconds: 3}, priced, billing.ErrLimit},
		{models.Limits{Hour: units(2)}, priced, billing.ErrLimit},
		{models.Limits{}, noRate, billing.ErrNoRate},
	} {
		rate := priced
		k := newKeeping(t, 5, 40, with(func(p *billing.Policy) {
			p.Rate = func(u models.User, number string, at time.Time) (models.Rate, error) { return rate(u, number, at) }
		}))
		k.permit("pbx-1.1", "1")
		k.wait(3)
		k.limit(c.limits)
		rate = c.rate
		_, err := k.ask("pbx-1.1", "1", keeperID)
		refused(t, err, c.want)
		k.held(5, 5)
	}
}

// TestACutIsForgottenWhenItIsDialledAgain: it was decided for what was talked then.
func TestACutIsForgottenWhenItIsDialledAgain(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"1", "2"} {
		k := newKeeping(t, 5, 40)
		k.permit("pbx-1.1", "1")
		k.limit(models.Limits{Blocked: []string{"1"}})
		if kept := k.at(2); kept.Cut != billing.CutLimit {
			t.Fatalf("%+v", kept)
		}
		k.limit(models.Limits{})
		auth := k.permit("pbx-1.1", number)
		if kept := k.review(billing.Review{Leg: auth.Leg, Elapsed: time.Second}); kept.Cut != "" || kept.Over {
			t.Errorf("%+v", kept)
		}
	}
}

// TestNobodyKeepsItAnyMore: then all the rest is held, for the same number and for another.
func TestNobodyKeepsItAnyMore(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]int64{"1": 37, "2": 18} { // 3 of 40 may be spent
		k := newKeeping(t, 5, 40)
		k.permit("pbx-1.1", "1")
		k.wait(3)
		auth, err := k.ask("pbx-1.1", number, 0)
		if err != nil || auth.Seconds != want || auth.Keeper != 0 || auth.Limit != 0 {
			t.Errorf("%+v, %v; want %d s", auth, err, want)
		}
		if !k.at(5).Over {
			t.Error("it is kept still")
		}
		auth, err = k.ask("pbx-1.1", number, keeperID) // and then somebody does again
		if err != nil || auth.Keeper != keeperID || auth.Limit != k.call("pbx-1.1").Limit {
			t.Errorf("%+v, %v", auth, err)
		}
	}
}

// TestAnotherNumberUnderTheHold: what may have been talked stays covered, and the new leg begins with a slice.
func TestAnotherNumberUnderTheHold(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	k.permit("pbx-1.1", "1")
	k.at(4) // 10 s
	k.wait(7)
	auth := k.permit("pbx-1.1", "4")
	if auth.Leg != 1 || auth.Seconds != 4 || auth.Limit != 4 { // 33 pay for 8 s, of which this is half
		t.Errorf("%+v", auth)
	}
	k.held(4, 7+16)
	if kept := k.review(billing.Review{Leg: 1, Elapsed: 3 * time.Second}); kept.Limit != 6 {
		t.Errorf("%+v", kept)
	}
	k.held(6, 7+24)
	k.settle("pbx-1.1", redirected(0, 7))
	k.wait(6)
	if charge := k.settle("pbx-1.1", onLeg(1, answered("reducer", 13_016))); charge.Seconds != 13 || charge.Amount != units(7+24) {
		t.Errorf("%+v", charge)
	}
	k.money(9, 0)
}

// TestASliceIsGivenBack by whatever ends a call that was not talked on.
func TestASliceIsGivenBack(t *testing.T) {
	t.Parallel()
	id := billing.Identity{CallerID: martaCLID}
	for name, end := range map[string]func(k *keeping, auth billing.Authorization) error{
		"undo": func(k *keeping, auth billing.Authorization) error { return k.Undo(k.Context(), id, auth) },
		"release": func(k *keeping, auth billing.Authorization) error {
			return k.Release(k.Context(), id, auth.CallID, "test")
		},
		"busy": func(k *keeping, auth billing.Authorization) error {
			k.settle(auth.CallID, unanswered("reducer", "BUSY", 17))
			return nil
		},
		"given up": func(k *keeping, auth billing.Authorization) error {
			_, _, err := k.GiveUp(k.Context(), auth.CallID, "test")
			return err
		},
	} {
		k := newKeeping(t, 5, 40)
		auth := k.permit("pbx-1.1", "1")
		if err := end(k, auth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		k.money(40, 0)
	}
	k := newKeeping(t, 5, 40)
	auth := k.permit("pbx-1.1", "1")
	k.at(4)
	for _, end := range []func() error{
		func() error { return k.Undo(t.Context(), id, auth) }, func() error { return k.Release(t.Context(), id, auth.CallID, "test") },
	} {
		if err := end(); err != nil {
			t.Error(err)
		}
		k.money(40, 10) // somebody was seen to answer
	}
}

// TestMoreThanTheSlice: a timer that fires late makes a second, which is paid from what there is, or by nobody.
func TestMoreThanTheSlice(t *testing.T) {
	t.Parallel()
	for balance, c := range map[int64]struct{ ms, left, shortfall int64 }{23: {23_300, 0, 0}, 24: {5_999, 19, 0}, 5: {6_010, 0, 1}} {
		k := newKeeping(t, 5, balance)
		auth := k.permit("pbx-1.1", "1")
		for limit := auth.Limit; limit < c.ms/1000; {
			kept := k.at(float64(limit) - 1)
			if kept.Short {
				break
			}
			limit = kept.Limit
		}
		k.settle("pbx-1.1", answered("reducer", c.ms))
		k.money(c.left, 0)
		if got := k.call("pbx-1.1").Shortfall; got != units(c.shortfall) {
			t.Errorf("%d: a shortfall of %s", balance, got)
		}
	}
}

// lost is a store whose answer to each commit is lost once, so that it looks what became of it, and all is decided again.
type lost struct{ *memory }

func (l lost) Update(_ context.Context, keys billing.Keys, decide func(*billing.State)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 2 {
		st := l.load(keys, true)
		decide(st)
		if err := l.write(st, keys, true); err != nil {
			return err
		}
	}
	return nil
}

// TestALostAnswerHoldsNothingTwice: the same request finds its slice, and a review the one that it has added.
func TestALostAnswerHoldsNothingTwice(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40, func(o *billing.Options) { o.Store = lost{o.Store.(*memory)} }) //nolint:forcetypeassert // as newDesk makes it
	if auth := k.permit("pbx-1.1", "1"); auth.Seconds != 5 || auth.Limit != 5 || auth.Affords != 40 || auth.Keeper != keeperID || auth.Dial != 1 || auth.Repeated {
		t.Errorf("%+v", auth)
	}
	k.held(5, 5)
	if kept := k.at(4); kept.Limit != 10 || kept.Until != 10 {
		t.Errorf("%+v", kept)
	}
	k.held(10, 10)
}
