package callcenter

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
)

// Live has the picture of all queues as they are now, which is as good as new for two seconds.
type Live interface {
	Now(ctx context.Context) (*live.Picture, error)
}

// maxBodies is how many answers are kept of one picture.
const maxBodies = 64

// Realtime answers with one picture whoever asks meanwhile, and writes it down once for all who may see the same of it.
type Realtime struct {
	Live Live

	mu      sync.Mutex
	picture *live.Picture
	bodies  map[string][]byte // of the picture, by who may see what and which queues he asks for
}

func (a API) realtime(ctx context.Context, q *query) (Answer, error) {
	names := q.list("queues")
	if q.wrong != "" {
		return refused(q.wrong)
	}
	picture := &live.Picture{}
	var body []byte
	if a.Realtime != nil {
		var err error
		if picture, err = a.Realtime.Live.Now(ctx); err != nil {
			return Answer{}, err
		}
		body = a.Realtime.body(picture, a.Who, names)
	} else {
		body = written(picture)
	}
	return Answer{Status: http.StatusOK, Away: !picture.Live, content: func(w *writer) { // past the buffer: it is there already
		n, err := w.to.Write(body)
		w.n, w.err = int64(n), err
	}}, nil
}

// body is what somebody is shown of a picture. Nil names: all queues.
func (r *Realtime) body(p *live.Picture, who reports.Scope, names []string) []byte {
	key := "*"
	if !who.All {
		key = strings.Join(who.Queues, "\x00") + "\x01" + strings.Join(who.Agents, "\x00")
	}
	if names != nil {
		names = slices.Compact(slices.Sorted(slices.Values(names)))
		key += "\x02" + strings.Join(names, "\x00")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.picture != p {
		r.picture, r.bodies = p, make(map[string][]byte)
	}
	if body, ok := r.bodies[key]; ok {
		return body
	}
	if names != nil {
		var known []queues.Name
		for i := range p.Queues {
			known = append(known, queues.Name{Key: p.Queues[i].Key, Shown: p.Queues[i].Shown})
		}
		names = wanted(names, known)
	}
	body := written(p.Only(who, names))
	if len(r.bodies) < maxBodies {
		r.bodies[key] = body
	}
	return body
}

// written is the picture as JSON.
func written(p *live.Picture) []byte {
	var b bytes.Buffer
	w := &writer{to: &b}
	w.raw(`{"waiting calls":`)
	w.byQueue(p, writeWaiting)
	w.raw(`,"summary":{"queue":`)
	w.byQueue(p, writeSummary)
	w.raw(`},"agents":`)
	w.byQueue(p, writeAgents)
	w.raw("}")
	w.flush()
	return b.Bytes()
}

// byQueue writes an object that has something of each queue.
func (w *writer) byQueue(p *live.Picture, write func(*writer, *live.Queue)) {
	w.raw("{")
	for i := range p.Queues {
		if i > 0 {
			w.raw(",")
		}
		w.text(p.Queues[i].Key)
		w.raw(":")
		write(w, &p.Queues[i])
	}
	w.raw("}")
}

// writeWaiting writes callers by their position.
func writeWaiting(w *writer, q *live.Queue) {
	w.raw("{")
	for i, c := range q.Waiting {
		if i > 0 {
			w.raw(",")
		}
		w.text(number(i + 1)) // Asterisk's own may have a gap for a moment
		w.raw(":")
		w.object("calleridNum", c.Number, "calleridName", c.Name, "waitTime", number(c.Wait))
	}
	w.raw("}")
}

func writeSummary(w *writer, q *live.Queue) {
	n, today := q.Counts(), &q.Today
	w.object("Waiting", number(n.Waiting), "Agents", number(n.Agents), "Penalty", number(n.Penalised), "Logged Off", number(n.LoggedOff),
		"Busy", number(n.Busy), "Paused", number(n.Paused),
		"Answered", number(today.Connected()), "Unanswered", number(today.Unanswered()), "Abandoned", number(today.Abandoned), "Abandon Rate", today.AbandonRate(),
		"Avg Wait", number(queues.Mean(today.Held, today.Connected())), "Avg Duration", number(queues.Mean(today.Talked, today.Answered())),
		"Max. wait time", number(n.LongestWait))
}

// writeAgents writes members by their names; of the same name all but the first by their interface, since a key is there once.
func writeAgents(w *writer, q *live.Queue) {
	seen := make(map[string]bool, len(q.Agents))
	w.raw("{")
	for i := range q.Agents {
		a := &q.Agents[i]
		name := a.Key
		if seen[name] {
			name = a.Location
		}
		if seen[name] {
			continue
		}
		if len(seen) > 0 {
			w.raw(",")
		}
		seen[name] = true
		paused, last := "0", ""
		if a.Paused {
			paused = "1"
		}
		if a.LastCall != live.NoCall {
			last = number(a.LastCall)
		}
		w.text(name)
		w.raw(":")
		w.object("location", a.Location, "lastCall", last, "status", string(a.Status), "paused", paused, "auxType", a.Reason, "auxSeconds", number(a.PausedFor),
			"callFromQueue", a.From, "penalty", number(a.Penalty), "callerid", a.Caller, "duration", number(a.Duration))
	}
	w.raw("}")
}

// wanted are the keys of those whom a query names, by key or else by what they are called.
func wanted(names []string, known []queues.Name) []string {
	var keys []string
	for _, name := range names {
		found := false
		for _, k := range known {
			if k.Key == name {
				keys, found = append(keys, name), true
			}
		}
		for _, k := range known {
			if !found && k.Shown == name {
				keys = append(keys, k.Key)
			}
		}
	}
	if keys == nil && names != nil { // nobody's: an empty list would be everybody
		return names
	}
	return keys
}
