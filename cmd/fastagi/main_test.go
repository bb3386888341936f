package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"talktime/agi/agitest"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// patience bounds what a test waits for; only a failing test waits that long.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"fastagi": main})
}

// withServers ends what the tests of this package started.
type withServers struct{ *testing.M }

func (m withServers) Run() int { return storetest.Main(m.M) }

// TestScripts runs the command in one empty folder for each script. Besides testscript's own commands there is
//
//	exits CODE PROGRAM ARGS…   the program ends with exactly this code
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// journal is what a process says, while it says it.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed when something was added
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.more)
	j.more = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// await returns the first whole line with this text.
func (j *journal) await(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		j.mu.Lock()
		said, more := j.text.String(), j.more
		j.mu.Unlock()
		for line := range strings.Lines(said) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				return line
			}
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("not in %v: a line with %s\n%s", patience, text, said)
		}
	}
}

// site is a folder in which commands run, with its settings.
type site struct {
	dir string
	env map[string]string
}

// newSite is a site with an SQLite file of its own, which reconciles every second.
func newSite(t *testing.T) *site {
	t.Helper()
	return &site{t.TempDir(), map[string]string{
		"TALKTIME_FASTAGI_LISTEN": "127.0.0.1:0", "TALKTIME_RECONCILE_SECONDS": "1", "TALKTIME_MAX_CALL_SECONDS": "60",
		"TALKTIME_TIMEZONE": "UTC",
	}}
}

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command("fastagi", args...)
	cmd.Dir = s.dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TALKTIME_") && !strings.HasPrefix(entry, "DB") && !strings.HasPrefix(entry, "API_TOKEN") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// process is a fastagi that runs.
type process struct {
	*storetest.Child
	log     *journal
	address string
}

// start runs the server until the test ends, and returns when it is ready.
func (s *site) start(t *testing.T) *process {
	t.Helper()
	p := s.launch(t)
	var ready struct{ Listen string }
	if err := json.Unmarshal([]byte(p.log.await(t, `"msg":"ready"`)), &ready); err != nil {
		t.Fatal(err)
	}
	p.address = ready.Listen
	return p
}

// launch runs the server without waiting for anything.
func (s *site) launch(t *testing.T) *process {
	t.Helper()
	p := &process{log: newJournal()}
	cmd := s.command()
	cmd.Stderr, cmd.Stdout = p.log, p.log
	var err error
	if p.Child, err = storetest.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("fastagi:\n%s", p.log)
		}
	})
	return p
}

// ends expects the process to end in this way.
func (p *process) ends(t *testing.T, want string) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatalf("fastagi does not end\n%s", p.log)
	}
	if got := p.Exit(); got != want {
		t.Errorf("fastagi ended with %q, want %q\n%s", got, want, p.log)
	}
}

// store opens the database of the site, which fastagi or migrate has made.
func (s *site) store(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(store.Config{Path: filepath.Join(s.dir, "data", "talktime.db")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { audited(t, db) })
	return db
}

// audited checks the books of a database and closes it.
func audited(t *testing.T, db *store.Store) {
	t.Helper()
	report, err := db.Audit(context.Background())
	if err != nil || !report.Clean() {
		t.Errorf("audit: %q, %v", report.Differences, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

const (
	marta  = "555000204"
	abroad = "59899123000"
)

// addMarta makes the user of these tests, who has 100 SEC.
func addMarta(t *testing.T, db *store.Store) {
	t.Helper()
	u := models.NewUser{Username: "marta", CLID: marta, Balance: 100 * money.Unit}
	if _, err := db.AddUser(t.Context(), u, "test"); err != nil {
		t.Fatal(err)
	}
}

// has expects Marta's balance and what of it is held.
func has(t *testing.T, db *store.Store, balance, held int64) {
	t.Helper()
	b, err := db.UserByName(t.Context(), "marta")
	if err != nil || b.Balance.Whole() != balance || b.Held.Whole() != held {
		t.Errorf("Marta has %s with %s held, %v; want %d with %d", b.Balance, b.Held, err, balance, held)
	}
}

var channels struct {
	sync.Mutex
	last int
}

// call is a call of Marta's, on a channel of its own.
func call(script string) *agitest.Peer {
	channels.Lock()
	defer channels.Unlock()
	channels.last++
	return &agitest.Peer{Greeting: agitest.Greeting{
		Script: script, UniqueID: fmt.Sprintf("1795210434.%d", channels.last), CallerID: marta, Extension: abroad,
	}}
}

// talks is a Dial that is answered.
func talks(d time.Duration) func(*agitest.Dial) { return func(dial *agitest.Dial) { dial.Talk = d } }

// told expects the status that the dialplan finds.
func told(t *testing.T, p *agitest.Peer, status, reason string) {
	t.Helper()
	if p.Vars["TALKTIME_STATUS"] != status || p.Vars["TALKTIME_REASON"] != reason {
		t.Errorf("the dialplan is told %q, %q; want %q, %q", p.Vars["TALKTIME_STATUS"], p.Vars["TALKTIME_REASON"], status, reason)
	}
}
