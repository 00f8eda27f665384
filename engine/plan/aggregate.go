package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// flowRef is a flow as operations refer to it.
type flowRef struct {
	namespace string
	own       string // the namespace by which the flow names its inputs
	flow      *spec.ExposedOperation
}

func (r *flowRef) name() string {
	if r.namespace == "" {
		return r.flow.Name.Value
	}
	return r.namespace + "." + r.flow.Name.Value
}

func (r *flowRef) title() string { return "flow " + r.name() }

// flows lists every flow of the document. Those of one name are reported once.
func (c *compiler) flows() {
	seen := map[string]*spec.ExposedOperation{}
	for i := range c.doc.Aggregates {
		a := &c.doc.Aggregates[i]
		unit := diag.Unit{Adapter: a.Namespace.Value}
		for j := range a.Flows {
			r := flowRef{a.Namespace.Value, a.Own(), &a.Flows[j]}
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
	if f := d.c.truncated(r.flow.Span, r.title); f != nil {
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
	d.own = r.own

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

// semantics reads what a flow says of its effects. A part that it does not say is unset.
func (r *flowRef) semantics(key string) spec.Tristate {
	v := r.flow.Semantics.Get(key)
	switch {
	case v == nil || v.Kind != spec.Bool:
		return spec.Unset
	case strings.EqualFold(v.Text, "true"):
		return spec.True
	}
	return spec.False
}

// annotate takes over what the flow says of its effects (language reference 9.2).
func (r *flowRef) annotate(a *Annotations) {
	if safe := r.semantics("safe"); safe != spec.Unset {
		a.ReadOnly = safe == spec.True
		if a.ReadOnly {
			a.Destructive, a.Idempotent = false, true
		}
	}
	if idempotent := r.semantics("idempotent"); idempotent != spec.Unset {
		a.Idempotent = idempotent == spec.True
	}
}

// judgeSemantics reports what contradicts the effects that a flow declares: the hints of a
// tool, or the method of a REST operation.
func (c *compiler) judgeSemantics(x *exposed) {
	if x.flow == nil {
		return
	}
	for _, key := range []string{"safe", "idempotent", "cacheable"} {
		if v := x.flow.flow.Semantics.Get(key); v != nil && v.Kind != spec.Bool && v.Kind != spec.Null {
			c.note(diag.Warning, x.unit, faultf(diag.CodeHints, "", v.Span(), "%s of flow %s is not true or false; it is ignored", key, x.flow.name()))
		}
	}
	safe, idempotent := x.flow.semantics("safe"), x.flow.semantics("idempotent")
	against := func(at diag.Span, what, key string) {
		f := faultf(diag.CodeHints, "", at, "%s of %s contradicts %s of flow %s", what, x.title(), key, x.flow.name()).
			hintf("change one of the two: clients decide by them whether they may call again")
		if v := x.flow.flow.Semantics.Get(key); v != nil {
			f.related = []diag.Related{{Span: v.Span(), Message: "the flow says " + key + ": " + v.Text}}
		}
		c.note(diag.Warning, x.unit, f)
	}
	hint := func(key string, contradicts bool, is, of string) {
		if v := x.decl.Hints.Get(key); v != nil && contradicts && strings.EqualFold(v.Text, is) {
			against(v.Span(), key+": "+is, of)
		}
	}
	hint("readOnly", safe == spec.True, "false", "safe")
	hint("destructive", safe == spec.True, "true", "safe")
	hint("readOnly", safe == spec.False, "true", "safe")
	hint("idempotent", idempotent == spec.True, "false", "idempotent")
	hint("idempotent", idempotent == spec.False, "true", "idempotent")
	if x.kind != REST {
		return
	}
	at := placeOr(x.decl.Method.Span(), x.decl.Span)
	switch {
	case safe == spec.True && x.method != "GET":
		against(at, "method "+x.method, "safe")
	case safe == spec.False && x.method == "GET":
		against(at, "method GET", "safe")
	case idempotent == spec.True && x.method == "POST":
		against(at, "method POST", "idempotent")
	}
}

// nameOf gives the name of an operation; one that has none is called like the flow it runs.
func (c *compiler) nameOf(decl *spec.ExposedOperation) string {
	if decl.Name.Value != "" || !decl.Ref.IsSet() {
		return decl.Name.Value
	}
	for i := range c.flowRefs {
		if c.flowRefs[i].name() == decl.Ref.Value {
			return c.flowRefs[i].flow.Name.Value
		}
	}
	return ""
}
