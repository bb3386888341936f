package storetest

import (
	"io"
	"iter"
	"net"
	"slices"
	"sync"
	"testing"
)

// proxy stands between us and a database server, and can break a connection at the worst moment: at a commit.
type proxy struct {
	listener net.Listener
	server   string

	mu        sync.Mutex
	cut       bool // the next commit's connection
	delivered bool // after the server has answered it
	thenDown  bool // and nobody is let through any more
	down      bool
	done      int
	seen      []string
	conns     sync.WaitGroup
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server}
	p.conns.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.conns.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		server, err := net.Dial("tcp", p.server)
		if err != nil || down {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		p.conns.Go(func() { p.forward(client, server) })
	}
}

// forward passes the client's packets on one by one. What the server says passes as it comes, unless a commit is to be
// cut: then only until the server has answered it.
func (p *proxy) forward(client, server net.Conn) {
	answered := make(chan struct{}, 1)
	var muted sync.Mutex
	mute := false
	p.conns.Go(func() {
		defer func() { _ = client.Close() }()
		buffer := make([]byte, 64*1024)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			muted.Lock()
			quiet := mute
			muted.Unlock()
			if quiet {
				answered <- struct{}{}
				return
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	defer func() { _ = server.Close() }()
	for {
		packet, err := readPacket(client)
		if err != nil {
			return
		}
		cut, delivered := p.inspect(packet)
		if cut && !delivered {
			_ = client.Close()
			return
		}
		if cut {
			muted.Lock()
			mute = true
			muted.Unlock()
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
		if cut {
			<-answered
			_ = client.Close()
			return
		}
	}
}

// readPacket reads a packet of the MySQL protocol, its header included.
func readPacket(r io.Reader) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	packet := append(header, make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)...)
	_, err := io.ReadFull(r, packet[4:])
	return packet, err
}

const comQuery = 3

// inspect says whether the connection is to be cut at this packet.
func (p *proxy) inspect(packet []byte) (cut, delivered bool) {
	if len(packet) < 5 || packet[4] != comQuery || len(packet) > 64 {
		return false, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	statement := string(packet[5:])
	p.seen = append(p.seen, statement)
	if !p.cut || statement != "COMMIT" {
		return false, false
	}
	p.cut, p.down = false, p.thenDown
	p.done++
	return true, p.delivered
}

// goDownAtNextCommit breaks the connection that commits next, after the server has carried it out, and lets nobody
// through until comeBack.
func (p *proxy) goDownAtNextCommit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delivered, p.thenDown = true, true, true
}

func (p *proxy) comeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.thenDown = false, false
}

// cutNextCommit breaks the connection that commits next: after the server has carried it out, or before it hears of it.
func (p *proxy) cutNextCommit(delivered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delivered = true, delivered
}

func (p *proxy) cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// statements are the short ones that went through.
func (p *proxy) statements() iter.Seq[string] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Values(slices.Clone(p.seen))
}
