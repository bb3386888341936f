package filter_test

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	_ "github.com/glebarez/go-sqlite"

	"talktime/filter"
	"talktime/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// row is a row of crew, with its ships. What is a pointer may be null.
type row struct {
	id     int64
	name   string  // MariaDB: in the server's own collation, blind to case
	nick   *string // MariaDB: ascii
	big    *int64
	active bool
	born   *time.Time
	ships  []ship
}

type ship struct {
	name  string
	masts int64
}

// crew have ships, and a ship has one owner.
func crew() *filter.Table {
	person := &filter.Table{Fields: map[string]filter.Field{
		"id":     {SQL: "c.id", Kind: filter.Int},
		"name":   {SQL: "c.name"},
		"nick":   {SQL: "c.nick"},
		"kind":   {SQL: "CASE WHEN c.big > 0 THEN 'Plus' ELSE 'minus' END"},
		"big":    {SQL: "c.big", Kind: filter.Int},
		"active": {SQL: "c.active", Kind: filter.Bool},
		"born":   {SQL: "c.born", Kind: filter.Time},
	}}
	vessel := &filter.Table{Fields: map[string]filter.Field{
		"name":  {SQL: "s.name"},
		"masts": {SQL: "s.masts", Kind: filter.Int},
	}, Relations: map[string]filter.Relation{
		"owner": {Table: person, From: "crew c", On: "c.id = s.owner_id"},
	}}
	person.Relations = map[string]filter.Relation{
		"ships": {Many: true, Table: vessel, From: "ships s", On: "s.owner_id = c.id"},
	}
	return person
}

func (r row) kind() string {
	if r.big != nil && *r.big > 0 {
		return "Plus"
	}
	return "minus"
}

// words are what texts and patterns are made of: case, blanks behind, signs of patterns and of SQL, other scripts.
func words() []string {
	return []string{
		"ann", "Ann", "ANN", "ann ", "ann  ", "Plus", "minus", "MINUS", "a_b", "a%b", "a!b", "a*c", "[x]", "a]", "a^", "a-c", "b?", `b\c`, `\`, "", " ",
		"'; DROP TABLE crew; --", `"`, "änn", "Änn", "ñ", "Ñ", "Я", "я", "Σ", "σ", "ς", "İ", "i", "I", "ß", "é", "e\u0301", "日本", "🙂", "\t",
	}
}

// plainWords are those for a column of ASCII. Blanks behind them are left out: MariaDB sorts them as if they were not there.
func plainWords() []string {
	return []string{"ann", "Ann", "a_b", "a%b", "a*c", "[x]", `b\c`, "b?", "", "i", "I", "minus"}
}

func bigs() []int64 {
	return []int64{-1 << 63, -5, -1, 0, 1, 7, 1 << 53, 1<<53 + 1, 1<<63 - 1}
}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func moment(r *rand.Rand) time.Time {
	return time.Date(2027, 10, 31, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(8)) * 15 * time.Minute)
}

// stamp is the form of instants in both databases.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

func randomRows(r *rand.Rand) []row {
	rows := make([]row, 60)
	for i := range rows {
		rows[i] = row{id: int64(i) + 1, name: pick(r, words()), active: r.IntN(2) == 0}
		if r.IntN(4) > 0 {
			nick, big, born := pick(r, plainWords()), pick(r, bigs()), moment(r)
			rows[i].nick, rows[i].big, rows[i].born = &nick, &big, &born
		}
		for range r.IntN(3) {
			rows[i].ships = append(rows[i].ships, ship{pick(r, words()), r.Int64N(5)})
		}
	}
	return rows
}

func fill(t *testing.T, db *sql.DB, mariaDB bool, rows []row) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}()
	exec := func(query string, args ...any) {
		if _, err := tx.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s %v: %v", query, args, err)
		}
	}
	if mariaDB {
		exec(`CREATE TABLE crew (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, nick VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin,
			big BIGINT, active BOOLEAN NOT NULL, born DATETIME(6)) CHARSET=utf8mb4`)
		exec("CREATE TABLE ships (owner_id BIGINT NOT NULL, name VARCHAR(40) NOT NULL, masts INT NOT NULL) CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
	} else {
		exec("CREATE TABLE crew (id INTEGER PRIMARY KEY, name TEXT NOT NULL, nick TEXT, big INTEGER, active INTEGER NOT NULL, born TEXT)")
		exec("CREATE TABLE ships (owner_id INTEGER NOT NULL, name TEXT NOT NULL, masts INTEGER NOT NULL)")
	}
	for _, r := range rows {
		var born any
		if r.born != nil {
			born = stamp(*r.born)
		}
		exec("INSERT INTO crew VALUES (?, ?, ?, ?, ?, ?)", r.id, r.name, r.nick, r.big, r.active, born)
		for _, s := range r.ships {
			exec("INSERT INTO ships VALUES (?, ?, ?)", r.id, s.name, s.masts)
		}
	}
}

