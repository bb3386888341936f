package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"talktime/stats"
)

// CDRStatistics is a foreign CDR database as a source of statistics. It has connections of its own, beside those of the reconciler,
// and only reads. It is safe for use by many goroutines.
type CDRStatistics struct {
	config CDRConfig
	pool   *sql.DB
	logger *slog.Logger

	mu     sync.Mutex
	table  cdrTable
	looked time.Time // when the table was; zero: anew the next time
	warned bool

	refused   string // index that the server did not let us name, although it is there
	refusedAt time.Time
}

var (
	_ stats.Dated           = (*CDRStatistics)(nil)
	_ stats.DirectorySource = (*CDRStatistics)(nil)
)

// Time limits towards a CDR database, and how many statistics ask it at once. A scan has the time of its context, else scanTime.
const (
	cdrConnectTime = 5 * time.Second
	cdrReadTime    = 30 * time.Second
	scanTime       = 10 * time.Minute
	maxScans       = 8           // 4 reports and 4 lists
	tableTime      = time.Minute // for which we believe to know the table
	refusedTime    = time.Hour   // for which we do not name an index again that was refused
)

// reading prepares connections that only read, and gives the config what it lacks.
func (c *CDRConfig) reading(connections int) (*sql.DB, error) {
	if c.Location == nil {
		c.Location = time.UTC
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	connector, err := c.connector(cdrConnectTime, cdrReadTime)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(readers{connector})
	limitPool(pool, connections)
	pool.SetConnMaxLifetime(connectionLife)
	return pool, nil
}

// OpenCDRStatistics prepares a CDR database for statistics, whose Label is the name of the source; it need not be reachable yet.
func OpenCDRStatistics(c CDRConfig, logger *slog.Logger) (*CDRStatistics, error) {
	pool, err := c.reading(maxScans)
	if err != nil {
		return nil, err
	}
	return &CDRStatistics{config: c, pool: pool, logger: logger}, nil
}

// Close ends all connections.
func (c *CDRStatistics) Close() error { return c.pool.Close() }

// Name implements stats.Source.
func (c *CDRStatistics) Name() string { return c.config.Label }

// readers makes connections within cdrConnectTime, on which nothing can be written.
type readers struct{ driver.Connector }

// connectError says that there was no connection.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

func (r readers) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cdrConnectTime)
	defer cancel()
	conn, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, connectError{err}
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY", nil); err != nil {
		_ = conn.Close()
		return nil, connectError{err}
	}
	return conn, nil
}

// cdrTable is what matters to us of somebody else's table.
type cdrTable struct {
	columns map[string]bool // by lower-case names
	index   string          // that begins with calldate; empty: none does
	locks   bool            // whoever reads it keeps Asterisk from writing
}

func (t cdrTable) has(column string) bool { return t.columns[column] }

