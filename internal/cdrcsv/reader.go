package cdrcsv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// Record is a call record as a line says it. Its texts are valid until the next one is read.
type Record struct {
	Wall     int64 // start by the clock of whoever wrote it, in seconds since 1970 as if that clock were UTC
	Duration int64 // seconds; 0 where a clock was put back during the call
	BillSec  int64

	Account     []byte
	Src         []byte
	Dst         []byte
	Context     []byte
	CallerID    []byte
	Channel     []byte
	DstChannel  []byte
	LastApp     []byte
	Disposition []byte
	UniqueID    []byte
	CNum        []byte // Src, where the file has no such column
	CNam        []byte // the name in CallerID, where the file has no such column
}

// LineError says why a line is no record. The lines behind it can be read.
type LineError struct {
	Line int64 // counted from 1
	Text string
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// FileError says why nothing of a file can be read.
type FileError struct{ text string }

// Error implements error.
func (e *FileError) Error() string { return e.text }

// Place is a place between two lines.
type Place struct {
	Offset int64 // bytes before it
	Line   int64 // lines before it
}

// Bounds of what a record may be: a quote that is never closed must not take the rest of the file along.
const (
	maxRecord = 64 << 10
	maxLines  = 8
)

// Reader reads records one after the other, in memory that does not grow with the file.
type Reader struct {
	from  io.Reader
	buf   []byte // what was read and is not used yet begins at begin
	begin int
	err   error // of reading; io.EOF at the end
	place Place // of begin

	columns   columns
	delimiter byte
	fields    [][]byte
	unquoted  []byte
	rest      int
}

// New begins to read. The names in the first line, if it has any, are read. An error is a *FileError when the file is no such
// text at all, and io.EOF when it is empty.
func New(from io.Reader) (*Reader, error) {
	r := &Reader{from: from, buf: make([]byte, 0, 4*maxRecord), columns: master, delimiter: ','}
	if err := r.fill(); err != nil {
		return nil, err
	}
	data := r.data()
	switch {
	case len(data) == 0:
		return nil, io.EOF
	case bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, &FileError{"the file is UTF-16; save it as UTF-8"}
	case binary(data):
		return nil, &FileError{"the file is not text; a Master.csv or a CSV export of the table cdr is wanted"}
	}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		r.advance(3)
	}
	return r, r.header()
}

// binary reports whether the begin of a file has other control characters than text has. A few NUL bytes are what a crash leaves.
func binary(data []byte) bool {
	data = data[:min(len(data), 512)]
	control := 0
	for _, c := range data {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != 0 {
			control++
		}
	}
	return control > 0 || len(data) >= 4 && bytes.Count(data, []byte{0}) == len(data)
}

func (r *Reader) data() []byte { return r.buf[r.begin:] }

// fill reads on. It returns no io.EOF: then there is only nothing more.
func (r *Reader) fill() error {
	if r.begin > 0 {
		r.buf = r.buf[:copy(r.buf, r.data())]
		r.begin = 0
	}
	for r.err == nil && len(r.buf) < cap(r.buf) {
		var n int
		n, r.err = r.from.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return r.err
	}
	return nil
}

func (r *Reader) advance(n int) {
	r.begin += n
	r.place.Offset += int64(n)
}

// Place is behind the last record that was read.
func (r *Reader) Place() Place { return r.place }

// Names reports whether the first line had the names of the columns.
func (r *Reader) Names() bool { return r.columns.named }

// Rest is how many bytes at the end are no whole line yet: somebody is still writing it. It is known at the end.
func (r *Reader) Rest() int { return r.rest }

// SkipTo leaves everything out before a place that an earlier Reader of the same file was at. It is io.ErrUnexpectedEOF when the
// file ends before. A place behind which this Reader is already changes nothing.
func (r *Reader) SkipTo(to Place) error {
	for r.place.Offset < to.Offset {
		if r.begin == len(r.buf) {
			if err := r.fill(); err != nil {
				return err
			}
			if len(r.buf) == 0 {
				return io.ErrUnexpectedEOF
			}
		}
		r.advance(int(min(int64(len(r.data())), to.Offset-r.place.Offset)))
	}
	r.place.Line = max(to.Line, r.place.Line)
	return nil
}

// end finds where the line ends that goes on at a place in data, without its line break. It is -1 when that is not within
// maxRecord of data's begin, or when the file has no further line break; whole tells these apart.
func (r *Reader) end(from int) (n int, eof bool, err error) {
	for {
		if i := bytes.IndexByte(r.data()[from:], '\n'); i >= 0 {
			if from+i > maxRecord {
				return -1, false, nil
			}
			return from + i, false, nil
		}
		if len(r.data()) > maxRecord {
			return -1, false, nil
		}
		if r.err != nil {
			return -1, true, nil
		}
		from = len(r.data())
		if err := r.fill(); err != nil {
			return -1, false, err
		}
	}
}

