package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/agi"
	"talktime/billing"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/models"
)

// picky is a store that fails for one call and works for all others.
type picky struct {
	billing.Store
	bad string
}

func (p picky) Update(ctx context.Context, keys billing.Keys, decide func(*billing.State)) error {
	if slices.Contains(keys.Calls, p.bad) {
		return errors.New("disk on fire")
	}
	return p.Store.Update(ctx, keys, decide)
}

// newService is a service of Marta's, over a store that store makes of a real one.
func newService(t *testing.T, over func(billing.Store) billing.Store) *billing.Service {
	t.Helper()
	s := newSite(t)
	db := s.store(t)
	addMarta(t, db)
	t.Cleanup(func() {
		if b, err := db.UserByName(context.Background(), "marta"); err != nil || b.Held != 0 {
			t.Errorf("Marta has %+v, %v", b, err)
		}
	})
	service := billing.New(billing.Options{Store: over(db), Policy: billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
	}})
	t.Cleanup(service.Close)
	return service
}

func same(s billing.Store) billing.Store { return s }

// ended is the record of a call of Marta's that was never authorised.
func ended(callID string, seconds int64) agi.Record {
	return agi.Record{Result: &billing.CallResult{
		CallID: callID, Identity: billing.Identity{CallerID: marta}, Number: abroad,
		Evidence: models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", Answered: &seconds, Over: true},
	}}
}

func available(t *testing.T, service *billing.Service, want int64) {
	t.Helper()
	if got, _, err := service.Available(t.Context(), billing.Identity{CallerID: marta}); err != nil || got.Whole() != want {
		t.Errorf("Marta has %s, %v; want %d", got, err, want)
	}
}

func TestSpooledIsSettledOnce(t *testing.T) {
	t.Parallel()
	service := newService(t, same)
	waiting, log := spool.New(t.TempDir()), newJournal()
	for _, r := range []agi.Record{
		ended("pbx-1.1", 5), ended("pbx-1.2", 7), ended("pbx-1.1", 5),
		{Emergency: &billing.CallRequest{CallID: "pbx-1.3", Number: "112"}},
	} {
		if err := (records{waiting}).Put(r); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := settleSpooled(t.Context(), service, waiting, wiring.Logger(log)); err != nil {
			t.Error(err)
		}
	}
	available(t, service, 88)
	if n, err := waiting.Len(); n != 0 || err != nil {
		t.Errorf("%d records wait, %v", n, err)
	}
	if n := strings.Count(log.String(), `"msg":"settled from the spool"`); n != 3 {
		t.Errorf("%d lines say what was settled, want 3:\n%s", n, log)
	}
}

// TestUselessRecords are set aside for a person, with a word in the log, and do not keep the others waiting.
func TestUselessRecords(t *testing.T) {
	t.Parallel()
	service := newService(t, same)
	dir := t.TempDir()
	useless := []string{"", "null", "{}", `{"result":`, `{"result":7}`, "rubbish", `{"result":null,"emergency":null}`}
	for i, text := range useless {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	waiting, log := spool.New(dir), newJournal()
	if err := waiting.Put(ended("not a unique id", 5)); err != nil { // refused
		t.Fatal(err)
	}
	if err := waiting.Put(ended("pbx-1.1", 5)); err != nil {
		t.Fatal(err)
	}
	if err := settleSpooled(t.Context(), service, waiting, wiring.Logger(log)); err != nil {
		t.Error(err)
	}
	available(t, service, 95)
	bad, err := filepath.Glob(filepath.Join(dir, "*.bad"))
	if err != nil || len(bad) != len(useless)+1 {
		t.Errorf("set aside were %q, %v", bad, err)
	}
	if n := strings.Count(log.String(), "is set aside"); n != len(bad) {
		t.Errorf("%d lines say so:\n%s", n, log)
	}
}

// TestRecordThatFails stays, and the others have their turn.
func TestRecordThatFails(t *testing.T) {
	t.Parallel()
	service := newService(t, func(s billing.Store) billing.Store { return picky{s, "pbx-1.1"} })
	waiting, log := spool.New(t.TempDir()), newJournal()
	for _, id := range []string{"pbx-1.1", "pbx-1.2", "pbx-1.3"} {
		if err := waiting.Put(ended(id, 5)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := settleSpooled(t.Context(), service, waiting, wiring.Logger(log)); err != nil {
			t.Error(err)
		}
	}
	available(t, service, 90)
	if n, err := waiting.Len(); n != 1 || err != nil {
		t.Errorf("%d records wait, %v", n, err)
	}
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("the log says %s", log)
	}
}

// TestWithoutDatabaseEverythingWaits, and nobody asks it again and again for each record.
func TestWithoutDatabaseEverythingWaits(t *testing.T) {
	t.Parallel()
	service := billing.New(billing.Options{Store: noStore{}})
	defer service.Close()
	waiting := spool.New(t.TempDir())
	for _, r := range []agi.Record{ended("pbx-1.1", 5), ended("pbx-1.2", 5)} {
		if err := waiting.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := settleSpooled(t.Context(), service, waiting, slog.New(slog.DiscardHandler)); !errors.Is(err, models.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if n, err := waiting.Len(); n != 2 || err != nil {
		t.Errorf("%d records wait, %v", n, err)
	}
}

// asked is a list of open calls that is empty, and tells when it was looked at.
type asked chan struct{}

func (a asked) OpenCalls(context.Context, int64, int) ([]billing.OpenCall, error) {
	a <- struct{}{}
	return nil, nil
}

func (asked) NextCalls(context.Context, []models.Call) (map[string]time.Time, error) { return nil, nil }

func (asked) ClaimCall(context.Context, int64, time.Duration) (bool, error) { return false, nil }

// TestWork: lost calls are looked for even when a record must wait, and again and again until the end.
func TestWork(t *testing.T) {
	t.Parallel()
	service := newService(t, func(s billing.Store) billing.Store { return picky{s, "pbx-1.1"} })
	waiting, log := spool.New(t.TempDir()), newJournal()
	if err := waiting.Put(ended("pbx-1.1", 5)); err != nil {
		t.Fatal(err)
	}
	looked := make(asked)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		work(ctx, time.Millisecond, service, &billing.Reconciler{Service: service, Calls: looked, Logger: wiring.Logger(log)}, waiting, wiring.Logger(log))
	}()
	for range 3 {
		select {
		case <-looked:
		case <-time.After(patience):
			t.Fatalf("nobody looks for lost calls:\n%s", log)
		}
	}
	cancel()
	for {
		select {
		case <-looked: // it was on its way
			continue
		case <-over:
		case <-time.After(patience):
			t.Error("it does not end")
		}
		return
	}
}
