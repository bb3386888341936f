package agi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
)

// nothing is a script that asks nothing.
func nothing(context.Context, *agi.Channel) error { return nil }

// A logbook collects JSON log lines.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// lines returns the lines with this message and, if it has one, this reason.
func (l *logbook) lines(t *testing.T, message string, reason any) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		if m["msg"] == message && m["reason"] == reason {
			lines = append(lines, m)
		}
	}
	return lines
}

func TestMux(t *testing.T) {
	t.Parallel()
	mux := agi.NewMux()
	mux.Handle("balance", agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		ch.SetStatus("OK")
		return ch.Set("RAN", ch.Request().Query)
	}))
	s := &agi.Server{Handler: mux}
	address := agitest.Start(t, s)
	for _, test := range []struct {
		name, script, ran, status string
	}{
		{"path", "balance", "", ""},
		{"slash and query", "/balance?x=1", "x=1", ""},
		{"case counts", "Balance", "", "ERROR"},
		{"longer path", "balance/x", "", "ERROR"},
		{"no path", "", "", "ERROR"},
		{"odd path", `a"b\c`, "", "ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: test.script}}
			agitest.Call(t, address, p)
			if p.Vars["RAN"] != test.ran || p.Vars["TALKTIME_STATUS"] != test.status {
				t.Errorf("got %q", p.Vars)
			}
			if test.status != "" && !strings.Contains(strings.Join(p.Lines, "\n"), `VERBOSE "talktime: unknown script: `) {
				t.Errorf("Asterisk's console was told nothing: %q", p.Lines)
			}
		})
	}
	calls := s.Stats().Calls
	if calls[agi.CallKind{Script: "balance", Status: "OK"}].Count != 2 ||
		calls[agi.CallKind{Script: "unknown", Status: "unknown_script"}].Count != 4 {
		t.Errorf("got %v", calls)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, listen, allow string
		ok                  bool
	}{
		{"loopback is the default", "127.0.0.1:0", "", true},
		{"listed", "127.0.0.1:0", "10.0.0.0/8 127.0.0.0/8", true},
		{"not listed", "127.0.0.1:0", "10.0.0.0/8 ::1/128", false},
		{"an IPv4 peer of an IPv6 socket", "[::]:0", "127.0.0.0/8", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var book logbook
			s := &agi.Server{Handler: agi.HandlerFunc(nothing), Logger: book.logger()}
			for _, p := range strings.Fields(test.allow) {
				s.Allow = append(s.Allow, netip.MustParsePrefix(p))
			}
			ln, err := agi.Listen(t.Context(), test.listen)
			if err != nil {
				t.Log("not tried: ", err) // no IPv6 here
				return
			}
			stop := run(t, s, ln)
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			p := &agitest.Peer{}
			agitest.Call(t, "127.0.0.1:"+port, p)
			if err := stop(); err != nil {
				t.Error(err)
			}
			st := s.Stats()
			if ok := st.Total == 1 && st.RejectedAddress == 0; ok != test.ok {
				t.Errorf("got %+v", st)
			}
			if warned := len(book.lines(t, "no call", "network not allowed")) == 1; warned == test.ok {
				t.Errorf("logged: %v", warned)
			}
		})
	}
}

// run serves in the background. stop, also called at the end of the test, ends it and returns what Serve did.
func run(t *testing.T, s *agi.Server, ln net.Listener) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// TestSessionLimit: one too many is closed at once, and the place is free again when a call ends.
func TestSessionLimit(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	s := &agi.Server{MaxSessions: 1, Handler: agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		if ch.Request().Script == "long" {
			close(inside)
			<-leave
		}
		return ch.Set("RAN", "yes")
	})}
	address := agitest.Start(t, s)
	long := &agitest.Peer{Greeting: agitest.Greeting{Script: "long"}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		agitest.Call(t, address, long)
	}()
	await(t, "first call", inside)
	second := &agitest.Peer{}
	agitest.Call(t, address, second)
	close(leave)
	await(t, "end of the first call", ended)
	third := &agitest.Peer{}
	agitest.Call(t, address, third)
	if long.Vars["RAN"] != "yes" || second.Vars["RAN"] != "" || third.Vars["RAN"] != "yes" {
		t.Errorf("ran: %v, %v, %v", long.Vars, second.Vars, third.Vars)
	}
	if st := s.Stats(); st.RejectedLimit != 1 || st.Total != 2 || st.Open != 0 {
		t.Errorf("got %+v", st)
	}
}

