package plan

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Scheme is a way in which callers show that they may come in.
type Scheme string

// The schemes that are served, named as the language names them.
const (
	SchemeBasic       Scheme = "basic"
	SchemeBearer      Scheme = "bearer"
	SchemeAPIKey      Scheme = "apikey"
	SchemeDigest      Scheme = "digest"
	SchemeOAuth2      Scheme = "oauth2"
	SchemeCertificate Scheme = "certificate"
)

// Guard is the compiled authentication of an exposure's callers. What they must show is text
// and variables; [Bind] makes a [Lock] of it.
type Guard struct {
	Scheme Scheme
	In     string // of an API key: header or query
	Span   diag.Span

	name     expression  // of an API key: of its header or query parameter
	username expression  // of basic and digest
	secret   expression  // token, password or key
	tokens   *tokenGuard // of oauth2

	algorithms   []string          // of digest
	certificates *certificateGuard // whose certificates may come in; nil: anybody's, and none
}

// Lock is a guard with its values: what a caller must show to come in.
type Lock struct {
	Scheme   Scheme
	Document string // the ID of the document
	Realm    string // what is guarded, for clients that keep several credentials
	In, Name string // of an API key: header or query, and under which name
	Username Secret // of basic and digest
	Secret   Secret // token, password or key; never empty unless Shut, or the scheme has none
	// Algorithms are those of digest that are offered, the best first.
	Algorithms []string
	// Certificates are those of which a caller's connection must show one, beside what else it
	// must show; nil: none.
	Certificates *CertificateLock
	// Tokens is what a token must say, of oauth2; else nil.
	Tokens *TokenLock
	// Shut: the credential has no usable value, so nobody comes in.
	Shut bool
}

// Gate lets the callers of one exposure in who show what its [Lock] wants. An adapter that
// knows which exposure a request is for asks its gate before it tells anything of it,
// unknown paths included. It is safe for concurrent use.
type Gate interface {
	// Admit gives the request as it may come in: without the credential, so that nothing
	// behind the gate can read it or send it on, and with the caller in its context, see
	// [CallerOf]. It is nil when the request may not.
	Admit(r *http.Request) *http.Request
	// Refuse answers a request that may not come in, and gives the code of why.
	Refuse(w http.ResponseWriter, r *http.Request) Code
}

// MetadataPath is where what a [Described] gate tells is found: it stands in front of the path
// of what is guarded (RFC 9728 section 3.1).
const MetadataPath = "/.well-known/oauth-protected-resource"

// Described is a [Gate] that tells clients where they get what it wants.
type Described interface {
	// Resource is the URL of what is guarded, as clients know it.
	Resource() string
	// Metadata gives the document that describes what is guarded (RFC 9728), as JSON; nil
	// when there is nothing to tell.
	Metadata() []byte
}

// Asking is a [Gate] whose Admit does more than to look: it may show a credential to somebody
// else, who judges it, or use it up.
type Asking interface {
	// Knows is Admit by what is known already, as one of many gates to which the credential is
	// shown.
	Knows(r *http.Request) bool
}

// Shows reports whether who makes a request may be told of what is behind a gate, nil for
// none, in a list of things behind as many gates as of says. A credential is for one of them,
// and must not be shown to the issuers of the others to find out for which.
func Shows(g Gate, r *http.Request, of int) bool {
	if g == nil {
		return true
	}
	if a, ok := g.(Asking); ok && of > 1 {
		return a.Knows(r)
	}
	return g.Admit(r) != nil
}

// Scoped is a [Gate] that lets callers in who may do a part of what is behind it.
type Scoped interface {
	// RefuseScopes answers a caller whose scopes are not enough. It names all that the call
	// needs.
	RefuseScopes(w http.ResponseWriter, r *http.Request, need []string)
}

// Gate gives the gate of an exposure of this plan, nil when everybody may come in.
func (b *Bound) Gate(x *Exposure) Gate {
	if x.Guard == nil {
		return nil
	}
	if b != nil {
		if g := b.gates[x]; g != nil {
			return g
		}
	}
	return shut{} // a guard that nobody keeps opens for nobody
}

