package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const vaultSpec = `ikanos: 1.0.0-beta5
binds:
- { namespace: up, keys: { UP: UP } }
- { namespace: v, location: "vault://kv/team/api", keys: { TOKEN: token } }
capability:
  consumes: [{ namespace: api, baseUri: '{{UP}}', authentication: { type: bearer, token: '{{v.TOKEN}}' }, resources: { get: { path: /get, operations: { get: { method: GET } } } } }]
  exposes: [{ type: rest, namespace: rest, port: 8080, resources: { get: { path: /get, operations: { get: { method: GET, call: api.get } } } } }]
`

// TestVaultThroughTheCommand: the flags and variables of Vault reach it, a call sends what it
// holds, nothing prints it, and a stub asks no Vault.
func TestVaultThroughTheCommand(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.Header.Get("X-Vault-Token") + " " + r.Header.Get("X-Vault-Namespace")
		_, _ = io.WriteString(w, `{"data":{"data":{"token":"canary-of-vault"},"metadata":{"version":1}}}`)
	}))
	t.Cleanup(vault.Close)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary-of-vault" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `"fine"`)
	}))
	t.Cleanup(up.Close)
	file := specFile(t, "doc.yaml", vaultSpec)
	env := []string{"UP=" + up.URL, "VAULT_TOKEN=canary-of-capd", "VAULT_NAMESPACE=team"}

	i := start(t, env, "--log-level", "debug", "--vault-address", vault.URL, file)
	if got := call(t, "GET", i.url+"/apis/doc/get", ""); got.Status != http.StatusOK || got.Body != `"fine"` {
		t.Errorf("the call gives %d %s", got.Status, got.Body)
	}
	if got := until(t, asked, "a request to Vault"); got != "/v1/kv/data/team/api canary-of-capd team" || len(asked) > 0 {
		t.Errorf("Vault was asked %s, and %d times more", got, len(asked))
	}
	if i.stop() != exitOK || strings.Contains(i.printed(), "canary") {
		t.Errorf("capd printed a secret: %s", i.printed())
	}

	stubbed := start(t, env, "--stub", "--vault-address", vault.URL, file)
	if got := call(t, "GET", stubbed.url+"/apis/doc/get", ""); got.Status != http.StatusOK || strings.Contains(got.Body, "canary") || len(asked) > 0 {
		t.Errorf("the stub gives %d %s, Vault was asked %d times", got.Status, got.Body, len(asked))
	}
}
