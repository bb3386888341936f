package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

// officialTrunkTables are those of Asterisk's own scripts, as far as they matter for trunks.
const officialTrunkTables = `
CREATE TABLE ps_auths (id varchar(255) NOT NULL, auth_type ENUM('md5','userpass','google_oauth','digest'), nonce_lifetime int, md5_cred varchar(40), password varchar(80),
  realm varchar(255), username varchar(40), UNIQUE KEY (id));
CREATE TABLE ps_aors (id varchar(255) NOT NULL, contact varchar(255), default_expiration int, mailboxes varchar(80), max_contacts int, minimum_expiration int,
  remove_existing ENUM('0','1','off','on','false','true','no','yes'), qualify_frequency int, qualify_timeout float, UNIQUE KEY (id));
CREATE TABLE ps_endpoints (id varchar(255) NOT NULL, transport varchar(40), aors varchar(2048), auth varchar(255), outbound_auth varchar(255), context varchar(40), disallow varchar(200), allow varchar(200),
  identify_by varchar(80), from_user varchar(40), from_domain varchar(40), allow_transfer ENUM('0','1','off','on','false','true','no','yes'),
  direct_media ENUM('0','1','off','on','false','true','no','yes'), dtmf_mode ENUM('rfc4733','inband','info','auto','auto_info'),
  force_rport ENUM('0','1','off','on','false','true','no','yes'), rewrite_contact ENUM('0','1','off','on','false','true','no','yes'), rtp_symmetric ENUM('0','1','off','on','false','true','no','yes'),
  send_pai ENUM('0','1','off','on','false','true','no','yes'), send_rpid ENUM('0','1','off','on','false','true','no','yes'),
  trust_id_inbound ENUM('0','1','off','on','false','true','no','yes'), trust_id_outbound ENUM('0','1','off','on','false','true','no','yes'), tos_audio varchar(10), UNIQUE KEY (id));
CREATE TABLE ps_endpoint_id_ips (id varchar(255) NOT NULL, endpoint varchar(255), ` + "`match`" + ` varchar(80), srv_lookups ENUM('0','1','off','on','false','true','no','yes'), UNIQUE KEY (id));
CREATE TABLE ps_registrations (id varchar(255) NOT NULL, auth_rejection_permanent ENUM('0','1','off','on','false','true','no','yes'), client_uri varchar(255), contact_user varchar(40), expiration int,
  max_retries int, outbound_auth varchar(255), outbound_proxy varchar(255), retry_interval int, server_uri varchar(255), transport varchar(40),
  ` + "`line`" + ` ENUM('0','1','off','on','false','true','no','yes'), endpoint varchar(255), max_random_initial_delay int, UNIQUE KEY (id))` + followMeTables

// trunkSide is an exchange whose trunks are looked at.
type trunkSide struct {
	exchange
	trunks extension.TrunkBackend
}

func onEveryTrunkTable(t *testing.T, test func(trunkSide)) {
	for kind, tables := range map[string]string{"advised": advisedTables + storetest.RegistrationTable, "official": officialTrunkTables} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			x := realtime(t, kind, tables)
			test(trunkSide{x, x.Backend.(store.PBXRealtime)})
		})
	}
}

