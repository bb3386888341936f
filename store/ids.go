package store

import (
	"math/rand/v2"
	"sync"
	"time"
)

// ids makes the ids of calls and transactions: whole numbers below 2⁵³ (exact in every JSON reader) that grow with
// time, so that the newest rows lie together and need no further index. An id is the time since 2025 in steps of
// 8 µs, and a slot. Processes draw their slot by chance; two that drew the same one may meet on an id, which the
// primary key refuses, and then draw again.
type ids struct {
	now func() time.Time

	mu   sync.Mutex
	last int64
	slot int64
}

const (
	idStep  = 8 * time.Microsecond
	idSlots = 64
)

var idEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// next returns an id above all that it returned before.
func (g *ids) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == 0 {
		g.slot = rand.Int64N(idSlots)
	}
	g.last = max(int64(g.now().Sub(idEpoch)/idStep), g.last+1)
	return g.last*idSlots + g.slot
}

// redraw takes another slot after a collision.
func (g *ids) redraw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slot = rand.Int64N(idSlots)
}
