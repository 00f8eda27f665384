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
// [plan.Described], [plan.Scoped] and [plan.Asking], and immutable.
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

// Admit gives the request without the token, or nil when it may not come in.
func (g *tokenGate) Admit(r *http.Request) *http.Request {
	who, token, err := g.check(r, verifier.check)
	if err != nil || who.Lacks(g.lock.Scopes) {
		return nil
	}
	out := r.WithContext(plan.WithCaller(r.Context(), who.WithToken(plan.NewSecret(token))))
	out.Header = r.Header.Clone()
	out.Header.Del("Authorization")
	return out
}

// Knows reports whether Admit would let the request in, without asking the issuer.
func (g *tokenGate) Knows(r *http.Request) bool {
	who, _, err := g.check(r, verifier.recall)
	return err == nil && !who.Lacks(g.lock.Scopes)
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

// Refuse answers 401 to who shows no token or one that is not valid, 403 to who may not do
// enough, and 503 while tokens cannot be checked: then nobody is told that theirs is bad, and
// nobody comes in. It asks nobody: where Admit did, the answer is known.
func (g *tokenGate) Refuse(w http.ResponseWriter, r *http.Request) {
	who, _, err := g.check(r, verifier.recall)
	switch {
	case errors.Is(err, errUnavailable), err == nil && !who.Lacks(g.lock.Scopes): // it was so a moment ago
		w.Header().Set("Retry-After", retryAfter)
		unavailable.write(w, r)
	case err == nil:
		g.RefuseScopes(w, r, g.lock.Scopes)
	default:
		failure := ""
		if _, ok := bearer(r); ok && !errors.Is(err, errUnasked) {
			failure = "invalid_token"
		}
		w.Header().Set("WWW-Authenticate", g.challenge(failure, g.lock.Scopes))
		unauthorized.write(w, r)
	}
}

// RefuseScopes answers 403 and names the scopes that are needed.
func (g *tokenGate) RefuseScopes(w http.ResponseWriter, r *http.Request, need []string) {
	w.Header().Set("WWW-Authenticate", g.challenge("insufficient_scope", need))
	insufficient.write(w, r)
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
