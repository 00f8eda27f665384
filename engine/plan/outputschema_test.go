package plan_test

import (
	"testing"

	"capd/engine/plan"
)

// TestOutputSchema: one declaration gives the mapping and the schema, and the structured form
// of an answer fits the schema whatever the upstream sends.
func TestOutputSchema(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, outputs, schema, answer, body, structured string }{
		{
			name:    "object",
			outputs: `[{ type: object, properties: { imo: { type: string, mapping: $.imo, description: Its number }, size: { type: object, properties: { length: { type: number, mapping: $.dim.length } } }, at: { type: string, value: here } } }]`,
			schema: `{"type":"object","properties":{"imo":{"type":["string","null"],"description":"Its number"},"size":{"type":"object","properties":{"length":{"type":["number","null"]}},"required":["length"]},` +
				`"at":{"type":"string"}},"required":["imo","size","at"]}`,
			answer: `{"imo":7,"dim":{"length":"12.50"}}`,
			body:   `200 {"imo":7,"size":{"length":"12.50"},"at":"here"}`, structured: `{"imo":"7","size":{"length":12.50},"at":"here"}`,
		},
		{
			name:    "list of objects",
			outputs: `[{ type: array, mapping: $.ships, items: { type: object, properties: { n: { type: string, mapping: $.name, maxLength: 3 }, tags: { type: array, mapping: $.tags, items: { type: string } } } } }]`,
			schema:  `{"type":["array","null"],"items":{"type":"object","properties":{"n":{"type":["string","null"],"maxLength":3},"tags":{"type":["array","null"]}},"required":["n","tags"]}}`,
			answer:  `{"ships":[{"name":"Star","tags":["a"]},{"name":null}]}`,
			body:    `200 [{"n":"Sta","tags":["a"]},{"n":null,"tags":null}]`,
		},
		{
			name:    "named outputs",
			outputs: `{ id: { type: integer, mapping: $.id }, open: { type: boolean, mapping: $.open } }`,
			schema:  `{"type":"object","properties":{"id":{"type":["integer","null"]},"open":{"type":["boolean","null"]}},"required":["id","open"]}`,
			answer:  `{"id":1.5,"open":"true"}`,
			body:    `200 {"id":1.5,"open":"true"}`, structured: `{"id":null,"open":true}`,
		},
		{
			name:    "members of any name",
			outputs: `[{ type: object, mapping: $.prices, values: { type: number, mapping: $.amount } }]`,
			schema:  `{"type":["object","null"],"additionalProperties":{"type":["number","null"]}}`,
			answer:  `{"prices":{"EUR":{"amount":1.10},"USD":{"amount":"2"},"JPY":{}}}`,
			body:    `200 {"EUR":1.10,"USD":"2","JPY":null}`, structured: `{"EUR":1.10,"USD":2,"JPY":null}`,
		},
		{name: "the whole answer", outputs: `[{ type: object, mapping: $. }]`, answer: `{"a":1}`, body: `200 {"a":1}`},
		{
			name:    "constants",
			outputs: `{ n: { type: number, value: "3.10" }, ok: { type: boolean, const: true }, hello: { type: string, value: "Hello, {{name}}!" }, list: { type: array, items: { type: string, value: a } }, none: { type: string } }`,
			schema: `{"type":"object","properties":{"n":{"type":"number"},"ok":{"type":"boolean"},"hello":{"type":["string","null"]},"list":{"type":"array","items":{"type":"string"}},"none":{}},` +
				`"required":["n","ok","hello","list","none"]}`,
			body: `200 {"n":3.10,"ok":true,"hello":"Hello, Ann!","list":["a"],"none":null}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tool := "t:\n  description: d\n  outputParameters: " + tc.outputs
			if tc.answer != "" {
				tool += "\n  call: registry.list-crew"
			}
			d := fleet(t, tool, "")
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(tc.answer))}, nil
			}
			op := d.unit.Exposures[0].Tools[0].Operation
			if op == nil {
				t.Fatal(d.list)
			}
			if got := string(op.OutputSchema()); got != tc.schema {
				t.Errorf("schema\n got %s\nwant %s", got, tc.schema)
			}
			args, err := op.Bind(&plan.Source{Arguments: []byte(`{"name":"Ann"}`)})
			if err != nil {
				t.Fatal(err)
			}
			res, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: d.bound})
			if err != nil {
				t.Fatal(err)
			}
			if got := "200 " + string(res.Body.Bytes); got != tc.body || string(res.Structured) != tc.structured {
				t.Errorf("got  %s\n     %s\nwant %s\n     %s", got, res.Structured, tc.body, tc.structured)
			}
		})
	}
}
