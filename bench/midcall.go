package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"talktime/billing"
	"talktime/midcall"
	"talktime/pbx"
)

// keptLoad is how many calls go on at once, held in slices of so many seconds.
type keptLoad struct {
	calls int
	slice int64
}

// measureMidcall: whether calls that are held in slices are all extended in time, and what that costs.
func (b *bench) measureMidcall(ctx context.Context) error {
	load := keptLoad{5000, 30}
	if b.short {
		load = keptLoad{1000, 6} // as many slices a second
	}
	db, err := b.newDatabase(ctx, "midcall")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	s := db.service(db.Lanes(), 0, func(p *billing.Policy) { p.Slice = load.slice })
	defer s.Close()
	asterisk, manager, err := b.scriptedAsterisk(ctx, "-serve-calls")
	if err != nil {
		return err
	}
	defer asterisk.stop()
	defer manager.Close()
	keeper := midcall.New(midcall.Options{
		Asterisks: []midcall.Asterisk{{Name: asterisk.address, Manager: manager}}, Ledger: s, Store: db, Slice: load.slice, Name: "bench",
	})
	keeping, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { keeper.Run(keeping) })
	defer running.Wait()
	defer stop()
	k := &keptCalls{b: b, load: load, db: db, service: s, manager: manager, keeper: keeper, asterisk: asterisk}
	if err := k.measure(ctx); err != nil {
		return err
	}
	stop()
	running.Wait()
	if err := k.settle(ctx); err != nil {
		return err
	}
	_, err = db.audit(ctx)
	return err
}

// keptCalls are calls that go on, with all that keeps them.
type keptCalls struct {
	b        *bench
	load     keptLoad
	db       *database
	service  *billing.Service
	manager  *pbx.Client
	keeper   *midcall.Service
	asterisk *server

	requests []billing.CallRequest
}

func (k *keptCalls) measure(ctx context.Context) error {
	round := 6 * k.b.each
	if err := k.ready(ctx); err != nil {
		return err
	}
	idle, _, err := k.spent(ctx, round)
	if err != nil {
		return err
	}
	if err := k.begin(ctx); err != nil {
		return err
	}
	if _, err := k.report(ctx); err != nil {
		return err
	}
	before := k.keeper.Figures()
	var late samples
	var all []time.Duration
	rows := []row{{name: "this process: billing, keeper, manager interface", unit: "%"}, {name: "MariaDB", unit: "%"}}
	var used, margin, median, p99 samples
	for range k.b.rounds {
		runtime.GC()
		own, database, err := k.spent(ctx, round)
		if err != nil {
			return err
		}
		got, err := k.report(ctx)
		if err != nil {
			return err
		}
		all = append(all, got.took...)
		rows[0].got, rows[1].got = append(rows[0].got, own), append(rows[1].got, database)
		used = append(used, max(own+database-idle, 0))
		margin = append(margin, got.least.Seconds())
		median, p99 = append(median, got.percentile(50)), append(p99, got.percentile(99))
		k.b.progress("%s slices, %d calls ended; %s %% of a core; placed after %s ms, p99 %s ms", group(int64(len(got.took))), got.ended, number(used[len(used)-1]),
			number(median[len(median)-1]), number(p99[len(p99)-1]))
		late = append(late, float64(got.ended))
	}
	after := k.keeper.Figures()
	if after.Cut > 0 || after.Refused > 0 || after.Short > 0 || after.Calls != int64(k.load.calls) {
		return fmt.Errorf("the keeper has cut, lost or not extended calls: %+v", after)
	}
	total := float64(after.Late - before.Late)
	for _, n := range late {
		total += n
	}
	name := fmt.Sprintf("%s live calls, slices of %d s: ", group(int64(k.load.calls)), k.load.slice)
	k.b.figures = append(
		k.b.figures,
		figure{
			name: name + "slices that came late", goal: 0, atMost: true, got: samples{total},
			rows: []row{
				{name: "least time before the end of the slice before", unit: "s", got: margin},
				{name: "from when it is due until Asterisk has it, p50", unit: "ms", got: median},
				{name: "the same, p99", unit: "ms", got: p99},
			},
			remarks: []string{fmt.Sprintf("%s slices in %s, each decided, committed and placed by two orders to a scripted Asterisk in another process, "+
				"which ends calls as a real one does.", group(int64(len(all))), time.Duration(k.b.rounds)*round)},
		},
		figure{
			name: name + "CPU time of a core", goal: 25, unit: "%", atMost: true, got: used, rows: rows,
			remarks: []string{fmt.Sprintf("This process and MariaDB, less the %s %% that both use without calls. The scripted Asterisk is not counted.", number(idle))},
		},
	)
	return nil
}

