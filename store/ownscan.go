package store

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"talktime/billing"
	"talktime/stats"
)

// OwnRecords are our own calls that have ended, and imported records, as a source of statistics. It reads page by page, by the
// connections of searches and within their time, so that no slow reader keeps anything.
type OwnRecords struct {
	store    *Store
	location *time.Location
}

var _ stats.Dated = (*OwnRecords)(nil)

// OwnRecords is the source of our own calls. Its clock hangs in location.
func (s *Store) OwnRecords(location *time.Location) *OwnRecords { return &OwnRecords{s, location} }

// Name implements stats.Source.
func (*OwnRecords) Name() string { return stats.OwnName }

const (
	ownPage = 2048
	// ownLate is how much later than the time in its id a call may have been authorised at most, but for those that were redirected:
	// the longest wait of an operation, and the clock that was set meanwhile.
	ownLate = 2 * time.Minute
	// maxOwners is how many users of an account have their calls looked up by user. Of more, all calls are looked at.
	maxOwners = 50
)

// ownRow is a record with texts of its own.
type ownRow struct {
	stats.Record

	user int64
	key  int64  // of the row
	at   string // the time as it stands there
}

// ownReader reads one kind of rows, page by page.
type ownReader struct {
	next func(context.Context) ([]*ownRow, error) // the next, in the order of Start; none at the end
	rows []*ownRow
	done bool
}

// head is the next row; nil at the end.
func (r *ownReader) head(ctx context.Context) (*ownRow, error) {
	if len(r.rows) == 0 && !r.done {
		var err error
		if r.rows, err = r.next(ctx); err != nil {
			return nil, err
		}
		r.done = len(r.rows) == 0
	}
	if r.done {
		return nil, nil
	}
	return r.rows[0], nil
}

// Each implements stats.Source.
func (o *OwnRecords) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	users := map[int64]bool{}
	if scan.Account != nil {
		if len(scan.Account.Users) == 0 {
			return nil
		}
		for _, user := range scan.Account.Users {
			users[user] = true
		}
	}
	readers := o.readers(scan)
	for {
		var first *ownReader
		for _, r := range readers {
			row, err := r.head(ctx)
			if err != nil {
				return o.failed(ctx, err)
			}
			if row != nil && (first == nil || row.Start < first.rows[0].Start) {
				first = r
			}
		}
		if first == nil {
			return nil
		}
		row := first.rows[0]
		first.rows = first.rows[1:]
		if scan.Account != nil && !users[row.user] {
			continue
		}
		if err := each(&row.Record); err != nil {
			return err
		}
	}
}

func (o *OwnRecords) failed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return cause
	}
	return &stats.SourceError{Name: stats.OwnName, Reason: sourceReason(err), Err: translate(err)}
}

// readers are those of all rows of a scan.
func (o *OwnRecords) readers(scan stats.Scan) []*ownReader {
	readers := []*ownReader{{next: o.written(scan)}}
	if scan.Account == nil || len(scan.Account.Users) > maxOwners {
		return append(readers, &ownReader{next: o.calls(scan, 0)}, &ownReader{next: o.imported(scan, 0)})
	}
	for _, user := range scan.Account.Users {
		readers = append(readers, &ownReader{next: o.calls(scan, user)}, &ownReader{next: o.imported(scan, user)})
	}
	return readers
}

// ownTexts are the texts of a record that a scan asks for, which of uses.
func ownTexts(scan stats.Scan, of map[stats.Fields]string) (columns string, into []func(*stats.Record) *[]byte) {
	for _, c := range recordColumns() {
		if expression := of[c.field]; expression != "" && scan.Fields&c.field != 0 {
			columns += ", " + expression
			into = append(into, c.into)
		}
	}
	return columns, into
}

