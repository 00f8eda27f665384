package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// authNames gives the types of authentication, for hints.
func authNames() []string {
	return []string{"bearer", "basic", "apikey", "header", "query", "digest", "oauth2", "oauth1", "aws-sig-v4", "hmac", "certificate", "none"}
}

// authType gives the usual spelling of a type of authentication; of one that nobody knows,
// what is written.
func authType(t string) string {
	switch folded := expr.Fold(t); folded {
	case "bearer", "basic", "apikey", "header", "query", "digest", "oauth2", "hmac", "none":
		return folded
	case "oauth1", "oauth10", "oauth10a", "oauth1a":
		return "oauth1"
	case "awssigv4", "sigv4", "aws", "awssignaturev4":
		return "aws-sig-v4"
	case "certificate", "mtls", "clientcertificate":
		return "certificate"
	}
	return t
}

// authentication gives what the operation's requests authenticate with, and nil for nothing:
// its own, else that of its API. The words none and inherit may stand for a mapping.
func (op *consumed) authentication() *spec.Value {
	v := op.decl.Auth
	if v == nil || v.AsText().Value == "inherit" || strings.EqualFold(v.Get("type").AsText().Value, "inherit") {
		v = op.api.Auth
	}
	if v == nil || strings.EqualFold(v.AsText().Value, "none") || authType(v.Get("type").AsText().Value) == "none" {
		return nil
	}
	return v
}

// credentialReader compiles the types of authentication that work on a finished request.
type credentialReader struct {
	*authReader
	plan *credentialPlan
}

// credential compiles one, once for all operations that it stands for.
func (a *authReader) credential(scheme string, read func(*credentialReader)) {
	if known := a.c.credentials[a.v]; known != nil {
		a.op.auth.credential = known
		return
	}
	r := &credentialReader{a, &credentialPlan{scheme: scheme, span: a.v.Span(), adds: []string{"Authorization"}}}
	a.used = map[string]bool{}
	read(r)
	if a.failed != nil || a.incomplete {
		return
	}
	a.checkKeys(sortedKeys(a.used))
	if a.c.credentials == nil {
		a.c.credentials = map[*spec.Value]*credentialPlan{}
	}
	a.c.credentials[a.v] = r.plan
	a.op.auth.credential = r.plan
}

// checkKeys reports keys that mean nothing for the type, which are most often misspelt.
func (a *authReader) checkKeys(known []string) {
	known = append(known, "type")
	for i := range a.v.Members {
		key := a.v.Members[i].Key
		if slices.Contains(known, key.Value) || strings.HasPrefix(key.Value, "x-") || key.Value == "description" {
			continue
		}
		f := faultf(diag.CodeUnknownKey, "A4", key.Span(), "key %q means nothing to authentication of type %s and is ignored", key.Value, a.text("type").Value)
		if near, ok := diag.Nearest(key.Value, known); ok && a.v.Get(near) == nil {
			a.c.note(diag.Warning, diag.Unit{}, f.hintf("did you mean %s?", near))
			continue
		}
		a.c.note(diag.Info, diag.Unit{}, f)
	}
}

func (r *credentialReader) get(key string) *spec.Value {
	r.used[key] = true
	return r.v.Get(key)
}

func (r *credentialReader) has(key string) bool { return r.get(key) != nil }

// optional compiles the value of the first of keys that has one, and reports whether there
// is one. The first key is the part's name.
func (r *credentialReader) optional(keys ...string) bool {
	t := r.first(keys...)
	if t.Value == "" {
		return false
	}
	x, f := r.secret(t)
	if f != nil {
		r.fail(f)
		return true
	}
	r.plan.parts = append(r.plan.parts, credentialPart{name: keys[0], value: x, span: t.Span()})
	return true
}

// require is optional for what must be there.
func (r *credentialReader) require(keys ...string) {
	if !r.optional(keys...) {
		r.lack(keys[0])
		return
	}
	if n := len(r.plan.parts); n > 0 {
		r.plan.parts[n-1].required = true
	}
}

// lack refuses an authentication without a part.
func (r *credentialReader) lack(key string) {
	f := faultf(diag.CodeAuthIncomplete, "A4", r.v.Span(), "authentication of %s has no %s", r.op.namespace, key)
	if isCredentialKey(key) || strings.HasSuffix(key, "Id") || strings.HasSuffix(key, "Key") || strings.HasSuffix(key, "Path") {
		f.hintf("give it a value from a variable, such as %s: '{{NAME}}'", key)
	} else {
		f.hintf("add %s", key)
	}
	r.give(f)
}

