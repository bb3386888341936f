package lab

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Relay is a TCP address that leads to another one, and can be cut off from it.
type Relay struct {
	Addr string

	listener net.Listener
	over     sync.WaitGroup

	mu    sync.Mutex
	to    string // empty: nowhere
	conns []net.Conn
}

// NewRelay opens one, which leads nowhere until [Relay.To]; it is closed when the test ends.
func NewRelay(t testing.TB) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Addr: listener.Addr().String(), listener: listener}
	r.over.Go(r.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		r.Cut()
		r.over.Wait()
	})
	return r
}

// To says where connections lead from now on. Those that there are stay where they are.
func (r *Relay) To(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = addr
}

// Cut closes all connections, and new ones at once.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = ""
	for _, conn := range r.conns {
		_ = conn.Close()
	}
	r.conns = nil
}

func (r *Relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.join(conn)
	}
}

// join connects a connection with where it leads to, or closes it.
func (r *Relay) join(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	other, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = conn.Close()
		return
	}
	r.conns = append(r.conns, conn, other)
	for _, pair := range [][2]net.Conn{{conn, other}, {other, conn}} {
		r.over.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
		})
	}
}
