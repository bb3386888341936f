package extension

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
)

func nora(t testing.TB, more ...string) Extension {
	t.Helper()
	p := Patch{"account": "204", "name": "Nora", "secret": "keep-it-long"}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	e, err := Rules{}.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestDistrust: a new telephone may say itself who calls only where somebody wants it so.
func TestDistrust(t *testing.T) {
	t.Parallel()
	rules := Rules{Distrust: true}
	for sent, want := range map[string]bool{"": false, " ": false, "no": false, "yes": true} {
		p := Patch{"account": "204", "name": "Nora", "secret": "keep-it-long", "trustrpid": sent}
		e, err := rules.New(p)
		if err != nil || e.TrustRPID != want || p["trustrpid"] != sent {
			t.Errorf("%q: trusted %v, %v, sent %v", sent, e.TrustRPID, err, p)
		}
	}
	if _, err := rules.New(nil); err == nil {
		t.Error("an extension of nothing")
	}
}

func TestNewIsAsDocumented(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"account": "204", "name": "Nora", "deny": "0.0.0.0/0.0.0.0", "secret": "keep-it-long", "dtmfmode": "rfc2833", "canreinvite": "no",
		"context": "from-internal", "host": "dynamic", "trustrpid": "yes", "sendrpid": "no", "type": "friend", "nat": "no", "port": "5060",
		"qualify": "yes", "qualifyfreq": "60", "transport": "udp", "avpf": "no", "icesupport": "no", "encryption": "no", "callgroup": "",
		"pickupgroup": "", "dial": "SIP/204", "mailbox": "204@device", "permit": "0.0.0.0/0.0.0.0", "callerid": "Nora <204>",
		"callcounter": "yes", "faxdetect": "no",
	}
	e := nora(t)
	if diff := cmp.Diff(want, e.Values(true)); diff != "" {
		t.Error(diff)
	}
	empty := Patch{}
	for name := range want {
		empty[name] = ""
	}
	empty["account"], empty["name"], empty["secret"] = "204", "Nora", "keep-it-long"
	again, err := Rules{}.New(empty)
	if err != nil || again != e {
		t.Errorf("sent empty it is %v: %v", again, err)
	}
	if err := (Rules{}).Validate(e); err != nil {
		t.Error(err)
	}
}

func TestSIPRowsHaveTheirFlags(t *testing.T) {
	t.Parallel()
	want := []SIPRow{
		{"deny", "0.0.0.0/0.0.0.0", 2},
		{"secret", "keep-it-long", 3},
		{"dtmfmode", "rfc2833", 4},
		{"canreinvite", "no", 5},
		{"context", "from-internal", 6},
		{"host", "dynamic", 7},
		{"trustrpid", "yes", 8},
		{"sendrpid", "no", 9},
		{"type", "friend", 10},
		{"nat", "no", 11},
		{"port", "5060", 12},
		{"qualify", "yes", 13},
		{"qualifyfreq", "60", 14},
		{"transport", "udp", 15},
		{"avpf", "no", 16},
		{"icesupport", "no", 17},
		{"encryption", "no", 18},
		{"callgroup", "", 19},
		{"pickupgroup", "", 20},
		{"dial", "SIP/204", 21},
		{"mailbox", "204@device", 22},
		{"permit", "0.0.0.0/0.0.0.0", 23},
		{"callerid", "Nora <204>", 24},
		{"callcounter", "yes", 25},
		{"faxdetect", "no", 26},
		{"accountcode", "", 27},
		{"account", "204", 28},
	}
	e := nora(t)
	if diff := cmp.Diff(want, e.SIPRows()); diff != "" {
		t.Error(diff)
	}
	data := map[string]string{}
	for _, row := range e.SIPRows() {
		data[row.Keyword] = row.Data
	}
	if back := OfSIPRows("204", "Nora", data); back != e {
		t.Errorf("%v", back)
	}
}

// fieldsOf are the fields that an error names.
func fieldsOf(err error) (names []string) {
	var wrong *FieldError
	switch joined, ok := err.(interface{ Unwrap() []error }); {
	case ok:
		for _, one := range joined.Unwrap() {
			names = append(names, fieldsOf(one)...)
		}
	case errors.As(err, &wrong):
		names = append(names, wrong.Field)
	}
	return names
}

