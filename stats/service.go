package stats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options are what a Service stands on.
type Options struct {
	Sources  []Source // in the order in which they are named
	RollUps  RollUps  // nil: everything is counted from records
	Calls    Calls    // calls of ours with money
	Location *time.Location
	Limit    time.Duration // what one source may take; 0 = 30 s
	Now      func() time.Time
	Logger   *slog.Logger

	// FirstExtension and LastExtension bound, both included, which calling numbers are extensions. Both 0: 2000 to 3999.
	FirstExtension, LastExtension int64
	// AccessPrefixes stand before international numbers, such as 00; the longest that fits is left out of a number.
	AccessPrefixes []string
	// BareCodes leaves out the + before the built-in calling codes.
	BareCodes bool

	Inside Inside // who belongs to the site: which way a call goes
	Zones  *Zones // nil: one for each country
}

// Service answers for all reports.
type Service struct {
	Options

	builtIn     *codeTree
	turns       chan struct{} // to count; whoever has one counts in all sources
	lists       chan struct{} // to read lists of calls
	directories memory[map[string]string]
	codes       memory[*codeTree]
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Limit == 0 {
		o.Limit = sourceLimit
	}
	if o.FirstExtension == 0 && o.LastExtension == 0 {
		o.FirstExtension, o.LastExtension = 2000, 3999
	}
	if o.Zones == nil {
		o.Zones = BuiltInZones(o.AccessPrefixes)
	}
	return &Service{Options: o, builtIn: newCodeTree(BuiltInCodes(), !o.BareCodes, o.AccessPrefixes), turns: make(chan struct{}, maxReports), lists: make(chan struct{}, maxLists)}
}

const (
	sourceLimit = 30 * time.Second
	// maxReports is how many reports are counted at once. The others wait: a database that does everything at once does nothing in time.
	maxReports = 4
)

// Origin says from what a figure was counted, as the header X-Source tells it.
type Origin string

// The origins.
const (
	FromRaw     Origin = "raw"
	FromRollUps Origin = "rollup"
	FromBoth    Origin = "rollup+raw" // whole days from roll-ups, the others from records
)

// together is from what figures were counted that were put together of several.
func together(all []Origin) Origin {
	if len(all) == 0 {
		return FromRaw
	}
	for _, o := range all[1:] {
		if o != all[0] {
			return FromBoth
		}
	}
	return all[0]
}

// CountryCoder is a Source that has a table of country codes of its own. None, or an empty one, leaves it to the built-in table.
type CountryCoder interface {
	CountryCodes(ctx context.Context) (Codes, error)
}

// DirectorySource is a Source that knows names of extensions. One without such a table answers nil, and no error.
type DirectorySource interface {
	Directory(ctx context.Context) (map[string]string, error)
}

// Kinds are the ways in which the records of a source are counted for roll-ups. It is an error when the source must be asked for
// its country codes and does not answer.
func (s *Service) Kinds(ctx context.Context, source Source) ([]Kind, error) {
	countries, err := s.countries(ctx, source)
	if err != nil {
		return nil, err
	}
	return []Kind{s.extensions(), countries, s.quarters()}, nil
}

func (s *Service) extensions() Kind {
	first, last := s.FirstExtension, s.LastExtension
	return Kind{
		Name: "extensions", Rule: fmt.Sprintf("%d-%d", first, last), Select: Dialled,
		Fields: FieldUniqueID | FieldCNum | FieldCNam | FieldDst | FieldLastApp | FieldDisposition,
		New:    func() Counter { return NewExtensions(first, last) },
	}
}

func (s *Service) countries(ctx context.Context, source Source) (Kind, error) {
	tree, err := s.codesOf(ctx, source)
	return Kind{
		Name: "countries", Rule: tree.rule(), Select: Seizures,
		Fields: FieldUniqueID | FieldDst | FieldLastApp | FieldDisposition,
		New:    func() Counter { return newCountries(tree) },
	}, err
}

// codesOf are the country codes by which the calls of a source are told apart.
func (s *Service) codesOf(ctx context.Context, source Source) (*codeTree, error) {
	coder, ok := source.(CountryCoder)
	if !ok {
		return s.builtIn, nil
	}
	return s.codes.get(s.Now(), source.Name(), func() (*codeTree, error) {
		codes, err := coder.CountryCodes(ctx)
		if err != nil || len(codes) == 0 {
			return s.builtIn, err
		}
		return newCodeTree(codes, false, s.AccessPrefixes), nil
	})
}

// directoryOf are the names of a source's extensions. A report does without them when they cannot be read.
func (s *Service) directoryOf(ctx context.Context, source Source) map[string]string {
	d, ok := source.(DirectorySource)
	if !ok {
		return nil
	}
	names, err := s.directories.get(s.Now(), source.Name(), func() (map[string]string, error) { return d.Directory(ctx) })
	if err != nil {
		s.Logger.WarnContext(ctx, "names of extensions cannot be read", "source", source.Name(), "err", cause(err))
	}
	return names
}

