package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/store/storetest"
)

// classic runs a call as Asterisk runs a classic AGI program: the dialogue goes over the program's input and output. It
// returns what the program said on its error output.
func (s *site) classic(t *testing.T, c *agitest.Peer) string {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "theirs"), os.NewFile(uintptr(fds[1]), "ours")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	ours.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	log := newJournal()
	cmd := s.command("stdio", c.Script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, log
	child, err := storetest.StartChild(cmd)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	c.Record = true
	if err := c.Run(conn); err != nil {
		t.Error(err)
	}
	p := &process{Child: child, log: log}
	p.ends(t, "exit status 0")
	return log.String()
}

// spooled lists the records that wait in the site's spool.
func (s *site) spooled(t *testing.T) []agi.Record {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "data", "spool", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	records := make([]agi.Record, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &records[i]); err != nil {
			t.Error(err)
		}
	}
	return records
}

// emptied waits until the server has used all that was spooled.
func (s *site) emptied(t *testing.T) {
	t.Helper()
	eventually(t, "an empty spool", func() bool {
		n, err := spool.New(filepath.Join(s.dir, "data", "spool")).Len()
		return n == 0 && err == nil
	})
}

// TestBridge: with the server up the two programs do what agi:// does.
func TestBridge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t)
	s.env["TALKTIME_FASTAGI_LISTEN"] = p.address
	db := s.store(t)
	addMarta(t, db)
	for _, hangups := range []agitest.Hangups{agitest.SayHangup, agitest.SayNothing, agitest.Exit} {
		c := call("caller")
		c.Hangups = hangups
		c.Dial = func(d *agitest.Dial) { d.Talk, d.CallerHungUp = 5*time.Second, true }
		if said := s.classic(t, c); said != "" {
			t.Errorf("caller says %s", said)
		}
		told(t, c, "OK", "")
		if said := s.classic(t, c.H("reducer")); said != "" {
			t.Errorf("reducer says %s", said)
		}
	}
	has(t, db, 85, 0)
	if records := s.spooled(t); len(records) != 0 {
		t.Errorf("spooled %+v", records)
	}
}

