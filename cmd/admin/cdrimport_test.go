package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/cdrgen"
	"talktime/store/storetest"
)

// site is a database of its own kind with everything that the verbs need to know.
type site struct {
	t        *testing.T
	db       *sql.DB
	settings map[string]string
}

// onBothSites runs a test on SQLite and on MariaDB.
func onBothSites(t *testing.T, test func(*testing.T, *site)) {
	t.Helper()
	for name, fresh := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, fresh(t)))
		})
	}
}

func newSite(t *testing.T, d storetest.Database) *site {
	t.Helper()
	u := "sqlite:" + d.Config.Path
	if d.Server != nil {
		u = (&url.URL{Scheme: "mysql", User: url.UserPassword(d.Config.User, d.Config.Password), Host: d.Config.Addr, Path: d.Config.Name}).String()
	}
	d.Migrated(t) // and audited at the end
	return &site{t, d.SQL(t), map[string]string{"TALKTIME_DATABASE_URL": u, "TALKTIME_TIMEZONE": "UTC"}}
}

// run runs a verb, and returns its exit code and what it wrote.
func (s *site) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, problems bytes.Buffer
	getenv := func(name string) (string, bool) { value, ok := s.settings[name]; return value, ok }
	code = run(ctx, args, system{getenv: getenv, environ: s.environ(), stdin: strings.NewReader(""), stdout: &out, stderr: &problems})
	return code, out.String(), problems.String()
}

func (s *site) environ() (all []string) {
	for name, value := range s.settings {
		all = append(all, name+"="+value)
	}
	return all
}

// admin runs a verb with --json and returns what it printed.
func (s *site) admin(args ...string) (report recordsJSON) {
	s.t.Helper()
	code, out, problems := s.run(s.t.Context(), append(args, "--json")...)
	if code != exitWell {
		s.t.Fatalf("%q ends with %d: %s", args, code, problems)
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		s.t.Fatalf("%q: %v", out, err)
	}
	return report
}

// count counts imported records.
func (s *site) count() (n int64) {
	s.t.Helper()
	if err := s.db.QueryRowContext(s.t.Context(), "SELECT COUNT(*) FROM cdr_records").Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func march() (from, to time.Time) {
	return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
}

// masterCSV writes a file of invented records.
func masterCSV(t *testing.T, rows int64) string {
	t.Helper()
	var b []byte
	from, to := march()
	if err := cdrgen.Each(cdrgen.Config{Rows: rows, From: from, To: to}, func(r *cdrgen.Row) error { b = r.AppendCSV(b); return nil }); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "Master.csv")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportKilled: whenever it is killed, the next run goes on, and at the end each record is there once.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		const rows = 120_000
		path := masterCSV(t, rows)
		var reached int64
		for kills := 0; kills < 3; kills++ {
			cmd := exec.Command("admin", "cdr", "import", path, "--zone", "UTC")
			cmd.Env = s.environ()
			cmd.Stderr = os.Stderr
			child, err := storetest.StartChild(cmd)
			if err != nil {
				t.Fatal(err)
			}
			for before := reached; reached == before; {
				err := s.db.QueryRowContext(t.Context(), "SELECT COALESCE(MAX(read_rows), 0) FROM cdr_imports").Scan(&reached)
				if err != nil {
					t.Fatal(err)
				}
				if child.Ended() && reached == before {
					t.Fatalf("it ended with %s at %d records", child.Exit(), reached)
				}
			}
			child.Kill()
		}
		if err := s.db.QueryRowContext(t.Context(), "SELECT read_rows FROM cdr_imports").Scan(&reached); err != nil || reached >= rows || s.count() != reached {
			t.Fatalf("killed three times it is at %d of %d, and %d are there: %v", reached, rows, s.count(), err)
		}
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); !r.WentOn || r.Read != rows-reached || r.Known != 0 || r.Malformed != 0 || s.count() != rows {
			t.Errorf("%+v; %d are there", r, s.count())
		}
		if r := s.admin("cdr", "import", path, "--zone", "UTC", "--again"); r.Read != rows || r.Added != 0 {
			t.Errorf("again: %+v", r)
		}
	})
}

