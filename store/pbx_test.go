package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

const freePBXTables = storetest.FreePBXTables

const followMeTables = storetest.FollowMeTables

// Of realtime: the fewest columns with which a telephone registers and calls within its limits, those that we advise, and more with stricter types.
const (
	fewestTables = `
CREATE TABLE ps_auths (id varchar(80) PRIMARY KEY, username varchar(80), password varchar(255));
CREATE TABLE ps_aors (id varchar(80) PRIMARY KEY, max_contacts int);
CREATE TABLE ps_endpoints (id varchar(80) PRIMARY KEY, aors varchar(255), auth varchar(80), context varchar(80), allow varchar(200), allow_transfer varchar(3))` + followMeTables

	advisedTables = storetest.RealtimeTables

	strictTables = `
CREATE TABLE ps_auths (id varchar(255) NOT NULL, customer_id int NOT NULL, site varchar(20) NOT NULL, auth_type ENUM('md5','userpass','google_oauth'), nonce_lifetime int, md5_cred varchar(40),
  password varchar(80), realm varchar(255), username varchar(40), oauth_clientid varchar(255), UNIQUE KEY (id));
CREATE TABLE ps_aors (id varchar(255) NOT NULL, contact varchar(255), default_expiration int, mailboxes varchar(80), max_contacts int, minimum_expiration int,
  remove_existing ENUM('0','1','off','on','false','true','no','yes'), qualify_frequency int, authenticate_qualify ENUM('0','1','off','on','false','true','no','yes'),
  qualify_timeout float, UNIQUE KEY (id));
CREATE TABLE ps_endpoints (id varchar(255) NOT NULL, transport varchar(40), aors varchar(2048), auth varchar(255), context varchar(40), disallow varchar(200), allow varchar(200),
  direct_media ENUM('0','1','off','on','false','true','no','yes'), dtmf_mode ENUM('rfc4733','inband','info','auto','auto_info'),
  force_rport ENUM('0','1','off','on','false','true','no','yes'), ice_support ENUM('0','1','off','on','false','true','no','yes'), mailboxes varchar(40),
  rewrite_contact ENUM('0','1','off','on','false','true','no','yes'), rtp_symmetric ENUM('0','1','off','on','false','true','no','yes'),
  send_pai ENUM('0','1','off','on','false','true','no','yes'), send_rpid ENUM('0','1','off','on','false','true','no','yes'),
  trust_id_inbound ENUM('0','1','off','on','false','true','no','yes'), use_avpf ENUM('0','1','off','on','false','true','no','yes'),
  media_encryption ENUM('no','sdes','dtls'), call_group varchar(40), pickup_group varchar(40), callerid varchar(40), accountcode varchar(80),
  fax_detect ENUM('0','1','off','on','false','true','no','yes'), allow_transfer ENUM('0','1','off','on','false','true','no','yes'), deny varchar(95), permit varchar(95), tos_audio varchar(10), UNIQUE KEY (id));
CREATE TABLE ps_endpoint_id_ips (id varchar(255) NOT NULL, endpoint varchar(255), ` + "`match`" + ` varchar(80), srv_lookups ENUM('no','yes'), UNIQUE KEY (id))` + followMeTables
)

// exchange is a PBX's database with a back end on it.
type exchange struct {
	*testing.T
	extension.Backend
	db   *sql.DB
	kind string
}

func (x exchange) exec(statements string) {
	x.Helper()
	for statement := range strings.SplitSeq(statements, ";\n") {
		if _, err := x.db.ExecContext(x.Context(), statement); err != nil {
			x.Fatalf("%s: %v", statement, err)
		}
	}
}

