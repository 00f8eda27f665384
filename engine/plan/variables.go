package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// variables is what a document calls by name and does not get from its callers.
type variables struct {
	c *compiler
	*bindTable
	parts   map[string]*bindTable // by imported file; filled when asked for
	used    map[string]*Variable  // by where the value comes from
	open    []openVariable        // used and not declared
	servers []serverName          // what names in base URIs were taken for
}

// usage says where a variable stands, which decides what undeclared names mean (V2) and
// whether its value may be printed (D7).
type usage uint8

const (
	inBase usage = iota + 1
	inAuth
	elsewhere
)

func (v *variables) init(c *compiler) {
	*v = variables{c: c, bindTable: newBindTable(c.doc.Binds), parts: map[string]*bindTable{}, used: map[string]*Variable{}}
	for _, part := range c.doc.Parts {
		v.tableOf(part.File)
	}
	for i := range c.doc.Consumes {
		v.environment(&c.doc.Consumes[i])
	}
}

// environment declares the parameters of an API that are in the environment: they are no
// part of a request, and templates name them.
func (v *variables) environment(api *spec.Consumed) {
	v.environmentOf(api.Parameters)
	for i := range api.Resources {
		r := &api.Resources[i]
		v.environmentOf(r.Parameters)
		for j := range r.Operations {
			v.environmentOf(r.Operations[j].Parameters)
		}
	}
}

func (v *variables) environmentOf(params []spec.Parameter) {
	for i := range params {
		p := &params[i]
		if !strings.EqualFold(p.In.Value, "environment") || p.Name.Value == "" {
			continue
		}
		if p.Value != nil && p.Value.Kind != spec.Null {
			v.c.note(diag.Info, diag.Unit{}, faultf(diag.CodeNotHonoured, "", p.Value.Span(), "the value of %s has no effect here; a parameter in the environment is the variable of that name", p.Name.Value))
		}
		if v.keys[p.Name.Value] == nil {
			v.keys[p.Name.Value] = &bindKey{key: p.Name, source: p.Name}
		}
	}
}

// isKey reports whether name is a declared bind key.
func (v *variables) isKey(name string) bool {
	return v.keys[name] != nil || v.anyPart(func(t *bindTable) bool { return t.keys[name] != nil })
}

// isNamespace reports whether name is the namespace of a bind.
func (v *variables) isNamespace(name string) bool {
	return v.namespaces[name] || v.anyPart(func(t *bindTable) bool { return t.namespaces[name] })
}

func (v *variables) anyPart(holds func(*bindTable) bool) bool {
	for _, t := range v.parts {
		if holds(t) {
			return true
		}
	}
	return false
}

// split takes "env.X" or "<bind namespace>.X" apart.
func (v *variables) split(name string) (ns, key string, ok bool) {
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		if ns, key = name[:i], name[i+1:]; key != "" && (ns == "env" || v.isNamespace(ns)) {
			return ns, key, true
		}
	}
	return "", "", false
}

// isVariable reports whether a template's word is a variable (contract E2).
func (v *variables) isVariable(name string) bool {
	if _, _, ok := v.split(name); ok {
		return true
	}
	return v.isKey(name) || expr.IsScreaming(name)
}

// isReference leaves <<x>> and ${x} alone that are no reference but text (decision D6).
func (v *variables) isReference(r expr.Ref) bool {
	_, _, qualified := v.split(r.Name)
	switch r.Form {
	case expr.Chevron:
		return qualified
	case expr.Dollar:
		return qualified || expr.IsScreaming(r.Name)
	}
	return v.isVariable(r.Name)
}

// find gives the variable of a name that isVariable accepts.
func (v *variables) find(name string, at diag.Span, where usage) (*Variable, *fault) {
	ns, key, ok := v.split(name)
	if !ok {
		key = name
	}
	b := v.declared(ns, key, at.File)
	if b == nil {
		return v.undeclared(ns, key, at, where)
	}
	if !ok || ns != b.namespace {
		v.noteAmbiguous(b, at)
	}
	return v.variable(b, at, where)
}

// undeclared reads a SCREAMING_SNAKE name from the environment where that is what authors
// mean, and refuses it elsewhere (contract V2).
func (v *variables) undeclared(ns, name string, at diag.Span, where usage) (*Variable, *fault) {
	if where == elsewhere || !expr.IsScreaming(name) {
		f := faultf(diag.CodeUndeclaredVariable, "V2", at, "variable %s is not declared in binds", name)
		if near, ok := diag.Nearest(name, sortedKeys(v.keys)); ok {
			return nil, f.hintf("did you mean %s?", near)
		}
		v.open = append(v.open, openVariable{ns, name, f})
		return nil, f.hintf("declare it: binds: [{namespace: env, keys: {%s: %s}}]", name, name)
	}
	got, f := v.use("\x00"+name, &Variable{Name: name, Source: name, Key: name, Span: at}, at, where)
	if f == nil {
		open := faultf(diag.CodeUndeclaredVariable, "V2", got.Span,
			"variable %s is not declared in binds; the environment variable of that name is used", name).
			hintf("declare it: binds: [{namespace: env, keys: {%s: %s}}]", name, name)
		v.c.note(diag.Warning, diag.Unit{}, open)
		v.open = append(v.open, openVariable{ns, name, open})
	}
	return got, f
}

