package pbx

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DeviceState is what Asterisk knows of a member's telephone.
type DeviceState int

// The device states, by Asterisk's numbers.
const (
	DeviceUnknown DeviceState = iota
	DeviceNotInUse
	DeviceInUse
	DeviceBusy
	DeviceInvalid
	DeviceUnavailable
	DeviceRinging
	DeviceRingInUse
	DeviceOnHold
)

// QueueState is a queue now. The figures from HoldTime to ServiceLevelPerf2 are Asterisk's own, since it was started.
type QueueState struct {
	Name              string
	Strategy          string
	Max               int // callers at most; 0: any number
	Calls             int // callers waiting
	HoldTime          time.Duration
	TalkTime          time.Duration
	Completed         int
	Abandoned         int
	ServiceLevel      time.Duration
	ServiceLevelPerf  string // percent, as Asterisk writes it
	ServiceLevelPerf2 string
	Weight            int
	Members           []QueueMember
	Entries           []QueueEntry // in the order in which Asterisk gives them, which is that of Position
}

// QueueMember is who answers calls of a queue.
type QueueMember struct {
	Name           string
	Interface      string // "Location" to Asterisk, such as PJSIP/204 or Local/204@agents/n
	StateInterface string // the device whose state counts
	Membership     string // static, dynamic or realtime
	Penalty        int
	CallsTaken     int
	LastCall       time.Time // the end of the last call; zero: none yet
	LastPause      time.Time // the begin of the last pause; zero: none yet
	LoginTime      time.Time
	InCall         bool // in a call of this queue
	Status         DeviceState
	Paused         bool
	PausedReason   string
	WrapUp         time.Duration
}

// QueueEntry is a caller who waits.
type QueueEntry struct {
	Position          int // from 1
	Channel           string
	UniqueID          string
	CallerIDNum       string // "" when unknown, as all of these
	CallerIDName      string
	ConnectedLineNum  string
	ConnectedLineName string
	Wait              time.Duration
	Priority          int
}

// Channel is a channel that exists now.
type Channel struct {
	Name              string // such as PJSIP/204-000000bf
	State             int    // by Asterisk's numbers: 4 Ring, 5 Ringing, 6 Up
	StateDesc         string
	CallerIDNum       string // "" when unknown, as all of these
	CallerIDName      string
	ConnectedLineNum  string
	ConnectedLineName string
	AccountCode       string
	Context           string
	Exten             string
	Priority          int
	UniqueID          string
	LinkedID          string
	Application       string
	ApplicationData   string
	Duration          time.Duration
	BridgeID          string // "" when it is in no bridge
}

// asker is a Client or a session.
type asker interface {
	ask(ctx context.Context, action string) (list *call, stats *counters, err error)
}

func (c *Client) ask(ctx context.Context, action string) (*call, *counters, error) {
	list, err := c.request(ctx, Action{Name: action}, true)
	return list, &c.stats, err
}

func (s *session) ask(ctx context.Context, action string) (*call, *counters, error) {
	list, err := s.do(ctx, Action{Name: action}, true)
	return list, s.stats, err
}

// items asks for a list of whose items not one may be missing.
func items(ctx context.Context, from asker, action string) ([]Message, *counters, error) {
	list, stats, err := from.ask(ctx, action)
	if err != nil {
		return nil, nil, err
	}
	events, err := list.whole(stats)
	return events, stats, err
}

// whole returns the events of a list, unless there are fewer than its end names.
func (c *call) whole(stats *counters) ([]Message, error) {
	said, err := strconv.Atoi(c.end.Get("ListItems"))
	if err == nil && len(c.events) < said {
		stats.add(&stats.s.Short)
		return nil, fmt.Errorf("%s: the list has %d items, its end names %d", c.action, len(c.events), said)
	}
	return c.events, nil
}

// QueueStatus returns all queues with their members and waiting callers, in Asterisk's order. Any user may
// ask. Errors are those of List.
func (c *Client) QueueStatus(ctx context.Context) ([]QueueState, error) { return queueStates(ctx, c) }

func queueStates(ctx context.Context, from asker) ([]QueueState, error) {
	events, stats, err := items(ctx, from, "QueueStatus")
	if err != nil {
		return nil, err
	}
	var queues []QueueState
	index := make(map[string]int)
	for _, m := range events {
		f := fields{m, stats}
		name := m.Get("Queue")
		i, ok := index[name]
		if !ok {
			i = len(queues)
			index[name] = i
			queues = append(queues, QueueState{Name: name})
		}
		q := &queues[i]
		switch m.Get("Event") {
		case "QueueParams":
			f.params(q)
		case "QueueMember":
			q.Members = append(q.Members, f.member())
		case "QueueEntry":
			q.Entries = append(q.Entries, f.entry())
		}
	}
	return queues, nil
}

