package store

import (
	"context"
	"database/sql"
	"time"

	"talktime/models"
	"talktime/queues/reports"
)

// maxUnpacked is up to where days are counted that are over and not packed: each costs a question.
const maxUnpacked = 60

// QueueFigures says how far the queue_log was read, and what came of it.
func (s *Store) QueueFigures(ctx context.Context) (f models.QueueFigures, err error) {
	var last int64
	err = s.each(ctx, "SELECT COUNT(*), COALESCE(SUM(lines_read), 0), COALESCE(SUM(bad), 0), COALESCE(SUM(lost), 0), COALESCE(MAX(last_at), 0) FROM queue_files", nil, func(rows *sql.Rows) error {
		return rows.Scan(&f.Files, &f.Lines, &f.BadLines, &f.LostBytes, &last)
	})
	if err != nil {
		return f, err
	}
	if last != 0 {
		f.LastEvent = time.UnixMicro(last).UTC()
	}
	err = s.each(ctx, "SELECT position, size, read_at FROM queue_files ORDER BY turn DESC, id DESC LIMIT 1", nil, func(rows *sql.Rows) error {
		var read sql.NullTime
		err := rows.Scan(&f.Position, &f.Size, &read)
		f.LastRead = read.Time
		return err
	})
	if err != nil {
		return f, err
	}
	if f.OpenCalls, err = s.number(ctx, "SELECT COUNT(*) FROM queue_open_calls"); err != nil {
		return f, err
	}
	f.Unpacked, err = s.unpackedDays(ctx)
	return f, err
}

// unpackedDays counts the days before today that have items and are not packed.
func (s *Store) unpackedDays(ctx context.Context) (n int64, err error) {
	today := reports.Midnight(s.now(), s.location).UnixMicro()
	for from := int64(0); n < maxUnpacked; n++ {
		at, err := s.UnpackedQueueDay(ctx, s.location.String(), from, today)
		if err != nil || at == 0 {
			return n, err
		}
		from = max(reports.Midnight(reports.Midnight(time.UnixMicro(at), s.location).Add(36*time.Hour), s.location).UnixMicro(), at+1)
	}
	return n, nil
}
