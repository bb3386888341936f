package stats

import (
	"cmp"
	"math"
	"time"
)

// Clock is a clock on a wall: it knows which moment it is when the clock shows a time, and what it shows at a moment. It is meant
// for many times of about the same day, one after the other, and for one goroutine.
type Clock struct {
	zone *time.Location

	// Times from low (included) to high (excluded) are offset seconds ahead of UTC, and none of them is after the moment end.
	low, high, offset, end int64
	// The same of moments.
	since, until, ahead int64
}

// NewClock hangs up a clock in a zone; nil is UTC.
func NewClock(zone *time.Location) *Clock { return &Clock{zone: cmp.Or(zone, time.UTC)} }

// Unix is the moment, in Unix seconds, at which the clock shows a time, which is given in seconds since 1970 as if it were UTC. Of a
// time that comes twice it is the earlier moment; of one that is skipped the moment at which the clock is put forward. So later times
// never come before earlier ones.
func (c *Clock) Unix(wall int64) int64 {
	if wall < c.low || wall >= c.high {
		c.turn(wall)
	}
	return min(wall-c.offset, c.end)
}

// Wall is what the clock shows at a moment.
func (c *Clock) Wall(unix int64) int64 {
	if unix < c.since || unix >= c.until {
		from, to, offset := c.bounds(unix)
		c.since, c.until, c.ahead = from, to, offset
	}
	return unix + c.ahead
}

// turn finds the offset of a time. No clock is more than two days ahead of UTC, or behind it.
func (c *Clock) turn(wall int64) {
	const twoDays = 2 * daySeconds
	from, to, offset := c.bounds(wall - twoDays)
	c.low, c.high = math.MinInt64, math.MaxInt64
	if from != math.MinInt64 {
		_, _, before := c.bounds(from - 1)
		c.low = from + max(before, offset)
	}
	for to != math.MaxInt64 {
		_, after, next := c.bounds(to)
		changes := to + max(offset, next)
		if wall < changes {
			c.high = changes
			break
		}
		c.low, to, offset = changes, after, next
	}
	c.offset, c.end = offset, to
}

// bounds is the time between two changes of the clock in which a moment lies, and how far it is ahead of UTC then.
func (c *Clock) bounds(unix int64) (from, to, offset int64) {
	t := time.Unix(unix, 0).In(c.zone)
	_, ahead := t.Zone()
	begin, end := t.ZoneBounds()
	from, to = math.MinInt64, math.MaxInt64
	if !begin.IsZero() {
		from = begin.Unix()
	}
	if !end.IsZero() {
		to = end.Unix()
	}
	return from, to, int64(ahead)
}
