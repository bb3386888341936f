package agitest

import (
	"cmp"
	"strconv"
)

// A Greeting is what Asterisk says about a call first. Empty fields are sent with the value of an ordinary call.
type Greeting struct {
	Script       string // path and query of the agi:// URL; empty: the URL has no path
	Channel      string
	Type         string
	Language     string
	UniqueID     string
	CallerID     string
	CallerIDName string
	Context      string
	Extension    string
	DNID         string // as the phone dialled it; the extension where the call began, also in h
	AccountCode  string // empty stays empty
	Args         []string
}

// fill puts in what an ordinary call has.
func (g *Greeting) fill() {
	g.Channel = cmp.Or(g.Channel, "PJSIP/caller-00000000")
	g.Type = cmp.Or(g.Type, "PJSIP")
	g.Language = cmp.Or(g.Language, "en")
	g.UniqueID = cmp.Or(g.UniqueID, "1795210434.0")
	g.CallerID = cmp.Or(g.CallerID, "unknown")
	g.CallerIDName = cmp.Or(g.CallerIDName, "unknown")
	g.Context = cmp.Or(g.Context, "from-caller")
	g.Extension = cmp.Or(g.Extension, "s")
	g.DNID = cmp.Or(g.DNID, g.Extension)
}

// append writes the greeting as Asterisk does, all its lines and the empty one.
func (g *Greeting) append(b []byte) []byte {
	line := func(key, value string) {
		b = append(append(append(append(append(b, "agi_"...), key...), ": "...), value...), '\n')
	}
	line("network", "yes")
	if g.Script != "" {
		line("network_script", g.Script)
	}
	line("request", "agi://127.0.0.1/"+g.Script)
	line("channel", g.Channel)
	line("language", g.Language)
	line("type", g.Type)
	line("uniqueid", g.UniqueID)
	line("version", "22.10.1")
	line("callerid", g.CallerID)
	line("calleridname", g.CallerIDName)
	line("callingpres", "0")
	line("callingani2", "0")
	line("callington", "0")
	line("callingtns", "0")
	line("dnid", g.DNID)
	line("rdnis", "unknown")
	line("context", g.Context)
	line("extension", g.Extension)
	line("priority", "1")
	line("enhanced", "0.0")
	line("accountcode", g.AccountCode)
	line("threadid", "140413775095488")
	for i, arg := range g.Args {
		line("arg_"+strconv.Itoa(i+1), arg)
	}
	return append(b, '\n')
}
