package callcenter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"talktime/adminapi/callcenter"
	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
)

// figures is a service that keeps what it was asked, and answers with what it was given.
type figures struct {
	queues, agents []queues.Name
	table          queues.Table
	rows           []reports.Row
	found          []reports.FoundCall
	events         []reports.CallEvent
	err            error

	asked    string
	who      reports.Scope
	filter   reports.Filter
	search   reports.Search
	answered bool
	page     reports.Page
}

func (f *figures) Names(_ context.Context, who reports.Scope) (queueNames, agentNames []queues.Name, err error) {
	f.who = who
	return f.queues, f.agents, f.err
}

func (f *figures) Report(_ context.Context, who reports.Scope, filter reports.Filter, name string) (queues.Table, error) {
	f.who, f.filter, f.asked = who, filter, name
	return f.table, f.err
}

func (f *figures) PageOfRows(_ context.Context, who reports.Scope, filter reports.Filter, answered bool, p reports.Page) ([]reports.Row, int, error) {
	f.who, f.filter, f.answered, f.page = who, filter, answered, p
	return f.rows, len(f.rows), f.err
}

func (f *figures) PageOfSearch(_ context.Context, who reports.Scope, s reports.Search, p reports.Page) ([]reports.FoundCall, int, error) {
	f.who, f.search, f.filter, f.page = who, s, s.Filter, p
	return f.found, len(f.found), f.err
}

func (f *figures) Call(_ context.Context, who reports.Scope, id string) ([]reports.CallEvent, error) {
	f.who, f.asked = who, id
	return f.events, f.err
}

// zone has the time of Vienna.
func zone(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// at is a time by Vienna's clocks, in microseconds since 1970.
func at(t testing.TB, text string) int64 {
	t.Helper()
	when, err := time.ParseInLocation(time.DateTime, text, zone(t))
	if err != nil {
		t.Fatal(err)
	}
	return when.UnixMicro()
}

// api answers on a Wednesday in June at noon, in Vienna.
func api(t testing.TB, f *figures) callcenter.API {
	t.Helper()
	now := time.UnixMicro(at(t, "2027-06-09 12:00:00"))
	return callcenter.API{Service: f, Location: zone(t), Now: func() time.Time { return now }, Who: reports.Scope{All: true}, Base: "/stats"}
}

// get asks, and returns the status and the body.
func get(t testing.TB, a callcenter.API, query string) (int, string) {
	t.Helper()
	answer, err := a.Get(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var b bytes.Buffer
	if n, err := answer.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%s: %d bytes, %v", query, n, err)
	}
	return answer.Status, b.String()
}

// says fails the test unless a query is answered with this.
func says(t testing.TB, a callcenter.API, query string, status int, want string) {
	t.Helper()
	if s, got := get(t, a, query); s != status || got != want {
		t.Errorf("%s:\n got %d %s\nwant %d %s", query, s, got, status, want)
	}
}

// TestDetail is the row that the contract shows.
func TestDetail(t *testing.T) {
	t.Parallel()
	f := &figures{rows: []reports.Row{{
		Detail: queues.Detail{
			Item:   queues.Item{At: at(t, "2027-06-09 08:15:40"), Outcome: queues.Answered, End: "COMPLETECALLER", Wait: 12, Ring: 5, Talk: 201, DID: "5550100"},
			CallID: "1812528928.11", Caller: "5550177",
		},
		QueueKey: "sales", QueueShown: "Sales", AgentKey: "Iva Moss", AgentShown: "Iva Moss", Recording: "q-sales-1812528928.11.wav",
	}}}
	a := api(t, f)
	const want = `{"page":"1","total":"1","records":"1","rows":[{"datetime":"09-06-2027 08:15:40","queue":"sales","agent":"Iva Moss","callerid":"5550177","event":"COMPLETECALLER","waitTime":"12","ringTime":"5","callTime":"201","agentName":"Iva Moss","queueName":"Sales","recording":"q-sales-1812528928.11.wav","uniqueid":"1812528928.11","callflow":"/stats/rest/index.php?entity=call/1812528928.11","url":"","did":"5550100"}]}`
	says(t, a, "entity=reports/answered_calls_detail", http.StatusOK, want)
	if !f.answered {
		t.Error("it is about those who were not answered")
	}
	for _, base := range []string{"/qstats", ""} {
		a.Base = base
		says(t, a, "entity=reports%2Funanswered_calls_detail", http.StatusOK, strings.Replace(want, "/stats/rest", base+"/rest", 1))
	}
	if f.answered {
		t.Error("it is about those who were answered")
	}
	// What a caller calls himself stays what it is.
	f.rows[0].Caller, f.rows[0].CallID, f.rows[0].URL = "\"\\</script>\x00\n\r\t\x7f\xff ü\u2028", `1.1&x="/`, "http://x/?a=b&c"
	_, body := get(t, a, "entity=reports/answered_calls_detail")
	var document struct{ Rows []map[string]string }
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	row := document.Rows[0]
	if row["callerid"] != "\"\\</script>\x00\n\r\t\x7f\ufffd ü\u2028" || row["url"] != "http://x/?a=b&c" || row["callflow"] != "/rest/index.php?entity=call/1.1%26x%3D%22%2F" {
		t.Errorf("%q", row)
	}
	if strings.ContainsAny(body, "\x00\n\r\t\x7f\u2028") || !utf8.ValidString(body) {
		t.Errorf("%q", body)
	}
}

// TestCallFlow is what the contract shows.
func TestCallFlow(t *testing.T) {
	t.Parallel()
	event := func(when, agent, name string, params ...string) reports.CallEvent {
		e := reports.CallEvent{Event: queues.Event{At: at(t, when), CallID: "1812528928.11", Queue: "sales", Agent: agent, Name: name}, QueueShown: "Sales", AgentShown: agent}
		copy(e.Params[:], params)
		return e
	}
	f := &figures{events: []reports.CallEvent{
		event("2027-06-09 08:15:28", "NONE", "ENTERQUEUE", "", "5550177", "1"), event("2027-06-09 08:15:40", "Iva Moss", "CONNECT", "12", "1812528935.12", "5"),
	}}
	a := api(t, f)
	says(t, a, "entity=call/1812528928.11", http.StatusOK, `{"totalpages":"1","currpage":"1","totalrecords":"2","data":[`+
		`{"id":"1","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:28","queue":"sales","agent":"NONE","event":"ENTERQUEUE","info1":"","info2":"5550177","info3":"1","info4":"","info5":"","agentName":"NONE","queueName":"Sales"},`+
		`{"id":"2","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:40","queue":"sales","agent":"Iva Moss","event":"CONNECT","info1":"12","info2":"1812528935.12","info3":"5","info4":"","info5":"","agentName":"Iva Moss","queueName":"Sales"}]}`)
	if f.asked != "1812528928.11" {
		t.Errorf("asked of %q", f.asked)
	}
	f.events = nil
	const none = `{"totalpages":"0","currpage":"1","totalrecords":"0","data":[]}`
	says(t, a, "entity=call/pbx-1_2.3", http.StatusOK, none)
	f.err = reports.ErrNotFound
	says(t, a, "entity=call/pbx-1_2.3", http.StatusOK, none)
	for _, id := range []string{"", "1.1'", "1.1 OR 1", "%00", "../x", "a/b", "ü", "%ff", "1.1%0a", "1;2", "*", strings.Repeat("1", 151)} {
		status, body := get(t, a, "entity=call/"+id)
		if status != http.StatusBadRequest || !strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%q: %d %s", id, status, body)
		}
	}
}

