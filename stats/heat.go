package stats

import (
	"context"
	"time"
)

// Heat is the traffic of a week: what was counted of all Mondays from midnight to 1 o'clock, and so on.
type Heat struct {
	Hours  [7][24]Figures // of Monday to Sunday
	Total  Figures
	Origin Origin
}

// HeatMap counts the calls that a query asks for by weekday and hour on the wall of its zone. Its By and Of do not matter.
func (s *Service) HeatMap(ctx context.Context, q Query) (Heat, error) {
	q.By, q.Of = ByNone, OfNone
	if err := q.check(); err != nil {
		return Heat{}, err
	}
	hours := slots(ByHour, q.Location)
	named := func(at int64) slot {
		hour := hours(at)
		t := time.Unix(at, 0).In(q.Location)
		hour.name = (int(t.Weekday())+6)%7*24 + t.Hour()
		return hour
	}
	var heat Heat
	var err error
	heat.Origin, err = s.countCalls(ctx, q, named, func() { heat = Heat{} }, func(at slot, _ Key, f *Figures) error {
		heat.Hours[at.name/24][at.name%24].Merge(f)
		heat.Total.Merge(f)
		return nil
	})
	return heat, err
}
