package plan

import (
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// The algorithms of digest authentication of callers (RFC 7616), as they are written.
const (
	DigestSHA256 = "SHA-256"
	DigestMD5    = "MD5"
)

// CertificateLock says whose certificates may come in. A certificate must be of one of Issuers,
// unless there are none, and have one of the names of the other lists, unless there are none.
type CertificateLock struct {
	// Subjects and Issuers are distinguished names as [CallerCertificate] has them.
	Subjects, Issuers []string
	// DNSNames may begin with "*." for one label, URIs may end in "/*" for what is below.
	DNSNames, URIs, Emails []string
}

// certificateGuard is the compiled form of a [CertificateLock].
type certificateGuard struct {
	lists [5][]expression // in the order of certificateKeys
}

// certificateKeys are the words for lists of names.
func certificateKeys() [5]string {
	return [5]string{"subjects", "issuers", "dnsNames", "uris", "emails"}
}

// digest reads with which algorithms callers may answer challenges.
func (r *guardReader) digest() {
	r.guard.algorithms = []string{DigestSHA256}
	v := r.v.Get("algorithms")
	if v == nil || v.Kind == spec.Null {
		return
	}
	r.guard.algorithms = nil
	for _, t := range listed(v) {
		switch {
		case strings.EqualFold(t.Value, DigestSHA256):
			r.guard.algorithms = append(r.guard.algorithms, DigestSHA256)
		case strings.EqualFold(t.Value, DigestMD5):
			r.guard.algorithms = append(r.guard.algorithms, DigestMD5)
		default:
			r.fail(faultf(diag.CodeAuthUnsupported, "D4", placeOr(t.Span(), v.Span()), "callers of %s cannot be asked for a digest by %q", r.op.namespace, t.Value).
				hintf("expected SHA-256 or MD5"))
		}
	}
	if len(r.guard.algorithms) == 0 {
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", v.Span(), "authentication of %s has no algorithms, so nobody could call it", r.op.namespace).
			hintf("leave algorithms out for SHA-256"))
	}
}

// listed gives the texts of a list, or of a text that stands for a list of one.
func listed(v *spec.Value) []spec.Text {
	switch v.Kind {
	case spec.List:
		out := make([]spec.Text, len(v.Items))
		for i, item := range v.Items {
			out[i] = item.AsText()
		}
		return out
	case spec.Null, spec.Map:
		return nil
	}
	return []spec.Text{v.AsText()}
}

// clientCertificate reads whose certificates may come in, beside what the type wants.
func (r *guardReader) clientCertificate() {
	v := r.v.Get("clientCertificate")
	if v == nil {
		// A word that is spelt wrong must not let in whom it was meant to keep out.
		for i := range r.v.Members {
			if _, near := diag.Nearest(r.v.Members[i].Key.Value, []string{"clientCertificate"}); near {
				r.fail(unknownHolderKey(r.v.Members[i].Key, "authentication of "+r.op.namespace, []string{"clientCertificate"}))
			}
		}
	}
	if v == nil || v.Kind == spec.Null || r.failed != nil {
		return
	}
	what := "clientCertificate of the authentication of " + r.op.namespace
	switch {
	case r.guard.Scheme == SchemeCertificate:
		r.fail(faultf(diag.CodeAuthUnsupported, "D4", v.Span(), "%s stands beside type certificate, which says the same", what).
			hintf("write its lists beside the type"))
	case v.Kind != spec.Map:
		r.fail(faultf(diag.CodeAuthUnsupported, "D4", v.Span(), "%s is not a mapping", what).hintf("write clientCertificate: {dnsNames: [...]}"))
	default:
		r.guard.certificates = r.certificates(v, what)
	}
}

