package mcp_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// letters is a document with prompts and nothing else.
const letters = `ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: mcp
    namespace: letters
    port: 9090
    prompts:
      outreach:
        display: Outreach
        description: Write to someone.
        arguments:
          full-name: { display: Name, description: Who reads it. }
          product.name: { description: What it is about. }
          tone: { description: How it sounds., required: false }
        template:
        - { role: user, content: 'Write to {{full-name}} about {{ product.name }}, {{tone}}.' }
        - { role: assistant, content: 'To {{full_name}}: {not} {{{tone}}} \{{tone}} ${tone} {{letters.tone}}' }
      derived: { description: Derived., template: [{ role: user, content: 'About {{topic}}' }] }
      file: { description: From a file., location: prompt.md, arguments: { who: { description: Who. } } }
      broken: { description: Nobody speaks., template: [{ role: narrator, content: x }] }
      absent: { description: No file., location: nowhere.md }
`

func get(t *testing.T, s *sdk.ClientSession, name string, args map[string]string) string {
	t.Helper()
	res, err := s.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: name, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out []string
	for _, m := range res.Messages {
		out = append(out, string(m.Role)+": "+m.Content.(*sdk.TextContent).Text)
	}
	return strings.Join(out, "\n")
}

func TestPromptsInEveryEra(t *testing.T) {
	t.Parallel()
	files := shelf(t)
	write(t, files, "prompt.md", "\ufeffDear {{who}}, {{other}} {{{who}}}")
	h := openWith(t, map[string]string{"letters": letters}, files, mcp.Options{})
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			s := h.connect("/mcp/letters", era, nil)
			if c := s.InitializeResult().Capabilities; c.Prompts == nil || c.Resources != nil {
				t.Errorf("capabilities %s, want prompts and no resources", marshal(t, c))
			}
			checkPromptList(t, s)
			checkPromptTexts(t, s)
			for name, args := range map[string]map[string]string{
				"outreach": {"full-name": "Ann"}, "file": nil, "nowhere": nil, "__capd_prompt": nil, "broken": nil, "absent": nil,
			} {
				_, err := s.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: name, Arguments: args})
				want, code := map[string]string{
					"outreach": "missing argument product.name", "file": "missing argument who", "nowhere": "unknown prompt", "__capd_prompt": "unknown prompt",
					"broken": "This prompt is declared but cannot be served: prompt: \"narrator\" is no role", "absent": "the file of prompt absent is not available",
				}[name], int64(jsonrpc.CodeInvalidParams)
				if name == "broken" || name == "absent" {
					code = jsonrpc.CodeInternalError
				}
				var wire *jsonrpc.Error
				if !errors.As(err, &wire) || wire.Code != code || !strings.Contains(wire.Message, want) {
					t.Errorf("%s: %v, want JSON-RPC error %d with %q", name, err, code, want)
				}
			}
		})
	}
}

func checkPromptList(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	list, err := s.ListPrompts(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, list.Prompts)
	want := `[{"arguments":[{"name":"full-name","title":"Name","description":"Who reads it.","required":true},` +
		`{"name":"product.name","description":"What it is about.","required":true},{"name":"tone","description":"How it sounds."}],` +
		`"description":"Write to someone.","name":"outreach","title":"Outreach"},` +
		`{"arguments":[{"name":"topic"}],"description":"Derived.","name":"derived"},` +
		`{"arguments":[{"name":"who","description":"Who.","required":true}],"description":"From a file.","name":"file"}]`
	if got != want {
		t.Errorf("prompts\n%s\nwant\n%s", got, want)
	}
}

func checkPromptTexts(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	for _, tt := range []struct {
		name string
		args map[string]string
		want string
	}{
		// A placeholder without a value stays; a value is never looked at again (language 14.1).
		{
			"outreach", map[string]string{"full-name": `{{tone}} $1 \ `, "product.name": "{{full-name}}"},
			"user: Write to {{tone}} $1 \\  about {{full-name}}, {{tone}}.\nassistant: To {{tone}} $1 \\ : {not} {{{tone}}} {{tone}} ${tone} {{letters.tone}}",
		},
		{
			"outreach", map[string]string{"fullName": "Ann", "product.name": "Rooms", "tone": "", "else": "x"},
			"user: Write to Ann about Rooms, .\nassistant: To Ann: {not} {} {{tone}} ${tone} ",
		},
		{"derived", nil, "user: About {{topic}}"},
		{"derived", map[string]string{"topic": "tea"}, "user: About tea"},
		{"file", map[string]string{"who": "Ann", "other": "x"}, "user: Dear Ann, {{other}} {Ann}"},
	} {
		if got := get(t, s, tt.name, tt.args); got != tt.want {
			t.Errorf("%s %v:\n%s\nwant\n%s", tt.name, tt.args, got, tt.want)
		}
	}
}

// TestManyPrompts: cursors advance and end, in the order of the document.
func TestManyPrompts(t *testing.T) {
	t.Parallel()
	var doc strings.Builder
	doc.WriteString("naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: mcp\n    namespace: m\n    port: 9090\n    prompts:\n")
	var want []string
	for i := range 1001 {
		name := string(rune('z'-i%26)) + strings.Repeat("x", i/26)
		want = append(want, name)
		doc.WriteString("    - { name: " + name + ", template: hi }\n")
	}
	h := open(t, map[string]string{"m": doc.String()}, mcp.Options{})
	s := h.connect("/mcp/m", "2025-11-25", nil)
	var got []string
	for p, err := range s.Prompts(context.Background(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d prompts, want %d in the order of the document", len(got), len(want))
	}
}

// TestRequestsWithoutParameters: older clients leave them out of lists, and a request that
// needs them is refused without harm.
func TestRequestsWithoutParameters(t *testing.T) {
	t.Parallel()
	both := strings.Replace(library, "    resources:\n    - { name: users,", "    prompts: [{ name: p, template: hi }]\n    resources:\n    - { name: users,", 1)
	h := openWith(t, map[string]string{"both": both}, shelf(t), mcp.Options{})
	session := map[string]string{"Mcp-Session-Id": h.session("/mcp/both")}
	for method, want := range map[string]string{
		"tools/list": `"tools":[]`, "resources/list": `"data://users"`, "resources/templates/list": `"pic://{id}"`, "prompts/list": `"name":"p"`,
		"tools/call": `missing required "params"`, "resources/read": `missing required "params"`, "prompts/get": `missing required "params"`,
	} {
		a := h.post("/mcp/both", session, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`)
		if !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", method, a.status, a.body, want)
		}
	}
}
