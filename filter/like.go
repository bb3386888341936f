package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// like matches a pattern: % stands for anything, _ for one character, and a backslash takes the meaning from the
// character behind it. like tells small letters from capitals, ilike does not.
func (p *parser) like(name string, field Field, op Operator, value any) (found, error) {
	pattern, ok := value.(string)
	if !ok || field.Kind != Text {
		return found{}, wrong("like and ilike match %s with a text only where it is one", name)
	}
	// SQLite takes a zero byte for the end of a pattern.
	if utf8.RuneCountInString(pattern) > MaxPattern || strings.ContainsRune(pattern, 0) {
		return found{}, wrong("a pattern has at most %d characters, none of them zero", MaxPattern)
	}
	blind := op == ILike
	test := &Test{Op: op, Field: name, Values: []Value{{Text: []byte(pattern)}}, kind: field.Kind, pattern: patternOf(pattern, blind)}
	if p.options.Glob {
		p.args = append(p.args, rewrite(pattern, "*", "?", func(r rune) string { return globbed(r, blind) }))
		return found{"(" + field.SQL + " GLOB ?)", test}, nil
	}
	liked := rewrite(pattern, "%", "_", func(r rune) string { return escaped(r, blind) })
	p.args = append(p.args, liked)
	text := "CONVERT(" + field.SQL + " USING utf8mb4) COLLATE utf8mb4_bin"
	if blind {
		return found{"(LOWER(" + text + ") LIKE ? ESCAPE '!')", test}, nil
	}
	condition := text + " LIKE ? ESCAPE '!'"
	// The column itself, as its collation sees it, matches at least as much; its index finds what begins alike.
	if field.isColumn() && plain(pattern) && !strings.HasPrefix(liked, "%") && !strings.HasPrefix(liked, "_") {
		p.args = append(p.args, liked)
		condition = field.SQL + " LIKE ? ESCAPE '!' AND " + condition
	}
	return found{"(" + condition + ")", test}, nil
}

// escaped is a character that LIKE takes for itself.
func escaped(r rune, blind bool) string {
	if blind {
		r = unicode.ToLower(r)
	}
	if strings.ContainsRune("%_!", r) {
		return "!" + string(r)
	}
	return string(r)
}

// globbed is a character that GLOB takes for itself, or for either case. SQLite's LOWER knows A to Z only.
func globbed(r rune, blind bool) string {
	if strings.ContainsRune("*?[", r) {
		return "[" + string(r) + "]"
	}
	if !blind {
		return string(r)
	}
	small := unicode.ToLower(r)
	same := string(small)
	for other := unicode.SimpleFold(small); other != small; other = unicode.SimpleFold(other) {
		if unicode.ToLower(other) == small {
			same += string(other)
		}
	}
	if small == 'i' {
		same += "İ" // its small letter is i, though i's capital is another
	}
	if same == string(r) {
		return same
	}
	return "[" + same + "]"
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
