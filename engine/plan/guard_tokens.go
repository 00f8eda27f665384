package plan

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// tokenGuard is the compiled part of a [Guard] that checks the tokens of an authorization
// server (RFC 6750, 8707, 9068 and 7662). Every text may hold variables.
type tokenGuard struct {
	issuer   expression
	resource expression
	audience expression
	keys     expression // URL of the issuer's keys

	introspects           bool       // tokens are shown to the issuer
	introspection         expression // URL where
	clientID, clientToken expression
	clientAuth            string

	named    bool     // resource is written
	scopes   []string // every call needs them
	endpoint string   // where clients get tokens; empty when the document does not say
}

// TokenLock is what the token of a caller must say.
type TokenLock struct {
	// Grant says where the document's authorization server may be; nil: anywhere.
	Grant *Grant
	// Issuer is the authorization server: its issuer identifier (RFC 8414 section 2).
	Issuer string
	// Resource is the URL of what is guarded, as its clients know it, and Audience what a
	// token must name as its audience.
	Resource, Audience string
	// Scopes are what every call needs. Offered are all that any call does.
	Scopes, Offered []string

	// Introspect: a token is shown to the issuer (RFC 7662) as ClientID. Otherwise it is a
	// JWT, and checked by the issuer's keys.
	Introspect             bool
	ClientID, ClientSecret Secret
	ClientAuth             string // see [OAuth2.ClientAuth]
	// KeysURL and IntrospectionURL are where; empty for what the issuer's metadata say.
	KeysURL, IntrospectionURL string
}

// Scopes gives what every call of the exposure needs.
func (g *Guard) Scopes() []string {
	if g == nil || g.tokens == nil {
		return nil
	}
	return g.tokens.scopes
}

// TokenEndpoint gives where a document says that clients get tokens, or "".
func (g *Guard) TokenEndpoint() string {
	if g == nil || g.tokens == nil {
		return ""
	}
	return g.tokens.endpoint
}

// oauth2 reads what tokens are checked by.
func (r *guardReader) oauth2() {
	g := &tokenGuard{}
	r.guard.Scheme, r.guard.tokens, r.used = SchemeOAuth2, g, map[string]bool{"type": true}
	t := r.first("authorizationServerUri", "issuer")
	if t.Value == "" {
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", r.v.Span(), "authentication of %s has no authorizationServerUri, so no token can be checked", r.op.namespace).
			hintf("add the issuer of the tokens, such as authorizationServerUri: https://login.example.com"))
		return
	}
	g.issuer = r.url(t, "authorizationServerUri")
	if t = r.first("resource"); t.Value != "" {
		g.resource, g.named = r.url(t, "resource"), true
	}
	if t = r.first("audience"); t.Value != "" {
		g.audience = r.value(t)
	}
	if t = r.first("jwksUri"); t.Value != "" {
		g.keys = r.url(t, "jwksUri")
	}
	var f *fault
	g.scopes, f = readScopes(r.v.Get("scopes"), func() string { return "authentication of " + r.op.namespace })
	r.fail(f)
	r.used["scopes"], r.used["clientCertificate"] = true, true
	r.validation(g)
	if endpoint := r.first("tokenEndpoint", "tokenUrl", "tokenUri"); !strings.Contains(endpoint.Value, "{{") {
		g.endpoint = endpoint.Value
	}
	if r.failed == nil {
		r.checkKeys(sortedKeys(r.used))
	}
}

