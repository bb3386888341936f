package adminapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"talktime/models"
)

// queueAnswer is what the statistics of queues answer, as far as tests look at it.
type queueAnswer struct {
	From, To, Timezone string
	NumRows            int `json:"num_rows"`
	Formulas           map[string]string
	Rows               []map[string]any
	Total              map[string]any
	Objects            []map[string]any
	NumResults         int `json:"num_results"`
	TotalPages         int `json:"total_pages"`
}

func (a answer) queues() (q queueAnswer) {
	a.t.Helper()
	a.is(http.StatusOK)
	a.into(&q)
	return q
}

// of are some values of objects, a line for each.
func of(objects []map[string]any, names string) string {
	var lines []string
	for _, o := range objects {
		var values []string
		for name := range strings.FieldsSeq(names) {
			switch v := o[name].(type) {
			case nil:
				values = append(values, "-")
			case float64:
				values = append(values, strconv.FormatFloat(v, 'f', -1, 64))
			default:
				values = append(values, fmt.Sprint(v))
			}
		}
		lines = append(lines, strings.Join(values, " "))
	}
	return strings.Join(lines, "\n")
}

func sameLines(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// TestQueueSummary: the figures of the Wednesday, each derived by hand from the calls in its table.
func TestQueueSummary(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		const counts = "key name offered answered unanswered abandoned timed_out emptied keyed dumped incompatible lost withdrawn"
		const times = "key abandon_rate service_level asa_seconds wait_p50_seconds wait_p90_seconds wait_longest_seconds wait_seconds left_mean_seconds left_longest_seconds talk_seconds talk_mean_seconds aht_seconds"
		const ends = "key completed_by_agent completed_by_caller transferred ended_otherwise no_answers no_answer_seconds"
		a := s.admin.get("/api/queues/summary?by=queue").queues()
		sameLines(t, "counts", of(a.Rows, counts), "sales Sales 6 4 2 1 1 0 0 0 0 0 0\nsupport support 4 3 1 0 0 0 1 0 0 0 0")
		sameLines(t, "times", of(a.Rows, times), "sales 16.67 66.67 13 12 20 20 52 25 30 415 103.75 103.75\nsupport 0 25 65.67 90 91 91 197 10 10 120 40 40")
		sameLines(t, "ends", of(a.Rows, ends), "sales 2 1 1 0 1 5\nsupport 1 1 1 0 0 0")
		sameLines(t, "all", of([]map[string]any{a.Total}, counts+" "+times), "- - 10 7 3 1 1 0 1 0 0 0 0 - 10 50 35.57 16 91 91 249 20 30 535 76.43 76.43")
		if a.NumRows != 2 || a.From != "2027-06-09T00:00:00+02:00" || a.To != "2027-06-10T00:00:00+02:00" || a.Timezone != "Europe/Vienna" {
			t.Errorf("%+v", a)
		}
		if a.Formulas["service_level"] != "100 × answered after at most 20 seconds ÷ offered" || len(a.Formulas) != 10 {
			t.Errorf("%v", a.Formulas)
		}
		none := s.admin.get("/api/queues/summary?from=2027-01-01&to=2027-02-01").queues()
		sameLines(t, "of nothing", of([]map[string]any{none.Total}, counts+" "+times), "- - 0 0 0 0 0 0 0 0 0 0 0 - - - - - - 0 0 - 0 0 - -")

		for query, want := range map[string]string{
			"by=all":                       "all 10 7 1 50 76.43",
			"by=all&sla=12&wrapup=10":      "all 10 7 1 20 86.43",
			"by=all&sla=91":                "all 10 7 1 70 76.43",
			"by=agent":                     "Ben 2 2 0 0 45\nIva Moss 4 4 0 100 103.75\nNONE 3 0 1 0 -\nSIP/204 1 1 0 100 30",
			"by=hour":                      "00 1 1 0 100 60\n08 1 1 0 100 201\n09 6 3 1 33.33 51.33\n10 2 2 0 50 60",
			"by=day&from=2027-06-08":       "2027-06-08 1 0 1 0 -\n2027-06-09 10 7 1 50 76.43",
			"by=weekday&from=2027-06-08":   "2 1 0 1 0 -\n3 10 7 1 50 76.43",
			"by=month&from=2027-05-01":     "2027-06 11 7 2 45.45 76.43",
			"by=outcome":                   "abandoned 1 0 1 0 -\nanswered 7 7 0 71.43 76.43\nkey 1 0 0 0 -\ntimeout 1 0 0 0 -",
			"by=url":                       " 9 6 1 44.44 73.5\ncrm-7 1 1 0 100 94",
			"by=did":                       " 9 6 1 44.44 55.67\n5550100 1 1 0 100 201",
			"by=queue&queue=support":       "support 4 3 0 25 40",
			"by=queue&queue=Sales":         "sales 6 4 1 66.67 103.75",
			"by=queue&queue=support,sales": "sales 6 4 1 66.67 103.75\nsupport 4 3 0 25 40",
			"by=queue&queue=support&queue=sales&agent=Ben,SIP/204":       "sales 0 0 0 - -\nsupport 3 3 0 33.33 40",
			"by=queue&queue=nobody":                                      "",
			"by=queue&day_from=09:10:16&day_to=09:22:01":                 "sales 1 0 0 0 -\nsupport 1 1 0 100 30",
			"by=queue&day_from=10:02:35&day_to=00:00:10":                 "support 1 1 0 0 60",
			"by=queue&day_from=10:02:35&day_to=00:00:11":                 "sales 1 1 0 100 60\nsupport 1 1 0 0 60",
			"by=queue&from=2027-06-09T09:22:01&to=2027-06-09T09:30:20":   "support 1 1 0 0 30",
			"by=queue&from=2027-06-09T07:22:01Z&to=2027-06-09T07:30:20Z": "support 1 1 0 0 30",
			"by=hour&limit=1": "00 1 1 0 100 60",
		} {
			if strings.Contains(query, "from=") && !strings.Contains(query, "to=") {
				query += "&to=2027-06-10"
			}
			a := s.admin.get("/api/queues/summary?" + query)
			sameLines(t, query, of(a.queues().Rows, "key offered answered abandoned service_level aht_seconds"), want)
			if cut := a.header.Get("X-Truncated"); (cut == "rows") != strings.Contains(query, "limit=1") {
				t.Errorf("%s: X-Truncated %q", query, cut)
			}
		}

		for _, query := range []string{
			"by=year", "sla=0", "sla=3601", "sla=x", "wrapup=-1", "from=x", "to=2027-06-09", "from=2027-06-10&to=2027-06-09", "day_from=25:00", "day_from=8", "day_from=08:00&day_to=08:00", "day_from=24:00",
			"timezone=UTC", "start=2027-06-09", "format=pdf", "limit=0", "limit=100001", "queue=" + strings.Repeat("a,", 1001),
		} {
			a := s.admin.get("/api/queues/summary?" + query).is(http.StatusBadRequest)
			if a.header.Get("Content-Type") != "application/problem+json" || a.object()["message"] == "" {
				t.Errorf("%s: %s", query, a.body)
			}
		}
	})
}

