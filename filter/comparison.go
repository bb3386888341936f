package filter

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// operator is a comparison as SQL spells it.
type operator string

const (
	opEqual        operator = "="
	opNotEqual     operator = "<>"
	opGreater      operator = ">"
	opLess         operator = "<"
	opGreaterEqual operator = ">="
	opLessEqual    operator = "<="
	opIn           operator = "IN"
	opNotIn        operator = "NOT IN"
	opNull         operator = "IS NULL"
	opNotNull      operator = "IS NOT NULL"
	opLike         operator = "LIKE"
	opILike        operator = "ILIKE"
	opAny          operator = "any"
	opHas          operator = "has"
)

// binary reports whether the operator compares two fields as well as a field and a value.
func (op operator) binary() bool {
	return slices.Contains([]operator{opEqual, opNotEqual, opGreater, opLess, opGreaterEqual, opLessEqual}, op)
}

// operatorOf returns the operator that a spelling means.
func operatorOf(spelling string) (op operator, ok bool) {
	switch spelling {
	case "==", "eq", "equals", "equal_to", "equals_to":
		return opEqual, true
	case "!=", "ne", "neq", "not_equal_to", "does_not_equal":
		return opNotEqual, true
	case ">", "gt":
		return opGreater, true
	case "<", "lt":
		return opLess, true
	case ">=", "ge", "gte", "geq":
		return opGreaterEqual, true
	case "<=", "le", "lte", "leq":
		return opLessEqual, true
	case "in":
		return opIn, true
	case "not_in":
		return opNotIn, true
	case "is_null":
		return opNull, true
	case "is_not_null":
		return opNotNull, true
	case "like":
		return opLike, true
	case "ilike":
		return opILike, true
	case "any", "has":
		return operator(spelling), true
	}
	return "", false
}

// all joins filters.
func (p *parser) all(filters []any, with string) (string, error) {
	if len(filters) == 0 {
		return "", wrong("a list of filters must not be empty")
	}
	parts := make([]string, len(filters))
	for i, each := range filters {
		var err error
		if parts[i], err = p.filter(each); err != nil {
			return "", err
		}
	}
	return "(" + strings.Join(parts, with) + ")", nil
}

func (p *parser) filter(value any) (string, error) {
	text, ok := value.(map[string]any)
	if !ok {
		return "", wrong("a filter must be an object")
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > MaxDepth {
		return "", wrong("filters are nested more than %d deep", MaxDepth)
	}
	or, isOr := text["or"]
	and, isAnd := text["and"]
	if !isOr && !isAnd {
		return p.comparison(text)
	}
	if isOr && isAnd {
		return "", wrong("a filter is either an or, or an and")
	}
	inner, with := and, " AND "
	if isOr {
		inner, with = or, " OR "
	}
	filters, ok := inner.([]any)
	if !ok {
		return "", wrong("or and and take a list")
	}
	if isOr {
		p.any++
		defer func() { p.any-- }()
	}
	return p.all(filters, with)
}

// comparison is one filter that is no or and no and.
func (p *parser) comparison(text map[string]any) (string, error) {
	name, _ := text["name"].(string)
	spelling, _ := text["op"].(string)
	op, ok := operatorOf(spelling)
	if !ok {
		return "", wrongValue(fmt.Sprintf("the filter of %.80q has no operator that there is", name), "there is no operator %.40q", spelling)
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
		return "", wrong("there are more than %d filters", MaxFilters)
	}
	field, err := p.known(name)
	if err != nil {
		return "", err
	}
	if other := text["field"]; other != nil && op != opNull && op != opNotNull {
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
func (p *parser) related(name, fieldName string, op operator, text map[string]any) (string, error) {
	relation, err := p.table.relation(name)
	if err != nil {
		return "", err
	}
	if relation.Many != (op == opAny) {
		return "", wrong("%s is not for the relation %s", op, name)
	}
	if text["field"] != nil {
		return "", wrong("%s does not compare two fields", op)
	}
	inner, isFilter := text["val"].(map[string]any)
	switch {
	case !isFilter && fieldName == "":
		return "", wrong("%s needs a filter, or the name of a field: %s__FIELD", op, name)
	case !isFilter:
		inner = map[string]any{"name": fieldName, "op": "eq", "val": text["val"]}
	case fieldName != "":
		// The filter names its own field; this one only has to be there.
		if _, err := relation.Table.field(fieldName); err != nil {
			return "", err
		}
	}
	return p.exists(name, inner)
}

// exists asks for a related row that satisfies a filter.
func (p *parser) exists(name string, inner map[string]any) (string, error) {
	relation, err := p.table.relation(name)
	if err != nil {
		return "", err
	}
	if err := p.pay(expressionCost); err != nil {
		return "", err
	}
	p.any++
	defer func() { p.any-- }()
	table, prefix := p.table, p.prefix
	p.table, p.prefix = relation.Table, prefix+name+"__"
	condition, err := p.filter(inner)
	p.table, p.prefix = table, prefix
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s WHERE %s AND %s)", relation.From, relation.On, condition), nil
}

// fields compares a field with another one.
func (p *parser) fields(name string, field Field, op operator, other any) (string, error) {
	otherName, _ := other.(string)
	second, err := p.known(otherName)
	if err != nil {
		return "", err
	}
	if !op.binary() || second.Kind != field.Kind {
		return "", wrong("%s and %s cannot be compared in this way", name, otherName)
	}
	return "(" + p.exact(field) + " " + string(op) + " " + p.exact(second) + ")", nil
}

// compare compares a field with a value.
func (p *parser) compare(name string, field Field, op operator, value any) (string, error) {
	if op == opNull || op == opNotNull {
		return "(" + field.SQL + " " + string(op) + ")", nil
	}
	if op == opLike || op == opILike {
		return p.like(name, field, op, value)
	}
	if op.binary() {
		return p.bind(name, field, op, []any{value})
	}
	values, ok := value.([]any)
	if !ok || len(values) > MaxElements {
		return "", wrong("in and not_in take a list of at most %d values", MaxElements)
	}
	if len(values) == 0 {
		return map[operator]string{opIn: "(1 = 0)", opNotIn: "(1 = 1)"}[op], nil
	}
	return p.bind(name, field, op, values)
}

// bind compares a field with one value, or with a list of them.
func (p *parser) bind(name string, field Field, op operator, values []any) (string, error) {
	bound := make([]any, len(values))
	for i, value := range values {
		var err error
		if bound[i], err = p.convert(name, field, value); err != nil {
			return "", err
		}
	}
	marks := "?"
	if !op.binary() {
		marks = "(?" + strings.Repeat(",?", len(values)-1) + ")"
	}
	if op == opEqual && p.any == 0 {
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
	if compared != field.SQL && field.isColumn() && (op == opEqual || op == opIn) && plain(bound...) {
		p.args = append(p.args, bound...)
		condition = field.SQL + " " + string(op) + " " + marks + " AND " + condition
	}
	return "(" + near + condition + ")", nil
}

// near is a condition on the column that an index finds the values of an expression by, in front of the condition itself.
func (p *parser) near(field Field, op operator, values []any) string {
	if field.Column == "" || op != opEqual && op != opIn {
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
