package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// BenchmarkServeREST is a pass-through GET over real HTTP on loopback, next to
// httputil.ReverseProxy in front of the same upstream.
func BenchmarkServeREST(b *testing.B) {
	up := benchUpstream(b)
	i := start(b, []string{"UPSTREAM=" + up}, "--log-level", "warn", specFile(b, "bench.yaml", benchSpec))
	beside(b, up, func(c *http.Client) error {
		return fetch(c, http.MethodGet, i.url+"/apis/bench/things/42?page=3", nil, "")
	})
}

// BenchmarkToolsCall is the same call as an MCP tools/call without a session.
func BenchmarkToolsCall(b *testing.B) {
	up := benchUpstream(b)
	i := start(b, []string{"UPSTREAM=" + up}, "--log-level", "warn", specFile(b, "bench.yaml", benchSpec))
	header := http.Header{
		"Content-Type":         {"application/json"},
		"Accept":               {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method":           {"tools/call"},
		"Mcp-Name":             {"get-thing"},
	}
	const message = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-thing","arguments":{"id":"42","page":3},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	beside(b, up, func(c *http.Client) error {
		return fetch(c, http.MethodPost, i.url+"/mcp/bench", header, message)
	})
}

const benchSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources:
    - path: /things/{id}
      operations:
      - name: get
        inputParameters:
        - { name: id, in: path, type: string, required: true }
        - { name: page, in: query, type: integer }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /things/{id}
      operations: [{ name: get, method: GET, call: up.get, outputParameters: [{ type: object, mapping: $. }] }]
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - { name: get-thing, description: Get a thing, call: up.get, outputParameters: [{ type: object, mapping: $. }] }
`

// benchUpstream answers with about 1 KiB of JSON.
func benchUpstream(b *testing.B) string {
	b.Helper()
	body := `{"id":"42","text":"` + strings.Repeat("x", 1000) + `"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	b.Cleanup(server.Close)
	return server.URL
}

// beside times capd and a bare reverse proxy in turns, so that whatever else the machine does
// hits both, and reports the ratio of their times. Client and upstream are part of both.
func beside(b *testing.B, up string, viaCapd func(*http.Client) error) {
	b.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(collectorPercent(4 << 20))) // as main does, for both
	target, err := url.Parse(up)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	b.Cleanup(proxy.Close)
	viaProxy := func(c *http.Client) error { return fetch(c, http.MethodGet, proxy.URL+"/things/42?page=3", nil, "") }

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	b.Cleanup(client.CloseIdleConnections)
	both := []func(*http.Client) error{viaCapd, viaProxy}
	for range 50 { // connections are open, pools are filled
		for _, do := range both {
			if err := do(client); err != nil {
				b.Fatal(err)
			}
		}
	}
	var spent [2]time.Duration
	n := 0
	for b.Loop() {
		n++
		for k := range both {
			k = (k + n) % 2 // neither is always the first
			begin := time.Now()
			if err := both[k](client); err != nil {
				b.Fatal(err)
			}
			spent[k] += time.Since(begin)
		}
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(n), "capd-ns/op")
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(n), "proxy-ns/op")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "capd/proxy")
	b.ReportMetric(allocations(b, client, viaCapd), "capd-allocs/op")
	b.ReportMetric(allocations(b, client, viaProxy), "proxy-allocs/op")
}

// allocations counts the allocations of one call in the whole process.
func allocations(b *testing.B, client *http.Client, do func(*http.Client) error) float64 {
	b.Helper()
	const calls = 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if err := do(client); err != nil {
			b.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / calls
}

// fetch makes one call and reads the answer.
func fetch(c *http.Client, method, url string, header http.Header, body string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "xxx") {
		return &unexpected{resp.Status, string(text)}
	}
	return nil
}

// unexpected is an answer that is not the upstream's.
type unexpected struct{ status, body string }

func (e *unexpected) Error() string { return "answer " + e.status + " " + e.body }
