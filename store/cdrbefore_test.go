package store_test

import (
	"testing"
	"time"

	"talktime/models"
)

// TestWhoseARecordIs, when a channel has made two calls: records have whole seconds, cut off, and begin with what the
// dialplan did since the one before.
func TestWhoseARecordIs(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	at := time.Date(2026, 11, 20, 22, 10, 0, 900_000_000, time.UTC)
	const second = time.Second
	for name, c := range map[string]struct {
		rows   []record
		status string
		talked int64
	}{
		"of the first call alone":                       {[]record{{after: -20 * second, duration: 20, billsec: 15}}, "", 0},
		"of the first call, which ended in this second": {[]record{{after: -20*second - 900*time.Millisecond, duration: 20, billsec: 20}}, "", 0},
		"of both":                        {[]record{{after: -20 * second, duration: 15, billsec: 15}, {duration: 4, billsec: 4}}, "ANSWER", 4},
		"begun with the dialplan before": {[]record{{after: -10 * second, duration: 13, billsec: 3}}, "ANSWER", 3},
		"of this second":                 {[]record{{after: -900 * time.Millisecond, disposition: "BUSY"}}, "BUSY", 0},
		"of this second, and at once":    {[]record{{after: -900 * time.Millisecond, duration: 0, billsec: 0}}, "ANSWER", 0},
	} {
		first := models.Call{CallID: "10.0.0.5/" + name, CallerID: "59899000001", Authorized: at}
		r.writes(first.CallID, first.CallerID, at, c.rows...)
		second := first
		second.CallID += "#2"
		found, err := r.source.Evidence(t.Context(), []models.Call{second}, nil)
		got := found[second.CallID]
		if err != nil || got.DialStatus != c.status || c.status == "ANSWER" && (got.BillSec == nil || *got.BillSec != c.talked) {
			t.Errorf("%s: %+v, %v; want %q with %d s", name, got, err, c.status, c.talked)
		}
	}
}

// TestTheNextCallsRecordsAreItsOwn: what a channel talked after its next call was permitted is that call's.
func TestTheNextCallsRecordsAreItsOwn(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	at := time.Date(2026, 11, 20, 22, 10, 0, 900_000_000, time.UTC)
	const second = time.Second
	for name, c := range map[string]struct {
		rows   []record
		status string
		talked int64
	}{
		"of the first call":                          {[]record{{after: -20 * second, duration: 20, billsec: 15}}, "ANSWER", 15},
		"of both":                                    {[]record{{after: -20 * second, duration: 15, billsec: 15}, {duration: 4, billsec: 4}}, "ANSWER", 15},
		"of the second, begun with the dialplan":     {[]record{{after: -10 * second, duration: 13, billsec: 3}}, "", 0},
		"busy first, then the second was answered":   {[]record{{after: -20 * second, disposition: "BUSY"}, {duration: 4, billsec: 4}}, "BUSY", 0},
		"of the second, answered in the same second": {[]record{{after: -900 * time.Millisecond, duration: 4, billsec: 4}}, "", 0},
	} {
		first := models.Call{CallID: "10.0.0.5/" + name, CallerID: "59899000001", Authorized: at.Add(-30 * second)}
		r.writes(first.CallID, first.CallerID, at, c.rows...)
		found, err := r.source.Evidence(t.Context(), []models.Call{first}, map[string]time.Time{first.CallID: at})
		got := found[first.CallID]
		if err != nil || got.DialStatus != c.status || c.status == "ANSWER" && (got.BillSec == nil || *got.BillSec != c.talked) {
			t.Errorf("%s: %+v, %v; want %q with %d s", name, got, err, c.status, c.talked)
		}
	}
}
