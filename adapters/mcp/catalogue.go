package mcp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"capd/engine/plan"
	"capd/engine/portable"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// pageSize is the number of tools in one answer to tools/list. Many clients read the first
// page only, so it is large.
const pageSize = 1000

// catalogue is what a view holds as clients see it. It is immutable.
type catalogue struct {
	declared    []*entry          // the served tools of documents, in the order of declaration
	listed      []*entry          // the same and capd's own behind them, or capd's own alone
	finder      *finder           // of a catalogue that lists capd's own alone; else nil
	tools       map[string]*entry // by declared name and by alias
	library     *library
	prompts     *prompts
	fingerprint func() fingerprints
}

// fingerprints tell rendered lists apart. The files of a folder are not part of them.
type fingerprints struct {
	tools, resources, prompts [sha256.Size]byte
}

// entry is a tool that can be called, or whose call is explained.
type entry struct {
	name     string // as published
	at       int    // in listed; -1 when it is not
	tool     *plan.Tool
	exposure *plan.Exposure
	prefix   string                  // of the URIs of its exposure's resources in the view
	own      *ownTool                // instead of tool and exposure
	made     atomic.Pointer[surface] // nil until it is wanted
}

// surface is what goes into a tool and comes out of it, as clients see it.
type surface struct {
	schema json.RawMessage // of its arguments, as published
	inputs portable.Renames
	answer *answerShape // nil: nothing is known of it
}

// surface is made when it is first wanted: of thousands of tools that a client searches, most
// are never looked at.
func (e *entry) surface() *surface {
	s := e.made.Load()
	if s != nil {
		return s
	}
	s = &surface{}
	s.schema, s.inputs = publishedSchema(e.tool)
	if e.tool.Operation != nil {
		s.answer = newAnswerShape(e.tool.Operation, e.tool.AsDeclared)
	}
	e.made.Store(s)
	return s
}

func newCatalogue(v *plan.View, own ...*ownTool) *catalogue {
	c := &catalogue{tools: map[string]*entry{}, library: newLibrary(v), prompts: newPrompts(v)}
	for i := range v.Members {
		c.add(&v.Members[i])
	}
	for _, e := range c.declared {
		c.list(e)
	}
	for _, t := range own {
		c.addOwn(t)
	}
	c.fingerprint = sync.OnceValue(func() fingerprints {
		return fingerprints{fingerprint(listings(c.listed)), fingerprint(slices.Values(c.library.listings())), fingerprint(slices.Values(c.prompts.listed))}
	})
	return c
}

// add takes in the tools of a member. A tool can be called by its declared name too, as
// people know it.
func (c *catalogue) add(m *plan.Member) {
	published, prefix := publishBehind(m.Alias, m.Exposure.Tools), schemePrefix(m.Alias)
	var chosen map[*plan.Tool]bool // nil: all
	if len(m.Tools) < len(m.Exposure.Tools) {
		chosen = map[*plan.Tool]bool{}
		for _, t := range m.Tools {
			chosen[t] = true
		}
	}
	for i, t := range m.Exposure.Tools {
		if chosen != nil && !chosen[t] {
			continue
		}
		e := &entry{at: -1, tool: t, exposure: m.Exposure, prefix: prefix}
		if t.Refusal == nil {
			e.name = published[i]
			c.declared = append(c.declared, e)
			c.tools[e.name] = e
		}
		c.tools[behind(m.Alias, t.Name)] = e
	}
}

// served gives the tools that are not refused.
func served(tools []*plan.Tool) []*plan.Tool {
	var out []*plan.Tool
	for _, t := range tools {
		if t.Refusal == nil {
			out = append(out, t)
		}
	}
	return out
}

// listings gives tools as clients see them. They are made when asked for: the plan has most of
// what they hold.
func listings(all []*entry) iter.Seq[*sdk.Tool] {
	return func(yield func(*sdk.Tool) bool) {
		for _, e := range all {
			if !yield(e.listing()) {
				return
			}
		}
	}
}

