package agi

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// A Request is what Asterisk says about the call in its greeting. All text comes from the network: a caller
// chooses his name and often his number. Asterisk writes "unknown" where it knows nothing.
type Request struct {
	Script       string // path of the agi:// URL, without slashes in front and without the query
	Query        string // what follows the ? of the URL
	Args         []string
	Channel      string
	Type         string // channel technology: PJSIP, IAX2, Local
	UniqueID     string // empty only when the peer is not Asterisk
	CallerID     string
	CallerIDName string
	Extension    string // the dialled number; h in the reducer
	DNID         string // the number as the phone dialled it
	AccountCode  string
	Context      string
	Language     string
	RemoteAddr   netip.Addr // of Asterisk
}

// readGreeting reads the agi_ lines up to the empty one. It does not let the AGI library do so, which would
// keep all 25 in a map for as long as the call lasts.
//
// A caller's name with a newline in it could bring an account code or an argument of its own. So no line may
// come twice, and the arguments only at the end, where Asterisk writes them.
func (r *reader) readGreeting() (Request, error) {
	var q Request
	var url string
	fields := [...]struct {
		key   string
		value *string
	}{
		{"network_script", &q.Script},
		{"request", &url},
		{"channel", &q.Channel},
		{"language", &q.Language},
		{"type", &q.Type},
		{"uniqueid", &q.UniqueID},
		{"callerid", &q.CallerID},
		{"calleridname", &q.CallerIDName},
		{"context", &q.Context},
		{"extension", &q.Extension},
		{"dnid", &q.DNID},
		{"accountcode", &q.AccountCode},
	}
	var seen [len(fields)]bool
	size := 0
	for range maxGreetingLines {
		line, err := r.line()
		if err != nil {
			return q, err
		}
		if len(line) == 0 && size > 0 {
			q.setScript(url)
			return q, nil
		}
		if size += len(line) + 1; size > maxGreetingBytes {
			return q, errGreetingTooLong
		}
		key, value, hasValue := bytes.Cut(line, []byte(":"))
		key, isAGI := bytes.CutPrefix(key, []byte("agi_"))
		if !hasValue || !isAGI {
			return q, errNotGreeting
		}
		value = bytes.TrimSpace(value)
		if n, ok := bytes.CutPrefix(key, []byte("arg_")); ok {
			q.Args = append(q.Args, string(value))
			if string(n) != strconv.Itoa(len(q.Args)) {
				return q, errDisorder
			}
			continue
		}
		if len(q.Args) > 0 {
			return q, errDisorder
		}
		for i := range fields {
			if string(key) == fields[i].key {
				if seen[i] {
					return q, errDisorder
				}
				seen[i], *fields[i].value = true, string(value)
			}
		}
	}
	return q, errGreetingTooLong
}

// setScript splits the script Asterisk asks for, which a URL without a path leaves to agi_request.
func (q *Request) setScript(url string) {
	script := q.Script
	if script == "" {
		script = url
		if _, rest, ok := strings.Cut(url, "://"); ok {
			_, script, _ = strings.Cut(rest, "/")
		}
	}
	script, q.Query, _ = strings.Cut(script, "?")
	q.Script = strings.TrimLeft(script, "/")
}