// TestLists are those of queues and agents.
func TestLists(t *testing.T) {
	t.Parallel()
	name := func(id int32, key, shown string) queues.Name { return queues.Name{ID: id, Key: key, Shown: shown} }
	f := &figures{
		queues: []queues.Name{name(1, "NONE", "NONE"), name(4, "sales", "Sales"), name(3, "2009", "2009"), name(2, "2000", "2000")},
		agents: []queues.Name{name(2, "B.Obama", "B.Obama"), name(1, "NONE", "NONE"), name(6, "SIP/204", `Andy "A"`)},
	}
	a := api(t, f)
	says(t, a, "entity=queues", http.StatusOK, `{"data":[{"queue_id":"2","queue":"2000","queue_name":"2000"},{"queue_id":"3","queue":"2009","queue_name":"2009"},{"queue_id":"-1","queue":"ALL","queue_name":"ALL"},`+
		`{"queue_id":"1","queue":"NONE","queue_name":"NONE"},{"queue_id":"4","queue":"sales","queue_name":"Sales"}]}`)
	says(t, a, "entity=agents", http.StatusOK, `{"data":[{"agent_id":"-1","agent":"ALL","agent_name":"ALL"},{"agent_id":"6","agent":"SIP/204","agent_name":"Andy \"A\""},`+
		`{"agent_id":"2","agent":"B.Obama","agent_name":"B.Obama"},{"agent_id":"1","agent":"NONE","agent_name":"NONE"}]}`)
	says(t, a, "entity=queues/4", http.StatusOK, `{"data":[{"queue_id":"4","queue":"sales","queue_name":"Sales"}]}`)
	says(t, a, "entity=agents/6", http.StatusOK, `{"data":[{"agent_id":"6","agent":"SIP/204","agent_name":"Andy \"A\""}]}`)
	says(t, a, "entity=queues/-1", http.StatusOK, `{"data":[{"queue_id":"-1","queue":"ALL","queue_name":"ALL"}]}`)
	for _, id := range []string{"", "9", "04", "4.0", "+4", "sales", "4/", "-01", "99999999999999999999", "NONE", "4%20"} {
		says(t, a, "entity=queues/"+id, http.StatusNotFound, `{"data":[]}`)
		says(t, a, "entity=agents/"+id, http.StatusNotFound, `{"data":[]}`)
	}
	if f.queues[0].Key != "NONE" || len(f.queues) != 4 {
		t.Error("the service's list was changed")
	}
}