// shut is the gate of a guard that nobody keeps.
type shut struct{}

func (shut) Admit(*http.Request) *http.Request { return nil }

func (shut) Refuse(w http.ResponseWriter, _ *http.Request) Code {
	w.WriteHeader(http.StatusUnauthorized)
	return CodeUnauthorized
}

// readGuard compiles the authentication of an adapter's callers, or says why the adapter is
// not served: without it everyone could come in.
func (c *compiler) readGuard(e *spec.Exposed, out *Exposure) (*Guard, *fault) {
	v, who := e.Auth, adapterName(out)
	if v.Kind != spec.Map {
		return nil, faultf(diag.CodeAuthUnsupported, "D4", v.Span(), "authentication of %s is not a mapping", who)
	}
	r := guardReader{
		authReader: authReader{c: c, op: &consumed{namespace: who}, v: v},
		guard:      &Guard{Span: v.Span(), name: literalExpr(""), username: literalExpr("")},
	}
	switch t := r.text("type"); strings.ToLower(t.Value) {
	case "bearer":
		r.guard.Scheme = SchemeBearer
		r.want(&r.guard.secret, "token", r.first("token", "value"))
	case "basic":
		r.guard.Scheme = SchemeBasic
		r.want(&r.guard.username, "username", r.text("username"))
		r.want(&r.guard.secret, "password", r.text("password"))
	case "apikey", "api-key", "api_key", "header":
		r.apiKey()
	case "oauth2":
		r.oauth2()
	case "digest":
		r.guard.Scheme = SchemeDigest
		r.want(&r.guard.username, "username", r.text("username"))
		r.want(&r.guard.secret, "password", r.text("password"))
		r.digest()
	case "certificate", "mtls", "client-certificate":
		r.guard.Scheme = SchemeCertificate
		r.guard.certificates = r.certificates(v, "authentication of "+who)
	case "oauth", "jwt", "oidc", "openidconnect":
		r.fail(faultf(diag.CodeAuthUnsupported, "D4", t.Span(), "authentication type %q is not supported for callers", t.Value).
			hintf("write type: oauth2 with authorizationServerUri; it checks the tokens of every such server"))
	case "":
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", v.Span(), "authentication of %s has no type, so the adapter is not served", who).
			hintf("write type: %s; without authentication everyone may call", guardTypes()))
	default:
		r.fail(unknownGuard(t))
	}
	r.clientCertificate()
	if r.failed != nil {
		return nil, r.failed
	}
	return r.guard, nil
}

// guardNames gives the types of authentication that callers may be asked for.
func guardNames() []string {
	return []string{"bearer", "basic", "apikey", "digest", "oauth2", "certificate"}
}

// guardTypes gives them as a sentence.
func guardTypes() string {
	names := guardNames()
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func unknownGuard(t spec.Text) *fault {
	f := faultf(diag.CodeAuthUnsupported, "D4", t.Span(), "authentication type %q is not supported for callers", t.Value)
	if near, ok := diag.Nearest(t.Value, guardNames()); ok {
		return f.hintf("did you mean %s?", near)
	}
	return f.hintf("expected %s", guardTypes())
}

// guardReader reads authentication with the spellings that a consumed API has too
// (contract A).
type guardReader struct {
	authReader
	guard *Guard
}

// want compiles a value that must be there: an empty credential is none.
func (r *guardReader) want(to *expression, what string, t spec.Text) {
	if t.Value == "" {
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", r.v.Span(), "authentication of %s has no %s, so nobody could call it", r.op.namespace, what).
			hintf("give it a value from a variable, such as %s: '{{NAME}}'", what))
		return
	}
	x, f := r.secret(t)
	r.fail(f)
	*to = x
}

