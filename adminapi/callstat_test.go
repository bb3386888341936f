package adminapi_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/dialplan"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// reported is a source of calls in memory. Each ends when the context does, or at once with err.
type reported struct {
	name    string
	records []stats.Record
	names   map[string]string
	err     error
	hangs   bool
}

func (d reported) Name() string { return d.name }

func (d reported) Directory(context.Context) (map[string]string, error) { return d.names, nil }

func (d reported) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	if d.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, r := range d.records {
		if at := time.Unix(r.Start, 0); !at.Before(scan.From) && at.Before(scan.To) {
			if err := each(&r); err != nil {
				return err
			}
		}
	}
	return d.err
}

// talked is a call that was answered.
func talked(at, id, cnum, cnam, dst string, seconds int64) stats.Record {
	start, err := time.Parse(time.DateTime, at)
	if err != nil {
		panic(err)
	}
	b := func(s string) []byte { return []byte(s) }
	return stats.Record{Start: start.Unix(), Wall: start.Unix(), BillSec: seconds, UniqueID: b(id), CNum: b(cnum), CNam: b(cnam), Dst: b(dst), LastApp: b("Dial"), Disposition: b("ANSWERED")}
}

// february is a Wednesday in the afternoon.
var february = time.Date(2026, 2, 11, 15, 0, 0, 0, time.UTC)

// counting makes a site count calls in these sources, in February.
func counting(sources ...stats.Source) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) {
		d.Now = func() time.Time { return february }
		d.Stats = stats.New(stats.Options{Sources: sources, Location: time.UTC, Now: d.Now, Limit: 2 * time.Second, Logger: d.Logger})
	}
}

// pbx has two extensions that called today, and one that called on Monday of last week.
func pbx(name string) reported {
	return reported{name: name, names: map[string]string{"2110": "device <2110>", "2104": ""}, records: []stats.Record{
		talked("2026-01-31 23:59:59", "1.0", "2104", "Ines Roth", "4930123", 60), talked("2026-02-02 00:00:00", "1.1", "2104", "Ines Roth", "4930123", 60),
		talked("2026-02-06 23:59:59", "1.2", "2104", "Ines Roth", "4930124", 60), talked("2026-02-07 00:00:00", "1.3", "2104", "Ines Roth", "4930124", 600),
		talked("2026-02-11 09:00:00", "1.4", "2104", "Ines Roth", "4930123", 1125), talked("2026-02-11 09:30:00", "1.5", "2105", "<Otto & Co>", "77011234567", 91),
	}}
}

