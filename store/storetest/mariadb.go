// Package storetest brings up real databases for tests and benchmarks. It must never be imported by the commands.
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		url := storetest.Shared(t).NewDatabase(t) // empty, ours alone, dropped afterwards
//		…
//	}
package storetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// ErrNotInstalled is returned by [Start] on a machine without MariaDB.
var ErrNotInstalled = errors.New("mariadbd is not installed (Debian: apt-get install mariadb-server-core, or e2e/setup.sh)")

// URLVariable names a server to use in place of one of our own: mysql://user:password@host:port/. The user must be
// allowed to create and drop databases. Several hosts, separated by commas, are nodes of one cluster: the stores of a test
// use them in turn.
const URLVariable = "TALKTIME_TEST_MYSQL_URL"

// The account that [Start] makes in its server. It listens on loopback and lives for one test run.
const (
	user     = "talktime"
	password = "talktime"
)

// Options are the properties of a server that tests and benchmarks differ in.
type Options struct {
	BufferPoolMB int      // 256 when zero
	Args         []string // further arguments for mariadbd, which override ours
}

// MariaDB is a throw-away server, durable like a real one: every commit is flushed to disk.
type MariaDB struct {
	server  *url.URL // without a database
	control *sql.DB  // not bound to a database
	nodes   []string // host:port of every node, of a cluster
	opened  atomic.Int64

	// The rest is empty for a server that is not ours.
	dir     string
	options Options
	child   *Child
}

// Start initialises and starts a server in a temporary directory. It ends with our process at the latest.
func Start(ctx context.Context, options Options) (*MariaDB, error) {
	installer, err := lookPath("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	if _, err := lookPath("mariadbd"); err != nil {
		return nil, err
	}
	removeStale()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("start MariaDB: %w", err)
	}
	m := &MariaDB{dir: dir, options: options}
	if err := m.initialise(ctx, installer); err != nil {
		m.Stop()
		return nil, fmt.Errorf("start MariaDB: %w", err)
	}
	return m, nil
}

func (m *MariaDB) initialise(ctx context.Context, installer string) error {
	for _, name := range []string{"data", "tmp"} {
		if err := os.Mkdir(filepath.Join(m.dir, name), 0o700); err != nil {
			return err
		}
	}
	install := exec.CommandContext(ctx, installer, append([]string{
		"--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal",
		"--datadir=" + m.path("data"), "--tmpdir=" + m.path("tmp"),
	}, runAs()...)...)
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}

	config := mysql.NewConfig()
	config.User = "root"
	config.Net = "unix"
	config.Addr = m.path("socket")
	var err error
	if m.control, err = openControl(config); err != nil {
		return err
	}

	// Between choosing a port and listening on it somebody else may have taken it.
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		m.server = &url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
		err = m.launch(ctx)
		if err == nil {
			break
		}
		if attempt == 3 || ctx.Err() != nil {
			return err
		}
	}
	return m.Exec(ctx, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'; GRANT ALL ON *.* TO '%s'@'%%' WITH GRANT OPTION", user, password, user))
}

