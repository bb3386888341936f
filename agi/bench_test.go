package agi_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"talktime/agi"
	"talktime/agi/agitest"
)

// dialogue is what a caller's leg costs in commands.
func dialogue(_ context.Context, ch *agi.Channel) error {
	if err := ch.Set("TIMEOUT(absolute)", "7241"); err != nil {
		return err
	}
	if err := ch.Set("TALKTIME_STATUS", "OK"); err != nil {
		return err
	}
	if _, _, err := ch.Dial("PJSIP/59899123000@trunk,40,L(7200000)", 0); err != nil {
		return err
	}
	if _, _, err := ch.GetFull("${DIALSTATUS}|${ANSWEREDTIME}|${ANSWEREDTIME_MS}|${CDR(billsec)}"); err != nil {
		return err
	}
	return ch.Set("TALKTIME_REASON", "")
}

// A server is a process of its own, so that what it costs can be told from what the simulated Asterisk costs.
type server struct {
	address string
	pid     int
}

func startServer(b *testing.B) server {
	b.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestBenchmarkedServer$")
	child.Env = append(os.Environ(), "TALKTIME_AGI_BENCHMARK=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close() // ends it
		if err := child.Wait(); err != nil {
			b.Error(err)
		}
	})
	s := server{pid: child.Process.Pid}
	if _, err := fmt.Fscan(stdout, &s.address); err != nil {
		b.Fatal(err)
	}
	return s
}

// TestBenchmarkedServer is that process.
func TestBenchmarkedServer(t *testing.T) {
	if os.Getenv("TALKTIME_AGI_BENCHMARK") == "" {
		return // it is not a test
	}
	fmt.Println(agitest.Start(t, &agi.Server{Handler: agi.HandlerFunc(dialogue), MaxSessions: 20_000}))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// cpu returns the processor time the server has used, in microseconds; it is counted in 10 ms.
func (s server) cpu(b *testing.B) float64 {
	fields := s.proc(b, "stat")
	var user, system float64
	if _, err := fmt.Sscan(fields[13]+" "+fields[14], &user, &system); err != nil {
		b.Fatal(err)
	}
	return (user + system) * 10_000
}

// resident returns the server's resident memory in bytes.
func (s server) resident(b *testing.B) float64 {
	var pages float64
	if _, err := fmt.Sscan(s.proc(b, "statm")[1], &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize())
}

func (s server) proc(b *testing.B, file string) []string {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.pid, file))
	if err != nil {
		b.Skip(err)
	}
	return strings.Fields(string(text))
}

// BenchmarkCall is a connection, a greeting and five commands, by 256 callers at once on two cores.
func BenchmarkCall(b *testing.B) {
	s := startServer(b)
	before := s.cpu(b)
	b.SetParallelism(128)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", CallerID: "59899000001"}}
			if err := p.Call(context.Background(), s.address); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric((s.cpu(b)-before)/float64(b.N), "server-µs/op")
}

// BenchmarkParked reports what a call in Dial costs the server in resident memory.
func BenchmarkParked(b *testing.B) {
	const calls = 10_000
	s := startServer(b)
	before := s.resident(b)
	parked, end := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	for i := range calls {
		running.Go(func() {
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", CallerID: "59899000001"}}
			p.Dial = func(*agitest.Dial) { parked <- struct{}{}; <-end }
			if err := p.Call(context.Background(), s.address); err != nil {
				b.Error(err)
			}
		})
		if i%100 == 99 { // a ramp: the kernel's backlog is 4,096
			for range 100 {
				<-parked
			}
		}
	}
	b.ReportMetric((s.resident(b)-before)/calls, "B/call")
	b.ReportMetric(0, "ns/op")
	close(end)
	running.Wait()
}
