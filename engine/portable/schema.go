package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// AnyObject is the schema of a tool whose own cannot be published.
const AnyObject = `{"type":"object","properties":{}}`

// Input gives a tool's input schema as every client takes it, and the names of members
// that are published under another one. The schema may be stricter than the declared one in
// nothing that an author can mean, and looser in much: what is given is checked against the
// declared one when the tool is called.
func Input(schema []byte) (json.RawMessage, Renames) {
	if _, err := ParseObject(schema); err != nil {
		return json.RawMessage(AnyObject), Renames{}
	}
	root := newReader(schema, true).read()
	root.asRoot()
	w := &writer{input: true, aliases: aliasesOf(root)}
	out := w.write(root)
	if len(w.aliases) == 0 {
		return out, Renames{}
	}
	return out, Renames{root, w.aliases}
}

// aliasesOf gives an alias to every member whose name some client refuses. A name has one
// alias wherever it stands, and no alias is the name of another member.
func aliasesOf(root *shape) map[string]string {
	var names []string
	taken := map[string]bool{}
	var walk func(s *shape)
	walk = func(s *shape) {
		if s == nil {
			return
		}
		for _, f := range s.fields {
			if !taken[f.name] {
				taken[f.name] = true
				names = append(names, f.name)
			}
			walk(f.shape)
		}
		walk(s.items)
		walk(s.rest)
		for _, c := range s.choices {
			walk(c)
		}
	}
	walk(root)
	out := map[string]string{}
	for _, name := range names {
		if propertyName.MatchString(name) {
			continue
		}
		alias := Unique(sanitise(name, propertyName, "input"), func(s string) bool { return taken[s] })
		out[name], taken[alias] = alias, true
	}
	return out
}

// ErrNoObject says that the arguments of a call are no JSON object.
var ErrNoObject = errors.New("arguments must be a JSON object")

// Renames are the members of a tool's arguments that are published under another name. The
// zero value has none.
type Renames struct {
	root      *shape
	published map[string]string // by declared name
}

// Arguments gives the arguments of a call under their declared names; nothing for none and for
// null. A declared name wins over its alias when a call has both. The error is [ErrNoObject].
func (a Renames) Arguments(raw json.RawMessage) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, ErrNoObject
	}
	if a.root == nil {
		return raw, nil
	}
	if _, err := ParseObject(raw); err != nil {
		return nil, ErrNoObject
	}
	return a.declared(raw, []*shape{a.root}, 0), nil
}

// maxArgumentDepth is how deep names are given back; what is deeper stays as it came.
const maxArgumentDepth = 100

// declared gives a value with the declared names of its members. at are the shapes it may
// have: a member whose name the caller may choose keeps it.
func (a Renames) declared(raw json.RawMessage, at []*shape, depth int) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(at) == 0 || len(raw) == 0 || depth > maxArgumentDepth {
		return raw
	}
	at = alternatives(at)
	switch raw[0] {
	case '{':
		return a.declaredObject(raw, at, depth)
	case '[':
		var items []*shape
		for _, s := range at {
			if s.items != nil {
				items = append(items, s.items)
			}
		}
		var list []json.RawMessage
		if len(items) == 0 || json.Unmarshal(raw, &list) != nil {
			return raw
		}
		for i := range list {
			list[i] = a.declared(list[i], items, depth+1)
		}
		return AppendList(nil, list)
	}
	return raw
}

func (a Renames) declaredObject(raw json.RawMessage, at []*shape, depth int) json.RawMessage {
	o, err := ParseObject(raw)
	if err != nil {
		return raw
	}
	given := map[string]bool{}
	for _, m := range o {
		given[m.Name] = true
	}
	names, below, rest := map[string]string{}, map[string][]*shape{}, []*shape(nil)
	for _, s := range at {
		for _, f := range s.fields {
			below[f.name] = append(below[f.name], f.shape)
			if alias, ok := a.published[f.name]; ok && !given[f.name] {
				names[alias] = f.name
			}
		}
		if s.rest != nil {
			rest = append(rest, s.rest)
		}
	}
	for i, m := range o {
		if name, ok := names[m.Name]; ok {
			o[i].Name = name
		}
		inner, ok := below[o[i].Name]
		if !ok {
			inner = rest
		}
		o[i].Value = a.declared(m.Value, inner, depth+1)
	}
	return o.JSON()
}

// alternatives gives all shapes that a value may have which has one of some.
func alternatives(some []*shape) []*shape {
	seen := map[*shape]bool{}
	var out []*shape
	var add func(s *shape)
	add = func(s *shape) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		out = append(out, s)
		add(s.again)
		for _, c := range s.choices {
			add(c)
		}
	}
	for _, s := range some {
		add(s)
	}
	return out
}

// Output gives the schema of an answer as every client takes it, and the least value
// that fits. What fits the declared schema fits the published one. Names stay: what models
// are sent is not the schema of an answer.
func Output(raw json.RawMessage) (schema, nothing json.RawMessage, ok bool) {
	if _, err := ParseObject(raw); err != nil {
		return nil, nil, false
	}
	s := newReader(raw, false).read()
	return (&writer{}).write(s), s.least(0), true
}

// least gives a small value that fits: null where it can be.
func (s *shape) least(depth int) json.RawMessage {
	if len(s.enum) > 0 {
		return s.enum[0]
	}
	if len(s.choices) > 0 && s.typ == "" {
		for _, c := range s.choices {
			if c.typ == typeNull {
				return json.RawMessage("null")
			}
		}
		return s.choices[0].least(depth + 1)
	}
	switch s.typ {
	case typeObject:
		var o Object
		for _, f := range s.fields {
			if depth < maxSchemaDepth && slices.Contains(s.required, f.name) {
				o = append(o, Member{f.name, f.shape.least(depth + 1)})
			}
		}
		return o.JSON()
	case typeArray:
		return json.RawMessage("[]")
	case typeString:
		return json.RawMessage(`""`)
	case typeBoolean:
		return json.RawMessage("false")
	case typeInteger, typeNumber:
		return json.RawMessage("0")
	}
	return json.RawMessage("null")
}
