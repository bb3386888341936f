package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"talktime/agi/agitest"
)

// spareFiles are descriptors that are left for everything but calls.
const spareFiles = 1000

// measureHeld: the memory of calls that talk, as many as descriptors allow.
func (b *bench) measureHeld(ctx context.Context) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	calls := int(min(limit.Max, 20_000)) - spareFiles
	if b.short {
		calls = min(calls, 4_000)
	}
	db, err := b.newDatabase(ctx, "held")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	server, err := b.fastAGI(ctx, db.dsn)
	if err != nil {
		return err
	}
	defer server.stop()
	r := rand.New(rand.NewPCG(3, 4))
	if err := call(ctx, server.address, db.pairs.peer(1, r, answered)); err != nil {
		return err
	}
	before, err := resident(server.child.PID())
	if err != nil {
		return err
	}
	if err := b.hold(ctx, db, server, calls, r, func() error {
		time.Sleep(2 * time.Second)
		after, err := resident(server.child.PID())
		got := samples{(after - before) / 1024 / float64(calls)}
		b.progress("%s calls held: %s KiB each", group(int64(calls)), number(got[0]))
		b.figures = append(b.figures, figure{
			name: fmt.Sprintf("memory of a held call, %s at once", group(int64(calls))), goal: 16, unit: "KiB", atMost: true, got: got,
			remarks: []string{fmt.Sprintf("Growth of fastagi's resident set, from %s to %s MiB, measured once. The limit of descriptors is %s.",
				number(before/(1<<20)), number(after/(1<<20)), group(int64(min(limit.Max, 1_000_000_000))))},
		})
		return err
	}); err != nil {
		return err
	}
	server.stop()
	_, err = db.audit(ctx)
	return err
}

// hold makes so many calls talk at once, does something meanwhile, and ends them.
func (b *bench) hold(ctx context.Context, db *database, server *server, calls int, r *rand.Rand, meanwhile func() error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	talking, end := make(chan struct{}, calls), make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	var ended atomic.Int64
	dial := func(d *agitest.Dial) {
		talking <- struct{}{}
		<-end
		answered(d)
	}
	for i := range calls {
		peer := db.pairs.peer(1+r.IntN(accounts), r, dial)
		running.Go(func() {
			if err := peer.Call(ctx, server.address); err != nil {
				stop(err)
			}
			ended.Add(1)
		})
		if i%100 != 99 { // a ramp: the kernel's backlog is bounded
			continue
		}
		for range 100 {
			select {
			case <-talking:
			case <-ctx.Done():
				close(end)
				return context.Cause(ctx)
			case <-time.After(10 * time.Second):
				close(end)
				return fmt.Errorf("after %d calls no more were permitted", i)
			}
		}
	}
	err := meanwhile()
	// They end like they began: nobody hangs up nineteen thousand phones at once.
	for i := range calls {
		select {
		case end <- struct{}{}:
		case <-ctx.Done():
			close(end)
			return context.Cause(ctx)
		}
		for ctx.Err() == nil && int64(i)-ended.Load() > callers {
			time.Sleep(time.Millisecond)
		}
	}
	close(end)
	running.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}