// callTexts says where the texts of a call are. Whoever has no number of his own is called by his name, who is nobody of ours by his
// caller id.
func callTexts() map[stats.Fields]string {
	return map[stats.Fields]string{
		stats.FieldUniqueID: "c.call_id", stats.FieldCNum: "COALESCE(NULLIF(u.clid, ''), u.username, c.caller_id)", stats.FieldCNam: "u.username",
		stats.FieldCallerID: "c.caller_id", stats.FieldSrc: "c.caller_id", stats.FieldDst: "c.number", stats.FieldAccount: "u.username",
	}
}

func importedTexts() map[stats.Fields]string {
	return map[stats.Fields]string{
		stats.FieldUniqueID: "r.unique_id", stats.FieldCNum: "r.cnum", stats.FieldCNam: "r.cnam", stats.FieldCallerID: "r.caller_id", stats.FieldSrc: "r.src",
		stats.FieldDst: "r.dst", stats.FieldContext: "r.context", stats.FieldChannel: "r.channel", stats.FieldDstChannel: "r.dst_channel",
		stats.FieldLastApp: "r.last_app", stats.FieldDisposition: "r.disposition", stats.FieldAccount: "r.account",
	}
}

// texts copies the texts of a row, which stand behind its other values.
type texts struct {
	into  []func(*stats.Record) *[]byte
	buf   []byte
	arena []byte
}

func (t *texts) copy(r *stats.Record, values []driver.Value) {
	for i, field := range t.into {
		text := valueText(values[i], &t.buf)
		if len(t.arena)+len(text) > cap(t.arena) {
			t.arena = make([]byte, 0, max(1<<16, len(text)))
		}
		begin := len(t.arena)
		t.arena = append(t.arena, text...)
		*field(r) = t.arena[begin:len(t.arena):len(t.arena)]
	}
}

// dispositions are what a CDR would say of what Dial says.
var dispositions = map[string][]byte{
	"ANSWER": []byte("ANSWERED"), "BUSY": []byte("BUSY"), "NOANSWER": []byte("NO ANSWER"), "CANCEL": []byte("NO ANSWER"),
	"CONGESTION": []byte("CONGESTION"), "CHANUNAVAIL": []byte("FAILED"),
}

var lastAppDial = []byte("Dial")

const callFacts = "c.id, CAST(c.authorized_at AS CHAR), CAST(c.due_at AS CHAR), CAST(c.ended_at AS CHAR), c.seconds, c.status, c.settled_by, c.user_id, c.callee_id"

// callRow makes a row of what a SELECT of callFacts, and of texts behind them, gives.
func (o *OwnRecords) callRow(v []driver.Value, clock *stats.Clock, t *texts) *ownRow {
	const texts = 9
	at := string(valueText(v[1], &t.buf))
	row := &ownRow{key: numberOf(v[0]), user: numberOf(v[7]), at: at}
	r := &row.Record
	r.Start = unixOf(at)
	r.Wall = clock.Wall(r.Start)
	r.BillSec = secondsOf(v[4])
	r.LastApp = lastAppDial
	if r.Disposition = dispositions[string(valueText(v[5], &t.buf))]; r.Disposition == nil {
		if r.Disposition = dispositions["CHANUNAVAIL"]; r.BillSec > 0 {
			r.Disposition = dispositions["ANSWER"]
		}
	}
	r.Own, r.OwnCallee = row.user != 0, numberOf(v[8]) != 0
	due := string(valueText(v[2], &t.buf))
	ended := string(valueText(v[3], &t.buf))
	r.Duration = callLength(r.BillSec, at, due, ended, valueText(v[6], &t.buf))
	t.copy(r, v[texts:])
	return row
}

// unixOf is the moment of a column of ours, cut off to the second; 0 when it is none.
func unixOf(text string) int64 {
	t, _ := time.Parse(time.DateTime, text)
	return t.Unix()
}

// callLength is how many seconds a call was up, ringing included, of which as many were talked. Whoever looks for lost calls learns late
// that they are over, so that nothing more is known of those; none can have been up after it was due.
func callLength(talked int64, began, due, ended string, settledBy []byte) int64 {
	if ended == "" || string(settledBy) == billing.SourceReconciler || string(settledBy) == billing.SourceOperator {
		return talked
	}
	return max(talked, lengthOf(began, min(ended, due)))
}

