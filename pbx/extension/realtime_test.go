package extension

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRowsOfRealtime(t *testing.T) {
	t.Parallel()
	want := Rows{
		Auth: Columns{"id": "204", "auth_type": "userpass", "username": "204", "password": "keep-it-long"},
		AOR:  Columns{"id": "204", "contact": "", "max_contacts": "1", "remove_existing": "yes", "qualify_frequency": "60", "qualify_timeout": "3.000"},
		Endpoint: Columns{
			"id": "204", "aors": "204", "auth": "204", "transport": "", "context": "from-internal", "disallow": "all", "allow": "ulaw,alaw",
			"callerid": `"Nora" <204>`, "mailboxes": "204@default", "dtmf_mode": "rfc4733", "direct_media": "no", "force_rport": "no", "rtp_symmetric": "no",
			"rewrite_contact": "no", "trust_id_inbound": "yes", "send_rpid": "no", "send_pai": "no", "use_avpf": "no", "ice_support": "no",
			"media_encryption": "no", "call_group": "", "pickup_group": "", "deny": "", "permit": "", "fax_detect": "no",
			"identify_by": "", "allow_transfer": "no", "rtp_timeout": "60", "rtp_timeout_hold": "600",
		},
	}
	if diff := cmp.Diff(want, Realtime{}.Rows(nora(t))); diff != "" {
		t.Error(diff)
	}
}

