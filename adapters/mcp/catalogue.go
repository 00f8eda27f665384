package mcp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// pageSize is the number of tools in one answer to tools/list. Many clients read the first
// page only, so it is large.
const pageSize = 1000

// catalogue is what a view holds as clients see it. It is immutable.
type catalogue struct {
	listed      []*sdk.Tool       // in the order of declaration
	position    map[string]int    // of a published name in listed
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
	tool     *plan.Tool
	exposure *plan.Exposure
	inputs   aliases
	answer   *answerShape // nil: nothing is known of it
}

func newCatalogue(v *plan.View) *catalogue {
	c := &catalogue{
		position: map[string]int{}, tools: map[string]*entry{},
		library: newLibrary(v), prompts: newPrompts(v),
	}
	for i := range v.Members {
		c.add(&v.Members[i])
	}
	c.fingerprint = sync.OnceValue(func() fingerprints {
		return fingerprints{fingerprint(c.listed), fingerprint(c.library.listings()), fingerprint(c.prompts.listed)}
	})
	return c
}

// add takes in the tools of a member. A tool can be called by its declared name too, as
// people know it.
func (c *catalogue) add(m *plan.Member) {
	published := publish(m.Exposure.Tools)
	chosen := map[*plan.Tool]bool{}
	for _, t := range m.Tools {
		chosen[t] = true
	}
	for i, t := range m.Exposure.Tools {
		if !chosen[t] {
			continue
		}
		e := &entry{tool: t, exposure: m.Exposure}
		if t.Refusal == nil {
			var schema json.RawMessage
			schema, e.inputs = portable(t.InputSchema)
			if t.Operation != nil {
				e.answer = newAnswerShape(t.Operation)
			}
			name := prefixed(m.Alias, published[i])
			c.position[name] = len(c.listed)
			c.listed = append(c.listed, listing(t, name, schema, e.answer))
			c.tools[name] = e
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

func listing(t *plan.Tool, name string, schema json.RawMessage, answer *answerShape) *sdk.Tool {
	a := t.Annotations
	out := &sdk.Tool{
		Name:        name,
		Title:       t.Title,
		Description: t.Description,
		InputSchema: schema,
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
	return out
}

// fingerprint tells two rendered lists apart.
func fingerprint[T any](list []T) [sha256.Size]byte {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, t := range list {
		_ = enc.Encode(t) // every part marshals; a hash takes every byte
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// page gives the tools that follow cursor, which is the published name of the last tool of
// the page before: it stays good when other tools come and go, and on another replica.
func (c *catalogue) page(cursor string) (*sdk.ListToolsResult, error) {
	from := 0
	if cursor != "" {
		name, err := base64.RawURLEncoding.DecodeString(cursor)
		at, known := c.position[string(name)]
		if err != nil || !known {
			return nil, invalidCursor()
		}
		from = at + 1
	}
	to := min(from+pageSize, len(c.listed))
	res := &sdk.ListToolsResult{Tools: []*sdk.Tool{}}
	res.Tools = append(res.Tools, c.listed[from:to]...)
	if to < len(c.listed) {
		res.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(c.listed[to-1].Name))
	}
	return res, nil
}

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
func (s *state) caching() sdk.Cacheable {
	c := sdk.Cacheable{TTLMs: s.view.Members[0].Exposure.TTL, CacheScope: "public"}
	for _, m := range s.view.Members {
		c.TTLMs = min(c.TTLMs, m.Exposure.TTL)
		if !m.Exposure.Public {
			c.CacheScope = "private"
		}
	}
	return c
}
