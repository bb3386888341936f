package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"talktime/models"
)

// Endpoint is a telephone or a trunk of PJSIP.
type Endpoint struct {
	Name      string
	Transport string   // of pjsip.conf; "": any
	AORs      []string // where its addresses are kept
	Auth      string
	State     string            // of the device, in Asterisk's words: Not in use, In use, Unavailable, …
	Channels  int               // that it has now
	Addresses []EndpointAddress // registered ones and those of the configuration
}

// EndpointAddress is where an aor can be reached.
type EndpointAddress struct{ AOR, URI string }

// Contact is an address that a telephone has registered, or one that Asterisk asks whether it is there.
type Contact struct {
	ID        string // by which REST.Kick ends it: 2001;@2dab94…
	AOR       string
	Endpoint  string
	URI       string        // sip:1001@127.0.0.4:5060
	Status    string        // Reachable, Unreachable, NonQualified (nobody asks), Unknown, Created
	RoundTrip time.Duration // of the last answer; 0: not known
	UserAgent string
	Via       string    // host and port from which it registered
	Expires   time.Time // zero: never
}

// Registration is one of ours at a provider.
type Registration struct {
	Name     string
	Server   string // URI
	Client   string // URI
	Endpoint string
	Status   string        // Registered, Unregistered, Rejected, …
	Next     time.Duration // until it is made anew; 0: not known, as Asterisk 22 always says
}

// SIPPeer is a telephone or a trunk of chan_sip, in Asterisk's words: "yes", "no" and the like.
type SIPPeer struct {
	Channeltype    string // SIP
	ObjectName     string
	ChanObjectType string // peer or user
	IPaddress      string // -none- when not known
	IPport         string
	Dynamic        string
	AutoForcerport string
	Forcerport     string
	AutoComedia    string
	Comedia        string
	VideoSupport   string
	TextSupport    string
	ACL            string
	Status         string // OK (21 ms), LAGGED (2100 ms), UNREACHABLE, UNKNOWN, Unmonitored
	RealtimeDevice string
	Description    string
}

// Peer is a telephone or a trunk as an operator looks at it: an endpoint and the best of its contacts.
type Peer struct {
	Name      string
	State     string        // of the device, in Asterisk's words
	Status    string        // of the contact; "" without one
	Host      string        // of the contact; "" without one
	Port      int           // 0: that of the protocol
	RoundTrip time.Duration // 0: not known
	UserAgent string
	Channels  int
	Contacts  int  // how many it has
	Static    bool // its address is that of the configuration: it does not register
}

// listing asks for a list that may be empty, which Asterisk says in many ways. Errors are those of List, and a list that is shorter than its
// end says.
func (c *Client) listing(ctx context.Context, a Action) ([]Message, error) {
	list, err := c.request(ctx, a, true)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		said := strings.ToLower(refused.Reason)
		if strings.HasPrefix(said, "no ") && strings.Contains(said, " found") { // No Contacts found
			return nil, nil
		}
		return nil, kindOf(refused)
	case err != nil:
		return nil, err
	}
	return list.whole(&c.stats)
}

// typed makes something of each event of one name in a list.
func typed[T any](c *Client, events []Message, name string, one func(fields) T) []T {
	made := make([]T, 0, len(events))
	for _, m := range events {
		if m.Get("Event") == name {
			made = append(made, one(fields{m, &c.stats}))
		}
	}
	return made
}

// PJSIPShowEndpoints lists all endpoints. Asterisk takes about a second for 1,000 of a table. Errors are those of List, and
// errors.ErrUnsupported without PJSIP. This and the other lists of PJSIP need the right to write "system".
func (c *Client) PJSIPShowEndpoints(ctx context.Context) ([]Endpoint, error) {
	events, err := c.listing(ctx, Action{Name: "PJSIPShowEndpoints"})
	if err != nil {
		return nil, err
	}
	return typed(c, events, "EndpointList", func(f fields) Endpoint {
		return Endpoint{
			Name: f.m.Get("ObjectName"), Transport: f.m.Get("Transport"), AORs: split(f.m.Get("Aor")), Auth: f.m.Get("Auths"),
			State: f.m.Get("DeviceState"), Channels: f.number("ActiveChannels"), Addresses: addresses(f.m.Get("Contacts")),
		}
	}), nil
}

