package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/store/storetest"
)

// shellBlock is what the README tells a newcomer to type.
var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// TestREADME types every command of the README, in order, into a fresh copy of the project. Those that run until
// Ctrl-C are given time to get ready, must still run when the next commands use them, and are ended with Ctrl-C.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: clone(t), fastagi: freeAddr(t), admin: freeAddr(t)}
	t.Cleanup(r.interrupt)
	commands := 0
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" {
				commands++
				line = strings.ReplaceAll(line, "127.0.0.1:5000", r.admin)
				r.typeIn(line)
			}
		}
	}
	if commands < 8 {
		t.Errorf("found only %d commands in the README", commands)
	}
}

// clone copies what git would, and what is new, without what was built.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // deleted, not yet committed
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// reader is somebody who follows the README.
type reader struct {
	t              *testing.T
	dir            string
	fastagi, admin string
	running        *storetest.Child
}

// untilCtrlC are the commands that do not end by themselves.
var untilCtrlC = map[string]bool{"make run": true, "make demo": true}

func (r *reader) command(line string) *exec.Cmd {
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "TALKTIME_FASTAGI_LISTEN="+r.fastagi, "TALKTIME_ADMIN_LISTEN="+r.admin)
	return cmd
}

func (r *reader) typeIn(line string) {
	r.t.Helper()
	if !untilCtrlC[line] {
		if out, err := r.command(line).CombinedOutput(); err != nil {
			r.t.Errorf("%s: %v\n%s", line, err, out)
		}
		return
	}
	r.interrupt()
	cmd := r.command("exec " + line)
	out, err := os.Create(filepath.Join(r.t.TempDir(), "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if r.running, err = storetest.StartChild(cmd); err != nil {
		r.t.Fatal(err)
	}
	child := r.running
	lab.Eventually(r.t, 5*time.Minute, func() bool { return child.Ended() || reachable(r.fastagi) && reachable(r.admin) }, "%s is ready", line)
	if child.Ended() {
		text, _ := os.ReadFile(out.Name())
		r.t.Fatalf("%s ended:\n%s", line, text)
	}
	says := map[string]string{"make demo": "user admin, password ", "make run": "bin/admin user passwd admin"}[line] // the demo made the admin
	lab.Eventually(r.t, time.Minute, func() bool {
		text, err := os.ReadFile(out.Name())
		return err == nil && strings.Contains(string(text), says)
	}, "%s says %s", line, says)
	if line == "make demo" {
		lab.Eventually(r.t, time.Minute, func() bool {
			users, err := r.command("bin/admin audit --json").Output()
			return err == nil && regexp.MustCompile(`"transactions": ?[1-9][0-9]`).Match(users)
		}, "the demo shows charged calls")
	}
}

// interrupt is Ctrl-C, which a terminal sends to the whole group.
func (r *reader) interrupt() {
	if r.running == nil {
		return
	}
	child := r.running
	r.running = nil
	_ = syscall.Kill(-child.PID(), syscall.SIGINT)
	lab.Eventually(r.t, 30*time.Second, child.Ended, "Ctrl-C ends it")
	if reachable(r.fastagi) || reachable(r.admin) {
		r.t.Error("a server is left after Ctrl-C")
	}
}
