package store

import (
	"context"
	"database/sql/driver"
	"math"
	"time"

	"talktime/stats"
)

var (
	_ stats.FirstSource = (*CDRStatistics)(nil)
	_ stats.FirstSource = (*OwnRecords)(nil)
)

// sane is before which no clock was right that wrote a record. Records of 1970 have no date at all.
const sane = "2000-01-01"

// First implements stats.FirstSource.
func (c *CDRStatistics) First(ctx context.Context) (first time.Time, err error) {
	t, err := c.describe(ctx)
	if err != nil {
		return first, err
	}
	var date dateReader
	err = c.stream(ctx, "SELECT calldate"+t.from()+" ORDER BY calldate LIMIT 1", []any{sane, "9999-12-31"}, func(v []driver.Value) error {
		if wall, ok := date.read(valueText(v[0], new([]byte))); ok {
			first = time.Unix(stats.NewClock(c.config.Location).Unix(wall), 0)
		}
		return nil
	})
	return first, err
}

// First implements stats.FirstSource. Calls have no earlier time than their ids, but for what was written by hand.
func (o *OwnRecords) First(ctx context.Context) (time.Time, error) {
	var first time.Time
	earlier := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	call, _, err := o.ends(ctx, 1, math.MaxInt64)
	if err != nil {
		return first, o.failed(ctx, err)
	}
	if call != 0 {
		earlier(idTime(call).Add(-ownLate))
	}
	for _, query := range []string{
		"SELECT CAST(MIN(started_at) AS CHAR) FROM cdr_records WHERE started_at >= '" + sane + "'",
		"SELECT CAST(MIN(authorized_at) AS CHAR) FROM calls WHERE call_id >= '" + byHand + "/' AND call_id < '" + byHand + "0' AND authorized_at >= '" + sane + "'",
	} {
		err := o.page(ctx, query, nil, func(v []driver.Value) error {
			if at := unixOf(string(valueText(v[0], new([]byte)))); v[0] != nil && at > 0 {
				earlier(time.Unix(at, 0))
			}
			return nil
		})
		if err != nil {
			return first, o.failed(ctx, err)
		}
	}
	return first, nil
}
