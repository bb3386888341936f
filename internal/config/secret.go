package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what stands in place of a secret wherever it would be shown.
const redacted = "[redacted]"

// Secret is a password or token. It prints, logs and marshals as a placeholder whatever the verb, so
// that a whole Config can be logged without thinking; only Reveal gives the value.
type Secret string

// Reveal returns the value itself, for the one place that sends or compares it.
func (s Secret) Reveal() string { return string(s) }

// Format writes the placeholder for every verb, also %d and %#v, which do not ask a String method.
func (s Secret) Format(f fmt.State, _ rune) {
	// The error of a print cannot be told to anybody from here; fmt drops it as well.
	_, _ = io.WriteString(f, s.shown())
}

// String returns the placeholder, or nothing for a secret that is not set.
func (s Secret) String() string { return s.shown() }

// LogValue keeps the value out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// MarshalText keeps the value out of JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return redacted
}
