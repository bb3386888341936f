package livecalls_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"talktime/billing"
	"talktime/livecalls"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asterisk is a manager interface with channels, and answers to questions for variables of them.
type asterisk struct {
	mu       sync.Mutex
	channels []string          // blocks
	answered map[string]string // TALKTIME_ANSWERED by channel; a channel without one has none, but was answered itself
	conn     net.Conn
	hangs    bool
	asked    map[string]int // by action
	listed   func()         // is called when the channels were listed; nil: nothing is
	events   chan struct{}  // closed when a client has asked for events
	once     sync.Once
}

func newAsterisk() *asterisk {
	return &asterisk{answered: map[string]string{}, asked: map[string]int{}, events: make(chan struct{})}
}

func (a *asterisk) dial(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	a.mu.Lock()
	a.conn = far
	a.mu.Unlock()
	go a.serve(far)
	return near, nil
}

func (a *asterisk) serve(conn net.Conn) {
	defer conn.Close()
	say(conn, "Asterisk Call Manager/11.0.0\r\n")
	in := bufio.NewReader(conn)
	for {
		f := map[string]string{}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			key, value, _ := strings.Cut(line, ": ")
			f[key] = value
		}
		a.answer(conn, f)
	}
}

func (a *asterisk) answer(conn net.Conn, f map[string]string) {
	a.mu.Lock()
	channels, answered, hangs, listed := a.channels, a.answered[f["Channel"]], a.hangs, a.listed
	a.asked[f["Action"]]++
	a.mu.Unlock()
	ok := "Response: Success\r\nActionID: " + f["ActionID"] + "\r\n"
	switch action := f["Action"]; {
	case action == "Challenge":
		say(conn, ok+"Challenge: 1\r\n\r\n")
	case action == "CoreShowChannels" && hangs:
	case action == "CoreShowChannels":
		if listed != nil {
			listed()
		}
		say(conn, ok+"EventList: start\r\n\r\n")
		for _, c := range channels {
			say(conn, c+"ActionID: "+f["ActionID"]+"\r\n\r\n")
		}
		say(conn, fmt.Sprintf("Event: CoreShowChannelsComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", f["ActionID"], len(channels)))
	case action == "Getvar" && f["Variable"] == "TALKTIME_ANSWERED":
		say(conn, ok+"Variable: "+f["Variable"]+"\r\nValue: "+answered+"\r\n\r\n")
	case action == "Getvar":
		say(conn, ok+"Variable: "+f["Variable"]+"\r\nValue: 1799999995.000000\r\n\r\n")
	default:
		say(conn, ok+"\r\n")
		if f["EventMask"] == "call" || f["Events"] == "call" {
			a.once.Do(func() { close(a.events) })
		}
	}
}

func say(conn net.Conn, text string) { _, _ = io.WriteString(conn, text) }

// tell sends an event, and returns when the client has read it.
func (a *asterisk) tell(lines ...string) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	say(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
}

func (a *asterisk) set(channels ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.channels = channels
}

func (a *asterisk) count(action string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[action]
}

func channel(name, id, linked, bridge string) string {
	return "Event: CoreShowChannel\r\nChannel: " + name + "\r\nChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: 555000204\r\nPriority: 1\r\nUniqueid: " + id +
		"\r\nLinkedid: " + linked + "\r\nApplication: Dial\r\nDuration: 00:00:10\r\nBridgeId: " + bridge + "\r\n"
}

// books are open calls.
type books struct {
	mu    sync.Mutex
	calls []models.Call
	err   error
	bad   error        // why none can be read
	has   money.Amount // every user's balance
	read  int

	asked   chan struct{} // nil: they are told at once, else when this was closed and ctx has ended
	reading bool
}

func (b *books) OpenCalls(ctx context.Context, after int64, limit int) ([]billing.OpenCall, error) {
	b.mu.Lock()
	if b.asked != nil {
		b.reading = true
		close(b.asked)
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		b.reading = false
	}
	defer b.mu.Unlock()
	b.read++
	var page []billing.OpenCall
	for _, c := range b.calls {
		if c.ID > after && len(page) < limit {
			page = append(page, billing.OpenCall{Call: c, Err: b.bad})
		}
	}
	return page, b.err
}

func (b *books) Usernames(_ context.Context, ids []int64) (map[int64]string, error) {
	names := map[int64]string{}
	for _, id := range ids {
		names[id] = fmt.Sprint("user", id)
	}
	return names, nil
}

