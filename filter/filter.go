package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a query. They keep one request from costing the database more than a few thousand comparisons.
const (
	MaxText     = 16 << 10 // bytes
	MaxFilters  = 50       // comparisons
	MaxDepth    = 8        // of filters in filters
	MaxElements = 1000     // of a list for in and not_in
	maxOrders   = 10       // fields in order_by, and in group_by
)

// The ways in which a query can be wrong.
var (
	ErrText  = errors.New("the query is not JSON")
	ErrQuery = errors.New("the query cannot be carried out")
)

// Kind is what a field holds.
type Kind int

// The kinds of fields.
const (
	Text Kind = iota
	Int
	Bool
	Time
	Other // see Field.Convert
)

// Field is one that may be searched and sorted by.
type Field struct {
	SQL  string // expression, with the alias of its table
	Kind Kind
	// Convert turns a string or a json.Number into what the database holds, for fields of the kind Other.
	Convert func(any) (any, error)
}

// Relation leads to rows that belong to one of ours.
type Relation struct {
	Many  bool // there may be several: "any"; else one at most: "has"
	Table *Table
	From  string // tables with their aliases
	On    string // condition that ties them to the alias of the row they belong to
}

// Table says what can be searched.
type Table struct {
	Fields    map[string]Field
	Relations map[string]Relation
}

// Options say how values are read.
type Options struct {
	Now      time.Time
	Location *time.Location      // of timestamps without a zone; nil = UTC
	Stamp    func(time.Time) any // the form in which the database holds instants; nil: as they are
	Layouts  []string            // of timestamps, besides ISO 8601
	Glob     bool                // patterns are matched by SQLite's GLOB, for its LIKE is blind to case
}

// Query is one that was read.
type Query struct {
	Filters int    // comparisons in it
	Where   string // SQL with a question mark for each of Args; empty = everything
	Args    []any
	Order   string // SQL; empty = in the order of the keys
	Group   string // SQL; empty = every row; else only the row with the lowest key of those that agree in it
	Limit   int64  // rows; 0 = all
	Offset  int64
	Single  bool // the one row itself is wanted, and it is an error when there is none or another
}

// Parse reads a query for a table. Its errors are ErrText and ErrQuery.
func Parse(text string, table *Table, options Options) (Query, error) {
	if len(text) > MaxText {
		return Query{}, wrong("it is longer than %d bytes", MaxText)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return Query{}, fmt.Errorf("%w: %w", ErrText, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Query{}, fmt.Errorf("%w: something follows it", ErrText)
	}
	query, ok := value.(map[string]any)
	if !ok {
		return Query{}, wrong("it must be an object")
	}
	p := parser{options: options}
	return p.query(query, table)
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrQuery, fmt.Sprintf(format, args...))
}

type parser struct {
	options Options
	leaves  int
	args    []any
}

func (p *parser) query(text map[string]any, table *Table) (q Query, err error) {
	filters, err := list(text, "filters")
	if err != nil {
		return q, err
	}
	if len(filters) > 0 {
		if q.Where, err = p.all(filters, " AND ", table, 1); err != nil {
			return q, err
		}
	}
	q.Args, q.Filters = p.args, p.leaves
	if q.Order, err = p.order(text, table); err != nil {
		return q, err
	}
	if q.Group, err = group(text, table); err != nil {
		return q, err
	}
	if q.Limit, err = count(text, "limit"); err != nil {
		return q, err
	}
	if q.Offset, err = count(text, "offset"); err != nil {
		return q, err
	}
	q.Single = truthy(text["single"])
	return q, nil
}

func list(text map[string]any, name string) ([]any, error) {
	values, ok := text[name].([]any)
	if !ok && text[name] != nil {
		return nil, wrong("%s must be a list", name)
	}
	return values, nil
}

func count(text map[string]any, name string) (int64, error) {
	if text[name] == nil {
		return 0, nil
	}
	number, ok := text[name].(json.Number)
	if !ok {
		return 0, wrong("%s must be a number", name)
	}
	n, err := number.Int64()
	if err != nil || n < 0 {
		return 0, wrong("%s must be a whole number that is not negative", name)
	}
	return n, nil
}

// truthy is what the original's language takes for true.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

