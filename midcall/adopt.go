package midcall

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/pbx"
)

const (
	adopters = 64               // calls that are taken over at a time
	forlorn  = 30 * time.Second // between looks for the channel of a call that nobody keeps
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
	every(ctx, beating, func() {
		s.mu.Lock()
		alive := !s.first.IsZero() && s.o.Now().Sub(s.last) <= fresh
		s.mu.Unlock()
		if !alive {
			return
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
		now := s.o.Now()
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

// adoptAll takes over those of some calls whose channels are there, those that must end first before others, and returns the ids of those of
// which there is none on any Asterisk.
func (s *Service) adoptAll(ctx context.Context, lost []models.Call) (without []string) {
	slices.SortFunc(lost, func(a, b models.Call) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	complete := true
	left := make(map[string]models.Call, len(lost))
	for _, c := range lost {
		left[c.CallID] = c
	}
	var taking sync.WaitGroup
	turn := make(chan struct{}, adopters)
	for _, a := range s.systems {
		s.mu.Lock()
		there := a.there()
		s.mu.Unlock()
		if !there {
			complete = false
			continue
		}
		asked := s.o.Now()
		list, err := a.list(ctx)
		if err != nil {
			complete = false
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
				s.adopt(ctx, a, call, channel, partner(channel, bridges), asked)
			})
		}
	}
	taking.Wait()
	for id := range left {
		if complete {
			without = append(without, id)
		}
	}
	return without
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

// adopt takes a call over.
func (s *Service) adopt(ctx context.Context, a *system, lost models.Call, channel pbx.Channel, callee string, asked time.Time) {
	taken, err := func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, deciding)
		defer cancel()
		return s.o.Store.TakeCall(ctx, lost, s.id)
	}()
	s.log(ctx, "a call that nobody keeps was not taken over", err)
	if err != nil || !taken {
		return
	}
	dialled, leg := lost.Authorized, len(lost.Legs)
	for _, note := range lost.Notes {
		if note.Source == billing.SourceRepeat && note.Leg == leg && note.SeenAt.After(dialled) {
			dialled = note.SeenAt
		}
	}
	c := &call{
		system: a, uniqueID: channel.UniqueID, channel: channel.Name, id: lost.CallID, user: lost.UserID,
		identity: billing.Identity{CallerID: lost.CallerID}, leg: leg, slice: lost.Slice, callee: callee,
		limit: lost.Limit, until: lost.Limit, placed: lost.Limit, heard: asked, dialled: dialled, deadline: lost.Due, look: true, next: s.o.Now(),
	}
	switch {
	case lost.AnsweredMS != 0: // what had passed before is in it
		c.answered = s.since(lost.AnsweredMS)
	case callee != "":
		c.base = dialled.Sub(lost.Authorized).Truncate(time.Second)
		c.answered = s.answerOf(ctx, a, channel.Name, s.since(dialled.UnixMilli()))
		c.refused = c.elapsed(s.o.Now()) >= seconds(c.limit) // nobody knows: the limit that it has counts
	default:
		c.base = dialled.Sub(lost.Authorized).Truncate(time.Second)
	}
	if callee != "" {
		c.placed = unplaced
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(c)
	a.check = true // what has happened since the channels were listed
	s.figures.Adopted++
	s.o.Logger.InfoContext(ctx, "a call that nobody kept was taken over", "call_id", c.id)
}
