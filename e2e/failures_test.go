package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/dialplan"
	"talktime/e2e/lab"
	"talktime/store/storetest"
)

const caller = "59899000001"

// TestServerDownBeforeTheCall: without a server nobody is connected.
func TestServerDownBeforeTheCall(t *testing.T) {
	lab.Require(t)
	for _, phones := range []string{"talktime-caller", "talktime-authorize"} {
		s := newSite(t, "", nil)
		l := s.lab(phones, lab.Options{})
		s.user(caller, 100)
		s.fastagi.Kill()
		call, err := l.StartCall(lab.CallSpec{From: caller, To: answers, Talk: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if seen := over(t, call); seen.Answered {
			t.Errorf("%s: a call was connected without a server", phones)
		}
		s.settles(t, caller, 100)
	}
}

// TestServerKilledInTheMiddleOfACall: Asterisk goes on with the call, and its reducer finds the new server.
func TestServerKilledInTheMiddleOfACall(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{})
	s.user(caller, 100)
	call := answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 4 * time.Second})
	s.fastagi.Kill()
	s.start()
	if seen := over(t, call); seen.EndedBy != lab.Near || seen.Talk < 3900*time.Millisecond {
		t.Errorf("the call did not go on: %+v", seen)
	}
	s.settles(t, caller, 96)
	if n := s.listed("unreconciled") + s.listed("disputed"); n != 0 {
		t.Errorf("%d calls are left on a list", n)
	}
}

// TestServerStoppedInTheMiddleOfACall: SIGTERM lets calls that talk go at once.
func TestServerStoppedInTheMiddleOfACall(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{})
	s.user(caller, 100)
	call := answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 4 * time.Second})
	began := time.Now()
	s.fastagi.Stop(20 * time.Second)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a call in progress held up the stop for %v", took)
	}
	s.start()
	over(t, call)
	s.settles(t, caller, 96)
}

// TestServerDownAtHangUp: the CDR database says what was talked. Without one the operator is told.
func TestServerDownAtHangUp(t *testing.T) {
	lab.Require(t)
	cdr := storetest.Shared(t).NewDatabase(t)
	s := newSite(t, "", cdrSettings(t, cdr))
	l := s.lab("talktime-caller", lab.Options{CDRDatabase: cdr, SystemName: "pbx"})
	s.user(caller, 100)
	downAtHangUp(t, s, l)
	s.settles(t, caller, 97)
	if n := s.listed("unreconciled"); n != 0 {
		t.Errorf("%d calls are unreconciled", n)
	}

	alone := newSite(t, "", nil)
	l = alone.lab("talktime-caller", lab.Options{})
	alone.user(caller, 100)
	downAtHangUp(t, alone, l)
	alone.admin(0, "reconcile", "--all")
	alone.settles(t, caller, 100)
	if n := alone.listed("unreconciled"); n != 1 {
		t.Errorf("%d calls are unreconciled, want 1", n)
	}
	if out := alone.admin(0, "audit", "--list", "unreconciled"); !strings.Contains(out, answers) {
		t.Errorf("the call is not shown to the operator:\n%s", out)
	}
}

// cdrSettings are the DB1_… settings for the database at a URL.
func cdrSettings(t *testing.T, url string) map[string]string {
	t.Helper()
	d := parse(t, url)
	host, port, _ := strings.Cut(d.Addr(), ":")
	return map[string]string{"DB1_HOST": host, "DB1_PORT": port, "DB1_USER": d.User, "DB1_PASSWORD": string(d.Password), "DB1_NAME": d.Name}
}

func downAtHangUp(t *testing.T, s *site, l *lab.Lab) {
	t.Helper()
	call := answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 3 * time.Second})
	s.fastagi.Kill()
	over(t, call)
	channelsGone(t, l)
	s.start()
}

func channelsGone(t *testing.T, l *lab.Lab) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() bool {
		channels, err := l.Channels(context.Background())
		return err == nil && len(channels) == 0
	}, "all channels are gone")
}

