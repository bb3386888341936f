package reports

import (
	"context"
	"fmt"
	"time"

	"talktime/queues"
)

// PackKeeper is what a Packer needs of the store.
type PackKeeper interface {
	// UnpackedQueueDay is the moment of the first item at from or later, and before to, that is in no packed day of a zone, microseconds
	// since 1970; 0: there is none.
	UnpackedQueueDay(ctx context.Context, zone string, from, to int64) (int64, error)
	// PackQueueDay keeps what pack makes of all items from (included) to (excluded) as a day of a zone, in days since 1970, in one
	// transaction in which nothing is stored in between, in the place of what was there. Only for whoever reads the log, else it is an
	// error (feed.ErrNotOurs).
	PackQueueDay(ctx context.Context, holder, zone string, day int, from, to int64, pack func(items []queues.Item) []byte) error
	// QueueChange is a number that another one takes the place of whenever something is stored.
	QueueChange(ctx context.Context) (int64, error)
}

// Packer writes whole days that are over down compactly (queues.AppendDay), so that reports over months are counted at once. It is not for
// two goroutines at once.
type Packer struct {
	Keeper   PackKeeper
	Location *time.Location // of days; its name is kept with them, so that nobody takes them for days of another zone
	Now      func() time.Time

	found struct { // nothing to pack, when the store and the day were these
		nothing     bool
		change, end int64
	}
}

// settled is how long a day has been over when it is packed: what still went on at midnight has mostly ended by then.
const settled = time.Hour

// Pack packs at most so many days that are over, the first ones first, and tells how many. Call it again as long as it packs any.
func (p *Packer) Pack(ctx context.Context, holder string, most int) (int, error) {
	end := startOf(dayOf(p.Now().Add(-settled), p.Location), p.Location)
	change, err := p.Keeper.QueueChange(ctx)
	if err != nil {
		return 0, fmt.Errorf("look whether the queue_log has changed: %w", err)
	}
	if p.found.nothing && p.found.change == change && p.found.end == end {
		return 0, nil
	}
	p.found.nothing = false
	from := int64(0)
	for done := range most {
		at, err := p.Keeper.UnpackedQueueDay(ctx, p.Location.String(), from, end)
		if err != nil {
			return done, fmt.Errorf("look for days of the queue_log that are not packed: %w", err)
		}
		if at == 0 {
			p.found.nothing, p.found.change, p.found.end = true, change, end
			return done, nil
		}
		day := dayOf(time.UnixMicro(at), p.Location)
		for at < startOf(day, p.Location) { // the clock was set back over midnight
			day--
		}
		for at >= startOf(day+1, p.Location) {
			day++
		}
		start, next := startOf(day, p.Location), startOf(day+1, p.Location)
		err = p.Keeper.PackQueueDay(ctx, holder, p.Location.String(), day, start, next, func(items []queues.Item) []byte {
			return queues.AppendDay(nil, start, next, items)
		})
		if err != nil {
			return done, fmt.Errorf("pack the %s of the queue_log: %w", time.UnixMicro(at).In(p.Location).Format(time.DateOnly), err)
		}
		from = next
	}
	return most, nil
}

// Midnight is the first moment of the day that the clock on the wall shows at a time. Where clocks are changed at midnight it is found, too:
// time.Date finds 23:00 of the day before, or the second of two midnights.
func Midnight(at time.Time, zone *time.Location) time.Time {
	return time.UnixMicro(startOf(dayOf(at, zone), zone)).In(zone)
}

// dayOf is the day that the clock on the wall shows, in days since 1970.
func dayOf(at time.Time, zone *time.Location) int {
	_, ahead := at.In(zone).Zone()
	return int(floorDiv(at.Unix()+int64(ahead), daySeconds))
}

// startOf is the moment at which a day begins, microseconds since 1970.
func startOf(day int, zone *time.Location) int64 {
	t := time.Date(1970, 1, 1+day, 0, 0, 0, 0, zone)
	start, end := t.ZoneBounds()
	if dayOf(t, zone) < day { // there is no midnight
		return end.UnixMicro()
	}
	if start.IsZero() {
		return t.UnixMicro()
	}
	_, ahead := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	first := t.Add(time.Duration(ahead-before) * time.Second)
	if first.Before(start) && dayOf(first, zone) == day { // there are two
		t = first
	}
	return t.UnixMicro()
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}