// TestMappingOfFields goes through the table of fields and columns.
func TestMappingOfFields(t *testing.T) {
	t.Parallel()
	m := Realtime{Transports: map[string]string{"udp": "transport-udp", "wss": "transport-wss"}}
	for _, tt := range []struct {
		set   string // field=value …
		table string
		want  string // column=value …
		back  string // field=value …, where it is not what was set
	}{
		{set: "secret=a^b|c5678", table: AuthTable, want: "password=a^5Eb|c5678"},
		{set: "context=c2", table: EndpointTable, want: "context=c2"},
		{set: "dtmfmode=inband", table: EndpointTable, want: "dtmf_mode=inband"},
		{set: "dtmfmode=shortinfo", table: EndpointTable, want: "dtmf_mode=info", back: "dtmfmode=info"},
		{set: "dtmfmode=auto", table: EndpointTable, want: "dtmf_mode=auto"},
		{set: "canreinvite=yes", table: EndpointTable, want: "direct_media=yes"},
		{set: "canreinvite=nonat", table: EndpointTable, want: "direct_media=yes", back: "canreinvite=yes"},
		{set: "nat=yes", table: EndpointTable, want: "force_rport=yes rtp_symmetric=yes rewrite_contact=yes"},
		{set: "nat=force_rport,comedia", table: EndpointTable, want: "force_rport=yes rtp_symmetric=yes rewrite_contact=yes", back: "nat=yes"},
		{set: "nat=comedia", table: EndpointTable, want: "force_rport=no rtp_symmetric=yes rewrite_contact=no"},
		{set: "nat=force_rport", table: EndpointTable, want: "force_rport=yes rtp_symmetric=no rewrite_contact=yes"},
		{set: "nat=yes host=192.0.2.9", table: EndpointTable, want: "force_rport=yes rtp_symmetric=yes rewrite_contact=no"},
		{set: "trustrpid=no", table: EndpointTable, want: "trust_id_inbound=no"},
		{set: "sendrpid=yes", table: EndpointTable, want: "send_rpid=yes send_pai=no"},
		{set: "sendrpid=rpid", table: EndpointTable, want: "send_rpid=yes send_pai=no", back: "sendrpid=yes"},
		{set: "sendrpid=pai", table: EndpointTable, want: "send_rpid=no send_pai=yes"},
		{set: "qualify=no", table: AORTable, want: "qualify_frequency=0"},
		{set: "qualify=yes qualifyfreq=30", table: AORTable, want: "qualify_frequency=30 qualify_timeout=3.000"},
		{set: "qualify=2500", table: AORTable, want: "qualify_frequency=60 qualify_timeout=2.500"},
		{set: "transport=udp", table: EndpointTable, want: "transport=transport-udp"},
		{set: "transport=tcp", table: EndpointTable, want: "transport=", back: "transport="},
		{set: "avpf=yes icesupport=yes", table: EndpointTable, want: "use_avpf=yes ice_support=yes"},
		{set: "encryption=yes", table: EndpointTable, want: "media_encryption=sdes"},
		{set: "callgroup=1,3-5 pickupgroup=2", table: EndpointTable, want: "call_group=1,3-5 pickup_group=2"},
		{set: "mailbox=1@a&2@device", table: EndpointTable, want: "mailboxes=1@a,2@default", back: "mailbox=1@a&2@default"},
		{set: "deny=10.0.0.0/8&11.0.0.0/8 permit=10.1.0.0/16", table: EndpointTable, want: "deny=10.0.0.0/8,11.0.0.0/8 permit=10.1.0.0/16"},
		{set: "deny=10.0.0.0/8", table: EndpointTable, want: "deny=10.0.0.0/8 permit=", back: "deny=10.0.0.0/8 permit="},
		{set: "permit=10.0.0.0/8", table: EndpointTable, want: "deny=0.0.0.0/0.0.0.0 permit=10.0.0.0/8"},
		{set: "callerid=<204>", table: EndpointTable, want: "callerid=<204>", back: "callerid=<204> name="},
		{set: "faxdetect=yes", table: EndpointTable, want: "fax_detect=yes"},
		{set: "callcounter=no dial=SIP/7", table: EndpointTable, want: "id=204", back: "callcounter=yes dial=PJSIP/204"},
		{set: "type=peer host=192.0.2.9 port=5070", table: EndpointTable, want: "aors=204 auth= identify_by=ip"},
		{set: "type=peer host=192.0.2.9 port=5070", table: AORTable, want: "contact=sip:192.0.2.9:5070 max_contacts=0 remove_existing=no"},
		{set: "type=peer host=192.0.2.9", table: IdentifyTable, want: "id=204 endpoint=204 match=192.0.2.9"},
		{set: "type=friend host=2001:db8::1", table: AORTable, want: "contact=sip:[2001:db8::1]:5060"},
		{set: "type=peer host=::ffff:192.0.2.9", table: IdentifyTable, want: "id=204 endpoint=204 match=192.0.2.9"},
		{set: "type=friend host=192.0.2.9", table: EndpointTable, want: "aors=204 auth=204 identify_by="},
		{set: "type=friend host=pbx.example.org", table: EndpointTable, want: "aors=204 auth=204"},
		{set: "type=peer host=pbx.example.org", table: EndpointTable, want: "auth=204 identify_by=", back: "type=friend"},
		{set: "type=user", table: EndpointTable, want: "aors= auth=204"},
		{set: "type=peer", table: EndpointTable, want: "aors=204 auth=204", back: "type=friend"},
	} {
		p := Patch{}
		for word := range strings.FieldsSeq(tt.set) {
			name, value, _ := strings.Cut(word, "=")
			p[name] = value
		}
		e, err := Rules{}.Change(nora(t), p)
		if err != nil {
			t.Errorf("%s: %v", tt.set, err)
			continue
		}
		rows := m.Rows(e)
		for _, of := range rows.Tables() {
			if of.Name != tt.table {
				continue
			}
			for word := range strings.FieldsSeq(tt.want) {
				column, value, _ := strings.Cut(word, "=")
				if got, there := of.Row[column]; !there || got != value {
					t.Errorf("%s: %s is %q, want %q", tt.set, column, got, value)
				}
			}
		}
		back := tt.back
		if back == "" {
			back = tt.set
		}
		values := m.Extension(rows).Values(true)
		for word := range strings.FieldsSeq(back) {
			name, value, _ := strings.Cut(word, "=")
			if values[name] != value {
				t.Errorf("%s: %s is read as %q, want %q", tt.set, name, values[name], value)
			}
		}
	}
	user, _ := Rules{}.Change(nora(t), Patch{"type": "user"})
	if m.Rows(user).AOR != nil {
		t.Error("a user has an aor")
	}
	// Nobody is known by a name that Asterisk would look up, nor without a password.
	named, err := Rules{}.Change(nora(t), Patch{"host": "pbx.example.org"})
	if err != nil || m.Rows(named).Identify != nil || m.Fits(named) != nil {
		t.Errorf("%v %v", m.Rows(named), err)
	}
	if _, err := m.Change(Rules{}, named, Patch{"type": "peer"}); !cmp.Equal(fieldsOf(err), []string{"host"}) {
		t.Error(err)
	}
	if _, err := m.Change(Rules{}, named, Patch{"type": "peer", "host": "192.0.2.9"}); err != nil {
		t.Error(err)
	}
	if m.Rows(nora(t)).Identify != nil {
		t.Error("who registers is known by its address")
	}
}

