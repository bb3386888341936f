package agi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
)

// carriers are a route of three, who ask nothing.
func carriers() []models.Attempt {
	var all []models.Attempt
	for i, name := range []string{"alpha", "beta", "gamma"} {
		all = append(all, models.Attempt{Carrier: int64(i + 1), Name: name, Target: "PJSIP/" + abroad + "@" + name})
	}
	return all
}

// routed is an office whose calls abroad go by a route of three carriers.
func routed(t *testing.T) *office {
	t.Helper()
	return newOffice(t, func(p *billing.Policy) {
		p.Route = func(models.User, string, models.Rate, time.Time) ([]models.Attempt, error) { return carriers(), nil }
	})
}

// dials are the targets that a call was dialled at.
func dials(p *agitest.Peer) []string {
	var all []string
	for _, c := range commands(p) {
		if args, ok := strings.CutPrefix(c, `EXEC Dial "`); ok {
			target, _, _ := strings.Cut(args, ",")
			all = append(all, strings.TrimPrefix(target, "PJSIP/"+abroad+"@"))
		}
	}
	return all
}

// ends gives each carrier's dials a status; where that is ANSWER, three seconds are talked.
func ends(status map[string]string) func(*agitest.Dial) {
	return func(d *agitest.Dial) {
		_, carrier, _ := strings.Cut(d.Target, "@")
		d.Status, d.Talk = status[carrier], 3*time.Second
	}
}

// TestFailover: the next carrier is dialled when one cannot take the call, and for no other reason; nobody pays for those
// before.
func TestFailover(t *testing.T) {
	t.Parallel()
	o := routed(t)
	for _, test := range []struct {
		name    string
		status  map[string]string
		dialled []string
		state   models.CallState
		left    int64
		carrier any // who took it, by the log
		failed  float64
	}{
		{"the first takes it", nil, []string{"alpha"}, models.CallSettled, 97, "alpha", 0},
		{"the first cannot be reached", map[string]string{"alpha": "CHANUNAVAIL"}, []string{"alpha", "beta"}, models.CallSettled, 97, "beta", 1},
		{"the first has no line", map[string]string{"alpha": "CONGESTION"}, []string{"alpha", "beta"}, models.CallSettled, 97, "beta", 1},
		{
			"the first two cannot",
			map[string]string{"alpha": "CONGESTION", "beta": "CHANUNAVAIL"},
			[]string{"alpha", "beta", "gamma"},
			models.CallSettled, 97, "gamma", 2,
		},
		{"the callee is busy", map[string]string{"alpha": "BUSY"}, []string{"alpha"}, models.CallReleased, 100, "alpha", 0},
		{
			"the callee is busy at the second",
			map[string]string{"alpha": "CHANUNAVAIL", "beta": "BUSY"},
			[]string{"alpha", "beta"},
			models.CallReleased, 100, "beta", 1,
		},
		{"nobody answers", map[string]string{"alpha": "NOANSWER"}, []string{"alpha"}, models.CallReleased, 100, "alpha", 0},
		{"the caller gives up", map[string]string{"alpha": "CANCEL"}, []string{"alpha"}, models.CallReleased, 100, "alpha", 0},
		{
			"none can",
			map[string]string{"alpha": "CHANUNAVAIL", "beta": "CONGESTION", "gamma": "CHANUNAVAIL"},
			[]string{"alpha", "beta", "gamma"},
			models.CallReleased, 100, nil, 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.does(t, "caller", abroad, ends(test.status))
			if got := dials(c); !slices.Equal(got, test.dialled) {
				t.Errorf("dialled %v, want %v", got, test.dialled)
			}
			sent := commands(c)
			for i, command := range sent {
				if strings.HasPrefix(command, "EXEC Dial") && i > 0 && !slices.Contains(sent[max(i-3, 0):i], `SET VARIABLE TIMEOUT(absolute) "101"`) {
					t.Errorf("before %s the timeout was not set", command)
				}
				if strings.HasPrefix(command, "EXEC Dial") && !strings.HasSuffix(command, `,40,L(60000)i"`) {
					t.Errorf("dialled without ring time, limit or option: %s", command)
				}
			}
			p.has(t, test.left, 0)
			call := o.call(t, c)
			if call.State != test.state || call.SettledBy != "caller" || call.Routing.At != len(test.dialled)-1 {
				t.Errorf("the call is %s by %s at carrier %d", call.State, call.SettledBy, call.Routing.At)
			}
			o.ended(t, c, 1)
			for _, l := range o.log.lines(t, "call", nil) {
				if l["unique_id"] == c.UniqueID && (l["carrier"] != test.carrier || l["carriers_failed"] != test.failed) {
					t.Errorf("logged %v, %v", l["carrier"], l["carriers_failed"])
				}
			}
			o.hangsUp(t, c)
			p.has(t, test.left, 0)
			if again := o.call(t, c); again.State != test.state || again.Disputed != 0 {
				t.Errorf("after the reducer the call is %+v", again)
			}
		})
	}
}

