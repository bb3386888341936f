package adminapi

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"time"

	"talktime/stats"
	"talktime/stats/sheet"
)

// currenciesOf are those of some figures, in order.
func currenciesOf(rows []statRowJSON) []string {
	var all []string
	for _, row := range rows {
		for _, s := range row.Money {
			all = append(all, s.Currency)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cellOf is a cell of a figure that may not be known.
func cellOf[T interface{ ~int64 }](value *T, text func(T) string) sheet.Cell {
	if value == nil {
		return sheet.Cell{}
	}
	return sheet.Number(text(*value))
}

// rowTable is a summary as a table. Each currency has columns of its own, so that no call stands in two lines.
func rowTable(q statQuery, rows []statRowJSON, operates bool) sheet.Table {
	t := sheet.Table{Name: "Calls by " + string(q.By)}
	if q.By != stats.ByNone {
		t.Columns = append(t.Columns, "start")
	}
	if q.Of != stats.OfNone {
		t.Columns = append(t.Columns, string(q.Of), "name")
	}
	t.Columns = append(t.Columns, "attempts", "answered", "asr", "ner", "acd_seconds", "pdd_mean_ms", "pdd_calls", "minutes", "talk_seconds")
	currencies := currenciesOf(rows)
	for _, c := range currencies {
		t.Columns = append(t.Columns, "revenue_"+c)
		if operates {
			t.Columns = append(t.Columns, "cost_"+c, "margin_"+c)
		}
	}
	t.Columns = append(t.Columns, "calls")
	for _, row := range rows {
		var line []sheet.Cell
		if q.By != stats.ByNone {
			line = append(line, sheet.Text(row.Start.Format(time.RFC3339)))
		}
		if q.Of != stats.OfNone {
			line = append(line, sheet.Text(*row.Key), sheet.Text(row.Name))
		}
		line = append(append(line, row.cells()...), row.sums(currencies, operates)...)
		t.Rows = append(t.Rows, append(line, sheet.Text(row.Calls)))
	}
	return t
}

func (f figuresJSON) cells() []sheet.Cell {
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []sheet.Cell{
		sheet.Whole(f.Attempts), sheet.Whole(f.Answered), cellOf(f.ASR, stats.Hundredths.String), cellOf(f.NER, stats.Hundredths.String),
		cellOf(f.ACD, stats.Hundredths.String), cellOf(f.PDD, whole), sheet.Whole(f.PDDCalls), sheet.Number(f.Minutes.String()), sheet.Whole(f.Talk),
	}
}

func (f figuresJSON) sums(currencies []string, operates bool) (line []sheet.Cell) {
	for _, c := range currencies {
		var sum sumJSON
		if i := slices.IndexFunc(f.Money, func(s sumJSON) bool { return s.Currency == c }); i >= 0 {
			sum = f.Money[i]
		}
		line = append(line, sheet.Number(sum.Revenue.String()))
		if operates {
			line = append(line, sheet.Number(valueOf(sum.Cost).String()), sheet.Number(valueOf(sum.Margin).String()))
		}
	}
	return line
}

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// export answers with a table to be kept.
func (r *request) export(q statQuery, name string, t sheet.Table) error {
	var b bytes.Buffer
	write, contentType := t.CSV, typeCSV+"; charset=utf-8"
	if q.format == "xlsx" {
		write, contentType = t.Excel, typeExcel
	}
	if err := write(&b); err != nil {
		return err
	}
	name += "-" + q.From.In(q.Location).Format(time.DateOnly) + "." + q.format
	r.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	r.Data(http.StatusOK, contentType, b.Bytes())
	return nil
}