// certificates reads whose certificates may come in. Without a name everybody whom any authority
// knows could.
func (r *guardReader) certificates(v *spec.Value, what string) *certificateGuard {
	g := &certificateGuard{}
	known := certificateKeys()
	for i := range v.Members {
		key := v.Members[i].Key
		if v == r.v && slices.Contains([]string{"type", "clientCertificate"}, key.Value) ||
			slices.Contains(known[:], key.Value) || key.Value == "description" || strings.HasPrefix(key.Value, "x-") {
			continue
		}
		r.fail(unknownHolderKey(key, what, known[:]))
	}
	names := 0
	for i, key := range certificateKeys() {
		list := v.Get(key)
		if list == nil || list.Kind == spec.Null {
			continue
		}
		texts := listed(list)
		if len(texts) == 0 {
			r.fail(faultf(diag.CodeAuthIncomplete, "D4", list.Span(), "%s of the %s has no names, so nobody could call it", key, what).
				hintf("name somebody, such as %s: ['{{NAME}}'], or leave it out", key))
		}
		for _, t := range texts {
			if t.Value == "" {
				r.fail(faultf(diag.CodeAuthIncomplete, "D4", placeOr(t.Span(), list.Span()), "a name in %s of the %s is empty", key, what).
					hintf("give it a value, such as '{{NAME}}'"))
				continue
			}
			x := r.value(t)
			if text, ok := x.constant(); ok && r.failed == nil {
				if problem := judgeHolder(key, text); problem != "" {
					r.fail(faultf(diag.CodeAuthIncomplete, "D4", placeOr(t.Span(), list.Span()), "%s of the %s: %q %s", key, what, text, problem).
						hintf("write names as a certificate has them; a DNS name may begin with *. and a URI may end in /*"))
				}
			}
			g.lists[i] = append(g.lists[i], x)
			names++
		}
	}
	if names == 0 {
		r.fail(faultf(diag.CodeAuthIncomplete, "D4", v.Span(), "the %s names no certificates, so nobody could call it", what).
			hintf("add subjects, dnsNames, uris, emails or issuers"))
	}
	return g
}

// unknownHolderKey refuses a word that would leave somebody in who was meant to be kept out.
func unknownHolderKey(key spec.Text, what string, known []string) *fault {
	f := faultf(diag.CodeAuthUnsupported, "D4", key.Span(), "key %q means nothing to the %s", key.Value, what)
	if near, ok := diag.Nearest(key.Value, known); ok {
		return f.hintf("did you mean %s?", near)
	}
	return f.hintf("expected %s", strings.Join(known, ", "))
}

// judgeHolder says why no certificate can have a name, or "". A star where it stands for nothing
// would look as if it did.
func judgeHolder(key, name string) string {
	rest := name
	switch key {
	case "subjects", "issuers":
		if !strings.Contains(name, "=") {
			return "is no distinguished name such as CN=billing,O=Example"
		}
		return ""
	case "dnsNames":
		rest = strings.TrimPrefix(name, "*.")
	case "uris":
		if strings.HasSuffix(name, "/*") {
			rest = strings.TrimSuffix(name, "*")
		}
		if !strings.Contains(name, ":") {
			return "is no URI such as spiffe://example.org/billing"
		}
	case "emails":
		if !strings.Contains(name, "@") {
			return "is no email address"
		}
	}
	if strings.Contains(rest, "*") || rest == "" {
		return "has a * where it stands for nothing"
	}
	return ""
}

func (g *certificateGuard) expressions(visit func(*expression)) {
	for _, x := range g.texts() {
		x.walk(visit)
	}
}

func (g *certificateGuard) texts() []*expression {
	if g == nil {
		return nil
	}
	var out []*expression
	for i := range g.lists {
		for j := range g.lists[i] {
			out = append(out, &g.lists[i][j])
		}
	}
	return out
}

// words gives how long the lists are, so that guards are alike only when the same names are in
// the same lists.
func (g *certificateGuard) words() []string {
	if g == nil {
		return nil
	}
	out := []string{"certificates"}
	for _, l := range g.lists {
		out = append(out, strconv.Itoa(len(l)))
	}
	return out
}

// bind fills the values in. problem says why nobody can come in.
func (g *certificateGuard) bind(text func(*expression) string) (lock *CertificateLock, problem string) {
	lock = &CertificateLock{}
	to := [...]*[]string{&lock.Subjects, &lock.Issuers, &lock.DNSNames, &lock.URIs, &lock.Emails}
	for i, key := range certificateKeys() {
		for j := range g.lists[i] {
			name := strings.TrimSpace(text(&g.lists[i][j]))
			if name == "" {
				return lock, "name in " + key + " is empty"
			}
			if what := judgeHolder(key, name); what != "" {
				return lock, "name in " + key + " " + what
			}
			*to[i] = append(*to[i], name)
		}
	}
	return lock, ""
}

// warnOfCertificates says of an exposure that nobody can come in, where nobody is asked for the
// certificate that it wants.
func (l *linker) warnOfCertificates(e *Exposure) {
	if l.options.WithoutCertificates && e.Guard != nil && e.Guard.certificates != nil {
		l.note(diag.Warning, diag.CodeNoCertificates, e, e.Guard.Span, "serve with --tls-cert, --tls-key and --tls-client-ca",
			"%s wants a certificate of its callers, but no address asks for one, so nobody can call it", adapterName(e))
	}
}
