package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/queues/feed"
	"talktime/store"
	"talktime/store/storetest"
)

// queueLog is a log of calls that are over: of each 4 one is abandoned, one times out and two are answered.
func queueLog(from, calls int) string {
	var b strings.Builder
	for n := from; n < from+calls; n++ {
		at := 1780000000 + 10*n
		call, queue, agent := fmt.Sprintf("%d.%d", at, n), []string{"sales", "support", "slow"}[n%3], fmt.Sprintf("Agent %d", n%50)
		fmt.Fprintf(&b, "%d|%s|%s|NONE|ENTERQUEUE||555%04d|1\n", at, call, queue, n%10000)
		switch n % 4 {
		case 0:
			fmt.Fprintf(&b, "%d|%s|%s|NONE|ABANDON|1|1|2\n", at+2, call, queue)
		case 1:
			fmt.Fprintf(&b, "%d|%s|%s|%s|RINGNOANSWER|2000\n%d|%s|%s|NONE|EXITWITHTIMEOUT|1|1|3\n", at+2, call, queue, agent, at+3, call, queue)
		default:
			fmt.Fprintf(&b, "%d|%s|%s|%s|CONNECT|2|%d.1|1\n%d|%s|%s|%s|COMPLETEAGENT|2|5|1\n", at+2, call, queue, agent, at, at+7, call, queue, agent)
		}
	}
	return b.String()
}

// verdict is what admin queues verify --json says.
type verdict struct {
	Clean  bool
	Calls  int64
	Lines  int64
	Total  queueCount
	Queues []queueCount
}

func (s *site) report(report any, args ...string) {
	s.t.Helper()
	code, out, problems := s.run(s.t.Context(), append(args, "--json")...)
	if code != exitWell {
		s.t.Fatalf("%q ends with %d: %s\n%s", args, code, out, problems)
	}
	if err := json.Unmarshal([]byte(out), report); err != nil {
		s.t.Fatalf("%q: %v", out, err)
	}
}

// readUpTo waits until a server has read a file of the queue_log up to a place.
func (s *site) readUpTo(server *storetest.Child, name string, place int64) {
	s.t.Helper()
	for {
		var at int64
		if err := s.db.QueryRowContext(s.t.Context(), "SELECT COALESCE(MAX(position), 0) FROM queue_files WHERE name = ?", name).Scan(&at); err != nil {
			s.t.Fatal(err)
		}
		if at >= place {
			return
		}
		if server.Ended() || !wiring.Pause(s.t.Context(), time.Millisecond) {
			s.t.Fatalf("the server ended with %s at %d", server.Exit(), at)
		}
	}
}

func (s *site) serve() *storetest.Child {
	s.t.Helper()
	cmd := exec.Command("admin", "serve")
	cmd.Env = s.environ()
	cmd.Stderr = s.t.Output()
	child, err := storetest.StartChild(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(child.Kill)
	return child
}

// TestQueueLogKilled kills admin serve again and again while it reads a large queue_log that is rotated and packed meanwhile: in the
// end the books are those of one that was left in peace.
func TestQueueLogKilled(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		const calls = 30_000
		dir := t.TempDir()
		path := filepath.Join(dir, "queue_log")
		s.settings["TALKTIME_QUEUE_LOG"], s.settings["TALKTIME_ADMIN_LISTEN"], s.settings["TALKTIME_ADMIN_PASSWORD"] = path, "127.0.0.1:0", "secret-password"
		text := queueLog(0, calls)
		if err := os.WriteFile(path, []byte(text[:len(text)-30]), 0o600); err != nil {
			t.Fatal(err)
		}
		for kill := range 3 {
			server := s.serve()
			s.readUpTo(server, path, int64(kill+1)*int64(len(text))/8)
			server.Kill()
			// Its claim lasts for a minute; nobody but us has it here.
			if _, err := s.db.ExecContext(t.Context(), "UPDATE queue_feed SET claimed_by = '', claimed_until = NULL"); err != nil {
				t.Fatal(err)
			}
		}
		// While nobody reads it is ended, rotated and packed, and another one begun.
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(text[len(text)-30:])
			_ = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "gzip", path).CombinedOutput(); err != nil {
			t.Fatalf("gzip: %v %s", err, out)
		}
		more := queueLog(calls, 100)
		if err := os.WriteFile(path, []byte(more), 0o600); err != nil {
			t.Fatal(err)
		}
		server := s.serve()
		for left := 1; left > 0; wiring.Pause(t.Context(), 10*time.Millisecond) {
			if err := s.db.QueryRowContext(t.Context(), "SELECT 2 - COUNT(*) FROM queue_files WHERE done = (name <> ?) AND position = size", path).Scan(&left); err != nil {
				t.Fatal(err)
			}
			if server.Ended() {
				t.Fatalf("the server ended with %s", server.Exit())
			}
		}

		var got verdict
		s.report(&got, "queues", "verify")
		const all, lines = calls + 100, (calls + 100) * 11 / 4
		want := queueCount{Entered: all, Answered: all / 2, Abandoned: all / 4, TimedOut: all / 4}
		if !got.Clean || got.Calls != all || got.Lines != lines || got.Total != want || len(got.Queues) != 3 {
			t.Errorf("%+v", got)
		}
		var status feed.QueueImport
		s.report(&status, "queues", "status")
		if status.LostBytes != 0 || status.Malformed != 0 || status.LagBytes != 0 || status.Lines != lines || len(status.Files) != 2 {
			t.Errorf("%+v", status)
		}
		// Beside it a file is imported, which is known already.
		var imported struct{ Files []queueFile }
		s.report(&imported, "queues", "import", "--again", path+".gz")
		if f := imported.Files; len(f) != 1 || f[0].New != 0 || f[0].Known != calls*11/4 {
			t.Errorf("%+v", imported)
		}
		// Days are packed behind it.
		for packed := int64(0); packed < 4; wiring.Pause(t.Context(), 10*time.Millisecond) {
			if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM queue_days").Scan(&packed); err != nil {
				t.Fatal(err)
			}
			if server.Ended() {
				t.Fatalf("the server ended with %s", server.Exit())
			}
		}
		server.Stop(10 * time.Second)
		var holder string
		if err := s.db.QueryRowContext(t.Context(), "SELECT claimed_by FROM queue_feed").Scan(&holder); err != nil || holder != "" {
			t.Errorf("who was ended keeps the claim: %q, %v", holder, err)
		}
		s.report(&got, "queues", "verify")
		if !got.Clean {
			t.Errorf("after all: %+v", got)
		}
	})
}

