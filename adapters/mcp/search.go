package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/portable"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// The names of the tools that stand for all others, where no declared tool has them.
const (
	searchName   = "search_tools"
	describeName = "describe_tool"
	callName     = "call_tool"
)

const (
	defaultFound = 10
	maxFound     = 50
	maxDescribed = 20
	maxNearest   = 3
	maxQuery     = 1000 // bytes
	maxLine      = 200  // bytes of a description in a list
)

// finder is what a catalogue of very many tools offers instead of them. It is immutable.
type finder struct {
	catalogue              *catalogue
	view                   *plan.View
	search, describe, call string          // names of its tools
	ranking                func() *ranking // made with the first search
}

// offerSearch makes a catalogue list the tools of a finder instead of those of documents,
// which can be called all the same.
func (c *catalogue) offerSearch(v *plan.View) {
	f := &finder{catalogue: c, view: v, ranking: sync.OnceValue(func() *ranking { return newRanking(c.declared) })}
	f.search, f.describe, f.call = portable.Unique(searchName, c.has), portable.Unique(describeName, c.has), portable.Unique(callName, c.has)
	listed := c.listed
	c.listed, c.finder = nil, f
	for _, e := range listed {
		e.at = -1
		if e.own != nil {
			c.list(e)
		}
	}
	for _, t := range []*ownTool{f.searchTool(), f.describeTool(), f.callTool()} {
		c.addOwn(t)
	}
}

// looks are the hints of a tool that changes nothing and reaches nobody.
func looks() *sdk.ToolAnnotations {
	no := false
	return &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &no, OpenWorldHint: &no}
}

func (f *finder) searchTool() *ownTool {
	service := ""
	if !f.view.OfOne() {
		service = `,"service":{"type":"string","description":"Only tools of this service: what their names begin with."}`
	}
	return &ownTool{listing: &sdk.Tool{
		Name: f.search, Title: "Search tools", Annotations: looks(),
		Description: "Find tools by words of their names, descriptions and arguments. Gives names, the best ones first, with what each needs. Then " +
			f.describe + " gives all that a tool takes, and " + f.call + " calls it.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"Words for what is to be done, such as: create invoice. Empty: all tools in their order."},` +
			fmt.Sprintf(`"limit":{"type":"integer","description":"How many tools to give; %d if left out, at most %d."}`, defaultFound, maxFound) + service +
			`,"tag":{"type":"string","description":"Only tools with this tag."}},"required":["query"]}`),
		OutputSchema: json.RawMessage(`{"type":"object","properties":{"tools":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"title":{"type":"string"},` +
			`"description":{"type":"string"},"required":{"type":"array","items":{"type":"string"}}},"required":["name","description","required"]}},"more":{"type":"integer"}},"required":["tools","more"]}`),
	}, call: f.runSearch}
}

func (f *finder) describeTool() *ownTool {
	return &ownTool{listing: &sdk.Tool{
		Name: f.describe, Title: "Describe tools", Annotations: looks(),
		Description: "Get the full definition of tools that " + f.search + " found: what they do and the schema of their arguments.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","description":"Name of a tool."},` +
			fmt.Sprintf(`"names":{"type":"array","items":{"type":"string"},"description":"Names of several tools instead, at most %d."}}}`, maxDescribed)),
		OutputSchema: json.RawMessage(`{"type":"object","properties":{"tools":{"type":"array","items":{"type":"object"}}},"required":["tools"]}`),
	}, call: f.runDescribe}
}

// callTool stands for every tool, so its hints are the most careful ones of all.
func (f *finder) callTool() *ownTool {
	hints, open, destructive := &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}, false, false
	for _, e := range f.catalogue.declared {
		a := e.tool.Annotations
		hints.ReadOnlyHint = hints.ReadOnlyHint && a.ReadOnly
		hints.IdempotentHint = hints.IdempotentHint && a.Idempotent
		open, destructive = open || a.OpenWorld, destructive || a.Destructive
	}
	hints.OpenWorldHint, hints.DestructiveHint = &open, &destructive
	return &ownTool{listing: &sdk.Tool{
		Name: f.call, Title: "Call a tool", Annotations: hints,
		Description: "Call a tool that " + f.search + " found. The result is that of the tool.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","description":"Name of the tool."},` +
			`"arguments":{"type":"object","description":"Arguments of the tool, as ` + f.describe + ` gives them."}},"required":["name"]}`),
	}, call: f.refuseCall}
}

