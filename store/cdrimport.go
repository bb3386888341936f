package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/stats"
)

// CDRImport is a file or a table from which call records were imported, and how far.
type CDRImport struct {
	ID     int64
	Kind   string // ImportFile, ImportTable or ImportMade
	Name   string // of the file when it was last read; host:port/schema.table and the time that was wanted
	Zone   string // of the times in it
	Head   int    // bytes at the begin of the file by which it is known again
	Digest string // of these, SHA-256 in hexadecimal digits

	CDRPosition

	Added int64 // records
	Ours  int64 // of them, of calls that stand in calls too

	Actor     string
	StartedAt time.Time
	UpdatedAt time.Time
}

// CDRPosition is how far an import is.
type CDRPosition struct {
	Position  int64 // bytes that are read of the file; up to which calldate the table is, in seconds since 1970 by its clock
	Lines     int64 // of the file, up to Position
	Warm      int64 // place in the file where the last CDRMemorySize records before Position begin
	Recent    int64 // what these were, see CDRMemory.Sum
	Read      int64 // records, in all runs
	Malformed int64 // lines that were none
}

// Kinds of imports.
const (
	ImportFile  = "file"
	ImportTable = "table"
	ImportMade  = "made" // records that were invented
)

// ErrImported says that somebody else imports the same file or table at the same time.
var ErrImported = errors.New("another process imports it at the same time")

const cdrImportColumns = "id, kind, name, zone, head, digest, position, lines_read, warm, recent, read_rows, malformed, added, ours, actor, started_at, updated_at"

// CDRImports lists all imports, the latest first.
func (s *Store) CDRImports(ctx context.Context) ([]CDRImport, error) {
	all := []CDRImport{}
	err := s.each(ctx, "SELECT "+cdrImportColumns+" FROM cdr_imports ORDER BY updated_at DESC, id DESC", nil, func(rows *sql.Rows) error {
		var i CDRImport
		err := rows.Scan(&i.ID, &i.Kind, &i.Name, &i.Zone, &i.Head, &i.Digest, &i.Position, &i.Lines, &i.Warm, &i.Recent, &i.Read, &i.Malformed, &i.Added, &i.Ours,
			&i.Actor, &i.StartedAt, &i.UpdatedAt)
		all = append(all, i)
		return err
	})
	return all, err
}

// BeginCDRImport notes an import: a new one without an ID, else one that goes on, perhaps under another name or from its begin.
func (s *Store) BeginCDRImport(ctx context.Context, i CDRImport) (CDRImport, error) {
	now := s.now().UTC()
	i.Name, i.Actor, i.UpdatedAt = truncate(i.Name, 255), truncate(i.Actor, 80), now
	if i.ID != 0 {
		return i, translate(s.exec(ctx, "UPDATE cdr_imports SET name = ?, head = ?, digest = ?, position = ?, lines_read = ?, warm = ?, recent = ?, actor = ?, updated_at = ? WHERE id = ?",
			i.Name, i.Head, i.Digest, i.Position, i.Lines, i.Warm, i.Recent, i.Actor, stamp(now), i.ID))
	}
	i.StartedAt = now
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		i.ID = s.ids.next()
		err := db.Exec("INSERT INTO cdr_imports ("+cdrImportColumns+") VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?, ?)",
			i.ID, i.Kind, i.Name, i.Zone, i.Head, i.Digest, i.Actor, stamp(now), stamp(now)).Error
		if isDuplicate(err) {
			err = fmt.Errorf("%w: %w", errTakenID, err)
		}
		return err
	})
	return i, translate(err)
}

// importFacts is what the audit log says of an import that has come to its end.
type importFacts struct {
	Kind      string `json:"kind"`
	Zone      string `json:"zone"`
	Read      int64  `json:"read"`
	Added     int64  `json:"added"`
	Malformed int64  `json:"malformed"`
}

// EndCDRImport writes the audit log's line of an import: what it has done since it began to go on from before.
func (s *Store) EndCDRImport(ctx context.Context, before, after CDRImport) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		return s.logIn(db, after.Actor, "cdr.import", after.Name, nil, importFacts{
			after.Kind, after.Zone, after.Read - before.Read, after.Added - before.Added, after.Malformed - before.Malformed,
		})
	}))
}

