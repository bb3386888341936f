// Package midcall extends calls that are held in slices, and cuts them, while the phones talk.
//
// A call that is kept was permitted with a first slice of its time (billing.Authorization.Keeper is ours). Its limit lies in Asterisk, as the
// callee's and the caller's timer, so that the call ends at what is paid whatever becomes of us. When the callee answers our clock begins to
// run; some seconds before the slice ends the next one is decided and committed by billing, and then both timers are moved. What happens to
// the money of its user meanwhile (a top-up, a block, a further call) is noticed within a fraction of a second and looked at the same way.
package midcall

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/pbx"
)

// Manager is what is asked of an Asterisk. It is *pbx.Client.
type Manager interface {
	Do(context.Context, pbx.Action) (pbx.Message, error)
	CoreShowChannels(context.Context) ([]pbx.Channel, error)
	Subscribe(size int, names ...string) *pbx.Subscription
	AbsoluteTimeout(ctx context.Context, channel string, rest time.Duration) error
	Hangup(ctx context.Context, channel string, cause int) error
	Stats() pbx.Stats
}

// Asterisk is one of those whose calls are kept.
type Asterisk struct {
	Name    string // for logs: the address of its manager interface
	Manager Manager
}

// Ledger decides about money. It is *billing.Service.
type Ledger interface {
	Review(context.Context, billing.Review) (billing.Kept, error)
}

// Store is what the processes that keep calls have in common. It is *store.Store. Times are by the database's clock.
type Store interface {
	// KeeperAlive says that a keeper is there, and what it has done; the first time makes it known. Its time of life is the database's.
	KeeperAlive(ctx context.Context, k models.Keeper) error
	// KeeperGone says that a keeper has ended: others may take over what it kept.
	KeeperGone(ctx context.Context, keeper int64) error
	// LostCalls are open calls whose keeper has gone, or was not seen for as long as lapsed.
	LostCalls(ctx context.Context, lapsed time.Duration) ([]models.Call, error)
	// TakeCall makes a keeper that of an open call, unless another one was faster; then it reports false.
	TakeCall(ctx context.Context, call models.Call, keeper int64) (bool, error)
	// Moved are the users with calls in progress whose money has moved since a place in the list of all moves, 0 for those of the last seconds,
	// and the place from which to go on. All is that everybody's calls must be looked at. A user may be told twice.
	Moved(ctx context.Context, after int64) (users []int64, all bool, next int64, err error)
}

// Options of a Service.
type Options struct {
	Asterisks []Asterisk
	Ledger    Ledger
	Store     Store
	Slice     int64 // seconds; of the policy of the Ledger
	// WarnSeconds is how long before its end a call's caller is warned with the sound file WarnSound; 0: he is not.
	WarnSeconds int64
	WarnSound   string
	Name        string
	Now         func() time.Time // nil: the clock; with its monotonic reading
	Logger      *slog.Logger
}

// Times that are not settings.
const (
	beating  = 2 * time.Second         // between heartbeats, and between looks for calls that others have lost
	lapsed   = 10 * time.Second        // without a heartbeat, after which others take over what a keeper keeps
	fresh    = 6 * time.Second         // that a heartbeat of ours counts for ourselves
	spread   = 1250 * time.Millisecond // after the first heartbeat, until everybody knows of us and writes down whose money moves
	polling  = 250 * time.Millisecond  // between looks for whose money has moved, and tries to do what failed
	grid     = 100 * time.Millisecond  // what falls due within it is done together
	asking   = 300 * time.Millisecond  // Asterisk's time to say which channel it has, before its phone rings
	ordering = time.Second             // Asterisk's time to carry something out
	deciding = 3 * time.Second         // the database's time
	listing  = 5 * time.Second         // Asterisk's time to list its channels
)

// turns is how many calls of one Asterisk are worked on at a time.
const turns = 256

// events that wait to be heard, of each Asterisk.
const events = 4096

// Service keeps the calls of this process.
type Service struct {
	o       Options
	id      int64
	systems []*system

	mu      sync.Mutex
	first   time.Time // heartbeat since which there was one often enough; zero: there is none now
	last    time.Time // heartbeat
	settled bool      // everybody has known of us since all calls were looked at
	over    bool      // Run ends
	asked   map[channelID]asked
	figures models.KeeperFigures
	trouble map[trouble]time.Time // when it was logged
}

