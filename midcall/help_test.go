package midcall_test

import (
	"net/netip"
	"testing"
	"time"

	"talktime/billing"
)

// TestCallForHelp: a channel that calls for help is left alone, even if nobody can note that it does.
func TestCallForHelp(t *testing.T) {
	t.Parallel()
	bubble(t, 20, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(time.Second)
		w.process.Keep(netip.MustParseAddr(peer), "PJSIP/other", "1.1", billing.Identity{}, billing.Authorization{Emergency: true})
		w.counts("calls 1")
		w.process.Keep(netip.MustParseAddr(peer), "PJSIP/1.1", "1.1", billing.Identity{}, billing.Authorization{Emergency: true})
		w.counts("calls 0")
		orders := len(w.asterisk.given("AbsoluteTimeout", ""))
		w.lasts("1.1", 11) // its first slice, half of what marta has: nobody has told this Asterisk of the other dial
		if n := len(w.asterisk.given("AbsoluteTimeout", "")); n != orders {
			t.Errorf("%d orders more", n-orders)
		}
	})
}
