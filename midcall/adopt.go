package midcall

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/pbx"
)

const (
	adopters = 64               // calls that are taken over at a time
	forlorn  = 10 * time.Second // between looks for the channel of a call that nobody keeps
)

// follow looks whose money has moved, until ctx ends.
func (s *Service) follow(ctx context.Context) {
	const memory = 30 * time.Second // less than that of the list of moves
	var after int64
	var read time.Time // when the list was read last; zero: nobody had calls
	every(ctx, polling, func() {
		if s.Figures().Calls == 0 {
			after, read = 0, time.Time{}
			return
		}
		ctx, cancel := context.WithTimeout(ctx, deciding)
		defer cancel()
		users, all, next, err := s.o.Store.Moved(ctx, after)
		s.log(ctx, "it is not known whose money moves", err)
		if err != nil {
			return
		}
		now := s.o.Now()
		all = all || !read.IsZero() && now.Sub(read) > memory
		after, read = next, now
		s.mu.Lock()
		defer s.mu.Unlock()
		s.look(users, all, now)
	})
}

// takeOver takes the calls over that nobody keeps any more, and whose channels are there, until ctx ends. Those whose channels have gone are
// settled by whoever settles what has ended.
func (s *Service) takeOver(ctx context.Context) {
	sought := map[string]time.Time{} // calls of which no Asterisk had a channel, and when they were sought
	var connections []uint64         // by which
	var began, looked time.Time      // first heartbeat; when we looked last
	every(ctx, polling, func() {
		s.mu.Lock()
		now := s.o.Now()
		if began.IsZero() {
			began = s.first
		}
		alive := !s.first.IsZero() && now.Sub(s.last) <= fresh
		again := !s.first.Equal(began) // the database may have been away, for all of us
		ready := alive && (!again || now.Sub(s.first) >= spread)
		s.mu.Unlock()
		there := s.connections()
		if !ready || now.Sub(looked) < beating && slices.Equal(there, connections) {
			return
		}
		looked = now
		if !slices.Equal(there, connections) {
			connections = there
			clear(sought)
		}
		lost, err := func() ([]models.Call, error) {
			ctx, cancel := context.WithTimeout(ctx, deciding)
			defer cancel()
			return s.o.Store.LostCalls(ctx, lapsed)
		}()
		s.log(ctx, "calls that nobody keeps cannot be taken over", err)
		if err != nil {
			return
		}
		before := sought
		sought = map[string]time.Time{}
		lost = slices.DeleteFunc(lost, func(c models.Call) bool {
			at, known := before[c.CallID]
			if known = known && now.Sub(at) < forlorn; known {
				sought[c.CallID] = at
			}
			return known
		})
		if len(lost) == 0 {
			return
		}
		for _, id := range s.adoptAll(ctx, lost) {
			sought[id] = now
		}
	})
}

// connections are those to the Asterisks, 0 for each that is away or does not carry out our orders.
func (s *Service) connections() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make([]uint64, len(s.systems))
	for i, a := range s.systems {
		if a.obeys() {
			there[i] = a.connection
		}
	}
	return there
}

