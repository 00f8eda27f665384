package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// pairLost joins the one input that would be lost with the one path slot that has no source
// (contract I6).
func (b *builder) pairLost() *fault {
	if b.steps != nil || b.x.decl.Ref.IsSet() {
		return nil
	}
	if b.with != nil && b.with.Kind == spec.Map && len(b.with.Members) > 0 {
		return nil
	}
	var open []*slot
	for _, s := range b.slots {
		if s.in == "path" && s.own == nil && !b.hasSource(s) {
			open = append(open, s)
		}
	}
	if len(open) != 1 {
		return nil
	}
	lost := b.lostNames()
	if len(lost) != 1 {
		return nil
	}
	var x expression
	if b.x.kind == REST {
		x = b.inputExpr(lost[0], b.appendPlaces(nil, "P", lost[0]))
	} else {
		x = b.argument(lost[0])
	}
	b.feeds.set(open[0], x)
	b.fed.add(lost[0])
	b.why.fed(open[0].name, "I6", b.x.decl.Span)
	b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "I6", b.x.decl.Span, "input %s of %s is taken for %s, the only path parameter of %s without a source", lost[0], b.x.title(), open[0].name, b.op.label()).
		hintf("write with: {%s: %s.%s}", open[0].name, b.x.kind.prefix(), lost[0]).
		mendedBy(func() []diag.Edit { return b.writeWith(open[0].name, lost[0]) }))
	return nil
}

// hasSource reports whether something the exposed operation offers has the slot's name.
func (b *builder) hasSource(s *slot) bool {
	_, ok := matchName(s.name, slices.Concat(b.x.params, b.declaredNames()))
	return ok
}

func (b *draft) declaredNames() []string {
	out := make([]string, len(b.x.declared))
	for i := range b.x.declared {
		out[i] = b.x.declared[i].name
	}
	return out
}

// lostNames gives the placeholders (REST) or declared inputs (MCP) that no slot, with value
// or template variable will ask for.
func (b *builder) lostNames() []string {
	names := b.x.params
	if b.x.kind != REST {
		names = b.declaredNames()
	}
	wanted := b.slotNames()
	var lost []string
	for i, n := range names {
		if b.x.kind == REST && b.paths[i] || b.reached.has(n) || b.excused.has(expr.Fold(n)) {
			continue
		}
		if !wants(wanted, n, names) {
			lost = append(lost, n)
		}
	}
	return lost
}

// wants reports whether one of the slots takes the input of that name.
func wants(slots []string, name string, offered []string) bool {
	for _, s := range slots {
		if i, ok := matchName(s, offered); ok && offered[i] == name {
			return true
		}
	}
	return false
}

// source gives the value of a slot: from with, its own value, or the input of its name.
func (b *builder) source(s *slot) (expression, *fault) {
	x, fed := b.feeds.get(s)
	switch {
	case fed:
	case s.own != nil && s.own.Kind != spec.Null:
		var f *fault
		if x, f = b.dataValue(s.own); f != nil {
			return expression{}, f
		}
	default:
		x = b.byName(s.in, s.name)
	}
	if x.kind == exprInput && s.in == "body" {
		x.typ = valueTypeOf(s.typ)
	}
	if x.kind == exprInput && s.decl != nil && s.decl.Default != nil {
		b.known[x.index].fallback = s
	}
	b.noteInputs(x, s)
	return x, nil
}

// require makes a call without a value for the slot an error of the caller.
func (b *builder) require(s *slot, x expression) {
	if !s.required {
		return
	}
	if s.in == "path" && x.kind == exprText {
		b.requireParts(s, x)
		return
	}
	input, ok := x.input()
	if !ok {
		if name, ok := x.reply(); ok {
			b.wants(x, requirement{input: name})
			return
		}
		if step, ok := x.step(); ok {
			b.wants(x, requirement{step: step, input: s.name})
		}
		return
	}
	nullable := s.in == "body" && b.call.body.format == formatJSON
	b.wants(x, requirement{input: b.inputs[input].name, nullable: nullable})
}

