package agi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// vault is the vouchers and cards of an office, in memory; the money is the office's.
type vault struct {
	office *office

	mu       sync.Mutex
	vouchers map[string]voucher
	cards    map[string]models.User
	errs     map[string]error // of codes and PINs
	language string           // of all cards
	tried    []string         // codes and PINs, with whoever tried them behind a blank
}

type voucher struct {
	amount   money.Amount
	redeemed int64 // by this user
}

func (v *vault) RedeemVoucher(ctx context.Context, r models.Redemption) (models.Redeemed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tried = append(v.tried, r.Code+" "+r.From)
	found, ok := v.vouchers[r.Code]
	switch {
	case v.errs[r.Code] != nil:
		return models.Redeemed{}, v.errs[r.Code]
	case !ok:
		return models.Redeemed{}, models.ErrNoVoucher
	case found.redeemed != 0 && found.redeemed != r.UserID:
		return models.Redeemed{}, models.ErrVoucherUsed
	}
	u, err := v.office.db.UserByID(ctx, r.UserID)
	if err != nil {
		return models.Redeemed{}, err
	}
	already := found.redeemed != 0
	if !already {
		if _, err := v.office.service.Move(ctx, billing.Movement{Username: u.Username, Amount: found.amount, Ref: "voucher " + r.Code, Actor: r.Actor}); err != nil {
			return models.Redeemed{}, err
		}
		found.redeemed = r.UserID
		v.vouchers[r.Code] = found
	}
	available, _, err := v.office.service.Available(ctx, billing.Identity{User: u.ID})
	return models.Redeemed{Serial: "A-1", Amount: found.amount, Currency: u.Currency, Available: available, Already: already}, err
}

func (v *vault) CardUser(_ context.Context, login models.CardLogin) (models.User, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tried = append(v.tried, login.PIN+" "+login.From)
	user, ok := v.cards[login.PIN]
	if err := v.errs[login.PIN]; err != nil {
		return models.User{}, err
	}
	if !ok {
		return models.User{}, models.ErrNoVoucher
	}
	return user, nil
}

func (v *vault) CardLanguage(context.Context, int64) (string, error) {
	return v.language, v.errs["language"]
}

const pin = "73548212"

// card is a phone of nobody's, and the account that a calling card is for.
func (o *office) card(balance int64) phone {
	o.t.Helper()
	p := o.phone(balance)
	u, err := o.db.UserByName(o.t.Context(), p.name)
	if err != nil {
		o.t.Fatal(err)
	}
	o.vault.mu.Lock()
	o.vault.cards[pin] = u.User
	o.vault.mu.Unlock()
	return p
}

// in turn returns a Types that answers the n-th time a file is played with the n-th text.
func inTurn(typed map[string][]string) func(string) string {
	heard := map[string]int{}
	return func(file string) string {
		n := heard[file]
		heard[file]++
		if n < len(typed[file]) {
			return typed[file][n]
		}
		return ""
	}
}

// cardCall is a call to the access number, from a phone that nobody knows. Its channel counts as that of Asterisk does.
func (o *office) cardCall(typed map[string][]string, talks ...time.Duration) *agitest.Peer {
	o.mu.Lock()
	o.calls++
	n := o.calls
	o.mu.Unlock()
	c := &agitest.Peer{Greeting: agitest.Greeting{
		Script: "card", UniqueID: fmt.Sprintf("1795210434.%d", n), CallerID: "59829001122", Extension: "*102",
	}}
	c.Vars = map[string]string{routineExists: "1"}
	c.Types = inTurn(typed)
	up, calls := o.clock.now(), 0
	c.Dial = func(d *agitest.Dial) {
		o.clock.wait(4 * time.Second) // of prompts and ringing
		if calls >= len(talks) || talks[calls] == 0 {
			calls++
			d.Status = "BUSY"
			return
		}
		c.Vars["TALKTIME_ANSWERED"], c.Vars["CDR(answer,u)"] = epoch(o.clock.now()), epoch(up)
		o.clock.wait(talks[calls])
		c.Vars["STRFTIME(,,%s.%3q)"] = epoch(o.clock.now())
		d.Talk, d.Limit = o.clock.now().Sub(up), 0 // which counts from the callee's answer
		calls++
	}
	return c
}

