package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/dialplan"
	"talktime/e2e/lab"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// bin is the folder with the built commands.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "talktime-e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	build := exec.Command("go", "build", "-o", dir, "talktime/cmd/fastagi", "talktime/cmd/admin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the commands: %v\n%s", err, out)
		return 1
	}
	bin = dir
	return storetest.Main(m)
}

// site is a Talktime as an operator would run it: a database, and a fastagi process beside an Asterisk.
type site struct {
	t       *testing.T
	dir     string
	url     string
	addr    string // of fastagi
	env     map[string]string
	db      *store.Store
	fastagi *storetest.Child
}

// newSite makes a database and starts fastagi on it. Empty url: an SQLite file of its own.
func newSite(t *testing.T, url string, env map[string]string) *site {
	t.Helper()
	s := unstarted(t, url, env)
	s.start()
	return s
}

// unstarted is the same without fastagi.
func unstarted(t *testing.T, url string, env map[string]string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), url: url, addr: freeAddr(t), env: env}
	if s.url == "" {
		s.url = "sqlite:" + filepath.Join(s.dir, "talktime.db")
	}
	s.db = openStore(t, s.url)
	t.Cleanup(s.showLogs)
	return s
}

// openStore opens and migrates a database, and audits it when the test has ended.
func openStore(t *testing.T, url string) *store.Store {
	t.Helper()
	d := parse(t, url)
	c := store.Config{Path: d.Path, User: d.User, Password: string(d.Password), Name: d.Name}
	if d.Path == "" {
		c.Addr = d.Addr()
	}
	db, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := db.Audit(context.Background())
		if err != nil || !report.Clean() {
			t.Errorf("audit: %v %v", report.Differences, err)
		}
		_ = db.Close()
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func parse(t *testing.T, url string) config.Database {
	t.Helper()
	d, err := config.ParseDatabase(url)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// command is one of ours with the settings of this site.
func (s *site) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TALKTIME_DATABASE_URL="+s.url, "TALKTIME_FASTAGI_LISTEN="+s.addr,
		"TALKTIME_RECONCILE_SECONDS=1", "TALKTIME_MAX_CALL_SECONDS=60", "TALKTIME_RING_SECONDS=3", "TALKTIME_TIMEZONE=UTC")
	for key, value := range s.env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	return cmd
}

// start runs fastagi until it accepts calls.
func (s *site) start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "fastagi.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := s.command("fastagi")
	cmd.Stderr = log
	if s.fastagi, err = storetest.StartChild(cmd); err != nil {
		s.t.Fatal(err)
	}
	child := s.fastagi
	s.t.Cleanup(func() { child.Stop(15 * time.Second) })
	lab.Eventually(s.t, 15*time.Second, func() bool { return reachable(s.addr) || child.Ended() }, "fastagi listens on %s", s.addr)
	if child.Ended() {
		s.t.Fatal("fastagi ended at once")
	}
}

// serveAdmin runs the built admin server with these settings, beside a password of the administrator, until the test has ended, and returns
// where it is. Its log must hold none of the secrets.
func (s *site) serveAdmin(t *testing.T, settings map[string]string, secrets ...string) (base string, child *storetest.Child) {
	t.Helper()
	addr := freeAddr(t)
	s.env = map[string]string{"TALKTIME_ADMIN_LISTEN": addr, "TALKTIME_ADMIN_PASSWORD": "admin-2026"}
	maps.Copy(s.env, settings)
	out, err := os.CreateTemp(s.dir, "admin-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := s.command("admin", "serve")
	cmd.Stdout, cmd.Stderr = out, out
	if child, err = storetest.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Stop(15 * time.Second)
		text, err := os.ReadFile(out.Name())
		if err == nil && t.Failed() {
			t.Logf("admin serve on %s:\n%s", addr, text)
		}
		for _, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("the log of admin serve on %s holds a secret", addr)
			}
		}
	})
	lab.Eventually(t, 30*time.Second, func() bool { return child.Ended() || s.hasAdmin() && reachable(addr) }, "admin serve on %s", addr)
	if child.Ended() {
		t.Fatal("admin serve ended at once")
	}
	return "http://" + addr, child
}

