package mcp_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"capd/adapters/mcp"
)

// strict is a document whose tools hold schemas.
const strict = `ikanos: 1.0.0-beta5
capability:
  consumes:
  - namespace: api
    type: http
    baseUri: https://api.example.test
    resources: { one: { path: /one, operations: { get: { method: GET } } } }
  exposes:
  - type: mcp
    namespace: strict
    port: 9090
    portable: false
    tools:
      deep:
        description: Deep.
        inputSchema: {"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"}}}},"properties":{"address":{"$ref":"#/$defs/address"},"kind":{"type":"string","enum":["phone","email"]},"phone":{"type":"string"}},"allOf":[{"anyOf":[{"required":["phone"]},{"required":["kind"]}]}],"if":{"properties":{"kind":{"const":"phone"}},"required":["kind"]},"then":{"required":["phone"]},"else":{"required":["kind"]},"additionalProperties":false}
        content: ok
      answer: { description: Answer., call: api.get, outputSchema: { type: object, properties: { a: { type: integer } }, required: [a] } }
      exact: { description: Exact., call: api.get, outputValidation: enforce, outputSchema: { type: object, properties: { a: { type: integer } }, required: [a] } }
`

// TestRawSchemas: a schema is published as it is written where the document wants that, and what
// does not fit it is told to whom it concerns: arguments to the caller, answers to the operator.
func TestRawSchemas(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"strict": strict}, mcp.Options{})
	_, line, _ := strings.Cut(strict, "inputSchema: ")
	line, _, _ = strings.Cut(line, "\n")
	var tree any // the client gives the members in another order
	if err := json.Unmarshal([]byte(line), &tree); err != nil {
		t.Fatal(err)
	}
	want := asJSON(t, tree)
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			s := h.connect("/mcp/strict", era, nil)
			tools, err := s.ListTools(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(t, tools.Tools[0].InputSchema); got != want {
				t.Errorf("published %s", got)
			}
			if got := text(t, call(t, s, "deep", map[string]any{"kind": "email"})); got != "ok" {
				t.Errorf("deep: %s", got)
			}
			res := call(t, s, "deep", map[string]any{"kind": "email", "address": map[string]any{"street": 7}})
			if got := text(t, res); !res.IsError || got != `The arguments do not fit this tool: input "address.street" must be of type string` {
				t.Errorf("deep: %s", got)
			}
			h.upstream.answer(200, "application/json", `{"a":"secret"}`)
			res = call(t, s, "answer", nil)
			if res.IsError || asJSON(t, res.StructuredContent) != `{"a":"secret"}` {
				t.Errorf("answer: %s", asJSON(t, res))
			}
			res = call(t, s, "exact", nil)
			if got := text(t, res); !res.IsError || got != `The upstream API's answer does not have the declared shape: its member "a" must be of type integer` {
				t.Errorf("exact: %s", got)
			}
			h.upstream.answer(200, "application/json", `{"a":1}`)
			if res = call(t, s, "exact", nil); res.IsError || asJSON(t, res.StructuredContent) != `{"a":1}` {
				t.Errorf("exact: %s", asJSON(t, res))
			}
		})
	}
	told := h.log.text("MCP answer does not fit its output schema")
	if n := strings.Count(told, `its member "a" must be of type integer`); n != len(eras) || strings.Contains(told, "secret") {
		t.Errorf("told %d times:\n%s", n, told)
	}
}