const routineExists = "DIALPLAN_EXISTS(talktime-answered,s,1)"

func epoch(t time.Time) string { return fmt.Sprintf("%d.%03d", t.Unix(), t.Nanosecond()/1e6) }

func TestCardCalls(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.card(100)
	c := o.cardCall(map[string][]string{
		"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#", "*", "59899555000#", "59899666000#"},
	}, 5*time.Second, 0, 7*time.Second)
	agitest.Call(t, o.address, c)
	p.has(t, 88, 0)
	if want := []string{
		"agent-pass", "vm-youhave", "1", "minutes", "40", "seconds",
		"vm-enter-num-to-call", "vm-youhave", "1", "minutes", "vm-youhave", "1", "minutes", "35", "seconds",
		"vm-enter-num-to-call", "vm-enter-num-to-call", "vm-youhave", "1", "minutes", "number", "is-in-use",
	}; !slices.Equal(said(c)[:len(want)], want) {
		t.Errorf("heard %q, want %q", said(c), want)
	}
	if !slices.Contains(commands(c), `EXEC Dial "PJSIP/`+abroad+`@trunk,40,L(60000)iU(talktime-answered)Hg"`) || len(dials(c)) != 3 {
		t.Errorf("sent %q", commands(c))
	}
	// He hangs up a while later, which is no part of his last call.
	o.clock.wait(30 * time.Second)
	c.Vars["TALKTIME_ENDED"] = epoch(o.clock.now())
	o.hangsUp(t, c)
	p.has(t, 88, 0)
	if o.listed(t) != 0 {
		t.Error("calls are left on a list")
	}
	if log := o.log.String(); strings.Contains(log, pin) {
		t.Errorf("the log has the PIN: %s", log)
	}
	if lines := o.log.lines(t, "card call", nil); len(lines) != 3 || lines[0]["billsec"] != float64(5) {
		t.Errorf("logged %v", lines)
	}
	if want := slices.Repeat([]string{pin + " 59829001122"}, 4); !slices.Equal(o.vault.tried, want) {
		t.Errorf("tried %q, want the PIN, and once more before each call", o.vault.tried)
	}
}

// sessionEnded waits until the server has done all it does for a session, refused or not.
func (o *office) sessionEnded(t *testing.T, c *agitest.Peer) {
	t.Helper()
	eventually(t, "the end of the session", func() bool {
		for line := range strings.Lines(o.log.String()) {
			if strings.Contains(line, `"msg":"call"`) && strings.Contains(line, `"unique_id":"`+c.UniqueID+`"`) {
				return true
			}
		}
		return false
	})
}

// listed counts the calls that want a look.
func (o *office) listed(t *testing.T) (n int) {
	t.Helper()
	for _, list := range []string{"open", "disputed", "unreconciled", "shortfall"} {
		calls, err := o.db.ListedCalls(t.Context(), list, 100)
		if err != nil {
			t.Fatal(err)
		}
		n += len(calls)
	}
	return n
}

var errBroken = errors.New("disk on fire")

