package portable

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// maxSchema is the largest schema that every client takes: some drop a tool whose schema is
// larger, and say nothing.
const maxSchema = 16 << 10

// writer writes shapes as JSON Schema.
type writer struct {
	input   bool
	aliases map[string]string // published names of members, by declared name
	// What is left out, the deepest first; 0 is nothing, n is all that is n or more levels
	// below the root.
	silent, plain int
	depth         int
}

func (w *writer) published(name string) string {
	if a, ok := w.aliases[name]; ok {
		return a
	}
	return name
}

// append writes a shape.
func (w *writer) append(dst []byte, s *shape) []byte {
	dst = append(dst, '{')
	sep := byte(0)
	add := func(name string) {
		if sep != 0 {
			dst = append(dst, sep)
		}
		sep = ','
		dst = append(append(dst, quoted(name)...), ':')
	}
	if s.typ != "" {
		add("type")
		dst = append(dst, quoted(s.typ)...)
	}
	choices, title, description := s.choices, s.title, w.description(s)
	if w.input && isNullable(s) { // some clients take a choice only alone
		choices, title, description = w.inFirst(s, title, description), "", ""
	}
	if w.plain > 0 && w.depth >= w.plain {
		choices = nil
	}
	if title != "" && !w.isSilent() {
		add("title")
		dst = append(dst, quoted(title)...)
	}
	if description != "" && !w.isSilent() {
		add("description")
		dst = append(dst, quoted(description)...)
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.plain > 0 && w.depth > w.plain {
		if s.typ == typeArray {
			add("items")
			dst = append(dst, "{}"...)
		}
		return append(dst, '}')
	}
	if s.enum != nil {
		add("enum")
		dst = AppendList(dst, s.enum)
	}
	if s.items != nil {
		add("items")
		dst = w.append(dst, s.items)
	}
	if len(s.fields) > 0 || s.typ == typeObject && w.depth == 1 {
		add("properties")
		dst = w.appendFields(dst, s.fields)
	}
	if len(s.required) > 0 {
		add("required")
		dst = w.appendNames(dst, s.required)
	}
	if !w.input && (s.closed || s.rest != nil) {
		add("additionalProperties")
		if s.closed {
			dst = append(dst, "false"...)
		} else {
			dst = w.append(dst, s.rest)
		}
	}
	for _, word := range s.words {
		add(word.Name)
		dst = append(dst, word.Value...)
	}
	if len(choices) > 0 {
		add("anyOf")
		w.depth-- // a choice is on the level of what it is a choice of
		dst = w.appendChoices(dst, choices)
		w.depth++
	}
	return append(dst, '}')
}

func (w *writer) isSilent() bool { return w.silent > 0 && w.depth >= w.silent }

func (w *writer) appendFields(dst []byte, fields []field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, quoted(w.published(f.name))...), ':')
		dst = w.append(dst, f.shape)
	}
	return append(dst, '}')
}

func (w *writer) appendChoices(dst []byte, choices []*shape) []byte {
	dst = append(dst, '[')
	for i, c := range choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.append(dst, c)
	}
	return append(dst, ']')
}

func (w *writer) appendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, quoted(w.published(name))...)
	}
	return append(dst, ']')
}

// AppendList appends a JSON list of values.
func AppendList(dst []byte, values []json.RawMessage) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

// isNullable reports whether a shape is another one or null.
func isNullable(s *shape) bool {
	return s.typ == "" && len(s.choices) == 2 && s.choices[1].typ == typeNull
}

// inFirst gives the choices with the texts of the whole at the first one.
func (w *writer) inFirst(s *shape, title, description string) []*shape {
	first := *s.choices[0]
	first.title = firstOf(title, first.title)
	first.description, first.notes, first.either = joinTexts(description, w.description(&first)), nil, nil
	return []*shape{&first, s.choices[1]}
}

// description gives what is declared, and what can only be said in words.
func (w *writer) description(s *shape) string {
	parts := []string{s.description, eitherText(s.either, w.published)}
	if w.input {
		parts = append(parts, s.notes...)
		if s.rest != nil {
			parts = append(parts, w.restText(s))
		}
	}
	return joinTexts(parts...)
}

// restText says what the members are whose names the caller chooses.
func (w *writer) restText(s *shape) string {
	lead := "Any keys"
	if len(s.fields) > 0 {
		lead = "Further keys are allowed"
	}
	inner := *w
	inner.silent = 1
	text := string(inner.append(nil, s.rest))
	switch {
	case len(s.rest.choices)+len(s.rest.fields) == 0 && s.rest.typ != "" && s.rest.typ != typeArray:
		return lead + "; each value is of type " + s.rest.typ + "."
	case text == "{}":
		return lead + "."
	case len(text) <= maxNote:
		return lead + "; each value fits the JSON Schema " + text
	}
	return lead + "; each value is of type " + firstOf(s.rest.typ, "any") + "."
}

// joinTexts joins sentences.
func joinTexts(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p = strings.TrimSpace(p); p == "" || strings.Contains(b.String(), p) {
			continue
		}
		if b.Len() > 0 {
			if last := b.String()[b.Len()-1]; last != '.' && last != '!' && last != '?' && last != ':' {
				b.WriteByte('.')
			}
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	return b.String()
}

// write gives the schema, of at most maxSchema bytes: if need be without the texts, then
// without what is in members, the deepest first, then without members.
func (w *writer) write(s *shape) json.RawMessage {
	out := w.append(nil, s)
	for w.silent = maxSchemaDepth; len(out) > maxSchema && w.silent > 0; w.silent-- {
		out = w.append(nil, s)
	}
	if len(out) > maxSchema {
		w.silent = 1
	}
	for w.plain = maxSchemaDepth; len(out) > maxSchema && w.plain > 0; w.plain-- {
		out = w.append(nil, s)
	}
	if len(out) > maxSchema {
		w.plain = 1
		out = w.append(nil, w.shorten(s))
	}
	w.silent, w.plain = 0, 0
	return out
}

// shorten leaves out members until the rest fits, those first that need not be given.
func (w *writer) shorten(s *shape) *shape {
	const room = maxSchema - 512 // for what is not members
	out := &shape{typ: s.typ, closed: false}
	used, all := 0, len(s.fields)
	take := func(required bool) {
		for _, f := range s.fields {
			if slices.Contains(s.required, f.name) != required {
				continue
			}
			need := len(w.append(nil, f.shape)) + len(quoted(w.published(f.name))) + 2
			if required {
				need += len(quoted(w.published(f.name))) + 1
			}
			if used+need > room {
				return
			}
			used += need
			out.fields = append(out.fields, f)
			if required {
				out.required = append(out.required, f.name)
			}
		}
	}
	take(true)
	take(false)
	if n := all - len(out.fields); n > 0 {
		out.description = strconv.Itoa(n) + " further inputs are not listed here, because the list would be too long."
	}
	return out
}
