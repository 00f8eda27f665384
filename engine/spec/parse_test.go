package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

// parse reads a document that must be served, whatever else is found.
func parse(t *testing.T, text string) (*spec.Document, diag.List) {
	t.Helper()
	doc, list := spec.Parse("f.yaml", []byte(text), spec.Limits{})
	if doc == nil {
		t.Fatalf("refused: %v", list)
	}
	return doc, list
}

const listForm = `naftiko: 1.0.0-alpha2
info: {title: Rooms, tags: [a, b]}
binds:
- namespace: env
  keys: {TOKEN: SOURCE}
capability:
  binds: [{namespace: more, location: 'file:///x', keys: [A]}]
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example
    auth: {type: bearer, token: '{{TOKEN}}'}
    inputParameters: [{name: X-Trace, in: header}]
    resources:
    - name: room
      path: /rooms/{id}
      operations:
      - id: get-room
        outputSchema: x.avsc
        outputRawFormat: avro
        inputParameters:
        - {name: id, in: path, type: [string, 'null'], required: true, enum: [a, b], default: a}
        - {name: expand, in: query}
        body:
  exposes:
  - type: api
    namespace: rooms-rest
    port: 8080
    address: 0.0.0.0
    resources:
    - path: /rooms/{id}
      operations:
      - {method: GET, call: rooms.get-room, with: , outputParameters: [{type: object, mapping: $.}]}
  - type: mcp
    namespace: rooms-mcp
    port: 9090
    prompts: [{name: p}]
    tools:
    - name: get-room
      label: Get a room
      call: rooms.get-room
      with: {id: tools.id, n: 5}
      hints: {readOnly: true}
      inputParameters: [{name: id, type: string, description: The room, pattern: '^r'}]
      outputParameters:
      - {name: room, type: object, properties: {title: {type: string, mapping: $.title, maxLength: 10}}}
      - {name: tags, type: array, mapping: $.tags, items: {type: string, value: x}}
    - {name: waiting, calls: [{capability: a.b}]}
`

const mapForm = `ikanos: 1.0.0-beta5
info: {display: Rooms, tags: [a, b]}
binds:
- namespace: env
  keys: {TOKEN: SOURCE}
capability:
  binds: [{namespace: more, location: 'file:///x', keys: {A: A}}]
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example
    authentication: {type: bearer, token: '{{TOKEN}}'}
    inputParameters: {X-Trace: {in: header}}
    resources:
      room:
        path: /rooms/{id}
        operations:
          get-room:
            outputSchema: x.avsc
            outputRawFormat: avro
            inputParameters:
              id: {in: path, type: string, required: true, enum: [a, b], default: a}
              expand: {in: query}
  exposes:
  - type: rest
    namespace: rooms-rest
    port: 8080
    address: 0.0.0.0
    resources:
      room:
        path: /rooms/{id}
        operations:
          read: {method: GET, call: rooms.get-room, outputParameters: [{type: object, mapping: $.}]}
  - type: mcp
    namespace: rooms-mcp
    port: 9090
    prompts: {p: {description: x}}
    tools:
      get-room:
        display: Get a room
        call: rooms.get-room
        with: {id: tools.id, n: 5}
        hints: {readOnly: true}
        inputParameters: {id: {type: string, description: The room, pattern: '^r'}}
        outputParameters:
          room: {type: object, properties: {title: {type: string, mapping: $.title, maxLength: 10}}}
          tags: {type: array, mapping: $.tags, items: {type: string, value: x}}
      waiting: {operation: a.b}
`