// TestFailoverAnswered: a dial that was answered is the last, whatever Asterisk calls its end.
func TestFailoverAnswered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ANSWEREDTIME", "ANSWEREDTIME_MS", "TALKTIME_ANSWERED"} {
		c := permits()
		c.carriers = carriers()
		c.auth.Attempts = c.carriers
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: abroad}, Vars: map[string]string{}}
		p.Dial = fails("CHANUNAVAIL")
		p.Event = func(_ int, command string) agitest.Event {
			if strings.HasPrefix(command, `GET FULL VARIABLE "${DIALSTATUS}`) {
				p.Vars[name] = "1795210438"
			}
			return agitest.Answer
		}
		agitest.Call(t, open(t, &agi.Scripts{Billing: c}, nil), p)
		advanced, results := c.asked()
		if len(dials(p)) != 1 || len(advanced) != 0 || len(results) != 1 {
			t.Errorf("%s: dialled %v, moved to %v", name, dials(p), advanced)
		}
	}
}

// TestFailoverBroken: whatever happens at whichever command after the first dial, at the end of the channel nothing is held,
// and what was talked is paid once.
func TestFailoverBroken(t *testing.T) {
	t.Parallel()
	o := routed(t)
	two := ends(map[string]string{"alpha": "CHANUNAVAIL"})
	o.phone(100).does(t, "caller", abroad, two) // which asks for the routine
	probe := commands(o.phone(100).does(t, "caller", abroad, two))
	first := slices.IndexFunc(probe, func(command string) bool { return strings.HasPrefix(command, "EXEC Dial") })
	for _, test := range []struct {
		name    string
		event   agitest.Event
		hangups agitest.Hangups
	}{
		{"the connection is lost", agitest.Drop, agitest.SayHangup},
		{"the caller hangs up", agitest.HangUp, agitest.SayHangup},
		{"the caller hangs up, unsaid", agitest.HangUp, agitest.SayNothing},
		{"the caller hangs up, and the script ends", agitest.HangUp, agitest.Exit},
	} {
		for n := first + 2; n <= len(probe); n++ {
			t.Run(fmt.Sprintf("%s at %d, %s", test.name, n, probe[n-1]), func(t *testing.T) {
				t.Parallel()
				p := o.phone(100)
				c := p.peer("caller", abroad)
				c.Dial, c.Hangups = two, test.hangups
				c.Event = func(i int, _ string) agitest.Event {
					if i == n {
						return test.event
					}
					return agitest.Answer
				}
				agitest.Call(t, o.address, c)
				o.ended(t, c, 1)
				o.hangsUp(t, c)
				left := int64(100)
				if c.Vars["DIALSTATUS"] == "ANSWER" {
					left = 97
				}
				p.has(t, left, 0)
				if call := o.call(t, c); call.State == models.CallOpen || call.State == models.CallUnreconciled {
					t.Errorf("the call is %s", call.State)
				}
			})
		}
	}
}

// TestFailoverLetGo: when the server stops in a later dial, or dies, the reducer tells what was talked.
func TestFailoverLetGo(t *testing.T) {
	t.Parallel()
	o := routed(t)
	p := o.phone(100)
	c := p.peer("caller", abroad)
	c.Dial = func(d *agitest.Dial) {
		ends(map[string]string{"alpha": "CHANUNAVAIL"})(d)
		d.Drop = d.Status == ""
	}
	agitest.Call(t, o.address, c)
	o.ended(t, c, 1)
	p.has(t, 100, 60)
	c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", "20", "20001"
	o.hangsUp(t, c)
	p.has(t, 80, 0)
	if call := o.call(t, c); call.State != models.CallSettled || call.Routing.At != 1 {
		t.Errorf("the call is %s at carrier %d", call.State, call.Routing.At)
	}
}

