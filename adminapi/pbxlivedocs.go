package adminapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type redirectRequest struct {
	Context string `json:"context" required:"false" pattern:"^[A-Za-z0-9_.-]{1,79}$"`
	Exten   string `json:"exten" pattern:"^[A-Za-z0-9_.*#+-]{1,79}$"`
}

type originateRequest struct {
	Channel   string            `json:"channel" required:"false" pattern:"^[A-Za-z0-9]+/[A-Za-z0-9_.-]{1,80}$"`
	Extension string            `json:"extension,omitempty" required:"false" pattern:"^[A-Za-z0-9_.-]{1,80}$"`
	Exten     string            `json:"exten" pattern:"^[A-Za-z0-9_.*#+-]{1,79}$"`
	Context   string            `json:"context" required:"false" pattern:"^[A-Za-z0-9_.-]{1,79}$"`
	CallerID  string            `json:"caller_id" required:"false" pattern:"^[A-Za-z0-9_.*#+-]{0,79}$"`
	Account   string            `json:"account" required:"false" maxLength:"80"`
	Timeout   int               `json:"timeout_seconds" required:"false" minimum:"1" maximum:"120"`
	Variables map[string]string `json:"variables" required:"false"`
	Wait      bool              `json:"wait" required:"false"`
}

type newMemberRequest struct {
	Interface      string `json:"interface" pattern:"^([A-Za-z0-9]+/[A-Za-z0-9_.-]{1,80}|Local/[0-9*#+]{1,40}@[A-Za-z0-9_.-]{1,79}(/n)?)$"`
	Name           string `json:"name" required:"false" maxLength:"127"`
	Penalty        int    `json:"penalty" required:"false" minimum:"0" maximum:"1000000"`
	Paused         bool   `json:"paused" required:"false"`
	StateInterface string `json:"state_interface" required:"false" maxLength:"255"`
}

type changeMemberRequest struct {
	Paused bool   `json:"paused"`
	Reason string `json:"reason" required:"false" maxLength:"127"`
}

