package live

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"talktime/pbx"
	"talktime/queues"
	"talktime/queues/reports"
)

const (
	maxAge   = 2 * time.Second  // of a picture that is handed out
	patience = 5 * time.Second  // for all that a picture is made from
	longAway = 15 * time.Second // so long a picture without Asterisk is handed out while Asterisk is asked again
)

// Asterisk says how things are now. It is *pbx.Client.
type Asterisk interface {
	// Snapshot is not older than two seconds, and shared by all who ask.
	Snapshot(context.Context) (pbx.Snapshot, error)
}

// ManagerStats counts what the connection to Asterisk's manager interface did.
type ManagerStats = pbx.Stats

// Log is what the log says of today. It is *reports.Service.
type Log interface {
	Names(ctx context.Context, who reports.Scope) (queueNames, agentNames []queues.Name, err error)
	TodayByAgent(context.Context) (map[string]map[string]queues.Facts, error)
}

// Options of Pictures.
type Options struct {
	Asterisk Asterisk // nil: there is none, and no picture is live
	Log      Log
	Location *time.Location   // of midnight; nil: local
	Now      func() time.Time // nil: the clock. That of Asterisk must be the same
	Logger   *slog.Logger     // nil: no logs
}

// Pictures makes pictures, and shares each. Its methods may be called by many goroutines at a time.
type Pictures struct {
	o Options

	mu     sync.Mutex
	last   *Picture
	flight *flight
}

// flight is a picture that is being made.
type flight struct {
	done    chan struct{} // closed when the rest is set
	picture *Picture
	err     error
}

// New returns Pictures that have asked nobody yet.
func New(o Options) *Pictures {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pictures{o: o}
}

// Now is how the queues are, or were at most two seconds ago. Without Asterisk it is what the log says, and not Live. An error is that of
// ctx, or of the log.
func (p *Pictures) Now(ctx context.Context) (*Picture, error) {
	now := p.o.Now()
	p.mu.Lock()
	if age, ok := p.age(now); ok && (age < maxAge || !p.last.Live && p.flight != nil && age < longAway) {
		defer p.mu.Unlock()
		return p.last, nil
	}
	f := p.flight
	if f != nil {
		p.mu.Unlock()
		select {
		case <-f.done:
			return f.picture, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	f = &flight{done: make(chan struct{}), err: errors.New("the live picture of the queues could not be made")} // that is left only by a panic
	p.flight = f
	last := p.last
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.flight = nil
		if f.err == nil {
			p.last = f.picture
		}
		close(f.done)
	}()
	// Others wait for it too: whoever asked first does not end it by going away.
	making, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	f.picture, f.err = p.make(making, last)
	return f.picture, f.err
}

// age is how old the last picture is; ok is false when there is none that is of today.
func (p *Pictures) age(now time.Time) (age time.Duration, ok bool) {
	if p.last == nil || !p.last.Day.Equal(reports.Midnight(now, p.o.Location)) {
		return 0, false
	}
	age = now.Sub(p.last.At)
	return age, age >= 0
}

// make asks Asterisk, and the log.
func (p *Pictures) make(ctx context.Context, last *Picture) (*Picture, error) {
	picture := &Picture{Why: "no manager interface of Asterisk is set up"}
	var s pbx.Snapshot
	if p.o.Asterisk != nil {
		var err error
		s, err = p.o.Asterisk.Snapshot(ctx)
		var stale *pbx.StaleError
		if picture.Live = err == nil; !picture.Live {
			picture.Why = reason(err)
		}
		if errors.As(err, &stale) {
			picture.Since = stale.LastGood
		}
		p.tell(picture, last, err)
	}
	names, err := p.names(ctx)
	if err != nil {
		return nil, err
	}
	today, err := p.o.Log.TodayByAgent(ctx)
	if err != nil {
		return nil, err
	}
	now := p.o.Now()
	picture.At, picture.Day = now, reports.Midnight(now, p.o.Location)
	if picture.Live {
		picture.At = s.At
	}
	picture.Queues = join(s, names, today)
	return picture, nil
}

// reason is why Asterisk has not said how things are, without the names of hosts.
func reason(err error) string {
	var refused *pbx.RefusedError
	switch {
	case errors.As(err, &refused):
		return "Asterisk refused " + refused.Action + ": " + refused.Reason
	case errors.Is(err, pbx.ErrAway):
		return "the manager interface of Asterisk is away"
	case errors.Is(err, context.DeadlineExceeded):
		return "Asterisk did not answer in time"
	}
	return "what Asterisk answered makes no sense"
}

// tell logs when Asterisk goes, and when it comes back.
func (p *Pictures) tell(picture, last *Picture, err error) {
	switch {
	case !picture.Live && (last == nil || last.Live):
		p.o.Logger.Warn("there is no live picture of the queues", "why", picture.Why, "err", err)
	case picture.Live && last != nil && !last.Live:
		p.o.Logger.Info("the picture of the queues is live again")
	}
}

// shownNames are what queues and agents are called.
type shownNames struct{ queues, agents map[string]string }

func (n shownNames) queue(key string) string { return cmp.Or(n.queues[key], key) }

func (n shownNames) agent(key string) string { return cmp.Or(n.agents[key], key) }

func (p *Pictures) names(ctx context.Context) (shownNames, error) {
	ofQueues, ofAgents, err := p.o.Log.Names(ctx, reports.Scope{All: true})
	shown := func(names []queues.Name) map[string]string {
		of := make(map[string]string, len(names))
		for _, n := range names {
			if n.Key != queues.None {
				of[n.Key] = n.Shown
			}
		}
		return of
	}
	return shownNames{shown(ofQueues), shown(ofAgents)}, err
}