// apiKey reads every spelling of rule A3 that has one key.
func (r *guardReader) apiKey() {
	g := r.guard
	g.Scheme, g.In = SchemeAPIKey, strings.ToLower(r.first("placement", "in").Value)
	switch g.In {
	case "":
		g.In = "header"
	case "header", "query":
	default:
		r.fail(faultf(diag.CodeAuthUnsupported, "D4", r.first("placement", "in").Span(), "callers of %s cannot send their key in %q", r.op.namespace, g.In).
			hintf("write placement: header or query"))
		return
	}
	value, name := r.first("value", "token"), spec.Text{}
	if value.Value != "" {
		name = r.first("key", "name", "header")
	} else {
		value, name = r.text("key"), r.first("header", "name")
	}
	r.want(&g.name, "key", name)
	r.want(&g.secret, "value", value)
	if text, ok := g.name.constant(); ok && r.failed == nil && g.In == "header" && !isToken(text) {
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", name.Span(), "%q is no header name", text).hintf("use letters, digits and hyphens"))
	}
}

// fail keeps the first fault.
func (r *guardReader) fail(f *fault) {
	if f != nil {
		r.authReader.fail(f)
	}
}

// constant gives the text of an expression that depends on nothing.
func (x *expression) constant() (string, bool) {
	fixed := true
	x.walk(func(e *expression) { fixed = fixed && e.kind != exprVariable && e.kind != exprInput })
	if !fixed {
		return "", false
	}
	return textOf(x.eval(&scope{})), true
}

// expressions visits what the guard's values are made of.
func (g *Guard) expressions(visit func(*expression)) {
	for _, x := range []*expression{&g.name, &g.username, &g.secret} {
		x.walk(visit)
	}
	g.tokens.expressions(visit)
	g.certificates.expressions(visit)
}

// likeness is equal for guards that let the same callers in, as far as that can be seen: what is
// written alike and reads the same variables of the environment. It can be compared with ==.
func (g *Guard) likeness() any {
	if g == nil {
		return nil
	}
	parts := []string{string(g.Scheme), g.In}
	texts := []*expression{&g.name, &g.username, &g.secret}
	switch {
	case g.tokens != nil && g.tokens.named:
		parts, texts = append(parts, g.tokens.words()...), append(texts, g.tokens.texts()...)
	case g.tokens != nil:
		return g // each address is a resource of its own
	}
	parts = append(parts, g.algorithms...)
	parts, texts = append(parts, g.certificates.words()...), append(texts, g.certificates.texts()...)
	for _, x := range texts {
		n, ok := x.likeness()
		if !ok {
			return g
		}
		parts = append(append(parts, strconv.Itoa(len(n))), n...)
	}
	return keyOf(parts...)
}

// likeness gives what is equal for expressions that have the same value in every document.
func (x *expression) likeness() ([]string, bool) {
	if text, ok := x.constant(); ok {
		return []string{"text", text}, true
	}
	switch {
	case x.kind == exprVariable && x.variable.Location == nil:
		return []string{"variable", x.variable.Source}, true
	case x.kind == exprText:
		var all []string
		for i := range x.parts {
			part, ok := x.parts[i].likeness()
			if !ok {
				return nil, false
			}
			all = append(all, part...)
		}
		return all, true
	}
	return nil, false // a file beside the document is another one elsewhere
}

// IsWritten reports whether what callers must show is written into the document, so that whoever
// reads its text comes in.
func (g *Guard) IsWritten() bool {
	if g == nil || g.Scheme == SchemeOAuth2 || g.Scheme == SchemeCertificate {
		return false
	}
	_, ok := g.secret.constant()
	return ok
}

// Variables gives the names of the environment variables that the guard's values come from.
func (g *Guard) Variables() []string {
	var out []string
	g.expressions(func(x *expression) {
		if x.kind == exprVariable && !slices.Contains(out, x.variable.Name) {
			out = append(out, x.variable.Name)
		}
	})
	return out
}

