package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// samples is one thing measured once in each round.
type samples []float64

func (s samples) sorted() samples { return slices.Sorted(slices.Values(s)) }

func (s samples) min() float64 { return slices.Min(s) }
func (s samples) max() float64 { return slices.Max(s) }

func (s samples) median() float64 {
	sorted := s.sorted()
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// over is the ratio s/t round by round. What slows a whole round down, such as another program, cancels out.
func (s samples) over(t samples) samples {
	ratios := make(samples, len(s))
	for i := range s {
		ratios[i] = s[i] / t[i]
	}
	return ratios
}

// percentile is the value that p percent of the durations do not exceed.
func percentile(durations []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// row is a line of the table of what was measured.
type row struct {
	name string
	unit string
	got  samples
	cpu  samples // microseconds of CPU time for each, of all processes; empty where it says nothing
}

func (r row) String() string {
	text := fmt.Sprintf("%s %s (%s–%s)", number(r.got.median()), r.unit, number(r.got.min()), number(r.got.max()))
	if len(r.cpu) > 0 {
		text += fmt.Sprintf(", %s µs of CPU time each", number(r.cpu.median()))
	}
	return text
}

// fastest is the row with the highest median.
func fastest(rows ...row) row {
	return slices.MaxFunc(rows, func(a, b row) int { return compare(a.got.median(), b.got.median()) })
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// number writes a figure with three or four digits that mean something.
func number(v float64) string {
	switch {
	case math.Abs(v) >= 100:
		return group(int64(math.Round(v)))
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// group writes 12,345.
func group(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return group(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// figure is one promise, and what became of it.
type figure struct {
	name    string
	goal    float64
	unit    string // "×" for a ratio
	atMost  bool   // the goal is an upper bound
	got     samples
	rows    []row    // what the figure was made of
	remarks []string // what the reader should know
}

func (f figure) met() bool {
	if f.atMost {
		return f.got.median() <= f.goal
	}
	return f.got.median() >= f.goal
}

func (f figure) goalText() string {
	sign := "≥"
	if f.atMost {
		sign = "≤"
	}
	return fmt.Sprintf("%s %s %s", sign, number(f.goal), f.unit)
}

func (f figure) verdict() string {
	if f.met() {
		return "met"
	}
	return "**missed**"
}
