package adminapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type newPBXExtensionRequest struct {
	Account string `json:"account" pattern:"^[0-9]{1,20}$"`
	Name    string `json:"name" minLength:"1" maxLength:"50"`
	Secret  string `json:"secret" maxLength:"80"`
	extensionSettings
}

type pbxExtensionRequest struct {
	Name   string `json:"name" required:"false" minLength:"1" maxLength:"50"`
	Secret string `json:"secret" required:"false" maxLength:"80"`
	extensionSettings
}

type newFollowMeRequest struct {
	GrpNum  string   `json:"grpnum" pattern:"^[0-9]{1,20}$"`
	GrpList []string `json:"grplist"`
	followMeSettings
}

type followMeRequest struct {
	GrpList []string `json:"grplist" required:"false"`
	followMeSettings
}

// pbxExtensionOperations say of these what their lines do not.
func pbxExtensionOperations() map[string]operation {
	const ok, created, off = http.StatusOK, http.StatusCreated, http.StatusNotImplemented
	away, stale := http.StatusBadGateway, http.StatusPreconditionFailed
	plain := []string{"page", "results_per_page", "callback"}
	page := func(v any) map[int]answer {
		return map[int]answer{ok: {"A page of the list.", map[string]any{typeJSON: v, typeScript: nil}, []string{"Link"}}}
	}
	one := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, []string{"ETag"}}}
	}
	dry := "With `dry_run`: what it would change."
	made := func(about string, v any) map[int]answer {
		return map[int]answer{
			created: {about, map[string]any{typeJSON: v}, []string{"Location", "ETag"}},
			ok:      {dry, map[string]any{typeJSON: differencesJSON{}}, nil},
		}
	}
	changed := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about + " " + dry, map[string]any{typeJSON: anyOf{v, differencesJSON{}}}, []string{"ETag"}}}
	}
	gone := func(about string) map[int]answer {
		return map[int]answer{
			http.StatusNoContent: {about: about},
			ok:                   {"It is removed, but that is not applied. " + dry, map[string]any{typeJSON: anyOf{applied{}, differencesJSON{}}}, nil},
		}
	}
	undone := map[int]answer{ok: {"What was done to take it back; with `dry_run` what would be.", map[string]any{typeJSON: undoneJSON{}}, nil}}
	const applies = "It is in the tables of the telephone system when this is answered, and counts at once. `checked` is false where Asterisk could not be asked whether it takes it: what it refuses is taken back, and answered with 400. `reload` is failed where FreePBX did not apply it. "
	const masks = "The secret is masked unless the token has the scope `secrets`, too. "
	const hides = "In the answer it is masked unless the token has the scopes `read` and `secrets`. "
	const matches = "With If-Match it is only done to what has that ETag still (412). "
	refused := []int{http.StatusConflict, off, away}
	return map[string]operation{
		"GET /api/pbx/extensions": {tag: tagPBX, about: masks, query: plain, answers: page(envelope[pbxExtensionJSON]{}), refusals: []int{off}},
		"POST /api/pbx/extensions": {
			tag: tagPBX, about: applies + "What is not sent is as usual.", query: []string{"dry_run"}, body: newPBXExtensionRequest{}, answers: made("The extension.", pbxExtensionJSON{}), refusals: refused,
		},
		"GET /api/pbx/extensions/:extension": {tag: tagPBX, about: masks, query: []string{"callback"}, answers: one("The extension.", pbxExtensionJSON{}), refusals: []int{off}},
		"PATCH /api/pbx/extensions/:extension": {
			tag: tagPBX, about: applies + "What is not sent stays, and so does a secret that is sent as it is masked. " + hides + matches, query: []string{"dry_run", "if-match"}, body: pbxExtensionRequest{},
			answers: changed("The extension as it is now.", pbxExtensionJSON{}), refusals: append([]int{stale}, refused...),
		},
		"DELETE /api/pbx/extensions/:extension": {
			tag: tagPBX, about: "Its follow-me goes, too. The telephone is logged out; a call goes on. " + matches, query: []string{"dry_run", "if-match"}, answers: gone("The extension is removed."), refusals: append([]int{stale}, refused...),
		},
		"GET /api/pbx/followme": {tag: tagPBX, query: plain, answers: page(envelope[followMeJSON]{}), refusals: []int{off}},
		"POST /api/pbx/followme": {
			tag: tagPBX, about: "The extension must be there. What is not sent is as usual.", query: []string{"dry_run"}, body: newFollowMeRequest{}, answers: made("The follow-me.", followMeJSON{}), refusals: refused,
		},
		"GET /api/pbx/followme/:extension": {tag: tagPBX, query: []string{"callback"}, answers: one("The follow-me.", followMeJSON{}), refusals: []int{off}},
		"PATCH /api/pbx/followme/:extension": {
			tag: tagPBX, about: "What is not sent stays. " + matches, query: []string{"dry_run", "if-match"}, body: followMeRequest{},
			answers: changed("The follow-me as it is now.", followMeJSON{}), refusals: append([]int{stale}, refused...),
		},
		"DELETE /api/pbx/followme/:extension": {tag: tagPBX, about: matches, query: []string{"dry_run", "if-match"}, answers: gone("The follow-me is removed."), refusals: append([]int{stale}, refused...)},
		"GET /api/pbx/changes":                {tag: tagPBX, about: "Those of extensions, follow-mes and trunks that were made here or by the old interface. They are kept for 30 days, and at most 1000 of them. Secrets are masked.", query: []string{"page", "results_per_page", "after", "callback"}, answers: page(envelope[pbxChangeJSON]{}), refusals: []int{off}},
		"POST /api/pbx/changes/:change/undo":  {tag: tagPBX, about: "What somebody has changed since stays (409). Taking back is a change, which can be taken back. An extension that was deleted comes back with its follow-me, but without columns of its rows that no field here is about.", query: []string{"dry_run"}, answers: undone, refusals: refused},
		"POST /api/pbx/undo":                  {tag: tagPBX, about: "That is the latest of your own, as the list names you, which was not taken back, and took none back; 404: there is none. What somebody has changed since stays (409).", query: []string{"dry_run"}, answers: undone, refusals: append([]int{http.StatusNotFound}, refused...)},
	}
}

