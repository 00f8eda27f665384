package mcp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"capd/engine/plan"
)

// router finds the endpoint of a path at one listen address. It is immutable.
type router struct {
	byPath map[string]*endpoint // by decoded segments, joined with NUL
	sole   *endpoint            // at /mcp itself; nil when there are none or several
	index  func() []byte
}

func newRouter(l *plan.Listener, endpoints map[*plan.Exposure]*endpoint) *router {
	r := &router{byPath: map[string]*endpoint{}}
	owner := map[string]string{}
	for _, m := range l.Mounts {
		ep := endpoints[m.Exposure]
		if m.Exposure.Kind != plan.MCP || ep == nil {
			continue
		}
		key, id := joined(m.Segments), m.Exposure.Unit.ID
		if prev, taken := owner[key]; taken && len(prev) >= len(id) {
			continue // the longest ID owns an address
		}
		r.byPath[key], owner[key] = ep, id
	}
	if l.SoleMCP != nil {
		r.sole = endpoints[l.SoleMCP.Exposure]
	}
	r.index = sync.OnceValue(func() []byte { return renderIndex(l.Mounts) })
	return r
}

// ServeHTTP serves the endpoints below /mcp.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segs := segments(r.URL.EscapedPath())
	if len(segs) == 0 || segs[0] != plan.MCP.Prefix() {
		notFound(w, r)
		return
	}
	if len(segs) > 1 {
		if ep := rt.byPath[joined(segs[1:])]; ep != nil {
			ep.ServeHTTP(w, r)
			return
		}
		notFound(w, r)
		return
	}
	switch {
	case wantsIndex(r):
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(rt.index())
	case rt.sole != nil:
		rt.sole.ServeHTTP(w, r)
	default:
		notFound(w, r)
	}
}

// wantsIndex tells a look at /mcp from a client of the protocol, whose GET belongs to a
// session, or asks for an event stream, or is of the era that knows no GET.
func wantsIndex(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return r.Header.Get(headerSession) == "" && r.Header.Get(headerVersion) == "" &&
		!strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), "text/event-stream")
}

// segments splits an escaped path and decodes what stands between the slashes, so that an
// escaped slash stays inside its segment. A trailing slash does not count.
func segments(escaped string) []string {
	escaped = strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/")
	if escaped == "" {
		return nil
	}
	segs := strings.Split(escaped, "/")
	for i, s := range segs {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil
		}
		segs[i] = decoded
	}
	return segs
}

func joined(segs []string) string { return strings.Join(segs, "\x00") }

// indexEntry is one endpoint in the answer to GET /mcp.
type indexEntry struct {
	Path        string `json:"path"`
	Document    string `json:"document"`
	Namespace   string `json:"namespace,omitempty"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
	Tools       int    `json:"tools"`
}

func renderIndex(mounts []*plan.Mount) []byte {
	index := struct {
		Endpoints []indexEntry `json:"endpoints"`
	}{[]indexEntry{}}
	for _, m := range mounts {
		if !m.Main || m.Exposure.Kind != plan.MCP {
			continue
		}
		index.Endpoints = append(index.Endpoints, indexEntry{
			Path: m.Path, Document: m.Exposure.Unit.ID, Namespace: m.Exposure.Namespace,
			Label: m.Exposure.Unit.Label, Description: m.Exposure.Description, Tools: len(served(m.Exposure.Tools)),
		})
	}
	b, err := json.Marshal(index)
	if err != nil { // strings and numbers always marshal
		return []byte("{}\n")
	}
	return append(b, '\n')
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, http.StatusNotFound, plan.CodeNotFound.String(), "no MCP endpoint has this address; GET /mcp lists them")
}

// problem is an RFC 9457 problem document with capd's code. RequestID is what finds the
// log record.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	b, err := json.Marshal(problem{"about:blank", http.StatusText(status), status, detail, code, plan.RequestID(r.Context())})
	if err != nil { // strings and numbers always marshal
		b = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
