package billing_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

func TestSettleChargesWhatWasTalked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(43)
	got := d.settle("pbx-1.1", answered("caller", 42_900))
	want := billing.Charge{CallID: "pbx-1.1", UserID: d.marta.ID, State: models.CallSettled, Seconds: 42, Amount: 42 * money.Unit}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.money(138, 0)
	call := d.call("pbx-1.1")
	if call.Holds != nil || call.Status != "ANSWER" || call.Cause != 16 || call.SettledBy != "caller" || call.TalkedMS != 42_900 ||
		call.Ended == nil || !call.Ended.Equal(d.clock) || call.Charge != 42*money.Unit || len(call.Notes) != 1 {
		t.Errorf("call %+v", call)
	}
	posted := d.store.posted[models.Ref{Kind: models.KindCall, Ref: "pbx-1.1"}]
	entries := []models.Entry{
		{AccountID: d.account(d.marta).ID, Amount: -42 * money.Unit}, {AccountID: houses["revenue"], Amount: 42 * money.Unit},
	}
	if diff := cmp.Diff(entries, posted.Entries); diff != "" || posted.Actor != "caller" || !posted.PostedAt.Equal(d.clock) {
		t.Errorf("transaction %+v\n%s", posted, diff)
	}
}

func TestUnansweredCallsGiveTheHoldBack(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"BUSY", "NOANSWER", "CANCEL", "CHANUNAVAIL", "CONGESTION"} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		charge := d.settle("pbx-1.1", unanswered("caller", status, 17))
		if charge.State != models.CallReleased || charge.Amount != 0 || charge.Already {
			t.Errorf("%s: %+v", status, charge)
		}
		d.money(180, 0)
	}
}

// TestEveryoneElseFindsItDone: the witnesses of one call come in every order, and some of them twice.
func TestEveryoneElseFindsItDone(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{
		{"caller", "reducer"},
		{"reducer", "caller"},
		{"caller", "caller"},
		{"reducer", "reducer"},
		{"cdr", "reducer", "caller"},
		{"caller", "reducer", "cdr", "reducer", "caller"},
	} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		for i, source := range order {
			e := answered(source, 3006)
			if source == "cdr" {
				e = cdr("ANSWER", n(3))
			}
			charge := d.settle("pbx-1.1", e)
			want := billing.Charge{
				CallID: "pbx-1.1", UserID: d.marta.ID, State: models.CallSettled, Seconds: 3, Amount: 3 * money.Unit, Already: i > 0,
			}
			if diff := cmp.Diff(want, charge); diff != "" {
				t.Errorf("%v, number %d (-want +got)\n%s", order, i, diff)
			}
		}
		d.money(177, 0)
	}
}

func TestDifferentContentIsNeverChargedAndALongerTalkIsDisputed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", answered("caller", 10_000))
	for _, c := range []struct {
		name     string
		e        models.Evidence
		disputed bool
		noted    int64
	}{
		{"shorter", answered("reducer", 9000), false, 0},
		{"unanswered", unanswered("reducer", "BUSY", 17), false, 0},
		{"nothing", models.Evidence{Source: "reducer", Over: true}, false, 0},
		{"longer", answered("reducer", 30_000), true, 30},
		{"longer, but less so", answered("reducer", 20_000), true, 30},
		{"longer still", answered("reducer", 40_000), true, 40},
	} {
		charge := d.settle("pbx-1.1", c.e)
		if !charge.Already || charge.Disputed != c.disputed || charge.Seconds != 10 || charge.Amount != 10*money.Unit {
			t.Errorf("%s: %+v", c.name, charge)
		}
		if call := d.call("pbx-1.1"); call.Disputed != c.noted || call.Seconds != 10 {
			t.Errorf("%s: disputed %d s of %d, want %d", c.name, call.Disputed, call.Seconds, c.noted)
		}
	}
	d.money(170, 0)
}

// TestAskingAgainIsNoDispute: the caller's leg sends the same once more when the first answer was lost.
func TestAskingAgainIsNoDispute(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]models.Evidence{
		"plain":             answered("caller", 42_000),
		"prompt before":     marked(answered("caller", 47_006), 0, 4000, 47_010),
		"CDR(billsec) only": but(redirected(0, 3), func(e *models.Evidence) { e.Over = true }),
	} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		d.settle("pbx-1.1", e)
		e.SeenAt = d.clock.Add(time.Second)
		if charge := d.settle("pbx-1.1", e); !charge.Already || charge.Disputed {
			t.Errorf("%s: %+v", name, charge)
		}
	}
}

func TestDisputeAboutAReleasedCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", unanswered("caller", "BUSY", 17))
	charge := d.settle("pbx-1.1", answered("reducer", 5000))
	if !charge.Disputed || charge.Amount != 0 || charge.State != models.CallReleased || d.call("pbx-1.1").Disputed != 5 {
		t.Errorf("%+v", charge)
	}
	d.money(180, 0)
}

func TestUnknownTalkWaits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	nothing := models.Evidence{Source: "reducer", Over: true, SeenAt: d.clock}
	charge := d.settle("pbx-1.1", nothing)
	if charge.State != models.CallOpen || charge.Amount != 0 {
		t.Errorf("%+v", charge)
	}
	d.money(180, 60)
	if call := d.call("pbx-1.1"); call.Ended == nil || len(call.Notes) != 1 {
		t.Errorf("the witness's word that it is over was lost: %+v", call)
	}
	for range 100 { // a spool or a hook that says the same again and again
		nothing.SeenAt = nothing.SeenAt.Add(time.Second)
		d.settle("pbx-1.1", nothing)
	}
	if notes := d.call("pbx-1.1").Notes; len(notes) != 1 {
		t.Errorf("the same word was noted %d times", len(notes))
	}
	if charge := d.settle("pbx-1.1", cdr("ANSWER", n(12))); charge.State != models.CallSettled || charge.Seconds != 12 {
		t.Errorf("%+v", charge)
	}
	d.money(168, 0)
}

// TestSettlementAboveTheHold: what the hold does not cover comes from available, and the rest from the house.
func TestSettlementAboveTheHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		otherCall    bool
		seconds      int64
		balance      int64
		held         int64
		shortfall    money.Amount
		fromMarta    money.Amount
		milliseconds int64
	}{
		"within the hold":            {seconds: 59, balance: 121},
		"exactly the hold":           {seconds: 60, balance: 120},
		"above it, from available":   {seconds: 62, balance: 118},
		"all there is":               {seconds: 180, balance: 0},
		"more than there is":         {seconds: 200, balance: 0, shortfall: 20 * money.Unit},
		"never another call's money": {otherCall: true, seconds: 130, balance: 60, held: 60, shortfall: 10 * money.Unit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.authorize("pbx-1.1", abroad)
			if c.otherCall {
				d.authorize("pbx-1.2", abroad)
			}
			charge := d.settle("pbx-1.1", answered("caller", c.seconds*1000))
			if charge.Amount != money.Amount(c.seconds)*money.Unit {
				t.Errorf("charge %+v", charge)
			}
			call := d.call("pbx-1.1")
			if call.Shortfall != c.shortfall {
				t.Errorf("shortfall %s, want %s", call.Shortfall, c.shortfall)
			}
			d.money(c.balance, c.held)
		})
	}
}

func TestACreditLimitIsSpentLikeMoney(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.store.change(d.joel.ID, func(a *models.Account) { a.CreditLimit = 50 * money.Unit })
	req := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: joelCLID}, Number: abroad}
	auth, err := d.Authorize(t.Context(), req)
	if err != nil || auth.Seconds != 50 {
		t.Fatalf("%+v, %v", auth, err)
	}
	d.settle("pbx-1.1", answered("caller", 55_000))
	if a := d.account(d.joel); a.Balance != -50*money.Unit || a.Held != 0 || d.call("pbx-1.1").Shortfall != 5*money.Unit {
		t.Errorf("account %+v, shortfall %s", a, d.call("pbx-1.1").Shortfall)
	}
}

func TestReleaseGivesBackWhatWasNeverDialled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := billing.Identity{CallerID: martaCLID}
	d.authorize("pbx-1.1", abroad)
	for range 2 {
		if err := d.Release(t.Context(), id, "pbx-1.1", "caller"); err != nil {
			t.Fatal(err)
		}
	}
	d.money(180, 0)
	if err := d.Release(t.Context(), id, "pbx-1.404", "caller"); err != nil {
		t.Errorf("a call that does not exist: %v", err)
	}
	d.authorize("pbx-1.2", abroad)
	d.settle("pbx-1.2", answered("caller", 30_000))
	if err := d.Release(t.Context(), id, "pbx-1.2", "caller"); err != nil {
		t.Fatal(err)
	}
	if call := d.call("pbx-1.2"); call.State != models.CallSettled {
		t.Errorf("a settled call is %s", call.State)
	}
	d.money(150, 0)
}

