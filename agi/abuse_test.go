package agi_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
)

// TestAbuse: whatever strangers from an allowed network do with a thousand connections, calls are served, and
// neither memory nor goroutines grow beyond what the limits allow.
func TestAbuse(t *testing.T) {
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(i * 7)
	}
	head := "agi_network: yes\nagi_network_script: caller\n"
	for _, test := range []struct {
		name  string
		conns int
		abuse func(c net.Conn, done <-chan struct{}) error
	}{
		{"silent", 1000, say("")},
		{"half a greeting", 1000, say(head)},
		{"slow bytes", 100, func(c net.Conn, done <-chan struct{}) error {
			for _, b := range []byte(head + strings.Repeat("agi_x: y\n", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return err
				}
				select {
				case <-done:
					return nil
				case <-time.After(time.Millisecond):
				}
			}
			return nil
		}},
		{"an endless line", 50, forever(strings.Repeat("x", 1<<16))},
		{"an endless line of the greeting", 50, forever(head + "agi_x: " + strings.Repeat("x", 1<<16))},
		{"binary noise", 50, forever(string(noise))},
		{"a greeting of 100,000 lines", 50, say(head + strings.Repeat("agi_x: y\n", 100_000) + "\n")},
		{"a greeting of empty lines", 50, forever("\n")},
		{"a greeting and then rubbish", 50, forever(head + "\n" + strings.Repeat("rubbish\n", 1000))},
		{"a greeting and then HANGUP for ever", 50, forever(head + "\n" + strings.Repeat("HANGUP\n", 1000))},
		{"a greeting and then nothing", 200, say(head + "\n")},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &agi.Server{Handler: agi.HandlerFunc(dialogue), MaxUngreeted: 100}
			address := agitest.Start(t, s)
			done := make(chan struct{})
			var abusers sync.WaitGroup
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			for range test.conns {
				conn := connect(t, address)
				abusers.Go(func() {
					_ = test.abuse(conn, done) // the server may close it any time
				})
			}
			for i := range 100 {
				p := &agitest.Peer{}
				agitest.Call(t, address, p)
				if p.Vars["TALKTIME_STATUS"] != "OK" {
					t.Fatalf("call %d: %v", i, p.Lines)
				}
			}
			var after runtime.MemStats
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			if st := s.Stats(); st.Ungreeted > 100 {
				t.Errorf("%d connections without greeting", st.Ungreeted)
			}
			close(done)
			abusers.Wait() // also for those that write until the server closes: it does
		})
	}
}

func say(text string) func(net.Conn, <-chan struct{}) error {
	return func(c net.Conn, _ <-chan struct{}) error {
		_, err := fmt.Fprint(c, text)
		return err
	}
}

func forever(text string) func(net.Conn, <-chan struct{}) error {
	return func(c net.Conn, _ <-chan struct{}) error {
		for {
			if _, err := fmt.Fprint(c, text); err != nil {
				return err
			}
		}
	}
}

// TestSlowBytesDoNotExtendTheGreeting: its deadline is for all of it.
func TestSlowBytesDoNotExtendTheGreeting(t *testing.T) {
	t.Parallel()
	s := &agi.Server{Handler: agi.HandlerFunc(nothing), GreetingTimeout: 100 * time.Millisecond}
	conn := connect(t, agitest.Start(t, s))
	var err error
	for start := time.Now(); err == nil && time.Since(start) < patience; time.Sleep(10 * time.Millisecond) {
		_, err = fmt.Fprint(conn, "a")
	}
	if err == nil {
		t.Error("the server goes on reading")
	}
	if n := s.Stats().Faults["timeout"]; n != 1 {
		t.Errorf("%d timeouts counted, want 1", n)
	}
}
