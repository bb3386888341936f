package extension

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/models"
)

func trunkPatch(more ...string) Patch {
	p := Patch{"name": "north", "host": "192.0.2.10"}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

func north(t testing.TB, more ...string) Trunk {
	t.Helper()
	made, err := Rules{}.NewTrunk(trunkPatch(more...))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestNewTrunkIsAsDocumented(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"name": "north", "host": "192.0.2.10", "port": "", "transport": "udp", "username": "", "secret": "", "register": "no", "contact_user": "",
		"from_user": "", "from_domain": "", "context": "talktime-incoming", "match": "192.0.2.10", "codecs": "ulaw,alaw", "dtmf_mode": "rfc4733",
		"direct_media": "no", "send_callerid": "no", "trust_caller": "no", "tell_hidden": "no", "qualify_seconds": "60",
	}
	made := north(t)
	if diff := cmp.Diff(want, made.Values(true)); diff != "" {
		t.Error(diff)
	}
	if err := (Rules{}).ValidateTrunk(made); err != nil {
		t.Error(err)
	}
	if got := north(t, "host", "sip.example.org", "register", "yes", "username", "acc@example.org", "secret", "s"); got.Match != "" || got.ContactUser != "acc" {
		t.Errorf("by name it is %v", got.Values(true))
	}
	if text := fmt.Sprintf("%+v %v", north(t, "username", "u", "secret", "hush-hush"), north(t).Values(false)); strings.Contains(text, "hush") {
		t.Errorf("a secret is shown: %s", text)
	}
}

func TestTrunkValues(t *testing.T) {
	t.Parallel()
	user := "username"
	for _, tt := range []struct {
		field string
		good  map[string]string
		bad   []string
	}{
		{"name", map[string]string{"north": "north", "1und1": "1und1", "a-b_C": "a-b_C"}, []string{"", "1001", "a b", "a.b", "a/b", "north;@x", strings.Repeat("n", 41), "nörd", "anonymous", "Anonymous"}},
		{"host", map[string]string{"sip.example.org": "sip.example.org", "2001:db8::1": "2001:db8::1"}, []string{"", "dynamic", "a b", "a/b", "a@b", "fe80::1%eth0", "-x"}},
		{"port", map[string]string{"": "", "0": "", "5080": "5080"}, []string{"65536", "x", "-1"}},
		{"transport", map[string]string{"TLS": "tls", "tcp": "tcp"}, []string{"", "ws", "sctp"}},
		{user, map[string]string{"": "", "4912345": "4912345", "a.b@example.org": "a.b@example.org"}, []string{"a b", "a:b", "a@", "a@b@c", "a>b"}},
		{"secret", map[string]string{"": "", "x": "x", "a^b${x}": "a^b${x}"}, []string{" x", "x ", strings.Repeat("s", 81)}},
		{"from_user", map[string]string{"": "", "+4912345": "+4912345"}, []string{"a b", "a@b"}},
		{"from_domain", map[string]string{"": "", "example.org": "example.org"}, []string{"a b"}},
		{"context", map[string]string{"c.1_x-y": "c.1_x-y"}, []string{"", "a,b", "a b"}},
		{"match", map[string]string{"": "", "192.0.2.1, 198.51.100.0/24": "192.0.2.1,198.51.100.0/24", "2001:db8::/32": "2001:db8::/32", "::ffff:192.0.2.0/120": "192.0.2.0/24"}, []string{"0.0.0.0/0", "2001:d00::/31", "::ffff:0:0/96", "fe80::1%eth0/64", "10.0.0.0/7", "::/0", "sip.example.org", "1.2.3", "10.0.0.0/255.0.0.0"}},
		{"codecs", map[string]string{"g722": "g722", "alaw,ulaw,opus": "alaw,ulaw,opus"}, []string{"", "alaw,", "!all,alaw", "alaw ulaw"}},
		{"dtmf_mode", map[string]string{"INFO": "info"}, []string{"", "rfc2833"}},
		{"direct_media", map[string]string{"yes": "yes"}, []string{"", "true"}},
		{"send_callerid", map[string]string{"both": "both"}, []string{"", "yes"}},
		{"trust_caller", map[string]string{"yes": "yes"}, []string{""}},
		{"tell_hidden", map[string]string{"yes": "yes"}, []string{""}},
		{"qualify_seconds", map[string]string{"0": "0", "30": "30"}, []string{"", "-1", "86401"}},
	} {
		for value, want := range tt.good {
			was := north(t, "username", "acc")
			if tt.field == "name" {
				was.Name = ""
			}
			got, err := Rules{}.ChangeTrunk(was, Patch{tt.field: value})
			if err != nil || got.Values(true)[tt.field] != want {
				t.Errorf("%s = %q is %q: %v", tt.field, value, got.Values(true)[tt.field], err)
			}
		}
		for _, value := range append(tt.bad, "a\nb", "a;b", "[a]", "\xff", "a\x00") {
			_, err := Rules{}.ChangeTrunk(north(t, "username", "acc"), Patch{tt.field: value})
			if diff := cmp.Diff([]string{tt.field}, fieldsOf(err)); diff != "" || !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%s = %q: %v", tt.field, value, err)
			}
		}
	}
}

