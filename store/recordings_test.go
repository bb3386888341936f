package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/stats"
)

// TestRecordings: of calls that are asked for, and that were there at the time, the name of the file; whatever keys the table has.
func TestRecordings(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]string{
		"as ours":         nil,
		"without indexes": {"ALTER TABLE cdr DROP KEY calldate, DROP KEY uniqueid, DROP KEY recordingfile"},
		"of MyISAM":       {"ALTER TABLE cdr ENGINE=MyISAM"},
		"with NULL":       {"ALTER TABLE cdr MODIFY recordingfile VARCHAR(255) NULL", "ALTER TABLE cdr MODIFY uniqueid VARCHAR(150) NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForeign(t, "Europe/Vienna", changes...)
			noon := time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)
			add := func(at time.Time, id, file string) {
				f.exec("INSERT INTO cdr (calldate, uniqueid, recordingfile) VALUES (?, ?, ?)", at.In(f.config.Location).Format(time.DateTime), id, file)
			}
			id := func(at time.Time, n int) string { return fmt.Sprintf("%d.%d", at.Unix(), n) }
			first, second, none, late := id(noon, 1), "pbx-7-"+id(noon, 2), id(noon, 3), id(noon.Add(-20*time.Hour), 4)
			add(noon.Add(2*time.Second), first, "")
			add(noon.Add(30*time.Second), first, "q-first.wav")
			add(noon.Add(40*time.Second), first, "q-again.wav")
			add(noon, second, "2026/11/21/q-second.wav")
			add(noon, none, "")
			add(noon.Add(-20*time.Hour), late, "began-yesterday.wav")
			add(noon, "x-odd", "odd.wav")
			add(noon, "X-ODD", "other.wav")
			add(noon.Add(-48*time.Hour), "x-old", "old.wav")
			add(noon, id(noon, 5), "nobody asks.wav")
			ids := []string{first, second, none, late, "x-odd", "x-old", "'; DROP TABLE cdr; --", "", first}
			for i := range 2500 { // more than one statement asks for
				ids = append(ids, id(noon.Add(time.Duration(i)*time.Second), 1000+i))
			}
			last := id(noon.Add(2499*time.Second), 3499)
			add(noon.Add(2499*time.Second), last, "last.wav")
			want := map[string]string{first: "q-first.wav", second: "2026/11/21/q-second.wav", late: "began-yesterday.wav", "x-odd": "odd.wav", last: "last.wav"}
			for range 2 {
				got, err := f.source.Recordings(t.Context(), ids, noon, noon.Add(time.Hour))
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Error(err, diff)
				}
				slices.Reverse(ids)
			}
			if got, err := f.source.Recordings(t.Context(), nil, noon, noon.Add(time.Hour)); err != nil || len(got) != 0 {
				t.Errorf("of no calls: %v, %v", got, err)
			}
		})
	}
}

// TestNoRecordings: of a table without the column there are none, and a database that is away is an error.
func TestNoRecordings(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "ALTER TABLE cdr DROP KEY recordingfile, DROP COLUMN recordingfile")
	now := time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)
	f.exec("INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-21 11:00:00', 'a')")
	if got, err := f.source.Recordings(t.Context(), []string{"a"}, now, now); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	away := f.config
	away.Addr = "127.0.0.1:1"
	var failure *stats.SourceError
	if _, err := f.open(away).Recordings(t.Context(), []string{"a"}, now, now); !errors.As(err, &failure) || failure.Reason != "nothing listens there" {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.source.Recordings(gone, []string{"a"}, now, now); !errors.Is(err, context.Canceled) && err != nil {
		t.Error(err)
	}
	f.exec("DROP TABLE cdr")
	if _, err := f.open(f.config).Recordings(t.Context(), []string{"a"}, now, now); !errors.As(err, &failure) {
		t.Error(err)
	}
}