// takes reports whether the guard takes that header or query parameter off a request. Of a
// name that a variable gives nothing is known.
func (g *Guard) takes(in, name string) bool {
	if g == nil {
		return false
	}
	if g.Scheme == SchemeCertificate {
		return false
	}
	if g.Scheme != SchemeAPIKey {
		return in == "header" && strings.EqualFold(name, "Authorization")
	}
	own, ok := g.name.constant()
	return ok && in == g.In && sameSlotName(in, own, name)
}

// guardInputs warns of inputs that no caller can give, because the guard takes them.
func (c *compiler) guardInputs(out *Exposure) {
	if out.Guard == nil || out.Kind != REST {
		return
	}
	for _, r := range out.Routes {
		if r.Operation == nil {
			continue
		}
		for i := range r.Operation.inputs {
			for _, l := range r.Operation.inputs[i].lookups {
				switch {
				case l.kind == lookHeader && out.Guard.takes("header", l.name):
					c.guardedInput(diag.Unit{Adapter: adapterName(out), Name: r.Name}, r.Span, "header", l.name)
				case l.kind == lookQuery && out.Guard.takes("query", l.name):
					c.guardedInput(diag.Unit{Adapter: adapterName(out), Name: r.Name}, r.Span, "query parameter", l.name)
				}
			}
		}
	}
}

func (c *compiler) guardedInput(unit diag.Unit, at diag.Span, place, name string) {
	c.note(diag.Warning, unit, faultf(diag.CodeGuardedInput, "D4", at, "%s %s lets callers in and is never passed on, so the input of that name has no value", place, name).
		hintf("let callers send the input under another name"))
}

// bind gives the lock of an exposure's guard. Unlike the calls of an operation it never takes
// a placeholder for a value: that would be a credential that everybody knows.
func (g *Guard) bind(x *Exposure, bu *boundUnit, address string, list *diag.List) Lock {
	lock := Lock{Scheme: g.Scheme, Document: x.Unit.ID, Realm: x.Namespace, In: g.In, Algorithms: g.algorithms}
	if g.certificates != nil {
		lock.Certificates = &CertificateLock{} // of a lock that is shut too
	}
	g.expressions(func(e *expression) {
		if e.kind == exprVariable && !bu.values[e.variable.index].isSet() {
			lock.Shut = true
		}
	})
	if lock.Shut {
		return lock // the variable's own finding says so
	}
	text := func(e *expression) string { return textOf(e.eval(&scope{vars: bu})) }
	lock.Name = text(&g.name)
	lock.Username, lock.Secret = NewSecret(text(&g.username)), NewSecret(text(&g.secret))
	problem := ""
	switch g.Scheme {
	case SchemeBearer:
		lock.Secret = NewSecret(withoutPrefix(lock.Secret.Reveal(), "Bearer "))
	case SchemeBasic, SchemeDigest:
		if lock.Username.IsEmpty() || strings.Contains(lock.Username.Reveal(), ":") {
			problem = "user name is empty or holds a colon"
		}
	case SchemeAPIKey:
		if lock.Name == "" || g.In == "header" && !isToken(lock.Name) {
			problem = "key has no usable name"
		}
	}
	switch {
	case g.tokens != nil:
		lock.Tokens, problem = g.tokens.bind(x, bu, address)
	case g.Scheme == SchemeCertificate:
	case lock.Secret.IsEmpty():
		problem = "credential is empty"
	}
	if g.certificates != nil {
		var empty string
		if lock.Certificates, empty = g.certificates.bind(text); problem == "" {
			problem = empty
		}
	}
	if problem != "" {
		lock.Shut = true
		list.Add(diag.Diagnostic{
			Code: diag.CodeMissingVariable, Severity: diag.Warning, Rule: "D7", Span: g.Span,
			Unit:    diag.Unit{Doc: x.Unit.ID, Adapter: adapterName(x)},
			Message: "the " + problem + " after variables are filled in, so nobody can call " + adapterName(x),
			Hint:    "give the variable a value",
		})
	}
	return lock
}

// withoutPrefix takes a prefix away, whatever its case.
func withoutPrefix(s, prefix string) string {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return strings.TrimSpace(s[len(prefix):])
	}
	return s
}