// TestOldestSilentGivesWay: whoever greets is served however many say nothing, and only as many of those are
// dropped as necessary.
func TestOldestSilentGivesWay(t *testing.T) {
	t.Parallel()
	s := &agi.Server{Handler: agi.HandlerFunc(nothing), MaxUngreeted: 4, GreetingTimeout: patience}
	address := agitest.Start(t, s)
	silent := make([]net.Conn, 4)
	for i := range silent {
		silent[i] = connect(t, address)
		eventually(t, "accepted", func() bool { return s.Stats().Ungreeted == i+1 })
	}
	agitest.Call(t, address, &agitest.Peer{})
	if rest := readAll(t, silent[0]); rest != "" { // returns, since the server closed it
		t.Errorf("got %q", rest)
	}
	if st := s.Stats(); st.DroppedUngreeted != 1 || st.Ungreeted != 3 || st.Total != 1 {
		t.Errorf("got %+v", st)
	}
	for _, conn := range silent[1:] {
		write(t, conn, "agi_network: yes\n\n")
		readAll(t, conn)
	}
	if st := s.Stats(); st.Total != 4 {
		t.Errorf("got %+v", st)
	}
}

// TestBurst: many calls at once do not push each other out while they greet.
func TestBurst(t *testing.T) {
	t.Parallel()
	s := &agi.Server{Handler: agi.HandlerFunc(dialogue), MaxUngreeted: 4, GreetingTimeout: patience}
	address := agitest.Start(t, s)
	var calls sync.WaitGroup
	for range 200 {
		calls.Go(func() { agitest.Call(t, address, &agitest.Peer{}) })
	}
	calls.Wait()
	if st := s.Stats(); st.Total != 200 || st.DroppedUngreeted != 0 || len(st.Faults) != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	var book logbook
	s := &agi.Server{Logger: book.logger(), Handler: agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		if ch.Request().Script == "bad" {
			_ = ch.Set("TALKTIME_STATUS", "OK")
			panic("oops")
		}
		return nil
	})}
	address := agitest.Start(t, s)
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "bad"}}
	agitest.Call(t, address, p)
	agitest.Call(t, address, &agitest.Peer{})
	if p.Vars["TALKTIME_STATUS"] != "ERROR" {
		t.Errorf("the dialplan was told %q", p.Vars)
	}
	lines := book.lines(t, "call", nil)
	if len(lines) != 2 || lines[0]["level"] != "ERROR" || lines[0]["status"] != "panic" ||
		!strings.Contains(lines[0]["stack"].(string), "TestPanic") {
		t.Errorf("got %v", lines)
	}
	if st := s.Stats(); st.Panics != 1 || st.Total != 2 {
		t.Errorf("got %+v", st)
	}
}

func TestLogLine(t *testing.T) {
	t.Parallel()
	var book logbook
	mux := agi.NewMux()
	mux.Handle("caller", agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		ch.Note(slog.String("account_id", "7"))
		ch.SetStatus("NOCREDIT")
		return ch.Set("A", "b")
	}))
	clock := time.Unix(0, 0)
	s := &agi.Server{Handler: mux, Logger: book.logger(), Now: func() time.Time {
		clock = clock.Add(2 * time.Second)
		return clock
	}}
	address := agitest.Start(t, s)
	agitest.Call(t, address, &agitest.Peer{Greeting: agitest.Greeting{
		Script: "caller", UniqueID: "1\"}\x1b[2J\r{\"msg\":\"call\"" + strings.Repeat("x", 5000),
		CallerID: "59899000001", CallerIDName: "59899000001", Extension: "59899123000",
	}})
	agitest.Call(t, address, &agitest.Peer{Greeting: agitest.Greeting{Script: "x\rcall", CallerID: "59899000001"}})
	lines := book.lines(t, "call", nil)
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2", len(lines))
	}
	for key, want := range map[string]any{
		"script": "caller", "status": "NOCREDIT", "account_id": "7", "duration_ms": 2000., "commands": 1.,
		"hungup": false, "remote": "127.0.0.1", "level": "INFO", "err": nil,
	} {
		if lines[0][key] != want {
			t.Errorf("%s: got %v, want %v", key, lines[0][key], want)
		}
	}
	if all := book.b.String(); strings.Contains(all, "59899") || strings.Contains(all, "\x1b") || len(all) > 1000 {
		t.Errorf("log says too much: %q", all)
	}
}

