// Package sheet writes a table for spreadsheets, as CSV or for Excel. What stands in it is numbers and texts, never a formula:
// neither of ours nor of whoever chose a name that looks like one.
//
//	table := sheet.Table{Name: "Summary", Columns: []string{"country", "attempts", "revenue EUR"}, Rows: [][]sheet.Cell{
//		{sheet.Text("Germany"), sheet.Whole(48), sheet.Number("12.5")},
//	}}
//	err := table.CSV(w)
package sheet

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Cell is what stands in a place of a table. The zero value is empty.
type Cell struct {
	text   string
	number bool
}

// Text is a cell of text, whatever it looks like.
func Text(s string) Cell { return Cell{text: s} }

// Number is a cell of a decimal number, as it is written: 12.5, -0.000001.
func Number(decimal string) Cell { return Cell{text: decimal, number: true} }

// Whole is a cell of a whole number.
func Whole(n int64) Cell { return Number(strconv.FormatInt(n, 10)) }

// Table is a table with a line of headings.
type Table struct {
	Name    string // of the sheet; at most 31 characters, without : \ / ? * [ ]
	Columns []string
	Rows    [][]Cell
}

// CSV writes the table as RFC 4180 says. A text that a spreadsheet would take for a formula has a ' before it; a + and digits is none.
func (t Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(t.Columns); err != nil {
		return err
	}
	var line []string
	for _, row := range t.Rows {
		line = line[:0]
		for _, c := range row {
			line = append(line, c.csv())
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (c Cell) csv() string {
	if !c.number && c.text != "" && strings.ContainsRune("=+-@\t\r", rune(c.text[0])) && !isNumber(c.text) {
		return "'" + c.text
	}
	return c.text
}

// isNumber reports whether a text is a telephone number or a calling code: a + and digits.
func isNumber(text string) bool {
	digits, plus := strings.CutPrefix(text, "+")
	return plus && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// exactDigits is how many digits of a number Excel keeps.
const exactDigits = 15

// excel is the cell's value. A number of more digits than Excel keeps is a text there, rather than another number.
func (c Cell) excel() any {
	if !c.number {
		if c.text == "" {
			return nil
		}
		return c.text
	}
	digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(c.text), "0")
	if n, err := strconv.ParseFloat(c.text, 64); err == nil && len(digits) <= exactDigits {
		return n
	}
	return c.text
}

// Excel writes the table as a workbook of one sheet.
func (t Table) Excel(w io.Writer) (err error) {
	book := excelize.NewFile()
	defer func() {
		if closed := book.Close(); err == nil {
			err = closed
		}
	}()
	if err := book.SetSheetName("Sheet1", t.Name); err != nil {
		return err
	}
	out, err := book.NewStreamWriter(t.Name)
	if err != nil {
		return err
	}
	bold, err := book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := out.SetColWidth(1, max(len(t.Columns), 1), columnWidth); err != nil {
		return err
	}
	line := make([]any, len(t.Columns))
	for i, name := range t.Columns {
		line[i] = excelize.Cell{StyleID: bold, Value: name}
	}
	if err := out.SetRow("A1", line); err != nil {
		return err
	}
	for n, row := range t.Rows {
		line = line[:0]
		for _, c := range row {
			line = append(line, c.excel())
		}
		if err := out.SetRow("A"+strconv.Itoa(n+2), line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return book.Write(w)
}

// columnWidth is that of all columns, in characters.
const columnWidth = 16
