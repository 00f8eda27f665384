package rest

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/plan"
)

// reference matches by trying every route: the rules of contract X written down without
// any thought of speed.
type reference []*plan.Route

func (routes reference) find(method string, segments []string, rawQuery string) match {
	query, err := plan.ParseQuery(rawQuery)
	var allow []string
	for _, path := range [][]string{segments, toggleSlash(segments)} {
		if err != nil && len(routes.byPath(path)) > 0 {
			return match{err: err}
		}
		for _, group := range routes.byPath(path) {
			methods := []string{method}
			if method == "HEAD" {
				methods = append(methods, "GET")
			}
			for _, m := range methods {
				if found := group.answering(m, path, query); found.entry != nil {
					return found
				}
			}
			for _, r := range group {
				if meets(r, query) {
					allow = append(allow, r.Method)
				}
			}
		}
	}
	return match{allow: allowed(allow)}
}

// answering gives the route with the most conditions, the first of several.
func (routes reference) answering(method string, path []string, query url.Values) match {
	var best *plan.Route
	for _, r := range routes {
		if r.Method == method && meets(r, query) && (best == nil || len(r.Conditions) > len(best.Conditions)) {
			best = r
		}
	}
	if best == nil {
		return match{}
	}
	var values []string
	for i, s := range best.Segments {
		values = append(values, pattern(s).FindStringSubmatch(path[i])[1:]...)
	}
	return match{entry: &entry{route: best}, path: values}
}

func meets(r *plan.Route, query url.Values) bool {
	for _, c := range r.Conditions {
		if !slices.Contains(query[c.Name], c.Value) {
			return false
		}
	}
	return true
}

// pattern is a segment as a regular expression: "+" takes as much as it can, the first
// placeholder first.
func pattern(s plan.Segment) *regexp.Regexp {
	text := `(?s)\A`
	for _, part := range s {
		if part.Param >= 0 {
			text += "(.+)"
			continue
		}
		text += regexp.QuoteMeta(part.Literal)
	}
	return regexp.MustCompile(text + `\z`)
}

// byPath gives the routes that match a path, those of one path together, the most specific
// path first.
func (routes reference) byPath(path []string) []reference {
	var fitting reference
	for _, r := range routes {
		fits := len(r.Segments) == len(path)
		for i := 0; fits && i < len(path); i++ {
			fits = pattern(r.Segments[i]).MatchString(path[i])
		}
		if fits {
			fitting = append(fitting, r)
		}
	}
	slices.SortStableFunc(fitting, func(a, b *plan.Route) int {
		for i := range path {
			if d := routes.compare(a, b, i); d != 0 {
				return d
			}
		}
		return 0
	})
	var groups []reference
	for i, r := range fitting {
		if i > 0 && spelling(r, len(path)) == spelling(fitting[i-1], len(path)) {
			groups[len(groups)-1] = append(groups[len(groups)-1], r)
			continue
		}
		groups = append(groups, reference{r})
	}
	return groups
}

// compare orders two routes, equal before segment i, by that segment: literal, then mixed
// with the most literal text, then placeholder; else as declared.
func (routes reference) compare(a, b *plan.Route, i int) int {
	if spelling(a, i+1) == spelling(b, i+1) {
		return 0
	}
	x, y := rank(a.Segments[i]), rank(b.Segments[i])
	if d := slices.Compare(x, y); d != 0 {
		return d
	}
	declared := func(r *plan.Route) int {
		return slices.IndexFunc(routes, func(o *plan.Route) bool {
			return len(o.Segments) > i && spelling(o, i+1) == spelling(r, i+1)
		})
	}
	return declared(a) - declared(b)
}

func rank(s plan.Segment) []int {
	literals := split(s)
	if len(literals) == 1 {
		return []int{0}
	}
	total := 0
	for _, l := range literals {
		total += len(l)
	}
	if len(literals) == 2 && total == 0 {
		return []int{2}
	}
	return []int{1, -total, -len(literals[0]), -len(literals[len(literals)-1])}
}

// spelling gives the first n segments of a route without the names of its placeholders.
func spelling(r *plan.Route, n int) string {
	var all []string
	for _, s := range r.Segments[:n] {
		all = append(all, fmt.Sprintf("%q", split(s)))
	}
	return strings.Join(all, "/")
}

func FuzzFind(f *testing.F) {
	f.Add("GET /a/{x}\nGET /a/b\nPOST /a/{x}:run\nGET /{x}/b?c=1", "GET /a/b?c=1")
	f.Add("GET /{a}{b}.{c}\nHEAD /{a}.x\nGET /{a}", "HEAD /a.b.x")
	f.Add("GET /a{x}c\nGET /{x}bc\nGET /ab{x}\nGET /{p}/\nGET /{p}", "GET /abbc/")
	f.Add("GET /?a=1\nGET /?a=1&b=2\nGET /?b", "GET /?b=2&a=1&b")
	f.Add("GET /?a=1;2\nGET /?a=1\nGET /{x}", "GET /?a=1;2&b=%")
	f.Add("GET //x/{é}é\nPUT /{a}-{b}-{c}", "PUT /---é%2F--")
	f.Fuzz(func(t *testing.T, routes, request string) {
		method, target, ok := strings.Cut(request, " ")
		path, query, _ := strings.Cut(target, "?")
		segments, valid := splitPath(path, true, nil)
		if len(routes)+len(request) > 400 || !ok || !valid || !utf8.ValidString(routes) || !utf8.ValidString(strings.Join(segments, "")) {
			t.Skip()
		}
		x := &plan.Exposure{}
		for line := range strings.SplitSeq(routes, "\n") {
			if _, target, ok := strings.Cut(line, " "); ok && strings.HasPrefix(target, "/") && len(x.Routes) < 20 {
				x.Routes = append(x.Routes, parseRoute(t, line))
			}
		}
		got := describe(newTable(x).find(method, segments, query))
		want := describe(reference(x.Routes).find(method, segments, query))
		if got != want {
			t.Errorf("%q among\n%s\ngot  %q\nwant %q", request, routes, got, want)
		}
	})
}
