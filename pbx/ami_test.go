package pbx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	banner   = "Asterisk Call Manager/11.0.0\r\n"
	accepted = "Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
	follows  = "Response: Success\r\nEventList: start\r\nMessage: Channels will follow\r\n\r\n"
	complete = "Event: CoreShowChannelsComplete\r\nEventList: Complete\r\nListItems: 2\r\n\r\n"
	secret   = "geheim-9341"
)

func channel(id string) string {
	return "Event: CoreShowChannel\r\nChannel: PJSIP/caller-000000ba\r\nCallerIDName: <unknown>\r\nExten: \r\nUniqueid: " + id +
		"\r\nLinkedid: 1795211572.1\r\nApplicationData: PJSIP/59899123000@carrier,30,gL(60000)\r\n\r\n"
}

// manager is a manager interface that says its turns: the first at once, each further one after an action has come.
// The last is said over and over when forever is set. Then it closes, or keeps silent when silent is set.
type manager struct {
	turns   []string
	forever bool
	silent  bool
	heard   func() // called after each action
}

// start listens until the test ends, and returns the address and, once a client has gone, what that had sent.
func (m manager) start(t *testing.T) (address string, sent <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	actions := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		actions <- m.talk(conn)
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return listener.Addr().String(), actions
}

func (m manager) talk(conn net.Conn) string {
	in := bufio.NewReader(conn)
	var sent strings.Builder
	for i, turn := range m.turns {
		if i > 0 && !readAction(in, &sent) {
			return sent.String()
		}
		if i > 0 && m.heard != nil {
			m.heard()
		}
		if _, err := io.WriteString(conn, turn); err != nil {
			return sent.String()
		}
	}
	for m.forever {
		if _, err := io.WriteString(conn, m.turns[len(m.turns)-1]); err != nil {
			break
		}
	}
	if m.silent {
		_, _ = io.Copy(&sent, in)
	}
	return sent.String()
}

func readAction(in *bufio.Reader, sent *strings.Builder) bool {
	for {
		l, err := in.ReadString('\n')
		sent.WriteString(l)
		if err != nil || l == "\r\n" {
			return err == nil
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	address, sent := manager{turns: []string{
		banner,
		"Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n" + accepted,
		"Event: Newchannel\r\nUniqueid: 99.9\r\n\r\n" + follows + channel("1795211573.187") + channel("lab-1795211572.186") +
			"Event: Hangup\r\nUniqueid: 98.8\r\n\r\n" + channel("1795211573.187") + complete,
	}}.start(t)
	live, err := AMI{Addr: address, User: "talktime", Secret: secret}.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(live)); !slices.Equal(got, []string{"1795211573.187", "lab-1795211572.186"}) {
		t.Errorf("got %q", got)
	}
	want := "Action: Login\r\nUsername: talktime\r\nSecret: " + secret + "\r\nEvents: off\r\n\r\nAction: CoreShowChannels\r\n\r\n"
	if got := <-sent; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestNobodyTalks(t *testing.T) {
	t.Parallel()
	address, _ := manager{turns: []string{banner, accepted, follows + complete}}.start(t)
	live, err := AMI{Addr: address}.Live(t.Context())
	if len(live) != 0 || live == nil || err != nil {
		t.Errorf("got %v, %v; want an empty list", live, err)
	}
}

// TestNobodyKnows: whatever is wrong is an error, never an empty list, and never tells the secret.
func TestNobodyKnows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		m    manager
		want string // in the error
	}{
		{"another server", manager{turns: []string{"SSH-2.0-OpenSSH_9.6\r\n"}}, "not Asterisk's manager interface"},
		{"no banner", manager{}, "not Asterisk's manager interface"},
		{"the login is refused", manager{turns: []string{
			banner, "Response: Error\r\nMessage: Authentication failed\r\n\r\n",
		}}, "login refused: Authentication failed"},
		{"the right to list is missing", manager{turns: []string{
			banner, accepted, "Response: Error\r\nMessage: Permission denied\r\n\r\n",
		}}, "list of channels refused: Permission denied"},
		{"it ends at the login", manager{turns: []string{banner}}, "EOF"},
		{"it ends in the list", manager{turns: []string{banner, accepted, follows + channel("1.1")}}, "EOF"},
		{"it ends in a block", manager{turns: []string{banner, accepted, follows + "Event: CoreShowChannel\r\nUniq"}}, "EOF"},
		{"an endless line", manager{turns: []string{strings.Repeat("x", 1000)}, forever: true}, "buffer full"},
		{"an endless line in the list", manager{turns: []string{banner, accepted, follows + strings.Repeat("x", 2*maxLine)}}, "buffer full"},
		{"an endless block", manager{turns: []string{banner, "Key: value\r\n"}, forever: true}, "a block does not end"},
		{"endless empty blocks", manager{turns: []string{banner, strings.Repeat("\r\n", 1000)}, forever: true}, "no answer to an action"},
		{"an endless list", manager{turns: []string{
			banner, accepted, follows + strings.Repeat("Event: Noise\r\n\r\n", 110_000),
		}}, "the list of channels does not end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address, _ := test.m.start(t)
			live, err := AMI{Addr: address, User: "talktime", Secret: secret}.Live(t.Context())
			if err == nil || live != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, %v; want an error with %q", live, err, test.want)
			}
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		t.Parallel()
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		if live, err := (AMI{Addr: listener.Addr().String()}).Live(t.Context()); err == nil || live != nil {
			t.Errorf("got %v, %v", live, err)
		}
	})
}

