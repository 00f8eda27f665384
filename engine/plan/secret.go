package plan

import (
	"fmt"
	"log/slog"
)

// Masked is what stands for a secret wherever it could be seen.
const Masked = "<secret>"

// Secret is a value that no log, error, dump, metric or trace may show. Every way of
// printing it gives "<secret>"; only the code that puts it on the wire calls Reveal.
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the value.
func (s Secret) Reveal() string { return s.value }

// IsEmpty reports whether there is no value to protect.
func (s Secret) IsEmpty() bool { return s.value == "" }

// String hides the value.
func (Secret) String() string { return Masked }

// Format hides the value for every verb of fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Masked)) }

// MarshalText hides the value in JSON and the like.
func (Secret) MarshalText() ([]byte, error) { return []byte(Masked), nil }

// LogValue hides the value in structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(Masked) }
