package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"capd/adapters/mcp"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// short is a document whose results are limited.
func short(outputs string) string {
	doc := strings.Replace(rooms, "    tools:\n", "    maxResultSize: 1KiB\n    tools:\n", 1)
	if outputs != "" {
		doc = strings.Replace(doc, "      call: api.list\n", "      call: api.list\n      outputParameters: "+outputs+"\n", 1)
	}
	return doc
}

// truncated is what a result says of itself when it is cut.
type truncated struct {
	Unit, Of, Next string
	Shown, Total   int
}

func truncationOf(t *testing.T, meta sdk.Meta) *truncated {
	t.Helper()
	raw, ok := meta["capd/truncated"]
	if !ok {
		return nil
	}
	var out truncated
	if err := json.Unmarshal([]byte(marshal(t, raw)), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestMaxResultSize: a long text is cut at the end of a line, says that it is, and its rest
// can be read by a tool and as a resource until there is no more.
func TestMaxResultSize(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "room %d – größer\n", i)
	}
	whole := lines.String()
	for _, era := range []string{"2026-07-28", "2025-11-25", "2025-03-26"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h := open(t, map[string]string{"rooms": short("")}, mcp.Options{})
			h.upstream.answer(200, "text/plain", whole)
			s := h.connect("/mcp/rooms", era, nil)
			res := call(t, s, "list.rooms", nil)
			first, cut := res.Content[0].(*sdk.TextContent).Text, truncationOf(t, res.Meta)
			if len(first) > 1024 || len(first) < 512 || !strings.HasPrefix(whole, first) || !strings.HasSuffix(first, "\n") {
				t.Fatalf("%d bytes are shown: %q", len(first), first)
			}
			if cut == nil || cut.Unit != "bytes" || cut.Shown != len(first) || cut.Total != len(whole) {
				t.Fatalf("it says %+v of %d", cut, len(whole))
			}
			marker := res.Content[1].(*sdk.TextContent).Text
			id := strings.TrimPrefix(strings.Split(cut.Next, "?")[0], "capd://result/")
			for _, want := range []string{fmt.Sprintf("%d of %d bytes", cut.Shown, cut.Total), cut.Next, "narrower", fmt.Sprintf(`call read_result with {"id":"%s","offset":%d}`, id, cut.Shown)} {
				if !strings.Contains(marker, want) {
					t.Errorf("the marker %q lacks %q", marker, want)
				}
			}
			links := len(res.Content) - 2
			if era < "2025-06-18" && links != 0 || era >= "2025-06-18" && (links != 1 || res.Content[2].(*sdk.ResourceLink).URI != cut.Next) {
				t.Errorf("content %s", marshal(t, res.Content))
			}
			if got := first + restByTool(t, s, id, cut.Shown); got != whole {
				t.Errorf("the tool gives %d bytes in all, want %d", len(got), len(whole))
			}
			if got := first + restByURI(t, s, cut.Next); got != whole {
				t.Errorf("the resource gives %d bytes in all, want %d", len(got), len(whole))
			}
		})
	}
}

func restByTool(t *testing.T, s *sdk.ClientSession, id string, offset int) string {
	t.Helper()
	var all strings.Builder
	for {
		res := call(t, s, "read_result", map[string]any{"id": id, "offset": offset})
		if res.IsError {
			t.Fatal(marshal(t, res))
		}
		all.WriteString(res.Content[0].(*sdk.TextContent).Text)
		more := truncationOf(t, res.Meta)
		if more == nil {
			if len(res.Content) != 1 {
				t.Errorf("the last part says %s", marshal(t, res.Content))
			}
			return all.String()
		}
		if more.Shown <= offset || len(res.Content) != 2 {
			t.Fatalf("part %s", marshal(t, res))
		}
		offset = more.Shown
	}
}

