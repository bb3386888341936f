package extension

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// Extension is a telephone of the PBX. Its fields are those of the old interface, in its words: what chan_sip would read from a file.
type Extension struct {
	Account string // its number, by which it is known: 1 to 20 digits
	Name    string // to show

	Deny        string // networks that may not register, with & between them: address/mask
	Secret      Secret
	DTMFMode    string // rfc2833, inband, info, …
	CanReinvite string // whether media may go past Asterisk: yes, no, nonat, update
	Context     string // of the dialplan, in which it calls
	Host        string // dynamic: it registers; else its address
	TrustRPID   bool   // it may say itself who calls
	SendRPID    string // whether it is told who calls: yes, no, pai
	Type        string // friend, peer or user
	NAT         string // yes, no, force_rport,comedia, …
	Port        int    // at an address that is not dynamic; 0: none
	Qualify     string // whether it is asked if it is there: yes, no, or the milliseconds it may take
	QualifyFreq int    // how often, seconds; 0: none
	Transport   string // udp, tcp, tls, ws, wss, with commas; empty: any
	AVPF        bool
	ICESupport  bool
	Encryption  bool
	CallGroup   string // 1,3-5
	PickupGroup string
	Dial        string // what Dial is given: SIP/204
	Mailbox     string // 204@device
	Permit      string // networks that may register although they are in Deny
	CallerID    string // Nora <204>
	CallCounter bool
	FaxDetect   bool
}

const dynamic = "dynamic"

var extensionFields = []field[Extension]{
	{name: "account", flags: 28, at: func(e *Extension) any { return &e.Account }, clean: pattern(`[0-9]{1,20}`, "1 to 20 digits"), must: true},
	{name: "name", at: func(e *Extension) any { return &e.Name }, clean: cleanName, must: true},
	{name: "deny", flags: 2, at: func(e *Extension) any { return &e.Deny }, clean: networks, usual: everybody},
	{name: "secret", flags: 3, at: func(e *Extension) any { return &e.Secret }, clean: cleanSecret, must: true},
	{name: "dtmfmode", flags: 4, at: func(e *Extension) any { return &e.DTMFMode }, clean: words("rfc2833", "inband", "info", "shortinfo", "auto", "auto_info", "none"), usual: "rfc2833"},
	{name: "canreinvite", flags: 5, at: func(e *Extension) any { return &e.CanReinvite }, clean: words("no", "yes", "nonat", "update", "nonat,update", "update,nonat"), usual: "no"},
	{name: "context", flags: 6, at: func(e *Extension) any { return &e.Context }, clean: pattern(`[A-Za-z0-9_.-]{1,80}`, "the name of a context: 1 to 80 letters, digits, dots, dashes or underscores"), usual: "from-internal"},
	{name: "host", flags: 7, at: func(e *Extension) any { return &e.Host }, clean: cleanHost, usual: dynamic},
	{name: "trustrpid", flags: 8, at: func(e *Extension) any { return &e.TrustRPID }, clean: words("yes", "no"), usual: "yes"},
	{name: "sendrpid", flags: 9, at: func(e *Extension) any { return &e.SendRPID }, clean: words("no", "yes", "rpid", "pai"), usual: "no"},
	{name: "type", flags: 10, at: func(e *Extension) any { return &e.Type }, clean: words("friend", "peer", "user"), usual: "friend"},
	{name: "nat", flags: 11, at: func(e *Extension) any { return &e.NAT }, clean: pattern(`yes|no|never|route|auto|(?:auto_)?(?:force_rport|comedia)(?:,(?:auto_)?(?:force_rport|comedia))?`, "yes, no, auto, force_rport, comedia or force_rport,comedia"), usual: "no"},
	{name: "port", flags: 12, at: func(e *Extension) any { return (*positive)(&e.Port) }, clean: number(1, 65535), usual: "5060"},
	{name: "qualify", flags: 13, at: func(e *Extension) any { return &e.Qualify }, clean: either("yes, no or milliseconds from 1 to 60000", words("yes", "no"), number(1, 60_000)), usual: "yes"},
	{name: "qualifyfreq", flags: 14, at: func(e *Extension) any { return (*positive)(&e.QualifyFreq) }, clean: number(1, 86_400), usual: "60"},
	{name: "transport", flags: 15, at: func(e *Extension) any { return &e.Transport }, clean: pattern(`(?:(?:udp|tcp|tls|ws|wss)(?:,(?:udp|tcp|tls|ws|wss)){0,4})?`, "udp, tcp, tls, ws or wss, or some of them with commas"), usual: "udp"},
	{name: "avpf", flags: 16, at: func(e *Extension) any { return &e.AVPF }, clean: words("yes", "no"), usual: "no"},
	{name: "icesupport", flags: 17, at: func(e *Extension) any { return &e.ICESupport }, clean: words("yes", "no"), usual: "no"},
	{name: "encryption", flags: 18, at: func(e *Extension) any { return &e.Encryption }, clean: words("yes", "no"), usual: "no"},
	{name: "callgroup", flags: 19, at: func(e *Extension) any { return &e.CallGroup }, clean: groups},
	{name: "pickupgroup", flags: 20, at: func(e *Extension) any { return &e.PickupGroup }, clean: groups},
	{name: "dial", flags: 21, at: func(e *Extension) any { return &e.Dial }, clean: pattern(dialled+`(?:&`+dialled+`)*`, "what Dial may be given, such as SIP/204"), is: func(e Extension) string { return "SIP/" + e.Account }},
	{name: "mailbox", flags: 22, at: func(e *Extension) any { return &e.Mailbox }, clean: pattern(`(?:`+mailbox+`(?:[&,]`+mailbox+`)*)?`, "a mailbox such as 204@device"), is: func(e Extension) string { return e.Account + "@device" }},
	{name: "permit", flags: 23, at: func(e *Extension) any { return &e.Permit }, clean: networks, usual: everybody},
	{name: "callerid", flags: 24, at: func(e *Extension) any { return &e.CallerID }, clean: pattern(`(?:"[^"<>\\]*"|[^"<>\\]*)(?: *<[0-9A-Za-z+*#._@-]{1,80}>)?`, "a name and a number such as Nora <204>"), is: func(e Extension) string { return e.Name + " <" + e.Account + ">" }},
	{name: "callcounter", flags: 25, at: func(e *Extension) any { return &e.CallCounter }, clean: words("yes", "no"), usual: "yes"},
	{name: "faxdetect", flags: 26, at: func(e *Extension) any { return &e.FaxDetect }, clean: words("yes", "no"), usual: "no"},
}

