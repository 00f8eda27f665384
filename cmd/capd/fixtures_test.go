package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// fixture is a document of the language's own tests, in each place and version it exists, and
// what comes of it.
type fixture struct {
	files []string
	// findings are the distinct findings of validate, sorted: "severity code" each.
	findings string
	// remark says where capd does something else than the engine whose test this is, and why.
	remark string
	// try uses what is served; nil where nothing is.
	try func(*tryout)
}

// tryout is a fixture being served.
type tryout struct {
	*testing.T
	i  *instance
	up *fixtureUpstream
	id string
}

// fixtureUpstream records requests and gives the answer that a test set last.
type fixtureUpstream struct {
	*recorder
	media, body string
	status      int
}

func (u *fixtureUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.record(r)
	if u.media != "" {
		w.Header().Set("Content-Type", u.media)
	}
	w.WriteHeader(u.status)
	_, _ = w.Write([]byte(u.body))
}

// answers sets what the upstream answers from now on.
func (x *tryout) answers(status int, media, body string) {
	x.up.status, x.up.media, x.up.body = status, media, body
}

// says sets a JSON answer of the upstream.
func (x *tryout) says(body string) { x.answers(http.StatusOK, "application/json", body) }

// sends compares the one request of the last call: method, target, and the body if any.
func (x *tryout) sends(want, body string) exchange {
	x.Helper()
	e := x.up.one(x)
	if got := e.Method + " " + e.Target; got != want {
		x.Errorf("sent %s, want %s", got, want)
	}
	switch {
	case body == "" && e.Body != "":
		x.Errorf("sent the body %s, want none", e.Body)
	case body != "":
		sameJSON(x.T, "the body sent", e.Body, body)
	}
	return e
}

// tool calls a tool and compares its text, as JSON.
func (x *tryout) tool(name, arguments, want string) {
	x.Helper()
	got := callTool(x, x.i.url+"/mcp/"+x.id, name, arguments)
	if got.IsError || got.Code != 0 {
		x.Errorf("%s %s fails: %+v", name, arguments, got)
		return
	}
	sameJSON(x.T, name+" "+arguments, got.text(x), want)
}

// rest calls a route and compares the answer, as JSON unless it says nothing.
func (x *tryout) rest(method, path, body string, status int, want string) {
	x.Helper()
	got := call(x, method, x.i.url+"/apis/"+x.id+path, body)
	if got.Status != status {
		x.Errorf("%s %s answers %d %s, want %d", method, path, got.Status, got.Body, status)
		return
	}
	if want != "" {
		sameJSON(x.T, method+" "+path, got.Body, want)
	}
}

// tools gives the list of tools by name, as JSON.
func (x *tryout) tools() map[string]json.RawMessage {
	x.Helper()
	s := tutorialStep{file: x.id}
	session := s.connect(x.T, x.i, eras[0], "")
	list, err := session.ListTools(x.Context(), nil)
	if err != nil {
		x.Fatal(err)
	}
	out := map[string]json.RawMessage{}
	for _, tool := range list.Tools {
		out[tool.Name] = json.RawMessage(asJSON(x.T, tool))
	}
	return out
}

// hints compares some annotations of a tool.
func (x *tryout) hints(tools map[string]json.RawMessage, name, want string) {
	x.Helper()
	var tool struct{ Annotations, Wanted map[string]any }
	if err := json.Unmarshal(tools[name], &tool); err != nil {
		x.Fatalf("tool %s: %v", name, err)
	}
	if err := json.Unmarshal([]byte(want), &tool.Wanted); err != nil {
		x.Fatal(err)
	}
	for key, value := range tool.Wanted {
		got, ok := tool.Annotations[key]
		if !ok && value == false {
			got = false // absent hints of the protocol that mean false
		}
		if got != value {
			x.Errorf("%s of %s is %v, want %v", key, name, tool.Annotations[key], value)
		}
	}
}

// both gives a document that exists in the form of 1.0.0-beta5 and of 1.0.0-alpha2.
func both(name string) []string {
	return []string{"ikanos/engine/" + name, "naftiko-alpha2/test-resources/" + name}
}

// TestFixtures loads every document among the language's own test data, compares what is
// found in it, and uses what is served. A document that is not in the table fails the test.
func TestFixtures(t *testing.T) {
	t.Parallel()
	needFixtures(t)
	named := map[string]bool{}
	for _, f := range fixtureTable() {
		for _, file := range f.files {
			if named[file] {
				t.Errorf("%s is in the table twice", file)
			}
			named[file] = true
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				f.test(t, file)
			})
		}
	}
	for _, file := range documents(t) {
		if !named[file] && !isFixtureData(file) {
			t.Errorf("%s is not in the table", file)
		}
		delete(named, file)
	}
	for file := range named {
		t.Errorf("%s is in the table and not there", file)
	}
}

// documents gives every YAML file among the fixtures.
func documents(t *testing.T) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(fixtures), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")) {
			out = append(out, name)
		}
		return err
	})
	if err != nil || len(out) < 100 {
		t.Fatalf("%d documents: %v", len(out), err)
	}
	return out
}

// isFixtureData reports whether a YAML file is no document of the language, or one of the
// tutorial, which TestTutorial uses.
func isFixtureData(file string) bool {
	for _, part := range []string{"/openapi/", "/schemas/", "/docs-tutorial/", "/main-tutorial/", "/tutorial/"} {
		if strings.Contains(file, part) {
			return true
		}
	}
	return false
}

