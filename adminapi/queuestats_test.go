package adminapi_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"talktime/adminapi"
	ami "talktime/pbx"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/store/storetest"
)

// vienna is where the call centre is.
func vienna(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// clock is one that a test sets, and the server reads beside it.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.set(at)
	return c
}

func (c *clock) set(at time.Time) { c.at.Store(&at) }

func (c *clock) time() time.Time { return *c.at.Load() }

// callCentre makes a site count queues, at noon of a Wednesday.
func callCentre(t testing.TB, s *switchroom) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) {
		d.Location = vienna(t)
		if s.now == nil {
			s.now = newClock(time.Date(2027, 6, 9, 12, 0, 0, 0, d.Location))
		}
		d.Now = s.now.time
		if s.keeper == nil {
			s.keeper = d.Users.(reports.Keeper)
		}
		d.Queues = &reports.Service{Keeper: s.keeper, Recordings: recordedCalls{"1812528928.11": "q-sales-1812528928.11.wav"}, Location: d.Location, Now: d.Now}
		d.LiveQueues = live.New(live.Options{Asterisk: s, Log: d.Queues, Location: d.Location, Now: d.Now})
	}
}

// switchroom is what a call centre stands on: its log, an Asterisk, and a clock that both have.
type switchroom struct {
	keeper   reports.Keeper
	now      *clock
	snapshot ami.Snapshot
	away     bool
}

func (s *switchroom) Stats() ami.Stats { return ami.Stats{} }

func (s *switchroom) Snapshot(context.Context) (ami.Snapshot, error) {
	if s.away {
		return ami.Snapshot{}, &ami.StaleError{Err: ami.ErrAway}
	}
	snapshot := s.snapshot
	snapshot.At = s.now.time()
	return snapshot, nil
}

// recordedCalls are names of files by the ids of calls.
type recordedCalls map[string]string

func (r recordedCalls) Recordings(_ context.Context, ids []string, _, _ time.Time) (map[string]string, error) {
	found := map[string]string{}
	for _, id := range ids {
		if name := r[id]; name != "" {
			found[id] = name
		}
	}
	return found, nil
}

// keeps stores lines of a log, whose times are those of Vienna; those without a date are of 9 June 2027. It stores them in no order, and
// some of them twice, in two goes.
func (s *site) keeps(lines ...string) {
	s.t.Helper()
	var p queues.Parser
	var events []queues.Event
	for _, line := range lines {
		text, rest, _ := strings.Cut(line, "|")
		if len(text) == len(time.TimeOnly) {
			text = "2027-06-09 " + text
		}
		at, err := time.ParseInLocation(time.DateTime, text, vienna(s.t))
		if err != nil {
			s.t.Fatal(err)
		}
		e, err := p.Parse(fmt.Sprintf("%d|%s", at.Unix(), rest))
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		events = append(events, e)
	}
	random := rand.New(rand.NewPCG(1, uint64(len(lines))))
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	ours, err := s.store.ClaimQueueLog(s.t.Context(), "test", time.Hour)
	if err != nil || !ours {
		s.t.Fatalf("the log is ours: %v, %v", ours, err)
	}
	file := feed.File{Kind: feed.KindFile, Name: fmt.Sprintf("queue_log.%d", random.Uint64()), Digest: "0"}
	for _, part := range [][]queues.Event{events[:len(events)*2/3], events[len(events)/3:]} {
		stored, err := s.store.StoreQueueLog(s.t.Context(), "test", feed.Batch{File: file, Events: part, Now: time.Date(2027, 6, 9, 12, 0, 0, 0, vienna(s.t))})
		if err != nil {
			s.t.Fatal(err)
		}
		file = stored.File
	}
}

// wednesday is what happened until noon. Each figure in these tests was made from it by hand:
//
//	call           queue    entered   waited  agent     rang  talked  end
//	y.1            sales    23:59:50  20      Iva Moss  6     60      COMPLETEAGENT     (entered on Tuesday)
//	1812528928.11  sales    08:15:28  12      Iva Moss  5     201     COMPLETECALLER    (DID 5550100)
//	b.1            sales    09:00:00  15      Iva Moss  3     94      COMPLETEAGENT     (URL crm-7, tag Sale)
//	c.1            support  09:10:00  16      SIP/204   16    30      BLINDTRANSFER
//	d.1            sales    09:20:00  30                              EXITWITHTIMEOUT
//	               support  09:20:30  91      Ben       4     30      COMPLETEAGENT
//	e.1            sales    09:30:00  20                              ABANDON
//	f.1            support  09:40:00  10                              EXITWITHKEY
//	i.1            sales    10:00:00  5       Iva Moss  2     60      ATTENDEDTRANSFER
//	               support  10:01:05  90      Ben       9     60      COMPLETECALLER
//	h.1            support  11:50:00  10      Ben       2             talks
//	g.1            sales    11:59:00                                  waits
var wednesday = []string{
	"2027-06-08 10:00:00|y.2|sales|NONE|ENTERQUEUE||5550186|1", "2027-06-08 10:00:05|y.2|sales|NONE|ABANDON|1|1|5",
	"2027-06-08 23:59:50|y.1|sales|NONE|ENTERQUEUE||5550185|1", "00:00:10|y.1|sales|Iva Moss|CONNECT|20|y.1a|6", "00:01:10|y.1|sales|Iva Moss|COMPLETEAGENT|20|60|1",
	"00:00:00|NONE|NONE|NONE|CONFIGRELOAD|", "08:00:00|NONE|sales|Iva Moss|ADDMEMBER|", "08:00:01|NONE|NONE|Ben|PAUSEALL|lunch",
	"08:15:28|1812528928.11|NONE|NONE|DID|5550100", "08:15:28|1812528928.11|sales|NONE|ENTERQUEUE||5550177|1", "08:15:35|1812528928.11|sales|Ben|RINGNOANSWER|5000",
	"08:15:40|1812528928.11|sales|Iva Moss|CONNECT|12|1812528935.12|5", "08:19:01|1812528928.11|sales|Iva Moss|COMPLETECALLER|12|201|1",
	"09:00:00|b.1|sales|NONE|ENTERQUEUE|crm-7|5550178|1|Zoë \"Z\" <x>|Sale", "09:00:15|b.1|sales|Iva Moss|CONNECT|15|b.1a|3", "09:01:49|b.1|sales|Iva Moss|COMPLETEAGENT|15|94|1",
	"09:10:00|c.1|support|NONE|ENTERQUEUE||5550179|1", "09:10:16|c.1|support|SIP/204-0000a1b2|CONNECT|16|c.1a|16", "09:10:46|c.1|support|SIP/204-0000a1b2|BLINDTRANSFER|600|internal|16|30|1",
	"09:20:00|d.1|sales|NONE|ENTERQUEUE||5550180|1", "09:20:30|d.1|sales|NONE|EXITWITHTIMEOUT|1|1|30",
	"09:20:30|d.1|support|NONE|ENTERQUEUE||5550180|1", "09:22:01|d.1|support|Ben|CONNECT|91|d.1a|4", "09:22:31|d.1|support|Ben|COMPLETEAGENT|91|30|1",
	"09:30:00|e.1|sales|NONE|ENTERQUEUE||5550181|1", "09:30:20|e.1|sales|NONE|ABANDON|1|1|20",
	"09:40:00|f.1|support|NONE|ENTERQUEUE||5550182|1", "09:40:10|f.1|support|NONE|EXITWITHKEY|1|1|1|10",
	"10:00:00|i.1|sales|NONE|ENTERQUEUE||5550184|1", "10:00:05|i.1|sales|Iva Moss|CONNECT|5|i.1a|2", "10:01:05|i.1|sales|Iva Moss|ATTENDEDTRANSFER|BRIDGE|x|5|60|1",
	"10:01:05|i.1|support|NONE|ENTERQUEUE||5550184|1", "10:02:35|i.1|support|Ben|CONNECT|90|i.1b|9", "10:03:35|i.1|support|Ben|COMPLETECALLER|90|60|1",
	"11:50:00|h.1|support|NONE|ENTERQUEUE||5550183|1", "11:50:10|h.1|support|Ben|CONNECT|10|h.1a|2",
	"11:59:00|g.1|sales|NONE|ENTERQUEUE||5550187|1",
}

