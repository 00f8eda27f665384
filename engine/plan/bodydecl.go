package plan

import (
	"encoding/json"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// bodyDecl is the body key of a consumed operation as far as it does not depend on who
// calls (contract B).
type bodyDecl struct {
	value    *spec.Value // as written
	data     *spec.Value // B1: decides the body; nil when it does not
	typ      spec.Text
	fallback string // B5: {} or [] when data was given so
}

// templateVar is an input that a template names.
type templateVar struct {
	name string
	span diag.Span
}

func readBody(v *spec.Value) bodyDecl {
	b := bodyDecl{value: v}
	switch {
	case v == nil:
	case v.Kind == spec.Map:
		b.typ = v.Get("type").AsText()
		b.setData(v.Get("data"))
	default:
		b.setData(v)
	}
	return b
}

func (b *bodyDecl) setData(v *spec.Value) {
	switch {
	case v == nil || v.Kind == spec.Null || v.Kind == spec.String && v.Text == "":
	case v.Kind == spec.Map && len(v.Members) == 0:
		b.fallback = "{}"
	case v.Kind == spec.List && len(v.Items) == 0:
		b.fallback = "[]"
	default:
		b.data = v
	}
}

// dropFilled takes out the top-level members that authentication replaces. What their
// templates name is no input then (contract A5).
func (c *compiler) dropFilled(op *consumed) {
	data := op.body.data
	if data == nil || data.Kind != spec.Map {
		return
	}
	kept := *data
	kept.Members = nil
	for _, m := range data.Members {
		if !op.auth.fills("body", m.Key.Value) {
			kept.Members = append(kept.Members, m)
			continue
		}
		walkStrings(m.Value, func(t spec.Text) {
			for r := range expr.ParseTemplate(t.Value).Refs() {
				name := r.Name
				if _, rest, ok := cutInputPrefix(name, ""); ok {
					name = rest
				}
				op.slots = append(op.slots, c.newSlot(slot{in: "body", name: name, dropped: true}))
			}
		})
	}
	op.body.data = &kept
}

// format gives how the body is written, by its declared type (contract B6).
func (b *bodyDecl) format() (bodyFormat, string, *fault) {
	switch t := strings.ToLower(b.typ.Value); t {
	case "json", "application/json":
		return formatJSON, "application/json", nil
	case "":
		if b.value != nil && b.value.Kind == spec.String && looksXML(b.value.Text) {
			return formatText, "application/xml", nil
		}
		if b.value != nil && b.value.Kind == spec.String && !looksJSON(b.value.Text) {
			return formatText, "text/plain; charset=utf-8", nil
		}
		return formatJSON, "application/json", nil
	case "form", "formurlencoded", "x-www-form-urlencoded", "application/x-www-form-urlencoded":
		return formatForm, "application/x-www-form-urlencoded", nil
	case "multipart", "multipartform", "multipart-form", "multipart/form-data":
		return formatMultipart, "multipart/form-data", nil
	case "text":
		return formatText, "text/plain; charset=utf-8", nil
	case "xml":
		return formatText, "application/xml", nil
	case "yaml":
		return formatText, "application/yaml", nil
	case "sparql":
		return formatText, "application/sparql-query", nil
	case "graphql":
		return formatText, "application/graphql", nil
	}
	if t := strings.ToLower(b.typ.Value); t == "binary" || t == "octet-stream" || t == "application/octet-stream" {
		return formatBinary, "application/octet-stream", nil
	}
	return 0, "", faultf(diag.CodeBodyUnsupported, "B6", b.typ.Span(), "body type %q is not supported", b.typ.Value).
		hintf("expected json, form, multipart, text, xml, yaml, sparql, graphql or binary")
}

func looksJSON(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.IndexByte("{[\"", s[0]) >= 0 && !strings.HasPrefix(s, "{{")
}

func looksXML(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) > 1 && s[0] == '<' && !strings.HasPrefix(s, "<<")
}

// takesMembers reports whether a member can be added to the body: it is written as JSON or
// as a form, and is no list or single string.
func (b *bodyDecl) takesMembers() bool {
	format, _, f := b.format()
	if f != nil || format == formatText || format == formatBinary {
		return f != nil // the format is refused for itself
	}
	return b.fallback != "[]" && (b.data == nil || b.data.Kind == spec.Map)
}

// constantKey is the template as far as it tells operations apart (contract C7).
func (b *bodyDecl) constantKey() string {
	if b.data == nil {
		return b.fallback
	}
	return string(b.data.JSON())
}

// jsonParts splits the text of a JSON body at its templates and notes which of them stand
// inside a JSON string. ok is false when the text is no JSON around its templates.
func jsonParts(tpl expr.Template) (quoted []bool, ok bool) {
	var sample strings.Builder
	in := false
	for _, p := range tpl.Parts {
		quoted = append(quoted, in)
		if p.IsRef() {
			if in {
				sample.WriteByte('x')
			} else {
				sample.WriteByte('0')
			}
			continue
		}
		sample.WriteString(p.Literal)
		for i := 0; i < len(p.Literal); i++ {
			switch {
			case p.Literal[i] == '\\' && in:
				i++
			case p.Literal[i] == '"':
				in = !in
			}
		}
	}
	return quoted, json.Valid([]byte(sample.String()))
}
