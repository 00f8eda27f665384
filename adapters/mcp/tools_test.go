package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// eras are the protocol versions of clients; all of them use one URL (decision D12).
var eras = []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

func TestToolsInEveryEra(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{Version: "1.2.3"})
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			s := h.connect("/mcp/rooms", era, nil)
			if got := s.InitializeResult().Instructions; got != "Find and book rooms." {
				t.Errorf("instructions %q", got)
			}
			checkList(t, s)
			checkCalls(t, s)
		})
	}
}

func checkList(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	list, err := s.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	// In the order of declaration, a name with a dot under an alias, the refused tool not at all (M5).
	if want := []string{"get-room", "list_rooms", "create-room"}; !slices.Equal(names, want) {
		t.Fatalf("tools %q, want %q", names, want)
	}
	get := list.Tools[0]
	if get.Description != "Get a room." || !get.Annotations.ReadOnlyHint {
		t.Errorf("tool %+v", get)
	}
	if schema := marshal(t, get.InputSchema); !strings.Contains(schema, `"required":["id"]`) {
		t.Errorf("input schema %s, want id required", schema)
	}
	if schema := marshal(t, list.Tools[1].InputSchema); strings.Contains(schema, "$filter") || !strings.Contains(schema, `"filter":`) {
		t.Errorf("input schema %s, want $filter under an alias (M4)", schema)
	}
	if list.CacheScope != "" && list.CacheScope != "private" {
		t.Errorf("cacheScope %q", list.CacheScope)
	}
}

func checkCalls(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	want := `{"body":"","method":"GET","url":"https://api.example.test/rooms/a%2Fb"}`
	res := call(t, s, "get-room", map[string]any{"id": "a/b"})
	if got := text(t, res); got != want || res.IsError {
		t.Errorf("text %s, want %s", got, want)
	}
	if got := marshal(t, res.StructuredContent); got != want {
		t.Errorf("structuredContent %s, want %s", got, want)
	}
	for _, name := range []string{"list.rooms", "list_rooms"} {
		for _, input := range []string{"$filter", "filter"} {
			got := text(t, call(t, s, name, map[string]any{input: "x"}))
			if !strings.Contains(got, "/rooms?%24filter=x") && !strings.Contains(got, "/rooms?$filter=x") {
				t.Errorf("%s with %s sent %s", name, input, got)
			}
		}
	}
	res = call(t, s, "get-room", map[string]any{})
	if got := text(t, res); !res.IsError || !strings.HasPrefix(got, "The arguments do not fit this tool: ") || !strings.Contains(got, "id") {
		t.Errorf("without id: %q", got)
	}
	res = call(t, s, "broken", nil)
	if got := text(t, res); !res.IsError || !strings.HasPrefix(got, "This tool is declared but cannot be served: call-unresolved-operation") {
		t.Errorf("refused tool: %q, want the reason (M5)", got)
	}
	for _, name := range []string{"nowhere", "__capd_call"} {
		_, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: name})
		var wire *jsonrpc.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("%s: %v, want JSON-RPC error -32602", name, err)
		}
	}
	// A server without resources and prompts does not know their methods.
	for name, list := range map[string]func() error{
		"prompts":            func() error { _, err := s.ListPrompts(context.Background(), nil); return err },
		"resources":          func() error { _, err := s.ListResources(context.Background(), nil); return err },
		"resource templates": func() error { _, err := s.ListResourceTemplates(context.Background(), nil); return err },
	} {
		var wire *jsonrpc.Error
		if err := list(); !errors.As(err, &wire) || wire.Code != jsonrpc.CodeMethodNotFound {
			t.Errorf("%s: %v, want JSON-RPC error -32601", name, err)
		}
	}
	if c := s.InitializeResult().Capabilities; c.Tools == nil || c.Prompts != nil || c.Resources != nil {
		t.Errorf("capabilities %s, want tools alone", marshal(t, c))
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStructuredContentByEra(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	h.upstream.answer(200, "application/json", `[1,2]`)
	for era, want := range map[string]string{"2026-07-28": `[1,2]`, "2025-11-25": `{"result":[1,2]}`} {
		res := call(t, h.connect("/mcp/rooms", era, nil), "list.rooms", nil)
		if got := marshal(t, res.StructuredContent); got != want || text(t, res) != `[1,2]` {
			t.Errorf("%s: structuredContent %s, want %s", era, got, want)
		}
	}
}

// TestUpstreamResults: a failure that the upstream reports is a result with its body
// (M5, D10), and so is a failure to reach it; bytes that are no text are sent as what they are (R4).
func TestUpstreamResults(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxResult: 64})
	s := h.connect("/mcp/rooms", "2026-07-28", nil)
	tests := []struct {
		name    string
		answer  plan.UpstreamFunc
		isError bool
		want    string // of the first content, as JSON
	}{
		{"404", respond(404, "application/json", `{"error":"gone"}`), true, `"text":"{\"error\":\"gone\"}"`},
		{"503 without a body", respond(503, "", ""), true, `"text":"upstream answered 503 Service Unavailable"`},
		{"image", respond(200, "image/png", "\x89PNG"), false, `"type":"image","mimeType":"image/png"`},
		{"not UTF-8", respond(200, "", "\xff"), false, `"type":"resource"`},
		{"down", fail(&plan.Error{Code: plan.CodeUpstreamFailed, Message: "connection refused", Cause: errors.New("dial")}), true,
			`"text":"The upstream API gave no usable answer: connection refused"`},
		{"too large", respond(200, "text/plain", strings.Repeat("x", 65)), true,
			`"text":"The upstream API's answer is too large: it is over the limit of 64 bytes"`},
		{"just fits", respond(200, "text/plain", strings.Repeat("x", 64)), false, `"text":"xxxx`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.upstream.set(tt.answer)
			res := call(t, s, "get-room", map[string]any{"id": "1"})
			if res.IsError != tt.isError || len(res.Content) == 0 {
				t.Fatalf("isError %t, %d contents", res.IsError, len(res.Content))
			}
			if got := marshal(t, res.Content[0]); !strings.Contains(got, tt.want) {
				t.Errorf("content %s, want %s in it", got, tt.want)
			}
		})
	}
	h.upstream.answer(204, "", "")
	if res := call(t, s, "get-room", map[string]any{"id": "1"}); res.IsError || len(res.Content) != 0 {
		t.Errorf("204: %+v, want empty content", res)
	}
}

