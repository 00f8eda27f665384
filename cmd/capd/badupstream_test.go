package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"capd/adapters/porttest"
	"capd/engine"
	"capd/engine/plan"
)

// mappedSpec reads a member of what its upstream says.
const mappedSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources:
    - path: /things
      operations:
      - { name: get, method: GET }
      - { name: add, method: POST, inputParameters: [{ name: title, in: body, type: string, required: true }] }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /things
      operations:
      - { name: get, method: GET, call: up.get, outputParameters: [{ name: id, type: string, mapping: $.id }] }
      - { name: add, method: POST, call: up.add, outputParameters: [{ name: id, type: string, mapping: $.id }] }
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - { name: get, description: Get things, call: up.get, outputParameters: [{ name: id, type: string, mapping: $.id }] }
    - { name: add, description: Add a thing, call: up.add, outputParameters: [{ name: id, type: string, mapping: $.id }] }
`

// TestBadUpstream: whatever the upstream does, both callers learn which kind of failure it
// was and nothing about the inside.
func TestBadUpstream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		timeout string           // of a call
		status  int
		code    string
		detail  string // HOST stands for the upstream
		text    string // what a failed tool call says before the detail
	}{
		{
			name:   "down",
			status: http.StatusBadGateway,
			code:   "upstream-failed",
			detail: "upstream HOST: connection refused",
			text:   "The upstream API gave no usable answer: ",
		},
		{
			name:    "slow",
			timeout: "2s", // long enough to begin the call on a busy machine
			handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			status:  http.StatusGatewayTimeout,
			code:    "upstream-timeout",
			detail:  "upstream HOST: no answer in time",
			text:    "The upstream API did not answer in time, and the call may have taken effect: ",
		},
		{
			name:    "reset",
			handler: func(w http.ResponseWriter, _ *http.Request) { reset(w) },
			status:  http.StatusBadGateway,
			code:    "upstream-failed",
			detail:  "upstream HOST: connection reset before an answer",
			text:    "The upstream API gave no usable answer: ",
		},
		{
			name:    "closed without an answer",
			handler: func(w http.ResponseWriter, _ *http.Request) { hangUp(w) },
			status:  http.StatusBadGateway,
			code:    "upstream-failed",
			detail:  "upstream HOST: connection closed before an answer",
			text:    "The upstream API gave no usable answer: ",
		},
		{
			name:    "broken JSON",
			handler: answering("application/json", `{"id": "1`),
			status:  http.StatusBadGateway,
			code:    "bad-output",
			detail:  "the upstream's answer is not valid JSON, so it cannot be mapped",
			text:    "The upstream API's answer does not have the declared shape: ",
		},
		{
			name:    "no JSON",
			handler: answering("text/html", `<html>maintenance</html>`),
			status:  http.StatusBadGateway,
			code:    "bad-output",
			detail:  "the upstream's answer is not valid JSON, so it cannot be mapped",
			text:    "The upstream API's answer does not have the declared shape: ",
		},
		{
			name: "300 MiB, announced",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "314572800")
				flood(w)
			},
			status: http.StatusBadGateway,
			code:   "upstream-too-large",
			detail: "the upstream's answer is larger than the limit of 33554432 bytes",
			text:   "The upstream API's answer is too large: ",
		},
		{
			name:    "300 MiB, unannounced",
			handler: func(w http.ResponseWriter, _ *http.Request) { flood(w) },
			status:  http.StatusBadGateway,
			code:    "upstream-too-large",
			detail:  "the upstream's answer is larger than the limit of 33554432 bytes",
			text:    "The upstream API's answer is too large: ",
		},
		{
			name:    "nothing",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
			status:  http.StatusOK,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host := porttest.Reserve(t)
			if tt.handler != nil {
				server := httptest.NewServer(tt.handler)
				t.Cleanup(server.Close)
				host = strings.TrimPrefix(server.URL, "http://")
			}
			i := start(t, []string{"UPSTREAM=http://" + host}, "--call-timeout", cmp.Or(tt.timeout, "5m"), specFile(t, "spec.yaml", mappedSpec))
			got := call(t, "GET", i.url+"/apis/spec/things", "")
			result := callTool(t, i.url+"/mcp/spec", "get", "{}")
			if tt.code == "" {
				if got.Status != tt.status || got.Body != "" || result.IsError || len(result.Content) != 0 {
					t.Errorf("answered %d %q and %+v, want %d and nothing", got.Status, got.Body, result, tt.status)
				}
				return
			}
			detail := strings.ReplaceAll(tt.detail, "HOST", host)
			wantProblem(t, got, tt.status, tt.code, detail)
			if !result.IsError || result.text(t) != tt.text+detail {
				t.Errorf("the tool gave %+v, want the error\n%s", result, tt.text+detail)
			}
		})
	}
}