// TestForeignRows: rows as an administrator writes them, few columns and other words.
func TestForeignRows(t *testing.T) {
	t.Parallel()
	e := Realtime{}.Extension(Rows{
		Endpoint: Columns{"id": "2001", "aors": "2001,other", "auth": "a-2001", "callerid": `"Ana ^3B" <2001>`, "force_rport": "1", "trust_id_inbound": "on", "media_encryption": "dtls"},
		Auth:     Columns{"id": "a-2001", "auth_type": "md5", "md5_cred": "abc", "password": "old"},
		AOR:      Columns{"id": "2001", "contact": "sip:x@192.0.2.1:5080^3Btransport=tcp,sip:y@z", "qualify_frequency": "30", "qualify_timeout": "2.5"},
	})
	want := map[string]string{
		"account": "2001", "name": "Ana ;", "secret": "", "context": "default", "host": "192.0.2.1", "port": "5080", "qualify": "2500", "qualifyfreq": "30",
		"type": "friend", "nat": "force_rport", "trustrpid": "yes", "encryption": "yes", "canreinvite": "yes", "dial": "PJSIP/2001", "callerid": "Ana ; <2001>",
	}
	got := e.Values(true)
	maps.DeleteFunc(got, func(name, _ string) bool { _, asked := want[name]; return !asked })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for contact, want := range map[string]string{
		"": "", "sip:h": "h", "sip:[2001:db8::1]": "2001:db8::1", "sips:u@h:70000": "h", "nothing": "", "<sip:h:1>": "h",
	} {
		if host, port := address(contact); host != want || port < 0 || port > 65535 {
			t.Errorf("%q is %q %d", contact, host, port)
		}
	}
	empty := Realtime{}.Extension(Rows{})
	if _, err := (Rules{}).Change(empty, Patch{"context": "x"}); err != nil {
		t.Error(err)
	}
}

func TestNameIsThatOfTheCallerID(t *testing.T) {
	t.Parallel()
	m := Realtime{}
	after, err := m.Change(Rules{}, nora(t), Patch{"name": "Ana"})
	if err != nil || after.CallerID != "Ana <204>" {
		t.Errorf("%s: %v", after.CallerID, err)
	}
	after, err = m.Change(Rules{}, nora(t), Patch{"name": "Ana", "callerid": "Office <5>"})
	if err != nil || after.CallerID != "Office <5>" {
		t.Errorf("%s: %v", after.CallerID, err)
	}
}

func TestEncoding(t *testing.T) {
	t.Parallel()
	for text, kept := range map[string]string{"a;b^c": "a^3Bb^5Ec", "^3B": "^5E3B", "": "", "é": "é"} {
		if Encode(text) != kept || Decode(kept) != text {
			t.Errorf("%q is kept as %q, which is %q", text, Encode(text), Decode(kept))
		}
	}
	for kept, text := range map[string]string{"^": "^", "a^zz": "a^zz", "^3b^": ";^", "^^3B": "^;"} {
		if Decode(kept) != text {
			t.Errorf("%q is %q", kept, Decode(kept))
		}
	}
}

