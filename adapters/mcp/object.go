package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

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

// unique gives the object with the last member of each name, as readers of JSON take it.
func (o object) unique() object {
	last := make(map[string]int, len(o))
	for i, m := range o {
		last[m.name] = i
	}
	if len(last) == len(o) {
		return o
	}
	var out object
	for i, m := range o {
		if last[m.name] == i {
			out = append(out, m)
		}
	}
	return out
}

// text gives the member of a name when it is a text.
func (o object) text(name string) (string, bool) {
	var s string
	at := o.find(name)
	if at < 0 || len(o[at].value) == 0 || o[at].value[0] != '"' || json.Unmarshal(o[at].value, &s) != nil {
		return "", false
	}
	return s, true
}

// list gives the elements of the member of a name; none when it is no list.
func (o object) list(name string) []json.RawMessage {
	var list []json.RawMessage
	at := o.find(name)
	if at < 0 || json.Unmarshal(o[at].value, &list) != nil {
		return nil
	}
	return list
}

// object gives the members of the member of a name; none when it is no object.
func (o object) object(name string) object {
	at := o.find(name)
	if at < 0 {
		return nil
	}
	inner, err := parseObject(o[at].value)
	if err != nil {
		return nil
	}
	return inner.unique()
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

// quoted gives a text as JSON, with the characters of HTML as they are.
func quoted(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil { // a string always marshals
		return []byte(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}
