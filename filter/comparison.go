package filter

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Operator is what a Test asks, as SQL spells it.
type Operator string

// The operators.
const (
	Equal        Operator = "="
	NotEqual     Operator = "<>"
	Greater      Operator = ">"
	Less         Operator = "<"
	GreaterEqual Operator = ">="
	LessEqual    Operator = "<="
	In           Operator = "IN"
	NotIn        Operator = "NOT IN"
	Null         Operator = "IS NULL"
	NotNull      Operator = "IS NOT NULL"
	Like         Operator = "LIKE"
	ILike        Operator = "ILIKE"
	And          Operator = "AND"
	Or           Operator = "OR"
	Exists       Operator = "EXISTS" // some related row

	opAny Operator = "any"
	opHas Operator = "has"
)

// binary reports whether the operator compares two fields as well as a field and a value.
func (op Operator) binary() bool {
	return slices.Contains([]Operator{Equal, NotEqual, Greater, Less, GreaterEqual, LessEqual}, op)
}

// operatorOf returns the operator that a spelling means.
func operatorOf(spelling string) (op Operator, ok bool) {
	switch spelling {
	case "==", "eq", "equals", "equal_to", "equals_to":
		return Equal, true
	case "!=", "ne", "neq", "not_equal_to", "does_not_equal":
		return NotEqual, true
	case ">", "gt":
		return Greater, true
	case "<", "lt":
		return Less, true
	case ">=", "ge", "gte", "geq":
		return GreaterEqual, true
	case "<=", "le", "lte", "leq":
		return LessEqual, true
	case "in":
		return In, true
	case "not_in":
		return NotIn, true
	case "is_null":
		return Null, true
	case "is_not_null":
		return NotNull, true
	case "like":
		return Like, true
	case "ilike":
		return ILike, true
	case "any", "has":
		return Operator(spelling), true
	}
	return "", false
}

// found is a filter that was read: for a database, and for whoever has rows of his own.
type found struct {
	sql  string
	test *Test
}

// all joins filters with Or or And.
func (p *parser) all(filters []any, with Operator) (found, error) {
	if len(filters) == 0 {
		return found{}, wrong("a list of filters must not be empty")
	}
	sqls, test := make([]string, len(filters)), &Test{Op: with}
	for i, each := range filters {
		part, err := p.filter(each)
		if err != nil {
			return found{}, err
		}
		sqls[i], test.Parts = part.sql, append(test.Parts, part.test)
	}
	return found{"(" + strings.Join(sqls, " "+string(with)+" ") + ")", test}, nil
}

