package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite" // lockSQLite

	"talktime/agi/agitest"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/store"
	"talktime/store/storetest"
)

// TestServes: one call from authorisation to reducer, then a graceful end.
func TestServes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t)
	c := call("caller")
	agitest.Call(t, p.address, c)
	told(t, c, "UNKNOWNCALLER", "no user has this caller id, account code or IMSI")

	db := s.store(t)
	addMarta(t, db)
	c = call("caller")
	c.Dial = talks(7 * time.Second)
	agitest.Call(t, p.address, c)
	told(t, c, "OK", "")
	agitest.Call(t, p.address, c.H("reducer"))
	has(t, db, 93, 0)
	p.Signal(syscall.SIGTERM)
	p.ends(t, "exit status 0")
	for _, text := range []string{`"msg":"stopping"`, `"msg":"stopped"`, `"msg":"traffic","ended":{"caller_OK":1,"caller_UNKNOWNCALLER":1,"reducer_done":1}`} {
		p.log.await(t, text)
	}
	for line := range strings.Lines(p.log.String()) { // who was refused is not in the books, and so in the log
		if strings.Contains(line, `"status":"OK"`) && strings.Contains(line, marta) {
			t.Errorf("a caller's number is in the log: %s", line)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t)
	s.env["TALKTIME_FASTAGI_LISTEN"] = p.address
	second := s.launch(t)
	second.ends(t, "exit status 1")
	want := "fastagi: TALKTIME_FASTAGI_LISTEN: listen tcp " + p.address + ": bind: address already in use\n"
	if got := second.log.String(); !strings.HasSuffix(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
	agitest.Call(t, p.address, call("caller")) // the first goes on
}

// TestUnusableDatabase: an SQLite file that is none ends the program with a sentence.
func TestUnusableDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := os.MkdirAll(filepath.Join(s.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "data", "talktime.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.launch(t)
	p.ends(t, "exit status 1")
	p.log.await(t, "file is not a database")
	p.log.await(t, "fastagi: TALKTIME_DATABASE_URL sqlite:"+s.dir+"/data/talktime.db: ")
}

// TestNewerDatabase: it was migrated by a later program, which is what to install.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t)
	p.Signal(syscall.SIGTERM)
	p.ends(t, "exit status 0")
	pool, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "talktime.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	p = s.launch(t)
	p.ends(t, "exit status 1")
	line := p.log.await(t, "install the newer program (the database is at version 9999, this program knows only ")
	if strings.Contains(line, "migrate") {
		t.Errorf("it says %s", line)
	}
}

// TestUnwritableSpool is told at the start, and no reason not to serve.
func TestUnwritableSpool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_SPOOL"] = "spool"
	if err := os.WriteFile(filepath.Join(s.dir, "spool"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.start(t)
	line := p.log.await(t, `"msg":"the spool cannot be written`)
	if !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, s.dir+"/spool is not a folder") {
		t.Errorf("it says %s", line)
	}
	p.log.await(t, `"database":"sqlite:`+s.dir+`/data/talktime.db"`)
	agitest.Call(t, p.address, call("caller"))
}

// during runs something in the middle of a call: before the command that begins so is answered.
func during(c *agitest.Peer, prefix string, do func()) {
	c.Event = func(_ int, command string) agitest.Event {
		if strings.HasPrefix(command, prefix) {
			do()
		}
		return agitest.Answer
	}
}

// TestFirstSignalDrains: a script that runs is finished, a call in Dial is left to Asterisk, nobody new comes in.
func TestFirstSignalDrains(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_SHUTDOWN_SECONDS"] = "20"
	p := s.start(t)
	db := s.store(t)
	addMarta(t, db)

	ringing, hangUp, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	talking := call("caller")
	talking.Dial = func(d *agitest.Dial) {
		close(ringing)
		<-hangUp
		d.Talk = 9 * time.Second
	}
	go func() {
		defer close(left)
		agitest.Call(t, p.address, talking)
	}()
	<-ringing
	balance := call("balance")
	during(balance, "ANSWER", func() {
		p.Signal(syscall.SIGTERM)
		p.log.await(t, `"msg":"stopping"`)
		p.log.await(t, `"status":"let_go"`)
		if conn, err := net.DialTimeout("tcp", p.address, time.Second); err == nil {
			conn.Close()
			t.Error("a server that stops takes connections")
		}
	})
	agitest.Call(t, p.address, balance)
	told(t, balance, "OK", "")
	if balance.Vars["TALKTIME_BALANCE"] != "40" || !strings.Contains(strings.Join(balance.Lines, "\n"), `> STREAM FILE "seconds" ""`) {
		t.Errorf("the script was not finished: %q", balance.Lines)
	}
	p.ends(t, "exit status 0")
	has(t, db, 100, 60)

	close(hangUp)
	<-left
	p = s.start(t)
	agitest.Call(t, p.address, talking.H("reducer"))
	has(t, db, 91, 0)
}

// stuck is a script that waits for an answer while do runs.
func stuck(t *testing.T, p *process, do func()) {
	t.Helper()
	c := call("balance")
	during(c, "SET VARIABLE", func() {
		do()
		<-p.Done()
	})
	agitest.Call(t, p.address, c)
}

// TestHangUpDrains: a terminal that is closed ends the server as Ctrl-C does, unless it was started with nohup.
func TestHangUpDrains(t *testing.T) {
	t.Parallel()
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("this test was started with nohup")
	}
	p := newSite(t).start(t)
	p.Signal(syscall.SIGHUP)
	p.ends(t, "exit status 0")
	p.log.await(t, `"msg":"stopped"`)
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_SHUTDOWN_SECONDS"] = "600"
	p := s.start(t)
	stuck(t, p, func() {
		p.Signal(syscall.SIGTERM)
		p.log.await(t, `"msg":"stopping"`)
		p.Signal(syscall.SIGINT)
		p.ends(t, "signal: interrupt")
	})
}

func TestShutdownHasAnEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_SHUTDOWN_SECONDS"] = "0"
	p := s.start(t)
	stuck(t, p, func() {
		p.Signal(syscall.SIGINT)
		p.ends(t, "exit status 0")
	})
	p.log.await(t, "some calls were left to their reducers")
}

// TestEmergencyAtTheEnd: the record of a call for help is not lost when the server stops, whatever the database does.
func TestEmergencyAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["TALKTIME_EMERGENCY"] = "112"
	p := s.start(t)
	db := s.store(t)
	unlock := s.lockSQLite(t)
	c := call("caller")
	c.Extension = "112"
	c.Dial = func(d *agitest.Dial) {
		p.Signal(syscall.SIGTERM)
		p.ends(t, "exit status 0")
		d.Talk = time.Minute
	}
	agitest.Call(t, p.address, c)
	unlock()
	p = s.start(t)
	eventually(t, "the record of the emergency call", func() bool {
		calls, err := db.CallsByID(t.Context(), []string{"127.0.0.1/" + c.UniqueID})
		return err == nil && len(calls) == 1
	})
	p.Signal(syscall.SIGTERM)
	p.ends(t, "exit status 0")
}

// eventually waits for what another process brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// TestSecretsAreNeverPrinted: neither when all is well nor when everything that has a secret is out of reach.
func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(s.dir, "secret")
	if err := os.WriteFile(file, []byte("geheim-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"TALKTIME_AMI_ADDR": "127.0.0.1:1", "TALKTIME_AMI_USER": "talktime", "TALKTIME_AMI_SECRET": "geheim-ami",
		"DB1_HOST": "127.0.0.1", "DB1_PORT": "1", "DB1_USER": "reader", "DB1_PASSWORD_FILE": file, "API_TOKEN": "geheim-token-1234567",
		"TALKTIME_ADMIN_PASSWORD": "geheim-admin",
	} {
		s.env[name] = value
	}
	p := s.start(t)
	db := s.store(t)
	addMarta(t, db)
	agitest.Call(t, p.address, call("authorize")) // an open call, about which both are asked
	p.log.await(t, "CDR database DB1")
	p.log.await(t, "manager interface")
	p.Signal(syscall.SIGTERM)
	p.ends(t, "exit status 0")

	s.env["TALKTIME_DATABASE_URL"] = "mysql://talktime:geheim-db@127.0.0.1:1/talktime"
	away := s.start(t)
	agitest.Call(t, away.address, call("caller"))
	away.Signal(syscall.SIGTERM)
	away.ends(t, "exit status 0")
	away.log.await(t, `"database":"mysql://talktime:***@127.0.0.1:1/talktime"`)
	for _, log := range []*journal{p.log, away.log} {
		if strings.Contains(log.String(), "geheim") {
			t.Errorf("a secret is in the log:\n%s", log)
		}
	}
}

