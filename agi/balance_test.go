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

// spoken is what the caller hears.
func spoken(p *agitest.Peer) []string {
	var heard []string
	for _, c := range commands(p) {
		for _, verb := range []string{"STREAM FILE ", "SAY NUMBER ", "SAY DIGITS "} {
			if rest, ok := strings.CutPrefix(c, verb); ok {
				heard = append(heard, strings.ReplaceAll(strings.TrimSuffix(rest, ` ""`), `"`, ""))
			}
		}
	}
	return heard
}

func TestBalanceIsSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		micros   int64
		currency string
		want     []string
	}{
		{"nothing", 0, models.SEC, []string{"vm-youhave", "0", "minutes", "0", "seconds"}},
		{"less than a second", 999_999, models.SEC, []string{"vm-youhave", "0", "minutes", "0", "seconds"}},
		{"a minute less one", 59_000_000, models.SEC, []string{"vm-youhave", "0", "minutes", "59", "seconds"}},
		{"a minute", 60_000_000, models.SEC, []string{"vm-youhave", "1", "minutes", "0", "seconds"}},
		{"two hours", 7_201_500_000, models.SEC, []string{"vm-youhave", "120", "minutes", "1", "seconds"}},
		{"money", 12_500_000, "EUR", []string{"vm-youhave", "12", "50"}},
		{"whole money", 7_000_000, "EUR", []string{"vm-youhave", "7", "00"}},
		{"money is not rounded up", 999_999, "EUR", []string{"vm-youhave", "0", "99"}},
		{"a few cents", 50_000, "EUR", []string{"vm-youhave", "0", "05"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := &clerk{available: money.Amount(test.micros), user: models.User{ID: 4, Currency: test.currency}}
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "balance"}}
			agitest.Call(t, open(t, &agi.Scripts{Billing: c}, nil), p)
			told(t, p, "OK", "OK", "")
			if got := spoken(p); !slices.Equal(got, test.want) {
				t.Errorf("said %q, want %q", got, test.want)
			}
			if p.Vars["TALKTIME_BALANCE"] != c.available.String() {
				t.Errorf("TALKTIME_BALANCE is %q", p.Vars["TALKTIME_BALANCE"])
			}
		})
	}
}

// TestBalanceOfAUser: what calls in progress hold is not his to spend.
func TestBalanceOfAUser(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.phone(100)
	p.does(t, "authorize", abroad, nil)
	c := p.does(t, "balance", "s", nil)
	if got := spoken(c); !slices.Equal(got, []string{"vm-youhave", "0", "minutes", "40", "seconds"}) || c.Vars["TALKTIME_BALANCE"] != "40" {
		t.Errorf("said %q, TALKTIME_BALANCE is %q", got, c.Vars["TALKTIME_BALANCE"])
	}
	stranger := phone{office: o, clid: "59899777777"}.does(t, "balance", "s", nil)
	told(t, stranger, "UNKNOWNCALLER", "UNKNOWNCALLER", "no user has this caller id, account code or IMSI")
	if got := spoken(stranger); got != nil || slices.Contains(commands(stranger), "ANSWER") {
		t.Errorf("a stranger hears %q", got)
	}
}

// TestBalanceInterrupted: a caller who hangs up in the middle is no failure.
func TestBalanceInterrupted(t *testing.T) {
	t.Parallel()
	probe := &agitest.Peer{Greeting: agitest.Greeting{Script: "balance"}}
	c := &clerk{available: 185 * money.Unit, user: models.User{Currency: models.SEC}}
	agitest.Call(t, open(t, &agi.Scripts{Billing: c}, nil), probe)
	for _, hangups := range []agitest.Hangups{agitest.SayHangup, agitest.SayNothing, agitest.Exit} {
		for n := range commands(probe) {
			log := &logbook{}
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "balance"}, Hangups: hangups, Event: func(i int, _ string) agitest.Event {
				if i == n+1 {
					return agitest.HangUp
				}
				return agitest.Answer
			}}
			agitest.Call(t, open(t, &agi.Scripts{Billing: c}, log), p)
			eventually(t, "a line in the log", func() bool { return len(log.lines(t, "call", nil)) == 1 })
			if l := log.lines(t, "call", nil)[0]; l["level"] != "INFO" {
				t.Errorf("hang-up %d at command %d: logged %v", hangups, n+1, l)
			}
		}
	}
}
