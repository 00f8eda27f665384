package auth

import (
	"crypto/md5" //nolint:gosec // old clients know no other; only where a document says so
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"capd/engine/plan"
)

// maxDigestHeader bounds what is read of the Authorization header of a digest.
const maxDigestHeader = 8 << 10

// algorithm is a hash of RFC 7616.
type algorithm struct {
	name string
	new  func() hash.Hash
}

// algorithmOf gives an algorithm by its name; false when there is none.
func algorithmOf(name string) (algorithm, bool) {
	switch {
	case strings.EqualFold(name, plan.DigestSHA256):
		return algorithm{plan.DigestSHA256, sha256.New}, true
	case strings.EqualFold(name, plan.DigestMD5):
		return algorithm{plan.DigestMD5, md5.New}, true
	}
	return algorithm{}, false
}

// of gives the hash of texts with colons between them, as RFC 7616 writes it.
func (a algorithm) of(texts ...string) string {
	h := a.new()
	_, _ = h.Write([]byte(strings.Join(texts, ":"))) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}

// digestGate is the [checker] of a lock that wants the answer to a challenge (RFC 7616), made
// with the password. It is immutable, and keeps no password.
type digestGate struct {
	realm    string
	shut     bool
	username [sha256.Size]byte
	secrets  []digestSecret // in the order in which they are offered
	nonces   *nonces
}

// digestSecret is a user name, realm and password as the algorithm has them (A1).
type digestSecret struct {
	algorithm
	sum string
}

func newDigestGate(l plan.Lock, n *nonces) *digestGate {
	g := &digestGate{
		realm: digestRealm(l.Realm), shut: l.Shut || l.Secret.IsEmpty(),
		username: sha256.Sum256([]byte(l.Username.Reveal())), nonces: n,
	}
	for _, name := range l.Algorithms {
		if a, ok := algorithmOf(name); ok {
			g.secrets = append(g.secrets, digestSecret{a, a.of(l.Username.Reveal(), g.realm, l.Secret.Reveal())})
		}
	}
	return g
}

// digestRealm gives a realm that is the same quoted and not: clients differ there.
func digestRealm(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '_'
		}
		return c
	}, s)
}

func (g *digestGate) shown(r *http.Request) string {
	if p := digestParams(r); p != nil {
		return p["response"]
	}
	return ""
}

func (g *digestGate) admit(r *http.Request) (*http.Request, verdict) {
	p := digestParams(r)
	v := g.judge(r, p)
	if v == admitted && !g.nonces.use(r.Context(), p["nonce"], p["nc"]) {
		v = stale
	}
	if v != admitted {
		return nil, v
	}
	name, _ := digestUser(p)
	out := r.WithContext(plan.WithCaller(r.Context(), &plan.Caller{Scheme: plan.SchemeDigest, Subject: name}))
	out.Header = r.Header.Clone()
	out.Header.Del("Authorization")
	return out, admitted
}

func (g *digestGate) recall(r *http.Request) verdict { return g.judge(r, digestParams(r)) }

func (g *digestGate) asks(*http.Request) bool { return false }

// judge compares an answer with the right one. It does the same work whether the user name or
// the password is wrong.
func (g *digestGate) judge(r *http.Request, p map[string]string) verdict {
	name, named := digestUser(p)
	user := sha256.Sum256([]byte(name))
	secret, offered := g.secret(p["algorithm"])
	want := secret.of(secret.sum, p["nonce"], p["nc"], p["cnonce"], p["qop"], secret.of(r.Method, p["uri"]))
	right := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(p["response"]))) &
		subtle.ConstantTimeCompare(user[:], g.username[:])
	_, counted := nonceCount(p["nc"])
	switch {
	case g.shut:
		return closed
	case p == nil:
		return missing
	case right == 0, !named, !offered, !counted, !strings.EqualFold(p["qop"], "auth"), p["cnonce"] == "", p["realm"] != g.realm, !isTarget(r, p["uri"]):
		return wrong
	case !g.nonces.isFresh(p["nonce"], g.realm):
		return stale
	}
	return admitted
}

