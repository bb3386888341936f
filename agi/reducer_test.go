package agi_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/models"
)

// vars are the variables of a channel in the h extension.
type vars map[string]string

func answeredFor(seconds, ms string) vars {
	return vars{"DIALSTATUS": "ANSWER", "ANSWEREDTIME": seconds, "ANSWEREDTIME_MS": ms, "HANGUPCAUSE": "16", "CDR(billsec)": "0"}
}

// with is v with other values.
func (v vars) with(other vars) vars {
	all := maps.Clone(v)
	maps.Copy(all, other)
	return all
}

// reduces runs the reducer of a channel that finds these variables.
func (p phone) reduces(t *testing.T, uniqueID string, v vars) {
	t.Helper()
	h := p.peer("reducer", "h")
	if uniqueID != "" {
		h.UniqueID = uniqueID
	}
	h.DNID, h.Dead, h.Vars = abroad, true, maps.Clone(v)
	agitest.Call(t, p.address, h)
}

// TestReducerAfterAuthorize: the reducer is the only witness of a call that the dialplan dialled.
func TestReducerAfterAuthorize(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, test := range []struct {
		name  string
		vars  vars
		state models.CallState
		left  int64 // of 100
		held  int64
	}{
		{"answered", answeredFor("7", "7005"), models.CallSettled, 93, 0},
		{"answered, seconds only", answeredFor("7", ""), models.CallSettled, 93, 0},
		{"answered, milliseconds only", answeredFor("", "7999"), models.CallSettled, 93, 0},
		{"answered for nothing", answeredFor("0", "4"), models.CallSettled, 100, 0},
		{"a time without a status", vars{"ANSWEREDTIME": "7", "ANSWEREDTIME_MS": "7005"}, models.CallSettled, 93, 0},
		{
			"a greeting of four seconds before the callee answered",
			answeredFor("7", "7005").with(vars{"TALKTIME_ANSWERED": "1795210438.126", "TALKTIME_ENDED": "1795210441.131"}),
			models.CallSettled, 97, 0,
		},
		{"busy", vars{"DIALSTATUS": "BUSY", "HANGUPCAUSE": "17"}, models.CallReleased, 100, 0},
		{"nobody answered", vars{"DIALSTATUS": "NOANSWER"}, models.CallReleased, 100, 0},
		{"the caller gave up", vars{"DIALSTATUS": "CANCEL"}, models.CallReleased, 100, 0},
		{"unavailable", vars{"DIALSTATUS": "CHANUNAVAIL"}, models.CallReleased, 100, 0},
		{"no line", vars{"DIALSTATUS": "CONGESTION"}, models.CallReleased, 100, 0},
		{"answered, and nobody knows how long", vars{"DIALSTATUS": "ANSWER", "CDR(billsec)": "0"}, models.CallOpen, 100, 60},
		{"nothing is known", vars{}, models.CallOpen, 100, 60},
		{"a status of a later Asterisk", vars{"DIALSTATUS": "MAYBE"}, models.CallOpen, 100, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := o.phone(100)
			c := p.does(t, "authorize", abroad, nil)
			for range 3 { // it may run any number of times
				p.reduces(t, c.UniqueID, test.vars)
				p.has(t, test.left, test.held)
			}
			if got := o.call(t, c); got.State != test.state || got.Disputed != 0 {
				t.Errorf("the call is %s, disputed %d; want %s", got.State, got.Disputed, test.state)
			}
		})
	}
}

// TestPostDialDelay: it ends with the first sign of the callee, be it ringing or what he is heard to say.
func TestPostDialDelay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ringing, progress string
		want              *int64
	}{
		{"812", "", new(int64(812))},
		{"", "90", new(int64(90))},
		{"812", "90", new(int64(90))},
		{"90", "812", new(int64(90))},
		{"0", "", new(int64(0))},
		{"", "", nil},
		{"86400001", "", nil},
	} {
		c := permits()
		address := open(t, &agi.Scripts{Billing: c}, nil)
		agitest.Call(t, address, &agitest.Peer{Greeting: agitest.Greeting{Script: "reducer", Extension: "h"}, Dead: true, Vars: vars{
			"DIALSTATUS": "NOANSWER", "RINGTIME_MS": test.ringing, "PROGRESSTIME_MS": test.progress,
		}})
		if got := c.evidence(t).PDD; !reflect.DeepEqual(got, test.want) {
			t.Errorf("ringing after %q, early media after %q: %s", test.ringing, test.progress, facts(c.evidence(t)))
		}
	}
}

