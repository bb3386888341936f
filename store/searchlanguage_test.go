package store_test

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/glebarez/go-sqlite"

	"talktime/filter"
	"talktime/store/storetest"
)

// people have pets, and a pet has one owner.
func people() *filter.Table {
	person := &filter.Table{Fields: map[string]filter.Field{
		"id":     {SQL: "p.id", Kind: filter.Int},
		"name":   {SQL: "p.name"},
		"nick":   {SQL: "p.nick"},
		"age":    {SQL: "p.age", Kind: filter.Int},
		"active": {SQL: "p.active", Kind: filter.Bool},
	}}
	pet := &filter.Table{Fields: map[string]filter.Field{
		"name": {SQL: "t.name"},
		"legs": {SQL: "t.legs", Kind: filter.Int},
	}, Relations: map[string]filter.Relation{
		"owner": {Table: person, From: "people p", On: "p.id = t.owner_id"},
	}}
	person.Relations = map[string]filter.Relation{
		"pets": {Many: true, Table: pet, From: "pets t", On: "t.owner_id = p.id"},
	}
	return person
}

type person struct {
	id, age int64
	name    string
	nick    *string
	active  bool
	pets    []pet
}

type pet struct {
	name string
	legs int64
}

var names = []string{"ann", "Ann", "bob", "a_b", "a%b", "a!b", "a*c", "[x]", `b\c`, "b?"}

// randomPeople makes people at random.
func randomPeople(r *rand.Rand) []person {
	var all []person
	for id := range int64(40) {
		p := person{id: id + 1, age: r.Int64N(5), name: names[r.IntN(len(names))], active: r.IntN(2) == 0}
		if r.IntN(3) > 0 {
			p.nick = &names[r.IntN(len(names))]
		}
		for range r.IntN(3) {
			p.pets = append(p.pets, pet{names[r.IntN(len(names))], r.Int64N(5)})
		}
		all = append(all, p)
	}
	return all
}

