package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestSlices has calls that are held in slices of five seconds, and extended and cut while the phones talk. What waits most of its time is
// done side by side: money on one Asterisk, what is cut off on another, transfers on a third.
func TestSlices(t *testing.T) {
	lab.Require(t)
	sideBySide(t, map[string]func(*testing.T){"money": sliceMoney, "cut off": sliceCutOff, "transfers": sliceTransfers})
}

// sideBySide runs tests at the same time, however many processors there are.
func sideBySide(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	var group sync.WaitGroup
	for name, test := range tests {
		group.Go(func() { t.Run(name, test) })
	}
	group.Wait()
}

// sliced is a site that is to hold its calls in slices, and to reach Asterisk's manager interface through a relay. Neither it nor the relay
// works yet.
func sliced(t *testing.T, url string, env map[string]string) (*site, *lab.Relay) {
	t.Helper()
	ami := lab.NewRelay(t)
	settings := map[string]string{
		"TALKTIME_SLICE_SECONDS": "5", "TALKTIME_AMI_ADDR": ami.Addr, "TALKTIME_AMI_USER": lab.Talktime, "TALKTIME_AMI_SECRET": lab.TalktimeSecret,
	}
	for name, value := range env {
		settings[name] = value
	}
	return unstarted(t, url, settings), ami
}

// via are the lines of a dialplan that have another fastagi asked about numbers with a digit before them.
func via(digit, addr, phones string) string {
	return "exten => _" + digit + "X.,1,Set(TALKTIME=agi://" + addr + ")\n same => n,Goto(" + phones + ",${EXTEN:1},1)\n"
}

// keepsCalls waits until fastagi extends calls: it must have told the others of itself, and have reached Asterisk. prefix is before the number.
func (s *site) keepsCalls(t *testing.T, l *lab.Lab, clid, prefix string) {
	t.Helper()
	s.user(clid, 100)
	for end := time.Now().Add(20 * time.Second); ; {
		call, err := l.StartCall(lab.CallSpec{From: clid, To: prefix + busy})
		if err != nil {
			t.Fatal(err)
		}
		over(t, call)
		if s.lastCall(t, clid).Slice != 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("calls are not held in slices")
		}
		passed(300 * time.Millisecond)
	}
}

// ended waits until the last call of a phone is in the books, and returns it.
func (s *site) ended(t *testing.T, clid string) (call models.Call) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, func() bool {
		call = s.lastCall(t, clid)
		return call.State != models.CallOpen && call.State != ""
	}, "the end of the call of %s", clid)
	return call
}

// lasted checks that a call was charged for so many seconds, for which it was held in slices, and by Asterisk's clock talked no longer than
// 0.3 s more.
func lasted(t *testing.T, call models.Call, seconds int64) {
	t.Helper()
	t.Logf("%s of %s: %d s, %d ms, limit %d, cut %q, cause %d", call.Number, call.CallerID, call.Seconds, call.TalkedMS, call.Limit, call.Cut, call.Cause)
	if call.Seconds != seconds || call.TalkedMS < seconds*1000 || call.TalkedMS > seconds*1000+300 || call.Limit != seconds || call.Slice != 5 || call.Cut != "" {
		t.Errorf("charged for %d s of %d ms, limit %d, slice %d, cut %q; want %d s", call.Seconds, call.TalkedMS, call.Limit, call.Slice, call.Cut, seconds)
	}
}

// heard checks for how long a phone heard a call.
func heard(t *testing.T, seen lab.CallResult, seconds int64) {
	t.Helper()
	want := time.Duration(seconds) * time.Second
	t.Logf("the phone talked %v", seen.Talk)
	if !seen.Answered || seen.EndedBy != lab.Far || seen.Talk < want-100*time.Millisecond || seen.Talk > want+500*time.Millisecond {
		t.Errorf("answer %d, talked %v, ended by %q; want %v", seen.Code, seen.Talk, seen.EndedBy, want)
	}
}

// blockedAt7 blocks the user of a call at second 7, and wants it to be cut within a second.
func (s *site) blockedAt7(t *testing.T, l *lab.Lab, clid, number string) {
	t.Helper()
	s.user(clid, 60)
	line := l.Telephone(clid, "").Dial(number)
	isUp(t, line)
	passed(7*time.Second - line.Talked())
	s.admin(0, "user", "change", "user-"+clid, "--blocked")
	began := time.Now()
	isOver(t, line)
	t.Logf("cut %v after the block, talked %v", time.Since(began), line.Talked())
	if took := time.Since(began); took > time.Second {
		t.Errorf("the call was cut %v after the block", took)
	}
	if why := line.Reason(); !strings.Contains(why, "cause=102") {
		t.Errorf("the caller was told %q", why)
	}
	call := s.ended(t, clid)
	if call.Cut != "blocked" || call.Cause != 102 || call.Seconds != 7 && call.Seconds != 8 || call.Seconds != call.TalkedMS/1000 {
		t.Errorf("charged for %d s of %d ms, cut %q, cause %d", call.Seconds, call.TalkedMS, call.Cut, call.Cause)
	}
	s.settles(t, clid, 60-call.Seconds)
}