// TestReports: tables, the list of them, and what is none.
func TestReports(t *testing.T) {
	t.Parallel()
	f := &figures{table: queues.Table{Columns: []string{"Queue", "Received", "% Calls"}, Rows: [][]string{{"Sales", "165", "71.12"}, {"Support", "67", "28.88"}}}}
	a := api(t, f)
	says(t, a, "entity=reports", http.StatusOK, `{"data":[{"report":"answered_calls_detail"},{"report":"answered_calls_by_queue"},{"report":"answered_calls_by_agent"},{"report":"answered_calls_by_url"},{"report":"answered_calls_by_did"},{"report":"answered_calls_by_holdtime"},{"report":"answered_calls_by_event"}]}`)
	says(t, a, "entity=reports&start=x&rows=-1", http.StatusOK, `{"data":[{"report":"answered_calls_detail"},{"report":"answered_calls_by_queue"},{"report":"answered_calls_by_agent"},{"report":"answered_calls_by_url"},{"report":"answered_calls_by_did"},{"report":"answered_calls_by_holdtime"},{"report":"answered_calls_by_event"}]}`)
	const sales, support = `{"Queue":"Sales","Received":"165","% Calls":"71.12"}`, `{"Queue":"Support","Received":"67","% Calls":"28.88"}`
	for query, want := range map[string]string{
		"":                      `{"page":"1","total":"1","records":"2","rows":[` + sales + `,` + support + `]}`,
		"&page=1":               `{"page":"1","total":"1","records":"2","rows":[` + sales + `,` + support + `]}`,
		"&page=2":               `{"page":"2","total":"1","records":"2","rows":[]}`,
		"&rows=1":               `{"page":"1","total":"2","records":"2","rows":[` + sales + `]}`,
		"&rows=1&page=2":        `{"page":"2","total":"2","records":"2","rows":[` + support + `]}`,
		"&rows=1&page=3":        `{"page":"3","total":"2","records":"2","rows":[]}`,
		"&rows=1000":            `{"page":"1","total":"1","records":"2","rows":[` + sales + `,` + support + `]}`,
		"&rows=2&page=999999":   `{"page":"999999","total":"1","records":"2","rows":[]}`,
		"&_search=false&nd=1&x": `{"page":"1","total":"1","records":"2","rows":[` + sales + `,` + support + `]}`,
		"&page=&rows=&start=&end=&queue=&agent=&secondsstart=": `{"page":"1","total":"1","records":"2","rows":[` + sales + `,` + support + `]}`,
	} {
		says(t, a, "entity=reports/answered_calls_by_queue"+query, http.StatusOK, want)
	}
	for _, name := range []string{"answered_calls_by_agent", "answered_calls_by_url", "answered_calls_by_did", "answered_calls_by_holdtime", "answered_calls_by_event", "distribution_by_queue"} {
		if status, _ := get(t, a, "entity=reports/"+name); status != http.StatusOK || f.asked != name {
			t.Errorf("%s: %d, of %s", name, status, f.asked)
		}
	}
	for _, name := range []string{"", "x", "answered_calls", "Answered_calls_by_queue", "answered_calls_by_queue/", "answered_calls_by_queue/x", "%00"} {
		if status, body := get(t, a, "entity=reports/"+name); name != "%00" && (status != http.StatusNotFound || body != `{"error":"unknown report"}`) {
			t.Errorf("%q: %d %s", name, status, body)
		}
	}
	for _, entity := range []string{"", "x", "Reports", "report", "call", "realtime/", "search/", "realtimes", "/", "queues2", "ALL"} {
		says(t, a, "entity="+entity, http.StatusNotFound, `{"error":"unknown entity"}`)
	}
	says(t, a, "", http.StatusNotFound, `{"error":"unknown entity"}`)
	says(t, a, "entity=queues&entity=agents", http.StatusBadRequest, `{"error":"entity has two values"}`)
	f.table = queues.Table{Columns: f.table.Columns}
	says(t, a, "entity=reports/answered_calls_by_queue", http.StatusOK, `{"page":"1","total":"0","records":"0","rows":[]}`)
	f.err = reports.ErrUnknownReport
	says(t, a, "entity=reports/distribution_by_queue", http.StatusNotFound, `{"error":"unknown report"}`)
	f.err = fmt.Errorf("%w: %d", reports.ErrTooMany, 100_001)
	for _, entity := range []string{"reports/answered_calls_detail", "search"} {
		says(t, a, "entity="+entity, http.StatusBadRequest, `{"error":"narrow the range"}`)
	}
	f.err = errors.New("the database is away")
	for _, entity := range []string{"reports/answered_calls_detail", "reports/answered_calls_by_url", "search", "queues", "agents/1", "call/1.1"} {
		if _, err := a.Get(t.Context(), "entity="+entity); !errors.Is(err, f.err) {
			t.Errorf("%s: %v", entity, err)
		}
	}
}

