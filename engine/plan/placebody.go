package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// placeBody decides what the body is made of (contract B).
func (b *builder) placeBody() *fault {
	body := b.call.body
	decl := &b.op.body
	var params []*slot
	for _, s := range b.slots {
		if s.in == "body" {
			params = append(params, s)
		}
	}
	if decl.data == nil && len(params) == 0 && !b.isImplicit() {
		return nil
	}
	var f *fault
	if body.format, body.contentType, f = decl.format(); f != nil {
		return f
	}
	switch {
	case decl.data != nil:
		return b.templateBody(params)
	case len(params) > 0:
		return b.paramBody(params)
	}
	b.implicitBody()
	return nil
}

// templateBody: data decides the body (B1, B2, B2b).
func (b *builder) templateBody(params []*slot) *fault {
	body, data := b.call.body, b.op.body.data
	if body.format == formatMultipart && data.Kind == spec.List {
		return b.multipartParts(data)
	}
	if (body.format == formatText || body.format == formatBinary) && data.Kind == spec.Map && len(data.Members) == 1 {
		data = data.Members[0].Value
	}
	x, f := b.bodyValue(data)
	if f != nil {
		return f
	}
	body.template = &x
	b.why.template("", data)
	if body.format == formatJSON {
		switch x.kind {
		case exprObject:
			body.empty = "{}"
		case exprList:
			body.empty = "[]"
		}
	}
	for _, s := range params {
		if b.isVar(s.name) {
			b.require(s, b.varSource(s.name))
			continue
		}
		if whole := b.op.body.data; whole.Kind == spec.Map && whole.Get(s.name) != nil {
			continue
		}
		if !x.canBeObject() || body.format == formatText || body.format == formatBinary {
			return faultf(diag.CodeParameter, "B2b", s.span(), "body parameter %s has no place in the body of %s, which is no mapping", s.name, b.op.label()).
				hintf("use it in the body's data: {{%s}}", s.name)
		}
		v, f := b.source(s)
		if f != nil {
			return f
		}
		b.require(s, v)
		b.why.slot(PartBody, "B2b", s, &v)
		body.members = append(body.members, member{s.name, v})
	}
	return nil
}

// paramBody: the body is made of in:body parameters (B3).
func (b *builder) paramBody(params []*slot) *fault {
	body := b.call.body
	if len(params) == 1 {
		s := params[0]
		if x, ok := b.wholeBody(s); ok {
			if b.isInbound(&x) {
				b.noteInputs(x, s)
				b.passInbound(s)
				b.why.inbound("B3", s.span())
				return nil
			}
			if x.kind == exprInput {
				x.typ = valueTypeOf(s.typ)
			}
			b.noteInputs(x, s)
			b.require(s, x)
			b.why.body("B3", &x, b.why.of(s))
			body.whole = &x
			return nil
		}
	}
	for _, s := range params {
		x, f := b.source(s)
		if f != nil {
			return f
		}
		b.require(s, x)
		if (body.format == formatText || body.format == formatBinary) && len(params) == 1 {
			b.why.body("B3", &x, b.why.of(s))
			body.whole = &x // a one-member mapping stands for its value (B6)
			return nil
		}
		b.why.slot(PartBody, "B3", s, &x)
		body.members = append(body.members, member{s.name, x})
	}
	return nil
}

// wholeBody gives the value of a sole in:body parameter that is the body itself.
func (b *builder) wholeBody(s *slot) (expression, bool) {
	if fed, ok := b.feeds.get(s); ok {
		if s.name == "body" || b.isBodyInput(&fed) {
			return fed, true
		}
		return expression{}, false
	}
	if s.name != "body" || s.own != nil && s.own.Kind != spec.Null {
		return expression{}, false
	}
	if b.x.kind == REST {
		return b.inputExpr("body", []lookup{{kind: lookBody, name: "body"}}), true
	}
	return b.byName("body", "body"), true
}

// isInbound reports whether the value is the body of a REST request and nothing else, so
// that it can be sent on unread. Steps may need it more than once, so they read it.
func (b *builder) isInbound(x *expression) bool { return b.steps == nil && b.isRequestBody(x) }

// isRequestBody reports whether the value is the body of a REST request and nothing else.
func (b *builder) isRequestBody(x *expression) bool {
	if x.kind != exprInput {
		return false
	}
	l := b.inputs[x.index].lookups
	return len(l) == 1 && l[0].kind == lookBody
}

// passInbound sends the caller's body on as it comes, so that it need not be read here.
func (b *builder) passInbound(s *slot) {
	b.leaveUnread()
	b.call.body.inbound = true
	b.out.usesInbound = true
	b.out.formAsJSON = b.call.body.format == formatJSON
	if s.required {
		b.out.needsBody = s.name
	}
}

// leaveUnread drops the input that only says that the body is the caller's own, so that the
// body is not read for it. An input that something placed before uses as well is kept.
func (b *builder) leaveUnread() {
	used := map[int]bool{}
	b.call.expressions(func(x *expression) {
		if x.kind == exprInput {
			used[int(x.index)] = true
		}
	})
	for i := range b.inputs {
		if l := b.inputs[i].lookups; len(l) == 1 && l[0].kind == lookBody && !used[i] {
			b.inputs[i].lookups = nil
		}
	}
}

