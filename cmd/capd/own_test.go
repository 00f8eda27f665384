package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOwnFilesEverywhere: a document that is bound to a file of capd's own is refused by the
// commands that look at it as serve refuses it, when they have the same flags.
func TestOwnFilesEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	doc, own := filepath.Join(dir, "doc.yaml"), filepath.Join(dir, "own.env")
	writeSpec(t, own, "KEY=value\n")
	writeSpec(t, doc, `ikanos: 1.0.0-beta5
binds: [ { namespace: own, location: "file:///./own.env", keys: { KEY: KEY } } ]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: https://api.example.com
    authentication: { type: bearer, token: "{{KEY}}" }
    resources: { say: { path: "/say", operations: { say: { method: GET } } } }
  exposes:
  - type: rest
    namespace: r
    port: 8080
    resources: { say: { path: /say, operations: { say: { method: GET, call: up.say } } } }
`)
	for _, args := range [][]string{
		{"serve", "--check", doc},
		{"validate", doc},
		{"validate", doc, "--require-env"},
		{"call", doc, "say", "--dry-run"},
		{"inspect", doc},
	} {
		for _, flag := range []string{"", "--env-file", "--vault-token-file"} {
			if flag == "--vault-token-file" {
				args = append(args, "--vault-address", "https://vault.example.com:8200")
			}
			with := args
			if flag != "" {
				with = append(args[:len(args):len(args)], flag, own)
			}
			out := &output{}
			run(t.Context(), with, nil, strings.NewReader(""), out, out)
			if got := strings.Contains(out.String(), "file:///./own.env may not be used by this document"); got != (flag != "") {
				t.Errorf("%v: refused is %v:\n%s", with, got, out.String())
			}
		}
	}
	policy := filepath.Join(dir, "policy.yaml")
	writeSpec(t, policy, "policy: 1\ndefault: allow\n")
	writeSpec(t, doc, `ikanos: 1.0.0-beta5
capability:
  exposes:
  - { type: mcp, namespace: m, port: 8080, resources: [ { name: own, uri: "docs://own", description: Own., location: "file:///./policy.yaml" } ] }
`)
	for _, command := range []string{"list", "validate", "inspect"} {
		out := &output{}
		run(t.Context(), []string{command, doc, "--policy", policy}, nil, strings.NewReader(""), out, out)
		if !strings.Contains(out.String(), "policy.yaml may not be used by this document") && !strings.Contains(out.String(), "refused") {
			t.Errorf("%s: %s", command, out.String())
		}
	}
}
