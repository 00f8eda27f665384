package main

import (
	"fmt"
	"slices"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// toolTokens estimates what the tools of an adapter cost a model, as clients get them.
func toolTokens(x *plan.Exposure) map[*plan.Tool]int {
	if x.Kind != plan.MCP {
		return nil
	}
	return mcp.Tokens(&plan.View{Members: []plan.Member{{Exposure: x, Tools: x.Tools}}})
}

// onlyTools leaves out all but tools, and documents without any.
func (l *listing) onlyTools() {
	for i := range l.Documents {
		d := &l.Documents[i]
		d.Entries = slices.DeleteFunc(d.Entries, func(e listedEntry) bool { return e.Kind != plan.MCP || e.Type != "" })
		d.Needs, d.Refused, d.costs = nil, nil, true
	}
	l.Documents = slices.DeleteFunc(l.Documents, func(d listedDocument) bool { return len(d.Entries) == 0 })
}

func (e *listedEntry) cost() string {
	if e.Refused != nil {
		return ""
	}
	return plural(e.Tokens, "token")
}

// total says what the tools of a document cost together.
func (d *listedDocument) total() string {
	tools, tokens := 0, 0
	for _, e := range d.Entries {
		if e.Refused == nil {
			tools, tokens = tools+1, tokens+e.Tokens
		}
	}
	return fmt.Sprintf("  %s, about %s\n", plural(tools, "tool"), plural(tokens, "token"))
}
