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
	"net/url"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"talktime/adminapi"
	"talktime/cdrgen"
	"talktime/models"
	"talktime/stats"
	"talktime/store"
)

// The table of call records has the keys of FreePBX's and no primary key either.
const (
	cdrTable = `CREATE TABLE cdr (calldate DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', clid VARCHAR(80) NOT NULL DEFAULT '', src VARCHAR(80) NOT NULL DEFAULT '',
		dst VARCHAR(80) NOT NULL DEFAULT '', dcontext VARCHAR(80) NOT NULL DEFAULT '', channel VARCHAR(80) NOT NULL DEFAULT '', dstchannel VARCHAR(80) NOT NULL DEFAULT '',
		lastapp VARCHAR(80) NOT NULL DEFAULT '', lastdata VARCHAR(80) NOT NULL DEFAULT '', duration INT NOT NULL DEFAULT 0, billsec INT NOT NULL DEFAULT 0,
		disposition VARCHAR(45) NOT NULL DEFAULT '', amaflags INT NOT NULL DEFAULT 0, accountcode VARCHAR(20) NOT NULL DEFAULT '', uniqueid VARCHAR(32) NOT NULL DEFAULT '',
		userfield VARCHAR(255) NOT NULL DEFAULT '', did VARCHAR(50) NOT NULL DEFAULT '', recordingfile VARCHAR(255) NOT NULL DEFAULT '', cnum VARCHAR(80) NOT NULL DEFAULT '',
		cnam VARCHAR(80) NOT NULL DEFAULT '', outbound_cnum VARCHAR(80) NOT NULL DEFAULT '', outbound_cnam VARCHAR(80) NOT NULL DEFAULT '', dst_cnam VARCHAR(80) NOT NULL DEFAULT '',
		linkedid VARCHAR(32) NOT NULL DEFAULT '', peeraccount VARCHAR(80) NOT NULL DEFAULT '', sequence INT NOT NULL DEFAULT 0) DEFAULT CHARSET=utf8mb4`
	cdrKeys = "ALTER TABLE cdr ADD KEY calldate (calldate), ADD KEY dst (dst), ADD KEY accountcode (accountcode), ADD KEY uniqueid (uniqueid)"
	cdrZone = "Europe/Berlin"
)

// The same figures by SQL alone, of the rows from one time to another, with the index that the optimizer would leave aside. It is
// spared what would take it longest: countries are the first two digits, and hours count rows, not calls.
const (
	callstatSQL = `SELECT cnum, COUNT(DISTINCT uniqueid), SUM(IF(lastapp = 'Dial' AND disposition = 'ANSWERED', billsec, 0)) AS talk,
		COUNT(DISTINCT IF(lastapp = 'Dial' AND disposition = 'ANSWERED' AND billsec > 90, uniqueid, NULL)),
		SUM(IF(lastapp = 'Dial' AND disposition = 'ANSWERED' AND billsec > 90, billsec, 0)), COUNT(DISTINCT dst)
		FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ? AND cnum BETWEEN 2000 AND 3999 AND lastapp IN ('Dial', 'Busy', 'Congestion')
		AND disposition <> 'FAILED' AND dst NOT REGEXP '^[0-9]{4}$' GROUP BY cnum ORDER BY talk DESC`
	asrstatSQL = `SELECT LEFT(TRIM(LEADING '+' FROM dst), 2) AS code, COUNT(DISTINCT uniqueid) AS total, COUNT(DISTINCT IF(disposition = 'ANSWERED', uniqueid, NULL)),
		COUNT(DISTINCT dst), SUM(IF(disposition = 'ANSWERED', billsec, 0))
		FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ? AND lastapp = 'Dial'
		AND disposition IN ('ANSWERED', 'NO ANSWER', 'BUSY', 'FAILED') AND dst NOT REGEXP '^[0-9]{4}$' GROUP BY code ORDER BY total DESC`
	hourlySQL = `SELECT HOUR(calldate) + 24 * TO_DAYS(calldate) AS hour, duration, COUNT(*)
		FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ? AND dst <> 'h' GROUP BY hour, duration`
	csvSQL = `SELECT calldate, duration, billsec, uniqueid, cnum, cnam, clid, src, dst, dcontext, lastapp, disposition
		FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ? AND dst <> 'h' ORDER BY calldate`
)