// TestQueueLinks: behind the figures there are the calls that came then.
func TestQueueLinks(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		for by, want := range map[string]string{
			"all": "all 7", "queue": "sales 5\nsupport 4", "agent": "Ben 2\nIva Moss 3\nNONE 2\nSIP/204 1", "hour": "00 0\n08 1\n09 5\n10 1", "day": "2027-06-09 7", "month": "2027-06 7",
			"weekday": "3 -", "outcome": "abandoned 1\nanswered 5\nkey 1\ntimeout 1", "url": " -\ncrm-7 1", "did": " -\n5550100 1",
		} {
			var lines []string
			for _, row := range s.admin.get("/api/queues/summary?by=" + by).queues().Rows {
				n := "-"
				if link, ok := row["calls"].(string); ok {
					n = strconv.Itoa(s.admin.get(link).queues().NumResults)
				}
				lines = append(lines, fmt.Sprint(row["key"], " ", n))
			}
			sameLines(t, by, strings.Join(lines, "\n"), want)
		}
		// With a part of the day, too.
		link := s.admin.get("/api/queues/summary?by=queue&day_from=09:00&day_to=09:30").queues().Rows[0]["calls"].(string)
		if n := s.admin.get(link).queues().NumResults; n != 2 { // b.1 and d.1
			t.Errorf("%s has %d calls", link, n)
		}
	})
}

