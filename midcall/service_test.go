package midcall_test

import (
	"errors"
	"testing"
	"time"

	"talktime/models"
)

func TestExtendedToTheLastSecond(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		auth := w.dial("1.1", marta, "1")
		if auth.Seconds != 5 || auth.Keeper == 0 {
			t.Fatalf("permitted %+v", auth)
		}
		time.Sleep(7 * time.Second)
		w.asterisk.answer("1.1")
		w.lasts("1.1", 23)
		w.left(w.marta, 0)
		time.Sleep(time.Second)
		w.counts("calls 0 away 0")
		if f := w.process.Figures(); f.Placed < 4 || f.Late+f.Refused+f.Released+f.Cut != 0 || f.LatencySum > 1e6 {
			t.Errorf("counted %+v", f)
		}
	})
}

func TestTopUpLengthens(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(15 * time.Second)
		w.topUp("marta", 10)
		w.lasts("1.1", 33)
		w.left(w.marta, 0)
	})
	for _, late := range []time.Duration{22 * time.Second, 22700 * time.Millisecond} {
		bubble(t, 5, func(w *world) {
			w.talk("1.1", marta, "1")
			time.Sleep(late)
			w.topUp("marta", 10)
			w.lasts("1.1", 33)
			w.left(w.marta, 0)
		})
	}
}

func TestBlockCuts(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(7 * time.Second)
		w.books.change(w.marta.ID, func(a *models.Account) { a.Status = models.AccountBlocked })
		if d := w.over("1.1"); d < 7*time.Second || d > 8*time.Second {
			t.Errorf("it ended after %s", d)
		}
		if o := w.asterisk.given("Hangup", "1.1"); len(o) != 1 || o[0].cause != "102" {
			t.Errorf("ordered %+v", o)
		}
		if c := w.books.call("127.0.0.1/1.1"); c.Cut == "" || c.Seconds != 7 {
			t.Errorf("settled %+v", c)
		}
		w.counts("cut 1")
	})
}

func TestBlockCutsWhoRings(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.dial("1.1", marta, "1")
		time.Sleep(3 * time.Second)
		w.books.change(w.marta.ID, func(a *models.Account) { a.Status = models.AccountBlocked })
		if d := w.over("1.1"); d >= 0 {
			t.Errorf("it was answered, for %s", d)
		}
		w.left(w.marta, 23)
	})
}

func TestTwoCallsShare(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.topUp("marta", 17) // 40
		w.talk("1.1", marta, "1")
		w.talk("1.2", marta, "1")
		one, two := w.over("1.1"), w.over("1.2")
		if one+two < 39*time.Second || one+two > 41*time.Second || w.until["1.1"].Sub(w.until["1.2"]).Abs() > 1100*time.Millisecond {
			t.Errorf("they lasted %s and %s, and ended at %s and %s", one, two, w.until["1.1"], w.until["1.2"])
		}
		w.left(w.marta, 0)
	})
}

func TestThreeRatesShare(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.topUp("marta", 97) // 120
		w.talk("1.1", marta, "1")
		w.talk("1.2", marta, "2")
		w.talk("1.3", marta, "3")
		for _, id := range []string{"1.1", "1.2", "1.3"} {
			t.Log(id, w.over(id))
		}
		for _, id := range []string{"1.2", "1.3"} {
			if apart := w.until["1.1"].Sub(w.until[id]).Abs(); apart > 2100*time.Millisecond {
				t.Errorf("%s ended %s apart", id, apart)
			}
		}
		if a := w.books.account(w.marta.ID); a.Balance > 2e6 {
			t.Errorf("%s are left", a.Balance)
		}
	})
}

func TestAsteriskGoesAway(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(11 * time.Second)
		w.asterisk.leave()
		w.lasts("1.1", 15)
		w.left(w.marta, 8)
		if w.dial("1.2", marta, "1").Keeper != 0 {
			t.Error("a call is kept on an Asterisk that is away")
		}
		w.counts("away 1")
		w.asterisk.hangup("1.2")
		w.asterisk.back()
		time.Sleep(time.Minute)
		w.counts("calls 0 away 0")
		w.talk("1.3", marta, "1")
		w.lasts("1.3", 8)
	})
}

func TestAsteriskComesBackInTime(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(10 * time.Second)
		w.asterisk.leave()
		time.Sleep(3 * time.Second)
		w.asterisk.back()
		w.lasts("1.1", 100)
		w.left(w.joel, 0)
	})
}

func TestServerDies(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(12 * time.Second)
		w.crash()
		w.lasts("1.1", 15)
		w.left(w.marta, 8)
	})
}

func TestTakenOverAfterACrash(t *testing.T) {
	t.Parallel()
	bubble(t, 60, func(w *world) {
		w.talk("1.1", joel, "1")
		time.Sleep(12 * time.Second)
		w.crash()
		w.start()
		time.Sleep(12 * time.Second)
		w.counts("calls 1 away 0 placed 0 refused 0 short 0 late 0 released 0 cut 0 adopted 1")
		w.lasts("1.1", 100)
		w.left(w.joel, 0)
	})
}

func TestTakenOverAfterAnEnd(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", joel, "1")
		w.dial("1.2", marta, "1") // rings
		time.Sleep(2 * time.Second)
		w.stop()
		w.start()
		w.counts("adopted 2")
		w.asterisk.answer("1.2")
		w.lasts("1.1", 100)
		w.lasts("1.2", 23)
	})
}

func TestKeepsNobodyTooEarly(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.stop()
		w.process = w.launch()
		time.Sleep(time.Second)
		if auth := w.dial("1.1", marta, "1"); auth.Keeper != 0 || auth.Seconds != 23 {
			t.Errorf("permitted %+v", auth)
		}
		w.asterisk.hangup("1.1")
		time.Sleep(3 * time.Second)
		w.books.fail(errors.New("no database"))
		time.Sleep(10 * time.Second)
		w.books.fail(nil)
		if auth := w.dial("1.2", marta, "1"); auth.Keeper != 0 {
			t.Errorf("permitted without heartbeats: %+v", auth)
		}
		time.Sleep(6 * time.Second)
		if auth := w.dial("1.3", joel, "1"); auth.Keeper == 0 {
			t.Errorf("permitted %+v", auth)
		}
	})
}
