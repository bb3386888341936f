package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"

	"talktime/queues"
)

// QueueDays implements reports.Keeper; each day comes in one piece.
func (s *Store) QueueDays(ctx context.Context, zone string, first, end int, each func(day int, data []byte) error) error {
	query := "SELECT day, data FROM queue_days" + s.byPrimaryKey() + " WHERE zone = ? AND day >= ? AND day < ? ORDER BY day, part"
	var day int64
	var data []byte
	some := false
	err := s.streamQueues(ctx, query, []any{zone, int64(first), int64(end)}, func(v []driver.Value) error {
		if d := numberOf(v[0]); some && d != day {
			if err := each(int(day), data); err != nil {
				return err
			}
			data = data[:0]
		}
		var buf []byte
		day, data, some = numberOf(v[0]), append(data, valueText(v[1], &buf)...), true
		return nil
	})
	if err != nil || !some {
		return err
	}
	return each(int(day), data)
}

// byPrimaryKey makes a server read in the order of the primary key: asked to sort by columns of it, it sorts indeed.
func (s *Store) byPrimaryKey() string {
	if s.dialect.name == sqliteDialect.name {
		return ""
	}
	return " FORCE INDEX (PRIMARY)"
}

// UnpackedQueueDay implements reports.PackKeeper.
func (s *Store) UnpackedQueueDay(ctx context.Context, zone string, from, to int64) (int64, error) {
	type span struct{ from, to int64 }
	var packed []span
	err := s.each(ctx, "SELECT from_at, to_at FROM queue_days WHERE zone = ? AND part = 0 AND to_at > ? AND from_at < ? ORDER BY from_at", []any{zone, from, to}, func(rows *sql.Rows) error {
		var p span
		err := rows.Scan(&p.from, &p.to)
		packed = append(packed, p)
		return err
	})
	if err != nil {
		return 0, err
	}
	for at := from; at < to; {
		for len(packed) > 0 && packed[0].from <= at { // days beside each other in one go
			at = max(at, packed[0].to)
			packed = packed[1:]
		}
		next := to
		if len(packed) > 0 {
			next = min(next, packed[0].from)
		}
		var moment int64
		query := "SELECT moment FROM queue_items" + s.byPrimaryKey() + " WHERE moment >= ? AND moment < ? AND outcome > 1 ORDER BY moment LIMIT 1"
		err := s.each(ctx, query, []any{at, next}, func(rows *sql.Rows) error { return rows.Scan(&moment) })
		if err != nil || moment != 0 {
			return moment, err
		}
		at = next
	}
	return 0, nil
}

// PackQueueDay implements reports.PackKeeper. The items are in the order of their moments.
func (s *Store) PackQueueDay(ctx context.Context, holder, zone string, day int, from, to int64, pack func(items []queues.Item) []byte) error {
	return s.asQueueHolder(ctx, holder, func(t txn) error {
		items, err := t.itemsBetween(ctx, from, to)
		if err != nil {
			return err
		}
		if _, err := t.conn.ExecContext(ctx, "DELETE FROM queue_days WHERE zone = ? AND day = ?", zone, day); err != nil {
			return err
		}
		data := pack(items)
		for part := 0; part == 0 || part*partBytes < len(data); part++ {
			some := slices.Clone(data[part*partBytes : min((part+1)*partBytes, len(data))])
			if some == nil {
				some = []byte{} // nil would be NULL
			}
			if _, err := t.conn.ExecContext(ctx, "INSERT INTO queue_days (zone, day, part, from_at, to_at, data) VALUES (?, ?, ?, ?, ?, ?)", zone, day, part, from, to, some); err != nil {
				return err
			}
		}
		return nil
	})
}

// itemsBetween are all items of a range, in the order of their moments.
func (t *txn) itemsBetween(ctx context.Context, from, to int64) (items []queues.Item, err error) {
	query := "SELECT " + itemColumns + " FROM queue_items" + t.store.byPrimaryKey() + " WHERE moment >= ? AND moment < ? AND outcome > 1 ORDER BY moment, call_id, n"
	err = t.query(ctx, query, []any{from, to}, func(rows *sql.Rows) error {
		var i queues.Item
		err := scanQueueItem(rows, &i)
		items = append(items, i)
		return err
	})
	return items, err
}

// ForgetQueueDays forgets all that is packed, of every zone: it is packed anew from what is there.
func (s *Store) ForgetQueueDays(ctx context.Context, holder string) error {
	return s.asQueueHolder(ctx, holder, func(t txn) error {
		_, err := t.conn.ExecContext(ctx, "DELETE FROM queue_days")
		return err
	})
}
