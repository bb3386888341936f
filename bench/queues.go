package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"talktime/adminapi"
	"talktime/models"
	"talktime/pbx"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/queues/live"
	"talktime/queues/queuegen"
	"talktime/queues/reports"
)

// rawLines is the table of whoever keeps the lines as they are, and counts them by SQL.
const rawLines = `CREATE TABLE queue_log (time DATETIME NOT NULL, callid VARCHAR(64) NOT NULL, queuename VARCHAR(64) NOT NULL, agent VARCHAR(64) NOT NULL, event VARCHAR(32) NOT NULL,
	data1 VARCHAR(100) NOT NULL DEFAULT '', data2 VARCHAR(100) NOT NULL DEFAULT '', data3 VARCHAR(100) NOT NULL DEFAULT '', data4 VARCHAR(100) NOT NULL DEFAULT '',
	data5 VARCHAR(100) NOT NULL DEFAULT '', KEY callid (callid), KEY time (time), KEY event (event, time)) DEFAULT CHARSET=utf8mb4`

// loadRawLines has the database read the file itself, the fastest way in.
const loadRawLines = `LOAD DATA LOCAL INFILE 'Reader::queue_log' INTO TABLE queue_log CHARACTER SET utf8mb4 FIELDS TERMINATED BY '|' ESCAPED BY ''
	(@at, callid, queuename, agent, event, data1, data2, data3, data4, data5) SET time = FROM_UNIXTIME(@at)`

// ended are the events that end a talk, with the seconds waited and talked in them.
const (
	ended    = "('COMPLETEAGENT', 'COMPLETECALLER', 'TRANSFER', 'BLINDTRANSFER', 'ATTENDEDTRANSFER')"
	heldSQL  = "CAST(IF(event LIKE 'COMPLETE%', data1, data3) AS SIGNED)"
	talkSQL  = "CAST(IF(event LIKE 'COMPLETE%', data2, data4) AS SIGNED)"
	inMonth  = " FROM queue_log WHERE time >= ? AND time < ? AND event IN "
	perQueue = `SELECT queuename, SUM(event <> 'ENTERQUEUE'), SUM(event IN ` + ended + `), SUM(event = 'ABANDON'), AVG(IF(event IN ` + ended + `, ` + talkSQL + `, NULL)),
		AVG(IF(event IN ` + ended + `, ` + heldSQL + `, NULL))` + inMonth +
		"('COMPLETEAGENT', 'COMPLETECALLER', 'TRANSFER', 'BLINDTRANSFER', 'ATTENDEDTRANSFER', 'ABANDON', 'EXITWITHTIMEOUT', 'EXITEMPTY', 'EXITWITHKEY') GROUP BY queuename"
)

// queueReports are the reports over the month, and the SQL that does about the same.
var queueReports = []struct{ name, sql string }{ //nolint:gochecknoglobals // a table
	{"answered_calls_by_queue", "SELECT queuename, COUNT(*)" + inMonth + ended + " GROUP BY queuename"},
	{"answered_calls_by_agent", "SELECT SUBSTRING_INDEX(agent, '-', 1) AS who, COUNT(*), SUM(" + talkSQL + "), SUM(" + heldSQL + ")" + inMonth + ended + " GROUP BY who"},
	{"answered_calls_by_url", `SELECT e.data1, COUNT(*) FROM queue_log c JOIN queue_log e ON e.callid = c.callid AND e.queuename = c.queuename AND e.event = 'ENTERQUEUE'
		WHERE c.time >= ? AND c.time < ? AND c.event IN ` + ended + " GROUP BY e.data1"},
	{"answered_calls_by_did", `SELECT COALESCE(d.data1, ''), COUNT(*) FROM queue_log c LEFT JOIN queue_log d ON d.callid = c.callid AND d.event = 'DID'
		WHERE c.time >= ? AND c.time < ? AND c.event IN ` + ended + " GROUP BY 1"},
	{"answered_calls_by_holdtime", "SELECT LEAST(FLOOR((GREATEST(" + heldSQL + ", 1) - 1) / 15), 6) AS bucket, COUNT(*)" + inMonth + ended + " GROUP BY bucket"},
	{"answered_calls_by_event", "SELECT event, COUNT(*)" + inMonth + ended + " GROUP BY event"},
	{"distribution_by_queue", perQueue},
}

