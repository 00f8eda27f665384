package plan

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"capd/engine/diag"
)

// layout is what decides, beside the documents, where each of them is served.
type layout struct {
	listen, address, public               string
	allowSpecAddress, withoutCertificates bool
}

func (o *LinkOptions) layout() layout {
	return layout{o.Listen, o.Address, o.PublicURL, o.AllowSpecAddress, o.WithoutCertificates}
}

// judgesEachAlone reports whether nothing but what documents declare ties one to others.
func (o *LinkOptions) judgesEachAlone() bool {
	return o.Policy == nil && o.Subjects == nil && o.Stdio == nil && !o.CombinedMCP && len(o.Views) == 0
}

// claims counts the routes of a listener that want a bare path, by the hash of what they claim. Two
// claims of one hash count as rivals, which costs a whole link at worst.
type claims map[uint64]int

func (l *linker) claim(x *Listener, key string) { x.claims[maphash.String(l.seed, key)]++ }

// maxRelinked is how much of the documents may have changed, as a fraction, for one by one to be
// less work than all together.
const maxRelinked = 10

// relink fills in a plan where a few documents have changed since prev that have to do with no
// other one: those come to the same as before, and each that changed to what it comes to by
// itself, at its place in the order. It reports whether that is so; else it has done nothing.
func (l *linker) relink(prev, p *Plan) bool {
	if prev == nil || prev.layout != p.layout || !prev.alone || !p.alone || len(prev.withheld)+len(p.withheld) > 0 {
		return false
	}
	gone, came := l.gone, l.came
	if len(gone)+len(came) > 2+len(p.Units)/maxRelinked {
		return false
	}
	e := &edit{linker: l, prev: prev, listeners: map[string]*Listener{}}
	for _, u := range gone {
		if !e.isAlone(prev, u) || !e.takeOut(u) {
			return false
		}
	}
	for _, u := range came {
		if !e.isAlone(p, u) || !e.putIn(u) {
			return false
		}
	}
	without := make(map[string]bool, len(gone))
	for _, u := range gone {
		without[u.ID] = true
	}
	for _, d := range prev.notes {
		if !without[d.Unit.Doc] {
			l.list.Add(d)
		}
	}
	l.list = append(l.list, e.notes...)
	p.Listeners = e.all()
	return true
}

// inOrder gives units by ID. In most loads they are, or change, where they were in the last plan.
func (p *Plan) inOrder(units []*Unit) []*Unit {
	out := slices.Clone(units)
	if p == nil || !slices.EqualFunc(p.Units, out, func(a, b *Unit) bool { return unitOrder(a, b) == 0 }) {
		slices.SortStableFunc(out, unitOrder)
	}
	return out
}

// unitsApart gives the units that only one of two plans has. A nil plan has none.
func (p *Plan) unitsApart(next *Plan) (gone, came []*Unit) {
	if p == nil {
		return nil, next.Units
	}
	return unitsApart(p.Units, next.Units)
}

