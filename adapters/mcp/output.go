package mcp

import (
	"bytes"
	"encoding/json"

	"capd/engine/plan"
)

// answerShape is the published shape of a tool's structured content.
type answerShape struct {
	schema  json.RawMessage // its root is an object
	wrapped bool            // the answer stands under "result"
	nothing json.RawMessage // what fits, for an answer without a body
}

// newAnswerShape gives the shape of what an operation answers; nil when it has none. Clients
// take schemas of objects only, so that anything else stands under "result".
func newAnswerShape(op *plan.Operation) *answerShape {
	raw := op.OutputSchema()
	if raw == nil {
		return nil
	}
	schema, nothing, ok := portableOutput(raw)
	if !ok {
		return nil
	}
	root, err := parseObject(schema)
	if err != nil {
		return nil
	}
	if i := root.find("type"); i >= 0 && string(root[i].value) == `"object"` {
		return &answerShape{schema: schema, nothing: nothing}
	}
	return &answerShape{schema: underResult(`{"type":"object","properties":`, schema, `,"required":["result"]}`), wrapped: true, nothing: underResult("", nothing, "")}
}

func underResult(before string, value json.RawMessage, after string) json.RawMessage {
	b := append([]byte(before), `{"result":`...)
	return append(append(append(b, value...), '}'), after...)
}

// structured gives the structured content of an answer that succeeded.
func (s *answerShape) structured(out *plan.Result, body []byte) json.RawMessage {
	if out.Structured != nil {
		body = out.Structured
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || !json.Valid(body) {
		return s.nothing
	}
	if s.wrapped {
		return underResult("", body, "")
	}
	return body
}

// portableOutput gives a schema as clients take it: a list of types, of which the second is
// null, is two schemas to choose from. nothing is the least value that fits.
func portableOutput(raw json.RawMessage) (schema, nothing json.RawMessage, ok bool) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, nil, false
	}
	members := object{}
	nothing = json.RawMessage("null")
	for _, m := range o {
		switch m.name {
		case "properties":
			var inner json.RawMessage
			if m.value, inner, ok = portableProperties(m.value, required(o)); !ok {
				return nil, nil, false
			}
			nothing = inner
		case "items":
			if m.value, _, ok = portableOutput(m.value); !ok {
				return nil, nil, false
			}
		}
		members = append(members, m)
	}
	at := members.find("type")
	if at < 0 {
		return members.json(), json.RawMessage("null"), true
	}
	var types []string
	if json.Unmarshal(members[at].value, &types) != nil {
		return members.json(), least(members[at].value, nothing), true
	}
	if len(types) != 2 || types[1] != "null" {
		return members.json(), json.RawMessage("null"), true
	}
	members[at].value = quoted(types[0])
	var outer object
	if d := members.find("description"); d >= 0 {
		outer = object{members[d]}
		members = append(members[:d:d], members[d+1:]...)
	}
	choice := append(append([]byte{'['}, members.json()...), `,{"type":"null"}]`...)
	return append(object{{"anyOf", choice}}, outer...).json(), json.RawMessage("null"), true
}

// portableProperties makes the schemas of an object's members portable, and gives the least
// object that fits.
func portableProperties(raw json.RawMessage, required map[string]bool) (properties, nothing json.RawMessage, ok bool) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, nil, false
	}
	var least object
	for i, m := range o {
		schema, value, ok := portableOutput(m.value)
		if !ok {
			return nil, nil, false
		}
		o[i].value = schema
		if required[m.name] {
			least = append(least, member{m.name, value})
		}
	}
	return o.json(), least.json(), true
}

func required(o object) map[string]bool {
	out := map[string]bool{}
	var names []string
	if at := o.find("required"); at >= 0 && json.Unmarshal(o[at].value, &names) == nil {
		for _, n := range names {
			out[n] = true
		}
	}
	return out
}

// least gives the least value of a type; object is that of an object.
func least(typ, object json.RawMessage) json.RawMessage {
	switch string(typ) {
	case `"object"`:
		if string(object) == "null" {
			return json.RawMessage("{}")
		}
		return object
	case `"array"`:
		return json.RawMessage("[]")
	case `"string"`:
		return json.RawMessage(`""`)
	case `"boolean"`:
		return json.RawMessage("false")
	case `"integer"`, `"number"`:
		return json.RawMessage("0")
	}
	return json.RawMessage("null")
}
