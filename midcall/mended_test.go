package midcall_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/midcall"
	"talktime/models"
	"talktime/pbx"
)

var errAway = errors.New("away")

// parted ends the talk of a caller, who is there still.
func (a *asterisk) parted(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone(a.channels[id].part())
}

// elsewhere is a dial that another process has permitted, and holds whole; by ours the keeper is told.
func (w *world) elsewhere(id, clid, number string, told bool) billing.Authorization {
	w.Helper()
	req := billing.CallRequest{CallID: billing.QualifiedID(peer, id), Identity: billing.Identity{CallerID: clid}, Number: number}
	auth, err := w.billing.Authorize(context.Background(), req)
	if err != nil {
		w.Fatal(err)
	}
	if told {
		w.process.Keep(netip.MustParseAddr(peer), "PJSIP/"+id, id, req.Identity, auth)
	}
	w.asterisk.ring(id, clid, time.Duration(auth.Seconds)*time.Second)
	return auth
}

// TestHeldWholeNow: who has kept the last call of a channel does not touch the next one, which is not his.
func TestHeldWholeNow(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(3 * time.Second)
		w.asterisk.parted("1.1")
		auth := w.elsewhere("1.1", joel, "2", true)
		w.counts("calls 0")
		w.books.fail(errAway)
		orders := len(w.asterisk.given("AbsoluteTimeout", ""))
		time.Sleep(time.Second)
		w.asterisk.answer("1.1")
		time.Sleep(20 * time.Second)
		w.books.fail(nil)
		w.lasts("1.1", float64(3+auth.Seconds))
		if n := len(w.asterisk.given("AbsoluteTimeout", "")); n != orders || len(w.asterisk.given("Hangup", "")) != 0 {
			t.Errorf("%d timers were set", n-orders)
		}
	})
}

// TestNotHungUpUnasked: while billing cannot be asked nobody is hung up: it may be a dial that another process has permitted.
func TestNotHungUpUnasked(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(3 * time.Second)
		w.asterisk.parted("1.1")
		w.elsewhere("1.1", joel, "2", false)
		w.books.fail(errAway)
		time.Sleep(15 * time.Second) // the first talk's time is over
		w.asterisk.answer("1.1")
		time.Sleep(10 * time.Second)
		if n := len(w.asterisk.given("Hangup", "")); n != 0 || !w.asterisk.exists("1.1") {
			t.Errorf("hung up %d times", n)
		}
		w.books.fail(nil)
		time.Sleep(3 * time.Second)
		w.counts("calls 0")
		if !w.asterisk.exists("1.1") {
			t.Error("hung up")
		}
	})
}

// lossy is a database whose first answer to a taking over is lost.
type lossy struct {
	*session
	lost bool
}

func (l *lossy) TakeCall(ctx context.Context, call models.Call, keeper int64) (bool, error) {
	taken, err := l.session.TakeCall(ctx, call, keeper)
	if !l.lost && taken {
		l.lost = true
		return false, errAway
	}
	return taken, err
}

func TestTakenOverWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, 60, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(2 * time.Second)
		w.crash()
		client, err := pbx.Open(pbx.AMI{Addr: peer + ":5038", User: user, Secret: secret}, pbx.Options{Dial: w.asterisk.dial})
		if err != nil {
			t.Fatal(err)
		}
		p := &process{client: client, store: &session{books: w.books}, done: make(chan struct{})}
		p.Service = midcall.New(midcall.Options{
			Asterisks: []midcall.Asterisk{{Name: peer + ":5038", Manager: client}}, Ledger: w.billing, Store: &lossy{session: p.store}, Slice: 60,
		})
		var ctx context.Context
		ctx, p.cancel = context.WithCancel(context.Background())
		go func() {
			defer close(p.done)
			p.Run(ctx)
		}()
		w.process = p
		w.lasts("1.1", 100)
		w.left(w.joel, 0)
	})
}

// TestOtherClocks: a call ends at what is paid, whatever time it is for Asterisk, or was for who kept it before.
func TestOtherClocks(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{10 * time.Second, -10 * time.Second, time.Hour, 1500 * time.Millisecond} {
		bubble(t, 30, func(w *world) {
			w.asterisk.ahead = ahead
			w.dial("1.1", joel, "1")
			w.asterisk.setMute(true)
			time.Sleep(5 * time.Second)
			w.asterisk.answer("1.1")
			time.Sleep(15 * time.Second)
			w.asterisk.setMute(false)
			w.asterisk.leave()
			w.asterisk.back()
			w.lasts("1.1", 100)
			w.left(w.joel, 0)
		})
	}
	bubble(t, 30, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(15 * time.Second)
		w.crash()
		w.books.mu.Lock()
		c := w.books.calls["127.0.0.1/1.1"]
		c.AnsweredMS += 10_000
		w.books.calls[c.CallID] = c
		w.books.mu.Unlock()
		w.start()
		w.lasts("1.1", 100)
		w.left(w.joel, 0)
	})
	bubble(t, 30, func(w *world) { // and Asterisk does not tell its time
		w.asterisk.ahead = 10 * time.Second
		w.asterisk.breaks(func(l *link, o order, id string) bool {
			if strings.HasPrefix(o.variable, "STRFTIME") {
				l.ok(id, "Value: ")
				return true
			}
			return false
		})
		w.dial("1.1", joel, "1")
		w.asterisk.setMute(true)
		time.Sleep(5 * time.Second)
		w.asterisk.answer("1.1")
		time.Sleep(2 * time.Second)
		w.asterisk.setMute(false)
		w.asterisk.leave()
		w.asterisk.back()
		w.lasts("1.1", 95) // as if it had been answered at once
	})
}

