package billing

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"talktime/models"
	"talktime/money"
)

// Bounds of the service. They are generous for two cores and exist so that a storm ends in refusals, not in memory.
const (
	maxBatch         = 256
	maxQueue         = 8192
	operationTimeout = 3 * time.Second
	quarantine       = 5 * time.Second
	maxApart         = 8 // groups of a batch that was taken apart, at once
)

// ErrUncertain comes beside another error when nobody knows whether something was done, and perhaps still will be: from
// a Store when the answer to a commit was lost and it could not find out whether it took place, and from a Service when
// whoever waited gave up after the work had begun. Under the same reference it is safe to repeat.
var ErrUncertain = errors.New("nobody knows whether this was stored")

// ErrLocked is returned by a Store whose rows stay locked by somebody else.
var ErrLocked = errors.New("rows are locked by another session")

// errClosed is returned after Close.
var errClosed = fmt.Errorf("the service is closed: %w", models.ErrUnavailable)

// Options make a Service.
type Options struct {
	Store  Store
	Policy Policy
	Now    Now
	Logger *slog.Logger
	Lanes  int // committers side by side; 0 = 1
	Batch  int // most operations in one commit; 0 = 256
}

// Service takes decisions about money and makes them durable. All methods may be called at once from anywhere;
// any number of Services in any number of processes may share one database.
type Service struct {
	store   Store
	policy  Policy
	now     Now
	log     *slog.Logger
	batch   int
	lanes   []*lane
	workers sync.WaitGroup

	mu     sync.RWMutex
	closed bool

	recent  recent
	undos   atomic.Int64
	traffic traffic
	away    atomic.Bool // the database, when it was asked last
}

// lane is one committer: operations of one caller always meet in the same one, so that their rows are locked once.
type lane struct {
	service *Service
	queue   chan *operation
	apart   chan struct{} // bounds groups that run apart

	mu    sync.Mutex
	sides map[string]*side // by key
}

// side is one account that runs beside its lane: its rows are locked by somebody else, or a batch with it failed.
type side struct {
	until   time.Time // it runs apart until then
	running bool
	waiting []*operation
}

// The waiter and the committer agree through these on who has the last word about an operation.
const (
	waiting int32 = iota
	finished
	abandoned
)

type operation struct {
	key    string // operations with the same key touch the same account
	keys   Keys
	decide func(*State)
	undo   func() // the waiter has gone, but the operation was committed

	begun  atomic.Bool // a committer has taken it up, before it looked whether it was abandoned
	state  atomic.Int32
	done   chan struct{}
	failed error // the commit's; read after done
}

// New starts the committers. Close ends them.
func New(o Options) *Service {
	s := &Service{store: o.Store, policy: o.Policy, now: o.Now, log: o.Logger, batch: o.Batch}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.batch <= 0 {
		s.batch = maxBatch
	}
	for range max(o.Lanes, 1) {
		l := &lane{
			service: s, queue: make(chan *operation, maxQueue/max(o.Lanes, 1)), apart: make(chan struct{}, maxApart),
			sides: map[string]*side{},
		}
		s.lanes = append(s.lanes, l)
		s.workers.Go(l.run)
	}
	return s
}

// Close lets the operations that wait be committed, refuses new ones and ends the committers.
func (s *Service) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		for _, l := range s.lanes {
			close(l.queue)
		}
	}
	s.mu.Unlock()
	s.workers.Wait()
}

// Authorize decides whether a caller may dial and holds the money for it. A refusal is a *Refusal; any other
// error means that nothing could be decided, and nothing is held.
func (s *Service) Authorize(ctx context.Context, req CallRequest) (Authorization, error) {
	if err := req.check(s.policy); err != nil {
		return Authorization{}, err
	}
	keys := req.Identity.keys(s.policy.Identify)
	keys.Callees = []string{req.Number}
	keys.NewCalls = []string{req.CallID}
	keys.Share = req.Keeper != 0
	if s.policy.Pools != nil {
		keys.Pools = s.policy.Pools(req.Number)
	}
	var auth Authorization
	undo := func() {
		if auth.CallID != "" {
			s.undoLater(req.Identity, auth)
		}
	}
	err := s.do(ctx, s.laneKey(req.Identity, req.CallID), keys, undo, func(st *State) error {
		var c change
		var err error
		if c, auth, err = s.policy.authorize(st, req, s.now()); err == nil {
			st.apply(c)
		}
		if err == nil && !auth.Repeated {
			req.own = st.Calls[auth.CallID].ID
		}
		s.policy.record(st, req, err, s.now())
		return err
	})
	if err != nil {
		return Authorization{}, err
	}
	s.recent.forget(req.CallID)
	return auth, nil
}