// centre is a site where that happened, and where sales and Iva have names for people.
func centre(t *testing.T, s *site, room *switchroom) {
	t.Helper()
	s.keeps(wednesday...)
	names, err := s.store.QueueNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !n.Agent && n.Key == "sales" {
			if _, err := s.store.RenameQueue(t.Context(), n.ID, "Sales", "test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.start(callCentre(t, room))
	s.admin = s.login("admin")
}

// onCentres runs a test on a call centre of each kind of database. It ends with the books.
func onCentres(t *testing.T, test func(*testing.T, *site, *switchroom)) {
	t.Helper()
	onBoth(t, func(t *testing.T, s *site) {
		room := &switchroom{}
		centre(t, s, room)
		test(t, s, room)
		storetest.Audited(t, s.store)
	})
}

const statsPath = "/stats/rest/index.php?entity="

// rows is the envelope around rows that all are on one page.
func rows(rows ...string) string {
	pages := 1
	if len(rows) == 0 {
		pages = 0
	}
	return fmt.Sprintf(`{"page":"1","total":"%d","records":"%d","rows":[%s]}`, pages, len(rows), strings.Join(rows, ","))
}

// Rows of answered_calls_detail.
const (
	rowY = `{"datetime":"09-06-2027 00:00:10","queue":"sales","agent":"Iva Moss","callerid":"5550185","event":"COMPLETEAGENT","waitTime":"20","ringTime":"6","callTime":"60","agentName":"Iva Moss","queueName":"Sales","recording":"","uniqueid":"y.1","callflow":"/stats/rest/index.php?entity=call/y.1","url":"","did":""}`
	rowA = `{"datetime":"09-06-2027 08:15:40","queue":"sales","agent":"Iva Moss","callerid":"5550177","event":"COMPLETECALLER","waitTime":"12","ringTime":"5","callTime":"201","agentName":"Iva Moss","queueName":"Sales","recording":"q-sales-1812528928.11.wav","uniqueid":"1812528928.11","callflow":"/stats/rest/index.php?entity=call/1812528928.11","url":"","did":"5550100"}`
	rowB = `{"datetime":"09-06-2027 09:00:15","queue":"sales","agent":"Iva Moss","callerid":"5550178","event":"COMPLETEAGENT","waitTime":"15","ringTime":"3","callTime":"94","agentName":"Iva Moss","queueName":"Sales","recording":"","uniqueid":"b.1","callflow":"/stats/rest/index.php?entity=call/b.1","url":"crm-7","did":""}`
	rowC = `{"datetime":"09-06-2027 09:10:16","queue":"support","agent":"SIP/204","callerid":"5550179","event":"BLINDTRANSFER","waitTime":"16","ringTime":"16","callTime":"30","agentName":"SIP/204","queueName":"support","recording":"","uniqueid":"c.1","callflow":"/stats/rest/index.php?entity=call/c.1","url":"","did":""}`
	rowD = `{"datetime":"09-06-2027 09:22:01","queue":"support","agent":"Ben","callerid":"5550180","event":"COMPLETEAGENT","waitTime":"91","ringTime":"4","callTime":"30","agentName":"Ben","queueName":"support","recording":"","uniqueid":"d.1","callflow":"/stats/rest/index.php?entity=call/d.1","url":"","did":""}`
	rowI = `{"datetime":"09-06-2027 10:00:05","queue":"sales","agent":"Iva Moss","callerid":"5550184","event":"ATTENDEDTRANSFER","waitTime":"5","ringTime":"2","callTime":"60","agentName":"Iva Moss","queueName":"Sales","recording":"","uniqueid":"i.1","callflow":"/stats/rest/index.php?entity=call/i.1","url":"","did":""}`
	rowJ = `{"datetime":"09-06-2027 10:02:35","queue":"support","agent":"Ben","callerid":"5550184","event":"COMPLETECALLER","waitTime":"90","ringTime":"9","callTime":"60","agentName":"Ben","queueName":"support","recording":"","uniqueid":"i.1","callflow":"/stats/rest/index.php?entity=call/i.1","url":"","did":""}`
)

// TestCallCenterReports: all reports of a day, to the letter.
func TestCallCenterReports(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		for name, want := range map[string]string{
			"":                         `{"data":[{"report":"answered_calls_detail"},{"report":"answered_calls_by_queue"},{"report":"answered_calls_by_agent"},{"report":"answered_calls_by_url"},{"report":"answered_calls_by_did"},{"report":"answered_calls_by_holdtime"},{"report":"answered_calls_by_event"}]}`,
			"/answered_calls_detail":   rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"/answered_calls_by_queue": rows(`{"Queue":"Sales","Received":"4","% Calls":"57.14"}`, `{"Queue":"support","Received":"3","% Calls":"42.86"}`),
			"/answered_calls_by_agent": rows(
				`{"Agent":"Ben","Received":"2","% Calls":"28.57","Talk Time":"90","% Talk Time":"16.82","Avg Talk Time":"45.00","Hold Time":"181","Avg Hold Time":"90.50"}`,
				`{"Agent":"Iva Moss","Received":"4","% Calls":"57.14","Talk Time":"415","% Talk Time":"77.57","Avg Talk Time":"103.75","Hold Time":"52","Avg Hold Time":"13.00"}`,
				`{"Agent":"SIP/204","Received":"1","% Calls":"14.29","Talk Time":"30","% Talk Time":"5.61","Avg Talk Time":"30.00","Hold Time":"16","Avg Hold Time":"16.00"}`),
			"/answered_calls_by_url": rows(`{"URL":"","Received":"6","% Calls":"85.71"}`, `{"URL":"crm-7","Received":"1","% Calls":"14.29"}`),
			"/answered_calls_by_did": rows(`{"DID":"","Received":"6","% Calls":"85.71"}`, `{"DID":"5550100","Received":"1","% Calls":"14.29"}`),
			"/answered_calls_by_holdtime": rows(`{"Hold Time":"15","Received":"3","Delta":"3","% Calls":"42.86"}`, `{"Hold Time":"30","Received":"5","Delta":"2","% Calls":"71.43"}`,
				`{"Hold Time":"45","Received":"5","Delta":"0","% Calls":"71.43"}`, `{"Hold Time":"60","Received":"5","Delta":"0","% Calls":"71.43"}`, `{"Hold Time":"75","Received":"5","Delta":"0","% Calls":"71.43"}`,
				`{"Hold Time":"90","Received":"6","Delta":"1","% Calls":"85.71"}`, `{"Hold Time":"91+","Received":"7","Delta":"1","% Calls":"100.00"}`),
			"/answered_calls_by_event": rows(`{"Event":"ATTENDEDTRANSFER","Received":"1","% Calls":"14.29"}`, `{"Event":"BLINDTRANSFER","Received":"1","% Calls":"14.29"}`,
				`{"Event":"COMPLETEAGENT","Received":"3","% Calls":"42.86"}`, `{"Event":"COMPLETECALLER","Received":"2","% Calls":"28.57"}`),
			"/unanswered_calls_detail": rows(
				`{"datetime":"09-06-2027 09:20:30","queue":"sales","agent":"NONE","callerid":"5550180","event":"EXITWITHTIMEOUT","waitTime":"30","ringTime":"0","callTime":"0","agentName":"NONE","queueName":"Sales","recording":"","uniqueid":"d.1","callflow":"/stats/rest/index.php?entity=call/d.1","url":"","did":""}`,
				`{"datetime":"09-06-2027 09:30:20","queue":"sales","agent":"NONE","callerid":"5550181","event":"ABANDON","waitTime":"20","ringTime":"0","callTime":"0","agentName":"NONE","queueName":"Sales","recording":"","uniqueid":"e.1","callflow":"/stats/rest/index.php?entity=call/e.1","url":"","did":""}`,
				`{"datetime":"09-06-2027 09:40:10","queue":"support","agent":"NONE","callerid":"5550182","event":"EXITWITHKEY","waitTime":"10","ringTime":"0","callTime":"0","agentName":"NONE","queueName":"support","recording":"","uniqueid":"f.1","callflow":"/stats/rest/index.php?entity=call/f.1","url":"","did":""}`),
			"/distribution_by_queue": rows(
				`{"Queue":"Sales","Received":"6","% Calls":"60.00","Answered":"4","% Answered":"66.67","Unanswered":"2","% Unanswered":"33.33","Abandoned":"1","% Abandoned":"16.67","Avg Talk Time":"103.75","Avg Hold Time":"13.00"}`,
				`{"Queue":"support","Received":"4","% Calls":"40.00","Answered":"3","% Answered":"75.00","Unanswered":"1","% Unanswered":"25.00","Abandoned":"0","% Abandoned":"0.00","Avg Talk Time":"40.00","Avg Hold Time":"65.67"}`),
		} {
			a := s.admin.get(statsPath + "reports" + name)
			a.says(http.StatusOK, want)
			if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v", a.header)
			}
		}

		// The base of the path is that of the request.
		for _, base := range []string{"/qstats", ""} {
			s.admin.get(base+"/rest/index.php?entity=reports/answered_calls_detail&secondsstart=29740&secondsend=29740").says(http.StatusOK, strings.ReplaceAll(rows(rowA), "/stats/rest", base+"/rest"))
		}

		// Filters.
		detail := statsPath + "reports/answered_calls_detail&"
		for query, want := range map[string]string{
			"start=2027-06-09":                rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"end=2027-06-09":                  rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"start=2027-06-08&end=2027-06-08": rows(),
			"end=2027-06-08":                  rows(), // that day alone
			"start=2027-06-01":                rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"start=2027-06-09+09:10:16&end=2027-06-09+09:22:01": rows(rowC, rowD),
			"start=2027-06-09+09:10:17&end=2027-06-09+09:22:00": rows(),
			"secondsstart=33016&secondsend=33721":               rows(rowC, rowD), // 09:10:16 to 09:22:01
			"secondstart=33017&secondend=33720":                 rows(),
			"secondsstart=2016551&secondsend=2019999":           rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"secondsstart=36155&secondsend=10":                  rows(rowY, rowJ), // 10:02:35, over midnight to 00:00:10
			"secondsstart=36156&secondsend=9":                   rows(),
			"secondsstart=10&secondsend=10":                     rows(rowY),
			"secondsstart=0&secondsend=0":                       rows(),
			"queue=sales":                                       rows(rowY, rowA, rowB, rowI),
			"queue=Sales":                                       rows(rowY, rowA, rowB, rowI),
			"queue=support&agent=Ben":                           rows(rowD, rowJ),
			"agent=Ben,SIP/204":                                 rows(rowC, rowD, rowJ),
			"agent=Ben&agent=SIP/204":                           rows(rowC, rowD, rowJ),
			"agent=Ben,ALL&queue=ALL":                           rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ),
			"agent=Iva+Moss&queue=support":                      rows(),
			"agent=Iva":                                         rows(),
			"queue=nobody":                                      rows(),
			"queue=sal%25":                                      rows(),
			"rows=3&page=2":                                     strings.Replace(strings.Replace(strings.Replace(rows(rowC, rowD, rowI), `"page":"1"`, `"page":"2"`, 1), `"total":"1"`, `"total":"3"`, 1), `"records":"3"`, `"records":"7"`, 1),
			"start=2027-06-09&end=2027-06-09&queue=sales&agent=Iva+Moss&secondsstart=32400&secondsend=32500": rows(rowB),
		} {
			s.admin.get(detail+query).says(http.StatusOK, want)
		}
		// Shares are those of what is left.
		s.admin.get(statsPath+"reports/answered_calls_by_queue&agent=Ben").says(http.StatusOK, rows(`{"Queue":"support","Received":"2","% Calls":"100.00"}`))
		s.admin.get(statsPath+"reports/answered_calls_by_agent&queue=support&secondsend=35000").says(http.StatusOK, rows(
			`{"Agent":"Ben","Received":"1","% Calls":"50.00","Talk Time":"30","% Talk Time":"50.00","Avg Talk Time":"30.00","Hold Time":"91","Avg Hold Time":"91.00"}`,
			`{"Agent":"SIP/204","Received":"1","% Calls":"50.00","Talk Time":"30","% Talk Time":"50.00","Avg Talk Time":"30.00","Hold Time":"16","Avg Hold Time":"16.00"}`))
		for _, name := range []string{"detail", "by_queue", "by_agent", "by_url", "by_did", "by_holdtime", "by_event"} {
			s.admin.get(statsPath+"reports/answered_calls_"+name+"&start=2027-05-01&end=2027-05-31").says(http.StatusOK, rows())
		}
	})
}

