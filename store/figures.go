package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"talktime/models"
	"talktime/money"
)

// Figures counts what there is. It reads counters, ends of indexes and the open calls, never a whole table that grows.
func (s *Store) Figures(ctx context.Context) (models.Figures, error) {
	f := models.Figures{Held: map[string]money.Amount{}}
	var err error
	if f.Skew, err = s.ClockSkew(ctx); err != nil {
		return f, err
	}
	for _, count := range []struct {
		into  *int64
		query string
	}{
		{&f.Schema, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version"},
		{&f.Users, "SELECT value FROM counters WHERE name = 'users'"},
		{&f.Disputed, "SELECT value FROM counters WHERE name = 'disputed'"},
		{&f.OpenCalls, "SELECT COUNT(*) FROM calls WHERE state = 'open'"},
		{&f.Unreconciled, "SELECT COUNT(*) FROM calls WHERE state = 'unreconciled'"},
	} {
		if *count.into, err = s.number(ctx, count.query); err != nil {
			return f, err
		}
	}
	err = s.read.WithContext(ctx).Raw(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN error <> '' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN given_up THEN 1 ELSE 0 END), 0) FROM (SELECT error, given_up FROM provisions LIMIT ?) p`, maxProvisions).
		Row().Scan(&f.Provisions, &f.ProvisionsFailing, &f.ProvisionsGivenUp)
	if err != nil {
		return f, translate(err)
	}
	err = s.read.WithContext(ctx).Raw(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN try > 1 AND state = 'waiting' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'given-up' THEN 1 ELSE 0 END), 0)
		FROM (SELECT * FROM (SELECT try, state FROM notice_deliveries WHERE state = 'waiting' LIMIT ?) w
			UNION ALL SELECT * FROM (SELECT try, state FROM notice_deliveries WHERE state = 'given-up' LIMIT ?) g) d`, maxProvisions, maxProvisions).
		Row().Scan(&f.Notices, &f.NoticesFailing, &f.NoticesGivenUp)
	if err != nil {
		return f, translate(err)
	}
	f.Notices -= f.NoticesGivenUp
	// Only who has an open call can have money held.
	err = s.each(ctx, "SELECT a.currency, "+s.dialect.sum("a.held")+` FROM (SELECT DISTINCT user_id FROM calls WHERE state = 'open') c
		JOIN accounts a ON a.user_id = c.user_id WHERE a.held > 0 GROUP BY a.currency`, nil, func(rows *sql.Rows) error {
		var currency string
		var held int64
		err := rows.Scan(&currency, &held)
		f.Held[currency] = money.Amount(held)
		return err
	})
	if err != nil {
		return f, err
	}
	oldest, err := s.instant(ctx, "SELECT authorized_at FROM calls WHERE state = 'open' ORDER BY id LIMIT 1")
	if err != nil {
		return f, err
	}
	if !oldest.IsZero() {
		f.OldestOpen = s.now().Add(-f.Skew).Sub(oldest)
	}
	if f.LastCall, err = s.instant(ctx, "SELECT authorized_at FROM calls ORDER BY id DESC LIMIT 1"); err != nil {
		return f, err
	}
	if f.NextRefill, err = s.nextRefill(ctx); err != nil {
		return f, err
	}
	if f.RollUps, err = s.rollUpFigures(ctx); err != nil {
		return f, err
	}
	f.Queues, err = s.QueueFigures(ctx)
	return f, err
}

// maxProvisions is up to where they are counted. There are more when a large site has just been told to a node manager.
const maxProvisions = 10_000

// nextRefill is when the first refill is due that nobody has applied; it may be past. Zero: there is none.
func (s *Store) nextRefill(ctx context.Context) (time.Time, error) {
	var day string
	err := s.each(ctx, "SELECT day FROM refill_dates WHERE done_at IS NULL ORDER BY day LIMIT 1", nil, func(rows *sql.Rows) error {
		return rows.Scan(&day)
	})
	if err != nil || day == "" {
		return time.Time{}, err
	}
	return time.ParseInLocation(time.DateOnly, day, s.location)
}

// instant reads a moment; zero when there is no row.
func (s *Store) instant(ctx context.Context, query string) (time.Time, error) {
	var at sql.NullTime
	err := s.read.WithContext(ctx).Raw(query).Row().Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at.Time, translate(err)
}

// ClockSkew is how far our clock is ahead of the database's. The answer's way is taken to be half of the time that
// asking took.
func (s *Store) ClockSkew(ctx context.Context) (time.Duration, error) {
	before := s.now()
	theirs, err := s.Clock(ctx)
	if err != nil {
		return 0, err
	}
	after := s.now()
	return before.Add(after.Sub(before) / 2).Sub(theirs), nil
}