// isBodyInput reports whether a with value is exactly rest.body or tools.body.
func (b *builder) isBodyInput(x *expression) bool {
	if b.x.kind == REST {
		return b.isRequestBody(x)
	}
	return x.kind == exprInput && b.inputs[x.index].name == "body"
}

// implicitBody: nothing says what the body is, so the caller does (B4, B5).
func (b *builder) implicitBody() {
	body := b.call.body
	body.fallback = b.op.body.fallback
	body.members = b.extra
	for _, m := range b.extra {
		b.noteInputs(m.value, nil)
		b.why.pair(PartBody, m.name, &m.value)
	}
	switch {
	case b.whole != nil && !b.isInbound(b.whole):
		b.noteInputs(*b.whole, nil)
		b.why.bodyFromWith(b.whole)
		body.whole = b.whole
	case b.steps != nil: // what no step says is not sent
	case b.x.kind == REST:
		b.leaveUnread()
		body.inbound = true
		b.out.usesInbound = true
		b.out.mergesInbound = len(b.extra) > 0
		b.why.inbound("B4", b.op.decl.Span)
		return
	default:
		x := b.argument("body")
		b.implicit = &property{name: "body", typ: "object", description: "The request body (JSON)."}
		body.whole = &x
		b.why.body("B4", &x, cause{"B4", b.op.decl.Span})
	}
	if b.x.kind != REST && b.steps == nil {
		b.inputsAsMembers()
	}
}

// inputsAsMembers sends declared inputs of a tool that fit nowhere else as members of an
// implicit body (B4).
func (b *builder) inputsAsMembers() {
	for i := range b.x.declared {
		d := &b.x.declared[i]
		if b.isReached(d.name) || b.excused.has(expr.Fold(d.name)) {
			continue
		}
		x := b.argument(d.name)
		x.typ = valueTypeOf(d.typ)
		b.call.body.members = append(b.call.body.members, member{d.name, x})
		b.why.member(d, &x)
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "B4", d.param.Span, "input %s of %s is no parameter of %s; it is sent as a member of the JSON body", d.name, b.x.title(), b.op.label()).
			hintf("declare it: inputParameters: [{name: %s, in: body}]", d.name))
	}
}

// varWord compiles a word of a template of the consumed operation's own. What with feeds it
// comes before what came of a step.
func (b *builder) varWord(name string, isInput bool, at diag.Span) (expression, *fault) {
	if _, fed := b.varFeeds.get(name); !fed && !isInput && b.isStepName(name) {
		return b.stepResult(name, at)
	}
	return b.varSource(name), nil
}

// varSource gives the value of a template variable: from with, else the input of its name
// (B2). A declared in:body parameter of the name gives its type.
func (b *builder) varSource(name string) expression {
	x, fed := b.varFeeds.get(name)
	switch {
	case fed:
	case name == "body" && b.x.kind == REST && !b.bodyIsOneOfSeveral():
		x = b.inputExpr(name, []lookup{{kind: lookMember, name: name}, {kind: lookBody, name: name}})
	default:
		x = b.byName("body", name)
	}
	for _, s := range b.slots {
		if s.in == "body" && s.name == name {
			if x.kind == exprInput {
				x.typ = valueTypeOf(s.typ)
			}
			b.noteInputs(x, s)
			return x
		}
	}
	b.noteInputs(x, nil)
	return x
}

// bodyValue compiles the body template. When it is one string, its values are encoded for the
// language it is written in.
func (b *builder) bodyValue(v *spec.Value) (expression, *fault) {
	if v.Kind != spec.String {
		return b.dataValue(v)
	}
	mediaType := b.call.body.contentType
	for _, s := range b.slots {
		if s.in == "header" && strings.EqualFold(s.name, "Content-Type") && s.own != nil && b.op.body.typ.Value == "" {
			mediaType = s.own.AsText().Value
		}
	}
	return b.dataString(v.AsText(), dialectOf(mediaType))
}

// dataValue compiles a piece of a body template, or a parameter's own value.
func (b *builder) dataValue(v *spec.Value) (expression, *fault) {
	return compose(v, func(t spec.Text) (expression, *fault) { return b.dataString(t, 0) })
}

// dataString compiles a string of a body; in is the language the string is written in.
func (b *builder) dataString(t spec.Text, in dialect) (expression, *fault) {
	var room [4]expr.Part
	tpl := expr.Template{Parts: expr.AppendTemplate(room[:0], t.Value)}
	parts, f := b.templateParts(t, tpl, b.varWord)
	switch {
	case f != nil:
		return expression{}, f
	case len(parts) == 0:
		return literalExpr(""), nil
	case len(parts) == 1 && parts[0].kind != exprLiteral:
		return parts[0], nil
	}
	if b.op != nil && in == 0 && b.call.body.isJSON() && isWholeBody(t, b.op.body) {
		if quoted, ok := jsonParts(tpl); ok {
			return expression{kind: exprJSON, parts: parts, detail: &detail{embedding: &embedding{quoted: quoted}}}, nil
		}
	}
	if in != 0 {
		return expression{kind: exprEmbedded, parts: parts, detail: &detail{embedding: &embedding{dialect: in, within: in.contexts(tpl)}}}, nil
	}
	return mergeLiterals(expression{kind: exprText, parts: parts}), nil
}

// isWholeBody reports whether the string is all there is of the body.
func isWholeBody(t spec.Text, body bodyDecl) bool {
	return body.data != nil && body.data.Kind == spec.String && t.Span() == body.data.Span()
}