// outline writes what a document says, without places, one fact per line.
func outline(d *spec.Document) string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put("%s %v", d.Label.Value, values(d.Tags))
	for _, x := range d.Binds {
		for _, k := range x.Keys {
			put("bind %s %q %s=%s", x.Namespace.Value, x.Location.Value, k.Key.Value, k.Source.Value)
		}
	}
	for _, c := range d.Consumes {
		put("consumes %s %s %s auth %s", c.Type.Value, c.Namespace.Value, c.BaseURI.Value, c.Auth.JSON())
		params(put, c.Parameters)
		for _, r := range c.Resources {
			put("  %s %s", r.Name.Value, r.URI.Value)
			for _, o := range r.Operations {
				put("  operation %s%s %s schema %s body %v", o.Name.Value, o.ID.Value, o.RawFormat.Value, o.OutputSchema.Value, o.Body != nil)
				params(put, o.Parameters)
			}
		}
	}
	for _, x := range d.Exposes {
		put("exposes %s %s %s:%d others %v", x.Type.Value, x.Namespace.Value, x.Address.Value, x.Port, values(x.Others))
		for _, r := range x.Resources {
			put("  %s", r.URI.Value)
			operations(put, r.Operations)
		}
		operations(put, x.Tools)
	}
	return b.String()
}

func values(texts []spec.Text) []string {
	out := []string{}
	for _, t := range texts {
		out = append(out, t.Value)
	}
	return out
}

func params(put func(string, ...any), list []spec.Parameter) {
	for _, p := range list {
		put("    %s in %s type %s required %d default %s enum %d pattern %s", p.Name.Value, p.In.Value, p.Type.Value, p.Required, p.Default.JSON(), len(p.Enum), p.Pattern.Value)
	}
}

func operations(put func(string, ...any), list []spec.ExposedOperation) {
	for _, o := range list {
		put("  %s%s %q calls %s with %s hints %s outputs %v form %v", o.Method.Value, o.Name.Value, o.Label.Value, o.Call.JSON(), o.With.JSON(), o.Hints.JSON(), o.HasOutputs, o.CallForm != nil)
		params(put, o.Parameters)
		outputs(put, o.Outputs)
	}
}

func outputs(put func(string, ...any), list []spec.Output) {
	for _, o := range list {
		put("    output %s %s %q %v max %d value %s", o.Name.Value, o.Type.Value, o.Mapping.Value, o.HasProps, o.MaxLength, o.Value.JSON())
		outputs(put, o.Properties)
		if o.Items != nil {
			outputs(put, []spec.Output{*o.Items})
		}
	}
}

const wantOutline = `Rooms [a b]
bind env "" TOKEN=SOURCE
bind more "file:///x" A=A
consumes http rooms https://rooms.example auth {"type":"bearer","token":"{{TOKEN}}"}
    X-Trace in header type  required 0 default null enum 0 pattern 
  room /rooms/{id}
  operation get-room avro schema x.avsc body BODY
    id in path type string required 2 default "a" enum 2 pattern 
    expand in query type  required 0 default null enum 0 pattern 
exposes rest rooms-rest 0.0.0.0:8080 others []
  /rooms/{id}
  GETNAME "" calls "rooms.get-room" with null hints null outputs true form false
    output  object "$." false max 0 value null
exposes mcp rooms-mcp :9090 others []
  get-room "Get a room" calls "rooms.get-room" with {"id":"tools.id","n":5} hints {"readOnly":true} outputs true form false
    id in  type string required REQUIRED default null enum 0 pattern ^r
    output room object "" true max 0 value null
    output title string "$.title" false max 10 value null
    output tags array "$.tags" false max 0 value null
    output  string "" false max 0 value "x"
  waiting "" calls null with null hints null outputs false form true
`

// Both forms give one tree; only defaults and what a form cannot say differ.
func TestFormsGiveOneTree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, body, method, required string }{
		{"list", listForm, "true", "", "0"},
		{"map", mapForm, "false", "read", "2"}, // required is true unless said otherwise
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc, list := parse(t, tt.text)
			want := strings.NewReplacer("BODY", tt.body, "NAME", tt.method, "REQUIRED", tt.required).Replace(wantOutline)
			if got := outline(doc); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if len(list) > 0 {
				t.Errorf("findings: %v", list)
			}
		})
	}
}

