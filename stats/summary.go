package stats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
)

// Period is how long a time a row of a summary is about.
type Period string

// The periods. Those of the calendar are by the clock on the wall in the zone that is asked for.
const (
	ByNone    Period = "none" // the whole time that is asked for
	ByMinute  Period = "minute"
	ByQuarter Period = "quarter" // of an hour
	ByHour    Period = "hour"
	ByDay     Period = "day"
	ByWeek    Period = "week" // from Monday on
	ByMonth   Period = "month"
)

// Dimension is what the calls of a row of a summary have in common.
type Dimension string

// The dimensions.
const (
	OfNone        Dimension = "none"
	OfUser        Dimension = "user"        // who called; 0: nobody of ours
	OfGroup       Dimension = "group"       // that he is in now: his calls count in each of his groups; 0: in none
	OfCountry     Dimension = "country"     // to which the number leads
	OfDestination Dimension = "destination" // of the rate
	OfCarrier     Dimension = "carrier"     // who was dialled last; 0: none
	OfCause       Dimension = "cause"       // Q.850; 0: not known
)

// Key says which user, country, and so on. Of an id Text is empty.
type Key struct {
	ID   int64
	Text string // calling code without +, or prefix of the rate
	Name string // what the rate calls the destination
}

// Query asks for figures of calls of ours.
type Query struct {
	From, To time.Time // of the start, half open, in whole seconds
	By       Period
	Of       Dimension
	Location *time.Location // of the periods
	Account  *Account       // whose calls; nil = everybody's
	Country  *string        // only calls to it: a calling code without +, or empty for numbers that lead to none; nil = to all
	Carrier  *int64         // only his calls; nil = those of all
	// Groups are the groups of each user, which OfGroup needs.
	Groups map[int64][]int64
}

// longestQuery is how long a time a summary may be about, by its periods.
func longestQuery(by Period) (days int, words string) {
	switch by {
	case ByMinute, ByQuarter, ByHour:
		return 92, "92 days"
	case ByDay:
		return 3*366 - 1, "3 years"
	case ByWeek, ByNone:
		return 10 * 366, "10 years"
	case ByMonth:
	}
	return 20 * 366, "20 years"
}

// check is ErrRange for a query that asks for more than anybody could read.
func (q Query) check() error {
	if days, words := longestQuery(q.By); q.To.Sub(q.From) > time.Duration(days)*24*time.Hour+time.Hour { // with the hour that clocks are set back
		return fmt.Errorf("%w: by %s it is %s at most", ErrRange, q.By, words)
	}
	return nil
}

// rolled is how calls are counted ahead of time.
type rolled struct {
	of       Dimension
	quarters bool // by the quarter of an hour, else by the day
}

// rolledKinds are narrow: all dimensions at once would have as many cells as there are calls. Users and destinations are too many
// for each quarter of an hour.
func rolledKinds() []rolled {
	return []rolled{{OfNone, true}, {OfCountry, true}, {OfCarrier, true}, {OfCause, true}, {OfUser, false}, {OfDestination, false}}
}

// callRule changes whenever the same calls are counted to other figures.
const callRule = "1"

func (s *Service) callKind(r rolled) CallKind {
	kind := CallKind{
		Name: "calls-" + string(r.of), Rule: callRule,
		New: func() CallCounter { return newCallCells(r.quarters, s.keyOf(r.of)) },
	}
	if r.of == OfCountry {
		kind.Rule += " " + s.builtIn.rule()
	}
	return kind
}

// CallKinds are what roll-ups keep of calls of ours.
func (s *Service) CallKinds() []CallKind {
	var kinds []CallKind
	for _, r := range rolledKinds() {
		kinds = append(kinds, s.callKind(r))
	}
	return kinds
}

// keyOf is what a dimension tells calls apart by. Groups are made of users.
func (s *Service) keyOf(of Dimension) func(*Call) Key {
	switch of {
	case OfUser, OfGroup:
		return func(c *Call) Key { return Key{ID: c.User} }
	case OfCountry:
		return func(c *Call) Key { return Key{Text: s.callCountry(c.Number)} }
	case OfDestination:
		return func(c *Call) Key { return Key{Text: c.Prefix, Name: c.Label} }
	case OfCarrier:
		return func(c *Call) Key { return Key{ID: c.Carrier} }
	case OfCause:
		return func(c *Call) Key { return Key{ID: int64(c.Cause)} }
	case OfNone:
	}
	return func(*Call) Key { return Key{} }
}

