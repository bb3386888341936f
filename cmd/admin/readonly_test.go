package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"talktime/internal/wiring"
	"talktime/store"
)

// stranger runs the command as a user who owns nothing here: nobody, when we are root, to whom no right is denied.
func stranger(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("admin")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "admin")
	if _, err := os.Stat(copied); err != nil {
		copyFile(t, program, copied)
	}
	cmd := exec.CommandContext(t.Context(), copied, args...)
	cmd.Dir = dir
	cmd.Env = []string{"TALKTIME_FASTAGI_LISTEN=127.0.0.1:1", "TALKTIME_ADMIN_LISTEN=127.0.0.1:0", "TALKTIME_DATABASE_URL=sqlite:data/t.db"}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnwritableDatabase: doctor says so, and what to do; the server says so when it starts, and stays up.
func TestUnwritableDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	for _, folder := range []string{filepath.Dir(dir), dir} { // others may come in
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(store.Config{Path: filepath.Join(data, "t.db")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	allow := func(file, folder os.FileMode) {
		files, err := filepath.Glob(filepath.Join(data, "t.db*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if err := os.Chmod(name, file); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(data, folder); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { allow(0o600, 0o700) })
	doctor := func(want ...string) {
		t.Helper()
		out, err := stranger(t, dir, "doctor").CombinedOutput()
		if err == nil {
			t.Errorf("doctor finds all well:\n%s", out)
		}
		for _, text := range want {
			if !strings.Contains(string(out), text) {
				t.Errorf("doctor does not say %s:\n%s", text, out)
			}
		}
	}

	allow(0o444, 0o555) // others have the database open, so that it can be read
	doctor("OK     database         sqlite:"+data+"/t.db answers", "FAIL   writing          the database cannot be written", "let our user write the file and its folder")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	doctor("FAIL   database  open "+data+"/t.db: ", "let our user read and write the file and its folder")
	allow(0o666, 0o555)
	doctor("FAIL   database  open "+data+"/t.db: ", "let our user read and write the file and its folder")
	allow(0o000, 0o555)
	doctor("FAIL   database  open " + data + "/t.db: permission denied")
	allow(0o600, 0o000)
	doctor("FAIL   database  open the database: stat " + data + "/t.db: permission denied")
}

// TestUnwritableDatabaseIsToldAtTheStart of the server, which stays up.
func TestUnwritableDatabaseIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	settings := map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + filepath.Join(dir, "data", "t.db")}
	if code := runNow(t, settings, "user", "add", "--admin", "anna", "--password", "secret7"); code != exitWell {
		t.Fatalf("admin user add ends with %d", code)
	}
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "data", "t.db")}) // so that it can be read
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if err := os.Chmod(name, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "data"), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "data"), 0o700) })
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := stranger(t, dir, "serve")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said string
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(said, `"msg":"the database cannot be written`); wiring.Pause(t.Context(), 20*time.Millisecond) {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		if said = string(text); time.Now().After(deadline) {
			t.Error("the server does not say that its database cannot be written")
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("the server has ended: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if t.Failed() {
		t.Log(said)
	}
}
