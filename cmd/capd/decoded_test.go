package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// decodedSpec looks at all values of answers and bodies, in every way that decodes them.
const decodedSpec = `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources: [{ path: /things, operations: [{ name: get, method: GET }, { name: put, method: PUT }, { name: add, method: POST, inputParameters: [{ name: found, in: query }] }] }]
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /one
      operations:
      - { method: GET, call: up.get, outputParameters: [{ type: array, mapping: '$[?(@.id == 7)]' }] }
      - { method: PUT, call: up.put, outputParameters: [{ type: array, mapping: '$[?(@.id == 7)]' }] }
      - { method: POST, call: up.add, inputParameters: [{ name: found, in: body, type: string, value: '$..id' }] }
    - path: /steps
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }], mappings: [{ targetName: one, value: '$.s[?(@.id == 7)]' }], outputParameters: [{ name: one, type: array }] }
    - path: /script
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }, { type: script, name: j, language: javascript, location: ., file: script.js }] }
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - { name: one, description: One of them, call: up.get, outputParameters: [{ type: array, mapping: '$[?(@.id == 7)]' }] }
    - { name: checked, description: All of them, call: up.get, outputValidation: enforce, outputSchema: { type: array } }
    - { name: each, description: Each of them, call: up.get, content: [{ each: $, text: $ }] }
`

// TestDecodedAnswer: an answer of half the size that is allowed, of which the decoded values would take
// forty times as much, is refused at both doors before they are there, and so is a body. What is ordinary is answered.
func TestDecodedAnswer(t *testing.T) {
	t.Parallel()
	var body string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(up.Close)
	dir := folderOf(t, map[string]string{"spec.yaml": decodedSpec, "script.js": "var result = context.s.length;"})
	bounded := start(t, []string{"UPSTREAM=" + up.URL}, "--max-upstream-body", "1MiB", dir)
	short := start(t, []string{"UPSTREAM=" + up.URL}, "--document-memory", "4MiB", dir)

	const reason = ": it holds too many values to look into all of them"
	const cannot = "the upstream's answer cannot be mapped" + reason
	for name, hostile := range map[string]string{
		"objects": listOf("{}", 512<<10), "lists": listOf("[]", 512<<10), "numbers": listOf("1", 512<<10),
		"deep": listOf(strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000), 512<<10),
	} {
		body = hostile
		for path, detail := range map[string]string{"/one": cannot, "/steps": "the answer of a step cannot be searched" + reason} {
			wantProblem(t, get(t, bounded.url+"/apis/spec"+path), http.StatusBadGateway, "upstream-too-large", detail)
		}
		if got := callTool(t, bounded.url+"/mcp/spec", "one", "{}"); !got.IsError || !strings.Contains(got.text(t), cannot) {
			t.Errorf("%s: the tool gave %.300s", name, got.text(t))
		}
		if got := get(t, short.url+"/apis/spec/one"); got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, `"code":"overloaded"`) {
			t.Errorf("%s where there is no room: %d %.300s", name, got.Status, got.Body)
		}
	}
	// What was done is not to be done again.
	wantProblem(t, call(t, http.MethodPut, short.url+"/apis/spec/one", ""), http.StatusBadGateway, "upstream-too-large",
		"the upstream answered, but this capability holds as much in memory as it may, so the answer cannot be given")
	body = listOf("{}", 512<<10)
	if got := get(t, bounded.url+"/apis/spec/script"); got.Status != http.StatusBadGateway || !strings.Contains(got.Body, "step j: what the script is given cannot be read"+reason) {
		t.Errorf("the script: %d %.300s", got.Status, got.Body)
	}
	for tool, want := range map[string]string{"checked": "the answer cannot be checked" + reason, "each": cannot} {
		if got := callTool(t, bounded.url+"/mcp/spec", tool, "{}"); !got.IsError || !strings.Contains(got.text(t), want) {
			t.Errorf("%s gave %.300s, want %s", tool, got.text(t), want)
		}
	}
	wantProblem(t, post(t, bounded.url+"/apis/spec/one", listOf("{}", 512<<10)), http.StatusRequestEntityTooLarge, "body-too-large",
		`input "found" cannot be read from the request body`+reason)

	// What was counted came back.
	body = `[{"id":6},{"id":7}]`
	for range 20 {
		for _, i := range []*instance{bounded, short} {
			if got := get(t, i.url+"/apis/spec/one"); got.Status != http.StatusOK || got.Body != `[{"id":7}]` {
				t.Fatalf("%d %.300s", got.Status, got.Body)
			}
		}
	}
}

