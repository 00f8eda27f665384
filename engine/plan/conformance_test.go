package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"capd/engine/plan"
)

// TestAnswersFitTheirSchema: whatever an upstream answers, what callers get as structured
// content is valid by the schema that they were shown.
func TestAnswersFitTheirSchema(t *testing.T) {
	t.Parallel()
	shapes := map[string]string{
		"object of the whole":  `call: registry.list-crew, outputParameters: { r: { type: object, mapping: $, properties: { a: { type: string, mapping: $.id } } } }`,
		"object":               `call: registry.list-crew, outputParameters: [{ type: object, properties: { a: { type: integer, mapping: $.id }, b: { type: object, mapping: $.o, properties: { c: { type: boolean, mapping: $.c } } } } }]`,
		"list":                 `call: registry.list-crew, outputParameters: [{ type: array, mapping: $, items: { type: object, properties: { a: { type: integer, mapping: $.id }, n: { type: string, mapping: $.name, maxLength: 2 } } } }]`,
		"list of lists":        `call: registry.list-crew, outputParameters: [{ name: x, type: array, mapping: $.rows, items: { type: array, items: { type: integer } } }]`,
		"scalars":              `call: registry.list-crew, outputParameters: { i: { type: integer, mapping: $.id }, s: { type: string, mapping: $.name, maxLength: 2 }, n: { type: number, mapping: $.id }, b: { type: boolean, mapping: $.id }, o: { type: object, mapping: $.o }, l: { type: array, mapping: $.rows } }`,
		"constants":            `outputParameters: { a: { type: string, value: 42 }, b: { type: boolean, value: 42 }, c: { type: integer, value: "7" }, d: { type: number, value: abc }, e: { type: string, maxLength: 2, value: abcdef }, f: { type: array, value: [1, 2] }, i: { type: integer, value: 1.5 }, w: { type: integer, value: 2.0 }, l: { type: array, items: { type: integer, value: x } }, o: { type: array, value: { a: 1 } } }`,
		"templates":            `inputParameters: { n: { type: string, required: false } }, outputParameters: { a: { type: string, value: "x{{n}}" }, b: { type: integer, value: "{{n}}" }, c: { type: string, value: "{{n}}", maxLength: 1 } }`,
		"constants beside":     `call: registry.list-crew, outputParameters: { a: { type: integer, mapping: $.id }, c: { type: string, value: 5 } }`,
		"mappings of steps":    `steps: { a: { type: call, call: registry.list-crew } }, mappings: [{ target: a.b, value: $.a.id }, { target: a.c, value: $.a.zzz }, { target: n, value: $.a.name }, { target: l, value: $.a.rows }], outputParameters: { a: { type: object, properties: { b: { type: integer }, c: { type: string } } }, n: { type: string, maxLength: 2 }, l: { type: array, items: { type: object, properties: { s: { type: string } } } } }`,
		"constants of mapping": `steps: { a: { type: call, call: registry.list-crew } }, mappings: [{ target: a, value: 5 }, { target: b, value: "x" }, { target: c, value: true }], outputParameters: { a: { type: string }, b: { type: integer }, c: { type: object } }`,
		"shape of steps":       `steps: { a: { type: call, call: registry.list-crew } }, outputParameters: [{ type: object, properties: { a: { type: integer, mapping: $.id } } }]`,
	}
	answers := []string{
		`null`, `42`, `"x"`, `[]`, `[1,"2",null,{"id":1}]`, `{}`, `{"id":null,"name":null,"rows":null,"o":null}`,
		`{"id":12345678901234567890,"name":"Ängström","rows":[[1],["2"],3,null],"o":{"c":"true"}}`,
		`{"id":1.0,"name":7,"rows":{"a":1},"o":[]}`, `{"id":"1e2","name":{"a":1},"rows":"[1]","o":"{}"}`, `{"id":1e3}`,
		`[{"id":"x","name":"\ud83d\ude00\ud83d\ude00\ud83d\ude00"}]`, `{"id":"007"}`, `{"id":" 7 "}`, `{"id":true}`,
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fleet(t, "t: { description: d, "+shape+" }", "")
			var answer string
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(answer))}, nil
			}
			op := d.unit.Exposures[0].Tools[0].Operation
			if op == nil {
				t.Fatal(d.list)
			}
			schema, err := jsonschema.CompileString("answer.json", string(op.OutputSchema()))
			if err != nil {
				t.Fatalf("%v\n%s", err, op.OutputSchema())
			}
			for _, answer = range answers {
				args, err := op.Bind(&plan.Source{Arguments: []byte(`{}`)})
				if err != nil {
					t.Fatal(err)
				}
				res, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: d.bound})
				if err != nil {
					t.Errorf("%s: %v", answer, err)
					continue
				}
				got := res.Structured
				if got == nil {
					got = res.Body.Bytes
				}
				read := json.NewDecoder(strings.NewReader(string(got)))
				read.UseNumber()
				var v any
				if err := read.Decode(&v); err != nil {
					t.Fatalf("%s: %v in %q", answer, err, got)
				}
				if err := schema.Validate(v); err != nil {
					t.Errorf("of %s\ncame  %s\nschema %s\n%v", answer, got, op.OutputSchema(), err)
				}
			}
		})
	}
}