func respond(status int, mediaType, body string) plan.UpstreamFunc {
	return func(context.Context, *plan.Request) (*plan.Response, error) {
		return response(status, mediaType, body), nil
	}
}

func fail(err error) plan.UpstreamFunc {
	return func(context.Context, *plan.Request) (*plan.Response, error) { return nil, err }
}

// TestPanicInACall: the caller learns nothing of it, and the server goes on.
func TestPanicInACall(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		s := h.connect("/mcp/rooms", era, nil)
		h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) { panic("secret thing") })
		_, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "get-room", Arguments: map[string]any{"id": "1"}})
		var wire *jsonrpc.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInternalError || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want JSON-RPC error -32603 that tells nothing", era, err)
		}
		h.upstream.set(echo)
		call(t, s, "get-room", map[string]any{"id": "1"})
	}
}

// TestFailuresAreLoggedWithTheirRequest: calls of one session run under one context, and
// still each has the identifier of its own HTTP request.
func TestFailuresAreLoggedWithTheirRequest(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	h.upstream.set(fail(&plan.Error{Code: plan.CodeUpstreamFailed, Message: "no", Cause: errors.New("why")}))
	session := h.session("/mcp/rooms")
	for _, id := range []string{"first", "second"} {
		h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session, "Test-Request-Id": id, "X-Request-Id": "forged"},
			`{"jsonrpc":"2.0","id":"`+id+`","method":"tools/call","params":{"name":"get-room","arguments":{"id":"1"}}}`)
		if n := h.log.count("MCP call failed", "request_id", id); n != 1 {
			t.Errorf("%d records of request %s, want one", n, id)
		}
	}
}

// session opens a session of the older protocol and gives its ID.
func (h *house) session(path string) string {
	h.t.Helper()
	a := h.post(path, nil, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	id := a.header.Get("Mcp-Session-Id")
	if id == "" {
		h.t.Fatalf("no session: %d %s", a.status, a.body)
	}
	h.post(path, map[string]string{"Mcp-Session-Id": id}, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return id
}

func TestManyToolsArePaged(t *testing.T) {
	t.Parallel()
	var doc strings.Builder
	doc.WriteString(rooms)
	const n = 1200
	for i := range n {
		fmt.Fprintf(&doc, "    - { name: t%04d, description: One of many., call: api.list }\n", i)
	}
	h := open(t, map[string]string{"many": doc.String()}, mcp.Options{SearchAbove: -1})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		s := h.connect("/mcp/many", era, nil)
		first, err := s.ListTools(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.ListTools(context.Background(), &sdk.ListToolsParams{Cursor: first.NextCursor})
		if err != nil {
			t.Fatal(err)
		}
		if len(first.Tools) != 1000 || len(second.Tools) != n+3-1000 || second.NextCursor != "" {
			t.Errorf("%s: pages of %d and %d, then %q", era, len(first.Tools), len(second.Tools), second.NextCursor)
		}
		if last := second.Tools[len(second.Tools)-1].Name; last != "t1199" {
			t.Errorf("%s: the last tool is %s", era, last)
		}
		_, err = s.ListTools(context.Background(), &sdk.ListToolsParams{Cursor: "bm90LWEtdG9vbA"})
		var wire *jsonrpc.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("%s: a bad cursor: %v, want -32602", era, err)
		}
	}
}
