package agi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestCallerOutcomes: each end of a call costs what it must, straight after the dial, and the reducer of the h extension
// changes nothing any more.
func TestCallerOutcomes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		name  string
		dial  func(*agitest.Dial)
		state models.CallState
		left  int64 // of 100
	}{
		{"answered, the callee hangs up", talks(3 * time.Second), models.CallSettled, 97},
		{"answered, the caller hangs up", func(d *agitest.Dial) { d.Talk, d.CallerHungUp = 3*time.Second, true }, models.CallSettled, 97},
		{"3.9 seconds are 3", talks(3900 * time.Millisecond), models.CallSettled, 97},
		{"half a second is free", talks(500 * time.Millisecond), models.CallSettled, 100},
		{"ringing costs nothing", func(d *agitest.Dial) { d.Ringing, d.Talk = 20*time.Second, 3*time.Second }, models.CallSettled, 97},
		{"cut by the limit", talks(time.Hour), models.CallSettled, 40},
		{"busy", fails("BUSY"), models.CallReleased, 100},
		{"nobody answers", fails("NOANSWER"), models.CallReleased, 100},
		{"the caller gives up", fails("CANCEL"), models.CallReleased, 100},
		{"unavailable", fails("CHANUNAVAIL"), models.CallReleased, 100},
		{"no line", fails("CONGESTION"), models.CallReleased, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.does(t, "caller", abroad, test.dial)
			told(t, c, "OK", "OK", "")
			if want := "PJSIP/" + abroad + "@trunk,40,L(60000)i"; dialled(t, c) != want {
				t.Errorf("dialled %q, want %q", dialled(t, c), want)
			}
			if c.Vars["TIMEOUT(absolute)"] != "101" {
				t.Errorf("TIMEOUT(absolute) is %q, want ring + limit + 1", c.Vars["TIMEOUT(absolute)"])
			}
			p.has(t, test.left, 0)
			if got := o.call(t, c); got.State != test.state || got.SettledBy != "caller" {
				t.Errorf("the call is %s by %s, want %s", got.State, got.SettledBy, test.state)
			}
			o.hangsUp(t, c)
			p.has(t, test.left, 0)
			if got := o.call(t, c); got.State != test.state || got.Disputed != 0 {
				t.Errorf("after the reducer the call is %+v", got)
			}
		})
	}
}

