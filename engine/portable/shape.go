package portable

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// What is read of a schema. References can make a small text a huge schema, so that what is
// read is bounded, not only what is written.
const (
	maxSchemaDepth = 10   // levels below the root, as deep as some clients take
	maxShapes      = 2000 // more do not fit into maxSchema
	readBudget     = 256 << 10
)

// The types of JSON Schema.
const (
	typeObject  = "object"
	typeArray   = "array"
	typeString  = "string"
	typeNumber  = "number"
	typeInteger = "integer"
	typeBoolean = "boolean"
	typeNull    = "null"
)

// shape is a schema as it can be published: one type, and no words that some client refuses.
// What those words say stands in notes.
type shape struct {
	typ         string // empty: anything, or what choices say
	title       string
	description string
	notes       []string
	words       Object // limits; their values as they were written
	enum        []json.RawMessage
	fields      []field
	required    []string
	items       *shape
	rest        *shape // of members beside fields; nil: nothing is said of them
	closed      bool   // there are no members beside fields
	choices     []*shape
	either      []combination
	again       *shape // the shape, around this one, that this one is again
	never       bool   // nothing fits
	told        bool   // words that some client refuses are in notes
}

type field struct {
	name  string
	shape *shape
}

// combination is what goes together where a schema offers a choice.
type combination struct {
	label string
	names []string          // what must be given
	only  map[string]string // the one value it must have then, as JSON
}

// reader makes shapes of the schemas of one tool.
type reader struct {
	root   json.RawMessage
	input  bool // of arguments: models' APIs get it, and calls are checked against the declared one
	shapes int
	bytes  int
	open   map[string]*shape // the references that are being followed
	known  map[string]json.RawMessage
}

func newReader(root json.RawMessage, input bool) *reader {
	return &reader{
		root: root, input: input, shapes: maxShapes, bytes: readBudget + (maxSchemaDepth+2)*len(root),
		open: map[string]*shape{}, known: map[string]json.RawMessage{},
	}
}

// read gives the shape of the whole schema.
func (r *reader) read() *shape {
	s := &shape{}
	r.open["#"] = s
	r.fill(s, r.root, 0)
	return s
}

// notShown says that a schema was cut.
const notShown = "What is in it is not shown here."

func (r *reader) shape(raw json.RawMessage, depth int) *shape {
	s := &shape{}
	r.fill(s, raw, depth)
	return s
}

// fill reads a schema into s, which others may refer to already.
func (r *reader) fill(s *shape, raw json.RawMessage, depth int) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "false" {
		s.never = true
		return
	}
	r.shapes--
	r.bytes -= len(raw)
	if r.shapes < 0 || r.bytes < 0 {
		s.note(notShown)
		return
	}
	o, err := ParseObject(raw)
	if err != nil {
		return // true, or no schema
	}
	o = o.Unique()
	types := typesOf(o)
	if depth > maxSchemaDepth {
		if len(types) == 1 {
			s.typ = types[0]
		}
		if s.typ == "" || s.typ == typeObject || s.typ == typeArray {
			s.note(notShown)
		}
		return
	}
	r.readTexts(s, o)
	r.readValues(s, o)
	if r.input {
		types = inferTypes(s, o, types)
	}
	r.readObject(s, o, depth)
	r.readList(s, o, depth)
	r.readChoices(s, o, depth)
	s.split(types)
	for _, part := range o.list("allOf") {
		s.merge(r.shape(part, depth))
	}
	for _, word := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
		if ref, ok := o.text(word); ok {
			r.follow(s, ref, depth)
		}
	}
	if r.input {
		r.sayConditions(s, o)
		s.flatten(depth == 0)
		s.tell()
	}
}

// follow merges what a reference refers to. One that leads back to where it stands is cut.
func (r *reader) follow(s *shape, ref string, depth int) {
	if outer := r.open[ref]; outer != nil {
		if outer != s {
			s.again = outer
			s.typ = firstOf(s.typ, r.typeBehind(ref))
			s.note("The same schema as the enclosing one, again.")
		}
		return
	}
	raw, ok := r.resolve(ref)
	if !ok {
		return // of another document: nothing is known of it
	}
	target := &shape{}
	r.open[ref] = target
	r.fill(target, raw, depth)
	delete(r.open, ref)
	s.merge(target)
}

// typeBehind gives the type that a schema names, where it is one.
func (r *reader) typeBehind(ref string) string {
	raw, _ := r.resolve(ref)
	o, err := ParseObject(raw)
	if err != nil {
		return ""
	}
	if types := typesOf(o); len(types) == 1 {
		return types[0]
	}
	if len(o.list("anyOf"))+len(o.list("oneOf")) == 0 && o.Find("properties") >= 0 {
		return typeObject
	}
	return ""
}