func trunk(t *testing.T, more ...string) extension.Trunk {
	t.Helper()
	made, err := extension.Rules{}.NewTrunk(patch(append([]string{"name", "north", "host", "192.0.2.10"}, more...)...))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (x trunkSide) addTrunk(more ...string) extension.Trunk {
	x.Helper()
	made, err := x.trunks.AddTrunk(x.Context(), trunk(x.T, more...))
	if err != nil {
		x.Fatal(err)
	}
	return made
}

func (x trunkSide) everything() []string {
	x.Helper()
	all := x.everythingBut("none")
	for _, row := range x.rows("SELECT * FROM ps_registrations") {
		all = append(all, "ps_registrations "+row)
	}
	return all
}

func TestTrunks(t *testing.T) {
	t.Parallel()
	onEveryTrunkTable(t, func(x trunkSide) {
		ctx := x.Context()
		if all, err := x.trunks.Trunks(ctx); err != nil || all == nil || len(all) != 0 {
			x.Errorf("%v %v", all, err)
		}
		x.add("204")
		x.follow("204")
		south := x.addTrunk("name", "south", "host", "sip.example.org", "register", "yes", "username", "acc", "secret", "it^s", "transport", "udp")
		others := x.everything()
		made := x.addTrunk("username", "u", "secret", "hush-hush", "match", "192.0.2.10,198.51.100.0/24", "send_callerid", "pai", "qualify_seconds", "30")
		if want := trunk(x.T, "username", "u", "secret", "hush-hush", "match", "192.0.2.10,198.51.100.0/24", "send_callerid", "pai", "qualify_seconds", "30"); made != want {
			x.Errorf("kept is another: %v", extension.DiffTrunk(want, made))
		}
		got, err := x.trunks.Trunk(ctx, "north")
		if err != nil || got != made {
			x.Errorf("%v: %v", extension.DiffTrunk(made, got), err)
		}
		if all, err := x.trunks.Trunks(ctx); err != nil || !cmp.Equal(all, []extension.Trunk{made, south}) {
			x.Errorf("%v: %v", all, err)
		}
		if all, err := x.Extensions(ctx); err != nil || len(all) != 1 || all[0].Account != "204" {
			x.Errorf("trunks are extensions: %v %v", all, err)
		}

		// A preview is what the change does, and it does not.
		change := patch("context", "c2", "register", "yes", "secret", "other^one", "match", "", "from_user", "me")
		kept := x.everything()
		was, would, err := x.trunks.PreviewTrunk(ctx, "north", change)
		if diff := cmp.Diff(kept, x.everything()); err != nil || diff != "" {
			x.Errorf("%v %s", err, diff)
		}
		before, after, err := x.trunks.UpdateTrunk(ctx, "north", change, nil)
		if err != nil || before != made || was != made || after != would || after.ContactUser != "u" || string(after.Secret) != "other^one" || after.Match != "" {
			x.Errorf("%v %v %v: %v", was, before, extension.DiffTrunk(would, after), err)
		}
		if got := x.rows("SELECT server_uri, client_uri, `line`, endpoint, outbound_auth FROM ps_registrations WHERE id = 'north'"); !cmp.Equal(got, []string{"server_uri=sip:192.0.2.10 client_uri=sip:u@192.0.2.10 line=yes endpoint=north outbound_auth=north"}) {
			x.Errorf("%q", got)
		}
		if _, back, err := x.trunks.UpdateTrunk(ctx, "north", extension.InverseTrunk(before, after), nil); err != nil || back != made {
			x.Errorf("%v: %v", extension.DiffTrunk(made, back), err)
		}
		if diff := cmp.Diff(kept, x.everything()); diff != "" {
			x.Errorf("it is not as it was: %s", diff)
		}

		// Conditions.
		errOther := errors.New("it is another one")
		other := func(got extension.Trunk) error {
			if got != made {
				x.Errorf("%v", extension.DiffTrunk(made, got))
			}
			return errOther
		}
		if err := third(x.trunks.UpdateTrunk(ctx, "north", change, other)); !errors.Is(err, errOther) {
			x.Error(err)
		}
		if err := second(x.trunks.DeleteTrunk(ctx, "north", other)); !errors.Is(err, errOther) {
			x.Error(err)
		}
		if diff := cmp.Diff(kept, x.everything()); diff != "" {
			x.Error(diff)
		}
		if gone, err := x.trunks.DeleteTrunk(ctx, "north", nil); err != nil || gone != made {
			x.Errorf("%v: %v", gone, err)
		}
		if diff := cmp.Diff(others, x.everything()); diff != "" {
			x.Errorf("something is left, or too much gone: %s", diff)
		}
		for name, err := range map[string]error{
			"read": second(x.trunks.Trunk(ctx, "north")), "preview": third(x.trunks.PreviewTrunk(ctx, "north", nil)),
			"update": third(x.trunks.UpdateTrunk(ctx, "north", nil, nil)), "delete": second(x.trunks.DeleteTrunk(ctx, "north", nil)),
		} {
			if !errors.Is(err, models.ErrNotFound) {
				x.Errorf("%s of none: %v", name, err)
			}
		}
	})
}

func TestTrunksThatCannotBe(t *testing.T) {
	t.Parallel()
	onEveryTrunkTable(t, func(x trunkSide) {
		ctx := x.Context()
		x.add("204")
		x.exec("INSERT INTO ps_endpoints (id, aors) VALUES ('ana', 'ana');\nINSERT INTO ps_aors (id, max_contacts) VALUES ('ana', 1);\nINSERT INTO ps_aors (id) VALUES ('shared');\n" +
			"INSERT INTO ps_endpoints (id, aors) VALUES ('bob', 'bob, shared');\nINSERT INTO ps_endpoint_id_ips (id, endpoint, `match`) VALUES ('other', 'bob', '203.0.113.0/24')")
		x.addTrunk("match", "192.0.2.0/24")
		before := x.everything()
		for _, name := range []string{"204", "ana", "bob", "shared", "north ", "north'", "", "n%", "north;", "nörth", strings.Repeat("n", 41)} {
			for verb, err := range map[string]error{
				"read": second(x.trunks.Trunk(ctx, name)), "update": third(x.trunks.UpdateTrunk(ctx, name, patch("context", "evil"), nil)), "delete": second(x.trunks.DeleteTrunk(ctx, name, nil)),
			} {
				if !errors.Is(err, models.ErrNotFound) {
					x.Errorf("%s of %q: %v", verb, name, err)
				}
			}
		}
		for _, tt := range []struct {
			more []string
			want error
			says string
		}{
			{[]string{"match", ""}, models.ErrConflict, "north already"},
			{[]string{"name", "ana", "match", "198.51.100.1"}, models.ErrConflict, "ana already"},
			{[]string{"name", "shared", "match", "198.51.100.1"}, models.ErrConflict, "shared already"},
			{[]string{"name", "x", "match", "198.51.100.1,192.0.2.7"}, models.ErrConflict, "192.0.2.0/24 are those of north already"},
			{[]string{"name", "x", "match", "203.0.113.9"}, models.ErrConflict, "those of bob already"},
			{[]string{"name", "x", "context", strings.Repeat("c", 80), "from_domain", strings.Repeat("d", 90), "match", "198.51.100.1"}, nil, ""},
		} {
			made := trunk(x.T, tt.more...)
			_, err := x.trunks.AddTrunk(ctx, made)
			switch {
			case tt.want != nil && (!errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says)):
				x.Errorf("%v: %v", tt.more, err)
			case tt.want == nil && x.kind == "official" && !errors.Is(err, models.ErrInvalid): // it has shorter columns
				x.Errorf("%v: %v", tt.more, err)
			case tt.want == nil && x.kind != "official":
				if _, err := x.trunks.DeleteTrunk(ctx, made.Name, nil); err != nil {
					x.Error(err)
				}
			}
		}
		if _, err := x.trunks.AddTrunk(ctx, extension.Trunk{Name: "x", Host: "a;b"}); !errors.Is(err, models.ErrInvalid) {
			x.Error(err)
		}
		if err := third(x.trunks.UpdateTrunk(ctx, "north", patch("match", "203.0.113.9"), nil)); !errors.Is(err, models.ErrConflict) {
			x.Error(err)
		}
		if err := third(x.trunks.UpdateTrunk(ctx, "north", patch("match", "192.0.2.7"), nil)); err != nil {
			x.Errorf("its own addresses: %v", err)
		}
		if err := third(x.trunks.UpdateTrunk(ctx, "north", patch("match", "192.0.2.0/24"), nil)); err != nil {
			x.Error(err)
		}
		if diff := cmp.Diff(before, x.everything()); diff != "" {
			x.Error(diff)
		}
		// What Asterisk has deleted of it already is no trunk; the rest can be deleted.
		x.exec("DELETE FROM ps_endpoints WHERE id = 'north'")
		if err := second(x.trunks.Trunk(ctx, "north")); !errors.Is(err, models.ErrNotFound) {
			x.Error(err)
		}
		if err := second(x.trunks.DeleteTrunk(ctx, "north", nil)); err != nil {
			x.Error(err)
		}
		if left := x.rows("SELECT id FROM ps_endpoint_id_ips WHERE id = 'north' UNION SELECT id FROM ps_aors WHERE id = 'north'"); left != nil {
			x.Errorf("%q", left)
		}
		x.addTrunk()
	})
}

