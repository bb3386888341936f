package store_test

import (
	"testing"
	"time"

	"talktime/models"
	"talktime/stats"
	"talktime/store/storetest"
)

// begins fails the test unless a source says that its first record began then, or up to so much later than it says.
func begins(t *testing.T, source stats.FirstSource, want time.Time, early time.Duration) {
	t.Helper()
	got, err := source.First(t.Context())
	if err != nil || got.After(want) || want.Sub(got) > early {
		t.Errorf("it begins at %s, %v; want %s", got.UTC(), err, want.UTC())
	}
}

// TestForeignBegin: dates that are none do not count.
func TestForeignBegin(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "Europe/Berlin", "SET SESSION sql_mode = ''")
	begins(t, f.source, time.Time{}, 0)
	f.exec("INSERT INTO cdr (calldate, uniqueid) VALUES ('2025-03-01 23:59:59', 'late'), ('2025-03-01 10:00:00', 'early'), ('1970-01-01 00:00:01', 'none'), ('1980-01-06 00:00:00', 'wrong')")
	begins(t, f.source, time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC), 0)
}

// TestOwnBegin: of calls, of imported records and of what was written by hand.
func TestOwnBegin(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		source := d.store.OwnRecords(time.UTC)
		begins(t, source, time.Time{}, 0)
		day := func(n int) time.Time { return time.Date(2026, 3, n, 9, 0, 0, 0, time.UTC) }
		d.keeps(d.call(day(20)), d.call(day(21)))
		begins(t, source, day(20), 3*time.Minute)
		d.imports(7, day(10), 0, false)
		begins(t, source, day(10), 0)
		ines := d.user("ines", "2104")
		for _, answer := range []time.Time{day(5), time.Date(1980, 1, 6, 0, 0, 0, 0, time.UTC)} {
			if _, err := d.store.AddCDR(t.Context(), models.CDR{From: ines, Answer: answer, BillSec: 5}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		begins(t, source, day(5), 0)
	})
}