// TestFilters: which range, part of the day, queues and agents a query means.
func TestFilters(t *testing.T) {
	t.Parallel()
	f := &figures{}
	a := api(t, f)
	day := func(text string) time.Time { return time.UnixMicro(at(t, text+" 00:00:00")) }
	for query, want := range map[string][2]time.Time{
		"":                                                  {day("2027-06-09"), day("2027-06-10")},
		"start=2027-06-01&end=2027-06-03":                   {day("2027-06-01"), day("2027-06-04")},
		"start=2027-06-01":                                  {day("2027-06-01"), day("2027-06-10")},
		"end=2027-06-03":                                    {day("2027-06-03"), day("2027-06-04")},
		"start=2027-06-03&end=2027-06-03":                   {day("2027-06-03"), day("2027-06-04")},
		"start=2027-02-28&end=2027-02-28":                   {day("2027-02-28"), day("2027-03-01")},
		"start=2027-03-28&end=2027-03-28":                   {day("2027-03-28"), day("2027-03-28").Add(23 * time.Hour)}, // clocks are put forward
		"start=2027-10-31&end=2027-10-31":                   {day("2027-10-31"), day("2027-10-31").Add(25 * time.Hour)}, // and back
		"start=2026-12-31&end=2026-12-31":                   {day("2026-12-31"), day("2027-01-01")},
		"start=2027-06-09+08:15:28":                         {day("2027-06-09").Add(8*time.Hour + 15*time.Minute + 28*time.Second), day("2027-06-10")},
		"end=2027-06-08%2008:15:28":                         {day("2027-06-08"), day("2027-06-08").Add(8*time.Hour + 15*time.Minute + 29*time.Second)},
		"start=2027-06-08+23:59:59&end=2027-06-08+23:59:59": {day("2027-06-09").Add(-time.Second), day("2027-06-09")},
		"start=2027-06-08+23:59:59&end=2027-06-08":          {day("2027-06-09").Add(-time.Second), day("2027-06-09")},
		"start=2027-06-08&start=2027-06-08":                 {day("2027-06-08"), day("2027-06-10")},
		"end=2031-01-01":                                    {day("2031-01-01"), day("2031-01-02")},
	} {
		if status, body := get(t, a, "entity=search&"+query); status != http.StatusOK || !f.filter.From.Equal(want[0]) || !f.filter.To.Equal(want[1]) {
			t.Errorf("%s: %d %s, from %v to %v, want %v", query, status, body, f.filter.From, f.filter.To, want)
		}
	}
	whole := reports.Window{From: 0, To: 86399}
	for query, want := range map[string]reports.Window{
		"": whole, "secondsstart=28800&secondsend=61199": {From: 28800, To: 61199}, "secondstart=28800&secondend=61199": {From: 28800, To: 61199},
		"secondsstart=0&secondsend=86399": whole, "secondsstart=2016551&secondsend=2019999": whole, "secondsstart=-1&secondsend=86400": whole,
		"secondsstart=79200&secondsend=21599": {From: 79200, To: 21599}, "secondsend=0": {From: 86400, To: 0}, "secondsstart=0&secondsend=0": {From: 86400, To: 0},
		"secondsstart=86399": {From: 86399, To: 86399}, "secondsstart=5&secondstart=5": {From: 5, To: 86399},
		"secondsstart=99999999999999999999&secondend=-99999999999999999999": whole, "secondsstart=7&secondsend=99999": {From: 7, To: 86399}, "secondsstart=007": {From: 7, To: 86399},
	} {
		if status, body := get(t, a, "entity=search&"+query); status != http.StatusOK || f.filter.Window != want {
			t.Errorf("%s: %d %s, %v, want %v", query, status, body, f.filter.Window, want)
		}
	}
	for query, want := range map[string][2][]string{
		"": {}, "queue=ALL&agent=ALL": {}, "queue=sales": {{"sales"}, nil}, "queue=sales,ALL": {}, "queue=sales&queue=ALL": {}, "queue=&agent=": {}, "queue=,": {}, "queue=+,+": {},
		"queue=sales,&queue=nobody": {{"sales,", "sales", "nobody"}, nil}, "queue=all": {{"all"}, nil}, "queue=%25": {{"%"}, nil},
		"agent=Moss,+Iva": {nil, {"Moss, Iva", "Moss", "Iva"}}, "agent=Ben&agent=SIP/204&queue=sales": {{"sales"}, {"Ben", "SIP/204"}},
	} {
		if status, body := get(t, a, "entity=reports/answered_calls_detail&"+query); status != http.StatusOK || !slices.Equal(f.filter.Queues, want[0]) || !slices.Equal(f.filter.Agents, want[1]) ||
			(f.filter.Queues == nil) != (want[0] == nil) || (f.filter.Agents == nil) != (want[1] == nil) {
			t.Errorf("%s: %d %s, %q %q, want %q", query, status, body, f.filter.Queues, f.filter.Agents, want)
		}
	}
	for query, want := range map[string]string{
		"start=yesterday": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "start=2027-02-30": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "end=2027-6-1": "end must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS",
		"start=2027-06-01T00:00:00": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "end=09-06-2027": "end must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "start=2027-06-01+00:00": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS",
		"start=2027-06-01+00:00:00.5": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "start=2027-06-01+24:00:00": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "start=+2027-06-01": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS",
		"start=2027-06-03&end=2027-06-02": "start is after end", "start=2027-06-10": "start is after end", "start=2027-06-02+10:00:01&end=2027-06-02+10:00:00": "start is after end",
		"start=2027-06-03&start=2027-06-02": "start has two values", "secondsstart=1&secondstart=2": "secondsstart has two values",
		"secondsstart=x": "secondsstart must be a number of seconds", "secondend=1e3": "secondsend must be a number of seconds", "secondsend=-": "secondsend must be a number of seconds",
		"secondsend=--1": "secondsend must be a number of seconds", "secondsstart=1.5": "secondsstart must be a number of seconds", "secondsstart=+1": "secondsstart must be a number of seconds", "secondsstart=%2B1": "secondsstart must be a number of seconds",
		"secondsstart=1%00": `"secondsstart" is no text`, "queue=%ff": `"queue" is no text`, "did=a%00": `"did" is no text`,
		"page=1000001": "page must be a number from 1 to 1000000", "page=0": "page must be a number from 1 to 1000000", "page=x": "page must be a number from 1 to 1000000", "page=9999999999999999999": "page must be a number from 1 to 1000000", "rows=0": "rows must be a number from 1 to 1000",
		"rows=1001": "rows must be a number from 1 to 1000", "rows=-1": "rows must be a number from 1 to 1000", "rows=%2B1": "rows must be a number from 1 to 1000", "rows=1&rows=2": "rows has two values",
		"a;b": "the query cannot be read: a semicolon is written %3B there, a percent sign %25", "start=%zz": "the query cannot be read: a semicolon is written %3B there, a percent sign %25", "queue=50%": "the query cannot be read: a semicolon is written %3B there, a percent sign %25",
		"queue=" + strings.Repeat("x,", 1001): "queue has more than 1000 names",
	} {
		for _, entity := range []string{"search", "reports/answered_calls_detail", "reports/answered_calls_by_queue"} {
			body, err := json.Marshal(map[string]string{"error": want})
			if err != nil {
				t.Fatal(err)
			}
			says(t, a, "entity="+entity+"&"+query, http.StatusBadRequest, string(body))
		}
	}
}

