package reports

import (
	"context"
	"sync"
	"time"

	"talktime/queues"
)

// Today is computed anew after so long at the earliest, and given up when it takes longer than that.
const (
	todayFresh = time.Second
	todayLong  = 30 * time.Second
)

// today is what was counted of today when somebody asked last.
type today struct {
	mu      sync.Mutex
	counted *todays // nil: nothing yet
	day     int
	change  int64     // of the store when it was counted
	at      time.Time // when it was known to be right
	running *counting
}

// counting is a computation that is under way, for all who wait for it.
type counting struct {
	done    chan struct{}
	counted *todays
	err     error
}

// todays is what is counted of today: by queue, and by queue and agent.
type todays struct {
	queues map[string]queues.Facts
	agents map[string]map[string]queues.Facts
}

// add counts for a queue and an agent.
func (t *todays) add(queue, agent string, count func(*queues.Facts)) {
	of := t.agents[queue]
	if of == nil {
		of = map[string]queues.Facts{}
		t.agents[queue] = of
	}
	all, one := t.queues[queue], of[agent]
	count(&all)
	count(&one)
	t.queues[queue], of[agent] = all, one
}

// Today counts the passages of today by the names of their queues, open ones too: those that were connected, that ended or that began since
// midnight by the clock on the wall (queues.Passage.Moment). It is not older than two seconds, and shared by all who ask: for reading only.
func (s *Service) Today(ctx context.Context) (map[string]queues.Facts, error) {
	counted, err := s.countedToday(ctx)
	if err != nil {
		return nil, err
	}
	return counted.queues, nil
}

// TodayByAgent is Today, of each queue by agent (queues.AgentKey), None for those whom nobody was connected to: what they add up to is
// Today, and is counted with it.
func (s *Service) TodayByAgent(ctx context.Context) (map[string]map[string]queues.Facts, error) {
	counted, err := s.countedToday(ctx)
	if err != nil {
		return nil, err
	}
	return counted.agents, nil
}

func (s *Service) countedToday(ctx context.Context) (*todays, error) {
	t := &s.today
	t.mu.Lock()
	now := s.Now()
	if age := now.Sub(t.at); t.counted != nil && age >= 0 && age < todayFresh && t.day == dayOf(now, s.Location) {
		defer t.mu.Unlock()
		return t.counted, nil
	}
	if t.running == nil {
		t.running = &counting{done: make(chan struct{})}
		go s.countToday(context.WithoutCancel(ctx), t.running) // for others, too: whoever asked first may go
	}
	run := t.running
	t.mu.Unlock()
	select {
	case <-run.done:
		return run.counted, run.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// countToday counts, unless nothing has changed, and tells all who wait.
func (s *Service) countToday(ctx context.Context, run *counting) {
	ctx, cancel := context.WithTimeout(ctx, todayLong)
	defer cancel()
	t := &s.today
	t.mu.Lock()
	before := today{counted: t.counted, day: t.day, change: t.change}
	t.mu.Unlock()
	now := s.Now()
	day := dayOf(now, s.Location)
	change, err := s.Keeper.QueueChange(ctx)
	run.counted = before.counted
	if err == nil && (before.counted == nil || day != before.day || change != before.change) {
		run.counted, change, err = s.countSince(ctx, day, now, change)
	}
	run.err = err
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running = nil; err == nil {
		t.counted, t.day, t.change, t.at = run.counted, day, change, now
	} else {
		run.counted = nil
	}
	close(run.done)
}

// countSince counts what belongs to a day. A call that ends between two questions would be counted twice or not at all: then it asks again, a
// few times.
func (s *Service) countSince(ctx context.Context, day int, now time.Time, change int64) (*todays, int64, error) {
	for try := 1; ; try++ {
		counted, err := s.countOnce(ctx, startOf(day, s.Location), startOf(day+1, s.Location), now)
		if err != nil {
			return nil, 0, err
		}
		after, err := s.Keeper.QueueChange(ctx)
		if err != nil || after == change || try == 3 {
			return counted, change, err
		}
		change = after
	}
}

func (s *Service) countOnce(ctx context.Context, from, to int64, now time.Time) (*todays, error) {
	counted := &todays{map[string]queues.Facts{}, map[string]map[string]queues.Facts{}}
	restart, err := s.Keeper.QueueRestart(ctx)
	if err != nil {
		return nil, err
	}
	var events []queues.Event
	err = s.Keeper.OpenQueueCalls(ctx, func(_ string, lines []byte) error {
		events = append(eventsOf(events[:0], string(lines)), restarted(restart))
		call := queues.Assemble(events, now)
		for i := range call.Passages {
			if p := &call.Passages[i]; p.Outcome.Open() && p.Moment() >= from && p.Moment() < to {
				counted.add(p.Queue, p.Agent, func(f *queues.Facts) { f.Add(p) })
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, Scope{All: true}, Filter{})
	if err != nil {
		return nil, err
	}
	type pair struct{ queue, agent int32 }
	pairs := map[pair]*queues.Facts{}
	err = s.Keeper.QueueItems(ctx, from, to, func(m *queues.Item) error {
		if m.At < from || m.At >= to || !v.queues.has(m.Queue) || !v.agents.has(m.Agent) {
			return nil
		}
		f := pairs[pair{m.Queue, m.Agent}]
		if f == nil {
			f = &queues.Facts{}
			pairs[pair{m.Queue, m.Agent}] = f
		}
		f.AddItem(m)
		return nil
	})
	for p, facts := range pairs {
		counted.add(v.queues.names[p.queue].Key, v.agents.names[p.agent].Key, func(f *queues.Facts) { f.Merge(facts) })
	}
	return counted, err
}