// found is a tool in the answer to a search.
type found struct {
	Name        string   `json:"name"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description"`
	Required    []string `json:"required"`

	optional bool // there are more arguments
}

func (f *finder) runSearch(ctx context.Context, c *pendingCall) (*sdk.CallToolResult, error) {
	in := struct {
		Query, Service, Tag string
		Limit               *float64
	}{}
	if err := readArguments(c.arguments, &in); err != nil {
		return nil, err
	}
	limit := defaultFound
	if in.Limit != nil {
		if limit = int(min(*in.Limit, maxFound)); limit < 1 {
			return nil, plan.Errorf(plan.CodeInvalidInput, "limit must be at least 1")
		}
	}
	of, err := f.service(in.Service)
	if err != nil {
		return nil, err
	}
	seen := c.visible(ctx)
	entries, more := f.find(truncate(in.Query, maxQuery), limit, func(e *entry) bool {
		return (of == nil || e.exposure == of) && (in.Tag == "" || hasTag(e, in.Tag)) && seen.has(e)
	})
	out := struct {
		Tools []found `json:"tools"`
		More  int     `json:"more"`
	}{[]found{}, more}
	for _, e := range entries {
		out.Tools = append(out.Tools, foundTool(e))
	}
	return structuredResult(f.lines(out.Tools, more), out)
}

// lines says what was found, a tool in a line.
func (f *finder) lines(tools []found, more int) string {
	if len(tools) == 0 {
		return "No tool matches. Try other or fewer words; part of a word is enough."
	}
	var b strings.Builder
	for _, t := range tools {
		args := slices.Clone(t.Required)
		if t.optional {
			args = append(args, "…")
		}
		fmt.Fprintf(&b, "%s(%s): %s\n", t.Name, strings.Join(args, ", "), t.Description)
	}
	if more > 0 {
		fmt.Fprintf(&b, "%d more match; say more precisely what is wanted to see others.\n", more)
	}
	fmt.Fprintf(&b, "Next: %s for all arguments of a tool, %s to call it.", f.describe, f.call)
	return b.String()
}

func foundTool(e *entry) found {
	out := found{Name: e.name, Title: e.tool.Title, Description: oneLine(e.tool.Description), Required: []string{}}
	for _, a := range argumentsOf(e.surface().schema) {
		if a.required {
			out.Required = append(out.Required, a.name)
		} else {
			out.optional = true
		}
	}
	return out
}

// oneLine gives the beginning of a text as one line.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(truncate(text, 4*maxLine)), " ")
	if cut := truncate(text, maxLine); cut != text {
		return cut + "…"
	}
	return text
}

// find gives the tools that fit a query, the best first; for no query all of them in order. A
// tool whose name is the query comes first.
func (f *finder) find(query string, n int, fits func(*entry) bool) (entries []*entry, more int) {
	all := f.catalogue.declared
	var scores []float32
	if query = strings.TrimSpace(query); query == "" {
		scores = make([]float32, len(all))
		for i := range scores {
			scores[i] = 1
		}
	} else {
		scores = f.ranking().score(query)
	}
	const exactly = 1e6 // more than any sum of words
	if query != "" {
		for i, e := range all {
			if strings.EqualFold(e.name, query) || strings.EqualFold(e.tool.Name, query) {
				scores[i] += exactly
			}
		}
	}
	at, more := best(scores, n, func(i int) bool { return fits(all[i]) })
	for _, i := range at {
		entries = append(entries, all[i])
	}
	return entries, more
}

// service gives the exposure of a service's name, which may be that of the document too; nil
// for none.
func (f *finder) service(name string) (*plan.Exposure, error) {
	name = strings.TrimSuffix(strings.TrimSpace(name), separator)
	if name == "" {
		return nil, nil
	}
	var names []string
	for i := range f.view.Members {
		m := &f.view.Members[i]
		if m.Alias == name || m.Exposure.Unit.ID == name {
			return m.Exposure, nil
		}
		names = append(names, m.Alias)
	}
	if near, ok := diag.Nearest(name, names); ok {
		return nil, plan.Errorf(plan.CodeInvalidInput, "there is no service %q; did you mean %s?", truncate(name, portable.MaxName), near)
	}
	return nil, plan.Errorf(plan.CodeInvalidInput, "there is no service %q; search without service", truncate(name, portable.MaxName))
}

func hasTag(e *entry, tag string) bool {
	is := func(t string) bool { return strings.EqualFold(t, tag) }
	return slices.ContainsFunc(e.tool.Tags, is) || slices.ContainsFunc(e.exposure.Unit.Tags, is)
}

