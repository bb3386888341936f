package e2e

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/store/storetest"
)

// centre is an Asterisk with queues, and two Talktimes: one reads the file, the other the table.
type centre struct {
	*lab.Lab
	t     *testing.T
	sites []*desk
	day   string  // of the calls
	rows  *sql.DB // where Asterisk writes the table
}

func newCentre(t *testing.T) *centre {
	table := storetest.Shared(t).NewDatabase(t)
	c := &centre{t: t, day: time.Now().UTC().Format(time.DateOnly), Lab: lab.Start(t, lab.Options{
		CDRDatabase: table, QueueLogTable: true, Extensions: centreDialplan, Context: "centre",
		Files: map[string]string{"queues.conf": centreQueues, "features.conf": "[featuremap]\natxfer => *2\n"},
	})}
	c.rows = storetest.Open(t, table)
	ofTable := cdrSettings(t, table)
	ofTable["TALKTIME_QUEUE_LOG"] = "db"
	for name, settings := range map[string]map[string]string{"file": {"TALKTIME_QUEUE_LOG": c.Path("log/queue_log")}, "table": ofTable} {
		s := &site{t: t, dir: t.TempDir(), addr: freeAddr(t)}
		if s.url = "sqlite:" + filepath.Join(s.dir, "talktime.db"); name == "table" {
			s.url = storetest.Shared(t).NewDatabase(t)
		}
		s.db = openStore(t, s.url)
		maps.Copy(settings, map[string]string{
			"TALKTIME_AMI_ADDR": c.AMIAddr, "TALKTIME_AMI_USER": lab.User, "TALKTIME_AMI_SECRET": lab.Secret,
		})
		d := &desk{site: s, name: name, settings: settings}
		d.serve(t)
		d.person(t, "marta", models.Grants{Queues: []string{"support"}})
		d.person(t, "nobody", models.Grants{})
		c.sites = append(c.sites, d)
	}
	return c
}

// TestQueues: a real Asterisk with real calls through its queues, and every figure of what they come to.
func TestQueues(t *testing.T) {
	lab.Require(t)
	c := newCentre(t)
	c.ask(t, "QueueAdd", "Queue: late", "Interface: PJSIP/agent2", "StateInterface: PJSIP/agent2", "MemberName: Bo Lund", "Penalty: 1")
	c.ask(t, "QueuePause", "Interface: PJSIP/agent2", "Paused: true", "Reason: Lunch")
	c.place(t, centreCalls[:4]...)
	c.ask(t, "QueuePause", "Interface: PJSIP/agent2", "Paused: false", "Reason: Lunch")
	c.imported(t, 4)
	c.cli(t, "logger rotate")
	c.place(t, centreCalls[4:6]...) // and a crash
	ids := c.ids
	for _, d := range c.sites {
		d.serve(t)
	}
	c.imported(t, 6)
	before := ids(t)
	c.place(t, centreCalls[6:]...)
	c.ask(t, "QueuePause", "Interface: PJSIP/agent2", "Queue: late", "Paused: true", "Reason: Email")
	c.imported(t, len(centreCalls))
	if after := ids(t); !strings.HasPrefix(fmt.Sprint(after), strings.TrimSuffix(fmt.Sprint(before), "]")) {
		t.Errorf("numbers of queues were %v, and are %v", before, after)
	}
	for _, d := range c.sites {
		books := c.books(c.linesOf(t, d))
		t.Run("reports of the "+d.name, func(t *testing.T) { c.reports(t, d, books) })
		t.Run("lists of the "+d.name, func(t *testing.T) { c.lists(t, d, books) })
		t.Run("rights in the "+d.name, func(t *testing.T) { c.rights(t, d) })
		t.Run("our figures of the "+d.name, func(t *testing.T) { c.ours(t, d, books) })
	}
	if time.Now().UTC().Format(time.DateOnly) != c.day {
		t.Skip("the day ended in the middle of the calls: those of today are not all of them")
	}
	t.Run("realtime", c.realtime)
	t.Run("an agent goes", c.goes)
	t.Run("Asterisk crashes", c.restarted)
	t.Run("read again", c.again)
}

