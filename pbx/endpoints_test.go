package pbx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"talktime/models"
)

// sample answers as an Asterisk did, whose words are in a file: the blocks behind the action, to which an ActionID is added.
func sample(t *testing.T, file string) func(*peer, action) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, answer, ok := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), ">>> Action: ")
	if !ok {
		t.Fatalf("%s has no action", file)
	}
	answer = answer[strings.Index(answer, "Response: "):]
	return func(p *peer, a action) {
		for b := range strings.SplitSeq(strings.TrimRight(answer, "\n"), "\n\n") {
			p.say(block(append(strings.Split(b, "\n"), "ActionID: "+a.id)...))
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("PJSIPShowEndpoints", sample(t, "PJSIPShowEndpoints.txt"))
	s.setAnswer("PJSIPShowContacts", sample(t, "PJSIPShowContacts.txt"))
	s.setAnswer("PJSIPShowEndpoint", sample(t, "PJSIPShowEndpoint-1001.txt"))
	s.setAnswer("SIPpeers", sample(t, "SIPpeers.txt"))
	s.setAnswer("PJSIPShowRegistrationsOutbound", func(p *peer, a action) {
		p.list(a, "Event: OutboundRegistrationDetail\r\nObjectType: registration\r\nObjectName: provider\r\nServerUri: sip:sip.example\r\n"+
			"ClientUri: sip:me@sip.example\r\nEndpoint: provider\r\nStatus: Registered\r\nNextReg: 42", "Event: AuthDetail\r\nObjectName: provider\r\nPassword: "+secret)
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		endpoints, err := c.PJSIPShowEndpoints(t.Context())
		if err != nil || len(endpoints) != 8 {
			t.Fatalf("got %v, %v", endpoints, err)
		}
		if want := (Endpoint{
			Name: "carrier", Transport: "transport-udp", AORs: []string{"carrier"}, State: "Ring+Inuse", Channels: 3,
			Addresses: []EndpointAddress{{"carrier", "sip:127.0.0.3:5080"}},
		}); !reflect.DeepEqual(endpoints[6], want) {
			t.Errorf("got %+v", endpoints[6])
		}
		contact := Contact{
			ID: "1001;@2dab94eeb1ffb04b5756825fce2ab90f", AOR: "1001", Endpoint: "1001", URI: "sip:1001@127.0.0.4:5060", Status: "NonQualified",
			UserAgent: "LabPhone/1.0", Via: "127.0.0.4:5060", Expires: time.Unix(1795212127, 0).UTC(),
		}
		contacts, err := c.PJSIPShowContacts(t.Context())
		if err != nil || !reflect.DeepEqual(contacts, []Contact{contact}) {
			t.Errorf("got %+v, %v", contacts, err)
		}
		detail, err := c.PJSIPShowEndpoint(t.Context(), "1001")
		if err != nil || detail.State != "Not in use" || detail.Settings.Get("Context") != "from-phones" || !reflect.DeepEqual(detail.Contacts, []Contact{contact}) {
			t.Errorf("got %+v, %v", detail, err)
		}
		if strings.Contains(fmt.Sprint(detail), "labsecret") {
			t.Error("a secret is passed on")
		}
		if _, err := c.PJSIPShowEndpoint(t.Context(), "1002"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("got %v for the answer about another", err)
		}
		if _, err := c.PJSIPShowEndpoint(t.Context(), "1\r\n"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("got %v", err)
		}
		registrations, err := c.PJSIPShowRegistrationsOutbound(t.Context())
		if want := (Registration{
			Name: "provider", Server: "sip:sip.example", Client: "sip:me@sip.example", Endpoint: "provider", Status: "Registered", Next: 42 * time.Second,
		}); err != nil || len(registrations) != 1 || registrations[0] != want {
			t.Errorf("got %+v, %v", registrations, err)
		}
		peers, err := c.Peers(t.Context())
		if err != nil || len(peers) != 8 {
			t.Fatalf("got %v, %v", peers, err)
		}
		if want := (Peer{Name: "1001", State: "Not in use", Status: "NonQualified", Host: "127.0.0.4", Port: 5060, UserAgent: "LabPhone/1.0", Contacts: 1}); peers[0] != want {
			t.Errorf("got %+v", peers[0])
		}
		if want := (Peer{Name: "1002", State: "Unavailable"}); peers[1] != want {
			t.Errorf("got %+v", peers[1])
		}
		if want := (Peer{Name: "carrier", State: "Ring+Inuse", Status: "Unknown", Host: "127.0.0.3", Port: 5080, Channels: 3, Contacts: 1, Static: true}); peers[6] != want {
			t.Errorf("got %+v", peers[6])
		}
		old, err := c.SIPPeers(t.Context())
		if want := (SIPPeer{
			"SIP", "2002", "peer", "127.0.0.3", "5180", "no", "yes", "no", "no", "no", "no", "no", "no", "OK (1 ms)", "no", "",
		}); err != nil || len(old) != 2 || old[1] != want {
			t.Errorf("got %+v, %v", old, err)
		}
		if got := c.Stats(); got.Malformed+got.Short > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// staticContacts is a server with so many endpoints that do not register, which answers for those that answers says.
func staticContacts(n int, answers func(name string) bool) *server {
	s := &server{}
	s.setAnswer("PJSIPShowEndpoints", func(p *peer, a action) {
		items := []string{"Event: EndpointList\r\nObjectName: 204\r\nContacts: 204/sip:204@192.0.2.1,"}
		for i := range n {
			items = append(items, fmt.Sprintf("Event: EndpointList\r\nObjectName: c%d\r\nContacts: c%d/sip:192.0.2.%d:5080,", i, i, i))
		}
		p.list(a, items...)
	})
	s.setAnswer("PJSIPShowContacts", func(p *peer, a action) {
		p.list(a, "Event: ContactList\r\nObjectName: 204;@1\r\nEndpoint: 204\r\nUri: sip:204@192.0.2.1\r\nStatus: Reachable\r\nRoundtripUsec: 20000\r\nExpirationTime: 1795212127")
	})
	s.setAnswer("PJSIPShowEndpoint", func(p *peer, a action) {
		name := a.fields["Endpoint"]
		if answers(name) {
			p.list(a, "Event: EndpointDetail\r\nObjectName: "+name+"\r\nDeviceState: Unavailable",
				"Event: ContactStatusDetail\r\nAOR: "+name+"\r\nEndpointName: "+name+"\r\nURI: sip:192.0.2.1:5080\r\nStatus: Unreachable\r\nRoundtripUsec: 0\r\nRegExpire: 0")
		}
	})
	return s
}

// TestStaticContacts: addresses of the configuration, which the list of contacts leaves out, are asked for; the first fifty, and not for long.
func TestStaticContacts(t *testing.T) {
	t.Parallel()
	s := staticContacts(60, func(string) bool { return true })
	bubble(t, s, func(t *testing.T, c *Client) {
		peers, err := c.Peers(t.Context())
		if err != nil || len(peers) != 61 || s.count("PJSIPShowEndpoint") != maxAsked {
			t.Fatalf("%d peers, %v; asked for %d", len(peers), err, s.count("PJSIPShowEndpoint"))
		}
		if want := (Peer{Name: "c0", Status: "Unreachable", Host: "192.0.2.1", Port: 5080, Contacts: 1, Static: true}); peers[1] != want {
			t.Errorf("got %+v", peers[1])
		}
		for i, want := range map[int]string{0: "OK (20 ms)", 1: "UNREACHABLE", 50: "UNREACHABLE", 51: "UNKNOWN", 60: "UNKNOWN"} {
			if got := peers[i].SIPPeer().Status; got != want {
				t.Errorf("%s is %s, not %s", peers[i].Name, got, want)
			}
		}
	})
	s = staticContacts(20, func(name string) bool { return name != "c3" })
	bubble(t, s, func(t *testing.T, c *Client) {
		began := time.Now()
		peers, err := c.Peers(t.Context())
		if took := time.Since(began); err != nil || took > askedTime || peers[4].Status != "Unknown" || peers[20].Status != "Unreachable" {
			t.Errorf("%+v, %v after %s", peers, err, took)
		}
	})
}

// TestOddEndpoints: none is not an error, some missing is, and fields that lie hide no endpoint.
func TestOddEndpoints(t *testing.T) {
	t.Parallel()
	s := &server{}
	lists := func(ctx context.Context, c *Client) map[string]error {
		_, endpoints := c.PJSIPShowEndpoints(ctx)
		_, contacts := c.PJSIPShowContacts(ctx)
		_, registrations := c.PJSIPShowRegistrationsOutbound(ctx)
		_, peers := c.SIPPeers(ctx)
		return map[string]error{"PJSIPShowEndpoints": endpoints, "PJSIPShowContacts": contacts, "PJSIPShowRegistrationsOutbound": registrations, "SIPpeers": peers}
	}
	ways := map[string]struct {
		answer func(*peer, action)
		check  func(error) bool
	}{
		"none":      {refuse("No Contacts found"), func(err error) bool { return err == nil }},
		"empty":     {func(p *peer, a action) { p.list(a) }, func(err error) bool { return err == nil }},
		"no module": {refuse("Invalid/unknown command: SIPpeers"), func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }},
		"short": {func(p *peer, a action) { p.ok(a, "EventList: start"); p.complete(a, 3) }, func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "its end names 3")
		}},
		"hangs": {func(p *peer, a action) { p.ok(a, "EventList: start") }, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) && errors.Is(err, ErrSilent) }},
		"dies":  {hangUp(func(action) string { return "" }), func(err error) bool { return errors.Is(err, ErrAway) }},
	}
	for way, w := range ways {
		for _, name := range []string{"PJSIPShowEndpoints", "PJSIPShowContacts", "PJSIPShowRegistrationsOutbound", "SIPpeers"} {
			s.setAnswer(name, w.answer)
		}
		bubble(t, s, func(t *testing.T, c *Client) {
			for name, err := range lists(t.Context(), c) {
				if !w.check(err) {
					t.Errorf("%s %s: got %v", name, way, err)
				}
			}
		})
	}
	odd := &server{}
	odd.setAnswer("PJSIPShowContacts", func(p *peer, a action) {
		p.list(a, "Event: ContactList\r\nObjectName: x\r\nRoundtripUsec: 99999999999999999999\r\nExpirationTime: -1\r\nViaPort: many\r\nViaAddr: ::1",
			"Event: ContactList\r\nRoundtripUsec: 9223372036854775807", "Event: ContactList\r\nRoundtripUsec: -5", "Event: Other")
	})
	bubble(t, odd, func(t *testing.T, c *Client) {
		contacts, err := c.PJSIPShowContacts(t.Context())
		if err != nil || len(contacts) != 3 || contacts[0] != (Contact{ID: "x", AOR: "x", Via: "::1"}) || contacts[1].RoundTrip != time.Hour || contacts[2].RoundTrip != 0 {
			t.Errorf("got %+v, %v", contacts, err)
		}
		if _, err := c.PJSIPShowEndpoint(t.Context(), "204"); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}

func TestJoinPeers(t *testing.T) {
	t.Parallel()
	endpoints := []Endpoint{{Name: "204", State: "In use", Channels: 1}, {Name: "205"}, {Name: "206"}}
	soon := time.Unix(1795212127, 0)
	contacts := []Contact{
		{Endpoint: "204", URI: "sip:204@192.0.2.1", Status: "Unreachable"},
		{Endpoint: "204", URI: "sip:204@[2001:db8::1]:5070;transport=tcp", Status: "Reachable", RoundTrip: 20001 * time.Microsecond, UserAgent: "slow"},
		{Endpoint: "204", URI: "sip:204@192.0.2.3:5060", Status: "Reachable", RoundTrip: 961 * time.Microsecond, UserAgent: "quick", Expires: soon},
		{Endpoint: "205", URI: "sip:205@[2001:db8::1]", Status: "Unreachable"},
		{Endpoint: "of-nobody", Status: "Reachable"},
	}
	peers := JoinPeers(endpoints, contacts)
	if want := (Peer{"204", "In use", "Reachable", "192.0.2.3", 5060, 961 * time.Microsecond, "quick", 1, 3, false}); len(peers) != 3 || peers[0] != want {
		t.Fatalf("got %+v", peers)
	}
	for i, want := range []string{"192.0.2.3 5060 OK (1 ms) yes", "2001:db8::1 5060 UNREACHABLE no", "-none- 0 UNKNOWN yes"} {
		s := peers[i].SIPPeer()
		if got := s.IPaddress + " " + s.IPport + " " + s.Status + " " + s.Dynamic; got != want || s.ObjectName != endpoints[i].Name {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if s := (Peer{Status: "NonQualified"}).SIPPeer(); s.Status != "Unmonitored" {
		t.Error(s)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	got := addresses("1001/sip:1001@127.0.0.4:5060, b/sips:x@h;p=1,2 ,nonsense/x,,c/SIP:h,")
	want := []EndpointAddress{{"1001", "sip:1001@127.0.0.4:5060"}, {"b", "sips:x@h;p=1,2,nonsense/x"}, {"c", "SIP:h"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := addresses("nonsense,,/sip:x"); got != nil {
		t.Errorf("got %+v", got)
	}
}

func FuzzURIAddress(f *testing.F) {
	for _, uri := range []string{"sip:1001@127.0.0.4:5060", "sips:x@[2001:db8::1]:5061;transport=tls", "<sip:h>", "sip:[::1]", "sip:h:99999", "sip:@:", "tel:1", "sip:a;b@c:1?x=y"} {
		f.Add(uri)
	}
	for uri, want := range map[string]string{
		"sip:1001@127.0.0.4:5060": "127.0.0.4 5060", "sips:x@[2001:db8::1]:5061;transport=tls": "2001:db8::1 5061", "<sip:h>": "h 0",
		"sip:[::1]": "::1 0", "sip:h:99999": "h 0", "tel:1": " 0", "sip:a;b@c:1?x=y": "c 1", "": " 0",
	} {
		if host, port := uriAddress(uri); host+" "+itoa(port) != want {
			f.Errorf("%s: got %s %d", uri, host, port)
		}
	}
	f.Fuzz(func(t *testing.T, uri string) {
		host, port := uriAddress(uri)
		if port < 0 || port > 65535 || strings.ContainsAny(host, "@;?,/>") {
			t.Errorf("%q: got %q, %d", uri, host, port)
		}
		if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" { // an address that can be written down comes back
			if again, p := uriAddress("sip:x@" + netip.AddrPortFrom(a, uint16(port)).String()); again != a.String() || p != port {
				t.Errorf("%s: got %s, %d", a, again, p)
			}
		}
		addresses(uri)
	})
}
