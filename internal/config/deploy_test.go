package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write deploy/talktime.env anew from the table of settings")

// example is the environment file for systemd, with every setting at its default and commented out.
func example() string {
	var b strings.Builder
	b.WriteString(`# Talktime's settings, for both services: /etc/talktime/talktime.env, owner root, group talktime, mode 0640.
#
# Each setting stands here with its default, commented out. Those marked "secret" may be given as NAME_FILE
# too, the path of a file that holds the value. Put values with $ \ or blanks in single quotes. Check with
#
#     systemd-run --pipe --wait -p EnvironmentFile=/etc/talktime/talktime.env /opt/talktime/bin/fastagi --validate
`)
	for _, s := range Describe() {
		b.WriteString("\n")
		text := s.Meaning
		if s.Secret {
			text += " (secret)"
		}
		if s.Default == "" {
			text += "; unset: " + s.Unset
		}
		for _, line := range wrap(text, 104) {
			b.WriteString("# " + line + "\n")
		}
		value := s.Default
		if strings.ContainsAny(value, `$\ `) {
			value = "'" + value + "'"
		}
		fmt.Fprintf(&b, "#%s=%s\n", anyName(s.Name), value)
	}
	return b.String()
}

// anyName is one variable that a name of the table stands for.
func anyName(name string) string {
	return strings.NewReplacer("DBn_", "DB1_", "AMIn_", "AMI2_").Replace(name)
}

// wrap breaks text at blanks.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// TestEnvironmentExample holds deploy/talktime.env to the table of settings.
func TestEnvironmentExample(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "deploy", "talktime.env")
	if *update {
		if err := os.WriteFile(path, []byte(example()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != example() {
		t.Errorf("%s is not what the table of settings gives; go test ./internal/config -update writes it", path)
	}

	// With every line switched on it must be valid and mean the defaults.
	dir := t.TempDir()
	active := regexp.MustCompile(`(?m)^#([A-Z]+[A-Z0-9_]*=)`).ReplaceAll(text, []byte("$1"))
	if err := os.WriteFile(filepath.Join(dir, ".env"), active, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadDir(nil, dir)
	if err != nil {
		t.Fatalf("with every line switched on: %v", err)
	}
	defaults := mustLoad(t, nil)
	// DB1_PORT and DB1_NAME have values, so that the missing host is worth a warning.
	if len(c.Unknown) != 0 || len(c.Warnings) != 1 {
		t.Errorf("with every line switched on: unknown %q, warnings %q", c.Unknown, c.Warnings)
	}
	if c.Calls.Dial != defaults.Calls.Dial || c.Inside.Extensions.String() != defaults.Inside.Extensions.String() || c.Database != defaults.Database {
		t.Errorf("with every line switched on the settings are %+v, want the defaults %+v", c, defaults)
	}
}
