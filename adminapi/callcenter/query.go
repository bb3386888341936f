package callcenter

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"talktime/queues/reports"
	"talktime/stats"
)

// maxNames is how many queues or agents a query may name.
const maxNames = 1000

// maxPageRows is how many rows a page may have when a query asks for pages.
const maxPageRows = 1000

// maxPage is the highest number of a page that may be asked for.
const maxPage = 1_000_000

// lastSecond is the last one of a day.
const lastSecond = 24*60*60 - 1

// query is the query of a URL. A parameter that is empty is as good as none, and those that nobody knows are passed over: clients add
// some of their own.
type query struct {
	values url.Values
	wrong  string // the first mistake in it
}

func parseQuery(text string) query {
	values, err := url.ParseQuery(text)
	q := query{values: values}
	if err != nil {
		q.mistake("the query cannot be read: a semicolon is written %3B there, a percent sign %25")
	}
	for name, list := range values {
		for _, v := range list {
			if !utf8.ValidString(v) || strings.Contains(v, "\x00") {
				q.mistake(strconv.Quote(name) + " is no text")
			}
		}
	}
	return q
}

func (q *query) mistake(what string) {
	if q.wrong == "" {
		q.wrong = what
	}
}

// one is the value of a parameter, which may have several spellings; empty: none. Two values that differ are a mistake.
func (q *query) one(names ...string) string {
	var all []string
	for _, name := range names {
		for _, v := range q.values[name] {
			if v != "" && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	q.mistake(names[0] + " has two values")
	return all[0]
}

// list is the names of a parameter that may be repeated, and be a list with commas; nil: all. A name with a comma in it is one of them,
// too.
func (q *query) list(name string) (names []string) {
	for _, v := range q.values[name] {
		parts := strings.Split(v, ",")
		if len(parts) > 1 && strings.Trim(v, ", ") != "" {
			names = append(names, v)
		}
		for _, part := range parts {
			if part = strings.TrimSpace(part); part == "ALL" {
				return nil
			}
			if part != "" {
				names = append(names, part)
			}
		}
	}
	if len(names) > maxNames {
		q.mistake(name + " has more than " + strconv.Itoa(maxNames) + " names")
	}
	return names
}

// filter is what the parameters of reports and of the search have in common.
func (q *query) filter(now time.Time, location *time.Location) (f reports.Filter) {
	f.From, f.To = q.period(now, location)
	f.Window = q.window()
	f.Queues, f.Agents = q.list("queue"), q.list("agent")
	return f
}

// period is from start to end, both included; today without them, to today without end, that day alone without start.
func (q *query) period(now time.Time, location *time.Location) (from, to time.Time) {
	clock := stats.NewClock(location)
	midnight := func(t time.Time, days int) time.Time { // also where clocks are put forward then
		y, m, d := t.Date()
		return time.Unix(clock.Unix(time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC).Unix()), 0).In(location)
	}
	parse := func(name string) (t time.Time, day, given bool) {
		text := q.one(name)
		if text == "" {
			return now.In(location), true, false
		}
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t, true, true
		}
		t, err := time.Parse(time.DateTime, text)
		if err != nil || len(text) != len(time.DateTime) { // fractions of seconds are taken otherwise
			q.mistake(name + " must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS")
		}
		return time.Unix(clock.Unix(t.Unix()), 0).In(location), false, true
	}
	from, fromDay, fromGiven := parse("start")
	end, endDay, endGiven := parse("end")
	switch {
	case !fromGiven && endGiven:
		from = midnight(end, 0)
	case fromDay:
		from = midnight(from, 0)
	}
	to = end.Add(time.Second)
	if endDay {
		to = midnight(end, 1)
	}
	if q.wrong == "" && !from.Before(to) {
		q.mistake("start is after end")
	}
	return from, to
}

// window is the part of each day that is meant. What is no second of a day is ignored: the original's own examples have such.
func (q *query) window() reports.Window {
	second := func(otherwise int, names ...string) int {
		text := q.one(names...)
		if text == "" {
			return otherwise
		}
		if digits := strings.TrimPrefix(text, "-"); digits == "" || strings.Trim(digits, "0123456789") != "" {
			q.mistake(names[0] + " must be a number of seconds")
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > lastSecond {
			return otherwise
		}
		return n
	}
	w := reports.Window{From: second(0, "secondsstart", "secondstart"), To: second(lastSecond, "secondsend", "secondend")}
	if w == (reports.Window{}) { // which means the whole day there: from behind its end over midnight is its first second alone
		w.From = lastSecond + 1
	}
	return w
}

// seconds is a range like 60,99999 or a minimum. The zero value: any.
func (q *query) seconds(name string) (s reports.Seconds) {
	text := q.one(name)
	if text == "" {
		return s
	}
	least, most, two := strings.Cut(text, ",")
	parse := func(text string) int64 {
		if text == "" || strings.Trim(text, "0123456789") != "" {
			q.mistake(name + " must be a number of seconds, or two with a comma between them")
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return math.MaxInt64
		}
		return n
	}
	s.Min = parse(least)
	if two {
		if s.Max = parse(most); s.Max < s.Min {
			q.mistake(name + " has more seconds before the comma than behind it")
		}
		if s.Max == 0 {
			s.Max = -1 // none at all, where 0 is no bound
		}
	}
	return s
}

// search is what search takes beside the filter.
func (q *query) search(f reports.Filter) reports.Search {
	return reports.Search{
		Filter: f, ID: q.one("uniqueid"), Caller: q.one("clid"), URL: q.one("url"), Tag: q.one("tag"), DID: q.one("did"),
		Talk: q.seconds("talktime"), Wait: q.seconds("waittime"),
	}
}

// page is which part of a list is asked for. Size 0: all of it is one page.
type page struct{ number, size int }

func (q *query) page() page {
	parse := func(name string, most, otherwise int) int {
		text := q.one(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most || text[0] == '+' {
			q.mistake(name + " must be a number from 1 to " + number(most))
		}
		return n
	}
	return page{parse("page", maxPage, 1), parse("rows", maxPageRows, 0)}
}

// part is which rows are on the page. Behind the only page there are none.
func (p page) part() reports.Page {
	switch {
	case p.size > 0:
		return reports.Page{Skip: (p.number - 1) * p.size, Rows: p.size}
	case p.number > 1:
		return reports.Page{Skip: math.MaxInt32}
	}
	return reports.Page{}
}

// of is which of n rows are on the page.
func (p page) of(n int) (from, to int) {
	part := p.part()
	if part == (reports.Page{}) {
		return 0, n
	}
	from = min(part.Skip, n)
	return from, min(from+part.Rows, n)
}

// count is how many pages n rows make.
func (p page) count(n int) int {
	if n == 0 {
		return 0
	}
	size := p.size
	if size == 0 {
		size = n
	}
	return (n + size - 1) / size
}
