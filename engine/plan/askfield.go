package plan

import (
	"encoding/json"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// askField is one member of a form, of the kinds that the protocol knows: text, number,
// boolean, one of some texts, or several of them.
type askField struct {
	name, title, description string
	typ                      string // string, number, integer, boolean or array
	required                 bool
	fallback                 any // nil: none
	allowed                  []string
	titles                   []string // of allowed; nil: none
	legacy                   bool     // titles are published as enumNames to all clients
	format                   string
	rule                     *inputRule
}

// fieldTypes are the types that members of a form have.
var fieldTypes = []string{"string", "number", "integer", "boolean", "array"}

// fieldFormats are the formats that the protocol knows.
var fieldFormats = []string{"email", "uri", "date", "date-time"}

// askField compiles a field of a question's form.
func (d *draft) askField(decl *spec.AskField, of *spec.Question) (askField, *fault) {
	f := askField{name: decl.Name.Value, title: decl.Label.Value, description: strings.TrimSpace(decl.Description.Value), required: decl.Required}
	wrong := func(at diag.Span, format string, args ...any) *fault {
		return faultf(diag.CodeAsk, "", placeOr(at, decl.Span), "field "+f.name+" of question "+of.Name.Value+" "+format, args...)
	}
	switch {
	case decl.Node.Kind != spec.Map || !decl.Name.IsSet():
		return f, faultf(diag.CodeAsk, "", decl.Span, "a field of question %s is no mapping with a name", of.Name.Value).hintf("write fields: {colour: {type: string}}")
	case !questionName.MatchString(f.name):
		return f, faultf(diag.CodeAsk, "", decl.Name.Span(), "%q is no name of a field", f.name).hintf("use letters, digits, _ and -, beginning with a letter")
	}
	if f.typ = jsonType(decl.Type.Value); f.typ == "" && !decl.Type.IsSet() {
		f.typ = "string"
	}
	if !slices.Contains(fieldTypes, f.typ) {
		return f, wrong(decl.Type.Span(), "cannot be of type %s", decl.Type.Value).hintf("expected %s", strings.Join(fieldTypes, ", "))
	}
	if fault := f.readChoices(decl, wrong); fault != nil {
		return f, fault
	}
	if decl.Format.IsSet() {
		if f.format = decl.Format.Value; f.typ != "string" || !slices.Contains(fieldFormats, f.format) {
			return f, wrong(decl.Format.Span(), "cannot have the format %s", decl.Format.Value).hintf("a string can be %s", strings.Join(fieldFormats, ", "))
		}
	}
	f.rule = d.rule(&declaredInput{name: f.name, typ: f.typ, param: &spec.Parameter{Node: decl.Node, Pattern: decl.Pattern}})
	if decl.Default != nil {
		v, problem := f.judge(fieldValue(decl.Default, f.typ))
		if problem != "" {
			return f, wrong(decl.Default.Span(), "has a default that is no answer: it %s", problem)
		}
		f.fallback = v
	}
	return f, nil
}

// fieldValue gives a default as it is meant.
func fieldValue(v *spec.Value, typ string) any {
	if typ == "string" && v.Kind != spec.List && v.Kind != spec.Map {
		return v.Text
	}
	if v.Kind == spec.List || v.Kind == spec.Map {
		return rawJSON(v.JSON())
	}
	return convertText(scalar(v), typ)
}

// readChoices reads the values that a field allows, with their titles.
func (f *askField) readChoices(decl *spec.AskField, wrong func(diag.Span, string, ...any) *fault) *fault {
	titles := decl.Titles
	if titles == nil {
		titles, f.legacy = decl.EnumNames, decl.EnumNames != nil
	}
	switch {
	case decl.Enum == nil && titles != nil:
		return wrong(titles.Span(), "has titles for no values").hintf("write enum: and the values")
	case decl.Enum == nil && f.typ == "array":
		return wrong(decl.Span, "is a list of anything").hintf("write enum: and the values to choose from")
	case decl.Enum == nil:
		return nil
	case f.typ != "string" && f.typ != "array":
		return wrong(decl.Enum.Span(), "can only choose among values as a string, or as an array").hintf("write type: string")
	}
	var ok bool
	if f.allowed, ok = textList(decl.Enum); !ok {
		return wrong(decl.Enum.Span(), "has an enum that is no list of different texts")
	}
	if titles != nil {
		if f.titles, ok = textList(titles); !ok || len(f.titles) != len(f.allowed) {
			return wrong(titles.Span(), "has not one title for each of its values")
		}
	}
	return nil
}

// textList gives a list of different texts.
func textList(v *spec.Value) (out []string, ok bool) {
	for _, item := range v.Items {
		t := item.AsText()
		if !t.IsSet() || slices.Contains(out, t.Value) {
			return nil, false
		}
		out = append(out, t.Value)
	}
	return out, len(out) > 0
}

// shown is what the user knows the field by.
func (f *askField) shown() string { return firstOf(f.title, f.name) }

// take gives the field's value in an answer, or its default; problem says what is wrong with
// what the user gave.
func (f *askField) take(raw []byte) (v any, problem string) {
	v = absent{}
	if member, ok := expr.Member(raw, f.name); ok {
		v = parseValue(member)
	}
	if isMissing(v) || v == "" && (f.rule != nil || f.allowed != nil || f.format != "" || f.required) {
		if f.fallback != nil {
			return f.fallback, ""
		}
		if f.required {
			return nil, "must be given"
		}
		return absent{}, ""
	}
	return f.judge(v)
}

// judge checks a value that is there.
func (f *askField) judge(v any) (any, string) {
	v = convertText(v, f.typ)
	if n, ok := v.(json.Number); ok {
		v = json.Number(shortest(n))
	}
	if !fits(appendJSON(nil, v), f.typ) || v == nil {
		return nil, "must be of type " + f.typ
	}
	if f.allowed != nil && !f.allows(v) {
		return nil, "must be " + f.choices()
	}
	if text, ok := v.(string); ok {
		if f.rule != nil && f.rule.pattern != nil && !f.rule.pattern.MatchString(text) {
			return nil, "does not have the expected form"
		}
		if !hasFormat(text, f.format) {
			return nil, "must be a valid " + f.format
		}
	}
	if f.rule != nil {
		for _, b := range f.rule.bounds {
			if !b.holds(v) {
				return nil, "must keep to " + b.word + " " + b.limit.RatString()
			}
		}
	}
	return v, ""
}

// allows reports whether a value, or each of a list, is one to choose from.
func (f *askField) allows(v any) bool {
	if f.typ == "string" {
		return slices.Contains(f.allowed, textOf(v))
	}
	elements, _ := expr.Elements(v.(rawJSON))
	return !slices.ContainsFunc(elements, func(e []byte) bool {
		text, ok := parseValue(e).(string)
		return !ok || !slices.Contains(f.allowed, text)
	})
}

func (f *askField) choices() string {
	words := "one of "
	if f.typ == "array" {
		words = "some of "
	}
	if f.titles != nil {
		return words + strings.Join(f.titles, ", ")
	}
	return words + strings.Join(f.allowed, ", ")
}

// hasFormat checks the formats that the protocol knows.
func hasFormat(text, format string) bool {
	switch format {
	case "email":
		a, err := mail.ParseAddress(text)
		return err == nil && a.Address == text
	case "uri":
		u, err := url.Parse(text)
		return err == nil && u.Scheme != ""
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case "date-time":
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	}
	return true
}

// formSchema gives the JSON Schema of a form. older is for clients of before 2025-11-25.
func formSchema(fields []askField, older bool) []byte {
	out := []byte(`{"type":"object","properties":{`)
	var required []any
	for i := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, fields[i].name), ':')
		out = fields[i].appendSchema(out, older)
		if fields[i].required {
			required = append(required, fields[i].name)
		}
	}
	out = append(out, '}')
	if required != nil {
		out = appendJSON(append(out, `,"required":`...), required)
	}
	return append(out, '}')
}

