package midcall_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	user   = "talktime"
	secret = "geheim-9341"
)

// channel is one leg of a simulated call.
type channel struct {
	id, number string
	partner    *channel // in one bridge with it
	dials      *channel // that is rung
	limit      time.Duration
	up         bool
	since      time.Time     // of the bridge
	spoke      time.Duration // in bridges before
	timer      *time.Timer
	answered   string // TALKTIME_ANSWERED
	help       string // TALKTIME_EMERGENCY
}

func (c *channel) name() string { return "PJSIP/" + c.id }

// order is one that an Asterisk was given.
type order struct {
	at                time.Time
	action, channel   string
	timeout, variable string
	cause             string
}

// asterisk is a telephone system with two timers for each call, which speaks the manager interface over pipes.
type asterisk struct {
	mu       sync.Mutex
	channels map[string]*channel
	links    []*link
	away     bool
	mute     bool          // events are lost
	idle     bool          // nobody else's channel begins
	ahead    time.Duration // of its clock
	orders   []order
	ended    func(caller string, talked time.Duration) // a talk of a caller's channel is over, and the channel too
	// fault may answer an action otherwise, or late; handled is false where it does not.
	fault func(l *link, o order, id string) (handled bool)
	// trial is the same for orders to a channel that there never is, by which it is seen what may be ordered. They are not among the orders.
	trial func(l *link, o order, id string) (handled bool)
	tried int
}

func newAsterisk() *asterisk { return &asterisk{channels: map[string]*channel{}} }

// link is one connection.
type link struct {
	asterisk *asterisk
	conn     net.Conn
	mu       sync.Mutex
	out      []string
	wake     chan struct{}
	closed   chan struct{}
	once     sync.Once
}

func (l *link) end() {
	l.once.Do(func() {
		close(l.closed)
		l.conn.Close()
	})
}

func (l *link) say(lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, strings.Join(lines, "\r\n")+"\r\n\r\n")
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) write() {
	for {
		select {
		case <-l.wake:
		case <-l.closed:
			return
		}
		l.mu.Lock()
		text := strings.Join(l.out, "")
		l.out = nil
		l.mu.Unlock()
		if _, err := io.WriteString(l.conn, text); err != nil {
			l.end()
			return
		}
	}
}

func (a *asterisk) dial(context.Context) (net.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return nil, errors.New("refused")
	}
	near, far := net.Pipe()
	l := &link{asterisk: a, conn: far, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	a.links = append(a.links, l)
	go l.write()
	go l.read()
	return near, nil
}

// leave breaks all connections; nobody can come back until back.
func (a *asterisk) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = true
	for _, l := range a.links {
		l.end()
	}
	a.links = nil
}

func (a *asterisk) back() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = false
}

func (l *link) read() {
	defer l.end()
	if _, err := io.WriteString(l.conn, "Asterisk Call Manager/11.0.0\r\n"); err != nil {
		return
	}
	in := bufio.NewReader(l.conn)
	for {
		fields := map[string]string{}
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
			fields[key] = value
		}
		l.asterisk.answerTo(l, fields)
	}
}

func (l *link) ok(id string, lines ...string) {
	l.say(append([]string{"Response: Success", "ActionID: " + id}, lines...)...)
}

func (l *link) no(id, why string) { l.say("Response: Error", "ActionID: "+id, "Message: "+why) }

func (a *asterisk) answerTo(l *link, f map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := order{
		at: time.Now(), action: f["Action"], channel: strings.TrimPrefix(f["Channel"], "PJSIP/"), timeout: f["Timeout"], cause: f["Cause"],
		variable: f["Variable"],
	}
	if o.channel == "talktime/nobody" {
		a.tried++
		if a.trial == nil || !a.trial(l, o, f["ActionID"]) {
			a.carryOut(l, o, f)
		}
		return
	}
	a.orders = append(a.orders, o)
	if a.fault == nil || !a.fault(l, o, f["ActionID"]) {
		a.carryOut(l, o, f)
	}
}

// carryOut does what an action says. It is called with the lock held.
func (a *asterisk) carryOut(l *link, o order, f map[string]string) {
	id, c := f["ActionID"], a.channels[o.channel]
	switch o.action {
	case "Challenge":
		l.ok(id, "Challenge: 840415273")
	case "Login":
		if sum := md5.Sum([]byte("840415273" + secret)); f["Key"] != hex.EncodeToString(sum[:]) {
			l.no(id, "Authentication failed")
			return
		}
		l.ok(id)
		a.another(l)
	case "Events":
		l.ok(id)
		a.another(l)
	case "Ping":
		l.ok(id)
	case "Originate":
		l.ok(id)
	case "CoreShowChannels":
		l.ok(id, "EventList: start")
		for _, c := range a.channels {
			bridge := ""
			if c.partner != nil {
				bridge = min(c.id, c.partner.id)
			}
			l.say("Event: CoreShowChannel", "ActionID: "+id, "Channel: "+c.name(), "Uniqueid: "+c.id, "CallerIDNum: "+c.number, "BridgeId: "+bridge, "ChannelState: 6")
		}
		l.say("Event: CoreShowChannelsComplete", "ActionID: "+id, "EventList: Complete", "ListItems: "+strconv.Itoa(len(a.channels)))
	case "Getvar", "AbsoluteTimeout", "Hangup":
		if c == nil {
			l.no(id, "No such channel")
			return
		}
		a.onChannel(l, o, c, id)
	default:
		l.no(id, "Invalid/unknown command")
	}
}

// another tells of a channel that has nothing to do with us, as there always are.
func (a *asterisk) another(l *link) {
	if !a.mute && !a.idle {
		l.say("Event: Newchannel", "Privilege: call,all", "Uniqueid: 0.1")
	}
}

