package stats

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"talktime/filter"
)

// Line is a call as it is listed. What it has of a record is valid as long as that.
type Line struct {
	*Record

	Direction      Direction
	CallerZone     *Zone // nil: none
	CalleeZone     *Zone
	CallerLabel    string // of the zones; empty where there is none
	CalleeLabel    string
	CallerIDName   []byte
	CallerIDNumber []byte
	Unanswered     bool
}

// lineFields are what lines are made of.
func (s *Service) lineFields() Fields {
	return FieldUniqueID | FieldDisposition | s.Inside.fields() | FieldCNam | FieldCallerID
}

// LineQuery asks for calls, one by one.
type LineQuery struct {
	Filter  *filter.Test
	Account *Account
	Order   []filter.Order // of CallFields; none: by call_time, which calls of one second are sorted by at last anyway
	Limit   int64          // 0: all
	Offset  int64

	// Entered is called as soon as it is this list's turn to be read. It may be nil.
	Entered func()
	// Begun is called as soon as a source has answered, and nothing is in the way of an answer. It may be nil.
	Begun func()
}

// Streams reports whether the calls are handed out as they are read. Others are sorted first.
func (q LineQuery) Streams() bool {
	return len(q.Order) == 0 || len(q.Order) == 1 && q.Order[0] == filter.Order{Field: fieldTime}
}

// maxSorted is how many calls can be sorted otherwise than by their time.
const maxSorted = 100_000

// ErrManySorted says that too many calls are to be sorted.
var ErrManySorted = errors.New("at most 100000 calls can be sorted otherwise than by call_time; ask for fewer")

// errEnough ends a scan of which enough is known.
var errEnough = errors.New("that is enough")

