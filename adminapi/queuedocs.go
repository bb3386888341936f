package adminapi

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"talktime/queues/feed"
)

// with adds to a part of the description what others say of it.
func with[V any](all, more map[string]V) map[string]V {
	maps.Copy(all, more)
	return all
}

// queueOperations say of these what their lines do not.
func queueOperations() map[string]operation {
	const ok = http.StatusOK
	bad := []int{http.StatusBadRequest}
	shown := func(about string, v any, headers ...string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, headers}}
	}
	changed := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v}, nil}}
	}
	figures := func(about string, v any, headers ...string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil, typeCSV: nil, typeExcel: nil}, append(headers, "X-Truncated", "Content-Disposition")}}
	}
	plain := []string{"page", "results_per_page", "after", "callback"}
	filter := []string{"queues-from", "queues-to", "queues-day-from", "queues-day-to", "queues-queue", "queues-agent", "stats-format", "stats-limit", "callback"}
	of := func(names ...string) []string { return append(names, filter...) }
	const granted = "People who are no administrators see the queues and agents that they were granted; nobody learns that there are others. "
	const counted = "A call has a passage for each queue that it came to; each is counted once, with its outcome, when it was connected to an agent, or else when it ended. Passages that go on are not counted. "
	return map[string]operation{
		"GET /api/queues":                 {tag: tagQueues, about: granted + "Today begins at midnight by the clock of the server; what it says is at most two seconds old.", query: plain, answers: shown("A page of the list.", envelope[queueJSON]{}, "Link"), refusals: bad},
		"PATCH /api/queues/:queue":        {tag: tagQueues, about: "The log goes on calling it as it does; filters take both names.", body: queueNameRequest{}, answers: changed("The queue as it is now.", queueJSON{})},
		"GET /api/queues/agents":          {tag: tagQueues, about: granted, query: plain, answers: shown("A page of the list.", envelope[queueAgentJSON]{}, "Link"), refusals: bad},
		"PATCH /api/queues/agents/:agent": {tag: tagQueues, about: "The log goes on calling him as it does; filters take both names.", body: queueNameRequest{}, answers: changed("The agent as he is now.", queueAgentJSON{})},
		"GET /api/queues/summary":         {tag: tagQueues, about: granted + counted + "Times are half open, and today unless given. How each figure is counted stands in `formulas`, beside it. Who was not connected counts for the agent NONE.", query: of("queues-by", "queues-sla", "queues-wrapup"), answers: figures("The figures, in the order of their keys.", queueSummaryJSON{}), refusals: bad},
		"GET /api/queues/waits":           {tag: tagQueues, about: granted + counted + "Steps in which nobody's waiting ended are left out.", query: of("queues-step"), answers: figures("How many had waited so long, step by step.", queueWaitsJSON{}), refusals: bad},
		"GET /api/queues/agents/times":    {tag: tagQueues, about: granted + "Sessions and pauses begin with ADDMEMBER, AGENTLOGIN and PAUSE; members written down in queues.conf have no sessions in the log. A pause for three queues is three pauses, and its time counts once. There is no part of the day here.", query: of("queues-wrapup"), answers: figures("The agents, by their names.", agentTimesJSON{}), refusals: bad},
		"GET /api/queues/calls":           {tag: tagQueues, about: granted + "Calls that go on are not among them. The time is that of their first events. A queue fits if the call passed it, an agent if he was connected, an outcome if a passage had it; of somebody who sees a part of the queues, the call is that part.", query: of("queues-uniqueid", "queues-clid", "queues-outcome", "queues-url", "queues-tag", "queues-did", "queues-talktime", "queues-waittime", "page", "results_per_page"), answers: figures("A page of the list; as CSV or for Excel all of it.", envelope[queueCallJSON]{}, "Link"), refusals: bad},
		"GET /api/queues/calls/:uniqueid": {tag: tagQueues, about: granted + "Calls that go on are found, too.", query: []string{"callback"}, answers: shown("The call.", queueCallDetailJSON{})},
		"GET /api/queues/abandoned":       {tag: tagQueues, about: granted + "Numbers are the same if their last nine digits are; callers who hide theirs are nobody. Whom we called is known of calls that were permitted here.", query: of("queues-within", "queues-state", "page", "results_per_page"), answers: figures("A page of the callers, by when they gave up; as CSV or for Excel all of them.", abandonedJSON{}), refusals: bad},
		"GET /api/queues/import":          {tag: tagQueues, answers: changed("The files that were read, the latest first, and the latest lines that were none.", feed.QueueImport{})},
		"GET /api/queues/calls/:uniqueid/recording": {
			tag: tagQueues, about: "It is sent whole or in parts, as Range says. The name of its file is that in the CDR database; nothing outside the folder of recordings is ever sent.",
			answers: map[int]answer{
				ok:                                      {"The recording.", recordingContent(), []string{"Content-Disposition"}},
				http.StatusPartialContent:               {"The part that was asked for.", recordingContent(), []string{"Content-Disposition"}},
				http.StatusNotModified:                  {about: "It has not changed since If-Modified-Since."},
				http.StatusRequestedRangeNotSatisfiable: {"The recording has no such part.", map[string]any{typeText: nil}, nil},
			},
		},
	}
}