// describe looks the table up, unless it has done so a moment ago.
func (c *CDRStatistics) describe(ctx context.Context) (cdrTable, error) {
	c.mu.Lock()
	t, looked := c.table, c.looked
	c.mu.Unlock()
	if c.config.Now().Sub(looked) < tableTime {
		return t, nil
	}
	t = cdrTable{columns: map[string]bool{}}
	text := func(v driver.Value) string { return string(valueText(v, new([]byte))) }
	err := c.stream(ctx, "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'cdr'", nil,
		func(v []driver.Value) error {
			t.columns[strings.ToLower(text(v[0]))] = true
			return nil
		})
	if err != nil {
		return t, err
	}
	if len(t.columns) == 0 {
		return t, c.failure("there is no table cdr, or we may not read it", nil)
	}
	for _, name := range []string{"calldate", "dst", "disposition", "duration", "billsec", "lastapp", "uniqueid"} {
		if !t.has(name) {
			return t, c.failure("the table cdr has no column "+name, nil)
		}
	}
	if !t.has("cnum") && !t.has("src") {
		return t, c.failure("the table cdr has neither a column cnum nor src", nil)
	}
	if t.index, err = c.findIndex(ctx); err != nil {
		return t, err
	}
	err = c.stream(ctx, "SELECT COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'cdr'", nil,
		func(v []driver.Value) error {
			t.locks = slices.Contains([]string{"myisam", "aria", "memory", "csv"}, strings.ToLower(text(v[0])))
			return nil
		})
	if err != nil {
		return t, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.index == "" && !c.warned && c.logger != nil {
		c.warned = true
		c.logger.WarnContext(ctx, "the CDR table has no index that begins with calldate, so that every report reads all of it",
			"source", c.Name(), "advice", "CREATE INDEX calldate ON cdr (calldate)")
	}
	c.table, c.looked = t, c.config.Now()
	return t, nil
}

// findIndex finds the index that begins with calldate and that the server may use: it names none that is invisible (MySQL) or ignored
// (MariaDB). Empty: there is none.
func (c *CDRStatistics) findIndex(ctx context.Context) (index string, err error) {
	visible := ""
	err = c.stream(ctx, "SELECT UPPER(column_name) FROM information_schema.columns WHERE table_schema = 'information_schema' AND table_name = 'STATISTICS'"+
		" AND column_name IN ('IS_VISIBLE', 'IGNORED')", nil, func(v []driver.Value) error {
		visible += map[string]string{"IS_VISIBLE": " AND is_visible = 'YES'", "IGNORED": " AND ignored = 'NO'"}[string(valueText(v[0], new([]byte)))]
		return nil
	})
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	refused := c.refused
	if c.config.Now().Sub(c.refusedAt) >= refusedTime {
		refused = ""
	}
	c.mu.Unlock()
	err = c.stream(ctx, "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'cdr'"+
		" AND column_name = 'calldate' AND seq_in_index = 1 AND index_type = 'BTREE'"+visible+" ORDER BY index_name DESC", nil,
		func(v []driver.Value) error {
			if name := string(valueText(v[0], new([]byte))); name != refused {
				index = name
			}
			return nil
		})
	return index, err
}

// hinted does something with the table, and once more without its index when the server does not let us name that.
func (c *CDRStatistics) hinted(t cdrTable, do func(cdrTable) error) error {
	err := do(t)
	var said *stats.SourceError
	if my, _ := code(err); my != unknownKey || t.index == "" || !errors.As(err, &said) || said.Name != c.Name() {
		return err
	}
	c.mu.Lock()
	c.refused, c.refusedAt = t.index, c.config.Now()
	c.mu.Unlock()
	t.index = ""
	return do(t)
}

// Slow reports whether Days reads the whole table each time, as far as the table is known.
func (c *CDRStatistics) Slow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table.columns != nil && c.table.index == ""
}

// unknownKey is the error of a server that does not know an index, or must not use it.
const unknownKey = 1176

// forget has the table looked up anew: it may have changed.
func (c *CDRStatistics) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Time{}
}

// stream runs a SELECT that may take as long as ctx lets it, and hands over each row. Its errors are those of a source, and
// those of the function as they are.
func (c *CDRStatistics) stream(ctx context.Context, query string, args []any, row func([]driver.Value) error) error {
	err := stream(ctx, c.pool, timedSelect(query, timeFor(ctx)), args, row)
	return c.failed(ctx, err)
}

// timeFor is how long a SELECT may take.
func timeFor(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), time.Millisecond) // to a server 0 is for ever
	}
	return scanTime
}

// timedSelect makes a server itself give up a SELECT after a time: it does not notice when we do. MariaDB knows the first form, MySQL
// the second; each, and a MariaDB that is too old for it, takes the other for a comment.
func timedSelect(query string, limit time.Duration) string {
	return fmt.Sprintf("/*M!100101 SET STATEMENT max_statement_time=%.3f FOR */ SELECT /*+ MAX_EXECUTION_TIME(%d) */",
		limit.Seconds(), limit.Milliseconds()) + strings.TrimPrefix(query, "SELECT")
}

// failure is an error of this source in words of ours.
func (c *CDRStatistics) failure(reason string, err error) *stats.SourceError {
	return &stats.SourceError{Name: c.Name(), Addr: c.config.Addr, Reason: reason, Err: err}
}

// failed says in words of ours why the database could not be read. What the function of a stream returned, and what is said already,
// it leaves.
func (c *CDRStatistics) failed(ctx context.Context, err error) error {
	var said *stats.SourceError
	var stopped stopError
	var connecting connectError
	switch {
	case err == nil, errors.As(err, &said):
		return err
	case errors.As(err, &stopped):
		return stopped.error
	case errors.Is(context.Cause(ctx), context.Canceled):
		return context.Cause(ctx)
	}
	if my, _ := code(err); my != 0 {
		c.forget()
	}
	failure := c.failure(sourceReason(err), err)
	failure.Connect = errors.As(err, &connecting)
	return failure
}

