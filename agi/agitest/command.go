package agitest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What Asterisk reads of a command: its newline included, and words.
const (
	maxCommandBytes = 2047
	maxWords        = 127
)

// answer answers the command in words. goOn is false when the connection ends then.
func (p *Peer) answer(words []string) (goOn bool) {
	if p.Reply != nil {
		if text := p.Reply(strings.Join(words, " ")); text != "" {
			p.say(text)
			return true
		}
	}
	name, args, arity, live := verb(words)
	switch {
	case name == "":
		p.say("510 Invalid or unknown command")
		return true
	case len(args) < arity:
		p.say("520-Invalid command syntax.  Proper usage follows:")
		p.say("Usage of ", name, ", in as many lines as it takes.")
		p.say("520 End of proper usage.")
		return true
	case live && p.Dead:
		p.say("511 Command Not Permitted on a dead channel or intercept routine")
		return true
	}
	switch name {
	case "GET VARIABLE":
		if value, ok := p.variable(args[0]); ok {
			p.say("200 result=1 (", value, ")")
		} else {
			p.say("200 result=0")
		}
	case "GET FULL VARIABLE":
		p.say("200 result=1 (", p.substitute(args[0]), ")")
	case "SET VARIABLE":
		p.Vars[strings.TrimLeft(args[0], "_")] = args[1]
		p.say("200 result=1")
	case "VERBOSE":
		p.say("200 result=1")
	case "EXEC":
		return p.exec(args[0], strings.Join(args[1:min(2, len(args))], ""))
	case "ANSWER":
		p.up = true
		p.say("200 result=0")
	case "CHANNEL STATUS":
		if p.up {
			p.say("200 result=6")
		} else {
			p.say("200 result=4")
		}
	case "STREAM FILE":
		p.stream(args[0], args[1])
	case "WAIT FOR DIGIT":
		p.say("200 result=", p.pressed(keypad))
	case "GET DATA":
		p.keys(args)
	case "HANGUP":
		p.say("200 result=1")
		return p.hangUp()
	default: // NOOP, SAY …
		p.say("200 result=0")
	}
	return true
}

// verb finds the command that words begin with, how many arguments it needs, and whether it needs a live channel.
func verb(words []string) (name string, args []string, arity int, live bool) {
	for _, c := range [...]struct {
		name  string
		arity int
		live  bool
	}{
		{"GET VARIABLE", 1, false},
		{"GET FULL VARIABLE", 1, false},
		{"SET VARIABLE", 2, false},
		{"EXEC", 1, false},
		{"VERBOSE", 1, false},
		{"NOOP", 0, false},
		{"ANSWER", 0, true},
		{"HANGUP", 0, true},
		{"CHANNEL STATUS", 0, true},
		{"STREAM FILE", 2, true},
		{"WAIT FOR DIGIT", 1, true},
		{"GET DATA", 1, true},
		{"SAY NUMBER", 2, true},
		{"SAY DIGITS", 2, true},
		{"SAY ALPHA", 2, true},
	} {
		rest, found := words, true
		for part := range strings.SplitSeq(c.name, " ") {
			if found = len(rest) > 0 && strings.EqualFold(rest[0], part); !found {
				break
			}
			rest = rest[1:]
		}
		if found {
			return c.name, rest, c.arity, c.live
		}
	}
	return "", nil, 0, false
}

// exec runs an application.
func (p *Peer) exec(app, args string) (goOn bool) {
	switch app = strings.ToLower(app); {
	case app == "dial":
		return p.dial(args)
	case app == "set":
		name, value, _ := strings.Cut(args, "=")
		p.Vars[strings.TrimLeft(name, "_")] = value
	case app == "mset":
		for pair := range strings.SplitSeq(args, ",") { // a comma in parentheses does not come in
			name, value, _ := strings.Cut(pair, "=")
			p.Vars[strings.TrimLeft(name, "_")] = value
		}
	case app == "answer":
		p.up = true
	case !slices.Contains([]string{"noop", "verbose", "playback", "wait", "ringing", "progress", "hangup"}, app):
		p.say("200 result=-2")
		return true
	case app == "hangup":
		p.say("200 result=-1")
		return p.hangUp()
	}
	p.say("200 result=0")
	return true
}