// again: the same files, read in another order by another Talktime, and once more by the one that has read them, come to the same books.
func (c *centre) again(t *testing.T) {
	other := &site{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	other.url = "sqlite:" + filepath.Join(other.dir, "talktime.db")
	other.db = openStore(t, other.url)
	other.admin(0, "queues", "import", c.Path("log/queue_log"), c.Path("log/queue_log-20260101.gz"), c.Path("log/queue_log.0"))
	want := other.admin(0, "queues", "verify", "--json")
	var books struct {
		Clean bool
		Calls int
		Total map[string]any
	}
	if err := json.Unmarshal([]byte(want), &books); err != nil {
		t.Fatalf("%v\n%s", err, want)
	}
	maps.DeleteFunc(books.Total, func(_ string, n any) bool { return n == 0.0 || n == "" })
	const total = "map[abandoned:2 answered:10 emptied:1 entered:16 keyed:1 timedout:2]"
	if !books.Clean || books.Calls != len(centreCalls)+3 || fmt.Sprint(books.Total) != total {
		t.Errorf("the books are %+v; want %s", books, total)
	}
	for _, d := range c.sites {
		if d.name == "file" {
			d.site.admin(0, "queues", "import", "--again", c.Path("log/queue_log.0"), c.Path("log/queue_log-20260101.gz"))
		}
		if got := d.site.admin(0, "queues", "verify", "--json"); got != want {
			t.Errorf("the books of the %s: %s", d.name, gocmp.Diff(want, got))
		}
	}
}

// ids are the numbers of queues in the file's Talktime, by number.
func (c *centre) ids(t *testing.T) (ids []string) {
	t.Helper()
	i := slices.IndexFunc(c.sites, func(d *desk) bool { return d.name == "file" })
	_, _, body := c.sites[i].ask(t, "admin", "entity=queues")
	var list struct {
		Data []struct{ QueueID, Queue string }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(body, "queue_id", "QueueID")), &list); err != nil {
		t.Fatal(err)
	}
	for _, q := range list.Data {
		if q.QueueID != "-1" {
			ids = append(ids, q.QueueID+" "+q.Queue)
		}
	}
	slices.Sort(ids)
	return ids
}

// later is a text that is asked for only when it is needed.
type later func() string

func (l later) String() string { return l() }

// imported waits until so many calls are over in each Talktime. After a crash another one waits for its turn to read, and a file that was
// just compressed is not believed to be whole for a minute.
func (c *centre) imported(t *testing.T, calls int) {
	t.Helper()
	for _, d := range c.sites {
		var body string
		lab.Eventually(t, 3*time.Minute, func() bool {
			passed(100 * time.Millisecond) // each question is a line in the log of the server
			_, _, body = d.ask(t, "admin", "entity=search&"+c.days())
			return strings.HasPrefix(body, fmt.Sprintf(`{"page":"1","total":"1","records":"%d",`, calls))
		}, "the %s has %d calls: %s", d.name, calls, later(func() string { return body }))
	}
}

// days are all on which there may have been calls.
func (c *centre) days() string {
	return "start=" + c.day + "&end=" + time.Now().UTC().Format(time.DateOnly)
}

// told is a passage, as the lines say.
type told struct {
	line                // ENTERQUEUE
	call       *calling //
	agent      string
	event      string
	connected  int64
	ended      int64
	wait, ring int
	talk       int
}

// calling is a call.
type calling struct {
	id, from, did string
	begin, end    int64
	passages      []*told
	lines         []line
}

