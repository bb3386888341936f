package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/livecalls"
	"talktime/models"
	"talktime/pbx"
)

// What is measured of live calls.
const (
	livePairs  = 500           // calls that hold money, each of two channels
	liveNumber = "59899123000" // that all of them call
	floodRate  = 100           // calls a second
)

// callEvents are all events of one answered call of a real Asterisk, with places for its ids.
//
//go:embed testdata/call-events.txt
var callEvents string

// measurePBX: how long the list of 1,000 live channels takes with its money, and what a flood of events costs.
func (b *bench) measurePBX(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "pbx")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	s := db.service(db.Lanes(), 0, func(p *billing.Policy) { p.Slice = 300 })
	defer s.Close()
	r := rand.New(rand.NewPCG(5, 6))
	held := make([]billing.CallRequest, livePairs)
	for i := range held {
		held[i] = db.pairs.request(1+i, r)
		held[i].CallID = fmt.Sprintf("127.0.0.1/%d.1", i)
		held[i].Number, held[i].Keeper = liveNumber, 1 // what their users have is read for each picture
		if _, err := s.Authorize(ctx, held[i]); err != nil {
			return err
		}
	}
	asterisk, manager, err := b.scriptedAsterisk(ctx, "-serve-manager")
	if err != nil {
		return err
	}
	defer asterisk.stop()
	defer manager.Close()
	calls := livecalls.New(livecalls.Options{Asterisk: manager, Store: db, Policy: policy()})
	listening, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { calls.Run(listening) })
	defer running.Wait()
	defer stop()
	if err := b.liveChannels(ctx, db, manager, calls); err != nil {
		return err
	}
	if err := b.flood(ctx, manager); err != nil {
		return err
	}
	for _, req := range held {
		if err := db.settle(ctx, s, req); err != nil {
			return err
		}
	}
	_, err = db.audit(ctx)
	return err
}

// scriptedAsterisk starts this program as a manager interface, in a process of its own whose flag says what it plays, and connects to it.
func (b *bench) scriptedAsterisk(ctx context.Context, flag string) (*server, *pbx.Client, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	asterisk, err := b.startServer(ctx, func(address string) *exec.Cmd { return exec.CommandContext(ctx, program, flag, address) })
	if err != nil {
		return nil, nil, err
	}
	manager, err := pbx.Open(pbx.AMI{Addr: asterisk.address, User: "bench", Secret: "bench"}, pbx.Options{})
	if err != nil {
		asterisk.stop()
		return nil, nil, err
	}
	return asterisk, manager, nil
}

