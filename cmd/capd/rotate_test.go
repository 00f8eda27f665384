//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const rotatingSpec = `ikanos: 1.0.0-beta5
binds:
- { namespace: up, keys: { UP: UP } }
- { namespace: file, location: "file:///./secrets.yaml", keys: { FILE_KEY: key, DOOR: door } }
- { namespace: mount, location: "file:///./mounted", keys: { MOUNT_KEY: key } }
capability:
  consumes: [{ from: ./lib/api.yaml, import: api }]
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources: { get: { path: /get, operations: { get: { method: GET, call: api.get } } } }
  - type: rest
    namespace: closed
    port: 8081
    authentication: { type: bearer, token: '{{DOOR}}' }
    resources: { get: { path: /closed, operations: { get: { method: GET, call: api.get } } } }
`

const rotatingPart = `ikanos: 1.0.0-beta5
consumes:
- namespace: api
  baseUri: '{{UP}}'
  inputParameters: { X-File: { in: header, value: '{{FILE_KEY}}' }, X-Mount: { in: header, value: '{{MOUNT_KEY}}' } }
  resources: { get: { path: /PATH, operations: { get: { method: GET } } } }
`

// TestReloadOfWhatADocumentUses: SIGHUP reads imported files and secrets again, secrets that
// Kubernetes exchanges by a link included.
func TestReloadOfWhatADocumentUses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `"`+strings.Join([]string{r.URL.Path, r.Header.Get("X-File"), r.Header.Get("X-Mount")}, " ")+`"`)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := os.Symlink(target, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("doc.yaml", rotatingSpec)
	write("lib/api.yaml", strings.Replace(rotatingPart, "PATH", "first", 1))
	write("secrets.yaml", "key: canary-1\ndoor: open-1\n")
	write("mounted/..1/key", "mounted-1\n")
	link("..1", "mounted/..data")
	link("..data/key", "mounted/key")
	p := spawn(t, []string{"UP=" + server.URL}, "--watch", "off", dir)
	wants := func(when, body, door string) {
		t.Helper()
		if got := call(t, "GET", p.url+"/get", ""); got.Status != http.StatusOK || got.Body != `"`+body+`"` {
			t.Errorf("%s: %d %s, want %s", when, got.Status, got.Body, body)
		}
		for token, status := range map[string]int{door: http.StatusOK, "open-0": http.StatusUnauthorized} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/closed", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("%s: token %s gives %d, want %d", when, token, resp.StatusCode, status)
			}
		}
	}
	reload := func(changed int) {
		t.Helper()
		p.signal(t, syscall.SIGHUP)
		e, n := p.await(t, "reloaded"), 0
		for _, d := range e.Changed {
			if d.ID == "doc" {
				n++
			}
		}
		if n != changed || len(e.Added)+len(e.Removed) != 0 {
			t.Errorf("got %+v, want the document changed: %d", e, changed)
		}
	}
	wants("at first", "/first canary-1 mounted-1", "open-1")

	write("secrets.yaml", "key: canary-2\ndoor: open-2\n")
	write("mounted/..2/key", "mounted-2\n")
	link("..2", "mounted/..data")
	wants("before a reload", "/first canary-1 mounted-1", "open-1")
	reload(0) // a secret is no part of a document
	wants("with new secrets", "/first canary-2 mounted-2", "open-2")

	write("lib/api.yaml", strings.Replace(rotatingPart, "PATH", "second", 1))
	reload(1)
	wants("with the new part", "/second canary-2 mounted-2", "open-2")

	// What breaks keeps its last good state.
	write("secrets.yaml", "key: [half")
	write("lib/api.yaml", "consumes: [half")
	reload(1)
	wants("broken", "/second canary-2 mounted-2", "open-2")
	write("secrets.yaml", "key: canary-3\ndoor: open-3\n")
	write("lib/api.yaml", strings.Replace(rotatingPart, "PATH", "third", 1))
	reload(1)
	wants("mended", "/third canary-3 mounted-2", "open-3")
}
