package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// flowRef is a flow as operations refer to it.
type flowRef struct {
	namespace string
	flow      *spec.ExposedOperation
}

func (r *flowRef) name() string {
	if r.namespace == "" {
		return r.flow.Name.Value
	}
	return r.namespace + "." + r.flow.Name.Value
}

// flows lists every flow of the document. Those of one name are reported once.
func (c *compiler) flows() {
	seen := map[string]*spec.ExposedOperation{}
	for i := range c.doc.Aggregates {
		a := &c.doc.Aggregates[i]
		unit := diag.Unit{Adapter: a.Namespace.Value}
		for j := range a.Flows {
			r := flowRef{a.Namespace.Value, &a.Flows[j]}
			if first := seen[r.name()]; first != nil {
				f := faultf(diag.CodeDuplicateFlow, "", r.flow.Span, "flow %s is declared twice", r.name()).hintf("give one of them another name")
				f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
				unit.Name = r.flow.Name.Value
				c.refuse(unit, r.flow.Span, "the flow", f)
				continue
			}
			seen[r.name()] = r.flow
			c.flowRefs = append(c.flowRefs, r)
		}
	}
}

// flow finds the flow that a ref names.
func (c *compiler) flow(ref spec.Text, title string) (*flowRef, *fault) {
	var bare []*flowRef
	names := make([]string, len(c.flowRefs))
	for i := range c.flowRefs {
		r := &c.flowRefs[i]
		names[i] = r.name()
		if names[i] == ref.Value {
			return r, nil
		}
		if r.flow.Name.Value == ref.Value {
			bare = append(bare, r)
		}
	}
	if len(bare) == 1 {
		c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeApproximateName, "K3", ref.Span(), "ref %s is read as %s", ref.Value, bare[0].name()).
			hintf("write ref: %s", bare[0].name()))
		return bare[0], nil
	}
	f := faultf(diag.CodeUnknownFlow, "", ref.Span(), "%s refers to the flow %q, which is not declared", title, ref.Value)
	if near, ok := diag.Nearest(ref.Value, names); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	if len(names) == 0 {
		return nil, f.hintf("declare it in capability.aggregates")
	}
	return nil, f.hintf("the document has %s", someOf(names))
}

// enterFlow makes the operation run a flow. What the operation says itself wins: its with
// gives the flow's inputs values, its inputs and outputs replace those of the same name, its
// mappings replace the flow's.
func (d *draft) enterFlow() (*spec.ExposedOperation, *fault) {
	decl := d.x.decl
	r, f := d.c.flow(decl.Ref, d.x.title())
	if f != nil {
		return nil, f
	}
	if f := d.c.truncated(r.flow.Span, "flow "+r.name()); f != nil {
		return nil, f
	}
	if r.flow.Ref.IsSet() {
		return nil, faultf(diag.CodeUnknownFlow, "", r.flow.Ref.Span(), "flow %s refers to another flow, which flows cannot", r.name()).
			hintf("write the call or the steps of that flow into this one")
	}
	for key, own := range map[string]bool{"call": decl.Call != nil, "steps": decl.HasSteps} {
		if own {
			d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeAssumed, "K", decl.Node.Get(key).Span(), "%s of %s is ignored, since ref says what it runs", key, d.x.title()).
				hintf("leave out one of the two"))
		}
	}
	d.x.flow = r
	if f := d.bind(decl.With); f != nil {
		return nil, f
	}
	d.x.inherit(r.flow.Parameters, d.isBound)
	d.own = r.namespace

	run := *r.flow
	if len(decl.Mappings) > 0 {
		run.Mappings = decl.Mappings
	}
	if shapes(decl.Outputs) || len(run.Outputs) == 0 {
		run.Outputs = decl.Outputs
	}
	return &run, nil
}

// shapes reports whether outputs say where their values come from. Others only document what
// the flow gives.
func shapes(outputs []spec.Output) bool {
	for i := range outputs {
		if o := &outputs[i]; o.HasMapping || o.Value != nil || o.Const != nil || shapes(o.Properties) {
			return true
		}
	}
	return false
}

// inherit adds the inputs of a flow that the operation neither declares nor binds.
func (x *exposed) inherit(params []spec.Parameter, isBound func(string) bool) {
	have := make([]string, len(x.declared))
	for i := range x.declared {
		have[i] = x.declared[i].name
	}
	var missing []spec.Parameter
	for i := range params {
		name := params[i].Name.Value
		if _, ok := matchName(name, have); !ok && !isBound(name) {
			missing = append(missing, params[i])
		}
	}
	x.declare(missing)
}

// semantics are what a flow says of its effects.
func (r *flowRef) semantics(a *Annotations, bad func(*spec.Value, string)) {
	is := func(key string) (value, ok bool) {
		v := r.flow.Semantics.Get(key)
		switch {
		case v == nil || v.Kind == spec.Null:
			return false, false
		case v.Kind != spec.Bool:
			bad(v, key)
			return false, false
		}
		return strings.EqualFold(v.Text, "true"), true
	}
	if safe, ok := is("safe"); ok {
		a.ReadOnly = safe
		if safe {
			a.Destructive, a.Idempotent = false, true
		}
	}
	if idempotent, ok := is("idempotent"); ok {
		a.Idempotent = idempotent
	}
}
