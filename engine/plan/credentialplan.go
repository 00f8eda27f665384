package plan

import (
	"strings"

	"capd/engine/diag"
)

// credentialPlan is a compiled [Credential] or [ClientCertificate]. Its values come from the
// document and from variables alone, so that binding makes it once for all calls.
type credentialPlan struct {
	scheme string
	span   diag.Span
	parts  []credentialPart
	adds   []string // the headers that it adds to a request
	// forCaller: it is made of the token of each caller.
	forCaller bool
	// build makes the credential of the values of parts, by their names. Exactly one of its
	// results is not nil.
	build func(values credentialValues) (Credential, *ClientCertificate, *Error)
	index int // in Unit.credentials
}

// credentialPart is one value of a credential.
type credentialPart struct {
	name     string // as the document writes it
	value    expression
	span     diag.Span
	required bool   // it must not be empty
	material bool   // a key that signs or decrypts: it never leaves capd, so nothing is searched for it
	root     string // of a file that the document names: the folder that it must stay in
}

// credentialValues are the values of a credential, by the names of its parts.
type credentialValues map[string]Secret

// boundCredential is a credential with its values, or the reason why it has none.
type boundCredential struct {
	credential  Credential
	certificate *ClientCertificate
	secrets     []Secret
	err         *Error
}

// fills reports whether the credential provides that parameter (contract A5).
func (p *credentialPlan) fills(in, name string) bool {
	if p == nil || in != "header" {
		return false
	}
	for _, h := range p.adds {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

func (p *credentialPlan) expressions(visit func(*expression)) {
	if p == nil {
		return
	}
	for i := range p.parts {
		p.parts[i].value.walk(visit)
	}
}

// bind fills the values in.
func (p *credentialPlan) bind(u *Unit, vars *boundUnit, list *diag.List) boundCredential {
	values := make(credentialValues, len(p.parts))
	s := &scope{vars: vars}
	for i := range p.parts {
		part := &p.parts[i]
		before := len(s.secrets)
		v := NewSecret(textOf(part.value.eval(s)))
		if s.err != nil {
			return boundCredential{err: s.err}
		}
		if err := part.check(v); err != nil {
			return boundCredential{err: err}
		}
		if d := vars.grant.endpoint(part.name, v.Reveal()); d != nil {
			return boundCredential{err: d.refuse(u, part.span, list)}
		}
		values[part.name] = v
		if part.material {
			s.secrets = s.secrets[:before]
		} else if isCredentialKey(part.name) {
			s.use(v)
		}
	}
	out := boundCredential{secrets: s.secrets}
	out.credential, out.certificate, out.err = p.build(values)
	return out
}

func (p *credentialPart) check(v Secret) *Error {
	if p.required && v.IsEmpty() {
		return emptyCredential(p.name)
	}
	return nil
}

// authenticate adds the call's credential to a request that is otherwise finished.
func (c *Call) authenticate(req *Request, s *scope) *Error {
	if c.credential == nil {
		return nil
	}
	got := &s.vars.credentials[c.credential.index]
	if got.err != nil {
		return got.err
	}
	for _, v := range got.secrets {
		s.use(v)
	}
	req.Auth, req.Certificate = got.credential, got.certificate
	if c.credential.forCaller {
		return req.exchange(s)
	}
	return nil
}

// exchange puts the token of the caller into a request's credential. A dry run shows none.
func (r *Request) exchange(s *scope) *Error {
	o, ok := r.Auth.(*OAuth2)
	if !ok || s.placeholders {
		return nil
	}
	if s.caller == nil || s.caller.token == nil {
		return Errorf(CodeUnauthorized, "the call is made in the name of its caller, who showed no token")
	}
	own := *o
	own.SubjectToken = s.caller.token()
	r.Auth = &own
	s.use(own.SubjectToken)
	return nil
}

// isCredentialKey reports whether a key of an authentication names a secret, so that a value
// written into the document is advised on and hidden.
func isCredentialKey(key string) bool {
	switch key {
	case "token", "password", "value", "key", "clientSecret", "refreshToken", "consumerSecret", "tokenSecret", "signingKey",
		"privateKey", "keyPassword", "secretKey", "secretAccessKey", "sessionToken", "apiKey", "secret", "certPassword":
		return true
	}
	return false
}
