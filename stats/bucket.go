package stats

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"talktime/filter"
)

// BucketPeriod is how long the time is over which calls are counted together.
type BucketPeriod int

// The periods, by the clock of a zone. Weeks begin on Monday.
const (
	Hourly BucketPeriod = iota
	Daily
	Weekly
	Monthly
)

// BucketPeriodOf is the period with a name: hourly, daily, weekly, monthly.
func BucketPeriodOf(name string) (p BucketPeriod, ok bool) {
	i := slices.Index([]string{"hourly", "daily", "weekly", "monthly"}, name)
	return BucketPeriod(i), i >= 0
}

// String is the name of the period.
func (p BucketPeriod) String() string { return [...]string{"hourly", "daily", "weekly", "monthly"}[p] }

const hourSeconds = 3600

// around is when the period begins and ends in which a clock on the wall shows a time.
func (p BucketPeriod) around(wall int64) (begin, end int64) {
	day := int64(DayOf(wall))
	switch p {
	case Hourly:
		begin = wall - (wall-day*daySeconds)%hourSeconds
		return begin, begin + hourSeconds
	case Daily:
		return day * daySeconds, (day + 1) * daySeconds
	case Weekly:
		const thursday = 3 // was 1970-01-01
		begin = (day - ((day+thursday)%7+7)%7) * daySeconds
		return begin, begin + 7*daySeconds
	default:
		year, month, _ := time.Unix(wall, 0).UTC().Date()
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
}

// shortest is how long a period is at least.
func (p BucketPeriod) shortest() time.Duration {
	return [...]time.Duration{time.Hour, 23 * time.Hour, 7 * 23 * time.Hour, 28 * 23 * time.Hour}[p]
}

// Grouping is by what the calls of a period are told apart.
type Grouping int

// The groupings.
const (
	Ungrouped Grouping = iota
	ByDirection
	ByUnanswered
)

// GroupingOf is the grouping with a name: call_direction, unanswered, and none at all.
func GroupingOf(name string) (g Grouping, ok bool) {
	i := slices.Index([]string{"", fieldDirection, fieldUnanswered}, name)
	return Grouping(i), i >= 0
}

// Quarter are the calls of one direction that began within one quarter of an hour of UTC, and were all answered, or all not.
type Quarter struct {
	Start      int64 // Unix seconds
	Direction  Direction
	Unanswered bool
	Durations  *Histogram
}

// Quarters counts calls by quarters of an hour. It is a Counter of what Once hands out.
type Quarters struct {
	directions *directions
	quarters   map[int64]*quarter // by their number since 1970
	last       *quarter
	lastNumber int64
}

// quarter are the lengths of calls, by direction and whether nobody answered.
type quarter [2 * directionCount]Histogram

// NewQuarters counts nothing yet.
func NewQuarters(i Inside) *Quarters {
	return &Quarters{directions: newDirections(i), quarters: make(map[int64]*quarter), lastNumber: math.MinInt64}
}

// Add implements Counter.
func (q *Quarters) Add(r *Record) {
	kind := 2 * int(q.directions.of(r))
	if !Answered(r) {
		kind++
	}
	q.at(floor(r.Start, quarterSeconds))[kind].Add(r.Duration)
}

func (q *Quarters) at(number int64) *quarter {
	if number != q.lastNumber {
		q.last, q.lastNumber = q.quarters[number], number
		if q.last == nil {
			q.last = new(quarter)
			q.quarters[number] = q.last
		}
	}
	return q.last
}

// Each hands out everything that was counted, ascending.
func (q *Quarters) Each(each func(Quarter)) {
	for _, number := range slices.Sorted(maps.Keys(q.quarters)) {
		found := q.quarters[number]
		for kind := range found {
			if h := &found[kind]; h.N() > 0 {
				each(Quarter{Start: number * quarterSeconds, Direction: Direction(kind / 2), Unanswered: kind%2 == 1, Durations: h})
			}
		}
	}
}

// AppendTo implements Counter.
func (q *Quarters) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(q.quarters)))
	var last int64
	for _, number := range slices.Sorted(maps.Keys(q.quarters)) {
		found, some := q.quarters[number], byte(0)
		for kind := range found {
			if found[kind].N() > 0 {
				some |= 1 << kind
			}
		}
		b = append(binary.AppendVarint(b, number-last), some)
		for kind := range found {
			if found[kind].N() > 0 {
				b = found[kind].AppendTo(b)
			}
		}
		last = number
	}
	return b
}

// MergeFrom implements Counter.
func (q *Quarters) MergeFrom(b []byte) error {
	return eachQuarter(b, func(number int64, kind int, b []byte) (rest []byte, err error) {
		return q.at(number)[kind].MergeFrom(b)
	})
}

// eachQuarter goes through what Quarters wrote: each is told of lengths of calls, and returns what stands behind them.
func eachQuarter(b []byte, each func(number int64, kind int, b []byte) (rest []byte, err error)) error {
	n, b, err := readUvarint(b)
	var number int64
	for ; err == nil && n > 0; n-- {
		more, used := binary.Varint(b)
		if used <= 0 || used >= len(b) {
			return errCells
		}
		number += more
		some := b[used]
		b = b[used+1:]
		for kind := range 2 * directionCount {
			if some&(1<<kind) == 0 {
				continue
			}
			if b, err = each(number, kind, b); err != nil {
				return err
			}
		}
	}
	if err == nil && len(b) > 0 {
		return errCells
	}
	return err
}

// Bucket are the calls of a period.
type Bucket struct {
	Begin int64 // of the period by the clock of the zone, seconds since 1970
	BucketFigures

	Groups []Group // that have calls, ascending by key; only where calls are told apart
}

