package adminapi

import (
	"net/netip"
	"testing"
)

// TestQueue: no network has all the places, and all together have no more than there are.
func TestQueue(t *testing.T) {
	t.Parallel()
	var q queue
	of := func(n int) netip.Prefix {
		return network(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}))
	}
	for range maxWaiting {
		if !q.enter(of(1)) {
			t.Fatal("there is a place, but nobody is let in")
		}
	}
	if q.enter(of(1)) {
		t.Error("one network has a place too many")
	}
	if !q.enter(of(2)) {
		t.Error("another network waits for the first")
	}
	if !q.enter(netip.Prefix{}) {
		t.Error("whoever has no address has no place")
	}
	q.leave(of(1))
	if !q.enter(of(1)) {
		t.Error("a place that was given back is taken")
	}

	q = queue{}
	for n := range maxHashing {
		if !q.enter(of(n / maxWaiting)) {
			t.Fatalf("%d wait, and there is no place", n)
		}
	}
	if q.enter(of(maxHashing)) {
		t.Error("more wait than may")
	}
	for n := range maxHashing {
		q.leave(of(n / maxWaiting))
	}
	if q.all != 0 || len(q.of) != 0 {
		t.Errorf("%d wait when all have left, of %d networks", q.all, len(q.of))
	}
}