// TestLimitIsWhatTheMoneyAffords: never empty, never below a second, never above the longest call.
func TestLimitIsWhatTheMoneyAffords(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		millis int64 // of a SEC
		limit  string
	}{
		{0, ""},
		{1, ""},
		{999, ""},
		{1000, "L(1000)"},
		{1999, "L(1000)"},
		{5000, "L(5000)"},
		{59_999, "L(59000)"},
		{60_000, "L(60000)"},
		{1_000_000_000, "L(60000)"},
	} {
		t.Run(fmt.Sprintf("%d thousandths", test.millis), func(t *testing.T) {
			t.Parallel()
			p := o.phone(0)
			if test.millis > 0 {
				m := billing.Movement{Username: p.name, Amount: money.Amount(test.millis) * money.Unit / 1000, Ref: p.name, Actor: "test"}
				if _, err := o.service.Move(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			c := p.does(t, "caller", abroad, fails("BUSY"))
			if test.limit == "" {
				told(t, c, "NOCREDIT", "NOCREDIT", "no credit")
				if dialled(t, c) != "" {
					t.Errorf("dialled %s", dialled(t, c))
				}
				return
			}
			if want := "PJSIP/" + abroad + "@trunk,40," + test.limit + "i"; dialled(t, c) != want {
				t.Errorf("dialled %q, want %q", dialled(t, c), want)
			}
		})
	}
}

// TestOtherRefusals are those of a real billing.Service.
func TestOtherRefusals(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(p *billing.Policy) { p.Dial = "" })
	a, b := o.phone(100), o.phone(100)
	call := func(g agitest.Greeting, script string) *agitest.Peer {
		p := a.peer(script, b.clid)
		g.Script, g.UniqueID, g.Extension = script, p.UniqueID, g.Extension+""
		if g.Extension == "" {
			g.Extension = b.clid
		}
		p.Greeting = g
		return p
	}
	const stranger = "no user has this caller id, account code or IMSI"
	for _, test := range []struct {
		name           string
		greeting       agitest.Greeting
		status, reason string
	}{
		{"a stranger", agitest.Greeting{CallerID: "59899777777"}, "UNKNOWNCALLER", stranger},
		{"nobody at all", agitest.Greeting{}, "UNKNOWNCALLER", stranger},
		{"the name of a user as caller id", agitest.Greeting{CallerID: a.name}, "UNKNOWNCALLER", stranger},
		{"two users at once", agitest.Greeting{CallerID: a.clid, AccountCode: b.name}, "UNKNOWNCALLER", "identity conflict"},
		{"his caller id, another's SIM", agitest.Greeting{CallerID: a.clid, Channel: "PJSIP/IMSI" + b.imsi + "-00000001"}, "UNKNOWNCALLER", "identity conflict"},
		{"a number that is nobody's", agitest.Greeting{CallerID: a.clid, Extension: abroad}, "UNKNOWNCALLEE", "the number is no user's and TALKTIME_DIAL is empty"},
	} {
		for _, script := range []string{"caller", "authorize"} {
			t.Run(test.name+" in "+script, func(t *testing.T) {
				t.Parallel()
				p := call(test.greeting, script)
				agitest.Call(t, o.address, p)
				told(t, p, test.status, test.status, test.reason)
				if dialled(t, p) != "" || p.Vars["TALKTIME_DIALARGS"] != "" {
					t.Errorf("permitted: %q", commands(p))
				}
			})
		}
	}
	for name, greeting := range map[string]agitest.Greeting{
		"caller id":                 {CallerID: a.clid},
		"account code":              {AccountCode: a.name},
		"SIM in the channel":        {Channel: "PJSIP/IMSI" + a.imsi + "-00000001"},
		"SIM in the caller id":      {CallerID: "IMSI" + a.imsi},
		"account code and stranger": {CallerID: "59899777777", AccountCode: a.name},
	} {
		t.Run("known by "+name, func(t *testing.T) {
			t.Parallel()
			p := call(greeting, "caller")
			p.Dial = fails("BUSY")
			agitest.Call(t, o.address, p)
			if want := "PJSIP/IMSI" + b.imsi + "@openbts,40,L("; !strings.HasPrefix(dialled(t, p), want) {
				t.Errorf("dialled %q, want %s…", dialled(t, p), want)
			}
		})
	}
}