// TestPages: which part of a list is asked for.
func TestPages(t *testing.T) {
	t.Parallel()
	f := &figures{rows: make([]reports.Row, 1), found: make([]reports.FoundCall, 1)}
	a := api(t, f)
	for query, want := range map[string]reports.Page{
		"": {}, "page=1": {}, "rows=1000": {Rows: 1000}, "rows=1000&page=1": {Rows: 1000}, "rows=10&page=3": {Skip: 20, Rows: 10}, "rows=1000&page=1000000": {Skip: 999_999_000, Rows: 1000},
		"page=2": {Skip: math.MaxInt32}, // behind the only page
	} {
		for _, entity := range []string{"search", "reports/answered_calls_detail", "reports/unanswered_calls_detail"} {
			if get(t, a, "entity="+entity+"&"+query); f.page != want {
				t.Errorf("%s: %+v, want %+v", query, f.page, want)
			}
		}
	}
}

// TestSearch: what it looks for, and a row of what it finds.
func TestSearch(t *testing.T) {
	t.Parallel()
	f := &figures{found: []reports.FoundCall{{
		Call: queues.Call{
			ID: "1.1", First: "ENTERQUEUE", Start: at(t, "2027-06-09 08:15:28"), End: at(t, "2027-06-09 08:17:12"), Caller: "5550177", Final: "COMPLETEAGENT",
			Queue: "sales", Agent: "Iva Moss", Wait: 7, Waits: 10, Talk: 94, Passages: make([]queues.Passage, 2),
		},
		QueueShown: "Sales", AgentShown: "Iva", Recording: "1.1.wav",
	}}}
	a := api(t, f)
	says(t, a, "entity=search", http.StatusOK, `{"page":"1","total":"1","records":"1","rows":[{"firstEvent":"ENTERQUEUE","overflow":"2","uniqueid":"1.1","callerid":"5550177","dateStart":"2027-06-09 08:15:28","dateEnd":"2027-06-09 08:17:12",`+
		`"event":"COMPLETEAGENT","agent":"Iva Moss","queue":"sales","waitTime":"7","talkTime":"94","combinedWaitTime":"10","totalDuration":"104","recordingFilename":"1.1.wav","agent_name":"Iva","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/1.1"}]}`)
	get(t, a, "entity=search&uniqueid=1.1&clid=55%2501&url=u&tag=Sale&did=100&talktime=60,99999&waittime=30")
	want := reports.Search{ID: "1.1", Caller: "55%01", URL: "u", Tag: "Sale", DID: "100", Talk: reports.Seconds{Min: 60, Max: 99999}, Wait: reports.Seconds{Min: 30}, Filter: f.search.Filter}
	if fmt.Sprint(f.search) != fmt.Sprint(want) {
		t.Errorf("looks for %+v, want %+v", f.search, want)
	}
	for _, text := range []string{"x", "1,", ",1", ",", "5,4", "-1", "1,2,3", "1.5", "1 ", "%2B1", "1e3", "-1,5"} {
		for _, name := range []string{"talktime", "waittime"} {
			if status, body := get(t, a, "entity=search&"+name+"="+strings.ReplaceAll(text, " ", "%20")); status != http.StatusBadRequest || !strings.HasPrefix(body, `{"error":"`+name) {
				t.Errorf("%s=%s: %d %s", name, text, status, body)
			}
		}
	}
	get(t, a, "entity=search&talktime=0,0")
	if f.search.Talk != (reports.Seconds{Max: -1}) {
		t.Errorf("%+v", f.search)
	}
	get(t, a, "entity=search&talktime=0&waittime=5,99999999999999999999999")
	if f.search.Talk != (reports.Seconds{}) || f.search.Wait.Min != 5 || f.search.Wait.Max < 1<<60 {
		t.Errorf("%+v", f.search)
	}
}