// lengthOf is how many whole seconds are between two of them.
func lengthOf(from, to string) int64 {
	a, errFrom := time.Parse(time.DateTime, from)
	b, errTo := time.Parse(time.DateTime, to)
	if errFrom != nil || errTo != nil {
		return 0
	}
	return max(int64(b.Sub(a)/time.Second), 0)
}

// callsBy leads a database along an index of calls: those by their state, which others like, would have it sort all calls for each page.
func (o *OwnRecords) callsBy(index string) string {
	if hint := o.store.force(index); hint != "" {
		return hint
	}
	return map[string]string{"PRIMARY": " NOT INDEXED", "calls_user": " INDEXED BY calls_user"}[index]
}

// page reads rows.
func (o *OwnRecords) page(ctx context.Context, query string, args []any, row func([]driver.Value) error) error {
	return o.store.streamSearch(ctx, query, args, row)
}

// calls reads the calls of a scan that Asterisk asked for, of one user or, for 0, of everybody: by their ids, which grow with time,
// since no index has it. A call that was redirected began, as we tell it, with its last leg, up to a week after the time in its id.
func (o *OwnRecords) calls(scan stats.Scan, user int64) func(context.Context) ([]*ownRow, error) {
	first, end := scanSeconds(scan)
	from, to := time.Unix(first, 0), time.Unix(end, 0)
	columns, into := ownTexts(scan, callTexts())
	query := "SELECT " + callFacts + columns + " FROM calls c" + o.callsBy("PRIMARY")
	args := []any{int64(0), int64(0), idAt(from.Add(-clocksDiffer)), stamp(from), stamp(to)}
	condition := ""
	if user != 0 {
		query = "SELECT " + callFacts + columns + " FROM calls c" + o.callsBy("calls_user")
		condition, args = " AND c.user_id = ?", append(args, user)
	}
	if strings.Contains(columns, "u.") {
		query += " LEFT JOIN users u ON u.id = c.user_id"
	}
	query += " WHERE c.id > ? AND c.id < ? AND (c.id > ? OR c.legs IS NOT NULL) AND c.authorized_at >= ? AND c.authorized_at < ?" +
		" AND c.settled_by <> '" + byHand + "' AND " + endedCalls + condition + fmt.Sprintf(" ORDER BY c.id LIMIT %d", ownPage)
	clock := stats.NewClock(o.location)
	waiting := &rowHeap{}
	var after, last int64 // the id behind which the next page begins, and the last one
	over := false
	begin := func(ctx context.Context) (err error) {
		after, last, err = o.ends(ctx, idAt(from.Add(-longestChannel)), idAt(to.Add(clocksDiffer)))
		over = after == 0
		after--
		return err
	}
	return func(ctx context.Context) (ready []*ownRow, err error) {
		if last == 0 && !over {
			if err := begin(ctx); err != nil {
				return nil, err
			}
		}
		for !over && len(ready) == 0 {
			// A statement looks at the calls of no more than a day, most of which may be none of the scan.
			until := last + 1
			if user == 0 {
				until = min(until, after+idAt(idEpoch.Add(factsWindow)))
			}
			args[0], args[1] = after, until
			t := texts{into: into}
			n := 0
			err := o.page(ctx, query, args, func(v []driver.Value) error {
				row := o.callRow(v, clock, &t)
				heap.Push(waiting, row)
				after = row.key
				n++
				return nil
			})
			if err != nil {
				return nil, err
			}
			if n < ownPage {
				after, over = until-1, until > last
			}
			for len(*waiting) > 0 && (over || (*waiting)[0].Start < idTime(after).Add(-ownLate).Unix()) {
				ready = append(ready, heap.Pop(waiting).(*ownRow))
			}
		}
		return ready, nil
	}
}