// TestReleaseNeverForgetsTalk: a call of which somebody already saw an answer was dialled, whatever is said now.
func TestReleaseNeverForgetsTalk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", redirected(0, 7))
	if err := d.Release(t.Context(), billing.Identity{CallerID: martaCLID}, "pbx-1.1", "caller"); err != nil {
		t.Fatal(err)
	}
	if charge := d.settle("pbx-1.1", models.Evidence{Source: "reducer", DialStatus: "ANSWER", Over: true}); charge.Seconds != 7 {
		t.Errorf("%+v, want 7 seconds", charge)
	}
	d.money(173, 0)
}

func TestGivenUpThenALateReducer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(400)
	giveUp := billing.CallResult{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: martaCLID}, By: billing.SourceReconciler, GiveUp: true}
	charge, err := d.Settle(t.Context(), giveUp)
	if err != nil || charge.State != models.CallUnreconciled || charge.Amount != 0 {
		t.Fatalf("%+v, %v", charge, err)
	}
	d.money(180, 0)
	if charge, err := d.Settle(t.Context(), giveUp); err != nil || charge.State != models.CallUnreconciled {
		t.Errorf("given up twice: %+v, %v", charge, err)
	}
	if charge := d.settle("pbx-1.1", models.Evidence{Source: "reducer", Over: true}); charge.State != models.CallUnreconciled {
		t.Errorf("a witness who knows nothing: %+v", charge)
	}
	// Meanwhile the money was spent elsewhere: the customer pays what is left, the house the rest.
	if _, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: -160 * money.Unit, Ref: "r"}); err != nil {
		t.Fatal(err)
	}
	charge = d.settle("pbx-1.1", answered("reducer", 50_000))
	if charge.State != models.CallSettled || charge.Amount != 50*money.Unit || charge.Already {
		t.Errorf("late: %+v", charge)
	}
	if call := d.call("pbx-1.1"); call.Shortfall != 30*money.Unit || call.SettledBy != "reducer" {
		t.Errorf("%+v", call)
	}
	d.money(0, 0)
	if charge := d.settle("pbx-1.1", answered("reducer", 50_000)); !charge.Already {
		t.Errorf("a second late reducer: %+v", charge)
	}
	d.money(0, 0)
}

// TestLateReducerOfARedirectedCall speaks of the last leg, as an early one does.
func TestLateReducerOfARedirectedCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", redirected(0, 7))
	d.wait(10)
	d.authorize("pbx-1.1", joelCLID) // of which nobody tells
	charge, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true})
	if err != nil || charge.State != models.CallUnreconciled {
		t.Fatalf("%+v, %v", charge, err)
	}
	if charge := d.settle("pbx-1.1", unanswered("reducer", "BUSY", 17)); charge.State != models.CallSettled || charge.Seconds != 7 {
		t.Errorf("busy on the second number leaves the talk with the first, but: %+v", charge)
	}
}

// TestALateWordReachesTheCallThatItMeans, although the channel has made another one since.
func TestALateWordReachesTheCallThatItMeans(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	spooled := answered("caller", 7000) // of the caller's leg, which could not reach us
	d.wait(7)
	spooled.SeenAt = d.clock
	if _, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceOperator, GiveUp: true}); err != nil {
		t.Fatal(err)
	}
	d.wait(30)
	d.authorize("pbx-1.1", joelCLID)
	if charge := d.settle("pbx-1.1", spooled); charge.CallID != "pbx-1.1" || charge.Seconds != 7 {
		t.Errorf("%+v", charge)
	}
	d.money(173, 60)
}

