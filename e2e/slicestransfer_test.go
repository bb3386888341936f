package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"talktime/e2e/lab"
)

// sliceTransfers: whoever is sent elsewhere, by a telephone or by Asterisk's manager interface, ends in time, and who pays pays for all of it.
// Behind 700 nobody asks us
// anything, and nobody is called for money.
func sliceTransfers(t *testing.T) {
	s, ami := sliced(t, "", nil)
	l := s.lab("transfers", lab.Options{SystemName: "lab", Contexts: `
[transfers]
exten => _9X.,1,Goto(talktime-caller,${EXTEN:1},1)
exten => _598X.,1,Set(TALKTIME_STATUS=)
 same => n,AGI(${TALKTIME}/caller,PJSIP/telephone,3)
 same => n,Hangup()
exten => 700,1,Answer()
 same => n,Wait(60)
 same => n,Hangup()
exten => h,1,Goto(talktime-caller,h,1)
`})
	ami.To(l.AMIAddr)
	s.start()
	s.keepsCalls(t, l, "59899003000", "9")
	telephone := l.Telephone("telephone", "")
	if code, err := telephone.Register(t.Context()); err != nil || code != 200 {
		t.Fatalf("registered: %d %v", code, err)
	}
	// called is the other end of the latest call of a number.
	called := func(clid string) (callee *lab.Line) {
		for _, line := range telephone.Received() {
			if strings.Contains(line.From, "sip:"+clid+"@") {
				callee = line
			}
		}
		return callee
	}
	// call has somebody with twelve seconds talk for two of them.
	call := func(t *testing.T, clid string) (caller, callee *lab.Line) {
		t.Helper()
		s.user(clid, 12)
		caller = l.Telephone(clid, "").Dial(answers)
		isUp(t, caller)
		passed(2*time.Second - caller.Talked())
		return caller, called(clid)
	}
	redirect := func(t *testing.T, clid, dialplanContext, extension string) {
		t.Helper()
		channels, err := l.Channels(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range channels {
			if c["CallerIDNum"] == clid && c["ChannelStateDesc"] == "Up" {
				if err := l.Redirect(t.Context(), c["Channel"], dialplanContext, extension); err != nil {
					t.Error(err)
				}
			}
		}
	}
	// pays wants a call to be charged for so many seconds.
	pays := func(t *testing.T, clid string, seconds int64) {
		t.Helper()
		settled := s.ended(t, clid)
		t.Logf("charged for %d s of %d ms, limit %d, cut %q", settled.Seconds, settled.TalkedMS, settled.Limit, settled.Cut)
		s.settles(t, clid, 12-seconds)
	}
	// gone wants whoever was sent elsewhere to have gone when the slice of five seconds was over, and a little more.
	gone := func(t *testing.T, line *lab.Line) {
		t.Helper()
		lab.Eventually(t, 30*time.Second, line.Over, "the end of who was sent elsewhere")
		t.Logf("he was on the line for %v", line.Talked())
		if talked := line.Talked(); talked > 6500*time.Millisecond {
			t.Errorf("who was sent elsewhere was on the line for %v", talked)
		}
	}
	// goesOn wants a call to last as long as there is money, whomever the caller talks to.
	goesOn := func(t *testing.T, caller *lab.Line, clid string) {
		t.Helper()
		lab.Eventually(t, 30*time.Second, caller.Over, "the end of the call")
		t.Logf("he was on the line for %v", caller.Talked())
		if talked := caller.Talked(); talked < 11900*time.Millisecond || talked > 12500*time.Millisecond {
			t.Errorf("the call went on for %v, want 12 s", talked)
		}
		pays(t, clid, 12)
	}
	const unbilled, another = "700", "59899666000"
	sideBySide(t, map[string]func(*testing.T){
		"by the callee, to one who is not billed": func(t *testing.T) {
			const clid = "59899003001"
			caller, callee := call(t, clid)
			if err := callee.Transfer(t.Context(), unbilled); err != nil {
				t.Fatal(err)
			}
			gone(t, caller)
			pays(t, clid, 2)
		},
		"by the caller, to one who is not billed": func(t *testing.T) {
			const clid = "59899003002"
			caller, callee := call(t, clid)
			if err := caller.Transfer(t.Context(), unbilled); err != nil {
				t.Fatal(err)
			}
			gone(t, callee)
			pays(t, clid, 2)
		},
		"by the manager interface, to one who is not billed": func(t *testing.T) {
			const clid = "59899003003"
			caller, callee := call(t, clid)
			redirect(t, clid, "transfers", unbilled)
			isOver(t, callee)
			gone(t, caller)
			pays(t, clid, 2)
		},
		"by the callee, to another number": func(t *testing.T) {
			const clid = "59899003004"
			caller, callee := call(t, clid)
			if err := callee.Transfer(t.Context(), another); err != nil {
				t.Fatal(err)
			}
			goesOn(t, caller, clid)
		},
		"by the caller, to another number": func(t *testing.T) {
			const clid = "59899003005"
			caller, callee := call(t, clid)
			if err := caller.Transfer(t.Context(), another); err != nil {
				t.Fatal(err)
			}
			gone(t, callee)
			pays(t, clid, 2)
		},
		"of two callees to each other": func(t *testing.T) {
			const clid = "59899003007"
			s.user(clid, 60)
			phone := l.Telephone(clid, "")
			first := phone.Dial(answers)
			isUp(t, first)
			one := called(clid)
			second := phone.Dial(another)
			isUp(t, second)
			two := called(clid)
			passed(2*time.Second - second.Talked())
			if err := first.Join(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			gone(t, one)
			gone(t, two)
			s.settles(t, clid, 60-2-2)
		},
		"by the manager interface, to another number": func(t *testing.T) {
			const clid = "59899003006"
			caller, callee := call(t, clid)
			redirect(t, clid, "talktime-caller", another)
			isOver(t, callee)
			goesOn(t, caller, clid)
		},
	})
	lab.Eventually(t, 5*time.Second, func() bool {
		channels, err := l.Channels(context.Background())
		return err == nil && len(channels) == 0
	}, "all channels are gone")
	s.nothingListed(t)
}
