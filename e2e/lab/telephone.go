package lab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Telephone is one that registers with a password, calls, is called, and transfers. It says a tone.
type Telephone struct {
	Account string

	*sipSocket
	callID string // of its registrations

	mu     sync.Mutex
	secret string
	cseq   int
	does   Behaviour
	lines  map[string]*Line // by Call-ID
	calls  []*Line          // that it received, in their order
}

// Behaviour is what a telephone does with a call.
type Behaviour int

// Answers is what a telephone does of whom nothing else is said.
const (
	Answers Behaviour = iota
	Rings
	Refuses // busy
)

// Telephone connects one, which is not registered yet.
func (l *Lab) Telephone(account, secret string) *Telephone {
	l.t.Helper()
	p := &Telephone{Account: account, secret: secret, callID: rand.Text(), lines: map[string]*Line{}}
	p.sipSocket = listenSIP(l.t, telephoneIP, p.serve)
	asterisk, err := net.ResolveUDPAddr("udp4", l.SIPAddr)
	if err != nil {
		l.t.Fatal(err)
	}
	p.asterisk = asterisk
	p.start()
	l.t.Cleanup(func() { // before the socket closes
		p.mu.Lock()
		lines := p.lines
		p.lines = map[string]*Line{}
		p.mu.Unlock()
		for _, line := range lines {
			line.finish(0)
		}
	})
	return p
}

// Does says what it does with calls from now on.
func (p *Telephone) Does(b Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = b
}

// SetSecret changes what the telephone thinks its password is.
func (p *Telephone) SetSecret(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = secret
}

// Received are the calls that reached it, in their order.
func (p *Telephone) Received() []*Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Line(nil), p.calls...)
}

func (p *Telephone) uri(user string) string { return "sip:" + user + "@" + p.asterisk.String() }

func (p *Telephone) contact() string { return "Contact: <sip:" + p.Account + "@" + p.addr() + ">" }

// Register asks for a registration of five minutes and returns the last answer: 200, or 401 for one that Asterisk does not know or whose
// password is wrong.
func (p *Telephone) Register(ctx context.Context) (code int, err error) {
	p.mu.Lock()
	p.cseq += 2
	r := &sipRequest{
		method: "REGISTER", uri: "sip:" + p.asterisk.String(), from: "<" + p.uri(p.Account) + ">;tag=" + rand.Text(), to: "<" + p.uri(p.Account) + ">",
		callID: p.callID, cseq: p.cseq, more: []string{p.contact(), "Expires: 300"},
	}
	secret := p.secret
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := p.ask(ctx, r, p.Account, secret)
	return answer.code(), err
}

// Line is a call of a telephone.
type Line struct {
	From string // who calls, as the header says

	p            *Telephone
	local, other string // From or To header of either end
	target       string // the other end's URI
	cseq         int
	media        *net.UDPConn
	invite       sipMessage  // of a call that was received
	request      *sipRequest // of one that was made

	mu    sync.Mutex
	code  int // 0: not answered yet; 200: up, or was; else why not
	over  bool
	up    time.Time // when it was answered
	ended time.Time
	why   string       // header Reason of Asterisk's BYE
	to    *net.UDPAddr // of the other end's media
	rang  bool
	done  chan struct{}

	acknowledged chan struct{} // closed when both ends know that it is answered
	acknowledge  sync.Once
}

// Code is the final answer to the call; 0: there is none yet.
func (l *Line) Code() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.code
}

// Rang tells whether the other end was heard to ring.
func (l *Line) Rang() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rang
}

// Over tells whether the call has ended, or came to nothing.
func (l *Line) Over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// Up tells whether it is answered and goes on.
func (l *Line) Up() bool { return l.Code() == 200 && !l.Over() }

// Talked is for how long it has been answered.
func (l *Line) Talked() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.code != 200:
		return 0
	case l.over:
		return l.ended.Sub(l.up)
	default:
		return time.Since(l.up)
	}
}

// Reason is what Asterisk said when it hung up, such as "Q.850;cause=16".
func (l *Line) Reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

func (p *Telephone) newLine(callID string) (*Line, error) {
	media, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(telephoneIP)})
	if err != nil {
		return nil, err
	}
	l := &Line{p: p, media: media, done: make(chan struct{}), acknowledged: make(chan struct{})}
	p.mu.Lock()
	p.lines[callID] = l
	p.mu.Unlock()
	p.over.Go(func() { l.talk() })
	p.over.Go(func() { // what it hears it does not note
		packet := make([]byte, 1500)
		for {
			if _, err := media.Read(packet); err != nil {
				return
			}
		}
	})
	return l, nil
}

