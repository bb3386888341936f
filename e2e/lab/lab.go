package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"talktime/store/storetest"
)

//go:embed conf sipp
var templates embed.FS

// The account of AMI and ARI, good for the one lab on loopback.
const (
	User   = "lab"
	Secret = "labsecret"
)

// asteriskPath is where Debian puts Asterisk, in the chroot.
const asteriskPath = "/usr/sbin/asterisk"

// Options say how a lab differs from the usual one.
type Options struct {
	// FastAGI is the host:port of the server that the default dialplan asks.
	FastAGI string

	// Extensions is the whole of extensions.conf; empty takes a default that hands every call to agi://FastAGI/caller, and
	// to /reducer in h. Contexts is appended to either.
	Extensions string
	Contexts   string

	// Context is where calls from phones start; "from-phones" when empty.
	Context string

	// PhoneAccount is the account code of [Phone], none when empty; Account that of [AccountPhone], "1002" when empty.
	PhoneAccount string
	Account      string

	// SystemName is Asterisk's systemname, which then begins every unique id.
	SystemName string

	// CDR sets values of cdr.conf, such as "endbeforehexten": "yes".
	CDR map[string]string

	// CDRDatabase is the URL (mysql://user:password@host:port/name) of a database for call records. Its tables are made
	// with CDRSchema, [FreePBXSchema] when empty. QueueLogTable has Asterisk write queue_log there as well.
	CDRDatabase   string
	CDRSchema     string
	QueueLogTable bool

	// Realtime is the URL of a database for telephones, trunks and follow-mes, whose tables are made with our pbx.sql. Asterisk then has
	// our samples for it, with values of the lab, and Talktime's accounts with the rights of these: see [Lab.PBXDatabase], [Talktime].
	Realtime string

	// Files are further configuration files, by name; they replace ours.
	Files map[string]string
}

// Lab is one Asterisk with its carrier.
type Lab struct {
	SIPAddr string // where phones call
	AMIAddr string // host:port of the manager interface, for User and Secret
	ARIURL  string // base URL of ARI, for User and Secret

	t       testing.TB
	options Options
	users   pbxUsers
	chroot  string
	dir     string // of this lab, as Asterisk sees it
	ports   *ports

	asterisk *storetest.Child
	callee   *storetest.Child

	mu   sync.Mutex // guards runs and the ports of callers
	runs int        // of SIPp as caller, so far
}

// Require skips a test that cannot run here, or fails it when CI=true, and says how to make it run.
func Require(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		storetest.Skip(t, "Asterisk in a chroot needs root")
	}
	if _, err := exec.LookPath("sipp"); err != nil {
		storetest.Skip(t, "SIPp is not installed (Debian: apt-get install sip-tester, or e2e/setup.sh)")
	}
	if _, err := findChroot(); err != nil {
		storetest.Skip(t, err.Error())
	}
}

// Start brings up a lab, after [Require]. It is stopped when the test has ended; of a test that failed the logs are shown.
func Start(t testing.TB, options Options) *Lab {
	t.Helper()
	Require(t)
	chroot, err := findChroot()
	if err != nil {
		t.Fatal(err)
	}
	if options.Context == "" {
		options.Context = "from-phones"
	}
	if options.Account == "" {
		options.Account = "1002"
	}
	if options.CDRSchema == "" {
		options.CDRSchema = FreePBXSchema
	}
	ports, err := claimPorts()
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{
		SIPAddr: hostPort(asteriskIP, ports.sip()),
		AMIAddr: hostPort(asteriskIP, ports.ami()),
		ARIURL:  "http://" + hostPort(asteriskIP, ports.http()) + "/ari",
		t:       t,
		options: options,
		chroot:  chroot,
		dir:     fmt.Sprintf("/lab/%d", ports.base),
		ports:   ports,
	}
	t.Cleanup(l.close)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.start(ctx); err != nil {
		t.Fatalf("start the lab: %v", err)
	}
	return l
}

func (l *Lab) start(ctx context.Context) error {
	if err := l.configure(); err != nil {
		return err
	}
	if l.options.CDRDatabase != "" {
		if _, err := storetest.Open(l.t, l.options.CDRDatabase).ExecContext(ctx, l.options.CDRSchema); err != nil {
			return fmt.Errorf("create the tables for call records: %w", err)
		}
	}
	if err := l.startCallee(); err != nil {
		return err
	}
	return l.boot(ctx)
}

