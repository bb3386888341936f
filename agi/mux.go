package agi

import (
	"context"
	"errors"
	"log/slog"
)

// A Handler is a call script. It returns when it has nothing more to say to Asterisk; its error is logged and
// counted, and should not be an ordinary refusal. ctx ends only when the server must stop at once, not when the
// caller hangs up: what he owes must still be written down.
type Handler interface {
	ServeAGI(ctx context.Context, ch *Channel) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, ch *Channel) error

// ServeAGI calls f.
func (f HandlerFunc) ServeAGI(ctx context.Context, ch *Channel) error { return f(ctx, ch) }

// ErrUnknownScript: the agi:// URL names no script of ours.
var ErrUnknownScript = errors.New("agi: unknown script")

// A Mux chooses the script by the path of the agi:// URL, letter for letter.
type Mux struct {
	scripts map[string]Handler
}

// NewMux returns a Mux without scripts.
func NewMux() *Mux { return &Mux{scripts: map[string]Handler{}} }

// Handle registers a script. All are registered before the server starts.
func (m *Mux) Handle(script string, h Handler) { m.scripts[script] = h }

// ServeAGI runs the script that Asterisk asks for. An unknown one is refused, and Asterisk's console told why.
func (m *Mux) ServeAGI(ctx context.Context, ch *Channel) error {
	script := ch.request.Script
	if h, ok := m.scripts[script]; ok {
		ch.script = script
		return h.ServeAGI(ctx, ch)
	}
	ch.script = "unknown"
	ch.Note(slog.String("path", short(script)))
	refuse(ch, "unknown script")
	return ErrUnknownScript
}

// refuse tells the dialplan and Asterisk's console that a call ends here for a mistake, so far as they still
// listen. A dialplan dials only where TALKTIME_STATUS is OK.
func refuse(ch *Channel, reason string) {
	if ch.Set("TALKTIME_STATUS", "ERROR") == nil && ch.Set("CELCOM_STATUS", "ERROR") == nil && ch.Set("TALKTIME_REASON", reason) == nil {
		_ = ch.Verbose("talktime: "+reason+": "+short(ch.request.Script), 1)
	}
}
