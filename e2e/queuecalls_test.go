package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"talktime/e2e/lab"
)

// centreQueues are the queues of a small call centre. Agents keep their names also where they come and go.
const centreQueues = `
[general]
persistentmembers = no
autofill = yes
log_membername_as_agent = yes

[centre](!)
strategy = ringall
timeout = 5
retry = 1
ringinuse = no
joinempty = yes

; Iva answers at once.
[sales](centre)
member => PJSIP/agent1,0,Iva Moss,PJSIP/agent1

; Gus hangs up after two seconds.
[support](centre)
member => PJSIP/agent4,0,Gus Adler,PJSIP/agent4

; Cleo never answers. Who presses 5 leaves the queue.
[slow](centre)
timeout = 4
context = keys
member => PJSIP/agent3,3,Cleo Roth,PJSIP/agent3

; Olga answers after two seconds.
[late](centre)
timeout = 9
member => PJSIP/agent5,0,Olga Vega,PJSIP/agent5

[nobody](centre)
leavewhenempty = yes
`

const centreDialplan = `
[centre]
exten => 600,1,Answer()
 same => n,QueueLog(NONE,${UNIQUEID},NONE,DID,5550100)
 same => n,Queue(sales,,https://crm.example/7)
 same => n,Hangup()
exten => 601,1,Answer()
 same => n,Queue(support)
 same => n,Hangup()
exten => 602,1,Answer()
 same => n,Queue(slow)
 same => n,Hangup()
exten => 603,1,Answer()
 same => n,Queue(slow,,,,6)
 same => n,Hangup()
exten => 604,1,Answer()
 same => n,Queue(slow,,,,3)
 same => n,Queue(sales)
 same => n,Hangup()
exten => 605,1,Answer()
 same => n,Queue(late)
 same => n,Hangup()
exten => 606,1,Answer()
 same => n,Queue(nobody)
 same => n,Hangup()
exten => 607,1,Answer()
 same => n,Queue(sales,t)
 same => n,Hangup()
exten => 700,1,Answer()
 same => n,Wait(30)
 same => n,Hangup()
exten => h,1,NoOp()

[keys]
exten => 5,1,Hangup()
`

// centreCall is a call, and what Asterisk writes of it: a-b stands for so many seconds, or milliseconds, * for anything. The caller may
// spend half a second with Answer before he enters.
type centreCall struct {
	from, to  string
	talk      time.Duration // of the caller, waiting included; 0: the other side ends the call
	keys      string        // that he presses after two seconds
	meanwhile func(t *testing.T, c *centre, call *lab.Call)
	log       []string
}

const (
	viaDID = "NONE|NONE|DID|5550100"
	toIva  = "sales|Iva Moss|CONNECT|0-1|*|0-1"
)

var centreCalls = []centreCall{
	{from: "5989001", to: "600", talk: 2400 * time.Millisecond, log: []string{
		viaDID, "sales|NONE|ENTERQUEUE|https://crm.example/7|5989001|1", toIva, "sales|Iva Moss|COMPLETECALLER|0-1|1-3|1",
	}},
	{from: "5989002", to: "601", log: []string{
		"support|NONE|ENTERQUEUE||5989002|1", "support|Gus Adler|CONNECT|0-1|*|0-1", "support|Gus Adler|COMPLETEAGENT|0-1|2-3|1",
	}},
	{from: "5989003", to: "602", talk: 2400 * time.Millisecond, log: []string{
		"slow|NONE|ENTERQUEUE||5989003|1", "slow|Cleo Roth|RINGCANCELED|1000-2500", "slow|NONE|ABANDON|1|1|1-3",
	}},
	{from: "5989004", to: "603", log: []string{
		"slow|NONE|ENTERQUEUE||5989004|1", "slow|Cleo Roth|RINGNOANSWER|4000", "slow|Cleo Roth|RINGNOANSWER|1000-2000", "slow|NONE|EXITWITHTIMEOUT|1|1|6-7",
	}},
	{from: "5989005", to: "604", talk: 8 * time.Second, meanwhile: crashWhileTalking, log: []string{
		"slow|NONE|ENTERQUEUE||5989005|1", "slow|Cleo Roth|RINGNOANSWER|3000", "slow|NONE|EXITWITHTIMEOUT|1|1|3-4",
		"sales|NONE|ENTERQUEUE||5989005|1", toIva, "sales|Iva Moss|COMPLETECALLER|0-1|3-5|1",
	}},
	{from: "5989006", to: "605", talk: 5 * time.Second, log: []string{
		"late|NONE|ENTERQUEUE||5989006|1", "late|Olga Vega|CONNECT|2-3|*|2-3", "late|Olga Vega|COMPLETECALLER|2-3|1-3|1",
	}},
	{from: "5989007", to: "606", log: []string{"nobody|NONE|ENTERQUEUE||5989007|1", "nobody|NONE|EXITEMPTY|1|1|0-1"}},
	{from: "5989008", to: "602", keys: "5", log: []string{
		"slow|NONE|ENTERQUEUE||5989008|1", "slow|Cleo Roth|RINGCANCELED|1000-3000", "slow|NONE|EXITWITHKEY|5|1|1|1-3",
	}},
	{from: "5989009", to: "600", meanwhile: blindTransfer("700", true), log: []string{
		viaDID, "sales|NONE|ENTERQUEUE|https://crm.example/7|5989009|1", toIva, "sales|Iva Moss|BLINDTRANSFER|700|centre|0-1|1-3|1",
	}},
	{from: "5989010", to: "600", meanwhile: blindTransfer("601", false), log: []string{
		viaDID, "sales|NONE|ENTERQUEUE|https://crm.example/7|5989010|1", toIva, "sales|Iva Moss|BLINDTRANSFER|601|centre|0-1|1-3|1",
		"support|NONE|ENTERQUEUE||5989010|1", "support|Gus Adler|CONNECT|0-1|*|0-1", "support|Gus Adler|COMPLETEAGENT|0-1|2-3|1",
	}},
	{from: "5989011", to: "607", meanwhile: attendedTransfer, log: []string{
		"sales|NONE|ENTERQUEUE||5989011|1", toIva, "sales|Iva Moss|ATTENDEDTRANSFER|BRIDGE|*|0-1|3-5|1",
	}},
}

