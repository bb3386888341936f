package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"talktime/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// finished is what the stub learns of one call at its end.
type finished struct {
	uniqueID, callerID, account, dialStatus, answered string
}

// stub is a FastAGI server without any billing: "caller" dials what target says, "reducer" notes how it went.
type stub struct {
	listener net.Listener

	mu        sync.Mutex
	extension map[string]string   // by unique id
	calls     map[string]finished // by extension
}

func startStub(t *testing.T) *stub {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{listener: listener, extension: map[string]string{}, calls: map[string]finished{}}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	// Runs after the lab has ended, which closes all connections.
	t.Cleanup(func() {
		_ = listener.Close()
		sessions.Wait()
	})
	return s
}

func (s *stub) addr() string { return s.listener.Addr().String() }

// target says where a call goes, how long it rings and how long it may last.
func target(extension string) string {
	switch {
	case strings.HasPrefix(extension, "77"):
		return "PJSIP/IMSI0010100000" + extension + "@openbts,30,L(5000)"
	case strings.HasPrefix(extension, "66"):
		return "PJSIP/" + extension + "@deadtrunk,2,L(5000)"
	case strings.HasSuffix(extension, "300"):
		return "PJSIP/" + extension + "@trunk,2,L(5000)"
	default:
		return "PJSIP/" + extension + "@trunk,30,L(5000)"
	}
}

func (s *stub) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	greeting := map[string]string{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		key, value, _ := strings.Cut(line, ": ")
		greeting[key] = value
	}
	uniqueID, extension := greeting["agi_uniqueid"], greeting["agi_extension"]
	switch greeting["agi_network_script"] {
	case "caller":
		s.mu.Lock()
		s.extension[uniqueID] = extension
		s.mu.Unlock()
		command(conn, in, `EXEC Dial "`+target(extension)+`"`)
	case "reducer":
		call := finished{
			uniqueID:   uniqueID,
			callerID:   greeting["agi_callerid"],
			account:    greeting["agi_accountcode"],
			dialStatus: command(conn, in, "GET VARIABLE DIALSTATUS"),
			answered:   command(conn, in, "GET VARIABLE ANSWEREDTIME"),
		}
		s.mu.Lock()
		s.calls[s.extension[uniqueID]] = call
		s.mu.Unlock()
	}
}

// command sends a command and returns the value in the parentheses of the answer.
func command(conn net.Conn, in *bufio.Reader, text string) string {
	if _, err := fmt.Fprintln(conn, text); err != nil {
		return ""
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		if strings.TrimSpace(line) == "HANGUP" {
			continue
		}
		_, value, _ := strings.Cut(strings.TrimSpace(line), "(")
		return strings.TrimSuffix(value, ")")
	}
}

// finished waits for the reducer of the call to an extension.
func (s *stub) finished(t *testing.T, extension string) finished {
	t.Helper()
	var call finished
	Eventually(t, 5*time.Second, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		var found bool
		call, found = s.calls[extension]
		return found
	}, "reducer for the call to %s", extension)
	return call
}

