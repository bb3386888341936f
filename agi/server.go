package agi

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Server accepts FastAGI connections and runs Handler for each. Set the fields before Serve; a zero field
// takes the default named beside it. One Server serves one listener, once.
type Server struct {
	Handler Handler

	Allow        []netip.Prefix // networks Asterisk may call from; default loopback only
	MaxSessions  int            // calls at once, further ones are closed; default 10,000
	MaxUngreeted int            // connections that have not finished their greeting; default 4,096
	Logger       *slog.Logger   // default: none
	Now          func() time.Time

	GreetingTimeout time.Duration // for the whole greeting; default 5 s
	CommandTimeout  time.Duration // for Asterisk's answer to a command; default 10 s
	PromptTimeout   time.Duration // the same for one that the caller listens to; default 2 min

	draining atomic.Bool
	running  sync.WaitGroup
	greeted  chan struct{} // a connection has left ungreeted

	mu        sync.Mutex
	stop      context.CancelFunc      // ends the accept loop; nil before Serve
	kill      context.CancelCauseFunc // ends the context of all calls
	finished  chan struct{}           // closed when Serve returns; nil before Serve
	ungreeted *list.List              // of *Channel, oldest first
	sessions  map[*Channel]struct{}
	stats     Stats
	warned    map[string]*warning
}

// ErrStopped is the cause of a call's context that ends because Shutdown had to end the call.
var ErrStopped = errors.New("agi: server stopped")

// receiveBuffer is what the kernel keeps of a connection that we do not read, in bytes: more than any greeting, and
// little enough to make a flood wait for us instead of filling memory.
const receiveBuffer = 32 << 10

// Listen opens a TCP listener whose connections notice within two minutes that Asterisk's host is gone, but
// do not cost a packet each every 15 seconds, which Go's default would.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4},
		Control: func(_, _ string, socket syscall.RawConn) error { // connections inherit it
			var failed error
			err := socket.Control(func(fd uintptr) {
				failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
			})
			return cmp.Or(err, failed)
		},
	}
	return lc.Listen(ctx, "tcp", address)
}

// Serve runs until ctx ends or Shutdown is called, then stops accepting, leaves calls in Dial to Asterisk and
// waits for the others. It closes the listener. No handler runs any more when it returns.
//
// The context that handlers get does not end with ctx, so that a call that is being charged is charged; it ends
// when Shutdown runs out of time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	calls, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)

	s.mu.Lock()
	if s.finished != nil {
		s.mu.Unlock()
		return errors.Join(errors.New("agi: server already used"), ln.Close())
	}
	s.stop, s.kill, s.finished = stop, kill, make(chan struct{})
	s.greeted = make(chan struct{}, 1)
	s.ungreeted, s.sessions = list.New(), map[*Channel]struct{}{}
	s.mu.Unlock()
	defer close(s.finished)

	context.AfterFunc(accepting, func() { ln.Close() }) // wakes Accept
	if s.draining.Load() {                              // Shutdown came first
		stop()
	}
	s.accept(accepting, calls, ln)
	ln.Close()
	s.drain()
	s.running.Wait()
	return nil
}

// Shutdown makes Serve stop as the end of its context does, and waits for it. If ctx ends first, it closes all
// connections, ends the context of their handlers and returns an error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	stop, finished := s.stop, s.finished
	s.mu.Unlock()
	if finished == nil {
		return nil
	}
	stop()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.ungreeted.Front(); e != nil; e = e.Next() {
		e.Value.(*Channel).conn.Close()
	}
	for c := range s.sessions {
		c.conn.Close()
	}
	s.kill(ErrStopped)
	return fmt.Errorf("agi: stopped with %d calls not finished: %w", len(s.sessions), context.Cause(ctx))
}

// drain leaves the calls in Dial to Asterisk. Connections that were accepted last are still served if they greet
// soon, for they may be reducers; one that says nothing does not hold up the end.
func (s *Server) drain() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.ungreeted.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*Channel).conn.SetDeadline(time.Now().Add(s.greetingTimeout() / 5))
	}
	for c := range s.sessions {
		c.letGo()
	}
}

