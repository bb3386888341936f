package adminapi

import (
	"net/netip"
	"sync"
)

// queue counts those who wait for their turn at the password hash, all together and of each network. The zero value is
// ready to use.
type queue struct {
	mu  sync.Mutex
	all int
	of  map[netip.Prefix]int
}

// enter takes a place for somebody of a network, unless there is none left.
func (q *queue) enter(n netip.Prefix) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all >= maxHashing || q.of[n] >= maxWaiting {
		return false
	}
	if q.of == nil {
		q.of = make(map[netip.Prefix]int)
	}
	q.all++
	q.of[n]++
	return true
}

// leave gives the place back.
func (q *queue) leave(n netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.of[n]--; q.of[n] == 0 {
		delete(q.of, n)
	}
}