// secret gives the secret of an algorithm, MD5 when none is named. Of one that is not offered
// there is another, and false.
func (g *digestGate) secret(name string) (digestSecret, bool) {
	if name == "" {
		name = plan.DigestMD5
	}
	for _, s := range g.secrets {
		if strings.EqualFold(s.name, name) {
			return s, true
		}
	}
	if len(g.secrets) > 0 {
		return g.secrets[0], false
	}
	return digestSecret{algorithm{plan.DigestSHA256, sha256.New}, ""}, false
}

// isTarget reports whether an answer is for what is requested: the URI as it stands on the
// request line, or without its authority.
func isTarget(r *http.Request, uri string) bool {
	return uri != "" && (uri == r.RequestURI || uri == r.URL.RequestURI())
}

// refuse answers 401 with a new challenge for each algorithm. Only who gave the right answer to
// an old one is told so.
func (g *digestGate) refuse(w http.ResponseWriter, r *http.Request, v verdict) plan.Code {
	nonce := g.nonces.make(g.realm)
	for _, s := range g.secrets {
		challenge := "Digest realm=" + quoted(g.realm) + ", qop=\"auth\", algorithm=" + s.name + ", nonce=\"" + nonce + "\", charset=UTF-8"
		if v == stale || v == admitted { // it was used before, or its time ended this moment
			challenge += ", stale=true"
		}
		w.Header().Add("WWW-Authenticate", challenge)
	}
	if len(g.secrets) == 0 {
		w.Header().Set("WWW-Authenticate", "Digest realm="+quoted(g.realm))
	}
	unauthorized.write(w, r)
	return plan.CodeUnauthorized
}

// digestUser gives the user name of an answer, written in one of two ways (RFC 7616 section
// 3.4). Names that are hashed are not offered.
func digestUser(p map[string]string) (string, bool) {
	name, plain := p["username"]
	long, extended := p["username*"]
	switch {
	case plain == extended, strings.EqualFold(p["userhash"], "true"):
		return "", false
	case plain:
		return name, true
	}
	charset, rest, _ := strings.Cut(long, "'")
	_, encoded, ok := strings.Cut(rest, "'")
	decoded, err := url.PathUnescape(encoded)
	if !ok || err != nil || !strings.EqualFold(charset, "UTF-8") || !utf8.ValidString(decoded) {
		return "", false
	}
	return decoded, true
}

// digestParams gives what the Authorization header of a request answers; nil when it is no
// answer to a challenge.
func digestParams(r *http.Request) map[string]string {
	values := r.Header["Authorization"]
	if len(values) != 1 || len(values[0]) > maxDigestHeader {
		return nil
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Digest") {
		return nil
	}
	p := parseParams(rest)
	if p["response"] == "" {
		return nil
	}
	return p
}

// parseParams reads parameters, name=value with commas between them, where a value may be
// quoted (RFC 9110 section 11.2). It gives nil for anything else, and when a name is there twice.
func parseParams(s string) map[string]string {
	out := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out
		}
		end := strings.IndexFunc(s, func(c rune) bool { return !isTokenChar(c) })
		if end <= 0 {
			return nil
		}
		name := strings.ToLower(s[:end])
		s = strings.TrimLeft(s[end:], " \t")
		if !strings.HasPrefix(s, "=") {
			return nil
		}
		value, rest, ok := parseValue(strings.TrimLeft(s[1:], " \t"))
		if _, twice := out[name]; !ok || twice {
			return nil
		}
		out[name], s = value, strings.TrimLeft(rest, " \t")
		if s != "" && s[0] != ',' {
			return nil
		}
	}
}

// parseValue reads a token or a quoted string from the beginning of s.
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexFunc(s, func(c rune) bool { return !isTokenChar(c) })
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			b.WriteByte(s[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// isTokenChar reports whether a token may have the character (RFC 9110 section 5.6.2).
func isTokenChar(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || slices.Contains([]rune("!#$%&'*+-.^_`|~"), c)
}

// nonceCount reads how often a client says it answered a challenge.
func nonceCount(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 16, 32)
	return uint32(n), err == nil && len(s) == 8 && n > 0
}
