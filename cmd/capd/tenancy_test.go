package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// hallsToken is the secret that opens the adapter of team-a in these tests.
const hallsToken = "marked-secret-of-team-a"

// guardDoc opens with a token that binds gives the name HALLS_TOKEN.
func guardDoc(bind string) string {
	return `naftiko: 1.0.0-beta2
binds:
  - ` + bind + `
capability:
  exposes:
    - type: rest
      namespace: halls
      port: 9090
      authentication: {type: bearer, token: '{{HALLS_TOKEN}}'}
      resources: [{path: /halls, operations: [{name: halls, method: GET, outputParameters: [{name: open, type: string, value: "yes"}]}]}]
`
}

// callDoc sends STOLEN upstream.
func callDoc(bind string) string {
	return `naftiko: 1.0.0-beta2
binds:
  - ` + bind + `
  - {namespace: up, keys: {UPSTREAM: UPSTREAM}}
capability:
  consumes:
    - {type: http, namespace: up, baseUri: '{{UPSTREAM}}', authentication: {type: bearer, token: '{{STOLEN}}'}, resources: [{path: /things, operations: [{name: things, method: GET}]}]}
  exposes:
    - type: rest
      namespace: things
      port: 9090
      resources: [{path: /things, operations: [{name: things, method: GET, call: up.things}]}]
`
}

// folderOf writes files, whose names may have folders in them. A text "-> NAME" is a link.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// greedy is an upstream that keeps what it is sent.
type greedy struct {
	url  string
	mu   sync.Mutex
	seen []string
}