// TestCallStatReport: the bodies, to the letter.
func TestCallStatReport(t *testing.T) {
	t.Parallel()
	down := reported{name: "pbx3.example.org", err: &stats.SourceError{Name: "pbx3.example.org", Addr: "pbx3.example.org:3306", Connect: true, Err: errors.New("user root, password geheim")}}
	s := newSite(t, storetest.SQLite(t), counting(pbx("pbx1.example.org")))
	c := s.anonymous()
	path := "/api/v1/" + reportToken
	today := `{"data":[{"cnum":"2104","cnam":"Ines Roth","call_count":1,"total_call_time_minutes":18.75,"long_calls_count":1,"total_long_calls_minutes":18.75,"unique_calls":1},` +
		`{"cnum":"2105","cnam":"<Otto & Co>","call_count":1,"total_call_time_minutes":1.52,"long_calls_count":1,"total_long_calls_minutes":1.52,"unique_calls":1},` +
		`{"cnum":"2110","cnam":"device","call_count":0,"total_call_time_minutes":0.0,"long_calls_count":0,"total_long_calls_minutes":0.0,"unique_calls":0}],"date":`
	for query, want := range map[string]string{
		"": today + `"2026-02-11"}`, "?date=": today + `"2026-02-11"}`, "?date=2026-02-11": today + `"2026-02-11"}`, "?date=2026-2-11": today + `"2026-2-11"}`, "?start=&end=": today + `"2026-02-11"}`,
		"?start=2026-02-11&end=2026-02-11":                               today + `"2026-02-11 00:00:00 - 2026-02-11 23:59:59","start":"2026-02-11 00:00:00","end":"2026-02-11 23:59:59"}`,
		"?date=2026-02-03&start=2026-02-11+09:00&end=2026-02-11%2009:30": today + `"2026-02-11 09:00:00 - 2026-02-11 09:30:59","start":"2026-02-11 09:00:00","end":"2026-02-11 09:30:59"}`,
		"?x=1&date=2026-02-11&date=nonsense":                             today + `"2026-02-11"}`,
	} {
		a := c.get(path + "/callstat" + query)
		a.says(http.StatusOK, want)
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Source") != "raw" {
			t.Errorf("%v", a.header)
		}
	}
	for query, minutes := range map[string]string{"week": "2.0", "WEEK": "2.0", "month": "1.0", "week&start=x": "2.0", "Month&start=2026-02-11&end=2026-02-11": "1.0"} {
		a := c.get(path + "/callstat?date=" + query).is(http.StatusOK)
		name, _, _ := strings.Cut(query, "&")
		if !strings.Contains(a.body, `"total_call_time_minutes":`+minutes+`,`) || !strings.HasSuffix(strings.TrimSpace(a.body), `"date":"`+name+`"}`) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	c.get(path+"/asrstat?date=week").says(http.StatusOK, `{"date":"week","databases":{"pbx1.example.org":{"status":"success","data":[`+
		`{"country_code":"+49","country":"Germany","answered_calls":2,"total_calls":2,"asr_percentage":100.0,"unique_destinations":2,"total_talk_minutes":2.0}]}}}`)
	c.get(path+"/asrstat?date=2026-02-03").says(http.StatusOK, `{"date":"2026-02-03","databases":{"pbx1.example.org":{"status":"success","data":[]}}}`)

	// One of three is down, and one does not answer: 200, and nothing of what only the log should know.
	s.start(counting(down, reported{name: "pbx2", hangs: true}, pbx("pbx1.example.org")))
	c = s.anonymous()
	c.get(path+"/callstat").says(http.StatusOK, today+`"2026-02-11","errors":{"pbx2":"Error querying pbx2: it does not answer within 2 s",`+
		`"pbx3.example.org":"Failed to connect to pbx3.example.org at pbx3.example.org:3306"}}`)
	c.get(path+"/asrstat?date=2026-02-03").says(http.StatusOK, `{"date":"2026-02-03","databases":{"pbx1.example.org":{"status":"success","data":[]},`+
		`"pbx2":{"status":"error","error":"Error querying pbx2: it does not answer within 2 s"},`+
		`"pbx3.example.org":{"status":"error","error":"Failed to connect to pbx3.example.org at pbx3.example.org:3306"}}}`)
	s.start(counting(down))
	c = s.anonymous()
	c.get(path+"/callstat").says(http.StatusOK, `{"data":[],"date":"2026-02-11","errors":{"pbx3.example.org":"Failed to connect to pbx3.example.org at pbx3.example.org:3306"}}`)
	if !strings.Contains(s.log.String(), "geheim") {
		t.Error("the log does not say why")
	}
	s.start(counting())
	s.anonymous().get(path+"/callstat").says(http.StatusOK, `{"data":[],"date":"2026-02-11"}`)
	s.anonymous().get(path+"/asrstat").says(http.StatusOK, `{"date":"2026-02-11","databases":{}}`)
	s.anonymous().get("/health").says(http.StatusOK, "healthy")
}

