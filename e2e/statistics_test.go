package e2e

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/e2e/lab"
	"talktime/store/storetest"
)

// officeDialplan is that of an office PBX as FreePBX writes it, as far as call records go: cnum and cnam of each call, and an h
// extension that does not keep Asterisk from writing its second row. The first digits say how a call is made.
const officeDialplan = `
[office]
exten => _[+0-9]!,1,Set(CDR(cnum)=${CALLERID(num)})
 same => n,Set(CDR(cnam)=${CALLERID(name)})
 same => n,Goto(out,${EXTEN},1)
exten => h,1,NoOp()

[out]
exten => _+49X.,1,Dial(PJSIP/${EXTEN}@trunk,3)
 same => n,Hangup()
exten => _49X.,1,Dial(PJSIP/${EXTEN}@trunk,2)
 same => n,Hangup()
; As FreePBX goes on after a call that failed.
exten => _33X.,1,Dial(PJSIP/${EXTEN}@trunk,2)
 same => n,GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)
 same => n,Congestion(1)
 same => n(busy),Busy(1)
; Two phones at once, of which the second answers.
exten => _44X.,1,Dial(PJSIP/${EXTEN}300@trunk&PJSIP/${EXTEN}103@trunk,5)
 same => n,Hangup()
; The first carrier is busy, the second answers.
exten => _39X.,1,Dial(PJSIP/${EXTEN}200@trunk,5)
 same => n,Dial(PJSIP/${EXTEN}102@trunk,5)
 same => n,Hangup()
exten => _34X.,1,ForkCDR()
 same => n,Dial(PJSIP/${EXTEN}102@trunk,5)
 same => n,Hangup()
exten => _20XX,1,Dial(PJSIP/${EXTEN}102@trunk,5)
 same => n,Hangup()
exten => 600,1,Answer()
 same => n,Queue(support)
 same => n,Hangup()
exten => 601,1,Answer()
 same => n,Queue(slow)
 same => n,Hangup()
exten => h,1,NoOp()
`

// scripted is a call, what Asterisk writes about it, and where its rows are moved to, so that days and hours are known.
type scripted struct {
	from, name, to string
	talk           time.Duration // of the caller; 0: the other side ends the call
	at             string
	rows           string // of Asterisk: application, disposition and billsec of each, without the twin of h
	twin           bool   // an answered call leaves a row with dst=h
}

// officeCalls are two days of an office. A called party hangs up 0.4 s after a full second.
var officeCalls = []scripted{
	{"2001", "Ines Roth", "49301110102", 0, "2026-03-10 10:00:00", "Dial ANSWERED 2", true},
	{"2001", "Ines Roth", "49301110200", 0, "2026-03-10 10:05:00", "Dial BUSY 0", false},
	{"2001", "Ines Roth", "49301110300", 0, "2026-03-10 10:10:00", "Dial NO ANSWER 0", false},
	{"2001", "Ines Roth", "49301110400", 0, "2026-03-10 10:15:00", "Dial FAILED 0", false},
	{"2001", "Ines Roth", "49301110500", 0, "2026-03-10 10:20:00", "Dial NO ANSWER 0", false}, // 404
	{"2001", "Ines Roth", "+49301110701", 1400 * time.Millisecond, "2026-03-10 11:00:00", "Dial ANSWERED 1", true},
	{"2002", "2002", "33301110102", 0, "2026-03-10 10:25:00", "Dial ANSWERED 2", true},
	{"2002", "2002", "33301110200", 0, "2026-03-10 10:30:00", "Dial BUSY 0", false},
	{"2002", "2002", "33301110400", 0, "2026-03-10 10:35:00", "Dial FAILED 0", false},
	{"2003", "Bo", "44301110", 0, "2026-03-10 11:05:00", "Dial NO ANSWER 0, Dial ANSWERED 3", true},
	{"2003", "Bo", "39301110", 0, "2026-03-10 11:10:00", "Dial BUSY 0, Dial ANSWERED 2", true},
	{"2003", "Bo", "34301110", 0, "2026-03-10 11:15:00", "Dial ANSWERED 2, Dial ANSWERED 2", true},
	{"2004", "Cleo", "2001", 0, "2026-03-10 11:20:00", "Dial ANSWERED 2", true},
	{"4930999888", "Somebody", "600", 2400 * time.Millisecond, "2026-03-11 00:00:00", "Queue ANSWERED 2", true},
	{"4930999888", "Somebody", "601", 2400 * time.Millisecond, "2026-03-11 23:59:59", "Queue NO ANSWER 2", true},
}

