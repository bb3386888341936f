package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"sync"
)

// query runs a SELECT and hands over each row.
func (t *txn) query(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	rows, err := t.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// chunks calls use with as many values at once as a statement may bind, without repeats.
func chunks[T comparable](limit int, values []T, use func([]T) error) error {
	seen := make(map[T]bool, len(values))
	values = slices.DeleteFunc(slices.Clone(values), func(v T) bool {
		double := seen[v]
		seen[v] = true
		return double
	})
	for part := range slices.Chunk(values, limit) {
		if err := use(part); err != nil {
			return err
		}
	}
	return nil
}

// marks is "?,?,?" for n values.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

func anys[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// inserter collects rows for one table and writes them with as few statements as the dialect likes.
type inserter struct {
	t       *txn
	table   string
	columns []string
	updates []string
	counted string // column that counts changes of a row
	args    []any
	rows    int
	most    int  // rows of one statement; 0 = as many as it can bind
	once    bool // rows that are there already are passed over
}

func (t *txn) insert(table string, columns ...string) *inserter {
	return &inserter{t: t, table: table, columns: columns}
}

// update makes rows that exist, by their id, take the new values of these columns.
func (w *inserter) update(columns ...string) { w.updates = columns }

func (w *inserter) row(values ...any) {
	w.args = append(w.args, values...)
	w.rows++
}

func (w *inserter) exec(ctx context.Context) error {
	width := len(w.columns)
	perStatement := max(w.t.dialect.maxParams/width, 1)
	if w.most > 0 {
		perStatement = min(perStatement, w.most)
	}
	for first := 0; first < w.rows; first += perStatement {
		n := min(perStatement, w.rows-first)
		if _, err := w.t.conn.ExecContext(ctx, w.statement(n), w.args[first*width:(first+n)*width]...); err != nil {
			return err
		}
	}
	return nil
}

func (w *inserter) statement(rows int) string {
	var b strings.Builder
	row := ",(" + marks(len(w.columns)) + ")"
	b.Grow(len(row)*rows + 1024)
	insert := "INSERT"
	if w.once {
		insert = w.t.dialect.insertIgnore
	}
	b.WriteString(insert + " INTO " + w.table + " (" + strings.Join(w.columns, ",") + ") VALUES ")
	b.WriteString(strings.Repeat(row, rows)[1:])
	if len(w.updates) > 0 {
		b.WriteString(w.t.dialect.upsert)
		for i, column := range w.updates {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(w.t.dialect.excluded(column))
		}
		if w.counted != "" {
			b.WriteString("," + w.counted + " = " + w.table + "." + w.counted + " + 1")
		}
	}
	return b.String()
}

func splitColumns(list string) []string {
	return strings.Split(strings.Join(strings.Fields(list), ""), ",")
}

// qualified is a list of columns of the table that a query calls by another name.
func qualified(table, list string) string {
	return table + "." + strings.Join(splitColumns(list), ", "+table+".")
}

// maxRemembered bounds a memo. It is above the number of rates that calls in progress have at once.
const maxRemembered = 1 << 14

// memo remembers the results of a pure function: the latest, at least maxRemembered of them, at most twice as many.
type memo[K comparable, V any] struct {
	of func(K) (V, error)

	mu     sync.Mutex
	recent map[K]V
	before map[K]V
}

func (m *memo[K, V]) get(key K) (V, error) {
	m.mu.Lock()
	value, ok := m.recent[key]
	if !ok {
		if value, ok = m.before[key]; ok {
			m.keep(key, value)
		}
	}
	m.mu.Unlock()
	if ok {
		return value, nil
	}
	value, err := m.of(key)
	if err == nil {
		m.put(key, value)
	}
	return value, err
}

// put remembers what the function would give.
func (m *memo[K, V]) put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, value)
}

func (m *memo[K, V]) keep(key K, value V) {
	if m.recent == nil || len(m.recent) >= maxRemembered {
		m.before, m.recent = m.recent, make(map[K]V)
	}
	m.recent[key] = value
}
