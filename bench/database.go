package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// opening is the balance that users begin with: enough for every call of a run.
const opening = 1_000_000_000 * money.Unit

// mariadb starts the server that all measurements share. What is tuned is what an operator would tune: memory and redo
// log. Every commit is flushed.
func (b *bench) mariadb(ctx context.Context) (*storetest.MariaDB, error) {
	if b.server != nil {
		return b.server, nil
	}
	pool := 2048
	if b.full {
		pool = 6144
	}
	server, err := storetest.Start(ctx, storetest.Options{BufferPoolMB: pool, Args: append([]string{"--innodb-log-file-size=1G"}, strings.Fields(b.serverArgs)...)})
	if err != nil {
		return nil, err
	}
	b.server = server
	db, err := openSQL(server.DSN(""), 1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&b.machine.mariadb); err != nil {
		return nil, err
	}
	b.machine.mariadb += fmt.Sprintf(", innodb_flush_log_at_trx_commit=1, no binlog, buffer pool %d MiB, redo log 1 GiB", pool)
	return server, nil
}

// openSQL opens a database of the server with plain database/sql, as a hand-written program would, with at most so many
// connections.
func openSQL(dsn string, connections int) (*sql.DB, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	c.InterpolateParams = true
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// database is one of ours, with users in it.
type database struct {
	*store.Store
	dsn   string
	users int
	pairs pairs // all that were made on it
}

// newDatabase makes a database of our schema on the server, without users.
func (b *bench) newDatabase(ctx context.Context, name string) (*database, error) {
	server, err := b.mariadb(ctx)
	if err != nil {
		return nil, err
	}
	if err := server.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	return openDatabase(ctx, server.DSN(name))
}

func openDatabase(ctx context.Context, dsn string) (*database, error) {
	parsed, err := config.ParseDatabase(dsn)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(store.Config{
		Path: parsed.Path, Addr: parsed.Addr(), User: parsed.User, Password: parsed.Password.Reveal(), Name: parsed.Name,
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &database{Store: s, dsn: dsn}, nil
}

func username(n int) string { return fmt.Sprintf("user%07d", n) }
func clid(n int) string     { return fmt.Sprintf("55%08d", n) }

// addUsers makes n users, numbered from 1, the way `admin user import` does.
func (d *database) addUsers(ctx context.Context, n int) error {
	d.users = n
	return d.ImportUsers(ctx, "bench", "bench", func(yield func(models.NewUser) error) error {
		for i := range n {
			u := models.NewUser{Username: username(i + 1), CLID: clid(i + 1), IMSI: fmt.Sprintf("00101%010d", i+1), Balance: opening}
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	})
}

// audit checks the books, that every call that was made is in them, and that no money is held any more.
func (d *database) audit(ctx context.Context) (billing.AuditReport, error) {
	report, err := d.Audit(ctx)
	switch {
	case err != nil:
		return report, err
	case !report.Clean():
		return report, fmt.Errorf("the books do not balance: %s", strings.Join(report.Differences[:min(5, len(report.Differences))], "; "))
	case report.OpenHolds != 0 || report.Unreconciled != 0 || report.Shortfalls != 0:
		return report, fmt.Errorf("%d calls are open, %d unreconciled, %d short of money", report.OpenHolds, report.Unreconciled, report.Shortfalls)
	case report.Calls != d.pairs.made.Load()+d.pairs.loaded:
		return report, fmt.Errorf("%d calls are in the books, %d were made", report.Calls, d.pairs.made.Load()+d.pairs.loaded)
	}
	return report, nil
}
