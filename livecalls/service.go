package livecalls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"talktime/billing"
	"talktime/models"
	"talktime/pbx"
)

const (
	maxAge   = time.Second // of a picture that is handed out
	patience = 5 * time.Second
	asking   = 2 * time.Second // Asterisk's time to list its channels
	catching = 500 * time.Millisecond
	catchers = 16              // questions for answers at a time
	settling = 5 * time.Second // that a call which begins or ends may be without a channel
	page     = 1000            // calls that are read at a time
	events   = 4096            // that wait to be heard
)

// Asterisk is what is asked of it. It is *pbx.Client.
type Asterisk interface {
	CoreShowChannels(context.Context) ([]pbx.Channel, error)
	Do(context.Context, pbx.Action) (pbx.Message, error)
	Subscribe(size int, names ...string) *pbx.Subscription
}

// Store is what is asked of the database.
type Store interface {
	// OpenCalls are calls that hold money, as billing.OpenCalls says.
	OpenCalls(ctx context.Context, after int64, limit int) ([]billing.OpenCall, error)
	Usernames(ctx context.Context, ids []int64) (map[int64]string, error)
	// Payers are users with their limits, and their accounts by user. Those that do not exist are missing.
	Payers(ctx context.Context, ids []int64) (map[int64]models.User, map[int64][]models.Account, error)
}

// Options of a Service.
type Options struct {
	Asterisk Asterisk // nil: there is none, and pictures have no channels
	Store    Store
	Policy   billing.Policy   // of how long calls may last, as who permits them has it
	Now      func() time.Time // nil: the clock. That of Asterisk and of who permits calls must be the same, but for a second or two
	Logger   *slog.Logger     // nil: no logs
}

// Service makes pictures, and shares each. Its methods may be called by many goroutines at a time.
type Service struct {
	o      Options
	memory *memory
	flight singleflight.Group
	ctx    context.Context // ends with Run
	cancel context.CancelFunc

	// Of pictures, which are made one at a time.
	home    *home
	missing map[int64]time.Time // since when open calls are without a channel, by their ids

	mu     sync.Mutex
	last   *Picture
	making sync.WaitGroup
	closed bool // nothing more is made
}

// New returns a Service that has asked nobody yet. It knows when calls were answered while Run runs, and ends with Run.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{o: o, memory: newMemory(), home: newHome()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// ErrNone means that no manager interface of Asterisk is set up.
var ErrNone = errors.New("no manager interface of Asterisk is set up")

// errOver means that Run has ended.
var errOver = fmt.Errorf("the picture of the calls is not made any more: %w", models.ErrUnavailable)

// Run listens to Asterisk for when calls are answered, until ctx ends. When it returns nobody is asked any more.
func (s *Service) Run(ctx context.Context) {
	defer s.end()
	if s.o.Asterisk != nil {
		s.listen(ctx)
	}
	<-ctx.Done()
}

func (s *Service) listen(ctx context.Context) {
	heard := s.o.Asterisk.Subscribe(events, pbx.Connected, "DialEnd", "Hangup")
	defer heard.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-heard.Events():
			if !open {
				return
			}
			s.memory.hear(e, s.o.Now())
		}
	}
}

// end waits for a picture that is being made.
func (s *Service) end() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.making.Wait()
}

// begin reports whether a picture may be made; making must be told when it is.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.making.Add(1)
	}
	return !s.closed
}