func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	e := nora(t)
	f := FollowMe{GrpNum: "204", Strategy: "hunt", GrpTime: 20, GrpList: []string{"1"}, Ringing: "Ring"}
	for _, evil := range []string{
		"a\nexten=>s,1,System(rm)", "a\r\nb", "a;b", "[204]", "a]b", "a\x00b", "a\x1bb", "a\u0085b", "a\u2028b", "\xff\xfe", "${SHELL(id)}",
		">x", strings.Repeat("a", 256),
	} {
		for _, name := range append(FollowMeColumns(), fieldNames()...) {
			p := Patch{name: evil}
			var err error
			if _, known := f.Values()[name]; known {
				_, err = Rules{}.ChangeFollowMe(f, p)
				if name == "grplist" && strings.ContainsAny(evil, "\r\n") && err == nil {
					t.Errorf("%s takes %q", name, evil)
				}
			} else {
				_, err = Rules{}.Change(e, p)
			}
			if name == "secret" && evil == "${SHELL(id)}" {
				if err != nil { // a password may look like that
					t.Error(err)
				}
				continue
			}
			if diff := cmp.Diff([]string{name}, fieldsOf(err)); diff != "" || !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%s = %.40q: %v", name, evil, err)
			}
			if name == "secret" && err != nil && strings.Contains(err.Error(), evil) {
				t.Errorf("the error shows the secret: %v", err)
			}
			if err != nil && strings.ContainsAny(strings.ReplaceAll(err.Error(), "\n", ""), "\x00\x1b\r\u2028") {
				t.Errorf("%s: control characters in %q", name, err)
			}
		}
	}
}

func fieldNames() (names []string) {
	for _, f := range extensionFields {
		names = append(names, f.name)
	}
	return names
}

