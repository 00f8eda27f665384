package rest

import (
	"bytes"
	"encoding/json"
	"slices"
)

// soundSchema gives what JSON Schema knows of a schema that an author wrote, so that one wrong
// word does not spoil the whole description. It is empty when nothing is left.
func soundSchema(raw []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	sound, ok := soundValue(v).(map[string]any)
	if !ok || len(sound) == 0 {
		return nil
	}
	out, err := json.Marshal(sound)
	if err != nil {
		return nil
	}
	return out
}

// soundValue gives a schema without the members that are not sound; nil when it is none.
func soundValue(v any) any {
	if b, ok := v.(bool); ok {
		return b
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for word, v := range m {
		if sound := soundWord(word, v); sound != nil {
			out[word] = sound
		}
	}
	return out
}

func soundWord(word string, v any) any {
	switch word {
	case "type":
		return soundType(v)
	case "title", "description", "format":
		if s, ok := v.(string); ok {
			return s
		}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		if n, ok := v.(json.Number); ok {
			return n
		}
	case "minLength", "maxLength", "minItems", "maxItems":
		if n, ok := v.(json.Number); ok {
			if i, err := n.Int64(); err == nil && i >= 0 {
				return n
			}
		}
	case "enum":
		if list, ok := v.([]any); ok && len(list) > 0 {
			return list
		}
	case "required":
		return soundNames(v)
	case "items", "additionalProperties":
		return soundValue(v)
	case "properties":
		return soundProperties(v)
	case "oneOf", "anyOf", "allOf":
		return soundList(v)
	}
	return nil
}

func isType(v any) bool {
	s, ok := v.(string)
	return ok && slices.Contains([]string{"string", "number", "integer", "boolean", "object", "array", "null"}, s)
}

func soundType(v any) any {
	list, ok := v.([]any)
	switch {
	case isType(v):
		return v
	case !ok || len(list) == 0:
		return nil
	}
	for i, t := range list {
		if !isType(t) || slices.Contains(list[:i], t) {
			return nil
		}
	}
	return list
}

func soundNames(v any) any {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

func soundProperties(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for name, v := range m {
		if out[name] = soundValue(v); out[name] == nil {
			out[name] = map[string]any{}
		}
	}
	return out
}

func soundList(v any) any {
	list, _ := v.([]any)
	var out []any
	for _, e := range list {
		if s := soundValue(e); s != nil {
			out = append(out, s)
		}
	}
	if out == nil {
		return nil
	}
	return out
}
