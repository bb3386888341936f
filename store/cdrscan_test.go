package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/dialplan"
	"talktime/models"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// everyField are all texts of a record.
const everyField = stats.FieldAccount<<1 - 1

// foreign is a CDR database as somebody else's Asterisk has it, and the source that reads it.
type foreign struct {
	*testing.T
	db     *sql.DB
	source *store.CDRStatistics
	config store.CDRConfig
	log    *bytes.Buffer
}

func newForeign(t *testing.T, zone string, changes ...string) *foreign {
	t.Helper()
	d := storetest.OnShared(t)
	f := &foreign{T: t, db: d.SQL(t), log: &bytes.Buffer{}}
	schema, err := dialplan.Read("cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	f.exec(string(schema))
	for _, change := range changes {
		f.exec(change)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	f.config = store.CDRConfig{Label: "pbx1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name, Location: location}
	f.source = f.open(f.config)
	return f
}

func (f *foreign) open(c store.CDRConfig) *store.CDRStatistics {
	f.Helper()
	source, err := store.OpenCDRStatistics(c, slog.New(slog.NewTextHandler(f.log, nil)))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = source.Close() })
	return source
}

func (f *foreign) exec(query string, args ...any) {
	f.Helper()
	if _, err := f.db.ExecContext(f.Context(), query, args...); err != nil {
		f.Fatalf("%s: %v", query, err)
	}
}

// copyOf is a record that stays.
func copyOf(r *stats.Record) stats.Record {
	c := *r
	for _, text := range []*[]byte{
		&c.UniqueID, &c.CNum, &c.CNam, &c.CallerID, &c.Src, &c.Dst, &c.Context, &c.Channel, &c.DstChannel, &c.LastApp, &c.Disposition, &c.Account,
	} {
		*text = bytes.Clone(*text)
	}
	return c
}

func scanned(t *testing.T, source stats.Source, scan stats.Scan) []stats.Record {
	t.Helper()
	var all []stats.Record
	err := source.Each(t.Context(), scan, func(r *stats.Record) error {
		if n := len(all); n > 0 && r.Start < all[n-1].Start {
			t.Errorf("%s comes behind %s", r.UniqueID, all[n-1].UniqueID)
		}
		all = append(all, copyOf(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func uniqueIDs(all []stats.Record) []string {
	ids := []string{}
	for _, r := range all {
		ids = append(ids, string(r.UniqueID))
	}
	return ids
}

func during(from, to time.Time) stats.Scan { return stats.Scan{From: from, To: to, Fields: everyField} }

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		panic(err)
	}
	return t
}

var november = during(at("2026-11-01 00:00:00"), at("2026-12-01 00:00:00"))

func TestForeignRecords(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "America/Montevideo", // three hours behind UTC
		"ALTER TABLE cdr MODIFY calldate DATETIME(3) NULL, MODIFY clid VARCHAR(80) NULL, MODIFY src VARCHAR(80) NULL, MODIFY dst BIGINT NULL, MODIFY dcontext VARCHAR(80) NULL,"+
			" MODIFY channel VARCHAR(80) NULL, MODIFY dstchannel VARCHAR(80) NULL, MODIFY lastapp VARCHAR(80) NULL, MODIFY duration DOUBLE NULL, MODIFY billsec DECIMAL(30,3) NULL,"+
			" MODIFY disposition VARCHAR(45) NULL, MODIFY accountcode VARCHAR(80) NULL, MODIFY uniqueid VARCHAR(150) NULL, MODIFY cnum INT NULL, MODIFY cnam VARCHAR(80) NULL")
	f.exec("SET SESSION sql_mode = ''")
	const columns = "INSERT INTO cdr (calldate, clid, src, dst, dcontext, channel, dstchannel, lastapp, duration, billsec, disposition, accountcode, uniqueid, cnum, cnam) VALUES "
	f.exec(columns + `
		('2026-11-20 22:10:52', '"Ines Roth" <2104>', '2104', 59899000001, 'from-internal', 'PJSIP/2104-01', 'PJSIP/trunk-02', 'Dial', 33, 30, 'ANSWERED', 'acme', 'pbx1-1795212652.7', 2104, 'Ines Roth'),
		('2026-11-20 22:10:53.999', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 8.9, 5.999, NULL, NULL, '1795212653.8', NULL, NULL),
		('2026-11-20 22:10:54', '', '', 0, '', '', '', '', -3, -0.5, 'BUSY', '', '1795212654.9', 0, ''),
		('2026-11-20 22:10:55', '', '', 0, '', '', '', '', 1e300, 99999999999999999999999.5, 'BUSY', '', '1795212655.1', 0, ''),
		('2026-11-20 22:10:56', '', '', 0, '', '', '', '', NULL, NULL, 'BUSY', '', NULL, 0, ''),
		('0000-00-00 00:00:00', '', '', 0, '', '', '', 'Dial', 1, 1, 'ANSWERED', '', '1.1', 0, ''),
		(NULL, '', '', 0, '', '', '', 'Dial', 1, 1, 'ANSWERED', '', '1.2', 0, '')`)
	b := func(text string) []byte { return []byte(text) }
	wall := at("2026-11-20 22:10:52").Unix()
	when := func(second int64) stats.Record {
		return stats.Record{Wall: wall + second, Start: wall + second + 3*3600}
	}
	empty := func(second int64, id string) stats.Record {
		r := when(second)
		r.UniqueID, r.CNum, r.Dst, r.Disposition = b(id), b("0"), b("0"), b("BUSY")
		return r
	}
	full, null := when(0), when(1)
	full.Duration, full.BillSec, full.UniqueID, full.CNum, full.CNam, full.CallerID, full.Src = 33, 30, b("pbx1-1795212652.7"), b("2104"), b("Ines Roth"), b(`"Ines Roth" <2104>`), b("2104")
	full.Dst, full.Context, full.Channel, full.DstChannel, full.LastApp = b("59899000001"), b("from-internal"), b("PJSIP/2104-01"), b("PJSIP/trunk-02"), b("Dial")
	full.Disposition, full.Account = b("ANSWERED"), b("acme")
	null.Duration, null.BillSec, null.UniqueID = 8, 5, b("1795212653.8")
	large := empty(3, "1795212655.1")
	large.Duration, large.BillSec = 1<<31-1, 1<<31-1
	tidy := cmp.Transformer("text", func(text []byte) string { return string(text) })
	if diff := cmp.Diff([]stats.Record{full, null, empty(2, "1795212654.9"), large, empty(4, "")}, scanned(t, f.source, november), tidy); diff != "" {
		t.Error(diff)
	}
	// What is not asked for is not there, and of NULL nothing is left from the row before.
	scan := november
	scan.Fields = stats.FieldDst
	for _, r := range scanned(t, f.source, scan) {
		if len(r.UniqueID)+len(r.LastApp)+len(r.CNum) != 0 || r.Start == null.Start && len(r.Dst) != 0 {
			t.Errorf("%+v", r)
		}
	}
	if f.source.Name() != "pbx1" {
		t.Error(f.source.Name())
	}
}

// TestForeignSelection: a database leaves out nothing that is counted, whatever its collation.
func TestForeignSelection(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"as the sample is": "SELECT 1",
		"bin":              "ALTER TABLE cdr CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		"latin1":           "ALTER TABLE cdr CONVERT TO CHARACTER SET latin1 COLLATE latin1_swedish_ci",
		"bytes":            "ALTER TABLE cdr MODIFY lastapp VARBINARY(80) NULL, MODIFY disposition VARBINARY(45) NULL, MODIFY dst VARBINARY(80) NULL",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForeign(t, "UTC", "ALTER TABLE cdr MODIFY lastapp VARCHAR(80) NULL, MODIFY disposition VARCHAR(45) NULL, MODIFY dst VARCHAR(80) NULL", change)
			pick := func(of ...any) any { return of[rand.IntN(len(of))] }
			f.exec("START TRANSACTION")
			for n := range 1000 {
				f.exec("INSERT INTO cdr (calldate, uniqueid, lastapp, disposition, dst) VALUES ('2026-11-20 22:10:52', ?, ?, ?, ?)", n,
					pick("Dial", "Busy", "Congestion", "dial", "Dial ", "Queue", "", nil),
					pick("ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "failed", "FAILED ", nil),
					pick("1234", "0000", "123", "12345", "+123", "s", "h", "H", "h ", "", "12a4", "1234\n", "\n1234", "59899000001", nil))
			}
			f.exec("COMMIT")
			four := regexp.MustCompile(`\A[0-9]{4}\z`)
			seizure := func(r stats.Record) bool { return string(r.LastApp) == "Dial" && !four.Match(r.Dst) }
			dialled := func(r stats.Record) bool {
				return slices.Contains([]string{"Dial", "Busy", "Congestion"}, string(r.LastApp)) && string(r.Disposition) != "FAILED" && !four.Match(r.Dst)
			}
			all := scanned(t, f.source, november)
			if len(all) != 1000 {
				t.Errorf("%d of 1000", len(all))
			}
			connected := func(r stats.Record) bool { return string(r.Dst) != "h" }
			for selection, counts := range map[stats.Selection]func(stats.Record) bool{stats.Dialled: dialled, stats.Seizures: seizure, stats.Connected: connected} {
				keep := func(all []stats.Record) []string {
					return uniqueIDs(slices.DeleteFunc(slices.Clone(all), func(r stats.Record) bool { return !counts(r) }))
				}
				scan := november
				scan.Select = selection
				some := scanned(t, f.source, scan)
				if diff := cmp.Diff(keep(all), keep(some)); diff != "" {
					t.Errorf("%d: %s", selection, diff)
				}
				if selection == stats.Connected && len(keep(some)) != len(some) {
					t.Error("what ran in h is sent")
				}
				for _, r := range some {
					if selection == stats.Connected {
						break
					}
					app := strings.ToLower(strings.TrimSpace(string(r.LastApp)))
					if app != "dial" && (selection == stats.Seizures || app != "busy" && app != "congestion") || four.Match(r.Dst) ||
						selection == stats.Dialled && string(r.Disposition) == "FAILED" {
						t.Errorf("%d: %q %q %q is sent", selection, r.LastApp, r.Disposition, r.Dst)
					}
				}
			}
		})
	}
}

// TestForeignWarnings: what a caller was warned with is no call, whatever the rest of its record says; what only looks like it is one.
func TestForeignWarnings(t *testing.T) {
	t.Parallel()
	if stats.WarningContext != dialplan.WarningContext {
		t.Error("records of warnings are looked for in another context than they have")
	}
	for name, change := range map[string]string{
		"as the sample is": "SELECT 1",
		"with NULL":        "ALTER TABLE cdr MODIFY dcontext VARCHAR(80) NULL, MODIFY channel VARCHAR(80) NULL",
		"latin1":           "ALTER TABLE cdr CONVERT TO CHARACTER SET latin1 COLLATE latin1_swedish_ci",
		"bytes":            "ALTER TABLE cdr MODIFY dcontext VARBINARY(80) NULL, MODIFY channel VARBINARY(80) NULL",
		"no channel":       "ALTER TABLE cdr DROP channel",
		"no context":       "ALTER TABLE cdr DROP dcontext",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForeign(t, "UTC")
			f.exec("INSERT INTO cdr (calldate, uniqueid, lastapp, disposition, dst, dcontext, channel, src) VALUES " + `
				('2026-11-20 10:00:00', 'warning 1', 'ChanSpy', 'ANSWERED', 'whisper', 'talktime-warning', 'Local/whisper@talktime-warning-00000000;2', ''),
				('2026-11-20 10:00:00', 'warning 2', 'Playback', 'ANSWERED', 'sound', 'talktime-warning', 'Local/whisper@talktime-warning-00000000;1', ''),
				('2026-11-20 10:00:00', 'warning 3', 'Dial', 'ANSWERED', '59899000001', 'talktime-warning', 'Local/whisper@talktime-warning-0000001a;1', '2001'),
				('2026-11-20 10:00:01', 'call 1', 'Dial', 'ANSWERED', '59899000001', 'talktime-caller', 'PJSIP/204-00000001', '2001'),
				('2026-11-20 10:00:02', 'call 2', 'Dial', 'ANSWERED', '59899000001', 'Talktime-warning', 'PJSIP/talktime-warning-00000001', '2001'),
				('2026-11-20 10:00:03', 'call 3', 'Dial', 'ANSWERED', '59899000001', 'talktime-warning ', 'local/1@talktime-warning-00000001;1', '2001'),
				('2026-11-20 10:00:04', 'call 4', 'Dial', 'ANSWERED', '59899000001', '', 'Local/1@talktime-warnings-00000001;1', '2001')`)
			f.exec(change)
			want := []string{"call 1", "call 2", "call 3", "call 4"}
			if name == "with NULL" {
				f.exec("UPDATE cdr SET dcontext = NULL, channel = NULL WHERE uniqueid LIKE 'call%'")
			}
			for _, selection := range []stats.Selection{stats.Everything, stats.Dialled, stats.Seizures, stats.Connected} {
				scan := november
				scan.Select = selection
				if diff := cmp.Diff(want, uniqueIDs(scanned(t, f.source, scan))); diff != "" {
					t.Errorf("%d: %s", selection, diff)
				}
			}
			latest, err := f.source.LatestCDRs(t.Context(), models.CDRQuery{Limit: 10, IncludeS: true})
			ids := column(t, latest, "uniqueid")
			slices.Reverse(ids)
			if diff := cmp.Diff(want, ids); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestForeignClocks: each record is in the one hour in which it began, and no other, also on days on which clocks change.
func TestForeignClocks(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Amman", "America/Havana", "America/Asuncion", "Australia/Lord_Howe"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			f := newForeign(t, zone)
			location := f.config.Location
			var changes []time.Time
			for end := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC); len(changes) < 2; {
				_, end = end.In(location).ZoneBounds()
				changes = append(changes, end)
			}
			for _, change := range changes {
				f.exec("DELETE FROM cdr")
				midnight := stats.DayAt(change.In(location))
				want := map[string]int64{}
				insert := strings.Builder{}
				clock := stats.NewClock(location)
				for wall := (int64(midnight) - 1) * 86400; wall < (int64(midnight)+2)*86400; wall += 450 {
					text := time.Unix(wall, 0).UTC().Format(time.DateTime)
					want[text] = clock.Unix(wall)
					fmt.Fprintf(&insert, ", ('%s', '%s')", text, text)
				}
				f.exec("INSERT INTO cdr (calldate, uniqueid) VALUES " + insert.String()[2:])
				got := map[string]int64{}
				from, to := (midnight - 1).Begin(location), (midnight + 2).Begin(location)
				for ; from.Before(to); from = from.Add(30 * time.Minute) {
					next := from.Add(30 * time.Minute)
					if next.After(to) {
						next = to
					}
					for _, r := range scanned(t, f.source, during(from, next)) {
						id := string(r.UniqueID)
						if _, twice := got[id]; twice || r.Start < from.Unix() || r.Start >= next.Unix() || r.Wall != at(id).Unix() {
							t.Errorf("%s comes from %s to %s, again: %v", id, from, next, twice)
						}
						got[id] = r.Start
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				// And each day has what its date says.
				days, err := f.source.Days(t.Context(), midnight-3, midnight+3)
				if err != nil || len(days) != 3 || days[midnight] != "192" || days[midnight+1] != "192" {
					t.Errorf("%v, %v", days, err)
				}
				for day := midnight - 1; day < midnight+2; day++ {
					if all := scanned(t, f.source, during(day.Begin(location), (day+1).Begin(location))); len(all) != 192 {
						t.Errorf("%s has %d records", day, len(all))
					}
				}
			}
		})
	}
}

// TestForeignBounds: half open, to the second, and beyond what a date can be.
func TestForeignBounds(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "ALTER TABLE cdr MODIFY calldate DATETIME(3) NOT NULL")
	f.exec("INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-19 23:59:59.999', '1'), ('2026-11-20 00:00:00', '2'), ('2026-11-20 23:59:59.500', '3'), ('2026-11-21 00:00:00', '4'), ('1999-01-01', '0')")
	day := at("2026-11-20 00:00:00")
	for _, c := range []struct {
		from, to time.Time
		want     []string
	}{
		{day, day.AddDate(0, 0, 1), []string{"2", "3"}},
		{day.Add(time.Millisecond), day.AddDate(0, 0, 1), []string{"3"}},
		{day, day.AddDate(0, 0, 1).Add(time.Millisecond), []string{"2", "3", "4"}},
		{day.Add(-time.Millisecond), day, []string{}},
		{day, day, []string{}},
		{day, day.AddDate(0, 0, -1), []string{}},
		{time.Time{}, time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), []string{"0", "1", "2", "3", "4"}},
	} {
		if diff := cmp.Diff(c.want, uniqueIDs(scanned(t, f.source, during(c.from, c.to)))); diff != "" {
			t.Errorf("%s to %s: %s", c.from, c.to, diff)
		}
	}
}