// books are the calls, in the order in which they came.
func (c *centre) books(all []line) (calls []*calling) {
	for _, script := range centreCalls {
		lines := of(all, script.from)
		call := &calling{id: lines[0].id, from: script.from, lines: lines, end: lines[len(lines)-1].at}
		var p *told
		for _, l := range lines {
			n := func(i int) int {
				n, err := strconv.Atoi(l.params[i])
				if err != nil {
					c.t.Fatal(err)
				}
				return n
			}
			for _, passage := range call.passages {
				if l.queue == passage.queue {
					p = passage // the last one through this queue
				}
			}
			switch l.event {
			case "DID":
				call.did = l.params[0]
				continue
			case "RINGCANCELED", "RINGNOANSWER":
				continue
			case "ENTERQUEUE":
				call.begin = cmp.Or(call.begin, l.at)
				p = &told{line: l, call: call, agent: "NONE"}
				call.passages = append(call.passages, p)
				continue
			case "CONNECT":
				p.agent, p.connected, p.wait, p.ring = l.agent, l.at, n(0), n(2)
				continue
			case "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY":
				p.wait = n(2)
			case "EXITWITHKEY":
				p.wait = n(3)
			case "COMPLETEAGENT", "COMPLETECALLER":
				p.talk = n(1)
			default: // transfers
				p.talk = n(3)
			}
			p.event, p.ended = l.event, l.at
		}
		calls = append(calls, call)
	}
	return calls
}

// object is JSON with keys in their order and texts for values.
func object(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `,"%v":"%v"`, pairs[i], pairs[i+1])
	}
	return "{" + b.String()[1:] + "}"
}

// envelope is a list.
func envelope(rows ...string) string {
	pages := min(1, len(rows))
	return fmt.Sprintf(`{"page":"1","total":"%d","records":"%d","rows":[%s]}`, pages, len(rows), strings.Join(rows, ","))
}

func clock(at int64, layout string) string { return time.Unix(at, 0).UTC().Format(layout) }

// part writes a share in percent, or a mean, with two decimals.
func part(n, of, times int) string {
	if of == 0 {
		return "0"
	}
	hundredths := (n*times*200 + of) / (2 * of)
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}

// reports: eight calls were put through, and five passages were not.
func (c *centre) reports(t *testing.T, d *desk, books []*calling) {
	days := "&" + c.days()
	var answered, not []*told
	for _, call := range books {
		for _, p := range call.passages {
			if p.connected > 0 {
				answered = append(answered, p)
			} else {
				not = append(not, p)
			}
		}
	}
	sums := func(fits func(*told) bool) (talk, hold int) {
		for _, p := range answered {
			if fits(p) {
				talk += p.talk
				hold += p.wait
			}
		}
		return talk, hold
	}
	talked, held := sums(func(*told) bool { return true })

	d.same(t, "admin", "entity=reports", `{"data":[{"report":"answered_calls_detail"},{"report":"answered_calls_by_queue"},{"report":"answered_calls_by_agent"},`+
		`{"report":"answered_calls_by_url"},{"report":"answered_calls_by_did"},{"report":"answered_calls_by_holdtime"},{"report":"answered_calls_by_event"}]}`)
	shares := func(column string, rows ...string) {
		var want []string
		for _, row := range rows {
			f := strings.Split(row, "|")
			want = append(want, object(column, f[0], "Received", f[1], "% Calls", f[2]))
		}
		d.same(t, "admin", "entity=reports/answered_calls_by_"+strings.ToLower(column)+days, envelope(want...))
	}
	shares("Queue", "late|1|12.50", "sales|5|62.50", "support|2|25.00")
	shares("URL", "|5|62.50", "https://crm.example/7|3|37.50")
	shares("DID", "|4|50.00", "5550100|4|50.00")
	shares("Event", "ATTENDEDTRANSFER|1|12.50", "BLINDTRANSFER|2|25.00", "COMPLETEAGENT|2|25.00", "COMPLETECALLER|3|37.50")
	var rows []string
	for _, bound := range []string{"15", "30", "45", "60", "75", "90", "91+"} {
		delta := map[string]int{"15": 8}[bound]
		rows = append(rows, object("Hold Time", bound, "Received", 8, "Delta", delta, "% Calls", "100.00"))
	}
	d.same(t, "admin", "entity=reports/answered_calls_by_holdtime"+days, envelope(rows...))
	rows = nil
	for _, a := range []struct {
		name  string
		calls int
		share string
	}{{"Gus Adler", 2, "25.00"}, {"Iva Moss", 5, "62.50"}, {"Olga Vega", 1, "12.50"}} {
		talk, hold := sums(func(p *told) bool { return p.agent == a.name })
		rows = append(rows, object("Agent", a.name, "Received", a.calls, "% Calls", a.share, "Talk Time", talk, "% Talk Time", part(talk, talked, 100),
			"Avg Talk Time", part(talk, a.calls, 1), "Hold Time", hold, "Avg Hold Time", part(hold, a.calls, 1)))
	}
	d.same(t, "admin", "entity=reports/answered_calls_by_agent"+days, envelope(rows...))
	rows = nil
	for _, q := range []struct {
		name                 string
		answered, not, given int
	}{{"late", 1, 0, 0}, {"nobody", 0, 1, 0}, {"sales", 5, 0, 0}, {"slow", 0, 4, 1}, {"support", 2, 0, 0}} {
		all := q.answered + q.not
		talk, hold := sums(func(p *told) bool { return p.queue == q.name })
		rows = append(rows, object("Queue", q.name, "Received", all, "% Calls", part(all, 13, 100), "Answered", q.answered, "% Answered", part(q.answered, all, 100),
			"Unanswered", q.not, "% Unanswered", part(q.not, all, 100), "Abandoned", q.given, "% Abandoned", part(q.given, all, 100),
			"Avg Talk Time", part(talk, q.answered, 1), "Avg Hold Time", part(hold, q.answered, 1)))
	}
	d.same(t, "admin", "entity=reports/distribution_by_queue"+days, envelope(rows...))

	detail := func(p *told) string {
		at := cmp.Or(p.connected, p.ended)
		return object("datetime", clock(at, "02-01-2006 15:04:05"), "queue", p.queue, "agent", p.agent, "callerid", p.call.from, "event", p.event, "waitTime", p.wait,
			"ringTime", p.ring, "callTime", p.talk, "agentName", p.agent, "queueName", p.queue, "recording", "", "uniqueid", p.call.id,
			"callflow", "/stats/rest/index.php?entity=call/"+p.call.id, "url", p.params[0], "did", p.call.did)
	}
	for name, list := range map[string][]*told{"answered": answered, "unanswered": not} {
		var rows []string
		for _, p := range list {
			rows = append(rows, detail(p))
		}
		d.same(t, "admin", "entity=reports/"+name+"_calls_detail"+days, envelope(rows...))
	}
	d.same(t, "admin", "entity=reports/answered_calls_by_queue&queue=sales,late&agent=Iva%20Moss"+days, envelope(object("Queue", "sales", "Received", 5, "% Calls", "100.00")))
	d.same(t, "admin", "entity=reports/answered_calls_by_queue&start=2001-01-01&end=2001-01-02", envelope())
	if held < 2 || talked < 15 {
		t.Errorf("all together waited %d s and talked %d s", held, talked)
	}
}