// Emergency says where an emergency number goes; ok is false for all other numbers. It asks nobody.
func (s *Service) Emergency(req CallRequest) (auth Authorization, ok bool, err error) {
	if !s.policy.emergency(req.Number) {
		return Authorization{}, false, nil
	}
	target, err := s.policy.emergencyTarget(req.Number)
	return Authorization{CallID: req.CallID, Target: target, Ring: s.policy.RingSeconds, Emergency: true}, true, err
}

// RecordEmergency notes an emergency call; it may be called while the phones already talk.
func (s *Service) RecordEmergency(ctx context.Context, req CallRequest) error {
	if err := checkCallID(req.CallID); err != nil {
		return err
	}
	keys := req.Identity.keys(s.policy.Identify)
	keys.Calls = []string{req.CallID, emergencyID(req)}
	return s.do(ctx, s.laneKey(req.Identity, req.CallID), keys, nil, func(st *State) error {
		st.apply(recordEmergency(st, req, s.policy, s.now()))
		return nil
	})
}

// Settle closes a call when what its witnesses saw suffices, and says what became of it. It may be repeated by
// any number of witnesses: the call is charged once.
func (s *Service) Settle(ctx context.Context, res CallResult) (Charge, error) {
	if charge, ok := s.recent.same(res); ok {
		return charge, nil
	}
	if err := checkCallID(res.CallID); err != nil {
		return Charge{}, err
	}
	who := res.Identity.keys(s.policy.Identify)
	if numberForm.matches(res.Number) {
		who.Callees = []string{res.Number}
	}
	keys := Keys{Calls: []string{res.CallID}, Strangers: []Stranger{{CallID: res.CallID, Keys: who}}}
	var charge Charge
	err := s.do(ctx, s.laneKey(res.Identity, res.CallID), keys, nil, func(st *State) error {
		var c change
		var err error
		if c, charge, err = s.policy.settle(st, res, s.now()); err == nil {
			st.apply(c)
		}
		return err
	})
	if err != nil {
		return Charge{}, err
	}
	s.recent.remember(res, charge)
	return charge, nil
}

// Undo takes back a permission that was not dialled.
func (s *Service) Undo(ctx context.Context, id Identity, auth Authorization) error {
	if err := checkCallID(auth.CallID); err != nil {
		return err
	}
	return s.do(ctx, s.laneKey(id, auth.CallID), Keys{Calls: []string{auth.CallID}}, nil, func(st *State) error {
		return s.takeBack(st, id, auth)
	})
}

func (s *Service) takeBack(st *State, id Identity, auth Authorization) error {
	c, _, err := s.policy.takeBack(st, id, auth, s.now())
	if err == nil {
		st.apply(c)
	}
	return err
}

// Release gives back the hold of a call, whatever was dialled under it. A call that is not open, or that somebody saw
// answered, stays as it is.
func (s *Service) Release(ctx context.Context, id Identity, callID, by string) error {
	if err := checkCallID(callID); err != nil {
		return err
	}
	return s.do(ctx, s.laneKey(id, callID), Keys{Calls: []string{callID}}, nil, func(st *State) error {
		c, _, err := s.policy.release(st, callID, 0, by, s.now())
		if err == nil {
			st.apply(c)
		}
		return err
	})
}

