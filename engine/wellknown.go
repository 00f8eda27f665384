package engine

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// wellKnown serves what gates tell clients about what they guard (RFC 9728), by the path of
// what is guarded: under each of its fixed addresses, and under the path that its clients know
// when a proxy stands in front. It is immutable.
type wellKnown map[string][]byte

// newWellKnown gathers what the gates of a listener tell.
func newWellKnown(l *plan.Listener, bound *plan.Bound) wellKnown {
	out := wellKnown{}
	if bound.IsOpen() {
		return out
	}
	add := func(path string, gate plan.Gate) {
		d, ok := gate.(plan.Described)
		key, valid := pathKey(path)
		if !ok || !valid || out[key] != nil || d.Metadata() == nil {
			return
		}
		out[key] = d.Metadata()
	}
	for _, m := range l.Mounts {
		add(m.Path, bound.Gate(m.Exposure))
	}
	if l.SoleMCP != nil {
		add("/"+plan.MCP.Prefix(), bound.Gate(l.SoleMCP.Exposure))
	}
	for _, m := range l.Mounts {
		if d, ok := bound.Gate(m.Exposure).(plan.Described); ok {
			if u, err := url.Parse(d.Resource()); err == nil {
				add(u.EscapedPath(), bound.Gate(m.Exposure))
			}
		}
	}
	return out
}

// pathKey gives what is equal for paths with equal segments, however they are written. A slash
// at the end does not count.
func pathKey(escaped string) (string, bool) {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return "", false
		}
		segments[i] = decoded
	}
	return strings.Join(segments, "\x00"), true
}

// handler gives what answers a path below /.well-known, or nil.
func (k wellKnown) handler(u *url.URL) http.Handler {
	rest, ok := strings.CutPrefix(u.EscapedPath(), plan.MetadataPath)
	if !ok || rest != "" && rest[0] != '/' {
		return nil
	}
	key, ok := pathKey(rest)
	body := k[key]
	if !ok || body == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeMetadata(w, r, body) })
}

func writeMetadata(w http.ResponseWriter, r *http.Request, body []byte) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		writeProblem(w, http.StatusMethodNotAllowed, plan.Errorf(plan.CodeMethodNotAllowed, "this path is served for GET, HEAD only"), plan.RequestID(r.Context()))
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-cache") // a reload changes it
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a caller that is gone does not read it
	}
}