// use gives the variable of an identity (see [bindKey.identity]), which is fresh the first time.
func (v *variables) use(identity string, fresh *Variable, at diag.Span, where usage) (*Variable, *fault) {
	if fresh.Location == nil && ReservedVariable(fresh.Source) {
		return nil, faultf(diag.CodeForbiddenVariable, "V2b", at, "variable %s belongs to the machine and is never read for a document", fresh.Source).
			hintf("bind another name")
	}
	if d := v.c.grant.variable(fresh); d != nil {
		return nil, d.fault(at)
	}
	got := v.used[identity]
	if got == nil {
		got = fresh
		got.Name = v.freeName(fresh)
		got.Setting = true
		v.used[identity] = got
		v.c.unit.Variables = append(v.c.unit.Variables, got)
	}
	if where != inBase {
		got.Setting = false
	}
	return got, nil
}

// freeName gives the name by which people know a variable, which no other of the document has.
func (v *variables) freeName(fresh *Variable) string {
	for _, other := range v.c.unit.Variables {
		if other.Name == fresh.Name && fresh.Namespace != "" {
			return fresh.Namespace + "." + fresh.Key
		}
	}
	return fresh.Name
}

// settle lists the variables and bases that served operations use, and numbers them.
func (v *variables) settle() {
	u := v.c.unit
	bases, credentials := map[*BaseURI]bool{}, map[*credentialPlan]bool{}
	for _, op := range u.operations() {
		op.expressions(func(x *expression) {
			if x.kind == exprVariable {
				x.variable.calls = true
			}
		})
		for call := range op.calls {
			if k := call.credential; k != nil && !credentials[k] {
				credentials[k] = true
				k.index = len(u.credentials)
				u.credentials = append(u.credentials, k)
			}
			for _, base := range call.bases() {
				bases[base] = true
				for _, p := range base.parts {
					if p.variable != nil {
						p.variable.calls = true
					}
				}
			}
		}
	}
	for _, e := range u.Exposures {
		if e.Guard != nil {
			e.Guard.expressions(func(x *expression) {
				if x.kind == exprVariable {
					x.variable.guards = true
				}
			})
			e.Guard.secret.walk(func(x *expression) {
				if x.kind == exprVariable {
					x.variable.shown = true
				}
			})
			e.Guard.tokens.expressions(func(x *expression) {
				if x.kind == exprVariable {
					x.variable.sent = true
				}
			})
		}
	}
	u.Variables = slices.DeleteFunc(u.Variables, func(x *Variable) bool { return !x.calls && !x.guards })
	slices.SortFunc(u.Variables, func(a, b *Variable) int { return strings.Compare(a.Name, b.Name) })
	for i, x := range u.Variables {
		x.index = i
	}
	u.Bases = slices.DeleteFunc(u.Bases, func(x *BaseURI) bool { return !bases[x] })
	for i, x := range u.Bases {
		x.index = i
	}
}

// operations gives every operation that is served.
func (u *Unit) operations() []*Operation {
	var out []*Operation
	for _, e := range u.Exposures {
		for _, r := range e.Routes {
			if r.Operation != nil {
				out = append(out, r.Operation)
			}
		}
		for _, t := range e.Tools {
			if t.Operation != nil {
				out = append(out, t.Operation)
			}
		}
		for _, r := range e.Resources {
			if r.Operation != nil {
				out = append(out, r.Operation)
			}
		}
	}
	return out
}

// cutInputPrefix takes off the first word of a name that says that the rest is an input
// (contract E1). own is the namespace of the exposing adapter.
func cutInputPrefix(name, own string) (prefix, rest string, ok bool) {
	if r, found := strings.CutPrefix(name, "$this."); found {
		if rest, ok = strings.CutPrefix(r, own+"."); ok && own != "" && rest != "" {
			return "$this", rest, true // its name may hold dots
		}
		if _, rest, ok = strings.Cut(r, "."); ok && rest != "" {
			return "$this", rest, true
		}
		return "", "", false
	}
	for _, p := range []string{"rest", "tools", "tool", "input", "inputs", "args", "params", own} {
		if rest, ok = strings.CutPrefix(name, p+"."); p != "" && ok && rest != "" {
			return p, rest, true
		}
	}
	return "", "", false
}
