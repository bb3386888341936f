package store

import (
	"math/rand/v2"
	"sync"
	"time"
)

// ids makes the ids of calls and transactions: whole numbers below 2⁵³ (exact in every JSON reader) that grow with
// time, so that the newest rows lie together and need no further index. An id is the time since 2025 in steps of
// 16 µs, a slot, and room for the ids of a transaction's entries. Processes draw their slot by chance; two that drew the
// same one may meet on an id, which the primary key refuses, and then draw again.
type ids struct {
	now func() time.Time

	mu   sync.Mutex
	last int64
	slot int64
}

const (
	idStep    = 16 * time.Microsecond
	idSlots   = 32
	idEntries = 4 // a transaction's users have at most so many entries, whose ids are its own and those behind it
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
	return (g.last*idSlots + g.slot) * idEntries
}

// redraw takes another slot after a collision.
func (g *ids) redraw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slot = rand.Int64N(idSlots)
}