// ready waits until the keeper would keep a call.
func (k *keptCalls) ready(ctx context.Context) error {
	for range 1000 {
		if k.keeper.Keeps(ctx, loopback, keptName(0), keptID(0)) != 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the keeper does not keep calls")
}

// spent is how much of a core this process and the database use, in percent, when they do nothing else for a while.
func (k *keptCalls) spent(ctx context.Context, d time.Duration) (own, database float64, err error) {
	used := func() (own, others time.Duration) {
		own, others = cpuTime()
		return own, others - threadTime(k.asterisk.child.PID())
	}
	ownBefore, othersBefore := used()
	start := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	ownAfter, othersAfter := used()
	percent := 100 / time.Since(start).Seconds()
	return (ownAfter - ownBefore).Seconds() * percent, (othersAfter - othersBefore).Seconds() * percent, nil
}

// begin has all calls permitted and answered, evenly over the time of a slice.
func (k *keptCalls) begin(ctx context.Context) error {
	k.b.progress("%s calls begin", group(int64(k.load.calls)))
	r := rand.New(rand.NewPCG(7, 8))
	k.requests = make([]billing.CallRequest, k.load.calls)
	for i := range k.requests {
		k.requests[i] = k.db.pairs.request(1+i, r)
		k.requests[i].CallID = "127.0.0.1/" + keptID(i)
	}
	pause := time.NewTicker(time.Duration(k.load.slice) * time.Second / time.Duration(k.load.calls))
	defer pause.Stop()
	calling, ctx := errgroup.WithContext(ctx)
	for i := range k.requests {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return calling.Wait()
		}
		calling.Go(func() error { return k.call(ctx, i) })
	}
	return calling.Wait()
}

func (k *keptCalls) call(ctx context.Context, n int) error {
	req := k.requests[n]
	req.Keeper = k.keeper.Keeps(ctx, loopback, keptName(n), keptID(n))
	auth, err := k.service.Authorize(ctx, req)
	if err != nil {
		return fmt.Errorf("authorise: %w", err)
	}
	if auth.Keeper == 0 || auth.Seconds != k.load.slice {
		return fmt.Errorf("the call is not held in slices: %+v", auth)
	}
	k.keeper.Keep(loopback, keptName(n), keptID(n), req.Identity, auth)
	answer := []pbx.Field{{Key: "Number", Value: strconv.Itoa(n)}, {Key: "Seconds", Value: strconv.FormatInt(auth.Seconds, 10)}}
	_, err = k.manager.Do(ctx, pbx.Action{Name: "Answer", Fields: answer})
	return err
}

// settle ends all calls.
func (k *keptCalls) settle(ctx context.Context) error {
	settling, ctx := errgroup.WithContext(ctx)
	settling.SetLimit(callers)
	for _, req := range k.requests {
		settling.Go(func() error { return k.db.settle(ctx, k.service, req) })
	}
	return settling.Wait()
}

// keptReport is what the scripted Asterisk has seen since the report before.
type keptReport struct {
	ended int             // calls whose time ran out
	least time.Duration   // that a call had left when it got another slice
	took  []time.Duration // from the moment at which a slice is due; less than nothing when it came earlier
}

// percentile in milliseconds.
func (r keptReport) percentile(p float64) float64 { return percentile(r.took, p).Seconds() * 1000 }

func (k *keptCalls) report(ctx context.Context) (r keptReport, err error) {
	answer, err := k.manager.Do(ctx, pbx.Action{Name: "Report"})
	if err != nil {
		return r, err
	}
	if r.ended, err = strconv.Atoi(answer.Get("Ended")); err != nil {
		return r, err
	}
	lead := time.Duration(billing.Lead(k.load.slice)) * time.Second
	r.least = time.Hour
	var lefts []string
	for _, line := range answer {
		if line.Key == "Left" {
			lefts = append(lefts, strings.Fields(line.Value)...)
		}
	}
	for _, text := range lefts {
		ms, err := strconv.Atoi(text)
		if err != nil {
			return r, err
		}
		left := time.Duration(ms) * time.Millisecond
		r.least = min(r.least, left)
		r.took = append(r.took, max(lead-left, 0))
	}
	if len(r.took) == 0 {
		err = errors.New("no slice was placed")
	}
	return r, err
}

// loopback is where the scripted Asterisk is.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func keptName(n int) string { return fmt.Sprintf("PJSIP/caller-%08x", n) }

