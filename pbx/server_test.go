package pbx

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user   = "talktime"
	secret = "geheim-9341"
)

// server is a manager interface that does what a test wants it to. Without answers it logs in and answers pings.
type server struct {
	greeting string                             // "": that of Asterisk
	chunk    int                                // bytes that are written at a time; 0: all
	answers  map[string]func(p *peer, a action) // by action; set before the first connection

	mu    sync.Mutex
	sent  []action // what clients have sent
	peers []*peer
	away  error // of dial
}

// action is what a client sent. It is read here by other code than the client's.
type action struct {
	name, id string
	fields   map[string]string
}

// peer is one connection of the server.
type peer struct {
	*server
	conn  net.Conn
	write sync.Mutex
}

// dial connects a client to the server by a pipe.
func (s *server) dial(context.Context) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	near, far := net.Pipe()
	p := &peer{server: s, conn: far}
	s.peers = append(s.peers, p)
	go p.serve()
	return near, nil
}

// listen serves on a real port, until the test ends.
func (s *server) listen(t *testing.T) (address string) {
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
			p := &peer{server: s, conn: conn}
			running.Go(p.serve)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

func (p *peer) serve() {
	defer p.conn.Close()
	if p.greeting == "" {
		p.say("Asterisk Call Manager/11.0.0\r\n")
	} else {
		p.say(p.greeting)
	}
	in := bufio.NewReader(p.conn)
	for {
		a := action{fields: map[string]string{}}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\r\n")
			if line == "" {
				break
			}
			key, value, _ := strings.Cut(line, ": ")
			a.fields[key] = value
		}
		a.name, a.id = a.fields["Action"], a.fields["ActionID"]
		p.mu.Lock()
		p.sent = append(p.sent, a)
		answer := p.answers[a.name]
		p.mu.Unlock()
		if answer == nil {
			answer = usual
		}
		answer(p, a)
	}
}

// usual answers as Asterisk does.
func usual(p *peer, a action) {
	switch a.name {
	case "Challenge":
		p.ok(a, "Challenge: 840415273")
	case "Login":
		sum := md5.Sum([]byte("840415273" + secret))
		if a.fields["Username"] != user || a.fields["Key"] != hex.EncodeToString(sum[:]) && a.fields["Secret"] != secret {
			p.no(a, "Authentication failed")
			p.conn.Close()
			return
		}
		p.ok(a, "Message: Authentication accepted")
		p.say(block("Event: FullyBooted", "Privilege: system,all", "Status: Fully Booted"))
	case "Ping":
		p.ok(a, "Ping: Pong")
	case "Events":
		p.ok(a, "Events: "+a.fields["EventMask"])
	case "QueueStatus":
		p.list(a, queueStatus...)
	case "CoreShowChannels":
		p.list(a, channel("1795211573.187"), channel("lab-1795211572.186"))
	default:
		p.no(a, "Invalid/unknown command")
	}
}

// nothing is an answer that never comes.
func nothing(*peer, action) {}

func block(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

func (p *peer) ok(a action, lines ...string) {
	p.say(block(append([]string{"Response: Success", "ActionID: " + a.id}, lines...)...))
}

func (p *peer) no(a action, why string) {
	p.say(block("Response: Error", "ActionID: "+a.id, "Message: "+why))
}

// list answers with items, each some lines.
func (p *peer) list(a action, items ...string) {
	p.ok(a, "EventList: start", "Message: a list will follow")
	p.items(a, items...)
	p.complete(a, len(items))
}

func (p *peer) items(a action, items ...string) {
	for _, item := range items {
		p.say(block(item, "ActionID: "+a.id))
	}
}

func (p *peer) complete(a action, n int) {
	p.say(block("Event: "+a.name+"Complete", "ActionID: "+a.id, "EventList: Complete", "ListItems: "+itoa(n)))
}

// say writes in pieces, if the test wants pieces. A client that has gone is no matter.
func (p *peer) say(text string) {
	p.write.Lock()
	defer p.write.Unlock()
	for text != "" {
		n := len(text)
		if p.chunk > 0 {
			n = min(n, p.chunk)
		}
		if _, err := io.WriteString(p.conn, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
}

// last is the connection that was made last.
func (s *server) last() *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[len(s.peers)-1]
}

// heard lists the names of what clients have sent.
func (s *server) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, a := range s.sent {
		names = append(names, a.name)
	}
	return names
}

func (s *server) count(name string) int {
	n := 0
	for _, heard := range s.heard() {
		if heard == name {
			n++
		}
	}
	return n
}

func (s *server) setAway(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func (s *server) setAnswer(name string, answer func(*peer, action)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[string]func(*peer, action){}
	}
	s.answers[name] = answer
}

func channel(id string) string {
	return "Event: CoreShowChannel\r\nChannel: PJSIP/caller-000000ba\r\nChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: 59899000003\r\n" +
		"CallerIDName: <unknown>\r\nConnectedLineNum: 600\r\nConnectedLineName: Agent One\r\nAccountCode: acc42\r\nContext: from-caller\r\n" +
		"Exten: \r\nPriority: 3\r\nUniqueid: " + id + "\r\nLinkedid: 1795211572.1\r\nApplication: Dial\r\n" +
		"ApplicationData: PJSIP/59899123000@carrier,30,gL(60000)\r\nDuration: 01:00:01\r\nBridgeId: a62cd65d"
}

var queueStatus = []string{
	"Event: QueueParams\r\nQueue: support\r\nMax: 5\r\nStrategy: leastrecent\r\nCalls: 1\r\nHoldtime: 3\r\nTalkTime: 11\r\nCompleted: 1\r\n" +
		"Abandoned: 2\r\nServiceLevel: 20\r\nServicelevelPerf: 100.0\r\nServicelevelPerf2: 33.3\r\nWeight: 7",
	"Event: QueueMember\r\nQueue: support\r\nName: Agent One\r\nLocation: Local/1@agents/n\r\nStateInterface: PJSIP/agent1\r\nMembership: dynamic\r\n" +
		"Penalty: 2\r\nCallsTaken: 4\r\nLastCall: 1795211543\r\nLastPause: 1795211500\r\nLoginTime: 1795211403\r\nInCall: 1\r\nStatus: 2\r\nPaused: 1\r\n" +
		"PausedReason: lunch\r\nWrapuptime: 5",
	"Event: QueueEntry\r\nQueue: support\r\nPosition: 1\r\nChannel: PJSIP/caller-000000bc\r\nUniqueid: 1795211573.188\r\nCallerIDNum: 59899000003\r\n" +
		"CallerIDName: unknown\r\nConnectedLineNum: unknown\r\nConnectedLineName: unknown\r\nWait: 17\r\nPriority: 0",
	"Event: QueueParams\r\nQueue: slow\r\nMax: 0\r\nStrategy: ringall\r\nCalls: 0\r\nHoldtime: 0\r\nTalkTime: 0\r\nCompleted: 0\r\nAbandoned: 1\r\n" +
		"ServiceLevel: 20\r\nServicelevelPerf: 0.0\r\nServicelevelPerf2: 100.0\r\nWeight: 0",
}
