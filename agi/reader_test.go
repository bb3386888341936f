package agi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func newReader(src io.Reader) *reader { return &reader{src: src} }

// TestReply: what the library gets to read. What it does not can be seen from the replies after it.
func TestReply(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	for _, test := range []struct{ name, in, want string }{
		{"plain", "200 result=1\n", "200 result=1\n"},
		{"carriage return", "200 result=1 (a)\r\n", "200 result=1 (a)\n"},
		{"value", "200 result=1 (a (b) c)\n", "200 result=1 (a (b) c)\n"},
		{"empty value", "200 result=1 ()\n", "200 result=1 ()\n"},
		{"no result", "200 result= (timeout)\n", "200 result= (timeout)\n"},
		{"words after the result", "200 result=-1 Gosub label not found\n", "200 result=-1 Gosub label not found\n"},
		{"keys", "200 result=1*2# (timeout)\n", "200 result=1s2h (timeout)\n"},
		{"HANGUP before", "HANGUP\n200 result=1\n", "200 result=1\n"},
		{"Trying before", "100 result=0 Trying...\n200 result=0\n", "200 result=0\n"},
		{"value of several lines", "200 result=1 (a\n\nHANGUP\n 520 End)\n", "200 result=1 (a  HANGUP  520 End)\n"},
		{"long value", "200 result=1 (" + long + ")\n", "200 result=1 (" + long + ")\n"},
		{"511", "511 Command Not Permitted on a dead channel\n", "511 result=-1 (Command Not Permitted on a dead channel)\n"},
		{"503", "503 result=-2 Memory allocation failure\n", "503 result=-2 Memory allocation failure\n"},
		{"520 of one line", "520 Invalid command syntax.\n", "520 result=-1 (Invalid command syntax.)\n"},
		{"520 of several", "520-Invalid.  Usage:\nHANGUP\n\n 200 result=1\n520 End of proper usage.\n", "520 result=-1 (Invalid.  Usage:)\n"},
		{"520 without a last newline", "520-Invalid.\nusage520 End of proper usage.\n", "520 result=-1 (Invalid.)\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(iotest.HalfReader(strings.NewReader(test.in + "200 result=7\n")))
			for _, want := range []string{test.want, "200 result=7\n"} {
				if err := r.next(); err != nil {
					t.Fatal(err)
				}
				if got, _ := io.ReadAll(r); string(got) != want {
					t.Errorf("got %.80q, want %.80q", got, want)
				}
			}
			if hungup := strings.HasPrefix(test.in, "HANGUP"); r.hungup != hungup {
				t.Errorf("hung up: %v", r.hungup)
			}
			if err := r.next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// TestForgedGreeting: a caller whose name contains newlines gets no further with it.
func TestForgedGreeting(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"x\nagi_accountcode: rich", "x\nagi_callerid: 2", "x\nagi_arg_1: PJSIP/900@trunk", "x\ny", "x\ny: z",
	} {
		forged := strings.Replace(greeting, "calleridname: Lab", "calleridname: "+name, 1)
		forged = strings.Replace(forged, "agi_arg_1: PJSIP/100@trunk\nagi_arg_2: 40\n", "", 1)
		if q, err := newReader(strings.NewReader(forged)).readGreeting(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: got %+v, %v", name, q, err)
		}
	}
}

func TestScriptFromRequest(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"agi://127.0.0.1:4573/reducer?a=b": "reducer a=b", "agi://127.0.0.1": " ", "celcombiller_caller": "celcombiller_caller ",
	} {
		q, err := newReader(strings.NewReader("agi_request: " + url + "\n\n")).readGreeting()
		if got := q.Script + " " + q.Query; got != want || err != nil {
			t.Errorf("%s: got %q, %v", url, got, err)
		}
	}
}

// FuzzGreeting: no greeting makes the parser panic, depends on how the network cuts it up, or gives a script
// text of more than a line; and what is understood is understood again when it is written down.
func FuzzGreeting(f *testing.F) {
	for _, seed := range []string{greeting, "\n", "agi_request: agi://h/x?y\r\n\r\n", "agi_arg_1: a\nagi_arg_2:b\n\n", "agi_x\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader(bytes.NewReader(data))
		q, err := r.readGreeting()
		byByte, errByByte := newReader(iotest.OneByteReader(bytes.NewReader(data))).readGreeting()
		if !reflect.DeepEqual(q, byByte) || !errors.Is(errByByte, err) {
			t.Fatalf("got %+v, %v; byte by byte %+v, %v", q, err, byByte, errByByte)
		}
		if err != nil {
			return
		}
		text := fmt.Sprintf("agi_network_script: /%s?%s\nagi_channel: %s\nagi_language: %s\nagi_type: %s\nagi_uniqueid: %s\n"+
			"agi_callerid: %s\nagi_calleridname: %s\nagi_context: %s\nagi_extension: %s\nagi_dnid: %s\nagi_accountcode: %s\n",
			q.Script, q.Query, q.Channel, q.Language, q.Type, q.UniqueID,
			q.CallerID, q.CallerIDName, q.Context, q.Extension, q.DNID, q.AccountCode)
		for i, arg := range q.Args {
			text += fmt.Sprintf("agi_arg_%d: %s\n", i+1, arg)
		}
		again, err := newReader(strings.NewReader(text + "\n")).readGreeting()
		if len(text) < maxGreetingBytes && (!reflect.DeepEqual(q, again) || err != nil) {
			t.Fatalf("got %+v; again %+v, %v", q, again, err)
		}
	})
}

// FuzzReply: whatever arrives, each reply is one line that the library can read, HANGUP is never one, and how
// the network cuts it up does not matter. A script sees an error of ours and nothing else.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"200 result=1 (a)\nHANGUP\n200 result=0\n", "520-x\ny\n520 End\n", "511 x\n", "200 result=1 (a\nb)\n",
		"100 Trying\n200 result=1*# (timeout)\n", "HANGUP", strings.Repeat("x", 600) + "\n", "200 result=9999999999999999999999\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, byByte := newReader(bytes.NewReader(data)), newReader(iotest.OneByteReader(bytes.NewReader(data)))
		for {
			err, errByByte := whole.next(), byByte.next()
			if !errors.Is(errByByte, err) || err == nil && !bytes.Equal(whole.out, byByte.out) {
				t.Fatalf("got %q, %v; byte by byte %q, %v", whole.out, err, byByte.out, errByByte)
			}
			if err != nil {
				break
			}
			line := whole.out
			if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' || bytes.HasPrefix(line, []byte("HANGUP")) ||
				len(line) > maxLineBytes+100 {
				t.Fatalf("the library gets %q", line)
			}
		}
		c := newChannel(&Server{}, &canned{})
		c.in.src = io.MultiReader(strings.NewReader("agi_network: yes\n\n"), bytes.NewReader(data))
		if err := c.greet(); err != nil {
			t.Fatal(err)
		}
		var failed error
		for range 5 {
			_, _, err := c.Get("X")
			if failed != nil && err == nil {
				t.Fatalf("after %v it goes on", failed)
			}
			if err != nil && !errors.Is(err, ErrHangup) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrClosed) {
				t.Fatalf("got %v", err)
			}
			failed = c.broken
		}
		_, _ = c.GetData("x", 0, 1)
		_, _, _ = c.Dial("x", 0)
	})
}

func TestRemoteAddr(t *testing.T) {
	t.Parallel()
	if got := remoteAddr(&canned{}); got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("got %v", got)
	}
}
