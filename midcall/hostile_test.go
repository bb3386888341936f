package midcall_test

import (
	"strconv"
	"testing"
	"time"

	"talktime/models"
)

// faulty makes every AbsoluteTimeout go wrong.
func faulty(do func(l *link, o order, id string) bool) func(l *link, o order, id string) bool {
	return func(l *link, o order, id string) bool { return o.action == "AbsoluteTimeout" && do(l, o, id) }
}

// TestWrongAnswers: whatever Asterisk answers, a call ends at what is paid, and is charged what was talked.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  func(l *link, o order, id string) bool
		lasts  float64
		counts string
	}{
		"never": {faulty(func(*link, order, string) bool { return true }), 5, "calls 0 away 0 placed 0 refused 0 short 0 late 0 released 0"},
		"no": {faulty(func(l *link, _ order, id string) bool {
			l.no(id, "Permission denied")
			return true
		}), 5, "calls 0 away 0 placed 0 refused 1 short 0 late 0 released 0"},
		"no such channel": {faulty(func(l *link, _ order, id string) bool {
			l.no(id, "No such channel")
			return true
		}), 5, "calls 0 away 0 placed 0 refused 1 short 0 late 0 released 0"},
		"yes, and does nothing": {faulty(func(l *link, _ order, id string) bool {
			l.ok(id)
			return true
		}), 5, "calls 0 away 0"},
		"never again": {faulty(func(l *link, _ order, _ string) bool {
			return l.asterisk.count("AbsoluteTimeout") > 2
		}), 5, "placed 0 refused 0 short 0 late 0 released 1"},
		"no more": {faulty(func(l *link, _ order, id string) bool {
			if l.asterisk.count("AbsoluteTimeout") <= 2 {
				return false
			}
			l.no(id, "No such channel")
			return true
		}), 5, "placed 0 refused 1 short 0 late 0 released 1"},
		"neither yes nor no": {faulty(func(l *link, _ order, id string) bool {
			l.say("Response: Goodbye", "ActionID: "+id)
			return true
		}), 5, "calls 0 away 0 placed 0"},
		"to somebody else": {faulty(func(l *link, _ order, id string) bool {
			l.ok(id + "1")
			return true
		}), 5, "calls 0 away 0 placed 0"},
		"twice": {faulty(func(l *link, _ order, id string) bool {
			l.ok(id)
			return false
		}), 23, "calls 0 away 0"},
		"with events of others": {faulty(func(l *link, o order, _ string) bool {
			l.say("Event: Hangup", "Privilege: call,all", "Uniqueid: 77.1")
			l.say("Event: Hangup", "Privilege: call,all")
			l.say("Event: DialEnd", "Privilege: call,all", "DialStatus: ANSWER")
			l.say("Event: DialEnd", "Privilege: call,all", "Uniqueid: 77.2", "DestUniqueid: "+o.channel, "DialStatus: ANSWER")
			l.say("Event: DialEnd", "Privilege: call,all", "Uniqueid: 1.1", "DialStatus: ANSWER")
			l.say("Event: DialEnd", "Privilege: call,all", "Uniqueid: 1.1", "DestUniqueid: 1.1", "DialStatus: ANSWER")
			l.say("Event: DialEnd", "Privilege: call,all", "Uniqueid: 1.1", "DestUniqueid: 77.3", "DialStatus: BUSY")
			return false
		}), 23, "calls 0 away 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 5, func(w *world) {
				w.asterisk.breaks(tt.fault)
				w.talk("1.1", marta, "1")
				w.lasts("1.1", tt.lasts)
				w.left(w.marta, 23-int64(tt.lasts))
				time.Sleep(time.Second)
				w.counts(tt.counts)
			})
		})
	}
}

