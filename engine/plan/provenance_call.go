package plan

import (
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
)

func number(i int) string { return strconv.Itoa(i) }

// finishProvenance puts the explanations in the order of their requests and hands them to
// the calls and to the operation.
func (d *draft) finishProvenance() {
	if len(d.why) == 0 {
		return
	}
	for _, p := range d.why {
		if p.b.call != nil {
			p.target()
			p.contentType()
			p.resolve()
			p.arrange()
			rare := *p.b.call.rareCall
			rare.why = p
			p.b.call.rareCall = &rare
		}
	}
	first := d.why[0]
	first.listInputs(d.why)
	d.out.why = first
	for _, p := range d.why {
		p.b, p.uses, p.slots, p.vars, p.loose = nil, nil, nil, nil, nil
	}
}

// target notes method, base URI and what of the path is no parameter.
func (p *provenance) target() {
	op := p.b.op
	at := op.decl.Method.Span()
	if !op.decl.Method.IsSet() {
		at = op.decl.Span
	}
	if p.b.call.forward != nil {
		p.base()
		return
	}
	method := literalExpr(op.method)
	p.put(Origin{Part: PartMethod, Rule: "C1", Span: at}, &method, cause{})
	p.base()

	wire := literalExpr(cutAny(op.wire, "?#"))
	at = op.decl.PathSpan
	if !at.Start.IsValid() || !strings.Contains(op.wire, op.decl.URI.Value) {
		at = op.resource.URI.Span()
	}
	p.put(Origin{Part: PartPath, Rule: "C2", Span: at}, &wire, cause{})
	for _, piece := range op.path {
		if piece.isRef() && piece.value != nil {
			x := expression{kind: exprVariable, variable: piece.value}
			p.put(Origin{Part: PartPath, Name: piece.ref.Name, Rule: "C3", Span: piece.span}, &x, cause{"E2", piece.span})
		}
	}
}

// base notes the base URI: its text, its variables, and the inputs that choose its host.
func (p *provenance) base() {
	op := p.b.op
	text := op.api.BaseURI
	o := Origin{Part: PartBase, Rule: "V3", Span: text.Span()}
	var variables []*Variable
	for _, part := range op.base.parts {
		if part.variable != nil {
			variables = append(variables, part.variable)
		}
	}
	var uses []int
	for _, part := range expr.ParseBaseURI(strings.TrimSpace(cutAny(text.Value, "?#"))).Parts {
		x, why := literalExpr(part.Literal), cause{}
		if part.IsRef() {
			why = cause{"V3", text.Sub(part.Ref.Start, part.Ref.End)}
			if part.Ref.Form == expr.Brace || part.Ref.Form == expr.Bracket || !p.b.c.vars.isVariable(part.Ref.Name) {
				why.rule = "V4"
			}
			switch s := hostSlot(op, part.Ref.Name); {
			case s != nil:
				if fed, f := p.b.source(s); f == nil {
					x = fed
				}
			case len(variables) > 0:
				x, variables = expression{kind: exprVariable, variable: variables[0]}, variables[1:]
			default:
				x = literalExpr(part.Literal) // it belongs to the path: see there
			}
		}
		s, n := p.sources(&x, why, false)
		o.Sources, uses = append(o.Sources, s...), append(uses, n...)
	}
	p.origins, p.uses = append(p.origins, o), append(p.uses, uses)
}

func hostSlot(op *consumed, name string) *slot {
	for _, s := range op.hostSlots {
		if s.name == name || expr.Fold(s.name) == expr.Fold(name) {
			return s
		}
	}
	return nil
}

// contentType notes the header that follows from the kind of body.
func (p *provenance) contentType() {
	b := p.b
	if b.call.body == nil || b.call.body.contentType == "" || b.call.body.inbound || b.hasHeader("Content-Type") {
		return
	}
	at := b.op.body.typ.Span()
	if !at.Start.IsValid() {
		at = b.op.body.value.Span()
	}
	if !at.Start.IsValid() {
		at = b.op.decl.Span
	}
	x := literalExpr(b.call.body.contentType)
	p.put(Origin{Part: PartHeader, Name: "Content-Type", Rule: "B6", Span: at}, &x, cause{})
}

func (b *builder) hasHeader(name string) bool {
	return slices.ContainsFunc(b.call.headers, func(h headerPart) bool { return strings.EqualFold(h.name, name) })
}

// resolve names the inputs among the sources and the places they are looked for.
func (p *provenance) resolve() {
	for i := range p.origins {
		for j, n := range p.uses[i] {
			if n < 0 {
				continue
			}
			s, in := &p.origins[i].Sources[j], &p.b.inputs[n]
			s.Name = in.name
			s.Places = p.places(in)
			s.Declared = p.declaredAt(in)
		}
	}
}