// What our figures are compared with, once: too slow to be a fair contender.
const (
	countriesSQL = `SELECT CONCAT('+', COALESCE(c7.code, c6.code, c5.code, c4.code, c3.code, c2.code, c1.code)) AS country_code, COUNT(DISTINCT uniqueid),
		COUNT(DISTINCT IF(disposition = 'ANSWERED', uniqueid, NULL)), COUNT(DISTINCT dst), SUM(IF(disposition = 'ANSWERED', billsec, 0))
		FROM (SELECT *, TRIM(LEADING '+' FROM dst) AS number FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ? AND lastapp = 'Dial'
			AND disposition IN ('ANSWERED', 'NO ANSWER', 'BUSY', 'FAILED') AND dst NOT REGEXP '^[0-9]{4}$') dialled
		LEFT JOIN codes c7 ON c7.code = LEFT(number, 7) AND LENGTH(number) >= 7 LEFT JOIN codes c6 ON c6.code = LEFT(number, 6) LEFT JOIN codes c5 ON c5.code = LEFT(number, 5)
		LEFT JOIN codes c4 ON c4.code = LEFT(number, 4) LEFT JOIN codes c3 ON c3.code = LEFT(number, 3) LEFT JOIN codes c2 ON c2.code = LEFT(number, 2)
		LEFT JOIN codes c1 ON c1.code = LEFT(number, 1) GROUP BY country_code`
	callsSQL = `SELECT DATE_FORMAT(calldate, '%H:00:00 %d/%m/%Y') AS hour, COUNT(*), SUM(duration), MAX(duration), MIN(duration) FROM (
			SELECT calldate, duration, ROW_NUMBER() OVER (PARTITION BY uniqueid ORDER BY disposition <> 'ANSWERED', calldate, duration DESC) AS place
			FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? - INTERVAL 1 DAY AND calldate < ? + INTERVAL 1 DAY AND dst <> 'h') picked
		WHERE place = 1 AND calldate >= ? AND calldate < ? GROUP BY hour`
)

// statistics is a CDR database of twelve months, and two servers that report on its last month: one has roll-ups, the other reads
// records.
type statistics struct {
	*bench

	rows        int64 // of the table, and of
	month       int64 // the month
	begin, end  time.Time
	cdr         *sql.DB
	records     *store.CDRStatistics
	raw, rolled *reporter
}

// measureStatistics: reports over a month of a CDR database against SQL by hand.
func (b *bench) measureStatistics(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as admin serve
	zone, err := time.LoadLocation(cdrZone)
	if err != nil {
		return err
	}
	s := &statistics{bench: b, rows: 10_000_000, begin: time.Date(2026, 10, 1, 0, 0, 0, 0, zone), end: time.Date(2026, 11, 1, 0, 0, 0, 0, zone)}
	if b.short {
		s.rows = 500_000
	}
	if b.cdrs > 0 {
		s.rows = b.cdrs
	}
	server, err := b.mariadb(ctx)
	if err != nil {
		return err
	}
	if err := server.CreateDatabase(ctx, "cdr"); err != nil {
		return err
	}
	if s.cdr, err = openSQL(server.DSN("cdr"), 2); err != nil {
		return err
	}
	defer func() { _ = s.cdr.Close() }()
	if err := s.load(ctx, zone); err != nil {
		return fmt.Errorf("load the CDRs: %w", err)
	}
	kept, err := b.newDatabase(ctx, "statistics")
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close() }()
	if err := s.serve(ctx, kept, server.DSN("cdr"), zone); err != nil {
		return err
	}
	defer s.close()
	if err := s.rollUp(ctx, kept, zone); err != nil {
		return fmt.Errorf("roll-ups: %w", err)
	}
	if err := s.compare(ctx); err != nil {
		return err
	}
	if err := s.reports(ctx); err != nil {
		return err
	}
	return s.export(ctx)
}

