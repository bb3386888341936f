package lab

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"talktime/store/storetest"
)

// Endpoint is who calls.
type Endpoint string

// The calling phones. Asterisk trusts the number each of them names.
const (
	Phone        Endpoint = "phone"         // has the account code Options.PhoneAccount
	AccountPhone Endpoint = "account-phone" // has the account code Options.Account
	OpenBTS      Endpoint = "openbts"       // the mobile network: From is "IMSI…"
)

// Party is who calls whom.
type Party struct {
	From string // the caller's number, or IMSI
	To   string // dialled
	Name string // the caller's name on the display; may be empty
}

// CallSpec describes one or more calls.
type CallSpec struct {
	From, To string        // of all calls; or
	Parties  []Party       // for each call in turn, from the start again when there are more calls
	Phone    Endpoint      // Phone when empty
	Talk     time.Duration // after so long the caller hangs up; zero: he waits for the other side, ten minutes at most

	// RingGiveUp is how long the caller waits for an answer after the last he has heard, normally the ringing. Zero: two minutes.
	RingGiveUp time.Duration

	Keypad *Keypad // of the calling phone, whose keys are to be pressed; nil: it has none

	Count       int     // of calls, 1 when zero
	Rate        float64 // of new calls a second; all at once when zero
	Concurrency int     // at most so many at a time; no limit when zero
}

// Call places the calls and returns when the last of them is over. That calls were refused is no error.
func (l *Lab) Call(ctx context.Context, spec CallSpec) (Result, error) {
	call, err := l.StartCall(spec)
	if err != nil {
		return Result{}, err
	}
	return call.Wait(ctx)
}

// Call is a run of SIPp that places calls.
type Call struct {
	parties []Party
	dir     string
	addr    string // of the phone
	sipp    *storetest.Child
}

// StartCall begins to place calls and returns at once.
func (l *Lab) StartCall(spec CallSpec) (*Call, error) {
	call, err := l.startCall(spec)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", cmp.Or(spec.To, "several numbers"), err)
	}
	l.t.Cleanup(call.Kill)
	return call, nil
}

func (l *Lab) startCall(spec CallSpec) (*Call, error) {
	parties := spec.Parties
	if len(parties) == 0 {
		parties = []Party{{From: spec.From, To: spec.To}}
	}
	l.mu.Lock()
	l.runs++
	dir := l.Path("sipp", strconv.Itoa(l.runs))
	port, err := l.ports.caller()
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := writeCaller(dir, spec, parties); err != nil {
		return nil, err
	}

	count := max(spec.Count, 1)
	calls, period := pace(spec.Rate, count)
	args := []string{
		l.SIPAddr, "-inf", "parties",
		"-m", strconv.Itoa(count), "-l", strconv.Itoa(cmp.Or(spec.Concurrency, count)),
		"-r", strconv.Itoa(calls), "-rp", strconv.Itoa(period),
		"-trace_shortmsg", "-shortmessage_file", "messages",
	}
	sipp, err := startSIPp(dir, spec.Phone.ip(), port, args...)
	if err != nil {
		return nil, err
	}
	return &Call{parties: parties, dir: dir, addr: hostPort(spec.Phone.ip(), port), sipp: sipp}, nil
}

// pace expresses a rate as SIPp wants it: so many calls in so many milliseconds. SIPp lets the first period pass before it
// begins, so a short one is better.
func pace(rate float64, count int) (calls, milliseconds int) {
	switch {
	case rate == 0:
		return count, 10
	case rate > 100:
		return int(rate + 0.5), 1000
	default:
		return 1, int(1000 / rate)
	}
}

