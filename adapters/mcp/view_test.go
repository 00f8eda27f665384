package mcp_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func toolNames(t *testing.T, s *sdk.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range list.Tools {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	return names
}

// TestViewsOfSeveral: a folder and a tag are addresses too. The names there depend on
// the document alone, and lead to the same operations (decision D13).
func TestViewsOfSeveral(t *testing.T) {
	t.Parallel()
	tagged := strings.Replace(rooms, "info:\n", "info:\n  tags: [space, Raum & Zeit]\n", 1)
	h := open(t, map[string]string{"team-a/rooms": tagged, "team-a/b/halls": rooms, "team-a--rooms": rooms, "Lone": rooms}, mcp.Options{})
	for _, tt := range []struct {
		path string
		want []string // aliases
	}{
		{"/mcp/team-a", []string{"team-a--b--halls", "team-a--rooms"}},
		{"/mcp/team-a/b", []string{"team-a--b--halls"}},
		{"/mcp/tags/space", []string{"team-a--rooms"}},
		{"/mcp/tags/Raum%20&%20Zeit", []string{"team-a--rooms"}},
	} {
		for _, era := range []string{"2026-07-28", "2025-11-25"} {
			s := h.connect(tt.path, era, nil)
			var want []string
			for _, alias := range tt.want {
				for _, name := range []string{"create-room", "get-room", "list_rooms"} {
					want = append(want, alias+"__"+name)
				}
			}
			slices.Sort(want)
			if got := toolNames(t, s); !slices.Equal(got, want) {
				t.Errorf("%s %s: %q, want %q", tt.path, era, got, want)
			}
			h.upstream.set(respond(200, "text/plain", "room"))
			if got := text(t, call(t, s, tt.want[0]+"__get-room", map[string]any{"id": "1"})); got != "room" {
				t.Errorf("%s %s: called and got %q", tt.path, era, got)
			}
		}
	}
}

// TestViewFollowsReloads: a view of several that is in use gets documents and loses them,
// and its clients are told; when it is empty, it is no more.
func TestViewFollowsReloads(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"t/a": rooms}, mcp.Options{})
	told := make(chan struct{}, 8)
	s := h.connect("/mcp/t", "2026-07-28", &sdk.ClientOptions{
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { told <- struct{}{} },
	})
	if got := toolNames(t, s); len(got) != 3 {
		t.Fatalf("%q", got)
	}
	h.load(map[string]string{"t/a": rooms, "t/b": rooms}, h.upstream)
	<-told
	if got := toolNames(t, s); len(got) != 6 {
		t.Errorf("%q", got)
	}
	h.load(map[string]string{"other": rooms}, h.upstream)
	header, body := modern("tools/list", "", "{}")
	if a := h.post("/mcp/t", header, body); a.status != 404 {
		t.Errorf("a view without documents answers %d", a.status)
	}
}

// sets are toolsets for the adapter of rooms.
const sets = `    toolsets:
      reading: { description: Only look., tools: [get-room, list.rooms] }
      booking: [create-room]
`

// TestToolsetOfOneDocument: a toolset has an address below its document, with the names as
// they are, and one together with those of other documents.
func TestToolsetOfOneDocument(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"a/rooms": rooms + sets, "halls": rooms + sets}, mcp.Options{})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		s := h.connect("/mcp/a/rooms/toolsets/reading", era, nil)
		if got := toolNames(t, s); !slices.Equal(got, []string{"get-room", "list_rooms"}) {
			t.Errorf("%s: %q", era, got)
		}
		if got := s.InitializeResult().Instructions; got != "Only look." {
			t.Errorf("%s: instructions %q", era, got)
		}
		if _, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "create-room"}); err == nil {
			t.Errorf("%s: a tool outside of the toolset was called", era)
		}
		s = h.connect("/mcp/toolsets/booking", era, nil)
		if got := toolNames(t, s); !slices.Equal(got, []string{"a--rooms__create-room", "halls__create-room"}) {
			t.Errorf("%s: %q", era, got)
		}
	}
}

