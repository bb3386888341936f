package reports

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"talktime/queues"
)

// count counts all items of a view: those of packed days in two other goroutines, what is left in this one. A call that goes on from a packed
// day into another one while both are asked for would be counted twice or not at all: then it asks again, a few times.
func (s *Service) count(ctx context.Context, v *view, by By, waits, packed bool) (*counter, error) {
	_, some := v.queues.ids()
	_, also := v.agents.ids()
	if v.from >= v.to || !some || !also {
		return newCounter(v, s.Location, by, waits), nil
	}
	before, err := s.Keeper.QueueChange(ctx)
	for try := 1; err == nil; try++ {
		all := newCounter(v, s.Location, by, waits)
		gaps := [][2]int64{{v.from, v.to}}
		if packed {
			if gaps, err = s.countDays(ctx, all); err != nil {
				return nil, err
			}
		}
		for _, gap := range gaps {
			if err := s.Keeper.QueueItems(ctx, gap[0], gap[1], all.add); err != nil {
				return nil, err
			}
		}
		if len(gaps) == 0 || gaps[0] == [2]int64{v.from, v.to} { // that was one question
			return all, nil
		}
		after, err := s.Keeper.QueueChange(ctx)
		if err != nil || after == before || try == 3 {
			return all, err
		}
		before = after
	}
	return nil, err
}

// countDays counts the packed days of a range, and gives what lies between them.
func (s *Service) countDays(ctx context.Context, all *counter) (gaps [][2]int64, err error) {
	v := all.view
	first := dayOf(time.UnixMicro(v.from), s.Location)
	for startOf(first, s.Location) < v.from {
		first++
	}
	end := dayOf(time.UnixMicro(v.to), s.Location) + 1
	for startOf(end, s.Location) > v.to {
		end--
	}
	counters := []*counter{all}
	if all.by != ByURL && all.by != ByDID { // of which there may be so many that they are in memory once
		counters = append(counters, newCounter(v, s.Location, all.by, all.waits))
	}
	days, wrong := make(chan []byte, len(counters)), make([]error, len(counters))
	var wait sync.WaitGroup
	for i, c := range counters {
		wait.Go(func() {
			for day := range days {
				if wrong[i] == nil {
					wrong[i] = queues.ReadDay(day, c.add)
				}
			}
		})
	}
	at := v.from
	if first < end {
		err = s.Keeper.QueueDays(ctx, s.Location.String(), first, end, func(day int, data []byte) error {
			from, to, err := queues.DayRange(data)
			if err != nil || from != startOf(day, s.Location) || to != startOf(day+1, s.Location) || from < at || to > v.to {
				return nil // written by another version, or before the zone changed its rules
			}
			if at < from {
				gaps = append(gaps, [2]int64{at, from})
			}
			at = to
			days <- bytes.Clone(data)
			return nil
		})
	}
	close(days)
	wait.Wait()
	if err := errors.Join(append(wrong, err)...); err != nil {
		return nil, err
	}
	for _, c := range counters[1:] {
		all.merge(c)
	}
	if at < v.to {
		gaps = append(gaps, [2]int64{at, v.to})
	}
	return gaps, nil
}

// counter counts items, each for one of what they are counted by.
type counter struct {
	view  *view
	by    By
	waits bool
	timed bool // it takes the clock on the wall
	wall  wall

	groups  []group
	dense   []int32 // by number, the number of the group plus one; for those that are small
	numbers map[int64]int32
	texts   map[string]int32
	last    struct {
		text  string
		group int32
	}
}

type group struct {
	number int64 // of a queue or an agent; of a day; what else there is
	text   string
	facts  queues.Facts
	waits  queues.Waits
}

// errGroups is that there are more URLs or DIDs than rows in a list.
var errGroups = fmt.Errorf("%w: there is more than %d to count by", ErrTooMany, MaxRows)

func newCounter(v *view, zone *time.Location, by By, waits bool) *counter {
	c := &counter{view: v, by: by, waits: waits, wall: wall{zone: zone}, numbers: map[int64]int32{}, texts: map[string]int32{}}
	c.timed = !v.window.whole() || by == ByHour || by == ByWeekday || by == ByDay || by == ByMonth
	c.dense = make([]int32, max(len(v.queues.in), len(v.agents.in), 32))
	c.last.group = -1
	return c
}

