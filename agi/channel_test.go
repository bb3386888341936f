package agi_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
)

// serve starts a server for one call, which runs script. The test does not end before the script.
func serve(t *testing.T, script func(*agi.Channel)) string {
	t.Helper()
	done := make(chan struct{})
	address := agitest.Start(t, &agi.Server{Handler: agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		defer close(done)
		script(ch)
		return nil
	})})
	t.Cleanup(func() { await(t, "end of the script", done) })
	return address
}

// expect returns a check of a command's outcome.
func expect(t *testing.T) func(what string, got, want any, err, wantErr error) {
	return func(what string, got, want any, err, wantErr error) {
		t.Helper()
		if got != want || !errors.Is(err, wantErr) {
			t.Errorf("%s: got %v, %v; want %v, %v", what, got, err, want, wantErr)
		}
	}
}

func TestTranscriptCallerHangsUp(t *testing.T) {
	t.Parallel()
	check := expect(t)
	agitest.ReplayFile(t, serve(t, func(ch *agi.Channel) {
		v, set, err := ch.Get("CALLERID(num)")
		check("set variable", v, "59899000001", err, nil)
		check("set variable is set", set, true, err, nil)
		_, set, err = ch.Get("NOSUCHVAR")
		check("unset variable", set, false, err, nil)
		v, _, err = ch.GetFull("${STUB_DIAL}")
		check("unset in an expression", v, "", err, nil)
		check("set", nil, nil, ch.Set("CDR(userfield)", "lab userfield"), nil)
		result, sent, err := ch.Dial("PJSIP/59899123000@carrier,30,L(60000)", 0)
		check("dial", result, "-1", err, nil)
		check("dial sent", sent, true, err, nil)
		v, _, err = ch.GetFull("${DIALSTATUS}|${ANSWEREDTIME}|${ANSWEREDTIME_MS}")
		check("read over HANGUP", v, "ANSWER|3|3005", err, nil)
		check("hung up", ch.Hungup(), true, nil, nil)
		v, _, err = ch.Get("CDR(billsec)")
		check("read after HANGUP", v, "3", err, nil)
		_, err = ch.StreamFile("beep", "")
		check("prompt on a dead channel", nil, nil, err, agi.ErrHangup)
		_, sent, err = ch.Dial("PJSIP/59899123000@carrier,30,L(60000)", 0)
		check("second dial", sent, false, err, agi.ErrHangup)
		check("set on a dead channel", nil, nil, ch.Set("LAB_AFTER_DIAL", "caller leg went on after Dial"), nil)
	}), "testdata/caller-hangs-up.txt")
}

func TestTranscriptExitOnHangup(t *testing.T) {
	t.Parallel()
	check := expect(t)
	agitest.ReplayFile(t, serve(t, func(ch *agi.Channel) {
		result, sent, err := ch.Dial("PJSIP/59899123000@carrier,30,L(60000)", 0)
		check("dial", result, "-1", err, nil)
		check("dial sent", sent, true, err, nil)
		_, _, err = ch.GetFull("${DIALSTATUS}")
		check("read", nil, nil, err, agi.ErrClosed)
		check("set", nil, nil, ch.Set("A", "b"), agi.ErrClosed)
		_, sent, err = ch.Dial("PJSIP/1@carrier", 0)
		check("second dial", sent, false, err, agi.ErrClosed)
		check("hung up", ch.Hungup(), true, nil, nil)
	}), "testdata/exit-on-hangup.txt")
}

func TestTranscriptRedirect(t *testing.T) {
	t.Parallel()
	check := expect(t)
	agitest.ReplayFile(t, serve(t, func(ch *agi.Channel) {
		result, sent, err := ch.Dial("PJSIP/59899123000@carrier,30,L(60000)", 0)
		check("dial", result, "0", err, nil)
		check("dial sent", sent, true, err, nil)
		v, _, err := ch.GetFull("${DIALSTATUS}|${ANSWEREDTIME}")
		check("read", v, "|", err, nil)
		check("hung up", ch.Hungup(), true, nil, nil)
	}), "testdata/redirect.txt")
}