// asked is to which carriers calls were moved, and what was handed in.
func (c *clerk) asked() (advanced []int, results []billing.CallResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.advanced), slices.Clone(c.results)
}

// permit changes where calls go from now on, and refuse refuses them.
func (c *clerk) permit(attempts []models.Attempt, at int, target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.auth.Attempts, c.auth.At, c.auth.Target = attempts, at, target
}

func (c *clerk) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// full is what billing says of a carrier who has no room.
var full = &billing.Refusal{Err: billing.ErrLimit, Reason: "carrier beta has as many calls as he may"}

// TestFailoverSkipsFullCarriers, and ends with the last dial when no other has room, or when nobody can say.
func TestFailoverSkipsFullCarriers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		advance  map[int]error
		advanced []int
		dialled  []string
	}{
		{"the second is full", map[int]error{1: full}, []int{1, 2}, []string{"alpha", "gamma"}},
		{"all others are full", map[int]error{1: full, 2: full}, []int{1, 2}, []string{"alpha"}},
		{"the database does not answer", map[int]error{1: models.ErrUnavailable}, []int{1}, []string{"alpha"}},
		{"the hold is gone", map[int]error{1: &billing.Refusal{Err: models.ErrNotFound}}, []int{1}, []string{"alpha"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := permits()
			c.carriers, c.advance = carriers(), test.advance
			c.auth.Target, c.auth.Attempts = c.carriers[0].Target, c.carriers
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: abroad}}
			p.Dial = ends(map[string]string{"alpha": "CONGESTION"})
			agitest.Call(t, open(t, &agi.Scripts{Billing: c}, nil), p)
			advanced, _ := c.asked()
			if got := dials(p); !slices.Equal(got, test.dialled) || !slices.Equal(advanced, test.advanced) {
				t.Errorf("dialled %v, want %v; moved to %v, want %v", got, test.dialled, advanced, test.advanced)
			}
			want := "CONGESTION"
			if len(test.dialled) > 1 {
				want = "ANSWER"
			}
			if e := c.evidence(t); e.DialStatus != want {
				t.Errorf("handed in %+v", e)
			}
		})
	}
}

// stuck is a billing.Service that can permit and settle, and cannot move a call on.
type stuck struct{ *billing.Service }

func (stuck) Advance(context.Context, billing.Identity, string, int, int64) (models.Attempt, error) {
	return models.Attempt{}, models.ErrUnavailable
}

// TestFailoverWithoutDatabase: the call ends with the carrier before, and its hold is released.
func TestFailoverWithoutDatabase(t *testing.T) {
	t.Parallel()
	o := routed(t)
	p := o.phone(100)
	log := &logbook{}
	address := openAt(t, &agi.Scripts{Billing: stuck{o.service}}, log, o.clock.now)
	c := p.peer("caller", abroad)
	c.Dial = fails("CHANUNAVAIL")
	agitest.Call(t, address, c)
	p.has(t, 100, 0)
	if call := o.call(t, c); call.State != models.CallReleased || call.Status != "CHANUNAVAIL" || len(dials(c)) != 1 {
		t.Errorf("the call is %s, %s; dialled %v", call.State, call.Status, dials(c))
	}
	if !strings.Contains(log.String(), "a call was not dialled at its next carrier") {
		t.Errorf("the log says %s", log)
	}
}

// offered is what authorize leaves of a route.
func offered(p *agitest.Peer) map[string]string {
	found := map[string]string{}
	for name, value := range p.Vars {
		for _, prefix := range []string{"ATTEMPTS", "AT", "TARGET", "DIALARGS", "CARRIER", "STATUS"} {
			if rest, ok := strings.CutPrefix(name, "TALKTIME_"); ok && (rest == prefix || strings.HasPrefix(rest, prefix+"_")) && value != "" {
				found[rest] = value
			}
		}
	}
	return found
}

func sameVariables(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got  %v\nwant %v", what, got, want)
	}
}