// drawn is an extension of values that may be.
func drawn(t *rapid.T) Extension {
	p := Patch{"account": rapid.StringMatching(`[0-9]{1,20}`).Draw(t, "account"), "name": rapid.StringMatching(`[A-Za-zé0-9]([A-Za-zé 0-9]{0,10}[a-z0-9])?`).Draw(t, "name"), "secret": rapid.StringMatching(`[a-z^%$=]{8,20}`).Draw(t, "secret")}
	some := map[string][]string{
		"deny": {"", "0.0.0.0/0.0.0.0", "10.0.0.0/8&::/0"}, "permit": {"", "0.0.0.0/0.0.0.0", "10.0.0.0/8&10.1.0.0/255.255.0.0"},
		"dtmfmode": {"rfc2833", "inband", "info", "shortinfo", "auto", "auto_info", "none"}, "canreinvite": {"yes", "no", "nonat", "update"},
		"context": {"a", "from-internal"}, "host": {"dynamic", "192.0.2.1", "2001:db8::7", "h.example.org", "::ffff:192.0.2.1"}, "trustrpid": {"yes", "no"}, "sendrpid": {"yes", "no", "rpid", "pai"},
		"type": {"friend", "peer", "user"}, "nat": {"yes", "no", "never", "route", "auto", "force_rport", "comedia", "force_rport,comedia", "auto_comedia"}, "port": {"1", "5060", "65535"},
		"qualify": {"yes", "no", "1", "2500", "3000", "60000"}, "qualifyfreq": {"1", "60", "86400"}, "transport": {"", "udp", "tcp", "udp,tcp", "wss"},
		"avpf": {"yes", "no"}, "icesupport": {"yes", "no"}, "encryption": {"yes", "no"}, "callgroup": {"", "1,3-5"}, "pickupgroup": {"", "2"},
		"dial": {"SIP/1", "SIP/1&SIP/2"}, "mailbox": {"", "1", "1@device", "1@a&2@device"}, "callerid": {"", "Nora <1>", `"Nora" <1>`, "<5>", "5", `"5"`, "5 <6>", `" x " <1>`, "é"},
		"callcounter": {"yes", "no"}, "faxdetect": {"yes", "no"},
	}
	for _, name := range slices.Sorted(maps.Keys(some)) {
		p[name] = rapid.SampledFrom(some[name]).Draw(t, name)
	}
	e, err := Rules{}.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRowsAreStable(t *testing.T) {
	t.Parallel()
	m := Realtime{Transports: map[string]string{"udp": "transport-udp", "tcp": "t2", "wss": "t3"}}
	rapid.Check(t, func(t *rapid.T) {
		e := drawn(t)
		if err := (Rules{}).Validate(e); err != nil {
			t.Fatal(err)
		}
		rows := m.Rows(e)
		back := m.Extension(rows)
		if diff := cmp.Diff(rows, m.Rows(back)); diff != "" {
			t.Fatal(diff)
		}
		if again := m.Extension(m.Rows(back)); again != back {
			t.Fatal(Diff(back, again))
		}
		for _, of := range rows.Tables() {
			for column, value := range of.Row {
				if strings.Contains(value, ";") {
					t.Fatalf("%s has %q", column, value)
				}
			}
		}
		data := map[string]string{}
		for _, row := range e.SIPRows() {
			data[row.Keyword] = row.Data
		}
		if read := OfSIPRows(e.Account, e.Name, data); read != e {
			t.Fatal(Diff(e, read))
		}
		conf, err := ParseConf(strings.NewReader(render(Sections{e.Account: e.Section(true)})))
		if diff := cmp.Diff(Sections{e.Account: e.Section(true)}, conf); diff != "" || err != nil {
			t.Fatal(diff, err)
		}
	})
}