// PJSIPShowContacts lists all contacts, in some milliseconds. Errors are those of PJSIPShowEndpoints.
func (c *Client) PJSIPShowContacts(ctx context.Context) ([]Contact, error) {
	events, err := c.listing(ctx, Action{Name: "PJSIPShowContacts"})
	if err != nil {
		return nil, err
	}
	return typed(c, events, "ContactList", func(f fields) Contact {
		aor, _, _ := strings.Cut(f.m.Get("ObjectName"), ";@")
		via := f.m.Get("ViaAddr")
		if port := f.number("ViaPort"); via != "" && port > 0 {
			via = net.JoinHostPort(via, strconv.Itoa(port))
		}
		return Contact{
			ID: f.m.Get("ObjectName"), AOR: aor, Endpoint: f.m.Get("Endpoint"), URI: f.m.Get("Uri"), Status: f.m.Get("Status"),
			RoundTrip: f.roundTrip(), UserAgent: f.m.Get("UserAgent"), Via: via, Expires: f.moment("ExpirationTime"),
		}
	}), nil
}

// EndpointDetail is all that Asterisk tells about an endpoint.
type EndpointDetail struct {
	Name     string
	Settings Message // all of the endpoint, by Asterisk's names; the secrets of its logins are not among them
	State    string
	Channels int
	Contacts []Contact
}

// PJSIPShowEndpoint describes one endpoint. models.ErrNotFound when there is no such endpoint; other errors are those of PJSIPShowEndpoints.
func (c *Client) PJSIPShowEndpoint(ctx context.Context, name string) (EndpointDetail, error) {
	if err := shaped("id", name); err != nil {
		return EndpointDetail{}, err
	}
	events, err := c.listing(ctx, Action{Name: "PJSIPShowEndpoint", Fields: []Field{{"Endpoint", name}}})
	if err != nil {
		return EndpointDetail{}, err
	}
	details := typed(c, events, "EndpointDetail", func(f fields) EndpointDetail {
		return EndpointDetail{Name: f.m.Get("ObjectName"), Settings: f.m, State: f.m.Get("DeviceState"), Channels: f.number("ActiveChannels")}
	})
	if len(details) != 1 || details[0].Name != name {
		return EndpointDetail{}, fmt.Errorf("endpoint %s: Asterisk describes another or none: %w", name, models.ErrNotFound)
	}
	detail := details[0]
	detail.Contacts = typed(c, events, "ContactStatusDetail", func(f fields) Contact {
		return Contact{
			ID: f.m.Get("ID"), AOR: f.m.Get("AOR"), Endpoint: f.m.Get("EndpointName"), URI: f.m.Get("URI"), Status: f.m.Get("Status"),
			RoundTrip: f.roundTrip(), UserAgent: f.m.Get("UserAgent"), Via: f.m.Get("ViaAddress"), Expires: f.moment("RegExpire"),
		}
	})
	return detail, nil
}

// PJSIPShowRegistrationsOutbound lists our registrations at providers. To read them also makes Asterisk begin those that are new in its
// tables. Errors are those of PJSIPShowEndpoints.
func (c *Client) PJSIPShowRegistrationsOutbound(ctx context.Context) ([]Registration, error) {
	events, err := c.listing(ctx, Action{Name: "PJSIPShowRegistrationsOutbound"})
	if err != nil {
		return nil, err
	}
	return typed(c, events, "OutboundRegistrationDetail", func(f fields) Registration {
		return Registration{
			Name: f.m.Get("ObjectName"), Server: f.m.Get("ServerUri"), Client: f.m.Get("ClientUri"), Endpoint: f.m.Get("Endpoint"),
			Status: f.m.Get("Status"), Next: f.seconds("NextReg"),
		}
	}), nil
}

