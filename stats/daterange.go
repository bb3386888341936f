package stats

import (
	"errors"
	"strings"
	"time"
)

// Range is the time that a report is about, half open.
type Range struct {
	From, To time.Time
	Date     string // how the report names it
	// Start and End are its first and last second as the report tells them, of a range that was given by both; else empty.
	Start, End string
}

// What is wrong with the date of a report.
var (
	ErrDate      = errors.New("neither a day nor week nor month")
	ErrDateTime  = errors.New("neither a day nor a day and a minute")
	ErrHalfRange = errors.New("only one end of the range is given")
	ErrBackwards = errors.New("the range ends before it begins")
)

// MaxDays is how long a range may be that is given by its ends.
const MaxDays = 366

// ParseDate reads the date of a report: a day as 2026-02-11, week for Monday to Friday of the week before this one, month for the
// month before this one, and nothing for today. The error is ErrDate.
func ParseDate(text string, now time.Time, l *time.Location) (Range, error) {
	year, month, day := now.In(l).Date()
	var from, to date
	switch strings.ToLower(text) {
	case "":
		from = date{year, int(month), day}
		to, text = from.plus(1), from.String()
	case "week":
		monday := day - (int(now.In(l).Weekday())+6)%7
		from, to = date{year, int(month), monday - 7}, date{year, int(month), monday - 2}
	case "month":
		from, to = date{year, int(month) - 1, 1}, date{year, int(month), 1}
	default:
		var ok bool
		if from, ok = parseDay(text); !ok {
			return Range{}, ErrDate
		}
		to = from.plus(1)
	}
	return within(from.wall(), to.wall(), l, Range{Date: text}), nil
}

// ParseRange reads the ends of a range: each a day, from its begin or to its end, or a minute, 2026-02-11 08:30, that is included. The
// errors are ErrHalfRange, ErrDateTime, ErrBackwards and ErrRange.
func ParseRange(start, end string, l *time.Location) (Range, error) {
	if start == "" || end == "" {
		return Range{}, ErrHalfRange
	}
	first, _, ok := parseMinute(start)
	last, whole, well := parseMinute(end)
	if !ok || !well {
		return Range{}, ErrDateTime
	}
	if whole {
		last += daySeconds - 60
	}
	switch {
	case first > last:
		return Range{}, ErrBackwards
	case last+60-first > MaxDays*daySeconds:
		return Range{}, ErrRange
	}
	r := Range{Start: wallText(first), End: wallText(last + 59)}
	r.Date = r.Start + " - " + r.End
	return within(first, last+60, l, r), nil
}

// within completes a range by its ends on the wall. No source has calls of other times than those from 1970 to 9998, and not every
// database knows them.
func within(from, to int64, l *time.Location, r Range) Range {
	clock := NewClock(l)
	lowest, highest := int64(0), date{9999, 1, 1}.wall()
	at := func(wall int64) time.Time { return time.Unix(clock.Unix(min(max(wall, lowest), highest)), 0).In(l) }
	r.From, r.To = at(from), at(to)
	return r
}

// date is a day of a calendar. Days and months beyond their month and year are those of the next or the one before.
type date struct{ year, month, day int }

func (d date) plus(days int) date { return date{d.year, d.month, d.day + days} }

func (d date) time() time.Time {
	return time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC)
}

// wall is what a clock shows at its begin.
func (d date) wall() int64 { return d.time().Unix() }

func (d date) String() string { return d.time().Format(time.DateOnly) }

// parseDay reads 2026-02-11, also with one digit for month or day.
func parseDay(text string) (date, bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 || len(parts[0]) != 4 {
		return date{}, false
	}
	var d date
	for i, into := range []*int{&d.year, &d.month, &d.day} {
		var ok bool
		if *into, ok = parseDigits(parts[i], 4-2*min(i, 1)); !ok {
			return date{}, false
		}
	}
	year, month, day := d.time().Date()
	return d, d.year > 0 && d == date{year, int(month), day}
}

// parseMinute reads a day, of which it is the begin, or a day and a time; it is what a clock shows then.
func parseMinute(text string) (wall int64, whole, ok bool) {
	day, clock, timed := strings.Cut(text, " ")
	d, ok := parseDay(day)
	if !ok || !timed {
		return d.wall(), true, ok
	}
	hour, minute, _ := strings.Cut(clock, ":")
	h, ok := parseDigits(hour, 2)
	m, well := parseDigits(minute, 2)
	return d.wall() + int64(3600*h+60*m), false, ok && well && h < 24 && m < 60
}

// parseDigits reads a number of one to some digits.
func parseDigits(text string, most int) (n int, ok bool) {
	if text == "" || len(text) > most {
		return 0, false
	}
	for _, c := range []byte(text) {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

func wallText(wall int64) string { return time.Unix(wall, 0).UTC().Format(time.DateTime) }
