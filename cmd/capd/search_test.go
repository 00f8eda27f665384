package main

import (
	"strings"
	"testing"
)

// TestScopesThroughSearch: who may not call a tool does not find it either, and calling it
// through the call tool is refused as calling it is.
func TestScopesThroughSearch(t *testing.T) {
	t.Parallel()
	up, is := scriptedUpstream(t, "HTTP/1.1 200 OK\nContent-Type: application/json\n\n[]\n"), startIssuer(t, allAudiences()...)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=capd", "CLIENT_SECRET=secret of capd"},
		"--mcp-search-above", "1", specFile(t, "spec.yaml", tokenSpec))
	url := i.url + "/mcp/spec"
	few, more := is.token(t, "agent", "rooms.read"), is.token(t, "agent", "rooms.read", "rooms.write")
	ask := func(token, tool, arguments string) answer {
		return modernMessage(t, url, token, "tools/call", tool, `{"name":"`+tool+`","arguments":`+arguments)
	}
	for _, query := range []string{"add", "room", ""} {
		got := ask(few, "search_tools", `{"query":"`+query+`"}`)
		if strings.Contains(got.Body, `"name":"add"`) || query == "" && !strings.Contains(got.Body, `"name":"list"`) {
			t.Errorf("%q: %d %s", query, got.Status, got.Body)
		}
		if got := ask(more, "search_tools", `{"query":"`+query+`"}`); !strings.Contains(got.Body, `"name":"add"`) {
			t.Errorf("%q: %d %s", query, got.Status, got.Body)
		}
	}
	if got := ask(few, "describe_tool", `{"name":"add"}`); !strings.Contains(got.Body, "unknown tool") || strings.Contains(got.Body, "inputSchema") {
		t.Errorf("described: %d %s", got.Status, got.Body)
	}
	challenged(t, "call_tool", ask(few, "call_tool", `{"name":"add"}`), 403,
		`Bearer realm="tools", error="insufficient_scope", scope="rooms.read rooms.write", `+toolsMetadata)
	if seen := up.take(); len(seen) != 0 {
		t.Errorf("the upstream saw %v", seen)
	}
	if got := ask(more, "call_tool", `{"name":"add"}`); got.Status != 200 || strings.Contains(got.Body, `"isError":true`) {
		t.Errorf("with the scope: %d %s", got.Status, got.Body)
	}
	up.one(t)
}

// TestViewFlags: views that cannot be right are refused, and say what would be.
func TestViewFlags(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--mcp-view=desk":              "not NAME=SELECTOR",
		"--mcp-view=desk=tags:x":       "did you mean tag:x?",
		"--mcp-view=a=x;a=y":           "two views of the name a",
		"--mcp-search-above=0":         "at least 1, or never",
		"--mcp-search-above=sometimes": "at least 1, or never",
	} {
		if code, out := ran(t, "serve", flag, "--check", capabilities); code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", flag, code, out)
		}
	}
	code, out := ran(t, "serve", "--mcp-view=tokens=telapi-call-token,telnyx-client-tokens", "--check", "--mcp-search-above=never", "--stub", capabilities)
	if code != 0 || !strings.Contains(out, "telapi-call-token selects nothing for the view tokens; did you mean telapi-call-tokens?") {
		t.Errorf("%d %s", code, out)
	}
}

// ran runs a command that ends by itself, and gives its exit code and what it printed.
func ran(t *testing.T, args ...string) (int, string) {
	t.Helper()
	out := &output{}
	return run(t.Context(), args, nil, strings.NewReader(""), out, out), out.String()
}
