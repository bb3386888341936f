package billing_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

func TestAuthorizeHoldsTheCostOfTheLimit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	got := d.authorize("pbx-1.1", abroad)
	want := billing.Authorization{CallID: "pbx-1.1", UserID: d.marta.ID, Target: "PJSIP/59899123000@trunk", Ring: 40, Seconds: 60, Dial: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.money(180, 60)
	call := d.call("pbx-1.1")
	account := d.account(d.marta).ID
	wantCall := models.Call{
		ID: call.ID, CallID: "pbx-1.1", UserID: d.marta.ID, CallerID: martaCLID, Number: abroad, State: models.CallOpen, Rate: models.SecondRate(),
		Limit: 60, Holds: []models.HoldPart{{AccountID: account, Amount: 60 * money.Unit}}, Authorized: d.clock, Due: d.clock.Add(100 * time.Second),
		Attempts: 1, Dials: 1,
	}
	if diff := cmp.Diff(wantCall, call); diff != "" {
		t.Errorf("call (-want +got)\n%s", diff)
	}
}

func TestLimitIsWhatIsAvailable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i, want := range []int64{60, 60, 60} {
		if got := d.authorize(fmt.Sprint("pbx-1.", i), abroad).Seconds; got != want {
			t.Errorf("call %d may last %d s, want %d", i, got, want)
		}
	}
	_, err := d.Authorize(t.Context(), d.request("pbx-1.9", abroad))
	if reason := refused(t, err, billing.ErrInsufficientFunds); reason != "all credit is held by calls in progress" {
		t.Errorf("reason %q", reason)
	}
	d.settle("pbx-1.0", answered("caller", 50_400))
	if got := d.authorize("pbx-1.10", abroad).Seconds; got != 10 {
		t.Errorf("the 10 SEC that came back permit %d s", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	joel := billing.Identity{CallerID: joelCLID}
	for name, c := range map[string]struct {
		edit    func(*billing.CallRequest)
		prepare func(*desk)
		options func(*billing.Policy)
		kind    error
		reason  string
	}{
		"no money":             {edit: func(r *billing.CallRequest) { r.Identity = joel }, kind: billing.ErrInsufficientFunds, reason: "no credit"},
		"unknown caller":       {edit: func(r *billing.CallRequest) { r.Identity.CallerID = "1" }, kind: billing.ErrUnknownCaller, reason: "no user has this caller id, account code or IMSI"},
		"nobody at all":        {edit: func(r *billing.CallRequest) { r.Identity = billing.Identity{} }, kind: billing.ErrUnknownCaller},
		"identity conflict":    {edit: func(r *billing.CallRequest) { r.Identity.AccountCode = "joel" }, kind: billing.ErrUnknownCaller, reason: "identity conflict"},
		"a blocked account":    {prepare: func(d *desk) { d.block(d.marta) }, kind: billing.ErrAccountBlocked, reason: "the account is blocked"},
		"no tariff":            {options: func(p *billing.Policy) { p.Rate = noRate }, kind: billing.ErrNoRate},
		"a rate in euros":      {options: func(p *billing.Policy) { p.Rate = euroRate }, kind: billing.ErrNoRate},
		"nowhere to dial":      {options: func(p *billing.Policy) { p.Dial = "" }, kind: billing.ErrUnknownCallee},
		"a route of nonsense":  {options: func(p *billing.Policy) { p.Dial = "Local/{number}" }, kind: models.ErrInvalid},
		"half a minute is due": {options: func(p *billing.Policy) { p.Rate = halfAnHour }, kind: billing.ErrInsufficientFunds, reason: "no credit"},
		"a + in the number":    {edit: func(r *billing.CallRequest) { r.Number = "59+899123000" }, kind: models.ErrInvalid},
		"two of them":          {edit: func(r *billing.CallRequest) { r.Number = "++" + r.Number }, kind: models.ErrInvalid},
		"ring time below 0":    {edit: func(r *billing.CallRequest) { r.Ring = -1 }, kind: models.ErrInvalid},
		"ring time of a day":   {edit: func(r *billing.CallRequest) { r.Ring = 86400 }, kind: models.ErrInvalid},
		"no unique id":         {edit: func(r *billing.CallRequest) { r.CallID = "" }, kind: models.ErrInvalid},
		"an attempt's id":      {edit: func(r *billing.CallRequest) { r.CallID = "pbx-1.1#2" }, kind: models.ErrInvalid},
		"an id with a newline": {edit: func(r *billing.CallRequest) { r.CallID = "pbx-1.1\n" }, kind: models.ErrInvalid},
		"a long unique id":     {edit: func(r *billing.CallRequest) { r.CallID = strings.Repeat("1", 141) }, kind: models.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, with(func(p *billing.Policy) {
				if c.options != nil {
					c.options(p)
				}
			}))
			if c.prepare != nil {
				c.prepare(d)
			}
			req := d.request("pbx-1.1", abroad)
			if c.edit != nil {
				c.edit(&req)
			}
			_, err := d.Authorize(t.Context(), req)
			if reason := refused(t, err, c.kind); c.reason != "" && reason != c.reason || strings.ContainsAny(reason, "\n\r\"") {
				t.Errorf("reason %q, want %q", reason, c.reason)
			}
			d.money(180, 0)
		})
	}
}

