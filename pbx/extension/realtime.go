package extension

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"talktime/models"
)

// Columns are those of one row. An empty one is NULL, which to Asterisk is as if it were not there.
type Columns map[string]string

// Rows are what Asterisk's PJSIP reads of one extension. nil: there is no such row.
type Rows struct {
	Auth     Columns // of ps_auths
	AOR      Columns // of ps_aors
	Endpoint Columns // of ps_endpoints
	Identify Columns // of ps_endpoint_id_ips

	Registration Columns // of ps_registrations; only trunks have one
}

// Tables are the rows by their tables, in the order in which they are to be written.
func (r Rows) Tables() []Table {
	return []Table{{AuthTable, r.Auth}, {AORTable, r.AOR}, {EndpointTable, r.Endpoint}, {IdentifyTable, r.Identify}, {RegistrationTable, r.Registration}}
}

// Table is a row of a table.
type Table struct {
	Name string
	Row  Columns
}

// The tables of PJSIP realtime.
const (
	AuthTable     = "ps_auths"
	AORTable      = "ps_aors"
	EndpointTable = "ps_endpoints"
	IdentifyTable = "ps_endpoint_id_ips"

	RegistrationTable = "ps_registrations"
)

// LacksError says that a PBX's database has not what a change, or a question, needs. Nothing was done. It is models.ErrUnavailable.
type LacksError struct{ Table, Column string } // no column: the whole table

func (e *LacksError) Error() string {
	what := "table " + e.Table
	if e.Column != "" {
		what = "column " + e.Column + " in " + e.Table
	}
	return "the PBX's database has no " + what + ", or our user may not read it, so nothing was done; run admin doctor, which says what to do"
}

// Unwrap makes it models.ErrUnavailable.
func (e *LacksError) Unwrap() error { return models.ErrUnavailable }

// Realtime translates between the fields of an extension and the columns of PJSIP realtime.
//
// What PJSIP has no column for is lost, and read as what Asterisk does: dial (the dialplan dials PJSIP/<account>), callcounter (calls are
// always counted), port of who registers, a transport that Transports does not name, qualifyfreq when qualify is no. A friend and a
// peer that register are the same, and so are those whose host is a name: who calls from there is asked for the password. The name is that
// of the caller id. The mailbox of context device, which only FreePBX has, is in
// default. To permit everybody is to permit nobody in particular: then only deny counts, and without it there are no networks.
type Realtime struct {
	Allow      string            // codecs of a new extension; empty: ulaw,alaw
	Transports map[string]string // what pjsip.conf calls udp, tcp, tls, ws and wss; what is not named is left to the telephone
}

// Fits refuses a peer whose host is a name. Nobody is asked for its password, and Asterisk would look the name up at each call of anybody
// to see who it is.
func (m Realtime) Fits(e Extension) error {
	if e.Type == "peer" && !registers(e) && ownAddress(e.Host) == "" {
		return &FieldError{"host", fmt.Sprintf("must be an address for a peer, which calls without a password, but is %.80q; give the address, or make it a friend", e.Host)}
	}
	return nil
}

// Change is Rules.Change where the caller id carries the name, and Fits.
func (m Realtime) Change(r Rules, e Extension, p Patch) (Extension, error) {
	after, err := r.Change(e, p)
	if err == nil && !r.old && (after.Host != e.Host || after.Type != e.Type) {
		err = m.Fits(after)
	}
	if _, sent := p["callerid"]; !sent && after.Name != e.Name {
		_, number := splitCallerID(after.CallerID)
		after.CallerID = joinCallerID(after.Name, number, false)
	}
	return after, err
}

// Encode writes a value so that Asterisk reads it back: it splits values of realtime at ; and decodes ^XX.
func Encode(value string) string {
	return strings.NewReplacer(";", "^3B", "^", "^5E").Replace(value)
}

// Decode reads a value as Asterisk does.
func Decode(value string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(value, "^")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) >= 2 {
			if n, err := strconv.ParseUint(after[:2], 16, 8); err == nil {
				b.WriteByte(byte(n))
				value = after[2:]
				continue
			}
		}
		b.WriteByte('^')
		value = after
	}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// Rows are the rows of an extension.
