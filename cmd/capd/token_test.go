package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// tokenSpec has adapters that take the tokens of an issuer, with a part that needs more scopes.
const tokenSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM, ISSUER: ISSUER, CLIENT: CLIENT_ID, SECRET: CLIENT_SECRET }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET }
      - { name: add, method: POST }
      - { name: one, method: GET, path: "/{id}" }
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    authentication: { type: oauth2, authorizationServerUri: "{{ISSUER}}", resource: https://api.example.com/rest, scopes: [rooms.read] }
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET, call: up.list }
      - { name: add, method: POST, call: up.add, scopes: [rooms.write] }
  - type: mcp
    namespace: tools
    port: 8080
    authentication:
      type: oauth2
      authorizationServerUri: "{{ISSUER}}/"
      resource: https://api.example.com/tools
      scopes: [rooms.read]
    tools:
    - { name: list, description: List the rooms, call: up.list }
    - { name: add, description: Add a room, call: up.add, scopes: [rooms.write] }
    resources:
    - { name: rooms, uri: "rooms://all", description: All rooms, call: up.list }
    - { name: secret, uri: "rooms://secret", description: Secret rooms, call: up.list, scopes: [rooms.secret] }
    - { name: one, uri: "rooms://one/{id}", description: One room, call: up.one, scopes: [rooms.secret] }
    prompts:
    - { name: plan, template: [{ role: user, content: Plan }] }
    - { name: plot, template: [{ role: user, content: 'Plot {{how}}' }], scopes: [rooms.secret], arguments: [{ name: how, complete: [fast] }] }
  - type: mcp
    namespace: opaque
    port: 8080
    authentication:
      type: oauth2
      authorizationServerUri: "{{ISSUER}}"
      resource: https://api.example.com/opaque
      tokenValidation: introspection
      clientId: <<env.CLIENT>>
      clientSecret: <<env.SECRET>>
    tools:
    - { name: list, description: List the rooms, call: up.list }
`

// allAudiences are those of the adapters of tokenSpec.
func allAudiences() []string {
	return []string{"https://api.example.com/rest", "https://api.example.com/tools", "https://api.example.com/opaque"}
}

// tokens serves tokenSpec.
func tokens(t *testing.T) (*instance, *issuer, upstream) {
	t.Helper()
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n"), startIssuer(t, allAudiences()...)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"}, specFile(t, "spec.yaml", tokenSpec))
	return i, is, up
}

func bearerOf(token string) string { return "Authorization: Bearer " + token }

// challenged wants an answer with a challenge.
func challenged(t *testing.T, what string, got answer, status int, challenge string) {
	t.Helper()
	if got.Status != status || got.Header.Get("WWW-Authenticate") != challenge {
		t.Errorf("%s: %d %s\n%s\nwant %d %s", what, got.Status, got.Header.Get("WWW-Authenticate"), got.Body, status, challenge)
	}
	if status == 401 && withoutID(got.Body) != `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the credentials are missing or wrong","code":"unauthorized","requestId":"ID"}` {
		t.Errorf("%s: %s", what, got.Body)
	}
}

const (
	restMetadata  = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/rest"`
	toolsMetadata = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/tools"`
)

