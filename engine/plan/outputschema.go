package plan

import (
	"encoding/json"
	"strings"

	"capd/engine/expr"
	"capd/engine/spec"
)

// OutputSchema gives the JSON Schema of what the operation answers on success: compact JSON,
// of any type. It is nil when an upstream's answer is handed on as it comes. What cannot be
// found in an answer is null, so every mapped value may be null.
//
// [Result.Body] holds mapped values as the upstream wrote them, which need not be of the
// declared type; [Result.Structured] always fits the schema.
func (op *Operation) OutputSchema() []byte { return op.schema }

// outputSchema compiles the schema of the answer from what is declared of each part.
func (d *draft) outputSchema() []byte {
	if d.out.output == nil {
		return nil
	}
	d.c.text = d.appendOutput(d.c.text[:0], d.out.output)
	return exactly(d.c.text)
}

func (d *draft) appendOutput(dst []byte, o *output) []byte {
	dst = append(dst, '{')
	sep := ""
	if typ, null := o.jsonType(); typ != "" {
		dst = append(dst, `"type":`...)
		if null {
			dst = append(appendString(append(dst, '['), typ), `,"null"]`...)
		} else {
			dst = appendString(dst, typ)
		}
		sep = ","
	}
	if decl := d.outputDecls[o]; decl != nil {
		if text := strings.TrimSpace(decl.Description.Value); text != "" {
			dst = appendString(append(dst, sep+`"description":`...), text)
			sep = ","
		}
	}
	switch o.kind {
	case outputObject:
		dst = append(dst, sep+`"properties":{`...)
		for i, p := range o.parts() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, o.made.names[i]), ':')
			dst = d.appendOutput(dst, p)
		}
		dst = append(dst, '}')
		sep = `,"required":[`
		for i, p := range o.parts() {
			if !p.omit {
				dst = appendString(append(dst, sep...), o.made.names[i])
				sep = ","
			}
		}
		if sep == "," {
			dst = append(dst, ']')
		}
	case outputMembers:
		dst = d.appendOutput(append(dst, sep+`"additionalProperties":`...), o.items)
	case outputList, outputOne:
		dst = d.appendOutput(append(dst, sep+`"items":`...), o.items)
	case outputPath:
		if o.max > 0 && o.typ == stringType {
			dst = appendJSON(append(dst, sep+`"maxLength":`...), json.Number(number(o.max)))
		}
	}
	return append(dst, '}')
}

// jsonType gives the JSON type a part has, empty when it may be any, and whether it can be null as
// well.
func (o *output) jsonType() (typ string, null bool) {
	switch o.kind {
	case outputObject:
		return "object", o.path != nil && !o.path.IsWhole()
	case outputList:
		return "array", true
	case outputOne:
		return "array", false
	case outputMembers:
		return "object", true
	case outputConst:
		return o.constantType()
	case outputPath:
		return o.typ.String(), true
	}
	return "", false
}

func (o *output) constantType() (typ string, null bool) {
	if o.literal.kind != exprLiteral {
		return o.typ.String(), true
	}
	switch v := convertText(o.literal.literal, o.typ.String()).(type) {
	case string:
		return "string", false
	case bool:
		return "boolean", false
	case json.Number:
		return "number", false
	case rawJSON:
		if v[0] == '{' {
			return "object", false
		}
		return "array", false
	}
	return "", false
}

// fits reports whether a JSON text is of a type of JSON Schema.
func fits(raw []byte, typ string) bool {
	switch expr.Kind(raw) {
	case 'n':
		return true
	case '"':
		return typ == "string"
	case 't', 'f':
		return typ == "boolean"
	case '{':
		return typ == "object"
	case '[':
		return typ == "array"
	}
	return typ == "number" || typ == "integer" && !strings.ContainsAny(string(raw), ".eE")
}

// asType gives a value of the declared type: another spelling of the same value, or null.
func asType(raw []byte, typ string) []byte {
	v := parseValue(raw)
	if typ == "string" {
		return appendString(nil, textOf(v))
	}
	if n, ok := v.(json.Number); ok && fits([]byte(shortest(n)), typ) {
		return []byte(shortest(n)) // 1.0 is a whole number
	}
	if s, ok := v.(string); ok {
		if got := appendJSON(nil, convertText(s, typ)); fits(got, typ) {
			return got
		}
	}
	return []byte("null")
}

// typed checks a mapped value against its declared type. When the answer must fit its schema,
// another value takes its place.
func (o *output) typed(raw []byte, s *scope) []byte {
	if o.typ == anyType || fits(raw, o.typ.String()) {
		return raw
	}
	s.misfits = true
	if s.strict {
		return asType(raw, o.typ.String())
	}
	return raw
}

// outputDecl remembers what declares a part of the answer.
func (d *draft) outputDecl(o *output, decl *spec.Output) {
	if o == nil || decl == nil || decl.Description.Value == "" {
		return
	}
	if d.outputDecls == nil {
		d.outputDecls = map[*output]*spec.Output{}
	}
	d.outputDecls[o] = decl
}