// TestUpdateOfTrunkLeavesTheRest: a column that the change does not come to stays, and rows of others do.
func TestUpdateOfTrunkLeavesTheRest(t *testing.T) {
	t.Parallel()
	onEveryTrunkTable(t, func(x trunkSide) {
		ctx := x.Context()
		x.exec("INSERT INTO ps_auths (id, username, password) VALUES ('shared', 'u', 'p');\nINSERT INTO ps_aors (id, contact, qualify_timeout) VALUES ('old', 'sip:me@h.example.org:5080^3Blr', 7);\n" +
			"INSERT INTO ps_endpoints (id, aors, outbound_auth, rtp_symmetric, allow) VALUES ('old', 'old', 'shared', 'no', '!all,alaw')")
		if _, after, err := x.trunks.UpdateTrunk(ctx, "old", patch("context", "c2", "qualify_seconds", "60"), nil); err != nil || after.Context != "c2" || after.Host != "h.example.org" || after.Port != 5080 || after.Codecs != "alaw" {
			x.Errorf("%v: %v", after, err)
		}
		want := []string{"contact=sip:me@h.example.org:5080^3Blr qualify_timeout=7 rtp_symmetric=no allow=!all,alaw identify_by=NULL"}
		if diff := cmp.Diff(want, x.rows("SELECT contact, qualify_timeout, rtp_symmetric, allow, identify_by FROM ps_endpoints e JOIN ps_aors a ON a.id = e.id")); diff != "" {
			x.Error(diff)
		}
		if err := third(x.trunks.UpdateTrunk(ctx, "old", patch("secret", "q"), nil)); !errors.Is(err, models.ErrConflict) {
			x.Errorf("a login that may be of others too: %v", err)
		}
		if _, err := x.trunks.DeleteTrunk(ctx, "old", nil); err != nil {
			x.Error(err)
		}
		if left := x.rows("SELECT id FROM ps_auths"); !cmp.Equal(left, []string{"id=shared"}) {
			x.Errorf("%q", left)
		}
	})
}

