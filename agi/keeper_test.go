package agi_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
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
)

// warden is a Keeper who notes what he is asked and told.
type warden struct {
	id int64

	mu    sync.Mutex
	asked []string
	kept  []keeping
	soon  func() // when a call begins to be kept
}

// keeping is a call that is kept.
type keeping struct {
	channel string
	id      billing.Identity
	auth    billing.Authorization
}

func (w *warden) Keeps(_ context.Context, peer netip.Addr, channel, uniqueID string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprint(peer, " ", channel, " ", uniqueID))
	return w.id
}

func (w *warden) Keep(peer netip.Addr, channel, uniqueID string, id billing.Identity, auth billing.Authorization) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, keeping{fmt.Sprint(peer, " ", channel, " ", uniqueID), id, auth})
	if w.soon != nil {
		w.soon()
	}
}

const wardenID = 77

// permitsSlices is a clerk who lets everybody call for five seconds of two hours, and whose money lasts for one.
func permitsSlices() *clerk {
	c := permits()
	c.auth.Seconds, c.auth.Keeper, c.auth.Limit, c.auth.Longest, c.auth.Affords = 5, wardenID, 5, 7200, 3600
	return c
}

// TestKept: the keeper knows of a call before Asterisk does, and Asterisk of the first slice alone.
func TestKept(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"caller", "authorize"} {
		c, w, log := permitsSlices(), &warden{id: wardenID}, &logbook{}
		address := open(t, &agi.Scripts{Billing: c, Keeper: w}, log)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script, UniqueID: "1795210434.0", CallerID: "555000204", Extension: abroad}}
		p.Dial = fails("BUSY")
		var sent []string
		before := -1
		p.Event = func(_ int, command string) agitest.Event {
			w.mu.Lock()
			defer w.mu.Unlock()
			if strings.Contains(command, "TALKTIME_STATUS") && strings.Contains(command, "OK") || strings.Contains(command, "TIMEOUT") {
				sent = append(sent, command)
			}
			return agitest.Answer
		}
		w.soon = func() { before = len(sent) }
		agitest.Call(t, address, p)
		told(t, p, "OK", "OK", "")
		channel := "127.0.0.1 PJSIP/caller-00000000 1795210434.0"
		want := []keeping{{channel, billing.Identity{CallerID: "555000204", Channel: "PJSIP/caller-00000000"}, c.auth}}
		if fmt.Sprint(w.kept) != fmt.Sprint(want) || !slices.Equal(w.asked, []string{channel}) || before != 0 {
			t.Errorf("%s: kept %+v, asked about %q, after %d permissions", script, w.kept, w.asked, before)
		}
		if len(c.requests) != 1 || c.requests[0].Keeper != wardenID {
			t.Errorf("%s: asked for %+v", script, c.requests)
		}
		if p.Vars["TIMEOUT(absolute)"] != "46" {
			t.Errorf("%s: TIMEOUT(absolute) is %s, want ring + slice + 1", script, p.Vars["TIMEOUT(absolute)"])
		}
		if script == "caller" && dialled(t, p) != "PJSIP/"+abroad+"@trunk,40,L(5000)i" {
			t.Errorf("dialled %s", dialled(t, p))
		}
		if script == "authorize" && (p.Vars["TALKTIME_SECONDS"] != "5" || p.Vars["TALKTIME_OPTIONS"] != "L(5000)") {
			t.Errorf("the dialplan is told %v", p.Vars)
		}
		eventually(t, "the line of the call", func() bool { return len(log.lines(t, "call", nil)) == 1 })
		if line := log.lines(t, "call", nil)[0]; line["limit_seconds"] != float64(5) || line["slice"] != true {
			t.Errorf("%s: logged %v", script, line)
		}
	}
}

// TestNotKept: calls for help are not asked about, and refused calls, and those that nobody can extend, are not kept. The keeper is told of a
// call for help, and of one that nobody extends, so that he leaves the channel alone.
func TestNotKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		clerk  *clerk
		keeper int64
		number string
		asked  int
		told   int
		dial   string
	}{
		{"a call for help", &clerk{emergency: "112"}, wardenID, "112", 0, 1, "PJSIP/112@trunk,40,"},
		{"refused", refuses(billing.ErrInsufficientFunds, "no credit"), wardenID, abroad, 1, 0, ""},
		{"nobody can", permits(), 0, abroad, 1, 1, "PJSIP/" + abroad + "@trunk,40,L(180000)i"},
		{"slices are off", permits(), wardenID, abroad, 1, 1, "PJSIP/" + abroad + "@trunk,40,L(180000)i"},
	} {
		w, log := &warden{id: test.keeper}, &logbook{}
		address := open(t, &agi.Scripts{Billing: test.clerk, Keeper: w}, log)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: test.number}}
		p.Dial = fails("BUSY")
		agitest.Call(t, address, p)
		keeps := slices.ContainsFunc(w.kept, func(k keeping) bool { return k.auth.Keeper != 0 || k.auth.Emergency != (test.number == "112") })
		if len(w.asked) != test.asked || len(w.kept) != test.told || keeps {
			t.Errorf("%s: asked about %q, told of %v", test.name, w.asked, w.kept)
		}
		if dialled(t, p) != test.dial {
			t.Errorf("%s: dialled %q, want %q", test.name, dialled(t, p), test.dial)
		}
		if strings.Contains(log.String(), `"slice"`) {
			t.Errorf("%s: logged %s", test.name, log)
		}
	}
}