// sliceMoney: what users have, and what becomes of it meanwhile, decides how long calls last.
func sliceMoney(t *testing.T) {
	s, ami := sliced(t, storetest.Shared(t).NewDatabase(t), nil)
	whole := newSite(t, "", nil)
	l := s.lab("money", lab.Options{SystemName: "lab", Contexts: "[money]\n" +
		"exten => _598X.,1,Goto(talktime-caller,${EXTEN},1)\n" + via("2", s.addr, "talktime-authorize") + via("3", whole.addr, "talktime-caller")})
	ami.To(l.AMIAddr)
	s.start()
	s.admin(0, "tariff", "add", "retail", "--currency", "EUR", "--zone", "UTC", "--default")
	// A second costs 0.1 and the answer 0.05; a second costs 0.05; five seconds cost 0.1.
	s.rates("retail", "prefix,destination,rate,connect_fee,increment\n598991231,Fast,6,0.05,\n598991232,Slow,3,,\n598991233,Steps,1.2,,5/5\n")
	s.keepsCalls(t, l, "59899001000", "")

	start := func(t *testing.T, clid, to string, balance int64) *lab.Call {
		t.Helper()
		s.user(clid, balance)
		return answered(t, l, lab.CallSpec{From: clid, To: to})
	}
	sideBySide(t, map[string]func(*testing.T){
		"23 seconds": func(t *testing.T) {
			const clid, number = "59899001001", "59899125000"
			heard(t, over(t, start(t, clid, number, 23)), 23)
			lasted(t, s.ended(t, clid), 23)
			s.settles(t, clid, 0)
			dialledWith(t, l, "(PJSIP/"+number+"@trunk,3,L(5000)")
		},
		"10 seconds more at second 15": func(t *testing.T) {
			const clid = "59899001002"
			call := start(t, clid, answers, 23)
			passed(15 * time.Second)
			s.admin(0, "topup", "user-"+clid, "10")
			heard(t, over(t, call), 33)
			lasted(t, s.ended(t, clid), 33)
			s.settles(t, clid, 0)
		},
		"two calls on 40 seconds": func(t *testing.T) {
			const clid = "59899001003"
			first := start(t, clid, answers, 40)
			passed(2400 * time.Millisecond)
			second := answered(t, l, lab.CallSpec{From: clid, To: answers})
			endTogether(t, over(t, first), over(t, second))
			s.settles(t, clid, 0)
		},
		"three calls at three rates": func(t *testing.T) {
			const clid = "59899001004"
			// For 20 s each: 0.05 + 20 × 0.1, 20 × 0.05, and 4 × 0.1.
			u := models.NewUser{Username: "user-" + clid, CLID: clid, Currency: "EUR", Balance: 345 * money.Unit / 100}
			if _, err := s.db.AddUser(t.Context(), u, "test"); err != nil {
				t.Fatal(err)
			}
			call, err := l.StartCall(lab.CallSpec{Count: 3, Parties: []lab.Party{
				{From: clid, To: "59899123100000"}, {From: clid, To: "59899123200000"}, {From: clid, To: "59899123300000"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			over(t, call)
			result, err := call.Result()
			if err != nil {
				t.Fatal(err)
			}
			endTogether(t, result.Calls...)
			for _, seen := range result.Calls {
				heard(t, seen, 20)
			}
			s.has(t, clid, "0")
		},
		"a block at second 7": func(t *testing.T) { s.blockedAt7(t, l, "59899001005", answers) },
		"the dialplan dials": func(t *testing.T) {
			const clid = "59899001006"
			heard(t, over(t, start(t, clid, "2"+answers, 12)), 12)
			lasted(t, s.ended(t, clid), 12)
			s.settles(t, clid, 0)
		},
		"the dialplan dials, a block at second 7": func(t *testing.T) { s.blockedAt7(t, l, "59899001007", "2"+answers) },
		"the manager interface is not used": func(t *testing.T) {
			const clid, number = "59899001008", "59899124000"
			whole.user(clid, 23)
			call := answered(t, l, lab.CallSpec{From: clid, To: "3" + number, Talk: 2 * time.Second})
			if _, held := whole.balance(clid); held != 23 {
				t.Errorf("%d s are held", held)
			}
			dialledWith(t, l, "(PJSIP/"+number+"@trunk,3,L(23000)")
			over(t, call)
			whole.settles(t, clid, 21)
		},
	})
	s.nothingListed(t)
	whole.nothingListed(t)
	keepers, err := s.db.Keepers(t.Context())
	if err != nil || len(keepers) != 1 {
		t.Fatalf("keepers: %v %v", keepers, err)
	}
	if f := keepers[0].Figures; f.Late != 0 || f.Refused != 0 || f.Cut != 2 {
		t.Errorf("%+v; want none late or refused, and two cut", f)
	}
}

// dialledWith wants Asterisk to have been asked for a dial whose arguments begin so.
func dialledWith(t *testing.T, l *lab.Lab, args string) {
	t.Helper()
	if log, err := os.ReadFile(l.Path("log/full")); err != nil || !strings.Contains(string(log), args) {
		t.Errorf("nothing was dialled with %s (%v)", args, err)
	}
}

// endTogether wants calls to end within a second.
func endTogether(t *testing.T, calls ...lab.CallResult) {
	t.Helper()
	var first, last time.Time
	said := ""
	for _, c := range calls {
		end := c.Started.Add(c.Setup + c.Talk)
		if first.IsZero() || end.Before(first) {
			first = end
		}
		if end.After(last) {
			last = end
		}
		said += fmt.Sprintf(" %s to %s", c.Talk, end.Format(time.StampMilli))
	}
	t.Logf("the calls went on for%s: %v apart", said, last.Sub(first))
	if last.Sub(first) > time.Second {
		t.Errorf("the calls ended %v apart", last.Sub(first))
	}
}

// nothingListed wants all calls to be over and settled.
func (s *site) nothingListed(t *testing.T) {
	t.Helper()
	for _, list := range []string{"open", "unreconciled", "disputed", "shortfall"} {
		if n := s.listed(list); n != 0 {
			t.Errorf("%d calls are listed as %s", n, list)
		}
	}
}
