package pbx

import (
	"context"
	"crypto/md5" //nolint:gosec // the only digest that Asterisk's login knows
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxRequests    = 64               // requests under way on one connection; further ones wait
	maxListEvents  = 100_000          // events of one list
	maxListBytes   = 64 << 20         // events of all lists under way together
	requestTimeout = 30 * time.Second // for requests whose context has no earlier end
	writeTimeout   = 10 * time.Second
)

// ErrSilent means that the end of the time for a request came before Asterisk's answer. It comes beside context.DeadlineExceeded.
var ErrSilent = errors.New("Asterisk did not answer in time")

var errClosed = errors.New("the connection was closed by us")

// RefusedError is Asterisk's "no" to an action.
type RefusedError struct {
	Action string
	Reason string // Asterisk's words
}

func (e *RefusedError) Error() string { return e.Action + " refused: " + e.Reason }

// call is a request under way. All fields but done belong to the session's mutex until done is closed.
type call struct {
	action string
	list   bool
	answer Message   // nil: not yet
	events []Message // of a list
	end    Message   // the event that ended the list; nil: not yet
	size   int       // bytes of events, counted in session.held
	err    error
	done   chan struct{}
}

func (c *call) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// session is one connection. One goroutine reads and gives each answer to whoever waits for it, one writes; neither
// ever waits for a caller.
type session struct {
	ami     AMI
	conn    net.Conn
	stats   *counters
	publish func(Message) // gets the events that nobody asked for; must not block
	prefix  string        // of our ActionIDs
	out     chan []byte
	slots   chan struct{}
	ended   chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	err     error // why it ended, set before ended is closed
	waiting map[string]*call
	last    uint64 // number of the last ActionID
	held    int    // bytes of the events of all lists under way
}

// newSession reads the banner and starts reading and writing. The session must be closed. On an error conn is closed.
func newSession(ctx context.Context, conn net.Conn, a AMI, stats *counters, publish func(Message)) (*session, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // the end of ctx ends a read that waits
	in := newReader(conn)
	err := in.banner()
	if !stop() {
		err = fmt.Errorf("no banner: %w", context.Cause(ctx))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &session{
		ami: a, conn: conn, stats: stats, publish: publish, prefix: hex.EncodeToString(id[:]) + "-",
		out: make(chan []byte, maxRequests), slots: make(chan struct{}, maxRequests), ended: make(chan struct{}),
		waiting: make(map[string]*call),
	}
	s.running.Go(func() { s.end(s.read(in)) })
	s.running.Go(func() { s.end(s.write()) })
	return s, nil
}

// close ends the session for a reason and returns when its goroutines have gone.
func (s *session) close(why error) {
	s.end(why)
	s.running.Wait()
}

// end gives the connection up. The first reason is the one that counts.
func (s *session) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = why
	s.conn.Close()
	close(s.ended)
}

// lost returns why the session ended.
func (s *session) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: the connection ended: %w", ErrAway, s.err)
}

// login prefers the challenge, with which the secret does not travel, and falls back to the plain secret.
func (s *session) login(ctx context.Context, mask string) error {
	fields := []Field{{"Username", s.ami.User}}
	challenge, err := s.send(ctx, Action{Name: "Challenge", Fields: []Field{{"AuthType", "MD5"}}}, false)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) || err == nil && challenge.answer.Get("Challenge") == "":
		fields = append(fields, Field{"Secret", s.ami.Secret})
	case err != nil:
		return err
	default:
		sum := md5.Sum([]byte(challenge.answer.Get("Challenge") + s.ami.Secret)) //nolint:gosec // Asterisk knows no other
		fields = append(fields, Field{"AuthType", "MD5"}, Field{"Key", hex.EncodeToString(sum[:])})
	}
	_, err = s.send(ctx, Action{Name: "Login", Fields: append(fields, Field{"Events", mask})}, false)
	return err
}

// do sends an action when fewer than maxRequests are under way, and waits for its answer or the end of its list.
func (s *session) do(ctx context.Context, a Action, list bool) (*call, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %d other requests wait for answers: %w", a.Name, maxRequests, s.timedOut(ctx))
	case <-s.ended:
		return nil, s.lost()
	}
	return s.send(ctx, a, list)
}

// send is do for our own actions, which must not wait for others.
func (s *session) send(ctx context.Context, a Action, list bool) (*call, error) {
	s.mu.Lock()
	s.last++
	id := s.prefix + strconv.FormatUint(s.last, 10)
	s.mu.Unlock()
	text, err := a.encode(id)
	if err != nil {
		return nil, err
	}
	s.stats.add(&s.stats.s.Requests)
	c := &call{action: a.Name, list: list, done: make(chan struct{})}
	s.mu.Lock()
	s.waiting[id] = c
	s.mu.Unlock()
	defer s.forget(id, c)
	sent := false
	select {
	case s.out <- text:
		sent = true
	case <-ctx.Done():
	case <-s.ended:
	}
	select {
	case <-c.done:
	case <-ctx.Done():
	case <-s.ended:
	}
	switch {
	case c.finished():
		return c, c.err
	case ctx.Err() != nil:
		err = fmt.Errorf("%s: Asterisk has not answered: %w", a.Name, s.timedOut(ctx))
	default:
		err = s.lost()
	}
	if sent {
		err = unansweredError{err}
	}
	return nil, err
}

