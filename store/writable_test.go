package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.CheckWrites(ended); err == nil || errors.Is(err, store.ErrUnwritable) {
			t.Errorf("asked after the end it says %v", err)
		}
		if after := count(); after != before {
			t.Errorf("the counters were %d and are %d", before, after)
		}
	})
}

// TestMigrateWithoutRights says who may.
func TestMigrateWithoutRights(t *testing.T) {
	t.Parallel()
	d := storetest.OnShared(t)
	name := "m" + d.Config.Name[len(d.Config.Name)-10:]
	for _, statement := range []string{
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'secret7'", name),
		fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON `%s`.* TO '%s'@'%%'", d.Config.Name, name),
	} {
		if err := d.Server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = d.Server.Exec(context.Background(), "DROP USER '"+name+"'@'%'") })
	s := d.Open(t, func(c *store.Config) { c.User, c.Password = name, "secret7" })
	_, err := s.Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "this database user may not change tables; run `admin migrate` as the one that owns them") {
		t.Errorf("it says %v", err)
	}
}

// TestDatabaseFile is not for everybody's eyes, and is not made where it must exist.
func TestDatabaseFile(t *testing.T) {
	t.Parallel()
	c := storetest.SQLite(t).Config
	c.Existing = true
	if _, err := store.Open(c); !errors.Is(err, store.ErrNoDatabase) || !strings.Contains(err.Error(), c.Path) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	c.Existing = false
	s, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.Path)
	if err != nil || info.Mode().Perm()&0o137 != 0 {
		t.Errorf("the file has the rights %v, %v", info.Mode(), err)
	}
	if report, err := s.Audit(t.Context()); err != nil || !report.Clean() {
		t.Errorf("audit: %v, %v", report, err)
	}
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
