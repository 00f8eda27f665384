package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestOneDocumentAtItsCaps fills what one document may use: its next call is told to come again,
// and another document's is served.
func TestOneDocumentAtItsCaps(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}, 3), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		_, _ = w.Write([]byte(`{}`))
	}))
	t.Cleanup(slow.Close)
	fast := newGreedy(t)
	doc := func(variable string) string {
		return callDoc("{namespace: env, keys: {STOLEN: TOKEN, UPSTREAM: " + variable + "}}")
	}
	dir := folderOf(t, map[string]string{"slow.yaml": doc("SLOW"), "fast.yaml": doc("FAST")})
	i := start(t, []string{"TOKEN=t", "SLOW=" + slow.URL, "FAST=" + fast.url, "UPSTREAM=" + fast.url}, "--document-calls", "1", dir)
	var calls sync.WaitGroup
	codes := make(chan answer, 3)
	for range 3 { // one is under way, one waits, and one is refused
		calls.Go(func() { codes <- get(t, i.url+"/apis/slow/things") })
	}
	<-begun
	refused := <-codes
	if refused.Status != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") != "5" {
		t.Errorf("one too many: %d %v %s", refused.Status, refused.Header, refused.Body)
	}
	if got := get(t, i.url+"/apis/fast/things"); got.Status != http.StatusOK {
		t.Errorf("the other document answered %d %s", got.Status, got.Body)
	}
	close(release)
	calls.Wait()
	for range 2 {
		if got := <-codes; got.Status != http.StatusOK && got.Status != http.StatusServiceUnavailable {
			t.Errorf("a call that had a place, or waited: %d %s", got.Status, got.Body)
		}
	}
}

// TestStreamsOfOneDocument bounds what MCP clients keep open at one document.
func TestStreamsOfOneDocument(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{"lib.yaml": publisher("p.txt", "fine", "s.js"), "p.txt": "hello", "fine/a.txt": "fine"})
	i := start(t, nil, "--document-streams", "1", dir)
	initialize := func() answer {
		return post(t, i.url+"/mcp/lib", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	}
	first := initialize()
	if first.Status != http.StatusOK || first.Header.Get("Mcp-Session-Id") == "" {
		t.Fatalf("the first session: %d %s", first.Status, first.Body)
	}
	req, _ := http.NewRequest(http.MethodGet, i.url+"/mcp/lib", http.NoBody)
	req.Header = http.Header{"Accept": {"text/event-stream"}, "Mcp-Session-Id": first.Header["Mcp-Session-Id"]}
	if got := send(t, req); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("a stream beside the session: %d %s", got.Status, got.Body)
	}
	if second := initialize(); second.Status != http.StatusOK {
		t.Errorf("a session in the place of an idle one: %d %s", second.Status, second.Body)
	}
}

// TestBodiesNearTheCap: a body takes what its length is, and no more to see that it ends. One for which
// there is no room is told to come again.
func TestBodiesNearTheCap(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{"lib.yaml": publisher("p.txt", "fine", "s.js"), "p.txt": "hello", "fine/a.txt": "fine"})
	i := start(t, nil, "--document-memory", "40KiB", dir)
	for size, want := range map[int]int{1 << 10: http.StatusOK, 30 << 10: http.StatusOK, 50 << 10: http.StatusServiceUnavailable} {
		got := post(t, i.url+"/mcp/lib", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},`+
			`"clientInfo":{"name":"`+strings.Repeat("t", size)+`","version":"1"}}}`)
		if got.Status != want {
			t.Errorf("%d bytes: %d %s", size, got.Status, got.Body)
		}
	}
}

// TestMemoryOfCallsComesBack: what an MCP call holds is free when it is answered, whichever way it took:
// an ID below zero goes through the SDK.
func TestMemoryOfCallsComesBack(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("t", 20<<10)))
	}))
	t.Cleanup(up.Close)
	dir := folderOf(t, map[string]string{"things.yaml": `naftiko: 1.0.0-beta2
binds: [{namespace: up, keys: {UPSTREAM: UPSTREAM}}]
capability:
  consumes:
    - {type: http, namespace: up, baseUri: '{{UPSTREAM}}', resources: [{path: /things, operations: [{name: things, method: GET}]}]}
  exposes:
    - {type: mcp, namespace: things, port: 9090, tools: [{name: things, description: Things., call: up.things}]}
`})
	i := start(t, []string{"UPSTREAM=" + up.URL}, "--document-memory", "120KiB", "--mcp-sessions", "off", dir)
	for _, id := range []string{"1", "-1"} {
		for range 10 {
			got := post(t, i.url+"/mcp/things", `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{"name":"things","arguments":{}}}`)
			if got.Status != http.StatusOK || strings.Contains(got.Body, `"isError"`) {
				t.Fatalf("%s: %d %.300s", id, got.Status, got.Body)
			}
		}
	}
}

func post(t *testing.T, url, body string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	return send(t, req)
}