// TestImportChangedFile: what is not the file that it was is read from its begin.
func TestImportChangedFile(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		path := masterCSV(t, 3000)
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); r.Added != 3000 || r.Malformed != 0 {
			t.Fatalf("%+v", r)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(text, []byte("\n"))
		write := func(path string, parts ...[]byte) {
			if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		more := bytes.ReplaceAll(lines[2999], []byte(`"PJSIP/`), []byte(`"SIP/`))
		write(path, text, more)
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); !r.WentOn || r.Read != 1 || r.Added != 1 {
			t.Errorf("a line more: %+v", r)
		}
		write(path, text, more, more[:40])
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); !r.WentOn || r.Read != 0 || r.Malformed != 0 || r.Unfinished != 40 {
			t.Errorf("a line that is being written: %+v", r)
		}
		// A line in the middle goes, which later lines make up for.
		write(path, bytes.Join(lines[:1500], nil), bytes.Join(lines[1501:], nil), more, bytes.Repeat(more, 3))
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); r.WentOn || r.Read != 3003 || r.Added != 3 {
			t.Errorf("a line less: %+v", r)
		}
		write(path, bytes.Join(lines[:1000], nil))
		if r := s.admin("cdr", "import", path, "--zone", "UTC"); r.WentOn || r.Read != 1000 || r.Added != 0 {
			t.Errorf("cut off: %+v", r)
		}
		packed := filepath.Join(t.TempDir(), "Master.csv.1.gz")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(bytes.Join(lines[:1001], nil)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		write(packed, b.Bytes())
		if r := s.admin("cdr", "import", packed, "--zone", "UTC"); !r.WentOn || r.Read != 1 || r.Added != 0 {
			t.Errorf("packed: %+v", r)
		}
		there := s.count()
		if code, _, problems := s.run(t.Context(), "cdr", "import", packed, "--zone", "Asia/Tokyo", "--again"); code != exitFailed || !strings.Contains(problems, "with times of UTC") || s.count() != there {
			t.Errorf("in another zone: %d, %s", code, problems)
		}
		if r := s.admin("cdr", "import", packed, "--zone", "Asia/Tokyo", "--force"); r.WentOn || r.Added != 1001 {
			t.Errorf("in another zone: %+v", r)
		}
		if r := s.admin("cdr", "import", packed, "--zone", "Asia/Tokyo"); !r.WentOn || r.Read != 0 {
			t.Errorf("there again: %+v", r)
		}
	})
}

// TestImportWarnings: what a caller was warned with is no call, and a file that has some is gone on with as any.
func TestImportWarnings(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		row := func(context, channel, app, second string) string {
			at := "2026-03-10 10:00:" + second
			return fmt.Sprintf("\"\",\"2001\",\"59899000001\",%q,\"\",%q,\"\",%q,\"\",%q,%q,%q,5,5,\"ANSWERED\",\"DOCUMENTATION\",\"1773136800.%s\",\"\"\n",
				context, channel, app, at, at, at, second)
		}
		call := func(second string) string { return row("talktime-caller", "PJSIP/204-00000001", "Dial", second) }
		warning := row("talktime-warning", "Local/whisper@talktime-warning-00000000;2", "ChanSpy", "20") + row("h", "Local/whisper@talktime-warning-00000000;1", "Playback", "21")
		path := filepath.Join(t.TempDir(), "Master.csv")
		for n, text := range []string{warning + call("01") + warning, warning + call("02") + call("03"), warning} {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString(text)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			want := []int64{1, 3, 3}[n]
			if r := s.admin("cdr", "import", path, "--zone", "UTC"); s.count() != want || r.Malformed != 0 || r.WentOn != (n > 0) || r.Known != 0 {
				t.Errorf("after part %d %d are there: %+v", n, s.count(), r)
			}
		}
	})
}

// TestImportClocks: what a clock shows when it is put forward or back is one moment.
func TestImportClocks(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		path := filepath.Join(t.TempDir(), "x.csv")
		text := "calldate,src,dst,duration,billsec,disposition\n"
		for _, at := range []string{
			"2026-03-29 01:59:59", "2026-03-29 02:30:00", "2026-03-29 03:00:00", "2026-10-25 01:59:59", "2026-10-25 02:30:00", "2026-10-25 03:00:00", "2026-07-01 00:00:00",
		} {
			text += at + ",1,2,3,0,BUSY\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := s.admin("cdr", "import", path, "--zone", "Europe/Berlin"); r.Added != 7 {
			t.Errorf("%+v", r)
		}
		rows, err := s.db.QueryContext(t.Context(), "SELECT CAST(started_at AS CHAR) FROM cdr_records ORDER BY started_at")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var at string
			if err := rows.Scan(&at); err != nil {
				t.Fatal(err)
			}
			got = append(got, at)
		}
		want := "[2026-03-29 00:59:59 2026-03-29 01:00:00 2026-03-29 01:00:00 2026-06-30 22:00:00 2026-10-24 23:59:59 2026-10-25 00:30:00 2026-10-25 02:00:00]"
		if fmt.Sprint(got) != want || rows.Err() != nil {
			t.Errorf("%v, want %s", got, want)
		}
	})
}

