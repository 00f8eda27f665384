package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

const cutOff = "# --- truncated at 32 KB (46 KB total) ---\n# Full source: https://catalogue.test/full.yaml\n"

// L3: of a text that was cut off, what holds the last node is not served.
func TestL3(t *testing.T) {
	t.Parallel()
	const head = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resources:
    - {path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}]}]}
  exposes:
`
	const rest = `  - type: rest
    port: 8080
    resources:
    - path: /r
      operations:
      - name: r
        call: api.get
`
	const tools = `  - type: mcp
    port: 9090
    tools:
    - name: first
      call: api.get
    - name: t
      call: api.get
`
	for _, c := range []struct{ name, text, refused, served string }{
		{"a tool", head + rest + tools + "      with:\n        q: tools.⟦qq\n", "t", "r first"},
		{"a tool, in a key without a value", head + rest + tools + "      ⟦with:\n", "t", "r first"},
		{"a route", head + tools + rest + "        method: ⟦G\n", "r", "t first"},
		{"behind everything that is served", head + rest + tools + "  - type: skill\n    port: 1\n    namespace: nothin\n", "", "r t first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, mark := unmark(c.text + cutOff)
			d := load(t, text)
			if d.unit == nil {
				t.Fatalf("nothing is served: %v", d.list)
			}
			found := false
			for _, x := range d.list {
				if x.Code != diag.CodeTruncated || x.Severity != diag.Error {
					continue
				}
				found = true
				if x.Rule != "L3" || x.Unit.Name != c.refused || x.Span.Start.Line != mark.Start.Line || !strings.Contains(x.Hint, "https://catalogue.test/full.yaml") {
					t.Errorf("got %+v, want line %d", x, mark.Start.Line)
				}
			}
			if found != (c.refused != "") {
				t.Errorf("diagnostics: %v", d.list)
			}
			if d.list.Count(diag.Warning) == 0 {
				t.Errorf("no warning that the text was cut off: %v", d.list)
			}
			for _, e := range d.unit.Exposures {
				for _, r := range e.Routes {
					d.checkCut(r.Name, c.refused, c.served, r.Operation, r.Refusal)
				}
				for _, x := range e.Tools {
					d.checkCut(x.Name, c.refused, c.served, x.Operation, x.Refusal)
				}
			}
		})
	}
	t.Run("a consumed operation takes its callers with it", func(t *testing.T) {
		t.Parallel()
		d := load(t, `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: rest
    port: 8080
    resources:
    - path: /r
      operations:
      - {name: r, call: api.get}
      - {name: s, method: POST, call: api.make}
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resources:
    - path: /x
      operations:
      - name: get
      - name: make
        method: PO
`+cutOff)
		if r := d.route("s"); r.Refusal == nil || r.Refusal.Code != diag.CodeTruncated {
			t.Errorf("got %+v", r)
		}
		if _, err := d.rest("r", nil, "", ""); err != nil || d.wire() != get("/x") {
			t.Errorf("its neighbour is not served: %s, %v", d.wire(), err)
		}
	})
	t.Run("without the mark nothing is suspected", func(t *testing.T) {
		t.Parallel()
		d := load(t, head+rest+tools)
		if len(d.list) > 0 {
			t.Errorf("diagnostics: %v", d.list)
		}
	})
}

func (d *document) checkCut(name, refused, served string, op *plan.Operation, r *plan.Refusal) {
	d.t.Helper()
	if name == refused && (op != nil || r == nil || r.Code != diag.CodeTruncated) {
		d.t.Errorf("%s is not refused: %+v", name, r)
	}
	if name != refused && (op == nil || !strings.Contains(served, name)) {
		d.t.Errorf("%s is refused: %+v", name, r)
	}
}

// L4: documents that serve nothing, and parts that nobody defines.
func TestL4(t *testing.T) {
	t.Parallel()
	const consumes = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - {type: http, namespace: api, baseUri: https://api.test, resources: [{path: /x, operations: [{name: get}]}]}
`
	for _, c := range []struct {
		name, text string
		code       diag.Code
		says       string
	}{
		{"no exposes", consumes, diag.CodeNothingExposed, "exposes no REST operation, no MCP tool and no skill"},
		{"empty exposes", consumes + "  exposes: []\n", diag.CodeNothingExposed, ""},
		{"an adapter without operations", consumes + "  exposes:\n  - {type: rest, port: 1, resources: []}\n", diag.CodeNothingExposed, ""},
		{"cut off before it", consumes + cutOff, diag.CodeTruncatedBeforeExposes, "https://catalogue.test/full.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, c.text)
			if d.unit != nil {
				t.Fatalf("it is served")
			}
			found := false
			for _, x := range d.list {
				if x.Code == c.code && x.Severity == diag.Error && x.Rule == "L4" && x.Unit == (diag.Unit{Doc: "test"}) && x.Span.File == "test.yaml" && strings.Contains(x.Message+x.Hint, c.says) {
					found = true
				}
			}
			if !found {
				t.Errorf("diagnostics: %v", d.list)
			}
		})
	}
	t.Run("a refused operation never blocks its file", func(t *testing.T) {
		t.Parallel()
		d := load(t, consumes+"  exposes:\n  - {type: mcp, port: 1, tools: [{name: t, call: api.nope}]}\n")
		if d.unit == nil || d.find("t").Refusal == nil {
			t.Errorf("diagnostics: %v", d.list)
		}
	})
	t.Run("an adapter type nobody defines", func(t *testing.T) {
		t.Parallel()
		text, mark := unmark(consumes + `  exposes:
  - type: ⟦http
    port: 1
    namespace: odd
  - {type: mcp, port: 1, tools: [{name: t, call: api.get}]}
`)
		d := load(t, text)
		if len(d.list) == 0 || d.unit == nil {
			t.Fatalf("diagnostics: %v", d.list)
		}
		x := d.list[0]
		if x.Code != diag.CodeUnsupportedAdapter || x.Severity != diag.Error || x.Span.Start != mark.Start || x.Unit.Adapter != "odd" || !strings.Contains(x.Message, `"http"`) || !strings.Contains(x.Hint, "rest, mcp, skill or control") {
			t.Errorf("got %+v, want it at %v", x, mark.Start)
		}
		if _, err := d.tool("t", `{}`); err != nil || d.wire() != get("/x") {
			t.Errorf("its neighbour is not served: %v", err)
		}
	})
	t.Run("unknown keys", func(t *testing.T) {
		t.Parallel()
		d := load(t, strings.Replace(consumes, "capability:\n", "capability:\n  colour: red\n", 1)+"  exposes:\n  - {type: mcp, port: 1, shape: round, tools: [{name: t, size: 3, call: api.get}]}\nmood: good\n")
		if d.list.HasErrors() {
			t.Errorf("diagnostics: %v", d.list)
		}
		if _, err := d.tool("t", `{}`); err != nil || d.wire() != get("/x") {
			t.Errorf("it is not served: %v", err)
		}
	})
}

