package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"talktime/models"
)

// listing is a table, or a join, of which pages are read.
type listing struct {
	name   string
	from   string // with aliases
	key    string // grows from row to row; more than one row may have it only when ties says how they are told apart
	ties   string // further columns of the order
	rank   string // expression: which of the rows with the same key it is; empty where only one can be
	always string // condition on every row
	owner  string // column of the user whose row it is; empty: it belongs to nobody
	money  string // column of the ledger account whose row it is, where that is in the table itself; empty: none
	index  string // index of rows by owner, or by ledger account; empty where these are not much less than all rows
	newest bool   // the newest rows come first
}

// search is the condition and the order that a query asks for.
type search struct {
	where  string // SQL with question marks; empty = everything
	args   []any
	order  string // SQL; empty = by key
	group  string // SQL; empty = every row, else the one with the lowest key of those that agree in it
	limit  int64  // rows of the whole result; 0 = all
	offset int64
	single bool
	owner  int64 // only rows of this user can be found; 0 = of anybody
}

// Bounds of counting: up to exactly many rows the number is exact. Beyond, what a query asks for is counted on for no longer
// than countTime; a list that somebody only looks at is not.
const (
	exactly   = 10_000
	countTime = 200 * time.Millisecond
)

// page reads the keys of a page and counts the rows behind all pages.
func (s *Store) page(ctx context.Context, l listing, r models.ListRequest, q search) (list models.List[int64], err error) {
	list.Single = q.single
	l = s.ofMembers(l, r, q)
	where, args := l.condition(r, q)
	if q.group != "" {
		where = l.key + " IN (SELECT MIN(" + l.key + ") FROM " + l.from + " WHERE " + where + " GROUP BY " + q.group + ")"
	}
	if list.Total, list.AtLeast, err = s.count(ctx, l, r, q, where, args); err != nil {
		return list, l.failed("count", err)
	}
	const endless = 1 << 40 // pages; so that sums with their sizes do not overflow
	first := int64(min(max(r.Number, 1)-1, endless)) * int64(r.Size)
	if r.Number > models.MaxPage && (list.AtLeast || first < list.Total) {
		return list, models.ErrDeepPage
	}
	size := int64(r.Size)
	if q.limit > 0 {
		size = min(size, max(q.limit-first, 0))
	}
	if q.order != "" && r.After != 0 {
		return list, fmt.Errorf("%w: after goes with the order of keys only", models.ErrQuery)
	}
	if q.single {
		size, first = 2, 0
	}
	if size == 0 {
		return list, nil
	}
	query, bounds := l.pageQuery(q, where, r.After, size, first+q.offset)
	if args = append(bounds, args...); r.Query == "" && r.Only == (models.Owner{}) {
		list.Items, err = s.numbers(ctx, query, args...)
	} else {
		list.Items, err = s.find(ctx, s.searchTime, query, args)
	}
	if err != nil {
		return list, l.failed("list", err)
	}
	if q.single && len(list.Items) == 0 {
		return list, models.ErrNoneFound
	}
	if q.single && len(list.Items) > 1 {
		return list, models.ErrManyFound
	}
	return list, nil
}

// condition says which rows are in a list, before they are grouped.
func (l listing) condition(r models.ListRequest, q search) (where string, args []any) {
	where = l.always
	if q.where != "" {
		where, args = where+" AND ("+q.where+")", append(args, q.args...)
	}
	if r.User != 0 {
		where, args = where+" AND "+l.owner+" = ?", append(args, r.User)
	}
	switch {
	case r.Only == (models.Owner{}):
	case l.owner == "":
		where += " AND 1 = 0"
	case l.money != "":
		where += " AND " + l.money + " IN (SELECT oa.id FROM accounts oa WHERE " + ownedBy("oa.user_id", r.Only) + ")"
	default:
		where += " AND " + ownedBy(l.owner, r.Only)
	}
	return where, args
}