func TestPlacesOfTheTree(t *testing.T) {
	t.Parallel()
	list, _ := parse(t, listForm)
	maps, _ := parse(t, mapForm)
	for _, tt := range []struct{ got, want string }{
		{list.Exposes[0].Span.String(), "f.yaml:26:5"},
		{list.Exposes[0].PortSpan.String(), "f.yaml:28:11"},
		{list.Exposes[1].Tools[0].Span.String(), "f.yaml:39:7"},
		{list.Exposes[1].Tools[0].Node.Path(), "capability.exposes[1].tools[0]"},
		{list.Exposes[1].Tools[0].Call.AsText().Sub(6, 14).String(), "f.yaml:41:19"},
		{list.Consumes[0].Resources[0].Operations[0].Parameters[0].Node.Path(), "capability.consumes[0].resources[0].operations[0].inputParameters[0]"},
		{list.Exposes[0].Type.Span().String(), "f.yaml:26:11"},
		{maps.Exposes[1].Tools[0].Span.String(), "f.yaml:39:7"},
		{maps.Exposes[1].Tools[0].Node.Path(), "capability.exposes[1].tools.get-room"},
		{maps.Exposes[1].Tools[0].Name.Span().String(), "f.yaml:39:7"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	if end := list.Exposes[0].Span.End; end.Line != 33 {
		t.Errorf("the first adapter ends in line %d, want 33", end.Line)
	}
}

func TestNullsAndWhatIsKept(t *testing.T) {
	t.Parallel()
	doc, list := parse(t, `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - namespace: a
    baseUri: ''
    authentication: ~
    resources:
    - operations:
      - {name: none}
      - {name: "null", body: ~}
      - {name: empty, body: {type: json, data: {}}}
      - {name: text, body: raw, path: ''}
  exposes:
  - type: mcp
    tools:
    - {name: a, with: ~, call: , hints: ~, outputParameters: ~}
    - {name: b, with: text, call: {x: y}}
`)
	if len(list) > 0 {
		t.Errorf("findings: %v", list)
	}
	c := doc.Consumes[0]
	ops := c.Resources[0].Operations
	if !c.HasBaseURI || c.Auth != nil || c.Resources[0].HasURI || !ops[3].HasURI {
		t.Error("an empty text is not told from an absent one")
	}
	if ops[0].Body != nil || ops[1].Body == nil || ops[1].Body.Kind != spec.Null || ops[2].Body.Get("data").Kind != spec.Map || ops[3].Body.AsText().Value != "raw" {
		t.Error("a body is not kept as written")
	}
	a, b := doc.Exposes[0].Tools[0], doc.Exposes[0].Tools[1]
	if a.With != nil || a.Call != nil || a.Hints != nil || a.HasOutputs {
		t.Error("null does not count as absent")
	}
	if b.With.Kind != spec.String || b.Call.Kind != spec.Map {
		t.Error("other kinds are not kept as written")
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	doc, _ := parse(t, `naftiko: 1.0.0-alpha1
import: [{name: gate, location: shared/gate.yaml}, shared/b.yaml]
imports: {c: shared/c.yaml}
binds: [{from: ./binds.yaml, import: env}]
capability:
  consumes:
  - {location: ./a.yaml, import: a, as: alias}
  - {namespace: r, ref: shared/r.yaml}
  - {openapi: o, location: ../o.yml}
  - shared/s.yaml
  - {namespace: inline, location: ignored, baseUri: 'https://x.example'}
  exposes:
  - {from: ./e.yaml, import: e}
`)
	var got []string
	for _, i := range doc.Imports {
		got = append(got, fmt.Sprintf("%s|%s|%s", i.Section, i.Namespace.Value, i.Location.Value))
	}
	want := "|gate|shared/gate.yaml |" + "|shared/b.yaml |c|shared/c.yaml binds|env|./binds.yaml consumes||shared/s.yaml consumes|alias|./a.yaml consumes|r|shared/r.yaml consumes|o|../o.yml exposes|e|./e.yaml"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if len(doc.Consumes) != 1 || doc.Consumes[0].Namespace.Value != "inline" {
		t.Errorf("consumed APIs: %v", doc.Consumes)
	}
}

func TestRootConsumesComeLast(t *testing.T) {
	t.Parallel()
	doc, _ := parse(t, "naftiko: 0.5\nconsumes: [{namespace: b, baseUri: x}]\ncapability: {consumes: [{namespace: a, baseUri: x}]}\n")
	if len(doc.Consumes) != 2 || doc.Consumes[0].Namespace.Value != "a" || doc.Consumes[1].Node.Path() != "consumes[0]" {
		t.Errorf("got %v", doc.Consumes)
	}
	if doc.Version.Value != "0.5" || doc.Root.Value != "naftiko" {
		t.Errorf("version %s %s", doc.Root.Value, doc.Version.Value)
	}
}

func TestTruncation(t *testing.T) { // L3
	t.Parallel()
	doc, _ := parse(t, `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    tools:
    - {name: whole, call: a.b}
    - name: cut
      with:

# --- truncated at 32 KB (46 KB total) ---
# Full source: https://files.example/full.yaml
`)
	cut := doc.Truncation
	if cut == nil || cut.Source != "https://files.example/full.yaml" || cut.Span.String() != "f.yaml:10:1" {
		t.Fatalf("truncation %+v", cut)
	}
	inside := func(s diag.Span) bool {
		return s.Start.Compare(cut.Last.Start) <= 0 && cut.Last.End.Compare(s.End) <= 0
	}
	tools := doc.Exposes[0].Tools
	if inside(tools[0].Span) || !inside(tools[1].Span) || !inside(doc.Exposes[0].Span) {
		t.Errorf("the last node %v is not in the last tool alone", cut.Last)
	}
	whole, _ := parse(t, "naftiko: 1.0.0-alpha2\ninfo: {label: 'x # --- truncated at'}\ncapability: {}\n")
	if whole.Truncation != nil {
		t.Error("a text about truncation counts as truncated")
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability:\n  consumes: "
	for _, tt := range []struct {
		name, text string
		lim        spec.Limits
		ok         bool
	}{
		{"bytes below", head, spec.Limits{Bytes: int64(len(head))}, true},
		{"bytes above", head + " ", spec.Limits{Bytes: int64(len(head))}, false},
		{"depth below", head + "[[a]]", spec.Limits{Depth: 5}, true},
		{"depth above", head + "[[[a]]]", spec.Limits{Depth: 5}, false},
		{"depth through an alias", "x: &x [[a]]\n" + head + "[*x]", spec.Limits{Depth: 5}, false},
		{"nodes below", head + "[a, a]", spec.Limits{Nodes: 9}, true},
		{"nodes above", head + "[a, a, a]", spec.Limits{Nodes: 9}, false},
		{"zero means the defaults", head + "[a]", spec.Limits{}, true},
	} {
		doc, list := spec.Parse("f.yaml", []byte(tt.text), tt.lim)
		if (doc != nil) != tt.ok {
			t.Errorf("%s: served %v, want %v: %v", tt.name, doc != nil, tt.ok, list)
		}
		if !tt.ok && (len(list) != 1 || list[0].Code != diag.CodeTooLarge) {
			t.Errorf("%s: findings %v", tt.name, list)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	_, list := parse(t, "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n"+strings.Repeat("  - x\n", 5000))
	if len(list) > 1001 {
		t.Errorf("%d findings", len(list))
	}
	var last diag.Diagnostic
	for _, d := range list {
		if d.Code == diag.CodeTooMany {
			last = d
		}
	}
	if last.Message != "4000 more problems of this file are not shown" {
		t.Errorf("what is left out is not said: %q", last.Message)
	}
}

func TestAliasedProblemsAreReportedOnce(t *testing.T) {
	t.Parallel()
	_, list := parse(t, `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    tools:
    - &tool {name: a, call: b.c, wheels: 4, inputParameters: &in [{name: {x: y}}]}
    - <<: *tool
      name: b
    - {name: c, call: b.c, inputParameters: *in}
`)
	if len(list) != 2 {
		t.Errorf("want the unknown key and the wrong name once each, got %v", list)
	}
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: mcp\n    namespace: m\n    port: 9090\n    tools:\n")
	for i := range 200 {
		fmt.Fprintf(&text, "    - name: tool-%d\n      description: Does one thing.\n      call: api.op-%d\n      with: {id: tools.id, n: 5}\n      outputParameters:\n      - type: object\n        mapping: $.\n", i, i)
	}
	in := []byte(text.String())
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if doc, list := spec.Parse("f.yaml", in, spec.Limits{}); doc == nil {
			b.Fatal(list)
		}
	}
}
