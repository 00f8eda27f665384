package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkServeREST is a pass-through GET over real HTTP on loopback, next to
// httputil.ReverseProxy in front of the same upstream.
func BenchmarkServeREST(b *testing.B) {
	up := benchUpstream(b)
	i := start(b, []string{"UPSTREAM=" + up}, "--log-level", "warn", specFile(b, "bench.yaml", benchSpec))
	target, err := url.Parse(up)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	b.Cleanup(proxy.Close)
	beside(b, func(c *http.Client) error {
		return fetch(c, http.MethodGet, i.url+"/apis/bench/things/42?page=3", nil, "")
	}, "proxy", func(c *http.Client) error {
		return fetch(c, http.MethodGet, proxy.URL+"/things/42?page=3", nil, "")
	})
}

// BenchmarkLayers is the same call with each of the layers that protect it, watch it or let it in, and with
// all of them, next to a capd that has none on. Traces go to a collector in this process, which costs too.
func BenchmarkLayers(b *testing.B) {
	const (
		none   = "{ retry: false, breaker: false }"
		limits = "{ concurrency: { max: 100, queue: 100 }, rate: 1000000/s, callerRate: 1000000/s }"
		policy = "policy: 1\ndefault: allow\nrules:\n- match: { path: '**' }\n  allow: { variables: ['*'], hosts: ['*'] }\n  limits: { rate: 1000000/s, callerRate: 1000000/s }\n"
		audit  = "--audit=" + os.DevNull
		watch  = "--control-address=127.0.0.1:0"
	)
	for _, mode := range []struct {
		name, settings, policy string
		guarded, traces        bool
		flags                  []string
	}{
		{name: "nothing", settings: none},
		{name: "defaults", settings: "{}"},
		{name: "limits", settings: limits},
		{name: "coalescing", settings: "{ retry: false, breaker: false, coalesce: true }"},
		{name: "cache hit", settings: "{ retry: false, breaker: false, cache: { ttl: 1h } }"},
		{name: "bearer", settings: none, guarded: true},
		{name: "policy", settings: none, policy: policy},
		{name: "audit", settings: none, flags: []string{audit}},
		{name: "metrics", settings: none, flags: []string{watch}},
		{name: "traces", settings: none, traces: true},
		{name: "all", settings: limits, policy: policy, guarded: true, traces: true, flags: []string{audit, watch}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			up := benchUpstream(b)
			env := []string{"UPSTREAM=" + up, "KEY=a-key-of-callers"}
			spec := func(settings string, guarded bool) string {
				text := strings.Replace(benchSpec, "    resources:", "    resilience: "+settings+"\n    resources:", 1)
				if guarded {
					text = strings.Replace(text, "UPSTREAM: UPSTREAM", "UPSTREAM: UPSTREAM, KEY: KEY", 1)
					text = strings.Replace(text, "    port: 8080", "    port: 8080\n    authentication: { type: bearer, token: '{{env.KEY}}' }", 1)
				}
				return specFile(b, "bench.yaml", text)
			}
			off := start(b, env, "--log-level", "warn", spec(none, false))
			args := append([]string{"--log-level", "warn"}, mode.flags...)
			if mode.policy != "" {
				args = append(args, "--policy", specFile(b, "policy.yaml", mode.policy))
			}
			if mode.traces {
				collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
				b.Cleanup(collector.Close)
				b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
				env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
			}
			on := start(b, env, append(args, spec(mode.settings, mode.guarded))...)
			call := func(i *instance) func(*http.Client) error {
				header := http.Header{"Authorization": {"Bearer a-key-of-callers"}}
				return func(c *http.Client) error {
					return fetch(c, http.MethodGet, i.url+"/apis/bench/things/42?page=3", header, "")
				}
			}
			beside(b, call(on), "off", call(off))
		})
	}
}

// BenchmarkToolsCall is the same call as an MCP tools/call in each era and mode, next to a
// plain net/http handler that reads JSON, makes the same upstream call and writes JSON.
func BenchmarkToolsCall(b *testing.B) {
	for _, mode := range []struct {
		name, message string
		header        http.Header
		session       bool
		flags         []string
	}{
		{name: "2026-07-28", message: modernCall, header: http.Header{
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"get-thing"},
		}},
		{name: "2025-11-25 session", message: olderCall, session: true},
		{name: "2025-11-25 alone", message: olderCall, flags: []string{"--mcp-sessions", "off"}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			up := benchUpstream(b)
			args := append([]string{"--log-level", "warn"}, mode.flags...)
			i := start(b, []string{"UPSTREAM=" + up}, append(args, specFile(b, "bench.yaml", benchSpec))...)
			header := mode.header.Clone()
			if header == nil {
				header = http.Header{"Mcp-Protocol-Version": {"2025-11-25"}}
			}
			header.Set("Content-Type", "application/json")
			header.Set("Accept", "application/json, text/event-stream")
			if mode.session {
				header.Set("Mcp-Session-Id", benchSession(b, i.url+"/mcp/bench", header))
			}
			plain := httptest.NewServer(plainTool(up))
			b.Cleanup(plain.Close)
			beside(b, func(c *http.Client) error {
				return fetch(c, http.MethodPost, i.url+"/mcp/bench", header, mode.message)
			}, "plain", func(c *http.Client) error {
				return fetch(c, http.MethodPost, plain.URL, header, mode.message)
			})
		})
	}
}

const (
	modernCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-thing","arguments":{"id":"42","page":3},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	olderCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-thing","arguments":{"id":"42","page":3}}}`
)

// benchSession opens a session and gives its ID.
func benchSession(b *testing.B, url string, header http.Header) string {
	b.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":`+
		`{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`))
	if err != nil {
		b.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // only the header counts
	return resp.Header.Get("Mcp-Session-Id")
}

// plainTool is what somebody would write by hand for the one tool of the benchmark.
func plainTool(up string) http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	type content struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	type answer struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  struct {
			Content    []content       `json:"content"`
			Structured json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage `json:"id"`
			Params struct {
				Name      string `json:"name"`
				Arguments struct {
					ID   string `json:"id"`
					Page int    `json:"page"`
				} `json:"arguments"`
			} `json:"params"`
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.Params.Name != "get-thing" {
			http.Error(w, "no call", http.StatusBadRequest)
			return
		}
		a := call.Params.Arguments
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, up+"/things/"+url.PathEscape(a.ID)+"?page="+strconv.Itoa(a.Page), nil)
		if err != nil {
			http.Error(w, "no request", http.StatusInternalServerError)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, "no answer", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			http.Error(w, "half an answer", http.StatusBadGateway)
			return
		}
		out := answer{JSONRPC: "2.0", ID: call.ID}
		out.Result.Content, out.Result.Structured = []content{{"text", string(text)}}, text
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(&out) // a client that is gone does not read it
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

// beside times capd and something else in turns, so that whatever else the machine does
// hits both, and reports the ratio of their times. Client and upstream are part of both.
func beside(b *testing.B, viaCapd func(*http.Client) error, name string, viaOther func(*http.Client) error) {
	b.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(servingPace(4 << 20))) // as main does, for both
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	b.Cleanup(client.CloseIdleConnections)
	both := []func(*http.Client) error{viaCapd, viaOther}
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
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(n), name+"-ns/op")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "capd/"+name)
	b.ReportMetric(allocations(b, client, viaCapd), "capd-allocs/op")
	b.ReportMetric(allocations(b, client, viaOther), name+"-allocs/op")
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
