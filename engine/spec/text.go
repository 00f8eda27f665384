package spec

import (
	"unicode/utf8"

	"capd/engine/diag"
)

// IsSet reports whether the text is given at all, be it empty.
func (t Text) IsSet() bool { return t.node != nil }

// Span gives the place of the text, quotes included. It is zero when the text is not given.
func (t Text) Span() diag.Span { return t.node.Span() }

// Path gives the YAML path of the value that holds the text.
func (t Text) Path() string { return t.node.Path() }

// Sub gives the place of the bytes from i to j of the text's value, through quoting,
// escapes and block scalars. Offsets out of range are moved into it. A text whose value is
// not what the file says at its place, because a name was normalised, gives its whole Span.
func (t Text) Sub(i, j int) diag.Span {
	if t.node == nil {
		return diag.Span{}
	}
	if t.Value != t.node.Text {
		return t.Span()
	}
	i = max(0, min(i, len(t.Value)))
	j = max(i, min(j, len(t.Value)))
	if begin, ok := evidentBegin(t.node); ok && isBoundary(t.Value, i) && isBoundary(t.Value, j) {
		return t.node.src.span(begin+i, begin+j)
	}
	d, ok := scanScalar(t.node, true)
	if !ok {
		return t.Span()
	}
	start, end := d.place(i, j)
	return t.node.src.span(start, end)
}

// isBoundary reports whether a character begins at byte i of s, or s ends there.
func isBoundary(s string, i int) bool { return i == len(s) || utf8.RuneStart(s[i]) }
