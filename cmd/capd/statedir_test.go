//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// statedSpec answers the word of its operation, imports what it consumes, and reads a value.
func statedSpec(word string) string {
	return `ikanos: 1.0.0-beta5
binds:
- { namespace: env, location: file:///./values.yaml, keys: { TOKEN: token } }
capability:
  consumes:
  - { import: up, location: ./part.yaml }
  exposes:
  - type: rest
    namespace: r
    port: 8080
    resources:
      word: { path: /` + word + `, operations: { word: { method: GET, call: up.get } } }
`
}

const statedPart = `ikanos: 1.0.0-beta5
consumes:
- type: http
  namespace: up
  baseUri: https://up.example.com
  inputParameters: [ { name: X-Token, in: header, value: "{{TOKEN}}" } ]
  resources: { r: { path: /r, operations: { get: { method: GET } } } }
`

// keptTexts gives the texts of all forms in a state folder.
func keptTexts(t *testing.T, state string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, "capd-v1", "*.kept"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitN(whole, []byte("\n"), 3)
		var form struct {
			Text  []byte
			Reads []struct{ Text []byte }
		}
		if len(lines) != 3 || json.Unmarshal(lines[2], &form) != nil {
			t.Fatalf("%s is no form: %.100s", file, whole)
		}
		text := string(whole) + string(form.Text)
		for _, r := range form.Reads {
			text += string(r.Text)
		}
		out = append(out, text)
	}
	return out
}

// TestLastGoodAcrossRestarts: an edit that broke a document, or a file it imports, is no outage
// when the process is started again; validate knows nothing of it; values are not kept.
func TestLastGoodAcrossRestarts(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", statedSpec("a"))
	write("b.yaml", statedSpec("b"))
	write("part.yaml", statedPart)
	write("values.yaml", "token: canary-value\n")
	live := func() *process {
		t.Helper()
		return spawn(t, nil, dir, "--stub", "--watch", "off", "--state-dir", state)
	}
	wants := func(p *process, path string, status int) {
		t.Helper()
		if got := call(t, "GET", p.url+path, ""); got.Status != status {
			t.Errorf("%s: %d %s, want %d", path, got.Status, got.Body, status)
		}
	}
	end := func(p *process) {
		t.Helper()
		p.signal(t, syscall.SIGTERM)
		if code := until(t, p.exit, "the end"); code != exitOK {
			t.Errorf("exit code %d", code)
		}
	}
	p := live()
	wants(p, "/a", 200)
	end(p)

	write("a.yaml", "ikanos: [")
	write("part.yaml", "ikanos: [")
	for range 2 {
		p = live()
		wants(p, "/a", 200)
		wants(p, "/b", 200)
		end(p)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"validate", dir}, []string{"CAPD_STATE_DIR=" + state}, strings.NewReader(""), &out, &errs); code != exitFindings {
		t.Errorf("validate: exit code %d, want %d: %s%s", code, exitFindings, &out, &errs)
	}

	// A document that is mended is what it says; a removed one is gone for good.
	write("a.yaml", statedSpec("mended"))
	write("part.yaml", statedPart)
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	p = live()
	wants(p, "/mended", 200)
	wants(p, "/a", 404)
	end(p)
	write("b.yaml", "ikanos: [")
	p = live()
	wants(p, "/mended", 200)
	wants(p, "/b", 404)
	end(p)
	texts := keptTexts(t, state)
	if len(texts) != 1 || !strings.Contains(texts[0], "up.example.com") {
		t.Errorf("kept: %q", texts)
	}
	for _, text := range texts {
		if strings.Contains(text, "canary") {
			t.Errorf("a value is kept: %s", text)
		}
	}
}

// TestKilledWhileKeeping: a process that is killed while it writes leaves nothing that the next
// one trips over. What was written is whole and serves; what was not is refused.
func TestKilledWhileKeeping(t *testing.T) {
	t.Parallel()
	const documents = 60
	for _, after := range []int{1, 10, 40} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			dir, state := t.TempDir(), t.TempDir()
			all := func(text func(i int) string) {
				for i := range documents {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("d%d.yaml", i)), []byte(text(i)), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			all(func(i int) string {
				return strings.ReplaceAll(statedSpec(fmt.Sprintf("d%d", i)), "  - { import: up, location: ./part.yaml }\n", "  - { type: http, namespace: up, baseUri: https://up.example.com, resources: { r: { path: /r, operations: { get: { method: GET } } } } }\n")
			})
			p := spawn(t, nil, dir, "--stub", "--watch", "off", "--state-dir", state)
			for n := 0; n < after; {
				files, err := filepath.Glob(filepath.Join(state, "capd-v1", "*.kept"))
				if err != nil {
					t.Fatal(err)
				}
				n = len(files)
			}
			p.signal(t, syscall.SIGKILL)
			until(t, p.exit, "the end")
			kept := len(keptTexts(t, state)) // each is whole, or the test has failed here

			all(func(int) string { return "ikanos: [" })
			good := `ikanos: 1.0.0-beta5
capability:
  exposes:
  - { type: rest, namespace: r, port: 8080, resources: { ok: { path: /ok, operations: { ok: { method: GET, outputParameters: [ { name: a, type: string, value: x } ] } } } } }
`
			if err := os.WriteFile(filepath.Join(dir, "good.yaml"), []byte(good), 0o600); err != nil {
				t.Fatal(err)
			}
			p = spawn(t, nil, dir, "--stub", "--watch", "off", "--state-dir", state)
			served := 0
			for i := range documents {
				path := fmt.Sprintf("/d%d", i)
				if got := call(t, "GET", p.url+path, ""); got.Status == 200 {
					served++
				}
			}
			if served != kept || kept < after {
				t.Errorf("%d documents are served of %d forms", served, kept)
			}
		})
	}
}
