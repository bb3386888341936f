package stats

import (
	"errors"
	"testing"
	"time"
)

func zoneNamed(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func onWall(t testing.TB, l *time.Location, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, text, l)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestParseDate: what is asked on which day, and the range on the wall.
func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ now, date, from, to, echo string }{
		{"2026-02-11 00:00:00", "", "2026-02-11", "2026-02-12", "2026-02-11"},
		{"2026-02-11 23:59:59", "", "2026-02-11", "2026-02-12", "2026-02-11"},
		{"2026-12-31 12:00:00", "", "2026-12-31", "2027-01-01", "2026-12-31"},
		{"2026-02-11 12:00:00", "2026-02-11", "2026-02-11", "2026-02-12", "2026-02-11"},
		{"2026-02-11 12:00:00", "2025-1-5", "2025-01-05", "2025-01-06", "2025-1-5"},
		{"2026-02-11 12:00:00", "2025-01-5", "2025-01-05", "2025-01-06", "2025-01-5"},
		{"2026-02-11 12:00:00", "2024-02-29", "2024-02-29", "2024-03-01", "2024-02-29"},
		{"2026-02-11 12:00:00", "2026-12-31", "2026-12-31", "2027-01-01", "2026-12-31"},
		// The week of each day of the week from 2026-02-09, a Monday, to 2026-02-15, a Sunday.
		{"2026-02-09 00:00:00", "week", "2026-02-02", "2026-02-07", "week"},
		{"2026-02-10 12:00:00", "week", "2026-02-02", "2026-02-07", "week"},
		{"2026-02-11 12:00:00", "WEEK", "2026-02-02", "2026-02-07", "WEEK"},
		{"2026-02-12 12:00:00", "Week", "2026-02-02", "2026-02-07", "Week"},
		{"2026-02-13 12:00:00", "week", "2026-02-02", "2026-02-07", "week"},
		{"2026-02-14 12:00:00", "week", "2026-02-02", "2026-02-07", "week"},
		{"2026-02-15 23:59:59", "week", "2026-02-02", "2026-02-07", "week"},
		{"2026-02-16 00:00:00", "week", "2026-02-09", "2026-02-14", "week"},
		// Across the end of a year: 2026-01-01 is a Thursday, 2027-01-01 a Friday, 2028-01-01 a Saturday.
		{"2026-01-01 12:00:00", "week", "2025-12-22", "2025-12-27", "week"},
		{"2026-01-04 12:00:00", "week", "2025-12-22", "2025-12-27", "week"},
		{"2026-01-05 12:00:00", "week", "2025-12-29", "2026-01-03", "week"},
		{"2027-01-03 12:00:00", "week", "2026-12-21", "2026-12-26", "week"},
		{"2027-01-04 12:00:00", "week", "2026-12-28", "2027-01-02", "week"},
		{"2028-01-02 12:00:00", "week", "2027-12-20", "2027-12-25", "week"},
		{"2024-03-05 12:00:00", "week", "2024-02-26", "2024-03-02", "week"},
		// Months: in January, on the 31st, in a leap year.
		{"2026-01-01 00:00:00", "month", "2025-12-01", "2026-01-01", "month"},
		{"2026-01-31 12:00:00", "MONTH", "2025-12-01", "2026-01-01", "MONTH"},
		{"2026-03-31 12:00:00", "month", "2026-02-01", "2026-03-01", "month"},
		{"2024-03-31 12:00:00", "month", "2024-02-01", "2024-03-01", "month"},
		{"2026-05-31 23:59:59", "month", "2026-04-01", "2026-05-01", "month"},
		{"2026-12-31 12:00:00", "month", "2026-11-01", "2026-12-01", "month"},
	} {
		for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"} {
			l := zoneNamed(t, zone)
			r, err := ParseDate(tt.date, onWall(t, l, tt.now).UTC(), l)
			if err != nil || r.From.Format(time.DateTime) != tt.from+" 00:00:00" || r.To.Format(time.DateTime) != tt.to+" 00:00:00" || r.Date != tt.echo || r.Start+r.End != "" {
				t.Errorf("%s at %s in %s: %v, %v", tt.date, tt.now, zone, r, err)
			}
		}
	}
	for _, wrong := range []string{
		"today", "yesterday", "weeks", " week", "week ", "months", "2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-01-32", "26-01-01", "02026-01-01",
		"0000-01-01", "2026-001-01", "2026-01-001", "2026-1", "2026-1-1-1", "2026/01/01", "01.02.2026", "20260101", "2026-01-01 ", " 2026-01-01", "2026-01-01T00:00", "2026-01-01 00:00",
		"+2026-1-1", "2026--1-1", "2026-+1-1", "2026-1-", "--", "-", "2026-01-01' OR '1'='1", "';DROP TABLE cdr;--", "2026-01-01\x00", "٢٠٢٦-01-01", "1e3", "NaN", "null",
	} {
		if r, err := ParseDate(wrong, time.Now(), time.UTC); !errors.Is(err, ErrDate) {
			t.Errorf("%q: %v, %v", wrong, r, err)
		}
	}
}