// TestTablesWithoutWhatTrunksNeed: a trunk is never written without a column that it needs, such as by what its calls are known.
func TestTablesWithoutWhatTrunksNeed(t *testing.T) {
	t.Parallel()
	x := realtime(t, "fewest", fewestTables)
	trunks := x.Backend.(store.PBXRealtime)
	if all, err := trunks.Trunks(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	if _, err := trunks.AddTrunk(t.Context(), trunk(t)); !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "no column contact in ps_aors") {
		t.Error(err)
	}
	y := realtime(t, "advised", advisedTables)
	trunks = y.Backend.(store.PBXRealtime)
	if _, err := trunks.AddTrunk(t.Context(), trunk(t, "register", "yes", "username", "u")); !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "no table ps_registrations") {
		t.Error(err)
	}
	if rows := y.everythingBut("none"); rows != nil {
		t.Errorf("half of it was written: %q", rows)
	}
	if _, err := trunks.AddTrunk(t.Context(), trunk(t)); err != nil {
		t.Errorf("one that does not register: %v", err)
	}
	if _, err := y.db.ExecContext(t.Context(), "ALTER TABLE ps_endpoints DROP COLUMN from_user"); err != nil {
		t.Fatal(err)
	}
	if err := third(trunks.UpdateTrunk(t.Context(), "north", patch("context", "c2"), nil)); err != nil {
		t.Error(err)
	}
	if err := third(trunks.UpdateTrunk(t.Context(), "north", patch("from_user", "c2"), nil)); !errors.Is(err, models.ErrUnavailable) && !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
}

// TestTrunksOfFreePBX are read, as FreePBX's own page writes them.
func TestTrunksOfFreePBX(t *testing.T) {
	t.Parallel()
	x := freePBX(t)
	trunks := x.Backend.(store.FreePBX)
	if all, err := trunks.Trunks(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	x.add("204")
	x.exec("INSERT INTO sip VALUES ('tr-peer-2', 'account', 'south', 2), ('tr-peer-2', 'host', '192.0.2.7', 3), ('tr-peer-2', 'Secret', 'hush-hush', 4), ('tr-peer-2', 'username', 'acc', 5),\n" +
		" ('tr-peer-2', 'allow', 'alaw&ulaw', 6), ('tr-peer-2', 'qualify', 'yes', 7), ('tr-peer-2', 'port', '5080', 8), ('tr-peer-2', 'canreinvite', 'no', 9), ('tr-peer-2', 'sendrpid', 'pai', 9),\n" +
		" ('tr-peer-2', 'context', 'from-trunk', 10), ('tr-reg-2', 'register', 'acc:hush-hush@192.0.2.7/4930', 0), ('tr-user-2', 'account', 'in', 2), ('tr-peer-1', 'account', 'north', 2), ('tr-peer-3', 'host', 'h', 2)")
	want := []extension.Trunk{
		{Name: "north", Transport: "udp", DTMFMode: "rfc4733", DirectMedia: true, SendCallerID: "no"},
		{Name: "south", Host: "192.0.2.7", Port: 5080, Transport: "udp", Username: "acc", Secret: "hush-hush", Register: true, ContactUser: "4930", Context: "from-trunk", Match: "192.0.2.7", Codecs: "alaw,ulaw", DTMFMode: "rfc4733", SendCallerID: "pai", Qualify: 60},
	}
	all, err := trunks.Trunks(t.Context())
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("%v: %v", all, err)
	}
	if got, err := trunks.Trunk(t.Context(), "south"); err != nil || got != want[1] {
		t.Errorf("%v: %v", got, err)
	}
	if _, err := trunks.Trunk(t.Context(), "204"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}
