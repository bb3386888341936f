package stats

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Histogram counts how often each whole number of seconds came. Its figures are exact, however many are put together. The zero value
// is empty.
type Histogram struct {
	cells  []cell
	tidy   int // how many of cells, from the first on, are sorted and differ
	n, sum int64
	packed []byte // instead of cells
}

// cell is a number of seconds with how often it came.
type cell struct{ seconds, times int64 }

// Add counts a number of seconds, which is not below 0.
func (h *Histogram) Add(seconds int64) {
	h.unpack()
	h.cells = append(h.cells, cell{seconds, 1})
	h.n++
	h.sum += seconds
	if len(h.cells) > 2*h.tidy+64 {
		h.sort()
	}
}

// Merge counts everything that another one did.
func (h *Histogram) Merge(o *Histogram) {
	h.unpack()
	if len(o.packed) > 0 {
		_, _ = h.MergeFrom(o.packed) // which we wrote
		return
	}
	h.cells = append(h.cells, o.cells...)
	h.n += o.n
	h.sum += o.sum
	h.tidyUp()
}

// looseCells is how many cells more than twice the tidy ones are kept while histograms are put together: sorting takes its time.
const looseCells = 1 << 12

func (h *Histogram) tidyUp() {
	if len(h.cells) > 2*h.tidy+looseCells {
		h.sort()
	}
}

// pack makes of a cell, which takes 16 bytes, two or three, until something is added or asked.
func (h *Histogram) pack() {
	if len(h.cells) > 0 {
		h.packed = slices.Clip(slices.Clone(h.AppendTo(nil)))
		h.cells, h.tidy = nil, 0
	}
}

func (h *Histogram) unpack() {
	if b := h.packed; len(b) > 0 {
		*h = Histogram{}
		_, _ = h.MergeFrom(b)
	}
}

// N is how many were counted.
func (h *Histogram) N() int64 { return h.n }

// Sum is the sum of all seconds.
func (h *Histogram) Sum() int64 { return h.sum }

// sort sorts the cells, and makes those of the same number of seconds one.
func (h *Histogram) sort() {
	h.unpack()
	if h.tidy == len(h.cells) {
		return
	}
	sortCells(h.cells)
	last := 0
	for _, c := range h.cells[1:] {
		if h.cells[last].seconds == c.seconds {
			h.cells[last].times += c.times
		} else {
			last++
			h.cells[last] = c
		}
	}
	h.cells = h.cells[:last+1]
	h.tidy = len(h.cells)
}

// sortCells sorts by seconds: where each cell fits into one word as words, which is faster.
func sortCells(cells []cell) {
	const bits = 32
	words := make([]uint64, len(cells))
	for i, c := range cells {
		if c.seconds >= 1<<bits || c.times >= 1<<bits {
			slices.SortFunc(cells, func(a, b cell) int { return cmp.Compare(a.seconds, b.seconds) })
			return
		}
		words[i] = uint64(c.seconds)<<bits | uint64(c.times) //nolint:gosec // none is below 0
	}
	slices.Sort(words)
	for i, w := range words {
		cells[i] = cell{int64(w >> bits), int64(w & (1<<bits - 1))}
	}
}

// Figures are the least and the greatest number of seconds and the median, 0 of nothing. The median of an even number is the mean of
// the two in the middle.
func (h *Histogram) Figures() (least, greatest int64, median float64) {
	if h.n == 0 {
		return 0, 0, 0
	}
	h.sort()
	low, high := (h.n-1)/2, h.n/2 // places of the two in the middle, from 0
	var passed, a, b int64
	for _, c := range h.cells {
		next := passed + c.times
		if passed <= low && low < next {
			a = c.seconds
		}
		if passed <= high && high < next {
			b = c.seconds
			break
		}
		passed = next
	}
	return h.cells[0].seconds, h.cells[len(h.cells)-1].seconds, float64(a)/2 + float64(b)/2
}

// AppendTo writes the histogram behind b.
func (h *Histogram) AppendTo(b []byte) []byte {
	h.sort()
	b = binary.AppendUvarint(b, uint64(len(h.cells)))
	var last int64
	for _, c := range h.cells {
		b = binary.AppendUvarint(b, uint64(c.seconds-last)) //nolint:gosec // sorted, and none is below 0
		b = binary.AppendUvarint(b, uint64(c.times))        //nolint:gosec // a count
		last = c.seconds
	}
	return b
}

// MergeFrom counts what AppendTo wrote, and returns what stands behind it.
func (h *Histogram) MergeFrom(b []byte) (rest []byte, err error) {
	h.unpack()
	n, b, err := readUvarint(b)
	if err != nil || n > uint64(len(b))/2 {
		return nil, errCells
	}
	fresh := len(h.cells) == 0
	h.cells = slices.Grow(h.cells, int(n)) //nolint:gosec // no more than there are bytes
	var last uint64
	for i := range n {
		var more, times uint64
		if more, b, err = readUvarint(b); err == nil {
			times, b, err = readUvarint(b)
		}
		last += more
		if err != nil || last > 1<<40 || times > 1<<40 || times == 0 || i > 0 && more == 0 {
			return nil, errCells
		}
		h.cells = append(h.cells, cell{int64(last), int64(times)})
		h.n += int64(times)
		h.sum += int64(last * times) //nolint:gosec // not that large
	}
	if fresh {
		h.tidy = len(h.cells)
	}
	h.tidyUp()
	return b, nil
}
