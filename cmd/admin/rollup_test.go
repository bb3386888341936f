package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/internal/config"
	"talktime/stats"
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
	if ours, err := s.Claim(t.Context(), "long gone", "somebody", time.Minute); err != nil || !ours {
		t.Fatal(ours, err)
	}
	if err := s.Unclaim(t.Context(), "long gone", "somebody"); err != nil {
		t.Fatal(err)
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

// slowSource is a source that reads everything to find out what has changed.
type slowSource struct {
	stats.Dated

	slow  bool
	asked int
	err   error
}

func (s *slowSource) Name() string { return fmt.Sprint("slow ", s.slow, s.err != nil) }
func (s *slowSource) Slow() bool   { return s.slow }
func (s *slowSource) Days(context.Context, stats.Day, stats.Day) (map[stats.Day]string, error) {
	s.asked++
	return nil, s.err
}

// TestSlowSourcesRest: a CDR table without an index of dates is not read every minute, also when that fails.
func TestSlowSourcesRest(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t).Migrated(t)
	broken := &stats.SourceError{Name: "slow", Reason: "it took too long"}
	sources := []*slowSource{{slow: true}, {slow: true, err: broken}, {}, {err: broken}}
	d := dayCounter{nil, slog.New(slog.DiscardHandler), map[string]bool{}, map[string]int{}}
	for _, source := range sources {
		d.rollers = append(d.rollers, &stats.Roller{
			Source: source, Kinds: func(context.Context) ([]stats.Kind, error) { return nil, nil }, Keeper: s, Location: time.UTC, Now: time.Now, Holder: "test",
		})
	}
	for range 61 {
		d.look(t.Context())
	}
	for i, want := range []int{2, 2, 61, 61} {
		if got := sources[i].asked; got != want {
			t.Errorf("%s was asked %d times in an hour, want %d", sources[i].Name(), got, want)
		}
	}
}
