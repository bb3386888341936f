package agitest_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"talktime/agi/agitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talk sends commands to p and returns what Run says of it. The dialogue is in p.Lines, without the greeting.
func talk(t *testing.T, p *agitest.Peer, commands ...string) error {
	t.Helper()
	server, asterisk := net.Pipe()
	p.Record = true
	ended := make(chan error, 1)
	go func() { ended <- p.Run(asterisk) }()
	if err := server.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(server)
	for line := ""; line != "\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for _, c := range commands {
			if _, err := fmt.Fprint(server, c+"\n"); err != nil {
				break // Asterisk ended the connection
			}
			for { // one reply, which ends with its last line
				line, err := in.ReadString('\n')
				if err != nil || line != "HANGUP\n" && !strings.HasPrefix(line, "520-") && !strings.HasPrefix(line, "Usage") {
					break
				}
			}
		}
		server.Close()
	}()
	err := <-ended
	p.Lines = p.Lines[slices.Index(p.Lines, "< ")+1:]
	return err
}

func TestDialogues(t *testing.T) {
	t.Parallel()
	const dead = "< 511 Command Not Permitted on a dead channel or intercept routine"
	callerHangsUp := func(d *agitest.Dial) { d.Talk, d.CallerHungUp = 3900*time.Millisecond, true }
	evidence := `GET FULL VARIABLE "${DIALSTATUS},${ANSWEREDTIME},${ANSWEREDTIME_MS},${CDR(billsec)},${HANGUPCAUSE}"`
	for _, test := range []struct {
		name string
		peer agitest.Peer
		want string // the dialogue
	}{
		{"variables", agitest.Peer{}, `
> GET VARIABLE X
< 200 result=0
> SET VARIABLE __X "a \"b\" \\ c"
< 200 result=1
> get variable X
< 200 result=1 (a "b" \ c)
> GET FULL VARIABLE "${X}, ${NONE}, ${EXTEN}, ${UNIQUEID}, ${${NAME}}"
< 200 result=1 (a "b" \ c, , s, 1795210434.0, )
> EXEC Set Y=2
< 200 result=0
> EXEC "Set" "Y=2 with spaces"
< 200 result=0
> GET VARIABLE Y
< 200 result=1 (2 with spaces)`},
		{"odd commands", agitest.Peer{}, `
> BOGUS COMMAND
< 510 Invalid or unknown command
>
< 510 Invalid or unknown command
> GET VARIABLE
< 520-Invalid command syntax.  Proper usage follows:
< Usage of GET VARIABLE, in as many lines as it takes.
< 520 End of proper usage.
> EXEC NoSuchApp a,b
< 200 result=-2
>   NOOP
< 200 result=0
> CHANNEL STATUS
< 200 result=4
> ANSWER
< 200 result=0
> CHANNEL STATUS
< 200 result=6`},
		{"callee hangs up", agitest.Peer{Dial: func(d *agitest.Dial) { d.Talk = 3900 * time.Millisecond }}, `
> EXEC Dial "PJSIP/1@trunk,40,L(60000)"
< 200 result=-1
> ` + evidence + `
< 200 result=1 (ANSWER,3,3900,3,16)
> ANSWER
< 200 result=0`},
		{"the limit cuts, and g goes on", agitest.Peer{Dial: callerHangsUp}, `
> EXEC Dial "PJSIP/1@trunk,40,gL(2000)U(x)"
< 200 result=0
> ` + evidence + `
< 200 result=1 (ANSWER,2,2000,2,16)`},
		{"no limit is no limit", agitest.Peer{Dial: func(d *agitest.Dial) { d.Talk = time.Hour }}, `
> EXEC Dial "PJSIP/1@trunk,40,L()"
< 200 result=-1
> GET VARIABLE ANSWEREDTIME
< 200 result=1 (3600)`},
		{"a limit of nothing does not dial", agitest.Peer{}, `
> EXEC Dial "PJSIP/1@trunk,40,L(0)"
< 200 result=-1
> EXEC Dial "PJSIP/1@trunk,40,L(abc)"
< 200 result=-1
> GET VARIABLE DIALSTATUS
< 200 result=0`},
		{"busy", agitest.Peer{Dial: func(d *agitest.Dial) { d.Status = "BUSY" }}, `
> EXEC Dial "PJSIP/1@trunk"
< 200 result=0
> ` + evidence + `
< 200 result=1 (BUSY,,,0,17)`},
		{"caller hangs up", agitest.Peer{Dial: callerHangsUp}, `
> EXEC Dial "PJSIP/1@trunk,40,L(60000)"
< 200 result=-1
> ` + evidence + `
< HANGUP
< 200 result=1 (ANSWER,3,3900,3,16)
> STREAM FILE "beep" ""
` + dead + `
> EXEC Dial "PJSIP/1@trunk"
< 200 result=-1`},
		{"caller hangs up, AGISIGHUP=no", agitest.Peer{Dial: callerHangsUp, Hangups: agitest.SayNothing}, `
> EXEC Dial "PJSIP/1@trunk,40,L(60000)"
< 200 result=-1
> CHANNEL STATUS
` + dead},
		{"caller hangs up, AGIEXITONHANGUP=yes", agitest.Peer{Dial: callerHangsUp, Hangups: agitest.Exit}, `
> EXEC Dial "PJSIP/1@trunk,40,L(60000)"
< 200 result=-1
< HANGUP`},
		{"redirected", agitest.Peer{Dial: func(d *agitest.Dial) { d.Talk, d.Redirected = time.Second, true }}, `
> EXEC Dial "PJSIP/1@trunk"
< 200 result=0
> ` + evidence + `
< HANGUP
< 200 result=1 (ANSWER,,,1,16)
> ANSWER
< 200 result=0`},
		{"hang-up by the server", agitest.Peer{}, `
> HANGUP
< 200 result=1
> NOOP
< HANGUP
< 200 result=0`},
		{"hang-up at a prompt", agitest.Peer{Event: func(n int, _ string) agitest.Event {
			if n == 2 {
				return agitest.HangUp
			}
			return agitest.Answer
		}}, `
> SAY NUMBER 5 ""
< 200 result=0
> SAY DIGITS "12" ""
< HANGUP
` + dead},
		{"connection lost", agitest.Peer{Event: func(int, string) agitest.Event { return agitest.Drop }}, `
> NOOP`},
		{"keys", agitest.Peer{Keys: func(file string) string { return file }}, `
> GET DATA "" 300 4
< 200 result= (timeout)
> GET DATA "12" 300 4
< 200 result=12 (timeout)
> GET DATA "12345" 300 4
< 200 result=1234
> GET DATA "1*#" 300 4
< 200 result=1*`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := strings.Split(strings.TrimPrefix(test.want, "\n"), "\n")
			var commands []string
			for i, line := range want {
				if command, ok := strings.CutPrefix(line, ">"); ok {
					commands = append(commands, strings.TrimPrefix(command, " "))
					want[i] = "> " + commands[len(commands)-1]
				}
			}
			p := test.peer
			if err := talk(t, &p, commands...); err != nil {
				t.Error(err)
			}
			if !slices.Equal(p.Lines, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(p.Lines, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestWhatAsteriskWouldMisread(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"open quote":     `SET VARIABLE A "b`,
		"open escape":    `SET VARIABLE A b\`,
		"too many words": "NOOP" + strings.Repeat(" x", 127),
		"too long":       "NOOP " + strings.Repeat("x", 2042),
	} {
		if err := talk(t, &agitest.Peer{}, command); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestH: the h extension sees a dead channel, a new CDR and the whole talk, that before a redirect included.
func TestH(t *testing.T) {
	t.Parallel()
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", UniqueID: "1.7", Extension: "100"}}
	p.Dial = func(d *agitest.Dial) { d.Talk, d.Redirected = 2500*time.Millisecond, d.Target == "A/1" }
	if err := talk(t, p, "EXEC Dial A/1", "EXEC Dial A/2"); err != nil {
		t.Fatal(err)
	}
	h := p.H("reducer")
	err := talk(t, h, "GET VARIABLE ANSWEREDTIME_MS", "GET VARIABLE CDR(billsec)", "GET VARIABLE DIALSTATUS", "ANSWER")
	want := []string{"200 result=1 (5000)", "200 result=1 (0)", "200 result=1 (ANSWER)", "511 "}
	for i, line := range want {
		if got := h.Lines[2*i+1]; !strings.HasPrefix(got, "< "+line) || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, line)
		}
	}
	if h.Script != "reducer" || h.Extension != "h" || h.UniqueID != "1.7" {
		t.Errorf("got %+v", h.Greeting)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	const transcript = "# a remark\n\n< agi_network: yes\n<\n> NOOP\n< 200 result=0\n"
	for _, test := range []struct{ name, transcript, server, want string }{
		{"as recorded", transcript, "NOOP\n", ""},
		{"another command", transcript, "NOPE\n", "line 5"},
		{"a command too few", transcript, "", "line 5"},
		{"a command too many", transcript, "NOOP\nNOOP\n", "after line 6"},
		{"Asterisk ends it", transcript + "!\n", "NOOP\nNOOP\n", ""},
		{"bad transcript", "hello\n", "", "line 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, asterisk := net.Pipe()
			go func() {
				in := bufio.NewReader(server)
				for line := ""; line != "\n"; {
					line, _ = in.ReadString('\n')
					if line == "" {
						break
					}
				}
				for line := range strings.Lines(test.server) {
					_, _ = fmt.Fprint(server, line)
					_, _ = in.ReadString('\n')
				}
				server.Close()
			}()
			err := agitest.Replay(asterisk, test.transcript)
			if got := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestSilentServer: a server that says nothing is an error once the connection's deadline has passed.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	server, asterisk := net.Pipe()
	defer server.Close()
	go func() { _, _ = bufio.NewReader(server).ReadString(0) }()
	if err := asterisk.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := new(agitest.Peer).Run(asterisk); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
