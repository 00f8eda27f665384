package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"capd/engine/plan"
)

// schemaClause is what the input schema of the tool t must be.
type schemaClause struct {
	name, api, tool string
	want            string // the schema; the wrapping {"type":"object",...} included
	warns           string // code of the warning that comes with it
}

func testSchemas(t *testing.T, clauses []schemaClause) {
	t.Parallel()
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, mark := unmark((&clause{api: c.api, tool: c.tool}).text())
			d := load(t, text)
			got := string(d.find("t").InputSchema)
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s\n%s", got, c.want, text)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
			warned := false
			for _, x := range d.list {
				if c.warns == "" || string(x.Code) != c.warns || x.Span.Start != mark.Start {
					t.Errorf("unexpected: %v", x)
				}
				warned = true
			}
			if c.warns != "" && !warned {
				t.Errorf("no %s", c.warns)
			}
		})
	}
}

// find gives the tool of that name.
func (d *document) find(name string) *plan.Tool {
	d.t.Helper()
	if d.unit != nil {
		for _, e := range d.unit.Exposures {
			for _, x := range e.Tools {
				if x.Name == name {
					return x
				}
			}
		}
	}
	d.t.Fatalf("no tool %s; diagnostics: %v", name, d.list)
	return nil
}

const implicitBody = `"body":{"type":"object","description":"The request body (JSON)."}`