// wants makes a call without a value for x an error.
func (b *builder) wants(x expression, r requirement) {
	r.value = b.c.kept.expression(x)
	b.call.required = append(b.call.required, r)
}

// requireParts wants a value for everything in a text that is part of a path: without one the
// path is that of another resource. Only an input that is declared optional may be left out.
func (b *builder) requireParts(s *slot, text expression) {
	text.walk(func(x *expression) {
		switch x.kind {
		case exprInput:
			name := b.inputs[x.index].name
			if i, ok := matchName(name, b.declaredNames()); !ok || b.x.declared[i].required != spec.False {
				b.wants(*x, requirement{input: name})
			}
		case exprResult:
			b.wants(*x, requirement{step: x.detail.said, input: s.name})
		case exprReply:
			b.wants(*x, requirement{input: x.detail.said})
		}
	})
}

// placeSlots puts every slot but those of the body where it belongs.
func (b *builder) placeSlots() *fault {
	for _, k := range b.op.constants {
		x, f := b.constantValue(k)
		if f != nil {
			return f
		}
		b.why.constant(&k, &x)
		if k.in == "query" {
			b.call.query = append(b.call.query, queryPart{name: k.name, value: b.c.kept.expression(x)})
		} else {
			b.call.headers = append(b.call.headers, headerPart{name: k.name, value: b.c.kept.expression(x)})
		}
	}
	for _, s := range b.slots {
		if s.in == "body" {
			continue
		}
		x, f := b.source(s)
		if f != nil {
			return f
		}
		b.require(s, x)
		b.why.placed(s, b.sources.set(s, x))
		switch s.in {
		case "query":
			b.call.query = append(b.call.query, queryPart{name: s.name, value: b.c.kept.expression(x)})
		case "header":
			if !isToken(s.name) {
				return faultf(diag.CodeParameter, "S1", s.nameSpan(), "%q is no header name", s.name).hintf("use letters, digits and hyphens")
			}
			b.call.headers = append(b.call.headers, b.headerOf(s, x))
		case "cookie":
			b.call.cookies = append(b.call.cookies, b.headerOf(s, x))
		}
	}
	for _, q := range b.pairs {
		b.noteInputs(*q.value, nil)
		b.why.pair(PartQuery, q.name, q.value)
		b.call.query = append(b.call.query, q)
	}
	b.call.hosts = b.op.hosts
	for _, s := range b.op.hostSlots {
		x, _ := b.sources.get(s)
		b.call.hostInputs = append(b.call.hostInputs, requirement{value: b.c.kept.expression(x), input: b.inputName(s, &x)})
	}
	b.placePath()
	return nil
}

// headerOf is the header, or the cookie, of a slot.
func (b *builder) headerOf(s *slot, x expression) headerPart {
	h := headerPart{name: s.name, value: b.c.kept.expression(x), secret: usesVariable(&x)}
	_, given := x.input()
	reply, replies := x.reply()
	step, steps := x.step()
	switch {
	case given:
		h.giver, h.from = b.inputName(s, &x), fromCaller
	case replies:
		h.giver, h.from = reply, fromCaller
	case steps:
		h.giver, h.from = step, fromStep
	}
	return h
}

func usesVariable(x *expression) bool { return x.first(exprVariable) != nil }

// placePath compiles the path: escaped text and values.
func (b *builder) placePath() {
	for _, p := range b.op.path {
		switch {
		case !p.isRef():
			b.literalPath(p.literal)
		case p.slot != nil && p.slot.authFilled:
			x, _ := b.authValue("path", p.slot.name)
			b.placeValue(x, p.slot.name, fromConfiguration)
		case p.slot != nil:
			x, _ := b.sources.get(p.slot)
			_, given := x.input()
			if step, ok := x.step(); ok && !given {
				b.placeValue(x, step, fromStep)
			} else {
				b.placeValue(x, b.inputName(p.slot, &x), fromCaller)
			}
		default:
			b.placeValue(expression{kind: exprVariable, variable: p.value}, p.value.Name, fromConfiguration)
		}
	}
}

