package agi_test

import (
	"slices"
	"strings"
	"testing"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/models"
	"talktime/money"
)

const code = "48213975501948273610" // of twenty digits, as vouchers have

func TestRecharge(t *testing.T) {
	t.Parallel()
	const enter, bye = "number", "vm-goodbye" // the first of two files: typing ends it
	balance := func(seconds string) []string { return []string{"vm-youhave", "2", "minutes", seconds, "seconds"} }
	thanks := append(append([]string{"auth-thankyou"}, balance("0")...), bye)
	for _, test := range []struct {
		name     string
		argument string
		typed    []string
		err      error // of the voucher
		tries    int
		heard    []string
		result   string
		status   string
		reason   string
		left     int64 // of 100, and a voucher of 20
	}{
		{"typed", "", []string{code + "#"}, nil, 1, append([]string{enter}, thanks...), "OK", "OK", "", 120},
		{"typed, and a pause in place of #", "", []string{code}, nil, 1, append([]string{enter}, thanks...), "OK", "OK", "", 120},
		{"the script's argument", code, nil, nil, 1, thanks, "OK", "OK", "", 120},
		{"begun anew", "", []string{"12*", code + "#"}, nil, 1, append([]string{enter, enter}, thanks...), "OK", "OK", "", 120},
		{
			"unknown, then right", "",
			[]string{"7#", code + "#"},
			nil, 2,
			append([]string{enter, "privacy-incorrect", enter}, thanks...), "OK", "OK", "", 120,
		},
		{
			"unknown", "",
			[]string{"7#", "8#", "9#", code + "#"},
			nil, 3,
			[]string{enter, "privacy-incorrect", enter, "privacy-incorrect", enter, "privacy-incorrect", bye},
			"UNKNOWN", "OK", models.ErrNoVoucher.Error(), 100,
		},
		{"an argument that is none", "7", []string{code + "#"}, nil, 1, []string{"privacy-incorrect", bye}, "UNKNOWN", "OK", models.ErrNoVoucher.Error(), 100},
		{
			"too long", "",
			[]string{strings.Repeat("7", 41) + "#", "*", "*"},
			nil, 0,
			[]string{enter, "privacy-incorrect", enter, enter, bye},
			"UNKNOWN", "OK", "", 100,
		},
		{
			"nothing", "", nil, nil, 0, slices.Concat(slices.Repeat([]string{enter, "astcc-followed-by-the-pound-key"}, 3), []string{bye}),
			"", "OK", "", 100,
		},
		{"used", code, nil, models.ErrVoucherUsed, 1, []string{"number", "is-in-use", bye}, "USED", "OK", models.ErrVoucherUsed.Error(), 100},
		{"blocked", code, nil, models.ErrVoucherBlocked, 1, []string{"privacy-incorrect", bye}, "BLOCKED", "OK", models.ErrVoucherBlocked.Error(), 100},
		{"expired", code, nil, models.ErrVoucherExpired, 1, []string{"privacy-incorrect", bye}, "EXPIRED", "OK", models.ErrVoucherExpired.Error(), 100},
		{
			"guessed too often", "",
			[]string{code + "#", code + "#"},
			models.ErrTooManyTries, 1,
			[]string{enter, "please-try-call-later", bye},
			"LIMIT", "LIMIT", models.ErrTooManyTries.Error(), 100,
		},
		{
			"the database is away", "",
			[]string{code + "#", code + "#"},
			models.ErrUnavailable, 1,
			[]string{enter, "please-try-call-later", bye},
			"ERROR", "ERROR", "the database does not answer", 100,
		},
		{
			"anything else", "",
			[]string{code + "#", code + "#"},
			errBroken, 1,
			[]string{enter, "please-try-call-later", bye},
			"ERROR", "ERROR", "internal error", 100,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p := o.phone(100)
			o.vault.vouchers[code] = voucher{amount: 20 * money.Unit}
			o.vault.errs[code] = test.err
			c := p.peer("recharge", "*101")
			if test.argument != "" {
				c.Args = []string{test.argument}
			}
			demands := -1
			c.Types = func(file string) string {
				if file != "number" {
					return ""
				}
				if demands++; demands < len(test.typed) {
					return test.typed[demands]
				}
				return ""
			}
			agitest.Call(t, o.address, c)
			if heard := said(c); !slices.Equal(heard, test.heard) {
				t.Errorf("heard %q, want %q", heard, test.heard)
			}
			if c.Vars["TALKTIME_RECHARGE"] != test.result || c.Vars["TALKTIME_STATUS"] != test.status || c.Vars["TALKTIME_REASON"] != test.reason {
				t.Errorf("got %q, %q, %q; want %q, %q, %q", c.Vars["TALKTIME_RECHARGE"], c.Vars["TALKTIME_STATUS"], c.Vars["TALKTIME_REASON"],
					test.result, test.status, test.reason)
			}
			amount, available := "", ""
			if test.result == "OK" {
				amount, available = "20", "120"
			}
			if c.Vars["TALKTIME_AMOUNT"] != amount || c.Vars["TALKTIME_BALANCE"] != available {
				t.Errorf("TALKTIME_AMOUNT is %q, TALKTIME_BALANCE %q", c.Vars["TALKTIME_AMOUNT"], c.Vars["TALKTIME_BALANCE"])
			}
			if len(o.vault.tried) != test.tries {
				t.Errorf("tried %q, want %d", o.vault.tried, test.tries)
			}
			if log := o.log.String(); strings.Contains(log, code) || strings.Contains(log, "7777") {
				t.Errorf("the log has the code: %s", log)
			}
			p.has(t, test.left, 0)
		})
	}
}