func (d *desk) block(u models.User) {
	d.store.change(u.ID, func(a *models.Account) { a.Status = models.AccountBlocked })
}

func noRate(models.User, string, time.Time) (models.Rate, error) {
	return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
}

func euroRate(models.User, string, time.Time) (models.Rate, error) {
	return models.Rate{Currency: "EUR", PerMinute: money.Unit, First: 1, Increment: 1}, nil
}

func halfAnHour(models.User, string, time.Time) (models.Rate, error) {
	return models.Rate{Currency: models.SEC, PerMinute: 60 * money.Unit, First: 1800, Increment: 60}, nil
}

func TestDialledNumbersAreDigits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, number := range []string{
		"", " ", "12a", "1&2", "1,2", "1(2)", "1)", "1\n", "\n1", "1\r", "1\x00", "1@host", "1/2", "${X}", "1;2", "12'", "1\"", "1|2", "٣", "1 2",
		"+", strings.Repeat("1", 41), "1-2", "1.2", "h", "s", "T",
	} {
		req := d.request("pbx-1.1", number)
		_, err := d.Authorize(t.Context(), req)
		if number == "+" {
			continue // no number that a trunk will like, but harmless
		}
		if !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%q: %v", number, err)
		}
	}
	for i, number := range []string{"1", "+59899123000", "*100#", strings.Repeat("9", 40)} {
		auth, err := d.Authorize(t.Context(), d.request(fmt.Sprint("pbx-2.", i), number))
		if err != nil || auth.Target != "PJSIP/"+number+"@trunk" {
			t.Errorf("%q: %+v, %v", number, auth, err)
		}
		if err := d.Release(t.Context(), billing.Identity{CallerID: martaCLID}, auth.CallID, "test"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTargetGrammar(t *testing.T) {
	t.Parallel()
	techs := policy().DialTechs
	for target, want := range map[string]bool{
		"PJSIP/1@trunk": true, "PJSIP/1@trunk&SIP/2": true, "IAX2/user:pw@host/1": true, "DAHDI/g1/123": true, "PJSIP/alice/sip:alice@10.0.0.1:5060": true,
		"PJSIP/" + strings.Repeat("a", 200): true, "PJSIP/" + strings.Repeat("a", 201): false,
		"": false, "PJSIP": false, "PJSIP/": false, "/1": false, "&": false, "PJSIP/1&": false, "&PJSIP/1": false, "PJSIP/1&&PJSIP/2": false,
		"pjsip/1": false, "Local/1@context": false, "PJSIP/1@trunk&Local/1@context": false, "Local/1&PJSIP/1": false,
		"PJSIP/1@trunk,40": false, "PJSIP/1@trunk,40,L(0)": false, "PJSIP/1@trunk|40": false, "PJSIP/1(2)": false, "PJSIP/1)": false,
		"PJSIP/1\n": false, "PJSIP/1\r\nEXEC System rm": false, "PJSIP/1 2": false, "PJSIP/${X}": false, "PJSIP/$[1]": false, "PJSIP/1;2": false,
		"PJSIP/1^2": false, "PJSIP/\"1\"": false, "PJSIP/1\x00": false, "PJSIP/é": false, " PJSIP/1": false, "PJSIP/1 ": false, "PJSIP\\1": false,
		"PJSIP/1%0a": false, "PJSIP/1=2": false, "PJSIP/1?x": false, "PJSIP/1!": false, "PJSIP/~1": false, "PJSIP/<1>": false,
	} {
		if got := billing.ValidTarget(target, techs); got != want {
			t.Errorf("%q: %v, want %v", target, got, want)
		}
	}
	if billing.ValidTarget("PJSIP/1", nil) {
		t.Error("no technology is allowed, yet a target passed")
	}
}

// TestWhateverIsDialledStaysOneArgument: nothing from outside adds an argument, an option or a command to a dial.
func TestWhateverIsDialledStaysOneArgument(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	calls := 0
	rapid.Check(t, func(rt *rapid.T) {
		calls++
		req := d.request(fmt.Sprint("pbx-1.", calls), rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9+*#]{1,5}[,&()\n|$;]?`)).Draw(rt, "number"))
		req.Target = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`PJSIP/[0-9a-z]{1,5}[,&()\n|$;]?[a-z]?`)).Draw(rt, "target")
		auth, err := d.Authorize(t.Context(), req)
		if err != nil {
			return
		}
		if strings.ContainsAny(auth.Target, ",()|\n\r\"'\\ ;${}[]^\x00") || !billing.ValidTarget(auth.Target, policy().DialTechs) {
			rt.Fatalf("number %q and target %q are dialled as %q", req.Number, req.Target, auth.Target)
		}
		if err := d.Release(t.Context(), req.Identity, auth.CallID, "test"); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestWhereACallGoes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.store.addUser("desk phone", "300", "")
	for i, c := range []struct {
		name   string
		edit   func(*billing.CallRequest)
		target string
		ring   int64
		callee int64
	}{
		{"another subscriber", func(r *billing.CallRequest) { r.Number = joelCLID }, "PJSIP/IMSI" + joelIMSI + "@openbts", 40, d.joel.ID},
		{"a subscriber without a SIM goes by the trunk", func(r *billing.CallRequest) { r.Number = "300" }, "PJSIP/300@trunk", 40, 0},
		{"the caller himself", func(r *billing.CallRequest) { r.Number = martaCLID }, "PJSIP/" + martaCLID + "@trunk", 40, 0},
		{"the dialplan's choice", func(r *billing.CallRequest) { r.Target, r.Ring = "IAX2/hub/1", 25 }, "IAX2/hub/1", 25, 0},
		{"the dialplan's choice for a subscriber", func(r *billing.CallRequest) { r.Number, r.Target = joelCLID, "SIP/j" }, "SIP/j", 40, d.joel.ID},
	} {
		req := d.request(fmt.Sprint("pbx-1.", i), abroad)
		c.edit(&req)
		auth, err := d.Authorize(t.Context(), req)
		if err != nil || auth.Target != c.target || auth.Ring != c.ring {
			t.Errorf("%s: %+v, %v; want %s for %d s", c.name, auth, err, c.target, c.ring)
		}
		if callee := d.call(auth.CallID).CalleeID; c.callee != 0 && callee != c.callee {
			t.Errorf("%s: callee %d, want %d", c.name, callee, c.callee)
		}
		d.settle(auth.CallID, unanswered("caller", "BUSY", 17))
	}
}

func TestWhoCalls(t *testing.T) {
	t.Parallel()
	everything := []string{billing.ByCallerID, billing.ByAccount, billing.ByIMSI}
	for name, c := range map[string]struct {
		identify []string
		id       billing.Identity
		want     string // "" = unknown, "!" = conflict
	}{
		"caller id":                           {everything, billing.Identity{CallerID: martaCLID}, "marta"},
		"account code":                        {everything, billing.Identity{AccountCode: "marta"}, "marta"},
		"IMSI in the channel":                 {everything, billing.Identity{Channel: "PJSIP/IMSI" + martaIMSI + "-00000001"}, "marta"},
		"IMSI in the caller id":               {everything, billing.Identity{CallerID: "IMSI" + martaIMSI}, "marta"},
		"all three agree":                     {everything, billing.Identity{CallerID: martaCLID, AccountCode: "marta", Channel: "SIP/IMSI" + martaIMSI + "-1"}, "marta"},
		"account code beside an unknown id":   {everything, billing.Identity{CallerID: "unknown", AccountCode: "marta"}, "marta"},
		"account code beside a stranger's id": {everything, billing.Identity{CallerID: "999", AccountCode: "marta"}, "marta"},
		"a stranger's account code":           {everything, billing.Identity{CallerID: martaCLID, AccountCode: "nobody"}, "marta"},
		"id and account differ":               {everything, billing.Identity{CallerID: martaCLID, AccountCode: "joel"}, "!"},
		"id and IMSI differ":                  {everything, billing.Identity{CallerID: martaCLID, Channel: "PJSIP/IMSI" + joelIMSI + "-1"}, "!"},
		"account and IMSI differ":             {everything, billing.Identity{AccountCode: "joel", Channel: "PJSIP/IMSI" + martaIMSI + "-1"}, "!"},
		"two IMSIs differ":                    {everything, billing.Identity{CallerID: "IMSI" + joelIMSI, Channel: "PJSIP/IMSI" + martaIMSI + "-1"}, "!"},
		"the account code does not count":     {[]string{billing.ByCallerID}, billing.Identity{CallerID: martaCLID, AccountCode: "joel"}, "marta"},
		"the caller id does not count":        {[]string{billing.ByAccount}, billing.Identity{CallerID: martaCLID}, ""},
		"the IMSI does not count":             {[]string{billing.ByCallerID}, billing.Identity{Channel: "PJSIP/IMSI" + martaIMSI + "-1"}, ""},
		"no way is configured":                {nil, billing.Identity{CallerID: martaCLID, AccountCode: "marta", Channel: "PJSIP/IMSI" + martaIMSI}, ""},
		"empty":                               {everything, billing.Identity{}, ""},
		"unknown":                             {everything, billing.Identity{CallerID: "unknown"}, ""},
		"Unknown, in capitals":                {everything, billing.Identity{CallerID: "UNKNOWN", AccountCode: "Unknown"}, ""},
		"an account code called unknown":      {everything, billing.Identity{AccountCode: "unknown"}, ""},
		"anonymous":                           {everything, billing.Identity{CallerID: "anonymous"}, ""},
		"a part of the IMSI":                  {everything, billing.Identity{Channel: "PJSIP/IMSI" + martaIMSI[:14] + "-1"}, ""},
		"more digits than the IMSI":           {everything, billing.Identity{Channel: "PJSIP/IMSI" + martaIMSI + "7-1"}, ""},
		"IMSI inside another word":            {everything, billing.Identity{Channel: "PJSIP/XIMSI" + martaIMSI + "-1"}, ""},
		"the number with a space":             {everything, billing.Identity{CallerID: martaCLID + " "}, ""},
		"the number with a plus":              {everything, billing.Identity{CallerID: "+" + martaCLID}, ""},
		"a quote":                             {everything, billing.Identity{CallerID: "' OR 1=1 --", AccountCode: "marta'--"}, ""},
		"the account in capitals":             {everything, billing.Identity{AccountCode: "Marta"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, with(func(p *billing.Policy) { p.Identify = c.identify }))
			d.store.addUser("unknown", "7", "")
			d.topUp("joel", 60)
			auth, err := d.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-1.1", Identity: c.id, Number: abroad})
			available, user, availableErr := d.Available(t.Context(), c.id)
			switch c.want {
			case "":
				refused(t, err, billing.ErrUnknownCaller)
				refused(t, availableErr, billing.ErrUnknownCaller)
			case "!":
				if reason := refused(t, err, billing.ErrUnknownCaller); reason != "identity conflict" {
					t.Errorf("reason %q", reason)
				}
			default:
				if err != nil || auth.UserID != d.marta.ID {
					t.Errorf("%+v, %v; want user %d", auth, err, d.marta.ID)
				}
				if availableErr != nil || user.Username != c.want || available != 120*money.Unit {
					t.Errorf("%s has %s available, %v", user.Username, available, availableErr)
				}
			}
		})
	}
}

func TestEmergencyNumbersAskNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	stranger := billing.CallRequest{CallID: "pbx-1.1", Number: "112"}
	auth, ok, err := d.Emergency(stranger)
	if err != nil || !ok || auth.Target != "PJSIP/112@trunk" || !auth.Emergency || auth.Seconds != 0 || auth.Ring != 40 {
		t.Fatalf("%+v, %v, %v", auth, ok, err)
	}
	if _, ok, _ := d.Emergency(d.request("pbx-1.1", "1120")); ok {
		t.Error("1120 passed for an emergency number")
	}
	for range 2 { // as the spool would, after an answer was lost
		if err := d.RecordEmergency(t.Context(), stranger); err != nil {
			t.Fatal(err)
		}
	}
	if call := d.call("pbx-1.1"); call.State != models.CallEmergency || len(d.store.calls) != 1 {
		t.Errorf("recorded %d calls, the first is %+v", len(d.store.calls), call)
	}
	if charge := d.settle("pbx-1.1", answered("reducer", 60_000)); charge.State != models.CallEmergency || charge.Amount != 0 {
		t.Errorf("charged %+v", charge)
	}
	d.money(180, 0)
}

// TestEmergencyDoesNotHideAnOpenCall: an earlier call of the channel is still settled, by whoever comes.
func TestEmergencyDoesNotHideAnOpenCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", redirected(0, 3)) // the channel talks on, and then calls for help
	for range 2 {
		if err := d.RecordEmergency(t.Context(), d.request("pbx-1.1", "112")); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.store.calls) != 2 {
		t.Errorf("%d calls are recorded, want 2", len(d.store.calls))
	}
	charge, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true})
	if err != nil || charge.State != models.CallSettled || charge.Seconds != 3 {
		t.Errorf("%+v, %v; want 3 seconds", charge, err)
	}
	d.money(177, 0)
	auth := d.authorize("pbx-1.1", abroad)
	if auth.CallID != "pbx-1.1#2" {
		t.Errorf("the next call is %s", auth.CallID)
	}
}

