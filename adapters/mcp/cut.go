package mcp

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

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
	text     string
	elements []json.RawMessage // instead of text
}

func (w whole) total() int {
	if w.elements != nil {
		return len(w.elements)
	}
	return len(w.text)
}

func (w whole) unit() string {
	if w.elements != nil {
		return unitElements
	}
	return unitBytes
}

// size is about what it takes in memory.
func (w whole) size() int {
	const slice = 24
	n := len(w.text)
	for _, e := range w.elements {
		n += len(e) + slice
	}
	return n
}

// part gives what follows from, of at most limit bytes, and where the next part begins. A
// text is cut between lines or words where that is near, a list between elements.
func (w whole) part(from, limit int) (text string, next int) {
	if w.elements != nil {
		next = from + fitting(w.elements[from:], limit-len("[]"))
		return string(portable.AppendList(nil, w.elements[from:next])), next
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

// fitting gives how many of the first elements fit into limit bytes with commas between, at
// least one.
func fitting(elements []json.RawMessage, limit int) int {
	n, used := 0, 0
	for _, e := range elements {
		if used += len(e) + 1; n > 0 && used-1 > limit {
			break
		}
		n++
	}
	return n
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
	path, elements := longestList(body, 0)
	if len(elements) < 2 {
		return nil
	}
	frame := len(replaced(body, path, nil))
	c := &cut{whole: whole{elements: elements}, of: path}
	if c.shown = fitting(elements, limit-frame); slices.ContainsFunc(elements, func(e json.RawMessage) bool { return len(e)+frame > limit }) {
		return nil
	}
	structured, ok := cutStructured(res.StructuredContent, path, len(elements), c.shown)
	if !ok && declared {
		return nil
	}
	res.StructuredContent = structured
	t.Text = string(replaced(body, path, elements[:c.shown]))
	return c
}

// cutStructured cuts structured content at the list where the text is cut. nil is cut to nil.
func cutStructured(content any, path []string, total, keep int) (any, bool) {
	raw, ok := content.(json.RawMessage)
	if !ok {
		return nil, content == nil
	}
	for _, at := range [][]string{path, append([]string{"result"}, path...)} {
		if elements := listAt(raw, at); len(elements) == total {
			return replaced(raw, at, elements[:keep]), true
		}
	}
	return nil, false
}

// maxListDepth is how deep a list is looked for.
const maxListDepth = 4

// longestList gives the elements of the longest list of a JSON value, and the names of the
// members that lead to it. It is the one to cut where most of the value is in it.
func longestList(raw json.RawMessage, depth int) ([]string, []json.RawMessage) {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0 || depth > maxListDepth:
	case raw[0] == '[':
		return nil, listAt(raw, nil)
	case raw[0] == '{':
		o, err := portable.ParseObject(raw)
		if err != nil || len(o) == 0 {
			break
		}
		longest := slices.MaxFunc(o.Unique(), func(a, b portable.Member) int { return len(a.Value) - len(b.Value) })
		if path, elements := longestList(longest.Value, depth+1); elements != nil {
			return append([]string{longest.Name}, path...), elements
		}
	}
	return nil, nil
}

// listAt gives the elements of the list at a path of members; nil when there is none.
func listAt(raw json.RawMessage, path []string) []json.RawMessage {
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
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil
	}
	return elements
}

// replaced gives a JSON value with other elements in the list at a path.
func replaced(raw json.RawMessage, path []string, elements []json.RawMessage) json.RawMessage {
	if len(path) == 0 {
		return portable.AppendList(nil, elements)
	}
	o, err := portable.ParseObject(raw)
	if err != nil {
		return raw
	}
	o = slices.Clone(o.Unique())
	if at := o.Find(path[0]); at >= 0 {
		o[at].Value = replaced(o[at].Value, path[1:], elements)
	}
	return o.JSON()
}