// changes are moments around the changes of clocks in Berlin, Auckland and New York, by Berlin's clock. At each of them an
// answered call of 2001 is put into the table.
var changes = []string{
	"2026-03-28 23:59:59", "2026-03-29 00:00:00", "2026-03-29 01:59:59", "2026-03-29 03:00:00", "2026-03-29 23:59:59", "2026-03-30 00:00:00",
	"2026-10-24 23:59:59", "2026-10-25 00:00:00", "2026-10-25 01:59:59", "2026-10-25 02:00:00", "2026-10-25 02:59:59", "2026-10-25 03:00:00",
	"2026-10-25 23:59:59", "2026-10-26 00:00:00",
	"2026-04-04 15:30:00", "2026-04-04 16:30:00", "2026-09-26 15:30:00", "2026-09-26 16:30:00",
	"2026-03-08 07:30:00", "2026-03-08 08:30:00", "2026-11-01 06:30:00", "2026-11-01 07:30:00",
}

const statisticsToken = "statistics-token-of-the-test"

// TestStatistics lets a real Asterisk write its call records into MariaDB, and compares the reports with what was called.
func TestStatistics(t *testing.T) {
	lab.Require(t)
	url := storetest.Shared(t).NewDatabase(t)
	placeOfficeCalls(t, url)
	s := &site{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	s.url = "sqlite:" + filepath.Join(s.dir, "talktime.db")
	s.db = openStore(t, s.url)
	settings := cdrSettings(t, url)
	settings["TALKTIME_TIMEZONE"] = "Europe/Berlin"
	r := s.reports(t, settings)
	host := settings["DB1_HOST"]

	t.Run("callstat and asrstat", func(t *testing.T) { officeReports(t, r, host) })
	t.Run("call_statistics", func(t *testing.T) { officeBuckets(t, r) })
	t.Run("csv", func(t *testing.T) { officeCSV(t, r) })
	t.Run("when clocks change", func(t *testing.T) { clockChanges(t, r, host) })
	t.Run("from roll-ups", func(t *testing.T) { officeRollUps(t, s, settings, host) })
	t.Run("databases that fail", func(t *testing.T) { failingDatabases(t, s, settings) })
}

func officeReports(t *testing.T, r reports, host string) {
	r.same(t, "/api/v1/"+statisticsToken+"/callstat?date=2026-03-10", `{"data":[
		{"cnum":"2003","cnam":"Bo","call_count":3,"total_call_time_minutes":0.12,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":3},
		{"cnum":"2001","cnam":"Ines Roth","call_count":5,"total_call_time_minutes":0.05,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":5},
		{"cnum":"2002","cnam":"2002","call_count":2,"total_call_time_minutes":0.03,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":2}
		],"date":"2026-03-10"}`)
	r.same(t, "/api/v1/"+statisticsToken+"/callstat?date=2026-03-11", `{"data":[],"date":"2026-03-11"}`)
	r.same(t, "/api/v1/"+statisticsToken+"/asrstat?date=2026-03-10", `{"date":"2026-03-10","databases":{"`+host+`":{"status":"success","data":[
		{"country_code":"+49","country":"Germany","answered_calls":2,"total_calls":6,"asr_percentage":33.33,"unique_destinations":6,"total_talk_minutes":0.05},
		{"country_code":"+33","country":"France","answered_calls":1,"total_calls":3,"asr_percentage":33.33,"unique_destinations":3,"total_talk_minutes":0.03},
		{"country_code":"+34","country":"Spain","answered_calls":1,"total_calls":1,"asr_percentage":100,"unique_destinations":1,"total_talk_minutes":0.07},
		{"country_code":"+39","country":"Italy","answered_calls":1,"total_calls":1,"asr_percentage":100,"unique_destinations":1,"total_talk_minutes":0.03},
		{"country_code":"+44","country":"United Kingdom","answered_calls":1,"total_calls":1,"asr_percentage":100,"unique_destinations":1,"total_talk_minutes":0.05}
		]}}}`)
}

// officeRollUps: what was counted of the days beforehand gives the same figures.
func officeRollUps(t *testing.T, s *site, settings map[string]string, host string) {
	settings = maps.Clone(settings)
	settings["TALKTIME_ROLLUPS"] = "all"
	r := s.reports(t, settings)
	s.admin(0, "stats", "rebuild")
	for path, want := range map[string]string{
		"/api/v1/" + statisticsToken + "/callstat?date=2026-03-10":                                                                    "rollup",
		"/api/v1/" + statisticsToken + "/asrstat?date=2026-10-25":                                                                     "rollup",
		"/api/v1/" + statisticsToken + "/callstat?start=2026-03-28&end=2026-03-29%2012:00":                                            "rollup+raw",
		"/v2/accounts/all/call_statistics/hourly?q=" + period("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "Pacific/Auckland", ""): "rollup",
		"/v2/accounts/all/call_statistics/hourly?q=" + period("2026-04-04T13:00:00Z", "2026-04-04T15:00:00Z", "Pacific/Auckland", ""): "raw",
	} {
		if _, source := r.get(t, path); source != want {
			t.Errorf("%s comes from %q, want %q", path, source, want)
		}
	}
	officeReports(t, r, host)
	officeBuckets(t, r)
	clockChanges(t, r, host)
	s.admin(0, "stats", "verify")
}

// placeOfficeCalls places the calls, looks at what Asterisk wrote about them, and moves the rows to their days.
func placeOfficeCalls(t *testing.T, database string) {
	t.Helper()
	l := lab.Start(t, lab.Options{CDRDatabase: database, Extensions: officeDialplan, Context: "office"})
	var calls []*lab.Call
	for _, c := range officeCalls {
		call, err := l.StartCall(lab.CallSpec{Parties: []lab.Party{{From: c.from, To: c.to, Name: c.name}}, Talk: c.talk})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	for _, call := range calls {
		over(t, call)
	}
	db := storetest.Open(t, database)
	for _, c := range officeCalls {
		want := c.rows
		if c.twin {
			want += ", NoOp ANSWERED 0"
		}
		var got string
		lab.Eventually(t, 10*time.Second, func() bool {
			got = rowsOf(t, db, c.from, c.to)
			return strings.Count(got, ",") == strings.Count(want, ",") && got != ""
		}, "the records of %s to %s: have %s, want %s", c.from, c.to, got, want)
		if got != want {
			t.Errorf("of the call of %s to %s Asterisk wrote %s; want %s", c.from, c.to, got, want)
		}
		// The rows of a call begin within milliseconds of each other, but perhaps not in the same second.
		mustExec(t, db, `UPDATE cdr JOIN (SELECT uniqueid FROM cdr WHERE src = ? AND dst = ? LIMIT 1) mine USING (uniqueid)
			SET calldate = ? + INTERVAL IF(dst = 'h', duration + 3, 0) SECOND`, c.from, c.to, c.at)
	}
	for i, at := range changes {
		mustExec(t, db, `INSERT INTO cdr SELECT ? + INTERVAL IF(dst = 'h', 3, 0) SECOND, clid, src, dst, dcontext, channel, dstchannel, lastapp, lastdata, duration,
			billsec, disposition, amaflags, accountcode, ?, userfield, did, recordingfile, cnum, cnam, outbound_cnum, outbound_cnam, dst_cnam, linkedid,
			peeraccount, sequence FROM cdr WHERE uniqueid = (SELECT uniqueid FROM cdr WHERE dst = ? LIMIT 1)`, at, fmt.Sprintf("1700000000.%d", i), officeCalls[0].to)
	}
}

// rowsOf lists what Asterisk wrote about a call: application, disposition and billsec of each row.
func rowsOf(t *testing.T, db *sql.DB, from, to string) string {
	t.Helper()
	var all sql.NullString
	err := db.QueryRowContext(t.Context(), `SELECT GROUP_CONCAT(CONCAT(lastapp, ' ', disposition, ' ', billsec) ORDER BY sequence SEPARATOR ', ')
		FROM cdr WHERE uniqueid = (SELECT uniqueid FROM cdr WHERE src = ? AND dst = ? LIMIT 1)`, from, to).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all.String
}

func mustExec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%.60s: %v", statement, err)
	}
}

// reports is an admin server that is asked for statistics.
type reports struct {
	base  string
	token string
}

// reports runs the built admin server with these settings until the test has ended.
func (s *site) reports(t *testing.T, settings map[string]string) reports {
	t.Helper()
	env := map[string]string{"API_TOKEN": statisticsToken}
	maps.Copy(env, settings)
	base, _ := s.serveAdmin(t, env, statisticsToken, "secret-")
	name := strings.NewReplacer("http://", "", ":", "-").Replace(base)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(s.admin(0, "token", "add", "--name", name, "--scopes", "read,statistics", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	return reports{base: base, token: made.Token}
}

// get asks for a report and returns its body, and what it was counted from.
func (r reports) get(t *testing.T, path string) (body []byte, source string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", r.token)
	request.Header.Set("Authorization", "Bearer "+r.token)
	answer, err := (&http.Client{Timeout: 50 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", path, answer.Status, err, body)
	}
	return body, answer.Header.Get("X-Source")
}

// same compares a report with JSON, numbers as numbers.
func (r reports) same(t *testing.T, path, want string) {
	t.Helper()
	body, _ := r.get(t, path)
	compareJSON(t, path, body, want)
}

func compareJSON(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &b); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, got)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// bucket is a period of call_statistics.
type bucket struct {
	Total   int                    `json:"total"`
	Groups  map[string]bucket      `json:"groups"`
	Seconds struct{ Max, Min int } `json:"duration_seconds"`
}

// period is a query for the calls of a time, in buckets of a zone.
func period(from, to, zone, grouping string) string {
	q := fmt.Sprintf(`{"filters":[{"name":"call_time","op":"ge","val":%q},{"name":"call_time","op":"lt","val":%q}],"timezone":%q,"grouping":%q}`, from, to, zone, grouping)
	return url.QueryEscape(strings.ReplaceAll(q, `,"grouping":""`, ""))
}

// statistics asks for the calls of a time, in buckets of a zone.
func (r reports) statistics(t *testing.T, every, from, to, zone, grouping string) []byte {
	t.Helper()
	body, _ := r.get(t, "/v2/accounts/all/call_statistics/"+every+"?q="+period(from, to, zone, grouping))
	var envelope struct {
		Data   json.RawMessage
		Status string
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Status != "success" {
		t.Fatalf("%s: %v\n%s", every, err, body)
	}
	return envelope.Data
}

func officeBuckets(t *testing.T, r reports) {
	const from, to = "00:00:00 10/03/2026", "00:00:00 12/03/2026"
	const two = `{"max":2,"min":2,"median":2,"mean":2}`
	for _, c := range []struct{ period, zone, grouping, want string }{
		{"hourly", "Europe/Berlin", "", `{
			"10:00:00 10/03/2026":{"total":8,"duration_seconds":{"max":2,"min":0,"median":0,"mean":0.75}},
			"11:00:00 10/03/2026":{"total":5,"duration_seconds":{"max":3,"min":2,"median":2,"mean":2.2}},
			"00:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `},
			"23:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `}}`},
		{"hourly", "Europe/Berlin", "unanswered", `{
			"10:00:00 10/03/2026":{"total":8,"duration_seconds":{"max":2,"min":0,"median":0,"mean":0.75},"groups":{
				"0":{"total":2,"duration_seconds":` + two + `},"1":{"total":6,"duration_seconds":{"max":2,"min":0,"median":0,"mean":0.33}}}},
			"11:00:00 10/03/2026":{"total":5,"duration_seconds":{"max":3,"min":2,"median":2,"mean":2.2},"groups":{
				"0":{"total":5,"duration_seconds":{"max":3,"min":2,"median":2,"mean":2.2}}}},
			"00:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `,"groups":{"0":{"total":1,"duration_seconds":` + two + `}}},
			"23:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `,"groups":{"1":{"total":1,"duration_seconds":` + two + `}}}}`},
		{"daily", "Europe/Berlin", "call_direction", `{
			"00:00:00 10/03/2026":{"total":13,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.31},"groups":{
				"internal":{"total":1,"duration_seconds":` + two + `},"outbound":{"total":12,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.25}}}},
			"00:00:00 11/03/2026":{"total":2,"duration_seconds":` + two + `,"groups":{"inbound":{"total":2,"duration_seconds":` + two + `}}}}`},
		{"weekly", "Europe/Berlin", "", `{"00:00:00 09/03/2026":{"total":15,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.4}}}`},
		{"monthly", "Europe/Berlin", "", `{"00:00:00 01/03/2026":{"total":15,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.4}}}`},
	} {
		compareJSON(t, c.period+" by "+c.grouping, r.statistics(t, c.period, from, to, c.zone, c.grouping), c.want)
	}
	for zone, want := range map[string]string{
		"America/New_York": `{"00:00:00 10/03/2026":{"total":14,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.36}},
			"00:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `}}`,
		"Pacific/Auckland": `{"00:00:00 10/03/2026":{"total":13,"duration_seconds":{"max":3,"min":0,"median":2,"mean":1.31}},
			"00:00:00 11/03/2026":{"total":1,"duration_seconds":` + two + `},"00:00:00 12/03/2026":{"total":1,"duration_seconds":` + two + `}}`,
	} {
		got := r.statistics(t, "daily", "2026-03-10T00:00:00+01:00", "2026-03-12T00:00:00+01:00", zone, "")
		compareJSON(t, "daily in "+zone, got, want)
	}
}

// officeCSV: a line for each call, whatever Asterisk wrote about it.
func officeCSV(t *testing.T, r reports) {
	body, _ := r.get(t, "/v2/accounts/all/call_statistics/csv?q="+period("00:00:00 10/03/2026", "00:00:00 12/03/2026", "Europe/Berlin", ""))
	lines, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	var got, want []string
	for _, line := range lines[1:] {
		var cells []string
		for _, name := range []string{"call_time", "call_direction", "caller_id_name", "caller_id_number", "callee_id_number", "duration_seconds", "unanswered"} {
			cells = append(cells, line[column[name]])
		}
		got = append(got, strings.Join(cells, ","))
	}
	calls := slices.Clone(officeCalls)
	slices.SortFunc(calls, func(a, b scripted) int { return strings.Compare(a.at, b.at) })
	seconds := map[string]int{"49301110300": 2, "+49301110701": 2, "600": 2, "601": 2, "44301110": 3}
	for _, c := range calls {
		at, err := time.Parse(time.DateTime, c.at)
		if err != nil {
			t.Fatal(err)
		}
		direction, unanswered := "outbound", 1
		switch {
		case len(c.from) > 4:
			direction = "inbound"
		case len(c.to) == 4:
			direction = "internal"
		}
		duration, known := seconds[c.to]
		if strings.Contains(c.rows, " ANSWERED") {
			unanswered = 0
			if !known {
				duration = 2
			}
		}
		if strings.HasSuffix(c.rows, "NO ANSWER 2") {
			unanswered = 1
		}
		want = append(want, fmt.Sprintf("%s,%s,%s,%s,%s,%d,%d", at.Format("15:04:05 02/01/2006"), direction, c.name, c.from, c.to, duration, unanswered))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("csv: -want +got\n%s", diff)
	}
}

func clockChanges(t *testing.T, r reports, host string) {
	for date, count := range map[string]int{"2026-03-28": 1, "2026-03-29": 4, "2026-03-30": 1, "2026-10-24": 1, "2026-10-25": 6, "2026-10-26": 1} {
		minutes := map[int]string{1: "0.03", 4: "0.13", 6: "0.2"}[count]
		r.same(t, "/api/v1/"+statisticsToken+"/callstat?date="+date, fmt.Sprintf(`{"data":[{"cnum":"2001","cnam":"Ines Roth","call_count":%d,
			"total_call_time_minutes":%s,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":1}],"date":%q}`, count, minutes, date))
		r.same(t, "/api/v1/"+statisticsToken+"/asrstat?date="+date, fmt.Sprintf(`{"date":%q,"databases":{%q:{"status":"success","data":[
			{"country_code":"+49","country":"Germany","answered_calls":%d,"total_calls":%d,"asr_percentage":100,"unique_destinations":1,"total_talk_minutes":%s}]}}}`,
			date, host, count, count, minutes))
	}
	const spring, springEnd = "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z" // Berlin's day of 23 hours
	const autumn, autumnEnd = "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z" // and that of 25
	for _, c := range []struct{ period, from, to, zone, want string }{
		{"hourly", spring, springEnd, "Europe/Berlin", "00 29/03 1, 01 29/03 1, 03 29/03 1, 23 29/03 1"},
		{"hourly", spring, springEnd, "Pacific/Auckland", "12 29/03 1, 13 29/03 1, 14 29/03 1, 10 30/03 1"},
		{"hourly", spring, springEnd, "America/New_York", "19 28/03 1, 20 28/03 1, 21 28/03 1, 17 29/03 1"},
		{"daily", spring, springEnd, "Europe/Berlin", "00 29/03 4"},
		{"daily", spring, springEnd, "Pacific/Auckland", "00 29/03 3, 00 30/03 1"},
		{"daily", spring, springEnd, "America/New_York", "00 28/03 3, 00 29/03 1"},
		// The hour from 2 to 3 came twice in Berlin; what stands in the table is taken to be of the first.
		{"hourly", autumn, autumnEnd, "Europe/Berlin", "00 25/10 1, 01 25/10 1, 02 25/10 2, 03 25/10 1, 23 25/10 1"},
		{"hourly", autumn, autumnEnd, "Pacific/Auckland", "11 25/10 1, 12 25/10 1, 13 25/10 2, 15 25/10 1, 11 26/10 1"},
		{"hourly", autumn, autumnEnd, "America/New_York", "18 24/10 1, 19 24/10 1, 20 24/10 2, 22 24/10 1, 18 25/10 1"},
		{"daily", autumn, autumnEnd, "Europe/Berlin", "00 25/10 6"},
		{"daily", autumn, autumnEnd, "Pacific/Auckland", "00 25/10 5, 00 26/10 1"},
		{"daily", autumn, autumnEnd, "America/New_York", "00 24/10 5, 00 25/10 1"},
		{"weekly", autumn, autumnEnd, "Europe/Berlin", "00 19/10 6"},
		{"monthly", autumn, autumnEnd, "Europe/Berlin", "00 01/10 6"},
		// Changes of the zone that is asked for: an hour that comes twice is one bucket, one that is missing is none.
		{"hourly", "2026-04-04T13:00:00Z", "2026-04-04T15:00:00Z", "Pacific/Auckland", "02 05/04 2"},
		{"hourly", "2026-09-26T13:00:00Z", "2026-09-26T15:00:00Z", "Pacific/Auckland", "01 27/09 1, 03 27/09 1"},
		{"hourly", "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z", "America/New_York", "01 01/11 2"},
		{"hourly", "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z", "America/New_York", "01 08/03 1, 03 08/03 1"},
	} {
		if got := totals(t, r.statistics(t, c.period, c.from, c.to, c.zone, "")); got != c.want {
			t.Errorf("%s from %s in %s: %s; want %s", c.period, c.from, c.zone, got, c.want)
		}
	}
}

// totals lists the buckets in the order in which they stand, as hour, date and number of calls.
func totals(t *testing.T, data []byte) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	var list []string
	for _, err := decoder.Token(); decoder.More(); { // behind the brace
		if err != nil {
			t.Fatal(err)
		}
		label, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var b bucket
		if err := decoder.Decode(&b); err != nil {
			t.Fatal(err)
		}
		name, _ := label.(string)
		at, err := time.Parse("15:04:05 02/01/2006", name)
		if err != nil || at.Minute() != 0 || at.Year() != 2026 {
			t.Fatalf("a bucket is called %q: %v", name, err)
		}
		list = append(list, fmt.Sprintf("%s %d", at.Format("15 02/01"), b.Total))
	}
	return strings.Join(list, ", ")
}

// failingDatabases has one database that works and others that fail, each in its own way.
func failingDatabases(t *testing.T, s *site, good map[string]string) {
	working := net.JoinHostPort(good["DB1_HOST"], good["DB1_PORT"])
	settings := map[string]string{"TALKTIME_TIMEZONE": "Europe/Berlin"}
	database := func(slot int, addr, password, name string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"HOST": host, "PORT": port, "USER": good["DB1_USER"], "PASSWORD": password, "NAME": name} {
			settings[fmt.Sprintf("DB%d_%s", slot, key)] = value
		}
		return host
	}
	bare := storetest.Shared(t).NewDatabase(t)
	mustExec(t, storetest.Open(t, bare), "CREATE TABLE cdr (calldate DATETIME NOT NULL, src VARCHAR(80), dst VARCHAR(80), KEY (calldate))")
	database(1, working, good["DB1_PASSWORD"], good["DB1_NAME"])
	hung := database(2, listen(t, "127.0.0.12", nil), "secret-2", "asteriskcdrdb")
	down := database(3, "127.0.0.13:1", "secret-3", "asteriskcdrdb")
	refused := database(4, listen(t, "127.0.0.14", forwardTo(working)), "secret-4", good["DB1_NAME"])
	lacking := database(5, listen(t, "127.0.0.15", forwardTo(working)), good["DB1_PASSWORD"], parse(t, bare).Name)
	r := s.reports(t, settings)

	var callstat struct {
		Data   []struct{ Cnum string }
		Errors map[string]string
	}
	body, _ := r.get(t, "/api/v1/"+statisticsToken+"/callstat?date=2026-03-10")
	if err := json.Unmarshal(body, &callstat); err != nil {
		t.Fatal(err)
	}
	if len(callstat.Data) != 3 || len(callstat.Errors) != 4 {
		t.Errorf("callstat: %s", body)
	}
	for _, host := range []string{hung, down, refused, lacking} {
		if callstat.Errors[host] == "" {
			t.Errorf("callstat says nothing of %s: %s", host, body)
		}
	}
	noSecrets(t, body)

	var asrstat struct {
		Databases map[string]struct {
			Status, Error string
			Data          []any
		}
	}
	body, _ = r.get(t, "/api/v1/"+statisticsToken+"/asrstat?date=2026-03-10")
	if err := json.Unmarshal(body, &asrstat); err != nil {
		t.Fatal(err)
	}
	for host, status := range map[string]string{good["DB1_HOST"]: "success", hung: "error", down: "error", refused: "error", lacking: "error"} {
		if d := asrstat.Databases[host]; d.Status != status || (d.Error == "") != (status == "success") || (len(d.Data) == 5) != (status == "success") {
			t.Errorf("asrstat of %s: %+v", host, d)
		}
	}
	noSecrets(t, body)
	if got := totals(t, r.statistics(t, "daily", "00:00:00 10/03/2026", "00:00:00 12/03/2026", "Europe/Berlin", "")); got != "00 10/03 13, 00 11/03 2" {
		t.Errorf("call_statistics beside databases that fail: %s", got)
	}
}

// noSecrets: neither passwords nor what a driver says.
func noSecrets(t *testing.T, body []byte) {
	t.Helper()
	for _, word := range []string{"secret-", "Access denied for user", "dial tcp"} {
		if strings.Contains(string(body), word) {
			t.Errorf("the answer tells %q: %s", word, body)
		}
	}
}

// listen accepts connections and hands them to a function, or says nothing to them, until the test has ended.
func listen(t *testing.T, host string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			if serve != nil {
				go serve(conn)
			}
		}
	}()
	return l.Addr().String()
}

// forwardTo is a server that stands for another one.
func forwardTo(addr string) func(net.Conn) {
	return func(client net.Conn) {
		defer func() { _ = client.Close() }()
		server, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(server, client) }()
		_, _ = io.Copy(client, server)
	}
}

