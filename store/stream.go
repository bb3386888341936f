package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"strconv"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// stopError is what the function of a stream returned.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// stream runs a SELECT and hands over the values of each row as the driver gives them, valid until the next: that is twice as fast as
// to scan them. It ends at the first error of the function, which comes back as a stopError, and with the context.
func stream(ctx context.Context, pool *sql.DB, query string, args []any, row func([]driver.Value) error) error {
	for try := 0; ; try++ {
		begun, err := streamOnce(ctx, pool, query, args, row)
		if begun || try > 0 || !errors.Is(err, driver.ErrBadConn) {
			return err
		}
	}
}

// streamOnce tells whether the database has begun to answer.
func streamOnce(ctx context.Context, pool *sql.DB, query string, args []any, row func([]driver.Value) error) (begun bool, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	var stopped error
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, query, named)
		if err != nil {
			return err
		}
		begun = true
		values := make([]driver.Value, len(rows.Columns()))
		for n := 0; ; n++ {
			if n%256 == 0 && ctx.Err() != nil {
				stopped = ctx.Err() // SQLite's driver does not look
			} else if err := rows.Next(values); errors.Is(err, io.EOF) {
				return rows.Close()
			} else if err != nil {
				return errors.Join(err, rows.Close())
			} else if err := row(values); err != nil {
				stopped = stopError{err}
			}
			if stopped != nil {
				break
			}
		}
		if _, server := pool.Driver().(*mysqldriver.MySQLDriver); server {
			return driver.ErrBadConn // to close the rows is to read all that are left
		}
		return rows.Close()
	})
	if stopped != nil {
		return true, stopped
	}
	return begun, err
}

// streamSearch is stream by the connections of searches, and within their time.
func (s *Store) streamSearch(ctx context.Context, query string, args []any, row func([]driver.Value) error) error {
	if s.dialect.name != sqliteDialect.name {
		query = timedSelect(query, min(s.searchTime, timeFor(ctx)))
	}
	return stream(ctx, s.searches, query, args, row)
}

// numberOf is a whole number; 0 for NULL.
func numberOf(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// valueText is a value as text. It may lie in buf, and is valid as long as the value is and buf is not used again.
func valueText(v driver.Value, buf *[]byte) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case string:
		*buf = append((*buf)[:0], v...)
	case int64:
		*buf = strconv.AppendInt((*buf)[:0], v, 10)
	case uint64:
		*buf = strconv.AppendUint((*buf)[:0], v, 10)
	case float32:
		*buf = strconv.AppendFloat((*buf)[:0], float64(v), 'f', -1, 32)
	case float64:
		*buf = strconv.AppendFloat((*buf)[:0], v, 'f', -1, 64)
	case bool:
		*buf = strconv.AppendBool((*buf)[:0], v)
	case time.Time:
		*buf = v.AppendFormat((*buf)[:0], time.DateTime)
	default: // NULL
		return nil
	}
	return *buf
}

// secondsOf is a length in whole seconds, cut off. What is no number, or below 0, is 0.
func secondsOf(v driver.Value) int64 {
	const most = math.MaxInt32
	switch v := v.(type) {
	case int64:
		return min(max(v, 0), most)
	case uint64:
		return int64(min(v, most))
	case float32:
		return secondsOf(float64(v))
	case float64:
		if v > 0 { // and not NaN
			return int64(min(v, most))
		}
	case string:
		return secondsOf([]byte(v))
	case []byte:
		var n int64
		for _, c := range v {
			if c < '0' || c > '9' {
				break
			}
			n = min(10*n+int64(c-'0'), most)
		}
		return n
	}
	return 0
}

// dateReader reads times of the form 2026-11-20 22:10:52.123456, of which those side by side have the same date.
type dateReader struct {
	date [10]byte
	wall int64 // midnight of it
}

// read returns seconds since 1970 as if the time were UTC, without its fraction. It is false for what is no time, such as 0000-00-00.
func (d *dateReader) read(text []byte) (wall int64, ok bool) {
	if len(text) < len("2026-11-20 22:10:52") {
		return 0, false
	}
	if string(text[:10]) != string(d.date[:]) {
		day, err := time.Parse(time.DateOnly, string(text[:10]))
		if err != nil {
			return 0, false
		}
		copy(d.date[:], text)
		d.wall = day.Unix()
	}
	hour, ok1 := twoDigits(text[11:])
	minute, ok2 := twoDigits(text[14:])
	second, ok3 := twoDigits(text[17:])
	return d.wall + (hour*60+minute)*60 + second, ok1 && ok2 && ok3 && hour < 24 && minute < 60 && second < 60
}

func twoDigits(b []byte) (n int64, ok bool) {
	tens, ones := b[0]-'0', b[1]-'0'
	return int64(tens)*10 + int64(ones), tens <= 9 && ones <= 9
}