// TestTokenGuard: tokens of a real authorization server let in by authorizationServerUri, with
// tokenValidation jwks and introspection, with and without jwksUri and introspectionEndpoint.
func TestTokenGuard(t *testing.T) {
	t.Parallel()
	i, is, up := tokens(t)
	if n := is.count("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("the issuer was asked %d times before anybody came", n)
	}
	good := is.token(t, "agent", "rooms.read")
	for _, path := range []string{"/apis/spec/rooms", "/rooms"} {
		if got := knock(t, "GET", i.url+path, bearerOf(good)); got.Status != 200 {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		if sent := up.one(t); sent.Header.Get("Authorization") != "" {
			t.Errorf("the upstream was sent %v", sent.Header)
		}
		base := `Bearer realm="rest", scope="rooms.read", ` + restMetadata
		challenged(t, "no token", knock(t, "GET", i.url+path), 401, base)
		challenged(t, "another scheme", knock(t, "GET", i.url+path, "Authorization: Basic "+good), 401, base)
		bad := strings.Replace(base, ", ", `, error="invalid_token", `, 1)
		for name, token := range map[string]string{
			"no JWT": "x", "cut off": good[:len(good)-3], "expired": is.forged(t, tokenClaims(is, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})),
			"no exp":           is.forged(t, tokenClaims(is, map[string]any{"exp": nil})),
			"another audience": is.forged(t, tokenClaims(is, map[string]any{"aud": "https://api.example.com"})),
			"another issuer":   is.forged(t, tokenClaims(is, map[string]any{"iss": "https://login.example.com"})),
			"opaque":           is.token(t, "opaque-agent", "rooms.read"),
		} {
			challenged(t, name, knock(t, "GET", i.url+path, bearerOf(token)), 401, bad)
		}
		few := strings.Replace(base, ", ", `, error="insufficient_scope", `, 1)
		challenged(t, "too few scopes", knock(t, "GET", i.url+path, bearerOf(is.token(t, "agent", "rooms.write"))), 403, few)
	}
	if seen := up.take(); len(seen) != 0 {
		t.Errorf("who was refused reached the upstream: %v", seen)
	}
	is.store.rotate(t)
	if got := knock(t, "GET", i.url+"/rooms", bearerOf(is.token(t, "agent", "rooms.read"))); got.Status != 200 {
		t.Errorf("a token of a new key: %d %s", got.Status, got.Body)
	}

	opaque := is.token(t, "opaque-agent")
	list := func(token string) answer { return toolCall(t, i.url+"/mcp/spec/opaque", "list", token) }
	if got := list(opaque); got.Status != 200 || !strings.Contains(got.Body, `"result"`) {
		t.Errorf("opaque token: %d %s", got.Status, got.Body)
	}
	if got := list(is.token(t, "agent")); got.Status != 200 { // a JWT can be asked about too
		t.Errorf("a JWT, by introspection: %d %s", got.Status, got.Body)
	}
	if got := list("x" + opaque); got.Status != 401 {
		t.Errorf("a made-up token: %d", got.Status)
	}
	other := is.token(t, "opaque-other")
	is.store.revoke()
	if got := list(other); got.Status != 401 {
		t.Errorf("a withdrawn token: %d", got.Status)
	}
	for _, secret := range []string{good, opaque, "secret of capd"} {
		if strings.Contains(i.printed(), secret) {
			t.Errorf("capd printed %s", secret)
		}
	}
}

