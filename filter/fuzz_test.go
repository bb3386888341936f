package filter_test

import (
	"errors"
	"strings"
	"testing"

	"talktime/filter"
)

// FuzzParse: whatever a client sends, no text of his gets into the SQL of either database.
func FuzzParse(f *testing.F) {
	f.Add(`{"filters":[{"or":[{"name":"name","op":"like","val":"'; DROP"},{"name":"pets__legs","op":"any","val":4}]}],"order_by":[{"field":"age","direction":"desc"}]}`)
	f.Add(`{"filters":[{"name":"pets","op":"any","val":{"name":"owner","op":"has","val":{"name":"born","op":"in","val":["2027-01-01"]}}}],"group_by":[{"field":"age"}],"single":true}`)
	f.Add(`{"filters":[{"and":[{"name":"title","op":"ilike","val":"Ä%\\_"},{"name":"name","op":"not_in","val":["x",7]}]},{"name":"age","op":"le","field":"id"}],"limit":3,"offset":4}`)
	f.Add(`{"filters":[{"name":"active","op":"eq","val":true},{"name":"debt","op":"eq","val":0.5},{"name":"born","op":"ge","val":"CURRENT_DATE"},{"name":"nick","op":"is_null"}]}`)
	f.Add(`{"order_by":[{"field":"pets__name"},{"field":"title"}],"group_by":[{"field":"name"}],"filters":[{"name":"name","op":"eq","val":"ä"},{"name":"name","op":"in","val":["a"]}]}`)
	known := make(map[string]bool)
	for word := range strings.FieldsSeq(`p.id p.name p.nick p.age p.active p.born t.name t.legs t.owner_id people pets p t SELECT 1 0 100 FROM WHERE EXISTS
		AND OR IN NOT IS NULL LIKE GLOB ESCAPE '!' LOWER UPPER MIN DESC CAST AS BINARY CONVERT USING utf8mb4 COLLATE utf8mb4_bin ? = <> < > <= >= *`) {
		known[word] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		lite := options()
		lite.Glob = true
		one, oneErr := filter.Parse(text, people(), options())
		other, otherErr := filter.Parse(text, people(), lite)
		if (oneErr == nil) != (otherErr == nil) {
			t.Fatalf("%q: %v; SQLite: %v", text, oneErr, otherErr)
		}
		if oneErr != nil {
			var mistake *filter.Error
			if !errors.As(oneErr, &mistake) || !errors.Is(oneErr, filter.ErrText) && !errors.Is(oneErr, filter.ErrQuery) {
				t.Errorf("%q: %v", text, oneErr)
			}
			return
		}
		for _, q := range []filter.Query{one, other, one.And(filter.Eq(people().Fields["id"], int64(1)))} {
			sql := q.Where + " " + q.Order + " " + q.Group
			if strings.Count(sql, "?") != len(q.Args) || strings.Count(sql, "(") != strings.Count(sql, ")") {
				t.Errorf("%q: %s with %d values", text, sql, len(q.Args))
			}
			for word := range strings.FieldsFuncSeq(sql, func(r rune) bool { return strings.ContainsRune(" (),", r) }) {
				if !known[word] {
					t.Errorf("%q: %q is in the SQL %s", text, word, sql)
				}
			}
			for _, arg := range q.Args {
				switch arg.(type) {
				case string, int64:
				default:
					t.Errorf("%q: %T is among the values", text, arg)
				}
			}
		}
	})
}
