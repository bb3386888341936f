package agi

import (
	"bytes"
	"errors"
	"io"
	"syscall"
)

// What Asterisk never reaches and a stranger may not pass.
const (
	maxLineBytes     = 8 << 10  // a reply, or one line of a greeting
	maxGreetingBytes = 16 << 10 // a greeting; a real one has about 1 KiB
	maxGreetingLines = 128      // a real one has about 25, and one more per argument
	maxExtraLines    = 128      // lines that may come with one reply: usage, HANGUP, Trying, a value's lines
)

// readBufferBytes is small because every parked call holds one buffer.
const readBufferBytes = 512

// A protocolError says what a peer did that Asterisk does not. It is one of a few fixed words, so that it can
// name a metric and cannot carry a caller's number into the log.
type protocolError string

const (
	errLineTooLong     protocolError = "line too long"
	errTooManyLines    protocolError = "too many lines"
	errNotReply        protocolError = "not a reply"
	errUnasked         protocolError = "unasked line"
	errNotGreeting     protocolError = "not a greeting"
	errGreetingTooLong protocolError = "greeting too long"
	errDisorder        protocolError = "greeting out of order"
	errUnknownCommand  protocolError = "unknown command"   // 510
	errSyntax          protocolError = "command syntax"    // 520
	errStatus          protocolError = "unexpected status" // any other
)

func (e protocolError) Error() string        { return "agi: " + string(e) }
func (e protocolError) Is(target error) bool { return target == ErrProtocol }

// reader turns what Asterisk sends into what the AGI library can read: exactly one line for each command.
//
// The library makes a new scanner for every command and throws it away with all it has read, takes the line
// HANGUP for the answer to the pending command (and so reads every later answer one command late), and
// understands neither answers of several lines nor "511 text". So the reader takes out what answers no
// command, remembers a HANGUP, folds the rest into one line of the form "200 result=1 (value)", and hands out
// that line and nothing beyond it. It keeps the cause of a failure too, which the library drops.
type reader struct {
	src        io.Reader
	buf        [readBufferBytes]byte
	start, end int    // buf[start:end] has been read and not yet used
	long       []byte // the beginning of a line that does not fit into buf
	out        []byte // the reply for the library, of which given bytes are handed out
	given      int
	readErr    error // what ended src
	hungup     bool  // HANGUP has been seen
}

// Read hands the library the reply that next has prepared, and nothing else.
func (r *reader) Read(p []byte) (int, error) {
	if r.given == len(r.out) {
		return 0, io.EOF
	}
	n := copy(p, r.out[r.given:])
	r.given += n
	return n, nil
}

// next waits for the reply to the command just sent and prepares it for Read.
func (r *reader) next() error {
	if cap(r.out) > readBufferBytes {
		r.out = nil // one long value must not stay with a call for hours
	}
	r.out, r.given = r.out[:0], 0
	for range maxExtraLines {
		line, err := r.line()
		if err != nil {
			return err
		}
		if r.beside(line) {
			continue
		}
		return r.fold(line)
	}
	return errTooManyLines
}

// beside reports whether line answers no command, and notes a HANGUP. Such lines come at any moment: HANGUP
// when the caller hung up or was redirected, 100 while a GOSUB runs.
func (r *reader) beside(line []byte) bool {
	if string(line) == "HANGUP" {
		r.hungup = true
		return true
	}
	return bytes.HasPrefix(line, []byte("100 "))
}

// pending goes through the lines that have arrived although no command is pending. Anything but HANGUP would
// be taken for the answer to the next command, so it ends the dialogue.
func (r *reader) pending() error {
	for bytes.IndexByte(r.buf[r.start:r.end], '\n') >= 0 {
		line, err := r.line()
		if err != nil {
			return err
		}
		if !r.beside(line) {
			return errUnasked
		}
	}
	return nil
}