const (
	everybody = "0.0.0.0/0.0.0.0"
	dialled   = `[A-Za-z0-9]{1,20}/[A-Za-z0-9+*#._@:/-]{1,200}`
	mailbox   = `[A-Za-z0-9_.*+-]{1,80}(?:@[A-Za-z0-9_.-]{1,80})?`
)

var hostName = pattern(`[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?`, "dynamic, an address or the name of a host")

// Bounds of a secret, characters. The tables of Asterisk take no more.
const (
	minSecret = 8
	maxSecret = 80
)

func cleanSecret(value string) (string, error) {
	if n := utf8.RuneCountInString(value); n > maxSecret {
		return "", fmt.Errorf("must have at most %d characters, but has %d", maxSecret, n)
	}
	if value != "" && (value[0] == ' ' || value[len(value)-1] == ' ') {
		return "", errors.New("must not begin or end with a blank; take it off")
	}
	return value, nil
}

// Rules are what a site may decide about values. The zero value is what is usual.
type Rules struct {
	MinSecret    int      // characters of a secret; 0: 8
	MusicClasses []string // that a follow-me may have as Ringing besides Ring, default and none
	// Distrust keeps a new extension from saying itself who calls, unless somebody wants it so: where calls are charged to the number that a
	// telephone says, it would call on the money of others.
	Distrust bool

	old bool // the values were there before: see In
}

type asItWasKey struct{}

// asItWas is ctx for a change that makes something what it was before: no rule stands against values that were in the tables.
func asItWas(ctx context.Context) context.Context { return context.WithValue(ctx, asItWasKey{}, true) }

// In are the rules for a change with this context: none for one that takes another back, since what was in the tables may be there again.
func (r Rules) In(ctx context.Context) Rules {
	r.old, _ = ctx.Value(asItWasKey{}).(bool)
	return r
}

func (r Rules) extension(was *Extension, f field[Extension], value string) error {
	switch f.name {
	case "account":
		if was.Account != "" && was.Account != value {
			return fmt.Errorf("cannot be changed: it is %s", was.Account)
		}
	case "secret":
		least := r.MinSecret
		if least <= 0 {
			least = minSecret
		}
		if n := utf8.RuneCountInString(value); n < least {
			return fmt.Errorf("must have at least %d characters, but has %d", least, n)
		}
	}
	return nil
}

// New makes an extension of what somebody says about it: account, name and secret at least. The rest is as is usual, also where it is
// sent empty. Nothing is wrong with what it returns; else its error joins a FieldError for each field.
func (r Rules) New(p Patch) (Extension, error) {
	if r.Distrust && strings.TrimSpace(p["trustrpid"]) == "" {
		all := Patch{}
		maps.Copy(all, p)
		all["trustrpid"] = "no"
		p = all
	}
	return create(extensionFields, p, r.extension)
}

// Change sets the fields of a patch and leaves the others as they are, whatever is in them.
func (r Rules) Change(e Extension, p Patch) (Extension, error) {
	if r.old {
		return again(extensionFields, e, p), nil
	}
	return change(extensionFields, e, p, r.extension)
}

// Validate checks all fields.
func (r Rules) Validate(e Extension) error {
	if r.old {
		return nil
	}
	return validate(extensionFields, e, r.extension)
}

// Values are all fields by their old names. Unless they are asked for, secrets are masked.
func (e Extension) Values(secrets bool) map[string]string { return values(extensionFields, e, secrets) }

// Section is what sip_additional.conf would have of it: all fields but its number and its name. Unless they are asked for, secrets
// are masked.
func (e Extension) Section(secrets bool) map[string]string {
	all := e.Values(secrets)
	delete(all, "account")
	delete(all, "name")
	return all
}

// Diff lists the fields in which two differ.
func Diff(before, after Extension) []Difference { return diff(extensionFields, before, after) }

// Inverse is the patch that takes a change back. It has the secret in it if that has changed.
func Inverse(before, after Extension) Patch { return inverse(extensionFields, before, after) }
