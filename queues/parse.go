package queues

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is read. Asterisk writes at most 8 KiB; unique ids, names of queues and channels are shorter than 150 bytes.
const (
	MaxLine = 16 << 10 // bytes of a line, without its end
	MaxName = 150      // bytes of a call id, a queue, an agent, the name of an event

	epoch = 365 * 24 * 3600 // the first second that is believed

	near = 12 * 3600 * Second // what Parser.Last tells of
)

// ErrMalformed is what every error of a Parser wraps.
var ErrMalformed = errors.New("not a line of a queue_log")

// Parser reads lines of queue_log and rows of its table. The zero value reads times without a zone as UTC. Not for two goroutines at once.
type Parser struct {
	Zone *time.Location // of times written by the clock on the wall, as in the table; nil is UTC

	// Last is the latest time read so far, as Event.At, of those that are near the last one: a line that is half a day behind begins
	// anew. In the hour that clocks show twice in autumn it tells which of the two is meant: never half an hour back. Who goes on reading
	// after a restart sets it to that of the last event; 0, and one that is far away, mean the first.
	Last int64
}

// Parse reads one line: seconds since 1970 (or a date and time), call id, queue, agent, event and up to five parameters with bars
// between them. The texts of the event are parts of the line; nothing is copied unless bytes had to be repaired: control characters
// and broken UTF-8 become question marks, since a caller's odd name must not cost a call. Unknown events are kept.
func (p *Parser) Parse(line string) (Event, error) {
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if len(line) > MaxLine {
		return Event{}, malformed("it has %d bytes or more; at most %d are read", len(line), MaxLine)
	}
	if line == "" {
		return Event{}, malformed("it is empty")
	}
	line, err := repaired(line)
	if err != nil {
		return Event{}, err
	}
	var e Event
	stamp, rest, _ := strings.Cut(line, "|")
	for i, field := range [...]*string{&e.CallID, &e.Queue, &e.Agent, &e.Name} {
		*field, rest, _ = strings.Cut(rest, "|")
		if len(*field) > MaxName {
			return Event{}, malformed("its %s has %d bytes; at most %d are allowed", fieldNames[i], len(*field), MaxName)
		}
	}
	if e.Name == "" {
		return Event{}, malformed("it has no event: expected time|callid|queue|agent|event|parameters")
	}
	for _, field := range [...]*string{&e.CallID, &e.Queue, &e.Agent} {
		if *field == "" {
			*field = None
		}
	}
	e.Kind = KindOf(e.Name)
	for i := range e.Params {
		if i == len(e.Params)-1 {
			e.Params[i] = rest
			break
		}
		bar := strings.IndexByte(rest, '|')
		if bar < 0 {
			e.Params[i] = rest
			break
		}
		e.Params[i], rest = rest[:bar], rest[bar+1:]
	}
	if e.At, err = p.time(stamp); err != nil {
		return Event{}, err
	}
	if e.At > p.Last || e.At < p.Last-near {
		p.Last = e.At
	}
	return e, nil
}

var fieldNames = [...]string{"call id", "queue", "agent", "event"}

// ParseRow reads a row of the table that Asterisk writes instead of the file. Of a table that keeps all parameters in one column,
// that column is the only parameter.
func (p *Parser) ParseRow(at, callID, queue, agent, event string, params ...string) (Event, error) {
	for i, text := range [...]string{callID, queue, agent, event} {
		if strings.IndexByte(text, '|') >= 0 {
			return Event{}, malformed("its %s has a bar", fieldNames[i])
		}
	}
	names := strings.Join([]string{at, callID, queue, agent, event}, "|")
	return p.Parse(names + "|" + strings.Join(params, "|"))
}

// malformed says what is wrong with a line, never what it says: that may be somebody's number.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// repaired is a line without bytes that no database and no browser wants. Bytes of zero are what a file system leaves of a file after
// a loss of power: such a line is refused, for it is half a line.
func repaired(line string) (string, error) {
	plain := true
	for i := range len(line) {
		c := line[i]
		if c < ' ' || c >= 0x7f {
			plain = false
			if c == 0 {
				return "", malformed("it has a zero byte")
			}
		}
	}
	if plain {
		return line, nil
	}
	controls := func(c rune) bool { return c < ' ' || c == 0x7f }
	if strings.IndexFunc(line, controls) >= 0 || !utf8.ValidString(line) {
		line = strings.Map(func(c rune) rune {
			if controls(c) {
				return '?'
			}
			return c
		}, strings.ToValidUTF8(line, "?"))
	}
	return line, nil
}

// time reads seconds since 1970 or a date and time, both with or without a fraction; what is finer than a microsecond is cut off.
func (p *Parser) time(text string) (int64, error) {
	if len(text) > 32 {
		return 0, malformed("its time has %d characters", len(text))
	}
	if len(text) >= len(time.DateTime) && text[4] == '-' {
		return p.wall(text)
	}
	whole, fraction, dotted := strings.Cut(text, ".")
	seconds, ok := number(whole)
	if !ok || dotted && fraction == "" {
		return 0, malformed("its time %q is neither seconds since 1970 nor YYYY-MM-DD HH:MM:SS", text)
	}
	micros, unit := int64(0), Second/10
	for i := range len(fraction) {
		c := fraction[i]
		if c < '0' || c > '9' {
			return 0, malformed("its time %q is neither seconds since 1970 nor YYYY-MM-DD HH:MM:SS", text)
		}
		micros += int64(c-'0') * unit
		unit /= 10
	}
	if seconds < epoch {
		return 0, malformed("its time is before 1971: the clock of that machine had not been set")
	}
	return seconds*Second + micros, nil
}

// wall reads a time by the clock on the wall.
func (p *Parser) wall(text string) (int64, error) {
	first, second, err := p.readings(text)
	if second != 0 && first < p.Last-1800*Second && p.Last <= second+near {
		return second, err
	}
	return first, err
}

// Twice tells both moments that a time by the clock on the wall may mean, as Event.At; false if it means one, or none.
func (p *Parser) Twice(text string) (first, second int64, twice bool) {
	if len(text) < len(time.DateTime) || len(text) > 32 || text[4] != '-' {
		return 0, 0, false
	}
	first, second, _ = p.readings(text)
	return first, second, second != 0
}

// readings are the moments at which the clock on the wall shows a time; the second is 0 if there is one only.
func (p *Parser) readings(text string) (first, second int64, err error) {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	layout := time.DateTime
	if text[10] == 'T' {
		layout = "2006-01-02T15:04:05"
	}
	t, err := time.ParseInLocation(layout, text, zone)
	if err != nil || t.Unix() < epoch || t.Unix() > 9_999_999_999 {
		return 0, 0, malformed("its time %q is no date and time between 1971 and 2286", text)
	}
	at := t.UnixMicro()
	_, here := t.Zone()
	_, before := t.AddDate(0, 0, -1).Zone()
	_, after := t.AddDate(0, 0, 1).Zone()
	if before == after {
		return at, 0, nil
	}
	// The clock changes today: is there another moment at which it shows this?
	wall := at + int64(here)*Second
	first, second = wall-int64(before)*Second, wall-int64(after)*Second
	if first == second || !shows(zone, first, before) || !shows(zone, second, after) {
		return at, 0, nil
	}
	return first, second, nil
}

// shows tells whether a zone is that many seconds ahead of UTC at a moment.
func shows(zone *time.Location, at int64, ahead int) bool {
	_, offset := time.UnixMicro(at).In(zone).Zone()
	return offset == ahead
}
