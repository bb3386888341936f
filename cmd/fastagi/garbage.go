package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"talktime/internal/wiring"
)

// Garbage is cheaper than collecting it often, up to a bound. Under load little memory is in use, and most of it turns
// over: a collection may wait until there is four times as much. When thousands of calls are held it may not, or each of
// them would seem to need five times its memory.
const (
	garbageBytes   = 32 << 20
	mostGarbage    = 400 // per cent of what is in use
	leastGarbage   = 10
	memoryLimit    = 1 << 30
	garbageWatched = time.Second
)

// watchGarbage tells the collector how much garbage it may leave, until ctx ends. GOGC in the environment goes before.
func watchGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(mostGarbage)
	now := uint64(mostGarbage)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for wiring.Pause(ctx, garbageWatched) {
		metrics.Read(live)
		used := max(live[0].Value.Uint64(), 1)
		wanted := min(max(garbageBytes*100/used, leastGarbage), mostGarbage)
		if wanted*10 > now*11 || wanted*10 < now*9 { // each change stops the world for a moment
			debug.SetGCPercent(int(wanted))
			now = wanted
		}
	}
}
