package lab

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// sipMessage is a request or an answer. Names of headers are compared as they are: Asterisk writes them in full.
type sipMessage struct {
	first   string
	headers [][2]string
	body    string
}

func parseSIP(packet string) sipMessage {
	head, body, _ := strings.Cut(packet, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := sipMessage{first: lines[0], body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		m.headers = append(m.headers, [2]string{name, strings.TrimSpace(value)})
	}
	return m
}

func (m sipMessage) get(name string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// code is the status of an answer, 0 for a request.
func (m sipMessage) code() (code int) {
	_, _ = fmt.Sscanf(m.first, "SIP/2.0 %d", &code)
	return code
}

func (m sipMessage) method() string {
	method, _, _ := strings.Cut(m.first, " ")
	return method
}

var branchOf = regexp.MustCompile(`branch=([^;,\s]+)`)

func (m sipMessage) branch() string {
	if found := branchOf.FindStringSubmatch(m.get("Via")); found != nil {
		return found[1]
	}
	return ""
}

// reply is an answer to a request. The tag is that of our end of the dialogue.
func (m sipMessage) reply(status, tag string, more ...string) string {
	lines := []string{"SIP/2.0 " + status}
	for _, h := range m.headers {
		switch h[0] {
		case "To":
			if !strings.Contains(h[1], ";tag=") {
				h[1] += ";tag=" + tag
			}
			fallthrough
		case "Via", "From", "Call-ID", "CSeq":
			lines = append(lines, h[0]+": "+h[1])
		}
	}
	return finish(lines, more)
}

// finish adds headers, or a body as the last of them.
func finish(lines, more []string) string {
	body := ""
	for _, line := range more {
		if strings.HasPrefix(line, "v=0") {
			body = line
			line = "Content-Type: application/sdp"
		}
		lines = append(lines, line)
	}
	lines = append(lines, fmt.Sprint("Content-Length: ", len(body)))
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// sipRequest is one that we send.
type sipRequest struct {
	method, uri, from, to, callID string
	cseq                          int
	more                          []string
	provisional                   func(sipMessage) // told of answers before the last
	branch                        string           // of the last try
}

// sipSocket sends requests and answers those of others.
type sipSocket struct {
	t        testing.TB
	conn     *net.UDPConn
	asterisk *net.UDPAddr
	serve    func(m sipMessage, from *net.UDPAddr)
	over     sync.WaitGroup

	mu      sync.Mutex
	pending map[string]chan sipMessage // by branch
}

// listenSIP opens a socket on a port of the system's; it is closed when the test ends.
func listenSIP(t testing.TB, ip string, serve func(sipMessage, *net.UDPAddr)) *sipSocket {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	s := &sipSocket{t: t, conn: conn, serve: serve, pending: map[string]chan sipMessage{}}
	return s
}

func (s *sipSocket) start() {
	s.over.Go(s.listen)
	s.t.Cleanup(s.close)
}

func (s *sipSocket) close() {
	_ = s.conn.Close()
	s.over.Wait()
}

func (s *sipSocket) listen() {
	packet := make([]byte, 65536)
	for {
		n, from, err := s.conn.ReadFromUDP(packet)
		if err != nil {
			return
		}
		m := parseSIP(string(packet[:n]))
		if m.code() == 0 {
			s.serve(m, from)
			continue
		}
		s.mu.Lock()
		waiting := s.pending[m.branch()]
		s.mu.Unlock()
		select {
		case waiting <- m:
		default: // nobody waits any more
		}
	}
}

func (s *sipSocket) addr() string { return s.conn.LocalAddr().String() }

func (s *sipSocket) send(text string, to *net.UDPAddr) { _, _ = s.conn.WriteToUDP([]byte(text), to) }

func (r *sipRequest) text(addr string, more ...string) string {
	return finish([]string{
		r.method + " " + r.uri + " SIP/2.0", "Via: SIP/2.0/UDP " + addr + ";rport;branch=" + r.branch, "Max-Forwards: 70",
		"From: " + r.from, "To: " + r.to, "Call-ID: " + r.callID, fmt.Sprintf("CSeq: %d %s", r.cseq, r.method),
	}, append(more, r.more...))
}

// try sends a request until there is an answer, and returns the last one. It acknowledges the refusal of an INVITE.
func (s *sipSocket) try(ctx context.Context, r *sipRequest, more ...string) (sipMessage, error) {
	answers := make(chan sipMessage, 32)
	s.mu.Lock()
	r.branch = "z9hG4bK" + rand.Text()
	branch := r.branch
	s.pending[branch] = answers
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.pending, branch)
	}()
	text := r.text(s.addr(), more...)
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for s.send(text, s.asterisk); ; {
		select {
		case m := <-answers:
			if !strings.HasSuffix(m.get("CSeq"), " "+r.method) {
				continue // to a CANCEL, which has the branch of what it cancels
			}
			again.Stop()
			if m.code() < 200 {
				if r.provisional != nil {
					r.provisional(m)
				}
				continue
			}
			if r.method == "INVITE" && m.code() >= 300 {
				ack := *r
				ack.method, ack.to, ack.more = "ACK", m.get("To"), nil
				s.send(ack.text(s.addr()), s.asterisk)
			}
			return m, nil
		case <-again.C:
			s.send(text, s.asterisk)
		case <-ctx.Done():
			return sipMessage{}, fmt.Errorf("no answer to %s %s: %w", r.method, r.uri, ctx.Err())
		}
	}
}

// ask sends a request, a second time with a password when that is asked for, and returns the last answer.
func (s *sipSocket) ask(ctx context.Context, r *sipRequest, user, secret string) (sipMessage, error) {
	m, err := s.try(ctx, r)
	if err != nil || m.code() != 401 && m.code() != 407 {
		return m, err
	}
	header, challenge := "Authorization: ", m.get("WWW-Authenticate")
	if m.code() == 407 {
		header, challenge = "Proxy-Authorization: ", m.get("Proxy-Authenticate")
	}
	s.mu.Lock()
	r.cseq++
	s.mu.Unlock()
	return s.try(ctx, r, header+digest(challenge, r.method, r.uri, user, secret))
}

var parameter = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^\s,]+))`)

func parameters(header string) map[string]string {
	found := map[string]string{}
	for _, p := range parameter.FindAllStringSubmatch(header, -1) {
		found[p[1]] = p[2] + p[3]
	}
	return found
}

// digest answers a challenge, RFC 2617.
func digest(challenge, method, uri, user, secret string) string {
	p := parameters(challenge)
	cnonce := rand.Text()
	text := fmt.Sprintf(`Digest username=%q, realm=%q, nonce=%q, uri=%q, algorithm=MD5, qop=auth, nc=00000001, cnonce=%q, response=%q`,
		user, p["realm"], p["nonce"], uri, cnonce, digestResponse(p["realm"], p["nonce"], "00000001", cnonce, method, uri, user, secret))
	if p["opaque"] != "" {
		text += fmt.Sprintf(`, opaque=%q`, p["opaque"])
	}
	return text
}

func digestResponse(realm, nonce, count, cnonce, method, uri, user, secret string) string {
	hash := func(text string) string {
		sum := md5.Sum([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	return hash(hash(user+":"+realm+":"+secret) + ":" + nonce + ":" + count + ":" + cnonce + ":auth:" + hash(method+":"+uri))
}