// TestTheReducerOfAnEmergencyCallChargesNobody: what it measured is the talk with the emergency number.
func TestTheReducerOfAnEmergencyCallChargesNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.settle("pbx-1.1", redirected(0, 3)) // and then it calls for help, for a minute
	res := billing.CallResult{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: martaCLID}, Evidence: answered("reducer", 63_000), Emergency: true}
	if charge, err := d.Settle(t.Context(), res); err != nil || charge.Seconds != 3 {
		t.Errorf("%+v, %v; want the 3 s of the first call", charge, err)
	}
	res.CallID = "pbx-1.2" // it was never recorded
	if charge, err := d.Settle(t.Context(), res); err != nil || charge.State != "" {
		t.Errorf("%+v, %v", charge, err)
	}
	d.money(177, 0)
}

func TestEmergencyWithoutARouteSaysSo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.EmergencyDial = "Nonsense" }))
	_, ok, err := d.Emergency(d.request("pbx-1.1", "112"))
	if !ok {
		t.Error("not an emergency")
	}
	refused(t, err, models.ErrInvalid)
}

func TestRepeatedCallerToTheSameNumberKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.authorize("pbx-1.1", abroad)
	d.wait(20.9)
	again := d.authorize("pbx-1.1", abroad)
	want := first
	want.Repeated, want.Seconds, want.Dial = true, 40, 2
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.money(180, 60)
	d.wait(39.1)
	_, err := d.Authorize(t.Context(), d.request("pbx-1.1", abroad))
	if reason := refused(t, err, billing.ErrInsufficientFunds); reason != "the time held for this call has passed" {
		t.Errorf("reason %q", reason)
	}
}

