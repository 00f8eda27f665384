package mcp_test

import (
	"context"
	"strings"
	"testing"

	"capd/adapters/mcp"
)

// TestOutputSchemas: the shape that a document declares is published as a schema of an
// object, and what a call gives always fits it, in every era.
func TestOutputSchemas(t *testing.T) {
	t.Parallel()
	const nullable = `{"anyOf":[{"type":"string"},{"type":"null"}]}`
	for name, tt := range map[string]struct{ outputs, schema, status, body, text, structured string }{
		"object": {
			"[{type: object, properties: {imo: {type: string, mapping: $.imo, description: Its number}, fixed: {type: number, value: 5}}}]",
			`{"properties":{"fixed":{"type":"number"},"imo":{"anyOf":[{"type":"string"},{"type":"null"}],"description":"Its number"}},"required":["imo","fixed"],"type":"object"}`,
			"200", `{"imo":7}`, `{"imo":7,"fixed":5}`, `{"fixed":5,"imo":"7"}`,
		},
		"list": {
			"[{type: array, mapping: $.all, items: {type: object, properties: {id: {type: string, mapping: $.id}}}}]",
			`{"properties":{"result":{"anyOf":[{"items":{"properties":{"id":` + nullable + `},"required":["id"],"type":"object"},"type":"array"},{"type":"null"}]}},"required":["result"],"type":"object"}`,
			"200", `{"all":[{"id":"a"},{}]}`, `[{"id":"a"},{"id":null}]`, `{"result":[{"id":"a"},{"id":null}]}`,
		},
		"text": {
			"[{type: string, mapping: $.a}]", `{"properties":{"result":` + nullable + `},"required":["result"],"type":"object"}`,
			"200", `{"a":"x"}`, `"x"`, `{"result":"x"}`,
		},
		"an object of the answer": {
			"[{type: object, mapping: $.ship, properties: {a: {type: integer, mapping: $.a}}}]",
			`{"properties":{"result":{"anyOf":[{"properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}]}},"required":["a"],"type":"object"},{"type":"null"}]}},"required":["result"],"type":"object"}`,
			"200", `{"ship":{"a":1.5}}`, `{"a":1.5}`, `{"result":{"a":null}}`,
		},
		"no body": {
			"[{type: object, properties: {a: {type: string, mapping: $.a}, b: {type: object, properties: {c: {type: boolean, mapping: $.c}}}}}]",
			`{"properties":{"a":` + nullable + `,"b":{"properties":{"c":{"anyOf":[{"type":"boolean"},{"type":"null"}]}},"required":["c"],"type":"object"}},"required":["a","b"],"type":"object"}`,
			"204", "", "", `{"a":null,"b":{"c":null}}`,
		},
		"no body of a list": {
			"[{type: array, mapping: $.a, items: {type: string, mapping: $.}}]",
			`{"properties":{"result":{"anyOf":[{"items":` + nullable + `,"type":"array"},{"type":"null"}]}},"required":["result"],"type":"object"}`,
			"204", "", "", `{"result":null}`,
		},
		"an error":       {"[{type: string, mapping: $.a}]", `{"properties":{"result":` + nullable + `},"required":["result"],"type":"object"}`, "404", `{"e":1}`, `{"e":1}`, `null`},
		"the whole body": {"[{type: object, mapping: $.}]", `null`, "200", `{"a":1}`, `{"a":1}`, `{"a":1}`},
	} {
		doc := strings.Replace(rooms, "      call: api.list\n", "      call: api.list\n      outputParameters: "+tt.outputs+"\n", 1)
		h := open(t, map[string]string{"rooms": doc}, mcp.Options{})
		status := map[string]int{"200": 200, "204": 204, "404": 404}[tt.status]
		h.upstream.answer(status, "application/json", tt.body)
		for _, era := range []string{"2026-07-28", "2025-06-18"} {
			s := h.connect("/mcp/rooms", era, nil)
			list, err := s.ListTools(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := marshal(t, list.Tools[1].OutputSchema); got != tt.schema {
				t.Errorf("%s: schema\n%s\nwant\n%s", name, got, tt.schema)
			}
			res := call(t, s, "list.rooms", nil)
			if got := marshal(t, res.StructuredContent); got != tt.structured {
				t.Errorf("%s, %s: structured content %s, want %s", name, era, got, tt.structured)
			}
			if tt.text == "" && len(res.Content) > 0 || tt.text != "" && text(t, res) != tt.text {
				t.Errorf("%s, %s: content %s, want %s", name, era, marshal(t, res.Content), tt.text)
			}
		}
	}
}