func (m Realtime) Rows(e Extension) Rows {
	registers := registers(e)
	var r Rows
	r.Auth = Columns{"id": e.Account, "username": e.Account, "auth_type": "", "password": string(e.Secret)}
	if e.Secret != "" {
		r.Auth["auth_type"] = "userpass"
	}
	r.Endpoint = m.endpoint(e)
	if e.Type != "user" {
		r.Endpoint["aors"] = e.Account
		r.AOR = aor(e, registers)
	}
	network := ""
	if !registers {
		network = ownAddress(e.Host)
	}
	if network == "" || e.Type != "peer" {
		r.Endpoint["auth"] = e.Account
	} else {
		r.Endpoint["identify_by"] = "ip" // else whoever writes its number in From would be it
	}
	if network != "" {
		r.Identify = Columns{"id": e.Account, "endpoint": e.Account, "match": network}
	}
	for _, t := range r.Tables() {
		for column, value := range t.Row {
			t.Row[column] = Encode(value)
		}
	}
	return r
}

// registers tells whether an extension says itself where it is. A user is never called.
func registers(e Extension) bool { return e.Host == "" || e.Host == dynamic || e.Type == "user" }

func (m Realtime) endpoint(e Extension) Columns {
	allow := m.Allow
	if allow == "" {
		allow = "ulaw,alaw"
	}
	forced, symmetric := nat(e.NAT)
	name, number := splitCallerID(e.CallerID)
	c := Columns{
		"id": e.Account, "aors": "", "auth": "", "transport": m.transport(e.Transport), "context": e.Context,
		"disallow": "all", "allow": allow, "callerid": joinCallerID(name, number, true), "mailboxes": "",
		"dtmf_mode": dtmfModes[e.DTMFMode], "direct_media": yes(e.CanReinvite != "no"),
		"force_rport": yes(forced), "rtp_symmetric": yes(symmetric), "rewrite_contact": yes(forced && registers(e)),
		"trust_id_inbound": yes(e.TrustRPID), "send_rpid": yes(e.SendRPID == "yes" || e.SendRPID == "rpid"), "send_pai": yes(e.SendRPID == "pai"),
		"use_avpf": yes(e.AVPF), "ice_support": yes(e.ICESupport), "media_encryption": "no",
		"call_group": e.CallGroup, "pickup_group": e.PickupGroup, "deny": "", "permit": "", "fax_detect": yes(e.FaxDetect),
		// A transfer would move a call away from the channel that carries its limit; a telephone that loses its network hangs nothing up.
		"identify_by": "", "allow_transfer": "no", "rtp_timeout": "60", "rtp_timeout_hold": "600",
	}
	if e.Encryption {
		c["media_encryption"] = "sdes"
	}
	if e.Deny != "" && (e.Deny != everybody || e.Permit != everybody) {
		c["deny"] = strings.ReplaceAll(e.Deny, "&", ",")
	}
	if e.Permit != everybody {
		c["permit"] = strings.ReplaceAll(e.Permit, "&", ",")
	}
	var boxes []string
	for _, box := range strings.FieldsFunc(e.Mailbox, func(r rune) bool { return r == '&' || r == ',' }) {
		if user, context, found := strings.Cut(box, "@"); found && context == "device" {
			box = user + "@default"
		}
		boxes = append(boxes, box)
	}
	c["mailboxes"] = strings.Join(boxes, ",")
	return c
}

// The frequency of qualify where nobody says it, seconds, and the time that an answer may take, milliseconds.
const (
	qualifyFrequency = 60
	qualifyTimeout   = 3000
)

func aor(e Extension, registers bool) Columns {
	c := Columns{"id": e.Account, "contact": "", "max_contacts": "1", "remove_existing": "yes"}
	if !registers {
		host := e.Host
		if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
			host = "[" + host + "]"
		}
		port := e.Port
		if port == 0 {
			port = 5060
		}
		c["contact"], c["max_contacts"], c["remove_existing"] = fmt.Sprintf("sip:%s:%d", host, port), "0", "no"
	}
	frequency, timeout := e.QualifyFreq, qualifyTimeout
	if frequency == 0 {
		frequency = qualifyFrequency
	}
	if e.Qualify == "no" {
		frequency = 0
	} else if n, err := strconv.Atoi(e.Qualify); err == nil {
		timeout = n
	}
	c["qualify_frequency"] = strconv.Itoa(frequency)
	c["qualify_timeout"] = fmt.Sprintf("%d.%03d", timeout/1000, timeout%1000)
	return c
}

// dtmfModes are chan_sip's words in those of PJSIP.
var dtmfModes = map[string]string{
	"rfc2833": "rfc4733", "inband": "inband", "info": "info", "shortinfo": "info", "auto": "auto", "auto_info": "auto_info", "none": "none",
}

// nat tells whether chan_sip would answer to the port that a request came from, and send media to where it comes from.
func nat(words string) (forced, symmetric bool) {
	if words == "yes" || words == "auto" {
		return true, true
	}
	return strings.Contains(words, "force_rport"), strings.Contains(words, "comedia")
}

