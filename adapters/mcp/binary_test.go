package mcp_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/adapters/mcp"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// pictures is a document whose tools answer with bytes.
const pictures = `ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
      picture:
        path: /picture
        operations:
          declared: { path: /declared, method: GET, outputRawFormat: binary, outputMediaType: image/png }
          bytes: { path: /bytes, method: GET, outputRawFormat: binary }
          small: { path: /small, method: GET, outputRawFormat: binary, maxBinarySize: 8B }
          plain: { path: /plain, method: GET }
  exposes:
  - type: mcp
    namespace: pictures
    port: 9090
    maxBinarySize: 32B
    tools:
      declared: { description: Declared., call: api.declared }
      bytes: { description: Bytes., call: api.bytes }
      small: { description: Small., call: api.small }
      plain: { description: Plain., call: api.plain }
`

func TestBinaryTools(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"pictures": pictures}, mcp.Options{})
	every := "\x00\x01\x7f\x80\xc3\x28\xff\r\n"
	for name, tt := range map[string]struct {
		tool            string
		status          int
		mediaType, body string
		want            string // kind, media type, bytes
		isError         bool
	}{
		"a declared type wins":        {"declared", 200, "application/octet-stream", every, "image image/png " + every, false},
		"also over text":              {"declared", 200, "text/plain", "hi", "image image/png hi", false},
		"not over an error":           {"declared", 404, "text/plain", "none", "text  none", true},
		"a specific type":             {"bytes", 200, "audio/mpeg; x=1", every, "audio audio/mpeg " + every, false},
		"a general type":              {"bytes", 200, "application/octet-stream", png, "resource application/octet-stream " + png, false},
		"no type":                     {"bytes", 200, "", png, "image image/png " + png, false},
		"no type, nothing known":      {"bytes", 200, "", every, "resource application/octet-stream " + every, false},
		"text that is bytes":          {"bytes", 200, "text/csv", "a,b", "resource text/csv a,b", false},
		"JSON that says so":           {"bytes", 200, "application/json", `{"a":1}`, `text  {"a":1}`, false},
		"over the operation's limit":  {"small", 200, "image/png", png, "text  The upstream API's answer is too large: it is over the limit of 8 bytes", true},
		"under the operation's limit": {"small", 200, "image/png", "12345678", "image image/png 12345678", false},
		"over the adapter's limit":    {"plain", 200, "image/png", strings.Repeat("x", 33), "text  The upstream API's answer is too large: it is over the limit of 32 bytes", true},
		"bytes over it, untold":       {"plain", 200, "", strings.Repeat("\xff", 33), "text  The upstream API's answer is too large: it is over the limit of 32 bytes", true},
		"text has another":            {"plain", 200, "text/plain", strings.Repeat("x", 33), "text  " + strings.Repeat("x", 33), false},
	} {
		h.upstream.answer(tt.status, tt.mediaType, tt.body)
		for _, era := range []string{"2026-07-28", "2025-03-26"} {
			res := call(t, h.connect("/mcp/pictures", era, nil), tt.tool, nil)
			if len(res.Content) != 1 || content(res.Content[0]) != tt.want || res.IsError != tt.isError {
				t.Errorf("%s, %s: %s isError %v, want %q", name, era, marshal(t, res.Content), res.IsError, tt.want)
			}
		}
	}
}

// content gives kind, media type and bytes.
func content(c sdk.Content) string {
	switch c := c.(type) {
	case *sdk.TextContent:
		return "text  " + c.Text
	case *sdk.ImageContent:
		return "image " + c.MIMEType + " " + string(c.Data)
	case *sdk.AudioContent:
		return "audio " + c.MIMEType + " " + string(c.Data)
	case *sdk.EmbeddedResource:
		if !strings.HasPrefix(c.Resource.URI, "capd://") {
			return "a URI " + c.Resource.URI
		}
		return "resource " + c.Resource.MIMEType + " " + string(c.Resource.Blob)
	}
	return "something else"
}

// TestReloadOfResourcesAndPrompts: a reload replaces the lists at once, tells those who listen,
// and leaves what did not change alone; what was offered stays offered.
func TestReloadOfResourcesAndPrompts(t *testing.T) {
	t.Parallel()
	files := shelf(t)
	both := func(uri, prompt string) map[string]string {
		return map[string]string{"m": "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: mcp\n    namespace: m\n    port: 9090\n" +
			"    resources: [{name: r, uri: '" + uri + "', location: guides}]\n    prompts: [{name: " + prompt + ", template: hi}]\n"}
	}
	h := openWith(t, both("a://x", "one"), files, mcp.Options{})
	changes := make(chan string, 16)
	s := h.connect("/mcp/m", "2025-11-25", &sdk.ClientOptions{
		ResourceListChangedHandler: func(context.Context, *sdk.ResourceListChangedRequest) { changes <- "resources" },
		PromptListChangedHandler:   func(context.Context, *sdk.PromptListChangedRequest) { changes <- "prompts" },
		ToolListChangedHandler:     func(context.Context, *sdk.ToolListChangedRequest) { changes <- "tools" },
	})
	state := func() string {
		resources, err := s.ListResources(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		prompts, err := s.ListPrompts(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, r := range resources.Resources[:min(1, len(resources.Resources))] {
			out += r.URI
		}
		for _, p := range prompts.Prompts {
			out += " " + p.Name
		}
		return out
	}
	if got := state(); got != "a://x/B%20file.txt one" {
		t.Fatal(got)
	}
	h.load(both("b://x", "one"), h.upstream)
	if got := <-changes; got != "resources" {
		t.Errorf("%s changed, want resources", got)
	}
	if got := state(); got != "b://x/B%20file.txt one" {
		t.Error(got)
	}
	h.load(both("b://x", "two"), h.upstream)
	if got := <-changes; got != "prompts" {
		t.Errorf("%s changed, want prompts", got)
	}
	if got := state(); got != "b://x/B%20file.txt two" {
		t.Error(got)
	}
	// The files of a folder are looked at when they are asked for.
	if err := os.Remove(filepath.Join(string(files), "guides", "B file.txt")); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "b://x/a.md two" {
		t.Error(got)
	}
	h.load(map[string]string{"m": strings.Replace(rooms, "namespace: rooms-mcp", "namespace: m", 1)}, h.upstream)
	for range 3 {
		<-changes
	}
	if got := state(); got != "" {
		t.Errorf("%q is left", got)
	}
}
