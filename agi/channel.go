package agi

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	lib "github.com/CyCoreSystems/agi"
)

// How a command can fail. After ErrClosed, ErrTimeout and ErrProtocol Talktime may no longer know which answer
// belongs to which command, so the connection is closed and every later command returns the same error.
var (
	// ErrHangup: the caller is gone. Variables can still be read and set.
	ErrHangup = errors.New("agi: the caller hung up")
	// ErrClosed: the connection is gone: Asterisk ended it, or died.
	ErrClosed = errors.New("agi: connection closed")
	// ErrLetGo: the server is stopping and left this Dial to Asterisk, which goes on with the call.
	ErrLetGo = errors.New("agi: call left to Asterisk")
	// ErrTimeout: Asterisk did not answer in time.
	ErrTimeout = errors.New("agi: no answer in time")
	// ErrProtocol: what came is not what Asterisk says.
	ErrProtocol = errors.New("agi: protocol error")
	// ErrNoApp: this Asterisk has no such application.
	ErrNoApp = errors.New("agi: no such application")
	// ErrFailed: Asterisk tried and could not, for instance for want of a sound file.
	ErrFailed = errors.New("agi: command failed")
	// ErrArgument: our own mistake: an argument that cannot be sent. Nothing was sent.
	ErrArgument = errors.New("agi: argument cannot be sent")
)

// maxCommandBytes is how much of a command Asterisk reads, its newline included. Its other bound, 127 words,
// cannot be reached, since every argument is sent as one word.
const maxCommandBytes = 2047

// Where a call is, for a server that stops. Only a dialing one may be left to Asterisk, and whoever takes it out
// of dialing first, Asterisk's reply or the server, decides.
const (
	working int32 = iota
	dialing
	left
)

// A Channel is one call's connection to Asterisk, and what a script may ask of the phone. A script uses it from
// one goroutine and does not keep it.
type Channel struct {
	in       reader
	lib      *lib.AGI
	conn     net.Conn
	request  Request
	server   *Server
	broken   error         // what ended the dialogue; returned by every later command
	limit    time.Duration // of the command under way; 0 is none
	sent     bool          // at least a part of the command under way was written
	dial     bool          // the command under way is a Dial
	phase    atomic.Int32  // working, dialing or left
	commands int
	started  time.Time // when its goroutine began; guarded by server.mu until greeted
	dropped  bool      // while silent, by a server that needed the place; guarded by server.mu
	script   string    // the name it is registered by; empty until Mux knows it
	status   string
	notes    []slog.Attr
}

func newChannel(s *Server, conn net.Conn) *Channel {
	return &Channel{in: reader{src: conn}, conn: conn, server: s}
}

// greet reads the greeting.
func (c *Channel) greet() error {
	q, err := c.in.readGreeting()
	if err != nil {
		return cause(err)
	}
	q.RemoteAddr = remoteAddr(c.conn)
	c.request = q
	// New finds no greeting in our reader, which is where the map of it would come from.
	c.lib = lib.New(&c.in, wire{c})
	c.lib.Variables = nil
	return nil
}

// Request returns what Asterisk said about the call.
func (c *Channel) Request() Request { return c.request }

// Hungup reports whether Asterisk has said that the caller hung up or was redirected. It becomes true only
// inside another method of Channel (nothing else reads the connection), so there is nothing to wait for.
// Without it the caller may be gone too: under AGISIGHUP=no Asterisk does not say so.
func (c *Channel) Hungup() bool { return c.in.hungup }

// Note adds to the one line that is logged when the call ends. The numbers of a call that was permitted do not belong
// there: it is in the books.
func (c *Channel) Note(attrs ...slog.Attr) { c.notes = append(c.notes, attrs...) }

// SetStatus names the outcome of the script for the log and the metrics: one of a few fixed words.
func (c *Channel) SetStatus(status string) { c.status = status }

// Get returns a channel variable, or set = false if it is unset.
func (c *Channel) Get(name string) (value string, set bool, err error) {
	if !isName(name) {
		return "", false, ErrArgument
	}
	r, err := c.do(c.server.commandTimeout(), "GET VARIABLE "+name)
	if err != nil {
		return "", false, err
	}
	return r.Value, r.Result == 1, nil
}

// GetFull returns what Asterisk makes of an expression such as "${DIALSTATUS}|${ANSWEREDTIME}", unset variables
// being empty. It saves a command per variable.
func (c *Channel) GetFull(expression string) (value string, set bool, err error) {
	r, err := c.do(c.server.commandTimeout(), "GET FULL VARIABLE", expression)
	if err != nil {
		return "", false, err
	}
	return r.Value, r.Result == 1, nil
}

// Set sets a channel variable or function.
func (c *Channel) Set(name, value string) error {
	if !isName(name) {
		return ErrArgument
	}
	_, err := c.do(c.server.commandTimeout(), "SET VARIABLE "+name, value)
	return err
}

