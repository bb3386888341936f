package feed

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"talktime/queues"
)

// Table reads the table that Asterisk writes in place of the file.
type Table interface {
	Name() string // host:port/schema.table
	// Numbered tells whether its rows have ids.
	Numbered(ctx context.Context) (bool, error)
	// Last is the highest id there is; 0 without rows.
	Last(ctx context.Context) (int64, error)
	// Rows are the rows behind an id, at most most, in the order of their ids. Of a table without ids they are those of a time, in
	// microseconds since 1970, or later, in the order of their times.
	Rows(ctx context.Context, after int64, most int) ([]Row, error)
}

// Row is a row of the table.
type Row struct {
	ID                              int64
	At, CallID, Queue, Agent, Event string
	Params                          []string
}

// text is the row as a line of the file would have it.
func (r Row) text() string {
	return strings.Join(append([]string{r.At, r.CallID, r.Queue, r.Agent, r.Event}, r.Params...), "|")
}

func (r Row) event(p *queues.Parser) (queues.Event, error) {
	return p.ParseRow(r.At, r.CallID, r.Queue, r.Agent, r.Event, r.Params...)
}

// digest is what a row is known by again.
func (r Row) digest() string { return digestOf([]byte(r.text())) }

// Rows that are read again, as rows may be seen later than others that were written after them.
const (
	idWindow   = 1000 // ids
	timeWindow = 2 * time.Minute
	zoneWindow = 3 * time.Hour // while the clock is set back
)

// table follows a table.
type table struct {
	f    *Follower
	rows Table

	begun   bool
	row     File // as it is stored
	at      File // how far its events are given out
	parser  queues.Parser
	spans   []span // of the log in files: their events are not taken
	skipped int64  // so many
	believe int64  // the latest time

	known  int64          // the position at the begin: rows up to it were counted
	behind int64          // the position up to which rows were read in another zone: they are left alone
	first  bool           // the first look at a table without ids
	fresh  bool           // and nothing is known of its rows
	bad    int            // of its rows that are none, those that are known
	ids    map[int64]bool // of the window, that were given out
	late   []queues.Event // of rows up to known: they are stored with the next ones, as most are there already
	rests  time.Time      // until when a table is left alone that is slow to be read
}

// mark is what is kept as the digest of a table: by what the row at the position is known again, and in which zone rows were read.
type mark struct {
	row    string // begin of its digest; zeros for a table without ids
	behind int64
	zone   string
}

const (
	markDigits = 16
	noRow      = "0000000000000000"
)

func (m mark) String() string {
	return fmt.Sprintf("%s%016x%s", m.row, m.behind, m.zone)
}

func markOf(text string) (m mark, ok bool) {
	if len(text) <= 2*markDigits {
		return mark{}, false
	}
	behind, err := strconv.ParseInt(text[markDigits:2*markDigits], 16, 64)
	return mark{text[:markDigits], behind, text[2*markDigits:]}, err == nil
}

// zone is the name of the zone of times, as far as there is room for it.
func (t *table) zone() string {
	name := cmp.Or(t.f.Location, time.UTC).String()
	return name[:min(len(name), 64-2*markDigits)]
}

func (t *table) current() *File {
	if t.row.ID == 0 {
		return nil
	}
	return &t.row
}

func (t *table) forget() {}

// slowness is how many times as long as it took to find nothing in a table we wait until we look again.
const slowness = 10

func (t *table) look(ctx context.Context) (bool, error) {
	begun := t.f.now()
	if begun.Before(t.rests) {
		return true, nil
	}
	numbered, err := t.rows.Numbered(ctx)
	if err != nil {
		return false, err
	}
	if !t.begun {
		t.begin(numbered)
	}
	before := t.at.Lines
	t.believe = t.f.latest()
	if numbered {
		err = t.byID(ctx)
	} else {
		err = t.byTime(ctx)
	}
	t.f.tellSkipped(t.at.Name, t.skipped)
	t.skipped = 0
	if took := t.f.now().Sub(begun); t.at.Lines == before && took > lookPause/slowness {
		t.rests = begun.Add(min(slowness*took, time.Minute))
	}
	return err == nil, err
}

