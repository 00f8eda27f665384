package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// listed is what a search found, as programs read it.
type listed struct {
	Tools []struct {
		Name, Description string
		Required          []string
	}
	More int
}

// looked calls a search tool and reads its structured content.
func looked(t *testing.T, s *sdk.ClientSession, tool string, args any, into any) *sdk.CallToolResult {
	t.Helper()
	res := call(t, s, tool, args)
	if res.IsError {
		t.Fatalf("%s: %s", tool, text(t, res))
	}
	b, err := json.Marshal(res.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %s: %v", tool, b, err)
	}
	return res
}

// TestSearch: above the threshold a view lists three tools, which find, describe and call all
// others, in both eras.
func TestSearch(t *testing.T) {
	t.Parallel()
	tagged := strings.Replace(rooms, "      description: Get a room.\n", "      description: Get a room.\n      tags: [reading]\n", 1)
	h := open(t, map[string]string{"t/rooms": tagged, "t/halls": strings.ReplaceAll(rooms, "label: Rooms", "label: Halls")}, mcp.Options{SearchAbove: 5})
	if got := toolNames(t, h.connect("/mcp/t/rooms", eras[0], nil)); !slices.Contains(got, "get-room") {
		t.Errorf("a view below the threshold lists %q", got)
	}
	for _, era := range eras {
		s := h.connect("/mcp/t", era, nil)
		if got := toolNames(t, s); !slices.Equal(got, []string{"call_tool", "describe_tool", "search_tools"}) {
			t.Fatalf("%s: %q", era, got)
		}
		intro := s.InitializeResult().Instructions
		for _, want := range []string{"6 tools", "search_tools", "call_tool", "t--halls__: Halls"} {
			if !strings.Contains(intro, want) {
				t.Errorf("%s: the instructions say nothing of %s: %s", era, want, intro)
			}
		}

		var got listed
		res := looked(t, s, "search_tools", map[string]any{"query": "get room", "service": "t--rooms"}, &got)
		if len(got.Tools) == 0 || got.Tools[0].Name != "t--rooms__get-room" || got.Tools[0].Description != "Get a room." || !slices.Equal(got.Tools[0].Required, []string{"id"}) {
			t.Errorf("%s: %+v", era, got)
		}
		if txt := text(t, res); !strings.HasPrefix(txt, "t--rooms__get-room(id): Get a room.\n") {
			t.Errorf("%s: %s", era, txt)
		}
		for args, want := range map[string]string{
			`{"query":"","tag":"reading"}`:         "t--rooms__get-room",
			`{"query":"room","service":"t/halls"}`: "t--halls__list_rooms t--halls__get-room t--halls__create-room",
			`{"query":"","limit":1}`:               "t--halls__get-room",
			`{"query":"create-room"}`:              "t--rooms__create-room t--halls__create-room",
			`{"query":"flying to the moon"}`:       "",
		} {
			var got listed
			looked(t, s, "search_tools", json.RawMessage(args), &got)
			var names []string
			for _, x := range got.Tools {
				names = append(names, x.Name)
			}
			if g := strings.Join(names, " "); !strings.HasPrefix(g, want) || want == "" && g != "" {
				t.Errorf("%s %s: %s, want %s", era, args, g, want)
			}
		}

		var described struct{ Tools []map[string]any }
		looked(t, s, "describe_tool", map[string]any{"names": []string{"t--rooms__get-room", "t--rooms__list.rooms"}}, &described)
		if len(described.Tools) != 2 || described.Tools[0]["inputSchema"] == nil || described.Tools[1]["name"] != "t--rooms__list_rooms" {
			t.Errorf("%s: %v", era, described)
		}

		// A call through call_tool is the call itself.
		h.upstream.set(echo)
		direct := call(t, s, "t--rooms__get-room", map[string]any{"id": "7"})
		for _, args := range []string{
			`{"name":"t--rooms__get-room","arguments":{"id":"7"}}`, `{"name":"t--rooms__get-room","arguments":"{\"id\":\"7\"}"}`,
		} {
			if through := call(t, s, "call_tool", json.RawMessage(args)); marshal(t, through) != marshal(t, direct) {
				t.Errorf("%s %s:\n got %s\nwant %s", era, args, marshal(t, through), marshal(t, direct))
			}
		}
		h.upstream.answer(404, "application/json", `{"no":"room"}`)
		direct = call(t, s, "t--rooms__get-room", map[string]any{"id": "7"})
		if through := call(t, s, "call_tool", json.RawMessage(`{"name":"t--rooms__get-room","arguments":{"id":"7"}}`)); !through.IsError || marshal(t, through) != marshal(t, direct) {
			t.Errorf("%s:\n got %s\nwant %s", era, marshal(t, through), marshal(t, direct))
		}
		direct = call(t, s, "t--rooms__broken", nil)
		if through := call(t, s, "call_tool", json.RawMessage(`{"name":"t--rooms__broken"}`)); !through.IsError || marshal(t, through) != marshal(t, direct) {
			t.Errorf("%s: refused:\n got %s\nwant %s", era, marshal(t, through), marshal(t, direct))
		}
	}
}

