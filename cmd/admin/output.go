package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printer writes to standard output. It keeps the first error, which Flush returns.
type printer struct{ *bufio.Writer }

func (p printer) f(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// json prints one document.
func (p printer) json(v any) error {
	e := json.NewEncoder(p)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table is the columns of a table for people. The titles are left out when all of them are empty.
type table []column

type column struct {
	title string
	right bool // as numbers are set
}

// write aligns and prints rows.
func (t table) write(out printer, rows [][]string) {
	_ = t.stream(out, func(row func(...string)) error {
		for _, cells := range rows {
			row(cells...)
		}
		return nil
	})
}

// stream prints rows that do not fit into memory: each goes over them twice, first to find the widths. A row that
// changes in between is merely out of line.
func (t table) stream(out printer, each func(row func(cells ...string)) error) error {
	widths := make([]int, len(t))
	titles := make([]string, len(t))
	for i, c := range t {
		titles[i] = c.title
	}
	measure := func(cells ...string) {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(cell)))
		}
	}
	measure(titles...)
	if err := each(measure); err != nil {
		return err
	}
	if strings.Join(titles, "") != "" {
		t.row(out, widths, titles)
	}
	return each(func(cells ...string) { t.row(out, widths, cells) })
}

func (t table) row(out printer, widths []int, cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		cell = printable(cell)
		space := strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0))
		if t[i].right {
			cell = space + cell
		} else {
			cell += space
		}
		b.WriteString(cell)
		b.WriteString("  ")
	}
	out.f("%s\n", strings.TrimRight(b.String(), " "))
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Bounds of what a message repeats of what it was given.
const (
	maxQuoted = 80   // characters of one quotation
	maxLine   = 2000 // of a line
)

// quotation is text as %q prints it.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// shortened is one line of a message, fit for a terminal whatever somebody typed or a file had in it.
func shortened(line string) string {
	line = quotation.ReplaceAllStringFunc(printable(line), func(quoted string) string {
		if utf8.RuneCountInString(quoted) <= maxQuoted {
			return quoted
		}
		return cut(quoted, maxQuoted) + `…"`
	})
	if utf8.RuneCountInString(line) > maxLine {
		return cut(line, maxLine) + "…"
	}
	return line
}

// cut returns the first n characters.
func cut(text string, n int) string {
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}

// printable keeps what a stranger chose, such as a caller id, from steering the terminal.
func printable(cell string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, cell)
}
