package pbx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestLive(t *testing.T) {
	t.Parallel()
	s := &server{chunk: 3}
	s.setAnswer("CoreShowChannels", func(p *peer, a action) {
		p.say(block("Event: Newchannel", "Privilege: call,all", "Uniqueid: 99.9"))
		p.list(a, channel("1795211573.187"), channel("lab-1795211572.186"), channel("1795211573.187"))
	})
	live, err := AMI{Addr: s.listen(t), User: user, Secret: secret}.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(live)); !slices.Equal(got, []string{"1795211573.187", "lab-1795211572.186"}) {
		t.Errorf("got %q", got)
	}
	if got := s.heard(); !slices.Equal(got, []string{"Challenge", "Login", "CoreShowChannels"}) {
		t.Errorf("sent %q", got)
	}
	if got := s.sent[1].fields; got["Secret"] != "" || got["Events"] != "off" {
		t.Errorf("logged in with %v", got)
	}
}

func TestNobodyTalks(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("CoreShowChannels", func(p *peer, a action) { p.list(a) })
	live, err := AMI{Addr: s.listen(t), User: user, Secret: secret}.Live(t.Context())
	if len(live) != 0 || live == nil || err != nil {
		t.Errorf("got %v, %v; want an empty list", live, err)
	}
}

func refuse(why string) func(*peer, action) {
	return func(p *peer, a action) { p.no(a, why) }
}

// hangUp says something and closes.
func hangUp(text func(a action) string) func(*peer, action) {
	return func(p *peer, a action) {
		p.say(text(a))
		p.conn.Close()
	}
}

// TestNobodyKnows: whatever is wrong is an error, never an empty list, and never tells the secret.
func TestNobodyKnows(t *testing.T) {
	t.Parallel()
	const list = "CoreShowChannels"
	for _, test := range []struct {
		name, greeting, action string
		answer                 func(*peer, action)
		want                   string // in the error
	}{
		{"another server", "SSH-2.0-OpenSSH_9.6\r\n", "", nil, "not Asterisk's manager interface"},
		{"an endless banner", strings.Repeat("x", maxSkip+maxLine+1), "", nil, "not Asterisk's manager interface"},
		{"the login is refused", "", "Login", refuse("Authentication failed"), "Login refused: Authentication failed"},
		{"the right to list is missing", "", list, refuse("Permission denied"), "CoreShowChannels refused: Permission denied"},
		{"the secret comes back", "", "Login", refuse("bad\x01 secret " + secret), "Login refused: bad secret ***"},
		{"it ends at the login", "", "Login", hangUp(func(action) string { return "" }), "EOF"},
		{"it ends in the list", "", list, func(p *peer, a action) {
			p.ok(a, "EventList: start")
			p.items(a, channel("1.1"))
			p.conn.Close()
		}, "EOF"},
		{"it ends in a block", "", list, hangUp(func(action) string { return "Event: CoreShowChannel\r\nUniq" }), "EOF"},
		{"an item is missing", "", list, func(p *peer, a action) {
			p.ok(a, "EventList: start")
			p.items(a, channel("1.1"))
			p.complete(a, 2)
		}, "the list has 1 items, its end names 2"},
		{"a long line in the list", "", list, func(p *peer, a action) {
			p.list(a, channel("1.1")+"\r\nVariable: "+strings.Repeat("x", 2*maxLine))
		}, "longer than 64 KiB"},
		{"a long block in the list", "", list, func(p *peer, a action) {
			p.list(a, channel("1.1")+strings.Repeat("\r\nVariable: x", 10_000))
		}, "longer than 64 KiB"},
		{"an endless line", "", list, hangUp(func(action) string { return strings.Repeat("x", maxSkip+maxLine+1) }), "does not end"},
		{"an endless block", "", list, hangUp(func(action) string { return strings.Repeat("Key: value\r\n", maxSkip/12+1) }), "does not end"},
		{"endless empty blocks", "", list, hangUp(func(action) string { return strings.Repeat("\r\n", maxLines+1) }), "does not end"},
		{"an endless list", "", list, func(p *peer, a action) {
			p.ok(a, "EventList: start")
			p.say(strings.Repeat(block("Event: CoreShowChannel", "ActionID: "+a.id), maxListEvents+1))
		}, "longer than 100000 events"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &server{greeting: test.greeting}
			if test.answer != nil {
				s.setAnswer(test.action, test.answer)
			}
			a := AMI{Addr: s.listen(t), User: user, Secret: secret}
			live, err := a.Live(t.Context())
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
	for _, silent := range []string{"Challenge", "Login", "CoreShowChannels"} {
		t.Run(silent, func(t *testing.T) {
			t.Parallel()
			for _, byDeadline := range []bool{true, false} {
				ctx, cancel := context.WithCancel(t.Context())
				want := context.Canceled
				if byDeadline {
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
					want = context.DeadlineExceeded
				}
				s := &server{}
				s.setAnswer(silent, func(*peer, action) {
					if !byDeadline {
						cancel()
					}
				})
				live, err := AMI{Addr: s.listen(t), User: user, Secret: secret}.Live(ctx)
				if live != nil || !errors.Is(err, want) {
					t.Errorf("got %v, %v", live, err)
				}
				cancel()
			}
		})
	}
	t.Run("no banner", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		live, err := AMI{Addr: (&server{greeting: "Aster"}).listen(t)}.Live(ctx)
		if live != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", live, err)
		}
	})
}

// TestNothingSlipsIntoAnAction: a setting or a field with a line end would be an action of its own.
func TestNothingSlipsIntoAnAction(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a\r\n\r\nAction: Originate", "a\n", "\r", "a\x00b", strings.Repeat("x", maxSentLine)} {
		for _, a := range []AMI{{User: bad, Secret: "s"}, {User: "u", Secret: bad}} {
			s := &server{}
			a.Addr = s.listen(t)
			if live, err := a.Live(t.Context()); err == nil || live != nil || len(s.heard()) > 0 {
				t.Errorf("%.20q: got %v, %v", bad, live, err)
			}
			if c, err := Open(a, Options{Dial: s.dial}); err == nil {
				c.Close()
				t.Errorf("%.20q: a client was opened", bad)
			}
		}
		for _, a := range []Action{{Name: bad}, {"Ping", []Field{{bad, "x"}}}, {"Ping", []Field{{"x", bad}}}} {
			if text, err := a.encode("1"); err == nil {
				t.Errorf("sends %q", text)
			}
		}
	}
	for _, a := range []Action{{"Ping", []Field{{"", "x"}}}, {"Ping", []Field{{"a:b", "x"}}}, {"Ping", make([]Field, maxSentFields+1)}} {
		if text, err := a.encode("1"); err == nil {
			t.Errorf("sends %q", text)
		}
	}
}

// TestSecretStaysInside: printing the settings shows none.
func TestSecretStaysInside(t *testing.T) {
	t.Parallel()
	a := AMI{Addr: "192.0.2.1:5038", User: user, Secret: secret}
	if got := fmt.Sprintf("%v %+v %#v %s %v", a, a, a, &a, a.LogValue()); strings.Contains(got, secret) {
		t.Error(got)
	}
}