func TestCalls(t *testing.T) {
	server := startStub(t)
	database := storetest.Shared(t).NewDatabase(t)
	l := Start(t, Options{FastAGI: server.addr(), SystemName: "lab", PhoneAccount: "1001", CDRDatabase: database})
	cdr := storetest.Open(t, database)

	// The calls do not know of each other. Asterisk answers the caller 403 when the callee declines.
	t.Run("calls", func(t *testing.T) {
		for _, c := range []struct {
			name       string
			spec       CallSpec
			code       int           // 0: any refusal
			setup      time.Duration // until the final answer, at least
			talk       time.Duration
			endedBy    Side
			dialStatus string
		}{
			{"the caller hangs up", CallSpec{To: "59899100000", Talk: 2500 * time.Millisecond}, 200, 0, 2500 * time.Millisecond, Near, "ANSWER"},
			{"the callee hangs up", CallSpec{To: "59899100102"}, 200, 0, 2400 * time.Millisecond, Far, "ANSWER"},
			{"the limit ends the call", CallSpec{To: "59899200000"}, 200, 0, 5 * time.Second, Far, "ANSWER"},
			{"the callee rings first", CallSpec{To: "59899100702", Talk: time.Second}, 200, 2 * time.Second, time.Second, Near, "ANSWER"},
			{"busy", CallSpec{To: "59899100200"}, 486, 0, 0, Nobody, "BUSY"},
			{"nobody answers in time", CallSpec{To: "59899100300"}, 0, 2 * time.Second, 0, Nobody, "NOANSWER"},
			{"the caller gives up", CallSpec{To: "59899100720", RingGiveUp: time.Second}, 487, time.Second, 0, Nobody, "CANCEL"},
			{"the carrier is out of lines", CallSpec{To: "59899100400"}, 503, 0, 0, Nobody, "CONGESTION"},
			{"no such number", CallSpec{To: "59899100500"}, 404, 0, 0, Nobody, "CHANUNAVAIL"},
			{"declined", CallSpec{To: "59899100600"}, 403, 0, 0, Nobody, "CHANUNAVAIL"},
			{"the carrier is dead", CallSpec{To: "66899100000"}, 0, 2 * time.Second, 0, Nobody, "NOANSWER"},
			{"a subscriber calls a subscriber", CallSpec{From: "IMSI001010000000001", To: "77101", Phone: OpenBTS}, 200, 0, 1400 * time.Millisecond, Far, "ANSWER"},
			{"a phone with an account code", CallSpec{To: "59899300101", Phone: AccountPhone}, 200, 0, 1400 * time.Millisecond, Far, "ANSWER"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if c.spec.From == "" {
					c.spec.From = "59899000001"
				}
				result, err := l.Call(t.Context(), c.spec)
				if err != nil {
					t.Fatal(err)
				}
				if len(result.Calls) != 1 {
					t.Fatalf("%d calls", len(result.Calls))
				}
				call := result.Calls[0]
				if call.Code != c.code && (c.code != 0 || call.Code < 400) {
					t.Errorf("answer %d, want %d", call.Code, c.code)
				}
				if !near(call.Setup, c.setup) {
					t.Errorf("final answer after %v, want %v", call.Setup, c.setup)
				}
				if !near(call.Talk, c.talk) || call.EndedBy != c.endedBy {
					t.Errorf("talked %v, ended by %q; want %v, %q", call.Talk, call.EndedBy, c.talk, c.endedBy)
				}

				noted := server.finished(t, c.spec.To)
				if noted.dialStatus != c.dialStatus {
					t.Errorf("DIALSTATUS %s, want %s", noted.dialStatus, c.dialStatus)
				}
				if noted.callerID != c.spec.From {
					t.Errorf("caller id %s, want %s", noted.callerID, c.spec.From)
				}
				account := map[Endpoint]string{"": "1001", AccountPhone: "1002"}[c.spec.Phone]
				if noted.account != account {
					t.Errorf("account code %q, want %q", noted.account, account)
				}
				if !strings.HasPrefix(noted.uniqueID, "lab-") {
					t.Errorf("unique id %s lacks the system's name", noted.uniqueID)
				}
				if c.code != 200 {
					return
				}
				seconds := strconv.Itoa(int(c.talk.Seconds()))
				if noted.answered != seconds {
					t.Errorf("ANSWEREDTIME %s, want %s", noted.answered, seconds)
				}
				var dst, billsec string
				Eventually(t, 5*time.Second, func() bool {
					return cdr.QueryRowContext(t.Context(), "SELECT dst, billsec FROM cdr WHERE uniqueid = ?", noted.uniqueID).Scan(&dst, &billsec) == nil
				}, "the call record of %s", noted.uniqueID)
				if dst != c.spec.To || billsec != seconds {
					t.Errorf("call record: dst %s, billsec %s", dst, billsec)
				}
			})
		}
	})
}

// near allows for signalling and for SIPp's timers, but never for a whole second of billing.
func near(got, want time.Duration) bool {
	return got >= want-50*time.Millisecond && got <= want+500*time.Millisecond
}