// CDRBatch collects records that are written in one transaction. It may be filled again once it is written.
type CDRBatch struct {
	rows []cdrImportRow
	text []byte
}

// CDRBatchRows is how many records a batch should have. While one is written on SQLite nobody else can write.
func (s *Store) CDRBatchRows() int {
	if s.dialect.name == sqliteDialect.name {
		return 2000
	}
	return 10_000
}

type cdrImportRow struct {
	start, duration, billSec int64
	id                       int64
	ends                     [len(cdrWidths)]uint32 // of its texts in the batch's text, which follow each other
}

// The texts of a row by their place.
const (
	cdrUniqueID = iota
	cdrCNum
	cdrCNam
	cdrCallerID
	cdrSrc
	cdrDst
	cdrContext
	cdrChannel
	cdrDstChannel
	cdrLastApp
	cdrDisposition
	cdrAccount
)

// cdrWidths are how many characters the columns have.
var cdrWidths = [...]int{ //nolint:gochecknoglobals // a table
	cdrUniqueID: 150, cdrCNum: 80, cdrCNam: 80, cdrCallerID: 80, cdrSrc: 80, cdrDst: 80, cdrContext: 80, cdrChannel: 80, cdrDstChannel: 80,
	cdrLastApp: 80, cdrDisposition: 45, cdrAccount: 80,
}

// Len is how many records it has.
func (b *CDRBatch) Len() int { return len(b.rows) }

// Reset empties it.
func (b *CDRBatch) Reset() { b.rows, b.text = b.rows[:0], b.text[:0] }

// Add copies a record into the batch. What the table has no room for is cut off.
func (b *CDRBatch) Add(r *stats.Record, seen *CDRMemory) {
	begin := len(b.text)
	row := cdrImportRow{start: r.Start, duration: min(r.Duration, math.MaxInt32), billSec: min(r.BillSec, math.MaxInt32)}
	for i, text := range [len(cdrWidths)][]byte{
		r.UniqueID, r.CNum, r.CNam, r.CallerID, r.Src, r.Dst, r.Context, r.Channel, r.DstChannel, r.LastApp, r.Disposition, r.Account,
	} {
		b.text = append(b.text, fitting(text, cdrWidths[i])...)
		row.ends[i] = uint32(len(b.text)) //nolint:gosec // a batch is no 4 GiB
	}
	row.id = seen.id(row, b.text[begin:], begin)
	b.rows = append(b.rows, row)
}

// fitting is a text as its column takes it: UTF-8 of at most so many characters, without blanks at its end, which some databases drop.
func fitting(text []byte, width int) []byte {
	text = bytes.TrimRight(text, " ")
	if len(text) <= width && ascii7(text) {
		return text
	}
	text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	if utf8.RuneCount(text) > width {
		n := 0
		for range width {
			_, size := utf8.DecodeRune(text[n:])
			n += size
		}
		text = bytes.TrimRight(text[:n], " ")
	}
	return text
}

