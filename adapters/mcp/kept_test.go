package mcp

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestKeptResults(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	k := newKeptResults(func() time.Time { return now })
	anna, otto := owner{caller: "anna"}, owner{caller: "otto"}
	text := func(mib int) whole { return whole{text: strings.Repeat("x", mib<<20)} }

	id := k.keep(anna, nil, text(1), 1000)
	if k.find(anna, id) == nil {
		t.Fatal("it is not kept")
	}
	if k.find(otto, id) != nil || k.find(owner{}, id) != nil || k.find(owner{endpoint: &endpoint{}, caller: "anna"}, id) != nil {
		t.Error("another caller can read it, or at another endpoint")
	}
	if got := k.keep(anna, nil, text(17), 1000); got != "" {
		t.Error("one that is too large is kept")
	}

	now = now.Add(keepFor - time.Second)
	if k.find(anna, id) == nil {
		t.Error("it is gone too early")
	}
	now = now.Add(keepFor - time.Second)
	if k.find(anna, id) == nil {
		t.Error("it is gone though it was used")
	}
	now = now.Add(keepFor)
	if k.find(anna, id) != nil || k.bytes != 0 || k.order.Len() != 0 {
		t.Errorf("it is kept too long: %d bytes", k.bytes)
	}

	first := k.keep(anna, nil, text(15), 1000)
	second := k.keep(anna, nil, text(15), 1000)
	k.find(anna, first)
	for range 3 {
		k.keep(otto, nil, text(15), 1000)
	}
	if k.find(anna, second) != nil || k.find(anna, first) == nil || k.bytes > maxKept {
		t.Errorf("not the one that was unused for longest made room; %d bytes", k.bytes)
	}
	now = now.Add(keepFor)
	if k.tick(); k.bytes != 0 || len(k.byID) != 0 || k.timer != nil {
		t.Errorf("%d bytes stay when nobody calls", k.bytes)
	}
}

// FuzzCut: the parts of a text are the text, those of a list its elements, and JSON stays
// JSON where it is cut as a list.
func FuzzCut(f *testing.F) {
	f.Add("a b\nc – d", 4)
	f.Add(`{"a":{"b":[1,{"c":[2.50]},"x"],"d":null}}`, 30)
	f.Add(`[[1,2],[3]]`, 8)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < utf8.UTFMax || !utf8.ValidString(text) {
			return
		}
		res := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}}
		c := cutTexts(res, limit, false)
		if c == nil {
			if len(text) > limit {
				t.Fatalf("%q is not cut to %d", text, limit)
			}
			return
		}
		shown := res.Content[0].(*sdk.TextContent).Text
		if len(shown) > limit || c.whole.list != nil && !json.Valid([]byte(shown)) {
			t.Fatalf("%q cut to %d is %q", text, limit, shown)
		}
		var parts strings.Builder
		for from := 0; from < c.whole.total(); {
			part, next := c.whole.part(from, limit)
			if next <= from || len(part) > limit {
				t.Fatalf("the part from %d to %d is %q", from, next, part)
			}
			if c.whole.list != nil {
				part = strings.TrimSuffix(strings.TrimPrefix(part, "["), "]")
				if next < c.whole.total() {
					part += ","
				}
			}
			parts.WriteString(part)
			from = next
		}
		want := text
		if c.whole.list != nil {
			list := string(c.whole.list.first(c.whole.total()))
			want = list[1 : len(list)-1]
		}
		if parts.String() != want {
			t.Fatalf("the parts of %q are %q", want, parts.String())
		}
	})
}

// TestCutManyElements: cutting a list does not take all of it apart, since an answer of megabytes
// can have millions of elements.
func TestCutManyElements(t *testing.T) {
	text := "[" + strings.Repeat("1, ", 100_000) + "1]"
	allocs := testing.AllocsPerRun(1, func() {
		res := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}, StructuredContent: json.RawMessage(text)}
		if c := cutTexts(res, 1000, true); c == nil || c.shown != 499 || c.whole.total() != 100_001 {
			t.Errorf("cut to %+v", c)
		}
	})
	if allocs > 1000 {
		t.Errorf("%.0f allocations", allocs)
	}
}