// SIPPeers lists the peers of chan_sip, in Asterisk's order. errors.ErrUnsupported without chan_sip, which is gone from Asterisk 21 on; other
// errors are those of List. It needs the right to write "system" or "reporting".
func (c *Client) SIPPeers(ctx context.Context) ([]SIPPeer, error) {
	events, err := c.listing(ctx, Action{Name: "SIPpeers"})
	if err != nil {
		return nil, err
	}
	return typed(c, events, "PeerEntry", func(f fields) SIPPeer {
		return SIPPeer{
			Channeltype: f.m.Get("Channeltype"), ObjectName: f.m.Get("ObjectName"), ChanObjectType: f.m.Get("ChanObjectType"),
			IPaddress: f.m.Get("IPaddress"), IPport: f.m.Get("IPport"), Dynamic: f.m.Get("Dynamic"),
			AutoForcerport: f.m.Get("AutoForcerport"), Forcerport: f.m.Get("Forcerport"), AutoComedia: f.m.Get("AutoComedia"), Comedia: f.m.Get("Comedia"),
			VideoSupport: f.m.Get("VideoSupport"), TextSupport: f.m.Get("TextSupport"), ACL: f.m.Get("ACL"), Status: f.m.Get("Status"),
			RealtimeDevice: f.m.Get("RealtimeDevice"), Description: f.m.Get("Description"),
		}
	}), nil
}

// Bounds of EndpointContacts.
const (
	maxAsked    = 50 // endpoints
	askedAtOnce = 8
	askedTime   = 3 * time.Second // for all of them
)

