package stats

import (
	"bytes"
	"cmp"
	"context"
	"hash/maphash"
	"math"
	"slices"
	"time"
)

// What is one call.
const (
	// callGap is how long after the end of a record the next one of the same channel belongs to the same call.
	callGap = 60
	// longestLeg is for how long a record holds its call at most.
	longestLeg = 12 * 60 * 60
	// overMidnight is how long before midnight a call may have begun that has further records after it. This, and what a record
	// holds, must be shorter together than any day: see lookBack.
	overMidnight = 6 * 60 * 60
	// maxWaiting is how many records wait until it is decided which is their call's. Calls that end as they should need a few hundred.
	maxWaiting = 1 << 16
)

// Once picks of the records of each call the one that stands for it: the first that was answered, of several of the same second the
// longest, else the first. Asterisk writes several of one call: for each leg that was dialled in turn or at once, for queues, ForkCDR,
// and for what ran in the extension h, which never counts. Records of one unique id are one call as long as each begins within a
// minute after the end of those before it, of which each holds it for 12 hours at most. At midnight those end that began more than 6
// hours before: so it takes the records of less than two days, and not everything there ever was, to know what is one call.
//
// It keeps what is undecided, and nothing of what it is handed: texts are copied.
type Once struct {
	from, to int64 // of the calls that are handed out
	how      Picking
	each     func(*Record) error

	clock           *Clock
	midnight, later int64 // the next one, and the one after it
	now             int64 // start of the last record
	seed            maphash.Seed
	calls           map[uint64]*onceCall
	sweepAt         int
	spare           *onceCall

	// Ascending by Start. In order these are all that have not been handed out, those of one second in the order of tie; else those
	// of the second now, and before them those that are undecided.
	waiting []*onceRecord
	head    int // of those that are left
	second  int // where those begin that began in the second now
	sortOut int // how many wait when those are looked for of which the call is decided
	free    []*onceRecord
	other   onceRecord
	record  Record // the one that is handed out
}

// Picking is how calls are picked.
type Picking struct {
	Location *time.Location // whose midnights matter: the site's

	// Ordered asks for calls ascending by Start, for lists. Everything waits then for the first that is undecided: so that not more than
	// 65,536 records wait, that one is decided as it is when it takes longer. Counters need no order: to them each call is handed as
	// soon as it is decided, and only more than 65,536 undecided ones at once are too many.
	Ordered bool
}

// onceCall is what is known of a call whose channel may go on.
type onceCall struct {
	id       []byte
	end      int64       // of its records
	limit    int64       // the last second in which a further one may begin, whenever they end
	picked   *onceRecord // the one that stands for it so far, while that can change or waits
	answered bool
	next     *onceCall // of another id with the same hash; or the next spare
}

// onceRecord is a copy of a record that waits.
type onceRecord struct {
	call                           *onceCall // nil: it does not wait for its call
	start, wall, duration, billsec int64
	own, ownCallee, answered, gone bool
	lengths                        [textCount]int
	texts                          []byte
}

// NewOnce hands the records to a function that stand for the calls from (included) to to (excluded). The record is valid until the
// function returns.
func NewOnce(from, to time.Time, how Picking, each func(*Record) error) *Once {
	return &Once{
		from: ceil(from), to: ceil(to), how: how, each: each, clock: NewClock(how.Location), midnight: math.MinInt64, now: math.MinInt64,
		seed: maphash.MakeSeed(), calls: make(map[uint64]*onceCall), sweepAt: leastSweep, sortOut: leastSweep,
	}
}

// leastSweep is how many calls or records it takes to look for those that are over.
const leastSweep = 1024

// ceil is the first whole second that is not before a moment.
func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// EachCall reads a source and hands out one record of each call that began within the scan. It reads as much more before it as it
// takes to know which records belong together, and behind it as long as somebody may still answer.
func EachCall(ctx context.Context, source Source, scan Scan, how Picking, each func(*Record) error) error {
	once := NewOnce(scan.From, scan.To, how, each)
	scan.Fields |= FieldUniqueID | FieldDst | FieldDisposition
	scan.Select = Connected
	wide := scan
	wide.From = lookBack(scan.From, how.Location)
	for wide.From.Before(wide.To) {
		if err := source.Each(ctx, wide, once.Add); err != nil {
			return err
		}
		wide.From, wide.To = wide.To, time.Unix(once.undecided(ceil(wide.To)), 0)
	}
	return once.End()
}

// lookBack is from when on records must be read to know the calls from a moment on. Of calls that go on over the midnight before it
// everything must be known, and of those that began earlier, which end there, only that they did: their last record that holds them.
func lookBack(from time.Time, l *time.Location) time.Time {
	begin, _ := dayAround(NewClock(l), from.Unix())
	return time.Unix(begin-overMidnight-longestLeg-callGap, 0)
}

