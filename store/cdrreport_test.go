package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/store/storetest"
)

// TestLatestCDRs: of a table as Asterisk writes it, and of others, what was asked for.
func TestLatestCDRs(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]string{
		"as ours":   nil,
		"of MyISAM": {"ALTER TABLE cdr ENGINE=MyISAM"},
		"with NULL": {"ALTER TABLE cdr MODIFY recordingfile VARCHAR(255) NULL, MODIFY accountcode VARCHAR(20) NULL"},
		"in latin1": {"ALTER TABLE cdr CONVERT TO CHARACTER SET latin1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForeign(t, "Europe/Vienna", changes...)
			for _, row := range [][]any{
				{"2027-03-09 00:00:00", "1", "204", "100", "SIP/204-1", "ANSWERED", "a.wav", "0", "acc_1"},
				{"2027-03-09 12:00:00", "2", "205", "s", "SIP/205-1", "ANSWERED", "", "0", ""},
				{"2027-03-09 23:59:59", "3", "206", "50%1", `SIP/20\6|1`, "BUSY", "", "7", ""},
				{"2027-03-10 00:00:00", "4", "207", "5001", "SIP/207-1", "NO ANSWER", "b.wav", "0", ""},
				{"2027-03-11 00:00:00", "5", "208", "102", "SIP/208-1", "FAILED", "", "0", "ü"},
				{"2027-03-12 00:00:00", "6", "209", "103", "SIP/209-1", "CONGESTION", "", "0", ""},
			} {
				f.exec("INSERT INTO cdr (calldate, uniqueid, src, dst, channel, disposition, recordingfile, duration, accountcode) VALUES (?,?,?,?,?,?,?,?,?)", row...)
			}
			if name == "with NULL" {
				f.exec("UPDATE cdr SET recordingfile = NULLIF(recordingfile, ''), accountcode = NULLIF(accountcode, '')")
			}
			four := []string{"ANSWERED", "BUSY", "FAILED", "NO ANSWER"}
			for _, tt := range []struct {
				name string
				q    models.CDRQuery
				want string // unique ids, the latest first
			}{
				{"all", models.CDRQuery{Dispositions: four}, "5431"},
				{"whatever became of them", models.CDRQuery{}, "65431"},
				{"with s", models.CDRQuery{Dispositions: four, IncludeS: true}, "54321"},
				{"the latest two", models.CDRQuery{Dispositions: four, Limit: 2}, "54"},
				{"from", models.CDRQuery{From: "2027-03-10 00:00:00", Dispositions: four}, "54"},
				{"to", models.CDRQuery{To: "2027-03-09 23:59:59", Dispositions: four}, "31"},
				{"within a day", models.CDRQuery{From: "2027-03-09 00:00:00", To: "2027-03-09 23:59:59", Dispositions: four}, "31"},
				{"part of a number", models.CDRQuery{Column: "src", Contains: "20", Dispositions: four}, "5431"},
				{"percent", models.CDRQuery{Column: "dst", Contains: "0%1", Dispositions: four}, "3"},
				{"underscore", models.CDRQuery{Column: "accountcode", Contains: "_", Dispositions: four}, "1"},
				{"backslash", models.CDRQuery{Column: "channel", Contains: `0\6`, Dispositions: four}, "3"},
				{"the escape", models.CDRQuery{Column: "channel", Contains: "|", Dispositions: four}, "3"},
				{"a letter", models.CDRQuery{Column: "accountcode", Contains: "ü", Dispositions: four}, "5"},
				{"what latin1 has not", models.CDRQuery{Column: "accountcode", Contains: "☎", Dispositions: four}, ""},
				{"SQL", models.CDRQuery{Column: "src", Contains: "' OR 1=1 -- ", Dispositions: []string{"' OR ''='"}}, ""},
				{"one disposition", models.CDRQuery{Dispositions: []string{"NO ANSWER"}}, "4"},
				{"recorded", models.CDRQuery{Recordings: "only", Dispositions: four}, "41"},
				{"not recorded", models.CDRQuery{Recordings: "without", Dispositions: four}, "53"},
			} {
				if tt.q.Limit == 0 {
					tt.q.Limit = 100
				}
				got, err := f.source.LatestCDRs(t.Context(), tt.q)
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
					continue
				}
				if ids := column(t, got, "uniqueid"); strings.Join(ids, "") != tt.want {
					t.Errorf("%s: %v, want %s", tt.name, ids, tt.want)
				}
			}
			got, err := f.source.LatestCDRs(t.Context(), models.CDRQuery{Column: "src", Contains: "206", Limit: 1})
			if err != nil || len(got.Columns) != 23 {
				t.Fatalf("%v: %v", got.Columns, err)
			}
			for name, want := range map[string]string{"calldate": "2027-03-09 23:59:59", "duration": "7", "billsec": "0", "dst": "50%1", "recordingfile": "", "accountcode": ""} {
				if values := column(t, got, name); len(values) != 1 || values[0] != want {
					t.Errorf("%s is %q, want %q", name, values, want)
				}
			}
		})
	}
}

