package storetest

import (
	"cmp"
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/store"
)

// Database is an empty database for one test, and the ways to it past our own code.
type Database struct {
	Config store.Config
	Server *MariaDB // nil for SQLite
}

// SQLite is a database in a file of its own.
func SQLite(t testing.TB) Database {
	t.Helper()
	return Database{Config: store.Config{Path: filepath.Join(t.TempDir(), "talktime.db")}}
}

// OnShared is a database on the server that the tests of this process share.
func OnShared(t testing.TB) Database {
	t.Helper()
	return On(t, Shared(t))
}

// On is a database on a server.
func On(t testing.TB, server *MariaDB) Database {
	t.Helper()
	return Database{Config: config(t, server.NewDatabase(t)), Server: server}
}

// config is the settings for a URL of the form mysql://user:password@host:port/name.
func config(t testing.TB, databaseURL string) store.Config {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return store.Config{Addr: u.Host, User: u.User.Username(), Password: password, Name: strings.TrimPrefix(u.Path, "/")}
}

// Open opens one more Store on the database, with connections of its own as another process has them.
func (d Database) Open(t testing.TB, edit ...func(*store.Config)) *store.Store {
	t.Helper()
	c := d.Config
	if d.Server != nil && c.Addr == d.Server.server.Host {
		c.Addr = d.Server.node()
	}
	c.SearchTime = cmp.Or(c.SearchTime, time.Minute) // the race detector has the tests take their time
	for _, e := range edit {
		e(&c)
	}
	s, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// clustered reports whether the database is on several nodes, each of which numbers its rows in steps of its own.
func (d Database) clustered() bool { return d.Server != nil && d.Server.cluster() }

// migrated is the file of a database that has all tables and nothing in them. It is made once: of a short test, making them would be the most.
var migrated = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "talktime-migrated")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "talktime.db")
	s, err := store.Open(store.Config{Path: path})
	if err != nil {
		return nil, err
	}
	_, err = s.Migrate(context.Background())
	if err := cmp.Or(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Migrated opens a Store whose tables are there. The test fails when the books do not balance at its end.
func (d Database) Migrated(t testing.TB) *store.Store {
	t.Helper()
	if d.Config.Path != "" {
		file, err := migrated()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.Config.Path); os.IsNotExist(err) {
			if err := os.WriteFile(d.Config.Path, file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := d.Open(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	Audited(t, s)
	return s
}

// Audited fails the test when the books do not balance at its end.
func Audited(t testing.TB, s *store.Store) {
	t.Helper()
	t.Cleanup(func() {
		report, err := s.Audit(context.Background())
		if err != nil {
			t.Errorf("audit: %v", err)
		}
		for _, difference := range report.Differences {
			t.Errorf("audit: %s", difference)
		}
	})
}

// SQL opens connections that know nothing of our code, as somebody with a database client has them.
func (d Database) SQL(t testing.TB) *sql.DB {
	t.Helper()
	if d.Server != nil {
		return Open(t, d.Server.DSN(d.Config.Name))
	}
	db, err := sql.Open("sqlite", "file:"+d.Config.Path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
