package adminapi

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"talktime/models"
	"talktime/queues"
	"talktime/queues/reports"
	"talktime/stats/sheet"
)

// RecordingFiles opens recordings.
type RecordingFiles interface {
	// OfCall opens the recording of a call by what its record says and when the call was there. models.ErrNotFound for what is not there or
	// is none. The caller closes it.
	OfCall(file string, at time.Time) (*os.File, fs.FileInfo, error)
}

// recordingJSON is a file in which a call was recorded.
type recordingJSON struct {
	File string  `json:"file"`
	Href *string `json:"href"`
}

// queueCallJSON is a call that came to a queue.
type queueCallJSON struct {
	UniqueID   string         `json:"uniqueid"`
	Caller     string         `json:"caller"`
	StartedAt  time.Time      `json:"started_at"`
	EndedAt    *time.Time     `json:"ended_at"`
	FirstEvent string         `json:"first_event"`
	Event      string         `json:"event"`
	Outcome    string         `json:"outcome"`
	Queue      string         `json:"queue"`
	QueueName  string         `json:"queue_name"`
	Agent      string         `json:"agent"`
	AgentName  string         `json:"agent_name"`
	Entries    int            `json:"queue_entries"`
	Wait       int64          `json:"last_wait_seconds"`
	Waits      int64          `json:"wait_seconds"`
	Talk       int64          `json:"talk_seconds"`
	Duration   int64          `json:"duration_seconds"`
	URL        string         `json:"url"`
	DID        string         `json:"did"`
	Tag        string         `json:"tag"`
	Recording  *recordingJSON `json:"recording"`
	Href       *string        `json:"href"`
}

// queuePassageJSON is a call's way through one queue.
type queuePassageJSON struct {
	Queue       string     `json:"queue"`
	EnteredAt   time.Time  `json:"entered_at"`
	Position    int64      `json:"position"`
	Agent       string     `json:"agent"`
	ConnectedAt *time.Time `json:"connected_at"`
	EndedAt     *time.Time `json:"ended_at"`
	Outcome     string     `json:"outcome"`
	Event       string     `json:"event"`
	Wait        int64      `json:"wait_seconds"`
	Ring        int64      `json:"ring_seconds"`
	Talk        int64      `json:"talk_seconds"`
	NoAnswers   int64      `json:"no_answers"`
	Left        int64      `json:"left_position"`
	Key         string     `json:"key"`
	Target      string     `json:"target"`
}

// queueEventJSON is a line of the queue_log.
type queueEventJSON struct {
	At         time.Time `json:"at"`
	Queue      string    `json:"queue"`
	QueueName  string    `json:"queue_name"`
	Agent      string    `json:"agent"`
	AgentName  string    `json:"agent_name"`
	Event      string    `json:"event"`
	Parameters []string  `json:"parameters"`
}

// queueCallDetailJSON is a call with everything that the log says of it.
type queueCallDetailJSON struct {
	queueCallJSON
	Passages []queuePassageJSON `json:"passages"`
	Events   []queueEventJSON   `json:"events"`
}

// outcomes are those of calls that are over.
func outcomes() []string {
	var names []string
	for o := queues.Answered; o <= queues.Withdrawn; o++ {
		names = append(names, o.String())
	}
	return names
}

// secondsRange reads a range like 60,300, both included, or a minimum.
func (r *request) secondsRange(name string) (s reports.Seconds, has func(int64) bool, err error) {
	text := r.Query(name)
	if text == "" {
		return s, func(int64) bool { return true }, nil
	}
	least, most, two := strings.Cut(text, ",")
	ends := []string{least}
	if two {
		ends = append(ends, most)
	}
	var numbers [2]int64
	for i, end := range ends {
		if !digits(end) || len(end) > len("999999999") {
			return s, nil, badRequest(name + " must be seconds, such as 60, or a range of them, such as 60,300")
		}
		numbers[i], _ = strconv.ParseInt(end, 10, 64)
	}
	s.Min, s.Max = numbers[0], numbers[1]
	if two && s.Max < s.Min {
		return s, nil, badRequest(name + " has more seconds before the comma than behind it")
	}
	return s, func(n int64) bool { return !two || n <= s.Max }, nil // to the service a maximum of 0 is none
}