// TestForeignIndex: a report reads the index of dates also where the server would rather read everything.
func TestForeignIndex(t *testing.T) {
	t.Parallel()
	explain := func(f *foreign) (key, extra string) {
		t.Helper()
		query, args, err := f.source.ScanQuery(t.Context(), november)
		if err != nil {
			t.Fatal(err)
		}
		var id, kind, table, access, possible, found, length, ref, rows, more sql.NullString
		if err := f.db.QueryRowContext(t.Context(), "EXPLAIN "+query, args...).Scan(&id, &kind, &table, &access, &possible, &found, &length, &ref, &rows, &more); err != nil {
			t.Fatal(err)
		}
		return found.String, more.String
	}
	rows := "INSERT INTO cdr (calldate, uniqueid, lastapp) SELECT '2026-11-01' + INTERVAL seq MINUTE, seq, 'Dial' FROM seq_1_to_20000"
	f := newForeign(t, "UTC", "ALTER TABLE cdr DROP KEY calldate, ADD KEY `the ``date` (calldate, dst)", rows)
	if key, extra := explain(f); key != "the `date" || strings.Contains(extra, "filesort") {
		t.Errorf("it uses %q, %s", key, extra)
	}
	if got := scanned(t, f.source, november); len(got) != 20000 {
		t.Error(len(got))
	}
	if f.log.Len() > 0 {
		t.Error(f.log)
	}

	f = newForeign(t, "UTC", "ALTER TABLE cdr DROP KEY calldate, ADD KEY other (dst, calldate)", rows)
	if key, _ := explain(f); key != "" {
		t.Errorf("it uses %q", key)
	}
	for range 2 {
		if got := scanned(t, f.source, november); len(got) != 20000 {
			t.Error(len(got))
		}
	}
	if said := f.log.String(); strings.Count(said, "CREATE INDEX calldate ON cdr (calldate)") != 1 || strings.Count(said, "level=WARN") != 1 {
		t.Error(said)
	}
	if days, err := f.source.Days(t.Context(), stats.DayAt(november.From), stats.DayAt(november.To)); err != nil || len(days) != 14 || days[stats.DayAt(november.From)+1] != "1440" {
		t.Errorf("%v, %v", days, err)
	}
}

