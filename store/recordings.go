package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Bounds of a search for recordings: how long it takes at most, for how many calls one statement asks, and how far from the begin of a call
// its records may be.
const (
	recordingTime  = 5 * time.Second
	recordingCalls = 1000
	recordingLead  = time.Minute   // a channel is there before its record
	recordingDelay = 2 * time.Hour // in which later parts of a call begin; recordings are named from the first

	longestRecorded int64 = 24 * 60 * 60 // seconds that somebody may have been on the line before
)

// Recordings are the names of files (column recordingfile) in which calls were recorded, by the unique ids of their channels: of those
// calls that were there between two times and have one. Where a call has several, it is the first. Of a table that has no such column
// there are none. Its errors are those of a source.
func (c *CDRStatistics) Recordings(ctx context.Context, ids []string, from, to time.Time) (map[string]string, error) {
	found := make(map[string]string)
	if len(ids) == 0 {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordingTime)
	defer cancel()
	t, err := c.describe(ctx)
	if err != nil || !t.has("recordingfile") {
		return found, err
	}
	calls := make([]recorded, len(ids))
	wanted := make(map[string]bool, len(ids))
	for i, id := range ids {
		calls[i], wanted[id] = recordedCall(id, from, to), true
	}
	slices.SortFunc(calls, func(a, b recorded) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.id, b.id)) })
	calls = slices.Compact(calls)
	for part := range slices.Chunk(calls, recordingCalls) {
		query, args := t.recordings(part, c.config.Location)
		var id, file []byte
		err := c.stream(ctx, query, args, func(v []driver.Value) error {
			key := string(valueText(v[0], &id))
			if _, known := found[key]; wanted[key] && !known { // the database may compare otherwise than we do
				found[key] = string(valueText(v[1], &file))
			}
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// recorded is a call with the seconds between which its records began.
type recorded struct {
	id          string
	first, last int64
}

// A unique id is the second in which the channel came to be and a number, perhaps behind the name of the system.
var uniqueIDForm = regexp.MustCompile(`(?:^|-)([0-9]{9,10})\.[0-9]+$`)

// recordedCall says when to look for a call that was there between two times. Its id tells it best: so that a table without an index of
// unique ids is read for these hours alone.
func recordedCall(id string, from, to time.Time) recorded {
	first, last := from.Add(-recordingDelay).Unix(), to.Add(recordingDelay).Unix()
	if m := uniqueIDForm.FindStringSubmatch(id); m != nil {
		if at, err := strconv.ParseInt(m[1], 10, 64); err == nil && at <= last && at >= first-longestRecorded {
			first, last = at-int64(recordingLead.Seconds()), at+int64(recordingDelay.Seconds())
		}
	}
	return recorded{id, first, last}
}

// recordings selects the names of files of some calls, and perhaps of others.
func (t cdrTable) recordings(calls []recorded, zone *time.Location) (query string, args []any) {
	first, last := calls[0].first, calls[0].last
	ids := make([]any, len(calls))
	for i, call := range calls {
		first, last, ids[i] = min(first, call.first), max(last, call.last), call.id
	}
	query = "SELECT "
	if t.locks {
		query += "SQL_BUFFER_RESULT "
	}
	low, high := wallBounds(first, last+1, zone)
	return query + "uniqueid, recordingfile FROM cdr WHERE calldate >= ? AND calldate < ? AND recordingfile <> '' AND uniqueid IN (" +
		marks(len(ids)) + ") ORDER BY calldate", append([]any{low, high}, ids...)
}