func ascii7(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// CDRMemorySize is of how many records before it an import knows whether one was the same.
const CDRMemorySize = 1000

// CDRMemory gives records their ids. An id is made of what the record says, so that the same record is the same row, wherever and
// however often it is read; of several that say the same, close to each other in one file, each has an id of its own. The zero value
// has seen nothing.
type CDRMemory struct {
	ring  [CDRMemorySize]remembered
	next  int
	count map[uint64]int
	sum   uint64
	buf   []byte
}

type remembered struct {
	key   uint64
	place int64
	used  bool
}

// From is where the oldest record that it knows begins in the file.
func (m *CDRMemory) From() int64 {
	if oldest := m.ring[m.next]; oldest.used {
		return oldest.place
	}
	return m.ring[0].place
}

// At tells where in the file the record begins that comes next.
func (m *CDRMemory) At(place int64) { m.ring[m.next].place = place }

// Sum tells the records that it knows from others.
func (m *CDRMemory) Sum() int64 { return int64(m.sum) } //nolint:gosec // bits

// id makes the id of a row whose texts begin at a place in its batch. CNum and CNam are no part of it: Master.csv does not have them,
// and a record should be the same one from there and from a table.
func (m *CDRMemory) id(row cdrImportRow, text []byte, begin int) int64 {
	b := m.buf[:0]
	b = binary.LittleEndian.AppendUint64(b, uint64(row.start))    //nolint:gosec // bits
	b = binary.LittleEndian.AppendUint32(b, uint32(row.duration)) //nolint:gosec // bits
	b = binary.LittleEndian.AppendUint32(b, uint32(row.billSec))  //nolint:gosec // bits
	last := 0
	for i, end := range row.ends {
		n := int(end) - begin
		if i != cdrCNum && i != cdrCNam {
			b = append(b, text[last:n]...)
			b = append(b, 0)
		}
		last = n
	}
	m.buf = b
	key := firstBits(b)
	if m.count == nil {
		m.count = make(map[uint64]int, CDRMemorySize)
	}
	slot := &m.ring[m.next]
	if slot.used {
		m.sum -= slot.key
		if m.count[slot.key]--; m.count[slot.key] == 0 {
			delete(m.count, slot.key)
		}
	}
	same := m.count[key]
	m.count[key] = same + 1
	slot.key, slot.used = key, true
	m.sum += key
	m.next = (m.next + 1) % CDRMemorySize
	if same > 0 {
		key = firstBits(binary.LittleEndian.AppendUint64(b, uint64(same)))
	}
	return int64(key >> 1)
}

func firstBits(b []byte) uint64 {
	digest := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(digest[:8])
}

// CDRWriter writes imported records.
type CDRWriter struct {
	s     *Store
	users map[string]int64 // by clid
	codes map[string]int64 // by account id
	peers []string         // before the unique ids in CallIDs: addresses of Asterisks, and a slash
	first int64            // start of the first call of ours; 0: there is none

	former map[string]formerName
}

// NewCDRWriter learns who our users are and which Asterisks our calls came from.
func (s *Store) NewCDRWriter(ctx context.Context) (*CDRWriter, error) {
	w := &CDRWriter{s: s, users: map[string]int64{}, codes: map[string]int64{}, former: map[string]formerName{}}
	err := s.each(ctx, "SELECT u.id, COALESCE(u.clid, ''), COALESCE(p.account_id, '') FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.deleted_at IS NULL", nil,
		func(rows *sql.Rows) error {
			var id int64
			var clid, code string
			err := rows.Scan(&id, &clid, &code)
			if clid != "" {
				w.users[clid] = id
			}
			if code != "" {
				w.codes[code] = id
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	if err := s.each(ctx, ofFormerNames, nil, formerNames(w.former)); err != nil {
		return nil, err
	}
	var first sql.NullInt64
	if err := s.read.WithContext(ctx).Raw("SELECT MIN(id) FROM calls").Row().Scan(&first); err != nil {
		return nil, translate(err)
	}
	if first.Valid {
		w.first = idEpoch.Add(time.Duration(first.Int64/idEntries/idSlots) * idStep).Unix()
		err = w.findPeers(ctx)
	}
	return w, err
}

// maxPeers bounds how many Asterisks are asked about; a site has a few.
const maxPeers = 200

// findPeers jumps from the CallIDs of one Asterisk to those of the next. CallIDs without a slash are unique ids that carry the name
// of a system before a hyphen.
func (w *CDRWriter) findPeers(ctx context.Context) error {
	after := ""
	for range maxPeers {
		var next sql.NullString
		if err := w.s.read.WithContext(ctx).Raw("SELECT MIN(call_id) FROM calls WHERE call_id > ?", after).Row().Scan(&next); err != nil {
			return translate(err)
		}
		if !next.Valid {
			return nil
		}
		switch i := strings.LastIndexByte(next.String, '/'); {
		case i >= 0:
			if peer := next.String[:i+1]; peer != byHand+"/" {
				w.peers = append(w.peers, peer)
			}
			after = next.String[:i] + "0" // what comes behind the slash
		default:
			system, _, _ := strings.Cut(next.String, "-")
			after = max(system+".", next.String) // what comes behind the hyphen
		}
	}
	return nil
}

// userOf is whose call it is that began then: whose clid or account id is the account code, else whose clid is the caller's number. By a
// name that somebody else had then it is nobody's.
func (w *CDRWriter) userOf(account, cnum, src string, start int64) int64 {
	had := int64(0) // who had a name then that is nobody's now
	for i, name := range [...]string{account, cnum, src} {
		id := w.users[name]
		if id == 0 && i == 0 {
			id = w.codes[name]
		}
		holder := id
		if f := w.former[name]; start < f.until {
			if f.user == 0 || id != 0 && id != f.user {
				return 0
			}
			holder = f.user
		}
		switch {
		case holder == 0:
			continue
		case had != 0 && had != holder:
			return 0
		case id != 0:
			return id
		}
		had = holder
	}
	return 0
}

// calleeOf is whose clid a number was then that was called.
func (w *CDRWriter) calleeOf(dst string, start int64) int64 {
	id := w.users[dst]
	if f := w.former[dst]; start < f.until && id != f.user {
		return 0
	}
	return id
}

// texts are those of a row of a batch.
func (b *CDRBatch) texts(all string, i int) (texts [len(cdrWidths)]string) {
	begin := uint32(0)
	if i > 0 {
		begin = b.rows[i-1].ends[len(cdrWidths)-1]
	}
	for n, end := range b.rows[i].ends {
		texts[n] = all[begin:end]
		begin = end
	}
	return texts
}

// days are those on which records of the batch began, one after the other.
func (b *CDRBatch) days(l *time.Location) (days []stats.Day) {
	clock := stats.NewClock(l)
	for _, row := range b.rows {
		if day := stats.DayOf(clock.Wall(row.start)); len(days) == 0 || days[len(days)-1] != day {
			days = append(days, day)
		}
	}
	return days
}

// Write adds the records of a batch that are not there yet, and notes how far the import is, both or neither. to says how far it is
// with them; of i it changes the position and the counts. ErrImported when somebody else has written to this import since.
func (w *CDRWriter) Write(ctx context.Context, b *CDRBatch, i *CDRImport, to CDRPosition) error {
	all := string(b.text)
	ours, err := w.ours(ctx, b, all)
	if err != nil {
		return err
	}
	s := w.s
	done := *i
	err = w.retrying(ctx, func(db *gorm.DB, again bool) error {
		var position CDRPosition
		row := db.Raw("SELECT position, lines_read, warm, recent, read_rows, malformed FROM cdr_imports WHERE id = ?"+s.dialect.forUpdate, i.ID).Row()
		if err := row.Scan(&position.Position, &position.Lines, &position.Warm, &position.Recent, &position.Read, &position.Malformed); err != nil {
			return err
		}
		if again && position == to {
			return nil // what we were not told of had come to pass
		}
		if position != i.CDRPosition {
			return ErrImported
		}
		added, oursAdded, err := w.insert(ctx, db, b, all, ours)
		if err != nil {
			return err
		}
		if added > 0 {
			if err := s.recountOwn(db, b.days(s.location)); err != nil {
				return err
			}
		}
		done = *i
		done.CDRPosition, done.Added, done.Ours, done.UpdatedAt = to, i.Added+added, i.Ours+oursAdded, s.now().UTC()
		return db.Exec("UPDATE cdr_imports SET position = ?, lines_read = ?, warm = ?, recent = ?, read_rows = ?, malformed = ?, added = ?, ours = ?, updated_at = ? WHERE id = ?",
			to.Position, to.Lines, to.Warm, to.Recent, to.Read, to.Malformed, done.Added, done.Ours, stamp(done.UpdatedAt), i.ID).Error
	})
	if err != nil {
		return err
	}
	*i = done
	if s.dialect.name == sqliteDialect.name {
		return pause(ctx, time.Duration(b.Len())*turn)
	}
	return nil
}

// turn is how long after each row that was written to SQLite we let others write, for they may be calls: a third of the time it took.
const turn = 8 * time.Microsecond

// retrying does a transaction, again when another one was in its way or when nobody can tell whether it was committed.
func (w *CDRWriter) retrying(ctx context.Context, do func(db *gorm.DB, again bool) error) error {
	for try := 0; ; try++ {
		err := w.s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error { return do(db, try > 0) })
		if err == nil || try == maxTries || ctx.Err() != nil || !isTransient(err) && !isLocked(err) {
			return translate(err)
		}
		if err := pause(ctx, time.Duration(try+1)*50*time.Millisecond); err != nil {
			return err
		}
	}
}

const cdrRecordColumns = "started_at, id, user_id, callee_id, ours, duration, billsec, " +
	"unique_id, cnum, cnam, caller_id, src, dst, context, channel, dst_channel, last_app, disposition, account"

// insert writes the rows. It says how many were new, and of them of calls of ours.
func (w *CDRWriter) insert(ctx context.Context, db *gorm.DB, b *CDRBatch, all string, ours []bool) (added, oursAdded int64, err error) {
	const width = 19
	s := w.s
	some := max(s.dialect.maxParams/width, 1)
	statement := func(rows int) string {
		return s.dialect.insertIgnore + " INTO cdr_records (" + cdrRecordColumns + ") VALUES " + strings.TrimSuffix(strings.Repeat("("+marks(width)+"),", rows), ",")
	}
	whole, err := db.Statement.ConnPool.PrepareContext(ctx, statement(some))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = whole.Close() }()
	args := make([]any, 0, some*width)
	var date startText
	for _, part := range [...]bool{false, true} { // those of calls of ours apart, to count them
		exec := func() error {
			var done sql.Result
			var err error
			if len(args) == some*width {
				done, err = whole.ExecContext(ctx, args...)
			} else {
				done, err = db.Statement.ConnPool.ExecContext(ctx, statement(len(args)/width), args...)
			}
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if added += n; part {
				oursAdded += n
			}
			args = args[:0]
			return err
		}
		for i, row := range b.rows {
			if ours[i] != part {
				continue
			}
			t := b.texts(all, i)
			args = append(args, date.of(row.start), row.id, w.userOf(t[cdrAccount], t[cdrCNum], t[cdrSrc], row.start), w.calleeOf(t[cdrDst], row.start), part, row.duration, row.billSec)
			for _, text := range t {
				args = append(args, text)
			}
			if len(args) == some*width {
				if err := exec(); err != nil {
					return 0, 0, err
				}
			}
		}
		if len(args) > 0 {
			if err := exec(); err != nil {
				return 0, 0, err
			}
		}
	}
	return added, oursAdded, nil
}

// startText writes times of the column started_at, of which those side by side are often the same.
type startText struct {
	unix int64
	text string
}

func (d *startText) of(unix int64) string {
	if d.text == "" || unix != d.unix {
		d.unix, d.text = unix, time.Unix(unix, 0).UTC().Format(time.DateTime)
	}
	return d.text
}

// ours says which rows are of calls that stand in calls: those with the unique id of one that was permitted within a day.
func (w *CDRWriter) ours(ctx context.Context, b *CDRBatch, all string) ([]bool, error) {
	ours := make([]bool, len(b.rows))
	if w.first == 0 {
		return ours, nil
	}
	const day = 24 * 60 * 60
	rows := map[string][]int{}
	var wanted []string
	for i, row := range b.rows {
		id := b.texts(all, i)[cdrUniqueID]
		if id == "" || row.start < w.first-day || len(id) > 100 || !ascii7([]byte(id)) {
			continue
		}
		if len(rows[id]) == 0 {
			if strings.Contains(id, "-") {
				wanted = append(wanted, id)
			} else {
				for _, peer := range w.peers {
					wanted = append(wanted, peer+id)
				}
			}
		}
		rows[id] = append(rows[id], i)
	}
	err := eachOf(ctx, w.s, "SELECT call_id, authorized_at FROM calls WHERE call_id IN (%s) AND state <> 'emergency'", wanted, func(found *sql.Rows) error {
		var callID string
		var at time.Time
		if err := found.Scan(&callID, &at); err != nil {
			return err
		}
		for _, i := range rows[billing.UniqueID(callID)] {
			if apart := at.Unix() - b.rows[i].start; apart >= -day && apart <= day {
				ours[i] = true
			}
		}
		return nil
	})
	return ours, err
}
