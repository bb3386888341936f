package main

import (
	"fmt"
	"io"
	"time"
)

// progress shows on a terminal how far something is; elsewhere it shows nothing.
type progress struct {
	w     io.Writer // nil: nobody looks
	last  time.Time
	shown bool
}

// progressPause is how often a line is renewed.
const progressPause = 200 * time.Millisecond

func (c *command) progress() *progress {
	if isTerminal(c.stderr) {
		return &progress{w: c.stderr}
	}
	return &progress{}
}

// show renews the line, unless it was renewed a moment ago.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < progressPause {
		return
	}
	p.last, p.shown = time.Now(), true
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// clear takes the line away again.
func (p *progress) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
