package stats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"time"

	"talktime/filter"
)

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
