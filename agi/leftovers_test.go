package agi_test

import (
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
)

// These tests are about what one call of a channel leaves behind for the next.

// another is the next call of a channel.
func another(c *agitest.Peer, script, number string) *agitest.Peer {
	p := &agitest.Peer{Greeting: c.Greeting, Vars: c.Vars}
	p.Script, p.Extension, p.DNID = script, number, number
	return p
}

// TestAPermissionHasNoReason, although the channel was refused before.
func TestAPermissionHasNoReason(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"caller", "authorize", "balance"} {
		c := permits()
		c.err = &billing.Refusal{Err: billing.ErrInsufficientFunds, Reason: "no credit"}
		address := open(t, &agi.Scripts{Billing: c}, nil)
		first := &agitest.Peer{Greeting: agitest.Greeting{Script: script, Extension: abroad}}
		agitest.Call(t, address, first)
		told(t, first, "NOCREDIT", "NOCREDIT", "no credit")
		c.err = nil
		second := another(first, script, abroad)
		agitest.Call(t, address, second)
		told(t, second, "OK", "OK", "")
	}
}

// TestACallAfterAnEmergencyIsNone: what its reducer measures is its own, even if the emergency call is not recorded yet.
func TestACallAfterAnEmergencyIsNone(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"caller", "authorize"} {
		for _, repeated := range []bool{false, true} {
			c := permits()
			c.emergency, c.auth.Repeated = "112", repeated
			address := open(t, &agi.Scripts{Billing: c}, nil)
			help := &agitest.Peer{Greeting: agitest.Greeting{Script: script, Extension: "112"}}
			agitest.Call(t, address, help)
			if help.Vars["TALKTIME_EMERGENCY"] != "1" {
				t.Errorf("%s: the emergency call finds %v", script, help.Vars)
			}
			paid := another(help, script, abroad)
			paid.Dial = func(d *agitest.Dial) { d.Talk, d.Drop = 5*time.Second, true }
			agitest.Call(t, address, paid)
			if v := paid.Vars["TALKTIME_EMERGENCY"]; v != "" {
				t.Errorf("%s: TALKTIME_EMERGENCY is %q", script, v)
			}
			agitest.Call(t, address, paid.H("reducer"))
			c.mu.Lock()
			if len(c.results) != 1 || c.results[0].Emergency {
				t.Errorf("%s: handed in %+v", script, c.results)
			}
			c.mu.Unlock()
		}
	}
}

// TestAnOldDialIsNotBelieved: a call that was permitted and then not dialled must not end as the dial before it did.
func TestAnOldDialIsNotBelieved(t *testing.T) {
	t.Parallel()
	old := []struct {
		name   string
		before func(*agitest.Dial) // a call of ours; nil: the dialplan's own
	}{
		{"a busy call of ours", fails("BUSY")},
		{"a talk of ours", talks(5 * time.Second)},
		{"a dial of the dialplan's own", nil},
	}
	for _, script := range []string{"caller", "authorize"} {
		for _, test := range old {
			t.Run(script+" after "+test.name, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p := o.phone(100)
				first := p.peer("caller", abroad)
				id := "127.0.0.1/" + first.UniqueID
				if test.before != nil {
					id += "#2"
					first.Dial = test.before
					agitest.Call(t, o.address, first)
				}
				if first.Vars == nil {
					first.Vars = map[string]string{
						"DIALSTATUS": "ANSWER", "ANSWEREDTIME": "9", "ANSWEREDTIME_MS": "9009", "TALKTIME_ANSWERED": "1795210438.126",
					}
				}
				o.clock.wait(time.Second)
				second := another(first, script, abroad)
				second.Event = at("EXEC Dial", agitest.Drop) // Asterisk loses the command
				agitest.Call(t, o.address, second)
				o.ended(t, second, 1)
				if v := second.Vars["TALKTIME_ANSWERED"]; v != "" {
					t.Errorf("the callee has answered at %s", v)
				}
				o.hangsUp(t, second)
				calls, err := o.db.CallsByID(t.Context(), []string{id})
				if err != nil || calls[id].State != models.CallOpen || calls[id].Held() == 0 {
					t.Errorf("%v; the call is %q with the notes %+v", err, calls[id].State, calls[id].Notes)
				}
			})
		}
	}
}

