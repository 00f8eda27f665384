package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"capd/engine/expr"
	"capd/engine/spec"
)

// property is what a tool's input schema says of one input.
type property struct {
	name        string
	typ         string
	description string
	required    bool
	items       []byte   // JSON Schema of a list's elements
	enum        []byte   // JSON list
	words       [][]byte // more members of its JSON Schema
	several     bool     // it is declared to be of one of several types
}

// noteInputs keeps what a slot says of the inputs that feed it. s is nil for a template
// variable without a declaration.
func (b *draft) noteInputs(x expression, s *slot) {
	x.eachInput(func(i int) {
		k := &b.known[i]
		p := &k.property
		k.feeds, p.name = true, b.inputs[i].name
		if s == nil {
			return
		}
		p.required = p.required || s.required
		if x.kind == exprInput && p.typ == "" {
			p.typ = s.typ
			p.several = s.decl != nil && hasSeveralTypes(s.decl)
			p.fill(s.description, s.items, s.enum)
			if s.decl != nil {
				p.constrain(s.decl)
			}
		}
	})
}

func (p *property) fill(description string, items *spec.Value, enum []*spec.Value) {
	if p.description == "" {
		p.description = strings.TrimSpace(description)
	}
	if p.items == nil && items != nil && items.Kind == spec.Map {
		if s := schemaOf(items); len(s) > len("{}") {
			p.items = s
		}
	}
	if p.enum == nil && len(enum) > 0 {
		list := make([]any, len(enum))
		for i, v := range enum {
			list[i] = scalar(v)
		}
		p.enum = appendJSON(nil, list)
	}
}

// inputSchema gives the JSON Schema of a tool's arguments (contract M1, M2): what is
// declared, what required slots and with need besides, and where nothing is declared all
// that the operation can take.
func (b *draft) inputSchema() []byte {
	if b.x.kind != MCP {
		return nil
	}
	if b.x.rawInput != nil {
		b.noteUnnamed()
		return nil
	}
	var props, added []*property
	for i := range b.x.declared {
		if d := &b.x.declared[i]; d.isFixed() {
			continue // no caller decides it
		} else if b.isReached(d.name) || !b.excused.has(expr.Fold(d.name)) {
			p := b.declaredProperty(d)
			props = append(props, &p)
		}
	}
	for i := range b.inputs {
		p := b.said(i)
		if p == nil {
			continue // only the body of an implicit body
		}
		name := b.propertyName(p.name)
		if k := indexProperty(props, name); k >= 0 {
			if len(b.x.declared) == 0 {
				props[k].required = props[k].required || p.required
			}
			continue
		}
		if len(b.x.declared) > 0 {
			if !p.required && !b.fed.has(p.name) {
				continue
			}
		}
		q := *p
		q.name = name
		if name != p.name {
			q.typ, q.description, q.items, q.enum, q.words = "object", "", nil, nil, nil
		}
		props = append(props, &q)
		if len(b.x.declared) > 0 {
			added = append(added, &q)
		}
	}
	b.noteAdded(added)
	if b.implicit != nil && indexProperty(props, "body") < 0 {
		props = append(props, b.implicit)
	}
	b.typeInputs(props)
	b.c.text = appendSchema(b.c.text[:0], props)
	return exactly(b.c.text)
}

// typeInputs gives the arguments of a tool the types that are published.
func (b *draft) typeInputs(props []*property) {
	if b.x.what != "" {
		return // the variables of a URI are text
	}
	for i := range b.inputs {
		in := &b.inputs[i]
		k := indexProperty(props, in.name)
		if k < 0 || props[k] == b.implicit {
			continue
		}
		in.needed = props[k].required
		if !props[k].several {
			in.typ = valueTypeOf(props[k].typ)
		}
	}
}

func hasSeveralTypes(p *spec.Parameter) bool {
	t := p.Node.Get("type")
	return t != nil && t.Kind == spec.List
}

// judgeType refuses an argument that is of another type than the published one and cannot be
// read as one: what it would become upstream, nobody has said.
func (in *input) judgeType(v any) *Error {
	if in.typ == anyType || isMissing(v) {
		return nil
	}
	v = convertText(v, in.typ.String())
	wrong := false
	raw, isRaw := v.(rawJSON)
	switch in.typ {
	case integerType, numberType:
		n, ok := v.(json.Number)
		wrong = !ok || in.typ == integerType && !isWhole(n)
	case booleanType:
		_, ok := v.(bool)
		wrong = !ok
	case arrayType:
		wrong = isRaw && raw[0] == '{' // a single value is a list of one
	case objectType:
		wrong = !isRaw
	}
	if wrong {
		return Errorf(CodeInvalidInput, "input %q must be of type %s", in.name, in.typ)
	}
	return nil
}

// isWhole reports whether a number has no fraction, however it is written.
func isWhole(n json.Number) bool {
	d := decimal(string(n))
	return d == nil || d.IsInt()
}

// propertyName is the argument that an input's name belongs to: body.x means body.
func (b *draft) propertyName(name string) string {
	for i := range b.x.declared {
		if b.x.declared[i].name == name {
			return name
		}
	}
	head, _, dotted := strings.Cut(name, ".")
	if dotted && (head == "body" || slices.Contains(b.declaredNames(), head)) {
		return head
	}
	return name
}

// indexProperty finds a property by rule N1.
func indexProperty(props []*property, name string) int {
	if i, ok := matchAmong(name, props, func(p **property) string { return (*p).name }); ok {
		return i
	}
	return -1
}

func (b *draft) declaredProperty(d *declaredInput) property {
	p := property{name: d.name, typ: d.typ, required: d.required == spec.True, several: hasSeveralTypes(d.param)}
	p.fill(d.param.Description.Value, d.param.Items, d.param.Enum)
	for i := range b.inputs {
		known := b.said(i)
		if known == nil || expr.Fold(b.inputs[i].name) != expr.Fold(d.name) {
			continue
		}
		if d.required == spec.Unset {
			p.required = p.required || known.required
		}
		if p.typ == "" {
			p.typ, p.several = known.typ, known.several
		}
		if p.description == "" {
			p.description = known.description
		}
		if p.items == nil && p.typ == known.typ {
			p.items = known.items
		}
		if p.enum == nil && p.typ == known.typ {
			p.enum = known.enum
		}
		if p.words == nil && p.typ == known.typ {
			p.words = known.words
		}
	}
	p.constrain(d.param)
	return p
}

func appendSchema(dst []byte, props []*property) []byte {
	dst = append(dst, `{"type":"object","properties":{`...)
	for i, p := range props {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, p.name), ':')
		dst = p.appendTo(dst)
	}
	dst = append(dst, '}')
	sep := `,"required":[`
	for _, p := range props {
		if p.required {
			dst = appendString(append(dst, sep...), p.name)
			sep = ","
		}
	}
	if sep == "," {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (p *property) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	sep := ""
	if p.typ != "" {
		dst = append(append(append(dst, `"type":"`...), p.typ...), '"')
		sep = ","
	}
	if p.description != "" {
		dst = appendString(append(append(dst, sep...), `"description":`...), p.description)
		sep = ","
	}
	if p.typ == "array" {
		items := p.items
		if items == nil {
			items = []byte("{}")
		}
		dst = append(append(dst, sep+`"items":`...), items...)
		sep = ","
	}
	if p.enum != nil {
		dst = append(append(dst, sep+`"enum":`...), p.enum...)
		sep = ","
	}
	for _, word := range p.words {
		dst = append(append(dst, sep...), word...)
		sep = ","
	}
	return append(dst, '}')
}