func TestTranscriptReplies(t *testing.T) {
	t.Parallel()
	check := expect(t)
	agitest.ReplayFile(t, serve(t, func(ch *agi.Channel) {
		check("verbose", nil, nil, ch.Verbose("hello", 1), nil)
		v, _, err := ch.Get("Z")
		check("value with quotes", v, `va"lue (paren) end`, err, nil)
		v, _, err = ch.Get("LINES")
		check("value of several lines", v, "one two three", err, nil)
		check("quoting", nil, nil, ch.Set("Z", `va"lue \ end`), nil)
		_, err = ch.Exec("NoSuchApp", "a,b")
		check("unknown application", nil, nil, err, agi.ErrNoApp)
		v, err = ch.Exec("NoOp", "a b c")
		check("application", v, "0", err, nil)
		_, _, err = ch.GetFull("${X}")
		check("520", nil, nil, err, agi.ErrProtocol)
		check("a HANGUP in a usage text is text", ch.Hungup(), false, nil, nil)
		check("510", nil, nil, ch.Set("A", ""), agi.ErrProtocol)
		v, err = ch.Exec("Gosub", "s,1")
		check("100 Trying", v, "0", err, nil)
		check("answer", nil, nil, ch.Answer(), nil)
		v, err = ch.StreamFile("beep", "12#")
		check("key", v, "1", err, nil)
		_, err = ch.StreamFile("nosuchfile", "")
		check("missing file", nil, nil, err, agi.ErrFailed)
		check("number", nil, nil, ch.SayNumber(5), nil)
		check("digits", nil, nil, ch.SayDigits("0123"), nil)
		for _, want := range []string{"", "1*2"} {
			v, err = ch.GetData("beep", 300*time.Millisecond, 4)
			check("keys", v, want, err, nil)
		}
		v, err = ch.GetData("beep", 300*time.Millisecond, 20)
		check("many keys", v, "12345678901234567890", err, nil)
		_, err = ch.GetData("beep", 300*time.Millisecond, 4)
		check("no keys for want of a caller", nil, nil, err, agi.ErrFailed)
	}), "testdata/replies.txt")
}

func TestRequest(t *testing.T) {
	t.Parallel()
	address := serve(t, func(ch *agi.Channel) {
		got := ch.Request()
		if got.Script != "caller" || got.Query != "a=1&b=2" || got.UniqueID != "pbx-1795210434.7" ||
			got.CallerID != "59899000001" || got.CallerIDName != `"a: b"` || got.Extension != "100" ||
			got.AccountCode != "alice" || got.Channel != "PJSIP/caller-00000000" || got.Type != "PJSIP" ||
			got.Context != "from-caller" || got.Language != "en" || got.RemoteAddr.String() != "127.0.0.1" ||
			!slices.Equal(got.Args, []string{"PJSIP/100@trunk", "", "x: y"}) {
			t.Errorf("got %+v", got)
		}
	})
	agitest.Call(t, address, &agitest.Peer{Greeting: agitest.Greeting{
		Script: "/caller?a=1&b=2", UniqueID: "pbx-1795210434.7", CallerID: "59899000001", CallerIDName: `"a: b"`,
		Extension: "100", AccountCode: "alice", Args: []string{"PJSIP/100@trunk", "", "x: y"},
	}})
}

func TestHangupModes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		hangups agitest.Hangups
		hungup  bool
		read    error
	}{
		{"HANGUP line", agitest.SayHangup, true, nil},
		{"AGISIGHUP=no", agitest.SayNothing, false, nil},
		{"AGIEXITONHANGUP=yes", agitest.Exit, true, agi.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check := expect(t)
			address := serve(t, func(ch *agi.Channel) {
				result, sent, err := ch.Dial("PJSIP/100@trunk,40,L(60000)", 0)
				check("dial", result, "-1", err, nil)
				check("dial sent", sent, true, err, nil)
				v, _, err := ch.GetFull("${DIALSTATUS},${ANSWEREDTIME},${CDR(billsec)}")
				check("read", test.read != nil || v == "ANSWER,3,3", true, err, test.read)
				check("hung up", ch.Hungup(), test.hungup, nil, nil)
				_, err = ch.StreamFile("beep", "")
				if test.read == nil {
					check("prompt", nil, nil, err, agi.ErrHangup)
				}
			})
			agitest.Call(t, address, &agitest.Peer{Hangups: test.hangups, Dial: func(d *agitest.Dial) {
				d.Talk, d.CallerHungUp = 3900*time.Millisecond, true
			}})
		})
	}
}