// CoreShowChannels returns all channels that exist now. It needs the right to write "reporting" or "system". Errors are
// those of List.
func (c *Client) CoreShowChannels(ctx context.Context) ([]Channel, error) {
	return coreShowChannels(ctx, c)
}

func coreShowChannels(ctx context.Context, from asker) ([]Channel, error) {
	events, stats, err := items(ctx, from, "CoreShowChannels")
	if err != nil {
		return nil, err
	}
	channels := make([]Channel, 0, len(events))
	for _, m := range events {
		if m.Get("Event") == "CoreShowChannel" {
			channels = append(channels, fields{m, stats}.channel())
		}
	}
	return channels, nil
}

// fields reads values of a message. What is no number counts as 0 and as malformed: one odd field must not hide all queues.
type fields struct {
	m     Message
	stats *counters
}

func (f fields) number(key string) int {
	value := f.m.Get(key)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		f.stats.add(&f.stats.s.Malformed)
		return 0
	}
	return n
}

// seconds are never negative, nor more than a hundred years.
func (f fields) seconds(key string) time.Duration {
	const most = 100 * 365 * 24 * 60 * 60
	return time.Duration(min(max(f.number(key), 0), most)) * time.Second
}

func (f fields) moment(key string) time.Time {
	n := f.number(key)
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

func (f fields) caller(key string) string {
	value := f.m.Get(key)
	if value == "<unknown>" || value == "unknown" {
		return ""
	}
	return value
}

// clock reads hours, minutes and seconds.
func (f fields) clock(key string) time.Duration {
	parts := strings.Split(f.m.Get(key), ":")
	var total time.Duration
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(parts) != 3 {
			f.stats.add(&f.stats.s.Malformed)
			return 0
		}
		total = total*60 + time.Duration(n)*time.Second
	}
	return total
}

func (f fields) params(q *QueueState) {
	q.Strategy, q.Max, q.Calls = f.m.Get("Strategy"), f.number("Max"), f.number("Calls")
	q.HoldTime, q.TalkTime = f.seconds("Holdtime"), f.seconds("TalkTime")
	q.Completed, q.Abandoned = f.number("Completed"), f.number("Abandoned")
	q.ServiceLevel = f.seconds("ServiceLevel")
	q.ServiceLevelPerf, q.ServiceLevelPerf2 = f.m.Get("ServicelevelPerf"), f.m.Get("ServicelevelPerf2")
	q.Weight = f.number("Weight")
}

func (f fields) member() QueueMember {
	return QueueMember{
		Name: f.m.Get("Name"), Interface: f.m.Get("Location"), StateInterface: f.m.Get("StateInterface"), Membership: f.m.Get("Membership"),
		Penalty: f.number("Penalty"), CallsTaken: f.number("CallsTaken"),
		LastCall: f.moment("LastCall"), LastPause: f.moment("LastPause"), LoginTime: f.moment("LoginTime"),
		InCall: f.number("InCall") != 0, Status: DeviceState(f.number("Status")),
		Paused: f.number("Paused") != 0, PausedReason: f.m.Get("PausedReason"), WrapUp: f.seconds("Wrapuptime"),
	}
}

func (f fields) entry() QueueEntry {
	return QueueEntry{
		Position: f.number("Position"), Channel: f.m.Get("Channel"), UniqueID: f.m.Get("Uniqueid"),
		CallerIDNum: f.caller("CallerIDNum"), CallerIDName: f.caller("CallerIDName"),
		ConnectedLineNum: f.caller("ConnectedLineNum"), ConnectedLineName: f.caller("ConnectedLineName"),
		Wait: f.seconds("Wait"), Priority: f.number("Priority"),
	}
}

func (f fields) channel() Channel {
	return Channel{
		Name: f.m.Get("Channel"), State: f.number("ChannelState"), StateDesc: f.m.Get("ChannelStateDesc"),
		CallerIDNum: f.caller("CallerIDNum"), CallerIDName: f.caller("CallerIDName"),
		ConnectedLineNum: f.caller("ConnectedLineNum"), ConnectedLineName: f.caller("ConnectedLineName"),
		AccountCode: f.m.Get("AccountCode"), Context: f.m.Get("Context"), Exten: f.m.Get("Exten"), Priority: f.number("Priority"),
		UniqueID: f.m.Get("Uniqueid"), LinkedID: f.m.Get("Linkedid"),
		Application: f.m.Get("Application"), ApplicationData: f.m.Get("ApplicationData"),
		Duration: f.clock("Duration"), BridgeID: f.m.Get("BridgeId"),
	}
}