// TestQueueWaits: how long callers waited, step by step.
func TestQueueWaits(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		const names = "up_to_seconds connected left connected_cumulative left_cumulative connected_share service_level"
		a := s.admin.get("/api/queues/waits?step=15").queues()
		sameLines(t, "by 15 seconds", of(a.Rows, names), "15 3 1 3 1 42.86 30\n30 2 2 5 3 71.43 50\n90 1 0 6 3 85.71 60\n105 1 0 7 3 100 70")
		a = s.admin.get("/api/queues/waits?queue=support").queues()
		sameLines(t, "of support", of(a.Rows, names), "10 0 1 0 1 0 0\n20 1 0 1 1 33.33 25\n90 1 0 2 1 66.67 50\n95 1 0 3 1 100 75")
		a = s.admin.get("/api/queues/waits?from=2027-01-01&to=2027-01-02").queues()
		if a.Rows == nil || len(a.Rows) != 0 {
			t.Errorf("of nothing: %v", a.Rows)
		}
		csv := s.admin.get("/api/queues/waits?step=15&format=csv&limit=1").is(http.StatusOK)
		if csv.body != "up_to_seconds,connected,left,connected_cumulative,left_cumulative,connected_share,service_level\r\n15,3,1,3,1,42.86,30.0\r\n" || csv.header.Get("X-Truncated") != "rows" {
			t.Errorf("%q", csv.body)
		}
		for _, step := range []string{"0", "3601", "x", "1.5"} {
			s.admin.get("/api/queues/waits?step=" + step).is(http.StatusBadRequest)
		}
	})
}

// TestAgentTimes: Iva has been a member of sales since 8 o'clock, and was away for 20 minutes at lunch, and for 10 without a word.
func TestAgentTimes(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		s.keeps("09:05:00|NONE|sales|Iva Moss|PAUSE|lunch", "09:25:00|NONE|sales|Iva Moss|UNPAUSE|", "10:30:00|NONE|sales|Iva Moss|PAUSE|", "10:40:00|NONE|sales|Iva Moss|UNPAUSE|")
		const names = "agent sessions logged_in_seconds pauses paused_seconds ready_seconds occupancy answered talk_seconds aht_seconds no_answers no_answer_seconds"
		a := s.admin.get("/api/queues/agents/times?wrapup=5").queues()
		sameLines(t, "today", of(a.Rows, names), "Ben 0 0 0 0 0 - 2 90 50 1 5\nIva Moss 1 14400 2 1800 12600 3.45 4 415 108.75 0 0\nSIP/204 0 0 0 0 0 - 1 30 35 0 0")
		if got := fmt.Sprint(a.Rows[1]["reasons"]); got != "[map[pauses:1 reason: seconds:600] map[pauses:1 reason:lunch seconds:1200]]" {
			t.Errorf("Iva's pauses: %s", got)
		}
		a = s.admin.get("/api/queues/agents/times?from=2027-06-09T09:00&to=2027-06-09T10:00&agent=Iva+Moss").queues()
		sameLines(t, "an hour of Iva's", of(a.Rows, names), "Iva Moss 0 3600 1 1200 2400 3.92 1 94 94 0 0")
		csv := s.admin.get("/api/queues/agents/times?format=csv&agent=Iva+Moss").is(http.StatusOK)
		sameLines(t, "CSV", csv.body, "agent,name,reason,sessions,logged_in_seconds,pauses,paused_seconds,ready_seconds,occupancy,answered,talk_seconds,aht_seconds,no_answers,no_answer_seconds\r\n"+
			"Iva Moss,Iva Moss,,1,14400,2,1800,12600,3.29,4,415,103.75,0,0\r\nIva Moss,Iva Moss,(none),,,1,600,,,,,,,\r\nIva Moss,Iva Moss,lunch,,,1,1200,,,,,,,\r\n")
		s.admin.get("/api/queues/agents/times?day_from=09:00").is(http.StatusBadRequest)
		s.admin.get("/api/queues/agents/times?wrapup=3601").is(http.StatusBadRequest)
	})
}