// Rows of search.
const (
	callA = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"1812528928.11","callerid":"5550177","dateStart":"2027-06-09 08:15:28","dateEnd":"2027-06-09 08:19:01","event":"COMPLETECALLER","agent":"Iva Moss","queue":"sales","waitTime":"12","talkTime":"201","combinedWaitTime":"12","totalDuration":"213","recordingFilename":"q-sales-1812528928.11.wav","agent_name":"Iva Moss","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/1812528928.11"}`
	callB = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"b.1","callerid":"5550178","dateStart":"2027-06-09 09:00:00","dateEnd":"2027-06-09 09:01:49","event":"COMPLETEAGENT","agent":"Iva Moss","queue":"sales","waitTime":"15","talkTime":"94","combinedWaitTime":"15","totalDuration":"109","recordingFilename":"","agent_name":"Iva Moss","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/b.1"}`
	callC = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"c.1","callerid":"5550179","dateStart":"2027-06-09 09:10:00","dateEnd":"2027-06-09 09:10:46","event":"BLINDTRANSFER","agent":"SIP/204","queue":"support","waitTime":"16","talkTime":"30","combinedWaitTime":"16","totalDuration":"46","recordingFilename":"","agent_name":"SIP/204","queue_name":"support","callflow":"/stats/rest/index.php?entity=call/c.1"}`
	callD = `{"firstEvent":"ENTERQUEUE","overflow":"2","uniqueid":"d.1","callerid":"5550180","dateStart":"2027-06-09 09:20:00","dateEnd":"2027-06-09 09:22:31","event":"COMPLETEAGENT","agent":"Ben","queue":"support","waitTime":"91","talkTime":"30","combinedWaitTime":"121","totalDuration":"151","recordingFilename":"","agent_name":"Ben","queue_name":"support","callflow":"/stats/rest/index.php?entity=call/d.1"}`
	callE = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"e.1","callerid":"5550181","dateStart":"2027-06-09 09:30:00","dateEnd":"2027-06-09 09:30:20","event":"ABANDON","agent":"NONE","queue":"sales","waitTime":"20","talkTime":"0","combinedWaitTime":"20","totalDuration":"20","recordingFilename":"","agent_name":"NONE","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/e.1"}`
	callF = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"f.1","callerid":"5550182","dateStart":"2027-06-09 09:40:00","dateEnd":"2027-06-09 09:40:10","event":"EXITWITHKEY","agent":"NONE","queue":"support","waitTime":"10","talkTime":"0","combinedWaitTime":"10","totalDuration":"10","recordingFilename":"","agent_name":"NONE","queue_name":"support","callflow":"/stats/rest/index.php?entity=call/f.1"}`
	callI = `{"firstEvent":"ENTERQUEUE","overflow":"2","uniqueid":"i.1","callerid":"5550184","dateStart":"2027-06-09 10:00:00","dateEnd":"2027-06-09 10:03:35","event":"COMPLETECALLER","agent":"Ben","queue":"support","waitTime":"90","talkTime":"120","combinedWaitTime":"95","totalDuration":"215","recordingFilename":"","agent_name":"Ben","queue_name":"support","callflow":"/stats/rest/index.php?entity=call/i.1"}`
	callY = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"y.1","callerid":"5550185","dateStart":"2027-06-08 23:59:50","dateEnd":"2027-06-09 00:01:10","event":"COMPLETEAGENT","agent":"Iva Moss","queue":"sales","waitTime":"20","talkTime":"60","combinedWaitTime":"20","totalDuration":"80","recordingFilename":"","agent_name":"Iva Moss","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/y.1"}`
	callZ = `{"firstEvent":"ENTERQUEUE","overflow":"1","uniqueid":"y.2","callerid":"5550186","dateStart":"2027-06-08 10:00:00","dateEnd":"2027-06-08 10:00:05","event":"ABANDON","agent":"NONE","queue":"sales","waitTime":"5","talkTime":"0","combinedWaitTime":"5","totalDuration":"5","recordingFilename":"","agent_name":"NONE","queue_name":"Sales","callflow":"/stats/rest/index.php?entity=call/y.2"}`
)