// TestRepeatedCallerWhoseHoldIsAllHeHas goes on: his own hold must not refuse him.
func TestRepeatedCallerWhoseHoldIsAllHeHas(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.MaxCallSeconds = 7200 }))
	if first := d.authorize("pbx-1.1", abroad); first.Seconds != 180 {
		t.Fatalf("%d s", first.Seconds)
	}
	d.wait(30)
	if again := d.authorize("pbx-1.1", abroad); !again.Repeated || again.Seconds != 150 {
		t.Errorf("same number: %+v", again)
	}
	if other := d.authorize("pbx-1.1", joelCLID); !other.Repeated || other.Seconds != 150 || other.Leg != 1 {
		t.Errorf("another number: %+v", other)
	}
	d.money(180, 180)
}

// TestLongerRingingOfARepeatedCallerMovesTheDueTime: else the reconciler would take the call while it is up.
func TestLongerRingingOfARepeatedCallerMovesTheDueTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(10)
	req := d.request("pbx-1.1", abroad)
	req.Ring = 600
	auth, err := d.Authorize(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if due, end := d.call("pbx-1.1").Due, d.clock.Add(time.Duration(auth.Ring+auth.Seconds)*time.Second); due.Before(end) {
		t.Errorf("due at %s, but the call may last until %s", due, end)
	}
}