// load has the database read invented CDRs.
func (s *statistics) load(ctx context.Context, zone *time.Location) error {
	s.progress("loading %s CDRs of twelve months", group(s.rows))
	reader, writer := io.Pipe()
	mysql.RegisterReaderHandler("cdrs", func() io.Reader { return reader })
	defer mysql.DeregisterReaderHandler("cdrs")
	go func() {
		lines := bufio.NewWriterSize(writer, 1<<20)
		var line []byte
		year := cdrgen.Config{Seed: 1, From: s.end.AddDate(-1, 0, 0), To: s.end, Rows: s.rows, Location: zone}
		err := cdrgen.Each(year, func(r *cdrgen.Row) error {
			line = r.AppendTSV(line[:0])
			_, err := lines.Write(line)
			return err
		})
		_ = writer.CloseWithError(errors.Join(err, lines.Flush()))
	}()
	for _, statement := range []string{
		cdrTable, "LOAD DATA LOCAL INFILE 'Reader::cdrs' INTO TABLE cdr CHARACTER SET utf8mb4 (" + cdrgen.Columns + ")", cdrKeys, "ANALYZE TABLE cdr",
		"CREATE TABLE codes (code VARCHAR(10) PRIMARY KEY)",
	} {
		if _, err := s.cdr.ExecContext(ctx, statement); err != nil {
			return errors.Join(fmt.Errorf("%.40s: %w", statement, err), reader.Close())
		}
		s.progress("  %.32s…", statement)
	}
	for code := range stats.BuiltInCodes() {
		if _, err := s.cdr.ExecContext(ctx, "INSERT INTO codes VALUES (?)", code); err != nil {
			return err
		}
	}
	return s.cdr.QueryRowContext(ctx, "SELECT COUNT(*) FROM cdr FORCE INDEX (calldate) WHERE calldate >= ? AND calldate < ?", s.walls()...).Scan(&s.month)
}

// walls are the begin and the end of the month as the table has times.
func (s *statistics) walls() []any {
	return []any{s.begin.Format(time.DateTime), s.end.Format(time.DateTime)}
}

// read carries out a SELECT of the month and hands over each row.
func (s *statistics) read(ctx context.Context, query string, args []any, each func([]sql.RawBytes) error) error {
	rows, err := s.cdr.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := each(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bare is a SELECT of the month, all rows of which are read, and nothing done with.
func (s *statistics) bare(query string) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.read(ctx, query, s.walls(), func([]sql.RawBytes) error { return nil })
	}
}

// reporter is a server that reports.
type reporter struct {
	server *http.Server
	client *http.Client
	url    string
	token  string
}