// unansweredError is that of an action which Asterisk may have got.
type unansweredError struct{ error }

func (e unansweredError) Unwrap() error { return e.error }

// timedOut counts a request whose context has ended, and returns why it has.
func (s *session) timedOut(ctx context.Context) error {
	why := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.stats.add(&s.stats.s.Timeouts)
		why = fmt.Errorf("%w: %w", ErrSilent, why)
	}
	return why
}

// forget takes a request off; what comes for it from now on is late.
func (s *session) forget(id string, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
	s.held -= c.size
}

func (s *session) write() error {
	for {
		select {
		case text := <-s.out:
			if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				return err
			}
			if _, err := s.conn.Write(text); err != nil {
				return fmt.Errorf("an action cannot be sent: %w", err)
			}
		case <-s.ended:
			return errClosed
		}
	}
}

func (s *session) read(in *reader) error {
	for {
		m, err := in.next()
		long := errors.Is(err, errTooLong)
		if err != nil && !long {
			if errors.Is(err, errEndless) {
				s.stats.add(&s.stats.s.Endless)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("closed by Asterisk: %w", err)
			}
			return err
		}
		if in.malformed > 0 {
			s.stats.addN(&s.stats.s.Malformed, in.malformed)
			in.malformed = 0
		}
		s.deliver(m, long)
	}
}

// deliver gives a block to whom it is for. Nothing in it waits.
func (s *session) deliver(m Message, long bool) {
	id, event := m.Get("ActionID"), m.Get("Event")
	if event != "" {
		s.stats.add(&s.stats.s.Events)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.waiting[id]
	switch {
	case long:
		s.stats.add(&s.stats.s.TooLong)
		if c != nil {
			s.finish(c, fmt.Errorf("%s: %w", c.action, errTooLong))
		}
	case event != "" && c != nil && c.list && !c.finished():
		s.collect(c, m)
	case event != "" && (id == "" || strings.HasSuffix(m.Get("Privilege"), ",all")):
		s.publish(m) // events for everybody may carry the ActionID of whoever caused them
	case event == "" && m.Get("Response") == "":
		s.stats.add(&s.stats.s.Malformed)
	case event == "" && c != nil && c.answer == nil && !c.finished():
		s.answer(c, m)
	case c != nil:
		s.stats.add(&s.stats.s.Twice)
	case strings.HasPrefix(id, s.prefix):
		s.stats.add(&s.stats.s.Late)
	default:
		s.stats.add(&s.stats.s.Foreign)
	}
}

// answer takes the answer to an action, which ends it unless a list follows.
func (s *session) answer(c *call, m Message) {
	c.answer = m
	switch response := m.Get("Response"); {
	case strings.EqualFold(response, "Error"):
		reason := m.Get("Message")
		if output := m.Values("Output"); len(output) > 0 { // a command's message says only that output follows
			reason = strings.Join(output, " ")
		}
		s.stats.add(&s.stats.s.Refused)
		s.finish(c, &RefusedError{Action: c.action, Reason: s.ami.tell(reason)})
	case c.list && !strings.EqualFold(m.Get("EventList"), "start"):
		s.finish(c, fmt.Errorf("%s: Asterisk answers this action without a list", c.action))
	case !c.list || c.end != nil:
		s.finish(c, nil)
	}
}

// collect takes an event of a list.
func (s *session) collect(c *call, m Message) {
	size := m.size()
	switch state := m.Get("EventList"); {
	case strings.EqualFold(state, "Complete") || state == "" && strings.HasSuffix(m.Get("Event"), "Complete"):
		c.end = m
		if c.answer != nil {
			s.finish(c, nil)
		}
	case strings.EqualFold(state, "Cancelled"):
		s.finish(c, fmt.Errorf("%s: Asterisk has cancelled the list", c.action))
	case len(c.events) >= maxListEvents || s.held+size > maxListBytes:
		s.stats.add(&s.stats.s.TooLong)
		s.finish(c, fmt.Errorf("%s: the list is longer than %d events, or all lists under way than %d MiB", c.action, maxListEvents, maxListBytes>>20))
	default:
		c.events = append(c.events, m)
		c.size += size
		s.held += size
	}
}

// finish wakes the caller of a request.
func (s *session) finish(c *call, err error) {
	if !c.finished() {
		c.err = err
		close(c.done)
	}
}
