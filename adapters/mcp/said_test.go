package mcp_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// spoken is a document of which everything stands in its text.
const spoken = `ikanos: 1.0.0-beta5
info: { display: Spoken, websiteUrl: 'https://x.example', icons: [{ src: 'https://x.example/i.png', sizes: [48x48], theme: light }] }
capability:
  exposes:
  - type: mcp
    namespace: spoken
    port: 9090
    tools:
      say:
        description: Say something.
        icons: ['https://x.example/say.png']
        content:
        - Hello {{name}}
        - { type: image, mimeType: image/png, data: aGk=, annotations: { audience: [user, assistant], priority: 0.5, lastModified: 2025-01-12 } }
        - { type: image, data: iVBORw0KGgo= }
        - { type: audio, mimeType: audio/wav, data: aGk= }
        - { type: resource, uri: 'mem://one', mimeType: text/plain, text: One }
        - { type: resource, uri: 'mem://none', mimeType: text/plain, text: '' }
        - { type: resource, uri: 'mem://bytes', mimeType: image/png, data: aGk= }
        - { type: resource_link, resource: note }
        - { type: resource_link, uri: 'https://x.example/{{name}}', name: far, title: Far, description: Away, size: 7 }
      fail: { description: Fail., isError: true, content: Sorry }
    resources:
      note: { display: Note, description: A note, uri: 'mem://note', mimeType: text/plain, text: Note this, annotations: { audience: [user] }, icons: ['https://x.example/n.png'] }
      one: { description: One, uri: 'mem://one/{id}/data', mimeType: application/json, text: '{"id":"{{id}}"}', annotations: { priority: 1 } }
      bytes: { description: Bytes, uri: 'mem://bytes', mimeType: image/png, data: aGk= }
    prompts:
      look:
        description: Look
        icons: ['https://x.example/p.png']
        arguments: { uri: { description: Where } }
        template:
        - { role: user, content: [ { type: resource, uri: '{{uri}}', mimeType: text/plain, text: There }, { type: image, mimeType: image/png, data: aGk= }, Look ] }
        - { role: assistant, content: { type: resource_link, resource: note } }
`

// asJSON gives something as clients read it.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// contentLines gives every item as JSON.
func contentLines(t *testing.T, all []sdk.Content) []string {
	t.Helper()
	var out []string
	for _, c := range all {
		out = append(out, asJSON(t, c))
	}
	return out
}

// TestContentInEveryEra: every kind of content arrives at clients of every version that knows
// it; the others get what they know.
func TestContentInEveryEra(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"spoken": spoken}, mcp.Options{})
	for _, era := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(era, func(t *testing.T) {
			want := []string{
				`{"type":"text","text":"Hello Ann Lee"}`,
				`{"type":"image","mimeType":"image/png","data":"aGk=","annotations":{"audience":["user","assistant"],"lastModified":"2025-01-12","priority":0.5}}`,
				`{"type":"image","mimeType":"image/png","data":"iVBORw0KGgo="}`,
				`{"type":"audio","mimeType":"audio/wav","data":"aGk="}`,
				`{"type":"resource","resource":{"uri":"mem://one","mimeType":"text/plain","text":"One"}}`,
				`{"type":"resource","resource":{"uri":"mem://none","mimeType":"text/plain","blob":""}}`,
				`{"type":"resource","resource":{"uri":"mem://bytes","mimeType":"image/png","blob":"aGk="}}`,
				`{"type":"resource_link","mimeType":"text/plain","uri":"mem://note","name":"note","title":"Note","description":"A note","annotations":{"audience":["user"]}}`,
				`{"type":"resource_link","uri":"https://x.example/Ann%20Lee","name":"far","title":"Far","description":"Away","size":7}`,
			}
			if era < "2025-03-26" {
				want[3] = `{"type":"resource","resource":{"uri":"capd://result/spoken/say","mimeType":"audio/wav","blob":"aGk="}}`
			}
			if era < "2025-06-18" {
				want[7] = `{"type":"text","text":"Note: mem://note\nA note","annotations":{"audience":["user"]}}`
				want[8] = `{"type":"text","text":"Far: https://x.example/Ann%20Lee\nAway"}`
			}
			s := h.connect("/mcp/spoken", era, nil)
			res := call(t, s, "say", map[string]any{"name": "Ann Lee"})
			if got := contentLines(t, res.Content); !slices.Equal(got, want) || res.IsError || res.StructuredContent != nil {
				t.Errorf("content\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if res := call(t, s, "fail", nil); !res.IsError || text(t, res) != "Sorry" {
				t.Errorf("fail: %s", asJSON(t, res))
			}
			prompt, err := s.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: "look", Arguments: map[string]string{"uri": "a://b"}})
			if err != nil {
				t.Fatal(err)
			}
			got := asJSON(t, prompt.Messages)
			wanted := `[{"content":{"type":"resource","resource":{"uri":"a://b","mimeType":"text/plain","text":"There"}},"role":"user"},` +
				`{"content":{"type":"image","mimeType":"image/png","data":"aGk="},"role":"user"},{"content":{"type":"text","text":"Look"},"role":"user"},` +
				`{"content":` + want[7] + `,"role":"assistant"}]`
			if got != wanted {
				t.Errorf("prompt %s\nwant %s", got, wanted)
			}
		})
	}
}

