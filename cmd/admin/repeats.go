package main

import (
	"hash/maphash"
	"slices"
)

// repeats finds values that a large file has twice without keeping them: eight bytes for each, and a second look at
// the few whose hashes meet.
type repeats struct {
	seed   maphash.Seed
	hashes []uint64

	suspects map[uint64]bool
	first    map[string]int // of the suspects: the line that had the value first
}

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// add notes a value on the first look. An empty one is no value.
func (r *repeats) add(value string) {
	if value != "" {
		r.hashes = append(r.hashes, maphash.String(r.seed, value))
	}
}

// suspicious ends the first look and reports whether a second one is needed.
func (r *repeats) suspicious() bool {
	slices.Sort(r.hashes)
	r.suspects, r.first = map[uint64]bool{}, map[string]int{}
	for i := 1; i < len(r.hashes); i++ {
		if r.hashes[i] == r.hashes[i-1] {
			r.suspects[r.hashes[i]] = true
		}
	}
	r.hashes = nil
	return len(r.suspects) > 0
}

// seen returns, on the second look, the line that had the value before; 0 when this is the first.
func (r *repeats) seen(value string, line int) int {
	if value == "" || !r.suspects[maphash.String(r.seed, value)] {
		return 0
	}
	if first, ok := r.first[value]; ok {
		return first
	}
	r.first[value] = line
	return 0
}
