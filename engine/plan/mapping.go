package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// stepOutputs compiles what is made of the steps: an object by mappings, the last step's
// answer through outputParameters, or that answer as it is.
func (d *draft) stepOutputs(run *spec.ExposedOperation) *fault {
	d.out.last = len(run.Steps) - 1
	for d.out.last >= 0 && saysOnly(d.out.steps[d.out.last]) {
		d.out.last--
	}
	if len(run.Mappings) == 0 {
		if !shapes(run.Outputs) {
			return nil
		}
		b := d.newBuilder(nil, nil)
		b.answers = d.out.last >= 0
		if b.answers {
			d.steps.facts[d.out.last].read = true
		}
		return b.readOutputs()
	}
	b := d.newBuilder(nil, nil)
	root := &output{kind: outputObject}
	for i := range run.Mappings {
		m := &run.Mappings[i]
		if f := b.mapping(root, m, run.Outputs); f != nil {
			return f
		}
	}
	d.out.output, d.out.last = root, -1
	return nil
}

// saysOnly reports whether nothing comes of a step.
func saysOnly(s step) bool {
	_, only := s.(*remarkStep)
	return only
}

// mapping compiles one mapping and puts it at its target.
func (b *builder) mapping(root *output, m *spec.StepMapping, declared []spec.Output) *fault {
	path := strings.Split(strings.TrimPrefix(m.Target.Value, "$."), ".")
	if m.Target.Value == "" || slices.Contains(path, "") {
		return faultf(diag.CodeStep, "", placeOr(m.Target.Span(), m.Span), "a mapping of %s has no usable target", b.x.title()).
			hintf("write target: member, or member.member for a nested one")
	}
	if m.Value == nil || m.Value.Kind == spec.Null {
		return faultf(diag.CodeStep, "", m.Span, "the mapping to %s has no value", m.Target.Value).hintf("write value: $.step.member")
	}
	x, f := b.value(m.Value, false)
	if f != nil {
		return f
	}
	b.noteInputs(x, nil)
	leaf := constantOf(x, "", 0)
	if o := declaredOutput(declared, path); o != nil {
		leaf = constantOf(x, jsonType(o.Type.Value), o.MaxLength)
		b.outputDecl(leaf, o)
		if x.kind == exprResult {
			i := int(x.index)
			b.steps.sample(i, b.steps.projected(i, x.detail.path.Names()), leaf.typ.String())
		}
	}
	leaf.omit = true
	if !root.put(path, leaf) {
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "", m.Target.Span(), "target %s was filled by a mapping before, which is ignored", m.Target.Value).
			hintf("give each mapping a target of its own"))
	}
	return nil
}

// declaredOutput finds the output that is declared for a target.
func declaredOutput(outputs []spec.Output, path []string) *spec.Output {
	for i := range outputs {
		o := &outputs[i]
		if o.Name.Value != path[0] {
			continue
		}
		if len(path) == 1 {
			return o
		}
		return declaredOutput(o.Properties, path[1:])
	}
	return nil
}

// put sets a part at a path of nested objects. What stands in the way is replaced, and the
// result is false.
func (o *output) put(path []string, leaf *output) (fresh bool) {
	i := -1
	if o.made != nil {
		i = slices.Index(o.made.names, path[0])
	}
	fresh = i < 0
	if fresh {
		i = len(o.parts())
		o.addPart(path[0], nil)
	}
	part := &o.made.list[i]
	if len(path) == 1 {
		*part = leaf
		return fresh
	}
	if fresh || (*part).kind != outputObject {
		*part = &output{kind: outputObject, omit: true}
		(*part).put(path[1:], leaf)
		return fresh
	}
	return (*part).put(path[1:], leaf)
}
