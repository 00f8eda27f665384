package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// collectVars finds the inputs that the body template and the parameters' own values name.
func (b *builder) collectVars() *fault {
	var f *fault
	collect := func(v *spec.Value) {
		walkStrings(v, func(t spec.Text) {
			for r := range expr.ParseTemplate(t.Value).Refs() {
				name, ok := b.templateName(r)
				if ok && !b.isVar(name) && !b.isAnswer(r.Name) {
					b.vars = append(b.vars, templateVar{name, t.Sub(r.Start, r.End)})
				}
			}
		})
	}
	collect(b.op.body.data)
	for _, s := range b.slots {
		collect(s.own)
	}
	return f
}

// templateName gives the input that a template's reference names, if it names one
// (contract E2).
func (b *builder) templateName(r expr.Ref) (string, bool) {
	if r.Form != expr.Mustache {
		return "", false
	}
	if _, rest, ok := cutInputPrefix(r.Name, b.own); ok && !b.isStepName(r.Name) {
		return rest, true
	}
	return r.Name, !b.c.vars.isVariable(r.Name)
}

func (b *builder) isVar(name string) bool {
	for _, v := range b.vars {
		if v.name == name {
			return true
		}
	}
	return false
}

// walkStrings visits every string inside a value.
func walkStrings(v *spec.Value, visit func(spec.Text)) {
	if v == nil {
		return
	}
	if v.Kind == spec.String {
		visit(v.AsText())
	}
	for _, item := range v.Items {
		walkStrings(item, visit)
	}
	for _, m := range v.Members {
		walkStrings(m.Value, visit)
	}
}

// readWith feeds slots and template variables from with (contract W).
func (b *builder) readWith() *fault {
	with := b.with
	switch {
	case with == nil || with.Kind == spec.Null:
		return nil
	case with.Kind != spec.Map:
		return faultf(diag.CodeWithNotAMapping, "W3", with.Span(), "with of %s is not a mapping", b.x.title()).
			hintf("write with: {parameter: %s.input}", b.x.kind.prefix())
	}
	for i := range with.Members {
		m := &with.Members[i]
		if m.Value == nil || m.Value.Kind == spec.Null {
			continue
		}
		if f := b.withKey(m.Key, m.Value); f != nil {
			return f
		}
	}
	return nil
}

func (b *builder) withKey(key spec.Text, value *spec.Value) *fault {
	name := key.Value
	if b.isHost(name) {
		return faultf(diag.CodeUnboundWithKey, "V4", key.Span(), "%s stands in the host of the base URI of %s, which callers cannot choose", name, b.op.namespace).
			hintf("give the parameter an enum of the values that are allowed")
	}
	if b.fillsDropped(name) {
		names := b.namesIn(value)
		for _, n := range names {
			b.excused.add(expr.Fold(n))
		}
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "A5", key.Span(), "with.%s is ignored, since %s fills that parameter itself", name, b.op.label()))
		return nil
	}
	x, f := b.value(value, name == "body" && b.bodyIsOneOfSeveral())
	if f != nil {
		return f
	}
	if b.feed(name, x) {
		b.why.fed(name, "W1", value.Span())
		return nil
	}
	if near, ok := b.onlyNear(name); ok {
		b.feed(near, x)
		b.why.fed(near, "W4", value.Span())
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeApproximateName, "W4", key.Span(), "with.%s is read as %s, the input of %s with that spelling", name, near, b.op.label()).
			hintf("write %s", near).mendedBy(func() []diag.Edit { return b.with.RenameKey(name, near) }))
		return nil
	}
	return b.unboundKey(key, value, x)
}

// isHost reports whether the name is only that of a parameter in the base URI's host.
func (b *builder) isHost(name string) bool {
	return slices.ContainsFunc(b.op.slots, func(s *slot) bool { return s.host && s.name == name }) &&
		!slices.ContainsFunc(b.slots, func(s *slot) bool { return s.name == name })
}

