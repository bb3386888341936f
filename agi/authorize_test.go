package agi_test

import (
	"strings"
	"testing"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
)

// permission is what authorize leaves for the dialplan.
var permission = []string{"SECONDS", "TARGET", "RING", "OPTIONS", "DIALARGS"}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, script := range []string{"authorize", "authorise"} {
		p := o.phone(50)
		c := p.does(t, script, abroad, nil)
		told(t, c, "OK", "OK", "")
		want := map[string]string{
			"TALKTIME_SECONDS": "50", "TALKTIME_TARGET": "PJSIP/" + abroad + "@trunk", "TALKTIME_RING": "40", "TALKTIME_OPTIONS": "L(50000)",
			"TALKTIME_DIALARGS": "PJSIP/" + abroad + "@trunk,40,L(50000)", "TIMEOUT(absolute)": "91", "TALKTIME_EMERGENCY": "",
		}
		for name, value := range want {
			if c.Vars[name] != value {
				t.Errorf("%s: %s is %q, want %q", script, name, c.Vars[name], value)
			}
		}
		if sent := commands(c); sent[len(sent)-1] != `SET VARIABLE TALKTIME_STATUS "OK"` || dialled(t, c) != "" {
			t.Errorf("%s: the permission does not come last: %q", script, sent)
		}
		p.has(t, 50, 50)

		// The dialplan dials, and the reducer is the only witness.
		c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", "20", "20001"
		o.hangsUp(t, c)
		p.has(t, 30, 0)
		if got := o.call(t, c); got.State != models.CallSettled || got.SettledBy != "reducer" {
			t.Errorf("%s: the call is %s by %s", script, got.State, got.SettledBy)
		}
	}
}

// TestAuthorizeRefused: what an earlier call on the channel was given does not serve a refused one.
func TestAuthorizeRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(0)
	c := p.peer("authorize", abroad)
	c.Vars = map[string]string{"TALKTIME_STATUS": "OK", "TALKTIME_EMERGENCY": "1", "CELCOM_STATUS": "OK"}
	for _, name := range permission {
		c.Vars["TALKTIME_"+name] = "of an earlier call"
	}
	agitest.Call(t, o.address, c)
	told(t, c, "NOCREDIT", "NOCREDIT", "no credit")
	for _, name := range permission {
		if v := c.Vars["TALKTIME_"+name]; v != "" {
			t.Errorf("TALKTIME_%s is %q", name, v)
		}
	}
	if c.Vars["TALKTIME_EMERGENCY"] != "1" {
		t.Error("the reducer will take the emergency call that was before for a paid one")
	}
}

// TestAuthorizeBroken: whatever happens at whichever command, either the dialplan has the permission and the hold is kept,
// or it has not and the hold is given back.
func TestAuthorizeBroken(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	probe := o.phone(100).does(t, "authorize", abroad, nil)
	last := len(commands(probe))
	for _, test := range []struct {
		name  string
		event agitest.Event
	}{
		{"the connection is lost", agitest.Drop}, {"the caller hangs up", agitest.HangUp},
	} {
		for n := 1; n <= last; n++ {
			t.Run(test.name+" at "+commands(probe)[n-1], func(t *testing.T) {
				t.Parallel()
				p := o.phone(100)
				c := p.peer("authorize", abroad)
				c.Vars = map[string]string{}
				c.Event = func(i int, _ string) agitest.Event {
					if i == n {
						return test.event
					}
					return agitest.Answer
				}
				agitest.Call(t, o.address, c)
				o.ended(t, c, 1)
				held := int64(0)
				if n == last { // the answer to the permission itself was lost: the dialplan may go on with it
					held = 60
				}
				p.has(t, 100, held)
				if c.Vars["TALKTIME_STATUS"] == "OK" && n < last {
					t.Error("the dialplan has a permission without a hold")
				}
				if want := (n == last); strings.Contains(o.log.String(), c.UniqueID+`","hold_kept":true`) && !want {
					t.Error("the log says that a hold was kept")
				}
			})
		}
	}
}