func TestCardPIN(t *testing.T) {
	t.Parallel()
	const enter, wrong, bye = "agent-pass", "vm-incorrect", "vm-goodbye"
	for _, test := range []struct {
		name   string
		typed  []string
		err    error // of the PIN
		tries  int
		heard  []string // before the balance
		status string   // OK: he got in
		reason string
	}{
		{"right", []string{pin + "#"}, nil, 1, []string{enter}, "OK", ""},
		{"right, and a pause in place of #", []string{pin}, nil, 1, []string{enter}, "OK", ""},
		{"wrong, then right", []string{"1#", pin + "#"}, nil, 2, []string{enter, wrong, enter}, "OK", ""},
		{"begun anew", []string{"12*", pin + "#"}, nil, 1, []string{enter, enter}, "OK", ""},
		{"wrong three times", []string{"1#", "2#", "3#"}, nil, 3, []string{enter, wrong, enter, wrong, enter, wrong, bye}, "UNKNOWNCALLER", "no card has this PIN"},
		{"nothing", nil, nil, 0, []string{enter, enter, enter, bye}, "UNKNOWNCALLER", "no PIN was entered"},
		{"only #", []string{"#", "#", "#"}, nil, 0, []string{enter, enter, enter, bye}, "UNKNOWNCALLER", "no PIN was entered"},
		{"only *", []string{"*", "*", "*"}, nil, 0, []string{enter, enter, enter, bye}, "UNKNOWNCALLER", "no PIN was entered"},
		{"as long as can be", []string{strings.Repeat("7", 40) + "#", pin + "#"}, nil, 2, []string{enter, wrong, enter}, "OK", ""},
		{"too long", []string{strings.Repeat("7", 41) + "#", pin + "#"}, nil, 1, []string{enter, wrong, enter}, "OK", ""},
		{"blocked", []string{pin + "#"}, models.ErrVoucherBlocked, 1, []string{enter, wrong, enter, enter, bye}, "BLOCKED", "the card is blocked"},
		{"expired", []string{pin + "#"}, models.ErrVoucherExpired, 1, []string{enter, wrong, enter, enter, bye}, "BLOCKED", "the card has expired"},
		{"locked out", []string{pin + "#", pin + "#"}, models.ErrTooManyTries, 1, []string{enter, "please-try-call-later", bye}, "LIMIT", "too many wrong PINs"},
		{"the database is away", []string{pin + "#", pin + "#"}, models.ErrUnavailable, 1, []string{enter, "please-try-call-later", bye}, "ERROR", "the database does not answer"},
		{"anything else", []string{pin + "#", pin + "#"}, errBroken, 1, []string{enter, "please-try-call-later", bye}, "ERROR", "internal error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.card(100)
			o.vault.errs[pin] = test.err
			c := o.cardCall(map[string][]string{"agent-pass": test.typed})
			agitest.Call(t, o.address, c)
			heard := said(c)
			if i := slices.Index(heard, "vm-youhave"); i >= 0 {
				heard = heard[:i]
			} else if test.status == "OK" {
				t.Error("he hears no balance")
			}
			if !slices.Equal(heard, test.heard) {
				t.Errorf("heard %q, want %q", heard, test.heard)
			}
			if len(o.vault.tried) != test.tries {
				t.Errorf("tried %q, want %d PINs", o.vault.tried, test.tries)
			}
			if test.status != "OK" && (c.Vars["TALKTIME_STATUS"] != test.status || c.Vars["TALKTIME_REASON"] != test.reason) {
				t.Errorf("got %q, %q; want %q, %q", c.Vars["TALKTIME_STATUS"], c.Vars["TALKTIME_REASON"], test.status, test.reason)
			}
			if strings.Contains(o.log.String(), pin) || strings.Contains(o.log.String(), "7777") {
				t.Errorf("the log has the PIN: %s", o.log)
			}
		})
	}
}

// said is what the caller hears, whether he may type meanwhile or not.
func said(p *agitest.Peer) []string {
	var heard []string
	for _, c := range commands(p) {
		for _, verb := range []string{"STREAM FILE ", "SAY NUMBER ", "SAY DIGITS "} {
			if rest, ok := strings.CutPrefix(c, verb); ok {
				word, _, _ := strings.Cut(rest, " ")
				heard = append(heard, strings.Trim(word, `"`))
			}
		}
	}
	return heard
}