// TestSpokenLists: what is shown of a server, its tools, resources and prompts beside their names.
func TestSpokenLists(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"spoken": spoken}, mcp.Options{})
	for _, era := range []string{"2025-11-25", "2026-07-28"} {
		s := h.connect("/mcp/spoken", era, nil)
		info := s.InitializeResult().ServerInfo
		if info.WebsiteURL != "https://x.example" || asJSON(t, info.Icons) != `[{"src":"https://x.example/i.png","sizes":["48x48"],"theme":"light"}]` {
			t.Errorf("%s: server %s", era, asJSON(t, info))
		}
		tools, err := s.ListTools(context.Background(), nil)
		if err != nil || asJSON(t, tools.Tools[0].Icons) != `[{"src":"https://x.example/say.png"}]` {
			t.Errorf("%s: tool %s, %v", era, asJSON(t, tools), err)
		}
		prompts, err := s.ListPrompts(context.Background(), nil)
		if err != nil || asJSON(t, prompts.Prompts[0].Icons) != `[{"src":"https://x.example/p.png"}]` {
			t.Errorf("%s: prompt %s, %v", era, asJSON(t, prompts), err)
		}
		resources, err := s.ListResources(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"annotations":{"audience":["user"]},"description":"A note","mimeType":"text/plain","name":"note","size":9,"title":"Note","uri":"mem://note","icons":[{"src":"https://x.example/n.png"}]},` +
			`{"description":"Bytes","mimeType":"image/png","name":"bytes","size":2,"uri":"mem://bytes"}]`
		if got := asJSON(t, resources.Resources); got != want {
			t.Errorf("%s: resources %s\nwant %s", era, got, want)
		}
		templates, err := s.ListResourceTemplates(context.Background(), nil)
		if err != nil || asJSON(t, templates.ResourceTemplates[0].Annotations) != `{"priority":1}` {
			t.Errorf("%s: template %s, %v", era, asJSON(t, templates), err)
		}
		for uri, want := range map[string]string{
			"mem://note":       `[{"uri":"mem://note","mimeType":"text/plain","text":"Note this"}]`,
			"mem://one/1/data": `[{"uri":"mem://one/1/data","mimeType":"application/json","text":"{\"id\":\"1\"}"}]`,
			"mem://bytes":      `[{"uri":"mem://bytes","mimeType":"image/png","blob":"aGk="}]`,
		} {
			read, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: uri})
			if err != nil || asJSON(t, read.Contents) != want {
				t.Errorf("%s: %s is %s, %v", era, uri, asJSON(t, read), err)
			}
		}
	}
}

// TestContentInViews: in a view of several documents, a link leads to the resource as that view
// names it; other addresses stay.
func TestContentInViews(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"team/spoken": spoken, "team/more": spoken}, mcp.Options{})
	s := h.connect("/mcp/team", "2026-07-28", nil)
	res := call(t, s, "team--spoken__say", map[string]any{"name": "x"})
	link, far := res.Content[7].(*sdk.ResourceLink), res.Content[8].(*sdk.ResourceLink)
	if far.URI != "https://x.example/x" {
		t.Errorf("a far link is %s", far.URI)
	}
	read, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: link.URI})
	if err != nil || read.Contents[0].Text != "Note this" {
		t.Errorf("the link %s leads to %s, %v", link.URI, asJSON(t, read), err)
	}
}
