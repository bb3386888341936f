package queues_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

func drawItem() *rapid.Generator[queues.Item] {
	number := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64())
	small := rapid.OneOf(rapid.Int32Range(1, 5), rapid.Int32())
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "http://a", "5550100"}), rapid.String())
	return rapid.Custom(func(t *rapid.T) queues.Item {
		m := queues.Item{At: number.Draw(t, "at"), Queue: small.Draw(t, "queue"), Agent: small.Draw(t, "agent")}
		if rapid.Bool().Draw(t, "whole seconds") {
			m.At = rapid.Int64Range(-1000, 1e9).Draw(t, "second") * queues.Second
		}
		if m.NoAnswer = rapid.Bool().Draw(t, "no answer"); m.NoAnswer {
			m.Millis = number.Draw(t, "millis")
			return m
		}
		m.Outcome = queues.Outcome(rapid.Byte().Draw(t, "outcome"))
		m.End, m.URL, m.DID = text.Draw(t, "end"), text.Draw(t, "url"), text.Draw(t, "did")
		m.Wait, m.Ring, m.Talk = number.Draw(t, "wait"), number.Draw(t, "ring"), number.Draw(t, "talk")
		return m
	})
}

func unpacked(data []byte) ([]queues.Item, error) {
	items := []queues.Item{}
	err := queues.ReadDay(data, func(m *queues.Item) error { items = append(items, *m); return nil })
	return items, err
}

// TestDay: what was packed comes out again, by time; whatever is cut off or added is noticed.
func TestDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(drawItem(), 0, 50).Draw(t, "items")
		want := slices.Clone(items)
		slices.SortStableFunc(want, func(a, b queues.Item) int {
			if a.At < b.At {
				return -1
			} else if a.At > b.At {
				return 1
			}
			return 0
		})
		from, to := rapid.Int64().Draw(t, "from"), rapid.Int64().Draw(t, "to")
		data := queues.AppendDay([]byte("before"), from, to, items)[len("before"):]
		got, err := unpacked(data)
		if err != nil || len(got) != len(want) || len(want) > 0 && !slices.Equal(got, want) {
			t.Fatal(err, cmp.Diff(want, got))
		}
		if first, end, err := queues.DayRange(data); err != nil || first != from || end != to {
			t.Fatal(first, end, err)
		}
		if _, err := unpacked(data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]); !errors.Is(err, queues.ErrDay) {
			t.Fatal("half a day was read: ", err)
		}
		if _, err := unpacked(append(data, 0)); !errors.Is(err, queues.ErrDay) {
			t.Fatal("more than a day was read: ", err)
		}
	})
}

// TestDayStops: who has read enough reads no more.
func TestDayStops(t *testing.T) {
	t.Parallel()
	enough, read := errors.New("enough"), 0
	err := queues.ReadDay(queues.AppendDay(nil, 0, 100, make([]queues.Item, 10)), func(*queues.Item) error {
		if read++; read == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || read != 3 {
		t.Error(read, err)
	}
}

// FuzzReadDay: bytes are a day, or an error; never a panic, never more memory than they have.
func FuzzReadDay(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(queues.AppendDay(nil, at(0), at(86400), busyDay(20)))
	f.Add(queues.AppendDay(nil, 0, math.MaxInt64, []queues.Item{{At: math.MinInt64, Queue: -1, NoAnswer: true, Millis: -1}, {At: 1, End: "LOST", Talk: math.MaxInt64}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := unpacked(data)
		if err != nil && !errors.Is(err, queues.ErrDay) {
			t.Fatal(err)
		}
		from, to, err2 := queues.DayRange(data)
		if err != nil {
			return
		}
		if err2 != nil {
			t.Fatal(err2)
		}
		again, err := unpacked(queues.AppendDay(nil, from, to, slices.Clone(items)))
		slices.SortStableFunc(items, func(a, b queues.Item) int {
			if a.At < b.At {
				return -1
			} else if a.At > b.At {
				return 1
			}
			return 0
		})
		if err != nil || !slices.Equal(items, again) {
			t.Fatal(err, cmp.Diff(items, again))
		}
	})
}

// busyDay is items as a call centre of 12 queues and 200 agents has them.
func busyDay(n int) []queues.Item {
	random := rand.New(rand.NewPCG(1, 2))
	items := make([]queues.Item, n)
	for i := range items {
		items[i] = queues.Item{
			At: at(random.Int64N(86400)), Queue: random.Int32N(12) + 1, Agent: random.Int32N(200) + 2, Outcome: queues.Answered, End: "COMPLETECALLER",
			Wait: random.Int64N(120), Ring: random.Int64N(20), Talk: random.Int64N(600), DID: fmt.Sprint(5550100 + random.IntN(20)),
		}
		switch random.IntN(5) {
		case 0:
			items[i].Agent, items[i].Outcome, items[i].End, items[i].Ring, items[i].Talk = 1, queues.Abandoned, "ABANDON", 0, 0
		case 1:
			items[i] = queues.Item{At: items[i].At, Queue: items[i].Queue, Agent: items[i].Agent, NoAnswer: true, Millis: 15000}
		}
	}
	return items
}

// BenchmarkReadDay reads a day of 42,000 items, as a month of 1.3 million calls has them.
func BenchmarkReadDay(b *testing.B) {
	items := busyDay(42_000)
	data := queues.AppendDay(nil, at(0), at(86400), items)
	b.ReportAllocs()
	b.ReportMetric(float64(len(data))/float64(len(items)), "bytes/item")
	talked := int64(0)
	for b.Loop() {
		if err := queues.ReadDay(data, func(m *queues.Item) error { talked += m.Talk; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(items)*b.N)/b.Elapsed().Seconds(), "items/s")
	b.ReportMetric(float64(len(data))/float64(len(items)), "bytes/item")
}