// Group is a part of a Bucket.
type Group struct {
	Key string
	BucketFigures
}

// BucketFigures are what is said of calls. Their lengths are in seconds, ringing included.
type BucketFigures struct {
	Total        int64
	Longest      int64
	Shortest     int64
	Median, Mean Hundredths
}

func bucketFigures(h *Histogram) BucketFigures {
	f := BucketFigures{Total: h.N(), Mean: Hundredths(ratio(100*h.Sum(), h.N()))}
	var median float64
	f.Shortest, f.Longest, median = h.Figures()
	f.Median = Hundredths(math.Round(100 * median))
	return f
}

// Buckets puts calls together by period and by group. Of all but the last few periods it keeps the lengths packed: there may be
// twenty thousand of them.
type Buckets struct {
	period   BucketPeriod
	grouping Grouping
	clock    *Clock
	buckets  map[int64]*bucket // by their begin

	last      *bucket
	low, high int64 // of the time on the wall that last is for
	open      [openBuckets]*bucket
	turn      int // place in open of the next one
}

// openBuckets is how many periods are counted at once: calls come nearly in order.
const openBuckets = 4

// bucket are the lengths of the calls of each group.
type bucket [directionCount]Histogram

// NewBuckets has no calls yet.
func NewBuckets(p BucketPeriod, zone *time.Location, g Grouping) *Buckets {
	return &Buckets{period: p, grouping: g, clock: NewClock(zone), buckets: make(map[int64]*bucket)}
}

func (b *Buckets) of(start int64, d Direction, unanswered bool) *Histogram {
	if wall := b.clock.Wall(start); wall < b.low || wall >= b.high {
		b.low, b.high = b.period.around(wall)
		if b.last = b.buckets[b.low]; b.last == nil {
			b.last = new(bucket)
			b.buckets[b.low] = b.last
		}
		b.opened(b.last)
	}
	switch b.grouping {
	case ByDirection:
		return &b.last[d]
	case ByUnanswered:
		return &b.last[yes(unanswered)]
	default:
		return &b.last[0]
	}
}

// opened notes that a period is counted now, and packs the one of which that was so longest ago.
func (b *Buckets) opened(now *bucket) {
	if slices.Contains(b.open[:], now) {
		return
	}
	if old := b.open[b.turn]; old != nil {
		old.pack()
	}
	b.open[b.turn] = now
	b.turn = (b.turn + 1) % openBuckets
}

func (b *bucket) pack() {
	for i := range b {
		b[i].pack()
	}
}

// Merge counts everything that other buckets of the same period and grouping have.
func (b *Buckets) Merge(o *Buckets) {
	for begin, other := range o.buckets {
		found := b.buckets[begin]
		if found == nil {
			found = new(bucket)
			b.buckets[begin] = found
		}
		b.opened(found)
		for i := range other {
			found[i].Merge(&other[i])
		}
	}
}

// List are the periods that have calls, ascending.
func (b *Buckets) List() []Bucket {
	list := make([]Bucket, 0, len(b.buckets))
	for _, begin := range slices.Sorted(maps.Keys(b.buckets)) {
		found := b.buckets[begin]
		b.opened(found)
		shown, all := Bucket{Begin: begin}, &found[0]
		if b.grouping != Ungrouped {
			all = new(Histogram)
			for i := range found {
				if h := &found[i]; h.N() > 0 {
					shown.Groups = append(shown.Groups, Group{b.key(i), bucketFigures(h)})
				}
				all.Merge(&found[i])
			}
			slices.SortFunc(shown.Groups, func(a, b Group) int { return cmp.Compare(a.Key, b.Key) })
		}
		shown.BucketFigures = bucketFigures(all)
		list = append(list, shown)
	}
	return list
}

func (b *Buckets) key(group int) string {
	if b.grouping == ByDirection {
		return Direction(group).String() //nolint:gosec // one of three
	}
	return strconv.Itoa(group)
}

// Fields of calls that filters may ask for.
const (
	fieldTime       = "call_time"
	fieldDirection  = "call_direction"
	fieldCallerZone = "caller_zone_id"
	fieldCalleeZone = "callee_zone_id"
	fieldCallerName = "caller_id_name"
	fieldUnanswered = "unanswered"
)

// CallFields are the fields by which calls are filtered and sorted: call_time, call_direction, caller_zone_id, callee_zone_id,
// caller_id_name, unanswered.
func CallFields() *filter.Table {
	field := func(name string, kind filter.Kind) filter.Field { return filter.Field{SQL: name, Kind: kind} }
	return &filter.Table{Fields: map[string]filter.Field{
		fieldTime: field(fieldTime, filter.Time), fieldDirection: field(fieldDirection, filter.Text), fieldCallerName: field(fieldCallerName, filter.Text),
		fieldCallerZone: field(fieldCallerZone, filter.Int), fieldCalleeZone: field(fieldCalleeZone, filter.Int), fieldUnanswered: field(fieldUnanswered, filter.Bool),
	}}
}

// quarterRow is what a filter may ask of all calls of a quarter of an hour at once.
type quarterRow struct {
	Quarter

	word []byte
}

// Value implements filter.Row.
func (q *quarterRow) Value(field string) filter.Value {
	switch field {
	case fieldTime:
		return filter.Value{Int: q.Start * microseconds}
	case fieldDirection:
		return filter.Value{Text: q.word}
	default:
		return filter.Value{Int: int64(yes(q.Unanswered))}
	}
}

// Related implements filter.Row.
func (q *quarterRow) Related(string) []filter.Row { return nil }