// writeCaller writes what SIPp reads: the scenario, and who calls whom.
func writeCaller(dir string, spec CallSpec, parties []Party) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	files, err := render("sipp", map[string]any{
		"Audio":       spec.Keypad.offer(),
		"TalkMS":      cmp.Or(spec.Talk, 10*time.Minute).Milliseconds(),
		"RingMS":      cmp.Or(spec.RingGiveUp, 2*time.Minute).Milliseconds(),
		"Provisional": []int{100, 180, 181, 182, 183},
		"Refusals":    []int{400, 401, 403, 404, 408, 410, 480, 482, 484, 486, 487, 488, 500, 501, 502, 503, 504, 600, 603, 604, 606},
	})
	if err != nil {
		return err
	}
	rows := "SEQUENTIAL\n"
	for _, party := range parties {
		rows += party.From + ";" + party.To + ";" + cmp.Or(party.Name, party.From) + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "parties"), []byte(rows), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "scenario.xml"), []byte(files["caller.xml"]), 0o644)
}

// startCallee starts the carrier.
func (l *Lab) startCallee() error {
	dir := l.Path("sipp", "callee")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	scenario, err := templates.ReadFile("sipp/callee.xml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "scenario.xml"), scenario, 0o644); err != nil {
		return err
	}
	l.callee, err = startSIPp(dir, calleeIP, l.ports.callee(), "-rtp_echo")
	return err
}

// startSIPp runs the scenario in dir. Beside its port it uses the three after it, for control and audio.
func startSIPp(dir, ip string, port int, args ...string) (*storetest.Child, error) {
	out, err := os.Create(filepath.Join(dir, "screen"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("sipp", append([]string{
		"-sf", "scenario.xml", "-i", ip, "-p", strconv.Itoa(port), "-mi", ip, "-mp", strconv.Itoa(port + 2),
		"-ci", asteriskIP, "-cp", strconv.Itoa(port + 1), "-aa", "-nostdin", "-trace_err", "-error_file", "errors",
	}, args...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = out, out
	child, err := storetest.StartChild(cmd)
	if err != nil {
		return nil, fmt.Errorf("start SIPp: %w", err)
	}
	return child, nil
}

// Wait returns when the last call is over, or kills the phones when ctx ends before.
func (c *Call) Wait(ctx context.Context) (Result, error) {
	select {
	case <-c.sipp.Done():
	case <-ctx.Done():
		c.Kill()
		result, _ := c.Result()
		return result, fmt.Errorf("wait for the end of the calls: %w", ctx.Err())
	}
	result, err := c.Result()
	if err != nil {
		return result, err
	}
	if len(result.Calls) == 0 {
		screen, _ := os.ReadFile(filepath.Join(c.dir, "screen"))
		return result, fmt.Errorf("SIPp placed no call, %s:\n%s", c.sipp.Exit(), screen)
	}
	return result, nil
}

// HangUp has the phones hang up all calls, those that ring included. No new calls are placed.
func (c *Call) HangUp() error {
	c.sipp.Signal(syscall.SIGUSR1) // no new calls
	result, err := c.Result()
	if err != nil {
		return err
	}
	conn, err := net.Dial("udp", c.addr)
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	defer conn.Close()
	for _, call := range result.Calls {
		// For the scenario, see caller.xml; SIPp finds the call by its Call-ID. To a call that is over it means nothing.
		_, err := fmt.Fprintf(conn, "HANGUP sip:phone SIP/2.0\r\nVia: SIP/2.0/UDP test\r\nFrom: <sip:test>\r\nTo: <sip:phone>\r\n"+
			"Call-ID: %s\r\nCSeq: 1 HANGUP\r\nContent-Length: 0\r\n\r\n", call.id)
		if err != nil {
			return fmt.Errorf("hang up: %w", err)
		}
	}
	return nil
}

// Kill ends the phones without a word to Asterisk.
func (c *Call) Kill() { c.sipp.Kill() }

// Over tells whether the last call is over.
func (c *Call) Over() bool { return c.sipp.Ended() }

// Result returns what has happened so far.
func (c *Call) Result() (Result, error) {
	log, err := os.ReadFile(filepath.Join(c.dir, "messages"))
	if os.IsNotExist(err) {
		return Result{}, nil
	}
	if err != nil {
		return Result{}, err
	}
	return parseMessages(string(log), c.parties)
}

func (e Endpoint) ip() string {
	switch e {
	case AccountPhone:
		return accountPhoneIP
	case OpenBTS:
		return openBTSIP
	default:
		return phoneIP
	}
}
