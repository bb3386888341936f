package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"talktime/internal/password"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
	"talktime/store/storetest"
)

// server is an admin server in this process.
type server struct {
	url    string
	stdout *strings.Builder // read it after end
	stop   func()
	ended  chan int // its exit code
}

// startServer runs admin serve with these settings and waits until it listens.
func startServer(t *testing.T, settings map[string]string) *server {
	t.Helper()
	settings["TALKTIME_ADMIN_LISTEN"] = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	log, stderr := io.Pipe()
	s := &server{stdout: &strings.Builder{}, stop: cancel, ended: make(chan int, 1)}
	getenv := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
	go func() {
		s.ended <- run(ctx, nil, system{getenv: getenv, stdin: strings.NewReader(""), stdout: s.stdout, stderr: stderr})
		stderr.Close()
	}()
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			var line struct{ Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Address != "" {
				address <- line.Address
			}
			t.Log(lines.Text())
		}
		close(address)
	}()
	scheme := "http://"
	if settings["TALKTIME_TLS_CERT"] != "" {
		scheme = "https://"
	}
	listening, ok := <-address
	if !ok {
		t.Fatal("the server ended")
	}
	s.url = scheme + listening
	t.Cleanup(func() { s.stop() })
	return s
}

// end stops the server and returns its exit code.
func (s *server) end() int {
	s.stop()
	return <-s.ended
}

// get asks the server until it answers with the wanted code, and returns the body.
func (s *server) get(t *testing.T, client *http.Client, path string, want int) string {
	t.Helper()
	var got int
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); wiring.Pause(t.Context(), 20*time.Millisecond) {
		answer, err := client.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got = answer.StatusCode; got == want {
			return string(body)
		}
	}
	t.Fatalf("GET %s answers %d, not %d", path, got, want)
	return ""
}

func TestServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "talktime.db")
	settings := map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + path}
	s := startServer(t, settings)
	if body := s.get(t, http.DefaultClient, "/readyz", http.StatusOK); body != "{\"status\":\"ok\"}\n" {
		t.Errorf("readyz: %q", body)
	}
	s.get(t, http.DefaultClient, "/healthz", http.StatusOK)
	db := withAdmin(t, path)
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	admin, err := db.UserByName(t.Context(), "admin")
	if err != nil || admin.ID != 1 || !admin.Admin || admin.CLID != nil || admin.IMSI != nil {
		t.Errorf("the first administrator is %+v, %v", admin, err)
	}
	m := regexp.MustCompile(`^the first administrator is made: user admin, password (\S+)\n$`).FindStringSubmatch(s.stdout.String())
	if m == nil {
		t.Fatalf("standard output: %q", s.stdout)
	}
	if ok, err := password.New(1).Verify(t.Context(), admin.PasswordHash, m[1]); !ok || err != nil {
		t.Errorf("the password that was printed is not his: %v", err)
	}

	again := startServer(t, settings)
	again.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	if code := again.end(); code != 0 || again.stdout.String() != "" {
		t.Errorf("the second start: exit code %d, %q", code, again.stdout)
	}
}

// withAdmin opens a database as soon as it has an administrator.
func withAdmin(t *testing.T, path string) *store.Store {
	t.Helper()
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for exists := false; !exists; wiring.Pause(t.Context(), 10*time.Millisecond) {
		if exists, err = db.HasAdmin(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// TestServeWithoutDatabase: a database that is away is no reason to end, a schema that is wrong is.
func TestServeWithoutDatabase(t *testing.T) {
	t.Parallel()
	for name, migrated := range map[string]bool{"it comes back": true, "it comes back with a wrong schema": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := storetest.Shared(t).NewDatabase(t)
			if migrated {
				if code := migrateNow(t, map[string]string{"TALKTIME_DATABASE_URL": databaseURL}); code != exitWell {
					t.Fatalf("admin migrate ends with %d", code)
				}
			}
			u, err := url.Parse(databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			behind := u.Host
			var open func()
			u.Host, open = door(t, behind)

			s := startServer(t, map[string]string{"TALKTIME_DATABASE_URL": u.String(), "TALKTIME_ADMIN_PASSWORD": "secret7"})
			body := s.get(t, http.DefaultClient, "/readyz", http.StatusServiceUnavailable)
			if !strings.Contains(body, "the database cannot be reached") || strings.Contains(body, u.Host) {
				t.Errorf("readyz: %s", body)
			}
			s.get(t, http.DefaultClient, "/healthz", http.StatusOK)
			open()
			if !migrated {
				if code := <-s.ended; code != exitFailed {
					t.Errorf("a wrong schema ends with exit code %d", code)
				}
				return
			}
			s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
			if code := s.end(); code != exitWell || s.stdout.String() != "" {
				t.Errorf("exit code %d, output %q", code, s.stdout)
			}
		})
	}
}

// door returns an address at which nobody listens until it is opened; then it leads to another.
func door(t *testing.T, behind string) (address string, open func()) {
	t.Helper()
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = reserved.Addr().String()
	reserved.Close()
	return address, func() {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				in, err := listener.Accept()
				if err != nil {
					return
				}
				out, err := net.Dial("tcp", behind)
				if err != nil {
					in.Close()
					continue
				}
				go func() { _, _ = io.Copy(out, in); out.Close() }()
				go func() { _, _ = io.Copy(in, out); in.Close() }()
			}
		}()
	}
}

