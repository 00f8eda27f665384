package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// authPlan is the compiled authentication of a consumed API (contract A).
type authPlan struct {
	basic      *basicAuth
	fields     []authField
	credential *credentialPlan // what works on the finished request
	literals   []Secret        // credentials that are written into the document
}

type authField struct {
	in, name string
	prefix   string
	value    expression
	span     diag.Span
}

// fills reports whether authentication provides that parameter (contract A5).
func (a *authPlan) fills(in, name string) bool {
	if a.basic != nil && in == "header" && strings.EqualFold(name, "Authorization") {
		return true
	}
	for _, f := range a.fields {
		if f.in == in && sameSlotName(in, f.name, name) {
			return true
		}
	}
	return a.credential.fills(in, name)
}

// readAuth compiles the authentication of an operation, or says why it cannot.
func (c *compiler) readAuth(op *consumed) *fault {
	v := op.authentication()
	if v == nil {
		return nil
	}
	if v.Kind != spec.Map {
		return faultf(diag.CodeAuthUnsupported, "A", v.Span(), "authentication of %s is not a mapping", op.namespace)
	}
	if known, ok := c.auths[v]; ok {
		op.auth = known
		return nil
	}
	a := authReader{c: c, op: op, v: v}
	switch authType(a.text("type").Value) {
	case "bearer":
		a.add("header", "Authorization", "Bearer ", a.first("token", "value"))
	case "basic":
		a.basic()
	case "apikey":
		a.apiKey()
	case "header":
		a.add("header", a.text("header").Value, "", a.first("value", "token"))
	case "query":
		a.query()
	case "digest":
		a.credential("digest", (*credentialReader).digest)
	case "oauth2":
		a.credential("oauth2", (*credentialReader).oauth2)
	case "oauth1":
		a.credential("oauth1", (*credentialReader).oauth1)
	case "aws-sig-v4":
		a.credential("aws-sig-v4", (*credentialReader).awsSigV4)
	case "hmac":
		a.credential("hmac", (*credentialReader).hmac)
	case "certificate":
		a.credential("certificate", (*credentialReader).certificate)
	case "":
		op.fail(faultf(diag.CodeAuthIncomplete, "A", v.Span(), "authentication of %s has no type", op.namespace).hintf("write type: %s", authTypes()))
	default:
		op.fail(unknownAuth(a.text("type")))
	}
	if a.failed == nil && op.fault == nil {
		if c.auths == nil {
			c.auths = map[*spec.Value]authPlan{}
		}
		c.auths[v] = op.auth
	}
	return a.failed
}