// TestArguments: the first is the target, the second the ring time. What is not of their form is refused, and stands in
// no command.
func TestArguments(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(1000)
	const form, ring, seconds = "the dial target is not of the form Tech/resource with an allowed technology",
		"the ring time must be 1 to 600 seconds", "the ring time must be a whole number of seconds"
	parts := strings.TrimSuffix(strings.Repeat("PJSIP/"+strings.Repeat("1", 200)+"&", 8), "&")
	for _, test := range []struct {
		name   string
		args   []string
		dialed string // without the limit
		reason string
	}{
		{"a target", []string{"SIP/100@carrier"}, "SIP/100@carrier,40", ""},
		{"a target and a ring time", []string{"IAX2/user:7@host/100", "20"}, "IAX2/user:7@host/100,20", ""},
		{"only a ring time", []string{"", "600"}, "PJSIP/" + abroad + "@trunk,600", ""},
		{"two empty ones", []string{"", ""}, "PJSIP/" + abroad + "@trunk,40", ""},
		{"several phones at once", []string{"PJSIP/a&DAHDI/g1/100&SIP/+49*7#1"}, "PJSIP/a&DAHDI/g1/100&SIP/+49*7#1,40", ""},
		{"the longest resource", []string{"PJSIP/" + strings.Repeat("1", 200)}, "PJSIP/" + strings.Repeat("1", 200) + ",40", ""},
		{"many long phones", []string{parts[:7*207-1]}, parts[:7*207-1] + ",40", ""},

		{"a resource that is too long", []string{"PJSIP/" + strings.Repeat("1", 201)}, "", form},
		{"too many long phones", []string{parts}, "", "the dial target is too long"},
		{"a technology that is not allowed", []string{"Local/100@default"}, "", form},
		{"the console", []string{"Console/dsp"}, "", form},
		{"a technology in other letters", []string{"pjsip/100"}, "", form},
		{"no technology", []string{"100"}, "", form},
		{"no resource", []string{"PJSIP/"}, "", form},
		{"an option of its own", []string{"PJSIP/100,40,T"}, "", form},
		{"a parenthesis", []string{"PJSIP/100(x)"}, "", form},
		{"a variable", []string{"PJSIP/${SECRET}"}, "", form},
		{"an ampersand at the end", []string{"PJSIP/100&"}, "", form},
		{"a second phone by a back door", []string{"PJSIP/100&Local/0900@default"}, "", form},
		{"a blank", []string{"PJSIP/100 x"}, "", form},
		{"a quote", []string{`PJSIP/100"`}, "", form},
		{"a backslash and n", []string{`PJSIP/100\nEXEC System x`}, "", form},
		{"a carriage return", []string{"PJSIP/100\rEXEC System x"}, "", form},
		{"a tab", []string{"PJSIP/100\tx"}, "", form},
		{"a NUL", []string{"PJSIP/100\x00"}, "", form},
		{"a line separator of Unicode", []string{"PJSIP/100\u2028x"}, "", form},
		{"rubbish bytes", []string{"PJSIP/\xff\xfe"}, "", form},

		{"ring 0", []string{"", "0"}, "", seconds},
		{"ring -1", []string{"", "-1"}, "", seconds},
		{"ring abc", []string{"", "abc"}, "", seconds},
		{"ring 1.5", []string{"", "1.5"}, "", seconds},
		{"ring of a later age", []string{"", "99999999999999999999"}, "", seconds},
		{"ring 601", []string{"", "601"}, "", ring},
		{"ring and an option", []string{"", "20,T"}, "", seconds},
	} {
		for _, script := range []string{"caller", "authorize"} {
			t.Run(test.name+" in "+script, func(t *testing.T) {
				t.Parallel()
				c := p.peer(script, abroad, test.args...)
				c.Dial = fails("BUSY")
				agitest.Call(t, o.address, c)
				got := dialled(t, c)
				if script == "authorize" {
					got = c.Vars["TALKTIME_DIALARGS"]
				}
				got, _, _ = strings.Cut(got, ",L(")
				if got != test.dialed {
					t.Errorf("dialled %q, want %q", got, test.dialed)
				}
				if test.reason == "" {
					told(t, c, "OK", "OK", "")
					return
				}
				told(t, c, "ERROR", "ERROR", test.reason)
				for _, sent := range commands(c) {
					if arg := test.args[len(test.args)-1]; strings.Contains(sent, arg) && len(arg) > 2 {
						t.Errorf("the argument stands in %q", sent)
					}
				}
			})
		}
	}
}