type object = map[string]any

// generator makes filters at random, each with what it means in Go. There is no "not" in the language, so that what is
// unknown to SQL is as good as false.
type generator struct {
	*rand.Rand

	zone *time.Location
}

func (g generator) any(depth int) (object, func(row) bool) {
	switch kind := g.IntN(12); {
	case kind < 3 && depth < 4:
		return g.several(depth)
	case kind == 3:
		return g.ships()
	case kind == 4:
		return g.null()
	case kind == 5:
		return g.pattern("name", words(), func(r row) *string { return &r.name })
	case kind == 6:
		return g.pattern("nick", words(), func(r row) *string { return r.nick })
	case kind == 7:
		value := g.IntN(2) == 0
		written := pick(g.Rand, []any{value, fmt.Sprint(value), number(value), fmt.Sprint(number(value))})
		return comparison(g, "active", written, func(r row) (int, bool) { return cmp.Compare(number(r.active), number(value)), true })
	case kind == 8:
		return g.time()
	case kind == 9:
		return g.list()
	case kind == 10:
		return g.columns()
	}
	return g.value()
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (g generator) several(depth int) (object, func(row) bool) {
	var parts []any
	var tests []func(row) bool
	for range 1 + g.IntN(3) {
		part, test := g.any(depth + 1)
		parts, tests = append(parts, part), append(tests, test)
	}
	if g.IntN(2) == 0 {
		return object{"or": parts}, func(r row) bool { return slices.ContainsFunc(tests, func(test func(row) bool) bool { return test(r) }) }
	}
	return object{"and": parts}, func(r row) bool {
		return !slices.ContainsFunc(tests, func(test func(row) bool) bool { return !test(r) })
	}
}

func (g generator) ships() (object, func(row) bool) {
	masts, id, word := g.Int64N(5), 1+g.Int64N(60), pick(g.Rand, words())
	has := func(test func(ship) bool) func(row) bool {
		return func(r row) bool { return slices.ContainsFunc(r.ships, test) }
	}
	switch g.IntN(6) {
	case 0:
		return object{"name": "ships__masts", "op": "any", "val": masts}, has(func(s ship) bool { return s.masts == masts })
	case 1:
		return object{"name": "ships__name", "op": "any", "val": word}, has(func(s ship) bool { return s.name == word })
	case 2:
		return object{"name": "ships__name", "op": "gt", "val": word}, has(func(s ship) bool { return s.name > word })
	case 3:
		return object{"name": "ships", "op": "any", "val": object{"name": "owner", "op": "has", "val": object{"name": "id", "op": "lt", "val": id}}},
			func(r row) bool { return len(r.ships) > 0 && r.id < id }
	case 4:
		either := []any{object{"name": "masts", "op": "eq", "val": masts}, object{"name": "name", "op": "eq", "val": word}}
		return object{"name": "ships", "op": "any", "val": object{"or": either}}, has(func(s ship) bool { return s.masts == masts || s.name == word })
	}
	pattern, match := g.anyPattern(words(), false)
	return object{"name": "ships", "op": "any", "val": object{"name": "name", "op": "like", "val": pattern}}, has(func(s ship) bool { return match(s.name) })
}

func (g generator) null() (object, func(row) bool) {
	null := g.IntN(2) == 0
	name := pick(g.Rand, []string{"nick", "big", "born"}) // null together
	return object{"name": name, "op": map[bool]string{true: "is_null", false: "is_not_null"}[null]}, func(r row) bool { return (r.nick == nil) == null }
}

// comparison is a filter with one of the six operators; order says how a row's value stands to the filter's, and whether
// there is any.
func comparison(g generator, name string, value any, order func(row) (int, bool)) (object, func(row) bool) {
	op := pick(g.Rand, []string{"eq", "ne", "gt", "lt", "ge", "le"})
	return object{"name": name, "op": op, "val": value}, func(r row) bool {
		c, known := order(r)
		return known && map[string]bool{"eq": c == 0, "ne": c != 0, "gt": c > 0, "lt": c < 0, "ge": c >= 0, "le": c <= 0}[op]
	}
}

// times are compared in any of their forms.
func (g generator) time() (object, func(row) bool) {
	at := moment(g.Rand)
	written := at.In(g.zone).Format(time.RFC3339)
	if naive := at.In(g.zone).Format("2006-01-02 15:04:05"); at.Hour() == 0 && g.IntN(2) == 0 { // shown twice, this being the first
		written = naive
	}
	return comparison(g, "born", written, func(r row) (int, bool) {
		if r.born == nil {
			return 0, false
		}
		return r.born.Compare(at), true
	})
}

func (g generator) list() (object, func(row) bool) {
	not := g.IntN(2) == 0
	op := map[bool]string{true: "not_in", false: "in"}[not]
	if g.IntN(2) == 0 {
		values := make([]int64, g.IntN(4))
		for i := range values {
			values[i] = pick(g.Rand, bigs())
		}
		return object{"name": "big", "op": op, "val": values}, func(r row) bool {
			if r.big == nil {
				return not && len(values) == 0
			}
			return slices.Contains(values, *r.big) != not
		}
	}
	values := make([]string, g.IntN(4))
	for i := range values {
		values[i] = pick(g.Rand, words())
	}
	name := pick(g.Rand, []string{"name", "nick"})
	return object{"name": name, "op": op, "val": values}, func(r row) bool {
		if name == "name" {
			return slices.Contains(values, r.name) != not
		}
		if r.nick == nil {
			return not && len(values) == 0
		}
		return slices.Contains(values, *r.nick) != not
	}
}

// columns are compared with each other.
func (g generator) columns() (object, func(row) bool) {
	var o object
	var test func(row) bool
	switch g.IntN(3) {
	case 0:
		o, test = comparison(g, "big", nil, func(r row) (int, bool) { return compare(r.big, &r.id) })
		o["field"] = "id"
	case 1:
		o, test = comparison(g, "name", "not this", func(r row) (int, bool) { return compare(&r.name, r.nick) })
		o["field"] = "nick"
	default:
		o, test = comparison(g, "nick", nil, func(r row) (int, bool) {
			kind := r.kind()
			return compare(r.nick, &kind)
		})
		o["field"] = "kind"
	}
	return o, test
}

func compare[T cmp.Ordered](a, b *T) (int, bool) {
	if a == nil || b == nil {
		return 0, false
	}
	return cmp.Compare(*a, *b), true
}

func (g generator) value() (object, func(row) bool) {
	word := pick(g.Rand, words())
	switch g.IntN(4) {
	case 0:
		value := pick(g.Rand, bigs())
		return comparison(g, "big", pick(g.Rand, []any{value, fmt.Sprint(value)}), func(r row) (int, bool) { return compare(r.big, &value) })
	case 1:
		return comparison(g, "nick", word, func(r row) (int, bool) { return compare(r.nick, &word) })
	case 2:
		return comparison(g, "kind", word, func(r row) (int, bool) { return cmp.Compare(r.kind(), word), true })
	}
	return comparison(g, "name", word, func(r row) (int, bool) { return cmp.Compare(r.name, word), true })
}

func (g generator) pattern(name string, from []string, text func(row) *string) (object, func(row) bool) {
	blind := g.IntN(2) == 0
	pattern, match := g.anyPattern(from, blind)
	return object{"name": name, "op": map[bool]string{true: "ilike", false: "like"}[blind], "val": pattern}, func(r row) bool {
		s := text(r)
		return s != nil && match(*s)
	}
}

// anyPattern makes a pattern of pieces of words, in which characters are themselves, escaped or replaced by wildcards.
func (g generator) anyPattern(from []string, blind bool) (string, func(string) bool) {
	var pattern strings.Builder
	for _, r := range pick(g.Rand, from) {
		switch g.IntN(5) {
		case 0:
			pattern.WriteString("_")
		case 1:
			pattern.WriteString("%")
		case 2:
			pattern.WriteString(`\` + string(r))
		default:
			pattern.WriteRune(r)
		}
	}
	if g.IntN(2) == 0 {
		pattern.WriteString("%")
	}
	return pattern.String(), func(s string) bool { return matches([]rune(pattern.String()), []rune(s), blind) }
}

// matches is LIKE, as simply as it can be said.
func matches(pattern, text []rune, blind bool) bool {
	if len(pattern) == 0 {
		return len(text) == 0
	}
	want := pattern[0]
	switch {
	case want == '%':
		return matches(pattern[1:], text, blind) || len(text) > 0 && matches(pattern, text[1:], blind)
	case len(text) == 0:
		return false
	case want == '_':
		return matches(pattern[1:], text[1:], blind)
	case want == '\\' && len(pattern) > 1:
		pattern = pattern[1:]
		want = pattern[0]
	}
	got := text[0]
	return (want == got || blind && unicode.ToLower(want) == unicode.ToLower(got)) && matches(pattern[1:], text[1:], blind)
}

type database struct {
	*sql.DB

	name    string
	options filter.Options
}

// both are SQLite and MariaDB with the same rows.
func both(t *testing.T, rows []row) []database {
	t.Helper()
	lite, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "crew.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Close() })
	server := storetest.Open(t, storetest.Shared(t).NewDatabase(t))
	fill(t, lite, false, rows)
	fill(t, server, true, rows)
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := filter.Options{Location: zone, Stamp: func(t time.Time) any { return stamp(t) }}
	glob := o
	glob.Glob = true
	return []database{{lite, "SQLite", glob}, {server, "MariaDB", o}}
}

// find returns the ids that a query finds, in a statement made of it.
func (db database) find(t *testing.T, text string, sqlOf func(filter.Query) string) []int64 {
	t.Helper()
	q, err := filter.Parse(text, crew(), db.options)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	query := sqlOf(q)
	rows, err := db.QueryContext(t.Context(), query, q.Args...)
	if err != nil {
		t.Fatalf("%s: %s: %s %v: %v", db.name, text, query, q.Args, err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %s: %v", db.name, text, err)
	}
	return ids
}

func filtered(q filter.Query) string {
	return "SELECT c.id FROM crew c WHERE " + q.Where + " ORDER BY c.id"
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFiltersAgree: Go, SQLite and MariaDB find the same rows by the same filters.
func TestFiltersAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := randomRows(r)
	databases := both(t, rows)
	g := generator{r, databases[0].options.Location}
	found, missed := 0, 0
	for range 4000 {
		condition, finds := g.any(1)
		text := encode(t, object{"filters": []any{condition}})
		var want []int64
		for _, row := range rows {
			if finds(row) {
				want = append(want, row.id)
			}
		}
		if len(want) > 0 {
			found++
		} else {
			missed++
		}
		for _, db := range databases {
			if got := db.find(t, text, filtered); !slices.Equal(got, want) {
				t.Fatalf("%s: %s\n got %v\nwant %v", db.name, text, got, want)
			}
		}
		if got := held(t, text, rows, databases[0].options); !slices.Equal(got, want) {
			t.Fatalf("Test.Holds: %s\n got %v\nwant %v", text, got, want)
		}
	}
	if found < 1000 || missed < 100 {
		t.Errorf("%d filters found something, %d nothing: they try too little", found, missed)
	}
}

// Value implements filter.Row.
func (r row) Value(field string) filter.Value {
	text := func(s *string) filter.Value {
		if s == nil {
			return filter.Value{Null: true}
		}
		return filter.Value{Text: []byte(*s)}
	}
	kind := r.kind()
	switch field {
	case "id":
		return filter.Value{Int: r.id}
	case "name":
		return text(&r.name)
	case "nick":
		return text(r.nick)
	case "kind":
		return text(&kind)
	case "active":
		return filter.Value{Int: number(r.active)}
	case "big":
		if r.big != nil {
			return filter.Value{Int: *r.big}
		}
	case "born":
		if r.born != nil {
			return filter.TimeValue(*r.born)
		}
	}
	return filter.Value{Null: true}
}

// Related implements filter.Row.
func (r row) Related(string) []filter.Row {
	var ships []filter.Row
	for _, s := range r.ships {
		ships = append(ships, owned{s, r})
	}
	return ships
}

// owned is a ship with its owner.
type owned struct {
	ship

	owner row
}

// Value implements filter.Row.
func (s owned) Value(field string) filter.Value {
	if field == "masts" {
		return filter.Value{Int: s.masts}
	}
	return filter.Value{Text: []byte(s.name)}
}

// Related implements filter.Row.
func (s owned) Related(string) []filter.Row { return []filter.Row{s.owner} }

// held are the ids of the rows of which a query holds in Go. What it says to be between is.
func held(t *testing.T, text string, rows []row, o filter.Options) []int64 {
	t.Helper()
	q, err := filter.Parse(text, crew(), o)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range rows {
		if !q.Test.Holds(r) {
			continue
		}
		ids = append(ids, r.id)
		for _, field := range []string{"id", "big", "born"} {
			least, most := q.Test.Between(field)
			if v := r.Value(field); !v.Null && (v.Int < least || v.Int > most) {
				t.Errorf("%s: %s is %d, and should be from %d to %d", text, field, v.Int, least, most)
			}
		}
	}
	return ids
}

// TestLettersAgree: ilike takes the same letters for the same, in all alphabets that have two cases and are in common use.
func TestLettersAgree(t *testing.T) {
	var rows []row
	var letters []rune
	for r := rune('!'); r < 0x0587; r++ {
		if r < 0x0220 || r >= 0x0386 && r <= 0x03CE || r >= 0x0400 && r <= 0x0481 || r >= 0x0531 {
			letters = append(letters, r)
			rows = append(rows, row{id: int64(r), name: string(r)})
		}
	}
	databases := both(t, rows)
	for _, letter := range letters {
		want := make([]int64, 0, 3)
		for _, other := range letters {
			if unicode.ToLower(other) == unicode.ToLower(letter) {
				want = append(want, int64(other))
			}
		}
		text := encode(t, object{"filters": []any{object{"name": "name", "op": "ilike", "val": `\` + string(letter)}}})
		for _, db := range databases {
			if got := db.find(t, text, filtered); !slices.Equal(got, want) {
				t.Errorf("%s: %c: %c, want %c", db.name, letter, got, want)
			}
		}
		if got := held(t, text, rows, databases[0].options); !slices.Equal(got, want) {
			t.Errorf("Test.Holds: %c: %c, want %c", letter, got, want)
		}
	}
}

// TestOrdersAgree: Go, SQLite and MariaDB sort in the same way, null first.
func TestOrdersAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	rows := randomRows(r)
	databases := both(t, rows)
	masts := func(r row) *int64 {
		if len(r.ships) == 0 {
			return nil
		}
		least := slices.MinFunc(r.ships, func(a, b ship) int { return cmp.Compare(a.masts, b.masts) }).masts
		return &least
	}
	fields := map[string]func(a, b row) int{
		"nick":         func(a, b row) int { return sorted(a.nick, b.nick) },
		"kind":         func(a, b row) int { return cmp.Compare(a.kind(), b.kind()) },
		"big":          func(a, b row) int { return sorted(a.big, b.big) },
		"active":       func(a, b row) int { return cmp.Compare(number(a.active), number(b.active)) },
		"ships__masts": func(a, b row) int { return sorted(masts(a), masts(b)) },
		"born": func(a, b row) int {
			if a.born == nil || b.born == nil {
				return cmp.Compare(number(a.born != nil), number(b.born != nil))
			}
			return a.born.Compare(*b.born)
		},
	}
	names := slices.Sorted(maps.Keys(fields))
	for range 300 {
		var orders []any
		var compares []func(a, b row) int
		computed := 0
		for range 1 + r.IntN(3) {
			name := pick(r, names)
			if name == "kind" || name == "ships__masts" {
				if computed++; computed > filter.MaxComputed {
					name = "big"
				}
			}
			if r.IntN(2) == 0 {
				orders, compares = append(orders, object{"field": name, "direction": "desc"}), append(compares, func(a, b row) int { return fields[name](b, a) })
			} else {
				orders, compares = append(orders, object{"field": name}), append(compares, fields[name])
			}
		}
		want := slices.Clone(rows) // in the order of their ids
		slices.SortStableFunc(want, func(a, b row) int {
			for _, compare := range compares {
				if c := compare(a, b); c != 0 {
					return c
				}
			}
			return 0
		})
		text := encode(t, object{"order_by": orders})
		for _, db := range databases {
			got := db.find(t, text, func(q filter.Query) string { return "SELECT c.id FROM crew c ORDER BY " + q.Order + ", c.id" })
			if !slices.EqualFunc(got, want, func(id int64, r row) bool { return id == r.id }) {
				t.Fatalf("%s: %s\n got %v\nwant %v", db.name, text, got, want)
			}
		}
	}
}

func sorted[T cmp.Ordered](a, b *T) int {
	if a == nil || b == nil {
		return cmp.Compare(number(a != nil), number(b != nil))
	}
	return cmp.Compare(*a, *b)
}

// TestGroupsAgree: Go, SQLite and MariaDB keep the same first row of each group.
func TestGroupsAgree(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(7, 8)))
	databases := both(t, rows)
	fields := map[string]func(row) string{
		"name":   func(r row) string { return r.name },
		"kind":   func(r row) string { return r.kind() },
		"active": func(r row) string { return fmt.Sprint(r.active) },
		"nick": func(r row) string {
			if r.nick == nil {
				return "null"
			}
			return "value " + *r.nick
		},
		"big": func(r row) string {
			if r.big == nil {
				return "null"
			}
			return fmt.Sprint(*r.big)
		},
	}
	for one, first := range fields {
		for other, second := range fields {
			var want []int64
			seen := make(map[[2]string]bool)
			for _, r := range rows {
				if key := [2]string{first(r), second(r)}; !seen[key] {
					seen[key] = true
					want = append(want, r.id)
				}
			}
			text := encode(t, object{"group_by": []any{object{"field": one}, object{"field": other}}})
			for _, db := range databases {
				got := db.find(t, text, func(q filter.Query) string {
					return "SELECT MIN(c.id) FROM crew c GROUP BY " + q.Group + " ORDER BY 1"
				})
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s\n got %v\nwant %v", db.name, text, got, want)
				}
			}
		}
	}
}

// TestWorstQueries: both databases carry out what is as long, as deep or as hard to match as the bounds allow.
func TestWorstQueries(t *testing.T) {
	rows := []row{{id: 1, name: strings.Repeat("a", 40), ships: []ship{{"x", 1}}}}
	databases := both(t, rows)
	deep := object{"name": "id", "op": "eq", "val": 1}
	for range filter.MaxDepth - 1 {
		deep = object{"or": []any{deep}}
	}
	chain := object{"name": "id", "op": "eq", "val": 1}
	for range (filter.MaxDepth - 1) / 2 {
		chain = object{"name": "ships", "op": "any", "val": object{"name": "owner", "op": "has", "val": chain}}
	}
	wild := strings.Repeat("%a", filter.MaxPattern/2-1) + "%b"
	both := []any{object{"name": "name", "op": "ilike", "val": wild}, object{"name": "name", "op": "like", "val": wild}}
	long := make([]string, filter.MaxElements)
	for i := range long {
		long[i] = "x" + fmt.Sprint(i)
	}
	many := make([]any, filter.MaxFilters)
	for i := range many {
		many[i] = object{"name": "id", "op": "ge", "val": 1}
	}
	for name, tt := range map[string]struct {
		filters []any
		finds   bool
	}{
		"deep": {[]any{deep}, true}, "chain": {[]any{chain}, true}, "many": {many, true}, "wild": {[]any{object{"or": both}}, false},
		"long":  {[]any{object{"name": "name", "op": "not_in", "val": long}}, true},
		"longs": {[]any{object{"name": "name", "op": "in", "val": long}}, false},
		"signs": {[]any{object{"name": "name", "op": "ilike", "val": strings.Repeat("K", filter.MaxPattern)}}, false},
		"stars": {[]any{object{"name": "name", "op": "ilike", "val": strings.Repeat("*", filter.MaxPattern)}}, false},
	} {
		text := encode(t, object{"filters": tt.filters})
		for _, db := range databases {
			if got := db.find(t, text, filtered); (len(got) == 1) != tt.finds {
				t.Errorf("%s: %s: %v", db.name, name, got)
			}
		}
	}
}

// TestIndexesServe: MariaDB looks up what is equal, or begins alike, in the index of a column.
func TestIndexesServe(t *testing.T) {
	var rows []row
	for i := range 500 {
		rows = append(rows, row{id: int64(i) + 1, name: fmt.Sprintf("name%03d", i)})
	}
	server := both(t, rows)[1]
	for _, statement := range []string{"CREATE INDEX by_name ON crew (name)", "ANALYZE TABLE crew"} {
		if _, err := server.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		`{"name":"name","op":"eq","val":"name007"}`:             "ref",
		`{"name":"name","op":"in","val":["name007","name008"]}`: "range",
		`{"name":"name","op":"like","val":"name00%"}`:           "range",
		`{"name":"name","op":"like","val":"%7"}`:                "ALL",
		`{"name":"name","op":"ne","val":"name007"}`:             "ALL",
	} {
		q, err := filter.Parse(`{"filters":[`+text+`]}`, crew(), server.options)
		if err != nil {
			t.Fatal(err)
		}
		var id, kind, table, access, possible, key, length, ref, estimate, extra sql.NullString
		err = server.QueryRowContext(t.Context(), "EXPLAIN SELECT * FROM crew c WHERE "+q.Where, q.Args...).
			Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &estimate, &extra)
		if err != nil || access.String != want {
			t.Errorf("%s: %s, %v; want %s", text, access.String, err, want)
		}
	}
}