// TestAuthorizeRoute: the dialplan learns all carriers, and nothing of an earlier call's.
func TestAuthorizeRoute(t *testing.T) {
	t.Parallel()
	c := permits()
	c.carriers = carriers()
	c.auth.Target, c.auth.Attempts = c.carriers[0].Target, c.carriers
	address := open(t, &agi.Scripts{Billing: c}, nil)
	dialled := func(carrier string) string { return "PJSIP/" + abroad + "@" + carrier }
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "authorize", Extension: abroad}}
	agitest.Call(t, address, p)
	sameVariables(t, "three carriers", offered(p), map[string]string{
		"STATUS": "OK", "ATTEMPTS": "3", "AT": "0", "TARGET": dialled("alpha"), "DIALARGS": dialled("alpha") + ",40,L(180000)",
		"TARGET_1": dialled("alpha"), "DIALARGS_1": dialled("alpha") + ",40,L(180000)", "CARRIER_1": "alpha",
		"TARGET_2": dialled("beta"), "DIALARGS_2": dialled("beta") + ",40,L(180000)", "CARRIER_2": "beta",
		"TARGET_3": dialled("gamma"), "DIALARGS_3": dialled("gamma") + ",40,L(180000)", "CARRIER_3": "gamma",
	})
	if sent := commands(p); sent[len(sent)-1] != `SET VARIABLE TALKTIME_STATUS "OK"` {
		t.Errorf("the permission does not come last: %q", sent)
	}
	c.permit(c.carriers[2:], 2, dialled("gamma")) // as when the dialplan dials again after a redirect
	p = another(p, "authorize", abroad)
	agitest.Call(t, address, p)
	sameVariables(t, "the last of three", offered(p), map[string]string{
		"STATUS": "OK", "ATTEMPTS": "1", "AT": "2", "TARGET": dialled("gamma"), "DIALARGS": dialled("gamma") + ",40,L(180000)",
		"TARGET_1": dialled("gamma"), "DIALARGS_1": dialled("gamma") + ",40,L(180000)", "CARRIER_1": "gamma",
	})
	c.permit(nil, 0, dialled("trunk"))
	p = another(p, "authorize", abroad)
	agitest.Call(t, address, p)
	sameVariables(t, "no route", offered(p), map[string]string{
		"STATUS": "OK", "ATTEMPTS": "1", "AT": "0", "TARGET": dialled("trunk"), "DIALARGS": dialled("trunk") + ",40,L(180000)",
	})
	c.permit(c.carriers, 0, dialled("alpha"))
	agitest.Call(t, address, another(p, "authorize", abroad))
	c.refuse(&billing.Refusal{Err: billing.ErrInsufficientFunds, Reason: "no credit"})
	p = another(p, "authorize", abroad)
	agitest.Call(t, address, p)
	sameVariables(t, "refused", offered(p), map[string]string{"STATUS": "NOCREDIT"})
}

// TestAuthorizeLongRoute: no more carriers than one command can forget.
func TestAuthorizeLongRoute(t *testing.T) {
	t.Parallel()
	c := permits()
	for range 9 {
		c.auth.Attempts = append(c.auth.Attempts, carriers()...)
	}
	address := open(t, &agi.Scripts{Billing: c}, nil)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "authorize", Extension: abroad}}
	agitest.Call(t, address, p)
	if p.Vars["TALKTIME_ATTEMPTS"] != "20" || p.Vars["TALKTIME_TARGET_20"] == "" || p.Vars["TALKTIME_TARGET_21"] != "" {
		t.Errorf("offered %v", offered(p))
	}
	c.permit(nil, 0, "PJSIP/1@trunk")
	p = another(p, "authorize", abroad)
	agitest.Call(t, address, p)
	if got := offered(p); len(got) != 5 {
		t.Errorf("of the route before is left %v", got)
	}
	p.Vars["TALKTIME_ATTEMPTS"] = "99999999999" // by somebody else
	agitest.Call(t, address, another(p, "authorize", abroad))
	told(t, p, "OK", "OK", "")
}

// dialplan runs the dial loop of our sample for a call that was authorised, and returns whom it dialled.
func (o *office) dialplan(t *testing.T, c *agitest.Peer, status map[string]string) (dialled []string) {
	t.Helper()
	for n := 1; c.Vars["TALKTIME_STATUS"] == "OK"; {
		_, carrier, _ := strings.Cut(c.Vars["TALKTIME_TARGET"], "@")
		dialled = append(dialled, carrier)
		if !strings.HasPrefix(c.Vars["TALKTIME_DIALARGS"], "PJSIP/"+abroad+"@"+carrier+",40,L(") {
			t.Errorf("it dials %s", c.Vars["TALKTIME_DIALARGS"])
		}
		c.Vars["DIALSTATUS"] = status[carrier]
		if c.Vars["DIALSTATUS"] != "CHANUNAVAIL" && c.Vars["DIALSTATUS"] != "CONGESTION" {
			return dialled
		}
		c.Vars["TIMEOUT(absolute)"] = "80"
		for c.Vars["TALKTIME_STATUS"] = "LIMIT"; c.Vars["TALKTIME_STATUS"] == "LIMIT"; {
			if n++; fmt.Sprint(n) > c.Vars["TALKTIME_ATTEMPTS"] {
				return dialled
			}
			o.attempts(t, c, fmt.Sprint(n))
		}
	}
	return dialled
}