func (m Realtime) transport(words string) string {
	if name, known := m.Transports[words]; known {
		return name
	}
	for word := range strings.SplitSeq(words, ",") {
		if !slices.Contains([]string{"", "udp", "tcp", "tls", "ws", "wss"}, word) {
			return words // a name of pjsip.conf that was there
		}
	}
	return ""
}

// splitCallerID takes a caller id apart: "Nora" <204>, Nora <204> or 204.
func splitCallerID(id string) (name, number string) {
	name, number, found := strings.Cut(id, "<")
	name = strings.Trim(name, " ")
	if !found && isNumber(name) {
		return "", name
	}
	if len(name) >= 2 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.Trim(name[1:len(name)-1], " ")
	}
	return name, strings.TrimSuffix(strings.Trim(number, " "), ">")
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789+*#") == ""
}

func joinCallerID(name, number string, quoted bool) string {
	if name != "" && (quoted || number == "" && isNumber(name)) {
		name = `"` + name + `"`
	}
	switch {
	case number == "":
		return name
	case name == "":
		return "<" + number + ">"
	}
	return name + " <" + number + ">"
}

// Secure are the columns of rows of an extension without which somebody else could be it, or its calls would have no limits: those that
// say something. A table has to have them.
func (r Rows) Secure() []Table {
	names := map[string][]string{
		AuthTable: {"username", "password"}, AORTable: {"contact"}, IdentifyTable: {"endpoint", "match"},
		EndpointTable: {"aors", "auth", "identify_by", "context", "deny", "permit", "media_encryption", "allow_transfer"},
	}
	var all []Table
	for _, t := range r.Tables() {
		secure := Columns{}
		for _, column := range names[t.Name] {
			if value := t.Row[column]; value != "" && (column != "media_encryption" || value != "no") {
				secure[column] = value
			}
		}
		all = append(all, Table{t.Name, secure})
	}
	return all
}

// Columns are those that an extension may be kept in, of a table.
func (m Realtime) Columns(table string) []string {
	for _, t := range m.Rows(Extension{Account: "1", Type: "friend", Host: "192.0.2.1"}).Tables() {
		if t.Name == table {
			return slices.Sorted(maps.Keys(t.Row))
		}
	}
	return nil
}

// Extension is what the rows say, in the words of chan_sip. What they leave open is as Asterisk takes it.
func (m Realtime) Extension(r Rows) Extension {
	of := func(c Columns, column, open string) string {
		if value := Decode(c[column]); value != "" {
			return value
		}
		return open
	}
	isYes := func(column, open string) bool { return truth(of(r.Endpoint, column, open)) }
	e := Extension{
		Account: r.Endpoint["id"], Secret: Secret(of(r.Auth, "password", "")), DTMFMode: "rfc2833", CanReinvite: yes(isYes("direct_media", "yes")),
		Context: of(r.Endpoint, "context", "default"), Host: dynamic, TrustRPID: isYes("trust_id_inbound", "no"), SendRPID: "no", Type: "friend",
		NAT: "no", Port: 5060, Qualify: "no", QualifyFreq: qualifyFrequency, AVPF: isYes("use_avpf", "no"), ICESupport: isYes("ice_support", "no"),
		Encryption: of(r.Endpoint, "media_encryption", "no") != "no", CallGroup: of(r.Endpoint, "call_group", ""), PickupGroup: of(r.Endpoint, "pickup_group", ""),
		Dial: "PJSIP/" + r.Endpoint["id"], Mailbox: strings.ReplaceAll(of(r.Endpoint, "mailboxes", ""), ",", "&"),
		Deny: ampersands(of(r.Endpoint, "deny", "")), Permit: ampersands(of(r.Endpoint, "permit", "")), CallCounter: true, FaxDetect: isYes("fax_detect", "no"),
	}
	if kind := of(r.Auth, "auth_type", "userpass"); kind != "userpass" {
		e.Secret = "" // only a hash is kept
	}
	name, number := splitCallerID(of(r.Endpoint, "callerid", ""))
	e.Name, e.CallerID = name, joinCallerID(name, number, false)
	switch {
	case isYes("send_pai", "no"):
		e.SendRPID = "pai"
	case isYes("send_rpid", "no"):
		e.SendRPID = "yes"
	}
	mode := of(r.Endpoint, "dtmf_mode", "rfc4733")
	for _, word := range []string{"rfc2833", "inband", "info", "auto", "auto_info", "none"} {
		if dtmfModes[word] == mode {
			e.DTMFMode = word
		}
	}
	switch forced, symmetric := isYes("force_rport", "yes"), isYes("rtp_symmetric", "no"); {
	case forced && symmetric:
		e.NAT = "yes"
	case forced:
		e.NAT = "force_rport"
	case symmetric:
		e.NAT = "comedia"
	}
	e.Transport = of(r.Endpoint, "transport", "")
	for _, word := range slices.Sorted(maps.Keys(m.Transports)) {
		if m.Transports[word] == e.Transport {
			e.Transport = word
			break
		}
	}
	m.reached(r, of, &e)
	return e
}

