package dialplan

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFilesAreAllEmbedded holds the list, the embedded files and the folder together.
func TestFilesAreAllEmbedded(t *testing.T) {
	t.Parallel()
	var listed, embedded, onDisk []string
	for _, f := range Files() {
		listed = append(listed, f.Name)
		if f.Purpose == "" || f.Mode == 0 {
			t.Errorf("%s needs a purpose and a mode", f.Name)
		}
		if read(t, f.Name) == "" {
			t.Errorf("%s is empty", f.Name)
		}
	}
	entries, err := content.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		embedded = append(embedded, e.Name())
	}
	entries, err = os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" {
			onDisk = append(onDisk, e.Name())
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(listed, embedded); diff != "" {
		t.Errorf("listed and embedded files differ:\n%s", diff)
	}
	if diff := cmp.Diff(listed, onDisk); diff != "" {
		t.Errorf("listed files and the folder differ:\n%s", diff)
	}
	if _, err := Read("../go.mod"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of something else = %v, want fs.ErrNotExist", err)
	}
}

// constants returns the constants of variables.go that name channel variables: all but three.
func constants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "variables.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := spec.Names[0].Name
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "Var") {
			found[value] = name
		} else if value != AnsweredRoutine && value != GlobalServer && value != WarningContext {
			t.Errorf("%s is neither a variable, Var…, nor known here", name)
		}
		return true
	})
	return found
}

// TestVariables holds the Go constants and the samples together, both ways.
func TestVariables(t *testing.T) {
	t.Parallel()
	declared := constants(t)
	variable := regexp.MustCompile(`\b(TALKTIME_[A-Z_]+|CELCOM_[A-Z_]+)\b`)
	used := make(map[string]bool)
	for _, f := range Files() {
		if !strings.HasPrefix(f.Name, "extensions-") {
			continue
		}
		for _, e := range extensions(t, f.Name) {
			for _, step := range e.steps {
				for _, name := range variable.FindAllString(step.app, -1) {
					used[name] = true
					if declared[name] == "" {
						t.Errorf("%s uses %s, which is no constant", f.Name, name)
					}
				}
			}
		}
	}
	for _, f := range Files() { // some are only told of
		if strings.HasPrefix(f.Name, "extensions-") {
			for _, name := range regexp.MustCompile(`\$\{(TALKTIME_[A-Z_]+)`).FindAllStringSubmatch(read(t, f.Name), -1) {
				used[name[1]] = true
			}
		}
	}
	for name, constant := range declared {
		if !used[name] {
			t.Errorf("%s (%s) stands in no sample", constant, name)
		}
	}
}

// step is one priority of an extension.
type step struct{ label, app string }

// extension is one extension of a context, as the samples write them.
type extension struct {
	context, pattern string
	steps            []step
}

var (
	section  = regexp.MustCompile(`^\[([a-z0-9-]+)\]$`)
	priority = regexp.MustCompile(`^(?:exten => (\S+),1|same => n(?:\(([a-z]+)\))?),(.+)$`)
)

// extensions parses one sample; a line that is none of the forms we write fails the test.
func extensions(t *testing.T, name string) []extension {
	t.Helper()
	var all []extension
	context := ""
	for i, line := range strings.Split(read(t, name), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, ";") {
			continue
		}
		if m := section.FindStringSubmatch(line); m != nil {
			context = m[1]
			continue
		}
		if context == "globals" {
			if !strings.HasPrefix(line, GlobalServer+"=agi://") {
				t.Errorf("%s:%d: unexpected global %q", name, i+1, line)
			}
			continue
		}
		m := priority.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("%s:%d: cannot read %q", name, i+1, line)
			continue
		}
		if m[1] != "" {
			all = append(all, extension{context: context, pattern: m[1]})
		}
		e := &all[len(all)-1]
		e.steps = append(e.steps, step{label: m[2], app: m[3]})
	}
	return all
}