func (b *builder) placeValue(x expression, name string, from source) {
	b.call.path = append(b.call.path, pathPart{text: name, value: b.c.kept.expression(x), from: from})
}

// inputName is what the caller calls the slot whose value is x.
func (b *builder) inputName(s *slot, x *expression) string {
	if i, ok := x.input(); ok {
		return b.inputs[i].name
	}
	return s.name
}

func (b *builder) literalPath(text string) {
	text = escapeLiteral(text)
	if n := len(b.call.path); n > 0 && b.call.path[n-1].value == nil {
		b.call.path[n-1].text += text
		return
	}
	b.call.path = append(b.call.path, pathPart{text: text})
}

func (b *builder) authValue(in, name string) (expression, bool) {
	for _, f := range b.op.auth.fields {
		if f.in == in && f.name == name {
			return f.value, true
		}
	}
	return expression{}, false
}

// constantValue compiles the value of a constant of the path. A query pair is written
// escaped, a header as it is.
func (b *builder) constantValue(k constant) (expression, *fault) {
	x := expression{kind: exprText}
	for _, p := range k.value {
		switch {
		case !p.isRef() && k.in == "query":
			x.parts = append(x.parts, literalExpr(unescape(p.literal)))
		case !p.isRef():
			x.parts = append(x.parts, literalExpr(p.literal))
		case p.slot != nil && p.slot.authFilled:
			v, _ := b.authValue("path", p.slot.name)
			x.parts = append(x.parts, v)
		case p.slot != nil:
			v, f := b.source(p.slot)
			if f != nil {
				return x, f
			}
			b.require(p.slot, v)
			x.parts = append(x.parts, v)
		default:
			x.parts = append(x.parts, expression{kind: exprVariable, variable: p.value})
		}
	}
	if len(x.parts) == 0 {
		return literalExpr(""), nil
	}
	return mergeLiterals(x), nil
}

// placeAuth adds what authentication provides.
func (b *builder) placeAuth() *fault {
	b.why.credential(b.op.auth.credential)
	b.why.basic(b.op.auth.basic)
	for _, f := range b.op.auth.fields {
		b.why.auth(&f)
		switch f.in {
		case "header":
			b.call.headers = append(b.call.headers, headerPart{name: f.name, prefix: f.prefix, value: b.c.kept.expression(f.value), secret: true, auth: true})
		case "query":
			b.call.query = append(b.call.query, queryPart{name: f.name, value: b.c.kept.expression(f.value), auth: true})
		case "cookie":
			b.call.cookies = append(b.call.cookies, headerPart{name: f.name, value: b.c.kept.expression(f.value), secret: true, auth: true})
		case "body":
			b.call.body.auth = append(b.call.body.auth, member{f.name, f.value})
			if b.call.body.format == 0 {
				b.call.body.format, b.call.body.contentType = formatJSON, "application/json"
			}
			if b.out.usesInbound {
				b.out.mergesInbound = true
			}
		}
	}
	return nil
}

