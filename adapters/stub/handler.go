package stub

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"capd/engine/plan"
)

// Handler answers over HTTP as [Stub] does, for the upstreams of the given calls. A request
// belongs to the call whose method is the request's and whose path is the end of the
// request's, since the base path is not known; the most literal path wins. Calls that fit
// equally well answer together, each with its samples. HEAD falls back to GET. Without a
// call the answer is a problem document: 404, or 405 with Allow when only the method differs.
//
// What looks like a credential in the request is masked, as the handler cannot know which
// values are secrets.
func Handler(calls []*plan.Call) http.Handler { return handler(slices.Clone(calls)) }

type handler []*plan.Call

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, allowed := h.find(r.Method, pathSegments(r.URL.EscapedPath()))
	if len(found) == 0 {
		refuse(w, allowed)
		return
	}
	var samples []plan.Sample
	for _, c := range found {
		samples = append(samples, c.Samples()...)
	}
	body, err := answer(r.Context(), inbound(r), samples)
	if err != nil {
		e := plan.AsError(err)
		status := http.StatusBadRequest
		if e.Code == plan.CodeBodyTooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		writeProblem(w, status, e.Code, e.Message)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// find gives the calls that fit best, or the methods that would fit.
func (h handler) find(method string, path []string) (found []*plan.Call, allowed []string) {
	methods := map[string]bool{}
	best := map[string]rank{}
	fitting := map[string][]*plan.Call{}
	for _, c := range h {
		r, ok := match(c.Segments(), path)
		if !ok {
			continue
		}
		m := c.Method()
		if m == plan.AnyMethod {
			m = method // of a forward, which has no path either
		}
		switch d := r.compare(best[m]); {
		case !methods[m] || d > 0:
			best[m], fitting[m] = r, []*plan.Call{c}
		case d == 0:
			fitting[m] = append(fitting[m], c)
		}
		methods[m] = true
	}
	if methods["GET"] {
		methods["HEAD"] = true
		if fitting["HEAD"] == nil {
			fitting["HEAD"] = fitting["GET"]
		}
	}
	return fitting[method], slices.Sorted(maps.Keys(methods))
}

func refuse(w http.ResponseWriter, allowed []string) {
	if len(allowed) == 0 {
		writeProblem(w, http.StatusNotFound, plan.CodeNotFound, "no consumed operation has a path that this one ends with")
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, http.StatusMethodNotAllowed, plan.CodeMethodNotAllowed, "consumed operations with this path have other methods")
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

func writeProblem(w http.ResponseWriter, status int, code plan.Code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{"about:blank", http.StatusText(status), status, detail, code.String()})
}

// credential matches the names of headers and query parameters that carry secrets.
var credential = regexp.MustCompile(`(?i)(^|[-_.])(api-?key|key|token|secret|password|passwd|pwd|signature|sig|auth|authorization|cookie)$`)

// inbound gives the request as the client's transport would have got it.
func inbound(r *http.Request) *plan.Request {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	req := &plan.Request{
		Method: r.Method,
		Base:   &plan.Base{Scheme: scheme, Host: r.Host},
		Target: r.URL.RequestURI(),
		Body:   plan.Body{Stream: r.Body, Len: r.ContentLength},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		secret := credential.MatchString(name)
		for _, v := range r.Header[name] {
			req.Header = append(req.Header, plan.Field{Name: name, Value: v, Secret: secret})
		}
	}
	req.Target = maskQuery(req.Target)
	return req
}

// maskQuery hides the values of query parameters that carry secrets.
func maskQuery(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, ok := strings.Cut(pair, "="); ok && credential.MatchString(name) {
			pairs[i] = name + "=" + plan.Masked
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}
