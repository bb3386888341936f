package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// contender is one of several things that are measured in turn.
type contender struct {
	name string
	unit string
	run  func(ctx context.Context, d time.Duration) (measured, error)
}

// measured is what one contender did in one round.
type measured struct {
	value  float64
	cpu    float64 // microseconds of CPU time for each, of all processes together
	own    float64 // of them, those of this process
	others float64 // part of all cores that other programs used meanwhile
}

// inTurn measures all contenders round by round, A B C A B C…, and returns a row for each.
func (b *bench) inTurn(ctx context.Context, contenders ...contender) ([]row, error) {
	rows := make([]row, len(contenders))
	for round := range b.rounds {
		for i, c := range contenders {
			got, err := b.undisturbed(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			rows[i].name, rows[i].unit = c.name, c.unit
			rows[i].got = append(rows[i].got, got.value)
			rows[i].cpu = append(rows[i].cpu, got.cpu)
			b.progress("round %d/%d: %-45s %6s %s, %4.0f µs CPU each, %4.0f here; others %2.0f %%",
				round+1, b.rounds, c.name, number(got.value), c.unit, got.cpu, got.own, 100*got.others)
			b.others = append(b.others, got.others)
		}
	}
	return rows, nil
}

// disturbed is how much of the machine other programs may use before a measurement is made again.
const disturbed = 0.1

// undisturbed measures a contender, and again as long as other programs took part and there is patience left.
func (b *bench) undisturbed(ctx context.Context, c contender) (measured, error) {
	for {
		runtime.GC() // nobody pays for the rubbish of the one before
		start := time.Now()
		got, err := c.run(ctx, b.each)
		if err != nil || got.others <= disturbed || b.patience <= 0 {
			return got, err
		}
		b.patience -= time.Since(start)
	}
}

// throughput has n callers do the same thing again and again, and returns how often a second they did it between the
// warm-up and the end.
func throughput(ctx context.Context, n int, d time.Duration, do func(ctx context.Context, r *rand.Rand) error) (measured, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var done, end atomic.Int64
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
			for end.Load() == 0 {
				if err := do(ctx, r); err != nil {
					stop(err)
					return
				}
				done.Add(1)
			}
		})
	}
	pause := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	pause(d / 5)
	allBefore := machineTime()
	ownBefore, childrenBefore := cpuTime()
	before, start := done.Load(), time.Now()
	pause(d)
	after, elapsed := done.Load(), time.Since(start)
	own, children := cpuTime()
	all := machineTime() - allBefore
	end.Store(1)
	callers.Wait()
	if err := context.Cause(ctx); err != nil {
		return measured{}, err
	}
	ops := float64(after - before)
	own -= ownBefore
	ours := own + children - childrenBefore
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / ops }
	return measured{
		value: ops / elapsed.Seconds(), cpu: each(ours), own: each(own),
		others: max(0, (all-ours).Seconds()/elapsed.Seconds()/float64(runtime.NumCPU())),
	}, nil
}
