package stats

import (
	"encoding/binary"
	"slices"
)

// Histogram counts how often each whole number of seconds came. Its figures are exact, however many are put together. The zero value
// is empty.
type Histogram struct {
	counts map[int64]int64
	n, sum int64
}

// Add counts a number of seconds, which is not below 0.
func (h *Histogram) Add(seconds int64) { h.add(seconds, 1) }

func (h *Histogram) add(seconds, times int64) {
	if h.counts == nil {
		h.counts = make(map[int64]int64)
	}
	h.counts[seconds] += times
	h.n += times
	h.sum += seconds * times
}

// Merge counts everything that another one did.
func (h *Histogram) Merge(o *Histogram) {
	for seconds, times := range o.counts {
		h.add(seconds, times)
	}
}

// N is how many were counted.
func (h *Histogram) N() int64 { return h.n }

// Sum is the sum of all seconds.
func (h *Histogram) Sum() int64 { return h.sum }

func (h *Histogram) sorted() []int64 {
	seconds := make([]int64, 0, len(h.counts))
	for s := range h.counts {
		seconds = append(seconds, s)
	}
	slices.Sort(seconds)
	return seconds
}

// Figures are the least and the greatest number of seconds and the median, 0 of nothing. The median of an even number is the mean of
// the two in the middle.
func (h *Histogram) Figures() (least, greatest int64, median float64) {
	if h.n == 0 {
		return 0, 0, 0
	}
	seconds := h.sorted()
	low, high := (h.n-1)/2, h.n/2 // places of the two in the middle, from 0
	var passed, a, b int64
	for _, s := range seconds {
		next := passed + h.counts[s]
		if passed <= low && low < next {
			a = s
		}
		if passed <= high && high < next {
			b = s
			break
		}
		passed = next
	}
	return seconds[0], seconds[len(seconds)-1], float64(a+b) / 2
}

// AppendTo writes the histogram behind b.
func (h *Histogram) AppendTo(b []byte) []byte {
	seconds := h.sorted()
	b = binary.AppendUvarint(b, uint64(len(seconds)))
	var last int64
	for _, s := range seconds {
		b = binary.AppendUvarint(b, uint64(s-last))      //nolint:gosec // sorted, and none is below 0
		b = binary.AppendUvarint(b, uint64(h.counts[s])) //nolint:gosec // a count
		last = s
	}
	return b
}

// MergeFrom counts what AppendTo wrote, and returns what stands behind it.
func (h *Histogram) MergeFrom(b []byte) (rest []byte, err error) {
	n, b, err := readUvarint(b)
	var last, more, times uint64
	for ; err == nil && n > 0; n-- {
		if more, b, err = readUvarint(b); err != nil {
			break
		}
		if times, b, err = readUvarint(b); err != nil {
			break
		}
		last += more
		if last > 1<<40 || times > 1<<40 {
			return nil, errCells
		}
		h.add(int64(last), int64(times))
	}
	return b, err
}
