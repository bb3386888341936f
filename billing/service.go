package billing

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"math"
	"runtime"
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

// ErrLocked is returned by a Store whose rows stay locked by somebody else.
var ErrLocked = errors.New("rows are locked by another session")

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

	recent recent
}

// lane is one committer: operations of one caller always meet in the same one, so that their rows are locked once.
type lane struct {
	service *Service
	queue   chan *operation
	apart   chan struct{} // bounds groups that run apart

	mu   sync.Mutex
	slow map[string]time.Time // keys whose rows were locked, until when they run apart
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
			slow: map[string]time.Time{},
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
	keys.CLIDs = append(keys.CLIDs, req.Number)
	keys.NewCalls = []string{req.CallID}
	var auth Authorization
	undo := func() {
		if !auth.Repeated && auth.CallID != "" {
			s.releaseLater(req.Identity, auth.CallID)
		}
	}
	err := s.do(ctx, laneKey(req.Identity, req.CallID), keys, undo, func(st *State) error {
		var c change
		var err error
		if c, auth, err = s.policy.authorize(st, req, s.now()); err == nil {
			st.apply(c)
		}
		return err
	})
	if err != nil {
		return Authorization{}, err
	}
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
	if !callIDForm.MatchString(req.CallID) {
		return refuse(models.ErrInvalid, "the channel's unique id has characters that are not allowed")
	}
	keys := req.Identity.keys(s.policy.Identify)
	keys.Calls = []string{req.CallID}
	return s.do(ctx, laneKey(req.Identity, req.CallID), keys, nil, func(st *State) error {
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
	keys := res.Identity.keys(s.policy.Identify)
	keys.Calls = []string{res.CallID}
	if res.Number != "" {
		keys.CLIDs = append(keys.CLIDs, res.Number)
	}
	var charge Charge
	err := s.do(ctx, laneKey(res.Identity, res.CallID), keys, nil, func(st *State) error {
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

// Release gives back the hold of a call that was never dialled. A call that is not open stays as it is.
func (s *Service) Release(ctx context.Context, id Identity, callID, by string) error {
	return s.do(ctx, laneKey(id, callID), Keys{Calls: []string{callID}}, nil, func(st *State) error {
		c, _, err := s.policy.release(st, callID, by, s.now())
		if err == nil {
			st.apply(c)
		}
		return err
	})
}

// Move tops up a user's account or takes money from it.
func (s *Service) Move(ctx context.Context, m Movement) (Moved, error) {
	keys := Keys{Refs: []models.Ref{{Kind: m.kind(), Ref: m.Ref}}}
	if m.Username != "" {
		keys.Usernames = []string{m.Username}
	} else {
		keys.Users = []int64{m.UserID}
	}
	var moved Moved
	err := s.do(ctx, m.Username, keys, nil, func(st *State) error {
		var c change
		var err error
		if c, moved, err = s.policy.move(st, m, s.now()); err == nil {
			st.apply(c)
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
	err := s.do(ctx, laneKey(id, id.Channel), id.keys(s.policy.Identify), nil, func(st *State) error {
		var err error
		if user, err = id.caller(st, s.policy.Identify); err == nil {
			available = st.purse(user.ID).available()
		}
		return err
	})
	return available, user, err
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

func laneKey(id Identity, fallback string) string {
	switch {
	case says(id.CallerID):
		return id.CallerID
	case says(id.AccountCode):
		return id.AccountCode
	}
	return fallback
}

func (s *Service) releaseLater(id Identity, callID string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*operationTimeout)
		defer cancel()
		if err := s.Release(ctx, id, callID, SourceCaller); err != nil {
			s.log.Error("a hold that nobody waits for was not released; the reconciler will", "call_id", callID, "err", err)
		}
	}()
}

// do queues one operation and waits until it is durable, refused or failed.
func (s *Service) do(ctx context.Context, key string, keys Keys, undo func(), decide func(*State) error) error {
	var refused error
	op := &operation{key: key, keys: keys, undo: undo, done: make(chan struct{})}
	op.decide = func(st *State) { refused = decide(st) }
	if err := s.enqueue(op); err != nil {
		return err
	}
	timer := time.NewTimer(operationTimeout)
	defer timer.Stop()
	select {
	case <-op.done:
	case <-ctx.Done():
		if op.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-op.done
	case <-timer.C:
		if op.state.CompareAndSwap(waiting, abandoned) {
			return models.ErrUnavailable
		}
		<-op.done
	}
	if op.failed != nil {
		return op.failed
	}
	return refused
}

func (s *Service) enqueue(op *operation) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(op.key))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return models.ErrUnavailable
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
		switch {
		case op.state.Load() == abandoned:
			close(op.done)
		case l.isSlow(op.key):
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
	if err == nil || len(batch) == 1 || errors.Is(err, models.ErrUnavailable) {
		l.finish(batch, err)
		return
	}
	l.service.log.Warn("a batch failed and is taken apart", "operations", len(batch), "err", err)
	byKey := make(map[string][]*operation)
	for _, op := range batch {
		byKey[op.key] = append(byKey[op.key], op)
	}
	for key, ops := range byKey {
		l.commitApart(key, ops, groups)
	}
}

// commitApart commits operations of one account beside the lane, and if even they fail together, one by one.
func (l *lane) commitApart(key string, ops []*operation, groups *sync.WaitGroup) {
	groups.Go(func() {
		l.apart <- struct{}{}
		defer func() { <-l.apart }()
		err := l.update(ops)
		if errors.Is(err, ErrLocked) {
			l.markSlow(key)
		}
		if err == nil || len(ops) == 1 || errors.Is(err, ErrLocked) || errors.Is(err, models.ErrUnavailable) {
			l.finish(ops, err)
			return
		}
		for _, op := range ops {
			l.finish([]*operation{op}, l.update([]*operation{op}))
		}
	})
}

func (l *lane) update(batch []*operation) error {
	var keys Keys
	for _, op := range batch {
		keys.add(op.keys)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*operationTimeout)
	defer cancel()
	return l.service.store.Update(ctx, keys, func(st *State) {
		for _, op := range batch {
			op.decide(st)
		}
	})
}

func (l *lane) finish(batch []*operation, err error) {
	for _, op := range batch {
		op.failed = err
		if !op.state.CompareAndSwap(waiting, finished) && err == nil && op.undo != nil {
			op.undo()
		}
		close(op.done)
	}
}

func (l *lane) isSlow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.slow[key]
	if ok && time.Now().After(until) {
		delete(l.slow, key)
		return false
	}
	return ok
}

func (l *lane) markSlow(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow[key] = time.Now().Add(quarantine)
}
