package main

import (
	"fmt"
	"strings"

	"capd/engine/plan"
)

// What an entry of an MCP adapter is that is no tool.
const (
	entryResource = "resource"
	entryPrompt   = "prompt"
)

// listResources gives the resources and the prompts of an MCP adapter.
func listResources(x *plan.Exposure, where *addressBook) []listedEntry {
	var out []listedEntry
	for _, r := range x.Resources {
		out = append(out, listedEntry{
			Kind: x.Kind, Type: entryResource, Namespace: x.Namespace, Name: r.Name, URI: r.URI, Location: r.Location,
			Addresses: where.exposure(x), Calls: callName(r.Operation), Refused: listRefusal(r.Refusal),
		})
	}
	for _, p := range x.Prompts {
		e := listedEntry{
			Kind: x.Kind, Type: entryPrompt, Namespace: x.Namespace, Name: p.Name, Location: p.Location,
			Addresses: where.exposure(x), Refused: listRefusal(p.Refusal),
		}
		for _, a := range p.Arguments {
			e.Arguments = append(e.Arguments, a.Name)
		}
		out = append(out, e)
	}
	return out
}

// does says in a few words what stands behind a resource or a prompt.
func (e *listedEntry) does() string {
	switch {
	case e.Type == entryPrompt && len(e.Arguments) > 0:
		return "arguments " + strings.Join(e.Arguments, ", ")
	case e.Type == entryPrompt:
		return "no arguments"
	case e.Location != "":
		return "files in " + e.Location
	case e.Calls == "":
		return "constant"
	}
	return "-> " + e.Calls
}

// inspectResources gives the resources and the prompts of an MCP adapter, as list gives them.
func inspectResources(x *plan.Exposure, where *addressBook) []inspectedOperation {
	var out []inspectedOperation
	entries := listResources(x, where)
	for i, r := range x.Resources {
		inputs := inspectInputs(r.Operation)
		for j := range inputs {
			inputs[j].Derived = nil // they stand in the URI
		}
		out = append(out, inspectedOperation{
			listedEntry: entries[i], Description: r.Description, Place: r.Span.String(), Inputs: inputs, MimeType: r.MimeType, Asks: questionsOf(r.Operation),
		})
	}
	for i, p := range x.Prompts {
		op := inspectedOperation{listedEntry: entries[len(x.Resources)+i], Description: p.Description, Place: p.Span.String(), Inputs: []inspectedInput{}, Asks: inspectQuestions(p.Questions())}
		for _, a := range p.Arguments {
			op.Inputs = append(op.Inputs, inspectedInput{Name: a.Name, Type: "string", Required: a.Required, Places: []string{"argument " + a.Name}, Feeds: []string{"the text"}})
		}
		out = append(out, op)
	}
	return out
}

// textResource writes a resource or a prompt.
func (o *inspectedOperation) textResource(p *page) {
	p.line("  %s  %s  %s", o.title(), o.does(), o.Place)
	var rows [][]string
	for _, in := range o.Inputs {
		rows = append(rows, []string{"    " + in.Name, typeText(in.Type, in.Required), strings.Join(in.Places, ", "), "-> " + strings.Join(in.Feeds, ", ")})
	}
	p.table(rows)
	o.textAsks(p)
}

// mcpCounts says how much an MCP exposure has.
func (a *reportAdapter) mcpCounts() []string {
	var parts []string
	if a.Tools > 0 || a.Resources+a.Prompts == 0 {
		parts = append(parts, plural(a.Tools, "tool"))
	}
	if a.Resources > 0 {
		parts = append(parts, plural(a.Resources, "resource"))
	}
	if a.Prompts > 0 {
		parts = append(parts, plural(a.Prompts, "prompt"))
	}
	return parts
}

// resourceTitle names an entry of an MCP adapter that is no tool.
func (e *listedEntry) resourceTitle() string {
	if e.Type == entryResource {
		return fmt.Sprintf("%s %s", e.Type, e.URI)
	}
	return fmt.Sprintf("%s %s", e.Type, e.Name)
}
