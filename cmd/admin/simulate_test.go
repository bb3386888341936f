package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/internal/wiring"
	"talktime/store"
)

// TestSimulateUntilInterrupted: Ctrl-C ends the calls in good order. They are settled, and the summary comes.
func TestSimulateUntilInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	address, stop, err := fastAGI(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	settings := map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_FASTAGI_LISTEN": address}
	getenv := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
	var stdout bytes.Buffer
	var stderr strings.Builder
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		args := []string{"simulate", "--users", "4", "--loop", "--talk", "50s", "--busy", "0", "--no-answer", "0", "--json"}
		ended <- run(ctx, args, system{getenv: getenv, stdout: &stdout, stderr: &stderr})
	}()
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for up := 0; up < 4; wiring.Pause(t.Context(), 10*time.Millisecond) { // they talk, all at once
		calls, err := db.ListedCalls(t.Context(), "open", 10)
		if err != nil {
			t.Fatal(err)
		}
		up = len(calls)
	}
	wiring.Pause(t.Context(), 2*maxRinging) // most phones have stopped ringing, which the table does not show
	interrupt()
	if code := <-ended; code != exitWell {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	var sum summaryJSON
	if err := json.Unmarshal(stdout.Bytes(), &sum); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	if sum.Dialled != 4 || sum.Ended["ANSWER"]+sum.Ended["CANCEL"] != 4 || sum.LeftOpen != 0 || sum.DifferentCalls != 0 || sum.Audit.OpenHolds != 0 || sum.Reducers != 4 {
		t.Errorf("%s", stdout.String())
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var l latencies
	if l.percentile(99) != 0 {
		t.Error("nothing has a percentile")
	}
	for i := range maxLatencies + 100 {
		l.add(time.Duration(i))
	}
	if len(l.kept) != maxLatencies {
		t.Errorf("%d are kept", len(l.kept))
	}
	if got := l.percentile(50); got < 50_000 || got > 50_200 {
		t.Errorf("half are within %d", got)
	}
	if got := l.percentile(100); got != maxLatencies+99 {
		t.Errorf("the longest is %d", got)
	}
}
