package pbx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs f with a client of s that has connected, in a time of its own. It ends with the client closed; the bubble
// itself fails when a goroutine is left.
func bubble(t *testing.T, s *server, f func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		c, err := Open(AMI{Addr: "pbx:5038", User: user, Secret: secret}, Options{Dial: s.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		synctest.Wait()
		f(t, c)
	})
}

func TestAnswersFindWhoAsked(t *testing.T) {
	t.Parallel()
	const n = maxRequests
	for _, chunk := range []int{0, 1, 7} {
		s := &server{chunk: chunk}
		var asked []action // by the one goroutine of the connection
		s.setAnswer("Getvar", func(p *peer, a action) {
			if asked = append(asked, a); len(asked) < n {
				return
			}
			for _, a := range slices.Backward(asked) {
				p.say(block("Event: Noise", "Privilege: call,all"))
				p.ok(a, "Value: "+a.fields["Variable"])
			}
		})
		bubble(t, s, func(t *testing.T, c *Client) {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					m, err := c.Do(t.Context(), Action{"Getvar", []Field{{"Variable", itoa(i)}}})
					if err != nil || m.Get("Value") != itoa(i) {
						t.Errorf("%d: got %v, %v", i, m, err)
					}
				})
			}
			all.Wait()
			if got := c.Stats(); got.Requests != n+2 || got.Connects != 1 || !got.Connected || got.Late+got.Twice+got.Foreign+got.Malformed > 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestListsMix: lists of several callers whose events come mixed, the end of one even before its answer.
func TestListsMix(t *testing.T) {
	t.Parallel()
	s := &server{}
	var asked []action
	s.setAnswer("Status", func(p *peer, a action) {
		if asked = append(asked, a); len(asked) < 2 {
			return
		}
		x, y := asked[0], asked[1]
		p.ok(x, "EventList: start")
		p.items(y, "Event: Status\r\nN: "+y.fields["N"])
		p.items(x, "Event: Status\r\nPrivilege: Call\r\nN: "+x.fields["N"])
		p.complete(y, 1)
		p.complete(x, 1)
		p.ok(y, "EventList: start")
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				events, err := c.List(t.Context(), Action{"Status", []Field{{"N", itoa(i)}}})
				if err != nil || len(events) != 1 || events[0].Get("N") != itoa(i) {
					t.Errorf("%d: got %v, %v", i, events, err)
				}
			})
		}
		both.Wait()
		synctest.Wait()
		if got := c.Stats(); got.Late+got.Twice > 0 {
			t.Errorf("%+v", got)
		}
		s.setAnswer("Status", func(p *peer, a action) {
			p.ok(a, "EventList: start")
			p.say(block("Event: StatusComplete", "ActionID: "+a.id, "EventList: cancelled"))
		})
		if events, err := c.List(t.Context(), Action{Name: "Status"}); err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("got %v, %v", events, err)
		}
	})
}