// TestCallCenterSearch: each filter by itself, and some together. Calls that go on are not found.
func TestCallCenterSearch(t *testing.T) {
	onCentres(t, func(_ *testing.T, s *site, _ *switchroom) {
		for query, want := range map[string]string{
			"":                                    rows(callA, callB, callC, callD, callE, callF, callI),
			"end=2027-06-08":                      rows(callZ, callY),
			"uniqueid=d.1":                        rows(callD),
			"uniqueid=d":                          rows(),
			"uniqueid=g.1":                        rows(), // it goes on
			"uniqueid=y.1":                        rows(), // it entered on Tuesday
			"clid=555018":                         rows(callD, callE, callF, callI),
			"clid=50178":                          rows(callB),
			"clid=%25":                            rows(),
			"clid=_":                              rows(),
			"url=crm-7":                           rows(callB),
			"url=crm":                             rows(),
			"tag=Sale":                            rows(callB),
			"tag=sale":                            rows(),
			"did=5550100":                         rows(callA),
			"did=555010":                          rows(),
			"talktime=94,120":                     rows(callB, callI),
			"talktime=95,119":                     rows(),
			"talktime=60,99999":                   rows(callA, callB, callI),
			"talktime=120":                        rows(callA, callI),
			"talktime=0,0":                        rows(callE, callF),
			"waittime=15,16":                      rows(callB, callC),
			"waittime=91":                         rows(callD),
			"waittime=121":                        rows(), // the last queue counts
			"queue=support":                       rows(callC, callD, callF, callI),
			"queue=sales":                         rows(callA, callB, callD, callE, callI), // d.1 passed it
			"agent=Ben":                           rows(callD, callI),
			"agent=Iva+Moss":                      rows(callA, callB, callI),
			"agent=Iva+Moss&queue=support":        rows(callI),
			"agent=SIP/204,Ben":                   rows(callC, callD, callI),
			"queue=nobody":                        rows(),
			"secondsstart=32400&secondsend=33600": rows(callB, callC, callD), // 09:00:00 to 09:20:00
			"start=2027-06-08+23:59:50&end=2027-06-09+08:15:28":                           rows(callY, callA),
			"start=2027-06-08&secondsstart=86390&secondsend=29728":                        rows(callY, callA),
			"queue=sales&agent=Ben&clid=184&talktime=100,200&waittime=90,90&uniqueid=i.1": rows(callI),
			"queue=sales&agent=Ben&clid=184&talktime=100,200&waittime=91&uniqueid=i.1":    rows(),
			"rows=4&page=2": strings.Replace(strings.Replace(strings.Replace(rows(callE, callF, callI), `"page":"1"`, `"page":"2"`, 1), `"total":"1"`, `"total":"2"`, 1), `"records":"3"`, `"records":"7"`, 1),
		} {
			s.admin.get(statsPath+"search&"+query).says(http.StatusOK, want)
		}
	})
}