// close ends everything at once: nobody needs what Asterisk might still want to say.
func (l *Lab) close() {
	for _, child := range []*storetest.Child{l.asterisk, l.callee} {
		if child != nil {
			child.Kill()
		}
	}
	if l.t.Failed() {
		l.dumpLogs()
	}
	_ = os.RemoveAll(l.Path())
	_ = l.ports.claim.Close()
}

// Path returns the path on the host of a file that belongs to this Asterisk: "log/full", "log/queue_log",
// "log/cdr-csv/Master.csv", "spool/monitor/…", "agi-bin/…", "etc/…".
func (l *Lab) Path(elements ...string) string {
	return filepath.Join(append([]string{l.chroot, l.dir}, elements...)...)
}

// Inside returns the path of the same file as Asterisk sees it.
func (l *Lab) Inside(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}

// configure writes the directories and the configuration afresh; a lab that was killed may have left some.
func (l *Lab) configure() error {
	if err := os.RemoveAll(l.Path()); err != nil {
		return err
	}
	for _, name := range []string{"etc", "lib/keys", "run", "log/cdr-csv", "log/cdr-custom", "spool/monitor", "spool/outgoing", "agi-bin", "sipp"} {
		if err := os.MkdirAll(l.Path(name), 0o755); err != nil {
			return err
		}
	}
	values, err := l.values()
	if err != nil {
		return err
	}
	files, err := render("conf", values)
	if err != nil {
		return err
	}
	if l.options.Extensions != "" {
		files["extensions.conf"] = l.options.Extensions
	}
	files["extensions.conf"] += "\n" + l.options.Contexts
	// Files that Asterisk would miss aloud.
	for _, name := range []string{"acl", "ccss", "cel", "features", "pjproject", "queuerules", "udptl", "websocket_client"} {
		files[name+".conf"] = ""
	}
	if l.options.Realtime != "" {
		if err := l.realtime(files, values); err != nil {
			return err
		}
	}
	maps.Copy(files, l.options.Files)
	for name, text := range files {
		if err := os.WriteFile(l.Path("etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// values are what the templates of the configuration need.
func (l *Lab) values() (map[string]any, error) {
	// Its place depends on Debian's release.
	dialModules, _ := filepath.Glob(filepath.Join(l.chroot, "usr/lib/*/asterisk/modules/app_dial.so"))
	dialModules = append(dialModules, filepath.Join(l.chroot, "usr/lib/asterisk/modules/app_dial.so"))
	modules := strings.TrimPrefix(filepath.Dir(dialModules[0]), l.chroot)
	cdr := map[string]string{
		"enable":           "yes",
		"unanswered":       "no",
		"congestion":       "no",
		"endbeforehexten":  "no",
		"initiatedseconds": "no",
		"batch":            "no",
	}
	maps.Copy(cdr, l.options.CDR)
	values := map[string]any{
		"Dir": l.dir, "Modules": modules, "SystemName": l.options.SystemName,
		"User": User, "Secret": Secret, "Talktime": Talktime, "TalktimeSecret": TalktimeSecret,
		"Context": l.options.Context, "FastAGI": l.options.FastAGI,
		"PhoneAccount": l.options.PhoneAccount, "Account": l.options.Account,
		"SIPPort": l.ports.sip(), "AMIPort": l.ports.ami(), "HTTPPort": l.ports.http(),
		"CalleePort": l.ports.callee(), "DeadPort": l.ports.dead(),
		"RTPStart": l.ports.rtpStart(), "RTPEnd": l.ports.rtpEnd(),
		"PhoneIP": phoneIP, "AccountPhoneIP": accountPhoneIP, "CalleeIP": calleeIP, "OpenBTSIP": openBTSIP, "TelephoneIP": telephoneIP,
		"CDR": cdr, "QueueLogTable": l.options.QueueLogTable, "Database": nil, "Realtime": l.options.Realtime != "",
	}
	if l.options.CDRDatabase == "" {
		return values, nil
	}
	database, err := parseDatabase(l.options.CDRDatabase)
	if err != nil {
		return nil, fmt.Errorf("CDRDatabase: %w", err)
	}
	values["Database"] = database
	values["Driver"], err = odbcDriver(l.chroot)
	return values, err
}

func parseDatabase(databaseURL string) (map[string]string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	return map[string]string{
		"User": u.User.Username(), "Password": password, "Host": u.Hostname(), "Port": u.Port(), "Name": strings.TrimPrefix(u.Path, "/"),
	}, nil
}

// odbcDriver returns the name under which the chroot knows MariaDB's driver.
func odbcDriver(chroot string) (string, error) {
	drivers, err := os.ReadFile(filepath.Join(chroot, "etc/odbcinst.ini"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(drivers)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "["); found {
			return strings.TrimSuffix(name, "]"), nil
		}
	}
	return "", errors.New("etc/odbcinst.ini of the chroot names no driver")
}

// render fills in all templates of one directory.
func render(dir string, values any) (map[string]string, error) {
	set, err := template.New("").Option("missingkey=error").ParseFS(templates, dir+"/*")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, t := range set.Templates() {
		var text bytes.Buffer
		if err := t.Execute(&text, values); err != nil {
			return nil, err
		}
		files[t.Name()] = text.String()
	}
	return files, nil
}

// boot starts Asterisk and returns when it takes calls.
func (l *Lab) boot(ctx context.Context) error {
	out, err := os.OpenFile(l.Path("log/console"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := l.command(context.Background(), "-f", "-n")
	cmd.Stdout, cmd.Stderr = out, out
	if l.asterisk, err = storetest.StartChild(cmd); err != nil {
		return fmt.Errorf("start Asterisk: %w", err)
	}
	for {
		answer, err := l.CLI(ctx, "core waitfullybooted")
		if err == nil && strings.Contains(answer, "fully booted") {
			return nil
		}
		select {
		case <-l.asterisk.Done():
			return fmt.Errorf("Asterisk ended, %s", l.asterisk.Exit())
		case <-ctx.Done():
			return fmt.Errorf("Asterisk does not come up: %w (%s)", ctx.Err(), answer)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// command is Asterisk in the chroot with our configuration.
func (l *Lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, asteriskPath, append([]string{"-C", l.dir + "/etc/asterisk.conf"}, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8", "ODBCINI=" + l.dir + "/etc/odbc.ini"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: l.chroot}
	return cmd
}

// CLI runs a command of Asterisk's console and returns what it prints.
func (l *Lab) CLI(ctx context.Context, command string) (string, error) {
	out, err := l.command(ctx, "-rx", command).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("asterisk -rx %q: %w", command, err)
	}
	return string(out), nil
}

// Kill ends Asterisk with SIGKILL: no BYE, no call record. The phones and the carrier stay.
func (l *Lab) Kill() { l.asterisk.Kill() }

// Stop shuts Asterisk down in good order: calls are hung up first.
func (l *Lab) Stop() { l.asterisk.Stop(10 * time.Second) }

// Restart starts Asterisk again with the same configuration and addresses; one that still runs is stopped before.
func (l *Lab) Restart(ctx context.Context) error {
	l.Stop()
	return l.boot(ctx)
}

// Eventually waits for a condition and fails the test when it does not come true in time.
func Eventually(t testing.TB, timeout time.Duration, condition func() bool, format string, args ...any) {
	t.Helper()
	for end := time.Now().Add(timeout); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", timeout, fmt.Sprintf(format, args...))
		}
	}
}

// dumpLogs shows the ends of all logs.
func (l *Lab) dumpLogs() {
	logs := []string{l.Path("log/console"), l.Path("log/full")}
	for _, pattern := range []string{"sipp/*/messages", "sipp/*/errors"} {
		more, _ := filepath.Glob(l.Path(pattern))
		logs = append(logs, more...)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil || len(text) == 0 {
			continue
		}
		l.t.Logf("%s:\n%s", strings.TrimPrefix(name, l.Path()+"/"), text[max(0, len(text)-16000):])
	}
}

// findChroot returns the chroot that e2e/setup.sh has built; both read the same two variables.
func findChroot() (string, error) {
	cache := os.Getenv("TALKTIME_TEST_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache/talktime-test")
	}
	suites := os.Getenv("TALKTIME_ASTERISK_SUITES")
	if suites == "" {
		suites = "forky sid bullseye"
	}
	for suite := range strings.FieldsSeq(suites) {
		dir := filepath.Join(cache, "asterisk-"+suite)
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no chroot with Asterisk in %s (as root on Debian: e2e/setup.sh)", cache)
}
