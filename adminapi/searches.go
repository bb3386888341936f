package adminapi

import (
	"cmp"
	"context"
	"sync"

	"talktime/models"
)

// maxSearches is how many searches of one user or program are under way at once, so that nobody keeps all others from theirs.
const maxSearches = 2

// searches gives everybody his turns to search. The zero value is ready to use.
type searches struct {
	most int // turns of one user or program; 0 = maxSearches

	mu sync.Mutex
	of map[string]*turns
}

type turns struct {
	taken chan struct{}
	users int // requests that search or wait
}

// turnsOf is whose turns a request takes to count calls. Not everybody whom call statistics are for is a user or a token of ours.
func (r *request) turnsOf() string { return cmp.Or(r.who.key(), r.GetString(keyActor)) }

// enter waits for a turn of somebody's, and returns how to give it back; models.ErrSearches when the context ends before.
func (s *searches) enter(ctx context.Context, who string) (leave func(), err error) {
	s.mu.Lock()
	if s.of == nil {
		s.of = make(map[string]*turns)
	}
	t, ok := s.of[who]
	if !ok {
		t = &turns{taken: make(chan struct{}, cmp.Or(s.most, maxSearches))}
		s.of[who] = t
	}
	t.users++
	s.mu.Unlock()
	forget := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(s.of, who)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, models.ErrSearches
	}
}