// picture is how two queues are.
func picture() *live.Picture {
	today := queues.Facts{
		Offered: 45, Talking: 2, CompletedByCaller: 38, Abandoned: 4, TimedOut: 1, Held: 560, Talked: 7144, Holds: [7]int64{40},
	}
	return &live.Picture{Live: true, Queues: []live.Queue{
		{
			Key: "sales", Shown: "Sales", Known: true, Today: today,
			Waiting: []live.Caller{{Position: 1, Number: "5550177", Name: "R. Lund", Wait: 17}, {Position: 3, Number: "5550178", Name: "\"\xff", Wait: 9}},
			Agents: []live.Agent{
				{Key: "Ben", Location: "SIP/205", Status: live.Unavailable, LastCall: live.NoCall, Penalty: 3},
				{Key: "Iva Moss", Location: "SIP/204", Status: live.Busy, LoggedIn: true, InCall: true, LastCall: 96, From: "sales", Caller: "5550199", Duration: 61},
				{Key: "Iva Moss", Location: "SIP/206", Status: live.NotInUse, LoggedIn: true, Paused: true, Reason: "lunch", PausedFor: 300, LastCall: 0, Penalty: 1},
			},
		},
		{Key: "support", Shown: "Hilfe"},
	}}
}

type still struct {
	picture *live.Picture
	err     error
}

func (s *still) Now(context.Context) (*live.Picture, error) { return s.picture, s.err }

const (
	waiting = `{"waiting calls":{"sales":{"1":{"calleridNum":"5550177","calleridName":"R. Lund","waitTime":"17"},"2":{"calleridNum":"5550178","calleridName":"\"\ufffd","waitTime":"9"}},"support":{}},`
	summary = `"summary":{"queue":{"sales":{"Waiting":"2","Agents":"2","Penalty":"1","Logged Off":"1","Busy":"1","Paused":"1","Answered":"40","Unanswered":"5","Abandoned":"4","Abandon Rate":"8.89","Avg Wait":"14","Avg Duration":"188","Max. wait time":"17"},` +
		`"support":{"Waiting":"0","Agents":"0","Penalty":"0","Logged Off":"0","Busy":"0","Paused":"0","Answered":"0","Unanswered":"0","Abandoned":"0","Abandon Rate":"0","Avg Wait":"0","Avg Duration":"0","Max. wait time":"0"}}},`
	members = `"agents":{"sales":{"Ben":{"location":"SIP/205","lastCall":"","status":"unavailable","paused":"0","auxType":"","auxSeconds":"0","callFromQueue":"","penalty":"3","callerid":"","duration":"0"},` +
		`"Iva Moss":{"location":"SIP/204","lastCall":"96","status":"busy","paused":"0","auxType":"","auxSeconds":"0","callFromQueue":"sales","penalty":"0","callerid":"5550199","duration":"61"},` +
		`"SIP/206":{"location":"SIP/206","lastCall":"0","status":"not in use","paused":"1","auxType":"lunch","auxSeconds":"300","callFromQueue":"","penalty":"1","callerid":"","duration":"0"}},"support":{}}}`
)