func (f *finder) runDescribe(ctx context.Context, c *pendingCall) (*sdk.CallToolResult, error) {
	in := struct {
		Name  string
		Names []string
	}{}
	if err := readArguments(c.arguments, &in); err != nil {
		return nil, err
	}
	if in.Name != "" {
		in.Names = append([]string{in.Name}, in.Names...)
	}
	if n := len(in.Names); n == 0 || n > maxDescribed {
		return nil, plan.Errorf(plan.CodeInvalidInput, "write name, or 1 to %d names", maxDescribed)
	}
	out := struct {
		Tools []*sdk.Tool `json:"tools"`
	}{}
	seen := c.visible(ctx)
	for _, name := range in.Names {
		e := f.catalogue.tools[name]
		if e == nil || !seen.has(e) {
			return nil, f.catalogue.unknown(name, seen)
		}
		if e.own == nil && e.tool.Refusal != nil {
			return nil, e.tool.Refusal.Error()
		}
		out.Tools = append(out.Tools, e.listing())
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return structuredResult(string(text), out)
}

// target gives the tool that a call of the call tool is for, and its arguments. Arguments may
// be written as a text of JSON, as some models do.
func (f *finder) target(arguments json.RawMessage, seen visible) (*entry, json.RawMessage, error) {
	in := struct {
		Name      string
		Arguments json.RawMessage
	}{}
	if err := readArguments(arguments, &in); err != nil {
		return nil, nil, err
	}
	if in.Name == "" {
		return nil, nil, plan.Errorf(plan.CodeInvalidInput, "write name: the name of the tool to call")
	}
	e := f.catalogue.tools[in.Name]
	if e == nil {
		return nil, nil, f.catalogue.unknown(in.Name, seen)
	}
	if e.name == f.call {
		return nil, nil, plan.Errorf(plan.CodeInvalidInput, "%s cannot call itself", f.call)
	}
	args := bytes.TrimSpace(in.Arguments)
	if len(args) > 0 && args[0] == '"' {
		var text string
		if json.Unmarshal(args, &text) == nil && json.Valid([]byte(text)) {
			args = []byte(text)
		}
	}
	return e, args, nil
}

// refuseCall says why a call of the call tool is for no tool; any other one never comes here.
func (f *finder) refuseCall(ctx context.Context, c *pendingCall) (*sdk.CallToolResult, error) {
	_, _, err := f.target(c.arguments, c.visible(ctx))
	return nil, err
}

// unknown is the error of a name that no tool has, with the names that are near.
func (c *catalogue) unknown(name string, seen visible) *plan.Error {
	text := fmt.Sprintf("unknown tool %q", truncate(name, 2*portable.MaxName))
	if near := c.nearest(name, seen); len(near) > 0 {
		return plan.Errorf(plan.CodeInvalidInput, "%s; the nearest are %s", text, strings.Join(near, ", "))
	}
	if c.finder != nil {
		return plan.Errorf(plan.CodeInvalidInput, "%s; %s finds the tools there are", text, c.finder.search)
	}
	return plan.Errorf(plan.CodeInvalidInput, "%s; tools/list gives the tools there are", text)
}

// nearest gives names that a name was perhaps meant to be: those with a service in front of it,
// and those that are spelled or worded alike.
func (c *catalogue) nearest(name string, seen visible) []string {
	var out, names []string
	add := func(e *entry) {
		if len(out) < maxNearest && seen.has(e) && !slices.Contains(out, e.name) {
			out = append(out, e.name)
		}
	}
	name = truncate(name, 2*portable.MaxName)
	for _, e := range c.declared {
		if strings.EqualFold(e.tool.Name, name) || strings.EqualFold(e.name, name) {
			add(e)
		}
		if c.finder == nil && seen.has(e) {
			names = append(names, e.name)
		}
	}
	if near, ok := diag.Nearest(name, names); ok {
		add(c.tools[near])
	}
	if c.finder != nil && len(out) == 0 {
		entries, _ := c.finder.find(name, maxNearest, seen.has)
		for _, e := range entries {
			add(e)
		}
	}
	return out
}

// readArguments reads the arguments of a tool of capd's own.
func readArguments(raw json.RawMessage, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return plan.Errorf(plan.CodeInvalidInput, "the arguments do not have the types that the tool lists")
	}
	return nil
}

// structuredResult gives a result for models and the same for programs.
func structuredResult(text string, value any) (*sdk.CallToolResult, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}, StructuredContent: json.RawMessage(b)}, nil
}