// TestSearchMistakes: what is wrong is told with what would be right, as a result that a model
// reads.
func TestSearchMistakes(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"t/rooms": rooms, "t/halls": rooms}, mcp.Options{SearchAbove: 1})
	s := h.connect("/mcp/t", eras[0], nil)
	for _, tt := range []struct{ tool, args, want string }{
		{"call_tool", `{"name":"get-room"}`, "the nearest are t--halls__get-room, t--rooms__get-room"},
		{"call_tool", `{"name":"t--rooms__getrooms"}`, "the nearest are "},
		{"call_tool", `{"name":"qqq"}`, "search_tools finds the tools there are"},
		{"call_tool", `{}`, "write name"},
		{"call_tool", `{"name":"call_tool","arguments":{}}`, "cannot call itself"},
		{"call_tool", `{"name":["x"]}`, "types"},
		{"call_tool", `{"name":"t--rooms__get-room","arguments":[1]}`, "must be a JSON object"},
		{"describe_tool", `{}`, "write name"},
		{"describe_tool", `{"name":"get-room"}`, "the nearest are"},
		{"describe_tool", `{"name":"t--rooms__broken"}`, "call-unresolved-operation"},
		{"search_tools", `{"query":"room","limit":0}`, "at least 1"},
		{"search_tools", `{"query":"room","service":"t--room"}`, "did you mean t--rooms?"},
		{"search_tools", `{"query":5}`, "types"},
	} {
		res := call(t, s, tt.tool, json.RawMessage(tt.args))
		if got := text(t, res); !res.IsError || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.tool, tt.args, got, tt.want)
		}
	}
	if _, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "get-room"}); err == nil || !strings.Contains(err.Error(), "the nearest are t--halls__get-room") {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestSearchGivesWay: a declared tool of the name of one of ours keeps it, and hints of the call
// tool are those of the most daring tool.
func TestSearchGivesWay(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": strings.ReplaceAll(rooms, "create-room", "call_tool")}, mcp.Options{SearchAbove: 1})
	s := h.connect("/mcp/rooms", eras[0], nil)
	list, err := s.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]*sdk.Tool{}
	for _, x := range list.Tools {
		names[x.Name] = x
	}
	caller := names["call_tool_2"]
	if len(names) != 3 || caller == nil || !strings.Contains(s.InitializeResult().Instructions, "call_tool_2") {
		t.Fatalf("%v", names)
	}
	if a := caller.Annotations; a.ReadOnlyHint || a.IdempotentHint || !*a.DestructiveHint || !*a.OpenWorldHint {
		t.Errorf("%+v", a)
	}
	if a := names["search_tools"].Annotations; !a.ReadOnlyHint || *a.DestructiveHint || *a.OpenWorldHint {
		t.Errorf("%+v", a)
	}
	if got := text(t, call(t, s, "call_tool", map[string]any{})); !strings.Contains(got, `"method":"POST"`) {
		t.Errorf("the declared tool gave %s", got)
	}
	if got := text(t, call(t, s, "call_tool_2", map[string]any{"name": "call_tool"})); !strings.Contains(got, `"method":"POST"`) {
		t.Errorf("ours gave %s", got)
	}
}

// TestViewCrossesTheThreshold: clients are told when a view begins to list tools to search with.
func TestViewCrossesTheThreshold(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"t/a": rooms}, mcp.Options{SearchAbove: 3})
	for _, era := range eras {
		h.load(map[string]string{"t/a": rooms}, h.upstream)
		told := make(chan struct{}, 8)
		s := h.connect("/mcp/t", era, &sdk.ClientOptions{
			ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { told <- struct{}{} },
		})
		if got := toolNames(t, s); len(got) != 3 || got[0] != "t--a__create-room" {
			t.Fatalf("%s: %q", era, got)
		}
		h.load(map[string]string{"t/a": rooms, "t/b": rooms}, h.upstream)
		<-told
		if got := toolNames(t, s); !slices.Equal(got, []string{"call_tool", "describe_tool", "search_tools"}) {
			t.Errorf("%s: %q", era, got)
		}
	}
}

// estate gives documents of many tools each, of which no two are alike.
func estate(documents, tools int) map[string]string {
	verbs := strings.Fields("create list get update delete archive restore publish export import")
	nouns := strings.Fields("invoice customer order shipment booking ticket contract product payment refund employee vehicle sensor report webhook")
	places := strings.Fields("Berlin Paris Lima Oslo Quito Cairo Delhi Tokyo Seoul Hanoi")
	out := map[string]string{}
	for d := range documents {
		var b strings.Builder
		fmt.Fprintf(&b, "naftiko: 1.0.0-alpha2\ninfo: { label: %s %d }\ncapability:\n  consumes:\n  - { type: http, namespace: api, baseUri: 'https://api.example.test', "+
			"resources: [{ path: '/d%d/{what}', operations: [{ name: do, method: GET, inputParameters: [{ name: what, in: path, required: true }] }] }] }\n"+
			"  exposes:\n  - type: mcp\n    namespace: n\n    port: 9090\n    tools:\n", places[d%len(places)], d, d)
		for i := range tools {
			verb, noun := verbs[i%len(verbs)], nouns[(i/len(verbs)+d)%len(nouns)]
			fmt.Fprintf(&b, "    - name: %s-%s-%d\n      description: %s one %s of the office in %s.\n      call: api.do\n      with: { what: tools.%s_id }\n"+
				"      inputParameters: [{ name: %s_id, type: string, required: true, description: Which %s. }]\n",
				verb, noun, i, verb, noun, places[d%len(places)], noun, noun, noun)
		}
		out[fmt.Sprintf("estate/office-%d", d)] = b.String()
	}
	return out
}

