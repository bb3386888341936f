package tariff

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/models"
	"talktime/money"
)

// Columns are what a file of rates may have, in any order; the first three are needed. days and hours say when a rate holds,
// such as "mon-fri" and "08:00-18:00".
func Columns() []string {
	return []string{
		"prefix", "destination", "rate", "connect_fee", "first", "increment", "minimum", "grace", "from", "to", "days", "hours",
	}
}

// neededColumns is how many of Columns a file must have.
const neededColumns = 3

// Row is one row of a file of rates.
type Row struct {
	models.DeckRate

	Line int
	Bad  error // what is wrong with it; nil: nothing
}

// File reads rates from CSV text in UTF-8, whose fields are separated by commas, semicolons or tabs.
type File struct {
	csv      *csv.Reader
	columns  []string // as the header has them; empty: one that nobody reads
	currency string
	zone     *time.Location
	names    map[string]string
	skipped  int // lines before the header
}

// unset is an increment that the row does not give.
const unset = -1

// maxField is how long a field can be that means anything.
const maxField = 200

// NewFile begins a file, whose first line names the columns. Rates get the currency, and times without a zone are in zone.
func NewFile(r io.Reader, currency string, zone *time.Location) (*File, error) {
	text := bufio.NewReaderSize(r, 64<<10)
	start, _ := text.Peek(text.Size())
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, errors.New("the file is UTF-16; save it as UTF-8")
	case bytes.IndexByte(start, 0) >= 0:
		return nil, errors.New("the file is not text; save it as CSV in UTF-8")
	}
	if bytes.HasPrefix(start, []byte("\ufeff")) { // some spreadsheets put it before UTF-8 text
		start = start[len("\ufeff"):]
		_, _ = text.Discard(len("\ufeff"))
	}
	f := &File{csv: csv.NewReader(text), currency: currency, zone: zone, names: map[string]string{}}
	f.csv.ReuseRecord, f.csv.FieldsPerRecord = true, -1
	first, _, _ := bytes.Cut(start, []byte("\n"))
	if line, _, _ := bytes.Cut(first, []byte("\r")); len(line) == len("sep=;") && bytes.HasPrefix(line, []byte("sep=")) { // a word to Excel
		_, _ = text.Discard(len(first) + 1)
		f.skipped, first = 1, line
	}
	for _, comma := range ";\t" {
		if bytes.ContainsRune(first, comma) && !bytes.ContainsRune(first, ',') {
			f.csv.Comma = comma
		}
	}
	header, err := f.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; its first line must name the columns: " + strings.Join(Columns(), ","))
	}
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	return f, f.header(header)
}

func (f *File) header(fields []string) error {
	for _, field := range fields {
		name := strings.ToLower(strings.TrimSpace(field))
		switch {
		case !slices.Contains(Columns(), name):
			return fmt.Errorf("line 1: there is no column %.40q; there are %s", name, strings.Join(Columns(), ","))
		case slices.Contains(f.columns, name):
			return fmt.Errorf("line 1: the column %q is there twice", name)
		}
		f.columns = append(f.columns, name)
	}
	for _, name := range Columns()[:neededColumns] {
		if !slices.Contains(f.columns, name) {
			return fmt.Errorf("line 1: the column %q is missing", name)
		}
	}
	return nil
}

// Next returns the next row, or io.EOF. A row that makes no sense is returned with what is wrong with it; any other error ends
// the file.
func (f *File) Next() (Row, error) {
	fields, err := f.csv.Read()
	for err == nil && !slices.ContainsFunc(fields, func(field string) bool { return strings.TrimSpace(field) != "" }) {
		fields, err = f.csv.Read() // spreadsheets write rows that are empty
	}
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault):
		return Row{Line: fault.StartLine + f.skipped, Bad: fault.Err}, nil
	case err != nil:
		return Row{}, err
	}
	row := Row{DeckRate: models.DeckRate{Rate: models.Rate{Currency: f.currency, First: unset, Increment: unset}}}
	row.Line, _ = f.csv.FieldPos(0)
	row.Line += f.skipped
	if len(fields) != len(f.columns) {
		row.Bad = fmt.Errorf("the row has %d fields, but the header has %d", len(fields), len(f.columns))
		return row, nil
	}
	for i, name := range f.columns {
		if err := f.set(&row.DeckRate, name, fields[i]); err != nil {
			row.Bad = fmt.Errorf("%s: %w", name, err)
			return row, nil
		}
	}
	if row.Increment == unset {
		row.Increment = 1
	}
	if row.First == unset { // 60 alone is 60/60, which is what price lists mean by it
		row.First = row.Increment
	}
	row.Bad = row.Validate()
	return row, nil
}