// TestForeignTableThatLocks: whoever reads slowly does not keep Asterisk from writing.
func TestForeignTableThatLocks(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "ALTER TABLE cdr ENGINE=MyISAM",
		"INSERT INTO cdr (calldate, uniqueid, userfield) SELECT '2026-11-30' - INTERVAL seq SECOND, seq, REPEAT('x', 250) FROM seq_1_to_50000", "DELETE FROM cdr WHERE uniqueid = '777'") // a hole
	n, last := 0, int64(0)
	err := f.source.Each(t.Context(), november, func(r *stats.Record) error {
		if r.Start < last {
			t.Errorf("%d behind %d", r.Start, last)
		}
		last = r.Start
		if n++; n == 1 {
			f.exec("SET STATEMENT lock_wait_timeout=1, max_statement_time=20 FOR INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-30', 'new')")
		}
		return nil
	})
	if err != nil || n != 49999 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestForeignTablesThatLack(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "INSERT INTO cdr (calldate, uniqueid, src, cnum, lastapp) VALUES ('2026-11-20 10:00:00', '1.1', '2104', '2105', 'Dial')",
		"ALTER TABLE cdr DROP cnum, DROP cnam, DROP clid, DROP dcontext, DROP channel, DROP dstchannel, DROP accountcode, DROP linkedid, DROP did")
	scan := november
	for _, account := range []*stats.Account{nil, {Names: []string{"2104"}}} {
		scan.Account = account
		got := scanned(t, f.source, scan)
		if len(got) != 1 || string(got[0].CNum) != "2104" || string(got[0].Src) != "2104" || len(got[0].CNam)+len(got[0].Account)+len(got[0].CallerID)+len(got[0].Channel) != 0 {
			t.Errorf("%+v", got)
		}
	}
	for _, column := range []string{"calldate", "dst", "disposition", "duration", "billsec", "lastapp", "uniqueid"} {
		f.exec("ALTER TABLE cdr RENAME COLUMN " + column + " TO gone")
		failsWith(t, f.open(f.config), "the table cdr has no column "+column)
		f.exec("ALTER TABLE cdr RENAME COLUMN gone TO " + column)
	}
	// The source that has known the table until now finds out, and again when the column is back.
	f.exec("ALTER TABLE cdr RENAME COLUMN dst TO gone")
	failsWith(t, f.source, "its tables have changed a moment ago; try again")
	failsWith(t, f.source, "the table cdr has no column dst")
	f.exec("ALTER TABLE cdr RENAME COLUMN gone TO dst")
	if got := scanned(t, f.source, november); len(got) != 1 {
		t.Error(got)
	}
	f.exec("ALTER TABLE cdr DROP src")
	failsWith(t, f.open(f.config), "the table cdr has neither a column cnum nor src")
	f.exec("DROP TABLE cdr")
	failsWith(t, f.open(f.config), "there is no table cdr, or we may not read it")
}

