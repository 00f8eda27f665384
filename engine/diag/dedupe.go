package diag

import (
	"fmt"
	"slices"
)

// maxOthers is how many other units a merged problem names.
const maxOthers = 5

// Dedupe reports each problem once: diagnostics with the same code, span and message become
// the first of them, with the worst severity of all; the units of the others become related
// places. The order is kept, and l is left as it is.
func (l List) Dedupe() List {
	type key struct {
		code    Code
		span    Span
		message string
	}
	out := make(List, 0, len(l))
	at := make(map[key]int, len(l))
	units := make(map[int][]Unit)
	for _, d := range l {
		k := key{d.Code, d.Span, d.Message}
		i, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, d)
			continue
		}
		out[i] = merge(out[i], d)
		if d.Unit != out[i].Unit && !slices.Contains(units[i], d.Unit) {
			units[i] = append(units[i], d.Unit)
		}
	}
	for i, others := range units {
		out[i].Related = append(slices.Clip(out[i].Related), alsoConcerns(out[i].Span, others)...)
	}
	return out
}

// merge keeps of b what a does not say.
func merge(a, b Diagnostic) Diagnostic {
	if b.Severity != 0 && b.Severity < a.Severity {
		a.Severity = b.Severity
	}
	if a.Hint == "" {
		a.Hint = b.Hint
	}
	if a.Rule == "" {
		a.Rule = b.Rule
	}
	if a.Fixes == nil {
		a.Fixes = b.Fixes
	}
	for _, r := range b.Related {
		if !slices.Contains(a.Related, r) {
			a.Related = append(slices.Clip(a.Related), r)
		}
	}
	return a
}

func alsoConcerns(span Span, units []Unit) []Related {
	var out []Related
	for i, u := range units {
		if i == maxOthers {
			out = append(out, Related{Span: span, Message: fmt.Sprintf("and %d more", len(units)-maxOthers)})
			break
		}
		out = append(out, Related{Span: span, Message: "also concerns " + u.String()})
	}
	return out
}

// String names the unit for a message: "rooms-mcp list-rooms of team-a/rooms".
func (u Unit) String() string {
	s := u.Adapter
	if u.Name != "" && s != "" {
		s += " "
	}
	s += u.Name
	switch {
	case s == "" && u.Doc == "":
		return "the document"
	case s == "":
		return u.Doc
	case u.Doc != "":
		return s + " of " + u.Doc
	}
	return s
}
