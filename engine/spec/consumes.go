package spec

import (
	"slices"

	"capd/engine/diag"
)

func (p *parser) consumes(d *Document, part *Value) {
	section := some(part, "consumes")
	if section != nil && slices.ContainsFunc(section.Items, isString) {
		// A file name in place of an entry is an import of that file.
		inline := *section
		inline.Items = nil
		for _, item := range section.Items {
			if isString(item) {
				d.Imports = append(d.Imports, p.importEntry(entry{value: item}, "consumes", len(d.Consumes)))
			} else {
				inline.Items = append(inline.Items, item)
			}
		}
		section = &inline
	}
	entries := p.collection(section, "consumes", "consumed API", diag.Warning)
	if d.Consumes == nil {
		d.Consumes = p.mem.consumed.take(len(entries))[:0]
	}
	for _, e := range entries {
		if isImport(e.value, "baseUri", "targetUri", "resources") {
			d.Imports = append(d.Imports, p.importEntry(e, "consumes", len(d.Consumes)))
			continue
		}
		d.Consumes = append(d.Consumes, p.consumed(e))
	}
}

func isString(v *Value) bool { return v.Kind == String }

func (p *parser) consumed(e entry) Consumed {
	p.keys(e.value, consumedKeys, consumedSilent)
	c := Consumed{
		Span: e.span, Node: e.value,
		Type: p.text(e.value, "type"), Namespace: p.first(e.value, "namespace", "name"),
		BaseURI: p.first(e.value, "baseUri", "targetUri"), Description: p.text(e.value, "description"),
		Auth: p.authentication(e.value), Parameters: p.parameters(e.value, Unset),
		Transport: some(e.value, "transport"), Resilience: some(e.value, "resilience"), Tunnel: some(e.value, "tunnel"),
	}
	c.HasBaseURI = c.BaseURI.IsSet()
	if !c.Namespace.IsSet() {
		c.Namespace = e.name
	}
	c.Resources = each(&p.mem.consumedResources, p.entries(e.value, "resources", "resource", diag.Warning), p.consumedResource)
	return c
}

func (p *parser) consumedResource(e entry) ConsumedResource {
	p.keys(e.value, consumedResourceKeys, consumedResourceSilent)
	r := ConsumedResource{
		Span: e.span, Name: e.name, URI: p.text(e.value, "path"), Parameters: p.parameters(e.value, Unset),
	}
	r.HasURI = r.URI.IsSet()
	r.Operations = each(&p.mem.consumedOperations, p.entries(e.value, "operations", "operation", diag.Warning), p.consumedOperation)
	return r
}

func (p *parser) consumedOperation(e entry) ConsumedOperation {
	p.keys(e.value, consumedOperationKeys, consumedOperationSilent)
	o := ConsumedOperation{
		Span: e.span, Node: e.value, Name: e.name,
		ID: p.text(e.value, "id"), Method: p.text(e.value, "method"), URI: p.text(e.value, "path"),
		Description: p.first(e.value, "description", "summary"), RawFormat: p.text(e.value, "outputRawFormat"),
		Parameters: p.parameters(e.value, Unset), Outputs: p.outputs(e.value),
		Body: p.named(e.value.Get("body")), Auth: p.authentication(e.value), Transport: some(e.value, "transport"), Resilience: some(e.value, "resilience"),
		OutputSchema: p.text(e.value, "outputSchema"), MediaType: p.text(e.value, "outputMediaType"), MaxBinary: p.text(e.value, "maxBinarySize"),
	}
	o.HasURI = o.URI.IsSet()
	o.PathSpan = o.URI.Span()
	return o
}

// parameters reads inputParameters. What is not said about required is absent.
func (p *parser) parameters(v *Value, absent Tristate) []Parameter {
	return each(&p.mem.parameters, p.entries(v, "inputParameters", "parameter", diag.Warning), func(e entry) Parameter {
		if p.keys(e.value, parameterKeys, parameterSilent) {
			p.unheard(e.value, parameterUnheard)
		}
		return Parameter{
			Span: e.span, Node: e.value, Name: e.name,
			In: p.text(e.value, "in"), Type: p.typeName(e.value), Description: p.text(e.value, "description"),
			Pattern: p.text(e.value, "pattern"), Required: p.tristate(e.value, "required", absent),
			Value: firstValue(e.value, "value", "template", "const"), Default: some(e.value, "default"),
			Enum: p.enum(e.value), Items: some(e.value, "items"), Properties: some(e.value, "properties"),
		}
	})
}

func firstValue(v *Value, keys ...string) *Value {
	for _, key := range keys {
		if child := some(v, key); child != nil {
			return child
		}
	}
	return nil
}

func (p *parser) enum(v *Value) []*Value {
	enum := some(v, "enum")
	if enum == nil {
		return nil
	}
	if enum.Kind != List {
		p.wrongType(enum, "enum", "a list of values")
		return nil
	}
	return enum.Items
}

// outputs reads outputParameters.
func (p *parser) outputs(v *Value) []Output {
	return each(&p.mem.outputs, p.entries(v, "outputParameters", "output parameter", diag.Warning), p.output)
}

func (p *parser) output(e entry) Output {
	if p.keys(e.value, outputKeys, outputSilent) {
		p.unheard(e.value, outputUnheard)
	}
	o := Output{
		Span: e.span, Node: e.value, Name: e.name, Type: p.typeName(e.value), Mapping: p.text(e.value, "mapping"),
		Description: p.text(e.value, "description"),
		Value:       some(e.value, "value"), Const: some(e.value, "const"), HasProps: some(e.value, "properties") != nil,
		MaxLength: p.integer(e.value, "maxLength", 0, maxBytes),
	}
	o.HasMapping = o.Mapping.IsSet()
	o.Properties = each(&p.mem.outputs, p.entries(e.value, "properties", "property", diag.Warning), p.output)
	if items := some(e.value, "items"); items != nil {
		o.Items = p.items(e.value, items)
	}
	if values := some(e.value, "values"); values != nil {
		if values.Kind != Map {
			p.wrongType(values, "values", "a mapping")
		} else {
			o.Values = p.element(values)
		}
	}
	return o
}

// items reads what the elements of an array are: one output or, in the orchestrated form,
// several named ones, which are the members of an object.
func (p *parser) items(parent, items *Value) *Output {
	switch {
	case items.Kind == List && len(items.Items) == 1 && !p.text(items.Items[0], "name").IsSet():
		items = items.Items[0]
	case items.Kind == List || items.Kind == Map && len(items.Members) > 0 && allMaps(items):
		members := each(&p.mem.outputs, p.entries(parent, "items", "item", diag.Warning), p.output)
		return &Output{Span: items.Span(), Node: items, HasProps: true, Properties: members}
	}
	if items.Kind != Map {
		p.wrongType(items, "items", "a mapping")
		return nil
	}
	return p.element(items)
}

// element reads what all elements of a collection are.
func (p *parser) element(v *Value) *Output {
	out := p.mem.outputs.take(1)
	out[0] = p.output(entry{value: v, span: v.Span()})
	return &out[0]
}

// allMaps reports whether every member of a mapping is one, as in a map of named outputs.
func allMaps(v *Value) bool {
	for _, m := range v.Members {
		if m.Value.Kind != Map || m.Key.Value == "properties" || m.Key.Value == "items" {
			return false
		}
	}
	return true
}
