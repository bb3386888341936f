package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store/storetest"
)

// TestRowsOfFreePBX are exactly those that FreePBX's own page makes.
func TestRowsOfFreePBX(t *testing.T) {
	t.Parallel()
	x := freePBX(t)
	x.add("204")
	sip := []string{
		"deny=0.0.0.0/0.0.0.0 2", "secret=keep^it-long 3", "dtmfmode=rfc2833 4", "canreinvite=no 5", "context=from-internal 6", "host=dynamic 7", "trustrpid=yes 8",
		"sendrpid=no 9", "type=friend 10", "nat=no 11", "port=5060 12", "qualify=yes 13", "qualifyfreq=60 14", "transport=udp 15", "avpf=no 16", "icesupport=no 17",
		"encryption=no 18", "callgroup= 19", "pickupgroup= 20", "dial=SIP/204 21", "mailbox=204@device 22", "permit=0.0.0.0/0.0.0.0 23", "callerid=Nora <204> 24",
		"callcounter=yes 25", "faxdetect=no 26", "accountcode= 27", "account=204 28",
	}
	for i, row := range sip {
		sip[i] = "row=204 " + row
	}
	got := x.rows("SELECT CONCAT(id, ' ', keyword, '=', data, ' ', flags) AS `row` FROM sip")
	if diff := cmp.Diff(slices.Sorted(slices.Values(sip)), got); diff != "" {
		t.Error(diff)
	}
	want := []string{"extension=204 password= name=Nora voicemail=novm ringtimer=0 noanswer= recording= outboundcid= sipname=204 noanswer_cid= busy_cid= chanunavail_cid= noanswer_dest= busy_dest= chanunavail_dest= mohclass=default"}
	if diff := cmp.Diff(want, x.rows("SELECT * FROM users")); diff != "" {
		t.Error(diff)
	}
	want = []string{"id=204 tech=sip dial=SIP/204 devicetype=fixed user=204 description=204 emergency_cid="}
	if diff := cmp.Diff(want, x.rows("SELECT * FROM devices")); diff != "" {
		t.Error(diff)
	}
	x.follow("204", "pre_ring", "7")
	want = []string{"grpnum=204 strategy=ringallv2 grptime=20 grppre= grplist=101-0551234567# annmsg_id=0 postdest=ext-local,204,dest dring= remotealert_id=0 needsconf= toolate_id=0 pre_ring=7 ringing=Ring"}
	if diff := cmp.Diff(want, x.rows("SELECT * FROM findmefollow")); diff != "" {
		t.Error(diff)
	}
	// An update writes what it is about, and leaves the rest as it finds it: other keywords, other flags, other words.
	x.exec("UPDATE sip SET flags = 99 WHERE keyword = 'context';\nUPDATE sip SET data = 'ON' WHERE keyword = 'avpf';\nDELETE FROM sip WHERE keyword = 'faxdetect';\n" +
		"INSERT INTO sip VALUES ('204', 'disallow', 'all', 20);\nUPDATE users SET voicemail = 'default'")
	if _, _, err := x.Update(t.Context(), "204", patch("context", "c2", "name", "Ana", "dial", "SIP/7", "faxdetect", "yes"), nil); err != nil {
		t.Fatal(err)
	}
	want = []string{"avpf=ON 16", "context=c2 99", "dial=SIP/7 21", "disallow=all 20", "faxdetect=yes 26"}
	for i, row := range want {
		want[i] = "row=" + row
	}
	got = x.rows("SELECT CONCAT(keyword, '=', data, ' ', flags) AS `row` FROM sip WHERE keyword IN ('context', 'avpf', 'faxdetect', 'disallow', 'dial')")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"name=Ana voicemail=default dial=SIP/7"}, x.rows("SELECT name, voicemail, dial FROM users JOIN devices ON id = extension")); diff != "" {
		t.Error(diff)
	}
}