func (p *parser) filter(value any) (found, error) {
	text, ok := value.(map[string]any)
	if !ok {
		return found{}, wrong("a filter must be an object")
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > MaxDepth {
		return found{}, wrong("filters are nested more than %d deep", MaxDepth)
	}
	or, isOr := text["or"]
	and, isAnd := text["and"]
	if !isOr && !isAnd {
		return p.comparison(text)
	}
	if isOr && isAnd {
		return found{}, wrong("a filter is either an or, or an and")
	}
	inner, with := and, And
	if isOr {
		inner, with = or, Or
	}
	filters, ok := inner.([]any)
	if !ok {
		return found{}, wrong("or and and take a list")
	}
	if isOr {
		p.any++
		defer func() { p.any-- }()
	}
	return p.all(filters, with)
}

// comparison is one filter that is no or and no and.
func (p *parser) comparison(text map[string]any) (found, error) {
	name, _ := text["name"].(string)
	spelling, _ := text["op"].(string)
	op, ok := operatorOf(spelling)
	if !ok {
		return found{}, wrongValue(fmt.Sprintf("the filter of %.80q has no operator that there is", name), "there is no operator %.40q", spelling)
	}
	relation, fieldName, related := strings.Cut(name, "__")
	if op == opAny || op == opHas {
		return p.related(relation, fieldName, op, text)
	}
	if related {
		inner := maps.Clone(text)
		inner["name"] = fieldName
		return p.exists(relation, inner)
	}
	if p.leaves++; p.leaves > MaxFilters {
		return found{}, wrong("there are more than %d filters", MaxFilters)
	}
	field, err := p.known(name)
	if err != nil {
		return found{}, err
	}
	if other := text["field"]; other != nil && op != Null && op != NotNull {
		return p.fields(name, field, op, other)
	}
	return p.compare(name, field, op, text["val"])
}

// known is a field that a filter asks for.
func (p *parser) known(name string) (Field, error) {
	field, err := p.table.field(name)
	if err != nil {
		return field, err
	}
	if full := p.prefix + name; !slices.Contains(p.filtered, full) {
		p.filtered = append(p.filtered, full)
	}
	points := 1
	if !field.isColumn() {
		points = expressionCost
	}
	return field, p.pay(points)
}

// pay counts what filters cost the database for each row.
func (p *parser) pay(points int) error {
	if p.cost += points; p.cost > MaxCost {
		return wrong("its filters cost more than %d points, of which a column costs 1, and what is computed, and a relation, %d; ask for less at once", MaxCost, expressionCost)
	}
	return nil
}

// related is any or has: some related row has a value in the field, or satisfies a filter of its own.
func (p *parser) related(name, fieldName string, op Operator, text map[string]any) (found, error) {
	relation, err := p.table.relation(name)
	if err != nil {
		return found{}, err
	}
	if relation.Many != (op == opAny) {
		return found{}, wrong("%s is not for the relation %s", op, name)
	}
	if text["field"] != nil {
		return found{}, wrong("%s does not compare two fields", op)
	}
	inner, isFilter := text["val"].(map[string]any)
	switch {
	case !isFilter && fieldName == "":
		return found{}, wrong("%s needs a filter, or the name of a field: %s__FIELD", op, name)
	case !isFilter:
		inner = map[string]any{"name": fieldName, "op": "eq", "val": text["val"]}
	case fieldName != "":
		// The filter names its own field; this one only has to be there.
		if _, err := relation.Table.field(fieldName); err != nil {
			return found{}, err
		}
	}
	return p.exists(name, inner)
}

// exists asks for a related row that satisfies a filter.
func (p *parser) exists(name string, inner map[string]any) (found, error) {
	relation, err := p.table.relation(name)
	if err != nil {
		return found{}, err
	}
	if err := p.pay(expressionCost); err != nil {
		return found{}, err
	}
	p.any++
	defer func() { p.any-- }()
	table, prefix := p.table, p.prefix
	p.table, p.prefix = relation.Table, prefix+name+"__"
	condition, err := p.filter(inner)
	p.table, p.prefix = table, prefix
	if err != nil {
		return found{}, err
	}
	sql := fmt.Sprintf("EXISTS (SELECT 1 FROM %s WHERE %s AND %s)", relation.From, relation.On, condition.sql)
	return found{sql, &Test{Op: Exists, Field: name, Parts: []*Test{condition.test}}}, nil
}

// fields compares a field with another one.
func (p *parser) fields(name string, field Field, op Operator, other any) (found, error) {
	otherName, _ := other.(string)
	second, err := p.known(otherName)
	if err != nil {
		return found{}, err
	}
	if !op.binary() || second.Kind != field.Kind {
		return found{}, wrong("%s and %s cannot be compared in this way", name, otherName)
	}
	return found{"(" + p.exact(field) + " " + string(op) + " " + p.exact(second) + ")", &Test{Op: op, Field: name, Other: otherName, kind: field.Kind}}, nil
}

// compare compares a field with a value.
func (p *parser) compare(name string, field Field, op Operator, value any) (found, error) {
	if op == Null || op == NotNull {
		return found{"(" + field.SQL + " " + string(op) + ")", &Test{Op: op, Field: name, kind: field.Kind}}, nil
	}
	if op == Like || op == ILike {
		return p.like(name, field, op, value)
	}
	if op.binary() {
		return p.bind(name, field, op, []any{value})
	}
	values, ok := value.([]any)
	if !ok || len(values) > MaxElements {
		return found{}, wrong("in and not_in take a list of at most %d values", MaxElements)
	}
	if len(values) == 0 {
		return found{map[Operator]string{In: "(1 = 0)", NotIn: "(1 = 1)"}[op], &Test{Op: op, Field: name, kind: field.Kind}}, nil
	}
	return p.bind(name, field, op, values)
}

// bind compares a field with one value, or with a list of them.
func (p *parser) bind(name string, field Field, op Operator, values []any) (found, error) {
	bound, test := make([]any, len(values)), &Test{Op: op, Field: name, kind: field.Kind}
	for i, value := range values {
		converted, err := p.convert(name, field, value)
		if err != nil {
			return found{}, err
		}
		bound[i], test.Values = p.stamped(converted), append(test.Values, valueOf(converted))
	}
	marks := "?"
	if !op.binary() {
		marks = "(?" + strings.Repeat(",?", len(values)-1) + ")"
	}
	if op == Equal && p.any == 0 {
		if p.equal == nil {
			p.equal = make(map[string]any)
		}
		p.equal[name] = bound[0]
	}
	near := p.near(field, op, bound)
	p.args = append(p.args, bound...)
	compared := p.exact(field)
	condition := compared + " " + string(op) + " " + marks
	// What is the same byte by byte is the same for the column's collation, whose index finds it.
	if compared != field.SQL && field.isColumn() && (op == Equal || op == In) && plain(bound...) {
		p.args = append(p.args, bound...)
		condition = field.SQL + " " + string(op) + " " + marks + " AND " + condition
	}
	return found{"(" + near + condition + ")", test}, nil
}

// near is a condition on the column that an index finds the values of an expression by, in front of the condition itself.
func (p *parser) near(field Field, op Operator, values []any) string {
	if field.Column == "" || op != Equal && op != In {
		return ""
	}
	n := 0
	for _, value := range values {
		number, _ := value.(int64)
		for less := range field.Above + 1 {
			if number >= math.MinInt64+less {
				p.args = append(p.args, number-less)
				n++
			}
		}
	}
	return field.Column + " IN (?" + strings.Repeat(",?", n-1) + ") AND "
}

// exact is what of a field is compared. SQLite compares texts byte by byte. MySQL does not look at blanks behind a text,
// nor at the case of letters in most collations, and refuses letters that a column cannot hold, unless it is told to.
func (p *parser) exact(field Field) string {
	if field.Kind != Text || p.options.Glob {
		return field.SQL
	}
	return "CAST(" + field.SQL + " AS BINARY)"
}

// isColumn reports whether the field is a column, which may have an index.
func (f Field) isColumn() bool { return !strings.ContainsAny(f.SQL, " (") }

// plain reports whether texts are ASCII, which every column of texts can hold.
func plain(texts ...any) bool {
	for _, text := range texts {
		s, ok := text.(string)
		if !ok || strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return false
		}
	}
	return true
}