// TestARepeatKeepsWhatItsFirstDialLeft: under a hold that goes on, the old result still counts.
func TestARepeatKeepsWhatItsFirstDialLeft(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"caller", "authorize"} {
		c := permits()
		c.auth.Repeated, c.auth.CallID = true, c.auth.CallID+"#2"
		address := open(t, &agi.Scripts{Billing: c}, nil)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script, Extension: abroad}, Event: at("EXEC Dial", agitest.Drop)}
		p.Vars = map[string]string{"DIALSTATUS": "ANSWER", "TALKTIME_ANSWERED": "1795210438.126"}
		agitest.Call(t, address, p)
		if p.Vars["DIALSTATUS"] != "ANSWER" || p.Vars["TALKTIME_ANSWERED"] == "" {
			t.Errorf("%s: the channel has %v", script, p.Vars)
		}
	}
}

// TestADialThatNobodyToldOf is settled from what the channel still shows, before the next one wipes that out.
func TestADialThatNobodyToldOf(t *testing.T) {
	t.Parallel()
	const elsewhere = "59899555000"
	answered := map[string]string{"DIALSTATUS": "ANSWER", "ANSWEREDTIME": "5", "ANSWEREDTIME_MS": "5005", "HANGUPCAUSE": "16"}
	for _, script := range []string{"caller", "authorize"} {
		for _, test := range []struct {
			name   string
			number string
			shows  map[string]string
			first  models.CallState // what became of the first call
			second string           // that the second dial belongs to
			left   int64            // once the second was busy
		}{
			{"answered, then the same number", abroad, answered, models.CallSettled, "#2", 95},
			{"answered, then another", elsewhere, answered, models.CallSettled, "#2", 95},
			{"answered, by whole seconds", elsewhere, map[string]string{"DIALSTATUS": "ANSWER", "ANSWEREDTIME": "5"}, models.CallSettled, "#2", 95},
			{"a redirect, then another", elsewhere, map[string]string{"DIALSTATUS": "ANSWER"}, models.CallOpen, "", 100},
			{"never dialled", abroad, map[string]string{}, models.CallOpen, "", 100},
			{
				"an emergency call", abroad,
				map[string]string{"DIALSTATUS": "ANSWER", "ANSWEREDTIME_MS": "5005", "TALKTIME_EMERGENCY": "1"},
				models.CallOpen, "", 100,
			},
		} {
			t.Run(script+": "+test.name, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p := o.phone(100)
				first := p.does(t, script, abroad, func(d *agitest.Dial) { d.Drop = true }) // and Asterisk goes on with it
				o.ended(t, first, 1)
				for name, v := range test.shows {
					first.Vars[name] = v
				}
				o.clock.wait(time.Second)
				second := another(first, script, test.number)
				second.Dial = func(d *agitest.Dial) { d.Status, d.Drop = "BUSY", true }
				agitest.Call(t, o.address, second)
				o.ended(t, second, 2)
				if got := o.call(t, first); got.State != test.first {
					t.Errorf("the first call is %s with the notes %+v", got.State, got.Notes)
				}
				id := "127.0.0.1/" + first.UniqueID + test.second
				calls, err := o.db.CallsByID(t.Context(), []string{id})
				if err != nil || calls[id].State != models.CallOpen || calls[id].Number != test.number {
					t.Errorf("%v; the second call is %+v", err, calls[id])
				}
				second.Vars["DIALSTATUS"], second.Vars["ANSWEREDTIME"], second.Vars["ANSWEREDTIME_MS"] = "BUSY", "", "" // by Dial
				o.hangsUp(t, second)
				b, err := o.db.UserByName(t.Context(), p.name)
				if err != nil || b.Balance.Whole() != test.left || (b.Held == 0) != (test.second != "") {
					t.Errorf("%s, of which %s is held, %v; want %d", b.Balance, b.Held, err, test.left)
				}
			})
		}
	}
}
