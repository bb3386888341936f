package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/store"
	"talktime/store/storetest"
)

// TestWritesAreProbedInEveryTable, and the probe changes nothing.
func TestWritesAreProbedInEveryTable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		query, db := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'", d.SQL(t)
		if d.Server != nil {
			query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
		}
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var tables []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(name, "goose") {
				tables = append(tables, name)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		probed := store.WrittenTables()
		slices.Sort(tables)
		slices.Sort(probed)
		if diff := cmp.Diff(tables, probed); diff != "" {
			t.Errorf("tables that exist (-) and that are probed (+):\n%s", diff)
		}
		count := func() (n int) {
			if err := db.QueryRowContext(t.Context(), "SELECT SUM(value) FROM counters").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		if err := s.CheckWrites(t.Context()); err != nil {
			t.Error(err)
		}
		if after := count(); after != before {
			t.Errorf("the counters were %d and are %d", before, after)
		}
	})
}

// TestMissingRights are told by table.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	d := storetest.OnShared(t)
	d.Migrated(t)
	name := "r" + d.Config.Name[len(d.Config.Name)-10:]
	exec := func(statement string) {
		t.Helper()
		if err := d.Server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'secret7'", name))
	t.Cleanup(func() { _ = d.Server.Exec(context.Background(), "DROP USER '"+name+"'@'%'") })
	for _, table := range append(store.WrittenTables(), "goose_db_version") {
		exec(fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON `%s`.%s TO '%s'@'%%'", d.Config.Name, table, name))
	}
	s := d.Open(t, func(c *store.Config) { c.User, c.Password = name, "secret7" })
	if err := s.CheckWrites(t.Context()); err != nil {
		t.Error(err)
	}
	exec(fmt.Sprintf("REVOKE INSERT ON `%s`.entries FROM '%s'@'%%'", d.Config.Name, name))
	exec(fmt.Sprintf("REVOKE ALL ON `%s`.tokens FROM '%s'@'%%'", d.Config.Name, name))
	err := s.CheckWrites(t.Context())
	const want = "the database cannot be written: our database user has no right to INSERT on entries; SELECT, INSERT, UPDATE, DELETE on tokens"
	if !errors.Is(err, store.ErrUnwritable) || err.Error() != want {
		t.Errorf("it says %v, want %s", err, want)
	}
}