// TestDatabaseRestartedInTheMiddleOfACall kills MariaDB under a call, once to be back at hang-up and once later.
func TestDatabaseRestartedInTheMiddleOfACall(t *testing.T) {
	lab.Require(t)
	db, err := storetest.Start(t.Context(), storetest.Options{})
	if err != nil {
		storetest.Skip(t, err.Error())
	}
	t.Cleanup(db.Stop)
	s := newSite(t, db.NewDatabase(t), nil)
	l := s.lab("talktime-caller", lab.Options{})
	s.user(caller, 100)

	call := answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 3 * time.Second})
	restart := func() {
		t.Helper()
		if err := db.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	kill := func() {
		t.Helper()
		if err := db.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	restart()
	over(t, call)
	s.settles(t, caller, 97)

	call = answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 3 * time.Second})
	kill()
	over(t, call)
	channelsGone(t, l)
	refused, err := l.StartCall(lab.CallSpec{From: caller, To: answers, Talk: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if seen := over(t, refused); seen.Answered {
		t.Error("a call was connected without a database")
	}
	restart()
	s.settles(t, caller, 94) // from the spool
	if n := s.listed("unreconciled") + s.listed("disputed"); n != 0 {
		t.Errorf("%d calls are left on a list", n)
	}
}

// TestAsteriskRestarted: what Asterisk took to its grave is released and listed, and it takes calls again.
func TestAsteriskRestarted(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{})
	s.user(caller, 100)
	call := answered(t, l, lab.CallSpec{From: caller, To: answers})
	l.Kill()
	call.Kill()
	if err := l.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.admin(0, "reconcile", "--all")
	s.settles(t, caller, 100)
	if n := s.listed("unreconciled"); n != 1 {
		t.Errorf("%d calls are unreconciled, want 1", n)
	}
	second, err := l.StartCall(lab.CallSpec{From: caller, To: answers, Talk: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	over(t, second)
	s.settles(t, caller, 98)
}

// TestClassicAGI runs the two programs under their historical names, with the server up and with it down.
func TestClassicAGI(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("classic", lab.Options{Contexts: `
[classic]
exten => _X.,1,AGI(celcombiller_caller)
 same => n,Hangup()
exten => h,1,Set(CDR_PROP(disable)=1)
 same => n,AGI(celcombiller_reducer)
`})
	program, err := os.ReadFile(filepath.Join(bin, "fastagi"))
	if err != nil {
		t.Fatal(err)
	}
	install := map[string][]byte{"fastagi": program}
	for _, name := range []string{"celcombiller_caller", "celcombiller_reducer"} {
		text, err := dialplan.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		install[name] = text
	}
	for name, content := range install {
		if err := os.WriteFile(l.Path("agi-bin", name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name := range install {
		if strings.HasPrefix(name, "celcombiller") {
			pointTo(t, l.Path("agi-bin", name), l.Inside("agi-bin"), s.addr, l.Inside("spool/talktime"))
		}
	}
	s.user(caller, 100)
	call, err := l.StartCall(lab.CallSpec{From: caller, To: answers, Talk: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	over(t, call)
	s.settles(t, caller, 97)

	call = answered(t, l, lab.CallSpec{From: caller, To: answers, Talk: 3 * time.Second})
	s.fastagi.Kill()
	over(t, call)
	channelsGone(t, l)
	lab.Eventually(t, 10*time.Second, func() bool {
		files, _ := filepath.Glob(l.Path("spool/talktime/*.json"))
		return len(files) == 1
	}, "the reducer spools what it saw")
	s.env = map[string]string{"TALKTIME_SPOOL": l.Path("spool/talktime")}
	s.start()
	s.settles(t, caller, 94)
}

// pointTo gives an installed wrapper the settings that Asterisk's environment would have.
func pointTo(t *testing.T, wrapper, folder, addr, spool string) {
	t.Helper()
	text, err := os.ReadFile(wrapper)
	if err != nil {
		t.Fatal(err)
	}
	settings := "#!/bin/sh\nexport PATH=" + folder + ":$PATH TALKTIME_FASTAGI_LISTEN=" + addr + " TALKTIME_SPOOL=" + spool + "\n"
	if err := os.WriteFile(wrapper, []byte(settings+string(text)), 0o755); err != nil {
		t.Fatal(err)
	}
}