// TestTrunkFieldsFitEachOther: some values make sense only with others.
func TestTrunkFieldsFitEachOther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		was   []string
		p     Patch
		wrong []string
		want  string // contact_user
	}{
		{nil, Patch{"register": "yes"}, []string{"username"}, ""},
		{nil, Patch{"secret": "s"}, []string{"secret"}, ""},
		{nil, Patch{"contact_user": "c"}, []string{"contact_user"}, ""},
		{nil, Patch{"register": "yes", "username": "u", "secret": "s"}, nil, "u"},
		{nil, Patch{"register": "yes", "username": "u", "contact_user": "c"}, nil, "c"},
		{[]string{"register", "yes", "username", "u", "secret", "s"}, Patch{"username": ""}, []string{"username", "secret"}, ""},
		{[]string{"register", "yes", "username", "u", "secret", "s"}, Patch{"register": "no"}, nil, ""},
		{[]string{"register", "yes", "username", "u", "secret", "s"}, Patch{"register": "no", "username": "", "secret": ""}, nil, ""},
		{[]string{"register", "yes", "username", "u"}, Patch{"username": "v"}, nil, "u"},
	} {
		got, err := Rules{}.ChangeTrunk(north(t, tt.was...), tt.p)
		if diff := cmp.Diff(tt.wrong, fieldsOf(err)); diff != "" {
			t.Errorf("%v of %v: %v", tt.p, tt.was, err)
		} else if err == nil && got.ContactUser != tt.want {
			t.Errorf("%v of %v registers %q", tt.p, tt.was, got.ContactUser)
		}
	}
	if _, err := (Rules{}).NewTrunk(Patch{}); !cmp.Equal(fieldsOf(err), []string{"name", "host"}) {
		t.Error(err)
	}
	if _, err := (Rules{}).ChangeTrunk(north(t), Patch{"name": "south", "shoes": "1"}); !cmp.Equal(fieldsOf(err), []string{"name", `"shoes"`}) {
		t.Error(err)
	}
	if err := (Rules{}).ValidateTrunk(Trunk{Name: "x"}); !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
	foreign := north(t)
	foreign.Register = true // by a row of somebody else's
	if got, err := (Rules{}).ChangeTrunk(foreign, Patch{"context": "c"}); err != nil || got.Context != "c" {
		t.Error(err)
	}
}

