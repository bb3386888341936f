package cdrcsv

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// columns are the places of what we read in a line; -1: it is not there.
type columns struct {
	named bool
	count int // of a named file: each line has so many

	account, src, dst, context, callerID, channel, dstChannel, lastApp int
	start, duration, billSec, disposition, uniqueID, cnum, cnam        int
}

// Master.csv has at least 16 fields; uniqueid, userfield, peeraccount, linkedid and sequence are further ones if cdr.conf says so.
const (
	leastFields = 16
	mostFields  = 40
)

//nolint:gochecknoglobals // a table
var master = columns{
	account: 0, src: 1, dst: 2, context: 3, callerID: 4, channel: 5, dstChannel: 6, lastApp: 7, start: 9, duration: 12, billSec: 13, disposition: 14,
	uniqueID: 16, cnum: -1, cnam: -1,
}

// names are what a column may be called.
func (c *columns) names() map[string]*int {
	return map[string]*int{
		"accountcode": &c.account, "account": &c.account, "src": &c.src, "dst": &c.dst, "dcontext": &c.context, "context": &c.context,
		"clid": &c.callerID, "channel": &c.channel, "dstchannel": &c.dstChannel, "lastapp": &c.lastApp, "calldate": &c.start, "start": &c.start,
		"duration": &c.duration, "billsec": &c.billSec, "disposition": &c.disposition, "uniqueid": &c.uniqueID, "cnum": &c.cnum, "cnam": &c.cnam,
	}
}

// header reads the names of the first line, if it has any.
func (r *Reader) header() error {
	n, eof, err := r.end(0)
	if err != nil {
		return err
	}
	if eof {
		n = len(r.data())
	}
	if n < 0 {
		return nil // too long to be names
	}
	line := bytes.TrimSuffix(r.data()[:n], []byte{'\r'})
	var best columns
	var delimiter byte
	known := 0
	for _, d := range []byte(",;\t") {
		r.delimiter = d
		if c, k := r.named(line); k > known {
			best, known, delimiter = c, k, d
		}
	}
	r.delimiter = ','
	if known < 3 {
		return nil
	}
	var missing []string
	for _, needed := range []struct {
		name  string
		place int
	}{
		{"calldate", best.start},
		{"src", best.src},
		{"dst", best.dst},
		{"duration", best.duration},
		{"billsec", best.billSec},
		{"disposition", best.disposition},
	} {
		if needed.place < 0 {
			missing = append(missing, needed.name)
		}
	}
	if len(missing) > 0 {
		return &FileError{fmt.Sprintf("the first line names the columns, but not %s", strings.Join(missing, ", "))}
	}
	if eof {
		n-- // there is no line break to go behind
	}
	r.columns, r.delimiter = best, delimiter
	r.pass(n+1, 1)
	return nil
}

// named looks for names in a line, and says how many it found.
func (r *Reader) named(line []byte) (c columns, known int) {
	c = columns{named: true}
	places := c.names()
	for _, place := range places {
		*place = -1
	}
	if r.split(line) != "" {
		return c, 0
	}
	c.count = len(r.fields)
	for i, field := range r.fields {
		place := places[strings.ToLower(strings.TrimSpace(string(field)))]
		if place != nil && *place < 0 {
			*place = i
			known++
		}
	}
	return c, known
}

func (r *Reader) field(place int) []byte {
	if place < 0 || place >= len(r.fields) {
		return nil
	}
	return r.fields[place]
}

