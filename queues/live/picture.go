package live

import (
	"slices"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
)

// Picture is how all queues are at one moment. Readers share it: it must not be changed.
type Picture struct {
	At    time.Time // of what it shows: when Asterisk was asked, or, without it, when it could not be
	Day   time.Time // local midnight, since when today is counted
	Live  bool      // Asterisk has said how things are; else nobody waits and there are no agents in here
	Since time.Time // unless Live: when Asterisk last said it; zero: not since this program was started
	Why   string    // unless Live: why it does not, for people

	Queues []Queue // all that Asterisk or the log knows, by Key
}

// Queue is a queue now, and today.
type Queue struct {
	Key, Shown string
	Known      bool     // to Asterisk, now; else the log alone knows it
	Waiting    []Caller // in their order
	Agents     []Agent  // its members, by Shown
	Today      queues.Facts

	byAgent map[string]queues.Facts // Today by AgentKey
}

// Caller is somebody who waits in a queue.
type Caller struct {
	Position     int // from 1
	Number, Name string
	Wait         int64  // seconds
	ID           string // unique id of the call
}

// Status is what an agent does now.
type Status string

// What an agent can do.
const (
	NotInUse    Status = "not in use"
	Busy        Status = "busy"
	Ringing     Status = "ringing"
	DialOut     Status = "dialout" // in a call that does not come from a queue
	Unavailable Status = "unavailable"
	Unknown     Status = "unknown"
)

// Agent is a member of a queue. Durations are seconds.
type Agent struct {
	Key, Shown string
	Location   string // interface that the queue calls, such as PJSIP/204
	Status     Status
	LoggedIn   bool // his telephone can be reached
	InCall     bool // his telephone is in use: busy or dialout
	Penalty    int
	Paused     bool
	Reason     string // of the pause
	PausedFor  int64  // 0 too when Asterisk does not know since when
	LastCall   int64  // since his last call of this queue ended; NoCall: he had none yet

	// Of the call that he is in, or that rings. Empty where nothing is known of it.
	From     string // the queue that it comes from
	Caller   string // number of the other party
	Duration int64  // since his telephone began to ring or to dial
}

// NoCall is that an agent had no call yet.
const NoCall int64 = -1

// Counts are the figures of a queue now.
type Counts struct {
	Waiting     int
	LongestWait int64 // of those who wait, seconds
	Agents      int   // members whose telephones can be reached
	LoggedOff   int   // the other members
	Penalised   int   // of Agents: with a penalty above 0
	Busy        int   // of Agents: in a call
	Paused      int   // of Agents
}

// Counts counts who waits and who is there.
func (q *Queue) Counts() Counts {
	c := Counts{Waiting: len(q.Waiting)}
	for _, w := range q.Waiting {
		c.LongestWait = max(c.LongestWait, w.Wait)
	}
	for i := range q.Agents {
		a := &q.Agents[i]
		if !a.LoggedIn {
			c.LoggedOff++
			continue
		}
		c.Agents++
		for _, one := range []struct {
			is bool
			n  *int
		}{{a.Penalty > 0, &c.Penalised}, {a.InCall, &c.Busy}, {a.Paused, &c.Paused}} {
			if one.is {
				*one.n++
			}
		}
	}
	return c
}

// Only is the part of the picture that somebody may see, of some queues; nil: of all. It shares what it can with the whole. Whoever may
// see some agents only is shown what they did; callers who wait are nobody's yet, and he is shown them when queues.None is among his agents.
func (p *Picture) Only(who reports.Scope, keys []string) *Picture {
	if who.All && keys == nil {
		return p
	}
	part := *p
	part.Queues = nil
	sees := seen(who)
	for i := range p.Queues {
		q := &p.Queues[i]
		if !sees.queue(q.Key) || keys != nil && !slices.Contains(keys, q.Key) {
			continue
		}
		some := sees.part(q)
		if sees.queues == nil && sees.agents != nil && len(some.Agents)+len(some.Waiting) == 0 && some.Today == (queues.Facts{}) {
			continue
		}
		part.Queues = append(part.Queues, some)
	}
	return &part
}

// sight is what somebody may see; nil: all.
type sight struct{ queues, agents map[string]bool }

func seen(who reports.Scope) sight {
	if who.All {
		return sight{}
	}
	nothing := len(who.Queues)+len(who.Agents) == 0
	set := func(names []string, key func(string) string) map[string]bool {
		if len(names) == 0 && !nothing {
			return nil
		}
		of := make(map[string]bool, len(names))
		for _, n := range names {
			of[key(n)] = true
		}
		return of
	}
	return sight{set(who.Queues, func(queue string) string { return queue }), set(who.Agents, queues.AgentKey)}
}

func (s sight) queue(key string) bool { return s.queues == nil || s.queues[key] }

func (s sight) agent(key string) bool { return s.agents == nil || s.agents[key] }

// part is what may be seen of a queue. Of a call from another queue, which may not be, it says nothing but that the agent is busy.
func (s sight) part(q *Queue) Queue {
	part := *q
	if s.agents != nil {
		part.Today = queues.Facts{}
		for agent, facts := range q.byAgent {
			if s.agents[agent] {
				part.Today.Merge(&facts)
			}
		}
	}
	if !s.agent(queues.None) {
		part.Waiting = nil
	}
	if s.queues == nil && s.agents == nil {
		return part
	}
	part.Agents = nil
	for _, a := range q.Agents {
		if !s.agent(a.Key) {
			continue
		}
		if a.From != "" && !s.queue(a.From) {
			a.From, a.Caller = "", ""
		}
		part.Agents = append(part.Agents, a)
	}
	return part
}
