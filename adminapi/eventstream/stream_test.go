package eventstream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"talktime/adminapi/eventstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a stream with limits that a stream would soon be past, and hands over how each ended.
func serve(t *testing.T, s eventstream.Stream) (server *httptest.Server, ended chan error) {
	t.Helper()
	ended = make(chan error, 8)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.Serve(r.Context(), w)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
		ended <- err
	}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	return server, ended
}

// read begins to read a stream. The connection ends with the test.
func read(ctx context.Context, t *testing.T, server *httptest.Server) (*http.Response, *bufio.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, bufio.NewReader(response.Body)
}

// block is what comes up to the next empty line.
func block(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("behind %q: %v", text.String(), err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	server, _ := serve(t, eventstream.Stream{Every: 10 * time.Millisecond, Beat: time.Hour, Patience: time.Minute, Next: func(context.Context) (*eventstream.Event, error) {
		if i := n.Add(1); i%3 == 1 { // the others have nothing new
			return &eventstream.Event{ID: i, Name: "picture", Data: []byte("{\n\"a\":1}\n")}, nil
		}
		return nil, nil
	}})
	response, in := read(t.Context(), t, server)
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("it is %s", kind)
	}
	for i, want := range []string{
		"retry: 3000\n", "id: 1\nevent: picture\ndata: {\ndata: \"a\":1}\n", "id: 4\nevent: picture\ndata: {\ndata: \"a\":1}\n", "id: 7\nevent: picture\ndata: {\ndata: \"a\":1}\n",
	} {
		if got := block(t, in); got != want {
			t.Errorf("block %d is %q, want %q", i, got, want)
		}
	}
}

// TestBeat: without events something is sent now and then, for longer than the server lets other answers take.
func TestBeat(t *testing.T) {
	t.Parallel()
	server, ended := serve(t, eventstream.Stream{Every: time.Hour, Beat: 25 * time.Millisecond, Patience: time.Minute, Next: nothing})
	ctx, cancel := context.WithCancel(t.Context())
	_, in := read(ctx, t, server)
	block(t, in)
	for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
		if got := block(t, in); got != ":\n" {
			t.Fatalf("a beat is %q", got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("when the reader goes: %v", err)
	}
}

func nothing(context.Context) (*eventstream.Event, error) { return nil, nil }

// TestErrors: the first can be told as any other; later ones end the stream.
func TestErrors(t *testing.T) {
	t.Parallel()
	fault := errors.New("no more rights")
	first, ended := serve(t, eventstream.Stream{Every: time.Millisecond, Beat: time.Hour, Patience: time.Minute, Next: func(context.Context) (*eventstream.Event, error) { return nil, fault }})
	response, in := read(t.Context(), t, first)
	if text, _ := io.ReadAll(in); response.StatusCode != http.StatusTeapot || !strings.Contains(string(text), "no more rights") {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if err := <-ended; !errors.Is(err, fault) {
		t.Error(err)
	}
	var n atomic.Int64
	later, ended := serve(t, eventstream.Stream{Every: time.Millisecond, Beat: time.Hour, Patience: time.Minute, Next: func(context.Context) (*eventstream.Event, error) {
		if n.Add(1) == 3 {
			return nil, fault
		}
		return nil, nil
	}})
	_, in = read(t.Context(), t, later)
	if err := <-ended; !errors.Is(err, fault) {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, in) // which ends
}

// TestStop: a server that stops is not kept from it.
func TestStop(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	server, ended := serve(t, eventstream.Stream{Every: time.Hour, Beat: time.Hour, Patience: time.Minute, Stop: stop, Next: nothing})
	server.Config.RegisterOnShutdown(func() { close(stop) })
	_, in := read(t.Context(), t, server)
	block(t, in)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := server.Config.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSlowReader: whoever takes nothing is cut off, once what lies between is full.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	much := bytes.Repeat([]byte("x"), 1<<20)
	server, ended := serve(t, eventstream.Stream{Every: time.Millisecond, Beat: time.Hour, Patience: 100 * time.Millisecond, Next: func(context.Context) (*eventstream.Event, error) {
		return &eventstream.Event{Data: much}, nil
	}})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if err := <-ended; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("it ended with %v", err)
	}
}

// TestNoConnection: where there is nothing to send to, nothing is begun.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	if err := (eventstream.Stream{Every: time.Hour, Beat: time.Hour, Next: nothing}).Serve(t.Context(), httptest.NewRecorder()); err == nil {
		t.Error("a stream is sent into nothing")
	}
}