// callCentre is a queue_log of a month, in a file, as raw lines in SQL, and in ours.
type callCentre struct {
	*bench

	lines      int64
	begin, end time.Time
	zone       *time.Location
	path       string
	raw        *sql.DB
	kept       *database
	service    *reports.Service
	server     *http.Server
	client     *http.Client
	url, token string
}

// measureQueues: the queue_log of a busy call centre, all of one month.
func (b *bench) measureQueues(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as admin serve
	zone, err := time.LoadLocation(cdrZone)
	if err != nil {
		return err
	}
	c := &callCentre{
		bench: b, lines: 5_000_000, zone: zone, path: filepath.Join(b.dir, "queue_log"),
		begin: time.Date(2026, 10, 1, 0, 0, 0, 0, zone), end: time.Date(2026, 11, 1, 0, 0, 0, 0, zone),
	}
	if b.short {
		c.lines = 100_000
	}
	if b.lines > 0 {
		c.lines = b.lines
	}
	if err := c.invent(); err != nil {
		return fmt.Errorf("invent a queue_log: %w", err)
	}
	defer c.close()
	for _, step := range []func(context.Context) error{c.parsing, c.storing, c.embedded, c.serve, c.months, c.lists, c.realtime} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *callCentre) close() {
	if c.client != nil {
		c.client.CloseIdleConnections()
		_ = c.server.Close()
	}
	if c.raw != nil {
		_ = c.raw.Close()
	}
	if c.kept != nil {
		_ = c.kept.Close()
	}
}

// about names the figures.
func (c *callCentre) about(what string) string {
	return fmt.Sprintf("queue_log of %s lines in one month: %s", group(c.lines), what)
}

// invent writes the file.
func (c *callCentre) invent() error {
	c.progress("inventing a queue_log of %s lines", group(c.lines))
	file, err := os.Create(c.path)
	if err != nil {
		return err
	}
	_, err = queuegen.Write(file, queuegen.Config{Seed: 1, From: c.begin, To: c.end, Lines: c.lines, Location: c.zone})
	return errors.Join(err, file.Close())
}

// once measures what goes through so many lines, in lines a second.
func once(lines int64, do func(context.Context) error) func(context.Context, time.Duration) (measured, error) {
	return func(ctx context.Context, _ time.Duration) (measured, error) {
		got, err := timed(ctx, 0, do)
		n := float64(lines)
		return measured{value: n / got.value * 1000, cpu: got.cpu / n, own: got.own / n, others: got.others}, err
	}
}

// parsing reads the file with nothing behind it.
func (c *callCentre) parsing(ctx context.Context) error {
	rows, err := c.inTurn(
		ctx,
		contender{"bufio.Scanner and strings.Split", "lines/s", once(c.lines, func(context.Context) error { return c.split() })},
		contender{"queues.Lines and queues.Parser", "lines/s", once(c.lines, func(context.Context) error { return c.parse() })},
	)
	if err != nil {
		return err
	}
	c.figures = append(c.figures, figure{
		name: c.about("read and parsed"), goal: 500_000, unit: "lines/s", got: rows[1].got, rows: rows,
		remarks: []string{"By hand nothing is checked: neither times nor numbers, nor letters that no database would take."},
	})
	return nil
}

// split reads the file as somebody would by hand.
func (c *callCentre) split() error {
	file, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	n := int64(0)
	for s := bufio.NewScanner(file); s.Scan(); n++ {
		f := strings.Split(s.Text(), "|")
		if _, err := strconv.ParseInt(f[0], 10, 64); err != nil || len(f) < 5 {
			return fmt.Errorf("%q: %w", s.Text(), err)
		}
	}
	return c.all(n)
}

// parse reads it as the importer does.
func (c *callCentre) parse() error {
	file, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var p queues.Parser
	lines, block, n := queues.NewLines(0), make([]byte, 256<<10), int64(0)
	for {
		read, err := file.Read(block)
		if read == 0 {
			if errors.Is(err, io.EOF) {
				return c.all(n)
			}
			return err
		}
		if _, err := lines.Write(block[:read]); err != nil {
			return err
		}
		for ; lines.Next(); n++ {
			if _, err := p.Parse(lines.Line()); err != nil {
				return err
			}
		}
	}
}