// lists: queues, agents, calls and their events.
func (c *centre) lists(t *testing.T, d *desk, books []*calling) {
	days := "&" + c.days()
	for kind, want := range map[string]string{
		"queue": "ALL NONE late nobody sales slow support", "agent": "ALL Bo Lund Cleo Roth Gus Adler Iva Moss NONE Olga Vega",
	} {
		_, _, body := d.ask(t, "admin", "entity="+kind+"s")
		var list struct{ Data []map[string]string }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		var names []string
		for _, entry := range list.Data {
			names = append(names, entry[kind])
			one := object(kind+"_id", entry[kind+"_id"], kind, entry[kind], kind+"_name", entry[kind+"_name"])
			d.same(t, "admin", "entity="+kind+"s/"+entry[kind+"_id"], `{"data":[`+one+`]}`)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%ss are %s; want %s", kind, got, want)
		}
	}
	found := func(call *calling) string {
		first, last, agent, talk, waits := call.passages[0], call.passages[len(call.passages)-1], "NONE", 0, 0
		for _, p := range call.passages {
			talk += p.talk
			waits += p.wait
			if p.agent != "NONE" {
				agent = p.agent
			}
		}
		return object("firstEvent", first.line.event, "overflow", len(call.passages), "uniqueid", call.id, "callerid", call.from,
			"dateStart", clock(call.begin, time.DateTime), "dateEnd", clock(call.end, time.DateTime), "event", last.event, "agent", agent, "queue", last.queue,
			"waitTime", last.wait, "talkTime", talk, "combinedWaitTime", waits, "totalDuration", call.end-call.begin, "recordingFilename", "", "agent_name", agent,
			"queue_name", last.queue, "callflow", "/stats/rest/index.php?entity=call/"+call.id)
	}
	for query, which := range map[string][]int{
		"":                            {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		"&uniqueid=" + books[3].id:    {3},
		"&clid=5989010":               {9},
		"&did=5550100":                {0, 8, 9},
		"&url=https://crm.example/7":  {0, 8, 9},
		"&queue=slow":                 {2, 3, 4, 7},
		"&agent=Gus%20Adler":          {1, 9},
		"&queue=sales&agent=Iva+Moss": {0, 4, 8, 9, 10},
		"&talktime=1,99":              {0, 1, 4, 5, 8, 9, 10},
		"&waittime=5,9":               {3},
		"&tag=Sale":                   {},
	} {
		var rows []string
		for _, i := range which {
			rows = append(rows, found(books[i]))
		}
		d.same(t, "admin", "entity=search"+query+days, envelope(rows...))
	}
	for _, call := range books {
		var rows []string
		for i, l := range call.lines {
			rows = append(rows, object("id", i+1, "uniqueid", l.id, "datetime", clock(l.at, time.DateTime), "queue", l.queue, "agent", l.agent, "event", l.event,
				"info1", l.params[0], "info2", l.params[1], "info3", l.params[2], "info4", l.params[3], "info5", l.params[4], "agentName", l.agent, "queueName", l.queue))
		}
		d.same(t, "admin", "entity=call/"+url.QueryEscape(call.id), fmt.Sprintf(`{"totalpages":"1","currpage":"1","totalrecords":"%d","data":[%s]}`, len(rows), strings.Join(rows, ",")))
	}
	d.same(t, "admin", "entity=call/1.1", `{"totalpages":"0","currpage":"1","totalrecords":"0","data":[]}`)
}

// figures of a queue, in our own interface.
type figures struct {
	Key                                                                   string
	Offered, Answered, Unanswered, Abandoned, Emptied, Keyed, Transferred int
	TimedOut                                                              int      `json:"timed_out"`
	Wait                                                                  int      `json:"wait_seconds"`
	Talk                                                                  int      `json:"talk_seconds"`
	ByAgent                                                               int      `json:"completed_by_agent"`
	ByCaller                                                              int      `json:"completed_by_caller"`
	NoAnswers                                                             int      `json:"no_answers"`
	NoAnswer                                                              int      `json:"no_answer_seconds"`
	ServiceLevel                                                          *float64 `json:"service_level"`
	ASA                                                                   *float64 `json:"asa_seconds"`
	AHT                                                                   *float64 `json:"aht_seconds"`
	AbandonRate                                                           *float64 `json:"abandon_rate"`
	Sessions, Pauses                                                      int
	LoggedIn                                                              int `json:"logged_in_seconds"`
	Paused                                                                int `json:"paused_seconds"`
	Ready                                                                 int `json:"ready_seconds"`
	Agent                                                                 string
	Reasons                                                               []struct {
		Reason          string
		Pauses, Seconds int
	}
}

func (f figures) String() string {
	ratio := func(n *float64) string {
		if n == nil {
			return "-"
		}
		return strconv.FormatFloat(*n, 'f', 2, 64)
	}
	return fmt.Sprintf("%s: %d offered, %d answered %d/%d/%d, %d unanswered %d/%d/%d/%d, waited %d talked %d, in vain %d %d; %s %s %s %s", f.Key, f.Offered, f.Answered, f.ByAgent, f.ByCaller,
		f.Transferred, f.Unanswered, f.Abandoned, f.TimedOut, f.Emptied, f.Keyed, f.Wait, f.Talk, f.NoAnswers, f.NoAnswer, ratio(f.AbandonRate), ratio(f.ServiceLevel), ratio(f.ASA), ratio(f.AHT))
}

// ours: what goes beyond the kept interface.
func (c *centre) ours(t *testing.T, d *desk, books []*calling) {
	var report struct{ Rows []figures }
	d.api(t, "/api/queues/summary?by=queue&sla=1&wrapup=7&from="+c.day, &report)
	var want, got []string
	for _, q := range []struct {
		name    string
		figures figures
	}{
		{"late", figures{Answered: 1, ByCaller: 1}},
		{"nobody", figures{Unanswered: 1, Emptied: 1}},
		{"sales", figures{Answered: 5, ByCaller: 2, Transferred: 3}},
		{"slow", figures{Unanswered: 4, Abandoned: 1, TimedOut: 2, Keyed: 1, NoAnswers: 3}},
		{"support", figures{Answered: 2, ByAgent: 2}},
	} {
		f := q.figures
		f.Key, f.Offered = q.name, f.Answered+f.Unanswered
		soon, millis := 0, 0
		for _, call := range books {
			for _, p := range call.passages {
				if p.queue == q.name && p.connected > 0 {
					f.Wait += p.wait
					f.Talk += p.talk
					if p.wait <= 1 {
						soon++
					}
				}
			}
			for _, l := range call.lines {
				if n, err := strconv.Atoi(l.params[0]); err == nil && l.event == "RINGNOANSWER" && l.queue == q.name {
					millis += n
				}
			}
		}
		f.NoAnswer = millis / 1000
		number := func(n, of, times int) *float64 {
			if of == 0 {
				return nil
			}
			ratio, err := strconv.ParseFloat(part(n, of, times), 64)
			if err != nil {
				t.Fatal(err)
			}
			return &ratio
		}
		f.AbandonRate, f.ServiceLevel = number(f.Abandoned, f.Offered, 100), number(soon, f.Offered, 100)
		f.ASA, f.AHT = number(f.Wait, f.Answered, 1), number(f.Talk+7*f.Answered, f.Answered, 1)
		want = append(want, f.String())
	}
	for _, f := range report.Rows {
		got = append(got, f.String())
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the %s: figures of queues: -want +got\n%s", d.name, diff)
	}

	// Bo came, made a pause for Lunch, and is in one for Email.
	report.Rows = nil
	d.api(t, "/api/queues/agents/times?from="+c.day, &report)
	lunch := map[string]int64{}
	for _, l := range c.linesOf(t, d) {
		if l.agent == "Bo Lund" && l.params[0] == "Lunch" {
			lunch[l.event] = l.at
		}
	}
	i := slices.IndexFunc(report.Rows, func(f figures) bool { return f.Agent == "Bo Lund" })
	if i < 0 {
		t.Fatalf("the %s: nobody knows Bo: %v", d.name, report.Rows)
	}
	bo := report.Rows[i]
	if bo.Sessions != 1 || bo.Pauses != 2 || bo.Answered != 0 || len(bo.Reasons) != 2 || bo.Reasons[0].Reason != "Email" || bo.Reasons[1].Reason != "Lunch" ||
		bo.Reasons[1].Seconds != int(lunch["UNPAUSE"]-lunch["PAUSE"]) || bo.Reasons[1].Seconds < 8 {
		t.Errorf("the %s: Bo's day is %+v, his pause %v", d.name, bo, lunch)
	}

	var abandoned struct {
		Abandoned, Open int
		Objects         []struct{ Caller, Queue, State string }
	}
	d.api(t, "/api/queues/abandoned?from="+c.day, &abandoned)
	if got := fmt.Sprintf("%+v", abandoned); got != "{Abandoned:1 Open:1 Objects:[{Caller:5989003 Queue:slow State:open}]}" {
		t.Errorf("the %s: abandoned: %s", d.name, got)
	}
}

// rights: who was granted a queue sees that queue, and who was granted nothing sees nothing.
func (c *centre) rights(t *testing.T, d *desk) {
	days := "&" + c.days()
	status, header, body := d.ask(t, "", "entity=queues")
	if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") != `Basic realm="Call Center Stats"` || strings.TrimSpace(body) != `{"error":"authentication required"}` {
		t.Errorf("without a password: %d %q %s", status, header.Get("WWW-Authenticate"), body)
	}
	d.same(t, "marta", "entity=reports/answered_calls_by_queue"+days, envelope(object("Queue", "support", "Received", 2, "% Calls", "100.00")))
	d.same(t, "nobody", "entity=reports/answered_calls_by_queue"+days, envelope())
	d.same(t, "nobody", "entity=search"+days, envelope())
	if status, _, _ := d.ask(t, "marta", "entity=reports/none"); status != http.StatusNotFound {
		t.Errorf("an unknown report: %d", status)
	}
	if _, _, body := d.ask(t, "marta", "entity=queues"); strings.Contains(body, "sales") || !strings.Contains(body, "support") {
		t.Errorf("marta sees the queues %s", body)
	}
}