func TestCardNumbers(t *testing.T) {
	t.Parallel()
	const (
		ask  = "vm-enter-num-to-call"
		more = "vm-then-pound"
		bye  = "vm-goodbye"
	)
	for _, test := range []struct {
		name    string
		balance int64
		typed   []string
		talks   []time.Duration
		dialled int
		heard   []string // from the first demand for a number on
		left    int64
	}{
		{"none", 100, nil, nil, 0, []string{ask, more, ask, more, ask, more, ask, more, ask, more, bye}, 100},
		{"begun anew for ever", 100, []string{"1*", "2*", "*", "4*", "5*"}, nil, 0, []string{ask, ask, ask, ask, ask, bye}, 100},
		{
			"too long", 100,
			[]string{strings.Repeat("9", 41) + "#", "1*", "2*", "3*", "4*"},
			nil, 0,
			[]string{ask, "privacy-incorrect", ask, ask, ask, ask, bye},
			100,
		},
		{
			"longer than anybody can type", 100,
			[]string{strings.Repeat("9", 99), "1*", "2*", "3*", "4*"},
			nil, 0,
			[]string{ask, "privacy-incorrect", ask, ask, ask, ask, bye},
			100,
		},
		{
			"refused, then another", 100,
			[]string{"59899000404#", abroad + "#", "1*", "2*", "3*", "4*", "5*"},
			[]time.Duration{5 * time.Second},
			1,
			[]string{ask, "ss-noservice", ask, "vm-youhave", "1", "minutes", "vm-youhave", "1", "minutes", "35", "seconds", ask, ask, ask, ask, ask, bye},
			95,
		},
		{
			"refused for ever", 100, slices.Repeat([]string{"59899000404#"}, 9), nil, 0,
			[]string{ask, "ss-noservice", ask, "ss-noservice", ask, "ss-noservice", ask, "ss-noservice", ask, "ss-noservice", bye},
			100,
		},
		{
			"busy", 100,
			[]string{abroad + "#", "1*", "2*", "3*", "4*", "5*"},
			nil, 1,
			[]string{ask, "vm-youhave", "1", "minutes", "number", "is-in-use", ask, ask, ask, ask, ask, bye},
			100,
		},
		{"no credit", 0, []string{abroad + "#"}, nil, 0, []string{ask, "cannot-complete-as-dialed", bye}, 0},
		{
			"no credit any more", 5,
			[]string{abroad + "#", abroad + "#"},
			[]time.Duration{5 * time.Second},
			1,
			[]string{ask, "vm-youhave", "5", "seconds", "vm-youhave", "0", "minutes", "0", "seconds", ask, "cannot-complete-as-dialed", bye},
			0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, func(p *billing.Policy) {
				p.Rate = func(_ models.User, number string, _ time.Time) (models.Rate, error) {
					if number == "59899000404" {
						return models.Rate{}, &billing.Refusal{Err: billing.ErrNoRate, Reason: "no rate"}
					}
					return models.SecondRate(), nil
				}
			})
			p := o.card(test.balance)
			c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, ask: test.typed}, test.talks...)
			agitest.Call(t, o.address, c)
			heard := said(c)
			heard = heard[max(slices.Index(heard, ask), 0):]
			if !slices.Equal(heard, test.heard) {
				t.Errorf("heard %q, want %q", heard, test.heard)
			}
			if got := dials(c); len(got) != test.dialled {
				t.Errorf("dialled %q", got)
			}
			o.hangsUp(t, c)
			p.has(t, test.left, 0)
			if o.listed(t) != 0 {
				t.Error("calls are left on a list")
			}
		})
	}
}