// Payers say that something else is held than what the calls say: they were read a moment later.
func (b *books) Payers(_ context.Context, ids []int64) (map[int64]models.User, map[int64][]models.Account, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	users, accounts := map[int64]models.User{}, map[int64][]models.Account{}
	for _, id := range ids {
		users[id] = models.User{ID: id, Currency: "EUR"}
		accounts[id] = []models.Account{{ID: id, UserID: id, Name: models.MainAccount, Currency: "EUR", Status: models.AccountActive, Balance: b.has, Held: money.Unit}}
	}
	return users, accounts, nil
}

func hold(id int64, callID string, authorized time.Time) models.Call {
	return models.Call{
		ID: id, CallID: callID, UserID: id, CallerID: "555000204", Number: "4930", State: models.CallOpen, Authorized: authorized, Limit: 3600,
		Rate: models.Rate{Currency: "EUR", PerMinute: money.Unit, First: 1, Increment: 1}, Holds: []models.HoldPart{{AccountID: id, Amount: 60 * money.Unit}},
	}
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// listening is a service that listens to an Asterisk.
func listening(t *testing.T, a *asterisk, b *books) (*livecalls.Service, *clock, *pbx.Client) {
	t.Helper()
	client, err := pbx.Open(pbx.AMI{Addr: "127.0.0.1:1", User: "u", Secret: "s"}, pbx.Options{Dial: a.dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &clock{t: time.Unix(1_800_000_000, 0)}
	s := livecalls.New(livecalls.Options{Asterisk: client, Store: b, Policy: billing.Policy{MaxCallSeconds: 3600}, Now: c.now})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	<-a.events
	for !client.Stats().Connected {
		time.Sleep(time.Millisecond)
	}
	return s, c, client
}

func now(t *testing.T, s *livecalls.Service) *livecalls.Picture {
	t.Helper()
	p, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAnswerIsHeard: a call that is answered while we listen costs from that moment on, to the second.
func TestAnswerIsHeard(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{}
	s, c, client := listening(t, a, b)
	a.tell("Event: DialEnd", "Privilege: call,all", "Uniqueid: 0.1", "DialStatus: BUSY") // from now on all is heard
	for client.Stats().Events < 1 {
		time.Sleep(time.Millisecond)
	}
	now(t, s)
	b.mu.Lock()
	b.calls = []models.Call{hold(1, "h/1.1", c.now().Add(time.Second))}
	b.mu.Unlock()
	a.set(channel("PJSIP/a-1", "1.1", "1.1", ""), channel("PJSIP/b-1", "1.2", "1.1", ""))
	c.move(2 * time.Second)
	if p := now(t, s); len(p.Calls) != 1 || p.Calls[0].Answered != nil || p.Calls[0].Cost != nil || p.Calls[0].Left != nil {
		t.Fatalf("before the answer: %+v", p.Calls)
	}
	now(t, s)
	if n := a.count("Getvar"); n != 1 { // both are up: it may be by something else than a dial
		t.Errorf("asked %d times for an answer that was not heard", n)
	}
	a.tell("Event: DialEnd", "Privilege: call,all", "Uniqueid: 1.1", "DestUniqueid: 1.2", "DialStatus: ANSWER")
	c.move(30 * time.Second)
	var p *livecalls.Picture
	for p = now(t, s); p.Calls[0].Answered == nil; p = now(t, s) {
		s.Forget()
	}
	if p.Calls[0].Callee == nil || p.Calls[0].Callee.UniqueID != "1.2" || !p.Calls[0].Exact || p.Calls[0].Username != "user1" {
		t.Errorf("%+v", p.Calls[0])
	}
	c.move(30 * time.Second)
	if p = now(t, s); *p.Calls[0].Cost < 500_000 || *p.Calls[0].Talked < 30 || *p.Calls[0].Left > 3570 {
		t.Errorf("talked %d, cost %s, left %d", *p.Calls[0].Talked, *p.Calls[0].Cost, *p.Calls[0].Left)
	}
	a.set() // the channels are gone, and the hold is not: at first it may be just over
	for range 5 {
		c.move(time.Second)
		if p = now(t, s); len(p.Stuck) != 0 || len(p.Calls) != 1 || p.Calls[0].Cost != nil {
			t.Errorf("stuck %+v, calls %+v", p.Stuck, p.Calls)
		}
	}
	c.move(time.Second)
	if p = now(t, s); len(p.Stuck) != 1 || len(p.Calls) != 0 || p.Stuck[0].Cost != nil {
		t.Errorf("stuck %+v, calls %+v", p.Stuck, p.Calls)
	}
}

// TestAnswerIsAskedFor: of calls that were up before we listened Asterisk is asked once; what it does not know stays unknown.
func TestAnswerIsAskedFor(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{}
	begun := time.Unix(1_800_000_000-100, 0)
	b.calls = []models.Call{hold(1, "h/1.1", begun), hold(2, "h/2.1", begun), hold(3, "h/3.1", begun), hold(4, "h/4.1", begun)}
	a.answered["PJSIP/a-1"] = "1799999990.500000"
	a.answered["PJSIP/a-3"] = "1799999000.000000" // long before: of an earlier call of the channel
	a.answered["PJSIP/a-4"] = "1799999990.000000" // the other end is not there: it may be an announcement
	a.set(channel("PJSIP/a-1", "1.1", "1.1", "B"), channel("PJSIP/b-1", "1.2", "1.1", "B"), channel("PJSIP/a-2", "2.1", "2.1", "C"), channel("PJSIP/b-2", "2.2", "2.1", "C"),
		channel("PJSIP/a-3", "3.1", "3.1", "D"), channel("PJSIP/b-3", "3.2", "3.1", "D"), channel("PJSIP/a-4", "4.1", "4.1", ""))
	s, c, _ := listening(t, a, b)
	for range 3 {
		p := now(t, s)
		if one := p.Calls[0]; one.Answered == nil || one.Exact || !one.Answered.Equal(time.Unix(1799999990, 500_000_000)) {
			t.Errorf("%+v", one)
		}
		for _, other := range p.Calls[1:] {
			if other.Answered != nil || other.Cost != nil {
				t.Errorf("of call %d nobody knows, and it says %v", other.ID, other.Answered)
			}
		}
		c.move(time.Second)
	}
	if n := a.count("Getvar"); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// TestShared: however many ask, Asterisk and the database are asked once a second; and never is a picture older.
func TestShared(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{calls: []models.Call{hold(1, "h/1.1", time.Unix(1_800_000_000-100, 0))}}
	a.set(channel("PJSIP/a-1", "1.1", "1.1", ""))
	s, c, _ := listening(t, a, b)
	for round := range 3 {
		var readers sync.WaitGroup
		for range 50 {
			readers.Go(func() {
				if p, err := s.Now(t.Context()); err != nil || !p.At.Equal(c.now()) || len(p.Channels) != 1 {
					t.Errorf("%+v, %v", p, err)
				}
			})
		}
		readers.Wait()
		if n := a.count("CoreShowChannels"); n != round+1 {
			t.Errorf("asked %d times in %d seconds", n, round+1)
		}
		c.move(time.Second)
	}
}

// TestAway: without Asterisk the holds are known, and nothing else is said of them.
func TestAway(t *testing.T) {
	t.Parallel()
	b := &books{calls: []models.Call{hold(1, "h/1.1", time.Unix(1_700_000_000, 0))}}
	check := func(s *livecalls.Service, why error) {
		t.Helper()
		p := now(t, s)
		if p.Asterisk || !errors.Is(p.Why, why) || len(p.Calls) != 1 || len(p.Stuck) != 0 || len(p.Channels) != 0 || p.Calls[0].Cost != nil {
			t.Errorf("%+v", p)
		}
	}
	check(livecalls.New(livecalls.Options{Store: b}), livecalls.ErrNone)
	a := newAsterisk()
	s, c, client := listening(t, a, b)
	now(t, s)
	c.move(time.Minute)
	if p := now(t, s); !p.Asterisk || len(p.Stuck) != 1 {
		t.Errorf("%+v", p)
	}
	client.Close()
	c.move(time.Second)
	check(s, pbx.ErrAway)
	b.err = models.ErrUnavailable
	c.move(time.Second)
	if _, err := s.Now(t.Context()); !errors.Is(err, models.ErrUnavailable) {
		t.Errorf("without the database: %v", err)
	}
}

// TestJustOver: a call that ends while the picture is made is in no list.
func TestJustOver(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{calls: []models.Call{hold(1, "h/1.1", time.Unix(1_700_000_000, 0))}}
	a.set(channel("PJSIP/a-1", "1.1", "1.1", ""))
	s, _, _ := listening(t, a, b)
	a.mu.Lock()
	a.listed = func() { // after Asterisk has answered it is settled
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls = nil
	}
	a.mu.Unlock()
	a.set()
	if p := now(t, s); len(p.Calls) != 0 || len(p.Stuck) != 0 {
		t.Errorf("%+v", p)
	}
}

// TestConnectionLost: answers that may have been lost with a connection are asked for, though no event came since.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{}
	s, c, client := listening(t, a, b)
	b.mu.Lock()
	b.calls = []models.Call{hold(1, "h/1.1", c.now().Add(time.Second))}
	b.mu.Unlock()
	a.set(channel("PJSIP/a-1", "1.1", "1.1", ""), channel("PJSIP/b-1", "1.2", "1.1", ""))
	c.move(10 * time.Second)
	if p := now(t, s); p.Calls[0].Answered != nil {
		t.Errorf("%+v", p.Calls[0])
	}
	a.mu.Lock()
	conn := a.conn
	a.answered["PJSIP/a-1"] = "1800000005.000000"
	a.mu.Unlock()
	conn.Close()
	for client.Stats().Connects < 2 {
		time.Sleep(time.Millisecond)
	}
	for {
		c.move(time.Second)
		if p := now(t, s); p.Asterisk && p.Calls[0].Answered != nil {
			return
		}
	}
}

// TestUnreadable: of a call that cannot be read nothing is worked out.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{bad: models.ErrInvalid}
	begun := time.Unix(1_800_000_000-100, 0)
	b.calls = []models.Call{hold(1, "h/1.1", begun)}
	a.answered["PJSIP/a-1"] = "1799999990.500000"
	a.set(channel("PJSIP/a-1", "1.1", "1.1", "B"), channel("PJSIP/b-1", "1.2", "1.1", "B"))
	s, _, _ := listening(t, a, b)
	if c := now(t, s).Calls[0]; !errors.Is(c.Unreadable, models.ErrInvalid) || c.Caller == nil || c.Answered != nil || c.Talked != nil || c.Cost != nil || c.Left != nil {
		t.Errorf("%+v", c)
	}
}

// TestRunEnds: when Run has ended nobody asks the database any more.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	b := &books{asked: make(chan struct{})}
	s := livecalls.New(livecalls.Options{Store: b})
	ctx, stop := context.WithCancel(t.Context())
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		s.Run(ctx)
	}()
	go func() {
		defer close(done)
		if _, err := s.Now(t.Context()); !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}()
	<-b.asked
	stop()
	<-over
	b.mu.Lock()
	if b.reading {
		t.Error("the database is still asked")
	}
	b.mu.Unlock()
	<-done
	if _, err := s.Now(t.Context()); !errors.Is(err, models.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// TestPages: all open calls are read, however many.
func TestPages(t *testing.T) {
	t.Parallel()
	b := &books{}
	for i := range int64(2500) {
		b.calls = append(b.calls, hold(i+1, fmt.Sprintf("h/%d.1", i), time.Unix(1_700_000_000, 0)))
	}
	s := livecalls.New(livecalls.Options{Store: b})
	if p := now(t, s); len(p.Calls) != 2500 || p.Calls[2499].ID != 2500 || b.read != 3 {
		t.Errorf("%d calls by %d pages", len(p.Calls), b.read)
	}
}

// TestFlood: a flood of events keeps nobody from asking, nor is an answer in it lost.
func TestFlood(t *testing.T) {
	t.Parallel()
	a, b := newAsterisk(), &books{}
	s, c, client := listening(t, a, b)
	begun := c.now()
	const calls = 300
	var channels []string
	for i := range int64(calls) {
		id := fmt.Sprintf("%d.1", i)
		b.calls = append(b.calls, hold(i+1, "h/"+id, begun))
		channels = append(channels, channel(fmt.Sprintf("PJSIP/a-%d", i), id, id, ""), channel(fmt.Sprintf("PJSIP/b-%d", i), fmt.Sprintf("%d.2", i), id, ""))
	}
	a.set(channels...)
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for i := range calls {
			for range 10 {
				a.tell("Event: Newstate", "Privilege: call,all", fmt.Sprintf("Uniqueid: %d.1", i))
			}
			a.tell("Event: DialEnd", "Privilege: call,all", fmt.Sprintf("Uniqueid: %d.1", i), fmt.Sprintf("DestUniqueid: %d.2", i), "DialStatus: ANSWER")
		}
	})
	for range 20 {
		c.move(time.Second)
		now(t, s)
	}
	flooding.Wait()
	if n := client.Stats().Dropped; n != 0 {
		t.Fatalf("%d events were dropped", n)
	}
	answered := 0
	for answered < calls {
		s.Forget()
		answered = 0
		for _, call := range now(t, s).Calls {
			if call.Answered != nil {
				answered++
			}
		}
	}
}
