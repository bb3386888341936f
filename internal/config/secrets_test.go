package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDotEnv(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, text string) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Run("the environment wins, empty included", func(t *testing.T) {
		t.Parallel()
		dir := write(t, "# a comment\nTALKTIME_RING_SECONDS=11\nexport TALKTIME_MAX_CALL_SECONDS=12\n"+
			"TALKTIME_SHUTDOWN_SECONDS=13\nDB3_HOST=cdr\nDB3_USER='r$EADER'\nTALKTIME_TYPO=1\nTALKTIME_EXTENSIONS=^[0-9]{2,5}$\n")
		c, err := loadDir(m("TALKTIME_RING_SECONDS", "21", "TALKTIME_SHUTDOWN_SECONDS", ""), dir)
		if err != nil {
			t.Fatal(err)
		}
		if c.Calls.Ring != 21*time.Second || c.Calls.Max != 12*time.Second || c.ShutdownTimeout != 10*time.Second {
			t.Errorf("Ring %v, Max %v, Shutdown %v, want 21 s, 12 s, 10 s", c.Calls.Ring, c.Calls.Max, c.ShutdownTimeout)
		}
		if len(c.CDR.Databases) != 1 || c.CDR.Databases[0].Slot != 3 || c.CDR.Databases[0].User != "r$EADER" {
			t.Errorf("CDR databases = %v, want DB3 of the file", c.CDR.Databases)
		}
		if !slices.Equal(c.Unknown, []string{"TALKTIME_TYPO"}) {
			t.Errorf("Unknown = %q, want the file's typing mistake", c.Unknown)
		}
		if _, set := os.LookupEnv("DB3_HOST"); set {
			t.Error("the file changed the environment of the process")
		}
	})
	t.Run("no file is no mistake", func(t *testing.T) {
		t.Parallel()
		if _, err := loadDir(nil, t.TempDir()); err != nil {
			t.Error(err)
		}
	})
	t.Run("an open quote does not give the secret away", func(t *testing.T) {
		t.Parallel()
		_, err := loadDir(nil, write(t, "TALKTIME_RING_SECONDS=11\nTALKTIME_AMI_SECRET='hunter2\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %v, want the line and not its text", err)
		}
	})
	t.Run("one mistake does not hide the others", func(t *testing.T) {
		t.Parallel()
		_, err := loadDir(nil, write(t, "TALKTIME_RING_SECONDS=0\nTALKTIME_DIAL='y\nTALKTIME_AMI_SECRET='x\nTALKTIME_MAX_CALL_SECONDS=z\n"))
		for _, want := range []string{"TALKTIME_RING_SECONDS", "line 2", "line 3", "TALKTIME_MAX_CALL_SECONDS"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want %s in it", err, want)
			}
		}
	})
	t.Run("wrong lines are told by their number", func(t *testing.T) {
		t.Parallel()
		for _, test := range []struct {
			text  string
			lines []int
		}{
			{"TALKTIME_RING_SECONDS=11\n\nbad line\n", []int{3}},
			{"bad line", []int{1}},
			{"=5\n", []int{1}},
			{"# two lines\nTALKTIME_AMI_USER=\"x\ny\"\nTALKTIME_RING_SECONDS 7\n", []int{4}},
			{"bad\nTALKTIME_DIAL=\"open\nworse\n", []int{1, 2, 3}},
		} {
			_, err := loadDir(nil, write(t, test.text))
			for n := 1; n < 9; n++ {
				told := err != nil && strings.Contains(err.Error(), fmt.Sprintf(".env, line %d, is not NAME=value", n))
				if told != slices.Contains(test.lines, n) {
					t.Errorf("%q: line %d: %v", test.text, n, err)
				}
			}
		}
	})
	t.Run("a folder in its place", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := loadDir(nil, dir); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("error = %v, want cannot be read", err)
		}
	})
}

func TestSecretFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", " secret with blanks \r\n")

	c := mustLoad(t, m("TALKTIME_ADMIN_PASSWORD_FILE", good, "DB1_HOST", "h", "DB1_USER", "u", "DB1_PASSWORD_FILE", good,
		"TALKTIME_DATABASE_URL_FILE", file("url", "mysql://u:hunter2@h/n\n"), "TALKTIME_AMI_ADDR", "h", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET_FILE", good))
	if got := c.Admin.Password.Reveal(); got != " secret with blanks " {
		t.Errorf("admin password = %q, want the line without its end", got)
	}
	if c.CDR.Databases[0].Password != c.Admin.Password || c.AMI.Secret != c.Admin.Password || c.Database.Password != "hunter2" {
		t.Errorf("a secret was not read from its file: %+v", c)
	}
	if len(c.Unknown) != 0 {
		t.Errorf("Unknown = %q", c.Unknown)
	}

	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"given twice", m("TALKTIME_ADMIN_PASSWORD", "hunter2", "TALKTIME_ADMIN_PASSWORD_FILE", good), "TALKTIME_ADMIN_PASSWORD must not be given together with TALKTIME_ADMIN_PASSWORD_FILE"},
		{"missing file", m("API_TOKEN_FILE", filepath.Join(dir, "none")), "API_TOKEN_FILE is"},
		{"folder", m("API_TOKEN_FILE", dir), "must be a file that can be read"},
		{"empty file", m("API_TOKEN_FILE", file("empty", "\n")), "must be a file that is not empty"},
		{"two lines", m("API_TOKEN_FILE", file("two", "hunter2\nhunter2\n")), "API_TOKEN must be one line"},
		{"something else's file", m("API_TOKEN_FILE", file("large", strings.Repeat("x", maxSecretFile+1))), "too large for a secret"},
	} {
		_, err := load(tt.env)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error = %v, want one line with %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	check := func(t *testing.T, what, text string) {
		t.Helper()
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows the secret: %s", what, text)
		}
	}
	good, wrong := make(map[string]string), make(map[string]string)
	for _, s := range Describe() {
		if s.Secret {
			name := anyName(s.Name)
			good[name], wrong[name] = secret+"-and-more", secret+"/\n"
			if strings.HasSuffix(name, "_URL") {
				good[name], wrong[name] = "mysql://u:"+secret+"@h/n", "mysql://u:"+secret+"/@h/n"
			}
		}
	}
	for _, env := range []map[string]string{good, wrong} {
		maps := m("DB1_HOST", "h", "DB1_USER", "u", "TALKTIME_AMI_ADDR", "h", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI2_ADDR", "i", "TALKTIME_AMI2_USER", "u",
			"TALKTIME_ARI_URL", "http://h/ari", "TALKTIME_ARI_USER", "u", "TALKTIME_PBX_BACKEND", "realtime")
		for name, value := range maps {
			env[name] = value
		}
	}

	c := mustLoad(t, good)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		check(t, format, fmt.Sprintf(format, c))
	}
	text, err := json.Marshal(c.Database)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "JSON", string(text))
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "db", c.Database, "token", c.Callstat.Token, "ami", c.AMI)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "db", c.Database, "token", c.Callstat.Token, "ami", c.AMI)
	check(t, "log", b.String())

	_, err = load(wrong)
	if err == nil {
		t.Fatal("Load accepted secrets with newlines")
	}
	check(t, "error", err.Error())

	_, err = load(m("TALKTIME_ARI_URL", "http://admin:"+secret+"@h/ari", "TALKTIME_PUBLIC_URL", "http://admin:"+secret+"@h/"))
	if err == nil {
		t.Fatal("Load accepted a password in a URL")
	}
	check(t, "error about a URL", err.Error())
}
