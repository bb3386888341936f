package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/internal/mail"
)

// server is a mail server that speaks SMTP over TCP and keeps what it is told.
type server struct {
	addr     string
	starttls bool
	auth     string // the ways that it offers
	refuse   string // a command that it answers with 550
	silent   bool
	config   *tls.Config
	pool     *x509.CertPool

	mu    sync.Mutex
	lines []string // commands
	mails []string
}

func newServer(t *testing.T, edit func(*server)) *server {
	t.Helper()
	s := &server{}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.pool = x509.NewCertPool()
	s.pool.AddCert(cert)
	s.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	edit(s)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	var talking sync.WaitGroup
	talking.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talking.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); talking.Wait() })
	return s
}

func (s *server) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	if s.silent {
		_, _ = in.ReadString('\n')
		return
	}
	say("220 mx.example.net")
	secure := false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if verb == s.refuse {
			say("550 no")
			continue
		}
		switch verb {
		case "EHLO":
			say("250-mx.example.net")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if s.auth != "" {
				say("250-AUTH " + s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.config)
			in, secure = bufio.NewReader(conn), true
		case "AUTH":
			if strings.HasSuffix(line, "LOGIN") {
				for _, ask := range []string{"Username:", "Password:"} {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(ask)))
					answer, _ := in.ReadString('\n')
					s.mu.Lock()
					s.lines = append(s.lines, strings.TrimSpace(answer))
					s.mu.Unlock()
				}
			}
			say("235 welcome")
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			s.mu.Lock()
			s.mails = append(s.mails, b.String())
			s.mu.Unlock()
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 well")
		}
	}
}

func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (s *server) client() mail.Client {
	return mail.Client{Addr: s.addr, From: "talktime@example.net", TLS: &tls.Config{RootCAs: s.pool, MinVersion: tls.VersionTLS12}}
}

func message() mail.Message {
	return mail.Message{
		To: []string{"ops@example.net", "boss@example.net"}, ID: "notice-7", Subject: "Low balance of Märta\r\nBcc: evil@example.net",
		Text: "Grüße\n.\n..\nQUIT\nline " + strings.Repeat("x", 2000) + "\n", At: time.Unix(1_700_000_000, 0).UTC(),
	}
}

// TestMail arrives as it was meant, over TLS, with a login, and what is in it begins no header and no command.
func TestMail(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.starttls, s.auth = true, "LOGIN PLAIN" })
	c := s.client()
	c.User, c.Password = "talk", "geheim"
	if err := c.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00talk\x00geheim"))
	for _, want := range []string{"EHLO example.net", "STARTTLS", "AUTH PLAIN " + plain, "MAIL FROM:<talktime@example.net>", "RCPT TO:<ops@example.net>", "RCPT TO:<boss@example.net>", "QUIT"} {
		if !strings.Contains(s.said(), want) {
			t.Errorf("it was not told %s, but\n%s", want, s.said())
		}
	}
	got, err := netmail.ReadMessage(strings.NewReader(s.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != "Low balance of MärtaBcc: evil@example.net" || got.Header.Get("Bcc") != "" {
		t.Errorf("the subject is %q, Bcc %q (%v)", subject, got.Header.Get("Bcc"), err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if body := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || body != message().Text {
		t.Errorf("the text is %q (%v)", body, err)
	}
	if got.Header.Get("Message-Id") != "<notice-7@example.net>" || got.Header.Get("To") != "ops@example.net, boss@example.net" {
		t.Errorf("%v", got.Header)
	}
	for _, line := range strings.Split(s.mails[0], "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}

// TestLogin in the other way, and on this machine without TLS.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.auth = "CRAM-MD5 LOGIN" })
	c := s.client()
	c.User, c.Password = "talk", "geheim"
	if err := c.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"talk", "geheim"} {
		if !strings.Contains(s.said(), base64.StdEncoding.EncodeToString([]byte(want))) {
			t.Errorf("it was told\n%s", s.said())
		}
	}
}

// TestFailures are told: nothing counts as sent that the server did not take.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*server, *mail.Client){
		"550":                 func(s *server, _ *mail.Client) { s.refuse = "MAIL" },
		"certificate":         func(s *server, c *mail.Client) { s.starttls, c.TLS = true, nil },
		"AUTH PLAIN nor":      func(s *server, c *mail.Client) { s.auth = "CRAM-MD5"; c.User = "talk" },
		"to ops@example.net:": func(s *server, _ *mail.Client) { s.refuse = "RCPT" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c mail.Client
			s := newServer(t, func(s *server) { edit(s, &c) })
			client := s.client()
			edit(&server{}, &client)
			if err := client.Send(t.Context(), message()); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("it says %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.mails) > 0 {
				t.Error("a mail arrived")
			}
		})
	}
}

// TestSilentServer: whoever says nothing keeps us no longer than we are willing to wait.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.silent = true })
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.client().Send(ctx, message()) }()
	cancel()
	if err := <-result; err == nil {
		t.Error("it was sent")
	}
}
