package mcp_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"

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
