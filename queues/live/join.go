package live

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"talktime/pbx"
	"talktime/queues"
)

// join makes queues of what Asterisk and the log say.
func join(s pbx.Snapshot, names shownNames, today map[string]map[string]queues.Facts) []Queue {
	of := make(map[string]*Queue)
	queue := func(key string) *Queue {
		q := of[key]
		if q == nil {
			q = &Queue{Key: key, Shown: names.queue(key)}
			of[key] = q
		}
		return q
	}
	for key := range names.queues {
		queue(key)
	}
	for key, agents := range today {
		if key == "" || key == queues.None {
			continue
		}
		q := queue(key)
		q.byAgent = agents
		for _, facts := range agents {
			q.Today.Merge(&facts)
		}
	}
	calls := newCalls(s)
	for i := range s.Queues {
		state := &s.Queues[i]
		if state.Name == "" || state.Name == queues.None {
			continue
		}
		q := queue(state.Name)
		q.Known = true
		for _, e := range state.Entries {
			q.Waiting = append(q.Waiting, Caller{Position: e.Position, Number: e.CallerIDNum, Name: e.CallerIDName, Wait: whole(e.Wait), ID: e.UniqueID})
		}
		slices.SortStableFunc(q.Waiting, func(a, b Caller) int { return cmp.Compare(a.Position, b.Position) })
		for _, m := range state.Members {
			q.Agents = append(q.Agents, calls.agent(s.At, m, names))
		}
		slices.SortStableFunc(q.Agents, func(a, b Agent) int {
			return cmp.Or(strings.Compare(a.Shown, b.Shown), strings.Compare(a.Location, b.Location))
		})
	}
	all := make([]Queue, 0, len(of))
	for _, key := range slices.Sorted(maps.Keys(of)) {
		all = append(all, *of[key])
	}
	return all
}

func whole(d time.Duration) int64 { return int64(d / time.Second) }

// since is the seconds from a moment of Asterisk's clock, which may be ahead of ours.
func since(now, then time.Time) int64 { return max(whole(now.Sub(then)), 0) }

// calls finds the channels of members, and the queues that their calls come from.
type calls struct {
	of       map[string][]*pbx.Channel // by device, see deviceOf
	inCall   map[string]string         // by device: the queue that has the member in a call, as it says itself
	byBridge map[string]*pbx.Channel   // channels that run Queue(), whose callers are with an agent or wait
	byLinked map[string]*pbx.Channel
}

func newCalls(s pbx.Snapshot) *calls {
	c := &calls{make(map[string][]*pbx.Channel), make(map[string]string), make(map[string]*pbx.Channel), make(map[string]*pbx.Channel)}
	for i := range s.Channels {
		channel := &s.Channels[i]
		if dash := strings.LastIndexByte(channel.Name, '-'); dash > 0 {
			device := deviceOf(channel.Name[:dash])
			c.of[device] = append(c.of[device], channel)
		}
		if queueOf(channel) == "" {
			continue
		}
		first(c.byBridge, channel.BridgeID, channel)
		first(c.byLinked, channel.LinkedID, channel)
	}
	for _, q := range s.Queues {
		for _, m := range q.Members {
			if m.InCall {
				c.inCall[deviceOf(m.Interface)] = q.Name
			}
		}
	}
	return c
}

func first(of map[string]*pbx.Channel, key string, channel *pbx.Channel) {
	if key != "" && of[key] == nil {
		of[key] = channel
	}
}

// queueOf is the queue whose application a channel runs: it is that of a caller. Empty: it runs another.
func queueOf(c *pbx.Channel) string {
	if !strings.EqualFold(c.Application, "Queue") {
		return ""
	}
	name, _, _ := strings.Cut(c.ApplicationData, ",")
	return strings.TrimSpace(name)
}

