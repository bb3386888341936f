package pbx

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxAge is how old a Snapshot may be when it is handed out. A query that takes longer has failed.
const maxAge = 2 * time.Second

// Snapshot is the queues and channels of one moment. Readers share it: it must not be changed.
type Snapshot struct {
	At       time.Time // when the questions were asked
	Queues   []QueueState
	Channels []Channel
}

// StaleError means that nobody knows how things are now.
type StaleError struct {
	LastGood time.Time // of the last Snapshot; zero: there was none
	Err      error
}

func (e *StaleError) Error() string {
	if e.LastGood.IsZero() {
		return fmt.Sprintf("the live picture is not known, and never was: %s", e.Err)
	}
	return fmt.Sprintf("the live picture is not known since %s: %s", e.LastGood.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap returns why, such as ErrAway.
func (e *StaleError) Unwrap() error { return e.Err }

// cache holds the last Snapshot, and the one query under way.
type cache struct {
	mu     sync.Mutex
	last   Snapshot
	flight *flight
}

type flight struct {
	done chan struct{} // closed when the rest is set
	s    Snapshot
	err  error
}

// Snapshot returns queues and channels as they were at most two seconds ago. However many ask, Asterisk is asked once. An
// error is that of ctx, or a *StaleError.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	k := &c.cache
	k.mu.Lock()
	if age := c.now().Sub(k.last.At); !k.last.At.IsZero() && age >= 0 && age < maxAge {
		defer k.mu.Unlock()
		return k.last, nil
	}
	f := k.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		if !c.start(func() { c.query(f) }) {
			defer k.mu.Unlock()
			return Snapshot{}, &StaleError{LastGood: k.last.At, Err: fmt.Errorf("%w: %w", ErrAway, errClosed)}
		}
		k.flight = f
	}
	k.mu.Unlock()
	select {
	case <-f.done:
		return f.s, f.err
	case <-ctx.Done():
		return Snapshot{}, context.Cause(ctx)
	}
}

// start runs f beside, unless the client is closed. Close waits for it.
func (c *Client) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.run.Go(f)
	return true
}

// query asks Asterisk on behalf of all who wait for f: none of them ends it by going away.
func (c *Client) query(f *flight) {
	ctx, cancel := context.WithTimeout(c.ctx, maxAge)
	defer cancel()
	at := c.now()
	queues, err := c.QueueStatus(ctx)
	var channels []Channel
	if err == nil {
		channels, err = c.CoreShowChannels(ctx)
	}
	k := &c.cache
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	if err != nil {
		f.err = &StaleError{LastGood: k.last.At, Err: err}
	} else {
		f.s = Snapshot{At: at, Queues: queues, Channels: channels}
		k.last = f.s
	}
	close(f.done)
}
