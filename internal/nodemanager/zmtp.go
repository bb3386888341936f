package nodemanager

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The ZeroMQ Message Transport Protocol, as far as one request and its reply need it: version 3.0 without
// authentication, and version 2.0, which old libraries speak.

const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4

	maxFrame = 64 << 10 // bytes; an answer has a few dozen
)

// exchange connects as a REQ socket, sends a message of one part and returns the first part of the reply.
func exchange(ctx context.Context, address string, message []byte) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s := socket{bufio.NewReader(conn), conn}
	if err := s.greet(); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	// An empty part stands between the envelope, of which a REQ has none, and the message.
	if _, err := conn.Write(append([]byte{flagMore, 0}, frame(0, message)...)); err != nil {
		return nil, err
	}
	if empty, more, err := s.read(); err != nil || len(empty) != 0 || !more {
		return nil, errors.Join(errors.New("the reply does not begin with an empty part"), err)
	}
	reply, more, err := s.read()
	for ; more && err == nil; _, more, err = s.read() {
	}
	return reply, err
}

type socket struct {
	r *bufio.Reader
	w io.Writer
}

// signature begins the greeting of every version.
func signature() []byte { return []byte{0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f} }

// greet agrees on a version and tells what kind of socket we are.
func (s socket) greet() error {
	if _, err := s.w.Write(append(signature(), 3)); err != nil {
		return err
	}
	theirs := make([]byte, 11)
	if _, err := io.ReadFull(s.r, theirs); err != nil {
		return err
	}
	if theirs[0] != 0xff || theirs[9]&1 == 0 {
		return errors.New("this is no ZeroMQ socket")
	}
	if theirs[10] < 3 {
		return s.greet2()
	}
	rest := make([]byte, 53) // minor version, mechanism, whether we are a server, filler
	copy(rest[1:], "NULL")
	if _, err := s.w.Write(rest); err != nil {
		return err
	}
	theirs = make([]byte, 53)
	if _, err := io.ReadFull(s.r, theirs); err != nil {
		return err
	}
	if mechanism := bytes.TrimRight(theirs[1:21], "\x00"); string(mechanism) != "NULL" {
		return fmt.Errorf("the peer wants authentication by %q, which is not supported", mechanism)
	}
	ready := append([]byte("\x05READY"), append(property("Socket-Type", "REQ"), property("Identity", "")...)...)
	if _, err := s.w.Write(frame(flagCommand, ready)); err != nil {
		return err
	}
	flags, body, err := s.frame()
	if err == nil && (flags&flagCommand == 0 || !bytes.HasPrefix(body, []byte("\x05READY"))) {
		err = fmt.Errorf("the peer is not ready: %q", body)
	}
	return err
}

// greet2 is the rest of the greeting of version 2.0: the kind of socket and an identity, which is empty.
func (s socket) greet2() error {
	const req = 3
	if _, err := s.w.Write([]byte{req, 0, 0}); err != nil {
		return err
	}
	if _, err := s.r.ReadByte(); err != nil {
		return err
	}
	_, _, err := s.frame()
	return err
}

// property is a name with a value, as commands have them.
func property(name, value string) []byte {
	p := append([]byte{byte(len(name))}, name...)            //nolint:gosec // a few letters
	p = binary.BigEndian.AppendUint32(p, uint32(len(value))) //nolint:gosec // a few letters
	return append(p, value...)
}

// frame puts flags and the length before a body.
func frame(flags byte, body []byte) []byte {
	if len(body) < 256 {
		return append([]byte{flags, byte(len(body))}, body...) //nolint:gosec // as was just checked
	}
	f := binary.BigEndian.AppendUint64([]byte{flags | flagLong}, uint64(len(body)))
	return append(f, body...)
}

// read reads a part of a message, and whether there are more. Commands between messages are none of it.
func (s socket) read() (body []byte, more bool, err error) {
	for {
		flags, body, err := s.frame()
		if err != nil || flags&flagCommand == 0 {
			return body, flags&flagMore != 0, err
		}
	}
}

func (s socket) frame() (flags byte, body []byte, err error) {
	if flags, err = s.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	var size uint64
	if flags&flagLong != 0 {
		err = binary.Read(s.r, binary.BigEndian, &size)
	} else {
		var short byte
		short, err = s.r.ReadByte()
		size = uint64(short)
	}
	if err != nil {
		return 0, nil, err
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("a part of %d bytes is too long", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(s.r, body)
	return flags, body, err
}