// TestCardBlockedMeanwhile makes no further call; that others guess is no reason.
func TestCardBlockedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		calls  int
		status string
		prompt string
	}{
		{models.ErrVoucherBlocked, 1, "BLOCKED", "vm-incorrect"},
		{models.ErrVoucherExpired, 1, "BLOCKED", "vm-incorrect"},
		{models.ErrNoVoucher, 1, "UNKNOWNCALLER", "vm-incorrect"},
		{models.ErrUnavailable, 1, "ERROR", "please-try-call-later"},
		{models.ErrTooManyTries, 2, "OK", ""},
	} {
		o := newOffice(t)
		p := o.card(100)
		c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#", abroad + "#"}}, 5*time.Second, 7*time.Second)
		dial := c.Dial
		c.Dial = func(d *agitest.Dial) {
			o.vault.mu.Lock()
			o.vault.errs[pin] = test.err
			o.vault.mu.Unlock()
			dial(d)
		}
		agitest.Call(t, o.address, c)
		if len(dials(c)) != test.calls || c.Vars["TALKTIME_STATUS"] != test.status || test.prompt != "" && !slices.Contains(said(c), test.prompt) {
			t.Errorf("%v: dialled %q, status %s, heard %q", test.err, dials(c), c.Vars["TALKTIME_STATUS"], said(c))
		}
		o.hangsUp(t, c)
		p.has(t, []int64{95, 88}[test.calls-1], 0)
	}
}

