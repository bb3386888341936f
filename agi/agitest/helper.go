package agitest

import (
	"context"
	"net"
	"os"
	"time"
)

// TB is what the helpers need of a *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
}

// patience bounds every dialogue in a test; none comes near it.
const patience = 20 * time.Second

// Start runs a server (an *agi.Server) on a loopback port until the test ends and returns its address. It waits
// for the server to end.
func Start(t TB, server interface {
	Serve(context.Context, net.Listener) error
},
) (address string) {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// Call runs one call, recorded, against the server at address. When it returns and the server ended the
// connection, the server has done all it does for the call, its log line included.
func Call(t TB, address string, p *Peer) {
	t.Helper()
	p.Record = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Call(ctx, address); err != nil {
		t.Errorf("call: %v", err)
	}
}

// ReplayFile holds the server at address to a transcript.
func ReplayFile(t TB, address, file string) {
	t.Helper()
	transcript, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", address)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("%v", err)
	}
	if err := Replay(conn, string(transcript)); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}