// deviceOf is what the channels of an interface have before their last hyphen: PJSIP/204 of PJSIP/204/sip:204@192.0.2.1, Local/204@agents of
// Local/204@agents/n. Letters count in any case.
func deviceOf(location string) string {
	device := strings.ToLower(location)
	technology, resource, _ := strings.Cut(device, "/")
	switch technology {
	case "pjsip", "local", "sip", "iax2":
		resource, _, _ = strings.Cut(resource, "/")
		return technology + "/" + resource
	}
	return device
}

// agent is a member of a queue now.
func (c *calls) agent(now time.Time, m pbx.QueueMember, names shownNames) Agent {
	a := Agent{
		Key: queues.AgentKey(cmp.Or(m.Name, m.Interface)), Location: m.Interface, Penalty: m.Penalty, Paused: m.Paused, LastCall: NoCall,
		Status: Unknown,
	}
	a.Shown = names.agent(a.Key)
	if m.Paused {
		a.Reason = m.PausedReason
		if !m.LastPause.IsZero() {
			a.PausedFor = since(now, m.LastPause)
		}
	}
	if !m.LastCall.IsZero() {
		a.LastCall = since(now, m.LastCall)
	}
	switch m.Status {
	case pbx.DeviceNotInUse:
		a.Status, a.LoggedIn = NotInUse, true
	case pbx.DeviceInUse, pbx.DeviceBusy, pbx.DeviceRingInUse, pbx.DeviceOnHold:
		a.Status, a.LoggedIn, a.InCall = Busy, true, true
	case pbx.DeviceRinging:
		a.Status, a.LoggedIn = Ringing, true
	case pbx.DeviceInvalid, pbx.DeviceUnavailable:
		a.Status = Unavailable
	case pbx.DeviceUnknown:
	}
	if a.InCall || a.Status == Ringing {
		c.call(&a, m)
	}
	return a
}

// call adds what is known of the call that a member is in, or that rings.
func (c *calls) call(a *Agent, m pbx.QueueMember) {
	var best, from *pbx.Channel
	most := 0
	devices := []string{deviceOf(m.Interface), deviceOf(m.StateInterface)}
	for _, device := range slices.Compact(devices) {
		for _, channel := range c.of[device] {
			caller := c.caller(channel)
			if worth := worth(a, channel, caller); worth > most {
				best, from, most = channel, caller, worth
			}
		}
	}
	if a.InCall {
		a.From = c.inCall[devices[0]]
	}
	if best == nil {
		return
	}
	if from != nil {
		a.From = queueOf(from)
	}
	if a.InCall && a.From == "" && !fromQueue(best) {
		a.Status = DialOut
	}
	a.Caller, a.Duration = other(best, from), whole(best.Duration)
}

// worth says which of a member's channels is that of the call that he is in, or that rings: the highest.
func worth(a *Agent, channel, caller *pbx.Channel) int {
	const ringing, up = 5, 6 // states of channels
	state, worth := ringing, 1
	if a.InCall {
		state = up
	}
	if channel.State == state {
		worth += 8
	}
	if caller != nil {
		worth += 4
	}
	if fromQueue(channel) {
		worth += 2
	}
	return worth
}

// fromQueue reports whether the queue itself called the channel.
func fromQueue(c *pbx.Channel) bool { return strings.EqualFold(c.Application, "AppQueue") }

// caller is the channel of the caller whom a queue has connected to a member's channel, or is about to; nil: there is none, as for a member
// who has called a queue himself.
func (c *calls) caller(member *pbx.Channel) *pbx.Channel {
	if queueOf(member) != "" {
		return nil
	}
	if caller := c.byBridge[member.BridgeID]; caller != nil {
		return caller
	}
	return c.byLinked[member.LinkedID]
}

// other is the number at the other end of a member's channel.
func other(channel, caller *pbx.Channel) string {
	number := channel.ConnectedLineNum
	if number == "" && caller != nil {
		number = caller.CallerIDNum
	}
	if number == "" && channel.Exten != "s" && !strings.HasPrefix(channel.Application, "App") { // it is he who dials
		number = channel.Exten
	}
	return number
}