// serve starts both servers.
func (s *statistics) serve(ctx context.Context, kept *database, dsn string, zone *time.Location) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	s.records, err = store.OpenCDRStatistics(store.CDRConfig{
		Label: "pbx", Addr: u.Host, User: u.User.Username(), Password: password, Name: strings.TrimPrefix(u.Path, "/"), Location: zone,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, token, err := kept.NewToken(ctx, models.NewToken{Name: "bench", Scopes: []string{"statistics"}}, "bench")
	if err != nil {
		return err
	}
	if s.raw, err = s.reporter(ctx, kept, token, zone, nil); err != nil {
		return err
	}
	s.rolled, err = s.reporter(ctx, kept, token, zone, kept)
	return err
}

// reporter starts a server whose clock shows the day after the month.
func (s *statistics) reporter(ctx context.Context, kept *database, token string, zone *time.Location, rollUps stats.RollUps) (*reporter, error) {
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return s.end.Add(12 * time.Hour) }
	handler, err := adminapi.New(adminapi.Deps{
		Users: kept, Sessions: kept, Ledger: kept, Calls: kept, Tokens: kept, Groups: kept, Accounts: kept, Location: zone, Now: now,
		Stats: stats.New(stats.Options{Sources: []stats.Source{s.records}, RollUps: rollUps, Location: zone, Now: now, Logger: log, Inside: inside()}),
		Ready: func(context.Context) error { return nil }, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &reporter{
		server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}, client: &http.Client{Transport: &http.Transport{DisableCompression: true}},
		url: "http://" + listener.Addr().String(), token: token,
	}
	go func() { _ = r.server.Serve(listener) }() // until close
	return r, nil
}

func (s *statistics) close() {
	for _, r := range []*reporter{s.raw, s.rolled} {
		if r != nil {
			r.client.CloseIdleConnections()
			_ = r.server.Close()
		}
	}
	_ = s.records.Close()
}

// inside is who belongs to the site where nothing else is set.
func inside() stats.Inside { return stats.Inside{Extensions: regexp.MustCompile("^[0-9]{2,5}$")} }

// open asks for a report, which must come from what is said, and returns its body.
func (r *reporter) open(ctx context.Context, path string, from stats.Origin) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("X-Auth-Token", r.token)
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	if source := answer.Header.Get("X-Source"); answer.StatusCode != http.StatusOK || source != string(from) {
		text, err := io.ReadAll(io.LimitReader(answer.Body, 300))
		return nil, errors.Join(fmt.Errorf("%s: %s from %q, want %q: %s", path, answer.Status, source, from, text), err, answer.Body.Close())
	}
	return answer.Body, nil
}

// get asks for a report and reads it.
func (r *reporter) get(ctx context.Context, path string, from stats.Origin) ([]byte, error) {
	body, err := r.open(ctx, path, from)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	return text, errors.Join(err, body.Close())
}

// monthly are the reports over the month, and the SQL that does about the same.
func (s *statistics) monthly() []struct{ name, path, sql, remark string } {
	return []struct{ name, path, sql, remark string }{
		{"callstat", "/api/v1/-/callstat?date=month", callstatSQL, "The same figures, exact distinct counts included; they were compared."},
		{"asrstat", "/api/v1/-/asrstat?date=month", asrstatSQL, "SQL has an easier task: the first two digits stand for the country. Our figures were compared with those of a slower SELECT."},
		{
			"call_statistics/hourly", "/v2/accounts/all/call_statistics/hourly" + s.query(), hourlySQL,
			"SQL has an easier task: it counts rows, how many of each length, where we count each call once. Our figures were compared with those of a slower SELECT.",
		},
	}
}

// query asks call_statistics for the month.
func (s *statistics) query() string {
	q, err := json.Marshal(map[string]any{"timezone": cdrZone, "filters": []map[string]string{
		{"name": "call_time", "op": "ge", "val": s.begin.Format("15:04:05 02/01/2006")}, {"name": "call_time", "op": "lt", "val": s.end.Format("15:04:05 02/01/2006")},
	}})
	if err != nil {
		panic(err) // of plain texts
	}
	return "?q=" + url.QueryEscape(string(q))
}

