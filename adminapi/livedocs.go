package adminapi

import "net/http"

// typeEvents is that of server-sent events.
const typeEvents = "text/event-stream"

// liveOperations say of the paths of the live picture what their lines do not.
func liveOperations() map[string]operation {
	const granted = "People who are no administrators see the queues and agents that they were granted; nobody learns that there are others, and who was granted none is refused. Whoever may see some agents only is shown what these do, and callers who wait when the agent NONE is among them. "
	const made = "It is at most two seconds old, and the same for all who ask: Asterisk is asked once. "
	query := []string{"queues-queue"}
	return map[string]operation{
		"GET /api/queues/live": {
			tag: tagQueues, about: granted + made + "Without Asterisk, live is false: nobody waits then and there are no agents, and the figures of today are there all the same.",
			query: append(query, "callback"), answers: map[int]answer{http.StatusOK: {"The picture.", map[string]any{typeJSON: liveJSON{}, typeScript: nil}, nil}},
		},
		"GET /api/queues/live/events": {
			tag: tagQueues, about: granted + made + "The picture is sent at the begin as an event `picture`, whose data is what /api/queues/live answers, and again whenever anything but running seconds has changed, at most once a second: " +
				"whoever shows seconds counts on. After 15 seconds without an event a comment is sent. The stream ends after an hour, when whoever reads may not see it any more, and when the server stops; " +
				"browsers connect anew by themselves. One user or token has 8 streams at most, all together have 256; a connection that takes nothing for 10 seconds is cut.",
			query: query, answers: map[int]answer{http.StatusOK: {"Events, one after another.", map[string]any{typeEvents: nil}, nil}},
			refusals: []int{http.StatusTooManyRequests},
		},
	}
}

func liveSchemas() map[string]string {
	return map[string]string{
		"Live": "How the queues are now.", "LiveQueue": "A queue now, and today.", "LiveNow": "Figures of now.", "LiveToday": "Figures since midnight.", "LiveCaller": "A caller who waits.", "LiveAgent": "A member of a queue.",
	}
}

func liveWords() map[string]word {
	const instant = "2026-03-14T09:26:53+01:00"
	return map[string]word{
		"Live.at": {about: "of what moment it is", example: instant}, "today_since": {about: "since when today's figures are counted", example: "2026-03-14T00:00:00+01:00"}, "Live.live": {about: "whether Asterisk has said how things are", example: true},
		"last_live_at": {about: "when it last did; null: it has now, or not since the server was started", example: instant}, "Live.why": {about: "why it has not; null: it has", example: "the manager interface of Asterisk is away"}, "Live.queues": {about: "all that Asterisk or the log knows, by their names in the log"},

		"LiveQueue.queue": {about: "its name in the log", example: "sales"}, "LiveQueue.name": {about: "how people call it", example: "Sales"}, "known": {about: "whether Asterisk has it now", example: true},
		"now": {about: "figures of now"}, "LiveQueue.today": {about: "figures since midnight"}, "LiveQueue.waiting": {about: "who waits, in their order"}, "LiveQueue.agents": {about: "its members, by their names"},

		"LiveNow.waiting": {about: "callers who wait", example: 1}, "longest_wait_seconds": {about: "that one of these has waited; 0 when nobody waits", example: 17}, "LiveNow.agents": {about: "members whose telephones can be reached", example: 2},
		"logged_off": {about: "the other members", example: 1}, "with_penalty": {about: "agents with a penalty above 0", example: 0}, "LiveNow.busy": {about: "agents in a call", example: 1}, "LiveNow.paused": {about: "agents who are paused", example: 0},

		"LiveToday.answered": {about: "calls that were connected to an agent, those that go on included", example: 40}, "LiveToday.talking": {about: "of these: go on", example: 1}, "LiveToday.unanswered": {about: "calls that ended without an agent", example: 5},
		"LiveToday.abandoned": {about: "of these: the caller hung up", example: 4}, "LiveToday.abandon_rate": {about: "100 × abandoned ÷ (answered + unanswered); null without any", example: 8.89},
		"mean_wait_seconds": {about: "that those who were answered had waited; 0 without any", example: 14}, "mean_talk_seconds": {about: "of answered calls that are over; 0 without any", example: 188},

		"LiveCaller.position": {about: "from 1", example: 1}, "LiveCaller.number": {about: "his number; empty: not known", example: "5550177"}, "LiveCaller.name": {about: "his name; empty: not known", example: "R. Lund"},
		"LiveCaller.wait_seconds": {about: "that he has waited in this queue", example: 17}, "LiveCaller.call_id": {about: "unique id of his channel", example: "1812528928.11"},

		"LiveAgent.agent": {about: "his name in the log", example: "Iva Moss"}, "LiveAgent.name": {about: "how people call him", example: "Iva Moss"}, "location": {about: "what the queue calls", example: "PJSIP/204"},
		"LiveAgent.status": {about: "what his telephone does; dialout: it is in a call that comes from no queue", example: "busy", among: []any{"not in use", "busy", "ringing", "dialout", "unavailable", "unknown"}},
		"penalty":          {about: "the higher, the later he is called", example: 0}, "LiveAgent.paused": {about: "whether the queue calls him at present: not then", example: false}, "pause_reason": {about: "of the pause; empty: none was given", example: ""},
		"pause_seconds": {about: "since it began; 0 too when that is not known", example: 0}, "last_call_seconds": {about: "since his last call of this queue ended; null: he had none", example: 96},
		"from_queue": {about: "the queue that the call comes from that he is in, or that rings; empty: none", example: "sales"}, "LiveAgent.caller": {about: "number of the other party; empty: not known", example: "5550199"},
		"call_seconds": {about: "since his telephone began to ring or to dial; 0 without a call", example: 61},
	}
}
