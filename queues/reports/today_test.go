package reports_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

// TestToday: the counts of a day are shared, computed anew when something was stored, and begin again at midnight.
func TestToday(t *testing.T) {
	t.Parallel()
	now := time.Unix(1812585609, 0)
	var lines []string
	lines = append(lines, twoQueues[:6]...)
	m := newMemory(func() time.Time { return now }, append(lines, answered(2, "sales", "Bob")...)...)
	s := service(m, time.UTC)
	today := func() map[string]queues.Facts {
		t.Helper()
		counted, err := s.Today(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return counted
	}
	if got := today(); len(got) != 1 || got["support"].Waiting != 1 {
		t.Errorf("%+v", got)
	}
	m.add(twoQueues[6])
	if got := today(); got["support"].Waiting != 1 || m.asked["open"] != 1 {
		t.Errorf("%+v %v", got, m.asked)
	}
	now = now.Add(1100 * time.Millisecond)
	if got := today(); got["support"].Waiting != 0 || got["support"].Talking != 1 {
		t.Errorf("%+v", got)
	}
	now = now.Add(1100 * time.Millisecond)
	if today(); m.asked["open"] != 2 || m.asked["change"] != 5 {
		t.Error("nothing had changed, but ", m.asked)
	}
	now = now.AddDate(0, 0, 1)
	if got := today(); len(got) != 0 {
		t.Errorf("the next day began with %+v", got)
	}
}

// TestTodayShared: those who ask while it is computed wait for one computation, and none of them can end it for the others.
func TestTodayShared(t *testing.T) {
	t.Parallel()
	m := newMemory(atTen, answered(2, "sales", "Bob")...)
	s := service(m, time.UTC)
	slow := &slowly{memory: m, go_: make(chan struct{}), asked: make(chan struct{}, 100)}
	s.Keeper = slow
	gone, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { _, err := s.Today(gone); first <- err }()
	<-slow.asked
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	results := make(chan int64)
	for range 50 {
		go func() {
			counted, err := s.Today(t.Context())
			if err != nil {
				t.Error(err)
			}
			f := counted["sales"]
			results <- f.Answered()
		}()
	}
	close(slow.go_)
	for range 50 {
		if n := <-results; n != 2 {
			t.Error(n)
		}
	}
	if m.asked["open"] != 1 {
		t.Error(m.asked)
	}
	slow.err = errors.New("no database")
	s.Now = func() time.Time { return atTen().Add(time.Minute) }
	if _, err := s.Today(t.Context()); !errors.Is(err, slow.err) {
		t.Error(err)
	}
	slow.err = nil
	if _, err := s.Today(t.Context()); err != nil {
		t.Error(err)
	}
}

type slowly struct {
	*memory
	go_, asked chan struct{}
	err        error
}

func (s *slowly) QueueChange(ctx context.Context) (int64, error) {
	s.asked <- struct{}{}
	<-s.go_
	change, _ := s.memory.QueueChange(ctx)
	return change, s.err
}

// TestTodayByAgent: it is Today, with what each agent did by itself.
func TestTodayByAgent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := drawBooth(t)
		s := service(b.memory, b.zone)
		got, err := s.TodayByAgent(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]map[string]queues.Facts{}
		for _, c := range b.memory.calls() {
			count := func(moment int64, queue, agent string, add func(*queues.Facts)) {
				if time.UnixMicro(moment).In(b.zone).Format(time.DateOnly) != b.now.In(b.zone).Format(time.DateOnly) {
					return
				}
				if want[queue] == nil {
					want[queue] = map[string]queues.Facts{}
				}
				sum := want[queue][agent]
				add(&sum)
				want[queue][agent] = sum
			}
			for i := range c.Passages {
				p := &c.Passages[i]
				count(p.Moment(), p.Queue, p.Agent, func(f *queues.Facts) { f.Add(p) })
			}
			for _, n := range c.NoAnswers {
				count(n.At, n.Queue, n.Agent, func(f *queues.Facts) { f.AddItem(&queues.Item{NoAnswer: true, Millis: n.Millis}) })
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		today, err := s.Today(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for queue, agents := range got {
			var sum queues.Facts
			for _, f := range agents {
				sum.Merge(&f)
			}
			if d := cmp.Diff(today[queue], sum); d != "" {
				t.Fatal(queue, d)
			}
		}
	})
}
