package expr

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// Finder finds what several paths lead to in one pass over a JSON text, and checks meanwhile
// that it is JSON. It is made while compiling, and then immutable.
//
// Chains of member names are followed during the pass. The rest of a path, such as an index
// or a filter, is evaluated on the value that its names lead to.
type Finder struct {
	root   Spot
	slots  int // of a frame: a span for each spot and each list
	places []placed
}

// placed is a path that was added: what is left to do with the value of a slot.
type placed struct {
	slot int
	rest *JSONPath // nil: nothing
}

// Place stands for a path that was added to a [Finder].
type Place int

// Spot is a value of the text that paths go through.
type Spot struct {
	finder  *Finder
	slot    int
	members []member
	byName  map[string]*Spot // the same, when there are many
	each    *List            // of which the elements are looked at; nil: none
}

type member struct {
	name string
	spot *Spot
	// A short name is recognised with the quotation mark behind it, as part of eight bytes.
	word, mask uint64
}

func newMember(name string, spot *Spot) member {
	m := member{name: name, spot: spot, word: 1} // which no bytes are under a mask of none
	quoted := append([]byte(name), '"')
	if end, plain := skipName(quoted, 0); plain && end == len(quoted) && end <= 8 {
		m.mask = ^uint64(0) >> (64 - 8*end)
		m.word = binary.LittleEndian.Uint64(append(quoted, make([]byte, 8)...)) & m.mask
	}
	return m
}

// many is from how many members on a map finds them faster.
const many = 8

// List is a list whose elements are shown to the [Visitor] one by one, during the pass.
type List struct {
	Each *Finder // of what is looked at in an element
	Tag  int     // the visitor's
	slot int
}

// NewFinder makes a finder without paths.
func NewFinder() *Finder {
	f := &Finder{slots: 1}
	f.root.finder = f
	return f
}

// Root gives the text as a whole.
func (f *Finder) Root() *Spot { return &f.root }

// Add adds a path that begins at the spot.
func (s *Spot) Add(path *JSONPath) Place {
	at, rest := s.follow(path)
	s.finder.places = append(s.finder.places, placed{at.slot, rest})
	return Place(len(s.finder.places) - 1)
}

// Below gives the spot that a path leads to; nil when more than names leads there.
func (s *Spot) Below(path *JSONPath) *Spot {
	if at, rest := s.follow(path); rest == nil {
		return at
	}
	return nil
}

// List makes the list at the spot one whose elements are looked at. It is nil when that is so
// already.
func (s *Spot) List() *List {
	if s.each != nil {
		return nil
	}
	s.each = &List{Each: NewFinder(), slot: s.finder.slots}
	s.finder.slots++
	return s.each
}

// follow goes along the names that a path begins with, and gives what is left of it.
func (s *Spot) follow(path *JSONPath) (at *Spot, rest *JSONPath) {
	if path == nil {
		return s, nil
	}
	left := *path
	for {
		name, after, ok := left.cutName()
		if !ok {
			break
		}
		s, left = s.member(name), after
	}
	if left.IsWhole() {
		return s, nil
	}
	beyond := left
	return s, &beyond
}

// member gives the spot of a member.
func (s *Spot) member(name string) *Spot {
	for _, m := range s.members {
		if m.name == name {
			return m.spot
		}
	}
	below := &Spot{finder: s.finder, slot: s.finder.slots}
	s.finder.slots++
	s.members = append(s.members, newMember(name, below))
	if len(s.members) == many {
		s.byName = map[string]*Spot{}
		for _, m := range s.members {
			s.byName[m.name] = m.spot
		}
	} else if len(s.members) > many {
		s.byName[name] = below
	}
	return below
}

// read reads the name of a member from behind its quotation mark, and gives the spot of the
// member; nil for one of no interest.
func (s *Spot) read(b []byte, i int) (below *Spot, end int) {
	if i <= len(b)-8 && s.byName == nil {
		x := binary.LittleEndian.Uint64(b[i:])
		for k := range s.members {
			if m := &s.members[k]; x&m.mask == m.word {
				return m.spot, i + len(m.name) + 1
			}
		}
	}
	end, plain := skipName(b, i)
	if end < 0 {
		return nil, -1
	}
	return s.find(b[i:end-1], plain), end
}

// find gives the spot of a member by its name as it stands between the quotation marks; plain
// says that it has neither escapes nor other bytes than ASCII. It is nil for one of no interest.
func (s *Spot) find(name []byte, plain bool) *Spot {
	if !plain {
		var decoded string
		if json.Unmarshal(append(append([]byte{'"'}, name...), '"'), &decoded) != nil {
			return nil
		}
		name = []byte(decoded)
	}
	if s.byName != nil {
		return s.byName[string(name)]
	}
	for i := range s.members {
		if s.members[i].name == string(name) {
			return s.members[i].spot
		}
	}
	return nil
}

// isEnd reports whether no path goes on from there.
func (s *Spot) isEnd() bool { return s.members == nil && s.each == nil }

// Visitor is told of the lists of a [Finder] while they are read. What it makes of a list is
// its own; a text that turns out to be no JSON makes it worthless.
type Visitor interface {
	BeginList(l *List)
	Element(l *List, e Found)
	// EndList says where the visitor keeps what it made, for [Found.Made].
	EndList(l *List) (from, to int)
}

// Pass is one pass over a text. It can be used again, for any finder; the zero value is ready.
type Pass struct {
	Room  Room // see [JSONPath.Find]
	raw   []byte
	spans []span // frame upon frame: of the text, of the element that is read, and so on
	to    Visitor
}