// TestHalfWrittenExtensions, as the old program left them, are made whole.
func TestHalfWrittenExtensions(t *testing.T) {
	t.Parallel()
	x := freePBX(t)
	x.exec("INSERT INTO sip VALUES ('204', 'context', 'c', 6), ('tr-peer-1', 'host', 'h', 2), ('9x', 'host', 'h', 2);\n" +
		"INSERT INTO users (extension, name, busy_dest) VALUES ('300', 'Voicemail only', '')")
	if all, err := x.Extensions(t.Context()); err != nil || len(all) != 1 || all[0].Account != "204" || all[0].Context != "c" {
		t.Errorf("%v: %v", all, err)
	}
	if _, _, err := x.Update(t.Context(), "204", patch("name", "Nora", "secret", "keep-it-long"), nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"name=Nora sipname=204 tech=sip"}, x.rows("SELECT name, sipname, tech FROM users JOIN devices ON id = extension")); diff != "" {
		t.Error(diff)
	}
	e, err := extension.Rules{}.New(patch("account", "300", "name", "Eve", "secret", "keep-it-long"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Add(t.Context(), e); !errors.Is(err, models.ErrConflict) {
		t.Errorf("the number of another telephone: %v", err)
	}
	if err := second(x.Delete(t.Context(), "300", nil)); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

// TestNothingIsHalfWritten when the last of several tables does not take its row.
func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		x.add("204")
		before := x.everythingBut("none")
		field := "description"
		if x.kind == "freepbx" {
			x.exec("ALTER TABLE devices MODIFY description varchar(3)")
		} else {
			x.exec("ALTER TABLE ps_endpoints MODIFY context varchar(14)")
			field = "context"
		}
		e, err := extension.Rules{}.New(patch("account", "2051", "name", "Nora", "secret", "keep-it-long", "context", "from-far-away-1"))
		if err != nil {
			x.Fatal(err)
		}
		var wrong *extension.FieldError
		if _, err := x.Add(x.Context(), e); !errors.As(err, &wrong) || wrong.Field != field || strings.Contains(err.Error(), "keep") {
			x.Errorf("%v", err)
		}
		if x.kind == "freepbx" {
			x.exec("ALTER TABLE users MODIFY name varchar(5)")
			if _, _, err := x.Update(x.Context(), "204", patch("secret", "half-of-it", "name", "Nora Nora"), nil); !errors.As(err, &wrong) || wrong.Field != "name" {
				x.Errorf("%v", err)
			}
		} else if _, _, err := x.Update(x.Context(), "204", patch("secret", "half-of-it", "context", "from-far-away-1"), nil); !errors.As(err, &wrong) || wrong.Field != "context" {
			x.Errorf("%v", err)
		}
		if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
			x.Error(diff)
		}
	})
}

