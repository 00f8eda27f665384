package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/plan"
)

// table finds routes by path, method and query. It is a tree keyed by path segments: the
// cost of a lookup depends on the path, not on the number of routes. A table is immutable
// once its routes are added, and safe for concurrent use.
type table struct{ root node }

// node is a place in a path: what can follow it, and the routes that end there. There are several
// for each route, so that what few places have is apart.
type node struct {
	few    []branch // behind texts, as long as these are few
	any    *node    // behind a placeholder
	rare   *rareBranches
	routes []entry
}

// branch is what follows a text.
type branch struct {
	text string
	to   *node
}

// maxFew is how many texts are found as fast one after the other as in a map.
const maxFew = 8

// rareBranches are what can follow few places of a path.
type rareBranches struct {
	texts map[string]*node // instead of few
	mixed mixedSet
	many  *node // behind any number of segments
}

// entry is a route as the table knows it.
type entry struct {
	route    *plan.Route
	exposure *plan.Exposure
	params   []int         // of each placeholder in the path, its place in Route.Params; nil: as they come
	refusal  *plan.Refusal // why the route is not served, if it is not
}

func newEntry(x *plan.Exposure, r *plan.Route) entry {
	e := entry{route: r, exposure: x, refusal: r.Refusal}
	var params []int
	sound, inOrder := r.Operation != nil || r.Refusal != nil, true
	for _, s := range r.Segments {
		for _, part := range s {
			if part.Param < 0 {
				continue
			}
			inOrder = inOrder && part.Param == len(params)
			sound = sound && part.Param < len(r.Params)
			params = append(params, part.Param)
		}
	}
	switch {
	case !sound:
		e.params = []int{}
		e.refusal = &plan.Refusal{Code: diag.CodeInternal, Reason: "the route was not compiled completely"}
	case !inOrder || len(params) != len(r.Params):
		e.params = params
	}
	return e
}

// place puts the value of each placeholder of the path into its place in Route.Params.
func (e *entry) place(to, values []string) {
	if e.params == nil {
		copy(to, values)
		return
	}
	for i, param := range e.params {
		to[param] = values[i]
	}
}

// add puts a route into the tree. A route that was added earlier wins over one that has
// the same path, method and conditions.
func (t *table) add(x *plan.Exposure, r *plan.Route) {
	t.root.add(x, r, 0)
}

// segmentsOf gives the segments of a path. That of "/" has one empty segment.
func segmentsOf(r *plan.Route) []plan.Segment {
	if len(r.Segments) == 0 {
		return []plan.Segment{nil}
	}
	return r.Segments
}

// add puts a route into the tree below a place that is so many segments deep.
func (n *node) add(x *plan.Exposure, r *plan.Route, depth int) {
	for _, s := range segmentsOf(r)[depth:] {
		n = n.child(s)
	}
	// Routes with more conditions are tried first, those with as many as declared.
	at := len(n.routes)
	for at > 0 && len(n.routes[at-1].route.Conditions) < len(r.Conditions) {
		at--
	}
	n.routes = slices.Insert(n.routes, at, newEntry(x, r))
}

// hasMore reports whether more than so many routes end here or below.
func (n *node) hasMore(than int) bool { return n.countTo(than+1) > than }

// countTo counts the routes that end here or below, and stops at most.
func (n *node) countTo(most int) int {
	count := len(n.routes)
	below := func(n *node) bool {
		if n != nil && count < most {
			count += n.countTo(most - count)
		}
		return count < most
	}
	below(n.any)
	for i := range n.few {
		below(n.few[i].to)
	}
	if n.rare == nil {
		return count
	}
	below(n.rare.many)
	for _, e := range n.rare.mixed.byText {
		below(e.to)
	}
	for _, to := range n.rare.texts {
		if !below(to) {
			break
		}
	}
	return count
}

// behind gives what follows a text, nil if nothing does.
func (n *node) behind(text string) *node {
	for i := range n.few {
		if n.few[i].text == text {
			return n.few[i].to
		}
	}
	if n.rare == nil {
		return nil
	}
	return n.rare.texts[text]
}

