package callcenter

import (
	"io"
	"strconv"
	"unicode/utf8"
)

// flushed is how many bytes are put together before they are written: a list of 100,000 rows is 50 MB.
const flushed = 32 << 10

// writer writes JSON whose keys keep their order and whose values are texts. An error stays, and is told at the end.
type writer struct {
	to  io.Writer
	b   []byte
	n   int64
	err error
}

// raw writes punctuation, or JSON that is there already.
func (w *writer) raw(text string) {
	w.b = append(w.b, text...)
	if len(w.b) >= flushed {
		w.flush()
	}
}

func (w *writer) flush() {
	if w.err == nil && len(w.b) > 0 {
		n, err := w.to.Write(w.b)
		w.n, w.err = w.n+int64(n), err
	}
	w.b = w.b[:0]
}

// text writes a value.
func (w *writer) text(s string) { w.b = appendQuoted(w.b, s) }

// object writes an object of keys and values in turn.
func (w *writer) object(pairs ...string) {
	w.raw("{")
	w.pairs(pairs...)
	w.raw("}")
}

// pairs writes the keys and values of an object.
func (w *writer) pairs(pairs ...string) {
	for i, text := range pairs {
		switch {
		case i%2 == 1:
			w.raw(":")
		case i > 0:
			w.raw(",")
		}
		w.text(text)
	}
}

func number[N ~int | ~int32 | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// appendQuoted writes a text of JSON. What is no UTF-8 becomes U+FFFD: callers may call themselves anything. U+2028 and U+2029 are
// escaped, since they end lines of JavaScript.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c, size := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
		}
		odd := c < ' ' || c == '"' || c == '\\' || c == 0x7f || c == '\u2028' || c == '\u2029' || c == utf8.RuneError && size == 1
		if !odd {
			i += size
			continue
		}
		b = append(b, s[begin:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', byte(c))
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15])
		}
		i += size
		begin = i
	}
	b = append(b, s[begin:]...)
	return append(b, '"')
}