// fillsDropped reports whether the key names only a parameter that is no slot.
func (b *builder) fillsDropped(name string) bool {
	dropped := false
	for _, s := range b.op.slots {
		if s.name == name || s.in == "header" && strings.EqualFold(s.name, name) {
			if !s.dropped && !s.authFilled {
				return false
			}
			dropped = true
		}
	}
	return dropped && !b.isVar(name)
}

// feed gives every slot and template variable of that name the value.
func (b *builder) feed(name string, x expression) bool {
	found := false
	for _, s := range b.slots {
		if s.name == name {
			b.feeds.set(s, x)
			found = true
		}
	}
	if b.isVar(name) {
		b.varFeeds.set(name, x)
		found = true
	}
	return found
}

// onlyNear gives the one slot or template variable equal to name by letters and digits.
func (b *builder) onlyNear(name string) (string, bool) {
	var names []string
	for _, s := range b.slots {
		names = append(names, s.name)
	}
	for _, v := range b.vars {
		names = append(names, v.name)
	}
	fold, found := expr.Fold(name), ""
	for _, n := range names {
		if fold != "" && expr.Fold(n) == fold && n != found {
			if found != "" {
				return "", false
			}
			found = n
		}
	}
	return found, found != ""
}

// bodyIsOneOfSeveral reports whether a key named body stands beside other body slots or
// template variables, so that it means the member of that name (contract W2).
func (b *builder) bodyIsOneOfSeveral() bool {
	n, named := len(b.vars), b.isVar("body")
	for _, s := range b.slots {
		if s.in == "body" && !b.isVar(s.name) {
			n++
			named = named || s.name == "body"
		}
	}
	return named && n > 1
}

// unboundKey decides what a key means that names nothing (contract W5).
func (b *builder) unboundKey(key spec.Text, value *spec.Value, x expression) *fault {
	name := key.Value
	implicit := b.isImplicit()
	var inputs []int
	x.eachInput(func(i int) { inputs = append(inputs, i) })
	switch {
	case name == "body" && implicit:
		b.whole = &x
		b.why.unbound(name, value.Span())
		return nil
	case len(inputs) > 0 && b.allVars(inputs):
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "W5", key.Span(), "with.%s is ignored: the body of %s reads its input directly", name, b.op.label()))
		return nil
	case !b.op.sendsBody() && b.op.method != "OPTIONS" && b.op.body.data == nil && !b.hasBodySlots():
		for _, i := range inputs {
			if b.readsPlaceholder(i) && b.x.flow == nil { // a flow means the same to every adapter
				return faultf(diag.CodeLostPathInput, "W5", key.Span(), "with.%s comes from the path, but %s %s has no such parameter", name, b.op.method, b.op.wire).
					hintf("put {%s} where it belongs in the consumed path", name)
			}
		}
		b.pairs = append(b.pairs, queryPart{name: name, value: b.c.kept.expression(x)})
		b.why.unbound(name, value.Span())
		b.c.note(diag.Warning, b.x.unit, b.undeclared(faultf(diag.CodeAssumed, "W5", key.Span(), "with.%s is no parameter of %s; it is sent as a query parameter", name, b.op.label()), name, "query").
			mendedBy(func() []diag.Edit { return b.op.declareQuery(name) }))
		return nil
	case implicit:
		b.extra = append(b.extra, member{name, x})
		b.why.unbound(name, value.Span())
		b.c.note(diag.Warning, b.x.unit, b.undeclared(faultf(diag.CodeAssumed, "W5", key.Span(), "with.%s is no parameter of %s; it is sent as a member of the JSON body", name, b.op.label()), name, "body"))
		return nil
	}
	f := faultf(diag.CodeUnboundWithKey, "W5", key.Span(), "%q is not a parameter of %s", name, b.op.label())
	if near, ok := diag.Nearest(name, b.slotNames()); ok {
		return f.hintf("did you mean %s?", near)
	}
	if names := b.slotNames(); len(names) > 0 {
		return f.hintf("it has %s", someOf(names))
	}
	return f.hintf("it has no parameters")
}