// put lets something follow a text that nothing follows yet.
func (n *node) put(text string, to *node) {
	switch {
	case n.rare != nil && n.rare.texts != nil:
		n.rare.texts[text] = to
	case len(n.few) < maxFew:
		n.few = append(n.few, branch{text, to})
	default:
		texts := map[string]*node{text: to}
		for _, b := range n.few {
			texts[b.text] = b.to
		}
		n.few, n.unusual().texts = nil, texts
	}
}

func (n *node) unusual() *rareBranches {
	if n.rare == nil {
		n.rare = &rareBranches{}
	}
	return n.rare
}

func (n *node) child(s plan.Segment) *node {
	literals := split(s)
	switch {
	case len(s) == 1 && s[0].Many:
		rare := n.unusual()
		if rare.many == nil {
			rare.many = &node{}
		}
		return rare.many
	case len(literals) == 1:
		next := n.behind(literals[0])
		if next == nil {
			next = &node{}
			n.put(literals[0], next)
		}
		return next
	case len(literals) == 2 && literals[0] == "" && literals[1] == "":
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	default:
		return n.unusual().mixed.child(literals)
	}
}

// match is what a table has for a request.
type match struct {
	entry *entry   // nil when no route answers
	path  []string // values of Route.Params
	// Of the request's segments, those from from up to to are what {path} of a forwarded
	// route stands for.
	from, to int
	// allow is the methods of every route of that path, when no route answers. It is empty
	// when the path is unknown.
	allow []string
	// near are the routes of that path, when none answers.
	near []*entry
	// err says that the query cannot be read, where there is a route that could have a
	// look at it. Of the others only near is set then.
	err error
}

// isNone reports whether the path is unknown.
func (m match) isNone() bool { return m.entry == nil && len(m.allow) == 0 && m.err == nil }

// search is one lookup. It walks the tree from the most specific to the least specific
// reading of the path and stops at the first route that answers. The match that it gives uses
// its memory.
type search struct {
	method   string
	rawQuery string
	query    url.Values // of rawQuery, once it is parsed
	parsed   bool
	values   []string // of the placeholders passed so far
	path     []string // the path that is looked for, in its segments
	from, to int      // segments that many took
	rest     int      // place of their value in values, -1 while many took none
	match    match

	segments, few, params [8]string // room for path, values and the path of match, if it is enough
}

// find looks for the route of a request.
func (t *table) find(method string, segments []string, rawQuery string) match {
	return new(search).find(t, method, segments, rawQuery)
}

// find looks in a table for the route of a request. Segments are decoded. Where the path does
// not answer as it is, it is tried with, or without, a slash at its end. It is called once.
func (s *search) find(t *table, method string, segments []string, rawQuery string) match {
	s.method, s.rawQuery, s.values, s.rest = method, rawQuery, s.few[:0], -1
	if s.walkAll(t, segments) || s.walkAll(t, toggleSlash(segments)) {
		return s.match
	}
	s.match.allow = allowed(s.match.allow)
	return s.match
}

// walkAll tries a whole path.
func (s *search) walkAll(t *table, path []string) (done bool) {
	s.path = path
	return s.walk(&t.root, path)
}

// toggleSlash takes the slash at the end of a path away, or adds one.
func toggleSlash(segments []string) []string {
	if n := len(segments); n > 0 && segments[n-1] == "" {
		return segments[:n-1]
	}
	return append(segments[:len(segments):len(segments)], "")
}

func (s *search) walk(n *node, segments []string) (done bool) {
	if len(segments) == 0 && s.end(n) || len(segments) > 0 && s.walkOne(n, segments) {
		return true
	}
	return n.rare != nil && n.rare.many != nil && s.walkMany(n.rare.many, segments)
}

// walkMany lets any number of segments pass, as many as it can. It comes last at each place,
// as the least specific reading. Their value is made by pick: one for each number would take
// a time that grows with the square of the path.
func (s *search) walkMany(n *node, segments []string) (done bool) {
	base := len(s.values)
	for count := len(segments); count >= 0; count-- {
		s.values = append(s.values[:base], "")
		s.rest = base
		s.from = len(s.path) - len(segments)
		s.to = s.from + count
		if s.walk(n, segments[count:]) {
			return true
		}
	}
	s.values = s.values[:base]
	s.from, s.to, s.rest = 0, 0, -1
	return false
}

