package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"capd/engine/plan"
)

// retryAfter is when a token may be shown again that could not be checked, in seconds.
const retryAfter = "5"

// tokenGate is the gate of a lock that wants a token of an authorization server. It is a
// [checker], and immutable.
type tokenGate struct {
	realm    string
	shut     bool
	lock     *plan.TokenLock
	verifier verifier
	metadata []byte
	pointer  string // URL of the metadata
}

func (k *Keeper) tokenGate(l plan.Lock) *tokenGate {
	g := &tokenGate{realm: l.Realm, lock: l.Tokens, shut: l.Shut || l.Tokens == nil}
	if g.shut {
		g.lock = &plan.TokenLock{}
		return g
	}
	if l.Tokens.Introspect {
		g.verifier = &introspected{l.Tokens, k.inspector(l.Tokens)}
	} else {
		g.verifier = newSigned(l.Tokens, k.keyring(l.Tokens), k.opts.Now)
	}
	g.metadata, g.pointer = describe(l.Tokens), pointer(l.Tokens.Resource)
	return g
}

func (g *tokenGate) shown(r *http.Request) string {
	token, _ := bearer(r)
	return token
}

// admit gives the request without the token.
func (g *tokenGate) admit(r *http.Request) (*http.Request, verdict) {
	who, token, err := g.check(r, verifier.check)
	if v := g.judge(r, who, err); v != admitted {
		return nil, v
	}
	out := r.WithContext(plan.WithCaller(r.Context(), who.WithToken(plan.NewSecret(token))))
	out.Header = r.Header.Clone()
	out.Header.Del("Authorization")
	return out, admitted
}

func (g *tokenGate) recall(r *http.Request) verdict {
	who, _, err := g.check(r, verifier.recall)
	return g.judge(r, who, err)
}

// asks reports whether the issuer would be asked about the token.
func (g *tokenGate) asks(r *http.Request) bool {
	_, _, err := g.check(r, verifier.asks)
	return errors.Is(err, errUnasked)
}

// judge gives what is made of a token.
func (g *tokenGate) judge(r *http.Request, who *plan.Caller, err error) verdict {
	switch _, shown := bearer(r); {
	case g.shut:
		return closed
	case !shown:
		return missing
	case errors.Is(err, errToken):
		return wrong
	case errors.Is(err, errUnasked):
		return missing
	case err != nil:
		return unavailable
	case who.Lacks(g.lock.Scopes):
		return insufficient
	}
	return admitted
}

// check gives who shows the token of a request, as one of the verifier's methods says.
func (g *tokenGate) check(r *http.Request, by func(verifier, context.Context, string) (*plan.Caller, error)) (*plan.Caller, string, error) {
	token, ok := bearer(r)
	if g.shut || !ok {
		return nil, "", errToken
	}
	who, err := by(g.verifier, r.Context(), token)
	return who, token, err
}

// refuse answers 401 to who shows no token or one that is not valid, 403 to who may not do
// enough, and 503 while tokens cannot be checked: then nobody is told that theirs is bad, and
// nobody comes in. It asks nobody: where admit did, the answer is known.
func (g *tokenGate) refuse(w http.ResponseWriter, r *http.Request, v verdict) plan.Code {
	switch v {
	case unavailable, admitted: // it was unavailable a moment ago
		w.Header().Set("Retry-After", retryAfter)
		unchecked.write(w, r)
		return plan.CodeUnauthorized
	case insufficient:
		g.RefuseScopes(w, r, g.lock.Scopes)
		return plan.CodeForbidden
	}
	failure := ""
	if v != missing && g.shown(r) != "" {
		failure = "invalid_token"
	}
	w.Header().Set("WWW-Authenticate", g.challenge(failure, g.lock.Scopes))
	unauthorized.write(w, r)
	return plan.CodeUnauthorized
}

// RefuseScopes answers 403 and names the scopes that are needed.
func (g *tokenGate) RefuseScopes(w http.ResponseWriter, r *http.Request, need []string) {
	w.Header().Set("WWW-Authenticate", g.challenge("insufficient_scope", need))
	scopesLacked.write(w, r)
}

// Resource gives the URL of what is guarded.
func (g *tokenGate) Resource() string { return g.lock.Resource }

// Metadata gives what clients must know to get a token (RFC 9728).
func (g *tokenGate) Metadata() []byte { return g.metadata }

// challenge says what is wanted (RFC 6750 section 3, RFC 9728 section 5.1). Only who showed a
// token is told an error.
func (g *tokenGate) challenge(failure string, scopes []string) string {
	parts := []string{"realm=" + quoted(g.realm)}
	if failure != "" {
		parts = append(parts, "error="+quoted(failure))
	}
	if len(scopes) > 0 {
		parts = append(parts, "scope="+quoted(strings.Join(scopes, " ")))
	}
	if g.pointer != "" {
		parts = append(parts, "resource_metadata="+quoted(g.pointer))
	}
	return "Bearer " + strings.Join(parts, ", ")
}

// pointer gives where clients find the metadata of a resource (RFC 9728 section 3.1).
func pointer(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + plan.MetadataPath + strings.TrimSuffix(u.EscapedPath(), "/")
}

// describe writes the metadata of a resource. Refresh tokens are between the client and the
// authorization server, so their scope is not ours to offer.
func describe(t *plan.TokenLock) []byte {
	m := struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
	}{
		Resource: t.Resource, Servers: []string{t.Issuer}, Methods: []string{"header"},
		Scopes: slices.DeleteFunc(slices.Clone(t.Offered), func(s string) bool { return s == "offline_access" }),
	}
	b, err := json.Marshal(m)
	if err != nil { // strings always marshal
		return nil
	}
	return append(b, '\n')
}
