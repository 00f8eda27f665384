package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"capd/adapters/porttest"
)

// lockedSpec wants a marked credential of its callers.
func lockedSpec(namespace, authentication string) string {
	return `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM, INKEY: INKEY, BEARER: BEARER } }
- { namespace: file, location: file:///./values.yaml, keys: { FROMFILE: from_file } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    authentication: { type: apikey, key: X-Key, value: '{{file.FROMFILE}}', placement: header }
    resources: [{ path: /do, operations: [{ name: do, method: POST, inputParameters: [{ name: fate, in: query, type: string }] }] }]
  exposes:
  - type: rest
    namespace: ` + namespace + `
    authentication: ` + authentication + `
    resources: [{ path: /do, operations: [{ name: do, method: POST, call: up.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }]
  - type: mcp
    namespace: ` + namespace + `-tools
    authentication: ` + authentication + `
    tools: [{ name: do, description: d, call: up.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }]
  - type: control
    namespace: ` + namespace + `-control
    authentication: ` + authentication + `
    management: { info: true }
`
}

// marked is a place with secrets of every kind, all of them marked.
type marked struct {
	dir, keys string // specs, and what is beside them
	env       []string
	values    map[string]string
}

func newMarked(t *testing.T) *marked {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(reveal))
	t.Cleanup(up.Close)
	closed := "http://" + porttest.Reserve(t)
	m := &marked{dir: t.TempDir(), keys: t.TempDir(), values: maps.Clone(canaries)}
	m.values["INKEY"], m.values["from a file"] = "canary-inbound-3c0d", "canary-from-file-5b1e"
	m.values["control token"], m.values["state key"] = "canary-control-token-77aa", "canary-state-key-0123456789abcdef0123456789abcdef"
	m.values["vault token"], m.values["redis"] = "canary-vault-token-9f", "canary-redis-password-4e"
	m.values["--env-file"] = "canary-env-file-1d"
	m.env = []string{"UPSTREAM=" + up.URL, "DOWN=" + closed, "VAULT_TOKEN=" + m.values["vault token"], "VAULT_ADDR=" + closed}
	for name := range canaries {
		m.env = append(m.env, name+"="+canaries[name])
	}
	m.env = append(m.env, "INKEY="+m.values["INKEY"])
	for file, text := range map[string]string{
		"keys.yaml":   secretSpec,
		"bearer.yaml": lockedSpec("bearer", `{ type: bearer, token: '{{env.INKEY}}' }`),
		"basic.yaml":  lockedSpec("basic", `{ type: basic, username: someone, password: '{{env.INKEY}}' }`),
		"apikey.yaml": lockedSpec("apikey", `{ type: apikey, key: X-Api-Key, value: '{{env.INKEY}}', placement: header }`),
		"values.yaml": "from_file: " + m.values["from a file"] + "\n",
	} {
		writeSpec(t, filepath.Join(m.dir, file), text)
	}
	for file, text := range map[string]string{
		"control": m.values["control token"], "state": m.values["state key"], "env": "UNUSED=" + m.values["--env-file"] + "\n",
	} {
		writeSpec(t, filepath.Join(m.keys, file), text)
	}
	return m
}

// clean looks for the marks in what somebody can see.
func (m *marked) clean(t *testing.T, where, text string) {
	t.Helper()
	for name, value := range m.values {
		for _, form := range spellings(value) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows %s: …%s…", where, name, text[max(0, i-200):min(len(text), i+60)])
			}
		}
	}
}