// picture is what realtime answers.
type picture struct {
	Waiting map[string]map[string]map[string]string `json:"waiting calls"`
	Summary struct {
		Queue map[string]map[string]string
	}
	Agents map[string]map[string]map[string]string
}

// summary lists the figures of a queue, without the longest wait.
func (p picture) summary(queue string) string {
	s := p.Summary.Queue[queue]
	var list []string
	for _, key := range []string{"Waiting", "Agents", "Penalty", "Logged Off", "Busy", "Paused", "Answered", "Unanswered", "Abandoned", "Abandon Rate"} {
		list = append(list, s[key])
	}
	return strings.Join(list, " ")
}

// realtime: one caller waits while a telephone rings, one talks, one agent is paused, and one cannot be reached.
func (c *centre) realtime(t *testing.T) {
	c.ask(t, "QueueAdd", "Queue: late", "Interface: PJSIP/agent6", "StateInterface: PJSIP/agent6", "MemberName: Nora Quist")
	waiting := answered(t, c.Lab, lab.CallSpec{Parties: []lab.Party{{From: "5989020", To: "602", Name: "R. Lund"}}})
	talking := answered(t, c.Lab, lab.CallSpec{From: "5989021", To: "600"})
	c.until(t, "5989021", "CONNECT")
	for _, d := range c.sites {
		want := map[string]string{
			"late":    "0 2 1 1 0 1 1 0 0 0.00",
			"nobody":  "0 0 0 0 0 0 0 1 0 0.00",
			"sales":   "0 1 0 0 1 0 6 0 0 0.00",
			"slow":    "1 1 1 0 0 0 0 4 1 25.00",
			"support": "0 1 0 0 0 0 2 0 0 0.00",
		}
		var p picture
		got := map[string]string{}
		lab.Eventually(t, 15*time.Second, func() bool {
			var away string
			p, away = d.look(t)
			for queue := range want {
				got[queue] = p.summary(queue)
			}
			return away == "" && maps.Equal(want, got) && p.Agents["slow"]["Cleo Roth"]["status"] == "ringing"
		}, "realtime of the %s shows %s; want %v", d.name, later(func() string { return fmt.Sprint(got, p.Agents) }), want)
		if len(p.Waiting) != 5 || len(p.Agents) != 5 || len(p.Summary.Queue) != 5 || len(p.Summary.Queue["sales"]) != 13 {
			t.Errorf("the %s: not all queues: %+v", d.name, p)
		}
		first := p.Waiting["slow"]["1"]
		longest, _ := strconv.Atoi(p.Summary.Queue["slow"]["Max. wait time"])
		if len(p.Waiting["slow"]) != 1 || first["calleridNum"] != "5989020" || first["calleridName"] != "R. Lund" || first["waitTime"] != strconv.Itoa(longest) || longest > 60 {
			t.Errorf("the %s: waiting in slow: %v, the longest for %d s", d.name, p.Waiting["slow"], longest)
		}
		for _, a := range []struct{ queue, agent, want string }{
			{"sales", "Iva Moss", "PJSIP/agent1 busy 0  sales 0 5989021"},
			{"slow", "Cleo Roth", "PJSIP/agent3 ringing 0  slow 3 5989020"},
			{"late", "Bo Lund", "PJSIP/agent2 not in use 1 Email  1 "},
			{"late", "Olga Vega", "PJSIP/agent5 not in use 0   0 "},
			{"late", "Nora Quist", "PJSIP/agent6 unavailable 0   0 "},
			{"support", "Gus Adler", "PJSIP/agent4 not in use 0   0 "},
		} {
			f := p.Agents[a.queue][a.agent]
			got := strings.Join([]string{f["location"], f["status"], f["paused"], f["auxType"], f["callFromQueue"], f["penalty"], f["callerid"]}, " ")
			if got != a.want || len(f) != 10 {
				t.Errorf("the %s: %s is %q, want %q (%v)", d.name, a.agent, got, a.want, f)
			}
		}
		if f := p.Agents["late"]["Bo Lund"]; f["auxSeconds"] == "0" || f["lastCall"] != "" {
			t.Errorf("the %s: Bo is in a pause for %s s, his last call was %q s ago", d.name, f["auxSeconds"], f["lastCall"])
		}
	}
	for _, call := range []*lab.Call{waiting, talking} {
		if err := call.HangUp(); err != nil {
			t.Fatal(err)
		}
		over(t, call)
	}
	c.imported(t, len(centreCalls)+2)
}