// rows dumps tables, without numbers that the server gives.
func (x exchange) rows(query string) (all []string) {
	x.Helper()
	rows, err := x.db.QueryContext(x.Context(), query)
	if err != nil {
		x.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		x.Fatal(err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			x.Fatal(err)
		}
		var texts []string
		for i, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			texts = append(texts, columns[i]+"="+v.String)
		}
		all = append(all, strings.Join(texts, " "))
	}
	if err := rows.Err(); err != nil {
		x.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// everything is all that is not of one account.
func (x exchange) everythingBut(account string) (all []string) {
	x.Helper()
	tables := map[string]string{"sip": "id", "users": "extension", "devices": "id", "findmefollow": "grpnum"}
	if x.kind != "freepbx" {
		tables = map[string]string{"ps_auths": "id", "ps_aors": "id", "ps_endpoints": "id", "followme": "name", "followme_numbers": "name"}
		if x.kind != "fewest" {
			tables["ps_endpoint_id_ips"] = "id"
		}
	}
	for table, key := range tables {
		for _, row := range x.rows(fmt.Sprintf("SELECT * FROM %s WHERE %s <> '%s'", table, key, account)) {
			all = append(all, table+" "+row)
		}
	}
	slices.Sort(all)
	return all
}

func pbxConfig(d storetest.Database) store.PBXConfig {
	return store.PBXConfig{Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name}
}

func freePBX(t *testing.T) exchange {
	t.Helper()
	d := storetest.OnShared(t)
	b, err := store.OpenFreePBX(pbxConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	x := exchange{t, b, d.SQL(t), "freepbx"}
	x.exec(freePBXTables)
	return x
}

// realtime has its follow-mes in a database of ours: SQLite, unless it is told otherwise.
func realtime(t *testing.T, kind, tables string, own ...storetest.Database) exchange {
	t.Helper()
	d := storetest.OnShared(t)
	if own == nil {
		own = append(own, storetest.SQLite(t))
	}
	b, err := own[0].Migrated(t).OpenPBXRealtime(pbxConfig(d), extension.Realtime{Transports: map[string]string{"udp": "transport-udp"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	x := exchange{t, b, d.SQL(t), kind}
	x.exec(tables)
	return x
}

func onEveryPBX(t *testing.T, test func(exchange)) {
	t.Run("FreePBX", func(t *testing.T) { t.Parallel(); test(freePBX(t)) })
	t.Run("the fewest columns", func(t *testing.T) { t.Parallel(); test(realtime(t, "fewest", fewestTables)) })
	t.Run("the advised columns", func(t *testing.T) { t.Parallel(); test(realtime(t, "advised", advisedTables)) })
	t.Run("more columns", func(t *testing.T) {
		t.Parallel()
		test(realtime(t, "strict", strictTables, storetest.OnShared(t)))
	})
}

func patch(of ...string) extension.Patch {
	p := extension.Patch{}
	for i := 0; i < len(of); i += 2 {
		p[of[i]] = of[i+1]
	}
	return p
}

func (x exchange) add(account string, more ...string) extension.Extension {
	x.Helper()
	p := patch(append([]string{"account", account, "name", "Nora", "secret", "keep^it-long"}, more...)...)
	e, err := extension.Rules{}.New(p)
	if err != nil {
		x.Fatal(err)
	}
	if e, err = x.Add(x.Context(), e); err != nil {
		x.Fatal(err)
	}
	return e
}

func (x exchange) follow(account string, more ...string) extension.FollowMe {
	x.Helper()
	f, err := extension.Rules{}.NewFollowMe(patch(append([]string{"grpnum", account, "grplist", "101-0551234567#"}, more...)...))
	if err != nil {
		x.Fatal(err)
	}
	if f, err = x.AddFollowMe(x.Context(), f); err != nil {
		x.Fatal(err)
	}
	return f
}

func TestExtensionsOfEveryPBX(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		ctx := x.Context()
		if all, err := x.Extensions(ctx); err != nil || all == nil || len(all) != 0 {
			x.Errorf("%v %v", all, err)
		}
		made := x.add("204")
		x.add("205", "name", "Ana")
		x.add("1001")
		x.follow("205")
		others := x.everythingBut("204")
		if got, err := x.Extension(ctx, "204"); err != nil || got != made {
			x.Errorf("%+v: %v", extension.Diff(made, got), err)
		}
		if string(made.Secret) != "keep^it-long" || made.Context != "from-internal" {
			x.Errorf("kept is %v", made.Values(true))
		}
		again, err := extension.Rules{}.New(patch("account", "204", "name", "Eve", "secret", "stolen-it"))
		if err != nil {
			x.Fatal(err)
		}
		if _, err := x.Add(ctx, again); !errors.Is(err, models.ErrConflict) || strings.Contains(err.Error(), "stolen") {
			x.Errorf("twice: %v", err)
		}
		before, after, err := x.Update(ctx, "204", patch("context", "from-office", "secret", "another-one"), nil)
		if err != nil || before != made || after.Context != "from-office" || string(after.Secret) != "another-one" {
			x.Errorf("%v %v: %v", before, after, err)
		}
		if diff := cmp.Diff([]string{"secret", "context"}, changed(extension.Diff(before, after))); diff != "" {
			x.Error(diff)
		}
		if got, err := x.Extension(ctx, "204"); err != nil || got != after {
			x.Errorf("%+v: %v", extension.Diff(after, got), err)
		}
		if diff := cmp.Diff(others, x.everythingBut("204")); diff != "" {
			x.Errorf("others have changed: %s", diff)
		}
		all, err := x.Extensions(ctx)
		if err != nil || len(all) != 3 || all[0] != after || all[1].Account != "205" || all[2].Account != "1001" {
			x.Errorf("%v: %v", all, err)
		}
		removed, err := x.Delete(ctx, "204", nil)
		if err != nil || removed.Extension != after || removed.FollowMe != nil {
			x.Errorf("%v: %v", removed, err)
		}
		if diff := cmp.Diff(others, x.everythingBut("none")); diff != "" {
			x.Errorf("something is left, or too much gone: %s", diff)
		}
		for name, err := range map[string]error{
			"read":   second(x.Extension(ctx, "204")),
			"update": third(x.Update(ctx, "204", patch("context", "a"), nil)),
			"delete": second(x.Delete(ctx, "204", nil)),
		} {
			if !errors.Is(err, models.ErrNotFound) {
				x.Errorf("%s of nobody: %v", name, err)
			}
		}
		if diff := cmp.Diff(others, x.everythingBut("none")); diff != "" {
			x.Errorf("an update of nobody wrote: %s", diff)
		}
		removed, err = x.Delete(ctx, "205", nil)
		if err != nil || removed.FollowMe == nil || removed.FollowMe.GrpNum != "205" {
			x.Errorf("%v: %v", removed, err)
		}
		if _, err := x.FollowMe(ctx, "205"); !errors.Is(err, models.ErrNotFound) {
			x.Errorf("its follow-me stays: %v", err)
		}
		if rows := x.everythingBut("1001"); rows != nil {
			x.Errorf("rows stay: %q", rows)
		}
		x.add("204")
	})
}

func changed(differences []extension.Difference) (fields []string) {
	for _, d := range differences {
		fields = append(fields, d.Field)
	}
	return fields
}

func second[T any](_ T, err error) error      { return err }
func third[A, B any](_ A, _ B, e error) error { return e }

// TestNumbersThatAreNone never get to a database: it may find 204 under other spellings.
func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		x.add("204")
		x.follow("204")
		before := x.everythingBut("none")
		for _, account := range []string{"", "204 ", " 204", "２０４", "204' OR '1'='1", "204;", "%", "2\x0004", "20_", strings.Repeat("2", 21)} {
			ctx := x.Context()
			for name, err := range map[string]error{
				"Extension": second(x.Extension(ctx, account)), "Update": third(x.Update(ctx, account, patch("context", "evil"), nil)), "Delete": second(x.Delete(ctx, account, nil)),
				"FollowMe": second(x.FollowMe(ctx, account)), "UpdateFollowMe": third(x.UpdateFollowMe(ctx, account, patch("grptime", "5"), nil)),
				"DeleteFollowMe": second(x.DeleteFollowMe(ctx, account, nil)),
			} {
				if !errors.Is(err, models.ErrNotFound) {
					x.Errorf("%s of %q: %v", name, account, err)
				}
			}
			for name, err := range map[string]error{
				"Add":         second(x.Add(ctx, extension.Extension{Account: account})),
				"AddFollowMe": second(x.AddFollowMe(ctx, extension.FollowMe{GrpNum: account})),
			} {
				if !errors.Is(err, models.ErrInvalid) {
					x.Errorf("%s of %q: %v", name, account, err)
				}
			}
		}
		if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
			x.Error(diff)
		}
	})
}

