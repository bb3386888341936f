package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
)

// OpenCalls implements billing.OpenCalls.
func (s *Store) OpenCalls(ctx context.Context, after int64, limit int) ([]billing.OpenCall, error) {
	rows, err := s.read.WithContext(ctx).Raw("SELECT "+callColumns+", "+s.dialect.nowText+
		" FROM calls WHERE state = 'open' AND id > ? ORDER BY id LIMIT ?", after, limit).Rows()
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	var calls []billing.OpenCall
	for rows.Next() {
		var clock string
		c, unreadable := scanCall(rows, &clock)
		if c.ID == 0 {
			return nil, translate(unreadable)
		}
		if unreadable != nil {
			calls = append(calls, billing.OpenCall{Call: c, Err: unreadable})
			continue
		}
		now, err := time.ParseInLocation("2006-01-02 15:04:05.999999", clock, time.UTC)
		if err != nil {
			return nil, err
		}
		calls = append(calls, billing.OpenCall{Call: c, OverdueBy: now.Sub(c.Due)})
	}
	return calls, translate(rows.Err())
}

// ClaimCall implements billing.OpenCalls.
func (s *Store) ClaimCall(ctx context.Context, id int64, lease time.Duration) (bool, error) {
	until := "DATE_ADD(UTC_TIMESTAMP(6), INTERVAL ? SECOND)"
	if s.dialect.name == sqliteDialect.name {
		until = "strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || ? || ' seconds')"
	}
	done := s.write.WithContext(ctx).Exec("UPDATE calls SET claimed_until = "+until+
		" WHERE id = ? AND state = 'open' AND (claimed_until IS NULL OR claimed_until < "+s.dialect.now+")", int(lease/time.Second), id)
	if isTransient(done.Error) && !isLost(done.Error) || isLocked(done.Error) {
		return false, nil // somebody else is at this call
	}
	return done.RowsAffected == 1, translate(done.Error)
}

// nextChunk is how many channels are looked up by one statement.
const nextChunk = 100

// NextCalls implements billing.OpenCalls. The calls of a channel stand side by side in the index of CallIDs.
func (s *Store) NextCalls(ctx context.Context, calls []models.Call) (map[string]time.Time, error) {
	pool, err := s.read.DB()
	if err != nil {
		return nil, err
	}
	next := make(map[string]time.Time)
	t := txn{store: s, conn: pool, dialect: s.dialect}
	for part := range slices.Chunk(calls, nextChunk) {
		var ranges []string
		var args []any
		byChannel := make(map[string][]models.Call)
		for _, c := range part {
			channel := billing.ChannelOf(c.CallID)
			byChannel[channel] = append(byChannel[channel], c)
			ranges = append(ranges, "call_id BETWEEN ? AND ?")
			args = append(args, channel+"#", channel+"#~")
		}
		err := t.query(ctx, "SELECT call_id, authorized_at FROM calls WHERE "+strings.Join(ranges, " OR "), args, func(rows *sql.Rows) error {
			var id string
			var at time.Time
			if err := rows.Scan(&id, &at); err != nil {
				return err
			}
			for _, c := range byChannel[billing.ChannelOf(id)] {
				known, ok := next[c.CallID]
				if id != c.CallID && at.After(c.Authorized) && (!ok || at.Before(known)) {
					next[c.CallID] = at
				}
			}
			return nil
		})
		if err != nil {
			return nil, translate(err)
		}
	}
	return next, nil
}

// ListedCalls returns the newest calls that an operator should look at: the unreconciled, the disputed, those
// with a shortfall, the unauthorised, or the open.
func (s *Store) ListedCalls(ctx context.Context, list string, limit int) ([]models.Call, error) {
	condition := map[string]string{
		"open":         "state = 'open'",
		"unreconciled": "state = 'unreconciled'",
		"disputed":     "disputed > seconds",
		"shortfall":    "shortfall > 0",
		"unauthorised": "unauthorized = 1",
	}[list]
	if condition == "" {
		return nil, models.ErrInvalid
	}
	rows, err := s.read.WithContext(ctx).Raw("SELECT "+callColumns+" FROM calls WHERE "+condition+" ORDER BY id DESC LIMIT ?", limit).Rows()
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	var calls []models.Call
	for rows.Next() {
		c, err := scanCall(rows)
		if err != nil {
			return nil, translate(err)
		}
		calls = append(calls, c)
	}
	return calls, translate(rows.Err())
}