func TestUnauthorisedCalls(t *testing.T) {
	t.Parallel()
	marta := billing.Identity{CallerID: martaCLID}
	for name, c := range map[string]struct {
		id      billing.Identity
		number  string
		e       models.Evidence
		state   models.CallState
		seconds int64
		amount  money.Amount
	}{
		"answered, of a known caller":      {marta, joelCLID, answered("reducer", 20_000), models.CallSettled, 20, 20 * money.Unit},
		"not answered: no trace":           {marta, joelCLID, unanswered("reducer", "BUSY", 17), "", 0, 0},
		"nothing known: no trace":          {marta, joelCLID, models.Evidence{Source: "reducer", Over: true}, "", 0, 0},
		"answered, how long is unknown":    {marta, joelCLID, models.Evidence{Source: "reducer", DialStatus: "ANSWER", Over: true}, models.CallUnreconciled, 0, 0},
		"answered, of a stranger":          {billing.Identity{CallerID: "999"}, joelCLID, answered("reducer", 20_000), models.CallUnreconciled, 20, 0},
		"of two who contradict each other": {billing.Identity{CallerID: martaCLID, AccountCode: "joel"}, "", answered("reducer", 20_000), models.CallUnreconciled, 20, 0},
		"dialled number unknown":           {marta, "", answered("reducer", 20_000), models.CallSettled, 20, 20 * money.Unit},
		"dialled number nonsense":          {marta, "h\n", answered("reducer", 20_000), models.CallSettled, 20, 20 * money.Unit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			res := billing.CallResult{CallID: "pbx-9.9", Identity: c.id, Number: c.number, Evidence: c.e}
			for again := range 2 {
				charge, err := d.Settle(t.Context(), res)
				if err != nil || charge.State != c.state || charge.Seconds != c.seconds || charge.Amount != c.amount {
					t.Errorf("%+v, %v", charge, err)
				}
				if c.state != "" && again == 1 && !charge.Already {
					t.Errorf("the second time: %+v", charge)
				}
			}
			if c.state == "" {
				if len(d.store.calls) != 0 {
					t.Error("it left a trace")
				}
				return
			}
			call := d.call("pbx-9.9")
			if !call.Unauthorized || call.Charge != c.amount || call.Ended == nil {
				t.Errorf("%+v", call)
			}
			d.money(180-int64(c.amount/money.Unit), 0)
		})
	}
}

func TestUnauthorisedCallIdsAreChecked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, id := range []string{"", "a b", "x'", "pbx-1.1#2", strings.Repeat("x", 141), "ü", "a\n"} {
		_, err := d.Settle(t.Context(), billing.CallResult{CallID: id, Identity: billing.Identity{CallerID: martaCLID}, Evidence: answered("reducer", 5000)})
		refused(t, err, models.ErrInvalid)
	}
	d.money(180, 0)
}

// TestUnauthorisedCallWithoutARateIsChargedOnceThereIsOne, in the user's own currency and never by another tariff.
func TestUnauthorisedCallWithoutARateIsChargedOnceThereIsOne(t *testing.T) {
	t.Parallel()
	var rate *models.Rate
	d := newDesk(t, with(func(p *billing.Policy) {
		p.Rate = func(models.User, string, time.Time) (models.Rate, error) {
			if rate == nil {
				return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
			}
			return *rate, nil
		}
	}))
	if charge := d.settle("pbx-9.9", answered("reducer", 20_000)); charge.State != models.CallUnreconciled {
		t.Fatalf("%+v", charge)
	}
	if charge := d.settle("pbx-9.9", answered("reducer", 20_000)); charge.State != models.CallUnreconciled || charge.Amount != 0 {
		t.Errorf("still without a rate: %+v", charge)
	}
	d.money(180, 0)
	r := rateOf(3)
	rate = &r
	if charge := d.settle("pbx-9.9", answered("reducer", 20_000)); charge.State != models.CallSettled || charge.Amount != 60*money.Unit {
		t.Errorf("with a rate of 3: %+v", charge)
	}
	d.money(120, 0)
}

// TestUnauthorisedCallOfUnknownLengthIsChargedByItsOwnRate when the length becomes known.
func TestUnauthorisedCallOfUnknownLengthIsChargedByItsOwnRate(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.Rate = byNumber }))
	res := billing.CallResult{
		CallID: "pbx-9.9", Identity: billing.Identity{CallerID: martaCLID}, Number: "3",
		Evidence: models.Evidence{Source: "reducer", DialStatus: "ANSWER", Over: true},
	}
	if charge, err := d.Settle(t.Context(), res); err != nil || charge.State != models.CallUnreconciled {
		t.Fatalf("%+v, %v", charge, err)
	}
	res.Evidence = cdr("ANSWER", n(10))
	if charge, err := d.Settle(t.Context(), res); err != nil || charge.Amount != 30*money.Unit {
		t.Errorf("%+v, %v; want 30", charge, err)
	}
}