// dayAround is when the day begins and ends in which a moment lies.
func dayAround(c *Clock, at int64) (begin, end int64) {
	day := int64(DayOf(c.Wall(at))) * daySeconds
	begin, end = c.Unix(day), c.Unix(day+daySeconds)
	if at >= end { // the clock was put back at midnight, and shows the day before again
		begin, end = end, c.Unix(day+2*daySeconds)
	}
	return begin, end
}

// undecided is when the last call is decided that is not yet, all records before a second having been added; that second if all are.
func (o *Once) undecided(before int64) int64 {
	until := before
	for _, w := range o.waiting[o.head:] {
		if !w.gone && !w.answered && w.call != nil && w.start >= o.from && w.start < o.to && w.call.goesOn(before) {
			until = max(until, w.call.lastStart()+1)
		}
	}
	return until
}

// lastStart is the last second in which a further record of the call may begin.
func (c *onceCall) lastStart() int64 { return min(c.end+callGap, c.limit) }

func (c *onceCall) goesOn(now int64) bool { return c.lastStart() >= now }

// Add takes the next record, which must not begin before those that were added already. Its error is that of the function.
func (o *Once) Add(r *Record) error {
	if len(r.Dst) == 1 && r.Dst[0] == 'h' {
		return nil
	}
	if r.Start > o.now {
		o.now = r.Start
		if err := o.release(false); err != nil {
			return err
		}
		o.second = len(o.waiting)
	}
	answered := Answered(r)
	if len(o.waiting)-o.head >= 2*maxWaiting { // in one second
		if err := o.release(false); err != nil {
			return err
		}
		o.second = len(o.waiting)
	}
	if len(r.UniqueID) == 0 { // nobody can tell what belongs together
		o.wait(r, answered, nil)
		return nil
	}
	c := o.call(r)
	switch {
	case c.answered && (c.picked == nil || c.picked.start < r.Start || !answered):
		return nil
	case c.answered || c.picked != nil && c.picked.start == r.Start && c.picked.answered == answered:
		o.other.copy(r, answered)
		if o.other.compare(c.picked) < 0 {
			c.picked.copy(r, answered)
		}
		return nil
	case c.picked != nil && !answered:
		return nil
	}
	if c.picked != nil { // nobody had answered
		c.picked.gone, c.picked.call = true, nil
	}
	c.picked, c.answered = o.wait(r, answered, c), answered
	return nil
}

// Answered reports whether somebody answered.
func Answered(r *Record) bool { return string(r.Disposition) == "ANSWERED" }

// call is the call that a record belongs to.
func (o *Once) call(r *Record) *onceCall {
	key := maphash.Bytes(o.seed, r.UniqueID)
	c := o.calls[key]
	for c != nil && !bytes.Equal(c.id, r.UniqueID) {
		c = c.next
	}
	if c == nil {
		if len(o.calls) >= o.sweepAt {
			o.sweep()
		}
		if c = o.spare; c != nil {
			o.spare = c.next
		} else {
			c = new(onceCall)
		}
		*c = onceCall{id: append(c.id[:0], r.UniqueID...), next: o.calls[key], end: r.Start, limit: o.limit(r.Start)}
		o.calls[key] = c
	} else if !c.goesOn(r.Start) {
		o.forget(c)
		c.end, c.limit, c.answered = r.Start, o.limit(r.Start), false
	}
	c.end = max(c.end, r.Start+min(r.Duration, longestLeg))
	return c
}

// limit is the last second in which a call may have another record that begins in the second now.
func (o *Once) limit(now int64) int64 {
	if now >= o.midnight {
		_, o.midnight = dayAround(o.clock, now)
		_, o.later = dayAround(o.clock, o.midnight)
	}
	if now < o.midnight-overMidnight {
		return o.midnight - 1
	}
	return o.later - 1
}

// forget takes the record that waits from its call, which has ended.
func (o *Once) forget(c *onceCall) {
	if c.picked != nil {
		c.picked.call, c.picked = nil, nil
	}
}

// sweep forgets the calls whose channels cannot go on.
func (o *Once) sweep() {
	for key, c := range o.calls {
		var kept *onceCall
		for c != nil {
			next := c.next
			if c.goesOn(o.now) {
				c.next, kept = kept, c
			} else {
				o.forget(c)
				c.next, o.spare = o.spare, c
			}
			c = next
		}
		if kept == nil {
			delete(o.calls, key)
		} else {
			o.calls[key] = kept
		}
	}
	o.sweepAt = max(leastSweep, 2*len(o.calls))
}

// wait puts a copy of a record into the queue.
func (o *Once) wait(r *Record, answered bool, c *onceCall) *onceRecord {
	var w *onceRecord
	if n := len(o.free); n > 0 {
		w, o.free = o.free[n-1], o.free[:n-1]
	} else {
		w = new(onceRecord)
	}
	w.copy(r, answered)
	w.call, w.gone = c, false
	o.waiting = append(o.waiting, w)
	return w
}