// give refuses the operation with f before anything that is wrong elsewhere in it.
func (a *authReader) give(f *fault) {
	a.incomplete = true
	a.op.fail(f)
}

// material marks the last part as a key that never leaves capd.
func (r *credentialReader) material() {
	if n := len(r.plan.parts); n > 0 {
		r.plan.parts[n-1].material = true
	}
}

// word gives a keyword's value, which must be one of those given, in lower case; the first
// is the usual one.
func (r *credentialReader) word(key string, allowed ...string) string {
	t := r.text(key)
	if t.Value == "" {
		return allowed[0]
	}
	for _, w := range allowed {
		if strings.EqualFold(w, t.Value) {
			return w
		}
	}
	f := faultf(diag.CodeAuthUnsupported, "A4", t.Span(), "%s %q of authentication of %s is not supported", key, t.Value, r.op.namespace)
	if near, ok := diag.Nearest(t.Value, allowed); ok {
		f.hintf("did you mean %s?", near)
	} else {
		f.hintf("expected %s", strings.Join(allowed, ", "))
	}
	r.give(f)
	return allowed[0]
}

// digest reads RFC 7616.
func (r *credentialReader) digest() {
	r.require("username", "user")
	r.optional("password", "secret")
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		return &Digest{Username: v["username"], Password: v["password"]}, nil, nil
	}
}

// oauth2 reads the grants that need no person.
func (r *credentialReader) oauth2() {
	if !slices.ContainsFunc([]string{"clientId", "clientID", "client_id", "clientSecret", "refreshToken", "tokenEndpoint", "tokenUrl", "tokenUri", "authorizationServerUri", "grantType"},
		r.has) {
		r.give(faultf(diag.CodeAuthUnsupported, "A4", r.text("type").Span(), "authentication type %q of %s does not say how to get a token", r.text("type").Value, r.op.namespace).
			hintf("add tokenEndpoint, clientId and clientSecret, or use type bearer with a token from a variable"))
		return
	}
	grants := []string{GrantClientCredentials, GrantRefreshToken, shortTokenExchange, GrantTokenExchange}
	if r.text("refreshToken").Value != "" {
		grants[0], grants[1] = grants[1], grants[0]
	}
	grant := r.word("grantType", grants...)
	if !r.optional("tokenEndpoint", "tokenUrl", "tokenUri") && !r.optional("authorizationServerUri", "issuer") {
		r.lack("tokenEndpoint")
		return
	}
	at := &r.plan.parts[len(r.plan.parts)-1]
	at.required = true
	if text, ok := at.value.constant(); ok {
		if d := r.c.grant.url(text, text); d != nil {
			r.give(d.fault(at.span))
			return
		}
	}
	if grant == shortTokenExchange || grant == GrantTokenExchange {
		grant, r.plan.forCaller = GrantTokenExchange, true
		r.subjectToken()
	}
	r.require("clientId", "clientID", "client_id")
	if grant == GrantRefreshToken {
		r.require("refreshToken")
		r.optional("clientSecret", "client_secret")
	} else {
		r.require("clientSecret", "client_secret")
	}
	r.scopes()
	r.optional("audience")
	r.optional("resource")
	how := ""
	if r.text("clientAuthentication").Value != "" {
		how = r.word("clientAuthentication", ClientBasic, ClientPost)
	}
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		return &OAuth2{
			Grant: grant, TokenEndpoint: v["tokenEndpoint"], Issuer: v["authorizationServerUri"],
			ClientID: v["clientId"], ClientSecret: v["clientSecret"], RefreshToken: v["refreshToken"],
			Scope: v["scopes"], Audience: v["audience"], Resource: v["resource"], ClientAuth: how,
		}, nil, nil
	}
}

// shortTokenExchange is what documents may write for [GrantTokenExchange].
const shortTokenExchange = "token-exchange"

// subjectToken wants the document to say that the caller's token leaves capd, in words: it goes
// to the authorization server alone.
func (r *credentialReader) subjectToken() {
	if r.text("subjectToken").Value == "" {
		r.give(faultf(diag.CodeAuthIncomplete, "A4", r.v.Span(), "authentication of %s does not say whose token is exchanged", r.op.namespace).
			hintf("add subjectToken: caller"))
		return
	}
	r.word("subjectToken", "caller")
}

