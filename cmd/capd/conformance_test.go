package main

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// conformance is the capability that the MCP conformance suite is run against by .ci/mcp/run,
// where Node is. Its tests here use the Go SDK's client, and always run.
const conformance = "../../testdata/mcp/conformance.yaml"

// TestConformanceFixture: clients of every version of the protocol list and call on one URL, and over
// stdio.
func TestConformanceFixture(t *testing.T) {
	t.Parallel()
	i := start(t, nil, conformance)
	if len(i.report.Diagnostics) > 0 {
		t.Errorf("the fixture has findings: %+v", i.report.Diagnostics)
	}
	for _, version := range mcp.SupportedProtocolVersions() {
		for name, transport := range map[string]mcp.Transport{
			"http":  &mcp.StreamableClientTransport{Endpoint: i.url + "/mcp/conformance", MaxRetries: -1},
			"stdio": &mcp.CommandTransport{Command: exec.Command("capd", "mcp", conformance), TerminateDuration: patience},
		} {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
				s, err := c.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				if got := s.InitializeResult().ProtocolVersion; got != version {
					t.Errorf("agreed on %s", got)
				}
				converse(t, s)
			})
		}
	}
}

// converse lists what the fixture has, and uses one of each.
func converse(t *testing.T, s *mcp.ClientSession) {
	t.Helper()
	ctx := context.Background()
	var tools []string
	for tool, err := range s.Tools(ctx, nil) {
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, tool.Name)
	}
	if !slices.Contains(tools, "test_simple_text") {
		t.Errorf("listed %v", tools)
	}
	answer, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "test_simple_text"})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := answer.Content[0].(*mcp.TextContent); !ok || answer.IsError || !strings.Contains(text.Text, "simple text response") {
		t.Errorf("the call gave %+v", answer.Content[0])
	}
	read, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: "test://template/7/data"})
	if err != nil {
		t.Fatal(err)
	}
	if text := read.Contents[0].Text; !strings.Contains(text, `"7"`) {
		t.Errorf("read %s", text)
	}
	prompt, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: "test_prompt_with_arguments", Arguments: map[string]string{"arg1": "one", "arg2": "two"}})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := prompt.Messages[0].Content.(*mcp.TextContent); !ok || !strings.Contains(text.Text, "arg1=one, arg2=two") {
		t.Errorf("the prompt is %+v", prompt.Messages[0].Content)
	}
}
