package plan

import (
	"bytes"
	"encoding/json"
	"strings"
)

// stated is what a document says of a REST operation beyond what it does. [Operation] keeps it
// as JSON, and nothing when there is nothing.
type stated struct {
	Label  string          `json:"l,omitempty"`
	Tags   []string        `json:"t,omitempty"`
	Takes  []Parameter     `json:"p,omitempty"`
	Media  string          `json:"m,omitempty"` // of an upstream's answer that is handed on
	Answer json.RawMessage `json:"s,omitempty"` // its JSON Schema
}

// takeDown keeps what the document says of a REST operation for those who describe it.
func (d *draft) takeDown() []byte {
	said := stated{Label: strings.TrimSpace(d.x.decl.Label.Value), Tags: tagsOf(d.x.decl.Tags)}
	var room [8]Parameter
	if d.out.forward == nil {
		said.Takes = d.appendStated(room[:0])
	}
	d.stateAnswer(&said)
	d.c.text = said.appendTo(d.c.text[:0])
	if len(d.c.text) == len("{}") {
		return nil
	}
	return exactly(d.c.text)
}

// appendTo appends what encoding/json makes of it.
func (s *stated) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	if s.Label != "" {
		dst = appendString(appendName(dst, "l"), s.Label)
	}
	if len(s.Tags) > 0 {
		dst = appendTexts(appendName(dst, "t"), s.Tags)
	}
	for i := range s.Takes {
		if i == 0 {
			dst = append(appendName(dst, "p"), '[')
		} else {
			dst = append(dst, ',')
		}
		dst = s.Takes[i].appendTo(dst)
	}
	if len(s.Takes) > 0 {
		dst = append(dst, ']')
	}
	if s.Media != "" {
		dst = appendString(appendName(dst, "m"), s.Media)
	}
	if len(s.Answer) > 0 {
		dst = appendHTMLSafe(appendName(dst, "s"), s.Answer)
	}
	return append(dst, '}')
}

// appendTo appends what encoding/json makes of it.
func (p *Parameter) appendTo(dst []byte) []byte {
	dst = appendString(appendName(append(dst, '{'), "i"), p.In)
	if p.Name != "" {
		dst = appendString(appendName(dst, "n"), p.Name)
	}
	if len(p.Path) > 0 {
		dst = appendTexts(appendName(dst, "p"), p.Path)
	}
	if p.Description != "" {
		dst = appendString(appendName(dst, "d"), p.Description)
	}
	if p.Required {
		dst = append(appendName(dst, "r"), "true"...)
	}
	if len(p.Schema) > 0 {
		dst = appendHTMLSafe(appendName(dst, "s"), p.Schema)
	}
	return append(dst, '}')
}

// appendName appends the name of a member to an object.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(appendString(dst, name), ':')
}

func appendTexts(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendHTMLSafe appends a JSON text with what means something to HTML escaped.
func appendHTMLSafe(dst, text []byte) []byte {
	if !bytes.ContainsAny(text, "<>&\u2028\u2029") {
		return append(dst, text...)
	}
	var b bytes.Buffer
	json.HTMLEscape(&b, text)
	return append(dst, b.Bytes()...)
}

// appendStated appends what callers send, nothing when that follows from what the operation does:
// declared inputs, and what is known of the others from the parameters that they feed.
func (d *draft) appendStated(out []Parameter) []Parameter {
	special := false
	for i := range d.x.declared {
		in := &d.x.declared[i]
		p, ok := d.declaredInputPlace(in)
		if !ok || indexParameter(out, p.In, p.Name) >= 0 {
			continue
		}
		special = true
		known := d.declaredProperty(in)
		out = append(out, known.describe(p))
	}
	for i := range d.inputs {
		p, ok := d.out.place(i, d.x.method, d.x.params)
		if !ok && d.out.usesInbound && len(d.inputs[i].lookups) == 0 && d.inputs[i].name == "body" {
			p, ok = Parameter{In: "body"}, true
		}
		if !ok || d.isDeclaredAt(&d.inputs[i], p) {
			continue
		}
		known := d.said(i)
		if known == nil {
			known = &property{}
		}
		if k := d.inputs[i].among(out, p, d.x.params); k >= 0 {
			out[k].Required = out[k].Required || known.required
			continue
		}
		special = special || known.saysMore(p.In)
		out = append(out, known.describe(p))
	}
	if !special {
		return out[:0]
	}
	return out
}

// stateAnswer notes what is declared of an answer that is handed on as it comes.
func (d *draft) stateAnswer(said *stated) {
	if !d.out.handsOn() || d.answering == nil {
		return
	}
	decl := d.answering.decl
	said.Media = rawMediaType(strings.ToLower(decl.RawFormat.Value))
	outs := d.shape
	if len(outs) != 1 {
		outs = decl.Outputs
	}
	if len(outs) != 1 || said.Media != "" {
		return
	}
	o := &outs[0]
	text := o.Mapping.Value
	if !o.HasMapping {
		text = o.Value.AsText().Value
	}
	if typ := jsonType(o.Type.Value); typ != "" && (text == "" || text == "$" || text == "$.") && o.Name.Value == "" {
		said.Answer = (&property{typ: typ, description: strings.TrimSpace(o.Description.Value)}).appendTo(nil)
	}
}