// sourceReason says in words of ours why a database could not be read.
func sourceReason(err error) string {
	const (
		tooManyOfUser, noHost, blockedHost, tooMuch = 1203, 1130, 1129, 1226
		unknownColumn, interrupted, kill            = 1054, 1317, 1927
	)
	var connecting connectError
	var network net.Error
	var name *net.DNSError
	switch my, lite := code(err); {
	case my == myAccess:
		return "access denied"
	case my == myDenied, my == myUnknownDB:
		return "there is no such schema, or we may not use it"
	case my == noHost, my == blockedHost:
		return "it lets nobody in from here"
	case my == myTooMany, my == tooManyOfUser, my == tooMuch:
		return "it has too many connections"
	case my == myNoTable:
		return "a table is missing"
	case my == myTableDenied, my == myColumnDenied:
		return "we may not read its tables"
	case my == unknownColumn, my == unknownKey:
		return "its tables have changed a moment ago; try again"
	case my == myShutdown, my == interrupted, my == kill:
		return "it broke the query off"
	case my != 0 && !isTimeout(err):
		return "it refused the query"
	case errors.As(err, &name):
		return "nobody knows its name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.As(err, &connecting) && errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout() && !errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	case isTimeout(err):
		return "it took too long"
	case errors.As(err, &connecting):
		return "it cannot be reached"
	case isLost(err):
		return "the connection broke"
	case lite != 0:
		return "the database file cannot be read"
	}
	return "it cannot be read"
}

// recordColumn is where a text of a record comes from. What the table does not have is empty, unless something can stand for it.
type recordColumn struct {
	field stats.Fields
	name  string
	into  func(*stats.Record) *[]byte
}

func recordColumns() []recordColumn {
	return []recordColumn{
		{stats.FieldUniqueID, "uniqueid", func(r *stats.Record) *[]byte { return &r.UniqueID }},
		{stats.FieldCNum, "cnum", func(r *stats.Record) *[]byte { return &r.CNum }},
		{stats.FieldCNam, "cnam", func(r *stats.Record) *[]byte { return &r.CNam }},
		{stats.FieldCallerID, "clid", func(r *stats.Record) *[]byte { return &r.CallerID }},
		{stats.FieldSrc, "src", func(r *stats.Record) *[]byte { return &r.Src }},
		{stats.FieldDst, "dst", func(r *stats.Record) *[]byte { return &r.Dst }},
		{stats.FieldContext, "dcontext", func(r *stats.Record) *[]byte { return &r.Context }},
		{stats.FieldChannel, "channel", func(r *stats.Record) *[]byte { return &r.Channel }},
		{stats.FieldDstChannel, "dstchannel", func(r *stats.Record) *[]byte { return &r.DstChannel }},
		{stats.FieldLastApp, "lastapp", func(r *stats.Record) *[]byte { return &r.LastApp }},
		{stats.FieldDisposition, "disposition", func(r *stats.Record) *[]byte { return &r.Disposition }},
		{stats.FieldAccount, "accountcode", func(r *stats.Record) *[]byte { return &r.Account }},
	}
}

// maxNames is how many names of an account the database compares. With more it sends everything, and we do.
const maxNames = 200

// Each implements stats.Source. Records whose calldate cannot be read are left out: nobody could say when they were.
func (c *CDRStatistics) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	mine := newOwner(scan.Account)
	if scan.Account != nil && mine.none() {
		return nil
	}
	t, err := c.describe(ctx)
	if err != nil {
		return err
	}
	if scan.Account != nil {
		scan.Fields |= stats.FieldAccount | stats.FieldCNum | stats.FieldSrc
	}
	names := []string{"calldate", "duration", "billsec"}
	var r stats.Record
	var into []*[]byte
	for _, column := range recordColumns() {
		name := column.name
		if name == "cnum" && !t.has("cnum") {
			name = "src"
		}
		if scan.Fields&column.field != 0 && t.has(name) {
			names, into = append(names, name), append(into, column.into(&r))
		}
	}
	first, end := scanSeconds(scan)
	clock := stats.NewClock(c.config.Location)
	var date dateReader
	scratch := make([][]byte, len(into)+1)
	read := func(v []driver.Value) error {
		wall, ok := date.read(valueText(v[0], &scratch[len(into)]))
		if !ok {
			return nil
		}
		if r.Wall, r.Start = wall, clock.Unix(wall); r.Start < first || r.Start >= end {
			return nil
		}
		r.Duration, r.BillSec = secondsOf(v[1]), secondsOf(v[2])
		for i, text := range into {
			*text = valueText(v[3+i], &scratch[i])
		}
		if scan.Account != nil {
			if his, err := mine.owns(ctx, &r); !his || err != nil {
				return err
			}
		}
		return each(&r)
	}
	return c.hinted(t, func(t cdrTable) error {
		query, args := t.query(names, scan, c.config.Location)
		return c.stream(ctx, query, args, read)
	})
}