// ofMembers makes a database begin with the members where only their rows are asked for. Left to itself, it may go through the
// rows of everybody in the order of the keys, until it has met enough of theirs.
func (s *Store) ofMembers(l listing, r models.ListRequest, q search) listing {
	switch {
	case r.Only.Group == 0 || l.index == "" || q.group != "":
	case s.dialect.name == sqliteDialect.name:
		l.always = strings.Replace(l.always, "c.state", "+c.state", 1) // SQLite uses no index of an expression
	default:
		table, others, joined := strings.Cut(l.from, " JOIN ")
		if l.from = table + " FORCE INDEX (" + l.index + ")"; joined {
			l.from += " JOIN " + others
		}
	}
	return l
}

// failed says what could not be done.
func (l listing) failed(what string, err error) error {
	if badComparison(err) {
		return fmt.Errorf("%w: %w", models.ErrQuery, err)
	}
	return fmt.Errorf("%s %s: %w", what, l.name, err)
}

// pageQuery reads keys; where several rows have one, idEntries × the key + the rank. The first values bound the key: that
// lets the database begin in the index, instead of going through the table.
func (l listing) pageQuery(q search, where string, after, size, offset int64) (query string, bounds []any) {
	what, direction, condition := l.key, "", l.key+" > ?"
	if l.newest {
		direction, condition = " DESC", l.key+" < ?"
	}
	bound := after
	if l.newest && after == 0 {
		bound = math.MaxInt64
	}
	bounds = []any{bound}
	if l.rank != "" {
		what = fmt.Sprintf("%s * %d + %s", l.key, idEntries, l.rank)
		switch {
		case after == 0:
		case l.newest: // the key of the row itself is below its id, or the same
			condition += " AND (" + l.key + " <= ? OR " + l.key + " + " + l.rank + " < ?)"
			bounds = []any{after, after - idEntries, after}
		default:
			condition += " AND (" + l.key + " > ? OR " + l.key + " + " + l.rank + " > ?)"
			bounds = []any{after - idEntries, after, after}
		}
	}
	order := q.order
	if order == "" {
		order = l.key + direction
		if l.ties != "" {
			order += ", " + l.ties + direction
		}
	}
	return "SELECT " + what + " FROM " + l.from + " WHERE " + condition + " AND " + where + " ORDER BY " + order +
		fmt.Sprintf(" LIMIT %d OFFSET %d", size, offset), bounds
}

// count is how many rows a search has on all pages together.
func (s *Store) count(ctx context.Context, l listing, r models.ListRequest, q search, where string, args []any) (n int64, atLeast bool, err error) {
	switch plain := q.where == "" && q.group == "" && r.Only == (models.Owner{}); {
	case plain && r.User == 0 && l.name == usersListing.name:
		n, err = s.number(ctx, "SELECT value FROM counters WHERE name = 'users'")
	case plain:
		n, atLeast, err = s.countRows(ctx, l, where, args, 0)
	default:
		n, atLeast, err = s.countRows(ctx, l, where, args, countTime)
	}
	n = max(n-q.offset, 0)
	if q.limit > 0 && n >= q.limit {
		n, atLeast = q.limit, false
	}
	return n, atLeast, err
}

// countQuery counts rows up to a limit. SQLite is led along the index of the keys for a plain list; it would begin with the
// entries of the house, of which there are as many as of all users together. Servers skip those by themselves.
func (s *Store) countQuery(l listing, where string, plain bool, limit int64) string {
	if plain && s.dialect.name == sqliteDialect.name {
		where = l.key + " > 0 AND " + where + " ORDER BY " + l.key
	}
	return fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d) counted", l.from, where, limit)
}

