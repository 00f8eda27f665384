package plan

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// inputRule is what the declaration of an input says of its value. The zero value says
// nothing.
type inputRule struct {
	fixed    any // the value, whatever the caller says; nil: the caller's
	fallback any // the value when the caller gives none; nil: none
	enum     []string
	pattern  *regexp.Regexp
	bounds   []bound
}

// bound is a limit of the words minimum, maxLength and so on.
type bound struct {
	word  string
	limit *big.Rat
}

// boundWords are the limits an input can declare, as in JSON Schema.
var boundWords = []string{"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}

// applyDeclared gives every input that is declared what its declaration says.
func (d *draft) applyDeclared() {
	d.judgePlaces()
	for i := range d.inputs {
		in := &d.inputs[i]
		if k, ok := d.x.declares(in.name); ok {
			p := &d.x.declared[k]
			if path := d.bodyPath(p); path != nil {
				in.lookups = []lookup{{kind: lookBodyPath, name: in.name, more: &lookupMore{path: path}}}
			}
			in.rule = d.rule(p)
		}
		s := d.known[i].fallback
		if s == nil {
			continue
		}
		if in.rule == nil {
			in.rule = &inputRule{}
		}
		if in.rule.fallback == nil {
			in.rule.fallback = convertText(scalar(s.decl.Default), s.typ)
		}
	}
}

// judgePlaces reports inputs that are said to be where no request has any.
func (d *draft) judgePlaces() {
	for i := range d.x.declared {
		p := &d.x.declared[i]
		in := p.param.In
		if in.Value == "" || d.x.kind != REST || slices.Contains(places, strings.ToLower(in.Value)) {
			continue
		}
		f := faultf(diag.CodeParameter, "S3", in.Span(), "%q is no place for an input; %s is read from the %s", in.Value, p.name, p.in)
		if near, ok := diag.Nearest(in.Value, places); ok {
			f.hintf("did you mean %s?", near)
		} else {
			f.hintf("expected path, query, header, cookie or body")
		}
		d.c.note(diag.Warning, d.x.unit, f)
	}
}

// bodyPath gives the path at which a REST input is read from the body, when its own value is
// one.
func (d *draft) bodyPath(p *declaredInput) *expr.JSONPath {
	v := p.param.Value
	if !isBodyPath(v) || d.x.kind != REST {
		return nil
	}
	path, err := expr.ParseJSONPath(v.Text)
	if err != nil {
		d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeOutput, "", v.Span(), "input %s is read by its name: %s", p.name, err.Error()).
			hintf("write a path such as $.user.id"))
		return nil
	}
	return path
}

// isBodyPath reports whether the own value of an exposed input says where in the body it is.
func isBodyPath(v *spec.Value) bool {
	return v != nil && v.Kind == spec.String && (v.Text == "$" || strings.HasPrefix(v.Text, "$.") || strings.HasPrefix(v.Text, "$["))
}

// rule compiles what is said of an input's value. What cannot be checked is reported.
func (d *draft) rule(p *declaredInput) *inputRule {
	var r inputRule
	if p.isFixed() {
		r.fixed = convertText(scalar(p.param.Value), p.typ)
	}
	if v := p.param.Default; v != nil && v.Kind != spec.Null {
		r.fallback = convertText(scalar(v), p.typ)
	}
	if p.fallback != nil {
		r.fallback = p.fallback
	}
	for _, v := range p.param.Enum {
		r.enum = append(r.enum, textOf(scalar(v)))
	}
	if t := p.param.Pattern; t.Value != "" {
		var err error
		if r.pattern, err = regexp.Compile(t.Value); err != nil {
			d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeNotHonoured, "", t.Span(), "the pattern of %s is not checked, since it is no regular expression of RE2", p.name))
		}
	}
	for _, word := range boundWords {
		v := p.param.Node.Get(word)
		if v == nil || v.Kind == spec.Null {
			continue
		}
		limit := decimal(v.Text)
		if limit == nil || v.Kind != spec.Number {
			d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeWrongType, "", v.Span(), "%s of %s is no number; it is not checked", word, p.name))
			continue
		}
		r.bounds = append(r.bounds, bound{word, limit})
	}
	if r.fixed == nil && r.fallback == nil && r.enum == nil && r.pattern == nil && r.bounds == nil {
		return nil
	}
	kept := r
	return &kept
}

// apply gives the value of an input for what the caller gave. An explicit null is a value
// that no limit is about.
func (r *inputRule) apply(name string, v any) (any, *Error) {
	switch {
	case r == nil:
		return v, nil
	case r.fixed != nil:
		return r.fixed, nil
	case isAbsent(v) && r.fallback != nil:
		return r.fallback, nil
	case isMissing(v):
		return v, nil
	case len(r.enum) > 0 && !slices.Contains(r.enum, textOf(v)):
		return nil, Errorf(CodeInvalidInput, "input %q must be one of the values that the operation declares for it", name)
	}
	if text, ok := v.(string); ok && r.pattern != nil && !r.pattern.MatchString(text) {
		return nil, Errorf(CodeInvalidInput, "input %q does not have the form that the operation declares for it", name)
	}
	for _, b := range r.bounds {
		if !b.holds(v) {
			return nil, Errorf(CodeInvalidInput, "input %q is out of the limits that the operation declares for it: %s %s", name, b.word, b.limit.RatString())
		}
	}
	return v, nil
}