// tokenClaims are those of a good token for tokenSpec, with changes.
func tokenClaims(is *issuer, changes map[string]any) map[string]any {
	out := map[string]any{"iss": is.URL, "sub": "ada", "client_id": "agent", "aud": allAudiences(), "scope": "rooms.read", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// TestTokenEndpoints: what the metadata of an issuer say can be written into the document.
func TestTokenEndpoints(t *testing.T) {
	t.Parallel()
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n"), startIssuer(t, allAudiences()...)
	text := strings.NewReplacer(
		"scopes: [rooms.read] }", `scopes: [rooms.read], jwksUri: "{{ISSUER}}/keys" }`,
		"tokenValidation: introspection", `tokenValidation: introspection`+"\n      introspectionEndpoint: \"{{ISSUER}}/oauth/introspect\"\n      clientAuthentication: basic",
	).Replace(tokenSpec)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"}, specFile(t, "spec.yaml", text))
	if got := knock(t, "GET", i.url+"/rooms", bearerOf(is.token(t, "agent", "rooms.read"))); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := toolCall(t, i.url+"/mcp/spec/opaque", "list", is.token(t, "opaque-agent")); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if n := is.count("/.well-known/openid-configuration") + is.count("/.well-known/oauth-authorization-server"); n != 0 {
		t.Errorf("the metadata were read %d times", n)
	}
}

// TestIssuerOff: capd serves before its issuer does, and lets nobody in until then.
func TestIssuerOff(t *testing.T) {
	t.Parallel()
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n"), startIssuer(t, allAudiences()...)
	token := is.token(t, "agent", "rooms.read")
	is.off(true)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"}, specFile(t, "spec.yaml", tokenSpec))
	for _, path := range []string{"/rooms", "/mcp/spec", "/mcp/spec/opaque"} {
		got := knock(t, "GET", i.url+path, bearerOf(token), "Accept: text/event-stream")
		if got.Status != 503 || got.Header.Get("Retry-After") == "" || got.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %v", path, got.Status, got.Header)
		}
	}
	is.off(false)
	eventually(t, "the issuer that is there to let somebody in", func() bool {
		return knock(t, "GET", i.url+"/rooms", bearerOf(token)).Status == 200
	})
	up.one(t)
}

// TestTokenMetadata: clients find what they must know at every address of an adapter, without
// a token, and under the path that they know it by.
func TestTokenMetadata(t *testing.T) {
	t.Parallel()
	i, is, _ := tokens(t)
	for path, want := range map[string]string{
		"/apis/spec":           `{"resource":"https://api.example.com/rest","authorization_servers":["` + is.URL + `"],"scopes_supported":["rooms.read","rooms.write"],"bearer_methods_supported":["header"]}`,
		"/rest":                `{"resource":"https://api.example.com/rest","authorization_servers":["` + is.URL + `"],"scopes_supported":["rooms.read","rooms.write"],"bearer_methods_supported":["header"]}`,
		"/mcp/spec":            `{"resource":"https://api.example.com/tools","authorization_servers":["` + is.URL + `/"],"scopes_supported":["rooms.read","rooms.write","rooms.secret"],"bearer_methods_supported":["header"]}`,
		"/mcp/spec/tools/":     `{"resource":"https://api.example.com/tools","authorization_servers":["` + is.URL + `/"],"scopes_supported":["rooms.read","rooms.write","rooms.secret"],"bearer_methods_supported":["header"]}`,
		"/mcp/sp%65c/opaque":   `{"resource":"https://api.example.com/opaque","authorization_servers":["` + is.URL + `"],"bearer_methods_supported":["header"]}`,
		"/":                    "",
		"":                     "",
		"/mcp":                 "",
		"/mcp/spec/none":       "",
		"x/mcp/spec":           "",
		"/mcp%2Fspec":          "",
		"/../../apis/spec/add": "",
	} {
		got := knock(t, "GET", i.url+"/.well-known/oauth-protected-resource"+path)
		switch {
		case want == "" && got.Status != 404:
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		case want != "" && (got.Status != 200 || strings.TrimSpace(got.Body) != want || got.Header.Get("Content-Type") != "application/json"):
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := knock(t, "POST", i.url+"/.well-known/oauth-protected-resource/mcp/spec"); got.Status != 405 || got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", got.Status, got.Header)
	}
	if got := knock(t, "HEAD", i.url+"/.well-known/oauth-protected-resource/mcp/spec"); got.Status != 200 || got.Body != "" || got.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", got.Status, got.Header)
	}
	if got := knock(t, "GET", i.url+"/.well-known/oauth-protected-resource/mcp/spec", "Host: evil.example"); got.Status != 403 {
		t.Errorf("another host: %d", got.Status)
	}
}

// toolCall calls a tool in the protocol without sessions.
func toolCall(t *testing.T, url, tool, token string) answer {
	t.Helper()
	return modernMessage(t, url, token, "tools/call", tool, `{"name":`+quoteJSON(tool)+`,"arguments":{}`)
}

// modernMessage sends one request of the protocol without sessions; params lacks its last brace.
func modernMessage(t *testing.T, url, token, method, name, params string) answer {
	t.Helper()
	if params != "{" {
		params += ","
	}
	message := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}, "Authorization": {"Bearer " + token},
	}
	if name != "" {
		req.Header.Set("Mcp-Name", name)
	}
	return send(t, req)
}

// olderMessage sends one request of a session.
func olderMessage(t *testing.T, url, token, session, message string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer " + token},
		"Mcp-Protocol-Version": {"2025-06-18"},
	}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	return send(t, req)
}

const olderInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// TestScopes: what needs scopes of its own is refused to callers without them, and they do
// not see it, over REST and in both eras of MCP.
func TestScopes(t *testing.T) {
	t.Parallel()
	i, is, up := tokens(t)
	few, more := is.token(t, "agent", "rooms.read"), is.token(t, "agent", "rooms.read", "rooms.write")
	const restFew = `Bearer realm="rest", error="insufficient_scope", scope="rooms.read rooms.write", ` + restMetadata
	for _, path := range []string{"/apis/spec/rooms", "/rooms"} {
		challenged(t, path, knock(t, "POST", i.url+path, bearerOf(few)), 403, restFew)
		if seen := up.take(); len(seen) != 0 {
			t.Errorf("%s: the upstream saw %v", path, seen)
		}
		if got := knock(t, "POST", i.url+path, bearerOf(more)); got.Status != 200 {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		up.one(t)
	}

	url := i.url + "/mcp/spec"
	const writes = `Bearer realm="tools", error="insufficient_scope", scope="rooms.read rooms.write", ` + toolsMetadata
	secret := strings.Replace(writes, "rooms.write", "rooms.secret", 1)
	challenged(t, "modern tool", toolCall(t, url, "add", few), 403, writes)
	challenged(t, "modern tool, encoded name", modernMessage(t, url, few, "tools/call", "=?base64?YWRk?=", `{"name":"add","arguments":{}`), 403, writes)
	challenged(t, "modern resource", modernMessage(t, url, few, "resources/read", "rooms://secret", `{"uri":"rooms://secret"`), 403, secret)
	challenged(t, "modern template", modernMessage(t, url, few, "resources/read", "rooms://one/7", `{"uri":"rooms://one/7"`), 403, secret)
	challenged(t, "modern prompt", modernMessage(t, url, few, "prompts/get", "plot", `{"name":"plot"`), 403, secret)
	const how = `{"ref":{"type":"ref/prompt","name":"plot"},"argument":{"name":"how","value":""}`
	challenged(t, "modern completion", modernMessage(t, url, few, "completion/complete", "", how), 403, secret)
	if got := modernMessage(t, url, is.token(t, "agent", "rooms.read", "rooms.secret"), "completion/complete", "", how); !strings.Contains(got.Body, `"fast"`) {
		t.Errorf("a completion with the scope: %d %s", got.Status, got.Body)
	}
	// A header that names something else does not get past the body.
	if got := modernMessage(t, url, few, "tools/call", "list", `{"name":"add","arguments":{}`); got.Status != 400 {
		t.Errorf("another name in the header: %d %s", got.Status, got.Body)
	}
	if got := toolCall(t, url, "list", few); got.Status != 200 {
		t.Errorf("a tool without scopes of its own: %d %s", got.Status, got.Body)
	}
	if got := toolCall(t, url, "add", more); got.Status != 200 || strings.Contains(got.Body, `"isError":true`) {
		t.Errorf("with the scope: %d %s", got.Status, got.Body)
	}
	up.take()

	session := olderMessage(t, url, few, "", olderInitialize).Header.Get("Mcp-Session-Id")
	add := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{}}}`
	challenged(t, "older tool", olderMessage(t, url, few, session, add), 403, writes)
	challenged(t, "older resource", olderMessage(t, url, few, session, `{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"rooms://secret"}}`), 403, secret)
	challenged(t, "older prompt", olderMessage(t, url, few, session, `{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"plot"}}`), 403, secret)
	challenged(t, "older completion", olderMessage(t, url, few, session, `{"jsonrpc":"2.0","id":2,"method":"completion/complete","params":`+how+`}}`), 403, secret)
	challenged(t, "older batch", olderMessage(t, url, few, session, `[`+add+`]`), 403, writes)
	// Of a member that is there twice, readers of JSON take one or the other.
	for _, trick := range []string{
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{}},"params":{"name":"list","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list","arguments":{}},"params":{"name":"add","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","name":"list","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","Name":"list","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","Method":"ping","params":{"name":"add","arguments":{}}}`,
	} {
		_ = olderMessage(t, url, few, session, trick)
		for _, sent := range up.take() {
			if sent.Method == "POST" {
				t.Errorf("%s: got to the upstream", trick)
			}
		}
	}
	if got := olderMessage(t, url, more, session, add); got.Status != 200 || strings.Contains(got.Body, `"isError":true`) {
		t.Errorf("the same caller with another token: %d %s", got.Status, got.Body)
	}
	up.one(t)
	if got := olderMessage(t, url, few, session, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); !strings.Contains(got.Body, `"list"`) || strings.Contains(got.Body, `"add"`) {
		t.Errorf("older list: %s", got.Body)
	}
}

