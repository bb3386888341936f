package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

func (x exchange) tryAdd(account string, more ...string) error {
	x.Helper()
	e, err := extension.Rules{}.New(patch(append([]string{"account", account, "name", "Nora", "secret", "keep^it-long"}, more...)...))
	if err != nil {
		x.Fatal(err)
	}
	return second(x.Add(x.Context(), e))
}

// TestWhoCallsWithoutAPassword is known by its address alone, and that address is nobody else's.
func TestWhoCallsWithoutAPassword(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables+storetest.RegistrationTable)
	side := trunkSide{x, x.Backend.(store.PBXRealtime)}
	side.addTrunk("match", "198.51.100.0/24")
	x.exec("INSERT INTO ps_endpoint_id_ips (id, endpoint, `match`) VALUES ('m', 'masked', '203.0.113.0/255.255.255.0')")
	x.add("204", "type", "peer", "host", "192.0.2.4")
	x.add("205", "host", "192.0.2.5")
	x.add("206", "host", "pbx.example.org")
	want := []string{
		"id=204 auth=NULL identify_by=ip allow_transfer=no rtp_timeout=60 rtp_timeout_hold=600", "id=205 auth=205 identify_by=NULL allow_transfer=no rtp_timeout=60 rtp_timeout_hold=600",
		"id=206 auth=206 identify_by=NULL allow_transfer=no rtp_timeout=60 rtp_timeout_hold=600",
	}
	if diff := cmp.Diff(want, x.rows("SELECT id, auth, identify_by, allow_transfer, rtp_timeout, rtp_timeout_hold FROM ps_endpoints WHERE id LIKE '2%'")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"id=204 match=192.0.2.4", "id=205 match=192.0.2.5"}, x.rows("SELECT id, `match` FROM ps_endpoint_id_ips WHERE id LIKE '2%'")); diff != "" {
		t.Error(diff)
	}
	before := side.everything()
	for host, says := range map[string]string{"198.51.100.7": "those of north", "::ffff:198.51.100.7": "those of north", "203.0.113.9": "those of masked", "192.0.2.4": "those of 204"} {
		for name, err := range map[string]error{
			"add": x.tryAdd("207", "host", host), "update": third(x.Update(t.Context(), "206", patch("host", host), nil)), "preview": third(x.Preview(t.Context(), "206", patch("host", host))),
		} {
			if !errors.Is(err, models.ErrConflict) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s at %s: %v", name, host, err)
			}
		}
	}
	for name, err := range map[string]error{
		"add": x.tryAdd("207", "type", "peer", "host", "pbx.example.org"), "update": third(x.Update(t.Context(), "206", patch("type", "peer"), nil)),
		"preview": third(x.Preview(t.Context(), "204", patch("host", "h.example.org"))),
	} {
		var wrong *extension.FieldError
		if !errors.As(err, &wrong) || wrong.Field != "host" {
			t.Errorf("%s of a peer by name: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, side.everything()); diff != "" {
		t.Error(diff)
	}
	// From a peer to a friend, and back.
	for _, kind := range []string{"friend", "peer"} {
		if err := third(x.Update(t.Context(), "204", patch("type", kind), nil)); err != nil {
			t.Error(err)
		}
		want := map[string]string{"friend": "auth=204 identify_by=NULL", "peer": "auth=NULL identify_by=ip"}[kind]
		if diff := cmp.Diff([]string{want}, x.rows("SELECT auth, identify_by FROM ps_endpoints WHERE id = '204'")); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	// One of many at a time gets an address.
	results := make(chan error, 6)
	var group sync.WaitGroup
	for i := range cap(results) {
		group.Go(func() { results <- x.tryAdd("30"+string(rune('0'+i)), "type", "peer", "host", "192.0.2.99") })
	}
	group.Wait()
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, models.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d have the address", won)
	}
}

// TestColumnsThatMustBeThere: what would let others call, or let calls go on without a limit, is refused, and nothing is written.
func TestColumnsThatMustBeThere(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables)
	x.add("204")
	for _, tt := range []struct {
		column string
		more   []string
	}{
		{"ps_endpoints.identify_by", []string{"type", "peer", "host", "192.0.2.4"}},
		{"ps_endpoints.deny", []string{"deny", "10.0.0.0/8"}},
		{"ps_endpoints.permit", []string{"permit", "10.0.0.0/8", "deny", ""}},
		{"ps_endpoints.media_encryption", []string{"encryption", "yes"}},
		{"ps_endpoints.auth", nil},
		{"ps_endpoints.allow_transfer", nil},
		{"ps_endpoint_id_ips.match", []string{"host", "192.0.2.4"}},
	} {
		table, column, _ := strings.Cut(tt.column, ".")
		kind := strings.TrimPrefix(x.rows("SELECT column_type AS `t` FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '" + table + "' AND column_name = '" + column + "'")[0], "t=")
		x.exec("ALTER TABLE " + table + " DROP COLUMN `" + column + "`")
		before := x.everythingBut("none")
		errs := map[string]error{"add": x.tryAdd("205", tt.more...)}
		if tt.more != nil {
			errs["update"] = third(x.Update(t.Context(), "204", patch(tt.more...), nil))
			errs["preview"] = third(x.Preview(t.Context(), "204", patch(tt.more...)))
		}
		for name, err := range errs {
			var lacks *extension.LacksError
			if !errors.As(err, &lacks) || lacks.Table != table || lacks.Column != column || !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was done") {
				t.Errorf("%s without %s: %v", name, tt.column, err)
			}
		}
		if err := third(x.Update(t.Context(), "204", patch("context", "c2"), nil)); err != nil {
			t.Errorf("what has nothing to do with %s: %v", tt.column, err)
		}
		if err := third(x.Update(t.Context(), "204", patch("context", "from-internal"), nil)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
			t.Error(diff)
		}
		x.exec("ALTER TABLE " + table + " ADD COLUMN `" + column + "` " + kind)
		if err := x.tryAdd("205", tt.more...); err != nil { // at once: it is looked up anew
			t.Errorf("with %s again: %v", tt.column, err)
		}
		if _, err := x.Delete(t.Context(), "205", nil); err != nil {
			t.Error(err)
		}
		x.exec("UPDATE ps_endpoints SET auth = '204', allow_transfer = 'no'")
	}
}

