package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// provenance keeps, while an operation is built, where its parts come from. Its methods do
// nothing on nil, which is what an operation has that nobody wants explained.
type provenance struct {
	b       *builder
	slots   map[*slot]cause
	vars    map[string]cause // template variables that with feeds
	loose   map[string]cause // keys of with that name no slot
	origins []Origin
	uses    [][]int // by origin: for each source, the number of its input or -1
	inputs  []Input

	credentials []Secret // literal ones
}

// cause is a rule of the contract and the place in the document it applies to.
type cause struct {
	rule string
	span diag.Span
}

func newProvenance(b *builder) *provenance {
	return &provenance{b: b, slots: map[*slot]cause{}, vars: map[string]cause{}, loose: map[string]cause{}}
}

// fed notes why the slots and template variables of a name have a value of their own.
func (p *provenance) fed(name, rule string, at diag.Span) {
	if p == nil {
		return
	}
	for _, s := range p.b.slots {
		if s.name == name {
			p.slots[s] = cause{rule, at}
		}
	}
	p.vars[name] = cause{rule, at}
}

// unbound notes a key of with that names no slot and is sent all the same (contract W5).
func (p *provenance) unbound(name string, at diag.Span) {
	if p != nil {
		p.loose[name] = cause{"W5", at}
	}
}

// of gives why a slot has its value.
func (p *provenance) of(s *slot) cause {
	if p == nil {
		return cause{}
	}
	if why, ok := p.slots[s]; ok {
		return why
	}
	if s.own != nil && s.own.Kind != spec.Null {
		return cause{"W1", s.own.Span()}
	}
	return cause{"I4", p.declared(s)}
}

// declared gives the place of the parameter, or of the placeholder that stands for one.
func (p *provenance) declared(s *slot) diag.Span {
	if s.decl == nil {
		for _, piece := range p.b.op.path {
			if piece.slot == s {
				return piece.span
			}
		}
	}
	return s.span()
}

// slot notes a slot that was placed, by the rule that put it there.
func (p *provenance) slot(part Part, rule string, s *slot, x *expression) {
	if p != nil {
		p.put(Origin{Part: part, Name: s.name, Rule: rule, Span: p.declared(s)}, x, p.of(s))
	}
}

// placed notes a slot that stands for itself. One that chooses the host is part of the base
// URI.
func (p *provenance) placed(s *slot, x *expression) {
	if p == nil || s.in == "path" && (!s.placeholder || slices.Contains(p.b.op.hostSlots, s)) {
		return
	}
	p.slot(Part(s.in), "S1", s, x)
}

// pair notes a query pair or a body member that only with names.
func (p *provenance) pair(part Part, name string, x *expression) {
	if p != nil {
		why := p.loose[name]
		p.put(Origin{Part: part, Name: name, Rule: "W5", Span: why.span}, x, why)
	}
}

// constant notes a pair that the text of the path fixes.
func (p *provenance) constant(k *constant, x *expression) {
	if p == nil {
		return
	}
	o := Origin{Part: PartQuery, Name: k.name, Rule: "C5", Span: k.span}
	if k.fragment {
		o.Rule = "C4"
	}
	if k.in == "header" {
		o.Part = PartHeader
	}
	p.put(o, x, cause{o.Rule, k.span})
}

// auth notes what authentication provides.
func (p *provenance) auth(f *authField) {
	if p == nil {
		return
	}
	why := cause{p.authRule(), f.span}
	if f.prefix != "" || isCredentialName(f.name) {
		p.hide(&f.value)
	}
	o := Origin{Part: Part(f.in), Name: f.name, Auth: true, Rule: why.rule, Span: f.span}
	if f.prefix != "" {
		o.Sources = []OriginSource{{Kind: SourceLiteral, Name: f.prefix}}
	}
	p.put(o, &f.value, why)
}

// basic notes the credentials of basic authentication.
func (p *provenance) basic(a *basicAuth) {
	if p == nil || a == nil {
		return
	}
	p.hide(&a.password)
	v := p.b.op.authentication()
	o := Origin{Part: PartHeader, Name: "Authorization", Auth: true, Rule: "A2", Span: v.Span()}
	o.Sources = append(o.Sources, OriginSource{Kind: SourceLiteral, Name: "Basic "})
	both := expression{kind: exprText, parts: []expression{a.username, literalExpr(":"), a.password}}
	p.put(o, &both, cause{"A2", v.Span()})
}

// credential notes what a credential adds once the request is finished, and of which
// variables it is made.
func (p *provenance) credential(c *credentialPlan) {
	if p == nil || c == nil {
		return
	}
	all := expression{kind: exprText}
	for i := range c.parts {
		if part := &c.parts[i]; isCredentialKey(part.name) {
			p.hide(&part.value)
		}
		c.parts[i].value.walk(func(e *expression) {
			if e.kind == exprVariable {
				all.parts = append(all.parts, *e)
			}
		})
	}
	if len(c.adds) == 0 {
		p.put(Origin{Part: PartTLS, Name: "client certificate", Auth: true, Rule: "A4", Span: c.span}, &all, cause{"A4", c.span})
	}
	for _, name := range c.adds {
		p.put(Origin{Part: PartHeader, Name: name, Auth: true, Rule: "A4", Span: c.span}, &all, cause{"A4", c.span})
	}
}

// isCredentialName reports whether the value of a parameter of that name is a secret, even where
// the document itself holds it: by the last word of the name.
func isCredentialName(name string) bool {
	word := name[strings.LastIndexAny(name, "-_.")+1:]
	for _, secret := range [...]string{"apikey", "key", "token", "secret", "password", "passwd", "pwd", "signature", "sig", "auth", "authorization"} {
		if strings.EqualFold(word, secret) {
			return true
		}
	}
	return false
}

