// Package expr parses the small languages inside the strings of a document: templates,
// path patterns and JSONPath. Everything is parsed once, while compiling; positions are
// byte offsets in the string, which spec.Text maps back to the file.
package expr

import (
	"iter"
	"slices"
	"strings"
)

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

// Part is literal text, or a reference, as IsRef says. Of a reference, Literal is the text as
// written, for forms that turn out to be plain text.
type Part struct {
	Literal string
	Ref     Ref
}

// IsRef reports whether the part is a reference.
func (p *Part) IsRef() bool { return p.Ref.Form != 0 }

// Template is a string with references.
type Template struct{ Parts []Part }

// Refs gives the references in order.
func (t Template) Refs() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for i := range t.Parts {
			if p := &t.Parts[i]; p.IsRef() && !yield(p.Ref) {
				return
			}
		}
	}
}

// HasRefs reports whether there is a reference.
func (t Template) HasRefs() bool {
	return slices.ContainsFunc(t.Parts, func(p Part) bool { return p.IsRef() })
}

// Literal gives the text of a template without references, and whether it is one.
func (t Template) Literal() (string, bool) {
	switch {
	case len(t.Parts) == 0:
		return "", true
	case len(t.Parts) == 1 && !t.Parts[0].IsRef():
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

// AppendTemplate appends the parts that [ParseTemplate] splits a string into.
func AppendTemplate(dst []Part, s string) []Part { return appendParts(dst, s, 0) }

// AppendPath appends the parts that [ParsePath] splits a path into.
func AppendPath(dst []Part, s string) []Part { return appendParts(dst, s, allowBrace) }

const (
	allowBrace = 1 << iota
	allowBracket
)

func parse(s string, allow int) Template {
	var room [8]Part
	return Template{slices.Clone(appendParts(room[:0], s, allow))}
}

func appendParts(dst []Part, s string, allow int) []Part {
	begin := 0   // of the text that is not yet in a part
	escape := "" // what stands before it: text that had an escape
	flush := func(end int) {
		if text := escape + s[begin:end]; text != "" {
			dst = append(dst, Part{Literal: text})
		}
		escape = ""
	}
	for i := 0; i < len(s); {
		if s[i] == '\\' && strings.HasPrefix(s[i:], `\{{`) {
			escape += s[begin:i] + "{{"
			i += 3
			begin = i
			continue
		}
		ref, ok := refAt(s, i, allow)
		if !ok {
			i++
			continue
		}
		flush(i)
		dst = append(dst, Part{Literal: s[ref.Start:ref.End], Ref: ref})
		i, begin = ref.End, ref.End
	}
	flush(len(s))
	return dst
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