func TestRepeatedCallerToAnotherNumberIsRatedAnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.Rate = byNumber }))
	if first := d.authorize("pbx-1.1", "1"); first.Seconds != 60 { // 1 SEC each
		t.Fatalf("first: %d s", first.Seconds)
	}
	d.money(180, 60)
	d.wait(20)
	second := d.authorize("pbx-1.1", "4") // 4 SEC each: 20 stay for what was talked, 160 pay for 40 s
	if second.Seconds != 40 || second.Leg != 1 || !second.Repeated || second.CallID != "pbx-1.1" {
		t.Fatalf("second: %+v", second)
	}
	d.money(180, 180)
	call := d.call("pbx-1.1")
	wantLegs := []models.Leg{{Number: "1", Rate: rateOf(1), Authorized: d.clock.Add(-20 * time.Second)}}
	if diff := cmp.Diff(wantLegs, call.Legs); diff != "" || call.Number != "4" || call.Limit != 40 || !call.Authorized.Equal(d.clock) {
		t.Errorf("call %+v, legs (-want +got)\n%s", call, diff)
	}
	d.settle("pbx-1.1", redirected(0, 20))
	d.wait(10)
	charge := d.settle("pbx-1.1", onLeg(1, answered("caller", 30_500)))
	if charge.Seconds != 30 || charge.Amount != 60*money.Unit { // 20 × 1 + 10 × 4
		t.Errorf("charge %+v", charge)
	}
	d.money(120, 0)
}

