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
		found, err := r.source.Evidence(t.Context(), []models.Call{second})
		got := found[second.CallID]
		if err != nil || got.DialStatus != c.status || c.status == "ANSWER" && (got.BillSec == nil || *got.BillSec != c.talked) {
			t.Errorf("%s: %+v, %v; want %q with %d s", name, got, err, c.status, c.talked)
		}
	}
}