// TestSilence: a server that says nothing more is given up when the context ends, by its deadline or before.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		turns []string
	}{
		{"before the banner", nil},
		{"after the banner", []string{banner}},
		{"in the list", []string{banner, accepted, follows + channel("1.1")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address, _ := manager{turns: test.turns, silent: true}.start(t)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			live, err := AMI{Addr: address}.Live(ctx)
			if live != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, %v", live, err)
			}
		})
	}
	t.Run("a program that stops does not wait", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		address, _ := manager{turns: []string{banner, accepted}, silent: true, heard: cancel}.start(t)
		live, err := AMI{Addr: address}.Live(ctx)
		if live != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", live, err)
		}
	})
}

// TestNothingSlipsIntoAnAction: a setting with a line end would be an action of its own.
func TestNothingSlipsIntoAnAction(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a\r\n\r\nAction: Originate", "a\n", "\r"} {
		for _, a := range []AMI{{User: bad, Secret: "s"}, {User: "u", Secret: bad}} {
			address, sent := manager{turns: []string{banner, accepted}}.start(t)
			a.Addr = address
			if live, err := a.Live(t.Context()); err == nil || live != nil {
				t.Errorf("%q: got %v, %v", bad, live, err)
			}
			if got := <-sent; got != "" {
				t.Errorf("%q: sent %q", bad, got)
			}
		}
	}
}

// FuzzBlock: whatever comes, a block has an end, and no value of it more than a line.
func FuzzBlock(f *testing.F) {
	for _, seed := range []string{
		accepted, follows, complete, channel("1.1"), "\r\n", "\n", "", ":", "a:b", "no colon\r\n\r\n", "A: 1\nA: 2\n\n",
		strings.Repeat("x", maxLine), strings.Repeat("x", maxLine-1) + "\n\n", strings.Repeat("A: b\r\n", maxFields) + "\r\n",
		"Key: va\rlue\r\n\r\n", "\x00: \xff\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(strings.NewReader(string(data)), maxLine)
		for range 10 {
			fields, err := block(r)
			if err != nil {
				if fields != nil {
					t.Errorf("got %v beside %v", fields, err)
				}
				return
			}
			if len(fields) > maxFields {
				t.Errorf("%d fields", len(fields))
			}
			for key, value := range fields {
				if strings.Contains(key+value, "\n") || len(key)+len(value) > maxLine || strings.TrimSpace(value) != value {
					t.Errorf("%.60q: %.60q", key, value)
				}
			}
		}
	})
}