// TestGarbageIsUnknown: a value that makes no sense is no evidence, neither of talk nor of none.
func TestGarbageIsUnknown(t *testing.T) {
	t.Parallel()
	for _, garbage := range []string{
		"-5", "99999999999999999999", "9223372036854775807", "1099511627777", "3x", "x", "3.x", "0x10", "1e3", "５", "3 4", "3|4", "|",
		"${ANSWEREDTIME}", "${", "}", "NaN", "\x01", "3)", "(3", "-1795210438.126", "0.000000",
	} {
		c := permits()
		address := open(t, &agi.Scripts{Billing: c}, nil)
		h := &agitest.Peer{Greeting: agitest.Greeting{Script: "reducer", Extension: "h"}, Dead: true, Vars: vars{
			"DIALSTATUS": garbage, "ANSWEREDTIME": garbage, "ANSWEREDTIME_MS": garbage, "CDR(billsec)": garbage, "CDR(answer,u)": garbage,
			"TALKTIME_ANSWERED": garbage, "TALKTIME_ENDED": garbage, "STRFTIME(,,%s.%3q)": garbage, "HANGUPCAUSE": garbage, "TALKTIME_EMERGENCY": garbage,
			"RINGTIME_MS": garbage, "PROGRESSTIME_MS": garbage,
		}}
		agitest.Call(t, address, h)
		if got := c.evidence(t); !reflect.DeepEqual(got, models.Evidence{Source: "reducer", Over: true}) || c.results[0].Emergency {
			t.Errorf("%q was taken for %v", garbage, facts(got))
		}
	}
}

// TestGarbageIsNotCharged: the hold stays for a witness who knows.
func TestGarbageIsNotCharged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, garbage := range []string{"-5", "99999999999999999999", "${ANSWEREDTIME}", "3|4"} {
		t.Run(garbage, func(t *testing.T) {
			t.Parallel()
			for name, v := range map[string]vars{
				"times":  answeredFor(garbage, garbage).with(vars{"CDR(billsec)": garbage}),
				"answer": {"DIALSTATUS": "ANSWER", "TALKTIME_ANSWERED": garbage, "TALKTIME_ENDED": "1795210441.131", "CDR(answer,u)": garbage},
				"end":    {"DIALSTATUS": "ANSWER", "TALKTIME_ANSWERED": "1795210438.126", "TALKTIME_ENDED": garbage},
				"status": {"DIALSTATUS": garbage, "HANGUPCAUSE": garbage, "CDR(billsec)": "7"},
			} {
				p := o.phone(100)
				c := p.does(t, "authorize", abroad, nil)
				p.reduces(t, c.UniqueID, v)
				p.has(t, 100, 60)
				if got := o.call(t, c); got.State != models.CallOpen || got.Cause != 0 {
					t.Errorf("%s: the call is %s, cause %d", name, got.State, got.Cause)
				}
			}
			// Beside one good measure it does no harm.
			for _, v := range []vars{
				{"ANSWEREDTIME": "7", "ANSWEREDTIME_MS": garbage, "TALKTIME_ANSWERED": garbage, "TALKTIME_ENDED": "1795210441.131"},
				{"ANSWEREDTIME_MS": "7005", "ANSWEREDTIME": garbage, "TALKTIME_ANSWERED": "1795210438.126", "TALKTIME_ENDED": garbage},
			} {
				p := o.phone(100)
				c := p.does(t, "authorize", abroad, nil)
				p.reduces(t, c.UniqueID, v.with(vars{"DIALSTATUS": "ANSWER", "CDR(billsec)": garbage, "HANGUPCAUSE": garbage}))
				p.has(t, 93, 0)
			}
		})
	}
	t.Run("moments that contradict the caller's leg", func(t *testing.T) {
		t.Parallel()
		for name, v := range map[string]vars{
			"the callee answered after the end":           {"TALKTIME_ANSWERED": "1795210500.000"},
			"the channel was up before there were phones": {"TALKTIME_ANSWERED": "1795210438.126", "CDR(answer,u)": "3.5"},
		} {
			p := o.phone(100)
			c := p.peer("caller", abroad)
			c.Vars = v.with(vars{"STRFTIME(,,%s.%3q)": "1795210448.131"})
			c.Dial = talks(7 * time.Second)
			agitest.Call(t, o.address, c)
			if got := o.call(t, c); got.Seconds != 7 {
				t.Errorf("%s: charged for %d s", name, got.Seconds)
			}
		}
	})
	t.Run("a talk of more than a month", func(t *testing.T) {
		t.Parallel()
		p := o.phone(100)
		c := p.does(t, "authorize", abroad, nil)
		p.reduces(t, c.UniqueID, answeredFor("2678401", "2678401000"))
		p.has(t, 100, 60)
	})
}