// failsWith expects that a source cannot be read, and that nothing is told of the database but the reason.
func failsWith(t *testing.T, source *store.CDRStatistics, reason string) {
	t.Helper()
	_ = failure(t.Context(), t, source, reason)
}

func failure(ctx context.Context, t *testing.T, source *store.CDRStatistics, reason string) *stats.SourceError {
	t.Helper()
	err := source.Each(ctx, november, func(*stats.Record) error { return nil })
	var failure *stats.SourceError
	if !errors.As(err, &failure) || failure.Reason != reason || failure.Name != source.Name() {
		t.Errorf("%v: %+v", err, failure)
		return &stats.SourceError{}
	}
	want := "Error querying pbx1: " + reason
	if failure.Connect {
		want = "Failed to connect to pbx1 at " + failure.Addr
	}
	if err.Error() != want {
		t.Error(err)
	}
	return failure
}

func TestForeignServersThatFail(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC")
	with := func(edit func(*store.CDRConfig)) *store.CDRStatistics {
		c := f.config
		edit(&c)
		return f.open(c)
	}
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, c := range map[string]struct {
		source *store.CDRStatistics
		reason string
	}{
		"down":           {with(func(c *store.CDRConfig) { c.Addr = closed.Addr().String() }), "nothing listens there"},
		"hung":           {with(func(c *store.CDRConfig) { c.Addr = silent.Addr().String() }), "it does not answer"},
		"wrong password": {with(func(c *store.CDRConfig) { c.Password = "hunter2" }), "access denied"},
		"wrong user":     {with(func(c *store.CDRConfig) { c.User = "nobody" }), "access denied"},
		"no schema":      {with(func(c *store.CDRConfig) { c.Name = "nowhere" }), "there is no such schema, or we may not use it"},
		"no such name":   {with(func(c *store.CDRConfig) { c.Addr = "pbx.invalid:3306" }), "nobody knows its name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			if f := failure(t.Context(), t, c.source, c.reason); !f.Connect || f.Err == nil {
				t.Errorf("%+v", f)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if _, err := c.source.Days(t.Context(), 0, 1); err == nil {
				t.Error("it has days")
			}
		})
	}
}

