package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/stats"
)

// latestTime is how long a question for the latest records may take.
const latestTime = 30 * time.Second

// LatestCDRs are the latest rows of the table as they stand in it, of the columns that it has. Its errors are those of a source.
func (c *CDRStatistics) LatestCDRs(ctx context.Context, q models.CDRQuery) (models.CDRRows, error) {
	ctx, cancel := context.WithTimeout(ctx, latestTime)
	defer cancel()
	t, err := c.describe(ctx)
	if err != nil {
		return models.CDRRows{}, err
	}
	found := models.CDRRows{Columns: t.reported(q.AllColumns), Rows: [][]string{}}
	query, args := t.latest(found.Columns, q)
	if query == "" {
		return found, nil
	}
	var buf []byte
	err = c.stream(ctx, query, args, func(v []driver.Value) error {
		row := make([]string, len(v))
		for i := range v {
			row[i] = string(valueText(v[i], &buf))
		}
		found.Rows = append(found.Rows, row)
		return nil
	})
	return found, err
}

// reported are the columns of a report that the table has; of all, the others come last, by their names.
func (t cdrTable) reported(all bool) []string {
	columns := slices.DeleteFunc(models.CDRColumns(), func(name string) bool { return !t.has(name) })
	if all {
		for _, name := range slices.Sorted(maps.Keys(t.columns)) {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	return columns
}

// latest selects the latest rows; empty: there can be none. A time that no calendar has would be taken for another by the server: whoever
// asks has checked it.
func (t cdrTable) latest(columns []string, q models.CDRQuery) (query string, args []any) {
	where := []string{"1 = 1"}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if q.From != "" {
		add("calldate >= ?", q.From)
	}
	if q.To != "" {
		add("calldate <= ?", q.To)
	}
	if q.Column != "" {
		if !t.has(q.Column) { // then it is empty
			return "", nil
		}
		// A column of latin1 cannot be compared with what latin1 has not. To escape with a backslash fails where a server was told that it is
		// a character like others.
		add("CONVERT("+quoted(q.Column)+" USING utf8mb4) LIKE ? ESCAPE '|'", "%"+strings.NewReplacer("|", "||", "%", "|%", "_", "|_").Replace(q.Contains)+"%")
	}
	if len(q.Dispositions) > 0 {
		add("disposition IN ("+marks(len(q.Dispositions))+")", anys(q.Dispositions)...)
	}
	if !q.IncludeS {
		add("(dst <> 's' OR dst IS NULL)")
	}
	switch has := t.has("recordingfile"); {
	case q.Recordings == "only" && !has:
		return "", nil
	case q.Recordings == "only":
		add("recordingfile <> ''")
	case q.Recordings == "without" && has:
		add("(recordingfile = '' OR recordingfile IS NULL)")
	}
	query = "SELECT "
	if t.locks {
		query += "SQL_BUFFER_RESULT "
	}
	return fmt.Sprintf("%s%s FROM cdr WHERE %s%s ORDER BY calldate DESC LIMIT %d", query, quotedAll(columns), strings.Join(where, " AND "), t.noWarnings(), q.Limit), args
}

// ownLater is how far in the future records may lie that somebody wrote or imported.
const ownLater = 366 * 24 * time.Hour

// LatestCDRs are the latest of our own calls that have ended, and of imported records, as Asterisk would write them into its table: what
// was not noted of them is empty. It looks back day by day, further each time. Its errors are those of a source.
func (o *OwnRecords) LatestCDRs(ctx context.Context, q models.CDRQuery) (models.CDRRows, error) {
	ctx, cancel := context.WithTimeout(ctx, latestTime)
	defer cancel()
	found := models.CDRRows{Columns: models.CDRColumns(), Rows: [][]string{}}
	if q.Recordings == "only" { // whether a call was recorded we do not know
		return found, nil
	}
	first, err := o.First(ctx)
	if err != nil || first.IsZero() {
		return found, err
	}
	end := o.store.now().Add(ownLater)
	const shift = 3 * time.Hour // more than any clock is ever put forward or back
	if at, err := time.ParseInLocation(time.DateTime, q.From, o.location); err == nil && at.Add(-shift).After(first) {
		first = at.Add(-shift)
	}
	if at, err := time.ParseInLocation(time.DateTime, q.To, o.location); err == nil && at.Add(shift).Before(end) {
		end = at.Add(shift)
	}
	from := o.store.now()
	for window := 24 * time.Hour; len(found.Rows) < q.Limit && end.After(first); window = min(2*window, ownLater) {
		if from = from.Add(-window); from.After(end) {
			from = end.Add(-window)
		}
		if from.Before(first) {
			from = first
		}
		latest, err := o.latest(ctx, stats.Scan{From: from, To: end, Fields: ^stats.Fields(0)}, q, q.Limit-len(found.Rows))
		if err != nil {
			return models.CDRRows{}, err
		}
		slices.Reverse(latest)
		found.Rows = append(found.Rows, latest...)
		end = from
	}
	return found, nil
}

// latest are the last rows of a scan that were asked for, at most so many.
func (o *OwnRecords) latest(ctx context.Context, scan stats.Scan, q models.CDRQuery, limit int) (rows [][]string, err error) {
	err = o.Each(ctx, scan, func(r *stats.Record) error {
		values := ownCDR(r)
		if !asksFor(q, values) {
			return nil
		}
		if len(rows) >= 2*limit { // now and then, so that it costs little
			rows = append(rows[:0], rows[len(rows)-limit:]...)
		}
		row := make([]string, 0, len(values))
		for _, column := range models.CDRColumns() {
			row = append(row, values[column])
		}
		rows = append(rows, row)
		return nil
	})
	return rows[max(len(rows)-limit, 0):], err
}

// ownCDR is a record by the columns of the table cdr.
func ownCDR(r *stats.Record) map[string]string {
	return map[string]string{
		"calldate": time.Unix(r.Wall, 0).UTC().Format(time.DateTime), "clid": string(r.CallerID), "src": string(r.Src), "dst": string(r.Dst), "dcontext": string(r.Context),
		"channel": string(r.Channel), "dstchannel": string(r.DstChannel), "lastapp": string(r.LastApp), "duration": strconv.FormatInt(r.Duration, 10),
		"billsec": strconv.FormatInt(r.BillSec, 10), "disposition": string(r.Disposition), "accountcode": string(r.Account), "uniqueid": string(r.UniqueID),
		"cnum": string(r.CNum), "cnam": string(r.CNam),
	}
}

// asksFor reports whether somebody asked for a record.
func asksFor(q models.CDRQuery, values map[string]string) bool {
	return (q.From == "" || values["calldate"] >= q.From) && (q.To == "" || values["calldate"] <= q.To) &&
		(q.Column == "" || strings.Contains(strings.ToLower(values[q.Column]), strings.ToLower(q.Contains))) &&
		(len(q.Dispositions) == 0 || slices.Contains(q.Dispositions, strings.ToUpper(values["disposition"]))) &&
		(q.IncludeS || values["dst"] != "s")
}