func TestValuesAreBound(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		x.add("205")
		x.follow("205")
		others := x.everythingBut("204")
		evil := `x' OR 1=1 -- \`
		e := x.add("204", "secret", evil, "callerid", `O'Neil <204>`, "name", `O'Neil`)
		if string(e.Secret) != evil {
			x.Errorf("the secret is %q", string(e.Secret))
		}
		f := x.follow("204", "grppre", evil, "dring", evil)
		if got, err := x.FollowMe(x.Context(), "204"); err != nil || !cmp.Equal(got, f) || got.GrpPre != evil {
			x.Errorf("%+v: %v", got, err)
		}
		if _, _, err := x.Update(x.Context(), "204", patch("secret", evil+evil), nil); err != nil {
			x.Error(err)
		}
		if _, _, err := x.UpdateFollowMe(x.Context(), "204", patch("grppre", evil+evil), nil); err != nil {
			x.Error(err)
		}
		for _, p := range []extension.Patch{patch("callerid", "a\nb"), patch("secret", "12345678\n[999]"), patch("context", "a;b"), patch("deny", "' OR ''='")} {
			if _, _, err := x.Update(x.Context(), "204", p, nil); !errors.Is(err, models.ErrInvalid) {
				x.Errorf("%v: %v", p, err)
			}
		}
		if diff := cmp.Diff(others, x.everythingBut("204")); diff != "" {
			x.Error(diff)
		}
	})
}

func TestFollowMesOfEveryPBX(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		ctx := x.Context()
		x.add("204")
		x.add("205")
		if all, err := x.FollowMes(ctx); err != nil || all == nil || len(all) != 0 {
			x.Errorf("%v %v", all, err)
		}
		made := x.follow("204", "strategy", "hunt", "pre_ring", "7", "needsconf", "CHECKED", "annmsg_id", "3")
		x.follow("205", "strategy", "ringall")
		others := x.everythingBut("204")
		if got, err := x.FollowMe(ctx, "204"); err != nil || !cmp.Equal(got, made) {
			x.Errorf("%+v: %v", got, err)
		}
		if _, err := x.AddFollowMe(ctx, made); !errors.Is(err, models.ErrConflict) {
			x.Errorf("twice: %v", err)
		}
		nobody := made
		nobody.GrpNum = "999"
		var wrong *extension.FieldError
		if _, err := x.AddFollowMe(ctx, nobody); !errors.As(err, &wrong) || wrong.Field != "grpnum" {
			x.Errorf("of nobody: %v", err)
		}
		before, after, err := x.UpdateFollowMe(ctx, "204", patch("grplist", "101, 102\n103#", "strategy", "memoryhunt"), nil)
		if err != nil || !cmp.Equal(before, made) || !cmp.Equal(after.GrpList, []string{"101", "102", "103#"}) || after.PreRing != 7 || !after.NeedsConf {
			x.Errorf("%+v %+v: %v", before, after, err)
		}
		if got, err := x.FollowMe(ctx, "204"); err != nil || !cmp.Equal(got, after) {
			x.Errorf("%+v: %v", got, err)
		}
		if _, _, err := x.UpdateFollowMe(ctx, "204", patch("strategy", "all at once"), nil); !errors.As(err, &wrong) || wrong.Field != "strategy" {
			x.Errorf("a bad strategy: %v", err)
		}
		if diff := cmp.Diff(others, x.everythingBut("204")); diff != "" {
			x.Errorf("the second entry has changed: %s", diff)
		}
		all, err := x.FollowMes(ctx)
		if err != nil || len(all) != 2 || !cmp.Equal(all[0], after) || all[1].GrpNum != "205" {
			x.Errorf("%+v: %v", all, err)
		}
		if gone, err := x.DeleteFollowMe(ctx, "204", nil); err != nil || !cmp.Equal(gone, after) {
			x.Errorf("%+v: %v", gone, err)
		}
		for name, err := range map[string]error{
			"read": second(x.FollowMe(ctx, "204")), "update": third(x.UpdateFollowMe(ctx, "204", patch("grptime", "5"), nil)), "delete": second(x.DeleteFollowMe(ctx, "204", nil)),
		} {
			if !errors.Is(err, models.ErrNotFound) {
				x.Errorf("%s of none: %v", name, err)
			}
		}
		if diff := cmp.Diff(others, x.everythingBut("204")); diff != "" {
			x.Error(diff)
		}
		x.follow("204")
	})
}

// TestOneOfManyWins: processes that add the same at a time.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		ctx := x.Context()
		e, err := extension.Rules{}.New(patch("account", "204", "name", "Nora", "secret", "keep-it-long"))
		if err != nil {
			x.Fatal(err)
		}
		f, err := extension.Rules{}.NewFollowMe(patch("grpnum", "204", "grplist", "1"))
		if err != nil {
			x.Fatal(err)
		}
		for i, do := range []func() error{func() error { return second(x.Add(ctx, e)) }, func() error { return second(x.AddFollowMe(ctx, f)) }} {
			if i == 1 { // the follow-me needs the extension
				if _, err := x.Add(ctx, e); err != nil && !errors.Is(err, models.ErrConflict) {
					x.Fatal(err)
				}
			} else if _, err := x.Delete(ctx, "204", nil); err != nil && !errors.Is(err, models.ErrNotFound) {
				x.Fatal(err)
			}
			results := make(chan error, 8)
			for range cap(results) {
				go func() { results <- do() }()
			}
			won := 0
			for range cap(results) {
				switch err := <-results; {
				case err == nil:
					won++
				case !errors.Is(err, models.ErrConflict):
					x.Error(err)
				}
			}
			if won != 1 {
				x.Errorf("%d have added it", won)
			}
		}
		// Changes of different fields at a time are all kept.
		var group sync.WaitGroup
		for _, p := range []extension.Patch{patch("context", "c9"), patch("secret", "changed-too")} {
			group.Go(func() {
				if _, _, err := x.Update(ctx, "204", p, nil); err != nil {
					x.Error(err)
				}
			})
		}
		group.Wait()
		if got, err := x.Extension(ctx, "204"); err != nil || got.Context != "c9" || string(got.Secret) != "changed-too" {
			x.Errorf("%v: %v", got, err)
		}
	})
}

func TestPBXThatIsAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	free, err := store.OpenFreePBX(store.PBXConfig{Addr: addr, User: "u", Password: "secret7", Name: "asterisk"})
	if err != nil {
		t.Fatal(err)
	}
	live, err := storetest.SQLite(t).Migrated(t).OpenPBXRealtime(store.PBXConfig{Addr: addr, User: "u", Password: "secret7", Name: "asterisk"}, extension.Realtime{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []extension.Backend{free, live} {
		e, err := extension.Rules{}.New(patch("account", "204", "name", "Nora", "secret", "keep-it-long"))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			second(b.Extensions(t.Context())), second(b.Extension(t.Context(), "204")), second(b.Add(t.Context(), e)), third(b.Update(t.Context(), "204", patch("context", "a"), nil)),
			second(b.Delete(t.Context(), "204", nil)),
		} {
			if !errors.Is(err, models.ErrUnavailable) || strings.Contains(err.Error(), "secret7") {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Extensions(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	// A database that is another program's.
	d := storetest.OnShared(t)
	free, err = store.OpenFreePBX(pbxConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = free.Close() })
	if _, err := free.Extensions(t.Context()); !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "no table sip") {
		t.Error(err)
	}
}

// TestChangesThatDepend on what they meet: somebody else may have been faster.
func TestChangesThatDepend(t *testing.T) {
	t.Parallel()
	onEveryPBX(t, func(x exchange) {
		ctx := x.Context()
		e, f := x.add("204"), x.follow("204")
		before := x.everythingBut("none")
		errOther := errors.New("it is another one")
		ofExtension := func(got extension.Extension) error {
			if got != e {
				x.Errorf("%v", extension.Diff(e, got))
			}
			return errOther
		}
		ofFollowMe := func(got extension.FollowMe) error {
			if !cmp.Equal(got, f) {
				x.Errorf("%v", extension.DiffFollowMe(f, got))
			}
			return errOther
		}
		for name, err := range map[string]error{
			"update": third(x.Update(ctx, "204", patch("context", "c2"), ofExtension)), "delete": second(x.Delete(ctx, "204", ofExtension)),
			"update follow-me": third(x.UpdateFollowMe(ctx, "204", patch("grptime", "5"), ofFollowMe)), "delete follow-me": second(x.DeleteFollowMe(ctx, "204", ofFollowMe)),
		} {
			if !errors.Is(err, errOther) {
				x.Errorf("%s: %v", name, err)
			}
		}
		change := patch("context", "c2", "secret", "another^one")
		was, would, err := x.Preview(ctx, "204", change)
		if err != nil || was != e || would.Context != "c2" {
			x.Errorf("%v %v: %v", was, would, err)
		}
		if _, _, err := x.Preview(ctx, "204", patch("context", "c 2")); !errors.Is(err, models.ErrInvalid) {
			x.Error(err)
		}
		if _, _, err := x.Preview(ctx, "205", change); !errors.Is(err, models.ErrNotFound) {
			x.Error(err)
		}
		if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
			x.Error(diff)
		}
		passes := func(extension.Extension) error {
			soon, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			if _, _, err := x.Update(soon, "204", patch("context", "c3"), nil); err == nil {
				x.Error("somebody else changed it between the check and the change")
			}
			return nil
		}
		if _, after, err := x.Update(ctx, "204", change, passes); err != nil || after.Context != would.Context || after.Secret != would.Secret {
			x.Errorf("%v: %v", extension.Diff(would, after), err)
		}
		// It can be taken back.
		_, after, err := x.Update(ctx, "204", extension.Inverse(was, would), nil)
		if err != nil || after != e {
			x.Errorf("%v: %v", extension.Diff(e, after), err)
		}
		if diff := cmp.Diff(before, x.everythingBut("none")); diff != "" {
			x.Error(diff)
		}
	})
}