func (a *asterisk) onChannel(l *link, o order, c *channel, id string) {
	switch o.action {
	case "Getvar":
		l.ok(id, "Value: "+map[string]string{
			"UNIQUEID": c.id, "TALKTIME_ANSWERED": c.answered, "TALKTIME_EMERGENCY": c.help, "STRFTIME(,,%s.%3q)": a.clock(),
		}[o.variable])
	case "AbsoluteTimeout":
		rest, err := strconv.ParseFloat(o.timeout, 64)
		if err != nil || rest <= 0 {
			l.no(id, "No timeout specified")
			return
		}
		a.limit(c, time.Duration(rest*float64(time.Second)))
		l.ok(id)
	case "Hangup":
		l.ok(id)
		a.gone(c)
	}
}

// event tells all who are connected. It is called with the lock held.
func (a *asterisk) event(lines ...string) {
	if a.mute {
		return
	}
	for _, l := range a.links {
		l.say(append([]string{lines[0], "Privilege: call,all"}, lines[1:]...)...)
	}
}

// limit sets the timer of a channel.
func (a *asterisk) limit(c *channel, d time.Duration) {
	if c.timer != nil {
		c.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if c.timer == timer {
			a.gone(c)
		}
	})
	c.timer = timer
}

// ring lets a channel dial, as the call script does: L of the dial, and ring time, slice and a second for the caller. A channel that is there
// dials again.
func (a *asterisk) ring(id, number string, slice time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.channels[id]
	if c == nil {
		c = &channel{id: id, number: number}
		a.channels[id] = c
	}
	c.limit = slice
	a.limit(c, slice+41*time.Second)
	c.dials = &channel{id: fmt.Sprint(id, "9", time.Now().UnixMilli()%1e6)}
	a.channels[c.dials.id] = c.dials
}

// appear makes a channel of which only its id is known yet.
func (a *asterisk) appear(id, number string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.channels[id] == nil {
		a.channels[id] = &channel{id: id, number: number}
		a.event("Event: Newchannel", "Channel: PJSIP/"+id, "Uniqueid: "+id, "CallerIDNum: "+number)
	}
}

// answer lets the callee answer.
func (a *asterisk) answer(id string) (callee string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.channels[id]
	if c == nil || c.dials == nil || c.partner != nil {
		return ""
	}
	d := c.dials
	c.dials = nil
	a.join(c, d)
	if c.limit > 0 {
		a.limit(d, c.limit)
	}
	return d.id
}

// clock is its time, as STRFTIME writes it.
func (a *asterisk) clock() string {
	now := time.Now().Add(a.ahead)
	return fmt.Sprintf("%d.%03d", now.Unix(), now.Nanosecond()/1e6)
}

// join connects a channel to one that answers. It is called with the lock held.
func (a *asterisk) join(c, d *channel) {
	c.partner, d.partner = d, c
	c.answered = a.clock()
	c.up, c.since, d.since = true, time.Now(), time.Now()
	a.event("Event: DialEnd", "Channel: "+c.name(), "Uniqueid: "+c.id, "DestChannel: "+d.name(), "DestUniqueid: "+d.id, "DialStatus: ANSWER")
}

// part ends the talk of two channels, of which both go on. It is called with the lock held.
func (c *channel) part() (other *channel) {
	other = c.partner
	for _, one := range []*channel{c, other} {
		if one != nil && one.partner != nil {
			one.spoke += time.Since(one.since)
			one.partner = nil
		}
	}
	return other
}

// sendOn is what happens when the callee sends the caller on, or he is redirected: to another phone, which answers at once and without limit.
func (a *asterisk) sendOn(id string) (callee string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.channels[id]
	if c == nil || c.partner == nil {
		return ""
	}
	old := c.part()
	a.gone(old)
	d := &channel{id: old.id + "7"}
	a.channels[d.id] = d
	a.join(c, d)
	return d.id
}

// desert is what happens when the caller sends his callee on: the caller's channel ends alone.
func (a *asterisk) desert(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.channels[id]; c != nil && c.partner != nil {
		c.part()
		a.gone(c)
	}
}

// hangup lets a phone be put down.
func (a *asterisk) hangup(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.channels[id]; c != nil {
		a.gone(c)
	}
}

// gone ends a channel, and with it what it talks with or rings. It is called with the lock held.
func (a *asterisk) gone(c *channel) {
	if a.channels[c.id] != c {
		return
	}
	delete(a.channels, c.id)
	if c.timer != nil {
		c.timer.Stop()
	}
	a.event("Event: Hangup", "Channel: "+c.name(), "Uniqueid: "+c.id, "Cause: 16")
	for _, other := range []*channel{c.part(), c.dials} {
		if other != nil {
			a.gone(other)
		}
	}
	if c.number != "" && a.ended != nil {
		talked := time.Duration(-1)
		if c.up {
			talked = c.spoke
		}
		a.ended(c.id, talked)
	}
}

func (a *asterisk) exists(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.channels[id] != nil
}

// given are the orders of a kind to a channel; "" for all of them.
func (a *asterisk) given(action, channel string) (orders []order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.orders {
		if o.action == action && (channel == "" || o.channel == channel) {
			orders = append(orders, o)
		}
	}
	return orders
}

// count is how many orders of a kind were given. It is called with the lock held.
func (a *asterisk) count(action string) (n int) {
	for _, o := range a.orders {
		if o.action == action {
			n++
		}
	}
	return n
}

// breaks sets what goes wrong with actions.
func (a *asterisk) breaks(fault func(l *link, o order, id string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = fault
}

// tell sends an event that was not caused by anything.
func (a *asterisk) tell(lines ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.event(lines...)
}

func (a *asterisk) setMute(mute bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mute = mute
}