func TestRowsOfTrunk(t *testing.T) {
	t.Parallel()
	m := Realtime{Transports: map[string]string{"udp": "transport-udp", "tcp": "transport-tcp"}}
	want := Rows{
		Auth: Columns{"id": "north", "auth_type": "userpass", "username": "acc@example.org", "password": "a^5Eb"},
		AOR: Columns{
			"id": "north", "contact": "sip:[2001:db8::1]:5080^3Btransport=tcp", "max_contacts": "0", "remove_existing": "no", "qualify_frequency": "30", "qualify_timeout": "3.000",
		},
		Endpoint: Columns{
			"id": "north", "aors": "north", "auth": "", "outbound_auth": "north", "transport": "transport-tcp", "context": "c", "identify_by": "ip", "disallow": "all",
			"allow": "alaw", "from_user": "me", "from_domain": "", "dtmf_mode": "info", "direct_media": "yes", "rtp_symmetric": "yes", "force_rport": "yes",
			"rewrite_contact": "no", "allow_transfer": "no", "trust_id_inbound": "yes", "trust_id_outbound": "yes", "send_rpid": "yes", "send_pai": "yes",
		},
		Identify: Columns{"id": "north", "endpoint": "north", "match": "192.0.2.0/24"},
		Registration: Columns{
			"id": "north", "transport": "transport-tcp", "server_uri": "sip:[2001:db8::1]:5080^3Btransport=tcp", "client_uri": "sip:acc@example.org", "contact_user": "acc",
			"outbound_auth": "north", "line": "yes", "endpoint": "north", "max_random_initial_delay": "0", "retry_interval": "60", "max_retries": "1000000",
		},
	}
	made := north(t, "host", "2001:db8::1", "port", "5080", "transport", "tcp", "username", "acc@example.org", "secret", "a^b", "register", "yes", "from_user", "me", "context", "c",
		"match", "192.0.2.0/24", "codecs", "alaw", "dtmf_mode", "info", "direct_media", "yes", "send_callerid", "both", "trust_caller", "yes", "tell_hidden", "yes", "qualify_seconds", "30")
	if diff := cmp.Diff(want, m.TrunkRows(made)); diff != "" {
		t.Error(diff)
	}
	bare := m.TrunkRows(north(t, "host", "sip.example.org", "username", "acc"))
	if bare.Identify != nil || bare.Registration != nil || bare.Auth["auth_type"] != "" || bare.Endpoint["outbound_auth"] != "" || bare.AOR["contact"] != "sip:sip.example.org" {
		t.Errorf("%v", bare)
	}
	if got := m.TrunkRows(north(t, "username", "acc", "register", "yes", "port", "5070")).Registration["client_uri"]; got != "sip:acc@192.0.2.10:5070" {
		t.Errorf("it registers %s", got)
	}
	if rows := m.TrunkRows(north(t)); rows.Auth != nil {
		t.Errorf("it has a login: %v", rows.Auth)
	}
}

// TestForeignTrunks: rows as an administrator writes them.
func TestForeignTrunks(t *testing.T) {
	t.Parallel()
	got, is := Realtime{Transports: map[string]string{"tls": "t-tls"}}.Trunk(Rows{
		Endpoint: Columns{"id": "old-1", "allow": "!all, g729, alaw", "transport": "t-tls", "send_rpid": "1", "outbound_auth": "shared"},
		Auth:     Columns{"id": "shared", "auth_type": "md5", "password": "old", "username": "u"},
		AOR:      Columns{"contact": "sips:x@h.example.org:70000^3Blr,sip:other", "qualify_frequency": "x"},
		Identify: Columns{"match": "sip.example.org"},
	})
	want := Trunk{
		Name: "old-1", Host: "h.example.org", Transport: "tls", Username: "u", Context: "default", Match: "sip.example.org", Codecs: "g729,alaw", DTMFMode: "rfc4733",
		DirectMedia: true, SendCallerID: "rpid",
	}
	if !is || got != want {
		t.Errorf("%v", DiffTrunk(want, got))
	}
	for contact, want := range map[string]string{
		"": "", "sip:h": "h", "sip:[2001:db8::1]:5060": "2001:db8::1", "<sip:h:1>": "h", "nothing": "", "sip:": "", "sip:u@192.0.2.1^3Blr^3Btransport=TCP": "192.0.2.1", "tel:1": "", "sip:a b": "",
	} {
		if got, is := (Realtime{}).Trunk(Rows{Endpoint: Columns{"id": "x"}, AOR: Columns{"contact": contact}}); got.Host != want || is != (want != "") {
			t.Errorf("%q leads to %q", contact, got.Host)
		}
	}
	if _, is := (Realtime{}).Trunk(Rows{Endpoint: Columns{"id": "1001"}, AOR: Columns{"contact": "sip:h"}}); is {
		t.Error("an extension is a trunk")
	}
}