// resolve gives the schema that a reference inside this document refers to.
func (r *reader) resolve(ref string) (json.RawMessage, bool) {
	if raw, ok := r.known[ref]; ok {
		return raw, raw != nil
	}
	raw := pointer(r.root, ref)
	r.known[ref] = raw
	return raw, raw != nil
}

// pointer follows a JSON pointer (RFC 6901) in a URI fragment; nil when nothing is there. A
// name instead of a pointer is an $anchor of one of the definitions.
func pointer(root json.RawMessage, ref string) json.RawMessage {
	path, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil
	}
	if path == "" {
		return root
	}
	if !strings.HasPrefix(path, "/") {
		return anchored(root, path)
	}
	at := root
	for token := range strings.SplitSeq(path[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(unescapeFragment(token), "~1", "/"), "~0", "~")
		if o, err := ParseObject(at); err == nil {
			i := o.Find(token)
			if i < 0 {
				return nil
			}
			at = o[i].Value
			continue
		}
		var list []json.RawMessage
		i, err := strconv.Atoi(token)
		if err != nil || json.Unmarshal(at, &list) != nil || i < 0 || i >= len(list) {
			return nil
		}
		at = list[i]
	}
	return at
}

func anchored(root json.RawMessage, name string) json.RawMessage {
	o, err := ParseObject(root)
	if err != nil {
		return nil
	}
	for _, word := range []string{"$defs", "definitions"} {
		for _, d := range o.object(word) {
			if def, err := ParseObject(d.Value); err == nil {
				for _, word := range []string{"$anchor", "$dynamicAnchor"} {
					if a, _ := def.text(word); a == name {
						return d.Value
					}
				}
			}
		}
	}
	return nil
}

func (r *reader) readTexts(s *shape, o Object) {
	s.title, _ = o.text("title")
	s.description, _ = o.text("description")
}

func (r *reader) readObject(s *shape, o Object, depth int) {
	for _, p := range o.object("properties") {
		if f := r.shape(p.Value, depth+1); !f.never {
			s.fields = append(s.fields, field{p.Name, f})
		}
	}
	for _, raw := range o.list("required") {
		var name string
		if json.Unmarshal(raw, &name) == nil && !slices.Contains(s.required, name) {
			s.required = append(s.required, name)
		}
	}
	patterns := o.Find("patternProperties") >= 0
	if at := o.Find("additionalProperties"); at >= 0 && !patterns {
		switch raw := bytes.TrimSpace(o[at].Value); {
		case string(raw) == "false":
			s.closed = true
		case len(raw) > 0 && raw[0] == '{':
			s.rest = r.shape(raw, depth+1)
		}
	}
}

// readList reads what is said of the elements of a list. The positions of a tuple get one
// schema, because some clients know nothing else.
func (r *reader) readList(s *shape, o Object, depth int) {
	tuple, rest := o.list("prefixItems"), "items"
	if tuple == nil {
		if tuple = o.list("items"); tuple != nil {
			rest = "additionalItems"
		}
	}
	var all []*shape
	for _, raw := range tuple {
		all = append(all, r.shape(raw, depth+1))
	}
	at := o.Find(rest)
	switch {
	case at >= 0 && string(bytes.TrimSpace(o[at].Value)) != "false":
		all = append(all, r.shape(o[at].Value, depth+1))
	case at < 0 && len(tuple) > 0 && !r.input:
		return // what follows the positions may be anything
	}
	if len(all) == 0 {
		return
	}
	s.items = unite(all)
	if len(tuple) > 1 {
		s.note("The elements have a fixed order.")
	}
}

// readChoices reads what a value has to fit one of.
func (r *reader) readChoices(s *shape, o Object, depth int) {
	for _, word := range []string{"anyOf", "oneOf"} {
		list := o.list(word)
		if len(list) == 0 || s.choices != nil {
			continue
		}
		for _, raw := range list {
			if c := r.shape(raw, depth); !c.never {
				s.choices = append(s.choices, c)
			}
		}
	}
	if o.Find("nullable") >= 0 && string(o[o.Find("nullable")].Value) == "true" && len(s.choices) > 0 {
		s.choices = append(s.choices, &shape{typ: typeNull})
	}
	s.choices = distinct(s.choices)
	if len(s.choices) == 1 {
		only := s.choices[0]
		s.choices = nil
		s.merge(only)
	}
}