func migrateNow(t *testing.T, settings map[string]string) int {
	return runNow(t, settings, "migrate")
}

// runNow runs a verb of the command.
func runNow(t *testing.T, settings map[string]string, args ...string) int {
	getenv := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
	return run(t.Context(), args, system{getenv: getenv, stdin: strings.NewReader(""), stdout: io.Discard, stderr: os.Stderr})
}

// TestServeAPI: with the password that was set, by curl or anything like it.
func TestServeAPI(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Audited(t, db)
	// The user comes from an older program, which kept passwords as they were typed.
	if _, err := db.AddUser(t.Context(), models.NewUser{Username: "marta", PasswordHash: "old-secret"}, "test"); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7"})
	s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	login := func(username, password string) int {
		answer, err := client.PostForm(s.url+"/login", url.Values{"username": {username}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for hashed := false; !hashed; wiring.Pause(t.Context(), 10*time.Millisecond) {
		left, err := db.ClearPasswords(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hashed = len(left) == 0
	}
	if code := login("marta", "old-secret"); code != http.StatusOK {
		t.Errorf("marta logs in: %d", code)
	}
	s.get(t, client, "/api/users", http.StatusForbidden)
	if code := login("admin", "secret7"); code != http.StatusOK {
		t.Errorf("admin logs in: %d", code)
	}
	if body := s.get(t, client, "/api/users", http.StatusOK); !strings.Contains(body, `"num_results":2`) {
		t.Errorf("%s", body)
	}
	client.CloseIdleConnections()
	if code := s.end(); code != exitWell {
		t.Errorf("exit code %d", code)
	}
}

func TestServeTLS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	path := filepath.Join(t.TempDir(), "t.db")
	s := startServer(t, map[string]string{
		"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_TLS_CERT": cert, "TALKTIME_TLS_KEY": key,
		"TALKTIME_ADMIN_PASSWORD": "secret7",
	})
	pool := x509.NewCertPool()
	text, err := os.ReadFile(cert)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	s.get(t, client, "/readyz", http.StatusOK)
	withAdmin(t, path)
	answer, err := client.PostForm(s.url+"/login", url.Values{"username": {"admin"}, "password": {"secret7"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if cookie := answer.Header.Get("Set-Cookie"); answer.StatusCode != http.StatusOK || !strings.Contains(cookie, "; Secure") {
		t.Errorf("login by TLS: %d, %s", answer.StatusCode, cookie)
	}
	client.CloseIdleConnections()
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestServeSettings: what cannot be served is told in one sentence.
func TestServeSettings(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for name, test := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"address in use": {
			map[string]string{"TALKTIME_ADMIN_LISTEN": taken.Addr().String()},
			`^admin serve: TALKTIME_ADMIN_LISTEN 127\.0\.0\.1:\d+: .*address already in use\n$`,
		},
		"certificate is no file": {
			map[string]string{"TALKTIME_TLS_CERT": "/nowhere.pem", "TALKTIME_TLS_KEY": "/nowhere.key", "TALKTIME_ADMIN_LISTEN": "127.0.0.1:0"},
			`^admin serve: TALKTIME_TLS_CERT is "/nowhere\.pem", but must be a file that can be read: no such file or directory\n` +
				`admin serve: TALKTIME_TLS_KEY is "/nowhere\.key", but must be .*\n$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "t.db")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			test.settings["TALKTIME_DATABASE_URL"] = "sqlite:" + path
			getenv := func(name string) (string, bool) { value, ok := test.settings[name]; return value, ok }
			var stderr strings.Builder
			code := run(t.Context(), []string{"serve"}, system{getenv: getenv, stdout: io.Discard, stderr: &stderr})
			if code != exitFailed || !regexp.MustCompile(test.want).MatchString(stderr.String()) {
				t.Errorf("exit code %d, %q", code, stderr.String())
			}
		})
	}
}

func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", secret)
}
