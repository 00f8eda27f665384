package mcp

import (
	"bytes"
	"encoding/json"

	"capd/engine/expr"
	"capd/engine/plan"
	"capd/engine/portable"
)

// answerShape is the published shape of a tool's structured content.
type answerShape struct {
	schema  json.RawMessage // its root is an object
	wrapped bool            // the answer stands under "result"
	nothing json.RawMessage // what fits, for an answer without a body
}

// newAnswerShape gives the shape of what an operation answers; nil when it has none. Clients
// take schemas of objects only, so that anything else stands under "result". A schema that is
// published as declared is all the author's.
func newAnswerShape(op *plan.Operation, asDeclared bool) *answerShape {
	raw := op.OutputSchema()
	if raw == nil {
		return nil
	}
	schema, nothing, ok := portable.Output(raw)
	switch {
	case !ok:
		return nil
	case asDeclared:
		return &answerShape{schema: raw, nothing: nothing}
	}
	root, err := portable.ParseObject(schema)
	if err != nil {
		return nil
	}
	if i := root.Find("type"); i >= 0 && string(root[i].Value) == `"object"` {
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
	if body = bytes.TrimSpace(body); len(body) == 0 || !expr.Valid(body) {
		return s.nothing
	}
	if s.wrapped {
		return underResult("", body, "")
	}
	return body
}
