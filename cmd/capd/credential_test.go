package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

const credentialSpec = `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM, LOGIN: LOGIN, ID: ID, SECRET: SECRET } }
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: "{{UPSTREAM}}"
    authentication: { type: oauth2, tokenEndpoint: "{{LOGIN}}/token", clientId: "{{ID}}", clientSecret: "{{SECRET}}" }
    resources:
    - path: /things
      operations:
      - { name: oauth2, method: POST, inputParameters: [{ name: fate, in: query }] }
      - { name: oauth1, method: POST, inputParameters: [{ name: fate, in: query }],
          authentication: { type: oauth1, consumerKey: "{{ID}}", consumerSecret: "{{SECRET}}" } }
      - { name: digest, method: POST, inputParameters: [{ name: fate, in: query }],
          authentication: { type: digest, username: "{{ID}}", password: "{{SECRET}}" } }
      - { name: aws, method: POST, inputParameters: [{ name: fate, in: query }],
          authentication: { type: aws-sig-v4, accessKeyId: "{{ID}}", secretKey: "{{SECRET}}", region: r, service: s } }
      - { name: hmac, method: POST, inputParameters: [{ name: fate, in: query }],
          authentication: { type: hmac, keyId: "{{ID}}", key: "{{SECRET}}", header: X-Sig, template: "{keyId}:{signature}" } }
      - { name: none, method: POST, inputParameters: [{ name: fate, in: query }], authentication: none }
  exposes:
  - type: rest
    namespace: api-rest
    port: 8080
    resources:
    - { path: /oauth2, operations: [{ method: POST, call: api.oauth2 }] }
    - { path: /oauth1, operations: [{ method: POST, call: api.oauth1 }] }
    - { path: /digest, operations: [{ method: POST, call: api.digest }] }
    - { path: /aws, operations: [{ method: POST, call: api.aws }] }
    - { path: /hmac, operations: [{ method: POST, call: api.hmac }] }
    - { path: /none, operations: [{ method: POST, call: api.none }] }
  - type: mcp
    namespace: api-mcp
    port: 8081
    tools:
    - { name: oauth2, description: By OAuth 2, call: api.oauth2 }
    - { name: oauth1, description: By OAuth 1, call: api.oauth1 }
    - { name: digest, description: By digest, call: api.digest }
    - { name: aws, description: For AWS, call: api.aws }
    - { name: hmac, description: By HMAC, call: api.hmac }
    - { name: none, description: By nothing, call: api.none }
`

// TestCredentials calls by REST, by MCP and by capd call what wants more than a value in a
// header, and looks for the secrets in all that was printed and answered.
func TestCredentials(t *testing.T) {
	t.Parallel()
	env := []string{"ID=canary-id-77", "SECRET=canary-secret-88"}
	var tokens atomic.Int32
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "canary-id-77" || secret != "canary-secret-88" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"not %s %s"}`, id, secret)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"canary-token-%d","expires_in":3600}`, tokens.Add(1))
	}))
	t.Cleanup(login.Close)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization") + r.Header.Get("X-Sig")
		if r.URL.Query().Get("fate") == "digest" && auth == "" {
			w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		kind, _, _ := strings.Cut(auth, " ")
		if strings.HasPrefix(kind, "canary-id-77:") {
			kind = "HMAC"
		}
		w.Header().Set("X-Sent", auth)
		w.Header().Set("Server", auth)
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"kind":%q,"sent":%q}`, kind, auth)
	}))
	t.Cleanup(up.Close)
	env = append(env, "UPSTREAM="+up.URL, "LOGIN="+login.URL)
	file := specFile(t, "api.yaml", credentialSpec)
	i := start(t, env, "--log-level", "debug", file)

	var all strings.Builder
	for _, x := range []struct{ name, fate, want string }{
		{"oauth2", "", "Bearer"}, {"oauth1", "", "OAuth"}, {"digest", "digest", "Digest"}, {"aws", "", "AWS4-HMAC-SHA256"}, {"hmac", "", "HMAC"}, {"none", "", ""},
	} {
		want := fmt.Sprintf(`"kind":%q`, x.want)
		got := call(t, "POST", i.url+"/apis/api/"+x.name+"?fate="+x.fate, `{"a":1}`)
		if got.Status != 403 || !strings.Contains(got.Body, want) {
			t.Errorf("%s: got %d %s, want %s", x.name, got.Status, got.Body, want)
		}
		_, wire := mcpCall(t, i.url+"/mcp/api", x.name, fmt.Sprintf(`{"fate":%q,"body":{"a":1}}`, x.fate))
		if !strings.Contains(wire, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: got %s, want %s", x.name, wire, want)
		}
		out := &output{}
		if code := run(t.Context(), []string{"call", file, "api-mcp/" + x.name, "fate=" + x.fate, "-v", "--explain"}, env, strings.NewReader(""), out, out); code != exitFindings || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit code %d, %s", x.name, code, out)
		}
		dry := &output{}
		if code := run(t.Context(), []string{"call", file, "api-mcp/" + x.name, "--dry-run", "--explain"}, env, strings.NewReader(""), dry, dry); code != exitOK {
			t.Errorf("%s: exit code %d, %s", x.name, code, dry)
		}
		fmt.Fprintln(&all, got, wire, out, dry)
	}
	if n := tokens.Load(); n != 2 { // one of serve, one of call
		t.Errorf("%d tokens were issued", n)
	}

	bad := &output{}
	wrong := append([]string{"ID=canary-id-99"}, env[1:]...)
	if code := run(t.Context(), []string{"call", file, "api-mcp/oauth2"}, wrong, strings.NewReader(""), bad, bad); code != exitFindings ||
		!strings.Contains(bad.String(), "upstream-failed: no access token: the token endpoint answered 401 (invalid_client)") {
		t.Errorf("exit code %d: %s", code, bad)
	}
	i.stop()
	shown := all.String() + bad.String() + i.printed()
	for _, line := range strings.Split(shown, "\n") {
		if strings.Contains(line, "canary") {
			t.Errorf("shown: %s", line)
		}
	}
}

// TestCredentialsUnderTheStub: nothing is fetched, signed or read, and a word says what would
// be.
func TestCredentialsUnderTheStub(t *testing.T) {
	t.Parallel()
	i := start(t, nil, "--stub", specFile(t, "api.yaml", credentialSpec))
	for name, want := range map[string]string{
		"oauth2": "Bearer <oauth2-token>", "oauth1": "OAuth <signature>", "digest": "Digest <response>", "aws": "AWS4-HMAC-SHA256 <signature>", "hmac": "<ID>:<signature>",
	} {
		if got := call(t, "POST", i.url+"/apis/api/"+name, `{}`); got.Status != 200 || !strings.Contains(got.Body, want) {
			t.Errorf("%s: got %d %s, want %s", name, got.Status, got.Body, want)
		}
	}
}
