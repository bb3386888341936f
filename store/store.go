package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/glebarez/sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"talktime/models"
)

// Config says which database to use: the SQLite file Path, or else the server at Addr.
type Config struct {
	Path     string
	Existing bool // the file must be there: none is made

	Addr     string // host:port
	User     string
	Password string
	Name     string // schema
	TLS      string // as the driver names it; empty = none

	Now      func() time.Time // nil = time.Now
	Location *time.Location   // of days and of timestamps without a zone; nil = the host's

	Provisions bool // note what a node manager is to be told of users' SIM cards

	AccessPrefixes []string // that stand before international numbers, such as 00, for whoever searches calls by country

	SearchTime time.Duration // what a search may take before it is models.ErrSlowSearch; 0 = 8 s, which is less than a request may
}

// Store is a database of ours. It is safe for use by many goroutines, and by many processes on one database.
type Store struct {
	write   *gorm.DB // where transactions that change something begin
	updates *sql.DB  // where Update's do: a server's sessions there are always in one, which saves it being told to begin
	read    *gorm.DB // SQLite reads beside its one writer
	// Searches have connections of their own, so that however many clients ask there are some left for calls.
	searches *sql.DB
	dialect  dialect
	file     string // of SQLite
	ids      ids
	now      func() time.Time

	location   *time.Location
	provisions bool
	searchTime time.Duration

	accessPrefixes []string

	mu    sync.RWMutex
	house map[houseKey]int64

	opened  opened
	keepers keepers

	groupDecks atomic.Bool // some group has a rate deck
	noLoad     atomic.Bool // the server reads no files of ours
	limits     atomic.Pointer[siteLimits]
	visited    visits
}

type houseKey struct{ currency, name string }

// Time limits of single steps towards a database server. A lock is waited for no longer than LockWait: what waits
// behind it are phone calls.
const (
	connectTimeout   = 2 * time.Second
	statementTimeout = 30 * time.Second
	lockWaitSeconds  = 2
	searchTime       = 8 * time.Second
	maxConnections   = 32
	maxSearches      = 4
	connectionLife   = 3 * time.Minute
)

// ErrNoDatabase says that there is no SQLite file, and that it was not to be made.
var ErrNoDatabase = errors.New("there is no database")

// Open prepares a database for use. A server need not be reachable yet; an SQLite file is created when absent, its
// folder too, unless it must be there: then the error is ErrNoDatabase. The schema is the business of Migrate and
// CheckSchema.
func Open(c Config) (*Store, error) {
	s := &Store{now: c.Now, house: map[houseKey]int64{}, provisions: c.Provisions, searchTime: cmp.Or(c.SearchTime, searchTime)}
	if s.now == nil {
		s.now = time.Now
	}
	s.ids.now = s.now
	s.accessPrefixes = slices.DeleteFunc(slices.Clone(c.AccessPrefixes), func(prefix string) bool { return !accessPrefix(prefix) })
	if s.location = c.Location; s.location == nil {
		s.location = time.Local
	}
	if c.Path != "" {
		return s, s.openSQLite(c.Path, c.Existing)
	}
	return s, s.openServer(c)
}

func (s *Store) openSQLite(path string, existing bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find the database: %w", err)
	}
	s.dialect, s.file = sqliteDialect, path
	if err := prepareFile(path, existing); err != nil {
		return err
	}
	pragmas := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("busy_timeout(%d)", lockWaitSeconds*1000), "foreign_keys(1)",
		"cache_size(-65536)", "temp_store(MEMORY)",
	}}
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	if s.write, err = openFile(file + "?" + pragmas.Encode() + "&_txlock=immediate"); err != nil {
		return fmt.Errorf("open %s: %w", path, translate(err))
	}
	if s.read, err = openFile(file + "?" + pragmas.Encode()); err != nil {
		return fmt.Errorf("open %s: %w", path, translate(err))
	}
	pool, err := s.write.DB()
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	s.updates = pool
	if pool, err = s.read.DB(); err != nil {
		return err
	}
	pool.SetMaxOpenConns(4)
	pragmas.Add("_pragma", "cache_size(-16384)")
	if s.searches, err = sql.Open(sqlite.DriverName, file+"?"+pragmas.Encode()); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	limitPool(s.searches, maxSearches)
	return nil
}

// openFile opens a file that another process may be making at this moment: both change it to a write-ahead log, for which SQLite does not
// wait as it does for other locks.
func openFile(name string) (db *gorm.DB, err error) {
	const pause = 20 * time.Millisecond
	for range lockWaitSeconds * time.Second / pause {
		if db, err = openGORM(sqlite.Open(name)); err == nil || !isLocked(err) {
			return db, err
		}
		<-time.NewTimer(pause).C
	}
	return db, err
}