// pbxExtensionParameters are those of these routes.
func pbxExtensionParameters() map[string]*huma.Param {
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	path := func(name, about, example string) *huma.Param {
		return &huma.Param{Name: name, In: "path", Required: true, Description: about, Schema: text(example)}
	}
	return map[string]*huma.Param{
		"path-extension": path("extension", "The number of the extension.", "204"),
		"path-change":    path("change", "The key of a change.", "7"),
		"if-match":       {Name: "If-Match", In: "header", Description: "ETags of which the object must have one still.", Schema: text(`"5c6ffbdd40d9556b73a21e63c3e0e904"`)},
	}
}

// pbxExtensionSchemas say what each kind of object is.
func pbxExtensionSchemas() map[string]string {
	return map[string]string{
		"PbxExtension": "A telephone of the telephone system.", "NewPBXExtensionRequest": "A new extension.", "PbxExtensionRequest": "What is to be changed of an extension.",
		"FollowMe": "Where else it rings when somebody calls an extension.", "NewFollowMeRequest": "A new follow-me.", "FollowMeRequest": "What is to be changed of a follow-me.",
		"PbxExtensionList": "A page of extensions.", "FollowMeList": "A page of follow-mes.", "PbxChangeList": "A page of changes.",
		"Differences": "What a change would do.", "Difference": "What a change does to one field.", "Applied": "What is left to be done of a change that is made.",
		"PbxChange": "A change of an extension, of a follow-me or of a trunk.", "Undone": "What was done to take a change back.",
	}
}