// TestImportTable: a table that grows while it is read, late records, and the same records by another way.
func TestImportTable(t *testing.T) {
	t.Parallel()
	onBothSites(t, func(t *testing.T, s *site) {
		d := storetest.OnShared(t)
		schema, err := os.ReadFile("../../dialplan/cdr.sql")
		if err != nil {
			t.Fatal(err)
		}
		cdr := d.SQL(t)
		exec := func(statement string, args ...any) {
			t.Helper()
			if _, err := cdr.ExecContext(t.Context(), statement, args...); err != nil {
				t.Fatal(err)
			}
		}
		exec(string(schema))
		host, port, _ := strings.Cut(d.Config.Addr, ":")
		for name, value := range map[string]string{"HOST": host, "PORT": port, "USER": d.Config.User, "PASSWORD": d.Config.Password, "NAME": d.Config.Name} {
			s.settings["DB1_"+name] = value
		}
		generate := []string{"cdr", "generate", "--rows", "20000", "--from", "2026-03-02", "--to", "2026-03-20", "--seed", "0", "--into", "DB1"}
		if code, _, problems := s.run(t.Context(), generate...); code != exitWell {
			t.Fatal(problems)
		}
		if code, _, problems := s.run(t.Context(), generate...); code != exitFailed || !strings.Contains(problems, "the table has records already; --force adds to them") {
			t.Errorf("into a table with records: %d, %s", code, problems)
		}
		if r := s.admin("cdr", "import", "--database", "db1", "--since", "2026-03-05", "--until", "2026-03-10"); r.Read < 1000 || r.Read > 10_000 || r.Added != r.Read {
			t.Errorf("a part: %+v", r)
		}
		if r := s.admin("cdr", "import", "--database", "DB1"); r.Read != 20_000 || s.count() != 20_000 || r.WentOn {
			t.Errorf("%+v", r)
		}
		if r := s.admin("cdr", "import", masterCSV(t, 20_000)); r.Read != 20_000 || r.Added != 0 {
			t.Errorf("the same as a Master.csv: %+v", r)
		}
		var last time.Time
		if err := cdr.QueryRowContext(t.Context(), "SELECT MAX(calldate) FROM cdr").Scan(&last); err != nil {
			t.Fatal(err)
		}
		for _, ago := range []time.Duration{-time.Minute, 2 * time.Hour, 0, 72 * time.Hour} {
			exec("INSERT INTO cdr (calldate, src, dst, disposition, uniqueid) VALUES (?, '1', '2', 'BUSY', 'late')", last.Add(-ago))
		}
		r := s.admin("cdr", "import", "--from", "mysql://"+d.Config.User+":"+d.Config.Password+"@"+d.Config.Addr+"/"+d.Config.Name)
		if !r.WentOn || r.Added != 3 || r.Read > 5000 {
			t.Errorf("late records: %+v", r)
		}
		if r := s.admin("cdr", "import", "--database", "DB1", "--again"); r.Read != 20_004 || r.Added != 1 || s.count() != 20_004 {
			t.Errorf("again: %+v", r)
		}
		exec("DROP INDEX calldate ON cdr")
		exec("ALTER TABLE cdr DROP COLUMN cnam, DROP COLUMN cnum, DROP COLUMN accountcode")
		if r := s.admin("cdr", "import", "--database", "DB1", "--again"); r.Read != 20_004 {
			t.Errorf("without an index and some columns: %+v", r)
		}
	})
}

// TestImportStops when it is told to, and says so.
func TestImportStops(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, problems := s.run(ctx, "cdr", "import", masterCSV(t, 5000)); code != exitFailed || !strings.Contains(problems, "interrupted") {
		t.Errorf("%d, %s", code, problems)
	}
}