func TestAnsweredCallOfNoSecondsCostsTheConnectFee(t *testing.T) {
	t.Parallel()
	fee := models.Rate{Currency: models.SEC, PerMinute: 60 * money.Unit, ConnectFee: 5 * money.Unit, First: 1, Increment: 1}
	d := newDesk(t, with(func(p *billing.Policy) {
		p.Rate = func(models.User, string, time.Time) (models.Rate, error) { return fee, nil }
	}))
	d.authorize("pbx-1.1", abroad)
	d.money(180, 65)
	if charge := d.settle("pbx-1.1", answered("caller", 900)); charge.Amount != 5*money.Unit || charge.Seconds != 0 {
		t.Errorf("%+v", charge)
	}
	d.money(175, 0)
}

func TestMovements(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad) // 60 of 180 are held
	move := func(amount money.Amount, ref string) (billing.Moved, error) {
		return d.Move(t.Context(), billing.Movement{Username: "marta", Amount: amount, Ref: ref, Actor: "olga"})
	}
	for _, c := range []struct {
		name      string
		amount    money.Amount
		ref       string
		err       error
		already   bool
		available money.Amount
	}{
		{"a top-up", 20 * money.Unit, "r1", nil, false, 140 * money.Unit},
		{"the same again", 20 * money.Unit, "r1", nil, true, 140 * money.Unit},
		{"the same reference for another amount", 21 * money.Unit, "r1", models.ErrConflict, false, 0},
		{"more than is available, though not more than there is", -141 * money.Unit, "r2", billing.ErrInsufficientFunds, false, 0},
		{"a refused reference may be used", -1, "r2", nil, false, 140*money.Unit - 1},
		{"all that is available", -140*money.Unit + 1, "r3", nil, false, 0},
		{"one millionth more", -1, "r4", billing.ErrInsufficientFunds, false, 0},
		{"the removal again, although nothing is left", -140*money.Unit + 1, "r3", nil, true, 0},
		{"nothing", 0, "r5", models.ErrInvalid, false, 0},
		{"the largest amount", money.Max, "r6", models.ErrInvalid, false, 0},
		{"the smallest amount", -money.Max - 1, "r7", billing.ErrInsufficientFunds, false, 0},
		{"no reference", money.Unit, "", models.ErrInvalid, false, 0},
		{"a blank reference", money.Unit, " ", models.ErrInvalid, false, 0},
		{"a reference with a blank at its end", money.Unit, "r1 ", models.ErrInvalid, false, 0},
		{"a long reference", money.Unit, strings.Repeat("é", 161), models.ErrInvalid, false, 0},
		{"a reference that is no text", money.Unit, "a\xff", models.ErrInvalid, false, 0},
		{"a reference with a newline", money.Unit, "a\nb", models.ErrInvalid, false, 0},
		{"the longest reference", 7, strings.Repeat("é", 160), nil, false, 7},
	} {
		moved, err := move(c.amount, c.ref)
		if c.err != nil {
			refused(t, err, c.err)
			continue
		}
		if err != nil || moved.Already != c.already || moved.Available != c.available || moved.UserID != d.marta.ID {
			t.Errorf("%s: %+v, %v", c.name, moved, err)
		}
	}
	d.wait(60)
	d.settle("pbx-1.1", answered("caller", 60_000))
	if a := d.account(d.marta); a.Balance != 7 || a.Held != 0 {
		t.Errorf("%+v", a)
	}
}

func TestMovementsOfNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, m := range []billing.Movement{{Username: "nobody"}, {UserID: 4711}, {}, {UserID: -1}, {Username: "Marta"}} {
		m.Amount, m.Ref = money.Unit, "r"
		if _, err := d.Move(t.Context(), m); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	moved, err := d.Move(t.Context(), billing.Movement{UserID: d.joel.ID, Amount: money.Unit, Ref: "by id"})
	if err != nil || moved.UserID != d.joel.ID || moved.Available != money.Unit {
		t.Errorf("%+v, %v", moved, err)
	}
}

