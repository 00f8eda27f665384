package mcp

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"capd/engine/plan"
)

// router finds the endpoint of a path at one listen address. It is immutable.
type router struct {
	bound     *plan.Bound          // has the gates
	byPath    map[string]place     // by decoded segments, joined with NUL
	contested bool                 // two mounts have one address
	sole      *guarded             // at /mcp itself; nil when there are none or several
	mounts    func() []*plan.Mount // that the index lists
	views     func() []indexView   // all of them
	index     func() []byte        // of all mounts

	listener *plan.Listener
	open     func(addr string, segments []string) *guarded // of a view of several exposures
}

// guarded is an endpoint behind the gate of its exposure.
type guarded struct {
	endpoint *endpoint
	gate     plan.Gate // nil when everybody may come in
}

// ServeHTTP serves who may come in.
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.gate != nil {
		in := g.gate.Admit(r)
		if in == nil {
			g.endpoint.turnedAway(r, func() plan.Code { return g.gate.Refuse(w, r) })
			return
		}
		r = in
		if need := g.endpoint.lacking(r); len(need) > 0 {
			g.endpoint.turnedAway(r, func() plan.Code { g.refuse(w, r, need); return plan.CodeForbidden })
			return
		}
	}
	g.endpoint.ServeHTTP(w, r)
}

// turnedAway tells those who watch of a request that may not come in. answer says why.
func (e *endpoint) turnedAway(r *http.Request, answer func() plan.Code) {
	st := e.now()
	ended := st.bound.Begin(r.Context(), st.view.Members[0].Exposure, "")
	ended(0, plan.Errorf(answer(), "not let in"))
}

// refuse answers a caller who may come in, but not for this.
func (g *guarded) refuse(w http.ResponseWriter, r *http.Request, need []string) {
	if gate, ok := g.gate.(plan.Scoped); ok {
		gate.RefuseScopes(w, r, need)
		return
	}
	writeProblem(w, r, http.StatusForbidden, plan.CodeForbidden.String(), "no caller of this adapter has the scopes that this needs")
}

// place is an endpoint and the exposure that it serves.
type place struct {
	endpoint *endpoint
	exposure *plan.Exposure
}

// newRouter makes the router of a listener. old is that of the same address before, or nil.
func newRouter(l *plan.Listener, endpoints func(*plan.Exposure) *endpoint, bound *plan.Bound, open func(addr string, segments []string) *guarded, old *router) *router {
	r := &router{bound: bound, listener: l, open: open}
	if r.byPath = old.follow(l, endpoints); r.byPath == nil {
		r.byPath, r.contested = placesOf(l.Mounts, endpoints)
	}
	if l.SoleMCP != nil {
		if ep := endpoints(l.SoleMCP.Exposure); ep != nil {
			r.sole = &guarded{ep, bound.Gate(l.SoleMCP.Exposure)}
		}
	}
	r.mounts = sync.OnceValue(func() []*plan.Mount {
		return slices.DeleteFunc(slices.Clone(l.Mounts), func(m *plan.Mount) bool { return !m.Main || m.Exposure.Kind != plan.MCP })
	})
	r.views = sync.OnceValue(func() []indexView { return viewsOf(l, bound) })
	r.index = sync.OnceValue(func() []byte { return renderIndex(r.mounts(), r.views()) })
	return r
}

// placesOf gives the endpoints of mounts by path. Of two with one address the longest ID owns it;
// contested says whether there are any.
func placesOf(mounts []*plan.Mount, endpoints func(*plan.Exposure) *endpoint) (out map[string]place, contested bool) {
	out = make(map[string]place, len(mounts))
	for _, m := range mounts {
		ep := endpoints(m.Exposure)
		if m.Exposure.Kind != plan.MCP || ep == nil {
			continue
		}
		key := joined(m.Segments)
		prev, taken := out[key]
		contested = contested || taken
		if taken && len(prev.exposure.Unit.ID) >= len(m.Exposure.Unit.ID) {
			continue
		}
		out[key] = place{ep, m.Exposure}
	}
	return out, contested
}

// follow gives the endpoints of a listener by path, made of those of before: the same, without
// the mounts that are gone and with those that came. It is nil where that cannot be said, since an address
// is, or was, of two.
func (rt *router) follow(l *plan.Listener, endpoints func(*plan.Exposure) *endpoint) map[string]place {
	switch {
	case rt == nil || rt.contested:
		return nil
	case rt.listener == l:
		return rt.byPath
	}
	gone, came := l.Since(rt.listener)
	out := maps.Clone(rt.byPath)
	for _, m := range gone {
		if m.Exposure.Kind != plan.MCP {
			continue
		}
		key := joined(m.Segments)
		if out[key].exposure != m.Exposure {
			return nil
		}
		delete(out, key)
	}
	more, contested := placesOf(came, endpoints)
	for key, p := range more {
		if _, taken := out[key]; taken || contested {
			return nil
		}
		out[key] = p
	}
	return out
}