// checkInputs refuses inputs that would be dropped on the way (contract I5).
func (b *builder) checkInputs() *fault {
	if b.x.kind == REST {
		for i, name := range b.x.params {
			if !b.paths[i] && !b.reached.has(name) && !b.excused.has(expr.Fold(name)) {
				return b.lostInput(faultf(diag.CodeUnusedPathInput, "I5", b.placeholderSpan(name), "{%s} of %s is not passed to %s %s", name, b.x.title(), b.op.method, b.op.wire), name)
			}
		}
	}
	for i := range b.x.declared {
		d := &b.x.declared[i]
		if b.isReached(d.name) || b.isShown(d.name) {
			continue
		}
		if b.excused.has(expr.Fold(d.name)) {
			b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "A5", d.param.Span, "input %s of %s is ignored, since %s fills that parameter itself", d.name, b.x.title(), b.op.label()))
			continue
		}
		if b.x.kind == REST && d.in == "body" {
			continue
		}
		if b.x.kind != REST && b.isImplicit() {
			continue // it became a member of the body
		}
		f := faultf(diag.CodeUnboundInput, "I5", d.param.Span, "input %q of %s is not a parameter of %s", d.name, b.x.title(), b.op.label())
		if near, ok := diag.Nearest(d.name, b.slotNames()); ok {
			return f.hintf("did you mean %s?", near)
		}
		return b.lostInput(f, d.name)
	}
	return nil
}

// lostInput says how an input that nothing takes can be passed on.
func (b *builder) lostInput(f *fault, name string) *fault {
	prefix := b.x.kind.prefix()
	if near, ok := diag.Nearest(name, slices.Sorted(slices.Values(b.fed))); ok {
		return f.hintf("with reads %s.%s, did you mean %s.%s?", prefix, near, prefix, name)
	}
	if len(b.slotNames()) == 0 {
		return f.hintf("%s has no parameters: declare one, or put {%s} where it belongs in its path", b.op.label(), name)
	}
	return f.hintf("pass it: with: {parameter: %s.%s}", prefix, name)
}

// placeholderSpan gives the place of a placeholder in the exposed path.
func (b *draft) placeholderSpan(name string) diag.Span {
	for _, t := range []spec.Text{b.x.decl.URI, b.x.resource} {
		for r := range expr.ParsePath(t.Value).Refs() {
			if r.Name == name && t.IsSet() {
				return t.Sub(r.Start, r.End)
			}
		}
	}
	return b.x.decl.Span
}

func (b *draft) isReached(name string) bool {
	if b.reached.has(name) {
		return true
	}
	fold := expr.Fold(name)
	for _, n := range b.reached {
		if expr.Fold(n) == fold {
			return true
		}
		// tools.filter.x reads a part of the declared input filter.
		if head, _, ok := strings.Cut(n, "."); ok && head == name {
			return true
		}
	}
	return false
}

// expressions visits every expression of an operation.
func (op *Operation) expressions(visit func(*expression)) {
	if op.output != nil {
		op.output.expressions(visit)
	}
	if op.contents != nil {
		op.contents.expressions(visit)
	}
	if op.plain != nil && op.plain.text != nil {
		op.plain.text.walk(visit)
	}
	for _, s := range op.steps {
		s.expressions(visit)
	}
	for _, r := range op.remarks {
		if r != nil {
			r.text.walk(visit)
		}
	}
}

// expressions visits every expression of a call.
func (c *Call) expressions(visit func(*expression)) {
	for i := range c.path {
		if c.path[i].value != nil {
			c.path[i].value.walk(visit)
		}
	}
	for i := range c.query {
		c.query[i].value.walk(visit)
	}
	for _, list := range [][]headerPart{c.headers, c.cookies} {
		for i := range list {
			list[i].value.walk(visit)
		}
	}
	if c.basic != nil {
		c.basic.username.walk(visit)
		c.basic.password.walk(visit)
	}
	c.credential.expressions(visit)
	c.body.expressions(visit)
}

// expressions visits every expression of a body.
func (p *bodyPlan) expressions(visit func(*expression)) {
	if p == nil {
		return
	}
	for _, x := range []*expression{p.template, p.whole} {
		if x != nil {
			x.walk(visit)
		}
	}
	for i := range p.parts {
		p.parts[i].expressions(visit)
	}
	for _, list := range [][]member{p.members, p.auth} {
		for i := range list {
			list[i].value.walk(visit)
		}
	}
}
