package spec

import (
	"strings"

	"capd/engine/diag"
)

func (p *parser) exposes(d *Document, part *Value) {
	entries := p.entries(part, "exposes", "adapter", diag.Error)
	d.Exposes = p.mem.exposed.take(len(entries))[:0]
	for _, e := range entries {
		if isImport(e.value, "type", "port", "resources", "tools") {
			d.Imports = append(d.Imports, p.importEntry(e, "exposes", len(d.Exposes)))
			continue
		}
		d.Exposes = append(d.Exposes, p.exposed(e))
	}
}

// maxTTL is the longest time for which clients may keep a list: a week, in milliseconds.
const maxTTL = 7 * 24 * 60 * 60 * 1000

func (p *parser) exposed(e entry) Exposed {
	p.keys(e.value, exposedKeys, exposedSilent)
	x := Exposed{
		Span: e.span, Node: e.value, Type: adapterType(p.text(e.value, "type")),
		Namespace: p.first(e.value, "namespace", "name"), Address: p.text(e.value, "address"),
		Port: p.integer(e.value, "port", 0, 65535), PortSpan: some(e.value, "port").Span(),
		Transport: p.text(e.value, "transport"), Description: p.text(e.value, "description"),
		Auth:      p.authentication(e.value),
		MaxBinary: p.text(e.value, "maxBinarySize"),
	}
	if !x.Namespace.IsSet() {
		x.Namespace = e.name
	}
	if p.adapter = x.Namespace.Value; p.adapter == "" {
		p.adapter = x.Node.Path()
	}
	others := []string{"management", "observability"}
	absent := Unset
	if x.Type.Value == "mcp" {
		absent = p.required()
		x.MCPResources, x.Prompts = p.mcpResources(e.value), p.prompts(e.value)
		x.Icons, x.OutputValidation = p.icons(e.value), p.text(e.value, "outputValidation")
		x.Toolsets = p.toolsets(e.value)
		x.TTL, x.CacheScope = p.integer(e.value, "ttlMs", 0, maxTTL), p.text(e.value, "cacheScope")
		x.Portable, x.MaxResult = p.tristate(e.value, "portable", Unset), p.text(e.value, "maxResultSize")
	} else {
		others = append(others, "prompts")
		x.Resources = each(&p.mem.exposedResources, p.entries(e.value, "resources", "resource", diag.Error), p.exposedResource)
	}
	x.Parameters = p.parameters(e.value, absent)
	if x.Type.Value == "skill" {
		x.Skills = p.skills(e.value)
		others = append(others, "tools")
	} else {
		others = append(others, "skills")
		x.Tools = each(&p.mem.exposedOperations, p.entries(e.value, "tools", "tool", diag.Error), func(t entry) ExposedOperation { return p.exposedOperation(t, p.required()) })
	}
	for _, m := range e.value.Members {
		for _, key := range others {
			if m.Key.Value == key && m.Value.given() {
				x.Others = append(x.Others, m.Key)
			}
		}
	}
	return x
}

// adapterType gives the type as this version spells it: "api" became "rest" in 0.5.
func adapterType(t Text) Text {
	switch lower := strings.ToLower(t.Value); lower {
	case "api":
		t.Value = "rest"
	case "rest", "mcp", "skill", "control":
		t.Value = lower
	}
	return t
}

// required gives what holds for an input of a tool, a resource or a flow that does not say
// whether it is required. The inputs of REST have no such word in any version.
func (p *parser) required() Tristate {
	if p.ikanos {
		return True
	}
	return Unset
}

func (p *parser) exposedResource(e entry) ExposedResource {
	p.keys(e.value, exposedResourceKeys, exposedResourceSilent)
	r := ExposedResource{
		Span: e.span, Node: e.value, Name: e.name, URI: p.text(e.value, "path"),
		Parameters: p.parameters(e.value, Unset), Forward: some(e.value, "forward"),
	}
	if r.Forward != nil {
		p.keys(r.Forward, forwardKeys, "")
	}
	r.Operations = each(&p.mem.exposedOperations, p.entries(e.value, "operations", "operation", diag.Error), func(o entry) ExposedOperation { return p.exposedOperation(o, Unset) })
	return r
}

func (p *parser) exposedOperation(e entry, absent Tristate) ExposedOperation {
	p.keys(e.value, exposedOperationKeys, exposedOperationSilent)
	o := p.operation(e, absent)
	o.Content, o.HasContent = p.content(e.value, "content"), some(e.value, "content") != nil
	o.IsError, o.Icons = p.tristate(e.value, "isError", Unset), p.icons(e.value)
	o.InputSchema, o.OutputSchema = some(e.value, "inputSchema"), some(e.value, "outputSchema")
	o.OutputValidation = p.text(e.value, "outputValidation")
	return o
}

// operation reads what exposed operations, tools and flows have in common.
func (p *parser) operation(e entry, absent Tristate) ExposedOperation {
	return ExposedOperation{
		Span: e.span, Node: e.value, Name: e.name,
		Label: p.first(e.value, "label", "display", "title"), Description: p.first(e.value, "description", "summary"),
		Method: p.text(e.value, "method"), URI: p.text(e.value, "path"),
		Call: some(e.value, "call"), CallForm: firstValue(e.value, "calls", "operation"),
		With: p.named(some(e.value, "with")), Parameters: p.parameters(e.value, absent),
		Outputs: p.outputs(e.value), HasOutputs: some(e.value, "outputParameters") != nil,
		Hints: some(e.value, "hints"), Tags: p.texts(e.value, "tags"), Ref: p.text(e.value, "ref"),
		Steps: p.steps(e.value), HasSteps: some(e.value, "steps") != nil, Mappings: p.mappings(e.value),
		Responses: some(e.value, "responses"), Binary: some(e.value, "responseBinary"),
		Portable: p.tristate(e.value, "portable", Unset), MaxResult: p.text(e.value, "maxResultSize"),
		Asking: p.asking(e.value),
		Scopes: some(e.value, "scopes"),
	}
}