// unitsApart gives what is not the very same in two lists of units by ID.
func unitsApart(a, b []*Unit) (onlyA, onlyB []*Unit) {
	for len(a) > 0 && len(b) > 0 {
		switch order := unitOrder(a[0], b[0]); {
		case order < 0:
			onlyA, a = append(onlyA, a[0]), a[1:]
		case order > 0:
			onlyB, b = append(onlyB, b[0]), b[1:]
		default:
			if a[0] != b[0] {
				onlyA, onlyB = append(onlyA, a[0]), append(onlyB, b[0])
			}
			a, b = a[1:], b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

func unitOrder(a, b *Unit) int {
	if a == b {
		return 0
	}
	return cmp.Compare(a.ID, b.ID)
}

// edit is a plan that becomes another.
type edit struct {
	*linker
	prev      *Plan
	listeners map[string]*Listener // those that are others now, by address
	notes     diag.List
}

// isAlone reports whether a document of a plan has its addresses to itself: no other's ID is above
// or below its own, and it has nothing whose place depends on other documents' adapters.
func (e *edit) isAlone(p *Plan, u *Unit) bool {
	for at, c := range u.ID {
		if c == '/' && p.Unit(u.ID[:at]) != nil {
			return false
		}
	}
	below := u.ID + "/"
	i, _ := slices.BinarySearchFunc(p.Units, below, func(u *Unit, id string) int { return strings.Compare(u.ID, id) })
	if i < len(p.Units) && strings.HasPrefix(p.Units[i].ID, below) {
		return false
	}
	return !slices.ContainsFunc(u.Exposures, func(x *Exposure) bool { return x.Kind != REST && x.Kind != MCP })
}

// byItself links one document as if there was no other, where these listeners are.
func (e *edit) byItself(u *Unit) *linker {
	one := &linker{options: e.options, seed: e.seed, listeners: map[string]*Listener{}}
	one.mountAll(u)
	for addr, x := range one.listeners {
		if at := e.at(addr); at != nil {
			x.add(at.kinds...)
		}
		one.settle(x)
	}
	return one
}

// at gives the listener of an address as it is by now.
func (e *edit) at(addr string) *Listener {
	if x := e.listeners[addr]; x != nil {
		return x
	}
	return e.prev.Listener(addr)
}

// open gives a listener that may be changed; nil when there is none at the address.
func (e *edit) open(addr string) *Listener {
	if x := e.listeners[addr]; x != nil {
		return x
	}
	old := e.prev.Listener(addr)
	if old == nil {
		return nil
	}
	x := &Listener{
		Addr: addr, Mounts: slices.Clone(old.Mounts), Bare: slices.Clone(old.Bare), Skills: old.Skills,
		claims: maps.Clone(old.claims), kinds: old.kinds,
	}
	e.listeners[addr] = x
	return x
}

// takeOut takes a document away, unless another one claims what it claims.
func (e *edit) takeOut(u *Unit) bool {
	for addr, own := range e.byItself(u).listeners {
		x := e.open(addr)
		if x == nil {
			return false
		}
		for hash, n := range own.claims {
			if x.claims[hash] != n {
				return false
			}
			delete(x.claims, hash)
		}
		x.splice(u.ID, nil, nil)
	}
	return true
}

// putIn adds a document, unless another one claims what it claims.
func (e *edit) putIn(u *Unit) bool {
	one := e.byItself(u)
	for addr, own := range one.listeners {
		x := e.open(addr)
		if x == nil {
			x = &Listener{Addr: addr, claims: claims{}}
			e.listeners[addr] = x
		}
		for hash, n := range own.claims {
			if x.claims[hash] != 0 {
				return false
			}
			x.claims[hash] = n
		}
		x.add(own.kinds...)
		x.splice(u.ID, own.Mounts, own.Bare)
	}
	e.notes = append(e.notes, one.list...)
	return true
}

// splice puts what a document has in the place of what is there of it.
func (x *Listener) splice(id string, mounts []*Mount, bare []*BareRoute) {
	x.Mounts = spliced(x.Mounts, mounts, id, func(m *Mount) string { return m.Exposure.Unit.ID })
	served, refused := apart(x.Bare)
	ownServed, ownRefused := apart(bare)
	of := func(b *BareRoute) string { return b.Exposure.Unit.ID }
	x.Bare = slices.Concat(spliced(served, ownServed, id, of), spliced(refused, ownRefused, id, of))
}

// apart tells the routes that are served from those that are refused, which come behind them.
func apart(bare []*BareRoute) (served, refused []*BareRoute) {
	i, _ := slices.BinarySearchFunc(bare, true, func(b *BareRoute, _ bool) int {
		if b.Route.Operation == nil {
			return 0
		}
		return -1
	})
	return bare[:i:i], bare[i:]
}

// spliced puts some elements in the place of those of one document, in a list by document.
func spliced[T any](all, own []T, id string, of func(T) string) []T {
	from, to := ofDocument(all, id, of)
	return slices.Replace(all, from, to, own...)
}

// ofDocument finds what is of one document in a list by document.
func ofDocument[T any](all []T, id string, of func(T) string) (from, to int) {
	from, _ = slices.BinarySearchFunc(all, id, func(x T, id string) int { return strings.Compare(of(x), id) })
	to = from
	for to < len(all) && of(all[to]) == id {
		to++
	}
	return from, to
}

// Of gives the mounts of a document.
func (x *Listener) Of(u *Unit) []*Mount {
	from, to := ofDocument(x.Mounts, u.ID, func(m *Mount) string { return m.Exposure.Unit.ID })
	return x.Mounts[from:to]
}

// Since gives the mounts of a listener that another one has not, and those that it had instead. Both
// may hold some that both have, where more than one document changed.
func (x *Listener) Since(old *Listener) (gone, came []*Mount) {
	return middle(old.Mounts, x.Mounts, sameMount)
}

// BareSince is Since for the routes at their declared path.
func (x *Listener) BareSince(old *Listener) (gone, came []*BareRoute) {
	return middle(old.Bare, x.Bare, sameBare)
}

func sameMount(a, b *Mount) bool {
	return a == b || a.Exposure == b.Exposure && a.Path == b.Path && a.Main == b.Main
}

func sameBare(a, b *BareRoute) bool { return a == b || *a == *b }

// middle leaves out what two lists have in common at their beginnings and at their ends.
func middle[T any](a, b []T, same func(T, T) bool) (onlyA, onlyB []T) {
	for len(a) > 0 && len(b) > 0 && same(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// all gives the listeners of the new plan, by address.
func (e *edit) all() []*Listener {
	out := slices.DeleteFunc(slices.Clone(e.prev.Listeners), func(x *Listener) bool { return e.listeners[x.Addr] != nil })
	for _, x := range e.listeners {
		if len(x.Mounts) == 0 {
			continue
		}
		x.countMCP()
		x.findSoleControl()
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *Listener) int { return strings.Compare(a.Addr, b.Addr) })
	return out
}