// pbxLiveOperations say of the paths of channels, calls and queue members what their lines do not.
func pbxLiveOperations() map[string]operation {
	const ok, away, none = http.StatusOK, http.StatusBadGateway, http.StatusNotImplemented
	const ordered = "Of an order that Asterisk did not answer nobody knows whether it was carried out (503): look before it is repeated. "
	refusals := func(more ...int) []int { return append([]int{away, none}, more...) }
	shown := func(about string, v any, headers ...string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, headers}}
	}
	gone := func(about string) map[int]answer { return map[int]answer{http.StatusNoContent: {about: about}} }
	list := []string{"page", "pbx-results_per_page", "callback"}
	return map[string]operation{
		"GET /api/pbx/channels": {
			tag: tagPBX, about: "All that `core show channels` of Asterisk shows, in its order, at most a second old and the same for all who ask. A channel of a call that holds money shows the call: as its caller, who pays, or as its callee. The arguments of applications are masked unless the token has the scope `secrets`, too: codes of vouchers and PINs are among them. All are on one page unless results_per_page says otherwise.",
			query: append([]string{"pbx-user", "pbx-state", "pbx-number"}, list...), answers: shown("The channels.", envelope[pbxChannelJSON]{}, "Link"), refusals: refusals(),
		},
		"GET /api/pbx/channels/:channel": {tag: tagPBX, about: "The arguments of its application are masked unless the token has the scope `secrets`, too.", query: []string{"callback"}, answers: shown("The channel.", pbxChannelJSON{}), refusals: refusals()},
		"DELETE /api/pbx/channels/:channel": {
			tag: tagPBX, about: "Its call is settled as any other, by the scripts of the call. Asterisk is asked for its channels just before, and told the unique id of this one. " + ordered, query: []string{"pbx-cause"}, answers: gone("It is hung up."), refusals: refusals(),
		},
		"POST /api/pbx/channels/:channel/redirect": {
			tag: tagPBX, about: "It goes on at exten as if it had dialled that in context, which is one of TALKTIME_PBX_CONTEXTS, the first unless given. Asterisk does not look whether there is such a place; without one the channel ends. 409 when it is about to end, and for who is called in a call that holds money: he would talk on without a limit, and nobody would pay. " + ordered, body: redirectRequest{}, answers: gone("It was sent there."), refusals: refusals(http.StatusConflict),
		},
		"GET /api/pbx/calls": {
			tag: tagPBX, about: "One object for each call that holds money, at most a second old. What it cost so far is the price of the talk until now, and never more than what is held. A call that is held in slices can last longer than what it holds pays for: seconds_left says how long. What is not known is null. Calls whose channel Asterisk does not have are listed apart; without Asterisk, asterisk is false and nobody knows who talks.",
			query: []string{"pbx-user", "callback"}, answers: shown("The calls.", liveCallsJSON{}), refusals: []int{none},
		},
		"GET /api/pbx/calls/events": {
			tag: tagPBX, about: "The calls are sent at the begin as an event `picture`, whose data is what /api/pbx/calls answers, and again whenever one begins, is answered, ends or is held for more, at most once a second; every five seconds while calls go on, for what they cost. For the rest as /api/queues/live/events, with which it shares the number of streams.",
			query: []string{"pbx-user"}, answers: map[int]answer{ok: {"Events, one after another.", map[string]any{typeEvents: nil}, nil}}, refusals: []int{http.StatusTooManyRequests, none},
		},
		"POST /api/pbx/originate": {
			tag: tagPBX, about: "The telephone of channel or extension rings; when it is answered the dialplan goes on at exten in context, as if the telephone had dialled that. What the dialplan of context charges for what is dialled there is charged, and nothing else: that the telephone itself rings costs nothing, so no channel but a telephone's is taken, no trunk, and no context but those of TALKTIME_PBX_CONTEXTS. An account, and a caller_id that is not the number of the telephone, need the scope `money` as well. With `wait` the answer comes when the telephone was answered or was not; without, as soon as Asterisk has taken the order. The id is the unique id of the channel. At most 64 requests wait at once (503 with Retry-After for more). Variables have names that begin with CTC or X_, which no application of Asterisk's knows. " + ordered,
			body: originateRequest{}, refusals: refusals(),
			answers: map[int]answer{
				http.StatusAccepted: {"Asterisk has taken the order.", map[string]any{typeJSON: madeJSON{}}, nil},
				ok:                  {"With wait: what became of it.", map[string]any{typeJSON: madeJSON{}}, nil},
			},
		},
		"GET /api/pbx/queues/:queuename/members": {tag: tagPBX, query: list, answers: shown("The members.", envelope[memberJSON]{}, "Link"), refusals: refusals()},
		"POST /api/pbx/queues/:queuename/members": {
			tag: tagPBX, about: "Until Asterisk restarts, or longer with persistentmembers=yes. The interface is a telephone's, as in /api/pbx/originate, or a number that the dialplan calls, such as Local/204@from-internal/n, in one of TALKTIME_PBX_CONTEXTS. 409 when the queue has that member. " + ordered, body: newMemberRequest{},
			answers: map[int]answer{http.StatusCreated: {"The member.", map[string]any{typeJSON: memberJSON{}}, []string{"Location"}}}, refusals: refusals(http.StatusConflict),
		},
		"PATCH /api/pbx/queues/:queuename/members/:member": {
			tag: tagPBX, about: ordered, body: changeMemberRequest{}, answers: map[int]answer{ok: {"The member as he is now.", map[string]any{typeJSON: memberJSON{}}, nil}}, refusals: refusals(http.StatusConflict),
		},
		"DELETE /api/pbx/queues/:queuename/members/:member": {
			tag: tagPBX, about: "409 for one who is in a file or a table: he has to be removed there. " + ordered, answers: gone("He is no member any more."), refusals: refusals(http.StatusConflict),
		},
		"GET /api/pbx/peers": {
			tag: tagPBX, about: "The endpoints of PJSIP with the best address of each, and the peers of chan_sip where there is that. Asterisk takes about a second for 1,000 endpoints of a table.",
			query: list, answers: shown("The peers.", envelope[peerJSON]{}, "Link"), refusals: refusals(),
		},
	}
}

func pbxLiveParameters() map[string]*huma.Param {
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
	return map[string]*huma.Param{
		"path-channel":         path("channel", "The name of a channel, percent-encoded (PJSIP%2F204-000000bf), or its unique id.", text("1795211573.187")),
		"path-queuename":       path("queuename", "The name of a queue, as Asterisk has it.", text("sales")),
		"path-member":          path("member", "The interface of a member, percent-encoded.", text("PJSIP/204")),
		"pbx-user":             query("user", "Only calls that this user makes, or in which he is called.", text("marta")),
		"pbx-state":            query("state", "Only channels in this state.", text("Up")),
		"pbx-number":           query("number", "Only channels with this in the number of one of both ends.", text("4930")),
		"pbx-cause":            query("cause", "Of Q.850, which the telephone is told; 16 unless given.", number(1, 127, 16)),
		"pbx-results_per_page": query("results_per_page", "How many objects a page has; all unless given.", number(1, maxChannelRows, 100)),
	}
}

