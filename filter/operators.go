package filter

import (
	"slices"
	"strings"
	"unicode"
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

// operators are all spellings that are understood.
var operators = map[string]operator{
	"==": opEqual, "eq": opEqual, "equals": opEqual, "equal_to": opEqual, "equals_to": opEqual,
	"!=": opNotEqual, "ne": opNotEqual, "neq": opNotEqual, "not_equal_to": opNotEqual, "does_not_equal": opNotEqual,
	">": opGreater, "gt": opGreater, "<": opLess, "lt": opLess,
	">=": opGreaterEqual, "ge": opGreaterEqual, "gte": opGreaterEqual, "geq": opGreaterEqual,
	"<=": opLessEqual, "le": opLessEqual, "lte": opLessEqual, "leq": opLessEqual,
	"in": opIn, "not_in": opNotIn, "is_null": opNull, "is_not_null": opNotNull,
	"like": opLike, "ilike": opILike, "any": opAny, "has": opHas,
}

// like matches a pattern: % stands for anything, _ for one character, and a backslash takes the meaning from the
// character behind it. like tells small letters from capitals, ilike does not.
func (p *parser) like(name string, field Field, op operator, value any) (string, error) {
	pattern, ok := value.(string)
	if !ok || field.Kind != Text {
		return "", wrong("like and ilike match %s with a text only where it is one", name)
	}
	column := field.SQL
	if op == opILike {
		pattern = strings.Map(p.options.small, pattern)
		column = "LOWER(" + column + ")"
	}
	if p.options.Glob {
		p.args = append(p.args, rewrite(pattern, "*", "?", func(r rune) string {
			if strings.ContainsRune("*?[", r) {
				return "[" + string(r) + "]"
			}
			return string(r)
		}))
		return "(" + column + " GLOB ?)", nil
	}
	p.args = append(p.args, rewrite(pattern, "%", "_", func(r rune) string {
		if strings.ContainsRune("%_!", r) {
			return "!" + string(r)
		}
		return string(r)
	}))
	return "(" + column + " LIKE ? ESCAPE '!')", nil
}

// small is a letter in the lower case of the database: SQLite's LOWER knows A to Z only.
func (o Options) small(r rune) rune {
	if o.Glob && r > unicode.MaxASCII {
		return r
	}
	return unicode.ToLower(r)
}

// rewrite writes a pattern with other signs.
func rewrite(pattern, anything, one string, literal func(rune) string) string {
	var b strings.Builder
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			b.WriteString(literal(r))
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			b.WriteString(anything)
		case r == '_':
			b.WriteString(one)
		default:
			b.WriteString(literal(r))
		}
	}
	if escaped {
		b.WriteString(literal('\\'))
	}
	return b.String()
}