// TestDialNotSent: whatever was known to be over before the line was written must not count as dialled.
func TestDialNotSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		event agitest.Event
		mode  agitest.Hangups
		want  error
	}{
		{"caller hung up during the command before", agitest.HangUp, agitest.SayHangup, agi.ErrHangup},
		{"Asterisk ended the connection at the hang-up", agitest.HangUp, agitest.Exit, agi.ErrClosed},
		{"connection lost", agitest.Drop, agitest.SayHangup, agi.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check := expect(t)
			address := serve(t, func(ch *agi.Channel) {
				_ = ch.Set("A", "b")
				_, sent, err := ch.Dial("PJSIP/100@trunk", 0)
				check("dial", sent, false, err, test.want)
			})
			p := &agitest.Peer{Hangups: test.mode, Event: func(int, string) agitest.Event { return test.event }}
			agitest.Call(t, address, p)
			if slices.ContainsFunc(p.Lines, func(line string) bool { return strings.Contains(line, "Dial") }) {
				t.Errorf("dialled: %q", p.Lines)
			}
		})
	}
}

// TestDialNoticesGoodbye: a HANGUP or an end that arrived while the script was thinking is noticed before the
// line is written. (On loopback what was written has arrived.)
func TestDialNoticesGoodbye(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		goodbye func(net.Conn) error
		want    error
	}{
		{"HANGUP", func(c net.Conn) error { _, err := c.Write([]byte("HANGUP\n")); return err }, agi.ErrHangup},
		{"end", func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() }, agi.ErrClosed},
		{"rubbish", func(c net.Conn) error { _, err := c.Write([]byte("200 result=1\n")); return err }, agi.ErrProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check := expect(t)
			greeted, said := make(chan struct{}), make(chan struct{})
			address := serve(t, func(ch *agi.Channel) {
				close(greeted)
				<-said
				_, sent, err := ch.Dial("PJSIP/100@trunk", 0)
				check("dial", sent, false, err, test.want)
			})
			conn := connect(t, address)
			write(t, conn, "agi_network: yes\nagi_network_script: caller\n\n")
			<-greeted
			if err := test.goodbye(conn); err != nil {
				t.Fatal(err)
			}
			close(said)
			if rest := readAll(t, conn); rest != "" {
				t.Errorf("server sent %q", rest)
			}
		})
	}
}

func TestDialLostAfterSent(t *testing.T) {
	t.Parallel()
	check := expect(t)
	address := serve(t, func(ch *agi.Channel) {
		_, sent, err := ch.Dial("PJSIP/100@trunk", 0)
		check("dial", sent, true, err, agi.ErrClosed)
	})
	agitest.Call(t, address, &agitest.Peer{Dial: func(d *agitest.Dial) { d.Drop = true }})
}