// liveChannels measures the list, each time of a picture that is new.
func (b *bench) liveChannels(ctx context.Context, db *database, manager *pbx.Client, calls *livecalls.Service) error {
	_, token, err := db.NewToken(ctx, models.NewToken{Name: "pbx", Scopes: []string{"read"}}, "bench")
	if err != nil {
		return err
	}
	handler, err := adminapi.New(adminapi.Deps{
		Users: db, Sessions: db, Ledger: db, Calls: db, Tokens: db, Groups: db, Location: time.UTC, PBX: &adminapi.PBX{Log: db, Live: calls, Switch: manager},
		Ready: func(context.Context) error { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until it is closed
	defer func() { _ = server.Close() }()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	ask := func() (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/api/pbx/channels", http.NoBody)
		if err != nil {
			return 0, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(answer.Body)
		err = errors.Join(err, answer.Body.Close())
		if n := bytes.Count(body, []byte(`"username":`)); err == nil && (answer.StatusCode != http.StatusOK || n < 2*livePairs) {
			err = fmt.Errorf("the list of channels: %s with %d users: %.300s", answer.Status, n, body)
		}
		return len(body), err
	}
	for try := 0; !manager.Stats().Connected && try < 500; try++ {
		time.Sleep(10 * time.Millisecond)
	}
	var fresh, shared row
	fresh.name, fresh.unit, shared.name, shared.unit = "the picture is made for the request, p99", "ms", "it was made within the second, p99", "ms"
	size := 0
	for range b.rounds {
		runtime.GC()
		var made, kept []time.Duration
		for begun := time.Now(); time.Since(begun) < b.each; {
			calls.Forget()
			for _, into := range []*[]time.Duration{&made, &kept} {
				start := time.Now()
				if size, err = ask(); err != nil {
					return err
				}
				*into = append(*into, time.Since(start))
			}
		}
		fresh.got = append(fresh.got, percentile(made, 99).Seconds()*1000)
		shared.got = append(shared.got, percentile(kept, 99).Seconds()*1000)
	}
	b.progress("1,000 live channels: %s ms", number(fresh.got.median()))
	b.figures = append(b.figures, figure{
		name: fmt.Sprintf("/api/pbx/channels, %s live channels, %d calls that hold money, p99", group(2*livePairs), livePairs), goal: 50, unit: "ms", atMost: true, got: fresh.got, rows: []row{fresh, shared},
		remarks: []string{fmt.Sprintf("One reader, by HTTP; %s KiB of JSON. A picture asks a scripted Asterisk in another process and MariaDB.", group(int64(size>>10)))},
	})
	return nil
}

// flood measures the CPU time of this process alone: the events come from another.
func (b *bench) flood(ctx context.Context, manager *pbx.Client) error {
	rows := []row{{name: "the events of calls, as Asterisk is asked for", unit: "%"}, {name: "all events, were it to send them", unit: "%"}}
	var perSecond [2]float64
	for range b.rounds {
		for i, all := range []string{"no", "yes"} {
			spent := func(rate int) (float64, error) {
				if _, err := manager.Do(ctx, pbx.Action{Name: "Flood", Fields: []pbx.Field{{Key: "Rate", Value: strconv.Itoa(rate)}, {Key: "All", Value: all}}}); err != nil {
					return 0, err
				}
				runtime.GC()
				before, events, start := threadTime(os.Getpid()), manager.Stats().Events, time.Now()
				select {
				case <-time.After(2 * b.each):
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
				passed := time.Since(start)
				if rate > 0 {
					perSecond[i] = float64(manager.Stats().Events-events) / passed.Seconds()
				}
				return 100 * float64(threadTime(os.Getpid())-before) / float64(passed), nil
			}
			flooded, err := spent(floodRate)
			if err != nil {
				return err
			}
			quiet, err := spent(0)
			if err != nil {
				return err
			}
			rows[i].got = append(rows[i].got, max(flooded-quiet, 0))
		}
	}
	if n := manager.Stats().Dropped; n > 0 {
		return fmt.Errorf("%d events were dropped", n)
	}
	b.progress("%d calls a second: %s %% of a core; all events: %s %%", floodRate, number(rows[0].got.median()), number(rows[1].got.median()))
	b.figures = append(b.figures, figure{
		name: fmt.Sprintf("CPU time of a core for the events of %d calls a second", floodRate), goal: 5, unit: "%", atMost: true, got: rows[0].got, rows: rows,
		remarks: []string{fmt.Sprintf("%s events a second, or %s of all classes, as a real Asterisk sent them for one answered call; CPU time of this process, less that without events.", group(int64(perSecond[0])), group(int64(perSecond[1])))},
	})
	return nil
}

// serveManager is a manager interface with live channels, which floods whoever asks for it. It ends on SIGTERM.
func serveManager(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil //nolint:nilerr // it was closed
		}
		go (&flooder{conn: conn, rate: make(chan floodOrder, 1)}).serve(ctx)
	}
}

type floodOrder struct {
	calls int // a second
	all   bool
}

// flooder is a connection to it.
type flooder struct {
	conn net.Conn
	rate chan floodOrder

	mu sync.Mutex // of what is written
}

func (f *flooder) say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = io.WriteString(f.conn, text)
}

func (f *flooder) serve(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer func() { _ = f.conn.Close() }()
	context.AfterFunc(ctx, func() { _ = f.conn.Close() })
	go f.flood(ctx)
	channels, answered := scriptedChannels(), time.Now().Unix()
	f.say("Asterisk Call Manager/11.0.0\r\n")
	in := bufio.NewReader(f.conn)
	for {
		fields, err := readAction(in)
		if err != nil {
			return
		}
		ok := "Response: Success\r\nActionID: " + fields["ActionID"] + "\r\n"
		switch fields["Action"] {
		case "CoreShowChannels":
			f.say(ok + "EventList: start\r\n\r\n" + strings.ReplaceAll(channels, "{id}", fields["ActionID"]))
		case "Getvar":
			f.say(ok + fmt.Sprintf("Variable: x\r\nValue: %d.5\r\n\r\n", answered))
		case "Flood":
			calls, _ := strconv.Atoi(fields["Rate"])
			f.rate <- floodOrder{calls, fields["All"] == "yes"}
			f.say(ok + "\r\n")
		default:
			f.say(ok + "\r\n")
		}
	}
}

// readAction reads the lines of an action.
func readAction(in *bufio.Reader) (map[string]string, error) {
	fields := map[string]string{}
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		key, value, some := strings.Cut(strings.TrimSpace(text), ": ")
		if !some {
			return fields, nil
		}
		fields[key] = value
	}
}

// flood sends the events of so many calls a second.
func (f *flooder) flood(ctx context.Context) {
	all := strings.ReplaceAll(callEvents, "\n", "\r\n") + "\r\n"
	var ofCalls strings.Builder
	for event := range strings.SplitAfterSeq(all, "\r\n\r\n") {
		if strings.Contains(event, "Privilege: call,") {
			ofCalls.WriteString(event)
		}
	}
	const tick = 10 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var order floodOrder
	for n, due := 0, 0.0; ; {
		select {
		case <-ctx.Done():
			return
		case order = <-f.rate:
			due = 0
		case <-ticker.C:
			for due += float64(order.calls) * tick.Seconds(); due >= 1; due-- {
				n++
				text := ofCalls.String()
				if order.all {
					text = all
				}
				id := strconv.Itoa(n)
				f.say(strings.NewReplacer("{caller}", "18"+id+".1", "{callee}", "18"+id+".2", "{n}", id).Replace(text))
			}
		}
	}
}

// scriptedChannels are the two of each call, as a list whose ids are to be filled in.
func scriptedChannels() string {
	var b strings.Builder
	for i := range livePairs {
		for side, tech := range []string{"caller", "carrier"} {
			fmt.Fprintf(&b, "Event: CoreShowChannel\r\nActionID: {id}\r\nChannel: PJSIP/%s-%08x\r\nChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: 59899000001\r\nCallerIDName: Lab\r\n"+
				"ConnectedLineNum: "+liveNumber+"\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: acc42\r\nContext: from-caller\r\nExten: "+liveNumber+"\r\nPriority: 4\r\nUniqueid: %d.%d\r\n"+
				"Linkedid: %d.1\r\nApplication: Dial\r\nApplicationData: PJSIP/"+liveNumber+"@carrier,30,gL(60000)\r\nDuration: 00:00:01\r\nBridgeId: a62cd65d-5056-4e14-810a-%012d\r\n\r\n", tech, i, i, side+1, i, i)
		}
	}
	fmt.Fprintf(&b, "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", 2*livePairs)
	return b.String()
}
