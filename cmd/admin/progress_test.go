package main

import (
	"strings"
	"testing"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	var terminal strings.Builder
	p := &progress{w: &terminal}
	p.show("%d rows", 1)
	p.show("%d rows", 2) // a moment later: left out
	p.clear()
	p.clear()
	if got, want := terminal.String(), "\r\x1b[K1 rows\r\x1b[K"; got != want {
		t.Errorf("a terminal gets %q, want %q", got, want)
	}
	(&progress{}).show("nobody looks")
	if p := (&command{system: system{stderr: &terminal}}).progress(); p.w != nil {
		t.Error("what is no terminal shows progress")
	}
}