func TestCommand(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("Command", func(p *peer, a action) {
		if a.fields["Command"] != "core show uptime" {
			p.say(block("Response: Error", "ActionID: "+a.id, "Message: Command output follows", "Output: No such command '"+secret+"'"))
			return
		}
		p.ok(a, "Message: Command output follows", "Output: System uptime: 1", "Output: ", "Output:   indented")
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		lines, err := c.Command(t.Context(), "core show uptime")
		if err != nil || !slices.Equal(lines, []string{"System uptime: 1", "", "  indented"}) {
			t.Errorf("got %q, %v", lines, err)
		}
		lines, err = c.Command(t.Context(), "x")
		refused := (*RefusedError)(nil)
		if lines != nil || !errors.As(err, &refused) || err.Error() != "Command refused: No such command '***'" {
			t.Errorf("got %q, %v", lines, err)
		}
		if got := c.Stats().Refused; got != 1 {
			t.Errorf("%d refused", got)
		}
		if _, err := c.Command(t.Context(), "x\r\n\r\nAction: Originate"); err == nil || s.count("Command") != 2 {
			t.Errorf("got %v", err)
		}
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	t.Run("the secret does not travel", func(t *testing.T) {
		t.Parallel()
		s := &server{}
		bubble(t, s, func(t *testing.T, _ *Client) {
			if got := fmt.Sprint(s.sent); strings.Contains(got, secret) || !strings.Contains(got, "Events:off") {
				t.Error(got)
			}
		})
	})
	t.Run("it does where there is no challenge", func(t *testing.T) {
		t.Parallel()
		s := &server{}
		s.setAnswer("Challenge", refuse("Invalid/unknown command"))
		bubble(t, s, func(t *testing.T, c *Client) {
			if !c.Stats().Connected || s.sent[1].fields["Secret"] != secret {
				t.Errorf("%v", s.sent)
			}
		})
	})
	t.Run("a refusal is not repeated often", func(t *testing.T) {
		t.Parallel()
		s := &server{}
		s.setAnswer("Login", refuse("Authentication failed for "+secret))
		bubble(t, s, func(t *testing.T, c *Client) {
			time.Sleep(longestPause/2 - time.Second)
			if got := s.count("Login"); got != 1 {
				t.Errorf("%d logins in the first seconds", got)
			}
			time.Sleep(5 * time.Minute)
			if got := s.count("Login"); got < 10 || got > 21 {
				t.Errorf("%d logins in 5 minutes", got)
			}
			_, err := c.Do(t.Context(), Action{Name: "Ping"})
			if !errors.Is(err, ErrAway) || !strings.HasSuffix(err.Error(), "Login refused: Authentication failed for ***") {
				t.Error(err)
			}
		})
	})
}

// TestAway: without a connection requests fail at once, and it comes back by itself.
func TestAway(t *testing.T) {
	t.Parallel()
	s := &server{away: errors.New("connection refused")}
	bubble(t, s, func(t *testing.T, c *Client) {
		began := time.Now()
		_, err := c.Do(t.Context(), Action{Name: "Ping"})
		if !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "connection refused") || !time.Now().Equal(began) {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		time.Sleep(10 * time.Minute)
		if got := c.Stats(); got.Failures < 20 || got.Failures > 50 || got.Away != 1 || got.Connected {
			t.Errorf("%+v", got)
		}
		s.setAway(nil)
		time.Sleep(longestPause)
		synctest.Wait()
		if _, err := c.Do(t.Context(), Action{Name: "Ping"}); err != nil {
			t.Fatal(err)
		}
		// The connection is lost with a request under way.
		s.setAnswer("Getvar", hangUp(func(action) string { return "Response: Succ" }))
		if _, err = c.Do(t.Context(), Action{Name: "Getvar"}); !errors.Is(err, ErrAway) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
		time.Sleep(longestPause)
		synctest.Wait()
		if got := c.Stats(); got.Connects != 2 || got.Losses != 1 || !got.Connected {
			t.Errorf("%+v", got)
		}
	})
}

// TestPing: one every 20 seconds; a server that does not answer it is left within 10 more.
func TestPing(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		time.Sleep(10*pingEvery + time.Second)
		if got := s.count("Ping"); got != 10 {
			t.Errorf("%d pings", got)
		}
		s.setAnswer("Ping", nothing)
		time.Sleep(pingEvery + pingTimeout + time.Second)
		synctest.Wait()
		if got := c.Stats(); got.Losses != 1 || got.Timeouts != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestAttentive: who asks for it has a dead connection noticed soon, and made anew; a refusal is not hurried.
func TestAttentive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		const soon = 2 * time.Second
		c, err := Open(AMI{Addr: "pbx:5038", User: user, Secret: secret}, Options{Dial: s.dial, Ping: soon, PingTimeout: soon, LongestPause: soon})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		time.Sleep(time.Minute + time.Second)
		if got := s.count("Ping"); got != 30 {
			t.Errorf("%d pings", got)
		}
		s.setAnswer("Ping", nothing)
		time.Sleep(2*soon + time.Second/10)
		synctest.Wait()
		if got := c.Stats(); got.Losses != 1 {
			t.Errorf("%+v", got)
		}
		s.setAnswer("Ping", usual)
		s.setAway(errors.New("refused"))
		time.Sleep(5 * time.Minute)
		s.setAway(nil)
		time.Sleep(soon)
		synctest.Wait()
		if got := c.Stats(); got.Connects != 2 || !got.Connected {
			t.Errorf("%+v", got)
		}
		s.setAnswer("Login", func(p *peer, a action) { p.no(a, "Authentication failed") })
		before := s.count("Login")
		s.last().conn.Close()
		time.Sleep(5 * time.Minute)
		if n := s.count("Login") - before; n < 9 || n > 21 {
			t.Errorf("%d logins in 5 minutes", n)
		}
	})
}

