package models

import (
	"fmt"
	"strings"
	"time"
)

// Window is a time of day on some days of the week, in the zone of the settings. As text it is "22:00-06:00" or
// "sat,sun 00:00-00:00": a night belongs to the day on which it begins, and the same time twice is the whole day.
type Window struct {
	Days       Days
	Start, End int // minutes of the day
}

// Covers reports whether a local time is in the window.
func (w Window) Covers(local time.Time) bool {
	hour, minute, _ := local.Clock()
	now, day := hour*60+minute, local.Weekday()
	switch {
	case w.Start == w.End:
		return w.Days.Has(day)
	case w.Start < w.End:
		return w.Start <= now && now < w.End && w.Days.Has(day)
	case now >= w.Start:
		return w.Days.Has(day)
	}
	return now < w.End && w.Days.Has((day+6)%7) // the night of the day before
}

// Validate reports what is wrong with a window, in one sentence.
func (w Window) Validate() error {
	if w.Start < 0 || w.Start >= MinutesOfDay || w.End < 0 || w.End >= MinutesOfDay || w.Days >= 1<<7 {
		return invalid("a time of day must be between 00:00 and 23:59")
	}
	return nil
}

// ParseDays reads "mon-fri", "sat,sun" and the like; all of them are the empty set.
func ParseDays(text string) (set Days, err error) {
	for part := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' || r == '+' }) {
		first, last, span := strings.Cut(part, "-")
		from, ok := weekday(first)
		to := from
		if ok && span {
			to, ok = weekday(last)
		}
		if !ok {
			return 0, fmt.Errorf("%.40q are no days such as mon-fri or sat,sun", text)
		}
		for day := from; ; day = (day + 1) % 7 {
			set |= 1 << day
			if day == to {
				break
			}
		}
	}
	if set == 1<<7-1 {
		return 0, nil // all of them
	}
	return set, nil
}

func weekday(name string) (time.Weekday, bool) {
	for day := range time.Weekday(7) {
		if full := strings.ToLower(day.String()); name == full || name == full[:3] {
			return day, true
		}
	}
	return 0, false
}

// String writes days as they are read; empty for all.
func (d Days) String() string {
	if d == 0 {
		return ""
	}
	var names []string
	for i := range 7 {
		if day := time.Weekday((i + 1) % 7); d.Has(day) { // from Monday
			names = append(names, strings.ToLower(day.String()[:3]))
		}
	}
	return strings.Join(names, ",")
}

func (w Window) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %02d:%02d-%02d:%02d", w.Days, w.Start/60, w.Start%60, w.End/60, w.End%60))
}

// MarshalText implements encoding.TextMarshaler.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. What is no window is ErrInvalid.
func (w *Window) UnmarshalText(text []byte) error {
	days, hours, found := strings.Cut(strings.ToLower(string(text)), " ")
	if !found {
		days, hours = "", days
	}
	noWindow := invalid("%.40q is no window of time such as 22:00-06:00 or sat,sun 08:00-12:00", text)
	var read Window
	var err error
	if read.Days, err = ParseDays(days); err != nil {
		return noWindow
	}
	start, end, _ := strings.Cut(hours, "-")
	for _, side := range []struct {
		text string
		into *int
	}{{start, &read.Start}, {end, &read.End}} {
		t, err := time.Parse("15:04", side.text)
		if err != nil {
			return noWindow
		}
		*side.into = t.Hour()*60 + t.Minute()
	}
	*w = read
	return nil
}