// TestStatisticsOfOurOwnCalls: without CDR databases the calls that we permitted are what is counted.
func TestStatisticsOfOurOwnCalls(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{SystemName: "lab"})
	s.user("59899000001", 100)
	s.user("59899000002", 100)
	today := time.Now().UTC().Format(time.DateOnly)
	for _, spec := range []lab.CallSpec{
		{From: "59899000001", To: "4930111102"}, {From: "59899000001", To: "4930111200"}, {From: "59899000002", To: "33301110103"},
	} {
		call, err := l.StartCall(spec)
		if err != nil {
			t.Fatal(err)
		}
		over(t, call)
	}
	s.settles(t, "59899000001", 98)
	s.settles(t, "59899000002", 97)
	if time.Now().UTC().Format(time.DateOnly) != today {
		t.Skip("the day ended in the middle of the calls")
	}
	r := s.reports(t, nil)
	r.same(t, "/api/v1/"+statisticsToken+"/callstat?date="+today, `{"data":[
		{"cnum":"59899000002","cnam":"user-59899000002","call_count":1,"total_call_time_minutes":0.05,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":1},
		{"cnum":"59899000001","cnam":"user-59899000001","call_count":2,"total_call_time_minutes":0.03,"long_calls_count":0,"total_long_calls_minutes":0,"unique_calls":2}
		],"date":"`+today+`"}`)
	r.same(t, "/api/v1/"+statisticsToken+"/asrstat?date="+today, `{"date":"`+today+`","databases":{"talktime":{"status":"success","data":[
		{"country_code":"+49","country":"Germany","answered_calls":1,"total_calls":2,"asr_percentage":50,"unique_destinations":2,"total_talk_minutes":0.03},
		{"country_code":"+33","country":"France","answered_calls":1,"total_calls":1,"asr_percentage":100,"unique_destinations":1,"total_talk_minutes":0.05}]}}}`)

	body, _ := r.get(t, "/api/stats/summary?by=none&of=country&from="+today)
	var summary struct {
		Rows []struct {
			Key                string
			Attempts, Answered int
		}
		Total struct {
			Attempts, Answered int
			ASR, NER, Minutes  float64
			Talk               int `json:"talk_seconds"`
			Money              []struct{ Currency, Revenue string }
		}
	}
	if err := json.Unmarshal(body, &summary); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v", summary); got != "{Rows:[{Key:+49 Attempts:2 Answered:1} {Key:+33 Attempts:1 Answered:1}] "+
		"Total:{Attempts:3 Answered:2 ASR:66.67 NER:100 Minutes:0.08 Talk:5 Money:[{Currency:SEC Revenue:5}]}}" {
		t.Errorf("summary: %s\n%s", got, body)
	}
	// Each row has the way to its calls.
	var row struct{ Rows []struct{ Calls string } }
	if err := json.Unmarshal(body, &row); err != nil {
		t.Fatal(err)
	}
	var calls struct {
		Objects []struct{ Number string }
	}
	body, _ = r.get(t, row.Rows[0].Calls)
	if err := json.Unmarshal(body, &calls); err != nil || len(calls.Objects) != 2 || !strings.HasPrefix(calls.Objects[0].Number, "4930111") {
		t.Errorf("the calls to Germany: %v\n%s", err, body)
	}
}
