package stats

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
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

// AddQuarter counts the calls of a quarter of an hour, which lies in one period of the zone: see alignsWith.
func (b *Buckets) AddQuarter(q *Quarter) { b.of(q.Start, q.Direction, q.Unanswered).Merge(q.Durations) }

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

// lines makes lines of records, for one goroutine.
type lines struct {
	*directions

	zones *Zones
	words [directionCount][]byte
	line  Line
}

func (s *Service) lines() *lines {
	l := &lines{directions: newDirections(s.Inside), zones: s.Zones}
	for d := range l.words {
		l.words[d] = []byte(Direction(d).String())
	}
	return l
}

func (l *lines) of(r *Record) *Line {
	l.line = Line{Record: r, Direction: l.directions.of(r), CallerIDName: callerIDName(r), CallerIDNumber: r.Src, Unanswered: !Answered(r)}
	if len(r.Src) == 0 {
		l.line.CallerIDNumber = r.CNum
	}
	l.line.CallerZone, l.line.CallerLabel = l.zone(l.line.CallerIDNumber)
	l.line.CalleeZone, l.line.CalleeLabel = l.zone(r.Dst)
	return &l.line
}

func (l *lines) zone(number []byte) (*Zone, string) {
	if l.zones == nil {
		return nil, ""
	}
	if i := l.zones.of(number); i >= 0 {
		return &l.zones.zones[i], l.zones.labels[i]
	}
	return nil, ""
}