// TestBridgeWithoutServer: nobody is connected, and nothing that a reducer saw is lost or counted twice.
func TestBridgeWithoutServer(t *testing.T) {
	t.Parallel()
	deaf, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	go func() {
		for {
			conn, err := deaf.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for _, test := range []struct{ name, address string }{
		{"nothing listens", "127.0.0.1:1"},
		{"it hangs up without a word", deaf.Addr().String()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.start(t)
			db := s.store(t)
			addMarta(t, db)
			talking := call("authorize")
			agitest.Call(t, p.address, talking)
			has(t, db, 100, 60)
			p.Signal(syscall.SIGTERM)
			p.ends(t, "exit status 0")

			s.env["TALKTIME_FASTAGI_LISTEN"] = test.address
			refused := call("caller")
			said := s.classic(t, refused)
			told(t, refused, "ERROR", "the Talktime server at "+test.address+" does not answer")
			if !strings.Contains(said, "fastagi: stdio caller: the Talktime server at "+test.address+" cannot be reached: ") || strings.Contains(strings.Join(refused.Lines, "\n"), "Dial") {
				t.Errorf("it says %s after %q", said, refused.Lines)
			}
			talking.Vars["DIALSTATUS"], talking.Vars["ANSWEREDTIME"], talking.Vars["ANSWEREDTIME_MS"] = "ANSWER", "7", "7005"
			for range 2 {
				said := s.classic(t, talking.H("reducer"))
				if strings.Contains(said, "database") || !strings.Contains(said, "fastagi: stdio reducer: what the call reports is spooled in data/spool") {
					t.Errorf("it says %s", said)
				}
			}
			records := s.spooled(t)
			if len(records) != 2 || records[0].Result == nil || records[0].Result.CallID != "127.0.0.1/"+talking.UniqueID {
				t.Fatalf("spooled %+v", records)
			}
			has(t, db, 100, 60)

			s.env["TALKTIME_FASTAGI_LISTEN"] = "127.0.0.1:0"
			for range 2 {
				p = s.start(t)
				s.emptied(t)
				p.Signal(syscall.SIGTERM)
				p.ends(t, "exit status 0")
			}
			has(t, db, 93, 0)
		})
	}
}

// TestBridgeEmergency: whoever calls for help gets it without a server too.
func TestBridgeEmergency(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_EMERGENCY"], s.env["TALKTIME_FASTAGI_LISTEN"] = "112", "127.0.0.1:1"
	c := call("caller")
	c.Extension = "112"
	s.classic(t, c)
	told(t, c, "OK", "")
	if lines := strings.Join(c.Lines, "\n"); !strings.Contains(lines, `> EXEC Dial "PJSIP/112@trunk,40,"`) {
		t.Errorf("not dialled: %s", lines)
	}
	s.classic(t, c.H("reducer"))
	records := s.spooled(t)
	if len(records) != 2 || records[0].Emergency == nil || records[1].Result == nil {
		t.Fatalf("spooled %+v", records)
	}
	s.env["TALKTIME_FASTAGI_LISTEN"] = "127.0.0.1:0"
	s.start(t)
	db := s.store(t)
	s.emptied(t)
	calls, err := db.CallsByID(t.Context(), []string{"127.0.0.1/" + c.UniqueID})
	if err != nil || len(calls) != 1 {
		t.Errorf("recorded %+v, %v", calls, err)
	}
}

// TestBridgeFedRubbish: what is no dialogue of Asterisk's is told apart after a few bytes, and nothing is kept of it.
func TestBridgeFedRubbish(t *testing.T) {
	t.Parallel()
	const greeting = "agi_request: celcombiller_reducer\nagi_channel: PJSIP/caller-00000000\n"
	const ended, foreign, endless = "the input ended before the greeting did", "the input is not Asterisk's greeting", "the greeting does not end"
	for _, test := range []struct {
		name string
		in   io.Reader
		want string
	}{
		{"nothing", strings.NewReader(""), ended},
		{"half a greeting", strings.NewReader(greeting), ended},
		{"half a line", strings.NewReader("agi_req"), ended},
		{"a web browser", strings.NewReader("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), foreign},
		{"noise", bytes.NewReader([]byte{0, 1, 2, 0xff, '\n', 7, '\n'}), foreign},
		{"an endless line", &forever{text: "agi_x"}, foreign},
		{"an endless greeting", &forever{text: "agi_x: y\n"}, endless},
		{"endless noise", &forever{text: "\x00"}, foreign},
	} {
		for _, script := range []string{"caller", "reducer"} {
			t.Run(test.name+" to "+script, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				s.env["TALKTIME_FASTAGI_LISTEN"] = "127.0.0.1:1"
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := s.command("stdio", script)
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				var out, said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
				defer stop()
				_, _ = io.Copy(in, clone(test.in)) // until it has had enough
				in.Close()
				_ = cmd.Wait()
				if code := cmd.ProcessState.ExitCode(); code != 1 || out.Len() != 0 {
					t.Errorf("exit code %d, output %q", code, &out)
				}
				if want := "fastagi: stdio: " + test.want + "; it is meant to be run by Asterisk's AGI()\n"; said.String() != want {
					t.Errorf("it says %q, want %q", &said, want)
				}
				if _, err := os.Stat(filepath.Join(s.dir, "data")); !errors.Is(err, os.ErrNotExist) {
					t.Error("it made a folder")
				}
			})
		}
	}
}

// clone makes an input that two tests can read at once.
func clone(in io.Reader) io.Reader {
	switch in := in.(type) {
	case *strings.Reader:
		c := *in
		return &c
	case *bytes.Reader:
		c := *in
		return &c
	}
	return in
}

// forever is a text without end.
type forever struct{ text string }

func (f *forever) Read(p []byte) (int, error) {
	n := 0
	for n+len(f.text) <= len(p) {
		n += copy(p[n:], f.text)
	}
	return n, nil
}

// TestBridgeEndsAtASignal: there is nothing that it would have to finish.
func TestBridgeEndsAtASignal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t)
	s.env["TALKTIME_FASTAGI_LISTEN"] = p.address
	log := newJournal()
	cmd := s.command("stdio", "caller")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	child, err := storetest.StartChild(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "agi_request: x\nagi_uniqueid: 1.1\nagi_extension: 100\n\n"); err != nil {
		t.Fatal(err)
	}
	log.await(t, "SET VARIABLE TALKTIME_STATUS") // it waits for Asterisk's answer
	child.Signal(syscall.SIGTERM)
	(&process{Child: child, log: log}).ends(t, "signal: terminated")
}

func TestDialAddr(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"127.0.0.1:4573": "127.0.0.1:4573", ":4573": "127.0.0.1:4573", "0.0.0.0:4573": "127.0.0.1:4573", "[::]:4573": "[::1]:4573",
		"[::1]:4573": "[::1]:4573", "pbx.example:4573": "pbx.example:4573",
	} {
		if got := wiring.DialAddr(listen); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
}
