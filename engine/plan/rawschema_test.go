package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

// schemaFiles has a schema.
type schemaFiles struct{ plan.Files }

func (schemaFiles) Read(_, location string) ([]byte, error) {
	switch location {
	case "in.json":
		return []byte("{ \"type\": \"object\",\n \"properties\": {\"n\": {\"type\": \"integer\"}} }"), nil
	case "bad.json":
		return []byte("type: object"), nil
	}
	return nil, fs.ErrNotExist
}

// TestInputSchema: a schema that the document holds is published as it is written, its members are
// the inputs, and arguments are checked against all of it before anything is sent.
func TestInputSchema(t *testing.T) {
	t.Parallel()
	d := loadWith(t, fmt.Sprintf(saying, indent(`
x:
  inputSchema: { $schema: "https://json-schema.org/draft/2020-12/schema", type: object, $defs: { a: { $anchor: addr, type: object, properties: { zip: { type: string, pattern: "^[0-9]+$" } } } },
    properties: { name: { type: string, default: you }, address: { $ref: "#/$defs/a" }, kind: { enum: [phone, mail] }, phone: { type: string } },
    if: { properties: { kind: { const: phone } }, required: [kind] }, then: { required: [phone] }, additionalProperties: false }
  content: "Hello {{name}} {{address.zip}}"
text: { inputSchema: '{"type":"object", "properties":{"b":{"type":"integer"},"a":{}},"required":["b"]}', content: "{{a}} {{b}}" }
file: { inputSchema: in.json, call: rooms.get, with: { id: "{{n}}" } }
less: { inputSchema: { type: object, properties: {} }, call: rooms.get }`)), schemaFiles{})
	want := map[string]string{
		"x": `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"a":{"$anchor":"addr","type":"object","properties":{"zip":{"type":"string","pattern":"^[0-9]+$"}}}},` +
			`"properties":{"name":{"type":"string","default":"you"},"address":{"$ref":"#/$defs/a"},"kind":{"enum":["phone","mail"]},"phone":{"type":"string"}},` +
			`"if":{"properties":{"kind":{"const":"phone"}},"required":["kind"]},"then":{"required":["phone"]},"additionalProperties":false}`,
		"text": `{"type":"object","properties":{"b":{"type":"integer"},"a":{}},"required":["b"]}`,
		"file": `{"type":"object","properties":{"n":{"type":"integer"}}}`,
		"less": `{"type":"object","properties":{}}`,
	}
	for _, x := range d.unit.Exposures[0].Tools {
		if x.Refusal != nil || string(x.InputSchema) != want[x.Name] {
			t.Errorf("%s: %s (%v)\nwant %s", x.Name, x.InputSchema, x.Refusal, want[x.Name])
		}
	}
	for _, c := range []struct{ tool, args, want string }{
		{"x", ``, `text text="Hello you "`},
		{"x", `{"name":"Ann","address":{"zip":"10"}}`, `text text="Hello Ann 10"`},
		{"x", `{"address":{"zip":"a"}}`, `error: input "address.zip" does not keep to pattern "^[0-9]+$"`},
		{"x", `{"name":7}`, `error: input "name" must be of type string`},
		{"x", `{"kind":"phone"}`, `error: the object of arguments must have "phone"`},
		{"x", `{"other":1}`, `error: the object of arguments must have no members but "address", "kind", "name" and "phone"`},
		{"x", `[]`, `error: the object of arguments must be of type object`},
		{"text", `{}`, `error: the object of arguments must have "b"`},
		{"text", `{"b":"2"}`, `error: input "b" must be of type integer`},
		{"text", `{"b":2}`, `text text=" 2"`},
	} {
		if got, _ := d.said(c.tool, c.args); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.tool, c.args, got, c.want)
		}
	}
	if _, err := d.tool("file", `{"n":"x"}`); err == nil || len(d.sent) > 0 {
		t.Errorf("a wrong argument was sent on: %v", err)
	}
	if got, err := d.tool("file", `{"n":7}`); err != nil || d.wire() != "GET https://rooms.example.com/rooms/7" {
		t.Errorf("%s %v: %s", got, err, d.wire())
	}
	if got := d.codes(); got != "warning assumed" {
		t.Errorf("found %s, want one remark on the input that less does not name", got)
	}
}

