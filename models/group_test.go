package models_test

import (
	"strings"
	"testing"
	"time"

	"talktime/models"
)

func TestMonthly(t *testing.T) {
	for _, test := range []struct {
		first string
		count int
		want  string
	}{
		{"2030-01-31", 3, "2030-01-31 2030-02-28 2030-03-31"},
		{"2028-01-30", 2, "2028-01-30 2028-02-29"},
		{"2030-11-30", 4, "2030-11-30 2030-12-30 2031-01-30 2031-02-28"},
		{"2030-05-01", 1, "2030-05-01"},
	} {
		first, err := time.Parse(time.DateOnly, test.first)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, day := range models.Monthly(first, test.count) {
			got = append(got, day.Format(time.DateOnly))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s, %d times: %v, want %s", test.first, test.count, got, test.want)
		}
	}
	// Each is in the month after the one before, and on the wanted day where that month has it.
	first := time.Date(2024, time.January, 31, 0, 0, 0, 0, time.UTC)
	for i, day := range models.Monthly(first, 1200) {
		if want := (int(first.Month())-1+i)%12 + 1; int(day.Month()) != want {
			t.Fatalf("refill %d is in month %d, want %d", i, day.Month(), want)
		}
		if day.AddDate(0, 0, 1).Day() != 1 {
			t.Fatalf("refill %d is on %s, which is not the month's last day", i, day.Format(time.DateOnly))
		}
	}
}
