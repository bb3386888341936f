package reports

import (
	"context"
	"slices"
	"time"

	"talktime/queues"
)

// view is what one question is about: what is in the range and the filter, as far as somebody may see it.
type view struct {
	from, to int64 // microseconds since 1970, included and excluded
	window   Window
	queues   side
	agents   side
}

// side are the queues, or the agents.
type side struct {
	names map[int32]queues.Name
	shown map[string]string // by key
	all   bool              // there is no restriction
	in    []bool            // by number; those with higher numbers are out

	members map[string]string // names by telephones; nil unless they are asked for
}

// view looks names and restrictions up.
func (s *Service) view(ctx context.Context, who Scope, f Filter) (*view, error) {
	names, err := s.Keeper.QueueNames(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{from: f.From.UnixMicro(), to: f.To.UnixMicro(), window: f.Window}
	v.queues = sideOf(names, false, who.SeesQueue, who.All || !who.nothing() && len(who.Queues) == 0, f.Queues)
	v.agents = sideOf(names, true, who.SeesAgent, who.All || !who.nothing() && len(who.Agents) == 0, f.Agents)
	return v, nil
}

func sideOf(names []queues.Name, agents bool, sees func(string) bool, seesAll bool, asked []string) side {
	d := side{names: map[int32]queues.Name{}, shown: map[string]string{}, all: seesAll && len(asked) == 0}
	for _, n := range names {
		if n.Agent != agents || n.ID < 0 {
			continue
		}
		d.names[n.ID], d.shown[n.Key] = n, n.Shown
		if int(n.ID) >= len(d.in) {
			d.in = slices.Grow(d.in, int(n.ID)+1-len(d.in))[:n.ID+1]
		}
		d.in[n.ID] = sees(n.Key) && (among(asked, n.Key) || slices.Contains(asked, n.Shown))
	}
	return d
}

// has tells whether a number is one of those that are meant. One without a name was stored after the names were read: it is none.
func (d *side) has(id int32) bool { return id >= 0 && int(id) < len(d.in) && d.in[id] }

// ids are the numbers that are meant, nil if all are; some is false if there are none.
func (d *side) ids() (ids []int32, some bool) {
	if d.all {
		return nil, true
	}
	for id, in := range d.in {
		if in {
			ids = append(ids, int32(id))
		}
	}
	return ids, len(ids) > 0
}

// key is the name of a number in the log, and what people call it.
func (d *side) key(id int32) (key, shown string) {
	n := d.names[id]
	return n.Key, n.Shown
}

// called is what people call a name of the log.
func (d *side) called(key string) string {
	if shown := d.shown[key]; shown != "" {
		return shown
	}
	return key
}

// person is who is meant by a name of the log, which may be that of a telephone: the agent under whose name it is shown; else, when nobody
// gave it another name, the member whose it is; else that name itself.
func (d *side) person(key string) string {
	shown := d.shown[key]
	switch {
	case d.shown[shown] != "" && shown != key:
		return shown
	case (shown == "" || shown == key) && d.members[key] != "":
		return d.members[key]
	default:
		return key
	}
}

// meant tells whether a queue or an agent is meant, by its name in the log.
func meant(asked []string, key, shown string) bool {
	return len(asked) == 0 || slices.Contains(asked, key) || slices.Contains(asked, shown)
}

// wall is a clock on the wall. It remembers between which changes of the clock it was last looked at. Not for two goroutines at once.
type wall struct {
	zone     *time.Location
	from, to int64 // between these it is so many seconds ahead of UTC
	ahead    int64
}

// seconds is what the clock shows, in seconds since it showed midnight of 1970-01-01.
func (w *wall) seconds(at int64) int64 {
	if at < w.from || at >= w.to {
		w.look(at)
	}
	return floorDiv(at, queues.Second) + w.ahead
}

func (w *wall) look(at int64) {
	t := time.UnixMicro(at).In(w.zone)
	_, ahead := t.Zone()
	w.from, w.to, w.ahead = -1<<63, 1<<63-1, int64(ahead)
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		w.from = start.UnixMicro()
	}
	if !end.IsZero() {
		w.to = end.UnixMicro()
	}
}

// whole tells whether the window is the whole day.
func (w Window) whole() bool { return w == Window{} || w.From <= 0 && w.To >= daySeconds-1 }

const daySeconds = 86400

// has tells whether the clock shows a time in the window. It is given the seconds since midnight of any day.
func (w Window) has(seconds int64) bool {
	if w.whole() {
		return true
	}
	second := int(seconds - floorDiv(seconds, daySeconds)*daySeconds)
	if w.From <= w.To {
		return second >= w.From && second <= w.To
	}
	return second >= w.From || second <= w.To
}
