package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/queues"
	"talktime/queues/feed"
	"talktime/store"
	"talktime/store/storetest"
)

// queueTable is a table queue_log as somebody else's Asterisk has it, and who reads it.
type queueTable struct {
	testing.TB
	db    *sql.DB
	table *store.QueueTable
}

func newQueueTable(t testing.TB, zone *time.Location, statements ...string) *queueTable {
	t.Helper()
	d := storetest.OnShared(t)
	q := &queueTable{TB: t, db: d.SQL(t)}
	for _, statement := range statements {
		q.exec(statement)
	}
	table, err := store.OpenQueueTable(store.CDRConfig{
		Label: "DB1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name, Location: zone,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	q.table = table
	return q
}

func (q *queueTable) exec(statement string, args ...any) {
	q.Helper()
	if _, err := q.db.ExecContext(q.Context(), statement, args...); err != nil {
		q.Fatalf("%s: %v", statement, err)
	}
}

// follow reads all of it into a database of ours.
func (q *queueTable) follow(db *store.Store, zone *time.Location) *feed.Follower {
	q.Helper()
	f := &feed.Follower{Keeper: db, Table: q.table, Location: zone, Holder: q.Name(), Logger: slog.New(slog.NewTextHandler(q.Output(), nil))}
	q.Cleanup(func() { f.Close(context.Background()) })
	q.look(f)
	return f
}

func (q *queueTable) look(f *feed.Follower) {
	q.Helper()
	if _, err := f.Look(q.Context()); err != nil {
		q.Fatal(err)
	}
}

// events are what is stored of a call.
func storedLines(t testing.TB, db *store.Store, call string) string {
	t.Helper()
	lines, err := db.QueueCall(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return string(lines)
}

func verified(t testing.TB, db *store.Store) store.QueueVerdict {
	t.Helper()
	v, err := db.VerifyQueues(t.Context(), nil)
	if err != nil || !v.Clean() {
		t.Fatalf("verify: %v %v", v.Findings, err)
	}
	return v
}

// TestQueueTableForms reads the table in the forms in which sites have it: the same call comes out of each.
func TestQueueTableForms(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	const (
		texts = "callid VARCHAR(80), queuename VARCHAR(256), agent VARCHAR(80), event VARCHAR(32)"
		five  = "data1 VARCHAR(100), data2 VARCHAR(100), data3 VARCHAR(100), data4 VARCHAR(100), data5 VARCHAR(100)"
	)
	for _, tt := range []struct {
		name, create string
		one          bool   // all parameters in one column
		at           string // of the entry
		fraction     string
	}{
		{"with ids and datetime", "id BIGINT AUTO_INCREMENT PRIMARY KEY, time DATETIME(6), " + texts + ", " + five, false, "2026-11-20 22:52:12", ".198222"},
		{"time is a text", "id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, time VARCHAR(32), " + texts + ", " + five, false, "2026-11-20 22:52:12", ".198222"},
		{"time is a timestamp text of seconds", "id INT AUTO_INCREMENT PRIMARY KEY, time CHAR(26), " + texts + ", " + five, false, "1795211532", ""},
		{"one column of parameters", "id INT AUTO_INCREMENT PRIMARY KEY, time DATETIME(6), " + texts + ", data VARCHAR(200)", true, "2026-11-20 22:52:12", ".198222"},
		{"both, of which one is used", "id INT AUTO_INCREMENT PRIMARY KEY, time DATETIME(6), " + texts + ", data VARCHAR(200) DEFAULT '', " + five, true, "2026-11-20 22:52:12", ".198222"},
		{"without ids", "time DATETIME(6), " + texts + ", " + five, false, "2026-11-20 22:52:12", ".198222"},
		{"without ids, seconds", "time VARCHAR(20), " + texts + ", " + five, false, "1795211532", ""},
		{"without ids, numbers", "time BIGINT, " + texts + ", " + five, false, "1795211532", ""},
		{"capitals, and queue", "ID BIGINT AUTO_INCREMENT PRIMARY KEY, Time DATETIME(6), callid VARCHAR(80), queue VARCHAR(80), agent VARCHAR(80), event VARCHAR(32), " + five, false, "2026-11-20 22:52:12", ".198222"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newQueueTable(t, berlin, "CREATE TABLE queue_log ("+tt.create+")")
			insert := func(event, agent string, params ...string) {
				columns, values := "data", []any{tt.at + tt.fraction, "1795211531.178", "support", agent, event, strings.Join(params, "|")}
				if !tt.one {
					columns, values = "data1, data2, data3", values[:5]
					for i := range 3 {
						values = append(values, params[i])
					}
				}
				queue := "queuename"
				if strings.Contains(tt.create, "queue VARCHAR(80)") {
					queue = "queue"
				}
				q.exec("INSERT INTO queue_log (time, callid, "+queue+", agent, event, "+columns+") VALUES (?"+strings.Repeat(", ?", len(values)-1)+")", values...)
			}
			insert("ENTERQUEUE", "NONE", "", "59899000003", "1")
			insert("CONNECT", "Agent One", "0", "1795211532.182", "0")
			db := storetest.SQLite(t).Migrated(t)
			f := q.follow(db, berlin)
			insert("COMPLETECALLER", "Agent One", "0", "11", "1")
			q.look(f)
			q.look(f)
			at := "1795211532" + tt.fraction
			want := at + "|1795211531.178|support|NONE|ENTERQUEUE||59899000003|1\n" + at + "|1795211531.178|support|Agent One|CONNECT|0|1795211532.182|0\n" +
				at + "|1795211531.178|support|Agent One|COMPLETECALLER|0|11|1\n"
			if got := storedLines(t, db, "1795211531.178"); got != want {
				t.Errorf("stored:\n%swant:\n%s", got, want)
			}
			v := verified(t, db)
			if v.Entered != 1 || v.Facts.Answered() != 1 || v.Lines != 3 {
				t.Errorf("%+v", v)
			}
			files, err := db.QueueLogFiles(t.Context())
			if err != nil || len(files) != 1 || files[0].Lines != 3 || files[0].Bad != 0 {
				t.Errorf("%+v, %v", files, err)
			}
		})
	}
}

func TestQueueTableCannotBeRead(t *testing.T) {
	t.Parallel()
	q := newQueueTable(t, nil)
	for _, tt := range []struct{ create, want string }{
		{"SELECT 1", "there is no table queue_log, or we may not read it"},
		{"CREATE TABLE queue_log (id INT PRIMARY KEY, time DATETIME, callid INT, queuename INT, agent INT)", "the table queue_log has no column event"},
	} {
		q.exec(tt.create)
		if _, err := q.table.Numbered(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.create, err)
		}
	}
	q.exec("DROP TABLE queue_log")
	q.exec("CREATE TABLE queue_log (id BIGINT AUTO_INCREMENT PRIMARY KEY, time DATETIME(6), callid TEXT, queuename TEXT, agent TEXT, event TEXT, data TEXT)")
	if numbered, err := q.table.Numbered(t.Context()); err != nil || !numbered {
		t.Fatalf("%t, %v", numbered, err)
	}
	q.exec("DROP TABLE queue_log")
	if _, err := q.table.Rows(t.Context(), 0, 1); err == nil || !strings.Contains(err.Error(), "table queue_log of DB1") {
		t.Errorf("a table that is gone: %v", err)
	}
	away, err := store.OpenQueueTable(store.CDRConfig{Label: "DB1", Addr: "127.0.0.1:1", User: "u", Name: "asterisk"})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	if _, err := away.Last(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("a database that is away: %v", err)
	}
}

// TestQueueLogFileIsStored follows a file with what stores it: killed at any batch, rotated and packed, the books are those of one go.
func TestQueueLogFileIsStored(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		text := queueLogText(300)
		clean := d.Migrated(t)
		feedFile(t, clean, text)
		want := verified(t, clean)

		other := storetest.SQLite(t)
		if d.Server != nil {
			other = storetest.On(t, d.Server)
		}
		db := other.Migrated(t)
		path := filepath.Join(t.TempDir(), "queue_log")
		holder := 0
		for n, begin := 0, 0; begin < len(text); n++ {
			end := min(begin+997, len(text))
			file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err == nil {
				_, err = file.WriteString(text[begin:end])
				_ = file.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			begin = end
			ctx, cancel := context.WithCancel(t.Context())
			f := follower(t, db, path)
			holder++
			f.Holder = fmt.Sprint(holder)
			f.Lines = 7
			f.Logger = slog.New(slog.NewTextHandler(&cutter{n: n % 5, cut: cancel}, nil))
			_, _ = f.Look(ctx)
			if n%3 == 0 {
				cancel()
			}
			_, _ = f.Look(ctx)
			f.Close(context.WithoutCancel(ctx))
			cancel()
			if n%20 == 19 {
				if err := os.Rename(path, fmt.Sprintf("%s.%d", path, n)); err != nil {
					t.Fatal(err)
				}
				// Asterisk ends its lines in the file that it has open.
				rest := strings.IndexByte(text[begin:], '\n') + 1
				old, err := os.OpenFile(fmt.Sprintf("%s.%d", path, n), os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = old.WriteString(text[begin : begin+rest])
					_ = old.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
				begin += rest
			}
		}
		f := follower(t, db, path)
		f.Holder = "last"
		for range 3 {
			if _, err := f.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		f.Close(t.Context())
		got := verified(t, db)
		if got.Facts != want.Facts || got.Calls != want.Calls || got.Lines != want.Lines || got.Events != want.Events {
			t.Errorf("the books differ:\n%+v\n%+v", got, want)
		}
		for n := range 300 {
			id := fmt.Sprintf("%d.%d", 1795211500+60*n, n)
			if a, b := storedLines(t, db, id), storedLines(t, clean, id); a != b || a == "" {
				t.Fatalf("call %s:\n%s\n%s", id, a, b)
			}
		}
	})
}

// cutter cuts a context off when something is logged.
type cutter struct {
	n   int
	cut func()
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.n--; c.n < 0 {
		c.cut()
	}
	return len(b), nil
}

func follower(t testing.TB, db *store.Store, path string) *feed.Follower {
	return &feed.Follower{Keeper: db, Path: path, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now}
}

func feedFile(t testing.TB, db *store.Store, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue_log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := follower(t, db, path)
	f.Holder = "clean"
	if _, err := f.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close(t.Context())
}

// queueLogText is a log of calls in three queues.
func queueLogText(calls int) string {
	var events []queues.Event
	var p queues.Parser
	for n := range calls {
		at := 1795211500 + 60*n
		call, queue, agent := fmt.Sprintf("%d.%d", at, n), []string{"sales", "support", "slow"}[n%3], fmt.Sprintf("Agent %d", n%7)
		lines := []string{fmt.Sprintf("%d|%s|%s|NONE|ENTERQUEUE||555%04d|1", at, call, queue, n)}
		switch n % 4 {
		case 0:
			lines = append(lines, fmt.Sprintf("%d|%s|%s|NONE|ABANDON|1|1|%d", at+20, call, queue, 20))
		case 1:
			lines = append(lines, fmt.Sprintf("%d|%s|%s|%s|RINGNOANSWER|5000", at+5, call, queue, agent), fmt.Sprintf("%d|%s|%s|NONE|EXITWITHTIMEOUT|1|1|30", at+30, call, queue))
		default:
			lines = append(lines, fmt.Sprintf("%d|%s|%s|%s|CONNECT|9|%d.1|4", at+9, call, queue, agent, at), fmt.Sprintf("%d|%s|%s|%s|COMPLETEAGENT|9|%d|1", at+100+n, call, queue, agent, 91+n))
		}
		for _, line := range append(lines, fmt.Sprintf("%d|NONE|%s|%s|PAUSE|lunch", at+7, queue, agent)) {
			if e, err := p.Parse(line); err == nil {
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(a, b queues.Event) int { return queues.Compare(&a, &b) })
	var b bytes.Buffer
	for i := range events {
		b.WriteString(events[i].String() + "\n")
	}
	return b.String()
}