// add counts an item, if it is meant.
func (c *counter) add(m *queues.Item) error {
	v := c.view
	if m.At < v.from || m.At >= v.to || !v.queues.has(m.Queue) || !v.agents.has(m.Agent) {
		return nil
	}
	seconds := int64(0)
	if c.timed {
		if seconds = c.wall.seconds(m.At); !v.window.has(seconds) {
			return nil
		}
	}
	g := c.group(m, seconds)
	if g == nil {
		return nil
	}
	if len(c.groups) > MaxRows {
		return errGroups
	}
	g.facts.AddItem(m)
	if c.waits {
		g.waits.AddItem(m)
	}
	return nil
}

// group is what an item is counted for; nil if it is not counted.
func (c *counter) group(m *queues.Item, seconds int64) *group {
	switch c.by {
	case ByAll:
		return c.ofNumber(0)
	case ByQueue:
		return c.ofNumber(int64(m.Queue))
	case ByAgent:
		return c.ofNumber(int64(m.Agent))
	case ByHour:
		return c.ofNumber(seconds/3600 - floorDiv(seconds, daySeconds)*24)
	case ByWeekday:
		day := floorDiv(seconds, daySeconds) + 3 // 1970 began on a Thursday
		return c.ofNumber(day - floorDiv(day, 7)*7 + 1)
	case ByDay, ByMonth: // of days months are made in the end
		return c.ofNumber(floorDiv(seconds, daySeconds))
	default:
		return c.ofPassage(m)
	}
}

func (c *counter) ofPassage(m *queues.Item) *group {
	switch {
	case m.NoAnswer:
		return nil
	case c.by == ByOutcome:
		return c.ofNumber(int64(m.Outcome))
	case c.by == ByURL:
		return c.ofText(m.URL)
	default:
		return c.ofText(m.DID)
	}
}

func (c *counter) ofNumber(number int64) *group {
	if number >= 0 && number < int64(len(c.dense)) {
		if n := c.dense[number]; n > 0 {
			return &c.groups[n-1]
		}
		c.groups = append(c.groups, group{number: number})
		c.dense[number] = int32(len(c.groups)) //nolint:gosec // there is no memory for so many
		return &c.groups[len(c.groups)-1]
	}
	n, there := c.numbers[number]
	if !there {
		n = int32(len(c.groups)) //nolint:gosec // there is no memory for so many
		c.numbers[number] = n
		c.groups = append(c.groups, group{number: number})
	}
	return &c.groups[n]
}

func (c *counter) ofText(text string) *group {
	if c.last.group >= 0 && c.last.text == text {
		return &c.groups[c.last.group]
	}
	n, there := c.texts[text]
	if !there {
		n, text = int32(len(c.groups)), strings.Clone(text) //nolint:gosec // no more than MaxRows. The text of a packed day would keep all of the day
		c.texts[text] = n
		c.groups = append(c.groups, group{text: text})
	}
	c.last.text, c.last.group = text, n
	return &c.groups[n]
}

// merge adds what another counter of the same view counted.
func (c *counter) merge(other *counter) {
	for i := range other.groups {
		g := &other.groups[i]
		mine := c.ofNumber(g.number) // texts are counted by one counter
		mine.facts.Merge(&g.facts)
		mine.waits.Merge(&g.waits)
	}
}

// figures are the groups by their keys.
func (c *counter) figures() []Figures {
	all := make([]Figures, 0, len(c.groups))
	for i := range c.groups {
		g := &c.groups[i]
		f := Figures{Facts: g.facts, Waits: g.waits}
		f.Key, f.Shown = c.key(g)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Figures) int { return cmp.Compare(a.Key, b.Key) })
	n := 0
	for i := range all { // days become months
		if n > 0 && all[n-1].Key == all[i].Key {
			all[n-1].Facts.Merge(&all[i].Facts)
			all[n-1].Waits.Merge(&all[i].Waits)
			continue
		}
		all[n] = all[i]
		n++
	}
	return all[:n]
}

func (c *counter) key(g *group) (key, shown string) {
	switch c.by {
	case ByAll:
		key = string(ByAll)
	case ByQueue:
		return c.view.queues.key(int32(g.number)) //nolint:gosec // it was one
	case ByAgent:
		return c.view.agents.key(int32(g.number)) //nolint:gosec // it was one
	case ByHour:
		key = fmt.Sprintf("%02d", g.number)
	case ByWeekday:
		key = fmt.Sprint(g.number)
	case ByDay:
		key = time.Unix(g.number*daySeconds, 0).UTC().Format(time.DateOnly)
	case ByMonth:
		key = time.Unix(g.number*daySeconds, 0).UTC().Format("2006-01")
	case ByOutcome:
		key = queues.Outcome(g.number).String() //nolint:gosec // it was one
	case ByURL, ByDID:
		key = g.text
	}
	return key, key
}
