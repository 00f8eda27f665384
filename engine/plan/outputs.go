package plan

import (
	"encoding/json"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// isConstant reports whether outputs say the answer without an upstream: at least one has a
// value and none a mapping.
func isConstant(outputs []spec.Output) bool {
	some := false
	for i := range outputs {
		has, none := constantOutput(&outputs[i])
		if none {
			return false
		}
		some = some || has
	}
	return some
}

// constantOutput reports whether an output, or a part of it, has a value, and whether one
// has a mapping.
func constantOutput(o *spec.Output) (has, mapped bool) {
	if o.HasMapping {
		return false, true
	}
	has = o.Value != nil || o.Const != nil
	parts := o.Properties
	if o.Items != nil {
		parts = append(parts[:len(parts):len(parts)], *o.Items)
	}
	for i := range parts {
		h, m := constantOutput(&parts[i])
		has, mapped = has || h, mapped || m
	}
	return has, mapped
}

// isConstantList reports whether a list is one element that the document holds.
func isConstantList(o *spec.Output) bool {
	if o.HasMapping || o.Items == nil {
		return false
	}
	has, mapped := constantOutput(o.Items)
	return has && !mapped
}

// readOutputs compiles the exposed outputParameters (contract R).
func (b *builder) readOutputs() *fault {
	outs := b.shape
	if len(outs) == 0 {
		return nil
	}
	named := len(outs) > 1
	for i := range outs {
		named = named && outs[i].Name.Value != ""
	}
	var parts []*output
	for i := range outs {
		o, f := b.output(&outs[i], true)
		if f != nil {
			return f
		}
		parts = append(parts, o)
	}
	switch {
	case len(outs) == 1 && parts[0] == nil:
		return nil // the whole body, unread
	case len(outs) == 1 && !(!b.answers && outs[0].Name.Value != ""):
		b.out.output = parts[0]
	case named || !b.answers && len(outs) == 1:
		b.out.output = &output{kind: outputObject}
	default:
		b.out.output = &output{kind: outputFirst}
	}
	if b.out.output != parts[0] {
		for i, p := range parts {
			if p == nil {
				p = &output{kind: outputPath}
			}
			b.out.output.addPart(outs[i].Name.Value, p)
		}
	}
	if b.op == nil {
		return nil
	}
	var f *fault
	b.out.reading, f = b.c.reading(b.op, b.heads, b.out.output)
	return f
}

// output compiles one entry; nil stands for the whole value, untouched.
func (b *builder) output(o *spec.Output, top bool) (*output, *fault) {
	out, f := b.ownValue(o)
	if out == nil && f == nil {
		out, f = b.mappedOutput(o, top)
	}
	b.outputDecl(out, o)
	return out, f
}

// ownValue compiles an output whose value stands in the document; nil when it does not.
func (b *builder) ownValue(o *spec.Output) (*output, *fault) {
	typ := jsonType(o.Type.Value)
	constant := o.Value
	if constant == nil {
		constant = o.Const
	}
	switch {
	case o.HasMapping || b.answers && isMappingText(constant):
		return nil, nil
	case constant != nil:
		x, f := b.dataValue(constant)
		if f != nil {
			return nil, f
		}
		b.noteInputs(x, nil)
		b.judgeConstant(constant, &x, typ)
		return constantOf(x, typ, o.MaxLength), nil
	case isConstantList(o):
		items, f := b.output(o.Items, false)
		return &output{kind: outputOne, items: items}, f
	case !b.answers && !o.HasProps:
		return &output{kind: outputConst, literal: b.c.kept.expression(expression{kind: exprLiteral}), typ: valueTypeOf(typ)}, nil // null
	}
	return nil, nil
}

// constantOf gives an output that the document holds. One that no call changes gets its
// declared type here; of another type it stays as it is written, and so says its schema.
func constantOf(x expression, typ string, most int) *output {
	if x.kind == exprLiteral {
		x.literal, typ = constantValue(x.literal, typ), ""
	}
	return &output{kind: outputConst, literal: &x, typ: valueTypeOf(typ), max: most}
}

// constantValue gives a value of the document in its declared type, if it spells one.
func constantValue(v any, typ string) any {
	if n, ok := v.(json.Number); ok && typ == "string" {
		return string(n)
	}
	if _, ok := v.(bool); ok && typ == "string" {
		return textOf(v)
	}
	return convertText(v, typ)
}

// isMappingText reports whether a value is written as a mapping is.
func isMappingText(v *spec.Value) bool {
	if v == nil || v.Kind != spec.String {
		return false
	}
	return v.Text == "$" || strings.HasPrefix(v.Text, "$.") || strings.HasPrefix(v.Text, "$[")
}

// judgeConstant reports a value that is not of its declared type.
func (b *builder) judgeConstant(v *spec.Value, x *expression, typ string) {
	if x.kind != exprLiteral || typ == "" {
		return
	}
	if raw := appendJSON(nil, constantValue(x.literal, typ)); !fits(raw, typ) {
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeOutput, "R1", v.Span(), "the value is not of its declared type %s", typ).
			hintf("write another value, or another type"))
	}
}

