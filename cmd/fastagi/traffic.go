package main

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"talktime/agi"
	"talktime/billing"
	"talktime/internal/spool"
	"talktime/internal/wiring"
)

// trafficPause is how often the log sums up.
const trafficPause = time.Minute

// traffic is what the server and the committers have done until a moment.
type traffic struct {
	sessions  agi.Stats
	committed billing.Traffic
	spooled   int // records that wait
}

// watchTraffic sums up in the log what happened in each minute in which something did.
func watchTraffic(ctx context.Context, server *agi.Server, service *billing.Service, waiting *spool.Spool, log *slog.Logger) {
	var last traffic
	for goOn := true; goOn; {
		goOn = wiring.Pause(ctx, trafficPause)
		now := traffic{sessions: server.Stats(), committed: service.Traffic()}
		now.spooled, _ = waiting.Len() // what is wrong with the folder is told by whoever uses it
		if facts := now.since(last); facts != nil {
			log.Info("traffic", facts...)
		}
		last = now
	}
}

// since says what has happened since an earlier moment; nil when nothing has.
func (t traffic) since(earlier traffic) []any {
	committed := t.committed.Since(earlier.committed)
	var scripts []any
	kinds := make([]string, 0, len(t.sessions.Calls))
	counts := make(map[string]uint64, len(t.sessions.Calls))
	for kind, total := range t.sessions.Calls {
		if n := total.Count - earlier.sessions.Calls[kind].Count; n > 0 {
			name := kind.Script + "_" + kind.Status
			kinds, counts[name] = append(kinds, name), n
		}
	}
	slices.Sort(kinds)
	for _, name := range kinds {
		scripts = append(scripts, slog.Uint64(name, counts[name]))
	}
	s, e := t.sessions, earlier.sessions
	turnedAway := s.RejectedAddress - e.RejectedAddress + s.RejectedLimit - e.RejectedLimit + s.DroppedUngreeted - e.DroppedUngreeted
	if s.Total == e.Total && turnedAway == 0 && committed.Commits == 0 && len(scripts) == 0 && t.spooled == 0 {
		return nil
	}
	batch := 0.0
	if committed.Commits > 0 {
		batch = math.Round(10*float64(committed.Operations)/float64(committed.Commits)) / 10
	}
	return []any{
		slog.Group("ended", scripts...),
		"sessions", s.Total - e.Total, "open", s.Open, "dialing", s.Dialing, "turned_away", turnedAway, "spooled", t.spooled,
		"operations", committed.Operations, "commits", committed.Commits, "batch", batch,
		"p99_ms", float64(committed.Waits.Percentile(99)) / float64(time.Millisecond),
	}
}