// attempts runs the script attempt on the channel of a call.
func (o *office) attempts(t *testing.T, c *agitest.Peer, args ...string) {
	t.Helper()
	p := another(c, "attempt", abroad)
	p.Args = args
	c.Vars["TALKTIME_STATUS"] = ""
	agitest.Call(t, o.address, p)
}

// TestAttempt: the dialplan goes from carrier to carrier as the caller script does.
func TestAttempt(t *testing.T) {
	t.Parallel()
	o := routed(t)
	for _, test := range []struct {
		name    string
		status  map[string]string
		dialled []string
		left    int64
	}{
		{"the first takes it", map[string]string{"alpha": "ANSWER"}, []string{"alpha"}, 80},
		{"the second", map[string]string{"alpha": "CHANUNAVAIL", "beta": "ANSWER"}, []string{"alpha", "beta"}, 80},
		{"none", map[string]string{"alpha": "CHANUNAVAIL", "beta": "CONGESTION", "gamma": "CONGESTION"}, []string{"alpha", "beta", "gamma"}, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.does(t, "authorize", abroad, nil)
			if got := o.dialplan(t, c, test.status); !slices.Equal(got, test.dialled) {
				t.Errorf("dialled %v, want %v", got, test.dialled)
			}
			if len(test.dialled) > 1 && c.Vars["TIMEOUT(absolute)"] != "101" && test.left < 100 {
				t.Errorf("TIMEOUT(absolute) is %s", c.Vars["TIMEOUT(absolute)"])
			}
			p.has(t, 100, 60)
			if c.Vars["DIALSTATUS"] == "ANSWER" {
				c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "20", "20001"
			}
			o.hangsUp(t, c)
			p.has(t, test.left, 0)
			if call := o.call(t, c); call.Routing.At != len(test.dialled)-1 || call.State == models.CallOpen {
				t.Errorf("the call is %s at carrier %d", call.State, call.Routing.At)
			}
		})
	}
}

// TestAttemptRefused: nothing may be dialled that billing did not permit now.
func TestAttemptRefused(t *testing.T) {
	t.Parallel()
	const noPermission = "authorize has permitted no call on this channel, or one to an emergency number"
	for _, test := range []struct {
		name, arg, reason string
		status            string
		advance           error
		edit              func(vars map[string]string)
	}{
		{"a full carrier", "2", full.Reason, "LIMIT", full, nil},
		{"no database", "2", "the database does not answer", "ERROR", models.ErrUnavailable, nil},
		{"a carrier that is not there", "4", "the argument must be the number of a carrier, 1 to TALKTIME_ATTEMPTS", "ERROR", nil, nil},
		{"no carrier", "", "the argument must be the number of a carrier, 1 to TALKTIME_ATTEMPTS", "ERROR", nil, nil},
		{"words", "two", "the argument must be the number of a carrier, 1 to TALKTIME_ATTEMPTS", "ERROR", nil, nil},
		{"nobody has asked", "2", noPermission, "ERROR", nil, func(vars map[string]string) { clear(vars) }},
		{"a call for help", "2", noPermission, "ERROR", nil, func(vars map[string]string) { vars["TALKTIME_SECONDS"] = "" }},
		{"nothing was dialled", "2", "the channel does not show that nobody answered its last dial", "ERROR", nil, func(vars map[string]string) { vars["DIALSTATUS"] = "" }},
		{"it was answered", "2", "the channel does not show that nobody answered its last dial", "ERROR", nil, func(vars map[string]string) { vars["DIALSTATUS"] = "ANSWER" }},
		{"it was answered, and says otherwise", "2", "the channel does not show that nobody answered its last dial", "ERROR", nil, func(vars map[string]string) { vars["ANSWEREDTIME"] = "3" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := permits()
			c.carriers, c.advance = carriers(), map[int]error{1: test.advance}
			c.auth.Target, c.auth.Attempts = c.carriers[0].Target, c.carriers
			address := open(t, &agi.Scripts{Billing: c, Prompts: "talktime"}, nil)
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "authorize", Extension: abroad}}
			agitest.Call(t, address, p)
			p.Vars["DIALSTATUS"] = "CHANUNAVAIL"
			if test.edit != nil {
				test.edit(p.Vars)
			}
			p = another(p, "attempt", abroad)
			p.Args = []string{test.arg}
			agitest.Call(t, address, p)
			if p.Vars["TALKTIME_STATUS"] != test.status || p.Vars["TALKTIME_REASON"] != test.reason {
				t.Errorf("told %q, %q", p.Vars["TALKTIME_STATUS"], p.Vars["TALKTIME_REASON"])
			}
			if p.Vars["TALKTIME_DIALARGS"] != "" || p.Vars["TALKTIME_TARGET"] != "" {
				t.Errorf("left to dial: %v", offered(p))
			}
			if advanced, _ := c.asked(); test.advance == nil && len(advanced) != 0 {
				t.Errorf("moved to %v", advanced)
			}
			for _, command := range commands(p) {
				if strings.HasPrefix(command, "STREAM FILE") {
					t.Errorf("the caller is told: %s", command)
				}
			}
		})
	}
}

