package billing

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	t.Parallel()
	var none Waits
	if got := none.Percentile(99); got != 0 {
		t.Errorf("nothing took %s", got)
	}
	var c traffic
	for range 98 {
		c.waited(200 * time.Microsecond)
	}
	c.waited(250*time.Microsecond + 1)
	c.waited(time.Hour)
	s := &Service{}
	s.traffic.committed(3)
	s.traffic.committed(4)
	for class := range c.waits {
		s.traffic.waits[class].Store(c.waits[class].Load())
	}
	before := s.Traffic()
	if before.Commits != 2 || before.Operations != 7 {
		t.Errorf("traffic: %+v", before)
	}
	for percent, want := range map[uint64]time.Duration{
		50: 250 * time.Microsecond, 98: 250 * time.Microsecond, 99: 500 * time.Microsecond, 100: shortestWait << 15,
	} {
		if got := before.Waits.Percentile(percent); got != want {
			t.Errorf("of 100 %d took %s, want %s", percent, got, want)
		}
	}
	s.traffic.committed(1)
	s.traffic.waited(3 * time.Millisecond)
	since := s.Traffic().Since(before)
	if since.Commits != 1 || since.Operations != 1 || since.Waits.Percentile(99) != 4*time.Millisecond {
		t.Errorf("since then: %+v", since)
	}
	for d, class := range map[time.Duration]int{0: 0, -1: 0, 250 * time.Microsecond: 0, 500 * time.Microsecond: 1, 501 * time.Microsecond: 2} {
		var one traffic
		one.waited(d)
		if one.waits[class].Load() != 1 {
			t.Errorf("%s is not of class %d", d, class)
		}
	}
}