// TestTheFirstLegIsCoveredBeforeTheSecond: a redirect never lets anybody talk twice on the same money.
func TestTheFirstLegIsCoveredBeforeTheSecond(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.Rate, p.MaxCallSeconds = byNumber, 7200 }))
	d.authorize("pbx-1.1", "1")
	d.wait(178)
	_, err := d.Authorize(t.Context(), d.request("pbx-1.1", "4"))
	if reason := refused(t, err, billing.ErrInsufficientFunds); reason != "no credit" {
		t.Errorf("reason %q", reason)
	}
	d.money(180, 180) // the first leg keeps its hold
	if charge := d.settle("pbx-1.1", answered("reducer", 178_000)); charge.Amount != 178*money.Unit {
		t.Errorf("charge %+v", charge)
	}
}

func TestNobodyRedirectsForever(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 1000 {
		_, err := d.Authorize(t.Context(), d.request("pbx-1.1", fmt.Sprint(i)))
		if err == nil {
			continue
		}
		refused(t, err, billing.ErrLimit)
		d.settle("pbx-1.1", unanswered("reducer", "BUSY", 17))
		return
	}
	t.Error("a thousand legs under one hold")
}

// byNumber prices a call to the number n at n SEC each second, and every other at one.
func byNumber(_ models.User, number string, _ time.Time) (models.Rate, error) {
	if len(number) == 1 {
		return rateOf(money.Amount(number[0] - '0')), nil
	}
	return rateOf(1), nil
}

func rateOf(perSecond money.Amount) models.Rate {
	return models.Rate{Currency: models.SEC, PerMinute: perSecond * 60 * money.Unit, First: 1, Increment: 1}
}