// TestHostileCallers: nothing that a caller or his phone chooses reaches a command or the log's keys unchecked.
func TestHostileCallers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(1000)
	const evil = "Local/0900@default"
	texts := []string{
		evil, "1&" + evil, "1,40,tT", "1(x)", "${SHELL(id)}", `1"`, `1\`, `1" EXEC System "id`, "1\rEXEC System id", "1\x00",
		"' OR '1'='1", "1; DROP TABLE users", strings.Repeat("9", 4000), "\xff\xfe", "١٢٣", "1\u2028EXEC System id", "%0aEXEC", "../../etc",
		"1\x7f\x1b[2J", "{imsi}", "{number}",
	}
	for i, text := range texts {
		for name, edit := range map[string]func(*agitest.Greeting){
			"caller id":    func(g *agitest.Greeting) { g.CallerID = text },
			"name":         func(g *agitest.Greeting) { g.CallerIDName = text },
			"number":       func(g *agitest.Greeting) { g.Extension = text },
			"unique id":    func(g *agitest.Greeting) { g.UniqueID = text },
			"account code": func(g *agitest.Greeting) { g.AccountCode = text },
			"channel":      func(g *agitest.Greeting) { g.Channel = "PJSIP/" + text },
			"context":      func(g *agitest.Greeting) { g.Context = text },
		} {
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				t.Parallel()
				script := []string{"caller", "authorize", "balance"}[i%3]
				c := p.peer(script, abroad)
				edit(&c.Greeting)
				c.Dial = fails("BUSY")
				agitest.Call(t, o.address, c)
				for _, sent := range commands(c) {
					if strings.Contains(sent, text) {
						t.Errorf("%s sent %q", script, sent)
					}
				}
				if c.Vars["TALKTIME_STATUS"] == "" {
					t.Errorf("%s said nothing: %q", script, commands(c))
				}
				h := p.peer("reducer", abroad)
				h.Dead, h.Vars = true, map[string]string{"DIALSTATUS": "BUSY"}
				edit(&h.Greeting)
				agitest.Call(t, o.address, h)
			})
		}
	}
	t.Cleanup(func() {
		for line := range strings.Lines(o.log.String()) {
			if strings.Contains(line, p.clid) && !strings.Contains(line, `"reason":`) {
				t.Errorf("the number of a caller who was not refused is in the log: %s", line)
			}
			if len(line) > 1500 || strings.ContainsAny(line, "\x7f\x1b") {
				t.Errorf("the log says too much: %s", line)
			}
		}
	})
}

// TestLineEndInTheGreeting: what comes behind one is not taken for a line of Asterisk's.
func TestLineEndInTheGreeting(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	for name, edit := range map[string]func(*agitest.Greeting){
		"an argument":     func(g *agitest.Greeting) { g.CallerIDName = "x\nagi_arg_1: Local/0900@default" },
		"an account code": func(g *agitest.Greeting) { g.CallerIDName = "x\nagi_accountcode: " + p.name },
		"a command":       func(g *agitest.Greeting) { g.CallerIDName = "x\nEXEC System id" },
		"the end":         func(g *agitest.Greeting) { g.CallerIDName = "x\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.peer("caller", abroad)
			edit(&c.Greeting)
			agitest.Call(t, o.address, c)
			if dialled(t, c) != "" {
				t.Errorf("dialled %s", dialled(t, c))
			}
			p.has(t, 100, 0)
		})
	}
}

// TestNoUniqueID: calls that cannot be told apart must not share a hold.
func TestNoUniqueID(t *testing.T) {
	t.Parallel()
	c := permits()
	address := open(t, &agi.Scripts{Billing: c}, nil)
	for _, script := range []string{"caller", "authorize", "reducer"} {
		conn := connect(t, address)
		ended := make(chan error, 1)
		go func() {
			ended <- agitest.Replay(conn, "< agi_network: yes\n< agi_network_script: "+script+"\n< agi_uniqueid: \n< agi_extension: 7\n<\n!\n")
		}()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", UniqueID: " "}}
	agitest.Call(t, address, p)
	told(t, p, "ERROR", "ERROR", "the channel has no unique id")
	if len(c.requests)+len(c.results) != 0 {
		t.Errorf("billing was asked: %+v %+v", c.requests, c.results)
	}
}

// at returns an Event that happens before the command that begins so is answered.
func at(prefix string, event agitest.Event) func(int, string) agitest.Event {
	return func(_ int, command string) agitest.Event {
		if strings.HasPrefix(command, prefix) {
			return event
		}
		return agitest.Answer
	}
}

// TestGoneBeforeTheDial: the hold of a call for which nobody's phone can ring is given back at once.
func TestGoneBeforeTheDial(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		name    string
		event   agitest.Event
		hangups agitest.Hangups
	}{
		{"the caller hangs up", agitest.HangUp, agitest.SayHangup},
		{"the caller hangs up, AGIEXITONHANGUP=yes", agitest.HangUp, agitest.Exit},
		{"the connection is lost", agitest.Drop, agitest.SayHangup},
	} {
		for _, command := range []string{"GET FULL VARIABLE", "EXEC MSet"} {
			t.Run(test.name+" at "+command, func(t *testing.T) {
				t.Parallel()
				p := o.phone(100)
				c := p.peer("caller", abroad)
				if command == "GET FULL VARIABLE" {
					// A second Asterisk, which has not been asked yet.
					c.Event, c.Hangups = at(command, test.event), test.hangups
					agitest.Call(t, open(t, &agi.Scripts{Billing: o.service}, o.log), c)
				} else {
					c.Event, c.Hangups = at(command, test.event), test.hangups
					agitest.Call(t, o.address, c)
				}
				o.ended(t, c, 1)
				if dialled(t, c) != "" {
					t.Errorf("dialled %s", dialled(t, c))
				}
				p.has(t, 100, 0)
				if got := o.call(t, c); got.State != models.CallReleased {
					t.Errorf("the call is %s", got.State)
				}
			})
		}
	}
}

// TestLostInTheDial: once Dial may have reached Asterisk only evidence ends the call.
func TestLostInTheDial(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	c := p.does(t, "caller", abroad, func(d *agitest.Dial) { d.Drop = true })
	p.has(t, 100, 60)
	if got := o.call(t, c); got.State != models.CallOpen {
		t.Errorf("the call is %s", got.State)
	}
	c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", "7", "7005"
	o.hangsUp(t, c)
	p.has(t, 93, 0)
}

// TestLetGo: a server that stops leaves the call to Asterisk at once, with its hold, and whoever comes then settles it.
func TestLetGo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	log := &logbook{}
	mux := agi.NewMux()
	(&agi.Scripts{Billing: o.service, Spool: o.spool, Logger: log.logger()}).Register(mux)
	server := &agi.Server{Handler: mux, Logger: log.logger()}
	address := agitest.Start(t, server)

	ringing, over := make(chan struct{}), make(chan struct{})
	c := p.peer("caller", abroad)
	c.Dial = func(d *agitest.Dial) {
		close(ringing)
		<-over
		d.Talk = 9 * time.Second
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		agitest.Call(t, address, c)
	}()
	await(t, "the dial", ringing)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	p.has(t, 100, 60)
	close(over)
	await(t, "the end of the call", ended)
	if lines := log.lines(t, "call", nil); len(lines) != 1 || lines[0]["status"] != "let_go" || lines[0]["level"] != "INFO" {
		t.Errorf("logged %v", lines)
	}
	o.hangsUp(t, c)
	p.has(t, 91, 0)
}

// TestNoDialApplication: an Asterisk that cannot dial says so at once, and nobody pays.
func TestNoDialApplication(t *testing.T) {
	t.Parallel()
	c := permits()
	log := &logbook{}
	address := open(t, &agi.Scripts{Billing: c}, log)
	agitest.ReplayFile(t, address, "testdata/caller-no-dial.txt")
	if want := []string{c.auth.CallID}; !slices.Equal(c.undone, want) || len(c.results) != 0 {
		t.Errorf("undone %v, settled %v", c.undone, c.results)
	}
	if !strings.Contains(log.String(), "no such application") {
		t.Errorf("the log says %s", log)
	}
}

// TestTooLongToSay: a permission that does not fit into a command is taken back, in front of the dialplan too.
func TestTooLongToSay(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"caller", "authorize"} {
		c := permits()
		c.auth.Target = "PJSIP/" + strings.Repeat("1", 2100)
		address := open(t, &agi.Scripts{Billing: c}, nil)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script}}
		agitest.Call(t, address, p)
		told(t, p, "ERROR", "ERROR", "internal error")
		if dialled(t, p) != "" || len(c.undone) != 1 {
			t.Errorf("%s: dialled %q, undone %v", script, dialled(t, p), c.undone)
		}
		for _, name := range []string{"SECONDS", "TARGET", "RING", "OPTIONS", "DIALARGS"} {
			if v := p.Vars["TALKTIME_"+name]; v != "" {
				t.Errorf("%s: TALKTIME_%s is %q", script, name, v)
			}
		}
	}
}

// TestRepeatedIsUndone: billing decides what becomes of a hold that an earlier dial was made under.
func TestRepeatedIsUndone(t *testing.T) {
	t.Parallel()
	for script, command := range map[string]string{
		"caller": `EXEC MSet "TALKTIME_REASON=`, "authorize": `EXEC MSet "TALKTIME_REASON=`,
	} {
		c := permits()
		c.auth.Repeated, c.auth.Leg = true, 2
		log := &logbook{}
		address := open(t, &agi.Scripts{Billing: c}, log)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script}, Event: at(command, agitest.Drop)}
		agitest.Call(t, address, p)
		eventually(t, "the end of the script", func() bool { return len(log.lines(t, "call", nil)) == 1 })
		if len(c.undone) != 1 || len(c.results) != 0 {
			t.Errorf("%s: undone %v, handed in %v", script, c.undone, c.results)
		}
	}
}

// TestWaysToHangUp: however the dialplan has Asterisk report a hang-up, caller leg and reducer together charge once.
func TestWaysToHangUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		name    string
		hangups agitest.Hangups
		by      string
	}{
		{"HANGUP", agitest.SayHangup, "caller"},
		{"AGISIGHUP=no", agitest.SayNothing, "caller"},
		{"AGIEXITONHANGUP=yes", agitest.Exit, "reducer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.peer("caller", abroad)
			c.Hangups = test.hangups
			c.Dial = func(d *agitest.Dial) { d.Talk, d.CallerHungUp = 4*time.Second, true }
			agitest.Call(t, o.address, c)
			o.hangsUp(t, c)
			p.has(t, 96, 0)
			if got := o.call(t, c); got.SettledBy != test.by || got.State != models.CallSettled {
				t.Errorf("the call is %s by %s, want settled by %s", got.State, got.SettledBy, test.by)
			}
		})
	}
}

// TestRedirect: a channel that is taken elsewhere in mid call leaves a note; the whole is charged when it has ended.
func TestRedirect(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	c := p.does(t, "caller", abroad, func(d *agitest.Dial) { d.Talk, d.Redirected = 5*time.Second, true })
	p.has(t, 100, 60)
	if got := o.call(t, c); got.State != models.CallOpen || len(got.Notes) != 1 || got.Notes[0].Answered != nil {
		t.Errorf("the call is %s with the notes %+v", got.State, got.Notes)
	}
	c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "12", "12345" // of the whole, wherever it went
	h := c.H("reducer")
	h.Vars["ANSWEREDTIME"], h.Vars["ANSWEREDTIME_MS"] = "12", "12345"
	agitest.Call(t, o.address, h)
	p.has(t, 88, 0)
}

// TestSecondDial: a redirected channel runs caller again under the hold that it has.
func TestSecondDial(t *testing.T) {
	t.Parallel()
	const elsewhere = "59899555000"
	for _, test := range []struct {
		name   string
		number string
		second func(*agitest.Dial)
		limit  string
		left   int64
	}{
		{"to the same number, which keeps the deadline", abroad, talks(12 * time.Second), "L(50000)", 88},
		{"to another number, which is rated anew", elsewhere, talks(12 * time.Second), "L(60000)", 88},
		{"to another number, which is busy", elsewhere, fails("BUSY"), "L(60000)", 95},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p := o.phone(100)
			first := p.does(t, "caller", abroad, func(d *agitest.Dial) { d.Talk, d.Redirected = 5*time.Second, true })
			o.clock.wait(10 * time.Second)
			second := &agitest.Peer{Greeting: first.Greeting, Vars: first.Vars, Dial: test.second}
			second.Extension, second.DNID = test.number, test.number
			agitest.Call(t, o.address, second)
			if want := "PJSIP/" + test.number + "@trunk,40," + test.limit + "i"; dialled(t, second) != want {
				t.Errorf("dialled %q, want %q", dialled(t, second), want)
			}
			o.hangsUp(t, second)
			p.has(t, test.left, 0)
			if got := o.call(t, first); got.State != models.CallSettled || got.Attempts != 1 {
				t.Errorf("the call is %+v", got)
			}
		})
	}
	t.Run("of another user is refused", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t)
		p, thief := o.phone(100), o.phone(100)
		first := p.does(t, "caller", abroad, func(d *agitest.Dial) { d.Drop = true })
		second := thief.peer("caller", abroad)
		second.UniqueID = first.UniqueID
		agitest.Call(t, o.address, second)
		told(t, second, "ERROR", "ERROR", "this call was authorised for another user")
		p.has(t, 100, 60)
		thief.has(t, 100, 0)
	})
}

// TestAgainAfterTheEnd: a channel whose first call was settled makes a second one of its own.
func TestAgainAfterTheEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	first := p.does(t, "caller", abroad, talks(5*time.Second))
	p.has(t, 95, 0)
	o.clock.wait(7 * time.Second)
	// ANSWEREDTIME counts from the channel's first answer on.
	second := &agitest.Peer{Greeting: first.Greeting, Vars: first.Vars, Dial: talks(15 * time.Second)}
	agitest.Call(t, o.address, second)
	o.hangsUp(t, second)
	p.has(t, 92, 0)
}

// TestParallelCalls share the balance: what one call holds, no other can spend.
func TestParallelCalls(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	limits := make(chan time.Duration, 10)
	hangUp := make(chan struct{})
	var calls sync.WaitGroup
	peers := make([]*agitest.Peer, 10)
	var decided sync.WaitGroup
	for i := range peers {
		c := p.peer("caller", abroad)
		peers[i] = c
		decided.Add(1)
		once := sync.OnceFunc(decided.Done)
		c.Dial = func(d *agitest.Dial) {
			limits <- d.Limit
			once()
			<-hangUp
			d.Talk = time.Hour
		}
		calls.Go(func() {
			agitest.Call(t, o.address, c)
			once() // when it was refused
		})
	}
	decided.Wait()
	p.has(t, 100, 100)
	close(hangUp)
	calls.Wait()
	close(limits)
	var got []time.Duration
	for l := range limits {
		got = append(got, l)
	}
	slices.Sort(got)
	if !slices.Equal(got, []time.Duration{40 * time.Second, 60 * time.Second}) {
		t.Errorf("limits %v, want 40 s and 60 s", got)
	}
	refused := 0
	for _, c := range peers {
		if c.Vars["TALKTIME_STATUS"] == "NOCREDIT" {
			told(t, c, "NOCREDIT", "NOCREDIT", "all credit is held by calls in progress")
			refused++
		}
	}
	if refused != 8 {
		t.Errorf("%d calls were refused, want 8", refused)
	}
	p.has(t, 0, 0)
}

// TestDatabaseAwayAtTheEnd: what a call's end said is spooled, and settled once when it is handed in later.
func TestDatabaseAwayAtTheEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	away := &flaky{Service: o.service}
	log := &logbook{}
	address := open(t, &agi.Scripts{Billing: away, Spool: o.spool}, log)
	c := p.peer("caller", abroad)
	c.Dial = func(d *agitest.Dial) {
		away.fail(models.ErrUnavailable)
		d.Talk = 8 * time.Second
	}
	agitest.Call(t, address, c)
	h := c.H("reducer")
	agitest.Call(t, address, h)
	p.has(t, 100, 60)
	records := o.spool.take()
	if len(records) != 2 || records[0].Result == nil || records[1].Result == nil {
		t.Fatalf("spooled %+v", records)
	}
	if !strings.Contains(log.String(), `"spooled":true`) {
		t.Errorf("the log says %s", log)
	}
	for range 3 {
		for _, r := range records {
			if _, err := o.service.Settle(t.Context(), *r.Result); err != nil {
				t.Error(err)
			}
		}
	}
	p.has(t, 92, 0)

	o.spool.err = io.ErrShortWrite
	agitest.Call(t, address, c.H("reducer"))
	if !strings.Contains(log.String(), "evidence of a call was neither settled nor spooled") || !strings.Contains(log.String(), `"answered_ms":8000`) {
		t.Errorf("evidence was dropped without a word: %s", log)
	}
}

// flaky is a billing.Service whose database may go away.
type flaky struct {
	*billing.Service
	mu  sync.Mutex
	err error
}

func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *flaky) away() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *flaky) Settle(ctx context.Context, res billing.CallResult) (billing.Charge, error) {
	if err := f.away(); err != nil {
		return billing.Charge{}, err
	}
	return f.Service.Settle(ctx, res)
}

func (f *flaky) RecordEmergency(ctx context.Context, req billing.CallRequest) error {
	if err := f.away(); err != nil {
		return err
	}
	return f.Service.RecordEmergency(ctx, req)
}

// TestRoutine: the dialplan is asked once a minute and for each Asterisk whether it notes the callee's answer, and only
// an answer of 1 counts. Time and network are made up.
func TestRoutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const question = `GET FULL VARIABLE "${DIALPLAN_EXISTS(talktime-answered,s,1)}"`
		mux := agi.NewMux()
		log := &logbook{}
		(&agi.Scripts{Billing: permits(), Spool: &tray{}, Logger: log.logger()}).Register(mux)
		server := &agi.Server{Handler: mux}
		network := make(pipes)
		served := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { served <- server.Serve(ctx, network) }()
		for i, step := range []struct {
			after  time.Duration
			peer   byte // the last of 127.0.0.x
			answer string
			asked  bool
			option string
		}{
			{0, 1, "1", true, "iU(talktime-answered)"},
			{time.Second, 1, "0", false, "iU(talktime-answered)"},
			{0, 2, "0", true, "i"},
			{0, 2, "1", false, "i"},
			{58 * time.Second, 1, "0", false, "iU(talktime-answered)"},
			{3 * time.Second, 1, "0", true, "i"},
			{0, 1, "1", false, "i"},
			{0, 2, "1", true, "iU(talktime-answered)"},
			{0, 3, "yes", true, "i"},
			{0, 4, "", true, "i"},
			{0, 5, "${DIALPLAN_EXISTS(talktime-answered,s,1)}", true, "i"},
		} {
			time.Sleep(step.after)
			p := &agitest.Peer{Record: true, Vars: map[string]string{"DIALPLAN_EXISTS(talktime-answered,s,1)": step.answer}}
			p.Script, p.Dial = "caller", fails("BUSY")
			asterisk, ours := net.Pipe()
			network <- address{ours, net.IPv4(127, 0, 0, step.peer)}
			if err := p.Run(asterisk); err != nil {
				t.Error(err)
			}
			if asked := slices.Contains(commands(p), question); asked != step.asked {
				t.Errorf("step %d: asked %v, want %v", i, asked, step.asked)
			}
			if want := "PJSIP/59899123000@trunk,40,L(180000)" + step.option; dialled(t, p) != want {
				t.Errorf("step %d: dialled %q, want %q", i, dialled(t, p), want)
			}
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// pipes is a listener for connections that are handed to it.
type pipes chan net.Conn

func (l pipes) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l pipes) Close() error {
	defer func() { _ = recover() }() // a listener may be closed twice
	close(l)
	return nil
}

func (l pipes) Addr() net.Addr { return &net.TCPAddr{} }

// address gives a connection the address of a peer.
type address struct {
	net.Conn
	ip net.IP
}

func (a address) RemoteAddr() net.Addr { return &net.TCPAddr{IP: a.ip} }