func (f *askField) appendSchema(out []byte, older bool) []byte {
	out = appendString(append(out, `{"type":`...), f.typ)
	word := func(name string, value any) {
		out = appendJSON(append(appendString(append(out, ','), name), ':'), value)
	}
	for _, w := range [][2]string{{"title", f.title}, {"description", f.description}, {"format", f.format}} {
		if w[1] != "" {
			word(w[0], w[1])
		}
	}
	if f.rule != nil {
		for _, b := range f.rule.bounds {
			if b.isOf(f.typ) {
				word(b.word, json.Number(b.limit.RatString()))
			}
		}
	}
	switch {
	case f.allowed == nil:
	case f.typ == "array":
		out = append(f.appendChoices(append(out, `,"items":{`...), "anyOf", true), '}')
	default:
		out = f.appendChoices(append(out, ','), "oneOf", older || f.legacy)
	}
	if f.fallback != nil {
		word("default", f.fallback)
	}
	return append(out, '}')
}

// appendChoices writes the values to choose from. flat is the way that clients knew first.
func (f *askField) appendChoices(out []byte, titled string, flat bool) []byte {
	if f.titles != nil && (!flat || titled == "anyOf") {
		out = append(appendString(out, titled), ":["...)
		for i := range f.allowed {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(append(out, `{"const":`...), f.allowed[i])
			out = append(appendString(append(out, `,"title":`...), f.titles[i]), '}')
		}
		return append(out, ']')
	}
	if titled == "anyOf" {
		out = append(out, `"type":"string",`...)
	}
	out = appendJSON(append(out, `"enum":`...), listOf(f.allowed))
	if f.titles != nil {
		out = appendJSON(append(out, `,"enumNames":`...), listOf(f.titles))
	}
	return out
}

func listOf(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// isOf reports whether the limit is about values of the type.
func (b *bound) isOf(typ string) bool {
	switch b.word {
	case "minimum", "maximum":
		return typ == "number" || typ == "integer"
	case "minLength", "maxLength":
		return typ == "string"
	}
	return typ == "array"
}
