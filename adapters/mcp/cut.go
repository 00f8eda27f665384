package mcp

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
	"capd/engine/portable"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// metaMaxResult tells Claude Code how large a result of a tool can be, in characters, before
// it puts the result into a file. clientResult is what it takes for that by itself.
const (
	metaMaxResult = "anthropic/maxResultSizeChars"
	clientResult  = 50_000
)

// metaTruncated is where a result says to programs that it is cut.
const metaTruncated = "capd/truncated"

// truncation is what metaTruncated holds.
type truncation struct {
	Unit  string `json:"unit"`           // bytes or elements
	Of    string `json:"of,omitempty"`   // the member whose elements are counted; empty for the whole
	Shown int    `json:"shown"`          // up to here, from the start
	Total int    `json:"total"`          // of the whole result
	Next  string `json:"next,omitempty"` // URI of what follows; empty when it is not kept
}

const (
	unitBytes    = "bytes"
	unitElements = "elements"
)

// cut is a result of which a part is shown: of a text or of the elements of a list.
type cut struct {
	whole whole
	shown int // bytes, or elements
	of    []string
}

// whole is a text or a list that is given in parts.
type whole struct {
	text string
	list *jsonList // instead of text
}

func (w whole) total() int {
	if w.list != nil {
		return w.list.total
	}
	return len(w.text)
}

func (w whole) unit() string {
	if w.list != nil {
		return unitElements
	}
	return unitBytes
}

// size is about what it takes in memory.
func (w whole) size() int {
	if w.list != nil {
		return len(w.list.raw)
	}
	return len(w.text)
}

// part gives what follows from, of at most limit bytes, and where the next part begins. A
// text is cut between lines or words where that is near, a list between elements.
func (w whole) part(from, limit int) (text string, next int) {
	if w.list != nil {
		part, next := w.list.part(from, limit-len("[]"))
		return string(part), next
	}
	for from < len(w.text) && !utf8.RuneStart(w.text[from]) {
		from++
	}
	next = from + cutPoint(w.text[from:], limit)
	return w.text[from:next], next
}

// cutPoint gives where a text is cut so that at most limit bytes stand before it.
func cutPoint(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	head := truncate(text, limit)
	for _, sep := range []string{"\n", " "} {
		if at := strings.LastIndex(head, sep); at >= len(head)/2 {
			return at + len(sep)
		}
	}
	if head == "" {
		return len(text) // no character fits
	}
	return len(head)
}

// jsonList is a JSON list. Its elements are looked for when they are needed, since there can be
// millions.
type jsonList struct {
	raw     json.RawMessage
	total   int // elements
	longest int // bytes of one
}

// newList reads a list; nil when raw is none. raw is JSON.
func newList(raw json.RawMessage) *jsonList {
	l := &jsonList{raw: raw}
	if !expr.EachElement(raw, func(e []byte) bool {
		l.total++
		l.longest = max(l.longest, len(e))
		return true
	}) {
		return nil
	}
	return l
}

// part gives a list of the elements that follow from, as many as fit into limit bytes with commas
// between, at least one, and where the next part begins.
func (l *jsonList) part(from, limit int) (part json.RawMessage, next int) {
	at, out := 0, []byte{'['}
	expr.EachElement(l.raw, func(e []byte) bool {
		if at++; at <= from {
			return true
		}
		if len(out) > len("[") {
			if len(out)+len(e) > limit {
				at--
				return false
			}
			out = append(out, ',')
		}
		out = append(out, e...)
		return true
	})
	return append(out, ']'), at
}

// first gives a list of the first n elements.
func (l *jsonList) first(n int) json.RawMessage {
	out := []byte{'['}
	expr.EachElement(l.raw, func(e []byte) bool {
		if n--; n < 0 {
			return false
		}
		if len(out) > len("[") {
			out = append(out, ',')
		}
		out = append(out, e...)
		return true
	})
	return append(out, ']')
}

