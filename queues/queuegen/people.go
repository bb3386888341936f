package queuegen

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// queue is one, with who works for it.
type queue struct {
	name    string
	weight  float64 // of calls
	timeout int64   // seconds until a caller has to leave
	ring    int64   // seconds a telephone rings
	did     string
	agents  []*agent
	next    int      // of the agents: whose turn it is
	inside  []waiter // who may be in the queue
}

// waiter is somebody who was in the queue for a time.
type waiter struct{ entered, left int64 }

// agent is somebody who answers.
type agent struct {
	name    string
	channel string // name of his channel where the log has that; empty
	queues  []*queue
	start   int   // hour at which his shift begins
	phone   bool  // AGENTLOGIN
	all     bool  // PAUSEALL
	free    int64 // from when on he is on no call
	ready   []stretch
}

// stretch is seconds, half open, in which an agent is logged in and in no pause.
type stretch struct{ from, to int64 }

var (
	queueNames = []string{"sales", "support", "billing", "orders", "returns", "service-es", "service-en", "vip"}                                                         //nolint:gochecknoglobals // a table
	firstNames = []string{"Iva", "Bo", "Cleo", "Dara", "Enzo", "Fay", "Gus", "Hana", "Ines", "Jon", "Kim", "Lena", "Mats", "Nora", "Olga", "Pia", "Quim", "Rosa", "Sam"} //nolint:gochecknoglobals // a table
	lastNames  = []string{"Moss", "Lund", "Roth", "Vega", "Núñez", "Silva", "O'Hara", "Brandt", "Costa", "Adler", "Mayer", "Quist", "Ramos"}                             //nolint:gochecknoglobals // a table
	starts     = []int{8, 10, 13, 8, 6, 10, 8, 22, 13, 8, 10, 6}                                                                                                         //nolint:gochecknoglobals // a table
)

const onDutyAtTen = 0.6 // of all agents, in no pause

// people makes the queues and the agents for so many calls on a working day.
func (g *generator) people(daily float64) {
	for i := range g.Queues {
		name := queueNames[i%len(queueNames)]
		if i >= len(queueNames) {
			name = fmt.Sprintf("%s-%d", name, i/len(queueNames)+1)
		}
		q := &queue{name: name, weight: 1 / math.Sqrt(float64(i+1)), timeout: int64(120 + 60*(i%4)), ring: int64(12 + 3*(i%3)), did: fmt.Sprintf("5550%03d", 100+i)}
		g.busiest += q.weight
		g.queues = append(g.queues, q)
	}
	for i, q := range g.queues {
		load := daily * 0.101 * handling / 3600 * q.weight / g.busiest // agents who talk at the busiest hour
		n := int(math.Ceil(load*1.04/onDutyAtTen)) + 3
		if g.Agents > 0 {
			n = (g.Agents + len(g.queues) - 1 - i) / len(g.queues)
		}
		for j := range min(n, maxAgents/len(g.queues)) {
			a := g.agent(q, (i*5+j)%len(starts))
			if second := g.queues[(i+1)%len(g.queues)]; j%4 == 3 && second != q {
				a.queues = append(a.queues, second)
				second.agents = append(second.agents, a)
			}
		}
	}
	for _, q := range g.queues {
		g.rand.Shuffle(len(q.agents), func(i, j int) { q.agents[i], q.agents[j] = q.agents[j], q.agents[i] })
	}
}

// agent hires one for a queue.
func (g *generator) agent(q *queue, shift int) *agent {
	n := len(g.agents)
	a := &agent{queues: []*queue{q}, start: starts[shift], phone: n%4 == 1, all: n%2 == 0}
	switch {
	case n%3 == 2 && !a.phone:
		a.channel = fmt.Sprintf("SIP/%d", 200+n)
		a.name = a.channel
	case a.phone:
		a.name = fmt.Sprintf("Agent/%d", 1000+n)
	default:
		a.name = firstNames[n%len(firstNames)] + " " + lastNames[n/len(firstNames)%len(lastNames)]
		if again := n / len(firstNames) / len(lastNames); again > 0 {
			a.name += fmt.Sprintf(" %d", again+1)
		}
	}
	g.agents = append(g.agents, a)
	q.agents = append(q.agents, a)
	return a
}

// shown is how the log names an agent on a call.
func (a *agent) shown(g *generator) string {
	if a.channel == "" {
		return a.name
	}
	return fmt.Sprintf("%s-%08x", a.channel, g.channels)
}