// TestSlowAnswers: a timer runs from when Asterisk acts, so that it must be told again when that was late.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{150 * time.Millisecond, 400 * time.Millisecond, 990 * time.Millisecond} {
		bubble(t, 10, func(w *world) {
			slow := true
			w.asterisk.breaks(faulty(func(l *link, o order, id string) bool {
				if !slow {
					return false
				}
				time.AfterFunc(late, func() {
					w.asterisk.mu.Lock()
					defer w.asterisk.mu.Unlock()
					w.asterisk.carryOut(l, o, map[string]string{"ActionID": id})
				})
				return true
			}))
			w.talk("1.1", marta, "1")
			time.Sleep(12 * time.Second)
			w.asterisk.mu.Lock()
			slow = false
			w.asterisk.mu.Unlock()
			w.lasts("1.1", 23)
			w.left(w.marta, 0)
		})
		bubble(t, 10, func(w *world) {
			w.asterisk.breaks(faulty(func(l *link, o order, id string) bool {
				time.AfterFunc(late, func() {
					w.asterisk.mu.Lock()
					defer w.asterisk.mu.Unlock()
					w.asterisk.carryOut(l, o, map[string]string{"ActionID": id})
				})
				return true
			}))
			w.talk("1.1", marta, "1")
			least := 21 * time.Second
			if late > 500*time.Millisecond {
				least = 10 * time.Second
			}
			if d := w.over("1.1"); d > 23*time.Second+20*time.Millisecond || d < least {
				t.Errorf("with answers after %s it lasted %s", late, d)
			}
		})
	}
}

// TestOrdersThatComeMuchTooLate: what nobody waits for any more lets no call go on.
func TestOrdersThatComeMuchTooLate(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.asterisk.breaks(faulty(func(l *link, o order, id string) bool {
			time.AfterFunc(1500*time.Millisecond, func() {
				w.asterisk.mu.Lock()
				defer w.asterisk.mu.Unlock()
				w.asterisk.carryOut(l, o, map[string]string{"ActionID": id})
			})
			return true
		}))
		w.talk("1.1", marta, "1")
		d := w.over("1.1")
		if d > 24*time.Second {
			t.Errorf("it lasted %s", d)
		}
		t.Log(d, w.figures())
	})
}

func TestCallerLeavesHisCallee(t *testing.T) {
	t.Parallel()
	bubble(t, 30, func(w *world) {
		callee := w.talk("1.1", joel, "1")
		time.Sleep(5 * time.Second)
		w.asterisk.desert("1.1")
		time.Sleep(700 * time.Millisecond)
		if w.asterisk.exists(callee) {
			t.Error("the callee talks on, and nobody pays")
		}
		time.Sleep(2 * time.Second)
		w.counts("calls 0")
		w.left(w.joel, 95)

		// Unless he is a caller of his own by then.
		callee = w.talk("1.2", joel, "1")
		w.asterisk.desert("1.2")
		w.dial(callee, marta, "1")
		time.Sleep(2 * time.Second)
		if !w.asterisk.exists(callee) {
			t.Error("a caller was hung up")
		}
		w.counts("calls 1")

		// Or calls for help.
		callee = w.talk("1.3", joel, "1")
		w.asterisk.mu.Lock()
		w.asterisk.channels[callee].help = "1"
		w.asterisk.mu.Unlock()
		w.asterisk.desert("1.3")
		time.Sleep(2 * time.Second)
		if !w.asterisk.exists(callee) {
			t.Error("a call for help was hung up")
		}
		w.counts("calls 1")
	})
}

func TestSentOnWithoutAsking(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(4 * time.Second)
		callee := w.asterisk.sendOn("1.1")
		time.Sleep(200 * time.Millisecond)
		if len(w.asterisk.given("AbsoluteTimeout", callee)) != 1 {
			t.Error("the new callee has no limit")
		}
		w.lasts("1.1", 23)
		w.left(w.marta, 0)
	})
	bubble(t, 10, func(w *world) { // and Asterisk takes no limit for the new one
		w.talk("1.1", marta, "1")
		time.Sleep(4 * time.Second)
		w.asterisk.breaks(faulty(func(*link, order, string) bool { return true }))
		w.asterisk.sendOn("1.1")
		w.lasts("1.1", 10)
		w.left(w.marta, 13)
	})
	bubble(t, 10, func(w *world) { // or only says that it does
		w.lies = true
		w.asterisk.breaks(faulty(func(l *link, _ order, id string) bool {
			l.ok(id)
			return true
		}))
		w.talk("1.1", marta, "1")
		time.Sleep(4 * time.Second)
		w.asterisk.sendOn("1.1")
		if d := w.over("1.1"); d > 24500*time.Millisecond || len(w.asterisk.given("Hangup", "1.1")) == 0 {
			t.Errorf("it lasted %s", d)
		}
		w.counts("cut 1")
	})
	bubble(t, 5, func(w *world) { // in the last moment, without a database
		w.talk("1.1", marta, "1")
		time.Sleep(21 * time.Second)
		w.books.fail(models.ErrUnavailable)
		w.asterisk.sendOn("1.1")
		time.Sleep(10 * time.Second)
		w.books.fail(nil)
		w.lasts("1.1", 23)
	})
}