// column are the values of one.
func column(t *testing.T, r models.CDRRows, name string) []string {
	t.Helper()
	values := []string{}
	for _, row := range r.Rows {
		if len(row) != len(r.Columns) {
			t.Fatalf("a row has %d values for %d columns", len(row), len(r.Columns))
		}
		for i, key := range r.Columns {
			if key == name {
				values = append(values, row[i])
			}
		}
	}
	return values
}

// TestLatestCDRsOfAnOldTable: what it lacks is left out, and what it has more comes when it is asked for.
func TestLatestCDRsOfAnOldTable(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "ALTER TABLE cdr DROP COLUMN recordingfile, DROP COLUMN did, DROP COLUMN cnum, DROP COLUMN cnam, DROP COLUMN outbound_cnum,"+
		" DROP COLUMN outbound_cnam, DROP COLUMN dst_cnam, DROP COLUMN accountcode, ADD COLUMN `odd``name` INT NULL")
	f.exec("INSERT INTO cdr (calldate, uniqueid, src, dst, disposition, `odd``name`) VALUES ('2027-03-09 00:00:00', '1', '204', '100', 'ANSWERED', 5)")
	for _, tt := range []struct {
		q    models.CDRQuery
		want int // rows
	}{
		{models.CDRQuery{}, 1},
		{models.CDRQuery{Recordings: "only"}, 0},
		{models.CDRQuery{Recordings: "without"}, 1},
		{models.CDRQuery{Column: "accountcode", Contains: "a"}, 0},
		{models.CDRQuery{AllColumns: true}, 1},
	} {
		tt.q.Limit = 10
		got, err := f.source.LatestCDRs(t.Context(), tt.q)
		if err != nil || len(got.Rows) != tt.want {
			t.Errorf("%+v: %v: %v", tt.q, got.Rows, err)
		}
		odd := []string{}
		if tt.q.AllColumns {
			odd = []string{"5"}
		}
		if diff := cmp.Diff(odd, column(t, got, "odd`name")); diff != "" {
			t.Error(diff)
		}
		if files := column(t, got, "recordingfile"); len(files) != 0 {
			t.Errorf("a column that is not there has %q", files)
		}
	}
	f.exec("DROP TABLE cdr")
	if _, err := f.open(f.config).LatestCDRs(t.Context(), models.CDRQuery{Limit: 1}); err == nil {
		t.Error("a table that is not there has rows")
	}
}

