package main

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
	"unicode/utf8"

	"talktime/internal/password"
	"talktime/models"
	"talktime/money"
)

// csvColumns are what a file of users may have; only the first is needed.
func csvColumns() []string {
	return []string{"username", "password", "clid", "imsi", "admin", "balance", "currency"}
}

// userRow is one row of a file of users.
type userRow struct {
	models.NewUser
	line     int
	password string
	bad      error // what is wrong with the row; nil: nothing
}

// userRows reads users from CSV text.
type userRows struct {
	csv     *csv.Reader
	columns []string // as the header has them
}

// byteOrderMark is what some spreadsheets put before UTF-8 text.
const byteOrderMark = "\ufeff"

// readHeader begins a file: the first row names the columns, in any order.
func readHeader(r io.Reader) (*userRows, error) {
	text := bufio.NewReader(r)
	if start, _ := text.Peek(len(byteOrderMark)); bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return nil, errors.New("the file is UTF-16; save it as UTF-8")
	}
	if start, _ := text.Peek(text.Size()); bytes.IndexByte(start, 0) >= 0 {
		return nil, errors.New("the file is not text; save it as CSV in UTF-8")
	}
	if mark, err := text.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = text.Discard(len(byteOrderMark)) // they are in the buffer
	}
	rows := &userRows{csv: csv.NewReader(text)}
	rows.csv.ReuseRecord = true
	rows.csv.FieldsPerRecord = -1
	start, _ := text.Peek(text.Size())
	first, _, _ := bytes.Cut(start, []byte("\n"))
	for _, comma := range ";\t" { // as spreadsheets write them where a comma is in numbers
		if bytes.ContainsRune(first, comma) && !bytes.ContainsRune(first, ',') {
			rows.csv.Comma = comma
		}
	}
	header, err := rows.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; its first line must name the columns: " + strings.Join(csvColumns(), ","))
	}
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", csvFault(err))
	}
	for _, field := range header {
		name := strings.ToLower(strings.TrimSpace(field))
		switch {
		case !slices.Contains(csvColumns(), name):
			return nil, fmt.Errorf("line 1: there is no column %q; the columns are %s", name, strings.Join(csvColumns(), ","))
		case slices.Contains(rows.columns, name):
			return nil, fmt.Errorf("line 1: the column %q is there twice", name)
		}
		rows.columns = append(rows.columns, name)
	}
	if !slices.Contains(rows.columns, "username") {
		return nil, errors.New("line 1: the column username is missing")
	}
	return rows, nil
}

// next returns the next row, or io.EOF. A row that makes no sense is returned with what is wrong with it; any other
// error ends the file.
func (r *userRows) next() (userRow, error) {
	fields, err := r.csv.Read()
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault):
		return userRow{line: fault.StartLine, bad: csvFault(err)}, nil
	case err != nil:
		return userRow{}, err
	}
	line, _ := r.csv.FieldPos(0)
	row := userRow{line: line}
	if len(fields) != len(r.columns) {
		row.bad = fmt.Errorf("the row has %d fields, but the header has %d", len(fields), len(r.columns))
		return row, nil
	}
	var wrong []error
	for i, name := range r.columns {
		wrong = append(wrong, row.set(name, fields[i]))
	}
	if row.bad = errors.Join(wrong...); row.bad == nil {
		row.bad = checkNewUser(row.NewUser)
	}
	return row, nil
}

// set puts one field into its place. Fields of a reused record are cloned when they are kept.
func (row *userRow) set(column, field string) (err error) {
	if !utf8.ValidString(field) {
		return fmt.Errorf("%s is not UTF-8 text", column)
	}
	if column == "password" {
		if field == "" {
			return nil
		}
		row.password = strings.Clone(field)
		return password.Check(field)
	}
	field = strings.Clone(strings.TrimSpace(field))
	switch column {
	case "username":
		row.Username = field
	case "clid":
		row.CLID = field
	case "imsi":
		row.IMSI = field
	case "admin":
		row.Admin, err = yesOrNo(field)
	case "currency":
		row.Currency = field
	case "balance":
		if field != "" {
			row.Balance, err = money.Parse(field)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	return nil
}

func yesOrNo(field string) (bool, error) {
	switch strings.ToLower(field) {
	case "", "no":
		return false, nil
	case "yes":
		return true, nil
	}
	yes, err := strconv.ParseBool(field)
	if err != nil {
		return false, fmt.Errorf("%q must be yes or no", field)
	}
	return yes, nil
}

// csvFault says in plain words what the parser objects to.
func csvFault(err error) error {
	switch {
	case errors.Is(err, csv.ErrQuote):
		return errors.New(`a quote " is not closed, or something stands behind it; inside a quoted field it is written twice`)
	case errors.Is(err, csv.ErrBareQuote):
		return errors.New(`a quote " stands in a field that does not begin with one`)
	}
	return err
}
