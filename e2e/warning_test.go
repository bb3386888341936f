package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/e2e/lab"
	"talktime/store/storetest"
)

// TestWarning: a caller hears three seconds before its end that his call is about to end, and again when a top-up has moved that; nothing
// of it is taken for a call. Where the dialplan lacks what that takes, calls are as without.
func TestWarning(t *testing.T) {
	lab.Require(t)
	records := storetest.Shared(t).NewDatabase(t)
	s, ami := sliced(t, "", map[string]string{"TALKTIME_WARN_SECONDS": "3"})
	// Whoever has heard nothing sends nothing, and to whom nothing comes from the other side no whisper goes.
	l := s.lab("prompted", lab.Options{CDRDatabase: records, Contexts: `
[prompted]
exten => _X.,1,Progress()
 same => n,Playback(beep,noanswer)
 same => n,Goto(talktime-caller,${EXTEN},1)
`})
	ami.To(l.AMIAddr)
	s.start()
	s.keepsCalls(t, l, "59899001000", "")

	t.Run("is heard", func(t *testing.T) { warnedTwice(t, s, l) })
	t.Run("is no call", func(t *testing.T) { oneRecord(t, s, records) })
	t.Run("without its context", func(t *testing.T) { nobodyWarned(t, s, l) })
	s.nothingListed(t)
}

// warned is the user who is.
const warned = "59899001001"

func warnedTwice(t *testing.T, s *site, l *lab.Lab) {
	s.user(warned, 9)
	keys := lab.NewKeypad(t)
	call := answered(t, l, lab.CallSpec{From: warned, To: answers, Keypad: keys})
	up, beep := time.Now(), keys.Loud()
	lab.Eventually(t, 9*time.Second, func() bool { return keys.Loud() >= 2*beep-100*time.Millisecond }, "a warning after the prompt of %v", beep)
	if after := time.Since(up); after < 6*time.Second || after > 8*time.Second { // 0.7 s until it is played, and its length
		t.Errorf("the warning of the end at 9 s was heard after %v", after)
	}
	s.admin(0, "topup", "user-"+warned, "6")
	heard(t, over(t, call), 15)
	lasted(t, s.ended(t, warned), 15)
	s.settles(t, warned, 0)
	if loud := keys.Loud(); beep < 200*time.Millisecond || loud < 3*beep-200*time.Millisecond || loud > 3*beep+200*time.Millisecond {
		t.Errorf("the caller heard %v, of a prompt of %v and two warnings like it", loud, beep)
	}
	log, err := os.ReadFile(l.Path("log/full"))
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	for _, m := range regexp.MustCompile(`Executing \[(\w+)@talktime-warning:\d+\] (\w+)\("[^"]*", "([^"]*)"\)`).FindAllStringSubmatch(string(log), -1) {
		if m[2] == "ChanSpy" || m[2] == "Playback" {
			ran = append(ran, m[1]+": "+regexp.MustCompile(`-[0-9a-f]{8}`).ReplaceAllString(m[2]+"("+m[3]+")", ""))
		}
	}
	want := []string{"whisper: ChanSpy(PJSIP/phone,quWES)", "sound: Playback(beep)", "whisper: ChanSpy(PJSIP/phone,quWES)", "sound: Playback(beep)"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Error(diff)
	}
}

// oneRecord wants the call to be the only one, of Asterisk and of the statistics, also where there are records of the warnings.
func oneRecord(t *testing.T, s *site, records string) {
	db := storetest.Open(t, records)
	var rows []string
	lab.Eventually(t, 10*time.Second, func() bool { rows = recordsBut(t, db, "59899001000"); return len(rows) > 0 }, "the record of the call")
	if diff := cmp.Diff([]string{warned + " Dial ANSWERED 15"}, rows); diff != "" {
		t.Error(diff)
	}
	mustExec(t, db, "DELETE FROM cdr WHERE src = '59899001000'") // of keepsCalls
	mustExec(t, db, "UPDATE cdr SET calldate = '2026-03-10 10:00:00'")
	for half, app := range map[string]string{"2": "ChanSpy", "1": "Playback"} { // as an Asterisk writes them whose dialplan does not prevent it
		mustExec(t, db, "INSERT INTO cdr (calldate, dst, dcontext, channel, lastapp, duration, billsec, disposition, uniqueid)"+
			" VALUES ('2026-03-10 10:00:01', 'whisper', 'talktime-warning', ?, ?, 1, 1, 'ANSWERED', ?)",
			"Local/whisper@talktime-warning-00000000;"+half, app, "1773136801."+half)
	}
	r := s.reports(t, cdrSettings(t, records))
	compareJSON(t, "call_statistics", r.statistics(t, "daily", "00:00:00 10/03/2026", "00:00:00 11/03/2026", "UTC", ""),
		`{"00:00:00 10/03/2026":{"total":1,"duration_seconds":{"max":15,"min":15,"median":15,"mean":15}}}`)
}

// recordsBut are the records of all callers but one.
func recordsBut(t *testing.T, db *sql.DB, src string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT CONCAT_WS(' ', src, lastapp, disposition, billsec) FROM cdr WHERE src <> ? ORDER BY calldate, uniqueid", src)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// nobodyWarned has two calls in a dialplan without the context of warnings.
func nobodyWarned(t *testing.T, s *site, l *lab.Lab) {
	if said, err := l.CLI(context.WithoutCancel(t.Context()), "dialplan remove context talktime-warning"); err != nil || strings.Contains(said, "Failed") {
		t.Fatal(said, err)
	}
	for _, clid := range []string{"59899001002", "59899001003"} {
		s.user(clid, 4)
		heard(t, over(t, answered(t, l, lab.CallSpec{From: clid, To: answers})), 4)
		lasted(t, s.ended(t, clid), 4)
		s.settles(t, clid, 0)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "fastagi.log"))
	if n := strings.Count(string(log), "callers are not warned"); err != nil || n != 1 {
		t.Errorf("it is told %d times, %v", n, err)
	}
}