func (p *parser) order(text map[string]any, table *Table) (string, error) {
	orders, err := list(text, "order_by")
	if err != nil || len(orders) > maxOrders {
		return "", errors.Join(err, wrong("order_by must be a list of at most %d", maxOrders))
	}
	var columns []string
	for _, each := range orders {
		order, _ := each.(map[string]any)
		name, ok := order["field"].(string)
		if !ok {
			return "", wrong(`order_by must be a list of {"field": …}`)
		}
		column, err := orderColumn(name, table)
		if err != nil {
			return "", err
		}
		direction := order["direction"]
		switch direction {
		case nil, "asc":
		case "desc":
			column += " DESC"
		default:
			return "", wrong("direction must be asc or desc")
		}
		columns = append(columns, column)
	}
	return strings.Join(columns, ", "), nil
}

// orderColumn is a field to sort by; of many related rows the lowest counts.
func orderColumn(name string, table *Table) (string, error) {
	relationName, fieldName, related := strings.Cut(name, "__")
	if !related {
		field, err := table.field(name)
		return field.SQL, err
	}
	relation, err := table.relation(relationName)
	if err != nil {
		return "", err
	}
	field, err := relation.Table.field(fieldName)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("(SELECT MIN(%s) FROM %s WHERE %s)", field.SQL, relation.From, relation.On), nil
}

func group(text map[string]any, table *Table) (string, error) {
	groups, err := list(text, "group_by")
	if err != nil || len(groups) > maxOrders {
		return "", errors.Join(err, wrong("group_by must be a list of at most %d", maxOrders))
	}
	var columns []string
	for _, each := range groups {
		of, _ := each.(map[string]any)
		name, ok := of["field"].(string)
		if !ok {
			return "", wrong(`group_by must be a list of {"field": …}`)
		}
		field, err := table.field(name)
		if err != nil {
			return "", err
		}
		columns = append(columns, field.SQL)
	}
	return strings.Join(columns, ", "), nil
}

