package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"talktime/filter"
)

// people have pets, and a pet has one owner.
func people() *filter.Table {
	person := &filter.Table{Fields: map[string]filter.Field{
		"id":     {SQL: "p.id", Kind: filter.Int},
		"name":   {SQL: "p.name"},
		"nick":   {SQL: "p.nick"},
		"age":    {SQL: "p.age", Kind: filter.Int},
		"active": {SQL: "p.active", Kind: filter.Bool},
		"born":   {SQL: "p.born", Kind: filter.Time},
		"debt": {SQL: "p.age * 100", Kind: filter.Other, Convert: func(v any) (any, error) {
			if v != json.Number("0.5") && v != "0.5" {
				return nil, errors.New("only 0.5")
			}
			return int64(50), nil
		}},
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

func options() filter.Options {
	return filter.Options{
		Now: time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC), Location: time.FixedZone("", 3600), Layouts: []string{"15:04:05 02/01/2006"},
		Stamp: func(t time.Time) any { return t.UTC().Format(time.DateTime) },
	}
}

func TestSQL(t *testing.T) {
	for _, test := range []struct{ query, where, args string }{
		{`{}`, ``, `[]`},
		{`{"filters":[]}`, ``, `[]`},
		{`{"filters":[{"name":"name","op":"==","val":"x"}]}`, `((p.name = ?))`, `[x]`},
		{`{"filters":[{"name":"age","op":"gt","val":"007"}]}`, `((p.age > ?))`, `[7]`},
		{`{"filters":[{"name":"age","op":"gt","field":"id","val":9}]}`, `((p.age > p.id))`, `[]`},
		{
			`{"filters":[{"or":[{"name":"age","op":"lt","val":1},{"and":[{"name":"age","op":"gt","val":2},{"name":"nick","op":"is_null"}]}]}]}`,
			`(((p.age < ?) OR ((p.age > ?) AND (p.nick IS NULL))))`, `[1 2]`,
		},
		{
			`{"filters":[{"name":"age","op":"in","val":[1,"2"]},{"name":"name","op":"not_in","val":["a"]}]}`,
			`((p.age IN (?,?)) AND (p.name NOT IN (?)))`, `[1 2 a]`,
		},
		{`{"filters":[{"name":"age","op":"in","val":[]},{"name":"name","op":"not_in","val":[]}]}`, `((1 = 0) AND (1 = 1))`, `[]`},
		{`{"filters":[{"name":"name","op":"like","val":"a%b_c!\\%"}]}`, `((p.name LIKE ? ESCAPE '!'))`, `[a%b_c!!!%]`},
		{`{"filters":[{"name":"name","op":"ilike","val":"ÄB%"}]}`, `((LOWER(p.name) LIKE ? ESCAPE '!'))`, `[äb%]`},
		{`{"filters":[{"name":"active","op":"eq","val":true},{"name":"active","op":"ne","val":"false"}]}`, `((p.active = ?) AND (p.active <> ?))`, `[1 0]`},
		{`{"filters":[{"name":"debt","op":"eq","val":0.5}]}`, `((p.age * 100 = ?))`, `[50]`},
		{
			`{"filters":[{"name":"born","op":"in","val":["2027-01-02","2027-01-02T03:04:05Z","2027-01-02 03:04:05","00:30:00 31/12/2026"]}]}`,
			`((p.born IN (?,?,?,?)))`, `[2027-01-01 23:00:00 2027-01-02 03:04:05 2027-01-02 02:04:05 2026-12-30 23:30:00]`,
		},
		{
			`{"filters":[{"name":"born","op":"lt","val":"current_timestamp"},{"or":[{"name":"born","op":"ge","val":"CURRENT_DATE"}]}]}`,
			`((p.born < ?) AND ((p.born >= ?)))`, `[2027-03-04 05:06:07 2027-03-03 23:00:00]`,
		},
		{`{"filters":[{"name":"pets__name","op":"any","val":"rex"}]}`, `(EXISTS (SELECT 1 FROM pets t WHERE t.owner_id = p.id AND (t.name = ?)))`, `[rex]`},
		{`{"filters":[{"name":"pets","op":"any","val":{"name":"legs","op":"ge","val":4}}]}`, `(EXISTS (SELECT 1 FROM pets t WHERE t.owner_id = p.id AND (t.legs >= ?)))`, `[4]`},
		{`{"filters":[{"name":"pets__legs","op":"ge","val":4}]}`, `(EXISTS (SELECT 1 FROM pets t WHERE t.owner_id = p.id AND (t.legs >= ?)))`, `[4]`},
		{
			`{"filters":[{"name":"pets","op":"any","val":{"name":"owner__age","op":"has","val":4}}]}`,
			`(EXISTS (SELECT 1 FROM pets t WHERE t.owner_id = p.id AND EXISTS (SELECT 1 FROM people p WHERE p.id = t.owner_id AND (p.age = ?))))`, `[4]`,
		},
	} {
		q, err := filter.Parse(test.query, people(), options())
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		if q.Where != test.where || fmt.Sprint(q.Args) != test.args {
			t.Errorf("%s\n got %s %v\nwant %s %s", test.query, q.Where, q.Args, test.where, test.args)
		}
	}
	glob := options()
	glob.Glob = true
	q, err := filter.Parse(`{"filters":[{"name":"name","op":"like","val":"a*%[_]?\\_"}]}`, people(), glob)
	if err != nil || q.Where != "((p.name GLOB ?))" || fmt.Sprint(q.Args) != "[a[*]*[[]?][?]_]" {
		t.Errorf("GLOB: %s %v, %v", q.Where, q.Args, err)
	}
}

func TestSpellings(t *testing.T) {
	for sql, spellings := range map[string]string{
		"=":  "== eq equals equal_to equals_to",
		"<>": "!= ne neq not_equal_to does_not_equal",
		">":  "> gt", "<": "< lt", ">=": ">= ge gte geq", "<=": "<= le lte leq",
	} {
		for spelling := range strings.FieldsSeq(spellings) {
			q, err := filter.Parse(fmt.Sprintf(`{"filters":[{"name":"age","op":%q,"val":1}]}`, spelling), people(), options())
			if want := "((p.age " + sql + " ?))"; err != nil || q.Where != want {
				t.Errorf("%s: %s, %v; want %s", spelling, q.Where, err, want)
			}
		}
	}
}

func TestTheRest(t *testing.T) {
	q, err := filter.Parse(`{"order_by":[{"field":"name"},{"field":"pets__legs","direction":"desc"}],"group_by":[{"field":"age"},{"field":"active"}],
		"limit":3,"offset":4,"single":1}`, people(), options())
	if err != nil {
		t.Fatal(err)
	}
	want := filter.Query{
		Order: "p.name, (SELECT MIN(t.legs) FROM pets t WHERE t.owner_id = p.id) DESC", Group: "p.age, p.active", Limit: 3, Offset: 4, Single: true,
	}
	if fmt.Sprint(q) != fmt.Sprint(want) {
		t.Errorf("got %+v\nwant %+v", q, want)
	}
}

func TestMistakes(t *testing.T) {
	many := func(n int, filter string) string { return strings.TrimSuffix(strings.Repeat(filter+",", n), ",") }
	deep := func(n int) string {
		return `{"filters":[` + strings.Repeat(`{"or":[`, n) + `{"name":"age","op":"eq","val":1}` + strings.Repeat(`]}`, n) + `]}`
	}
	for _, text := range []string{"", "{", "nonsense", `{} {}`, `{"filters":[}`} {
		if _, err := filter.Parse(text, people(), options()); !errors.Is(err, filter.ErrText) {
			t.Errorf("%q: %v, want ErrText", text, err)
		}
	}
	const fine = `{"name":"age","op":"eq","val":1}`
	for _, text := range []string{
		`[]`, `7`, `"x"`, `null`,
		`{"filters":{}}`, `{"filters":[7]}`, `{"filters":[{}]}`, `{"filters":[{"or":[]}]}`, `{"filters":[{"and":[]}]}`, `{"filters":[{"or":{}}]}`,
		`{"filters":[{"or":[` + fine + `],"and":[` + fine + `]}]}`,
		`{"filters":[{"name":"password","op":"eq","val":"x"}]}`, `{"filters":[{"name":"age","op":"asc"}]}`, `{"filters":[{"name":"age","op":"EQ","val":1}]}`,
		`{"filters":[{"name":"age","op":"eq"}]}`, `{"filters":[{"name":"age","op":"eq","val":null}]}`, `{"filters":[{"name":"age","op":"eq","val":[1]}]}`,
		`{"filters":[{"name":"age","op":"eq","val":1.5}]}`, `{"filters":[{"name":"age","op":"eq","val":"x"}]}`, `{"filters":[{"name":"age","op":"eq","val":true}]}`,
		`{"filters":[{"name":"age","op":"eq","val":9223372036854775808}]}`, `{"filters":[{"name":"active","op":"eq","val":2}]}`,
		`{"filters":[{"name":"age","op":"in","val":1}]}`, `{"filters":[{"name":"age","op":"in","val":[null]}]}`,
		`{"filters":[{"name":"age","op":"in","val":[` + many(filter.MaxElements+1, "1") + `]}]}`,
		`{"filters":[{"name":"age","op":"like","val":"1%"}]}`, `{"filters":[{"name":"name","op":"like","val":7}]}`,
		`{"filters":[{"name":"age","op":"gt","field":"name"}]}`, `{"filters":[{"name":"age","op":"gt","field":"password"}]}`, `{"filters":[{"name":"age","op":"gt","field":7}]}`,
		`{"filters":[{"name":"born","op":"eq","val":""}]}`, `{"filters":[{"name":"born","op":"eq","val":"99:00:00 01/01/2027"}]}`,
		`{"filters":[{"name":"born","op":"eq","val":"2027-02-31"}]}`, `{"filters":[{"name":"born","op":"eq","val":7}]}`, `{"filters":[{"name":"debt","op":"eq","val":1}]}`,
		`{"filters":[{"name":"pets","op":"has","val":{"name":"legs","op":"eq","val":4}}]}`, `{"filters":[{"name":"pets","op":"any","val":4}]}`,
		`{"filters":[{"name":"pets__password","op":"any","val":"x"}]}`, `{"filters":[{"name":"cars__name","op":"any","val":"x"}]}`,
		`{"filters":[{"name":"cars__name","op":"eq","val":"x"}]}`, `{"filters":[{"name":"pets__legs","op":"any","val":null}]}`,
		`{"filters":[` + many(filter.MaxFilters+1, fine) + `]}`, deep(filter.MaxDepth),
		`{"order_by":{}}`, `{"order_by":["name"]}`, `{"order_by":[{"field":"password"}]}`, `{"order_by":[{"field":"name","direction":"up"}]}`,
		`{"order_by":[{"field":"cars__name"}]}`, `{"order_by":[` + many(11, `{"field":"name"}`) + `]}`,
		`{"group_by":[{"field":"password"}]}`, `{"group_by":7}`, `{"group_by":[7]}`,
		`{"limit":-1}`, `{"limit":"x"}`, `{"limit":1.5}`, `{"offset":-1}`, `{"offset":true}`,
		`{"filters":[{"name":"name","op":"eq","val":"` + strings.Repeat("x", filter.MaxText) + `"}]}`,
	} {
		if q, err := filter.Parse(text, people(), options()); !errors.Is(err, filter.ErrQuery) {
			t.Errorf("%.100s: %q, %v; want ErrQuery", text, q.Where, err)
		}
	}
	for _, text := range []string{deep(filter.MaxDepth - 1), `{"filters":[` + many(filter.MaxFilters, fine) + `]}`, `{"filters":null,"limit":0,"offset":null}`} {
		if _, err := filter.Parse(text, people(), options()); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// FuzzParse: whatever a client sends, no text of his gets into the SQL.
func FuzzParse(f *testing.F) {
	f.Add(`{"filters":[{"or":[{"name":"name","op":"like","val":"'; DROP"},{"name":"pets__legs","op":"any","val":4}]}],"order_by":[{"field":"age","direction":"desc"}]}`)
	f.Add(`{"filters":[{"name":"pets","op":"any","val":{"name":"owner","op":"has","val":{"name":"born","op":"in","val":["2027-01-01"]}}}],"group_by":[{"field":"age"}],"single":true}`)
	words := strings.NewReplacer("p.", "", "t.", "")
	known := map[string]bool{"": true}
	for word := range strings.FieldsSeq(`id name nick age active born legs owner_id people pets p t SELECT 1 0 100 FROM WHERE EXISTS AND OR IN NOT IS NULL LIKE
		ESCAPE '!' LOWER MIN DESC ? = <> < > <= >= * `) {
		known[word] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := filter.Parse(text, people(), options())
		if err != nil {
			if !errors.Is(err, filter.ErrText) && !errors.Is(err, filter.ErrQuery) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if strings.Count(q.Where, "?") != len(q.Args) {
			t.Errorf("%q: %s with %d values", text, q.Where, len(q.Args))
		}
		for word := range strings.FieldsFuncSeq(words.Replace(q.Where+" "+q.Order+" "+q.Group), func(r rune) bool { return strings.ContainsRune(" (),", r) }) {
			if !known[word] {
				t.Errorf("%q: %q is in the SQL %s %s %s", text, word, q.Where, q.Order, q.Group)
			}
		}
	})
}
