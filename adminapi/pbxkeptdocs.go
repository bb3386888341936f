package adminapi

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"talktime/adminapi/elastix"
)

// keptPBXBody is what the old PBX interface answers: lists and objects of texts.
type keptPBXBody struct{}

// Schema implements huma.SchemaProvider.
func (keptPBXBody) Schema(huma.Registry) *huma.Schema {
	text, object := &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeObject}
	list := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{object, text}}}
	return &huma.Schema{AnyOf: []*huma.Schema{list, object}}
}

// keptPBXRefusal is what it answers when there is nothing.
type keptPBXRefusal struct {
	Status string `json:"status"`
	Code   int    `json:"code"`
}

// keptPBXOperations say of these what their lines do not.
func keptPBXOperations() map[string]operation {
	refused := func(about string, headers ...string) answer {
		return answer{about, map[string]any{typeJSON: keptPBXRefusal{}}, headers}
	}
	answers := func() map[int]answer {
		return map[int]answer{
			http.StatusOK:                           {"What was asked for; the word test without a command; a recording.", map[string]any{typeJSON: keptPBXBody{}, typeText: nil, "application/octet-stream": nil}, []string{"Content-Disposition"}},
			http.StatusPartialContent:               {"The part of a recording that was asked for.", map[string]any{"application/octet-stream": nil}, []string{"Content-Disposition"}},
			http.StatusNotModified:                  {about: "The recording has not changed since If-Modified-Since."},
			http.StatusBadRequest:                   refused("A parameter is wrong; the text says which."),
			http.StatusUnauthorized:                 {"Nobody has shown a key (key not found), or one that is none (key not matched).", map[string]any{typeText: nil}, nil},
			http.StatusForbidden:                    refused("The token lacks the scope, or is bound to an account; or the request comes from another site."),
			http.StatusNotFound:                     {"There is no such command (cmd not matched), or not what it is about.", map[string]any{typeText: nil, typeJSON: keptPBXRefusal{}}, nil},
			http.StatusMethodNotAllowed:             refused("What changes something is sent by POST.", "Allow"),
			http.StatusConflict:                     refused("There is one already (ALREADY EXISTS), or somebody else changes it at the same time (CONFLICT)."),
			http.StatusRequestEntityTooLarge:        refused("The body is too long."),
			http.StatusUnsupportedMediaType:         refused("The body is no form."),
			http.StatusRequestedRangeNotSatisfiable: {"The recording has no such part.", map[string]any{typeText: nil}, nil},
			http.StatusTooManyRequests:              refused("Another wrong key, and too many were wrong.", "Retry-After"),
			http.StatusNotImplemented:               refused("What the command needs is not in the settings."),
			http.StatusBadGateway:                   refused("Asterisk cannot be reached, or refuses."),
			http.StatusServiceUnavailable:           refused("A database did not answer.", "Retry-After"),
		}
	}
	const key = "Each command needs a token as `Authorization: Bearer` or bare, which is bound to no account. "
	return map[string]operation{
		"GET " + keptPBXPath: {
			tag: tagPBX, about: key + "By GET and HEAD there are the commands that only read: " + keptPBXCommands(true) + ". Almost all values are texts.",
			query:   []string{"kept-cmd", "kept-start", "kept-end", "kept-field", "kept-pattern", "kept-status", "kept-limit", "kept-recordings", "kept-s", "kept-name", "kept-grpnum"},
			answers: answers(),
		},
		"POST " + keptPBXPath: {
			tag: tagPBX, about: key + "The parameters are those of a form (application/x-www-form-urlencoded or multipart/form-data); the command is always in the query. By POST alone there are: " + keptPBXCommands(false) +
				". `auth` gives a token for a quarter of an hour, which may what the one may that was shown, and dies with it.",
			query: []string{"kept-cmd"}, answers: answers(),
		},
	}
}

// keptPBXCommands names those that only read, or the others, each with its scope.
func keptPBXCommands(read bool) string {
	var names []string
	for _, c := range elastix.Commands() {
		switch {
		case c.Reads != read:
		case c.Scope == "":
			names = append(names, "`"+c.Name+"`")
		default:
			names = append(names, "`"+c.Name+"` ("+c.Scope+")")
		}
	}
	return strings.Join(names, ", ")
}

// keptPBXParameters are those of these routes.
func keptPBXParameters() map[string]*huma.Param {
	query := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
	}
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	among := func(values ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Enum: values, Examples: values[:1]}
	}
	least, most := 1.0, 10_000.0
	return map[string]*huma.Param{
		"kept-cmd":        query("cmd", "The command; without one the answer is the word test.", text("activecall")),
		"kept-start":      query("start_date", "Of cdrreport: only calls from this time on, by the clock of the CDR database; of a day alone, from its begin on.", text("2027-03-01 00:00:00")),
		"kept-end":        query("end_date", "Of cdrreport: only calls until this time, which is included; of a day alone, until its end.", text("2027-03-31 23:59:59")),
		"kept-field":      query("field_name", "Of cdrreport: the column in which field_pattern is to be.", among("src", "dst", "channel", "dstchannel", "accountcode")),
		"kept-pattern":    query("field_pattern", "Of cdrreport: a text somewhere in that column, taken literally.", text("0551")),
		"kept-status":     query("status", "Of cdrreport: what became of the calls; any of the other four unless given.", among("ALL", "ANSWERED", "BUSY", "FAILED", "NO ANSWER")),
		"kept-limit":      query("limit", "Of cdrreport: how many of the latest; 100 unless given.", &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Examples: []any{100}}),
		"kept-recordings": query("recordings", "Of cdrreport: only calls with a recording, or without one.", among("all", "only", "without")),
		"kept-s":          query("include_s", "Of cdrreport: 1: parts of calls within the dialplan, whose dst is s, too.", among("0", "1")),
		"kept-name":       query("name", "Of getwavfile: a slash, the day of the call as 2027/03/09, a slash, and its recordingfile.", text("/2027/03/09/out-0551234567.wav")),
		"kept-grpnum":     query("grpnum", "Of getfollowmeextension: the extension.", text("204")),
	}
}

// keptPBXSchemas say what each kind of object is.
func keptPBXSchemas() map[string]string {
	return map[string]string{"KeptPBXRefusal": "Why the old PBX interface has nothing."}
}

// keptPBXWords say what properties mean.
func keptPBXWords() map[string]word {
	return map[string]word{
		"KeptPBXRefusal.status": {about: "why, in capitals", example: "FORBIDDEN"},
		"KeptPBXRefusal.code":   {about: "the status of the answer", example: 403},
	}
}