// TestHandedOver: A talks with B, B with C, and B puts the two through. A pays for as long as he has paid.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(3 * time.Second)
		callee := w.talk("1.2", marta, "1")
		time.Sleep(3 * time.Second)
		a := w.asterisk
		a.mu.Lock()
		first, second := a.channels["1.1"], a.channels["1.2"]
		b, c := first.part(), second.part()
		first.partner, c.partner = c, first
		first.since, c.since = time.Now(), time.Now()
		a.gone(b)
		a.gone(second)
		a.mu.Unlock()
		time.Sleep(5 * time.Second)
		if !a.exists(callee) || len(a.given("Hangup", "")) != 0 {
			t.Error("they cannot talk")
		}
		w.counts("calls 1")
		w.lasts("1.1", 100)
		w.left(w.joel, 0)
		w.left(w.marta, 20)
	})
}

// TestListsWhileAnAsteriskIsAway: what no Asterisk has is not sought all the time.
func TestListsWhileAnAsteriskIsAway(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		gone, err := pbx.Open(pbx.AMI{Addr: "10.0.0.3:5038", User: user, Secret: secret}, pbx.Options{Dial: away})
		if err != nil {
			t.Fatal(err)
		}
		w.quiet = true
		w.talk("1.1", joel, "1")
		w.crash()
		w.asterisk.mu.Lock()
		delete(w.asterisk.channels, "1.1")
		w.asterisk.mu.Unlock()
		w.options.Asterisks = []midcall.Asterisk{{Name: "10.0.0.3:5038", Manager: gone}}
		w.start()
		time.Sleep(15 * time.Second)
		before := len(w.asterisk.given("CoreShowChannels", ""))
		time.Sleep(time.Minute)
		if n := len(w.asterisk.given("CoreShowChannels", "")) - before; n > 8 {
			t.Errorf("the channels were listed %d times in a minute", n)
		}
		w.stop()
		gone.Close()
	})
}

// TestNoLists: an Asterisk that does not list its channels is not asked all the time.
func TestNoLists(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		w.dial("1.1", joel, "1")
		w.asterisk.breaks(func(l *link, o order, id string) bool {
			if o.action != "CoreShowChannels" {
				return false
			}
			l.no(id, "Permission denied")
			return true
		})
		w.asterisk.setMute(true)
		w.asterisk.hangup("1.1")
		w.asterisk.setMute(false)
		time.Sleep(2 * time.Minute)
		before := len(w.asterisk.given("CoreShowChannels", ""))
		time.Sleep(time.Minute)
		if n := len(w.asterisk.given("CoreShowChannels", "")) - before; n > 14 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

// TestNobodyKnowsOfHelp: a channel that may call for help is not hung up.
func TestNobodyKnowsOfHelp(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(time.Second)
		w.asterisk.breaks(func(_ *link, o order, _ string) bool { return o.action == "Getvar" })
		w.mu.Lock()
		delete(w.rates, "1")
		w.mu.Unlock()
		w.topUp("joel", 1)
		time.Sleep(5 * time.Second)
		if len(w.asterisk.given("Hangup", "1.1")) != 0 {
			t.Error("hung up")
		}
		w.asterisk.breaks(nil)
		time.Sleep(2 * time.Second)
		if len(w.asterisk.given("Hangup", "1.1")) == 0 {
			t.Error("not hung up")
		}
	})
}

// TestWarningDoesNotHoldUp: an Asterisk that does not answer to a warning is told of a top-up all the same.
func TestWarningDoesNotHoldUp(t *testing.T) {
	t.Parallel()
	bubble(t, 20, func(w *world) {
		w.stop()
		w.options.WarnSeconds, w.options.WarnSound = 3, "beep"
		w.start()
		w.asterisk.breaks(func(_ *link, o order, _ string) bool { return o.action == "Originate" })
		w.talk("1.1", marta, "1")
		time.Sleep(21 * time.Second)
		w.topUp("marta", 20)
		w.lasts("1.1", 43)
	})
}

// TestDatabaseAwayForAll: keepers that live do not lose their calls to the one that comes back first.
func TestDatabaseAwayForAll(t *testing.T) {
	t.Parallel()
	for range 5 { // what happens at the same moment comes in any order
		bubble(t, 60, func(w *world) {
			time.Sleep(2 * time.Second)
			other := w.launch() // whose heart beats a second after that of the first
			defer other.stop()
			time.Sleep(4 * time.Second)
			w.talk("1.1", joel, "1")
			w.books.fail(errAway)
			time.Sleep(20*time.Second + 500*time.Millisecond)
			w.books.fail(nil)
			time.Sleep(8 * time.Second)
			w.counts("calls 1")
			if f := other.Figures(); f.Adopted != 0 {
				t.Errorf("%d calls were taken away", f.Adopted)
			}
			w.lasts("1.1", 100)
		})
	}
}

// TestNobodysPlaceIsTaken: a peer that names a channel of another one does not end the keeping of its call.
func TestNobodysPlaceIsTaken(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(time.Second)
		foreign := netip.MustParseAddr("10.9.9.9")
		id := w.process.Keeps(context.Background(), foreign, "PJSIP/1.1", "1.1")
		if id == 0 {
			t.Fatal("the channel is not known")
		}
		for _, keeper := range []int64{id, 0} {
			w.process.Keep(foreign, "PJSIP/1.1", "1.1", billing.Identity{}, billing.Authorization{
				CallID: fmt.Sprint(foreign, "/1.1"), UserID: w.joel.ID, Keeper: keeper, Seconds: 10, Limit: 10,
			})
		}
		w.lasts("1.1", 23)
		w.left(w.marta, 0)
	})
}
