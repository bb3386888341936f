package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/queues/feed"
)

// ClaimQueueLog implements feed.Keeper.
func (s *Store) ClaimQueueLog(ctx context.Context, holder string, lease time.Duration) (ours bool, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := s.beginQueueFeed(db); err != nil {
			return err
		}
		done := db.Exec("UPDATE queue_feed SET turn = turn + 1, claimed_by = ?, claimed_until = "+s.later()+" WHERE id = 1 AND (claimed_by = ? OR "+s.unclaimed()+")",
			holder, int(lease/time.Second), holder)
		ours = done.RowsAffected == 1
		return done.Error
	})
	return ours, translate(err)
}

// beginQueueFeed sees to it that the row of queue_feed is there.
func (s *Store) beginQueueFeed(db *gorm.DB) error {
	return db.Exec(s.dialect.insertIgnore + " INTO queue_feed (id) VALUES (1)").Error
}

// UnclaimQueueLog implements feed.Keeper.
func (s *Store) UnclaimQueueLog(ctx context.Context, holder string) error {
	return translate(s.exec(ctx, "UPDATE queue_feed SET turn = turn + 1, claimed_by = '', claimed_until = NULL WHERE id = 1 AND claimed_by = ?", holder))
}

// asQueueHolder does something in a transaction in which nobody else can claim the log; feed.ErrNotOurs when somebody has. On a cluster,
// whose row locks end at its nodes, two collide when they commit, since each of them has changed the row.
func (s *Store) asQueueHolder(ctx context.Context, holder string, do func(txn) error) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		done := db.Exec("UPDATE queue_feed SET turn = turn + 1 WHERE id = 1 AND claimed_by = ? AND claimed_by <> ''", holder)
		if done.Error == nil && done.RowsAffected == 0 {
			return feed.ErrNotOurs
		}
		if done.Error != nil {
			return done.Error
		}
		return do(txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect})
	}))
}

// QueueChange implements reports.Keeper.
func (s *Store) QueueChange(ctx context.Context) (int64, error) {
	return s.number(ctx, "SELECT COALESCE(MAX(changes), 0) FROM queue_feed")
}

// QueueRestart implements reports.Keeper.
func (s *Store) QueueRestart(ctx context.Context) (int64, error) {
	return s.number(ctx, "SELECT COALESCE(MAX(restarted), 0) FROM queue_feed")
}

const queueFileColumns = "id, kind, name, head, digest, done, position, size, lines_read, bad, first_at, last_at, lost, read_at"

// QueueLogFiles implements feed.Keeper.
func (s *Store) QueueLogFiles(ctx context.Context) (files []feed.File, err error) {
	err = s.each(ctx, "SELECT "+queueFileColumns+" FROM queue_files ORDER BY turn, id", nil, func(rows *sql.Rows) error {
		var f feed.File
		var read sql.NullTime
		err := rows.Scan(&f.ID, &f.Kind, &f.Name, &f.Head, &f.Digest, &f.Done, &f.Position, &f.Size, &f.Lines, &f.Bad, &f.First, &f.Last, &f.Lost, &read)
		f.Read = read.Time
		files = append(files, f)
		return err
	})
	return files, err
}

// storeQueueFile notes how far a file was read, and gives it its ID.
func (t *txn) storeQueueFile(ctx context.Context, f feed.File) (feed.File, error) {
	var read any
	if !f.Read.IsZero() {
		read = stamp(f.Read)
	}
	values := []any{
		f.Kind, truncate(f.Name, 500), f.Head, f.Digest, f.Done, f.Position, f.Size, f.Lines, f.Bad, f.First, f.Last, f.Lost, read,
	}
	if f.ID != 0 {
		done, err := t.conn.ExecContext(ctx, `UPDATE queue_files SET kind = ?, name = ?, head = ?, digest = ?, done = ?, position = ?, size = ?, lines_read = ?, bad = ?,
			first_at = ?, last_at = ?, lost = ?, read_at = ?, turn = (SELECT turn FROM queue_feed WHERE id = 1) WHERE id = ?`, append(values, f.ID)...)
		if err != nil {
			return f, err
		}
		if n, err := done.RowsAffected(); err != nil || n == 1 {
			return f, err
		}
		return f, fmt.Errorf("nothing is known any more of file %d, %s: read it as a new one", f.ID, f.Name)
	}
	f.ID = t.store.ids.next()
	_, err := t.conn.ExecContext(ctx, "INSERT INTO queue_files ("+queueFileColumns+", turn) SELECT "+marks(14)+", turn FROM queue_feed WHERE id = 1",
		append([]any{f.ID}, values...)...)
	if isDuplicate(err) {
		err = fmt.Errorf("%w: %w", errTakenID, err)
	}
	return f, err
}

// maxBadLines is how many lines that are none of a queue_log are kept.
const maxBadLines = 300

// storeBadLines keeps lines that are none, and forgets the oldest.
func (t *txn) storeBadLines(ctx context.Context, file int64, bad []feed.BadLine, now time.Time) error {
	if len(bad) == 0 {
		return nil
	}
	for _, b := range bad[max(len(bad)-maxBadLines, 0):] {
		if _, err := t.conn.ExecContext(ctx, "DELETE FROM queue_bad_lines WHERE file_id = ? AND position = ?", file, b.Position); err != nil {
			return err
		}
		_, err := t.conn.ExecContext(ctx, "INSERT INTO queue_bad_lines (file_id, position, turn, at, line, why) SELECT ?, ?, turn, ?, ?, ? FROM queue_feed WHERE id = 1",
			file, b.Position, stamp(now), queueText(b.Line, 500), truncate(b.Why, 255))
		if err != nil {
			return err
		}
	}
	type key struct{ file, position int64 }
	var old []key
	err := t.query(ctx, "SELECT file_id, position FROM queue_bad_lines ORDER BY turn DESC, file_id DESC, position DESC", nil, func(rows *sql.Rows) error {
		var k key
		err := rows.Scan(&k.file, &k.position)
		old = append(old, k)
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range old[min(maxBadLines, len(old)):] {
		if _, err := t.conn.ExecContext(ctx, "DELETE FROM queue_bad_lines WHERE file_id = ? AND position = ?", k.file, k.position); err != nil {
			return err
		}
	}
	return nil
}

// QueueBadLines are the latest lines that are none, the latest first, at most most.
func (s *Store) QueueBadLines(ctx context.Context, most int) (bad []feed.KeptLine, err error) {
	err = s.each(ctx, `SELECT COALESCE(f.name, ''), b.at, b.position, b.line, b.why FROM queue_bad_lines b LEFT JOIN queue_files f ON f.id = b.file_id
		ORDER BY b.turn DESC, b.file_id DESC, b.position DESC LIMIT ?`, []any{most}, func(rows *sql.Rows) error {
		var b feed.KeptLine
		err := rows.Scan(&b.File, &b.At, &b.Position, &b.Line, &b.Why)
		bad = append(bad, b)
		return err
	})
	return bad, err
}