// TestQueueCalls: each filter by itself, pages, and what a call looks like.
func TestQueueCalls(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		for query, want := range map[string]string{
			"": "1812528928.11 b.1 c.1 d.1 e.1 f.1 i.1", "from=2027-06-08&to=2027-06-09": "y.2 y.1", "uniqueid=d.1": "d.1", "uniqueid=d": "", "uniqueid=g.1": "", "clid=555018": "d.1 e.1 f.1 i.1", "clid=%25": "",
			"url=crm-7": "b.1", "tag=Sale": "b.1", "did=5550100": "1812528928.11", "did=555": "", "talktime=94": "1812528928.11 b.1 i.1", "talktime=94,120": "b.1 i.1", "talktime=0,0": "e.1 f.1", "waittime=90": "d.1 i.1",
			"waittime=0,12": "1812528928.11 f.1", "waittime=15,16": "b.1 c.1", "outcome=abandoned": "e.1", "outcome=timeout": "d.1", "outcome=key": "f.1", "outcome=lost": "", "outcome=answered": "1812528928.11 b.1 c.1 d.1 i.1",
			"queue=sales": "1812528928.11 b.1 d.1 e.1 i.1", "queue=support": "c.1 d.1 f.1 i.1", "agent=Ben": "d.1 i.1", "agent=Ben,SIP/204": "c.1 d.1 i.1", "agent=NONE": "e.1 f.1", "queue=sales&agent=Ben": "d.1 i.1",
			"day_from=09:10&day_to=09:30": "c.1 d.1", "queue=support&outcome=answered&waittime=91": "d.1",
		} {
			a := s.admin.get("/api/queues/calls?" + query).queues()
			sameLines(t, query, strings.Join(strings.Fields(of(a.Objects, "uniqueid")), " "), want)
			if a.NumResults != len(strings.Fields(want)) {
				t.Errorf("%s: %d results", query, a.NumResults)
			}
		}
		for _, query := range []string{"outcome=waiting", "outcome=x", "talktime=x", "talktime=5,1", "talktime=,5", "waittime=-1", "waittime=1,2,3", "talktime=99999999999", "q={}", "after=1"} {
			s.admin.get("/api/queues/calls?" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(query)).is(http.StatusBadRequest)
		}
		page := s.admin.get("/api/queues/calls?results_per_page=3&page=2&queue=sales&queue=support")
		if a := page.queues(); of(a.Objects, "uniqueid") != "d.1\ne.1\nf.1" || a.NumResults != 7 || a.TotalPages != 3 || !strings.Contains(page.header.Get("Link"), `page=3&results_per_page=3&queue=sales&queue=support>; rel="next"`) {
			t.Errorf("%s %s", page.body, page.header.Get("Link"))
		}
		const first = `{"uniqueid":"1812528928.11","caller":"5550177","started_at":"2027-06-09T08:15:28+02:00","ended_at":"2027-06-09T08:19:01+02:00","first_event":"ENTERQUEUE","event":"COMPLETECALLER","outcome":"answered",` +
			`"queue":"sales","queue_name":"Sales","agent":"Iva Moss","agent_name":"Iva Moss","queue_entries":1,"last_wait_seconds":12,"wait_seconds":12,"talk_seconds":201,"duration_seconds":213,"url":"","did":"5550100","tag":"",` +
			`"recording":{"file":"q-sales-1812528928.11.wav","href":"/api/queues/calls/1812528928.11/recording"},"href":"/api/queues/calls/1812528928.11"`
		s.admin.get("/api/queues/calls?uniqueid=1812528928.11").says(http.StatusOK, `{"num_results":1,"objects":[`+first+`}],"page":1,"total_pages":1}`)
		if detail := s.admin.get("/api/queues/calls/1812528928.11").is(http.StatusOK); !strings.HasPrefix(detail.body, first+`,"passages":[{"queue":"sales","entered_at":"2027-06-09T08:15:28+02:00","position":1,"agent":"Iva Moss",`+
			`"connected_at":"2027-06-09T08:15:40+02:00","ended_at":"2027-06-09T08:19:01+02:00","outcome":"answered","event":"COMPLETECALLER","wait_seconds":12,"ring_seconds":5,"talk_seconds":201,"no_answers":1,"left_position":0,"key":"","target":""}],`+
			`"events":[{"at":"2027-06-09T08:15:28+02:00","queue":"NONE","queue_name":"NONE","agent":"NONE","agent_name":"NONE","event":"DID","parameters":["5550100","","","",""]},{"at"`) {
			t.Errorf("%s", detail.body)
		}

		csv := s.admin.get("/api/queues/calls?format=csv&uniqueid=b.1").is(http.StatusOK)
		sameLines(t, "CSV", csv.body, "started_at,ended_at,uniqueid,caller,queue,queue_name,agent,agent_name,outcome,event,queue_entries,last_wait_seconds,wait_seconds,talk_seconds,duration_seconds,url,did,tag,recording,href\r\n"+
			"2027-06-09T09:00:00+02:00,2027-06-09T09:01:49+02:00,b.1,5550178,sales,Sales,Iva Moss,Iva Moss,answered,COMPLETEAGENT,1,15,15,94,109,crm-7,,Sale,,/api/queues/calls/b.1\r\n")
		if got := csv.header.Get("Content-Disposition"); got != `attachment; filename="queue-calls-2027-06-09.csv"` {
			t.Errorf("Content-Disposition %q", got)
		}
		book, err := excelize.OpenReader(strings.NewReader(s.admin.get("/api/queues/calls?format=xlsx").is(http.StatusOK).body))
		if err != nil {
			t.Fatal(err)
		}
		if lines, err := book.GetRows("Queue calls"); err != nil || len(lines) != 8 || lines[7][2] != "i.1" {
			t.Errorf("%v, %v", lines, err)
		}

		// One that goes on, one with two passages, and what there is not.
		open := s.admin.get("/api/queues/calls/g.1").is(http.StatusOK).object()
		if open["outcome"] != "waiting" || open["ended_at"] != nil || open["event"] != "" || open["queue_name"] != "Sales" || len(open["events"].([]any)) != 1 {
			t.Errorf("%v", open)
		}
		talks := s.admin.get("/api/queues/calls/h.1").is(http.StatusOK).object()
		if talks["outcome"] != "talking" || talks["agent"] != "Ben" || talks["ended_at"] != nil {
			t.Errorf("%v", talks)
		}
		two := s.admin.get("/api/queues/calls/d.1").is(http.StatusOK).object()
		if len(two["passages"].([]any)) != 2 || len(two["events"].([]any)) != 5 || two["wait_seconds"] != 121.0 || two["last_wait_seconds"] != 91.0 {
			t.Errorf("%v", two)
		}
		for _, id := range []string{"x", "NONE", "%00", "%ff", "d.1%20", strings.Repeat("a", 151), "..", "'%20OR%201=1"} {
			if a := s.admin.get("/api/queues/calls/" + id); a.status != http.StatusNotFound {
				t.Errorf("%s", a.what)
			}
		}

		s.keeps("2027-06-09 11:00:00|we/ird|sales|NONE|ENTERQUEUE||5550190|1", "2027-06-09 11:00:09|we/ird|sales|NONE|ABANDON|1|1|9")
		for _, list := range []string{"calls?uniqueid=we/ird", "abandoned?results_per_page=100"} {
			if a := s.admin.get("/api/queues/" + list).is(http.StatusOK); !strings.Contains(a.body, `"uniqueid":"we/ird"`) || !strings.Contains(a.body, `"href":null`) {
				t.Errorf("%s", a.body)
			}
		}
	})
}

