package cdrgen

import (
	"errors"
	"time"
)

// slotSeconds is how finely the day is divided: clocks are set at a quarter of an hour everywhere.
const slotSeconds = 15 * 60

// maxSpan is far below what time.Duration can say.
const maxSpan = 100 * 366 * 24 * time.Hour

// slot is a quarter of an hour that a clock on the wall shows, or what of it is in the range.
type slot struct {
	begin, seconds int64   // wall
	offset         int64   // of the zone, in seconds east of UTC
	weight         float64 // 0 where clocks skip it
}

// hourWeights are the shares of a working day's hours, in thousandths.
var hourWeights = [24]float64{8, 6, 5, 5, 6, 9, 17, 35, 68, 92, 101, 95, 74, 78, 88, 86, 72, 52, 34, 24, 18, 13, 8, 6} //nolint:gochecknoglobals // a table

// weekdayWeights begin with Sunday.
var weekdayWeights = [7]float64{0.2, 1, 1.05, 1.05, 1, 0.95, 0.35} //nolint:gochecknoglobals // a table

// schedule divides a range into slots. first is the wall at the begin of the first one's quarter.
type schedule struct {
	slots []slot
	first int64
	total float64 // of the weights
}

func newSchedule(from, to time.Time, l *time.Location) (*schedule, error) {
	begin, end := wallIn(from, l), wallIn(to, l)
	if to.Sub(from) > maxSpan {
		return nil, errors.New("the range is longer than 100 years")
	}
	if begin < 0 {
		return nil, errors.New("the range begins before 1970")
	}
	if end <= begin {
		return nil, errors.New("the end of the range is not behind its begin")
	}
	s := &schedule{first: begin - begin%slotSeconds}
	for wall := s.first; wall < end; wall += slotSeconds {
		quarter := slot{begin: max(wall, begin)}
		quarter.seconds = min(wall+slotSeconds, end) - quarter.begin
		var exists bool
		if quarter.offset, exists = offsetOf(wall, l); exists {
			t := time.Unix(wall, 0).UTC()
			quarter.weight = hourWeights[t.Hour()] * weekdayWeights[t.Weekday()] * float64(quarter.seconds)
		}
		s.total += quarter.weight
		s.slots = append(s.slots, quarter)
	}
	if s.total == 0 {
		return nil, errors.New("clocks skip the whole range")
	}
	return s, nil
}

func wallIn(t time.Time, l *time.Location) int64 {
	_, offset := t.In(l).Zone()
	return t.Unix() + int64(offset)
}

// offsetOf is the zone's offset at what a clock shows: the earlier one's, where it shows that twice.
func offsetOf(wall int64, l *time.Location) (offset int64, exists bool) {
	const day = 24 * 60 * 60
	for _, near := range [...]int64{wall - day, wall + day} {
		_, seconds := time.Unix(near, 0).In(l).Zone()
		_, there := time.Unix(wall-int64(seconds), 0).In(l).Zone()
		if there == seconds {
			return int64(seconds), true
		}
	}
	return 0, false
}

// at is the slot of a wall, and the wall itself: later, where clocks skip it. There is none behind the range.
func (s *schedule) at(wall int64) (quarter *slot, later int64) {
	for i := (wall - s.first) / slotSeconds; i < int64(len(s.slots)); i++ {
		quarter = &s.slots[i]
		if quarter.weight > 0 {
			if wall >= quarter.begin+quarter.seconds {
				return nil, 0
			}
			return quarter, wall
		}
		wall += slotSeconds
	}
	return nil, 0
}