// foundCalls are the calls that a request asks for.
func (r *request) foundCalls(q queueQuery) ([]reports.FoundCall, error) {
	search := reports.Search{Filter: q.filter, ID: r.Query("uniqueid"), Caller: r.Query("clid"), URL: r.Query("url"), Tag: r.Query("tag"), DID: r.Query("did")}
	var short, quick func(int64) bool
	var err error
	if search.Talk, short, err = r.secondsRange("talktime"); err != nil {
		return nil, err
	}
	if search.Wait, quick, err = r.secondsRange("waittime"); err != nil {
		return nil, err
	}
	outcome := r.Query("outcome")
	if outcome != "" && !slices.Contains(outcomes(), outcome) {
		return nil, badRequest("outcome must be one of " + strings.Join(outcomes(), ", "))
	}
	found, err := r.api.Queues.Search(r.ctx(), q.who, search)
	return slices.DeleteFunc(found, func(c reports.FoundCall) bool {
		had := func(p queues.Passage) bool { return p.Outcome.String() == outcome }
		return !short(c.Talk) || !quick(c.Wait) || outcome != "" && !slices.ContainsFunc(c.Passages, had)
	}), err
}

func listQueueCalls(r *request, q queueQuery) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	if l.After != 0 {
		return badRequest("this list has no after: ask for its pages, or for another time")
	}
	found, err := r.foundCalls(q)
	if err != nil {
		return err
	}
	if q.format != "json" {
		r.truncated(min(len(found), q.limit), len(found))
		return r.export(q.statQuery, "queue-calls", r.callTable(found[:min(len(found), q.limit)]))
	}
	first := min((l.Number-1)*l.Size, len(found))
	list := models.List[reports.FoundCall]{Items: found[first:min(first+l.Size, len(found))], Total: int64(len(found))}
	return answerList(r, l, list, func(reports.FoundCall) int64 { return 0 }, func(c reports.FoundCall) queueCallJSON { return r.showQueueCall(&c) })
}

// showQueueCall shows a call as it is in lists.
func (r *request) showQueueCall(c *reports.FoundCall) queueCallJSON {
	zone := r.queueZone()
	shown := queueCallJSON{
		UniqueID: c.ID, Caller: c.Caller, StartedAt: *logTime(c.Start, zone), EndedAt: logTime(c.End, zone), FirstEvent: c.First, Event: c.Final,
		Queue: c.Queue, QueueName: c.QueueShown, Agent: c.Agent, AgentName: c.AgentShown, Entries: len(c.Passages), Wait: c.Wait, Waits: c.Waits, Talk: c.Talk, Duration: c.Duration(),
		URL: c.URL, DID: c.DID, Tag: c.Tag, Href: queueCallPath(c.ID, ""),
	}
	if n := len(c.Passages); n > 0 {
		shown.Outcome = c.Passages[n-1].Outcome.String()
	}
	if c.Open() {
		shown.EndedAt = nil
	}
	if c.Recording != "" {
		shown.Recording = &recordingJSON{File: c.Recording}
		if r.api.Recordings != nil && r.who.has(ScopeRecordings) {
			shown.Recording.Href = queueCallPath(c.ID, "/recording")
		}
	}
	return shown
}

// queueCallPath is the path of a call, or of something of it; nil for an id that is no segment of a path.
func queueCallPath(id, part string) *string {
	if id == "." || id == ".." || strings.Contains(id, "/") {
		return nil
	}
	path := "/api/queues/calls/" + url.PathEscape(id) + part
	return &path
}

func (r *request) callTable(calls []reports.FoundCall) sheet.Table {
	t := sheet.Table{Name: "Queue calls", Columns: []string{
		"started_at", "ended_at", "uniqueid", "caller", "queue", "queue_name", "agent", "agent_name", "outcome", "event", "queue_entries", "last_wait_seconds", "wait_seconds", "talk_seconds", "duration_seconds",
		"url", "did", "tag", "recording", "href",
	}}
	for i := range calls {
		c := r.showQueueCall(&calls[i])
		t.Rows = append(t.Rows, []sheet.Cell{
			sheet.Text(c.StartedAt.Format(time.RFC3339)), sheet.Text(valueOf(c.EndedAt).Format(time.RFC3339)), sheet.Text(c.UniqueID), sheet.Text(c.Caller), sheet.Text(c.Queue), sheet.Text(c.QueueName),
			sheet.Text(c.Agent), sheet.Text(c.AgentName), sheet.Text(c.Outcome), sheet.Text(c.Event), sheet.Whole(int64(c.Entries)), sheet.Whole(c.Wait), sheet.Whole(c.Waits), sheet.Whole(c.Talk), sheet.Whole(c.Duration),
			sheet.Text(c.URL), sheet.Text(c.DID), sheet.Text(c.Tag), sheet.Text(valueOf(c.Recording).File), sheet.Text(valueOf(c.Href)),
		})
	}
	return t
}