// Move tops up a user's account or takes money from it.
func (s *Service) Move(ctx context.Context, m Movement) (Moved, error) {
	if err := m.check(); err != nil {
		return Moved{}, err
	}
	keys := Keys{Refs: append([]models.Ref{{Kind: models.KindTopUp, Ref: m.Ref}, {Kind: models.KindDebit, Ref: m.Ref}}, m.Not...)}
	key := m.Username
	if key != "" {
		keys.Usernames = []string{key}
	} else {
		key, keys.Users = strconv.FormatInt(m.UserID, 10), []int64{m.UserID}
	}
	var moved Moved
	err := s.do(ctx, key, keys, nil, func(st *State) error {
		var c change
		var err error
		if c, moved, err = s.policy.move(st, m, s.now()); err == nil {
			st.apply(c)
			st.note(m.Note, moved)
		}
		return err
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}

// Available is what the user that a channel belongs to may spend now.
func (s *Service) Available(ctx context.Context, id Identity) (money.Amount, models.User, error) {
	var available money.Amount
	var user models.User
	err := s.do(ctx, s.laneKey(id, id.Channel), id.keys(s.policy.Identify), nil, func(st *State) error {
		var err error
		if user, err = id.caller(st, s.policy.Identify); err == nil {
			available = st.purse(user.ID, user.Currency).available()
		}
		return err
	})
	if err != nil { // whoever decides may still be at it
		return 0, models.User{}, err
	}
	return available, user, nil
}

// DecideMoves applies many movements to loaded rows, for a store that creates users and their opening balances in
// one transaction of its own.
func DecideMoves(st *State, moves []Movement, now time.Time) error {
	for _, m := range moves {
		c, _, err := Policy{}.move(st, m, now)
		if err != nil {
			return err
		}
		st.apply(c)
	}
	return nil
}

// MoveKeys are the rows that movements need.
func MoveKeys(moves []Movement) Keys {
	var keys Keys
	for _, m := range moves {
		keys.Usernames = append(keys.Usernames, m.Username)
		keys.Refs = append(keys.Refs, models.Ref{Kind: m.kind(), Ref: m.Ref})
	}
	return keys
}

// laneKey is what operations of one account have in common: what the caller is looked up by first.
func (s *Service) laneKey(id Identity, fallback string) string {
	if id.User != 0 {
		return "user/" + strconv.FormatInt(id.User, 10)
	}
	for _, by := range s.policy.Identify {
		switch {
		case by == ByCallerID && says(id.CallerID):
			return id.CallerID
		case by == ByAccount && says(id.AccountCode):
			return id.AccountCode
		}
	}
	return fallback
}

// How long, and how often, we try to give back a hold that nobody waits for. After that it is the reconciler's.
const (
	undoTime  = 5 * time.Minute
	undoPause = time.Second
	maxUndos  = 1000 // at once
)

// undoLater gives back the hold of an authorisation that nobody waits for any more.
func (s *Service) undoLater(id Identity, auth Authorization) {
	if s.undos.Add(1) > maxUndos {
		s.undos.Add(-1)
		s.log.Error("a hold that nobody waits for was not released; the reconciler will", "call_id", auth.CallID)
		return
	}
	s.workers.Go(func() {
		defer s.undos.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), undoTime)
		defer cancel()
		for {
			err := s.Undo(ctx, id, auth)
			if errors.Is(err, errClosed) { // the committers have ended, but nobody else will do it
				err = s.store.Update(ctx, Keys{Calls: []string{auth.CallID}}, func(st *State) {
					_ = s.takeBack(st, id, auth) // the reconciler will
				})
				if err != nil {
					cancel() // the process is ending: one try
				}
			}
			if err == nil {
				return
			}
			timer := time.NewTimer(undoPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				s.log.Error("a hold that nobody waits for was not released; the reconciler will", "call_id", auth.CallID, "err", err)
				return
			}
		}
	})
}

// do queues one operation and waits until it is durable, refused or failed.
func (s *Service) do(ctx context.Context, key string, keys Keys, undo func(), decide func(*State) error) error {
	var refused error
	op := &operation{key: key, keys: keys, undo: undo, done: make(chan struct{})}
	op.decide = func(st *State) { refused = decide(st) }
	began := time.Now() //nolint:forbidigo // how long, not when
	if err := s.enqueue(op); err != nil {
		return err
	}
	defer func() { s.traffic.waited(time.Since(began)) }()
	timer := time.NewTimer(operationTimeout)
	defer timer.Stop()
	select {
	case <-op.done:
	case <-ctx.Done():
		if op.state.CompareAndSwap(waiting, abandoned) {
			return op.givenUp(ctx.Err())
		}
		<-op.done
	case <-timer.C:
		if op.state.CompareAndSwap(waiting, abandoned) {
			return op.givenUp(models.ErrUnavailable)
		}
		<-op.done
	}
	if op.failed != nil {
		return op.failed
	}
	return refused
}

// givenUp is the error of an operation that was just abandoned. One that nobody has taken up never will be.
func (op *operation) givenUp(err error) error {
	if op.begun.Load() {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

func (s *Service) enqueue(op *operation) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(op.key))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	select {
	case s.lanes[h.Sum32()%uint32(min(len(s.lanes), math.MaxInt32))].queue <- op:
		return nil
	default:
		return ErrBusy
	}
}

// run commits what is queued, as much as there is at once. There is no timer: a lone operation is committed at
// once, and those that arrive meanwhile form the next batch.
func (l *lane) run() {
	var groups sync.WaitGroup
	defer groups.Wait()
	for op := range l.queue {
		// Those whom the last commit has just woken get the chance to join.
		runtime.Gosched()
		runtime.Gosched()
		batch := l.collect(op, &groups)
		if len(batch) > 0 {
			l.commit(batch, &groups)
		}
	}
}

func (l *lane) collect(op *operation, groups *sync.WaitGroup) []*operation {
	batch := make([]*operation, 0, 64)
	for {
		op.begun.Store(true)
		switch {
		case op.state.Load() == abandoned:
			close(op.done)
		case l.isApart(op.key):
			l.commitApart(op.key, []*operation{op}, groups)
		default:
			batch = append(batch, op)
		}
		if len(batch) >= l.service.batch {
			return batch
		}
		select {
		case next, ok := <-l.queue:
			if !ok {
				return batch
			}
			op = next
		default:
			return batch
		}
	}
}

