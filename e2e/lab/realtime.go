package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"talktime/dialplan"
	"talktime/store/storetest"
)

// Talktime's account at AMI, which may do what extending and cutting calls takes. In a lab with Options.Realtime it has the rights that our
// samples give, and is one at ARI too.
const (
	Talktime       = "talktime"
	TalktimeSecret = "talktime-secret-of-the-lab"
)

// pbxUsers are those of pbx.sql: there is one server for many labs.
type pbxUsers struct{ asterisk, talktime, password string }

// PBXDatabase returns the URL of Options.Realtime for Talktime, with the rights of pbx.sql.
func (l *Lab) PBXDatabase() string {
	u, err := url.Parse(l.options.Realtime)
	if err != nil {
		l.t.Fatal(err)
	}
	u.User = url.UserPassword(l.users.talktime, l.users.password)
	return u.String()
}

// realtime makes the tables and puts our samples among the files, with the values of this lab in them.
func (l *Lab) realtime(files map[string]string, values map[string]any) error {
	database, err := parseDatabase(l.options.Realtime)
	if err != nil {
		return fmt.Errorf("Realtime: %w", err)
	}
	calls, isThere := values["Database"].(map[string]string)
	if !isThere {
		return fmt.Errorf("Realtime needs CDRDatabase")
	}
	if l.users.asterisk == "" {
		if err := l.makeTables(); err != nil {
			return err
		}
	}
	const password = "REPLACE-WITH-THE-DATABASE-PASSWORD"
	secret := "REPLACE-WITH-A-LONG-SECRET"
	server := "Server=" + database["Host"] + "\nPort=" + database["Port"] + "\n"
	for name, replace := range map[string][]string{
		"sorcery.conf":             nil,
		"followme.conf":            nil,
		"cdr_adaptive_odbc.conf":   nil,
		"extensions-talktime.conf": {"agi://127.0.0.1:4573", "agi://" + l.options.FastAGI},
		"extensions-internal.conf": nil,
		"extconfig.conf":           {";queue_log =>", map[bool]string{true: "queue_log =>", false: ";queue_log =>"}[l.options.QueueLogTable]},
		"pjsip-realtime.conf":      {"0.0.0.0:5060", hostPort(asteriskIP, l.ports.sip())},
		"http.conf":                {"8088", strconv.Itoa(l.ports.http())},
		"ari.conf":                 {secret, TalktimeSecret},
		"manager.conf":             {"5038", strconv.Itoa(l.ports.ami()), secret, TalktimeSecret},
		"odbc.ini": {
			"MariaDB Unicode", values["Driver"].(string), "Server=127.0.0.1\nPort=3306\n", server,
			"Database=asteriskcdrdb", "Database=" + calls["Name"], "Database=asterisk\n", "Database=" + database["Name"] + "\n",
		},
		"res_odbc.conf": {
			"asteriskcdrdb\nusername => asterisk\npassword => " + password, "asteriskcdrdb\nusername => " + calls["User"] + "\npassword => " + calls["Password"],
			"asterisk\nusername => asterisk\npassword => " + password, "asterisk\nusername => " + l.users.asterisk + "\npassword => " + l.users.password,
		},
	} {
		text, err := sample(name, replace...)
		if err != nil {
			return err
		}
		switch name {
		case "manager.conf", "ari.conf": // the tests' own account as well
			own := files[name]
			text += "\n" + own[strings.Index(own, "["+User+"]"):]
		}
		files[name] = text
	}
	if l.options.Extensions == "" {
		files["extensions.conf"] = "#include extensions-talktime.conf\n#include extensions-internal.conf\n"
	}
	return nil
}

// sample is one of ours in which every old text is replaced by the new one behind it. All must be there.
func sample(name string, oldNew ...string) (string, error) {
	text, err := dialplan.Read(name)
	if err != nil {
		return "", err
	}
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(string(text), oldNew[i]) {
			return "", fmt.Errorf("%s has no %q", name, oldNew[i])
		}
	}
	return strings.NewReplacer(oldNew...).Replace(string(text)), nil
}

// makeTables runs pbx.sql with users of this lab.
func (l *Lab) makeTables() error {
	unique := strings.ToLower(rand.Text()[:10])
	l.users = pbxUsers{"asterisk_" + unique, "talktime_" + unique, rand.Text()}
	statements, err := sample("pbx.sql",
		"asterisk@", l.users.asterisk+"@", "talktime@", l.users.talktime+"@",
		"REPLACE-WITH-THE-DATABASE-PASSWORD", l.users.password, "REPLACE-WITH-ANOTHER-PASSWORD", l.users.password)
	if err != nil {
		return err
	}
	db := storetest.Open(l.t, l.options.Realtime)
	if _, err := db.ExecContext(l.t.Context(), statements); err != nil {
		return fmt.Errorf("run pbx.sql: %w", err)
	}
	l.t.Cleanup(func() {
		for _, user := range []string{l.users.asterisk, l.users.talktime} {
			if _, err := db.ExecContext(context.Background(), "DROP USER "+user+"@'127.0.0.1'"); err != nil {
				l.t.Errorf("drop user: %v", err)
			}
		}
	})
	return nil
}