// M1 and D8: which inputs a tool has.
func TestM1(t *testing.T) {
	const api = `{path: "/x/{id}", operations: [{name: get, inputParameters: [{name: q, in: query, type: integer, description: " How many. "}, {name: need, in: query, type: string, required: true}, {name: X-H, in: header, type: boolean}]}]}`
	const tpl = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: n, in: body, type: number}], body: {type: json, data: {a: "{{tools.n}}", b: "{{tools.free}} {{other}}"}}}]}`
	const implicit = `{path: "/x/{id}", operations: [{name: get, method: POST}]}`
	testSchemas(t, []schemaClause{
		{
			name: "none declared: slots", api: api, tool: anyTool,
			want: `{"type":"object","properties":{"q":{"type":"integer","description":"How many."},"need":{"type":"string"},"X-H":{"type":"boolean"},"id":{"type":"string"}},"required":["need","id"]}`,
		},
		{
			name: "none declared: inputs of with stand for their slots", api: api, tool: `{name: t, call: api.get, with: {q: tools.limit, id: "r-{{tools.room}}"}}`,
			want: `{"type":"object","properties":{"limit":{"type":"integer","description":"How many."},"room":{},"need":{"type":"string"},"X-H":{"type":"boolean"}},"required":["room","need"]}`,
		},
		{
			name: "none declared: literals need no input", api: api, tool: `{name: t, call: api.get, with: {q: 5, id: x, need: y, X-H: true}}`,
			want: `{"type":"object","properties":{}}`,
		},
		{
			name: "none declared: template variables", api: tpl, tool: anyTool,
			want: `{"type":"object","properties":{"n":{"type":"number"},"free":{},"other":{}}}`,
		},
		{
			name: "none declared: implicit body", api: implicit, tool: anyTool,
			want: `{"type":"object","properties":{"id":{"type":"string"},` + implicitBody + `},"required":["id"]}`,
		},
		{
			name: "declared", api: api, tool: `{name: t, call: api.get, inputParameters: [{name: id, type: string, description: The room.}, {name: need}, {name: q, required: true}]}`,
			want: `{"type":"object","properties":{"id":{"type":"string","description":"The room."},"need":{"type":"string"},"q":{"type":"integer","description":"How many."}},"required":["id","need","q"]}`,
		},
		{
			name: "declared in another spelling", api: `{path: "/x/{room_id}", operations: [{name: get}]}`, tool: `{name: t, call: api.get, inputParameters: [{name: roomId}]}`,
			want: `{"type":"object","properties":{"roomId":{"type":"string"}},"required":["roomId"]}`,
		},
		{
			name: "declared, a required one is missing", api: api, tool: `⟦{name: t, call: api.get, inputParameters: [{name: need}, {name: q}]}`, warns: "assumed",
			want: `{"type":"object","properties":{"need":{"type":"string"},"q":{"type":"integer","description":"How many."},"id":{"type":"string"}},"required":["need","id"]}`,
		},
		{
			name: "declared, one that with names is missing", api: api, tool: `⟦{name: t, call: api.get, inputParameters: [{name: need}, {name: id}], with: {q: tools.limit}}`, warns: "assumed",
			want: `{"type":"object","properties":{"need":{"type":"string"},"id":{"type":"string"},"limit":{"type":"integer","description":"How many."}},"required":["need","id"]}`,
		},
		{
			name: "declared, implicit body", api: implicit, tool: `{name: t, call: api.get, inputParameters: [{name: id}]}`,
			want: `{"type":"object","properties":{"id":{"type":"string"},` + implicitBody + `},"required":["id"]}`,
		},
		{
			name: "declared body of an implicit body", api: implicit, tool: `{name: t, call: api.get, inputParameters: [{name: id}, {name: body, type: array, required: true}]}`,
			want: `{"type":"object","properties":{"id":{"type":"string"},"body":{"type":"array","items":{}}},"required":["id","body"]}`,
		},
		{
			name: "no body where with gives it", api: implicit, tool: `{name: t, call: api.get, with: {body: {a: tools.a}}}`,
			want: `{"type":"object","properties":{"a":{},"id":{"type":"string"}},"required":["id"]}`,
		},
		{
			name: "tools.body.x means body", api: `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}, {name: p, in: query, required: true}]}]}`,
			tool: `{name: t, call: api.get, with: {q: tools.body.q, p: tools.body.p}}`,
			want: `{"type":"object","properties":{"body":{"type":"object"}},"required":["body"]}`,
		},
		{
			name: "tools.filter.x means filter where that is declared", api: `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}]}]}`,
			tool: `{name: t, call: api.get, inputParameters: [{name: filter, type: object}], with: {q: tools.filter.q}}`,
			want: `{"type":"object","properties":{"filter":{"type":"object"}}}`,
		},
		{
			name: "lists and choices", api: `{path: /x, operations: [{name: get, inputParameters: [{name: l, in: query, type: array, items: {type: integer}}, {name: m, in: query, type: array}, {name: e, in: query, type: string, enum: [a, 1, "true"]}]}]}`, tool: anyTool,
			want: `{"type":"object","properties":{"l":{"type":"array","items":{"type":"integer"}},"m":{"type":"array","items":{}},"e":{"type":"string","enum":["a",1,"true"]}}}`,
		},
		{
			name: "types of other languages", api: `{path: /x, operations: [{name: get, inputParameters: [{name: a, in: query, type: int}, {name: b, in: query, type: double}, {name: c, in: query, type: bool}, {name: d, in: query, type: list}, {name: e, in: query, type: date}]}]}`, tool: anyTool,
			want: `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"number"},"c":{"type":"boolean"},"d":{"type":"array","items":{}},"e":{}}}`,
		},
		{
			name: "names that need escapes", api: `{path: /x, operations: [{name: get, inputParameters: [{name: "a\"b\\", in: query, description: "line\nend"}]}]}`, tool: anyTool,
			want: `{"type":"object","properties":{"a\"b\\":{"description":"line\nend"}}}`,
		},
	})
}

// M2: which inputs must be given.
func TestM2(t *testing.T) {
	const api = `{path: "/x/{id}", operations: [{name: get, inputParameters: [{name: q, in: query, required: true}, {name: o, in: query, required: false}, {name: User-Agent, in: header, required: true}]}]}`
	tool := func(params string) string { return `{name: t, call: api.get, inputParameters: [` + params + `]}` }
	testSchemas(t, []schemaClause{
		{
			name: "declared required", api: api, tool: tool(`{name: id}, {name: q}, {name: o, required: true}`),
			want: `{"type":"object","properties":{"id":{"type":"string"},"q":{},"o":{}},"required":["id","q","o"]}`,
		},
		{
			name: "declared not required", api: api, tool: tool(`{name: id, required: false}, {name: q, required: false}, {name: o}`),
			want: `{"type":"object","properties":{"id":{"type":"string"},"q":{},"o":{}}}`,
		},
		{
			name: "a header of the HTTP client is never required", api: api, tool: tool(`{name: id}, {name: q}, {name: User-Agent}`),
			want: `{"type":"object","properties":{"id":{"type":"string"},"q":{},"User-Agent":{}},"required":["id","q"]}`,
		},
		{
			name: "feeding a required slot through with", api: api, tool: `{name: t, call: api.get, inputParameters: [{name: a}, {name: b}, {name: c}], with: {id: tools.a, q: tools.b, o: tools.c}}`,
			want: `{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{}},"required":["a","b"]}`,
		},
		{
			name: "template variables are optional", api: posting(`body: {type: json, data: {a: "{{tools.a}}"}}`), tool: tool(`{name: a}`),
			want: `{"type":"object","properties":{"a":{}}}`,
		},
		{
			name: "template variables of a required parameter are not", api: posting(`inputParameters: [{name: a, in: body, required: true}], body: {type: json, data: {a: "{{tools.a}}"}}`), tool: tool(`{name: a}`),
			want: `{"type":"object","properties":{"a":{}},"required":["a"]}`,
		},
		{
			name: "the implicit body is optional", api: posting(`description: x`), tool: anyTool,
			want: `{"type":"object","properties":{` + implicitBody + `}}`,
		},
	})
}

// M3: names of tools.
func TestM3(t *testing.T) {
	const api = `{path: /x, operations: [{name: get}]}`
	long := strings.Repeat("a", 128)
	t.Run("names", func(t *testing.T) {
		testClauses(t, "M3", []clause{
			{name: "space", api: api, tool: `{name: ⟦"a b"⟧, call: api.get}`, skips: "tool-name", says: []string{`"a b"`, "1 to 128"}},
			{name: "slash", api: api, tool: `{name: ⟦a/b⟧, call: api.get}`, skips: "tool-name"},
			{name: "letter of another script", api: api, tool: `{name: ⟦räume⟧, call: api.get}`, skips: "tool-name"},
			{name: "no name", api: api, tool: `⟦{call: api.get}`, skips: "tool-name"},
			{name: "too long", api: api, tool: `{name: ⟦` + long + `a⟧, call: api.get}`, skips: "tool-name"},
			{name: "a refused one takes no other with it", api: api, tool: "{name: ⟦a b⟧, call: api.get}\n- {name: t, call: api.get}", skips: "tool-name", call: viaTool(`{}`), sends: get("/x")},
		})
	})
	t.Run("legal", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"a", "list-openapi.yml", "start_agent_run", "A.b-C_9", long} {
			d := load(t, (&clause{api: api, tool: `{name: ` + name + `, call: api.get}`}).text())
			if x := d.find(name); x.Operation == nil || x.Refusal != nil {
				t.Errorf("%s is refused: %v", name, d.list)
			}
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		text, mark := unmark((&clause{api: api + "\n" + `- {path: /y, operations: [{name: other}]}`, tool: "{name: t, call: api.get}\n- ⟦{name: t, call: api.other}"}).text())
		d := load(t, text)
		if len(d.list) != 1 || d.list[0].Code != "duplicate-tool" || d.list[0].Span.Start != mark.Start || len(d.list[0].Related) != 1 {
			t.Fatalf("got %v", d.list)
		}
		if first := d.find("t"); d.list[0].Related[0].Span != first.Span {
			t.Errorf("the related place is %v, want %v", d.list[0].Related[0].Span, first.Span)
		}
		if n := len(d.unit.Exposures[0].Tools); n != 1 {
			t.Errorf("%d tools", n)
		}
		if _, err := d.tool("t", `{}`); err != nil || d.wire() != get("/x") {
			t.Errorf("the first does not win: %s %v", d.wire(), err)
		}
	})
	t.Run("duplicate of a refused one", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: api, tool: "{name: t, call: api.nope}\n- {name: t, call: api.get}"}).text())
		if x := d.find("t"); x.Refusal == nil || x.Refusal.Code != "call-unresolved-operation" || !strings.Contains(d.codes(), "error duplicate-tool") {
			t.Errorf("got %s", d.codes())
		}
	})
}

// M4: property names are taken as they are.
func TestM4(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: $top, in: query, type: integer}, {name: "filter[stop]", in: query}, {name: "a:b.c", in: query}]}]}`
	testClauses(t, "M4", []clause{
		{name: "derived", api: api, tool: anyTool, call: viaTool(`{"$top":1,"filter[stop]":2,"a:b.c":3}`), sends: get("/x?%24top=1&filter%5Bstop%5D=2&a%3Ab.c=3")},
		{name: "declared", api: api, tool: `{name: t, call: api.get, inputParameters: [{name: $top}, {name: "filter[stop]"}]}`, call: viaTool(`{"$top":1,"filter[stop]":2}`), sends: get("/x?%24top=1&filter%5Bstop%5D=2")},
		{name: "in with", api: api, tool: `{name: t, call: api.get, with: {$top: "tools.$top", "filter[stop]": "tools.filter[stop]"}}`, call: viaTool(`{"$top":1,"filter[stop]":2}`), sends: get("/x?%24top=1&filter%5Bstop%5D=2")},
	})
	testSchemasOnce(t, api, `{"type":"object","properties":{"$top":{"type":"integer"},"filter[stop]":{},"a:b.c":{}}}`)
}