// TestCallCenterCall: the events of a call, and of none.
func TestCallCenterCall(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		s.admin.get(statsPath+"call/1812528928.11").says(http.StatusOK, `{"totalpages":"1","currpage":"1","totalrecords":"5","data":[`+
			`{"id":"1","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:28","queue":"NONE","agent":"NONE","event":"DID","info1":"5550100","info2":"","info3":"","info4":"","info5":"","agentName":"NONE","queueName":"NONE"},`+
			`{"id":"2","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:28","queue":"sales","agent":"NONE","event":"ENTERQUEUE","info1":"","info2":"5550177","info3":"1","info4":"","info5":"","agentName":"NONE","queueName":"Sales"},`+
			`{"id":"3","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:35","queue":"sales","agent":"Ben","event":"RINGNOANSWER","info1":"5000","info2":"","info3":"","info4":"","info5":"","agentName":"Ben","queueName":"Sales"},`+
			`{"id":"4","uniqueid":"1812528928.11","datetime":"2027-06-09 08:15:40","queue":"sales","agent":"Iva Moss","event":"CONNECT","info1":"12","info2":"1812528935.12","info3":"5","info4":"","info5":"","agentName":"Iva Moss","queueName":"Sales"},`+
			`{"id":"5","uniqueid":"1812528928.11","datetime":"2027-06-09 08:19:01","queue":"sales","agent":"Iva Moss","event":"COMPLETECALLER","info1":"12","info2":"201","info3":"1","info4":"","info5":"","agentName":"Iva Moss","queueName":"Sales"}]}`)
		s.admin.get(statsPath+"call/b.1").says(http.StatusOK, `{"totalpages":"1","currpage":"1","totalrecords":"3","data":[`+
			`{"id":"1","uniqueid":"b.1","datetime":"2027-06-09 09:00:00","queue":"sales","agent":"NONE","event":"ENTERQUEUE","info1":"crm-7","info2":"5550178","info3":"1","info4":"Zoë \"Z\" <x>","info5":"Sale","agentName":"NONE","queueName":"Sales"},`+
			`{"id":"2","uniqueid":"b.1","datetime":"2027-06-09 09:00:15","queue":"sales","agent":"Iva Moss","event":"CONNECT","info1":"15","info2":"b.1a","info3":"3","info4":"","info5":"","agentName":"Iva Moss","queueName":"Sales"},`+
			`{"id":"3","uniqueid":"b.1","datetime":"2027-06-09 09:01:49","queue":"sales","agent":"Iva Moss","event":"COMPLETEAGENT","info1":"15","info2":"94","info3":"1","info4":"","info5":"","agentName":"Iva Moss","queueName":"Sales"}]}`)
		if a := s.admin.get(statsPath + "call/g.1").is(http.StatusOK); !strings.Contains(a.body, `"totalrecords":"1"`) { // also of one that goes on
			t.Errorf("%s", a.body)
		}
		for _, id := range []string{"x.1", "NONE", "1812528928", "B.1"} {
			s.admin.get(statsPath+"call/"+id).says(http.StatusOK, `{"totalpages":"0","currpage":"1","totalrecords":"0","data":[]}`)
		}
		for _, id := range []string{"", "'%20OR%201=1", "b.1%00", "%2e%2e/b.1", "b.1/", "b%3B1", "%25", "%ff"} {
			if a := s.admin.get(statsPath + "call/" + id).is(http.StatusBadRequest); !strings.HasPrefix(a.body, `{"error":"`) {
				t.Errorf("%s", a.body)
			}
		}
	})
}

