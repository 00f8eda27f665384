package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Toolset is a named choice of an exposure's tools.
type Toolset struct {
	Name        string
	Description string
	Tools       []*Tool // as chosen; never empty
}

// exposeToolsets compiles the toolsets of an MCP adapter. What is wrong with one costs nothing
// but what it names: its tools are served all the same.
func (c *compiler) exposeToolsets(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	seen := map[string]diag.Span{}
	for i := range e.Toolsets {
		d := &e.Toolsets[i]
		name := strings.TrimSpace(d.Name.Value)
		warn := func(f *fault) { c.note(diag.Warning, unit, f) }
		at := placeOr(d.Name.Span(), d.Span)
		if name == "" {
			warn(faultf(diag.CodeToolset, "D13", d.Span, "the toolset has no name").hintf("write name; it is the last part of the address of the toolset"))
			continue
		}
		if first, again := seen[name]; again {
			f := faultf(diag.CodeToolset, "D13", at, "toolset %s is declared twice in this adapter; the first one counts", name).hintf("give one of them another name")
			f.related = []diag.Related{{Span: first, Message: "first declared here"}}
			warn(f)
			continue
		}
		seen[name] = at
		set := Toolset{Name: name, Description: strings.TrimSpace(d.Description.Value)}
		for _, want := range d.Tools {
			if t, f := chosenTool(name, want, out.Tools); f != nil {
				warn(f)
			} else if !slices.Contains(set.Tools, t) {
				set.Tools = append(set.Tools, t)
			}
		}
		if len(d.Tools) == 0 {
			warn(faultf(diag.CodeToolset, "D13", at, "toolset %s has no tools", name).hintf("write tools: the names of tools of this adapter"))
		}
		if len(set.Tools) > 0 {
			out.Toolsets = append(out.Toolsets, set)
		}
	}
}

// chosenTool finds a tool that a toolset names (contract N1).
func chosenTool(set string, want spec.Text, tools []*Tool) (*Tool, *fault) {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	if i, ok := matchName(want.Value, names); ok {
		return tools[i], nil
	}
	f := faultf(diag.CodeToolset, "D13", want.Span(), "toolset %s names %q, which is no tool of this adapter", set, want.Value)
	if near, ok := diag.Nearest(want.Value, names); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	return nil, f.hintf("write the name of a tool of this adapter")
}