func TestTrunksMeet(t *testing.T) {
	t.Parallel()
	one := north(t, "match", "192.0.2.10,2001:db8::/32")
	for match, want := range map[string]string{
		"": "", "192.0.2.11": "", "198.51.100.1, 192.0.2.0/24": "192.0.2.0/24", "2001:db8::7": "2001:db8::7/128", "sip.example.org": "", "192.0.2.10": "192.0.2.10/32",
		"::ffff:192.0.2.10": "192.0.2.10/32", "192.0.2.0/255.255.255.0": "192.0.2.0/24", "::ffff:192.0.2.0/120": "192.0.2.0/24", "192.0.2.0/255.0.255.0": "", "192.0.2.0/x": "",
	} {
		if got := Meets(one.Match, match); got != want {
			t.Errorf("%q: %q", match, got)
		}
	}
}

// TestContactOfFreePBX: a secret may have each sign that ends one, and nothing of it is ever taken for the contact.
func TestContactOfFreePBX(t *testing.T) {
	t.Parallel()
	for register, want := range map[string]string{
		"acc:hush@prov/4930": "4930", "tls://acc:hush@prov:5061/555": "555", "acc:pa/ss@prov": "", "acc:p@h/pass@prov": "", "acc:p@ss/w@prov:5060/4930~600": "4930",
		"acc@example.org:hush:auth@[2001:db8::1]:5060/a.b~60": "a.b", "acc:hush@prov/": "", "acc:hush@prov/~60": "", "acc:hush@prov": "", "acc:pa/ss": "", "acc@example.org:pa/ss": "",
		"tls://acc:hush": "", "acc:hush@prov/a b": "", "udp://acc:a://b@prov": "", "": "",
	} {
		if got := FreePBXTrunk(map[string]string{"account": "x"}, register); got.ContactUser != want || got.Register != (register != "") {
			t.Errorf("%q registers %q, want %q", register, got.ContactUser, want)
		}
	}
}

// TestTrunksAreReadAsTheyWereWritten is so of all values that may be.
func TestTrunksAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, m := range []Realtime{{}, {Transports: map[string]string{"udp": "transport-udp", "tcp": "x", "tls": "y"}}} {
		rapid.Check(t, func(t *rapid.T) {
			made, another := drawnTrunk(t, "one"), drawnTrunk(t, "other")
			got, is := m.Trunk(m.TrunkRows(made))
			if !is || got != made {
				t.Fatalf("%v is read as %v", made.Values(true), got.Values(true))
			}
			if err := (Rules{}).ValidateTrunk(got); err != nil {
				t.Fatal(err)
			}
			// What changes one into another takes that back, too.
			there, err := Rules{}.ChangeTrunk(made, InverseTrunk(another, made))
			if err != nil || there != another {
				t.Fatalf("%v: %v", DiffTrunk(there, another), err)
			}
			if len(DiffTrunk(made, another)) != len(InverseTrunk(another, made)) {
				t.Fatal("the differences are others")
			}
		})
	}
}