// listing gives a tool as clients see it.
func (e *entry) listing() *sdk.Tool {
	if e.own != nil {
		return e.own.listing
	}
	s := e.surface()
	return listing(e.tool, e.name, s.schema, s.answer)
}

func listing(t *plan.Tool, name string, schema json.RawMessage, answer *answerShape) *sdk.Tool {
	a := t.Annotations
	out := &sdk.Tool{
		Name:        name,
		Title:       t.Title,
		Description: t.Description,
		InputSchema: schema,
		Icons:       icons(t.Icons),
		Annotations: &sdk.ToolAnnotations{
			Title:           t.Title, // where clients of before 2025-06-18 look for it
			ReadOnlyHint:    a.ReadOnly,
			DestructiveHint: &a.Destructive,
			IdempotentHint:  a.Idempotent,
			OpenWorldHint:   &a.OpenWorld,
		},
	}
	if answer != nil {
		out.OutputSchema = answer.schema
	}
	if t.MaxResult > clientResult {
		out.Meta = sdk.Meta{metaMaxResult: t.MaxResult}
	}
	return out
}

// fingerprint tells two rendered lists apart.
func fingerprint[T any](list iter.Seq[T]) [sha256.Size]byte {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for t := range list {
		_ = enc.Encode(t) // every part marshals; a hash takes every byte
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// page gives the tools that follow cursor and that the caller may see. The cursor is the
// published name of the last tool of the page before: it stays good when other tools come and
// go, and on another replica.
func (c *catalogue) page(cursor string, seen visible) (*sdk.ListToolsResult, error) {
	rest := c.listed
	if cursor != "" {
		name, err := base64.RawURLEncoding.DecodeString(cursor)
		last := c.tools[string(name)]
		if err != nil || last == nil || last.at < 0 || last.name != string(name) {
			return nil, invalidCursor()
		}
		rest = rest[last.at+1:]
	}
	res := &sdk.ListToolsResult{Tools: []*sdk.Tool{}}
	for _, e := range rest {
		if !seen.has(e) {
			continue
		}
		if n := len(res.Tools); n == pageSize {
			res.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(res.Tools[n-1].Name))
			break
		}
		res.Tools = append(res.Tools, e.listing())
	}
	return res, nil
}

// firstPage gives the result of tools/list as it is for everybody, in JSON: without what the modern
// protocol adds to every result. It is nil where that cannot be said.
func firstPage(c *catalogue, v *plan.View) []byte {
	page, err := c.page("", nil)
	if err != nil {
		return nil
	}
	page.Cacheable = cachingOf(v)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(page) != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// visible says which tools of a catalogue a caller may see and call; nil: all.
type visible func(*entry) bool

func (v visible) has(e *entry) bool { return v == nil || v(e) }

// pageOf gives the elements that follow cursor, which is the name of the last one of the page
// before, and the cursor of the next page, which is empty behind the last one.
func pageOf[T any](all []T, cursor string, name func(T) string) (page []T, next string, _ error) {
	from := 0
	if cursor != "" {
		last, err := base64.RawURLEncoding.DecodeString(cursor)
		at := slices.IndexFunc(all, func(x T) bool { return name(x) == string(last) })
		if err != nil || at < 0 {
			return nil, "", invalidCursor()
		}
		from = at + 1
	}
	to := min(from+pageSize, len(all))
	page = append([]T{}, all[from:to]...)
	if to < len(all) {
		next = base64.RawURLEncoding.EncodeToString([]byte(name(all[to-1])))
	}
	return page, next, nil
}

func invalidCursor() error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the cursor is not valid any more; list again from the start"}
}

// caching is what every list and every resource says about itself. Unless the document says
// otherwise, a reload may change it at any time, and what one caller sees is not for others.
func (s state) caching() sdk.Cacheable { return cachingOf(s.view) }

func cachingOf(v *plan.View) sdk.Cacheable {
	c := sdk.Cacheable{CacheScope: "public"}
	for i, m := range v.Members {
		if i == 0 || m.Exposure.TTL < c.TTLMs {
			c.TTLMs = m.Exposure.TTL
		}
		if !m.Exposure.Public {
			c.CacheScope = "private"
		}
	}
	return c
}