// release hands out what is decided: of the seconds that are over, or at the end everything.
func (o *Once) release(end bool) error {
	if !o.how.Ordered {
		return o.releaseDecided(end)
	}
	if len(o.waiting)-o.second > 1 {
		slices.SortFunc(o.waiting[o.second:], (*onceRecord).compare)
	}
	for o.head < len(o.waiting) {
		w := o.waiting[o.head]
		if !o.decided(w) && !end && len(o.waiting)-o.head <= maxWaiting {
			break
		}
		o.head++
		if err := o.handOut(w); err != nil {
			return err
		}
	}
	o.moveUp()
	return nil
}

// decided reports whether nothing can come any more that would stand for the call of a record in its place.
func (o *Once) decided(w *onceRecord) bool {
	return w.gone || w.answered || w.call == nil || !w.call.goesOn(o.now)
}

// moveUp makes room behind those that wait.
func (o *Once) moveUp() {
	if o.head == len(o.waiting) || o.head > 1024 && o.head > len(o.waiting)/2 {
		n := copy(o.waiting, o.waiting[o.head:])
		o.waiting, o.head = o.waiting[:n], 0
	}
}

// releaseDecided hands out what is decided, in whatever order. It looks at those of the last second, at the oldest, and now and then at all.
func (o *Once) releaseDecided(end bool) error {
	for o.head < o.second && (end || o.decided(o.waiting[o.head])) {
		o.head++
		if err := o.handOut(o.waiting[o.head-1]); err != nil {
			return err
		}
	}
	kept, all := o.second, len(o.waiting)-o.head >= o.sortOut
	if all {
		kept = o.head
	}
	for _, w := range o.waiting[kept:] {
		if end || o.decided(w) {
			if err := o.handOut(w); err != nil {
				return err
			}
			continue
		}
		o.waiting[kept] = w
		kept++
	}
	o.waiting = o.waiting[:kept]
	for all && len(o.waiting)-o.head > maxWaiting {
		o.head++
		if err := o.handOut(o.waiting[o.head-1]); err != nil {
			return err
		}
	}
	if all {
		o.sortOut = max(leastSweep, 2*(len(o.waiting)-o.head))
	}
	o.moveUp()
	return nil
}

// handOut takes what is decided out of the queue, and hands it out if it is in the range.
func (o *Once) handOut(w *onceRecord) error {
	if w.call != nil {
		w.call.picked, w.call.answered = nil, true // whatever comes of it still
	}
	w.call = nil
	o.free = append(o.free, w)
	if w.gone || w.start < o.from || w.start >= o.to {
		return nil
	}
	w.restore(&o.record)
	return o.each(&o.record)
}

// End hands out the rest. No record may be added behind it.
func (o *Once) End() error {
	o.now++
	return o.release(true)
}

// textCount is how many texts a record has.
const textCount = 12

// recordTexts are the texts of a record, those that directions need first: what is read besides them does not change which of several
// records stands for a call, but for what it shows of itself.
func recordTexts(r *Record) [textCount]*[]byte {
	return [textCount]*[]byte{
		&r.UniqueID, &r.Dst, &r.Src, &r.CNum, &r.Channel, &r.DstChannel, &r.Disposition, &r.Account, &r.CNam, &r.CallerID, &r.Context, &r.LastApp,
	}
}

// copy makes w a copy of a record.
func (w *onceRecord) copy(r *Record, answered bool) {
	w.start, w.wall, w.duration, w.billsec, w.own, w.ownCallee = r.Start, r.Wall, r.Duration, r.BillSec, r.Own, r.OwnCallee
	w.answered, w.texts = answered, w.texts[:0]
	for i, text := range recordTexts(r) {
		w.texts, w.lengths[i] = append(w.texts, *text...), len(*text)
	}
}

// restore makes r what was copied.
func (w *onceRecord) restore(r *Record) {
	r.Start, r.Wall, r.Duration, r.BillSec, r.Own, r.OwnCallee = w.start, w.wall, w.duration, w.billsec, w.own, w.ownCallee
	rest := w.texts
	for i, text := range recordTexts(r) {
		*text, rest = rest[:w.lengths[i]:w.lengths[i]], rest[w.lengths[i]:]
	}
}

// compare sorts records of one second: by unique id, the longest first, then by everything else that they say, so that it does not
// matter in which order a database has them.
func (w *onceRecord) compare(o *onceRecord) int {
	a, b := w.texts[:w.lengths[0]], o.texts[:o.lengths[0]]
	if c := cmp.Or(bytes.Compare(a, b), cmp.Compare(o.duration, w.duration), cmp.Compare(o.billsec, w.billsec)); c != 0 {
		return c
	}
	if w.own != o.own || w.ownCallee != o.ownCallee {
		return cmp.Or(yes(o.own)-yes(w.own), yes(o.ownCallee)-yes(w.ownCallee))
	}
	a, b = w.texts, o.texts
	for i := range textCount {
		if c := bytes.Compare(a[:w.lengths[i]], b[:o.lengths[i]]); c != 0 {
			return c
		}
		a, b = a[w.lengths[i]:], b[o.lengths[i]:]
	}
	return 0
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}