// undeclared says how to declare a parameter, or which one was probably meant.
func (b *builder) undeclared(f *fault, name, in string) *fault {
	if near, ok := diag.Nearest(name, b.slotNames()); ok {
		return f.hintf("did you mean %s? if not, declare it: inputParameters: [{name: %s, in: %s}]", near, name, in)
	}
	return f.hintf("declare it: inputParameters: [{name: %s, in: %s}]", name, in)
}

func (b *builder) slotNames() []string {
	var out []string
	for _, s := range b.slots {
		out = append(out, s.name)
	}
	for _, v := range b.vars {
		out = append(out, v.name)
	}
	return out
}

func (b *builder) readsPlaceholder(i int) bool {
	for _, l := range b.inputs[i].lookups {
		if l.kind == lookPath {
			return true
		}
	}
	return false
}

// allVars reports whether all those inputs are read by the body template by themselves.
func (b *builder) allVars(inputs []int) bool {
	for _, i := range inputs {
		if !b.isVar(b.inputs[i].name) {
			return false
		}
	}
	return true
}

func (b *builder) hasBodySlots() bool {
	for _, s := range b.slots {
		if s.in == "body" {
			return true
		}
	}
	return false
}

// isImplicit reports whether nothing says what the body is (contract B4).
func (b *builder) isImplicit() bool {
	return b.op.body.data == nil && !b.hasBodySlots() && b.op.sendsBody()
}

// value compiles what stands behind a key of with (contract E1, W3).
func (b *builder) value(v *spec.Value, member bool) (expression, *fault) {
	if v.Kind == spec.String {
		return b.withString(v.AsText(), member)
	}
	return compose(v, func(t spec.Text) (expression, *fault) { return b.withString(t, false) })
}

// compose compiles a value whose strings are compiled by leaf; numbers, booleans and null
// are literals.
func compose(v *spec.Value, leaf func(spec.Text) (expression, *fault)) (expression, *fault) {
	var x expression
	switch v.Kind {
	case spec.String:
		return leaf(v.AsText())
	case spec.List:
		x.kind = exprList
	case spec.Map:
		x.kind = exprObject
	default:
		return literalExpr(scalar(v)), nil
	}
	if n := len(v.Items) + len(v.Members); n > 0 {
		x.parts = make([]expression, 0, n)
	}
	if n := len(v.Members); n > 0 {
		x.detail = &detail{names: make([]string, 0, n)}
	}
	for _, item := range v.Items {
		e, f := compose(item, leaf)
		if f != nil {
			return x, f
		}
		x.parts = append(x.parts, e)
	}
	for _, m := range v.Members {
		e, f := compose(m.Value, leaf)
		if f != nil {
			return x, f
		}
		x.addMember(m.Key.Value, e)
	}
	return x, nil
}

// scalar gives a literal's JSON value.
func scalar(v *spec.Value) any {
	switch v.Kind {
	case spec.String:
		return v.Text
	case spec.Null:
		return nil
	}
	raw := v.JSON()
	if !json.Valid(raw) {
		return v.Text
	}
	return parseValue(raw)
}

func (b *builder) withString(t spec.Text, member bool) (expression, *fault) {
	if name := strings.TrimPrefix(strings.TrimSpace(t.Value), "$."); b.isAnswer(name) && name != answersName && !strings.ContainsAny(name, " \n{}<>") {
		return b.answer(name, t.Span())
	}
	if x, ok, f := b.stepPath(t); ok || f != nil {
		return x, f
	}
	if _, name, ok := cutInputPrefix(t.Value, b.own); ok && !strings.ContainsAny(t.Value, "\n{}<>") {
		return b.reference(name, member), nil
	}
	if _, _, ok := b.c.vars.split(t.Value); ok && !strings.ContainsAny(t.Value, " \n\t{}<>/") {
		v, f := b.c.vars.find(t.Value, t.Span(), elsewhere)
		return expression{kind: exprVariable, variable: v}, f
	}
	if b.isBareInput(t.Value) {
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "W2", t.Span(), "%s is read as the input of that name", t.Value).hintf("write \"{{%s}}\"", t.Value))
		return b.reference(t.Value, member), nil
	}
	var room [4]expr.Part
	tpl := expr.Template{Parts: expr.AppendTemplate(room[:0], t.Value)}
	switch len(tpl.Parts) {
	case 0:
		return literalExpr(""), nil
	case 1:
		return b.templatePart(t, &tpl.Parts[0], b.word)
	}
	parts, f := b.templateParts(t, tpl, b.word)
	if f != nil {
		return expression{}, f
	}
	return mergeLiterals(expression{kind: exprText, parts: parts}), nil
}

