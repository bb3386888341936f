package midcall_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// denies answers as an Asterisk whose user may not do that.
func denies(action string) func(l *link, o order, id string) bool {
	return func(l *link, o order, id string) bool {
		if o.action != action {
			return false
		}
		l.no(id, "Permission denied")
		return true
	}
}

// again starts the process anew on an Asterisk that is otherwise, and returns its log.
func (w *world) again(change func(a *asterisk)) *bytes.Buffer {
	w.Helper()
	w.stop()
	var log bytes.Buffer
	w.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	w.asterisk.mu.Lock()
	change(w.asterisk)
	w.asterisk.mu.Unlock()
	w.start()
	return &log
}

// logged expects a log with just so many lines of a level that have all of the words.
func (w *world) logged(log *bytes.Buffer, want int, words ...string) {
	w.Helper()
	synctest.Wait()
	n := 0
	for line := range strings.Lines(log.String()) {
		has := strings.Contains(line, "asterisk="+peer+":5038")
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			n++
		}
	}
	if n != want {
		w.Errorf("%q was logged %d times, want %d:\n%s", words, n, want, log)
	}
}

// TestMissingRights: calls that could not be extended are held whole from the beginning.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		missing string
		change  func(a *asterisk)
	}{
		"no orders":   {"write=call (AbsoluteTimeout)", func(a *asterisk) { a.trial = denies("AbsoluteTimeout") }},
		"no hang-ups": {"write=call (Hangup)", func(a *asterisk) { a.trial = denies("Hangup") }},
		"no channels": {"CoreShowChannels", func(a *asterisk) { a.fault = denies("CoreShowChannels") }},
		"no events":   {"read=call", func(a *asterisk) { a.mute = true }},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bubble(t, 5, func(w *world) {
				log := w.again(tt.change)
				if auth := w.dial("1.1", marta, "1"); auth.Keeper != 0 || auth.Seconds != 23 {
					t.Errorf("permitted %+v", auth)
				}
				w.counts("calls 0 away 1")
				time.Sleep(5 * time.Minute)
				w.logged(log, 1, "WARN", tt.missing)
				w.logged(log, 1, "WARN")
				w.asterisk.hangup("1.1")
				w.asterisk.leave()
				time.Sleep(10 * time.Second)
				w.asterisk.mu.Lock()
				w.asterisk.trial, w.asterisk.fault, w.asterisk.mute = nil, nil, false
				w.asterisk.mu.Unlock()
				w.asterisk.back()
				time.Sleep(time.Minute)
				w.logged(log, 1, "WARN", "away")
				w.logged(log, 1, "INFO", "calls are kept")
				w.counts("away 0")
				w.talk("1.2", marta, "1")
				w.lasts("1.2", 23)
				w.logged(log, 3)
			})
		})
	}
}

// TestFirstCall: an Asterisk on which nobody calls is no fault, and its first call is kept by its own channel's event.
func TestFirstCall(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(w *world) {
		log := w.again(func(a *asterisk) { a.idle = true })
		time.Sleep(10 * time.Minute)
		w.logged(log, 0)
		w.asterisk.appear("1.1", marta)
		time.Sleep(10 * time.Millisecond)
		w.talk("1.1", marta, "1")
		w.lasts("1.1", 23)
		w.logged(log, 1, "INFO", "calls are kept")
		w.logged(log, 1)
	})
}

// TestRightsAreAskedForAgain: an Asterisk that does not say whether we may is asked until it does. What is kept is extended all the while.
func TestRightsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(w *world) {
		w.talk("1.1", joel, "1")
		w.asterisk.mu.Lock()
		w.asterisk.trial = func(*link, order, string) bool { return true }
		w.asterisk.mu.Unlock()
		w.asterisk.leave()
		w.asterisk.back()
		time.Sleep(25 * time.Second)
		w.counts("calls 1 away 1")
		if auth := w.dial("1.2", marta, "1"); auth.Keeper != 0 {
			t.Errorf("permitted %+v", auth)
		}
		w.asterisk.hangup("1.2")
		w.asterisk.mu.Lock()
		if n := w.asterisk.tried; n < 6 || n > 20 {
			t.Errorf("asked %d times", n)
		}
		w.asterisk.trial = nil
		w.asterisk.mu.Unlock()
		time.Sleep(10 * time.Second)
		w.counts("calls 1 away 0")
		w.talk("1.3", marta, "1")
		w.lasts("1.3", 23)
		w.lasts("1.1", 100)
	})
}
