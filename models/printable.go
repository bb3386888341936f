package models

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable reports whether s is text of at least least and at most most printable characters, without blanks at its
// ends.
func printable(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return n >= least && n <= most && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, odd)
}
