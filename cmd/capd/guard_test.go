package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// guardedSpec has an adapter for each scheme, an open one, and a tool behind a token.
const guardedSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM, TOKEN: DOOR_TOKEN, USER: DOOR_USER, PASS: DOOR_PASS, KEY: DOOR_KEY, NAME: DOOR_NAME }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources:
    - path: /rooms
      operations:
      - name: list
        method: GET
        inputParameters:
        - { name: Authorization, in: header }
        - { name: X-Key, in: header }
        - { name: key, in: query }
        - { name: q, in: query }
      - { name: add, method: POST }
  exposes:
  - type: rest
    namespace: bearer
    port: 8080
    authentication: { type: bearer, token: "{{TOKEN}}" }
    resources:
    - path: /rooms
      operations: [{ name: list, method: GET, call: up.list }, { name: add, method: POST, call: up.add }]
  - type: rest
    namespace: basic
    port: 8080
    authentication: { type: Basic, username: "{{USER}}", password: "{{env.PASS}}" }
    resources:
    - path: /basic/rooms
      operations: [{ name: list, method: GET, call: up.list }]
  - type: rest
    namespace: header
    port: 8080
    authentication: { type: apiKey, key: "{{NAME}}", value: "k-{{KEY}}" }
    resources:
    - path: /header/rooms
      operations: [{ name: list, method: GET, call: up.list }]
  - type: rest
    namespace: query
    port: 8080
    authentication: { type: apikey, key: key, value: "{{KEY}}", placement: query }
    resources:
    - path: /query/rooms
      operations: [{ name: list, method: GET, call: up.list }]
  - type: rest
    namespace: open
    port: 8080
    resources:
    - path: /open/rooms
      operations: [{ name: list, method: GET, call: up.list }]
    - path: /rooms
      operations: [{ name: patch, method: PATCH, call: up.add }]
  - type: mcp
    namespace: tools
    port: 8080
    authentication: { type: bearer, token: "Bearer {{TOKEN}}" }
    tools:
    - { name: list, description: List the rooms, call: up.list }
