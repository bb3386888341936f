package reports_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
)

// packedMonth is a month of 1.3 million calls of 12 queues and 200 agents, of which all days are packed.
type packedMonth struct {
	*memory
	first int
	days  [][]byte
}

func (p *packedMonth) QueueNames(context.Context) (names []queues.Name, err error) {
	for id := range int32(202) {
		key := fmt.Sprint("name ", id)
		names = append(names, queues.Name{Agent: true, ID: id, Key: key, Shown: key})
		if id < 13 {
			names = append(names, queues.Name{ID: id, Key: key, Shown: key})
		}
	}
	return names, nil
}

func (p *packedMonth) QueueDays(_ context.Context, _ string, _, _ int, each func(int, []byte) error) error {
	for i, data := range p.days {
		if err := each(p.first+i, data); err != nil {
			return err
		}
	}
	return nil
}

func newPackedMonth(start time.Time) *packedMonth {
	random := rand.New(rand.NewPCG(1, 2))
	m := &packedMonth{memory: newMemory(time.Now), first: int(start.Unix() / 86400)}
	for from := start.UnixMicro(); len(m.days) < 31; from += 86400 * queues.Second {
		items := make([]queues.Item, 45_000)
		for i := range items {
			items[i] = queues.Item{
				At: from + random.Int64N(86400)*queues.Second, Queue: random.Int32N(12) + 1, Agent: random.Int32N(200) + 2, Outcome: queues.Answered, End: "COMPLETECALLER",
				Wait: random.Int64N(120), Ring: random.Int64N(20), Talk: random.Int64N(600), DID: fmt.Sprint(5550100 + random.IntN(20)),
			}
			if random.IntN(5) == 0 {
				items[i].Agent, items[i].Outcome, items[i].End, items[i].Ring, items[i].Talk = 1, queues.Abandoned, "ABANDON", 0, 0
			}
		}
		m.days = append(m.days, queues.AppendDay(nil, from, from+86400*queues.Second, items))
	}
	return m
}

// BenchmarkReport counts 1.4 million items of packed days. What reading them from a database takes comes on top.
func BenchmarkReport(b *testing.B) {
	start := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	s := &reports.Service{Keeper: newPackedMonth(start), Location: time.UTC, Now: time.Now}
	f := reports.Filter{From: start, To: start.AddDate(0, 1, 0)}
	for _, name := range []string{"answered_calls_by_queue", "answered_calls_by_agent", "answered_calls_by_did", "answered_calls_by_holdtime"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if table, err := s.Report(b.Context(), everything, f, name); err != nil || len(table.Rows) == 0 {
					b.Fatal(table, err)
				}
			}
		})
	}
	for _, by := range []reports.By{reports.ByAgent, reports.ByDay} {
		b.Run("figures by "+string(by), func(b *testing.B) {
			f := f
			f.Window = reports.Window{From: 8 * 3600, To: 20 * 3600}
			for b.Loop() {
				if figures, err := s.Figures(b.Context(), everything, f, by); err != nil || len(figures) == 0 {
					b.Fatal(figures, err)
				}
			}
		})
	}
}