// idsOf is the lists of queues and agents with the ids that they have.
func idsOf(s *site, c *client) (queueIDs, agentIDs map[string]string) {
	s.t.Helper()
	all := [2]map[string]string{}
	for i, kind := range []string{"queue", "agent"} {
		var list struct{ Data []map[string]string }
		c.get(statsPath + kind + "s").is(http.StatusOK).into(&list)
		all[i] = map[string]string{}
		for _, each := range list.Data {
			all[i][each[kind]] = each[kind+"_id"]
		}
	}
	return all[0], all[1]
}

// TestCallCenterLists: queues and agents, whose ids stay.
func TestCallCenterLists(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		q, a := idsOf(s, s.admin)
		for _, ids := range []map[string]string{q, a} {
			seen := map[string]bool{}
			for key, id := range ids {
				if n, err := strconv.Atoi(id); err != nil || n < 1 && key != "ALL" || seen[id] {
					t.Errorf("%s has the id %s", key, id)
				}
				seen[id] = true
			}
		}
		queue := func(key, name string) string {
			return `{"queue_id":"` + q[key] + `","queue":"` + key + `","queue_name":"` + name + `"}`
		}
		agent := func(key string) string {
			return `{"agent_id":"` + a[key] + `","agent":"` + key + `","agent_name":"` + key + `"}`
		}
		list := func(entries ...string) string { return `{"data":[` + strings.Join(entries, ",") + `]}` }
		one := func() {
			t.Helper()
			s.admin.get(statsPath+"queues/"+q["sales"]).says(http.StatusOK, list(queue("sales", "Sales")))
			s.admin.get(statsPath+"agents/"+a["SIP/204"]).says(http.StatusOK, list(agent("SIP/204")))
			s.admin.get(statsPath+"queues/-1").says(http.StatusOK, `{"data":[{"queue_id":"-1","queue":"ALL","queue_name":"ALL"}]}`)
			s.admin.get(statsPath+"agents/-1").says(http.StatusOK, `{"data":[{"agent_id":"-1","agent":"ALL","agent_name":"ALL"}]}`)
		}
		one()
		s.admin.get(statsPath+"queues").says(http.StatusOK, list(queue("ALL", "ALL"), queue("NONE", "NONE"), queue("sales", "Sales"), queue("support", "support")))
		s.admin.get(statsPath+"agents&start=x").says(http.StatusOK, list(agent("ALL"), agent("Ben"), agent("Iva Moss"), agent("NONE"), agent("SIP/204")))
		for _, id := range []string{"99", "0", "x", "", "sales", "-2", "+1", "01"} {
			s.admin.get(statsPath+"queues/"+id).says(http.StatusNotFound, `{"data":[]}`)
			s.admin.get(statsPath+"agents/"+id).says(http.StatusNotFound, `{"data":[]}`)
		}

		// More is logged, and all starts anew: who was there keeps his id.
		s.keeps("11:00:00|k.1|2009|NONE|ENTERQUEUE||1|1", "11:00:01|k.1|2009|Aaron|CONNECT|1|x|1", "11:00:02|k.1|2009|Aaron|COMPLETEAGENT|1|1|1")
		s.start(callCentre(t, room))
		s.admin = s.login("admin")
		again, agents := idsOf(s, s.admin)
		q["2009"], a["Aaron"] = again["2009"], agents["Aaron"]
		one()
		s.admin.get(statsPath+"queues").says(http.StatusOK, list(queue("2009", "2009"), queue("ALL", "ALL"), queue("NONE", "NONE"), queue("sales", "Sales"), queue("support", "support")))
		s.admin.get(statsPath+"agents").says(http.StatusOK, list(agent("ALL"), agent("Aaron"), agent("Ben"), agent("Iva Moss"), agent("NONE"), agent("SIP/204")))
	})
}