`

// guarded serves the spec. Its upstream records what it is sent.
func guarded(t *testing.T, env ...string) (*instance, upstream) {
	t.Helper()
	up := scriptedUpstream(t, "")
	values := map[string]string{"DOOR_TOKEN": "t0ken&=", "DOOR_USER": "ada", "DOOR_PASS": "pass:wörd", "DOOR_KEY": "kéy 1", "DOOR_NAME": "x-key"}
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		if delete(values, name); ok {
			values[name] = value
		}
	}
	all := []string{"UPSTREAM=" + up.url}
	for name, value := range values {
		all = append(all, name+"="+value)
	}
	return start(t, all, "--allowed-origins", "https://app.example.com", specFile(t, "spec.yaml", guardedSpec)), up
}

// knock makes a request with headers of the form "Name: value".
func knock(t *testing.T, method, url string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "":
		case "Host":
			req.Host = value
		default:
			req.Header.Add(name, value)
		}
	}
	return send(t, req)
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestGuard: only what the adapter's own guard wants lets a caller in, at its fixed address
// and at the declared path alike. All else gets one and the same answer.
func TestGuard(t *testing.T) {
	t.Parallel()
	i, up := guarded(t)
	const right = "Authorization: Bearer t0ken&="
	tests := []struct {
		name, adapter, path string
		challenge           string
		good                [][]string // headers that let in; a "?" is a query
		bad                 [][]string
	}{
		{
			name: "bearer", adapter: "bearer", path: "/rooms", challenge: `Bearer realm="bearer"`,
			good: [][]string{{right}, {"Authorization: bEARER   t0ken&="}},
			bad: [][]string{
				{}, {"Authorization: Bearer"}, {"Authorization: Bearer "}, {"Authorization: Bearer t0ken"}, {"Authorization: Bearer t0ken&=x"},
				{"Authorization: t0ken&="}, {"Authorization: Basic t0ken&="}, {right, right}, {right, "Authorization: Bearer x"},
				{"?access_token=t0ken%26%3D"}, {"Authorization: Bearer {{TOKEN}}"}, {"Authorization: Bearer <DOOR_TOKEN>"}, {"X-Key: k-kéy 1"},
			},
		},
		{
			name: "basic", adapter: "basic", path: "/basic/rooms", challenge: `Basic realm="basic", charset="UTF-8"`,
			good: [][]string{{basic("ada", "pass:wörd")}},
			bad: [][]string{
				{}, {basic("ada", "")}, {basic("", "pass:wörd")}, {basic("ada", "pass")}, {basic("bob", "pass:wörd")},
				{basic("ada", "pass:wörd"), basic("ada", "pass:wörd")}, {"Authorization: Basic !"}, {right},
			},
		},
		{
			name: "key in a header", adapter: "header", path: "/header/rooms", challenge: `ApiKey realm="header"`,
			good: [][]string{{"X-KEY: k-kéy 1"}},
			bad:  [][]string{{}, {"X-Key: kéy 1"}, {"X-Key: "}, {"X-Key: k-kéy 1", "X-Key: k-kéy 1"}, {"?x-key=k-k%C3%A9y+1"}, {right}},
		},
		{
			name: "key in the query", adapter: "query", path: "/query/rooms", challenge: `ApiKey realm="query"`,
			good: [][]string{{"?key=k%C3%A9y%201"}, {"?q=a%20b&k%65y=k%C3%A9y+1"}},
			bad: [][]string{
				{}, {"?key="}, {"?key=x"}, {"?Key=k%C3%A9y%201"}, {"?key=k%C3%A9y%201&key=k%C3%A9y%201"}, {"?key=k%C3%A9y%201&q=%"}, {"key: kéy 1"}, {right},
			},
		},
	}
	for _, tt := range tests {
		for _, path := range []string{"/apis/spec/" + tt.adapter + tt.path, tt.path} {
			visit := func(method, path string, show []string) answer {
				if len(show) > 0 && strings.HasPrefix(show[0], "?") {
					path, show = path+show[0], show[1:]
				}
				return knock(t, method, i.url+path, show...)
			}
			for _, show := range tt.good {
				for _, method := range []string{"GET", "HEAD"} {
					if got := visit(method, path, show); got.Status != 200 {
						t.Errorf("%s: %s %s with %q: %d %s", tt.name, method, path, show, got.Status, got.Body)
					}
					sent := up.one(t)
					for name, values := range sent.Header {
						if name == "Authorization" || name == "X-Key" || strings.Contains(strings.Join(values, ""), "t0ken") {
							t.Errorf("%s: the upstream was sent %s: %s", tt.name, name, values)
						}
					}
					if want := map[bool]string{true: "/rooms?q=a+b", false: "/rooms"}[strings.Contains(strings.Join(show, ""), "q=")]; sent.Target != want {
						t.Errorf("%s: the upstream was sent %s, want %s", tt.name, sent.Target, want)
					}
				}
			}
			for _, show := range tt.bad {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					got := visit(method, path, show)
					challenge := tt.challenge
					if tt.name == "bearer" && len(show) == 1 && strings.HasPrefix(show[0], "Authorization: Bearer ") && show[0] != "Authorization: Bearer " {
						challenge += `, error="invalid_token"`
					}
					if path == tt.path && tt.name == "bearer" && method == "OPTIONS" {
						continue // an open adapter has this path too, and may tell so
					}
					wantRefused(t, tt.name+" "+method+" "+path+" "+strings.Join(show, " "), got, method, challenge)
				}
			}
		}
		for _, path := range []string{"/rooms/none", "/rooms?%", "/none", "//"} {
			got := knock(t, "DELETE", i.url+"/apis/spec/"+tt.adapter+path)
			wantRefused(t, tt.name+" "+path, got, "DELETE", tt.challenge)
		}
	}
	if seen := up.take(); len(seen) != 0 {
		t.Errorf("who was refused reached the upstream: %+v", seen)
	}
}

// wantRefused wants the one answer to those who may not come in.
func wantRefused(t *testing.T, what string, got answer, method, challenge string) {
	t.Helper()
	const body = `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the credentials are missing or wrong","code":"unauthorized","requestId":"ID"}`
	want := body
	if method == "HEAD" {
		want = ""
	}
	h := got.Header
	if got.Status != 401 || withoutID(got.Body) != want || h.Get("WWW-Authenticate") != challenge || h.Get("Allow") != "" ||
		h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %v %s\nwant 401 %s %s", what, got.Status, h, withoutID(got.Body), challenge, want)
	}
}

// TestGuardOfSharedPath: at a path that open and guarded adapters declare, nobody learns of
// the methods behind a guard without its credential.
func TestGuardOfSharedPath(t *testing.T) {
	t.Parallel()
	i, _ := guarded(t)
	for _, method := range []string{"OPTIONS", "DELETE"} {
		if got := knock(t, method, i.url+"/rooms"); got.Header.Get("Allow") != "OPTIONS, PATCH" {
			t.Errorf("%s without credentials: %d Allow %q", method, got.Status, got.Header.Get("Allow"))
		}
		if got := knock(t, method, i.url+"/rooms", "Authorization: Bearer t0ken&="); got.Header.Get("Allow") != "GET, HEAD, OPTIONS, PATCH, POST" {
			t.Errorf("%s with the token: %d Allow %q", method, got.Status, got.Header.Get("Allow"))
		}
		wantRefused(t, method, knock(t, method, i.url+"/basic/rooms"), method, `Basic realm="basic", charset="UTF-8"`)
	}
	wantRefused(t, "broken query", knock(t, "GET", i.url+"/basic/rooms?%"), "GET", `Basic realm="basic", charset="UTF-8"`)
	if got := knock(t, "DELETE", i.url+"/rooms?%"); got.Status != 400 {
		t.Errorf("a broken query at an open path: %d %s", got.Status, got.Body)
	}
}