// TestOddQueueQuestions: whatever somebody asks for, he is answered, and nobody finds what there is not.
func TestOddQueueQuestions(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		for _, name := range []string{"queue", "agent", "uniqueid", "clid", "url", "tag", "did"} {
			for _, value := range []string{"%ff%fe", "%00", "a%00b", "%F0%9F%98%80", "'%20OR%201=1%20--", "%25", "_", strings.Repeat("x", 5000)} {
				if a := s.admin.get("/api/queues/calls?" + name + "=" + value).queues(); a.NumResults != 0 && value != "_" {
					t.Errorf("%s=%s: %+v", name, value, a)
				}
			}
		}
		for _, path := range []string{"summary?by=day&", "summary?by=month&", "summary?by=hour&", "waits?", "agents/times?", "calls?", "abandoned?"} {
			s.admin.get("/api/queues/" + path + "from=1970-01-02&to=9998-12-31").is(http.StatusOK)
			for _, query := range []string{"from=9999-12-31", "from=0001-01-01&to=2027-01-01", "from=2027-13-01", "from=2027-06-09&to=2027-06-09", "to=2027-06-09"} {
				s.admin.get("/api/queues/" + path + query).is(http.StatusBadRequest)
			}
		}
		// The night in which clocks are put back has 25 hours, and its window is by the clock on the wall.
		s.keeps("2026-10-25 01:59:00|z.1|sales|NONE|ENTERQUEUE||5550199|1", "2026-10-25 01:59:30|z.1|sales|NONE|ABANDON|1|1|30", "2026-10-25 03:00:00|z.2|sales|NONE|ENTERQUEUE||5550198|1", "2026-10-25 03:00:30|z.2|sales|NONE|ABANDON|1|1|30")
		a := s.admin.get("/api/queues/summary?by=hour&from=2026-10-25&to=2026-10-26").queues()
		if a.From != "2026-10-25T00:00:00+02:00" || a.To != "2026-10-26T00:00:00+01:00" {
			t.Errorf("%s to %s", a.From, a.To)
		}
		sameLines(t, "by hour", of(a.Rows, "key offered"), "01 1\n03 1")
		sameLines(t, "from 3 o'clock", of(s.admin.get("/api/queues/calls?from=2026-10-25&to=2026-10-26&day_from=03:00").queues().Objects, "uniqueid"), "z.2")
	})
}

