package plan

import (
	"path/filepath"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
)

const pemBegin = "-----BEGIN "

// keyMaterial compiles a key or a certificate, and reports whether there is one: its text,
// or where it stands. A document may only name files that it may use; a variable is the
// platform's own, so it may hold an absolute path, unless its value stands in a file: that one
// lies beside the document, and leads no further than the document itself.
func (r *credentialReader) keyMaterial(keys ...string) bool {
	t := r.first(keys...)
	if t.Value == "" {
		return false
	}
	part := credentialPart{name: keys[0], span: t.Span(), required: true, material: true}
	literal, isLiteral := expr.ParseTemplate(t.Value).Literal()
	switch {
	case strings.Contains(t.Value, pemBegin):
		// Text, perhaps with a variable inside it.
	case isLiteral:
		place, f := r.place(keys[0], t.Span(), literal)
		if f != nil {
			r.give(f)
			return true
		}
		part.value, part.root = literalExpr(place.Path), place.Root
		r.plan.parts = append(r.plan.parts, part)
		return true
	case !isLoneReference(t.Value):
		r.give(faultf(diag.CodeAuthIncomplete, "A4", t.Span(), "%s of authentication of %s mixes text and variables", keys[0], r.op.namespace).
			hintf("put the whole path, or the whole key, into one variable"))
		return true
	}
	x, f := r.secret(t)
	if f != nil {
		r.fail(f)
		return true
	}
	part.value = x
	x.walk(func(e *expression) {
		if e.kind == exprVariable && e.variable.Location != nil && e.variable.Location.Scheme == "file" {
			part.root = e.variable.Location.File.Root
		}
	})
	r.plan.parts = append(r.plan.parts, part)
	return true
}

func isLoneReference(s string) bool {
	parts := expr.ParseTemplate(strings.TrimSpace(s)).Parts
	return len(parts) == 1 && parts[0].IsRef()
}

// place gives where a file is that the document names.
func (r *credentialReader) place(key string, at diag.Span, location string) (FilePlace, *fault) {
	f := faultf(diag.CodeAuthIncomplete, "A4", at, "%s of authentication of %s is a file that cannot be used here", key, r.op.namespace).
		hintf("put its absolute path into a variable: '{{NAME}}'")
	if r.c.files == nil {
		return FilePlace{}, f
	}
	place, err := r.c.files.Place(at.File, location)
	if err != nil {
		f.message += ": " + err.Error()
		if d := asDenied(err); d != nil {
			f.adopt(d)
		}
		return FilePlace{}, f
	}
	return place, nil
}

// materialOrFile tells a key's text from the path of a file.
func (p *credentialPlan) materialOrFile(v credentialValues, name string) (material Secret, file KeyFile) {
	value := v[name]
	if !filepath.IsAbs(value.value) || strings.Contains(value.value, pemBegin) {
		return value, KeyFile{}
	}
	for i := range p.parts {
		if p.parts[i].name == name {
			return Secret{}, KeyFile{Path: value, Root: p.parts[i].root}
		}
	}
	return Secret{}, KeyFile{Path: value}
}
