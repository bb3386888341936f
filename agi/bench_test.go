package agi_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// BenchmarkCall is a connection, a greeting and five commands over TCP, with the peer in the same process.
func BenchmarkCall(b *testing.B) {
	address := agitest.Start(b, &agi.Server{Handler: agi.HandlerFunc(dialogue)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", CallerID: "59899000001"}}
			if err := p.Call(context.Background(), address); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkParked reports what a call in Dial costs the server in resident memory, the peer being in another
// process.
func BenchmarkParked(b *testing.B) {
	const calls = 10_000
	child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestParkedServer$")
	child.Env = append(os.Environ(), "TALKTIME_AGI_PARKED=1")
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
	var address string
	if _, err := fmt.Fscan(stdout, &address); err != nil {
		b.Fatal(err)
	}
	parked := make(chan struct{}, calls)
	end := make(chan struct{})
	var running sync.WaitGroup
	call := func() {
		defer running.Done()
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", CallerID: "59899000001"}}
		p.Dial = func(*agitest.Dial) { parked <- struct{}{}; <-end }
		if err := p.Call(context.Background(), address); err != nil {
			b.Error(err)
		}
	}
	before := resident(b, child.Process.Pid)
	for i := range calls {
		running.Add(1)
		go call()
		if i%100 == 99 { // a ramp: the kernel's backlog is 4,096
			for range 100 {
				<-parked
			}
		}
	}
	b.ReportMetric(float64(resident(b, child.Process.Pid)-before)/calls, "B/call")
	b.ReportMetric(0, "ns/op")
	close(end)
	running.Wait()
	stdin.Close()
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
}

// TestParkedServer is the server of BenchmarkParked.
func TestParkedServer(t *testing.T) {
	if os.Getenv("TALKTIME_AGI_PARKED") == "" {
		t.Skip("only run by BenchmarkParked")
	}
	fmt.Println(agitest.Start(t, &agi.Server{Handler: agi.HandlerFunc(dialogue), MaxSessions: 20_000}))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func resident(b *testing.B, pid int) int {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Skip("no /proc: ", err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