// exchanges refuses an operation that calls an API with the token of its caller where callers
// have none.
func (c *compiler) exchanges(op *Operation, x *Exposure) *fault {
	if x.Guard != nil && x.Guard.tokens != nil {
		return nil
	}
	for call := range op.calls {
		if call.credential != nil && call.credential.forCaller {
			return faultf(diag.CodeAuthIncomplete, "A4", call.credential.span, "the API is called with the caller's token, but callers of %s show none", adapterName(x)).
				hintf("give the adapter authentication of type oauth2")
		}
	}
	return nil
}

// scopes reads a list of scopes, or a text with spaces.
func (r *credentialReader) scopes() {
	list := r.get("scopes")
	if list == nil || list.Kind != spec.List {
		r.optional("scopes", "scope")
		return
	}
	all := expression{kind: exprText}
	for i, item := range list.Items {
		x, f := r.secret(item.AsText())
		if f != nil {
			r.fail(f)
			return
		}
		if i > 0 {
			all.parts = append(all.parts, literalExpr(" "))
		}
		all.parts = append(all.parts, x)
	}
	r.plan.parts = append(r.plan.parts, credentialPart{name: "scopes", value: all, span: list.Span()})
}

// oauth1 reads RFC 5849. The method follows from the keys that are there.
func (r *credentialReader) oauth1() {
	r.require("consumerKey")
	signs := r.keyMaterial("signingKey", "privateKey", "signingKeyPath")
	known := []string{"HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT", "RSA-SHA256", "RSA-SHA1"}
	if signs {
		known = []string{"RSA-SHA256", "RSA-SHA1"}
	}
	method := r.word("signatureMethod", known...)
	if !signs {
		if strings.HasPrefix(method, "RSA-") {
			r.lack("signingKey")
			return
		}
		if r.first("consumerSecret").Value == "" {
			r.give(faultf(diag.CodeAuthIncomplete, "A4", r.v.Span(), "authentication of %s has neither signingKey nor consumerSecret", r.op.namespace).
				hintf("give one of them a value from a variable, such as signingKey: '{{NAME}}'"))
			return
		}
		r.require("consumerSecret")
	}
	if r.optional("token", "accessToken") && !signs {
		r.optional("tokenSecret", "accessTokenSecret")
	}
	if r.optional("keyPassword", "signingKeyPassword") {
		r.material()
	}
	r.optional("realm")
	hash, self := r.word("bodyHash", "true", "false") == "true", r.plan
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		c := &OAuth1{
			Method: method, ConsumerKey: v["consumerKey"], ConsumerSecret: v["consumerSecret"], Token: v["token"], TokenSecret: v["tokenSecret"],
			KeyPassword: v["keyPassword"], Realm: v["realm"], NoBodyHash: !hash,
		}
		c.SigningKey, c.SigningKeyFile = self.materialOrFile(v, "signingKey")
		return c, nil, nil
	}
}

// awsSigV4 reads what signs requests for AWS.
func (r *credentialReader) awsSigV4() {
	r.require("accessKeyId", "accessKeyID", "accessKey")
	r.require("secretKey", "secretAccessKey")
	r.require("region")
	r.require("service")
	r.optional("sessionToken")
	r.plan.adds = append(r.plan.adds, "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256")
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		return &SigV4{AccessKeyID: v["accessKeyId"], SecretKey: v["secretKey"], Region: v["region"], Service: v["service"], SessionToken: v["sessionToken"]}, nil, nil
	}
}

// certificate reads what the client shows in TLS.
func (r *credentialReader) certificate() {
	r.plan.adds = nil
	file := r.keyMaterial("certPath", "certificatePath", "cert", "certificate", "pfx", "pfxPath")
	if !file {
		r.lack("certPath")
		return
	}
	r.keyMaterial("keyPath", "privateKeyPath", "key", "privateKey")
	if r.optional("certPassword", "keyPassword", "password", "passphrase") {
		r.material()
	}
	self := r.plan
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		c := &ClientCertificate{Password: v["certPassword"]}
		c.Cert, c.CertFile = self.materialOrFile(v, "certPath")
		c.PrivateKey, c.KeyFile = self.materialOrFile(v, "keyPath")
		return nil, c, nil
	}
}
