package main

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// descentSpec reads what stands anywhere in the answer, alone and among steps.
const descentSpec = `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources: [{ path: /things, operations: [{ name: get, method: GET }] }]
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - { path: /all, operations: [{ method: GET, call: up.get, outputParameters: [{ type: array, mapping: $..a }] }] }
    - { path: /again, operations: [{ method: GET, call: up.get, outputParameters: [{ type: array, mapping: $..a, items: { type: array, mapping: $..a } }] }] }
    - { path: /compared, operations: [{ method: GET, call: up.get, outputParameters: [{ type: array, mapping: '$[?(@..a < @..a)]' }] }] }
    - { path: /root, operations: [{ method: GET, call: up.get, outputParameters: [{ type: array, mapping: '$..[?(@.a == $.b)]' }] }] }
    - path: /steps
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }], mappings: [{ targetName: all, value: $.s..a }], outputParameters: [{ name: all, type: array }] }
  - type: mcp
    namespace: tools
    port: 9090
    tools: [{ name: all, description: All of them, call: up.get, outputParameters: [{ type: array, mapping: $..a }] }]
`

// TestMultipliedAnswer: 60 KB of values within values, of which a path finds 300 MB, are refused
// before memory is taken for them. What an honest upstream says is answered.
func TestMultipliedAnswer(t *testing.T) {
	body := ""
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(up.Close)
	i := start(t, []string{"UPSTREAM=" + up.URL}, "--document-memory", "8MiB", specFile(t, "spec.yaml", descentSpec))
	rest, tool := i.url+"/apis/spec", i.url+"/mcp/spec"

	body = `{"a":1,"b":2,"c":[{"a":2},{"a":{"a":3}}]}`
	for path, want := range map[string]string{
		"/all": `[1,2,{"a":3},3]`, "/again": `[[],[],[3],[]]`, "/compared": `[[{"a":2},{"a":{"a":3}}]]`, "/root": `[{"a":2}]`, "/steps": `{"all":[1,2,{"a":3},3]}`,
	} {
		if got := get(t, rest+path); got.Status != http.StatusOK || got.Body != want {
			t.Errorf("%s: %d %s, want %s", path, got.Status, got.Body, want)
		}
	}
	if got := callTool(t, tool, "all", "{}"); got.IsError || got.text(t) != `[1,2,{"a":3},3]` {
		t.Errorf("the tool gave %+v", got)
	}

	const reason = "it holds values within values, of which a path finds too many"
	const cannot = "the upstream's answer cannot be mapped: " + reason
	allocated := func(call func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	const enough = 40 << 20
	body = strings.Repeat(`{"a":`, 9_990) + "1" + strings.Repeat("}", 9_990)
	for path, detail := range map[string]string{
		"/all": cannot, "/again": cannot, "/compared": cannot, "/root": cannot, "/steps": "the answer of a step cannot be searched: " + reason,
	} {
		var got answer
		if n := allocated(func() { got = get(t, rest+path) }); n > enough {
			t.Errorf("%s: %d bytes were allocated for an answer of %d", path, n, len(body))
		}
		wantProblem(t, got, http.StatusBadGateway, "upstream-too-large", detail)
	}
	var result toolResult
	if n := allocated(func() { result = callTool(t, tool, "all", "{}") }); n > enough {
		t.Errorf("the tool: %d bytes were allocated for an answer of %d", n, len(body))
	}
	if want := "The upstream API's answer is too large: " + cannot; !result.IsError || result.text(t) != want {
		t.Errorf("the tool gave %+v, want the error\n%s", result, want)
	}

	// In proportion, but more than the document may hold.
	body = strings.Repeat(`{"a":`, 30) + `"` + strings.Repeat("x", 400<<10) + `"` + strings.Repeat("}", 30)
	var got answer
	if n := allocated(func() { got = get(t, rest+"/all") }); n > enough {
		t.Errorf("%d bytes were allocated for an answer of %d", n, len(body))
	}
	if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, `"code":"overloaded"`) {
		t.Errorf("more than there is room for: %d %s", got.Status, got.Body)
	}
}
