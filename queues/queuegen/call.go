package queuegen

import "container/heap"

// caller is somebody on the line.
type caller struct {
	id, number, name, url string
	born                  int64
	queue                 *queue
	entered               int // how often
}

// ends of a talk, of 1000 each.
var ends = []struct { //nolint:gochecknoglobals // a table
	upTo int
	name string
}{{560, "COMPLETECALLER"}, {920, "COMPLETEAGENT"}, {965, "BLINDTRANSFER"}, {990, "ATTENDEDTRANSFER"}, {1000, "TRANSFER"}}

var tags = []string{"Sale", "Complaint", "Callback", "Wrong number"} //nolint:gochecknoglobals // a table

// call is a new one.
func (g *generator) call(at int64) {
	g.calls++
	who := int64(float64(2_000_000) * g.rand.Float64() * g.rand.Float64()) // some call often
	c := &caller{id: g.uniqueID(at), number: number(59_890_000_000 + who), born: at, queue: g.anyQueue()}
	if g.chance(250) {
		c.name = firstNames[who%int64(len(firstNames))] + " " + lastNames[who%int64(len(lastNames))]
	}
	if g.chance(80) {
		c.url = "https://crm.example/customers/" + number(who%500)
	}
	if g.chance(340) {
		g.write(at, at, c.id, "NONE", "NONE", "DID", c.queue.did)
	}
	g.enter(c, at)
}

func (g *generator) anyQueue() *queue {
	drawn := g.rand.Float64() * g.busiest
	for _, q := range g.queues {
		if drawn -= q.weight; drawn < 0 {
			return q
		}
	}
	return g.queues[0]
}

// elsewhere has a caller enter a queue again, a second or two later.
func (g *generator) elsewhere(c *caller, at int64) {
	if c.entered > 3 {
		return
	}
	c.queue = g.anyQueue()
	it := g.item(at+g.rand.Int64N(2), c.born)
	it.caller = c
	heap.Push(&g.waiting, it)
}

// enter is one passage: the caller waits, and is put through or leaves.
func (g *generator) enter(c *caller, at int64) {
	c.entered++
	q := c.queue
	position := q.place(at, at)
	g.write(at, c.born, c.id, q.name, "NONE", "ENTERQUEUE", c.url, c.number, number(position), c.name)

	leaving, why := at+1+g.length(150, 1.1, 3600), "ABANDON"
	if at+q.timeout <= leaving {
		leaving, why = at+q.timeout, "EXITWITHTIMEOUT"
	}
	if g.chance(60) {
		if pressed := at + 5 + g.rand.Int64N(60); pressed < leaving {
			leaving, why = pressed, "EXITWITHKEY"
		}
	}
	if !q.staffed(at) && g.chance(700) {
		leaving, why = at+g.rand.Int64N(3), "EXITEMPTY"
	}
	for now := at; ; {
		a, ringing := q.pick(now)
		if a == nil || ringing >= leaving {
			break
		}
		rings := 1 + g.length(3, 0.6, q.ring)
		switch {
		case g.chance(60): // in vain
			stop := min(ringing+q.ring, leaving)
			if stop == leaving {
				g.write(stop, c.born, c.id, q.name, a.name, "RINGCANCELED", number((stop-ringing)*1000))
			} else {
				g.write(stop, c.born, c.id, q.name, a.name, "RINGNOANSWER", number((stop-ringing)*1000))
			}
			a.free, now = stop+3, stop
		case ringing+rings >= leaving:
			a.free, now = leaving, leaving
		default:
			q.note(waiter{at, ringing + rings}, at)
			g.talk(c, a, at, ringing, rings, position)
			return
		}
	}
	q.note(waiter{at, leaving}, at)
	g.leave(c, at, leaving, why, position)
}

// talk is the caller with an agent.
func (g *generator) talk(c *caller, a *agent, entered, ringing, rings, position int64) {
	q, at := c.queue, ringing+rings
	held, channel := number(at-entered), g.uniqueID(ringing)
	agent := a.shown(g)
	g.write(at, c.born, c.id, q.name, agent, "CONNECT", held, channel, number(rings))
	talked := g.length(125, 0.85, 2*3600)
	end := at + talked
	a.free = end + 3 + g.rand.Int64N(20)
	if g.chance(30) {
		g.write(end, c.born, c.id, q.name, agent, "TAG", tags[g.rand.IntN(len(tags))])
	}
	drawn, i := g.rand.IntN(1000), 0
	for drawn >= ends[i].upTo {
		i++
	}
	switch name := ends[i].name; name {
	case "COMPLETECALLER", "COMPLETEAGENT":
		g.write(end, c.born, c.id, q.name, agent, name, held, number(talked), number(position))
		return
	case "ATTENDEDTRANSFER":
		g.write(end, c.born, c.id, q.name, agent, name, "BRIDGE", channel, held, number(talked), number(position))
	default:
		g.write(end, c.born, c.id, q.name, agent, name, "7"+number(g.rand.Int64N(90)+10), "from-internal", held, number(talked), number(position))
	}
	if g.chance(330) {
		g.elsewhere(c, end)
	}
}

// leave is the caller going without having been put through.
func (g *generator) leave(c *caller, entered, at int64, why string, position int64) {
	waited, now := number(at-entered), number(min(position, c.queue.place(at, entered)))
	if why == "EXITWITHKEY" {
		g.write(at, c.born, c.id, c.queue.name, "NONE", why, number(g.rand.Int64N(9)+1), now, number(position), waited)
	} else {
		g.write(at, c.born, c.id, c.queue.name, "NONE", why, now, number(position), waited)
	}
	if why != "ABANDON" && g.chance(500) {
		g.elsewhere(c, at)
	}
}

// place is the position of somebody who entered at one time, at another.
func (q *queue) place(at, entered int64) int64 {
	n := int64(1)
	for _, w := range q.inside {
		if w.entered < entered && w.left > at {
			n++
		}
	}
	return n
}

// note keeps who was in the queue, and forgets who has left long ago.
func (q *queue) note(w waiter, now int64) {
	if len(q.inside) > 64 {
		kept := q.inside[:0]
		for _, old := range q.inside {
			if old.left >= now {
				kept = append(kept, old)
			}
		}
		q.inside = kept
	}
	q.inside = append(q.inside, w)
}
