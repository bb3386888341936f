package models

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxExpiryDays bounds how many days ahead money may expire.
const maxExpiryDays = 36500

// ParseExpiry reads when money expires: a date or a number of days from today, such as 30d, means the end of that day in a
// zone; an instant in RFC 3339 means itself. Anything else is ErrInvalid.
func ParseExpiry(text string, now time.Time, zone *time.Location) (time.Time, error) {
	end := func(day time.Time, later int) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day()+later+1, 0, 0, 0, 0, zone)
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.Atoi(number)
		if err == nil && days >= 0 && days <= maxExpiryDays && number == strconv.Itoa(days) {
			return end(now.In(zone), days), nil
		}
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return end(day, 0), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%w: %.40q must be a date such as 2027-01-31, a number of days such as 30d, or a time such as 2027-01-31T12:00:00Z", ErrInvalid, text)
}
