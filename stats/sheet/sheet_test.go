package sheet_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"talktime/stats/sheet"
)

func table() sheet.Table {
	return sheet.Table{Name: "Summary", Columns: []string{"name", "attempts", "EUR"}, Rows: [][]sheet.Cell{
		{sheet.Text("Germany"), sheet.Whole(48), sheet.Number("12.500001")},
		{sheet.Text(`=HYPERLINK("http://evil.example")`), sheet.Whole(-3), sheet.Number("-0.000001")},
		{sheet.Text("+49"), {}, sheet.Number("9223372036854.775807")},
		{sheet.Text("+49+1"), {}, {}},
		{sheet.Text("+"), {}, {}},
		{sheet.Text("@a"), sheet.Whole(0), {}},
		{sheet.Text("-1"), sheet.Whole(1), sheet.Number("123456789012.345")},
		{sheet.Text("a,\"b\"\r\nc <&> ü"), sheet.Whole(1), {}},
		{sheet.Text("\tx"), sheet.Whole(1), {}},
	}}
}

// TestCSV: texts are no formulas, numbers stay as they are, and lines end as RFC 4180 says.
func TestCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := table().CSV(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\r\n"); lines != 11 { // a heading, nine rows, and a break within one
		t.Errorf("%d lines:\n%q", lines, b.String())
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"name", "attempts", "EUR"},
		{"Germany", "48", "12.500001"},
		{`'=HYPERLINK("http://evil.example")`, "-3", "-0.000001"},
		{"+49", "", "9223372036854.775807"},
		{"'+49+1", "", ""},
		{"'+", "", ""},
		{"'@a", "0", ""},
		{"'-1", "1", "123456789012.345"},
		{"a,\"b\"\nc <&> ü", "1", ""},
		{"'\tx", "1", ""},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

// TestExcel: a spreadsheet program reads what was written; there is no formula, and a number that it could not hold is a text.
func TestExcel(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := table().Excel(&b); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	rows, err := book.GetRows("Summary", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"name", "attempts", "EUR"},
		{"Germany", "48", "12.500001"},
		{`=HYPERLINK("http://evil.example")`, "-3", "-0.000001"},
		{"+49", "", "9223372036854.775807"},
		{"+49+1"},
		{"+"},
		{"@a", "0"},
		{"-1", "1", "123456789012.345"},
		{"a,\"b\"\r\nc <&> ü", "1"},
		{"\tx", "1"},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
	for place, number := range map[string]bool{"A2": false, "B2": true, "C2": true, "A3": false, "C3": true, "C4": false, "A6": false, "C6": true} {
		kind, err := book.GetCellType("Summary", place)
		if err != nil {
			t.Fatal(err)
		}
		if isNumber := kind == excelize.CellTypeUnset || kind == excelize.CellTypeNumber; isNumber != number {
			t.Errorf("%s has the type %v", place, kind)
		}
		if formula, err := book.GetCellFormula("Summary", place); err != nil || formula != "" {
			t.Errorf("%s has the formula %q (%v)", place, formula, err)
		}
	}
}

// TestLarge: as many rows as there may be are written.
func TestLarge(t *testing.T) {
	t.Parallel()
	const many = 20_000
	large := sheet.Table{Name: "Large", Columns: []string{"n", "text"}}
	for n := range int64(many) {
		large.Rows = append(large.Rows, []sheet.Cell{sheet.Whole(n), sheet.Text(fmt.Sprint("row ", n))})
	}
	var b bytes.Buffer
	if err := large.Excel(&b); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	last, err := book.GetCellValue("Large", "A"+strconv.Itoa(many+1))
	if err != nil || last != strconv.Itoa(many-1) {
		t.Errorf("the last row has %q (%v)", last, err)
	}
}