// trouble is what fails, and with which Asterisk; "": with none.
type trouble struct{ what, asterisk string }

// system is an Asterisk and the calls on it that we keep. All but the first line belongs to the Service's mutex.
type system struct {
	Asterisk
	warner *warner // nil: nobody is warned

	connection uint64 // that the last event came by; 0: none came yet
	hears      uint64 // the connection by which an event of a channel came
	doubted    bool   // a call was asked for, and no event has come yet
	may        uint64 // the connection by which it was seen that we may give orders
	check      bool   // something may have been missed: the calls must be compared with the channels
	checking   bool   // that is under way
	checked    time.Time
	busy       int              // calls that are worked on
	calls      map[string]*call // by unique id of the caller's channel
	callees    map[string]*call // by unique id of the callee's channel
}

// channelID is a channel as a call script knows it: bare unique ids of two Asterisks may be the same.
type channelID struct {
	peer     netip.Addr
	uniqueID string
}

// asked is on which Asterisk a channel was found.
type asked struct {
	system *system
	at     time.Time
}

// New returns a Service, which keeps calls while Run runs.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		o: o, id: 1 + rand.Int64N(math.MaxInt64), //nolint:gosec // it is no secret, only different from all others
		asked: map[channelID]asked{}, trouble: map[trouble]time.Time{},
	}
	s.figures.Latency = make([]int64, len(models.LatencyBounds())+1)
	for _, a := range o.Asterisks {
		sys := &system{Asterisk: a, calls: map[string]*call{}, callees: map[string]*call{}}
		if o.WarnSeconds > 0 {
			sys.warner = newWarner(a, o.WarnSound, o.Logger)
		}
		s.systems = append(s.systems, sys)
	}
	return s
}

// Run keeps calls until ctx ends. Then others may take them over.
func (s *Service) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, a := range s.systems {
		running.Go(func() { s.listen(ctx, a) })
	}
	for _, a := range s.systems {
		running.Go(func() { s.prove(ctx, a) })
	}
	running.Go(func() { every(ctx, beating, func() { s.beat(ctx) }) })
	running.Go(func() { s.takeOver(ctx) })
	running.Go(func() { s.follow(ctx) })
	running.Go(func() { s.work(ctx) })
	<-ctx.Done()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	running.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deciding)
	defer cancel()
	if err := s.o.Store.KeeperGone(ctx, s.id); err != nil {
		s.o.Logger.WarnContext(ctx, "the end of the keeping of calls was not written down, others take over later", "err", err)
	}
}

// every does something now, and again each time that a while has passed.
func every(ctx context.Context, pause time.Duration, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// beat tells the database that we live.
func (s *Service) beat(ctx context.Context) {
	now := s.o.Now()
	err := func() error {
		ctx, cancel := context.WithTimeout(ctx, deciding)
		defer cancel()
		return s.o.Store.KeeperAlive(ctx, models.Keeper{ID: s.id, Name: s.o.Name, Figures: s.Figures()})
	}()
	s.log(ctx, "no heartbeat of the keeping of calls was written", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.asked {
		if now.Sub(a.at) > time.Minute { // the call was refused
			delete(s.asked, id)
		}
	}
	if err != nil {
		return
	}
	if s.first.IsZero() || now.Sub(s.last) > fresh { // others may have believed that nobody is there
		s.first, s.settled = s.o.Now(), false // not before it was written
	}
	s.last = now
	if !s.settled && now.Sub(s.first) >= spread {
		s.settled = true
		s.look(nil, true, now)
	}
}

// Figures are what was done until now.
func (s *Service) Figures() models.KeeperFigures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.figures
	f.Latency = slices.Clone(f.Latency)
	f.Calls, f.Away = 0, 0
	for _, a := range s.systems {
		f.Calls += int64(len(a.calls))
		if !a.able() {
			f.Away++
		}
	}
	return f
}

// there reports whether we are connected.
func (a *system) there() bool { return a.connection != 0 && a.Manager.Stats().Connected }

// log says that something fails, once in a minute.
func (s *Service) log(ctx context.Context, what string, err error) { s.logOf(ctx, nil, what, err) }

// logOf is log for what fails with one Asterisk.
func (s *Service) logOf(ctx context.Context, a *system, what string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	key, log := trouble{what: what}, s.o.Logger
	if a != nil {
		key.asterisk, log = a.Name, log.With("asterisk", a.Name)
	}
	now := s.o.Now()
	s.mu.Lock()
	due := now.Sub(s.trouble[key]) >= time.Minute
	if due {
		s.trouble[key] = now
	}
	s.mu.Unlock()
	if due {
		log.WarnContext(ctx, "calls are not kept as they should be", "what", what, "err", err)
	}
}

// Keeps is who can extend a call of a channel that is about to ask for one: this keeper, if the Asterisk is one of those that it hears and may
// give orders to, and has that very channel; 0 otherwise, also when it does not say so at once.
func (s *Service) Keeps(ctx context.Context, peer netip.Addr, channel, uniqueID string) int64 {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	for _, some := range s.candidates(peer) {
		if a := holder(ctx, some, channel, uniqueID); a != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked[channelID{peer, uniqueID}] = asked{a, s.o.Now()}
			return s.id
		}
	}
	return 0
}