// TestForeignRights: what may not be read is said, or done without.
func TestForeignRights(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "CREATE TABLE country_codes (code VARCHAR(10) PRIMARY KEY, country VARCHAR(100))", "INSERT INTO country_codes VALUES ('+49', 'Germany'), ('598', 'Uruguay')",
		"INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-20', '1')")
	user := "u" + f.config.Name[len(f.config.Name)-10:]
	f.exec("CREATE USER '" + user + "'@'%' IDENTIFIED BY 'secret7'")
	t.Cleanup(func() { _, _ = f.db.ExecContext(context.Background(), "DROP USER '"+user+"'@'%'") })
	f.exec("GRANT INSERT ON `" + f.config.Name + "`.cdr TO '" + user + "'@'%'")
	c := f.config
	c.User, c.Password = user, "secret7"
	failsWith(t, f.open(c), "we may not read its tables")
	f.exec("GRANT SELECT ON `" + f.config.Name + "`.cdr TO '" + user + "'@'%'")
	source := f.open(c)
	if got := scanned(t, source, november); len(got) != 1 {
		t.Error(got)
	}
	if codes, err := source.CountryCodes(t.Context()); len(codes) > 0 || err != nil {
		t.Errorf("%v, %v", codes, err)
	}
	if names, err := source.Directory(t.Context()); len(names) > 0 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
	codes, err := f.source.CountryCodes(t.Context())
	if diff := cmp.Diff(stats.Codes{"+49": "Germany", "598": "Uruguay"}, codes); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	server, err := storetest.Start(t.Context(), storetest.Options{BufferPoolMB: 16}) // the schema has a name that nobody can choose
	if errors.Is(err, storetest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	d := storetest.On(t, server)
	source, err := store.OpenCDRStatistics(store.CDRConfig{Label: "pbx1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	if names, err := source.Directory(t.Context()); names != nil || err != nil {
		t.Errorf("without a schema: %v, %v", names, err)
	}
	for _, statement := range []string{
		"CREATE DATABASE asterisk CHARACTER SET utf8mb4",
		"CREATE TABLE asterisk.sip (id VARCHAR(20), keyword VARCHAR(30), data VARCHAR(255), flags INT)",
		`INSERT INTO asterisk.sip VALUES ('2104', 'callerid', '"Ines Roth" <2104>', 0), ('2105', 'callerid', 'device <2105>', 0), ('2106', 'callerid', 'Sales, Jörg Müller  <2106>', 0),
			('2107', 'callerid', '<2107>', 0), (' 2108 ', 'callerid', NULL, 0), ('2109', 'callerid', 'Nobody', 0), ('2104', 'secret', 'hunter2', 0)`,
	} {
		if err := server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	names, err := source.Directory(t.Context())
	if diff := cmp.Diff(map[string]string{"2104": "Ines Roth", "2105": "device", "2106": "Jörg Müller", "2107": "", "2108": "", "2109": "Nobody"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

var errEnough = errors.New("enough")

// TestForeignScansEnd: when who counts has enough, when the request ends, and when its time is over.
func TestForeignScansEnd(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "INSERT INTO cdr (calldate, uniqueid, channel) SELECT '2026-11-01' + INTERVAL seq SECOND, seq, REPEAT('x', 60) FROM seq_1_to_200000")
	idle := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			var running int
			if err := f.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ? AND command = 'Query' AND id <> connection_id() AND info LIKE '%cdr%'", f.config.Name).Scan(&running); err != nil {
				t.Fatal(err)
			}
			if running == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d statements go on", running)
			}
		}
	}
	for range 10 { // more often than there are connections
		n := 0
		err := f.source.Each(t.Context(), november, func(*stats.Record) error {
			if n++; n == 1000 {
				return errEnough
			}
			return nil
		})
		if err != errEnough || n != 1000 { //nolint:errorlint // exactly what the function returned
			t.Errorf("%d, %v", n, err)
		}
	}
	idle()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := f.source.Each(ctx, november, func(*stats.Record) error {
		if n++; n == 1000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 150000 {
		t.Errorf("%d, %v", n, err)
	}
	idle()
	// Somebody holds the table: the server gives up by itself.
	hold, err := f.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Close() }()
	if _, err := hold.ExecContext(t.Context(), "LOCK TABLES cdr WRITE"); err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	_ = failure(short, t, f.source, "it took too long")
	idle()
	if _, err := hold.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, f.source, november); len(got) != 200000 {
		t.Error(len(got))
	}
}