// Now is how the calls are, or were at most a second ago. Without Asterisk it is what the database knows. An error is that of ctx, or of
// the database, or models.ErrUnavailable after the end of Run.
func (s *Service) Now(ctx context.Context) (*Picture, error) {
	if p := s.fresh(); p != nil {
		return p, nil
	}
	// Others wait for it too: whoever asked first does not end it by going away.
	made := s.flight.DoChan("", func() (any, error) { return s.make(context.WithoutCancel(ctx)) })
	select {
	case r := <-made:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Picture), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// make makes a picture, unless there is a fresh one by now.
func (s *Service) make(ctx context.Context) (*Picture, error) {
	if p := s.fresh(); p != nil {
		return p, nil
	}
	if !s.begin() {
		return nil, errOver
	}
	defer s.making.Done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	p, err := s.picture(ctx)
	if s.ctx.Err() != nil {
		return nil, errOver
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if (s.last == nil || s.last.Asterisk) && !p.Asterisk && s.o.Asterisk != nil {
		s.o.Logger.Warn("there is no live picture of the channels", "err", p.Why)
	} else if s.last != nil && !s.last.Asterisk && p.Asterisk {
		s.o.Logger.Info("the picture of the channels is live again")
	}
	s.last = p
	return p, nil
}

// Forget makes the next picture a new one: something was changed that must be seen.
func (s *Service) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		old := *s.last
		old.At = time.Time{}
		s.last = &old
	}
}

func (s *Service) fresh() *Picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil
	}
	if age := s.o.Now().Sub(s.last.At); age < 0 || age >= maxAge {
		return nil
	}
	return s.last
}

// picture asks Asterisk and the database at the same time. When a call is without its channel, which was not so before, the database is asked
// once more: a call that ended in between holds no money any more.
func (s *Service) picture(ctx context.Context) (*Picture, error) {
	at := s.o.Now()
	var channels []pbx.Channel
	var away error
	var asked sync.WaitGroup
	asked.Go(func() { channels, away = s.channels(ctx) })
	calls, payers, err := s.calls(ctx)
	asked.Wait()
	if err != nil {
		return nil, err
	}
	p := join(at, channels, calls, s.memory, s.home)
	if away == nil && slices.ContainsFunc(calls, s.lost) {
		if calls, payers, err = s.calls(ctx); err != nil {
			return nil, err
		}
		p = join(at, channels, calls, s.memory, s.home)
	}
	p.Why, p.Asterisk = away, away == nil
	if !p.Asterisk {
		p.Calls = calls
		for _, c := range calls {
			c.talkUnseen(at)
		}
		return p, s.share(at, calls, payers)
	}
	s.memory.keep(channels)
	s.catchUp(ctx, calls)
	missing := map[int64]time.Time{}
	for _, c := range calls {
		if c.Caller != nil {
			if c.Unreadable == nil {
				answers, since := s.memory.answersOf(c.Caller.UniqueID)
				c.talk(at, answers, since)
			}
			p.Calls = append(p.Calls, c)
			continue
		}
		if s.home.foreign(c) {
			c.talkUnseen(at)
			p.Foreign = append(p.Foreign, c)
			continue
		}
		since, before := s.missing[c.ID]
		if !before {
			since = at
		}
		missing[c.ID] = since
		if at.Sub(since) < settling {
			p.Calls = append(p.Calls, c)
		} else {
			p.Stuck = append(p.Stuck, c)
		}
	}
	s.missing = missing
	return p, s.share(at, calls, payers)
}

// payers are users with calls that somebody extends.
type payers struct {
	users    map[int64]models.User
	accounts map[int64][]models.Account
}

// share works out how long the calls can last that somebody extends, by what their users have now.
func (s *Service) share(at time.Time, calls []*Call, by payers) error {
	of := make(map[int64][]*Call, len(by.users))
	for _, c := range calls {
		of[c.UserID] = append(of[c.UserID], c)
	}
	for id, user := range by.users {
		calls := of[id]
		if slices.ContainsFunc(calls, func(c *Call) bool { return c.Unreadable != nil }) {
			continue // what it holds is not known
		}
		open := make([]billing.Lasting, len(calls))
		for i, c := range calls {
			open[i] = billing.Lasting{Call: c.Call, Elapsed: c.elapsed(at)}
		}
		left, err := s.o.Policy.Left(user, by.accounts[id], open, at)
		if err != nil {
			return fmt.Errorf("work out how long the calls of user %d can last: %w", id, err)
		}
		for i, c := range calls {
			if c.kept() && c.Left != nil {
				c.SliceLeft, c.Left = c.Left, &left[i]
			}
		}
	}
	return nil
}

// lost reports whether a call is without its channel for the first time.
func (s *Service) lost(c *Call) bool {
	_, before := s.missing[c.ID]
	return c.Caller == nil && !before && !s.home.foreign(c)
}