func testSchemasOnce(t *testing.T, api, want string) {
	t.Helper()
	d := load(t, (&clause{api: api, tool: anyTool}).text())
	if got := string(d.find("t").InputSchema); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// M5: failures of a tool, as far as the plan says them.
func TestM5(t *testing.T) {
	const api = `{path: /x, operations: [{name: get}]}`
	testClauses(t, "M5", []clause{
		{name: "the upstream's own failure is a result", api: api, tool: anyTool, answer: `422 text/plain no such room`, call: viaTool(`{}`), sends: get("/x"), gives: "422 no such room"},
		{name: "a refused tool gives the reason", api: api, tool: `{name: t, call: api.⟦gett⟧}`, skips: "call-unresolved-operation", rule: "K3", call: viaTool(`{}`), fails: "call-unresolved-operation: api has no operation", code: plan.CodeRefused},
	})
	t.Run("marks", func(t *testing.T) {
		t.Parallel()
		for status, failed := range map[int]bool{200: false, 302: false, 399: false, 400: true, 404: true, 500: true, 599: true} {
			d := load(t, (&clause{api: api, tool: anyTool}).text())
			d.answer = answering(fmt.Sprintf("%d text/plain x", status))
			res := d.result(d.find("t").Operation, &plan.Source{Arguments: []byte(`{}`)})
			if !res.FromUpstream || res.Status != status || (res.Status >= 400) != failed {
				t.Errorf("status %d gives %+v", status, res)
			}
		}
	})
}

// The names and texts of a tool, and its annotations.
func TestToolTexts(t *testing.T) {
	t.Parallel()
	const api = `{path: /x, operations: [{name: get, description: Reads.}, {name: make, method: POST}, {name: put, method: PUT, inputParameters: [{name: a, in: query}]}, {name: drop, method: DELETE}]}`
	d := load(t, (&clause{api: api, tool: `{name: a, call: api.get, label: A tool, description: Mine.}
- {name: b, call: api.get}
- {name: c, call: api.make}
- {name: d, call: api.put}
- {name: e, call: api.drop, hints: {readOnly: false, idempotent: false, destructive: true, openWorld: false}}
- {name: f, call: api.make, hints: {readOnly: true}}
- {name: g, outputParameters: [{name: x, value: 1}]}`}).text())
	for _, c := range []struct {
		tool, title, description string
		want                     plan.Annotations
	}{
		{"a", "A tool", "Mine.", plan.Annotations{ReadOnly: true, Idempotent: true, OpenWorld: true}},
		{"b", "", "Reads.", plan.Annotations{ReadOnly: true, Idempotent: true, OpenWorld: true}},
		{"c", "", "c", plan.Annotations{Destructive: true, OpenWorld: true}},
		{"d", "", "d", plan.Annotations{Destructive: true, Idempotent: true, OpenWorld: true}},
		{"e", "", "e", plan.Annotations{Destructive: true}},
		{"f", "", "f", plan.Annotations{ReadOnly: true, OpenWorld: true}},
		{"g", "", "g", plan.Annotations{ReadOnly: true, Idempotent: true}},
	} {
		x := d.find(c.tool)
		if x.Title != c.title || x.Description != c.description || x.Annotations != c.want {
			t.Errorf("%s: %q, %q, %+v; want %q, %q, %+v", c.tool, x.Title, x.Description, x.Annotations, c.title, c.description, c.want)
		}
	}
	if got := d.codes(); got != "info hints" {
		t.Errorf("diagnostics: %v, want one on the POST of f", d.list)
	}
	text, mark := unmark((&clause{api: api, tool: `{name: t, call: api.get, hints: {destructive: ⟦f⟧}}`}).text())
	d = load(t, text)
	if len(d.list) != 1 || d.list[0].Code != "hints" || d.list[0].Span.Start != mark.Start || d.find("t").Annotations.Destructive {
		t.Errorf("a hint that is no boolean gives %v", d.list)
	}
}
