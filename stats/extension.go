package stats

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// LongCall is how many seconds of talk a call must have more than, to be a long one.
const LongCall = 90

// Extensions counts calls by the extension that called: what callstat reports. It is a Counter.
type Extensions struct {
	first, last int64
	by          map[string]*extension
}

// extension is what is counted of one.
type extension struct {
	name     string // the last that was not empty,
	named    int64  // of a call that began then
	talk     int64  // seconds
	longTalk int64  // seconds of long calls
	calls    Set    // unique ids
	long     Set    // unique ids of long calls
	numbers  Set    // that were called
}

// NewExtensions counts the extensions from the first to the last, both included, and users of ours.
func NewExtensions(first, last int64) *Extensions {
	return &Extensions{first: first, last: last, by: make(map[string]*extension)}
}

// Add implements Counter.
func (e *Extensions) Add(r *Record) {
	dialled := string(r.LastApp) == "Dial"
	if !dialled && string(r.LastApp) != "Busy" && string(r.LastApp) != "Congestion" ||
		string(r.Disposition) == "FAILED" || fourDigits(r.Dst) || !r.Own && !e.covers(r.CNum) {
		return
	}
	x := e.of(r.CNum)
	x.calls.Add(r.UniqueID)
	x.numbers.Add(r.Dst)
	x.call(r.CNam, r.Start)
	if dialled && string(r.Disposition) == "ANSWERED" {
		x.talk += r.BillSec
		if r.BillSec > LongCall {
			x.longTalk += r.BillSec
			x.long.Add(r.UniqueID)
		}
	}
}

// of is what is counted of an extension.
func (e *Extensions) of(number []byte) *extension {
	x := e.by[string(number)]
	if x == nil {
		x = &extension{}
		e.by[string(number)] = x
	}
	return x
}

// call notes the name of a call that began at a moment. Of several in one second the greatest counts, in whatever order they come.
func (x *extension) call(name []byte, began int64) {
	switch {
	case len(name) == 0, x.name != "" && began < x.named, x.name != "" && began == x.named && string(name) < x.name:
		return
	case string(name) != x.name:
		x.name = string(name)
	}
	x.named = began
}

// covers reports whether a number is an extension.
func (e *Extensions) covers(number []byte) bool {
	n, ok := extensionNumber(number)
	return ok && n >= e.first && n <= e.last
}

// extensionNumber reads digits; none, and other characters, are no number, and more of them than any extension has none either.
func extensionNumber[T ~string | ~[]byte](number T) (n int64, ok bool) {
	for i := range len(number) {
		c := number[i]
		if c < '0' || c > '9' || n >= 1e17 {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, len(number) > 0
}

// fourDigits reports whether a number is of four digits, as calls within the house have them.
func fourDigits(number []byte) bool {
	return len(number) == 4 && isDigit(number[0]) && isDigit(number[1]) && isDigit(number[2]) && isDigit(number[3])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// AppendTo implements Counter.
func (e *Extensions) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.by)))
	for _, number := range slices.Sorted(maps.Keys(e.by)) {
		x := e.by[number]
		b = appendText(b, number)
		b = appendText(b, x.name)
		b = binary.AppendUvarint(b, uint64(x.named))    //nolint:gosec // a moment, after 1970
		b = binary.AppendUvarint(b, uint64(x.talk))     //nolint:gosec // seconds are not below 0
		b = binary.AppendUvarint(b, uint64(x.longTalk)) //nolint:gosec // the same
		b = x.numbers.AppendTo(x.long.AppendTo(x.calls.AppendTo(b)))
	}
	return b
}

// MergeFrom implements Counter.
func (e *Extensions) MergeFrom(b []byte) error {
	r := reader{b: bytes.Clone(b)} // which the sets keep
	for n := r.uvarint(); n > 0 && !r.failed; n-- {
		e.of(r.text()).read(&r)
	}
	if r.failed || r.at < len(r.b) {
		return errCells
	}
	return nil
}

func (x *extension) read(r *reader) {
	name, named, talk, longTalk := r.text(), r.uvarint(), r.uvarint(), r.uvarint()
	if r.failed || named > maxSeconds || talk > maxSeconds || longTalk > maxSeconds {
		r.fail()
		return
	}
	x.call(name, int64(named))
	x.talk += int64(talk)
	x.longTalk += int64(longTalk)
	x.calls.read(r)
	x.long.read(r)
	x.numbers.read(r)
}

// maxSeconds is more than anything that was counted for a day can come to.
const maxSeconds = 1 << 50

// Extension is a line of callstat.
type Extension struct {
	CNum      string     `json:"cnum"`
	CNam      string     `json:"cnam"`
	Calls     int        `json:"call_count"`
	Talk      Hundredths `json:"total_call_time_minutes"`
	LongCalls int        `json:"long_calls_count"`
	LongTalk  Hundredths `json:"total_long_calls_minutes"`
	Numbers   int        `json:"unique_calls"` // that were called
}

// extensionSum is an extension in all sources.
type extensionSum struct {
	name                 string
	calls, long, numbers int
	talk, longTalk       int64
}

// addTo adds what one source has, whose directory says which extensions there are and what they are called.
func (e *Extensions) addTo(sum map[string]*extensionSum, directory map[string]string) {
	var room scratch
	of := func(number, name string) *extensionSum {
		x := sum[number]
		if x == nil {
			x = &extensionSum{}
			sum[number] = x
		}
		x.name = cmp.Or(x.name, name)
		return x
	}
	for number, counted := range e.by {
		x := of(number, cmp.Or(counted.name, callerName(directory[number])))
		x.calls += counted.calls.size(&room)
		x.long += counted.long.size(&room)
		x.numbers += counted.numbers.size(&room)
		x.talk += counted.talk
		x.longTalk += counted.longTalk
	}
	for number, name := range directory {
		if n, ok := extensionNumber(number); ok && n >= e.first && n <= e.last && e.by[number] == nil {
			of(number, callerName(name))
		}
	}
}

// callerName is the name in what a directory has of an extension: what stands before <, behind the last comma.
func callerName(text string) string {
	text, _, _ = strings.Cut(text, "<")
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		text = text[i+1:]
	}
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(text), `"`))
}

// ranked are the lines of the report: most talk first, then by number.
func ranked(sum map[string]*extensionSum) []Extension {
	lines := make([]Extension, 0, len(sum))
	for number, x := range sum {
		lines = append(lines, Extension{number, x.name, x.calls, minutes(x.talk), x.long, minutes(x.longTalk), x.numbers})
	}
	slices.SortFunc(lines, func(a, b Extension) int {
		return cmp.Or(cmp.Compare(b.Talk, a.Talk), byNumber(a.CNum, b.CNum))
	})
	return lines
}

// byNumber orders numbers by their value, before everything that is none.
func byNumber(a, b string) int {
	n, aIs := extensionNumber(a)
	m, bIs := extensionNumber(b)
	switch {
	case aIs && bIs:
		return cmp.Or(cmp.Compare(n, m), cmp.Compare(a, b))
	case aIs:
		return -1
	case bIs:
		return 1
	}
	return bytes.Compare([]byte(a), []byte(b))
}