// hide keeps the literal parts of a credential, so that what is shown of a request can be
// masked.
func (p *provenance) hide(x *expression) {
	x.walk(func(e *expression) {
		if text, ok := e.literal.(string); ok && e.kind == exprLiteral && text != "" {
			p.credentials = append(p.credentials, NewSecret(text))
		}
	})
}

// authRule is the rule of the kind of authentication (contract A1 to A4).
func (p *provenance) authRule() string {
	switch authType(p.b.op.authentication().Get("type").AsText().Value) {
	case "bearer":
		return "A1"
	case "header", "query":
		return "A4"
	}
	return "A3"
}

// template notes the body template, a part for each value in it.
func (p *provenance) template(name string, v *spec.Value) {
	if p == nil {
		return
	}
	below := func(step string) string { return strings.TrimPrefix(name+"."+step, ".") }
	switch {
	case v.Kind == spec.Map && len(v.Members) > 0:
		for _, m := range v.Members {
			p.template(below(m.Key.Value), m.Value)
		}
		return
	case v.Kind == spec.List && len(v.Items) > 0:
		for i, item := range v.Items {
			p.template(below(number(i)), item)
		}
		return
	}
	o := Origin{Part: PartBody, Name: name, Rule: "B1", Span: v.Span()}
	if v.Kind != spec.String {
		x := literalExpr(scalar(v))
		if v.Kind == spec.Map || v.Kind == spec.List {
			x = literalExpr(rawJSON(v.JSON()))
		}
		p.put(o, &x, cause{"B1", v.Span()})
		return
	}
	p.templateText(o, v.AsText())
}

// templateText notes a string of the template, a source for each reference in it.
func (p *provenance) templateText(o Origin, t spec.Text) {
	tpl := expr.ParseTemplate(t.Value)
	parts, f := p.b.templateParts(t, tpl, p.b.varWord)
	if f != nil || len(parts) != len(tpl.Parts) {
		return // the same text was compiled before, so this does not happen
	}
	var uses []int
	for i, part := range tpl.Parts {
		why := cause{"B1", t.Span()}
		if part.IsRef() {
			why = cause{"E2", t.Sub(part.Ref.Start, part.Ref.End)}
			if name, ok := p.b.templateName(part.Ref); ok {
				why.rule = "B2"
				if fed, ok := p.vars[name]; ok {
					why = fed
				}
			}
		}
		s, n := p.sources(&parts[i], why, false)
		o.Sources, uses = append(o.Sources, s...), append(uses, n...)
	}
	p.origins, p.uses = append(p.origins, o), append(p.uses, uses)
}

// put adds an origin with the sources of an expression behind those it has.
func (p *provenance) put(o Origin, x *expression, why cause) {
	uses := make([]int, len(o.Sources))
	for i := range uses {
		uses[i] = -1
	}
	s, n := p.sources(x, why, o.Auth)
	o.Sources = append(o.Sources, s...)
	p.origins, p.uses = append(p.origins, o), append(p.uses, append(uses, n...))
}

// sources gives what an expression is made of, and the numbers of its inputs.
func (p *provenance) sources(x *expression, why cause, hide bool) (out []OriginSource, uses []int) {
	x.walk(func(e *expression) {
		s, use := OriginSource{Rule: why.rule, Span: why.span}, -1
		switch e.kind {
		case exprLiteral:
			s = OriginSource{Kind: SourceLiteral, Name: string(appendJSON(nil, e.literal))}
			if text, ok := e.literal.(string); ok {
				s.Name = text
			}
			if hide && s.Name != "" && s.Name != ":" {
				s.Name = Masked
			}
		case exprInput:
			s.Kind, use = SourceInput, int(e.index)
		case exprVariable:
			s.Kind, s.Name = SourceVariable, e.variable.Name
			if e.variable.Declared {
				s.Declared = e.variable.Span
			}
		case exprResult:
			s.Kind, s.Name = SourceStep, p.b.steps.names[e.index]
		case exprReply:
			s.Kind, s.Name = SourceAnswer, strings.TrimPrefix(e.detail.said, answersName+".")
		default:
			return
		}
		out, uses = append(out, s), append(uses, use)
	})
	return out, uses
}

// inbound notes that the caller's body is sent on, by rule B3 or B4.
func (p *provenance) inbound(rule string, at diag.Span) {
	if p == nil {
		return
	}
	s := OriginSource{Kind: SourceInput, Name: "body", Places: []Place{{In: InBody}}, Rule: rule, Span: at}
	p.origins = append(p.origins, Origin{Part: PartBody, Rule: rule, Span: at, Sources: []OriginSource{s}})
	p.uses = append(p.uses, []int{-1})
}

// body notes a value that is the whole body.
func (p *provenance) body(rule string, x *expression, why cause) {
	if p != nil {
		p.put(Origin{Part: PartBody, Rule: rule, Span: why.span}, x, why)
	}
}

// bodyFromWith notes the key body of with, where nothing declares the body (contract W5).
func (p *provenance) bodyFromWith(x *expression) {
	if p != nil {
		p.body("B4", x, p.loose["body"])
	}
}

// member notes a declared input that becomes a member of an implicit body (contract B4).
func (p *provenance) member(d *declaredInput, x *expression) {
	if p != nil {
		p.put(Origin{Part: PartBody, Name: d.name, Rule: "B4", Span: d.param.Span}, x, cause{"B4", d.param.Span})
	}
}