// validation reads how tokens are checked.
func (r *guardReader) validation(g *tokenGuard) {
	how := r.text("tokenValidation")
	switch strings.ToLower(how.Value) {
	case "", "jwks", "jwt":
		return
	case "introspection":
	default:
		f := faultf(diag.CodeAuthUnsupported, "D4", how.Span(), "tokenValidation %q is not supported", how.Value)
		if near, ok := diag.Nearest(how.Value, []string{"jwks", "introspection"}); ok {
			f.hintf("did you mean %s?", near)
		} else {
			f.hintf("expected jwks or introspection")
		}
		r.fail(f)
		return
	}
	g.introspects = true
	id, token := r.first("clientId", "clientID", "client_id"), r.first("clientSecret", "client_secret")
	for name, t := range map[string]spec.Text{"clientId": id, "clientSecret": token} {
		if t.Value == "" {
			r.fail(faultf(diag.CodeAuthIncomplete, "D4", how.Span(), "authentication of %s asks the issuer about tokens, but has no %s to ask with", r.op.namespace, name).
				hintf("add clientId and clientSecret with values from variables, such as clientSecret: '{{NAME}}'"))
			return
		}
	}
	g.clientID, g.clientToken = r.value(id), r.value(token)
	if t := r.first("introspectionEndpoint"); t.Value != "" {
		g.introspection = r.url(t, "introspectionEndpoint")
	}
	switch t := r.text("clientAuthentication"); strings.ToLower(t.Value) {
	case "":
	case ClientBasic, ClientPost:
		g.clientAuth = strings.ToLower(t.Value)
	default:
		r.fail(faultf(diag.CodeAuthUnsupported, "D4", t.Span(), "clientAuthentication %q is not supported", t.Value).hintf("expected basic or post"))
	}
}

// value compiles text and variables.
func (r *guardReader) value(t spec.Text) expression {
	x, f := r.secret(t)
	r.fail(f)
	return x
}

// url compiles what must be the URL of a server. One without variables is judged here.
func (r *guardReader) url(t spec.Text, name string) expression {
	x := r.value(t)
	if text, ok := x.constant(); ok && r.failed == nil {
		if problem := judgeServerURL(text, name); problem != "" {
			r.fail(faultf(diag.CodeAuthIncomplete, "D4", t.Span(), "%s of the authentication of %s %s", name, r.op.namespace, problem).
				hintf("write an https URL; http is for this machine only"))
		} else if d := r.c.grant.url(text, text); d != nil && name != "resource" {
			r.fail(d.fault(t.Span()))
		}
	}
	return x
}

// judgeServerURL says what is wrong with a URL that tokens depend on, or "". What is read over
// plain http anybody on the way could write. The name of a resource is only compared.
func judgeServerURL(text, name string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "is not an http or https URL"
	case u.User != nil || u.Fragment != "":
		return "has a user name or a fragment"
	case u.RawQuery != "" && (name == "resource" || name == "authorizationServerUri"):
		return "has a query"
	case u.Scheme == "http" && name != "resource" && !isThisMachine(u.Hostname()):
		return "is not an https URL"
	}
	return ""
}

func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (g *tokenGuard) expressions(visit func(*expression)) {
	if g == nil {
		return
	}
	for _, x := range g.texts() {
		x.walk(visit)
	}
}

func (g *tokenGuard) texts() []*expression {
	return []*expression{&g.issuer, &g.resource, &g.audience, &g.keys, &g.introspection, &g.clientID, &g.clientToken}
}

// words are what of the guard is no text with variables.
func (g *tokenGuard) words() []string {
	return append([]string{strconv.FormatBool(g.introspects), g.clientAuth, strconv.Itoa(len(g.scopes))}, g.scopes...)
}

// bind fills the values in. address is the URL under which clients reach the exposure, empty
// when it is not known. problem says why nobody can come in.
func (g *tokenGuard) bind(x *Exposure, bu *boundUnit, address string) (lock *TokenLock, problem string) {
	text := func(e *expression) string { return strings.TrimSpace(textOf(e.eval(&scope{vars: bu}))) }
	lock = &TokenLock{
		Grant:  bu.grant,
		Issuer: text(&g.issuer), Resource: text(&g.resource), Audience: text(&g.audience),
		Scopes: g.scopes, Offered: x.OfferedScopes(), Introspect: g.introspects,
		ClientID: NewSecret(text(&g.clientID)), ClientSecret: NewSecret(text(&g.clientToken)), ClientAuth: g.clientAuth,
		KeysURL: text(&g.keys), IntrospectionURL: text(&g.introspection),
	}
	if !g.named {
		lock.Resource = address
	}
	if lock.Audience == "" {
		lock.Audience = lock.Resource
	}
	for _, part := range []struct{ name, value string }{
		{"authorizationServerUri", lock.Issuer}, {"resource", lock.Resource}, {"jwksUri", lock.KeysURL}, {"introspectionEndpoint", lock.IntrospectionURL},
	} {
		if part.value == "" && (part.name == "jwksUri" || part.name == "introspectionEndpoint") {
			continue
		}
		if problem = judgeServerURL(part.value, part.name); problem != "" {
			return lock, part.name + " " + problem
		}
		if part.name != "resource" && bu.grant.url(part.value, "") != nil {
			return lock, part.name + " names a host that the policy does not let this document call"
		}
	}
	if g.introspects && (lock.ClientID.IsEmpty() || lock.ClientSecret.IsEmpty()) {
		return lock, "credential is empty"
	}
	return lock, ""
}