// all says that so many lines are not all, if they are not.
func (c *callCentre) all(n int64) error {
	if n != c.lines {
		return fmt.Errorf("there were %d lines, not %d", n, c.lines)
	}
	return nil
}

// storing reads the file into MariaDB: raw lines as they are, and assembled by ours. Each once, for it takes its time.
func (c *callCentre) storing(ctx context.Context) error {
	server, err := c.mariadb(ctx)
	if err != nil {
		return err
	}
	if err := server.CreateDatabase(ctx, "raw"); err != nil {
		return err
	}
	if c.raw, err = openSQL(server.DSN("raw"), 2); err != nil {
		return err
	}
	if _, err := c.raw.ExecContext(ctx, rawLines); err != nil {
		return err
	}
	if c.kept, err = c.newDatabase(ctx, "queues"); err != nil {
		return err
	}
	rows, err := c.single(
		ctx,
		contender{"raw lines with three indexes, LOAD DATA", "lines/s", once(c.lines, c.load)},
		contender{"feed into MariaDB", "lines/s", once(c.lines, func(ctx context.Context) error { return c.feed(ctx, c.kept) })},
	)
	if err != nil {
		return err
	}
	if err := c.verify(ctx, c.kept); err != nil {
		return err
	}
	c.figures = append(c.figures, figure{
		name: c.about("stored and assembled, MariaDB"), goal: 120_000, unit: "lines/s", got: rows[1].got, rows: rows,
		remarks: []string{"From the file, in transactions of 10,000 lines together with how far it was read, calls and passages put together. Measured once, and verified afterwards."},
	})
	return nil
}

// single measures one round.
func (c *callCentre) single(ctx context.Context, contenders ...contender) ([]row, error) {
	rounds, patience := c.rounds, c.patience
	c.rounds, c.patience = 1, 0 // it cannot be done twice
	defer func() { c.rounds, c.patience = rounds, patience }()
	return c.inTurn(ctx, contenders...)
}

// load has MariaDB read the lines as they are.
func (c *callCentre) load(ctx context.Context) error {
	mysql.RegisterReaderHandler("queue_log", func() io.Reader {
		file, err := os.Open(c.path)
		if err != nil {
			return strings.NewReader("")
		}
		return file
	})
	defer mysql.DeregisterReaderHandler("queue_log")
	if _, err := c.raw.ExecContext(ctx, "SET time_zone = '+00:00'"); err != nil {
		return err
	}
	done, err := c.raw.ExecContext(ctx, loadRawLines)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	return errors.Join(err, c.all(n))
}