// launch starts mariadbd on the data and the port we have, and returns when it answers.
func (m *MariaDB) launch(ctx context.Context) error {
	server, err := lookPath("mariadbd")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(m.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()

	args := []string{
		"--no-defaults",
		"--datadir=" + m.path("data"),
		"--tmpdir=" + m.path("tmp"), // servers that share one delete each other's temporary tables
		"--socket=" + m.path("socket"),
		"--pid-file=" + m.path("pid"),
		"--bind-address=127.0.0.1",
		"--port=" + m.server.Port(),
		"--skip-name-resolve",
		"--skip-log-bin",
		"--character-set-server=utf8mb4",
		"--max-connections=500",
		"--innodb-flush-log-at-trx-commit=1",
		fmt.Sprintf("--innodb-buffer-pool-size=%dM", cmp.Or(m.options.BufferPoolMB, 256)),
	}
	args = append(args, runAs()...)
	args = append(args, m.options.Args...)
	cmd := exec.Command(server, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if m.child, err = StartChild(cmd); err != nil {
		return err
	}
	return m.awaitReady(ctx)
}

func (m *MariaDB) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // crash recovery may take a while
	defer cancel()
	for {
		err := m.control.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-m.child.Done():
			return fmt.Errorf("mariadbd ended, %s\n%s", m.child.Exit(), m.logTail())
		case <-ctx.Done():
			m.child.Kill()
			return fmt.Errorf("mariadbd does not answer: %w\n%s", err, m.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DSN returns the URL of a database in the form of TALKTIME_DATABASE_URL: mysql://user:password@127.0.0.1:port/name.
func (m *MariaDB) DSN(database string) string { return m.server.JoinPath("/" + database).String() }

// node is the address that the next store is to use.
func (m *MariaDB) node() string {
	if !m.cluster() {
		return m.server.Host
	}
	return m.nodes[int(m.opened.Add(1)-1)%len(m.nodes)]
}

func (m *MariaDB) cluster() bool { return len(m.nodes) > 1 }

// awaitDatabase waits until every node of a cluster has a database.
func (m *MariaDB) awaitDatabase(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, node := range m.nodes {
		config := driverConfig(m.server.JoinPath("/" + name))
		config.Addr = node
		db, err := openControl(config)
		if err != nil {
			return err
		}
		for err = db.PingContext(ctx); err != nil && ctx.Err() == nil; err = db.PingContext(ctx) {
			time.Sleep(5 * time.Millisecond)
		}
		_ = db.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Exec runs one or more statements outside any database, with all privileges.
func (m *MariaDB) Exec(ctx context.Context, statements string) error {
	_, err := m.control.ExecContext(ctx, statements)
	return err
}

// CreateDatabase creates an empty database.
func (m *MariaDB) CreateDatabase(ctx context.Context, name string) error {
	if err := m.Exec(ctx, "CREATE DATABASE `"+name+"`"); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// NewDatabase creates an empty database for one test, drops it when the test has ended, and returns its URL.
func (m *MariaDB) NewDatabase(t testing.TB) string {
	t.Helper()
	name := "talktime_test_" + strings.ToLower(rand.Text()[:12])
	if err := m.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := m.awaitDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := m.Exec(ctx, "DROP DATABASE `"+name+"`"); err != nil {
			t.Logf("drop database %s: %v", name, err)
		}
	})
	return m.DSN(name)
}

// Kill ends the server with SIGKILL: no flush, no goodbye to its clients.
func (m *MariaDB) Kill() error {
	if m.child == nil {
		return errNotOurs("kill")
	}
	m.child.Kill()
	return nil
}

// Restart starts the server again on the same data and the same port; one that still runs is shut down in good order before.
func (m *MariaDB) Restart(ctx context.Context) error {
	if m.child == nil {
		return errNotOurs("restart")
	}
	m.child.Stop(30 * time.Second)
	if err := m.launch(ctx); err != nil {
		return fmt.Errorf("restart MariaDB: %w", err)
	}
	return nil
}

// Pause stops the server without ending it: connections stay open and nothing answers. Resume lets it go on.
func (m *MariaDB) Pause() error { return m.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (m *MariaDB) Resume() error { return m.signal(syscall.SIGCONT) }

func (m *MariaDB) signal(signal os.Signal) error {
	if m.child == nil {
		return errNotOurs("signal")
	}
	m.child.Signal(signal)
	return nil
}

// Stop ends the server and deletes its data.
func (m *MariaDB) Stop() {
	if m.control != nil {
		_ = m.control.Close()
	}
	if m.child != nil {
		m.child.Kill() // nobody needs the data, so nothing needs to be flushed
	}
	if m.dir != "" {
		_ = os.RemoveAll(m.dir)
	}
}

func (m *MariaDB) path(name string) string { return filepath.Join(m.dir, name) }

func (m *MariaDB) logTail() string {
	log, _ := os.ReadFile(m.path("log"))
	return string(log[max(0, len(log)-4000):])
}

// shared is the one server of this test process.
var shared struct {
	once   sync.Once
	server *MariaDB
	err    error
}

// Shared returns the server that all tests of this process share, and starts it for the first of them. Without MariaDB the
// test is skipped, or fails when CI=true. A test that kills its server starts one of its own with [Start].
func Shared(t testing.TB) *MariaDB {
	t.Helper()
	shared.once.Do(func() {
		if external := os.Getenv(URLVariable); external != "" {
			shared.server, shared.err = connect(external)
			return
		}
		shared.server, shared.err = Start(context.Background(), Options{})
	})
	if errors.Is(shared.err, ErrNotInstalled) {
		Skip(t, shared.err.Error())
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Main runs the tests of a package and ends the shared server:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		shared.server.Stop()
	}
	removeStale()
	return code
}

// Skip skips a test for something that the machine lacks. On a build server, where CI=true, that is a failure.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("not tested, and CI=true makes that a failure: %s", why)
	}
	t.Skipf("NOT TESTED: %s", why)
}

// Open opens a database by its URL (mysql://…) and closes it when the test has ended.
func Open(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openControl(driverConfig(u))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// connect uses a server that somebody else runs.
func connect(serverURL string) (*MariaDB, error) {
	u, err := url.Parse(serverURL)
	if err != nil || u.Scheme != "mysql" || u.Host == "" {
		return nil, fmt.Errorf("%s is not of the form mysql://user:password@host:port/", URLVariable)
	}
	u.Path = ""
	nodes := strings.Split(u.Host, ",")
	u.Host = nodes[0]
	control, err := openControl(driverConfig(u))
	if err != nil {
		return nil, err
	}
	if err := control.Ping(); err != nil {
		return nil, fmt.Errorf("connect to the server in %s: %w", URLVariable, err)
	}
	return &MariaDB{server: u, control: control, nodes: nodes}, nil
}

func driverConfig(u *url.URL) *mysql.Config {
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "3306"))
	config.DBName = strings.TrimPrefix(u.Path, "/")
	return config
}

func openControl(config *mysql.Config) (*sql.DB, error) {
	config.MultiStatements = true
	config.ParseTime = true
	config.InterpolateParams = true
	config.Logger = &mysql.NopLogger{} // a killed server is no news here
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// lookPath finds a program of MariaDB. A user's PATH often lacks the directory of servers.
func lookPath(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

// runAs is what MariaDB's programs want to hear before they run as root.
func runAs() []string {
	if os.Getuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// freePort finds a port below those that the kernel hands out for outgoing connections. In that range a client that
// tries again and again while the server is down would one day be connected to itself, and hold the port.
func freePort() (int, error) {
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(5000))
		if err != nil {
			return 0, err
		}
		port := 7000 + int(n.Int64())
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("no free port between 7000 and 12000")
}

const dirPrefix = "talktime-mariadb-"

// removeStale deletes what test processes left behind that were killed.
func removeStale() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

func errNotOurs(what string) error {
	return fmt.Errorf("%s: the server of %s is not ours", what, URLVariable)
}
