package store

import (
	"context"
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
		c, err := scanCall(rows, &clock)
		if err != nil {
			return nil, translate(err)
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

// ListedCalls returns the newest calls that an operator should look at: the unreconciled, the disputed, or those
// with a shortfall.
func (s *Store) ListedCalls(ctx context.Context, list string, limit int) ([]models.Call, error) {
	condition := map[string]string{
		"open":         "state = 'open'",
		"unreconciled": "state = 'unreconciled'",
		"disputed":     "disputed > seconds",
		"shortfall":    "shortfall > 0",
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
