// Package expr parses the small languages inside the strings of a document: templates,
// path patterns and JSONPath. Everything is parsed once, while compiling; positions are
// byte offsets in the string, which spec.Text maps back to the file.
package expr

import "strings"

// Form is how a reference is written.
type Form uint8

// The forms of a reference.
const (
	Mustache Form = iota + 1 // {{x}}
	Chevron                  // <<x>>
	Dollar                   // ${x}
	Brace                    // {x}, in paths and base URIs only
	Bracket                  // [x], in base URIs only
)

// Ref is a reference to a value. Start and End are the byte offsets of the whole reference,
// marks included.
type Ref struct {
	Name       string
	Form       Form
	Start, End int
}

// Part is literal text, or a reference when Ref is not nil. Of a reference, Literal is the
// text as written, for forms that turn out to be plain text.
type Part struct {
	Literal string
	Ref     *Ref
}

// Template is a string with references.
type Template struct{ Parts []Part }

// Refs gives the references in order.
func (t Template) Refs() []*Ref {
	var out []*Ref
	for _, p := range t.Parts {
		if p.Ref != nil {
			out = append(out, p.Ref)
		}
	}
	return out
}

// Literal gives the text of a template without references, and whether it is one.
func (t Template) Literal() (string, bool) {
	switch {
	case len(t.Parts) == 0:
		return "", true
	case len(t.Parts) == 1 && t.Parts[0].Ref == nil:
		return t.Parts[0].Literal, true
	}
	return "", false
}

// ParseTemplate splits a string at {{x}}, <<x>> and ${x}. Text that only looks like the
// beginning of a reference stays text; \{{ is a literal {{.
func ParseTemplate(s string) Template { return parse(s, 0) }

// ParsePath splits a path at {x} as well.
func ParsePath(s string) Template { return parse(s, allowBrace) }

// ParseBaseURI splits a base URI at {x} and [x] as well. Brackets that hold an IPv6
// address stay text.
func ParseBaseURI(s string) Template { return parse(s, allowBrace|allowBracket) }

const (
	allowBrace = 1 << iota
	allowBracket
)

func parse(s string, allow int) Template {
	var t Template
	begin := 0              // of the text that is not yet in a part
	var lit strings.Builder // what stands before it: text that had an escape
	flush := func(end int) {
		text := s[begin:end]
		if lit.Len() > 0 {
			lit.WriteString(text)
			text = lit.String()
			lit.Reset()
		}
		if text != "" {
			t.Parts = append(t.Parts, Part{Literal: text})
		}
	}
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], `\{{`) {
			lit.WriteString(s[begin:i])
			lit.WriteString("{{")
			i += 3
			begin = i
			continue
		}
		found, ok := refAt(s, i, allow)
		if !ok {
			i++
			continue
		}
		flush(i)
		ref := found
		t.Parts = append(t.Parts, Part{Literal: s[ref.Start:ref.End], Ref: &ref})
		i, begin = ref.End, ref.End
	}
	flush(len(s))
	return t
}

// refAt reads the reference that begins at byte i, if one does.
func refAt(s string, i, allow int) (Ref, bool) {
	try := func(form Form, open, end, stop string) (Ref, bool) {
		if !strings.HasPrefix(s[i:], open) {
			return Ref{}, false
		}
		body := s[i+len(open):]
		n := strings.Index(body, end)
		if n < 0 {
			return Ref{}, false
		}
		name := strings.TrimSpace(body[:n])
		if name == "" || strings.ContainsAny(body[:n], stop) {
			return Ref{}, false
		}
		return Ref{Name: name, Form: form, Start: i, End: i + len(open) + n + len(end)}, true
	}
	switch s[i] {
	case '{':
		// Of "{{{x}}}" the inner pair is the reference.
		if r, ok := try(Mustache, "{{", "}}", "{}\n"); ok {
			return r, true
		}
		if allow&allowBrace != 0 {
			return try(Brace, "{", "}", "{}/\n")
		}
	case '<':
		return try(Chevron, "<<", ">>", "<>\n \t")
	case '$':
		return try(Dollar, "${", "}", "{}\n \t")
	case '[':
		if allow&allowBracket != 0 {
			return try(Bracket, "[", "]", "[]:/\n")
		}
	}
	return Ref{}, false
}