// multipliedSpec makes much of little.
const multipliedSpec = `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources:
    - path: /things
      operations:
      - { name: get, method: GET }
      - { name: ask, method: DELETE, inputParameters: [{ name: a-parameter-with-quite-a-long-name, in: query }] }
      - { name: form, method: POST, body: { type: form }, inputParameters: [{ name: field, in: body }] }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /wide
      operations:
      - { method: GET, call: up.get, outputParameters: [{ type: array, mapping: $, items: { type: object, properties: { a: { type: string, value: a constant text that stands in each }, i: { type: number, mapping: $.id } } } }] }
    - path: /lookup
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }, { type: lookup, name: l, index: s, match: id, lookupValue: '$.s[*].id' }] }
    - path: /query
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }, { type: call, name: t, call: up.ask, with: { a-parameter-with-quite-a-long-name: $.s } }] }
    - path: /form
      operations:
      - { method: GET, steps: [{ type: call, name: s, call: up.get }, { type: call, name: t, call: up.form, with: { field: $.s } }] }
`

// TestMultipliedValues: what is made of an answer counts while it is made, also where a few of its bytes become many.
func TestMultipliedValues(t *testing.T) {
	t.Parallel()
	var body string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s of %d bytes was sent", r.Method, len(r.RequestURI))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(up.Close)
	dir := folderOf(t, map[string]string{"spec.yaml": multipliedSpec})
	bounded := start(t, []string{"UPSTREAM=" + up.URL}, "--max-upstream-body", "1MiB", dir)
	short := start(t, []string{"UPSTREAM=" + up.URL}, "--document-memory", "4MiB", dir)

	const tooMany = ": it holds too many values to look into all of them"
	list := listOf("7", 512<<10)
	again := `[{"id":7,"long":"` + strings.Repeat("x", 4096) + `"},` + listOf(`{"id":7}`, 128<<10)[1:]
	for _, c := range []struct{ path, body, detail string }{
		{"/wide", list, "the upstream's answer cannot be mapped" + tooMany},
		{"/lookup", again, "what a step finds is too large" + tooMany},
		{"/form", list, "step t (up.form): the body cannot be sent as a form" + tooMany},
	} {
		body = c.body
		got := get(t, bounded.url+"/apis/spec"+c.path)
		if got.Status != http.StatusBadGateway && got.Status != http.StatusRequestEntityTooLarge || !strings.Contains(got.Body, c.detail) {
			t.Errorf("%s: %d %.300s, want %s", c.path, got.Status, got.Body, c.detail)
		}
		wantNoRoom(t, short, c.path)
	}
	body = list
	wantNoRoom(t, short, "/query")

	body = `[{"id":6},{"id":7}]`
	for range 20 {
		for _, i := range []*instance{bounded, short} {
			if got := get(t, i.url+"/apis/spec/lookup"); got.Status != http.StatusOK || got.Body != body {
				t.Fatalf("%d %.300s", got.Status, got.Body)
			}
		}
	}
}

// wantNoRoom wants a call to be told that there is no room: it may be tried again, since nothing was sent that changes
// anything.
func wantNoRoom(t *testing.T, i *instance, path string) {
	t.Helper()
	got := get(t, i.url+"/apis/spec"+path)
	if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, `"code":"overloaded"`) {
		t.Errorf("%s where there is no room: %d %.300s", path, got.Status, got.Body)
	}
}

// TestDecodedRecords: 16 MiB of ordinary records pass a filter, by the limits that hold without a word.
func TestDecodedRecords(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	n := 0
	for ; b.Len() < 16<<20; n++ {
		fmt.Fprintf(&b, `%c{"id":%d`, "[,"[min(n, 1)], n)
		for k := range 16 {
			fmt.Fprintf(&b, `,"member%d":"a value of some words, as there are in many"`, k)
		}
		b.WriteString("}")
	}
	body := []byte(b.String() + "]")
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	t.Cleanup(up.Close)
	dir := folderOf(t, map[string]string{"spec.yaml": decodedSpec, "script.js": "var result = 1;"})
	i := start(t, []string{"UPSTREAM=" + up.URL}, dir)
	if got := get(t, i.url+"/apis/spec/one"); got.Status != http.StatusOK || !strings.HasPrefix(got.Body, `[{"id":7,"member0":`) {
		t.Errorf("%d records: %d %.300s", n, got.Status, got.Body)
	}
	if got := callTool(t, i.url+"/mcp/spec", "one", "{}"); got.IsError || !strings.HasPrefix(got.text(t), `[{"id":7,"member0":`) {
		t.Errorf("the tool: %.300s", got.text(t))
	}
}

// listOf gives a list of equal parts, of at most so many bytes.
func listOf(part string, size int) string {
	return "[" + strings.Repeat(part+",", (size-len(part)-2)/(len(part)+1)) + part + "]"
}
