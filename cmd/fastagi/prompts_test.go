package main

import (
	"slices"
	"testing"

	"talktime/internal/config"
)

// TestUnknownPrompts: a recording under a name that nobody plays is a typing mistake, and told.
func TestUnknownPrompts(t *testing.T) {
	t.Parallel()
	var c config.Config
	c.Calls.Recordings = map[string]string{"card-pin": "a", "nocredit": "b", "card-pim": "c", "welcome": "d"}
	if got, want := unknownPrompts(c), []string{"TALKTIME_PROMPT_CARD_PIM", "TALKTIME_PROMPT_WELCOME"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
