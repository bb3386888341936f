package stats

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainFigures are those of a list, by the definition.
func plainFigures(seconds []int64) (least, greatest int64, median float64) {
	if len(seconds) == 0 {
		return 0, 0, 0
	}
	s := slices.Sorted(slices.Values(seconds))
	n := len(s)
	if n%2 == 1 {
		return s[0], s[n-1], float64(s[n/2])
	}
	return s[0], s[n-1], float64(s[n/2-1]+s[n/2]) / 2
}

func checkHistogram(t *testing.T, what string, h *Histogram, seconds []int64) {
	t.Helper()
	var sum int64
	for _, s := range seconds {
		sum += s
	}
	least, greatest, median := h.Figures()
	a, b, m := plainFigures(seconds)
	if h.N() != int64(len(seconds)) || h.Sum() != sum || least != a || greatest != b || median != m {
		t.Fatalf("%s: n %d sum %d least %d greatest %d median %v; it is %d %d %d %d %v", what, h.N(), h.Sum(), least, greatest, median, len(seconds), sum, a, b, m)
	}
}

// TestHistogram: numbers in any order, in parts that were merged and written and read, give the figures of their list.
func TestHistogram(t *testing.T) {
	t.Parallel()
	for _, few := range [][]int64{{}, {0}, {7}, {0, 0}, {20, 80}, {7, 20, 80}, {1, 2, 3, 4}, {5, 5, 5, 9}, {0, 1 << 40}} {
		var h Histogram
		for _, s := range few {
			h.Add(s)
		}
		checkHistogram(t, "few", &h, few)
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		var whole, parts, written Histogram
		var all []int64
		for range 1 + random.IntN(6) {
			var part Histogram
			most := 1 + random.Int64N(1<<uint(random.IntN(30)))
			for range random.IntN(1500) {
				s := random.Int64N(most)
				all = append(all, s)
				whole.Add(s)
				part.Add(s)
				if random.IntN(300) == 0 {
					part.Figures()
				}
			}
			b := append(part.AppendTo(nil), 1, 2, 3)
			rest, err := written.MergeFrom(b)
			if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
				t.Fatalf("%v, %v", rest, err)
			}
			parts.Merge(&part)
		}
		checkHistogram(t, "whole", &whole, all)
		checkHistogram(t, "merged", &parts, all)
		checkHistogram(t, "written", &written, all)
		if !bytes.Equal(whole.AppendTo(nil), parts.AppendTo(nil)) || !bytes.Equal(whole.AppendTo(nil), written.AppendTo(nil)) {
			t.Fatalf("seed %d: the same numbers are written in two ways", seed)
		}
	}
}

// FuzzHistogram: any numbers, cut anywhere; and what nobody wrote is refused, or taken for something that can be written again.
func FuzzHistogram(f *testing.F) {
	f.Add([]byte{1, 2, 3, 3, 0, 255}, uint8(2))
	f.Add([]byte{2, 1, 5, 1, 1}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		var parts, part Histogram
		var all []int64
		for i := 0; i+2 <= len(data); i += 2 {
			s := int64(binary.LittleEndian.Uint16(data[i:]))
			all = append(all, s)
			part.Add(s)
			if i%(2*int(cut)+2) == 0 {
				if _, err := parts.MergeFrom(part.AppendTo(nil)); err != nil {
					t.Fatal(err)
				}
				part = Histogram{}
			}
		}
		parts.Merge(&part)
		checkHistogram(t, "parts", &parts, all)
		var read Histogram
		if _, err := read.MergeFrom(data); err != nil {
			return
		}
		var again Histogram
		if _, err := again.MergeFrom(read.AppendTo(nil)); err != nil || again.N() != read.N() || again.Sum() != read.Sum() {
			t.Fatalf("%d of %d, again %d of %d: %v", read.Sum(), read.N(), again.Sum(), again.N(), err)
		}
	})
}
