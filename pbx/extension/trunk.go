package extension

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Trunk is a line to a provider or to another telephone system: an endpoint of PJSIP with an address of its own. Calls go out by
// PJSIP/<number>@<name>. Calls come in from the addresses in Match, and where Asterisk has registered.
type Trunk struct {
	Name      string // by which it is known: 1 to 40 letters, digits, - and _, not digits alone, which are extensions
	Host      string // address or name to which calls go
	Port      int    // 0: what the name says, or that of the transport
	Transport string // udp, tcp or tls

	Username    string // of ours there; empty: we are known by our address
	Secret      Secret
	Register    bool   // whether Asterisk registers there
	ContactUser string // the user in the address that it registers, which calls come in for; empty unless it registers
	FromUser    string // in From; empty: the caller's number
	FromDomain  string // in From; empty: Asterisk's address

	Context string // of the dialplan, in which its calls come in
	Match   string // networks whose calls are its own, with commas between them; empty: none
	Codecs  string // the best first, with commas between them

	DTMFMode     string // rfc4733, inband, info, auto, auto_info or none
	DirectMedia  bool   // whether media may go past Asterisk
	SendCallerID string // in which headers it is told who calls: no, rpid, pai or both
	TrustCaller  bool   // it may say in these headers who calls
	TellHidden   bool   // it is told who calls although the caller hides that

	Qualify int // seconds between two questions whether it is there; 0: it is not asked
}

var trunkFields = []field[Trunk]{
	{name: "name", at: func(t *Trunk) any { return &t.Name }, clean: cleanTrunkName, must: true},
	{name: "host", at: func(t *Trunk) any { return &t.Host }, clean: cleanPeer, must: true},
	{name: "port", at: func(t *Trunk) any { return (*positive)(&t.Port) }, clean: optional(number(0, 65535))},
	{name: "transport", at: func(t *Trunk) any { return &t.Transport }, clean: words("udp", "tcp", "tls"), usual: "udp"},
	{name: "username", at: func(t *Trunk) any { return &t.Username }, clean: pattern(sipUser+`(?:@[A-Za-z0-9.-]{1,80})?|`, "a user of SIP: letters, digits and . _ ~ + * = ! -, and perhaps @ and a domain")},
	{name: "secret", at: func(t *Trunk) any { return &t.Secret }, clean: cleanSecret},
	{name: "register", at: func(t *Trunk) any { return &t.Register }, clean: words("yes", "no"), usual: "no"},
	{name: "contact_user", at: func(t *Trunk) any { return &t.ContactUser }, clean: user},
	{name: "from_user", at: func(t *Trunk) any { return &t.FromUser }, clean: user},
	{name: "from_domain", at: func(t *Trunk) any { return &t.FromDomain }, clean: optional(cleanPeer)},
	{name: "context", at: func(t *Trunk) any { return &t.Context }, clean: pattern(`[A-Za-z0-9_.-]{1,80}`, "the name of a context: 1 to 80 letters, digits, dots, dashes or underscores"), usual: "talktime-incoming"},
	{name: "match", at: func(t *Trunk) any { return &t.Match }, clean: cleanMatch, is: func(t Trunk) string { return ownAddress(t.Host) }},
	{name: "codecs", at: func(t *Trunk) any { return &t.Codecs }, clean: pattern(`[a-z0-9_]{1,20}(?:,[a-z0-9_]{1,20}){0,15}`, "the names of codecs with commas between them, such as alaw,ulaw"), usual: "ulaw,alaw"},
	{name: "dtmf_mode", at: func(t *Trunk) any { return &t.DTMFMode }, clean: words("rfc4733", "inband", "info", "auto", "auto_info", "none"), usual: "rfc4733"},
	{name: "direct_media", at: func(t *Trunk) any { return &t.DirectMedia }, clean: words("yes", "no"), usual: "no"},
	{name: "send_callerid", at: func(t *Trunk) any { return &t.SendCallerID }, clean: words("no", "rpid", "pai", "both"), usual: "no"},
	{name: "trust_caller", at: func(t *Trunk) any { return &t.TrustCaller }, clean: words("yes", "no"), usual: "no"},
	{name: "tell_hidden", at: func(t *Trunk) any { return &t.TellHidden }, clean: words("yes", "no"), usual: "no"},
	{name: "qualify_seconds", at: func(t *Trunk) any { return &t.Qualify }, clean: number(0, 86_400), usual: "60"},
}