// recordingContent is what recordings may be.
func recordingContent() map[string]any {
	return map[string]any{"audio/x-wav": nil, "audio/mpeg": nil, "audio/ogg": nil, "application/octet-stream": nil}
}

// queueNameRequest is what PATCH takes.
type queueNameRequest struct {
	Name *string `json:"name" minLength:"1" maxLength:"150"`
}

// queueParameters are those of these routes.
func queueParameters() map[string]*huma.Param {
	query := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
	}
	path := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "path", Required: true, Description: about, Schema: s}
	}
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	number := func(least, most float64, example int) *huma.Schema {
		return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Examples: []any{example}}
	}
	among := func(values ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Enum: values, Examples: values[:1]}
	}
	var ends []any
	for _, o := range outcomes() {
		ends = append(ends, o)
	}
	return map[string]*huma.Param{
		"path-queue":      path("queue", "The id of a queue.", number(1, 1<<31-1, 1)),
		"path-agent":      path("agent", "The id of an agent.", number(1, 1<<31-1, 1)),
		"path-uniqueid":   path("uniqueid", "The unique id of a call.", text("1812528928.11")),
		"queues-from":     query("from", "A day, from its begin, or a time; in the zone of the server unless it says another. The begin of today unless given.", text("2026-03-01")),
		"queues-to":       query("to", "As from, and not included. The end of today unless given.", text("2026-04-01")),
		"queues-day-from": query("day_from", "Of each day only what is at this time or later; behind day_to, it goes over midnight.", text("08:00")),
		"queues-day-to":   query("day_to", "Of each day only what is before this time.", text("17:30")),
		"queues-queue":    query("queue", "Only these queues, by the names in the log or those that people know; repeated, or with commas between them.", text("sales")),
		"queues-agent":    query("agent", "Only what these agents did, in the same way; NONE is who was connected to nobody.", text("Iva Moss")),
		"queues-by":       query("by", "What the calls of a row have in common; nothing unless given.", among("all", "queue", "agent", "hour", "weekday", "day", "month", "outcome", "url", "did")),
		"queues-sla":      query("sla", fmt.Sprintf("Within how many seconds callers are to be connected, for the service level; %d unless the settings say otherwise.", queueSLA), number(1, 3600, 20)),
		"queues-wrapup":   query("wrapup", "How many seconds agents need after each call, for the handling time and the occupancy; none unless given.", number(0, 3600, 10)),
		"queues-step":     query("step", "How many seconds a step has; 5 unless given.", number(1, 3600, 15)),
		"queues-uniqueid": query("uniqueid", "Only the call with this unique id.", text("1812528928.11")),
		"queues-clid":     query("clid", "Only callers with this in their number.", text("5550177")),
		"queues-outcome":  query("outcome", "Only calls of which a passage ended so.", among(ends...)),
		"queues-url":      query("url", "Only calls with this URL.", text("crm-7")),
		"queues-tag":      query("tag", "Only calls with this tag.", text("Sale")),
		"queues-did":      query("did", "Only calls to this number of ours.", text("5550100")),
		"queues-talktime": query("talktime", "Only calls with so many seconds of talk: at least, or a range such as 60,300, both included.", text("60,300")),
		"queues-waittime": query("waittime", "Only calls that waited so many seconds in the last queue: at least, or a range, both included.", text("30")),
		"queues-within":   query("within", "Within how many hours a caller who gave up is to be called, or calls again; 24 unless given.", number(1, 720, 24)),
		"queues-state":    query("state", "Only callers of whom this became; all unless given.", among("all", callbackOpen, callbackCalled, callbackAnswered)),
	}
}

