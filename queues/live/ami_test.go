package live_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"talktime/pbx"
)

// manager is a manager interface of Asterisk that answers what a test has it answer. Without a word about an action it lists nothing.
type manager struct {
	mu     sync.Mutex
	lists  map[string][]string // by action: the items of its list, some lines each
	says   map[string]string   // by action: the whole answer, in place of a list; @ stands for the ActionID
	held   map[string]chan struct{}
	asked  map[string]int
	closed bool
	conns  []net.Conn
}

func newManager() *manager {
	return &manager{lists: map[string][]string{}, says: map[string]string{}, held: map[string]chan struct{}{}, asked: map[string]int{}}
}

// client is one of the manager, which is closed when the test ends.
func (m *manager) client(t *testing.T, o pbx.Options) *pbx.Client {
	t.Helper()
	o.Dial = m.dial
	c, err := pbx.Open(pbx.AMI{Addr: "127.0.0.1:5038", User: "talktime", Secret: "geheim"}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (m *manager) dial(context.Context) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("connection refused")
	}
	near, far := net.Pipe()
	m.conns = append(m.conns, far)
	go m.serve(far)
	return near, nil
}

// goAway ends all connections, and takes no new ones.
func (m *manager) goAway() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, c := range m.conns {
		c.Close()
	}
}

func (m *manager) set(change func(*manager)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// times is how often an action was asked for.
func (m *manager) times(action string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[action]
}

func (m *manager) serve(conn net.Conn) {
	defer conn.Close()
	say := func(text string) { _, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")) }
	say("Asterisk Call Manager/11.0.0\n")
	in := bufio.NewReader(conn)
	for {
		action, id := "", ""
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			if line == "" {
				break
			}
			switch key, value, _ := strings.Cut(line, ": "); key {
			case "Action":
				action = value
			case "ActionID":
				id = value
			}
		}
		m.mu.Lock()
		m.asked[action]++
		items, text, held := m.lists[action], m.says[action], m.held[action]
		m.mu.Unlock()
		if held != nil {
			<-held
		}
		switch {
		case text != "":
			say(strings.ReplaceAll(text, "@", id))
		case action == "Challenge":
			say("Response: Success\nActionID: " + id + "\nChallenge: 1\n\n")
		case action == "Login" || action == "Ping" || action == "Events":
			say("Response: Success\nActionID: " + id + "\n\n")
		default:
			say("Response: Success\nActionID: " + id + "\nEventList: start\n\n")
			for _, item := range items {
				say(item + "\nActionID: " + id + "\n\n")
			}
			say(fmt.Sprintf("Event: %sComplete\nActionID: %s\nEventList: Complete\nListItems: %d\n\n", action, id, len(items)))
		}
	}
}

// member is a member of a queue as Asterisk lists it; further lines take the place of the usual ones.
func member(queue, name, location string, state int, more ...string) string {
	lines := map[string]string{"StateInterface": location, "Penalty": "0", "LastCall": "0", "LastPause": "0", "InCall": "0", "Paused": "0", "PausedReason": ""}
	order := []string{"StateInterface", "Penalty", "LastCall", "LastPause", "InCall", "Paused", "PausedReason"}
	for _, line := range more {
		key, value, _ := strings.Cut(line, ": ")
		lines[key] = value
	}
	text := fmt.Sprintf("Event: QueueMember\nQueue: %s\nName: %s\nLocation: %s\nMembership: static\nCallsTaken: 0\nLoginTime: 0\nWrapuptime: 0\nStatus: %d", queue, name, location, state)
	for _, key := range order {
		text += "\n" + key + ": " + lines[key]
	}
	return text
}

func params(queue string) string {
	return "Event: QueueParams\nQueue: " + queue + "\nMax: 0\nStrategy: ringall\nCalls: 0\nHoldtime: 0\nTalkTime: 0\nCompleted: 0\nAbandoned: 0\nServiceLevel: 20\nServicelevelPerf: 0.0\nServicelevelPerf2: 0.0\nWeight: 0"
}

func entry(queue string, position int, number, name string, wait int) string {
	return fmt.Sprintf("Event: QueueEntry\nQueue: %s\nPosition: %d\nChannel: PJSIP/caller-%08x\nUniqueid: 1795211600.%d\nCallerIDNum: %s\nCallerIDName: %s\nConnectedLineNum: unknown\nConnectedLineName: unknown\nWait: %d\nPriority: 0",
		queue, position, position, position, number, name, wait)
}

// channel is one as Asterisk lists it: what it runs as Application(data), its other end, bridge and call.
func channel(name string, state int, runs, connected, bridge, linked, duration string) string {
	application, data, _ := strings.Cut(strings.TrimSuffix(runs, ")"), "(")
	return fmt.Sprintf("Event: CoreShowChannel\nChannel: %s\nChannelState: %d\nChannelStateDesc: x\nCallerIDNum: <unknown>\nCallerIDName: <unknown>\nConnectedLineNum: %s\nConnectedLineName: <unknown>\nLanguage: en\nAccountCode: \nContext: c\nExten: s\nPriority: 1\nUniqueid: 1.%s\nLinkedid: %s\nApplication: %s\nApplicationData: %s\nDuration: %s\nBridgeId: %s",
		name, state, connected, name, linked, application, data, duration, bridge)
}

// sample is the items of a list that a real Asterisk has answered.
func sample(text string) []string {
	_, text, _ = strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "EventList: start")
	var items []string
	for block := range strings.SplitSeq(text, "\n\n") {
		if block = strings.TrimSpace(block); strings.HasPrefix(block, "Event: ") && !strings.Contains(block, "EventList: Complete") {
			items = append(items, block)
		}
	}
	return items
}
