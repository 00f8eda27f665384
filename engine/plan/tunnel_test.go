package plan_test

import (
	"strings"
	"testing"
)

// behindTunnel is a document whose API has that base URI and that tunnel.
func behindTunnel(base, tunnel string) string {
	return `ikanos: 1.0.0-beta5
binds:
- { namespace: secrets, keys: { ZITI_IDENTITY: ZITI_IDENTITY } }
capability:
  consumes:
  - type: http
    namespace: crm
    baseUri: ` + base + `
    tunnel: ` + tunnel + `
    resources:
      customers:
        path: /customers
        operations: { list-customers: { method: GET } }
  exposes:
  - type: mcp
    namespace: crm-tools
    port: 9091
    tools:
      list-customers: { description: List the customers, call: crm.list-customers }
      version: { description: Tell the version, outputParameters: { version: { type: string, value: "1" } } }
`
}

// TestTunnel: what stands behind a tunnel is refused alone, unless its author allows direct
// calls.
func TestTunnel(t *testing.T) {
	t.Parallel()
	const private = "https://crm.internal"
	tests := []struct {
		name, base, tunnel string
		codes              string
		message            string // of the first finding
		called             bool
	}{
		{"refused", private, "{ type: ziti, service: crm-api, identity: '{{secrets.ZITI_IDENTITY}}' }",
			"error tunnel", "crm stands behind a tunnel", false},
		{"refused as asked", private, "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}', fallback: fail }",
			"error tunnel", "crm stands behind a tunnel", false},
		{"direct", private, "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}', fallback: direct }",
			"warning tunnel", "crm is called directly", true},
		{"direct on this machine", "http://127.0.0.1:8080", "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}', fallback: direct }",
			"info tunnel", "crm is called directly", true},
		{"direct on this machine by name", "http://localhost:8080", "{ type: ziti, fallback: direct }",
			"info tunnel", "crm is called directly", true},
		{"a public host", "https://crm.example.com/v1", "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}', fallback: direct }",
			"info tunnel, warning tunnel", "crm.example.com looks like a public host", true},
		{"an unknown fallback", private, "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}', fallback: maybe }",
			"error tunnel", `is "maybe", expected fail or direct`, false},
		{"an identity of another bind", private, "{ type: ziti, service: crm-api, identity: '{{vault.ZITI_IDENTITY}}', fallback: fail }",
			"error tunnel, warning undeclared-variable", "crm stands behind a tunnel", false},
		{"an identity of no bind", private, "{ type: ziti, service: crm-api, identity: '{{ZITI}}', fallback: direct }",
			"warning undeclared-variable, warning tunnel", "the identity of the tunnel of crm is ZITI", true},
		{"no mapping", private, "ziti", "error tunnel", "expected a mapping", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, behindTunnel(tt.base, tt.tunnel))
			if got := d.codes(); got != tt.codes || !strings.Contains(d.list[0].Message, tt.message) {
				t.Errorf("got %s: %v", got, d.list)
			}
			if _, err := d.tool("version", "{}"); err != nil {
				t.Errorf("a tool without the API is refused too: %v", err)
			}
			if _, err := d.tool("list-customers", "{}"); (err == nil) != tt.called || (len(d.sent) == 1) != tt.called {
				t.Errorf("the call sends %d requests and gives %v", len(d.sent), err)
			}
		})
	}
}

// TestTunnelOfNothing: a tunnel is not ignored where nothing exposed needs it.
func TestTunnelOfNothing(t *testing.T) {
	t.Parallel()
	text := behindTunnel("https://crm.internal", "{ type: ziti, service: crm-api, identity: '{{ZITI_IDENTITY}}' }")
	d := load(t, strings.Replace(text, "      list-customers: { description: List the customers, call: crm.list-customers }\n", "", 1))
	if got := d.codes(); got != "warning tunnel" {
		t.Errorf("got %s: %v", got, d.list)
	}
}

// TestForwardThroughTunnel: what is passed on does not go around the tunnel either.
func TestForwardThroughTunnel(t *testing.T) {
	t.Parallel()
	for tunnel, want := range map[string]string{
		"{ type: ziti, service: crm, identity: '{{ZITI_IDENTITY}}' }":                   "error tunnel",
		"{ type: ziti, service: crm, identity: '{{ZITI_IDENTITY}}', fallback: direct }": "warning tunnel",
	} {
		text := behindTunnel("https://crm.internal", tunnel)
		text, _, _ = strings.Cut(text, "  exposes:\n")
		d := load(t, strings.Replace(text, "    resources:\n", "    inputParameters: { limit: { in: query, default: 5 } }\n    resources:\n", 1)+`  exposes:
  - type: rest
    namespace: api
    port: 9090
    resources:
      all: { path: '/all/{path}', forward: { targetNamespace: crm } }
      one: { path: /one, operations: { one: { method: GET, outputParameters: [{ type: string, const: a }] } } }
`)
		if got := d.codes(); got != want {
			t.Errorf("%s: %s: %v", tunnel, got, d.list)
		}
	}
}
