package queues

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// None is what the log writes where there is no call, no queue or no agent.
const None = "NONE"

// Second is a second in the unit of Event.At.
const Second int64 = 1_000_000

// Event is one line of the log. Two events are the same when they are equal (==). Its texts are parts of what was parsed, a whole block
// of a file: clone those that are kept for long.
type Event struct {
	At     int64 // microseconds since 1970, UTC; whole seconds where the log is a file
	Kind   Kind
	CallID string // unique id of the caller's channel; None, REALTIME, MANAGER or CLI where no call is meant
	Queue  string
	Agent  string
	Name   string    // of the event, as the log has it
	Params [5]string // the last has all that is left, further bars included
}

// Kind says what an event means. What is stored is its name: the numbers are the order of events within one moment, and may change.
type Kind uint8

// The kinds, in the order in which they count when they have the same time (see Compare).
const (
	Custom Kind = iota // DID, TAG, INFO, and whatever else nobody here knows: kept, and left out of the books
	QueueStart
	ConfigReload
	AgentLogin
	AgentCallbackLogin
	AddMember
	PauseAll
	Pause
	UnpauseAll
	Unpause
	RemoveMember
	AgentLogoff
	AgentCallbackLogoff
	EnterQueue
	RingNoAnswer
	RingCanceled
	AgentDump
	SysCompat
	Connect
	CompleteAgent
	CompleteCaller
	Transfer
	BlindTransfer
	AttendedTransfer
	ExitEmpty
	ExitWithTimeout
	ExitWithKey
	Withdraw
	Abandon
)

// KindOf is the kind of event with a name; the log writes names in capitals.
func KindOf(name string) Kind {
	switch name {
	case "QUEUESTART":
		return QueueStart
	case "CONFIGRELOAD":
		return ConfigReload
	case "AGENTLOGIN":
		return AgentLogin
	case "AGENTCALLBACKLOGIN":
		return AgentCallbackLogin
	case "ADDMEMBER":
		return AddMember
	case "PAUSEALL":
		return PauseAll
	case "PAUSE":
		return Pause
	case "UNPAUSEALL":
		return UnpauseAll
	case "UNPAUSE":
		return Unpause
	case "REMOVEMEMBER":
		return RemoveMember
	case "AGENTLOGOFF":
		return AgentLogoff
	case "AGENTCALLBACKLOGOFF":
		return AgentCallbackLogoff
	}
	return callKindOf(name)
}

func callKindOf(name string) Kind {
	switch name {
	case "ENTERQUEUE":
		return EnterQueue
	case "RINGNOANSWER":
		return RingNoAnswer
	case "RINGCANCELED":
		return RingCanceled
	case "AGENTDUMP":
		return AgentDump
	case "SYSCOMPAT":
		return SysCompat
	case "CONNECT":
		return Connect
	case "COMPLETEAGENT":
		return CompleteAgent
	case "COMPLETECALLER":
		return CompleteCaller
	case "TRANSFER":
		return Transfer
	case "BLINDTRANSFER":
		return BlindTransfer
	case "ATTENDEDTRANSFER":
		return AttendedTransfer
	case "EXITEMPTY":
		return ExitEmpty
	case "EXITWITHTIMEOUT":
		return ExitWithTimeout
	case "EXITWITHKEY":
		return ExitWithKey
	case "WITHDRAW":
		return Withdraw
	case "ABANDON":
		return Abandon
	}
	return Custom
}

// OfCall tells whether events of this kind make the books of a call (see Assemble).
func (k Kind) OfCall() bool { return k >= EnterQueue }

// OfAgent tells whether events of this kind make sessions and pauses of an agent (see Presence).
func (k Kind) OfAgent() bool { return k >= AgentLogin && k <= AgentCallbackLogoff }

// Time is the moment of the event, in UTC.
func (e Event) Time() time.Time { return time.UnixMicro(e.At).UTC() }

// Compare puts events into the order in which they count, whatever order they came in: by time, then by what can follow on what,
// then by their texts. It is 0 for equal events only.
func Compare(a, b *Event) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	if a.Kind != b.Kind {
		return cmp.Compare(a.Kind, b.Kind)
	}
	if c := cmp.Or(strings.Compare(a.CallID, b.CallID), strings.Compare(a.Queue, b.Queue),
		strings.Compare(a.Agent, b.Agent), strings.Compare(a.Name, b.Name)); c != 0 {
		return c
	}
	for i := range a.Params {
		if c := strings.Compare(a.Params[i], b.Params[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Key is a number (FNV-1a over time and texts) by which a store finds an event again. Equal events have the same key on every machine
// and in every version; events with the same key are nearly always equal, which remains to be compared.
//
// The log does not number its lines: the same line twice counts once, also where Asterisk did write it twice in one second.
func (e *Event) Key() int64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for shift := 0; shift < 64; shift += 8 {
		h = (h ^ uint64(e.At)>>shift&0xff) * prime //nolint:gosec // the bits of the time
	}
	mix := func(text string) {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h = (h ^ '|') * prime
	}
	mix(e.CallID)
	mix(e.Queue)
	mix(e.Agent)
	mix(e.Name)
	for i := range e.Params {
		mix(e.Params[i])
	}
	return int64(h) //nolint:gosec // the bits matter, and databases know no unsigned numbers
}

// AppendTo writes the event as a line of the log, without its end. Parsed, it is an equal event again.
func (e *Event) AppendTo(b []byte) []byte {
	b = strconv.AppendInt(b, e.At/Second, 10)
	if fraction := e.At % Second; fraction != 0 {
		b = append(b, '.')
		for unit := Second / 10; unit > 0; unit /= 10 {
			b = append(b, '0'+byte(fraction/unit%10)) //nolint:gosec // a digit
		}
	}
	for _, text := range [...]string{e.CallID, e.Queue, e.Agent, e.Name} {
		b = append(append(b, '|'), text...)
	}
	b = append(b, '|')
	last := len(e.Params)
	for last > 0 && e.Params[last-1] == "" {
		last--
	}
	for i, text := range e.Params[:last] {
		if i > 0 {
			b = append(b, '|')
		}
		b = append(b, text...)
	}
	return b
}

// String is the line of the log.
func (e Event) String() string { return string(e.AppendTo(nil)) }

// AgentKey is an agent without what differs from call to call when the log names a channel: SIP/204-0000a1b2 is SIP/204, and
// Local/204@agents-00000007;1 and Local/204@agents/n are Local/204@agents. Names are left alone, and so are the digits of an endpoint:
// Asterisk counts channels from 0, and nobody's has come to 16 million.
func AgentKey(agent string) string {
	technology := strings.IndexByte(agent, '/')
	if technology <= 0 || strings.ContainsAny(agent[:technology], " -@.") {
		return agent
	}
	key := strings.TrimSuffix(agent, "/n")
	if n := len(key); n > 2 && key[n-2] == ';' && (key[n-1] == '1' || key[n-1] == '2') {
		key = key[:n-2]
	}
	if n := len(key); n > technology+10 && key[n-9] == '-' && strings.HasPrefix(key[n-8:], "00") && hexadecimal(key[n-8:]) {
		key = key[:n-9]
	}
	return key
}

func hexadecimal(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// number reads a count of seconds, a position or the like; what is not one, or a negative one as after a change of the clock, is not known.
func number(text string) (int64, bool) {
	if text == "" || len(text) > 10 {
		return 0, false
	}
	n := int64(0)
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