// mappedOutput compiles an entry that is read from an answer.
func (b *builder) mappedOutput(o *spec.Output, top bool) (*output, *fault) {
	mapping := o.Mapping
	if !o.HasMapping && isMappingText(o.Value) {
		mapping = o.Value.AsText()
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "R1", mapping.Span(), "value %s is read as a mapping", mapping.Value).hintf("write mapping: %s", mapping.Value).
			mendedBy(func() []diag.Edit { return o.Node.RenameKey("value", "mapping") }))
	}
	path, err := expr.ParseJSONPath(mapping.Value)
	if err != nil {
		return nil, faultf(diag.CodeOutput, "R1", mapping.Span(), "%s", err.Error()).hintf("write a path such as $.data.items")
	}
	typ := jsonType(o.Type.Value)
	out := &output{kind: outputPath, typ: valueTypeOf(typ), max: o.MaxLength}
	if !path.IsWhole() {
		out.path = path
		b.sample(path, typ)
	} else if o.HasMapping {
		out.path = path
	}
	var room [8]string
	defer b.below(path.AppendNames(room[:0])...)()
	switch {
	case o.HasProps && len(o.Properties) > 0:
		return out, b.objectOutput(out, o)
	case o.Values != nil:
		return out, b.memberOutput(out, o)
	case o.Items != nil:
		defer b.below("")()
		items, f := b.output(o.Items, false)
		if f != nil {
			return nil, f
		}
		if items != nil {
			out.kind, out.items, out.xml = outputList, items, b.readsXML()
			return out, nil
		}
	}
	if typ == "array" && !path.IsWhole() && b.readsXML() {
		out.kind, out.items, out.xml = outputList, &output{kind: outputPath}, true
		return out, nil
	}
	if path.IsWhole() && out.max == 0 && (top || !o.HasMapping) {
		return nil, nil
	}
	return out, nil
}

// memberOutput maps the members of an object, whatever their names, in one way.
func (b *builder) memberOutput(out *output, o *spec.Output) *fault {
	defer b.below("")()
	each, f := b.output(o.Values, false)
	if each == nil {
		each = &output{kind: outputPath}
	}
	out.kind, out.items = outputMembers, each
	return f
}

func (b *builder) objectOutput(out *output, o *spec.Output) *fault {
	out.kind = outputObject
	for i := range o.Properties {
		p := &o.Properties[i]
		if !p.HasMapping && p.Items != nil && !isConstantList(p) {
			list := *p
			list.Mapping, list.HasMapping = p.Name, true // it is read from the member of its own name
			p = &list
		}
		part, f := b.output(p, false)
		if f != nil {
			return f
		}
		if part == nil {
			// A member that says nothing of its origin is the member of its own name.
			path, err := expr.ParseJSONPath("$['" + p.Name.Value + "']")
			if err != nil {
				continue
			}
			part = &output{kind: outputPath, path: path, typ: valueTypeOf(jsonType(p.Type.Value)), max: p.MaxLength}
			b.outputDecl(part, p)
			b.sample(path, jsonType(p.Type.Value))
		}
		out.addPart(p.Name.Value, part)
	}
	return nil
}

// below says that mappings compiled until the returned function is called read below that
// place of the answer.
func (b *builder) below(names ...string) func() {
	n := len(b.readAt)
	b.readAt = append(b.readAt, names...)
	return func() { b.readAt = b.readAt[:n] }
}

// sample notes a place that the mappings read.
func (b *builder) sample(path *expr.JSONPath, typ string) {
	if b.call != nil && b.c.samples {
		n := len(b.readAt)
		b.readAt = path.AppendNames(b.readAt)
		b.call.samples = append(b.call.samples, Sample{Path: exactly(b.readAt), Type: typ})
		b.readAt = b.readAt[:n]
	}
}

func (o *output) expressions(visit func(*expression)) {
	if o.literal != nil {
		o.literal.walk(visit)
	}
	for _, p := range o.parts() {
		p.expressions(visit)
	}
	if o.items != nil {
		o.items.expressions(visit)
	}
}