// TestCallCenterDays: a day is one on the wall, however long it is.
func TestCallCenterDays(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		var lines []string
		for i, at := range []string{
			"2027-03-27 23:59:59", "2027-03-28 00:00:00", "2027-03-28 01:59:59", "2027-03-28 03:00:00", "2027-03-28 23:59:59", "2027-03-29 00:00:00", // clocks are put forward
			"2027-10-30 23:59:59", "2027-10-31 00:00:00", "2027-10-31 03:00:00", "2027-10-31 23:59:59", "2027-11-01 00:00:00", // and back
		} {
			lines = append(lines, fmt.Sprintf("%s|dst.%d|dst|NONE|ENTERQUEUE||%d|1", at, i, i), fmt.Sprintf("%s|dst.%d|dst|Iva Moss|CONNECT|0|x|0", at, i), fmt.Sprintf("%s|dst.%d|dst|Iva Moss|COMPLETEAGENT|0|0|1", at, i))
		}
		s.keeps(lines...)
		room.now = newClock(time.Date(2027, 12, 1, 0, 0, 0, 0, vienna(t)))
		s.start(callCentre(t, room))
		s.admin = s.login("admin")
		for query, want := range map[string]int{
			"start=2027-03-28&end=2027-03-28": 4, "end=2027-03-28": 4, "end=2027-03-27": 1, "end=2027-03-29": 1, "start=2027-10-31&end=2027-10-31": 3, "start=2027-03-27&end=2027-11-01": 11,
			"start=2027-03-01&end=2027-03-31&secondsstart=7199&secondsend=10800": 2, "start=2027-10-31&end=2027-10-31&secondsstart=10800&secondsend=86398": 1,
			"start=2027-03-01&secondsstart=86399&secondsend=0": 8,
		} {
			for _, entity := range []string{"reports/answered_calls_detail", "search"} {
				if a := s.admin.get(statsPath + entity + "&queue=dst&" + query).is(http.StatusOK); !strings.Contains(a.body, fmt.Sprintf(`"records":"%d"`, want)) {
					t.Errorf("%s: want %d: %.200s", a.what, want, a.body)
				}
			}
			s.admin.get(statsPath+"reports/answered_calls_by_queue&queue=dst&"+query).says(http.StatusOK, rows(fmt.Sprintf(`{"Queue":"dst","Received":"%d","%% Calls":"100.00"}`, want)))
		}
		// It is the first of December: nobody has called today.
		for _, entity := range []string{"reports/answered_calls_detail", "reports/answered_calls_by_queue", "search"} {
			s.admin.get(statsPath+entity).says(http.StatusOK, rows())
		}
		for query, want := range map[string]string{"start=2027-12-02": "start is after end", "start=2027-11-02&end=2027-11-01": "start is after end", "start=x": "start must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS", "secondsstart=noon": "secondsstart must be a number of seconds"} {
			s.admin.get(statsPath+"search&"+query).says(http.StatusBadRequest, `{"error":"`+want+`"}`)
		}
	})
}

// TestCallCenterShares are those that the original publishes: 165 of 232.
func TestCallCenterShares(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		var lines []string
		for i := range 232 {
			queue := "100"
			if i >= 165 {
				queue = "200"
			}
			at := time.Date(2027, 5, 3, 9, 0, i, 0, time.UTC).Format(time.DateTime)
			lines = append(lines, fmt.Sprintf("%s|s.%d|%s|NONE|ENTERQUEUE||1|1", at, i, queue), fmt.Sprintf("%s|s.%d|%s|A|CONNECT|%d|x|0", at, i, queue, i), fmt.Sprintf("%s|s.%d|%s|A|COMPLETEAGENT|0|10|1", at, i, queue))
		}
		s.keeps(lines...)
		s.admin.get(statsPath+"reports/answered_calls_by_queue&end=2027-05-03").says(http.StatusOK, rows(`{"Queue":"100","Received":"165","% Calls":"71.12"}`, `{"Queue":"200","Received":"67","% Calls":"28.88"}`))
		// One waited each number of seconds from 0 to 231.
		s.admin.get(statsPath+"reports/answered_calls_by_holdtime&end=2027-05-03").says(http.StatusOK, rows(`{"Hold Time":"15","Received":"16","Delta":"16","% Calls":"6.90"}`, `{"Hold Time":"30","Received":"31","Delta":"15","% Calls":"13.36"}`,
			`{"Hold Time":"45","Received":"46","Delta":"15","% Calls":"19.83"}`, `{"Hold Time":"60","Received":"61","Delta":"15","% Calls":"26.29"}`, `{"Hold Time":"75","Received":"76","Delta":"15","% Calls":"32.76"}`,
			`{"Hold Time":"90","Received":"91","Delta":"15","% Calls":"39.22"}`, `{"Hold Time":"91+","Received":"232","Delta":"141","% Calls":"100.00"}`))
		for page, n := range map[int]int{1: 100, 2: 100, 3: 32, 4: 0} {
			var list struct {
				Page, Total, Records string
				Rows                 []map[string]string
			}
			s.admin.get(fmt.Sprintf("%sreports/answered_calls_detail&end=2027-05-03&rows=100&page=%d", statsPath, page)).into(&list)
			if list.Page != fmt.Sprint(page) || list.Total != "3" || list.Records != "232" || len(list.Rows) != n {
				t.Errorf("page %s of %s has %d rows of %s", list.Page, list.Total, len(list.Rows), list.Records)
			}
		}
	})
}

// wednesdayNow is what Asterisk says at noon: two wait for sales, whose members are in every state that there is.
func wednesdayNow() ami.Snapshot {
	noon := time.Date(2027, 6, 9, 10, 0, 0, 0, time.UTC)
	sales := ami.QueueState{Name: "sales", Entries: []ami.QueueEntry{
		{Position: 2, CallerIDNum: "5550188", Wait: 17 * time.Second}, {Position: 1, CallerIDNum: "5550187", CallerIDName: `R. "Lund"`, Wait: 60 * time.Second},
	}}
	for state := range ami.DeviceOnHold + 1 {
		sales.Members = append(sales.Members, ami.QueueMember{Name: fmt.Sprintf("S%d", state), Interface: fmt.Sprintf("SIP/%d", state), StateInterface: fmt.Sprintf("SIP/%d", state), Status: state})
	}
	sales.Members[1].Penalty, sales.Members[1].Paused, sales.Members[1].PausedReason, sales.Members[1].LastPause = 2, true, "lunch", noon.Add(-5*time.Minute)
	sales.Members[5].Paused, sales.Members[5].Penalty = true, 1 // he is not there, so neither counts
	sales.Members[2].InCall, sales.Members[2].LastCall = true, noon.Add(-96*time.Second)
	return ami.Snapshot{
		Queues: []ami.QueueState{sales, {Name: "empty"}},
		Channels: []ami.Channel{
			{Name: "SIP/2-0001", State: 6, ConnectedLineNum: "5550199", Duration: 61 * time.Second, Application: "AppQueue", BridgeID: "b", LinkedID: "l", UniqueID: "l.2"},
			{Name: "SIP/trunk-0002", State: 6, CallerIDNum: "5550199", Application: "Queue", ApplicationData: "sales,t", BridgeID: "b", LinkedID: "l", UniqueID: "l"},
			{Name: "SIP/3-0003", State: 6, Exten: "5550150", ConnectedLineNum: "5550150", Duration: 5 * time.Second, Application: "Dial", UniqueID: "m", LinkedID: "m"},
		},
	}
}

