package store

import (
	"context"
	"database/sql"
	"time"

	"talktime/stats"
)

// IDAt is an id of a call that was made at a time.
func IDAt(t time.Time) int64 { return idAt(t) }

// ScanQuery is the SELECT of a scan for the fields that callstat asks for.
func (c *CDRStatistics) ScanQuery(ctx context.Context, scan stats.Scan) (string, []any, error) {
	t, err := c.describe(ctx)
	query, args := t.query([]string{"calldate", "duration", "billsec", "uniqueid", "dst"}, scan, c.config.Location)
	return query, args, err
}

// Limits by which the tests go.
const (
	OwnPage   = ownPage
	MaxOwners = maxOwners
	MaxNames  = maxNames
)

// Exec carries out a statement on a connection that is meant for reading.
func (c *CDRStatistics) Exec(ctx context.Context, query string) (sql.Result, error) {
	return c.pool.ExecContext(ctx, query)
}