// TestRefusedSchemas: a schema that cannot be used refuses its tool, at its place.
func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`inputSchema: { type: array }`:    "does not say type: object",
		`inputSchema: { properties: {} }`: "does not say type: object",
		`inputSchema: 7`:                  "expected a JSON Schema",
		`inputSchema: '{"type":'`:         "is no JSON",
		`inputSchema: bad.json`:           "is no JSON",
		`inputSchema: nowhere.json`:       "not available",
		`inputSchema: { type: object, properties: { a: { type: strng } } }`:  "cannot be used",
		`inputSchema: { type: object, $ref: "https://x.example/a.json" }`:    "not part of it",
		`inputSchema: { type: object, properties: { a: { $ref: "#/nope" } }`: "cannot be used",
		`outputSchema: { type: strng }`:                                      "outputSchema of tool x cannot be used",
	} {
		text += strings.Repeat(" }", strings.Count(text, "{")-strings.Count(text, "}"))
		if strings.Contains(text, `'{"type":'`) {
			text = `inputSchema: '{"type":'`
		}
		d := loadWith(t, fmt.Sprintf(saying, indent("x: { "+text+", content: hi }\nok: { content: fine }")), schemaFiles{})
		found := ""
		for _, x := range d.list {
			if x.Code == diag.CodeToolSchema && x.Severity == diag.Error {
				found += x.Message
			}
		}
		if !strings.Contains(found, want) {
			t.Errorf("%s: found %q, want %q (%v)", text, found, want, d.list)
		}
		if items, _ := d.said("ok", `{}`); items != `text text="fine"` {
			t.Errorf("%s: another tool says %s", text, items)
		}
	}
}

// TestOutputValidation: answers are looked at with the schema that is published. By default one
// that does not fit is served, and told in the log; none of its values is.
func TestOutputValidation(t *testing.T) {
	t.Parallel()
	const schema = `outputSchema: { type: object, properties: { name: { type: string }, n: { type: integer } }, required: [name] }`
	for _, c := range []struct{ tool, adapter, answer, misfit, err string }{
		{"call: rooms.get, " + schema, "", `{"name":"a","n":1}`, "", ""},
		{"call: rooms.get, " + schema, "", `{"name":"a","n":"secret"}`, `its member "n" must be of type integer`, ""},
		{"call: rooms.get, outputValidation: warn, " + schema, "enforce", `{"n":1}`, `it must have "name"`, ""},
		{"call: rooms.get, outputValidation: enforce, " + schema, "", `{"n":1}`, "", `bad-output it must have "name"`},
		{"call: rooms.get, " + schema, "enforce", `{"n":1}`, "", `bad-output it must have "name"`},
		{"call: rooms.get, outputValidation: off, " + schema, "enforce", `{"n":1}`, "", ""},
		{"call: rooms.get, " + schema, "enforce", `no JSON`, "", "bad-output it must be JSON"},
		{"call: rooms.get, " + schema, "enforce", ``, "", "bad-output it must be there"},
		{"call: rooms.get, content: hi, " + schema, "enforce", `{"n":1}`, "", `bad-output it must have "name"`},
		{"call: rooms.get, outputParameters: [ { name: name, type: string, mapping: $.a }, { name: n, type: integer, mapping: $.n } ], " + schema, "enforce", `{"a":"x","n":1}`, "", ""},
		{"call: rooms.get, outputParameters: [ { name: name, type: string, mapping: $.a }, { name: n, type: integer, mapping: $.n } ]", "enforce", `{"a":"x","n":"secret"}`, "", "bad-output its member \"n\" must be of type integer or null"},
		{"call: rooms.get, outputParameters: [ { name: name, type: string, mapping: $.a }, { name: n, type: integer, mapping: $.n } ]", "", `{"a":"x","n":"secret"}`, `its member "n" must be of type integer or null`, ""},
		{"call: rooms.get, outputParameters: [ { name: name, type: string, mapping: $.a } ]", "enforce", `{}`, "", ""},
	} {
		text := fmt.Sprintf(saying, indent("x: { "+c.tool+" }"))
		if c.adapter != "" {
			text += "    outputValidation: " + c.adapter + "\n"
		}
		d := load(t, text)
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(c.answer))}, nil
		}
		op := d.unit.Exposures[0].Tools[0].Operation
		if op == nil {
			t.Fatalf("%s: %v", c.tool, d.list)
		}
		args, err := op.Bind(&plan.Source{Arguments: []byte(`{"id":"1"}`)})
		if err != nil {
			t.Fatal(err)
		}
		res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound})
		if err != nil {
			t.Fatal(err)
		}
		misfit, err := op.JudgeAnswer(res, res.Body.Bytes)
		failure := ""
		if err != nil {
			failure = plan.AsError(err).Code.String() + " " + err.Error()
		}
		if misfit != c.misfit || failure != c.err {
			t.Errorf("%s (%s), %s: %q %q, want %q %q", c.tool, c.adapter, c.answer, misfit, failure, c.misfit, c.err)
		}
	}
	d := load(t, fmt.Sprintf(saying, indent("x: { content: hi, outputValidation: enforced }")))
	if got := d.codes(); got != "warning wrong-type" {
		t.Errorf("a word that is none: %s", got)
	}
}

