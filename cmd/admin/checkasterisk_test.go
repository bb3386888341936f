package main

import (
	"bufio"
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/internal/config"
)

// strictManager is the manager interface of an Asterisk without channels, who denies some actions, and shows the user like this, unless that
// is denied as well. It returns its address.
func strictManager(t *testing.T, shown string, denied ...string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(asked map[string]string) string {
		id := "ActionID: " + asked["ActionID"] + "\n"
		switch action := asked["Action"]; {
		case slices.Contains(denied, action):
			return "Response: Error\n" + id + "Message: Permission denied\n\n"
		case action == "Originate":
			return "Response: Error\n" + id + "Message: Channel not specified\n\n"
		case asked["Channel"] != "":
			return "Response: Error\n" + id + "Message: No such channel\n\n"
		case action == "Command":
			return "Response: Success\n" + id + shown + "\n"
		case action == "CoreShowChannels":
			return "Response: Success\n" + id + "EventList: start\n\nEvent: CoreShowChannelsComplete\n" + id + "EventList: Complete\nListItems: 0\n\n"
		case action == "QueueStatus":
			return "Response: Success\n" + id + "EventList: start\n\nEvent: QueueStatusComplete\n" + id + "EventList: Complete\nListItems: 0\n\n"
		}
		return "Response: Success\n" + id + "\n"
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				say := func(text string) { _, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")) }
				say("Asterisk Call Manager/11.0.0\n")
				asked := map[string]string{}
				for in := bufio.NewScanner(conn); in.Scan(); {
					if key, value, _ := strings.Cut(in.Text(), ": "); key != "" {
						asked[key] = value
						continue
					}
					say(answer(asked))
					clear(asked)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// TestDoctorOfSlices: a right that is missing is told by its name, and with what comes of it.
func TestDoctorOfSlices(t *testing.T) {
	t.Parallel()
	const hears, deaf = "Output:        username: talktime\nOutput:       read perm: system,call,all\n", "Output:       read perm: <none>\n"
	for _, test := range []struct {
		name   string
		shown  string
		denied []string
		warn   bool
		grades []string
		want   []string // in the findings, each with its advice
	}{
		{"all rights", hears, nil, true, []string{gradeOK}, []string{" lets our user extend and cut calls"}},
		{"no right to cut", hears, []string{"AbsoluteTimeout", "Hangup"}, true, []string{gradeFail}, []string{"AbsoluteTimeout, Hangup, so that calls are neither extended nor cut give our user call among what he may write"}},
		{"no right to look", hears, []string{"Getvar"}, false, []string{gradeFail}, []string{"Getvar, so that calls are neither"}},
		{"no right to warn", hears, []string{"Originate"}, true, []string{gradeWarn}, []string{"Originate, so that callers are not warned of the end give our user originate"}},
		{"no right to warn, and nobody does", hears, []string{"Originate"}, false, []string{gradeOK}, []string{" lets our user extend"}},
		{"he hears nothing", deaf, nil, true, []string{gradeFail}, []string{"calls are held whole give our user call among what he may read"}},
		{"he may nothing", deaf, []string{"AbsoluteTimeout", "Hangup", "Getvar", "Originate"}, true, []string{gradeFail, gradeFail}, []string{"AbsoluteTimeout, Hangup, Getvar, Originate", "among what he may read"}},
		{"nobody tells what he hears", hears, []string{"Command"}, true, []string{gradeOK}, []string{"whether he may read call it tells only those who may write command"}},
		{"another word is shown", "Output: Unable to find user\n", nil, true, []string{gradeOK}, []string{"whether he may read call"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			findings := checkSlices(t.Context(), config.AMI{Addr: strictManager(t, test.shown, test.denied...), User: "talktime", Secret: "geheim"}, test.warn)
			if len(findings) != len(test.grades) {
				t.Fatalf("%+v", findings)
			}
			for i, f := range findings {
				if f.Grade != test.grades[i] || !strings.Contains(f.Found+" "+f.Advice, test.want[i]) {
					t.Errorf("%+v, want %s %q", f, test.grades[i], test.want[i])
				}
			}
		})
	}
}

// TestDoctorOfAsterisks: all are asked, and about slices only where calls are held in them.
func TestDoctorOfAsterisks(t *testing.T) {
	t.Parallel()
	const hears = "Output:       read perm: call\n"
	first, second := strictManager(t, hears), strictManager(t, hears)
	cfg := config.Config{
		AMI:     config.AMI{Addr: first, User: "talktime", Secret: "geheim"},
		MoreAMI: []config.AMI{{Addr: second, User: "talktime", Secret: "geheim"}},
	}
	cfg.Calls.Slice = time.Minute
	found := checkAsterisks(t.Context(), cfg)
	if len(found) != 4 || !strings.HasPrefix(found[1].Found, first+" lets") || !strings.HasPrefix(found[2].Found, second+" answers") || found[3].Check != "slices" {
		t.Errorf("%+v", found)
	}
	cfg.Calls.Slice = 0
	if found := checkAsterisks(t.Context(), cfg); len(found) != 2 {
		t.Errorf("%+v", found)
	}
	if found := checkAsterisks(t.Context(), config.Config{}); found != nil {
		t.Errorf("%+v", found)
	}
}

// TestDoctorOfTransports: a transport that Asterisk has not is told.
func TestDoctorOfTransports(t *testing.T) {
	t.Parallel()
	cfg := config.Config{
		PBX: config.PBX{Backend: config.PBXRealtime, Transports: map[string]string{"udp": "transport-udp"}},
		AMI: config.AMI{Addr: manager(t), User: "talktime", Secret: "geheim"},
	}
	if found := checkTransports(t.Context(), cfg); len(found) != 1 || found[0].Grade != gradeOK {
		t.Errorf("%+v", found)
	}
	cfg.PBX.Transports["tls"] = "transport-tls"
	if found := checkTransports(t.Context(), cfg); len(found) != 1 || found[0].Grade != gradeWarn || !strings.HasSuffix(found[0].Found, "has no transport transport-tls") {
		t.Errorf("%+v", found)
	}
	for about, change := range map[string]func(*config.Config){
		"no transports":      func(c *config.Config) { c.PBX.Transports = nil },
		"FreePBX":            func(c *config.Config) { c.PBX.Backend = config.PBXFreePBX },
		"nobody to ask":      func(c *config.Config) { c.AMI.Addr = "" },
		"nobody who answers": func(c *config.Config) { c.AMI.Addr = "127.0.0.1:1" },
	} {
		c := cfg
		c.PBX.Transports = maps.Clone(cfg.PBX.Transports)
		change(&c)
		if found := checkTransports(t.Context(), c); found != nil {
			t.Errorf("%s: %+v", about, found)
		}
	}
}

// TestDoctorOfRecordings: a folder that is not there is told when somebody means it to be.
func TestDoctorOfRecordings(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(config.Describe(), func(s config.Setting) bool { return s.Name == "TALKTIME_RECORDINGS" })
	unset := func(string) (string, bool) { return "", false }
	cfg := config.Config{Recordings: config.Describe()[i].Default}
	if namesRecordings(cfg, unset) {
		t.Error("nobody has named the usual folder")
	}
	cfg.KeepRecordings = 1
	if !namesRecordings(cfg, unset) || !namesRecordings(config.Config{Recordings: "/r"}, unset) {
		t.Error("recordings are meant to be there")
	}
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "monitor")
	for _, tt := range []struct {
		folder string
		named  bool
		grade  string
	}{{there, false, gradeOK}, {there, true, gradeOK}, {missing, true, gradeWarn}, {missing, false, ""}} {
		grade := ""
		for _, f := range checkRecordings(tt.folder, tt.named) {
			grade = f.Grade
		}
		if grade != tt.grade {
			t.Errorf("%+v: %q", tt, grade)
		}
	}
}