func (s *Service) channels(ctx context.Context) ([]pbx.Channel, error) {
	if s.o.Asterisk == nil {
		return nil, ErrNone
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return s.o.Asterisk.CoreShowChannels(ctx)
}

// calls reads all calls that hold money, with the names of their users, and what those have whose calls somebody extends.
func (s *Service) calls(ctx context.Context) (calls []*Call, by payers, err error) {
	var users, paying []int64
	seen, pays := map[int64]bool{0: true}, map[int64]bool{}
	for after := int64(0); ; {
		open, err := s.o.Store.OpenCalls(ctx, after, page)
		if err != nil {
			return nil, by, fmt.Errorf("read open calls: %w", err)
		}
		for i := range open {
			c := &Call{Call: open[i].Call, Unreadable: open[i].Err}
			calls, after = append(calls, c), c.ID
			for _, id := range [...]int64{c.UserID, c.CalleeID} {
				if !seen[id] {
					users, seen[id] = append(users, id), true
				}
			}
			if c.kept() && !pays[c.UserID] {
				paying, pays[c.UserID] = append(paying, c.UserID), true
			}
		}
		if len(open) < page {
			break
		}
	}
	names, err := s.o.Store.Usernames(ctx, users)
	if err != nil {
		return nil, by, fmt.Errorf("read the names of users: %w", err)
	}
	for _, c := range calls {
		c.Username, c.CalleeUsername = names[c.UserID], names[c.CalleeID]
	}
	if len(paying) > 0 {
		if by.users, by.accounts, err = s.o.Store.Payers(ctx, paying); err != nil {
			return nil, by, fmt.Errorf("read what users have: %w", err)
		}
	}
	return calls, by, nil
}

// catchUp asks Asterisk, once for each dial, when those calls were answered whose answer was not heard. What does not fit into the time is asked
// with the next picture.
func (s *Service) catchUp(ctx context.Context, calls []*Call) {
	ctx, cancel := context.WithTimeout(ctx, catching)
	defer cancel()
	turns := make(chan struct{}, catchers)
	var asked sync.WaitGroup
	defer asked.Wait()
	for _, c := range calls {
		if c.Unreadable != nil || c.Caller == nil || c.Caller.State != stateUp || c.Callee == nil || c.Callee.State != stateUp {
			continue
		}
		question, ask := s.memory.unasked(c)
		if at := c.noted(); !at.IsZero() {
			s.memory.asked(c, question, at, s.o.Now())
			continue
		}
		if !ask {
			continue
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asked.Go(func() {
			defer func() { <-turns }()
			at, err := s.ask(ctx, c)
			if err == nil {
				s.memory.asked(c, question, at, s.o.Now())
			}
		})
	}
}

// ask asks for the moment of the answer to the last dial of a call, as the routine of our dialplan noted it. Zero: Asterisk does not know; that
// the channel itself was answered says nothing, since a prompt may have done that. The error is that nothing was learned.
func (s *Service) ask(ctx context.Context, c *Call) (time.Time, error) {
	answer, err := s.o.Asterisk.Do(ctx, pbx.Action{Name: "Getvar", Fields: []pbx.Field{{Key: "Channel", Value: c.Caller.Name}, {Key: "Variable", Value: "TALKTIME_ANSWERED"}}})
	if refused := (*pbx.RefusedError)(nil); errors.As(err, &refused) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at := moment(answer.Get("Value"))
	if at.Before(c.dialled().Add(-clocks)) || at.After(s.o.Now().Add(clocks)) { // it is of an earlier dial, or of another clock
		return time.Time{}, nil
	}
	return at, nil
}

// moment reads seconds since 1970, with a fraction or without; zero for anything else.
func moment(text string) time.Time {
	seconds, fraction, _ := strings.Cut(strings.TrimSpace(text), ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	const digits = 9
	ns, err := strconv.ParseInt((fraction + "000000000")[:digits], 10, 64)
	if err != nil || ns < 0 {
		return time.Time{}
	}
	return time.Unix(n, ns)
}