// feed reads the file as admin serve does.
func (c *callCentre) feed(ctx context.Context, db *database) error {
	f := &feed.Follower{Keeper: db, Path: c.path, Location: c.zone, Holder: "bench", Logger: slog.New(slog.DiscardHandler)}
	defer f.Close(ctx)
	for {
		more, err := f.Look(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// verify proves the books.
func (c *callCentre) verify(ctx context.Context, db *database) error {
	files, err := db.QueueLogFiles(ctx)
	if err != nil {
		return err
	}
	if len(files) != 1 || files[0].Lines != c.lines || files[0].Bad != 0 {
		return fmt.Errorf("of the queue_log %+v was read", files)
	}
	verdict, err := db.VerifyQueues(ctx, nil)
	if err == nil && (!verdict.Clean() || verdict.Facts.Offered == 0) {
		err = fmt.Errorf("the books of the queues are wrong: %v", verdict.Findings)
	}
	return err
}

// embedded reads the file into SQLite.
func (c *callCentre) embedded(ctx context.Context) error {
	db, err := openDatabase(ctx, "sqlite:"+filepath.Join(c.dir, "queues.db"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rows, err := c.single(ctx, contender{"feed into SQLite", "lines/s", once(c.lines, func(ctx context.Context) error { return c.feed(ctx, db) })})
	if err != nil {
		return err
	}
	if err := c.verify(ctx, db); err != nil {
		return err
	}
	c.figures = append(c.figures, figure{name: c.about("stored and assembled, SQLite"), goal: 50_000, unit: "lines/s", got: rows[0].got, rows: rows})
	return nil
}

// serve starts a server whose clock shows the day after the month, beside a scripted manager interface.
func (c *callCentre) serve(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	now := func() time.Time { return c.end.Add(36 * time.Hour) }
	c.service = &reports.Service{Keeper: c.kept, Location: c.zone, Now: now}
	_, token, err := c.kept.NewToken(ctx, models.NewToken{Name: "queues", Scopes: []string{"statistics"}}, "bench")
	if err != nil {
		return err
	}
	asterisk, err := scriptedManager(ctx)
	if err != nil {
		return err
	}
	manager, err := pbx.Open(pbx.AMI{Addr: asterisk, User: "bench", Secret: "bench"}, pbx.Options{Logger: log})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, manager.Close)
	handler, err := adminapi.New(adminapi.Deps{
		Users: c.kept, Sessions: c.kept, Ledger: c.kept, Calls: c.kept, Tokens: c.kept, Groups: c.kept, Accounts: c.kept, Grants: c.kept, Location: c.zone, Now: now,
		Queues: c.service, LiveQueues: live.New(live.Options{Asterisk: manager, Log: c.service, Location: c.zone, Logger: log}),
		Patience: time.Minute, Ready: func(context.Context) error { return nil }, Logger: log,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.url, c.token = "http://"+listener.Addr().String()+"/stats/rest/index.php?entity=", token
	c.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 400, DisableCompression: true}}
	go func() { _ = c.server.Serve(listener) }() // until close
	return nil
}

// get asks the kept interface.
func (c *callCentre) get(ctx context.Context, entity string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+entity, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %.300s", entity, answer.Status, body)
	}
	return body, err
}

// month is the report over the month; what began in it and ended a little later included, so that SQL has the same lines.
func (c *callCentre) month(name string) string {
	return "reports/" + name + "&start=2026-10-01&end=2026-11-02"
}

// bare reads all rows of a SELECT over the month.
func (c *callCentre) bare(query string, each func([]string)) func(context.Context) error {
	return func(ctx context.Context) error {
		rows, err := c.raw.QueryContext(ctx, query, c.begin.UTC().Format(time.DateTime), c.end.AddDate(0, 0, 2).UTC().Format(time.DateTime))
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &nullable{&values[i]}
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			if each != nil {
				each(values)
			}
		}
		return rows.Err()
	}
}

// nullable is a text, empty where the column is NULL.
type nullable struct{ text *string }

func (n *nullable) Scan(v any) error {
	*n.text = ""
	if b, ok := v.([]byte); ok {
		*n.text = string(b)
	} else if v != nil {
		*n.text = fmt.Sprint(v)
	}
	return nil
}

// months measures the reports over the month: by SQL, from passages, and from packed days.
func (c *callCentre) months(ctx context.Context) error {
	rounds := c.rounds
	c.rounds = min(rounds, 3) // SQL takes its time
	defer func() { c.rounds = rounds }()
	cold := make(map[string]samples)
	bodies := make(map[string][]byte)
	for _, r := range queueReports { // before anything is packed
		rows, err := c.single(ctx, contender{r.name + ", from passages", "ms", func(ctx context.Context, _ time.Duration) (measured, error) {
			return timed(ctx, 0, func(ctx context.Context) (err error) {
				bodies[r.name], err = c.get(ctx, c.month(r.name))
				return err
			})
		}})
		if err != nil {
			return err
		}
		cold[r.name] = rows[0].got
	}
	packing, err := c.pack(ctx)
	if err != nil {
		return err
	}
	for i, r := range queueReports {
		rows, err := c.inTurn(
			ctx,
			contender{r.name + ", SQL over raw lines", "ms", func(ctx context.Context, _ time.Duration) (measured, error) { return timed(ctx, 0, c.bare(r.sql, nil)) }},
			contender{r.name + ", packed days", "ms", func(ctx context.Context, length time.Duration) (measured, error) {
				return timed(ctx, length/2, func(ctx context.Context) error {
					body, err := c.get(ctx, c.month(r.name))
					if err == nil && !bytes.Equal(body, bodies[r.name]) {
						err = fmt.Errorf("%s: from passages %.300s, from packed days %.300s", r.name, bodies[r.name], body)
					}
					return err
				})
			}},
		)
		if err != nil {
			return err
		}
		byHand, packed := rows[0].got, rows[1].got
		rows = append(rows, row{name: r.name + ", from passages (once)", unit: "ms", got: cold[r.name]})
		if i == 0 {
			rows = append(rows, packing)
		}
		c.figures = append(
			c.figures,
			figure{name: c.about(r.name + " over HTTP"), goal: 300, unit: "ms", atMost: true, got: packed, rows: rows},
			figure{name: c.about(r.name + ": SQL over raw lines, against ours"), goal: 1, unit: "×", got: byHand.over(packed)},
		)
	}
	return c.compare(ctx, bodies)
}

// pack writes down all days, once.
func (c *callCentre) pack(ctx context.Context) (row, error) {
	if _, err := c.kept.ClaimQueueLog(ctx, "bench", time.Minute); err != nil {
		return row{}, err
	}
	packer := &reports.Packer{Keeper: c.kept, Location: c.zone, Now: c.service.Now}
	rows, err := c.single(ctx, contender{"packing the days of the month", "lines/s", once(c.lines, func(ctx context.Context) error {
		for {
			n, err := packer.Pack(ctx, "bench", 31)
			if err != nil || n == 0 {
				return err
			}
		}
	})})
	if err != nil {
		return row{}, err
	}
	return rows[0], nil
}

// compare holds the reports against SQL: who differs by a call fails the run. Calls that were cut off when Asterisk started again have
// no line that ends them; SQL knows nothing of these.
func (c *callCentre) compare(ctx context.Context, bodies map[string][]byte) error {
	for name, column := range map[string]string{"answered_calls_by_event": "Event", "answered_calls_by_queue": "Queue"} {
		var report struct{ Rows []map[string]string }
		if err := json.Unmarshal(bodies[name], &report); err != nil {
			return err
		}
		ours, lost := map[string]int{}, 0
		for _, r := range report.Rows {
			n, err := strconv.Atoi(r["Received"])
			if err != nil {
				return err
			}
			if r[column] == queues.LostEvent {
				lost = n
				continue
			}
			ours[r[column]] = n
		}
		var query string
		for _, r := range queueReports {
			if r.name == name {
				query = r.sql
			}
		}
		all := 0
		err := c.bare(query, func(v []string) {
			n, _ := strconv.Atoi(v[1])
			ours[v[0]] -= n
			all += n
		})(ctx)
		if err != nil {
			return err
		}
		for key, differ := range ours {
			if differ < 0 || differ > 0 && name == "answered_calls_by_event" || differ > 0 && differ*1000 > all {
				return fmt.Errorf("%s of %q: we have %d more than SQL, of %d; %d were lost", name, key, differ, all, lost)
			}
		}
	}
	return nil
}

// lists measures what is looked for and listed.
func (c *callCentre) lists(ctx context.Context) error {
	for _, l := range []struct {
		name, entity string
		goal         float64
	}{
		{"search of a day, one agent", "search&start=2026-10-14&end=2026-10-14&agent=Agent%2F1001", 1000},
		{"search of a day, all calls", "search&start=2026-10-14&end=2026-10-14", 2000},
		{"answered_calls_detail of a day", "reports/answered_calls_detail&start=2026-10-14&end=2026-10-14", 1000},
	} {
		var records string
		rows, err := c.inTurn(ctx, contender{l.name, "ms", func(ctx context.Context, length time.Duration) (measured, error) {
			return timed(ctx, length/4, func(ctx context.Context) error {
				body, err := c.get(ctx, l.entity)
				if err == nil {
					var list struct{ Records string }
					err = json.NewDecoder(bytes.NewReader(append(body[:bytes.IndexByte(body, '[')], `[]}`...))).Decode(&list)
					records = list.Records
				}
				return err
			})
		}})
		if err != nil {
			return err
		}
		c.figures = append(c.figures, figure{
			name: c.about(l.name + " over HTTP"), goal: l.goal, unit: "ms", atMost: true, got: rows[0].got, rows: rows, remarks: []string{records + " rows."},
		})
	}
	return nil
}

// readers a second that look at the live picture.
const readers = 200

// realtime: many who look at the live picture, evenly spread.
func (c *callCentre) realtime(ctx context.Context) error {
	rows := []row{{name: fmt.Sprintf("realtime, p99 of %d readers a second", readers), unit: "ms"}, {name: "the same, median", unit: "ms"}}
	for round := range c.rounds {
		runtime.GC()
		n := int(max(c.each, time.Second).Seconds() * readers)
		took, failed := make([]time.Duration, n), make([]error, n)
		var asking sync.WaitGroup
		ticker := time.NewTicker(time.Second / readers)
		for i := range n {
			<-ticker.C
			asking.Go(func() {
				start := time.Now()
				body, err := c.get(ctx, "realtime")
				took[i] = time.Since(start)
				if failed[i] = err; err == nil && !bytes.Contains(body, []byte(`"Waiting":"3"`)) {
					failed[i] = fmt.Errorf("realtime shows nobody: %.300s", body)
				}
			})
		}
		asking.Wait()
		ticker.Stop()
		if err := errors.Join(failed...); err != nil {
			return err
		}
		for i, p := range []float64{99, 50} {
			rows[i].got = append(rows[i].got, percentile(took, p).Seconds()*1000)
		}
		c.progress("round %d/%d: realtime p99 %s ms, median %s ms", round+1, c.rounds, number(rows[0].got[round]), number(rows[1].got[round]))
	}
	c.figures = append(c.figures, figure{
		name: fmt.Sprintf("realtime over HTTP, p99 at %d readers a second", readers), goal: 5, unit: "ms", atMost: true, got: rows[0].got, rows: rows,
		remarks: []string{fmt.Sprintf("%d queues with %d members and %d callers each, from a scripted manager interface; the readers run in the same process.", liveQueues, liveMembers, liveCallers)},
	})
	return nil
}

// Of the scripted manager interface.
const liveQueues, liveMembers, liveCallers = 8, 60, 3

// scriptedManager is a manager interface that always says the same, until ctx ends.
func scriptedManager(ctx context.Context) (addr string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAsManager(conn)
		}
	}()
	return listener.Addr().String(), nil
}