// holds reports whether a value keeps to the limit. A value of a kind that the limit is not
// about does.
func (b *bound) holds(v any) bool {
	var n *big.Rat
	switch b.word {
	case "minimum", "maximum":
		text := ""
		switch v := v.(type) {
		case json.Number:
			text = string(v)
		case string:
			text = v
		}
		n = decimal(text)
	case "minLength", "maxLength":
		if text, ok := v.(string); ok {
			n = big.NewRat(int64(utf8.RuneCountInString(text)), 1)
		}
	default:
		switch v := v.(type) {
		case []any:
			n = big.NewRat(int64(len(v)), 1)
		case rawJSON:
			if elements, ok := expr.Elements(v); ok {
				n = big.NewRat(int64(len(elements)), 1)
			}
		}
	}
	if n == nil {
		return true
	}
	if strings.HasPrefix(b.word, "min") {
		return n.Cmp(b.limit) >= 0
	}
	return n.Cmp(b.limit) <= 0
}

// decimal reads a number exactly, unless it has an exponent, which could make a short text a
// huge one. It is nil when text is none, or out of reach.
func decimal(text string) *big.Rat {
	if strings.ContainsAny(text, "eEpPxXoObB_/") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil
		}
		return new(big.Rat).SetFloat64(f)
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return n
}

// cookieValue gives a cookie of the request.
func cookieValue(h http.Header, name string) any {
	for _, line := range h.Values("Cookie") {
		cookies, err := http.ParseCookie(line)
		if err != nil {
			continue
		}
		for _, c := range cookies {
			if c.Name == name {
				return c.Value
			}
		}
	}
	return absent{}
}

// at gives the value at a path of a JSON body.
func (b *inboundBody) at(path *expr.JSONPath, name string) (any, *Error) {
	whole, err := b.whole()
	if err != nil || isAbsent(whole) {
		return whole, err
	}
	raw := b.raw
	if b.form != nil {
		raw = appendJSON(nil, whole)
	} else if !b.json {
		return nil, Errorf(CodeInvalidInput, "the request body is not JSON, but input %q is read from it", name)
	}
	found, ok, ferr := path.Find(raw, b.held)
	if ferr != nil {
		return nil, b.held.unread("input "+strconv.Quote(name)+" cannot be read from the request body", ferr)
	}
	if !ok {
		return absent{}, nil
	}
	return parseValue(found), nil
}

// isFixed reports whether the document says the value of an input, and no caller.
func (d *declaredInput) isFixed() bool {
	v := d.param.Value
	return v != nil && v.Kind != spec.Null && !isBodyPath(v)
}

// constrain puts what a declaration says of values into a property, for clients to keep to.
func (p *property) constrain(param *spec.Parameter) {
	add := func(word string, value []byte) {
		member := append(appendString(nil, word), ':')
		p.words = slices.DeleteFunc(slices.Clone(p.words), func(w []byte) bool { return bytes.HasPrefix(w, member) })
		p.words = append(p.words, append(member, value...))
	}
	if d := param.Default; d != nil && d.Kind != spec.Null {
		p.required = false
		if raw, ok := defaultOf(param, p.typ); ok {
			add("default", raw)
		}
	}
	for _, words := range [...][]string{{"pattern", "format"}, boundWords} {
		for _, word := range words {
			if v := param.Node.Get(word); isWordValue(word, v) {
				add(word, appendJSON(nil, scalar(v)))
			}
		}
	}
	if param.Properties != nil && p.typ == "object" {
		add("properties", schemaProperties(param.Properties))
	}
}

// defaultOf gives a declared default as the type it is declared for; not ok when it cannot be of
// that type, or is none of the values that are allowed.
func defaultOf(param *spec.Parameter, typ string) (raw []byte, ok bool) {
	v := convertText(scalar(param.Default), typ)
	if raw = appendJSON(nil, v); typ != "" && !fits(raw, typ) {
		raw = asType(raw, typ)
	}
	allowed := len(param.Enum) == 0 || slices.ContainsFunc(param.Enum, func(e *spec.Value) bool { return textOf(scalar(e)) == textOf(v) })
	return raw, allowed && (string(raw) != "null")
}

// isWordValue reports whether a declared limit is one that JSON Schema knows too.
func isWordValue(word string, v *spec.Value) bool {
	switch {
	case v == nil:
		return false
	case word == "format":
		return v.Kind == spec.String
	case word == "pattern":
		if v.Kind != spec.String {
			return false
		}
		_, err := regexp.Compile(v.Text)
		return err == nil
	case v.Kind != spec.Number:
		return false
	}
	n, ok := scalar(v).(json.Number)
	return ok && (word == "minimum" || word == "maximum" || !strings.ContainsAny(string(n), "-.eE"))
}

// schemaProperties gives the JSON Schemas of declared members.
func schemaProperties(members *spec.Value) []byte {
	out := []byte{'{'}
	add := func(name string, v *spec.Value) {
		if name == "" || v.Kind != spec.Map {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, name), ':'), schemaOf(v)...)
	}
	for _, m := range members.Members {
		add(m.Key.Value, m.Value)
	}
	for _, item := range members.Items {
		add(item.Get("name").AsText().Value, item)
	}
	return append(out, '}')
}

// schemaOf gives the JSON Schema of a declared member or element.
func schemaOf(v *spec.Value) []byte {
	p := property{typ: jsonType(v.Get("type").AsText().Value)}
	var enum []*spec.Value
	if e := v.Get("enum"); e != nil {
		enum = e.Items
	}
	p.fill(v.Get("description").AsText().Value, v.Get("items"), enum)
	p.constrain(&spec.Parameter{Node: v, Default: v.Get("default"), Properties: v.Get("properties")})
	return p.appendTo(nil)
}
