package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/filter"
)

// people have pets, and a pet has one owner.
func people() *filter.Table {
	person := &filter.Table{Fields: map[string]filter.Field{
		"id":     {SQL: "p.id", Kind: filter.Int},
		"name":   {SQL: "p.name"},
		"nick":   {SQL: "p.nick"},
		"title":  {SQL: "UPPER(p.name)"},
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
		{`{"filters":[{"name":"name","op":"==","val":"x"}]}`, `((p.name = ? AND CAST(p.name AS BINARY) = ?))`, `[x x]`},
		{`{"filters":[{"name":"name","op":"eq","val":"ä"}]}`, `((CAST(p.name AS BINARY) = ?))`, `[ä]`},
		{
			`{"filters":[{"name":"name","op":"lt","val":"x"},{"name":"name","op":"ne","val":7}]}`,
			`((CAST(p.name AS BINARY) < ?) AND (CAST(p.name AS BINARY) <> ?))`, `[x 7]`,
		},
		{`{"filters":[{"name":"name","op":"in","val":["x","y"]}]}`, `((p.name IN (?,?) AND CAST(p.name AS BINARY) IN (?,?)))`, `[x y x y]`},
		{`{"filters":[{"name":"title","op":"eq","val":"x"}]}`, `((CAST(UPPER(p.name) AS BINARY) = ?))`, `[x]`},
		{`{"filters":[{"name":"name","op":"ne","field":"nick"}]}`, `((CAST(p.name AS BINARY) <> CAST(p.nick AS BINARY)))`, `[]`},
		{`{"filters":[{"name":"age","op":"gt","val":"007"}]}`, `((p.age > ?))`, `[7]`},
		{`{"filters":[{"name":"age","op":"gt","field":"id","val":9}]}`, `((p.age > p.id))`, `[]`},
		{
			`{"filters":[{"or":[{"name":"age","op":"lt","val":1},{"and":[{"name":"age","op":"gt","val":2},{"name":"nick","op":"is_null"}]}]}]}`,
			`(((p.age < ?) OR ((p.age > ?) AND (p.nick IS NULL))))`, `[1 2]`,
		},
		{
			`{"filters":[{"name":"age","op":"in","val":[1,"2"]},{"name":"name","op":"not_in","val":["a"]}]}`,
			`((p.age IN (?,?)) AND (CAST(p.name AS BINARY) NOT IN (?)))`, `[1 2 a]`,
		},
		{`{"filters":[{"name":"age","op":"in","val":[]},{"name":"name","op":"not_in","val":[]}]}`, `((1 = 0) AND (1 = 1))`, `[]`},
		{`{"filters":[{"name":"name","op":"like","val":"a%b_c!\\%"}]}`, `((p.name LIKE ? ESCAPE '!' AND CONVERT(p.name USING utf8mb4) COLLATE utf8mb4_bin LIKE ? ESCAPE '!'))`, `[a%b_c!!!% a%b_c!!!%]`},
		{
			`{"filters":[{"name":"name","op":"like","val":"%a"},{"name":"name","op":"like","val":"ä"}]}`,
			`((CONVERT(p.name USING utf8mb4) COLLATE utf8mb4_bin LIKE ? ESCAPE '!') AND (CONVERT(p.name USING utf8mb4) COLLATE utf8mb4_bin LIKE ? ESCAPE '!'))`, `[%a ä]`,
		},
		{`{"filters":[{"name":"name","op":"ilike","val":"ÄB%"}]}`, `((LOWER(CONVERT(p.name USING utf8mb4) COLLATE utf8mb4_bin) LIKE ? ESCAPE '!'))`, `[äb%]`},
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
		{`{"filters":[{"name":"pets__name","op":"any","val":"rex"}]}`, `(EXISTS (SELECT 1 FROM pets t WHERE t.owner_id = p.id AND (t.name = ? AND CAST(t.name AS BINARY) = ?)))`, `[rex rex]`},
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
}

func TestSQLite(t *testing.T) {
	glob := options()
	glob.Glob = true
	for _, test := range []struct{ filter, where, args string }{
		{`{"name":"name","op":"eq","val":"x"}`, `((p.name = ?))`, `[x]`},
		{`{"name":"name","op":"like","val":"a*%[_]?\\_"}`, `((p.name GLOB ?))`, `[a[*]*[[]?][?]_]`},
		{`{"name":"name","op":"ilike","val":"aK*%_äΣ1i"}`, `((p.name GLOB ?))`, `[[aA][k` + "\u212a" + `K][*]*?[äÄ][σΣ]1[iIİ]]`},
	} {
		q, err := filter.Parse(`{"filters":[`+test.filter+`]}`, people(), glob)
		if err != nil || q.Where != test.where || fmt.Sprint(q.Args) != test.args {
			t.Errorf("%s\n got %s %v, %v\nwant %s %s", test.filter, q.Where, q.Args, err, test.where, test.args)
		}
	}
	q, err := filter.Parse(`{"order_by":[{"field":"title"}],"group_by":[{"field":"name"}]}`, people(), glob)
	if err != nil || q.Order != "UPPER(p.name)" || q.Group != "p.name" {
		t.Errorf("%q %q %v", q.Order, q.Group, err)
	}
}

func TestSpellings(t *testing.T) {
	for sql, spellings := range map[string]string{
		"((p.age = ?))": "== eq equals equal_to equals_to", "((p.age <> ?))": "!= ne neq not_equal_to does_not_equal",
		"((p.age > ?))": "> gt", "((p.age < ?))": "< lt", "((p.age >= ?))": ">= ge gte geq", "((p.age <= ?))": "<= le lte leq",
		"((p.age IS NULL))": "is_null", "((p.age IS NOT NULL))": "is_not_null",
	} {
		for spelling := range strings.FieldsSeq(spellings) {
			q, err := filter.Parse(fmt.Sprintf(`{"filters":[{"name":"age","op":%q,"val":1}]}`, spelling), people(), options())
			if err != nil || q.Where != sql {
				t.Errorf("%s: %s, %v; want %s", spelling, q.Where, err, sql)
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
		Ordered: []filter.Order{{Field: "name"}, {Field: "pets__legs", Desc: true}}, Grouped: []string{"age", "active"},
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for text, want := range map[string]bool{
		"null": false, "false": false, "0": false, "0.0": false, `""`: false, "[]": false, "{}": false,
		"true": true, "1": true, `"false"`: true, "[0]": true, `{"a":0}`: true, "1e999": true,
	} {
		q, err := filter.Parse(`{"single":`+text+`}`, people(), options())
		if err != nil || q.Single != want {
			t.Errorf("single %s: %v, %v", text, q.Single, err)
		}
	}
	q, err = filter.Parse(`{"order_by":[{"field":"title"},{"field":"pets__name"}],"group_by":[{"field":"name"}]}`, people(), options())
	if want := "CAST(UPPER(p.name) AS BINARY), (SELECT MIN(t.name) FROM pets t WHERE t.owner_id = p.id)"; err != nil || q.Order != want ||
		q.Group != "CAST(p.name AS BINARY)" {
		t.Errorf("%q %q %v", q.Order, q.Group, err)
	}
}

// TestTimes: what clocks leave out, show twice, or cannot show.
func TestTimes(t *testing.T) {
	o := options()
	var err error
	if o.Location, err = time.LoadLocation("Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2027-01-02T03:04":              "2027-01-02 02:04:00",
		"2027-07-02T03:04":              "2027-07-02 01:04:00",
		"2027-07-02 03:04:05.5":         "2027-07-02 01:04:05",
		"2027-03-28T01:59:59":           "2027-03-28 00:59:59",
		"2027-03-28T02:30:00":           "2027-03-28 01:30:00", // there is none; 03:30
		"2027-03-28T03:00:00":           "2027-03-28 01:00:00",
		"2027-10-31T01:59:59":           "2027-10-30 23:59:59",
		"2027-10-31T02:30:00":           "2027-10-31 00:30:00", // the first of two
		"2027-10-31T03:00:00":           "2027-10-31 02:00:00",
		"2027-10-31T02:30:00+01:00":     "2027-10-31 01:30:00",
		"2027-10-31T02:30:00+0100":      "2027-10-31 01:30:00",
		"2027-10-31 02:30:00Z":          "2027-10-31 02:30:00",
		" 2027-10-31 ":                  "2027-10-30 22:00:00",
		"02:30:00 28/03/2027":           "2027-03-28 01:30:00",
		"CURRENT_DATE":                  "2027-03-03 23:00:00",
		"LOCALTIMESTAMP":                "2027-03-04 05:06:07",
		"9999-12-31T23:59:59-01:00":     "",
		"0000-05-05T00:00:00Z":          "",
		"0001-01-01T00:00:00+05:00":     "",
		"99:00:00 01/01/2027":           "",
		"00:00:00 31/02/2027":           "",
		"2027-02-29":                    "",
		"2027-10-31T02:30:00 Nowhere/X": "",
	} {
		q, err := filter.Parse(fmt.Sprintf(`{"filters":[{"or":[{"name":"born","op":"in","val":[%q]}]}]}`, text), people(), o)
		if want == "" {
			if !errors.Is(err, filter.ErrQuery) {
				t.Errorf("%s: %v, %v", text, q.Args, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(q.Args) != "["+want+"]" {
			t.Errorf("%s: %v, %v; want %s", text, q.Args, err, want)
		}
	}
	q, err := filter.Parse(`{"filters":[{"name":"born","op":"eq","val":"2027-01-02T03:04:05"}]}`, people(), filter.Options{})
	if err != nil || len(q.Args) != 1 || q.Args[0] != time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC) {
		t.Errorf("without options: %v, %v", q.Args, err)
	}
}

func TestAnd(t *testing.T) {
	either, err := filter.Parse(`{"filters":[{"or":[{"name":"age","op":"eq","val":1},{"name":"age","op":"ge","val":0}]}]}`, people(), options())
	if err != nil {
		t.Fatal(err)
	}
	owner := filter.Eq(people().Fields["id"], 7)
	one, another := either.And(owner), either.And(filter.Condition{SQL: "1 = ? OR 1 = ?", Args: []any{8, 9}}, owner)
	if want := "((((p.age = ?) OR (p.age >= ?))) AND ((p.id = ?)))"; one.Where != want || fmt.Sprint(one.Args) != "[1 0 7]" {
		t.Errorf("%s %v", one.Where, one.Args)
	}
	if want := "(((((p.age = ?) OR (p.age >= ?))) AND (1 = ? OR 1 = ?)) AND ((p.id = ?)))"; another.Where != want || fmt.Sprint(another.Args) != "[1 0 8 9 7]" {
		t.Errorf("%s %v\nwant %s", another.Where, another.Args, want)
	}
	if len(either.Args) != 2 || either.Filters != 2 {
		t.Errorf("the first query changed: %+v", either)
	}
	if q := (filter.Query{}).And(owner); q.Where != "((p.id = ?))" || fmt.Sprint(q.Args) != "[7]" {
		t.Errorf("%s %v", q.Where, q.Args)
	}
}

func TestOnly(t *testing.T) {
	for _, test := range []struct {
		query, fields string
		want          bool
	}{
		{`{}`, "", true},
		{`{"limit":1}`, "", true},
		{`{"filters":[{"name":"age","op":"eq","val":1},{"or":[{"name":"id","op":"gt","field":"age"}]}]}`, "id age", true},
		{`{"filters":[{"name":"age","op":"eq","val":1},{"or":[{"name":"id","op":"gt","field":"age"}]}]}`, "id", false},
		{`{"filters":[{"name":"id","op":"is_null"}]}`, "id", true},
		{`{"filters":[{"name":"pets__legs","op":"any","val":1}]}`, "legs", false},
		{`{"filters":[{"name":"pets","op":"any","val":{"name":"owner__id","op":"has","val":1}}]}`, "pets__owner__id", true},
		{`{"order_by":[{"field":"id","direction":"desc"}]}`, "id", true},
		{`{"order_by":[{"field":"id"},{"field":"age"}]}`, "id", false},
		{`{"group_by":[{"field":"age"}]}`, "id", false},
	} {
		q, err := filter.Parse(test.query, people(), options())
		if err != nil || q.Only(strings.Fields(test.fields)...) != test.want {
			t.Errorf("%s on %s: not %v; %v", test.query, test.fields, test.want, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	many := func(n int, filter string) string { return strings.TrimSuffix(strings.Repeat(filter+",", n), ",") }
	deep := func(n int) string {
		return `{"filters":[` + strings.Repeat(`{"or":[`, n) + `{"name":"age","op":"eq","val":1}` + strings.Repeat(`]}`, n) + `]}`
	}
	for _, text := range []string{"", "{", "nonsense", `{} {}`, `{"filters":[}`} {
		_, err := filter.Parse(text, people(), options())
		var mistake *filter.Error
		if !errors.Is(err, filter.ErrText) || !errors.As(err, &mistake) || mistake.Message() != "Unable to decode data" {
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
		`{"filters":[{"name":"name","op":"like","val":"` + strings.Repeat("ä", filter.MaxPattern+1) + `"}]}`, `{"filters":[{"name":"name","op":"like","val":"a\u0000"}]}`,
		`{"filters":[{"name":"name","op":"in","field":"nick"}]}`, `{"filters":[{"name":"name","op":"like","field":"nick","val":"x"}]}`,
		`{"filters":[{"name":"pets__legs","op":"any","field":"id"}]}`, `{"filters":[{"name":"pets__password","op":"any","val":` + fine + `}]}`,
		`{"filters":[{"name":"pets__legs","op":"gt","field":"password"}]}`, `{"filters":[{"name":"age","op":"any","val":1}]}`,
		`{"filters":[{"name":"` + strings.Repeat("x", 9000) + `","op":"eq","val":1}]}`, `{"filters":[{"name":"age","op":"` + strings.Repeat("x", 9000) + `","val":1}]}`,
		`{"filters":[{"name":"born","op":"eq","val":"` + strings.Repeat("x", 9000) + `"}]}`, `{"filters":[{"name":"pets","op":"any","val":` + deep(1) + `}]}`,
		`{"filter":[` + fine + `]}`, `{"unknown":1}`,
		`{"limit":9007199254740993}`, `{"offset":9223372036854775807}`, `{"offset":9223372036854775808}`, `{"limit":"5"}`,
		`{"limit":-1}`, `{"limit":"x"}`, `{"limit":1.5}`, `{"offset":-1}`, `{"offset":true}`,
		`{"filters":[{"name":"name","op":"eq","val":"` + strings.Repeat("x", filter.MaxText) + `"}]}`,
	} {
		q, err := filter.Parse(text, people(), options())
		var mistake *filter.Error
		if !errors.Is(err, filter.ErrQuery) || !errors.As(err, &mistake) || mistake.Message() != "Unable to construct query" {
			t.Errorf("%.100s: %q, %v; want ErrQuery", text, q.Where, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%.100s: the error has %d bytes", text, len(err.Error()))
		}
	}
	for _, text := range []string{
		deep(filter.MaxDepth - 1), `{"filters":[` + many(filter.MaxFilters, fine) + `]}`, `{"filters":null,"limit":0,"offset":null}`,
		`{"filters":[{"name":"age","op":"eq","val":1,"field":null}]}`, `{"filters":[{"name":"age","op":"is_null","field":"password"}]}`,
		`{"filters":[{"name":"name","op":"like","val":"` + strings.Repeat("ä", filter.MaxPattern) + `"}]}`,
		`{"filters":[{"name":"age","op":"in","val":[` + many(filter.MaxElements, "1") + `]}],"limit":9007199254740992}`,
	} {
		if _, err := filter.Parse(text, people(), options()); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// TestCost: what would keep a database busy is refused before it gets there, in words that say what to do.
func TestCost(t *testing.T) {
	table := people()
	table.Fields["number"] = filter.Field{SQL: "(p.id + 0)", Kind: filter.Int, Column: "p.id", Above: 7}
	many := func(n int, part string) string { return strings.TrimSuffix(strings.Repeat(part+",", n), ",") }
	filters := func(n int, one string) string { return `{"filters":[{"or":[` + many(n, one) + `]}]}` }
	const (
		column   = `{"name":"age","op":"gt","val":1}`
		computed = `{"name":"title","op":"gt","val":"x"}`
		compared = `{"name":"title","op":"gt","field":"title"}`
		relation = `{"name":"pets__legs","op":"any","val":4}`
		direct   = `{"name":"pets__legs","op":"gt","val":4}`
	)
	list := func(n int) string { return `{"name":"number","op":"in","val":[` + many(n, "1") + `]}` }
	order := func(fields ...string) string {
		return `"order_by":[{"field":"` + strings.Join(fields, `"},{"field":"`) + `"}]`
	}
	for text, refused := range map[string]string{
		filters(filter.MaxFilters, column): "",
		filters(10, computed):              "", filters(11, computed): "ask for less at once",
		filters(5, compared): "", filters(6, compared): "ask for less at once",
		filters(9, relation): "", filters(10, relation): "ask for less at once", filters(50, relation): "ask for less at once",
		filters(9, direct): "", filters(10, direct): "ask for less at once",
		`{"filters":[` + many(9, computed) + "," + many(10, column) + `]}`: "", `{"filters":[` + many(9, computed) + "," + many(11, column) + `]}`: "ask for less at once",

		`{"filters":[` + list(filter.MaxElements) + `]}`:                       "",
		`{"filters":[` + list(filter.MaxElements) + `,` + list(200) + `]}`:     "ask for fewer at once",
		`{` + order("title", "name", "pets__legs") + `}`:                       "",
		`{` + order("title", "title", "title") + `}`:                           "leave some out",
		`{` + order("title", "pets__legs", "debt") + `}`:                       "leave some out",
		`{` + order("title", "title") + `,"group_by":[{"field":"age"}]}`:       "",
		`{` + order("title", "title") + `,"group_by":[{"field":"title"}]}`:     "leave some out",
		`{` + order("number", "number", "number", "name", "nick", "age") + `}`: "", // there is an index for it
	} {
		q, err := filter.Parse(text, table, options())
		var mistake *filter.Error
		switch {
		case refused == "" && err != nil, refused != "" && err == nil:
			t.Errorf("%.80s: %v, %d values", text, err, len(q.Args))
		case err != nil && (!errors.As(err, &mistake) || !strings.Contains(mistake.About, refused)):
			t.Errorf("%.80s: %v", text, err)
		}
	}
}

// TestOtherParts do not count where an original took them, and are named where they are refused.
func TestOtherParts(t *testing.T) {
	const text = `{"filters":[{"name":"age","op":"eq","val":1}],"grouping":"kind","filter":7}`
	_, err := filter.Parse(text, people(), options())
	var mistake *filter.Error
	if !errors.As(err, &mistake) || mistake.About != `there is no part "filter" of a query; there are filters, order_by, group_by, limit, offset, single` {
		t.Errorf("%+v", mistake)
	}
	kept := options()
	kept.Others = true
	if q, err := filter.Parse(text, people(), kept); err != nil || q.Filters != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

// TestAbout tells what is wrong without a word of what was searched for.
func TestAbout(t *testing.T) {
	for text, about := range map[string]string{
		`{"filters":[{"name":"shoes","op":"eq","val":"hidden"}]}`: `there is no field "shoes"`,
		`{"filters":[{"name":"age","op":"eq","val":"hidden"}]}`:   `age cannot be compared with such a value`,
		`{"filters":[{"name":"born","op":"eq","val":"hidden"}]}`:  `born: the value is no date`,
		`{"filters":[{"name":"age","op":"hidden","val":1}]}`:      `the filter of "age" has no operator that there is`,
	} {
		_, err := filter.Parse(text, people(), options())
		var mistake *filter.Error
		if !errors.As(err, &mistake) || mistake.About != about {
			t.Errorf("%s: %+v, want %q", text, mistake, about)
		}
	}
}