func restByURI(t *testing.T, s *sdk.ClientSession, uri string) string {
	t.Helper()
	var all strings.Builder
	for {
		res, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: uri})
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(res.Contents[0].Text)
		if len(res.Contents) == 1 {
			return all.String()
		}
		if next := res.Contents[1].URI; next == uri || !strings.Contains(res.Contents[1].Text, next) {
			t.Fatalf("contents %s", marshal(t, res.Contents))
		} else {
			uri = next
		}
	}
}

// TestCutLists: a list is cut between elements, so that text and structured content stay JSON
// of the declared shape.
func TestCutLists(t *testing.T) {
	t.Parallel()
	var elements []string
	for i := range 100 {
		elements = append(elements, fmt.Sprintf(`{"id":%d.50,"name":"Room %d"}`, i, i))
	}
	list := "[" + strings.Join(elements, ",") + "]"
	for name, tt := range map[string]struct{ outputs, body, of, shape string }{
		"the whole":        {"", list, "", `%s`},
		"a member":         {"", `{"total":100,"data":{"items":` + list + `},"next":null}`, "data.items", `{"total":100,"data":{"items":%s},"next":null}`},
		"a declared list":  {`[{ type: array, mapping: $., items: { type: object, properties: { id: { type: number, mapping: $.id }, name: { type: string, mapping: $.name } } } }]`, list, "", `%s`},
		"a declared shape": {`[{ type: object, properties: { rooms: { type: array, mapping: $., items: { type: object, properties: { id: { type: number, mapping: $.id }, name: { type: string, mapping: $.name } } } } } }]`, list, "rooms", `{"rooms":%s}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, map[string]string{"rooms": short(tt.outputs)}, mcp.Options{})
			h.upstream.answer(200, "application/json", tt.body)
			s := h.connect("/mcp/rooms", "2025-11-25", nil)
			res := call(t, s, "list.rooms", nil)
			cut := truncationOf(t, res.Meta)
			if cut == nil || cut.Unit != "elements" || cut.Of != tt.of || cut.Total != 100 || cut.Shown < 10 || cut.Shown > 40 {
				t.Fatalf("it says %+v", cut)
			}
			part := func(from, to int) string { return "[" + strings.Join(elements[from:to], ",") + "]" }
			text := res.Content[0].(*sdk.TextContent).Text
			if want := fmt.Sprintf(tt.shape, part(0, cut.Shown)); text != want || len(text) > 1024 {
				t.Errorf("text %s\nwant %s", text, want)
			}
			structured := marshal(t, res.StructuredContent)
			if !sameJSON(t, structured, text) && !sameJSON(t, structured, `{"result":`+text+`}`) {
				t.Errorf("structured content %s\ntext %s", structured, text)
			}
			rest := call(t, s, "read_result", map[string]any{"id": cut.Next, "offset": 90})
			if got := rest.Content[0].(*sdk.TextContent).Text; got != part(90, 100) {
				t.Errorf("the rest is %s", got)
			}
		})
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return marshal(t, x) == marshal(t, y)
}

// TestUncutResults: what is short, what is no text and what has a declared shape that cannot
// be cut stays whole.
func TestUncutResults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	for name, tt := range map[string]struct {
		outputs, mediaType, body string
		check                    func(*sdk.CallToolResult) bool
	}{
		"short":  {"", "application/json", `{"a":1}`, func(r *sdk.CallToolResult) bool { return len(r.Content) == 1 && r.StructuredContent != nil }},
		"binary": {"", "image/png", long, func(r *sdk.CallToolResult) bool { return len(r.Content[0].(*sdk.ImageContent).Data) == 3000 }},
		"a declared text": {`[{ type: object, properties: { a: { type: string, mapping: $.a } } }]`, "application/json", `{"a":"` + long + `"}`,
			func(r *sdk.CallToolResult) bool {
				return len(marshal(t, r.StructuredContent)) > 3000 && len(r.Content) > 1
			}},
		"an undeclared text": {"", "application/json", `{"a":"` + long + `"}`, func(r *sdk.CallToolResult) bool { return r.StructuredContent == nil && len(r.Content) > 1 }},
	} {
		h := open(t, map[string]string{"rooms": short(tt.outputs)}, mcp.Options{})
		h.upstream.answer(200, tt.mediaType, tt.body)
		if res := call(t, h.connect("/mcp/rooms", "2026-07-28", nil), "list.rooms", nil); !tt.check(res) {
			t.Errorf("%s: %.300s", name, marshal(t, res))
		}
	}
}

// TestDefaultResultSize: without a declared limit there is one too. The tool for the rest is
// not listed then, but the resource can be read, by clients that are offered no resources.
func TestDefaultResultSize(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxText: 2000})
	h.upstream.answer(200, "text/plain", strings.Repeat("word ", 1000))
	s := h.connect("/mcp/rooms", "2026-07-28", nil)
	for _, tool := range h.tools("/mcp/rooms") {
		if tool.Name == "read_result" {
			t.Error("read_result is listed")
		}
	}
	res := call(t, s, "list.rooms", nil)
	cut := truncationOf(t, res.Meta)
	if marker := res.Content[1].(*sdk.TextContent).Text; cut == nil || cut.Shown != 2000 || strings.Contains(marker, "read_result") {
		t.Fatalf("%+v: %s", cut, marker)
	}
	if got := restByURI(t, s, cut.Next); len(got) != 3000 {
		t.Errorf("the rest has %d bytes", len(got))
	}
	_, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: "data://rooms"})
	var wire *jsonrpc.Error
	if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeMethodNotFound {
		t.Errorf("another resource: %v", err)
	}
}

// TestRestThatIsGone: a rest that is not kept, or is another endpoint's, is explained.
func TestRestThatIsGone(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": short(""), "others": short("")}, mcp.Options{})
	h.upstream.answer(200, "text/plain", strings.Repeat("word ", 1000))
	s, other := h.connect("/mcp/rooms", "2026-07-28", nil), h.connect("/mcp/others", "2026-07-28", nil)
	next := truncationOf(t, call(t, s, "list.rooms", nil).Meta).Next
	for _, args := range []map[string]any{{"id": "nothing", "offset": 0}, {"id": next}, {"id": next, "offset": 9999999}, {"id": next, "offset": -1}} {
		from := other
		if args["offset"] != nil {
			from = s
		}
		res := call(t, from, "read_result", args)
		if !res.IsError || !strings.Contains(text(t, res), "narrower arguments") || marshal(t, res.Meta["capd/code"]) != `"not-found"` {
			t.Errorf("%v: %s", args, marshal(t, res))
		}
	}
	for _, args := range []any{nil, map[string]any{"id": 1}, map[string]any{"id": "x", "offset": 1.5}, map[string]any{"id": "x", "offset": 1e300}} {
		if res := call(t, s, "read_result", args); !res.IsError || marshal(t, res.Meta["capd/code"]) != `"invalid-input"` {
			t.Errorf("%v: %s", args, marshal(t, res))
		}
	}
	for _, uri := range []string{next, "capd://result/nothing?offset=1"} {
		if _, err := other.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: uri}); err == nil || !strings.Contains(err.Error(), "narrower arguments") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestResultSizeForClaude: a declared limit above what the client takes is told to it.
func TestResultSizeForClaude(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(rooms, "      call: api.list\n", "      call: api.list\n      maxResultSize: 200000\n", 1)
	h := open(t, map[string]string{"rooms": doc}, mcp.Options{})
	list, err := h.connect("/mcp/rooms", "2026-07-28", nil).ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		got, ok := tool.Meta["anthropic/maxResultSizeChars"]
		if want := tool.Title == "" && tool.Description == "List rooms."; ok != want || want && marshal(t, got) != "200000" {
			t.Errorf("%s: %v", tool.Name, tool.Meta)
		}
	}
}
