package plan_test

import (
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
)

// TestNotHonoured: a word that is known and does nothing at its place is reported there, and
// refuses nothing.
func TestNotHonoured(t *testing.T) {
	t.Parallel()
	const text = `ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    resources:
      rooms:
        path: /rooms
        operations:
          list-rooms:
            method: GET
            inputParameters:
              floor: { in: query, type: integer, precision: 3, minimum: 0, description: The floor, example: 2, format: int32 }
  exposes:
  - type: rest
    namespace: rooms-api
    port: 9090
    ttlMs: 5
    cacheScope: public
    transport: http
    tools: { list-rooms: { description: List, call: rooms.list-rooms } }
    resources:
      rooms:
        path: /rooms
        operations:
          list-rooms:
            method: GET
            call: rooms.list-rooms
            hints: { readOnly: true }
            outputParameters:
            - { type: array, mapping: $.rooms, selector: x, items: { type: string, contentEncoding: base64, title: Name } }
  - type: mcp
    namespace: rooms-mcp
    port: 9091
    tools:
      list-rooms: { description: List, call: rooms.list-rooms, method: GET, path: /x, responses: {}, responseBinary: {} }
`
	d := load(t, text)
	var got []string
	for _, x := range d.list {
		if x.Code != diag.CodeNotHonoured {
			t.Errorf("unexpected: %s", x)
			continue
		}
		word, _, _ := strings.Cut(x.Message, " ")
		got = append(got, x.Severity.String()+" "+word)
		if line := strings.Split(text, "\n")[x.Span.Start.Line-1]; word != "an" && !strings.HasPrefix(line[x.Span.Start.Col-1:], word+":") {
			t.Errorf("%s points at %q", x, line[x.Span.Start.Col-1:])
		}
	}
	const want = "info precision,info selector,info contentEncoding,info ttlMs,info cacheScope,info transport,warning an," +
		"info hints,info method,info path,info responses,info responseBinary"
	if strings.Join(got, ",") != want {
		t.Errorf("got %s", strings.Join(got, ","))
	}
	if _, err := d.rest("list-rooms", nil, "floor=2", ""); err != nil {
		t.Error(err)
	}
}

// TestOtherProtocols: an API that is not HTTP is not called as if it were.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{"http": "", "HTTP": "", "''": "", "grpc": "error unsupported-feature"} {
		d := load(t, strings.Replace(behindTunnel("https://crm.internal", "null"), "type: http", "type: "+typ, 1))
		if got := d.codes(); got != want {
			t.Errorf("type %s: %s", typ, got)
		}
		if _, err := d.tool("list-customers", "{}"); (err == nil) != (want == "") {
			t.Errorf("type %s: %v", typ, err)
		}
	}
}

// TestMCPTransport: an adapter that is not reached over HTTP says so.
func TestMCPTransport(t *testing.T) {
	t.Parallel()
	for transport, want := range map[string]string{
		"http": "", "HTTP": "", "''": "", "stdio": "info stdio", "streamable-http": "warning not-honoured",
	} {
		d := load(t, strings.Replace(behindTunnel("https://crm.internal", "null"), "type: mcp", "type: mcp\n    transport: "+transport, 1))
		if got := d.codes(); got != want {
			t.Errorf("transport %s: %s", transport, got)
		}
	}
}

// TestWordsOfOtherSteps: what a step or an operation says for another way of running is
// reported, not dropped.
func TestWordsOfOtherSteps(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
steps:
  description: d
  call: registry.list-ships
  steps:
    "my.crew": { type: call, call: registry.list-crew, outputParameters: [id], index: x }
    one: { type: lookup, index: my.crew, match: id, lookupValue: c1, with: { a: 1 }, file: a.js }
  mappings: [{ target: name, value: $.one.name }, { target: first, value: "$.my.crew[0].id" }]
call: { description: d, call: registry.list-crew, mappings: [{ target: a, value: $.id }] }
`, "")
	var got []string
	for _, x := range d.list {
		got = append(got, x.Severity.String()+": "+x.Message)
	}
	slices.Sort(got)
	want := []string{
		"info: file has no effect here; it belongs to steps of type script",
		"info: index has no effect here; it belongs to steps of type lookup",
		"info: outputParameters has no effect here; it belongs to steps of type lookup",
		"info: with has no effect here; it belongs to steps of type call or script",
		"warning: call of tool steps is ignored, since its steps say what it runs",
		"warning: mappings of tool call have no effect, since it has no steps",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if body, err := d.tool("steps", `{}`); err != nil || body != `200 {"name":"Ann","first":"c1"}` {
		t.Errorf("got %s (%v)", body, err)
	}
}