// span is a part of the text. One that ends at 0 is nowhere.
type span struct{ from, to int }

// Found is what a [Finder] found in a text or in an element, until the pass is used again.
type Found struct {
	pass   *Pass
	finder *Finder
	base   int // of its frame
}

// Run looks into a text. ok is false when it is no JSON; a nil text is one in which nothing is.
func (p *Pass) Run(f *Finder, raw []byte, to Visitor) (found Found, ok bool) {
	p.raw, p.to, p.spans = raw, to, p.spans[:0]
	p.push(f)
	if raw != nil {
		i := p.value(skipSpace(raw, 0), &f.root, 0, 0)
		if i < 0 || skipSpace(raw, i) != len(raw) {
			return Found{}, false
		}
	}
	return Found{p, f, 0}, true
}

// Forget lets go of the text, of the visitor and of the room.
func (p *Pass) Forget() { p.raw, p.to, p.Room = nil, nil, nil }

// push makes an empty frame.
func (p *Pass) push(f *Finder) (base int) {
	base = len(p.spans)
	for range f.slots {
		p.spans = append(p.spans, span{})
	}
	return base
}

// Value gives the text of the value at a place, as [JSONPath.Find] does.
func (f Found) Value(at Place) (value []byte, ok bool, err error) {
	place := &f.finder.places[at]
	span := f.pass.spans[f.base+place.slot]
	value, ok = f.pass.raw[span.from:span.to], span.to != 0 || place.slot == 0 // the text itself is always there
	if place.rest == nil {
		return value, ok, nil
	}
	if !ok {
		value = []byte("{}") // of which a path to several values gives none, which is a list
	}
	return place.rest.Find(value, f.pass.Room)
}

// Made gives what the visitor said of a list. ok is false when there is none.
func (f Found) Made(l *List) (from, to int, ok bool) {
	span := f.pass.spans[f.base+l.slot]
	return span.from, span.to, span.to != 0
}

// value reads a value that paths lead to or through, and notes where it stands.
func (p *Pass) value(i int, at *Spot, base, depth int) int {
	from := i
	switch {
	case uint(i) >= uint(len(p.raw)):
		return -1
	case p.raw[i] == '{' && at.members != nil:
		i = p.object(i+1, at, base, depth+1)
	case p.raw[i] == '[' && at.each != nil:
		i = p.list(i+1, at.each, base, depth+1)
	default:
		i = skipValue(p.raw, i, depth)
	}
	if i >= 0 {
		p.spans[base+at.slot] = span{from, i}
	}
	return i
}

// object reads an object from behind its brace, as skipObject does.
func (p *Pass) object(i int, at *Spot, base, depth int) int {
	b := p.raw
	i = skipSpace(b, i)
	if depth > maxDepth || uint(i) >= uint(len(b)) {
		return -1
	}
	if b[i] == '}' {
		return i + 1
	}
	for uint(i) < uint(len(b)) && b[i] == '"' {
		below, end := at.read(b, i+1)
		if i = skipColon(b, end); i < 0 {
			return -1
		}
		switch {
		case below == nil:
			i = skipValue(b, i, depth)
		case below.isEnd():
			from := i
			i = skipValue(b, i, depth)
			p.spans[base+below.slot] = span{from, i}
		default:
			p.forget(below, base)
			i = p.value(i, below, base, depth)
		}
		i = skipSpace(b, i)
		if uint(i) >= uint(len(b)) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	return -1
}

// forget takes back what an earlier member of the same name gave: the last one counts.
func (p *Pass) forget(at *Spot, base int) {
	if p.spans[base+at.slot].to == 0 {
		return
	}
	p.spans[base+at.slot] = span{}
	if at.each != nil {
		p.spans[base+at.each.slot] = span{}
	}
	for _, m := range at.members {
		p.forget(m.spot, base)
	}
}

// list reads a list from behind its bracket, as skipList does, and shows its elements.
func (p *Pass) list(i int, l *List, base, depth int) int {
	b := p.raw
	i = skipSpace(b, i)
	if depth > maxDepth || uint(i) >= uint(len(b)) {
		return -1
	}
	p.to.BeginList(l)
	frame := p.push(l.Each)
	more := b[i] != ']'
	for more {
		i = skipSpace(b, p.value(i, &l.Each.root, frame, depth))
		if uint(i) >= uint(len(b)) || b[i] != ',' && b[i] != ']' {
			return -1
		}
		p.to.Element(l, Found{p, l.Each, frame})
		if more = b[i] == ','; more {
			clear(p.spans[frame:])
			i = skipSpace(b, i+1)
		}
	}
	p.spans = p.spans[:frame]
	from, to := p.to.EndList(l)
	p.spans[base+l.slot] = span{from, to}
	return i + 1
}

// skipName reads the name of a member from behind its quotation mark, and tells whether it has
// neither escapes nor other bytes than ASCII.
func skipName(b []byte, i int) (end int, plain bool) {
	for i <= len(b)-8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slant := x^quotes, x^slants
		if stops := ((x - blanks) | x | (quote-ones)&^quote | (slant-ones)&^slant) & tops; stops != 0 {
			i += bits.TrailingZeros64(stops) / 8
			break
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' && b[i] < 0x80 {
		i++
	}
	if i < len(b) && b[i] == '"' {
		return i + 1, true
	}
	return skipString(b, i), false
}