// Lines hands out the calls of all sources, by default ascending by their start. Without a lower bound for call_time these are the calls
// of 366 days. Here a source that fails fails everything: of a list nobody can see that something is missing. Its error is a *SourceError;
// others are ErrManySorted, those of the function, and of a context that has ended.
func (s *Service) Lines(ctx context.Context, q LineQuery, each func(*Line) error) error {
	leave, err := s.enterLists(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if q.Entered != nil {
		q.Entered()
	}
	bounds := boundsOf(q.Filter)
	from, to := bounds.from, bounds.to
	if !bounds.below {
		to = s.tomorrow()
	}
	if !bounds.above {
		from = to.AddDate(0, 0, -maxRawDays)
	}
	if !from.Before(to) {
		return nil
	}
	scan := Scan{From: from, To: to, Account: q.Account, Fields: s.lineFields()}
	page := &pager{skip: q.Offset, left: q.Limit, all: q.Limit == 0, each: each}
	lines, hand := s.lines(), page.hand
	var sorter *sorter
	if !q.Streams() {
		sorter = newSorter(q.Order, lines)
		hand = sorter.take
	}
	begun, read := s.Now(), int64(0)
	err = s.merged(ctx, scan, q.Begun, func(r *Record) error {
		read++
		if line := lines.of(r); q.Filter == nil || q.Filter.Holds(lines) {
			return hand(line)
		}
		return nil
	})
	s.Logger.InfoContext(ctx, "statistics", "report", "list", "from", from.Format(time.RFC3339), "to", to.Format(time.RFC3339), "calls", read,
		"duration_ms", s.Now().Sub(begun).Milliseconds())
	if err == nil && sorter != nil {
		err = sorter.handOut(page.hand)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// maxLists is how many lists are read at once. Each keeps a connection to every source for as long as the client takes.
const maxLists = 4

// ErrBusy says that others are in the way.
var ErrBusy = errors.New("too many lists are being read; try again")

// enterLists waits for the turn to read a list, but not for ever.
func (s *Service) enterLists(ctx context.Context) (leave func(), err error) {
	late := time.NewTimer(s.Limit)
	defer late.Stop()
	select {
	case s.lists <- struct{}{}:
		return func() { <-s.lists }, nil
	case <-late.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pager leaves out what stands before a page and behind it.
type pager struct {
	skip, left int64
	all        bool // behind what is skipped
	each       func(*Line) error
}

func (p *pager) hand(line *Line) error {
	if p.skip > 0 {
		p.skip--
		return nil
	}
	if p.all {
		return p.each(line)
	}
	if err := p.each(line); err != nil {
		return err
	}
	if p.left--; p.left == 0 {
		return errEnough
	}
	return nil
}

// sorter keeps calls to sort them.
type sorter struct {
	order []filter.Order
	lines *lines
	kept  []sortedCall
}

// sortedCall is a call with what it is sorted by.
type sortedCall struct {
	record *onceRecord
	keys   []filter.Value
}

func newSorter(order []filter.Order, l *lines) *sorter { return &sorter{order: order, lines: l} }

func (s *sorter) take(line *Line) error {
	if len(s.kept) == maxSorted {
		return ErrManySorted
	}
	c := sortedCall{record: new(onceRecord), keys: make([]filter.Value, len(s.order))}
	c.record.copy(line.Record, !line.Unanswered)
	for i, order := range s.order {
		c.keys[i] = s.lines.Value(order.Field)
		c.keys[i].Text = bytes.Clone(c.keys[i].Text)
	}
	s.kept = append(s.kept, c)
	return nil
}

// handOut sorts as a database does: what is null comes first, and calls that are alike in everything stay in the order of their start.
func (s *sorter) handOut(each func(*Line) error) error {
	slices.SortStableFunc(s.kept, func(a, b sortedCall) int {
		for i, order := range s.order {
			x, y := a.keys[i], b.keys[i]
			c := cmp.Or(yes(y.Null)-yes(x.Null), cmp.Compare(x.Int, y.Int), bytes.Compare(x.Text, y.Text))
			if c != 0 && order.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	var r Record
	for _, c := range s.kept {
		c.record.restore(&r)
		if err := each(s.lines.of(&r)); err != nil {
			return err
		}
	}
	return nil
}

// inOrder is how calls are picked for lists.
func (s *Service) inOrder() Picking { return Picking{Location: s.Location, Ordered: true} }

// merged hands out one record of each call in all sources, ascending by their start.
func (s *Service) merged(ctx context.Context, scan Scan, begun func(), each func(*Record) error) error {
	if begun == nil {
		begun = func() {}
	}
	if len(s.Sources) == 1 {
		source := told{s.Sources[0], begun}
		err := EachCall(ctx, source, scan, s.inOrder(), each)
		if err == nil {
			begun()
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	streams := make([]*stream, len(s.Sources))
	for i, source := range s.Sources {
		streams[i] = newStream(ctx, source, scan, s.inOrder())
	}
	defer func() {
		cancel()
		for _, stream := range streams {
			stream.wait()
		}
	}()
	return mergeStreams(ctx, streams, begun, each)
}

// told is a source of which somebody is told as soon as it sends something.
type told struct {
	Source

	begun func()
}

// Each implements Source.
func (t told) Each(ctx context.Context, scan Scan, each func(*Record) error) error {
	first := true
	return t.Source.Each(ctx, scan, func(r *Record) error {
		if first {
			first = false
			t.begun()
		}
		return each(r)
	})
}

// batchSize is how many records go from one goroutine to another at once.
const batchSize = 256

// stream reads the calls of one of several sources in a goroutine of its own. It is some batches ahead, which are used again.
type stream struct {
	source  Source
	full    chan []onceRecord
	free    chan []onceRecord
	err     error // once full is closed
	batch   []onceRecord
	at      int
	current Record
}

func newStream(ctx context.Context, source Source, scan Scan, how Picking) *stream {
	const ahead = 4
	s := &stream{source: source, full: make(chan []onceRecord, ahead), free: make(chan []onceRecord, ahead+2)}
	for range cap(s.free) {
		s.free <- make([]onceRecord, 0, batchSize)
	}
	go s.read(ctx, scan, how)
	return s
}

func (s *stream) read(ctx context.Context, scan Scan, how Picking) {
	defer close(s.full)
	batch := <-s.free
	send := func() error {
		select {
		case s.full <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case batch = <-s.free:
			batch = batch[:0]
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, s.err = guarded(ctx, 0, func(ctx context.Context, _ int) (tallied, error) {
		return tallied{}, EachCall(ctx, s.source, scan, how, func(r *Record) error {
			batch = batch[:len(batch)+1]
			batch[len(batch)-1].copy(r, Answered(r))
			if len(batch) < batchSize {
				return nil
			}
			return send()
		})
	})
	if s.err == nil && len(batch) > 0 {
		s.err = send()
	}
}

// next makes the next record the current one; false behind the last.
func (s *stream) next(ctx context.Context) (bool, error) {
	if s.at == len(s.batch) {
		if s.batch != nil {
			s.free <- s.batch
			s.batch = nil
		}
		select {
		case batch, more := <-s.full:
			if !more {
				return false, s.err
			}
			s.batch, s.at = batch, 0
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	s.batch[s.at].restore(&s.current)
	s.at++
	return true, nil
}

// wait waits for the goroutine, whose context has ended.
func (s *stream) wait() {
	for range s.full {
	}
}

// mergeStreams hands out the records of several sources, the earliest first, of those of one second those of the first source.
func mergeStreams(ctx context.Context, streams []*stream, begun func(), each func(*Record) error) error {
	live := make([]*stream, 0, len(streams))
	for _, s := range streams {
		more, err := s.next(ctx)
		if err != nil {
			return err
		}
		if more {
			live = append(live, s)
		}
	}
	begun()
	for len(live) > 0 {
		earliest := 0
		for i, s := range live {
			if s.current.Start < live[earliest].current.Start {
				earliest = i
			}
		}
		s := live[earliest]
		if err := each(&s.current); err != nil {
			return err
		}
		more, err := s.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			live = slices.Delete(live, earliest, earliest+1)
		}
	}
	return nil
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
