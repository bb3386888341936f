package elastix

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"talktime/models"
)

// Bounds of a report, rows.
const (
	usualLimit = 100
	maxLimit   = 10_000
)

// cdrQuery reads what a report is to be of.
func (a API) cdrQuery(p *params) models.CDRQuery {
	if p.text("custom") != "" { // which the script took for SQL
		p.mistake("custom")
	}
	q := models.CDRQuery{
		From: p.moment("start_date", " 00:00:00"), To: p.moment("end_date", " 23:59:59"),
		Column: p.one("field_name", "src", "dst", "channel", "dstchannel", "accountcode"), Contains: p.text("field_pattern"),
		Recordings: p.one("recordings", "all", "only", "without"), IncludeS: a.IncludeS, AllColumns: a.AllColumns, Limit: usualLimit,
	}
	switch {
	case q.From != "" && q.To != "" && q.From > q.To:
		p.mistake("start_date")
	case q.Column == "" && q.Contains != "":
		p.mistake("field_name")
	case q.Column != "" && !p.sent("field_pattern"):
		p.mistake("field_pattern")
	}
	if q.Contains == "" { // everything has that in it
		q.Column = ""
	}
	all := []string{"ANSWERED", "BUSY", "FAILED", "NO ANSWER"}
	if q.Dispositions = all; p.text("status") != "" {
		if status := p.one("status", append(all, "ALL")...); status != "ALL" {
			q.Dispositions = []string{status}
		}
	}
	if q.Recordings == "all" {
		q.Recordings = ""
	}
	if p.one("include_s", "0", "1") == "1" {
		q.IncludeS = true
	}
	if limit := p.text("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > maxLimit || limit[0] == '+' {
			p.mistake("limit")
		}
		q.Limit = n
	}
	return q
}

// moment is a time by the table's clock; of a day alone, the given one of that day.
func (p *params) moment(name, ofDay string) string {
	value := p.text(name)
	if len(value) == len(time.DateOnly) {
		value += ofDay
	}
	if value == "" {
		return ""
	}
	if _, err := time.Parse(time.DateTime, value); err != nil || len(value) != len(time.DateTime) {
		p.mistake(name)
	}
	return value
}

func (a API) cdrReport(ctx context.Context, p *params, _ Key) Answer {
	q := a.cdrQuery(p)
	switch {
	case p.wrong != "":
		return invalid(p.wrong)
	case a.CDRs == nil:
		return notConfigured()
	}
	found, err := a.CDRs.LatestCDRs(ctx, q)
	if err != nil {
		return databaseFailed(err)
	}
	keys := models.CDRColumns()
	at := make(map[string]int, len(found.Columns)) // where a column is in a row, from 1 on
	for i, column := range found.Columns {
		at[column] = i + 1
	}
	if q.AllColumns {
		known := make(map[string]bool, len(keys))
		for _, key := range keys {
			known[key] = true
		}
		for _, column := range found.Columns {
			if !known[column] {
				keys = append(keys, column)
			}
		}
	}
	rows := make([]object, len(found.Rows))
	for i, row := range found.Rows {
		for _, key := range keys {
			value := ""
			if at[key] > 0 {
				value = row[at[key]-1]
			}
			rows[i] = append(rows[i], key, value)
		}
	}
	return answered(rows)
}

// getWAVFile is a recording. What is not there and what may not be had are answered alike, so that nobody finds out what there is.
func (a API) getWAVFile(_ context.Context, p *params, _ Key) Answer {
	if a.Recordings == nil {
		return notConfigured()
	}
	name := p.values["name"]
	file, info, err := a.Recordings.Open(name)
	if errors.Is(err, models.ErrUnavailable) { // whatever the name is
		return failed(http.StatusServiceUnavailable, "TOO MANY DOWNLOADS", err)
	}
	if err != nil {
		answer := Answer{Status: http.StatusNotFound, Type: "application/json", Body: []byte(`{"status": "File not found", "code": 404}`)}
		if !errors.Is(err, models.ErrNotFound) {
			answer.Cause = err
		}
		return answer
	}
	return Answer{
		Status: http.StatusOK, Type: "application/octet-stream",
		File:  &File{file, info.Size(), info.ModTime(), disposition(path.Base(name))},
		Audit: &Audit{Verb: "recording.read", Target: name},
	}
}

// disposition tells browsers to keep a file under its name.
func disposition(name string) string {
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
	header := `attachment; filename="` + shown + `"`
	if shown != name {
		header += "; filename*=UTF-8''" + url.PathEscape(name)
	}
	return header
}
