package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestStalledCaller: through both doors, a body that does not arrive is answered.
func TestStalledCaller(t *testing.T) {
	t.Parallel()
	spec := specFile(t, "spec.yaml", `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - { type: http, namespace: crm, baseUri: "http://upstream.example", resources: [{ path: /a, operations: [{ name: add, method: POST }] }] }
  exposes:
  - { type: mcp, namespace: tools, tools: [{ name: add, description: Add, call: crm.add }] }
  - type: rest
    namespace: api
    resources: [{ path: /a, operations: [{ name: add, method: POST, inputParameters: [{ name: x, in: body }], call: crm.add, with: { x: "{{x}}" } }] }]
`)
	i := start(t, nil, "--stub", "--call-timeout", "50ms", spec)
	for path, want := range map[string]string{
		"/apis/spec/a": "the request body did not arrive in time",
		"/mcp/spec":    "",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n"+
			"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"x\"", path); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s %s (%v)", path, resp.Status, text, err)
		}
	}
}
