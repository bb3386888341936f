package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"talktime/billing"
	"talktime/models"
)

// CDRConfig says where an Asterisk writes its call records.
type CDRConfig struct {
	Label    string // DB1
	Addr     string
	User     string
	Password string
	Name     string
	Location *time.Location // of the naive timestamps in it

	Now func() time.Time // nil = time.Now
}

// CDR is a foreign CDR database, which we only read.
type CDR struct {
	config CDRConfig
	pool   *sql.DB
}

const cdrTimeout = 10 * time.Second

// OpenCDR prepares a CDR database for use; it need not be reachable yet.
func OpenCDR(c CDRConfig) (*CDR, error) {
	if c.Location == nil {
		c.Location = time.UTC
	}
	connector, err := c.connector(connectTimeout, cdrTimeout, func(config *mysqldriver.Config) { config.ParseTime, config.Loc = true, c.Location })
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(2)
	pool.SetConnMaxLifetime(connectionLife)
	return &CDR{config: c, pool: pool}, nil
}

// connector makes connections within a time, whose single steps may take another one.
func (c CDRConfig) connector(connect, step time.Duration, more ...func(*mysqldriver.Config)) (driver.Connector, error) {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", c.Addr, c.User, c.Password, c.Name
	config.InterpolateParams = true
	config.Timeout, config.ReadTimeout, config.WriteTimeout = connect, step, step
	config.Logger = mysqldriver.Logger(quiet{})
	for _, set := range more {
		set(config)
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("CDR database %s: %w", c.Label, err)
	}
	return connector, nil
}

// Close ends all connections.
func (c *CDR) Close() error { return c.pool.Close() }

// Name implements billing.CDRSource.
func (c *CDR) Name() string { return c.config.Label }

// Ping asks whether the table can be read.
func (c *CDR) Ping(ctx context.Context) error {
	var id string
	err := c.pool.QueryRowContext(ctx, "SELECT uniqueid FROM cdr LIMIT 1").Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("CDR database %s: %w", c.config.Label, err)
	}
	return nil
}

// cdrRow is what a record says that matters for a charge.
type cdrRow struct {
	start       time.Time
	src, clid   string
	lastapp     string
	disposition string
	duration    int64
	billsec     int64
}

// answered is when the talk began; when the ringing ended, where nobody answered.
func (r cdrRow) answered() time.Time {
	return r.start.Add(time.Duration(r.duration-r.billsec) * time.Second)
}

// before reports whether the row is of an earlier call of a channel than one authorised at that time. The row may
// begin earlier than the call, with what the dialplan did since the one before; it has whole seconds, cut off.
func (r cdrRow) before(authorized time.Time) bool {
	end := r.start.Add(time.Duration(r.duration) * time.Second)
	return r.start.Before(authorized.Add(-time.Second)) && !end.After(authorized)
}

// Evidence implements billing.CDRSource.
func (c *CDR) Evidence(ctx context.Context, calls []models.Call, next map[string]time.Time) (map[string]models.Evidence, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	ids := make([]any, len(calls))
	first, last := calls[0].Authorized, calls[0].Authorized
	for i, call := range calls {
		ids[i] = billing.UniqueID(call.CallID)
		if call.Authorized.Before(first) {
			first = call.Authorized
		}
		if call.Authorized.After(last) {
			last = call.Authorized
		}
	}
	day := 24 * time.Hour
	// The table is somebody else's: its columns may be NULL, and its seconds may have a fraction.
	//nolint:gosec // what is put together is our own text and question marks
	query := "SELECT uniqueid, calldate, COALESCE(src, ''), COALESCE(clid, ''), COALESCE(lastapp, ''), COALESCE(disposition, '')," +
		" CAST(FLOOR(COALESCE(duration, 0)) AS SIGNED), CAST(FLOOR(COALESCE(billsec, 0)) AS SIGNED)" +
		" FROM cdr WHERE uniqueid IN (" + marks(len(ids)) + ") AND calldate BETWEEN ? AND ?"
	rows, err := c.pool.QueryContext(ctx, query, append(ids, first.Add(-day), last.Add(day))...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	byID := make(map[string][]cdrRow)
	for rows.Next() {
		var id string
		var r cdrRow
		if err := rows.Scan(&id, &r.start, &r.src, &r.clid, &r.lastapp, &r.disposition, &r.duration, &r.billsec); err != nil {
			return nil, err
		}
		byID[id] = append(byID[id], r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	found := make(map[string]models.Evidence)
	for _, call := range calls {
		if e, ok := evidenceOf(call, next[call.CallID], byID[billing.UniqueID(call.CallID)]); ok {
			found[call.CallID] = e
		}
	}
	return found, nil
}

// evidenceOf judges the rows of one channel. Only rows of Dial count: the h extension, a prompt or a queue leave
// rows of their own. Asterisk writes them when the channel has ended, so that any row of the call proves that.
func evidenceOf(call models.Call, next time.Time, rows []cdrRow) (models.Evidence, bool) {
	caller := call.CallerID
	if strings.EqualFold(caller, "unknown") {
		caller = "" // what AGI calls unknown is empty in a record
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r cdrRow) bool {
		ours := r.src == caller || strings.Contains(r.clid, "<"+caller+">")
		early := call.CallID != billing.ChannelOf(call.CallID) && r.before(call.Authorized)
		late := !next.IsZero() && !r.answered().Before(next.Truncate(time.Second)) // of the next call; rows have whole seconds
		return !ours || early || late || !strings.EqualFold(r.lastapp, "Dial") || r.start.Sub(call.Authorized).Abs() > 24*time.Hour
	})
	if len(rows) == 0 {
		return models.Evidence{}, false
	}
	e := models.Evidence{Source: billing.SourceCDR, Over: true, Leg: len(call.Legs)}
	slices.SortStableFunc(rows, func(a, b cdrRow) int { return a.answered().Compare(b.answered()) })
	var talked int64
	var until time.Time
	answered := false
	for _, r := range rows {
		if !strings.EqualFold(r.disposition, "ANSWERED") {
			e.DialStatus = dialStatus(r.disposition)
			continue
		}
		answered = true
		// Rows of a parallel dial may cover the same time: count it once.
		from, to := r.answered(), r.start.Add(time.Duration(r.duration)*time.Second)
		if from.Before(until) {
			from = until
		}
		if to.After(from) {
			talked += int64(to.Sub(from) / time.Second)
			until = to
		}
	}
	if answered {
		e.DialStatus, e.BillSec = "ANSWER", &talked
	}
	return e, true
}

// dialStatus gives a CDR's disposition in the words of Dial.
func dialStatus(disposition string) string {
	switch strings.ToUpper(disposition) {
	case "BUSY":
		return "BUSY"
	case "NO ANSWER":
		return "NOANSWER"
	case "CONGESTION":
		return "CONGESTION"
	}
	return "CHANUNAVAIL"
}