// TestCardHangsUp: at whichever command the caller goes, and however Asterisk tells of it, nothing stays held, and what he
// talked is charged once.
func TestCardHangsUp(t *testing.T) {
	t.Parallel()
	typed := map[string][]string{"agent-pass": {"1#", pin + "#"}, "vm-enter-num-to-call": {"*", abroad + "#", "59899555000#"}}
	probe := newOffice(t)
	probe.card(100)
	whole := probe.cardCall(typed, 5*time.Second, 7*time.Second)
	agitest.Call(t, probe.address, whole)
	total := len(commands(whole))
	if total < 40 || len(dials(whole)) != 2 {
		t.Fatalf("%d commands: %q", total, commands(whole))
	}
	o := newOffice(t)
	lost := 0
	for _, hangups := range []agitest.Hangups{agitest.SayHangup, agitest.SayNothing, agitest.Exit} {
		for n := 1; n <= total; n++ {
			p := o.card(100)
			c := o.cardCall(typed, 5*time.Second, 7*time.Second)
			talked := int64(0)
			dial := c.Dial
			c.Dial = func(d *agitest.Dial) {
				dial(d)
				talked += []int64{5, 7}[min(talked/5, 1)]
			}
			c.Hangups = hangups
			c.Event = func(i int, _ string) agitest.Event {
				if i == n {
					return agitest.HangUp
				}
				return agitest.Answer
			}
			agitest.Call(t, o.address, c)
			o.sessionEnded(t, c)
			c.Vars["TALKTIME_ENDED"] = epoch(o.clock.now())
			o.hangsUp(t, c)
			u, err := o.db.UserByName(t.Context(), p.name)
			where := commands(c)[min(n, len(commands(c)))-1]
			if u.Held != 0 && (strings.HasPrefix(where, "EXEC Dial") || hangups == agitest.SayNothing && beforeDial(where)) {
				// Nobody has seen whether the callee's phone rang. The reconciler takes such calls when their time is over.
				lost++
				r := &billing.Reconciler{Service: o.service, Calls: o.db, Logger: o.scripts.Logger}
				if _, err := r.Run(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				u, err = o.db.UserByName(t.Context(), p.name)
			}
			if err != nil || u.Held != 0 || u.Balance != money.Amount(100-talked)*money.Unit {
				t.Errorf("hang-up %d at command %d, %s: %s, of which %s is held; %v; want %d", hangups, n, where, u.Balance, u.Held, err, 100-talked)
			}
		}
	}
	if n := o.listed(t); n != lost {
		t.Errorf("%d calls are on a list, want %d", n, lost)
	}
	if strings.Contains(o.log.String(), `"level":"ERROR"`) {
		t.Errorf("logged %s", o.log)
	}
}

// beforeDial are the commands between the last prompt before a dial and the dial.
func beforeDial(command string) bool {
	return slices.ContainsFunc([]string{"EXEC MSet", "SET VARIABLE TIMEOUT", "SET VARIABLE CELCOM_STATUS", "SET VARIABLE TALKTIME_STATUS"},
		func(verb string) bool { return strings.HasPrefix(command, verb) })
}

// TestCardHangsUpInTheCall: the caller's leg sees the end, and the reducer after it.
func TestCardHangsUpInTheCall(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.card(100)
	c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#", abroad + "#"}}, 5*time.Second, 7*time.Second)
	dial, n := c.Dial, 0
	c.Dial = func(d *agitest.Dial) {
		n++
		dial(d)
		d.CallerHungUp = n == 2
	}
	agitest.Call(t, o.address, c)
	c.Vars["TALKTIME_ENDED"] = epoch(o.clock.now())
	o.hangsUp(t, c)
	p.has(t, 88, 0)
	if o.listed(t) != 0 || n != 2 {
		t.Errorf("%d dials; calls are left on a list: %d", n, o.listed(t))
	}
}

// TestCardServerDies: in the first call and in the second: the reducer settles what it left.
func TestCardServerDies(t *testing.T) {
	t.Parallel()
	for dies := 1; dies <= 2; dies++ {
		o := newOffice(t)
		p := o.card(100)
		c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#", abroad + "#"}}, 5*time.Second, 7*time.Second)
		dial, n := c.Dial, 0
		c.Dial = func(d *agitest.Dial) {
			n++
			dial(d)
			d.Drop = n == dies
		}
		agitest.Call(t, o.address, c)
		o.sessionEnded(t, c)
		seconds := []int64{4 + 5, 4 + 5 + 4 + 7}[dies-1] // since the channel was answered: Dial goes on, and sets them
		c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", strconv.FormatInt(seconds, 10), strconv.FormatInt(seconds*1000, 10)
		c.Vars["TALKTIME_ENDED"] = epoch(o.clock.now())
		o.hangsUp(t, c)
		p.has(t, []int64{95, 88}[dies-1], 0)
		if o.listed(t) != 0 {
			t.Errorf("dies in call %d: calls are left on a list", dies)
		}
	}
}

func TestCardPrompts(t *testing.T) {
	t.Parallel()
	typed := map[string][]string{}
	for _, own := range []string{"agent-pass", "talktime/card-pin", "site/pin"} {
		typed[own] = []string{pin + "#"}
	}
	for _, test := range []struct {
		name       string
		folder     string
		recordings map[string]string
		missing    func(string) bool
		want       []string
	}{
		{"stock", "", nil, nil, []string{"agent-pass"}},
		{"a folder", "talktime", nil, nil, []string{"talktime/card-pin"}},
		{"a file", "talktime", map[string]string{"card-pin": "site/pin"}, nil, []string{"site/pin"}},
		{"a file without a folder", "", map[string]string{"card-pin": "site/pin"}, nil, []string{"site/pin"}},
		{
			"a file that is missing", "",
			map[string]string{"card-pin": "site/pin"},
			func(file string) bool { return strings.HasPrefix(file, "site/") },
			[]string{"site/pin", "agent-pass"},
		},
		{
			"everything is missing", "talktime", nil, func(string) bool { return true },
			[]string{"talktime/card-pin", "agent-pass", "talktime/card-pin", "agent-pass", "talktime/card-pin", "agent-pass", "talktime/goodbye", "vm-goodbye"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.card(100)
			address := openAt(t, &agi.Scripts{
				Billing: o.service, Cards: o.vault, Prompts: test.folder, Recordings: test.recordings,
			}, nil, o.clock.now)
			c := o.cardCall(typed)
			c.Missing = test.missing
			agitest.Call(t, address, c)
			if heard := said(c); len(heard) < len(test.want) || !slices.Equal(heard[:len(test.want)], test.want) {
				t.Errorf("heard %q, want %q", heard, test.want)
			}
		})
	}
}

func TestCardLanguage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		languages []string
		argument  string
		press     string // at the digit of the language
		at        string
		want      string
		asked     int
		card      string
		err       error
	}{
		{name: "the card's", card: "fr", want: "fr"},
		{name: "the card's, not the only one", languages: []string{"en"}, card: "fr", want: "fr"},
		{name: "the card's, when none is chosen", languages: []string{"en", "es"}, card: "fr", want: "fr", asked: 2},
		{name: "the chosen one, not the card's", languages: []string{"en", "es"}, press: "2", at: "vm-press", card: "fr", want: "es", asked: 1},
		{name: "the script's argument, not the card's", argument: "pt", card: "fr", want: "pt"},
		{name: "nobody knows the card's", languages: []string{"en"}, err: errBroken, want: "en"},
		{"the channel's", nil, "", "", "", "", 0, "", nil},
		{"the only one", []string{"es"}, "", "", "", "es", 0, "", nil},
		{"the script's argument", []string{"en", "es"}, "pt", "", "", "pt", 0, "", nil},
		{"the first", []string{"en", "es", "pt"}, "", "1", "vm-press", "en", 1, "", nil},
		{"the second, at once", []string{"en", "es", "pt"}, "", "2", "vm-press", "es", 1, "", nil},
		{"the third, after all", []string{"en", "es", "pt"}, "", "3", "digits/3", "pt", 3, "", nil},
		{"none is the first", []string{"en", "es", "pt"}, "", "", "", "en", 3, "", nil},
		{"one that there is not", []string{"en", "es"}, "", "7", "digits/2", "en", 2, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.card(100)
			o.vault.language, o.vault.errs["language"] = test.card, test.err
			address := openAt(t, &agi.Scripts{Billing: o.service, Cards: o.vault, CardLanguages: test.languages}, nil, o.clock.now)
			c := o.cardCall(map[string][]string{test.at: {test.press}, "agent-pass": {pin + "#"}})
			if test.argument != "" {
				c.Args = []string{test.argument}
			}
			agitest.Call(t, address, c)
			if got := c.Vars["CHANNEL(language)"]; got != test.want {
				t.Errorf("the language is %q, want %q", got, test.want)
			}
			heard := said(c)
			if n := slices.Index(heard, "agent-pass"); strings.Count(strings.Join(heard[:max(n, 0)], " "), "vm-press") != test.asked || n < 0 {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// TestCardWithoutRoutine: nothing would tell prompts from talk.
func TestCardWithoutRoutine(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.card(100)
	c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}})
	c.Vars[routineExists] = "0"
	agitest.Call(t, o.address, c)
	told(t, c, "ERROR", "ERROR", "the dialplan has no context talktime-answered, without which a card would pay for its prompts")
	if got := said(c); got != nil {
		t.Errorf("heard %q", got)
	}
}