// TestTablesThatKeepHalf: MyISAM takes nothing back, and whoever asked learns it.
func TestTablesThatKeepHalf(t *testing.T) {
	t.Parallel()
	x := freePBX(t)
	x.exec("ALTER TABLE sip ENGINE = MyISAM;\nALTER TABLE users MODIFY name varchar(3)")
	e, err := extension.Rules{}.New(patch("account", "204", "name", "Nora", "secret", "keep-it-long"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Add(t.Context(), e); err == nil || !strings.Contains(err.Error(), "cannot take back what was written (sip)") || strings.Contains(err.Error(), "keep-it") {
		t.Error(err)
	}
}

// TestUpdateOfRealtimeLeavesTheRest: a column that the change does not come to stays, whatever is in it.
func TestUpdateOfRealtimeLeavesTheRest(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables)
	x.exec(`INSERT INTO ps_endpoints (id, aors, auth, context, callerid, force_rport, set_var, accountcode, allow, mailboxes, device_state_busy_at)
	  VALUES ('2001', '2001,other', '2001', 'c', 'Ana <2001>', '1', 'A=1;B=2', 'acc1', 'opus', 'x,y', 2);
	INSERT INTO ps_auths (id, auth_type, username, password, md5_cred) VALUES ('2001', 'md5', 'ana', NULL, 'abc');
	INSERT INTO ps_aors (id, max_contacts, qualify_frequency) VALUES ('2001', 5, 30)`)
	before, after, err := x.Update(t.Context(), "2001", patch("context", "c2", "secret", "new^-one", "nat", "yes"), nil)
	if err != nil || before.Context != "c" || after.Context != "c2" || before.Secret != "" || string(after.Secret) != "new^-one" {
		t.Fatalf("%v %v: %v", before, after, err)
	}
	for query, want := range map[string]string{
		"SELECT aors, auth, context, callerid, force_rport, rtp_symmetric, set_var, accountcode, allow, mailboxes, device_state_busy_at, disallow FROM ps_endpoints": "aors=2001,other auth=2001 context=c2 callerid=Ana <2001> force_rport=1 rtp_symmetric=yes set_var=A=1;B=2 accountcode=acc1 allow=opus mailboxes=x,y device_state_busy_at=2 disallow=NULL",
		"SELECT auth_type, username, password FROM ps_auths":           "auth_type=userpass username=ana password=new^5E-one",
		"SELECT max_contacts, qualify_frequency, contact FROM ps_aors": "max_contacts=5 qualify_frequency=30 contact=NULL",
	} {
		if diff := cmp.Diff([]string{want}, x.rows(query)); diff != "" {
			t.Error(diff)
		}
	}
	// From a telephone that registers to one at an address, and back.
	if _, after, err = x.Update(t.Context(), "2001", patch("host", "192.0.2.7", "port", "5070"), nil); err != nil || after.Host != "192.0.2.7" || after.Port != 5070 {
		t.Errorf("%v: %v", after, err)
	}
	if diff := cmp.Diff([]string{"id=2001 endpoint=2001 match=192.0.2.7 srv_lookups=NULL match_header=NULL"}, x.rows("SELECT * FROM ps_endpoint_id_ips")); diff != "" {
		t.Error(diff)
	}
	if _, after, err = x.Update(t.Context(), "2001", patch("host", "dynamic", "name", "Eve"), nil); err != nil || after.Host != "dynamic" || after.CallerID != "Eve <2001>" {
		t.Errorf("%v: %v", after, err)
	}
	if rows := x.rows("SELECT * FROM ps_endpoint_id_ips"); rows != nil {
		t.Error(rows)
	}
}

// TestSharedRowsStay: an auth that has another id may be of several endpoints.
func TestSharedRowsStay(t *testing.T) {
	t.Parallel()
	x := realtime(t, "fewest", fewestTables)
	x.exec(`INSERT INTO ps_auths VALUES ('shared', 'u', 'old-secret');
	INSERT INTO ps_aors VALUES ('2001', 1), ('2002', 1);
	INSERT INTO ps_endpoints (id, aors, auth, context, allow) VALUES ('2001', '2001', 'shared', 'c', 'ulaw'), ('2002', '2002', 'shared', 'c', 'ulaw')`)
	if all, err := x.Extensions(t.Context()); err != nil || len(all) != 2 || string(all[1].Secret) != "old-secret" {
		t.Errorf("%v: %v", all, err)
	}
	if _, _, err := x.Update(t.Context(), "2001", patch("secret", "new-secret"), nil); !errors.Is(err, models.ErrConflict) || !strings.Contains(err.Error(), `"shared" of ps_auths`) {
		t.Error(err)
	}
	if _, _, err := x.Update(t.Context(), "2001", patch("context", "c2"), nil); err != nil {
		t.Error(err)
	}
	if _, err := x.Delete(t.Context(), "2001", nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"id=shared password=old-secret"}, x.rows("SELECT id, password FROM ps_auths")); diff != "" {
		t.Error(diff)
	}
	// What is needed and is not there is told.
	if _, _, err := x.Update(t.Context(), "2002", patch("host", "192.0.2.1"), nil); !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "no column contact in ps_aors") {
		t.Error(err)
	}
}

func TestValuesThatAnEnumLacks(t *testing.T) {
	t.Parallel()
	x := realtime(t, "strict", strictTables)
	x.add("204")
	var wrong *extension.FieldError
	if _, _, err := x.Update(t.Context(), "204", patch("dtmfmode", "none"), nil); !errors.As(err, &wrong) || wrong.Field != "dtmf_mode" {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"dtmf_mode=rfc4733 trust_id_inbound=yes direct_media=no"}, x.rows("SELECT dtmf_mode, trust_id_inbound, direct_media FROM ps_endpoints")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"customer_id=0 site= md5_cred=NULL"}, x.rows("SELECT customer_id, site, md5_cred FROM ps_auths")); diff != "" {
		t.Error(diff)
	}
}