func TestValues(t *testing.T) {
	t.Parallel()
	e := nora(t)
	for _, tt := range []struct {
		field string
		good  map[string]string // value and how it is kept
		bad   []string
	}{
		{"account", map[string]string{"204": "204"}, []string{"", "205", "20a", "٢٠٤", strings.Repeat("1", 21)}},
		{"name", map[string]string{" Nora ": "Nora", "Ünal & Söhne": "Ünal & Söhne"}, []string{"", `No"ra`, "N<1>", `a\b`, strings.Repeat("n", 51)}},
		{"secret", map[string]string{"12345678": "12345678", "a^b${x} c": "a^b${x} c"}, []string{"", "1234567", " 12345678", "12345678 ", strings.Repeat("s", 81)}},
		{
			"deny",
			map[string]string{"": "", "10.0.0.0/8": "10.0.0.0/8", "10.0.0.0/255.0.0.0, ::/0": "10.0.0.0/255.0.0.0&::/0", "1.2.3.4/32&5.6.7.8/32": "1.2.3.4/32&5.6.7.8/32"},
			[]string{"10.0.0.0", "10.0.0.0/33", "10.0.0.0/255.0.255.0", "::/255.0.0.0", "x/8", "10.0.0.0/8 11.0.0.0/8", "fe80::%eth0/64"},
		},
		{"permit", map[string]string{"10.0.0.0/8": "10.0.0.0/8"}, []string{"all"}},
		{"dtmfmode", map[string]string{"RFC2833": "rfc2833", "auto": "auto"}, []string{"", "srtp"}},
		{"canreinvite", map[string]string{"yes": "yes", "nonat": "nonat"}, []string{"", "maybe"}},
		{"context", map[string]string{"from-office_1.x": "from-office_1.x"}, []string{"", "a b", "a,b", "a/b"}},
		{"host", map[string]string{"Dynamic": "dynamic", "192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "sip.example.org": "sip.example.org"}, []string{"", "a b", "-x", "fe80::1%eth0", "a/b"}},
		{"trustrpid", map[string]string{"YES": "yes", "no": "no"}, []string{"", "1", "maybe"}},
		{"sendrpid", map[string]string{"pai": "pai"}, []string{"", "x"}},
		{"type", map[string]string{"friend": "friend", "peer": "peer", "user": "user"}, []string{"", "trunk"}},
		{"nat", map[string]string{"force_rport,comedia": "force_rport,comedia", "auto": "auto"}, []string{"", "yes,no", "x"}},
		{"port", map[string]string{"1": "1", "65535": "65535", "05060": "5060"}, []string{"", "0", "65536", "-1", "+5", "5e3", "1.5"}},
		{"qualify", map[string]string{"yes": "yes", "no": "no", "2000": "2000"}, []string{"", "0", "60001", "x"}},
		{"qualifyfreq", map[string]string{"30": "30"}, []string{"", "0", "86401"}},
		{"transport", map[string]string{"": "", "udp": "udp", "tcp,udp": "tcp,udp"}, []string{"sctp", "udp,", "udp tcp"}},
		{"avpf", map[string]string{"yes": "yes"}, []string{""}},
		{"icesupport", map[string]string{"yes": "yes"}, []string{""}},
		{"encryption", map[string]string{"yes": "yes"}, []string{"dtls"}},
		{"callgroup", map[string]string{"": "", "1,3-5": "1,3-5", "63": "63"}, []string{"64", "a", "1-", "1,,2"}},
		{"pickupgroup", map[string]string{"0": "0"}, []string{"-1"}},
		{"dial", map[string]string{"SIP/204": "SIP/204", "SIP/204&Local/1@x": "SIP/204&Local/1@x"}, []string{"", "204", "SIP/1,30,g", "SIP/1)System(x)"}},
		{"mailbox", map[string]string{"": "", "204@device": "204@device", "1@a&2@b": "1@a&2@b"}, []string{"a b", "@device"}},
		{"callerid", map[string]string{"": "", "Nora <204>": "Nora <204>", `"Nora X" <204>`: `"Nora X" <204>`, "204": "204"}, []string{"Nora <204", "a <b> <c>", `"a`}},
		{"callcounter", map[string]string{"no": "no"}, []string{"x"}},
		{"faxdetect", map[string]string{"yes": "yes"}, []string{"x"}},
	} {
		for value, want := range tt.good {
			after, err := Rules{}.Change(e, Patch{tt.field: value})
			if err != nil || after.Values(true)[tt.field] != want {
				t.Errorf("%s = %q is kept as %q: %v", tt.field, value, after.Values(true)[tt.field], err)
			}
			want := e.Values(true)
			want[tt.field] = after.Values(true)[tt.field]
			if diff := cmp.Diff(want, after.Values(true)); diff != "" {
				t.Errorf("%s changes others: %s", tt.field, diff)
			}
		}
		for _, value := range tt.bad {
			if _, err := (Rules{}).Change(e, Patch{tt.field: value}); len(fieldsOf(err)) != 1 || fieldsOf(err)[0] != tt.field {
				t.Errorf("%s = %q: %v", tt.field, value, err)
			}
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	if _, err := (Rules{MinSecret: 3}).New(Patch{"account": "1", "name": "n", "secret": "abc"}); err != nil {
		t.Error(err)
	}
	_, err := Rules{}.New(Patch{"port": "x", "secret": "abc", "colour": "red"})
	if diff := cmp.Diff([]string{"account", "name", "secret", "port", `"colour"`}, fieldsOf(err)); diff != "" {
		t.Error(diff, err)
	}
	if _, err := (Rules{}).Change(nora(t), Patch{"account": "205"}); err == nil {
		t.Error("an extension gets another number")
	}
	// What somebody else wrote is no obstacle to a change of something else.
	foreign := OfSIPRows("204", "", map[string]string{"port": "", "avpf": "ON", "nat": "auto_nat", "qualifyfreq": "x"})
	after, err := Rules{}.Change(foreign, Patch{"context": "other"})
	if err != nil || !after.AVPF || after.NAT != "auto_nat" || after.Context != "other" {
		t.Errorf("%v: %v", after, err)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	before := nora(t)
	after, err := Rules{}.Change(before, Patch{"secret": "another-one", "port": "5061", "avpf": "yes"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Difference{{"secret", Mask, Mask}, {"port", "5060", "5061"}, {"avpf", "no", "yes"}}
	if diff := cmp.Diff(want, Diff(before, after)); diff != "" {
		t.Error(diff)
	}
	if d := Diff(before, before); d == nil || len(d) != 0 {
		t.Errorf("%v", d)
	}
	if back, err := (Rules{}).Change(after, Inverse(before, after)); err != nil || back != before {
		t.Errorf("%v: %v", back, err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	e := nora(t)
	patch := Patch{"secret": "keep-it-long", "name": "Nora"}
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("x", "extension", e, "secret", e.Secret, "patch", patch)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "extension", e, "secret", e.Secret, "patch", patch)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10s", "%T%[1]v"} {
		_, _ = fmt.Fprintf(&out, verb+" "+verb+" "+verb+" "+verb+"\n", e, &e, e.Secret, patch)
	}
	_ = json.NewEncoder(&out).Encode(e)
	_ = json.NewEncoder(&out).Encode(e.Values(false))
	_ = json.NewEncoder(&out).Encode(e.Section(false))
	_, err := Rules{}.Change(e, Patch{"secret": "keep-it-long\n"})
	_, _ = fmt.Fprintln(&out, err)
	if text := out.String(); strings.Contains(text, "keep") || strings.Contains(text, "6b656570") || !strings.Contains(text, Mask) || !strings.Contains(text, "Nora") {
		t.Error(text)
	}
	if e.Section(true)["secret"] != "keep-it-long" {
		t.Error("who may see it does not")
	}
	if _, there := e.Section(true)["account"]; there {
		t.Error("a section has its account")
	}
}