func (t *table) begin(numbered bool) {
	t.begun, t.first, t.ids = true, true, make(map[int64]bool)
	name := t.rows.Name()
	if !numbered {
		name += " by time"
	}
	t.row = File{Kind: KindTable, Name: name}
	for _, file := range t.f.files {
		if file.Kind == KindTable && file.Name == name {
			t.row = file
		}
	}
	t.at, t.parser, t.spans = t.row, queues.Parser{Zone: t.f.Location, Last: t.row.Last}, t.f.spans(KindTable)
	t.known = t.at.Position
	if t.fresh = t.f.seen == nil; t.fresh {
		t.f.seen = make(map[string]int64)
		if !numbered {
			t.parser.Last = 0 // what was read is read again, in the order of the clock on the wall
		}
	}
	if t.known == 0 {
		return
	}
	m, ok := markOf(t.at.Digest)
	if t.behind = m.behind; ok && m.zone == t.zone() {
		return
	}
	t.behind, t.parser.Last = t.known, 0
	if !numbered {
		t.behind = t.f.now().UnixMicro()
		if old, err := time.LoadLocation(m.zone); ok && err == nil {
			_, was := time.UnixMicro(t.known).In(old).Zone()
			wall := time.UnixMicro(t.known).In(time.FixedZone("", was)).Format("2006-01-02 15:04:05.000000")
			if at, err := time.ParseInLocation("2006-01-02 15:04:05", wall, cmp.Or(t.f.Location, time.UTC)); err == nil {
				t.behind = at.UnixMicro()
			}
		}
		t.known, t.at.Last, t.at.First = t.behind, t.behind, min(t.at.First, t.behind)
	}
	t.at.Digest = mark{cmp.Or(m.row, noRow), t.behind, t.zone()}.String()
	t.f.Logger.Warn("the zone of the times in the table queue_log is another one: rows from here on are read in the new one, those before stay as they are",
		"table", t.at.Name, "was", m.zone, "is", t.zone(), "position", t.at.Position)
}

// byID reads the rows behind those that were read, and some of these again.
func (t *table) byID(ctx context.Context) error {
	last, err := t.rows.Last(ctx)
	if err != nil {
		return err
	}
	if t.at.Position > 0 {
		rows, err := t.rows.Rows(ctx, t.at.Position-1, 1)
		if err != nil {
			return err
		}
		if m, _ := markOf(t.at.Digest); len(rows) == 0 || rows[0].ID != t.at.Position || rows[0].digest()[:markDigits] != m.row {
			t.f.Logger.Warn("the row of the table queue_log that was read last is not there any more: all rows are read again, and count once",
				"table", t.at.Name, "id", t.at.Position)
			if last < t.at.Position { // they are others
				t.behind = 0
			}
			t.at.Position, t.at.Digest, t.known, t.parser.Last, t.late = 0, "", 0, 0, nil
			clear(t.ids)
		}
	}
	most, after := t.most(), max(t.at.Position-idWindow, t.behind)
	err = pipe(ctx, func(ctx context.Context) (p portion, err error) {
		rows, err := t.rows.Rows(ctx, after, most)
		if err != nil {
			return p, err
		}
		for _, row := range rows {
			if t.ids[row.ID] {
				continue
			}
			t.ids[row.ID] = true
			again := row.ID <= t.known
			parser := &t.parser
			if again {
				if _, _, twice := parser.Twice(row.At); twice {
					continue // which of both was found out when it was read
				}
				parser = &queues.Parser{Zone: t.f.Location}
			}
			e, err := row.event(parser)
			switch taken := t.take(&p, row, &e, err, again); {
			case taken && again:
				t.late = append(t.late, e)
			case taken:
				p.Events = append(p.Events, e)
			}
			if row.ID > t.at.Position {
				t.at.Position, t.at.Digest = row.ID, mark{row.digest()[:markDigits], t.behind, t.zone()}.String()
			}
		}
		if p.end = len(rows) < most; !p.end {
			after = rows[len(rows)-1].ID
		}
		if p.lines > 0 {
			p.Events, t.late = append(t.late, p.Events...), nil
		}
		t.at.Size = max(last, t.at.Position)
		p.File = t.at
		return p, nil
	}, t.store)
	for id := range t.ids {
		if id <= t.at.Position-idWindow {
			delete(t.ids, id)
		}
	}
	return err
}