// goes: Bo logs off, which ends his pause, too.
func (c *centre) goes(t *testing.T) {
	c.ask(t, "QueueRemove", "Queue: late", "Interface: PJSIP/agent2")
	for _, d := range c.sites {
		at := map[string]int64{}
		lab.Eventually(t, 5*time.Second, func() bool {
			for _, l := range c.linesOf(t, d) {
				if l.agent == "Bo Lund" && l.queue == "late" {
					at[l.event+l.params[0]] = l.at
				}
			}
			return at["REMOVEMEMBER"] != 0
		}, "the line REMOVEMEMBER of the %s: %s", d.name, later(func() string { return fmt.Sprint(at) }))
		lunch, email := at["UNPAUSELunch"]-at["PAUSELunch"], at["REMOVEMEMBER"]-at["PAUSEEmail"]
		there := at["REMOVEMEMBER"] - at["ADDMEMBER"]
		want := fmt.Sprintf("1 %d 2 %d %d [{Email 1 %d} {Lunch 1 %d}]", there, lunch+email, there-lunch-email, email, lunch)
		var got string
		lab.Eventually(t, 20*time.Second, func() bool {
			passed(100 * time.Millisecond)
			var report struct{ Rows []figures }
			d.api(t, "/api/queues/agents/times?agent=Bo+Lund&from="+c.day, &report)
			if len(report.Rows) == 1 {
				bo := report.Rows[0]
				got = fmt.Sprint(bo.Sessions, bo.LoggedIn, bo.Pauses, bo.Paused, bo.Ready, bo.Reasons)
			}
			return got == want
		}, "the day of Bo in the %s is %s; want %s", d.name, later(func() string { return got }), want)
	}
}