// ends are the first and the last id of calls from one (included) to another (excluded); 0 when there is none.
func (o *OwnRecords) ends(ctx context.Context, least, most int64) (first, last int64, err error) {
	for what, into := range map[string]*int64{"MIN(id)": &first, "MAX(id)": &last} {
		err := o.page(ctx, "SELECT "+what+" FROM calls WHERE id >= ? AND id < ?", []any{least, most}, func(v []driver.Value) error {
			*into, _ = v[0].(int64)
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return first, last, nil
}

// idTime is when an id was made.
func idTime(id int64) time.Time {
	return idEpoch.Add(time.Duration(id/(idSlots*idEntries)) * idStep)
}

// rowHeap is sorted by time.
type rowHeap []*ownRow

func (h rowHeap) Len() int { return len(h) }
func (h rowHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].Start, h[j].Start), cmp.Compare(h[i].key, h[j].key)) < 0
}
func (h rowHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)   { *h = append(*h, x.(*ownRow)) }
func (h *rowHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// written reads the records of a scan that somebody wrote by hand. Their ids are of the time at which he did, but their CallIDs stand
// together.
func (o *OwnRecords) written(scan stats.Scan) func(context.Context) ([]*ownRow, error) {
	first, end := scanSeconds(scan)
	columns, into := ownTexts(scan, callTexts())
	query := "SELECT " + callFacts + columns + " FROM calls c" + o.callsBy("calls_call_id") + " LEFT JOIN users u ON u.id = c.user_id" +
		" WHERE c.call_id >= '" + byHand + "/' AND c.call_id < '" + byHand + "0' AND c.authorized_at >= ? AND c.authorized_at < ?" + // 0 comes behind /
		" AND c.settled_by = '" + byHand + "' AND (c.authorized_at > ? OR c.id > ?)" + fmt.Sprintf(" ORDER BY c.authorized_at, c.id LIMIT %d", ownPage)
	at, key := stamp(time.Unix(first, 0)), int64(0)
	clock := stats.NewClock(o.location)
	return func(ctx context.Context) (rows []*ownRow, err error) {
		t := texts{into: into}
		err = o.page(ctx, query, []any{at, stamp(time.Unix(end, 0)), at, key}, func(v []driver.Value) error {
			rows = append(rows, o.callRow(v, clock, &t))
			return nil
		})
		if n := len(rows); n > 0 {
			at, key = rows[n-1].at, rows[n-1].key
		}
		return rows, err
	}
}

// imported reads the imported records of a scan that are not of calls of ours, of one user or, for 0, of everybody. They are like those
// of a foreign database, also where the caller is a user of ours.
func (o *OwnRecords) imported(scan stats.Scan, user int64) func(context.Context) ([]*ownRow, error) {
	first, end := scanSeconds(scan)
	columns, into := ownTexts(scan, importedTexts())
	index, condition := "PRIMARY", ""
	var owner []any
	if user != 0 {
		index, condition, owner = "cdr_records_user", " AND r.user_id = ?", []any{user}
	}
	query := "SELECT CAST(r.started_at AS CHAR), r.id, r.user_id, r.duration, r.billsec" + columns + " FROM cdr_records r" + o.store.force(index) +
		" WHERE r.started_at >= ? AND r.started_at < ? AND (r.started_at > ? OR r.id > ?) AND r.ours = 0" + condition +
		fmt.Sprintf(" ORDER BY r.started_at, r.id LIMIT %d", ownPage)
	until := time.Unix(end, 0).UTC().Format(time.DateTime) // shorter than what SQLite may have with a fraction, and so before it
	at, key := time.Unix(first, 0).UTC().Format(time.DateTime), int64(-1<<63)
	clock := stats.NewClock(o.location)
	return func(ctx context.Context) (rows []*ownRow, err error) {
		t := texts{into: into}
		err = o.page(ctx, query, append([]any{at, until, at, key}, owner...), func(v []driver.Value) error {
			row := &ownRow{at: string(valueText(v[0], &t.buf))}
			row.key, _ = v[1].(int64)
			row.user, _ = v[2].(int64)
			row.Start = unixOf(row.at)
			row.Wall = clock.Wall(row.Start)
			row.Duration, row.BillSec = secondsOf(v[3]), secondsOf(v[4])
			t.copy(&row.Record, v[5:])
			rows = append(rows, row)
			return nil
		})
		if n := len(rows); n > 0 {
			at, key = rows[n-1].at, rows[n-1].key
		}
		return rows, err
	}
}

// Days implements stats.Dated. What it says of a day changes with every write to a call of it, with the names of those who called, with
// imported records and with re-ratings.
func (o *OwnRecords) Days(ctx context.Context, from, to stats.Day) (map[stats.Day]string, error) {
	sums := make(map[stats.Day]*daySum)
	for ; from < to; from += ownDays {
		if err := o.sum(ctx, from, min(from+ownDays, to), sums); err != nil {
			return nil, o.failed(ctx, err)
		}
	}
	days := make(map[stats.Day]string, len(sums))
	for day, sum := range sums {
		hash := sha256.Sum256([]byte(strings.Join(sum.lines, "\n")))
		days[day] = fmt.Sprintf("%d %s", sum.records, hex.EncodeToString(hash[:12]))
	}
	return days, nil
}

// ownDays is how many days one statement sums up.
const ownDays = 14

// daySum is what a day's signature is made of.
type daySum struct {
	records int64
	lines   []string
}

// dayPart is a SELECT of a day, a user or 0, a number of rows, and sums over these.
type dayPart struct {
	kind, query string
	args        []any
}

// sum adds the days from (included) to to (excluded).
func (o *OwnRecords) sum(ctx context.Context, first, end stats.Day, sums map[stats.Day]*daySum) error {
	for _, part := range o.dayParts(first.Begin(o.location), end.Begin(o.location)) {
		var rows [][]driver.Value
		var users []int64
		err := o.page(ctx, part.query+" GROUP BY 1, 2 ORDER BY 1, 2", part.args, func(v []driver.Value) error {
			rows = append(rows, copied(v))
			if user, _ := v[1].(int64); user != 0 {
				users = append(users, user)
			}
			return nil
		})
		if err != nil {
			return err
		}
		names, err := o.names(ctx, users)
		if err != nil {
			return err
		}
		for _, row := range rows {
			day, _ := row[0].(int64)
			user, _ := row[1].(int64)
			count, _ := row[2].(int64)
			sum := sums[stats.Day(day)] //nolint:gosec // a day of a date
			if sum == nil {
				sum = &daySum{}
				sums[stats.Day(day)] = sum //nolint:gosec // a day of a date
			}
			sum.lines = append(sum.lines, fmt.Sprintf("%s %q %v", part.kind, names[user], row[1:]))
			if part.kind != reratedPart {
				sum.records += count
			}
		}
	}
	return nil
}

const reratedPart = "re-rated"

// dayParts is everything of which something is counted. It takes sums of products with what differs from row to row, so that no two
// changes make up for each other; they fit into 64 bits for any number of rows.
func (o *OwnRecords) dayParts(from, to time.Time) []dayPart {
	sum := func(what string) string { return ", CAST(SUM(" + what + ") AS CHAR)" }
	facts := ", COUNT(*)" + sum("c.id % 2097143 * (c.writes + 1)") + sum("c.seconds * (c.id % 8191 + 1)") + sum("c.callee_id % 8191 * (c.id % 8191 + 1)")
	began := []any{stamp(from), stamp(to)}
	const inTime = "c.authorized_at >= ? AND c.authorized_at < ?"
	first, last := idAt(from.Add(-longestChannel)), idAt(to.Add(clocksDiffer))
	ofCalls, ofRecords := "SELECT "+o.dayOf("c.authorized_at", from, to), "SELECT "+o.dayOf("r.started_at", from, to)
	return []dayPart{
		{
			"call", ofCalls + ", c.user_id" + facts + " FROM calls c" + o.callsBy("PRIMARY") + " WHERE c.id > ? AND c.id < ? AND (c.id > ? OR c.legs IS NOT NULL) AND " + inTime +
				" AND c.settled_by <> '" + byHand + "' AND " + endedCalls, concat([]any{first, last, idAt(from.Add(-clocksDiffer))}, began),
		},
		{
			"by hand", ofCalls + ", c.user_id" + facts + sum(o.seconds("c.authorized_at")+" % 86400 * (c.id % 8191 + 1)") + " FROM calls c" + o.callsBy("calls_call_id") +
				" WHERE c.call_id >= '" + byHand + "/' AND c.call_id < '" + byHand + "0' AND " + inTime, began,
		},
		{
			"imported", ofRecords + ", 0, COUNT(*)" + sum("r.id % 2097143 * (r.ours + 1)") + sum("(r.user_id % 8191 + 2 * (r.callee_id % 8191)) * (r.id % 8191)") +
				" FROM cdr_records r" + o.store.force("PRIMARY") + " WHERE r.started_at >= ? AND r.started_at < ?",
			[]any{from.UTC().Format(time.DateTime), to.UTC().Format(time.DateTime)},
		},
		{
			reratedPart, ofCalls + ", 0, COUNT(*)" + sum("(r.rerate_id + 1) * (r.charge_after % 2097143 + c.id % 8191)") +
				" FROM rerated_calls r JOIN calls c ON c.id = r.call_key WHERE r.call_key > ? AND r.call_key < ? AND " + inTime, concat([]any{first, last}, began),
		},
	}
}

// copied keeps values beyond their row.
func copied(values []driver.Value) []driver.Value {
	kept := make([]driver.Value, len(values))
	for i, v := range values {
		if text, ok := v.([]byte); ok {
			v = string(text)
		}
		kept[i] = v
	}
	return kept
}

// names are by what users are known to statistics.
func (o *OwnRecords) names(ctx context.Context, users []int64) (map[int64]string, error) {
	names := make(map[int64]string)
	return names, chunks(o.store.dialect.maxParams, users, func(users []int64) error {
		return o.page(ctx, "SELECT id, clid, username FROM users WHERE id IN ("+marks(len(users))+")", anys(users), func(v []driver.Value) error {
			id, _ := v[0].(int64)
			names[id] = string(valueText(v[1], new([]byte))) + " " + string(valueText(v[2], new([]byte)))
			return nil
		})
	})
}

// seconds are those of a column of ours since 1970, in SQL.
func (o *OwnRecords) seconds(column string) string {
	if o.store.dialect.name == sqliteDialect.name {
		return "CAST(strftime('%s', " + column + ") AS INTEGER)"
	}
	return "TIMESTAMPDIFF(SECOND, '1970-01-01', " + column + ")"
}

// dayOf is the day of a column of ours between two moments by the clock on our wall, in SQL.
func (o *OwnRecords) dayOf(column string, from, to time.Time) string {
	divide := " DIV "
	if o.store.dialect.name == sqliteDialect.name {
		divide = " / "
	}
	offset := ""
	for t := from; t.Before(to); {
		_, ahead := t.In(o.location).Zone()
		_, end := t.In(o.location).ZoneBounds()
		if end.IsZero() || !end.Before(to) {
			offset += fmt.Sprintf(" ELSE %d END", ahead)
			break
		}
		offset += fmt.Sprintf(" WHEN %s < '%s' THEN %d", column, end.UTC().Format(time.DateTime), ahead)
		t = end
	}
	if strings.HasPrefix(offset, " ELSE ") {
		offset = " WHEN 1 = 0 THEN 0" + offset
	}
	return "(" + o.seconds(column) + " + CASE" + offset + ")" + divide + "86400"
}