// TestNeverAuthorised: an answered call that nobody asked us about is charged, or shown to the operator.
func TestNeverAuthorised(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	id := func() string { return p.peer("reducer", "h").UniqueID }
	find := func(t *testing.T, uniqueID string) models.Call {
		t.Helper()
		return o.call(t, &agitest.Peer{Greeting: agitest.Greeting{UniqueID: uniqueID}})
	}

	answered := id()
	for range 2 {
		p.reduces(t, answered, answeredFor("30", "30001"))
		p.has(t, 70, 0)
	}
	if got := find(t, answered); got.State != models.CallSettled || !got.Unauthorized || got.Number != abroad || got.Seconds != 30 {
		t.Errorf("the call is %+v", got)
	}

	busy := id()
	p.reduces(t, busy, vars{"DIALSTATUS": "BUSY"})
	p.reduces(t, busy, vars{})
	p.has(t, 70, 0)
	if got := find(t, busy); got.CallID != "" {
		t.Errorf("a call that came to nothing was recorded: %+v", got)
	}

	dear := id()
	p.reduces(t, dear, answeredFor("100", "100000"))
	p.has(t, 0, 0)
	if got := find(t, dear); got.State != models.CallSettled || got.Shortfall.Whole() != 30 {
		t.Errorf("the call is %+v", got)
	}

	stranger := phone{office: o, clid: "59899777777"}
	unknown := id()
	stranger.reduces(t, unknown, answeredFor("30", "30001"))
	if got := find(t, unknown); got.State != models.CallUnreconciled || got.UserID != 0 || got.Seconds != 30 {
		t.Errorf("the call of a stranger is %+v", got)
	}
	emergency := id()
	stranger.reduces(t, emergency, answeredFor("30", "30001").with(vars{"TALKTIME_EMERGENCY": "1"}))
	if got := find(t, emergency); got.CallID != "" {
		t.Errorf("an emergency call was recorded as %+v", got)
	}
}

// TestCallees: who is called matters to the record alone.
func TestCallees(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, friend := o.phone(100), o.phone(0)
	callee, err := o.db.UserByName(t.Context(), friend.name)
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string]int64{friend.clid: callee.ID, abroad: 0, p.clid: 0} {
		c := p.does(t, "caller", number, talks(0))
		o.hangsUp(t, c)
		if got := o.call(t, c); got.State != models.CallSettled || got.CalleeID != want || got.Number != number {
			t.Errorf("%s: the call is %+v", number, got)
		}
	}
	friend.has(t, 0, 0)
}

// TestReducerWithoutDatabase: everything it saw goes to the spool, and says there what it said.
func TestReducerWithoutDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	c := p.does(t, "authorize", abroad, nil)
	o.service.Close()
	p.reduces(t, c.UniqueID, answeredFor("7", "7005"))
	p.has(t, 100, 60)
	records := o.spool.take()
	if len(records) != 1 || records[0].Emergency != nil {
		t.Fatalf("spooled %+v", records)
	}
	again := o.reopen(t)
	for i := range 2 {
		charge, err := again.Settle(t.Context(), *records[0].Result)
		if err != nil || charge.Seconds != 7 || charge.Already != (i == 1) {
			t.Errorf("settled %+v, %v", charge, err)
		}
	}
	p.has(t, 93, 0)
}

// TestReducerLost: a reducer whose channel or connection is gone says so and settles nothing.
func TestReducerLost(t *testing.T) {
	t.Parallel()
	c, log := permits(), &logbook{}
	address := open(t, &agi.Scripts{Billing: c}, log)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "reducer", Extension: "h"}, Event: at("GET", agitest.Drop), Dead: true}
	agitest.Call(t, address, p)
	eventually(t, "a line in the log", func() bool { return strings.Contains(log.String(), `"status":"closed"`) })
	if len(c.results) != 0 {
		t.Errorf("settled %+v", c.results)
	}
}