// TestTwentyThousandTools: a real client finds, reads and calls one tool of 20,000, and gets
// through all pages where they are listed.
func TestTwentyThousandTools(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles 400 documents")
	}
	docs := estate(400, 50)
	h := openLinked(t, docs, nil, plan.LinkOptions{CombinedMCP: true}, mcp.Options{})
	for _, era := range eras {
		s := h.connect("/mcp", era, nil)
		if got := toolNames(t, s); len(got) != 3 {
			t.Fatalf("%s: %q", era, got)
		}
		var found listed
		looked(t, s, "search_tools", map[string]any{"query": "archive a refund in Cairo 5"}, &found)
		if len(found.Tools) == 0 {
			t.Fatal("nothing found")
		}
		best := found.Tools[0]
		if !strings.Contains(best.Name, "archive-refund") || !strings.HasPrefix(best.Name, "estate--office-5__") || !slices.Equal(best.Required, []string{"refund_id"}) {
			t.Errorf("%s: best is %+v", era, best)
		}
		var described struct {
			Tools []struct {
				InputSchema struct{ Required []string }
			}
		}
		looked(t, s, "describe_tool", map[string]any{"name": best.Name}, &described)
		args := map[string]any{described.Tools[0].InputSchema.Required[0]: "r-1"}
		if got := text(t, call(t, s, "call_tool", map[string]any{"name": best.Name, "arguments": args})); !strings.Contains(got, `"url":"https://api.example.test/d5/r-1"`) {
			t.Errorf("%s: %s", era, got)
		}
	}
	listing := openWith(t, nil, nil, mcp.Options{SearchAbove: -1})
	listing.link.CombinedMCP, listing.bound = true, h.bound
	listing.serve(h.bound)
	s := listing.connect("/mcp", eras[0], nil)
	names := map[string]bool{}
	for x, err := range s.Tools(context.Background(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		names[x.Name] = true
	}
	if len(names) != 20000 {
		t.Errorf("the pages have %d tools", len(names))
	}
}

func exchanged(b *testing.B, h *house, r *http.Request) string {
	b.Helper()
	resp, err := h.Client().Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return string(body)
}

// BenchmarkManyTools measures a call, a search and the memory of a view of 20,000 tools. x-one is
// how many times the time of the same call where there is one tool it takes, in the same run.
func BenchmarkManyTools(b *testing.B) {
	var before, after runtime.MemStats
	many := openLinked(b, estate(400, 50), nil, plan.LinkOptions{CombinedMCP: true}, mcp.Options{})
	one := openLinked(b, map[string]string{"estate/office-0": estate(1, 1)["estate/office-0"], "x": estate(1, 1)["estate/office-0"]}, nil, plan.LinkOptions{CombinedMCP: true}, mcp.Options{SearchAbove: 1})
	const tool = "estate--office-0__create-invoice-0"
	post := func(h *house, name, args string) time.Duration {
		header, body := modern("tools/call", name, `{"name":"`+name+`","arguments":`+args+`}`)
		r := h.request(http.MethodPost, "/mcp", header, body)
		start := time.Now()
		a := exchanged(b, h, r)
		if !strings.Contains(a, "content") || strings.Contains(a, `"isError":true`) {
			b.Fatal(a)
		}
		return time.Since(start)
	}
	measure := func(what string, f func()) {
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		f()
		took := time.Since(start)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.Logf("%s: %v, %d bytes a tool", what, took.Round(time.Millisecond), (int64(after.HeapAlloc)-int64(before.HeapAlloc))/20000)
	}
	measure("catalogue (first list)", func() {
		header, body := modern("tools/list", "", "{}")
		if a := exchanged(b, many, many.request(http.MethodPost, "/mcp", header, body)); !strings.Contains(a, "search_tools") {
			b.Fatal(a)
		}
	})
	measure("ranking (first search)", func() { post(many, "search_tools", `{"query":"refund"}`) })
	for name, args := range map[string][2]string{
		"call": {tool, `{"invoice_id":"1"}`}, "through": {"call_tool", `{"name":"` + tool + `","arguments":{"invoice_id":"1"}}`},
	} {
		b.Run(name, func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				ours += post(many, args[0], args[1])
				theirs += post(one, args[0], args[1])
			}
			b.ReportMetric(float64(ours)/float64(theirs), "x-one")
		})
	}
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			post(many, "search_tools", `{"query":"archive a refund in Lima"}`)
		}
	})
}
