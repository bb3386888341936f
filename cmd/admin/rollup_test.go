package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/internal/config"
	"talktime/store/storetest"
)

// logged is a log that several may write while somebody reads it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// TestDaysAreCounted in the background: a CDR database that is away keeps nobody from counting our own calls.
func TestDaysAreCounted(t *testing.T) {
	t.Parallel()
	d := storetest.SQLite(t)
	d.Config.Location = time.UTC
	s := d.Migrated(t)
	began := time.Now().UTC().AddDate(0, 0, -2).Format(time.DateTime)
	if _, err := d.SQL(t).ExecContext(t.Context(), "INSERT INTO cdr_records (started_at, id, unique_id, dst, disposition, last_app) VALUES (?, 1, '1.1', '49301', 'ANSWERED', 'Dial')", began); err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{Location: time.UTC, RollUps: config.RollUpsAll, CDR: config.CDR{Databases: []config.CDRDatabase{
		{Slot: 1, Host: "127.0.0.1", Port: 1, User: "nobody"}, {Slot: 2, Host: "127.0.0.1", Port: 2, User: "nobody"},
	}}}
	log := &logged{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	counts, err := newStatistics(s, cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = counts.Close() }()
	if ours, err := s.Claim(t.Context(), "long gone", "somebody", 0); err != nil || !ours {
		t.Fatal(ours, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		countDays(ctx, s, counts.rollers(), logger)
	}()
	for !log.has("source=127.0.0.1:2") {
		select {
		case <-done:
			t.Fatal(log.text.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	<-done
	if !log.has(`msg="days are counted" source=talktime`) || !log.has(`msg="the days of a source cannot be counted; trying again" source=127.0.0.1:1`) {
		t.Errorf("it says\n%s", log.text.String())
	}
	figures, err := s.Figures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		source string
		days   int64
		passed bool
	}{{"127.0.0.1:1", 0, false}, {"127.0.0.1:2", 0, false}, {"talktime", 1, true}} {
		if len(figures.RollUps) != 3 || figures.RollUps[i].Source != want.source || figures.RollUps[i].Days < want.days || figures.RollUps[i].Passed.IsZero() == want.passed {
			t.Errorf("the figures are %+v", figures.RollUps)
			break
		}
	}
}