// TestDoctorOfQueueLog tells what keeps the queue_log from being read.
func TestDoctorOfQueueLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	path := filepath.Join(t.TempDir(), "queue_log")
	found := func(want string) {
		t.Helper()
		_, out, problems := s.run(t.Context(), "doctor")
		for line := range strings.Lines(out) {
			if strings.Contains(line, "queue_log") && strings.HasPrefix(line, want[:strings.IndexByte(want, ' ')]) && strings.Contains(line, want[strings.IndexByte(want, ' ')+1:]) {
				return
			}
		}
		t.Errorf("doctor does not say %q:\n%s%s", want, out, problems)
	}
	if _, out, _ := s.run(t.Context(), "doctor"); strings.Contains(out, "queue_log") {
		t.Errorf("there is none, and doctor says:\n%s", out)
	}
	s.settings["TALKTIME_QUEUE_LOG"] = path
	found("WARN there is no file " + path)
	found("WARN it was not read to its end so far")
	if err := os.WriteFile(path, []byte(queueLog(0, 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	found("OK " + path + " can be read")
	s.settings["TALKTIME_QUEUE_LOG"] = filepath.Dir(path)
	found("FAIL is no file")
	s.settings["TALKTIME_QUEUE_LOG"] = filepath.Join(t.TempDir(), "queue_log")
	if err := os.WriteFile(s.settings["TALKTIME_QUEUE_LOG"], []byte("root:x:0:0:root:/root:/bin/bash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found("FAIL none of its first lines is an event of a queue_log")
	s.settings["TALKTIME_QUEUE_LOG"] = path
	db := openSite(t, s)
	f, closeAll, err := newQueueLog(db, configOf(t, s), wiring.Logger(t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if _, err := f.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close(context.WithoutCancel(t.Context()))
	found("OK 11 lines are read, 0 of them malformed")
	if _, err := s.db.ExecContext(t.Context(), "UPDATE queue_files SET lost = 77, read_at = '2026-01-01 00:00:00.000000'"); err != nil {
		t.Fatal(err)
	}
	found("WARN it was last read to its end ")
	found("WARN 77 bytes or more were gone before they were read")
	s.settings["TALKTIME_QUEUE_LOG"] = "db"
	s.settings["DB1_HOST"], s.settings["DB1_PORT"], s.settings["DB1_USER"], s.settings["DB1_NAME"] = "127.0.0.1", "1", "u", "asterisk"
	found("FAIL table queue_log of DB1 at 127.0.0.1:1: nothing listens there")
}

func openSite(t *testing.T, s *site) *store.Store {
	t.Helper()
	db, err := store.Open(wiring.StoreConfig(configOf(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func configOf(t *testing.T, s *site) config.Config {
	t.Helper()
	cfg, err := config.Load(func(name string) (string, bool) { value, ok := s.settings[name]; return value, ok }, s.environ(), "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
