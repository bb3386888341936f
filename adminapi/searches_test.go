package adminapi

import (
	"context"
	"testing"
)

// TestTurns: nobody keeps all others from their searches.
func TestTurns(t *testing.T) {
	t.Parallel()
	var s searches
	enter := func(ctx context.Context, who string) func() {
		t.Helper()
		leave, err := s.enter(ctx, who)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	first, second := enter(t.Context(), "a"), enter(t.Context(), "a")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.enter(gone, "a"); err == nil {
		t.Error("a third turn")
	}
	enter(t.Context(), "b")()
	waiting := make(chan func())
	go func() { waiting <- enter(t.Context(), "a") }()
	first()
	third := <-waiting
	third()
	second()
	if len(s.of) != 0 {
		t.Errorf("%d are remembered", len(s.of))
	}
}