func (e extension) String() string { return e.context + "," + e.pattern }

// TestFailClosed checks the rules that keep the money safe: Asterisk goes on after an AGI that failed,
// so every extension that asks us ends in Hangup, dials only behind a test of the status, and only
// with our limit.
func TestFailClosed(t *testing.T) {
	t.Parallel()
	dials := 0
	for _, name := range []string{"extensions-talktime.conf", "extensions-range.conf"} {
		for _, e := range extensions(t, name) {
			last := e.steps[len(e.steps)-1].app
			asks := slices.ContainsFunc(e.steps, func(s step) bool { return strings.HasPrefix(s.app, "AGI(") })
			if asks && e.pattern != "h" && !strings.HasPrefix(last, "Hangup(") {
				t.Errorf("%s: %s ends in %s, want Hangup", name, e, last)
			}
			dials += checkDials(t, e)
		}
	}
	if dials != 1 {
		t.Errorf("%d Dial() were checked, want 1", dials)
	}
}

// checkDials walks through one extension and returns how many times it dials.
func checkDials(t *testing.T, e extension) (dials int) {
	t.Helper()
	emptied, asked, checked := false, false, ""
	options := regexp.MustCompile(`\}i?U\(talktime-answered\)\)$`)
	for i, s := range e.steps {
		switch {
		case s.app == "Set("+VarStatus+"=)":
			emptied = true
		case strings.HasPrefix(s.app, "AGI(${"+GlobalServer+"}/"):
			if !emptied && e.pattern != "h" && e.context != "talktime-balance" {
				t.Errorf("%s: step %d asks with the status of an earlier answer", e, i+1)
			}
			asked, emptied = true, false
		case strings.HasPrefix(s.app, `GotoIf($["${`+VarStatus+`}" = "OK"]?`):
			checked = strings.TrimSuffix(strings.SplitN(s.app, "?", 2)[1], ")")
		case strings.HasPrefix(s.app, "Dial("):
			dials++
			// What falls through the test of the status must have hung up before this step.
			gate := slices.IndexFunc(e.steps, func(s step) bool { return s.label == checked && checked != "" })
			if !asked || gate < 1 || gate > i || !strings.HasPrefix(e.steps[gate-1].app, "Hangup(") {
				t.Errorf("%s: step %d dials without a test of %s", e, i+1, VarStatus)
			}
			if !strings.Contains(s.app, "${"+VarDialArgs+"}") && !strings.Contains(s.app, "${"+VarOptions+"}") {
				t.Errorf("%s: step %d dials without a limit: %s", e, i+1, s.app)
			}
			if !options.MatchString(s.app) {
				t.Errorf("%s: step %d has other options than i and U: %s", e, i+1, s.app)
			}
		}
	}
	return dials
}

// TestHangupExtension: the record for h is switched off before anything runs, the end is noted before
// the reducer asks for it.
func TestHangupExtension(t *testing.T) {
	t.Parallel()
	var contexts []string
	for _, name := range []string{"extensions-talktime.conf", "extensions-range.conf"} {
		for _, e := range extensions(t, name) {
			if e.pattern != "h" {
				continue
			}
			contexts = append(contexts, e.context)
			var apps []string
			for _, s := range e.steps {
				apps = append(apps, s.app)
			}
			ended := slices.Index(apps, "Set("+VarEnded+"=${STRFTIME(,,%s.%3q)})")
			reducer := slices.IndexFunc(apps, func(app string) bool { return strings.HasPrefix(app, "AGI(") && strings.Contains(app, "reducer") })
			if apps[0] != "Set(CDR_PROP(disable)=1)" || ended != 1 || reducer < ended {
				t.Errorf("%s has the steps %q", e, apps)
			}
		}
	}
	want := []string{"talktime-caller", "talktime-authorize", "talktime-card", "talktime-range"}
	if diff := cmp.Diff(want, contexts); diff != "" {
		t.Errorf("contexts with h differ:\n%s", diff)
	}
}