// TestRealtime: the picture in the words of the original.
func TestRealtime(t *testing.T) {
	t.Parallel()
	source := &still{picture: picture()}
	a := api(t, &figures{})
	a.Realtime = &callcenter.Realtime{Live: source}
	says(t, a, "entity=realtime", http.StatusOK, waiting+summary+members)
	says(t, a, "entity=realtime&start=x", http.StatusOK, waiting+summary+members)
	says(t, a, "entity=realtime&queues=ALL", http.StatusOK, waiting+summary+members)
	says(t, a, "entity=realtime&queues=sales,support", http.StatusOK, waiting+summary+members)
	const none = `{"Waiting":"0","Agents":"0","Penalty":"0","Logged Off":"0","Busy":"0","Paused":"0","Answered":"0","Unanswered":"0","Abandoned":"0","Abandon Rate":"0","Avg Wait":"0","Avg Duration":"0","Max. wait time":"0"}`
	const support = `{"waiting calls":{"support":{}},"summary":{"queue":{"support":` + none + `}},"agents":{"support":{}}}`
	says(t, a, "entity=realtime&queues=support", http.StatusOK, support)
	says(t, a, "entity=realtime&queues=Hilfe,nobody", http.StatusOK, support)
	const nothing = `{"waiting calls":{},"summary":{"queue":{}},"agents":{}}`
	says(t, a, "entity=realtime&queues=nobody", http.StatusOK, nothing)
	all := a
	a.Who = reports.Scope{Queues: []string{"support"}}
	says(t, a, "entity=realtime", http.StatusOK, support)
	says(t, a, "entity=realtime&queues=sales", http.StatusOK, nothing)
	a.Who = reports.Scope{}
	says(t, a, "entity=realtime", http.StatusOK, nothing)
	a.Who = reports.Scope{Queues: []string{"sales"}, Agents: []string{"Ben"}}
	if _, body := get(t, a, "entity=realtime"); strings.Contains(body, "Iva") || strings.Contains(body, "5550177") || strings.Contains(body, "support") || !strings.Contains(body, `"Answered":"0"`) {
		t.Errorf("%s", body)
	}
	a = all
	says(t, a, "entity=realtime", http.StatusOK, waiting+summary+members)

	// Another picture is another answer, and Asterisk may be away.
	source.picture = &live.Picture{Queues: []live.Queue{{Key: "support"}}}
	says(t, a, "entity=realtime", http.StatusOK, support)
	if answer, err := a.Get(t.Context(), "entity=realtime"); err != nil || !answer.Away {
		t.Errorf("%v %v", answer.Away, err)
	}
	source.err = errors.New("the log is away")
	if _, err := a.Get(t.Context(), "entity=realtime"); !errors.Is(err, source.err) {
		t.Errorf("%v", err)
	}
	a.Realtime = nil
	says(t, a, "entity=realtime", http.StatusOK, nothing)
	if answer, err := a.Get(t.Context(), "entity=realtime"); err != nil || !answer.Away {
		t.Errorf("%v %v", answer.Away, err)
	}
}