func (t *table) most() int { return cmp.Or(t.f.Lines, batchLines) }

// byTime reads the rows from a while before the last one on.
func (t *table) byTime(ctx context.Context) error {
	most, stored := t.most(), t.at.Last
	from := max(t.reached()-int64(t.window()/time.Microsecond), t.behind, 0)
	err := pipe(ctx, func(ctx context.Context) (p portion, err error) {
		rows, err := t.rows.Rows(ctx, from, most)
		if err != nil {
			return p, err
		}
		last := from
		for _, row := range rows {
			last = max(last, t.takeByTime(&p, row))
		}
		switch p.end = len(rows) < most; {
		case p.end:
		case last == from: // so many at one time
			most *= 2
		default:
			from = last
		}
		t.forgetSeen(min(last, t.reached()))
		t.at.Position = max(t.reached(), t.behind)
		t.at.Size, t.at.Digest = t.at.Position, mark{noRow, t.behind, t.zone()}.String()
		p.File = t.at
		return p, nil
	}, t.store)
	if err == nil && t.first {
		t.first, t.fresh, t.parser.Last = false, false, max(t.parser.Last, stored)
	}
	return err
}

// forgetSeen forgets the rows that will not be read again once a time is reached.
func (t *table) forgetSeen(reached int64) {
	for digest, at := range t.f.seen {
		if at != 0 && at < reached-int64((zoneWindow+timeWindow)/time.Microsecond) {
			delete(t.f.seen, digest)
		}
	}
}

// reached is up to when a table without ids was read: never behind now, as clocks that are ahead are set back.
func (t *table) reached() int64 { return min(t.at.Last, t.f.now().UnixMicro()) }

// window is how much of a table without ids is read again. When the clock is set back, later rows have earlier times.
func (t *table) window() time.Duration {
	zone := t.f.Location
	if zone == nil {
		return timeWindow
	}
	last := time.UnixMicro(t.reached()).In(zone)
	_, before := last.Add(-zoneWindow).Zone()
	_, after := last.Add(zoneWindow).Zone()
	if before != after {
		return zoneWindow
	}
	return timeWindow
}

// takeByTime takes a row of a table without ids, unless it was given out. It tells its time; 0 if it has none.
func (t *table) takeByTime(p *portion, row Row) int64 {
	digest := row.digest()
	if at, there := t.f.seen[digest]; there {
		return at
	}
	if t.fresh && t.known > 0 {
		if first, second, twice := t.parser.Twice(row.At); twice && second <= t.known {
			t.f.seen[digest] = first // it was read, as one of both
			return first
		}
	}
	e, err := row.event(&t.parser)
	switch {
	case err == nil:
		t.f.seen[digest] = e.At
	case t.bad < batchLines:
		t.f.seen[digest] = 0
		t.bad++
	}
	if err == nil && e.At <= t.behind {
		return e.At
	}
	again := t.first && t.known > 0 && (err != nil || e.At <= t.known || e.At > t.f.now().UnixMicro())
	if t.take(p, row, &e, err, again) {
		p.Events = append(p.Events, e)
		p.lines = max(p.lines, 1)
	}
	return e.At
}

// take counts a row; not another time, if it is taken again. False if it is no event, or the files had it.
func (t *table) take(p *portion, row Row, e *queues.Event, err error, again bool) bool {
	if !again {
		p.lines++
		t.at.Lines++
		if err != nil {
			t.at.Bad++
			p.bad(row.ID, row.text(), err)
		}
	}
	if err != nil {
		return false
	}
	if within(t.spans, e.At) {
		if !again {
			t.skipped++
		}
		return false
	}
	t.at.add(e, t.believe)
	return true
}

func (t *table) store(ctx context.Context, p portion) error {
	b := p.Batch
	b.File.ID, b.Now = t.row.ID, t.f.now()
	if p.end {
		b.File.Read = b.Now
	}
	done, err := t.f.store(ctx, b)
	if err != nil {
		return err
	}
	t.row = done.File
	return nil
}