// TestLatestOwnCDRs: of our own calls, imported records and those that were written by hand, what was asked for, however far back it is.
func TestLatestOwnCDRs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		source := d.store.OwnRecords(berlin(t))
		four := []string{"ANSWERED", "BUSY", "FAILED", "NO ANSWER"}
		if found, err := source.LatestCDRs(t.Context(), models.CDRQuery{Limit: 5}); err != nil || len(found.Rows) != 0 || !slices.Equal(found.Columns, models.CDRColumns()) {
			t.Errorf("of nothing: %v, %v", found, err)
		}
		ines := d.user("ines", "2104")
		began := at("2026-11-20 10:00:00")
		d.imports(1, at("2004-12-31 23:30:00"), 0, false)
		d.imports(2, at("2020-06-15 12:00:00"), ines, false, "disposition = 'Busy'")
		d.imports(3, at("2020-06-15 12:00:01"), ines, true) // it stands in calls
		d.keeps(
			d.call(began, func(c *models.Call) { c.UserID, c.CallID, c.Number = ines, "four", "5%5" }),
			d.call(began.Add(time.Second), func(c *models.Call) {
				c.State, c.Status, c.Seconds, c.CallID = models.CallReleased, "CONGESTION", 0, "five"
			}),
			d.call(began.Add(2*time.Second), func(c *models.Call) { c.Number, c.CallID = "s", "six" }),
			d.call(began.Add(3*time.Second), func(c *models.Call) { c.State, c.CallID = models.CallOpen, "open" }),
		)
		if _, err := d.store.AddCDR(t.Context(), models.CDR{From: ines, Answer: at("2009-01-01 00:00:00"), BillSec: 33}, "test"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			q    models.CDRQuery
			want string
		}{
			{"all", models.CDRQuery{Dispositions: four, Limit: 10}, "four imported.2 hand imported.1"},
			{"whatever became of them", models.CDRQuery{IncludeS: true, Limit: 10}, "six five four imported.2 hand imported.1"},
			{"the latest", models.CDRQuery{Dispositions: four, Limit: 1}, "four"},
			{"the latest two", models.CDRQuery{Dispositions: four, Limit: 2}, "four imported.2"},
			{"from", models.CDRQuery{From: "2020-06-15 14:00:00", Dispositions: four, Limit: 10}, "four imported.2"}, // summer
			{"after", models.CDRQuery{From: "2020-06-15 14:00:01", Dispositions: four, Limit: 10}, "four"},
			{"to", models.CDRQuery{To: "2005-01-01 00:30:00", Dispositions: four, Limit: 10}, "imported.1"}, // winter
			{"before", models.CDRQuery{To: "2005-01-01 00:29:59", Dispositions: four, Limit: 10}, ""},
			{"a column", models.CDRQuery{Column: "accountcode", Contains: "ACM", Limit: 10}, "imported.2 imported.1"},
			{"percent", models.CDRQuery{Column: "dst", Contains: "5%", Limit: 10}, "four"},
			{"a channel", models.CDRQuery{Column: "dstchannel", Contains: "trunk", Limit: 1}, "imported.2"},
			{"one disposition", models.CDRQuery{Dispositions: []string{"BUSY"}, Limit: 10}, "imported.2"},
			{"recorded", models.CDRQuery{Recordings: "only", Limit: 10}, ""},
			{"not recorded", models.CDRQuery{Recordings: "without", Limit: 1}, "five"},
		} {
			found, err := source.LatestCDRs(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			id := slices.Index(found.Columns, "uniqueid")
			for _, row := range found.Rows {
				name, _, _ := strings.Cut(row[id], "/") // by hand: there is something random behind it
				got = append(got, name)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s:\n got %s\nwant %s", tt.name, strings.Join(got, " "), tt.want)
			}
		}
		found, err := source.LatestCDRs(t.Context(), models.CDRQuery{Column: "src", Contains: "2105", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"2020-06-15 14:00:00", `"Ana" <2105>`, "2105", "59899000002", "internal", "PJSIP/2105-1", "PJSIP/trunk-1", "Dial", "", "9", "5", "Busy", "", "acme", "imported.2", "", "", "2105", "Ana", "", "", "", ""}
		if diff := cmp.Diff([][]string{want}, found.Rows); diff != "" {
			t.Error(diff)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.LatestCDRs(over, models.CDRQuery{Limit: 1}); err == nil {
			t.Error("nobody waits, and there is an answer")
		}
	})
}