// TestInternalCalls: only telephones of the house are dialled without asking, and nobody calls the outside on another's money.
func TestInternalCalls(t *testing.T) {
	t.Parallel()
	patterns := map[string]bool{}
	for _, e := range extensions(t, "extensions-internal.conf") {
		patterns[e.String()] = true
		for i, s := range e.steps {
			switch {
			case strings.HasPrefix(s.app, "Dial("):
				if s.app != "Dial(PJSIP/${EXTEN},30)" || e.pattern != "_X." || e.steps[i+1].app != "Hangup()" {
					t.Errorf("%s: step %d is %s", e, i+1, s.app)
				}
			case strings.HasPrefix(s.app, "FollowMe("):
				// Without l a leg to the outside is taken out of the call, and with it the limit and the charge.
				if s.app != "FollowMe(${EXTEN},Nl)" || e.steps[i-1].app != "Set(__"+VarFollowed+"=${EXTEN})" || e.steps[i+1].app != "Hangup()" {
					t.Errorf("%s: step %d is %s after %s", e, i+1, s.app, e.steps[i-1].app)
				}
			case s.app == "Goto(talktime-caller,${EXTEN},1)":
				if who := e.steps[i-2].app; who != "Set(CALLERID(all)=${PJSIP_ENDPOINT(${"+VarFollowed+"},callerid)})" {
					t.Errorf("%s: the call is that of %s", e, who)
				}
			case strings.Contains(s.app, "talktime-caller") || strings.HasPrefix(s.app, "AGI("):
				t.Errorf("%s: step %d is %s", e, i+1, s.app)
			}
		}
	}
	// Inside there are digits alone: in anything else a caller could hide a second target.
	want := map[string]bool{"talktime-extension,_X.": true, "talktime-outside,_[0-9*#+].": true, "from-internal,_[0-9*#+].": true}
	for _, digits := range []string{"_XX", "_XXX", "_XXXX", "_XXXXX"} {
		want["from-internal,"+digits] = true
	}
	if diff := cmp.Diff(want, patterns); diff != "" {
		t.Error(diff)
	}
}

