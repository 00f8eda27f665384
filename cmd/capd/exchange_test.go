package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// exchangeSpec calls its API in the name of the caller.
const exchangeSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM, ISSUER: ISSUER, CLIENT: CLIENT_ID, SECRET: CLIENT_SECRET }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    authentication:
      type: oauth2
      grantType: token-exchange
      subjectToken: caller
      authorizationServerUri: "{{ISSUER}}"
      clientId: "{{CLIENT}}"
      clientSecret: "{{SECRET}}"
      audience: https://rooms.example.com
      scopes: [rooms.all]
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET }
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    authentication: { type: oauth2, authorizationServerUri: "{{ISSUER}}", resource: https://api.example.com/rest }
    resources:
    - path: /rooms
      operations: [{ name: list, method: GET, call: up.list }]
    - path: /files/{path}
      forward: { targetNamespace: up }
  - type: mcp
    namespace: tools
    port: 8080
    authentication: { type: oauth2, authorizationServerUri: "{{ISSUER}}", resource: https://api.example.com/tools }
    tools:
    - { name: list, description: List the rooms, call: up.list }
  - type: mcp
    namespace: keyed
    port: 8080
    authentication: { type: bearer, token: "{{SECRET}}" }
    tools:
    - { name: list, description: List the rooms, call: up.list }
`

// TestTokenExchange: with subjectToken caller, the API is called with a token that the issuer
// gives for the caller's, one for each caller, and the caller's own goes nowhere else.
func TestTokenExchange(t *testing.T) {
	t.Parallel()
	up := upstream{recorder: &recorder{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.record(r)
		w.WriteHeader(http.StatusTeapot) // a failure whose text is passed on
		_, _ = fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	is := startIssuer(t, allAudiences()...)
	i := start(t, []string{"UPSTREAM=" + server.URL, "ISSUER=" + is.URL, "CLIENT_ID=exchanger", "CLIENT_SECRET=secret of exchanger"}, "--audit", "-", specFile(t, "spec.yaml", exchangeSpec))

	sentTo := func(what string, got answer, subject, own string) {
		t.Helper()
		sent := up.one(t)
		token, _ := strings.CutPrefix(sent.Header.Get("Authorization"), "Bearer ")
		var claims jwt.MapClaims
		if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims["sub"] != subject || fmt.Sprint(claims["aud"]) != "[https://rooms.example.com]" || claims["scope"] != "rooms.all" {
			t.Errorf("%s: the API was sent %q: %v %v", what, token, claims, err)
		}
		if all := fmt.Sprint(sent) + got.Body; token == own || strings.Contains(all, own) {
			t.Errorf("%s: the caller's token went on: %s", what, all)
		}
		if strings.Contains(got.Body, token) {
			t.Errorf("%s: the caller was told %s", what, got.Body)
		}
	}
	ada, bob := is.token(t, "ada"), is.token(t, "bob")
	begun := is.count("/oauth/token")
	for range 2 {
		sentTo("REST", knock(t, "GET", i.url+"/rooms", bearerOf(ada)), "ada", ada)
		sentTo("MCP", toolCall(t, i.url+"/mcp/spec", "list", ada), "ada", ada)
		sentTo("forward", knock(t, "GET", i.url+"/files/a/b", bearerOf(bob)), "bob", bob)
		session := olderMessage(t, i.url+"/mcp/spec", bob, "", olderInitialize).Header.Get("Mcp-Session-Id")
		sentTo("MCP session", olderMessage(t, i.url+"/mcp/spec", bob, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list","arguments":{}}}`), "bob", bob)
	}
	if n := is.count("/oauth/token") - begun; n != 2 {
		t.Errorf("two callers took %d exchanges", n)
	}
	if got := is.store.exchanges(); len(got) != 2 || !strings.Contains(strings.Join(got, "\n"), "exchanger") {
		t.Errorf("exchanged %q", got)
	}
	refused := false
	for _, d := range i.report.Diagnostics {
		refused = refused || d.Code == "auth-incomplete" && strings.Contains(d.Message, "callers of keyed show none")
	}
	if !refused {
		t.Errorf("an adapter whose callers have no token is served: %+v", i.report.Diagnostics)
	}
	is.off(true)
	got := knock(t, "GET", i.url+"/rooms", bearerOf(is.forged(t, tokenClaims(is, map[string]any{"sub": "eve"}))))
	if got.Status != 502 || strings.Contains(got.Body, "eyJ") {
		t.Errorf("no issuer to exchange with: %d %s", got.Status, got.Body)
	}
	if seen := up.take(); len(seen) != 0 {
		t.Errorf("the API saw %v", seen)
	}
	i.stop()
	var minted []string
	for line := range strings.Lines(i.stdout.String()) {
		var e struct {
			Caller struct{ Scheme, Subject, Issuer string }
			Minted []string `json:"token_issued_for_caller"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Caller.Scheme != "oauth2" || e.Caller.Issuer != is.URL {
			t.Errorf("the audit has %s, %v", line, err)
		}
		for _, call := range e.Minted {
			minted = append(minted, e.Caller.Subject+" "+call)
		}
	}
	if fmt.Sprint(minted) != "[ada up.list bob up.*]" {
		t.Errorf("the audit says that tokens were issued for %q", minted)
	}
	for _, secret := range []string{ada, bob, "secret of exchanger"} {
		if strings.Contains(i.printed(), secret) {
			t.Errorf("capd printed %s", secret)
		}
	}
}
