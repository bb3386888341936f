package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"talktime/agi"
	"talktime/billing"
)

// TestTraffic: the minute's line has what happened in it, and there is none without anything.
func TestTraffic(t *testing.T) {
	t.Parallel()
	before := traffic{
		sessions:  agi.Stats{Total: 5, Calls: map[agi.CallKind]agi.CallTotal{{Script: "caller", Status: "OK"}: {Count: 5}}},
		committed: billing.Traffic{Commits: 2, Operations: 10, Waits: billing.Waits{10}},
	}
	if facts := before.since(before); facts != nil {
		t.Errorf("nothing happened: %v", facts)
	}
	now := traffic{
		sessions: agi.Stats{
			Total: 9, Open: 1, Dialing: 1, RejectedAddress: 2, RejectedLimit: 3, DroppedUngreeted: 4,
			Calls: map[agi.CallKind]agi.CallTotal{
				{Script: "caller", Status: "OK"}: {Count: 5}, {Script: "reducer", Status: "done"}: {Count: 2}, {Script: "authorize", Status: "NOCREDIT"}: {Count: 1},
			},
		},
		committed: billing.Traffic{Commits: 4, Operations: 13, Waits: billing.Waits{10, 0, 0, 3}},
		spooled:   6,
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("traffic", now.since(before)...)
	want := `"msg":"traffic","ended":{"authorize_NOCREDIT":1,"reducer_done":2},"sessions":4,"open":1,"dialing":1,"turned_away":9,` +
		`"spooled":6,"operations":3,"commits":2,"batch":1.5,"p99_ms":2}`
	if !strings.HasSuffix(b.String(), want+"\n") {
		t.Errorf("got  %s\nwant %s", &b, want)
	}
	if facts := (traffic{spooled: 1}).since(traffic{spooled: 1}); facts == nil {
		t.Error("a record waits, and nobody says so")
	}
}