// isBareInput reports whether a text is the name of a declared input, where an orchestration
// or a flow passes its inputs on. Elsewhere such a text stands for itself.
func (b *builder) isBareInput(text string) bool {
	return (b.steps != nil || b.x.flow != nil) && slices.Contains(b.declaredNames(), text)
}

// word compiles a template's word in with: what came of a step, or an input, which it must be
// where the document says so.
func (b *builder) word(name string, isInput bool, at diag.Span) (expression, *fault) {
	if isInput {
		return b.reference(name, false), nil
	}
	if b.isStepName(name) {
		return b.stepResult(name, at)
	}
	if f := b.judgeName(name, at); f != nil {
		return expression{}, f
	}
	return b.reference(name, false), nil
}

// wordReader makes the expression of a word of a template that is no variable.
type wordReader = func(name string, isInput bool, at diag.Span) (expression, *fault)

// templateParts compiles the pieces of a string.
func (b *builder) templateParts(t spec.Text, tpl expr.Template, word wordReader) ([]expression, *fault) {
	parts := make([]expression, len(tpl.Parts))
	for i := range parts {
		var f *fault
		if parts[i], f = b.templatePart(t, &tpl.Parts[i], word); f != nil {
			return nil, f
		}
	}
	return parts, nil
}

func (b *builder) templatePart(t spec.Text, p *expr.Part, word wordReader) (expression, *fault) {
	if !p.IsRef() {
		return literalExpr(p.Literal), nil
	}
	if p.Ref.Form == expr.Mustache && b.isAnswer(p.Ref.Name) {
		return b.answer(p.Ref.Name, t.Sub(p.Ref.Start, p.Ref.End))
	}
	if name, ok := b.templateName(p.Ref); ok {
		return word(name, name != p.Ref.Name, t.Sub(p.Ref.Start, p.Ref.End))
	}
	if !b.c.vars.isReference(p.Ref) {
		return literalExpr(p.Literal), nil
	}
	v, f := b.c.vars.find(p.Ref.Name, t.Sub(p.Ref.Start, p.Ref.End), elsewhere)
	return expression{kind: exprVariable, variable: v}, f
}

// mergeLiterals joins literals that stand next to each other, and gives a plain literal
// when nothing else is left.
func mergeLiterals(x expression) expression {
	parts := x.parts[:0]
	for _, p := range x.parts {
		if n := len(parts); n > 0 && p.kind == exprLiteral && parts[n-1].kind == exprLiteral {
			parts[n-1] = literalExpr(textOf(parts[n-1].literal) + textOf(p.literal))
			continue
		}
		parts = append(parts, p)
	}
	if len(parts) == 1 && parts[0].kind == exprLiteral {
		return parts[0]
	}
	x.parts = parts
	return x
}

// namesIn gives the input names that a with value refers to, without making inputs of them.
func (b *builder) namesIn(v *spec.Value) []string {
	var out []string
	walkStrings(v, func(t spec.Text) {
		if _, name, ok := cutInputPrefix(t.Value, b.own); ok {
			out = append(out, name)
			return
		}
		for r := range expr.ParseTemplate(t.Value).Refs() {
			if name, ok := b.templateName(r); ok && !b.isAnswer(r.Name) {
				out = append(out, name)
			}
		}
	})
	return out
}