// Dial calls a number, with further headers, and returns at once.
func (p *Telephone) Dial(number string, headers ...string) *Line {
	p.t.Helper()
	callID := rand.Text()
	l, err := p.newLine(callID)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	secret := p.secret
	p.mu.Unlock()
	l.local, l.target = "<"+p.uri(p.Account)+">;tag="+rand.Text(), p.uri(number)
	l.request = &sipRequest{
		method: "INVITE", uri: l.target, from: l.local, to: "<" + l.target + ">", callID: callID, cseq: 1, more: append(headers, p.contact(), l.sdp()),
		provisional: func(m sipMessage) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.rang = l.rang || m.code() == 180 || m.code() == 183
		},
	}
	p.over.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		go func() { // the end of the test
			select {
			case <-l.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		m, err := p.ask(ctx, l.request, p.Account, secret)
		if err != nil || m.code() >= 300 {
			l.finish(m.code())
			return
		}
		l.mu.Lock()
		l.code, l.up, l.other, l.to, l.cseq = m.code(), time.Now(), m.get("To"), mediaOf(m), l.request.cseq
		l.target = strings.Trim(strings.Split(m.get("Contact"), ";")[0], "<>")
		l.mu.Unlock()
		l.sendACK()
	})
	return l
}

func (l *Line) sendACK() {
	defer l.confirm()
	ack := &sipRequest{method: "ACK", uri: l.target, from: l.local, to: l.other, callID: l.request.callID, cseq: l.request.cseq, branch: "z9hG4bK" + rand.Text()}
	l.p.send(ack.text(l.p.addr()), l.p.asterisk)
}

func (l *Line) confirm() { l.acknowledge.Do(func() { close(l.acknowledged) }) }

// HangUp ends the call, or gives it up, and returns when Asterisk has taken note. A call that was answered is not ended before that is
// acknowledged (RFC 3261, section 15): Asterisk may not know the call yet.
func (l *Line) HangUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	l.mu.Lock()
	code, over := l.code, l.over
	l.mu.Unlock()
	switch {
	case over:
		return nil
	case code == 0 && l.request == nil:
		return l.answer("486 Busy Here", 486)
	case code == 0:
		l.p.sipSocket.mu.Lock()
		cancelled := *l.request
		l.p.sipSocket.mu.Unlock()
		cancelled.method, cancelled.more = "CANCEL", nil
		l.p.send(cancelled.text(l.p.addr()), l.p.asterisk)
		select {
		case <-l.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the call does not end: %w", ctx.Err())
		}
	}
	select {
	case <-l.acknowledged:
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the answer to the call is not acknowledged: %w", ctx.Err())
	}
	m, err := l.within(ctx, "BYE")
	if err == nil && m.code() != 200 && !l.Over() {
		err = fmt.Errorf("the end of the call is answered with %d", m.code())
	}
	l.finish(200)
	return err
}

// Transfer sends the other end of an answered call to a number, without asking anybody there (RFC 3515), and hangs up when Asterisk has
// agreed.
func (l *Line) Transfer(ctx context.Context, number string) error {
	return l.refer(ctx, l.p.uri(number))
}

// Join leaves the other ends of two answered calls of the telephone to each other (RFC 3891), and hangs both up when Asterisk has agreed.
func (l *Line) Join(ctx context.Context, second *Line) error {
	replaces := second.id() + ";to-tag=" + tagOf(second.other) + ";from-tag=" + tagOf(second.local)
	if err := l.refer(ctx, second.target+"?Replaces="+url.QueryEscape(replaces)); err != nil {
		return err
	}
	return second.HangUp(ctx)
}

// refer sends the other end to an address.
func (l *Line) refer(ctx context.Context, to string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := l.within(ctx, "REFER", "Refer-To: <"+to+">", "Referred-By: <"+l.p.uri(l.p.Account)+">", l.p.contact())
	if err != nil {
		return err
	}
	if m.code() != 202 {
		return fmt.Errorf("the transfer is answered with %d", m.code())
	}
	return l.HangUp(ctx)
}

// within sends a further request of an answered call, and returns the last answer.
func (l *Line) within(ctx context.Context, method string, more ...string) (sipMessage, error) {
	l.mu.Lock()
	l.cseq++
	r := &sipRequest{method: method, uri: l.target, from: l.local, to: l.other, callID: l.id(), cseq: l.cseq, more: more}
	l.mu.Unlock()
	l.p.mu.Lock()
	secret := l.p.secret
	l.p.mu.Unlock()
	return l.p.ask(ctx, r, l.p.Account, secret)
}

func (l *Line) id() string {
	if l.request != nil {
		return l.request.callID
	}
	return l.invite.get("Call-ID")
}

// finish notes the end.
func (l *Line) finish(code int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over, l.ended = true, time.Now()
	if l.code == 0 {
		l.code = code
	}
	close(l.done)
	_ = l.media.Close()
}

// Pick answers a call that rings.
func (l *Line) Pick() error { return l.answer("200 OK", 200) }