// TestListsOfACaller: a caller sees what the caller may use, and no cache gives it to another.
func TestListsOfACaller(t *testing.T) {
	t.Parallel()
	i, is, _ := tokens(t)
	all := is.token(t, "agent", "rooms.read", "rooms.write", "rooms.secret")
	few := is.token(t, "agent", "rooms.read")
	for method, names := range map[string][2]string{
		"tools/list":               {`"list"`, `"add"`},
		"resources/list":           {`"rooms://all"`, `"rooms://secret"`},
		"resources/templates/list": {`"resourceTemplates"`, `"rooms://one/{id}"`},
		"prompts/list":             {`"plan"`, `"plot"`},
	} {
		for token, sees := range map[string]bool{few: false, all: true} {
			got := modernMessage(t, i.url+"/mcp/spec", token, method, "", "{")
			if got.Status != 200 || !strings.Contains(got.Body, names[0]) || strings.Contains(got.Body, names[1]) != sees || !strings.Contains(got.Body, `"cacheScope":"private"`) {
				t.Errorf("%s, %v: %d %s", method, sees, got.Status, got.Body)
			}
		}
	}
}

// TestSessionOfAnother: a session belongs to who opened it.
func TestSessionOfAnother(t *testing.T) {
	t.Parallel()
	i, is, up := tokens(t)
	url := i.url + "/mcp/spec"
	mine, theirs := is.token(t, "agent", "rooms.read"), is.token(t, "thief", "rooms.read", "rooms.write")
	session := olderMessage(t, url, mine, "", olderInitialize).Header.Get("Mcp-Session-Id")
	if session == "" {
		t.Fatal("no session")
	}
	list := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list","arguments":{}}}`
	for _, method := range []string{"POST", "GET", "DELETE"} {
		got := olderMessage(t, url, theirs, session, list)
		if method != "POST" {
			got = knock(t, method, url, bearerOf(theirs), "Mcp-Session-Id: "+session, "Accept: text/event-stream", "Mcp-Protocol-Version: 2025-06-18")
		}
		if got.Status != 404 {
			t.Errorf("%s in another's session: %d %s", method, got.Status, got.Body)
		}
	}
	if seen := up.take(); len(seen) != 0 {
		t.Errorf("the upstream saw %v", seen)
	}
	// It is still there, also for another token of who opened it.
	if got := olderMessage(t, url, is.token(t, "agent", "rooms.read"), session, list); got.Status != 200 || strings.Contains(got.Body, `"isError":true`) {
		t.Errorf("in the own session: %d %s", got.Status, got.Body)
	}
	up.one(t)
}