// TestDatabaseServer: without its database the server listens and refuses, and takes calls as soon as the database is
// there. A schema that does not fit ends it, at the start and later.
func TestDatabaseServer(t *testing.T) {
	t.Parallel()
	server, err := storetest.Start(t.Context(), storetest.Options{BufferPoolMB: 64})
	if err != nil {
		storetest.Skip(t, err.Error())
	}
	t.Cleanup(server.Stop)
	s, empty := newSite(t), newSite(t)
	s.env["TALKTIME_DATABASE_URL"], empty.env["TALKTIME_DATABASE_URL"] = server.NewDatabase(t), server.NewDatabase(t)
	db := openURL(t, s.env["TALKTIME_DATABASE_URL"])
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	addMarta(t, db)

	const reason = "the database schema does not fit this version; run `admin migrate` (it has no tables yet)"
	wrong := empty.launch(t)
	wrong.ends(t, "exit status 1")
	if got := wrong.log.String(); !strings.HasPrefix(got, "fastagi: TALKTIME_DATABASE_URL mysql://") || !strings.HasSuffix(got, ": "+reason+"\n") {
		t.Errorf("with a wrong schema it says %q", got)
	}

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	p, later := s.start(t), empty.start(t)
	p.log.await(t, "the database cannot be reached: all calls are refused until it can")
	for _, script := range []string{"caller", "authorize", "balance"} {
		c := call(script)
		agitest.Call(t, p.address, c)
		told(t, c, "ERROR", "the database does not answer")
		line := p.log.await(t, `"unique_id":"`+c.UniqueID+`"`)
		if !strings.Contains(line, `"status":"ERROR"`) || !strings.Contains(line, "cannot be reached") {
			t.Errorf("%s: logged %s", script, line)
		}
	}
	if err := server.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, `"msg":"the database can be reached"`)
	c := call("caller")
	c.Dial = talks(7 * time.Second)
	agitest.Call(t, p.address, c)
	told(t, c, "OK", "")
	has(t, db, 93, 0)

	later.ends(t, "exit status 1")
	if got := later.log.String(); !strings.HasSuffix(got, ": "+reason+"\n") {
		t.Errorf("with a wrong schema that was found later it says %s", got)
	}

	// It goes away again, and the end of a call waits in the spool.
	c = call("authorize")
	agitest.Call(t, p.address, c)
	told(t, c, "OK", "")
	c.Vars["DIALSTATUS"], c.Vars["ANSWEREDTIME"], c.Vars["ANSWEREDTIME_MS"] = "ANSWER", "9", "9001"
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	agitest.Call(t, p.address, c.H("reducer"))
	p.log.await(t, `"spooled":true`)
	if err := server.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, `"msg":"settled from the spool"`)
	has(t, db, 84, 0)
	p.Signal(syscall.SIGTERM)
	p.ends(t, "exit status 0")
}

// TestMissingRightsAreToldAtTheStart: the server runs, and says at once what it may not do.
func TestMissingRightsAreToldAtTheStart(t *testing.T) {
	t.Parallel()
	server := storetest.Shared(t)
	whole := server.NewDatabase(t)
	if _, err := openURL(t, whole).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	schema := strings.TrimPrefix(u.Path, "/")
	name := "f" + schema[len(schema)-10:]
	if err := server.Exec(t.Context(), fmt.Sprintf("CREATE USER '%[1]s'@'%%' IDENTIFIED BY 'secret7'; GRANT SELECT ON `%[2]s`.* TO '%[1]s'@'%%'", name, schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Exec(context.Background(), "DROP USER '"+name+"'@'%'") })
	u.User = url.UserPassword(name, "secret7")
	s := newSite(t)
	s.env["TALKTIME_DATABASE_URL"] = u.String()
	p := s.start(t)
	line := p.log.await(t, `"msg":"the database cannot be written: all calls are refused until it can"`)
	if !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, "INSERT on entries") || strings.Contains(line, "secret7") {
		t.Errorf("it says %s", line)
	}
	c := call("caller")
	agitest.Call(t, p.address, c)
	if status := c.Vars["TALKTIME_STATUS"]; status != "ERROR" && status != "UNKNOWNCALLER" {
		t.Errorf("the caller is told %q", status)
	}
}

// openURL opens a database by its URL until the test ends.
func openURL(t *testing.T, url string) *store.Store {
	t.Helper()
	d, err := config.ParseDatabase(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(wiring.StoreConfig(config.Config{Database: d}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { audited(t, db) })
	return db
}

// lockSQLite keeps everybody else from writing to the database of a site, until unlock is called.
func (s *site) lockSQLite(t *testing.T) (unlock func()) {
	t.Helper()
	pool, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "talktime.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}