// parse reads a record, or says what is wrong with it.
func (r *Reader) parse(into *Record, line []byte) (problem string) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	line = bytes.TrimLeft(line, "\x00") // a crash leaves these, and the next line goes on behind them
	if bytes.IndexByte(line, 0) >= 0 {
		return "it has NUL bytes"
	}
	if problem := r.split(line); problem != "" {
		return problem
	}
	c := &r.columns
	switch n := len(r.fields); {
	case c.named && n != c.count:
		return fmt.Sprintf("it has %d fields, but the first line has %d", n, c.count)
	case n < leastFields && !c.named:
		return fmt.Sprintf("it has %d fields, but Asterisk writes at least %d", n, leastFields)
	case n > mostFields && !c.named:
		return fmt.Sprintf("it has %d fields", n)
	}
	*into = Record{
		Account: r.field(c.account), Src: r.field(c.src), Dst: r.field(c.dst), Context: r.field(c.context), CallerID: r.field(c.callerID),
		Channel: r.field(c.channel), DstChannel: r.field(c.dstChannel), LastApp: r.field(c.lastApp), Disposition: r.field(c.disposition),
		UniqueID: r.field(c.uniqueID), CNum: r.field(c.cnum), CNam: r.field(c.cnam),
	}
	var ok bool
	if into.Wall, ok = parseTime(r.field(c.start)); !ok {
		return fmt.Sprintf("the start %q is no time such as 2030-01-31 23:59:59", shown(r.field(c.start)))
	}
	if into.Duration, ok = parseSeconds(r.field(c.duration)); !ok {
		return fmt.Sprintf("the duration %q is no number of seconds", shown(r.field(c.duration)))
	}
	if into.BillSec, ok = parseSeconds(r.field(c.billSec)); !ok {
		return fmt.Sprintf("the billsec %q is no number of seconds", shown(r.field(c.billSec)))
	}
	if len(into.Disposition) == 0 {
		return "the disposition is empty"
	}
	if c.cnum < 0 {
		into.CNum = into.Src
	}
	if c.cnam < 0 {
		into.CNam = nameIn(into.CallerID)
	}
	return ""
}

// nameIn is the name in a caller id such as "Marta" <2001>.
func nameIn(callerID []byte) []byte {
	name := callerID
	if i := bytes.LastIndexByte(name, '<'); i >= 0 {
		name = name[:i]
	} else {
		return nil // a number alone
	}
	name = bytes.TrimSpace(name)
	if len(name) >= 2 && name[0] == '"' && name[len(name)-1] == '"' {
		name = name[1 : len(name)-1]
	}
	return unescaped(name)
}

// unescaped takes the backslashes away that Asterisk puts before quotes and backslashes of a name.
func unescaped(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	plain := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+1 < len(name) && (name[i+1] == '"' || name[i+1] == '\\') {
			i++
		}
		plain = append(plain, name[i])
	}
	return plain
}

// parseTime reads 2030-01-31 23:59:59, with or without a T and parts of a second, which are left out.
func parseTime(text []byte) (wall int64, ok bool) {
	const form = "dddd-dd-dd dd:dd:dd"
	if len(text) < len(form) {
		return 0, false
	}
	var n [6]int
	at := 0
	for i, want := range []byte(form) {
		c := text[i]
		switch {
		case want == 'd' && c >= '0' && c <= '9':
			n[at] = 10*n[at] + int(c-'0')
		case want == ' ' && c == 'T' || want == c && want != 'd':
			at++
		default:
			return 0, false
		}
	}
	if rest := text[len(form):]; len(rest) > 0 && (rest[0] != '.' || !digits(rest[1:])) {
		return 0, false
	}
	year, month, day, hour, minute, second := n[0], n[1], n[2], n[3], n[4], n[5]
	if year < 1980 || year > 2200 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t.Unix(), t.Day() == day
}

func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// parseSeconds reads whole seconds; parts of one are left out. What is below 0, since a clock was put back, is 0.
func parseSeconds(text []byte) (seconds int64, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if whole, part, found := bytes.Cut(text, []byte{'.'}); found {
		if text = whole; !digits(part) {
			return 0, false
		}
	}
	if !digits(text) || len(text) > 9 {
		return 0, false
	}
	for _, c := range text {
		seconds = 10*seconds + int64(c-'0')
	}
	if negative {
		return 0, true
	}
	return seconds, true
}
