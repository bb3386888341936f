package midcall_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"talktime/billing"
	"talktime/midcall"
	"talktime/models"
	"talktime/pbx"
)

func TestOneExtensionByTwoKeepers(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		other := w.launch()
		w.talk("1.1", joel, "1")
		w.lasts("1.1", 100)
		if n := len(w.asterisk.given("AbsoluteTimeout", "1.1")); n > 15 {
			t.Errorf("the caller's timer was set %d times", n)
		}
		if f := other.Figures(); f.Placed+f.Adopted+f.Cut != 0 {
			t.Errorf("the other keeper has done %+v", f)
		}
		w.talk("1.2", marta, "1")
		time.Sleep(3 * time.Second)
		w.crash()
		w.process = other
		time.Sleep(12 * time.Second)
		w.lasts("1.2", 10) // it had ended before it was taken over
		w.left(w.marta, 13)
	})
}

// TestReplaced: who has lost a call to another keeper leaves it alone.
func TestReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(time.Second)
		const other = 4711
		w.books.mu.Lock()
		w.books.keepers[other] = models.Keeper{ID: other, SeenAt: time.Now().Add(time.Hour)}
		c := w.books.calls["127.0.0.1/1.1"]
		c.Keeper = other
		w.books.calls[c.CallID] = c
		w.books.mu.Unlock()
		w.topUp("joel", 1)
		time.Sleep(time.Second)
		w.counts("calls 0")
		w.lasts("1.1", 30)
	})
}

// TestWhichAsterisk: only one that is there, and has the very channel, is kept on.
func TestWhichAsterisk(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		other := newAsterisk()
		other.ended = w.ended
		client, err := pbx.Open(pbx.AMI{Addr: "10.0.0.2:5038", User: user, Secret: secret}, pbx.Options{Dial: other.dial})
		if err != nil {
			t.Fatal(err)
		}
		gone, err := pbx.Open(pbx.AMI{Addr: "10.0.0.3:5038", User: user, Secret: secret}, pbx.Options{Dial: away})
		if err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.options.Asterisks = []midcall.Asterisk{{Name: "10.0.0.2:5038", Manager: client}, {Name: "10.0.0.3:5038", Manager: gone}}
		w.start()
		defer func() {
			w.stop()
			client.Close()
			gone.Close()
		}()
		other.appear("2.1", joel)
		w.asterisk.appear("2.1", marta) // another channel of the same id
		ask := func(peer, channel, id string) bool {
			return w.process.Keeps(context.Background(), netip.MustParseAddr(peer), channel, id) != 0
		}
		for i, tt := range []struct {
			peer, channel, id string
			want              bool
		}{
			{"10.0.0.2", "PJSIP/2.1", "2.1", true},
			{"::ffff:10.0.0.2", "PJSIP/2.1", "2.1", true},
			{"127.0.0.3", "PJSIP/2.1", "2.1", true},
			{"10.9.9.9", "PJSIP/2.1", "2.1", true},
			{"10.0.0.2", "PJSIP/2.1", "2.2", false},
			{"10.0.0.2", "PJSIP/2.2", "2.2", false},
			{"10.0.0.2", "PJSIP/2.1\r\nAction: Hangup", "2.1", false},
			{"10.0.0.2", "", "", false},
		} {
			if got := ask(tt.peer, tt.channel, tt.id); got != tt.want {
				t.Errorf("%d: kept %v", i, got)
			}
		}
		began := time.Now()
		silent := func(_ *link, o order, _ string) bool { return o.action == "Getvar" }
		other.breaks(silent)
		w.asterisk.breaks(silent)
		if ask("10.0.0.2", "PJSIP/2.1", "2.1") || time.Since(began) > 350*time.Millisecond {
			t.Errorf("asked for %s", time.Since(began))
		}
		w.counts("away 1")
		for _, id := range []string{"2.1"} {
			w.asterisk.hangup(id)
			other.hangup(id)
		}
	})
}

// TestAdoptsNobodysCall: of two Asterisks with the same ids only the one whose call it is takes it over.
func TestAdoptsNoOtherAsterisksCall(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.asterisk.appear("3.1", "5559")
		_, err := w.billing.Authorize(context.Background(), billing.CallRequest{
			CallID: "10.8.8.8/3.1", Identity: billing.Identity{CallerID: joel}, Number: "1", Keeper: 4711,
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		w.counts("adopted 0")
		if c := w.books.call("10.8.8.8/3.1"); c.Keeper != 4711 {
			t.Errorf("kept by %d", c.Keeper)
		}
		if n := len(w.asterisk.given("CoreShowChannels", "")); n > 3 {
			t.Errorf("the channels were listed %d times", n)
		}
		if err := w.billing.Release(context.Background(), billing.Identity{CallerID: joel}, "10.8.8.8/3.1", "test"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnswerIsNotHeardBeforeACrash(t *testing.T) {
	t.Parallel()
	for _, noted := range []bool{true, false} {
		bubble(t, 30, func(w *world) {
			w.dial("1.1", joel, "1")
			w.crash()
			w.launchedLater(t, noted)
		})
	}
}

// launchedLater lets the call be answered while nobody is there.
func (w *world) launchedLater(t *testing.T, noted bool) {
	t.Helper()
	time.Sleep(3 * time.Second)
	w.asterisk.answer("1.1")
	if !noted {
		w.asterisk.mu.Lock()
		w.asterisk.channels["1.1"].answered = ""
		w.asterisk.mu.Unlock()
	}
	w.start()
	time.Sleep(10 * time.Second)
	w.counts("adopted 1")
	d := w.over("1.1")
	if noted && (d < 100*time.Second || d > 100300*time.Millisecond) || d < 96*time.Second || d > 100300*time.Millisecond {
		t.Errorf("noted %v: it lasted %s", noted, d)
	}
	if a := w.books.account(w.joel.ID); a.Held != 0 || a.Balance < 0 {
		t.Errorf("left %+v", a)
	}
}

func TestBaselessKeep(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.process.Keep(netip.MustParseAddr(peer), "PJSIP/1.1", "1.1", billing.Identity{}, billing.Authorization{Keeper: 5, Seconds: 5, Limit: 5})
		w.counts("calls 0")
		synctest.Wait()
	})
}

func TestWarned(t *testing.T) {
	t.Parallel()
	bubble(t, 20, func(w *world) {
		w.stop()
		w.options.WarnSeconds, w.options.WarnSound = 3, "beep"
		w.start()
		w.talk("1.1", marta, "1")
		time.Sleep(19*time.Second + 900*time.Millisecond)
		if n := len(w.asterisk.given("Originate", "")); n != 0 {
			t.Errorf("warned %d times too early", n)
		}
		time.Sleep(300 * time.Millisecond)
		if n := len(w.asterisk.given("Originate", "")); n != 1 {
			t.Errorf("warned %d times", n)
		}
		w.topUp("marta", 20)
		w.lasts("1.1", 43)
		if n := len(w.asterisk.given("Originate", "")); n != 2 {
			t.Errorf("warned %d times", n)
		}
		if f := w.process.Figures(); f.Warned != 2 {
			t.Errorf("counted %+v", f)
		}
	})
}
