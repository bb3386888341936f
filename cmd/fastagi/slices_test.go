package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/midcall"
	"talktime/models"
)

// asterisk is the manager interface of an Asterisk: which channels it has, and what it was told to do with them.
type asterisk struct {
	address string

	mu     sync.Mutex
	up     map[string]string // unique ids of channels by their names; those with the same end of the name talk
	orders []string          // "AbsoluteTimeout 1795210434.9 2.000"
	conns  []net.Conn
}

func newAsterisk(t *testing.T) *asterisk {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &asterisk{address: listener.Addr().String(), up: map[string]string{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns = append(a.conns, conn)
			a.mu.Unlock()
			running.Go(func() { a.manage(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		a.mu.Lock()
		for _, conn := range a.conns {
			conn.Close()
		}
		a.mu.Unlock()
		running.Wait()
	})
	return a
}

// settings are those with which the Asterisk is found, the n-th one.
func (a *asterisk) settings(n string) map[string]string {
	prefix := "TALKTIME_AMI" + n
	return map[string]string{prefix + "_ADDR": a.address, prefix + "_USER": "talktime", prefix + "_SECRET": "geheim"}
}

// manage answers one connection until it ends.
func (a *asterisk) manage(conn net.Conn) {
	defer conn.Close()
	a.say(conn, "Asterisk Call Manager/11.0.0\n")
	asked := map[string]string{}
	for in := bufio.NewScanner(conn); in.Scan(); {
		if line := in.Text(); line != "" {
			key, value, _ := strings.Cut(line, ": ")
			asked[key] = value
			continue
		}
		a.say(conn, a.answer(asked))
		asked = map[string]string{}
	}
}

// say sends a text in one piece.
func (a *asterisk) say(conn net.Conn, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
}

func (a *asterisk) answer(asked map[string]string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := "ActionID: " + asked["ActionID"] + "\n"
	known := slices.Contains(slices.Collect(maps.Values(a.up)), asked["Channel"])
	switch action := asked["Action"]; action {
	case "Getvar":
		value := ""
		if asked["Variable"] == "UNIQUEID" {
			value = a.up[asked["Channel"]]
		}
		return "Response: Success\n" + id + "Variable: " + asked["Variable"] + "\nValue: " + value + "\n\n"
	case "AbsoluteTimeout", "Hangup":
		if asked["Channel"] != "talktime/nobody" {
			a.orders = append(a.orders, strings.TrimSpace(action+" "+asked["Channel"]+" "+asked["Timeout"]+asked["Cause"]))
		}
		if !known {
			return "Response: Error\n" + id + "Message: No such channel\n\n"
		}
	case "Login", "Events": // somebody else calls
		return "Response: Success\n" + id + "\nEvent: Newchannel\nUniqueid: 1795210400.0\n\n"
	case "CoreShowChannels":
		list := "Response: Success\n" + id + "EventList: start\n\n"
		for name, uniqueID := range a.up {
			_, bridge, _ := strings.Cut(name, "-")
			list += "Event: CoreShowChannel\n" + id + "Channel: " + name + "\nUniqueid: " + uniqueID + "\nBridgeId: " + bridge + "\n\n"
		}
		return list + "Event: CoreShowChannelsComplete\n" + id + fmt.Sprintf("EventList: Complete\nListItems: %d\n\n", len(a.up))
	}
	return "Response: Success\n" + id + "\n"
}

// answers lets the callee of a call answer, whose channel is its caller's with callee in place of caller.
func (a *asterisk) answers(c *agitest.Peer) (callee string) {
	callee = c.UniqueID + "1"
	a.mu.Lock()
	a.up[strings.Replace(c.Channel, "caller", "callee", 1)] = callee
	conns := slices.Clone(a.conns)
	a.mu.Unlock()
	for _, conn := range conns {
		a.say(conn, "Event: DialEnd\nUniqueid: "+c.UniqueID+"\nDestUniqueid: "+callee+"\nDialStatus: ANSWER\n\n")
	}
	return callee
}

// ordered counts the orders that begin so.
func (a *asterisk) ordered(order string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.orders {
		if strings.HasPrefix(o, order+" ") {
			n++
		}
	}
	return n
}

// call is a call of Marta's from a channel that the Asterisk has.
func (a *asterisk) call(script string) *agitest.Peer {
	c := call(script)
	c.Channel = "PJSIP/caller-" + strings.TrimPrefix(c.UniqueID, "1795210434.")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up[c.Channel] = c.UniqueID
	return c
}

// hangUp ends the channel of a call.
func (a *asterisk) hangUp(c *agitest.Peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.up, c.Channel)
}

// keeps waits until a process keeps the calls of an Asterisk, by calls that are held and not made.
func (a *asterisk) keeps(t *testing.T, p *process, seconds string) {
	t.Helper()
	eventually(t, "a call that is held in slices", func() bool {
		c := a.call("authorize")
		agitest.Call(t, p.address, c)
		a.hangUp(c)
		c.Vars["DIALSTATUS"] = "BUSY"
		agitest.Call(t, p.address, c.H("reducer"))
		return c.Vars["TALKTIME_SECONDS"] == seconds || !wiring.Pause(t.Context(), 100*time.Millisecond)
	})
}

// TestSlices: a call is held in slices and extended by whichever of two Asterisks has it, also while the server stops; the next process takes
// it over, and it is charged once.
func TestSlices(t *testing.T) {
	t.Parallel()
	s, first, second := newSite(t), newAsterisk(t), newAsterisk(t)
	maps.Copy(s.env, first.settings(""))
	maps.Copy(s.env, second.settings("5"))
	s.env["TALKTIME_SLICE_SECONDS"], s.env["TALKTIME_SHUTDOWN_SECONDS"] = "6", "20"
	p := s.start(t)
	db := s.store(t)
	addMarta(t, db)
	second.keeps(t, p, "6")

	c := second.call("caller")
	ringing, hangUp, left := make(chan string, 1), make(chan struct{}), make(chan struct{})
	c.Dial = func(d *agitest.Dial) {
		if d.Limit.Seconds() != 6 {
			t.Errorf("dialled for %s", d.Limit)
		}
		has(t, db, 100, 6)
		ringing <- second.answers(c)
		<-hangUp
		d.Talk, d.Limit = 9*time.Second, 0
	}
	go func() {
		defer close(left)
		agitest.Call(t, p.address, c)
	}()
	callee := <-ringing
	eventually(t, "a slice", func() bool {
		return second.ordered("AbsoluteTimeout "+callee) > 0 && second.ordered("AbsoluteTimeout "+c.UniqueID) > 0
	})

	// The server stops while a script runs, and goes on extending until that is done.
	balance := call("balance")
	during(balance, "ANSWER", func() {
		p.Signal(syscall.SIGTERM)
		p.log.await(t, `"msg":"stopping"`)
		placed := second.ordered("AbsoluteTimeout " + callee)
		eventually(t, "another slice", func() bool { return second.ordered("AbsoluteTimeout "+callee) > placed })
	})
	agitest.Call(t, p.address, balance)
	told(t, balance, "OK", "")
	p.ends(t, "exit status 0")

	p = s.start(t)
	p.log.await(t, `"msg":"calls that nobody kept were taken over"`)
	placed := second.ordered("AbsoluteTimeout " + callee)
	eventually(t, "a slice of the next process", func() bool { return second.ordered("AbsoluteTimeout "+callee) > placed })
	close(hangUp)
	<-left
	agitest.Call(t, p.address, c.H("reducer"))
	has(t, db, 91, 0)
	if n := first.ordered("AbsoluteTimeout") + first.ordered("Hangup") + second.ordered("Hangup"); n != 0 {
		t.Errorf("%d orders that nobody expects", n)
	}
	if strings.Contains(p.log.String(), "geheim") {
		t.Error("a secret is in the log")
	}
}

// TestWholeCalls: nobody extends calls of an Asterisk that is away, or when slices are off.
func TestWholeCalls(t *testing.T) {
	t.Parallel()
	here := newAsterisk(t)
	for name, settings := range map[string]map[string]string{
		"slices are off": {"TALKTIME_AMI_ADDR": here.address, "TALKTIME_SLICE_SECONDS": "0"},
		"it is away":     {"TALKTIME_AMI_ADDR": "127.0.0.1:1", "TALKTIME_SLICE_SECONDS": "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			maps.Copy(s.env, here.settings(""))
			maps.Copy(s.env, settings)
			p := s.start(t)
			if line := p.log.await(t, `"msg":"ready"`); !strings.Contains(line, `"slice_seconds":`+settings["TALKTIME_SLICE_SECONDS"]) {
				t.Errorf("it says %s", line)
			}
			db := s.store(t)
			addMarta(t, db)
			c := here.call("caller")
			c.Dial = func(d *agitest.Dial) {
				has(t, db, 100, 60)
				d.Talk = 7 * time.Second
			}
			agitest.Call(t, p.address, c)
			has(t, db, 93, 0)
			p.Signal(syscall.SIGTERM)
			p.ends(t, "exit status 0")
		})
	}
}

// TestLiveOfAll: a channel lives that any Asterisk has. When one does not answer nobody knows, and what depends on it is left open.
func TestLiveOfAll(t *testing.T) {
	t.Parallel()
	first, second := newAsterisk(t), newAsterisk(t)
	a, b := first.call("caller"), second.call("caller")
	env := first.settings("")
	maps.Copy(env, second.settings("2"))
	load := func() config.Config {
		c, err := config.Load(func(name string) (string, bool) { value, set := env[name]; return value, set }, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	live, err := wiring.OurAsterisks(load()).Live(t.Context())
	if err != nil || len(live) != 2 || !live[a.UniqueID] || !live[b.UniqueID] {
		t.Errorf("live are %v, %v", live, err)
	}
	env["TALKTIME_AMI2_ADDR"] = "127.0.0.1:1"
	live, err = wiring.OurAsterisks(load()).Live(t.Context())
	if err == nil || live != nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("with one that is away: %v, %v", live, err)
	}

	s := newSite(t)
	db := s.store(t)
	addMarta(t, db)
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
	}})
	t.Cleanup(service.Close)
	id := "127.0.0.1/" + a.UniqueID
	if _, err := service.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: marta}, Number: abroad}); err != nil {
		t.Fatal(err)
	}
	reconciler, closeAll, err := newReconciler(service, db, load(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if report, err := reconciler.Run(context.WithoutCancel(t.Context()), false); err != nil || report.Left != 1 || len(report.Problems) != 1 {
		t.Errorf("the reconciler reports %+v, %v", report, err)
	}
	if calls, err := db.CallsByID(t.Context(), []string{id}); err != nil || calls[id].State != models.CallOpen {
		t.Errorf("the call is %v, %v", calls, err)
	}
}

// movedStore tells what it is told to of whose money has moved.
type movedStore struct {
	midcall.Store
	all bool
}

func (m *movedStore) Moved(context.Context, int64) (users []int64, all bool, next int64, err error) {
	return nil, m.all, 1, nil
}

// TestTariffsThatCannotBeRead: they are tried once a second, and everybody's calls are looked at when they were read, not all the while.
func TestTariffsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	moves, now, tries := &movedStore{}, time.Unix(1800000000, 0), 0
	failure := errors.New("no database")
	i := &informed{Store: moves, now: func() time.Time { return now }, refresh: func(context.Context) error {
		tries++
		return failure
	}}
	polls := func(n int) (all int) {
		for range n {
			if _, everybody, _, err := i.Moved(t.Context(), 0); err != nil {
				t.Fatal(err)
			} else if everybody {
				all++
			}
			now = now.Add(250 * time.Millisecond)
		}
		return all
	}
	if all := polls(8); all != 0 || tries != 0 {
		t.Errorf("nothing has moved: all %d times, tried %d times", all, tries)
	}
	moves.all = true
	all := polls(1)
	moves.all = false
	if all += polls(39); all != 1 || tries != 10 {
		t.Errorf("in 10 s all %d times, tried %d times", all, tries)
	}
	failure = nil
	if all := polls(8); all != 1 || tries != 11 {
		t.Errorf("afterwards all %d times, tried %d times", all, tries)
	}
	moves.all = true
	if all := polls(3); all != 3 || tries != 14 {
		t.Errorf("each time all %d times, tried %d times", all, tries)
	}
}