// TestArgumentTypes: an argument of another type than the published one, which cannot be read as
// one, and an argument that is required and missing are the caller's mistakes.
func TestArgumentTypes(t *testing.T) {
	t.Parallel()
	const inputs = `x: { inputParameters: { s: { type: string, required: false }, i: { type: integer, required: false }, n: { type: number, required: false }, b: { type: boolean, required: false },
   l: { type: array, required: false }, o: { type: object, required: false }, any: { required: false }, two: { type: [integer, string], required: false } }, content: "{{s}} {{i}} {{n}} {{b}} {{l}} {{o}} {{any}} {{two}}" }
need: { inputParameters: { name: { type: string } }, content: "{{name}}" }
least: { inputParameters: { name: { type: string, default: you } }, content: "{{name}}" }`
	d := sayings(t, inputs)
	for args, want := range map[string]string{
		`{"i":1,"n":1.5,"b":true,"l":[1],"o":{"a":1}}`:       "",
		`{"i":"1","n":"1.5","b":"true","l":"[1]","o":"{}"}`:  "",
		`{"i":1.0,"n":1e3,"l":"one","s":7,"two":"x"}`:        "",
		`{"s":{"a":1},"any":{},"i":null,"n":null,"l":false}`: "",
		`{"i":"one"}`:     `input "i" must be of type integer`,
		`{"i":1.5}`:       `input "i" must be of type integer`,
		`{"i":true}`:      `input "i" must be of type integer`,
		`{"n":"many"}`:    `input "n" must be of type number`,
		`{"n":[1]}`:       `input "n" must be of type number`,
		`{"b":"perhaps"}`: `input "b" must be of type boolean`,
		`{"b":1}`:         `input "b" must be of type boolean`,
		`{"l":{"a":1}}`:   `input "l" must be of type array`,
		`{"o":"text"}`:    `input "o" must be of type object`,
	} {
		got, _ := d.said("x", args)
		if want == "" != !strings.HasPrefix(got, "error") || want != "" && got != "error: "+want {
			t.Errorf("%s: %s, want %q", args, got, want)
		}
	}
	for tool, want := range map[string]string{"need": `error: input "name" is required`, "least": `text text="you"`} {
		if got, _ := d.said(tool, `{}`); got != want {
			t.Errorf("%s: %s, want %s", tool, got, want)
		}
	}
}