// TestQueueNamesAreChanged: people see the name that an administrator gives; the log and its filters go on.
func TestQueueNamesAreChanged(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		list := s.admin.get("/api/queues").queues()
		sameLines(t, "queues", of(list.Objects, "queue name"), "sales Sales\nsupport support")
		if got := fmt.Sprint(list.Objects[0]["today"], list.Objects[1]["today"]); got != "map[abandoned:1 answered:4 offered:7 talking:0 unanswered:2 waiting:1] map[abandoned:0 answered:3 offered:5 talking:1 unanswered:1 waiting:0]" {
			t.Errorf("today: %s", got)
		}
		agents := s.admin.get("/api/queues/agents").queues()
		sameLines(t, "agents", of(agents.Objects, "agent name"), "Ben Ben\nIva Moss Iva Moss\nSIP/204 SIP/204")
		if page := s.admin.get("/api/queues/agents?results_per_page=2&page=2").queues(); of(page.Objects, "agent") != "SIP/204" || page.NumResults != 3 {
			t.Errorf("%v", page)
		}
		queue, agent := fmt.Sprintf("/api/queues/%v", list.Objects[1]["id"]), fmt.Sprintf("/api/queues/agents/%v", agents.Objects[2]["id"])
		s.admin.patch(queue, `{"name":"Hilfe & Rat"}`).says(http.StatusOK, fmt.Sprintf(`{"id":%v,"queue":"support","name":"Hilfe & Rat","today":null}`, list.Objects[1]["id"]))
		s.admin.patch(agent, `{"name":"Zoë"}`).says(http.StatusOK, fmt.Sprintf(`{"id":%v,"agent":"SIP/204","name":"Zoë"}`, agents.Objects[2]["id"]))
		sameLines(t, "named", of(s.admin.get("/api/queues/summary?by=queue&queue=Hilfe+%26+Rat").queues().Rows, "key name offered"), "support Hilfe & Rat 4")
		sameLines(t, "agent named", of(s.admin.get("/api/queues/summary?by=agent&agent=Zo%C3%AB").queues().Rows, "key name offered"), "SIP/204 Zoë 1")
		if c := s.admin.get("/api/queues/calls/c.1").object(); c["queue_name"] != "Hilfe & Rat" || c["agent_name"] != "Zoë" {
			t.Errorf("%v", c)
		}
		s.admin.patch(queue, `{"name":null}`).is(http.StatusOK)
		sameLines(t, "named no more", of(s.admin.get("/api/queues").queues().Objects, "name"), "Sales\nsupport")

		for path, status := range map[string]int{"/api/queues/99": 404, "/api/queues/agents/99": 404, "/api/queues/x": 404, "/api/queues/-1": 404, "/api/queues/0": 404, "/api/queues/99999999999": 404, "/api/queues/summary": 404} {
			s.admin.patch(path, `{"name":"x"}`).is(status)
		}
		for _, body := range []string{``, `[]`, `{}`, `{"name":1.5}`, `{"name":""}`, `{"name":"a\nb"}`, `{"name":"` + strings.Repeat("ü", 151) + `"}`, `{"name":"x","queue":"y"}`} {
			if a := s.admin.patch(queue, body); a.status != http.StatusBadRequest && a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		var log []string
		for _, line := range s.admin.get("/api/audit").objects() {
			if action := line["action"]; action == "queue.rename" || action == "agent.rename" {
				log = append(log, fmt.Sprint(line["actor"], " ", action, " ", line["target"]))
			}
		}
		slices.Sort(log)
		sameLines(t, "the audit log", strings.Join(log, "\n"), "admin agent.rename SIP/204\nadmin queue.rename support\nadmin queue.rename support\ntest queue.rename sales")
	})
}