func (p *provenance) places(in *input) []Place {
	var out []Place
	for _, l := range in.lookups {
		place := Place{Name: l.name}
		switch l.kind {
		case lookPath:
			place = Place{In: InPath, Name: p.b.x.params[l.index]}
		case lookQuery:
			place.In = InQuery
		case lookMember:
			place.In = InMember
		case lookHeader:
			place.In = InHeader
		case lookBody:
			place = Place{In: InBody}
		case lookArg:
			place.In = InArgument
		}
		if !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	return out
}

// declaredAt gives where the exposed operation declares an input: as a parameter, else by a
// placeholder of its path.
func (p *provenance) declaredAt(in *input) diag.Span {
	x := p.b.x
	names := []string{in.name}
	for _, l := range in.lookups {
		if l.name != "" {
			names = append(names, l.name)
		}
	}
	for _, name := range names {
		if i, ok := matchName(name, p.b.declaredNames()); ok {
			return x.declared[i].param.Span
		}
		// tools.filter.x reads a part of the declared input filter.
		if head, _, dotted := strings.Cut(name, "."); dotted {
			if i, ok := matchName(head, p.b.declaredNames()); ok {
				return x.declared[i].param.Span
			}
		}
	}
	for _, l := range in.lookups {
		if l.kind == lookPath {
			if at := x.decl.URI.Span(); strings.Contains(x.decl.URI.Value, x.params[l.index]) && at.Start.IsValid() {
				return at
			}
			return x.at
		}
	}
	return diag.Span{}
}

var partOrder = []Part{PartMethod, PartBase, PartPath, PartQuery, PartHeader, PartCookie, PartBody, PartTLS}

// arrange sorts the parts as they stand in a request, each kind in the order of placing.
func (p *provenance) arrange() {
	slices.SortStableFunc(p.origins, func(a, b Origin) int {
		if a.Part == PartPath && b.Part == PartPath && (a.Name == "") != (b.Name == "") {
			if a.Name == "" {
				return -1
			}
			return 1
		}
		return slices.Index(partOrder, a.Part) - slices.Index(partOrder, b.Part)
	})
}

// listInputs gathers what callers can give: what is declared, then what the calls derive.
func (p *provenance) listInputs(calls []*provenance) {
	b := p.b
	for i := range b.x.declared {
		d := &b.x.declared[i]
		in := Input{Name: d.name, Declared: d.param.Span}
		prop := b.declaredProperty(d)
		in.Type, in.Required = prop.typ, prop.required
		p.inputs = append(p.inputs, in)
	}
	for _, call := range calls {
		for i := range call.origins {
			o := &call.origins[i]
			for j := range o.Sources {
				if s := &o.Sources[j]; s.Kind == SourceInput {
					p.noteInput(s, PartName{o.Part, o.Name})
				}
			}
		}
	}
	for i := range p.inputs {
		p.describeInput(&p.inputs[i])
	}
}

// noteInput adds an input, or a use of one that is there.
func (p *provenance) noteInput(s *OriginSource, feeds PartName) {
	at := slices.IndexFunc(p.inputs, func(in Input) bool {
		return in.Name == s.Name || s.Declared.Start.IsValid() && in.Declared == s.Declared
	})
	if at < 0 {
		at = len(p.inputs)
		in := Input{Name: s.Name, Declared: s.Declared}
		if !s.Declared.Start.IsValid() {
			in.Rule, in.Span = s.Rule, s.Span
		}
		p.inputs = append(p.inputs, in)
	}
	in := &p.inputs[at]
	for _, place := range s.Places {
		if !slices.Contains(in.Places, place) {
			in.Places = append(in.Places, place)
		}
	}
	if !slices.Contains(in.Feeds, feeds) {
		in.Feeds = append(in.Feeds, feeds)
	}
}

// describeInput adds what the slots of an input say of it.
func (p *provenance) describeInput(in *Input) {
	for i, known := range p.b.inputs {
		if known.name != in.Name {
			continue
		}
		if prop := p.b.said(i); prop != nil {
			if in.Type == "" {
				in.Type = prop.typ
			}
			if !in.Declared.Start.IsValid() || in.Rule != "" {
				in.Required = in.Required || prop.required
			}
		}
	}
	if slices.ContainsFunc(in.Places, func(at Place) bool { return at.In == InPath }) || p.b.out.needsBody == in.Name {
		in.Required = true
	}
}