// TestCardGarbage: whatever a peer answers, a session ends and nothing stays held.
func TestCardGarbage(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{
		"ANSWER", "STREAM FILE", "WAIT FOR DIGIT", "SAY NUMBER", "SET VARIABLE TIMEOUT", "EXEC MSet", "EXEC Dial", "GET FULL VARIABLE ${DIALSTATUS}",
	} {
		for _, reply := range []string{
			"200 result=abc", "200 result=", "200 result=-7", "200 result=99999999999999999999", "200 result=65", "510 Invalid or unknown command",
			"511 Command Not Permitted on a dead channel", "hello", "200",
		} {
			t.Run(verb+": "+reply, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p := o.card(100)
				c := o.cardCall(map[string][]string{"agent-pass": {pin + "#"}, "vm-enter-num-to-call": {abroad + "#"}}, 5*time.Second)
				c.Reply = func(command string) string {
					if strings.HasPrefix(command, verb) {
						return reply
					}
					return ""
				}
				agitest.Call(t, o.address, c)
				o.sessionEnded(t, c)
				o.hangsUp(t, c)
				u, err := o.db.UserByName(t.Context(), p.name)
				if err != nil || verb != "EXEC Dial" && u.Held != 0 && o.listed(t) == 0 {
					t.Errorf("%s is held, %v", u.Held, err)
				}
				for _, l := range o.log.lines(t, "call", nil) {
					if l["stack"] != nil {
						t.Errorf("a panic: %v", l)
					}
				}
				if n := len(commands(c)); n > 200 {
					t.Errorf("%d commands", n)
				}
			})
		}
	}
}