// ServeHTTP serves the endpoints below /mcp.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segs := segments(r.URL.EscapedPath())
	if len(segs) == 0 || segs[0] != plan.MCP.Prefix() {
		notFound(w, r)
		return
	}
	if len(segs) == 1 && wantsIndex(r) {
		rt.serveIndex(w, r)
		return
	}
	if g := rt.find(segs[1:]); g != nil {
		g.ServeHTTP(w, r)
		return
	}
	notFound(w, r)
}

// find gives what is served at an address below /mcp: the endpoint of a document comes before
// a view of several.
func (rt *router) find(segs []string) *guarded {
	if len(segs) > 0 {
		if p, ok := rt.byPath[joined(segs)]; ok {
			return &guarded{p.endpoint, rt.bound.Gate(p.exposure)}
		}
		return rt.open(rt.listener.Addr, segs)
	}
	if rt.sole != nil || !rt.listener.Combined {
		return rt.sole
	}
	return rt.open(rt.listener.Addr, nil)
}

// serveIndex answers with the endpoints that the caller may call. An index of which nothing
// may be seen is refused as its first endpoint refuses.
func (rt *router) serveIndex(w http.ResponseWriter, r *http.Request) {
	var seen []*plan.Mount
	mounts := rt.mounts()
	for _, m := range mounts {
		if plan.Shows(rt.bound.Gate(m.Exposure), r, len(mounts)) {
			seen = append(seen, m)
		}
	}
	if len(mounts) > 0 && len(seen) == 0 {
		rt.bound.Gate(mounts[0].Exposure).Refuse(w, r)
		return
	}
	index := rt.index
	if len(seen) < len(mounts) {
		var views []indexView
		for _, v := range rt.views() {
			if plan.Shows(v.gate, r, len(mounts)) {
				views = append(views, v)
			}
		}
		index = func() []byte { return renderIndex(seen, views) }
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-cache") // a reload changes it, and so does who asks
	_, _ = w.Write(index())
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
		if err != nil || s == "" { // an empty segment is no name of anything
			return nil
		}
		segs[i] = decoded
	}
	return segs
}

func joined(segs []string) string { return strings.Join(segs, "\x00") }

// split undoes joined.
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}

// index is the answer to GET /mcp.
type index struct {
	Endpoints []indexEntry `json:"endpoints"`
	Views     []indexView  `json:"views,omitempty"`
	Tags      *indexTags   `json:"tags,omitempty"`
}

// indexEntry is one endpoint.
type indexEntry struct {
	Path        string `json:"path"`
	Document    string `json:"document"`
	Namespace   string `json:"namespace,omitempty"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
	Tools       int    `json:"tools"`
	Resources   int    `json:"resources,omitempty"`
	Prompts     int    `json:"prompts,omitempty"`
}

// indexView is one view.
type indexView struct {
	Path        string        `json:"path"`
	Kind        plan.ViewKind `json:"kind"`
	Description string        `json:"description,omitempty"`
	Documents   int           `json:"documents"`
	Tools       int           `json:"tools"`

	gate plan.Gate
}

// indexTags says where the views of tags are. There may be as many tags as tools, so that they
// are not all told.
type indexTags struct {
	Path  string `json:"path"` // RFC 6570
	Count int    `json:"count"`
}

// viewsOf gives the views of a listener as the index has them.
func viewsOf(l *plan.Listener, bound *plan.Bound) []indexView {
	var out []indexView
	for _, v := range l.Views() {
		documents := 0
		for i := range v.Members {
			if i == 0 || v.Members[i].Exposure.Unit != v.Members[i-1].Exposure.Unit {
				documents++
			}
		}
		out = append(out, indexView{v.Path, v.Kind, v.Description, documents, v.Tools(), bound.Gate(v.Members[0].Exposure)})
	}
	return out
}

func renderIndex(mounts []*plan.Mount, views []indexView) []byte {
	out := index{Endpoints: []indexEntry{}, Views: views}
	tags := map[string]bool{}
	for _, m := range mounts {
		x := m.Exposure
		out.Endpoints = append(out.Endpoints, indexEntry{
			Path: m.Path, Document: x.Unit.ID, Namespace: x.Namespace,
			Label: x.Unit.Label, Description: x.Description, Tools: len(served(x.Tools)),
			Resources: count(x.Resources, func(r *plan.Resource) bool { return r.Refusal == nil }),
			Prompts:   count(x.Prompts, func(p *plan.Prompt) bool { return p.Refusal == nil }),
		})
		for tag := range x.Tags() {
			tags[tag] = true
		}
	}
	if len(tags) > 0 {
		out.Tags = &indexTags{"/" + plan.MCP.Prefix() + "/tags/{tag}", len(tags)}
	}
	b, err := json.Marshal(out)
	if err != nil { // strings and numbers always marshal
		return []byte("{}\n")
	}
	return append(b, '\n')
}

func count[T any](all []T, is func(T) bool) int {
	n := 0
	for _, x := range all {
		if is(x) {
			n++
		}
	}
	return n
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

// writeOverloaded answers a request for which there is no room.
func writeOverloaded(w http.ResponseWriter, r *http.Request, e *plan.Error) {
	w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfterSeconds()))
	writeProblem(w, r, http.StatusServiceUnavailable, e.Code.String(), e.Message)
}