// Next reads a record. At the end it is io.EOF; a *LineError when a line is none.
func (r *Reader) Next(into *Record) error {
	for {
		n, eof, err := r.end(0)
		switch {
		case err != nil:
			return err
		case eof:
			return r.last(into)
		case n < 0:
			return r.skipLong()
		}
		line := r.data()[:n]
		if blank(line) {
			r.pass(n+1, 1)
			continue
		}
		return r.record(into, n)
	}
}

func blank(line []byte) bool { return len(bytes.TrimLeft(line, "\r \t\x00")) == 0 }

// pass goes behind lines.
func (r *Reader) pass(bytes int, lines int64) {
	r.advance(bytes)
	r.place.Line += lines
}

func (r *Reader) bad(text string) error { return &LineError{r.place.Line, text} }

// record reads the record that begins with a line of n bytes. Its texts may have line breaks.
func (r *Reader) record(into *Record, n int) error {
	first := n
	problem := r.parse(into, r.data()[:n])
	for lines := int64(1); problem == openQuote && lines < maxLines; lines++ {
		next, eof, err := r.end(n + 1)
		if err != nil {
			return err
		}
		if eof || next < 0 {
			break
		}
		n = next
		if problem = r.parse(into, r.data()[:n]); problem == "" {
			r.pass(n+1, lines+1)
			return nil
		}
	}
	if first != n {
		problem = openQuote
	}
	r.pass(first+1, 1)
	if problem != "" {
		return r.bad(problem)
	}
	return nil
}

// last looks at what stands behind the last line break. It is a record only when nothing can be missing from it.
func (r *Reader) last(into *Record) error {
	line := r.data()
	if blank(line) {
		return io.EOF
	}
	if line[len(line)-1] == '"' && r.parse(into, line) == "" {
		r.pass(len(line), 1)
		return nil
	}
	r.rest = len(line)
	return io.EOF
}

// skipLong goes behind a line that is too long to be one.
func (r *Reader) skipLong() error {
	for {
		if i := bytes.IndexByte(r.data(), '\n'); i >= 0 {
			r.pass(i+1, 1)
			break
		}
		r.advance(len(r.data()))
		if r.err != nil {
			r.place.Line++
			break
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	return r.bad(fmt.Sprintf("it is longer than %d KiB", maxRecord>>10))
}

const openQuote = "a quote is not closed"

// split divides a line into fields, as strictly as Asterisk writes it: a quote stands at both ends of a field, and is doubled within.
func (r *Reader) split(line []byte) (problem string) {
	r.fields, r.unquoted = r.fields[:0], r.unquoted[:0]
	for {
		if len(line) == 0 || line[0] != '"' {
			n := bytes.IndexByte(line, r.delimiter)
			field := line
			if n >= 0 {
				field = line[:n]
			}
			if bytes.IndexByte(field, '"') >= 0 {
				return "a quote stands in the middle of a field"
			}
			r.fields = append(r.fields, field)
			if n < 0 {
				return ""
			}
			line = line[n+1:]
			continue
		}
		field, rest, ok := r.quoted(line[1:])
		if !ok {
			return openQuote
		}
		r.fields = append(r.fields, field)
		if len(rest) == 0 {
			return ""
		}
		if rest[0] != r.delimiter {
			return "something stands behind a closing quote"
		}
		line = rest[1:]
	}
}

// quoted reads a field behind its opening quote.
func (r *Reader) quoted(line []byte) (field, rest []byte, ok bool) {
	begin := len(r.unquoted)
	for {
		n := bytes.IndexByte(line, '"')
		if n < 0 {
			return nil, nil, false
		}
		if n+1 == len(line) || line[n+1] != '"' {
			if begin == len(r.unquoted) {
				return line[:n], line[n+1:], true // it had no quote
			}
			r.unquoted = append(r.unquoted, line[:n]...)
			return r.unquoted[begin:], line[n+1:], true
		}
		r.unquoted = append(r.unquoted, line[:n+1]...)
		line = line[n+2:]
	}
}

// shown is a text for a message.
func shown(text []byte) string {
	const most = 40
	s := []rune(string(bytes.ToValidUTF8(text[:min(len(text), 4*most)], []byte("?"))))
	s = s[:min(len(s), most)]
	for i, c := range s {
		if !unicode.IsPrint(c) || c == utf8.RuneError {
			s[i] = '?'
		}
	}
	return string(s)
}