// queueSchemas say what each kind of object is.
func queueSchemas() map[string]string {
	return map[string]string{ //nolint:gosec // words about passages, and no secrets
		"Queue": "A queue of Asterisk.", "QueueList": "A page of queues.", "QueueToday": "What happened in a queue since midnight.", "QueueAgent": "An agent, as the queue_log names him.", "QueueAgentList": "A page of agents.",
		"QueueNameRequest": "The name by which people know a queue or an agent.", "QueueSummary": "Figures of queues.", "QueueRow": "Figures of passages that have something in common.", "QueueFigures": "Figures of passages through queues.",
		"QueueWaits": "How long callers waited.", "QueueWait": "How many callers had waited so long.", "AgentTimes": "How long agents were there.", "AgentTime": "How long an agent was there, and what he did meanwhile.", "Pause": "Pauses for one reason.",
		"QueueCall": "A call that came to a queue.", "QueueCallList": "A page of calls that came to queues.", "QueueCallDetail": "A call that came to a queue, with everything that the log says of it.", "QueuePassage": "A call's way through one queue.",
		"QueueEvent": "A line of the queue_log.", "Recording": "A file in which a call was recorded.", "Abandoned": "Callers who gave up.", "Callback": "A caller who gave up, and what became of him.",
		"QueueImport": "How far the queue_log was read.", "QueueFile": "A file of the queue_log, or its table.", "QueueLine": "A line that is none of a queue_log.",
	}
}