// candidates are the Asterisks that are asked for a channel: those at the address that it comes from, and then the others. There are none
// while nobody relies on us.
func (s *Service) candidates(peer netip.Addr) [][]*system {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if s.over || s.first.IsZero() || now.Sub(s.first) < spread || now.Sub(s.last) > fresh {
		return nil
	}
	var here, elsewhere []*system
	for _, a := range s.systems {
		switch {
		case !a.able():
			a.doubted = a.doubted || a.obeys()
		case a.at(peer):
			here = append(here, a)
		default:
			elsewhere = append(elsewhere, a)
		}
	}
	return [][]*system{here, elsewhere}
}

// at reports whether an address is that of an Asterisk's manager interface, where all loopback addresses are one.
func (a *system) at(peer netip.Addr) bool {
	host, _, err := net.SplitHostPort(a.Name)
	if err != nil {
		return false
	}
	own, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost" && peer.Unmap().IsLoopback()
	}
	own, peer = own.Unmap(), peer.Unmap()
	return own == peer || own.IsLoopback() && peer.IsLoopback()
}

// holder is which of some Asterisks has a channel; nil: none says so.
func holder(ctx context.Context, some []*system, channel, uniqueID string) *system {
	var mu sync.Mutex
	var found *system
	var asked sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, a := range some {
		asked.Go(func() {
			id, err := a.variable(ctx, channel, "UNIQUEID")
			if err != nil || id != uniqueID {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found = a
			cancel()
		})
	}
	asked.Wait()
	return found
}

// variable asks for a variable of a channel, by its name or its unique id.
func (a *system) variable(ctx context.Context, channel, name string) (string, error) {
	answer, err := a.Manager.Do(ctx, pbx.Action{Name: "Getvar", Fields: []pbx.Field{{Key: "Channel", Value: channel}, {Key: "Variable", Value: name}}})
	return answer.Get("Value"), err
}

// Keep begins to keep a call which was permitted with Keeper, and is about to be dialled, or dialled again. A channel that calls for help is not
// disturbed any more, whatever it has called before.
func (s *Service) Keep(peer netip.Addr, channel, uniqueID string, id billing.Identity, auth billing.Authorization) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.systems { // whoever extends the new call: the old one is over
		c := a.calls[uniqueID]
		if c != nil && c.channel == channel && (auth.Emergency || billing.ChannelOf(c.id) == billing.ChannelOf(auth.CallID)) {
			s.forget(c)
		}
	}
	if auth.Emergency {
		return
	}
	where, known := s.asked[channelID{peer, uniqueID}]
	delete(s.asked, channelID{peer, uniqueID})
	if !known || auth.Keeper != s.id || s.over {
		return // it ends at its first slice
	}
	now := s.o.Now()
	s.keep(&call{
		system: where.system, uniqueID: uniqueID, channel: channel, id: auth.CallID, user: auth.UserID, identity: id, leg: auth.Leg,
		slice: s.o.Slice, base: seconds(auth.Limit - auth.Seconds), limit: auth.Limit, until: auth.Limit, placed: auth.Limit,
		heard: now, dialled: now, deadline: now.Add(seconds(auth.Ring + auth.Seconds)),
	})
}
