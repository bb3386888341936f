package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"talktime/models"
)

// searchGrace is how much longer than it may take we wait for a server to say that a search has taken too long.
const searchGrace = 2 * time.Second

// find carries out a search: a SELECT of one column of numbers that a client has worded, so that nobody knows what it costs.
// It is models.ErrSlowSearch when it is not done after limit or when the context ends, and models.ErrSearches when others
// were at it until then.
func (s *Store) find(ctx context.Context, limit time.Duration, query string, args []any) (found []int64, err error) {
	conn, err := s.searches.Conn(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, models.ErrSearches
	}
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	limit = max(limit, time.Millisecond) // to a server 0 is for ever
	if s.dialect.name == sqliteDialect.name {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		found, err = findSQLite(limited, conn, query, args)
	} else {
		// A server does not notice that we have gone, and would work on while the next client's search begins on a new
		// connection. So we stay, and keep the connection, until it gives up by itself.
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+searchGrace)
		defer cancel()
		found, err = column(patient, conn, s.timed(query, limit), args)
	}
	if isTimeout(err) {
		return nil, models.ErrSlowSearch
	}
	return found, translate(err)
}

// findSQLite keeps what is found in a table of the connection: the driver breaks off what it executes when the context
// ends, but never a SELECT of which it hands over rows.
func findSQLite(ctx context.Context, conn *sql.Conn, query string, args []any) ([]int64, error) {
	const into = "CREATE TEMP TABLE IF NOT EXISTS found (n INTEGER); DELETE FROM temp.found; INSERT INTO temp.found "
	_, err := conn.ExecContext(ctx, into+query, args...)
	if err == nil {
		err = ctx.Err() // the driver does not tell when it was between two of these
	}
	if err != nil {
		return nil, err
	}
	return column(ctx, conn, "SELECT n FROM temp.found ORDER BY rowid", nil)
}

func column(ctx context.Context, conn *sql.Conn, query string, args []any) ([]int64, error) {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// findNumber is find for the one number of a count.
func (s *Store) findNumber(ctx context.Context, limit time.Duration, query string, args []any) (int64, error) {
	found, err := s.find(ctx, limit, query, args)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}
