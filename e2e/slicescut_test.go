package e2e

import (
	"strings"
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/store/storetest"
)

// sliceCutOff: calls go on without us, or without a way to Asterisk or to the database, as far as they are paid. Each site has a fastagi and a
// database of its own.
func sliceCutOff(t *testing.T) {
	server, err := storetest.Start(t.Context(), storetest.Options{})
	if err != nil {
		storetest.Skip(t, err.Error())
	}
	t.Cleanup(server.Stop)
	cdr := storetest.Shared(t).NewDatabase(t)
	shared := storetest.Shared(t).NewDatabase(t)
	beyond := lab.NewRelay(t) // to a second Asterisk
	killed, killedAMI := sliced(t, storetest.Shared(t).NewDatabase(t), cdrSettings(t, cdr))
	revived, revivedAMI := sliced(t, "", nil)
	first, firstAMI := sliced(t, shared, map[string]string{"TALKTIME_SLICE_SECONDS": "30"})
	second, secondAMI := sliced(t, shared, map[string]string{"TALKTIME_SLICE_SECONDS": "30"})
	away, awayAMI := sliced(t, "", map[string]string{
		"TALKTIME_AMI2_ADDR": beyond.Addr, "TALKTIME_AMI2_USER": lab.Talktime, "TALKTIME_AMI2_SECRET": lab.TalktimeSecret,
	})
	back, backAMI := sliced(t, "", nil)
	restarted, restartedAMI := sliced(t, "", nil)
	bookless, booklessAMI := sliced(t, server.NewDatabase(t), nil)
	door := lab.NewRelay(t) // to the one of two that runs
	l := killed.lab("sites", lab.Options{SystemName: "lab", CDRDatabase: cdr, Contexts: "[sites]\n" +
		via("1", killed.addr, "talktime-caller") + via("2", door.Addr, "talktime-caller") + via("3", away.addr, "talktime-caller") +
		via("4", back.addr, "talktime-caller") + via("5", restarted.addr, "talktime-caller") + via("6", revived.addr, "talktime-caller") +
		via("7", bookless.addr, "talktime-caller")})
	for _, ami := range []*lab.Relay{killedAMI, revivedAMI, firstAMI, secondAMI, awayAMI, backAMI, restartedAMI, booklessAMI} {
		ami.To(l.AMIAddr)
	}
	other := away.lab("talktime-caller", lab.Options{SystemName: "other"})
	beyond.To(other.AMIAddr)
	startOn := func(t *testing.T, s *site, l *lab.Lab, clid, prefix string, balance int64) *lab.Call {
		t.Helper()
		s.keepsCalls(t, l, strings.TrimSuffix(clid, "1")+"0", prefix)
		s.user(clid, balance)
		return answered(t, l, lab.CallSpec{From: clid, To: prefix + answers})
	}
	start := func(t *testing.T, s *site, clid, prefix string, balance int64) *lab.Call {
		t.Helper()
		return startOn(t, s, l, clid, prefix, balance)
	}
	sideBySide(t, map[string]func(*testing.T){
		"killed at second 12": func(t *testing.T) {
			const clid = "59899002011"
			killed.start()
			call := start(t, killed, clid, "1", 60)
			passed(12 * time.Second)
			killed.fastagi.Kill()
			heard(t, over(t, call), 15)
			killed.start()
			settled := killed.ended(t, clid)
			t.Logf("%s by the %s, charged for %d s", settled.State, settled.SettledBy, settled.Seconds)
			// Asterisk's record may have cut off the second at whose edge the call was ended.
			if settled.State != models.CallSettled || settled.Seconds != 15 && settled.Seconds != 14 || settled.Limit != 15 {
				t.Errorf("%s, charged for %d s, limit %d; want 15 s", settled.State, settled.Seconds, settled.Limit)
			}
			killed.settles(t, clid, 60-settled.Seconds)
			killed.nothingListed(t)
		},
		"killed at second 12, and started": func(t *testing.T) {
			const clid = "59899002061"
			revived.start()
			call := start(t, revived, clid, "6", 60)
			passed(12 * time.Second)
			revived.fastagi.Kill()
			revived.start() // too early to know that nobody else keeps the call
			heard(t, over(t, call), 15)
			lasted(t, revived.ended(t, clid), 15)
			revived.settles(t, clid, 45)
			revived.nothingListed(t)
		},
		"the database is away": func(t *testing.T) {
			const clid = "59899002071"
			bookless.start()
			call := start(t, bookless, clid, "7", 60)
			passed(7 * time.Second)
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			heard(t, over(t, call), 10)
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			lasted(t, bookless.ended(t, clid), 10)
			bookless.settles(t, clid, 50)
			bookless.nothingListed(t)
		},
		"killed beside another": func(t *testing.T) {
			const clid = "59899002021"
			door.To(first.addr)
			first.start()
			second.start()
			call := start(t, first, clid, "2", 40)
			if limit := first.lastCall(t, clid).Limit; limit != 20 {
				t.Errorf("a user with 40 s left begins with a slice of %d s, want 20", limit)
			}
			passed(2 * time.Second)
			door.To(second.addr)
			first.fastagi.Kill()
			heard(t, over(t, call), 40)
			settled := second.ended(t, clid)
			if settled.Seconds != 40 || settled.TalkedMS > 40300 || settled.Limit != 40 {
				t.Errorf("charged for %d s of %d ms, limit %d", settled.Seconds, settled.TalkedMS, settled.Limit)
			}
			second.settles(t, clid, 0)
			second.nothingListed(t)
		},
		"one of two manager interfaces is away": func(t *testing.T) {
			const clid, far = "59899002031", "59899002081"
			away.start()
			distant := startOn(t, away, other, far, "", 17)
			call := start(t, away, clid, "3", 60)
			passed(7 * time.Second)
			awayAMI.Cut()
			heard(t, over(t, call), 10)
			lasted(t, away.ended(t, clid), 10)
			heard(t, over(t, distant), 17)
			lasted(t, away.ended(t, far), 17)
			away.settles(t, clid, 50)
			away.settles(t, far, 0)
			away.nothingListed(t)
		},
		"the manager interface comes back": func(t *testing.T) {
			const clid = "59899002041"
			back.start()
			call := start(t, back, clid, "4", 17)
			passed(7 * time.Second)
			backAMI.Cut()
			backAMI.To(l.AMIAddr)
			heard(t, over(t, call), 17)
			lasted(t, back.ended(t, clid), 17)
			back.settles(t, clid, 0)
			back.nothingListed(t)
		},
		"restarted": func(t *testing.T) {
			const clid = "59899002051"
			restarted.start()
			call := start(t, restarted, clid, "5", 17)
			passed(5 * time.Second)
			restarted.fastagi.Stop(20 * time.Second)
			restarted.start()
			heard(t, over(t, call), 17)
			lasted(t, restarted.ended(t, clid), 17)
			restarted.settles(t, clid, 0)
			restarted.nothingListed(t)
		},
	})
}