// accept takes connections until accepting ends. No error of the listener ends it before: out of descriptors,
// for instance, it must still be there when calls end and free some.
func (s *Server) accept(accepting, calls context.Context, ln net.Listener) {
	var pause time.Duration
	for accepting.Err() == nil {
		conn, err := ln.Accept()
		if err != nil {
			if accepting.Err() != nil {
				return
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.count(func(st *Stats) { st.AcceptErrors++ })
			s.warn("accept failed", slog.Any("err", err))
			wait(accepting, nil, pause)
			continue
		}
		pause = 0
		s.admit(accepting, calls, conn)
	}
}

// admit starts a session on conn, or closes it.
func (s *Server) admit(accepting, calls context.Context, conn net.Conn) {
	if !s.allowed(conn) {
		s.count(func(st *Stats) { st.RejectedAddress++ })
		s.warn("network not allowed", remote(conn))
		conn.Close()
		return
	}
	if s.full() {
		s.reject(conn)
		return
	}
	s.makeRoom(accepting)
	c := newChannel(s, conn)
	_ = conn.SetDeadline(time.Now().Add(s.greetingTimeout())) // for the whole greeting, however slowly it comes
	s.mu.Lock()
	place := s.ungreeted.PushBack(c)
	s.mu.Unlock()
	s.running.Add(1)
	go s.serve(calls, c, place)
}

func (s *Server) reject(conn net.Conn) {
	s.count(func(st *Stats) { st.RejectedLimit++ })
	s.warn("too many calls at once", slog.Int("limit", s.maxSessions()))
	conn.Close()
}

// makeRoom waits until there is a place among the connections that have not greeted. When those say nothing for
// a while, the oldest loses its place to whoever comes. The while is short, but counts from when we began to
// listen: in a burst of real calls, accepted faster than they are read, nobody is late.
func (s *Server) makeRoom(accepting context.Context) {
	patience := s.greetingTimeout() / 100
	for accepting.Err() == nil {
		s.mu.Lock()
		if s.ungreeted.Len() < cmp.Or(s.MaxUngreeted, 4096) {
			s.mu.Unlock()
			return
		}
		oldest := s.ungreeted.Front()
		c := oldest.Value.(*Channel)
		if !c.started.IsZero() && s.now().Sub(c.started) >= patience {
			s.ungreeted.Remove(oldest)
			c.dropped = true
			s.stats.DroppedUngreeted++
			s.mu.Unlock()
			c.conn.Close()
			s.warn("silent, and others were waiting", remote(c.conn))
			return
		}
		s.mu.Unlock()
		wait(accepting, s.greeted, patience)
	}
}

// serve is one connection's goroutine.
func (s *Server) serve(ctx context.Context, c *Channel, place *list.Element) {
	defer s.running.Done()
	defer c.conn.Close()
	s.mu.Lock()
	c.started = s.now()
	s.mu.Unlock()
	err := c.greet()
	if errors.Is(err, ErrProtocol) {
		// Whoever talks nonsense comes back as soon as we close, and would keep a core busy with it. Nothing is read
		// meanwhile, and the connection counts as one that has not greeted.
		wait(ctx, nil, s.greetingTimeout()/5)
	}
	if !s.greet(c, place, err) {
		return
	}
	stack, err := s.call(ctx, c)
	s.end(c, err, stack)
}

// greet moves a connection from ungreeted to sessions, unless its greeting failed or the server is full.
func (s *Server) greet(c *Channel, place *list.Element, err error) bool {
	s.mu.Lock()
	dropped := c.dropped
	s.ungreeted.Remove(place)
	ok := err == nil && !dropped && len(s.sessions) < s.maxSessions()
	if ok {
		s.sessions[c] = struct{}{}
		s.stats.Total++
	}
	s.mu.Unlock()
	select {
	case s.greeted <- struct{}{}:
	default:
	}
	switch {
	case ok, dropped:
	case c.in.end == 0 && errors.Is(err, ErrClosed): // not a byte: somebody looks whether the port is open
	case err != nil:
		s.count(func(st *Stats) { st.fault(err) })
		s.warn("greeting failed: "+faultKind(err), remote(c.conn))
	default:
		s.reject(c.conn)
	}
	return ok
}

// call runs the handler and survives its panic.
func (s *Server) call(ctx context.Context, c *Channel) (stack []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			stack, err = debug.Stack(), fmt.Errorf("panic: %v", v)
			refuse(c, "internal error")
		}
	}()
	return nil, s.Handler.ServeAGI(ctx, c)
}

