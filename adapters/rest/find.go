package rest

import (
	"net/url"
	"strings"

	"capd/engine/plan"
)

// Found is the route that answers a request, with the values of its placeholders.
type Found struct {
	Exposure *plan.Exposure
	Route    *plan.Route
	Path     []string // decoded, in the order of Route.Params
	Rest     string   // what {path} of a forwarded route stands for, as it came
	Query    string   // of the target, raw
}

// Find gives the route of an exposure that answers a request as a server would choose it
// (contract X). target is a path, with a query perhaps, as a client writes it; it may have
// one of the exposure's fixed addresses in front. ok is false when there is none, and
// methods are then those the path is served for. A query that cannot be read meets no
// condition; that it cannot be read shows when it is bound.
func Find(mounts []*plan.Mount, method, target string) (found Found, methods []string, ok bool) {
	path, query, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	for _, m := range mounts {
		rest := path
		if cut, below := strings.CutPrefix(path, m.Path); below && (cut == "" || cut[0] == '/') {
			rest = cut
		}
		u, err := url.ParseRequestURI(rest)
		if err != nil || rest == "" {
			continue
		}
		segments, valid := pathSegments(u, nil)
		if !valid {
			continue
		}
		t := newTable(m.Exposure)
		got := t.find(method, segments, query)
		if got.err != nil {
			got = t.find(method, segments, "")
		}
		if got.entry != nil {
			return Found{Exposure: m.Exposure, Route: got.entry.route, Path: got.path, Rest: rawSegments(u, got.from, got.to), Query: query}, nil, true
		}
		methods = append(methods, got.allow...)
	}
	return Found{}, methods, false
}