// TestRealtimeIsWrittenOnce: many who ask for one picture cost no more than one, and what they ask for takes no memory without end.
func TestRealtimeIsWrittenOnce(t *testing.T) {
	a := api(t, &figures{})
	p := picture()
	for n := range 50 {
		p.Queues = append(p.Queues, live.Queue{Key: fmt.Sprintf("z%02d", n), Agents: p.Queues[0].Agents})
	}
	a.Realtime = &callcenter.Realtime{Live: &still{picture: p}}
	_, first := get(t, a, "entity=realtime")
	for n := range 500 {
		get(t, a, "entity=realtime&queues="+fmt.Sprint(n))
	}
	allocated := testing.AllocsPerRun(100, func() {
		if _, err := a.Get(t.Context(), "entity=realtime"); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 30 {
		t.Errorf("%v allocations for %d bytes that were there already", allocated, len(first))
	}
}

// stuck takes so many bytes.
type stuck int

func (s *stuck) Write(p []byte) (int, error) {
	if *s -= stuck(len(p)); *s < 0 {
		return 0, errors.New("nobody listens")
	}
	return len(p), nil
}

// TestLongList: a list is written in parts, and its end is told when nobody takes more.
func TestLongList(t *testing.T) {
	t.Parallel()
	f := &figures{rows: make([]reports.Row, 100_000)}
	for i := range f.rows {
		f.rows[i] = reports.Row{Detail: queues.Detail{CallID: fmt.Sprint(i), Caller: "5550177"}, QueueKey: "sales"}
	}
	a := api(t, f)
	_, body := get(t, a, "entity=reports/answered_calls_detail")
	var document struct {
		Records string
		Rows    []map[string]string
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || document.Records != "100000" || len(document.Rows) != 100_000 || document.Rows[99_999]["uniqueid"] != "99999" {
		t.Errorf("%d rows of %s, %v", len(document.Rows), document.Records, err)
	}
	answer, err := a.Get(t.Context(), "entity=reports/answered_calls_detail")
	if err != nil {
		t.Fatal(err)
	}
	room := stuck(200_000)
	if n, err := answer.WriteTo(&room); err == nil || n == 0 || n > 200_000 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// texts fails the test unless all values of a document are texts.
func texts(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, each := range v {
			texts(t, at+"/"+key, each)
		}
	case []any:
		for _, each := range v {
			texts(t, at, each)
		}
	case string:
	default:
		t.Errorf("%s is %v", at, v)
	}
}

// FuzzQuery: whatever is asked is answered, in JSON whose values are texts.
func FuzzQuery(f *testing.F) {
	service := &figures{
		queues: []queues.Name{{ID: 1, Key: "sales", Shown: "Sales"}}, agents: []queues.Name{{ID: 1, Key: "Iva", Shown: "Iva"}},
		table: queues.Table{Columns: []string{"Queue", "Received"}, Rows: [][]string{{"sales", "1"}, {"\xff\"", "2"}}},
		rows:  make([]reports.Row, 3), found: make([]reports.FoundCall, 3), events: make([]reports.CallEvent, 3),
	}
	a := api(f, service)
	a.Realtime = &callcenter.Realtime{Live: &still{picture: picture()}}
	for _, query := range []string{
		"entity=reports", "entity=reports/answered_calls_detail&start=2027-06-01&end=2027-06-09+12:00:00&page=2&rows=1", "entity=queues/1", "entity=agents/-1", "entity=call/1.1", "entity=realtime&queues=sales,ALL",
		"entity=search&talktime=1,2&waittime=3&clid=%25&queue=sales,support&agent=Iva&secondsstart=1&secondend=2&uniqueid=1.1&url=x&tag=y&did=z", "entity=search&start=0000-01-01&end=9999-12-31", "a;b=%zz", "entity=%ff", "entity=search&end=0000-01-01+00:00:00",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		answer, err := a.Get(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != http.StatusOK && answer.Status != http.StatusBadRequest && answer.Status != http.StatusNotFound {
			t.Errorf("%d", answer.Status)
		}
		var b bytes.Buffer
		if _, err := answer.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(b.Bytes(), &document); err != nil {
			t.Fatalf("%v: %s", err, b.String())
		}
		texts(t, "", document)
		if answer.Status == http.StatusBadRequest {
			return
		}
		if !service.filter.From.IsZero() && !service.filter.From.Before(service.filter.To) {
			t.Errorf("from %v to %v", service.filter.From, service.filter.To)
		}
		if values, err := url.ParseQuery(query); err == nil && strings.HasPrefix(values.Get("entity"), "call/") && strings.ContainsAny(service.asked, "'\"%; \n") {
			t.Errorf("asked for the call %q", service.asked)
		}
	})
}

// FuzzText: a text is written so that it is the same when it is read, but for what is no text.
func FuzzText(f *testing.F) {
	for _, text := range []string{"", "Iva Moss", "\x00\x1f \"\\/\u2028\u2029\ufffd\U0010ffff", "\xff\xc0\x80\xed\xa0\x80"} {
		f.Add(text)
	}
	service := &figures{events: make([]reports.CallEvent, 1)}
	a := api(f, service)
	f.Fuzz(func(t *testing.T, text string) {
		service.events[0].Params[0] = text
		_, body := get(t, a, "entity=call/1")
		var document struct{ Data []map[string]string }
		if err := json.Unmarshal([]byte(body), &document); err != nil || document.Data[0]["info1"] != strings.ToValidUTF8(strings.Join(runes(text), ""), "\ufffd") {
			t.Errorf("%v: %q becomes %s", err, text, body)
		}
	})
}

// runes are the characters of a text; each byte that is of none is U+FFFD.
func runes(text string) (all []string) {
	for _, c := range text {
		all = append(all, string(c))
	}
	return all
}
