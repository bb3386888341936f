package reports

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"talktime/queues"
)

// Outbound knows whom we called.
type Outbound interface {
	// AnsweredCalls hands over the calls that were answered from one time (included) to another (excluded), in no order: the number that was
	// called, and when it was answered. With an error it may have handed over some.
	AnsweredCalls(ctx context.Context, from, to time.Time, each func(number string, at time.Time) error) error
}

// Callback is a caller who gave up, and what came of it.
type Callback struct {
	Row                  // the passage that was abandoned
	Again      *Row      // the first one of the same number after it that was answered, else the first one, in another call and over by now; nil: there is none
	CalledBack time.Time // when the first call that we made to the number was answered; zero: none is known
}

// maxAgain is how many later passages are looked at.
const maxAgain = 2 * MaxRows

// Callbacks are the abandoned passages of a range, by when they ended, with what came of them within a time after that. Of later passages
// somebody is told if he may see them, whatever the filter says. ErrTooMany for more than MaxRows. Where Outbound fails, the list has
// what it told.
//
// Numbers are the same if their last nine digits are, shorter ones if they are equal: so a number is the same with a prefix and without.
// Withheld numbers are nobody's.
func (s *Service) Callbacks(ctx context.Context, who Scope, f Filter, within time.Duration) ([]Callback, error) {
	list, err := s.abandoned(ctx, who, f)
	if err != nil || len(list) == 0 {
		return list, err
	}
	numbers := map[string][]int{} // where they are in the list
	for i := range list {
		if number := sameNumber(list[i].Caller); number != "" {
			numbers[number] = append(numbers[number], i)
		}
	}
	if err := s.calledAgain(ctx, who, list, numbers, within); err != nil {
		return nil, err
	}
	if s.Outbound != nil {
		if err := s.calledBack(ctx, list, numbers, within); err != nil {
			s.log().Warn("a list of abandoned calls does not say of all who were called back", "err", err)
		}
	}
	return list, nil
}

func (s *Service) abandoned(ctx context.Context, who Scope, f Filter) ([]Callback, error) {
	v, err := s.view(ctx, who, f)
	if err != nil {
		return nil, err
	}
	var list []Callback
	clock := wall{zone: s.Location}
	err = s.details(ctx, v, func(d *queues.Detail) error {
		switch {
		case d.Outcome != queues.Abandoned || !v.window.has(clock.seconds(d.At)):
			return nil
		case len(list) == MaxRows:
			return fmt.Errorf("%w: it has more than %d calls", ErrTooMany, MaxRows)
		}
		list = append(list, Callback{Row: v.row(d)})
		return nil
	})
	return list, err
}

// calledAgain finds who called again. What began in time may be over, or be connected, a while later.
func (s *Service) calledAgain(ctx context.Context, who Scope, list []Callback, numbers map[string][]int, within time.Duration) error {
	first, last := list[0].Ended, list[len(list)-1].Ended
	v, err := s.view(ctx, who, Filter{From: time.UnixMicro(first), To: time.UnixMicro(last).Add(within + queues.Lifetime)})
	if err != nil {
		return err
	}
	later, n := map[string][]*Row{}, 0
	err = s.details(ctx, v, func(d *queues.Detail) error {
		number := sameNumber(d.Caller)
		if number == "" || numbers[number] == nil {
			return nil
		}
		if n++; n > maxAgain {
			return fmt.Errorf("%w: these callers called more than %d times", ErrTooMany, maxAgain)
		}
		r := v.row(d)
		later[number] = append(later[number], &r)
		return nil
	})
	if err != nil {
		return err
	}
	for number, rows := range later {
		slices.SortStableFunc(rows, func(a, b *Row) int { return cmp.Compare(a.Entered, b.Entered) })
		answered := slices.DeleteFunc(slices.Clone(rows), func(r *Row) bool { return r.Outcome != queues.Answered })
		for _, i := range numbers[number] {
			c := &list[i]
			if c.Again = next(answered, c, within); c.Again == nil {
				c.Again = next(rows, c, within)
			}
		}
	}
	return nil
}

// next is the first of some passages, which are in the order of their beginning, that began in time after one that was abandoned, in another
// call; nil: none.
func next(rows []*Row, c *Callback, within time.Duration) *Row {
	from := sort.Search(len(rows), func(n int) bool { return rows[n].Entered >= c.Ended })
	for _, r := range rows[from:] {
		if r.Entered-c.Ended > within.Microseconds() {
			break
		}
		if r.CallID != c.CallID {
			return r
		}
	}
	return nil
}

// calledBack finds whom we called.
func (s *Service) calledBack(ctx context.Context, list []Callback, numbers map[string][]int, within time.Duration) error {
	from, to := time.UnixMicro(list[0].Ended), time.UnixMicro(list[len(list)-1].Ended).Add(within+time.Second)
	calls := map[string][]time.Time{}
	err := s.Outbound.AnsweredCalls(ctx, from, to, func(number string, at time.Time) error {
		if number = sameNumber(number); numbers[number] != nil {
			calls[number] = append(calls[number], at)
		}
		return nil
	})
	for number, answered := range calls {
		slices.SortFunc(answered, time.Time.Compare)
		for _, i := range numbers[number] {
			ended := time.UnixMicro(list[i].Ended)
			n, _ := slices.BinarySearchFunc(answered, ended, time.Time.Compare)
			if n < len(answered) && answered[n].Sub(ended) <= within {
				list[i].CalledBack = answered[n]
			}
		}
	}
	return err
}

// sameNumber is by which numbers are compared: the last nine digits. Empty if it is none.
func sameNumber(number string) string {
	const digits = 9
	var b []byte
	for i := range len(number) {
		switch c := number[i]; {
		case c >= '0' && c <= '9':
			b = append(b, c)
		case strings.IndexByte("+ -./()", c) < 0:
			return ""
		}
	}
	if strings.Trim(string(b), "0") == "" {
		return ""
	}
	return string(b[max(len(b)-digits, 0):])
}