// cutTexts cuts the texts of a result to limit bytes together; nil when they are no longer.
// declared: clients want structured content of this result, which then stays whole if it
// cannot be cut like the text.
func cutTexts(res *sdk.CallToolResult, limit int, declared bool) *cut {
	var texts []*sdk.TextContent
	total := 0
	for _, c := range res.Content {
		if t, ok := c.(*sdk.TextContent); ok {
			texts = append(texts, t)
			total += len(t.Text)
		}
	}
	if total <= limit {
		return nil
	}
	if len(texts) == 1 {
		if c := cutList(res, texts[0], limit, declared); c != nil {
			return c
		}
	}
	if !declared {
		res.StructuredContent = nil // it would be what was cut
	}
	return cutText(res, texts, limit)
}

// cutText cuts texts where they are too long, and takes out those behind.
func cutText(res *sdk.CallToolResult, texts []*sdk.TextContent, limit int) *cut {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = t.Text
	}
	c := &cut{whole: whole{text: strings.Join(all, "\n")}}
	_, c.shown = c.whole.part(0, limit)
	left := c.shown
	res.Content = slices.DeleteFunc(slices.Clone(res.Content), func(content sdk.Content) bool {
		t, ok := content.(*sdk.TextContent)
		if !ok {
			return false
		}
		if left <= 0 {
			return true
		}
		n := min(left, len(t.Text))
		left -= n + len("\n")
		t.Text = t.Text[:n]
		return false
	})
	return c
}

// cutList cuts the longest list of a JSON text, so that text and structured content are the
// same JSON with fewer elements; nil when there is none, or its elements are too long.
func cutList(res *sdk.CallToolResult, t *sdk.TextContent, limit int, declared bool) *cut {
	body := json.RawMessage(t.Text)
	if !json.Valid(body) {
		return nil
	}
	path, all := longestList(body, 0)
	if all == nil || all.total < 2 {
		return nil
	}
	frame := len(replaced(body, path, json.RawMessage("[]")))
	if all.longest+frame > limit {
		return nil
	}
	part, shown := all.part(0, limit-frame)
	structured, ok := cutStructured(res.StructuredContent, path, all.total, shown)
	if !ok && declared {
		return nil
	}
	res.StructuredContent = structured
	t.Text = string(replaced(body, path, part))
	return &cut{whole: whole{list: all}, shown: shown, of: path}
}

// cutStructured cuts structured content at the list where the text is cut. nil is cut to nil.
func cutStructured(content any, path []string, total, keep int) (any, bool) {
	raw, ok := content.(json.RawMessage)
	if !ok {
		return nil, content == nil
	}
	for _, at := range [][]string{path, append([]string{"result"}, path...)} {
		if l := listAt(raw, at); l != nil && l.total == total {
			return replaced(raw, at, l.first(keep)), true
		}
	}
	return nil, false
}

// maxListDepth is how deep a list is looked for.
const maxListDepth = 4

// longestList gives the longest list of a JSON value, nil for none, and the names of the members
// that lead to it. It is the one to cut where most of the value is in it.
func longestList(raw json.RawMessage, depth int) ([]string, *jsonList) {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0 || depth > maxListDepth:
	case raw[0] == '[':
		return nil, newList(raw)
	case raw[0] == '{':
		o, err := portable.ParseObject(raw)
		if err != nil || len(o) == 0 {
			break
		}
		longest := slices.MaxFunc(o.Unique(), func(a, b portable.Member) int { return len(a.Value) - len(b.Value) })
		if path, l := longestList(longest.Value, depth+1); l != nil {
			return append([]string{longest.Name}, path...), l
		}
	}
	return nil, nil
}

// listAt gives the list at a path of members; nil when there is none.
func listAt(raw json.RawMessage, path []string) *jsonList {
	for _, name := range path {
		o, err := portable.ParseObject(raw)
		if err != nil {
			return nil
		}
		at := o.Find(name)
		if at < 0 {
			return nil
		}
		raw = o[at].Value
	}
	return newList(raw)
}

// replaced gives a JSON value with another list at a path.
func replaced(raw json.RawMessage, path []string, with json.RawMessage) json.RawMessage {
	if len(path) == 0 {
		return with
	}
	o, err := portable.ParseObject(raw)
	if err != nil {
		return raw
	}
	o = slices.Clone(o.Unique())
	if at := o.Find(path[0]); at >= 0 {
		o[at].Value = replaced(o[at].Value, path[1:], with)
	}
	return o.JSON()
}