// callCountry is the calling code to which a number leads, without +; empty for none.
func (s *Service) callCountry(number string) string {
	if found := s.builtIn.find([]byte(number)); found != 0 {
		return s.builtIn.codes[found-1].digits
	}
	return ""
}

// CountryOf is a calling code, with or without +, as it is shown, and the name of the country; false: there is no such code.
func (s *Service) CountryOf(code string) (shown, country string, ok bool) {
	code = strings.TrimPrefix(code, "+")
	i := slices.IndexFunc(s.builtIn.codes, func(c countryCode) bool { return c.digits == code })
	if i < 0 {
		return "", "", false
	}
	return s.builtIn.codes[i].shown, s.builtIn.codes[i].country, true
}

// Row are the figures of calls that have a period and a key in common.
type Row struct {
	From, To time.Time // of the period, as far as it was asked for; in the zone of the query
	Start    time.Time // of the period, also where that was before the query's
	Key      Key
	Figures
}

// Summary is the answer to a Query.
type Summary struct {
	Rows   []Row // by time; of a period those with the most attempts first
	Total  Figures
	Origin Origin
}

// MaxRows is how many rows a summary has at most.
const MaxRows = 200_000

// Summary counts calls by period and dimension: whole days from roll-ups, where these have what is asked for, and all else from the
// calls themselves. More than MaxRows are ErrRange.
func (s *Service) Summary(ctx context.Context, q Query) (Summary, error) {
	type place struct {
		slot slot
		key  Key
	}
	var all Summary
	err := q.check()
	if err != nil {
		return Summary{}, err
	}
	var rows map[place]*Figures
	begin := func() { rows, all = make(map[place]*Figures), Summary{} }
	all.Origin, err = s.countCalls(ctx, q, slots(q.By, q.Location), begin, func(at slot, key Key, f *Figures) error {
		all.Total.Merge(f)
		keys := []Key{key}
		if q.Of == OfGroup {
			keys = groupKeys(q.Groups[key.ID])
		}
		for _, key := range keys {
			sum, ok := rows[place{at, key}]
			if !ok {
				if len(rows) == MaxRows {
					return fmt.Errorf("%w: there are more than %d rows; ask for a shorter time, or for longer periods", ErrRange, MaxRows)
				}
				sum = &Figures{}
				rows[place{at, key}] = sum
			}
			sum.Merge(f)
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	for at, f := range rows {
		row := Row{Key: at.key, Figures: *f, From: q.From, To: q.To, Start: q.From}
		if q.By != ByNone {
			row.Start = time.Unix(at.slot.from, 0)
			row.From, row.To = later(q.From, row.Start), earlier(q.To, time.Unix(at.slot.to, 0))
		}
		row.Start, row.From, row.To = row.Start.In(q.Location), row.From.In(q.Location), row.To.In(q.Location)
		all.Rows = append(all.Rows, row)
	}
	slices.SortFunc(all.Rows, func(a, b Row) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(b.Attempts, a.Attempts), a.Key.compare(b.Key))
	})
	return all, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func groupKeys(groups []int64) []Key {
	if len(groups) == 0 {
		return []Key{{}}
	}
	keys := make([]Key, len(groups))
	for i, group := range groups {
		keys[i].ID = group
	}
	return keys
}

// countCalls hands over figures of the calls that a query asks for, each once, with the slot and the key that they are of. It calls
// begin first, and once more when it has to begin anew, because roll-ups cannot be read.
func (s *Service) countCalls(ctx context.Context, q Query, in func(int64) slot, begin func(), add func(slot, Key, *Figures) error) (Origin, error) {
	leave, err := s.turn(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	in = lazily(in)
	begin()
	covered := make(map[Day]bool)
	if kind, ok := q.rolled(); ok && s.RollUps != nil {
		err := s.loadCalls(ctx, q, kind, in, covered, add)
		switch {
		case errors.Is(err, errRollUps) && ctx.Err() == nil:
			s.Logger.WarnContext(ctx, "roll-ups cannot be read; counting from records", "source", OwnName, "kind", s.callKind(kind).Name, "err", err)
			begin()
			clear(covered)
		case err != nil:
			return "", err
		}
	}
	gaps := s.gaps(q, covered)
	for _, gap := range gaps {
		if err := s.readCalls(ctx, q, gap, in, add); err != nil {
			return "", err
		}
	}
	switch {
	case len(covered) == 0:
		return FromRaw, nil
	case len(gaps) > 0:
		return FromBoth, nil
	}
	return FromRollUps, nil
}

// turn waits until few enough count, and returns how to let others. It is models.ErrSearches when the context ends before.
func (s *Service) turn(ctx context.Context) (leave func(), err error) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	case <-ctx.Done():
		return nil, models.ErrSearches
	}
}

// readCalls hands over the figures of each call of a time.
func (s *Service) readCalls(ctx context.Context, q Query, between [2]time.Time, in func(int64) slot, add func(slot, Key, *Figures) error) error {
	key := s.keyOf(q.Of)
	var one Figures
	return s.Calls.EachCall(ctx, between[0], between[1], q.Account, func(c *Call) error {
		if !s.asked(q, c) {
			return nil
		}
		one = Figures{Sums: one.Sums[:0]}
		one.addCall(c)
		return add(in(c.Start), key(c), &one)
	})
}

// asked reports whether a call is one of those of the country and the carrier that a query asks for.
func (s *Service) asked(q Query, c *Call) bool {
	return (q.Country == nil || s.callCountry(c.Number) == *q.Country) && (q.Carrier == nil || c.Carrier == *q.Carrier)
}

// rolled is the roll-up that has what is asked for; false: none has.
func (q Query) rolled() (rolled, bool) {
	asked := map[Dimension]bool{q.Of: true}
	if q.Of == OfGroup {
		asked = map[Dimension]bool{OfUser: true}
	}
	for _, only := range []struct {
		of Dimension
		is bool
	}{{OfUser, q.Account != nil}, {OfCountry, q.Country != nil}, {OfCarrier, q.Carrier != nil}} {
		if only.is {
			asked[only.of] = true
		}
	}
	if len(asked) > 1 {
		delete(asked, OfNone)
	}
	for _, r := range rolledKinds() {
		if len(asked) == 1 && asked[r.of] {
			return r, true
		}
	}
	return rolled{}, false
}

// loadCalls hands over what roll-ups have, where each of their cells lies in one slot, and says of which days that is everything. It
// is errRollUps when they cannot be read.
func (s *Service) loadCalls(ctx context.Context, q Query, r rolled, in func(int64) slot, covered map[Day]bool, add func(slot, Key, *Figures) error) error {
	first, end := wholeDays(q.From, q.To, s.Location)
	if first >= end {
		return nil
	}
	kind, wanted := s.callKind(r), q.wants(r)
	var stopped error // by add
	err := s.RollUps.Load(ctx, OwnName, kind.Name, kind.Rule, first, end, func(day Day, data []byte) error {
		begin, next := day.Begin(s.Location).Unix(), (day + 1).Begin(s.Location).Unix()
		if !r.fits(in, begin, next) {
			return nil
		}
		covered[day] = true
		c := newCallCells(r.quarters, nil)
		if err := c.MergeFrom(data); err != nil {
			return fmt.Errorf("%s: %w", day, err)
		}
		for _, at := range c.sorted() {
			if !wanted(at.key) {
				continue
			}
			start, key := begin, at.key
			if r.quarters {
				start = at.quarter * quarterSeconds
			}
			if q.Of == OfNone {
				key = Key{}
			}
			if stopped = add(in(start), key, c.all[at]); stopped != nil {
				return stopped
			}
		}
		return nil
	})
	switch {
	case stopped != nil:
		return stopped
	case err != nil:
		return errors.Join(errRollUps, err)
	}
	return nil
}

// wants says which keys of a roll-up are asked for.
func (q Query) wants(r rolled) func(Key) bool {
	switch {
	case r.of == OfUser && q.Account != nil:
		return func(k Key) bool { _, found := slices.BinarySearch(q.Account.Users, k.ID); return found }
	case r.of == OfCountry && q.Country != nil:
		return func(k Key) bool { return k.Text == *q.Country }
	case r.of == OfCarrier && q.Carrier != nil:
		return func(k Key) bool { return k.ID == *q.Carrier }
	}
	return func(Key) bool { return true }
}

// fits reports whether each cell of a day lies in one slot.
func (r rolled) fits(in func(int64) slot, begin, next int64) bool {
	if !r.quarters {
		return in(begin).to >= next
	}
	for at := begin; at < next; {
		s := in(at)
		if at > begin && s.from%quarterSeconds != 0 {
			return false
		}
		at = s.to
	}
	return begin%quarterSeconds == 0
}

// gaps are the times of a query that no day covers.
func (s *Service) gaps(q Query, covered map[Day]bool) (gaps [][2]time.Time) {
	from := q.From
	first, end := wholeDays(q.From, q.To, s.Location)
	for day := first; day < end && len(covered) > 0; day++ {
		if !covered[day] {
			continue
		}
		if begin := day.Begin(s.Location); begin.After(from) {
			gaps = append(gaps, [2]time.Time{from, begin})
		}
		from = (day + 1).Begin(s.Location)
	}
	if from.Before(q.To) {
		gaps = append(gaps, [2]time.Time{from, q.To})
	}
	return gaps
}

// slot is a piece of time whose calls are counted together, in Unix seconds, half open. Pieces with the same name are one.
type slot struct {
	from, to int64
	name     int
}

// slots says in which period of the calendar a moment lies.
func slots(by Period, l *time.Location) func(int64) slot {
	if by == ByNone {
		return func(int64) slot { return slot{from: minTime, to: maxTime} }
	}
	return func(at int64) slot {
		t := time.Unix(at, 0).In(l)
		year, month, day := t.Date()
		switch by {
		case ByDay:
			return slot{from: midnight(year, month, day, l), to: midnight(year, month, day+1, l)}
		case ByWeek:
			day -= (int(t.Weekday()) + 6) % 7
			return slot{from: midnight(year, month, day, l), to: midnight(year, month, day+7, l)}
		case ByMonth:
			return slot{from: midnight(year, month, 1, l), to: midnight(year, month+1, 1, l)}
		case ByMinute:
			return clockSlot(t, 60)
		case ByQuarter:
			return clockSlot(t, quarterSeconds)
		case ByHour, ByNone:
		}
		return clockSlot(t, 60*60)
	}
}

const minTime, maxTime = -1 << 62, 1 << 62

// clockSlot is a part of an hour by the clock. One that clocks skip, or show again, ends where they are set.
func clockSlot(t time.Time, seconds int64) slot {
	wall := WallOf(t)
	from := t.Unix() - (wall - floor(wall, seconds)*seconds)
	s := slot{from: from, to: from + seconds}
	since, until := t.ZoneBounds()
	if !since.IsZero() {
		s.from = max(s.from, since.Unix())
	}
	if !until.IsZero() {
		s.to = min(s.to, until.Unix())
	}
	return s
}

// midnight is when a day begins.
func midnight(year int, month time.Month, day int, l *time.Location) int64 {
	return NewClock(l).Unix(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix())
}

// lazily asks for a slot only when a moment is in another one than the last: calls come nearly in order.
func lazily(in func(int64) slot) func(int64) slot {
	last := slot{from: 1, to: 0}
	return func(at int64) slot {
		if at < last.from || at >= last.to {
			last = in(at)
		}
		return last
	}
}

// CauseWords is what a hangup cause of Q.850 means, for people.
func CauseWords(cause int64) string {
	words := map[int64]string{
		0: "not known", 1: "unallocated number", 2: "no route to the network", 3: "no route to the destination", 16: "normal clearing", 17: "user busy",
		18: "no user responding", 19: "no answer", 20: "subscriber absent", 21: "call rejected", 22: "number changed", 23: "redirected", 26: "answered elsewhere",
		27: "destination out of order", 28: "invalid number", 29: "facility rejected", 31: "normal, unspecified", 34: "no circuit available", 38: "network out of order",
		41: "temporary failure", 42: "congestion", 44: "requested circuit not available", 50: "facility not subscribed", 52: "outgoing calls barred", 54: "incoming calls barred",
		57: "bearer capability not authorized", 58: "bearer capability not available", 65: "bearer capability not implemented", 66: "channel type not implemented",
		69: "facility not implemented", 79: "service not implemented", 88: "incompatible destination", 95: "invalid message", 96: "mandatory element missing",
		97: "message type does not exist", 98: "wrong message", 99: "element does not exist", 101: "wrong call state", 102: "recovery on timer expiry",
		103: "mandatory element of a wrong length", 111: "protocol error", causeUnspecified: "interworking, unspecified",
	}
	if text := words[cause]; text != "" {
		return text
	}
	return "cause " + strconv.FormatInt(cause, 10)
}
