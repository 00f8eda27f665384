// Package diag holds problems as data: where they are, how bad they are, what was
// expected and how to mend them. Finding a problem and printing it are separate: a
// phase returns a [List], a renderer writes it.
package diag

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Pos is a place in a text: line and column, both 1-based, columns counted in code
// points. The zero Pos means "not known".
type Pos struct{ Line, Col int }

// IsValid reports whether p names a place.
func (p Pos) IsValid() bool { return p.Line > 0 }

// Compare orders positions as they stand in the text.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Span is a range of one file. End is exclusive and may be zero when only the start is
// known. A Span without a valid Start speaks of the whole file.
type Span struct {
	File       string
	Start, End Pos
}

// String gives "file:line:col", or just the file when the place is not known.
func (s Span) String() string {
	if !s.Start.IsValid() {
		return s.File
	}
	return s.File + ":" + strconv.Itoa(s.Start.Line) + ":" + strconv.Itoa(s.Start.Col)
}

// Severity says what follows from a problem. It never depends on the command that found
// it. The zero Severity is invalid, so that a forgotten one shows.
type Severity uint8

// The severities: an Error refuses its unit, a Warning serves it but wants the author's
// eyes, Info is advice.
const (
	Error Severity = iota + 1
	Warning
	Info
)

// String gives the lower-case word used in every output.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Info:
		return "info"
	}
	return "invalid severity " + strconv.Itoa(int(s))
}

// MarshalText gives the word of [Severity.String].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Unit is the smallest thing a problem refuses. An empty field widens it: Doc alone is a
// file, Doc and Adapter an exposure, all three an operation or a tool.
type Unit struct {
	Doc     string `json:"doc,omitempty"`
	Adapter string `json:"adapter,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Related is a second place that explains a problem ("first declared here").
type Related struct {
	Span    Span
	Message string
}

// Edit replaces the text of Span by New. An empty Span (End equal to Start) inserts.
type Edit struct {
	Span Span
	New  string
}

// Diagnostic is one problem. Message is a sentence without a full stop that says what is
// wrong; Hint says what to do. Path is the YAML path of the value ("capability.exposes[0].port"), which
// stays the same when lines move. Rule names the rule of the contract ("C6b"), if one decides.
type Diagnostic struct {
	Code          Code
	Severity      Severity
	Span          Span
	Path          string
	Unit          Unit
	Rule          string
	Message, Hint string
	Related       []Related
	Fixes         []Edit
}

// String is the one-line form: file:line:col: severity [code] message; hint.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.Span.File != "" {
		b.WriteString(d.Span.String())
		b.WriteString(": ")
	}
	b.WriteString(d.Severity.String())
	b.WriteString(" [")
	b.WriteString(string(d.Code))
	b.WriteString("] ")
	b.WriteString(d.Message)
	if d.Hint != "" {
		b.WriteString("; ")
		b.WriteString(d.Hint)
	}
	return b.String()
}

// List is what a phase found. It is a value, not an error: warnings exist without errors.
type List []Diagnostic

// Add appends d.
func (l *List) Add(d Diagnostic) { *l = append(*l, d) }

// Count gives the number of problems of one severity.
func (l List) Count(s Severity) int {
	n := 0
	for i := range l {
		if l[i].Severity == s {
			n++
		}
	}
	return n
}

// HasErrors reports whether anything is refused.
func (l List) HasErrors() bool { return l.Count(Error) > 0 }

// Sort orders by file, place, severity, code and message, the same on every run.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Span.File, b.Span.File),
			a.Span.Start.Compare(b.Span.Start),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Unit.Name, b.Unit.Name),
		)
	})
}
