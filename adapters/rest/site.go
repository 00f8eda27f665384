package rest

import (
	"sync/atomic"

	"capd/engine/plan"
)

// site is what is served at one address: mounts under /apis and routes at their declared
// path. It is immutable and safe for concurrent use.
type site struct {
	listener *plan.Listener
	mounts   mountNode
	bare     *table

	contested bool // two mounts have one address
}

// mountNode is a place in the path behind /apis.
type mountNode struct {
	next  map[string]*mountNode
	mount *mounted
}

// mounted is an exposure with its routes.
type mounted struct {
	mount *plan.Mount
	table *lazyTable

	description description
}

// lazyTable is the table of an exposure. It is made when somebody calls the exposure: of many most
// are called at their bare routes, or not at all.
type lazyTable struct {
	exposure *plan.Exposure
	made     atomic.Pointer[table]
}

func newLazyTable(x *plan.Exposure) *lazyTable { return &lazyTable{exposure: x} }

func (t *lazyTable) get() *table {
	made := t.made.Load()
	if made == nil {
		made = newTable(t.exposure)
		t.made.Store(made) // whoever makes it at the same time makes the same
	}
	return made
}

func newTable(x *plan.Exposure) *table {
	t := &table{}
	for _, r := range x.Routes {
		t.add(x, r)
	}
	return t
}

func newBareTable(routes []*plan.BareRoute) *table {
	t := &table{}
	for _, b := range routes {
		t.add(b.Exposure, b.Route)
	}
	return t
}

// newSite lays out a listener; table gives the routes of an exposure.
func newSite(l *plan.Listener, bare *table, table func(*plan.Exposure) *lazyTable) *site {
	s := &site{listener: l, bare: bare}
	for _, m := range l.Mounts {
		if m.Exposure.Kind != plan.REST {
			continue
		}
		n := &s.mounts
		for _, segment := range m.Segments {
			n = n.child(segment)
		}
		if n.mount != nil {
			s.contested = true
			continue
		}
		n.mount = &mounted{mount: m, table: table(m.Exposure)}
	}
	return s
}

func (n *mountNode) child(segment string) *mountNode {
	next := n.next[segment]
	if next == nil {
		next = &mountNode{}
		if n.next == nil {
			n.next = map[string]*mountNode{}
		}
		n.next[segment] = next
	}
	return next
}

// longest gives the mount whose segments are the longest beginning of segments, or nil,
// and what follows it.
func (n *mountNode) longest(segments []string) (*mounted, []string) {
	found, rest := n.mount, segments
	for i, segment := range segments {
		if n = n.next[segment]; n == nil {
			break
		}
		if n.mount != nil {
			found, rest = n.mount, segments[i+1:]
		}
	}
	return found, rest
}

// isRoot reports whether a path has nothing in it, or only a slash.
func isRoot(segments []string) bool {
	return len(segments) == 0 || len(segments) == 1 && segments[0] == ""
}
