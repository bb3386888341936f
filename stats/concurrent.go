package stats

import (
	"context"
	"fmt"
	"time"
)

// Busy is how many calls there were at once in some time.
type Busy struct {
	From, To time.Time // half open; in the zone of the query
	Most     int64
	Seconds  int64 // of all calls in it together, ringing included
}

// Mean is how many calls there were at once on average.
func (b Busy) Mean() Hundredths { return Hundredths(ratio(100*b.Seconds, b.To.Unix()-b.From.Unix())) }

// Concurrent is how calls at once went up and down.
type Concurrent struct {
	Slots []Busy
	Most  int64
	Calls int64 // that were there for a second or longer
}

// MaxConcurrent is the longest time of which calls at once are counted: a number for each second is kept.
const MaxConcurrent = 31*24*time.Hour + time.Hour // with the hour that clocks are set back

// LongestCall is for how long a call counts at most among those at once, and so how long before a time calls may have begun that go
// on in it. The longest that is permitted is a day; of one that was written by hand the rest is left out.
const LongestCall = 26 * time.Hour

// Concurrent counts the calls at once, ringing included, for each period of a query, which is a minute, a quarter of an hour or an
// hour; its Of does not matter. Calls are counted from the second in which they began to that in which they ended, which is not
// counted. Those that still go on are not there. A time of more than MaxConcurrent is ErrRange.
func (s *Service) Concurrent(ctx context.Context, q Query) (Concurrent, error) {
	from, to := q.From.Unix(), q.To.Unix()
	if q.To.Sub(q.From) > MaxConcurrent {
		return Concurrent{}, fmt.Errorf("%w: calls at once are counted for 31 days at most", ErrRange)
	}
	leave, err := s.turn(ctx)
	if err != nil {
		return Concurrent{}, err
	}
	defer leave()
	var all Concurrent
	changes := make([]int32, to-from+1) // by how much the calls at once change with each second
	err = s.Calls.EachCall(ctx, q.From.Add(-LongestCall), q.To, q.Account, func(c *Call) error {
		begin, end := max(c.Start, from), min(c.Start+min(c.Duration, int64(LongestCall/time.Second)), to)
		if begin >= end || !s.asked(q, c) {
			return nil
		}
		changes[begin-from]++
		changes[end-from]--
		all.Calls++
		return nil
	})
	if err != nil {
		return Concurrent{}, err
	}
	in := lazily(slots(q.By, q.Location))
	var now int64
	for at := from; at < to; {
		end := min(in(at).to, to)
		b := Busy{From: time.Unix(at, 0).In(q.Location), To: time.Unix(end, 0).In(q.Location)}
		for ; at < end; at++ {
			now += int64(changes[at-from])
			b.Most = max(b.Most, now)
			b.Seconds += now
		}
		all.Most = max(all.Most, b.Most)
		all.Slots = append(all.Slots, b)
	}
	return all, nil
}