// callerIDName is what the caller calls himself.
func callerIDName(r *Record) []byte {
	if len(r.CNam) > 0 {
		return r.CNam
	}
	name, _, found := bytes.Cut(r.CallerID, []byte("<"))
	if !found {
		return nil // a number alone
	}
	name = bytes.Trim(name, `" `)
	if bytes.IndexByte(name, '\\') >= 0 { // which Asterisk puts before quotes
		name = bytes.ReplaceAll(bytes.ReplaceAll(name, []byte(`\"`), []byte(`"`)), []byte(`\\`), []byte(`\`))
	}
	return name
}

// Value implements filter.Row for the line that was made last.
func (l *lines) Value(field string) filter.Value {
	switch field {
	case fieldTime:
		return filter.Value{Int: l.line.Start * microseconds}
	case fieldDirection:
		return filter.Value{Text: l.words[l.line.Direction]}
	case fieldCallerName:
		return filter.Value{Text: l.line.CallerIDName}
	case fieldUnanswered:
		return filter.Value{Int: int64(yes(l.line.Unanswered))}
	}
	zone := l.line.CallerZone
	if field == fieldCalleeZone {
		zone = l.line.CalleeZone
	}
	if zone == nil {
		return filter.Value{Null: true}
	}
	return filter.Value{Int: zone.ID}
}

// Related implements filter.Row.
func (l *lines) Related(string) []filter.Row { return nil }

const microseconds = 1_000_000

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

// byQuarters reports whether a filter holds of all calls of a quarter of an hour, direction and answer or of none of them.
func byQuarters(t *filter.Test) bool {
	if t == nil {
		return true
	}
	if t.Op == filter.And || t.Op == filter.Or {
		return !slices.ContainsFunc(t.Parts, func(part *filter.Test) bool { return !byQuarters(part) })
	}
	known := func(field string) bool { return field == fieldDirection || field == fieldUnanswered }
	switch {
	case t.Other != "":
		return known(t.Field) && known(t.Other)
	case t.Field != fieldTime:
		return known(t.Field)
	case t.Op == filter.Null || t.Op == filter.NotNull || len(t.Values) == 0:
		return true
	case t.Op == filter.GreaterEqual || t.Op == filter.Less:
		return t.Values[0].Int%(quarterSeconds*microseconds) == 0
	case t.Op == filter.Greater || t.Op == filter.LessEqual: // whole seconds: the last one of a quarter
		return (t.Values[0].Int+microseconds)%(quarterSeconds*microseconds) == 0
	}
	return false
}

// alignsWith reports whether quarters of an hour of UTC lie in one hour of a zone each, as they do but for historic times.
func alignsWith(zone *time.Location, from, to time.Time) bool {
	for t := from.In(zone); ; {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		switch {
		case offset%quarterSeconds != 0:
			return false
		case end.IsZero() || !end.Before(to):
			return true
		case end.Unix()%quarterSeconds != 0:
			return false
		}
		t = end
	}
}

// Bounds of what is asked for.
const (
	maxBuckets = 20_000
	// maxRawDays are read where nobody says from when, and nobody knows when records begin.
	maxRawDays = 366
	// maxReadDays are read at all, in the time that a source may take; more only from roll-ups.
	maxReadDays = 25 * 366
)

// FirstSource is a Source that knows when the first of its records from 2000 on began. The zero time says that there are none.
type FirstSource interface {
	First(ctx context.Context) (time.Time, error)
}

// BucketQuery asks for calls by period.
type BucketQuery struct {
	Period   BucketPeriod
	Grouping Grouping
	Zone     *time.Location
	Filter   *filter.Test // of CallFields; nil: all calls
	Account  *Account     // whose; nil: everybody's
}

// BucketReport is the answer.
type BucketReport struct {
	Buckets []Bucket
	Errors  []*SourceError // of the sources that are left out
	Failed  bool           // all of them are
	Origin  Origin
}

// bounds are those of call_time in a filter.
type bounds struct {
	from, to     time.Time // half open, between 1970 and 9999, which every database knows; where there is no bound, these
	above, below bool      // that times must be from, and before to
}

func boundsOf(t *filter.Test) bounds {
	earliest, latest := time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	b := bounds{from: earliest, to: latest}
	if t == nil {
		return b
	}
	least, most := t.Between(fieldTime)
	if least > most { // nothing at all
		return bounds{earliest, earliest, true, true}
	}
	within := func(micros int64) time.Time {
		return time.UnixMicro(min(max(micros, earliest.UnixMicro()), latest.UnixMicro()))
	}
	if least != math.MinInt64 {
		b.from, b.above = time.Unix(ceil(within(least)), 0), true
	}
	if most != math.MaxInt64 {
		b.to, b.below = earlier(time.Unix(within(most).Unix()+1, 0), latest), true
	}
	return b
}

// tomorrow is when reading ends where nobody says when: clocks of others may be ahead.
func (s *Service) tomorrow() time.Time { return s.Now().Add(24 * time.Hour).Truncate(time.Second) }

// span is what of a source must be read for a filter: not before its first record, not after tomorrow. Times before 2000 are mistakes
// of some clock: they count when nothing else is asked for.
func (s *Service) span(ctx context.Context, source Source, t *filter.Test) (from, to time.Time, err error) {
	bounds := boundsOf(t)
	from, to = bounds.from, bounds.to
	if !bounds.above || !bounds.below {
		to = earlier(to, s.tomorrow())
	}
	sane := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if bounds.above && !sane.Before(to) {
		return from, later(from, to), nil
	}
	first := from
	if f, ok := source.(FirstSource); ok {
		if first, err = f.First(ctx); err != nil {
			return from, to, err
		}
		if first.IsZero() {
			first = to
		}
	} else if !bounds.above {
		first = to.AddDate(0, 0, -maxRawDays)
	}
	from = later(from, time.Unix(later(first, sane).Unix(), 0))
	return from, later(from, to), nil
}

// Buckets counts calls by period in all sources together. A source that fails is left out, also one of which too much is asked. The
// error is ErrRange when that is so of all, or ctx has ended.
func (s *Service) Buckets(ctx context.Context, q BucketQuery) (BucketReport, error) {
	counted := make([]*Buckets, len(s.Sources))
	asked := boundsOf(q.Filter)
	parts, err := s.everywhere(ctx, q.Period.String(), Range{From: asked.from, To: asked.to}, func(ctx context.Context, i int) (tallied, error) {
		source := s.Sources[i]
		from, to, err := s.span(ctx, source, q.Filter)
		if err != nil {
			return tallied{}, err
		}
		if to.Sub(from)/q.Period.shortest() > maxBuckets {
			return tallied{}, ErrRange
		}
		scan := Scan{From: from, To: to, Account: q.Account}
		if byQuarters(q.Filter) && alignsWith(q.Zone, from, to) {
			var part tallied
			part, err = s.tallyInto(ctx, source, s.quarters(), scan, func() merger {
				b := newQuarterBuckets(s.Inside, q)
				counted[i] = b.buckets
				return b
			})
			return part, err
		}
		counted[i] = NewBuckets(q.Period, q.Zone, q.Grouping)
		return s.fromCalls(ctx, source, scan, q.Filter, counted[i])
	})
	if err != nil {
		return BucketReport{}, err
	}
	var report BucketReport
	var origins []Origin
	all, far := NewBuckets(q.Period, q.Zone, q.Grouping), 0
	for i, part := range parts {
		if part.err != nil {
			if errors.Is(part.err, ErrRange) {
				far++
			}
			report.Errors = append(report.Errors, part.err)
			continue
		}
		if len(origins) == 0 {
			all = counted[i]
		} else {
			all.Merge(counted[i])
		}
		counted[i] = nil
		origins = append(origins, part.origin)
	}
	if far > 0 && far == len(parts) {
		return BucketReport{}, ErrRange
	}
	report.Buckets, report.Origin, report.Failed = all.List(), together(origins), len(parts) > 0 && len(origins) == 0
	return report, nil
}

// quarterBuckets counts calls by period as Quarters counts them by the quarter of an hour, and reads what Quarters wrote, without
// keeping all quarters.
type quarterBuckets struct {
	directions *directions
	buckets    *Buckets
	filter     *filter.Test // that byQuarters; nil: all
	row        quarterRow
	words      [directionCount][]byte
}

func newQuarterBuckets(i Inside, q BucketQuery) *quarterBuckets {
	b := &quarterBuckets{directions: newDirections(i), buckets: NewBuckets(q.Period, q.Zone, q.Grouping), filter: q.Filter}
	for d := range b.words {
		b.words[d] = []byte(Direction(d).String())
	}
	return b
}

// of is where the calls of a quarter are counted; nil: nowhere.
func (b *quarterBuckets) of(q Quarter) *Histogram {
	b.row = quarterRow{q, b.words[q.Direction]}
	if b.filter != nil && !b.filter.Holds(&b.row) {
		return nil
	}
	return b.buckets.of(q.Start, q.Direction, q.Unanswered)
}

// Add implements merger.
func (b *quarterBuckets) Add(r *Record) {
	start := floor(r.Start, quarterSeconds) * quarterSeconds
	if h := b.of(Quarter{Start: start, Direction: b.directions.of(r), Unanswered: !Answered(r)}); h != nil {
		h.Add(r.Duration)
	}
}

// MergeFrom implements merger.
func (b *quarterBuckets) MergeFrom(data []byte) error {
	var left Histogram // what the filter leaves out
	return eachQuarter(data, func(number int64, kind int, data []byte) (rest []byte, err error) {
		h := b.of(Quarter{Start: number * quarterSeconds, Direction: Direction(kind / 2), Unanswered: kind%2 == 1}) //nolint:gosec // one of three
		if h == nil {
			left = Histogram{cells: left.cells[:0]}
			h = &left
		}
		return h.MergeFrom(data)
	})
}

// fromCalls counts calls one by one.
func (s *Service) fromCalls(ctx context.Context, source Source, scan Scan, t *filter.Test, b *Buckets) (tallied, error) {
	if scan.To.Sub(scan.From) > maxReadDays*24*time.Hour {
		return tallied{}, ErrRange
	}
	part, lines := tallied{origin: FromRaw}, s.lines()
	scan.Fields = s.lineFields()
	err := EachCall(ctx, source, scan, Picking{Location: s.Location}, func(r *Record) error {
		part.records++
		if line := lines.of(r); t == nil || t.Holds(lines) {
			b.of(r.Start, line.Direction, line.Unanswered).Add(r.Duration)
		}
		return nil
	})
	return part, err
}

// quarters is the Kind of Quarters.
func (s *Service) quarters() Kind {
	sum := sha256.Sum256([]byte(s.Inside.rule()))
	return Kind{
		Name: "quarters", Rule: hex.EncodeToString(sum[:8]), Fields: FieldUniqueID | FieldDisposition | s.Inside.fields(), Once: true,
		New: func() Counter { return NewQuarters(s.Inside) },
	}
}
