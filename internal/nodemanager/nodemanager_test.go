package nodemanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
)

// peer plays NodeManager, byte by byte as the protocol's page has them. answer makes the reply to each message.
type peer struct {
	greeting string // what it says first
	old      bool   // version 2.0
	answer   func(message string) string

	mu    sync.Mutex
	asked []string
}

const (
	greeting3 = "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x00NULL" // and zeros up to 64 bytes
	ready     = "\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03REP\x08Identity\x00\x00\x00\x00"
)

func (p *peer) messages() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// start listens, and returns where.
func (p *peer) start(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	t.Cleanup(func() { listener.Close(); connections.Wait() })
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				if err := p.serve(conn); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Logf("peer: %v", err)
				}
			})
		}
	})
	return listener.Addr().String()
}

func (p *peer) serve(conn net.Conn) error {
	say := func(text string) { _, _ = io.WriteString(conn, text) }
	hear := func(want string) error {
		got := make([]byte, len(want))
		_, err := io.ReadFull(conn, got)
		if err == nil && string(got) != want {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	}
	if p.old {
		say(greeting3[:10] + "\x01\x04" + "\x00\x00") // revision, REP, identity
		if err := errors.Join(hear(greeting3[:11]), hear("\x03\x00\x00")); err != nil {
			return err
		}
	} else {
		greeting := p.greeting
		if greeting == "" {
			greeting = greeting3
		}
		say(greeting + strings.Repeat("\x00", max(64-len(greeting), 0)))
		if err := hear(greeting3 + strings.Repeat("\x00", 64-len(greeting3))); err != nil {
			return err
		}
		say(ready)
		if err := hear(strings.Replace(ready, "REP", "REQ", 1)); err != nil {
			return err
		}
	}
	if err := hear("\x01\x00"); err != nil {
		return err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	message := make([]byte, head[1])
	if _, err := io.ReadFull(conn, message); err != nil {
		return err
	}
	p.mu.Lock()
	p.asked = append(p.asked, string(message))
	p.mu.Unlock()
	say(p.answer(string(message)))
	_, err := conn.Read(head) // until the client has gone
	return err
}

// says is a reply as it goes over the wire.
func says(json string) string { return "\x01\x00\x00" + string(rune(len(json))) + json }

const (
	createMarta = `{"command":"subscribers","action":"create","fields":{"name":"7","imsi":"IMSI001010000000204","msisdn":"555000204","ki":""}}`
	readMarta   = `{"command":"subscribers","action":"read","match":{"imsi":"IMSI001010000000204"}}`
	deleteMarta = `{"command":"subscribers","action":"delete","match":{"imsi":"IMSI001010000000204"}}`

	// What it may know of the card.
	ours     = `200 [{"name":"7","imsi":"IMSI001010000000204","msisdn":"555000299"}]`
	complete = `200 [{"name":"anybody","imsi":"IMSI001010000000204","msisdn":"555000204"}]`
	foreign  = `200 [{"name":"70","imsi":"IMSI001010000000204","msisdn":"555000299"}]`
)

var marta = Subscriber{Name: "7", IMSI: "001010000000204", MSISDN: "555000204"}

func TestRequests(t *testing.T) {
	t.Parallel()
	create := func(c Client) error { return c.Create(t.Context(), marta) }
	remove := func(c Client) error { return c.Delete(t.Context(), marta) }
	for _, old := range []bool{false, true} {
		answers := make(chan string, 4) // a code, and perhaps data
		p := &peer{old: old, answer: func(string) string {
			code, data, found := strings.Cut(<-answers, " ")
			if !found {
				data = `{"both":"saved"}`
			}
			return says(fmt.Sprintf(`{"code":%s,"data":%s}`, code, data))
		}}
		c := Client{Address: p.start(t)}
		for _, tt := range []struct {
			what    string
			answers []string
			do      func(Client) error
			asks    []string
			err     string
		}{
			{"create", []string{"200"}, create, []string{createMarta}, ""},
			{"known already, with another number", []string{"409", ours, "204", "200"}, create, []string{createMarta, readMarta, deleteMarta, createMarta}, ""},
			{"known already, as it should be", []string{"409", complete}, create, []string{createMarta, readMarta}, ""},
			{"somebody else's", []string{"409", foreign}, create, []string{createMarta, readMarta}, "NodeManager answered create with 409 because it knows this card by a name that is not ours; delete the card there if that is a mistake"},
			{"the number is another card's", []string{"409", "404"}, create, []string{createMarta, readMarta}, "NodeManager answered create with 409 Conflict"},
			{"the number is another card's, in other words", []string{"409", "200 []"}, create, []string{createMarta, readMarta}, "NodeManager answered create with 409 Conflict"},
			{"known, by whom nobody knows", []string{"409", "200"}, create, []string{createMarta, readMarta}, "NodeManager answered read with 200 and something else than this card"},
			{"known, but it cannot say how", []string{"409", "501"}, create, []string{createMarta, readMarta}, "NodeManager answered read with 501 Not Implemented"},
			{"refused", []string{"406"}, create, []string{createMarta}, "NodeManager answered create with 406 Not Acceptable"},
			{"for ever known", []string{"409", ours, "200", "409"}, create, []string{createMarta, readMarta, deleteMarta, createMarta}, "NodeManager answered create with 409 Conflict"},
			{"known, and stays so", []string{"409", ours, "500"}, create, []string{createMarta, readMarta, deleteMarta}, "NodeManager answered delete with 500 Internal Server Error"},
			{"delete", []string{ours, "204"}, remove, []string{readMarta, deleteMarta}, ""},
			{"unknown already", []string{"404"}, remove, []string{readMarta}, ""},
			{"gone meanwhile", []string{ours, "404"}, remove, []string{readMarta, deleteMarta}, ""},
			{"delete somebody else's", []string{foreign}, remove, []string{readMarta}, ""},
			{"delete somebody else's with our number", []string{complete}, remove, []string{readMarta}, ""},
			{"an answer about another card", []string{strings.Replace(ours, "204", "205", 1)}, remove, []string{readMarta}, "NodeManager answered read with 200 and something else than this card"},
			{"not able to", []string{ours, "501"}, remove, []string{readMarta, deleteMarta}, "NodeManager answered delete with 501 Not Implemented"},
		} {
			for _, a := range tt.answers {
				answers <- a
			}
			before := len(p.messages())
			err := tt.do(c)
			var rejected *Rejected
			if got := fmt.Sprint(err); tt.err == "" && err != nil || tt.err != "" && (got != tt.err || !errors.As(err, &rejected)) {
				t.Errorf("old %t, %s: %v, want %q", old, tt.what, err, tt.err)
			}
			if got := p.messages()[before:]; fmt.Sprint(got) != fmt.Sprint(tt.asks) {
				t.Errorf("old %t, %s: it was asked %q, want %q", old, tt.what, got, tt.asks)
			}
		}
	}
}

// TestOddPeers: whatever answers at the port, it is an error and no more.
func TestOddPeers(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]*peer{
		"HTTP":                    {greeting: "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"zeros":                   {greeting: "\xff"},
		"passwords":               {greeting: strings.Replace(greeting3, "NULL", "CURVE", 1)},
		"no JSON":                 {answer: func(string) string { return says("hello") }},
		"no code":                 {answer: func(string) string { return says(`{}`) }},
		"half a message":          {answer: func(string) string { return "\x01\x00\x00\x30{" }},
		"no envelope":             {answer: func(string) string { return "\x00\x02{}" }},
		"a length of 2^63":        {answer: func(string) string { return "\x01\x00\x02\x80\x00\x00\x00\x00\x00\x00\x00" }},
		"parts without end":       {answer: func(string) string { return strings.Repeat("\x01\x00", 1<<20) }},
		"commands without end":    {answer: func(string) string { return strings.Repeat("\x04\x00", 1<<20) }},
		"an answer that is empty": {answer: func(string) string { return "\x01\x00\x00\x00" }},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if p.answer == nil {
				p.answer = func(string) string { return says(`{"code":200}`) }
			}
			var rejected *Rejected
			err := Client{Address: p.start(t), Timeout: time.Second}.Create(t.Context(), marta)
			if err == nil || errors.As(err, &rejected) {
				t.Errorf("it went well, or was refused: %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Client{Address: "127.0.0.1:9"}).Create(ctx, marta); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestLongMessage: one of more than 255 bytes has another frame, and commands before the reply are none of it.
func TestLongMessage(t *testing.T) {
	t.Parallel()
	if f := frame(0, make([]byte, 300)); string(f[:9]) != "\x02\x00\x00\x00\x00\x00\x00\x01\x2c" || len(f) != 309 {
		t.Errorf("a long frame begins with %q", f[:9])
	}
	p := &peer{answer: func(string) string {
		return "\x04\x05\x04PING" + "\x01\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00\x0c" + `{"code":204}` + "\x00\x04more"
	}}
	if err := (Client{Address: p.start(t)}).Create(t.Context(), marta); err != nil {
		t.Error(err)
	}
}

// TestLibrary speaks to somebody else's ZeroMQ.
func TestLibrary(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rep := zmq4.NewRep(ctx)
	defer rep.Close()
	if err := rep.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 3)
	go func() {
		for {
			m, err := rep.Recv()
			if err != nil {
				return
			}
			asked <- string(m.Bytes())
			if err := rep.Send(zmq4.NewMsgString(`{"code":200,"data":[]}`)); err != nil {
				return
			}
		}
	}()
	c := Client{Address: rep.Addr().String()}
	for _, want := range []string{createMarta, readMarta, createMarta} {
		do := func() error { return c.Create(ctx, marta) }
		if want == readMarta {
			do = func() error { return c.Delete(ctx, marta) }
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if got := <-asked; got != want {
			t.Errorf("it got %s, want %s", got, want)
		}
	}
	long := Subscriber{Name: "7", IMSI: "1", MSISDN: strings.Repeat("5", 400)}
	if err := c.Create(ctx, long); err != nil {
		t.Error(err)
	}
}