// errRollUps says that what was kept could not be read; records still can.
var errRollUps = errors.New("roll-ups cannot be read")

// count counts with c what kind counts of the records of a scan: whole days from roll-ups where these are up to date, everything
// else from the source. After an error, what c has counted is good for nothing; see tally for who wants another try.
func (s *Service) count(ctx context.Context, source Source, kind Kind, scan Scan, c merger) (Origin, error) {
	scan.Fields, scan.Select = kind.Fields, kind.Select
	from, to := scan.From, scan.To
	first, end := wholeDays(from, to, s.Location)
	kept, raw := make(map[Day]bool), false
	if s.RollUps != nil && scan.Account == nil && first < end {
		err := s.RollUps.Load(ctx, source.Name(), kind.Name, kind.Rule, first, end, func(day Day, data []byte) error {
			kept[day] = true
			return c.MergeFrom(data)
		})
		if err != nil {
			return FromRollUps, errors.Join(errRollUps, err)
		}
	}
	if unread := to.Sub(from) - time.Duration(len(kept))*24*time.Hour; unread > (maxReadDays+1)*24*time.Hour {
		return FromRaw, ErrRange
	}
	read := func(until time.Time) error { // what has not been counted yet
		if !from.Before(until) {
			return nil
		}
		raw, scan.From, scan.To = true, from, until
		each := source.Each
		if kind.Once {
			each = func(ctx context.Context, scan Scan, each func(*Record) error) error {
				return EachCall(ctx, source, scan, Picking{Location: s.Location}, each)
			}
		}
		return each(ctx, scan, func(r *Record) error { c.Add(r); return nil })
	}
	for day := first; day < end; day++ {
		if !kept[day] {
			continue
		}
		if err := read(day.Begin(s.Location)); err != nil {
			return FromRaw, err
		}
		from = (day + 1).Begin(s.Location)
	}
	if err := read(to); err != nil {
		return FromRaw, err
	}
	switch {
	case len(kept) == 0:
		return FromRaw, nil
	case raw:
		return FromBoth, nil
	default:
		return FromRollUps, nil
	}
}

// wholeDays are the days from first to end, which is excluded, that lie between two moments from their begin to their end.
func wholeDays(from, to time.Time, l *time.Location) (first, end Day) {
	first, end = DayAt(from.In(l)), DayAt(to.In(l))
	if first.Begin(l).Before(from) {
		first++
	}
	return first, end
}

// merger is what a report needs of a Counter.
type merger interface {
	Add(*Record)
	MergeFrom(b []byte) error
}

// tallied is what was counted in one source.
type tallied struct {
	merger

	origin  Origin
	records int64 // that were read
	err     *SourceError
}

// Add implements merger.
func (t *tallied) Add(r *Record) {
	t.records++
	t.merger.Add(r)
}

// tally counts what kind counts of a range in a source.
func (s *Service) tally(ctx context.Context, source Source, kind Kind, scan Scan) (tallied, error) {
	return s.tallyInto(ctx, source, kind, scan, func() merger { return kind.New() })
}

// tallyInto counts with something that reads what counters of the kind wrote. Roll-ups that cannot be read are counted anew, with another one.
func (s *Service) tallyInto(ctx context.Context, source Source, kind Kind, scan Scan, fresh func() merger) (tallied, error) {
	t := tallied{merger: fresh()}
	origin, err := s.count(ctx, source, kind, scan, &t)
	if errors.Is(err, errRollUps) && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "roll-ups cannot be read; counting from records", "source", source.Name(), "kind", kind.Name, "err", err)
		without := &Service{Options: s.Options}
		without.RollUps = nil
		t = tallied{merger: fresh()}
		origin, err = without.count(ctx, source, kind, scan, &t)
	}
	t.origin = origin
	return t, err
}

// everywhere does the work of a report in all sources at once, which it is told by their place, each within its time. It is an error only when ctx has ended: a
// source that fails says so in its part.
func (s *Service) everywhere(ctx context.Context, report string, r Range, work func(context.Context, int) (tallied, error)) ([]tallied, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	parts := make([]tallied, len(s.Sources))
	var group sync.WaitGroup
	for i := range s.Sources {
		group.Go(func() { parts[i] = s.part(ctx, report, r, i, work) })
	}
	group.Wait()
	return parts, ctx.Err()
}