// TestRights: whom pbx.sql gives rights, and on what, are its own users and tables, and no more.
func TestRights(t *testing.T) {
	t.Parallel()
	text := read(t, "pbx.sql")
	var tables, granted []string
	for _, m := range regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+) \($`).FindAllStringSubmatch(text, -1) {
		tables = append(tables, "asterisk "+m[1], "talktime "+m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^GRANT [A-Z, ]+ ON (\w+) TO (\w+)@'127\.0\.0\.1';$`).FindAllStringSubmatch(text, -1) {
		granted = append(granted, m[2]+" "+m[1])
	}
	slices.Sort(tables)
	slices.Sort(granted)
	if diff := cmp.Diff(tables, granted); diff != "" || len(granted) != strings.Count(text, "\nGRANT ") {
		t.Error(diff)
	}
	for _, m := range regexp.MustCompile(`=> odbc,asterisk,(\w+)`).FindAllStringSubmatch(read(t, "extconfig.conf"), -1) {
		if !slices.Contains(tables, "asterisk "+m[1]) {
			t.Errorf("extconfig.conf has %s, which pbx.sql does not make", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`=realtime,(\w+)`).FindAllStringSubmatch(read(t, "sorcery.conf"), -1) {
		if !strings.Contains(read(t, "extconfig.conf"), "\n"+m[1]+" => odbc,asterisk,"+m[1]+"\n") {
			t.Errorf("sorcery.conf has %s, extconfig.conf has not", m[1])
		}
	}
	if n := strings.Count(text, "COLLATE ascii_bin NOT NULL PRIMARY KEY"); n != 6 {
		t.Errorf("%d tables compare their ids letter by letter", n)
	}
}

func TestAnsweredRoutine(t *testing.T) {
	t.Parallel()
	for _, e := range extensions(t, "extensions-talktime.conf") {
		if e.context == AnsweredRoutine {
			want := []step{{app: "Set(MASTER_CHANNEL(" + VarAnswered + ")=${STRFTIME(,,%s.%3q)})"}, {app: "Return()"}}
			if e.pattern != "s" || !slices.Equal(e.steps, want) {
				t.Errorf("%s = %v, want %v", e, e.steps, want)
			}
			return
		}
	}
	t.Errorf("there is no context %s", AnsweredRoutine)
}

// TestWarning: the two halves of a warning switch their records off before anything else, and connect nobody.
func TestWarning(t *testing.T) {
	t.Parallel()
	got := map[string][]step{}
	for _, e := range extensions(t, "extensions-talktime.conf") {
		if e.context == WarningContext {
			got[e.pattern] = e.steps
		}
	}
	want := map[string][]step{
		"whisper": {{app: "Set(CDR_PROP(disable)=1)"}, {app: "ChanSpy(${" + VarWarnChannel + "},quWES)"}, {app: "Hangup()"}},
		"sound":   {{app: "Set(CDR_PROP(disable)=1)"}, {app: "Wait(0.7)"}, {app: "Playback(${" + VarWarnSound + "})"}, {app: "Hangup()"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Error(diff)
	}
}

// TestContextsExist: every context a sample sends a call to is in the samples.
func TestContextsExist(t *testing.T) {
	t.Parallel()
	contexts := make(map[string]bool)
	samples := []string{"extensions-talktime.conf", "extensions-range.conf", "extensions-internal.conf"}
	for _, name := range samples {
		for _, e := range extensions(t, name) {
			contexts[e.context] = true
		}
	}
	target := regexp.MustCompile(`(?:Goto\(|\?)([a-z]+-[a-z-]+),|U\(([a-z-]+)\)`)
	for _, name := range samples {
		for _, m := range target.FindAllStringSubmatch(read(t, name), -1) {
			if !contexts[m[1]+m[2]] {
				t.Errorf("%s: %s leads to a context that does not exist", name, m[0])
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^context=(.+)$`).FindAllStringSubmatch(read(t, "pjsip-talktime.conf"), -1) {
		if !contexts[m[1]] {
			t.Errorf("pjsip-talktime.conf: %s does not exist", m[0])
		}
	}
}

// TestEndpoints: every endpoint refuses transfers, which would shed the limit, and no sample carries a
// password that somebody might leave in place.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	text := read(t, "pjsip-talktime.conf")
	endpoints := strings.Count(text, "\ntype=endpoint\n")
	if refused := strings.Count(text, "\nallow_transfer=no\n"); endpoints != 3 || refused != endpoints {
		t.Errorf("%d endpoint sections, %d with allow_transfer=no, want 3 of 3", endpoints, refused)
	}
	for _, f := range Files() {
		for _, m := range regexp.MustCompile(`(?m)^(?:password|secret) *=>? *(.+)$|IDENTIFIED BY '(.+)'`).FindAllStringSubmatch(read(t, f.Name), -1) {
			if !strings.HasPrefix(m[1]+m[2], "REPLACE-WITH-") {
				t.Errorf("%s: password %q, want one to replace", f.Name, m[1])
			}
		}
	}
}

// TestPrograms runs the two AGI programs with a fastagi of our own in the path.
func TestPrograms(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	fake := "#!/bin/sh\nprintf '%s\\n' \"$*\"\ncat\n"
	if err := os.WriteFile(filepath.Join(bin, "fastagi"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	for program, script := range map[string]string{"celcombiller_caller": "caller", "celcombiller_reducer": "reducer"} {
		cmd := exec.CommandContext(t.Context(), "./"+program)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader("agi_request: x\n\n")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if want := "stdio " + script + "\nagi_request: x\n\n"; string(out) != want {
			t.Errorf("%s ran fastagi with %q, want %q", program, out, want)
		}
	}
}
