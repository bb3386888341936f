package lab

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTransfer has telephones without a password, of whom either sends the other elsewhere, or one leaves two others to each other; and the
// timers of a call's channels moved, by unique id.
func TestTransfer(t *testing.T) {
	l := Start(t, Options{Extensions: `
[from-phones]
exten => _598X.,1,Dial(PJSIP/telephone,10,L(2000))
 same => n,Hangup()
exten => 700,1,Answer()
 same => n,Wait(20)
`})
	telephone := l.Telephone("telephone", "")
	if code, err := telephone.Register(t.Context()); err != nil || code != 200 {
		t.Fatalf("registered: %d %v", code, err)
	}
	call := func(from string) (caller, callee *Line) {
		t.Helper()
		caller = l.Telephone(from, "").Dial("598123")
		Eventually(t, 10*time.Second, func() bool {
			for _, line := range telephone.Received() {
				if strings.Contains(line.From, "sip:"+from+"@") {
					callee = line
				}
			}
			return callee != nil && callee.Up() && caller.Up()
		}, "a call of %s", from)
		return caller, callee
	}
	ends := func(line *Line, what string, after time.Duration) {
		t.Helper()
		Eventually(t, 10*time.Second, line.Over, "%s", what)
		if talked := line.Talked(); talked < after || talked > after+500*time.Millisecond {
			t.Errorf("%s: after %v, want %v", what, talked, after)
		}
	}
	timeout := func(seconds string, is func(Message) bool) {
		t.Helper()
		Eventually(t, 5*time.Second, func() bool {
			channels, err := l.Channels(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(channels, is)
			if i < 0 {
				return false
			}
			if _, err := l.AMI(t.Context(), "AbsoluteTimeout", "Channel: "+channels[i]["Uniqueid"], "Timeout: "+seconds); err != nil {
				t.Error(err)
			}
			return true
		}, "a channel whose timer is to be moved")
	}
	caller, callee := call("59899000001")
	if err := callee.Transfer(t.Context(), "700"); err != nil {
		t.Fatal(err)
	}
	timeout("2.5", func(c Message) bool { return c["CallerIDNum"] == "59899000001" && c["Application"] == "Wait" })
	ends(caller, "who was transferred by the callee", 2500*time.Millisecond)

	caller, callee = call("59899000002")
	if err := caller.Transfer(t.Context(), "700"); err != nil {
		t.Fatal(err)
	}
	ends(callee, "who was transferred by the caller, at the limit", 2*time.Second)

	caller, callee = call("59899000004")
	second := caller.p.Dial("598124")
	Eventually(t, 10*time.Second, second.Up, "the second call")
	received := telephone.Received()
	other := received[len(received)-1]
	if err := caller.Join(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	ends(callee, "who is left to the other, at the limit", 2*time.Second)
	ends(other, "the other, with him", 1900*time.Millisecond)

	caller, callee = call("59899000003")
	timeout("4", func(c Message) bool { return c["ConnectedLineNum"] == "59899000003" && c["BridgeId"] != "" })
	ends(callee, "the call that was extended", 4*time.Second)
	ends(caller, "the call that was extended", 4*time.Second)
	if why := caller.Reason(); !strings.Contains(why, "cause=16") {
		t.Errorf("the reason is %q", why)
	}
}