// part does the work in one source as long as it may take, and writes the line of the log.
func (s *Service) part(ctx context.Context, report string, r Range, i int, work func(context.Context, int) (tallied, error)) tallied {
	begun := s.Now()
	limited, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	t, err := guarded(limited, i, work)
	late := limited.Err() != nil && ctx.Err() == nil
	level, reason, name := slog.LevelInfo, "", s.Sources[i].Name()
	if t.err = sourceError(err, name, late, s.Limit); t.err != nil {
		level, reason = slog.LevelWarn, cause(t.err)
	}
	s.Logger.Log(ctx, level, "statistics", "report", report, "source", name, "from", r.From.Format(time.RFC3339), "to", r.To.Format(time.RFC3339),
		"origin", string(t.origin), "records", t.records, "duration_ms", s.Now().Sub(begun).Milliseconds(), "err", reason)
	return t
}

// guarded makes an error of a panic: it happens beside the request, where nobody else would catch it.
func guarded(ctx context.Context, i int, work func(context.Context, int) (tallied, error)) (t tallied, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("counting: %v", p)
		}
	}()
	return work(ctx, i)
}

// sourceError is what strangers may be told of an error; nil for none.
func sourceError(err error, name string, late bool, limit time.Duration) *SourceError {
	var known *SourceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known) && (known.Connect || !late):
		return known
	case errors.Is(err, ErrRange):
		return &SourceError{Name: name, Reason: ErrRange.Error(), Err: err}
	case late:
		return &SourceError{Name: name, Reason: fmt.Sprintf("it does not answer within %g s", limit.Seconds()), Err: err}
	}
	return &SourceError{Name: name, Reason: "internal error", Err: err}
}

// cause is an error for the log: what strangers are told, and what the driver said.
func cause(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return err.Error() + ": " + inner.Error()
	}
	return err.Error()
}

// CallStat is the report of that name.
type CallStat struct {
	Extensions []Extension // most talk first
	Errors     []*SourceError
	Origin     Origin
}

// CallStat counts the calls of each extension in all sources together. A source that fails is left out, and among the Errors. It
// is an error only when ctx has ended.
func (s *Service) CallStat(ctx context.Context, r Range) (CallStat, error) {
	kind := s.extensions()
	names := make([]map[string]string, len(s.Sources))
	parts, err := s.everywhere(ctx, "callstat", r, func(ctx context.Context, i int) (tallied, error) {
		t, err := s.tally(ctx, s.Sources[i], kind, Scan{From: r.From, To: r.To})
		if err == nil {
			names[i] = s.directoryOf(ctx, s.Sources[i])
		}
		return t, err
	})
	if err != nil {
		return CallStat{}, err
	}
	report, sum := CallStat{}, make(map[string]*extensionSum)
	var origins []Origin
	for i, part := range parts {
		if part.err != nil {
			report.Errors = append(report.Errors, part.err)
			continue
		}
		origins = append(origins, part.origin)
		part.merger.(*Extensions).addTo(sum, names[i])
	}
	report.Extensions, report.Origin = ranked(sum), together(origins)
	return report, nil
}

// ASR is the report asrstat.
type ASR struct {
	Sources []SourceASR // in the order of the sources
	Origin  Origin
}

// SourceASR is what asrstat says of one source: countries, or why there are none.
type SourceASR struct {
	Source    string
	Countries []Country // most calls first
	Err       *SourceError
}

// ASR counts the calls to each country, in each source by itself. It is an error only when ctx has ended.
func (s *Service) ASR(ctx context.Context, r Range) (ASR, error) {
	parts, err := s.everywhere(ctx, "asrstat", r, func(ctx context.Context, i int) (tallied, error) {
		kind, err := s.countries(ctx, s.Sources[i])
		if err != nil {
			return tallied{}, err
		}
		return s.tally(ctx, s.Sources[i], kind, Scan{From: r.From, To: r.To})
	})
	if err != nil {
		return ASR{}, err
	}
	var report ASR
	var origins []Origin
	for i, part := range parts {
		found := SourceASR{Source: s.Sources[i].Name(), Err: part.err}
		if part.err == nil {
			origins = append(origins, part.origin)
			found.Countries = part.merger.(*Countries).Report()
		}
		report.Sources = append(report.Sources, found)
	}
	report.Origin = together(origins)
	return report, nil
}

// remembered is for how long what hardly ever changes is not asked for again.
const remembered = time.Minute

// memory keeps what sources were asked for. The zero value is empty.
type memory[T any] struct {
	mu   sync.Mutex
	kept map[string]keptValue[T]
}

type keptValue[T any] struct {
	value T
	until time.Time
}

// get is what is remembered under a name, or what ask answers, which is kept unless it is an error.
func (m *memory[T]) get(now time.Time, name string, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	known, ok := m.kept[name]
	m.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.value, nil
	}
	value, err := ask()
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[string]keptValue[T])
	}
	m.kept[name] = keptValue[T]{value, now.Add(remembered)}
	return value, nil
}
