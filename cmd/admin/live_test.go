package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/pbx"
	"talktime/store/storetest"
)

// manager is the manager interface of an Asterisk with one queue, and Iva Moss in it. It returns its address.
func manager(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { manage(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// manage answers one connection until it ends. The user billing may not ask for queues.
func manage(conn net.Conn) {
	defer conn.Close()
	say := func(text string) { _, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")) }
	say("Asterisk Call Manager/11.0.0\n")
	asked := map[string]string{}
	for in := bufio.NewScanner(conn); in.Scan(); {
		if line := in.Text(); line != "" {
			key, value, _ := strings.Cut(line, ": ")
			asked[key] = value
			continue
		}
		action, id := asked["Action"], asked["ActionID"]
		if action == "QueueStatus" && asked["Username"] == "billing" {
			say("Response: Error\nActionID: " + id + "\nMessage: Permission denied\n\n")
			continue
		}
		say("Response: Success\nActionID: " + id + "\n")
		switch action {
		case "Challenge":
			say("Challenge: 1\n\n")
		case "QueueStatus":
			say("EventList: start\n\nEvent: QueueParams\nQueue: sales\nActionID: " + id + "\n\n")
			say("Event: QueueMember\nQueue: sales\nName: Iva Moss\nLocation: PJSIP/204\nActionID: " + id + "\n\n")
			say("Event: QueueStatusComplete\nActionID: " + id + "\nEventList: Complete\nListItems: 2\n\n")
		case "CoreShowChannels":
			say("EventList: start\n\n")
			say("Event: CoreShowChannelsComplete\nActionID: " + id + "\nEventList: Complete\nListItems: 0\n\n")
		case "Command":
			if strings.HasSuffix(asked["Command"], " transport-udp") {
				say("Output: Transport:  transport-udp             udp      0      0  0.0.0.0:5060\n\n")
			} else {
				say("Output: Unable to find object.\n\n")
			}
		default:
			say("\n")
		}
	}
}

// login is a browser in which the administrator has logged in with the password secret7.
func (s *server) login(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	answer, err := client.PostForm(s.url+"/login", url.Values{"username": {"admin"}, "password": {"secret7"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return client
}

// TestServeLive: the server asks Asterisk, and a reader of the live picture does not keep it from stopping.
func TestServeLive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	s := startServer(t, map[string]string{
		"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7", "TALKTIME_SHUTDOWN_SECONDS": "600",
		"TALKTIME_AMI_ADDR": manager(t), "TALKTIME_AMI_USER": "talktime", "TALKTIME_AMI_SECRET": "geheim",
	})
	s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	storetest.Audited(t, withAdmin(t, path))
	client := s.login(t)
	events, err := client.Get(s.url + "/api/queues/live/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	in := bufio.NewReader(events.Body)
	for { // at first the connection to Asterisk may not be there yet
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "data: ") && strings.Contains(line, `"live":true`) && strings.Contains(line, `"queue":"sales"`) {
			break
		}
	}
	if body := s.get(t, client, "/metrics", http.StatusOK); !strings.Contains(body, "\ntalktime_ami_connected 1\n") || !strings.Contains(body, "\ntalktime_queue_streams 1\n") {
		t.Errorf("the metrics say nothing of it: %s", body)
	}
	stopped := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		stopped <- err
	}()
	client.CloseIdleConnections()
	if code := s.end(); code != exitWell {
		t.Errorf("exit code %d", code)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
}

// TestServeMembers: the log names the telephone where a member is added. Asterisk says whose it is, and its sessions count for him.
func TestServeMembers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "queue_log")
	const lines = "1780000000|MANAGER|sales|PJSIP/204|ADDMEMBER|\n1780000100|NONE|sales|Iva Moss|PAUSE|lunch\n" +
		"1780000200|NONE|sales|Iva Moss|UNPAUSE|\n1780000400|MANAGER|sales|PJSIP/204|REMOVEMEMBER|\n"
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "t.db")
	s := startServer(t, map[string]string{
		"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7", "TALKTIME_QUEUE_LOG": log,
		"TALKTIME_AMI_ADDR": manager(t), "TALKTIME_AMI_USER": "talktime", "TALKTIME_AMI_SECRET": "geheim",
	})
	s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	storetest.Audited(t, withAdmin(t, path))
	client := s.login(t)
	deadline := time.Now().Add(time.Minute)
	for {
		body := s.get(t, client, "/api/queues/agents/times?from=2026-05-28T00:00&to=2026-05-30T00:00", http.StatusOK)
		var got struct {
			Rows []struct {
				Agent    string
				Sessions int
				LoggedIn int `json:"logged_in_seconds"`
				Paused   int `json:"paused_seconds"`
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if said := fmt.Sprint(got.Rows); said == "[{Iva Moss 1 400 100}]" {
			break
		} else if time.Now().After(deadline) || !wiring.Pause(t.Context(), 20*time.Millisecond) {
			t.Fatal(said)
		}
	}
	client.CloseIdleConnections()
	if code := s.end(); code != exitWell {
		t.Errorf("exit code %d", code)
	}
}

// TestWatchMembers: Asterisk is asked every minute, more often until there is a connection; what it refuses is told once.
func TestWatchMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute+5*time.Second)
		defer cancel()
		refused := &pbx.RefusedError{Action: "QueueStatus", Reason: "Permission denied"}
		members := []pbx.QueueMember{{Name: "Iva Moss", Interface: "Local/204@agents/n"}, {Name: "PJSIP/9", Interface: "PJSIP/9"}, {Interface: "PJSIP/8"}}
		asked := &askedMembers{kept: map[string]string{}, errors: []error{pbx.ErrAway, refused, refused, nil, refused, refused}, members: members}
		var told strings.Builder
		watchMembers(ctx, asked, asked, slog.New(slog.NewTextHandler(&told, nil)))
		if n := strings.Count(told.String(), "level=WARN"); n != 2 || len(asked.errors) != 0 {
			t.Errorf("%d questions left: %s", len(asked.errors), &told)
		}
		if len(asked.kept) != 1 || asked.kept["Local/204@agents"] != "Iva Moss" {
			t.Error(asked.kept)
		}
	})
}

// askedMembers are of one queue. Each question is answered with the next error.
type askedMembers struct {
	errors  []error
	members []pbx.QueueMember
	kept    map[string]string
}

func (a *askedMembers) QueueStatus(context.Context) ([]pbx.QueueState, error) {
	err := a.errors[0]
	a.errors = a.errors[1:]
	return []pbx.QueueState{{Name: "sales", Members: a.members}}, err
}

func (a *askedMembers) KeepQueueMembers(_ context.Context, names map[string]string) error {
	maps.Copy(a.kept, names)
	return nil
}

// TestServeImported: without a queue_log or a manager interface in the settings there is a picture of what was imported all the same.
func TestServeImported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, log := filepath.Join(dir, "t.db"), filepath.Join(dir, "queue_log")
	settings := map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7"}
	s := startServer(t, settings)
	s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	storetest.Audited(t, withAdmin(t, path))
	if err := os.WriteFile(log, []byte(queueLog(0, 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := runNow(t, settings, "queues", "import", log); code != exitWell {
		t.Fatalf("exit code %d", code)
	}
	s.url = strings.Replace(s.url, "http://", "http://admin:secret7@", 1)
	if body := s.get(t, http.DefaultClient, "/stats/rest/index.php?entity=realtime", http.StatusOK); !strings.Contains(body, `"sales":{"Waiting":"0"`) {
		t.Error(body)
	}
	if code := s.end(); code != exitWell {
		t.Errorf("exit code %d", code)
	}
}

// TestServeManagerSettings: what no Asterisk could understand is refused at the start.
func TestServeManagerSettings(t *testing.T) {
	t.Parallel()
	code := runNow(t, map[string]string{
		"TALKTIME_DATABASE_URL": fmt.Sprintf("sqlite:%s/t.db", t.TempDir()), "TALKTIME_ADMIN_LISTEN": "127.0.0.1:0",
		"TALKTIME_AMI_ADDR": "127.0.0.1:1", "TALKTIME_AMI_USER": "talk\x00time", "TALKTIME_AMI_SECRET": "geheim",
	}, "serve")
	if code == exitWell {
		t.Error("it is taken")
	}
}

func TestDoctorOfManager(t *testing.T) {
	t.Parallel()
	secret := config.Secret("s")
	for _, tt := range []struct{ user, want, warning string }{
		{"talktime", "0 channels are up, 1 queues", ""},
		{"billing", "0 channels are up", "app_queue"},
	} {
		findings := checkAMI(t.Context(), config.AMI{Addr: manager(t), User: tt.user, Secret: secret})
		last := findings[len(findings)-1]
		if !strings.Contains(findings[0].Found, tt.want) || !strings.Contains(last.Advice, tt.warning) || (tt.warning != "") != (last.Grade == gradeWarn) {
			t.Errorf("%s: %+v", tt.user, findings)
		}
	}
	if findings := checkAMI(t.Context(), config.AMI{Addr: "127.0.0.1:1", User: "u", Secret: secret}); len(findings) != 1 || findings[0].Grade != gradeFail || !strings.Contains(findings[0].Advice, "TALKTIME_AMI_ADDR") {
		t.Errorf("nobody there: %+v", findings)
	}
}