// TestForeignServerRestarts: connections that died meanwhile are no failure.
func TestForeignConnectionsDie(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-20', '1')")
	for range 3 {
		if got := scanned(t, f.source, november); len(got) != 1 {
			t.Error(got)
		}
		var list sql.NullString
		if err := f.db.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE db = ? AND id <> connection_id()", f.config.Name).Scan(&list); err != nil {
			t.Fatal(err)
		}
		ids := strings.Split(list.String, ",")
		for _, id := range ids {
			_, _ = f.db.ExecContext(t.Context(), "KILL HARD CONNECTION "+id) // perhaps gone
		}
	}
}

// TestForeignIsOnlyRead, also with a user who might do more.
func TestForeignIsOnlyRead(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC")
	if _, err := f.source.Exec(t.Context(), "DELETE FROM cdr"); err == nil || !strings.Contains(err.Error(), "READ ONLY") {
		t.Error(err)
	}
}

// TestForeignAccounts: of whom nobody asked nothing is seen, however alike the database thinks names are.
func TestForeignAccounts(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC")
	n := 0
	row := func(account, cnum, src string) string {
		n++
		f.exec("INSERT INTO cdr (calldate, uniqueid, accountcode, cnum, src, dst) VALUES ('2026-11-20 10:00:00' + INTERVAL ? SECOND, ?, ?, ?, ?, '2104')", n, n, account, cnum, src)
		return fmt.Sprint(n)
	}
	byAccount, byNumber, bySource := row("shop-7", "1", "1"), row("", "2104", "1"), row("", "1", "2104")
	row("SHOP-7", "1", "1")
	row("shop-7 ", "1", "1")
	row("shöp-7", "1", "1")
	row("", "", "")
	row("other", "2105", "2106")
	many := []string{"shop-7", "2104"}
	for i := range store.MaxNames {
		many = append(many, fmt.Sprint("x", i))
	}
	for name, c := range map[string]struct {
		account stats.Account
		want    []string
	}{
		"some names":     {stats.Account{Names: []string{"2104", "shop-7", ""}}, []string{byAccount, byNumber, bySource}},
		"a lot of names": {stats.Account{Names: many, Users: []int64{1, 2}}, []string{byAccount, byNumber, bySource}},
		"nobody":         {stats.Account{Users: []int64{1}}, []string{}},
		"an empty name":  {stats.Account{Names: []string{""}}, []string{}},
		"SQL":            {stats.Account{Names: []string{"' OR '1'='1", `\' OR 1 #`, "?"}}, []string{}},
	} {
		scan := november
		scan.Account, scan.Fields = &c.account, stats.FieldUniqueID
		if diff := cmp.Diff(c.want, uniqueIDs(scanned(t, f.source, scan))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestForeignRowsHaveOneOwner: the first name in a row that is anybody's of ours decides, and one that has changed hands not for the time
// before.
func TestForeignRowsHaveOneOwner(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC")
	row := func(id, second, account, cnum, src string) {
		f.exec("INSERT INTO cdr (calldate, uniqueid, accountcode, cnum, src, dst) VALUES ('2026-11-20 10:00:00' + INTERVAL ? SECOND, ?, ?, ?, ?, '1')", second, id, account, cnum, src)
	}
	row("code of another", "1", "shop-7", "2104", "2104")
	row("code of nobody", "2", "hotel", "2104", "2104")
	row("code of nobody again", "3", "hotel", "1", "2104")
	row("number of another", "4", "", "2105", "2104")
	row("both his", "5", "2104", "2105", "2105")
	row("before it was his", "6", "", "2106", "2104")
	row("since then", "7", "", "2106", "1")
	row("while it was another's", "6", "old", "2104", "1")
	row("when it was nobody's", "7", "old", "2104", "1")
	began := at("2026-11-20 10:00:07").Unix()
	asked := map[string]int{}
	var broken error
	account := stats.Account{
		Names: []string{"2104", "2106"}, Since: map[string]int64{"2106": began},
		Others: func(_ context.Context, name string) (int64, error) {
			asked[name]++
			return map[string]int64{"shop-7": math.MaxInt64, "2105": math.MaxInt64, "old": began}[name], broken
		},
	}
	scan := november
	scan.Account, scan.Fields = &account, stats.FieldUniqueID
	want := []string{"code of nobody", "code of nobody again", "both his", "since then", "when it was nobody's"}
	got := uniqueIDs(scanned(t, f.source, scan))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"shop-7": 1, "hotel": 1, "2105": 1, "1": 1, "old": 1}, asked); diff != "" {
		t.Errorf("asked: %s", diff)
	}
	broken = errors.New("broken")
	if err := f.source.Each(t.Context(), scan, func(*stats.Record) error { return nil }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestForeignIndexes that a server lets nobody name are not named, whether it tells so before or refuses them.
func TestForeignIndexes(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "INSERT INTO cdr (calldate, uniqueid) VALUES ('2026-11-20 10:00:00', 'a')")
	day := stats.DayAt(at("2026-11-20 00:00:00"))
	reads := func(source *store.CDRStatistics, slow bool) {
		t.Helper()
		scan := november
		scan.Fields = stats.FieldUniqueID
		if got := uniqueIDs(scanned(t, source, scan)); len(got) != 1 {
			t.Error(got)
		}
		if days, err := source.Days(t.Context(), day-1, day+1); err != nil || days[day] != "1" {
			t.Error(days, err)
		}
		if r, err := source.Range(t.Context(), time.Time{}, time.Time{}); err != nil || r.Records != 1 || r.Indexed == slow {
			t.Error(r, err)
		}
		if source.Slow() != slow {
			t.Errorf("slow: %v", !slow)
		}
	}
	later := time.Duration(0)
	f.config.Now = func() time.Time { return time.Now().Add(later) }
	found, described, told := f.open(f.config), f.open(f.config), f.open(f.config)
	reads(found, false)
	reads(described, false)
	f.exec("ALTER TABLE cdr ALTER INDEX calldate IGNORED")
	reads(told, true)
	for _, read := range []func() error{
		func() error { return described.Each(t.Context(), november, func(*stats.Record) error { return nil }) },
		func() error { _, err := found.Days(t.Context(), day-1, day+1); return err },
	} {
		if err := read(); err != nil { // they think that they know the table
			t.Error(err)
		}
	}
	f.exec("ALTER TABLE cdr ALTER INDEX calldate NOT IGNORED")
	later = 2 * time.Minute
	reads(told, false)
	reads(described, true) // which does not try for an hour
	later = time.Hour
	reads(described, false)
}

// TestForeignDays: late rows change what a day says.
func TestForeignDays(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "Europe/Berlin", "INSERT INTO cdr (calldate, uniqueid) SELECT '2025-01-01' + INTERVAL seq HOUR, seq FROM seq_0_to_9000")
	first := stats.DayAt(at("2025-01-01 00:00:00"))
	before, err := f.source.Days(t.Context(), first-10, first+400)
	if err != nil || len(before) != 376 || before[first] != "24" || before[first+375] != "1" {
		t.Errorf("%d %v, %v", len(before), before, err)
	}
	f.exec("INSERT INTO cdr (calldate, uniqueid) VALUES ('2025-03-01 23:59:59', 'late')")
	after, err := f.source.Days(t.Context(), first-10, first+400)
	changed := stats.DayAt(at("2025-03-01 00:00:00"))
	for day := range after {
		if (after[day] != before[day]) != (day == changed) || err != nil {
			t.Errorf("%s: %q, %q, %v", day, before[day], after[day], err)
		}
	}
	if some, err := f.source.Days(t.Context(), changed, changed+1); len(some) != 1 || some[changed] != "25" || err != nil {
		t.Errorf("%v, %v", some, err)
	}
}
