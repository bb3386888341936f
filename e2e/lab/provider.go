package lab

import (
	"crypto/rand"
	"net"
	"strings"
	"sync"
)

// Provider is one at whom Asterisk registers, with a password.
type Provider struct {
	*sipSocket
	user, secret string

	mu         sync.Mutex
	registered string // the Contact; empty: not registered
	begun      int    // registrations that were accepted
	refused    int    // that were refused, those without a password not among them
}

// Provider connects one. It knows one user.
func (l *Lab) Provider(user, secret string) *Provider {
	l.t.Helper()
	p := &Provider{user: user, secret: secret}
	p.sipSocket = listenSIP(l.t, providerIP, p.serve)
	p.start()
	return p
}

// Host and Port say where it is.
func (p *Provider) Host() string { return providerIP }

// Port is that of Host.
func (p *Provider) Port() int { return p.conn.LocalAddr().(*net.UDPAddr).Port }

// Registered is the address that Asterisk has registered, empty when it has not, and how often it was accepted and refused.
func (p *Provider) Registered() (contact string, accepted, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.registered, p.begun, p.refused
}

func (p *Provider) serve(m sipMessage, from *net.UDPAddr) {
	if m.method() != "REGISTER" {
		if m.method() != "ACK" {
			p.send(m.reply("200 OK", rand.Text()), from)
		}
		return
	}
	const nonce = "nonce-of-the-provider"
	sent := parameters(m.get("Authorization"))
	if sent["nonce"] == "" {
		p.send(m.reply("401 Unauthorized", rand.Text(), `WWW-Authenticate: Digest realm="provider", nonce="`+nonce+`", algorithm=MD5, qop="auth"`), from)
		return
	}
	want := digestResponse("provider", nonce, sent["nc"], sent["cnonce"], "REGISTER", sent["uri"], p.user, p.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent["username"] != p.user || sent["response"] != want {
		p.refused++
		p.send(m.reply("403 Forbidden", rand.Text()), from)
		return
	}
	contact := m.get("Contact")
	if m.get("Expires") == "0" || strings.HasSuffix(contact, ";expires=0") {
		p.registered = ""
		p.send(m.reply("200 OK", rand.Text()), from)
		return
	}
	p.registered = contact
	p.begun++
	p.send(m.reply("200 OK", rand.Text(), "Contact: "+contact+";expires=300", "Expires: 300"), from)
}