// EndpointContacts lists the contacts of some endpoints, those too whose address is that of the configuration, which PJSIPShowContacts leaves
// out. It asks for each, for the first 50 and for 3 seconds at most: what is not known by then is not in the list, nor is what is unknown.
func (c *Client) EndpointContacts(ctx context.Context, endpoints []string) []Contact {
	ctx, cancel := context.WithTimeout(ctx, askedTime)
	defer cancel()
	endpoints = endpoints[:min(len(endpoints), maxAsked)]
	found := make([][]Contact, len(endpoints))
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, name := range endpoints {
		group.Go(func() error {
			detail, err := c.PJSIPShowEndpoint(ctx, name)
			found[i] = detail.Contacts
			if err != nil {
				c.log.DebugContext(ctx, "the contacts of an endpoint are not known", "endpoint", name, "err", err)
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return slices.Concat(found...)
}

// Peers lists the endpoints of PJSIP with the best contact of each, in Asterisk's order. Of those that do not register as many are asked for
// theirs as EndpointContacts does. Errors are those of PJSIPShowEndpoints.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	endpoints, err := c.PJSIPShowEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	contacts, err := c.PJSIPShowContacts(ctx)
	if err != nil {
		return nil, err
	}
	registered := map[string]bool{}
	for _, contact := range contacts {
		registered[contact.Endpoint] = true
	}
	var static []string
	for _, e := range endpoints {
		if len(e.Addresses) > 0 && !registered[e.Name] {
			static = append(static, e.Name)
		}
	}
	return JoinPeers(endpoints, append(contacts, c.EndpointContacts(ctx, static)...)), nil
}

// JoinPeers gives each endpoint the best of its contacts: one that answers before one that nobody asks, and the quickest. What is not
// registered has the address of the configuration, whose status is not known.
func JoinPeers(endpoints []Endpoint, contacts []Contact) []Peer {
	best, count := map[string]Contact{}, map[string]int{}
	for _, contact := range contacts {
		before, ok := best[contact.Endpoint]
		if !ok || contact.rank() < before.rank() || contact.rank() == before.rank() && contact.RoundTrip < before.RoundTrip {
			best[contact.Endpoint] = contact
		}
		count[contact.Endpoint]++
	}
	peers := make([]Peer, 0, len(endpoints))
	for _, e := range endpoints {
		p := Peer{Name: e.Name, State: e.State, Channels: e.Channels, Contacts: max(count[e.Name], len(e.Addresses))}
		if contact, ok := best[e.Name]; ok {
			p.Status, p.RoundTrip, p.UserAgent = contact.Status, contact.RoundTrip, contact.UserAgent
			p.Host, p.Port = uriAddress(contact.URI)
			p.Static = contact.Expires.IsZero()
		} else if len(e.Addresses) > 0 {
			p.Status, p.Static = "Unknown", true
			p.Host, p.Port = uriAddress(e.Addresses[0].URI)
		}
		peers = append(peers, p)
	}
	return peers
}

// rank is lower for what is better to call.
func (c Contact) rank() int {
	switch c.Status {
	case "Reachable", "Avail":
		return 0
	case "NonQualified", "NonQual":
		return 1
	case "Unreachable", "Unavail":
		return 3
	default:
		return 2
	}
}

// sipPort is where SIP is spoken when an address does not say.
const sipPort = 5060

// SIPPeer is the peer in the words of chan_sip, for who knows no others. What PJSIP does not have is "no".
func (p Peer) SIPPeer() SIPPeer {
	s := SIPPeer{
		Channeltype: "PJSIP", ObjectName: p.Name, ChanObjectType: "peer", IPaddress: "-none-", IPport: "0", Dynamic: "yes", AutoForcerport: "no",
		Forcerport: "no", AutoComedia: "no", Comedia: "no", VideoSupport: "no", TextSupport: "no", ACL: "no", Status: "UNKNOWN", RealtimeDevice: "no",
	}
	if p.Host != "" {
		s.IPaddress, s.IPport = p.Host, strconv.Itoa(cmp.Or(p.Port, sipPort))
	}
	if p.Static {
		s.Dynamic = "no"
	}
	switch p.Status {
	case "Reachable", "Avail":
		s.Status = fmt.Sprintf("OK (%d ms)", (p.RoundTrip+time.Millisecond-1)/time.Millisecond)
	case "Unreachable", "Unavail":
		s.Status = "UNREACHABLE"
	case "NonQualified", "NonQual":
		s.Status = "Unmonitored"
	}
	return s
}

// roundTrip is never negative, nor more than an hour.
func (f fields) roundTrip() time.Duration {
	if f.m.Get("RoundtripUsec") == "N/A" {
		return 0
	}
	return time.Duration(min(max(f.number("RoundtripUsec"), 0), int(time.Hour/time.Microsecond))) * time.Microsecond
}

// split reads a list with commas between its items, and perhaps behind the last.
func split(list string) []string {
	var items []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// addresses reads a list of aor/uri. A comma may be part of a URI: what has no aor before it goes on with the one before.
func addresses(list string) []EndpointAddress {
	var all []EndpointAddress
	for _, item := range split(list) {
		aor, uri, ok := strings.Cut(item, "/")
		switch {
		case ok && aor != "" && isURI(uri):
			all = append(all, EndpointAddress{AOR: aor, URI: uri})
		case len(all) > 0:
			all[len(all)-1].URI += "," + item
		}
	}
	return all
}

func isURI(text string) bool {
	scheme, rest, ok := strings.Cut(text, ":")
	return ok && rest != "" && (strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips"))
}

// uriAddress returns the host of a SIP URI, of IPv6 without brackets, and its port, 0 when it names none. "" for what is no such URI.
func uriAddress(uri string) (host string, port int) {
	uri = strings.Trim(uri, "<> ")
	if !isURI(uri) {
		return "", 0
	}
	_, rest, _ := strings.Cut(uri, ":")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if end := strings.IndexAny(rest, ";?,/ >"); end >= 0 {
		rest = rest[:end]
	}
	host, number, err := net.SplitHostPort(rest)
	if err != nil { // without a port
		return strings.Trim(rest, "[]"), 0
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int(n)
}