// TestGuardedIndex: an index shows what the caller may call.
func TestGuardedIndex(t *testing.T) {
	t.Parallel()
	i, _ := guarded(t)
	const token = "Authorization: Bearer t0ken&="
	for path, want := range map[string]map[string][]string{
		"/apis":             {"": {"open"}, token: {"bearer", "open"}, "X-Key: k-kéy 1": {"header", "open"}},
		"/apis/spec":        {"": {"open"}, token: {"bearer", "open"}},
		"/apis/spec/bearer": {"": nil, token: {"bearer"}},
		"/mcp":              {"": nil, token: {"tools"}},
	} {
		for header, namespaces := range want {
			var show []string
			if header != "" {
				show = []string{header}
			}
			got := knock(t, "GET", i.url+path, show...)
			if namespaces == nil {
				wantRefused(t, path, got, "GET", map[bool]string{true: `Bearer realm="tools"`, false: `Bearer realm="bearer"`}[path == "/mcp"])
				continue
			}
			for _, name := range []string{"bearer", "basic", "header", "query", "open", "tools"} {
				if shown := strings.Contains(got.Body, `"namespace":"`+name+`"`); shown != slices.Contains(namespaces, name) {
					t.Errorf("%s with %q: %s shown: %v\n%s", path, header, name, shown, got.Body)
				}
			}
			if got.Status != 200 || !strings.Contains(got.Header.Get("Cache-Control"), "private") {
				t.Errorf("%s with %q: %d %v", path, header, got.Status, got.Header)
			}
		}
	}
}

// withToken is a client that shows a token.
type withToken string

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(w))
	return http.DefaultTransport.RoundTrip(r)
}

// TestGuardedTools: the official client gets in with the token alone, at both addresses.
func TestGuardedTools(t *testing.T) {
	t.Parallel()
	i, up := guarded(t)
	for _, path := range []string{"/mcp/spec", "/mcp"} {
		connect := func(token string) (*mcp.ClientSession, error) {
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			return client.Connect(context.Background(), &mcp.StreamableClientTransport{
				Endpoint: i.url + path, MaxRetries: -1, HTTPClient: &http.Client{Transport: withToken(token)},
			}, nil)
		}
		if s, err := connect("wrong"); err == nil {
			t.Errorf("%s: a wrong token got in", path)
			_ = s.Close()
		}
		s, err := connect("t0ken&=")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		res, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: "list", Arguments: map[string]any{"q": "x"}})
		if err != nil || res.IsError {
			t.Errorf("%s: %+v, %v", path, res, err)
		}
		if sent := up.one(t); sent.Header.Get("Authorization") != "" || sent.Target != "/rooms?q=x" {
			t.Errorf("%s: the upstream was sent %+v", path, sent)
		}
		// Whoever knows the session, and not the token, is no further than anybody.
		wantRefused(t, path, knock(t, "DELETE", i.url+path, "Mcp-Session-Id: "+s.ID()), "DELETE", `Bearer realm="tools"`)
		wantRefused(t, path, knock(t, "GET", i.url+path, "Accept: text/event-stream", "Mcp-Session-Id: "+s.ID()), "GET", `Bearer realm="tools"`)
		_ = s.Close()
	}
	for _, header := range []string{"", "Mcp-Protocol-Version: 2026-07-28"} {
		wantRefused(t, header, knock(t, "POST", i.url+"/mcp/spec", "Content-Type: application/json", header), "POST", `Bearer realm="tools"`)
	}
}

// TestGuardBehindTheDoor: Host and Origin are judged first, and a browser's preflight, which
// never has credentials, passes.
func TestGuardBehindTheDoor(t *testing.T) {
	t.Parallel()
	i, _ := guarded(t)
	const page = "Origin: https://app.example.com"
	for _, path := range []string{"/apis/spec/bearer/rooms", "/rooms", "/mcp/spec"} {
		for _, strange := range []string{"Host: evil.example", "Origin: https://evil.example"} {
			got := knock(t, "GET", i.url+path, strange, "Authorization: Bearer t0ken&=")
			if got.Status != 403 || got.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s, %s: %d %s", path, strange, got.Status, got.Body)
			}
		}
		got := knock(t, "OPTIONS", i.url+path, page, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization")
		if got.Status != 204 || got.Header.Get("Access-Control-Allow-Headers") != "authorization" {
			t.Errorf("%s: preflight %d %v", path, got.Status, got.Header)
		}
		got = knock(t, "GET", i.url+path, page, "Accept: text/event-stream")
		if got.Status != 401 || got.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%s: refused page %d %v", path, got.Status, got.Header)
		}
	}
}