func TestRepeatedCallerWithAnotherFaceIsAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.topUp("joel", 100)
	d.authorize("pbx-1.1", abroad)
	req := d.request("pbx-1.1", abroad)
	req.Identity.CallerID = joelCLID
	_, err := d.Authorize(t.Context(), req)
	refused(t, err, billing.ErrIdentityConflict)
	d.money(180, 60)
	if a := d.account(d.joel); a.Held != 0 {
		t.Errorf("joel holds %s", a.Held)
	}
}

func TestChannelThatDialsAgainAfterSettlementMakesAnotherCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(3)
	d.settle("pbx-1.1", answered("caller", 3006))
	d.wait(5)
	second := d.authorize("pbx-1.1", joelCLID)
	if second.CallID != "pbx-1.1#2" || second.Repeated || second.Leg != 0 {
		t.Fatalf("%+v", second)
	}
	if up := d.call("pbx-1.1#2").UpBefore; up != 8006 {
		t.Errorf("the channel had been up for %d ms, want 8006", up)
	}
	// ANSWEREDTIME goes on counting from the channel's own answer.
	d.wait(4)
	if charge := d.settle("pbx-1.1#2", answered("caller", 12_006)); charge.Seconds != 4 || charge.CallID != "pbx-1.1#2" {
		t.Errorf("%+v", charge)
	}
	d.settle("pbx-1.1", answered("reducer", 12_006))
	d.money(173, 0)
	third := d.authorize("pbx-1.1", abroad)
	if third.CallID != "pbx-1.1#3" {
		t.Errorf("third call %s", third.CallID)
	}
	d.wait(2)
	if charge := d.settle("pbx-1.1", unanswered("reducer", "NOANSWER", 0)); charge.CallID != "pbx-1.1#3" || charge.State != models.CallReleased {
		t.Errorf("%+v", charge)
	}
	fourth := d.authorize("pbx-1.1", abroad)
	if up := d.call(fourth.CallID).UpBefore; up != 14_006 {
		t.Errorf("after a busy call the channel had been up for %d ms, want 14006", up)
	}
	d.settle("pbx-1.1", answered("reducer", 15_006))
	d.money(172, 0)
}

// TestFollowOnAfterACallOfWhichOnlySecondsAreKnown does not pay twice for the first talk.
func TestFollowOnAfterACallOfWhichOnlySecondsAreKnown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	d.wait(10)
	d.settle("pbx-1.1", cdr("ANSWER", n(10)))
	d.authorize("pbx-1.1", joelCLID)
	d.wait(5)
	if charge := d.settle("pbx-1.1", answered("reducer", 15_100)); charge.Seconds != 5 {
		t.Errorf("%+v, want 5 seconds", charge)
	}
}

func TestZeroPriceHoldsNothingAndPostsNothing(t *testing.T) {
	t.Parallel()
	free := models.Rate{Currency: models.SEC, First: 60, Increment: 60}
	d := newDesk(t, with(func(p *billing.Policy) {
		p.Rate = func(models.User, string, time.Time) (models.Rate, error) { return free, nil }
	}))
	req := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: joelCLID}, Number: abroad}
	auth, err := d.Authorize(t.Context(), req)
	if err != nil || auth.Seconds != 60 {
		t.Fatalf("%+v, %v", auth, err)
	}
	if call := d.call("pbx-1.1"); len(call.Holds) != 0 {
		t.Errorf("holds %v", call.Holds)
	}
	posted := len(d.store.posted)
	if charge := d.settle("pbx-1.1", answered("caller", 30_000)); charge.Seconds != 30 || charge.Amount != 0 || charge.State != models.CallSettled {
		t.Errorf("%+v", charge)
	}
	if len(d.store.posted) != posted {
		t.Error("a transaction was posted for nothing")
	}
}

// TestConcurrentCallsNeverShareMoney: many calls of one caller at once.
func TestConcurrentCallsNeverShareMoney(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var mu sync.Mutex
	var seconds []int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			auth, err := d.Authorize(t.Context(), d.request(fmt.Sprint("pbx-1.", i), abroad))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				seconds = append(seconds, auth.Seconds)
			} else if !errors.Is(err, billing.ErrInsufficientFunds) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]int64{60, 60, 60}, seconds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.money(180, 180)
}