// fold makes the reply that begins with line into one line in out.
func (r *reader) fold(line []byte) error {
	if len(line) < 5 || !digits(line[:3]) || line[3] != ' ' && line[3] != '-' {
		return errNotReply
	}
	several, text := line[3] == '-', line[4:]
	r.out = append(append(r.out, line[:3]...), ' ')
	if result, ok := bytes.CutPrefix(text, []byte("result=")); ok && !several {
		return r.foldResult(result)
	}
	if line[0] == '2' {
		return errNotReply
	}
	// "511 Command Not Permitted…": without a result the library would not see the status.
	r.out = append(append(append(r.out, "result=-1 ("...), text...), ")\n"...)
	if several {
		return r.skipUsage()
	}
	return nil
}

// foldResult appends a reply that has a result, with all lines of its value, which Asterisk sends as they are.
func (r *reader) foldResult(result []byte) error {
	r.out = append(r.out, "result="...)
	token := len(r.out)
	r.out = append(r.out, result...)
	for i := token; i < len(r.out) && r.out[i] != ' '; i++ {
		r.out[i] = spell(r.out[i])
	}
	if _, value, ok := bytes.Cut(result, []byte(" ")); ok && bytes.HasPrefix(value, []byte("(")) {
		for lines := 1; r.out[len(r.out)-1] != ')'; lines++ {
			line, err := r.line()
			if err != nil {
				return err
			}
			r.out = append(append(r.out, ' '), line...)
			if lines == maxExtraLines {
				return errTooManyLines
			}
			if len(r.out) > maxLineBytes {
				return errLineTooLong
			}
		}
	}
	r.out = append(r.out, '\n')
	return nil
}

// skipUsage reads on to the end of an answer that began with "520-".
func (r *reader) skipUsage() error {
	for range maxExtraLines {
		line, err := r.line()
		if err != nil {
			return err
		}
		// Not at the beginning: the text before it need not end its line.
		if bytes.Contains(line, append(r.out[:3:3], " End"...)) {
			return nil
		}
	}
	return errTooManyLines
}

// spell writes the telephone keys * and #, which the library takes for rubbish in a result, as letters that no
// result has. [unspell] undoes it.
func spell(c byte) byte {
	switch c {
	case '*':
		return 's'
	case '#':
		return 'h'
	}
	return c
}

// line returns the next line without its end. It is good until the next call.
func (r *reader) line() ([]byte, error) {
	r.long = nil
	for {
		if i := bytes.IndexByte(r.buf[r.start:r.end], '\n'); i >= 0 {
			line := r.buf[r.start : r.start+i]
			r.start += i + 1
			if r.long != nil {
				line = append(r.long, line...)
			}
			if len(line) > maxLineBytes {
				return nil, errLineTooLong
			}
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if len(r.long) > maxLineBytes {
			return nil, errLineTooLong
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill waits for more bytes. What fills the buffer without an end of line moves to long.
func (r *reader) fill() error {
	r.compact()
	if r.end == len(r.buf) {
		r.long = append(r.long, r.buf[:]...)
		r.end = 0
	}
	if r.readErr != nil {
		return r.readErr
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	r.readErr = err
	if n == 0 && err != nil {
		return err
	}
	return nil
}

func (r *reader) compact() {
	r.end = copy(r.buf[:], r.buf[r.start:r.end])
	r.start = 0
}

// look takes what has already arrived, without waiting for more, so that a caller who is gone is noticed
// before a command is written and not after. It does nothing on a connection without a descriptor.
func (r *reader) look() error {
	descriptor, ok := r.src.(syscall.Conn)
	if !ok || r.readErr != nil {
		return r.readErr
	}
	raw, err := descriptor.SyscallConn()
	if err != nil {
		return err
	}
	r.compact()
	n := -1
	if err := raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), r.buf[r.end:])
		return true
	}); err != nil {
		return err
	}
	switch {
	case n > 0:
		r.end += n
	case n == 0 && r.end < len(r.buf):
		r.readErr = io.EOF
	case err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR):
		r.readErr = err
	}
	if err := r.pending(); err != nil {
		return err
	}
	return r.readErr
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