// walkOne follows the first segment.
func (s *search) walkOne(n *node, segments []string) (done bool) {
	text, rest := segments[0], segments[1:]
	if next := n.behind(text); next != nil && s.walk(next, rest) {
		return true
	}
	if n.rare != nil && len(n.rare.mixed.shapes) > 0 && s.walkMixed(&n.rare.mixed, text, rest) {
		return true
	}
	if n.any == nil || text == "" {
		return false
	}
	s.values = append(s.values, text)
	if s.walk(n.any, rest) {
		return true
	}
	s.values = s.values[:len(s.values)-1]
	return false
}

func (s *search) walkMixed(set *mixedSet, text string, rest []string) (done bool) {
	return set.candidates(text, func(e *mixedEdge) bool {
		base := len(s.values)
		values, ok := e.pattern.match(text, s.values)
		if !ok {
			return false
		}
		s.values = values
		if s.walk(e.to, rest) {
			return true
		}
		s.values = s.values[:base]
		return false
	})
}

// end looks at the routes of a whole path. A HEAD request is answered by a HEAD route, or
// else by the GET route.
func (s *search) end(n *node) (done bool) {
	if len(n.routes) == 0 {
		return false
	}
	// A query with a broken escape is refused even where no route has a condition: the
	// answer must not depend on which parameters an operation happens to read.
	if err := plan.CheckQuery(s.rawQuery); err != nil {
		s.match = match{err: err, near: n.all()}
		return true
	}
	if s.pick(n, s.method) {
		return true
	}
	if s.method == http.MethodHead && s.pick(n, http.MethodGet) {
		return true
	}
	if s.method != http.MethodTrace && s.method != http.MethodConnect && s.pick(n, plan.AnyMethod) {
		return true
	}
	for i := range n.routes {
		e := &n.routes[i]
		if s.holds(e.route.Conditions) && (e.route.Method != plan.AnyMethod || !s.isOthers(e)) {
			s.match.allow = append(s.match.allow, e.route.Method)
			s.match.near = append(s.match.near, e)
		}
	}
	return false
}

func (s *search) pick(n *node, method string) bool {
	for i := range n.routes {
		e := &n.routes[i]
		if e.route.Method != method || !s.holds(e.route.Conditions) {
			continue
		}
		if method == plan.AnyMethod && s.isOthers(e) {
			continue
		}
		s.match = match{entry: e, from: s.from, to: s.to}
		if s.rest >= 0 {
			s.values[s.rest] = strings.Join(s.path[s.from:s.to], "/")
		}
		if n := len(e.route.Params); n <= len(s.params) {
			s.match.path = s.params[:n]
		} else {
			s.match.path = make([]string, n)
		}
		e.place(s.match.path, s.values)
		return true
	}
	return false
}

// all gives the routes that end at a place.
func (n *node) all() []*entry {
	out := make([]*entry, len(n.routes))
	for i := range n.routes {
		out[i] = &n.routes[i]
	}
	return out
}

// isOthers reports whether the path is one that another adapter declares, for other methods:
// no forward takes its callers' requests.
func (s *search) isOthers(forward *entry) bool {
	return slices.ContainsFunc(s.match.near, func(e *entry) bool { return e.exposure != forward.exposure })
}

// holds reports whether the query has every one of the pairs.
func (s *search) holds(conditions []plan.Pair) bool {
	if len(conditions) == 0 {
		return true
	}
	if s.parse() != nil {
		return false
	}
	for _, c := range conditions {
		if !slices.Contains(s.query[c.Name], c.Value) {
			return false
		}
	}
	return true
}

// parse reads the query, once, as operations do. It can fail only where there is a "%".
func (s *search) parse() (err error) {
	if !s.parsed {
		s.query, err = plan.ParseQuery(s.rawQuery)
		s.parsed = err == nil
	}
	return err
}

// allowed completes the methods of a path: whoever answers GET answers HEAD, and OPTIONS
// is always answered. No methods stay no methods.
func allowed(methods []string) []string {
	if len(methods) == 0 {
		return nil
	}
	if slices.Contains(methods, plan.AnyMethod) {
		methods = slices.DeleteFunc(methods, func(m string) bool { return m == plan.AnyMethod })
		methods = append(methods, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	methods = append(methods, http.MethodOptions)
	slices.Sort(methods)
	return slices.Compact(methods)
}