func (s *site) hasAdmin() bool {
	exists, err := s.db.HasAdmin(context.Background())
	return err == nil && exists
}

func reachable(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// showLogs prints what fastagi said in a test that failed.
func (s *site) showLogs() {
	if !s.t.Failed() {
		return
	}
	text, _ := os.ReadFile(filepath.Join(s.dir, "fastagi.log"))
	s.t.Logf("fastagi:\n%s", text[max(0, len(text)-20000):])
}

// admin runs bin/admin and returns its output; the test fails when the exit code is another one.
func (s *site) admin(code int, args ...string) string {
	s.t.Helper()
	out, err := s.command("admin", args...).CombinedOutput()
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	if got != code {
		s.t.Errorf("admin %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return string(out)
}

// user makes a user with a phone number and an opening balance in SEC.
func (s *site) user(clid string, balance int64) {
	s.t.Helper()
	_, err := s.db.AddUser(s.t.Context(), models.NewUser{
		Username: "user-" + clid, CLID: clid, IMSI: "72499" + clid[max(0, len(clid)-9):], Balance: money.Amount(balance) * money.Unit,
	}, "test")
	if err != nil {
		s.t.Fatal(err)
	}
}

// balance is what the user with this number has, and what of it is held.
func (s *site) balance(clid string) (balance, held int64) {
	b, err := s.db.UserByName(context.Background(), "user-"+clid)
	if err != nil {
		return -1, -1
	}
	return b.Balance.Whole(), b.Held.Whole()
}

// settles waits until the user's calls are over and charged, to the unit.
func (s *site) settles(t *testing.T, clid string, want int64) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	balance, held := s.balance(clid)
	for (balance != want || held != 0) && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
		balance, held = s.balance(clid)
	}
	if balance != want || held != 0 {
		t.Errorf("user %s has %d SEC with %d held, want %d with 0 held", clid, balance, held, want)
	}
}

// rang checks that Asterisk told how soon the callee of a user's one call, who rings at once, was heard to ring.
func (s *site) rang(t *testing.T, clid string) {
	t.Helper()
	u, err := s.db.UserByName(t.Context(), "user-"+clid)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := s.db.ListCalls(t.Context(), models.ListRequest{User: u.ID, Number: 1, Size: 2})
	if err != nil || len(calls.Items) != 1 {
		t.Fatalf("user %s has %d calls, %v", clid, len(calls.Items), err)
	}
	if pdd := calls.Items[0].PDD; pdd == nil || *pdd >= 2000 {
		t.Errorf("the callee of user %s was heard to ring after %v ms", clid, pdd)
	}
}

// lab starts an Asterisk with our own sample dialplan, whose phones begin in the given context.
func (s *site) lab(phones string, options lab.Options) *lab.Lab {
	s.t.Helper()
	text, err := dialplan.Read("extensions-talktime.conf")
	if err != nil {
		s.t.Fatal(err)
	}
	options.Extensions = strings.Replace(string(text), "TALKTIME=agi://127.0.0.1:4573", "TALKTIME=agi://"+s.addr, 1)
	options.Context = phones
	return lab.Start(s.t, options)
}

// answered starts a call and waits until it is up.
func answered(t *testing.T, l *lab.Lab, spec lab.CallSpec) *lab.Call {
	t.Helper()
	call, err := l.StartCall(spec)
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, 10*time.Second, func() bool {
		result, err := call.Result()
		return err == nil && result.Answered() == 1
	}, "an answer to %s", spec.To)
	return call
}

// passed waits until a call has been up for some time. It is the subject of the test, not a race that is waited out.
func passed(d time.Duration) { <-time.After(d) }

// over waits for the end of a call and returns what the phone saw.
func over(t *testing.T, call *lab.Call) lab.CallResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := call.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return result.Calls[0]
}

// states counts calls by state.
func (s *site) listed(list string) int {
	calls, err := s.db.ListedCalls(context.Background(), list, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(calls)
}
