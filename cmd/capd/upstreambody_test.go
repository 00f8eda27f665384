package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMaxUpstreamBodyOfTools: MCP holds every answer in memory, so the flag bounds those
// that are mapped and those that are handed on whole.
func TestMaxUpstreamBodyOfTools(t *testing.T) {
	t.Parallel()
	whole := strings.ReplaceAll(mappedSpec, ", outputParameters: [{ name: id, type: string, mapping: $.id }]", "")
	for name, text := range map[string]string{"mapped": mappedSpec, "whole": whole} {
		for what, size := range map[string]int{"at the limit": 1024, "over the limit": 1025} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				body := `{"id":"` + strings.Repeat("x", size-len(`{"id":""}`)) + `"}`
				server := httptest.NewServer(answering("application/json", body))
				t.Cleanup(server.Close)
				i := start(t, []string{"UPSTREAM=" + server.URL}, "--max-upstream-body", "1KiB", specFile(t, "spec.yaml", text))
				raw, wire := mcpCall(t, i.url+"/mcp/spec", "get", "{}")
				tooLarge := strings.Contains(string(raw), `"isError":true`) && strings.Contains(string(raw), `"capd/code":"upstream-too-large"`)
				if tooLarge != (size > 1024) {
					t.Errorf("%d bytes from the upstream gave %.400s", size, wire)
				}
			})
		}
	}
}
