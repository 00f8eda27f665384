package rest

import (
	"context"
	"maps"
	"slices"

	"capd/engine/plan"
)

// snapshot is the routing of one plan.
type snapshot struct {
	sites map[string]*site // by address
}

// newSnapshot builds the routing of a plan. What did not change since old, which can be
// nil, is shared with it. The only error is the context's.
func newSnapshot(ctx context.Context, p *plan.Plan, old *snapshot) (*snapshot, error) {
	s := &snapshot{sites: make(map[string]*site, len(p.Listeners))}
	for _, l := range p.Listeners {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var was *site
		if old != nil {
			was = old.sites[l.Addr]
		}
		s.sites[l.Addr] = was.follow(l)
	}
	return s, nil
}

// maxFollowed is for how many mounts it is less work to change a site than to lay it out anew.
const maxFollowed = 64

// follow lays out a listener whose site was s, which can be nil.
func (s *site) follow(l *plan.Listener) *site {
	if s == nil {
		return newSite(l, newBareTable(l.Bare), newLazyTable)
	}
	if s.listener == l {
		return s
	}
	gone, came := l.Since(s.listener)
	next := &site{listener: l, bare: s.bare.follow(s.listener, l)}
	if !s.contested && len(gone)+len(came) <= maxFollowed {
		if mounts, ok := s.mounts.exchanged(gone, came); ok {
			next.mounts = *mounts
			return next
		}
	}
	return newSite(l, next.bare, s.tables())
}

// tables gives the routes of exposures, of those that the site has as it has them.
func (s *site) tables() func(*plan.Exposure) *lazyTable {
	made := map[*plan.Exposure]*lazyTable{}
	s.mounts.each(func(m *mounted) { made[m.mount.Exposure] = m.table })
	return func(x *plan.Exposure) *lazyTable {
		if made[x] == nil {
			made[x] = newLazyTable(x)
		}
		return made[x]
	}
}

// each does something with everything in the tree.
func (n *mountNode) each(do func(*mounted)) {
	if n.mount != nil {
		do(n.mount)
	}
	for _, below := range n.next {
		below.each(do)
	}
}

// exchanged gives a tree with other mounts. It is not ok where two mounts have one address.
func (n *mountNode) exchanged(gone, came []*plan.Mount) (_ *mountNode, ok bool) {
	type place struct {
		exposure *plan.Exposure
		path     string
	}
	had, tables := map[place]*mounted{}, map[*plan.Exposure]*lazyTable{}
	for _, m := range gone {
		if m.Exposure.Kind != plan.REST {
			continue
		}
		at := n.at(m.Segments)
		if at == nil || at.mount == nil || at.mount.mount.Exposure != m.Exposure {
			return nil, false
		}
		had[place{m.Exposure, m.Path}], tables[m.Exposure] = at.mount, at.mount.table
		n = n.with(m.Segments, nil)
	}
	for _, m := range came {
		if m.Exposure.Kind != plan.REST {
			continue
		}
		if at := n.at(m.Segments); at != nil && at.mount != nil {
			return nil, false
		}
		own := had[place{m.Exposure, m.Path}]
		if own == nil {
			if tables[m.Exposure] == nil {
				tables[m.Exposure] = newLazyTable(m.Exposure)
			}
			own = &mounted{mount: m, table: tables[m.Exposure]}
		}
		n = n.with(m.Segments, own)
	}
	return n, true
}

// at gives the node of an address, or nil.
func (n *mountNode) at(segments []string) *mountNode {
	for _, s := range segments {
		if n = n.next[s]; n == nil {
			return nil
		}
	}
	return n
}

// with gives a tree that has something else, or nothing, at an address.
func (n *mountNode) with(segments []string, m *mounted) *mountNode {
	next := *n
	if len(segments) == 0 {
		next.mount = m
		return &next
	}
	next.next = maps.Clone(n.next)
	below := n.next[segments[0]]
	if below == nil {
		below = &mountNode{}
	}
	if below = below.with(segments[1:], m); below.mount == nil && len(below.next) == 0 {
		delete(next.next, segments[0])
		return &next
	}
	if next.next == nil {
		next.next = map[string]*mountNode{}
	}
	next.next[segments[0]] = below
	return &next
}

// follow gives the table of the bare routes of a listener, made of that of the listener before.
func (t *table) follow(old, l *plan.Listener) *table {
	gone, came := l.BareSince(old)
	if len(gone)+len(came) == 0 {
		return t
	}
	if root, ok := t.root.exchanged(gone, came, 0); ok && root != nil {
		return &table{root: *root}
	}
	return newBareTable(l.Bare)
}

// exchanged gives the node with other routes below it: whatever follows a text that only routes
// have which go is made anew, and all else shared; nil when nothing is left. It is not ok where they meet
// others in another way than behind texts.
func (n *node) exchanged(gone, came []*plan.BareRoute, depth int) (_ *node, ok bool) {
	if n == nil || !n.hasMore(len(gone)) {
		if len(came) == 0 {
			return nil, true
		}
		made := &node{}
		for _, b := range came {
			made.add(b.Exposure, b.Route, depth)
		}
		return made, true
	}
	goneBy, ok := byText(gone, depth)
	if !ok {
		return nil, false
	}
	cameBy, ok := byText(came, depth)
	if !ok {
		return nil, false
	}
	next := n.clone()
	for text := range goneBy {
		if _, both := cameBy[text]; !both {
			cameBy[text] = nil
		}
	}
	for text := range cameBy {
		below, ok := n.behind(text).exchanged(goneBy[text], cameBy[text], depth+1)
		if !ok {
			return nil, false
		}
		next.drop(text)
		if below != nil {
			next.put(text, below)
		}
	}
	return next, true
}

// clone gives a node that other texts can follow.
func (n *node) clone() *node {
	next := *n
	next.few = slices.Clone(n.few)
	if n.rare != nil {
		rare := *n.rare
		rare.texts = maps.Clone(rare.texts)
		next.rare = &rare
	}
	return &next
}

// drop lets nothing follow a text.
func (n *node) drop(text string) {
	n.few = slices.DeleteFunc(n.few, func(b branch) bool { return b.text == text })
	if n.rare != nil {
		delete(n.rare.texts, text)
	}
}

// byText tells routes apart by a segment. It is not ok when one of them has no text there.
func byText(routes []*plan.BareRoute, depth int) (map[string][]*plan.BareRoute, bool) {
	out := map[string][]*plan.BareRoute{}
	for _, b := range routes {
		segments := segmentsOf(b.Route)
		if depth >= len(segments) {
			return nil, false
		}
		text, ok := textOf(segments[depth])
		if !ok {
			return nil, false
		}
		out[text] = append(out[text], b)
	}
	return out, true
}

// textOf gives a segment without placeholders.
func textOf(s plan.Segment) (string, bool) {
	literals := split(s)
	return literals[0], len(literals) == 1 && (len(s) != 1 || !s[0].Many)
}