// authTypes gives the types of authentication that are served, as a sentence.
func authTypes() string {
	names := authNames()
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func unknownAuth(t spec.Text) *fault {
	f := faultf(diag.CodeAuthUnsupported, "A4", t.Span(), "authentication type %q is not supported", t.Value)
	if near, ok := diag.Nearest(t.Value, authNames()); ok {
		return f.hintf("did you mean %s?", near)
	}
	return f.hintf("expected %s", authTypes())
}

type authReader struct {
	c      *compiler
	op     *consumed
	v      *spec.Value
	failed *fault // the first one

	incomplete bool            // the operation was refused at once
	used       map[string]bool // keys that were asked for
}

func (a *authReader) fault(code diag.Code, rule string, at diag.Span, format string, args ...any) {
	a.fail(faultf(code, rule, at, format, args...))
}

func (a *authReader) fail(f *fault) {
	if a.failed == nil {
		a.failed = f
	}
}

func (a *authReader) text(key string) spec.Text {
	if a.used != nil {
		a.used[key] = true
	}
	return a.v.Get(key).AsText()
}

// first gives the first key that is there with a value.
func (a *authReader) first(keys ...string) spec.Text {
	for _, k := range keys {
		if t := a.text(k); t.Value != "" {
			return t
		}
	}
	return spec.Text{}
}

func (a *authReader) add(in, name, prefix string, value spec.Text) {
	if name == "" || value.Value == "" {
		f := faultf(diag.CodeAuthIncomplete, "A4", a.v.Span(), "authentication of %s has no %s", a.op.namespace, missing(name, "name", "value"))
		if name == "" {
			f.hintf("say under which name it is sent")
		} else {
			f.hintf("give it a value from a variable, such as token: '{{NAME}}'")
		}
		a.op.fail(f)
		return
	}
	x, f := a.secret(value)
	if f != nil {
		a.fail(f)
		return
	}
	switch in {
	case "header", "query", "cookie", "body", "path":
	default:
		a.fault(diag.CodeAuthUnsupported, "A3", a.v.Span(), "authentication of %s has the placement %q; expected header, query, cookie, body or path", a.op.namespace, in)
		return
	}
	if in == "header" && !isToken(name) {
		a.fault(diag.CodeAuthIncomplete, "A3", a.v.Span(), "authentication of %s names no valid header", a.op.namespace)
		return
	}
	a.op.auth.fields = append(a.op.auth.fields, authField{in: in, name: name, prefix: prefix, value: x, span: value.Span()})
}

func missing(have, a, b string) string {
	if have == "" {
		return a
	}
	return b
}

func (a *authReader) basic() {
	if a.v.Get("username") == nil && a.v.Get("password") == nil {
		a.fault(diag.CodeAuthIncomplete, "A2", a.v.Span(), "authentication of %s has neither username nor password", a.op.namespace)
		return
	}
	user, f := a.secret(a.text("username"))
	if f == nil {
		var pass expression
		if pass, f = a.secret(a.text("password")); f == nil {
			a.op.auth.basic = &basicAuth{username: user, password: pass}
		}
	}
	a.fail(f)
}

// apiKey reads every spelling of rule A3.
func (a *authReader) apiKey() {
	if h := a.v.Get("headers"); h != nil {
		a.headerPairs(h)
		return
	}
	value, name := a.first("value", "token"), ""
	if value.Value != "" {
		name = a.first("key", "name", "header").Value
	} else {
		value, name = a.text("key"), a.first("header", "name").Value
	}
	in := strings.ToLower(a.first("placement", "in").Value)
	if in == "" {
		in = "header"
	}
	a.add(in, name, "", value)
}

// headerPairs reads a mapping of names to values, or a list of key/value mappings.
func (a *authReader) headerPairs(h *spec.Value) {
	for _, m := range h.Members {
		a.add("header", m.Key.Value, "", m.Value.AsText())
	}
	for _, item := range h.Items {
		key := item.Get("key").AsText()
		if key.Value == "" {
			key = item.Get("name").AsText()
		}
		a.add("header", key.Value, "", item.Get("value").AsText())
	}
	if len(h.Members)+len(h.Items) == 0 {
		a.fault(diag.CodeAuthIncomplete, "A3", h.Span(), "authentication of %s has no headers", a.op.namespace)
	}
}

func (a *authReader) query() {
	params := a.v.Get("parameters")
	if params == nil || len(params.Items)+len(params.Members) == 0 {
		a.fault(diag.CodeAuthIncomplete, "A4", a.v.Span(), "authentication of %s has no parameters", a.op.namespace)
		return
	}
	for _, item := range params.Items {
		a.add("query", item.Get("name").AsText().Value, "", item.Get("value").AsText())
	}
	for _, m := range params.Members {
		a.add("query", m.Key.Value, "", m.Value.AsText())
	}
}

// secret compiles a credential: text and variables, never an input.
func (a *authReader) secret(t spec.Text) (expression, *fault) {
	tpl := expr.ParseTemplate(t.Value)
	x := expression{kind: exprText}
	for _, p := range tpl.Parts {
		if !p.IsRef() || p.Ref.Form != expr.Mustache && !a.c.vars.isReference(p.Ref) {
			x.parts = append(x.parts, literalExpr(p.Literal))
			continue
		}
		part, f := a.reference(p.Ref.Name, t.Sub(p.Ref.Start, p.Ref.End))
		if f != nil {
			return x, f
		}
		x.parts = append(x.parts, part)
	}
	if text, ok := tpl.Literal(); ok && a.c.vars.isKey(text) {
		a.c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeAuthLiteral, "A", t.Span(), "the credential is the word %s itself, which is the name of a variable", text).
			hintf("write '{{%s}}'", text).mendedBy(func() []diag.Edit { return t.Rewrite("{{" + text + "}}") }))
	} else if ok && text != "" && isKeyLike(t) {
		a.op.auth.literals = append(a.op.auth.literals, NewSecret(text))
		a.c.note(diag.Info, diag.Unit{}, faultf(diag.CodeAuthLiteral, "A", t.Span(), "a credential is written into the document").
			hintf("take it from a variable: {{NAME}}"))
	}
	return x, nil
}

// reference compiles a variable of a credential.
func (a *authReader) reference(name string, at diag.Span) (expression, *fault) {
	if !a.c.vars.isVariable(name) {
		f := faultf(diag.CodeAuthUnresolved, "A4", at, "{{%s}} in the authentication of %s is not a variable", name, a.op.namespace)
		if near, ok := diag.Nearest(name, sortedKeys(a.c.vars.keys)); ok {
			return expression{}, f.hintf("did you mean {{%s}}?", near)
		}
		return expression{}, f.hintf("credentials come from variables: declare it in binds and write it in capitals")
	}
	v, f := a.c.vars.find(name, at, inAuth)
	if f != nil {
		return expression{}, f
	}
	return expression{kind: exprVariable, variable: v}, nil
}

// isKeyLike leaves user names alone: only the words that name a secret are advised on.
func isKeyLike(t spec.Text) bool {
	_, key, _ := cutLast(t.Path(), ".")
	return isCredentialKey(key)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// fillAuthPath lets a credential take the place of a placeholder (contract A3), and refuses
// credentials that have no place in the request: sending it without would be worse.
func (op *consumed) fillAuthPath() {
	for _, f := range op.auth.fields {
		placed := true
		switch f.in {
		case "path":
			placed = op.fillPlaceholder(f.name)
		case "body":
			placed = op.body.takesMembers()
		}
		if !placed {
			op.fail(faultf(diag.CodeAuthIncomplete, "A3", f.span, "the credential %s of %s has no place in the %s of %s", f.name, op.namespace, f.in, op.label()).
				hintf("put {%s} into the path, or choose another placement", f.name))
		}
	}
}

// fillPlaceholder reports whether the path or the base URI has that placeholder, and fills
// it.
func (op *consumed) fillPlaceholder(name string) bool {
	found := false
	for _, s := range op.slots {
		if s.in == "path" && s.placeholder && s.name == name {
			s.authFilled = true
			found = true
		}
	}
	if found {
		return true
	}
	for r := range expr.ParseBaseURI(op.api.BaseURI.Value).Refs() {
		found = found || r.Name == name
	}
	return found
}
