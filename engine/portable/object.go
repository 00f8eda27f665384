package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Object is a JSON object whose members keep their order and whose values keep their text.
type Object []Member

// Member is a member of an [Object]. A name may stand twice.
type Member struct {
	Name  string
	Value json.RawMessage
}

// ParseObject reads one JSON object and nothing else.
func ParseObject(b []byte) (Object, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var o Object
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := Member{Name: name.(string)} // the decoder takes nothing else as a member's name
		if err := dec.Decode(&m.Value); err != nil {
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

// Find gives the place of the last member of a name, or -1.
func (o Object) Find(name string) int {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].Name == name {
			return i
		}
	}
	return -1
}

// Unique gives the object with the last member of each name, as readers of JSON take it.
func (o Object) Unique() Object {
	last := make(map[string]int, len(o))
	for i, m := range o {
		last[m.Name] = i
	}
	if len(last) == len(o) {
		return o
	}
	var out Object
	for i, m := range o {
		if last[m.Name] == i {
			out = append(out, m)
		}
	}
	return out
}

// text gives the member of a name when it is a text.
func (o Object) text(name string) (string, bool) {
	var s string
	at := o.Find(name)
	if at < 0 || len(o[at].Value) == 0 || o[at].Value[0] != '"' || json.Unmarshal(o[at].Value, &s) != nil {
		return "", false
	}
	return s, true
}

// list gives the elements of the member of a name; none when it is no list.
func (o Object) list(name string) []json.RawMessage {
	var list []json.RawMessage
	at := o.Find(name)
	if at < 0 || json.Unmarshal(o[at].Value, &list) != nil {
		return nil
	}
	return list
}

// object gives the members of the member of a name; none when it is no object.
func (o Object) object(name string) Object {
	at := o.Find(name)
	if at < 0 {
		return nil
	}
	inner, err := ParseObject(o[at].Value)
	if err != nil {
		return nil
	}
	return inner.Unique()
}

// JSON gives the object as JSON, its members in order.
func (o Object) JSON() json.RawMessage {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(m.Name)...), ':'), m.Value...)
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
