package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	connectTimeout = 10 * time.Second // dialling, banner and login
	pingEvery      = 20 * time.Second
	pingTimeout    = 10 * time.Second
	firstPause     = time.Second // before the first new attempt; doubled up to longestPause, which also proves a connection good
	longestPause   = 30 * time.Second
)

// ErrAway means that there is no connection to the manager interface now. Errors that wrap it say why.
var ErrAway = errors.New("the manager interface of Asterisk is away")

// Options of a Client. The zero value is useful.
type Options struct {
	Logger *slog.Logger                                // nil: no logs
	Dial   func(ctx context.Context) (net.Conn, error) // nil: TCP to AMI.Addr
	Now    func() time.Time                            // nil: the clock
	// Ping is the pause between looks whether a silent connection is still there, PingTimeout how long its answer may take, and LongestPause
	// that between attempts to connect, except after a refusal. Zero: 20, 10 and 30 seconds.
	Ping, PingTimeout, LongestPause time.Duration
}

// Client keeps one connection to a manager interface, and makes a new one in the background whenever it is lost. Its
// methods may be called by many goroutines at a time.
type Client struct {
	ami    AMI
	log    *slog.Logger
	dial   func(ctx context.Context) (net.Conn, error)
	now    func() time.Time
	times  times
	stats  counters
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	run    sync.WaitGroup
	masks  chan struct{} // the first subscriber came, or the last has gone
	cache  cache

	mu      sync.Mutex
	current *session // nil: not connected
	number  uint64   // of the connection
	why     error    // why there is no connection
	subs    []*Subscription
	closed  bool
}

// times are those of the Options, or the usual ones.
type times struct{ ping, pingTimeout, longestPause time.Duration }

// Open starts a client, which connects in the background: an Asterisk that is away is no error here, settings that no
// Asterisk could understand are. The client must be closed.
func Open(a AMI, o Options) (*Client, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	c := &Client{ami: a, log: o.Logger, dial: o.Dial, now: o.Now, masks: make(chan struct{}, 1), why: errors.New("it has not answered yet")}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.dial == nil {
		c.dial = a.dial
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.times = times{cmp.Or(o.Ping, pingEvery), cmp.Or(o.PingTimeout, pingTimeout), cmp.Or(o.LongestPause, longestPause)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.run.Go(c.keep)
	return c, nil
}

// Close ends the connection, all requests under way and all subscriptions, and returns when nothing of the client runs.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.run.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		close(s.events)
	}
	c.subs = nil
}

// Stats returns the counts until now.
func (c *Client) Stats() Stats {
	s := c.stats.snapshot()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Connected = c.current != nil
	return s
}

// Do sends an action and returns its answer. Errors: ErrAway without a connection, *RefusedError when Asterisk says no,
// that of ctx, or of 30 seconds, when no answer comes; what Asterisk has done then nobody knows.
func (c *Client) Do(ctx context.Context, a Action) (Message, error) {
	answer, err := c.request(ctx, a, false)
	if err != nil {
		return nil, err
	}
	return answer.answer, nil
}

// List sends an action that is answered by a list, and returns the events of the list, its end not among them. Errors are
// those of Do; a list of more than 100,000 events is one too.
func (c *Client) List(ctx context.Context, a Action) ([]Message, error) {
	answer, err := c.request(ctx, a, true)
	if err != nil {
		return nil, err
	}
	return answer.events, nil
}

// Command runs a command of Asterisk's console, which needs the right to write "command", and returns the lines it
// prints, of at most 64 KiB together. A command that fails is a *RefusedError with what it printed.
func (c *Client) Command(ctx context.Context, command string) ([]string, error) {
	answer, err := c.Do(ctx, Action{Name: "Command", Fields: []Field{{"Command", command}}})
	if err != nil {
		return nil, err
	}
	return answer.Values("Output"), nil
}

// request is what the typed questions stand on.
func (c *Client) request(ctx context.Context, a Action, list bool) (*call, error) {
	s, err := c.session()
	if err != nil {
		c.stats.add(&c.stats.s.Away)
		return nil, err
	}
	return s.do(ctx, a, list)
}

func (c *Client) session() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, c.why)
	}
	return c.current, nil
}

