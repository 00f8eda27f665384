package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"capd/engine/plan"
)

// anyObject is the schema of a tool whose own cannot be published.
const anyObject = `{"type":"object"}`

// aliases are the inputs published under another name: declared names by alias.
type aliases map[string]string

// portable gives a tool's input schema as clients take it, and the aliases of the inputs
// whose names some clients refuse, and with them the whole list of tools.
func portable(schema []byte) (json.RawMessage, aliases) {
	root, err := parseObject(schema)
	if err != nil {
		return json.RawMessage(anyObject), nil
	}
	at := root.find("properties")
	if at < 0 {
		return schema, nil
	}
	properties, err := parseObject(root[at].value)
	if err != nil {
		return schema, nil
	}
	byAlias, renamed := aliases{}, map[string]string{}
	for _, p := range properties {
		if _, again := renamed[p.name]; again || propertyName.MatchString(p.name) {
			continue
		}
		alias := unique(sanitise(p.name, propertyName, "input"), func(s string) bool {
			_, used := byAlias[s]
			return used || properties.find(s) >= 0
		})
		byAlias[alias], renamed[p.name] = p.name, alias
	}
	if len(byAlias) == 0 {
		return schema, nil
	}
	root[at].value = properties.rename(renamed).json()
	if at := root.find("required"); at >= 0 {
		root[at].value = renameElements(root[at].value, renamed)
	}
	return root.json(), byAlias
}

// arguments gives the arguments of a call under their declared names. A declared name wins
// over its alias when a call has both.
func (a aliases) arguments(raw json.RawMessage) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, plan.Errorf(plan.CodeInvalidInput, "arguments must be a JSON object")
	}
	if len(a) == 0 {
		return raw, nil
	}
	args, err := parseObject(raw)
	if err != nil {
		return nil, plan.Errorf(plan.CodeInvalidInput, "arguments must be a JSON object")
	}
	use := map[string]string{}
	for alias, name := range a {
		if args.find(name) < 0 {
			use[alias] = name
		}
	}
	return args.rename(use).json(), nil
}

// object is a JSON object whose members keep their order and whose values keep their text.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

func parseObject(b []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var o object
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // the decoder takes nothing else as a member's name
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return o, nil
}

// find gives the place of the last member of a name, or -1.
func (o object) find(name string) int {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].name == name {
			return i
		}
	}
	return -1
}

func (o object) rename(names map[string]string) object {
	out := make(object, len(o))
	for i, m := range o {
		if to, ok := names[m.name]; ok {
			m.name = to
		}
		out[i] = m
	}
	return out
}

func (o object) json() json.RawMessage {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(m.name)...), ':'), m.value...)
	}
	return append(b, '}')
}

func renameElements(list json.RawMessage, names map[string]string) json.RawMessage {
	var elements []string
	if err := json.Unmarshal(list, &elements); err != nil {
		return list
	}
	b := []byte{'['}
	for i, e := range elements {
		if to, ok := names[e]; ok {
			e = to
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quoted(e)...)
	}
	return append(b, ']')
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return b
}
