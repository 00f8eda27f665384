package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// setHeader sets the headers of a result: those of the upstream that are on the list, the
// content type, the length unless it is negative, and who failed.
func setHeader(h http.Header, result *plan.Result, length int64) {
	var values values
	for _, f := range result.Header {
		switch name, ok := passes(f, result.Kind); {
		case !ok:
		case h[name] == nil:
			h[name] = values.one(f.Value)
		default:
			h[name] = append(h[name], f.Value)
		}
	}
	// Where nobody knows the type, a nil value keeps net/http from guessing one.
	h["Content-Type"] = nil
	if result.MediaType != "" {
		h["Content-Type"] = values.one(result.MediaType)
	}
	if length >= 0 {
		h["Content-Length"] = values.one(strconv.FormatInt(length, 10))
	}
	if isPage(result.MediaType) {
		h.Set("Content-Security-Policy", pagePolicy)
	}
	if result.FromUpstream && result.Status >= http.StatusBadRequest {
		h.Set("Proxy-Status", "capd; received-status="+strconv.Itoa(result.Status))
	}
	if result.FromUpstream && result.Status == http.StatusUnauthorized {
		// A 401 needs a challenge; the upstream's own would make clients send their
		// credentials for capd to somebody else's realm.
		h.Set("WWW-Authenticate", "Upstream")
	}
}

// values makes the lists that a header has for one value each, several in one piece of memory.
type values []string

func (v *values) one(value string) []string {
	if len(*v) == cap(*v) {
		*v = make([]string, 0, 4)
	}
	*v = append(*v, value)
	n := len(*v)
	return (*v)[n-1 : n : n]
}

// pagePolicy takes the origin of capd from pages that it hands on: their scripts run, and their
// requests say that they come from nowhere, which the door refuses. Else a page that an upstream
// makes, once somebody opens it, could call whatever capd serves to this person's machine.
const pagePolicy = "sandbox allow-scripts allow-forms allow-popups allow-downloads"

// isPage reports whether a browser would run what is in a body: HTML, and the XML that can hold
// the same.
func isPage(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	base = strings.TrimSpace(base)
	return endsIn(base, "html") || endsIn(base, "xml")
}

// endsIn reports whether s ends in end, in upper or lower case.
func endsIn(s, end string) bool {
	return len(s) >= len(end) && strings.EqualFold(s[len(s)-len(end):], end)
}

// passes reports whether an upstream's header reaches the client, and its name as net/http
// writes it. The list is fixed: what is not on it (cookies, challenges, hop-by-hop fields, the
// upstream's server) stays here. Content-Type is not among them because [plan.Result.MediaType]
// says it.
func passes(f plan.Field, kind plan.ResultKind) (name string, ok bool) {
	if f.Secret {
		return "", false
	}
	name = http.CanonicalHeaderKey(f.Name)
	switch name {
	case "Content-Encoding", "Content-Language", "Content-Disposition", "Content-Range",
		"Accept-Ranges", "Etag", "Last-Modified":
		// These describe the upstream's bytes, which a mapped value no longer has.
		return name, kind == plan.Passthrough
	case "Cache-Control", "Age", "Vary", "Link", "Retry-After", "Ratelimit":
		return name, true
	case "Cache-Status":
		// What capd did is no secret; the names of caches behind it are not for its callers.
		return name, strings.HasPrefix(f.Value, "capd;")
	case "Location":
		return name, isRelative(f.Value)
	}
	return name, strings.HasPrefix(name, "Ratelimit-") || strings.HasPrefix(name, "X-Ratelimit-")
}

// isRelative reports whether a reference stays on the origin of whoever follows it. An
// absolute one would lead the client around capd, to an upstream it has no credentials for
// and need not know; browsers read "//host", and "\" for "/", as an origin too.
func isRelative(ref string) bool {
	u, err := url.Parse(ref)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil &&
		!strings.HasPrefix(ref, "//") && !strings.Contains(ref, `\`)
}