// split gives s the one type there is, or a choice between several.
func (s *shape) split(types []string) {
	if slices.Contains(types, typeNumber) {
		types = slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == typeInteger })
	}
	switch {
	case len(types) == 0:
		return
	case len(types) == 1:
		if s.typ == "" {
			s.typ = types[0]
		}
		return
	case len(s.choices) > 0:
		return // they say their types, or may be any
	}
	for _, t := range types {
		c := s.only(t)
		if s.enum != nil && len(c.enum) == 0 {
			continue
		}
		s.choices = append(s.choices, c)
	}
	*s = shape{title: s.title, description: s.description, notes: s.notes, choices: s.choices, never: s.never}
	if len(s.choices) == 1 {
		only := s.choices[0]
		s.choices = nil
		s.merge(only)
	}
}

// only gives what s says of values of one type.
func (s *shape) only(typ string) *shape {
	c := &shape{typ: typ}
	for _, v := range s.enum {
		if hasType(v, typ) {
			c.enum = append(c.enum, v)
		}
	}
	for _, w := range s.words {
		if of := wordType(w.Name); of == typ || of == typeNumber && typ == typeInteger {
			c.words = append(c.words, w)
		}
	}
	switch typ {
	case typeObject:
		c.fields, c.required, c.rest, c.closed = s.fields, s.required, s.rest, s.closed
	case typeArray:
		c.items = s.items
	}
	return c
}

// merge adds what b says to what s says. Where both say something of the same, s stays, so
// that what fits both fits the result.
func (s *shape) merge(b *shape) {
	first := len(s.fields) == 0 && s.rest == nil && len(s.choices) == 0
	s.title, s.description = firstOf(s.title, b.title), firstOf(s.description, b.description)
	s.notes = append(s.notes, b.notes...)
	if s.typ == "" && len(s.choices) == 0 || s.typ == typeNumber && b.typ == typeInteger {
		s.typ = b.typ
	}
	for _, w := range b.words {
		if s.words.Find(w.Name) < 0 {
			s.words = append(s.words, w)
		}
	}
	if s.enum == nil {
		s.enum = b.enum
	}
	for _, f := range b.fields {
		if s.field(f.name) == nil {
			s.fields = append(s.fields, f)
		}
	}
	for _, name := range b.required {
		if !slices.Contains(s.required, name) {
			s.required = append(s.required, name)
		}
	}
	if s.items == nil {
		s.items = b.items
	}
	if first {
		s.rest, s.closed = b.rest, b.closed
	} else {
		s.closed = s.closed && b.closed
	}
	if len(s.choices) == 0 {
		s.choices = b.choices
	} else if len(b.choices) > 0 {
		s.note(furtherConditions)
	}
	s.either = append(s.either, b.either...)
	if s.again == nil {
		s.again = b.again
	}
	s.never = s.never || b.never
}

func (s *shape) field(name string) *shape {
	for i := range s.fields {
		if s.fields[i].name == name {
			return s.fields[i].shape
		}
	}
	return nil
}

func (s *shape) note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// unite gives a shape that everything fits that fits one of all.
func unite(all []*shape) *shape {
	var parts []*shape
	for _, s := range all {
		if bare := len(s.choices) > 0 && s.typ == "" && len(s.fields) == 0; bare && s.description == "" {
			parts = append(parts, s.choices...)
		} else {
			parts = append(parts, s)
		}
	}
	parts = distinct(parts)
	if len(parts) == 1 {
		return parts[0]
	}
	if slices.ContainsFunc(parts, func(s *shape) bool { return s.isAnything() }) {
		return &shape{}
	}
	if one := joinEnums(parts); one != nil {
		return one
	}
	return &shape{choices: parts}
}

// isAnything reports whether every value fits.
func (s *shape) isAnything() bool {
	return s.typ == "" && len(s.choices) == 0 && s.enum == nil && s.again == nil
}

// joinEnums gives several lists of texts as one; nil when a part is something else.
func joinEnums(parts []*shape) *shape {
	out := *parts[0]
	out.enum, out.words = nil, nil
	for _, p := range parts {
		if p.typ != typeString || p.enum == nil {
			return nil
		}
		for _, v := range p.enum {
			if !containsRaw(out.enum, v) {
				out.enum = append(out.enum, v)
			}
		}
	}
	return &out
}

// distinct leaves out shapes that are written alike.
func distinct(all []*shape) []*shape {
	if len(all) < 2 {
		return all
	}
	seen := map[string]bool{}
	var out []*shape
	for _, s := range all {
		text := string((&writer{}).append(nil, s))
		if s.again == nil && seen[text] {
			continue
		}
		seen[text] = true
		out = append(out, s)
	}
	return out
}

func containsRaw(list []json.RawMessage, v json.RawMessage) bool {
	return slices.ContainsFunc(list, func(o json.RawMessage) bool { return bytes.Equal(o, v) })
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
