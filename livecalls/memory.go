package livecalls

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"talktime/pbx"
)

const (
	mostChannels = 20_000          // whose answers are remembered
	mostAnswers  = 32              // of one channel; the first and the last are kept
	clocks       = 2 * time.Second // that ours may be ahead of that of a server which permits calls
)

// answer is that a channel was connected to somebody.
type answer struct {
	at    time.Time
	over  time.Time // when that ended; zero: it goes on
	exact bool
	dest  string // unique id of the other channel; "" when not known
}

// memory is what was heard of channels, by unique id. It forgets those that are gone.
type memory struct {
	mu       sync.Mutex
	channels map[string]*known
	dests    map[string]string // who dialled, by unique id of whom
	since    time.Time         // from when on every answer was heard; zero: nothing was heard yet
	gaps     int               // how often that began anew
	last     uint64            // number of the connection that the last event came by
}

// known is what was heard of one channel.
type known struct {
	answers []answer // oldest first
	asked   question // that Asterisk was asked last
	heard   time.Time
	missing int // pictures in a row that it was not in
}

// question is for the answer to one dial of a call. It is put again when answers may have been lost since.
type question struct {
	call       int64
	dial, gaps int
}

func newMemory() *memory {
	return &memory{channels: map[string]*known{}, dests: map[string]string{}}
}

// hear remembers what an event says.
func (m *memory) hear(e pbx.Event, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	event := e.Get("Event")
	if e.Connection != m.last || e.Missed > 0 || m.since.IsZero() || event == pbx.Connected {
		m.since, m.last = now, e.Connection
		m.gaps++
	}
	id := e.Get("Uniqueid")
	switch event {
	case "DialEnd":
		dest := e.Get("DestUniqueid")
		if !strings.EqualFold(e.Get("DialStatus"), "ANSWER") {
			return
		}
		k := m.of(id, now)
		if k == nil {
			return
		}
		m.add(id, k, answer{at: now, exact: true, dest: dest})
		if dest != "" {
			m.dests[dest] = id
		}
	case "Hangup":
		if caller := m.channels[m.dests[id]]; caller != nil {
			caller.end(id, now)
		}
		delete(m.dests, id)
		m.forget(id)
	}
}

// of is what is known of a channel, which is made when need be; nil for no channel. It is called with the lock held.
func (m *memory) of(id string, now time.Time) *known {
	if id == "" {
		return nil
	}
	k := m.channels[id]
	if k == nil {
		if len(m.channels) >= mostChannels {
			m.makeRoom()
		}
		k = &known{}
		m.channels[id] = k
	}
	k.heard = now
	return k
}

// makeRoom forgets the half of which nothing was heard for the longest time: their end must have been lost.
func (m *memory) makeRoom() {
	ids := slices.SortedFunc(maps.Keys(m.channels), func(a, b string) int { return m.channels[a].heard.Compare(m.channels[b].heard) })
	for _, id := range ids[:len(ids)/2] {
		m.forget(id)
	}
}

func (m *memory) forget(id string) {
	if k := m.channels[id]; k != nil {
		for _, a := range k.answers {
			m.leave(id, a.dest)
		}
	}
	delete(m.channels, id)
}

// leave forgets that a channel dialled another one.
func (m *memory) leave(id, dest string) {
	if m.dests[dest] == id {
		delete(m.dests, dest)
	}
}

// add notes an answer of a channel. One that is seen and was asked for just before is the same.
func (m *memory) add(id string, k *known, a answer) {
	if n := len(k.answers); n > 0 && a.exact {
		if last := &k.answers[n-1]; !last.exact && last.over.IsZero() && a.at.Sub(last.at).Abs() <= clocks {
			last.exact, last.dest = true, a.dest
			return
		}
	}
	k.end("", a.at)
	if len(k.answers) >= mostAnswers {
		dropped := k.answers[1].dest
		k.answers = slices.Delete(k.answers, 1, 2)
		if !slices.ContainsFunc(k.answers, func(a answer) bool { return a.dest == dropped }) {
			m.leave(id, dropped)
		}
	}
	k.answers = append(k.answers, a)
}

// end notes that the talk with a channel is over, or any that goes on.
func (k *known) end(dest string, now time.Time) {
	for i := range k.answers {
		if a := &k.answers[i]; a.over.IsZero() && (dest == "" || a.dest == dest) {
			a.over = now
		}
	}
}

// answersOf are those of a channel, oldest first, and since when every answer was heard.
func (m *memory) answersOf(id string) (answers []answer, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.channels[id]; k != nil {
		answers = slices.Clone(k.answers)
	}
	return answers, m.since
}

// callerOf is the unique id of who was connected to a channel, or "".
func (m *memory) callerOf(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dests[id]
}

// unasked is the question for the answer to the last dial of a call, unless that is known, or the question was put before.
func (m *memory) unasked(c *Call) (q question, ask bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q = question{c.ID, c.Dials, m.gaps}
	k := m.channels[c.Caller.UniqueID]
	if k == nil {
		return q, true
	}
	first, _ := talkOf(k.answers, c.dialled(), time.Time{}, true)
	return q, first == nil && k.asked != q
}

// asked remembers what Asterisk said of the answer to the last dial of a call; zero: it does not know.
func (m *memory) asked(c *Call, q question, at, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, from := c.Caller.UniqueID, c.dialled()
	k := m.of(id, now)
	if k == nil {
		return
	}
	k.asked = q
	if at.IsZero() {
		return
	}
	if first, _ := talkOf(k.answers, from, time.Time{}, true); first != nil {
		return // we heard it meanwhile
	}
	if at.Before(from) { // by another clock
		at = from
	}
	m.add(id, k, answer{at: at})
	slices.SortStableFunc(k.answers, func(a, b answer) int { return a.at.Compare(b.at) })
}

// keep forgets those that two pictures in a row did not have.
func (m *memory) keep(channels []pbx.Channel) {
	there := make(map[string]bool, len(channels))
	for i := range channels {
		there[channels[i].UniqueID] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, k := range m.channels {
		if there[id] {
			k.missing = 0
		} else if k.missing++; k.missing > 1 {
			m.forget(id)
		}
	}
	for dest, id := range m.dests {
		if m.channels[id] == nil {
			delete(m.dests, dest)
		}
	}
}
