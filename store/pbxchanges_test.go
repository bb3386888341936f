package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

// TestPBXChanges: they are kept as they are, newest first, for 30 days and up to 1,000 of them.
func TestPBXChanges(t *testing.T) {
	for name, d := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var days atomic.Int64
			first := time.Date(2026, 11, 21, 10, 0, 0, 250_000_000, time.UTC)
			database := d(t)
			database.Migrated(t)
			s := database.Open(t, func(c *store.Config) {
				c.Now = func() time.Time { return first.Add(time.Duration(days.Load()) * 24 * time.Hour) }
			})
			e, err := extension.Rules{}.New(extension.Patch{"account": "204", "name": "Nóra", "secret": `kx7'"\moss`})
			if err != nil {
				t.Fatal(err)
			}
			f, err := extension.Rules{}.NewFollowMe(extension.Patch{"grpnum": "204", "grplist": "204-0551#"})
			if err != nil {
				t.Fatal(err)
			}
			c := extension.Change{Actor: "ada", Kind: extension.KindExtension, Verb: extension.VerbDelete, Account: "204", Before: extension.Snapshot{Extension: &e, FollowMe: &f}, Undoes: 7}
			add := func(c extension.Change) {
				t.Helper()
				if err := s.AddPBXChange(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			read := func() []extension.Change {
				t.Helper()
				all, err := s.PBXChanges(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			add(c)
			all := read()
			if len(all) != 1 || !all[0].At.Equal(first) || all[0].Before.Text() != c.Before.Text() {
				t.Fatalf("%+v", all)
			}
			c.ID, c.At, all[0].At = all[0].ID, first, all[0].At.UTC()
			if diff := cmp.Diff(c, all[0]); diff != "" {
				t.Error(diff)
			}
			for i := range 1000 {
				add(extension.Change{Account: fmt.Sprint(i), Kind: extension.KindExtension, Verb: extension.VerbAdd})
			}
			if all = read(); len(all) != 1000 || all[0].Account != "999" || all[999].Account != "0" || !slices.IsSortedFunc(all, func(a, b extension.Change) int { return int(b.ID - a.ID) }) {
				t.Errorf("%d changes, %+v", len(all), all[0])
			}
			days.Store(31)
			if all = read(); len(all) != 0 {
				t.Errorf("%d are shown after 31 days", len(all))
			}
			if err := s.ForgetPBXChanges(t.Context()); err != nil {
				t.Error(err)
			}
			days.Store(0)
			if all = read(); len(all) != 0 {
				t.Errorf("%d are kept after 31 days", len(all))
			}
		})
	}
}

// TestSweep removes what is left of an extension whose endpoint has gone, and nothing of one that is there.
func TestSweep(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables)
	tables := x.Backend.(extension.Tables)
	for _, account := range []string{"204", "207"} {
		e, err := extension.Rules{}.New(patch("account", account, "name", "Nora", "secret", "keep-it-long", "host", "192.0.2."+account))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tables.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		f, err := extension.Rules{}.NewFollowMe(patch("grpnum", account, "grplist", "1-2"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tables.AddFollowMe(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	was := x.everythingBut("")
	if _, err := tables.Sweep(t.Context(), "204"); !errors.Is(err, models.ErrNotFound) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was, x.everythingBut("")); diff != "" {
		t.Error(diff)
	}
	others := x.everythingBut("204")
	x.exec("DELETE FROM ps_endpoints WHERE id = '204'")
	if f, err := tables.Sweep(t.Context(), "204"); err != nil || f == nil || f.GrpNum != "204" {
		t.Fatal(f, err)
	}
	for _, account := range []string{"204", "x'"} {
		if _, err := tables.Sweep(t.Context(), account); !errors.Is(err, models.ErrNotFound) {
			t.Error(account, err)
		}
	}
	if diff := cmp.Diff(others, x.everythingBut("")); diff != "" {
		t.Error(diff)
	}
	if all, err := tables.FollowMes(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// TestInspect names tables, columns and rights that are missing.
func TestInspect(t *testing.T) {
	t.Parallel()
	x := freePBX(t)
	b := x.Backend.(store.FreePBX)
	f, err := b.Inspect(t.Context())
	if diff := cmp.Diff(store.PBXFaults{}, f); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	x.exec("ALTER TABLE devices DROP COLUMN emergency_cid")
	x.exec("DROP TABLE findmefollow")
	f, err = b.Inspect(t.Context())
	if diff := cmp.Diff(store.PBXFaults{Tables: []string{"findmefollow"}, Columns: []string{"devices.emergency_cid"}}, f); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	fewest := realtime(t, "fewest", fewestTables)
	f, err = fewest.Backend.(store.PBXRealtime).Inspect(t.Context())
	if err != nil || !slices.Equal(f.Tables, []string{"ps_endpoint_id_ips", "ps_registrations"}) || !slices.Contains(f.Columns, "ps_endpoints.dtmf_mode") || strings.Contains(fmt.Sprint(f.Columns), "ps_aors.max_contacts") || f.Rights != nil {
		t.Errorf("%+v, %v", f, err)
	}

	// With the rights of somebody who only reads.
	d := storetest.OnShared(t)
	server := storetest.Shared(t)
	x = exchange{t, nil, d.SQL(t), "freepbx"}
	x.exec(freePBXTables)
	name := "r" + d.Config.Name[len(d.Config.Name)-10:]
	if err := server.Exec(t.Context(), fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'secret7'; GRANT SELECT ON `%s`.* TO '%s'@'%%'; GRANT INSERT ON `%s`.sip TO '%s'@'%%'", name, d.Config.Name, name, d.Config.Name, name)); err != nil {
		t.Fatal(err)
	}
	c := pbxConfig(d)
	c.User, c.Password = name, "secret7"
	reader, err := store.OpenFreePBX(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	f, err = reader.Inspect(t.Context())
	if want := "UPDATE on sip"; err != nil || !slices.Contains(f.Rights, want) || slices.Contains(f.Rights, "INSERT on sip") || !slices.Contains(f.Rights, "INSERT on users") || len(f.Rights) != 11 {
		t.Errorf("%v, %v", f, err)
	}
}