func fill(t *testing.T, db *sql.DB, engine string, everybody []person) {
	t.Helper()
	exec := func(query string, args ...any) {
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec("CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, nick VARCHAR(40), age BIGINT, active BOOLEAN, born DATETIME)" + engine)
	exec("CREATE TABLE pets (owner_id BIGINT, name VARCHAR(40), legs BIGINT)" + engine)
	for _, p := range everybody {
		exec("INSERT INTO people (id, name, nick, age, active) VALUES (?, ?, ?, ?, ?)", p.id, p.name, p.nick, p.age, p.active)
		for _, pet := range p.pets {
			exec("INSERT INTO pets VALUES (?, ?, ?)", p.id, pet.name, pet.legs)
		}
	}
}

type object = map[string]any

// anyFilter makes a filter at random, and says in Go whom it finds. Three values: true, false, and unknown (nil).
func anyFilter(r *rand.Rand, depth int) (object, func(person) *bool) {
	yes := func(b bool) *bool { return &b }
	switch kind := r.IntN(9); {
	case kind < 2 && depth < 3:
		word := []string{"and", "or"}[r.IntN(2)]
		var parts []any
		var tests []func(person) *bool
		for range 1 + r.IntN(3) {
			part, test := anyFilter(r, depth+1)
			parts, tests = append(parts, part), append(tests, test)
		}
		return object{word: parts}, func(p person) *bool {
			result := yes(word == "and")
			for _, test := range tests {
				switch got := test(p); {
				case got != nil && *got == (word == "or"):
					return got
				case got == nil:
					result = nil
				}
			}
			return result
		}
	case kind == 2:
		test, value := r.IntN(2) == 0, r.Int64N(5)
		if test {
			return object{"name": "pets__legs", "op": "any", "val": value}, func(p person) *bool {
				return yes(slices.ContainsFunc(p.pets, func(x pet) bool { return x.legs == value }))
			}
		}
		pattern, match := anyPattern(r, false)
		return object{"name": "pets", "op": "any", "val": object{"name": "name", "op": "like", "val": pattern}}, func(p person) *bool {
			return yes(slices.ContainsFunc(p.pets, func(x pet) bool { return match(x.name) }))
		}
	case kind == 3:
		null := r.IntN(2) == 0
		return object{"name": "nick", "op": map[bool]string{true: "is_null", false: "is_not_null"}[null]},
			func(p person) *bool { return yes((p.nick == nil) == null) }
	case kind == 4:
		small := r.IntN(2) == 0
		pattern, match := anyPattern(r, small)
		return object{"name": "nick", "op": map[bool]string{true: "ilike", false: "like"}[small], "val": pattern}, func(p person) *bool {
			if p.nick == nil {
				return nil
			}
			return yes(match(*p.nick))
		}
	case kind == 5:
		value := r.IntN(2) == 0
		return object{"name": "active", "op": "eq", "val": value}, func(p person) *bool { return yes(p.active == value) }
	case kind == 6:
		not := r.IntN(2) == 0
		values := names[:r.IntN(len(names))]
		return object{"name": "nick", "op": map[bool]string{true: "not_in", false: "in"}[not], "val": values}, func(p person) *bool {
			if p.nick == nil && len(values) > 0 {
				return nil
			}
			return yes(p.nick != nil && slices.Contains(values, *p.nick) != not || p.nick == nil && not)
		}
	}
	op := []string{"eq", "ne", "gt", "lt", "ge", "le"}[r.IntN(6)]
	holds := func(c int) *bool {
		return yes(map[string]bool{"eq": c == 0, "ne": c != 0, "gt": c > 0, "lt": c < 0, "ge": c >= 0, "le": c <= 0}[op])
	}
	switch r.IntN(3) {
	case 0:
		return object{"name": "age", "op": op, "field": "id"}, func(p person) *bool { return holds(cmp.Compare(p.age, p.id)) }
	case 1:
		value := r.Int64N(5)
		return object{"name": "age", "op": op, "val": fmt.Sprint(value)}, func(p person) *bool { return holds(cmp.Compare(p.age, value)) }
	}
	value := names[r.IntN(len(names))]
	return object{"name": "nick", "op": op, "val": value}, func(p person) *bool {
		if p.nick == nil {
			return nil
		}
		return holds(strings.Compare(*p.nick, value))
	}
}

// anyPattern makes a pattern of at most one wildcard at each end, some of it escaped.
func anyPattern(r *rand.Rand, small bool) (string, func(string) bool) {
	word := names[r.IntN(len(names))]
	word = word[:1+r.IntN(len(word))]
	pattern := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(word)
	fold := func(s string) string { return s }
	if small {
		fold = strings.ToLower
	}
	switch r.IntN(4) {
	case 0:
		return "%" + pattern + "%", func(s string) bool { return strings.Contains(fold(s), fold(word)) }
	case 1:
		return pattern + "%", func(s string) bool { return strings.HasPrefix(fold(s), fold(word)) }
	case 2:
		return pattern + "_", func(s string) bool { return strings.HasPrefix(fold(s), fold(word)) && len(s) == len(word)+1 }
	}
	return pattern, func(s string) bool { return fold(s) == fold(word) }
}

// TestSearchLanguage: Go, SQLite and MariaDB find the same people by the same filters.
func TestSearchLanguage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	everybody := randomPeople(r)
	lite, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "people.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	fill(t, lite, "", everybody)
	server := storetest.Open(t, storetest.Shared(t).NewDatabase(t))
	fill(t, server, " CHARSET=utf8mb4 COLLATE=utf8mb4_bin", everybody)

	for range 2000 {
		condition, finds := anyFilter(r, 1)
		text, err := json.Marshal(object{"filters": []any{condition}})
		if err != nil {
			t.Fatal(err)
		}
		var want []int64
		for _, p := range everybody {
			if found := finds(p); found != nil && *found {
				want = append(want, p.id)
			}
		}
		for name, db := range map[string]*sql.DB{"SQLite": lite, "MariaDB": server} {
			o := filter.Options{Glob: name == "SQLite"}
			q, err := filter.Parse(string(text), people(), o)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if got := ids(t, db, q); !slices.Equal(got, want) {
				t.Errorf("%s: %s\n%s %v\n got %v\nwant %v", name, text, q.Where, q.Args, got, want)
			}
		}
		if t.Failed() {
			return
		}
	}
}

func ids(t *testing.T, db *sql.DB, q filter.Query) []int64 {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT p.id FROM people p WHERE "+q.Where+" ORDER BY p.id", q.Args...)
	if err != nil {
		t.Fatalf("%s: %v", q.Where, err)
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