const sipUser = `[A-Za-z0-9._~+*=!-]{1,80}`

var (
	user      = pattern(`(?:`+sipUser+`)?`, "a user of SIP: letters, digits and . _ ~ + * = ! -")
	trunkName = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,40}\z`)
)

// ValidTrunkName tells whether a text can be the name of a trunk: 1 to 40 letters, digits, dashes and underscores, but not digits alone,
// which are the numbers of extensions, and not anonymous: whoever calls and is nobody else is the endpoint of that name.
func ValidTrunkName(name string) bool {
	return trunkName.MatchString(name) && strings.Trim(name, "0123456789") != "" && !strings.EqualFold(name, "anonymous")
}

func cleanTrunkName(value string) (string, error) {
	if !ValidTrunkName(value) {
		return "", fmt.Errorf("must be 1 to 40 letters, digits, dashes or underscores, not digits alone and not anonymous, but is %.80q", value)
	}
	return value, nil
}

func optional(c clean) clean {
	return func(value string) (string, error) {
		if value == "" {
			return "", nil
		}
		return c(value)
	}
}

var peerName = pattern(`[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?`, "an address or the name of a host")

// cleanPeer is where a trunk leads to.
func cleanPeer(value string) (string, error) {
	if strings.EqualFold(value, dynamic) {
		return "", errors.New("must be an address or the name of a host; who registers with Asterisk is an extension")
	}
	if a, err := netip.ParseAddr(value); err == nil && a.Zone() == "" {
		return value, nil
	}
	return peerName(value)
}

// ownAddress is a host as a network of its own; empty for a name: Asterisk would have to look it up for each call of anybody.
func ownAddress(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return ""
	}
	if a.Is4In6() {
		return a.Unmap().String()
	}
	return host
}

// How many bits a network must fix, of each kind of addresses. Whoever is in it may call without a password.
const (
	minPrefix  = 8
	minPrefix6 = 32
)

func cleanMatch(value string) (string, error) {
	var kept []string
	for _, item := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
		network, err := parseNetwork(item)
		if _, mask, found := strings.Cut(item, "/"); err != nil || found && strings.Contains(mask, ".") {
			return "", fmt.Errorf("must be addresses and networks with commas between them, such as 192.0.2.1,198.51.100.0/24, but has %.80q", item)
		}
		least := minPrefix
		if network.Addr().Is6() {
			least = minPrefix6
		}
		if network.Bits() < least {
			return "", fmt.Errorf("must have no network larger than /%d, but has %.80q: whoever is in it calls without a password", least, item)
		}
		if strings.Contains(item, ":") && network.Addr().Is4() {
			item = network.String() // so is an address of version 4 called
		}
		kept = append(kept, item)
	}
	return strings.Join(kept, ","), nil
}

// parseNetwork reads an address, or one with the number of bits that count or a mask. An address of version 4 that is written as one of
// version 6 is what it is.
func parseNetwork(item string) (netip.Prefix, error) {
	if host, mask, found := strings.Cut(item, "/"); found {
		m, err := netip.ParseAddr(mask)
		if err == nil && m.Is4() && contiguous(m.As4()) {
			ones := m.As4()
			item = host + "/" + strconv.Itoa(bits.OnesCount32(binary.BigEndian.Uint32(ones[:])))
		}
	} else if a, err := netip.ParseAddr(item); err == nil {
		item += "/" + strconv.Itoa(a.BitLen())
	}
	network, err := netip.ParsePrefix(item)
	if a := network.Addr(); err == nil && a.Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(a.Unmap(), network.Bits()-96)
	}
	return network, err
}

// Meets is a network among theirs in which there are addresses of ours; empty: there is none. Both are lists with commas. What is a name, or
// nothing, meets nothing.
func Meets(ours, theirs string) string {
	for other := range strings.SplitSeq(theirs, ",") {
		network, err := parseNetwork(strings.Trim(other, " "))
		if err != nil {
			continue
		}
		for item := range strings.SplitSeq(ours, ",") {
			if own, err := parseNetwork(strings.Trim(item, " ")); err == nil && own.Overlaps(network) {
				return network.String()
			}
		}
	}
	return ""
}

func (r Rules) trunk(was *Trunk, f field[Trunk], value string) error {
	if f.name == "name" && was.Name != "" && was.Name != value {
		return fmt.Errorf("cannot be changed: it is %s", was.Name)
	}
	return nil
}

// whole makes the fields of a trunk fit each other, as far as the patch leaves that open. The error joins a FieldError for each that does
// not.
func (t Trunk) whole(p Patch) (Trunk, error) {
	sent := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { _, there := p[name]; return there })
	}
	if !sent("contact_user") && sent("register") {
		if !t.Register {
			t.ContactUser = ""
		} else if t.ContactUser == "" {
			t.ContactUser, _, _ = strings.Cut(t.Username, "@")
		}
	}
	var wrong []error
	if sent("register", "username") && t.Register && t.Username == "" {
		wrong = append(wrong, &FieldError{"username", "is missing: a registration needs one"})
	}
	if sent("secret", "username") && t.Secret != "" && t.Username == "" {
		wrong = append(wrong, &FieldError{"secret", "needs a username; give one, or leave it out"})
	}
	if sent("contact_user", "register") && t.ContactUser != "" && !t.Register {
		wrong = append(wrong, &FieldError{"contact_user", "is for trunks that register; leave it out"})
	}
	return t, errors.Join(wrong...)
}

// NewTrunk makes a trunk of what somebody says about it: name and host at least. The rest is as is usual.
func (r Rules) NewTrunk(p Patch) (Trunk, error) {
	t, err := create(trunkFields, p, r.trunk)
	if err != nil {
		return t, err
	}
	if p["contact_user"] == "" {
		p = maps.Clone(p)
		delete(p, "contact_user")
		p["register"] = text(&t.Register)
	}
	return t.whole(p)
}

// ChangeTrunk sets the fields of a patch and leaves the others as they are. A registration that comes is for the username, unless the patch
// says for whom.
func (r Rules) ChangeTrunk(t Trunk, p Patch) (Trunk, error) {
	if r.old {
		return again(trunkFields, t, p), nil
	}
	after, err := change(trunkFields, t, p, r.trunk)
	if err != nil {
		return after, err
	}
	return after.whole(p)
}

// ValidateTrunk checks all fields.
func (r Rules) ValidateTrunk(t Trunk) error {
	if r.old {
		return nil
	}
	if err := validate(trunkFields, t, r.trunk); err != nil {
		return err
	}
	_, err := t.whole(Patch(t.Values(false)))
	return err
}

// Values are all fields by their names. Unless they are asked for, secrets are masked.
func (t Trunk) Values(secrets bool) map[string]string { return values(trunkFields, t, secrets) }

// MarshalJSON writes all fields by their names. Secrets are masked.
func (t Trunk) MarshalJSON() ([]byte, error) { return json.Marshal(t.Values(false)) }

// DiffTrunk lists the fields in which two differ.
func DiffTrunk(before, after Trunk) []Difference { return diff(trunkFields, before, after) }

// InverseTrunk is the patch that takes a change back. It has the secret in it if that has changed.
func InverseTrunk(before, after Trunk) Patch { return inverse(trunkFields, before, after) }

// host and port as they stand in an address of SIP, and what is behind them.
func (t Trunk) target() string {
	host := t.Host
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	if t.Port > 0 {
		host += ":" + strconv.Itoa(t.Port)
	}
	if t.Transport != "udp" && t.Transport != "" {
		host += ";transport=" + t.Transport
	}
	return host
}

// TrunkRows are the rows of a trunk. Whoever calls from Match is it, without a password; nobody is it for what he writes in From.
//
// A registration is repeated for as long as the provider does not refuse it, and begins at once.
func (m Realtime) TrunkRows(t Trunk) Rows {
	var r Rows
	transport := m.Transports[t.Transport]
	r.AOR = Columns{
		"id": t.Name, "contact": "sip:" + t.target(), "max_contacts": "0", "remove_existing": "no",
		"qualify_frequency": strconv.Itoa(t.Qualify), "qualify_timeout": "3.000",
	}
	r.Endpoint = Columns{
		"id": t.Name, "aors": t.Name, "auth": "", "outbound_auth": "", "transport": transport, "context": t.Context, "identify_by": "ip",
		"disallow": "all", "allow": t.Codecs, "from_user": t.FromUser, "from_domain": t.FromDomain, "dtmf_mode": t.DTMFMode,
		"direct_media": yes(t.DirectMedia), "rtp_symmetric": "yes", "force_rport": "yes", "rewrite_contact": "no", "allow_transfer": "no",
		"trust_id_inbound": yes(t.TrustCaller), "trust_id_outbound": yes(t.TellHidden),
		"send_rpid": yes(t.SendCallerID == "rpid" || t.SendCallerID == "both"), "send_pai": yes(t.SendCallerID == "pai" || t.SendCallerID == "both"),
	}
	if t.Username != "" {
		r.Auth = Columns{"id": t.Name, "username": t.Username, "auth_type": "", "password": string(t.Secret)}
	}
	login := ""
	if t.Username != "" && t.Secret != "" {
		r.Auth["auth_type"], login = "userpass", t.Name
	}
	r.Endpoint["outbound_auth"] = login
	if t.Match != "" {
		r.Identify = Columns{"id": t.Name, "endpoint": t.Name, "match": t.Match}
	}
	if t.Register {
		name, domain, _ := strings.Cut(t.Username, "@")
		if t.FromDomain != "" {
			domain = t.FromDomain
		}
		client := t
		if domain != "" {
			client = Trunk{Host: domain}
		}
		client.Transport = ""
		r.Registration = Columns{
			"id": t.Name, "transport": transport, "server_uri": "sip:" + t.target(), "client_uri": "sip:" + name + "@" + client.target(),
			"contact_user": t.ContactUser, "outbound_auth": login, "line": "yes", "endpoint": t.Name,
			"max_random_initial_delay": "0", "retry_interval": "60", "max_retries": "1000000",
		}
	}
	for _, of := range r.Tables() {
		for column, value := range of.Row {
			of.Row[column] = Encode(value)
		}
	}
	return r
}

// TrunkColumns are those that a trunk is kept in, of a table.
func (m Realtime) TrunkColumns(table string) []string {
	for _, of := range m.TrunkRows(Trunk{Name: "a", Host: "h", Username: "u", Match: "m", Register: true}).Tables() {
		if of.Name == table {
			return slices.Sorted(maps.Keys(of.Row))
		}
	}
	return nil
}

// trunkAddress takes the first contact of an aor apart.
var trunkAddress = regexp.MustCompile(`(?i)\A<?sips?:(?:[^@]*@)?(\[[0-9a-f:.]+\]|[^][:;,<>@ ]+)(?::([0-9]{1,5}))?(?:;[^,]*?transport=([a-z]+)|;|,|>|\z)`)

// Trunk is what the rows say; false: they are none of a trunk, since there is no address in them.
func (m Realtime) Trunk(r Rows) (Trunk, bool) {
	of := func(c Columns, column, open string) string {
		if value := Decode(c[column]); value != "" {
			return value
		}
		return open
	}
	isYes := func(column, open string) bool { return truth(of(r.Endpoint, column, open)) }
	found := trunkAddress.FindStringSubmatch(of(r.AOR, "contact", ""))
	if found == nil || !ValidTrunkName(r.Endpoint["id"]) {
		return Trunk{}, false
	}
	t := Trunk{
		Name: r.Endpoint["id"], Host: strings.Trim(found[1], "[]"), Transport: strings.ToLower(found[3]), Username: of(r.Auth, "username", ""),
		Secret: Secret(of(r.Auth, "password", "")), Register: r.Registration != nil, ContactUser: of(r.Registration, "contact_user", ""),
		FromUser: of(r.Endpoint, "from_user", ""), FromDomain: of(r.Endpoint, "from_domain", ""), Context: of(r.Endpoint, "context", "default"),
		Match: of(r.Identify, "match", ""), Codecs: strings.TrimPrefix(strings.ReplaceAll(of(r.Endpoint, "allow", ""), " ", ""), "!all,"),
		DTMFMode: of(r.Endpoint, "dtmf_mode", "rfc4733"), DirectMedia: isYes("direct_media", "yes"),
		SendCallerID: "no", TrustCaller: isYes("trust_id_inbound", "no"), TellHidden: isYes("trust_id_outbound", "no"),
	}
	if n, err := strconv.Atoi(found[2]); err == nil && n <= 65535 {
		t.Port = n
	}
	if t.Transport == "" {
		t.Transport = "udp"
		for _, word := range []string{"tls", "tcp"} {
			if name := of(r.Endpoint, "transport", ""); name != "" && m.Transports[word] == name {
				t.Transport = word
			}
		}
	}
	if kind := of(r.Auth, "auth_type", "userpass"); kind != "userpass" {
		t.Secret = "" // only a hash is kept
	}
	switch rpid, pai := isYes("send_rpid", "no"), isYes("send_pai", "no"); {
	case rpid && pai:
		t.SendCallerID = "both"
	case rpid:
		t.SendCallerID = "rpid"
	case pai:
		t.SendCallerID = "pai"
	}
	if n, err := strconv.Atoi(of(r.AOR, "qualify_frequency", "0")); err == nil && n > 0 {
		t.Qualify = n
	}
	return t, true
}

// registerContact finds the contact behind the host of what chan_sip registers. A secret may have each of its signs, so that nothing counts
// that may belong to one.
var registerContact = regexp.MustCompile(`@(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?/([A-Za-z0-9._+*=!-]{1,80})(?:~[0-9]*)?\z`)

// FreePBXTrunk is one that FreePBX has for chan_sip: the data of the rows of its peer in the table sip by their keywords, and what it
// registers, tls://user:secret@host/contact~600; empty: nothing.
func FreePBXTrunk(data map[string]string, register string) Trunk {
	first := func(names ...string) string {
		for _, name := range names {
			if data[name] != "" {
				return data[name]
			}
		}
		return ""
	}
	t := Trunk{
		Name: data["account"], Host: data["host"], Username: first("username", "defaultuser"), Secret: Secret(first("secret", "remotesecret")), Register: register != "",
		FromUser: data["fromuser"], FromDomain: data["fromdomain"], Context: data["context"], Match: ownAddress(data["host"]),
		Codecs: strings.ReplaceAll(data["allow"], "&", ","), DTMFMode: dtmfModes[strings.ToLower(data["dtmfmode"])],
		DirectMedia: first("directmedia", "canreinvite") != "no", SendCallerID: "no", TrustCaller: truth(data["trustrpid"]),
	}
	if contact := registerContact.FindStringSubmatch(register); contact != nil {
		t.ContactUser = contact[1]
	}
	load((*positive)(&t.Port), data["port"])
	t.Transport, _, _ = strings.Cut(data["transport"], ",")
	if !slices.Contains([]string{"tcp", "tls"}, t.Transport) {
		t.Transport = "udp"
	}
	if t.DTMFMode == "" {
		t.DTMFMode = "rfc4733"
	}
	switch sent := strings.ToLower(data["sendrpid"]); {
	case sent == "pai":
		t.SendCallerID = "pai"
	case sent == "rpid", truth(sent):
		t.SendCallerID = "rpid"
	}
	if asked := data["qualify"]; asked != "" && asked != "no" {
		t.Qualify = qualifyFrequency
		if n, err := strconv.Atoi(data["qualifyfreq"]); err == nil && n > 0 {
			t.Qualify = n
		}
	}
	return t
}
