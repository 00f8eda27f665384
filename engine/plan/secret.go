package plan

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"slices"
	"strings"
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

// forms gives the spellings in which the value can stand in a text: as it is, in a query,
// in a path, in a JSON string of any habit, and in XML. Values of fewer than four bytes
// are not looked for: replacing them would tear the text apart and hide nothing.
func (s Secret) forms() []string {
	if len(s.value) < 4 {
		return nil
	}
	if strings.IndexFunc(s.value, func(r rune) bool { return r >= 0x80 || !isUnreserved(byte(r)) }) < 0 {
		return []string{s.value} // it is spelled alike everywhere
	}
	plain := string(appendEscaped(nil, s.value))
	escaped, _ := json.Marshal(s.value) // <, > and & as \u00XX
	out := []string{s.value}
	for _, f := range []string{
		url.QueryEscape(s.value), url.PathEscape(s.value), string(appendPathEscaped(nil, s.value)),
		plain, string(escaped[1 : len(escaped)-1]), strings.ReplaceAll(plain, "/", `\/`), html.EscapeString(s.value),
	} {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}
