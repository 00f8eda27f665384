package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// fuzzSeeds are documents that reach far into the compiler.
var fuzzSeeds = []string{
	busy,
	secretive,
	`naftiko: 1.0.0-alpha2
binds: [{namespace: env, keys: {A_HOST: A_HOST, KEY: KEY}}]
capability:
  consumes:
  - {type: http, namespace: a, baseUri: "{{A_HOST}}/{region}/v1?x=1", auth: {type: apikey, name: k, in: path, value: "{{KEY}}"}, resources: [
      {path: "/x/{k}#X-Target=Y", operations: [{name: list, inputParameters: [{name: region, in: path, enum: [eu, us]}, {name: "f[a]"}]}, {id: make, method: POST, body: {type: form, data: {p: "<<env.KEY>> {{tools.p}}"}}}]},
      {operations: [{name: z, path: "z?a={q}&b", method: PUT, body: '{"v": {{v}}, "w": "{{w}}"}'}]}]}
  exposes:
  - {type: rest, port: 1, namespace: r, resources: [{path: "/r/{id}.json?c=1", operations: [{call: a.list, with: {k: rest.id}}, {method: POST, name: m, path: "/{{p}}", call: r.make, inputParameters: [{name: p, in: query}]}]}]}
  - {type: mcp, port: 2, namespace: m, tools: [{name: t, call: a.z, with: {v: [1, "$this.m.v", {a: null, b: "{{tools.body.c}}"}]}, outputParameters: [{name: n, mapping: "$..id", type: array, items: {type: object, properties: {i: {mapping: $}}}}, {name: c, const: "{{x}}"}]}, {name: u, hints: {readOnly: maybe}, outputParameters: [{type: object, properties: {a: {value: 1}}}]}]}
  - {type: skill, namespace: s, skills: []}
`,
	`ikanos: 1.0.0-beta5
capability:
  consumes:
    a:
      baseUri: //h.test
      resources:
        things: {path: /t, operations: {get: {method: GET, inputParameters: {q: {in: query}}}}}
  exposes:
    r: {type: rest, port: 1, resources: {t: {path: /t, operations: {get: {method: GET, call: a.get}}}}}
`,
	"naftiko: x\ncapability:\n  consumes: [{namespace: a, baseUri: http://h, resources: [{path: /, operations: [{name: b, body: {type: multipart, data: [1]}}]}]}]\n  exposes: [{type: mcp, tools: [{name: t, call: a.b, with: {true: tools.on, body: tools.body}}, {name: t, call: a.b, with: x}]}]\n" + cutOff,
}

// FuzzCompile takes mutated documents through every phase and calls what is served.
func FuzzCompile(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(checkDocument)
}

// word is a piece of a document that a mutation replaces.
var word = regexp.MustCompile(`[\w$./{}<>-]+|"[^"]*"|[\[\],:#]`)

// TestMutatedDocuments replaces each word of the seeds by values of other kinds.
func TestMutatedDocuments(t *testing.T) {
	t.Parallel()
	others := []string{"", "null", "[]", "{}", "''", "1.0", "{a: [1]}", "'{{x}}/{y}?z#q'", "t: u"}
	for _, s := range fuzzSeeds {
		for i, at := range word.FindAllStringIndex(s, -1) {
			for k := range 3 { // of the nine, other ones at each word
				with := others[(i+3*k)%len(others)]
				checkDocument(t, []byte(s[:at[0]]+with+s[at[1]:]))
			}
		}
		if t.Failed() {
			return
		}
	}
}

// checkDocument takes a document through every phase and calls what is served.
func checkDocument(t *testing.T, text []byte) {
	doc, list := spec.Parse("fuzz.yaml", text, spec.Limits{Bytes: 1 << 16})
	checkList(t, list, text)
	if doc == nil {
		return
	}
	doc.ID = "fuzz"
	unit, list := plan.Compile(doc, nil)
	checkList(t, list, text)
	if unit == nil {
		if !list.HasErrors() {
			t.Errorf("nothing is served and nobody says why")
		}
		return
	}
	p, list := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	checkList(t, list, text)
	bound, list := plan.Bind(p, plan.BindOptions{
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) { return plan.NewSecret("https://" + v.Name), nil },
		Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`[{"id":1}]`))}, nil
		}),
	})
	checkList(t, list, text)
	for _, e := range unit.Exposures {
		for _, r := range e.Routes {
			checkServed(t, bound, r.Operation, r.Refusal, &plan.Source{Path: make([]string, len(r.Params))})
		}
		for _, x := range e.Tools {
			checkServed(t, bound, x.Operation, x.Refusal, &plan.Source{Arguments: []byte(`{}`)})
			if x.Operation != nil {
				checkSchema(t, x.InputSchema)
			}
		}
	}
}

// checkList looks for faults of capd and for places that are none.
func checkList(t *testing.T, list diag.List, text []byte) {
	t.Helper()
	lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 1 + strings.Count(string(text), "\u0085") + strings.Count(string(text), "\u2028") + strings.Count(string(text), "\u2029")
	for _, d := range list {
		if d.Code == diag.CodeInternal {
			t.Errorf("a fault of capd: %v", d)
		}
		if d.Severity < diag.Error || d.Severity > diag.Info || d.Message == "" || d.Code == "" {
			t.Errorf("incomplete: %+v", d)
		}
		spans := []diag.Span{d.Span}
		for _, r := range d.Related {
			spans = append(spans, r.Span)
		}
		for _, s := range spans {
			switch {
			case s.File != "fuzz.yaml":
				t.Errorf("%v names the file %q", d, s.File)
			case s.Start.IsValid() && (s.Start.Col < 1 || s.Start.Line > lines || s.Start.Col > len(text)+1):
				t.Errorf("%v begins outside the text: %+v", d, s)
			case s.End.IsValid() && (s.End.Compare(s.Start) < 0 || s.End.Line > lines || s.End.Col > len(text)+1):
				t.Errorf("%v ends outside the text: %+v", d, s)
			}
		}
	}
}

func checkServed(t *testing.T, bound *plan.Bound, op *plan.Operation, r *plan.Refusal, src *plan.Source) {
	if (op == nil) == (r == nil) {
		t.Fatalf("exactly one of operation and refusal must be there: %v, %v", op, r)
	}
	if op == nil {
		return
	}
	args, err := op.Bind(src)
	if err == nil {
		_, err = op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: bound})
	}
	if err != nil && plan.AsError(err).Code == plan.CodeInternal {
		t.Errorf("%s: %v: %v", op.Name(), err, plan.AsError(err).Cause)
	}
}

func checkSchema(t *testing.T, schema []byte) {
	var s struct {
		Type       string
		Properties map[string]struct{ Type string }
		Required   []string
	}
	if err := json.Unmarshal(schema, &s); err != nil || s.Type != "object" {
		t.Fatalf("not the schema of an object: %s, %v", schema, err)
	}
	for _, name := range s.Required {
		if _, ok := s.Properties[name]; !ok {
			t.Errorf("%q is required and no property: %s", name, schema)
		}
	}
}