// TestGuardWithoutValue: a credential that is not there, or empty, lets nobody in, under
// --stub neither.
func TestGuardWithoutValue(t *testing.T) {
	t.Parallel()
	open := func(env []string, args ...string) *instance {
		return start(t, env, append(args, specFile(t, "spec.yaml", guardedSpec))...)
	}
	for name, i := range map[string]*instance{
		"unset":       open([]string{"UPSTREAM=http://127.0.0.1:1"}),
		"unset, stub": open(nil, "--stub"),
		"empty":       open([]string{"UPSTREAM=http://127.0.0.1:1", "DOOR_TOKEN=", "DOOR_USER=", "DOOR_PASS=x", "DOOR_NAME=", "DOOR_KEY="}),
	} {
		for path, guesses := range map[string][]string{
			"/apis/spec/bearer/rooms": {"", "Authorization: Bearer <DOOR_TOKEN>", "Authorization: Bearer {{TOKEN}}", "Authorization: Bearer "},
			"/apis/spec/basic/rooms":  {"", basic("<DOOR_USER>", "<DOOR_PASS>"), basic("", ""), basic("", "x")},
			"/apis/spec/header/rooms": {"", "<DOOR_NAME>: k-<DOOR_KEY>", "X-Key: k-", "X-Key: "},
			"/mcp/spec":               {"Mcp-Session-Id: x", "Authorization: Bearer <DOOR_TOKEN>"},
		} {
			for _, guess := range guesses {
				if strings.HasPrefix(guess, "<") {
					continue // no header has such a name
				}
				if got := knock(t, "POST", i.url+path, guess); got.Status != 401 {
					t.Errorf("%s: %s with %q: %d %s", name, path, guess, got.Status, got.Body)
				}
			}
		}
		if got := knock(t, "POST", i.url+"/apis/spec/query/rooms?key=%3CDOOR_KEY%3E"); got.Status != 401 {
			t.Errorf("%s: a placeholder is a key: %d %s", name, got.Status, got.Body)
		}
		var warned []string
		for _, d := range i.report.Diagnostics {
			if d.Code == "missing-variable" && d.Severity == "warning" && strings.Contains(d.Message, "nobody can call") {
				warned = append(warned, d.Message)
			}
		}
		if len(warned) < 4 {
			t.Errorf("%s: warned of %q only", name, warned)
		}
	}
}

// TestCallNeedsNoGuard: who can run capd has the spec and its secrets anyway.
func TestCallNeedsNoGuard(t *testing.T) {
	t.Parallel()
	up := scriptedUpstream(t, "")
	out := &output{}
	if code := run(t.Context(), []string{"call", specFile(t, "spec.yaml", guardedSpec), "bearer/list"}, []string{"UPSTREAM=" + up.url}, strings.NewReader(""), out, out); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
	up.one(t)
}

// TestGuardOfTutorial: step 3 of the tutorial, unmodified, its token in a secrets file.
func TestGuardOfTutorial(t *testing.T) {
	t.Parallel()
	file := "../../../shared/fixtures/ikanos/docs-tutorial/step-3-shipyard-auth.yml"
	if _, err := os.Stat(file); err != nil {
		t.Skip("the fixtures are not beside this checkout")
	}
	up := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]")
	i := start(t, nil, "--upstream", up.url, file)
	for token, want := range map[string]bool{"": false, "wrong": false, "mcp-server-token": false, "sk-mcp-YYYYYYYYYYYY": true} {
		client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		s, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{
			Endpoint: i.url + "/mcp/step-3-shipyard-auth", MaxRetries: -1, HTTPClient: &http.Client{Transport: withToken(token)},
		}, nil)
		if (err == nil) != want {
			t.Errorf("with the token %q: %v", token, err)
		}
		if err != nil {
			continue
		}
		res, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: "list-ships", Arguments: map[string]any{}})
		if err != nil || res.IsError {
			t.Errorf("list-ships: %+v, %v", res, err)
		}
		if sent := up.one(t); sent.Header.Get("Authorization") != "Bearer dummy-token" || sent.Header.Get("Registry-Version") != "1.0.0-alpha2" {
			t.Errorf("sent %+v", sent)
		}
		_ = s.Close()
	}
	wantRefused(t, "no token", knock(t, "POST", i.url+"/mcp/step-3-shipyard-auth"), "POST", `Bearer realm="shipyard-tools"`)
}
