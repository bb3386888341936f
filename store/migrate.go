package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// ErrSchema says that the database's tables are not those that this program was built for.
var ErrSchema = errors.New("the database schema does not fit this version")

// ErrNewerSchema is an ErrSchema: a later program has migrated the database.
var ErrNewerSchema = fmt.Errorf("%w", ErrSchema)

// newerSchema says what to do about a database that a later program has migrated.
func newerSchema(current, target int64) error {
	return fmt.Errorf("%w: install the newer program (the database is at version %d, this program knows only %d)", ErrNewerSchema, current, target)
}

func (s *Store) goose() (*goose.Provider, error) {
	pool, err := s.write.DB()
	if err != nil {
		return nil, err
	}
	folder, sqlDialect, locker := "migrations/sqlite", goose.DialectSQLite3, lock.Locker(&fileLock{path: s.file + ".lock"})
	if s.dialect.name == serverDialect.name {
		// A lock in a table holds on every node of a cluster; GET_LOCK would not.
		folder, sqlDialect = "migrations/mysql", goose.DialectMySQL
		if locker, err = lock.NewMySQLTableLocker(lock.WithTableLockTimeout(migrationPoll, migrationPolls)); err != nil {
			return nil, err
		}
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(sqlDialect, pool, files, goose.WithDisableGlobalRegistry(true), goose.WithLocker(locker))
}

// Whoever finds another process migrating a server's database looks again each second, for five minutes.
const (
	migrationPoll  = time.Second
	migrationPolls = 300
)

// versions returns the schema's version, and the one that this program needs. A database without tables is version 0;
// looking makes none.
func (s *Store) versions(ctx context.Context, provider *goose.Provider) (current, target int64, err error) {
	for _, source := range provider.ListSources() {
		target = max(target, source.Version)
	}
	err = s.read.WithContext(ctx).Raw("SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version").Row().Scan(&current)
	if my, lite := code(err); my == myNoTable || lite&0xff == sqliteError {
		return 0, target, nil
	}
	return current, target, translate(err)
}

// Migrate brings the schema up to this version and returns the names of the migrations that it ran. Several at
// once are safe.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	provider, err := s.goose()
	if err != nil {
		return nil, err
	}
	current, target, err := s.versions(ctx, provider)
	if err != nil {
		return nil, err
	}
	switch {
	case current > target:
		return nil, newerSchema(current, target)
	case current == target:
		// Nothing need be written, not even a lock: a database that we can only read is no fault of its schema.
		if applied, err := s.number(ctx, "SELECT COUNT(DISTINCT version_id) FROM goose_db_version WHERE version_id > 0"); err != nil {
			return nil, err
		} else if applied == int64(len(provider.ListSources())) {
			return nil, nil
		}
	}
	results, err := provider.Up(ctx)
	var names []string
	for _, r := range results {
		names = append(names, r.Source.Path)
	}
	if my, _ := code(err); my == myNoTrigger {
		return names, fmt.Errorf("migrate the database: this user may not create triggers while the server keeps a binary log: "+
			"set log_bin_trust_function_creators=1 for the time of the migration, or run it as a user with SUPER: %w", err)
	}
	if my, _ := code(err); my == myTableDenied || my == myDenied {
		return names, fmt.Errorf("migrate the database: this database user may not change tables; run `admin migrate` as the one that owns them, "+
			"see docs/operations.md, section 3: %w", err)
	}
	if err != nil {
		return names, fmt.Errorf("migrate the database: %w", err)
	}
	return names, nil
}

// CheckSchema returns ErrSchema when the tables are older or newer than this program, and models.ErrUnavailable
// when the database cannot be asked.
func (s *Store) CheckSchema(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	provider, err := s.goose()
	if err != nil {
		return err
	}
	current, target, err := s.versions(ctx, provider)
	switch {
	case err != nil:
		return err
	case current == 0:
		return fmt.Errorf("%w; run `admin migrate` (it has no tables yet)", ErrSchema)
	case current > target:
		return newerSchema(current, target)
	case current < target:
		return fmt.Errorf("%w; run `admin migrate` (it is at version %d, this program needs %d)", ErrSchema, current, target)
	}
	return nil
}
