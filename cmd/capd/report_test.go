package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"capd/adapters/control"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// toolSpec exposes one tool, whose call exists or not.
const (
	toolSpec = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - { type: http, namespace: crm, baseUri: "https://crm.example.com", resources: [{ path: /a, operations: [{ name: get, method: GET }] }] }
  exposes:
  - { type: mcp, namespace: tools, port: 9090, tools: [{ name: get, description: Get, call: CALL }] }
`
	goodCall, badCall = "crm.get", "crm.gone"
)

// TestReportCountsWhatIsServed: a document with no route and no tool left is not served.
func TestReportCountsWhatIsServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, call := range map[string]string{"good.yaml": goodCall, "bad.yaml": badCall} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(toolSpec, "CALL", call, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	run(context.Background(), []string{"serve", "--check", dir}, nil, strings.NewReader(""), &text, &text)
	if !strings.Contains(text.String(), "capd would serve 1 of 2 files\n") || !strings.Contains(text.String(), "\nbad (refused: ") {
		t.Errorf("got\n%s", text.String())
	}
}

// TestStaleOnlyWhileServed: the last good form of a document, kept or not, is told as what is served only while something of
// it is. Without, the document is refused, whatever was kept of it.
func TestStaleOnlyWhileServed(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	d := &engine.DocState{ID: "rooms", State: engine.Stale, Since: since, Kept: true, Unit: &plan.Unit{ID: "rooms"}}
	rest := reportAdapter{Kind: plan.REST, Routes: 1}
	if got := documentFacts(d, newReportDocument(d, []reportAdapter{rest}, nil)); got.State != control.StateRefused || got.Since != nil || got.Kept {
		t.Errorf("at an address where nothing listens: %+v", got)
	}
	rest.URL = "http://127.0.0.1:8080/apis/rooms"
	got := documentFacts(d, newReportDocument(d, []reportAdapter{rest}, nil))
	if got.State != control.StateStale || got.Since == nil || !got.Since.Equal(since.Truncate(time.Second)) || !got.Kept {
		t.Errorf("where it is served: %+v", got)
	}
}

// TestReportEmptyLists: programs get lists, also where nothing is in them.
func TestReportEmptyLists(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	args := []string{"serve", "--check", "--log-format", "json", t.TempDir()}
	run(context.Background(), args, nil, strings.NewReader(""), &text, &text)
	var event map[string]json.RawMessage
	if err := json.Unmarshal(text.Bytes(), &event); err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	for _, name := range []string{"documents", "addresses", "diagnostics"} {
		if string(event[name]) != "[]" {
			t.Errorf("%s is %s", name, event[name])
		}
	}
	text.Reset()
	empty := newReport(&plan.Plan{}, nil, nil, declaredAddr, nil)
	if err := empty.since(empty).write(&text, formatJSON); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "[]"); n != 6 || strings.Contains(text.String(), "null") {
		t.Errorf("got %s", text.String())
	}
}

// TestStartFailureInJSON: a log for programs holds lines of JSON only.
func TestStartFailureInJSON(t *testing.T) {
	t.Parallel()
	bad := specFile(t, "bad.yaml", "naftiko: [")
	for name, tt := range map[string]struct {
		code int
		want string
		args []string
	}{
		"missing path": {exitFailed, "cannot read no-such-file.yaml: no such file or directory", []string{"no-such-file.yaml"}},
		"wrong option": {exitFailed, `listen address "x" is not host:port, for example 127.0.0.1:8080`, []string{"--listen", "x", bad}},
		"findings":     {exitFindings, "refused", []string{"--on-invalid", "fail", "--listen", "127.0.0.1:0", bad}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			args := append([]string{"serve", "--log-format", "json"}, tt.args...)
			if code := run(context.Background(), args, nil, strings.NewReader(""), &text, &text); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			var event struct{ Level, Msg string }
			if err := json.Unmarshal(text.Bytes(), &event); err != nil {
				t.Fatalf("not one line of JSON: %v\n%s", err, text.String())
			}
			if event.Level != "ERROR" || event.Msg != tt.want {
				t.Errorf("got %+v, want %q", event, tt.want)
			}
		})
	}
}

// TestReportOfAllInterfaces: the URL that is printed works, and the report says who can call.
func TestReportOfAllInterfaces(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":0", "0.0.0.0:0"} {
		i := start(t, []string{"UPSTREAM=http://upstream.example"}, "--listen", listen, specFile(t, "spec.yaml", mappedSpec))
		if len(i.report.Documents) != 1 || len(i.report.Documents[0].Adapters) == 0 || !i.report.Addresses[0].AllInterfaces {
			t.Fatalf("got %+v", i.report)
		}
		url := i.report.Documents[0].Adapters[0].URL
		if !strings.HasPrefix(url, "http://127.0.0.1:") {
			t.Errorf("%s: the URL is %s", listen, url)
		}
		if got := call(t, "OPTIONS", url+"/things", ""); got.Status == http.StatusForbidden {
			t.Errorf("%s: %s answers %d %s", listen, url, got.Status, got.Body)
		}
	}
}

// TestReportText: a failure to listen stands there once; that an address is open to all, too.
func TestReportText(t *testing.T) {
	t.Parallel()
	r := &report{
		list: diag.List{{Code: diag.CodeListen, Severity: diag.Error, Message: "cannot listen on 127.0.0.1:80: permission denied"}},
		Addresses: []reportAddress{
			{Declared: "127.0.0.1:80", Error: "permission denied"},
			{Declared: ":8484", Actual: "[::]:8484", AllInterfaces: true},
		},
	}
	const open = "capd: [::]:8484 is on all interfaces of this machine, and callers are not authenticated: everyone who reaches it can call\n"
	var text strings.Builder
	if err := r.write(&text, ""); err != nil {
		t.Fatal(err)
	}
	for _, once := range []string{"permission denied", open} {
		if n := strings.Count(text.String(), once); n != 1 {
			t.Errorf("%d times %q in\n%s", n, once, text.String())
		}
	}
	text.Reset()
	if err := r.since(r).write(&text, ""); err != nil {
		t.Fatal(err)
	}
	if want := "reloaded: nothing changed; capd serves 0 of 0 files on [::]:8484\n"; text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

// TestReportOfReload: only what changed is said, and a finding that moved did not change.
func TestReportOfReload(t *testing.T) {
	t.Parallel()
	doc := func(id, hash string, state engine.State) *reportDocument {
		a := reportAdapter{Kind: plan.MCP, URL: "http://127.0.0.1:1/mcp/" + id, Tools: 1}
		return &reportDocument{ID: id, File: id + ".yaml", State: state, Adapters: []reportAdapter{a}, hash: hash, isServed: true}
	}
	finding := func(file string, line int, message string) diag.Diagnostic {
		return diag.Diagnostic{
			Code: diag.CodeUnknownKey, Severity: diag.Warning, Message: message,
			Span: diag.Span{File: file, Start: diag.Pos{Line: line, Col: 1}},
		}
	}
	last := &report{
		Documents: []*reportDocument{doc("a", "1", engine.Served), doc("b", "1", engine.Served), doc("c", "1", engine.Served)},
		list:      diag.List{finding("a.yaml", 3, "stays"), finding("b.yaml", 3, "mended")},
	}
	now := &report{
		Documents: []*reportDocument{doc("a", "1", engine.Served), doc("b", "2", engine.Stale), doc("d", "1", engine.Served)},
		list:      diag.List{finding("a.yaml", 4, "stays"), finding("d.yaml", 1, "new"), finding("d.yaml", 2, "new")},
	}
	var text strings.Builder
	if err := now.since(last).write(&text, ""); err != nil {
		t.Fatal(err)
	}
	const want = `reloaded: 1 file added, 1 file removed, 1 file changed, 2 new findings, 1 finding gone; capd serves 3 of 3 files
d.yaml:1:1: warning [unknown-key] new
d.yaml:2:1: warning [unknown-key] new
gone: b.yaml:3:1: warning [unknown-key] mended

d
  mcp  http://127.0.0.1:1/mcp/d  1 tool

b (stale: b.yaml has errors now, its last good state is served)
  mcp  http://127.0.0.1:1/mcp/b  1 tool

c (removed: c.yaml)
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}