// rollUp counts all twelve months, once.
func (s *statistics) rollUp(ctx context.Context, kept *database, zone *time.Location) error {
	service := stats.New(stats.Options{Sources: []stats.Source{s.records}, Location: zone, Inside: inside()})
	roller := &stats.Roller{
		Source: s.records, Kinds: func(ctx context.Context) ([]stats.Kind, error) { return service.Kinds(ctx, s.records) },
		Keeper: kept, Location: zone, Now: func() time.Time { return s.end.Add(12 * time.Hour) }, Holder: "bench",
	}
	ingest := func(ctx context.Context, _ time.Duration) (measured, error) {
		var pass stats.Pass
		got, err := timed(ctx, 0, func(ctx context.Context) (err error) {
			pass, err = roller.Rebuild(ctx, 0, stats.DayAt(s.end))
			return err
		})
		rows := float64(pass.Records)
		if err == nil && pass.Records < s.rows*99/100 { // a call that began in the last night may be left
			err = fmt.Errorf("only %d of %d rows were counted", pass.Records, s.rows)
		}
		return measured{value: rows / got.value * 1000, cpu: got.cpu / rows, own: got.own / rows, others: got.others}, err
	}
	rounds := s.rounds
	s.rounds = 1
	defer func() { s.rounds = rounds }()
	rows, err := s.inTurn(ctx, contender{"roll-ups of twelve months", "rows/s", ingest})
	if err != nil {
		return err
	}
	s.figures = append(s.figures, figure{
		name: fmt.Sprintf("roll-ups of %s CDRs", group(s.rows)), goal: 150_000, unit: "rows/s", got: rows[0].got, rows: rows,
		remarks: []string{"Read once, counted for callstat, asrstat and call_statistics, and kept durably day by day."},
	})
	return nil
}

// timed does something until so much time has passed, at least once, and tells how many milliseconds it took each time.
func timed(ctx context.Context, length time.Duration, do func(context.Context) error) (measured, error) {
	allBefore := machineTime()
	ownBefore, childrenBefore := cpuTime()
	start, times := time.Now(), 0
	for times == 0 || time.Since(start) < length {
		if err := do(ctx); err != nil {
			return measured{}, err
		}
		times++
	}
	elapsed := time.Since(start)
	own, children := cpuTime()
	own -= ownBefore
	ours := own + children - childrenBefore
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(times) }
	return measured{
		value: each(elapsed) / 1000, cpu: each(ours), own: each(own),
		others: max(0, (machineTime()-allBefore-ours).Seconds()/elapsed.Seconds()/float64(runtime.NumCPU())),
	}, nil
}

// reports measures the reports over the month: SQL by hand, from records, from roll-ups, in turn.
func (s *statistics) reports(ctx context.Context) error {
	for _, m := range s.monthly() {
		once := func(do func(context.Context) error) func(context.Context, time.Duration) (measured, error) {
			return func(ctx context.Context, _ time.Duration) (measured, error) { return timed(ctx, 0, do) }
		}
		rows, err := s.inTurn(
			ctx,
			contender{m.name + ", SQL by hand", "ms", once(s.bare(m.sql))},
			contender{m.name + ", from records", "ms", once(func(ctx context.Context) error {
				_, err := s.raw.get(ctx, m.path, stats.FromRaw)
				return err
			})},
			contender{m.name + ", from roll-ups", "ms", func(ctx context.Context, length time.Duration) (measured, error) {
				return timed(ctx, length/4, func(ctx context.Context) error {
					_, err := s.rolled.get(ctx, m.path, stats.FromRollUps)
					return err
				})
			}},
		)
		if err != nil {
			return err
		}
		byHand, raw, rolled := rows[0].got, rows[1].got, rows[2].got
		about := fmt.Sprintf("%s of a month with %s of %s CDRs", m.name, group(s.month), group(s.rows))
		s.figures = append(
			s.figures,
			figure{name: about + ": from records, against SQL by hand", goal: 1.2, unit: "×", atMost: true, got: raw.over(byHand), rows: rows, remarks: []string{m.remark}},
			figure{name: about + ": from roll-ups", goal: 100, unit: "ms", atMost: true, got: rolled},
			figure{name: about + ": SQL by hand, against roll-ups", goal: 20, unit: "×", got: byHand.over(rolled)},
		)
	}
	return nil
}

// exported is what was seen of a CSV file while it came.
type exported struct {
	first samples // milliseconds until the first call came, which is behind the line of names
	heap  samples // MiB by which the heap of this process grew
	calls int64
}