// set puts one field into its place. An empty one leaves what is there.
func (f *File) set(r *models.DeckRate, column, field string) (err error) {
	if !utf8.ValidString(field) {
		return errors.New("it is not UTF-8; save the file as CSV in UTF-8")
	}
	if len(field) > maxField {
		return fmt.Errorf("it has more than %d bytes", maxField)
	}
	if column == "prefix" {
		r.Prefix, err = prefix(field)
		return err
	}
	field = strings.TrimSpace(field)
	if field == "" {
		if column == "rate" {
			return errors.New("it is empty; a free number has the rate 0")
		}
		return nil
	}
	switch column {
	case "destination":
		r.Name = f.name(field)
	case "rate":
		r.PerMinute, err = money.Parse(field)
	case "connect_fee":
		r.ConnectFee, err = money.Parse(field)
	case "minimum":
		r.Minimum, err = money.Parse(field)
	case "first":
		r.First, err = wholeSeconds(field)
	case "increment":
		r.First, r.Increment, err = increments(field, r.First)
	case "grace":
		r.Grace, err = wholeSeconds(field)
	case "from":
		r.From, err = ParseTime(field, f.zone)
	case "to":
		r.To, err = ParseTime(field, f.zone)
	case "days":
		r.Days, err = models.ParseDays(field)
	case "hours":
		r.Start, r.End, err = hours(field)
	}
	return err
}

// prefix reads a prefix. A + before it says nothing; blanks are a mistake of whoever made the file, and it is not for us to
// say what he meant.
func prefix(field string) (string, error) {
	if strings.ContainsFunc(field, unicode.IsSpace) {
		return "", fmt.Errorf("%q has a blank", field)
	}
	field = strings.TrimPrefix(field, "+")
	if field == "" {
		return "", errors.New("it is empty")
	}
	return strings.Clone(field), nil
}

// name keeps each name once: few destinations have many prefixes.
func (f *File) name(field string) string {
	field = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, field)
	known, ok := f.names[field]
	if !ok {
		known = strings.Clone(field)
		f.names[known] = known
	}
	return known
}

func wholeSeconds(field string) (int64, error) {
	n, err := strconv.ParseInt(field, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number of seconds", field)
	}
	return n, nil
}

// increments reads "6", or "60/6" which has the first one too.
func increments(field string, first int64) (int64, int64, error) {
	one, further, both := strings.Cut(field, "/")
	if !both {
		n, err := wholeSeconds(field)
		return first, n, err
	}
	n, err := wholeSeconds(one)
	if err != nil {
		return 0, 0, err
	}
	m, err := wholeSeconds(further)
	return n, m, err
}

// ParseTime reads "2026-01-31", "2026-01-31 18:00", with seconds or not, which are in the zone, and what RFC 3339 allows.
func ParseTime(field string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, field); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, field, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-01-31 18:00", field)
}

// hours reads "08:00-18:00". A night such as "22:00-06:00" ends on the day after.
func hours(field string) (start, end int, err error) {
	from, to, ok := strings.Cut(field, "-")
	if start, err = minuteOfDay(from); err == nil {
		end, err = minuteOfDay(to)
	}
	if !ok || err != nil || start == models.MinutesOfDay || start == end {
		return 0, 0, fmt.Errorf("%q are no hours such as 08:00-18:00", field)
	}
	return start, end % models.MinutesOfDay, nil
}

func minuteOfDay(text string) (int, error) {
	if text = strings.TrimSpace(text); text == "24:00" {
		return models.MinutesOfDay, nil
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err
}

// FormatHours writes hours as they are read; empty for the whole day.
func FormatHours(start, end int) string {
	if start == end {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", start/60, start%60, end/60, end%60)
}