func ampersands(list string) string {
	return strings.Join(strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; ", r) }), "&")
}

// reached says how an extension is reached: type, host, port and qualify.
func (m Realtime) reached(r Rows, of func(Columns, string, string) string, e *Extension) {
	if of(r.Endpoint, "aors", "") == "" {
		e.Type = "user"
		return
	}
	if host, port := address(of(r.AOR, "contact", "")); host != "" {
		e.Host, e.Port = host, port
		if of(r.Endpoint, "auth", "") == "" {
			e.Type = "peer"
		}
	}
	frequency, err := strconv.Atoi(of(r.AOR, "qualify_frequency", "0"))
	if err != nil || frequency <= 0 {
		return
	}
	e.Qualify, e.QualifyFreq = "yes", frequency
	if seconds, err := strconv.ParseFloat(of(r.AOR, "qualify_timeout", "3"), 64); err == nil && seconds > 0 && seconds < 1e6 {
		if ms := int(math.Round(seconds * 1000)); ms != qualifyTimeout {
			e.Qualify = strconv.Itoa(ms)
		}
	}
}

// address takes the first contact apart: sip:user@host:port;parameters.
func address(contact string) (host string, port int) {
	contact, _, _ = strings.Cut(contact, ",")
	_, rest, found := strings.Cut(strings.Trim(contact, " <>"), ":")
	if !found {
		return "", 0
	}
	rest, _, _ = strings.Cut(rest, ";")
	if _, behind, user := strings.Cut(rest, "@"); user {
		rest = behind
	}
	host, text, _ := strings.Cut(rest, ":")
	if inside, ok := strings.CutPrefix(rest, "["); ok {
		host, text, _ = strings.Cut(inside, "]")
		text = strings.TrimPrefix(text, ":")
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		port = 5060
	}
	return host, port
}

// Step is a row of followme_numbers: its numbers ring together for some time.
type Step struct {
	Numbers string // with & between them
	Seconds int
}

// FollowMe is the row of Asterisk's table followme, and those of followme_numbers in their order, from 1 on without a gap. The context
// is where the numbers are dialled.
//
//   - ringall, ringallv2: one step with all numbers. After the time in which the extension rings alone, it goes on ringing with those
//     of ringallv2.
//   - hunt: a step for each number. memoryhunt: the first, then the first and the second, and so on.
//   - firstavailable and firstnotonphone are as hunt: who is busy is passed by.
//   - …-prim is as without it: FollowMe does not know which of the numbers is the extension's own telephone.
//
// PreRing is a step of its own with the extension. The # behind a number outside is left out; GrpPre, PostDest, DRing and the
// announcements have no column: they are the dialplan's.
func (m Realtime) FollowMe(f FollowMe, context string) (Columns, []Step) {
	row := Columns{"name": f.GrpNum, "active": "yes", "musicclass": "", "context": Encode(context), "enable_callee_prompt": yes(f.NeedsConf)}
	if f.Ringing != "Ring" && f.Ringing != "none" {
		row["musicclass"] = Encode(f.Ringing)
	}
	all := make([]string, 0, len(f.GrpList)+1)
	for _, number := range f.GrpList {
		all = append(all, strings.TrimSuffix(number, "#"))
	}
	strategy := strings.TrimSuffix(f.Strategy, "-prim")
	var steps []Step
	add := func(seconds int, numbers ...string) {
		steps = append(steps, Step{strings.Join(numbers, "&"), seconds})
	}
	if f.PreRing > 0 {
		add(f.PreRing, f.GrpNum)
		if strategy == "ringallv2" && !slices.Contains(all, f.GrpNum) {
			all = append([]string{f.GrpNum}, all...)
		}
	}
	switch {
	case len(all) == 0:
	case strings.HasPrefix(strategy, "ringall"):
		add(f.GrpTime, all...)
	case strategy == "memoryhunt":
		for i := range all {
			add(f.GrpTime, all[:i+1]...)
		}
	default:
		for _, number := range all {
			add(f.GrpTime, number)
		}
	}
	return row, steps
}