// commit makes a batch durable. One that fails as a whole is taken apart by account, so that a single locked or
// poisoned account harms nobody else.
func (l *lane) commit(batch []*operation, groups *sync.WaitGroup) {
	err := l.update(batch)
	byKey := make(map[string][]*operation)
	if err != nil {
		for _, op := range batch {
			byKey[op.key] = append(byKey[op.key], op)
		}
	}
	switch {
	case len(byKey) == 1 && errors.Is(err, ErrLocked):
		l.markLocked(batch[0].key)
		fallthrough
	case err == nil || len(batch) == 1 || errors.Is(err, models.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded):
		l.finish(batch, err)
		return
	}
	l.service.log.Warn("a batch failed and is taken apart", "operations", len(batch), "err", err)
	for key, ops := range byKey {
		l.commitApart(key, ops, groups)
	}
}

// commitApart commits operations of one account beside the lane: one batch at a time, so that an account that is
// locked for long takes no more than one of the places.
func (l *lane) commitApart(key string, ops []*operation, groups *sync.WaitGroup) {
	l.mu.Lock()
	apart := l.sides[key]
	if apart == nil {
		apart = &side{}
		l.sides[key] = apart
	}
	room := min(max(maxBatch-len(apart.waiting), 0), len(ops))
	apart.waiting = append(apart.waiting, ops[:room]...)
	start := !apart.running
	apart.running = true
	l.mu.Unlock()
	l.finish(ops[room:], ErrBusy)
	if start {
		groups.Go(func() {
			for l.commitSide(key, apart) {
			}
		})
	}
}

// commitSide commits what waits for one account, and if it fails together, one by one. It is false when nothing waits.
func (l *lane) commitSide(key string, apart *side) bool {
	l.apart <- struct{}{}
	defer func() { <-l.apart }()
	l.mu.Lock()
	ops := apart.waiting
	apart.waiting = nil
	if len(ops) == 0 {
		apart.running = false
		if !time.Now().Before(apart.until) { //nolint:forbidigo // a pause of ours, not a time that anybody sees
			delete(l.sides, key)
		}
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	ops = slices.DeleteFunc(ops, func(op *operation) bool {
		gone := op.state.Load() == abandoned
		if gone {
			close(op.done)
		}
		return gone
	})
	if len(ops) == 0 {
		return true
	}
	err := l.update(ops)
	if errors.Is(err, ErrLocked) {
		l.markLocked(key)
	}
	if err == nil || len(ops) == 1 || errors.Is(err, ErrLocked) || errors.Is(err, models.ErrUnavailable) {
		l.finish(ops, err)
		return true
	}
	for _, op := range ops {
		l.finish([]*operation{op}, l.update([]*operation{op}))
	}
	return true
}

func (l *lane) update(batch []*operation) error {
	var keys Keys
	for _, op := range batch {
		keys.add(op.keys)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*operationTimeout)
	defer cancel()
	err := l.service.store.Update(ctx, keys, func(st *State) {
		st.Warn = l.service.policy.Warn
		for _, op := range batch {
			op.decide(st)
		}
	})
	l.service.watch(err)
	l.service.traffic.committed(len(batch))
	return err
}

// watch says once when the database goes away, and once when it is back.
func (s *Service) watch(err error) {
	switch {
	case errors.Is(err, models.ErrUnavailable):
		if s.away.CompareAndSwap(false, true) {
			s.log.Error("the database cannot be reached: all calls are refused until it can", "err", err)
		}
	case err == nil && s.away.Load():
		if s.away.CompareAndSwap(true, false) {
			s.log.Info("the database can be reached")
		}
	}
}

func (l *lane) finish(batch []*operation, err error) {
	for _, op := range batch {
		op.failed = err
		gone := !op.state.CompareAndSwap(waiting, finished)
		if op.undo != nil && (gone && err == nil || errors.Is(err, ErrUncertain)) {
			op.undo()
		}
		close(op.done)
	}
}

// isApart reports whether operations of an account run beside the lane now.
func (l *lane) isApart(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	apart := l.sides[key]
	if apart == nil {
		return false
	}
	if !apart.running && time.Now().After(apart.until) { //nolint:forbidigo // as above
		delete(l.sides, key)
		return false
	}
	return true
}

// markLocked keeps an account out of the batches for a while.
func (l *lane) markLocked(key string) {
	now := time.Now() //nolint:forbidigo // as above
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.sides, func(_ string, s *side) bool { return !s.running && now.After(s.until) })
	if l.sides[key] == nil {
		l.sides[key] = &side{}
	}
	l.sides[key].until = now.Add(quarantine)
}