// restarted: Asterisk dies in the middle of a call and comes back.
func (c *centre) restarted(t *testing.T) {
	call := answered(t, c.Lab, lab.CallSpec{From: "5989022", To: "600"})
	c.until(t, "5989022", "CONNECT")
	c.Kill()
	call.Kill()
	for _, d := range c.sites {
		var p picture
		lab.Eventually(t, 20*time.Second, func() bool {
			var away string
			p, away = d.look(t)
			// What is of today comes from the log.
			return away == "unavailable" && p.summary("slow") == "0 0 0 0 0 0 0 5 2 40.00" && len(p.Agents["slow"]) == 0
		}, "realtime of the %s says that Asterisk is away: %s", d.name, later(func() string { return fmt.Sprint(p) }))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range c.sites {
		var p picture
		lab.Eventually(t, 40*time.Second, func() bool {
			var away string
			p, away = d.look(t)
			return away == "" && p.summary("slow") == "0 1 1 0 0 0 0 5 2 40.00" && p.Agents["sales"]["Iva Moss"]["status"] == "not in use"
		}, "realtime of the %s comes back: %s", d.name, later(func() string { return fmt.Sprint(p) }))
	}
	// The call that was cut off has ended: the log begins anew.
	c.imported(t, len(centreCalls)+3)
	for _, d := range c.sites {
		_, _, body := d.ask(t, "admin", "entity=search&clid=5989022&"+c.days())
		if !strings.Contains(body, `"event":"LOST","agent":"Iva Moss","queue":"sales"`) {
			t.Errorf("the %s: the call that was cut off: %s", d.name, body)
		}
	}
}
