package models

import (
	"fmt"
	"slices"
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

func dayNames() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func (w Window) String() string {
	var days []string
	for i, name := range dayNames() {
		if w.Days&(1<<i) != 0 {
			days = append(days, name)
		}
	}
	hours := fmt.Sprintf("%02d:%02d-%02d:%02d", w.Start/60, w.Start%60, w.End/60, w.End%60)
	if len(days) == 0 {
		return hours
	}
	return strings.Join(days, ",") + " " + hours
}

// MarshalText implements encoding.TextMarshaler.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. What is no window is ErrInvalid.
func (w *Window) UnmarshalText(text []byte) error {
	days, hours, found := strings.Cut(strings.ToLower(string(text)), " ")
	if !found {
		days, hours = "", days
	}
	var read Window
	for name := range strings.SplitSeq(days, ",") {
		if days == "" {
			break
		}
		first, last, isRange := strings.Cut(name, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(dayNames(), first), slices.Index(dayNames(), last)
		if from < 0 || to < 0 {
			return invalid("%.40q is no window of time such as 22:00-06:00 or sat,sun 08:00-12:00", text)
		}
		for day := from; ; day = (day + 1) % 7 {
			read.Days |= 1 << day
			if day == to {
				break
			}
		}
	}
	start, end, _ := strings.Cut(hours, "-")
	for _, side := range []struct {
		text string
		into *int
	}{{start, &read.Start}, {end, &read.End}} {
		t, err := time.Parse("15:04", side.text)
		if err != nil {
			return invalid("%.40q is no window of time such as 22:00-06:00 or sat,sun 08:00-12:00", text)
		}
		*side.into = t.Hour()*60 + t.Minute()
	}
	*w = read
	return nil
}