// TestCallStatRefuses: the bodies of what is wrong.
func TestCallStatRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counting(pbx("pbx1")))
	c := s.anonymous()
	const (
		callstat = `{"error":"Invalid date format. Use YYYY-MM-DD or \"week\" or \"month\""}`
		asrstat  = `{"error":"Invalid date format. Use YYYY-MM-DD, \"week\", or \"month\""}`
	)
	path := "/api/v1/" + reportToken
	for _, date := range []string{
		"yesterday", "2026-02-30", "2026-13-01", "26-2-1", "2026-02-11 10:00", " week", "2026-02-11' OR '1'='1", `"; DROP TABLE cdr; --`, "1 UNION SELECT 1", "%", "_", "\x00", "ü", strings.Repeat("9", 10_000),
	} {
		c.get(path+"/callstat?date="+url.QueryEscape(date)).says(http.StatusBadRequest, callstat)
		c.get(path+"/asrstat?date="+url.QueryEscape(date)).says(http.StatusBadRequest, asrstat)
	}
	c.get(path+"/callstat?date=%zz").says(http.StatusBadRequest, callstat)
	c.get(path+"/asrstat?date=%zz").says(http.StatusBadRequest, asrstat)
	for query, want := range map[string]string{
		"start=2026-02-11": "Both start and end must be provided when using a custom range", "end=2026-02-11&date=2026-02-11": "Both start and end must be provided when using a custom range",
		"start=2026-02-12&end=2026-02-11": "Invalid range: start must be less than or equal to end", "start=x&end=2026-02-11": "Invalid date-time format. Use YYYY-MM-DD HH:MM or YYYY-MM-DD",
		"start=2025-01-01&end=2026-02-11": "Range too large: at most 366 days",
	} {
		c.get(path+"/callstat?"+query).says(http.StatusBadRequest, `{"error":"`+want+`"}`)
		c.get(path + "/asrstat?" + query + "&date=week").is(http.StatusOK) // which knows no ranges
	}
	if a := c.get(path + "/callstat?date=x"); a.header.Get("X-Source") != "" {
		t.Errorf("%v", a.header)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
		for _, report := range []string{"/callstat", "/asrstat?date=x"} {
			a := c.send(method, path+report, "", "")
			a.says(http.StatusMethodNotAllowed, `{"error":"Method not allowed"}`)
			if a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: %v", method, a.header)
			}
			c.send(method, "/api/v1/wrong"+report, "", "").says(http.StatusUnauthorized, `{"error":"Invalid token"}`)
		}
	}
	c.send("HEAD", path+"/callstat", "", "").says(http.StatusOK, "")
	for _, other := range []string{"", "/", "/nothing", "/callstat/", "/callstat/x", "/Callstat", "//callstat", "/callstat%00", "/../callstat"} {
		c.get(path+other).says(http.StatusNotFound, `{"error":"Not found"}`)
	}
	c.get("/api/v1").says(http.StatusNotFound, `{"message":"not found"}`)
}

