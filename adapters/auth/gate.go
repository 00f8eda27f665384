package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"capd/engine/plan"
)

// newGate makes the gate of a lock with one credential. It keeps only digests of it.
func newGate(l plan.Lock) *gate {
	return &gate{
		scheme: l.Scheme, realm: l.Realm, in: l.In, name: l.Name, shut: l.Shut || l.Secret.IsEmpty(),
		username: sha256.Sum256([]byte(l.Username.Reveal())), secret: sha256.Sum256([]byte(l.Secret.Reveal())),
	}
}

// gate is the [checker] of a lock with one credential. It is immutable.
type gate struct {
	scheme           plan.Scheme
	realm            string
	in, name         string // of an API key
	shut             bool
	username, secret [sha256.Size]byte
}

// shown is what a request shows, right or wrong.
type shown struct{ username, secret string }

// shown gives what the request shows as one text.
func (g *gate) shown(r *http.Request) string {
	s, _ := g.read(r)
	if s == (shown{}) {
		return ""
	}
	return s.username + "\x00" + s.secret
}

// admit gives the request without the credential. A credential that is there twice lets nobody
// in: the next one to read it may take the other.
func (g *gate) admit(r *http.Request) (*http.Request, verdict) {
	s, v := g.judge(r)
	if v != admitted {
		return nil, v
	}
	who := &plan.Caller{Scheme: g.scheme}
	if g.scheme == plan.SchemeBasic {
		who.Subject = s.username
	}
	in := g.without(r)
	return in.WithContext(plan.WithCaller(in.Context(), who)), admitted
}

func (g *gate) recall(r *http.Request) verdict {
	_, v := g.judge(r)
	return v
}

func (g *gate) asks(*http.Request) bool { return false }

// judge does the same work whatever is wrong.
func (g *gate) judge(r *http.Request) (shown, verdict) {
	s, ok := g.read(r)
	opens := g.opens(s)
	switch {
	case g.shut:
		return shown{}, closed
	case !ok && s == (shown{}):
		return shown{}, missing
	case !ok || !opens:
		return shown{}, wrong
	}
	return s, admitted
}

// opens compares what is shown in a time that depends on its own length at most. Digests are
// compared, so that neither the length of a credential nor the place where a guess goes wrong
// shows, and both parts always are, so that none tells of the other.
func (g *gate) opens(s shown) bool {
	username, secret := sha256.Sum256([]byte(s.username)), sha256.Sum256([]byte(s.secret))
	return subtle.ConstantTimeCompare(username[:], g.username[:])&subtle.ConstantTimeCompare(secret[:], g.secret[:]) == 1
}

// read gives what the request shows at the place of the scheme; false for nothing.
func (g *gate) read(r *http.Request) (shown, bool) {
	switch g.scheme {
	case plan.SchemeBearer:
		token, ok := bearer(r)
		return shown{secret: token}, ok
	case plan.SchemeBasic:
		username, password, ok := r.BasicAuth()
		return shown{username, password}, ok && len(r.Header["Authorization"]) == 1
	case plan.SchemeAPIKey:
		values := r.Header.Values(g.name)
		if g.in == "query" {
			query, err := plan.ParseQuery(r.URL.RawQuery)
			if err != nil {
				return shown{}, false
			}
			values = query[g.name]
		}
		if len(values) == 1 {
			return shown{secret: values[0]}, true
		}
	}
	return shown{}, false
}

// bearer gives the token of the Authorization header (RFC 6750 section 2.1). A token in the
// query or in a form, which that document allows too, ends up in logs and is not read.
func bearer(r *http.Request) (string, bool) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// without gives a request that differs from r in nothing but the credential.
func (g *gate) without(r *http.Request) *http.Request {
	out := *r
	if g.scheme == plan.SchemeAPIKey && g.in == "query" {
		u := *r.URL
		u.RawQuery = withoutPairs(u.RawQuery, g.name)
		out.URL, out.RequestURI = &u, u.RequestURI()
		return &out
	}
	name := "Authorization"
	if g.scheme == plan.SchemeAPIKey {
		name = g.name
	}
	out.Header = r.Header.Clone()
	out.Header.Del(name)
	return &out
}

// withoutPairs takes the pairs of a name out of a raw query and leaves the rest as it is.
func withoutPairs(raw, name string) string {
	var left []string
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(key); err == nil && decoded == name {
			continue
		}
		left = append(left, pair)
	}
	return strings.Join(left, "&")
}

// refuse answers 401. What it says is the same whatever is wrong, so that nobody learns
// which part of a guess was right.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request, _ verdict) plan.Code {
	w.Header().Set("WWW-Authenticate", g.challenge(r))
	unauthorized.write(w, r)
	return plan.CodeUnauthorized
}

// challenge says what is wanted (RFC 9110 section 11.6.1). Only who showed a token is told
// that it is not good (RFC 6750 section 3.1).
func (g *gate) challenge(r *http.Request) string {
	realm := "realm=" + quoted(g.realm)
	switch g.scheme {
	case plan.SchemeBasic:
		return "Basic " + realm + `, charset="UTF-8"`
	case plan.SchemeBearer:
		if _, ok := bearer(r); ok {
			return "Bearer " + realm + `, error="invalid_token"`
		}
		return "Bearer " + realm
	}
	// There is no registered scheme for keys, and a 401 needs one.
	return "ApiKey " + realm
}