// TestMarkedSecretsInCommands runs every command there is, with everything it can be asked for, and looks
// for marked secrets in all that it prints and writes.
func TestMarkedSecretsInCommands(t *testing.T) { // not parallel: exporters read the process environment
	m := newMarked(t)
	out := t.TempDir()
	audit, traced := filepath.Join(out, "audit.jsonl"), collector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", traced.URL)
	control := porttest.Reserve(t)
	broken := filepath.Join(m.dir, "broken.yaml")
	writeSpec(t, broken, "naftiko: [\n")
	env := append(slices.Clone(m.env), "OTEL_EXPORTER_OTLP_ENDPOINT="+traced.URL)
	i := start(t, env, "--control-address", control, "--control-token-file", filepath.Join(m.keys, "control"), "--state-key-file", filepath.Join(m.keys, "state"),
		"--env-file", filepath.Join(m.keys, "env"), "--audit", audit, "--log-level", "debug", "--call-timeout", "1s", m.dir)
	asked := []string{"--control", control, "--control-token-file", filepath.Join(m.keys, "control")}
	keys := filepath.Join(m.dir, "keys.yaml")
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}` + "\n" +
		`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" +
		`{"jsonrpc":"2.0","id":2,"method":"tools/list"}` + "\n" +
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"basic","arguments":{"fate":"echo-error"}}}` + "\n"

	var runs [][]string
	add := func(args ...string) { runs = append(runs, args) }
	for _, op := range []string{"bearer", "basic", "query", "path", "body", "down"} {
		for _, fate := range []string{"ok", "echo-error", "echo-headers", "reset", "broken"} {
			add("call", keys, "tools/"+op, "fate="+fate, "-v")
		}
		add("call", keys, "tools/"+op, "--dry-run", "--explain", "-v")
		add("call", keys, "tools/"+op, "--stub", "-v")
	}
	add("export", "openapi", m.dir, "--id", "keys")
	add("export", "openapi", m.dir, "--id", "bearer")
	add("fix", "--diff", "--to", "1.0.0-beta5", keys)
	for _, c := range []string{"health", "status", "reload"} {
		add(append([]string{c}, asked...)...)
		add(append([]string{c, "--format", "json"}, asked...)...)
		add(c, "--control", control)
	}
	add(append([]string{"health", "--live"}, asked...)...)
	for _, format := range []string{"text", "json"} {
		add("inspect", "--format", format, m.dir)
		add("inspect", "--format", format, keys, "tools/basic")
		add("list", "--format", format, m.dir)
		add("list", "--format", format, "--tools", m.dir)
	}
	for _, format := range []string{"text", "json", "sarif", "github", "junit"} {
		add("validate", "--format", format, "--require-env", "--summary", m.dir)
	}
	add("validate", "--write-baseline", filepath.Join(out, "baseline.json"), m.dir)
	add("serve", "--check", "--log-level", "debug", m.dir)
	add("serve", "--check", "--log-format", "json", "--vault-address", "http://user:"+m.values["vault token"]+"@127.0.0.1:1", m.dir)
	add("serve", "--check", "--upstream", "http://user:"+m.values["redis"]+"@127.0.0.1:1", m.dir)
	add("serve", "--check", "--redis", "redis://:"+m.values["redis"]+"@[", m.dir)
	add("mcp", "--log-level", "debug", keys)
	add("stub", "--listen", "256.0.0.1:1", m.dir)
	add("schema")
	add("explain", "missing-variable")
	add("version")
	add("help")
	add("script-worker")

	followed, follows := &output{}, make(chan int, 1)
	go func() {
		follows <- run(context.Background(), append([]string{"logs", "--level", "debug"}, asked...), env, strings.NewReader(""), followed, followed)
	}()
	covered := map[string]bool{"serve": true, "stub": true, "logs": true}
	for _, args := range runs {
		covered[args[0]] = true
		seen := &output{}
		run(context.Background(), args, env, strings.NewReader(initialize), seen, seen)
		m.clean(t, strings.Join(args, " "), seen.String())
		if seen.String() == "" && args[0] == "call" {
			t.Errorf("%v printed nothing: the test would not notice a secret", args)
		}
	}
	for _, c := range commands(t) {
		if !covered[c] {
			t.Errorf("capd %s is not looked at: add it to this test", c)
		}
	}
	m.endpoints(t, i.url, "http://"+control)
	if i.stop() != exitOK {
		t.Error("capd did not stop cleanly")
	}
	if code := until(t, follows, "the end of the log"); code != exitOK || followed.String() == "" {
		t.Errorf("capd logs ended with %d: %s", code, followed)
	}
	m.clean(t, "logs", followed.String())
	m.clean(t, "the log", i.printed())
	m.clean(t, "the traces", traced.text())
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v, want the audit and the baseline", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || len(text) == 0 {
			t.Fatalf("%s: %d bytes, %v", file, len(text), err)
		}
		m.clean(t, file, string(text))
	}
	if len(traced.text()) == 0 {
		t.Error("no trace came: the test would not notice a secret")
	}
}

// commands gives the names of all commands, hidden ones too.
func commands(t *testing.T) []string {
	t.Helper()
	c := &command{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	var names []string
	for _, sub := range c.root().Commands() {
		names = append(names, sub.Name())
	}
	if !slices.ContainsFunc(c.root().Commands(), func(c *cobra.Command) bool { return c.Name() == "serve" }) {
		t.Fatalf("the commands are %v", names)
	}
	return names
}

// endpoints asks everything that an instance answers, with the right credential, a wrong one and none.
func (m *marked) endpoints(t *testing.T, url, control string) {
	t.Helper()
	credentials := []string{
		"", "Authorization: Bearer " + m.values["INKEY"], "X-Api-Key: " + m.values["INKEY"], "Authorization: Basic c29tZW9uZTp3cm9uZw==",
		"Authorization: Bearer wrong", "Authorization: Bearer " + m.values["control token"],
	}
	for _, c := range credentials {
		ask := func(method, url, body string) {
			req, err := http.NewRequest(method, url, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if name, value, ok := strings.Cut(c, ": "); ok {
				req.Header.Set(name, value)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json, text/event-stream")
			got := send(t, req)
			m.clean(t, method+" "+url, fmt.Sprint(got.Header, got.Body))
		}
		for _, doc := range []string{"bearer", "basic", "apikey", "keys"} {
			for _, path := range []string{"", "/openapi.json", "/do", "/nowhere"} {
				ask("GET", url+"/apis/"+doc+path, "")
			}
			for _, fate := range []string{"ok", "echo-error", "echo-headers", "reset", "broken", "redirect"} {
				ask("POST", url+"/apis/"+doc+"/do?fate="+fate, "{}")
			}
			for _, method := range []string{"initialize", "tools/list", "tools/call", "server/discover", "resources/list", "prompts/list"} {
				ask("POST", url+"/mcp/"+doc, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"name":"do","protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"},"arguments":{"fate":"echo-error"}}}`)
			}
			for _, path := range []string{"", "/health/live", "/health/ready", "/status", "/config", "/metrics", "/traces", "/logs", "/scripting"} {
				ask("GET", url+"/control/"+doc+path, "")
			}
			ask("GET", url+"/.well-known/oauth-protected-resource/apis/"+doc, "")
		}
		for _, path := range []string{"/apis", "/mcp", "/skills", "/control", "/", "/nowhere"} {
			ask("GET", url+path, "")
		}
		for _, path := range []string{"/health/live", "/health/ready", "/status", "/config", "/routes", "/metrics", "/traces", "/logs/level", "/scripting", "/",
			"/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
			ask("GET", control+path, "")
		}
		ask("POST", control+"/reload", "")
		ask("POST", control+"/validate", secretSpec)
		ask("POST", control+"/validate", "naftiko: [")
	}
}

// collected is what a collector of traces was sent.
type collected struct {
	*httptest.Server
	mu    sync.Mutex
	spans bytes.Buffer
}

func collector(t *testing.T) *collected {
	t.Helper()
	c := &collected{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, _ = io.Copy(&c.spans, r.Body)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collected) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans.String()
}
