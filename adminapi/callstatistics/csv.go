package callstatistics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"talktime/stats"
)

// csvHeader is the first line of every list.
const csvHeader = "call_time,call_direction,caller_id_name,caller_id_number,callee_id_number,caller_zone_id,caller_zone," +
	"callee_zone_id,callee_zone,duration_seconds,unanswered,call_id\r\n"

// Bounds of how a list is sent.
const (
	csvBuffer = 64 << 10
	// csvPatience is how long the first line waits for a source to answer: until then a failure can be told.
	csvPatience = 50 * time.Millisecond
	// csvStalled is how long a client may take for a buffer, and how far it may be behind csvRate.
	csvStalled = time.Minute
	// csvRate is how much a client takes at least, in bytes a second: a list keeps connections to all sources for as long as it is sent.
	csvRate = 50_000
)

// ErrCut says that a list has been begun and cannot be ended: the connection must be cut, so that nobody takes it for whole.
var ErrCut = errors.New("the list was cut")

// CSV lists the calls of an account. Its errors are of the type *Error as long as nothing was sent, ErrCut with the reason afterwards, or
// the context has ended.
func (a *API) CSV(ctx context.Context, w http.ResponseWriter, text string, account *stats.Account) error {
	q, err := a.parse(text, true)
	if err != nil {
		return err
	}
	list := &csvList{w: w, control: http.NewResponseController(w), buffer: make([]byte, 0, csvBuffer), clock: stats.NewClock(q.zone), day: -1 << 31, monthFirst: a.MonthFirst}
	ask := stats.LineQuery{Filter: q.Test, Account: account, Order: q.Ordered, Limit: q.Limit, Offset: q.Offset}
	if ask.Streams() {
		ask.Begun = list.begin
		var early *time.Timer
		ask.Entered = func() { early = time.AfterFunc(csvPatience, list.begin) } // until then nothing is on its way: it may be refused
		defer func() {
			if early != nil {
				early.Stop()
			}
		}()
	}
	if err = a.Stats.Lines(ctx, ask, list.line); err == nil {
		list.begin()
		if err = list.send(); err == nil {
			return nil
		}
	}
	if list.refuse() {
		return errorOf(err)
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// csvList is a list on its way.
type csvList struct {
	w       http.ResponseWriter
	control *http.ResponseController
	first   sync.Once // what is answered at all: a list or a refusal
	refused bool
	failed  error // to send the first line
	buffer  []byte
	sent    int64         // bytes
	waited  time.Duration // for the client

	clock      *stats.Clock
	day        stats.Day // of date
	date       [len("17/06/2027")]byte
	monthFirst bool
}

// Header tells what is sent.
func Header(h http.Header) {
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="call_statistics.csv"`)
	h.Set("X-Source", string(stats.FromRaw))
}

// begin sends the first line at once, unless that was done.
func (l *csvList) begin() {
	l.first.Do(func() {
		Header(l.w.Header())
		l.w.WriteHeader(http.StatusOK)
		if l.failed = l.write([]byte(csvHeader)); l.failed == nil {
			l.failed = supported(l.control.Flush())
		}
	})
}

// refuse reports whether nothing was sent, and sees to it that nothing will be.
func (l *csvList) refuse() bool {
	l.first.Do(func() { l.refused = true })
	return l.refused
}

// write sends something. Whoever takes too long for it, or for everything until now, is given up; whoever takes it gets more time.
func (l *csvList) write(b []byte) error {
	begun := time.Now() //nolint:forbidigo // how long, not when
	if err := supported(l.control.SetWriteDeadline(begun.Add(l.patience(len(b))))); err != nil {
		return err
	}
	n, err := l.w.Write(b)
	l.sent += int64(n)
	l.waited += time.Since(begun)
	return err
}

// patience is how long the client may take for some more bytes. What sources take does not count.
func (l *csvList) patience(more int) time.Duration {
	due := csvStalled + time.Duration((l.sent+int64(more))/csvRate)*time.Second
	return min(due-l.waited, csvStalled)
}

// supported is the error of what a connection may not be able to do.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// send empties the buffer.
func (l *csvList) send() error {
	if l.failed != nil {
		return l.failed
	}
	err := l.write(l.buffer)
	l.buffer = l.buffer[:0]
	return err
}

// line adds a call.
func (l *csvList) line(c *stats.Line) error {
	l.begin()
	b := l.buffer
	b = l.appendTime(b, c.Start)
	b = append(b, ',')
	b = append(b, c.Direction.String()...)
	b = append(b, ',')
	b = appendWords(b, c.CallerIDName)
	b = append(b, ',')
	b = appendNumber(b, c.CallerIDNumber)
	b = append(b, ',')
	b = appendNumber(b, c.Dst)
	b = appendZone(b, c.CallerZone, c.CallerLabel)
	b = appendZone(b, c.CalleeZone, c.CalleeLabel)
	b = append(b, ',')
	b = strconv.AppendInt(b, c.Duration, 10)
	if c.Unanswered {
		b = append(b, ",1,"...)
	} else {
		b = append(b, ",0,"...)
	}
	b = appendQuoted(b, c.UniqueID)
	l.buffer = append(b, '\r', '\n')
	if len(l.buffer) > csvBuffer-(4<<10) {
		return l.send()
	}
	return nil
}

func appendZone(b []byte, zone *stats.Zone, label string) []byte {
	if zone == nil {
		return append(b, ",,"...)
	}
	b = strconv.AppendInt(append(b, ','), zone.ID, 10)
	return appendWords(append(b, ','), label)
}

// appendTime writes a moment as the clock shows it: 23:00:00 04/03/2016.
func (l *csvList) appendTime(b []byte, unix int64) []byte {
	wall := l.clock.Wall(unix)
	day := stats.DayOf(wall)
	if day != l.day {
		layout := "02/01/2006"
		if l.monthFirst {
			layout = "01/02/2006"
		}
		l.day = day
		time.Unix(wall, 0).UTC().AppendFormat(l.date[:0], layout)
	}
	second := int(wall - int64(day)*24*60*60)
	for _, n := range [...]int{second / 3600, second / 60 % 60, second % 60} {
		b = append(b, byte('0'+n/10), byte('0'+n%10), ':') //nolint:gosec // digits
	}
	b[len(b)-1] = ' '
	return append(b, l.date[:]...)
}

// appendNumber writes a telephone number as it is. What came in its place, from whoever may call himself as he likes, is text.
func appendNumber(b, number []byte) []byte {
	for _, c := range number {
		if (c < '0' || c > '9') && c != '+' && c != '*' && c != '#' {
			return appendWords(b, number)
		}
	}
	return append(b, number...)
}

// appendWords writes text that spreadsheets do not take for a formula.
func appendWords[T []byte | string](b []byte, text T) []byte {
	if len(text) == 0 {
		return b
	}
	switch text[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return appendQuoted(b, append([]byte{'\''}, text...))
	}
	return appendQuoted(b, text)
}

// appendQuoted writes text in quotes where it needs them.
func appendQuoted[T []byte | string](b []byte, text T) []byte {
	plain := true
	for i := range len(text) {
		if c := text[i]; c == '"' || c == ',' || c == '\r' || c == '\n' {
			plain = false
			break
		}
	}
	if plain {
		return append(b, text...)
	}
	b = append(b, '"')
	for i := range len(text) {
		if text[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, text[i])
	}
	return append(b, '"')
}