func (l *Line) answer(status string, code int) error {
	l.mu.Lock()
	if l.over || l.code != 0 {
		l.mu.Unlock()
		return fmt.Errorf("the call is at %d already", l.code)
	}
	l.code, l.up = code, time.Now()
	l.mu.Unlock()
	more := []string{l.p.contact()}
	if code == 200 {
		more = append(more, l.sdp())
	}
	l.p.send(l.invite.reply(status, l.tag(), more...), l.p.asterisk)
	if code != 200 {
		l.finish(code)
	}
	return nil
}

func (l *Line) tag() string { return tagOf(l.local) }

// tagOf is the tag of a From or To header.
func tagOf(header string) string {
	_, tag, _ := strings.Cut(header, ";tag=")
	return tag
}

// serve answers what Asterisk asks of the telephone.
func (p *Telephone) serve(m sipMessage, from *net.UDPAddr) {
	p.mu.Lock()
	l, does := p.lines[m.get("Call-ID")], p.does
	p.mu.Unlock()
	switch method := m.method(); {
	case method == "ACK":
		if l != nil && l.Code() == 200 {
			l.confirm()
		}
	case method == "INVITE" && l == nil:
		p.ring(m, does)
	case method == "INVITE" && l.request == nil && m.get("CSeq") == l.invite.get("CSeq"): // sent again
		if l.Code() == 200 {
			p.send(l.invite.reply("200 OK", l.tag(), p.contact(), l.sdp()), p.asterisk)
		}
	case method == "INVITE": // within the call
		p.send(m.reply("200 OK", l.tag(), p.contact(), l.sdp()), from)
	case method == "CANCEL" && l != nil:
		p.send(m.reply("200 OK", l.tag()), from)
		if l.Code() == 0 {
			p.send(l.invite.reply("487 Request Terminated", l.tag()), from)
			l.finish(487)
		}
	case method == "BYE" && l != nil:
		l.mu.Lock()
		l.why = m.get("Reason")
		l.mu.Unlock()
		p.send(m.reply("200 OK", l.tag()), from)
		l.finish(200)
	case method == "BYE" || method == "CANCEL":
		p.send(m.reply("481 Call Does Not Exist", rand.Text()), from)
	default: // OPTIONS, NOTIFY
		p.send(m.reply("200 OK", rand.Text()), from)
	}
}

func (p *Telephone) ring(m sipMessage, does Behaviour) {
	l, err := p.newLine(m.get("Call-ID"))
	if err != nil {
		return
	}
	l.invite, l.From, l.other = m, m.get("From"), m.get("From")
	l.local = m.get("To") + ";tag=" + rand.Text()
	l.target, l.cseq = strings.Trim(strings.Split(m.get("Contact"), ";")[0], "<>"), 1
	l.mu.Lock()
	l.to, l.rang = mediaOf(m), true
	l.mu.Unlock()
	p.mu.Lock()
	p.calls = append(p.calls, l)
	p.mu.Unlock()
	p.send(m.reply("180 Ringing", l.tag(), p.contact()), p.asterisk)
	switch does {
	case Answers:
		_ = l.Pick()
	case Refuses:
		_ = l.answer("486 Busy Here", 486)
	case Rings:
	}
}

func (l *Line) sdp() string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n",
		telephoneIP, l.media.LocalAddr().(*net.UDPAddr).Port)
}

var (
	sdpPort = regexp.MustCompile(`(?m)^m=audio (\d+)`)
	sdpHost = regexp.MustCompile(`(?m)^c=IN IP4 ([\d.]+)`)
)

// mediaOf is where the other end wants to hear; nil: nowhere.
func mediaOf(m sipMessage) *net.UDPAddr {
	host, port := sdpHost.FindStringSubmatch(m.body), sdpPort.FindStringSubmatch(m.body)
	if host == nil || port == nil {
		return nil
	}
	n, _ := strconv.Atoi(port[1])
	return &net.UDPAddr{IP: net.ParseIP(host[1]), Port: n}
}

// talk says a tone of 400 Hz for as long as the call is up.
func (l *Line) talk() {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	packet := make([]byte, 12+frameSize)
	packet[0], packet[1] = 0x80, pcmu
	for i := range frameSize {
		packet[12+i] = ulaw(8000 * math.Sin(2*math.Pi*400*float64(i)/8000))
	}
	for n := uint32(0); ; n++ {
		select {
		case <-l.done:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		to, up := l.to, l.code == 200
		l.mu.Unlock()
		if to == nil || !up {
			continue
		}
		binary.BigEndian.PutUint16(packet[2:], uint16(n))
		binary.BigEndian.PutUint32(packet[4:], n*frameSize)
		_, _ = l.media.WriteToUDP(packet, to)
	}
}

// ulaw encodes a sample of 16 bits, G.711.
func ulaw(sample float64) byte {
	sign, s := byte(0), int(sample)
	if s < 0 {
		sign, s = 0x80, -s
	}
	s = min(s+0x84, 0x7fff)
	exponent := 7
	for mask := 0x4000; exponent > 0 && s&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^(sign | byte(exponent<<4) | byte(s>>(exponent+3)&0x0f))
}