func TestWhatTestsDoToCalls(t *testing.T) {
	server := startStub(t)
	l := Start(t, Options{FastAGI: server.addr()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	call := startAnswered(t, l, CallSpec{From: "59899000001", To: "59899100000"})
	channel, err := l.CallerChannel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Redirect(ctx, channel, "from-phones", "59899200000"); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 5*time.Second, func() bool {
		channels, err := l.Channels(ctx)
		return err == nil && len(channels) == 2 && channels[0]["BridgeId"] != "" && channels[0]["BridgeId"] == channels[1]["BridgeId"] &&
			strings.Contains(fmt.Sprint(channels), "PJSIP/59899200000@trunk")
	}, "the redirected call is up")
	if err := call.HangUp(); err != nil {
		t.Fatal(err)
	}
	result, err := call.Wait(ctx)
	if err != nil || result.Calls[0].EndedBy != Near {
		t.Errorf("redirected call: %+v, %v", result, err)
	}
	if noted := server.finished(t, "59899200000"); noted.dialStatus != "ANSWER" {
		t.Errorf("redirected call: DIALSTATUS %s", noted.dialStatus)
	}

	call = startAnswered(t, l, CallSpec{From: "59899000001", To: "59899100000"})
	if channel, err = l.CallerChannel(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.HangUp(ctx, channel); err != nil {
		t.Fatal(err)
	}
	if result, err = call.Wait(ctx); err != nil || result.Calls[0].EndedBy != Far {
		t.Errorf("call hung up by AMI: %+v, %v", result, err)
	}
	if _, err := l.AMI(ctx, "Hangup", "Channel: "+channel); err == nil || !strings.Contains(err.Error(), "No such channel") {
		t.Errorf("hanging up a channel that is gone: %v", err)
	}

	// Asterisk dies with a call up, and comes back on the same addresses.
	call = startAnswered(t, l, CallSpec{From: "59899000001", To: "59899100000"})
	l.Kill()
	if call.Over() {
		t.Error("the phone noticed that Asterisk was killed")
	}
	call.Kill()
	if err := l.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if channels, err := l.Channels(ctx); err != nil || len(channels) != 0 {
		t.Errorf("after a restart: channels %v, %v", channels, err)
	}
	startAnswered(t, l, CallSpec{From: "59899000001", To: "59899100000"})
}

func startAnswered(t *testing.T, l *Lab, spec CallSpec) *Call {
	t.Helper()
	call, err := l.StartCall(spec)
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, 5*time.Second, func() bool {
		result, err := call.Result()
		return err == nil && result.Answered() == 1
	}, "answer to %s", spec.To)
	return call
}

func TestManyCallsAndTwoLabs(t *testing.T) {
	first, second := Start(t, Options{FastAGI: startStub(t).addr()}), Start(t, Options{FastAGI: startStub(t).addr()})
	if first.SIPAddr == second.SIPAddr {
		t.Fatalf("two labs at %s", first.SIPAddr)
	}
	parties := []Party{{From: "59899000001", To: "59899100000"}, {From: "59899000002", To: "59899100200"}}
	for _, l := range []*Lab{first, second} {
		result, err := l.Call(t.Context(), CallSpec{Parties: parties, Count: 20, Rate: 40, Concurrency: 10, Talk: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		codes := result.Codes()
		if len(result.Calls) != 20 || codes[200] != 10 || codes[486] != 10 {
			t.Errorf("%d calls, answers %v; want ten of 200 and ten of 486", len(result.Calls), codes)
		}
		for i, call := range result.Calls {
			if call.Party != parties[i%2] {
				t.Errorf("call %d: %+v", i, call)
			}
		}
	}
}

func TestQueueAndFiles(t *testing.T) {
	database := storetest.Shared(t).NewDatabase(t)
	l := Start(t, Options{
		Extensions:    "[from-phones]\nexten => 600,1,Answer()\n same => n,Queue(support)\n same => n,Hangup()\n",
		Contexts:      "[more]\nexten => 1,1,Hangup()\n",
		Files:         map[string]string{"musiconhold.conf": "[default]\nmode = files\ndirectory = /nowhere\n"},
		CDRDatabase:   database,
		QueueLogTable: true,
	})
	result, err := l.Call(t.Context(), CallSpec{From: "59899000001", To: "600", Talk: 1500 * time.Millisecond})
	if err != nil || result.Answered() != 1 {
		t.Fatalf("call to the queue: %+v, %v", result, err)
	}
	db := storetest.Open(t, database)
	var agent string
	Eventually(t, 5*time.Second, func() bool {
		return db.QueryRowContext(t.Context(), "SELECT agent FROM queue_log WHERE event = 'COMPLETECALLER'").Scan(&agent) == nil
	}, "the end of the call in the table queue_log")
	Eventually(t, 5*time.Second, func() bool {
		log, err := os.ReadFile(l.Path("log/queue_log"))
		return err == nil && strings.Contains(string(log), agent+"|COMPLETECALLER")
	}, "the same in log/queue_log")

	shown, err := l.CLI(t.Context(), "dialplan show more")
	if err != nil || !strings.Contains(shown, "Hangup()") {
		t.Errorf("the added context: %v\n%s", err, shown)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.ARIURL+"/asterisk/info", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(User, Secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("ARI answers %s", response.Status)
	}
}

func TestNothingIsLeft(t *testing.T) {
	Require(t)
	var l *Lab
	var pids []int
	t.Run("a test with a call up", func(t *testing.T) {
		l = Start(t, Options{FastAGI: startStub(t).addr()})
		call := startAnswered(t, l, CallSpec{From: "59899000001", To: "59899100000"})
		pids = []int{l.asterisk.PID(), l.callee.PID(), call.sipp.PID()}
	})
	if len(pids) == 0 {
		return
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
	if _, err := os.Stat(l.Path()); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", l.Path(), err)
	}
}