// Exec runs a dialplan application that ends soon and returns its result: "0", or "-1" if the channel is to end.
func (c *Channel) Exec(app, args string) (result string, err error) {
	return c.exec(c.server.commandTimeout(), app, args)
}

// Dial runs the application Dial, which may last for hours; limit bounds it, 0 is no bound. The result is as
// that of Exec; how the call went is in DIALSTATUS.
//
// sent reports whether Asterisk may have got the command. If not, nobody's phone rings, and the caller's
// money is free again. If so, whatever err says, only evidence can tell what happened. A caller who is known
// to be gone is not dialled for.
func (c *Channel) Dial(args string, limit time.Duration) (result string, sent bool, err error) {
	if c.broken != nil {
		return "", false, c.broken
	}
	// Asterisk may have said good-bye since the last command, and the kernel would still take our line. (The
	// deadline may have passed since; what has arrived counts nevertheless.)
	if err := errors.Join(c.conn.SetReadDeadline(time.Time{}), c.in.look()); err != nil {
		return "", false, c.fail(err)
	}
	if c.in.hungup {
		return "", false, ErrHangup
	}
	c.sent, c.dial = false, true
	result, err = c.exec(limit, "Dial", args)
	c.dial = false
	return result, c.sent, err
}

// Answer answers the channel.
func (c *Channel) Answer() error {
	_, err := c.play("ANSWER")
	return err
}

// StreamFile plays a sound file and returns the key that ended it, one of escape, or "".
func (c *Channel) StreamFile(name, escape string) (key string, err error) {
	return c.play("STREAM FILE", name, escape)
}

// SayNumber says a whole number.
func (c *Channel) SayNumber(n int64) error {
	_, err := c.play("SAY NUMBER", n, "")
	return err
}

// SayDigits says digits one by one.
func (c *Channel) SayDigits(digits string) error {
	_, err := c.play("SAY DIGITS", digits, "")
	return err
}

// GetData plays a file and returns up to maxKeys keys pressed, "" if none; # ends the input. Asterisk waits for
// timeout after the file and after each key.
func (c *Channel) GetData(file string, timeout time.Duration, maxKeys int) (keys string, err error) {
	limit := c.server.promptTimeout() + timeout*time.Duration(maxKeys+1)
	r, err := c.do(limit, "GET DATA", file, timeout.Milliseconds(), int64(maxKeys))
	if err != nil {
		return "", err
	}
	if r.ResultString == "-1" {
		return "", c.failed()
	}
	return unspell(r.ResultString), nil
}

// An Ending is how the entry of digits ended.
type Ending int

// What ends an entry. Whoever hangs up in the middle of one ends it with an error.
const (
	TimedOut Ending = iota // nothing came for a while; what was typed before that is there
	Hash                   // the key #
	Star                   // the key *, by which callers begin anew
	TooLong                // more digits than there may be
)

// maxEntry bounds the keys of one entry: more than that is no number, but something that lies on a phone's keys.
const maxEntry = 100

// WaitForDigit waits for a key of 0 to 9, * and #, and returns "" if there was none in time.
func (c *Channel) WaitForDigit(timeout time.Duration) (key string, err error) {
	r, err := c.do(c.server.commandTimeout()+timeout, "WAIT FOR DIGIT", timeout.Milliseconds())
	if err != nil {
		return "", err
	}
	if r.Result < 0 { // it fails for nothing else, and under AGISIGHUP=no this is all we hear of it
		c.in.hungup = true
		return "", ErrHangup
	}
	return keyOf(r.Result), nil
}

// Digits collects digits until #, *, or a pause: first is how long to wait for the first key, next for each further one.
// key is one that was pressed already, while a prompt was played; "" is none. Of an entry with more than most digits
// nothing is returned. It does not use GetData, which tells neither * nor a hang-up from the rest before its time is over.
func (c *Channel) Digits(key string, most int, first, next time.Duration) (digits string, ended Ending, err error) {
	var typed []byte
	for range maxEntry {
		if key == "" {
			pause := next
			if len(typed) == 0 {
				pause = first
			}
			if key, err = c.WaitForDigit(pause); err != nil {
				return "", TimedOut, err
			}
		}
		switch key {
		case "*":
			return "", Star, nil
		case "", "#":
			if len(typed) > most {
				return "", TooLong, nil
			}
			if key == "#" {
				ended = Hash
			}
			return string(typed), ended, nil
		}
		typed, key = append(typed, key...), ""
	}
	return "", TooLong, nil
}

// keypad is the keys of a phone.
const keypad = "0123456789*#"

// keyOf is the key that a command's result names, "" for what is none.
func keyOf(result int) string {
	if result < ' ' || result > '~' || !strings.ContainsRune(keypad, rune(result)) {
		return ""
	}
	return string(rune(result))
}

// Verbose writes to Asterisk's console.
func (c *Channel) Verbose(text string, level int) error {
	_, err := c.do(c.server.commandTimeout(), "VERBOSE", text, int64(level))
	return err
}

