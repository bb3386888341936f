package queues_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"talktime/queues"
)

// busyFile is a log of many calls side by side, as a busy call centre writes it: half a second from line to line.
func busyFile(calls int) []byte {
	var b strings.Builder
	for i := range calls {
		start := 1812528000 + i*2
		id := fmt.Sprintf("%d.%d", start, i)
		queue, agent := fmt.Sprint("queue-", i%12), fmt.Sprint("Agent Number ", i%80)
		fmt.Fprintf(&b, "%d|%s|%s|NONE|ENTERQUEUE||5989%07d|%d\n", start, id, queue, i, i%5+1)
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "%d|%s|%s|NONE|ABANDON|1|1|%d\n", start+i%60, id, queue, i%60)
		default:
			fmt.Fprintf(&b, "%d|%s|%s|%s|RINGNOANSWER|4000\n", start+4, id, queue, agent)
			fmt.Fprintf(&b, "%d|%s|%s|%s|CONNECT|%d|%s9|3\n", start+9, id, queue, agent, 9, id)
			fmt.Fprintf(&b, "%d|%s|%s|%s|COMPLETECALLER|%d|%d|1\n", start+9+i%300, id, queue, agent, 9, i%300)
		}
	}
	return []byte(b.String())
}

// BenchmarkParse reads a file in blocks of 256 KiB.
func BenchmarkParse(b *testing.B) {
	file := busyFile(20_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	parsed := 0
	for b.Loop() {
		var p queues.Parser
		lines := queues.NewLines(0)
		for at := 0; at < len(file); at += 256 << 10 {
			_, _ = lines.Write(file[at:min(at+256<<10, len(file))])
			for lines.Next() {
				if _, err := p.Parse(lines.Line()); err != nil {
					b.Fatal(err)
				}
				parsed++
			}
		}
	}
	b.ReportMetric(float64(parsed)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkParseKey is with the key that a store needs of each event.
func BenchmarkParseKey(b *testing.B) {
	lines := strings.Split(strings.TrimSuffix(string(busyFile(2000)), "\n"), "\n")
	b.ReportAllocs()
	parsed, sum := 0, int64(0)
	for b.Loop() {
		var p queues.Parser
		for _, line := range lines {
			e, err := p.Parse(line)
			if err != nil {
				b.Fatal(err)
			}
			sum += e.Key()
			parsed++
		}
	}
	_ = sum
	b.ReportMetric(float64(parsed)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkAssemble puts calls of four events together.
func BenchmarkAssemble(b *testing.B) {
	var p queues.Parser
	var calls [][]queues.Event
	for line := range strings.Lines(string(busyFile(2000))) {
		e, err := p.Parse(line)
		if err != nil {
			b.Fatal(err)
		}
		if e.Kind == queues.EnterQueue {
			calls = append(calls, nil)
		}
		calls[len(calls)-1] = append(calls[len(calls)-1], e)
	}
	now := time.UnixMicro(p.Last)
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		for _, c := range calls {
			call := queues.Assemble(c, now)
			events += len(c)
			if len(call.Passages) != 1 {
				b.Fatal(call)
			}
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
