package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"talktime/models"
	"talktime/store"
)

// TestNobodyKeeps: what is known of nobody who keeps calls is soon too old, and a database that does not say keeps nobody from his money.
func TestNobodyKeeps(t *testing.T) {
	clock := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s, err := store.Open(store.Config{Path: filepath.Join(t.TempDir(), "talktime.db"), Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	change := func(statement string) {
		t.Helper()
		if err := s.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what      string
		after     time.Duration
		statement string
		want      bool
	}{
		{"a transaction", 3 * time.Second, "DELETE FROM moves", true},
		{"a moment later", 900 * time.Millisecond, "", true},
		{"too late", 200 * time.Millisecond, "", false},
		{"the next one", 0, "ALTER TABLE keepers RENAME TO away", true},
		{"which cannot be asked", 3 * time.Second, "DELETE FROM moves", false},
		{"nor is at once again", 300 * time.Millisecond, "ALTER TABLE away RENAME TO keepers", false},
		{"and can later", 300 * time.Millisecond, "DELETE FROM moves", true},
		{"a clock that is set back", -time.Hour, "", false},
		{"and looked at", 0, "DELETE FROM moves", true},
	} {
		if clock = clock.Add(step.after); step.statement != "" {
			change(step.statement)
		}
		if got := s.NobodyKeeps(); got != step.want {
			t.Errorf("%s: nobody keeps calls: %t", step.what, got)
		}
	}
	if err := s.KeeperAlive(t.Context(), models.Keeper{ID: 1, Name: "pbx"}); err != nil || s.NobodyKeeps() {
		t.Errorf("there is a keeper, %v", err)
	}
}