func (c *Channel) exec(limit time.Duration, app, args string) (string, error) {
	if !isName(app) {
		return "", ErrArgument
	}
	r, err := c.do(limit, "EXEC "+app, args)
	if err != nil {
		return "", err
	}
	if r.Result == -2 {
		return "", fmt.Errorf("%w: %s", ErrNoApp, app)
	}
	return r.ResultString, nil
}

// play runs a command that the caller hears, whose result is the key he pressed.
func (c *Channel) play(verb string, args ...any) (key string, err error) {
	r, err := c.do(c.server.promptTimeout(), verb, args...)
	switch {
	case err != nil:
		return "", err
	case r.Result < 0:
		return "", c.failed()
	case r.Result > 0:
		return fmt.Sprintf("%c", r.Result), nil
	}
	return "", nil
}

func (c *Channel) failed() error {
	if c.in.hungup {
		return ErrHangup
	}
	return ErrFailed
}

// do sends one command and returns its reply if the status is 200. The library's errors are not looked at: they
// say less than the reader knows.
func (c *Channel) do(limit time.Duration, verb string, args ...any) (*lib.Response, error) {
	command, err := encode(verb, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	if c.broken != nil {
		return nil, c.broken
	}
	c.commands++
	c.limit = limit
	r := c.lib.Command(command)
	if c.broken != nil {
		return nil, fmt.Errorf("%s: %w", verb, c.broken)
	}
	switch r.Status {
	case lib.StatusOK:
		return r, nil
	case lib.StatusDeadChannel:
		c.in.hungup = true
		err = ErrHangup
	case lib.StatusInvalid:
		err = errUnknownCommand
	case lib.StatusEndUsage:
		err = errSyntax
	case 0:
		err = c.fail(errNotReply)
	default:
		err = errStatus
	}
	return nil, fmt.Errorf("%s: %w", verb, err)
}

// wire is where the library writes its commands. Write waits for the reply as well: the library allocates 4 KiB
// before it reads, which a call parked in Dial need not hold.
type wire struct{ c *Channel }

func (w wire) Write(command []byte) (int, error) {
	if err := w.c.exchange(command); err != nil {
		return 0, w.c.fail(err)
	}
	return len(command), nil
}

// exchange writes one command line and prepares the reply for the library to read.
func (c *Channel) exchange(command []byte) error {
	if err := c.in.pending(); err != nil {
		return err
	}
	limit := c.limit
	if c.dial {
		limit = c.server.commandTimeout() // for the writing alone
	}
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	n, err := c.conn.Write(command)
	c.sent = n > 0
	if err != nil {
		return err
	}
	if c.dial {
		return c.park()
	}
	return c.in.next()
}

// park waits for the end of a Dial, or until a server that stops lets the call go.
func (c *Channel) park() error {
	err := c.conn.SetReadDeadline(time.Time{})
	if c.limit > 0 {
		err = c.conn.SetReadDeadline(time.Now().Add(c.limit))
	}
	if err != nil {
		return err
	}
	c.phase.Store(dialing)
	if c.server.draining.Load() {
		c.letGo()
	}
	err = c.in.next()
	if !c.phase.CompareAndSwap(dialing, working) {
		return ErrLetGo
	}
	return err
}

// letGo leaves a call in Dial to Asterisk by closing its connection, at which Asterisk goes on with the call.
// On any other call it does nothing.
func (c *Channel) letGo() {
	if c.phase.CompareAndSwap(dialing, left) {
		c.conn.Close()
	}
}

// fail ends the dialogue for the reason err and returns what every later command will return.
func (c *Channel) fail(err error) error {
	c.broken = cause(err)
	c.conn.Close()
	return c.broken
}

// cause sorts what can go wrong with a connection into our own errors.
func cause(err error) error {
	switch {
	case errors.Is(err, ErrLetGo), errors.Is(err, ErrProtocol):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, io.EOF):
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// encode builds a command line: the verb as it is, text quoted, numbers (int64) plain.
func encode(verb string, args ...any) (string, error) {
	line := make([]byte, 0, 128)
	line = append(line, verb...)
	for _, arg := range args {
		line = append(line, ' ')
		switch arg := arg.(type) {
		case int64:
			line = strconv.AppendInt(line, arg, 10)
		case string:
			if strings.ContainsAny(arg, "\r\n\x00") {
				return "", ErrArgument
			}
			line = quote(line, arg)
		default:
			panic(fmt.Sprintf("agi: %s with an argument of type %T", verb, arg))
		}
	}
	if len(line)+1 > maxCommandBytes {
		return "", fmt.Errorf("%w: %d bytes", ErrArgument, len(line))
	}
	return string(line), nil
}

// quote appends text as one word of a command, whatever it contains except the ends of lines and strings.
func quote(line []byte, text string) []byte {
	line = append(line, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			line = append(line, '\\')
		}
		line = append(line, text[i])
	}
	return append(line, '"')
}

// isName reports whether s can be sent unquoted, as the name of a variable, function or application.
func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// unspell undoes [spell].
func unspell(keys string) string {
	return strings.NewReplacer("s", "*", "h", "#").Replace(keys)
}
