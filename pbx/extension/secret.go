package extension

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is shown in place of a secret.
const Mask = "********"

// Secret is a telephone's password. However it is printed, logged or encoded, there is only [Mask]; string(s) is what it is.
type Secret string

// String is [Mask], or empty where there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// Format implements fmt.Formatter: no verb shows a secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