// TestParseDateOnDaysOfChange: the days on which clocks change have all their hours, and no others.
func TestParseDateOnDaysOfChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone, day string
		hours     int
	}{
		{"Europe/Berlin", "2026-03-29", 23},
		{"Europe/Berlin", "2026-10-25", 25},
		{"Europe/Berlin", "2026-10-26", 24},
		{"America/New_York", "2026-03-08", 23},
		{"America/New_York", "2026-11-01", 25},
		{"America/Sao_Paulo", "2018-11-04", 23}, // its midnight is skipped
		{"America/Sao_Paulo", "2018-11-03", 24},
		{"America/Sao_Paulo", "2018-02-17", 25}, // which ends twice
		{"America/Havana", "2026-11-01", 25},    // whose midnight comes twice
		{"Pacific/Apia", "2011-12-30", 0},       // which was left out
	} {
		l := zoneNamed(t, tt.zone)
		r, err := ParseDate(tt.day, time.Now(), l)
		if err != nil || r.To.Sub(r.From) != time.Duration(tt.hours)*time.Hour {
			t.Errorf("%s %s: %v to %v: %v", tt.zone, tt.day, r.From, r.To, err)
		}
		now := r.From.Add(time.Second)
		if tt.hours > 0 {
			if again, err := ParseDate("", now, l); err != nil || again != r {
				t.Errorf("%s, at %v: %v, %v", tt.zone, now, again, err)
			}
		}
	}
}

// TestParseDateFarAway: no database is asked for times that it does not know.
func TestParseDateFarAway(t *testing.T) {
	t.Parallel()
	for _, day := range []string{"0001-01-01", "1969-12-31", "9999-01-01", "9999-12-31"} {
		r, err := ParseDate(day, time.Now(), time.UTC)
		if err != nil || r.From.Before(r.To) || r.From.Year() < 1970 || r.To.Year() > 9999 || r.Date != day {
			t.Errorf("%s: %v, %v", day, r, err)
		}
	}
	if r, err := ParseDate("1970-01-01", time.Now(), time.UTC); err != nil || r.To.Sub(r.From) != 24*time.Hour {
		t.Errorf("%v, %v", r, err)
	}
}

func TestParseRange(t *testing.T) {
	t.Parallel()
	l := zoneNamed(t, "Europe/Berlin")
	for _, tt := range []struct {
		start, end, from, to, date string
		err                        error
	}{
		{"2026-02-01", "2026-02-11", "2026-02-01 00:00:00", "2026-02-12 00:00:00", "2026-02-01 00:00:00 - 2026-02-11 23:59:59", nil},
		{"2026-02-01 08:30", "2026-02-01 17:00", "2026-02-01 08:30:00", "2026-02-01 17:01:00", "2026-02-01 08:30:00 - 2026-02-01 17:00:59", nil},
		{"2026-2-1 8:5", "2026-2-1 8:5", "2026-02-01 08:05:00", "2026-02-01 08:06:00", "2026-02-01 08:05:00 - 2026-02-01 08:05:59", nil},
		{"2026-02-01 23:59", "2026-02-01", "2026-02-01 23:59:00", "2026-02-02 00:00:00", "2026-02-01 23:59:00 - 2026-02-01 23:59:59", nil},
		{"2026-02-01", "2026-02-01 00:00", "2026-02-01 00:00:00", "2026-02-01 00:01:00", "2026-02-01 00:00:00 - 2026-02-01 00:00:59", nil},
		{"2026-03-29 02:30", "2026-03-29 02:45", "2026-03-29 03:00:00", "2026-03-29 03:00:00", "2026-03-29 02:30:00 - 2026-03-29 02:45:59", nil}, // there is no such time
		{"2025-01-01", "2026-01-01", "2025-01-01 00:00:00", "2026-01-02 00:00:00", "2025-01-01 00:00:00 - 2026-01-01 23:59:59", nil},             // 366 days
		{"2025-01-01", "2026-01-02", "", "", "", ErrRange},
		{"2025-01-01 00:01", "2026-01-02 00:01", "", "", "", ErrRange},
		{"0001-01-01", "9999-12-31", "", "", "", ErrRange},
		{"", "2026-02-11", "", "", "", ErrHalfRange},
		{"2026-02-11", "", "", "", "", ErrHalfRange},
		{"2026-02-12", "2026-02-11", "", "", "", ErrBackwards},
		{"2026-02-11 10:01", "2026-02-11 10:00", "", "", "", ErrBackwards},
		{"x", "2026-02-11", "", "", "", ErrDateTime},
		{"2026-02-11", "week", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11 24:00", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11 10:60", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11 10", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11 ", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11 10:00:00", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11T10:00", "", "", "", ErrDateTime},
		{"2026-02-30", "2026-03-11", "", "", "", ErrDateTime},
		{"2026-02-11  10:00", "2026-03-11", "", "", "", ErrDateTime},
		{"2026-02-11", "2026-02-11' OR 1=1 --", "", "", "", ErrDateTime},
	} {
		r, err := ParseRange(tt.start, tt.end, l)
		if !errors.Is(err, tt.err) {
			t.Errorf("%s to %s: %v", tt.start, tt.end, err)
		} else if err == nil && (r.From.Format(time.DateTime) != tt.from || r.To.Format(time.DateTime) != tt.to || r.Date != tt.date || r.Date != r.Start+" - "+r.End) {
			t.Errorf("%s to %s: %+v", tt.start, tt.end, r)
		}
	}
}

// FuzzParseDate: nothing that a client can send makes a range that ends before it begins, or of which a day is not one.
func FuzzParseDate(f *testing.F) {
	for _, text := range []string{"", "week", "2026-2-1", "2026-02-11 10:00", "9999-12-31", "0001-01-01"} {
		f.Add(text, text)
	}
	l, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, start, end string) {
		for _, ask := range []func() (Range, error){
			func() (Range, error) { return ParseDate(start, time.Unix(1_760_000_000, 0), l) },
			func() (Range, error) { return ParseRange(start, end, l) },
		} {
			if r, err := ask(); err == nil && (r.To.Before(r.From) || r.To.Sub(r.From) > (MaxDays*24+1)*time.Hour || r.Date == "") {
				t.Fatalf("%q, %q: %+v", start, end, r)
			}
		}
	})
}