func answerAsManager(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	say := func(id string, fields ...string) {
		fmt.Fprintf(out, "%s\r\nActionID: %s\r\n\r\n", strings.Join(fields, "\r\n"), id)
	}
	_, _ = out.WriteString("Asterisk Call Manager/11.0.0\r\n")
	for out.Flush() == nil {
		var action, id string
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			key, value, some := strings.Cut(strings.TrimSpace(text), ": ")
			if !some {
				break
			}
			switch key {
			case "Action":
				action = value
			case "ActionID":
				id = value
			}
		}
		switch action {
		case "QueueStatus":
			say(id, "Response: Success", "EventList: start", "Message: Queue status will follow")
			n := 0
			for q := range liveQueues {
				say(id, "Event: QueueParams", fmt.Sprintf("Queue: queue-%d", q), "Max: 0", "Strategy: rrmemory", fmt.Sprintf("Calls: %d", liveCallers))
				for m := range liveMembers {
					say(id, "Event: QueueMember", fmt.Sprintf("Queue: queue-%d", q), fmt.Sprintf("Name: Agent %d of %d", m, q), fmt.Sprintf("Location: SIP/%d", q*liveMembers+m),
						fmt.Sprintf("StateInterface: SIP/%d", q*liveMembers+m), "Membership: dynamic", "Penalty: 0", "CallsTaken: 3", "LastCall: 0", "LastPause: 0", "LoginTime: 0",
						"InCall: 0", fmt.Sprintf("Status: %d", 1+m%2), "Paused: 0", "PausedReason: ", "Wrapuptime: 0")
				}
				for w := range liveCallers {
					say(id, "Event: QueueEntry", fmt.Sprintf("Queue: queue-%d", q), fmt.Sprintf("Position: %d", w+1), fmt.Sprintf("Channel: SIP/trunk-%d%d", q, w),
						fmt.Sprintf("Uniqueid: 1795211000.%d%d", q, w), "CallerIDNum: 5550177", "CallerIDName: R. Lund", "Wait: 17", "Priority: 0")
				}
				n += 1 + liveMembers + liveCallers
			}
			say(id, "Event: QueueStatusComplete", "EventList: Complete", fmt.Sprintf("ListItems: %d", n))
		case "CoreShowChannels":
			say(id, "Response: Success", "EventList: start", "Message: Channels will follow")
			say(id, "Event: CoreShowChannelsComplete", "EventList: Complete", "ListItems: 0")
		default:
			say(id, "Response: Success", "Message: Authentication accepted")
		}
	}
}