func newGreedy(t *testing.T) *greedy {
	g := &greedy{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen = append(g.seen, r.URL.String()+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{}`))
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

func (g *greedy) got() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.seen, "\n")
}

// TestGuardsOfOtherTeams tries to send what opens an adapter of team-a to an upstream of team-b.
func TestGuardsOfOtherTeams(t *testing.T) {
	t.Parallel()
	const secret = "file:///./secret.yaml"
	env := "{namespace: env, keys: {HALLS_TOKEN: HALLS_TOKEN}}"
	file := "{namespace: s, location: '" + secret + "', keys: {HALLS_TOKEN: token}}"
	for name, tt := range map[string]struct {
		guard, call string
		files       map[string]string
		at          string // of the calling document; team-b/things when empty
		works       bool
	}{
		"a variable":                    {guard: env, call: "{namespace: env, keys: {STOLEN: HALLS_TOKEN}}"},
		"a variable of the own team":    {guard: env, call: "{namespace: env, keys: {STOLEN: HALLS_TOKEN}}", at: "team-a/things", works: true},
		"another variable":              {guard: env, call: "{namespace: env, keys: {STOLEN: OTHER}}", works: true},
		"a file":                        {guard: file, call: "{namespace: s, location: 'file:///../team-a/secret.yaml', keys: {STOLEN: token}}"},
		"another key of the file":       {guard: file, call: "{namespace: s, location: 'file:///../team-a/secret.yaml', keys: {STOLEN: other}}", works: true},
		"a file by another name":        {guard: file, call: "{namespace: s, location: 'file:///./link', keys: {STOLEN: any}}", files: map[string]string{"team-b/link": "-> ../team-a/secret.yaml"}},
		"a file in a folder of secrets": {guard: "{namespace: s, location: 'file:///./mounted', keys: {HALLS_TOKEN: token}}", call: "{namespace: s, location: 'file:///../team-a/mounted/token', keys: {STOLEN: x}}"},
		"a folder of secrets":           {guard: "{namespace: s, location: 'file:///./mounted/token', keys: {HALLS_TOKEN: x}}", call: "{namespace: s, location: 'file:///../team-a/mounted', keys: {STOLEN: token}}"},
		"another file in the folder":    {guard: "{namespace: s, location: 'file:///./mounted', keys: {HALLS_TOKEN: token}}", call: "{namespace: s, location: 'file:///../team-a/mounted', keys: {STOLEN: other}}", works: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := tt.at
			if at == "" {
				at = "team-b/things"
			}
			files := map[string]string{
				"team-a/halls.yaml": guardDoc(tt.guard), at + ".yaml": callDoc(tt.call),
				"team-a/secret.yaml": "token: " + hallsToken + "\nother: fine\n", "team-a/mounted/token": hallsToken, "team-a/mounted/other": "fine",
			}
			for name, text := range tt.files {
				files[name] = text
			}
			up := newGreedy(t)
			i := start(t, []string{"HALLS_TOKEN=" + hallsToken, "OTHER=fine", "UPSTREAM=" + up.url}, folderOf(t, files))
			got := get(t, i.url+"/apis/"+at+"/things")
			want := http.StatusNotImplemented
			if tt.works {
				want = http.StatusOK
			}
			if got.Status != want {
				t.Errorf("answered %d %s, want %d\n%+v", got.Status, got.Body, want, i.report.Diagnostics)
			}
			if !tt.works && (up.got() != "" || !i.found(at+".yaml", "guarded-variable")) {
				t.Errorf("sent %q; found %+v", up.got(), i.report.Diagnostics)
			}
			req, _ := http.NewRequest(http.MethodGet, i.url+"/apis/team-a/halls/halls", http.NoBody)
			req.Header.Set("Authorization", "Bearer "+hallsToken)
			if got := send(t, req); got.Status != http.StatusOK {
				t.Errorf("the guarded adapter answered %d %s", got.Status, got.Body)
			}
		})
	}
}

// found reports whether a file has a finding.
func (i *instance) found(file, code string) bool {
	for _, d := range i.report.Diagnostics {
		if d.Code == code && strings.HasSuffix(filepath.ToSlash(d.File), file) {
			return true
		}
	}
	return false
}

func get(t *testing.T, url string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, req)
}

// mcpGet sends a request of MCP with one parameter, and gives the whole answer.
func mcpGet(t *testing.T, url, method, parameter, value string) string {
	t.Helper()
	message := `{"jsonrpc":"2.0","id":1,"method":` + quoteJSON(method) + `,"params":{"` + parameter + `":` + quoteJSON(value) +
		`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}, "Mcp-Name": {value},
	}
	return send(t, req).Body
}

// publisher has a prompt that is a file, a resource that is a folder and a tool whose script is a
// file.
func publisher(prompt, folder, script string) string {
	return `naftiko: 1.0.0-beta2
capability:
  exposes:
    - type: mcp
      namespace: lib
      port: 9091
      prompts: [{name: p, description: A prompt, location: ` + prompt + `}]
      resources: [{name: r, uri: 'doc://r/', description: Files, location: ` + folder + `}, {name: fine, uri: 'doc://fine/', description: Files, location: fine}]
      tools:
        - name: t
          description: A tool
          steps: [{name: s, type: script, language: javascript, location: ` + script + `, file: ` + filepath.Base(script) + `}]
`
}

// TestFilesOfOthers tries to publish a file that opens an adapter of another team, and those of
// capd itself.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{
		"team-a/halls.yaml":  guardDoc("{namespace: s, location: 'file:///./secret.txt', keys: {HALLS_TOKEN: token}}"),
		"team-a/secret.txt":  hallsToken,
		"team-b/lib.yaml":    publisher("../team-a/secret.txt", "../team-a", "../team-a/secret.txt"),
		"team-b/linked.yaml": publisher("link.txt", ".", "link.txt"),
		"team-b/link.txt":    "-> ../team-a/secret.txt",
		"team-b/fine/a.txt":  "fine",
		"team-c/own.yaml":    publisher("../own/token", "../own", "../own/token"),
		"team-c/keys.yaml":   callDoc("{namespace: s, location: 'file:///../own', keys: {STOLEN: token}}"),
		"team-c/key.yaml":    callDoc("{namespace: s, location: 'file:///../own/token', keys: {STOLEN: x}}"),
		"team-c/env.yaml":    callDoc("{namespace: s, location: 'file:///../own/capd.env', keys: {STOLEN: ONE}}"),
		"team-c/fine/a.txt":  "fine",
		"own/token":          hallsToken,
		"own/state":          hallsToken,
		"own/traces":         hallsToken,
		"own/capd.env":       "ONE=" + hallsToken + "\n",
	})
	own := func(name string) string { return filepath.Join(dir, "own", name) }
	up := newGreedy(t)
	i := start(t, []string{"UPSTREAM=" + up.url, "OTEL_EXPORTER_OTLP_CLIENT_KEY=" + own("traces")}, "--control-address", "127.0.0.1:0", "--control-token-file", own("token"),
		"--state-key-file", own("state"), "--env-file", own("capd.env"), dir)
	for _, c := range []struct{ at, method, parameter, value string }{
		{"team-b/lib", "prompts/get", "name", "p"}, {"team-b/lib", "resources/read", "uri", "doc://r/secret.txt"},
		{"team-b/linked", "prompts/get", "name", "p"}, {"team-b/linked", "resources/read", "uri", "doc://r/link.txt"},
		{"team-c/own", "prompts/get", "name", "p"}, {"team-c/own", "resources/read", "uri", "doc://r/token"},
		{"team-c/own", "resources/read", "uri", "doc://r/state"}, {"team-c/own", "resources/read", "uri", "doc://r/capd.env"}, {"team-c/own", "resources/read", "uri", "doc://r/traces"},
	} {
		if got := mcpGet(t, i.url+"/mcp/"+c.at, c.method, c.parameter, c.value); strings.Contains(got, hallsToken) || !strings.Contains(got, `"error"`) {
			t.Errorf("%s %s %s: %s", c.at, c.method, c.value, got)
		}
		if got := mcpGet(t, i.url+"/mcp/"+c.at, "resources/read", "uri", "doc://fine/a.txt"); !strings.Contains(got, `"fine"`) {
			t.Errorf("%s cannot read its own files: %s", c.at, got)
		}
	}
	for _, at := range []string{"team-c/keys", "team-c/key", "team-c/env"} {
		if got := get(t, i.url+"/apis/"+at+"/things"); got.Status == http.StatusOK {
			t.Errorf("%s answered %d %s", at, got.Status, got.Body)
		}
	}
	if up.got() != "" || strings.Contains(i.printed(), hallsToken) {
		t.Errorf("sent %q, printed %s", up.got(), i.printed())
	}
}

