package auth

import (
	"net/http"
	"slices"
	"strings"

	"capd/engine/plan"
)

// holders are those whose certificates may come in: the certificate is of one of the issuers, if
// there are any, and has one of the names, if there are any. It is immutable.
type holders struct{ lock plan.CertificateLock }

// newHolders gives the holders that a lock names; nil when it names none.
func newHolders(l *plan.CertificateLock) *holders {
	if l == nil {
		return nil
	}
	h := &holders{*l}
	h.lock.Subjects, h.lock.Issuers = distinguished(l.Subjects), distinguished(l.Issuers)
	return h
}

// has reports whether the connection of a request shows such a certificate; of nil holders it
// need not.
func (h *holders) has(r *http.Request) bool {
	if h == nil {
		return true
	}
	_, ok := h.name(plan.CallerOf(r.Context()).Certificate)
	return ok
}

// name gives the name by which a certificate may come in.
func (h *holders) name(c *plan.CallerCertificate) (string, bool) {
	if c == nil || len(h.lock.Issuers) > 0 && !slices.Contains(h.lock.Issuers, c.Issuer) {
		return "", false
	}
	switch l := &h.lock; {
	case len(l.Subjects)+len(l.DNSNames)+len(l.URIs)+len(l.Emails) == 0:
		return c.Subject, len(l.Issuers) > 0
	case slices.Contains(l.Subjects, c.Subject):
		return c.Subject, true
	}
	for _, set := range []struct {
		wanted, has []string
		matches     func(pattern, name string) bool
	}{
		{h.lock.DNSNames, c.DNSNames, matchesHost},
		{h.lock.URIs, c.URIs, matchesURI},
		{h.lock.Emails, c.Emails, matchesEmail},
	} {
		for _, name := range set.has {
			if slices.ContainsFunc(set.wanted, func(pattern string) bool { return set.matches(pattern, name) }) {
				return name, true
			}
		}
	}
	return "", false
}

// distinguished writes names as certificates are shown: people write a space behind commas.
func distinguished(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ReplaceAll(n, ", ", ",")
	}
	return out
}

// matchesHost matches a DNS name. "*." stands for one label.
func matchesHost(pattern, name string) bool {
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		label, below, found := strings.Cut(name, ".")
		return found && label != "" && label != "*" && strings.EqualFold(below, rest)
	}
	return strings.EqualFold(pattern, name)
}

// matchesURI matches a URI. "/*" at the end stands for everything below, but the pattern's own
// path.
func matchesURI(pattern, uri string) bool {
	if above, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasSuffix(above, "/") {
		return len(uri) > len(above) && strings.HasPrefix(uri, above)
	}
	return pattern == uri
}

// matchesEmail matches an address. Of the domain, case does not count (RFC 5280 section 7.5).
func matchesEmail(pattern, address string) bool {
	a, b := strings.LastIndexByte(pattern, '@'), strings.LastIndexByte(address, '@')
	return a >= 0 && b >= 0 && pattern[:a] == address[:b] && strings.EqualFold(pattern[a:], address[b:])
}

// certificateGate is the [checker] of a lock that wants a certificate and nothing else. It is
// immutable.
type certificateGate struct {
	realm   string
	shut    bool
	holders *holders
}

func newCertificateGate(l plan.Lock) *certificateGate {
	return &certificateGate{realm: l.Realm, shut: l.Shut || l.Certificates == nil, holders: newHolders(l.Certificates)}
}

// shown gives nothing: nobody can guess a certificate.
func (g *certificateGate) shown(*http.Request) string { return "" }

func (g *certificateGate) admit(r *http.Request) (*http.Request, verdict) {
	if v := g.recall(r); v != admitted {
		return nil, v
	}
	name, _ := g.holders.name(plan.CallerOf(r.Context()).Certificate)
	return r.WithContext(plan.WithCaller(r.Context(), &plan.Caller{Scheme: plan.SchemeCertificate, Subject: name})), admitted
}

func (g *certificateGate) recall(r *http.Request) verdict {
	switch {
	case g.shut:
		return closed
	case !g.holders.has(r):
		return foreign
	}
	return admitted
}

func (g *certificateGate) asks(*http.Request) bool { return false }

func (g *certificateGate) refuse(w http.ResponseWriter, r *http.Request, _ verdict) plan.Code {
	// There is no registered scheme for certificates, and a 401 needs one.
	w.Header().Set("WWW-Authenticate", "Certificate realm="+quoted(g.realm))
	unauthorized.write(w, r)
	return plan.CodeUnauthorized
}
