package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/internal/wiring"
)

// TestSlowClients: whoever says nothing, or a byte now and then, is cut off, whatever he is at; meanwhile others are
// answered. The limits are those of the server, a twentieth as long.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	}), slog.New(slog.DiscardHandler))
	for _, limit := range []*time.Duration{&server.ReadHeaderTimeout, &server.ReadTimeout, &server.WriteTimeout, &server.IdleTimeout} {
		if *limit <= 0 || *limit > 2*time.Minute {
			t.Fatalf("a limit is %s", *limit)
		}
		*limit /= 20
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() { _, _ = server.Close(), <-served })

	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
	gone := make(chan string)
	slow := map[string]struct{ once, then string }{
		"silence": {}, "half a line": {once: "POST / HT"}, "half a head": {once: head}, "a head without an end": {once: head, then: "X: y\r\n"},
		"a head byte by byte": {then: "G"}, "no body": {once: head + "\r\n"}, "a body byte by byte": {once: head + "\r\n", then: "x"},
		"an idle connection": {once: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
	}
	const each = 25
	for what, s := range slow {
		for range each {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				_, _ = io.WriteString(conn, s.once)
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					defer cancel()
					_, _ = io.Copy(io.Discard, conn) // until the server has had enough
				}()
				for ctx.Err() == nil {
					wiring.Pause(ctx, 50*time.Millisecond)
					_, _ = io.WriteString(conn, s.then)
				}
				gone <- what
			}()
		}
	}
	for range 20 {
		answer, err := http.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNoContent {
			t.Errorf("others are answered %s", answer.Status)
		}
	}
	left := map[string]int{}
	for what := range slow {
		left[what] = each
	}
	patience := time.After(time.Minute)
	for range each * len(slow) {
		select {
		case what := <-gone:
			left[what]--
		case <-patience:
			t.Fatalf("these are still connected: %v", left)
		}
	}
}

// TestLongHeads are refused.
func TestLongHeads(t *testing.T) {
	t.Parallel()
	server := newServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() { _, _ = server.Close(), <-served })
	for length, want := range map[int]int{100 << 10: http.StatusNotFound, 1 << 20: http.StatusRequestHeaderFieldsTooLarge} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = fmt.Fprintf(conn, "GET /?q=%s HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", length))
		}()
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		conn.Close()
		if answer.StatusCode != want {
			t.Errorf("%d bytes are answered %s", length, answer.Status)
		}
	}
}