// TestPublicURL: behind a proxy, the official client finds the issuer and gets in by itself,
// with the resource that follows from --public-url; and without both the adapter is refused.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	var target *url.URL
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }})
	t.Cleanup(proxy.Close)
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n"), startIssuer(t, proxy.URL+"/mcp/spec")
	text := strings.NewReplacer("      resource: https://api.example.com/tools\n", "", "{{ISSUER}}/", "{{ISSUER}}").Replace(tokenSpec)
	env := []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"}
	i := start(t, env, "--public-url", proxy.URL+"/", specFile(t, "spec.yaml", text))
	target, _ = url.Parse(i.url)
	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{ClientID: "agent", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "secret of agent"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: proxy.URL + "/mcp/spec", MaxRetries: -1, OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.ListTools(context.Background(), nil)
	if err != nil || len(list.Tools) != 1 || list.Tools[0].Name != "list" {
		t.Fatalf("%+v, %v", list, err)
	}
	// A tool that needs more makes the client ask its issuer for more.
	if res, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{}}); err != nil || res.IsError {
		t.Errorf("add: %+v, %v", res, err)
	}
	if sent := up.one(t); sent.Header.Get("Authorization") != "" || sent.Method != "POST" {
		t.Errorf("the upstream was sent %+v", sent)
	}
	if list, err = s.ListTools(context.Background(), nil); err != nil || len(list.Tools) != 2 {
		t.Errorf("with the new token: %+v, %v", list, err)
	}

	without := start(t, env, specFile(t, "spec.yaml", text))
	if !slices.ContainsFunc(without.report.Diagnostics, func(d struct {
		File                          string
		Line                          int
		Severity, Code, Message, Hint string
	}) bool {
		return d.Code == "auth-incomplete" && d.Severity == "error" && strings.Contains(d.Hint, "--public-url")
	}) {
		t.Errorf("the report has %+v", without.report.Diagnostics)
	}
	if got := knock(t, "POST", without.url+"/mcp/spec"); got.Status != 404 {
		t.Errorf("an adapter without a resource: %d", got.Status)
	}
	out := &output{}
	if code := run(t.Context(), []string{"serve", "--public-url", "https://user:pass@example.com", "x.yaml"}, nil, strings.NewReader(""), out, out); code != exitFailed || strings.Contains(out.String(), "pass@") {
		t.Errorf("a bad --public-url: %d %s", code, out)
	}
}

// TestTokenGuardOfACall: who runs capd needs no token.
func TestTokenGuardOfACall(t *testing.T) {
	t.Parallel()
	up := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n")
	out := &output{}
	code := run(t.Context(), []string{"call", specFile(t, "spec.yaml", tokenSpec), "tools/add"}, []string{"UPSTREAM=" + up.url}, strings.NewReader(""), out, out)
	if code != exitOK {
		t.Errorf("%d %s", code, out)
	}
	up.one(t)
}

// TestTokenOpenAPI: the description says which scopes an operation needs.
func TestTokenOpenAPI(t *testing.T) {
	t.Parallel()
	i, is, _ := tokens(t)
	got := knock(t, "GET", i.url+"/apis/spec/openapi.json", bearerOf(is.token(t, "agent", "rooms.read")))
	var doc struct {
		Security []map[string][]string
		Paths    map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal([]byte(got.Body), &doc); err != nil {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if s := doc.Security; len(s) != 1 || !slices.Equal(s[0]["guard"], []string{"rooms.read"}) {
		t.Errorf("%v", s)
	}
	if s := doc.Paths["/rooms"]["post"].Security; len(s) != 1 || !slices.Equal(s[0]["guard"], []string{"rooms.read", "rooms.write"}) {
		t.Errorf("%v", s)
	}
	if s := doc.Paths["/rooms"]["get"].Security; s != nil {
		t.Errorf("%v", s)
	}
}

// TestRestOfAnother: what is left of a result that was cut belongs to who made the call.
func TestRestOfAnother(t *testing.T) {
	t.Parallel()
	long := `["` + strings.Repeat("x", 4000) + `"]`
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n"+long+"\n"), startIssuer(t, allAudiences()...)
	text := strings.Replace(tokenSpec, "description: List the rooms, call: up.list }", "description: List the rooms, call: up.list, maxResultSize: 1KiB }", 1)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"}, specFile(t, "spec.yaml", text))
	got := toolCall(t, i.url+"/mcp/spec", "list", is.token(t, "agent", "rooms.read"))
	next := regexp.MustCompile(`capd://[^"\\ <>)]+`).FindString(got.Body)
	if next == "" {
		t.Fatalf("no rest: %s", got.Body)
	}
	read := func(client string) answer {
		return modernMessage(t, i.url+"/mcp/spec", is.token(t, client, "rooms.read"), "resources/read", next, `{"uri":`+quoteJSON(next))
	}
	if got := read("agent"); got.Status != 200 || !strings.Contains(got.Body, "xxx") {
		t.Errorf("the own rest: %d %s", got.Status, got.Body)
	}
	if got := read("thief"); strings.Contains(got.Body, "xxx") || !strings.Contains(got.Body, `"error"`) {
		t.Errorf("another's rest: %d %s", got.Status, got.Body)
	}
}
