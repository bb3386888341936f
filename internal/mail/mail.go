package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/netip"
	"net/smtp"
	"strings"
	"time"
	"unicode"
)

const timeout = 30 * time.Second // of a whole conversation

// Client speaks to one mail server: with TLS from the start at port 465, else with STARTTLS, without which it goes on only with a
// server on this machine.
type Client struct {
	Addr     string // host:port
	User     string // empty: no login
	Password string
	From     string      // an address
	TLS      *tls.Config // nil: the host's certificates and the name in Addr
}

// Message is a mail.
type Message struct {
	To      []string // addresses
	ID      string   // letters, digits and - only: the same each time the same mail is sent
	Subject string   // what cannot be shown in one line is left out
	Text    string
	At      time.Time
}

// Send hands a mail to the server. Nil means that it has taken it for everybody in To.
func (c Client) Send(ctx context.Context, m Message) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("the mail server did not finish within %s: %w", timeout, ctx.Err())
		}
	}()
	local := loopback(conn.RemoteAddr())
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if port == "465" {
		conn = tls.Client(conn, config)
	}
	server, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(c.From, "@")
	if err := server.Hello(name); err != nil {
		return err
	}
	if port != "465" {
		if offered, _ := server.Extension("STARTTLS"); offered {
			err = server.StartTLS(config)
		} else if !local {
			err = errors.New("the mail server offers no STARTTLS, and notices are not sent in the clear")
		}
		if err != nil {
			return err
		}
	}
	if c.User != "" {
		if err := server.Auth(login{c}); err != nil {
			return err
		}
	}
	return c.hand(server, m)
}

func (c Client) hand(server *smtp.Client, m Message) error {
	if err := server.Mail(c.From); err != nil {
		return err
	}
	for _, to := range m.To {
		if err := server.Rcpt(to); err != nil {
			return fmt.Errorf("to %s: %w", to, err)
		}
	}
	data, err := server.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(c.written(m)); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	_ = server.Quit() // it has the mail
	return nil
}

// login is AUTH PLAIN, or LOGIN where the server knows no other way. By then the connection is safe, or on this machine.
type login struct {
	client Client
}

// Start implements smtp.Auth.
func (l login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	for _, way := range server.Auth {
		if strings.EqualFold(way, "PLAIN") {
			return "PLAIN", []byte("\x00" + l.client.User + "\x00" + l.client.Password), nil
		}
	}
	for _, way := range server.Auth {
		if strings.EqualFold(way, "LOGIN") {
			return "LOGIN", nil, nil
		}
	}
	return "", nil, errors.New("the mail server offers neither AUTH PLAIN nor LOGIN")
}

// Next implements smtp.Auth.
func (l login) Next(asked []byte, more bool) ([]byte, error) {
	switch text := strings.ToLower(string(asked)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(text, "user"):
		return []byte(l.client.User), nil
	case strings.HasPrefix(text, "pass"):
		return []byte(l.client.Password), nil
	}
	return nil, errors.New("the mail server asks for something else than a name and a password")
}

func loopback(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// written is the mail as it is sent.
func (c Client) written(m Message) []byte {
	var b bytes.Buffer
	_, domain, _ := strings.Cut(c.From, "@")
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine(value)) }
	header("From", c.From)
	header("To", strings.Join(m.To, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject)))
	header("Date", m.At.Format(time.RFC1123Z))
	header("Message-ID", "<"+m.ID+"@"+domain+">")
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	_, _ = body.Write([]byte(m.Text))
	_ = body.Close()
	return b.Bytes()
}

// oneLine leaves out what could begin another header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
