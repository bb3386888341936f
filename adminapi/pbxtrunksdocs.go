package adminapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type newTrunkRequest struct {
	Name string `json:"name" minLength:"1" maxLength:"40" pattern:"^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$"`
	Host string `json:"host" minLength:"1" maxLength:"100"`
	trunkSettings
}

type trunkRequest struct {
	Host string `json:"host" required:"false" minLength:"1" maxLength:"100"`
	trunkSettings
	Registration *trunkRegistrationJSON `json:"registration" required:"false"`
	Contact      *trunkContactJSON      `json:"contact" required:"false"`
}

// trunkOperations say of these what their lines do not.
func trunkOperations() map[string]operation {
	const ok, created, off = http.StatusOK, http.StatusCreated, http.StatusNotImplemented
	shown := func(about string, v any, header string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, []string{header}}}
	}
	const dry = "With `dry_run`: what it would change."
	const masks = "The secret is masked unless the token has the scope `secrets`, too. "
	const now = "`registration` and `contact` are null where the manager interface does not tell. "
	const applies = "It is in the tables of the telephone system when this is answered, and counts at once; a registration begins, and one whose secret has changed is made anew. " +
		"`checked` is false where Asterisk could not be asked whether it takes it: what it refuses is taken back, and answered with 400. Trunks of FreePBX are changed in FreePBX (501). "
	const matches = "With If-Match it is only done to what has that ETag still (412). "
	refused := []int{http.StatusConflict, off, http.StatusBadGateway}
	stale := append([]int{http.StatusPreconditionFailed}, refused...)
	return map[string]operation{
		"GET /api/pbx/trunks":        {tag: tagPBX, about: now + masks, query: []string{"page", "results_per_page", "callback"}, answers: shown("A page of the list.", envelope[trunkJSON]{}, "Link"), refusals: []int{off}},
		"GET /api/pbx/trunks/:trunk": {tag: tagPBX, about: now + masks, query: []string{"callback"}, answers: shown("The trunk.", trunkJSON{}, "ETag"), refusals: []int{off}},
		"POST /api/pbx/trunks": {
			tag: tagPBX, about: applies + "What is not sent, or sent empty, is as usual. Addresses from which another trunk's calls come are refused (409).", query: []string{"dry_run"}, body: newTrunkRequest{},
			answers: map[int]answer{created: {"The trunk.", map[string]any{typeJSON: trunkJSON{}}, []string{"Location", "ETag"}}, ok: {dry, map[string]any{typeJSON: differencesJSON{}}, nil}}, refusals: refused,
		},
		"PATCH /api/pbx/trunks/:trunk": {
			tag: tagPBX, about: applies + "What is not sent stays, and so does a secret that is sent as it is masked. In the answer it is masked unless the token has the scopes `read` and `secrets`. " +
				"`registration` and `contact` may be sent back as they were read, and are passed over. " + matches, query: []string{"dry_run", "if-match"}, body: trunkRequest{},
			answers: map[int]answer{ok: {"The trunk as it is now. " + dry, map[string]any{typeJSON: anyOf{trunkJSON{}, differencesJSON{}}}, []string{"ETag"}}}, refusals: stale,
		},
		"DELETE /api/pbx/trunks/:trunk": {
			tag: tagPBX, about: "Calls in progress go on. " + matches, query: []string{"dry_run", "if-match"}, refusals: stale,
			answers: map[int]answer{
				http.StatusNoContent: {about: "The trunk is removed."},
				ok:                   {"It is removed, but Asterisk could not be told. " + dry, map[string]any{typeJSON: anyOf{applied{}, differencesJSON{}}}, nil},
			},
		},
	}
}

func trunkParameters() map[string]*huma.Param {
	return map[string]*huma.Param{
		"path-trunk": {Name: "trunk", In: "path", Required: true, Description: "The name of a trunk.", Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{"north"}}},
	}
}

func trunkSchemas() map[string]string {
	return map[string]string{
		"Trunk": "A line to a provider or to another telephone system.", "TrunkList": "A page of trunks.", "NewTrunkRequest": "A new trunk.", "TrunkRequest": "What is to be changed of a trunk.",
		"TrunkRegistration": "Our registration at a provider, as Asterisk knows it now.", "TrunkContact": "The address of a trunk, as Asterisk knows it now.",
	}
}

func trunkWords() map[string]word {
	all := map[string]word{
		"Trunk.registration": {about: "null: it does not register, or nobody knows"}, "Trunk.contact": {about: "null: nobody knows; it is asked for the first 50 of a page"},
		"TrunkRequest.registration": {about: "as it was read: it is passed over"}, "TrunkRequest.contact": {about: "as it was read: it is passed over"},
		"TrunkRegistration.status": {about: "in Asterisk's words: Registered, Unregistered, Rejected and others", example: "Registered"}, "TrunkRegistration.next_seconds": {about: "until it is made anew; null: not known, as Asterisk 22 never says it", example: 2712},
		"TrunkContact.status": {about: "in Asterisk's words: Reachable, Unreachable, NonQualified (it is not asked) and others", example: "Reachable"}, "TrunkContact.roundtrip_ms": {about: "of the last answer; null: not known", example: 21.4},
	}
	for _, schema := range []string{"Trunk", "NewTrunkRequest", "TrunkRequest"} {
		for name, w := range map[string]word{
			"name":            {about: "by which it is known and dialled: 1 to 40 letters, digits, - and _, not digits alone", example: "north"},
			"host":            {about: "address or name to which calls go", example: "192.0.2.10"},
			"port":            {about: "there; 0: what the name says, or that of the transport", example: 5060},
			"transport":       {about: "how calls go there: udp, tcp or tls", example: "udp"},
			"username":        {about: "of ours there; empty: we are known by our address", example: "4930123456"},
			"secret":          {about: "of that user; without one there is none", example: "kx7-moss-tarn"},
			"register":        {about: "whether Asterisk registers there, for which it needs a username", example: true},
			"contact_user":    {about: "for whom its calls come in: the username unless it is sent. Only where it registers", example: "4930123456"},
			"from_user":       {about: "the user in From; empty: the caller's number", example: "4930123456"},
			"from_domain":     {about: "the domain in From; empty: Asterisk's address", example: "sip.example.org"},
			"context":         {about: "of the dialplan, in which its calls come in", example: "talktime-incoming"},
			"match":           {about: "addresses and networks whose calls are this trunk's, without a password. A new one has its host, if that is an address", example: []any{"192.0.2.10", "198.51.100.0/24"}},
			"codecs":          {about: "by Asterisk's names, the best first", example: []any{"alaw", "ulaw"}},
			"dtmf_mode":       {about: "how digits are sent: rfc4733, inband, info, auto, auto_info or none", example: "rfc4733"},
			"direct_media":    {about: "whether media may go past Asterisk", example: false},
			"send_callerid":   {about: "in which headers it is told who calls, besides From: no, rpid (Remote-Party-ID), pai (P-Asserted-Identity) or both", example: "pai"},
			"trust_caller":    {about: "whether it may say in these headers who calls", example: false},
			"tell_hidden":     {about: "whether it is told who calls although the caller hides that", example: false},
			"qualify_seconds": {about: "between two questions whether it is there; 0: it is not asked", example: 60},
		} {
			all[schema+"."+name] = w
		}
	}
	delete(all, "TrunkRequest.name")
	return all
}
