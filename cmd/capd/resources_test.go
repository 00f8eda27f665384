package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestResourcesOfDisk: files are those of the folder that the spec may use, as they are when
// they are read; what lies elsewhere is refused when the spec is loaded.
func TestResourcesOfDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("spec.yaml", `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    resources:
    - { name: guides, uri: 'guide://all', location: 'file:///./guides' }
    - { name: one, uri: 'guide://one', location: guides/sub/a.md }
    - { name: later, uri: 'guide://later', location: later }
    - { name: outside, uri: 'guide://outside', location: '`+outside+`' }
    prompts:
    - { name: file, arguments: [{ name: who }], location: prompts/p.md }
`)
	put("guides/sub/a.md", "# A")
	put("prompts/p.md", "Hi {{who}}")
	put("secret.txt", "secret")
	if err := os.Symlink("../secret.txt", filepath.Join(dir, "guides", "out.txt")); err != nil {
		t.Fatal(err)
	}
	i := start(t, nil, filepath.Join(dir, "spec.yaml"))
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: i.url + "/mcp/spec", MaxRetries: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	read := func(uri string) string {
		res, err := s.ReadResource(context.Background(), &mcp.ReadResourceParams{URI: uri})
		if err != nil {
			return err.Error()
		}
		return res.Contents[0].Text
	}
	listed := func() (out string) {
		for r, err := range s.Resources(context.Background(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			out += r.URI + " "
		}
		return out
	}
	if got, want := listed(), "guide://all/sub/a.md guide://one "; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	if got := read("guide://all/sub/a.md") + read("guide://one"); got != "# A# A" {
		t.Errorf("read %q", got)
	}
	put("guides/sub/a.md", "# B")
	put("later/x.md", "late")
	if got := read("guide://all/sub/a.md") + read("guide://one") + read("guide://later/x.md"); got != "# B# Blate" {
		t.Errorf("read %q", got)
	}
	if got, want := listed(), "guide://all/sub/a.md guide://one guide://later/x.md "; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	for _, uri := range []string{"guide://all/out.txt", "guide://all/../secret.txt", "guide://all/%2e%2e/secret.txt", "guide://outside/x"} {
		if got := read(uri); got == "secret" || got == "" {
			t.Errorf("%s gives %q", uri, got)
		}
	}
	prompt, err := s.GetPrompt(context.Background(), &mcp.GetPromptParams{Name: "file", Arguments: map[string]string{"who": "Ann"}})
	if err != nil || prompt.Messages[0].Content.(*mcp.TextContent).Text != "Hi Ann" {
		t.Errorf("prompt %v, %v", prompt, err)
	}
}