// plan sends agents to work on each day until a second, and one ahead.
func (g *generator) plan(until int64) {
	for g.planned.AddDate(0, 0, -1).Unix() <= until && g.planned.Before(g.To) {
		day := time.Date(g.planned.Year(), g.planned.Month(), g.planned.Day(), 0, 0, 0, 0, g.Location)
		for _, a := range g.agents {
			if g.chance(map[time.Weekday]int{time.Saturday: 450, time.Sunday: 300}[day.Weekday()] + workday(day.Weekday())) {
				g.shift(a, day)
			}
		}
		if day.Weekday() == time.Sunday && day.After(g.From) && day.Before(g.To.AddDate(0, 0, -1)) {
			g.write(day.Unix()+4*3600, 0, "NONE", "NONE", "NONE", "QUEUESTART")
		}
		if day.Day()%10 == 0 && day.After(g.From) && day.Before(g.To.AddDate(0, 0, -1)) {
			g.write(day.Unix()+11*3600, 0, "NONE", "NONE", "NONE", "CONFIGRELOAD")
		}
		g.planned = g.planned.AddDate(0, 0, 1)
	}
}

func workday(d time.Weekday) int {
	if d == time.Saturday || d == time.Sunday {
		return 0
	}
	return 930
}

// shift is a day of an agent: he comes, makes pauses and goes.
func (g *generator) shift(a *agent, day time.Time) {
	a.ready = slices.DeleteFunc(a.ready, func(s stretch) bool { return s.to < g.last-2*24*3600 })
	at := time.Date(day.Year(), day.Month(), day.Day(), a.start, 0, 0, 0, g.Location).Unix() + g.rand.Int64N(900) - 600
	end := at + 8*3600 + g.rand.Int64N(1200)
	id := "NONE"
	if a.phone {
		id = g.uniqueID(at)
		g.write(at, 0, id, "NONE", a.name, "AGENTLOGIN", fmt.Sprintf("SIP/%d-%08x", 200+g.rand.IntN(600), g.channels))
	} else {
		for _, q := range a.queues {
			g.write(at, 0, "MANAGER", q.name, a.name, "ADDMEMBER")
		}
	}
	from := at
	for _, p := range []struct {
		after, most int64
		perMille    int
		reason      string
	}{{2 * 3600, 900, 900, "Break"}, {3 * 3600, 2400, 200, "Training"}, {4 * 3600, 2100, 950, "Lunch"}, {5 * 3600, 1200, 300, ""}, {6 * 3600, 900, 900, "Break"}, {7 * 3600, 1500, 150, "Email"}} {
		if !g.chance(p.perMille) {
			continue
		}
		begin := at + p.after + g.rand.Int64N(1200)
		over := begin + p.most/2 + g.rand.Int64N(p.most/2)
		g.pause(a, begin, "PAUSE", p.reason)
		g.pause(a, over, "UNPAUSE", p.reason)
		a.ready = append(a.ready, stretch{from, begin})
		from = over
	}
	a.ready = append(a.ready, stretch{from, end})
	if a.phone {
		g.write(end, 0, id, "NONE", a.name, "AGENTLOGOFF", "SIP/agent", number(end-at))
		return
	}
	for _, q := range a.queues {
		g.write(end, 0, "MANAGER", q.name, a.name, "REMOVEMEMBER")
	}
}

// pause writes the begin or the end of a pause.
func (g *generator) pause(a *agent, at int64, event, reason string) {
	if a.all {
		g.write(at, 0, "NONE", "NONE", a.name, event+"ALL", reason)
	}
	for _, q := range a.queues {
		g.write(at, 0, "NONE", q.name, a.name, event, reason)
	}
}

// never is behind all times.
const never = math.MaxInt64

// from is when an agent can take a call, at a second or later.
func (a *agent) from(at int64) int64 {
	at = max(at, a.free)
	for _, s := range a.ready {
		if at < s.to {
			return max(at, s.from)
		}
	}
	return never
}

// pick is the agent of a queue who can take a call first, and when; of those who can at once, the next in turn.
func (q *queue) pick(at int64) (first *agent, when int64) {
	when = never
	for i := range q.agents {
		a := q.agents[(q.next+i)%len(q.agents)]
		if t := a.from(at); t < when {
			if first, when = a, t; t == at {
				q.next = (q.next + i + 1) % len(q.agents)
				break
			}
		}
	}
	return first, when
}

// staffed tells whether anybody is logged in.
func (q *queue) staffed(at int64) bool {
	return slices.ContainsFunc(q.agents, func(a *agent) bool { return a.from(at) < at+3600 })
}