// adoptAll takes over those of some calls whose channels are there, those that must end first before others, and returns the ids of those of
// which no Asterisk has said that it has one.
func (s *Service) adoptAll(ctx context.Context, lost []models.Call) (without []string) {
	slices.SortFunc(lost, func(a, b models.Call) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	left := make(map[string]models.Call, len(lost))
	for _, c := range lost {
		left[c.CallID] = c
	}
	var taking sync.WaitGroup
	var taken atomic.Int64
	turn := make(chan struct{}, adopters)
	for _, a := range s.systems {
		s.mu.Lock()
		there := a.obeys()
		s.mu.Unlock()
		if !there {
			continue
		}
		asked := s.o.Now()
		list, err := a.list(ctx)
		if err != nil {
			continue
		}
		channels, bridges := sorted(list)
		for _, call := range lost {
			_, free := left[call.CallID]
			channel, there := channels[billing.UniqueID(call.CallID)]
			if !free || !there || !a.has(call, channel) {
				continue
			}
			delete(left, call.CallID)
			turn <- struct{}{}
			taking.Go(func() {
				defer func() { <-turn }()
				if s.adopt(ctx, a, call, channel, partner(channel, bridges), asked) {
					taken.Add(1)
				}
			})
		}
	}
	taking.Wait()
	if n := taken.Load(); n > 0 {
		s.o.Logger.InfoContext(ctx, "calls that nobody kept were taken over", "calls", n)
	}
	return slices.Collect(maps.Keys(left))
}

// has reports whether a channel with the unique id of a call is that of the call: another Asterisk may have the same ids.
func (a *system) has(call models.Call, c pbx.Channel) bool {
	channel := billing.ChannelOf(call.CallID)
	peer, _, qualified := strings.Cut(channel, "/")
	if !qualified {
		return true // the id has the system's name in it
	}
	if addr, err := netip.ParseAddr(peer); err == nil && a.at(addr) {
		return true
	}
	return call.CallerID != "" && call.CallerID == c.CallerIDNum || call.Number != "" && (call.Number == c.Exten || call.Number == c.ConnectedLineNum)
}

// adopt takes a call over, and reports whether it is kept now. When it is not known whether the database has written that down it is kept all
// the same: billing says in a moment if it is another's.
func (s *Service) adopt(ctx context.Context, a *system, lost models.Call, channel pbx.Channel, callee string, asked time.Time) bool {
	ours, err := func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, deciding)
		defer cancel()
		return s.o.Store.TakeCall(ctx, lost, s.id)
	}()
	s.log(ctx, "it is not known whether a call that nobody keeps was taken over", err)
	if err == nil && !ours {
		return false
	}
	authorized, leg := lost.Authorized, len(lost.Legs)
	for _, note := range lost.Notes {
		if note.Source == billing.SourceRepeat && note.Leg == leg && note.SeenAt.After(authorized) {
			authorized = note.SeenAt
		}
	}
	base, dialled := authorized.Sub(lost.Authorized).Truncate(time.Second), s.since(authorized.UnixMilli())
	c := &call{
		system: a, uniqueID: channel.UniqueID, channel: channel.Name, id: lost.CallID, user: lost.UserID,
		identity: billing.Identity{CallerID: lost.CallerID}, leg: leg, slice: lost.Slice, callee: callee,
		limit: lost.Limit, until: lost.Limit, placed: lost.Limit, heard: asked, dialled: dialled, deadline: lost.Due, look: true, next: s.o.Now(),
	}
	earliest := dialled // by the clock of another machine, which may be ahead; a first dial was not answered before the channel came
	if came := asked.Add(-channel.Duration - time.Second); leg == 0 && base == 0 && came.Before(earliest) {
		earliest = came
	}
	switch {
	case lost.AnsweredMS != 0: // what had passed before is in it
		c.answered = s.since(lost.AnsweredMS)
		if callee != "" && leg == 0 && base == 0 {
			c.answered = answered(c.answered, s.answerOf(ctx, a, channel.Name, earliest, c.answered))
		}
	case callee != "":
		c.base = base
		c.answered = s.answerOf(ctx, a, channel.Name, earliest, dialled)
		c.refused = c.elapsed(s.o.Now()) >= seconds(c.limit) // nobody knows: the limit that it has counts
	default:
		c.base = base
	}
	if callee != "" {
		c.placed = unplaced
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(c)
	a.check = true // what has happened since the channels were listed
	s.figures.Adopted++
	return true
}

// answered is when a call was answered of which the keeper before heard at one moment, by his clock, and Asterisk noted another one, by its own.
// Where they do not agree it is the earlier.
func answered(heard, noted time.Time) time.Time {
	const agree = 100 * time.Millisecond
	if noted.Before(heard.Add(-agree)) {
		return noted
	}
	return heard
}