// TestAuthorizeEmergency: no limit, no seconds, and the next call on the channel is an ordinary one.
func TestAuthorizeEmergency(t *testing.T) {
	t.Parallel()
	c := permits()
	c.emergency = "112"
	address := open(t, &agi.Scripts{Billing: c}, nil)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "authorize", Extension: "112"}}
	agitest.Call(t, address, p)
	told(t, p, "OK", "OK", "")
	for name, want := range map[string]string{
		"TALKTIME_SECONDS": "", "TALKTIME_TARGET": "PJSIP/112@trunk", "TALKTIME_RING": "40", "TALKTIME_OPTIONS": "i",
		"TALKTIME_DIALARGS": "PJSIP/112@trunk,40,i", "TIMEOUT(absolute)": "0", "TALKTIME_EMERGENCY": "1",
	} {
		if p.Vars[name] != want {
			t.Errorf("%s is %q, want %q", name, p.Vars[name], want)
		}
	}
	again := &agitest.Peer{Greeting: p.Greeting, Vars: p.Vars}
	again.Extension, again.DNID = abroad, abroad
	agitest.Call(t, address, again)
	if again.Vars["TALKTIME_EMERGENCY"] != "" || again.Vars["TALKTIME_OPTIONS"] != "L(180000)" || again.Vars["TIMEOUT(absolute)"] != "221" {
		t.Errorf("the call after it finds %v", again.Vars)
	}
	if len(c.requests) != 1 || len(c.undone) != 0 {
		t.Errorf("asked for %v, undone %v", c.requests, c.undone)
	}
}

// TestWhatBillingIsAsked: the request is what the greeting says.
func TestWhatBillingIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		edit func(*agitest.Greeting)
		want billing.CallRequest
	}{
		{"an ordinary call", func(*agitest.Greeting) {}, billing.CallRequest{CallID: "127.0.0.1/1795210434.7", Number: abroad}},
		{
			"an Asterisk with a name",
			func(g *agitest.Greeting) { g.UniqueID = "pbx1-1795210434.7" },
			billing.CallRequest{CallID: "pbx1-1795210434.7", Number: abroad},
		},
		{
			"a target and a ring time",
			func(g *agitest.Greeting) { g.Args = []string{"PJSIP/1@x", "20"} },
			billing.CallRequest{CallID: "127.0.0.1/1795210434.7", Number: abroad, Target: "PJSIP/1@x", Ring: 20},
		},
		{
			"an extension that is no number",
			func(g *agitest.Greeting) { g.Extension, g.DNID = "s", "100" },
			billing.CallRequest{CallID: "127.0.0.1/1795210434.7", Number: "100"},
		},
		{
			"an extension of the dialplan's own",
			func(g *agitest.Greeting) { g.Extension, g.DNID = "100", "0043100" },
			billing.CallRequest{CallID: "127.0.0.1/1795210434.7", Number: "100"},
		},
		{
			"nothing was dialled",
			func(g *agitest.Greeting) { g.Extension, g.DNID = "s", "unknown" },
			billing.CallRequest{CallID: "127.0.0.1/1795210434.7", Number: "s"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := permits()
			address := open(t, &agi.Scripts{Billing: c}, nil)
			p := &agitest.Peer{Greeting: agitest.Greeting{
				Script: "authorize", UniqueID: "1795210434.7", CallerID: "555000204", AccountCode: "marta", Extension: abroad,
			}}
			test.edit(&p.Greeting)
			agitest.Call(t, address, p)
			test.want.Fresh = true
			test.want.Identity = billing.Identity{CallerID: "555000204", AccountCode: "marta", Channel: "PJSIP/caller-00000000"}
			if len(c.requests) != 1 || c.requests[0] != test.want {
				t.Errorf("asked for %+v, want %+v", c.requests, test.want)
			}
		})
	}
}
