package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// setHeader sets the headers of a result: those of the upstream that are on the list, the
// content type, and who failed.
func setHeader(h http.Header, result *plan.Result) {
	for _, f := range result.Header {
		if passes(f, result.Kind) {
			h.Add(f.Name, f.Value)
		}
	}
	switch {
	case result.MediaType != "":
		h.Set("Content-Type", result.MediaType)
	default:
		// Nobody knows the type. A nil value keeps net/http from guessing one.
		h["Content-Type"] = nil
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

// pagePolicy takes the origin of capd from pages that it hands on: their scripts run, and their
// requests say that they come from nowhere, which the door refuses. Else a page that an upstream
// makes, once somebody opens it, could call whatever capd serves to this person's machine.
const pagePolicy = "sandbox allow-scripts allow-forms allow-popups allow-downloads"

// isPage reports whether a browser would run what is in a body: HTML, and the XML that can hold
// the same.
func isPage(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	return strings.HasSuffix(base, "html") || strings.HasSuffix(base, "xml")
}

// passes reports whether an upstream's header reaches the client. The list is fixed: what
// is not on it (cookies, challenges, hop-by-hop fields, the upstream's server) stays here.
// Content-Type is not among them because [plan.Result.MediaType] says it.
func passes(f plan.Field, kind plan.ResultKind) bool {
	if f.Secret {
		return false
	}
	name := strings.ToLower(f.Name)
	switch name {
	case "content-encoding", "content-language", "content-disposition", "content-range",
		"accept-ranges", "etag", "last-modified":
		// These describe the upstream's bytes, which a mapped value no longer has.
		return kind == plan.Passthrough
	case "cache-control", "age", "vary", "link", "retry-after", "ratelimit":
		return true
	case "cache-status":
		// What capd did is no secret; the names of caches behind it are not for its callers.
		return strings.HasPrefix(f.Value, "capd;")
	case "location":
		return isRelative(f.Value)
	}
	return strings.HasPrefix(name, "ratelimit-") || strings.HasPrefix(name, "x-ratelimit-")
}

// isRelative reports whether a reference stays on the origin of whoever follows it. An
// absolute one would lead the client around capd, to an upstream it has no credentials for
// and need not know; browsers read "//host", and "\" for "/", as an origin too.
func isRelative(ref string) bool {
	u, err := url.Parse(ref)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil &&
		!strings.HasPrefix(ref, "//") && !strings.Contains(ref, `\`)
}
