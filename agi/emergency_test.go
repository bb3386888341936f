package agi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/models"
)

// emergency dials 112 from a phone.
func (p phone) emergency(t *testing.T, dial func(*agitest.Dial)) *agitest.Peer {
	t.Helper()
	c := p.does(t, "caller", "112", dial)
	told(t, c, "OK", "OK", "")
	if dialled(t, c) != "PJSIP/112@trunk,40," || c.Vars["TIMEOUT(absolute)"] != "0" || c.Vars["TALKTIME_EMERGENCY"] != "1" {
		t.Errorf("dialled %q with %v", dialled(t, c), c.Vars)
	}
	return c
}

// recorded waits until the emergency call of a channel is in the books, for nothing else waits for that.
func (o *office) recorded(t *testing.T, c *agitest.Peer) {
	t.Helper()
	eventually(t, "the record of an emergency call", func() bool { return o.call(t, c).State == models.CallEmergency })
}

// TestEmergency: it passes for everybody, costs nothing, and is recorded once.
func TestEmergency(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		name string
		from phone
	}{
		{"a customer", o.phone(100)},
		{"without credit", o.phone(0)},
		{"a stranger", phone{office: o, clid: "59899777777"}},
		{"nobody", phone{office: o, clid: "unknown"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before, _ := o.db.UserByName(t.Context(), test.from.name)
			c := test.from.emergency(t, talks(time.Hour))
			o.hangsUp(t, c)
			o.recorded(t, c)
			again := &agitest.Peer{Greeting: c.Greeting, Vars: c.Vars, Dial: talks(time.Minute)}
			agitest.Call(t, o.address, again)
			o.hangsUp(t, again)
			o.hangsUp(t, again)
			call := o.call(t, c)
			if call.State != models.CallEmergency || call.Number != "112" || call.Charge != 0 || call.UserID != before.ID {
				t.Errorf("recorded %+v", call)
			}
			if after, _ := o.db.UserByName(t.Context(), test.from.name); after.Balance != before.Balance || after.Held != 0 {
				t.Errorf("it has cost something: %s and %s held", after.Balance, after.Held)
			}
		})
	}
	t.Cleanup(func() {
		if calls, err := o.db.ListedCalls(t.Context(), "unreconciled", 10); len(calls) != 0 {
			t.Errorf("listed for the operator: %+v, %v", calls, err)
		}
	})
}

// TestEmergencyWithoutDatabase: it is dialled all the same, and recorded when it can be.
func TestEmergencyWithoutDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	o.service.Close()
	c := p.emergency(t, talks(time.Minute))
	o.scripts.Wait()
	records := o.spool.take()
	if len(records) != 1 || records[0].Emergency == nil || records[0].Emergency.Number != "112" || records[0].Result != nil {
		t.Fatalf("spooled %+v", records)
	}
	o.hangsUp(t, c)
	records = append(records, o.spool.take()...)
	if len(records) != 2 || !records[1].Result.Emergency {
		t.Fatalf("spooled %+v", records)
	}
	for _, order := range [][]int{{1, 0}, {0, 1}} { // whichever comes first
		service := o.reopen(t)
		for _, i := range order {
			var err error
			if r := records[i]; r.Emergency != nil {
				err = service.RecordEmergency(t.Context(), *r.Emergency)
			} else {
				_, err = service.Settle(t.Context(), *r.Result)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	p.has(t, 100, 0)
	if got := o.call(t, c); got.State != models.CallEmergency {
		t.Errorf("the call is %+v", got)
	}
}

// TestEmergencyIsNeverDroppedSilently: when it can be neither recorded nor spooled, somebody is told.
func TestEmergencyIsNeverDroppedSilently(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	scripts := &agi.Scripts{Billing: &clerk{emergency: "112", down: models.ErrUnavailable}, Spool: &tray{err: errors.New("disk full")}}
	address := open(t, scripts, log)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: "112"}}
	agitest.Call(t, address, p)
	scripts.Wait()
	if dialled(t, p) == "" || !strings.Contains(log.String(), "an emergency call was not recorded") {
		t.Errorf("dialled %q, and the log says %s", dialled(t, p), log)
	}
}

// TestEmergencyMindsNoArguments: neither the dialplan's target nor a ring time of nonsense stops it.
func TestEmergencyMindsNoArguments(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(0)
	for _, args := range [][]string{{"Local/0900@default"}, {"", "abc"}, {"PJSIP/100@elsewhere", "601"}, {strings.Repeat("x", 3000)}} {
		c := p.peer("caller", "112", args...)
		agitest.Call(t, o.address, c)
		if dialled(t, c) != "PJSIP/112@trunk,40," {
			t.Errorf("%.40q: dialled %q, told %q", args, dialled(t, c), c.Vars["TALKTIME_REASON"])
		}
	}
}

// TestEmergencyAndOtherCalls: what a channel calls before and after an emergency number is charged as ever.
func TestEmergencyAndOtherCalls(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	next := func(t *testing.T, c *agitest.Peer, number string, dial func(*agitest.Dial)) *agitest.Peer {
		t.Helper()
		p := &agitest.Peer{Greeting: c.Greeting, Vars: c.Vars, Dial: dial}
		p.Extension, p.DNID = number, number
		agitest.Call(t, o.address, p)
		return p
	}
	for _, settledBy := range []string{"caller", "reducer"} {
		t.Run("a billed call after it, settled by the "+settledBy, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.emergency(t, fails("BUSY"))
			o.recorded(t, c)
			billed := talks(5 * time.Second)
			if settledBy == "reducer" {
				billed = func(d *agitest.Dial) { d.Drop = true }
			}
			c = next(t, c, abroad, billed)
			if settledBy == "reducer" {
				c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", "5", "5005"
			}
			o.hangsUp(t, c)
			p.has(t, 95, 0)
		})
	}
	for _, test := range []struct {
		name  string
		first func(*agitest.Dial)
		state models.CallState
		left  int64
		held  int64
	}{
		{"a billed call before it", talks(5 * time.Second), models.CallSettled, 95, 0},
		{"a busy call before it", fails("BUSY"), models.CallReleased, 100, 0},
		{"a redirected call before it", func(d *agitest.Dial) { d.Talk, d.Redirected = 5*time.Second, true }, models.CallSettled, 95, 0},
		{"a call before it whose end nobody saw", func(d *agitest.Dial) { d.Drop = true }, models.CallOpen, 100, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.does(t, "caller", abroad, test.first)
			o.ended(t, c, 1)
			h := next(t, c, "112", talks(time.Hour))
			eventually(t, "the record of the emergency call", func() bool {
				id := "127.0.0.1/" + c.UniqueID + "#e112"
				calls, err := o.db.CallsByID(t.Context(), []string{id})
				return err == nil && calls[id].State == models.CallEmergency
			})
			o.hangsUp(t, h)
			p.has(t, test.left, test.held)
			if got := o.call(t, c); got.State != test.state || got.Disputed != 0 {
				t.Errorf("the call before it is %s, disputed %d; want %s", got.State, got.Disputed, test.state)
			}
		})
	}
}