// TestAttemptBroken: whatever happens at whichever command, the dialplan has the permission or not, and the reducer finds that
// nobody answered.
func TestAttemptBroken(t *testing.T) {
	t.Parallel()
	o := routed(t)
	start := func(t *testing.T) (phone, *agitest.Peer) {
		p := o.phone(100)
		c := p.does(t, "authorize", abroad, nil)
		c.Vars["DIALSTATUS"], c.Vars["TALKTIME_STATUS"] = "CHANUNAVAIL", ""
		next := another(c, "attempt", abroad)
		next.Args = []string{"2"}
		return p, next
	}
	_, probe := start(t)
	agitest.Call(t, o.address, probe)
	told(t, probe, "OK", "OK", "")
	for _, event := range []agitest.Event{agitest.Drop, agitest.HangUp} {
		for n := 1; n <= len(commands(probe)); n++ {
			t.Run(fmt.Sprintf("%d at %d, %s", event, n, commands(probe)[n-1]), func(t *testing.T) {
				t.Parallel()
				p, c := start(t)
				c.Event = func(i int, _ string) agitest.Event {
					if i == n {
						return event
					}
					return agitest.Answer
				}
				agitest.Call(t, o.address, c)
				o.ended(t, c, 2)
				if c.Vars["TALKTIME_STATUS"] == "OK" && o.call(t, c).Routing.At != 1 {
					t.Error("the dialplan may dial a carrier whose call it is not")
				}
				o.hangsUp(t, c)
				p.has(t, 100, 0)
			})
		}
	}
}

// TestEmergencyDoesNotFailOver: it has a way of its own, and no carriers.
func TestEmergencyDoesNotFailOver(t *testing.T) {
	t.Parallel()
	o := routed(t)
	p := o.phone(0)
	c := p.does(t, "caller", "112", fails("CHANUNAVAIL"))
	if len(dials(c)) != 1 {
		t.Errorf("dialled %v", dials(c))
	}
	c = p.does(t, "authorize", "112", nil)
	sameVariables(t, "an emergency call", offered(c), map[string]string{
		"STATUS": "OK", "ATTEMPTS": "1", "AT": "0", "TARGET": "PJSIP/112@trunk", "DIALARGS": "PJSIP/112@trunk,40,i",
	})
}

// TestNoUniqueIDNoAttempt: calls that are not told apart must not share a hold.
func TestNoUniqueIDNoAttempt(t *testing.T) {
	t.Parallel()
	c := permits()
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "attempt", UniqueID: "-", Args: []string{"2"}}}
	c.err = errors.New("not asked")
	agitest.Call(t, open(t, &agi.Scripts{Billing: c}, nil), p)
	if advanced, _ := c.asked(); p.Vars["TALKTIME_STATUS"] != "ERROR" || len(advanced) != 0 {
		t.Errorf("told %q, moved to %v", p.Vars["TALKTIME_STATUS"], advanced)
	}
}
