package agi

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A canned conn is an Asterisk that has its answers ready: what is left is what our side costs.
type canned struct {
	net.Conn
	in *strings.Reader
}

func (c *canned) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

const greeting = `agi_network: yes
agi_network_script: caller
agi_request: agi://127.0.0.1:4573/caller
agi_channel: PJSIP/caller-00000000
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795210434.0
agi_version: 22.10.1
agi_callerid: 59899000001
agi_calleridname: Lab
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 59899123000
agi_rdnis: unknown
agi_context: from-caller
agi_extension: 59899123000
agi_priority: 4
agi_enhanced: 0.0
agi_accountcode: lab-trunk
agi_threadid: 140413775095488
agi_arg_1: PJSIP/100@trunk
agi_arg_2: 40

`

// oneLine gives a reader no more than a line at a time, as the network does.
type oneLine struct{ rest string }

func (r *oneLine) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	i := strings.IndexByte(r.rest, '\n') + 1
	n := copy(p, r.rest[:i])
	r.rest = r.rest[n:]
	return n, nil
}

// BenchmarkDialogue is greeting and five commands without the kernel.
func BenchmarkDialogue(b *testing.B) {
	s := &Server{Handler: HandlerFunc(func(context.Context, *Channel) error { return nil })}
	b.ReportAllocs()
	for b.Loop() {
		c := newChannel(s, &canned{})
		c.in.src = &oneLine{greeting + "200 result=1\n200 result=1\n200 result=-1\nHANGUP\n200 result=1 (ANSWER|3|3005|3)\n200 result=1\n"}
		if err := c.greet(); err != nil {
			b.Fatal(err)
		}
		_ = c.Set("TIMEOUT(absolute)", "7241")
		_ = c.Set("TALKTIME_STATUS", "OK")
		_, _, _ = c.Dial("PJSIP/59899123000@trunk,40,L(7200000)", 0)
		_, _, _ = c.GetFull("${DIALSTATUS}|${ANSWEREDTIME}|${ANSWEREDTIME_MS}|${CDR(billsec)}")
		if err := c.Set("TALKTIME_REASON", ""); err != nil {
			b.Fatal(err)
		}
	}
}