// keep connects again and again until the client is closed.
func (c *Client) keep() {
	first := min(firstPause, c.times.longestPause)
	pause := first
	for said := ""; ; {
		began := c.now()
		err := c.connection()
		if c.ctx.Err() != nil {
			c.set(nil, errClosed)
			return
		}
		c.set(nil, err)
		if c.now().Sub(began) >= c.times.longestPause {
			pause = first
		}
		var refused *RefusedError
		if errors.As(err, &refused) {
			pause = longestPause // asking more often changes no password, and looks like an attack
		}
		if err.Error() != said {
			said = err.Error()
			c.log.Warn("the manager interface of Asterisk is away, trying on", "addr", c.ami.Addr, "err", err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // a pause is no secret
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
		}
		pause = min(2*pause, c.times.longestPause)
	}
}

func (c *Client) set(s *session, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.why = s, why
}

// connection makes one connection and returns why it ended.
func (c *Client) connection() error {
	s, mask, err := c.connect()
	if err != nil {
		c.stats.add(&c.stats.s.Failures)
		return err
	}
	c.stats.add(&c.stats.s.Connects)
	c.set(s, nil)
	c.log.Info("connected to the manager interface of Asterisk", "addr", c.ami.Addr)
	err = c.tend(s, mask)
	c.set(nil, err)
	s.close(err)
	if c.ctx.Err() == nil {
		c.stats.add(&c.stats.s.Losses)
	}
	return err
}

// connect returns a session that is logged in, and the events that it was asked for.
func (c *Client) connect() (s *session, mask string, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	c.number++ // before its first event
	c.mu.Unlock()
	s, err = newSession(ctx, conn, c.ami, &c.stats, c.publish)
	if err != nil {
		return nil, "", err
	}
	mask = c.wanted()
	if err := s.login(ctx, mask); err != nil {
		s.close(err)
		return nil, "", err
	}
	return s, mask, nil
}

// tend pings, and asks for the events that somebody wants, until the session ends.
func (c *Client) tend(s *session, mask string) error {
	ticker := time.NewTicker(c.times.ping)
	defer ticker.Stop()
	for {
		if want := c.wanted(); want != mask {
			mask = want
			if err := c.small(s, Action{Name: "Events", Fields: []Field{{"EventMask", mask}}}); err != nil {
				return err
			}
		}
		c.greet()
		select {
		case <-c.ctx.Done():
			return errClosed
		case <-s.ended:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.err
		case <-c.masks:
		case <-ticker.C:
			if err := c.small(s, Action{Name: "Ping"}); err != nil {
				return err
			}
		}
	}
}

// small sends an action of our own. A refusal is an answer.
func (c *Client) small(s *session, a Action) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.times.pingTimeout)
	defer cancel()
	_, err := s.send(ctx, a, false)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		c.log.Warn("Asterisk refused an action", "action", a.Name, "err", err)
		return nil
	}
	return err
}

// Connected is an event of our own, for who asks for it by name: from now on all events of its Connection come.
const Connected = "Connected"

// Event is an event for a subscriber.
type Event struct {
	Message
	// Connection numbers the connections. When it differs from that of the event before, events between may be lost.
	Connection uint64
	// Missed is how many events were dropped just before this one, since the channel was full.
	Missed uint64
}

// Subscription gets events. It must be closed, and read: what does not fit into its channel is dropped and counted.
type Subscription struct {
	client *Client
	names  []string
	events chan Event

	missed, dropped uint64 // by client.mu
	asked           bool   // its events were asked for; by client.mu
	greeted         uint64 // the connection of which it was told; by client.mu
}

// Subscribe asks for the events of the given names, such as "Hangup", or for all. The channel holds size events, at least one.
// Events come only while there is a subscriber, and need the right to read their class.
func (c *Client) Subscribe(size int, names ...string) *Subscription {
	s := &Subscription{client: c, names: names, events: make(chan Event, max(size, 1))}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		close(s.events)
		return s
	}
	c.subs = append(c.subs, s)
	c.wake()
	return s
}

// Events is the channel, which is closed by Close of the subscription or of the client.
func (s *Subscription) Events() <-chan Event { return s.events }

// Dropped returns how many events did not fit into the channel until now.
func (s *Subscription) Dropped() uint64 {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.dropped
}

// Close ends the subscription. Closing it twice does no harm.
func (s *Subscription) Close() {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.subs, s); i >= 0 {
		c.subs = slices.Delete(c.subs, i, i+1)
		close(s.events)
		c.wake()
	}
}

// wake lets tend look at the subscribers again.
func (c *Client) wake() {
	select {
	case c.masks <- struct{}{}:
	default: // it will look anyway
	}
}

// Masks of events. Those of calls are a third of all: the others tell each step of the dialplan.
const (
	noEvents   = "off"
	callEvents = "call"
	allEvents  = "on"
)

// wanted is the mask of the events that the subscribers want.
func (c *Client) wanted() string {
	ofCalls := []string{"Newchannel", "DialBegin", "DialEnd", "Hangup", "OriginateResponse", Connected}
	c.mu.Lock()
	defer c.mu.Unlock()
	mask := noEvents
	for _, s := range c.subs {
		s.asked = true
		if len(s.names) == 0 || slices.ContainsFunc(s.names, func(name string) bool { return !slices.Contains(ofCalls, name) }) {
			mask = allEvents
		} else if mask == noEvents {
			mask = callEvents
		}
	}
	return mask
}

// greet tells those of the connection who were not told yet, and whose events it was asked for.
func (c *Client) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if !s.asked || s.greeted == c.number || !slices.Contains(s.names, Connected) {
			continue
		}
		select {
		case s.events <- Event{Message: Message{{"Event", Connected}}, Connection: c.number, Missed: s.missed}:
			s.missed, s.greeted = 0, c.number
		default: // what it misses tells it the same
		}
	}
}

// publish gives an event to the subscribers. It never waits.
func (c *Client) publish(m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if len(s.names) > 0 && !slices.Contains(s.names, m.Get("Event")) {
			continue
		}
		select {
		case s.events <- Event{Message: m, Connection: c.number, Missed: s.missed}:
			s.missed = 0
		default:
			s.missed++
			s.dropped++
			c.stats.add(&c.stats.s.Dropped)
		}
	}
}