// queueWords say what properties mean.
func queueWords() map[string]word {
	const instant, began, ended = "2026-03-14T09:26:53+01:00", "2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"
	words := map[string]word{
		"Queue.id": {about: "the key, from 1; it never changes", example: 4}, "queue": {about: "its name in the log", example: "sales"}, "Queue.name": {about: "how people call it", example: "Sales"}, "today": {about: "its figures of today; null in the answer to a change"},
		"QueueAgent.id": {about: "the key, from 1; it never changes", example: 6}, "agent": {about: "his name in the log; NONE where nobody was connected", example: "Iva Moss"}, "QueueAgent.name": {about: "how people call him", example: "Iva Moss"},
		"QueueNameRequest.name": {about: "how people call it; null: as the log does", example: "Sales"},
		"waiting":               {about: "callers in the queue now", example: 1}, "talking": {about: "callers with an agent now", example: 2},
		"QueueToday.offered": {about: "callers who came; of these each one below is one, and abandoned is a part of unanswered", example: 48}, "QueueToday.answered": {about: "who talked to an agent", example: 40}, "QueueToday.unanswered": {about: "who left without an agent", example: 5}, "QueueToday.abandoned": {about: "who hung up", example: 4},

		"QueueSummary.by": {about: "what the calls of a row have in common", example: "queue", among: []any{"all", "queue", "agent", "hour", "weekday", "day", "month", "outcome", "url", "did"}},
		"sla_seconds":     {about: "within how many seconds callers were to be connected", example: 20}, "wrapup_seconds": {about: "after each call, as the request says", example: 0},
		"formulas":           {about: "how each figure is counted", example: map[string]any{"abandon_rate": "100 × abandoned ÷ offered"}},
		"QueueSummary.total": {about: "the figures of all rows together"},
		"QueueRow.key":       {about: "by what the row is: the name of a queue or an agent in the log, 00 to 23, 1 for Monday to 7, 2026-03-14, 2026-03, an outcome, a URL or a number; all, where there is one row; empty: there is none", example: "sales"},
		"QueueRow.name":      {about: "how people call that", example: "Sales"}, "QueueRow.calls": {about: "where the calls that came then are listed; null: no list finds them", example: "/api/queues/calls?queue=sales"},
		"offered": {about: "passages that are over: answered + unanswered", example: 45}, "QueueFigures.answered": {about: "of these: connected to an agent", example: 40}, "QueueRow.answered": {about: "of these: connected to an agent", example: 40},
		"unanswered": {about: "of these: not connected, for the reasons that follow", example: 5}, "abandoned": {about: "the caller hung up", example: 4}, "timed_out": {about: "the queue's time was over (outcome timeout)", example: 1}, "emptied": {about: "nobody was there to answer (outcome empty)", example: 0},
		"keyed": {about: "the caller pressed a key to get out (outcome key)", example: 0}, "dumped": {about: "the agent hung up before the caller was put through", example: 0}, "incompatible": {about: "caller and agent had no codec in common", example: 0}, "lost": {about: "the log does not tell: Asterisk stopped, or lines are missing", example: 0}, "withdrawn": {about: "somebody had the caller taken out of the queue", example: 0},
		"abandon_rate": {about: "100 × abandoned ÷ offered; null of nothing", example: 8.89}, "QueueFigures.service_level": {about: "100 × answered after at most sla_seconds ÷ offered; null of nothing", example: 80.0}, "QueueRow.service_level": {about: "100 × answered after at most sla_seconds ÷ offered; null of nothing", example: 80.0},
		"asa_seconds": {about: "average speed of answer: wait_seconds ÷ answered; null without any", example: 14.25}, "wait_p50_seconds": {about: "the shortest time after which half of the answered were answered; null without any", example: 11}, "wait_p90_seconds": {about: "the shortest time after which 90 of 100 answered were answered; null without any", example: 31},
		"wait_longest_seconds": {about: "the longest wait of an answered call", example: 58}, "QueueFigures.wait_seconds": {about: "waited by callers who were answered, all together", example: 570}, "QueueRow.wait_seconds": {about: "waited by callers who were answered, all together", example: 570},
		"left_mean_seconds": {about: "seconds waited by callers who were not answered ÷ unanswered; null without any", example: 41.5}, "left_longest_seconds": {about: "the longest wait of a call that was not answered", example: 90},
		"QueueFigures.talk_seconds": {about: "with agents, on hold included", example: 7520}, "QueueRow.talk_seconds": {about: "with agents, on hold included", example: 7520}, "talk_mean_seconds": {about: "talk_seconds ÷ answered; null without any", example: 188.0},
		"aht_seconds": {about: "average handling time: (talk_seconds + wrapup_seconds × answered) ÷ answered; null without any", example: 188.0}, "completed_by_agent": {about: "answered calls that the agent hung up", example: 12}, "completed_by_caller": {about: "answered calls that the caller hung up", example: 25},
		"transferred": {about: "answered calls that went on to somebody else", example: 3}, "ended_otherwise": {about: "answered calls of whose end the log has nothing", example: 0}, "no_answers": {about: "telephones of agents that rang in vain; null of outcomes, URLs and DIDs, to which they do not belong", example: 7}, "no_answer_seconds": {about: "for which these rang", example: 84},

		"step_seconds": {about: "how long a step is", example: 5}, "connected": {about: "connected to an agent", example: 40}, "QueueWaits.left": {about: "gone without an agent", example: 5}, "QueueWait.left": {about: "gone without an agent", example: 1},
		"up_to_seconds": {about: "waited so long at most, and longer than the step before", example: 10}, "connected_cumulative": {about: "connected after at most so long", example: 22}, "left_cumulative": {about: "gone after at most so long", example: 1},
		"connected_share": {about: "100 × connected_cumulative ÷ all who were connected; null of nobody", example: 55.0}, "QueueWait.service_level": {about: "100 × connected_cumulative ÷ (all who were connected + all who left); null of nobody", example: 48.89},

		"AgentTime.agent": {about: "his name in the log", example: "Iva Moss"}, "AgentTime.name": {about: "how people call him", example: "Iva Moss"}, "sessions": {about: "logins in the time", example: 1}, "logged_in_seconds": {about: "in at least one queue", example: 28800},
		"pauses": {about: "that began in the time; one for three queues is three", example: 2}, "paused_seconds": {about: "in at least one pause", example: 1800}, "ready_seconds": {about: "logged in and in no pause", example: 27000},
		"occupancy": {about: "100 × (talk_seconds + wrapup_seconds × answered) ÷ ready_seconds; null without any. More than 100: he talked on in a pause", example: 27.85}, "AgentTime.answered": {about: "calls that he had", example: 40}, "AgentTime.talk_seconds": {about: "of these, on hold included", example: 7520},
		"reasons": {about: "his pauses by reason", example: []any{map[string]any{"reason": "lunch", "pauses": 1, "seconds": 1500}}}, "Pause.reason": {about: "as it was given; empty: none was", example: "lunch"}, "Pause.pauses": {about: "how many", example: 1}, "Pause.seconds": {about: "in at least one of them", example: 1500},

		"uniqueid": {about: "of the caller's channel", example: "1812528928.11"}, "caller": {about: "his number; empty: he hides it", example: "5550177"}, "started_at": {about: "its first event", example: instant}, "QueueCall.ended_at": {about: "its last event; null: it goes on", example: instant}, "QueueCallDetail.ended_at": {about: "its last event; null: it goes on", example: instant},
		"first_event": {about: "what began it", example: "ENTERQUEUE"}, "event": {about: "as the log names it; of a call or a passage the last one, empty while it goes on", example: "COMPLETECALLER"}, "outcome": {about: "how it ended; waiting or talking: it goes on", example: "answered", among: append([]any{"waiting", "talking"}, anyOutcomes()...)},
		"queue_name": {about: "how people call the queue", example: "Sales"}, "agent_name": {about: "how people call the agent", example: "Iva Moss"}, "queue_entries": {about: "how many queues it came to; 1: one", example: 1}, "last_wait_seconds": {about: "in the last queue", example: 12},
		"wait_seconds": {about: "in all queues", example: 12}, "QueueCall.talk_seconds": {about: "with all agents", example: 201}, "QueueCallDetail.talk_seconds": {about: "with all agents", example: 201}, "QueueCall.duration_seconds": {about: "from its first event to its last", example: 213}, "QueueCallDetail.duration_seconds": {about: "from its first event to its last", example: 213},
		"QueueCall.url": {about: "as Queue() was given it", example: "crm-7"}, "QueueCallDetail.url": {about: "as Queue() was given it", example: "crm-7"}, "did": {about: "the number of ours that was called; empty: the log has none", example: "5550100"}, "tag": {about: "what the dialplan wrote beside it", example: "Sale"},
		"recording": {about: "where it was recorded; null: nothing is known of that"}, "Recording.file": {about: "its name in the CDR database", example: "q-sales-1812528928.11.wav"}, "Recording.href": {about: "where it can be heard; null: whoever asks may not", example: "/api/queues/calls/1812528928.11/recording"},
		"href":     {about: "where the call is; null: its id has a slash, which no path can have", example: "/api/queues/calls/1812528928.11"},
		"passages": {about: "its ways through queues"}, "events": {about: "the lines of the log, as far as whoever asks may see them"},
		"entered_at": {about: "when it came to the queue", example: instant}, "QueuePassage.position": {about: "in the queue then; 0: not known", example: 1}, "connected_at": {about: "when an agent took it; null: none did", example: instant}, "QueuePassage.ended_at": {about: "when it ended; null: it goes on", example: instant},
		"QueuePassage.wait_seconds": {about: "until it was connected, or left", example: 12}, "ring_seconds": {about: "the agent's telephone rang", example: 5}, "QueuePassage.talk_seconds": {about: "with the agent", example: 201}, "QueuePassage.no_answers": {about: "telephones that rang in vain before", example: 0},
		"left_position": {about: "in the queue when it left unanswered; 0: not known, or it was answered", example: 0}, "QueuePassage.key": {about: "that the caller pressed; empty: none", example: ""}, "QueuePassage.target": {about: "where it was transferred to; empty: nowhere", example: ""},
		"QueueEvent.at": {about: "when", example: instant}, "parameters": {about: "the five parameters of the event; empty: it has fewer", example: []any{"", "5550177", "1", "", ""}},

		"within_hours": {about: "for how long after it is looked", example: 24}, "Abandoned.abandoned": {about: "callers who gave up", example: 4}, "answered_again": {about: "who called again and were answered", example: 1}, "Abandoned.called_back": {about: "the others, who were called", example: 1}, "Abandoned.open": {about: "the rest", example: 2},
		"abandoned_at": {about: "when he gave up", example: instant}, "Callback.wait_seconds": {about: "that he had waited", example: 41},
		"Callback.state": {about: "answered: he called again and was answered; called_back: somebody called him; open: neither, though he may have called again in vain (again_at)", example: "open", among: []any{callbackOpen, callbackCalled, callbackAnswered}},
		"again_at":       {about: "when he called again; null: he did not", example: instant}, "again_uniqueid": {about: "that call; null: there is none", example: "1812529401.17"}, "again_outcome": {about: "how it ended; null: there is none", example: "answered", among: anyOutcomes()},
		"called_back_at": {about: "when a call to him was answered; null: none is known", example: instant},

		"lag_seconds": {about: "since the log was last read to its end; null: it was not yet", example: 1}, "lag_bytes": {about: "of the latest file that are not read yet; of a table rows at most", example: 0}, "files": {about: "and tables, the latest read first"},
		"lines": {about: "that were read", example: 51200}, "malformed": {about: "lines that are none of a queue_log", example: 0}, "lost_bytes": {about: "that were there and are gone, unread: at least so many", example: 0}, "open_calls": {about: "in queues, or with agents", example: 3},
		"unpacked_days": {about: "that are over and not packed yet, counted up to 60", example: 0}, "QueueImport.last_event": {about: "the latest event; null: there is none", example: instant}, "QueueImport.bad_lines": {about: "the latest lines that are none, the latest first"},
		"QueueFile.kind": {about: "a file or a table", example: "file", among: []any{"file", "table"}}, "QueueFile.name": {about: "of the file, or of the table with its server", example: "/var/log/asterisk/queue_log"}, "done": {about: "it was rotated, and read to its end", example: false},
		"QueueFile.position": {about: "bytes that were read; of a table its last id", example: 4096000}, "size": {about: "bytes that there were; of a table the last id", example: 4096000},
		"QueueFile.first_event": {about: "the earliest event; null: it has none", example: instant}, "QueueFile.last_event": {about: "the latest event; null: it has none", example: instant}, "QueueFile.read_at": {about: "when it was last read to its end; null: not yet", example: instant},
		"QueueLine.file": {about: "the name of the file; empty: it is forgotten", example: "/var/log/asterisk/queue_log"}, "QueueLine.position": {about: "where it begins", example: 1024}, "QueueLine.read_at": {about: "when it was read", example: instant}, "QueueLine.line": {about: "its begin", example: "1812528928|x"}, "why": {about: "what is wrong with it", example: "it has no event"},
	}
	for _, name := range []string{"QueueSummary", "QueueWaits", "AgentTimes", "Abandoned"} {
		words[name+".from"] = word{about: "the begin of the time", example: began}
		words[name+".to"] = word{about: "its end, which is not in it", example: ended}
	}
	return words
}

func anyOutcomes() (all []any) {
	for _, o := range outcomes() {
		all = append(all, o)
	}
	return all
}
