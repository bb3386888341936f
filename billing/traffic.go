package billing

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Traffic is what a Service has done since it began.
type Traffic struct {
	Commits    uint64 // batches that were tried, whatever became of them
	Operations uint64 // in those batches
	Waits      Waits  // operations by how long somebody waited for them
}

// Waits counts by duration: the first up to 250 µs, each further one up to twice as long, the last everything longer.
type Waits [16]uint64

const shortestWait = 250 * time.Microsecond

// Percentile is the time within which so many of a hundred were done, rounded up to a class; 0 when there was nothing.
func (w Waits) Percentile(percent uint64) time.Duration {
	var all, seen uint64
	for _, n := range w {
		all += n
	}
	for class, n := range w {
		if seen += n; all > 0 && 100*seen >= percent*all {
			return shortestWait << class
		}
	}
	return 0
}

// Since is what has been done since an earlier look.
func (t Traffic) Since(earlier Traffic) Traffic {
	t.Commits -= earlier.Commits
	t.Operations -= earlier.Operations
	for class := range t.Waits {
		t.Waits[class] -= earlier.Waits[class]
	}
	return t
}

// traffic is Traffic while it is counted.
type traffic struct {
	commits, operations atomic.Uint64
	waits               [len(Waits{})]atomic.Uint64
}

func (t *traffic) committed(operations int) {
	t.commits.Add(1)
	t.operations.Add(uint64(operations)) //nolint:gosec // a length
}

func (t *traffic) waited(d time.Duration) {
	class := bits.Len64(uint64(max(d-1, 0) / shortestWait))
	t.waits[min(class, len(t.waits)-1)].Add(1)
}

// Traffic returns the counters.
func (s *Service) Traffic() Traffic {
	t := Traffic{Commits: s.traffic.commits.Load(), Operations: s.traffic.operations.Load()}
	for class := range t.Waits {
		t.Waits[class] = s.traffic.waits[class].Load()
	}
	return t
}
