package agitest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Hangups is how a call's dialplan has Asterisk tell a server that the caller hung up.
type Hangups int

const (
	// SayHangup: a line HANGUP before the next reply. The default.
	SayHangup Hangups = iota
	// SayNothing is AGISIGHUP=no.
	SayNothing
	// Exit is AGIEXITONHANGUP=yes: the connection ends.
	Exit
)

// An Event is what happens to a call before a command is answered.
type Event int

const (
	// Answer: nothing happens.
	Answer Event = iota
	// HangUp: the caller hangs up; the command is answered on a dead channel.
	HangUp
	// Drop: the connection ends without an answer.
	Drop
	// Silence: the command is never answered.
	Silence
)

// A Peer is Asterisk's side of one call. The zero Peer is an ordinary call; set fields before running it. It
// runs once, in one goroutine.
type Peer struct {
	Greeting
	Vars    map[string]string                 // channel variables and functions, kept for [Peer.H]; made if nil
	Dial    func(*Dial)                       // what comes of Dial; nil: answered, 10 s of talk, the callee hangs up
	Keys    func(file string) string          // the keys pressed at GET DATA; nil: none
	Types   func(file string) string          // what is typed on hearing a file: for STREAM FILE and WAIT FOR DIGIT; nil: nothing
	Missing func(file string) bool            // there is no such recording; nil: all are there
	Reply   func(command string) string       // answers a command instead; "" or nil: as Asterisk does
	Event   func(n int, command string) Event // before command n, from 1, is answered; nil: nothing happens
	Hangups Hangups
	Dead    bool // the channel is gone, as in h
	Record  bool // keep the dialogue in Lines, as "< " and "> " lines of a transcript
	Lines   []string

	commands int
	typed    string        // keys that wait for whoever asks for them
	hangup   bool          // HANGUP is to be sent
	away     time.Duration // talk of a call that was redirected
	up       bool          // ANSWER was given
	out      []byte
}

// H returns the call as the h extension sees it, which runs script after the hang-up: a dead channel with the
// same variables, except that its CDR is a new one and reads 0.
func (p *Peer) H(script string) *Peer {
	g := p.Greeting
	g.Script, g.Extension, g.Args = script, "h", nil
	vars := p.Vars
	if vars == nil {
		vars = map[string]string{}
	}
	if p.away > 0 {
		last, _ := strconv.Atoi(vars["ANSWEREDTIME_MS"])
		talk := p.away + time.Duration(last)*time.Millisecond
		vars["ANSWEREDTIME"], vars["ANSWEREDTIME_MS"] = seconds(talk), millis(talk)
	}
	vars["CDR(billsec)"], vars["CDR(duration)"], vars["CDR(disposition)"] = "0", "0", "NO ANSWER"
	return &Peer{Greeting: g, Vars: vars, Dead: true, Record: p.Record}
}

// Call connects to a server and runs the call.
func (p *Peer) Call(ctx context.Context, address string) error {
	d := net.Dialer{KeepAlive: -1} // saves four system calls, which count when calls are made by the thousand
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	return p.Run(conn)
}

// Run runs the call on conn until the server or the call ends it, and closes conn. That the server closes the
// connection is no error, whenever it does; a command that Asterisk would misread is one, and so is a deadline
// of conn.
func (p *Peer) Run(conn net.Conn) error {
	defer conn.Close()
	p.fill()
	if p.Vars == nil {
		p.Vars = map[string]string{}
	}
	p.out = p.Greeting.append(make([]byte, 0, 1024))
	in := bufio.NewReaderSize(conn, maxCommandBytes)
	for {
		if err := p.flush(conn); err != nil {
			return gone(err)
		}
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("agitest: a command of more than %d bytes: %.40q…", maxCommandBytes, line)
		case err != nil && len(line) > 0:
			return fmt.Errorf("agitest: half a command: %q", line)
		case err != nil:
			return gone(err)
		}
		goOn, err := p.command(string(line[:len(line)-1]))
		if !goOn || err != nil {
			return errors.Join(err, gone(p.flush(conn)))
		}
	}
}

// command answers one command into out. goOn is false when the connection ends then.
func (p *Peer) command(line string) (goOn bool, err error) {
	if p.Record {
		p.Lines = append(p.Lines, "> "+line)
	}
	p.commands++
	if p.Event != nil {
		switch p.Event(p.commands, line) {
		case HangUp:
			if !p.hangUp() {
				return false, nil
			}
		case Drop:
			return false, nil
		case Silence:
			return true, nil
		case Answer:
		}
	}
	if p.hangup {
		p.hangup = false
		p.say("HANGUP")
	}
	words, err := split(line)
	if err != nil {
		return false, err
	}
	return p.answer(words), nil
}

// hangUp makes the caller hang up. It returns false when the connection ends with that.
func (p *Peer) hangUp() bool {
	p.Dead = true
	switch p.Hangups {
	case SayHangup:
		p.hangup = true
	case Exit:
		p.say("HANGUP")
		return false
	case SayNothing:
	}
	return true
}

// say adds a line to what is sent next.
func (p *Peer) say(parts ...string) {
	for _, part := range parts {
		p.out = append(p.out, part...)
	}
	p.out = append(p.out, '\n')
}

// flush sends what has been said, in one piece.
func (p *Peer) flush(conn net.Conn) error {
	if p.Record && len(p.out) > 0 {
		for line := range strings.Lines(string(p.out)) {
			p.Lines = append(p.Lines, "< "+strings.TrimSuffix(line, "\n"))
		}
	}
	_, err := conn.Write(p.out)
	p.out = p.out[:0]
	return err
}

// gone returns err unless it is the other side's end of the connection.
func gone(err error) error {
	for _, end := range []error{io.EOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return nil
		}
	}
	return err
}