// prepareFile sees that there is a file that we may read, and says in the system's words why not. It does not open one
// that is there: to close it again would take the locks away that another Store of this process has on it.
func prepareFile(path string, existing bool) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder, but must be the file of the database", path)
	case err == nil:
		if err := syscall.Access(path, readable); err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open the database: %w", err)
	case existing:
		return fmt.Errorf("%w at %s; `admin migrate` makes one", ErrNoDatabase, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("make the folder of the database: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // Asterisk's user may share its group
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return file.Close()
}

// readable is R_OK of access(2).
const readable = 4

func (s *Store) openServer(c Config) error {
	s.dialect = serverDialect
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName, config.TLSConfig = "tcp", c.Addr, c.User, c.Password, c.Name, c.TLS
	config.ParseTime, config.Loc = true, time.UTC
	config.InterpolateParams, config.ClientFoundRows = true, true
	config.Timeout, config.ReadTimeout, config.WriteTimeout = connectTimeout, statementTimeout, statementTimeout
	config.Params = map[string]string{
		"time_zone": "'+00:00'", "innodb_lock_wait_timeout": fmt.Sprint(lockWaitSeconds),
		// Whatever the server's default is: what does not fit is refused, never cut off.
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
		// A batch looks up long lists by unique keys: without this the optimizer would first find every row of the list
		// once, to learn that each is one.
		"eq_range_index_dive_limit": "2",
	}
	config.Collation = "utf8mb4_general_ci"
	config.Logger = mysqldriver.Logger(quiet{})
	pool, err := openPool(config, maxConnections)
	if err != nil {
		return err
	}
	if s.searches, err = openPool(config, maxSearches); err != nil {
		return err
	}
	config.Params["autocommit"] = "0"
	if s.updates, err = openPool(config, maxConnections); err != nil {
		return err
	}
	s.write, err = openGORM(mysql.New(mysql.Config{Conn: pool, SkipInitializeWithVersion: true}))
	s.read = s.write
	return err
}

func openPool(config *mysqldriver.Config, most int) (*sql.DB, error) {
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	pool := sql.OpenDB(sessions{connector})
	limitPool(pool, most)
	pool.SetConnMaxLifetime(connectionLife)
	return pool, nil
}

func limitPool(pool *sql.DB, most int) {
	pool.SetMaxOpenConns(most)
	pool.SetMaxIdleConns(most)
}

func openGORM(d gorm.Dialector) (*gorm.DB, error) {
	return gorm.Open(d, &gorm.Config{
		TranslateError: true, SkipDefaultTransaction: true, DisableAutomaticPing: true,
		NowFunc: func() time.Time { return time.Now().UTC() },
		Logger:  logger.Discard,
	})
}

// sessions makes sessions of a server behave the same, whatever it is.
type sessions struct{ driver.Connector }

func (c sessions) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, setting := range []string{
		// What the row locks of Update are written for: gap locks would make committers wait for one another. The
		// statement is the same on MySQL and on MariaDB, whose variables for it have different names.
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		// Nodes of a Galera cluster see at once what was committed at another: a user who was made there, a call that was
		// authorised there. Elsewhere it does nothing, and MySQL does not know it.
		"SET SESSION wsrep_sync_wait = 1",
	} {
		_, err := conn.(driver.ExecerContext).ExecContext(ctx, setting, nil)
		if my, _ := code(err); err != nil && my != myNoVariable {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// quiet drops the driver's own log lines: every error reaches us as an error.
type quiet struct{}

func (quiet) Print(...any) {}

// Close ends all connections.
func (s *Store) Close() error {
	write, err := s.write.DB()
	if err != nil {
		return err
	}
	read, err := s.read.DB()
	if err != nil {
		return err
	}
	return errors.Join(s.searches.Close(), read.Close(), write.Close(), s.updates.Close()) // closing one again does nothing
}

// Lanes is how many committers this database gains from.
func (s *Store) Lanes() int {
	if s.dialect.name == sqliteDialect.name {
		return 1
	}
	return 2
}

// Ping asks the database whether it is there.
func (s *Store) Ping(ctx context.Context) error {
	pool, err := s.read.DB()
	if err != nil {
		return err
	}
	return translate(pool.PingContext(ctx))
}

// Clock is the database's own time of day.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var text string
	if err := s.read.WithContext(ctx).Raw("SELECT " + s.dialect.nowText).Row().Scan(&text); err != nil {
		return time.Time{}, translate(err)
	}
	return time.ParseInLocation("2006-01-02 15:04:05.999999", text, time.UTC)
}

// dialect is what differs between the databases on the paths that we write by hand.
type dialect struct {
	name      string
	now       string // the database's clock, in the form of our columns
	nowText   string // the same as text
	forUpdate string
	maxParams int    // in one statement
	begin     string // begins a transaction of Update; empty = a session of its is always in one
	upsert    string

	insertIgnore string // inserts rows but those that are there
	excluded     func(column string) string
	useOwner     string // hint: read accounts through the index of their owner
	inOrder      string // joins a table to the one before, which is read first
}

var sqliteDialect = dialect{
	name: "sqlite3", now: "strftime('%Y-%m-%d %H:%M:%f', 'now')", nowText: "strftime('%Y-%m-%d %H:%M:%f', 'now')",
	maxParams: 200, // binding costs the square of it
	begin:     "BEGIN IMMEDIATE",

	insertIgnore: "INSERT OR IGNORE",
	upsert:       " ON CONFLICT (id) DO UPDATE SET ",
	excluded:     func(column string) string { return column + " = excluded." + column },
	inOrder:      "CROSS JOIN",
}

var serverDialect = dialect{
	name: "mysql", now: "UTC_TIMESTAMP(6)", nowText: "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f')",
	forUpdate: " FOR UPDATE", maxParams: 20000, insertIgnore: "INSERT IGNORE",
	upsert:   " ON DUPLICATE KEY UPDATE ",
	excluded: func(column string) string { return column + " = VALUES(" + column + ")" },
	useOwner: " FORCE INDEX (accounts_owner)", inOrder: "STRAIGHT_JOIN",
}

// stamp is how instants are written: fixed width, so that they also compare as text.
func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

const stampLayout = "2006-01-02 15:04:05.000000"

func stampPtr(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// MySQL's error numbers, and SQLite's primary result codes, that mean something to us.
const (
	myDuplicate    = 1062
	myLockWait     = 1205
	myDeadlock     = 1213
	mySnapshot     = 1020 // MariaDB: record has changed since last read
	myNotReady     = 1047 // Galera: node is not ready
	myReadOnly     = 1290 // --read-only during a failover
	myShutdown     = 1053
	myTooMany      = 1040
	myReadOnlyTx   = 1792
	myReadOnlyMode = 1836
	myTableDenied  = 1142
	myColumnDenied = 1143
	myUnknownDB    = 1049
	myAccess       = 1045
	myDenied       = 1044
	myNoTable      = 1146
	myNoVariable   = 1193
	myNotAllowed   = 1148 // as myLocalOff, in old versions
	myLocalOff     = 4166 // local_infile, in MariaDB
	myLocalRefused = 3948 // the same in MySQL
	myNoTrigger    = 1419 // the server keeps a binary log and our user may not create triggers
	sqliteError    = 1    // no such table, when the statement itself is right
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteIO       = 10
	sqliteOpen     = 14 // the file, or one of those beside it, cannot be opened
	sqliteUnique   = 2067
	sqlitePrimary  = 1555
)

// coder is how the SQLite driver gives its extended result code.
type coder interface{ Code() int }

func code(err error) (mysql int, sqlite int) {
	var my *mysqldriver.MySQLError
	if errors.As(err, &my) {
		return int(my.Number), 0
	}
	var lite coder
	if errors.As(err, &lite) {
		return 0, lite.Code()
	}
	return 0, 0
}

func isDuplicate(err error) bool {
	my, lite := code(err)
	return my == myDuplicate || lite == sqliteUnique || lite == sqlitePrimary || errors.Is(err, gorm.ErrDuplicatedKey)
}

func isLocked(err error) bool {
	my, lite := code(err)
	return my == myLockWait || lite&0xff == sqliteBusy || lite&0xff == sqliteLocked
}

// isTransient reports whether the whole transaction should be done again.
func isTransient(err error) bool {
	my, _ := code(err)
	switch my {
	case myDeadlock, mySnapshot, myNotReady, myShutdown:
		return true
	case 0:
		return isLost(err)
	}
	return false
}

// isLost reports whether the connection broke, so that nobody knows what became of the statement.
func isLost(err error) bool {
	var network interface{ Timeout() bool }
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysqldriver.ErrInvalidConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded)
}

var errCannotOpen = errors.New("the database file, or those beside it that end with -wal and -shm, cannot be opened; " +
	"our user must be able to write them and their folder")

// translate turns driver errors into the kinds that others tell apart.
func translate(err error) error {
	if err == nil {
		return nil
	}
	my, lite := code(err)
	switch {
	case errors.Is(err, models.ErrUnavailable):
		return err
	case lite&0xff == sqliteOpen:
		return errCannotOpen // SQLite's own words are "out of memory"
	case lite&0xff == sqliteIO:
		return fmt.Errorf("%w; see whether the disk is full or broken", err)
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("%w: %w", models.ErrNotFound, err)
	case isDuplicate(err):
		return fmt.Errorf("%w: %w", models.ErrConflict, err)
	case isLost(err), my == myNotReady, my == myShutdown, my == myTooMany, my == myReadOnly, my == myAccess, my == myUnknownDB, my == myDenied:
		return fmt.Errorf("%w: %w", models.ErrUnavailable, err)
	}
	return err
}