// TestRechargeTwice: the second time nothing is put on, and the caller hears that, and his balance.
func TestRechargeTwice(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	o.vault.vouchers[code] = voucher{amount: 20 * money.Unit}
	for i, want := range []string{"OK", "USED"} {
		c := p.peer("recharge", "*101", code)
		agitest.Call(t, o.address, c)
		if c.Vars["TALKTIME_RECHARGE"] != want || c.Vars["TALKTIME_BALANCE"] != "120" || (c.Vars["TALKTIME_AMOUNT"] == "") != (i == 1) {
			t.Errorf("call %d: %v", i+1, c.Vars)
		}
	}
	p.has(t, 120, 0)
}

// TestRechargeOfAStranger: whoever is not known may not try codes.
func TestRechargeOfAStranger(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.vault.vouchers[code] = voucher{amount: 20 * money.Unit}
	c := phone{office: o, clid: "59899777777"}.peer("recharge", "*101", code)
	agitest.Call(t, o.address, c)
	told(t, c, "UNKNOWNCALLER", "UNKNOWNCALLER", "no user has this caller id, account code or IMSI")
	if c.Vars["TALKTIME_RECHARGE"] != "ERROR" || o.vault.tried != nil || said(c) != nil {
		t.Errorf("got %v, tried %q, heard %q", c.Vars, o.vault.tried, said(c))
	}
}

// TestRechargeHangsUp: a voucher is redeemed whole or not at all, wherever the caller goes.
func TestRechargeHangsUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	types := func(file string) string {
		if file == "number" {
			return code + "#"
		}
		return ""
	}
	for _, hangups := range []agitest.Hangups{agitest.SayHangup, agitest.SayNothing, agitest.Exit} {
		for n, total := 1, 2; n < total; n++ {
			p := o.phone(100)
			o.vault.vouchers[code] = voucher{amount: 20 * money.Unit}
			c := p.peer("recharge", "*101")
			c.Types, c.Hangups = types, hangups
			c.Event = func(i int, _ string) agitest.Event {
				if i == n {
					return agitest.HangUp
				}
				return agitest.Answer
			}
			agitest.Call(t, o.address, c)
			o.sessionEnded(t, c)
			total = max(total, len(commands(c))+1)
			left := int64(100)
			if o.vault.vouchers[code].redeemed != 0 {
				left = 120
			}
			p.has(t, left, 0)
			if n > 40 {
				t.Fatal("it does not end")
			}
		}
	}
	if strings.Contains(o.log.String(), `"level":"ERROR"`) {
		t.Errorf("logged %s", o.log)
	}
}

// TestNoVouchersAndCards: without anybody to ask there are no such scripts.
func TestNoVouchersAndCards(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"recharge", "card"} {
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script}}
		agitest.Call(t, open(t, &agi.Scripts{Billing: permits()}, nil), p)
		if p.Vars["TALKTIME_STATUS"] != "ERROR" || p.Vars["TALKTIME_REASON"] != "unknown script" {
			t.Errorf("%s: got %v", script, p.Vars)
		}
	}
}