func (s *Store) countRows(ctx context.Context, l listing, where string, args []any, within time.Duration) (n int64, atLeast bool, err error) {
	if within == 0 {
		n, err = s.number(ctx, s.countQuery(l, where, true, exactly+1), args...)
		return n, n > exactly, err
	}
	if n, err = s.findNumber(ctx, s.searchTime, s.countQuery(l, where, false, exactly+1), args); n <= exactly || err != nil {
		return n, false, err
	}
	// More and more, so that what was counted when the time is up is not much less than what could have been.
	clock, stop := context.WithTimeout(ctx, within)
	defer stop()
	deadline, _ := clock.Deadline()
	for limit := int64(4 * exactly); ; limit *= 4 {
		left := time.Until(deadline)
		if left <= time.Millisecond {
			return n, true, nil
		}
		more, err := s.findNumber(ctx, left, s.countQuery(l, where, false, limit), args)
		switch {
		case errors.Is(err, models.ErrSlowSearch):
			return n, true, nil
		case err != nil:
			return 0, false, err
		}
		if n = more; n < limit {
			return n, false, nil
		}
	}
}

// timed makes the server itself give up a SELECT after a time: it does not notice when we do. MariaDB knows the first
// form, MySQL the second; each takes the other for a comment.
func (s *Store) timed(query string, limit time.Duration) string {
	return fmt.Sprintf("/*M! SET STATEMENT max_statement_time=%.3f FOR */ SELECT /*+ MAX_EXECUTION_TIME(%d) */",
		limit.Seconds(), limit.Milliseconds()) + strings.TrimPrefix(query, "SELECT")
}

func isTimeout(err error) bool {
	const mariaTimeout, myTimeout, sqliteInterrupt = 1969, 3024, 9
	my, lite := code(err)
	return my == mariaTimeout || my == myTimeout || lite == sqliteInterrupt || errors.Is(err, context.DeadlineExceeded)
}

// number reads one number.
func (s *Store) number(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.read.WithContext(ctx).Raw(query, args...).Row().Scan(&n)
	return n, translate(err)
}

// numbers reads a column of numbers.
func (s *Store) numbers(ctx context.Context, query string, args ...any) ([]int64, error) {
	var all []int64
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		all = append(all, n)
		return err
	})
	return all, err
}

// each runs a SELECT outside any transaction.
func (s *Store) each(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	pool, err := s.read.DB()
	if err != nil {
		return err
	}
	t := txn{store: s, conn: pool, dialect: s.dialect}
	return translate(t.query(ctx, query, args, row))
}

// eachOf runs a SELECT for many values, in as few statements as it takes: query holds one %s for the question marks.
func eachOf[T comparable](ctx context.Context, s *Store, query string, values []T, row func(*sql.Rows) error) error {
	return chunks(s.dialect.maxParams, values, func(values []T) error {
		return s.each(ctx, fmt.Sprintf(query, marks(len(values))), anys(values), row)
	})
}

// maxUnion is how many SELECTs are put together; SQLite takes 500.
const maxUnion = 200

// newestOf reads the newest few rows of each of many owners: one SELECT for each, which begins at the right place of an
// index and stops after a few rows. one holds a question mark for the owner.
func newestOf[T comparable](ctx context.Context, s *Store, one string, owners []T, row func(*sql.Rows) error) error {
	return chunks(maxUnion, owners, func(owners []T) error {
		query := one
		if len(owners) > 1 {
			query = "SELECT * FROM (" + one + ") x" + strings.Repeat(" UNION ALL SELECT * FROM ("+one+") x", len(owners)-1)
		}
		return s.each(ctx, query, anys(owners), row)
	})
}

// pick puts found rows in the order of their keys in a page.
func pick[T any](keys models.List[int64], found map[int64]T) models.List[T] {
	list := models.List[T]{Items: make([]T, 0, len(keys.Items)), Total: keys.Total, AtLeast: keys.AtLeast, Single: keys.Single}
	for _, key := range keys.Items {
		if row, ok := found[key]; ok { // else it was deleted a moment ago
			list.Items = append(list.Items, row)
		}
	}
	return list
}