func drawnTrunk(t *rapid.T, label string) Trunk {
	p := Patch{"name": "north", "secret": ""}
	some := map[string][]string{
		"host": {"192.0.2.1", "2001:db8::7", "h.example.org", "::ffff:192.0.2.1"}, "port": {"", "1", "5060", "65535"}, "transport": {"udp", "tcp", "tls"},
		"username": {"", "acc", "a@example.org", "+49=~*!-_"}, "register": {"yes", "no"}, "contact_user": {"", "c"}, "from_user": {"", "f"}, "from_domain": {"", "d.example.org", "2001:db8::9"},
		"context": {"a", "talktime-incoming"}, "match": {"", "192.0.2.1", "10.0.0.0/8,2001:db8::/32"}, "codecs": {"alaw", "ulaw,alaw,opus"},
		"dtmf_mode": {"rfc4733", "inband", "info", "auto", "auto_info", "none"}, "direct_media": {"yes", "no"}, "send_callerid": {"no", "rpid", "pai", "both"},
		"trust_caller": {"yes", "no"}, "tell_hidden": {"yes", "no"}, "qualify_seconds": {"0", "60", "86400"},
	}
	for _, name := range slices.Sorted(maps.Keys(some)) {
		p[name] = rapid.SampledFrom(some[name]).Draw(t, label+" "+name)
	}
	if p["username"] == "" {
		p["register"] = "no"
	} else {
		p["secret"] = rapid.StringMatching(`([a-z^%$=]{1,20})?`).Draw(t, label+" secret")
	}
	if p["register"] == "no" {
		p["contact_user"] = ""
	}
	made, err := Rules{}.NewTrunk(p)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// asked is an Asterisk that is asked about trunks, and notes what.
type asked struct {
	said    []string
	refuses bool  // the endpoint
	but     int   // times before that it took it
	missing bool  // the registration
	away    error // of what begins with On
	on      string
}

func (a *asked) say(what, name string) error {
	a.said = append(a.said, what+" "+name)
	if what == a.on {
		return a.away
	}
	return nil
}

func (a *asked) Accepted(_ context.Context, name string) (bool, error) {
	a.but--
	return !a.refuses || a.but >= 0, a.say("accepted", name)
}
func (a *asked) Sync(_ context.Context, name string) error   { return a.say("sync", name) }
func (a *asked) Forget(_ context.Context, name string) error { return a.say("forget", name) }
func (a *asked) Register(_ context.Context, name string) error {
	err := a.say("register", name)
	if a.missing {
		return models.ErrNotFound
	}
	return err
}

func (a *asked) RegisterAnew(_ context.Context, name string) error {
	return a.say("register anew", name)
}

func (a *asked) Unregister(_ context.Context, name string) error { return a.say("unregister", name) }

// shelf keeps trunks in memory.
type shelf map[string]Trunk

func (s shelf) Trunks(context.Context) ([]Trunk, error) {
	return slices.Collect(maps.Values(s)), nil
}

func (s shelf) Trunk(_ context.Context, name string) (Trunk, error) {
	if t, there := s[name]; there {
		return t, nil
	}
	return Trunk{}, models.ErrNotFound
}

func (s shelf) AddTrunk(_ context.Context, t Trunk) (Trunk, error) {
	if _, there := s[t.Name]; there {
		return Trunk{}, models.ErrConflict
	}
	s[t.Name] = t
	return t, nil
}

func (s shelf) PreviewTrunk(ctx context.Context, name string, p Patch) (before, after Trunk, err error) {
	if before, err = s.Trunk(ctx, name); err == nil {
		after, err = Rules{}.In(ctx).ChangeTrunk(before, p)
	}
	return before, after, err
}

func (s shelf) UpdateTrunk(ctx context.Context, name string, p Patch, check func(Trunk) error) (before, after Trunk, err error) {
	if before, after, err = s.PreviewTrunk(ctx, name, p); err == nil {
		err = Passes(check, before)
	}
	if err == nil {
		s[name] = after
	}
	return before, after, err
}

func (s shelf) DeleteTrunk(ctx context.Context, name string, check func(Trunk) error) (Trunk, error) {
	t, err := s.Trunk(ctx, name)
	if err == nil {
		err = Passes(check, t)
	}
	if err == nil {
		delete(s, name)
	}
	return t, err
}

// TestTrunksThatAsteriskIsAskedAbout: in which order it is told what, and what becomes of a change that it does not take.
func TestTrunksThatAsteriskIsAskedAbout(t *testing.T) {
	t.Parallel()
	registered := []string{"username", "u", "secret", "s", "register", "yes"}
	errAway := errors.New("away")
	for _, tt := range []struct {
		name  string
		was   []string // nil: there is none
		p     Patch    // nil: it is deleted
		a     asked
		said  string
		error error
		stays bool // as it was
	}{
		{name: "made", p: trunkPatch(), said: "accepted, sync"},
		{name: "made, and registers", p: trunkPatch(registered...), said: "accepted, register, sync"},
		{name: "refused", p: trunkPatch(), a: asked{refuses: true}, said: "accepted", error: models.ErrInvalid, stays: true},
		{name: "its registration is refused", p: trunkPatch(registered...), a: asked{missing: true}, said: "accepted, register", error: models.ErrInvalid, stays: true},
		{name: "nobody answers", p: trunkPatch(), a: asked{on: "accepted", away: errAway}, said: "accepted", error: ErrUnchecked},
		{name: "changed", was: []string{}, p: Patch{"context": "c"}, said: "accepted, accepted, sync"},
		{name: "change refused", was: []string{}, p: Patch{"codecs": "none"}, a: asked{refuses: true, but: 1}, said: "accepted, accepted", error: models.ErrInvalid, stays: true},
		{name: "another secret", was: registered, p: Patch{"secret": "t"}, said: "accepted, accepted, register, register anew, sync"},
		{name: "begins to register", was: []string{}, p: Patch{"username": "u", "register": "yes"}, said: "accepted, accepted, register, sync"},
		{name: "begins to register, and is refused", was: []string{}, p: Patch{"username": "u", "register": "yes"}, a: asked{missing: true}, said: "accepted, accepted, register, unregister", error: models.ErrInvalid, stays: true},
		{name: "ends to register", was: registered, p: Patch{"register": "no"}, said: "accepted, unregister, accepted, sync"},
		{name: "ends to register, and is refused", was: registered, p: Patch{"register": "no", "codecs": "none"}, a: asked{refuses: true, but: 1}, said: "accepted, unregister, accepted, register", error: models.ErrInvalid, stays: true},
		{name: "ends to register while nobody answers", was: registered, p: Patch{"register": "no"}, a: asked{on: "unregister", away: errAway}, said: "accepted, unregister", error: ErrAsterisk, stays: true},
		{name: "deleted", was: []string{}, said: "forget"},
		{name: "deleted with its registration", was: registered, said: "unregister, forget"},
		{name: "deleted while nobody answers", was: registered, a: asked{on: "unregister", away: errAway}, said: "unregister", error: ErrAsterisk, stays: true},
		{name: "deleted while nobody knows", was: registered, a: asked{on: "forget", away: fmt.Errorf("%w: it hangs", ErrAsterisk)}, said: "unregister, forget, accepted, register, sync", error: ErrAsterisk, stays: true},
		{name: "deleted without a registration while nobody answers", was: []string{}, a: asked{on: "forget", away: errAway}, said: "forget", error: ErrUnchecked},
		{name: "changed though it was refused", was: []string{}, p: Patch{"context": "c"}, a: asked{refuses: true}, said: "accepted, accepted", error: ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, before := shelf{}, Trunk{}
			if tt.was != nil {
				before = north(t, tt.was...)
				s["north"] = before
			}
			c := CheckedTrunks{s, &tt.a}
			var err error
			switch {
			case tt.was == nil:
				made, wrong := Rules{}.NewTrunk(tt.p)
				if wrong != nil {
					t.Fatal(wrong)
				}
				_, err = c.AddTrunk(t.Context(), made)
			case tt.p == nil:
				_, err = c.DeleteTrunk(t.Context(), "north", nil)
			default:
				_, _, err = c.UpdateTrunk(t.Context(), "north", tt.p, nil)
			}
			if !errors.Is(err, tt.error) || tt.error == nil && err != nil {
				t.Errorf("%v, want %v", err, tt.error)
			}
			said := strings.ReplaceAll(strings.Join(tt.a.said, ", "), " north", "")
			if said != tt.said {
				t.Errorf("it was asked %q, want %q", said, tt.said)
			}
			if is := s["north"] == before; is != tt.stays {
				t.Errorf("there is %v", s["north"].Values(true))
			}
		})
	}
	// What meets another than was expected is not made, and Asterisk is told nothing.
	errOther := errors.New("it is another one")
	other := func(Trunk) error { return errOther }
	a := &asked{}
	c := CheckedTrunks{shelf{"north": north(t, registered...)}, a}
	_, _, err := c.UpdateTrunk(t.Context(), "north", Patch{"register": "no"}, other)
	if _, gone := c.DeleteTrunk(t.Context(), "north", other); !errors.Is(err, errOther) || !errors.Is(gone, errOther) || a.said != nil {
		t.Errorf("%v %v %v", err, gone, a.said)
	}
	a.refuses = true // it has none
	if _, err := c.DeleteTrunk(t.Context(), "south", nil); !errors.Is(err, models.ErrNotFound) || !slices.Equal(a.said, []string{"accepted south", "unregister south"}) {
		t.Errorf("%v, %q", err, a.said)
	}
	a.on, a.away = "unregister", errAway
	if _, err := c.DeleteTrunk(t.Context(), "south", nil); !errors.Is(err, ErrAsterisk) {
		t.Error(err)
	}
	if _, err := c.DeleteTrunk(t.Context(), "204", nil); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}
