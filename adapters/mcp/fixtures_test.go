package mcp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/adapters/mcp"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// example gives an example document of the language, which may lie beside a checkout.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../shared/fixtures", name))
	if err != nil {
		t.Skipf("no example documents beside the checkout: %v", err)
	}
	return string(text)
}

// TestExampleOfResourcesAndPrompts does what the language reference (14.1) says that the
// example shows, in both forms and both eras.
func TestExampleOfResourcesAndPrompts(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"ikanos/engine/mcp", "naftiko-alpha2/test-resources/mcp"} {
		h := open(t, map[string]string{"example": example(t, file+"/mcp-resources-prompts-capability.yaml")}, mcp.Options{})
		for _, era := range []string{"2026-07-28", "2025-11-25"} {
			t.Run(file+"/"+era, func(t *testing.T) {
				s := h.connect("/mcp/example", era, nil)
				if c := s.InitializeResult().Capabilities; c.Tools == nil || c.Resources == nil || c.Prompts == nil {
					t.Errorf("capabilities %s, want all three", marshal(t, c))
				}
				list, err := s.ListResources(context.Background(), nil)
				if err != nil || len(list.Resources) != 1 || list.Resources[0].URI != "data://databases/pre-release/schema" || list.Resources[0].Title != "Database Schema" {
					t.Errorf("resources %s, %v", marshal(t, list), err)
				}
				templates, err := s.ListResourceTemplates(context.Background(), nil)
				if err != nil || len(templates.ResourceTemplates) != 1 || templates.ResourceTemplates[0].URITemplate != "data://users/{userId}/profile" {
					t.Errorf("templates %s, %v", marshal(t, templates), err)
				}
				if got := read(t, s, "data://users/42/profile"); got.MIMEType != "application/json" || !strings.Contains(got.Text, "/v1/databases/42/query") {
					t.Errorf("read %s", marshal(t, got))
				}
				for _, uri := range []string{"data://users/a/b/profile", "data://users//profile", "data://nowhere"} {
					wantNotFound(t, s, era, uri)
				}
				checkExamplePrompts(t, s)
			})
		}
	}
}

func checkExamplePrompts(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	if got, want := get(t, s, "summary-prompt", map[string]string{"data": `{{format}} $1 \`}),
		"user: Summarize the following data in {{format}} format:\n\n{{format}} $1 \\\nassistant: I'll summarize the data for you.\nuser: Please focus on the key insights."; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
	for _, name := range []string{"nowhere", "participant-outreach"} { // the latter has required arguments
		_, err := s.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: name})
		var wire *jsonrpc.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("prompt %q: %v, want JSON-RPC error -32602", name, err)
		}
	}
}

// TestExampleOfHints: annotations say what the example says, and its title where it has one.
func TestExampleOfHints(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"ikanos/engine/mcp", "naftiko-alpha2/test-resources/mcp"} {
		text := example(t, file+"/mcp-hints-capability.yaml")
		h := open(t, map[string]string{"example": text}, mcp.Options{})
		list, err := h.connect("/mcp/example", "2026-07-28", nil).ListTools(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, tool := range list.Tools {
			a := tool.Annotations
			got += fmt.Sprintln(tool.Name, a.Title, a.ReadOnlyHint, *a.DestructiveHint, a.IdempotentHint, *a.OpenWorldHint)
		}
		// What no hint says follows from the upstream's method.
		const want = "read-data Read Data true false true true\ndelete-record  false true true false\nno-hints-tool  true false true true\n"
		if got != want {
			t.Errorf("%s: hints\n%swant\n%s", file, got, want)
		}
	}
}