// TestRowsOfFollowMe are those that Asterisk's FollowMe reads.
func TestRowsOfFollowMe(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, own storetest.Database) {
		x := realtime(t, "advised", advisedTables, own)
		x.add("204", "context", "c1")
		x.follow("204", "strategy", "hunt", "needsconf", "CHECKED", "ringing", "default")
		const query = "SELECT f.name, active, COALESCE(musicclass, '-') AS music, context, enable_callee_prompt AS asks, ordinal, phonenumber, timeout FROM followme f JOIN followme_numbers n ON n.name = f.name"
		want := []string{
			"name=204 active=yes music=default context=c1 asks=yes ordinal=1 phonenumber=101 timeout=20",
			"name=204 active=yes music=default context=c1 asks=yes ordinal=2 phonenumber=0551234567 timeout=20",
		}
		if diff := cmp.Diff(want, x.rows(query)); diff != "" {
			t.Error(diff)
		}
		if _, _, err := x.UpdateFollowMe(t.Context(), "204", patch("strategy", "ringall", "grptime", "15", "needsconf", "", "ringing", "Ring"), nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.Update(t.Context(), "204", patch("context", "c2"), nil); err != nil {
			t.Fatal(err)
		}
		want = []string{"name=204 active=yes music=- context=c2 asks=no ordinal=1 phonenumber=101&0551234567 timeout=15"}
		if diff := cmp.Diff(want, x.rows(query)); diff != "" {
			t.Error(diff)
		}
		// What Asterisk's tables do not take is not in ours either.
		var numbers []string
		for i := range 20 {
			numbers = append(numbers, fmt.Sprint(5550000+i))
		}
		before, err := x.FollowMe(t.Context(), "204")
		if err != nil {
			t.Fatal(err)
		}
		var wrong *extension.FieldError
		if _, _, err := x.UpdateFollowMe(t.Context(), "204", patch("grplist", strings.Join(numbers, ",")), nil); !errors.As(err, &wrong) || wrong.Field != "grplist" {
			t.Error(err)
		}
		if after, err := x.FollowMe(t.Context(), "204"); err != nil || !cmp.Equal(before, after) {
			t.Errorf("%+v: %v", after, err)
		}
		if diff := cmp.Diff(want, x.rows(query)); diff != "" {
			t.Error(diff)
		}
		// Rows of a number that had a follow-me before are replaced.
		if _, err := x.DeleteFollowMe(t.Context(), "204", nil); err != nil {
			t.Fatal(err)
		}
		if rows := x.rows(query); rows != nil {
			t.Error(rows)
		}
		x.exec("INSERT INTO followme (name, active) VALUES ('204', 'no');\nINSERT INTO followme_numbers (name, ordinal, phonenumber) VALUES ('204', 7, '1')")
		x.follow("204", "strategy", "ringall")
		want = []string{"name=204 active=yes music=- context=c2 asks=no ordinal=1 phonenumber=101&0551234567 timeout=20"}
		if diff := cmp.Diff(want, x.rows(query)); diff != "" {
			t.Error(diff)
		}
		// Without its tables there is none.
		x.exec("DROP TABLE followme_numbers")
		if _, err := x.DeleteFollowMe(t.Context(), "204", nil); !errors.Is(err, models.ErrUnavailable) {
			t.Error(err)
		}
		if _, err := x.FollowMe(t.Context(), "204"); err != nil {
			t.Error(err)
		}
	})
}

// cutAtCommit stands before a server and breaks every connection that wants to commit, before the server hears of it.
func cutAtCommit(t *testing.T, server string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() { _, _ = io.Copy(client, behind); _ = client.Close() })
			all.Go(func() {
				buffer := make([]byte, 64<<10)
				for {
					n, err := client.Read(buffer)
					if err != nil || bytes.HasSuffix(buffer[:n], []byte("\x03COMMIT")) {
						break
					}
					_, _ = behind.Write(buffer[:n])
				}
				_, _ = client.Close(), behind.Close()
			})
		}
	})
	return listener.Addr().String()
}

// TestOurFollowMeIsTakenBack when the other database did not keep its part.
func TestOurFollowMeIsTakenBack(t *testing.T) {
	t.Parallel()
	own, d := storetest.SQLite(t), storetest.OnShared(t)
	c := pbxConfig(d)
	s := own.Migrated(t)
	whole, err := s.OpenPBXRealtime(c, extension.Realtime{})
	if err != nil {
		t.Fatal(err)
	}
	c.Addr = cutAtCommit(t, c.Addr)
	broken, err := s.OpenPBXRealtime(c, extension.Realtime{})
	if err != nil {
		t.Fatal(err)
	}
	x := exchange{t, whole, d.SQL(t), "advised"}
	x.exec(advisedTables)
	x.add("204")
	x.add("205")
	f := x.follow("204")
	before := x.everythingBut("none")
	cut := exchange{t, broken, x.db, "advised"}
	other := f
	other.GrpNum = "205"
	for name, err := range map[string]error{
		"add": second(cut.AddFollowMe(t.Context(), other)), "update": third(cut.UpdateFollowMe(t.Context(), "204", patch("grptime", "5"), nil)),
		"delete": second(cut.DeleteFollowMe(t.Context(), "204", nil)), "delete extension": second(cut.Delete(t.Context(), "204", nil)),
	} {
		if !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := whole.FollowMes(t.Context()); err != nil || !cmp.Equal([]extension.FollowMe{f}, all) {
		t.Errorf("%+v: %v", all, err)
	}
	if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
		t.Error(diff)
	}
	_, _ = broken.Close(), whole.Close()
}