// download reads a CSV file of the month.
func (e *exported) download(ctx context.Context, s *statistics) error {
	runtime.GC()
	before, grown, stop := heapInUse(), int64(0), make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				grown = max(grown, heapInUse()-before)
			}
		}
	}()
	start := time.Now()
	body, err := s.raw.open(ctx, "/v2/accounts/all/call_statistics/csv"+s.query(), stats.FromRaw)
	if err == nil {
		lines := bufio.NewReaderSize(body, 64<<10)
		e.calls = -1 // the line of names
		for err == nil {
			if _, err = lines.ReadSlice('\n'); err == nil {
				if e.calls++; e.calls == 1 {
					e.first = append(e.first, time.Since(start).Seconds()*1000)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		err = errors.Join(err, body.Close())
	}
	close(stop)
	<-watched
	e.heap = append(e.heap, float64(grown)/(1<<20))
	return err
}

// heapInUse is the memory of the heap that is in use, in bytes.
func heapInUse() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() + sample[1].Value.Uint64())
}

// export measures the CSV file of the month.
func (s *statistics) export(ctx context.Context) error {
	var e exported
	rate := func(count func() int64, do func(context.Context) error) func(context.Context, time.Duration) (measured, error) {
		return func(ctx context.Context, _ time.Duration) (measured, error) {
			got, err := timed(ctx, 0, do)
			n := float64(count())
			return measured{value: n / got.value * 1000, cpu: got.cpu / n, own: got.own / n, others: got.others}, err
		}
	}
	rows, err := s.inTurn(
		ctx,
		contender{"csv, SQL by hand", "rows/s", rate(func() int64 { return s.month }, s.bare(csvSQL))},
		contender{"csv over HTTP", "calls/s", rate(func() int64 { return e.calls }, func(ctx context.Context) error { return e.download(ctx, s) })},
	)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("csv of a month with %s of %s CDRs", group(s.month), group(s.rows))
	took := func(r row, n int64) samples {
		times := make(samples, len(r.got))
		for i, rate := range r.got {
			times[i] = float64(n) / rate
		}
		return times
	}
	s.figures = append(
		s.figures,
		figure{
			name: about + ": against SQL by hand", goal: 1.2, unit: "×", atMost: true, got: took(rows[1], e.calls).over(took(rows[0], s.month)), rows: rows,
			remarks: []string{fmt.Sprintf("The time for %s calls against that for the rows they were made of.", group(e.calls))},
		},
		figure{name: about, goal: 300_000, unit: "calls/s", got: rows[1].got},
		figure{name: about + ": the first call", goal: 100, unit: "ms", atMost: true, got: e.first},
		figure{name: about + ": growth of the heap", goal: 32, unit: "MiB", atMost: true, got: e.heap},
	)
	return nil
}

// compare holds both servers against each other and against SQL. Reports that differ by a digit fail the run.
func (s *statistics) compare(ctx context.Context) error {
	s.progress("comparing records, roll-ups and SQL")
	var bodies [][]byte
	for _, m := range s.monthly() {
		raw, err := s.raw.get(ctx, m.path, stats.FromRaw)
		if err != nil {
			return err
		}
		rolled, err := s.rolled.get(ctx, m.path, stats.FromRollUps)
		if err != nil {
			return err
		}
		for _, body := range []*[]byte{&raw, &rolled} { // the envelope of call_statistics differs each time
			var envelope struct{ Data json.RawMessage }
			if err := json.Unmarshal(*body, &envelope); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if envelope.Data != nil {
				*body = envelope.Data
			}
		}
		if !bytes.Equal(raw, rolled) {
			return fmt.Errorf("%s: records give %.300s, roll-ups %.300s", m.name, raw, rolled)
		}
		bodies = append(bodies, raw)
	}
	return errors.Join(s.compareCallstat(ctx, bodies[0]), s.compareASR(ctx, bodies[1]), s.compareHours(ctx, bodies[2]))
}

