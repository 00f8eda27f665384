package spec

import (
	"regexp"
	"strings"
)

// The catalogue stores the first 32 KB of a text and says so in a comment at the end
// (contract L1).
var (
	truncationMark   = regexp.MustCompile(`(?m)^# --- truncated at[^\r\n]*`)
	truncationSource = regexp.MustCompile(`(?m)^# Full source:[ \t]*(\S+)`)
)

// findTruncation looks for the catalogue's marker; the last one counts.
func findTruncation(src *source) *Truncation {
	first := strings.Index(src.text, "# --- truncated at")
	if first < 0 {
		return nil // to search all of the text below costs as much as a tenth of the parse
	}
	begin := strings.LastIndexByte(src.text[:first], '\n') + 1
	all := truncationMark.FindAllStringIndex(src.text[begin:], -1)
	if all == nil {
		return nil
	}
	at := all[len(all)-1]
	t := &Truncation{Span: src.span(begin+at[0], begin+at[1])}
	if m := truncationSource.FindStringSubmatch(src.text[begin+at[1]:]); m != nil {
		t.Source = m[1]
	}
	return t
}

// lastNode gives the last node of a tree: the one that was cut. Of a key without a value
// that is the key.
func lastNode(v *Value) *Value {
	for {
		switch {
		case len(v.Items) > 0:
			v = v.Items[len(v.Items)-1]
		case len(v.Members) > 0:
			last := v.Members[len(v.Members)-1]
			if last.Value.Kind == Null && last.Value.Text == "" {
				return last.Key.node
			}
			v = last.Value
		default:
			return v
		}
	}
}

// fullText names where the whole text is, for a hint.
func (t *Truncation) fullText() string {
	if t.Source == "" {
		return "serve the full text instead"
	}
	return "the full text is at " + t.Source
}