// TestCardStrangers: wrong PINs are counted for whoever can be told from others.
func TestCardStrangers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ callerID, account, channel, from string }{
		{"59829001122", "shop", "PJSIP/trunk-00000001", "59829001122"},
		{"unknown", "shop", "PJSIP/trunk-00000001", "shop"},
		{"", "", "PJSIP/trunk-00000001", "PJSIP/trunk"},
		{"Unknown", "", "PJSIP/trunk", "PJSIP/trunk"},
		{"5982900\x01", "", "PJSIP/trunk", "5982900?"},
		{strings.Repeat("9", 300), "", "PJSIP/trunk", strings.Repeat("9", 64)},
	} {
		o := newOffice(t)
		c := o.cardCall(map[string][]string{"agent-pass": {"1#"}})
		c.CallerID, c.AccountCode, c.Channel = test.callerID, test.account, test.channel
		agitest.Call(t, o.address, c)
		if want := "1 " + test.from; len(o.vault.tried) != 1 || o.vault.tried[0] != want {
			t.Errorf("tried %q, want %q", o.vault.tried, want)
		}
	}
}

// TestRecordings: names are those of settings, and each has something to fall back on.
func TestRecordings(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range agi.Recordings() {
		if seen[r.Name] || r.Says == "" || len(r.Stock) == 0 || strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%+v", r)
		}
		seen[r.Name] = true
	}
	for _, status := range []string{"nocredit", "unknowncaller", "unknowncallee", "blocked", "limit", "norate", "error"} {
		if !seen[status] {
			t.Error("no recording " + strconv.Quote(status))
		}
	}
}

// kiosk is a voucher and a card that are always good.
type kiosk struct{}

func (kiosk) RedeemVoucher(context.Context, models.Redemption) (models.Redeemed, error) {
	return models.Redeemed{Serial: "A-1", Amount: 20 * money.Unit, Currency: models.SEC, Available: 185 * money.Unit}, nil
}

func (kiosk) CardUser(context.Context, models.CardLogin) (models.User, error) {
	return models.User{ID: 4, Currency: models.SEC}, nil
}

func (kiosk) CardLanguage(context.Context, int64) (string, error) { return "es", nil }

// TestSpokenTranscripts holds the dialogues of a card and of a voucher word for word.
func TestSpokenTranscripts(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"card", "recharge"} {
		c := permits()
		c.available, c.user = 185*money.Unit, models.User{ID: 4, Currency: models.SEC}
		scripts := &agi.Scripts{Billing: c, Vouchers: kiosk{}, Cards: kiosk{}}
		agitest.ReplayFile(t, open(t, scripts, nil), "testdata/"+file+".txt")
		if file != "card" {
			continue
		}
		if e := c.evidence(t); e.DialStatus != "ANSWER" || e.CalleeUpMS == nil || *e.CalleeUpMS != 1795210458_126 {
			t.Errorf("handed in %+v", e)
		}
		if c.requests[0].Identity.User != 4 || c.requests[0].Number != abroad {
			t.Errorf("asked %+v", c.requests)
		}
	}
}