// TestCallCenterRealtime: what Asterisk says, and what the log says of today.
func TestCallCenterRealtime(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		room.snapshot = wednesdayNow()
		const (
			free    = `"Waiting":"0","Agents":"0","Penalty":"0","Logged Off":"0","Busy":"0","Paused":"0",`
			support = `"Answered":"4","Unanswered":"1","Abandoned":"0","Abandon Rate":"0.00","Avg Wait":"52","Avg Duration":"40","Max. wait time":"0"}`
			sales   = `"Answered":"4","Unanswered":"2","Abandoned":"1","Abandon Rate":"16.67","Avg Wait":"13","Avg Duration":"104","Max. wait time":`
			nothing = `"Answered":"0","Unanswered":"0","Abandoned":"0","Abandon Rate":"0","Avg Wait":"0","Avg Duration":"0","Max. wait time":"0"}`
		)
		agent := func(n int, status, rest string) string {
			if rest == "" {
				rest = `"paused":"0","auxType":"","auxSeconds":"0","callFromQueue":"","penalty":"0","callerid":"","duration":"0"`
			}
			return fmt.Sprintf(`"S%d":{"location":"SIP/%d","lastCall":"","status":"%s",%s}`, n, n, status, rest)
		}
		want := `{"waiting calls":{"empty":{},"sales":{"1":{"calleridNum":"5550187","calleridName":"R. \"Lund\"","waitTime":"60"},"2":{"calleridNum":"5550188","calleridName":"","waitTime":"17"}},"support":{}},` +
			`"summary":{"queue":{"empty":{` + free + nothing + `,"sales":{"Waiting":"2","Agents":"6","Penalty":"1","Logged Off":"3","Busy":"4","Paused":"1",` + sales + `"60"},"support":{` + free + support + `}},` +
			`"agents":{"empty":{},"sales":{` + strings.Join([]string{
			agent(0, "unknown", ""), agent(1, "not in use", `"paused":"1","auxType":"lunch","auxSeconds":"300","callFromQueue":"","penalty":"2","callerid":"","duration":"0"`),
			`"S2":{"location":"SIP/2","lastCall":"96","status":"busy","paused":"0","auxType":"","auxSeconds":"0","callFromQueue":"sales","penalty":"0","callerid":"5550199","duration":"61"}`,
			agent(3, "dialout", `"paused":"0","auxType":"","auxSeconds":"0","callFromQueue":"","penalty":"0","callerid":"5550150","duration":"5"`),
			agent(4, "unavailable", ""), agent(5, "unavailable", `"paused":"1","auxType":"","auxSeconds":"0","callFromQueue":"","penalty":"1","callerid":"","duration":"0"`),
			agent(6, "ringing", ""), agent(7, "busy", ""), agent(8, "busy", ""),
		}, ",") + `},"support":{}}}`
		a := s.admin.get(statsPath + "realtime")
		a.says(http.StatusOK, want)
		if a.header.Get("X-Realtime") != "" {
			t.Errorf("%v", a.header)
		}
		supportOnly := `{"waiting calls":{"support":{}},"summary":{"queue":{"support":{` + free + support + `}},"agents":{"support":{}}}`
		s.admin.get(statsPath+"realtime&queues=support").says(http.StatusOK, supportOnly)
		s.admin.get(statsPath+"realtime&queues=support,nobody").says(http.StatusOK, supportOnly)
		s.admin.get(statsPath+"realtime&queues=ALL").says(http.StatusOK, want)
		s.admin.get(statsPath+"realtime&queues=nobody").says(http.StatusOK, `{"waiting calls":{},"summary":{"queue":{}},"agents":{}}`)

		// Without Asterisk there is what the log says.
		room.away = true
		room.now.set(room.now.time().Add(3 * time.Second))
		away := `{"waiting calls":{"sales":{},"support":{}},"summary":{"queue":{"sales":{` + free + sales + `"0"},"support":{` + free + support + `}},"agents":{"sales":{},"support":{}}}`
		a = s.admin.get(statsPath + "realtime")
		a.says(http.StatusOK, away)
		if a.header.Get("X-Realtime") != "unavailable" {
			t.Errorf("%v", a.header)
		}

		// After midnight nobody has called today, but for those who still talk or wait.
		room.away, room.snapshot = false, ami.Snapshot{Queues: []ami.QueueState{{Name: "sales"}}}
		room.now.set(time.Date(2027, 6, 10, 0, 0, 1, 0, vienna(t)))
		s.admin = s.login("admin") // that session is over
		s.admin.get(statsPath+"realtime&queues=sales").says(http.StatusOK, `{"waiting calls":{"sales":{}},"summary":{"queue":{"sales":{`+free+nothing+`}},"agents":{"sales":{}}}`)
		s.start(func(d *adminapi.Deps) { callCentre(t, room)(d); d.LiveQueues = nil })
		a = s.login("admin").get(statsPath + "realtime")
		a.says(http.StatusOK, `{"waiting calls":{},"summary":{"queue":{}},"agents":{}}`)
		if a.header.Get("X-Realtime") != "unavailable" {
			t.Errorf("%v", a.header)
		}
	})
}