func pbxLiveSchemas() map[string]string {
	return map[string]string{
		"PbxChannel": "A channel of Asterisk.", "PbxChannelList": "Channels of Asterisk.", "LiveCall": "A call that holds money, now.", "LiveCalls": "The calls that hold money now.",
		"Made": "A call that was made.", "Member": "Who answers calls of a queue.", "MemberList": "Who answers calls of a queue.", "Peer": "A telephone or a trunk.", "PeerList": "Telephones and trunks.",
		"OriginateRequest": "A call that is to be made.", "RedirectRequest": "Where a channel goes on.", "NewMemberRequest": "Who is to answer calls of a queue.", "ChangeMemberRequest": "A pause, or its end.",
	}
}

func pbxLiveWords() map[string]word {
	const instant, unique = "2026-03-14T09:26:53+01:00", "1795211572.186"
	return map[string]word{
		"PbxChannel.channel": {about: "its name", example: "PJSIP/204-000000ba"}, "unique_id": {about: "Asterisk's own id of it", example: unique}, "linked_id": {about: "the unique id of the first channel of the same call of Asterisk's", example: unique},
		"PbxChannel.state": {about: "in Asterisk's words: Up, Ring, Ringing, Down, …", example: "Up"}, "caller_number": {about: "empty: not known, as all numbers and names here", example: "555000204"}, "caller_name": {about: "of its end", example: "Marta"},
		"connected_number": {about: "of the other end", example: "4930123456"}, "connected_name": {about: "of the other end", example: ""}, "account_code": {about: "of its calls", example: "acc42"},
		"PbxChannel.context": {about: "where it is in the dialplan", example: "from-phones"}, "PbxChannel.exten": {about: "where it is in the dialplan", example: "4930123456"}, "PbxChannel.priority": {about: "where it is in the dialplan", example: 4},
		"application": {about: "what it runs", example: "Dial"}, "application_data": {about: "with which arguments; masked without the scope secrets", example: "PJSIP/4930123456@carrier,30,L(60000)"}, "PbxChannel.duration_seconds": {about: "that it has been there", example: 61},
		"bridge_id": {about: "what connects it to others; empty: nothing", example: "a62cd65d-5056-4e14-810a-e53c8c61f735"}, "PbxChannel.role": {about: "in the call: caller, who pays, or callee; null: it is of no call that holds money", example: "caller"},
		"PbxChannel.call": {about: "that holds money; null: none"},

		"LiveCall.id": {about: "of the call, as below /api/holds", example: 17}, "LiveCall.call_id": {about: "by which it is settled", example: "127.0.0.1/" + unique}, "LiveCall.user": {about: "who pays; null: not known"}, "LiveCall.callee": {about: "the user who is called; null: none of ours"},
		"LiveCall.caller_id": {about: "as delivered", example: "555000204"}, "LiveCall.number": {about: "dialled", example: "4930123456"}, "LiveCall.authorized_at": {about: "when it was permitted", example: instant}, "LiveCall.due_at": {about: "when, at the latest, it must have ended, if nobody extends it", example: "2026-03-14T10:26:53+01:00"},
		"answered_at": {about: "when it was answered; null: it was not, or nobody knows", example: instant}, "answered_exact": {about: "whether the answer was seen, not asked for later; null without an answer", example: true},
		"LiveCall.talking": {about: "whether the talk goes on: the seconds change while it does", example: true}, "talked_seconds": {about: "until now, on all numbers that the call went on to; null: it was not answered, or nobody knows since when", example: 61}, "cost_so_far": {about: "the price of that talk, at most what is held; null: it is not known", example: "0.61"}, "seconds_left": {about: "for how long it can still last: by what its user has, shared with his other calls, where it is held in slices, else by what it holds; null: it was not answered", example: 3539},
		"LiveCall.slice_seconds": {about: "of one slice; 0: all of it is held at once", example: 300}, "slice_left": {about: "seconds that what it holds still pays for, before another slice is held; null: it is not held in slices, or was not answered", example: 239},
		"LiveCall.limit_seconds": {about: "that the hold pays for", example: 3600}, "LiveCall.held": {about: "what is held; null: it cannot be read", example: "36"}, "LiveCall.currency": {about: "of these amounts", example: "EUR"}, "LiveCall.rate": {about: "by which it is charged"},
		"LiveCall.carrier": {about: "to whom it was given; null: no route was needed", example: "north"}, "caller_channel": {about: "of who pays; null: Asterisk has none, or is away", example: "PJSIP/204-000000ba"}, "callee_channel": {about: "of the other end; null: not known", example: "PJSIP/carrier-000000bb"},
		"LiveCall.unreadable": {about: "whether the database has something of it that cannot be read: then no more than its ids is sure, and no cost is worked out", example: false},

		"LiveCalls.at": {about: "of what moment it is", example: instant}, "LiveCalls.asterisk": {about: "whether Asterisk has said which channels there are", example: true}, "LiveCalls.why": {about: "why it has not; null: it has", example: "the manager interface of Asterisk is away"},
		"LiveCalls.calls": {about: "that hold money, oldest first"}, "holds_without_channel": {about: "calls that hold money though Asterisk has no channel of theirs, oldest first: they have ended and were not reported, or another Asterisk has them"},
		"of_another_asterisk": {about: "calls that hold money and were permitted for an Asterisk that is not asked, oldest first"},

		"Made.id": {about: "the unique id of its channel", example: "talktime-6dtf5irlbbvmxf4wgp2ygx4jtq"}, "Made.answered": {about: "whether the telephone was answered; null: nobody waited", example: true}, "Made.reason": {about: "why not; null: it was, or nobody waited", example: "the telephone is busy"},

		"Member.interface": {about: "what the queue calls", example: "PJSIP/204"}, "Member.name": {about: "in the log", example: "Iva Moss"}, "Member.state_interface": {about: "the device whose state counts", example: "PJSIP/204"}, "membership": {about: "whether he can be removed here: only dynamic ones", example: "dynamic", among: []any{"dynamic", "static", "realtime"}},
		"Member.penalty": {about: "the higher, the later he is called", example: 0}, "Member.paused": {about: "whether the queue calls him at present: not then", example: false}, "Member.reason": {about: "of the pause; empty: none was given", example: ""},
		"Member.status": {about: "of the device", example: "not in use", among: []any{"unknown", "not in use", "in use", "busy", "invalid", "unavailable", "ringing", "ringing in use", "on hold"}}, "in_call": {about: "of this queue", example: false}, "calls_taken": {about: "of this queue", example: 4}, "last_call_at": {about: "when the last one ended; null: none yet", example: instant},

		"Peer.technology": {about: "of its channels", example: "PJSIP", among: []any{"PJSIP", "SIP"}}, "Peer.name": {about: "of the endpoint", example: "204"}, "Peer.state": {about: "of the device, in Asterisk's words; empty: not known", example: "Not in use"}, "Peer.status": {about: "of its address, in Asterisk's words; empty: it has none", example: "Reachable"},
		"Peer.host": {about: "its address; empty: not known", example: "192.0.2.17"}, "Peer.port": {about: "0: that of the protocol", example: 5060}, "round_trip_ms": {about: "of the last answer; null: not known", example: 21}, "Peer.user_agent": {about: "what it calls itself; empty: not known", example: "Phone 1.0"},
		"Peer.channels": {about: "that it has now; null: not known", example: 0}, "contacts": {about: "how many addresses it has; null: not known", example: 1},

		"RedirectRequest.context": {about: "of TALKTIME_PBX_CONTEXTS; the first of these unless given", example: "from-internal"}, "RedirectRequest.exten": {about: "in it", example: "600"},
		"OriginateRequest.channel": {about: "the telephone that rings first; this or extension", example: "PJSIP/204"}, "OriginateRequest.extension": {about: "the same by its number: PJSIP/204 of 204", example: "204"}, "OriginateRequest.exten": {about: "where the dialplan goes on: what is called", example: "4930123456"},
		"OriginateRequest.context": {about: "of TALKTIME_PBX_CONTEXTS; the first of these unless given", example: "from-internal"}, "OriginateRequest.caller_id": {about: "number that the telephone shows and the call has; that of extension unless given. Another needs the scope money", example: "204"}, "OriginateRequest.account": {about: "the account code of the call, by which it may be charged: it needs the scope money", example: "acc42"},
		"timeout_seconds": {about: "that the telephone rings; 30 unless given", example: 20}, "OriginateRequest.variables": {about: "of the channel, for the dialplan; at most 20, with names of CTC or X_ and at most 40 capital letters, digits and _, and values of at most 200 letters, digits and . _ @ : + -", example: map[string]any{"CTC": "yes"}}, "wait": {about: "for the telephone to be answered", example: true},
		"NewMemberRequest.interface": {about: "what the queue calls", example: "PJSIP/204"}, "NewMemberRequest.name": {about: "to show and to log; the interface unless given", example: "Iva Moss"}, "NewMemberRequest.penalty": {about: "the higher, the later he is called; 0 unless given", example: 0},
		"NewMemberRequest.paused": {about: "whether he begins with a pause; not unless given", example: false}, "NewMemberRequest.state_interface": {about: "the device whose state counts; the interface unless given", example: "PJSIP/204"},
		"ChangeMemberRequest.paused": {about: "whether the queue is to call him: not then", example: true}, "ChangeMemberRequest.reason": {about: "of the pause; none unless given", example: "lunch"},
	}
}
