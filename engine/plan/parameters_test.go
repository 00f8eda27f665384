package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/plan"
)

// TestSignature: what callers of a route are told to send, and where. Each case is a route and
// what it calls; the wanted text has a parameter as "place name type", with ! behind a required
// one, and a body as its media types, with ! too, and its members.
func TestSignature(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, api, rest, want string }{
		{
			"nothing declared", `{path: "/x/{id}", operations: [{name: op}]}`,
			`{path: "/r/{id}", operations: [{name: r, call: api.op}]}`,
			"path id string!",
		},
		{
			"placeholders in the order of the path, by letters and digits",
			`{path: "/x/{a_b}/{c}", operations: [{name: op, inputParameters: [{name: a_b, in: path, type: integer}]}]}`,
			`{path: "/r/{c}/{A-B}", operations: [{name: r, call: api.op}]}`,
			"path c string!, path A-B integer!",
		},
		{
			"what the consumed operation says", `{path: /x, operations: [{name: op, inputParameters: [{name: q, in: query, type: integer, required: true}, {name: H, in: header}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op}]}`,
			"query q integer!, header H",
		},
		{
			"what the exposed one says wins", `{path: /x, operations: [{name: op, inputParameters: [{name: q, in: query, type: integer, required: true}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op, inputParameters: [{name: q, in: header, type: string, required: false}]}]}`,
			"header q string",
		},
		{
			"a default makes optional", `{path: /x, operations: [{name: op, inputParameters: [{name: q, in: query, required: true, default: 1, type: integer}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op}]}`,
			"query q integer",
		},
		{
			"what the document says itself is no input", `{path: /x, operations: [{name: op, inputParameters: [{name: q, in: query, value: 1}, {name: p, in: query}, {name: o, in: query}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op, with: {p: 7}, inputParameters: [{name: o, in: query, value: 8}]}]}`,
			"",
		},
		{
			"under the name that with has for it", `{path: /x, operations: [{name: op, inputParameters: [{name: q, in: query, type: boolean}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op, with: {q: rest.query.ask}}]}`,
			"query ask boolean",
		},
		{
			"a placeholder gives the query parameter of its name", `{path: /x, operations: [{name: op, inputParameters: [{name: id, in: query}]}]}`,
			`{path: "/r/{id}", operations: [{name: r, call: api.op}]}`,
			"path id string!",
		},
		{
			"members", `{path: /x, operations: [{name: op, method: POST, inputParameters: [{name: a, in: body, type: number, required: true}, {name: b.c, in: body}]}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"body application/json! a number! b/c",
		},
		{
			"with for a member", `{path: /x, operations: [{name: op, method: POST, inputParameters: [{name: a, in: body}]}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op, with: {a: rest.b}}]}`,
			"body application/json b",
		},
		{
			"members of a GET are in the query", `{path: /x, operations: [{name: op, method: POST, inputParameters: [{name: a, in: body}]}]}`,
			`{path: /r, operations: [{name: r, call: api.op}]}`,
			"query a",
		},
		{
			"variables of a template", `{path: /x, operations: [{name: op, method: POST, body: {type: json, data: {v: "{{tools.a}}"}}}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"body application/json a",
		},
		{
			"one input for a query parameter and a member", `{path: /x, operations: [{name: op, method: POST, inputParameters: [{name: a, in: query, required: true}], body: {type: json, data: {v: "{{a}}"}}}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"query a!",
		},
		{
			"an implicit body", `{path: /x, operations: [{name: op, method: POST}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"body application/json|*/*",
		},
		{
			"an implicit body with a declared member", `{path: /x, operations: [{name: op, method: POST}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op, inputParameters: [{name: a, in: body, type: array, required: true}]}]}`,
			"body application/json|*/*! a array!",
		},
		{
			"no body of a GET", `{path: /x, operations: [{name: op, method: POST}]}`,
			`{path: /r, operations: [{name: r, call: api.op}]}`,
			"",
		},
		{
			"the whole body as the upstream wants it", `{path: /x, operations: [{name: op, method: POST, body: {type: xml}, inputParameters: [{name: body, in: body, required: true}]}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"body application/xml!",
		},
		{
			"a form comes as JSON or as a form", `{path: /x, operations: [{name: op, method: POST, body: {type: form}, inputParameters: [{name: a, in: body}]}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op}]}`,
			"body application/json|application/x-www-form-urlencoded a",
		},
		{
			"a place in the body", `{path: /x, operations: [{name: op, inputParameters: [{name: id, in: query}]}]}`,
			`{path: /r, operations: [{name: r, method: POST, call: api.op, inputParameters: [{name: id, in: body, type: string, value: $.user.id}]}]}`,
			"body application/json user/id string",
		},
		{
			"a forward", `{path: /x, operations: [{name: op}]}`,
			`{path: "/r/{path}", forward: {targetNamespace: api}}`,
			"path path string!, body */*",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, (&clause{api: c.api, rest: c.rest}).text())
			x := d.unit.Exposures[0]
			if len(x.Routes) != 1 || x.Routes[0].Operation == nil {
				t.Fatal(d.list)
			}
			if got := signatureText(x.Signature(x.Routes[0])); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func signatureText(s *plan.Signature) string {
	var out []string
	text := func(name string, p plan.Parameter) string {
		for _, typ := range []string{"string", "integer", "number", "boolean", "array", "object"} {
			if strings.Contains(string(p.Schema), `"type":"`+typ+`"`) {
				name += " " + typ
				break
			}
		}
		if p.Required {
			name += "!"
		}
		return name
	}
	for _, p := range s.Parameters {
		out = append(out, text(p.In+" "+p.Name, p))
	}
	if b := s.Body; b != nil {
		body := "body " + strings.Join(b.MediaTypes, "|")
		if b.Required {
			body += "!"
		}
		for _, m := range b.Members {
			name := m.Name
			if m.Path != nil {
				name = strings.Join(m.Path, "/")
			}
			body += " " + text(name, m)
		}
		out = append(out, body)
	}
	return strings.Join(out, ", ")
}

// TestSignatureAnswers: what comes back.
func TestSignatureAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, api, rest, want string }{
		{"handed on", `{path: /x, operations: [{name: op}]}`, `{path: /r, operations: [{name: r, call: api.op}]}`, "2XX application/json */*"},
		{"handed on, with a type", `{path: /x, operations: [{name: op, outputParameters: [{type: array, value: $.}]}]}`, `{path: /r, operations: [{name: r, call: api.op}]}`, `2XX application/json{"type":"array","items":{}}`},
		{"in a format", `{path: /x, operations: [{name: op, outputRawFormat: csv}]}`, `{path: /r, operations: [{name: r, call: api.op}]}`, "2XX text/csv"},
		{"bytes", `{path: /x, operations: [{name: op, outputRawFormat: binary, outputMediaType: image/png}]}`, `{path: /r, operations: [{name: r, call: api.op}]}`, "2XX image/png"},
		{"shaped", `{path: /x, operations: [{name: op}]}`, `{path: /r, operations: [{name: r, call: api.op, outputParameters: [{type: integer, mapping: $.n}]}]}`, `2XX application/json{"type":["integer","null"]}`},
		{"constant", `{path: /x, operations: [{name: op}]}`, `{path: /r, operations: [{name: r, outputParameters: [{type: string, value: a}]}]}`, `200 application/json{"type":"string"}`},
		{"declared", `{path: /x, operations: [{name: op}]}`, `{path: /r, operations: [{name: r, call: api.op, responses: {'201': {description: Made}, '40X': {}, 4XX: {description: No}}}]}`, "201 (Made), 4XX (No)"},
		{"declared failures only", `{path: /x, operations: [{name: op}]}`, `{path: /r, operations: [{name: r, call: api.op, responses: {'404': {description: Gone}}}]}`, "2XX application/json */*, 404 (Gone)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, (&clause{api: c.api, rest: c.rest}).text())
			x := d.unit.Exposures[0]
			if len(x.Routes) != 1 || x.Routes[0].Operation == nil {
				t.Fatal(d.list)
			}
			var out []string
			for _, a := range x.Signature(x.Routes[0]).Answers {
				text := a.Status
				if a.Description != "" {
					text += " (" + a.Description + ")"
				}
				for _, m := range a.Content {
					text += fmt.Sprintf(" %s%s", m.MediaType, m.Schema)
				}
				out = append(out, text)
			}
			if got := strings.Join(out, ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestInputsOfRESTAreOptional: in documents of the newer language an input of a tool that does
// not say so is required; one of a REST operation is not, since it has no word for it.
func TestInputsOfRESTAreOptional(t *testing.T) {
	t.Parallel()
	d := load(t, `ikanos: 1.0.0-beta5
capability:
  consumes:
  - namespace: api
    type: http
    baseUri: https://api.test
    resources:
      x: { path: /x, operations: { list: { method: GET, inputParameters: { status: { in: query } } } } }
  exposes:
  - type: rest
    namespace: r
    port: 8080
    resources:
      x: { path: /x, operations: { list: { method: GET, inputParameters: { status: { in: query, type: string, description: s } }, call: api.list } } }
  - type: mcp
    namespace: m
    port: 9090
    tools:
      list: { description: l, inputParameters: { status: { type: string, description: s } }, call: api.list }
`)
	route := d.route("list")
	for _, e := range d.unit.Exposures {
		switch e.Kind {
		case plan.REST:
			if p := e.Signature(route).Parameters; len(p) != 1 || p[0].Required {
				t.Errorf("REST: got %+v", p)
			}
		case plan.MCP:
			if got := string(e.Tools[0].InputSchema); !strings.Contains(got, `"required":["status"]`) {
				t.Errorf("MCP: got %s", got)
			}
		}
	}
}
