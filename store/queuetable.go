package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"talktime/queues/feed"
)

// QueueTable reads the table queue_log that an Asterisk writes in a foreign database. It only reads. It is safe for use by many
// goroutines.
type QueueTable struct {
	config CDRConfig
	pool   *sql.DB

	mu     sync.Mutex
	form   queueTableForm
	looked time.Time // when the table was; zero: anew the next time
}

// queueTableTime is how long a query of the table may take.
const queueTableTime = 20 * time.Second

// queueTableForm is what the table looks like.
type queueTableForm struct {
	numbered bool   // it has ids
	epoch    bool   // its times are seconds since 1970
	columns  string // for a SELECT
	params   int    // how many columns of them are parameters
}

// OpenQueueTable prepares the database for use; it need not be reachable yet.
func OpenQueueTable(c CDRConfig) (*QueueTable, error) {
	pool, err := c.reading(1)
	if err != nil {
		return nil, err
	}
	return &QueueTable{config: c, pool: pool}, nil
}

// Close ends all connections.
func (q *QueueTable) Close() error { return q.pool.Close() }

// Name implements feed.Table.
func (q *QueueTable) Name() string { return q.config.Addr + "/" + q.config.Name + ".queue_log" }

// Numbered implements feed.Table.
func (q *QueueTable) Numbered(ctx context.Context) (bool, error) {
	form, err := q.describe(ctx)
	return form.numbered, err
}

// Last implements feed.Table.
func (q *QueueTable) Last(ctx context.Context) (last int64, err error) {
	err = q.stream(ctx, "SELECT CAST(COALESCE(MAX(id), 0) AS SIGNED) FROM queue_log", nil, func(v []driver.Value) error {
		last = wholeOf(v[0])
		return nil
	})
	return last, err
}

// Rows implements feed.Table.
func (q *QueueTable) Rows(ctx context.Context, after int64, most int) ([]feed.Row, error) {
	form, err := q.describe(ctx)
	if err != nil {
		return nil, err
	}
	query, from := "SELECT "+form.columns+" FROM queue_log WHERE id > ? ORDER BY id LIMIT ?", driver.Value(after)
	if !form.numbered {
		query = "SELECT " + form.columns + " FROM queue_log WHERE time >= ? ORDER BY time LIMIT ?"
		from = time.UnixMicro(after).In(q.config.Location).Format("2006-01-02 15:04:05")
		if form.epoch {
			from = strconv.FormatInt(after/1e6, 10)
		}
	}
	var rows []feed.Row
	err = q.stream(ctx, query, []any{from, int64(most)}, func(v []driver.Value) error {
		rows = append(rows, form.row(v))
		return nil
	})
	return rows, err
}

// row is a row of the table; NULL is an empty text.
func (f queueTableForm) row(v []driver.Value) feed.Row {
	var buf []byte
	text := func(v driver.Value) string { return string(valueText(v, &buf)) }
	r := feed.Row{At: text(v[1]), CallID: text(v[2]), Queue: text(v[3]), Agent: text(v[4]), Event: text(v[5])}
	if f.numbered {
		r.ID = wholeOf(v[0])
	}
	params := v[6:]
	all := ""
	if len(params) > f.params {
		all, params = text(params[f.params]), params[:f.params]
	}
	used := false
	for _, p := range params {
		r.Params = append(r.Params, text(p))
		used = used || r.Params[len(r.Params)-1] != ""
	}
	if !used && all != "" {
		r.Params = []string{all}
	}
	return r
}

// wholeOf is a whole number, of a text too.
func wholeOf(v driver.Value) int64 {
	var buf []byte
	n, _ := strconv.ParseInt(string(valueText(v, &buf)), 10, 64)
	return n
}

// describe looks the table up, unless it has done so a moment ago.
func (q *QueueTable) describe(ctx context.Context) (queueTableForm, error) {
	q.mu.Lock()
	form, looked := q.form, q.looked
	q.mu.Unlock()
	if q.config.Now().Sub(looked).Abs() < tableTime {
		return form, nil
	}
	columns := make(map[string]string) // their types
	var buf []byte
	err := q.stream(ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'queue_log'", nil,
		func(v []driver.Value) error {
			name := strings.ToLower(string(valueText(v[0], &buf)))
			columns[name] = strings.ToLower(string(valueText(v[1], &buf)))
			return nil
		})
	if err == nil {
		form, err = q.formOf(ctx, columns)
	}
	if err != nil {
		return form, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.form, q.looked = form, q.config.Now()
	return form, nil
}

// formOf tells how a table with these columns is read.
func (q *QueueTable) formOf(ctx context.Context, columns map[string]string) (form queueTableForm, err error) {
	if len(columns) == 0 {
		return form, q.failed(errors.New("there is no table queue_log, or we may not read it"))
	}
	queue := "queuename"
	if _, ok := columns[queue]; !ok {
		queue = "queue"
	}
	for _, name := range []string{"time", "callid", queue, "agent", "event"} {
		if _, ok := columns[name]; !ok {
			return form, q.failed(fmt.Errorf("the table queue_log has no column %s", name))
		}
	}
	form.columns = "0"
	if _, form.numbered = columns["id"]; form.numbered {
		form.columns = "CAST(id AS SIGNED)"
	}
	form.columns += ", time, callid, " + queue + ", agent, event"
	for _, name := range []string{"data1", "data2", "data3", "data4", "data5"} {
		if _, ok := columns[name]; ok {
			form.columns += ", " + name
			form.params++
		}
	}
	if _, ok := columns["data"]; ok {
		form.columns += ", data"
	}
	if form.numbered {
		return form, nil
	}
	switch columns["time"] {
	case "datetime", "timestamp":
	case "char", "varchar", "text", "tinytext":
		err = q.stream(ctx, "SELECT time FROM queue_log ORDER BY time DESC LIMIT 1", nil, func(v []driver.Value) error {
			var buf []byte
			form.epoch = !strings.Contains(string(valueText(v[0], &buf)), "-")
			return nil
		})
	default:
		form.epoch = true
	}
	return form, err
}

// stream runs a SELECT within queueTableTime.
func (q *QueueTable) stream(ctx context.Context, query string, args []any, row func([]driver.Value) error) error {
	ctx, cancel := context.WithTimeout(ctx, queueTableTime)
	defer cancel()
	err := stream(ctx, q.pool, timedSelect(query, timeFor(ctx)), args, row)
	if err == nil {
		return nil
	}
	q.mu.Lock()
	q.looked = time.Time{} // it may have another form
	q.mu.Unlock()
	return q.failed(fmt.Errorf("%s: %w", sourceReason(err), err))
}

// failed says which table could not be read.
func (q *QueueTable) failed(err error) error {
	return fmt.Errorf("table queue_log of %s at %s: %w", q.config.Label, q.config.Addr, err)
}
