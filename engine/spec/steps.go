package spec

import "capd/engine/diag"

// steps reads the steps of an orchestration.
func (p *parser) steps(v *Value) []Step {
	return each(&p.mem.steps, p.entries(v, "steps", "step", diag.Error), func(e entry) Step {
		if p.keys(e.value, stepKeys, stepSilent) {
			p.unheard(e.value, stepUnheard)
		}
		return Step{
			Span: e.span, Node: e.value, Name: e.name, Type: p.text(e.value, "type"),
			Call: some(e.value, "call"), With: p.named(some(e.value, "with")),
			Index: p.text(e.value, "index"), Match: p.text(e.value, "match"), LookupValue: some(e.value, "lookupValue"),
			Fields:   p.texts(e.value, "outputParameters"),
			Language: p.text(e.value, "language"), Location: p.text(e.value, "location"), File: p.text(e.value, "file"),
			Dependencies: p.texts(e.value, "dependencies"), Log: p.log(e.value),
		}
	})
}

// log reads what a step says.
func (p *parser) log(step *Value) *Value {
	v := some(step, "log")
	if v != nil && v.Kind == Map {
		p.keys(v, logKeys, "")
	}
	return v
}

// mappings reads the mappings of an orchestration. "targetName" became "target" in
// 1.0.0-alpha3.
func (p *parser) mappings(v *Value) []StepMapping {
	list := some(v, "mappings")
	if list == nil {
		return nil
	}
	if list.Kind != List {
		p.wrongType(list, "mappings", "a list of mappings with target and value")
		return nil
	}
	out := p.mem.mappings.take(len(list.Items))[:0]
	for _, item := range list.Items {
		if item.Kind != Map {
			p.dropped(item, "mapping", diag.Error)
			continue
		}
		p.keys(item, mappingKeys, mappingSilent)
		out = append(out, StepMapping{Span: item.Span(), Node: item, Target: p.first(item, "target", "targetName"), Value: item.Get("value")})
	}
	return out
}

// aggregates reads flows, which were called functions before 1.0.0-alpha3.
func (p *parser) aggregates(d *Document, part *Value) {
	for _, e := range p.entries(part, "aggregates", "aggregate", diag.Error) {
		if isImport(e.value, "flows", "functions") {
			d.Imports = append(d.Imports, p.importEntry(e, "aggregates", len(d.Aggregates)))
			continue
		}
		d.Aggregates = append(d.Aggregates, p.aggregate(e))
	}
}

func (p *parser) aggregate(e entry) Aggregate {
	p.keys(e.value, aggregateKeys, aggregateSilent)
	a := Aggregate{Span: e.span, Node: e.value, Namespace: p.text(e.value, "namespace"), Label: p.first(e.value, "label", "display", "title")}
	if !a.Namespace.IsSet() {
		a.Namespace = e.name
	}
	if p.adapter = a.Namespace.Value; p.adapter == "" {
		p.adapter = a.Node.Path()
	}
	for _, key := range [...]string{"flows", "functions"} {
		for _, f := range p.entries(e.value, key, "flow", diag.Error) {
			p.keys(f.value, flowKeys, exposedOperationSilent)
			flow := p.operation(f, p.required())
			flow.Semantics, flow.MediaType = some(f.value, "semantics"), p.text(f.value, "outputMediaType")
			a.Flows = append(a.Flows, flow)
		}
	}
	return a
}
