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
	return d.appendOutput(nil, d.out.output)
}

func (d *draft) appendOutput(dst []byte, o *output) []byte {
	dst = append(dst, '{')
	sep := ""
	if types := o.types(); len(types) > 0 {
		dst = append(dst, `"type":`...)
		if len(types) == 1 {
			dst = appendString(dst, types[0])
		} else {
			dst = appendJSON(dst, texts(types))
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
		var required []string
		for i, p := range o.parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, o.names[i]), ':')
			dst = d.appendOutput(dst, p)
			if !p.omit {
				required = append(required, o.names[i])
			}
		}
		dst = append(dst, '}')
		if len(required) > 0 {
			dst = appendJSON(append(dst, `,"required":`...), texts(required))
		}
	case outputMembers:
		dst = d.appendOutput(append(dst, sep+`"additionalProperties":`...), o.items)
	case outputList, outputOne:
		dst = d.appendOutput(append(dst, sep+`"items":`...), o.items)
	case outputPath:
		if o.max > 0 && o.typ == "string" {
			dst = appendJSON(append(dst, sep+`"maxLength":`...), json.Number(number(o.max)))
		}
	}
	return append(dst, '}')
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// types gives the JSON types a part can have; none when it may be anything.
func (o *output) types() []string {
	switch o.kind {
	case outputObject:
		if o.path == nil || o.path.IsWhole() {
			return []string{"object"}
		}
		return []string{"object", "null"}
	case outputList:
		return []string{"array", "null"}
	case outputOne:
		return []string{"array"}
	case outputMembers:
		return []string{"object", "null"}
	case outputConst:
		return o.constantTypes()
	case outputPath:
		if o.typ != "" {
			return []string{o.typ, "null"}
		}
	}
	return nil
}

func (o *output) constantTypes() []string {
	if o.literal.kind == exprLiteral {
		switch v := convertText(o.literal.literal, o.typ).(type) {
		case string:
			return []string{"string"}
		case bool:
			return []string{"boolean"}
		case json.Number:
			return []string{"number"}
		case rawJSON:
			if v[0] == '{' {
				return []string{"object"}
			}
			return []string{"array"}
		}
		return nil
	}
	if o.typ != "" {
		return []string{o.typ, "null"}
	}
	return nil
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
	if o.typ == "" || fits(raw, o.typ) {
		return raw
	}
	s.misfits = true
	if s.strict {
		return asType(raw, o.typ)
	}
	return raw
}

// outputDecl remembers what declares a part of the answer.
func (d *draft) outputDecl(o *output, decl *spec.Output) {
	if o == nil || decl == nil {
		return
	}
	if d.outputDecls == nil {
		d.outputDecls = map[*output]*spec.Output{}
	}
	d.outputDecls[o] = decl
}