// canBeNamed reports whether clients can be told what a token for an exposure must be for.
func (l *linker) canBeNamed(e *Exposure) bool {
	if e.Guard == nil || e.Guard.tokens == nil || e.Guard.tokens.named || l.options.PublicURL != "" {
		return true
	}
	l.note(diag.Error, diag.CodeAuthIncomplete, e, e.Guard.Span, "add resource, the URL by which clients know the adapter, or serve with --public-url",
		"authentication of %s has no resource, so no token can be for it", adapterName(e))
	return false
}

// publicURL gives the URL under which clients reach an exposure, or "".
func (p *Plan) publicURL(x *Exposure) string {
	if p.public == "" {
		return ""
	}
	for _, l := range p.Listeners {
		for _, m := range l.Mounts {
			if m.Main && m.Exposure == x {
				return p.public + m.Path
			}
		}
	}
	return ""
}

// OfferedScopes gives every scope that some call of the exposure needs, in the order of the
// document.
func (x *Exposure) OfferedScopes() []string {
	out := slices.Clone(x.Guard.Scopes())
	add := func(scopes []string) {
		for _, s := range scopes {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	for _, r := range x.Routes {
		add(r.Scopes)
	}
	for _, t := range x.Tools {
		add(t.Scopes)
	}
	for _, r := range x.Resources {
		add(r.Scopes)
	}
	for _, p := range x.Prompts {
		add(p.Scopes)
	}
	return out
}

// HasScopes reports whether something of the exposure needs scopes of its own.
func (x *Exposure) HasScopes() bool {
	return x.Guard != nil && len(x.OfferedScopes()) > len(x.Guard.Scopes())
}

// NeededScopes gives what a call needs whose entry has those scopes of its own.
func (x *Exposure) NeededScopes(own []string) []string {
	out := slices.Clone(x.Guard.Scopes())
	for _, s := range own {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// scopes reads the scopes of a tool, a resource, a prompt or an operation. Where callers show
// none, no call could have them.
func (c *compiler) scopes(v *spec.Value, x *Exposure, who func() string) ([]string, *fault) {
	scopes, f := readScopes(v, who)
	if f == nil && len(scopes) > 0 && (x.Guard == nil || x.Guard.tokens == nil) {
		f = faultf(diag.CodeAuthScopes, "D4", v.Span(), "%s needs scopes, but callers of %s show none", who(), adapterName(x)).
			hintf("give the adapter authentication of type oauth2, or take the scopes out")
	}
	return scopes, f
}

// readScopes reads a list of scopes, or a text with spaces (RFC 6749 section 3.3).
func readScopes(v *spec.Value, who func() string) ([]string, *fault) {
	if v == nil || v.Kind == spec.Null {
		return nil, nil
	}
	var texts []spec.Text
	switch v.Kind {
	case spec.List:
		for _, item := range v.Items {
			texts = append(texts, item.AsText())
		}
	case spec.Map:
		return nil, faultf(diag.CodeAuthScopes, "D4", v.Span(), "scopes of %s are not a list", who()).hintf("write scopes: [rooms.read]")
	default:
		for _, s := range strings.Fields(v.AsText().Value) {
			texts = append(texts, spec.Text{Value: s})
		}
	}
	var out []string
	for _, t := range texts {
		if !isScope(t.Value) {
			return nil, faultf(diag.CodeAuthScopes, "D4", placeOr(t.Span(), v.Span()), "%q of %s is no scope", t.Value, who()).
				hintf("a scope is fixed text without spaces and quotation marks, such as rooms.read")
		}
		if !slices.Contains(out, t.Value) {
			out = append(out, t.Value)
		}
	}
	return out, nil
}

func isScope(s string) bool {
	return s != "" && !strings.Contains(s, "{{") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}