// end counts and logs a call that is over.
func (s *Server) end(c *Channel, err error, stack []byte) {
	status := outcome(c.status, err, stack != nil)
	took := s.now().Sub(c.started)
	s.mu.Lock()
	delete(s.sessions, c)
	s.stats.ended(c.script, status, took)
	if stack != nil {
		s.stats.Panics++
	}
	if c.broken != nil {
		s.stats.fault(c.broken)
	} else if err != nil {
		s.stats.fault(err)
	}
	s.mu.Unlock()
	s.log(c, status, took, err, stack)
}

// log writes the one line of a call.
func (s *Server) log(c *Channel, status string, took time.Duration, err error, stack []byte) {
	if s.Logger == nil {
		return
	}
	level := slog.LevelInfo
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.String("script", c.script), slog.String("status", status),
		slog.String("unique_id", short(c.request.UniqueID)), slog.String("remote", c.request.RemoteAddr.String()),
		slog.Int64("duration_ms", took.Milliseconds()), slog.Int("commands", c.commands),
		slog.Bool("hungup", c.in.hungup))
	attrs = append(attrs, c.notes...)
	if status == StatusError {
		level = slog.LevelWarn
	}
	if err != nil && !errors.Is(err, ErrLetGo) {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	if stack != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(stack)))
	}
	s.Logger.LogAttrs(context.Background(), level, "call", attrs...)
}

// A warning is about connections that did not become calls. Strangers can cause any number of those, so each
// reason is logged once a second at most, with how many there were.
type warning struct {
	last  time.Time
	count int
}

func (s *Server) warn(reason string, attr slog.Attr) {
	if s.Logger == nil {
		return
	}
	s.mu.Lock()
	if s.warned == nil {
		s.warned = map[string]*warning{}
	}
	w := s.warned[reason]
	if w == nil {
		w = &warning{}
		s.warned[reason] = w
	}
	w.count++
	now, count := s.now(), w.count
	due := now.Sub(w.last) >= time.Second
	if due {
		w.last, w.count = now, 0
	}
	s.mu.Unlock()
	if due {
		s.Logger.LogAttrs(context.Background(), slog.LevelWarn, "no call",
			slog.String("reason", reason), slog.Int("times", count), attr)
	}
}

func (s *Server) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions) >= s.maxSessions()
}

func (s *Server) allowed(conn net.Conn) bool {
	addr := remoteAddr(conn)
	if len(s.Allow) == 0 {
		return addr.IsLoopback()
	}
	return slices.ContainsFunc(s.Allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// remoteAddr returns the peer's address in the form a prefix is compared with, or the zero Addr.
func remoteAddr(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func remote(conn net.Conn) slog.Attr { return slog.String("remote", conn.RemoteAddr().String()) }

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Server) maxSessions() int               { return cmp.Or(s.MaxSessions, 10_000) }
func (s *Server) greetingTimeout() time.Duration { return cmp.Or(s.GreetingTimeout, 5*time.Second) }
func (s *Server) commandTimeout() time.Duration  { return cmp.Or(s.CommandTimeout, 10*time.Second) }
func (s *Server) promptTimeout() time.Duration   { return cmp.Or(s.PromptTimeout, 2*time.Minute) }

// wait waits for d, a signal or the end of ctx.
func wait(ctx context.Context, signal <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-signal:
	case <-timer.C:
	}
}

// short makes text from a peer fit for the log: bounded, and a question mark for whatever is no printable ASCII.
func short(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), 64)])
}
