package mcp_test

import (
	"net/http"
	"strings"
	"testing"

	"capd/adapters/mcp"
)

// mirroring has a tool whose schema has clients repeat an argument in a header.
const mirroring = `ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
      route:
        description: Say which region is meant
        portable: false
        inputSchema:
          type: object
          properties: { region: { type: string, x-mcp-header: Region } }
        content: 'region {{region}}'
`

// TestMirroredArguments: what a header says of an argument must be what the body says
// (specification 2026-07-28), as long as the schema has the header.
func TestMirroredArguments(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"m": mirroring}, mcp.Options{})
	call := func(region string) answer {
		header, body := modern("tools/call", "route", `{"name":"route","arguments":{"region":"eu"}}`)
		if region != "" {
			header["Mcp-Param-Region"] = region
		}
		return h.post("/mcp/m", header, body)
	}
	const mismatch = -32020
	refused := func(a answer) bool {
		return a.status == http.StatusBadRequest && len(a.messages) == 1 && a.messages[0].Error != nil && a.messages[0].Error.Code == mismatch
	}
	fine := func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.body, "region eu") }

	for region, check := range map[string]func(answer) bool{"eu": fine, "=?base64?ZXU=?=": fine, "us": refused, "=?base64?ZXU?=": refused, "": refused} {
		if a := call(region); !check(a) {
			t.Errorf("Mcp-Param-Region %q: %d %s", region, a.status, a.body)
		}
	}
	h.load(map[string]string{"m": strings.Replace(mirroring, ", x-mcp-header: Region", "", 1)}, nil)
	if a := call("us"); !fine(a) {
		t.Errorf("the schema has no header any more: %d %s", a.status, a.body)
	}
	h.load(map[string]string{"m": mirroring}, nil)
	if a := call("us"); !refused(a) {
		t.Errorf("the schema has a header again: %d %s", a.status, a.body)
	}
}

// TestMirroredArgumentsOfNoUse: a header that clients do not take is no reason to refuse a call,
// and the SDK is not asked about it.
func TestMirroredArgumentsOfNoUse(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"m": strings.Replace(mirroring, "x-mcp-header: Region", "x-mcp-header: 'no name'", 1)}, mcp.Options{})
	header, body := modern("tools/call", "route", `{"name":"route","arguments":{"region":"eu"}}`)
	if a := h.post("/mcp/m", header, body); a.status != http.StatusOK || !strings.Contains(a.body, "region eu") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := h.log.count("the headers that repeat arguments of an MCP tool are not compared", "tool", "route"); n != 0 {
		t.Errorf("told %d times", n)
	}
}