// TestWhoSeesQueues: everybody sees what he was granted, and nobody else's queues, in any of the answers.
func TestWhoSeesQueues(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, _ *switchroom) {
		s.marta()
		joel := s.user(models.NewUser{Username: "joel"})
		s.admin.patch("/api/users/joel", `{"account_id":"joels"}`).is(http.StatusOK)
		paths := []string{"", "/agents", "/summary", "/waits", "/agents/times", "/calls", "/calls/c.1", "/abandoned"}
		bound := s.anonymous()
		_, secret, err := s.store.NewToken(t.Context(), models.NewToken{Name: "bound", Scopes: []string{"statistics", "recordings", "admin"}, Account: "joels"}, "test")
		if err != nil {
			t.Fatal(err)
		}
		bound.header.Set("Authorization", "Bearer "+secret)
		others := models.Scopes()
		statistics, recordings, admin := s.program("statistics"), s.program("recordings"), s.program("admin")
		rest := s.program(slices.DeleteFunc(slices.Clone(others), func(scope string) bool { return slices.Contains([]string{"statistics", "recordings", "admin"}, scope) })...)
		basic := s.anonymous()
		basic.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:secret7")))
		for _, path := range paths {
			for _, tt := range []struct {
				who    *client
				status int
			}{{s.anonymous(), 401}, {s.login("marta"), 403}, {bound, 403}, {recordings, 403}, {admin, 403}, {rest, 403}, {statistics, 200}, {s.admin, 200}, {basic, 200}} {
				tt.who.get("/api/queues" + path).is(tt.status)
			}
		}
		for _, path := range []string{"/1", "/agents/1"} {
			for _, who := range []*client{s.login("marta"), bound, statistics, recordings, rest} {
				who.patch("/api/queues"+path, `{"name":"x"}`).is(http.StatusForbidden)
			}
			admin.patch("/api/queues"+path, `{"name":"by a program"}`).is(http.StatusOK)
			s.admin.patch("/api/queues"+path, `{"name":null}`).is(http.StatusOK)
		}
		for _, who := range []*client{s.login("marta"), bound, statistics, recordings, rest} {
			who.get("/api/queues/import").is(http.StatusForbidden)
		}

		grant := func(queues, agents []string) *client {
			t.Helper()
			if _, err := s.store.ChangeGrants(t.Context(), joel.ID, func(models.Grants) models.Grants { return models.Grants{Queues: queues, Agents: agents} }, "test"); err != nil {
				t.Fatal(err)
			}
			return s.login("joel")
		}
		see := func(what string, who *client, queues, agents, summary, calls, abandoned string) {
			t.Helper()
			sameLines(t, what+": queues", of(who.get("/api/queues").queues().Objects, "queue"), queues)
			sameLines(t, what+": agents", of(who.get("/api/queues/agents").queues().Objects, "agent"), agents)
			sameLines(t, what+": summary", of(who.get("/api/queues/summary?by=queue").queues().Rows, "key offered answered"), summary)
			sameLines(t, what+": calls", strings.ReplaceAll(of(who.get("/api/queues/calls").queues().Objects, "uniqueid"), "\n", " "), calls)
			sameLines(t, what+": abandoned", of(who.get("/api/queues/abandoned").queues().Objects, "uniqueid"), abandoned)
			times := who.get("/api/queues/agents/times").queues().Rows
			for _, row := range times {
				if !strings.Contains(agents, row["agent"].(string)) {
					t.Errorf("%s: the times of %v", what, row["agent"])
				}
			}
		}
		support := grant([]string{"support"}, nil)
		see("support", support, "support", "Ben\nSIP/204", "support 4 3", "c.1 d.1 f.1 i.1", "")
		part := support.get("/api/queues/calls/d.1").is(http.StatusOK)
		if o := part.object(); len(o["passages"].([]any)) != 1 || o["wait_seconds"] != 91.0 || strings.Contains(part.body, "sales") || strings.Contains(part.body, "Sales") {
			t.Errorf("%s", part.body)
		}
		for _, id := range []string{"e.1", "b.1", "g.1", "1812528928.11"} {
			support.get("/api/queues/calls/" + id).is(http.StatusNotFound)
		}
		for _, query := range []string{"summary?by=queue&queue=sales", "calls?queue=sales&queue=Sales", "waits?queue=sales"} {
			if a := support.get("/api/queues/" + query).queues(); len(a.Rows)+len(a.Objects) != 0 {
				t.Errorf("%s: %+v", query, a)
			}
		}
		support.get("/api/queues/calls/c.1/recording").is(http.StatusForbidden)

		see("Ben", grant(nil, []string{"Ben"}), "sales\nsupport", "Ben", "sales 0 0\nsupport 2 2", "d.1 i.1", "") // a telephone of his rang for sales
		if today := fmt.Sprint(s.login("joel").get("/api/queues").queues().Objects[1]["today"]); today != "map[abandoned:0 answered:2 offered:3 talking:1 unanswered:0 waiting:0]" {
			t.Errorf("today, as who may see Ben is told: %s", today)
		}
		see("Iva in sales", grant([]string{"sales"}, []string{"Iva Moss"}), "sales", "Iva Moss", "sales 4 4", "1812528928.11 b.1 i.1", "")
		see("sales", grant([]string{"sales"}, nil), "sales", "Ben\nIva Moss", "sales 6 4", "1812528928.11 b.1 d.1 e.1 i.1", "e.1")
		see("SIP/204", grant(nil, []string{"SIP/204"}), "support", "SIP/204", "support 1 1", "c.1", "")
		see("a queue that there is not", grant([]string{"gone"}, nil), "", "", "", "", "")
		nothing := grant(nil, nil)
		for _, path := range paths {
			nothing.get("/api/queues" + path).is(http.StatusForbidden)
		}
	})
}
