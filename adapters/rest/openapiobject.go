package rest

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object whose members keep their order. Members without a value are left out.
type object []objectMember

type objectMember struct {
	name  string
	value any
}

func (o *object) set(name string, value any) { *o = append(*o, objectMember{name, value}) }

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	sep := ""
	for _, m := range o {
		if isEmptyValue(m.value) {
			continue
		}
		b.WriteString(sep)
		sep = ","
		if err := enc.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func isEmptyValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case json.RawMessage:
		return v == nil
	case []string:
		return len(v) == 0
	case []object:
		return len(v) == 0
	case object:
		return v == nil
	}
	return false
}