func (p *Peer) dial(args string) (goOn bool) {
	d, ok := parseDial(args)
	if !ok || p.Dead {
		p.say("200 result=-1")
		return true
	}
	d.Talk = 10 * time.Second
	if p.Dial != nil {
		d.Talk = 0
		p.Dial(&d)
	}
	if d.Drop {
		return false
	}
	p.say("200 result=", d.finish(p.Vars))
	switch {
	case d.Redirected:
		p.away += d.Talk
		p.hangup = p.Hangups == SayHangup
	case d.CallerHungUp:
		return p.hangUp()
	}
	return true
}

const keypad = "0123456789*#"

// stream answers STREAM FILE file escape.
func (p *Peer) stream(file, escape string) {
	if p.Missing != nil && p.Missing(file) {
		p.say("200 result=-1 endpos=0")
		return
	}
	if p.Types != nil {
		p.typed += p.Types(file)
	}
	p.say("200 result=", p.pressed(escape), " endpos=3520")
}

// pressed takes the next key that was typed, if it is one of keys, and returns its code: "0" is none.
func (p *Peer) pressed(keys string) (code string) {
	if p.typed == "" || !strings.Contains(keys, p.typed[:1]) {
		return "0"
	}
	code = strconv.Itoa(int(p.typed[0]))
	p.typed = p.typed[1:]
	return code
}

// keys answers GET DATA file timeout keys.
func (p *Peer) keys(args []string) {
	most := 1024
	if len(args) > 2 {
		_, _ = fmt.Sscan(args[2], &most)
	}
	keys := ""
	if p.Keys != nil {
		keys = p.Keys(args[0])
	}
	keys, _, ended := strings.Cut(keys, "#")
	if keys = keys[:min(most, len(keys))]; ended || len(keys) == most {
		p.say("200 result=", keys)
	} else {
		p.say("200 result=", keys, " (timeout)")
	}
}

// variable returns a channel variable, or what a few functions say of the call.
func (p *Peer) variable(name string) (value string, ok bool) {
	if value, ok = p.Vars[name]; ok {
		return value, true
	}
	switch name {
	case "UNIQUEID", "CDR(uniqueid)":
		return p.UniqueID, true
	case "CHANNEL":
		return p.Channel, true
	case "EXTEN":
		return p.Extension, true
	case "CONTEXT":
		return p.Context, true
	case "CALLERID(num)":
		return strings.TrimPrefix(p.CallerID, "unknown"), true
	case "CALLERID(name)":
		return strings.TrimPrefix(p.CallerIDName, "unknown"), true
	case "CDR(accountcode)", "CHANNEL(accountcode)":
		return p.AccountCode, true
	case "CDR(billsec)", "CDR(duration)":
		return "0", true
	}
	return "", false
}

// substitute replaces every ${name} in text, of nested ones the inner first.
func (p *Peer) substitute(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		depth, end := 1, 0
		for ; end < len(rest) && depth > 0; end++ {
			switch rest[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
		}
		value, _ := p.variable(p.substitute(strings.TrimSuffix(rest[:end], "}")))
		b.WriteString(value)
		text = rest[end:]
	}
}

// split cuts a command into words as Asterisk does: blanks part words unless quoted or escaped.
func split(line string) (words []string, err error) {
	words = make([]string, 0, 6)
	word := make([]byte, 0, len(line))
	inWord, quoted, escaped := false, false, false
	for i := range len(line) {
		c := line[i]
		switch {
		case c == '"' && !escaped:
			quoted, inWord = !quoted, true
		case (c == ' ' || c == '\t') && !quoted && !escaped:
			if inWord {
				words, word, inWord = append(words, string(word)), word[:0], false
			}
		case c == '\\' && !escaped:
			escaped = true
		default:
			word, inWord, escaped = append(word, c), true, false
		}
	}
	if inWord {
		words = append(words, string(word))
	}
	return words, cmp.Or(bad(quoted || escaped, "open quote", line), bad(len(words) > maxWords, "too many words", line))
}

func bad(is bool, what, line string) error {
	if is {
		return fmt.Errorf("agitest: %s in %q", what, line)
	}
	return nil
}