// queueCall is the call that the path names, as far as somebody may see it, and its events.
func (r *request) queueCall(who reports.Scope) (call reports.FoundCall, events []reports.CallEvent, err error) {
	missing := failure{status: http.StatusNotFound}
	id := r.Param("uniqueid")
	if len(id) > queues.MaxName || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		return call, nil, missing
	}
	if events, err = r.api.Queues.Call(r.ctx(), who, id); err != nil || len(events) == 0 {
		if err == nil || errors.Is(err, reports.ErrNotFound) {
			err = missing
		}
		return call, nil, err
	}
	filter := reports.Filter{From: time.UnixMicro(events[0].At), To: time.UnixMicro(events[len(events)-1].At + 1), Window: wholeDay}
	found, err := r.api.Queues.Search(r.ctx(), who, reports.Search{Filter: filter, ID: id})
	if err != nil {
		return call, nil, err
	}
	if i := slices.IndexFunc(found, func(c reports.FoundCall) bool { return c.ID == id }); i >= 0 {
		return found[i], events, nil
	}
	plain := make([]queues.Event, len(events)) // it goes on
	for i, e := range events {
		plain[i] = e.Event
	}
	call.Call = queues.Assemble(plain, r.api.Now())
	for _, e := range events {
		if e.Queue == call.Queue {
			call.QueueShown = e.QueueShown
		}
		if queues.AgentKey(e.Agent) == call.Agent {
			call.AgentShown = e.AgentShown
		}
	}
	return call, events, nil
}

func getQueueCall(r *request) error {
	who, err := r.ownScope()
	if err != nil {
		return err
	}
	call, events, err := r.queueCall(who)
	if err != nil {
		return err
	}
	zone := r.queueZone()
	shown := queueCallDetailJSON{r.showQueueCall(&call), make([]queuePassageJSON, len(call.Passages)), make([]queueEventJSON, len(events))}
	for i, p := range call.Passages {
		shown.Passages[i] = queuePassageJSON{
			Queue: p.Queue, EnteredAt: *logTime(p.Entered, zone), Position: p.Position, Agent: p.Agent, ConnectedAt: logTime(p.Connected, zone), EndedAt: logTime(p.Ended, zone),
			Outcome: p.Outcome.String(), Event: p.End, Wait: p.Wait, Ring: p.Ring, Talk: p.Talk, NoAnswers: p.NoAnswers, Left: p.Left, Key: p.Key, Target: p.Target,
		}
	}
	for i, e := range events {
		shown.Events[i] = queueEventJSON{*logTime(e.At, zone), e.Queue, e.QueueShown, e.Agent, e.AgentShown, e.Name, e.Params[:]}
	}
	r.answer(http.StatusOK, shown)
	return nil
}

// soundType is the type of a recording, by the ending of its name.
func soundType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".wav", ".wav49":
		return "audio/x-wav"
	case ".mp3":
		return "audio/mpeg"
	case ".ogg", ".opus":
		return "audio/ogg"
	}
	return "application/octet-stream"
}

// sendRecording sends the file in which a call was recorded. Whether it is not there, is none or may not be read is all the same to a
// client; the log has it.
func sendRecording(r *request) error {
	call, _, err := r.queueCall(reports.Scope{All: true}) // it is for nobody else
	if err != nil {
		return err
	}
	if call.Recording == "" {
		return failure{status: http.StatusNotFound, message: "the call has no recording"}
	}
	return r.sendSound(func() (*os.File, fs.FileInfo, string, error) {
		file, info, err := r.api.Recordings.OfCall(call.Recording, time.UnixMicro(call.Start).In(r.queueZone()))
		if err != nil {
			r.api.log.Warn("a recording cannot be sent", "request_id", r.GetString(keyRequestID), "call_id", call.ID, "err", err)
			return nil, nil, "", models.ErrNotFound
		}
		r.api.log.Info("a recording is sent", "request_id", r.GetString(keyRequestID), "actor", r.who.actor(), "call_id", call.ID, "bytes", info.Size())
		return file, info, call.Recording, nil
	})
}