func TestDialsAgain(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(7 * time.Second)
		w.asterisk.mu.Lock()
		c := w.asterisk.channels["1.1"]
		w.asterisk.gone(c.part())
		w.asterisk.mu.Unlock()
		w.talk("1.1", marta, "1") // he was redirected, and the dialplan asks
		d := w.over("1.1")
		if d < 20*time.Second || d > 24*time.Second {
			t.Errorf("it lasted %s", d)
		}
		if a := w.books.account(w.marta.ID); a.Held != 0 || a.Balance < 0 {
			t.Errorf("left %+v", a)
		}
		w.counts("calls 0")
	})
	bubble(t, 5, func(w *world) { // to another number
		w.talk("1.1", joel, "1")
		time.Sleep(7 * time.Second)
		w.asterisk.mu.Lock()
		c := w.asterisk.channels["1.1"]
		w.asterisk.gone(c.part())
		w.asterisk.mu.Unlock()
		w.talk("1.1", joel, "2")
		time.Sleep(20 * time.Second)
		if !w.asterisk.exists("1.1") {
			t.Error("it was not extended")
		}
		w.over("1.1")
	})
}

func TestFlood(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.asterisk.setMute(true) // the answer is not heard
		w.talk("1.1", marta, "1")
		time.Sleep(time.Second)
		w.asterisk.setMute(false)
		for i := range 20_000 {
			w.asterisk.tell("Event: Hangup", "Uniqueid: 77."+strconv.Itoa(i))
		}
		w.asterisk.tell("Event: DialEnd", "Uniqueid: 1.1", "DialStatus: ANSWER")
		w.lasts("1.1", 23)
		w.left(w.marta, 0)
	})
}

// TestEndsThatNobodyHears: calls are forgotten all the same.
func TestEndsThatNobodyHears(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.talk("1.1", marta, "1")
		w.dial("1.2", joel, "1")
		w.asterisk.setMute(true)
		w.asterisk.hangup("1.1")
		w.asterisk.hangup("1.2")
		time.Sleep(2 * time.Minute)
		w.counts("calls 0")
		w.left(w.marta, 23)
	})
}

func TestNoDatabaseForAWhile(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(7 * time.Second)
		w.books.fail(models.ErrUnavailable)
		time.Sleep(2 * time.Second)
		w.books.fail(nil)
		w.lasts("1.1", 23)
	})
	bubble(t, 10, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(7 * time.Second)
		w.books.fail(models.ErrUnavailable)
		w.lasts("1.1", 10)
		w.books.fail(nil)
		time.Sleep(5 * time.Second)
		w.left(w.marta, 13)
		w.counts("calls 0")
	})
}

// TestAnotherCalleeWithoutADial: as after an attended transfer. No event of a dial tells of him, and his channel has no limit.
func TestAnotherCalleeWithoutADial(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", marta, "1")
		time.Sleep(4 * time.Second)
		w.asterisk.setMute(true)
		w.asterisk.mu.Lock()
		old := w.asterisk.channels["1.1"].partner
		w.asterisk.mu.Unlock()
		callee := w.asterisk.sendOn("1.1")
		w.asterisk.setMute(false)
		w.asterisk.tell("Event: Hangup", "Uniqueid: "+old.id)
		time.Sleep(2500 * time.Millisecond)
		if len(w.asterisk.given("AbsoluteTimeout", callee)) != 1 {
			t.Error("the new callee has no limit")
		}
		w.lasts("1.1", 23)
	})
}

// TestUnheardAnswerAfterLongRinging: when nobody can tell since when there is talk, the limit that Dial has set ends the call, not we.
func TestUnheardAnswerAfterLongRinging(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		w.dial("1.1", marta, "1")
		time.Sleep(20 * time.Second)
		w.asterisk.setMute(true)
		w.asterisk.answer("1.1")
		w.asterisk.mu.Lock()
		w.asterisk.channels["1.1"].answered = ""
		w.asterisk.mu.Unlock()
		w.asterisk.setMute(false)
		w.asterisk.tell("Event: DialEnd", "Uniqueid: 1.1", "DialStatus: ANSWER")
		w.lasts("1.1", 5)
		w.counts("cut 0")
	})
}