// TestRowsThatOthersName stay when what has their id is deleted.
func TestRowsThatOthersName(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables+storetest.RegistrationTable)
	side := trunkSide{x, x.Backend.(store.PBXRealtime)}
	x.exec("INSERT INTO ps_auths (id, username) VALUES ('login', 'u'), ('north', 'u'), ('mine', 'u');\nINSERT INTO ps_registrations (id, outbound_auth, endpoint) VALUES ('theirs', 'login', ''), ('other', 'north', 'x'), ('mine', '', 'x')")
	for _, name := range []string{"login", "north"} { // what others name is not left over
		if err := second(side.trunks.DeleteTrunk(t.Context(), name, nil)); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(side.trunks.DeleteTrunk(t.Context(), "mine", nil)); err != nil { // its login is; the registration is of x
		t.Error(err)
	}
	x.exec("DELETE FROM ps_auths WHERE id = 'north'")
	side.addTrunk("username", "u", "secret", "s")
	x.add("204")
	x.add("205")
	x.exec("UPDATE ps_endpoints SET aors = '205, 204', auth = '204' WHERE id = '205'")
	if _, err := x.Delete(t.Context(), "204", nil); err != nil {
		t.Error(err)
	}
	if err := second(side.trunks.DeleteTrunk(t.Context(), "north", nil)); err != nil {
		t.Error(err)
	}
	want := []string{"id=204", "id=204 aor", "id=205", "id=205 aor", "id=205 endpoint", "id=login", "id=mine registration", "id=north", "id=other registration", "id=theirs registration"}
	got := x.rows("SELECT id FROM ps_auths UNION ALL SELECT CONCAT(id, ' aor') FROM ps_aors UNION ALL SELECT CONCAT(id, ' endpoint') FROM ps_endpoints UNION ALL SELECT CONCAT(id, ' registration') FROM ps_registrations")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNewOwnerOfANumber gets nothing of the one before: no addresses that call as it, and no follow-me.
func TestNewOwnerOfANumber(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables)
	x.add("204")
	x.follow("204")
	x.exec("INSERT INTO ps_endpoint_id_ips (id, endpoint, `match`) VALUES ('old', '204', '192.0.2.44');\n" +
		"DELETE FROM ps_endpoints;\nDELETE FROM ps_aors;\nDELETE FROM ps_auths") // as Asterisk leaves them when it is made to forget it
	x.add("204")
	if rows := x.rows("SELECT id FROM ps_endpoint_id_ips UNION ALL SELECT name FROM followme UNION ALL SELECT name FROM followme_numbers"); rows != nil {
		t.Errorf("%q", rows)
	}
	if _, err := x.FollowMe(t.Context(), "204"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
	x.follow("204")
	if err := x.tryAdd("204"); !errors.Is(err, models.ErrConflict) {
		t.Error(err)
	}
	if _, err := x.FollowMe(t.Context(), "204"); err != nil {
		t.Errorf("a number that is taken loses its follow-me: %v", err)
	}
}

// TestAddressesOfATrunk are those of all rows that name it, whatever their ids are.
func TestAddressesOfATrunk(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables+storetest.RegistrationTable)
	side := trunkSide{x, x.Backend.(store.PBXRealtime)}
	side.addTrunk("host", "sip.example.org")
	x.exec("INSERT INTO ps_endpoint_id_ips (id, endpoint, `match`, srv_lookups, match_header) VALUES ('a', 'north', '192.0.2.1', 'no', NULL), ('b', 'north', '192.0.2.2', NULL, NULL), ('c', 'north', NULL, NULL, 'X: y'), ('north', 'south', '203.0.113.1', NULL, NULL)")
	got, err := side.trunks.Trunk(t.Context(), "north")
	all, listed := side.trunks.Trunks(t.Context())
	if err != nil || listed != nil || got.Match != "192.0.2.1,192.0.2.2" || !cmp.Equal(all, []extension.Trunk{got}) {
		t.Errorf("%v %v: %v %v", got, all, err, listed)
	}
	if _, after, err := side.trunks.UpdateTrunk(t.Context(), "north", patch("match", "198.51.100.0/24"), nil); err != nil || after.Match != "198.51.100.0/24" {
		t.Errorf("%v: %v", after, err)
	}
	header, foreign := "id=c endpoint=north match=NULL srv_lookups=NULL", "id=north endpoint=south match=203.0.113.1 srv_lookups=NULL"
	const query = "SELECT id, endpoint, `match`, srv_lookups FROM ps_endpoint_id_ips"
	if diff := cmp.Diff([]string{"id=a endpoint=north match=198.51.100.0/24 srv_lookups=no", header, foreign}, x.rows(query)); diff != "" {
		t.Error(diff)
	}
	if _, after, err := side.trunks.UpdateTrunk(t.Context(), "north", patch("match", ""), nil); err != nil || after.Match != "" {
		t.Errorf("%v: %v", after, err)
	}
	if diff := cmp.Diff([]string{header, foreign}, x.rows(query)); diff != "" {
		t.Error(diff)
	}
}