func (f *fixture) test(t *testing.T, file string) {
	path := filepath.Join(fixtures, filepath.FromSlash(file))
	if got := validated(t, path); got != f.findings {
		t.Errorf("validate finds %q, want %q", got, f.findings)
	}
	if f.try == nil {
		return
	}
	up := &fixtureUpstream{recorder: &recorder{}, status: http.StatusOK, media: "application/json", body: "{}"}
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	i := start(t, nil, "--upstream", server.URL, path)
	base := filepath.Base(path)
	f.try(&tryout{T: t, i: i, up: up, id: strings.TrimSuffix(base, filepath.Ext(base))})
}

// validated gives the distinct findings of a document.
func validated(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	run(context.Background(), append([]string{"validate", "--format", "json"}, args...), nil, strings.NewReader(""), &stdout, &stderr)
	var report struct {
		Findings []struct{ Severity, Code, Message string }
	}
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil {
		t.Fatalf("validate %q: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	var out []string
	for _, d := range report.Findings {
		out = append(out, d.Severity+" "+d.Code)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// TestFixtureImports imports the sections that the fixtures hold for other documents, as the
// tests of the reference engine do: each section, under its own name, under another, and twice.
func TestFixtureImports(t *testing.T) {
	t.Parallel()
	needFixtures(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(fixtures, "ikanos/engine/imports"))); err != nil {
		t.Fatal(err)
	}
	place := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := place("weather.yaml", `ikanos: 1.0.0-beta5
capability:
  consumes:
  - { from: consumes/shared.consumes.yml, import: weather-api }
  - { from: ./consumes/shared.consumes.yml, import: geo-api, as: earth }
  - { from: ./consumes/shared-clients.yml, import: geo-http, as: geo-api }
  aggregates:
  - { from: aggregates/shared.aggregates.yml, import: forecast }
  - { from: aggregates/shared.aggregates.yml, import: geo, as: places }
  exposes:
  - type: mcp
    namespace: tools
    port: 3000
    tools:
      weather: { description: The weather, call: weather-api.get-forecast }
      earth: { description: A place, call: earth.reverse-geocode }
      flow: { ref: forecast.get-forecast }
      place: { ref: places.reverse-geocode }
  - { from: exposes/shared-servers.yml, import: weather-rest, as: weather-two }
`)
	up := &fixtureUpstream{recorder: &recorder{}, status: http.StatusOK, media: "application/json", body: `{"ok":true}`}
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	x := &tryout{T: t, i: start(t, nil, "--upstream", server.URL, file), up: up, id: "weather"}
	for tool, want := range map[string]string{
		"weather": "GET /forecasts", "earth": "GET /geocode", "flow": "GET /forecasts", "place": "GET /geocode",
	} {
		x.tool(tool, "{}", `{"ok":true}`)
		x.sends(want, "")
	}
	x.rest("GET", "/weather", "", 200, `{"ok":true}`)
	x.sends("GET /forecasts", "")

	for _, bad := range []struct{ name, imports, code string }{
		{"no such file", "{ from: consumes/none.yml, import: weather-api }", "import-unreadable"},
		{"no such namespace", "{ from: consumes/shared.consumes.yml, import: sea-api }", "import-unresolved"},
		{"an empty section", "{ from: invalid/empty-section.consumes.yml, import: weather-api }", "import-unresolved"},
		{"no YAML", "{ from: invalid/malformed.yml, import: weather-api }", "error yaml"},
		{"one alias twice", "{ from: consumes/shared.consumes.yml, import: geo-api, as: weather-api }, { from: consumes/shared.consumes.yml, import: weather-api }", "import-duplicate"},
		{"no alias", "{ from: consumes/shared.consumes.yml }", "import-form"},
	} {
		file := place("bad.yaml", fmt.Sprintf(`ikanos: 1.0.0-beta5
capability:
  consumes: [%s]
  exposes:
  - { type: mcp, namespace: tools, port: 3000, tools: { weather: { description: The weather, call: weather-api.get-forecast } } }
`, bad.imports))
		if got := validated(t, file); !strings.Contains(got, bad.code) {
			t.Errorf("%s: %q", bad.name, got)
		}
	}
}

// readResource gives the text or the bytes of a resource.
func readResource(x *tryout, session *mcp.ClientSession, uri string) string {
	x.Helper()
	got, err := session.ReadResource(x.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil || len(got.Contents) != 1 {
		x.Fatalf("%s: %+v %v", uri, got, err)
	}
	if c := got.Contents[0]; c.Blob != nil {
		return string(c.Blob)
	}
	return got.Contents[0].Text
}

// listed compares the resources and templates that are listed.
func listed(x *tryout, session *mcp.ClientSession, resource, template string) {
	x.Helper()
	list, err := session.ListResources(x.Context(), nil)
	if err != nil || len(list.Resources) != 1 || list.Resources[0].URI != resource {
		x.Errorf("the resources are %s (%v)", asJSON(x.T, list), err)
	}
	templates, err := session.ListResourceTemplates(x.Context(), nil)
	if err != nil || len(templates.ResourceTemplates) != 1 || templates.ResourceTemplates[0].URITemplate != template {
		x.Errorf("the templates are %s (%v)", asJSON(x.T, templates), err)
	}
}

// prompt gives the messages of a prompt, "role: text" each.
func prompt(x *tryout, session *mcp.ClientSession, name string, arguments map[string]string) string {
	x.Helper()
	got, err := session.GetPrompt(x.Context(), &mcp.GetPromptParams{Name: name, Arguments: arguments})
	if err != nil {
		x.Fatalf("%s: %v", name, err)
	}
	var out []string
	for _, m := range got.Messages {
		c, ok := m.Content.(*mcp.TextContent)
		if !ok {
			x.Fatalf("%s has a message of %T", name, m.Content)
		}
		out = append(out, string(m.Role)+": "+c.Text)
	}
	return strings.Join(out, "\n")
}
