package plan

import (
	"net/url"
	"strings"

	"capd/engine/expr"
)

// bodyFormat is how a body is written on the wire.
type bodyFormat uint8

const (
	formatJSON bodyFormat = iota + 1
	formatForm
	formatMultipart
	formatText
	formatBinary
)

// bodyPlan is the compiled body of a call (contract B).
type bodyPlan struct {
	format      bodyFormat
	contentType string

	template *expression // B1: decides the body
	parts    []bodyPart  // B1: a multipart body part by part
	empty    string      // what a JSON template of which nothing remains is sent as: {} or []
	whole    *expression // B3: one value is the whole body
	members  []member    // B2b, B3, B4: top-level members; over a template or an inbound body they win

	inbound  bool   // B4: the caller's body, unchanged when nothing is merged into it
	fallback string // B5: sent when nothing was given

	auth []member // A3: members that authentication fills, replacing
}

// member is a top-level member of a body.
type member struct {
	name  string
	value expression
}

// passes reports whether the caller's own bytes are the body.
func (p *bodyPlan) passes() bool {
	return p != nil && p.template == nil && p.parts == nil && p.whole == nil && p.inbound && len(p.members)+len(p.auth) == 0
}

// isJSON reports whether a body is sent, as JSON.
func (p *bodyPlan) isJSON() bool { return p != nil && p.format == formatJSON }

// render gives the body and its Content-Type; an empty body has none.
func (p *bodyPlan) render(s *scope, args *Args) (Body, string, *Error) {
	if p == nil {
		return Body{}, "", nil
	}
	if p.parts != nil {
		parts, err := p.renderParts(s)
		if err == nil {
			err = s.err
		}
		if err != nil {
			return Body{}, "", err
		}
		return p.multipart(parts)
	}
	if p.passes() { // the caller's own bytes
		if args.body.IsEmpty() {
			if p.fallback != "" {
				return BytesBody([]byte(p.fallback)), p.contentType, nil
			}
			return Body{}, "", nil
		}
		return args.body, args.contentType, nil
	}
	value := p.value(s, args)
	if s.err != nil {
		return Body{}, "", s.err
	}
	if isAbsent(value) {
		return Body{}, "", nil
	}
	return p.encode(value, s.held)
}

// value gives the value of a body that is made here, absent when there is none.
func (p *bodyPlan) value(s *scope, args *Args) any {
	var v any = absent{}
	switch {
	case p.template != nil:
		v = p.template.eval(s)
		if isAbsent(v) && p.empty != "" {
			v = rawJSON(p.empty)
		}
	case p.whole != nil:
		v = p.whole.eval(s)
	case p.inbound && !args.body.IsEmpty():
		v = args.inbound
	}
	v = merge(v, p.members, s)
	v = merge(v, p.auth, s)
	if isAbsent(v) && p.fallback != "" {
		v = rawJSON(p.fallback)
	}
	return v
}

// merge sets members over an object; they win. Nothing and members make an object; anything
// else has no members, which only the caller can have caused.
func merge(v any, members []member, s *scope) any {
	var set []member
	for _, m := range members {
		if got := m.value.eval(s); !isAbsent(got) {
			set = append(set, member{m.name, literalExpr(got)})
		}
	}
	if len(set) == 0 {
		return v
	}
	var names []string
	var parts []expression
	have, ok := v.(rawJSON)
	switch {
	case ok && have[0] == '{':
		account := expr.NewAccount(s.held)
		defer account.Close()
		fields := objectFields(have, &account)
		if err := account.Err(); err != nil && s.err == nil {
			s.err = s.held.unread("the body cannot be added to", err)
		}
		for _, f := range fields {
			if !hasMember(set, f.name) {
				names, parts = append(names, f.name), append(parts, f.value)
			}
		}
	case !isMissing(v) && s.err == nil:
		s.err = Errorf(CodeInvalidInput, "the body must be a JSON object, since member %q is added to it", set[0].name)
	}
	for _, m := range set {
		names, parts = append(names, m.name), append(parts, m.value)
	}
	return object(names, parts, s)
}

func hasMember(ms []member, name string) bool {
	for i := range ms {
		if ms[i].name == name {
			return true
		}
	}
	return false
}

func (p *bodyPlan) multipart(parts []part) (Body, string, *Error) {
	b, boundary := encodeMultipart(parts)
	return BytesBody(b), p.contentType + "; boundary=" + boundary, nil
}

func (p *bodyPlan) encode(v any, held *holding) (Body, string, *Error) {
	switch p.format {
	case formatForm:
		if text, ok := v.(string); ok {
			return BytesBody([]byte(text)), p.contentType, nil
		}
		pairs, err := p.pairs(v, held)
		if err != nil {
			return Body{}, "", err
		}
		return BytesBody([]byte(encodeForm(pairs))), p.contentType, nil
	case formatMultipart:
		pairs, err := p.pairs(v, held)
		if err != nil {
			return Body{}, "", err
		}
		return p.multipart(partsOf(pairs))
	case formatBinary:
		b, err := fromBase64("the body", []byte(textOf(v)))
		if err != nil || len(b) == 0 {
			return Body{}, "", err
		}
		return BytesBody(b), p.contentType, nil
	case formatText:
		t := textOf(v)
		if t == "" {
			return Body{}, "", nil
		}
		return BytesBody([]byte(t)), p.contentType, nil
	}
	return BytesBody(appendJSON(nil, v)), p.contentType, nil
}

// pairs gives the fields of a form; a list repeats its field (contract B6).
func (p *bodyPlan) pairs(v any, held *holding) ([]Pair, *Error) {
	raw, ok := v.(rawJSON)
	if !ok || raw[0] != '{' {
		return nil, Errorf(CodeInvalidInput, "the body must be an object, since it is sent as a form")
	}
	account := expr.NewAccount(held)
	defer account.Close()
	var out []Pair
	add := func(name, text string) bool {
		if !account.Add(int64(pairSize + 2*len(text))) {
			return false
		}
		out = append(out, Pair{name, text})
		return true
	}
	for _, f := range objectFields(raw, &account) {
		value := f.value.literal
		isList := eachText(value, func(text string) bool { return add(f.name, text) })
		if !isList && value != nil {
			add(f.name, textOf(value))
		}
	}
	if err := account.Err(); err != nil {
		return nil, held.unread("the body cannot be sent as a form", err)
	}
	return out, nil
}

// pairSize is about how many bytes a field of a form takes, with room to grow, beside its text; that is
// there once more when the form is written.
const pairSize = 80

func encodeForm(pairs []Pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	return b.String()
}