// scanSeconds are the first second of a scan and the one behind its last.
func scanSeconds(scan stats.Scan) (first, end int64) {
	up := func(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }
	return up(scan.From), up(scan.To)
}

// query selects columns of the records of a scan, and perhaps some more: what counts is decided here alone, so that nothing depends on
// how a database compares.
func (t cdrTable) query(columns []string, scan stats.Scan, zone *time.Location) (query string, args []any) {
	var b strings.Builder
	b.WriteString("SELECT ")
	if t.locks {
		b.WriteString("SQL_BUFFER_RESULT ") // and so does not keep Asterisk waiting while somebody reads it
	}
	b.WriteString(strings.Join(columns, ", ") + t.from())
	first, end := scanSeconds(scan)
	low, high := wallBounds(first, end, zone)
	args = append(args, low, high)
	if condition := t.selection(scan.Select); condition != "" {
		b.WriteString(" AND " + condition)
	}
	b.WriteString(t.noWarnings())
	if names := newOwner(scan.Account).names(); scan.Account != nil && len(names) <= maxNames {
		var matches []string
		for _, column := range []string{"accountcode", "cnum", "src"} {
			if t.has(column) {
				matches = append(matches, column+" IN ("+marks(len(names))+")")
				args = append(args, anys(names)...)
			}
		}
		b.WriteString(" AND (" + strings.Join(matches, " OR ") + ")")
	}
	b.WriteString(" ORDER BY calldate")
	return b.String(), args
}

// from leads a server along the index of dates: of a month among twelve it would read the whole table, which takes four times as long.
func (t cdrTable) from() string {
	hint := ""
	if t.index != "" {
		hint = " FORCE INDEX (`" + strings.ReplaceAll(t.index, "`", "``") + "`)"
	}
	return " FROM cdr" + hint + " WHERE calldate >= ? AND calldate < ?"
}

// selection leaves out what nobody counts. Words are those of Asterisk, in its capitals: who counts looks for exactly these. So what
// must be there may be looked for as the database likes to compare, which finds them and perhaps more, as it did for the original; what
// must not be there is left out only when it is exactly that.
func (t cdrTable) selection(s stats.Selection) string {
	// A regular expression alone would take four digits and a line feed for four digits.
	const outside = "(dst IS NULL OR LENGTH(dst) <> 4 OR dst NOT REGEXP '^[0-9]{4}$')"
	switch s {
	case stats.Dialled:
		return "lastapp IN ('Dial', 'Busy', 'Congestion') AND (disposition IS NULL OR BINARY disposition <> 'FAILED') AND " + outside
	case stats.Seizures:
		return "lastapp = 'Dial' AND " + outside
	case stats.Connected:
		return "(dst IS NULL OR BINARY dst <> 'h')"
	case stats.Everything:
	}
	return ""
}

// noWarnings leaves out the records of stats.Record.Warning, as exactly. How the database likes to compare is asked first: it costs half as much.
func (t cdrTable) noWarnings() (conditions string) {
	const context, channels = "'" + stats.WarningContext + "'", "'Local/%@" + stats.WarningContext + "-%'"
	if t.has("dcontext") {
		conditions = " AND (dcontext <> " + context + " OR dcontext IS NULL OR BINARY dcontext <> " + context + ")"
	}
	if t.has("channel") {
		conditions += " AND (channel NOT LIKE 'Local/%' OR channel IS NULL OR BINARY channel NOT LIKE " + channels + ")"
	}
	return conditions
}

// wallBounds are times on the wall between which all moments are that lie between two, in the words of the database. Around a change
// of the clock there are others between them too.
func wallBounds(first, end int64, zone *time.Location) (low, high string) {
	const day = 24 * 60 * 60
	earliest, latest := time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	first, end = min(max(first, earliest+2*day), latest-2*day), min(max(end, earliest+2*day), latest-2*day)
	text := func(wall int64) string { return time.Unix(wall, 0).UTC().Format(time.DateTime) }
	offset := func(unix int64) int64 { return stats.WallOf(time.Unix(unix, 0).In(zone)) - unix }
	return text(first + min(offset(first-day), offset(first), offset(first+day))),
		text(end + max(offset(end-day), offset(end), offset(end+day)))
}