// TestDocumentsOfOthers tries to publish the text of another team's document into which what opens
// its adapter is written, and to import from it.
func TestDocumentsOfOthers(t *testing.T) {
	t.Parallel()
	written := strings.ReplaceAll(guardDoc("{namespace: env, keys: {OTHER: OTHER}}"), "{{HALLS_TOKEN}}", hallsToken)
	i := start(t, nil, folderOf(t, map[string]string{
		"team-a/halls.yaml":  written,
		"team-a/lib.yaml":    publisher("halls.yaml", ".", "halls.yaml"),
		"team-b/lib.yaml":    publisher("../team-a/halls.yaml", "../team-a", "../team-a/halls.yaml"),
		"team-b/linked.yaml": publisher("link.yaml", ".", "link.yaml"),
		"team-b/link.yaml":   "-> ../team-a/halls.yaml",
		"team-a/fine/a.txt":  "fine",
		"team-b/fine/a.txt":  "fine",
	}))
	for _, c := range []struct{ at, method, parameter, value string }{
		{"team-b/lib", "prompts/get", "name", "p"}, {"team-b/lib", "resources/read", "uri", "doc://r/halls.yaml"},
		{"team-b/linked", "prompts/get", "name", "p"}, {"team-b/linked", "resources/read", "uri", "doc://r/link.yaml"},
	} {
		if got := mcpGet(t, i.url+"/mcp/"+c.at, c.method, c.parameter, c.value); strings.Contains(got, hallsToken) || !strings.Contains(got, `"error"`) {
			t.Errorf("%s %s %s: %s", c.at, c.method, c.value, got)
		}
		if got := mcpGet(t, i.url+"/mcp/"+c.at, "resources/read", "uri", "doc://fine/a.txt"); !strings.Contains(got, `"fine"`) {
			t.Errorf("%s cannot read its own files: %s", c.at, got)
		}
	}
	// Its own team may.
	if got := mcpGet(t, i.url+"/mcp/team-a/lib", "resources/read", "uri", "doc://r/halls.yaml"); !strings.Contains(got, hallsToken) {
		t.Errorf("the own team is answered %s", got)
	}
}

