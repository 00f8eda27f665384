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
//
// Most are those of the plan before, and shared with it.
type claims struct{ before, since map[uint64]int }

func newClaims() claims { return claims{since: map[uint64]int{}} }

// after gives claims to be changed, that are those of c at first.
func (c claims) after() claims {
	if len(c.before) < maxRelinked*len(c.since) {
		all := make(map[uint64]int, len(c.before)+len(c.since))
		for _, part := range []map[uint64]int{c.before, c.since} {
			maps.Copy(all, part)
		}
		maps.DeleteFunc(all, func(_ uint64, n int) bool { return n == 0 })
		return claims{all, map[uint64]int{}}
	}
	return claims{c.before, maps.Clone(c.since)}
}

// of gives how many routes want what a hash stands for.
func (c claims) of(hash uint64) int {
	if n, changed := c.since[hash]; changed {
		return n
	}
	return c.before[hash]
}

// set says how many there are now.
func (c claims) set(hash uint64, n int) { c.since[hash] = n }

func (l *linker) claim(x *Listener, key string) {
	hash := maphash.String(l.seed, key)
	x.claims.set(hash, x.claims.of(hash)+1)
}

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
	e := &edit{linker: l, prev: prev, listeners: map[string]*edited{}}
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
	listeners map[string]*edited // by address
	notes     diag.List
}

// edited is a listener that becomes another.
type edited struct {
	*Listener
	own map[string]*Listener // what a document has there now, by ID
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
		return x.Listener
	}
	return e.prev.Listener(addr)
}

// open gives a listener that may be changed.
func (e *edit) open(addr string) *edited {
	if x := e.listeners[addr]; x != nil {
		return x
	}
	x := &edited{&Listener{Addr: addr, claims: newClaims()}, map[string]*Listener{}}
	if old := e.prev.Listener(addr); old != nil {
		x.Listener = &Listener{Addr: addr, Mounts: old.Mounts, Bare: old.Bare, Skills: old.Skills, claims: old.claims.after(), kinds: old.kinds}
	}
	e.listeners[addr] = x
	return x
}

// takeOut takes a document away, unless another one claims what it claims.
func (e *edit) takeOut(u *Unit) bool {
	for addr, own := range e.byItself(u).listeners {
		x := e.open(addr)
		for hash, n := range own.claims.since {
			if x.claims.of(hash) != n {
				return false
			}
			x.claims.set(hash, 0)
		}
		x.own[u.ID] = &Listener{}
	}
	return true
}

// putIn adds a document, unless another one claims what it claims.
func (e *edit) putIn(u *Unit) bool {
	one := e.byItself(u)
	for addr, own := range one.listeners {
		x := e.open(addr)
		for hash, n := range own.claims.since {
			if x.claims.of(hash) != 0 {
				return false
			}
			x.claims.set(hash, n)
		}
		x.add(own.kinds...)
		x.own[u.ID] = own
	}
	e.notes = append(e.notes, one.list...)
	return true
}

// splice puts what documents have in the place of what is there of them.
func (x *edited) splice() {
	ids := sortedKeys(x.own)
	x.Mounts = spliced(x.Mounts, ids, func(m *Mount) string { return m.Exposure.Unit.ID }, func(id string) []*Mount { return x.own[id].Mounts })
	served, refused := apart(x.Bare)
	of := func(b *BareRoute) string { return b.Exposure.Unit.ID }
	served = spliced(served, ids, of, func(id string) []*BareRoute { own, _ := apart(x.own[id].Bare); return own })
	refused = spliced(refused, ids, of, func(id string) []*BareRoute { _, own := apart(x.own[id].Bare); return own })
	x.Bare = append(served, refused...)
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

// spliced gives a list by document with others in the place of those of some documents.
func spliced[T any](all []T, ids []string, of func(T) string, own func(id string) []T) []T {
	out := make([]T, 0, len(all)+len(all)/64)
	for _, id := range ids {
		from, to := ofDocument(all, id, of)
		out = append(append(out, all[:from]...), own(id)...)
		all = all[to:]
	}
	return append(out, all...)
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
		x.splice()
		if len(x.Mounts) == 0 {
			continue
		}
		x.countMCP()
		x.findSoleControl()
		out = append(out, x.Listener)
	}
	slices.SortFunc(out, func(a, b *Listener) int { return strings.Compare(a.Addr, b.Addr) })
	return out
}
