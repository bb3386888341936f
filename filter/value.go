package filter

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// convert gives a value the form in which the database holds the field, but for times: see stamped.
func (p *parser) convert(name string, field Field, value any) (any, error) {
	bad := func() (any, error) { return nil, wrong("%s cannot be compared with %s", name, describe(value)) }
	number, isNumber := value.(json.Number)
	text, isText := value.(string)
	if !isNumber && !isText {
		truth, isBool := value.(bool)
		if !isBool || field.Kind != Bool {
			return bad()
		}
		return binary(truth), nil
	}
	switch field.Kind {
	case Text:
		if isNumber {
			return number.String(), nil
		}
		return text, nil
	case Int:
		n, err := strconv.ParseInt(strings.TrimSpace(text+number.String()), 10, 64)
		if err != nil {
			return bad()
		}
		return n, nil
	case Bool:
		switch text + number.String() {
		case "1", "true":
			return binary(true), nil
		case "0", "false":
			return binary(false), nil
		}
		return bad()
	case Time:
		if !isText {
			return bad()
		}
		return p.instant(name, text)
	case Other:
		converted, err := field.Convert(value)
		if err != nil {
			return nil, wrongValue(name+": the value is none of its kind", "%s: %v", name, err)
		}
		return converted, nil
	}
	return bad()
}

func binary(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func describe(value any) string {
	switch value.(type) {
	case nil:
		return "null, or nothing: is_null and is_not_null are for that"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "such a value"
}

// instant reads a timestamp.
func (p *parser) instant(name, text string) (any, error) {
	text = strings.TrimSpace(text)
	var t time.Time
	switch strings.ToUpper(text) {
	case "":
		return nil, wrong("%s cannot be compared with an empty date: is_null and is_not_null are for that", name)
	case "CURRENT_TIMESTAMP", "LOCALTIMESTAMP":
		t = p.options.Now
	case "CURRENT_DATE":
		year, month, day := p.options.Now.In(p.location()).Date()
		t = p.local(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
	default:
		var ok bool
		if t, ok = p.timestamp(text); !ok {
			return nil, wrongValue(name+": the value is no date", "%s: %.40q is no date", name, text)
		}
	}
	// No database holds other years, and as texts they would not sort.
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return nil, wrongValue(name+": the date is not between the years 1 and 9999", "%s: %.40q is not between the years 1 and 9999", name, text)
	}
	return t, nil
}

// stamped is a value in the form in which the database holds it.
func (p *parser) stamped(value any) any {
	if t, ok := value.(time.Time); ok && p.options.Stamp != nil {
		return p.options.Stamp(t)
	}
	return value
}

// timestamp reads ISO 8601 with a zone, then without one, then what else the options allow.
func (p *parser) timestamp(text string) (t time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	naive := []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}
	for _, layout := range slices.Concat(naive, p.options.Layouts) {
		if t, err := time.Parse(layout, text); err == nil {
			return p.local(t), true
		}
	}
	return t, false
}

func (p *parser) location() *time.Location {
	if p.options.Location == nil {
		return time.UTC
	}
	return p.options.Location
}

// local is the instant at which the clocks of the place show a time, which is given as if it were UTC. What they show
// twice is the first of both; what they leave out is as much later as they are put forward. package time promises
// neither.
func (p *parser) local(shown time.Time) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(p.location()).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(shown.Add(-24*time.Hour)), offset(shown.Add(24*time.Hour))
	first, second := shown.Add(-before), shown.Add(-after)
	if offset(first) != before && offset(second) == after {
		return second
	}
	return first
}
