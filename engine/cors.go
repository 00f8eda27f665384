package engine

import (
	"net/http"
	"slices"
	"strings"
)

// What pages of allowed origins may do, and what scripts in them may see of an answer beside
// the headers that every script may see (Fetch standard, section 3.3).
const (
	sharedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	sharedHeaders = "Mcp-Session-Id, Mcp-Protocol-Version, X-Request-Id, Retry-After, Allow, Location, Link, ETag, " +
		"Content-Disposition, Content-Length, Content-Encoding, Proxy-Status, WWW-Authenticate"
	sharedSeconds = "600" // how long a browser may rely on the answer to a preflight
)

// sharing is what one answer says to browsers about the pages that may read it.
type sharing struct {
	varies bool   // answers differ by origin
	origin string // that may read this answer, as it was sent; "" for none
}

// sharing decides who may read the answer to a request. Only origins that the options name
// get more than they have by themselves: pages of this machine may call, and that is all.
func (d *door) sharing(r *http.Request) sharing {
	s := sharing{varies: d.anyOrigin || len(d.origins) > 0}
	values := r.Header["Origin"]
	if len(values) != 1 {
		return s
	}
	if o, ok := parseOrigin(values[0]); d.anyOrigin || ok && d.origins[o.text()] {
		s.origin = values[0]
	}
	return s
}

// isPreflight reports whether a browser asks if a page may make another request.
func (s sharing) isPreflight(r *http.Request) bool {
	return s.origin != "" && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers that the page may. Which methods and headers there are is said by the
// answer to the request itself. Credentials of the browser are never allowed.
func (s sharing) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	h.Set("Access-Control-Max-Age", sharedSeconds)
	w.WriteHeader(http.StatusNoContent)
}

// mark writes into the header of an answer who may read it.
func (s sharing) mark(h http.Header) {
	if s.varies && !variesByOrigin(h) {
		h.Add("Vary", "Origin")
	}
	if s.origin != "" {
		h.Set("Access-Control-Allow-Origin", s.origin)
		h.Set("Access-Control-Expose-Headers", sharedHeaders)
	}
}

// variesByOrigin reports whether an answer says already that it differs by origin.
func variesByOrigin(h http.Header) bool {
	names := strings.Split(strings.Join(h.Values("Vary"), ","), ",")
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "Origin") })
}
