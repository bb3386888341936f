package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

// measureLatency: what a lone caller waits for, against one minimal durable transaction.
func (b *bench) measureLatency(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "latency")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	byHand, err := b.newLoop(ctx, "latency_byhand", accounts, 1)
	if err != nil {
		return err
	}
	defer func() { _ = byHand.close() }()
	s := db.service(db.Lanes(), 0)
	defer s.Close()

	const unit = "µs"
	rows := []row{
		{name: "authorise, p99", unit: unit},
		{name: "minimal transaction, p99", unit: unit},
		{name: "authorise, median", unit: unit},
		{name: "minimal transaction, median", unit: unit},
	}
	r := rand.New(rand.NewPCG(1, 2))
	calls := int(b.each / time.Millisecond)
	for round := range b.rounds {
		runtime.GC()
		var ours, minimal []time.Duration
		for range calls {
			user := 1 + r.IntN(accounts)
			start := time.Now()
			hold, err := byHand.hold(ctx, int64(user))
			minimal = append(minimal, time.Since(start))
			if err == nil {
				err = byHand.settle(ctx, int64(user), hold)
			}
			if err != nil {
				return err
			}
			req := db.pairs.request(user, r)
			start = time.Now()
			_, err = s.Authorize(ctx, req)
			ours = append(ours, time.Since(start))
			if err == nil {
				err = db.settle(ctx, s, req)
			}
			if err != nil {
				return err
			}
		}
		for i, d := range []time.Duration{percentile(ours, 99), percentile(minimal, 99), percentile(ours, 50), percentile(minimal, 50)} {
			rows[i].got = append(rows[i].got, float64(d)/float64(time.Microsecond))
		}
		b.progress("round %d/%d: authorise p99 %s, minimal transaction p99 %s", round+1, b.rounds, micros(percentile(ours, 99)), micros(percentile(minimal, 99)))
	}
	if _, err := db.audit(ctx); err != nil {
		return err
	}
	b.figures = append(b.figures, figure{
		name: "p99 latency of authorise, one at a time, against a minimal transaction", goal: 2, unit: "×", atMost: true,
		got: rows[0].got.over(rows[1].got), rows: rows,
		remarks: []string{fmt.Sprintf("%s calls a round, each beside a minimal transaction (one UPDATE, one INSERT).", group(int64(calls)))},
	})
	return nil
}
