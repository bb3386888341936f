package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDatabase(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, url string
		want      Database
		redacted  string
	}{
		{"relative file", "sqlite:data/talktime.db", Database{Dialect: SQLite, Path: "data/talktime.db"}, "sqlite:" + here + "/data/talktime.db"},
		{"absolute file", "sqlite:/var/lib/talktime/talktime.db", Database{Dialect: SQLite, Path: "/var/lib/talktime/talktime.db"}, "sqlite:/var/lib/talktime/talktime.db"},
		{"absolute file as a URL", "sqlite:///srv/a b%20.db", Database{Dialect: SQLite, Path: "/srv/a b%20.db"}, "sqlite:/srv/a b%20.db"},
		{
			"everything", "mysql://talk:secret@db.example.net:3307/talktime",
			Database{Dialect: MySQL, Host: "db.example.net", Port: 3307, User: "talk", Password: "secret", Name: "talktime"},
			"mysql://talk:***@db.example.net:3307/talktime",
		},
		{
			"default port, no password", "mysql://root@localhost/t",
			Database{Dialect: MySQL, Host: "localhost", Port: 3306, User: "root", Name: "t"},
			"mysql://root@localhost:3306/t",
		},
		{
			"percent-encoded", "mysql://a%40b:p%3A%2F%3F%23%40%25%20%C3%A9@h/my%5Fdb",
			Database{Dialect: MySQL, Host: "h", Port: 3306, User: "a@b", Password: "p:/?#@% é", Name: "my_db"},
			"mysql://a%40b:***@h:3306/my_db",
		},
		{
			"a colon and a plus in the password", "mysql://u:a:b+c@h/n",
			Database{Dialect: MySQL, Host: "h", Port: 3306, User: "u", Password: "a:b+c", Name: "n"},
			"mysql://u:***@h:3306/n",
		},
		{
			"IPv6", "mysql://u:p@[2001:db8::1]/n",
			Database{Dialect: MySQL, Host: "2001:db8::1", Port: 3306, User: "u", Password: "p", Name: "n"},
			"mysql://u:***@[2001:db8::1]:3306/n",
		},
		{
			"IPv6 with a port and TLS", "mysql://u:p@[::1]:3310/n?tls=skip-verify",
			Database{Dialect: MySQL, Host: "::1", Port: 3310, User: "u", Password: "p", Name: "n", TLS: "skip-verify"},
			"mysql://u:***@[::1]:3310/n?tls=skip-verify",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseDatabase(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
			if got.Redacted() != tt.redacted || got.String() != tt.redacted {
				t.Errorf("Redacted = %s, want %s", got.Redacted(), tt.redacted)
			}
			again, err := ParseDatabase(got.URL().Reveal())
			if err != nil || again != got {
				t.Errorf("URL %s reads as %#v, %v", got.URL().Reveal(), again, err)
			}
		})
	}
}

func TestParseDatabaseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, want string }{
		{"nothing", "", "must be sqlite:path or mysql:"},
		{"another database", "postgres://u:hunter2@h/n", "must be sqlite:path or mysql:"},
		{"no path", "sqlite:", "needs a path"},
		{"memory", "sqlite::memory:", "plain file"},
		{"file URL", "sqlite:file:x.db", "plain file"},
		{"SQLite parameters", "sqlite:x.db?_pragma=synchronous(OFF)", "must not have parameters"},
		{"SQLite host", "sqlite://x.db", "has no host"},
		{"control character", "sqlite:a\nb", "control characters"},
		{"no slashes", "mysql:u:hunter2@h/n", "must have the form"},
		{"no user", "mysql://h/n", "needs a user"},
		{"empty user", "mysql://:hunter2@h/n", "needs a user before the @"},
		{"raw @ in the password", "mysql://u:hunter2@x@h/n", "percent-encoded"},
		{"raw / in the password", "mysql://u:hunter2/x@h/n", "percent-encoded"},
		{"raw ? in the password", "mysql://u:hunter2?x@h/n", "percent-encoded"},
		{"raw # in the password", "mysql://u:hunter2#x@h/n", "percent-encoded"},
		{"blank in the password", "mysql://u:hunter2 x@h/n", "percent-encoded"},
		{"half an escape", "mysql://u:hunter2%4@h/n", "two hexadecimal digits"},
		{"newline by escape", "mysql://u:hunter2%0A@h/n", "control characters in user or password"},
		{"no host", "mysql://u:hunter2@/n", "name or the address of a host"},
		{"socket", "mysql://u:hunter2@unix(/run/mysqld.sock)/n", "name or the address of a host"},
		{"bad port", "mysql://u:hunter2@h:x/n", "port from 1 to 65535"},
		{"port 0", "mysql://u:hunter2@h:0/n", "port from 1 to 65535"},
		{"IPv6 without brackets", "mysql://u:hunter2@::1/n", "in brackets"},
		{"no name", "mysql://u:hunter2@h", "needs the name of the database"},
		{"empty name", "mysql://u:hunter2@h/", "needs the name of the database"},
		{"name with a dot", "mysql://u:hunter2@h/a.b", "needs the name of the database"},
		{"other parameter", "mysql://u:hunter2@h/n?multiStatements=true", "only the parameter tls"},
		{"two parameters", "mysql://u:hunter2@h/n?tls=true&multiStatements=true", "only the parameter tls"},
		{"unknown TLS mode", "mysql://u:hunter2@h/n?tls=maybe", "only the parameter tls"},
		{"fragment", "mysql://u:hunter2@h/n#x", "needs the name of the database"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseDatabase(tt.url)
			if err == nil {
				t.Fatalf("accepted as %#v", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to contain %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
			if got != (Database{}) {
				t.Errorf("a refused URL gave %#v", got)
			}
		})
	}
}

// FuzzParseDatabase: no text panics, and what is accepted is written back as the same database, with a
// redacted form that parses to the same but for the password.
func FuzzParseDatabase(f *testing.F) {
	f.Add("sqlite:data/talktime.db")
	f.Add("mysql://u:p%40@[::1]:3306/n?tls=true")
	f.Add("mysql://u:p@h:1/n")
	f.Add("sqlite:./:")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDatabase(text)
		if err != nil {
			return
		}
		again, err := ParseDatabase(d.URL().Reveal())
		if err != nil || again != d {
			t.Fatalf("%q is %#v, written as %q, read as %#v, %v", text, d, d.URL().Reveal(), again, err)
		}
		if d.Dialect == SQLite {
			return
		}
		shown, err := ParseDatabase(d.Redacted())
		if err != nil {
			t.Fatalf("%q is redacted to %q: %v", text, d.Redacted(), err)
		}
		if d.Password != "" {
			d.Password = "***"
		}
		if shown != d {
			t.Fatalf("redacted to %q, which is %#v", d.Redacted(), shown)
		}
	})
}