// line is one of the log.
type line struct {
	at                      int64
	id, queue, agent, event string
	params                  [5]string
}

// lines are all of the log, in the order of the files: those that were rotated first.
func (c *centre) lines() (all []line) {
	for _, name := range []string{"queue_log.0", "queue_log-20260101", "queue_log-20260101.gz", "queue_log"} {
		f, err := os.Open(c.Path("log", name))
		if err != nil {
			continue
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				c.t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil || f.Close() != nil {
			c.t.Fatal(err)
		}
		for row := range strings.Lines(string(text)) {
			f := strings.Split(strings.TrimSuffix(row, "\n"), "|")
			at, err := strconv.ParseInt(f[0], 10, 64)
			if err != nil || len(f) < 6 || !strings.HasSuffix(row, "\n") {
				continue // Asterisk is still writing it
			}
			l := line{at: at, id: f[1], queue: f[2], agent: f[3], event: f[4]}
			copy(l.params[:], f[5:])
			all = append(all, l)
		}
	}
	return all
}

// linesOf are all lines that a Talktime reads. Asterisk looks at the clock anew for the table: a second may begin between the two.
func (c *centre) linesOf(t *testing.T, d *desk) (all []line) {
	t.Helper()
	if d.name == "file" { // within a second the end counts before what begins
		return settled(c.lines(), 0)
	}
	rows, err := c.rows.QueryContext(t.Context(), "SELECT time, callid, queuename, agent, event, data1, data2, data3, data4, data5 FROM queue_log ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var l line
		var at string
		if err := rows.Scan(&at, &l.id, &l.queue, &l.agent, &l.event, &l.params[0], &l.params[1], &l.params[2], &l.params[3], &l.params[4]); err != nil {
			t.Fatal(err)
		}
		moment, err := time.Parse(time.DateTime, at) // with parts of a second
		if err != nil {
			t.Fatal(err)
		}
		l.at = moment.Unix()
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// of are the lines of a caller's one call.
func of(all []line, from string) (call []line) {
	i := slices.IndexFunc(all, func(l line) bool { return l.event == "ENTERQUEUE" && l.params[1] == from })
	if i < 0 {
		return nil
	}
	for _, l := range all {
		if l.id == all[i].id {
			call = append(call, l)
		}
	}
	return call
}

// settled has the end of a passage before the next one begins: when a caller is transferred into a queue, Asterisk writes both at the same
// moment, in either order. They are that many seconds apart at most.
func settled(lines []line, apart int64) []line {
	lines = slices.Clone(lines)
	for i := range len(lines) - 1 {
		a, b := &lines[i], &lines[i+1]
		if a.event == "ENTERQUEUE" && b.event == "BLINDTRANSFER" && a.id == b.id && b.at-a.at <= apart {
			*a, *b = *b, *a
		}
	}
	return lines
}

func (l line) String() string {
	return strings.TrimRight(strings.Join(append([]string{l.queue, l.agent, l.event}, l.params[:]...), "|"), "|")
}

// fits tells whether lines are those of a script.
func fits(call []line, script []string) bool {
	return slices.EqualFunc(call, script, func(l line, want string) bool {
		got, wanted := strings.Split(l.String(), "|"), strings.Split(want, "|")
		return slices.EqualFunc(got, wanted, func(is, want string) bool {
			low, high, span := strings.Cut(want, "-")
			a, err1 := strconv.Atoi(low)
			b, err2 := strconv.Atoi(high)
			n, err3 := strconv.Atoi(is)
			return is == want || want == "*" || span && err1 == nil && err2 == nil && err3 == nil && a <= n && n <= b
		})
	})
}

// place makes the calls, one after the other, and looks at what Asterisk wrote.
func (c *centre) place(t *testing.T, calls ...centreCall) {
	t.Helper()
	for _, script := range calls {
		spec := lab.CallSpec{From: script.from, To: script.to, Talk: script.talk}
		if script.keys != "" {
			spec.Keypad = lab.NewKeypad(t)
		}
		call, err := c.StartCall(spec)
		if err != nil {
			t.Fatal(err)
		}
		if script.keys != "" {
			c.until(t, script.from, "ENTERQUEUE")
			passed(1800 * time.Millisecond)
			spec.Keypad.Press(script.keys)
		}
		if script.meanwhile != nil {
			script.meanwhile(t, c, call)
		}
		over(t, call)
		var got []line
		lab.Eventually(t, 5*time.Second, func() bool {
			got = of(c.lines(), script.from)
			return len(got) >= len(script.log)
		}, "all lines of the call of %s: %s", script.from, later(func() string { return fmt.Sprint(got) }))
		if !fits(settled(got, 1), script.log) {
			t.Fatalf("of the call of %s Asterisk wrote %v; want %v", script.from, got, script.log)
		}
	}
}

// until waits for the latest line of a caller to be of an event.
func (c *centre) until(t *testing.T, from, event string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, func() bool {
		call := of(c.lines(), from)
		return len(call) > 0 && call[len(call)-1].event == event
	}, "%s of %s", event, from)
}

func (c *centre) ask(t *testing.T, action string, fields ...string) {
	t.Helper()
	if _, err := c.AMI(t.Context(), action, fields...); err != nil {
		t.Fatal(err)
	}
}

// channelOf is the channel of an agent who talks.
func (c *centre) channelOf(t *testing.T, agent string) (name string) {
	t.Helper()
	lab.Eventually(t, 5*time.Second, func() bool {
		channels, err := c.Channels(t.Context())
		i := slices.IndexFunc(channels, func(m lab.Message) bool { return strings.HasPrefix(m["Channel"], "PJSIP/"+agent+"-") })
		if err == nil && i >= 0 {
			name = channels[i]["Channel"]
		}
		return name != ""
	}, "a channel of %s", agent)
	return name
}

func blindTransfer(to string, hangUp bool) func(*testing.T, *centre, *lab.Call) {
	return func(t *testing.T, c *centre, call *lab.Call) {
		agent := c.channelOf(t, "agent1")
		passed(2 * time.Second)
		c.ask(t, "BlindTransfer", "Channel: "+agent, "Context: centre", "Exten: "+to)
		if !hangUp {
			return
		}
		passed(time.Second)
		if err := call.HangUp(); err != nil {
			t.Error(err)
		}
	}
}

// attendedTransfer: the agent asks the other one, who answers, and hangs up.
func attendedTransfer(t *testing.T, c *centre, call *lab.Call) {
	agent := c.channelOf(t, "agent1")
	passed(2 * time.Second)
	c.ask(t, "Atxfer", "Channel: "+agent, "Context: centre", "Exten: 700")
	passed(2 * time.Second)
	if err := c.HangUp(t.Context(), agent); err != nil {
		t.Error(err)
	}
	c.until(t, "5989011", "ATTENDEDTRANSFER")
	if err := call.HangUp(); err != nil {
		t.Error(err)
	}
}

// crashWhileTalking kills both Talktimes in the middle of a call, and has the log rotated and compressed as logrotate does it.
func crashWhileTalking(t *testing.T, c *centre, _ *lab.Call) {
	c.until(t, "5989005", "CONNECT")
	for _, d := range c.sites {
		d.admin.Kill()
	}
	moved := c.Path("log/queue_log-20260101")
	if err := os.Rename(c.Path("log/queue_log"), moved); err != nil {
		t.Fatal(err)
	}
	c.cli(t, "logger reload")
	text, err := os.ReadFile(moved)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(moved + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(file)
	if _, err := z.Write(text); err != nil || z.Close() != nil || file.Close() != nil || os.Remove(moved) != nil {
		t.Fatal("compress the log")
	}
}

func (c *centre) cli(t *testing.T, command string) {
	t.Helper()
	if _, err := c.CLI(t.Context(), command); err != nil {
		t.Fatal(err)
	}
}
