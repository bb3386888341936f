package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of a query. They keep one request from costing the database more than a few thousand comparisons.
const (
	MaxText     = 16 << 10 // bytes; what fits into the address of a request
	MaxFilters  = 50       // comparisons
	MaxDepth    = 8        // of filters in filters; databases read conditions recursively
	MaxElements = 1000     // of a list for in and not_in; databases bound the question marks of a statement
	MaxPattern  = 256      // characters of a pattern, longer than any field; a database may go through a text once for each
	MaxOrders   = 10       // fields in order_by, and in group_by
	MaxArgs     = 10_000   // question marks; SQLite takes 32,766, in a time that grows with the square of them
	MaxCost     = 100      // points of all filters: a column costs one, an expression and a relation expressionCost
	MaxComputed = 2        // expressions and fields of relations in order_by and group_by together
	MaxCount    = 1 << 53  // for limit and offset, so that sums of them and of pages do not overflow
)

// expressionCost is how many columns an expression, most of which are SELECTs of their own, is as dear as.
const expressionCost = 10

// The ways in which a query can be wrong.
var (
	ErrText  = errors.New("the query is not JSON")
	ErrQuery = errors.New("the query cannot be carried out")
)

// Error is what is wrong with a query. All errors of this package are of this type.
type Error struct {
	Kind  error  // ErrText or ErrQuery
	Cause string // for people; may quote some of the query
	About string // the same with names only, never a value of the query; empty: only Cause says it
}

// Error returns the kind and the cause.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Cause }

// Unwrap returns ErrText or ErrQuery.
func (e *Error) Unwrap() error { return e.Kind }

// Message is what the original's language told a client of it.
func (e *Error) Message() string {
	if errors.Is(e.Kind, ErrText) {
		return "Unable to decode data"
	}
	return "Unable to construct query"
}

func wrong(format string, args ...any) error {
	cause := fmt.Sprintf(format, args...)
	return &Error{Kind: ErrQuery, Cause: cause, About: cause}
}

// wrongValue is a mistake whose cause quotes a value.
func wrongValue(about, format string, args ...any) error {
	return &Error{Kind: ErrQuery, Cause: fmt.Sprintf(format, args...), About: about}
}

// Kind is what a field holds.
type Kind int

// The kinds of fields.
const (
	Text  Kind = iota // compared byte by byte, whatever the database's collation
	Int               // of 64 bits; values may be written as text
	Bool              // 0 or 1 in the database; values may be 0, 1, "0", "1", "true", "false" too
	Time              // see Options.Stamp
	Other             // see Field.Convert
)

// Field is one that may be searched and sorted by.
type Field struct {
	SQL  string // expression, with the alias of its table; never with anything of a client
	Kind Kind
	// Convert turns a string or a json.Number into what the database holds. It belongs to fields of the kind Other and
	// must be set there. Two such fields of one table can be compared with each other.
	Convert func(any) (any, error)
	// Column is, for an Int whose SQL is an expression, a column with an index that sorts the same way, and whose value is
	// that of SQL or at most Above less. Empty: there is none.
	Column string
	Above  int64
}

// Relation leads to rows that belong to one of ours.
type Relation struct {
	Many  bool // there may be several: "any"; else one at most: "has"
	Table *Table
	From  string // tables with their aliases, which must not be the alias of the row they belong to
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
	// Glob is for SQLite, where patterns are matched by GLOB because its LIKE is blind to case. Without it the SQL is that
	// of MySQL and MariaDB.
	Glob bool
	// Others lets a query have parts of other names, which do not count: interfaces that are kept take what their
	// originals took. Else they are refused.
	Others bool
}

// Query is one that was read.
type Query struct {
	Filters int    // comparisons in it
	Where   string // SQL in parentheses with a question mark for each of Args; empty = everything
	Args    []any
	Order   string // SQL; empty = in the order of the keys
	Group   string // SQL; empty = every row; else only the row with the lowest key of those that agree in it
	Limit   int64  // rows; 0 = all
	Offset  int64
	Single  bool // the one row itself is wanted, and it is an error when there is none or another

	Test *Test // the same as Where, for rows that are in no database; nil = everything

	Equal    map[string]any // fields that have one value in everything that can be found, in the database's form
	Filtered []string       // names of the fields in the filters, each once; relation__field for those of related rows
	Ordered  []Order        // what Order was made of
	Grouped  []string       // what Group was made of
}

// Order is a field to sort by.
type Order struct {
	Field string
	Desc  bool
}

// Only reports whether filters, order and groups look at no other fields than these. A caller who knows that they are in
// an index can then go through it from where the last page ended.
func (q Query) Only(fields ...string) bool {
	known := func(name string) bool { return slices.Contains(fields, name) }
	for _, order := range q.Ordered {
		if !known(order.Field) {
			return false
		}
	}
	for _, name := range slices.Concat(q.Filtered, q.Grouped) {
		if !known(name) {
			return false
		}
	}
	return true
}

// Condition is SQL with a question mark for each of Args.
type Condition struct {
	SQL  string
	Args []any
}

// Eq is the condition that a field has a value, which must be in the form in which the database holds it.
func Eq(field Field, value any) Condition { return Condition{"(" + field.SQL + " = ?)", []any{value}} }

// And returns the query with conditions that must hold too, whatever its own filters say. They do not count among Filters
// and Filtered.
func (q Query) And(conditions ...Condition) Query {
	for _, c := range conditions {
		q.Args = slices.Concat(q.Args, c.Args)
		if q.Where == "" {
			q.Where = "(" + c.SQL + ")"
		} else {
			q.Where = "(" + q.Where + " AND (" + c.SQL + "))"
		}
	}
	return q
}