// TestCombinedAndNamedViews: what the operator asks for.
func TestCombinedAndNamedViews(t *testing.T) {
	t.Parallel()
	h := openLinked(t, map[string]string{"a/rooms": rooms + sets, "halls": rooms, "other": rooms}, nil, plan.LinkOptions{
		CombinedMCP: true, Views: []plan.NamedView{{Name: "desk", Selectors: []string{"halls", "toolset:booking"}}},
	}, mcp.Options{})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		if got := toolNames(t, h.connect("/mcp", era, nil)); len(got) != 9 || got[0] != "a--rooms__create-room" {
			t.Errorf("%s: %q", era, got)
		}
		if got, want := toolNames(t, h.connect("/mcp/views/desk", era, nil)), []string{"a--rooms__create-room", "halls__create-room", "halls__get-room", "halls__list_rooms"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", era, got)
		}
	}
	header, body := modern("tools/list", "", "{}")
	if a := h.post("/mcp/views/none", header, body); a.status != 404 {
		t.Errorf("a view that nobody asked for answers %d", a.status)
	}
	index := h.do("GET", "/mcp", map[string]string{"Accept": "*/*"}, "").body
	for _, want := range []string{
		`{"path":"/mcp","kind":"all","documents":3,"tools":9}`, `{"path":"/mcp/views/desk","kind":"named","documents":2,"tools":4}`,
		`{"path":"/mcp/a","kind":"folder","documents":1,"tools":3}`, `{"path":"/mcp/toolsets/reading","kind":"toolset","documents":1,"tools":2}`,
		`{"path":"/mcp/a/rooms/toolsets/reading","kind":"toolset","description":"Only look.","documents":1,"tools":2}`,
	} {
		if !strings.Contains(index, want) {
			t.Errorf("the index has no %s:\n%s", want, index)
		}
	}
}

// TestIndexOfTags: tags are counted, because there may be as many as tools.
func TestIndexOfTags(t *testing.T) {
	t.Parallel()
	tagged := strings.Replace(rooms, "info:\n", "info:\n  tags: [space, desk]\n", 1)
	h := open(t, map[string]string{"a": tagged, "b": tagged}, mcp.Options{})
	if got := h.do("GET", "/mcp", map[string]string{"Accept": "*/*"}, "").body; !strings.Contains(got, `"tags":{"path":"/mcp/tags/{tag}","count":2}`) {
		t.Error(got)
	}
}

// TestViewTellsWhatItLeavesOut: the documents that want other authentication, once.
func TestViewTellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	guarded := strings.Replace(rooms, "    port: 9090\n", "    port: 9090\n    authentication: { type: bearer, token: secret }\n", 1)
	docs := map[string]string{"t/a": rooms, "t/b": rooms, "t/vault": guarded}
	h := open(t, docs, mcp.Options{})
	for range 2 {
		if got := toolNames(t, h.connect("/mcp/t", "2026-07-28", nil)); len(got) != 6 {
			t.Errorf("%q", got)
		}
		h.load(docs, h.upstream)
	}
	if got := h.log.text("MCP view leaves out a document"); got != "INFO MCP view leaves out a document view=/mcp/t document=t/vault why=it wants other authentication than most there\n" {
		t.Errorf("%q", got)
	}
	// With one more of them it is the other way round, and nobody comes in without the token.
	docs["t/c"], docs["t/d"] = guarded, guarded
	h.load(docs, h.upstream)
	header, body := modern("tools/list", "", "{}")
	if a := h.post("/mcp/t", header, body); a.status != 401 {
		t.Errorf("a view of guarded documents answers %d", a.status)
	}
}

// TestResourcesOfViews: URIs begin with the alias, and no two aliases with the same.
func TestResourcesOfViews(t *testing.T) {
	t.Parallel()
	with := rooms + "    resources:\n    - { name: all, uri: 'rooms://all', description: All, call: api.list }\n"
	h := openLinked(t, map[string]string{"1a": with, "x1a": with, "a_b": with}, nil, plan.LinkOptions{CombinedMCP: true}, mcp.Options{})
	s := h.connect("/mcp", "2026-07-28", nil)
	list, err := s.ListResources(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list.Resources {
		got = append(got, r.URI)
		if _, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: r.URI}); err != nil {
			t.Errorf("%s: %v", r.URI, err)
		}
	}
	if want := []string{"x+1a+rooms://all", "a.b+rooms://all", "x1a+rooms://all"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