// TestCallEventsAlone: who asks for events of channels and dials does not get each step of the dialplan.
func TestCallEventsAlone(t *testing.T) {
	t.Parallel()
	bubble(t, &server{}, func(t *testing.T, c *Client) {
		s := c.Subscribe(1, Connected, "Newchannel", "DialEnd", "Hangup")
		defer s.Close()
		if got := c.wanted(); got != callEvents {
			t.Errorf("asked for %q", got)
		}
	})
}

// TestDeafServer: one that reads nothing any more stops neither callers nor Close.
func TestDeafServer(t *testing.T) {
	t.Parallel()
	s := &server{}
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		s.setAnswer("Wait", func(*peer, action) { <-stop })
		c, err := Open(AMI{User: user, Secret: secret}, Options{Dial: s.dial})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var all sync.WaitGroup
		for range 3 * maxRequests {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := c.Do(ctx, Action{Name: "Wait"}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		time.Sleep(writeTimeout)
		synctest.Wait()
		if got := c.Stats(); got.Losses != 1 || got.Timeouts != 3*maxRequests {
			t.Errorf("%+v", got)
		}
		c.Close()
		close(stop)
	})
}

// TestManyRequests: the 65th waits for the first that ends, as long as its context lets it.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	s := &server{}
	var held []action
	s.setAnswer("Getvar", func(_ *peer, a action) { held = append(held, a) })
	bubble(t, s, func(t *testing.T, c *Client) {
		var all sync.WaitGroup
		for range maxRequests {
			all.Go(func() {
				if _, err := c.Do(t.Context(), Action{Name: "Getvar"}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Do(ctx, Action{Name: "QueueStatus"}); !errors.Is(err, context.DeadlineExceeded) || s.count("QueueStatus") > 0 {
			t.Errorf("got %v", err)
		}
		all.Go(func() {
			if _, err := c.Do(t.Context(), Action{Name: "QueueStatus"}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if got := s.count("QueueStatus"); got != 0 {
			t.Errorf("%d sent beyond the bound", got)
		}
		for _, a := range held {
			s.last().ok(a)
		}
		all.Wait()
	})
}

// TestForNobody: what no request waits for is counted, and harms no other.
func TestForNobody(t *testing.T) {
	t.Parallel()
	s := &server{}
	var first action
	s.setAnswer("Slow", func(_ *peer, a action) { first = a })
	s.setAnswer("Getvar", func(p *peer, a action) {
		p.ok(first, "Value: late")
		p.items(first, "Event: QueueMember")
		p.say(block("Response: Success", "ActionID: somebody-1", "Value: foreign"))
		p.say(block("Response: Success", "Value: nobody's"))
		p.say(block("What: is this") + "neither\r\n\r\n")
		p.ok(a, "EventList: start")
		p.ok(a, "Value: again")
		p.items(a, "Event: X\r\nValue: right")
		p.complete(a, 1)
		p.ok(a, "Value: again")
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Do(ctx, Action{Name: "Slow"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		events, err := c.List(t.Context(), Action{Name: "Getvar"})
		if err != nil || len(events) != 1 || events[0].Get("Value") != "right" {
			t.Errorf("got %v, %v", events, err)
		}
		synctest.Wait()
		got := c.Stats()
		// The last answer comes twice or late, as the caller has gone by then or not.
		if got.Late+got.Twice != 4 || got.Late < 2 || got.Twice < 1 || got.Foreign != 2 || got.Malformed != 3 || got.Timeouts != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("no time in the context", func(t *testing.T) {
		t.Parallel()
		s := &server{}
		s.setAnswer("Slow", nothing)
		bubble(t, s, func(t *testing.T, c *Client) {
			began := time.Now()
			if _, err := c.Do(t.Context(), Action{Name: "Slow"}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != requestTimeout {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
		})
	})
}

// TestTooLong: an answer over the limits fails its request alone; one without an end costs the connection.
func TestTooLong(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("Command", func(p *peer, a action) {
		p.ok(a, "Output: "+strings.Repeat("x", 2*maxLine))
		p.ok(a, strings.Repeat("Output: x\r\n", 3*maxLines))
	})
	s.setAnswer("Endless", func(p *peer, _ action) { p.say("A: " + strings.Repeat("x", maxSkip+maxLine)) })
	bubble(t, s, func(t *testing.T, c *Client) {
		if lines, err := c.Command(t.Context(), "x"); lines != nil || !errors.Is(err, errTooLong) {
			t.Errorf("got %d lines, %v", len(lines), err)
		}
		synctest.Wait()
		if _, err := c.Do(t.Context(), Action{Name: "Ping"}); err != nil {
			t.Error(err)
		}
		if got := c.Stats(); got.TooLong != 2 || got.Losses != 0 {
			t.Errorf("%+v", got)
		}
		if _, err := c.Do(t.Context(), Action{Name: "Endless"}); !errors.Is(err, errEndless) {
			t.Error(err)
		}
		synctest.Wait()
		if got := c.Stats(); got.Endless != 1 || got.Losses != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestNoList: an action that is no list does not keep who takes it for one.
func TestNoList(t *testing.T) {
	t.Parallel()
	bubble(t, &server{}, func(t *testing.T, c *Client) {
		began := time.Now()
		if events, err := c.List(t.Context(), Action{Name: "Ping"}); err == nil || !strings.Contains(err.Error(), "without a list") || !time.Now().Equal(began) {
			t.Errorf("got %v, %v", events, err)
		}
		live, err := c.Live(t.Context())
		if err != nil || len(live) != 2 || !live["1795211573.187"] {
			t.Errorf("got %v, %v", live, err)
		}
	})
}

// TestListBytes: all lists under way together have one bound, which they give back.
func TestListBytes(t *testing.T) {
	t.Parallel()
	s := &server{}
	item := "Event: X" + strings.Repeat("\r\nValue: "+strings.Repeat("x", 4000), 15)
	s.setAnswer("Big", func(p *peer, a action) {
		p.ok(a, "EventList: start")
		p.say(strings.Repeat(block(item, "ActionID: "+a.id), maxListBytes/60_000+1))
		p.complete(a, 0)
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		if events, err := c.List(t.Context(), Action{Name: "Big"}); err == nil || !strings.Contains(err.Error(), "64 MiB") {
			t.Errorf("got %d events, %v", len(events), err)
		}
		if channels, err := c.CoreShowChannels(t.Context()); err != nil || len(channels) != 2 {
			t.Errorf("got %v, %v", channels, err)
		}
		synctest.Wait()
		session, err := c.session()
		if err != nil || session.held != 0 {
			t.Errorf("holds %d bytes, %v", session.held, err)
		}
	})
}

// TestConnected: who asks for it is told of each connection once, when its events come and not earlier.
func TestConnected(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		synctest.Wait()
		sub, other := c.Subscribe(2, "Hangup", Connected), c.Subscribe(2, "Hangup")
		synctest.Wait()
		if got := s.sent[len(s.sent)-1].fields["EventMask"]; got != "call" {
			t.Errorf("asked for events %q", got)
		}
		late := c.Subscribe(2, "DialEnd", Connected)
		synctest.Wait()
		for connection := range uint64(2) {
			for _, sub := range []*Subscription{sub, late} {
				if n := len(sub.Events()); n != 1 {
					t.Fatalf("%d events", n)
				}
				if e := <-sub.Events(); e.Get("Event") != Connected || e.Connection != connection+1 {
					t.Errorf("got %+v", e)
				}
			}
			s.last().conn.Close()
			time.Sleep(longestPause + pingEvery)
			synctest.Wait()
		}
		if n := len(other.Events()); n != 0 {
			t.Errorf("%d events that nobody asked for", n)
		}
	})
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		flood := func(n int) {
			for i := range n {
				s.last().say(block("Event: Hangup", "Privilege: call,all", "N: "+itoa(i)))
			}
			s.last().say(block("Event: OriginateResponse", "Privilege: call,all", "ActionID: of-somebody"))
			synctest.Wait()
		}
		flood(3) // nobody listens
		sub, all := c.Subscribe(2, "Hangup"), c.Subscribe(100)
		synctest.Wait()
		if got := s.sent[len(s.sent)-1].fields["EventMask"]; got != "on" || s.count("Events") != 1 {
			t.Errorf("asked for events %q, %q", got, s.heard())
		}
		flood(10)
		if got := c.Stats(); got.Dropped != 8 || sub.Dropped() != 8 || all.Dropped() != 0 {
			t.Errorf("%+v, %d and %d", got, sub.Dropped(), all.Dropped())
		}
		if len(all.Events()) != 11 {
			t.Errorf("%d of 11 events", len(all.Events()))
		}
		<-sub.Events()
		<-sub.Events()
		flood(1)
		if e := <-sub.Events(); e.Missed != 8 || e.Get("N") != "0" || e.Connection != 1 {
			t.Errorf("got %v", e)
		}
		// A new connection is asked for events at its login, and is told apart.
		s.last().conn.Close()
		time.Sleep(longestPause)
		synctest.Wait()
		var logins []string
		for _, a := range s.sent {
			if a.name == "Login" {
				logins = append(logins, a.fields["Events"])
			}
		}
		if !slices.Equal(logins, []string{"off", "on"}) {
			t.Errorf("logged in with events %q", logins)
		}
		flood(1)
		if e := <-sub.Events(); e.Missed != 0 || e.Connection != 2 {
			t.Errorf("got %v", e)
		}
		all.Close()
		all.Close()
		sub.Close()
		synctest.Wait()
		if got := s.sent[len(s.sent)-1].fields["EventMask"]; got != "off" {
			t.Errorf("asked for events %q", got)
		}
		if _, open := <-sub.Events(); open {
			t.Error("the channel is open")
		}
	})
}

// TestClose: it ends requests, lists and subscriptions, and leaves nothing running.
func TestClose(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("Getvar", nothing)
	s.setAnswer("QueueStatus", func(p *peer, a action) {
		p.ok(a, "EventList: start")
		p.items(a, queueStatus...)
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		sub := c.Subscribe(1)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Do(t.Context(), Action{Name: "Getvar"}); !errors.Is(err, ErrAway) {
				t.Errorf("got %v", err)
			}
		})
		all.Go(func() {
			if _, err := c.Snapshot(t.Context()); err == nil {
				t.Error("a snapshot of half a list")
			}
		})
		synctest.Wait()
		c.Close()
		all.Wait()
		for range sub.Events() { // until it is closed
		}
		sub.Close()
		if _, open := <-c.Subscribe(1).Events(); open {
			t.Error("a subscription after the end is open")
		}
		if _, err := c.Do(t.Context(), Action{Name: "Ping"}); !errors.Is(err, ErrAway) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Snapshot(t.Context()); !errors.Is(err, ErrAway) {
			t.Errorf("got %v", err)
		}
		c.Close() // twice does no harm
	})
}

// TestLogs: they say what happened, once, without secrets.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("Events", refuse("no, "+secret))
	var logs bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(AMI{Addr: "pbx:5038", User: user, Secret: secret}, Options{Dial: s.dial, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Subscribe(1)
		synctest.Wait()
		s.setAway(errors.New("refused"))
		s.last().conn.Close()
		time.Sleep(10 * time.Minute)
		c.Close()
	})
	if got := logs.String(); strings.Contains(got, secret) || strings.Count(got, "trying on") != 2 || strings.Count(got, "connected to") != 1 || !strings.Contains(got, "no, ***") {
		t.Error(got)
	}
}

// TestMask: Asterisk is asked for no more classes of events than somebody wants.
func TestMask(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		asked := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := s.sent[len(s.sent)-1].fields["EventMask"]; got != want {
				t.Errorf("asked for %q, want %q", got, want)
			}
		}
		calls := c.Subscribe(1, "DialEnd", "Hangup")
		asked("call")
		other := c.Subscribe(1, "Hangup", "PeerStatus")
		asked("on")
		other.Close()
		asked("call")
		calls.Close()
		asked("off")
	})
}
