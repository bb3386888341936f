package stats

import (
	"context"
	"time"
)

// tally is what has been counted of a day until now.
type tally struct {
	day      Day
	end      int64 // Unix seconds
	records  int64
	counters []Counter // of all kinds, in their order
}

// counting reads consecutive days in one go. Records come in the order of their start. Calls come later: until it is known of all that
// began in a day which of their records stand for them, it stays open.
type counting struct {
	*Roller
	ctx   context.Context
	done  func(Day, []Counted, int64) error
	begin int64 // of the first day, Unix seconds
	days  []*tally
	all   []int // kinds that see every record
	calls []int // kinds that see one record of each call
	once  *Once // nil: nobody asks for calls

	closed, at, callsAt int // days that are finished; the one of the last record; the one of the last call
	ended               bool
}

// count reads consecutive days, and hands out what was counted of each, in their order.
func (r *Roller) count(ctx context.Context, days []Day, done func(Day, []Counted, int64) error) error {
	from, to := r.begin(days[0]), r.end(days[len(days)-1])
	c := &counting{Roller: r, ctx: ctx, done: done, begin: from.Unix()}
	scan := Scan{From: from, To: to, Select: Everything}
	for i, k := range r.kinds {
		scan.Fields |= k.Fields
		if i == 0 {
			scan.Select = k.Select
		} else if scan.Select != k.Select {
			scan.Select = Everything
		}
		if k.Once {
			c.calls = append(c.calls, i)
		} else {
			c.all = append(c.all, i)
		}
	}
	if len(c.calls) > 0 {
		c.once = NewOnce(from, to, Picking{Location: r.Location}, c.addCall)
		scan.Fields |= FieldUniqueID | FieldDst | FieldDisposition
		scan.From = lookBack(from, r.Location)
	}
	for _, d := range days {
		t := &tally{day: d, end: r.end(d).Unix()}
		for _, k := range r.kinds {
			t.counters = append(t.counters, k.New())
		}
		c.days = append(c.days, t)
	}
	if len(r.kinds) > 0 {
		if err := c.read(scan); err != nil {
			return err
		}
	}
	c.ended = true
	return c.closeUntil(len(c.days))
}

// read reads the records, and behind the days as many as it takes to know which calls were answered.
func (c *counting) read(scan Scan) error {
	for scan.From.Before(scan.To) {
		if err := c.Source.Each(c.ctx, scan, c.add); err != nil {
			return err
		}
		if c.once == nil {
			return nil
		}
		scan.From, scan.To = scan.To, time.Unix(c.once.undecided(scan.To.Unix()), 0)
	}
	return c.once.End()
}

func (c *counting) add(r *Record) error {
	c.pulse.Add(1)
	for c.at < len(c.days) && r.Start >= c.days[c.at].end {
		c.at++
	}
	if r.Start >= c.begin && c.at < len(c.days) {
		t := c.days[c.at]
		t.records++
		for _, i := range c.all {
			t.counters[i].Add(r)
		}
	}
	if c.once != nil {
		if err := c.once.Add(r); err != nil {
			return err
		}
	}
	if c.closed < c.at {
		return c.closeUntil(c.at)
	}
	return nil
}

// addCall takes the record that stands for a call. Those of which it was known late come behind others that began after them.
func (c *counting) addCall(r *Record) error {
	for r.Start >= c.days[c.callsAt].end {
		c.callsAt++
	}
	for c.callsAt > 0 && r.Start < c.days[c.callsAt-1].end {
		c.callsAt--
	}
	for _, i := range c.calls {
		c.days[c.callsAt].counters[i].Add(r)
	}
	return nil
}

// closeUntil finishes the days before one, as far as all their calls are decided.
func (c *counting) closeUntil(end int) error {
	for ; c.closed < end; c.closed++ {
		t := c.days[c.closed]
		if c.once != nil && !c.ended && c.once.handedOut() < t.end {
			return nil
		}
		counted := make([]Counted, 0, len(c.kinds)+len(c.CallKinds))
		for i, k := range c.kinds {
			counted = append(counted, Counted{k.Name, k.Rule, t.counters[i].AppendTo(nil)})
		}
		money, err := c.countCalls(t.day)
		if err != nil {
			return err
		}
		t.counters = nil
		if err := c.done(t.day, append(counted, money...), t.records); err != nil {
			return err
		}
	}
	return nil
}

// countCalls counts the calls of ours of a day.
func (c *counting) countCalls(day Day) ([]Counted, error) {
	if len(c.CallKinds) == 0 {
		return nil, nil
	}
	counters := make([]CallCounter, len(c.CallKinds))
	for i, k := range c.CallKinds {
		counters[i] = k.New()
	}
	err := c.Calls.EachCall(c.ctx, c.Roller.begin(day), c.end(day), nil, func(call *Call) error {
		c.pulse.Add(1)
		for _, counter := range counters {
			counter.AddCall(call)
		}
		return nil
	})
	counted := make([]Counted, len(counters))
	for i, k := range c.CallKinds {
		counted[i] = Counted{k.Name, k.Rule, counters[i].AppendTo(nil)}
	}
	return counted, err
}

// handedOut is a second before which every call that began has been handed out: that in which the oldest began of those that wait.
func (o *Once) handedOut() int64 {
	if o.head < len(o.waiting) {
		return o.waiting[o.head].start
	}
	return o.now
}