// A failingListener fails before it works.
type failingListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	t.Parallel()
	var book logbook
	ln, err := agi.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failing := &failingListener{Listener: ln}
	failing.failures.Store(4)
	s := &agi.Server{Handler: agi.HandlerFunc(nothing), Logger: book.logger()}
	stop := run(t, s, failing)
	agitest.Call(t, ln.Addr().String(), &agitest.Peer{})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Total != 1 || st.AcceptErrors != 4 {
		t.Errorf("got %+v", st)
	}
	if n := len(book.lines(t, "no call", "accept failed")); n != 1 {
		t.Errorf("logged %d times within a second", n)
	}
}

// TestDrain: at the end a call in Dial is left to Asterisk at once, one that dials now is dialled and left, one
// that works is waited for with its context alive, and a connection that says nothing holds up nobody.
func TestDrain(t *testing.T) {
	t.Parallel()
	working, stopping := make(chan struct{}, 2), make(chan struct{})
	s := &agi.Server{GreetingTimeout: 500 * time.Millisecond}
	s.Handler = agi.HandlerFunc(func(ctx context.Context, ch *agi.Channel) error {
		script := ch.Request().Script
		if script != "dialling" {
			working <- struct{}{}
			<-stopping
		}
		if script == "working" {
			return errors.Join(ctx.Err(), ch.Set("SETTLED", "yes"))
		}
		_, sent, err := ch.Dial("PJSIP/100@trunk,40,L(60000)", 0)
		if !sent || !errors.Is(err, agi.ErrLetGo) {
			t.Errorf("%s: got %v, %v", script, sent, err)
		}
		return err
	})
	ln, err := agi.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s, ln)
	address := ln.Addr().String()

	ringing, end := make(chan struct{}, 2), make(chan struct{})
	peers := map[string]*agitest.Peer{}
	var calls sync.WaitGroup
	for _, script := range []string{"dialling", "about to dial", "working"} {
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: script}}
		p.Dial = func(*agitest.Dial) { ringing <- struct{}{}; <-end }
		peers[script] = p
		calls.Go(func() { agitest.Call(t, address, p) })
	}
	connect(t, address) // says nothing
	await(t, "call in Dial", ringing)
	await(t, "call at work", working)
	await(t, "call at work", working)
	eventually(t, "three calls, one of them in Dial, and a silent connection", func() bool {
		st := s.Stats()
		return st.Open == 3 && st.Dialing == 1 && st.Ungreeted == 1
	})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "call in Dial is let go", func() bool { return s.Stats().Open == 2 })
	close(stopping)
	await(t, "end of Serve", stopped)
	close(end)
	calls.Wait()
	if peers["working"].Vars["SETTLED"] != "yes" {
		t.Errorf("the call at work was not finished: %q", peers["working"].Lines)
	}
	if !slices.Contains(peers["about to dial"].Lines, `> EXEC Dial "PJSIP/100@trunk,40,L(60000)"`) {
		t.Errorf("not dialled: %q", peers["about to dial"].Lines)
	}
	if n := s.Stats().Calls[agi.CallKind{Status: "let_go"}].Count; n != 2 {
		t.Errorf("%d calls let go, want 2", n)
	}
}

// TestShutdownRunsOutOfTime: what is still there then is ended.
func TestShutdownRunsOutOfTime(t *testing.T) {
	t.Parallel()
	working := make(chan struct{})
	s := &agi.Server{Handler: agi.HandlerFunc(func(ctx context.Context, ch *agi.Channel) error {
		close(working)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), agi.ErrStopped) {
			t.Errorf("cause: %v", context.Cause(ctx))
		}
		if err := ch.Set("A", "b"); !errors.Is(err, agi.ErrClosed) {
			t.Errorf("set: %v", err)
		}
		return ctx.Err()
	})}
	ln, err := agi.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s, ln)
	address := ln.Addr().String()
	var call sync.WaitGroup
	call.Go(func() { agitest.Call(t, address, &agitest.Peer{}) })
	await(t, "call", working)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	call.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("second shutdown: %v", err)
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	t.Parallel()
	s := &agi.Server{Handler: agi.HandlerFunc(nothing)}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for range 2 { // the second time because a Server serves once
		ln, err := agi.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Serve(context.Background(), ln) // returns
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is still open: %v", err)
		}
	}
}