// TestCallStatTokens is checklist 1: who may ask, before anything else is looked at.
func TestCallStatTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		const refused = `{"error":"Invalid token"}`
		none := s.anonymous()
		for _, token := range []string{"x", "", "-", "*", reportToken + "x", reportToken[:len(reportToken)-1], strings.ToUpper(reportToken), "%00", "%20" + reportToken, reportToken + "%20", "null", "undefined", strings.Repeat("x", 10_000)} {
			for _, rest := range []string{"/callstat", "/asrstat", "/callstat?date=nonsense", "/nothing"} {
				a := none.get("/api/v1/" + token + rest)
				a.says(http.StatusUnauthorized, refused)
				if a.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%v", a.header)
				}
			}
		}
		none.get("/api/v1/" + reportToken + "/callstat").is(http.StatusOK)
		none.get("/api/v1/" + url.PathEscape(reportToken) + "/callstat?date=nonsense").is(http.StatusBadRequest)
		s.admin.get("/api/v1/-/callstat").says(http.StatusUnauthorized, refused) // he shows no token
		header := s.anonymous()
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
			header.header.Set("Authorization", scheme+reportToken)
			header.get("/api/v1/-/callstat").is(http.StatusOK)
			header.get("/api/v1/x/callstat").says(http.StatusUnauthorized, refused)
		}
		for _, wrong := range []string{reportToken, "Bearer", "Bearer ", "Bearer x", "Basic " + reportToken, "Token " + reportToken} {
			header.header.Set("Authorization", wrong)
			header.get("/api/v1/-/callstat").says(http.StatusUnauthorized, refused)
			header.get("/api/v1/" + reportToken + "/callstat").is(http.StatusOK) // whatever a proxy adds
		}

		// Tokens of ours.
		token := func(body string) string {
			return s.admin.post("/api/tokens", body).is(http.StatusCreated).object()["token"].(string)
		}
		good, other, bound := token(`{"name":"reports","scopes":["statistics"]}`), token(`{"name":"other","scopes":["read","cdr","users","money","admin"]}`), token(`{"name":"bound","scopes":["statistics"],"account":"2"}`)
		for secret, status := range map[string]int{good: http.StatusOK, other: http.StatusUnauthorized, bound: http.StatusUnauthorized} {
			none.get("/api/v1/" + secret + "/callstat").is(status)
			header.header.Set("Authorization", "Bearer "+secret)
			header.get("/api/v1/-/asrstat").is(status)
		}
		var list struct{ Objects []struct{ ID int64 } }
		s.admin.get("/api/tokens").into(&list)
		s.admin.delete("/api/tokens/1").is(http.StatusNoContent)
		none.get("/api/v1/"+good+"/callstat").says(http.StatusUnauthorized, refused)

		// Without the setting, nobody has it; tokens of ours are as good as before.
		again := token(`{"name":"again","scopes":["statistics"]}`)
		s.start(func(d *adminapi.Deps) { d.StatisticsToken = "" })
		none = s.anonymous()
		for _, token := range []string{"", "-", reportToken, "null"} {
			none.get("/api/v1/"+token+"/callstat").says(http.StatusUnauthorized, refused)
		}
		none.get("/api/v1/" + again + "/callstat").is(http.StatusOK)
	})
}

// TestReservedWords are no tokens, even if a token were called so.
func TestReservedWords(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.StatisticsToken = "csv" })
	for _, word := range []string{"countries", "csv", "hourly", "daily", "weekly", "monthly"} {
		if a := s.anonymous().get("/api/v1/" + word + "/callstat"); strings.Contains(a.body, `"error":"Invalid token"`) || a.status == http.StatusOK {
			t.Errorf("%s: %d %s", word, a.status, a.body)
		}
		s.anonymous().get("/api/v1/" + word)
	}
}

// TestCallStatTokenIsNotLogged: whatever a client makes of the path, neither the log nor the metrics have the token.
func TestCallStatTokenIsNotLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counting(pbx("pbx1"), reported{name: "pbx2", err: errors.New("it broke")}))
	secret := s.program("statistics").header.Get("Authorization")[len("Bearer "):]
	c := s.anonymous()
	for _, token := range []string{reportToken, secret} {
		for _, path := range []string{
			"/api/v1/T/callstat", "/api/v1/T/asrstat?date=T", "/api/v1/T", "/api/v1/T/", "/api/v1//T/callstat", "//api/v1/T/callstat", "/api//v1/T/callstat", "/API/V1/T/callstat", "/api/v1/callstat/T",
			"/api/v1/-/callstat/T", "/api/v1/csv/T", "/api/v1/x/T/callstat", "/stats/api/v1/T/callstat", "/v1/T", "/api/v1/Tx/callstat", "/api/v1/%20T/callstat", "/api/v1/-/callstat?token=T",
		} {
			for _, method := range []string{"GET", "POST", "BREW"} {
				c.send(method, strings.ReplaceAll(path, "T", token), "", "")
			}
		}
		c.header.Set("Authorization", "Bearer "+token)
		c.get("/api/v1/-/callstat").is(http.StatusOK)
		c.get("/api/v1/-/callstat?date=x").is(http.StatusBadRequest)
	}
	metrics := s.admin.get("/metrics").is(http.StatusOK).body
	for what, text := range map[string]string{"the log": s.log.String(), "the metrics": metrics} {
		for _, token := range []string{reportToken, secret} {
			if i := strings.Index(text, token); i >= 0 {
				t.Errorf("%s has the token: %s", what, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	for _, line := range []string{`"path":"/api/v1/***/callstat","status":200`, `"msg":"statistics","report":"callstat","source":"pbx1"`, `"actor":"token/API_TOKEN"`, `"err":"Error querying pbx2: internal error: it broke"`} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, s.log.String()[:min(4000, len(s.log.String()))])
		}
	}
	if !strings.Contains(metrics, `route="/api/v1/:first/*rest"`) {
		t.Error("the metrics do not count these requests")
	}
}

