package filter

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Test is a filter that was read, for rows that are in no database: it holds of the same rows that Where finds. There is no "not" in
// the language, so that what SQL calls unknown is as good as false.
type Test struct {
	Op     Operator
	Parts  []*Test // of And and Or; of Exists one, which is asked of the related rows
	Field  string  // of a comparison; the relation's name for Exists
	Other  string  // the field that it is compared with, in place of Values
	Values []Value // one, any number for In and NotIn, none for Null and NotNull

	kind    Kind
	pattern *pattern // of Like and ILike
}

// Value is what a row holds in a field.
type Value struct {
	Null bool
	Int  int64  // of the kinds Int, Bool (0 or 1) and Time (microseconds since 1970)
	Text []byte // of the kind Text; of Other what Convert made of it, if it is a text
}

// TimeValue is the Value of a moment.
func TimeValue(t time.Time) Value { return Value{Int: t.UnixMicro()} }

// Row is what a Test is asked of.
type Row interface {
	Value(field string) Value
	Related(relation string) []Row // may return nil where there are no relations
}

// valueOf is a value as it was converted for a field.
func valueOf(converted any) Value {
	switch v := converted.(type) {
	case int64:
		return Value{Int: v}
	case string:
		return Value{Text: []byte(v)}
	case time.Time:
		return TimeValue(v)
	}
	return Value{Null: true}
}

// Holds reports whether a row is one of those that the filter is to find.
func (t *Test) Holds(row Row) bool {
	switch t.Op {
	case And:
		for _, part := range t.Parts {
			if !part.Holds(row) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range t.Parts {
			if part.Holds(row) {
				return true
			}
		}
		return false
	case Exists:
		return slices.ContainsFunc(row.Related(t.Field), t.Parts[0].Holds)
	default:
		return t.compare(row)
	}
}

// compare is a Test of one field.
func (t *Test) compare(row Row) bool {
	value := row.Value(t.Field)
	switch {
	case t.Op == Null || t.Op == NotNull:
		return value.Null == (t.Op == Null)
	case t.Op == NotIn && len(t.Values) == 0: // of which no value is unknown, not even null
		return true
	case value.Null:
		return false
	case t.pattern != nil:
		return t.pattern.matches(value.Text)
	case t.Op == In || t.Op == NotIn:
		return slices.ContainsFunc(t.Values, func(v Value) bool { return t.order(value, v) == 0 }) == (t.Op == In)
	}
	var other Value
	if t.Other == "" {
		other = t.Values[0]
	} else if other = row.Value(t.Other); other.Null {
		return false
	}
	order := t.order(value, other)
	switch t.Op {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Greater:
		return order > 0
	case GreaterEqual:
		return order >= 0
	case Less:
		return order < 0
	default:
		return order <= 0
	}
}

func (t *Test) order(a, b Value) int {
	if t.kind == Text || t.kind == Other && (a.Text != nil || b.Text != nil) {
		return bytes.Compare(a.Text, b.Text)
	}
	return cmp.Compare(a.Int, b.Int)
}

// Between says which values a field may have, from least to most, in rows of which the Test holds: none when least is greater than
// most. It is for fields of the kinds Int, Bool and Time. Such rows may have fewer values.
func (t *Test) Between(field string) (least, most int64) {
	least, most = math.MinInt64, math.MaxInt64
	switch {
	case t.Op == And:
		for _, part := range t.Parts {
			l, m := part.Between(field)
			least, most = max(least, l), min(most, m)
		}
		return least, most
	case t.Op == Or:
		least, most = math.MaxInt64, math.MinInt64
		for _, part := range t.Parts {
			if l, m := part.Between(field); l <= m {
				least, most = min(least, l), max(most, m)
			}
		}
		return least, most
	case t.Field != field || t.Other != "" || t.Op == Exists:
		return least, most
	}
	return t.limits()
}

// limits are the least and the greatest value of the one field of a Test.
func (t *Test) limits() (least, most int64) {
	least, most = math.MinInt64, math.MaxInt64
	switch t.Op {
	case Equal, In:
		least, most = math.MaxInt64, math.MinInt64
		for _, v := range t.Values {
			least, most = min(least, v.Int), max(most, v.Int)
		}
	case GreaterEqual:
		least = t.Values[0].Int
	case LessEqual:
		most = t.Values[0].Int
	case Greater:
		if least = t.Values[0].Int; least == math.MaxInt64 {
			return math.MaxInt64, math.MinInt64
		}
		least++
	case Less:
		if most = t.Values[0].Int; most == math.MinInt64 {
			return math.MaxInt64, math.MinInt64
		}
		most--
	default:
	}
	return least, most
}

// pattern is one of LIKE.
type pattern struct {
	signs []sign
	blind bool // to the case of letters
}

type sign struct {
	letter        rune
	anything, one bool
}

func patternOf(text string, blind bool) *pattern {
	p := &pattern{blind: blind}
	escaped := false
	for _, r := range text {
		switch {
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '%':
			p.signs = append(p.signs, sign{anything: true})
		case !escaped && r == '_':
			p.signs = append(p.signs, sign{one: true})
		default:
			p.signs = append(p.signs, sign{letter: p.folded(r)})
		}
		escaped = false
	}
	if escaped {
		p.signs = append(p.signs, sign{letter: '\\'})
	}
	return p
}

func (p *pattern) folded(r rune) rune {
	if p.blind {
		return unicode.ToLower(r)
	}
	return r
}

// matches compares a text with the pattern. What an earlier % took is never tried again once a later one was reached: no pattern
// takes longer than its length times that of the text.
func (p *pattern) matches(text []byte) bool {
	next, at := 0, 0      // in the signs, in the text
	back, backAt := -1, 0 // behind the last %, and how far that one reached
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		switch {
		case next < len(p.signs) && p.signs[next].anything:
			next++
			back, backAt = next, at
		case next < len(p.signs) && (p.signs[next].one || p.signs[next].letter == p.folded(r)):
			next++
			at += size
		case back >= 0:
			_, size = utf8.DecodeRune(text[backAt:])
			backAt += size
			next, at = back, backAt
		default:
			return false
		}
	}
	for next < len(p.signs) && p.signs[next].anything {
		next++
	}
	return next == len(p.signs)
}