// Parse reads a query for a table. Its errors are of the type *Error, either ErrText or ErrQuery.
func Parse(text string, table *Table, options Options) (Query, error) {
	if len(text) > MaxText {
		return Query{}, wrong("it is longer than %d bytes", MaxText)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return Query{}, &Error{Kind: ErrText, Cause: err.Error()}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Query{}, &Error{Kind: ErrText, Cause: "something follows it"}
	}
	query, ok := value.(map[string]any)
	if !ok {
		return Query{}, wrong("it must be an object")
	}
	p := parser{options: options, table: table}
	return p.query(query)
}

// parser reads one query.
type parser struct {
	options  Options
	table    *Table // whose fields are meant now
	prefix   string // of their names, when it is a relation's
	depth    int
	leaves   int
	cost     int
	computed int // expressions to sort and to group by
	any      int // inside how many of "or" and of relations
	args     []any
	equal    map[string]any
	filtered []string
}

// parts are the keys that a query may have.
func parts() []string {
	return []string{"filters", "order_by", "group_by", "limit", "offset", "single"}
}

func (p *parser) query(text map[string]any) (q Query, err error) {
	for _, key := range slices.Sorted(maps.Keys(text)) { // else {"filter": …} would find everything
		if !p.options.Others && !slices.Contains(parts(), key) {
			return q, wrong("there is no part %.80q of a query; there are %s", key, strings.Join(parts(), ", "))
		}
	}
	filters, err := list(text, "filters", MaxFilters)
	if err != nil {
		return q, err
	}
	if len(filters) > 0 {
		all, err := p.all(filters, And)
		if err != nil {
			return q, err
		}
		q.Where, q.Test = all.sql, all.test
	}
	if len(p.args) > MaxArgs {
		return q, wrong("its filters have too many values; ask for fewer at once")
	}
	q.Args, q.Filters, q.Filtered, q.Equal = p.args, p.leaves, p.filtered, p.equal
	if err = p.order(text, &q); err != nil {
		return q, err
	}
	if err = p.group(text, &q); err != nil {
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

func list(text map[string]any, name string, most int) ([]any, error) {
	values, ok := text[name].([]any)
	if !ok && text[name] != nil {
		return nil, wrong("%s must be a list", name)
	}
	if len(values) > most {
		return nil, wrong("%s must have at most %d elements", name, most)
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
	if err != nil || n < 0 || n > MaxCount {
		return 0, wrong("%s must be a whole number from 0 to %d", name, int64(MaxCount))
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

func (p *parser) order(text map[string]any, q *Query) error {
	orders, err := list(text, "order_by", MaxOrders)
	if err != nil {
		return err
	}
	var columns []string
	for _, each := range orders {
		order, _ := each.(map[string]any)
		name, ok := order["field"].(string)
		if !ok {
			return wrong(`order_by must be a list of {"field": …}`)
		}
		column, err := p.orderColumn(name)
		if err != nil {
			return err
		}
		desc := order["direction"] == "desc"
		if direction := order["direction"]; !desc && direction != nil && direction != "asc" {
			return wrong("direction must be asc or desc")
		}
		if desc {
			column += " DESC"
		}
		columns, q.Ordered = append(columns, column), append(q.Ordered, Order{name, desc})
	}
	q.Order = strings.Join(columns, ", ")
	return nil
}

// orderColumn is a field to sort by; of many related rows the lowest counts.
func (p *parser) orderColumn(name string) (string, error) {
	relationName, fieldName, related := strings.Cut(name, "__")
	if !related {
		field, err := p.table.field(name)
		if err == nil && field.Column == "" && !field.isColumn() {
			err = p.compute()
		}
		return p.sorted(field), err
	}
	if err := p.compute(); err != nil {
		return "", err
	}
	relation, err := p.table.relation(relationName)
	if err != nil {
		return "", err
	}
	field, err := relation.Table.field(fieldName)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("(SELECT MIN(%s) FROM %s WHERE %s)", p.sorted(field), relation.From, relation.On), nil
}

// compute counts what a database has to compute of each row before it can sort or group by it.
func (p *parser) compute() error {
	if p.computed++; p.computed > MaxComputed {
		return wrong("order_by and group_by have more than %d fields together that are computed or of a relation; leave some out", MaxComputed)
	}
	return nil
}

// sorted is what to sort a field by. A column sorts as its collation says, since only so an index can help; an expression
// would sort as the connection's says, which is blind to case.
func (p *parser) sorted(field Field) string {
	switch {
	case field.Column != "":
		return field.Column
	case field.isColumn():
		return field.SQL
	}
	return p.exact(field)
}

func (p *parser) group(text map[string]any, q *Query) error {
	groups, err := list(text, "group_by", MaxOrders)
	if err != nil {
		return err
	}
	var columns []string
	for _, each := range groups {
		of, _ := each.(map[string]any)
		name, ok := of["field"].(string)
		if !ok {
			return wrong(`group_by must be a list of {"field": …}`)
		}
		field, err := p.table.field(name)
		if err != nil {
			return err
		}
		if !field.isColumn() {
			if err := p.compute(); err != nil {
				return err
			}
		}
		columns, q.Grouped = append(columns, p.exact(field)), append(q.Grouped, name)
	}
	q.Group = strings.Join(columns, ", ")
	return nil
}

func (t *Table) field(name string) (Field, error) {
	field, ok := t.Fields[name]
	if !ok {
		return Field{}, wrong("there is no field %.80q", name)
	}
	return field, nil
}

func (t *Table) relation(name string) (Relation, error) {
	relation, ok := t.Relations[name]
	if !ok {
		return Relation{}, wrong("there is no relation %.80q", name)
	}
	return relation, nil
}