// foreignPBX is a CDR database as an Asterisk has it.
func foreignPBX(t *testing.T, label string, statements ...string) (stats.Source, *sql.DB, store.CDRConfig) {
	t.Helper()
	d := storetest.OnShared(t)
	db := d.SQL(t)
	schema, err := dialplan.Read("cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range append([]string{string(schema)}, statements...) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	c := store.CDRConfig{Label: label, Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name, Location: time.UTC}
	return openPBX(t, c), db, c
}

func openPBX(t *testing.T, c store.CDRConfig) stats.Source {
	t.Helper()
	source, err := store.OpenCDRStatistics(c, slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// TestCallStatOnMariaDB: both reports over CDR databases as Asterisk has them, with and without a table country_codes, while others are
// down, hang, refuse the password and lack columns.
func TestCallStatOnMariaDB(t *testing.T) {
	t.Parallel()
	const rows = `INSERT INTO cdr (calldate, clid, src, dst, dcontext, channel, dstchannel, lastapp, lastdata, duration, billsec, disposition, accountcode, uniqueid, cnum, cnam) VALUES
		('2026-02-10 23:59:59', '', '2104', '4930123', 'x', 'x', '', 'Dial', '', 65, 60, 'ANSWERED', '', '1770767999.1', '2104', 'Ines'),
		('2026-02-11 00:00:00', '', '2104', '4930123', 'x', 'x', '', 'Dial', '', 65, 60, 'ANSWERED', '', '1770768000.2', '2104', 'Ines'),
		('2026-02-11 12:00:00', '', '2104', '4930123', 'x', 'x', '', 'Dial', '', 96, 91, 'ANSWERED', '', '1770811200.3', '2104', 'Ines Roth'),
		('2026-02-11 12:00:01', '', '2104', '12425550100', 'x', 'x', '', 'Dial', '', 9, 0, 'NO ANSWER', '', '1770811201.4', '2104', ''),
		('2026-02-11 12:00:02', '', '2104', '4930123', 'x', 'x', '', 'Dial', '', 9, 0, 'FAILED', '', '1770811202.5', '2104', ''),
		('2026-02-11 12:00:03', '', '2104', '2105', 'x', 'x', '', 'Dial', '', 99, 90, 'ANSWERED', '', '1770811203.6', '2104', ''),
		('2026-02-11 12:00:04', '', '777', '+4930123', 'x', 'x', '', 'Dial', '', 99, 90, 'ANSWERED', '', '1770811204.7', '777', ''),
		('2026-02-11 12:00:05', '', '2001abc', '49', 'x', 'x', '', 'Dial', '', 99, 90, 'CONGESTION', '', '1770811205.8', '2001abc', ''),
		('2026-02-11 23:59:59', '', '2105', 's', 'x', 'x', '', 'Busy', '', 9, 9, 'BUSY', '', '1770854399.9', '2105', 'Otto'),
		('2026-02-12 00:00:00', '', '2105', '4930123', 'x', 'x', '', 'Dial', '', 99, 90, 'ANSWERED', '', '1770854400.10', '2105', 'Otto')`
	plain, db, config := foreignPBX(t, "pbx1", rows)
	coded, _, _ := foreignPBX(t, "pbx2", rows, "CREATE TABLE country_codes (code VARCHAR(10) PRIMARY KEY, country VARCHAR(100))", "INSERT INTO country_codes VALUES ('49', 'Deutschland'), ('1', 'USA')")
	lacking, _, _ := foreignPBX(t, "pbx3", "ALTER TABLE cdr DROP COLUMN disposition")
	wrong, absent, gone := config, config, config
	wrong.Label, wrong.Password = "pbx4", "geheim"
	absent.Label, absent.Name = "pbx5", "no_such_schema"
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Label, gone.Addr = "pbx6", closed.Addr().String()
	_ = closed.Close()
	hung := config
	hung.Label, hung.Addr = "pbx7", silent.Addr().String()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		counting(plain, coded, lacking, openPBX(t, wrong), openPBX(t, absent), openPBX(t, gone), openPBX(t, hung))(d)
		d.Stats = stats.New(stats.Options{Sources: d.Stats.Sources, Location: time.UTC, Now: d.Now, Limit: 20 * time.Second, Logger: d.Logger}) // the shared machine is slow
	})
	c := s.anonymous()
	a := c.get("/api/v1/" + reportToken + "/callstat").is(http.StatusOK)
	want := `{"data":[{"cnum":"2104","cnam":"Ines Roth","call_count":6,"total_call_time_minutes":5.03,"long_calls_count":2,"total_long_calls_minutes":3.03,"unique_calls":4},` +
		`{"cnum":"2105","cnam":"Otto","call_count":2,"total_call_time_minutes":0.0,"long_calls_count":0,"total_long_calls_minutes":0.0,"unique_calls":2}],"date":"2026-02-11","errors":{`
	if !strings.HasPrefix(a.body, want) {
		t.Errorf("%s\nwant %s", a.body, want)
	}
	failures := func(errors map[string]any) {
		t.Helper()
		if names := slices.Sorted(maps.Keys(errors)); !slices.Equal(names, []string{"pbx3", "pbx4", "pbx5", "pbx6", "pbx7"}) {
			t.Errorf("%v", errors)
		}
		for name, text := range errors {
			for _, inner := range []string{"geheim", config.User + "@", "Error 1", "dial tcp", "SELECT", "using password"} {
				if strings.Contains(text.(string), inner) {
					t.Errorf("%s tells %q: %s", name, inner, text)
				}
			}
		}
	}
	failures(a.object()["errors"].(map[string]any))
	asr := c.get("/api/v1/" + reportToken + "/asrstat").is(http.StatusOK)
	germany := `"answered_calls":3,"total_calls":4,"asr_percentage":75.0,"unique_destinations":2,"total_talk_minutes":4.02}`
	bahamas := `"answered_calls":0,"total_calls":1,"asr_percentage":0.0,"unique_destinations":1,"total_talk_minutes":0.0}`
	for _, want := range []string{
		`{"date":"2026-02-11","databases":{"pbx1":{"status":"success","data":[{"country_code":"+49","country":"Germany",` + germany + `,{"country_code":"+1242","country":"Bahamas",` + bahamas + `]},`,
		`"pbx2":{"status":"success","data":[{"country_code":"49","country":"Deutschland",` + germany + `,{"country_code":"1","country":"USA",` + bahamas + `]},"pbx3":{"status":"error","error":"`,
	} {
		if !strings.Contains(asr.body, want) {
			t.Errorf("%s\nlacks %s", asr.body, want)
		}
	}
	failed := map[string]any{}
	for name, d := range asr.object()["databases"].(map[string]any) {
		if o := d.(map[string]any); o["status"] == "error" {
			failed[name] = o["error"]
		}
	}
	failures(failed)
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM cdr").Scan(&n); err != nil || n != 10 {
		t.Errorf("%d rows are left: %v", n, err)
	}
}