func TestBalancesStayInRange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	most := money.Amount(1_000_000_000_000) * money.Unit
	if _, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: most, Ref: "a"}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: 1, Ref: "b"})
	refused(t, err, models.ErrInvalid)
	req := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: joelCLID}, Number: abroad}
	if auth, err := d.Authorize(t.Context(), req); err != nil || auth.Seconds != 60 {
		t.Errorf("%+v, %v", auth, err)
	}
	d.settle("pbx-1.1", answered("caller", 60_000))
	if _, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: 60*money.Unit - most, Ref: "c"}); err != nil {
		t.Error(err)
	}
}

// TestADearCallNearTheBoundsIsPriced: overflow is an error, which leaves the call open, not a wrong charge.
func TestADearCallNearTheBoundsIsPriced(t *testing.T) {
	t.Parallel()
	dear := models.Rate{Currency: models.SEC, PerMinute: money.Amount(math.MaxInt64 / 60), First: 1, Increment: 1}
	d := newDesk(t, with(func(p *billing.Policy) {
		p.Rate = func(models.User, string, time.Time) (models.Rate, error) { return dear, nil }
	}))
	_, err := d.Authorize(t.Context(), d.request("pbx-1.1", abroad))
	refused(t, err, billing.ErrInsufficientFunds)
	_, err = d.Settle(t.Context(), billing.CallResult{
		CallID: "pbx-9.9", Identity: billing.Identity{CallerID: martaCLID}, Evidence: answered("reducer", 4_000_000),
	})
	if !errors.Is(err, money.ErrOverflow) {
		t.Errorf("%v, want an overflow", err)
	}
	d.money(180, 0)
}

// accounts gives Joel a promotion that burns first, his own money, and a second promotion that burns last.
func (d *desk) accounts() (first, main, last int64) {
	a := d.store.addAccount(models.Account{UserID: d.joel.ID, Name: "bonus", Balance: 10 * money.Unit, Burn: 1})
	b := d.store.addAccount(models.Account{UserID: d.joel.ID, Name: "late", Balance: 30 * money.Unit, Burn: 200})
	d.store.change(d.joel.ID, func(c *models.Account) {
		if c.Name == "main" {
			main = c.ID
		}
	})
	ref := models.Ref{Kind: models.KindTopUp, Ref: "joel"}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	c := d.store.accounts[main]
	c.Balance = 20 * money.Unit
	d.store.accounts[main] = c
	d.store.posted[ref] = models.Transaction{Ref: ref, Entries: []models.Entry{
		{AccountID: main, Amount: c.Balance}, {AccountID: houses["cash"], Amount: -c.Balance},
	}}
	return a.ID, main, b.ID
}

func (d *desk) balances(ids ...int64) string {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	var text []string
	for _, id := range ids {
		text = append(text, fmt.Sprintf("%s/%s", d.store.accounts[id].Balance, d.store.accounts[id].Held))
	}
	return strings.Join(text, " ")
}

func TestSeveralAccountsAreSpentInBurnOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, main, last := d.accounts()
	check := func(when, want string) {
		t.Helper()
		if got := d.balances(first, main, last); got != want {
			t.Errorf("%s: balance/held %s, want %s", when, got, want)
		}
	}
	joel := billing.Identity{CallerID: joelCLID}
	call := func(id string, limit int64) {
		t.Helper()
		auth, err := d.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: joel, Number: abroad})
		if err != nil || auth.Seconds != limit {
			t.Fatalf("%s: %+v, %v; want %d s", id, auth, err, limit)
		}
	}
	check("at first", "10/0 20/0 30/0")
	call("pbx-1.1", 60)
	check("held", "10/10 20/20 30/30")
	want := []models.HoldPart{{AccountID: first, Amount: 10 * money.Unit}, {AccountID: last, Amount: 30 * money.Unit}, {AccountID: main, Amount: 20 * money.Unit}}
	if diff := cmp.Diff(want, d.call("pbx-1.1").Holds); diff != "" {
		t.Errorf("hold parts (-want +got)\n%s", diff)
	}
	d.settle("pbx-1.1", answered("caller", 25_000))
	check("25 charged", "0/0 20/0 15/0")
	call("pbx-1.2", 35)
	if _, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: 40 * money.Unit, Ref: "t"}); err != nil {
		t.Fatal(err)
	}
	d.settle("pbx-1.2", answered("caller", 38_000))
	if d.call("pbx-1.2").Shortfall != 0 {
		t.Error("a shortfall, although there was money")
	}
	if _, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: -37 * money.Unit, Ref: "d"}); err != nil {
		t.Fatal(err)
	}
	check("all gone", "0/0 0/0 0/0")
}