// N1: when two spellings are one name.
func TestN1(t *testing.T) {
	const api = `{path: "/x/{room_id}", operations: [{name: get, inputParameters: [{name: page_size, in: query}]}]}`
	const two = `{path: "/x/{room_id}/{roomId}", operations: [{name: get}]}`
	testClauses(t, "N1", []clause{
		{name: "placeholder and slot", api: api, rest: `{path: "/r/{Room-Id}", operations: [{name: r, call: api.get}]}`, call: viaREST("", "", "7"), sends: get("/x/7")},
		{name: "placeholder and with value", api: api, rest: `{path: "/r/{roomId}", operations: [{name: r, call: api.get, with: {room_id: rest.room-id}}]}`, call: viaREST("", "", "7"), sends: get("/x/7")},
		{name: "with key and slot", api: api, rest: `{path: "/r/{r}", operations: [{name: r, call: api.get, with: {⟦RoomID⟧: rest.r}}]}`, call: viaREST("", "", "7"), sends: get("/x/7"), warns: "approximate-name", rule: "W4"},
		{name: "exact before spelling", api: two, rest: `{path: "/r/{roomId}/{room_id}", operations: [{name: r, call: api.get}]}`, call: viaREST("", "", "1", "2"), sends: get("/x/2/1")},
		{name: "exact with key before spelling", api: two, tool: `{name: t, call: api.get, with: {room_id: tools.a, roomId: tools.b}}`, call: viaTool(`{"a":1,"b":2}`), sends: get("/x/1/2")},
		{name: "not when several are near", api: api, rest: `{path: "/r/⟦{RoomID}⟧/{room-id}", operations: [{name: r, call: api.get}]}`, skips: "unused-path-input", rule: "I5"},
		{name: "query names are exact", api: api, rest: `{path: "/r/{room_id}", operations: [{name: r, call: api.get}]}`, call: viaREST("pageSize=3", "", "7"), sends: get("/x/7")},
	})
}

// Y2: a name that YAML 1.1 took for a boolean.
func TestY2(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: on, in: query}, {name: y, in: query}], body: {type: json, data: {a: 1}}}]}`
	d := func(data string) string {
		return `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: ` + data + `}}]}`
	}
	testClauses(t, "Y2", []clause{
		{name: "key of with", api: api, tool: `{name: t, call: api.get, with: {⟦true⟧: tools.on}}`, call: viaTool(`{"on":1}`), sends: post("/x?on=1", `{"a":1}`), warns: "assumed"},
		{name: "key of data", api: d(`{⟦true⟧: "{{tools.on}}"}`), tool: anyTool, call: viaTool(`{"on":1}`), sends: post("/x", `{"on":1}`), warns: "assumed"},
		{name: "a quoted key is a name", api: d(`{"true": "{{tools.on}}"}`), tool: anyTool, call: viaTool(`{"on":1}`), sends: post("/x", `{"true":1}`)},
		{name: "a key whose value names nothing", api: d(`{true: 1, false: x}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{"true":1,"false":"x"}`)},
		{name: "a key that says on", api: d(`{on: 1, yes: 2}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{"on":1,"yes":2}`)},
	})
}