func (t *Table) field(name string) (Field, error) {
	field, ok := t.Fields[name]
	if !ok {
		return Field{}, wrong("there is no field %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(t.Fields)), ", "))
	}
	return field, nil
}

func (t *Table) relation(name string) (Relation, error) {
	relation, ok := t.Relations[name]
	if !ok {
		return Relation{}, wrong("there is no relation %q", name)
	}
	return relation, nil
}

// all joins filters.
func (p *parser) all(filters []any, with string, table *Table, depth int) (string, error) {
	if len(filters) == 0 {
		return "", wrong("a list of filters must not be empty")
	}
	parts := make([]string, len(filters))
	for i, each := range filters {
		var err error
		if parts[i], err = p.filter(each, table, depth); err != nil {
			return "", err
		}
	}
	return "(" + strings.Join(parts, with) + ")", nil
}

func (p *parser) filter(value any, table *Table, depth int) (string, error) {
	text, ok := value.(map[string]any)
	if !ok {
		return "", wrong("a filter must be an object")
	}
	if depth > MaxDepth {
		return "", wrong("filters are nested more than %d deep", MaxDepth)
	}
	or, isOr := text["or"]
	and, isAnd := text["and"]
	if !isOr && !isAnd {
		return p.comparison(text, table, depth)
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
	return p.all(filters, with, table, depth+1)
}

// comparison is one filter that is no or and no and.
func (p *parser) comparison(text map[string]any, table *Table, depth int) (string, error) {
	if p.leaves++; p.leaves > MaxFilters {
		return "", wrong("there are more than %d filters", MaxFilters)
	}
	name, _ := text["name"].(string)
	spelling, _ := text["op"].(string)
	op, ok := operators[spelling]
	if !ok {
		return "", wrong("there is no operator %q", spelling)
	}
	relationName, fieldName, related := strings.Cut(name, "__")
	if op == opAny || op == opHas {
		relation, err := table.relation(relationName)
		if err != nil {
			return "", err
		}
		if relation.Many != (op == opAny) {
			return "", wrong("%s is not for the relation %s", spelling, relationName)
		}
		inner, isFilter := text["val"].(map[string]any)
		if !isFilter && !related {
			return "", wrong("%s needs a filter, or the name of a field: %s__FIELD", spelling, relationName)
		}
		if !isFilter {
			inner = map[string]any{"name": fieldName, "op": "eq", "val": text["val"]}
		}
		p.leaves-- // the inner one counts
		return p.exists(relation, inner, depth)
	}
	if related {
		relation, err := table.relation(relationName)
		if err != nil {
			return "", err
		}
		inner := maps.Clone(text)
		inner["name"] = fieldName
		p.leaves--
		return p.exists(relation, inner, depth)
	}
	field, err := table.field(name)
	if err != nil {
		return "", err
	}
	if other, given := text["field"]; given && op.binary() {
		otherName, _ := other.(string)
		second, err := table.field(otherName)
		if err != nil {
			return "", err
		}
		if second.Kind != field.Kind {
			return "", wrong("%s and %s cannot be compared", name, otherName)
		}
		return "(" + field.SQL + " " + string(op) + " " + second.SQL + ")", nil
	}
	return p.compare(name, field, op, text["val"])
}

func (p *parser) exists(relation Relation, inner any, depth int) (string, error) {
	condition, err := p.filter(inner, relation.Table, depth+1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s WHERE %s AND %s)", relation.From, relation.On, condition), nil
}

func (p *parser) compare(name string, field Field, op operator, value any) (string, error) {
	switch {
	case op == opNull || op == opNotNull:
		return "(" + field.SQL + " " + string(op) + ")", nil
	case op == opLike || op == opILike:
		return p.like(name, field, op, value)
	case op == opIn || op == opNotIn:
		return p.in(name, field, op, value)
	}
	bound, err := p.convert(name, field, value)
	if err != nil {
		return "", err
	}
	p.args = append(p.args, bound)
	return "(" + field.SQL + " " + string(op) + " ?)", nil
}

func (p *parser) in(name string, field Field, op operator, value any) (string, error) {
	values, ok := value.([]any)
	if !ok || len(values) > MaxElements {
		return "", wrong("%s takes a list of at most %d values", op, MaxElements)
	}
	if len(values) == 0 {
		return map[operator]string{opIn: "(1 = 0)", opNotIn: "(1 = 1)"}[op], nil
	}
	for _, each := range values {
		bound, err := p.convert(name, field, each)
		if err != nil {
			return "", err
		}
		p.args = append(p.args, bound)
	}
	return "(" + field.SQL + " " + string(op) + " (?" + strings.Repeat(",?", len(values)-1) + "))", nil
}

// convert gives a value the form in which the database holds the field.
func (p *parser) convert(name string, field Field, value any) (any, error) {
	bad := func() (any, error) { return nil, wrong("%s cannot be compared with %s", name, describe(value)) }
	number, isNumber := value.(json.Number)
	text, isText := value.(string)
	if !isNumber && !isText {
		truth, isBool := value.(bool)
		if !isBool || field.Kind != Bool {
			return bad()
		}
		return binary(truth), nil
	}
	switch field.Kind {
	case Text:
		if isNumber {
			return number.String(), nil
		}
		return text, nil
	case Int:
		n, err := strconv.ParseInt(strings.TrimSpace(text+number.String()), 10, 64)
		if err != nil {
			return bad()
		}
		return n, nil
	case Bool:
		switch text + number.String() {
		case "1", "true":
			return binary(true), nil
		case "0", "false":
			return binary(false), nil
		}
		return bad()
	case Time:
		if !isText {
			return bad()
		}
		return p.instant(name, text)
	case Other:
		converted, err := field.Convert(value)
		if err != nil {
			return nil, wrong("%s: %v", name, err)
		}
		return converted, nil
	}
	return bad()
}

func binary(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func describe(value any) string {
	switch value.(type) {
	case nil:
		return "null, or nothing: is_null and is_not_null are for that"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "such a value"
}

// layouts of ISO 8601 without a zone, and with one.
var (
	naive = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}
	zoned = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"}
)

func (p *parser) instant(name, text string) (any, error) {
	location := p.options.Location
	if location == nil {
		location = time.UTC
	}
	stamp := p.options.Stamp
	if stamp == nil {
		stamp = func(t time.Time) any { return t }
	}
	now := p.options.Now.In(location)
	switch strings.ToUpper(strings.TrimSpace(text)) {
	case "":
		return nil, wrong("%s cannot be compared with an empty date: is_null and is_not_null are for that", name)
	case "CURRENT_TIMESTAMP", "LOCALTIMESTAMP":
		return stamp(now), nil
	case "CURRENT_DATE":
		year, month, day := now.Date()
		return stamp(time.Date(year, month, day, 0, 0, 0, 0, location)), nil
	}
	for _, layout := range slices.Concat(zoned, naive, p.options.Layouts) {
		if t, err := time.ParseInLocation(layout, strings.TrimSpace(text), location); err == nil {
			return stamp(t), nil
		}
	}
	return nil, wrong("%s: %q is no date", name, text)
}