func TestNothingSlipsIntoACommand(t *testing.T) {
	t.Parallel()
	check := expect(t)
	long := strings.Repeat("x", 3000)
	address := serve(t, func(ch *agi.Channel) {
		for _, bad := range []string{"a\nEXEC System x", "a\r", "a\x00", long} {
			check("value", nil, nil, ch.Set("A", bad), agi.ErrArgument)
			check("text", nil, nil, ch.Verbose(bad, 1), agi.ErrArgument)
			_, _, err := ch.GetFull(bad)
			check("expression", nil, nil, err, agi.ErrArgument)
			_, sent, err := ch.Dial(bad, 0)
			check("dial", sent, false, err, agi.ErrArgument)
			_, err = ch.StreamFile(bad, bad)
			check("file", nil, nil, err, agi.ErrArgument)
			_, err = ch.GetData(bad, 0, 1)
			check("keys", nil, nil, err, agi.ErrArgument)
			check("digits", nil, nil, ch.SayDigits(bad), agi.ErrArgument)
		}
		for _, bad := range []string{"", "A B", "A\nB", `A"`, `A\`, "é", long} {
			check("name", nil, nil, ch.Set(bad, ""), agi.ErrArgument)
			_, _, err := ch.Get(bad)
			check("name", nil, nil, err, agi.ErrArgument)
			_, err = ch.Exec(bad, "")
			check("application", nil, nil, err, agi.ErrArgument)
		}
		odd := "a \"b\" \\ \t${X} é 'c' ; (d) \x01"
		check("odd value", nil, nil, ch.Set("ODD", odd), nil)
		v, _, err := ch.Get("ODD")
		check("odd value read back", v, odd, err, nil)
		longest := strings.Repeat("x", 2047-len("SET VARIABLE A \"\"\n"))
		check("longest command", nil, nil, ch.Set("A", longest), nil)
		check("one byte more", nil, nil, ch.Set("A", longest+"x"), agi.ErrArgument)
		v, _, err = ch.Get("A")
		check("long value read back", v, longest, err, nil)
	})
	p := &agitest.Peer{}
	agitest.Call(t, address, p)
	if n := strings.Count(strings.Join(p.Lines, "\n"), "\n> "); n != 4 {
		t.Errorf("%d commands were sent, want 4", n)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	check := expect(t)
	handler := agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		if ch.Request().Script == "dial" {
			_, sent, err := ch.Dial("PJSIP/100@trunk", 50*time.Millisecond)
			check("dial with a bound", sent, true, err, agi.ErrTimeout)
		} else {
			check("set", nil, nil, ch.Set("A", "b"), agi.ErrTimeout)
		}
		check("afterwards", nil, nil, ch.Set("A", "b"), agi.ErrTimeout)
		return nil
	})
	address := agitest.Start(t, &agi.Server{Handler: handler, CommandTimeout: 50 * time.Millisecond})
	for _, script := range []string{"dial", "set"} {
		agitest.Call(t, address, &agitest.Peer{
			Greeting: agitest.Greeting{Script: script},
			Event:    func(int, string) agitest.Event { return agitest.Silence },
		})
	}
}

// TestDialOutlivesCommandTimeout: the deadline of ordinary commands is not that of Dial.
func TestDialOutlivesCommandTimeout(t *testing.T) {
	t.Parallel()
	check := expect(t)
	const timeout = 50 * time.Millisecond
	handler := agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		check("set", nil, nil, ch.Set("A", "b"), nil)
		result, _, err := ch.Dial("PJSIP/100@trunk", 0)
		check("dial", result, "-1", err, nil)
		check("set", nil, nil, ch.Set("A", "b"), nil)
		return nil
	})
	address := agitest.Start(t, &agi.Server{Handler: handler, CommandTimeout: timeout})
	agitest.Call(t, address, &agitest.Peer{Dial: func(*agitest.Dial) { time.Sleep(3 * timeout) }})
}

// TestStrayLines: what answers no command ends the dialogue, before it is taken for the answer to another.
func TestStrayLines(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"200 result=1\n200 result=1\n", "hello\n", "\n", "200\n", "200-result=1\n200 End\nx\n", "2000 result=1\n",
		"200 result=+1\n", "200 nonsense\n", "HANGUPS\n", "999 what\n", strings.Repeat("HANGUP\n", 1000),
		strings.Repeat("x", 10_000) + "\n", "200 result=1 (" + strings.Repeat("x\n", 10_000) + ")\n",
		"520-x\n" + strings.Repeat("x\n", 1000), "\x00\xff\xfe\n",
	} {
		check := expect(t)
		address := serve(t, func(ch *agi.Channel) {
			first := ch.Set("A", "1")
			_, sent, err := ch.Dial("PJSIP/100@trunk", 0)
			if first == nil {
				check("dial", sent, false, err, agi.ErrProtocol)
			} else {
				check("set", nil, nil, first, agi.ErrProtocol)
			}
		})
		conn := connect(t, address)
		write(t, conn, "agi_network: yes\n\n")
		if line := readLine(t, conn); line != "SET VARIABLE A \"1\"" {
			t.Errorf("got %q", line)
		}
		_, _ = conn.Write([]byte(answer)) // the server may hang up on us in the middle of it
		_ = conn.Close()
	}
}