// pbxExtensionWords say what properties mean.
func pbxExtensionWords() map[string]word {
	yes := func(about string) word { return word{about: about, example: false} }
	settings := map[string]word{
		"deny": {about: "networks that may not register, with & between them", example: "0.0.0.0/0.0.0.0"}, "permit": {about: "networks that may although they are in deny; realtime keeps none for everybody", example: "0.0.0.0/0.0.0.0"},
		"dtmfmode": {about: "rfc2833, inband, info, shortinfo, auto, auto_info or none; realtime keeps shortinfo as info", example: "rfc2833"}, "canreinvite": {about: "whether media may go past Asterisk: no, yes, nonat or update; realtime keeps all but no as yes", example: "no"},
		"context": {about: "of the dialplan, in which it calls; nobody looks whether it is there", example: "from-internal"}, "host": {about: "dynamic where it registers; else its address", example: "dynamic"},
		"trustrpid": yes("whether it may say itself who calls"), "sendrpid": {about: "whether it is told who calls: no, yes, rpid or pai; realtime keeps rpid as yes", example: "no"}, "type": {about: "friend, peer or user; realtime keeps a peer that registers as friend", example: "friend"},
		"nat": {about: "yes, no, auto, force_rport, comedia or force_rport,comedia, which telephones behind a router need; realtime keeps both, and auto, as yes", example: "no"}, "port": {about: "at an address that is not dynamic; realtime keeps no other", example: 5060},
		"qualify": {about: "whether it is asked if it is there: yes, no, or the milliseconds that it may take", example: "yes"}, "qualifyfreq": {about: "how often, in seconds; realtime does not keep it with qualify no", example: 60},
		"transport": {about: "udp, tcp, tls, ws or wss, or some of them with commas; realtime keeps what TALKTIME_PBX_TRANSPORTS names", example: "udp"}, "avpf": yes("whether media have feedback"), "icesupport": yes("whether it finds its way by ICE"), "encryption": yes("whether media are encrypted"),
		"callgroup": {about: "groups in which it rings, such as 1,3-5", example: "1"}, "pickupgroup": {about: "groups whose calls it may pick up", example: "1"},
		"dial": {about: "what Dial is given; realtime always has PJSIP/ and the number", example: "SIP/204"}, "mailbox": {about: "of its voice mail; realtime keeps the context device as default", example: "204@device"},
		"callerid": {about: "name and number that others are shown; by the number it may be charged", example: "Nora <204>"}, "callcounter": yes("whether its calls are counted; realtime always does"), "faxdetect": yes("whether faxes are looked for"),
	}
	follow := map[string]word{
		"grplist": {about: "numbers to ring, those outside with # behind them", example: []any{"204", "0551234567#"}}, "strategy": {about: "the order in which they ring: ringallv2, ringall, hunt or memoryhunt, each also with -prim, firstavailable or firstnotonphone; to realtime the last two are hunt, and -prim changes nothing", example: "ringallv2"},
		"grptime": {about: "seconds that it rings, 1 to 60", example: 20}, "grppre": {about: "put in front of the caller's name; not by realtime", example: "Office: "}, "annmsg_id": {about: "announcement; 0: none; not by realtime", example: 0},
		"postdest": {about: "where a caller goes whom nobody answers; in realtime the dialplan says so", example: "ext-local,204,dest"}, "dring": {about: "Alert-Info; not by realtime", example: "internal"}, "remotealert_id": {about: "announcement to who answers; 0: none; not by realtime", example: 0},
		"needsconf": yes("whether who answers must confirm it"), "toolate_id": {about: "announcement to who answers too late; 0: none; not by realtime", example: 0}, "pre_ring": {about: "seconds that the extension rings alone before, 0 to 60", example: 7},
		"ringing": {about: "what the caller hears: Ring, default, none or a class of music; in realtime Ring, unless FollowMe answers first", example: "Ring"},
	}
	all := map[string]word{
		"PbxExtension.account": {about: "its number", example: "204"}, "NewPBXExtensionRequest.account": {about: "its number: 1 to 20 digits", example: "204"},
		"FollowMe.grpnum": {about: "the extension", example: "204"}, "NewFollowMeRequest.grpnum": {about: "the extension", example: "204"},
		"checked": {about: "false: Asterisk could not be asked whether it takes it, or be told; missing: nothing is left to be done", example: false},
		"reload":  {about: "failed: FreePBX has not applied it; missing: nothing is left to be done", example: "failed", among: []any{"failed"}},

		"Differences.differences": {about: "the fields that would change"}, "PbxChange.differences": {about: "the fields that changed"}, "Undone.differences": {about: "the fields that changed"},
		"Difference.field": {about: "its name", example: "context"}, "Difference.before": {about: "its text before", example: "from-internal"}, "Difference.after": {about: "its text after", example: "from-office"},
		"PbxChange.id": {about: "the key", example: 12}, "PbxChange.at": {about: "when", example: "2026-03-14T09:26:53.5Z"}, "PbxChange.actor": {about: "who did it", example: "admin"},
		"PbxChange.undoes": {about: "the change that it took back", example: 11}, "PbxChange.undone": {about: "whether it was taken back", example: false}, "Undone.undoes": {about: "the change that was taken back", example: 12},
	}
	for _, schema := range []string{"PbxChange", "Undone"} {
		all[schema+".kind"] = word{about: "of what it is", example: "extension", among: []any{"extension", "followme", "trunk"}}
		all[schema+".verb"] = word{about: "what was done", example: "update", among: []any{"add", "update", "delete"}}
		all[schema+".account"] = word{about: "the extension or the trunk", example: "204"}
	}
	for _, schema := range []string{"PbxExtension", "NewPBXExtensionRequest", "PbxExtensionRequest"} {
		all[schema+".name"] = word{about: "to show", example: "Nora"}
		all[schema+".secret"] = word{about: "its password", example: "kx7-moss-tarn"}
		for name, w := range settings {
			all[schema+"."+name] = w
		}
	}
	for _, schema := range []string{"FollowMe", "NewFollowMeRequest", "FollowMeRequest"} {
		for name, w := range follow {
			all[schema+"."+name] = w
		}
	}
	return all
}