func keptID(n int) string { return fmt.Sprintf("1800000000.%d", 2*n) }

// serveCalls is a manager interface whose calls end when their time runs out. It ends on SIGTERM.
func serveCalls(address string) error {
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
		go func() {
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			defer func() { _ = conn.Close() }()
			(&timekeeper{conn: conn, out: bufio.NewWriter(conn), ends: map[int]time.Time{}}).serve()
		}()
	}
}

// timekeeper is a connection to it. Of the two timers of a call it has that of the callee, which runs out first.
type timekeeper struct {
	conn  net.Conn
	out   *bufio.Writer
	ends  map[int]time.Time // of calls that are up
	left  []string          // milliseconds that calls had left when they got more
	ended int
}

func (t *timekeeper) serve() {
	_, _ = t.out.WriteString("Asterisk Call Manager/11.0.0\r\n")
	in := bufio.NewReader(t.conn)
	for {
		if in.Buffered() == 0 && t.out.Flush() != nil {
			return
		}
		action, err := readAction(in)
		if err != nil {
			return
		}
		t.answer(action)
	}
}

func (t *timekeeper) answer(action map[string]string) {
	now := time.Now()
	lines := []string{"Response: Success", "ActionID: " + action["ActionID"]}
	switch action["Action"] {
	case "Login", "Events": // there is always another call that begins
		defer t.say("Event: Newchannel", "Privilege: call,all", "Uniqueid: 1799999999.0")
	case "Getvar":
		var n int
		_, _ = fmt.Sscanf(action["Channel"], "PJSIP/caller-%x", &n)
		lines = append(lines, "Variable: "+action["Variable"], "Value: "+keptID(n))
	case "Answer":
		n, _ := strconv.Atoi(action["Number"])
		seconds, _ := strconv.Atoi(action["Seconds"])
		t.ends[n] = now.Add(time.Duration(seconds) * time.Second)
		defer t.say("Event: DialEnd", "Privilege: call,all", "Channel: "+keptName(n), "Uniqueid: "+keptID(n),
			fmt.Sprintf("DestUniqueid: 1800000000.%d", 2*n+1), "DialStatus: ANSWER")
	case "AbsoluteTimeout":
		if !t.extend(now, action["Channel"], action["Timeout"]) {
			lines = []string{"Response: Error", "ActionID: " + action["ActionID"], "Message: No such channel"}
		}
	case "Report":
		for n, end := range t.ends {
			if end.Before(now) {
				t.ended++
				delete(t.ends, n)
			}
		}
		lines = append(lines, "Ended: "+strconv.Itoa(t.ended))
		for part := range slices.Chunk(t.left, 500) { // a line is not longer than 4 KiB
			lines = append(lines, "Left: "+strings.Join(part, " "))
		}
		t.left, t.ended = nil, 0
	case "CoreShowChannels":
		t.say(append(lines, "EventList: start")...)
		for n := range t.ends {
			for side := range 2 {
				t.say("Event: CoreShowChannel", "ActionID: "+action["ActionID"], fmt.Sprintf("Channel: %s%d", keptName(n), side), "ChannelState: 6",
					"ChannelStateDesc: Up", fmt.Sprintf("Uniqueid: 1800000000.%d", 2*n+side), "Linkedid: "+keptID(n), "Duration: 00:00:01", "BridgeId: "+strconv.Itoa(n))
			}
		}
		lines = []string{"Event: CoreShowChannelsComplete", "ActionID: " + action["ActionID"], "EventList: Complete", fmt.Sprintf("ListItems: %d", 2*len(t.ends))}
	}
	t.say(lines...)
}

// extend moves a timer, unless its call has ended.
func (t *timekeeper) extend(now time.Time, uniqueID, rest string) bool {
	var of int
	if _, err := fmt.Sscanf(uniqueID, "1800000000.%d", &of); err != nil {
		return false
	}
	n, caller := of/2, of%2 == 0
	seconds, err := time.ParseDuration(rest + "s")
	end, up := t.ends[n]
	switch {
	case err != nil || !up:
		return false
	case end.Before(now):
		t.ended++
		delete(t.ends, n)
		return false
	case !caller:
		if to := now.Add(seconds); to.Sub(end) > time.Second { // it is another slice, and not the first one once more
			t.left = append(t.left, strconv.FormatInt(end.Sub(now).Milliseconds(), 10))
		}
		t.ends[n] = now.Add(seconds)
	}
	return true
}

func (t *timekeeper) say(lines ...string) {
	_, _ = t.out.WriteString(strings.Join(lines, "\r\n") + "\r\n\r\n")
}
