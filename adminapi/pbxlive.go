package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"talktime/adminapi/eventstream"
	"talktime/livecalls"
	"talktime/money"
)

// costsEvery is how often costs are sent to whoever is sent the calls, when nothing but these has changed.
const costsEvery = 5 * time.Second

// shownCalls is the last picture of the calls as it is sent to everybody who asks for all of them. The zero value is ready to use.
type shownCalls struct {
	mu          sync.Mutex
	of          *livecalls.Picture
	data, still []byte
}

// show returns the picture as JSON, and without what changes by itself as time goes by.
func (s *shownCalls) show(r *request, p *livecalls.Picture) (data, still []byte, err error) {
	if r.Query("user") != "" {
		return r.encodeCalls(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of != p {
		if s.data, s.still, err = r.encodeCalls(p); err != nil {
			return nil, nil, err
		}
		s.of = p
	}
	return s.data, s.still, nil
}

func (r *request) encodeCalls(p *livecalls.Picture) (data, still []byte, err error) {
	shown := r.showLiveCalls(p, r.onlyUser())
	if data, err = json.Marshal(shown); err != nil {
		return nil, nil, err
	}
	still, err = json.Marshal(shown.still())
	return data, still, err
}

// still is the picture without what changes by itself as time goes by.
func (p liveCallsJSON) still() liveCallsJSON {
	p.At = time.Time{}
	p.Calls = slices.Clone(p.Calls)
	for i := range p.Calls {
		c := &p.Calls[i]
		c.Talked, c.Cost = ifKnown(int64(0), c.Talked != nil), ifKnown(money.Amount(0), c.Cost != nil)
		c.Left, c.SliceLeft = ifKnown(int64(0), c.Left != nil), ifKnown(int64(0), c.SliceLeft != nil)
	}
	return p
}

// streamCalls sends the calls that hold money, whenever one of them changes, and what they cost every few seconds.
func streamCalls(r *request) error {
	if r.api.PBX.Live == nil {
		return noManager()
	}
	return r.stream(r.callChanges())
}

// callChanges finds the picture of the calls whenever there is something new in it. Who reads is asked again every few seconds.
func (r *request) callChanges() func(context.Context) (*eventstream.Event, error) {
	var (
		asked, sent time.Time // zero: never
		last        []byte
		seen        *livecalls.Picture
	)
	return func(ctx context.Context) (*eventstream.Event, error) {
		now := r.api.Now()
		if asked.IsZero() || now.Before(asked) || now.Sub(asked) >= streamCheck {
			_, done, err := r.askAgain()
			done()
			if err != nil {
				return nil, err
			}
			asked = now
		}
		p, err := r.api.PBX.Live.Now(ctx)
		if err != nil || p == seen {
			return nil, err
		}
		seen = p
		data, still, err := r.api.calls.show(r, p)
		running := len(p.Calls) > 0 && (now.Before(sent) || now.Sub(sent) >= costsEvery)
		if err != nil || bytes.Equal(still, last) && !running {
			return nil, err
		}
		last, sent = still, now
		return &eventstream.Event{ID: p.At.UnixMilli(), Name: "picture", Data: data}, nil
	}
}