// checked compares lines, by what they are about, with the rows of a SELECT, whose first column says what they are about.
func (s *statistics) checked(ctx context.Context, what, query string, args []any, ours map[string]string, line func([]sql.RawBytes) string) error {
	rows := 0
	err := s.read(ctx, query, args, func(v []sql.RawBytes) error {
		rows++
		if want := line(v); ours[string(v[0])] != want {
			return fmt.Errorf("%s of %q: we have %q, SQL says %q", what, v[0], ours[string(v[0])], want)
		}
		return nil
	})
	if err == nil && (rows != len(ours) || rows == 0) {
		err = fmt.Errorf("%s: we have %d lines, SQL %d", what, len(ours), rows)
	}
	return err
}

func (s *statistics) compareCallstat(ctx context.Context, body []byte) error {
	var lines []struct {
		CNum  string      `json:"cnum"`
		Calls int         `json:"call_count"`
		Talk  json.Number `json:"total_call_time_minutes"`
		Long  int         `json:"long_calls_count"`
		Longs json.Number `json:"total_long_calls_minutes"`
		Dst   int         `json:"unique_calls"`
	}
	if err := json.Unmarshal(body, &lines); err != nil {
		return err
	}
	ours := make(map[string]string)
	for _, l := range lines {
		ours[l.CNum] = fmt.Sprintf("%d %s %d %s %d", l.Calls, twoDecimals(l.Talk), l.Long, twoDecimals(l.Longs), l.Dst)
	}
	return s.checked(ctx, "callstat", callstatSQL, s.walls(), ours, func(v []sql.RawBytes) string {
		return fmt.Sprintf("%s %s %s %s %s", v[1], share(v[2], 60), v[3], share(v[4], 60), v[5])
	})
}

func (s *statistics) compareASR(ctx context.Context, body []byte) error {
	var report struct {
		Databases map[string]struct {
			Data []struct {
				Code     string      `json:"country_code"`
				Answered int         `json:"answered_calls"`
				Calls    int         `json:"total_calls"`
				Numbers  int         `json:"unique_destinations"`
				Talk     json.Number `json:"total_talk_minutes"`
			}
		}
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return err
	}
	ours := make(map[string]string)
	for _, l := range report.Databases["pbx"].Data {
		ours[l.Code] = fmt.Sprintf("%d %d %d %s", l.Calls, l.Answered, l.Numbers, twoDecimals(l.Talk))
	}
	return s.checked(ctx, "asrstat", countriesSQL, s.walls(), ours, func(v []sql.RawBytes) string {
		return fmt.Sprintf("%s %s %s %s", v[1], v[2], v[3], share(v[4], 60))
	})
}

func (s *statistics) compareHours(ctx context.Context, body []byte) error {
	var hours map[string]struct {
		Total   int
		Seconds struct {
			Max, Min int
			Mean     json.Number
		} `json:"duration_seconds"`
	}
	if err := json.Unmarshal(body, &hours); err != nil {
		return err
	}
	ours := make(map[string]string)
	for label, h := range hours {
		ours[label] = fmt.Sprintf("%d %s %d %d", h.Total, twoDecimals(h.Seconds.Mean), h.Seconds.Max, h.Seconds.Min)
	}
	walls := s.walls()
	return s.checked(ctx, "call_statistics/hourly", callsSQL, append(walls, walls...), ours, func(v []sql.RawBytes) string {
		total, err := strconv.ParseInt(string(v[1]), 10, 64)
		if err != nil || total == 0 {
			return "no calls"
		}
		return fmt.Sprintf("%s %s %s %s", v[1], share(v[2], total), v[3], v[4])
	})
}

// share divides whole seconds, and rounds to two decimals, halves up.
func share(seconds []byte, by int64) string {
	n, err := strconv.ParseInt(string(seconds), 10, 64)
	if err != nil {
		return err.Error()
	}
	hundredths := (n*200 + by) / (2 * by)
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}

// twoDecimals writes a number of JSON like share.
func twoDecimals(n json.Number) string {
	whole, decimals, _ := strings.Cut(string(n), ".")
	return whole + "." + (decimals + "00")[:max(2, len(decimals))]
}