// TestKeptAgain: the keeper is named also when the channel has called before.
func TestKeptAgain(t *testing.T) {
	t.Parallel()
	c, w := permitsSlices(), &warden{id: wardenID}
	c.auth.Repeated = true
	address := open(t, &agi.Scripts{Billing: c, Keeper: w}, nil)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: abroad}}
	p.Dial = fails("BUSY")
	agitest.Call(t, address, p)
	if len(c.requests) != 2 || c.requests[0].Keeper != wardenID || c.requests[1].Keeper != wardenID || len(w.kept) != 1 {
		t.Errorf("asked for %+v, kept %v", c.requests, w.kept)
	}
}

// TestKeptAtOtherCarriers: each dial has the timer and the limit of the slice, whoever dials.
func TestKeptAtOtherCarriers(t *testing.T) {
	t.Parallel()
	c, w := permitsSlices(), &warden{id: wardenID}
	c.carriers = carriers()
	c.auth.Target, c.auth.Attempts = c.carriers[0].Target, c.carriers
	address := open(t, &agi.Scripts{Billing: c, Keeper: w}, nil)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: abroad}}
	p.Dial = ends(map[string]string{"alpha": "CONGESTION", "beta": "CONGESTION"})
	agitest.Call(t, address, p)
	timers := 0
	for _, command := range commands(p) {
		if command == `SET VARIABLE TIMEOUT(absolute) "46"` {
			timers++
		}
		if strings.HasPrefix(command, "EXEC Dial") && !strings.HasSuffix(command, `,40,L(5000)i"`) {
			t.Errorf("dialled by %s", command)
		}
	}
	if got := dials(p); !slices.Equal(got, []string{"alpha", "beta", "gamma"}) || timers != 3 || len(w.kept) != 1 {
		t.Errorf("dialled %v, set the timer %d times, kept %v", got, timers, w.kept)
	}

	p = &agitest.Peer{Greeting: agitest.Greeting{Script: "authorize", Extension: abroad}}
	agitest.Call(t, address, p)
	p.Vars["DIALSTATUS"], p.Vars["TIMEOUT(absolute)"] = "CONGESTION", "0"
	p = another(p, "attempt", abroad)
	p.Args = []string{"2"}
	agitest.Call(t, address, p)
	if p.Vars["TALKTIME_DIALARGS"] != "PJSIP/"+abroad+"@beta,40,L(5000)" || p.Vars["TIMEOUT(absolute)"] != "46" || len(w.kept) != 2 {
		t.Errorf("the dialplan is told %v, kept %v", p.Vars, w.kept)
	}
}

// TestKeptForLong: who dials listens for as long as the call may be extended, and no longer.
func TestKeptForLong(t *testing.T) {
	t.Parallel()
	for talk, settled := range map[time.Duration]int{2 * time.Hour: 1, 3 * time.Hour: 0} {
		synctest.Test(t, func(t *testing.T) {
			c := permitsSlices()
			mux := agi.NewMux()
			(&agi.Scripts{Billing: c, Spool: &tray{}, Keeper: &warden{id: wardenID}, Logger: (&logbook{}).logger()}).Register(mux)
			network, served := make(pipes), make(chan error, 1)
			ctx, stop := context.WithCancel(t.Context())
			go func() { served <- (&agi.Server{Handler: mux}).Serve(ctx, network) }()
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: abroad}}
			p.Dial = func(d *agitest.Dial) {
				time.Sleep(talk)
				d.Talk, d.Limit = talk, 0 // it was extended
			}
			asterisk, ours := net.Pipe()
			network <- address{ours, net.IPv4(127, 0, 0, 1)}
			_ = p.Run(asterisk) // it finds the connection closed where nobody listens any more
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if len(c.results) != settled {
				t.Errorf("after %s %d results were handed in, want %d", talk, len(c.results), settled)
			}
		})
	}
}

// TestSliceIsHeld: with a keeper the hold is that of the first slice.
func TestSliceIsHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(p *billing.Policy) { p.Slice = 5 })
	w := &warden{id: wardenID}
	o.address = openAt(t, &agi.Scripts{Billing: o.service, Spool: o.spool, Cards: o.vault, Keeper: w}, o.log, o.clock.now)
	p := o.phone(50)
	c := p.peer("caller", abroad)
	c.Vars = map[string]string{routineExists: "1"} // for the card, too
	c.Dial = func(d *agitest.Dial) {
		p.has(t, 50, 5)
		d.Talk = 3 * time.Second
	}
	agitest.Call(t, o.address, c)
	p.has(t, 47, 0)
	if want := "PJSIP/" + abroad + "@trunk,40,L(5000)iU(talktime-answered)"; dialled(t, c) != want {
		t.Errorf("dialled %q, want %q", dialled(t, c), want)
	}
	if len(w.kept) != 1 || w.kept[0].auth.Keeper != wardenID || w.kept[0].auth.Limit != 5 || w.kept[0].auth.Longest != 60 || w.kept[0].auth.Affords != 50 {
		t.Errorf("kept %+v", w.kept)
	}
	if call := o.call(t, c); call.State != models.CallSettled {
		t.Errorf("the call is %s", call.State)
	}

	card := o.card(100)
	c = o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#"}}, 4*time.Second)
	agitest.Call(t, o.address, c)
	card.has(t, 96, 0)
	heard := said(c) // for how long he may talk, and not how long a slice is
	if i := slices.Index(heard, "vm-enter-num-to-call"); i < 0 || !slices.Equal(heard[i+1:i+4], []string{"vm-youhave", "1", "minutes"}) {
		t.Errorf("heard %q", heard)
	}
	if len(dials(c)) != 1 || !slices.Contains(commands(c), `EXEC Dial "PJSIP/`+abroad+`@trunk,40,L(5000)iU(talktime-answered)Hg"`) {
		t.Errorf("sent %q", commands(c))
	}
	if len(w.kept) != 2 || w.kept[1].id.User == 0 {
		t.Errorf("kept %+v", w.kept)
	}
}