// TestAHoldIsPaidFromTheAccountsThatItLiesOn, whatever comes into others meanwhile.
func TestAHoldIsPaidFromTheAccountsThatItLiesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.topUp("joel", 60)
	joel := billing.Identity{CallerID: joelCLID}
	if _, err := d.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.1", Identity: joel, Number: abroad}); err != nil {
		t.Fatal(err)
	}
	main := d.account(d.joel).ID
	bonus := d.store.addAccount(models.Account{UserID: d.joel.ID, Name: "bonus", Balance: 50 * money.Unit, Burn: 1}).ID
	d.settle("pbx-1.1", answered("caller", 30_000))
	if got := d.balances(main, bonus); got != "30/0 50/0" {
		t.Errorf("balance/held %s, want 30/0 50/0", got)
	}
}

// TestAnExpiredPromotionLocksNobodyOut: a closed account is as if it were not there; a blocked one blocks its user.
func TestAnExpiredPromotionLocksNobodyOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, main, last := d.accounts()
	joel := billing.Identity{CallerID: joelCLID}
	status := func(id int64, s models.AccountStatus) {
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		a := d.store.accounts[id]
		a.Status = s
		d.store.accounts[id] = a
	}
	status(first, models.AccountClosed)
	status(last, models.AccountClosed)
	auth, err := d.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.1", Identity: joel, Number: abroad})
	if err != nil || auth.Seconds != 20 {
		t.Fatalf("%+v, %v; want the 20 s of the one open account", auth, err)
	}
	if _, err := d.Move(t.Context(), billing.Movement{Username: "joel", Amount: 5 * money.Unit, Ref: "t"}); err != nil {
		t.Fatal(err)
	}
	if got := d.balances(first, main, last); got != "10/0 25/20 30/0" {
		t.Errorf("after a top-up: %s", got)
	}
	d.settle("pbx-1.1", answered("caller", 27_000))
	if got := d.balances(first, main, last); got != "10/0 0/0 30/0" || d.call("pbx-1.1").Shortfall != 2*money.Unit {
		t.Errorf("after 27 s: %s, shortfall %s", got, d.call("pbx-1.1").Shortfall)
	}
	status(first, models.AccountActive)
	status(main, models.AccountBlocked)
	_, err = d.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.2", Identity: joel, Number: abroad})
	refused(t, err, billing.ErrAccountBlocked)
}

// TestABlockedUserMakesNoCallsButStaysAccountable: money can be put in and taken out, and the call he is in is paid.
func TestABlockedUserMakesNoCallsButStaysAccountable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.block(d.marta)
	moved, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: 10 * money.Unit, Ref: "in"})
	if err != nil || moved.Available != 130*money.Unit {
		t.Errorf("top-up: %+v, %v", moved, err)
	}
	if _, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: -100 * money.Unit, Ref: "out"}); err != nil {
		t.Errorf("removal: %v", err)
	}
	d.settle("pbx-1.1", answered("caller", 70_000))
	d.money(20, 0)
	_, err = d.Authorize(t.Context(), d.request("pbx-1.2", abroad))
	refused(t, err, billing.ErrAccountBlocked)
}

// TestNoLedgerForACurrencyWithoutHouseAccounts: money that could not be booked is not moved.
func TestNoLedgerForACurrencyWithoutHouseAccounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	u := d.store.addUser("erika", "555000999", "")
	d.store.mu.Lock()
	u.Currency = "EUR"
	d.store.users[u.ID] = u
	d.store.mu.Unlock()
	d.store.change(u.ID, func(a *models.Account) { a.Currency = "EUR" })
	if _, err := d.Move(t.Context(), billing.Movement{Username: "erika", Amount: money.Unit, Ref: "t"}); err == nil {
		t.Error("money was booked on no account")
	}
}
