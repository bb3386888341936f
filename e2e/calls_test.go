package e2e

import (
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/store/storetest"
)

// The last three digits dialled decide what the called phone does, see package lab.
const (
	answers     = "59899123000"
	hangsUp3    = "59899123103"
	busy        = "59899123200"
	ringsOnly   = "59899123300"
	unavailable = "59899123400"
	notFound    = "59899123500"
	declines    = "59899123600"
	rings2      = "59899123702"
)

// TestCalls places each kind of call through `caller` and looks at what it cost.
func TestCalls(t *testing.T) {
	lab.Require(t)
	for name, url := range map[string]func(*testing.T) string{
		"SQLite":  func(*testing.T) string { return "" },
		"MariaDB": func(t *testing.T) string { return storetest.Shared(t).NewDatabase(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, url(t), nil)
			l := s.lab("talktime-caller", lab.Options{SystemName: "lab"})
			t.Run("calls", func(t *testing.T) { callCases(t, s, l) })
			if n := s.listed("open") + s.listed("unreconciled") + s.listed("disputed") + s.listed("shortfall"); n != 0 {
				t.Errorf("%d calls are left on a list", n)
			}
		})
	}
}

func callCases(t *testing.T, s *site, l *lab.Lab) {
	for i, c := range []struct {
		name    string
		balance int64
		spec    lab.CallSpec
		code    int
		talk    time.Duration // 0: not answered
		left    int64
	}{
		{"the caller hangs up", 100, lab.CallSpec{To: answers, Talk: 3 * time.Second}, 200, 3 * time.Second, 97},
		{"3.9 seconds are 3", 100, lab.CallSpec{To: answers, Talk: 3900 * time.Millisecond}, 200, 3900 * time.Millisecond, 97},
		{"the callee hangs up", 100, lab.CallSpec{To: hangsUp3}, 200, 3400 * time.Millisecond, 97},
		{"ringing costs nothing", 100, lab.CallSpec{To: rings2, Talk: 3 * time.Second}, 200, 3 * time.Second, 97},
		{"busy", 100, lab.CallSpec{To: busy}, 486, 0, 100},
		{"nobody answers in time", 100, lab.CallSpec{To: ringsOnly}, 0, 0, 100},
		{"503", 100, lab.CallSpec{To: unavailable}, 0, 0, 100},
		{"404", 100, lab.CallSpec{To: notFound}, 0, 0, 100},
		{"603", 100, lab.CallSpec{To: declines}, 0, 0, 100},
		{"the caller gives up", 100, lab.CallSpec{To: ringsOnly, RingGiveUp: time.Second}, 487, 0, 100},
		{"five seconds of credit", 5, lab.CallSpec{To: answers, Talk: 20 * time.Second}, 200, 5 * time.Second, 0},
		{"no credit", 0, lab.CallSpec{To: answers, Talk: time.Second}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clid := "5989900" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + "1"
			s.user(clid, c.balance)
			c.spec.From = clid
			call, err := l.StartCall(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			seen := over(t, call)
			if c.talk > 0 && (!seen.Answered || seen.Talk < c.talk-100*time.Millisecond || seen.Talk > c.talk+500*time.Millisecond) {
				t.Errorf("talked %v (answer %d), want %v", seen.Talk, seen.Code, c.talk)
			}
			if c.talk == 0 && seen.Answered || c.code != 0 && seen.Code != c.code {
				t.Errorf("the phone saw %d, want %d", seen.Code, c.code)
			}
			if c.talk == 3900*time.Millisecond && seen.Talk >= 3990*time.Millisecond {
				c.left-- // SIPp hung up late: a fourth second was talked
			}
			s.settles(t, clid, c.left)
			if c.spec.To == rings2 || c.spec.To == ringsOnly {
				s.rang(t, clid)
			}
		})
	}
	t.Run("unknown caller", func(t *testing.T) {
		t.Parallel()
		call, err := l.StartCall(lab.CallSpec{From: "59899999999", To: answers, Talk: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if seen := over(t, call); seen.Answered {
			t.Error("an unknown caller was connected")
		}
	})
	t.Run("two phones of one user share his credit", func(t *testing.T) {
		t.Parallel()
		s.user("59899555551", 65) // the first call holds 60, the longest call
		first := answered(t, l, lab.CallSpec{From: "59899555551", To: answers, Talk: 6 * time.Second})
		second := answered(t, l, lab.CallSpec{From: "59899555551", To: answers, Talk: 20 * time.Second})
		third, err := l.StartCall(lab.CallSpec{From: "59899555551", To: answers, Talk: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if seen := over(t, third); seen.Answered {
			t.Error("a third call was connected though all credit was held")
		}
		if seen := over(t, second); seen.Talk < 4900*time.Millisecond || seen.Talk > 5300*time.Millisecond {
			t.Errorf("the second call lasted %v, want 5 s", seen.Talk)
		}
		over(t, first)
		s.settles(t, "59899555551", 65-5-6)
	})
}

// TestAuthorize lets the dialplan dial.
func TestAuthorize(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-authorize", lab.Options{})
	s.user("59899000001", 100)
	s.user("59899000002", 4)
	s.user("59899000003", 0)
	for _, c := range []struct {
		name string
		spec lab.CallSpec
		talk time.Duration
		left int64
	}{
		{"answered", lab.CallSpec{From: "59899000001", To: answers, Talk: 3 * time.Second}, 3 * time.Second, 97},
		{"cut by the limit", lab.CallSpec{From: "59899000002", To: answers, Talk: 20 * time.Second}, 4 * time.Second, 0},
		{"refused", lab.CallSpec{From: "59899000003", To: answers, Talk: time.Second}, 0, 0},
		{"busy", lab.CallSpec{From: "59899000001", To: busy}, 0, 97},
	} {
		call, err := l.StartCall(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		seen := over(t, call)
		if seen.Answered != (c.talk > 0) || seen.Talk < c.talk-100*time.Millisecond || seen.Talk > c.talk+300*time.Millisecond {
			t.Errorf("%s: answered %v, talked %v, want %v", c.name, seen.Answered, seen.Talk, c.talk)
		}
		s.settles(t, c.spec.From, c.left)
	}
	if n := s.listed("open") + s.listed("unreconciled") + s.listed("disputed"); n != 0 {
		t.Errorf("%d calls are left on a list", n)
	}
}

// TestRedirect moves the caller to another number in the middle of his call, as a blind transfer does.
func TestRedirect(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{})
	for i, c := range []struct {
		name, to string
		left     int64
	}{
		{"to one that answers", "59899555000", 100 - 5},
		{"to one that is busy", busy, 100 - 2},
	} {
		clid := "5989900010" + string(rune('0'+i))
		s.user(clid, 100)
		call := answered(t, l, lab.CallSpec{From: clid, To: answers, Talk: 0})
		passed(2200 * time.Millisecond)
		channel, err := l.CallerChannel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Redirect(t.Context(), channel, "talktime-caller", c.to); err != nil {
			t.Fatal(err)
		}
		if c.to != busy {
			passed(3200 * time.Millisecond)
			if err := call.HangUp(); err != nil {
				t.Fatal(err)
			}
		}
		over(t, call)
		t.Log(c.name)
		s.settles(t, clid, c.left)
	}
}

// TestAnsweredBeforeTheDial keeps a greeting out of the bill.
func TestAnsweredBeforeTheDial(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("prompted", lab.Options{Contexts: `
[prompted]
exten => _X.,1,Answer()
 same => n,Wait(2)
 same => n,Goto(talktime-caller,${EXTEN},1)
`})
	s.user("59899000001", 100)
	// The phone hears an answer, 2 s of greeting, and 3 s of talk, which the callee ends.
	call, err := l.StartCall(lab.CallSpec{From: "59899000001", To: hangsUp3})
	if err != nil {
		t.Fatal(err)
	}
	over(t, call)
	s.settles(t, "59899000001", 97)
}

// TestEmergency: it passes without credit, for unknown callers and without a database, and costs nothing.
func TestEmergency(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", map[string]string{"TALKTIME_EMERGENCY": "112000"})
	l := s.lab("talktime-caller", lab.Options{})
	s.user("59899000001", 0)
	for _, from := range []string{"59899000001", "59899777777"} {
		call, err := l.StartCall(lab.CallSpec{From: from, To: "112000", Talk: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if seen := over(t, call); !seen.Answered || seen.EndedBy != lab.Near {
			t.Errorf("emergency call of %s: %+v", from, seen)
		}
	}
	s.settles(t, "59899000001", 0)
	if n := s.listed("unreconciled"); n != 0 {
		t.Errorf("%d emergency calls are listed as unreconciled", n)
	}
}

// TestFollowOnCalls makes two calls on one channel, as a calling card does: Asterisk counts ANSWEREDTIME from the
// channel's first answer, over both and the prompt between them, and each is charged once all the same. The second
// time the server is killed during the second call, and the h extension alone tells of it.
func TestFollowOnCalls(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("card", lab.Options{Contexts: `
[card]
exten => _X.,1,AGI(${TALKTIME}/caller)
 same => n,Wait(2)
 same => n,Goto(talktime-caller,59899124103,1)
`})
	for i, kill := range []bool{false, true} {
		clid := "5989900020" + string(rune('0'+i))
		s.user(clid, 100)
		call, err := l.StartCall(lab.CallSpec{From: clid, To: "59899123102"})
		if err != nil {
			t.Fatal(err)
		}
		if kill {
			lab.Eventually(t, 15*time.Second, func() bool {
				calls, err := s.db.ListedCalls(t.Context(), "open", 10)
				return err == nil && len(calls) == 1 && calls[0].UpBefore > 0
			}, "the second call is dialled")
			lab.Eventually(t, 10*time.Second, func() bool {
				channels, err := l.Channels(t.Context())
				return err == nil && len(channels) == 2
			}, "the second call is up")
			s.fastagi.Kill()
			s.start()
		}
		over(t, call)
		s.settles(t, clid, 100-2-3)
	}
	if n := s.listed("disputed") + s.listed("unreconciled") + s.listed("shortfall"); n != 0 {
		t.Errorf("%d calls are left on a list", n)
	}
}