// TestFilesThatOthersUse: no team takes a file that others read from them by saying that it opens
// an adapter.
func TestFilesThatOthersUse(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{
		"team-a/lib.yaml":      publisher("../shared/text.txt", "../shared", "../shared/text.js"),
		"team-a/fine/a.txt":    "fine",
		"shared/text.txt":      "of all",
		"shared/text.js":       "1",
		"team-b/of-b.txt":      hallsToken,
		"team-b/things/a.yaml": publisher("../../team-a/fine/a.txt", ".", "../../shared/text.js"),
	})
	i := start(t, nil, "--watch", "poll", "--watch-interval", "20ms", dir)
	works := func(when string) {
		t.Helper()
		if got := mcpGet(t, i.url+"/mcp/team-a/lib", "prompts/get", "name", "p"); !strings.Contains(got, "of all") {
			t.Errorf("%s the prompt is %s", when, got)
		}
		if got := mcpGet(t, i.url+"/mcp/team-a/lib", "resources/read", "uri", "doc://r/text.txt"); !strings.Contains(got, "of all") {
			t.Errorf("%s the resource is %s", when, got)
		}
	}
	works("before")
	claim := guardDoc("{namespace: s, location: 'file:///../shared/text.txt', keys: {HALLS_TOKEN: x}}")
	if err := os.WriteFile(filepath.Join(dir, "team-b", "claim.yaml"), []byte(claim), 0o600); err != nil {
		t.Fatal(err)
	}
	for got := get(t, i.url+"/apis/team-b/claim/halls"); got.Status != http.StatusUnauthorized; got = get(t, i.url+"/apis/team-b/claim/halls") {
		if got.Status != http.StatusNotFound {
			t.Fatalf("the claim answers %d %s", got.Status, got.Body)
		}
	}
	works("afterwards")
	// A later load finds it as it was.
	if err := os.WriteFile(filepath.Join(dir, "team-b", "again.yaml"), []byte(claim), 0o600); err != nil {
		t.Fatal(err)
	}
	for got := get(t, i.url+"/apis/team-b/again/halls"); got.Status != http.StatusUnauthorized; {
		got = get(t, i.url+"/apis/team-b/again/halls")
	}
	works("after one more load")
}

// TestWhoCameFirst lets a document that already sends a variable go on when another team's new
// adapter wants it to be shown, and shuts that one.
func TestWhoCameFirst(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{"team-b/things.yaml": callDoc("{namespace: env, keys: {STOLEN: HALLS_TOKEN}}")})
	up := newGreedy(t)
	i := start(t, []string{"HALLS_TOKEN=" + hallsToken, "UPSTREAM=" + up.url}, "--watch", "poll", "--watch-interval", "20ms", dir)
	if err := os.MkdirAll(filepath.Join(dir, "team-a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "team-a", "halls.yaml"), []byte(guardDoc("{namespace: env, keys: {HALLS_TOKEN: HALLS_TOKEN}}")), 0o600); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodGet, i.url+"/apis/team-a/halls/halls", http.NoBody)
	req.Header.Set("Authorization", "Bearer "+hallsToken)
	for got := send(t, req); got.Status != http.StatusUnauthorized; got = send(t, req) {
		if got.Status != http.StatusNotFound {
			t.Fatalf("the new adapter answered %d %s", got.Status, got.Body)
		}
	}
	if got := get(t, i.url+"/apis/team-b/things/things"); got.Status != http.StatusOK {
		t.Errorf("the document that was there first answers %d %s", got.Status, got.Body)
	}
	if !slices.Contains(strings.Split(up.got(), "\n"), "/things Bearer "+hallsToken) {
		t.Errorf("sent %q", up.got())
	}
}