// wantProblem wants a problem document of capd's own (RFC 9457).
func wantProblem(t *testing.T, got answer, status int, code, detail string) {
	t.Helper()
	want := fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"detail":%s,"code":%q,"requestId":"ID"}`,
		http.StatusText(status), status, quoteJSON(detail), code)
	if got.Status != status || withoutID(got.Body) != want {
		t.Errorf("answered\n%d %s\nwant\n%d %s", got.Status, got.Body, status, want)
	}
	if ct := got.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type %q, want a problem document", ct)
	}
}

// answering is a handler with one answer.
func answering(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

// reset ends a connection with a reset.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hangUp ends a connection cleanly, without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// flood sends 300 MiB of JSON, or as much as the other side takes.
func flood(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	chunk := strings.Repeat("x", 1<<20)
	_, err := io.WriteString(w, `{"id":"`)
	for n := 0; n < 300 && err == nil; n++ {
		_, err = io.WriteString(w, chunk)
	}
}

// TestBadRequest: bodies and inputs that cannot be used are the caller's error, told in full,
// and nothing is sent.
func TestBadRequest(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { rec.record(r) }))
	t.Cleanup(server.Close)
	i := start(t, []string{"UPSTREAM=" + server.URL}, "--max-body", "1KiB", specFile(t, "spec.yaml", mappedSpec))
	large := `{"title":"` + strings.Repeat("x", 2000) + `"}`
	const tooLarge = "the request body is larger than the 1024 bytes accepted here"
	tests := []struct {
		name   string
		body   io.Reader
		status int
		code   string
		detail string
	}{
		{"not JSON", strings.NewReader(`{"title": `), 400, "invalid-input", `the request body is not JSON, but input "title" is read from it`},
		{"no object", strings.NewReader(`["title"]`), 400, "invalid-input", `input "title" is required`},
		{"no input", strings.NewReader(`{"tilte": "x"}`), 400, "invalid-input", `input "title" is required`},
		{"no body", http.NoBody, 400, "invalid-input", `input "title" is required`},
		{"too large, announced", strings.NewReader(large), 413, "body-too-large", tooLarge},
		{"too large, unannounced", io.MultiReader(strings.NewReader(large)), 413, "body-too-large", tooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, i.url+"/apis/spec/things", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			wantProblem(t, send(t, req), tt.status, tt.code, tt.detail)
		})
	}
	if seen := rec.take(); len(seen) > 0 {
		t.Errorf("something was sent: %+v", seen)
	}
}

// TestPanicInOneOperation: a fault while one operation runs is that call's failure; its
// neighbours and the process go on, and no detail leaves.
func TestPanicInOneOperation(t *testing.T) {
	t.Parallel()
	var f serveFlags
	c := &command{env: environment{"UPSTREAM=http://upstream.example"}, stdin: strings.NewReader(""), stdout: &output{}, stderr: &output{}}
	f.register(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	f.listen = "127.0.0.1:0"
	log := &output{}
	w, err := c.wire([]string{specFile(t, "spec.yaml", mappedSpec)}, &f, f.log.logger(log))
	if err != nil {
		t.Fatal(err)
	}
	w.Upstream = plan.UpstreamFunc(func(_ context.Context, req *plan.Request) (*plan.Response, error) {
		if req.Method == http.MethodGet {
			panic("the inside")
		}
		return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`{"id":"7"}`)), Attempts: 1}, nil
	})
	eng, err := engine.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := eng.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	url := "http://" + eng.Addr(f.listen)

	for range 2 {
		got := call(t, "GET", url+"/apis/spec/things", "")
		wantProblem(t, got, http.StatusInternalServerError, "internal", "internal error")
		result := callTool(t, url+"/mcp/spec", "get", "{}")
		if result.Code != -32603 || result.Message != "internal error" {
			t.Errorf("the tool gave %+v", result)
		}
	}
	if got := call(t, "POST", url+"/apis/spec/things", `{"title":"x"}`); got.Status != http.StatusOK || got.Body != `"7"` {
		t.Errorf("the neighbour answered %d %s", got.Status, got.Body)
	}
	if !strings.Contains(log.String(), "badupstream_test.go") {
		t.Errorf("the log does not say where the fault is:\n%s", log)
	}
}
