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

	"talktime/stats"
)

// CDRRange is what a table of call records has.
type CDRRange struct {
	First, Last time.Time // calldate of the first record and of the last; zero where there are none
	Records     int64
	Indexed     bool // by calldate: else every question reads the whole table
}

// Range says what the table has from one calldate to another; zero times are no bounds.
func (c *CDRStatistics) Range(ctx context.Context, from, to time.Time) (r CDRRange, err error) {
	t, err := c.describe(ctx)
	if err != nil {
		return r, err
	}
	bound := func(at, none time.Time) string {
		if at.IsZero() {
			at = none
		}
		return at.In(c.config.Location).Format(time.DateTime)
	}
	args := []any{bound(from, time.Date(1980, 1, 1, 0, 0, 0, 0, c.config.Location)), bound(to, time.Date(2200, 1, 1, 0, 0, 0, 0, c.config.Location))}
	read := func(v []driver.Value) error {
		var date dateReader
		clock := stats.NewClock(c.config.Location)
		if first, ok := date.read(valueText(v[0], new([]byte))); ok {
			r.First = time.Unix(clock.Unix(first), 0)
		}
		if last, ok := date.read(valueText(v[1], new([]byte))); ok {
			r.Last = time.Unix(clock.Unix(last), 0)
		}
		r.Records = secondsOf(v[2])
		return nil
	}
	err = c.hinted(t, func(t cdrTable) error {
		r.Indexed = t.index != ""
		return c.stream(ctx, "SELECT MIN(calldate), MAX(calldate), COUNT(*)"+t.from(), args, read)
	})
	return r, err
}

// ErrFilled says that there are records in a table already.
var ErrFilled = errors.New("the table has records")

// Fill adds rows to the table cdr of a CDR database, for tests and demonstrations: of the columns that are given those that it has.
// Unless force is set the table must be empty; else it is ErrFilled.
func (c *CDR) Fill(ctx context.Context, columns []string, force bool, rows func(yield func(values []any) error) error) error {
	if !force {
		var one int
		err := c.pool.QueryRowContext(ctx, "SELECT 1 FROM cdr LIMIT 1").Scan(&one)
		if err == nil {
			return fmt.Errorf("CDR database %s: %w", c.config.Label, ErrFilled)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("CDR database %s: %w", c.config.Label, err)
		}
	}
	places, names, err := c.knownColumns(ctx, columns)
	if err != nil {
		return fmt.Errorf("CDR database %s: %w", c.config.Label, err)
	}
	const some = 400
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		one := ",(" + marks(len(places)) + ")"
		//nolint:gosec // what is put together is our own text and question marks
		_, err := c.pool.ExecContext(ctx, "INSERT INTO cdr ("+strings.Join(names, ",")+") VALUES "+strings.Repeat(one, len(args)/len(places))[1:], args...)
		args = args[:0]
		if err != nil {
			return fmt.Errorf("CDR database %s: %w", c.config.Label, err)
		}
		return nil
	}
	err = rows(func(values []any) error {
		for _, place := range places {
			args = append(args, values[place])
		}
		if len(args) < some*len(places) {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// knownColumns says which of the columns the table has.
func (c *CDR) knownColumns(ctx context.Context, columns []string) (places []int, names []string, err error) {
	rows, err := c.pool.QueryContext(ctx, "SELECT * FROM cdr LIMIT 0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	there, err := rows.Columns()
	if err != nil {
		return nil, nil, err
	}
	for i, column := range columns {
		if slices.ContainsFunc(there, func(name string) bool { return strings.EqualFold(name, column) }) {
			places, names = append(places, i), append(names, column)
		}
	}
	if len(places) == 0 {
		return nil, nil, errors.New("the table cdr has none of the columns of call records")
	}
	return places, names, rows.Err()
}
