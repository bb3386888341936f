package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// monthOf are the roll-ups of a month: 30 days of a counter to which 860,000 calls of 2,000 extensions were added.
func monthOf(b *testing.B, kind func() Counter) [][]byte {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var days [][]byte
	counter := 0
	for day := range 30 {
		c := kind()
		start := int64(1_760_000_000 + day*86400)
		for range 860_000 / 30 {
			start += random.Int64N(6)
			counter += 1 + random.IntN(2)
			r := callOf(random, start, counter)
			c.Add(&r)
		}
		days = append(days, c.AppendTo(nil))
	}
	return days
}

func callOf(random *rand.Rand, start int64, counter int) Record {
	r := Record{
		Start: start, UniqueID: fmt.Appendf(nil, "%d.%d", start, counter), CNum: fmt.Appendf(nil, "%d", 2000+random.IntN(2000)), CNam: []byte("Ines Roth"),
		Dst: fmt.Appendf(nil, "%s%d", []string{"49", "44", "1242", "77", "351", "33"}[random.IntN(6)], 100_000_000+random.IntN(900_000_000)), LastApp: []byte("Dial"), Disposition: []byte("NO ANSWER"),
	}
	if random.IntN(10) < 6 {
		r.Disposition, r.BillSec = []byte("ANSWERED"), random.Int64N(300)
	}
	return r
}

func benchmarkMonth(b *testing.B, kind func() Counter, finish func(Counter)) {
	days := monthOf(b, kind)
	size := 0
	for _, day := range days {
		size += len(day)
	}
	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportAllocs()
	for b.Loop() {
		c := kind()
		for _, day := range days {
			if err := c.MergeFrom(day); err != nil {
				b.Fatal(err)
			}
		}
		finish(c)
	}
}

// BenchmarkMonthOfExtensions is the arithmetic of callstat over a month of roll-ups.
func BenchmarkMonthOfExtensions(b *testing.B) {
	benchmarkMonth(b, func() Counter { return NewExtensions(2000, 3999) }, func(c Counter) {
		sum := map[string]*extensionSum{}
		c.(*Extensions).addTo(sum, nil)
		if lines := ranked(sum); len(lines) != 2000 {
			b.Fatal(len(lines))
		}
	})
}

// BenchmarkMonthOfCountries is the arithmetic of asrstat over a month of roll-ups.
func BenchmarkMonthOfCountries(b *testing.B) {
	tree := newCodeTree(BuiltInCodes(), true, nil)
	benchmarkMonth(b, func() Counter { return newCountries(tree) }, func(c Counter) {
		if lines := c.(*Countries).Report(); len(lines) != 6 {
			b.Fatal(len(lines))
		}
	})
}

// BenchmarkAdd is what one record costs each of them.
func BenchmarkAdd(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	var records []Record
	for i := range 100_000 {
		records = append(records, callOf(random, int64(1_760_000_000+i), i))
	}
	tree := newCodeTree(BuiltInCodes(), true, nil)
	for name, kind := range map[string]func() Counter{"extensions": func() Counter { return NewExtensions(2000, 3999) }, "countries": func() Counter { return newCountries(tree) }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			c := kind()
			for i := 0; b.Loop(); i++ {
				if i == len(records) {
					c, i = kind(), 0
				}
				c.Add(&records[i])
			}
		})
	}
}