// Days implements stats.Dated by the number of records of each day: that is what an index of dates knows.
func (c *CDRStatistics) Days(ctx context.Context, from, to stats.Day) (map[stats.Day]string, error) {
	t, err := c.describe(ctx)
	if err != nil {
		return nil, err
	}
	days := make(map[stats.Day]string)
	return days, c.hinted(t, func(t cdrTable) error { return c.countDays(ctx, t, from, to, days) })
}

func (c *CDRStatistics) countDays(ctx context.Context, t cdrTable, from, to stats.Day, days map[stats.Day]string) error {
	step := stats.Day(scanDays)
	if t.index == "" {
		step = max(to-from, 1) // each statement reads the whole table
	}
	for ; from < to; from += step {
		err := c.stream(ctx, "SELECT TO_DAYS(calldate) - TO_DAYS('1970-01-01'), COUNT(*)"+t.from()+" GROUP BY 1",
			[]any{from.String(), min(from+step, to).String()}, func(v []driver.Value) error {
				if day, ok := v[0].(int64); ok {
					days[stats.Day(day)] = string(valueText(v[1], new([]byte))) //nolint:gosec // a day of a date
				}
				return nil
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanDays is of how many days one statement counts the records.
const scanDays = 92

// Directory implements stats.DirectorySource: names of extensions as FreePBX keeps them. Where there is no such table, or we may not
// read it, there are none.
func (c *CDRStatistics) Directory(ctx context.Context) (map[string]string, error) {
	names := make(map[string]string)
	err := c.stream(ctx, "SELECT id, data FROM asterisk.sip WHERE keyword = 'callerid' LIMIT 100000", nil, func(v []driver.Value) error {
		id := string(bytes.TrimSpace(valueText(v[0], new([]byte))))
		names[id] = callerName(string(valueText(v[1], new([]byte))))
		return nil
	})
	if isAbsent(err) {
		return nil, nil
	}
	return names, err
}

// callerName is the name in a caller id of the form "Name" <number>; of several only the last.
func callerName(callerID string) string {
	name, _, _ := strings.Cut(callerID, "<")
	if i := strings.LastIndexByte(name, ','); i >= 0 {
		name = name[i+1:]
	}
	return strings.TrimSpace(strings.ReplaceAll(name, `"`, ""))
}

// isAbsent reports whether a table, its schema or a column is missing, or hidden from us.
func isAbsent(err error) bool {
	const unknownColumn = 1054
	my, _ := code(err)
	return slices.Contains([]int{myNoTable, myTableDenied, myColumnDenied, myDenied, myUnknownDB, unknownColumn}, my)
}

// owner tells the records of an account from others, exactly: a database may take an a for an ä.
type owner struct {
	since  map[string]int64                                      // by name: when it came to the account, in Unix seconds
	others func(ctx context.Context, name string) (int64, error) // of stats.Account
	known  map[string]int64                                      // what it said
}

// maxKnown bounds how many names of others are kept in mind.
const maxKnown = 100_000

func newOwner(a *stats.Account) owner {
	o := owner{since: map[string]int64{}, known: map[string]int64{}}
	if a == nil {
		return o
	}
	for _, name := range a.Names {
		if name != "" {
			o.since[name] = a.Since[name]
		}
	}
	o.others = a.Others
	return o
}

func (o owner) none() bool { return len(o.since) == 0 }

func (o owner) names() []string { return slices.Sorted(maps.Keys(o.since)) }

// owns says whether a row is the account's. The first of its names that is anybody's of ours decides alone, so that no row is of two.
func (o owner) owns(ctx context.Context, r *stats.Record) (bool, error) {
	names := [...][]byte{r.Account, r.CNum, r.Src}
	for i, name := range names {
		since, his := o.since[string(name)]
		if !his {
			continue
		}
		for _, before := range names[:i] {
			if theirs, err := o.theirs(ctx, before, r.Start); theirs || err != nil {
				return false, err
			}
		}
		return r.Start >= since, nil
	}
	return false, nil
}

// theirs says whether a row that began then is by a name somebody else's of ours.
func (o owner) theirs(ctx context.Context, name []byte, start int64) (bool, error) {
	if len(name) == 0 || o.others == nil {
		return false, nil
	}
	until, known := o.known[string(name)]
	if !known {
		var err error
		if until, err = o.others(ctx, string(name)); err != nil {
			return false, err
		}
		if len(o.known) >= maxKnown {
			clear(o.known)
		}
		o.known[string(name)] = until
	}
	return start < until, nil
}
